/* SPDX-License-Identifier: MIT
 *
 * Ops that compute each element by itself.
 */
#include "plain.h"

#include <math.h>
#include <string.h>

double load(const struct tensor *tensor, int64_t i) {
  switch (tensor->type->dtype) {
  case ASSAY_F32: return ((const float *)tensor->bytes)[i];
  case ASSAY_I32: return ((const int32_t *)tensor->bytes)[i];
  case ASSAY_U32: return ((const uint32_t *)tensor->bytes)[i];
  default: return tensor->bytes[i];
  }
}

void store(const struct tensor *tensor, int64_t i, double number) {
  switch (tensor->type->dtype) {
  case ASSAY_F32: ((float *)tensor->bytes)[i] = (float)number; break;
  case ASSAY_I32:
  case ASSAY_U32: ((uint32_t *)tensor->bytes)[i] = (uint32_t)(int64_t)number; break;
  case ASSAY_U8: tensor->bytes[i] = (unsigned char)(int64_t)number; break;
  default: tensor->bytes[i] = number != 0; /* bool */
  }
}

static int is_whole(const struct tensor *tensor) { return !assay_dtype_is_float(tensor->type->dtype); }

static double compute1(uint32_t op, double x) {
  switch (op) {
  case ASSAY_OP_NEGATE: return -x;
  case ASSAY_OP_ABS: return fabs(x);
  case ASSAY_OP_SIGN: return x > 0 ? 1 : x < 0 ? -1 : x;
  case ASSAY_OP_EXP: return exp(x);
  case ASSAY_OP_LOG: return log(x);
  case ASSAY_OP_LOG1P: return log1p(x);
  case ASSAY_OP_SQRT: return sqrt(x);
  case ASSAY_OP_TANH: return tanh(x);
  case ASSAY_OP_SIGMOID: return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)); /* neither overflows */
  case ASSAY_OP_ERF: return erf(x);
  case ASSAY_OP_FLOOR: return floor(x);
  case ASSAY_OP_RELU: return x > 0 ? x : 0;
  case ASSAY_OP_IS_FINITE: return isfinite(x) ? 1 : 0;
  case ASSAY_OP_NOT: return x == 0;
  case ASSAY_OP_SIN: return sin(x);
  case ASSAY_OP_COS: return cos(x);
  default: return x; /* STOP_GRADIENT */
  }
}

static void unary(const struct assay_node *node, const struct tensor *in, const struct tensor *out) {
  for (int64_t i = 0; i < count_of(out); i++) store(out, i, compute1(node->op, load(in, i)));
}

/* Floats become whole numbers towards zero, and saturate; not-a-number becomes 0. */
static void cast(const struct assay_node *node, const struct tensor *in, const struct tensor *out) {
  static const double least[] = {[ASSAY_I32] = -2147483648.0}, most[] = {[ASSAY_I32] = 2147483647, [ASSAY_U32] = 4294967295, [ASSAY_U8] = 255};
  const int32_t to = out->type->dtype;
  (void)node;
  for (int64_t i = 0; i < count_of(out); i++) {
    double x = load(in, i);
    if (!is_whole(in) && is_whole(out) && to != ASSAY_BOOL) {
      const double low = to == ASSAY_I32 ? least[to] : 0;
      x = isnan(x) ? 0 : x < low ? low : x > most[to] ? most[to] : trunc(x);
    }
    store(out, i, x);
  }
}

static double compute2(uint32_t op, double x, double y) {
  switch (op) {
  case ASSAY_OP_ADD: return x + y;
  case ASSAY_OP_SUBTRACT: return x - y;
  case ASSAY_OP_MULTIPLY: return x * y;
  case ASSAY_OP_DIVIDE: return x / y;
  case ASSAY_OP_MAXIMUM: return x > y ? x : y;
  case ASSAY_OP_MINIMUM: return x < y ? x : y;
  case ASSAY_OP_POWER: return pow(x, y);
  case ASSAY_OP_EQUAL: return x == y;
  case ASSAY_OP_LESS: return x < y;
  case ASSAY_OP_LESS_EQUAL: return x <= y;
  case ASSAY_OP_AND: return x != 0 && y != 0;
  default: return x != 0 || y != 0; /* OR */
  }
}

/* A product of whole numbers wraps around, and needs more bits than a double has; a quotient by zero is zero. */
static double compute_whole(uint32_t op, double x, double y) {
  if (op == ASSAY_OP_MULTIPLY) return (double)(uint32_t)((uint64_t)(int64_t)x * (uint64_t)(int64_t)y);
  if (op == ASSAY_OP_DIVIDE) return y == 0 ? 0 : trunc(x / y);
  return compute2(op, x, y);
}

static void binary(const struct assay_node *node, const struct tensor *in, const struct tensor *out) {
  int64_t index[ASSAY_MAX_RANK] = {0}, i = 0;
  const int whole = is_whole(&in[0]);
  do {
    const double x = load(&in[0], broadcast_place(in[0].type, out->type, index)), y = load(&in[1], broadcast_place(in[1].type, out->type, index));
    store(out, i++, whole ? compute_whole(node->op, x, y) : compute2(node->op, x, y));
  } while (next_index(out->type, index));
}

static void choose(const struct assay_node *node, const struct tensor *in, const struct tensor *out) {
  int64_t index[ASSAY_MAX_RANK] = {0}, i = 0;
  (void)node;
  do {
    const struct tensor *chosen = load(&in[0], broadcast_place(in[0].type, out->type, index)) != 0 ? &in[1] : &in[2];
    store(out, i++, load(chosen, broadcast_place(chosen->type, out->type, index)));
  } while (next_index(out->type, index));
}

static void constant(const struct assay_node *node, const struct tensor *in, const struct tensor *out) {
  const struct assay_constant_attributes *attributes = node->attributes;
  (void)in;
  store(out, 0, attributes->value);
}

kernel elementwise_kernel(uint32_t op) {
  if (op == ASSAY_OP_CONSTANT) return constant;
  if (op == ASSAY_OP_CAST) return cast;
  if (op == ASSAY_OP_SELECT) return choose;
  if (op >= ASSAY_OP_NEGATE && op <= ASSAY_OP_COS) return unary;
  return op >= ASSAY_OP_ADD && op <= ASSAY_OP_OR ? binary : NULL;
}
