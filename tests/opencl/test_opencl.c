/* SPDX-License-Identifier: MIT
 *
 * What the conformance suite does not see of the backend `opencl`: how many kernels a step takes, that updates of many variables are one launch, and that a whole network
 * trains as on the reference.
 */
#include "components.h"

#include "base/log.h"
#include "graph/session.h"
#include "train/network.h"

#include <assay/random.h>
#include <math.h>

enum { HEIGHT = 30, WIDTH = 60, CHANNELS = 3, BATCH = 4, STEPS = 3, MOST_LAUNCHES = 40 };

static int step_launches;

/* The backend says how many launches a function takes. */
static void listen_to_backend(void *context, int level, const char *message) {
  int launches;
  char name[64];
  (void)context;
  (void)level;
  if (sscanf(message, "opencl: function %63[^:]: %d launches", name, &launches) == 2 && strncmp(name, "step", 4) == 0) step_launches = launches;
}

/* NULL, with a message, where the backend cannot be used. */
static struct assay_session *open_session(const char *name) {
  const struct assay_component backend = component(ASSAY_BACKEND, name, "");
  struct assay_session *session;
  struct assay_status status;
  if (assay_session_open(backend.plugin, backend.values, NULL, &session, &status) == 0) return session;
  fprintf(stderr, "skipped: %s\n", status.message);
  return NULL;
}

/* The student's network at its defaults: two blocks of 16 and 32 channels, and one logit. */
static struct assay_network *create_network(void) {
  static const int32_t before[2] = {-1, 0};
  const uint32_t training_count = 2 * BATCH;
  struct assay_layer_setting *layers = ASSAY_NEW_ARRAY(test_arena, struct assay_layer_setting, 2);
  struct assay_network *network;
  struct assay_status status;
  layers[0] = (struct assay_layer_setting){component(ASSAY_LAYER, "conv_blocks", ""), 1, &before[0]};
  layers[1] = (struct assay_layer_setting){component(ASSAY_LAYER, "classifier", ""), 1, &before[1]};
  const struct assay_settings settings = {.layers = layers,
                                          .layer_count = 2,
                                          .optimizer = component(ASSAY_OPTIMIZER, "adam", ""),
                                          .train = {.epochs = 1, .batch = BATCH, .seed = 1}};
  const struct assay_network_facts facts = {.class_count = 2, .height = HEIGHT, .width = WIDTH, .channels = CHANNELS, .training_count_count = 1,
                                            .training_counts = &training_count, .evaluation_batch = BATCH};
  ck_assert_msg(assay_network_create(&settings, &facts, &network, &status) == 0, "%s", status.message);
  return network;
}

/* A step's feeds: the same noise for every backend. */
struct batch {
  uint8_t pixels[BATCH * HEIGHT * WIDTH * CHANNELS];
  int32_t labels[BATCH], indices[BATCH];
  float options[16], weights[BATCH];
  uint32_t keys[2 * BATCH];
};

static void fill_batch(struct batch *batch, const struct assay_network *network, uint32_t step) {
  struct assay_random random = assay_random_seed(3, step);
  memset(batch, 0, sizeof *batch);
  for (size_t i = 0; i < sizeof batch->pixels; i++) batch->pixels[i] = (uint8_t)assay_random_below(&random, 256);
  for (int i = 0; i < BATCH; i++) {
    batch->labels[i] = i % 2;
    batch->weights[i] = 1;
    batch->keys[2 * i] = (uint32_t)i;
  }
  const float options[] = {(float)step + 1, 0.001f, 0.9f, 0.999f, 1e-8f, 0, 1}; /* updates, then Adam's in the order of its table */
  ck_assert_uint_eq(network->option_count, sizeof options / sizeof *options);
  memcpy(batch->options, options, sizeof options);
}

static void train(struct assay_session *session, const struct assay_network *network, struct assay_executable **executable, struct assay_store **store) {
  const struct assay_backend *backend = assay_session_backend(session);
  struct assay_device *device = assay_session_device(session);
  struct assay_status status;
  ck_assert_msg(assay_session_compile(session, network->program, executable, &status) == 0, "%s", status.message);
  ck_assert_msg(backend->store_create(*executable, store, &status) == 0, "%s", status.message);
  for (uint32_t v = 0; v < network->program->variable_count; v++) {
    const struct assay_variable_definition *variable = assay_program_variable(network->builder, v);
    void *first = assay_arena_take(test_arena, (size_t)assay_element_count(&variable->base.type), assay_dtype_size(variable->base.type.dtype));
    ck_assert_int_eq(assay_variable_initialise(variable, 7, first, &status), 0);
    if (v == network->scale)
      for (int c = 0; c < CHANNELS; c++) ((float *)first)[c] = 1.0f / 128;
    ck_assert_int_eq(backend->store_write(*store, v, first, &status), 0);
  }
  struct batch *batch = ASSAY_NEW(test_arena, struct batch);
  const void *const data[] = {batch->pixels, batch->labels, batch->indices, batch->options, batch->weights, batch->keys};
  const size_t sizes[] = {sizeof batch->pixels, sizeof batch->labels, sizeof batch->indices, sizeof batch->options, sizeof batch->weights, sizeof batch->keys};
  struct assay_buffer *feeds[6];
  for (int i = 0; i < 6; i++) ck_assert_int_eq(backend->buffer_create(device, sizes[i], &feeds[i], &status), 0);
  for (uint32_t step = 0; step < STEPS; step++) {
    fill_batch(batch, network, step);
    for (int i = 0; i < 6; i++) ck_assert_int_eq(backend->buffer_write(feeds[i], 0, data[i], sizes[i], &status), 0);
    ck_assert_msg(backend->run(*executable, 0, *store, feeds, NULL, &status) == 0, "%s", status.message);
  }
  ck_assert_int_eq(backend->sync(device, &status), 0);
  for (int i = 0; i < 6; i++) backend->buffer_release(feeds[i]);
}

static float *read_variable(struct assay_session *session, struct assay_store *store, const struct assay_variable *variable, uint32_t number) {
  struct assay_status status;
  float *numbers = ASSAY_NEW_ARRAY(test_arena, float, (size_t)assay_element_count(&variable->type));
  ck_assert_int_eq(assay_session_backend(session)->store_read(store, number, numbers, &status), 0);
  return numbers;
}

/* Adam divides by the root of squares: where a gradient is near zero, rounding alone decides the direction of its step. So weights are compared by the
 * distance of all of them, relative to how far training moved them at most (STEPS times the rate). */
START_TEST(network_trains_as_on_the_reference) {
  struct assay_session *oracle = open_session("reference"), *tested = open_session("opencl");
  if (tested != NULL) {
    struct assay_network *network = create_network();
    struct assay_executable *executables[2];
    struct assay_store *stores[2];
    train(oracle, network, &executables[0], &stores[0]);
    train(tested, network, &executables[1], &stores[1]);
    double distance = 0, count = 0;
    for (uint32_t v = 0; v < network->program->variable_count; v++) {
      const struct assay_variable *variable = network->program->variables[v];
      const float *right = read_variable(oracle, stores[0], variable, v), *ours = read_variable(tested, stores[1], variable, v);
      if (v == network->sums[ASSAY_SUM_LOSS]) ck_assert_double_eq_tol(ours[0], right[0], 1e-4 * fabs(right[0]));
      if (v == network->sums[ASSAY_SUM_WEIGHT]) ck_assert_double_eq(ours[0], STEPS * BATCH);
      if (v == network->sums[ASSAY_SUM_NONFINITE]) ck_assert_double_eq(ours[0], 0);
      if (variable->role != ASSAY_ROLE_WEIGHT && variable->role != ASSAY_ROLE_BIAS) continue;
      for (int64_t i = 0; i < assay_element_count(&variable->type); i++, count++) distance += pow((double)ours[i] - right[i], 2);
    }
    ck_assert_double_lt(sqrt(distance / count), 0.02 * STEPS * 0.001);
    assay_session_backend(oracle)->store_release(stores[0]);
    assay_session_backend(tested)->store_release(stores[1]);
    assay_network_release(network);
  }
  assay_session_close(tested);
  assay_session_close(oracle);
}
END_TEST

static void compile_network(void) {
  struct assay_session *session = open_session("opencl");
  struct assay_executable *executable;
  struct assay_status status;
  if (session == NULL) return;
  struct assay_network *network = create_network();
  ck_assert_msg(assay_session_compile(session, network->program, &executable, &status) == 0, "%s", status.message);
  assay_session_close(session);
  assay_network_release(network);
}

START_TEST(step_takes_few_launches) {
  assay_log_set(listen_to_backend, NULL);
  step_launches = -1;
  compile_network();
  assay_log_set(NULL, NULL);
  if (step_launches < 0) return; /* no device, as was said */
  fprintf(stderr, "a step of the default network takes %d launches\n", step_launches);
  ck_assert_int_gt(step_launches, 10);
  ck_assert_int_le(step_launches, MOST_LAUNCHES);
}
END_TEST

/* Twenty variables of many sizes, in two ranks; each is updated with a number of its own from the options and a constant of its own: variable i, v, becomes
 * v * options[i] + 0.25 (i + 1), or for every fourth the square of that. */
enum { UPDATED = 20 };
static int64_t updated_extent(int i) { return i == 7 ? 20000 : 1 + 37 * i; }

static const struct assay_program *build_updates(struct assay_program_builder *builder) {
  struct assay_builder *b = assay_function_begin(builder, "step");
  const struct assay_program *program;
  struct assay_status status;
  const int64_t count = UPDATED;
  const assay_value options = assay_function_feed(b, ASSAY_F32, 1, &count);
  for (int i = 0; i < UPDATED; i++) {
    char name[16];
    const int64_t extents[2] = {updated_extent(i), 2};
    snprintf(name, sizeof name, "weight%d", i);
    const assay_value v = assay_parameter(b, name, i % 2 ? 2 : 1, extents, ASSAY_INIT_UNIFORM, 1, ASSAY_ROLE_WEIGHT);
    const assay_value scale = assay_reshape(b, assay_slice(b, options, 0, i, i + 1), 0, NULL), made = assay_mul(b, v, scale);
    const assay_value sum = assay_add(b, made, assay_number(b, made, 0.25 * (i + 1)));
    assay_assign(b, v, i % 4 == 3 ? assay_mul(b, sum, sum) : sum);
  }
  ck_assert_msg(assay_function_end(b, &status) == 0, "%s", status.message);
  ck_assert_msg(assay_program_finish(builder, &program, &status) == 0, "%s", status.message);
  return program;
}

START_TEST(updates_are_one_launch) {
  struct assay_session *session = open_session("opencl");
  if (session == NULL) return;
  const struct assay_backend *backend = assay_session_backend(session);
  struct assay_program_builder *builder = assay_program_begin();
  const struct assay_program *program = build_updates(builder);
  struct assay_executable *executable;
  struct assay_store *stores[2];
  struct assay_buffer *feed;
  struct assay_status status;
  float options[UPDATED], values[2 * 20000];
  assay_log_set(listen_to_backend, NULL);
  step_launches = -1;
  ck_assert_msg(assay_session_compile(session, program, &executable, &status) == 0, "%s", status.message);
  assay_log_set(NULL, NULL);
  ck_assert_int_eq(step_launches, 1);
  ck_assert_int_eq(backend->buffer_create(assay_session_device(session), sizeof options, &feed, &status), 0);
  for (int i = 0; i < UPDATED; i++) options[i] = 1 + 0.125f * (float)i;
  ck_assert_int_eq(backend->buffer_write(feed, 0, options, sizeof options, &status), 0);
  for (int s = 0; s < 2; s++) { /* two sets of variables, in turns: the sweep has to work on the one at hand */
    ck_assert_int_eq(backend->store_create(executable, &stores[s], &status), 0);
    for (uint32_t v = 0; v < UPDATED; v++) {
      for (int64_t k = 0; k < assay_element_count(&program->variables[v]->type); k++) values[k] = (float)(s + 1) * (float)(k % 16);
      ck_assert_int_eq(backend->store_write(stores[s], v, values, &status), 0);
    }
  }
  for (int s = 0; s < 2; s++) ck_assert_int_eq(backend->run(executable, 0, stores[s], &feed, NULL, &status), 0);
  for (int s = 0; s < 2; s++)
    for (uint32_t v = 0; v < UPDATED; v++) {
      ck_assert_int_eq(backend->store_read(stores[s], v, values, &status), 0);
      for (int64_t k = 0; k < assay_element_count(&program->variables[v]->type); k++) { /* all of these numbers are exact in f32 */
        const float sum = (float)(s + 1) * (float)(k % 16) * options[v] + 0.25f * (float)(v + 1);
        ck_assert_float_eq(values[k], v % 4 == 3 ? sum * sum : sum);
      }
    }
  for (int s = 0; s < 2; s++) backend->store_release(stores[s]);
  backend->buffer_release(feed);
  assay_session_close(session);
  assay_program_release(builder);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("opencl");
  TCase *cases = tcase_create("all");
  tcase_set_timeout(cases, 120);
  tcase_add_checked_fixture(cases, components_setup, components_teardown);
  tcase_add_test(cases, step_takes_few_launches);
  tcase_add_test(cases, updates_are_one_launch);
  tcase_add_test(cases, network_trains_as_on_the_reference);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
