/* SPDX-License-Identifier: MIT
 *
 * What the files of the study share: the handle, and the steps that one needs of another.
 */
#ifndef ASSAY_STUDY_PARTS_H
#define ASSAY_STUDY_PARTS_H

#include "study/database.h"
#include "study/lease.h"
#include "study/study.h"

#include <jansson.h>

/* A trial that was asked, as plugins see it: running, and once it is told, as it ended. */
struct assay_remembered {
  int64_t row, asked, told; /* places in the sequence; told INT64_MAX: not yet */
  struct assay_trial running, ended;
};

/* All asked trials by number; refreshed by what is new since `seen`. Told trials never change again. */
struct assay_memory {
  struct assay_remembered **trials;
  size_t count, capacity;
  int64_t seen;
};

/* What the worker has said of its trial; `written` up to the last flush. */
struct assay_notes {
  int64_t row;
  uint32_t attempt;
  uint32_t *steps; /* ascending */
  double *values;  /* as measured, parallel to steps */
  bool *written;   /* parallel to steps */
  size_t count, steps_capacity, values_capacity, written_capacity;
  struct assay_attribute *attributes; /* malloc'ed texts, not yet written */
  size_t attribute_count, attribute_capacity;
  double flushed; /* assay_lease_clock of the last flush */
};

struct assay_study {
  struct assay_database database;
  struct assay_arena *arena; /* lives as long as the handle: space, names, remembered trials */
  int64_t id;                /* study_id */
  const char *name;
  bool maximise, writable;
  uint64_t seed;
  const struct assay_space *space;
  const char *const *const *choices; /* an array of texts for each axis of kind CHOICE, else NULL */
  const char *const *distributions;  /* Optuna's JSON of each axis */
  struct assay_owner owner;
  const char *device;   /* that this worker trains on; NULL: not said */
  double orphans_since; /* assay_lease_clock when workers without their supervisor were first seen; 0: there are none */
  struct assay_memory memory;
  struct assay_notes notes;
};

/* ---- axes.c: the space in the file ---- */

/* Copies space and choice texts into the handle and makes the distributions. */
int assay_axes_adopt(struct assay_study *study, const struct assay_study_facts *facts, struct assay_status *status);
/* The space as JSON text, malloc'ed; NULL when memory is short. */
char *assay_axes_print(const struct assay_study *study);
/* The other way: fills the handle's space. ASSAY_E_STORAGE when the text is none. */
int assay_axes_parse(struct assay_study *study, const char *text, struct assay_status *status);
/* ASSAY_E_CONFIG, naming the first axis that differs, when `text` describes another space than the handle's. */
int assay_axes_compare(const struct assay_study *study, const char *text, struct assay_status *status);
/* Is the axis active at the point? Needs the axes before it. */
bool assay_axis_active(const struct assay_space *space, uint32_t axis, const double *point);
/* Is the number one of the axis' values? */
bool assay_axis_holds(const struct assay_dimension *axis, double number);
/* The number of the axis called `name` that a JSON value (as Optuna gives parameters to people) stands for; false: none. */
bool assay_axis_from_json(const struct assay_study *study, uint32_t axis, const json_t *value, double *number);
/* Axis by name; -1. */
int32_t assay_axis_by_name(const struct assay_study *study, const char *name);

/* ---- schema.c: the tables ---- */

int assay_schema_create(struct assay_study *study, const char *alembic_version, struct assay_status *status);
/* UTC as SQLite text with microseconds; 32 bytes. */
void assay_time_print(char text[32]);

/* ---- memory.c: the history ---- */

/* Reads what was asked and told since the last time. */
int assay_memory_refresh(struct assay_study *study, struct assay_status *status);
void assay_memory_release(struct assay_memory *memory);
/* Fills `point` with the stored parameters of a trial; unknown and inactive ones NaN. */
int assay_point_read(struct assay_study *study, int64_t row, double *point, struct assay_status *status);
/* The point of a new trial; see assay_search.ask. */
int assay_point_ask(struct assay_study *study, uint32_t number, uint32_t origin, int64_t row, int64_t mark, const struct assay_search *search,
                    const struct assay_option_value *const *options, double *point, struct assay_status *status);

/* ---- notes.c: reports and attributes of the trial being worked on ---- */

/* Forgets everything and begins to note for another claim. */
void assay_notes_begin(struct assay_notes *notes, const struct assay_claim *claim);
void assay_notes_release(struct assay_notes *notes);
/* Writes what is new; within a transaction that has checked the claim. */
int assay_notes_write(struct assay_study *study, struct assay_status *status);
/* To be called once that transaction was committed. */
void assay_notes_written(struct assay_notes *notes);
/* Column `value_type` for a value; NULL for NaN where it cannot be said. */
const char *assay_value_type(double value);
double assay_value_read(sqlite3_stmt *statement, int value_column, int type_column);

#endif
