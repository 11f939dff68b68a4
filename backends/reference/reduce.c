/* SPDX-License-Identifier: MIT
 *
 * Reductions: sums, maxima, and where the maximum is.
 */
#include "reference.h"

#include <math.h>

/* Where element `index` of a tensor lands in the result without the reduced axes; whether those stay with extent 1 does not matter to the place. */
static int64_t reduced_offset(const struct assay_tensor_type *type, uint32_t axes, const int64_t *index) {
  int64_t offset = 0;
  for (int32_t axis = 0; axis < type->rank; axis++)
    if (!(axes >> axis & 1)) offset = offset * type->extents[axis] + index[axis];
  return offset;
}

static bool greater(double x, double y) { return x > y || (isnan(x) && !isnan(y)); }

/* Sums of all dtypes accumulate in double. */
void assay_reference_reduce(const struct assay_node *node, const struct assay_reference_tensor *inputs, const struct assay_reference_tensor *outputs) {
  const struct assay_reduce_attributes *attributes = node->attributes;
  const bool sum = node->op == ASSAY_OP_REDUCE_SUM;
  double *result = outputs[0].numbers;
  for (int64_t i = 0; i < outputs[0].count; i++) result[i] = sum ? 0 : -INFINITY;
  int64_t index[ASSAY_MAX_RANK] = {0}, i = 0;
  do {
    const double x = inputs[0].numbers[i++];
    double *place = &result[reduced_offset(inputs[0].type, attributes->axes, index)];
    if (sum) *place += x;
    else if (greater(x, *place)) *place = x;
  } while (assay_reference_next(inputs[0].type, index));
}

void assay_reference_argmax(const struct assay_node *node, const struct assay_reference_tensor *inputs, const struct assay_reference_tensor *outputs) {
  const struct assay_reduce_attributes *attributes = node->attributes;
  const int32_t axis = __builtin_ctz(attributes->axes);
  int64_t strides[ASSAY_MAX_RANK], index[ASSAY_MAX_RANK] = {0}, i = 0;
  assay_reference_strides(inputs[0].type, strides);
  do {
    const double *here = &inputs[0].numbers[i++];
    if (index[axis] != 0) continue; /* once a line, at its start */
    int64_t best = 0;
    for (int64_t k = 1; k < inputs[0].type->extents[axis]; k++)
      if (greater(here[k * strides[axis]], here[best * strides[axis]])) best = k;
    outputs[0].numbers[reduced_offset(inputs[0].type, attributes->axes, index)] = (double)best;
  } while (assay_reference_next(inputs[0].type, index));
}
