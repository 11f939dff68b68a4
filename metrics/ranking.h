/* SPDX-License-Identifier: MIT
 *
 * Samples sorted by the score of one class, from which areas under curves follow.
 */
#ifndef ASSAY_METRICS_RANKING_H
#define ASSAY_METRICS_RANKING_H

#include "metrics.h"

/* Ascending by score; equal scores have equal keys but for the lowest bit, which says whether the sample is of the class. */
struct assay_ranking {
  uint32_t count;
  double inside, outside; /* samples of the class, and the others */
  const uint64_t *sorted;
};

/* `area` of the positive class' ranking (the second class' where none is named); with more than two classes, each against the rest, the mean of those that are
 * defined. NaN when none is, when a score is negative or no number, or memory is short. */
double assay_mean_over_rankings(const struct assay_predictions *predictions, double (*area)(const struct assay_ranking *ranking));

#endif
