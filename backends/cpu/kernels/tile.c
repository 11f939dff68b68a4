/* SPDX-License-Identifier: MIT
 *
 * One loop an elementwise op and dtype. Chains of ops run them one after another on tiles that stay in the first-level cache.
 */
#include "level.h"

#include <assay/graph.h>

#define UNARY(name, from, to, expression)                                                                                                                      \
  static void name(void *out, const void *const *in, int64_t count) {                                                                                          \
    to *y = out;                                                                                                                                               \
    const from *a = in[0];                                                                                                                                     \
    ASSAY_CPU_SIMD for (int64_t i = 0; i < count; i++) {                                                                                                       \
      const from x = a[i];                                                                                                                                     \
      y[i] = (to)(expression);                                                                                                                                 \
    }                                                                                                                                                          \
  }
#define BINARY(name, from, to, expression)                                                                                                                     \
  static void name(void *out, const void *const *in, int64_t count) {                                                                                          \
    to *o = out;                                                                                                                                               \
    const from *a = in[0], *b = in[1];                                                                                                                         \
    ASSAY_CPU_SIMD for (int64_t i = 0; i < count; i++) {                                                                                                       \
      const from x = a[i], y = b[i];                                                                                                                           \
      o[i] = (to)(expression);                                                                                                                                 \
    }                                                                                                                                                          \
  }

/* The mathematical library's, one at a time: rare where there are many numbers. */
#define SCALAR(name, expression)                                                                                                                               \
  static void name(void *out, const void *const *in, int64_t count) {                                                                                          \
    float *y = out;                                                                                                                                            \
    const float *a = in[0];                                                                                                                                    \
    for (int64_t i = 0; i < count; i++) y[i] = expression;                                                                                                     \
  }

/* ---- f32 ---- */
UNARY(negate_f32, float, float, -x)
UNARY(abs_f32, float, float, fabsf(x))
UNARY(sign_f32, float, float, x > 0.f ? 1.f : x < 0.f ? -1.f : x)
UNARY(exp_f32, float, float, exp_of(x))
UNARY(log_f32, float, float, log_of(x))
UNARY(log1p_f32, float, float, log1p_of(x))
UNARY(sqrt_f32, float, float, sqrtf(x))
UNARY(tanh_f32, float, float, tanh_of(x))
UNARY(sigmoid_f32, float, float, sigmoid_of(x))
UNARY(floor_f32, float, float, floorf(x))
UNARY(relu_f32, float, float, x < 0.f ? 0.f : x)
UNARY(is_finite_f32, float, uint8_t, (bits_of(x) & 0x7F800000u) != 0x7F800000u)
UNARY(erf_f32, float, float, erf_of(x))
SCALAR(sin_f32, sinf(a[i]))
SCALAR(cos_f32, cosf(a[i]))
BINARY(add_f32, float, float, x + y)
BINARY(subtract_f32, float, float, x - y)
BINARY(multiply_f32, float, float, x *y)
BINARY(divide_f32, float, float, x / y)
BINARY(maximum_f32, float, float, x >= y || x != x ? x : y)
BINARY(minimum_f32, float, float, x <= y || x != x ? x : y)
SCALAR(power_f32, powf(a[i], ((const float *)in[1])[i]))
BINARY(equal_f32, float, uint8_t, x == y)
BINARY(less_f32, float, uint8_t, x < y)
BINARY(less_equal_f32, float, uint8_t, x <= y)

/* ---- Integers: they wrap around, and the quotient by zero is zero. ---- */
#define INTEGER(suffix, type, wide)                                                                                                                            \
  UNARY(negate_##suffix, type, type, 0u - (uint32_t)x)                                                                                                         \
  BINARY(add_##suffix, type, type, (uint32_t)x + (uint32_t)y)                                                                                                  \
  BINARY(subtract_##suffix, type, type, (uint32_t)x - (uint32_t)y)                                                                                             \
  BINARY(multiply_##suffix, type, type, (uint32_t)x *(uint32_t)y)                                                                                              \
  BINARY(divide_##suffix, type, type, y == 0 ? 0 : (wide)x / (wide)y)                                                                                          \
  BINARY(maximum_##suffix, type, type, x >= y ? x : y)                                                                                                         \
  BINARY(minimum_##suffix, type, type, x <= y ? x : y)                                                                                                         \
  BINARY(equal_##suffix, type, uint8_t, x == y)                                                                                                                \
  BINARY(less_##suffix, type, uint8_t, x < y)                                                                                                                  \
  BINARY(less_equal_##suffix, type, uint8_t, x <= y)
INTEGER(i32, int32_t, int64_t)
INTEGER(u32, uint32_t, int64_t)
INTEGER(u8, uint8_t, int32_t)
UNARY(abs_i32, int32_t, int32_t, x < 0 ? 0u - (uint32_t)x : (uint32_t)x)
UNARY(abs_u32, uint32_t, uint32_t, x)
UNARY(abs_u8, uint8_t, uint8_t, x)
UNARY(sign_i32, int32_t, int32_t, x > 0 ? 1 : x < 0 ? -1 : 0)
UNARY(sign_u32, uint32_t, uint32_t, x > 0)
UNARY(sign_u8, uint8_t, uint8_t, x > 0)

/* ---- Booleans ---- */
UNARY(not_bool, uint8_t, uint8_t, x == 0)
BINARY(and_bool, uint8_t, uint8_t, (x != 0) & (y != 0))
BINARY(or_bool, uint8_t, uint8_t, (x != 0) | (y != 0))

/* ---- Select, and plain copies ---- */
#define SELECT(name, type)                                                                                                                                     \
  static void name(void *out, const void *const *in, int64_t count) {                                                                                          \
    type *o = out;                                                                                                                                             \
    const uint8_t *condition = in[0];                                                                                                                          \
    const type *a = in[1], *b = in[2];                                                                                                                         \
    ASSAY_CPU_SIMD for (int64_t i = 0; i < count; i++) {                                                                                                       \
      const type x = a[i], y = b[i];                                                                                                                           \
      o[i] = condition[i] ? x : y;                                                                                                                             \
    }                                                                                                                                                          \
  }
SELECT(select_4, uint32_t)
SELECT(select_1, uint8_t)
UNARY(copy_4, uint32_t, uint32_t, x)
UNARY(copy_1, uint8_t, uint8_t, x)

/* ---- Conversions: floats are cut towards zero, saturate, and not-a-number is zero. ---- */
UNARY(f32_to_i32, float, int32_t, x != x ? 0 : x <= -2147483648.f ? INT32_MIN : x >= 2147483648.f ? INT32_MAX : (int32_t)x)
UNARY(f32_to_u32, float, uint32_t, x > 0.f ? (x >= 4294967296.f ? UINT32_MAX : (uint32_t)(int64_t)x) : 0)
UNARY(f32_to_u8, float, uint8_t, x > 0.f ? (x >= 255.f ? 255 : (int32_t)x) : 0)
UNARY(f32_to_bool, float, uint8_t, x != 0.f)
UNARY(i32_to_f32, int32_t, float, x)
UNARY(u32_to_f32, uint32_t, float, x)
UNARY(u8_to_f32, uint8_t, float, (int32_t)x)
UNARY(i32_to_u8, int32_t, uint8_t, x)
UNARY(i32_to_bool, int32_t, uint8_t, x != 0)
UNARY(u8_to_i32, uint8_t, int32_t, x)
UNARY(u8_to_bool, uint8_t, uint8_t, x != 0)

static assay_cpu_tile cast(int32_t from, int32_t to) {
  const bool from_word = from == ASSAY_I32 || from == ASSAY_U32, from_byte = from == ASSAY_U8 || from == ASSAY_BOOL;
  switch (to) {
  case ASSAY_F32: return from == ASSAY_F32 ? copy_4 : from == ASSAY_I32 ? i32_to_f32 : from == ASSAY_U32 ? u32_to_f32 : from_byte ? u8_to_f32 : NULL;
  case ASSAY_I32: return from == ASSAY_F32 ? f32_to_i32 : from_word ? copy_4 : from_byte ? u8_to_i32 : NULL;
  case ASSAY_U32: return from == ASSAY_F32 ? f32_to_u32 : from_word ? copy_4 : from_byte ? u8_to_i32 : NULL;
  case ASSAY_U8: return from == ASSAY_F32 ? f32_to_u8 : from_word ? i32_to_u8 : from_byte ? copy_1 : NULL;
  case ASSAY_BOOL: return from == ASSAY_F32 ? f32_to_bool : from_word ? i32_to_bool : from_byte ? u8_to_bool : NULL;
  default: return NULL;
  }
}

static assay_cpu_tile tile_f32(uint32_t op) {
  switch (op) {
  case ASSAY_OP_NEGATE: return negate_f32;
  case ASSAY_OP_ABS: return abs_f32;
  case ASSAY_OP_SIGN: return sign_f32;
  case ASSAY_OP_EXP: return exp_f32;
  case ASSAY_OP_LOG: return log_f32;
  case ASSAY_OP_LOG1P: return log1p_f32;
  case ASSAY_OP_SQRT: return sqrt_f32;
  case ASSAY_OP_TANH: return tanh_f32;
  case ASSAY_OP_SIGMOID: return sigmoid_f32;
  case ASSAY_OP_ERF: return erf_f32;
  case ASSAY_OP_FLOOR: return floor_f32;
  case ASSAY_OP_RELU: return relu_f32;
  case ASSAY_OP_IS_FINITE: return is_finite_f32;
  case ASSAY_OP_SIN: return sin_f32;
  case ASSAY_OP_COS: return cos_f32;
  case ASSAY_OP_ADD: return add_f32;
  case ASSAY_OP_SUBTRACT: return subtract_f32;
  case ASSAY_OP_MULTIPLY: return multiply_f32;
  case ASSAY_OP_DIVIDE: return divide_f32;
  case ASSAY_OP_MAXIMUM: return maximum_f32;
  case ASSAY_OP_MINIMUM: return minimum_f32;
  case ASSAY_OP_POWER: return power_f32;
  case ASSAY_OP_EQUAL: return equal_f32;
  case ASSAY_OP_LESS: return less_f32;
  case ASSAY_OP_LESS_EQUAL: return less_equal_f32;
  default: return NULL;
  }
}

#define TILE_INTEGER(suffix)                                                                                                                                   \
  static assay_cpu_tile tile_##suffix(uint32_t op) {                                                                                                           \
    switch (op) {                                                                                                                                              \
    case ASSAY_OP_NEGATE: return negate_##suffix;                                                                                                              \
    case ASSAY_OP_ABS: return abs_##suffix;                                                                                                                    \
    case ASSAY_OP_SIGN: return sign_##suffix;                                                                                                                  \
    case ASSAY_OP_ADD: return add_##suffix;                                                                                                                    \
    case ASSAY_OP_SUBTRACT: return subtract_##suffix;                                                                                                          \
    case ASSAY_OP_MULTIPLY: return multiply_##suffix;                                                                                                          \
    case ASSAY_OP_DIVIDE: return divide_##suffix;                                                                                                              \
    case ASSAY_OP_MAXIMUM: return maximum_##suffix;                                                                                                            \
    case ASSAY_OP_MINIMUM: return minimum_##suffix;                                                                                                            \
    case ASSAY_OP_EQUAL: return equal_##suffix;                                                                                                                \
    case ASSAY_OP_LESS: return less_##suffix;                                                                                                                  \
    case ASSAY_OP_LESS_EQUAL: return less_equal_##suffix;                                                                                                      \
    default: return NULL;                                                                                                                                      \
    }                                                                                                                                                          \
  }
TILE_INTEGER(i32)
TILE_INTEGER(u32)
TILE_INTEGER(u8)

static assay_cpu_tile tile_bool(uint32_t op) {
  switch (op) {
  case ASSAY_OP_NOT: return not_bool;
  case ASSAY_OP_AND: return and_bool;
  case ASSAY_OP_OR: return or_bool;
  case ASSAY_OP_EQUAL: return equal_u8;
  case ASSAY_OP_LESS: return less_u8;
  case ASSAY_OP_LESS_EQUAL: return less_equal_u8;
  default: return NULL;
  }
}

static bool known(int32_t dtype) { return dtype == ASSAY_F32 || dtype == ASSAY_I32 || dtype == ASSAY_U32 || dtype == ASSAY_U8 || dtype == ASSAY_BOOL; }

assay_cpu_tile ASSAY_CPU_KERNEL(tile)(uint32_t op, int32_t from, int32_t to);
assay_cpu_tile ASSAY_CPU_KERNEL(tile)(uint32_t op, int32_t from, int32_t to) {
  if (!known(from) || !known(to)) return NULL;
  const bool byte = from == ASSAY_U8 || from == ASSAY_BOOL;
  switch (op) {
  case ASSAY_OP_CAST: return cast(from, to);
  case ASSAY_OP_SELECT: return byte ? select_1 : select_4;
  case ASSAY_OP_STOP_GRADIENT:
  case ASSAY_OP_BROADCAST: return byte ? copy_1 : copy_4;
  default: break;
  }
  switch (from) {
  case ASSAY_F32: return tile_f32(op);
  case ASSAY_I32: return tile_i32(op);
  case ASSAY_U32: return tile_u32(op);
  case ASSAY_U8: return tile_u8(op);
  case ASSAY_BOOL: return tile_bool(op);
  default: return NULL;
  }
}
