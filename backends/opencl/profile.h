/* SPDX-License-Identifier: MIT
 *
 * The cost of a function's launches, for those who ask with the option `profile`: how long each takes by the device's own clock, beside what it moves and computes.
 */
#ifndef ASSAY_OPENCL_PROFILE_H
#define ASSAY_OPENCL_PROFILE_H

#include "backends/opencl/lower.h"

/* One a launch. */
struct assay_cl_cost {
  cl_event event; /* of the last run; NULL: none is under way */
  uint64_t best;  /* nanoseconds; 0: never measured */
};

/* Waits for the events of the last run and takes their times. */
int assay_cl_costs_collect(struct assay_device *device, struct assay_cl_cost *costs, uint32_t count, struct assay_status *status);
/* Says what was measured: a message "opencl: cost FUNCTION NUMBER KERNEL ORIGIN MICROSECONDS BYTES OPERATIONS" a launch, with the best time of all runs. */
void assay_cl_costs_tell(struct assay_device *device, const char *name, const struct assay_cl_function *function, const struct assay_cl_cost *costs);

#endif
