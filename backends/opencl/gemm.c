/* SPDX-License-Identifier: MIT
 *
 * Classes of matrix products, and who computes them.
 */
#include "backends/opencl/gemm.h"

#include "backends/opencl/device.h"

static int extent_class(int64_t extent) { return extent <= 128 ? 0 : extent <= 512 ? 1 : 2; }

int assay_cl_gemm_class(int64_t rows, int64_t columns, int64_t depth) {
  return (extent_class(rows) * ASSAY_CL_EXTENT_CLASSES + extent_class(columns)) * ASSAY_CL_EXTENT_CLASSES + extent_class(depth);
}

void assay_cl_gemm_extents(int gemm_class, int64_t extents[3]) {
  for (int i = 2; i >= 0; i--, gemm_class /= ASSAY_CL_EXTENT_CLASSES) extents[i] = INT64_C(64) << 2 * (gemm_class % ASSAY_CL_EXTENT_CLASSES);
}

bool assay_cl_gemm_by_clblast(const struct assay_device *device, int64_t rows, int64_t columns, int64_t depth) {
  const enum assay_cl_gemm_choice choice = device->gemms.of[assay_cl_gemm_class(rows, columns, depth)];
  if (choice != ASSAY_CL_GEMM_UNKNOWN) return choice == ASSAY_CL_GEMM_CLBLAST;
  return (uint64_t)rows * (uint64_t)columns * (uint64_t)depth >= device->gemms.clblast_from;
}
