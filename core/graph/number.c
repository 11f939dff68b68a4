/* SPDX-License-Identifier: MIT */
#include "graph/number.h"

#include <assay/types.h>
#include <math.h>
#include <string.h>

/* To a binary float with `digits` significant bits, smallest normal 2^low, and `largest` its greatest number. */
static double round_to_float(double number, int digits, int low, double largest) {
  if (!isfinite(number) || number == 0) return number;
  int exponent;
  frexp(number, &exponent); /* |number| in [2^(exponent - 1), 2^exponent) */
  const int unit = (exponent - 1 < low ? low : exponent - 1) - (digits - 1);
  const double rounded = scalbn(nearbyint(scalbn(number, -unit)), unit);
  return fabs(rounded) > largest ? copysign(INFINITY, number) : rounded;
}

static double round_to_integer(double number, double low, double high) {
  if (isnan(number)) return 0;
  return number <= low ? low : number >= high ? high : trunc(number) + 0.0;
}

double assay_round_to_dtype(double number, int32_t dtype) {
  switch (dtype) {
  case ASSAY_F64: return number;
  case ASSAY_F32: return (double)(float)number;
  case ASSAY_F16: return round_to_float(number, 11, -14, 65504);
  case ASSAY_BF16: return round_to_float(number, 8, -126, 0x1.FEp127);
  case ASSAY_I32: return round_to_integer(number, INT32_MIN, INT32_MAX);
  case ASSAY_U32: return round_to_integer(number, 0, UINT32_MAX);
  case ASSAY_U8: return round_to_integer(number, 0, UINT8_MAX);
  case ASSAY_BOOL: return number != 0;
  default: return number;
  }
}

/* binary16 bits of a number that is one. */
static uint16_t half_bits(double number) {
  const uint16_t sign = signbit(number) ? 0x8000 : 0;
  const double magnitude = fabs(number);
  if (isnan(number)) return sign | 0x7E00;
  if (isinf(number)) return sign | 0x7C00;
  if (magnitude < 0x1p-14) return sign | (uint16_t)scalbn(magnitude, 24);
  int exponent;
  const double fraction = frexp(magnitude, &exponent);
  return sign | (uint16_t)((exponent + 14) << 10) | (uint16_t)(scalbn(fraction, 11) - 1024);
}

void assay_store_number(double number, int32_t dtype, void *element) {
  const double rounded = assay_round_to_dtype(number, dtype);
  switch (dtype) {
  case ASSAY_F64: memcpy(element, &rounded, sizeof rounded); break;
  case ASSAY_F32: {
    const float value = (float)rounded;
    memcpy(element, &value, sizeof value);
    break;
  }
  case ASSAY_F16: {
    const uint16_t bits = half_bits(rounded);
    memcpy(element, &bits, sizeof bits);
    break;
  }
  case ASSAY_BF16: {
    const float value = (float)rounded;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint16_t upper = (uint16_t)(bits >> 16);
    memcpy(element, &upper, sizeof upper);
    break;
  }
  case ASSAY_I32: {
    const int32_t value = (int32_t)rounded;
    memcpy(element, &value, sizeof value);
    break;
  }
  case ASSAY_U32: {
    const uint32_t value = (uint32_t)rounded;
    memcpy(element, &value, sizeof value);
    break;
  }
  default: *(uint8_t *)element = (uint8_t)rounded; break;
  }
}

static float from_half(uint16_t bits) {
  const uint32_t sign = (uint32_t)(bits >> 15) << 31, exponent = bits >> 10 & 31, fraction = bits & 1023;
  if (exponent == 0) return (sign ? -0x1p-24f : 0x1p-24f) * (float)fraction;
  const uint32_t whole = sign | (exponent == 31 ? 255 : exponent + 112) << 23 | fraction << 13;
  float number;
  memcpy(&number, &whole, sizeof number);
  return number;
}

void assay_load_floats(const void *elements, int32_t dtype, size_t count, float *numbers) {
  const unsigned char *bytes = elements;
  if (dtype == ASSAY_F32) memcpy(numbers, bytes, count * sizeof *numbers);
  for (size_t i = 0; i < count && dtype == ASSAY_F64; i++) {
    double number;
    memcpy(&number, bytes + 8 * i, sizeof number);
    numbers[i] = (float)number;
  }
  for (size_t i = 0; i < count && (dtype == ASSAY_F16 || dtype == ASSAY_BF16); i++) {
    uint16_t half;
    memcpy(&half, bytes + 2 * i, sizeof half);
    const uint32_t whole = (uint32_t)half << 16;
    if (dtype == ASSAY_F16) numbers[i] = from_half(half);
    else memcpy(&numbers[i], &whole, sizeof whole);
  }
}
