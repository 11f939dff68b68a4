/* SPDX-License-Identifier: MIT
 *
 * Training: epochs over one fold with early stopping, all folds of a trial, and the final model. Early stopping watches the validation loss, whatever
 * the objective of the search is, since it is the smoothest of all; the best epoch's weights are the ones that count.
 *
 * Everything random comes from the seed: the same seed, data, settings and backend give the same run bit for bit.
 */
#ifndef ASSAY_TRAIN_TRAINER_H
#define ASSAY_TRAIN_TRAINER_H

#include "graph/session.h"
#include "train/network.h"
#include "train/predictions.h"
#include "train/samples.h"

struct assay_model;
struct assay_trainer; /* one device and one data set; keeps pixels on the device and programs compiled from trial to trial */

/* `stages`: the same samples at the size of each stage of the settings that will be trained with; a single one without stages. Session and samples outlive the trainer.
 * Pixels stay on the device when they take at most a gibibyte and it has room for them; otherwise each batch is sent. */
int assay_trainer_open(struct assay_session *session, const struct assay_samples *const *stages, uint32_t stage_count, struct assay_trainer **trainer,
                       struct assay_status *status);
void assay_trainer_close(struct assay_trainer *trainer);

/* One line of a fold's curve. */
struct assay_epoch {
  double training_loss;     /* weighted, as it was while the weights changed */
  double training_accuracy;
  double validation_loss;   /* unweighted; NaN in a refit */
  double learning_rate;
  double seconds;
  const double *metrics;    /* on validation, parallel to settings->metrics; NULL in a refit */
};

/* Host copy of a network's parameters and statistics, in the order of the inference program's variables; outside layout. */
struct assay_weights {
  uint32_t count;
  const uint64_t *sizes; /* bytes */
  const uint8_t *const *data;
};

/* Where a stage lies among the fold's epochs. */
struct assay_stage_result {
  uint32_t first_epoch, epoch_count;
  uint32_t best_epoch; /* of the fold's epochs; the next stage starts from its weights */
};

struct assay_fold_result {
  uint32_t repeat, fold;           /* of the data set's draws, the fold of this one */
  uint32_t training_count, validation_count;
  uint32_t epoch_count;            /* epochs that were run, in all stages */
  uint32_t best_epoch;             /* from 0: of the last stage, the one with the lowest validation loss; in a refit the last one */
  uint32_t stage_count;            /* stages that were begun; 1 without any */
  const struct assay_stage_result *stages;
  const struct assay_epoch *epochs;
  double objective;                /* at the best epoch; NaN where not defined */
  bool stopped_early;
  const struct assay_weights *weights; /* of the best epoch; NULL unless asked for */
};

struct assay_trial_result {
  struct assay_arena *arena;
  uint32_t fold_count;                  /* folds of all repeats that were finished, or started when it was pruned */
  const struct assay_fold_result *folds;
  double objective;                     /* mean over the folds where it is defined, in the metric's own direction; NaN when there is none */
  bool pruned;                          /* the hook asked to stop; `objective` is then NaN */
  struct assay_prediction_set *predictions; /* out-of-fold, of all repeats, at each fold's best epoch and the threshold 0.5; those of folds that were finished */
  uint64_t parameter_count;
  uint32_t piece;                       /* samples of a piece, where batches had to be cut into pieces for want of memory; 0: they were not */
};

/* What a hook is shown after each epoch. */
struct assay_progress {
  uint32_t fold, fold_count; /* in a refit 0 of 1 */
  uint32_t epoch, epoch_limit;
  const struct assay_epoch *latest;
  double objective;          /* on this fold's validation part, now; in the metric's own direction; NaN in a refit */
  bool improved;             /* the best epoch of this fold so far */
  bool refit;
};

enum assay_hook_answer { ASSAY_HOOK_CONTINUE = 0, ASSAY_HOOK_PRUNE = 1 };

struct assay_hooks {
  void *context;
  /* After each epoch; may be NULL. An answer, or a negative enum assay_error (with a status) that ends the trial with it. */
  int (*epoch)(void *context, const struct assay_progress *progress, struct assay_status *status);
  /* Between batches; may be NULL. True: stop at once with ASSAY_E_INTERRUPTED. */
  bool (*interrupted)(void *context);
};

/* Trains and validates every fold of every repeat of the data set with these settings. `seed`: of the first repeat; the others follow it. `hooks` may be NULL. ASSAY_E_NONFINITE
 * names fold, epoch and step.
 * Where the memory is too small for a batch, the trial is run again with batches cut into ever smaller pieces, whose gradients are added up: the same
 * training but for rounding. Where something (batch norm, say) ties the samples of a batch together that cannot be, and ASSAY_E_MEMORY names the batch that fits. */
int assay_trainer_trial(struct assay_trainer *trainer, const struct assay_settings *settings, uint64_t seed, bool keep_weights, const struct assay_hooks *hooks,
                        struct assay_trial_result **result, struct assay_status *status);
void assay_trial_result_release(struct assay_trial_result *result);

/* The final model as settings->train.final says: `refit` trains on all samples of part TRAIN for the rounded mean of the folds' best epochs of each stage (with warm restarts, to the end of that cycle), `best_fold`
 * takes the fold with the lowest validation loss, `ensemble` all folds. The last two need a trial that kept its weights (run it again with its seed).
 * `refitted` (may be NULL) gets the curve of a refit, from the trial's arena. The threshold stays 0.5: see assay_model_set_threshold. */
int assay_trainer_final(struct assay_trainer *trainer, const struct assay_settings *settings, struct assay_trial_result *trial, uint64_t seed,
                        const struct assay_hooks *hooks, struct assay_model **model, const struct assay_fold_result **refitted, struct assay_status *status);

/* The folds' curves as CSV: repeat,fold,epoch,stage,training_loss,training_accuracy,validation_loss,learning_rate,seconds,METRIC…,best. */
int assay_trial_result_write_curves(const struct assay_trial_result *result, const struct assay_settings *settings, const char *path,
                                    struct assay_status *status);

#endif
