/* SPDX-License-Identifier: MIT
 *
 * Numbers that can be checked one and all: every f16 and bf16, every point between two of them where rounding turns, and the first random numbers of
 * a published vector. On each backend that takes the op.
 */
#include "backends.h"
#include "tensors.h"

#include "graph/number.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

static const char *const backends[] = {"reference", "cpu", "opencl"};

/* ---- One op on one tensor ---- */

/* False when the backend is not here or refuses the op. The result is malloc'ed. */
static bool apply(const char *backend, uint32_t op, const void *attributes, uint32_t attributes_size, const struct assay_host_tensor *input,
                  struct assay_host_tensor *output) {
  struct assay_registry *registry = open_registry();
  struct assay_arena *arena = assay_arena_create();
  struct assay_session *session = NULL;
  struct assay_executable *executable;
  struct assay_store *store;
  struct assay_status status = {0};
  const struct assay_program *program;
  struct assay_program_builder *builder = assay_program_begin();
  struct assay_builder *b = assay_function_begin(builder, "apply");
  const assay_value x = assay_function_feed(b, input->type.dtype, input->type.rank, input->type.extents);
  assay_function_fetch(b, assay_emit1(b, op, x, attributes, attributes_size));
  ck_assert_msg(assay_function_end(b, &status) == 0, "%s", status.message);
  ck_assert_msg(assay_program_finish(builder, &program, &status) == 0, "%s", status.message);

  int error = open_backend(registry, backend, NULL, arena, &session, &status);
  if (!error) error = assay_session_compile(session, program, &executable, &status);
  const bool refused = error != 0;
  if (!refused) {
    ck_assert_msg(assay_session_backend(session)->store_create(executable, &store, &status) == 0, "%s", status.message);
    ck_assert_msg(assay_host_call(session, executable, store, program, 0, input, output, &status) == 0, "%s", status.message);
    assay_session_backend(session)->store_release(store);
  } else {
    ck_assert_str_ne(backend, "reference");
    fprintf(stderr, "skipped: %s: %s\n", backend, status.message);
  }
  assay_session_close(session);
  assay_program_release(builder);
  assay_arena_release(arena);
  assay_registry_release(registry);
  return !refused;
}

static bool convert(const char *backend, int32_t to, const struct assay_host_tensor *input, struct assay_host_tensor *output) {
  const struct assay_cast_attributes attributes = {to};
  return apply(backend, ASSAY_OP_CAST, &attributes, sizeof attributes, input, output);
}

static struct assay_host_tensor new_tensor(int32_t dtype, int64_t count) {
  struct assay_host_tensor tensor = {{dtype, 1, {count}}, malloc((size_t)count * 8)};
  ck_assert_ptr_nonnull(tensor.bytes);
  return tensor;
}

/* ---- Formats of 16 bits ---- */

struct format {
  int32_t dtype;
  int exponent_bits, mantissa_bits;
};
static const struct format formats[] = {{ASSAY_F16, 5, 10}, {ASSAY_BF16, 8, 7}};

static uint16_t infinity_of(const struct format *format) { return (uint16_t)(((1 << format->exponent_bits) - 1) << format->mantissa_bits); }

/* IEEE 754, 3.4: what the bits mean. */
static double meaning(const struct format *format, uint32_t bits) {
  const double sign = bits >> 15 ? -1 : 1;
  const int bias = (1 << (format->exponent_bits - 1)) - 1, exponent = (int)(bits & 0x7fff) >> format->mantissa_bits;
  const double fraction = (double)(bits & ((1u << format->mantissa_bits) - 1)) / (1 << format->mantissa_bits);
  if (exponent == (1 << format->exponent_bits) - 1) return fraction != 0 ? NAN : sign * INFINITY;
  return sign * (exponent ? ldexp(1 + fraction, exponent - bias) : ldexp(fraction, 1 - bias));
}

static bool same(double a, double b) { return a == b || (isnan(a) && isnan(b)); }

START_TEST(every_number_of_16_bits_is_read) {
  const struct format *format = &formats[_i];
  struct assay_host_tensor all = new_tensor(format->dtype, 65536), wide;
  for (uint32_t bits = 0; bits < 65536; bits++) ((uint16_t *)all.bytes)[bits] = (uint16_t)bits;
  for (size_t k = 0; k < sizeof backends / sizeof *backends; k++) {
    if (!convert(backends[k], ASSAY_F32, &all, &wide)) continue;
    for (uint32_t bits = 0; bits < 65536; bits++) {
      const double got = ((const float *)wide.bytes)[bits], expected = meaning(format, bits);
      ck_assert_msg(same(got, expected) && (isnan(expected) || !signbit(got) == !signbit(expected)),
                    "%s: 0x%04x is %g, not %g", backends[k], bits, got, expected);
    }
    free(wide.bytes);
  }
  free(all.bytes);
}
END_TEST

/* The number that is to become `expected`, three to a pair of neighbours: half way, and the next floats on both sides of it. */
static int64_t turning_points(const struct format *format, float *points, uint16_t *expected) {
  int64_t count = 0;
  for (uint16_t low = 0; low < infinity_of(format); low++) {
    const uint16_t high = low + 1, even = low & 1 ? high : low;
    /* Past the largest number, infinity stands where the next number would be. */
    const bool last = high == infinity_of(format);
    const double step = meaning(format, low) - meaning(format, low - (low ? 1 : 0)), above = last ? meaning(format, low) + step : meaning(format, high);
    const float middle = (float)((meaning(format, low) + above) / 2);
    if ((double)middle != (meaning(format, low) + above) / 2) continue; /* no f32 lies half way: subnormal bf16 */
    points[count] = middle, expected[count++] = even;
    points[count] = nextafterf(middle, 0), expected[count++] = low;
    points[count] = nextafterf(middle, INFINITY), expected[count++] = high;
  }
  return count;
}

START_TEST(rounding_turns_half_way) {
  const struct format *format = &formats[_i];
  struct assay_host_tensor points = new_tensor(ASSAY_F32, 3 * 65536), narrow;
  uint16_t *expected = malloc(3 * 65536 * sizeof *expected);
  points.type.extents[0] = turning_points(format, (float *)points.bytes, expected);
  ck_assert_int_gt(points.type.extents[0], 3 * 30000);
  for (int negative = 0; negative < 2; negative++) {
    for (int64_t i = 0; i < points.type.extents[0] && negative; i++) ((float *)points.bytes)[i] *= -1;
    for (size_t k = 0; k < sizeof backends / sizeof *backends; k++) {
      if (!convert(backends[k], format->dtype, &points, &narrow)) continue;
      for (int64_t i = 0; i < points.type.extents[0]; i++) {
        const uint16_t got = ((const uint16_t *)narrow.bytes)[i], right = (uint16_t)(expected[i] | negative << 15);
        ck_assert_msg(got == right, "%s: %.9g becomes 0x%04x, not 0x%04x", backends[k], ((const float *)points.bytes)[i], got, right);
      }
      free(narrow.bytes);
    }
    for (int64_t i = 0; i < points.type.extents[0]; i++) { /* the core's own rounding, too */
      uint16_t got;
      assay_store_number(((const float *)points.bytes)[i], format->dtype, &got);
      ck_assert_uint_eq(got, expected[i] | negative << 15);
    }
  }
  free(points.bytes);
  free(expected);
}
END_TEST

/* Doubles are rounded once: half way plus a little that f32 cannot hold. */
START_TEST(doubles_are_rounded_once) {
  const struct format *format = &formats[_i];
  struct assay_host_tensor numbers = new_tensor(ASSAY_F64, 2), narrow;
  const double middle = 1 + ldexp(1, -format->mantissa_bits - 1);
  ((double *)numbers.bytes)[0] = middle;
  ((double *)numbers.bytes)[1] = middle + 0x1p-40;
  ck_assert(convert("reference", format->dtype, &numbers, &narrow));
  const uint16_t one = (uint16_t)(((1 << (format->exponent_bits - 1)) - 1) << format->mantissa_bits);
  ck_assert_uint_eq(((const uint16_t *)narrow.bytes)[0], one);
  ck_assert_uint_eq(((const uint16_t *)narrow.bytes)[1], one + 1);
  free(numbers.bytes);
  free(narrow.bytes);
}
END_TEST

START_TEST(conversions_agree_with_pytorch) {
  const struct format *format = &formats[_i];
  const char *source = getenv("srcdir");
  char path[4096];
  snprintf(path, sizeof path, "%s/tests/conformance/vectors.json", source ? source : ".");
  json_t *vectors = json_load_file(path, 0, NULL);
  ck_assert_ptr_nonnull(vectors);
  const json_t *conversions = json_object_get(vectors, "conversions"), *numbers = json_object_get(conversions, "numbers");
  const json_t *bits = json_object_get(conversions, assay_conformance_dtype(format->dtype));
  const size_t count = json_array_size(numbers);
  ck_assert_uint_gt(count, 50);
  struct assay_host_tensor wide = new_tensor(ASSAY_F32, (int64_t)count), narrow;
  for (size_t i = 0; i < count; i++) ((float *)wide.bytes)[i] = (float)json_number_value(json_array_get(numbers, i));
  for (size_t k = 0; k < sizeof backends / sizeof *backends; k++) {
    if (!convert(backends[k], format->dtype, &wide, &narrow)) continue;
    for (size_t i = 0; i < count; i++) ck_assert_int_eq(((const uint16_t *)narrow.bytes)[i], json_integer_value(json_array_get(bits, i)));
    free(narrow.bytes);
  }
  free(wide.bytes);
  json_decref(vectors);
}
END_TEST

/* ---- Random numbers ---- */

/* kat_vectors of the Random123 distribution, philox4x32, 10 rounds, counter and key zero; and a sample's numbers do not depend on the batch it is in. */
START_TEST(random_numbers_are_the_published_ones) {
  static const uint32_t words[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  const struct assay_random_attributes attributes = {0, 2, {0, 10}};
  struct assay_host_tensor keys = new_tensor(ASSAY_U32, 6), numbers, alone;
  keys.type = (struct assay_tensor_type){ASSAY_U32, 2, {3, 2}};
  memcpy(keys.bytes, (const uint32_t[]){123, 456, 0, 0, 0xffffffff, 0x80000000}, 6 * sizeof(uint32_t));
  struct assay_host_tensor last = {{ASSAY_U32, 2, {1, 2}}, keys.bytes + 4 * sizeof(uint32_t)};
  for (size_t k = 0; k < sizeof backends / sizeof *backends; k++) {
    if (!apply(backends[k], ASSAY_OP_RANDOM_UNIFORM, &attributes, sizeof attributes, &keys, &numbers)) continue;
    const float *found = (const float *)numbers.bytes;
    for (int i = 0; i < 4; i++) ck_assert_double_eq(found[10 + i], (words[i] >> 8) / 16777216.0);
    ck_assert(apply(backends[k], ASSAY_OP_RANDOM_UNIFORM, &attributes, sizeof attributes, &last, &alone));
    ck_assert_mem_eq(alone.bytes, found + 20, 10 * sizeof(float));
    free(numbers.bytes);
    free(alone.bytes);
  }
  free(keys.bytes);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("numbers");
  TCase *tests = tcase_create("numbers");
  tcase_set_timeout(tests, 120);
  tcase_add_loop_test(tests, every_number_of_16_bits_is_read, 0, 2);
  tcase_add_loop_test(tests, rounding_turns_half_way, 0, 2);
  tcase_add_loop_test(tests, doubles_are_rounded_once, 0, 2);
  tcase_add_loop_test(tests, conversions_agree_with_pytorch, 0, 2);
  tcase_add_test(tests, random_numbers_are_the_published_ones);
  suite_add_tcase(suite, tests);
  return assay_run_suite(suite);
}
