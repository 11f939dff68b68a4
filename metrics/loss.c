/* SPDX-License-Identifier: MIT
 *
 * Losses: the one that was trained on, and the logarithmic loss of the scores, which compares runs whatever they were trained on.
 */
#include "metrics.h"

#include <float.h>
#include <math.h>

static double loss(const struct assay_option_value *const *values, const struct assay_predictions *predictions) {
  (void)values;
  double sum = 0;
  for (uint32_t i = 0; i < predictions->count; i++) sum += predictions->losses[i];
  return sum / predictions->count;
}

/* Scores are kept off 0 by the smallest relative step of a double, as scikit-learn does. */
static double log_loss(const struct assay_option_value *const *values, const struct assay_predictions *predictions) {
  (void)values;
  double sum = 0;
  for (uint32_t i = 0; i < predictions->count; i++) {
    const double score = predictions->scores[(size_t)i * predictions->class_count + (size_t)predictions->labels[i]];
    sum -= log(fmin(fmax(score, DBL_EPSILON), 1 - DBL_EPSILON));
  }
  return sum / predictions->count;
}

METRIC(loss, "mean of the training loss, unweighted", 0, NULL, loss, NULL);
METRIC(log_loss, "mean of -log(score of the label)", 0, NULL, log_loss, NULL);
