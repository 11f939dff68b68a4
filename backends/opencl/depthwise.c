/* SPDX-License-Identifier: MIT
 *
 * Lowering of convolution with one input channel a group, and its gradients, to kernels/depthwise.cl.
 */
#include "backends/opencl/conv2d.h"

enum { SHAPE_ARGUMENTS = 15, GROUP_SIZE = 64 };

static int64_t pieces(int64_t extent, int64_t piece) { return (extent + piece - 1) / piece; }

void assay_cl_lower_depthwise(struct assay_cl_lowering *lowering, const struct assay_node *node, const struct assay_cl_conv2d_shape *shape, const struct assay_cl_tail *tail) {
  const struct assay_conv2d_attributes *attributes = node->attributes;
  const bool to_input = node->op == ASSAY_OP_CONV2D_INPUT_GRADIENT, to_weights = node->op == ASSAY_OP_CONV2D_WEIGHT_GRADIENT;
  const struct assay_cl_view first = assay_cl_dense(lowering, node->inputs[0]), second = assay_cl_dense(lowering, node->inputs[1]);
  const int64_t row = to_input ? pieces(shape->input[1], attributes->stride[1]) : shape->output[1], channels = shape->groups * shape->output_channels;
  const int run = assay_cl_run_length(lowering->device, row);
  struct assay_cl_step *step =
      assay_cl_step_with_tail(lowering, "depthwise", to_input ? "depthwise_input_gradient" : to_weights ? "depthwise_weight_gradient" : "depthwise",
                              assay_cl_options(lowering, "-D RUN=%d -D GROUP_SIZE=%d", run, GROUP_SIZE), 3 + SHAPE_ARGUMENTS, tail);
  assay_cl_memory(lowering, step, first.storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, second.storage, ASSAY_CL_READ);
  const int64_t numbers[SHAPE_ARGUMENTS] = {shape->samples,          shape->groups,           shape->output_channels, shape->input[0],       shape->input[1],
                                            shape->output[0],        shape->output[1],        shape->kernel[0],       shape->kernel[1],      attributes->stride[0],
                                            attributes->stride[1],   attributes->dilation[0], attributes->dilation[1], attributes->pad_low[0], attributes->pad_low[1]};
  for (int i = 0; i < SHAPE_ARGUMENTS; i++) assay_cl_integer(lowering, step, numbers[i]);
  if (to_input) assay_cl_integer(lowering, step, pieces(row, run));
  assay_cl_tail_arguments(lowering, step, tail);
  const int64_t items = to_input ? shape->samples * shape->groups * shape->input[0] * attributes->stride[1] * pieces(row, run)
                                 : shape->samples * channels * shape->output[0] * pieces(row, run);
  assay_cl_groups(step, GROUP_SIZE, to_weights ? channels * shape->kernel[0] * shape->kernel[1] : pieces(items, GROUP_SIZE), 1, 1);
}
