/* SPDX-License-Identifier: MIT
 *
 * What a worker says about the trial it works on. A commit costs a disk sync, so it is gathered here and written about once a second;
 * a crash loses only notes of a trial that will be run again.
 */
#include "study/parts.h"

#include "base/arena.h"
#include "base/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void clear(struct assay_notes *notes) {
  notes->count = 0;
  for (size_t i = 0; i < notes->attribute_count; i++) {
    free((char *)notes->attributes[i].key);
    free((char *)notes->attributes[i].json);
  }
  notes->attribute_count = 0;
}

void assay_notes_begin(struct assay_notes *notes, const struct assay_claim *claim) {
  clear(notes);
  notes->row = claim->row;
  notes->attempt = claim->attempt;
  notes->flushed = assay_lease_clock();
}

void assay_notes_release(struct assay_notes *notes) {
  clear(notes);
  free(notes->steps);
  free(notes->values);
  free(notes->written);
  free(notes->attributes);
  *notes = (struct assay_notes){0};
}

const char *assay_value_type(double value) { return isnan(value) ? "NAN" : isfinite(value) ? "FINITE" : value > 0 ? "INF_POS" : "INF_NEG"; }

double assay_value_read(sqlite3_stmt *statement, int value_column, int type_column) {
  const char *type = (const char *)sqlite3_column_text(statement, type_column);
  if (type == NULL) return NAN;
  if (strcmp(type, "INF_POS") == 0) return INFINITY;
  if (strcmp(type, "INF_NEG") == 0) return -INFINITY;
  return sqlite3_column_type(statement, value_column) == SQLITE_NULL ? NAN : sqlite3_column_double(statement, value_column);
}

int assay_notes_write(struct assay_study *study, struct assay_status *status) {
  struct assay_notes *notes = &study->notes;
  int result = 0;
  for (size_t i = 0; result == 0 && i < notes->count; i++) {
    if (notes->written[i]) continue;
    const double value = notes->values[i];
    result = assay_database_run(&study->database, status,
                                "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type) VALUES (?, ?, ?, ?)"
                                " ON CONFLICT (trial_id, step) DO UPDATE SET intermediate_value = excluded.intermediate_value,"
                                " intermediate_value_type = excluded.intermediate_value_type",
                                "iidt", notes->row, (int64_t)notes->steps[i], isfinite(value) ? value : NAN, assay_value_type(value));
  }
  for (size_t i = 0; result == 0 && i < notes->attribute_count; i++)
    result = assay_database_run(&study->database, status,
                                "INSERT INTO trial_user_attributes (trial_id, \"key\", value_json) VALUES (?, ?, ?)"
                                " ON CONFLICT (trial_id, \"key\") DO UPDATE SET value_json = excluded.value_json",
                                "itt", notes->row, notes->attributes[i].key, notes->attributes[i].json);
  return result;
}

void assay_notes_written(struct assay_notes *notes) {
  for (size_t i = 0; i < notes->count; i++) notes->written[i] = true;
  const size_t count = notes->count;
  clear(notes);
  notes->count = count; /* results are kept for the pruner, attributes are not */
  notes->flushed = assay_lease_clock();
}

/* Room for one more result at `place`. */
static bool insert_result(struct assay_notes *notes, size_t place) {
  void *steps = notes->steps, *values = notes->values, *written = notes->written;
  const size_t needed = notes->count + 1;
  const bool grown = assay_grow(&steps, &notes->steps_capacity, needed, sizeof *notes->steps) &&
                     assay_grow(&values, &notes->values_capacity, needed, sizeof *notes->values) &&
                     assay_grow(&written, &notes->written_capacity, needed, sizeof *notes->written);
  notes->steps = steps;
  notes->values = values;
  notes->written = written;
  if (!grown) return false;
  const size_t behind = notes->count - place;
  memmove(notes->steps + place + 1, notes->steps + place, behind * sizeof *notes->steps);
  memmove(notes->values + place + 1, notes->values + place, behind * sizeof *notes->values);
  memmove(notes->written + place + 1, notes->written + place, behind * sizeof *notes->written);
  notes->count++;
  return true;
}

static int check_claim(const struct assay_notes *notes, const struct assay_claim *claim, struct assay_status *status) {
  if (notes->row == claim->row && notes->attempt == claim->attempt) return 0;
  return assay_status_set(status, ASSAY_E_FAILED, "trial %u: this handle no longer works on it", claim->number);
}

int assay_study_report(struct assay_study *study, const struct assay_claim *claim, uint32_t step, double value, struct assay_status *status) {
  struct assay_notes *notes = &study->notes;
  const int result = check_claim(notes, claim, status);
  if (result != 0) return result;
  size_t place = notes->count;
  while (place > 0 && notes->steps[place - 1] > step) place--;
  if (place > 0 && notes->steps[place - 1] == step) place--;
  else if (!insert_result(notes, place)) return assay_status_memory(status);
  notes->steps[place] = step;
  notes->values[place] = value;
  notes->written[place] = false;
  return assay_lease_clock() - notes->flushed < 1 ? 0 : assay_study_heartbeat(study, claim, NULL, status);
}

int assay_study_set_trial_attribute(struct assay_study *study, const struct assay_claim *claim, const char *key, const char *json,
                                    struct assay_status *status) {
  struct assay_notes *notes = &study->notes;
  const int result = check_claim(notes, claim, status);
  if (result != 0) return result;
  json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
  if (value == NULL) return assay_status_set(status, ASSAY_E_FAILED, "trial %u: attribute %s is not JSON: %.80s", claim->number, key, json);
  json_decref(value);
  void *attributes = notes->attributes;
  const bool grown = assay_grow(&attributes, &notes->attribute_capacity, notes->attribute_count + 1, sizeof *notes->attributes);
  notes->attributes = attributes;
  struct assay_attribute attribute = {grown ? strdup(key) : NULL, grown ? strdup(json) : NULL};
  if (attribute.key == NULL || attribute.json == NULL) {
    free((char *)attribute.key);
    free((char *)attribute.json);
    return assay_status_memory(status);
  }
  notes->attributes[notes->attribute_count++] = attribute;
  return 0;
}
