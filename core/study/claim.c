/* SPDX-License-Identifier: MIT
 *
 * Claims: which trial a worker may work on, and its end. Every function is one transaction that holds the write lock from its start.
 */
#include "study/parts.h"

#include "base/arena.h"
#include "base/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ORPHAN_SECONDS = 10 };

int assay_study_set_supervisor(struct assay_study *study, int64_t process, struct assay_status *status) {
  const int64_t start = process == 0 ? 0 : assay_process_start(process);
  if (start < 0) return assay_status_set(status, ASSAY_E_FAILED, "there is no process %lld that could watch over this one", (long long)process);
  study->owner.supervisor = process;
  study->owner.supervisor_start = start;
  return 0;
}

/* The next number of the sequence of asks and tells. */
static int next_in_sequence(struct assay_study *study, int64_t *number, struct assay_status *status) {
  return assay_database_integer(&study->database, number, 0, status, "UPDATE assay_studies SET sequence = sequence + 1 WHERE study_id = ? RETURNING sequence",
                                "i", study->id);
}

/* ---- ends ---- */

static int end_attempt(struct assay_study *study, int64_t row, int64_t attempt, const char *outcome, struct assay_status *status) {
  char now[32];
  assay_time_print(now);
  int result = assay_database_run(&study->database, status, "DELETE FROM assay_leases WHERE trial_id = ?", "i", row);
  if (result != 0) return result;
  return assay_database_run(&study->database, status, "UPDATE assay_attempts SET ended = ?, outcome = ? WHERE trial_id = ? AND attempt = ?", "ttii", now,
                            outcome, row, attempt);
}

/* The trial ends as `state`: COMPLETE, PRUNED or FAIL. */
static int end_trial(struct assay_study *study, int64_t row, const char *state, struct assay_status *status) {
  char now[32];
  int64_t told;
  assay_time_print(now);
  int result = next_in_sequence(study, &told, status);
  if (result == 0) result = assay_database_run(&study->database, status, "UPDATE assay_trials SET told = ? WHERE trial_id = ?", "ii", told, row);
  if (result == 0)
    result = assay_database_run(&study->database, status, "UPDATE trials SET state = ?, datetime_complete = ? WHERE trial_id = ?", "tti", state, now, row);
  return result;
}

static int write_reason(struct assay_study *study, int64_t row, const char *reason, struct assay_status *status) {
  json_t *string = json_string(reason);
  if (string == NULL) string = json_string("(the reason was not valid UTF-8)");
  char *json = string == NULL ? NULL : json_dumps(string, JSON_ENCODE_ANY);
  const int result = json == NULL ? assay_status_memory(status)
                                  : assay_database_run(&study->database, status,
                                                       "INSERT OR REPLACE INTO trial_user_attributes (trial_id, \"key\", value_json) VALUES (?, 'reason', ?)",
                                                       "it", row, json);
  free(json);
  json_decref(string);
  return result;
}

static int write_value(struct assay_study *study, int64_t row, double value, struct assay_status *status) {
  return assay_database_run(&study->database, status, "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (?, 0, ?, ?)", "idt", row,
                            isfinite(value) ? value : NAN, assay_value_type(value));
}

/* ---- the dead ---- */

struct dead {
  int64_t row, attempt;
  bool alone;
};

/* Leases whose owners are dead; `living` counts the others, `orphans` those of them whose supervisor is dead. The array is malloc'ed. */
static int find_dead(struct assay_study *study, struct dead **dead, size_t *count, int64_t *living, int64_t *orphans, struct assay_status *status) {
  sqlite3_stmt *statement;
  size_t capacity = 0;
  *dead = NULL;
  *count = 0;
  *living = *orphans = 0;
  int result = assay_database_query(&study->database, &statement, status,
                                    "SELECT l.trial_id, l.attempt, l.boot, l.space, l.process, l.start, l.supervisor, l.supervisor_start, l.beat"
                                    " FROM assay_leases l JOIN assay_trials a USING (trial_id) WHERE a.study_id = ?",
                                    "i", study->id);
  while (result == 0 && (result = assay_database_next(&study->database, &statement, status)) > 0) {
    struct assay_owner owner = {.space = sqlite3_column_int64(statement, 3),
                                .process = sqlite3_column_int64(statement, 4),
                                .start = sqlite3_column_int64(statement, 5),
                                .supervisor = sqlite3_column_int64(statement, 6),
                                .supervisor_start = sqlite3_column_int64(statement, 7)};
    const char *boot = (const char *)sqlite3_column_text(statement, 2);
    if (boot != NULL) strncpy(owner.boot, boot, sizeof owner.boot - 1);
    result = 0;
    if (assay_owner_lives(&owner, &study->owner, sqlite3_column_double(statement, 8))) {
      (*living)++;
      *orphans += !assay_owner_died_alone(&owner, &study->owner);
      continue;
    }
    void *array = *dead;
    if (!assay_grow(&array, &capacity, *count + 1, sizeof **dead)) result = assay_status_memory(status);
    *dead = array;
    if (result == 0)
      (*dead)[(*count)++] =
          (struct dead){sqlite3_column_int64(statement, 0), sqlite3_column_int64(statement, 1), assay_owner_died_alone(&owner, &study->owner)};
  }
  assay_database_done(&study->database, &statement);
  return result;
}

/* What an unfinished attempt has said goes; its trial starts afresh. */
static int forget_notes(struct assay_study *study, int64_t row, struct assay_status *status) {
  const int result = assay_database_run(&study->database, status, "DELETE FROM trial_intermediate_values WHERE trial_id = ?", "i", row);
  return result != 0 ? result : assay_database_run(&study->database, status, "DELETE FROM trial_user_attributes WHERE trial_id = ?", "i", row);
}

static int bury(struct assay_study *study, const struct dead *dead, struct assay_status *status) {
  int64_t deaths;
  int result = end_attempt(study, dead->row, dead->attempt, dead->alone ? "died" : "interrupted", status);
  if (result == 0) result = forget_notes(study, dead->row, status);
  if (result == 0)
    result = assay_database_integer(&study->database, &deaths, 0, status, "UPDATE assay_trials SET deaths = deaths + ? WHERE trial_id = ? RETURNING deaths",
                                    "ii", (int64_t)dead->alone, dead->row);
  if (result != 0 || deaths < ASSAY_STUDY_ATTEMPTS) return result;
  result = write_reason(study, dead->row, "its worker died in every one of three attempts", status);
  return result != 0 ? result : end_trial(study, dead->row, "FAIL", status);
}

static int bury_all(struct assay_study *study, int64_t *living, int64_t *orphans, struct assay_status *status) {
  struct dead *dead;
  size_t count;
  int result = find_dead(study, &dead, &count, living, orphans, status);
  for (size_t i = 0; result == 0 && i < count; i++) result = bury(study, &dead[i], status);
  free(dead);
  return result;
}

/* ---- choosing a trial ---- */

/* Trials that another program has finished since the last time join the history. The counts tell quickly that there are none. */
static int adopt_others(struct assay_study *study, struct assay_status *status) {
  int64_t strangers;
  int result = assay_database_integer(&study->database, &strangers, 0, status,
                                      "SELECT (SELECT COUNT(*) FROM trials WHERE study_id = ?1 AND state IN ('COMPLETE', 'PRUNED', 'FAIL'))"
                                      " - (SELECT COUNT(*) FROM assay_trials WHERE study_id = ?1 AND told > 0)",
                                      "i", study->id);
  while (result == 0 && strangers-- > 0) {
    int64_t row, place;
    result = assay_database_integer(&study->database, &row, -1, status,
                                    "SELECT t.trial_id FROM trials t LEFT JOIN assay_trials a USING (trial_id) WHERE t.study_id = ? AND a.trial_id IS NULL"
                                    " AND t.state IN ('COMPLETE', 'PRUNED', 'FAIL') ORDER BY t.trial_id LIMIT 1",
                                    "i", study->id);
    if (result != 0 || row < 0) return result;
    result = next_in_sequence(study, &place, status);
    if (result == 0)
      result = assay_database_run(&study->database, status, "INSERT INTO assay_trials (trial_id, study_id, origin, asked, told) VALUES (?, ?, 0, ?, ?)", "iiii",
                                  row, study->id, place, place);
  }
  return result;
}

/* A trial that was left: `row` -1 when there is none. While others work, one with which this worker's device failed is left to them. */
static int find_left(struct assay_study *study, bool others_work, int64_t *row, struct assay_status *status) {
  return assay_database_integer(&study->database, row, -1, status,
                                "SELECT a.trial_id FROM assay_trials a JOIN trials t USING (trial_id) LEFT JOIN assay_leases l USING (trial_id)"
                                " WHERE a.study_id = ?1 AND a.told IS NULL AND l.trial_id IS NULL AND NOT (?2 AND EXISTS (SELECT 1 FROM assay_faults f"
                                " WHERE f.study_id = ?1 AND f.device = ?3 AND f.number = t.number)) ORDER BY t.number LIMIT 1",
                                "iit", study->id, (int64_t)(others_work && study->device != NULL), study->device);
}

static int find_enqueued(struct assay_study *study, int64_t *row, struct assay_status *status) {
  char now[32];
  assay_time_print(now);
  int result = assay_database_integer(&study->database, row, -1, status,
                                      "UPDATE trials SET state = 'RUNNING', datetime_start = ? WHERE trial_id = (SELECT trial_id FROM trials WHERE study_id = ?"
                                      " AND state = 'WAITING' ORDER BY number LIMIT 1) RETURNING trial_id",
                                      "ti", now, study->id);
  if (result != 0 || *row < 0) return result;
  return assay_database_run(&study->database, status, "INSERT INTO assay_trials (trial_id, study_id, origin) VALUES (?, ?, ?)", "iii", *row, study->id,
                            (int64_t)ASSAY_POINT_ENQUEUED);
}

static int insert_trial(struct assay_study *study, uint64_t limit, int64_t *row, struct assay_status *status) {
  char now[32];
  assay_time_print(now);
  int result =
      assay_database_integer(&study->database, row, -1, status,
                             "INSERT INTO trials (number, study_id, state, datetime_start) SELECT next, ?1, 'RUNNING', ?2"
                             " FROM (SELECT COALESCE((SELECT MAX(number) FROM trials WHERE study_id = ?1) + 1, 0) AS next) WHERE next < ?3 RETURNING trial_id",
                             "iti", study->id, now, (int64_t)limit);
  if (result != 0 || *row < 0) return result;
  return assay_database_run(
      &study->database, status,
      "INSERT INTO assay_trials (trial_id, study_id, origin) SELECT trial_id, study_id, CASE number WHEN 0 THEN ? ELSE ? END FROM trials WHERE trial_id = ?",
      "iii", (int64_t)ASSAY_POINT_DEFAULTS, (int64_t)ASSAY_POINT_SEARCH, *row);
}

/* Takes the lease and fills the claim but for its point; `asked`: it has one already. */
static int take(struct assay_study *study, int64_t row, struct assay_claim *claim, bool *asked, struct assay_status *status) {
  struct assay_database *database = &study->database;
  const struct assay_owner *owner = &study->owner;
  char now[32];
  assay_time_print(now);
  sqlite3_stmt *statement;
  int result = assay_database_run(
      database, status,
      "UPDATE assay_trials SET attempts = attempts + 1, mark = CASE WHEN asked IS NULL THEN (SELECT sequence FROM assay_studies WHERE study_id = ?)"
      " ELSE mark END WHERE trial_id = ?",
      "ii", study->id, row);
  if (result == 0)
    result = assay_database_query(database, &statement, status,
                                  "SELECT t.number, a.attempts, a.origin, a.mark, a.asked IS NOT NULL FROM assay_trials a"
                                  " JOIN trials t USING (trial_id) WHERE a.trial_id = ?",
                                  "i", row);
  if (result != 0 || (result = assay_database_next(database, &statement, status)) <= 0) return result;
  *claim = (struct assay_claim){.outcome = ASSAY_CLAIM_TRIAL,
                                .number = (uint32_t)sqlite3_column_int64(statement, 0),
                                .attempt = (uint32_t)sqlite3_column_int64(statement, 1),
                                .origin = (uint32_t)sqlite3_column_int64(statement, 2),
                                .mark = sqlite3_column_int64(statement, 3),
                                .row = row};
  *asked = sqlite3_column_int(statement, 4) != 0;
  assay_database_done(&study->database, &statement);
  result = assay_database_run(database, status,
                              "INSERT INTO assay_leases (trial_id, attempt, boot, space, process, start, supervisor, supervisor_start, beat)"
                              " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                              "iitiiiiid", row, (int64_t)claim->attempt, owner->boot, owner->space, owner->process, owner->start, owner->supervisor,
                              owner->supervisor_start, assay_lease_clock());
  if (result != 0) return result;
  return assay_database_run(database, status, "INSERT INTO assay_attempts (trial_id, attempt, process, began) VALUES (?, ?, ?, ?)", "iiit", row,
                            (int64_t)claim->attempt, owner->process, now);
}

/* A worker whose search was killed is about to leave, and its trial comes next: waiting a moment for it keeps the order of an undisturbed search. */
static bool awaits_orphans(struct assay_study *study, int64_t orphans) {
  const double now = assay_lease_clock();
  if (orphans == 0) study->orphans_since = 0;
  else if (study->orphans_since == 0) study->orphans_since = now;
  return orphans > 0 && now - study->orphans_since < ORPHAN_SECONDS;
}

static int choose(struct assay_study *study, uint64_t limit, struct assay_claim *claim, bool *asked, struct assay_status *status) {
  int64_t living, orphans, row = -1;
  int result = bury_all(study, &living, &orphans, status);
  if (result == 0 && awaits_orphans(study, orphans)) {
    claim->outcome = ASSAY_CLAIM_WAIT;
    return 0;
  }
  if (result == 0) result = adopt_others(study, status);
  if (result == 0) result = find_left(study, living > 0, &row, status);
  if (result == 0 && row < 0) result = find_enqueued(study, &row, status);
  if (result == 0 && row < 0) result = insert_trial(study, limit, &row, status);
  if (result == 0 && row >= 0) result = take(study, row, claim, asked, status);
  if (result == 0 && row < 0) claim->outcome = living > 0 ? ASSAY_CLAIM_WAIT : ASSAY_CLAIM_DONE;
  return result;
}

/* ---- the holder's writes ---- */

/* A transaction in which the claim still holds. */
static int begin_holding(struct assay_study *study, const struct assay_claim *claim, struct assay_status *status) {
  int64_t held;
  int result = assay_database_begin(&study->database, status);
  if (result != 0) return result;
  result = assay_database_integer(&study->database, &held, 0, status, "SELECT 1 FROM assay_leases WHERE trial_id = ? AND attempt = ?", "ii", claim->row,
                                  (int64_t)claim->attempt);
  if (result == 0 && held != 1)
    result =
        assay_status_set(status, ASSAY_E_FAILED, "trial %u: attempt %u no longer holds it; another worker has taken it over", claim->number, claim->attempt);
  return result == 0 ? 0 : assay_database_end(&study->database, result, status);
}

static int write_point(struct assay_study *study, const struct assay_claim *claim, struct assay_status *status) {
  int64_t asked;
  int result = begin_holding(study, claim, status);
  if (result != 0) return result;
  for (uint32_t i = 0; result == 0 && i < study->space->dimension_count; i++) {
    if (isnan(claim->point[i])) continue;
    result = assay_database_run(&study->database, status, "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES (?, ?, ?, ?)",
                                "itdt", claim->row, study->space->dimensions[i]->name, claim->point[i], study->distributions[i]);
  }
  if (result == 0) result = next_in_sequence(study, &asked, status);
  if (result == 0) result = assay_database_run(&study->database, status, "UPDATE assay_trials SET asked = ? WHERE trial_id = ?", "ii", asked, claim->row);
  return assay_database_end(&study->database, result, status);
}

/* A trial that could not be asked: as if it had not been claimed. The youngest, when it was new, leaves no trace. */
static int unclaim(struct assay_study *study, const struct assay_claim *claim, struct assay_status *status) {
  struct assay_database *database = &study->database;
  int64_t youngest;
  int result = begin_holding(study, claim, status);
  if (result != 0) return result;
  result = end_attempt(study, claim->row, claim->attempt, "not asked", status);
  if (result == 0) result = assay_database_integer(database, &youngest, -1, status, "SELECT MAX(number) FROM trials WHERE study_id = ?", "i", study->id);
  if (result == 0 && claim->origin == ASSAY_POINT_SEARCH && youngest == claim->number) {
    result = assay_database_run(database, status, "DELETE FROM assay_attempts WHERE trial_id = ?", "i", claim->row);
    if (result == 0) result = assay_database_run(database, status, "DELETE FROM assay_trials WHERE trial_id = ?", "i", claim->row);
    if (result == 0) result = assay_database_run(database, status, "DELETE FROM trials WHERE trial_id = ?", "i", claim->row);
  }
  return assay_database_end(database, result, status);
}

int assay_study_claim(struct assay_study *study, uint32_t trials, const struct assay_search *search, const struct assay_option_value *const *options,
                      struct assay_arena *arena, struct assay_claim *claim, struct assay_status *status) {
  *claim = (struct assay_claim){0};
  double *point = ASSAY_NEW_ARRAY(arena, double, study->space->dimension_count);
  if (point == NULL) return assay_status_memory(status);
  uint64_t points = 0;
  bool asked = false;
  int result = search->count == NULL ? 0 : search->count(options, study->space, &points, status);
  if (result == 0) result = assay_database_begin(&study->database, status);
  if (result != 0) return result;
  result = choose(study, points > 0 && points < trials ? points : trials, claim, &asked, status);
  result = assay_database_end(&study->database, result, status);
  if (result != 0 || claim->outcome != ASSAY_CLAIM_TRIAL) return result;
  claim->point = point;
  assay_notes_begin(&study->notes, claim);
  if (asked) return assay_point_read(study, claim->row, point, status);
  result = assay_point_ask(study, claim->number, claim->origin, claim->row, claim->mark, search, options, point, status);
  if (result == 0) return write_point(study, claim, status);
  const int unclaimed = unclaim(study, claim, NULL);
  if (result != ASSAY_E_FINDINGS || unclaimed != 0) return result;
  /* The space is used up, which only the search could know. */
  struct assay_study_counts counts;
  result = assay_study_count(study, &counts, status);
  *claim = (struct assay_claim){.outcome = counts.running > 0 ? ASSAY_CLAIM_WAIT : ASSAY_CLAIM_DONE};
  return result;
}

int assay_study_heartbeat(struct assay_study *study, const struct assay_claim *claim, const char *progress, struct assay_status *status) {
  int result = begin_holding(study, claim, status);
  if (result != 0) return result;
  result = assay_database_run(&study->database, status, "UPDATE assay_leases SET beat = ?, progress = COALESCE(?, progress) WHERE trial_id = ?", "dti",
                              assay_lease_clock(), progress, claim->row);
  const bool noted = study->notes.row == claim->row && study->notes.attempt == claim->attempt;
  if (result == 0 && noted) result = assay_notes_write(study, status);
  result = assay_database_end(&study->database, result, status);
  if (result == 0 && noted) assay_notes_written(&study->notes);
  return result;
}

/* Notes, then what `state` needs, then the end: one transaction. */
static int tell(struct assay_study *study, const struct assay_claim *claim, const char *state, double value, const char *reason, struct assay_status *status) {
  int result = begin_holding(study, claim, status);
  if (result != 0) return result;
  if (study->notes.row == claim->row && study->notes.attempt == claim->attempt) result = assay_notes_write(study, status);
  if (result == 0 && !isnan(value)) result = write_value(study, claim->row, value, status);
  if (result == 0 && reason != NULL) result = write_reason(study, claim->row, reason, status);
  if (result == 0) result = end_trial(study, claim->row, state, status);
  if (result == 0) result = end_attempt(study, claim->row, claim->attempt, state, status);
  result = assay_database_end(&study->database, result, status);
  if (result == 0) assay_notes_begin(&study->notes, &(struct assay_claim){.row = -1});
  return result;
}

int assay_study_complete(struct assay_study *study, const struct assay_claim *claim, double value, struct assay_status *status) {
  if (isnan(value)) return assay_status_set(status, ASSAY_E_NONFINITE, "trial %u: its objective is not a number", claim->number);
  return tell(study, claim, "COMPLETE", value, NULL, status);
}

int assay_study_pruned(struct assay_study *study, const struct assay_claim *claim, struct assay_status *status) {
  const struct assay_notes *notes = &study->notes;
  const bool noted = notes->row == claim->row && notes->attempt == claim->attempt && notes->count > 0;
  return tell(study, claim, "PRUNED", noted ? notes->values[notes->count - 1] : NAN, NULL, status);
}

int assay_study_failed(struct assay_study *study, const struct assay_claim *claim, const char *reason, struct assay_status *status) {
  return tell(study, claim, "FAIL", NAN, reason, status);
}

int assay_study_give_back(struct assay_study *study, const struct assay_claim *claim, struct assay_status *status) {
  int result = begin_holding(study, claim, status);
  if (result != 0) return result;
  result = end_attempt(study, claim->row, claim->attempt, "given back", status);
  if (result == 0) result = forget_notes(study, claim->row, status);
  result = assay_database_end(&study->database, result, status);
  if (result == 0) assay_notes_begin(&study->notes, &(struct assay_claim){.row = -1});
  return result;
}
