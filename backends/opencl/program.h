/* SPDX-License-Identifier: MIT
 *
 * OpenCL programs: the kernel files built into the module, and compiled programs kept in the process and on disk.
 */
#ifndef ASSAY_OPENCL_PROGRAM_H
#define ASSAY_OPENCL_PROGRAM_H

#include "backends/opencl/device.h"

struct assay_cl_kernel_file {
  const char *name; /* "conv2d" for kernels/conv2d.cl; NULL ends the table */
  const char *text;
};
extern const struct assay_cl_kernel_file assay_cl_kernel_files[];

const char *assay_cl_kernel_text(const char *name); /* NULL when there is none */

/* The program for `source` with `options`: from this process, else from the core's cache of binaries, else compiled and kept in both. It
 * belongs to the device. `name` is for messages. */
int assay_cl_program(struct assay_device *device, const char *name, const char *source, const char *options, cl_program *program, struct assay_status *status);
void assay_cl_programs_release(struct assay_device *device);

#endif
