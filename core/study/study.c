/* SPDX-License-Identifier: MIT
 *
 * Opening and closing, and the facts about a study as a whole.
 */
#include "study/parts.h"

#include "base/arena.h"
#include "base/status.h"

#include <stdlib.h>
#include <string.h>

static struct assay_study *create_handle(void) {
  struct assay_study *study = calloc(1, sizeof *study);
  if (study == NULL) return NULL;
  study->arena = assay_arena_create();
  study->owner = assay_owner_self();
  if (study->arena != NULL) return study;
  free(study);
  return NULL;
}

void assay_study_close(struct assay_study *study) {
  if (study == NULL) return;
  assay_notes_release(&study->notes);
  assay_memory_release(&study->memory);
  assay_database_close(&study->database);
  assay_arena_release(study->arena);
  free(study);
}

static int insert_study(struct assay_study *study, struct assay_status *status) {
  struct assay_database *database = &study->database;
  char *space = assay_axes_print(study);
  int result =
      space == NULL ? assay_status_memory(status) : assay_database_run(database, status, "INSERT INTO studies (study_name) VALUES (?)", "t", study->name);
  if (result == 0) {
    study->id = sqlite3_last_insert_rowid(database->handle);
    result = assay_database_run(database, status, "INSERT INTO study_directions (direction, study_id, objective) VALUES (?, ?, 0)", "ti",
                                study->maximise ? "MAXIMIZE" : "MINIMIZE", study->id);
  }
  if (result == 0)
    result = assay_database_run(database, status, "INSERT INTO assay_studies (study_id, seed, space) VALUES (?, ?, ?)", "iit", study->id, (int64_t)study->seed,
                                space);
  free(space);
  return result;
}

/* The study is there: was it made for the same? */
static int compare_study(struct assay_study *study, struct assay_status *status) {
  struct assay_database *database = &study->database;
  sqlite3_stmt *statement;
  int result = assay_database_query(database, &statement, status,
                                    "SELECT d.direction, s.seed, s.space FROM study_directions d LEFT JOIN assay_studies s USING (study_id)"
                                    " WHERE d.study_id = ? ORDER BY d.objective",
                                    "i", study->id);
  if (result != 0 || (result = assay_database_next(database, &statement, status)) < 0) return result;
  const char *direction = result == 0 ? NULL : (const char *)sqlite3_column_text(statement, 0);
  if (direction == NULL || sqlite3_column_type(statement, 2) == SQLITE_NULL)
    result = assay_status_set(status, ASSAY_E_CONFIG, "%s: study %s was made by another program; choose another folder with -o", database->path, study->name);
  else if (strcmp(direction, study->maximise ? "MAXIMIZE" : "MINIMIZE") != 0)
    result = assay_status_set(status, ASSAY_E_CONFIG, "%s: the study was made for an objective to be %s; continue it with that one or start a new run",
                              database->path, study->maximise ? "minimised" : "maximised");
  else if ((uint64_t)sqlite3_column_int64(statement, 1) != study->seed)
    result = assay_status_set(status, ASSAY_E_CONFIG, "%s: the study was started with seed %llu; continue it with that seed or start a new run", database->path,
                              (unsigned long long)sqlite3_column_int64(statement, 1));
  else result = assay_axes_compare(study, (const char *)sqlite3_column_text(statement, 2), status);
  assay_database_done(&study->database, &statement);
  return result;
}

static int find_or_insert(struct assay_study *study, const struct assay_study_facts *facts, struct assay_status *status) {
  int result = assay_database_begin(&study->database, status);
  if (result != 0) return result;
  result = assay_schema_create(study, facts->alembic_version, status);
  if (result == 0)
    result = assay_database_integer(&study->database, &study->id, -1, status, "SELECT study_id FROM studies WHERE study_name = ?", "t", study->name);
  if (result == 0) result = study->id < 0 ? insert_study(study, status) : compare_study(study, status);
  return assay_database_end(&study->database, result, status);
}

int assay_study_open(const char *path, const struct assay_study_facts *facts, struct assay_study **opened, struct assay_status *status) {
  *opened = NULL;
  struct assay_study *study = create_handle();
  if (study == NULL) return assay_status_memory(status);
  study->maximise = facts->maximise;
  study->seed = facts->seed;
  study->writable = true;
  study->name = assay_arena_copy(study->arena, facts->name);
  int result = study->name == NULL ? assay_status_memory(status) : assay_axes_adopt(study, facts, status);
  if (result == 0) result = assay_database_open(&study->database, path, true, status);
  if (result == 0) result = find_or_insert(study, facts, status);
  if (result == 0) *opened = study;
  else assay_study_close(study);
  return result;
}

static int load_facts(struct assay_study *study, const char *name, struct assay_status *status) {
  struct assay_database *database = &study->database;
  sqlite3_stmt *statement;
  int result =
      assay_database_query(database, &statement, status,
                           "SELECT s.study_id, s.study_name, d.direction, a.seed, a.space FROM studies s JOIN assay_studies a USING (study_id)"
                           " JOIN study_directions d USING (study_id) WHERE d.objective = 0 AND (?1 IS NULL OR s.study_name = ?1) ORDER BY s.study_id LIMIT 1",
                           "t", name);
  if (result != 0 || (result = assay_database_next(database, &statement, status)) < 0) return result;
  if (result == 0)
    return assay_status_set(status, ASSAY_E_STORAGE, "%s: there is no study%s%s here", database->path, name == NULL ? "" : " ", name == NULL ? "" : name);
  study->id = sqlite3_column_int64(statement, 0);
  study->name = assay_arena_copy(study->arena, (const char *)sqlite3_column_text(statement, 1));
  study->maximise = strcmp((const char *)sqlite3_column_text(statement, 2), "MAXIMIZE") == 0;
  study->seed = (uint64_t)sqlite3_column_int64(statement, 3);
  result = study->name == NULL ? assay_status_memory(status) : assay_axes_parse(study, (const char *)sqlite3_column_text(statement, 4), status);
  assay_database_done(&study->database, &statement);
  return result;
}

int assay_study_read(const char *path, const char *name, struct assay_study **opened, struct assay_status *status) {
  *opened = NULL;
  struct assay_study *study = create_handle();
  if (study == NULL) return assay_status_memory(status);
  int result = assay_database_open(&study->database, path, false, status);
  if (result == 0) result = load_facts(study, name, status);
  if (result == 0) *opened = study;
  else assay_study_close(study);
  return result;
}

const char *assay_study_name(const struct assay_study *study) { return study->name; }
const struct assay_space *assay_study_space(const struct assay_study *study) { return study->space; }
bool assay_study_maximises(const struct assay_study *study) { return study->maximise; }
uint64_t assay_study_seed(const struct assay_study *study) { return study->seed; }

int assay_study_set_attribute(struct assay_study *study, const char *key, const char *json, struct assay_status *status) {
  json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
  if (value == NULL) return assay_status_set(status, ASSAY_E_FAILED, "%s: attribute %s is not JSON: %.80s", study->database.path, key, json);
  json_decref(value);
  int result = assay_database_begin(&study->database, status);
  if (result != 0) return result;
  result = assay_database_run(&study->database, status,
                              "INSERT INTO study_user_attributes (study_id, \"key\", value_json) VALUES (?, ?, ?)"
                              " ON CONFLICT (study_id, \"key\") DO UPDATE SET value_json = excluded.value_json",
                              "itt", study->id, key, json);
  return assay_database_end(&study->database, result, status);
}

int assay_study_attribute(struct assay_study *study, const char *key, struct assay_arena *arena, const char **json, struct assay_status *status) {
  sqlite3_stmt *statement;
  *json = NULL;
  int result = assay_database_query(&study->database, &statement, status, "SELECT value_json FROM study_user_attributes WHERE study_id = ? AND \"key\" = ?",
                                    "it", study->id, key);
  if (result != 0 || (result = assay_database_next(&study->database, &statement, status)) <= 0) return result;
  const char *text = (const char *)sqlite3_column_text(statement, 0);
  *json = text == NULL ? NULL : assay_arena_copy(arena, text);
  assay_database_done(&study->database, &statement);
  return *json == NULL && text != NULL ? assay_status_memory(status) : 0;
}

int assay_study_spend(struct assay_study *study, double seconds, double *total, struct assay_status *status) {
  struct assay_database *database = &study->database;
  int result = seconds == 0 ? assay_database_begin_reading(database, status) : assay_database_begin(database, status);
  if (result != 0) return result;
  sqlite3_stmt *statement;
  if (seconds != 0)
    result = assay_database_run(database, status, "UPDATE assay_studies SET seconds = seconds + ? WHERE study_id = ?", "di", seconds, study->id);
  if (result == 0) result = assay_database_query(database, &statement, status, "SELECT seconds FROM assay_studies WHERE study_id = ?", "i", study->id);
  if (result == 0 && (result = assay_database_next(database, &statement, status)) > 0) {
    *total = sqlite3_column_double(statement, 0);
    assay_database_done(&study->database, &statement);
    result = 0;
  }
  return assay_database_end(database, result, status);
}
