/* SPDX-License-Identifier: MIT
 *
 * Lowering of warp to kernels/warp.cl. The other composites on pictures are elementwise work on shifted views, which the elementwise kernels do as well.
 */
#include "backends/opencl/lower.h"

void assay_cl_lower_warp(struct assay_cl_lowering *lowering, const struct assay_node *node) {
  static const char *const borders[] = {"-D BORDER=0", "-D BORDER=1", "-D BORDER=2"};
  const struct assay_tensor_type *type = assay_cl_type(lowering, node->inputs[0]);
  const struct assay_cl_view x = assay_cl_dense(lowering, node->inputs[0]), maps = assay_cl_dense(lowering, node->inputs[1]);
  const struct assay_cl_view y = assay_cl_result(lowering, node->first_output);
  const uint32_t border = ((const struct assay_warp_attributes *)node->attributes)->border;
  struct assay_cl_step *step = assay_cl_step(lowering, "warp", "warp", borders[border <= ASSAY_BORDER_REFLECT ? border : 0], 7);
  assay_cl_memory(lowering, step, x.storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, maps.storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, y.storage, ASSAY_CL_WRITE);
  assay_cl_natural(lowering, step, type->extents[0]);
  assay_cl_natural(lowering, step, type->extents[1]);
  assay_cl_integer(lowering, step, type->extents[2]);
  assay_cl_integer(lowering, step, type->extents[3]);
  assay_cl_items(step, type->extents[0] * type->extents[2] * type->extents[3]);
}
