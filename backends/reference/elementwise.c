/* SPDX-License-Identifier: MIT
 *
 * Elementwise ops: constants, functions of one, two and three numbers, and conversions.
 */
#include "reference.h"

#include <math.h>

void assay_reference_constant(const struct assay_node *node, const struct assay_reference_tensor *inputs, const struct assay_reference_tensor *outputs) {
  const struct assay_constant_attributes *attributes = node->attributes;
  (void)inputs;
  outputs[0].numbers[0] = assay_reference_convert(attributes->value, ASSAY_F64, attributes->dtype);
}

void assay_reference_cast(const struct assay_node *node, const struct assay_reference_tensor *inputs, const struct assay_reference_tensor *outputs) {
  (void)node;
  for (int64_t i = 0; i < outputs[0].count; i++)
    outputs[0].numbers[i] = assay_reference_convert(inputs[0].numbers[i], inputs[0].type->dtype, outputs[0].type->dtype);
}

static double sigmoid(double x) { return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)); }

static double function_of_one(uint32_t op, double x) {
  switch (op) {
  case ASSAY_OP_NEGATE: return -x;
  case ASSAY_OP_ABS: return fabs(x);
  case ASSAY_OP_SIGN: return x > 0 ? 1 : x < 0 ? -1 : x;
  case ASSAY_OP_EXP: return exp(x);
  case ASSAY_OP_LOG: return log(x);
  case ASSAY_OP_LOG1P: return log1p(x);
  case ASSAY_OP_SQRT: return sqrt(x);
  case ASSAY_OP_TANH: return tanh(x);
  case ASSAY_OP_SIGMOID: return sigmoid(x);
  case ASSAY_OP_ERF: return erf(x);
  case ASSAY_OP_FLOOR: return floor(x);
  case ASSAY_OP_RELU: return x < 0 ? 0 : x; /* not-a-number stays */
  case ASSAY_OP_IS_FINITE: return isfinite(x);
  case ASSAY_OP_NOT: return x == 0;
  case ASSAY_OP_SIN: return sin(x);
  case ASSAY_OP_COS: return cos(x);
  default: return NAN;
  }
}

void assay_reference_unary(const struct assay_node *node, const struct assay_reference_tensor *inputs, const struct assay_reference_tensor *outputs) {
  for (int64_t i = 0; i < outputs[0].count; i++) outputs[0].numbers[i] = function_of_one(node->op, inputs[0].numbers[i]);
}

/* The four operations that integers do otherwise than doubles: products wrap around, quotients are cut, and the quotient by zero is zero. */
static double integer_product(double x, double y) { return (double)(uint32_t)((uint64_t)(int64_t)x * (uint64_t)(int64_t)y); }
static double integer_quotient(double x, double y) { return y == 0 ? 0 : trunc(x / y); }

static double function_of_two(uint32_t op, int is_float, double x, double y) {
  switch (op) {
  case ASSAY_OP_ADD: return x + y;
  case ASSAY_OP_SUBTRACT: return x - y;
  case ASSAY_OP_MULTIPLY: return is_float ? x * y : integer_product(x, y);
  case ASSAY_OP_DIVIDE: return is_float ? x / y : integer_quotient(x, y);
  case ASSAY_OP_MAXIMUM: return x >= y || isnan(x) ? x : y; /* not-a-number wins */
  case ASSAY_OP_MINIMUM: return x <= y || isnan(x) ? x : y;
  case ASSAY_OP_POWER: return pow(x, y);
  case ASSAY_OP_EQUAL: return x == y;
  case ASSAY_OP_LESS: return x < y;
  case ASSAY_OP_LESS_EQUAL: return x <= y;
  case ASSAY_OP_AND: return x != 0 && y != 0;
  case ASSAY_OP_OR: return x != 0 || y != 0;
  default: return NAN;
  }
}

void assay_reference_binary(const struct assay_node *node, const struct assay_reference_tensor *inputs, const struct assay_reference_tensor *outputs) {
  const struct assay_tensor_type *type = outputs[0].type;
  const int is_float = assay_dtype_is_float(inputs[0].type->dtype);
  int64_t index[ASSAY_MAX_RANK] = {0}, i = 0;
  do {
    const double x = inputs[0].numbers[assay_reference_broadcast_offset(inputs[0].type, type, index)];
    const double y = inputs[1].numbers[assay_reference_broadcast_offset(inputs[1].type, type, index)];
    outputs[0].numbers[i++] = function_of_two(node->op, is_float, x, y);
  } while (assay_reference_next(type, index));
}

void assay_reference_select(const struct assay_node *node, const struct assay_reference_tensor *inputs, const struct assay_reference_tensor *outputs) {
  const struct assay_tensor_type *type = outputs[0].type;
  int64_t index[ASSAY_MAX_RANK] = {0}, i = 0;
  (void)node;
  do {
    const double condition = inputs[0].numbers[assay_reference_broadcast_offset(inputs[0].type, type, index)];
    const struct assay_reference_tensor *chosen = &inputs[condition != 0 ? 1 : 2];
    outputs[0].numbers[i++] = chosen->numbers[assay_reference_broadcast_offset(chosen->type, type, index)];
  } while (assay_reference_next(type, index));
}
