/* SPDX-License-Identifier: MIT
 *
 * Ops that move elements and do not compute: broadcast, reshape, transpose, slice, pad, concat, gather, scatter, one-hot.
 */
#include "graph/op_rules.h"

/* ---- Helpers of all families ---- */

assay_value assay_reshape_like(struct assay_builder *b, assay_value x, const struct assay_tensor_type *type) {
  return assay_same_extents(assay_type(b, x), type) ? x : assay_reshape(b, x, type->rank, type->extents);
}

assay_value assay_broadcast_like(struct assay_builder *b, assay_value x, const struct assay_tensor_type *type) {
  return assay_same_extents(assay_type(b, x), type) ? x : assay_broadcast(b, x, type->rank, type->extents);
}

assay_value assay_unbroadcast(struct assay_builder *b, assay_value x, const struct assay_tensor_type *type) {
  const struct assay_tensor_type *given = assay_type(b, x);
  const int32_t leading = given->rank - type->rank;
  uint32_t axes = 0;
  for (int32_t axis = 0; axis < given->rank; axis++)
    if (axis < leading || (type->extents[axis - leading] == 1 && given->extents[axis] != 1)) axes |= 1u << axis;
  return axes == 0 ? x : assay_reshape_like(b, assay_reduce_sum(b, x, axes, 0), type);
}

assay_value assay_filled(struct assay_builder *b, const struct assay_tensor_type *type, double number) {
  const struct assay_constant_attributes constant = {number, type->dtype, 0};
  return assay_broadcast_like(b, b->host->emit(b, ASSAY_OP_CONSTANT, NULL, 0, &constant, sizeof constant), type);
}

/* ---- Normal forms ---- */

ASSAY_NORMALISER(shape) {
  (void)op, (void)inputs;
  struct assay_shape_attributes *shape = attributes;
  shape->reserved = 0;
  for (int32_t axis = shape->rank < 0 ? 0 : shape->rank; axis < ASSAY_MAX_RANK; axis++) shape->extents[axis] = 0;
}

ASSAY_NORMALISER(transpose) {
  (void)op;
  struct assay_transpose_attributes *transpose = attributes;
  for (int32_t axis = inputs[0]->rank; axis < ASSAY_MAX_RANK; axis++) transpose->axes[axis] = 0;
}

ASSAY_NORMALISER(slice) {
  (void)op;
  struct assay_slice_attributes *slice = attributes;
  for (int32_t axis = inputs[0]->rank; axis < ASSAY_MAX_RANK; axis++) {
    slice->start[axis] = 0;
    slice->stop[axis] = INT64_MAX;
    slice->step[axis] = 1;
  }
}

ASSAY_NORMALISER(pad) {
  (void)op;
  struct assay_pad_attributes *pad = attributes;
  for (int32_t axis = inputs[0]->rank; axis < ASSAY_MAX_RANK; axis++) pad->low[axis] = pad->high[axis] = pad->interior[axis] = 0;
}

/* ---- Shapes ---- */

static int check_shape_attributes(const struct assay_shape_attributes *shape, struct assay_status *status) {
  if (!assay_within(shape->rank, 0, ASSAY_MAX_RANK)) return ASSAY_REFUSE("the result must have 0 to %d axes, not %d", ASSAY_MAX_RANK, shape->rank);
  return 0;
}

ASSAY_SHAPE_RULE(broadcast) {
  ASSAY_UNUSED_SHAPE;
  const struct assay_shape_attributes *shape = attributes;
  const struct assay_tensor_type *x = inputs[0];
  const int error = check_shape_attributes(shape, status);
  if (error != 0) return error;
  outputs[0] = assay_make_type(x->dtype, shape->rank, shape->extents);
  const int32_t leading = shape->rank - x->rank;
  for (int32_t axis = 0; axis < x->rank; axis++) {
    if (leading >= 0 && (x->extents[axis] == 1 || x->extents[axis] == shape->extents[axis + leading])) continue;
    char from[ASSAY_TYPE_TEXT], to[ASSAY_TYPE_TEXT];
    return ASSAY_REFUSE("%s does not stretch to %s: aligned at the last axis, extents must be equal or 1", assay_type_text(x, from),
                        assay_type_text(outputs, to));
  }
  return 0;
}

/* One extent may be -1: what is left of the elements. */
ASSAY_SHAPE_RULE(reshape) {
  ASSAY_UNUSED_SHAPE;
  const struct assay_shape_attributes *shape = attributes;
  const int error = check_shape_attributes(shape, status);
  if (error != 0) return error;
  char from[ASSAY_TYPE_TEXT], to[ASSAY_TYPE_TEXT];
  outputs[0] = assay_make_type(inputs[0]->dtype, shape->rank, shape->extents);
  const int64_t elements = assay_element_count(inputs[0]);
  int64_t known = 1;
  int32_t open = -1;
  for (int32_t axis = 0; axis < shape->rank; axis++) {
    if (shape->extents[axis] == -1) {
      if (open >= 0) return ASSAY_REFUSE("only one extent may be -1, not both axis %d and axis %d", open, axis);
      open = axis;
    } else if (shape->extents[axis] < 1 || __builtin_mul_overflow(known, shape->extents[axis], &known)) {
      return ASSAY_REFUSE("the extent %lld of axis %d is out of range", (long long)shape->extents[axis], axis);
    }
  }
  if (open >= 0 ? elements % known != 0 : elements != known)
    return ASSAY_REFUSE("%s has %lld elements and cannot become %s", assay_type_text(inputs[0], from), (long long)elements, assay_type_text(outputs, to));
  if (open >= 0) outputs[0].extents[open] = elements / known;
  return 0;
}

ASSAY_SHAPE_RULE(transpose) {
  ASSAY_UNUSED_SHAPE;
  const struct assay_transpose_attributes *transpose = attributes;
  const int32_t rank = inputs[0]->rank;
  uint32_t seen = 0;
  outputs[0] = *inputs[0];
  for (int32_t axis = 0; axis < rank; axis++) {
    const int32_t from = transpose->axes[axis];
    if (!assay_within(from, 0, rank - 1) || seen >> from & 1)
      return ASSAY_REFUSE("each of the axes 0 to %d must be named once; axis %d is given as %d", rank - 1, axis, from);
    seen |= 1u << from;
    outputs[0].extents[axis] = inputs[0]->extents[from];
  }
  return 0;
}

ASSAY_SHAPE_RULE(slice) {
  ASSAY_UNUSED_SHAPE;
  const struct assay_slice_attributes *slice = attributes;
  outputs[0] = *inputs[0];
  for (int32_t axis = 0; axis < inputs[0]->rank; axis++) {
    const int64_t extent = inputs[0]->extents[axis], start = slice->start[axis], step = slice->step[axis];
    const int64_t stop = slice->stop[axis] == INT64_MAX ? extent : slice->stop[axis];
    if (step < 1) return ASSAY_REFUSE("the step of axis %d must be at least 1, not %lld", axis, (long long)step);
    if (start < 0 || stop > extent || start >= stop)
      return ASSAY_REFUSE("elements %lld to %lld (exclusive) are no part of axis %d, which has %lld", (long long)start, (long long)stop, axis,
                          (long long)extent);
    outputs[0].extents[axis] = (stop - start - 1) / step + 1;
  }
  return 0;
}

ASSAY_SHAPE_RULE(pad) {
  ASSAY_UNUSED_SHAPE;
  const struct assay_pad_attributes *pad = attributes;
  outputs[0] = *inputs[0];
  for (int32_t axis = 0; axis < inputs[0]->rank; axis++) {
    const int64_t extent = inputs[0]->extents[axis], low = pad->low[axis], high = pad->high[axis], interior = pad->interior[axis];
    if (!assay_within(low, 0, ASSAY_LARGEST_EXTENT) || !assay_within(high, 0, ASSAY_LARGEST_EXTENT) || !assay_within(interior, 0, ASSAY_LARGEST_EXTENT))
      return ASSAY_REFUSE("padding must be 0 to 2^31; axis %d has %lld, %lld and %lld", axis, (long long)low, (long long)high, (long long)interior);
    int64_t between;
    if (__builtin_mul_overflow(extent - 1, interior, &between) || __builtin_add_overflow(between, extent + low + high, &outputs[0].extents[axis]))
      return ASSAY_REFUSE("padding makes axis %d too large", axis);
  }
  return 0;
}

ASSAY_SHAPE_RULE(concat) {
  ASSAY_UNUSED_SHAPE;
  const int32_t axis = ((const struct assay_axis_attributes *)attributes)->axis;
  char first[ASSAY_TYPE_TEXT], other[ASSAY_TYPE_TEXT];
  if (!assay_within(axis, 0, inputs[0]->rank - 1)) return ASSAY_REFUSE("axis %d does not exist in %s", axis, assay_type_text(inputs[0], first));
  outputs[0] = *inputs[0];
  for (uint32_t i = 1; i < input_count; i++) {
    struct assay_tensor_type fitting = *inputs[0];
    if (inputs[i]->rank == fitting.rank) fitting.extents[axis] = inputs[i]->extents[axis];
    if (!assay_same_type(&fitting, inputs[i]))
      return ASSAY_REFUSE("%s and %s may differ in the extent of axis %d only", assay_type_text(inputs[0], first), assay_type_text(inputs[i], other), axis);
    outputs[0].extents[axis] += inputs[i]->extents[axis];
  }
  return 0;
}

static int check_indices(const struct assay_tensor_type *indices, struct assay_status *status) {
  char text[ASSAY_TYPE_TEXT];
  if (indices->dtype != ASSAY_I32 || indices->rank != 1) return ASSAY_REFUSE("the indices must be i32 [N], not %s", assay_type_text(indices, text));
  return 0;
}

static int check_count(int64_t count, struct assay_status *status) {
  if (!assay_within(count, 1, ASSAY_LARGEST_EXTENT)) return ASSAY_REFUSE("the count must be 1 to 2^31, not %lld", (long long)count);
  return 0;
}

ASSAY_SHAPE_RULE(gather) {
  ASSAY_UNUSED_SHAPE;
  const int error = check_indices(inputs[1], status);
  if (error != 0) return error;
  if (inputs[0]->rank < 1) return ASSAY_REFUSE("a scalar has no rows");
  outputs[0] = *inputs[0];
  outputs[0].extents[0] = inputs[1]->extents[0];
  return 0;
}

ASSAY_SHAPE_RULE(scatter_add) {
  ASSAY_UNUSED_SHAPE;
  const int64_t count = ((const struct assay_count_attributes *)attributes)->count;
  int error = check_indices(inputs[1], status);
  if (error == 0) error = check_count(count, status);
  if (error != 0) return error;
  char text[ASSAY_TYPE_TEXT];
  if (!assay_dtype_is_float(inputs[0]->dtype)) return ASSAY_REFUSE("works on floats, not on %s", assay_dtype_name(inputs[0]->dtype));
  if (inputs[0]->rank < 1 || inputs[0]->extents[0] != inputs[1]->extents[0])
    return ASSAY_REFUSE("%s needs one row for each of %lld indices", assay_type_text(inputs[0], text), (long long)inputs[1]->extents[0]);
  outputs[0] = *inputs[0];
  outputs[0].extents[0] = count;
  return 0;
}

ASSAY_SHAPE_RULE(one_hot) {
  ASSAY_UNUSED_SHAPE;
  const int64_t count = ((const struct assay_count_attributes *)attributes)->count;
  int error = check_indices(inputs[0], status);
  if (error == 0) error = check_count(count, status);
  if (error == 0) outputs[0] = assay_make_type(ASSAY_F32, 2, (const int64_t[]){inputs[0]->extents[0], count});
  return error;
}

/* ---- Gradients ---- */

ASSAY_GRADIENT_RULE(broadcast) {
  ASSAY_UNUSED_GRADIENT;
  gradients[0] = assay_unbroadcast(b, output_gradients[0], assay_type(b, inputs[0]));
}

ASSAY_GRADIENT_RULE(reshape) {
  ASSAY_UNUSED_GRADIENT;
  gradients[0] = assay_reshape_like(b, output_gradients[0], assay_type(b, inputs[0]));
}

ASSAY_GRADIENT_RULE(transpose) {
  ASSAY_UNUSED_GRADIENT;
  const struct assay_transpose_attributes *forward = node->attributes;
  int32_t back[ASSAY_MAX_RANK] = {0};
  for (int32_t axis = 0; axis < assay_type(b, inputs[0])->rank; axis++) back[forward->axes[axis]] = axis;
  gradients[0] = assay_transpose(b, output_gradients[0], back);
}

/* Put back where it came from, zeros around and between. */
ASSAY_GRADIENT_RULE(slice) {
  ASSAY_UNUSED_GRADIENT;
  const struct assay_slice_attributes *slice = node->attributes;
  const struct assay_tensor_type *from = assay_type(b, inputs[0]), *to = assay_type(b, outputs[0]);
  struct assay_pad_attributes pad = {{0}, {0}, {0}, 0};
  for (int32_t axis = 0; axis < from->rank; axis++) {
    pad.low[axis] = slice->start[axis];
    pad.interior[axis] = slice->step[axis] - 1;
    pad.high[axis] = from->extents[axis] - 1 - slice->start[axis] - (to->extents[axis] - 1) * slice->step[axis];
    if (to->extents[axis] == 1) pad.interior[axis] = 0;
  }
  gradients[0] = assay_pad(b, output_gradients[0], &pad);
}

ASSAY_GRADIENT_RULE(pad) {
  ASSAY_UNUSED_GRADIENT;
  const struct assay_pad_attributes *pad = node->attributes;
  const struct assay_tensor_type *padded = assay_type(b, outputs[0]);
  struct assay_slice_attributes slice = {{0}, {0}, {0}};
  for (int32_t axis = 0; axis < padded->rank; axis++) {
    slice.start[axis] = pad->low[axis];
    slice.stop[axis] = padded->extents[axis] - pad->high[axis];
    slice.step[axis] = pad->interior[axis] + 1;
  }
  gradients[0] = assay_emit1(b, ASSAY_OP_SLICE, output_gradients[0], &slice, sizeof slice);
}

ASSAY_GRADIENT_RULE(concat) {
  ASSAY_UNUSED_GRADIENT;
  const int32_t axis = ((const struct assay_axis_attributes *)node->attributes)->axis;
  int64_t start = 0;
  for (uint32_t i = 0; i < node->input_count; i++) {
    const int64_t extent = assay_extent(b, inputs[i], axis);
    if (wanted[i]) gradients[i] = assay_slice(b, output_gradients[0], axis, start, start + extent);
    start += extent;
  }
}

ASSAY_GRADIENT_RULE(gather) {
  ASSAY_UNUSED_GRADIENT;
  const struct assay_count_attributes rows = {assay_extent(b, inputs[0], 0)};
  if (wanted[0]) gradients[0] = assay_emit2(b, ASSAY_OP_SCATTER_ADD, output_gradients[0], inputs[1], &rows, sizeof rows);
}

ASSAY_GRADIENT_RULE(scatter_add) {
  ASSAY_UNUSED_GRADIENT;
  if (wanted[0]) gradients[0] = assay_gather(b, output_gradients[0], inputs[1]);
}
