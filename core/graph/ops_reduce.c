/* SPDX-License-Identifier: MIT
 *
 * Reductions.
 */
#include "graph/op_rules.h"

ASSAY_NORMALISER(reduce) {
  (void)op, (void)inputs;
  struct assay_reduce_attributes *reduce = attributes;
  reduce->keep_axes = reduce->keep_axes != 0;
}

static int reduced_type(const struct assay_reduce_attributes *reduce, const struct assay_tensor_type *input, int32_t dtype, struct assay_tensor_type *output,
                        struct assay_status *status) {
  if (reduce->axes >> input->rank != 0) {
    char text[ASSAY_TYPE_TEXT];
    return ASSAY_REFUSE("axis %d does not exist in %s", 31 - __builtin_clz(reduce->axes), assay_type_text(input, text));
  }
  int64_t extents[ASSAY_MAX_RANK];
  int32_t rank = 0;
  for (int32_t axis = 0; axis < input->rank; axis++) {
    const bool gone = reduce->axes >> axis & 1;
    if (!gone) extents[rank++] = input->extents[axis];
    else if (reduce->keep_axes) extents[rank++] = 1;
  }
  *output = assay_make_type(dtype, rank, extents);
  return 0;
}

ASSAY_SHAPE_RULE(reduce_sum) {
  ASSAY_UNUSED_SHAPE;
  if (inputs[0]->dtype == ASSAY_BOOL) return ASSAY_REFUSE("works on numbers, not on bool; use cast");
  return reduced_type(attributes, inputs[0], inputs[0]->dtype, outputs, status);
}

ASSAY_SHAPE_RULE(reduce_max) { return assay_shape_reduce_sum(attributes, inputs, input_count, outputs, status); }

ASSAY_SHAPE_RULE(argmax) {
  ASSAY_UNUSED_SHAPE;
  const struct assay_reduce_attributes *reduce = attributes;
  if (__builtin_popcount(reduce->axes) != 1) return ASSAY_REFUSE("goes over exactly one axis, not %d", __builtin_popcount(reduce->axes));
  if (inputs[0]->dtype == ASSAY_BOOL) return ASSAY_REFUSE("works on numbers, not on bool; use cast");
  return reduced_type(attributes, inputs[0], ASSAY_I32, outputs, status);
}

/* The value of a reduction, with its lost axes put back as extents of 1, beside the input it came from. */
static assay_value with_axes(struct assay_builder *b, assay_value reduced, const struct assay_node *node, assay_value input) {
  const struct assay_reduce_attributes *reduce = node->attributes;
  struct assay_tensor_type kept = *assay_type(b, input);
  for (int32_t axis = 0; axis < kept.rank; axis++)
    if (reduce->axes >> axis & 1) kept.extents[axis] = 1;
  return assay_reshape_like(b, reduced, &kept);
}

ASSAY_GRADIENT_RULE(reduce_sum) {
  ASSAY_UNUSED_GRADIENT;
  gradients[0] = assay_broadcast_like(b, with_axes(b, output_gradients[0], node, inputs[0]), assay_type(b, inputs[0]));
}

/* Shared equally among equals. */
ASSAY_GRADIENT_RULE(reduce_max) {
  ASSAY_UNUSED_GRADIENT;
  const struct assay_reduce_attributes *reduce = node->attributes;
  const assay_value x = inputs[0], largest = with_axes(b, outputs[0], node, x), g = with_axes(b, output_gradients[0], node, x);
  const assay_value winners = assay_cast(b, assay_equal(b, x, largest), assay_type(b, x)->dtype);
  gradients[0] = assay_mul(b, winners, assay_div(b, g, assay_reduce_sum(b, winners, reduce->axes, 1)));
}
