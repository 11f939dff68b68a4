/* SPDX-License-Identifier: MIT
 *
 * Predictions: what a model said about samples whose label is known. Every number that is printed comes from such a set, and the set is
 * written to predictions.csv with all its digits, so anyone can compute the same numbers again.
 */
#ifndef ASSAY_TRAIN_PREDICTIONS_H
#define ASSAY_TRAIN_PREDICTIONS_H

#include "data/data.h"
#include <assay/metric.h>
#include <stdbool.h>

/* Rows in the order they were added. Fields are for reading; change them through the functions. */
struct assay_prediction_set {
  uint32_t count, class_count;
  int32_t positive;           /* number of the positive class; -1: none named */
  double threshold;           /* two classes: the second (or the positive) class is decided for from this score on */
  const char *const *classes; /* [class_count], copies */
  const char **paths;         /* [count], copies */
  uint32_t *parts;            /* [count]: enum assay_part; VALIDATION for out-of-fold predictions */
  int32_t *repeats, *folds;   /* [count]: the repeat and the fold of it whose model spoke; -1: the final model */
  int32_t *labels, *guesses;  /* [count] */
  double *scores;             /* [count * class_count], each row sums to 1 */
  double *losses;             /* [count]: training loss of the sample, unweighted; NaN: not known */
  uint32_t capacity;
  struct assay_arena *arena;  /* of the copies */
};

/* An empty set with threshold 0.5; NULL when memory is short. */
struct assay_prediction_set *assay_predictions_create(uint32_t class_count, const char *const *classes, int32_t positive);
void assay_predictions_release(struct assay_prediction_set *set);

/* Adds a row; its guess follows the set's threshold. ASSAY_E_MEMORY. */
int assay_predictions_add(struct assay_prediction_set *set, const char *path, uint32_t part, int32_t repeat, int32_t fold, int32_t label, const double *scores,
                          double loss, struct assay_status *status);
/* Decides again. With more than two classes the guess is the highest score, the first of equals, whatever the threshold. */
void assay_predictions_decide(struct assay_prediction_set *set, double threshold);
/* The rows of a part (or of all parts: -1) and a repeat (all of them: -2), as a set of its own. NULL when memory is short. */
struct assay_prediction_set *assay_predictions_select(const struct assay_prediction_set *set, int part, int32_t repeat);
/* As metric plugins see it; borrowed. */
struct assay_predictions assay_predictions_view(const struct assay_prediction_set *set);

/* A metric with its 95 % interval. */
struct assay_measure {
  double value, low, high; /* NaN where not defined */
  bool wilson;             /* Wilson's interval of a proportion; otherwise the bootstrap's percentiles */
};
/* Metric alone; NaN where not defined. */
double assay_predictions_metric(const struct assay_prediction_set *set, const struct assay_component *metric);
/* Which rows are of one image: rows[starts[i]] to rows[starts[i + 1] - 1]. Images are in the order of their first rows, the rows of one ascending. Several are of one image
 * (one path) where there were several repeats; without repeats each row is an image of its own. To be freed; nothing in it after a failure. ASSAY_E_MEMORY. */
struct assay_prediction_images {
  uint32_t count, most; /* images; the most rows of one */
  uint32_t *starts, *rows;
};
int assay_predictions_images(const struct assay_prediction_set *set, struct assay_prediction_images *images, struct assay_status *status);
void assay_predictions_images_free(struct assay_prediction_images *images);

/* Fills measures[count], one a metric: its value over all rows, and an interval that knows how many images there are, since repeats of a judgement bring no new images.
 * Wilson (1927) where the metric is a proportion, of as many trials as there would be had each image one row. Otherwise the 2.5 and 97.5 percentiles over 1,000
 * resamples (beyond 1,000 rows as many as come to a million rows, but at least 200): images are drawn with replacement, each with all its rows (Field and Welsh,
 * "Bootstrapping clustered data", 2007), not stratified, since the mix of classes is part of the chance;
 * resamples where the metric is not defined are left out, and when that is more than half of them there is no interval. The same seed gives the same
 * interval, whatever other metrics are asked for. ASSAY_E_MEMORY. */
int assay_predictions_measure(const struct assay_prediction_set *set, const struct assay_component *metrics, uint32_t count, uint64_t seed,
                              struct assay_measure *measures, struct assay_status *status);
bool assay_metric_maximises(const struct assay_component *metric);

/* counts[label * class_count + guess]. */
void assay_predictions_confusion(const struct assay_prediction_set *set, uint64_t *counts);
/* Scores as they would be with all logits divided by `temperature` (Guo et al., 2017): p^(1/temperature), normalised. Losses and guesses stay. */
void assay_predictions_scale(struct assay_prediction_set *set, double temperature);

/* predictions.csv (RFC 4180): path,part,repeat,fold,label,guess,score_CLASS…,loss. Labels are class names; numbers have as many digits as it takes to read the
 * same number back. Writing: ASSAY_E_STORAGE; reading: ASSAY_E_DATA with the line. The threshold is not in the file; guesses are as they were. */
int assay_predictions_write(const struct assay_prediction_set *set, const char *path, struct assay_status *status);
int assay_predictions_read(const char *path, int32_t positive, struct assay_prediction_set **set, struct assay_status *status);

#endif
