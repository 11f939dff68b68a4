/* SPDX-License-Identifier: MIT
 *
 * Times of launches, by profiling events. A run's events are looked at before the next run, so profiling costs the overlap of two steps, and nothing where it is off.
 */
#include "backends/opencl/profile.h"

#include <inttypes.h>
#include <stdio.h>

static cl_int time_of(cl_event event, uint64_t *nanoseconds) {
  cl_ulong start = 0, end = 0;
  cl_int error = clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_START, sizeof start, &start, NULL);
  if (error == CL_SUCCESS) error = clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL);
  *nanoseconds = end > start ? end - start : 1;
  return error;
}

int assay_cl_costs_collect(struct assay_device *device, struct assay_cl_cost *costs, uint32_t count, struct assay_status *status) {
  int code = ASSAY_OK;
  for (uint32_t n = 0; n < count; n++) {
    struct assay_cl_cost *cost = &costs[n];
    uint64_t nanoseconds;
    if (!cost->event) continue;
    cl_int error = clWaitForEvents(1, &cost->event);
    if (error == CL_SUCCESS) error = time_of(cost->event, &nanoseconds);
    if (error == CL_SUCCESS && (!cost->best || nanoseconds < cost->best)) cost->best = nanoseconds;
    if (error != CL_SUCCESS && !code) code = assay_cl_fail(device, "clGetEventProfilingInfo", error, status);
    clReleaseEvent(cost->event);
    cost->event = NULL;
  }
  return code;
}

/* Each tensor that the launch reads or writes, once each way. */
static uint64_t bytes_of(const struct assay_cl_function *function, const struct assay_cl_step *step) {
  uint64_t bytes = 0;
  for (uint32_t a = 0; a < step->argument_count; a++) {
    const struct assay_cl_argument *argument = &step->arguments[a];
    bool seen = !argument->access;
    for (uint32_t b = 0; b < a && !seen; b++) {
      const struct assay_cl_argument *other = &step->arguments[b];
      seen = other->access && other->storage == argument->storage && (other->access & ASSAY_CL_WRITE) == (argument->access & ASSAY_CL_WRITE);
    }
    if (!seen) bytes += function->storages[argument->storage].size;
  }
  return bytes;
}

void assay_cl_costs_tell(struct assay_device *device, const char *name, const struct assay_cl_function *function, const struct assay_cl_cost *costs) {
  for (uint32_t n = 0; n < function->step_count; n++) {
    const struct assay_cl_step *step = function->steps[n];
    char message[320];
    if (!costs[n].best) continue;
    snprintf(message, sizeof message, "opencl: cost %.60s %u %.60s %.100s %.3f %" PRIu64 " %.0f", name, n, step->gemm ? "clblast" : step->kernel_name,
             step->origin[0] ? step->origin : "-", (double)costs[n].best * 1e-3, bytes_of(function, step), step->operations);
    device->host->log(1, message);
  }
}
