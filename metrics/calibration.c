/* SPDX-License-Identifier: MIT
 *
 * How far scores can be believed as probabilities: the expected calibration error (Naeini et al., 2015; Guo et al., 2017) and Brier's score (1950).
 */
#include "metrics.h"

#include <math.h>
#include <stdlib.h>

static const struct assay_option *const options[] = {
    OPTION(.name = "bins", .type = ASSAY_OPTION_INT, .default_text = "15", .minimum = 1, .maximum = 1000,
           .help = "bins of equal width that the highest scores are sorted into"),
    NULL,
};

/* Mean distance between what the highest scores say and how often they are right, over bins (0, 1/n], (1/n, 2/n] … Independent of the threshold. */
static double calibration_error(const struct assay_option_value *const *values, const struct assay_predictions *predictions) {
  const uint32_t bins = (uint32_t)values[0]->integer, classes = predictions->class_count;
  double *surplus = calloc(bins, sizeof *surplus), sum = 0;
  if (surplus == NULL) return NAN;
  for (uint32_t i = 0; i < predictions->count; i++) {
    const double *scores = predictions->scores + (size_t)i * classes;
    uint32_t best = 0;
    for (uint32_t class = 1; class < classes; class++)
      if (scores[class] > scores[best]) best = class;
    const double place = ceil(scores[best] * bins) - 1;
    const uint32_t bin = place > 0 ? (place < bins ? (uint32_t)place : bins - 1) : 0;
    surplus[bin] += scores[best] - (predictions->labels[i] == (int32_t)best);
  }
  for (uint32_t bin = 0; bin < bins; bin++) sum += fabs(surplus[bin]);
  free(surplus);
  return sum / predictions->count;
}

/* Mean squared distance to the label as 0 and 1: of the second class' score where there are two, else summed over the classes. */
static double brier(const struct assay_option_value *const *values, const struct assay_predictions *predictions) {
  (void)values;
  const uint32_t classes = predictions->class_count;
  double sum = 0;
  for (uint32_t i = 0; i < predictions->count; i++)
    for (uint32_t class = classes == 2 ? 1 : 0; class < classes; class++) {
      const double distance = predictions->scores[(size_t)i * classes + class] - (predictions->labels[i] == (int32_t)class);
      sum += distance * distance;
    }
  return sum / predictions->count;
}

METRIC(calibration_error, "expected distance between a highest score and how often it is right", 0, options, calibration_error, NULL);
METRIC(brier, "mean squared distance of the scores to the labels", 0, NULL, brier, NULL);
