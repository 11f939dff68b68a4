/* SPDX-License-Identifier: MIT
 *
 * Lowering of gather, scatter-add and one-hot to kernels/rows.cl, and of random numbers to kernels/random.cl.
 */
#include "backends/opencl/lower.h"

/* Elements of one row: all axes but the first. */
static int64_t row_width(const struct assay_tensor_type *type) {
  int64_t width = 1;
  for (int32_t axis = 1; axis < type->rank; axis++) width *= type->extents[axis];
  return width;
}

static const char *type_option(int32_t dtype) {
  switch (dtype) {
  case ASSAY_F32: return "-D TYPE=float";
  case ASSAY_I32:
  case ASSAY_U32: return "-D TYPE=uint"; /* sums wrap alike */
  default: return "-D TYPE=uchar";
  }
}

/* Gather's first input and scatter's result have `rows` rows. */
static void lower_by_index(struct assay_cl_lowering *lowering, const struct assay_node *node, const char *kernel, int64_t rows) {
  const struct assay_cl_view x = assay_cl_dense(lowering, node->inputs[0]), indices = assay_cl_dense(lowering, node->inputs[1]);
  const struct assay_cl_view y = assay_cl_result(lowering, node->first_output);
  struct assay_cl_step *step = assay_cl_step(lowering, "rows", kernel, type_option(x.dtype), 6);
  assay_cl_memory(lowering, step, x.storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, indices.storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, y.storage, ASSAY_CL_WRITE);
  assay_cl_natural(lowering, step, assay_cl_view_count(&indices));
  assay_cl_natural(lowering, step, row_width(assay_cl_type(lowering, node->inputs[0])));
  assay_cl_integer(lowering, step, rows);
  assay_cl_items(step, assay_cl_view_count(&y));
}

static void lower_one_hot(struct assay_cl_lowering *lowering, const struct assay_node *node) {
  const struct assay_cl_view indices = assay_cl_dense(lowering, node->inputs[0]), y = assay_cl_result(lowering, node->first_output);
  struct assay_cl_step *step = assay_cl_step(lowering, "rows", "one_hot_rows", "", 4);
  assay_cl_memory(lowering, step, indices.storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, y.storage, ASSAY_CL_WRITE);
  assay_cl_natural(lowering, step, assay_cl_view_count(&indices));
  assay_cl_natural(lowering, step, ((const struct assay_count_attributes *)node->attributes)->count);
  assay_cl_items(step, assay_cl_view_count(&y));
}

static void lower_random(struct assay_cl_lowering *lowering, const struct assay_node *node) {
  const struct assay_random_attributes *attributes = node->attributes;
  const struct assay_tensor_type *type = assay_cl_type(lowering, node->first_output);
  const struct assay_cl_view keys = assay_cl_dense(lowering, node->inputs[0]), y = assay_cl_result(lowering, node->first_output);
  const int64_t samples = type->extents[0], width = row_width(type);
  struct assay_cl_step *step = assay_cl_step(lowering, "random", "random_uniform", "", 5);
  assay_cl_memory(lowering, step, keys.storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, y.storage, ASSAY_CL_WRITE);
  assay_cl_natural(lowering, step, samples);
  assay_cl_natural(lowering, step, width);
  assay_cl_natural(lowering, step, attributes->stream);
  assay_cl_items(step, samples * ((width + 3) / 4));
}

void assay_cl_lower_rows(struct assay_cl_lowering *lowering, const struct assay_node *node) {
  switch (node->op) {
  case ASSAY_OP_GATHER: lower_by_index(lowering, node, "gather_rows", assay_cl_type(lowering, node->inputs[0])->extents[0]); return;
  case ASSAY_OP_SCATTER_ADD: lower_by_index(lowering, node, "scatter_add_rows", assay_cl_type(lowering, node->first_output)->extents[0]); return;
  case ASSAY_OP_ONE_HOT: lower_one_hot(lowering, node); return;
  default: lower_random(lowering, node); return;
  }
}
