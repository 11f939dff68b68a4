/* SPDX-License-Identifier: MIT
 *
 * Lowering of convolution and its gradients to kernels/conv2d.cl.
 */
#include "backends/opencl/lower.h"

enum {
  TILE_COLUMNS = 64, /* and work-items of a group */
  TILE_DEPTH = 16,
  LEAST_CHUNK = 16 * TILE_DEPTH, /* of the inner extent of a weight gradient, so that a group has something to do */
  GROUPS_A_UNIT = 4,             /* work-groups wanted for a compute unit */
  SHAPE_ARGUMENTS = 16
};

/* Channels are those of one group. */
struct shape {
  int64_t samples, groups, input_channels, output_channels, input[2], output[2], kernel[2];
};

static void shape_arguments(struct assay_cl_lowering *lowering, struct assay_cl_step *step, const struct shape *shape, const struct assay_conv2d_attributes *attributes) {
  const int64_t numbers[SHAPE_ARGUMENTS] = {shape->samples,          shape->groups,           shape->input_channels,  shape->output_channels,
                                            shape->input[0],         shape->input[1],         shape->output[0],       shape->output[1],
                                            shape->kernel[0],        shape->kernel[1],        attributes->stride[0],  attributes->stride[1],
                                            attributes->dilation[0], attributes->dilation[1], attributes->pad_low[0], attributes->pad_low[1]};
  for (int i = 0; i < SHAPE_ARGUMENTS; i++) assay_cl_integer(lowering, step, numbers[i]);
}

static struct shape shape_of(const struct assay_tensor_type *x, const struct assay_tensor_type *w, const struct assay_tensor_type *y, int64_t groups) {
  return (struct shape){x->extents[0], groups, w->extents[1], w->extents[0] / groups, {x->extents[2], x->extents[3]}, {y->extents[2], y->extents[3]},
                        {w->extents[2], w->extents[3]}};
}

static int64_t tiles(int64_t extent, int64_t tile) { return (extent + tile - 1) / tile; }

/* What is gathered serves all rows of a tile, so more rows mean less gathering; but rows that are not there are multiplied all the same. */
static int64_t tile_rows(int64_t rows) { return rows > 16 ? 32 : 16; }
static const char *tile_options(int64_t rows) { return tile_rows(rows) == 32 ? "-D TILE_ROWS=32 -D ITEM_ROWS=8" : ""; }

static void lower_direct(struct assay_cl_lowering *lowering, const char *kernel, int32_t image, int32_t weights, int32_t result, const struct shape *shape,
                         const struct assay_conv2d_attributes *attributes, int64_t rows, int64_t columns) {
  const struct assay_cl_view from = assay_cl_dense(lowering, image), w = assay_cl_dense(lowering, weights);
  const struct assay_cl_view to = assay_cl_result(lowering, result);
  struct assay_cl_step *step = assay_cl_step(lowering, "conv2d", kernel, tile_options(rows), 3 + SHAPE_ARGUMENTS);
  assay_cl_memory(lowering, step, from.storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, w.storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, to.storage, ASSAY_CL_WRITE);
  shape_arguments(lowering, step, shape, attributes);
  assay_cl_groups(step, TILE_COLUMNS, tiles(columns, TILE_COLUMNS), tiles(rows, tile_rows(rows)), shape->groups);
}

static void lower_weight_gradient(struct assay_cl_lowering *lowering, const struct assay_node *node, const struct shape *shape,
                                  const struct assay_conv2d_attributes *attributes) {
  const struct assay_cl_view x = assay_cl_dense(lowering, node->inputs[0]), dy = assay_cl_dense(lowering, node->inputs[1]);
  const struct assay_cl_view dw = assay_cl_result(lowering, node->first_output);
  const int64_t columns = shape->input_channels * shape->kernel[0] * shape->kernel[1], depth = shape->samples * shape->output[0] * shape->output[1];
  const int64_t groups = tiles(columns, TILE_COLUMNS) * tiles(shape->output_channels, tile_rows(shape->output_channels)) * shape->groups;
  int64_t splits = tiles(GROUPS_A_UNIT * (int64_t)lowering->device->compute_units, groups);
  if (splits > tiles(depth, LEAST_CHUNK)) splits = tiles(depth, LEAST_CHUNK);
  const int64_t chunk = tiles(tiles(depth, splits), TILE_DEPTH) * TILE_DEPTH;
  splits = tiles(depth, chunk);
  const struct assay_tensor_type partial_type = {ASSAY_F32, 2, {splits, shape->groups * shape->output_channels * columns}};
  const struct assay_cl_view partial = splits > 1 ? assay_cl_temporary(lowering, &partial_type) : dw;
  struct assay_cl_step *step = assay_cl_step(lowering, "conv2d", "conv2d_weight_gradient", tile_options(shape->output_channels), 5 + SHAPE_ARGUMENTS);
  assay_cl_memory(lowering, step, x.storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, dy.storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, partial.storage, ASSAY_CL_WRITE);
  assay_cl_integer(lowering, step, splits);
  assay_cl_integer(lowering, step, chunk);
  shape_arguments(lowering, step, shape, attributes);
  assay_cl_groups(step, TILE_COLUMNS, tiles(columns, TILE_COLUMNS), tiles(shape->output_channels, tile_rows(shape->output_channels)), shape->groups * splits);
  if (splits > 1) assay_cl_reduce(lowering, &partial, 1, false, &dw);
}

void assay_cl_lower_conv2d(struct assay_cl_lowering *lowering, const struct assay_node *node) {
  const struct assay_conv2d_attributes *attributes = node->attributes;
  const struct assay_tensor_type *first = assay_cl_type(lowering, node->inputs[0]), *second = assay_cl_type(lowering, node->inputs[1]);
  const struct assay_tensor_type *result = assay_cl_type(lowering, node->first_output);
  if (node->op == ASSAY_OP_CONV2D) {
    const struct shape shape = shape_of(first, second, result, attributes->groups);
    lower_direct(lowering, "conv2d_forward", node->inputs[0], node->inputs[1], node->first_output, &shape, attributes, shape.output_channels,
                 shape.samples * shape.output[0] * shape.output[1]);
  } else if (node->op == ASSAY_OP_CONV2D_INPUT_GRADIENT) {
    const struct shape shape = shape_of(result, second, first, attributes->groups);
    lower_direct(lowering, "conv2d_input_gradient", node->inputs[0], node->inputs[1], node->first_output, &shape, attributes, shape.input_channels,
                 shape.samples * shape.input[0] * shape.input[1]);
  } else {
    const struct shape shape = shape_of(first, result, second, attributes->groups);
    lower_weight_gradient(lowering, node, &shape, attributes);
  }
}
