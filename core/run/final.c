/* SPDX-License-Identifier: MIT */
#include "run/final.h"

#include "base/arena.h"
#include "base/json.h"
#include "base/log.h"
#include "base/status.h"
#include "report/calibration.h"
#include "report/threshold.h"
#include "run/pictures.h"
#include "train/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEST_BATCH = 64 };

static const char *attribute_of(const struct assay_trial_record *record, const char *key) {
  for (uint32_t i = 0; i < record->attribute_count; i++)
    if (strcmp(record->attributes[i].key, key) == 0) return record->attributes[i].json;
  return NULL;
}

static uint32_t epoch_of(const json_t *object, const char *key) { return (uint32_t)json_integer_value(json_object_get(object, key)); }

/* How long each stage of a fold took to be at its best; without stages on record the whole was one. False when memory is short. */
static bool stages_from_record(const json_t *record, struct assay_arena *arena, struct assay_fold_result *fold) {
  const json_t *list = json_object_get(record, "stages");
  const size_t count = json_array_size(list) > 0 ? json_array_size(list) : 1;
  struct assay_stage_result *stages = ASSAY_NEW_ARRAY(arena, struct assay_stage_result, count);
  if (stages == NULL) return false;
  stages[0].best_epoch = epoch_of(record, "best_epoch");
  for (size_t s = 0; s < json_array_size(list); s++)
    stages[s] = (struct assay_stage_result){.first_epoch = epoch_of(json_array_get(list, s), "first_epoch"), .best_epoch = epoch_of(json_array_get(list, s), "best_epoch")};
  *fold = (struct assay_fold_result){.best_epoch = epoch_of(record, "best_epoch"), .stage_count = (uint32_t)count, .stages = stages};
  return true;
}

/* What a refit needs to know of a trial is in the study: how long its folds took to be at their best. NULL when it is not there. */
static struct assay_trial_result *trial_from_record(const struct assay_trial_record *best) {
  const char *json = attribute_of(best, "assay:folds");
  json_t *list = json != NULL ? json_loads(json, 0, NULL) : NULL;
  struct assay_arena *arena = json_is_array(list) && json_array_size(list) > 0 ? assay_arena_create() : NULL;
  struct assay_trial_result *trial = arena != NULL ? ASSAY_NEW(arena, struct assay_trial_result) : NULL;
  const size_t count = json_array_size(list);
  struct assay_fold_result *folds = trial != NULL ? ASSAY_NEW_ARRAY(arena, struct assay_fold_result, count) : NULL;
  for (size_t i = 0; folds != NULL && i < count; i++)
    if (!stages_from_record(json_array_get(list, i), arena, &folds[i])) folds = NULL;
  json_decref(list);
  if (folds == NULL) {
    assay_arena_release(arena);
    return NULL;
  }
  *trial = (struct assay_trial_result){.arena = arena, .fold_count = (uint32_t)count, .folds = folds, .objective = best->value};
  return trial;
}

/* The trial as the final training wants it: from its record for a refit, trained again (the same seed gives the same weights) where its weights are needed. */
static int recall_trial(struct assay_trainer *trainer, const struct assay_settings *settings, const struct assay_trial_record *best, const struct assay_hooks *hooks,
                        struct assay_trial_result **trial, struct assay_status *status) {
  *trial = settings->train.final == ASSAY_FINAL_REFIT ? trial_from_record(best) : NULL;
  if (*trial != NULL) return 0;
  return assay_trainer_trial(trainer, settings, settings->train.seed, true, hooks, trial, status);
}

/* Notes in the study how the model decides, for the summary. */
static int note_decision(struct assay_run *run, const struct assay_model *model, const struct assay_judge_settings *judge, const struct assay_threshold_choice *choice,
                         double temperature, struct assay_status *status) {
  json_t *object = json_pack("{s:s, s:o, s:o, s:b, s:f, s:b}", "rule", judge->threshold_text, "threshold", model->class_count == 2 ? json_real(choice->threshold) : json_null(), "value",
                             assay_json_number(choice->value), "met", choice->met, "temperature", temperature, "calibrated", model->temperature != 1);
  char *text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT);
  const int code = text == NULL ? assay_status_memory(status) : assay_study_set_attribute(run->study, "assay:decision", text, status);
  free(text);
  json_decref(object);
  return code;
}

/* What follows from out-of-fold predictions: the temperature of the scores, and on them the threshold as the rule of [judge] says. */
static int learn_to_decide(struct assay_run *run, const struct assay_judge_settings *judge, struct assay_prediction_set *set, struct assay_model *model,
                           struct assay_status *status) {
  struct assay_threshold_choice choice;
  const double temperature = assay_temperature_fit(set);
  if (judge->calibration == ASSAY_CALIBRATION_TEMPERATURE) {
    assay_predictions_scale(set, temperature);
    assay_model_set_temperature(model, temperature);
  }
  int code = assay_threshold_choose(set, judge, &choice, status);
  if (code != 0) return code;
  if (!choice.met)
    assay_log_message(ASSAY_LOG_WARNING, "no threshold keeps [judge] threshold = %s on the out-of-fold predictions; %.4g, where it is %.4g, comes nearest", judge->threshold_text,
                      choice.threshold, choice.value);
  assay_predictions_decide(set, choice.threshold);
  assay_model_set_threshold(model, choice.threshold);
  return note_decision(run, model, judge, &choice, temperature, status);
}

/* Judges the model once on the test part and adds that to the trial's out-of-fold predictions; the worst of it as pictures. */
static int write_predictions(struct assay_run *run, struct assay_session *session, const struct assay_judge_settings *judge, struct assay_model *model,
                             const struct assay_samples *samples, const struct assay_trial_record *best, struct assay_status *status) {
  const char *from = assay_run_path(run, "trials/%u/predictions.csv", best->number), *to = assay_run_path(run, "predictions.csv");
  if (from == NULL || to == NULL) return assay_status_memory(status);
  struct assay_prediction_set *set = NULL;
  struct assay_predictor *predictor = NULL;
  int code = assay_predictions_read(from, model->positive, &set, status);
  if (code == 0) code = learn_to_decide(run, judge, set, model, status);
  if (code == 0) code = assay_predictor_create(session, model, TEST_BATCH, &predictor, status);
  if (code == 0) code = assay_predictor_part(predictor, samples, ASSAY_PART_TEST, set, status);
  if (code == 0) code = assay_predictions_write(set, to, status);
  if (code == 0) code = assay_pictures_write(run, session, model, samples, set, status);
  assay_predictor_release(predictor);
  assay_predictions_release(set);
  return code;
}

int assay_final_make(struct assay_run *run, struct assay_session *session, struct assay_trainer *trainer, const struct assay_samples *samples,
                     const struct assay_settings *settings, const struct assay_trial_record *best, const struct assay_hooks *hooks, struct assay_status *status) {
  struct assay_trial_result *trial = NULL;
  struct assay_model *model = NULL;
  const char *path = assay_run_path(run, "model.safetensors");
  char number[16];
  int code = path == NULL ? assay_status_memory(status) : recall_trial(trainer, settings, best, hooks, &trial, status);
  if (code == 0) code = assay_trainer_final(trainer, settings, trial, settings->train.seed, hooks, &model, NULL, status);
  if (code == 0) code = write_predictions(run, session, &settings->judge, model, samples, best, status);
  if (code == 0) code = assay_model_write(model, path, status);
  snprintf(number, sizeof number, "%u", best->number);
  if (code == 0) code = assay_study_set_attribute(run->study, "assay:model_trial", number, status);
  assay_model_release(model);
  assay_trial_result_release(trial);
  return code;
}
