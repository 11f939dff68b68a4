/* SPDX-License-Identifier: MIT
 *
 * The loop over epochs: shuffle, train, evaluate, keep the best, stop in time.
 */
#include "train/fold.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "data/batch.h"
#include "train/oversample.h"
#include "train/features.h"
#include "train/schedule.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the loop carries. */
struct loop {
  struct assay_runner *runner;
  const struct assay_fold_task *task;
  struct assay_fold_result *result;
  struct assay_epoch *epochs;
  float *options;
  double rate, momentum;             /* as the settings have them; NaN: the optimizer has none */
  uint32_t steps;                    /* an epoch */
  struct assay_pace *paces;          /* of the epoch's steps */
  double *class_weights;
  uint32_t *order;
  uint32_t size;                     /* of an epoch: of the order */
  struct assay_prediction_set *now;  /* predictions of the epoch at hand */
  double best_loss;
};

int assay_class_weights_fill(const struct assay_train_settings *settings, const struct assay_samples *samples, const uint32_t *numbers, uint32_t count,
                             double *weights, struct assay_status *status) {
  const uint32_t classes = samples->class_count;
  if (settings->class_weights == ASSAY_CLASS_WEIGHTS_LIST && settings->class_weight_count != classes)
    return assay_status_set(status, ASSAY_E_CONFIG, "[train] class_weights lists %u numbers for %u classes; give one a class, in the order of their names",
                            settings->class_weight_count, classes);
  for (uint32_t class = 0; class < classes; class++) {
    weights[class] = settings->class_weights == ASSAY_CLASS_WEIGHTS_LIST ? settings->class_weight_list[class] : 1;
    if (settings->class_weights != ASSAY_CLASS_WEIGHTS_BALANCED) continue;
    uint32_t members = 0;
    for (uint32_t i = 0; i < count; i++) members += samples->labels[numbers[i]] == (int32_t)class;
    if (members > 0) weights[class] = (double)count / ((double)classes * members);
  }
  return 0;
}

static int prepare(struct loop *loop, struct assay_arena *arena, struct assay_status *status) {
  const struct assay_fold_task *task = loop->task;
  const struct assay_samples *samples = loop->runner->samples;
  const struct assay_network *network = loop->runner->network;
  loop->epochs = ASSAY_NEW_ARRAY(arena, struct assay_epoch, task->epoch_limit);
  loop->options = ASSAY_NEW_ARRAY(arena, float, network->option_count);
  const double oversample = task->settings->train.oversample;
  loop->size = assay_epoch_size(samples, task->training, task->training_count, oversample);
  loop->steps = (loop->size + network->batch - 1) / network->batch;
  loop->paces = ASSAY_NEW_ARRAY(arena, struct assay_pace, loop->steps);
  loop->class_weights = ASSAY_NEW_ARRAY(arena, double, samples->class_count);
  loop->order = ASSAY_NEW_ARRAY(arena, uint32_t, loop->size);
  loop->now = assay_predictions_create(samples->class_count, samples->classes, samples->positive);
  double *scores = ASSAY_NEW_ARRAY(arena, double, samples->class_count);
  if (loop->epochs == NULL || loop->options == NULL || loop->paces == NULL || loop->class_weights == NULL || loop->order == NULL || loop->now == NULL || scores == NULL)
    return assay_status_memory(status);
  int code = 0;
  for (uint32_t i = 0; code == 0 && i < task->validation_count; i++) {
    const uint32_t number = task->validation[i];
    code = assay_predictions_add(loop->now, samples->paths[number], ASSAY_PART_VALIDATION, (int32_t)task->repeat, (int32_t)task->part, samples->labels[number], scores, NAN, status);
  }
  if (code == 0) code = assay_epoch_fill(samples, task->training, task->training_count, oversample, task->seed, 0, loop->order, status);
  if (code == 0) code = assay_class_weights_fill(&task->settings->train, samples, loop->order, loop->size, loop->class_weights, status);
  double mean[4], deviation[4];
  assay_normalisation(&task->settings->data, samples->channels, task->mean, task->deviation, mean, deviation);
  if (code == 0) code = assay_runner_initialise(loop->runner, task->seed, mean, deviation, status);
  if (code != 0) return code;
  assay_network_options(task->settings, loop->options);
  if (task->start != NULL && (code = assay_runner_load(loop->runner, task->start, status)) != 0) return code;
  code = assay_runner_begin(loop->runner, status);
  if (code == 0) code = assay_features_settle(loop->runner, loop->options, status);
  if (code != 0) return code;
  loop->rate = network->rate_option >= 0 ? loop->options[network->rate_option] : NAN;
  loop->momentum = network->momentum_option >= 0 ? loop->options[network->momentum_option] : NAN;
  loop->best_loss = INFINITY;
  *loop->result = (struct assay_fold_result){.repeat = task->repeat, .fold = task->part, .training_count = task->training_count, .validation_count = task->validation_count, .epochs = loop->epochs, .objective = NAN};
  return 0;
}

static double rate_at(const struct loop *loop, uint64_t step) {
  return loop->rate * assay_schedule_factor(&loop->task->settings->train, loop->task->settings->train.epochs, step, loop->steps);
}

/* The rates of an epoch's steps. */
static void set_paces(struct loop *loop, uint32_t epoch) {
  const struct assay_train_settings *settings = &loop->task->settings->train;
  for (uint32_t i = 0; i < loop->steps; i++) {
    const uint64_t step = (uint64_t)epoch * loop->steps + i;
    loop->paces[i].rate = (float)rate_at(loop, step);
    loop->paces[i].momentum = (float)assay_schedule_momentum(settings, settings->epochs, step, loop->steps, loop->momentum);
  }
}

static int refuse_nonfinite(const struct loop *loop, uint32_t epoch, uint32_t step, struct assay_status *status) {
  char place[96];
  if (step > 0) snprintf(place, sizeof place, "epoch %u, step %u: the training loss", epoch + 1, step);
  else snprintf(place, sizeof place, "epoch %u: the validation loss", epoch + 1);
  return assay_status_set(status, ASSAY_E_NONFINITE, "fold %u, %s is not a finite number; try a smaller learning_rate (it is %g here), or batch_norm layers",
                          loop->task->fold + 1, place, rate_at(loop, (uint64_t)epoch * loop->steps + (step > 0 ? step - 1 : 0)));
}

static int train(struct loop *loop, uint32_t epoch, struct assay_status *status) {
  const struct assay_fold_task *task = loop->task;
  struct assay_epoch *line = &loop->epochs[epoch];
  int code = assay_epoch_fill(loop->runner->samples, task->training, task->training_count, task->settings->train.oversample, task->seed, task->first_epoch + epoch, loop->order, status);
  if (code != 0) return code;
  assay_batch_shuffle(loop->order, loop->size, task->seed, task->first_epoch + epoch);
  line->learning_rate = rate_at(loop, (uint64_t)epoch * loop->steps);
  set_paces(loop, epoch);
  const struct assay_epoch_task work = {.numbers = loop->order,
                                        .count = loop->size,
                                        .options = loop->options,
                                        .paces = loop->paces,
                                        .class_weights = loop->class_weights,
                                        .seed = task->seed,
                                        .epoch = task->first_epoch + epoch,
                                        .hooks = task->hooks};
  struct assay_epoch_sums sums;
  code = assay_runner_train(loop->runner, &work, &sums, status);
  if (code != 0) return code;
  if (sums.waited > 0)
    assay_log_message(ASSAY_LOG_DEBUG, "epoch %u: the device has waited %.3f ms a step for its images", task->first_epoch + epoch + 1, sums.waited / loop->steps * 1e3);
  if (sums.nonfinite_step > 0 || !isfinite(sums.loss)) return refuse_nonfinite(loop, epoch, sums.nonfinite_step > 0 ? sums.nonfinite_step : 1, status);
  line->training_loss = sums.weight > 0 ? sums.loss / sums.weight : 0;
  line->training_accuracy = sums.correct / loop->size;
  return 0;
}

/* Fills the epoch's validation columns; `objective` in the metric's own direction. */
static int validate(struct loop *loop, uint32_t epoch, struct assay_arena *arena, double *objective, struct assay_status *status) {
  const struct assay_fold_task *task = loop->task;
  const struct assay_settings *settings = task->settings;
  struct assay_epoch *line = &loop->epochs[epoch];
  double *metrics = ASSAY_NEW_ARRAY(arena, double, settings->metric_count);
  if (metrics == NULL) return assay_status_memory(status);
  const int code = assay_runner_evaluate(loop->runner, task->validation, task->validation_count, loop->options, loop->now->scores, loop->now->losses, status);
  if (code != 0) return code;
  double sum = 0;
  for (uint32_t i = 0; i < task->validation_count; i++) sum += loop->now->losses[i];
  line->validation_loss = sum / task->validation_count;
  if (!isfinite(line->validation_loss)) return refuse_nonfinite(loop, epoch, 0, status);
  assay_predictions_decide(loop->now, loop->now->threshold);
  for (uint32_t i = 0; i < settings->metric_count; i++) metrics[i] = assay_predictions_metric(loop->now, &settings->metrics[i]);
  line->metrics = metrics;
  *objective = settings->search.objective.plugin == NULL ? line->validation_loss : assay_predictions_metric(loop->now, &settings->search.objective);
  return 0;
}

/* Takes the epoch as the best so far when it is. */
static int judge(struct loop *loop, uint32_t epoch, double objective, struct assay_prediction_set *best, bool *improved, struct assay_status *status) {
  struct assay_fold_result *result = loop->result;
  result->epoch_count = epoch + 1;
  *improved = loop->task->validation_count == 0 || loop->epochs[epoch].validation_loss < loop->best_loss;
  if (!*improved) return 0;
  result->best_epoch = epoch;
  result->objective = objective;
  if (loop->task->validation_count == 0) return 0;
  loop->best_loss = loop->epochs[epoch].validation_loss;
  if (best != NULL) {
    memcpy(best->scores, loop->now->scores, (size_t)best->count * best->class_count * sizeof(double));
    memcpy(best->losses, loop->now->losses, best->count * sizeof(double));
  }
  return assay_runner_keep(loop->runner, status);
}

static int tell(const struct loop *loop, uint32_t epoch, double objective, bool improved, bool *pruned, struct assay_status *status) {
  const struct assay_fold_task *task = loop->task;
  if (task->hooks == NULL || task->hooks->epoch == NULL) return 0;
  const struct assay_progress progress = {.fold = task->fold,
                                          .fold_count = task->fold_count,
                                          .epoch = task->first_epoch + epoch,
                                          .epoch_limit = task->epoch_total > 0 ? task->epoch_total : task->epoch_limit,
                                          .latest = &loop->epochs[epoch],
                                          .objective = objective,
                                          .improved = improved,
                                          .refit = task->validation_count == 0};
  const int answer = task->hooks->epoch(task->hooks->context, &progress, status);
  *pruned = answer == ASSAY_HOOK_PRUNE;
  return answer < 0 ? answer : 0;
}

static int run_epoch(struct loop *loop, uint32_t epoch, struct assay_arena *arena, struct assay_prediction_set *best, bool *pruned, struct assay_status *status) {
  const double start = assay_clock_seconds();
  double objective = NAN;
  bool improved = false;
  loop->epochs[epoch].validation_loss = NAN;
  int code = 0;
  if (loop->runner->network->phase_count > 1 && epoch == loop->task->settings->train.unfreeze_after) code = assay_runner_enter_phase(loop->runner, 1, status);
  if (code == 0) code = train(loop, epoch, status);
  if (code == 0 && loop->task->validation_count > 0) code = validate(loop, epoch, arena, &objective, status);
  loop->epochs[epoch].seconds = assay_clock_seconds() - start;
  if (code == 0) code = judge(loop, epoch, objective, best, &improved, status);
  return code == 0 ? tell(loop, epoch, objective, improved, pruned, status) : code;
}

int assay_fold_run(struct assay_runner *runner, const struct assay_fold_task *task, struct assay_arena *arena, struct assay_fold_result *result,
                   struct assay_prediction_set *best, bool *pruned, struct assay_status *status) {
  struct loop loop = {.runner = runner, .task = task, .result = result};
  const uint32_t patience = task->validation_count > 0 ? task->settings->train.patience : 0;
  struct assay_prediction_set *fold_best = NULL;
  *pruned = false;
  int code = prepare(&loop, arena, status);
  if (code == 0 && best != NULL && (fold_best = assay_predictions_select(loop.now, -1, -2)) == NULL) code = assay_status_memory(status);
  for (uint32_t epoch = 0; code == 0 && !*pruned && !result->stopped_early && epoch < task->epoch_limit; epoch++) {
    code = run_epoch(&loop, epoch, arena, fold_best, pruned, status);
    result->stopped_early = patience > 0 && epoch - result->best_epoch >= patience && epoch + 1 < task->epoch_limit;
  }
  for (uint32_t i = 0; code == 0 && fold_best != NULL && i < fold_best->count; i++)
    code = assay_predictions_add(best, fold_best->paths[i], fold_best->parts[i], fold_best->repeats[i], fold_best->folds[i], fold_best->labels[i],
                                 fold_best->scores + (size_t)i * fold_best->class_count, fold_best->losses[i], status);
  assay_predictions_release(fold_best);
  assay_predictions_release(loop.now);
  return code;
}
