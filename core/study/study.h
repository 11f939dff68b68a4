/* SPDX-License-Identifier: MIT
 *
 * The study: all trials of a search in one SQLite file, shared by any number of worker processes on one machine. The tables are those of
 * Optuna's RDB schema 12, so `optuna` and its dashboard open the file as it is; tables of our own (assay_…) stand beside them.
 *
 * Life of a trial: claimed (RUNNING, with a lease) → asked (its point is written, once for all, with the mark of the history that the search saw)
 * → told (COMPLETE, PRUNED or FAIL). A worker that dies leaves a lease whose owner is dead; the next claim takes that trial over with the same
 * point. Every claim has a new attempt number, and each later write must match it, so a worker that was given up for dead cannot
 * write into its successor's trial.
 *
 * Marks: asks and tells are numbered in one sequence. The history at mark m holds every trial asked at or before m; told by then: as it ended;
 * else RUNNING and without intermediate results. So the history that an ask saw can be rebuilt at any later time, and its point recomputed.
 *
 * A handle belongs to one process and one thread at a time, and is not carried across fork. Values are stored as they are measured; only what
 * plugins see is turned around for a maximised objective. Failures: ASSAY_E_STORAGE unless said otherwise, the sentence naming the file.
 */
#ifndef ASSAY_STUDY_STUDY_H
#define ASSAY_STUDY_STUDY_H

#include <assay/search.h>
#include <stdbool.h>

struct assay_study;
struct assay_arena;

/* ---- Opening ---- */

/* What a study is made for. */
struct assay_study_facts {
  const char *name; /* of the study inside the file */
  bool maximise;
  uint64_t seed; /* with a trial's number, seeds its ask */
  const struct assay_space *space;
  /* Text of a choice, as it would stand in the INI; valid until the next call. Numbers become JSON numbers, the rest strings. */
  const char *(*choice_text)(void *context, uint32_t dimension, uint32_t choice);
  void *context;
  const char *alembic_version; /* of the tables, for Optuna's own checks; NULL: v3.2.0.a, as its versions from 4.9 on have it (3.x: v3.0.0.d) */
};

/* Opens the study for work, creating file and study where absent. ASSAY_E_CONFIG when it is there, but for another direction, seed or space (the
 * sentence names the first axis that differs). Network file systems are refused. */
int assay_study_open(const char *path, const struct assay_study_facts *facts, struct assay_study **study, struct assay_status *status);
/* Opens an existing study for reading only; `name` NULL: the only or first one. Works in a read-only folder too. */
int assay_study_read(const char *path, const char *name, struct assay_study **study, struct assay_status *status);
void assay_study_close(struct assay_study *study); /* NULL is fine */

/* As opened; for a study that was only read, rebuilt from the file. All live as long as the handle. */
const char *assay_study_name(const struct assay_study *study);
const struct assay_space *assay_study_space(const struct assay_study *study);
bool assay_study_maximises(const struct assay_study *study);
uint64_t assay_study_seed(const struct assay_study *study);
/* The text of `number` on an axis: the choice's text, or the shortest decimal. From `arena`; NULL when memory is short. */
const char *assay_study_value_text(const struct assay_study *study, uint32_t dimension, double number, struct assay_arena *arena);

/* Facts about the whole study for people and tools, as JSON text; seen by Optuna as user attributes. Reading gives NULL for an absent key. */
int assay_study_set_attribute(struct assay_study *study, const char *key, const char *json, struct assay_status *status);
int assay_study_attribute(struct assay_study *study, const char *key, struct assay_arena *arena, const char **json, struct assay_status *status);

/* Adds to the seconds that this study has taken so far and gives the total, for `[search] time` across interruptions; 0 only reads. */
int assay_study_spend(struct assay_study *study, double seconds, double *total, struct assay_status *status);

/* ---- Working on trials ---- */

enum { ASSAY_STUDY_ATTEMPTS = 3 }; /* a trial whose workers died so often is FAIL */

enum assay_claim_outcome {
  ASSAY_CLAIM_TRIAL = 1, /* work on it */
  ASSAY_CLAIM_WAIT = 2,  /* nothing now, but others still run and may yet have to be taken over; ask again shortly */
  ASSAY_CLAIM_DONE = 3   /* no further trial, none running */
};

/* Where the values of a trial come from. */
enum assay_point_origin {
  ASSAY_POINT_DEFAULTS = 1, /* trial 0 */
  ASSAY_POINT_SEARCH = 2,
  ASSAY_POINT_ENQUEUED = 3 /* put there from outside (Optuna's enqueue_trial): some or all of its values were given */
};

/* A trial that this worker holds. Filled by assay_study_claim; the caller only reads it. */
struct assay_claim {
  uint32_t outcome; /* enum assay_claim_outcome; the rest holds only with ASSAY_CLAIM_TRIAL */
  uint32_t number;
  uint32_t attempt; /* from 1; above 1: an earlier worker died or gave the trial back */
  uint32_t origin;  /* enum assay_point_origin */
  int64_t mark;     /* of the history that its ask saw */
  int64_t row;      /* trial_id */
  double *point;    /* one number an axis, NaN where inactive; from the arena */
};

/* Names the process that watches over this worker (the search's parent). When worker and supervisor are both found dead, the search was killed as a
 * whole, and that does not count as one of the trial's attempts. Without one every death counts. 0: none. ASSAY_E_FAILED when there is no such process. */
int assay_study_set_supervisor(struct assay_study *study, int64_t process, struct assay_status *status);

/* Names the device that this worker trains on; copied. A trial with which that device failed is left to the other workers as long as they are busy or take it. */
int assay_study_set_device(struct assay_study *study, const char *device, struct assay_status *status);

/* Takes the next trial and asks the search for its point: first trials whose owner died or gave them back, then enqueued ones, then a new one while there
 * are fewer than `trials` of them (and fewer than the search's count of points). The claim is committed before the search is asked.
 * A trial that was already asked keeps its point. The search's own error is passed on and the trial given back; ASSAY_E_PLUGIN when it
 * gives a point outside of the space. */
int assay_study_claim(struct assay_study *study, uint32_t trials, const struct assay_search *search, const struct assay_option_value *const *options,
                      struct assay_arena *arena, struct assay_claim *claim, struct assay_status *status);

/* All of these give ASSAY_E_FAILED when the claim was lost to another worker: drop the trial and claim another. */

/* Says that the worker lives, and how far it is (free text, NULL: as before). Also writes out what was reported. */
int assay_study_heartbeat(struct assay_study *study, const struct assay_claim *claim, const char *progress, struct assay_status *status);
/* An intermediate result. step = fold * epochs + epoch; a second value of the same step replaces the first. Kept in memory and written at most once a
 * second, and before the trial ends. */
int assay_study_report(struct assay_study *study, const struct assay_claim *claim, uint32_t step, double value, struct assay_status *status);
/* A fact about the trial as JSON text; written with the reports. A later one of the same key replaces it. */
int assay_study_set_trial_attribute(struct assay_study *study, const struct assay_claim *claim, const char *key, const char *json, struct assay_status *status);
/* Should the trial stop now, by its reports so far and the history? */
int assay_study_should_prune(struct assay_study *study, const struct assay_claim *claim, const struct assay_pruner *pruner,
                             const struct assay_option_value *const *options, bool *prune, struct assay_status *status);

/* The trial's end. A value that is not a number is ASSAY_E_NONFINITE and writes nothing: such a trial has failed. */
int assay_study_complete(struct assay_study *study, const struct assay_claim *claim, double value, struct assay_status *status);
int assay_study_pruned(struct assay_study *study, const struct assay_claim *claim, struct assay_status *status);
int assay_study_failed(struct assay_study *study, const struct assay_claim *claim, const char *reason, struct assay_status *status);
/* Gives the trial back unfinished, as on Ctrl-C: the next claim takes it, and this attempt does not count. */
int assay_study_give_back(struct assay_study *study, const struct assay_claim *claim, struct assay_status *status);

/* ---- Faults of devices ---- */

/* A worker ended because its device failed, or was ended by the driver. */
struct assay_fault {
  const char *device, *message; /* message: what happened, in one sentence */
  int64_t trial;                /* that it worked on; -1: none */
  bool left_alone;              /* the device is not used any more in this start of the run */
  const char *at;               /* UTC, as in records; not looked at when noting */
};
int assay_study_note_fault(struct assay_study *study, const struct assay_fault *fault, struct assay_status *status);
/* All of them in order, memory from `arena`. */
int assay_study_faults(struct assay_study *study, struct assay_arena *arena, const struct assay_fault **faults, uint32_t *count, struct assay_status *status);

/* ---- Reading ---- */

struct assay_study_counts {
  uint32_t running, complete, pruned, failed, waiting; /* waiting: enqueued, or given back, or left by a dead worker */
};
int assay_study_count(struct assay_study *study, struct assay_study_counts *counts, struct assay_status *status);

struct assay_attribute {
  const char *key, *json;
};

/* A trial as it is stored. */
struct assay_trial_record {
  uint32_t number, state; /* enum assay_trial_state */
  uint32_t origin;        /* enum assay_point_origin; 0: worked on by another program */
  uint32_t attempts;
  const double *point; /* NaN where inactive or unknown */
  double value;        /* as measured; COMPLETE, and PRUNED's last; else NaN */
  uint32_t intermediate_count;
  const uint32_t *steps;           /* ascending */
  const double *intermediates;     /* as measured */
  const char *reason;              /* FAILED: why; else NULL */
  const char *started, *completed; /* UTC, "2026-01-31 12:34:56.789012"; NULL: not yet */
  double seconds;                  /* from start to completion; NaN: not complete */
  uint32_t attribute_count;
  const struct assay_attribute *attributes;
};
/* All trials by number, memory from `arena`. */
int assay_study_list(struct assay_study *study, struct assay_arena *arena, const struct assay_trial_record *const **records, uint32_t *count,
                     struct assay_status *status);
/* The best COMPLETE trial (of equals the first), or NULL. */
int assay_study_best(struct assay_study *study, struct assay_arena *arena, const struct assay_trial_record **best, struct assay_status *status);

/* Who works on what, for a live view. */
struct assay_running {
  uint32_t number, attempt;
  int64_t process;
  bool alive;           /* as far as can be known */
  double silent;        /* seconds since the last sign of life */
  const char *progress; /* as given with the heartbeat; "" at first */
};
int assay_study_running(struct assay_study *study, struct assay_arena *arena, const struct assay_running **running, uint32_t *count,
                        struct assay_status *status);

/* The history as search plugins saw it at a mark; INT64_MAX: now. Turned around for a maximised objective. */
int assay_study_history(struct assay_study *study, int64_t mark, struct assay_arena *arena, const struct assay_history **history, struct assay_status *status);
/* Computes the point of an asked trial again, from its mark. ASSAY_E_CONFIG when there is no such trial. `point`: one number an axis. */
int assay_study_recompute(struct assay_study *study, uint32_t number, const struct assay_search *search, const struct assay_option_value *const *options,
                          double *point, struct assay_status *status);

#endif
