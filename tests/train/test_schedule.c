/* SPDX-License-Identifier: MIT
 *
 * Schedules against PyTorch's (schedule_vectors.py), and where they begin and end.
 */
#include "harness.h"

#include "train/schedule.h"

#include "schedule_vectors.h"

START_TEST(every_step_equals_pytorch) {
  const struct schedule_vector *given = &schedule_vectors[_i];
  for (uint64_t step = 0; step < VECTOR_COUNT; step++) {
    ck_assert_double_eq_tol(assay_schedule_factor(&given->settings, VECTOR_EPOCHS, step, VECTOR_STEPS), given->rates[step], 1e-9);
    ck_assert_double_eq_tol(assay_schedule_momentum(&given->settings, VECTOR_EPOCHS, step, VECTOR_STEPS, 0.95), given->momenta[step], 1e-9);
  }
}
END_TEST

/* Five cycles of 1, 2, 4, 8 and 16 epochs: 31 in all, the rate at its height at the start of each. */
START_TEST(cycles_double) {
  const struct assay_train_settings settings = {.schedule = ASSAY_SCHEDULE_RESTARTS, .cycle_epochs = 1, .cycle_factor = 2};
  static const uint32_t starts[] = {0, 1, 3, 7, 15, 31};
  for (uint32_t epoch = 0, next = 0; epoch < 32; epoch++) {
    const bool starting = epoch == starts[next];
    ck_assert_int_eq(assay_schedule_factor(&settings, 31, (uint64_t)epoch * 10, 10) == 1, starting);
    next += starting;
  }
  const struct assay_train_settings even = {.schedule = ASSAY_SCHEDULE_RESTARTS, .cycle_epochs = 3, .cycle_factor = 1};
  for (uint32_t epoch = 0; epoch < 12; epoch++) ck_assert_int_eq(assay_schedule_factor(&even, 12, (uint64_t)epoch * 10, 10) == 1, epoch % 3 == 0);
}
END_TEST

/* Cycles of 1, 2 and 4 epochs end at 1, 3 and 7. */
START_TEST(a_refit_ends_with_a_cycle) {
  struct assay_train_settings settings = {.schedule = ASSAY_SCHEDULE_RESTARTS, .cycle_epochs = 1, .cycle_factor = 2};
  static const uint32_t ends[] = {1, 3, 3, 7, 7, 7, 7};
  for (uint32_t count = 1; count <= 7; count++) ck_assert_uint_eq(assay_schedule_whole_cycles(&settings, 7, count), ends[count - 1]);
  ck_assert_uint_eq(assay_schedule_whole_cycles(&settings, 6, 4), 6);
  settings.warmup_epochs = 0.5;
  ck_assert_uint_eq(assay_schedule_whole_cycles(&settings, 9, 3), 4);
  settings.schedule = ASSAY_SCHEDULE_COSINE;
  ck_assert_uint_eq(assay_schedule_whole_cycles(&settings, 7, 4), 4);
}
END_TEST

/* Few steps, long warm-ups and trainings beyond their end give numbers between 0 and 1. */
START_TEST(nothing_leaves_its_range) {
  for (uint32_t schedule = ASSAY_SCHEDULE_CONSTANT; schedule <= ASSAY_SCHEDULE_ONE_CYCLE; schedule++)
    for (uint32_t epochs = 1; epochs < 5; epochs++)
      for (uint32_t steps = 1; steps < 4; steps++)
        for (double warmup = 0; warmup < 7; warmup += 1.5)
          for (double rise = 0; rise <= 1; rise += 0.25) {
            const struct assay_train_settings settings = {.schedule = schedule, .warmup_epochs = warmup, .step_epochs = 1, .step_factor = 0.5, .cycle_epochs = 1,
                                                          .cycle_factor = 1.5, .one_cycle_rise = rise, .one_cycle_start = 0.1, .one_cycle_momentum = 0.8};
            for (uint64_t step = 0; step < 8u * steps; step++) {
              const double factor = assay_schedule_factor(&settings, epochs, step, steps);
              const double momentum = assay_schedule_momentum(&settings, epochs, step, steps, 0.9);
              ck_assert_msg(factor >= 0 && factor <= 1 && momentum >= 0.8 - 1e-12 && momentum <= 0.9 + 1e-12, "schedule %u, %u epochs of %u, warm-up %g, rise %g, step %u: %g, %g",
                            schedule, epochs, steps, warmup, rise, (unsigned)step, factor, momentum);
            }
          }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("schedules");
  TCase *cases = tcase_create("all");
  tcase_add_loop_test(cases, every_step_equals_pytorch, 0, sizeof schedule_vectors / sizeof *schedule_vectors);
  tcase_add_test(cases, cycles_double);
  tcase_add_test(cases, a_refit_ends_with_a_cycle);
  tcase_add_test(cases, nothing_leaves_its_range);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
