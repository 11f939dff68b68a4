/* SPDX-License-Identifier: MIT
 *
 * Lowering of ops that only say where elements go. Most become views; padding is a kernel, and concatenation copies into parts of one.
 */
#include "backends/opencl/lower.h"

#include <string.h>

static void lower_reshape(struct assay_cl_lowering *lowering, const struct assay_node *node) {
  const struct assay_tensor_type *type = assay_cl_type(lowering, node->first_output);
  struct assay_cl_view view;
  if (!assay_cl_view_reshape(assay_cl_view_of(lowering, node->inputs[0]), type->rank, type->extents, &view))
    view = assay_cl_view_dense(type, assay_cl_dense(lowering, node->inputs[0]).storage);
  lowering->views[node->first_output] = view;
}

static void lower_concat(struct assay_cl_lowering *lowering, const struct assay_node *node) {
  const struct assay_axis_attributes *attributes = node->attributes;
  const struct assay_cl_view whole = assay_cl_result(lowering, node->first_output);
  int64_t start = 0;
  for (uint32_t i = 0; i < node->input_count; i++) {
    const struct assay_cl_view *from = assay_cl_view_of(lowering, node->inputs[i]);
    struct assay_cl_view part = whole;
    part.offset = start * whole.strides[attributes->axis];
    part.extents[attributes->axis] = from->extents[attributes->axis];
    start += part.extents[attributes->axis];
    assay_cl_copy(lowering, from, &part);
  }
}

static const char *bits_type(int32_t dtype) { return assay_dtype_size(dtype) == 1 ? "-D TYPE=uchar" : "-D TYPE=uint"; }

static void lower_pad(struct assay_cl_lowering *lowering, const struct assay_node *node) {
  const struct assay_pad_attributes *attributes = node->attributes;
  const struct assay_cl_view from = assay_cl_readable(lowering, node->inputs[0]);
  const struct assay_cl_view to = assay_cl_result(lowering, node->first_output);
  struct assay_cl_step *step = assay_cl_step(lowering, "pad", "pad", bits_type(from.dtype), 5 + 5 * ASSAY_MAX_RANK);
  assay_cl_memory(lowering, step, from.storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, to.storage, ASSAY_CL_WRITE);
  assay_cl_number(lowering, step, from.dtype, attributes->value);
  assay_cl_integer(lowering, step, assay_cl_view_count(&to));
  assay_cl_integer(lowering, step, from.offset);
  for (int32_t place = 0; place < ASSAY_MAX_RANK; place++) {
    const int32_t axis = place - (ASSAY_MAX_RANK - from.rank);
    const bool there = axis >= 0;
    assay_cl_integer(lowering, step, there ? to.extents[axis] : 1);
    assay_cl_integer(lowering, step, there ? from.extents[axis] : 1);
    assay_cl_integer(lowering, step, there ? attributes->low[axis] : 0);
    assay_cl_integer(lowering, step, there ? attributes->interior[axis] + 1 : 1);
    assay_cl_integer(lowering, step, there ? from.strides[axis] : 0);
  }
  assay_cl_items(step, assay_cl_view_count(&to));
}

void assay_cl_lower_place(struct assay_cl_lowering *lowering, const struct assay_node *node) {
  const struct assay_cl_view *from = assay_cl_view_of(lowering, node->inputs[0]);
  const struct assay_tensor_type *type = assay_cl_type(lowering, node->first_output);
  struct assay_cl_view *view = &lowering->views[node->first_output];
  switch (node->op) {
  case ASSAY_OP_BROADCAST: *view = assay_cl_view_broadcast(from, type->rank, type->extents); return;
  case ASSAY_OP_TRANSPOSE: *view = assay_cl_view_transpose(from, ((const struct assay_transpose_attributes *)node->attributes)->axes); return;
  case ASSAY_OP_SLICE: *view = assay_cl_view_slice(from, node->attributes, type); return;
  case ASSAY_OP_RESHAPE: lower_reshape(lowering, node); return;
  case ASSAY_OP_CONCAT: lower_concat(lowering, node); return;
  default: lower_pad(lowering, node); return;
  }
}
