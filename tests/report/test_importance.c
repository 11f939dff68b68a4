/* SPDX-License-Identifier: MIT
 *
 * Importance beside Optuna's (importance_cases.py), and what good trials have in common.
 */
#include "harness.h"

#include "importance_cases.h"
#include "report/importance.h"

#include <math.h>

static const struct assay_dimension axes[IMPORTANCE_AXES] = {
    {sizeof axes[0], ASSAY_DOMAIN_INT, "layers", 1, 5, 1, 0, 0, 1, -1, 0},
    {sizeof axes[0], ASSAY_DOMAIN_INT, "units", 4, 512, 1, 1, 0, 4, -1, 0},
    {sizeof axes[0], ASSAY_DOMAIN_REAL, "rate", 1e-4, 1e-1, 0, 1, 0, 1e-3, -1, 0},
    {sizeof axes[0], ASSAY_DOMAIN_REAL, "share", 0, 1, 0, 0, 0, 0, -1, 0},
    {sizeof axes[0], ASSAY_DOMAIN_REAL, "coarse", 0, 2, 0.25, 0, 0, 0, -1, 0},
    {sizeof axes[0], ASSAY_DOMAIN_CHOICE, "kind", 0, 0, 0, 0, 3, 0, -1, 0},
    {sizeof axes[0], ASSAY_DOMAIN_REAL, "slope", 0, 0.5, 0, 0, 0, 0, 5, 1},
};
static const struct assay_dimension *const dimensions[] = {&axes[0], &axes[1], &axes[2], &axes[3], &axes[4], &axes[5], &axes[6]};
static const struct assay_space space = {sizeof space, IMPORTANCE_AXES, dimensions};

static struct assay_trial_record storage[IMPORTANCE_MOST];
static const struct assay_trial_record *records[IMPORTANCE_MOST];

static void fill(const struct importance_case *given) {
  for (uint32_t i = 0; i < given->count; i++) {
    storage[i] = (struct assay_trial_record){.number = i, .state = ASSAY_TRIAL_COMPLETE, .point = given->points[i], .value = given->values[i]};
    records[i] = &storage[i];
  }
}

START_TEST(importance_is_optunas) {
  const struct importance_case *given = &importance_cases[_i];
  double found[IMPORTANCE_AXES];
  fill(given);
  ck_assert_int_eq(assay_importance_compute(&space, records, given->count, given->maximise, found, NULL), 0);
  for (int d = 0; d < IMPORTANCE_AXES; d++)
    ck_assert_msg(fabs(found[d] - given->importances[d]) <= 1e-9 + 1e-7 * given->importances[d], "%s: %.12g, not %.12g", axes[d].name, found[d],
                  given->importances[d]);
}
END_TEST

START_TEST(failed_and_pruned_trials_do_not_count) {
  const struct importance_case *given = &importance_cases[2];
  double found[IMPORTANCE_AXES], again[IMPORTANCE_AXES];
  fill(given);
  ck_assert_int_eq(assay_importance_compute(&space, records, given->count - 5, given->maximise, found, NULL), 0);
  for (uint32_t i = given->count - 5; i < given->count; i++) storage[i].state = i % 2 ? ASSAY_TRIAL_FAILED : ASSAY_TRIAL_PRUNED;
  ck_assert_int_eq(assay_importance_compute(&space, records, given->count, given->maximise, again, NULL), 0);
  for (int d = 0; d < IMPORTANCE_AXES; d++) ck_assert_double_eq(found[d], again[d]);
  ck_assert_int_eq(assay_importance_compute(&space, records, 1, given->maximise, found, NULL), 0);
  for (int d = 0; d < IMPORTANCE_AXES; d++) ck_assert_double_eq(found[d], 0);
}
END_TEST

/* In the first case the objective is best near a rate of 10^-2.5 and punishes kind b. */
START_TEST(good_trials_agree_on_what_counts) {
  const struct importance_case *given = &importance_cases[0];
  struct assay_agreement agreement;
  fill(given);
  ck_assert(assay_agreement_find(&space, records, given->count, given->maximise, 2, &agreement));
  ck_assert_uint_eq(agreement.good, 30);
  ck_assert(agreement.low > 5e-4 && agreement.high < 2e-2 && agreement.value > agreement.low && agreement.value < agreement.high);
  ck_assert(assay_agreement_find(&space, records, given->count, given->maximise, 5, &agreement));
  ck_assert(agreement.value != 1 && agreement.share > agreement.share_of_all);
  ck_assert(!assay_agreement_find(&space, records, given->count, given->maximise, 6, &agreement) || agreement.good >= 4);
  ck_assert(!assay_agreement_find(&space, records, 7, given->maximise, 2, &agreement));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("importance");
  TCase *cases = tcase_create("all");
  tcase_add_loop_test(cases, importance_is_optunas, 0, sizeof importance_cases / sizeof *importance_cases);
  tcase_add_test(cases, failed_and_pruned_trials_do_not_count);
  tcase_add_test(cases, good_trials_agree_on_what_counts);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
