/* SPDX-License-Identifier: MIT
 *
 * Parameters that were measured on this device: their names and values as text, reading them (tuned.c) and measuring them (tune.c).
 */
#ifndef ASSAY_OPENCL_TUNED_H
#define ASSAY_OPENCL_TUNED_H

#include "backends/opencl/device.h"

enum { ASSAY_CL_TUNED_TEXT = 512, ASSAY_CL_PARAMETER_TEXT = 64 };

/* Parameters by number: a tile for each family and class of rows, then who computes each class of matrix products. */
bool assay_cl_parameter_is_tile(uint32_t number, enum assay_cl_family *family, int *row_class);
int assay_cl_parameter_gemm_class(uint32_t number); /* of one that is no tile */
/* "conv2d.64", "gemm.64x256x1024" */
void assay_cl_parameter_name(uint32_t number, char text[ASSAY_CL_PARAMETER_TEXT]);
/* The value that is set now: "128x128x16/8x8/4", "clblast", "own", or "" for a class of products that nobody has measured. */
void assay_cl_parameter_print(const struct assay_device *device, uint32_t number, char text[ASSAY_CL_TILE_TEXT]);
/* False, and nothing set, when the value is not understood, or the device could not run it. */
bool assay_cl_parameter_set(struct assay_device *device, uint32_t number, const char *value);

/* Name and driver, as they are listed, tab, name of the parameter. */
void assay_cl_tuned_key(const struct assay_device *device, uint32_t number, char text[ASSAY_CL_TUNED_TEXT]);
/* Puts the lines that are about this device over the defaults. `text` is cut up. */
void assay_cl_tuned_apply(struct assay_device *device, char *text);
void assay_cl_tuned_load(struct assay_device *device);

/* The backend's `tune`. */
int assay_cl_tune(struct assay_device *device, const struct assay_tuner *tuner, struct assay_status *status);

#endif
