/* SPDX-License-Identifier: MIT
 *
 * Trials and final models: folds one after another on one device.
 */
#include "train/trainer.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/status.h"
#include "train/features.h"
#include "train/fold.h"
#include "train/model.h"
#include "train/oversample.h"

#include <assay/random.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESIDENT_LIMIT ((uint64_t)1 << 30)
#define EVALUATION_BATCH 64 /* at least so many samples at once, as long as there are so many */

/* Samples and pixel statistics of a fold; the entry behind the last fold is the refit's. */
struct part {
  uint32_t *training, *validation;
  uint32_t training_count, validation_count;
  double mean[4], deviation[4];
};

struct assay_trainer {
  struct assay_arena *arena;
  struct assay_session *session;
  const struct assay_samples *samples;
  struct assay_residency residency;
  struct assay_features features;
  struct part *parts; /* [fold_count + 1] */
  bool told;          /* which pretrained weights were loaded */
};

static int list_part(struct assay_trainer *trainer, uint32_t fold, struct assay_status *status) {
  const struct assay_samples *samples = trainer->samples;
  const bool refit = fold == samples->fold_count;
  struct part *part = &trainer->parts[fold];
  part->training = ASSAY_NEW_ARRAY(trainer->arena, uint32_t, samples->count);
  part->validation = ASSAY_NEW_ARRAY(trainer->arena, uint32_t, samples->count);
  if (part->training == NULL || part->validation == NULL) return assay_status_memory(status);
  for (uint32_t i = 0; i < samples->count; i++) {
    if (samples->pixels[i] == NULL) continue;
    const bool own = !refit && samples->folds[i] == (int32_t)fold;
    if (samples->parts[i] == ASSAY_PART_TRAIN && !own) part->training[part->training_count++] = i;
    if ((samples->parts[i] == ASSAY_PART_TRAIN && own) || (samples->parts[i] == ASSAY_PART_VALIDATION && !refit)) part->validation[part->validation_count++] = i;
  }
  if (part->training_count == 0 || (!refit && part->validation_count == 0))
    return assay_status_set(status, ASSAY_E_DATA, "fold %u has no images %s; use fewer folds, or [data] validation with folds = 1", fold + 1,
                            part->training_count == 0 ? "to train on" : "to validate on");
  assay_samples_statistics(samples, part->training, part->training_count, part->mean, part->deviation);
  return 0;
}

static int send_pixels(struct assay_trainer *trainer, uint64_t image, struct assay_status *status) {
  const struct assay_samples *samples = trainer->samples;
  const struct assay_backend *backend = assay_session_backend(trainer->session);
  struct assay_residency *residency = &trainer->residency;
  uint32_t row = 0;
  for (uint32_t i = 0; i < samples->count; i++) {
    if (samples->pixels[i] == NULL) continue;
    residency->rows[i] = row;
    int code = backend->buffer_write(residency->pixels, row * image, samples->pixels[i], image, status);
    if (code == 0) code = backend->buffer_write(residency->labels, row * sizeof(int32_t), &samples->labels[i], sizeof(int32_t), status);
    if (code != 0) return code;
    row++;
  }
  return 0;
}

/* Pixels stay on the device when there is room; else the residency stays empty. */
static int settle(struct assay_trainer *trainer, struct assay_status *status) {
  const struct assay_samples *samples = trainer->samples;
  const struct assay_backend *backend = assay_session_backend(trainer->session);
  struct assay_device *device = assay_session_device(trainer->session);
  struct assay_residency *residency = &trainer->residency;
  const uint64_t image = (uint64_t)samples->height * samples->width * samples->channels;
  uint32_t usable = 0;
  for (uint32_t i = 0; i < samples->count; i++) usable += samples->pixels[i] != NULL;
  residency->rows = ASSAY_NEW_ARRAY(trainer->arena, uint32_t, samples->count);
  if (residency->rows == NULL) return assay_status_memory(status);
  if (image * usable > RESIDENT_LIMIT) return 0;
  struct assay_status full;
  if (backend->buffer_create(device, image * usable, &residency->pixels, &full) != 0 ||
      backend->buffer_create(device, usable * sizeof(int32_t), &residency->labels, &full) != 0) {
    assay_log_message(ASSAY_LOG_INFO, "images are sent batch by batch: %s", full.message);
    return 0;
  }
  residency->count = usable;
  return send_pixels(trainer, image, status);
}

int assay_trainer_open(struct assay_session *session, const struct assay_samples *samples, struct assay_trainer **trainer, struct assay_status *status) {
  *trainer = NULL;
  struct assay_arena *arena = assay_arena_create();
  struct assay_trainer *made = arena == NULL ? NULL : ASSAY_NEW(arena, struct assay_trainer);
  if (made == NULL) {
    assay_arena_release(arena);
    return assay_status_memory(status);
  }
  made->arena = arena;
  made->session = session;
  made->samples = samples;
  made->parts = ASSAY_NEW_ARRAY(arena, struct part, samples->fold_count + 1);
  int code = made->parts == NULL ? assay_status_memory(status) : 0;
  if (code == 0 && (samples->channels == 0 || samples->channels > 4))
    code = assay_status_set(status, ASSAY_E_DATA, "images have %u channels; 1 to 4 can be trained on", samples->channels);
  for (uint32_t fold = 0; code == 0 && fold <= samples->fold_count; fold++) code = list_part(made, fold, status);
  if (code == 0) code = settle(made, status);
  if (code != 0) assay_trainer_close(made);
  else *trainer = made;
  return code;
}

void assay_trainer_close(struct assay_trainer *trainer) {
  if (trainer == NULL) return;
  const struct assay_backend *backend = assay_session_backend(trainer->session);
  assay_features_release(&trainer->features, backend);
  backend->buffer_release(trainer->residency.pixels);
  backend->buffer_release(trainer->residency.labels);
  assay_arena_release(trainer->arena);
}

/* A network for the parts `first` … `end` - 1, compiled, with its buffers. */
struct bench {
  struct assay_network *network;
  struct assay_pretrained *pretrained; /* NULL: none */
  struct assay_runner runner;
};

/* How many samples go through the network at once. Starts as everything at once, and is made smaller while memory does not suffice. */
struct cut {
  uint32_t first, end;        /* the parts that it is for */
  uint32_t piece, evaluation; /* samples of a gradient, and of an evaluation at most */
  bool built;                 /* the network could be built, and so … */
  char coupling[128];         /* … this is what ties samples together, */
  bool coupled;               /* if anything does */
};

static struct cut whole(const struct assay_settings *settings, uint32_t first, uint32_t end) {
  const uint32_t batch = settings->train.batch;
  return (struct cut){.first = first, .end = end, .piece = batch, .evaluation = batch > EVALUATION_BATCH ? batch : EVALUATION_BATCH};
}

/* Matches the pretrained weights, if there are any, and says once what came of it. */
static int load_pretrained(struct assay_trainer *trainer, const struct assay_settings *settings, struct bench *bench, struct assay_status *status) {
  if (settings->weights == NULL) return 0;
  const struct assay_samples *samples = trainer->samples;
  const int code = assay_pretrained_open(settings, bench->network->program, samples->classes, samples->class_count, &bench->pretrained, status);
  if (code != 0 || trainer->told) return code;
  trainer->told = true;
  assay_pretrained_tell(bench->pretrained);
  return 0;
}

static int set_up(struct assay_trainer *trainer, const struct assay_settings *settings, struct cut *cut, struct bench *bench, struct assay_status *status) {
  const struct assay_samples *samples = trainer->samples;
  const uint32_t count = cut->end - cut->first;
  uint32_t *counts = calloc(count, sizeof *counts);
  if (counts == NULL) return assay_status_memory(status);
  uint32_t evaluation = settings->train.freeze != NULL ? samples->count : 1; /* what frozen layers make of the samples is computed in such batches, too */
  for (uint32_t i = 0; i < count; i++) {
    const struct part *part = &trainer->parts[cut->first + i];
    counts[i] = assay_epoch_size(samples, part->training, part->training_count, settings->train.oversample);
    if (part->validation_count > evaluation) evaluation = part->validation_count;
  }
  const struct assay_network_facts facts = {.class_count = samples->class_count,
                                            .height = samples->height,
                                            .width = samples->width,
                                            .channels = samples->channels,
                                            .resident = trainer->residency.count,
                                            .feature_rows = assay_features_count(samples),
                                            .training_count_count = count,
                                            .training_counts = counts,
                                            .evaluation_batch = evaluation < cut->evaluation ? evaluation : cut->evaluation,
                                            .piece = cut->piece < settings->train.batch ? cut->piece : 0};
  *bench = (struct bench){.network = NULL};
  int code = assay_network_create(settings, &facts, &bench->network, status);
  free(counts);
  if (code != 0) return code;
  cut->built = true;
  cut->coupled = bench->network->coupling != NULL;
  if (cut->coupled) snprintf(cut->coupling, sizeof cut->coupling, "%s", bench->network->coupling);
  code = load_pretrained(trainer, settings, bench, status);
  if (code == 0) code = assay_runner_create(trainer->session, samples, &trainer->residency, bench->network, &bench->runner, status);
  bench->runner.pretrained = bench->pretrained;
  bench->runner.features = &trainer->features;
  if (code != 0) {
    assay_pretrained_release(bench->pretrained);
    assay_network_release(bench->network);
  }
  return code;
}

static void take_down(struct bench *bench) {
  assay_runner_release(&bench->runner);
  assay_pretrained_release(bench->pretrained);
  assay_network_release(bench->network);
}

/* The largest half, quarter, … of the batch for which there is memory; 0: there is none. */
static uint32_t batch_that_fits(struct assay_trainer *trainer, const struct assay_settings *settings, const struct cut *cut) {
  for (uint32_t batch = settings->train.batch / 2; batch > 0; batch /= 2) {
    struct assay_settings smaller = *settings;
    struct assay_status ignored;
    struct bench bench;
    smaller.train.batch = batch;
    struct cut attempt = whole(&smaller, cut->first, cut->end);
    attempt.evaluation = batch;
    const int code = set_up(trainer, &smaller, &attempt, &bench, &ignored);
    if (code == 0) take_down(&bench);
    assay_session_trim(trainer->session, 0);
    if (code == 0) return batch;
  }
  return 0;
}

static int give_up(struct assay_trainer *trainer, const struct assay_settings *settings, const struct cut *cut, struct assay_status *status) {
  const struct assay_samples *samples = trainer->samples;
  const uint32_t fits = cut->coupled ? batch_that_fits(trainer, settings, cut) : 0;
  char advice[256];
  if (fits > 0)
    snprintf(advice, sizeof advice, "with [train] batch = %u it fits; the batch cannot be cut into pieces, since layer \"%s\" ties its samples together", fits, cut->coupling);
  else snprintf(advice, sizeof advice, "even one image at a time is too much; a smaller [data] size or network helps");
  return assay_status_prefix(status, "training on %ux%u images with batch = %u needs more memory than there is: %s", samples->width, samples->height,
                             settings->train.batch, advice);
}

/* After ASSAY_E_MEMORY with this cut: 0 and a smaller one, or the error when there is none. */
static int cut_smaller(struct assay_trainer *trainer, const struct assay_settings *settings, struct cut *cut, struct assay_status *status) {
  assay_session_trim(trainer->session, 0); /* what was compiled may hold memory */
  if (cut->evaluation > cut->piece) {
    cut->evaluation = cut->piece;
    return 0;
  }
  if (!cut->built || cut->coupled || cut->piece == 1) return give_up(trainer, settings, cut, status);
  cut->piece = cut->evaluation = (cut->piece + 1) / 2;
  assay_log_message(ASSAY_LOG_INFO, "a batch of %u does not fit into memory, so it is cut into pieces of %u, whose gradients are added up (%s)",
                    settings->train.batch, cut->piece, status->message);
  return 0;
}

/* A fold's own seed. */
static uint64_t fold_seed(uint64_t seed, uint32_t fold) {
  const uint32_t counter[4] = {fold, 0x666f6c64u /* "fold" */, 0, 0}, key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  uint32_t block[4];
  assay_philox(counter, key, block);
  return (uint64_t)block[0] << 32 | block[1];
}

static struct assay_fold_task task_for(const struct assay_trainer *trainer, const struct assay_settings *settings, uint32_t fold, uint64_t seed,
                                       const struct assay_hooks *hooks) {
  const struct part *part = &trainer->parts[fold];
  return (struct assay_fold_task){.settings = settings,
                                  .training = part->training,
                                  .validation = part->validation,
                                  .training_count = part->training_count,
                                  .validation_count = part->validation_count,
                                  .mean = part->mean,
                                  .deviation = part->deviation,
                                  .seed = fold_seed(seed, fold),
                                  .fold = fold,
                                  .fold_count = trainer->samples->fold_count,
                                  .epoch_limit = settings->train.epochs,
                                  .hooks = hooks};
}

static double mean_objective(const struct assay_trial_result *result) {
  double sum = 0;
  uint32_t defined = 0;
  for (uint32_t fold = 0; fold < result->fold_count; fold++) {
    if (isnan(result->folds[fold].objective)) continue;
    sum += result->folds[fold].objective;
    defined++;
  }
  return defined > 0 ? sum / defined : NAN;
}

static int run_folds(struct assay_trainer *trainer, const struct assay_settings *settings, uint64_t seed, bool keep_weights, const struct assay_hooks *hooks,
                     struct bench *bench, struct assay_trial_result *result, struct assay_status *status) {
  const uint32_t fold_count = trainer->samples->fold_count;
  struct assay_fold_result *folds = ASSAY_NEW_ARRAY(result->arena, struct assay_fold_result, fold_count);
  if (folds == NULL) return assay_status_memory(status);
  result->folds = folds;
  result->parameter_count = bench->network->parameter_count;
  for (uint32_t fold = 0; fold < fold_count && !result->pruned; fold++) {
    const struct assay_fold_task task = task_for(trainer, settings, fold, seed, hooks);
    int code = assay_fold_run(&bench->runner, &task, result->arena, &folds[fold], result->predictions, &result->pruned, status);
    if (code == 0 && keep_weights) code = assay_runner_weights(&bench->runner, true, result->arena, &folds[fold].weights, status);
    if (code != 0) return code;
    result->fold_count = fold + 1;
  }
  result->objective = result->pruned ? NAN : mean_objective(result);
  return 0;
}

static int try_trial(struct assay_trainer *trainer, const struct assay_settings *settings, uint64_t seed, bool keep_weights, const struct assay_hooks *hooks,
                     struct cut *cut, struct assay_trial_result **result, struct assay_status *status) {
  const struct assay_samples *samples = trainer->samples;
  struct assay_arena *arena = assay_arena_create();
  struct assay_trial_result *made = arena == NULL ? NULL : ASSAY_NEW(arena, struct assay_trial_result);
  if (made == NULL) {
    assay_arena_release(arena);
    return assay_status_memory(status);
  }
  made->arena = arena;
  made->predictions = assay_predictions_create(samples->class_count, samples->classes, samples->positive);
  struct bench bench;
  int code = made->predictions == NULL ? assay_status_memory(status) : set_up(trainer, settings, cut, &bench, status);
  if (code == 0) {
    made->piece = bench.network->facts.piece;
    code = run_folds(trainer, settings, seed, keep_weights, hooks, &bench, made, status);
    take_down(&bench);
  }
  if (code != 0) assay_trial_result_release(made);
  else *result = made;
  return code;
}

int assay_trainer_trial(struct assay_trainer *trainer, const struct assay_settings *settings, uint64_t seed, bool keep_weights, const struct assay_hooks *hooks,
                        struct assay_trial_result **result, struct assay_status *status) {
  struct cut cut = whole(settings, 0, trainer->samples->fold_count);
  *result = NULL;
  for (;;) {
    int code = try_trial(trainer, settings, seed, keep_weights, hooks, &cut, result, status);
    if (code == ASSAY_E_MEMORY) code = cut_smaller(trainer, settings, &cut, status);
    if (code != 0 || *result != NULL) return code;
  }
}

void assay_trial_result_release(struct assay_trial_result *result) {
  if (result == NULL) return;
  assay_predictions_release(result->predictions);
  assay_arena_release(result->arena);
}

/* Rounded mean of the folds' best epochs, counted from 1. */
static uint32_t refit_epochs(const struct assay_trial_result *trial) {
  double sum = 0;
  for (uint32_t fold = 0; fold < trial->fold_count; fold++) sum += trial->folds[fold].best_epoch + 1.0;
  return trial->fold_count > 0 ? (uint32_t)lround(sum / trial->fold_count) : 1;
}

static int try_refit(struct assay_trainer *trainer, const struct assay_settings *settings, struct assay_trial_result *trial, uint64_t seed,
                     const struct assay_hooks *hooks, struct cut *cut, struct assay_fold_result *result, struct assay_status *status) {
  struct bench bench;
  int code = set_up(trainer, settings, cut, &bench, status);
  if (code != 0) return code;
  struct assay_fold_task task = task_for(trainer, settings, cut->first, seed, hooks);
  task.fold = 0;
  task.fold_count = 1;
  task.epoch_limit = refit_epochs(trial);
  bool pruned;
  code = assay_fold_run(&bench.runner, &task, trial->arena, result, NULL, &pruned, status);
  if (code == 0) code = assay_runner_weights(&bench.runner, false, trial->arena, &result->weights, status);
  take_down(&bench);
  return code;
}

static int refit(struct assay_trainer *trainer, const struct assay_settings *settings, struct assay_trial_result *trial, uint64_t seed,
                 const struct assay_hooks *hooks, struct assay_model **model, const struct assay_fold_result **refitted, struct assay_status *status) {
  const uint32_t last = trainer->samples->fold_count;
  struct assay_fold_result *result = ASSAY_NEW(trial->arena, struct assay_fold_result);
  if (result == NULL) return assay_status_memory(status);
  struct cut cut = whole(settings, last, last + 1);
  int code = 0;
  while (code == 0 && result->weights == NULL) {
    code = try_refit(trainer, settings, trial, seed, hooks, &cut, result, status);
    if (code == ASSAY_E_MEMORY) code = cut_smaller(trainer, settings, &cut, status);
  }
  if (code == 0) code = assay_model_create(settings, trainer->samples, &result->weights, 1, model, status);
  if (code == 0 && refitted != NULL) *refitted = result;
  return code;
}

/* `best_fold` and `ensemble`, from the weights that the trial kept. */
static int take_folds(struct assay_trainer *trainer, const struct assay_settings *settings, const struct assay_trial_result *trial, struct assay_model **model,
                      struct assay_status *status) {
  const struct assay_weights **members = ASSAY_NEW_ARRAY(trial->arena, const struct assay_weights *, trial->fold_count);
  if (members == NULL) return assay_status_memory(status);
  uint32_t best = 0;
  for (uint32_t fold = 0; fold < trial->fold_count; fold++) {
    const struct assay_fold_result *result = &trial->folds[fold], *leader = &trial->folds[best];
    members[fold] = result->weights;
    if (result->weights == NULL) return assay_status_set(status, ASSAY_E_FAILED, "the trial did not keep its folds' weights; run it again with its seed");
    if (result->epochs[result->best_epoch].validation_loss < leader->epochs[leader->best_epoch].validation_loss) best = fold;
  }
  const bool all = settings->train.final == ASSAY_FINAL_ENSEMBLE;
  return assay_model_create(settings, trainer->samples, all ? members : members + best, all ? trial->fold_count : 1, model, status);
}

int assay_trainer_final(struct assay_trainer *trainer, const struct assay_settings *settings, struct assay_trial_result *trial, uint64_t seed,
                        const struct assay_hooks *hooks, struct assay_model **model, const struct assay_fold_result **refitted, struct assay_status *status) {
  *model = NULL;
  if (refitted != NULL) *refitted = NULL;
  if (trial->pruned || trial->fold_count == 0) return assay_status_set(status, ASSAY_E_FAILED, "a trial that was stopped early makes no model");
  if (settings->train.final == ASSAY_FINAL_REFIT) return refit(trainer, settings, trial, seed, hooks, model, refitted, status);
  return take_folds(trainer, settings, trial, model, status);
}
