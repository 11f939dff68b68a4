/* SPDX-License-Identifier: MIT */
#include "run/worker.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "run/device.h"
#include "run/final.h"
#include "train/model.h"
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What stays from trial to trial: the device, and the pixels at the size that the last trial wanted. */
struct bench {
  struct assay_worker *worker;
  struct assay_session *session;
  struct assay_arena *data_arena; /* of the next five */
  struct assay_data_settings prepared;
  uint32_t stage_count;            /* sizes of images: one, or those of [stages] */
  struct assay_cache **caches;     /* by stage */
  const struct assay_samples **stages;
  const struct assay_samples *samples; /* of the last stage */
  struct assay_trainer *trainer;
};

static void drop_pixels(struct bench *bench) {
  assay_trainer_close(bench->trainer);
  for (uint32_t s = 0; s < bench->stage_count; s++) assay_cache_close(bench->caches[s]);
  assay_arena_release(bench->data_arena);
  bench->trainer = NULL;
  bench->stage_count = 0;
  bench->data_arena = NULL;
}

/* The pixels at the size of one stage. */
static int prepare_stage(struct bench *bench, const struct assay_settings *settings, uint32_t stage, struct assay_status *status) {
  struct assay_data_settings data = settings->data;
  if (settings->train.stage_count > 0) {
    data.width = settings->train.stages[stage].width;
    data.height = settings->train.stages[stage].height;
  }
  int result = assay_cache_open(bench->worker->run->dataset, &data, &bench->caches[stage], status);
  if (result != 0) return result;
  bench->stage_count = stage + 1;
  result = assay_samples_collect(bench->worker->run->dataset, bench->caches[stage], &data, bench->data_arena, &bench->stages[stage], status);
  bench->samples = bench->stages[stage];
  return result;
}

/* Pixels and trainer for these data settings; kept while only other settings change. */
static int prepare_pixels(struct bench *bench, const struct assay_settings *settings, struct assay_status *status) {
  const struct assay_data_settings *wanted = &settings->data;
  const struct assay_data_settings *have = &bench->prepared;
  if (bench->trainer != NULL && have->width == wanted->width && have->height == wanted->height && memcmp(&have->fitting, &wanted->fitting, sizeof have->fitting) == 0 && have->colour == wanted->colour) return 0;
  drop_pixels(bench);
  bench->prepared = *wanted;
  bench->data_arena = assay_arena_create();
  const uint32_t count = settings->train.stage_count > 0 ? settings->train.stage_count : 1;
  if (bench->data_arena != NULL) bench->caches = ASSAY_NEW_ARRAY(bench->data_arena, struct assay_cache *, count);
  if (bench->data_arena != NULL) bench->stages = ASSAY_NEW_ARRAY(bench->data_arena, const struct assay_samples *, count);
  if (bench->data_arena == NULL || bench->caches == NULL || bench->stages == NULL) return assay_status_memory(status);
  int result = 0;
  for (uint32_t s = 0; result == 0 && s < count; s++) result = prepare_stage(bench, settings, s, status);
  if (result == 0) result = assay_trainer_open(bench->session, bench->stages, count, &bench->trainer, status);
  return result;
}

/* ---- One trial ---- */

struct trial {
  struct bench *bench;
  const struct assay_claim *claim;
  const struct assay_settings *settings;
  double beaten; /* when the last heartbeat was written */
  bool lost;     /* another worker has it now: this one was given up for dead */
};

/* What the study says to a write under this trial's claim. */
static int heed(struct trial *trial, int code) {
  if (code == ASSAY_E_FAILED) trial->lost = true;
  return code;
}

static const double HEARTBEAT_EVERY = 1.0; /* seconds: each one is a synced write */

static bool interrupted(void *context) {
  const struct trial *trial = context;
  return trial->bench->worker->stopped();
}

static void send_epoch(const struct assay_worker *worker, uint32_t number, const struct assay_progress *progress) {
  const struct assay_message message = {.kind = ASSAY_MESSAGE_EPOCH,
                                        .number = number,
                                        .fold = progress->refit ? progress->fold_count : progress->fold,
                                        .folds = progress->fold_count,
                                        .epoch = progress->epoch,
                                        .epochs = progress->epoch_limit,
                                        .training = progress->latest->training_loss,
                                        .value = progress->latest->validation_loss};
  assay_message_send(worker->messages, &message);
}

static int after_epoch(void *context, const struct assay_progress *progress, struct assay_status *status) {
  struct trial *trial = context;
  struct assay_study *study = trial->bench->worker->run->study;
  send_epoch(trial->bench->worker, trial->claim->number, progress);
  const uint32_t step = progress->fold * trial->settings->train.epochs + progress->epoch;
  int result = isfinite(progress->objective) ? heed(trial, assay_study_report(study, trial->claim, step, progress->objective, status)) : 0;
  const double now = assay_clock_seconds();
  if (result == 0 && now - trial->beaten >= HEARTBEAT_EVERY) {
    char text[96];
    snprintf(text, sizeof text, "fold %u of %u, epoch %u of %u", progress->fold + 1, progress->fold_count, progress->epoch + 1, progress->epoch_limit);
    result = heed(trial, assay_study_heartbeat(study, trial->claim, text, status));
    trial->beaten = now;
  }
  const struct assay_component *pruner = &trial->settings->search.pruner;
  bool prune = false;
  if (result == 0 && pruner->plugin != NULL) result = assay_study_should_prune(study, trial->claim, pruner->plugin->vtable, pruner->values, &prune, status);
  return result != 0 ? result : prune ? ASSAY_HOOK_PRUNE : ASSAY_HOOK_CONTINUE;
}

/* Curves and out-of-fold predictions into trials/N. */
static int write_trial(const struct trial *trial, const struct assay_trial_result *result, struct assay_status *status) {
  const struct assay_run *run = trial->bench->worker->run;
  const uint32_t number = trial->claim->number;
  const char *folder = assay_run_path(run, "trials/%u", number), *curves = assay_run_path(run, "trials/%u/curves.csv", number),
             *predictions = assay_run_path(run, "trials/%u/predictions.csv", number);
  if (folder == NULL || curves == NULL || predictions == NULL) return assay_status_memory(status);
  int code = assay_folder_create(folder, status);
  if (code == 0) code = assay_trial_result_write_curves(result, trial->settings, curves, status);
  return code == 0 ? assay_predictions_write(result->predictions, predictions, status) : code;
}

/* Facts that the final model and the report need later: the folds' sizes, best epochs and values, the number of parameters. */
static int write_facts(struct trial *trial, const struct assay_trial_result *result, struct assay_status *status) {
  struct assay_study *study = trial->bench->worker->run->study;
  struct assay_text text = {0};
  assay_text_add(&text, "[");
  for (uint32_t f = 0; f < result->fold_count; f++) {
    const struct assay_fold_result *fold = &result->folds[f];
    char value[32], loss[32];
    assay_print_real(fold->objective, value);
    assay_print_real(fold->epochs[fold->best_epoch].validation_loss, loss);
    assay_text_print(&text, "%s{\"repeat\": %u, \"fold\": %u, \"training\": %u, \"validation\": %u, \"best_epoch\": %u, \"epochs\": %u, \"objective\": %s, \"loss\": %s, \"stages\": [",
                     f == 0 ? "" : ", ", fold->repeat, fold->fold, fold->training_count, fold->validation_count, fold->best_epoch, fold->epoch_count,
                     isfinite(fold->objective) ? value : "null", loss);
    for (uint32_t s = 0; s < fold->stage_count; s++)
      assay_text_print(&text, "%s{\"first_epoch\": %u, \"best_epoch\": %u}", s == 0 ? "" : ", ", fold->stages[s].first_epoch, fold->stages[s].best_epoch);
    assay_text_add(&text, "]}");
  }
  assay_text_add(&text, "]");
  int code = text.failed ? assay_status_memory(status) : assay_study_set_trial_attribute(study, trial->claim, "assay:folds", text.data, status);
  assay_text_release(&text);
  char number[32];
  snprintf(number, sizeof number, "%llu", (unsigned long long)result->parameter_count);
  if (code == 0) code = assay_study_set_trial_attribute(study, trial->claim, "assay:parameters", number, status);
  snprintf(number, sizeof number, "%u", result->piece);
  if (code == 0 && result->piece > 0) code = assay_study_set_trial_attribute(study, trial->claim, "assay:piece", number, status);
  return heed(trial, code);
}

static int finish_trial(struct trial *trial, const struct assay_trial_result *result, struct assay_status *status) {
  struct assay_study *study = trial->bench->worker->run->study;
  if (result->pruned) return heed(trial, assay_study_pruned(study, trial->claim, status));
  if (!isfinite(result->objective))
    return heed(trial, assay_study_failed(study, trial->claim,
                                          "the objective is not defined on the validation images: a class may be missing there, or is never predicted", status));
  int code = write_trial(trial, result, status);
  if (code == 0) code = write_facts(trial, result, status);
  if (code == 0) code = heed(trial, assay_study_complete(study, trial->claim, result->objective, status));
  return code;
}

/* Failures of the trial itself, after which the search goes on. */
static bool is_trials_own(int code) {
  return code == ASSAY_E_NONFINITE || code == ASSAY_E_MEMORY || code == ASSAY_E_CONFIG || code == ASSAY_E_UNSUPPORTED;
}

static int record_failure(struct trial *trial, int code, struct assay_status *status) {
  struct assay_study *study = trial->bench->worker->run->study;
  char number[16];
  snprintf(number, sizeof number, "%d", code);
  struct assay_status reason = *status;
  int result = assay_study_set_trial_attribute(study, trial->claim, "assay:code", number, status);
  if (result == 0) result = assay_study_failed(study, trial->claim, reason.message, status);
  return heed(trial, result);
}

static void send_told(const struct trial *trial, const struct assay_trial_result *result, const char *reason) {
  const bool pruned = result != NULL && result->pruned;
  const struct assay_message message = {.kind = ASSAY_MESSAGE_TOLD,
                                        .number = trial->claim->number,
                                        .value = result != NULL ? result->objective : NAN,
                                        .text = reason != NULL ? reason : pruned ? "pruned" : ""};
  assay_message_send(trial->bench->worker->messages, &message);
}

/* Which device has the trial. */
static int note_device(const struct bench *bench, const struct assay_claim *claim, struct assay_status *status) {
  char device[160];
  snprintf(device, sizeof device, "\"%s\"", bench->worker->device);
  return assay_study_set_trial_attribute(bench->worker->run->study, claim, "assay:device", device, status);
}

static int run_trial(struct bench *bench, const struct assay_claim *claim, struct assay_arena *arena, struct assay_status *status) {
  struct assay_run *run = bench->worker->run;
  struct trial trial = {.bench = bench, .claim = claim, .beaten = assay_clock_seconds()};
  const struct assay_message begin = {.kind = ASSAY_MESSAGE_TRIAL, .number = claim->number};
  assay_message_send(bench->worker->messages, &begin);
  struct assay_trial_result *result = NULL;
  int code = note_device(bench, claim, status);
  if (code == 0) code = assay_plan_settings(run->plan, claim->point, arena, &trial.settings, status);
  if (code == 0) code = prepare_pixels(bench, trial.settings, status);
  const struct assay_hooks hooks = {&trial, after_epoch, interrupted};
  if (code == 0) code = assay_trainer_trial(bench->trainer, trial.settings, trial.settings->train.seed, false, &hooks, &result, status);
  if (code == 0) {
    code = finish_trial(&trial, result, status);
    if (code == 0) send_told(&trial, result, NULL);
  } else if (is_trials_own(code)) {
    const struct assay_status reason = *status;
    code = record_failure(&trial, code, status);
    if (code == 0) send_told(&trial, NULL, reason.message);
  } else {
    /* Interrupted, or the device, the disk or a plugin is at fault: the trial is given back unless the claim was lost. */
    struct assay_status ignored = {0};
    if (code == ASSAY_E_INTERRUPTED) (void)assay_study_give_back(run->study, claim, &ignored);
  }
  assay_trial_result_release(result);
  if (!trial.lost) return code;
  assay_log_message(ASSAY_LOG_WARNING, "trial %u was given to another worker while this one was silent; it goes on with the next", claim->number);
  return 0;
}

/* ---- The loop ---- */

enum { PROGRAMS_KEPT = 16 }; /* compiled ones, for trials of a shape that was there before */

static int search(struct bench *bench, struct assay_status *status) {
  struct assay_worker *worker = bench->worker;
  const struct assay_search_settings *settings = &worker->run->settings->search;
  int code = 0;
  while (code == 0) {
    if (worker->stopped()) return assay_status_set(status, ASSAY_E_INTERRUPTED, "stopped on request");
    struct assay_arena *arena = assay_arena_create();
    if (arena == NULL) return assay_status_memory(status);
    struct assay_claim claim;
    code = assay_study_claim(worker->run->study, settings->trials, settings->search.plugin->vtable, settings->search.values, arena, &claim, status);
    if (code == 0 && claim.outcome == ASSAY_CLAIM_TRIAL) code = run_trial(bench, &claim, arena, status);
    assay_arena_release(arena);
    assay_session_trim(bench->session, PROGRAMS_KEPT);
    if (code != 0 || claim.outcome == ASSAY_CLAIM_DONE) break;
    if (claim.outcome == ASSAY_CLAIM_WAIT) nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
  }
  return code;
}

static bool stopped_in_final(void *context) {
  const struct bench *bench = context;
  return bench->worker->stopped();
}

static int after_final_epoch(void *context, const struct assay_progress *progress, struct assay_status *status) {
  (void)status;
  const struct bench *bench = context;
  send_epoch(bench->worker, 0, progress);
  return ASSAY_HOOK_CONTINUE;
}

static int make_final(struct bench *bench, struct assay_status *status) {
  struct assay_run *run = bench->worker->run;
  struct assay_arena *arena = assay_arena_create();
  if (arena == NULL) return assay_status_memory(status);
  const struct assay_trial_record *best = NULL;
  const struct assay_settings *settings = NULL;
  int code = assay_study_best(run->study, arena, &best, status);
  if (code == 0 && best == NULL) code = assay_status_set(status, ASSAY_E_FAILED, "%s: no trial was finished, so there is nothing to make a model of", run->folder);
  if (code == 0) code = assay_plan_settings(run->plan, best->point, arena, &settings, status);
  if (code == 0) code = prepare_pixels(bench, settings, status);
  const struct assay_hooks hooks = {bench, after_final_epoch, stopped_in_final};
  if (code == 0) code = assay_final_make(run, bench->session, bench->trainer, bench->samples, settings, best, &hooks, status);
  assay_arena_release(arena);
  return code;
}

int assay_worker_run(struct assay_worker *worker, enum assay_worker_mode mode, struct assay_status *status) {
  struct bench bench = {.worker = worker};
  int code = assay_run_open_data(worker->run, false, status);
  if (code == 0) code = assay_run_open_study(worker->run, status);
  if (code == 0) (void)assay_study_set_supervisor(worker->run->study, getppid(), NULL);
  if (code == 0) code = assay_study_set_device(worker->run->study, worker->device, status);
  if (code == 0) code = assay_device_open(worker->device, worker->run->settings, worker->workers, worker->registry, worker->run->arena, &bench.session, status);
  if (code == 0) {
    const struct assay_message ready = {.kind = ASSAY_MESSAGE_DEVICE, .text = worker->device};
    assay_message_send(worker->messages, &ready);
    code = mode == ASSAY_WORKER_FINAL ? make_final(&bench, status) : search(&bench, status);
  }
  drop_pixels(&bench);
  assay_session_close(bench.session);
  return code;
}
