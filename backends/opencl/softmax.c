/* SPDX-License-Identifier: MIT
 *
 * Lowering of softmax, its logarithm, and cross-entropy with its gradient to kernels/softmax.cl. Their decompositions would take three launches each, the gradient four.
 */
#include "backends/opencl/lower.h"

enum { GROUP_SIZE = 64 };

/* Work-items of a row. */
static int row_items(const struct assay_device *device, int64_t width, int run) {
  int items = 1;
  while (device->kind != ASSAY_DEVICE_CPU && items < GROUP_SIZE && items * run < width) items *= 2;
  return items;
}

void assay_cl_lower_softmax(struct assay_cl_lowering *lowering, const struct assay_node *node) {
  static const char *const kernels[] = {"softmax", "log_softmax", "softmax_cross_entropy"};
  const bool is_gradient = node->op == ASSAY_OP_SOFTMAX_CROSS_ENTROPY_GRADIENT;
  const struct assay_tensor_type *type = assay_cl_type(lowering, node->inputs[is_gradient]);
  const int64_t width = type->extents[type->rank - 1], rows = assay_element_count(type) / width;
  const int run = assay_cl_run_length(lowering->device, width), items = row_items(lowering->device, width, run);
  struct assay_cl_view inputs[3];
  for (uint32_t i = 0; i < node->input_count; i++) inputs[i] = assay_cl_dense(lowering, node->inputs[i]);
  const struct assay_cl_view result = assay_cl_result(lowering, node->first_output);
  struct assay_cl_step *step = assay_cl_step(lowering, "softmax", is_gradient ? "softmax_cross_entropy_gradient" : kernels[node->op - ASSAY_OP_SOFTMAX],
                                             assay_cl_options(lowering, "-D RUN=%d -D GROUP_SIZE=%d -D ROW_ITEMS=%d", run, GROUP_SIZE, items), node->input_count + 3);
  for (uint32_t i = 0; i < node->input_count; i++) assay_cl_memory(lowering, step, inputs[i].storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, result.storage, ASSAY_CL_WRITE);
  assay_cl_integer(lowering, step, rows);
  assay_cl_integer(lowering, step, width);
  assay_cl_items(step, rows * items);
}
