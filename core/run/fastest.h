/* SPDX-License-Identifier: MIT
 *
 * `devices = auto`: which of several devices runs a network fastest. Each is timed once, on noise, by a child; the answer is remembered by the key of the program that was timed
 * and the devices that there were. A run is asked for the time of its training step, a model for that of a batch.
 */
#ifndef ASSAY_RUN_FASTEST_H
#define ASSAY_RUN_FASTEST_H

#include "run/device.h"

struct assay_run;

/* What the network of a run is built for. */
struct assay_network_shape {
  uint32_t class_count, height, width, channels;
};

/* What the child does: trains the run's default network for a moment on images of noise; seconds of one step, the fastest epoch's. */
int assay_step_time(const struct assay_run *run, const struct assay_network_shape *shape, struct assay_session *session, double *seconds, struct assay_status *status);

/* The context of `assay_fastest_pick`, a function for struct assay_device_picker. Its choice is logged with the reason: what was measured, or why nothing was. */
struct assay_fastest {
  const char *program;         /* what the answer depends on besides the devices; NULL: it is not remembered */
  const char *const *question; /* how the tool is asked for the seconds, before the name of the device; ends with NULL */
  const char *unit;            /* what is timed: "step" */
  const char *plugin_path;
  struct assay_arena *arena;
};
int assay_fastest_pick(void *context, const struct assay_listed_device *const *candidates, uint32_t count, const char **name, struct assay_status *status);

/* The training step of a run whose data are open. */
int assay_fastest_for_run(const struct assay_run *run, const char *plugin_path, struct assay_arena *arena, struct assay_fastest *fastest, struct assay_status *status);

#endif
