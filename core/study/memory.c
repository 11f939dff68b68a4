/* SPDX-License-Identifier: MIT
 *
 * The history as plugins see it, at any mark, and the points that come of it. Asked points and told results never change, so they are read once and
 * remembered; a view is then an array of pointers.
 */
#include "study/parts.h"

#include "base/arena.h"
#include "base/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void assay_memory_release(struct assay_memory *memory) { free(memory->trials); } /* the trials are the arena's */

/* The first remembered trial that has this number or a greater one. */
static size_t place_of(const struct assay_memory *memory, uint32_t number) {
  size_t low = 0, high = memory->count;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (memory->trials[middle]->running.number < number) low = middle + 1;
    else high = middle;
  }
  return low;
}

int assay_point_read(struct assay_study *study, int64_t row, double *point, struct assay_status *status) {
  for (uint32_t i = 0; i < study->space->dimension_count; i++) point[i] = NAN;
  sqlite3_stmt *statement;
  int result = assay_database_query(&study->database, &statement, status, "SELECT param_name, param_value FROM trial_params WHERE trial_id = ?", "i", row);
  while (result == 0 && (result = assay_database_next(&study->database, &statement, status)) > 0) {
    const char *name = (const char *)sqlite3_column_text(statement, 0);
    const double number = sqlite3_column_double(statement, 1);
    const int32_t axis = name == NULL ? -1 : assay_axis_by_name(study, name);
    if (axis >= 0 && assay_axis_holds(study->space->dimensions[axis], number)) point[axis] = number;
    result = 0;
  }
  return result;
}

/* Another program's trial may lack values that the space needs. */
static bool is_whole(const struct assay_space *space, const double *point) {
  for (uint32_t i = 0; i < space->dimension_count; i++)
    if (assay_axis_active(space, i, point) == (bool)isnan(point[i])) return false;
  return true;
}

static int remember(struct assay_study *study, int64_t row, uint32_t number, int64_t asked, struct assay_status *status) {
  struct assay_memory *memory = &study->memory;
  struct assay_remembered *trial = ASSAY_NEW(study->arena, struct assay_remembered);
  double *point = ASSAY_NEW_ARRAY(study->arena, double, study->space->dimension_count);
  void *trials = memory->trials;
  const bool grown = assay_grow(&trials, &memory->capacity, memory->count + 1, sizeof *memory->trials);
  memory->trials = trials;
  if (trial == NULL || point == NULL || !grown) return assay_status_memory(status);
  const int result = assay_point_read(study, row, point, status);
  if (result != 0 || !is_whole(study->space, point)) return result;
  *trial = (struct assay_remembered){.row = row, .asked = asked, .told = INT64_MAX};
  trial->running = (struct assay_trial){.struct_size = sizeof trial->running, .state = ASSAY_TRIAL_RUNNING, .number = number, .point = point, .value = NAN};
  const size_t place = place_of(memory, number);
  memmove(memory->trials + place + 1, memory->trials + place, (memory->count - place) * sizeof *memory->trials);
  memory->trials[place] = trial;
  memory->count++;
  return 0;
}

static int read_asked(struct assay_study *study, int64_t upto, struct assay_status *status) {
  sqlite3_stmt *statement;
  int result = assay_database_query(&study->database, &statement, status,
                                    "SELECT a.trial_id, t.number, a.asked FROM assay_trials a JOIN trials t USING (trial_id)"
                                    " WHERE a.study_id = ? AND a.asked > ? AND a.asked <= ? ORDER BY a.asked",
                                    "iii", study->id, study->memory.seen, upto);
  while (result == 0 && (result = assay_database_next(&study->database, &statement, status)) > 0)
    result = remember(study, sqlite3_column_int64(statement, 0), (uint32_t)sqlite3_column_int64(statement, 1), sqlite3_column_int64(statement, 2), status);
  assay_database_done(&study->database, &statement);
  return result;
}

static int read_intermediates(struct assay_study *study, struct assay_remembered *trial, struct assay_status *status) {
  int64_t count;
  int result =
      assay_database_integer(&study->database, &count, 0, status, "SELECT COUNT(*) FROM trial_intermediate_values WHERE trial_id = ?", "i", trial->row);
  if (result != 0 || count == 0) return result;
  uint32_t *steps = ASSAY_NEW_ARRAY(study->arena, uint32_t, (size_t)count), filled = 0;
  double *values = ASSAY_NEW_ARRAY(study->arena, double, (size_t)count);
  if (steps == NULL || values == NULL) return assay_status_memory(status);
  sqlite3_stmt *statement;
  result = assay_database_query(&study->database, &statement, status,
                                "SELECT step, intermediate_value, intermediate_value_type FROM trial_intermediate_values WHERE trial_id = ? ORDER BY step", "i",
                                trial->row);
  while (result == 0 && (result = assay_database_next(&study->database, &statement, status)) > 0) {
    const double value = assay_value_read(statement, 1, 2);
    steps[filled] = (uint32_t)sqlite3_column_int64(statement, 0);
    values[filled++] = study->maximise ? -value : value;
    result = 0;
  }
  trial->ended.steps = steps;
  trial->ended.intermediates = values;
  trial->ended.intermediate_count = filled;
  return result;
}

static int end_trial(struct assay_study *study, uint32_t number, const char *state, double value, int64_t told, struct assay_status *status) {
  const size_t place = place_of(&study->memory, number);
  if (place == study->memory.count || study->memory.trials[place]->running.number != number) return 0; /* ended without having been asked */
  struct assay_remembered *trial = study->memory.trials[place];
  trial->ended = trial->running;
  trial->ended.state = strcmp(state, "COMPLETE") == 0 ? ASSAY_TRIAL_COMPLETE : strcmp(state, "PRUNED") == 0 ? ASSAY_TRIAL_PRUNED : ASSAY_TRIAL_FAILED;
  if (trial->ended.state == ASSAY_TRIAL_COMPLETE) {
    if (isnan(value)) trial->ended.state = ASSAY_TRIAL_FAILED; /* only another program could have stored that */
    else trial->ended.value = study->maximise ? -value : value;
  }
  trial->told = told;
  return read_intermediates(study, trial, status);
}

static int read_told(struct assay_study *study, int64_t upto, struct assay_status *status) {
  sqlite3_stmt *statement;
  int result = assay_database_query(&study->database, &statement, status,
                                    "SELECT t.number, t.state, v.value, v.value_type, a.told FROM assay_trials a JOIN trials t USING (trial_id)"
                                    " LEFT JOIN trial_values v ON v.trial_id = a.trial_id AND v.objective = 0"
                                    " WHERE a.study_id = ? AND a.told > ? AND a.told <= ? ORDER BY a.told",
                                    "iii", study->id, study->memory.seen, upto);
  while (result == 0 && (result = assay_database_next(&study->database, &statement, status)) > 0)
    result = end_trial(study, (uint32_t)sqlite3_column_int64(statement, 0), (const char *)sqlite3_column_text(statement, 1), assay_value_read(statement, 2, 3),
                       sqlite3_column_int64(statement, 4), status);
  assay_database_done(&study->database, &statement);
  return result;
}

int assay_memory_refresh(struct assay_study *study, struct assay_status *status) {
  int64_t upto;
  int result = assay_database_begin_reading(&study->database, status);
  if (result != 0) return result;
  result = assay_database_integer(&study->database, &upto, 0, status, "SELECT sequence FROM assay_studies WHERE study_id = ?", "i", study->id);
  if (result == 0 && upto > study->memory.seen) {
    result = read_asked(study, upto, status);
    if (result == 0) result = read_told(study, upto, status);
    if (result == 0) study->memory.seen = upto;
  }
  return assay_database_end(&study->database, result, status);
}

/* The view at a mark. */
static const struct assay_history *view(const struct assay_study *study, int64_t mark, struct assay_arena *arena) {
  const struct assay_memory *memory = &study->memory;
  struct assay_history *history = ASSAY_NEW(arena, struct assay_history);
  const struct assay_trial **trials = ASSAY_NEW_ARRAY(arena, const struct assay_trial *, memory->count);
  if (history == NULL || trials == NULL) return NULL;
  uint32_t count = 0;
  for (size_t i = 0; i < memory->count; i++) {
    const struct assay_remembered *trial = memory->trials[i];
    if (trial->asked <= mark) trials[count++] = trial->told != INT64_MAX && trial->told <= mark ? &trial->ended : &trial->running;
  }
  *history = (struct assay_history){sizeof *history, count, trials};
  return history;
}

int assay_study_history(struct assay_study *study, int64_t mark, struct assay_arena *arena, const struct assay_history **history, struct assay_status *status) {
  const int result = assay_memory_refresh(study, status);
  if (result != 0) return result;
  *history = view(study, mark, arena);
  return *history == NULL ? assay_status_memory(status) : 0;
}

/* ---- asking ---- */

static void point_of_defaults(const struct assay_space *space, double *point) {
  for (uint32_t i = 0; i < space->dimension_count; i++) point[i] = assay_axis_active(space, i, point) ? space->dimensions[i]->default_value : NAN;
}

/* What an enqueued trial wants fixed. Values that no axis can take are left free. */
static int read_fixed(struct assay_study *study, int64_t row, double *fixed, struct assay_status *status) {
  sqlite3_stmt *statement;
  int result = assay_database_query(&study->database, &statement, status,
                                    "SELECT value_json FROM trial_system_attributes WHERE trial_id = ? AND \"key\" = 'fixed_params'", "i", row);
  if (result != 0 || (result = assay_database_next(&study->database, &statement, status)) <= 0) return result;
  const char *text = (const char *)sqlite3_column_text(statement, 0);
  json_t *values = text == NULL ? NULL : json_loads(text, 0, NULL), *value;
  const char *name;
  json_object_foreach(values, name, value) {
    const int32_t axis = assay_axis_by_name(study, name);
    double number;
    if (axis >= 0 && assay_axis_from_json(study, (uint32_t)axis, value, &number)) fixed[axis] = number;
  }
  json_decref(values);
  assay_database_done(&study->database, &statement);
  return 0;
}

static int check_point(const struct assay_space *space, uint32_t number, const double *point, struct assay_status *status) {
  for (uint32_t i = 0; i < space->dimension_count; i++) {
    const struct assay_dimension *axis = space->dimensions[i];
    const bool active = assay_axis_active(space, i, point);
    if (active ? assay_axis_holds(axis, point[i]) : isnan(point[i])) continue;
    return assay_status_set(status, ASSAY_E_PLUGIN, "trial %u: the search plugin gave %g for %s, which %s; choose another [search] type", number, point[i],
                            axis->name, active ? "is outside of its domain" : "is not active there");
  }
  return 0;
}

int assay_point_ask(struct assay_study *study, uint32_t number, uint32_t origin, int64_t row, int64_t mark, const struct assay_search *search,
                    const struct assay_option_value *const *options, double *point, struct assay_status *status) {
  const struct assay_space *space = study->space;
  struct assay_status unheard;
  if (status == NULL) status = &unheard; /* plugins are promised one */
  if (origin == ASSAY_POINT_DEFAULTS) {
    point_of_defaults(space, point);
    return 0;
  }
  struct assay_arena *arena = assay_arena_create();
  double *fixed = arena == NULL ? NULL : ASSAY_NEW_ARRAY(arena, double, space->dimension_count);
  const struct assay_history *history;
  int result = fixed == NULL ? assay_status_memory(status) : 0;
  for (uint32_t i = 0; result == 0 && i < space->dimension_count; i++) fixed[i] = point[i] = NAN;
  if (result == 0) result = assay_study_history(study, mark, arena, &history, status);
  if (result == 0 && origin == ASSAY_POINT_ENQUEUED) result = read_fixed(study, row, fixed, status);
  if (result == 0) {
    struct assay_random random = assay_random_seed(study->seed, number);
    result = search->ask(options, space, history, number, fixed, &random, point, status);
  }
  if (result == 0) result = check_point(space, number, point, status);
  assay_arena_release(arena);
  return result;
}

int assay_study_recompute(struct assay_study *study, uint32_t number, const struct assay_search *search, const struct assay_option_value *const *options,
                          double *point, struct assay_status *status) {
  sqlite3_stmt *statement;
  int result = assay_database_query(&study->database, &statement, status,
                                    "SELECT a.trial_id, a.origin, a.mark FROM assay_trials a JOIN trials t USING (trial_id)"
                                    " WHERE a.study_id = ? AND t.number = ? AND a.asked IS NOT NULL AND a.origin <> 0",
                                    "ii", study->id, (int64_t)number);
  if (result != 0 || (result = assay_database_next(&study->database, &statement, status)) < 0) return result;
  if (result == 0) return assay_status_set(status, ASSAY_E_CONFIG, "%s: there is no trial %u whose point was asked for", study->database.path, number);
  const int64_t row = sqlite3_column_int64(statement, 0), mark = sqlite3_column_int64(statement, 2);
  const uint32_t origin = (uint32_t)sqlite3_column_int64(statement, 1);
  assay_database_done(&study->database, &statement);
  return assay_point_ask(study, number, origin, row, mark, search, options, point, status);
}

/* ---- pruning ---- */

int assay_study_should_prune(struct assay_study *study, const struct assay_claim *claim, const struct assay_pruner *pruner,
                             const struct assay_option_value *const *options, bool *prune, struct assay_status *status) {
  const struct assay_notes *notes = &study->notes;
  *prune = false;
  if (notes->row != claim->row || notes->attempt != claim->attempt || notes->count == 0) return 0;
  struct assay_arena *arena = assay_arena_create();
  const struct assay_history *history;
  double *values = arena == NULL ? NULL : ASSAY_NEW_ARRAY(arena, double, notes->count);
  int result = values == NULL ? assay_status_memory(status) : assay_study_history(study, INT64_MAX, arena, &history, status);
  if (result == 0) {
    for (size_t i = 0; i < notes->count; i++) values[i] = study->maximise ? -notes->values[i] : notes->values[i];
    const struct assay_trial trial = {sizeof trial, ASSAY_TRIAL_RUNNING, claim->number, (uint32_t)notes->count, claim->point, NAN, notes->steps, values};
    *prune = pruner->prune(options, history, &trial) == 1;
  }
  assay_arena_release(arena);
  return result;
}
