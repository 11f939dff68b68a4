/* SPDX-License-Identifier: MIT
 *
 * Lowering of pooling and its gradients to kernels/pool2d.cl.
 */
#include "backends/opencl/lower.h"

enum { SHAPE_ARGUMENTS = 11 };

static void shape_arguments(struct assay_cl_lowering *lowering, struct assay_cl_step *step, const struct assay_tensor_type *x, const struct assay_tensor_type *y,
                            const struct assay_pool2d_attributes *attributes) {
  const int64_t numbers[SHAPE_ARGUMENTS] = {x->extents[0] * x->extents[1], x->extents[2],         x->extents[3],          y->extents[2],
                                            y->extents[3],                 attributes->kernel[0], attributes->kernel[1],  attributes->stride[0],
                                            attributes->stride[1],         attributes->pad_low[0], attributes->pad_low[1]};
  for (int i = 0; i < SHAPE_ARGUMENTS; i++) assay_cl_integer(lowering, step, numbers[i]);
}

static void lower_max(struct assay_cl_lowering *lowering, const struct assay_node *node) {
  const struct assay_cl_view x = assay_cl_dense(lowering, node->inputs[0]);
  const struct assay_cl_view y = assay_cl_result(lowering, node->first_output), residual = assay_cl_result(lowering, node->first_output + 1);
  struct assay_cl_step *step = assay_cl_step(lowering, "pool2d", "max_pool2d", "", 3 + SHAPE_ARGUMENTS);
  assay_cl_memory(lowering, step, x.storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, y.storage, ASSAY_CL_WRITE);
  assay_cl_memory(lowering, step, residual.storage, ASSAY_CL_WRITE);
  shape_arguments(lowering, step, assay_cl_type(lowering, node->inputs[0]), assay_cl_type(lowering, node->first_output), node->attributes);
  assay_cl_items(step, assay_cl_view_count(&y));
}

static void lower_max_gradient(struct assay_cl_lowering *lowering, const struct assay_node *node) {
  const struct assay_cl_view dy = assay_cl_dense(lowering, node->inputs[0]), residual = assay_cl_dense(lowering, node->inputs[1]);
  const struct assay_cl_view dx = assay_cl_result(lowering, node->first_output);
  struct assay_cl_step *step = assay_cl_step(lowering, "pool2d", "max_pool2d_gradient", "", 3 + SHAPE_ARGUMENTS);
  assay_cl_memory(lowering, step, dy.storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, residual.storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, dx.storage, ASSAY_CL_WRITE);
  shape_arguments(lowering, step, assay_cl_type(lowering, node->first_output), assay_cl_type(lowering, node->inputs[0]), node->attributes);
  assay_cl_items(step, assay_cl_view_count(&dx));
}

/* `x` and `y` are the types of the image and of the means, whichever of them is the result. */
static void lower_average(struct assay_cl_lowering *lowering, const struct assay_node *node, const char *kernel, const struct assay_tensor_type *x,
                          const struct assay_tensor_type *y) {
  const struct assay_pool2d_attributes *attributes = node->attributes;
  const struct assay_cl_view from = assay_cl_dense(lowering, node->inputs[0]), to = assay_cl_result(lowering, node->first_output);
  struct assay_cl_step *step = assay_cl_step(lowering, "pool2d", kernel, "", 3 + SHAPE_ARGUMENTS);
  assay_cl_memory(lowering, step, from.storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, to.storage, ASSAY_CL_WRITE);
  assay_cl_integer(lowering, step, attributes->count_padding != 0);
  shape_arguments(lowering, step, x, y, attributes);
  assay_cl_items(step, assay_cl_view_count(&to));
}

void assay_cl_lower_pool2d(struct assay_cl_lowering *lowering, const struct assay_node *node) {
  const struct assay_tensor_type *input = assay_cl_type(lowering, node->inputs[0]), *result = assay_cl_type(lowering, node->first_output);
  switch (node->op) {
  case ASSAY_OP_MAX_POOL2D: lower_max(lowering, node); return;
  case ASSAY_OP_MAX_POOL2D_GRADIENT: lower_max_gradient(lowering, node); return;
  case ASSAY_OP_AVG_POOL2D: lower_average(lowering, node, "avg_pool2d", input, result); return;
  default: lower_average(lowering, node, "avg_pool2d_gradient", result, input); return;
  }
}
