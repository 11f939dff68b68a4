/* SPDX-License-Identifier: MIT
 *
 * Metrics against numbers that scikit-learn printed (metric_vectors.py), and at their edges.
 */
#include "components.h"

#include "metric_vectors.h"

#include <assay/metric.h>
#include <math.h>

/* The metric with `average` as given, where it has that option. */
static struct assay_component averaged(const char *name, const char *average) {
  const struct assay_component plain = component(ASSAY_METRIC, name, "");
  return assay_option_index(plain.plugin->options, "average") < 0 ? plain : component(ASSAY_METRIC, name, assay_arena_print(test_arena, "average=%s", average));
}

static double compute(const char *name, const char *average, const struct assay_predictions *predictions) {
  const struct assay_component made = averaged(name, average);
  return ((const struct assay_metric *)made.plugin->vtable)->compute(made.values, predictions);
}

static struct assay_predictions view(const struct metric_case *given) {
  return (struct assay_predictions){sizeof(struct assay_predictions), given->count, given->class_count, given->positive, given->labels, given->guesses,
                                    given->scores, given->losses};
}

START_TEST(metrics_equal_scikit_learn) {
  const struct metric_case *given = &metric_cases[_i];
  const struct assay_predictions predictions = view(given);
  for (size_t i = 0; i < given->expected_count; i++) {
    const struct expected_metric *expected = &given->expected[i];
    const double value = compute(expected->name, expected->average, &predictions);
    ck_assert_msg(fabs(value - expected->value) <= 1e-12, "%s: %s (%s) is %.17g, not %.17g", given->name, expected->name, expected->average, value, expected->value);
  }
}
END_TEST

START_TEST(auto_is_binary_where_a_class_is_positive) {
  for (size_t i = 0; i < sizeof metric_cases / sizeof *metric_cases; i++) {
    const struct assay_predictions predictions = view(&metric_cases[i]);
    ck_assert_double_eq(compute("f1", "auto", &predictions), compute("f1", predictions.positive >= 0 ? "binary" : "macro", &predictions));
  }
}
END_TEST

START_TEST(nothing_to_find_is_not_a_number) {
  static const int32_t labels[] = {0, 0, 0}, guesses[] = {0, 0, 0}, wrong[] = {0, 1, 0};
  static const double scores[] = {0.9, 0.1, 0.8, 0.2, 0.7, 0.3}, losses[] = {0, 0, 0};
  struct assay_predictions predictions = {sizeof predictions, 3, 2, 1, labels, guesses, scores, losses};
  ck_assert(isnan(compute("recall", "binary", &predictions)));
  ck_assert(isnan(compute("precision", "binary", &predictions)));
  ck_assert(isnan(compute("f1", "binary", &predictions)));
  ck_assert(isnan(compute("false_negative_rate", "auto", &predictions)));
  ck_assert(isnan(compute("roc_auc", "auto", &predictions)));
  ck_assert_double_eq(compute("mcc", "auto", &predictions), 0);
  predictions.guesses = wrong; /* a false alarm: precision and F1 are 0, recall still has nothing to find */
  ck_assert_double_eq(compute("precision", "binary", &predictions), 0);
  ck_assert_double_eq(compute("f1", "binary", &predictions), 0);
  ck_assert(isnan(compute("recall", "binary", &predictions)));
  predictions.positive = -1; /* binary without a positive class */
  ck_assert(isnan(compute("f1", "binary", &predictions)));
  ck_assert(isnan(compute("false_negative_rate", "auto", &predictions)));
}
END_TEST

START_TEST(empty_and_damaged_predictions_end) {
  static const int32_t none[1] = {0};
  static const double nan_scores[] = {NAN, NAN, 0.5, 0.5};
  static const int32_t labels[] = {0, 1};
  struct assay_predictions predictions = {sizeof predictions, 0, 2, 1, none, none, nan_scores, nan_scores};
  static const char *const names[] = {"loss", "log_loss", "accuracy", "balanced_accuracy", "precision", "recall", "f1", "mcc", "false_negative_rate", "roc_auc",
                                      "average_precision", "calibration_error", "brier", "specificity", "false_positive_rate", "cost", "true_positives", "false_negatives",
                                      "false_positives", "true_negatives"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) ck_assert_msg(isnan(compute(names[i], "auto", &predictions)), "%s", names[i]);
  predictions = (struct assay_predictions){sizeof predictions, 2, 2, 1, labels, labels, nan_scores, nan_scores};
  ck_assert(isnan(compute("roc_auc", "auto", &predictions)));
}
END_TEST

START_TEST(directions_and_proportions_are_told) {
  static const struct {
    const char *name;
    uint32_t flags;
  } told[] = {{"loss", 0},
              {"log_loss", 0},
              {"accuracy", ASSAY_METRIC_MAXIMISE | ASSAY_METRIC_PROPORTION},
              {"balanced_accuracy", ASSAY_METRIC_MAXIMISE},
              {"precision", ASSAY_METRIC_MAXIMISE | ASSAY_METRIC_PROPORTION},
              {"recall", ASSAY_METRIC_MAXIMISE | ASSAY_METRIC_PROPORTION},
              {"f1", ASSAY_METRIC_MAXIMISE},
              {"mcc", ASSAY_METRIC_MAXIMISE},
              {"false_negative_rate", ASSAY_METRIC_BINARY | ASSAY_METRIC_PROPORTION},
              {"roc_auc", ASSAY_METRIC_MAXIMISE},
              {"average_precision", ASSAY_METRIC_MAXIMISE},
              {"calibration_error", 0},
              {"brier", 0},
              {"specificity", ASSAY_METRIC_MAXIMISE | ASSAY_METRIC_BINARY | ASSAY_METRIC_PROPORTION},
              {"false_positive_rate", ASSAY_METRIC_BINARY | ASSAY_METRIC_PROPORTION},
              {"cost", ASSAY_METRIC_BINARY},
              {"true_positives", ASSAY_METRIC_MAXIMISE | ASSAY_METRIC_BINARY},
              {"false_negatives", ASSAY_METRIC_BINARY},
              {"false_positives", ASSAY_METRIC_BINARY},
              {"true_negatives", ASSAY_METRIC_MAXIMISE | ASSAY_METRIC_BINARY}};
  const struct assay_predictions predictions = view(&metric_cases[0]);
  for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
    const struct assay_component plain = averaged(told[i].name, "auto"), macro = averaged(told[i].name, "macro");
    const struct assay_metric *metric = plain.plugin->vtable;
    ck_assert_msg(metric->flags == told[i].flags, "%s", told[i].name);
    if (!(metric->flags & ASSAY_METRIC_PROPORTION)) continue;
    double successes, trials;
    metric->proportion(plain.values, &predictions, &successes, &trials);
    ck_assert_double_eq_tol(successes / trials, compute(told[i].name, "auto", &predictions), 1e-15);
    metric->proportion(macro.values, &predictions, &successes, &trials);
    if (macro.plugin->options != NULL) ck_assert(isnan(trials)); /* an average is no proportion */
  }
}
END_TEST

/* Ten missed cracks at 5 each and three false alarms at half: (50 + 1.5) / 20. */
START_TEST(mistakes_cost_what_the_user_says) {
  int32_t labels[20], guesses[20];
  double scores[40] = {0}, losses[20] = {0};
  for (int i = 0; i < 20; i++) {
    labels[i] = i < 12;
    guesses[i] = i < 2 || i >= 17;
  }
  const struct assay_predictions predictions = {sizeof predictions, 20, 2, 1, labels, guesses, scores, losses};
  const struct assay_component cost = component(ASSAY_METRIC, "cost", "false_negative=5;false_positive=0.5");
  ck_assert_double_eq_tol(((const struct assay_metric *)cost.plugin->vtable)->compute(cost.values, &predictions), 51.5 / 20, 1e-15);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("metrics");
  TCase *cases = tcase_create("all");
  tcase_add_checked_fixture(cases, components_setup, components_teardown);
  tcase_add_loop_test(cases, metrics_equal_scikit_learn, 0, sizeof metric_cases / sizeof *metric_cases);
  tcase_add_test(cases, auto_is_binary_where_a_class_is_positive);
  tcase_add_test(cases, nothing_to_find_is_not_a_number);
  tcase_add_test(cases, empty_and_damaged_predictions_end);
  tcase_add_test(cases, mistakes_cost_what_the_user_says);
  tcase_add_test(cases, directions_and_proportions_are_told);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
