/* SPDX-License-Identifier: MIT
 *
 * Views: where the elements of a value lie. Reshapes, transposes, slices, broadcasts and lone casts of a value are other views of the same storage
 * and cost nothing; whoever reads a value either follows its strides and converts what it loads, or asks for a dense copy.
 */
#ifndef ASSAY_OPENCL_VIEW_H
#define ASSAY_OPENCL_VIEW_H

#include <assay/graph.h>
#include <stdbool.h>

enum { ASSAY_CL_CONSTANT = -1 }; /* in place of a storage: every element is `constant` */

struct assay_cl_view {
  int32_t storage; /* number within the function, or ASSAY_CL_CONSTANT */
  int32_t dtype;  /* of the value */
  int32_t stored; /* dtype in memory; elements are cast when they are loaded */
  int32_t rank;
  int64_t extents[ASSAY_MAX_RANK], strides[ASSAY_MAX_RANK], offset; /* in elements */
  double constant;
};

struct assay_cl_view assay_cl_view_dense(const struct assay_tensor_type *type, int32_t storage);
int64_t assay_cl_view_count(const struct assay_cl_view *view);
/* Row-major without gaps, from the storage's first element on, and stored as what it is. */
bool assay_cl_view_is_dense(const struct assay_cl_view *view);
/* NumPy's rule; the view must be able to take that shape. */
struct assay_cl_view assay_cl_view_broadcast(const struct assay_cl_view *view, int32_t rank, const int64_t *extents);
/* False when no strides give that shape. */
bool assay_cl_view_reshape(const struct assay_cl_view *view, int32_t rank, const int64_t *extents, struct assay_cl_view *result);
struct assay_cl_view assay_cl_view_transpose(const struct assay_cl_view *view, const int32_t *axes);
struct assay_cl_view assay_cl_view_slice(const struct assay_cl_view *view, const struct assay_slice_attributes *slice, const struct assay_tensor_type *type);

#endif
