/* SPDX-License-Identifier: MIT
 *
 * Gradient optimizers against torch.optim (gradient_vectors.py), and what is theirs alone: which parameters decay.
 */
#include "components.h"
#include "gradient_vectors.h"
#include "graph/running.h"

#include <assay/optimizer.h>
#include <math.h>

/* Feeds: the gradient, the count of steps, then runtime options; the weight is variable 0. */
struct stepper {
  struct assay_program_builder *program;
  struct running running;
  struct assay_component optimizer;
  float options[16];
  uint32_t option_count;
};

static struct stepper create(const char *name, const char *options, uint32_t role) {
  struct assay_status status;
  struct stepper stepper = {.program = assay_program_begin(), .optimizer = component(ASSAY_OPTIMIZER, name, options)};
  struct assay_builder *b = assay_function_begin(stepper.program, "step");
  const int64_t extents[1] = {VECTOR_COUNT};
  const assay_value gradient = assay_function_feed(b, ASSAY_F32, 1, extents), step = assay_function_feed(b, ASSAY_F32, 0, NULL);
  const assay_value weight = assay_parameter(b, "weight", 1, extents, ASSAY_INIT_CONSTANT, 0, role);
  const struct assay_build_context context = {sizeof context, 1, 2, {-1}, step};
  const struct assay_option_value *values[16];
  struct assay_option_value copies[16];
  for (uint32_t i = 0; i < assay_option_count(stepper.optimizer.plugin->options); i++) {
    copies[i] = *stepper.optimizer.values[i];
    values[i] = &copies[i];
    if (!(stepper.optimizer.plugin->options[i]->flags & ASSAY_OPTION_RUNTIME)) continue;
    copies[i].runtime = assay_function_feed(b, ASSAY_F32, 0, NULL);
    stepper.options[stepper.option_count++] = (float)copies[i].real;
  }
  assay_function_context(b, &context);
  const struct assay_optimizer *vtable = stepper.optimizer.plugin->vtable;
  /* Another parameter's gradient is twice as long. */
  assay_value gradients[2] = {gradient, assay_add(b, gradient, gradient)};
  vtable->prepare(b, values, gradients, 2);
  assay_builder_scope(b, "weight", "test");
  assay_assign(b, weight, vtable->update(b, values, weight, gradients[0], role));
  CHECK_STATUS(assay_function_end(b, &status));
  stepper.running = run_builder(stepper.program);
  float first[VECTOR_COUNT];
  for (int i = 0; i < VECTOR_COUNT; i++) first[i] = (float)sin(0.7 * i + 0.1);
  CHECK_STATUS(stepper.running.backend->store_write(stepper.running.store, 0, first, &status));
  return stepper;
}

static void take_step(struct stepper *stepper, int t, double scale, float *weight) {
  struct assay_status status;
  float gradient[VECTOR_COUNT];
  const float count = (float)t;
  const void *feeds[20] = {gradient, &count};
  for (int i = 0; i < VECTOR_COUNT; i++) gradient[i] = (float)(scale * cos(1.1 * i + 0.9 * t) / t * (t == 3 ? 2 : 1));
  for (uint32_t i = 0; i < stepper->option_count; i++) feeds[2 + i] = &stepper->options[i];
  call_function(&stepper->running, 0, feeds, NULL);
  CHECK_STATUS(stepper->running.backend->store_read(stepper->running.store, 0, weight, &status));
}

static void release(struct stepper *stepper) {
  stop_running(&stepper->running);
  assay_program_release(stepper->program);
}

START_TEST(steps_equal_pytorch) {
  const struct gradient_vector *given = &gradient_vectors[_i];
  struct stepper stepper = create(given->optimizer, given->options, ASSAY_ROLE_WEIGHT);
  float weight[VECTOR_COUNT];
  for (int t = 1; t <= VECTOR_STEPS; t++) {
    take_step(&stepper, t, 1, weight);
    for (int i = 0; i < VECTOR_COUNT; i++)
      ck_assert_msg(fabs(weight[i] - given->weights[t - 1][i]) <= 2e-6, "%s %s: step %d, element %d is %.9g, not %.9g", given->optimizer, given->options, t, i,
                    (double)weight[i], given->weights[t - 1][i]);
  }
  release(&stepper);
}
END_TEST

START_TEST(only_weights_decay) {
  static const char *const optimizers[] = {"sgd", "rmsprop", "adam", "adamw"};
  for (size_t k = 0; k < sizeof optimizers / sizeof *optimizers; k++) {
    float with[VECTOR_COUNT], without[VECTOR_COUNT], decayed[VECTOR_COUNT];
    struct stepper bias = create(optimizers[k], "weight_decay=0.5;learning_rate=0.1", ASSAY_ROLE_BIAS), plain = create(optimizers[k], "weight_decay=0;learning_rate=0.1", ASSAY_ROLE_BIAS),
                   weight = create(optimizers[k], "weight_decay=0.5;learning_rate=0.1", ASSAY_ROLE_WEIGHT);
    take_step(&bias, 1, 0.01, with);
    take_step(&plain, 1, 0.01, without);
    take_step(&weight, 1, 0.01, decayed);
    ck_assert_mem_eq(with, without, sizeof with);
    ck_assert_msg(memcmp(with, decayed, sizeof with) != 0, "%s", optimizers[k]);
    release(&bias);
    release(&plain);
    release(&weight);
  }
}
END_TEST

/* Adam's first step has the length of the learning rate whatever the gradient, and late steps lose no digits to 1 - beta^t. */
START_TEST(adam_corrects_its_moments_in_single_precision) {
  struct stepper stepper = create("adam", "learning_rate=0.25;beta2=0.99999;epsilon=0", ASSAY_ROLE_WEIGHT);
  float weight[VECTOR_COUNT];
  take_step(&stepper, 1, 1e-3, weight);
  for (int i = 0; i < VECTOR_COUNT; i++) ck_assert_double_eq_tol(fabs(weight[i] - sin(0.7 * i + 0.1)), 0.25, 3e-7);
  release(&stepper);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("gradient optimizers");
  TCase *cases = tcase_create("all");
  tcase_add_checked_fixture(cases, components_setup, components_teardown);
  tcase_add_loop_test(cases, steps_equal_pytorch, 0, sizeof gradient_vectors / sizeof *gradient_vectors);
  tcase_add_test(cases, only_weights_decay);
  tcase_add_test(cases, adam_corrects_its_moments_in_single_precision);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
