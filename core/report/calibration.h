/* SPDX-License-Identifier: MIT
 *
 * Whether scores can be believed as probabilities, and the one number that makes them more so: the temperature (Guo et al., 2017).
 */
#ifndef ASSAY_REPORT_CALIBRATION_H
#define ASSAY_REPORT_CALIBRATION_H

#include "train/predictions.h"

/* The temperature by which the logits have to be divided for the labels to be likeliest; above 1 where the model is too sure of itself. Within 0.1 … 10.
 * Logarithms of the scores serve as logits, which differ from those by a number that does not count. 1 for an empty set. */
double assay_temperature_fit(const struct assay_prediction_set *set);

enum { ASSAY_RELIABILITY_BINS = 15 };
/* One bin of the reliability diagram, (i/15, (i + 1)/15] of the highest score: what the scores say on average, and how often they are right. */
struct assay_reliability {
  uint32_t count;
  double score, right; /* means; 0 in an empty bin */
};
void assay_reliability_fill(const struct assay_prediction_set *set, struct assay_reliability bins[ASSAY_RELIABILITY_BINS]);

#endif
