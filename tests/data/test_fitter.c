/* SPDX-License-Identifier: MIT
 *
 * Pictures fitted while they are decoded: the same pixels as from the whole picture, for every kind of file and every orientation, in a bounded memory.
 */
#include "harness.h"

#include "data/encode.h"
#include "data/image.h"
#include "pictures.h"

#include <assay/random.h>
#include <malloc.h>
#include <string.h>
#include <sys/resource.h>
#include <tiff.h>

#ifndef __has_feature
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

/* Samples without a pattern that a mistake could hide in. */
static uint16_t *noise(size_t count, uint32_t bits, uint64_t seed) {
  uint16_t *samples = malloc(count * sizeof *samples);
  struct assay_random random = assay_random_seed(seed, bits);
  for (size_t i = 0; i < count; i++) samples[i] = (uint16_t)(assay_random_u32(&random) & ((1u << bits) - 1));
  return samples;
}

enum { W = 61, H = 43, KINDS = 14 };

static struct bytes specimen(int kind, uint32_t orientation) {
  const uint32_t channels[KINDS] = {3, 1, 4, 3, 3, 3, 1, 3, 4, 3, 3, 1, 3, 3}, bits[KINDS] = {8, 16, 8, 8, 8, 8, 12, 16, 8, 8, 8, 8, 8, 8};
  uint16_t *samples = noise((size_t)W * H * 4, bits[kind], (uint64_t)kind + 1);
  const struct picture picture = {W, H, channels[kind], bits[kind], samples, orientation};
  uint8_t rows[H * 192];
  for (size_t i = 0; i < sizeof rows; i++) rows[i] = (uint8_t)(samples[i % (W * H)] + i / 777);
  struct bytes bytes;
  switch (kind) {
  case 0:
  case 1:
  case 2: bytes = make_png(&picture, false); break;
  case 3: bytes = make_png(&picture, true); break;
  case 4: bytes = make_jpeg(&picture, JPEG_PLAIN); break;
  case 5: bytes = make_jpeg(&picture, JPEG_SUBSAMPLED); break;
  case 6: bytes = make_tiff(&picture, (struct tiff_options){.compression = COMPRESSION_LZW}); break;
  case 7: bytes = make_tiff(&picture, (struct tiff_options){.tiled = true}); break;
  case 8: bytes = make_tiff(&picture, (struct tiff_options){.planar = PLANARCONFIG_SEPARATE, .extra = EXTRASAMPLE_UNASSALPHA}); break;
  case 9: bytes = make_tiff(&picture, (struct tiff_options){.planar = PLANARCONFIG_SEPARATE}); break;
  case 10: bytes = make_bmp(W, H, 24, 0, NULL, 0, rows, 184 * H); break;
  case 11: bytes = make_pnm(&picture); break;
  case 12: bytes = make_jpeg(&picture, JPEG_PROGRESSIVE); break;
  default: bytes = make_bmp(W, -H, 24, 0, NULL, 0, rows, 184 * H); break;
  }
  free(samples);
  return bytes;
}

/* The window of a picture as a picture of its own. */
static struct assay_image cut(const struct assay_image *image, uint32_t x, uint32_t y, uint32_t width, uint32_t height) {
  const size_t pixel = image->channels * (image->depth / 8);
  struct assay_image part = {width, height, image->channels, image->depth, malloc(width * height * pixel)};
  for (uint32_t row = 0; row < height; row++)
    memcpy((uint8_t *)part.pixels + row * width * pixel, (const uint8_t *)image->pixels + ((size_t)(y + row) * image->width + x) * pixel, width * pixel);
  return part;
}

static const struct assay_fitting fittings[] = {{.fit = ASSAY_FIT_STRETCH},
                                                {.fit = ASSAY_FIT_CROP, .filter = ASSAY_FILTER_BILINEAR},
                                                {.fit = ASSAY_FIT_CROP, .resize = 30, .filter = ASSAY_FILTER_BILINEAR},
                                                {.fit = ASSAY_FIT_LETTERBOX}};
static const uint32_t sizes[][2] = {{17, 12}, {80, 9}, {13, 90}, {100, 100}, {1, 1}, {W, H}};

/* The picture whole, its window cut out and fitted, beside the same in one go. */
static void compare(struct bytes bytes, const struct assay_fitting *how, uint32_t width, uint32_t height, bool grey) {
  static uint8_t expected[100 * 100 * 3], pixels[100 * 100 * 3];
  struct assay_status status = {0};
  struct assay_image image;
  const struct assay_image_target target = {width, height, grey ? 1 : 3, *how, pixels};
  const struct assay_image_request whole = {.grey = grey}, request = {.target_count = 1, .targets = &target, .grey = grey};
  ck_assert_msg(assay_image_decode(bytes.data, bytes.size, &whole, &image, NULL, &status) == 0, "%s", status.message);
  const struct assay_region *region = &how->region;
  struct assay_image part = image;
  struct assay_fitting plain = *how;
  plain.region = (struct assay_region){0};
  if (region->width != 0) part = cut(&image, region->x, region->y, region->width, region->height);
  ck_assert_int_eq(assay_image_fit(&part, width, height, target.channels, plain, expected, &status), 0);
  memset(pixels, 77, sizeof pixels);
  ck_assert_msg(assay_image_decode_into(bytes.data, bytes.size, &request, NULL, &status) == 0, "%s", status.message);
  ck_assert_mem_eq(pixels, expected, (size_t)width * height * target.channels);
  if (part.pixels != image.pixels) assay_image_release(&part);
  assay_image_release(&image);
}

START_TEST(the_same_as_from_the_whole_picture) {
  for (uint32_t orientation = 1; orientation <= 8; orientation++) {
    struct bytes bytes = specimen(_i, orientation);
    for (size_t f = 0; f < sizeof fittings / sizeof *fittings; f++)
      for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        compare(bytes, &fittings[f], sizes[s][0], sizes[s][1], (orientation + f + s) % 2 == 0);
    bytes_release(&bytes);
  }
}
END_TEST

/* Windows that lie in both 61 × 43 and 43 × 61 pixels. */
START_TEST(of_a_region_too) {
  static const struct assay_region regions[] = {{7, 5, 31, 29, 0}, {0, 0, 9, 43, 0}, {42, 1, 1, 42, 0}};
  for (uint32_t orientation = 1; orientation <= 8; orientation++) {
    struct bytes bytes = specimen(_i, orientation);
    for (size_t r = 0; r < sizeof regions / sizeof *regions; r++)
      for (size_t f = 0; f < sizeof fittings / sizeof *fittings; f++) {
        struct assay_fitting how = fittings[f];
        how.region = regions[r];
        compare(bytes, &how, sizes[(r + f) % 4][0], sizes[(r + f) % 4][1], f % 2 == 0);
      }
    bytes_release(&bytes);
  }
}
END_TEST

/* 60 × 40 from 25 % and 50 % on is (15, 20), 45 × 20. */
START_TEST(a_region_in_shares) {
  uint16_t *samples = noise(60 * 40, 8, 5);
  struct bytes bytes = make_png(&(struct picture){60, 40, 1, 8, samples, 0}, false);
  uint8_t pixels[45 * 20];
  struct assay_status status = {0};
  const struct assay_image_target target = {45, 20, 1, {.region = {250000, 500000, 750000, 500000, 1}}, pixels};
  ck_assert_int_eq(assay_image_decode_into(bytes.data, bytes.size, &(struct assay_image_request){.target_count = 1, .targets = &target, .grey = true}, NULL, &status), 0);
  for (int y = 0; y < 20; y++)
    for (int x = 0; x < 45; x++) ck_assert_uint_eq(pixels[y * 45 + x], samples[(20 + y) * 60 + 15 + x]);
  bytes_release(&bytes);
  free(samples);
}
END_TEST

START_TEST(a_region_beyond_the_picture_is_refused) {
  struct bytes bytes = specimen(0, 6); /* upright it is 43 × 61 */
  uint8_t pixels[3];
  struct assay_image_target target = {1, 1, 3, {.region = {3, 21, 40, 40, 0}}, pixels};
  const struct assay_image_request request = {.target_count = 1, .targets = &target};
  struct assay_status status = {0};
  ck_assert_int_eq(assay_image_decode_into(bytes.data, bytes.size, &request, NULL, &status), 0);
  target.fitting.region.x = 4;
  ck_assert_int_eq(assay_image_decode_into(bytes.data, bytes.size, &request, NULL, &status), ASSAY_E_DATA);
  ck_assert_ptr_nonnull(strstr(status.message, "43 × 61"));
  ck_assert_ptr_nonnull(strstr(status.message, "40x40+4+21"));
  bytes_release(&bytes);
}
END_TEST

START_TEST(two_targets_at_once) {
  struct bytes bytes = specimen(4, 8);
  uint8_t together[2][12 * 10 * 3], alone[12 * 10 * 3];
  const struct assay_image_target targets[2] = {{12, 10, 3, fittings[1], together[0]}, {10, 12, 1, fittings[3], together[1]}};
  struct assay_status status = {0};
  ck_assert_int_eq(assay_image_decode_into(bytes.data, bytes.size, &(struct assay_image_request){.target_count = 2, .targets = targets, .verify = true}, NULL, &status), 0);
  for (int i = 0; i < 2; i++) {
    struct assay_image_target target = targets[i];
    target.pixels = alone;
    ck_assert_int_eq(assay_image_decode_into(bytes.data, bytes.size, &(struct assay_image_request){.target_count = 1, .targets = &target}, NULL, &status), 0);
    ck_assert_mem_eq(alone, together[i], 12 * 10 * target.channels);
  }
  bytes_release(&bytes);
}
END_TEST

/* Damage behind a region is only found by those who look for it. */
START_TEST(verifying_looks_at_all_of_it) {
  uint16_t *samples = noise(64 * 300, 8, 9);
  struct bytes bytes = make_png(&(struct picture){64, 300, 1, 8, samples, 0}, false);
  uint8_t pixels[100];
  const struct assay_image_target target = {10, 10, 1, {.region = {0, 0, 64, 20, 0}}, pixels};
  struct assay_image_request request = {.target_count = 1, .targets = &target};
  struct assay_status status = {0};
  ck_assert_int_eq(assay_image_decode_into(bytes.data, bytes.size - 100, &request, NULL, &status), 0);
  request.verify = true;
  ck_assert_int_eq(assay_image_decode_into(bytes.data, bytes.size - 100, &request, NULL, &status), ASSAY_E_DATA);
  bytes_release(&bytes);
  free(samples);
}
END_TEST

/* ---- Memory ---- */

static struct bytes large(int kind) {
  enum { SIDE = 1800 };
  uint16_t *samples = noise((size_t)SIDE * SIDE * 3, 2, 1); /* compresses well */
  const struct picture picture = {SIDE, SIDE, 3, 8, samples, kind == 1 ? 6 : 1};
  struct bytes bytes;
  switch (kind) {
  case 0:
  case 1: bytes = make_jpeg(&picture, JPEG_PLAIN); break;
  case 2: bytes = make_tiff(&picture, (struct tiff_options){.compression = COMPRESSION_LZW}); break;
  case 3: bytes = make_tiff(&picture, (struct tiff_options){.tiled = true}); break;
  case 4: bytes = make_pnm(&picture); break;
  case 5: bytes = make_bmp(SIDE, SIDE, 24, 0, NULL, 0, samples, (size_t)SIDE * SIDE * 3); break;
  default: ck_assert_int_eq(assay_encode_png((const uint8_t *)samples, SIDE, SIDE, 3, &bytes.data, &bytes.size, NULL), 0);
  }
  free(samples);
  return bytes;
}

/* 10 MB of pixels, in 4 MB beside the file; the whole picture does not fit there. */
START_TEST(large_pictures_need_little_memory) {
  mallopt(M_MMAP_THRESHOLD, 1 << 16); /* what is freed is given back at once */
  struct bytes bytes = large(_i);
  static uint8_t pixels[224 * 224 * 3];
  const struct assay_image_target target = {224, 224, 3, {0}, pixels};
  const struct assay_image_request request = {.target_count = 1, .targets = &target, .verify = true}, whole = {0};
  struct assay_status status = {0};
  struct assay_image image;
  unsigned long pages = 0;
  if (!SANITIZED) {
    malloc_trim(0);
    FILE *file = fopen("/proc/self/statm", "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%lu", &pages), 1);
    fclose(file);
    const rlim_t most = pages * 4096 + (4 << 20);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &(struct rlimit){most, RLIM_INFINITY}), 0);
  }
  ck_assert_msg(assay_image_decode_into(bytes.data, bytes.size, &request, NULL, &status) == 0, "kind %d: %s", _i, status.message);
  const int result = assay_image_decode(bytes.data, bytes.size, &whole, &image, NULL, &status);
  ck_assert_msg(SANITIZED || result == ASSAY_E_MEMORY, "kind %d: %d %s", _i, result, status.message);
  if (result == 0) assay_image_release(&image);
  bytes_release(&bytes);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("fitter");
  TCase *same = tcase_create("same");
  tcase_set_timeout(same, 60);
  tcase_add_loop_test(same, the_same_as_from_the_whole_picture, 0, KINDS);
  tcase_add_loop_test(same, of_a_region_too, 0, KINDS);
  tcase_add_test(same, a_region_in_shares);
  tcase_add_test(same, a_region_beyond_the_picture_is_refused);
  tcase_add_test(same, two_targets_at_once);
  tcase_add_test(same, verifying_looks_at_all_of_it);
  suite_add_tcase(suite, same);
  TCase *memory = tcase_create("memory");
  tcase_set_timeout(memory, 60);
  tcase_add_loop_test(memory, large_pictures_need_little_memory, 0, 7);
  suite_add_tcase(suite, memory);
  return assay_run_suite(suite);
}
