/* SPDX-License-Identifier: MIT
 *
 * Random operands and the measure of errors. Conversions are written anew here: what is tested must not test itself.
 */
#include "tensors.h"

#include "graph/number.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *assay_conformance_dtype(int32_t dtype) {
  static const char *const names[] = {"?", "f64", "f32", "f16", "bf16", "i32", "u32", "u8", "bool"};
  return dtype >= ASSAY_F64 && dtype <= ASSAY_BOOL ? names[dtype] : names[0];
}

size_t assay_host_tensor_size(const struct assay_tensor_type *type) { return (size_t)assay_element_count(type) * assay_dtype_size(type->dtype); }

static double from_bfloat(uint16_t bits) {
  const uint32_t wide = (uint32_t)bits << 16;
  float number;
  memcpy(&number, &wide, sizeof number);
  return number;
}

static double from_half(uint16_t bits) {
  const double sign = bits >> 15 ? -1 : 1;
  const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  if (exponent == 31) return mantissa ? NAN : sign * INFINITY;
  return sign * (exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24));
}

double assay_host_number(const struct assay_host_tensor *tensor, int64_t element) {
  const unsigned char *at = tensor->bytes + (size_t)element * assay_dtype_size(tensor->type.dtype);
  union { double f64; float f32; uint16_t u16; int32_t i32; uint32_t u32; } number;
  memcpy(&number, at, assay_dtype_size(tensor->type.dtype));
  switch (tensor->type.dtype) {
  case ASSAY_F64: return number.f64;
  case ASSAY_F32: return number.f32;
  case ASSAY_F16: return from_half(number.u16);
  case ASSAY_BF16: return from_bfloat(number.u16);
  case ASSAY_I32: return number.i32;
  case ASSAY_U32: return number.u32;
  default: return *at;
  }
}

/* ---- Random operands ---- */

static double normal(struct assay_random *random) { /* Box and Muller, 1958 */
  const double u = 1 - assay_random_uniform(random), v = assay_random_uniform(random);
  return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

static double special(struct assay_random *random) {
  static const double specials[] = {INFINITY, -INFINITY, NAN, 0, -0.0, 65504, 1e-38, -1e-40};
  const uint32_t which = assay_random_below(random, 16);
  return which < sizeof specials / sizeof *specials ? specials[which] : normal(random);
}

static double huge(struct assay_random *random) {
  const double size = exp(23 * assay_random_uniform(random)), sign = assay_random_u32(random) & 1 ? 1 : -1;
  return assay_random_below(random, 4) ? sign * size : sign * (floor(size) + 0.5); /* halves show how it rounds */
}

static double draw(const struct assay_case_operand *operand, struct assay_random *random) {
  const bool is_unsigned = operand->type.dtype == ASSAY_U32 || operand->type.dtype == ASSAY_U8;
  switch (operand->fill) {
  case ASSAY_FILL_NORMAL: return normal(random);
  case ASSAY_FILL_WIDE: return 200 * assay_random_uniform(random) - 100;
  case ASSAY_FILL_POSITIVE: return exp(4.5 * assay_random_uniform(random) - 3);
  case ASSAY_FILL_FEW: return (double)assay_random_below(random, 5) - (is_unsigned ? 0 : 2);
  case ASSAY_FILL_INDEX: return (double)assay_random_below(random, (uint32_t)operand->bound + 4) - 2;
  case ASSAY_FILL_HUGE: return huge(random);
  case ASSAY_FILL_SPECIAL: return special(random);
  case ASSAY_FILL_BOOL: return assay_random_u32(random) & 1;
  default: return assay_random_uniform(random);
  }
}

/* Each row of the last axis divided by its sum. */
static void normalise_rows(double *numbers, const struct assay_tensor_type *type) {
  const int64_t length = type->rank ? type->extents[type->rank - 1] : 1;
  for (int64_t start = 0; start < assay_element_count(type); start += length) {
    double sum = 0;
    for (int64_t i = 0; i < length; i++) sum += numbers[start + i];
    for (int64_t i = 0; i < length; i++) numbers[start + i] /= sum;
  }
}

/* Turns and stretches at will, shifts by a few pixels, and tilts a little; the denominator stays positive for pictures of up to 40 pixels. */
static void make_maps(double *numbers, int64_t count, struct assay_random *random) {
  for (int64_t i = 0; i < count; i++) {
    const double u = 2 * assay_random_uniform(random) - 1;
    const int64_t at = i % 9;
    numbers[i] = at == 8 ? 1 + u / 4 : at >= 6 ? u / 100 : at == 2 || at == 5 ? 4 * u : (at == 0 || at == 4 ? 1 : 0) + u;
  }
}

bool assay_host_tensor_fill(struct assay_host_tensor *tensor, const struct assay_case_operand *operand, struct assay_random *random) {
  const int64_t count = assay_element_count(&operand->type);
  const size_t size = assay_dtype_size(operand->type.dtype);
  tensor->type = operand->type;
  tensor->bytes = malloc((size_t)count * size);
  double *numbers = malloc((size_t)count * sizeof *numbers);
  if (tensor->bytes && numbers) {
    for (int64_t i = 0; i < count; i++) numbers[i] = draw(operand, random);
    if (operand->fill == ASSAY_FILL_MAP) make_maps(numbers, count, random);
    if (operand->fill == ASSAY_FILL_PROBABILITY) normalise_rows(numbers, &operand->type);
    for (int64_t i = 0; i < count; i++) assay_store_number(numbers[i], operand->type.dtype, tensor->bytes + (size_t)i * size);
    for (size_t i = 0; operand->fill == ASSAY_FILL_BITS && i < (size_t)count * size; i++) tensor->bytes[i] = (unsigned char)assay_random_u32(random);
  }
  free(numbers);
  return tensor->bytes && numbers;
}

bool assay_host_tensor_widen(struct assay_host_tensor *wide, const struct assay_host_tensor *tensor) {
  wide->type = tensor->type;
  const bool is_float = assay_dtype_is_float(tensor->type.dtype);
  if (is_float) wide->type.dtype = ASSAY_F64;
  wide->bytes = malloc(assay_host_tensor_size(&wide->type));
  if (!wide->bytes) return false;
  if (!is_float) memcpy(wide->bytes, tensor->bytes, assay_host_tensor_size(&tensor->type));
  for (int64_t i = 0; is_float && i < assay_element_count(&tensor->type); i++) ((double *)wide->bytes)[i] = assay_host_number(tensor, i);
  return true;
}

/* ---- Comparison ---- */

static double root_mean_square(const struct assay_host_tensor *tensor) {
  const int64_t count = assay_element_count(&tensor->type);
  double sum = 0;
  for (int64_t i = 0; i < count; i++) {
    const double x = assay_host_number(tensor, i);
    if (isfinite(x)) sum += x * x;
  }
  return sqrt(sum / (double)count);
}

static double error_of(double got, double expected, double floor) {
  if (isnan(expected)) return isnan(got) ? 0 : INFINITY;
  if (got == expected) return 0; /* infinities too */
  const double error = fabs(got - expected) / fmax(fabs(expected), floor);
  return isnan(error) ? INFINITY : error;
}

void assay_host_compare(const struct assay_host_tensor *got, const struct assay_host_tensor *expected, const struct assay_measure *measure,
                        struct assay_conformance_result *result) {
  const int64_t count = assay_element_count(&expected->type);
  const bool exact = measure->bound == 0;
  const double floor = measure->floor_is_scale ? fmax(measure->floor, root_mean_square(expected)) : measure->floor;
  int64_t where = 0, wrong = 0;
  result->worst = 0;
  result->bound = measure->bound;
  for (int64_t i = 0; i < count; i++) {
    const double a = assay_host_number(got, i), b = assay_host_number(expected, i);
    const double error = exact ? !(a == b || (isnan(a) && isnan(b))) : error_of(a, b, floor);
    if (error > measure->bound) wrong++;
    if (error > result->worst) result->worst = error, where = i;
  }
  result->verdict = wrong ? ASSAY_CONFORMANCE_FAILED : ASSAY_CONFORMANCE_PASSED;
  result->message[0] = '\0';
  if (wrong)
    snprintf(result->message, sizeof result->message, "%" PRId64 " of %" PRId64 " are wrong; element %" PRId64 " is %.9g instead of %.9g", wrong, count, where,
             assay_host_number(got, where), assay_host_number(expected, where));
}
