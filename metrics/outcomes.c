/* SPDX-License-Identifier: MIT
 *
 * The four outcomes of looking for the positive class, the two rates of the negative side, and what the mistakes cost.
 */
#include "metrics.h"

#include <math.h>

struct outcomes {
  double true_positives, false_negatives, false_positives, true_negatives;
};

/* All NaN where no class is positive. */
static struct outcomes count_outcomes(const struct assay_predictions *predictions) {
  if (predictions->positive < 0 || predictions->count == 0) return (struct outcomes){NAN, NAN, NAN, NAN};
  const struct assay_class_counts counts = assay_count_class(predictions, predictions->positive);
  const double missed = counts.labelled - counts.both, alarms = counts.guessed - counts.both;
  return (struct outcomes){counts.both, missed, alarms, predictions->count - counts.both - missed - alarms};
}

typedef const struct assay_option_value *const *option_values;

static double true_positives(option_values values, const struct assay_predictions *predictions) {
  (void)values;
  return count_outcomes(predictions).true_positives;
}

static double false_negatives(option_values values, const struct assay_predictions *predictions) {
  (void)values;
  return count_outcomes(predictions).false_negatives;
}

static double false_positives(option_values values, const struct assay_predictions *predictions) {
  (void)values;
  return count_outcomes(predictions).false_positives;
}

static double true_negatives(option_values values, const struct assay_predictions *predictions) {
  (void)values;
  return count_outcomes(predictions).true_negatives;
}

static void specificity_proportion(option_values values, const struct assay_predictions *predictions, double *successes, double *trials) {
  (void)values;
  const struct outcomes counts = count_outcomes(predictions);
  *successes = counts.true_negatives;
  *trials = counts.true_negatives + counts.false_positives;
}

static void false_positive_proportion(option_values values, const struct assay_predictions *predictions, double *successes, double *trials) {
  (void)values;
  const struct outcomes counts = count_outcomes(predictions);
  *successes = counts.false_positives;
  *trials = counts.true_negatives + counts.false_positives;
}

/* 0 / 0 is NaN: without negatives there was nothing to take for a positive. */
static double specificity(option_values values, const struct assay_predictions *predictions) {
  double successes, trials;
  specificity_proportion(values, predictions, &successes, &trials);
  return successes / trials;
}

static double false_positive_rate(option_values values, const struct assay_predictions *predictions) {
  double successes, trials;
  false_positive_proportion(values, predictions, &successes, &trials);
  return successes / trials;
}

enum { FALSE_NEGATIVE, FALSE_POSITIVE };
static const struct assay_option *const cost_options[] = {
    [FALSE_NEGATIVE] = OPTION(.name = "false_negative", .type = ASSAY_OPTION_REAL, .default_text = "1", .minimum = 0, .maximum = 1e9,
                              .help = "what a positive costs that is taken for a negative, as an escaped defect does"),
    [FALSE_POSITIVE] = OPTION(.name = "false_positive", .type = ASSAY_OPTION_REAL, .default_text = "1", .minimum = 0, .maximum = 1e9,
                              .help = "what a negative costs that is taken for a positive, as a false alarm does"),
    NULL,
};

static double cost(option_values values, const struct assay_predictions *predictions) {
  const struct outcomes counts = count_outcomes(predictions);
  return (values[FALSE_NEGATIVE]->real * counts.false_negatives + values[FALSE_POSITIVE]->real * counts.false_positives) / predictions->count;
}

METRIC(true_positives, "positives that were found", ASSAY_METRIC_MAXIMISE | ASSAY_METRIC_BINARY, NULL, true_positives, NULL);
METRIC(false_negatives, "positives that were missed", ASSAY_METRIC_BINARY, NULL, false_negatives, NULL);
METRIC(false_positives, "negatives that were taken for positives", ASSAY_METRIC_BINARY, NULL, false_positives, NULL);
METRIC(true_negatives, "negatives that were left alone", ASSAY_METRIC_MAXIMISE | ASSAY_METRIC_BINARY, NULL, true_negatives, NULL);
METRIC(specificity, "share of the negatives that was left alone", ASSAY_METRIC_MAXIMISE | ASSAY_METRIC_BINARY | ASSAY_METRIC_PROPORTION, NULL, specificity,
       specificity_proportion);
METRIC(false_positive_rate, "share of the negatives that was taken for positives", ASSAY_METRIC_BINARY | ASSAY_METRIC_PROPORTION, NULL, false_positive_rate,
       false_positive_proportion);
METRIC(cost, "mean cost of an image's mistake", ASSAY_METRIC_BINARY, cost_options, cost, NULL);
