/* SPDX-License-Identifier: MIT
 *
 * Accuracy, and balanced accuracy, the mean of all classes' recall (Brodersen et al., 2010).
 */
#include "metrics.h"

#include <math.h>
#include <stdlib.h>

static void accuracy_proportion(const struct assay_option_value *const *values, const struct assay_predictions *predictions, double *successes, double *trials) {
  (void)values;
  *successes = 0;
  for (uint32_t i = 0; i < predictions->count; i++) *successes += predictions->labels[i] == predictions->guesses[i];
  *trials = predictions->count;
}

static double accuracy(const struct assay_option_value *const *values, const struct assay_predictions *predictions) {
  double successes, trials;
  accuracy_proportion(values, predictions, &successes, &trials);
  return successes / trials;
}

/* Over the classes that have samples. */
static double balanced_accuracy(const struct assay_option_value *const *values, const struct assay_predictions *predictions) {
  (void)values;
  struct assay_class_counts *counts = assay_count_classes(predictions);
  if (counts == NULL) return NAN;
  double sum = 0, present = 0;
  for (uint32_t class = 0; class < predictions->class_count; class++) {
    if (counts[class].labelled == 0) continue;
    sum += counts[class].both / counts[class].labelled;
    present++;
  }
  free(counts);
  return sum / present;
}

METRIC(accuracy, "share of right guesses", ASSAY_METRIC_MAXIMISE | ASSAY_METRIC_PROPORTION, NULL, accuracy, accuracy_proportion);
METRIC(balanced_accuracy, "mean over the classes of the share that was found", ASSAY_METRIC_MAXIMISE, NULL, balanced_accuracy, NULL);
