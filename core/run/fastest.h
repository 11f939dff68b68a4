/* SPDX-License-Identifier: MIT
 *
 * `devices = auto`: which of several devices trains a run's network fastest. Each is timed once, on noise, by a child; the answer is remembered by the network's program
 * key and the devices that there were.
 */
#ifndef ASSAY_RUN_FASTEST_H
#define ASSAY_RUN_FASTEST_H

#include "run/device.h"
#include "run/folder.h"

/* What the network of a run is built for. */
struct assay_network_shape {
  uint32_t class_count, height, width, channels;
};

/* What the child does: trains the run's default network for a moment on images of noise; seconds of one step, the fastest epoch's. */
int assay_step_time(const struct assay_run *run, const struct assay_network_shape *shape, struct assay_session *session, double *seconds, struct assay_status *status);

/* The context of `assay_fastest_pick`, a function for struct assay_device_picker. Its choice is logged with the reason: what was measured, or why nothing was. */
struct assay_fastest {
  const struct assay_run *run; /* its data are open */
  const char *plugin_path;
  struct assay_arena *arena;
};
int assay_fastest_pick(void *context, const struct assay_listed_device *const *candidates, uint32_t count, const char **name, struct assay_status *status);

#endif
