/* SPDX-License-Identifier: MIT
 *
 * A worker: claims trials of a study and trains them on one device, or makes the final model. It runs in a process of its own, so a driver that
 * takes it down takes nothing else with it.
 */
#ifndef ASSAY_RUN_WORKER_H
#define ASSAY_RUN_WORKER_H

#include "run/folder.h"
#include "run/message.h"

enum assay_worker_mode {
  ASSAY_WORKER_SEARCH = 1, /* trials until none is left */
  ASSAY_WORKER_FINAL = 2   /* the best trial becomes the model */
};

struct assay_worker {
  struct assay_run *run; /* loaded; data and study are opened by the worker */
  const char *device;    /* as in assay_device_open */
  uint32_t workers;      /* that work at the same time, this one among them */
  struct assay_registry *registry;
  int messages;          /* descriptor for struct assay_message */
  bool (*stopped)(void); /* has the parent asked to stop? */
};

/* Works until nothing is left or it is stopped (ASSAY_E_INTERRUPTED: what was begun is given back). A trial that fails by itself (not a number, out of
 * memory, a network that does not fit the images) is recorded and the work goes on; a failing device, disk or plugin ends the worker. */
int assay_worker_run(struct assay_worker *worker, enum assay_worker_mode mode, struct assay_status *status);

#endif
