/* SPDX-License-Identifier: MIT
 *
 * Parameters that were measured on this device: reading them (tuned.c) and measuring them (tune.c).
 */
#ifndef ASSAY_OPENCL_TUNED_H
#define ASSAY_OPENCL_TUNED_H

#include "backends/opencl/device.h"

enum { ASSAY_CL_TUNED_TEXT = 400 };
#define ASSAY_CL_CLBLAST_PARAMETER "clblast_from"

void assay_cl_tuned_device(const struct assay_device *device, char text[ASSAY_CL_TUNED_TEXT]);
/* Device and driver, tab, parameter. */
void assay_cl_tuned_key(const struct assay_device *device, const char *parameter, char text[ASSAY_CL_TUNED_TEXT]);
/* "conv2d.64" */
void assay_cl_tile_parameter(enum assay_cl_family family, int row_class, char *text, size_t size);

/* Puts the lines that are about this device over the defaults. `text` is cut up. */
void assay_cl_tuned_apply(struct assay_device *device, char *text);
void assay_cl_tuned_load(struct assay_device *device);

/* The backend's `tune`. */
int assay_cl_tune(struct assay_device *device, const struct assay_tuner *tuner, struct assay_status *status);

#endif
