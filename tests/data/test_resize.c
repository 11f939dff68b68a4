/* SPDX-License-Identifier: MIT
 *
 * Fitting pictures, against numbers worked out by hand and against the definition in floating point.
 */
#include "harness.h"

#include "data/image.h"
#include "data/resize_lines.h"
#include "resize_vectors.h"

#include <assay/random.h>
#include <math.h>
#include <string.h>

static void fit_so(const void *samples, uint32_t w, uint32_t h, uint32_t channels, uint32_t depth, uint32_t width, uint32_t height, uint32_t to,
                   struct assay_fitting how, uint8_t *out) {
  const size_t size = (size_t)w * h * channels * (depth / 8);
  struct assay_image image = {w, h, channels, depth, malloc(size)};
  memcpy(image.pixels, samples, size);
  struct assay_status status = {0};
  ck_assert_int_eq(assay_image_fit(&image, width, height, to, how, out, &status), 0);
  assay_image_release(&image);
}

static void fit(const void *samples, uint32_t w, uint32_t h, uint32_t channels, uint32_t depth, uint32_t width, uint32_t height, uint32_t to, uint32_t how,
                uint8_t *out) {
  fit_so(samples, w, h, channels, depth, width, height, to, (struct assay_fitting){.fit = how}, out);
}

static void expect_row(const uint8_t *row, uint32_t w, const uint8_t *wanted, uint32_t width) {
  uint8_t out[64];
  fit(row, w, 1, 1, 8, width, 1, 1, ASSAY_FIT_STRETCH, out);
  ck_assert_mem_eq(out, wanted, width);
  fit(row, 1, w, 1, 8, 1, width, 1, ASSAY_FIT_STRETCH, out); /* and the same upright */
  ck_assert_mem_eq(out, wanted, width);
}

START_TEST(shrinking_averages_areas) {
  expect_row((uint8_t[]){10, 20, 30, 50}, 4, (uint8_t[]){15, 40}, 2);
  expect_row((uint8_t[]){0, 90, 180}, 3, (uint8_t[]){30, 150}, 2); /* (0 + 45) / 1.5, (45 + 180) / 1.5 */
  expect_row((uint8_t[]){0, 100, 200, 50, 150}, 5, (uint8_t[]){100}, 1);
  expect_row((uint8_t[]){10, 11}, 2, (uint8_t[]){11}, 1);                             /* halves go up */
  expect_row((uint8_t[]){0, 0, 0, 255, 255, 255, 0}, 7, (uint8_t[]){0, 182, 146}, 3); /* 255 (1 + 2/3) 3/7; 255 (1/3 + 1) 3/7 */
}
END_TEST

START_TEST(enlarging_is_linear_between_centres) {
  expect_row((uint8_t[]){0, 100}, 2, (uint8_t[]){0, 25, 75, 100}, 4);
  expect_row((uint8_t[]){0, 90}, 2, (uint8_t[]){0, 45, 90}, 3);
  expect_row((uint8_t[]){60}, 1, (uint8_t[]){60, 60, 60}, 3);
  expect_row((uint8_t[]){0, 80, 40}, 3, (uint8_t[]){0, 20, 60, 70, 50, 40}, 6);
}
END_TEST

START_TEST(axes_are_independent) {
  uint8_t out[4];
  fit((uint8_t[]){0, 40, 80, 120}, 4, 1, 1, 8, 2, 2, 1, ASSAY_FIT_STRETCH, out);
  ck_assert_mem_eq(out, ((uint8_t[]){20, 100, 20, 100}), 4);
}
END_TEST

START_TEST(sixteen_bits_are_rounded_once) {
  uint8_t out[2];
  fit((uint16_t[]){0, 65535}, 2, 1, 1, 16, 2, 1, 1, ASSAY_FIT_STRETCH, out);
  ck_assert_mem_eq(out, ((uint8_t[]){0, 255}), 2);
  fit((uint16_t[]){128, 128, 128, 130}, 4, 1, 1, 16, 1, 1, 1, ASSAY_FIT_STRETCH, out); /* 128.5 / 257 = 0.5 */
  ck_assert_uint_eq(out[0], 1);
  fit((uint16_t[]){257 * 77}, 1, 1, 1, 16, 1, 1, 1, ASSAY_FIT_STRETCH, out);
  ck_assert_uint_eq(out[0], 77);
}
END_TEST

START_TEST(letterbox_keeps_proportions) {
  uint8_t white[4 * 2], out[4 * 4];
  memset(white, 200, sizeof white);
  fit(white, 4, 2, 1, 8, 4, 4, 1, ASSAY_FIT_LETTERBOX, out);
  ck_assert_mem_eq(out, ((uint8_t[]){0, 0, 0, 0, 200, 200, 200, 200, 200, 200, 200, 200, 0, 0, 0, 0}), 16);
  fit(white, 2, 4, 1, 8, 4, 4, 1, ASSAY_FIT_LETTERBOX, out);
  for (int y = 0; y < 4; y++) ck_assert_mem_eq(out + 4 * y, ((uint8_t[]){0, 200, 200, 0}), 4);
  fit(white, 8, 1, 1, 8, 2, 2, 1, ASSAY_FIT_LETTERBOX, out); /* a quarter of a line is still a line */
  ck_assert_mem_eq(out, ((uint8_t[]){200, 200, 0, 0}), 4);
}
END_TEST

START_TEST(crop_takes_the_middle) {
  uint8_t out[4];
  fit((uint8_t[]){9, 9, 10, 20, 9, 9, 9, 9, 30, 40, 9, 9}, 6, 2, 1, 8, 2, 2, 1, ASSAY_FIT_CROP, out);
  ck_assert_mem_eq(out, ((uint8_t[]){10, 20, 30, 40}), 4);
  fit((uint8_t[]){9, 9, 1, 2, 3, 4, 9, 9}, 2, 4, 1, 8, 2, 2, 1, ASSAY_FIT_CROP, out);
  ck_assert_mem_eq(out, ((uint8_t[]){1, 2, 3, 4}), 4);
}
END_TEST

START_TEST(colours_come_and_go) {
  uint8_t out[6];
  fit((uint8_t[]){7, 8}, 2, 1, 1, 8, 2, 1, 3, ASSAY_FIT_STRETCH, out);
  ck_assert_mem_eq(out, ((uint8_t[]){7, 7, 7, 8, 8, 8}), 6);
  fit((uint8_t[]){255, 0, 0, 0, 0, 255}, 2, 1, 3, 8, 2, 1, 1, ASSAY_FIT_STRETCH, out);
  ck_assert_mem_eq(out, ((uint8_t[]){76, 29}), 2);
}
END_TEST

/* Output i of m from n inputs, by the definition. */
static double weight(uint32_t n, uint32_t m, uint32_t i, uint32_t j) {
  if (n > m) {
    const double begin = (double)i * n / m, end = (double)(i + 1) * n / m;
    const double low = begin > j ? begin : j, high = end < j + 1 ? end : j + 1;
    return high > low ? (high - low) * m / n : 0;
  }
  double place = (i + 0.5) * n / m - 0.5;
  place = place < 0 ? 0 : place > n - 1 ? n - 1 : place;
  const double distance = fabs(place - j);
  return distance < 1 ? 1 - distance : 0;
}

START_TEST(any_size_follows_the_definition) {
  static const uint32_t sizes[] = {1, 2, 3, 7, 16, 33, 50};
  const uint32_t w = 33, h = 21;
  struct assay_random random = assay_random_seed(5, 5);
  uint8_t *samples = malloc(w * h * 3), *out = malloc(50 * 50 * 3);
  for (uint32_t i = 0; i < w * h * 3; i++) samples[i] = (uint8_t)assay_random_u32(&random);
  for (int a = 0; a < 7; a++)
    for (int b = 0; b < 7; b++) {
      const uint32_t width = sizes[a], height = sizes[b];
      fit(samples, w, h, 3, 8, width, height, 3, ASSAY_FIT_STRETCH, out);
      for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++) {
          double sum = 0;
          for (uint32_t v = 0; v < h; v++)
            for (uint32_t u = 0; u < w && weight(h, height, y, v) > 0; u++)
              sum += weight(h, height, y, v) * weight(w, width, x, u) * samples[(v * w + u) * 3 + 1];
          ck_assert_double_eq_tol(out[(y * width + x) * 3 + 1], sum, 0.55); /* half a step of rounding, and the weights' */
        }
    }
  free(samples);
  free(out);
}
END_TEST

START_TEST(a_flat_picture_stays_flat) {
  uint8_t *samples = malloc(97 * 61), *out = malloc(150 * 150);
  for (int value = 0; value < 256; value += 17) {
    memset(samples, value, 97 * 61);
    for (uint32_t size = 1; size <= 150; size += 13) {
      fit(samples, 97, 61, 1, 8, size, 150 - size + 1, 1, ASSAY_FIT_STRETCH, out);
      for (uint32_t i = 0; i < size * (150 - size + 1); i++) ck_assert_uint_eq(out[i], value);
    }
  }
  free(samples);
  free(out);
}
END_TEST

START_TEST(extreme_shapes) {
  const uint32_t w = 65535;
  uint8_t *samples = malloc(w), out[3 * 3];
  for (uint32_t i = 0; i < w; i++) samples[i] = i < w / 2 ? 0 : 255;
  for (uint32_t how = ASSAY_FIT_STRETCH; how <= ASSAY_FIT_LETTERBOX; how++) {
    fit(samples, w, 1, 1, 8, 3, 3, 1, how, out);
    fit(samples, 1, w, 1, 8, 3, 3, 1, how, out);
  }
  for (uint32_t filter = ASSAY_FILTER_AREA; filter <= ASSAY_FILTER_LINEAR; filter++) {
    fit_so(samples, w, 1, 1, 8, 3, 3, 1, (struct assay_fitting){ASSAY_FIT_CROP, 65535, filter, {0}}, out);
    fit_so(samples, 1, w, 1, 8, 3, 3, 1, (struct assay_fitting){ASSAY_FIT_CROP, 1, filter, {0}}, out);
  }
  fit(samples, w, 1, 1, 8, 2, 1, 1, ASSAY_FIT_STRETCH, out);
  ck_assert_uint_eq(out[0], 0);
  ck_assert_uint_eq(out[1], 255);
  free(samples);
}
END_TEST

/* Whatever the processor, of any number of samples, taps and channels. */
START_TEST(fast_lines_give_the_bits_of_plain_ones) {
  enum { MOST = 75 };
  const struct assay_resize_lines *plain = &assay_resize_lines_plain, *fast = assay_resize_lines_best();
  static uint8_t row_8[MOST * 3];
  static uint16_t row_16[MOST * 3], middles[2][MOST * 3 + 8 * 3 + 8];
  static uint32_t sums[2][MOST * 3];
  struct assay_random random = assay_random_seed(6, 6);
  for (int i = 0; i < MOST * 3; i++) {
    row_16[i] = i % 3 == 0 ? UINT16_MAX : (uint16_t)assay_random_u32(&random);
    row_8[i] = (uint8_t)(row_16[i] >> 8);
  }
  for (uint32_t count = 1; count <= 8; count++)
    for (uint32_t pixels = 8; pixels <= MOST; pixels++) {
      uint16_t weights[8];
      struct assay_tap taps[MOST];
      uint8_t out[2][MOST * 3];
      uint32_t rest = ASSAY_TAP_ONE;
      for (uint32_t k = 0; k < count; k++) rest -= weights[k] = (uint16_t)(k + 1 == count ? rest : assay_random_below(&random, rest + 1));
      const uint32_t channels = pixels % 2 == 0 ? 3 : 1, length = pixels * channels;
      struct assay_axis axis = {.inputs = pixels, .count = pixels - count + 1, .taps = taps, .weights = weights};
      for (uint32_t x = 0; x < axis.count; x++) taps[x] = (struct assay_tap){x, count, 0};
      ck_assert(assay_axis_pad(&axis, assay_resize_multiple(channels)));
      ck_assert_uint_le(pixels * channels + assay_resize_spare(&axis, channels), sizeof middles[0] / sizeof(uint16_t));
      for (int depth = 8; depth <= 16; depth += 8) {
        for (int side = 0; side < 2; side++) {
          const struct assay_resize_lines *lines = side == 0 ? plain : fast;
          for (uint32_t k = 0; k < count; k++)
            if (depth == 8) lines->add_8(sums[side], row_8, length, weights[k]);
            else lines->add_16(sums[side], row_16, length, weights[k]);
        }
        ck_assert_mem_eq(sums[1], sums[0], length * sizeof(uint32_t));
        for (int side = 0; side < 2; side++) {
          const struct assay_resize_lines *lines = side == 0 ? plain : fast;
          (depth == 8 ? lines->round_8 : lines->round_16)(sums[side], middles[side], length);
          (depth == 8 ? lines->row_8 : lines->row_16)(middles[side], channels, &axis, out[side]);
          for (uint32_t i = 0; i < length; i++) ck_assert_uint_eq(sums[side][i], 0);
        }
        ck_assert_mem_eq(middles[1], middles[0], length * sizeof(uint16_t));
        ck_assert_mem_eq(out[1], out[0], (size_t)axis.count * channels);
      }
      free(axis.padded);
    }
}
END_TEST

/* Pillow rounds after each axis, so one grey value apart is right. */
START_TEST(a_short_side_and_the_middle_are_as_pillows) {
  const struct assay_fitting how = {ASSAY_FIT_CROP, 10, ASSAY_FILTER_BILINEAR, {0}};
  uint8_t samples[23 * 17], out[8 * 7];
  for (int i = 0; i < 23 * 17; i++) samples[i] = (uint8_t)((i * i * 7 + i * 31) % 251);
  fit_so(samples, 23, 17, 1, 8, 8, 7, 1, how, out);
  for (int i = 0; i < 8 * 7; i++) ck_assert_msg(abs(out[i] - resized[i]) <= 1, "pixel %d is %d, not %d", i, out[i], resized[i]);
  fit_so(samples, 23, 17, 1, 8, 8, 7, 1, (struct assay_fitting){ASSAY_FIT_CROP, 10, ASSAY_FILTER_LINEAR, {0}}, out);
  for (int i = 0; i < 8 * 7; i++) ck_assert_double_eq_tol(out[i], interpolated[i], 0.55);
  /* A target that the short side does not cover is covered all the same. */
  uint8_t large[30 * 40];
  fit_so(samples, 23, 17, 1, 8, 30, 40, 1, how, large);
  fit_so((uint8_t[]){9, 9, 9, 9}, 2, 2, 1, 8, 30, 40, 1, how, large);
  for (int i = 0; i < 30 * 40; i++) ck_assert_uint_eq(large[i], 9);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("resize");
  TCase *cases = tcase_create("fit");
  tcase_add_test(cases, shrinking_averages_areas);
  tcase_add_test(cases, enlarging_is_linear_between_centres);
  tcase_add_test(cases, axes_are_independent);
  tcase_add_test(cases, sixteen_bits_are_rounded_once);
  tcase_add_test(cases, letterbox_keeps_proportions);
  tcase_add_test(cases, crop_takes_the_middle);
  tcase_add_test(cases, colours_come_and_go);
  tcase_add_test(cases, any_size_follows_the_definition);
  tcase_add_test(cases, a_flat_picture_stays_flat);
  tcase_add_test(cases, a_short_side_and_the_middle_are_as_pillows);
  tcase_add_test(cases, extreme_shapes);
  tcase_add_test(cases, fast_lines_give_the_bits_of_plain_ones);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
