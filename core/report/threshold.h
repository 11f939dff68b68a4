/* SPDX-License-Identifier: MIT
 *
 * The threshold of a two-class model: chosen by the rule of [judge] threshold on out-of-fold predictions, and everything that any threshold would give.
 */
#ifndef ASSAY_REPORT_THRESHOLD_H
#define ASSAY_REPORT_THRESHOLD_H

#include "train/predictions.h"

struct assay_threshold_choice {
  double threshold;
  double value; /* of the rule's metric there; NaN: a fixed threshold, or it is not defined */
  bool met;     /* the rule's bound is kept; true without a bound */
};

/* The middle of the widest stretch between neighbouring scores that is best: where the rule's metric is best, or, for a bound, where among the thresholds that
 * keep it the fewest guesses are wrong (where none keeps it, the one that comes nearest). At most 500 scores of either class are tried, evenly spread, so every
 * score of a rare class. 0.5 unless there are two classes and both occur, and where the metric does not depend on the threshold. ASSAY_E_MEMORY. */
int assay_threshold_choose(const struct assay_prediction_set *set, const struct assay_judge_settings *judge, struct assay_threshold_choice *choice,
                           struct assay_status *status);

/* What deciding for a class from `threshold` on gives. */
struct assay_operating_point {
  double threshold; /* INFINITY: never */
  uint32_t true_positives, false_positives, false_negatives, true_negatives;
};
/* All corners of the ROC of one class against the rest, from never to always: points between which only one kind of sample is passed are left out, and of
 * more than `most` corners every so many. The precision-recall curve has no other corners. From `arena`. ASSAY_E_MEMORY. */
int assay_threshold_sweep(const struct assay_prediction_set *set, int32_t class, uint32_t most, struct assay_arena *arena,
                          const struct assay_operating_point **points, uint32_t *count, struct assay_status *status);

/* thresholds.csv: part,class,threshold,true_positives,false_positives,false_negatives,true_negatives,recall,false_positive_rate,precision,f1, for
 * each class of each part (with two classes for the positive one alone, else the second): the ROC and precision-recall curves as data. ASSAY_E_STORAGE. */
int assay_thresholds_write(const struct assay_prediction_set *set, const char *path, struct assay_status *status);

#endif
