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
  bool (*stopped)(void);       /* has the user asked to stop? */
  void *context;
  void (*message)(void *context, uint32_t worker, const struct assay_message *message); /* everything that workers say */
};

/* Runs the workers until they are done, `stopped` or out of time ([search] time). The latter two give 0 as well, with `*interrupted` set when it was the user.
 * A worker that dies is started again, but a device whose workers died three times without finishing a trial between is left alone. When no
 * device is left: the error of the last one. */
int assay_supervisor_run(const struct assay_supervisor *supervisor, enum assay_worker_mode mode, bool *interrupted, struct assay_status *status);

#endif
