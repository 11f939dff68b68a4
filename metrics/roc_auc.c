/* SPDX-License-Identifier: MIT
 *
 * Area under the receiver operating characteristic: the chance that a sample of a class scores higher than one of the others, ties counting half
 * (Hanley and McNeil, 1982). More than two classes: each against the rest, mean over the classes for which both sides have samples.
 */
#include "ranking.h"

#include <math.h>

/* From the sum of ranks (Mann and Whitney, 1947). */
static double area(const struct assay_ranking *ranking) {
  const uint64_t *sorted = ranking->sorted;
  if (ranking->inside == 0 || ranking->outside == 0) return NAN;
  double ranks = 0;
  for (uint32_t first = 0, end; first < ranking->count; first = end) {
    double members = 0;
    for (end = first; end < ranking->count && sorted[end] >> 1 == sorted[first] >> 1; end++) members += (double)(sorted[end] & 1);
    ranks += members * (first + 1.0 + end) / 2;
  }
  return (ranks - ranking->inside * (ranking->inside + 1) / 2) / (ranking->inside * ranking->outside);
}

static double roc_auc(const struct assay_option_value *const *values, const struct assay_predictions *predictions) {
  (void)values;
  return assay_mean_over_rankings(predictions, area);
}

METRIC(roc_auc, "area under the receiver operating characteristic", ASSAY_METRIC_MAXIMISE, NULL, roc_auc, NULL);
