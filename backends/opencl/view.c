/* SPDX-License-Identifier: MIT
 *
 * Arithmetic on views.
 */
#include "backends/opencl/view.h"

struct assay_cl_view assay_cl_view_dense(const struct assay_tensor_type *type, int32_t storage) {
  struct assay_cl_view view = {.storage = storage, .dtype = type->dtype, .stored = type->dtype, .rank = type->rank};
  int64_t stride = 1;
  for (int32_t axis = type->rank - 1; axis >= 0; axis--) {
    view.extents[axis] = type->extents[axis];
    view.strides[axis] = stride;
    stride *= type->extents[axis];
  }
  return view;
}

int64_t assay_cl_view_count(const struct assay_cl_view *view) {
  int64_t count = 1;
  for (int32_t axis = 0; axis < view->rank; axis++) count *= view->extents[axis];
  return count;
}

bool assay_cl_view_is_dense(const struct assay_cl_view *view) {
  int64_t stride = 1;
  if (view->storage < 0 || view->offset || view->stored != view->dtype) return false;
  for (int32_t axis = view->rank - 1; axis >= 0; axis--) {
    if (view->extents[axis] != 1 && view->strides[axis] != stride) return false;
    stride *= view->extents[axis];
  }
  return true;
}

struct assay_cl_view assay_cl_view_broadcast(const struct assay_cl_view *view, int32_t rank, const int64_t *extents) {
  struct assay_cl_view result = *view;
  result.rank = rank;
  for (int32_t axis = 0; axis < rank; axis++) {
    const int32_t from = axis - (rank - view->rank);
    result.extents[axis] = extents[axis];
    result.strides[axis] = from < 0 || view->extents[from] != extents[axis] ? 0 : view->strides[from];
  }
  return result;
}

/* Walks both shapes from the front in runs of equal element count. Within a run the old axes must follow one another as if they were one. */
bool assay_cl_view_reshape(const struct assay_cl_view *view, int32_t rank, const int64_t *extents, struct assay_cl_view *result) {
  int64_t old_extents[ASSAY_MAX_RANK], old_strides[ASSAY_MAX_RANK];
  int32_t old_rank = 0;
  for (int32_t axis = 0; axis < view->rank; axis++)
    if (view->extents[axis] != 1) {
      old_extents[old_rank] = view->extents[axis];
      old_strides[old_rank++] = view->strides[axis];
    }
  *result = *view;
  result->rank = rank;
  for (int32_t axis = 0; axis < rank; axis++) {
    result->extents[axis] = extents[axis];
    result->strides[axis] = 0;
  }
  int32_t old_axis = 0, new_axis = 0;
  while (old_axis < old_rank && new_axis < rank) {
    int32_t old_end = old_axis + 1, new_end = new_axis + 1;
    int64_t old_count = old_extents[old_axis], new_count = extents[new_axis];
    while (old_count != new_count) {
      if (old_count < new_count) {
        if (old_end == old_rank) return false;
        old_count *= old_extents[old_end++];
      } else {
        if (new_end == rank) return false;
        new_count *= extents[new_end++];
      }
    }
    for (int32_t axis = old_axis; axis + 1 < old_end; axis++)
      if (old_strides[axis] != old_extents[axis + 1] * old_strides[axis + 1]) return false;
    int64_t stride = old_strides[old_end - 1];
    for (int32_t axis = new_end - 1; axis >= new_axis; axis--) {
      result->strides[axis] = stride;
      stride *= extents[axis];
    }
    old_axis = old_end;
    new_axis = new_end;
  }
  return true;
}

struct assay_cl_view assay_cl_view_transpose(const struct assay_cl_view *view, const int32_t *axes) {
  struct assay_cl_view result = *view;
  for (int32_t axis = 0; axis < view->rank; axis++) {
    result.extents[axis] = view->extents[axes[axis]];
    result.strides[axis] = view->strides[axes[axis]];
  }
  return result;
}

struct assay_cl_view assay_cl_view_slice(const struct assay_cl_view *view, const struct assay_slice_attributes *slice, const struct assay_tensor_type *type) {
  struct assay_cl_view result = *view;
  for (int32_t axis = 0; axis < view->rank; axis++) {
    result.offset += slice->start[axis] * view->strides[axis];
    result.strides[axis] = slice->step[axis] * view->strides[axis];
    result.extents[axis] = type->extents[axis];
  }
  return result;
}
