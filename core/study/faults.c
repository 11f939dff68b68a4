/* SPDX-License-Identifier: MIT
 *
 * Faults of devices: which device failed, with what in hand, and what it said. A trial that was in hand is tried elsewhere first.
 */
#include "study/parts.h"

#include "base/arena.h"
#include "base/status.h"

int assay_study_set_device(struct assay_study *study, const char *device, struct assay_status *status) {
  study->device = assay_arena_copy(study->arena, device);
  return study->device == NULL ? assay_status_memory(status) : 0;
}

int assay_study_note_fault(struct assay_study *study, const struct assay_fault *fault, struct assay_status *status) {
  char now[32];
  assay_time_print(now);
  int result = assay_database_begin(&study->database, status);
  if (result != 0) return result;
  result = assay_database_run(&study->database, status, "INSERT INTO assay_faults (study_id, device, number, at, message, left_alone) VALUES (?, ?, ?, ?, ?, ?)",
                              "ititti", study->id, fault->device, fault->trial, now, fault->message, (int64_t)fault->left_alone);
  return assay_database_end(&study->database, result, status);
}

/* Runs that were made before there were faults have no table of them. */
static int count_faults(struct assay_study *study, int64_t *count, struct assay_status *status) {
  int64_t tables;
  *count = 0;
  int result = assay_database_integer(&study->database, &tables, 0, status, "SELECT COUNT(*) FROM sqlite_master WHERE name = 'assay_faults'", "");
  if (result != 0 || tables == 0) return result;
  return assay_database_integer(&study->database, count, 0, status, "SELECT COUNT(*) FROM assay_faults WHERE study_id = ?", "i", study->id);
}

static int read_faults(struct assay_study *study, struct assay_arena *arena, int64_t most, const struct assay_fault **faults, uint32_t *count,
                       struct assay_status *status) {
  sqlite3_stmt *statement;
  struct assay_fault *list = ASSAY_NEW_ARRAY(arena, struct assay_fault, (size_t)most);
  if (list == NULL) return assay_status_memory(status);
  int result = assay_database_query(&study->database, &statement, status,
                                    "SELECT device, number, message, left_alone, at FROM assay_faults WHERE study_id = ? ORDER BY rowid", "i", study->id);
  while (result == 0 && (int64_t)*count < most && (result = assay_database_next(&study->database, &statement, status)) > 0) {
    struct assay_fault *fault = &list[(*count)++];
    *fault = (struct assay_fault){.device = assay_arena_copy(arena, (const char *)sqlite3_column_text(statement, 0)),
                                  .message = assay_arena_copy(arena, (const char *)sqlite3_column_text(statement, 2)),
                                  .trial = sqlite3_column_int64(statement, 1),
                                  .left_alone = sqlite3_column_int(statement, 3) != 0,
                                  .at = assay_arena_copy(arena, (const char *)sqlite3_column_text(statement, 4))};
    result = fault->device == NULL || fault->message == NULL || fault->at == NULL ? assay_status_memory(status) : 0;
  }
  assay_database_done(&study->database, &statement);
  *faults = list;
  return result;
}

int assay_study_faults(struct assay_study *study, struct assay_arena *arena, const struct assay_fault **faults, uint32_t *count, struct assay_status *status) {
  int64_t all = 0;
  *faults = NULL;
  *count = 0;
  int result = assay_database_begin_reading(&study->database, status);
  if (result != 0) return result;
  result = count_faults(study, &all, status);
  if (result == 0 && all > 0) result = read_faults(study, arena, all, faults, count, status);
  return assay_database_end(&study->database, result, status);
}
