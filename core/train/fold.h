/* SPDX-License-Identifier: MIT
 *
 * One fold: epochs until the validation loss stops falling, or a refit for a number of epochs.
 */
#ifndef ASSAY_TRAIN_FOLD_H
#define ASSAY_TRAIN_FOLD_H

#include "train/runner.h"

struct assay_fold_task {
  const struct assay_settings *settings;
  const uint32_t *training, *validation; /* sample numbers, ascending */
  uint32_t training_count, validation_count; /* no validation: a refit */
  const double *mean, *deviation;        /* of the training part's pixels, a channel */
  uint64_t seed;                         /* of the fold */
  uint32_t fold, fold_count;             /* for the hooks: number among all that the trial trains */
  uint32_t repeat, part;                 /* for predictions: the repeat, and the fold of it */
  uint32_t epoch_limit;
  uint32_t first_epoch, epoch_total;     /* for the hooks and random keys: epochs before these, and in all */
  const struct assay_weights *start;     /* in place of first weights; NULL */
  const struct assay_hooks *hooks;       /* may be NULL */
};

/* Trains, and fills `result` from `arena` (but for `weights`) and, unless NULL, `best` with the predictions of the best epoch. `pruned` is set when the
 * hook asked to stop. The runner keeps the best epoch's weights; after a refit those at hand are the ones. */
int assay_fold_run(struct assay_runner *runner, const struct assay_fold_task *task, struct assay_arena *arena, struct assay_fold_result *result,
                   struct assay_prediction_set *best, bool *pruned, struct assay_status *status);

/* Weights of the classes. BALANCED: samples / (classes * samples of the class), as in scikit-learn; a class without samples gets 1. ASSAY_E_CONFIG when a
 * list does not fit the classes. */
int assay_class_weights_fill(const struct assay_train_settings *settings, const struct assay_samples *samples, const uint32_t *numbers, uint32_t count,
                             double *weights, struct assay_status *status);

#endif
