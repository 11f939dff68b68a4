/* SPDX-License-Identifier: MIT
 *
 * Simplification, a node at a time, as a function is rebuilt. Only rules that keep every bit of a float: x * 1 goes, x * 0 and x + 0 stay (NaN, and
 * -0 + 0 = +0); constants are folded only through operations that IEEE 754 rounds correctly.
 */
#include "graph/builder.h"

#include "graph/number.h"
#include "graph/op_rules.h"

#include <math.h>
#include <string.h>

/* The node at hand and what it would become. */
struct candidate {
  struct assay_function_builder *builder;
  struct assay_builder *b; /* the same, as the wrappers take it */
  const struct assay_op_info *info;
  const assay_value *inputs;
  uint32_t input_count;
  const void *attributes;
  const struct assay_tensor_type *type; /* of the first output */
};

static const struct assay_node *producer(const struct candidate *c, assay_value value) { return c->builder->nodes[c->builder->producers[value.id]]; }
static assay_value input_value(const struct assay_node *node, uint32_t i) { return (assay_value){node->inputs[i]}; }
static const struct assay_tensor_type *type_of(const struct candidate *c, assay_value value) { return c->builder->types[value.id]; }
static bool same_as_result(const struct candidate *c, assay_value value) { return assay_same_type(type_of(c, value), c->type); }

static bool constant_number(const struct candidate *c, assay_value value, double *number) {
  const struct assay_node *node = producer(c, value);
  if (node->op != ASSAY_OP_CONSTANT) return false;
  *number = ((const struct assay_constant_attributes *)node->attributes)->value;
  return true;
}

/* The input of `value`'s node when that is an `op`; else invalid. */
static assay_value under(const struct candidate *c, assay_value value, uint32_t op) {
  const struct assay_node *node = producer(c, value);
  return node->op == op ? input_value(node, 0) : assay_invalid();
}

static assay_value emit_constant(const struct candidate *c, double number) {
  const struct assay_constant_attributes constant = {number, c->type->dtype, 0};
  return c->b->host->emit(c->b, ASSAY_OP_CONSTANT, NULL, 0, &constant, sizeof constant);
}

/* ---- Constants ---- */

/* false: not folded, since backends may differ in it: library functions, and the sign of a zero that is chosen. */
static bool fold(uint32_t op, int32_t dtype, const double *x, double *result) {
  switch (op) {
  case ASSAY_OP_NEGATE: *result = -x[0]; return true;
  case ASSAY_OP_ABS: *result = fabs(x[0]); return true;
  case ASSAY_OP_SIGN: *result = x[0] > 0 ? 1 : -1; return x[0] != 0;
  case ASSAY_OP_SQRT: *result = sqrt(x[0]); return true;
  case ASSAY_OP_FLOOR: *result = floor(x[0]); return true;
  case ASSAY_OP_RELU: *result = x[0] > 0 ? x[0] : 0; return x[0] != 0;
  case ASSAY_OP_IS_FINITE: *result = isfinite(x[0]); return true;
  case ASSAY_OP_NOT: *result = x[0] == 0; return true;
  case ASSAY_OP_CAST: *result = x[0]; return true;
  case ASSAY_OP_ADD: *result = x[0] + x[1]; return true;
  case ASSAY_OP_SUBTRACT: *result = x[0] - x[1]; return true;
  case ASSAY_OP_MULTIPLY: *result = x[0] * x[1]; return true;
  case ASSAY_OP_DIVIDE: *result = x[0] / x[1]; return assay_dtype_is_float(dtype) || x[1] != 0;
  case ASSAY_OP_MAXIMUM: *result = x[0] < x[1] ? x[1] : x[0]; return x[0] != x[1] || x[0] != 0;
  case ASSAY_OP_MINIMUM: *result = x[1] < x[0] ? x[1] : x[0]; return x[0] != x[1] || x[0] != 0;
  case ASSAY_OP_EQUAL: *result = x[0] == x[1]; return true;
  case ASSAY_OP_LESS: *result = x[0] < x[1]; return true;
  case ASSAY_OP_LESS_EQUAL: *result = x[0] <= x[1]; return true;
  case ASSAY_OP_AND: *result = x[0] != 0 && x[1] != 0; return true;
  case ASSAY_OP_OR: *result = x[0] != 0 || x[1] != 0; return true;
  case ASSAY_OP_SELECT: *result = x[0] != 0 ? x[1] : x[2]; return true;
  default: return false;
  }
}

/* Integers that would leave their range are left to the backend; so is a result that is not a number. */
static bool in_range(double number, int32_t dtype) {
  if (assay_dtype_is_float(dtype)) return !isnan(number);
  return dtype == ASSAY_BOOL || assay_round_to_dtype(number, dtype) == trunc(number);
}

static assay_value fold_constants(const struct candidate *c) {
  double numbers[3], result;
  if (c->input_count > 3) return assay_invalid();
  for (uint32_t i = 0; i < c->input_count; i++)
    if (!constant_number(c, c->inputs[i], &numbers[i]) || isnan(numbers[i])) return assay_invalid();
  if (!fold(c->info->op, c->type->dtype, numbers, &result) || !in_range(result, c->type->dtype)) return assay_invalid();
  return emit_constant(c, result);
}

/* ---- Broadcasts before elementwise ops ---- */

static bool is_scalar(const struct candidate *c, assay_value value) { return type_of(c, value)->rank == 0; }

/* Elementwise ops stretch by themselves: they are computed before the broadcasts of their inputs, and only the result is stretched, where it must be. */
static assay_value push_broadcasts(const struct candidate *c) {
  assay_value inputs[3];
  bool any = false;
  if (c->input_count > 3) return assay_invalid();
  for (uint32_t i = 0; i < c->input_count; i++) {
    const assay_value source = under(c, c->inputs[i], ASSAY_OP_BROADCAST);
    inputs[i] = assay_is_valid(source) ? source : c->inputs[i];
    any |= assay_is_valid(source);
  }
  if (!any) return assay_invalid();
  return assay_broadcast_like(c->b, c->b->host->emit(c->b, c->info->op, inputs, c->input_count, c->attributes, c->info->attributes_size), c->type);
}

/* ---- Identities ---- */

/* Does every number of dtype `from` have the same value in `to`? */
static bool is_lossless(int32_t from, int32_t to) {
  switch (from) {
  case ASSAY_F32: return to == ASSAY_F64;
  case ASSAY_F16:
  case ASSAY_BF16: return to == ASSAY_F64 || to == ASSAY_F32;
  case ASSAY_I32:
  case ASSAY_U32: return to == ASSAY_F64;
  case ASSAY_U8: return to == ASSAY_F64 || to == ASSAY_F32 || to == ASSAY_I32 || to == ASSAY_U32;
  case ASSAY_BOOL: return true;
  default: return false;
  }
}

static assay_value simplify_cast(const struct candidate *c) {
  const assay_value x = c->inputs[0], source = under(c, x, ASSAY_OP_CAST);
  if (same_as_result(c, x)) return x;
  if (assay_is_valid(source) && is_lossless(type_of(c, source)->dtype, type_of(c, x)->dtype)) return assay_cast(c->b, source, c->type->dtype);
  return assay_invalid();
}

static assay_value simplify_sum(const struct candidate *c) {
  const bool is_float = assay_dtype_is_float(c->type->dtype);
  double number;
  for (int i = 0; i < 2; i++) {
    const assay_value x = c->inputs[1 - i], negated = under(c, c->inputs[i], ASSAY_OP_NEGATE);
    if (constant_number(c, c->inputs[i], &number) && number == 0 && (!is_float || signbit(number)) && same_as_result(c, x)) return x;
    if (assay_is_valid(negated)) return assay_sub(c->b, x, negated);
  }
  return assay_invalid();
}

static assay_value simplify_difference(const struct candidate *c) {
  const assay_value x = c->inputs[0], negated = under(c, c->inputs[1], ASSAY_OP_NEGATE);
  double number;
  if (constant_number(c, c->inputs[1], &number) && number == 0 && !signbit(number) && same_as_result(c, x)) return x;
  return assay_is_valid(negated) ? assay_add(c->b, x, negated) : assay_invalid();
}

/* x * 1, and for division only the second input counts. */
static assay_value simplify_factor(const struct candidate *c) {
  double number;
  for (int i = c->info->op == ASSAY_OP_DIVIDE; i < 2; i++)
    if (constant_number(c, c->inputs[i], &number) && number == 1 && same_as_result(c, c->inputs[1 - i])) return c->inputs[1 - i];
  return assay_invalid();
}

static assay_value simplify_select(const struct candidate *c) {
  double condition;
  if (c->inputs[1].id == c->inputs[2].id && same_as_result(c, c->inputs[1])) return c->inputs[1];
  if (!constant_number(c, c->inputs[0], &condition)) return assay_invalid();
  const assay_value chosen = c->inputs[condition != 0 ? 1 : 2];
  return same_as_result(c, chosen) ? chosen : assay_invalid();
}

/* The scalar that fills `value`; invalid when there is none. */
static assay_value filling(const struct candidate *c, assay_value value) {
  if (is_scalar(c, value)) return value;
  const assay_value source = under(c, value, ASSAY_OP_BROADCAST);
  return assay_is_valid(source) && is_scalar(c, source) ? source : assay_invalid();
}

/* The second of two equal moves replaces both; a move to where one is already is none; a tensor full of one number is that number stretched. */
static assay_value simplify_move(const struct candidate *c) {
  const assay_value x = c->inputs[0], source = under(c, x, c->info->op), full_of = filling(c, x);
  if (same_as_result(c, x)) return x;
  if (assay_is_valid(full_of) && !(c->info->op == ASSAY_OP_BROADCAST && full_of.id == x.id)) return assay_broadcast_like(c->b, full_of, c->type);
  return assay_is_valid(source) ? assay_emit1(c->b, c->info->op, source, c->attributes, c->info->attributes_size) : assay_invalid();
}

static assay_value simplify_transpose(const struct candidate *c) {
  const struct assay_transpose_attributes *outer = c->attributes;
  const int32_t rank = c->type->rank;
  bool moves = false;
  for (int32_t axis = 0; axis < rank; axis++) moves |= outer->axes[axis] != axis;
  if (!moves) return c->inputs[0];
  const struct assay_node *below = producer(c, c->inputs[0]);
  if (below->op != ASSAY_OP_TRANSPOSE) return assay_invalid();
  const struct assay_transpose_attributes *inner = below->attributes;
  int32_t axes[ASSAY_MAX_RANK] = {0};
  for (int32_t axis = 0; axis < rank; axis++) axes[axis] = inner->axes[outer->axes[axis]];
  return assay_transpose(c->b, input_value(below, 0), axes);
}

static assay_value simplify_slice(const struct candidate *c) { return same_as_result(c, c->inputs[0]) ? c->inputs[0] : assay_invalid(); }

static assay_value simplify_reduction(const struct candidate *c) {
  return ((const struct assay_reduce_attributes *)c->attributes)->axes == 0 ? c->inputs[0] : assay_invalid();
}

static assay_value simplify_identity(const struct candidate *c) {
  const assay_value x = c->inputs[0];
  switch (c->info->op) {
  case ASSAY_OP_STOP_GRADIENT: return x;
  case ASSAY_OP_NEGATE:
  case ASSAY_OP_NOT: return under(c, x, c->info->op);
  case ASSAY_OP_ABS:
  case ASSAY_OP_RELU:
  case ASSAY_OP_FLOOR: return producer(c, x)->op == c->info->op ? x : assay_invalid();
  case ASSAY_OP_CAST: return simplify_cast(c);
  case ASSAY_OP_ADD: return simplify_sum(c);
  case ASSAY_OP_SUBTRACT: return simplify_difference(c);
  case ASSAY_OP_MULTIPLY:
  case ASSAY_OP_DIVIDE: return simplify_factor(c);
  case ASSAY_OP_SELECT: return simplify_select(c);
  case ASSAY_OP_BROADCAST:
  case ASSAY_OP_RESHAPE: return simplify_move(c);
  case ASSAY_OP_TRANSPOSE: return simplify_transpose(c);
  case ASSAY_OP_SLICE:
  case ASSAY_OP_PAD:
  case ASSAY_OP_CONCAT: return simplify_slice(c);
  case ASSAY_OP_REDUCE_SUM:
  case ASSAY_OP_REDUCE_MAX: return simplify_reduction(c);
  default: return assay_invalid();
  }
}

/* ---- One node ---- */

static assay_value share(const struct candidate *c) {
  int32_t few[8] = {0}, *inputs = few;
  if (c->input_count > 8 && (inputs = ASSAY_NEW_ARRAY(c->builder->program->arena, int32_t, c->input_count)) == NULL) return assay_invalid();
  for (uint32_t i = 0; i < c->input_count; i++) inputs[i] = c->inputs[i].id;
  const int32_t node = assay_known_node(c->builder, c->info, inputs, c->input_count, c->attributes);
  return (assay_value){node < 0 ? -1 : c->builder->nodes[node]->first_output};
}

assay_value assay_simplify_node(struct assay_function_builder *builder, const struct assay_op_info *info, const assay_value *inputs, uint32_t input_count,
                                const void *attributes, const struct assay_tensor_type *outputs) {
  const struct candidate c = {builder, &builder->base, info, inputs, input_count, attributes, outputs};
  if (info->flags & ASSAY_OP_EFFECT) return assay_invalid();
  assay_value same = share(&c);
  if (!assay_is_valid(same) && input_count > 0) same = simplify_identity(&c);
  if (info->flags & ASSAY_OP_ELEMENTWISE) {
    if (!assay_is_valid(same)) same = fold_constants(&c);
    if (!assay_is_valid(same)) same = push_broadcasts(&c);
  }
  return same;
}
