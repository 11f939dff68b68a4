/* SPDX-License-Identifier: MIT
 *
 * The cases of every op. Shapes are chosen to hurt: one element, odd extents, extents just past a vector's or a tile's width, broadcasting from either
 * side, windows that do not fit evenly, padding on one side only. The thorough ones add shapes that take many work-groups.
 */
#include "cases.h"

#include <math.h>
#include <string.h>

static bool is_half(int32_t dtype) { return dtype == ASSAY_F16 || dtype == ASSAY_BF16; }
static bool is_integer(int32_t dtype) { return dtype == ASSAY_I32 || dtype == ASSAY_U32 || dtype == ASSAY_U8; }

/* Flags for arithmetic: what is not f32 or i32 is optional, integers are exact, floats have gradients. */
static uint32_t arithmetic_flags(int32_t dtype) {
  const uint32_t optional = dtype == ASSAY_F32 || dtype == ASSAY_I32 || dtype == ASSAY_BOOL ? 0 : ASSAY_CASE_OPTIONAL;
  return optional | (assay_dtype_is_float(dtype) ? ASSAY_CASE_GRADIENT : ASSAY_CASE_EXACT);
}

/* Flags for ops that only move numbers: all dtypes but the half ones are required. */
static uint32_t moving_flags(int32_t dtype) {
  return ASSAY_CASE_EXACT | (is_half(dtype) ? ASSAY_CASE_OPTIONAL : 0) | (assay_dtype_is_float(dtype) ? ASSAY_CASE_GRADIENT : 0);
}

static enum assay_case_fill plain_fill(int32_t dtype) {
  return dtype == ASSAY_BOOL ? ASSAY_FILL_BOOL : is_integer(dtype) ? ASSAY_FILL_BITS : ASSAY_FILL_NORMAL;
}

/* ---- Elementwise ---- */

enum { MOST_SHAPES = 8 };

/* Shapes for ops of one input; returns how many. */
static int plain_shapes(int32_t dtype, bool thorough, struct assay_tensor_type shapes[MOST_SHAPES]) {
  int count = 0;
  shapes[count++] = case_shape(dtype, 2, 7, 37);
  shapes[count++] = case_shape(dtype, 0);
  shapes[count++] = case_shape(dtype, 4, 2, 3, 5, 7);
  if (!thorough) return count;
  shapes[count++] = case_shape(dtype, 1, 1);
  shapes[count++] = case_shape(dtype, 1, 1031);
  shapes[count++] = case_shape(dtype, 3, 16, 4, 129);
  shapes[count++] = case_shape(dtype, 2, 3, 100003);
  return count;
}

static void unary_cases(struct assay_case_list *list, uint32_t op, int32_t dtype, bool thorough, enum assay_case_fill fill, uint32_t flags) {
  struct assay_tensor_type shapes[MOST_SHAPES];
  const int count = plain_shapes(dtype, thorough, shapes);
  for (int i = 0; i < count; i++) {
    struct assay_case c = case_new(op, flags | ASSAY_CASE_ELEMENTWISE);
    case_operand(&c, shapes[i], fill);
    case_add(list, &c);
  }
}

static void cast_cases(struct assay_case_list *list, int32_t from, bool thorough) {
  for (int32_t to = ASSAY_F64; to <= ASSAY_BOOL; to++) {
    if (to == ASSAY_F64) continue; /* no backend but the reference has it */
    const bool to_whole = !assay_dtype_is_float(to), narrowing = from == ASSAY_F32 && is_half(to);
    const bool through_rounding = is_half(to) && is_integer(from);
    struct assay_case c = case_new(ASSAY_OP_CAST, ASSAY_CASE_ELEMENTWISE);
    if (to_whole || narrowing || is_half(from) || to == from) c.flags |= ASSAY_CASE_EXACT;
    if (is_half(from) || is_half(to)) c.flags |= ASSAY_CASE_OPTIONAL;
    if (assay_dtype_is_float(from) && !to_whole) c.flags |= ASSAY_CASE_GRADIENT;
    if (from != ASSAY_F32 && is_half(from) && is_half(to) && from != to) c.flags &= ~(uint32_t)ASSAY_CASE_EXACT;
    const enum assay_case_fill floats = to_whole ? ASSAY_FILL_HUGE : ASSAY_FILL_NORMAL;
    case_operand(&c, thorough ? case_shape(from, 2, 13, 101) : case_shape(from, 2, 5, 19),
            assay_dtype_is_float(from) ? floats : through_rounding ? ASSAY_FILL_FEW : plain_fill(from));
    c.attributes.cast.dtype = to;
    c.attributes_size = sizeof c.attributes.cast;
    case_add(list, &c);
  }
}

static void binary_case(struct assay_case_list *list, uint32_t op, uint32_t flags, struct assay_tensor_type x, struct assay_tensor_type y,
                        enum assay_case_fill x_fill, enum assay_case_fill y_fill) {
  struct assay_case c = case_new(op, flags | ASSAY_CASE_ELEMENTWISE);
  case_operand(&c, x, x_fill);
  case_operand(&c, y, y_fill);
  c.terms = (double)(assay_element_count(&x) > assay_element_count(&y) ? assay_element_count(&x) : assay_element_count(&y));
  case_add(list, &c);
}

static void binary_cases(struct assay_case_list *list, uint32_t op, int32_t dtype, bool thorough, enum assay_case_fill x, enum assay_case_fill y,
                         uint32_t flags) {
  binary_case(list, op, flags, case_shape(dtype, 2, 7, 37), case_shape(dtype, 2, 7, 37), x, y);
  binary_case(list, op, flags, case_shape(dtype, 4, 2, 3, 5, 7), case_shape(dtype, 3, 3, 1, 1), x, y);
  binary_case(list, op, flags, case_shape(dtype, 0), case_shape(dtype, 1, 17), x, y);
  binary_case(list, op, flags, case_shape(dtype, 3, 4, 1, 5), case_shape(dtype, 2, 6, 1), x, y);
  if (!thorough) return;
  binary_case(list, op, flags, case_shape(dtype, 0), case_shape(dtype, 0), x, y);
  binary_case(list, op, flags, case_shape(dtype, 1, 1031), case_shape(dtype, 1, 1031), x, y);
  binary_case(list, op, flags, case_shape(dtype, 2, 33, 65), case_shape(dtype, 1, 65), x, y);
  binary_case(list, op, flags, case_shape(dtype, 2, 33, 1), case_shape(dtype, 2, 33, 65), x, y);
  binary_case(list, op, flags, case_shape(dtype, 1, 1), case_shape(dtype, 4, 3, 2, 9, 11), x, y);
  binary_case(list, op, flags, case_shape(dtype, 2, 7, 30011), case_shape(dtype, 2, 7, 30011), x, y);
  binary_case(list, op, flags, case_shape(dtype, 4, 4, 16, 33, 35), case_shape(dtype, 3, 16, 1, 1), x, y); /* a bias on an image */
}

static void select_case(struct assay_case_list *list, uint32_t flags, struct assay_tensor_type condition, struct assay_tensor_type x,
                        struct assay_tensor_type y) {
  struct assay_case c = case_new(ASSAY_OP_SELECT, flags);
  case_operand(&c, condition, ASSAY_FILL_BOOL);
  case_operand(&c, x, plain_fill(x.dtype));
  case_operand(&c, y, plain_fill(y.dtype));
  if (flags & ASSAY_CASE_SUMMED) c.terms = (double)assay_element_count(&x);
  case_add(list, &c);
}

static void select_cases(struct assay_case_list *list, int32_t dtype, bool thorough) {
  const uint32_t flags = moving_flags(dtype);
  select_case(list, flags, case_shape(ASSAY_BOOL, 2, 7, 37), case_shape(dtype, 2, 7, 37), case_shape(dtype, 2, 7, 37));
  select_case(list, flags | ASSAY_CASE_SUMMED, case_shape(ASSAY_BOOL, 2, 5, 1), case_shape(dtype, 2, 5, 9), case_shape(dtype, 0));
  if (thorough) select_case(list, flags, case_shape(ASSAY_BOOL, 1, 1031), case_shape(dtype, 1, 1031), case_shape(dtype, 1, 1031));
}

/* ---- Reductions ---- */

static void reduce_case(struct assay_case_list *list, uint32_t op, struct assay_tensor_type x, uint32_t axes, bool keep, enum assay_case_fill fill) {
  struct assay_case c = case_new(op, arithmetic_flags(x.dtype));
  case_operand(&c, x, fill);
  if (op == ASSAY_OP_ARGMAX) c.flags = (c.flags & ~(uint32_t)ASSAY_CASE_GRADIENT) | ASSAY_CASE_EXACT;
  c.attributes.reduce = (struct assay_reduce_attributes){axes, keep ? 1u : 0u};
  c.attributes_size = sizeof c.attributes.reduce;
  for (int32_t axis = 0; axis < x.rank; axis++)
    if (axes >> axis & 1) c.terms *= (double)x.extents[axis];
  case_add(list, &c);
}

static void reduce_cases(struct assay_case_list *list, uint32_t op, int32_t dtype, bool thorough) {
  const enum assay_case_fill plain = is_integer(dtype) ? ASSAY_FILL_FEW : ASSAY_FILL_NORMAL;
  reduce_case(list, op, case_shape(dtype, 4, 3, 5, 4, 7), 1u << 0 | 1u << 2 | 1u << 3, false, plain); /* as batch norm does */
  reduce_case(list, op, case_shape(dtype, 2, 9, 35), 1u << 1, true, ASSAY_FILL_FEW);
  reduce_case(list, op, case_shape(dtype, 2, 35, 9), 1u << 0, false, plain);
  reduce_case(list, op, case_shape(dtype, 3, 3, 1, 5), 1u << 0 | 1u << 1 | 1u << 2, false, plain);
  if (!thorough) return;
  reduce_case(list, op, case_shape(dtype, 1, 1), 1u << 0, false, plain);
  reduce_case(list, op, case_shape(dtype, 1, 4099), 1u << 0, true, plain);
  reduce_case(list, op, case_shape(dtype, 4, 8, 16, 15, 17), 1u << 0 | 1u << 2 | 1u << 3, true, plain);
  reduce_case(list, op, case_shape(dtype, 3, 6, 65, 5), 1u << 1, false, plain);
  reduce_case(list, op, case_shape(dtype, 5, 2, 3, 4, 5, 6), 1u << 1 | 1u << 3, false, plain);
  reduce_case(list, op, case_shape(dtype, 2, 3, 70001), 1u << 1, false, plain);
  reduce_case(list, op, case_shape(dtype, 2, 70001, 3), 1u << 0, false, plain);
  reduce_case(list, op, case_shape(dtype, 4, 16, 5, 28, 28), 1u << 0 | 1u << 2 | 1u << 3, false, plain);
}

static void argmax_cases(struct assay_case_list *list, int32_t dtype, bool thorough) {
  reduce_case(list, ASSAY_OP_ARGMAX, case_shape(dtype, 2, 9, 10), 1u << 1, false, ASSAY_FILL_FEW);
  reduce_case(list, ASSAY_OP_ARGMAX, case_shape(dtype, 3, 3, 5, 7), 1u << 1, true, is_integer(dtype) ? ASSAY_FILL_BITS : ASSAY_FILL_NORMAL);
  if (!thorough) return;
  reduce_case(list, ASSAY_OP_ARGMAX, case_shape(dtype, 1, 1), 1u << 0, false, ASSAY_FILL_FEW);
  reduce_case(list, ASSAY_OP_ARGMAX, case_shape(dtype, 2, 100, 33), 1u << 0, false, ASSAY_FILL_FEW);
}

/* ---- Shape and place ---- */

static void shape_case(struct assay_case_list *list, uint32_t op, struct assay_tensor_type x, struct assay_tensor_type result) {
  struct assay_case c = case_new(op, moving_flags(x.dtype));
  case_operand(&c, x, plain_fill(x.dtype));
  c.attributes.shape.rank = result.rank;
  memcpy(c.attributes.shape.extents, result.extents, sizeof result.extents);
  c.attributes_size = sizeof c.attributes.shape;
  if (op == ASSAY_OP_BROADCAST) {
    c.flags |= ASSAY_CASE_SUMMED;
    for (int32_t axis = 0; axis < result.rank; axis++) c.terms *= (double)result.extents[axis]; /* one sum takes at most all of them */
  }
  case_add(list, &c);
}

static void broadcast_cases(struct assay_case_list *list, int32_t dtype, bool thorough) {
  shape_case(list, ASSAY_OP_BROADCAST, case_shape(dtype, 0), case_shape(0, 2, 3, 5));
  shape_case(list, ASSAY_OP_BROADCAST, case_shape(dtype, 3, 3, 1, 1), case_shape(0, 4, 2, 3, 5, 7));
  shape_case(list, ASSAY_OP_BROADCAST, case_shape(dtype, 2, 9, 1), case_shape(0, 2, 9, 17));
  if (thorough) shape_case(list, ASSAY_OP_BROADCAST, case_shape(dtype, 1, 129), case_shape(0, 2, 33, 129));
}

static void reshape_cases(struct assay_case_list *list, int32_t dtype, bool thorough) {
  shape_case(list, ASSAY_OP_RESHAPE, case_shape(dtype, 4, 2, 3, 5, 7), case_shape(0, 2, 2, -1));
  shape_case(list, ASSAY_OP_RESHAPE, case_shape(dtype, 1, 24), case_shape(0, 5, 2, 3, 1, 2, 2));
  if (thorough) shape_case(list, ASSAY_OP_RESHAPE, case_shape(dtype, 3, 1, 1, 1), case_shape(0, 0));
}

static void transpose_case(struct assay_case_list *list, struct assay_tensor_type x, const int32_t *axes) {
  struct assay_case c = case_new(ASSAY_OP_TRANSPOSE, moving_flags(x.dtype));
  case_operand(&c, x, plain_fill(x.dtype));
  memcpy(c.attributes.transpose.axes, axes, (size_t)x.rank * sizeof *axes);
  c.attributes_size = sizeof c.attributes.transpose;
  case_add(list, &c);
}

static void transpose_cases(struct assay_case_list *list, int32_t dtype, bool thorough) {
  transpose_case(list, case_shape(dtype, 2, 7, 37), (const int32_t[]){1, 0});
  transpose_case(list, case_shape(dtype, 4, 2, 3, 5, 7), (const int32_t[]){0, 2, 3, 1});
  if (!thorough) return;
  transpose_case(list, case_shape(dtype, 4, 2, 9, 5, 6), (const int32_t[]){0, 3, 1, 2});
  transpose_case(list, case_shape(dtype, 3, 33, 4, 65), (const int32_t[]){2, 0, 1});
  transpose_case(list, case_shape(dtype, 1, 5), (const int32_t[]){0});
  transpose_case(list, case_shape(dtype, 4, 3, 30, 31, 33), (const int32_t[]){0, 2, 3, 1});
}

static void slice_case(struct assay_case_list *list, struct assay_tensor_type x, const int64_t *start, const int64_t *stop, const int64_t *step) {
  struct assay_case c = case_new(ASSAY_OP_SLICE, moving_flags(x.dtype));
  case_operand(&c, x, plain_fill(x.dtype));
  for (int32_t axis = 0; axis < ASSAY_MAX_RANK; axis++) {
    c.attributes.slice.start[axis] = axis < x.rank ? start[axis] : 0;
    c.attributes.slice.stop[axis] = axis < x.rank ? stop[axis] : INT64_MAX;
    c.attributes.slice.step[axis] = axis < x.rank ? step[axis] : 1;
  }
  c.attributes_size = sizeof c.attributes.slice;
  case_add(list, &c);
}

static void slice_cases(struct assay_case_list *list, int32_t dtype, bool thorough) {
  slice_case(list, case_shape(dtype, 2, 9, 37), (const int64_t[]){2, 0}, (const int64_t[]){7, INT64_MAX}, (const int64_t[]){1, 1});
  slice_case(list, case_shape(dtype, 4, 2, 3, 8, 9), (const int64_t[]){0, 1, 1, 0}, (const int64_t[]){2, 3, INT64_MAX, 8}, (const int64_t[]){1, 1, 2, 3});
  if (thorough) slice_case(list, case_shape(dtype, 1, 1031), (const int64_t[]){3}, (const int64_t[]){1030}, (const int64_t[]){7});
}

static void pad_case(struct assay_case_list *list, struct assay_tensor_type x, const int64_t *low, const int64_t *high, const int64_t *interior, double value) {
  struct assay_case c = case_new(ASSAY_OP_PAD, moving_flags(x.dtype));
  case_operand(&c, x, plain_fill(x.dtype));
  memcpy(c.attributes.pad.low, low, (size_t)x.rank * sizeof *low);
  memcpy(c.attributes.pad.high, high, (size_t)x.rank * sizeof *high);
  memcpy(c.attributes.pad.interior, interior, (size_t)x.rank * sizeof *interior);
  c.attributes.pad.value = value;
  c.attributes_size = sizeof c.attributes.pad;
  case_add(list, &c);
}

static void pad_cases(struct assay_case_list *list, int32_t dtype, bool thorough) {
  pad_case(list, case_shape(dtype, 2, 5, 7), (const int64_t[]){1, 0}, (const int64_t[]){0, 3}, (const int64_t[]){0, 0}, 0);
  pad_case(list, case_shape(dtype, 4, 2, 3, 4, 5), (const int64_t[]){0, 0, 2, 1}, (const int64_t[]){0, 0, 0, 1}, (const int64_t[]){0, 0, 1, 2}, 1);
  if (thorough) pad_case(list, case_shape(dtype, 1, 300), (const int64_t[]){5}, (const int64_t[]){7}, (const int64_t[]){1}, 1);
}

static void concat_cases(struct assay_case_list *list, int32_t dtype, bool thorough) {
  static const struct { int32_t axis, count, extents[3]; } parts[] = {{0, 2, {3, 4, 0}}, {1, 3, {1, 5, 2}}, {3, 2, {7, 1, 0}}, {2, 1, {6, 0, 0}}};
  const int count = thorough ? 4 : 2;
  for (int i = 0; i < count; i++) {
    struct assay_case c = case_new(ASSAY_OP_CONCAT, moving_flags(dtype));
    for (int k = 0; k < parts[i].count; k++) {
      struct assay_tensor_type x = case_shape(dtype, 4, 2, 3, 5, 9);
      x.extents[parts[i].axis] = parts[i].extents[k];
      case_operand(&c, x, plain_fill(dtype));
    }
    c.attributes.axis.axis = parts[i].axis;
    c.attributes_size = sizeof c.attributes.axis;
    case_add(list, &c);
  }
}

static void gather_cases(struct assay_case_list *list, int32_t dtype, bool thorough) {
  const struct assay_tensor_type tables[] = {case_shape(dtype, 2, 11, 13), case_shape(dtype, 4, 5, 3, 4, 1), case_shape(dtype, 1, 9),
                                             case_shape(dtype, 2, 50, 784)};
  for (int i = 0; i < (thorough ? 4 : 2); i++) {
    struct assay_case c = case_new(ASSAY_OP_GATHER, moving_flags(dtype) | ASSAY_CASE_SUMMED);
    case_operand(&c, tables[i], plain_fill(dtype));
    case_operand(&c, case_shape(ASSAY_I32, 1, 17), ASSAY_FILL_INDEX);
    c.inputs[1].bound = tables[i].extents[0];
    c.terms = 17;
    case_add(list, &c);
  }
}

static void scatter_add_cases(struct assay_case_list *list, int32_t dtype, bool thorough) {
  const struct assay_tensor_type rows[] = {case_shape(dtype, 2, 17, 13), case_shape(dtype, 3, 9, 3, 4), case_shape(dtype, 1, 5), case_shape(dtype, 2, 64, 129)};
  for (int i = 0; i < (thorough ? 4 : 2); i++) {
    struct assay_case c = case_new(ASSAY_OP_SCATTER_ADD, arithmetic_flags(dtype));
    case_operand(&c, rows[i], ASSAY_FILL_NORMAL);
    case_operand(&c, case_shape(ASSAY_I32, 1, (int)rows[i].extents[0]), ASSAY_FILL_INDEX);
    c.inputs[1].bound = c.attributes.count.count = 6;
    c.attributes_size = sizeof c.attributes.count;
    c.terms = (double)rows[i].extents[0];
    case_add(list, &c);
  }
}

static void one_hot_cases(struct assay_case_list *list, bool thorough) {
  for (int i = 0; i < (thorough ? 3 : 2); i++) {
    struct assay_case c = case_new(ASSAY_OP_ONE_HOT, ASSAY_CASE_EXACT);
    case_operand(&c, case_shape(ASSAY_I32, 1, i == 0 ? 17 : i == 1 ? 1 : 129), ASSAY_FILL_INDEX);
    c.inputs[0].bound = c.attributes.count.count = i == 1 ? 2 : 10;
    c.attributes_size = sizeof c.attributes.count;
    case_add(list, &c);
  }
}

/* ---- Products ---- */

static void matmul_case(struct assay_case_list *list, int32_t dtype, int batch, int M, int N, int K, uint32_t transposes) {
  struct assay_case c = case_new(ASSAY_OP_MATMUL, arithmetic_flags(dtype));
  const bool ta = transposes & 1, tb = transposes & 2;
  const int a0 = ta ? K : M, a1 = ta ? M : K, b0 = tb ? N : K, b1 = tb ? K : N;
  case_operand(&c, batch ? case_shape(dtype, 3, batch, a0, a1) : case_shape(dtype, 2, a0, a1), ASSAY_FILL_NORMAL);
  case_operand(&c, batch ? case_shape(dtype, 3, batch, b0, b1) : case_shape(dtype, 2, b0, b1), ASSAY_FILL_NORMAL);
  c.attributes.matmul = (struct assay_matmul_attributes){ta, tb};
  c.attributes_size = sizeof c.attributes.matmul;
  c.terms = K;
  case_add(list, &c);
}

static void matmul_cases(struct assay_case_list *list, int32_t dtype, bool thorough) {
  for (uint32_t transposes = 0; transposes < 4; transposes++) {
    matmul_case(list, dtype, 0, 5, 7, 11, transposes);
    if (!thorough) continue;
    matmul_case(list, dtype, 0, 33, 65, 130, transposes);
    matmul_case(list, dtype, 3, 4, 9, 17, transposes);
  }
  matmul_case(list, dtype, 2, 3, 5, 7, 0);
  matmul_case(list, dtype, 0, 1, 1, 1, 0);
  if (thorough) matmul_case(list, dtype, 0, 16, 2, 900, 2); /* a classifier */
  if (thorough) matmul_case(list, dtype, 0, 1, 300, 3, 0);
  if (thorough) matmul_case(list, dtype, 0, 257, 129, 515, 0);
}

/* N, C, H, W; O, KH, KW; stride, dilation; padding top, left, bottom, right; groups. */
struct convolution_shape {
  int N, C, H, W, O, KH, KW, stride[2], dilation[2], pad[4], groups;
};
static const struct convolution_shape convolution_shapes[] = {
    {2, 3, 8, 9, 4, 3, 3, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1}, /* the common one, "same" */
    {2, 4, 9, 7, 6, 3, 2, {2, 1}, {1, 2}, {1, 0, 2, 1}, 2}, /* everything at once */
    {1, 1, 1, 1, 1, 1, 1, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1},
    {2, 5, 6, 7, 5, 3, 3, {1, 1}, {1, 1}, {1, 1, 1, 1}, 5}, /* depthwise */
    {1, 2, 5, 11, 4, 3, 2, {2, 3}, {1, 2}, {1, 2, 0, 1}, 2}, /* depthwise with everything at once */
    /* thorough from here */
    {3, 8, 5, 11, 17, 1, 1, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1}, /* pointwise */
    {2, 16, 12, 13, 16, 3, 3, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1},
    {2, 3, 15, 30, 8, 7, 7, {1, 1}, {1, 1}, {3, 3, 3, 3}, 1},
    {2, 6, 11, 10, 9, 5, 5, {2, 3}, {1, 1}, {2, 1, 1, 2}, 3},
    {1, 3, 10, 10, 4, 2, 2, {2, 2}, {1, 1}, {0, 0, 0, 0}, 1},
    {2, 2, 12, 9, 3, 3, 3, {3, 3}, {2, 2}, {2, 2, 2, 2}, 1}, /* rows of the input that no window reaches */
    {1, 4, 7, 7, 8, 7, 7, {1, 1}, {1, 1}, {0, 0, 0, 0}, 4},   /* the window is the image */
    {2, 24, 27, 29, 40, 3, 3, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1}, /* many tiles */
    {2, 36, 19, 17, 36, 3, 3, {2, 2}, {1, 1}, {1, 1, 1, 1}, 36},
    {2, 3, 9, 23, 6, 5, 3, {1, 1}, {2, 1}, {3, 0, 4, 1}, 3},    /* depthwise with two outputs a channel, and dilation */
    {1, 2, 13, 35, 6, 3, 4, {3, 2}, {1, 3}, {0, 5, 2, 0}, 2},   /* with strides too, and rows longer than any run of them */
    {3, 5, 1, 2, 5, 1, 3, {1, 1}, {1, 1}, {0, 1, 0, 1}, 5},     /* fewer numbers than a vector has */
    {1, 3, 6, 9, 3, 2, 2, {2, 4}, {2, 4}, {1, 1, 0, 0}, 3},     /* strides and dilation with a common divisor: pixels that no tap meets */
    {2, 40, 14, 15, 70, 1, 1, {2, 2}, {1, 1}, {0, 0, 0, 0}, 1}, /* the shortcut of a residual network */
};

static void convolution_cases(struct assay_case_list *list, uint32_t op, int32_t dtype, bool thorough) {
  const size_t count = thorough ? sizeof convolution_shapes / sizeof *convolution_shapes : 5;
  for (size_t i = 0; i < count; i++) {
    const struct convolution_shape *s = &convolution_shapes[i];
    const int OH = (s->H + s->pad[0] + s->pad[2] - s->dilation[0] * (s->KH - 1) - 1) / s->stride[0] + 1;
    const int OW = (s->W + s->pad[1] + s->pad[3] - s->dilation[1] * (s->KW - 1) - 1) / s->stride[1] + 1;
    const struct assay_tensor_type x = case_shape(dtype, 4, s->N, s->C, s->H, s->W), w = case_shape(dtype, 4, s->O, s->C / s->groups, s->KH, s->KW);
    const struct assay_tensor_type y = case_shape(dtype, 4, s->N, s->O, OH, OW);
    struct assay_case c = case_new(op, arithmetic_flags(dtype));
    case_operand(&c, op == ASSAY_OP_CONV2D_INPUT_GRADIENT ? y : x, ASSAY_FILL_NORMAL);
    case_operand(&c, op == ASSAY_OP_CONV2D_WEIGHT_GRADIENT ? y : w, ASSAY_FILL_NORMAL);
    struct assay_conv2d_attributes *a = &c.attributes.conv2d;
    for (int k = 0; k < 2; k++) {
      a->stride[k] = s->stride[k];
      a->dilation[k] = s->dilation[k];
      a->pad_low[k] = s->pad[k];
      a->pad_high[k] = s->pad[2 + k];
      if (op == ASSAY_OP_CONV2D_INPUT_GRADIENT) a->input_extents[k] = x.extents[2 + k];
      if (op == ASSAY_OP_CONV2D_WEIGHT_GRADIENT) a->kernel_extents[k] = w.extents[2 + k];
    }
    a->groups = s->groups;
    c.attributes_size = sizeof *a;
    c.terms = op == ASSAY_OP_CONV2D_WEIGHT_GRADIENT ? (double)(s->N * OH * OW) : (double)(w.extents[1] * s->KH * s->KW);
    case_add(list, &c);
  }
}

/* ---- Pooling ---- */

struct pool_shape {
  int N, C, H, W, kernel[2], stride[2], pad[4];
};
static const struct pool_shape pool_shapes[] = {
    {2, 3, 8, 10, {2, 2}, {2, 2}, {0, 0, 0, 0}}, {2, 3, 9, 7, {3, 2}, {2, 1}, {1, 0, 1, 1}}, /* overlapping, uneven, padded */
    {1, 1, 1, 1, {1, 1}, {1, 1}, {0, 0, 0, 0}},
    /* thorough from here */
    {2, 17, 15, 30, {2, 2}, {2, 2}, {0, 0, 0, 0}}, {1, 5, 7, 8, {3, 3}, {3, 3}, {1, 1, 1, 1}}, {3, 4, 6, 5, {6, 5}, {1, 1}, {0, 0, 0, 0}},
    {2, 2, 11, 11, {2, 2}, {3, 3}, {0, 0, 0, 0}}, /* gaps between windows */
    {2, 33, 57, 56, {3, 3}, {2, 2}, {1, 1, 1, 1}},
};

static void pool_cases(struct assay_case_list *list, uint32_t op, int32_t dtype, bool thorough) {
  const size_t count = thorough ? sizeof pool_shapes / sizeof *pool_shapes : 3;
  const bool average = op == ASSAY_OP_AVG_POOL2D || op == ASSAY_OP_AVG_POOL2D_GRADIENT, gradient = op == ASSAY_OP_AVG_POOL2D_GRADIENT;
  for (size_t i = 0; i < count; i++)
    for (int counting = 0; counting < (average ? 2 : 1); counting++) {
      const struct pool_shape *s = &pool_shapes[i];
      const int OH = (s->H + s->pad[0] + s->pad[2] - s->kernel[0]) / s->stride[0] + 1, OW = (s->W + s->pad[1] + s->pad[3] - s->kernel[1]) / s->stride[1] + 1;
      struct assay_case c = case_new(op, arithmetic_flags(dtype) | ASSAY_CASE_FIRST_OUTPUT);
      /* Few values: maxima with equals, where the first must win. */
      case_operand(&c, gradient ? case_shape(dtype, 4, s->N, s->C, OH, OW) : case_shape(dtype, 4, s->N, s->C, s->H, s->W),
              !average && i % 2 ? ASSAY_FILL_FEW : ASSAY_FILL_NORMAL);
      struct assay_pool2d_attributes *a = &c.attributes.pool2d;
      for (int k = 0; k < 2; k++) {
        a->kernel[k] = s->kernel[k];
        a->stride[k] = s->stride[k];
        a->pad_low[k] = s->pad[k];
        a->pad_high[k] = s->pad[2 + k];
      }
      if (gradient) a->input_extents[0] = s->H, a->input_extents[1] = s->W;
      a->count_padding = counting;
      c.attributes_size = sizeof *a;
      c.terms = s->kernel[0] * s->kernel[1];
      case_add(list, &c);
    }
}

/* ---- Pictures ---- */

/* Gradients by the maps jump where a place crosses a pixel's centre, which f32 and f64 may see differently: only pictures get them. */
static void warp_case(struct assay_case_list *list, struct assay_tensor_type x, uint32_t border) {
  struct assay_case c = case_new(ASSAY_OP_WARP, arithmetic_flags(x.dtype) & ~(uint32_t)ASSAY_CASE_GRADIENT);
  case_operand(&c, x, ASSAY_FILL_NORMAL);
  case_operand(&c, case_shape(x.dtype, 2, (int)x.extents[0], 9), ASSAY_FILL_MAP);
  c.attributes.warp.border = border;
  c.attributes_size = sizeof c.attributes.warp;
  /* A place is rounded as a number of the size of the image, and that is stretched by the slope between pixels. */
  const double side = (double)(x.extents[2] > x.extents[3] ? x.extents[2] : x.extents[3]);
  c.terms = 64 * (8 + side) * (8 + side);
  case_add(list, &c);
}

static void picture_case(struct assay_case_list *list, uint32_t op, struct assay_tensor_type x, struct assay_tensor_type by_sample, enum assay_case_fill fill,
                         int64_t radius) {
  struct assay_case c = case_new(op, arithmetic_flags(x.dtype));
  case_operand(&c, x, ASSAY_FILL_NORMAL);
  case_operand(&c, by_sample, fill);
  if (op == ASSAY_OP_GAUSSIAN_BLUR) c.attributes.blur.radius = radius;
  if (op == ASSAY_OP_GAUSSIAN_BLUR) c.attributes_size = sizeof c.attributes.blur;
  c.terms = (double)(x.extents[2] * x.extents[3]);
  case_add(list, &c);
}

static void picture_cases(struct assay_case_list *list, uint32_t op, int32_t dtype, bool thorough) {
  if (is_half(dtype)) return; /* places of pixels need more digits */
  if (op == ASSAY_OP_WARP)
    for (uint32_t border = ASSAY_BORDER_ZERO; border <= ASSAY_BORDER_REFLECT; border++) {
      warp_case(list, case_shape(dtype, 4, 2, 3, 7, 9), border);
      warp_case(list, case_shape(dtype, 4, 3, 1, 5, 33), border);
      warp_case(list, case_shape(dtype, 4, 1, 5, 1, 6), border);
      if (thorough) warp_case(list, case_shape(dtype, 4, 2, 4, 33, 75), border);
    }
  if (op == ASSAY_OP_MIX_CHANNELS) {
    picture_case(list, op, case_shape(dtype, 4, 2, 3, 5, 7), case_shape(dtype, 3, 2, 3, 4), ASSAY_FILL_NORMAL, 0);
    picture_case(list, op, case_shape(dtype, 4, 3, 1, 4, 33), case_shape(dtype, 3, 3, 1, 2), ASSAY_FILL_NORMAL, 0);
    if (thorough) picture_case(list, op, case_shape(dtype, 4, 2, 6, 9, 17), case_shape(dtype, 3, 2, 6, 7), ASSAY_FILL_NORMAL, 0);
  }
  if (op == ASSAY_OP_GAUSSIAN_BLUR) {
    picture_case(list, op, case_shape(dtype, 4, 2, 3, 7, 9), case_shape(dtype, 1, 2), ASSAY_FILL_POSITIVE, 3);
    picture_case(list, op, case_shape(dtype, 4, 3, 1, 2, 5), case_shape(dtype, 1, 3), ASSAY_FILL_POSITIVE, 6);
    picture_case(list, op, case_shape(dtype, 4, 1, 2, 3, 4), case_shape(dtype, 1, 1), ASSAY_FILL_POSITIVE, 0);
    if (thorough) picture_case(list, op, case_shape(dtype, 4, 1, 3, 17, 701), case_shape(dtype, 1, 1), ASSAY_FILL_POSITIVE, 9);
    if (thorough) picture_case(list, op, case_shape(dtype, 4, 1, 5, 6, 7), case_shape(dtype, 1, 1), ASSAY_FILL_POSITIVE, 2);
  }
}

/* ---- Random ---- */

static void random_cases(struct assay_case_list *list, bool thorough) {
  const struct assay_tensor_type shapes[] = {case_shape(ASSAY_F32, 4, 3, 2, 3, 5), case_shape(ASSAY_F32, 2, 5, 8), case_shape(ASSAY_F32, 1, 7),
                                             case_shape(ASSAY_F32, 2, 16, 1031), case_shape(ASSAY_F32, 4, 3, 16, 40, 41)};
  for (int i = 0; i < (thorough ? 5 : 2); i++) {
    struct assay_case c = case_new(ASSAY_OP_RANDOM_UNIFORM, ASSAY_CASE_EXACT);
    case_operand(&c, case_shape(ASSAY_U32, 2, (int)shapes[i].extents[0], 2), ASSAY_FILL_BITS);
    c.attributes.random.stream = (uint32_t)i * 7;
    c.attributes.random.rank = shapes[i].rank;
    memcpy(c.attributes.random.extents, shapes[i].extents, sizeof shapes[i].extents);
    c.attributes_size = sizeof c.attributes.random;
    case_add(list, &c);
  }
}

/* ---- Composites ---- */

static void row_cases(struct assay_case_list *list, uint32_t op, int32_t dtype, bool thorough) {
  const struct assay_tensor_type shapes[] = {case_shape(dtype, 2, 5, 10), case_shape(dtype, 2, 17, 3), case_shape(dtype, 2, 1, 1),
                                             case_shape(dtype, 2, 64, 1000), case_shape(dtype, 2, 3, 5003)};
  for (int i = 0; i < (thorough ? 5 : 2); i++)
    for (int wide = 0; wide < 2; wide++) {
      struct assay_case c = case_new(op, arithmetic_flags(dtype));
      if (op == ASSAY_OP_SOFTMAX_CROSS_ENTROPY_GRADIENT) case_operand(&c, case_shape(dtype, 1, (int)shapes[i].extents[0]), ASSAY_FILL_NORMAL);
      case_operand(&c, shapes[i], wide ? ASSAY_FILL_WIDE : ASSAY_FILL_NORMAL);
      if (op == ASSAY_OP_SOFTMAX_CROSS_ENTROPY || op == ASSAY_OP_SOFTMAX_CROSS_ENTROPY_GRADIENT) case_operand(&c, shapes[i], ASSAY_FILL_PROBABILITY);
      if (op == ASSAY_OP_SIGMOID_CROSS_ENTROPY) case_operand(&c, shapes[i], ASSAY_FILL_UNIT);
      c.terms = (double)shapes[i].extents[1];
      case_add(list, &c);
    }
}

static void batch_norm_cases(struct assay_case_list *list, uint32_t op, int32_t dtype, bool thorough) {
  const struct assay_tensor_type shapes[] = {case_shape(dtype, 4, 4, 3, 5, 6), case_shape(dtype, 2, 9, 7), case_shape(dtype, 4, 16, 17, 7, 9),
                                             case_shape(dtype, 4, 5, 1, 2, 1), case_shape(dtype, 4, 8, 33, 28, 27)};
  for (int i = 0; i < (thorough ? 5 : 2); i++) {
    const struct assay_tensor_type channels = case_shape(dtype, 1, (int)shapes[i].extents[1]);
    struct assay_case c = case_new(op, arithmetic_flags(dtype));
    if (op == ASSAY_OP_BATCH_NORM_TRAINING_GRADIENT) case_operand(&c, shapes[i], ASSAY_FILL_NORMAL);
    case_operand(&c, shapes[i], ASSAY_FILL_NORMAL);
    case_operand(&c, channels, ASSAY_FILL_POSITIVE);
    if (op != ASSAY_OP_BATCH_NORM_TRAINING_GRADIENT) case_operand(&c, channels, ASSAY_FILL_NORMAL);
    if (op != ASSAY_OP_BATCH_NORM_TRAINING) {
      case_operand(&c, channels, ASSAY_FILL_NORMAL);
      case_operand(&c, channels, ASSAY_FILL_POSITIVE);
    }
    c.attributes.epsilon.epsilon = i % 2 ? 1e-3 : 1e-5;
    c.attributes_size = sizeof c.attributes.epsilon;
    c.terms = (double)(assay_element_count(&shapes[i]) / shapes[i].extents[1]);
    case_add(list, &c);
  }
}

/* ---- The table ---- */

static void float_cases(struct assay_case_list *list, uint32_t op, int32_t dtype, bool thorough) {
  const uint32_t flags = arithmetic_flags(dtype), value_only = flags & ~(uint32_t)ASSAY_CASE_GRADIENT;
  switch (op) {
  case ASSAY_OP_EXP:
  case ASSAY_OP_ERF:
  case ASSAY_OP_RELU:
  case ASSAY_OP_SIN:
  case ASSAY_OP_COS: unary_cases(list, op, dtype, thorough, ASSAY_FILL_NORMAL, flags); break;
  case ASSAY_OP_LOG:
  case ASSAY_OP_LOG1P:
  case ASSAY_OP_SQRT: unary_cases(list, op, dtype, thorough, ASSAY_FILL_POSITIVE, flags); break;
  case ASSAY_OP_TANH:
  case ASSAY_OP_SIGMOID:
    unary_cases(list, op, dtype, thorough, ASSAY_FILL_NORMAL, flags);
    unary_cases(list, op, dtype, false, ASSAY_FILL_WIDE, flags);
    break;
  case ASSAY_OP_FLOOR: unary_cases(list, op, dtype, thorough, ASSAY_FILL_WIDE, flags | ASSAY_CASE_EXACT); break;
  case ASSAY_OP_IS_FINITE: unary_cases(list, op, dtype, thorough, ASSAY_FILL_SPECIAL, value_only | ASSAY_CASE_EXACT); break;
  case ASSAY_OP_POWER: binary_cases(list, op, dtype, thorough, ASSAY_FILL_POSITIVE, is_half(dtype) ? ASSAY_FILL_UNIT : ASSAY_FILL_NORMAL, flags); break;
  case ASSAY_OP_SCATTER_ADD: scatter_add_cases(list, dtype, thorough); break;
  case ASSAY_OP_MATMUL: matmul_cases(list, dtype, thorough); break;
  case ASSAY_OP_CONV2D:
  case ASSAY_OP_CONV2D_INPUT_GRADIENT:
  case ASSAY_OP_CONV2D_WEIGHT_GRADIENT: convolution_cases(list, op, dtype, thorough); break;
  case ASSAY_OP_MAX_POOL2D:
  case ASSAY_OP_AVG_POOL2D:
  case ASSAY_OP_AVG_POOL2D_GRADIENT: pool_cases(list, op, dtype, thorough); break;
  case ASSAY_OP_SOFTMAX:
  case ASSAY_OP_LOG_SOFTMAX:
  case ASSAY_OP_SOFTMAX_CROSS_ENTROPY:
  case ASSAY_OP_SOFTMAX_CROSS_ENTROPY_GRADIENT:
  case ASSAY_OP_SIGMOID_CROSS_ENTROPY: row_cases(list, op, dtype, thorough); break;
  case ASSAY_OP_BATCH_NORM_TRAINING:
  case ASSAY_OP_BATCH_NORM_TRAINING_GRADIENT:
  case ASSAY_OP_BATCH_NORM_INFERENCE: batch_norm_cases(list, op, dtype, thorough); break;
  case ASSAY_OP_WARP:
  case ASSAY_OP_MIX_CHANNELS:
  case ASSAY_OP_GAUSSIAN_BLUR: picture_cases(list, op, dtype, thorough); break;
  default: break;
  }
}

static void number_cases(struct assay_case_list *list, uint32_t op, int32_t dtype, bool thorough) {
  const uint32_t flags = arithmetic_flags(dtype);
  const enum assay_case_fill plain = plain_fill(dtype), divisor = is_integer(dtype) ? ASSAY_FILL_FEW : ASSAY_FILL_POSITIVE;
  const bool is_signed = dtype != ASSAY_U32 && dtype != ASSAY_U8;
  switch (op) {
  case ASSAY_OP_NEGATE:
  case ASSAY_OP_ABS:
    if (is_signed) unary_cases(list, op, dtype, thorough, plain, flags);
    break;
  case ASSAY_OP_SIGN:
    if (!is_integer(dtype)) unary_cases(list, op, dtype, thorough, ASSAY_FILL_FEW, flags | ASSAY_CASE_EXACT);
    break;
  case ASSAY_OP_ADD:
  case ASSAY_OP_SUBTRACT:
  case ASSAY_OP_MULTIPLY:
  case ASSAY_OP_MAXIMUM:
  case ASSAY_OP_MINIMUM: binary_cases(list, op, dtype, thorough, plain, plain, flags); break;
  case ASSAY_OP_DIVIDE: binary_cases(list, op, dtype, thorough, plain, divisor, flags); break;
  case ASSAY_OP_REDUCE_SUM:
  case ASSAY_OP_REDUCE_MAX: reduce_cases(list, op, dtype, thorough); break;
  case ASSAY_OP_ARGMAX: argmax_cases(list, dtype, thorough); break;
  default: break;
  }
}

static void any_cases(struct assay_case_list *list, uint32_t op, int32_t dtype, bool thorough) {
  const uint32_t flags = moving_flags(dtype) & ~(uint32_t)ASSAY_CASE_GRADIENT;
  const enum assay_case_fill few = dtype == ASSAY_BOOL ? ASSAY_FILL_BOOL : ASSAY_FILL_FEW;
  switch (op) {
  case ASSAY_OP_CAST: cast_cases(list, dtype, thorough); break;
  case ASSAY_OP_STOP_GRADIENT: unary_cases(list, op, dtype, thorough, plain_fill(dtype), moving_flags(dtype)); break;
  case ASSAY_OP_EQUAL:
  case ASSAY_OP_LESS:
  case ASSAY_OP_LESS_EQUAL:
    binary_cases(list, op, dtype, thorough, few, few, flags);
    if (dtype != ASSAY_BOOL) binary_cases(list, op, dtype, false, plain_fill(dtype), plain_fill(dtype), flags);
    break;
  case ASSAY_OP_SELECT: select_cases(list, dtype, thorough); break;
  case ASSAY_OP_BROADCAST: broadcast_cases(list, dtype, thorough); break;
  case ASSAY_OP_RESHAPE: reshape_cases(list, dtype, thorough); break;
  case ASSAY_OP_TRANSPOSE: transpose_cases(list, dtype, thorough); break;
  case ASSAY_OP_SLICE: slice_cases(list, dtype, thorough); break;
  case ASSAY_OP_PAD: pad_cases(list, dtype, thorough); break;
  case ASSAY_OP_CONCAT: concat_cases(list, dtype, thorough); break;
  case ASSAY_OP_GATHER: gather_cases(list, dtype, thorough); break;
  default: break;
  }
}

/* Infinities and not-a-numbers must come through: that is how a training that has gone wrong is noticed. */
static void special_cases(struct assay_case_list *list, uint32_t op) {
  const struct assay_tensor_type type = case_shape(ASSAY_F32, 2, 9, 41);
  switch (op) {
  case ASSAY_OP_NEGATE:
  case ASSAY_OP_ABS:
  case ASSAY_OP_EXP:
  case ASSAY_OP_LOG:
  case ASSAY_OP_SQRT:
  case ASSAY_OP_TANH:
  case ASSAY_OP_SIGMOID: {
    struct assay_case c = case_new(op, ASSAY_CASE_ELEMENTWISE);
    case_operand(&c, type, ASSAY_FILL_SPECIAL);
    case_add(list, &c);
    break;
  }
  case ASSAY_OP_ADD:
  case ASSAY_OP_SUBTRACT:
  case ASSAY_OP_MULTIPLY: binary_case(list, op, 0, type, type, ASSAY_FILL_SPECIAL, ASSAY_FILL_SPECIAL); break;
  case ASSAY_OP_REDUCE_SUM: reduce_case(list, op, case_shape(ASSAY_F32, 2, 41, 3), 1u << 1, false, ASSAY_FILL_SPECIAL); break;
  default: break;
  }
}

void assay_conformance_cases(struct assay_case_list *list, uint32_t op, int32_t dtype, bool thorough) {
  any_cases(list, op, dtype, thorough);
  if (dtype != ASSAY_BOOL) number_cases(list, op, dtype, thorough);
  if (assay_dtype_is_float(dtype)) float_cases(list, op, dtype, thorough);
  if (dtype == ASSAY_BOOL && op == ASSAY_OP_NOT) unary_cases(list, op, dtype, thorough, ASSAY_FILL_BOOL, ASSAY_CASE_EXACT);
  if (dtype == ASSAY_BOOL && (op == ASSAY_OP_AND || op == ASSAY_OP_OR))
    binary_cases(list, op, dtype, thorough, ASSAY_FILL_BOOL, ASSAY_FILL_BOOL, ASSAY_CASE_EXACT);
  if (dtype == ASSAY_F32) special_cases(list, op);
  if (dtype == ASSAY_I32 && op == ASSAY_OP_ONE_HOT) one_hot_cases(list, thorough);
  if (dtype == ASSAY_U32 && op == ASSAY_OP_RANDOM_UNIFORM) random_cases(list, thorough);
}
