/* SPDX-License-Identifier: MIT
 *
 * Elementwise ops. Their gradients are written for the extents of the output; autodiff sums them over stretched axes.
 */
#include "graph/op_rules.h"

#include <math.h>

int assay_broadcast_extents(const struct assay_tensor_type *const *inputs, uint32_t input_count, struct assay_tensor_type *output,
                            struct assay_status *status) {
  int32_t rank = 0;
  for (uint32_t i = 0; i < input_count; i++)
    if (inputs[i]->rank > rank) rank = inputs[i]->rank;
  int64_t extents[ASSAY_MAX_RANK];
  for (int32_t axis = 0; axis < rank; axis++) {
    extents[axis] = 1;
    for (uint32_t i = 0; i < input_count; i++) {
      const int32_t own = axis - (rank - inputs[i]->rank);
      const int64_t extent = own < 0 ? 1 : inputs[i]->extents[own];
      if (extent == 1 || extent == extents[axis]) continue;
      if (extents[axis] != 1) {
        char left[ASSAY_TYPE_TEXT], right[ASSAY_TYPE_TEXT];
        return ASSAY_REFUSE("the shapes %s and %s do not go together: aligned at the last axis, extents must be equal or 1",
                            assay_type_text(inputs[input_count - 2], left), assay_type_text(inputs[input_count - 1], right));
      }
      extents[axis] = extent;
    }
  }
  *output = assay_make_type(output->dtype, rank, extents);
  return 0;
}

/* ---- Shapes ---- */

static int same_dtypes(const struct assay_tensor_type *const *inputs, uint32_t input_count, struct assay_status *status) {
  for (uint32_t i = 1; i < input_count; i++)
    if (inputs[i]->dtype != inputs[0]->dtype)
      return ASSAY_REFUSE("the inputs must have one dtype, not %s and %s; use cast", assay_dtype_name(inputs[0]->dtype), assay_dtype_name(inputs[i]->dtype));
  return 0;
}

static int broadcast_as(int32_t dtype, const struct assay_tensor_type *const *inputs, uint32_t input_count, struct assay_tensor_type *output,
                        struct assay_status *status) {
  output->dtype = dtype;
  return assay_broadcast_extents(inputs, input_count, output, status);
}

ASSAY_SHAPE_RULE(float) {
  ASSAY_UNUSED_SHAPE;
  const int error = same_dtypes(inputs, input_count, status);
  if (error != 0) return error;
  if (!assay_dtype_is_float(inputs[0]->dtype)) return ASSAY_REFUSE("works on floats, not on %s; use cast", assay_dtype_name(inputs[0]->dtype));
  return broadcast_as(inputs[0]->dtype, inputs, input_count, outputs, status);
}

ASSAY_SHAPE_RULE(number) {
  ASSAY_UNUSED_SHAPE;
  const int error = same_dtypes(inputs, input_count, status);
  if (error != 0) return error;
  if (inputs[0]->dtype == ASSAY_BOOL) return ASSAY_REFUSE("works on numbers, not on bool; use select or cast");
  return broadcast_as(inputs[0]->dtype, inputs, input_count, outputs, status);
}

ASSAY_SHAPE_RULE(any) {
  ASSAY_UNUSED_SHAPE;
  return broadcast_as(inputs[0]->dtype, inputs, input_count, outputs, status);
}

ASSAY_SHAPE_RULE(is_finite) {
  ASSAY_UNUSED_SHAPE;
  if (!assay_dtype_is_float(inputs[0]->dtype)) return ASSAY_REFUSE("works on floats, not on %s", assay_dtype_name(inputs[0]->dtype));
  return broadcast_as(ASSAY_BOOL, inputs, input_count, outputs, status);
}

ASSAY_SHAPE_RULE(logic) {
  ASSAY_UNUSED_SHAPE;
  for (uint32_t i = 0; i < input_count; i++)
    if (inputs[i]->dtype != ASSAY_BOOL) return ASSAY_REFUSE("works on bool, not on %s; use a comparison", assay_dtype_name(inputs[i]->dtype));
  return broadcast_as(ASSAY_BOOL, inputs, input_count, outputs, status);
}

ASSAY_SHAPE_RULE(cast) {
  ASSAY_UNUSED_SHAPE;
  const struct assay_cast_attributes *cast = attributes;
  if (assay_dtype_size(cast->dtype) == 0) return ASSAY_REFUSE("%d is no dtype", cast->dtype);
  return broadcast_as(cast->dtype, inputs, input_count, outputs, status);
}

ASSAY_SHAPE_RULE(compare) {
  ASSAY_UNUSED_SHAPE;
  const int error = same_dtypes(inputs, input_count, status);
  return error != 0 ? error : broadcast_as(ASSAY_BOOL, inputs, input_count, outputs, status);
}

ASSAY_SHAPE_RULE(select) {
  ASSAY_UNUSED_SHAPE;
  if (inputs[0]->dtype != ASSAY_BOOL) return ASSAY_REFUSE("the condition must be bool, not %s; use a comparison", assay_dtype_name(inputs[0]->dtype));
  const int error = same_dtypes(inputs + 1, 2, status);
  return error != 0 ? error : broadcast_as(inputs[1]->dtype, inputs, input_count, outputs, status);
}

/* ---- Gradients; g is that of the output, x and y the inputs ---- */

static assay_value one_minus(struct assay_builder *b, assay_value x) { return assay_sub(b, assay_number(b, x, 1), x); }
static assay_value if_less(struct assay_builder *b, assay_value x, assay_value y, assay_value then, assay_value otherwise) {
  return assay_select(b, assay_less(b, x, y), then, otherwise);
}

#define UNARY(name, expression)                                                                                                                                \
  ASSAY_GRADIENT_RULE(name) {                                                                                                                                  \
    ASSAY_UNUSED_GRADIENT;                                                                                                                                     \
    const assay_value x = inputs[0], result = outputs[0], g = output_gradients[0];                                                                             \
    (void)x, (void)result;                                                                                                                                     \
    gradients[0] = (expression);                                                                                                                               \
  }

UNARY(negate, assay_negate(b, g))
UNARY(abs, assay_mul(b, g, assay_sign(b, x)))
UNARY(exp, assay_mul(b, g, result))
UNARY(log, assay_div(b, g, x))
UNARY(log1p, assay_div(b, g, assay_add(b, x, assay_number(b, x, 1))))
UNARY(sqrt, assay_div(b, assay_mul(b, g, assay_number(b, g, 0.5)), result))
UNARY(tanh, assay_mul(b, g, one_minus(b, assay_mul(b, result, result))))
UNARY(sigmoid, assay_mul(b, g, assay_mul(b, result, one_minus(b, result))))
UNARY(erf, assay_mul(b, g, assay_mul(b, assay_exp(b, assay_negate(b, assay_mul(b, x, x))), assay_number(b, x, M_2_SQRTPI))))
/* From the result, so that the input need not be kept. */
UNARY(relu, if_less(b, assay_number(b, result, 0), result, g, assay_number(b, g, 0)))
UNARY(sin, assay_mul(b, g, assay_cos(b, x)))
UNARY(cos, assay_negate(b, assay_mul(b, g, assay_sin(b, x))))

ASSAY_GRADIENT_RULE(cast) {
  ASSAY_UNUSED_GRADIENT;
  const int32_t from = assay_type(b, inputs[0])->dtype;
  if (assay_dtype_is_float(from) && assay_dtype_is_float(assay_type(b, outputs[0])->dtype)) gradients[0] = assay_cast(b, output_gradients[0], from);
}

#define BINARY(name, first, second)                                                                                                                            \
  ASSAY_GRADIENT_RULE(name) {                                                                                                                                  \
    ASSAY_UNUSED_GRADIENT;                                                                                                                                     \
    const assay_value x = inputs[0], y = inputs[1], result = outputs[0], g = output_gradients[0];                                                              \
    (void)x, (void)y, (void)result;                                                                                                                            \
    if (wanted[0]) gradients[0] = (first);                                                                                                                     \
    if (wanted[1]) gradients[1] = (second);                                                                                                                    \
  }

BINARY(add, g, g)
BINARY(subtract, g, assay_negate(b, g))
BINARY(multiply, assay_mul(b, g, y), assay_mul(b, g, x))
BINARY(divide, assay_div(b, g, y), assay_negate(b, assay_mul(b, assay_div(b, g, y), result)))
BINARY(maximum, if_less(b, x, y, assay_number(b, g, 0), g), if_less(b, x, y, g, assay_number(b, g, 0)))
BINARY(minimum, if_less(b, y, x, assay_number(b, g, 0), g), if_less(b, y, x, g, assay_number(b, g, 0)))

/* d x^y / dx = y x^(y-1), which is 0 for y = 0 wherever x is. */
static assay_value power_by_base(struct assay_builder *b, assay_value x, assay_value y) {
  const assay_value slope = assay_mul(b, y, assay_pow(b, x, assay_sub(b, y, assay_number(b, y, 1))));
  return assay_select(b, assay_equal(b, y, assay_number(b, y, 0)), assay_number(b, y, 0), slope);
}
/* d x^y / dy = x^y log x, which is 0 in the limit of x to 0. */
static assay_value power_by_exponent(struct assay_builder *b, assay_value x, assay_value result) {
  const assay_value at_zero = assay_equal(b, x, assay_number(b, x, 0));
  return assay_mul(b, result, assay_log(b, assay_select(b, at_zero, assay_number(b, x, 1), x)));
}
BINARY(power, assay_mul(b, g, power_by_base(b, x, y)), assay_mul(b, g, power_by_exponent(b, x, result)))

ASSAY_GRADIENT_RULE(select) {
  ASSAY_UNUSED_GRADIENT;
  const assay_value g = output_gradients[0];
  if (wanted[1]) gradients[1] = assay_select(b, inputs[0], g, assay_number(b, g, 0));
  if (wanted[2]) gradients[2] = assay_select(b, inputs[0], assay_number(b, g, 0), g);
}
