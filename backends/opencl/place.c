/* SPDX-License-Identifier: MIT
 *
 * Lowering of ops that only say where elements go. Most become views; padding and concatenation copy into parts of one.
 */
#include "backends/opencl/lower.h"

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

/* The value everywhere, and then the elements to their places: two kernels without arithmetic on places where one would divide for each axis. */
static void lower_pad(struct assay_cl_lowering *lowering, const struct assay_node *node) {
  const struct assay_pad_attributes *attributes = node->attributes;
  const struct assay_cl_view *from = assay_cl_view_of(lowering, node->inputs[0]);
  const struct assay_tensor_type *type = assay_cl_type(lowering, node->first_output);
  const struct assay_cl_view whole = assay_cl_result(lowering, node->first_output);
  struct assay_cl_view value = assay_cl_view_dense(type, ASSAY_CL_CONSTANT), part = whole;
  value.constant = attributes->value;
  assay_cl_copy(lowering, &value, &whole);
  for (int32_t axis = 0; axis < type->rank; axis++) {
    part.offset += attributes->low[axis] * whole.strides[axis];
    part.strides[axis] = (attributes->interior[axis] + 1) * whole.strides[axis];
    part.extents[axis] = from->extents[axis];
  }
  assay_cl_copy(lowering, from, &part);
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
