/* SPDX-License-Identifier: MIT
 *
 * Thresholds by rule, the curves behind them, calibration, and the winner beside the default: against scikit-learn and SciPy (judgement_vectors.py).
 */
#include "components.h"

#include "judgement_vectors.h"

#include "base/text.h"
#include "config/sections.h"
#include "report/calibration.h"
#include "report/comparison.h"
#include "report/judgement.h"
#include "report/repeats.h"
#include "report/threshold.h"

#include <math.h>

static const char *const classes[] = {"a", "b", "c", "d"};

static struct assay_prediction_set *set_of(const struct judgement_case *given) {
  struct assay_prediction_set *set = assay_predictions_create(given->class_count, classes, -1);
  for (uint32_t i = 0; i < given->count; i++)
    ck_assert_int_eq(assay_predictions_add(set, "x", ASSAY_PART_TEST, -1, -1, given->labels[i], given->scores + (size_t)i * given->class_count, 0, NULL), 0);
  return set;
}

static bool is_point(const struct assay_operating_point *point, const struct judgement_case *given, uint32_t expected) {
  const double found = point->true_positives, missed = point->false_negatives, alarms = point->false_positives, left = point->true_negatives;
  if (point->threshold != given->thresholds[expected]) return false;
  ck_assert_double_eq_tol(found / (found + missed), given->recalls[expected], 1e-12);
  ck_assert_double_eq_tol(alarms / (alarms + left), given->false_positive_rates[expected], 1e-12);
  if (found + alarms > 0) ck_assert_double_eq_tol(found / (found + alarms), given->precisions[expected], 1e-12);
  return true;
}

/* Every corner is a point of scikit-learn's curve; what lies between two corners lies on a line along one axis. */
START_TEST(the_sweep_is_the_curve) {
  const struct judgement_case *given = &judgement_cases[_i];
  struct assay_prediction_set *set = set_of(given);
  const struct assay_operating_point *points;
  uint32_t count, at = 0;
  ck_assert_int_eq(assay_threshold_sweep(set, (int32_t)given->class_count - 1, 10000, test_arena, &points, &count, NULL), 0);
  ck_assert(is_point(&points[0], given, 0));
  for (uint32_t i = 1; i < given->point_count; i++) {
    if (is_point(&points[at + 1], given, i)) {
      at++;
      continue;
    }
    const struct assay_operating_point *from = &points[at], *to = &points[at + 1];
    ck_assert(from->true_positives == to->true_positives || from->false_positives == to->false_positives);
    ck_assert(given->thresholds[i] > to->threshold);
  }
  ck_assert_uint_eq(at + 1, count);
  ck_assert_uint_lt(count, given->point_count);
  ck_assert_int_eq(assay_threshold_sweep(set, (int32_t)given->class_count - 1, 5, test_arena, &points, &count, NULL), 0);
  ck_assert_uint_le(count, 6);
  ck_assert_uint_eq(points[count - 1].false_negatives + points[count - 1].true_negatives, 0);
  assay_predictions_release(set);
}
END_TEST

START_TEST(temperature_makes_labels_likeliest) {
  const struct judgement_case *given = &judgement_cases[_i];
  struct assay_prediction_set *set = set_of(given);
  ck_assert_double_eq_tol(assay_temperature_fit(set), given->temperature, 1e-6);
  const struct assay_component log_loss = component(ASSAY_METRIC, "log_loss", "");
  const double before = assay_predictions_metric(set, &log_loss);
  assay_predictions_scale(set, given->temperature);
  ck_assert(assay_predictions_metric(set, &log_loss) <= before);
  ck_assert_double_eq_tol(assay_temperature_fit(set), 1, 1e-6); /* nothing is left to be scaled */
  double sum = 0;
  for (uint32_t class = 0; class < set->class_count; class++) sum += set->scores[class];
  ck_assert_double_eq_tol(sum, 1, 1e-14);
  assay_predictions_release(set);
}
END_TEST

/* The mean over the bins of the distance is the metric of that name, which has its own outside check. */
START_TEST(reliability_adds_up_to_the_calibration_error) {
  const struct judgement_case *given = &judgement_cases[_i];
  struct assay_prediction_set *set = set_of(given);
  struct assay_reliability bins[ASSAY_RELIABILITY_BINS];
  assay_reliability_fill(set, bins);
  double error = 0;
  for (int i = 0; i < ASSAY_RELIABILITY_BINS; i++) error += bins[i].count * fabs(bins[i].score - bins[i].right) / set->count;
  const struct assay_component metric = component(ASSAY_METRIC, "calibration_error", "");
  ck_assert_double_eq_tol(error, assay_predictions_metric(set, &metric), 1e-12);
  assay_predictions_release(set);
}
END_TEST

static void add(struct assay_prediction_set *set, int32_t label, double second) {
  const double scores[2] = {1 - second, second};
  ck_assert_int_eq(assay_predictions_add(set, "x", ASSAY_PART_VALIDATION, 0, 0, label, scores, 0, NULL), 0);
}

static struct assay_threshold_choice choose(const struct assay_prediction_set *set, const char *rule, const char *options) {
  struct assay_judge_settings judge = {.threshold_text = rule};
  struct assay_status status;
  struct assay_threshold_choice choice;
  ck_assert_msg(assay_parse_rule(rule, test_arena, &judge.threshold, &status) == 0, "%s", status.message);
  if (judge.threshold.metric != NULL) judge.threshold_metric = component(ASSAY_METRIC, judge.threshold.metric, options);
  ck_assert_int_eq(assay_threshold_choose(set, &judge, &choice, NULL), 0);
  return choice;
}

START_TEST(best_threshold_lies_between_the_classes) {
  struct assay_prediction_set *set = assay_predictions_create(2, classes, 1);
  for (int i = 0; i < 20; i++) add(set, 0, 0.01 * i);     /* 0 … 0.19 */
  for (int i = 0; i < 5; i++) add(set, 1, 0.3 + 0.05 * i); /* 0.30 … 0.50 */
  struct assay_threshold_choice choice = choose(set, "f1", "");
  ck_assert_double_eq_tol(choice.threshold, (0.19 + 0.30) / 2, 1e-12);
  ck_assert_double_eq(choice.value, 1);
  /* Nothing is missed from any threshold up to 0.30 on; it is minimised. */
  ck_assert_double_eq_tol(choose(set, "false_negative_rate", "").threshold, 0.15, 1e-12);
  /* A loss does not depend on it; a number is taken as it is. */
  ck_assert_double_eq(choose(set, "log_loss", "").threshold, 0.5);
  ck_assert_double_eq(choose(set, "0.125", "").threshold, 0.125);
  assay_predictions_release(set);
}
END_TEST

/* Positives at 0.10, 0.40, 0.60, 0.90; negatives at 0.05, 0.20, 0.30, 0.50, 0.55 and 95 more at 0.01. */
static struct assay_prediction_set *mixed(void) {
  static const double positives[] = {0.10, 0.40, 0.60, 0.90}, negatives[] = {0.05, 0.20, 0.30, 0.50, 0.55};
  struct assay_prediction_set *set = assay_predictions_create(2, classes, 1);
  for (int i = 0; i < 4; i++) add(set, 1, positives[i]);
  for (int i = 0; i < 5; i++) add(set, 0, negatives[i]);
  for (int i = 0; i < 95; i++) add(set, 0, 0.01);
  return set;
}

START_TEST(a_bound_is_kept_with_the_fewest_wrong) {
  struct assay_prediction_set *set = mixed();
  /* Half of the positives: from 0.55 to 0.60 two are missed and nothing else is wrong. */
  struct assay_threshold_choice choice = choose(set, "recall >= 0.5", "");
  ck_assert_double_eq_tol(choice.threshold, 0.575, 1e-12);
  ck_assert_double_eq(choice.value, 0.5);
  ck_assert(choice.met);
  /* Three of four: two false alarms and one missed, which is what 0.30 … 0.40 gives. */
  choice = choose(set, "recall >= 0.75", "");
  ck_assert_double_eq_tol(choice.threshold, 0.35, 1e-12);
  /* All: four false alarms between 0.05 and 0.10. */
  choice = choose(set, "recall>=0.98", "");
  ck_assert_double_eq_tol(choice.threshold, 0.075, 1e-12);
  ck_assert_double_eq_tol(choose(set, "false_negative_rate <= 0.02", "").threshold, 0.075, 1e-12);
  /* Nothing is as good as that: the nearest is taken, and it is said. */
  choice = choose(set, "f1 >= 0.99", "");
  ck_assert(!choice.met);
  ck_assert_double_eq_tol(choice.value, 2.0 / 3, 1e-12);
  assay_predictions_release(set);
}
END_TEST

START_TEST(costs_move_the_threshold) {
  struct assay_prediction_set *set = mixed();
  ck_assert_double_eq_tol(choose(set, "cost", "").threshold, 0.575, 1e-12);                  /* two missed cost least */
  ck_assert_double_eq_tol(choose(set, "cost", "false_negative=3").threshold, 0.075, 1e-12);  /* four false alarms */
  ck_assert_double_eq_tol(choose(set, "cost", "false_positive=9").threshold, 0.575, 1e-12);
  assay_predictions_release(set);
}
END_TEST

START_TEST(rules_are_read_strictly) {
  static const char *const wrong[] = {"recall >",      "recall > 0.9",      ">= 0.9", "recall >= x", "recall = 0.9",
                                      "Recall >= 0.9", "recall >= 0.9 0.8", "",       "two words"};
  struct assay_judge_rule rule;
  struct assay_status status;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    ck_assert_msg(assay_parse_rule(wrong[i], test_arena, &rule, &status) == ASSAY_E_CONFIG, "%s", wrong[i]);
  ck_assert_int_eq(assay_parse_rule("  f1  <=  0.5 ", test_arena, &rule, &status), 0);
  ck_assert_uint_eq(rule.kind, ASSAY_RULE_AT_MOST);
  ck_assert_str_eq(rule.metric, "f1");
  ck_assert_double_eq(rule.bound, 0.5);
  ck_assert_int_eq(assay_section_check("judge", "target", "f1", &status), ASSAY_E_CONFIG);
  ck_assert_int_eq(assay_section_check("judge", "target", "0.5", &status), ASSAY_E_CONFIG);
  ck_assert_int_eq(assay_section_check("judge", "target", "none", &status), 0);
  ck_assert_int_eq(assay_section_check("judge", "threshold", "none", &status), ASSAY_E_CONFIG);
  ck_assert_int_eq(assay_section_check("judge", "threshold", "1.5", &status), ASSAY_E_CONFIG);
  ck_assert_int_eq(assay_section_check("judge", "threshold", "recall >= 0.98", &status), 0);
}
END_TEST

static struct assay_trial_record record(uint32_t number, struct assay_attribute *folds, const char *json) {
  *folds = (struct assay_attribute){"assay:folds", json};
  return (struct assay_trial_record){.number = number, .attribute_count = 1, .attributes = folds};
}

#define FOLD(objective) "{\"training\":40,\"validation\":10,\"objective\":" objective "}"

/* scipy.stats.t.ppf(0.975, 4) * sqrt(var * (1/5 + 1/4)) around the mean of 0.02, -0.01, 0.05, 0.03, 0.015. */
START_TEST(the_winner_is_compared_fold_by_fold) {
  struct assay_attribute folds[2];
  const struct assay_trial_record baseline = record(0, &folds[0],
                                                    "[" FOLD("0.8") "," FOLD("0.7") "," FOLD("0.75") "," FOLD("0.6") "," FOLD("0.9") "]"),
                                  best = record(7, &folds[1],
                                                "[" FOLD("0.82") "," FOLD("0.69") "," FOLD("0.8") "," FOLD("0.63") "," FOLD("0.915") "]");
  json_t *comparison = assay_comparison_build(&best, &baseline, true);
  ck_assert_double_eq_tol(json_number_value(json_object_get(comparison, "mean")), 0.021, 1e-12);
  ck_assert_double_eq_tol(json_number_value(json_object_get(comparison, "low")), -0.01980524283949535, 1e-6);
  ck_assert_double_eq_tol(json_number_value(json_object_get(comparison, "high")), 0.061805242839495345, 1e-6);
  ck_assert_int_eq(json_integer_value(json_object_get(comparison, "better")), 4);
  json_decref(comparison);
  comparison = assay_comparison_build(&best, &baseline, false);
  ck_assert_int_eq(json_integer_value(json_object_get(comparison, "better")), 1);
  json_decref(comparison);
  comparison = assay_comparison_build(&baseline, &baseline, true);
  ck_assert(json_is_null(comparison));
  json_decref(comparison);
}
END_TEST

/* Twice five folds: scipy.stats.t.ppf(0.975, 9) * sqrt(var * (1/10 + 1/4)) (Bouckaert and Frank, 2004) around the mean of those above and 0.01, 0, 0.04, 0.02, 0.03. */
START_TEST(repeats_of_folds_train_on_the_same_images) {
  struct assay_attribute folds[2];
  const struct assay_trial_record baseline = record(0, &folds[0], "[" FOLD("0.8") "," FOLD("0.7") "," FOLD("0.75") "," FOLD("0.6") "," FOLD("0.9") "," FOLD("0.5") "," FOLD(
                                                                      "0.5") "," FOLD("0.5") "," FOLD("0.5") "," FOLD("0.5") "]"),
                                  best = record(7, &folds[1], "[" FOLD("0.82") "," FOLD("0.69") "," FOLD("0.8") "," FOLD("0.63") "," FOLD("0.915") "," FOLD("0.51") "," FOLD(
                                                                  "0.5") "," FOLD("0.54") "," FOLD("0.52") "," FOLD("0.53") "]");
  json_t *comparison = assay_comparison_build(&best, &baseline, true);
  ck_assert_double_eq_tol(json_number_value(json_object_get(comparison, "low")), -0.003616417933506897, 1e-6);
  ck_assert_double_eq_tol(json_number_value(json_object_get(comparison, "high")), 0.04461641793350689, 1e-6);
  json_decref(comparison);
}
END_TEST

/* Four images judged in three repeats: right 4, 3 and 2 times. Mean 0.75, deviation 0.25; an image that is wrong twice is listed once, where the guess was surest. */
START_TEST(repeats_are_judged_one_by_one) {
  static const char *const names[] = {"ok", "crack"};
  static const double crack[3][4] = {{0.1, 0.2, 0.9, 0.8}, {0.1, 0.7, 0.9, 0.8}, {0.1, 0.6, 0.9, 0.3}};
  struct assay_prediction_set *set = assay_predictions_create(2, names, 1);
  const struct assay_component accuracy = component(ASSAY_METRIC, "accuracy", "");
  for (int r = 0; r < 3; r++)
    for (int i = 0; i < 4; i++) {
      const double scores[2] = {1 - crack[r][i], crack[r][i]};
      ck_assert_int_eq(assay_predictions_add(set, assay_arena_print(test_arena, "%d", i), ASSAY_PART_VALIDATION, r, i % 2, i >= 2, scores, 0, NULL), 0);
    }
  json_t *repeats, *judgement;
  ck_assert_int_eq(assay_repeats_build(set, &accuracy, 1, &repeats, NULL), 0);
  ck_assert_int_eq(json_integer_value(json_object_get(repeats, "count")), 3);
  const json_t *spread = json_object_get(json_object_get(repeats, "metrics"), "accuracy");
  ck_assert_double_eq_tol(json_number_value(json_object_get(spread, "mean")), 0.75, 1e-12);
  ck_assert_double_eq_tol(json_number_value(json_object_get(spread, "deviation")), 0.25, 1e-12);
  ck_assert_double_eq(json_number_value(json_array_get(json_object_get(spread, "values"), 2)), 0.5);
  ck_assert_int_eq(assay_judgement_build(set, &accuracy, 1, 10, &judgement, NULL), 0);
  ck_assert_int_eq(json_integer_value(json_object_get(judgement, "n")), 4);
  ck_assert_int_eq(json_integer_value(json_object_get(judgement, "judged")), 12);
  ck_assert_int_eq(json_integer_value(json_object_get(judgement, "wrong_count")), 2);
  const json_t *wrong = json_object_get(judgement, "wrong");
  ck_assert_str_eq(json_string_value(json_object_get(json_array_get(wrong, 0), "path")), "1");
  ck_assert_double_eq(json_number_value(json_object_get(json_array_get(wrong, 0), "score")), 0.7);
  json_decref(repeats);
  json_decref(judgement);
  assay_predictions_release(set);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("judgement");
  TCase *cases = tcase_create("all");
  const int count = sizeof judgement_cases / sizeof *judgement_cases;
  tcase_add_checked_fixture(cases, components_setup, components_teardown);
  tcase_add_loop_test(cases, the_sweep_is_the_curve, 0, count);
  tcase_add_loop_test(cases, temperature_makes_labels_likeliest, 0, count);
  tcase_add_loop_test(cases, reliability_adds_up_to_the_calibration_error, 0, count);
  tcase_add_test(cases, best_threshold_lies_between_the_classes);
  tcase_add_test(cases, a_bound_is_kept_with_the_fewest_wrong);
  tcase_add_test(cases, costs_move_the_threshold);
  tcase_add_test(cases, rules_are_read_strictly);
  tcase_add_test(cases, the_winner_is_compared_fold_by_fold);
  tcase_add_test(cases, repeats_of_folds_train_on_the_same_images);
  tcase_add_test(cases, repeats_are_judged_one_by_one);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
