/* SPDX-License-Identifier: MIT
 *
 * Numbers in and out of their dtypes.
 */
#include "reference.h"

#include <math.h>
#include <string.h>

/* A binary floating-point format of 16 bits. */
struct format {
  int mantissa_bits; /* behind the leading one */
  int least_exponent; /* of normal numbers */
  int greatest_exponent;
};
static const struct format half = {10, -14, 15}, bfloat = {7, -126, 127};

/* To nearest even: the number is divided by the spacing of the format's numbers around it, rounded, and split into fields. */
static uint16_t encode(const struct format *format, double number) {
  const uint16_t sign = signbit(number) ? 0x8000 : 0;
  const uint16_t infinity = (uint16_t)((format->greatest_exponent - format->least_exponent + 2) << format->mantissa_bits);
  if (isnan(number)) return (uint16_t)(sign | infinity | 1u << (format->mantissa_bits - 1));
  if (isinf(number)) return sign | infinity;
  if (number == 0) return sign;
  int exponent = ilogb(number);
  if (exponent > format->greatest_exponent) return sign | infinity;
  if (exponent < format->least_exponent) exponent = format->least_exponent;
  const double units = nearbyint(ldexp(fabs(number), format->mantissa_bits - exponent)); /* at most 2^(mantissa_bits + 1) */
  /* A subnormal has fewer than 2^mantissa_bits units and exponent field 0. A carry out of the mantissa counts the exponent up by itself, to infinity
   * at last. */
  return (uint16_t)(sign | (((exponent - format->least_exponent) << format->mantissa_bits) + (int)units));
}

static double decode(const struct format *format, uint16_t bits) {
  const double sign = bits & 0x8000 ? -1 : 1;
  const int mantissa = bits & ((1 << format->mantissa_bits) - 1);
  const int exponent = (bits & 0x7fff) >> format->mantissa_bits;
  if (exponent == 0) return sign * ldexp(mantissa, format->least_exponent - format->mantissa_bits);
  if (exponent == format->greatest_exponent - format->least_exponent + 2) return mantissa ? NAN : sign * INFINITY;
  return sign * ldexp(mantissa + (1 << format->mantissa_bits), exponent - 1 + format->least_exponent - format->mantissa_bits);
}

void assay_reference_unpack(int32_t dtype, const void *bytes, double *numbers, int64_t count) {
  switch (dtype) {
  case ASSAY_F64: memcpy(numbers, bytes, (size_t)count * sizeof(double)); break;
  case ASSAY_F32:
    for (int64_t i = 0; i < count; i++) numbers[i] = ((const float *)bytes)[i];
    break;
  case ASSAY_F16:
    for (int64_t i = 0; i < count; i++) numbers[i] = decode(&half, ((const uint16_t *)bytes)[i]);
    break;
  case ASSAY_BF16:
    for (int64_t i = 0; i < count; i++) numbers[i] = decode(&bfloat, ((const uint16_t *)bytes)[i]);
    break;
  case ASSAY_I32:
    for (int64_t i = 0; i < count; i++) numbers[i] = ((const int32_t *)bytes)[i];
    break;
  case ASSAY_U32:
    for (int64_t i = 0; i < count; i++) numbers[i] = ((const uint32_t *)bytes)[i];
    break;
  default:
    for (int64_t i = 0; i < count; i++) numbers[i] = ((const uint8_t *)bytes)[i];
    break;
  }
}

void assay_reference_pack(int32_t dtype, const double *numbers, void *bytes, int64_t count) {
  switch (dtype) {
  case ASSAY_F64: memcpy(bytes, numbers, (size_t)count * sizeof(double)); break;
  case ASSAY_F32:
    for (int64_t i = 0; i < count; i++) ((float *)bytes)[i] = (float)numbers[i];
    break;
  case ASSAY_F16:
    for (int64_t i = 0; i < count; i++) ((uint16_t *)bytes)[i] = encode(&half, numbers[i]);
    break;
  case ASSAY_BF16:
    for (int64_t i = 0; i < count; i++) ((uint16_t *)bytes)[i] = encode(&bfloat, numbers[i]);
    break;
  case ASSAY_I32:
  case ASSAY_U32:
    for (int64_t i = 0; i < count; i++) ((uint32_t *)bytes)[i] = (uint32_t)(int64_t)numbers[i];
    break;
  case ASSAY_U8:
    for (int64_t i = 0; i < count; i++) ((uint8_t *)bytes)[i] = (uint8_t)(int64_t)numbers[i];
    break;
  default:
    for (int64_t i = 0; i < count; i++) ((uint8_t *)bytes)[i] = numbers[i] != 0;
    break;
  }
}

double assay_reference_convert(double x, int32_t from, int32_t to) {
  double low, high;
  switch (to) {
  case ASSAY_I32: low = INT32_MIN, high = INT32_MAX; break;
  case ASSAY_U32: low = 0, high = UINT32_MAX; break;
  case ASSAY_U8: low = 0, high = UINT8_MAX; break;
  default: return x;
  }
  if (!assay_dtype_is_float(from)) return x;
  if (isnan(x)) return 0;
  return x < low ? low : x > high ? high : trunc(x);
}
