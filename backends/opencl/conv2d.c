/* SPDX-License-Identifier: MIT
 *
 * Lowering of convolution and its gradients to kernels/conv2d.cl; those with one input channel a group go to depthwise.c.
 */
#include "backends/opencl/conv2d.h"

enum {
  LEAST_CHUNK = 256, /* of the inner extent of a weight gradient, so that a group has something to do */
  GROUPS_A_UNIT = 4, /* work-groups wanted for a compute unit */
  SHAPE_ARGUMENTS = 16
};

static void shape_arguments(struct assay_cl_lowering *lowering, struct assay_cl_step *step, const struct assay_cl_conv2d_shape *shape, const struct assay_conv2d_attributes *attributes) {
  const int64_t numbers[SHAPE_ARGUMENTS] = {shape->samples,          shape->groups,           shape->input_channels,  shape->output_channels,
                                            shape->input[0],         shape->input[1],         shape->output[0],       shape->output[1],
                                            shape->kernel[0],        shape->kernel[1],        attributes->stride[0],  attributes->stride[1],
                                            attributes->dilation[0], attributes->dilation[1], attributes->pad_low[0], attributes->pad_low[1]};
  for (int i = 0; i < SHAPE_ARGUMENTS; i++) assay_cl_integer(lowering, step, numbers[i]);
}

static struct assay_cl_conv2d_shape shape_of(const struct assay_tensor_type *x, const struct assay_tensor_type *w, const struct assay_tensor_type *y, int64_t groups) {
  return (struct assay_cl_conv2d_shape){x->extents[0], groups, w->extents[1], w->extents[0] / groups, {x->extents[2], x->extents[3]}, {y->extents[2], y->extents[3]},
                        {w->extents[2], w->extents[3]}};
}

static int64_t tiles(int64_t extent, int64_t tile) { return (extent + tile - 1) / tile; }

/* Kernel 1 x 1 at stride 1 without padding: a product of matrices as they lie. */
static bool is_pointwise(const struct assay_cl_conv2d_shape *shape, const struct assay_conv2d_attributes *attributes) {
  return shape->kernel[0] == 1 && shape->kernel[1] == 1 && attributes->stride[0] == 1 && attributes->stride[1] == 1 && shape->input[0] == shape->output[0] &&
         shape->input[1] == shape->output[1] && !attributes->pad_low[0] && !attributes->pad_low[1];
}

static const char *options_of(struct assay_cl_lowering *lowering, int direction, const struct assay_cl_tile *tile, bool quads, bool pointwise) {
  return assay_cl_options(lowering, "%s -D DIRECTION=%d -D GATHER=%d%s%s", assay_cl_tile_options(lowering, tile, ""), direction, assay_cl_tile_gather(lowering->device, tile), quads ? " -D QUADS=1" : "",
                          pointwise ? " -D POINTWISE=1" : "");
}

/* Which taps meet an input pixel, along one axis: see phase_of in kernels/conv2d.cl. */
static void tap_arguments(int64_t stride, int64_t dilation, int64_t *step, int64_t *inverse) {
  int64_t common = stride, rest = dilation;
  while (rest) {
    const int64_t next = common % rest;
    common = rest;
    rest = next;
  }
  *step = stride / common;
  *inverse = 0;
  while (*inverse < *step && dilation / common * *inverse % *step != 1 % *step) ++*inverse;
}

/* The numbers of `direction` are those of kernels/conv2d.cl. */
static const enum assay_cl_family families[] = {ASSAY_CL_CONV2D, ASSAY_CL_CONV2D_INPUT_GRADIENT, ASSAY_CL_CONV2D_WEIGHT_GRADIENT};

static void lower_direct(struct assay_cl_lowering *lowering, int direction, const struct assay_node *node, const struct assay_cl_conv2d_shape *shape, const struct assay_cl_tail *tail) {
  const struct assay_conv2d_attributes *attributes = node->attributes;
  const struct assay_cl_view from = assay_cl_dense(lowering, node->inputs[0]), w = assay_cl_dense(lowering, node->inputs[1]);
  const int64_t phases = direction ? attributes->stride[0] * attributes->stride[1] : 1, rows = direction ? shape->input_channels : shape->output_channels;
  const int64_t *plane = direction ? shape->input : shape->output;
  const int64_t columns = shape->samples * (direction ? tiles(plane[0], attributes->stride[0]) * tiles(plane[1], attributes->stride[1]) : plane[0] * plane[1]);
  const struct assay_cl_tile tile = assay_cl_tile_choose(lowering->device, families[direction], rows, columns, shape->groups * phases);
  const bool pointwise = is_pointwise(shape, attributes), even = plane[0] * plane[1] % 4 == 0;
  const bool quads = direction ? pointwise && even : shape->input_channels * shape->kernel[0] * shape->kernel[1] % 4 == 0 && (!pointwise || even);
  struct assay_cl_step *step = assay_cl_step_with_tail(lowering, "conv2d", "conv2d", options_of(lowering, direction, &tile, quads, pointwise), 6 + SHAPE_ARGUMENTS, tail);
  assay_cl_memory(lowering, step, from.storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, w.storage, ASSAY_CL_READ);
  shape_arguments(lowering, step, shape, attributes);
  if (direction) {
    int64_t steps[2], inverses[2];
    for (int axis = 0; axis < 2; axis++) tap_arguments(attributes->stride[axis], attributes->dilation[axis], &steps[axis], &inverses[axis]);
    for (int axis = 0; axis < 2; axis++) assay_cl_integer(lowering, step, steps[axis]);
    for (int axis = 0; axis < 2; axis++) assay_cl_integer(lowering, step, inverses[axis]);
  }
  assay_cl_tail_arguments(lowering, step, tail);
  assay_cl_groups(step, assay_cl_tile_items(&tile), tiles(columns, tile.columns), tiles(rows, tile.rows), shape->groups * phases);
}

static void lower_weight_gradient(struct assay_cl_lowering *lowering, const struct assay_node *node, const struct assay_cl_conv2d_shape *shape, const struct assay_cl_tail *tail) {
  const struct assay_conv2d_attributes *attributes = node->attributes;
  const struct assay_cl_view x = assay_cl_dense(lowering, node->inputs[0]), dy = assay_cl_dense(lowering, node->inputs[1]);
  const int64_t columns = shape->input_channels * shape->kernel[0] * shape->kernel[1], depth = shape->samples * shape->output[0] * shape->output[1];
  const int64_t most = tiles(depth, LEAST_CHUNK);
  const struct assay_cl_tile tile = assay_cl_tile_choose(lowering->device, ASSAY_CL_CONV2D_WEIGHT_GRADIENT, shape->output_channels, columns, shape->groups * most);
  const int64_t across = tiles(columns, tile.columns), down = tiles(shape->output_channels, tile.rows);
  int64_t splits = tiles(GROUPS_A_UNIT * (int64_t)lowering->device->compute_units, across * down * shape->groups);
  if (splits > most) splits = most;
  const int64_t chunk = tiles(tiles(depth, splits), tile.depth) * tile.depth;
  splits = tiles(depth, chunk);
  const struct assay_tensor_type partial_type = {ASSAY_F32, 2, {splits, shape->groups * shape->output_channels * columns}};
  struct assay_cl_tail store = *tail;
  if (splits > 1) store.result = assay_cl_temporary(lowering, &partial_type);
  const bool quads = shape->output[0] * shape->output[1] % 4 == 0;
  struct assay_cl_step *step = assay_cl_step_with_tail(lowering, "conv2d", "conv2d", options_of(lowering, 2, &tile, quads, false), 4 + SHAPE_ARGUMENTS, &store);
  assay_cl_memory(lowering, step, x.storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, dy.storage, ASSAY_CL_READ);
  shape_arguments(lowering, step, shape, attributes);
  assay_cl_integer(lowering, step, splits);
  assay_cl_integer(lowering, step, chunk);
  assay_cl_tail_arguments(lowering, step, &store);
  assay_cl_groups(step, assay_cl_tile_items(&tile), across, down, shape->groups * splits);
  if (splits > 1) assay_cl_reduce(lowering, &store.result, 1, false, &tail->result);
}

void assay_cl_lower_conv2d(struct assay_cl_lowering *lowering, const struct assay_node *node, const struct assay_cl_tail *tail) {
  const int64_t groups = ((const struct assay_conv2d_attributes *)node->attributes)->groups;
  const struct assay_tensor_type *first = assay_cl_type(lowering, node->inputs[0]), *second = assay_cl_type(lowering, node->inputs[1]);
  const struct assay_tensor_type *result = assay_cl_type(lowering, node->first_output);
  const bool forward = node->op == ASSAY_OP_CONV2D, to_input = node->op == ASSAY_OP_CONV2D_INPUT_GRADIENT;
  const struct assay_cl_conv2d_shape shape = forward ? shape_of(first, second, result, groups) : to_input ? shape_of(result, second, first, groups) : shape_of(first, result, second, groups);
  if (groups > 1 && shape.input_channels == 1) assay_cl_lower_depthwise(lowering, node, &shape, tail);
  else if (forward || to_input) lower_direct(lowering, to_input, node, &shape, tail);
  else lower_weight_gradient(lowering, node, &shape, tail);
}
