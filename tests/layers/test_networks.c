/* SPDX-License-Identifier: MIT
 *
 * The named networks with their classifier: the number of their parameters, and what they give for known weights, against torchvision (network_vectors.py).
 */
#include "components.h"
#include "graph/running.h"

#include <assay/layer.h>
#include <math.h>

struct network_case {
  const char *name, *layer, *options;
  int64_t height, width, classes; /* classes: those of the published figure */
  int64_t parameters;
  double logits[3]; /* of three classes */
};
#include "network_vectors.h"

enum { CASES = sizeof network_cases / sizeof *network_cases };

static const struct assay_option_value *const *bound(struct assay_builder *b, const struct assay_component *layer) {
  const uint32_t count = assay_option_count(layer->plugin->options);
  const struct assay_option_value **values = ASSAY_NEW_ARRAY(test_arena, const struct assay_option_value *, count + 1);
  for (uint32_t i = 0; i < count; i++) {
    struct assay_option_value *value = ASSAY_NEW(test_arena, struct assay_option_value);
    *value = *layer->values[i];
    const struct assay_constant_attributes constant = {value->real, ASSAY_F32, 0};
    if (layer->plugin->options[i]->flags & ASSAY_OPTION_RUNTIME) value->runtime = b->host->emit(b, ASSAY_OP_CONSTANT, NULL, 0, &constant, sizeof constant);
    values[i] = value;
  }
  return values;
}

static assay_value add_layer(struct assay_builder *b, const char *name, const char *type, const char *options, assay_value x) {
  const struct assay_component layer = component(ASSAY_LAYER, type, options);
  assay_builder_scope(b, name, "test");
  return ((const struct assay_layer *)layer.plugin->vtable)->build(b, bound(b, &layer), &x, 1);
}

/* images → LAYER → classifier */
static void build(struct assay_program_builder *program, const struct network_case *given, const char *options, int64_t classes) {
  struct assay_status status;
  struct assay_builder *b = assay_function_begin(program, "value");
  const assay_value images = assay_function_feed(b, ASSAY_F32, 4, (const int64_t[]){1, 3, given->height, given->width});
  const struct assay_build_context context = {sizeof context, 0, classes, {-1}, {-1}};
  assay_function_context(b, &context);
  assay_function_fetch(b, add_layer(b, "classifier", "classifier", "", add_layer(b, "net", given->layer, options, images)));
  CHECK_STATUS(assay_function_end(b, &status));
}

START_TEST(parameters_are_as_published) {
  const struct network_case *given = &network_cases[_i];
  struct assay_program_builder *program = assay_program_begin();
  build(program, given, strncmp(given->layer, "vgg", 3) == 0 ? "" : given->options, given->classes);
  int64_t count = 0;
  for (uint32_t v = 0; v < assay_program_variable_count(program); v++) {
    const struct assay_variable *variable = &assay_program_variable(program, v)->base;
    if (variable->role <= ASSAY_ROLE_NORM_BIAS) count += assay_element_count(&variable->type);
  }
  ck_assert_msg(count == given->parameters, "%s: %lld parameters, not %lld", given->name, (long long)count, (long long)given->parameters);
  assay_program_release(program);
}
END_TEST

/* CRC-32 of a name, as zlib has it. */
static uint32_t checksum(const char *name) {
  uint32_t crc = UINT32_MAX;
  for (; *name != '\0'; name++) {
    crc ^= (unsigned char)*name;
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
  }
  return ~crc;
}

/* The formula of network_vectors.py: its `noise`. */
static double noise(uint32_t start, uint32_t i) {
  uint32_t x = start + i;
  x = ((x >> 16) ^ x) * 0x45D9F3Bu;
  x = ((x >> 16) ^ x) * 0x45D9F3Bu;
  return ((x >> 16) ^ x) / 2147483648.0 - 1;
}

static bool ends_in(const char *name, const char *end) {
  const size_t length = strlen(name), tail = strlen(end);
  return length >= tail && strcmp(name + length - tail, end) == 0;
}

static void fill(struct running *running, uint32_t v) {
  struct assay_status status;
  const struct assay_variable *variable = running->program->variables[v];
  const char *name = strncmp(variable->name, "net.", 4) == 0 ? variable->name + 4 : variable->name;
  const int64_t count = assay_element_count(&variable->type);
  const double fan_in = (double)count / (double)variable->type.extents[0];
  double *numbers = malloc((size_t)count * sizeof *numbers);
  ck_assert_ptr_nonnull(numbers);
  const uint32_t start = checksum(name);
  for (int64_t i = 0; i < count; i++) {
    const double u = noise(start, (uint32_t)i);
    numbers[i] = variable->type.rank > 1              ? u * sqrt(6 / fan_in)
                 : ends_in(name, "running_var")       ? 1 + u / 3
                 : ends_in(name, "weight")            ? 1 + u / 5
                                                      : u / 5;
  }
  CHECK_STATUS(running->backend->store_write(running->store, v, numbers, &status));
  free(numbers);
}

START_TEST(logits_equal_torchvision) {
  const struct network_case *given = &network_cases[_i];
  struct assay_status status;
  struct assay_program_builder *program = assay_program_begin();
  CHECK_STATUS(assay_program_precision(program, ASSAY_F64, &status));
  build(program, given, given->options, 3);
  struct running running = run_builder(program);
  for (uint32_t v = 0; v < running.program->variable_count; v++) fill(&running, v);
  const size_t pixels = (size_t)(3 * given->height * given->width);
  double *images = ASSAY_NEW_ARRAY(test_arena, double, pixels), logits[3];
  for (size_t i = 0; i < pixels; i++) images[i] = sin(0.7 * (double)i + 0.1);
  call_function(&running, 0, (const void *const[]){images}, (void *const[]){logits});
  double largest = 0;
  for (int i = 0; i < 3; i++) largest = fmax(largest, fabs(given->logits[i]));
  for (int i = 0; i < 3; i++)
    ck_assert_msg(fabs(logits[i] - given->logits[i]) <= 1e-9 * largest, "%s: logit %d is %.17g, not %.17g", given->name, i, logits[i], given->logits[i]);
  stop_running(&running);
  assay_program_release(program);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("networks");
  TCase *cases = tcase_create("all");
  tcase_set_timeout(cases, 20);
  tcase_add_checked_fixture(cases, components_setup, components_teardown);
  tcase_add_loop_test(cases, parameters_are_as_published, 0, CASES);
  tcase_add_loop_test(cases, logits_equal_torchvision, 0, CASES);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
