/* SPDX-License-Identifier: MIT
 *
 * The run folder: everything that a run leaves, and the way back from it to plan, data and study. The parent starts or continues it;
 * workers, `finish` and `report` load it.
 */
#ifndef ASSAY_RUN_FOLDER_H
#define ASSAY_RUN_FOLDER_H

#include "config/plan.h"
#include "data/data.h"
#include "study/study.h"

struct assay_run {
  struct assay_arena *arena;
  const char *folder, *name;             /* "runs/student", "student" */
  struct assay_plan *plan;
  const struct assay_settings *settings; /* the defaults */
  struct assay_dataset *dataset;         /* audited, gated and split; NULL until assay_run_open_data */
  struct assay_study *study;             /* NULL until assay_run_open_study */
  int lock;                              /* descriptor; -1 */
};

/* Starts the run in `folder`, or continues it when it is there and `plan` differs only in what may change; otherwise ASSAY_E_CONFIG names the keys. Takes
 * the plan over, also on failure. The folder is locked against a second parent: ASSAY_E_STORAGE. */
int assay_run_start(const char *folder, struct assay_plan *plan, struct assay_registry *registry, struct assay_run **run, struct assay_status *status);
/* Loads a run from its config.ini; pretrained weights are those that it kept. */
int assay_run_load(const char *folder, struct assay_registry *registry, struct assay_run **run, struct assay_status *status);
/* Locks a loaded run as assay_run_start does. */
int assay_run_lock(struct assay_run *run, struct assay_status *status);
void assay_run_close(struct assay_run *run); /* NULL is fine */

/* Scans, audits, gates and splits. The audit's findings are logged when `tell`. */
int assay_run_open_data(struct assay_run *run, bool tell, struct assay_status *status);
/* Opens the study for work; ASSAY_E_DATA when it was made with other data than now lies in the folder. Needs the data. */
int assay_run_open_study(struct assay_run *run, struct assay_status *status);
/* Opens the study for reading. ASSAY_E_STORAGE when there is none yet. */
int assay_run_read_study(struct assay_run *run, struct assay_status *status);

/* A path inside the folder, from the run's arena; NULL when memory is short. */
char *assay_run_path(const struct assay_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The run's own copy of its pretrained weights. */
#define ASSAY_RUN_WEIGHTS "weights.safetensors"
/* Keeps the pretrained weights, if there are any, and writes weights.csv: what of them the network of the default values has, what not and why. Needs the data. */
int assay_run_keep_weights(const struct assay_run *run, struct assay_status *status);
/* split.csv: path, label, part, fold, group, hash and problem of every image. */
int assay_run_write_split(const struct assay_run *run, struct assay_status *status);
/* environment.json: versions, machine, seeds. `device` in words. */
int assay_run_write_environment(const struct assay_run *run, const char *device, struct assay_status *status);

#endif
