/* SPDX-License-Identifier: MIT
 *
 * Who computes a matrix product, CLBlast or kernels/matmul.cl: by class of shape, as `assay tune` has measured it, else by the number of multiply-adds.
 */
#ifndef ASSAY_OPENCL_GEMM_H
#define ASSAY_OPENCL_GEMM_H

#include <stdbool.h>
#include <stdint.h>

struct assay_device;

/* Each extent is small (up to 128), middle (up to 512) or large: 64, 256 and 1024 stand for them. */
enum { ASSAY_CL_EXTENT_CLASSES = 3, ASSAY_CL_GEMM_CLASSES = ASSAY_CL_EXTENT_CLASSES * ASSAY_CL_EXTENT_CLASSES * ASSAY_CL_EXTENT_CLASSES };

enum assay_cl_gemm_choice { ASSAY_CL_GEMM_UNKNOWN, ASSAY_CL_GEMM_OWN, ASSAY_CL_GEMM_CLBLAST };

/* What a device was opened with. */
struct assay_cl_gemms {
  enum assay_cl_gemm_choice of[ASSAY_CL_GEMM_CLASSES];
  uint64_t clblast_from; /* multiply-adds from which on CLBlast does a product of a class that is unknown */
};

int assay_cl_gemm_class(int64_t rows, int64_t columns, int64_t depth);
/* Rows, columns and depth of the product that stands for the class. */
void assay_cl_gemm_extents(int gemm_class, int64_t extents[3]);
bool assay_cl_gemm_by_clblast(const struct assay_device *device, int64_t rows, int64_t columns, int64_t depth);

#endif
