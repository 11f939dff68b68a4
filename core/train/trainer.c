/* SPDX-License-Identifier: MIT
 *
 * Trials and final models: repeats, folds and stages one after another on one device.
 */
#include "train/trainer.h"

#include "base/arena.h"
#include "base/status.h"
#include "train/bench.h"
#include "train/fold.h"
#include "train/model.h"
#include "train/oversample.h"
#include "train/schedule.h"

#include <assay/random.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct assay_trainer {
  struct assay_arena *arena;
  uint32_t stage_count;
  struct assay_material *stages; /* the last one has the size that the model sees */
  const struct assay_samples *samples; /* its */
  bool told;                     /* what is said once */
};

int assay_trainer_open(struct assay_session *session, const struct assay_samples *const *stages, uint32_t stage_count, struct assay_trainer **trainer,
                       struct assay_status *status) {
  *trainer = NULL;
  struct assay_arena *arena = assay_arena_create();
  struct assay_trainer *made = arena == NULL ? NULL : ASSAY_NEW(arena, struct assay_trainer);
  if (made == NULL) {
    assay_arena_release(arena);
    return assay_status_memory(status);
  }
  *made = (struct assay_trainer){.arena = arena, .stage_count = stage_count, .samples = stages[stage_count - 1]};
  made->stages = ASSAY_NEW_ARRAY(arena, struct assay_material, stage_count);
  int code = made->stages == NULL ? assay_status_memory(status) : 0;
  for (uint32_t s = 0; code == 0 && s < stage_count; s++) code = assay_material_open(session, stages[s], arena, &made->stages[s], status);
  if (code != 0) assay_trainer_close(made);
  else *trainer = made;
  return code;
}

void assay_trainer_close(struct assay_trainer *trainer) {
  if (trainer == NULL) return;
  for (uint32_t s = 0; trainer->stages != NULL && s < trainer->stage_count; s++) assay_material_release(&trainer->stages[s]);
  assay_arena_release(trainer->arena);
}

/* A fold's own seed. */
static uint64_t fold_seed(uint64_t seed, uint32_t fold) {
  const uint32_t counter[4] = {fold, 0x666f6c64u /* "fold" */, 0, 0}, key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  uint32_t block[4];
  assay_philox(counter, key, block);
  return (uint64_t)block[0] << 32 | block[1];
}

/* What the settings say of one stage. */
static struct assay_settings settings_of(const struct assay_settings *settings, uint32_t stage) {
  struct assay_settings own = *settings;
  if (settings->train.stage_count == 0) return own;
  const struct assay_stage_settings *given = &settings->train.stages[stage];
  own.data.width = given->width;
  own.data.height = given->height;
  own.train.batch = given->batch;
  own.train.epochs = given->epochs;
  return own;
}

/* ---- A trial at work ---- */

struct job {
  struct assay_trainer *trainer;
  const struct assay_settings *settings;
  const struct assay_hooks *hooks;
  struct assay_cut cut;
  struct assay_bench *benches; /* one a stage */
  struct assay_arena *arena;   /* of what remains */
};

static void take_down(struct job *job) {
  for (uint32_t s = 0; s < job->trainer->stage_count; s++)
    if (job->benches[s].network != NULL) assay_bench_take_down(&job->benches[s]);
}

static int set_up(struct job *job, struct assay_status *status) {
  const uint32_t count = job->trainer->stage_count;
  int code = 0;
  job->benches = ASSAY_NEW_ARRAY(job->arena, struct assay_bench, count);
  if (job->benches == NULL) return assay_status_memory(status);
  job->cut.told = job->trainer->told;
  for (uint32_t s = 0; code == 0 && s < count; s++) {
    const struct assay_settings own = settings_of(job->settings, s);
    code = assay_bench_set_up(&job->trainer->stages[s], &own, &job->cut, &job->benches[s], status);
    if (code != 0) job->benches[s].network = NULL;
  }
  job->trainer->told = job->cut.told;
  if (code != 0) take_down(job);
  return code;
}

/* Begins a job: benches for these parts. With ASSAY_E_MEMORY the caller may try again with a smaller cut. */
static int shrink(struct job *job, int code, struct assay_status *status) {
  const uint32_t last = job->trainer->stage_count - 1;
  const struct assay_settings own = settings_of(job->settings, last);
  return code == ASSAY_E_MEMORY ? assay_cut_smaller(job->trainer->stages, last + 1, &own, &job->cut, status) : code;
}

/* Which of the trial's folds is trained, and how long. */
struct errand {
  uint32_t part, count;           /* part of the material, and how many the job trains */
  uint32_t repeat, fold;
  uint64_t seed;
  const uint32_t *epochs;         /* by stage; NULL: as the settings say */
  struct assay_prediction_set *predictions; /* of the best epoch; NULL: nobody wants them */
};

/* Appends a stage's epochs to those of the fold. */
static void append(struct assay_fold_result *result, struct assay_epoch *epochs, struct assay_stage_result *stages, const struct assay_fold_result *stage) {
  const uint32_t first = result->epoch_count;
  memcpy(epochs + first, stage->epochs, stage->epoch_count * sizeof *epochs);
  stages[result->stage_count++] = (struct assay_stage_result){first, stage->epoch_count, first + stage->best_epoch};
  result->training_count = stage->training_count;
  result->validation_count = stage->validation_count;
  result->epoch_count += stage->epoch_count;
  result->best_epoch = first + stage->best_epoch;
  result->objective = stage->objective;
  result->stopped_early = stage->stopped_early;
}

/* One fold through all stages, each of which starts from the best weights of the one before. The last one's bench keeps the result. */
static int run_fold(struct job *job, const struct errand *errand, struct assay_fold_result *result, bool *pruned, struct assay_status *status) {
  const struct assay_trainer *trainer = job->trainer;
  const bool refit = errand->part == trainer->stages[0].part_count;
  uint32_t total = 0;
  for (uint32_t s = 0; s < trainer->stage_count; s++) total += errand->epochs != NULL ? errand->epochs[s] : settings_of(job->settings, s).train.epochs;
  struct assay_epoch *epochs = ASSAY_NEW_ARRAY(job->arena, struct assay_epoch, total);
  struct assay_stage_result *stages = ASSAY_NEW_ARRAY(job->arena, struct assay_stage_result, trainer->stage_count);
  const struct assay_weights *start = NULL;
  if (epochs == NULL || stages == NULL) return assay_status_memory(status);
  *result = (struct assay_fold_result){.repeat = errand->repeat, .fold = errand->fold, .epochs = epochs, .stages = stages, .objective = NAN};
  *pruned = false;
  for (uint32_t s = 0; s < trainer->stage_count && !*pruned; s++) {
    const struct assay_settings own = settings_of(job->settings, s);
    const struct assay_fold_part *part = &trainer->stages[s].parts[errand->part];
    const bool last = s + 1 == trainer->stage_count;
    const struct assay_fold_task task = {.settings = &own,
                                         .training = part->training,
                                         .validation = part->validation,
                                         .training_count = part->training_count,
                                         .validation_count = part->validation_count,
                                         .mean = part->mean,
                                         .deviation = part->deviation,
                                         .seed = errand->seed,
                                         .fold = refit ? 0 : errand->part,
                                         .fold_count = errand->count,
                                         .repeat = errand->repeat,
                                         .part = errand->fold,
                                         .epoch_limit = errand->epochs != NULL ? errand->epochs[s] : own.train.epochs,
                                         .first_epoch = result->epoch_count,
                                         .epoch_total = total,
                                         .start = start,
                                         .hooks = job->hooks};
    struct assay_fold_result stage;
    int code = assay_fold_run(&job->benches[s].runner, &task, job->arena, &stage, last ? errand->predictions : NULL, pruned, status);
    if (code == 0 && !last) code = assay_runner_weights(&job->benches[s].runner, !refit, job->arena, &start, status);
    if (code != 0) return code;
    append(result, epochs, stages, &stage);
  }
  return 0;
}

/* ---- Trials ---- */

static double mean_objective(const struct assay_fold_result *folds, uint32_t count) {
  double sum = 0;
  uint32_t defined = 0;
  for (uint32_t fold = 0; fold < count; fold++) {
    if (isnan(folds[fold].objective)) continue;
    sum += folds[fold].objective;
    defined++;
  }
  return defined > 0 ? sum / defined : NAN;
}

/* All folds of all repeats, each repeat with the next seed. */
static int run_folds(struct job *job, uint64_t seed, bool keep_weights, struct assay_trial_result *result, struct assay_status *status) {
  const struct assay_samples *samples = job->trainer->samples;
  const uint32_t count = samples->repeat_count * samples->fold_count, last = job->trainer->stage_count - 1;
  struct assay_fold_result *folds = ASSAY_NEW_ARRAY(result->arena, struct assay_fold_result, count);
  result->predictions = assay_predictions_create(samples->class_count, samples->classes, samples->positive);
  if (folds == NULL || result->predictions == NULL) return assay_status_memory(status);
  result->folds = folds;
  result->parameter_count = job->benches[0].network->parameter_count;
  result->piece = job->benches[last].network->facts.piece;
  for (uint32_t number = 0; number < count && !result->pruned; number++) {
    const uint32_t repeat = number / samples->fold_count, fold = number % samples->fold_count;
    const struct errand errand = {.part = number, .repeat = repeat, .fold = fold, .count = count, .seed = fold_seed(seed + repeat, fold), .predictions = result->predictions};
    int code = run_fold(job, &errand, &folds[number], &result->pruned, status);
    if (code == 0 && keep_weights) code = assay_runner_weights(&job->benches[last].runner, true, result->arena, &folds[number].weights, status);
    if (code != 0) return code;
    result->fold_count++;
  }
  assay_predictions_decide(result->predictions, result->predictions->threshold);
  result->objective = result->pruned ? NAN : mean_objective(folds, result->fold_count);
  return 0;
}

static int try_trial(struct job *job, uint64_t seed, bool keep_weights, struct assay_trial_result **result, struct assay_status *status) {
  struct assay_arena *arena = assay_arena_create();
  struct assay_trial_result *made = arena == NULL ? NULL : ASSAY_NEW(arena, struct assay_trial_result);
  if (made == NULL) {
    assay_arena_release(arena);
    return assay_status_memory(status);
  }
  made->arena = job->arena = arena;
  int code = set_up(job, status);
  if (code == 0) {
    code = run_folds(job, seed, keep_weights, made, status);
    take_down(job);
  }
  if (code != 0) assay_trial_result_release(made);
  else *result = made;
  return code;
}

static struct job begin(struct assay_trainer *trainer, const struct assay_settings *settings, const struct assay_hooks *hooks, uint32_t first, uint32_t end) {
  const struct assay_settings own = settings_of(settings, trainer->stage_count - 1);
  struct job job = {.trainer = trainer, .settings = settings, .hooks = hooks, .cut = assay_cut_whole(&own, first, end)};
  /* A cut is for all stages. */
  for (uint32_t s = 0; s < settings->train.stage_count; s++)
    if (settings->train.stages[s].batch > job.cut.piece) job.cut.piece = settings->train.stages[s].batch;
  return job;
}

int assay_trainer_trial(struct assay_trainer *trainer, const struct assay_settings *settings, uint64_t seed, bool keep_weights, const struct assay_hooks *hooks,
                        struct assay_trial_result **result, struct assay_status *status) {
  struct job job = begin(trainer, settings, hooks, 0, trainer->stages[0].part_count);
  *result = NULL;
  for (;;) {
    const int code = shrink(&job, try_trial(&job, seed, keep_weights, result, status), status);
    if (code != 0 || *result != NULL) return code;
  }
}

void assay_trial_result_release(struct assay_trial_result *result) {
  if (result == NULL) return;
  assay_predictions_release(result->predictions);
  assay_arena_release(result->arena);
}

/* ---- The final model ---- */

/* Rounded mean of the folds' epochs up to the best one, a stage, in whole cycles of the schedule; 1 for a stage that is on no record. */
static void refit_epochs(const struct assay_trial_result *trial, const struct assay_settings *settings, uint32_t stage_count, uint32_t *epochs) {
  for (uint32_t s = 0; s < stage_count; s++) {
    double sum = 0;
    uint32_t count = 0;
    for (uint32_t fold = 0; fold < trial->fold_count; fold++) {
      if (trial->folds[fold].stage_count <= s) continue;
      sum += trial->folds[fold].stages[s].best_epoch - trial->folds[fold].stages[s].first_epoch + 1.0;
      count++;
    }
    const struct assay_settings own = settings_of(settings, s);
    epochs[s] = assay_schedule_whole_cycles(&own.train, own.train.epochs, count > 0 ? (uint32_t)lround(sum / count) : 1);
  }
}

static int try_refit(struct job *job, const struct errand *errand, struct assay_fold_result *result, struct assay_status *status) {
  int code = set_up(job, status);
  if (code != 0) return code;
  bool pruned;
  code = run_fold(job, errand, result, &pruned, status);
  if (code == 0) code = assay_runner_weights(&job->benches[job->trainer->stage_count - 1].runner, false, job->arena, &result->weights, status);
  take_down(job);
  return code;
}

static int refit(struct assay_trainer *trainer, const struct assay_settings *settings, struct assay_trial_result *trial, uint64_t seed,
                 const struct assay_hooks *hooks, struct assay_model **model, const struct assay_fold_result **refitted, struct assay_status *status) {
  const uint32_t last = trainer->stages[0].part_count;
  struct assay_fold_result *result = ASSAY_NEW(trial->arena, struct assay_fold_result);
  uint32_t *epochs = ASSAY_NEW_ARRAY(trial->arena, uint32_t, trainer->stage_count);
  if (result == NULL || epochs == NULL) return assay_status_memory(status);
  refit_epochs(trial, settings, trainer->stage_count, epochs);
  const struct errand errand = {.part = last, .count = 1, .seed = fold_seed(seed, trainer->samples->fold_count), .epochs = epochs};
  struct job job = begin(trainer, settings, hooks, last, last + 1);
  job.arena = trial->arena;
  int code = 0;
  while (code == 0 && result->weights == NULL) code = shrink(&job, try_refit(&job, &errand, result, status), status);
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
