/* SPDX-License-Identifier: MIT
 *
 * Pruners: none never stops anything; median decides as Optuna's does on stored studies.
 */
#include "harness.h"

#include "base/arena.h"
#include "base/options.h"

#include <assay/search.h>
#include <math.h>

extern const struct assay_plugin assay_pruner_none, assay_pruner_median;

enum { STEPS = 6 };

struct pruner_case {
  uint32_t startup, warmup, interval, count;
  int complete[8];          /* else pruned */
  double results[8][STEPS]; /* NaN: nothing reported at that step */
  double own[STEPS];
  int prune;
};
#include "pruner_cases.h"

/* The reports among the results. */
static void fill(struct assay_trial *trial, const double *results, uint32_t *steps, double *values) {
  for (uint32_t step = 0; step < STEPS; step++) {
    if (isnan(results[step])) continue;
    steps[trial->intermediate_count] = step;
    values[trial->intermediate_count++] = results[step];
  }
  trial->steps = steps;
  trial->intermediates = values;
}

START_TEST(median_decides_as_optuna) {
  const struct pruner_case *test = &pruner_cases[_i];
  struct assay_trial trials[9];
  const struct assay_trial *pointers[8];
  uint32_t steps[9][STEPS];
  double values[9][STEPS];
  for (uint32_t i = 0; i <= test->count; i++) {
    trials[i] = (struct assay_trial){.struct_size = sizeof trials[i], .number = i};
    trials[i].state = i == test->count ? ASSAY_TRIAL_RUNNING : test->complete[i] ? ASSAY_TRIAL_COMPLETE : ASSAY_TRIAL_PRUNED;
    fill(&trials[i], i == test->count ? test->own : test->results[i], steps[i], values[i]);
    if (i < test->count) pointers[i] = &trials[i];
  }
  const struct assay_history history = {sizeof history, test->count, pointers};
  const struct assay_option_value startup = {.integer = test->startup}, warmup = {.integer = test->warmup}, interval = {.integer = test->interval},
                                  reports = {.integer = 1};
  const struct assay_option_value *const options[] = {&startup, &warmup, &interval, &reports};
  ck_assert_int_eq(((const struct assay_pruner *)assay_pruner_median.vtable)->prune(options, &history, &trials[test->count]), test->prune);
  ck_assert_int_eq(((const struct assay_pruner *)assay_pruner_none.vtable)->prune(NULL, &history, &trials[test->count]), 0);
}
END_TEST

START_TEST(cases_show_both_decisions) {
  int pruned = 0;
  const int count = sizeof pruner_cases / sizeof *pruner_cases;
  for (int i = 0; i < count; i++) pruned += pruner_cases[i].prune;
  ck_assert_int_gt(pruned, 5);
  ck_assert_int_lt(pruned, count - 5);
}
END_TEST

START_TEST(options_stand_in_the_order_of_the_table) {
  struct assay_arena *arena = assay_arena_create();
  const struct assay_option_value *const *values;
  struct assay_status status;
  ck_assert_int_eq(assay_option_defaults(assay_pruner_median.options, arena, &values, &status), 0);
  static const struct {
    const char *name;
    int64_t value;
  } expected[] = {{"startup", 5}, {"warmup", 0}, {"interval", 1}, {"reports", 1}};
  for (int i = 0; i < 4; i++) {
    ck_assert_str_eq(assay_pruner_median.options[i]->name, expected[i].name);
    ck_assert_int_eq(values[i]->integer, expected[i].value);
  }
  ck_assert_ptr_null(assay_pruner_median.options[4]);
  assay_arena_release(arena);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("pruner");
  TCase *tests = tcase_create("pruner");
  tcase_add_loop_test(tests, median_decides_as_optuna, 0, sizeof pruner_cases / sizeof *pruner_cases);
  tcase_add_test(tests, cases_show_both_decisions);
  tcase_add_test(tests, options_stand_in_the_order_of_the_table);
  suite_add_tcase(suite, tests);
  return assay_run_suite(suite);
}
