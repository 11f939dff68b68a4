/* SPDX-License-Identifier: MIT
 *
 * The parent's side of a search: starts a worker process for each device, listens to them, restarts those that die, and asks them to stop.
 *
 * The pipe to a worker's standard input says two things: a byte asks it to stop at the next batch, and its end means that the parent is gone, after
 * which the worker leaves at once.
 */
#ifndef ASSAY_RUN_SUPERVISOR_H
#define ASSAY_RUN_SUPERVISOR_H

#include "run/folder.h"
#include "run/worker.h"

enum { ASSAY_WORKER_STOP = 's' }; /* the byte that asks a worker to stop */

struct assay_supervisor {
  struct assay_run *run;       /* with its study open */
  const char *program;         /* what to start: assay_process_tool() */
  const char *plugin_path;     /* passed on; NULL: none */
  bool quiet;                  /* passed on */
  const char *const *devices;  /* one worker each; a device may stand there several times */
  uint32_t device_count;
  uint32_t *faults;            /* by device, at its first place: kept by the caller from the search to the final model; zeros at first */
  bool (*stopped)(void);       /* has the user asked to stop? */
  void *context;
  void (*message)(void *context, uint32_t worker, const struct assay_message *message); /* everything that workers say */
};

enum { ASSAY_FAULTS_ALLOWED = 3 }; /* with so many faults a device is left alone */

/* Runs the workers until they are done, `stopped` or out of time ([search] time). The latter two give 0 as well, with `*interrupted` set when it was the user.
 *
 * A worker whose device fails, or that is ended from outside, is a fault of its device: it is noted in the study, and another worker is started in its place.
 * The trial that it had goes to another device first. After three faults, or when it could not even be opened, the device is left alone. The final model is
 * made on one device, and on the next one when that fails. When no device is left: the error of the last one. */
int assay_supervisor_run(const struct assay_supervisor *supervisor, enum assay_worker_mode mode, bool *interrupted, struct assay_status *status);

#endif
