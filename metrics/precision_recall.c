/* SPDX-License-Identifier: MIT
 *
 * Precision, recall and their harmonic mean F1, of the positive class or averaged over classes; and the share of positives that was missed.
 */
#include "metrics.h"

#include <math.h>
#include <stdlib.h>

enum { AUTO, BINARY, MACRO, WEIGHTED };
static const char *const averages[] = {"auto", "binary", "macro", "weighted", NULL};
static const struct assay_option *const options[] = {
    OPTION(.name = "average", .type = ASSAY_OPTION_CHOICE, .default_text = "auto", .choices = averages,
           .help = "binary: of the class named by [data] positive; macro: mean over the classes that occur; weighted: mean over them, weighted by their "
                   "samples; auto: binary where a positive class is named, else macro."),
    NULL,
};

static double quotient(double part, double whole) { return whole > 0 ? part / whole : 0; }
static double precision_of(struct assay_class_counts counts) { return quotient(counts.both, counts.guessed); }
static double recall_of(struct assay_class_counts counts) { return quotient(counts.both, counts.labelled); }
static double f1_of(struct assay_class_counts counts) { return quotient(2 * counts.both, counts.guessed + counts.labelled); }

static int is_binary(const struct assay_option_value *const *values, const struct assay_predictions *predictions) {
  return values[0]->integer == BINARY || (values[0]->integer == AUTO && predictions->positive >= 0);
}

/* Over the classes that occur among labels or guesses. */
static double average(const struct assay_predictions *predictions, int weighted, double (*of)(struct assay_class_counts)) {
  struct assay_class_counts *counts = assay_count_classes(predictions);
  if (counts == NULL) return NAN;
  double sum = 0, weights = 0;
  for (uint32_t class = 0; class < predictions->class_count; class++) {
    if (counts[class].labelled + counts[class].guessed == 0) continue;
    const double weight = weighted ? counts[class].labelled : 1;
    sum += weight * of(counts[class]);
    weights += weight;
  }
  free(counts);
  return sum / weights;
}

static struct assay_class_counts positives(const struct assay_predictions *predictions) { return assay_count_class(predictions, predictions->positive); }

static double precision(const struct assay_option_value *const *values, const struct assay_predictions *predictions) {
  if (!is_binary(values, predictions)) return average(predictions, values[0]->integer == WEIGHTED, precision_of);
  const struct assay_class_counts counts = positives(predictions);
  return predictions->positive < 0 || counts.labelled + counts.guessed == 0 ? NAN : precision_of(counts);
}

static double recall(const struct assay_option_value *const *values, const struct assay_predictions *predictions) {
  if (!is_binary(values, predictions)) return average(predictions, values[0]->integer == WEIGHTED, recall_of);
  const struct assay_class_counts counts = positives(predictions);
  return predictions->positive < 0 || counts.labelled == 0 ? NAN : recall_of(counts);
}

static double f1(const struct assay_option_value *const *values, const struct assay_predictions *predictions) {
  if (!is_binary(values, predictions)) return average(predictions, values[0]->integer == WEIGHTED, f1_of);
  const struct assay_class_counts counts = positives(predictions);
  return predictions->positive < 0 || counts.labelled + counts.guessed == 0 ? NAN : f1_of(counts);
}

static double false_negative_rate(const struct assay_option_value *const *values, const struct assay_predictions *predictions) {
  (void)values;
  const struct assay_class_counts counts = positives(predictions);
  return predictions->positive < 0 || counts.labelled == 0 ? NAN : (counts.labelled - counts.both) / counts.labelled;
}

/* Averages are no proportions: trials NaN. */
static void precision_proportion(const struct assay_option_value *const *values, const struct assay_predictions *predictions, double *successes, double *trials) {
  const struct assay_class_counts counts = positives(predictions);
  *successes = counts.both;
  *trials = is_binary(values, predictions) && predictions->positive >= 0 ? counts.guessed : NAN;
}

static void recall_proportion(const struct assay_option_value *const *values, const struct assay_predictions *predictions, double *successes, double *trials) {
  const struct assay_class_counts counts = positives(predictions);
  *successes = counts.both;
  *trials = is_binary(values, predictions) && predictions->positive >= 0 ? counts.labelled : NAN;
}

static void false_negative_proportion(const struct assay_option_value *const *values, const struct assay_predictions *predictions, double *successes, double *trials) {
  (void)values;
  const struct assay_class_counts counts = positives(predictions);
  *successes = counts.labelled - counts.both;
  *trials = predictions->positive >= 0 ? counts.labelled : NAN;
}

METRIC(precision, "share of those guessed positive that are", ASSAY_METRIC_MAXIMISE | ASSAY_METRIC_PROPORTION, options, precision, precision_proportion);
METRIC(recall, "share of the positives that was found", ASSAY_METRIC_MAXIMISE | ASSAY_METRIC_PROPORTION, options, recall, recall_proportion);
METRIC(f1, "harmonic mean of precision and recall", ASSAY_METRIC_MAXIMISE, options, f1, NULL);
METRIC(false_negative_rate, "share of the positives that was missed", ASSAY_METRIC_BINARY | ASSAY_METRIC_PROPORTION, NULL, false_negative_rate,
       false_negative_proportion);
