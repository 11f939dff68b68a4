/* SPDX-License-Identifier: MIT
 *
 * Average precision: the area under the steps of precision over recall, without interpolation. Unlike the ROC's area it does not flatter a
 * model when positives are rare. More than two classes: each against the rest, mean over the classes that have samples.
 */
#include "ranking.h"

#include <math.h>

static double area(const struct assay_ranking *ranking) {
  const uint64_t *sorted = ranking->sorted;
  if (ranking->inside == 0) return NAN;
  double found = 0, taken = 0, sum = 0;
  for (uint32_t end = ranking->count, first; end > 0; end = first) {
    double members = 0;
    for (first = end; first > 0 && sorted[first - 1] >> 1 == sorted[end - 1] >> 1; first--) members += (double)(sorted[first - 1] & 1);
    found += members;
    taken += end - first;
    sum += members * found / taken;
  }
  return sum / ranking->inside;
}

static double average_precision(const struct assay_option_value *const *values, const struct assay_predictions *predictions) {
  (void)values;
  return assay_mean_over_rankings(predictions, area);
}

METRIC(average_precision, "area under precision over recall", ASSAY_METRIC_MAXIMISE, NULL, average_precision, NULL);
