/* SPDX-License-Identifier: MIT
 *
 * Words shared by all public headers: errors, the status a failing call fills, number types and tensor types.
 *
 * Rules of the boundary between Assay and a plugin: structures begin with their size and only grow at the end; enumerators have
 * fixed values that are never renumbered; arrays of structures are arrays of pointers; strings are UTF-8 and belong to the side
 * that made them unless a comment says otherwise.
 */
#ifndef ASSAY_TYPES_H
#define ASSAY_TYPES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Functions that can fail return 0 or one of these. For -1 to -7 the exit code of the `assay` tool is the number without its sign; for MEMORY it is 4. */
enum assay_error {
  ASSAY_OK = 0,
  ASSAY_E_FAILED = -1,      /* none of the below */
  ASSAY_E_CONFIG = -2,      /* wrong use or configuration */
  ASSAY_E_DATA = -3,        /* images, labels, model files */
  ASSAY_E_DEVICE = -4,      /* a backend's device: absent, lost, refused */
  ASSAY_E_STORAGE = -5,     /* files, disk space, the study's data base */
  ASSAY_E_PLUGIN = -6,      /* a plugin is missing, unfit or misbehaves */
  ASSAY_E_FINDINGS = -7,    /* done, but a target was missed or an audit found something */
  ASSAY_E_UNSUPPORTED = -8, /* a backend cannot take this node; the core decomposes it or gives up */
  ASSAY_E_MEMORY = -9,      /* out of memory, of the host or of a device */
  ASSAY_E_NONFINITE = -10,  /* a loss or a weight is not a finite number */
  ASSAY_E_INTERRUPTED = -11 /* a signal asked to stop */
};

/* What went wrong, in one sentence that says what, where and what to do. The caller owns it; the callee fills it only on failure. */
struct assay_status {
  int32_t code; /* enum assay_error */
  char message[1020];
};

/* How numbers are stored. Values are ids in files: never renumber. */
enum assay_dtype {
  ASSAY_F64 = 1, /* backend `reference` only: gradient checks */
  ASSAY_F32 = 2,
  ASSAY_F16 = 3,  /* IEEE 754 binary16 */
  ASSAY_BF16 = 4, /* the upper half of a binary32 */
  ASSAY_I32 = 5,
  ASSAY_U32 = 6,
  ASSAY_U8 = 7,
  ASSAY_BOOL = 8 /* one byte, 0 or 1 */
};

#define ASSAY_MAX_RANK 6

/* Type of a tensor: dense, row-major as seen from outside (a backend may lay it out as it likes inside). Images are N, C, H, W in
 * graphs and N, H, W, C in data sets. Rank 0 is a scalar. */
struct assay_tensor_type {
  int32_t dtype; /* enum assay_dtype */
  int32_t rank;
  int64_t extents[ASSAY_MAX_RANK];
};

/* Bytes of one number; 0 for an unknown dtype. */
static inline size_t assay_dtype_size(int32_t dtype) {
  switch (dtype) {
  case ASSAY_F64: return 8;
  case ASSAY_F32:
  case ASSAY_I32:
  case ASSAY_U32: return 4;
  case ASSAY_F16:
  case ASSAY_BF16: return 2;
  case ASSAY_U8:
  case ASSAY_BOOL: return 1;
  default: return 0;
  }
}

static inline int assay_dtype_is_float(int32_t dtype) {
  return dtype == ASSAY_F64 || dtype == ASSAY_F32 || dtype == ASSAY_F16 || dtype == ASSAY_BF16;
}

/* Number of elements; 1 for a scalar. Extents of a type that came through shape inference cannot overflow this. */
static inline int64_t assay_element_count(const struct assay_tensor_type *type) {
  int64_t count = 1;
  for (int32_t axis = 0; axis < type->rank; axis++) count *= type->extents[axis];
  return count;
}

#ifdef __cplusplus
}
#endif
#endif
