/* SPDX-License-Identifier: MIT
 *
 * Matthews' correlation coefficient (1975), for any number of classes (Gorodkin, 2004). 0 where labels or guesses are all of one class.
 */
#include "metrics.h"

#include <math.h>
#include <stdlib.h>

static double mcc(const struct assay_option_value *const *values, const struct assay_predictions *predictions) {
  (void)values;
  struct assay_class_counts *counts = assay_count_classes(predictions);
  if (counts == NULL || predictions->count == 0) {
    free(counts);
    return NAN;
  }
  const double samples = predictions->count;
  double right = 0, products = 0, guesses = 0, labels = 0;
  for (uint32_t class = 0; class < predictions->class_count; class++) {
    right += counts[class].both;
    products += counts[class].labelled * counts[class].guessed;
    guesses += counts[class].guessed * counts[class].guessed;
    labels += counts[class].labelled * counts[class].labelled;
  }
  free(counts);
  const double spread = (samples * samples - guesses) * (samples * samples - labels);
  return spread > 0 ? (right * samples - products) / sqrt(spread) : 0;
}

METRIC(mcc, "Matthews' correlation of labels and guesses", ASSAY_METRIC_MAXIMISE, NULL, mcc, NULL);
