/* SPDX-License-Identifier: MIT
 *
 * Where branches meet: add and concat.
 */
#include "layers.h"

static assay_value add(struct assay_builder *b, const struct assay_option_value *const *values, const assay_value *inputs, uint32_t input_count) {
  (void)values;
  const struct assay_tensor_type *first = assay_type(b, inputs[0]);
  assay_value sum = inputs[0];
  for (uint32_t i = 1; i < input_count; i++) {
    const struct assay_tensor_type *type = assay_type(b, inputs[i]);
    int equal = type->rank == first->rank || !assay_is_valid(inputs[i]) || !assay_is_valid(inputs[0]);
    for (int32_t axis = 0; equal && axis < first->rank && axis < type->rank; axis++) equal = type->extents[axis] == first->extents[axis];
    if (!equal) return assay_fail(b, "adds inputs of one shape only; bring the branches to the same channels, height and width first");
    sum = assay_add(b, sum, inputs[i]);
  }
  return sum;
}

static assay_value concat(struct assay_builder *b, const struct assay_option_value *const *values, const assay_value *inputs, uint32_t input_count) {
  (void)values;
  return assay_concat(b, inputs, input_count, 1);
}

LAYER(add, "sum of its inputs", 0, 2, UINT32_MAX, NULL, add);
LAYER(concat, "channels (or features) of its inputs one after another", 0, 2, UINT32_MAX, NULL, concat);
