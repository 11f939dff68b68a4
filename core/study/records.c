/* SPDX-License-Identifier: MIT
 *
 * Trials as they are stored, for summaries, reports and live views.
 */
#include "study/parts.h"

#include "base/arena.h"
#include "base/status.h"

#include <math.h>
#include <string.h>

int assay_study_count(struct assay_study *study, struct assay_study_counts *counts, struct assay_status *status) {
  *counts = (struct assay_study_counts){0};
  sqlite3_stmt *statement;
  /* Our own unfinished trials that nobody holds are waiting, whatever Optuna's column says. */
  int result = assay_database_query(
      &study->database, &statement, status,
      "SELECT CASE WHEN t.state = 'RUNNING' AND a.trial_id IS NOT NULL AND l.trial_id IS NULL THEN 'WAITING' ELSE t.state END AS now, COUNT(*)"
      " FROM trials t LEFT JOIN assay_trials a USING (trial_id) LEFT JOIN assay_leases l USING (trial_id)"
      " WHERE t.study_id = ? GROUP BY now",
      "i", study->id);
  while (result == 0 && (result = assay_database_next(&study->database, &statement, status)) > 0) {
    const char *state = (const char *)sqlite3_column_text(statement, 0);
    const uint32_t count = (uint32_t)sqlite3_column_int64(statement, 1);
    if (strcmp(state, "COMPLETE") == 0) counts->complete = count;
    else if (strcmp(state, "PRUNED") == 0) counts->pruned = count;
    else if (strcmp(state, "FAIL") == 0) counts->failed = count;
    else if (strcmp(state, "RUNNING") == 0) counts->running = count;
    else counts->waiting = count;
    result = 0;
  }
  if (result != 0) return result;
  struct assay_arena *arena = assay_arena_create();
  const struct assay_running *running;
  uint32_t held;
  result = arena == NULL ? assay_status_memory(status) : assay_study_running(study, arena, &running, &held, status);
  for (uint32_t i = 0; result == 0 && i < held; i++) {
    if (running[i].alive || counts->running == 0) continue;
    counts->running--;
    counts->waiting++;
  }
  assay_arena_release(arena);
  return result;
}

int assay_study_running(struct assay_study *study, struct assay_arena *arena, const struct assay_running **running, uint32_t *count,
                        struct assay_status *status) {
  int64_t rows;
  *count = 0;
  int result = assay_database_begin_reading(&study->database, status);
  if (result != 0) return result;
  sqlite3_stmt *statement = NULL;
  result = assay_database_integer(&study->database, &rows, 0, status,
                                  "SELECT COUNT(*) FROM assay_leases l JOIN assay_trials a USING (trial_id) WHERE a.study_id = ?", "i", study->id);
  struct assay_running *list = ASSAY_NEW_ARRAY(arena, struct assay_running, (size_t)rows);
  if (result == 0 && list == NULL) result = assay_status_memory(status);
  if (result == 0)
    result = assay_database_query(
        &study->database, &statement, status,
        "SELECT t.number, l.attempt, l.process, l.start, l.boot, l.space, l.beat, l.progress FROM assay_leases l JOIN trials t USING (trial_id)"
        " WHERE t.study_id = ? ORDER BY t.number",
        "i", study->id);
  while (result == 0 && (result = assay_database_next(&study->database, &statement, status)) > 0) {
    struct assay_owner owner = {
        .space = sqlite3_column_int64(statement, 5), .process = sqlite3_column_int64(statement, 2), .start = sqlite3_column_int64(statement, 3)};
    strncpy(owner.boot, (const char *)sqlite3_column_text(statement, 4), sizeof owner.boot - 1);
    const double beat = sqlite3_column_double(statement, 6);
    const char *progress = assay_arena_copy(arena, (const char *)sqlite3_column_text(statement, 7));
    list[(*count)++] = (struct assay_running){(uint32_t)sqlite3_column_int64(statement, 0),   (uint32_t)sqlite3_column_int64(statement, 1), owner.process,
                                              assay_owner_lives(&owner, &study->owner, beat), fmax(0, assay_lease_clock() - beat),          progress};
    result = progress == NULL ? assay_status_memory(status) : 0;
  }
  assay_database_done(&study->database, &statement);
  *running = list;
  return assay_database_end(&study->database, result, status);
}

/* ---- the list ---- */

static const char *copy_column(struct assay_arena *arena, sqlite3_stmt *statement, int column) {
  const char *text = (const char *)sqlite3_column_text(statement, column);
  return text == NULL ? NULL : assay_arena_copy(arena, text);
}

static int read_results(struct assay_study *study, int64_t row, struct assay_arena *arena, struct assay_trial_record *record, struct assay_status *status) {
  int64_t rows;
  int result = assay_database_integer(&study->database, &rows, 0, status, "SELECT COUNT(*) FROM trial_intermediate_values WHERE trial_id = ?", "i", row);
  if (result != 0) return result;
  uint32_t *steps = ASSAY_NEW_ARRAY(arena, uint32_t, (size_t)rows);
  double *values = ASSAY_NEW_ARRAY(arena, double, (size_t)rows);
  if (steps == NULL || values == NULL) return assay_status_memory(status);
  sqlite3_stmt *statement;
  result = assay_database_query(&study->database, &statement, status,
                                "SELECT step, intermediate_value, intermediate_value_type FROM trial_intermediate_values WHERE trial_id = ? ORDER BY step", "i",
                                row);
  while (result == 0 && (result = assay_database_next(&study->database, &statement, status)) > 0) {
    steps[record->intermediate_count] = (uint32_t)sqlite3_column_int64(statement, 0);
    values[record->intermediate_count++] = assay_value_read(statement, 1, 2);
    result = 0;
  }
  record->steps = steps;
  record->intermediates = values;
  return result;
}

static int read_attributes(struct assay_study *study, int64_t row, struct assay_arena *arena, struct assay_trial_record *record, struct assay_status *status) {
  int64_t rows;
  int result = assay_database_integer(&study->database, &rows, 0, status, "SELECT COUNT(*) FROM trial_user_attributes WHERE trial_id = ?", "i", row);
  if (result != 0) return result;
  struct assay_attribute *attributes = ASSAY_NEW_ARRAY(arena, struct assay_attribute, (size_t)rows);
  if (attributes == NULL) return assay_status_memory(status);
  sqlite3_stmt *statement;
  result = assay_database_query(&study->database, &statement, status,
                                "SELECT \"key\", value_json FROM trial_user_attributes WHERE trial_id = ? ORDER BY \"key\"", "i", row);
  while (result == 0 && (result = assay_database_next(&study->database, &statement, status)) > 0) {
    const struct assay_attribute attribute = {copy_column(arena, statement, 0), copy_column(arena, statement, 1)};
    if (attribute.key != NULL && attribute.json != NULL) attributes[record->attribute_count++] = attribute;
    result = 0;
  }
  record->attributes = attributes;
  for (uint32_t i = 0; i < record->attribute_count && record->state == ASSAY_TRIAL_FAILED; i++) {
    if (strcmp(attributes[i].key, "reason") != 0) continue;
    json_t *reason = json_loads(attributes[i].json, JSON_DECODE_ANY, NULL);
    if (json_is_string(reason)) record->reason = assay_arena_copy(arena, json_string_value(reason));
    json_decref(reason);
  }
  return result;
}

static uint32_t state_of(const char *name) {
  return strcmp(name, "COMPLETE") == 0 ? ASSAY_TRIAL_COMPLETE
         : strcmp(name, "PRUNED") == 0 ? ASSAY_TRIAL_PRUNED
         : strcmp(name, "FAIL") == 0   ? ASSAY_TRIAL_FAILED
                                       : ASSAY_TRIAL_RUNNING;
}

static int read_record(struct assay_study *study, sqlite3_stmt *statement, struct assay_arena *arena, struct assay_trial_record *record,
                       struct assay_status *status) {
  const int64_t row = sqlite3_column_int64(statement, 0);
  double *point = ASSAY_NEW_ARRAY(arena, double, study->space->dimension_count);
  if (point == NULL) return assay_status_memory(status);
  *record = (struct assay_trial_record){
      .number = (uint32_t)sqlite3_column_int64(statement, 1),
      .state = state_of((const char *)sqlite3_column_text(statement, 2)),
      .origin = (uint32_t)sqlite3_column_int64(statement, 8),
      .attempts = (uint32_t)sqlite3_column_int64(statement, 9),
      .point = point,
      .value = assay_value_read(statement, 3, 4),
      .started = copy_column(arena, statement, 5),
      .completed = copy_column(arena, statement, 6),
      .seconds = sqlite3_column_type(statement, 7) == SQLITE_NULL ? NAN : sqlite3_column_double(statement, 7),
  };
  int result = assay_point_read(study, row, point, status);
  if (result == 0) result = read_results(study, row, arena, record, status);
  return result != 0 ? result : read_attributes(study, row, arena, record, status);
}

/* Records of the trials that `condition` names, within a transaction. */
static int read_records(struct assay_study *study, const char *condition, struct assay_arena *arena, const struct assay_trial_record ***records,
                        uint32_t *count, struct assay_status *status) {
  int64_t rows;
  *count = 0;
  int result = assay_database_integer(&study->database, &rows, 0, status, "SELECT COUNT(*) FROM trials WHERE study_id = ?", "i", study->id);
  if (result != 0) return result;
  const struct assay_trial_record **list = ASSAY_NEW_ARRAY(arena, const struct assay_trial_record *, (size_t)rows);
  char *sql = assay_arena_print(arena,
                                "SELECT t.trial_id, t.number, t.state, v.value, v.value_type, t.datetime_start, t.datetime_complete,"
                                " (julianday(t.datetime_complete) - julianday(t.datetime_start)) * 86400, COALESCE(a.origin, 0), COALESCE(a.attempts, 0)"
                                " FROM trials t LEFT JOIN trial_values v ON v.trial_id = t.trial_id AND v.objective = 0"
                                " LEFT JOIN assay_trials a ON a.trial_id = t.trial_id WHERE t.study_id = ? %s",
                                condition);
  if (list == NULL || sql == NULL) return assay_status_memory(status);
  sqlite3_stmt *statement;
  result = assay_database_query(&study->database, &statement, status, sql, "i", study->id);
  while (result == 0 && (result = assay_database_next(&study->database, &statement, status)) > 0) {
    struct assay_trial_record *record = ASSAY_NEW(arena, struct assay_trial_record);
    result = record == NULL ? assay_status_memory(status) : read_record(study, statement, arena, record, status);
    if (result == 0) list[(*count)++] = record;
  }
  assay_database_done(&study->database, &statement);
  *records = list;
  return result;
}

int assay_study_list(struct assay_study *study, struct assay_arena *arena, const struct assay_trial_record *const **records, uint32_t *count,
                     struct assay_status *status) {
  const struct assay_trial_record **list;
  int result = assay_database_begin_reading(&study->database, status);
  if (result != 0) return result;
  result = read_records(study, "AND t.state <> 'WAITING' ORDER BY t.number", arena, &list, count, status);
  if (result == 0) *records = list;
  return assay_database_end(&study->database, result, status);
}

int assay_study_best(struct assay_study *study, struct assay_arena *arena, const struct assay_trial_record **best, struct assay_status *status) {
  const struct assay_trial_record **list;
  uint32_t count;
  *best = NULL;
  int result = assay_database_begin_reading(&study->database, status);
  if (result != 0) return result;
  /* Infinite values are NULL with a type: the worst or the best there is. */
  static const char infinite[] = "CASE v.value_type WHEN 'INF_POS' THEN 9e999 WHEN 'INF_NEG' THEN -9e999 ELSE v.value END";
  char *condition = assay_arena_print(arena, "AND t.state = 'COMPLETE' AND v.value_type IS NOT NULL ORDER BY %s %s, t.number LIMIT 1", infinite,
                                      study->maximise ? "DESC" : "ASC");
  result = condition == NULL ? assay_status_memory(status) : read_records(study, condition, arena, &list, &count, status);
  if (result == 0 && count > 0) *best = list[0];
  return assay_database_end(&study->database, result, status);
}
