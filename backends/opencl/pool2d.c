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

/* A step of a gradient, whose items have runs of input pixels. */
static struct assay_cl_step *gradient_step(struct assay_cl_lowering *lowering, const char *kernel, int64_t row) {
  return assay_cl_step(lowering, "pool2d", kernel, assay_cl_options(lowering, "-D RUN=%d", assay_cl_run_length(lowering->device, row)), 4 + SHAPE_ARGUMENTS);
}

/* Pixels of a row that are a stride apart. */
static int64_t phase_row(const struct assay_tensor_type *x, const struct assay_pool2d_attributes *attributes) {
  return (x->extents[3] + attributes->stride[1] - 1) / attributes->stride[1];
}

static void finish_gradient(struct assay_cl_lowering *lowering, struct assay_cl_step *step, const struct assay_tensor_type *x, const struct assay_pool2d_attributes *attributes) {
  const int64_t row = phase_row(x, attributes), run = assay_cl_run_length(lowering->device, row), runs = (row + run - 1) / run;
  assay_cl_integer(lowering, step, runs);
  assay_cl_items(step, x->extents[0] * x->extents[1] * x->extents[2] * attributes->stride[1] * runs);
}

static void lower_max_gradient(struct assay_cl_lowering *lowering, const struct assay_node *node) {
  const struct assay_tensor_type *x = assay_cl_type(lowering, node->first_output);
  const struct assay_cl_view dy = assay_cl_dense(lowering, node->inputs[0]), residual = assay_cl_dense(lowering, node->inputs[1]);
  const struct assay_cl_view dx = assay_cl_result(lowering, node->first_output);
  struct assay_cl_step *step = gradient_step(lowering, "max_pool2d_gradient", phase_row(x, node->attributes));
  assay_cl_memory(lowering, step, dy.storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, residual.storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, dx.storage, ASSAY_CL_WRITE);
  shape_arguments(lowering, step, x, assay_cl_type(lowering, node->inputs[0]), node->attributes);
  finish_gradient(lowering, step, x, node->attributes);
}

/* `from` is dense before the step is made: a copy of it would be a step too. */
static void average_arguments(struct assay_cl_lowering *lowering, struct assay_cl_step *step, const struct assay_node *node, const struct assay_cl_view *from,
                              const struct assay_tensor_type *x, const struct assay_tensor_type *y) {
  const struct assay_pool2d_attributes *attributes = node->attributes;
  const struct assay_cl_view to = assay_cl_result(lowering, node->first_output);
  assay_cl_memory(lowering, step, from->storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, to.storage, ASSAY_CL_WRITE);
  assay_cl_integer(lowering, step, attributes->count_padding != 0);
  shape_arguments(lowering, step, x, y, attributes);
}

static void lower_average(struct assay_cl_lowering *lowering, const struct assay_node *node) {
  const struct assay_tensor_type *y = assay_cl_type(lowering, node->first_output);
  const struct assay_cl_view x = assay_cl_dense(lowering, node->inputs[0]);
  struct assay_cl_step *step = assay_cl_step(lowering, "pool2d", "avg_pool2d", "", 3 + SHAPE_ARGUMENTS);
  average_arguments(lowering, step, node, &x, assay_cl_type(lowering, node->inputs[0]), y);
  assay_cl_items(step, assay_element_count(y));
}

static void lower_average_gradient(struct assay_cl_lowering *lowering, const struct assay_node *node) {
  const struct assay_tensor_type *x = assay_cl_type(lowering, node->first_output);
  const struct assay_cl_view dy = assay_cl_dense(lowering, node->inputs[0]);
  struct assay_cl_step *step = gradient_step(lowering, "avg_pool2d_gradient", phase_row(x, node->attributes));
  average_arguments(lowering, step, node, &dy, x, assay_cl_type(lowering, node->inputs[0]));
  finish_gradient(lowering, step, x, node->attributes);
}

void assay_cl_lower_pool2d(struct assay_cl_lowering *lowering, const struct assay_node *node) {
  switch (node->op) {
  case ASSAY_OP_MAX_POOL2D: lower_max(lowering, node); return;
  case ASSAY_OP_MAX_POOL2D_GRADIENT: lower_max_gradient(lowering, node); return;
  case ASSAY_OP_AVG_POOL2D: lower_average(lowering, node); return;
  default: lower_average_gradient(lowering, node); return;
  }
}
