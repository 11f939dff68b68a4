/* SPDX-License-Identifier: MIT
 *
 * The text of the kernel files: built into the module, or the user's own where ASSAY_KERNEL_PATH has one; with what they include.
 */
#ifndef ASSAY_OPENCL_SOURCE_H
#define ASSAY_OPENCL_SOURCE_H

#include "backends/opencl/device.h"

struct assay_cl_kernel_file {
  const char *name; /* "conv2d" for kernels/conv2d.cl; NULL ends the table */
  const char *text;
};
extern const struct assay_cl_kernel_file assay_cl_kernel_files[]; /* made by kernels/embed */

/* The whole text of a kernel file. It belongs to the device and is the same pointer whenever it is asked for. 0, or an error about the user's file. */
int assay_cl_source(struct assay_device *device, const char *name, const char **text, struct assay_status *status);
void assay_cl_sources_release(struct assay_device *device);

#endif
