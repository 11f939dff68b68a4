/* SPDX-License-Identifier: MIT
 *
 * OpenCL programs, kept in the process and on disk once they are compiled.
 */
#ifndef ASSAY_OPENCL_PROGRAM_H
#define ASSAY_OPENCL_PROGRAM_H

#include "backends/opencl/device.h"

/* The program for `source` with `options`: from this process, else from the core's cache of binaries, else compiled and kept in both. It
 * belongs to the device. `name` is for messages. */
int assay_cl_program(struct assay_device *device, const char *name, const char *source, const char *options, cl_program *program, struct assay_status *status);
void assay_cl_programs_release(struct assay_device *device);

#endif
