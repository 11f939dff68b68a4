/* SPDX-License-Identifier: MIT */
#include "report/calibration.h"

#include <float.h>
#include <math.h>
#include <string.h>

static double logarithm(double score) { return log(score > DBL_MIN ? score : DBL_MIN); }

/* The derivative of the summed negative log-likelihood by the inverse temperature: over the rows, the expected logit less the label's. It only rises. */
static double slope(const struct assay_prediction_set *set, double inverse) {
  double sum = 0;
  for (uint32_t row = 0; row < set->count; row++) {
    const double *scores = set->scores + (size_t)row * set->class_count;
    double largest = -INFINITY, weights = 0, expected = 0;
    for (uint32_t class = 0; class < set->class_count; class++) largest = fmax(largest, logarithm(scores[class]));
    for (uint32_t class = 0; class < set->class_count; class++) {
      const double logit = logarithm(scores[class]), weight = exp(inverse * (logit - largest));
      weights += weight;
      expected += weight * logit;
    }
    sum += expected / weights - logarithm(scores[set->labels[row]]);
  }
  return sum;
}

double assay_temperature_fit(const struct assay_prediction_set *set) {
  double low = log(0.1), high = log(10.0);
  if (set->count == 0 || fabs(slope(set, 1)) <= 1e-12 * set->count) return 1;
  for (int step = 0; step < 60; step++) {
    const double middle = (low + high) / 2;
    if (slope(set, exp(middle)) < 0) low = middle;
    else high = middle;
  }
  return exp(-(low + high) / 2);
}

void assay_reliability_fill(const struct assay_prediction_set *set, struct assay_reliability bins[ASSAY_RELIABILITY_BINS]) {
  memset(bins, 0, ASSAY_RELIABILITY_BINS * sizeof *bins);
  for (uint32_t row = 0; row < set->count; row++) {
    const double *scores = set->scores + (size_t)row * set->class_count;
    uint32_t best = 0;
    for (uint32_t class = 1; class < set->class_count; class++)
      if (scores[class] > scores[best]) best = class;
    const double place = ceil(scores[best] * ASSAY_RELIABILITY_BINS) - 1;
    struct assay_reliability *bin = &bins[place < 0 ? 0 : place >= ASSAY_RELIABILITY_BINS ? ASSAY_RELIABILITY_BINS - 1 : (int)place];
    bin->count++;
    bin->score += scores[best];
    bin->right += set->labels[row] == (int32_t)best;
  }
  for (int i = 0; i < ASSAY_RELIABILITY_BINS; i++) {
    if (bins[i].count == 0) continue;
    bins[i].score /= bins[i].count;
    bins[i].right /= bins[i].count;
  }
}
