/* SPDX-License-Identifier: MIT
 *
 * Pictures of every format, made here with known pixels: what is decoded, which way up, and what happens to damaged ones.
 */
#include "harness.h"

#include "data/encode.h"
#include "data/image.h"
#include "pictures.h"

#include <assay/random.h>
#include <string.h>
#include <tiff.h>

static const struct assay_image_request plainly = {0};

static struct assay_image decode(struct bytes bytes, const struct assay_image_request *request, struct assay_image_facts *facts) {
  struct assay_image image;
  struct assay_status status = {0};
  const int result = assay_image_decode(bytes.data, bytes.size, request, &image, facts, &status);
  ck_assert_msg(result == 0, "%s", status.message);
  return image;
}

static uint32_t sample_of(const struct assay_image *image, size_t i) {
  return image->depth == 8 ? ((const uint8_t *)image->pixels)[i] : ((const uint16_t *)image->pixels)[i];
}

/* Decodes, releases the bytes and compares with the samples expected. */
static void expect(struct bytes bytes, uint32_t width, uint32_t height, uint32_t channels, uint32_t depth, const uint16_t *samples, uint32_t tolerance) {
  struct assay_image image = decode(bytes, &plainly, NULL);
  ck_assert_uint_eq(image.width, width);
  ck_assert_uint_eq(image.height, height);
  ck_assert_uint_eq(image.channels, channels);
  ck_assert_uint_eq(image.depth, depth);
  for (size_t i = 0; i < (size_t)width * height * channels; i++) {
    const int32_t difference = (int32_t)sample_of(&image, i) - (int32_t)samples[i];
    ck_assert_msg((uint32_t)abs(difference) <= tolerance, "sample %zu is %u, not %u", i, sample_of(&image, i), samples[i]);
  }
  assay_image_release(&image);
  bytes_release(&bytes);
}

static void expect_failure(struct bytes bytes, const char *words) {
  struct assay_image image;
  struct assay_status status = {0};
  ck_assert_int_eq(assay_image_decode(bytes.data, bytes.size, &plainly, &image, NULL, &status), ASSAY_E_DATA);
  ck_assert_msg(strstr(status.message, words) != NULL, "\"%s\" does not say \"%s\"", status.message, words);
  ck_assert_ptr_null(image.pixels);
  bytes_release(&bytes);
}

/* Samples without a pattern that a mistake could hide in. */
static uint16_t *noise(size_t count, uint32_t bits, uint64_t seed) {
  uint16_t *samples = malloc(count * sizeof *samples);
  struct assay_random random = assay_random_seed(seed, bits);
  for (size_t i = 0; i < count; i++) samples[i] = (uint16_t)(assay_random_u32(&random) & ((1u << bits) - 1));
  return samples;
}

/* ---- What is written comes back ---- */

START_TEST(encoded_pictures_decode_to_the_same) {
  const uint32_t channels = _i % 2 == 0 ? 1 : 3, width = 37, height = 23;
  uint8_t pixels[37 * 23 * 3], *png, *jpeg;
  size_t png_size, jpeg_size;
  for (uint32_t y = 0; y < height; y++)
    for (uint32_t x = 0; x < width; x++)
      for (uint32_t c = 0; c < channels; c++) pixels[(y * width + x) * channels + c] = (uint8_t)(40 + 3 * x + 2 * y + 10 * c);
  ck_assert_int_eq(assay_encode_png(pixels, width, height, channels, &png, &png_size, NULL), 0);
  ck_assert_int_eq(assay_encode_jpeg(pixels, width, height, channels, 95, &jpeg, &jpeg_size, NULL), 0);
  for (int format = 0; format < 2; format++) {
    struct assay_image image;
    struct assay_image_facts facts;
    ck_assert_int_eq(assay_image_decode(format == 0 ? png : jpeg, format == 0 ? png_size : jpeg_size, &plainly, &image, &facts, NULL), 0);
    ck_assert_str_eq(facts.format, format == 0 ? "png" : "jpeg");
    ck_assert(image.width == width && image.height == height && image.channels == channels);
    for (size_t i = 0; i < (size_t)width * height * channels; i++) ck_assert_int_le(abs((int)sample_of(&image, i) - pixels[i]), format == 0 ? 0 : 8);
    assay_image_release(&image);
  }
  free(png);
  free(jpeg);
}
END_TEST

/* ---- PNG ---- */

START_TEST(png_keeps_samples) {
  static const uint32_t channels[] = {1, 3}, depths[] = {8, 16};
  for (int c = 0; c < 2; c++)
    for (int d = 0; d < 2; d++)
      for (int interlaced = 0; interlaced < 2; interlaced++) {
        uint16_t *samples = noise(13 * 9 * channels[c], depths[d], 1);
        expect(make_png(&(struct picture){13, 9, channels[c], depths[d], samples, 0}, interlaced), 13, 9, channels[c], depths[d], samples, 0);
        free(samples);
      }
}
END_TEST

START_TEST(png_stretches_low_depths) {
  static const uint16_t one[] = {0, 1, 1, 0, 1, 0}, one_wide[] = {0, 255, 255, 0, 255, 0};
  static const uint16_t two[] = {0, 1, 2, 3, 2, 1}, two_wide[] = {0, 85, 170, 255, 170, 85};
  static const uint16_t four[] = {0, 1, 7, 8, 14, 15}, four_wide[] = {0, 17, 119, 136, 238, 255};
  expect(make_png(&(struct picture){3, 2, 1, 1, one, 0}, false), 3, 2, 1, 8, one_wide, 0);
  expect(make_png(&(struct picture){3, 2, 1, 2, two, 0}, false), 3, 2, 1, 8, two_wide, 0);
  expect(make_png(&(struct picture){3, 2, 1, 4, four, 0}, false), 3, 2, 1, 8, four_wide, 0);
}
END_TEST

START_TEST(png_composites_on_black) {
  static const uint16_t rgba[] = {200, 100, 50, 255, 200, 100, 50, 128, 200, 100, 50, 0}, on_black[] = {200, 100, 50, 100, 50, 25, 0, 0, 0};
  static const uint16_t grey_alpha[] = {60000, 65535, 60000, 32768, 9, 0}, grey_on_black[] = {60000, 30000, 0};
  static const uint16_t indices[] = {0, 1, 2, 1};
  static const uint8_t colours[3][4] = {{255, 0, 10, 255}, {10, 20, 30, 51}, {1, 2, 3, 0}};
  static const uint16_t coloured[] = {255, 0, 10, 2, 4, 6, 0, 0, 0, 2, 4, 6};
  expect(make_png(&(struct picture){3, 1, 4, 8, rgba, 0}, false), 3, 1, 3, 8, on_black, 0);
  expect(make_png(&(struct picture){3, 1, 2, 16, grey_alpha, 0}, false), 3, 1, 1, 16, grey_on_black, 0);
  expect(make_palette_png(&(struct picture){2, 2, 1, 2, indices, 0}, colours, 3), 2, 2, 3, 8, coloured, 0);
}
END_TEST

START_TEST(grey_is_bt601_luma) {
  /* 0.299 R + 0.587 G + 0.114 B: 76.245, 149.685, 29.07; 0.299 * 10 + 0.587 * 200 + 0.114 * 30 = 123.81 */
  static const uint16_t rgb[] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 200, 30, 255, 255, 255, 90, 90, 90};
  static const uint8_t luma[] = {76, 150, 29, 124, 255, 90};
  const struct assay_image_request request = {.grey = true};
  struct bytes bytes = make_png(&(struct picture){6, 1, 3, 8, rgb, 0}, false);
  struct assay_image image = decode(bytes, &request, NULL);
  ck_assert_uint_eq(image.channels, 1);
  ck_assert_mem_eq(image.pixels, luma, sizeof luma);
  assay_image_release(&image);
  bytes_release(&bytes);
}
END_TEST

/* ---- JPEG ---- */

/* Flat squares of 16 pixels survive JPEG at quality 100 almost unchanged. */
static uint16_t *squares(uint32_t width, uint32_t height, uint32_t channels) {
  uint16_t *samples = malloc((size_t)width * height * channels * sizeof *samples);
  for (uint32_t y = 0; y < height; y++)
    for (uint32_t x = 0; x < width; x++)
      for (uint32_t c = 0; c < channels; c++) samples[(y * width + x) * channels + c] = (uint16_t)((37 * (x / 16) + 91 * (y / 16) + 53 * c + 20) % 256);
  return samples;
}

START_TEST(jpeg_is_near_the_original) {
  static const uint32_t channels[] = {1, 3};
  for (int c = 0; c < 2; c++)
    for (int kind = JPEG_PLAIN; kind <= JPEG_SUBSAMPLED; kind++) {
      /* Coarser colour bleeds over the squares' edges, so there it is one square. */
      const uint32_t width = kind == JPEG_SUBSAMPLED ? 16 : 48, height = kind == JPEG_SUBSAMPLED ? 16 : 32;
      uint16_t *samples = squares(width, height, channels[c]);
      expect(make_jpeg(&(struct picture){width, height, channels[c], 8, samples, 0}, kind), width, height, channels[c], 8, samples, 3);
      free(samples);
    }
}
END_TEST

START_TEST(jpeg_in_grey_is_its_luma) {
  uint16_t *samples = squares(48, 32, 3);
  struct bytes bytes = make_jpeg(&(struct picture){48, 32, 3, 8, samples, 0}, JPEG_PLAIN);
  const struct assay_image_request request = {.grey = true};
  struct assay_image image = decode(bytes, &request, NULL);
  ck_assert_uint_eq(image.channels, 1);
  for (size_t i = 0; i < 48 * 32; i++) {
    const double luma = 0.299 * samples[3 * i] + 0.587 * samples[3 * i + 1] + 0.114 * samples[3 * i + 2];
    ck_assert_double_eq_tol(sample_of(&image, i), luma, 3);
  }
  assay_image_release(&image);
  bytes_release(&bytes);
  free(samples);
}
END_TEST

START_TEST(jpeg_in_four_inks) {
  /* libjpeg writes an Adobe marker with CMYK: values mean the absence of ink, so R = C K / 255. */
  uint16_t cmyk[16 * 16 * 4], rgb[16 * 16 * 3];
  for (int i = 0; i < 256; i++) {
    const uint16_t ink[4] = {200, 100, 50, 128};
    memcpy(cmyk + 4 * i, ink, sizeof ink);
    for (int c = 0; c < 3; c++) rgb[3 * i + c] = (uint16_t)(ink[c] * 128 / 255);
  }
  expect(make_jpeg(&(struct picture){16, 16, 4, 8, cmyk, 0}, JPEG_PLAIN), 16, 16, 3, 8, rgb, 3);
}
END_TEST

START_TEST(large_jpeg_comes_scaled) {
  uint16_t *samples = squares(320, 256, 3);
  struct bytes bytes = make_jpeg(&(struct picture){320, 256, 3, 8, samples, 6}, JPEG_PLAIN);
  struct assay_image_facts facts;
  const struct assay_image_target target = {.width = 32, .height = 40}, larger = {.width = 129, .height = 40};
  const struct assay_image_request request = {.target_count = 1, .targets = &target}, close = {.target_count = 1, .targets = &larger};
  struct assay_image image = decode(bytes, &request, &facts);
  ck_assert_uint_eq(facts.width, 256); /* the facts are of the file, upright */
  ck_assert_uint_eq(facts.height, 320);
  ck_assert_uint_eq(image.width, 128); /* half: at least two pixels for each of the fitted picture, and 128 a side */
  ck_assert_uint_eq(image.height, 160);
  assay_image_release(&image);
  image = decode(bytes, &close, NULL);
  ck_assert_uint_eq(image.width, 256);
  assay_image_release(&image);
  bytes_release(&bytes);
  free(samples);
}
END_TEST

/* ---- BMP ---- */

START_TEST(bmp_of_every_depth) {
  static const uint8_t palette[16][4] = {{1, 2, 3, 0}, {10, 20, 30, 0}, {40, 50, 60, 0}, {70, 80, 90, 0}}; /* blue, green, red */
  static const uint8_t rows1[] = {0x40, 0, 0, 0, 0x80, 0, 0, 0};                                           /* 2 wide: 01 below 10 */
  static const uint16_t picture1[] = {30, 20, 10, 3, 2, 1, 3, 2, 1, 30, 20, 10};
  expect(make_bmp(2, 2, 1, 0, palette, 8, rows1, sizeof rows1), 2, 2, 3, 8, picture1, 0);
  static const uint8_t rows4[] = {0x12, 0x30, 0, 0};
  static const uint16_t picture4[] = {30, 20, 10, 60, 50, 40, 90, 80, 70};
  expect(make_bmp(3, 1, 4, 0, palette, 64, rows4, sizeof rows4), 3, 1, 3, 8, picture4, 0);
  static uint8_t greys[256][4];
  for (int i = 0; i < 256; i++) memset(greys[i], i, 3);
  static const uint8_t rows8[] = {1, 2, 3, 0, 200, 201, 202, 0};
  static const uint16_t picture8[] = {200, 201, 202, 1, 2, 3}, from_top[] = {1, 2, 3, 200, 201, 202};
  expect(make_bmp(3, 2, 8, 0, greys, sizeof greys, rows8, sizeof rows8), 3, 2, 1, 8, picture8, 0);
  expect(make_bmp(3, -2, 8, 0, greys, sizeof greys, rows8, sizeof rows8), 3, 2, 1, 8, from_top, 0);
  static const uint8_t rows16[] = {0x1F, 0x7C, 0xE0, 0x03}; /* 5-5-5: red and blue full, green full */
  static const uint16_t picture16[] = {255, 0, 255, 0, 255, 0};
  expect(make_bmp(2, 1, 16, 0, NULL, 0, rows16, sizeof rows16), 2, 1, 3, 8, picture16, 0);
  static const uint8_t masks565[] = {0, 0xF8, 0, 0, 0xE0, 0x07, 0, 0, 0x1F, 0, 0, 0}, rows565[] = {0xE0, 0x07, 0x00, 0x80};
  static const uint16_t picture565[] = {0, 255, 0, 132, 0, 0}; /* 16/31 of 255 is 131.6 */
  expect(make_bmp(2, 1, 16, 3, masks565, sizeof masks565, rows565, sizeof rows565), 2, 1, 3, 8, picture565, 0);
  static const uint8_t rows24[] = {1, 2, 3, 4, 5, 6, 0, 0}, rows32[] = {1, 2, 3, 0, 4, 5, 6, 255};
  static const uint16_t picture24[] = {3, 2, 1, 6, 5, 4};
  expect(make_bmp(2, 1, 24, 0, NULL, 0, rows24, sizeof rows24), 2, 1, 3, 8, picture24, 0);
  expect(make_bmp(2, 1, 32, 0, NULL, 0, rows32, sizeof rows32), 2, 1, 3, 8, picture24, 0);
}
END_TEST

START_TEST(bmp_runs) {
  static uint8_t greys[256][4];
  for (int i = 0; i < 256; i++) memset(greys[i], i, 3);
  /* Bottom line: three of 9, then literally 1, 2, 3 (padded); end of line; skip one right; two of 7; end. */
  static const uint8_t eight[] = {3, 9, 0, 3, 1, 2, 3, 0, 0, 0, 0, 2, 1, 0, 2, 7, 0, 1};
  static const uint16_t picture8[] = {0, 7, 7, 0, 0, 0, 9, 9, 9, 1, 2, 3};
  expect(make_bmp(6, 2, 8, 1, greys, sizeof greys, eight, sizeof eight), 6, 2, 1, 8, picture8, 0);
  static uint8_t few[16][4];
  for (int i = 0; i < 16; i++) memset(few[i], 10 * i, 3);
  static const uint8_t four[] = {5, 0x12, 0, 1}; /* alternating 1 2 1 2 1 */
  static const uint16_t picture4[] = {10, 20, 10, 20, 10};
  expect(make_bmp(5, 1, 4, 2, few, sizeof few, four, sizeof four), 5, 1, 1, 8, picture4, 0);
  static const uint8_t outside[] = {9, 9, 0, 1};
  expect_failure(make_bmp(6, 2, 8, 1, greys, sizeof greys, outside, sizeof outside), "leave the picture");
}
END_TEST

/* ---- PNM ---- */

static struct bytes text(const char *words, const void *data, size_t size) {
  struct bytes bytes = {0};
  bytes_add(&bytes, words, strlen(words));
  bytes_add(&bytes, data, size);
  return bytes;
}

START_TEST(pnm_of_every_kind) {
  static const uint16_t bits[] = {0, 255, 255, 0, 255, 0}; /* 1 is black */
  expect(text("P1\n# a comment\n3 2\n100\n1 0 1\n", "", 0), 3, 2, 1, 8, bits, 0);
  expect(text("P4 3 2\n", "\x90\xA0", 2), 3, 2, 1, 8, bits, 0);
  expect(text("P2 2 2 15\n0 5\n10 15\n", "", 0), 2, 2, 1, 8, (uint16_t[]){0, 85, 170, 255}, 0);
  expect(text("P3 1 2 255 1 2 3 4 5 6", "", 0), 1, 2, 3, 8, (uint16_t[]){1, 2, 3, 4, 5, 6}, 0);
  expect(text("P5 2 1 255\n", "\x07\xFF", 2), 2, 1, 1, 8, (uint16_t[]){7, 255}, 0);
  expect(text("P5 2 1 65535\n", "\x12\x34\xFF\xFF", 4), 2, 1, 1, 16, (uint16_t[]){0x1234, 65535}, 0);
  expect(text("P5 2 1 1023\n", "\x00\x00\x03\xFF", 4), 2, 1, 1, 16, (uint16_t[]){0, 65535}, 0);
  expect(text("P6 1 1 255\n", "\x01\x02\x03", 3), 1, 1, 3, 8, (uint16_t[]){1, 2, 3}, 0);
  expect(text("P7\nWIDTH 2\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n", "\x64\xC8\x32\xFF\x64\xC8\x32\x80", 8), 2, 1, 3, 8,
         (uint16_t[]){100, 200, 50, 50, 100, 25}, 0);
  expect_failure(text("P2 2 1 15 3 16", "", 0), "beyond its largest");
  expect_failure(text("P2 2 1 15 3 x", "", 0), "not a number");
}
END_TEST

/* ---- TIFF ---- */

START_TEST(tiff_keeps_samples) {
  static const uint32_t channels[] = {1, 3}, depths[] = {8, 16};
  static const struct tiff_options options[] = {
      {0}, {.compression = COMPRESSION_LZW}, {.planar = PLANARCONFIG_SEPARATE}, {.tiled = true}, {.tiled = true, .compression = COMPRESSION_PACKBITS}};
  for (int c = 0; c < 2; c++)
    for (int d = 0; d < 2; d++)
      for (size_t o = 0; o < sizeof options / sizeof *options; o++) {
        uint16_t *samples = noise(37 * 19 * channels[c], depths[d], 2);
        expect(make_tiff(&(struct picture){37, 19, channels[c], depths[d], samples, 0}, options[o]), 37, 19, channels[c], depths[d], samples, 0);
        free(samples);
      }
}
END_TEST

START_TEST(tiff_of_other_kinds) {
  static const uint16_t twelve[] = {0, 1, 2048, 4095}, twelve_wide[] = {0, 16, 32776, 65535}; /* v 65535 / 4095, rounded */
  expect(make_tiff(&(struct picture){4, 1, 1, 12, twelve, 0}, (struct tiff_options){0}), 4, 1, 1, 16, twelve_wide, 0);
  static const uint16_t white[] = {0, 100, 255}, black[] = {255, 155, 0};
  expect(make_tiff(&(struct picture){3, 1, 1, 8, white, 0}, (struct tiff_options){.white_is_zero = true}), 3, 1, 1, 8, black, 0);
  static const uint16_t bilevel[] = {1, 0, 1, 1, 0}, stretched[] = {255, 0, 255, 255, 0};
  expect(make_tiff(&(struct picture){5, 1, 1, 1, bilevel, 0}, (struct tiff_options){.photometric = PHOTOMETRIC_MINISBLACK}), 5, 1, 1, 8, stretched, 0);
  static const uint16_t rgba[] = {200, 100, 50, 128}, on_black[] = {100, 50, 25};
  expect(make_tiff(&(struct picture){1, 1, 4, 8, rgba, 0}, (struct tiff_options){.extra = EXTRASAMPLE_UNASSALPHA}), 1, 1, 3, 8, on_black, 0);
  static const uint16_t indices[] = {0, 3, 1}, palette[12] = {0, 65535, 0, 257, 0, 0, 0, 514, 0, 0, 0, 771}, coloured[] = {0, 0, 0, 1, 2, 3, 255, 0, 0};
  expect(make_tiff(&(struct picture){3, 1, 1, 2, indices, 0}, (struct tiff_options){.photometric = PHOTOMETRIC_PALETTE, .palette = palette}), 3, 1, 3, 8,
         coloured, 0);
  static const uint16_t four_bits[] = {0, 15};
  expect_failure(make_tiff(&(struct picture){2, 1, 1, 16, four_bits, 0}, (struct tiff_options){.sample_format = SAMPLEFORMAT_INT}), "signed");
}
END_TEST

/* ---- Which way up ---- */

/* The stored picture for an orientation, from EXIF 2.3's own table: where row 0 and column 0 of the data are on the upright picture. */
static uint16_t *store(const uint16_t *upright, uint32_t width, uint32_t height, uint32_t channels, uint32_t orientation) {
  static const char *const row0[] = {"", "top", "top", "bottom", "bottom", "left", "right", "right", "left"};
  static const char *const column0[] = {"", "left", "right", "right", "left", "top", "top", "bottom", "bottom"};
  const bool swapped = orientation >= 5;
  const uint32_t columns = swapped ? height : width, rows = swapped ? width : height;
  uint16_t *stored = malloc((size_t)width * height * channels * sizeof *stored);
  for (uint32_t r = 0; r < rows; r++)
    for (uint32_t c = 0; c < columns; c++) {
      uint32_t x, y;
      if (!swapped) {
        y = strcmp(row0[orientation], "top") == 0 ? r : height - 1 - r;
        x = strcmp(column0[orientation], "left") == 0 ? c : width - 1 - c;
      } else {
        x = strcmp(row0[orientation], "left") == 0 ? r : width - 1 - r;
        y = strcmp(column0[orientation], "top") == 0 ? c : height - 1 - c;
      }
      memcpy(stored + ((size_t)r * columns + c) * channels, upright + ((size_t)y * width + x) * channels, channels * sizeof *stored);
    }
  return stored;
}

START_TEST(every_orientation_is_upright) {
  static const uint32_t channels[] = {1, 3}, depths[] = {8, 16};
  for (uint32_t orientation = 1; orientation <= 8; orientation++) {
    const uint32_t w = orientation >= 5 ? 41 : 67, h = orientation >= 5 ? 67 : 41;
    for (int c = 0; c < 2; c++)
      for (int d = 0; d < 2; d++) {
        uint16_t *upright = noise(67 * 41 * channels[c], depths[d], 3), *stored = store(upright, 67, 41, channels[c], orientation);
        const struct picture picture = {w, h, channels[c], depths[d], stored, orientation};
        expect(make_png(&picture, false), 67, 41, channels[c], depths[d], upright, 0);
        expect(make_tiff(&picture, (struct tiff_options){0}), 67, 41, channels[c], depths[d], upright, 0);
        free(upright);
        free(stored);
      }
    uint16_t *upright = squares(96, 64, 3), *stored = store(upright, 96, 64, 3, orientation);
    const struct picture picture = {orientation >= 5 ? 64 : 96, orientation >= 5 ? 96 : 64, 3, 8, stored, orientation};
    expect(make_jpeg(&picture, JPEG_PLAIN), 96, 64, 3, 8, upright, 3);
    free(upright);
    free(stored);
  }
}
END_TEST

START_TEST(orientation_in_little_endian_exif) {
  uint16_t samples[4] = {1, 2, 3, 4}, turned[4] = {3, 1, 4, 2};
  struct bytes bytes = make_png(&(struct picture){2, 2, 1, 8, samples, 6}, false);
  static const uint8_t little[26] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0};
  uint8_t *block = memmem(bytes.data, bytes.size, "eXIf", 4);
  ck_assert_ptr_nonnull(block);
  memcpy(block + 4, little, sizeof little);
  uint32_t check = 0xFFFFFFFF; /* CRC-32 of PNG, bit by bit */
  for (int i = 0; i < 30; i++) {
    check ^= block[i];
    for (int b = 0; b < 8; b++) check = check & 1 ? check >> 1 ^ 0xEDB88320 : check >> 1;
  }
  for (int i = 0; i < 4; i++) block[30 + i] = (uint8_t)(~check >> (24 - 8 * i));
  expect(bytes, 2, 2, 1, 8, turned, 0);
}
END_TEST

/* ---- Damage ---- */

enum { SPECIMENS = 14 };

/* A small picture of each kind of file. */
static struct bytes specimen(int number) {
  static uint16_t samples[24 * 17 * 3], few[24 * 17], alphas[24 * 17 * 4];
  static uint8_t rows[24 * 17 * 4], greys[256][4];
  for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) samples[i] = (uint16_t)(i * 7919 % 251);
  for (size_t i = 0; i < sizeof few / sizeof *few; i++) few[i] = (uint16_t)(i % 4);
  for (size_t i = 0; i < sizeof alphas / sizeof *alphas; i++) alphas[i] = (uint16_t)(i * 7919 % 65521);
  for (size_t i = 0; i < sizeof rows; i++) rows[i] = (uint8_t)(i * 31);
  for (int i = 0; i < 256; i++) memset(greys[i], i, 3);
  static const uint8_t colours[4][4] = {{1, 2, 3, 255}, {4, 5, 6, 90}, {7, 8, 9, 0}, {10, 11, 12, 255}};
  static const uint8_t runs[] = {24, 9, 0, 0, 0, 4, 1, 2, 3, 4, 20, 8, 0, 0, 0, 2, 3, 1, 5, 5, 0, 1};
  const struct picture rgb = {24, 17, 3, 8, samples, 6}, grey = {24, 17, 1, 8, samples, 0}, rgba = {24, 17, 4, 16, alphas, 0};
  switch (number) {
  case 0: return make_png(&rgb, false);
  case 1: return make_png(&rgba, true);
  case 2: return make_palette_png(&(struct picture){24, 17, 1, 2, few, 3}, colours, 4);
  case 3: return make_jpeg(&rgb, JPEG_PLAIN);
  case 4: return make_jpeg(&rgb, JPEG_PROGRESSIVE);
  case 5: return make_jpeg(&(struct picture){24, 12, 4, 8, samples, 0}, JPEG_PLAIN);
  case 6: return make_tiff(&rgb, (struct tiff_options){.compression = COMPRESSION_LZW});
  case 7: return make_tiff(&grey, (struct tiff_options){.tiled = true});
  case 8: return make_tiff(&rgba, (struct tiff_options){.extra = EXTRASAMPLE_UNASSALPHA, .planar = PLANARCONFIG_SEPARATE});
  case 9: return make_bmp(24, 17, 24, 0, NULL, 0, rows, 72 * 17);
  case 10: return make_bmp(24, 4, 8, 1, greys, sizeof greys, runs, sizeof runs);
  case 11: return make_bmp(24, -17, 4, 0, greys, 64, rows, 12 * 17);
  case 12: return make_pnm(&rgb);
  default: return text("P3 4 2 100\n0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23\n", "", 0);
  }
}

/* Exactly as many bytes as there are, so that a sanitizer sees reading past the end. */
static int decode_copy(const uint8_t *data, size_t size, struct assay_status *status) {
  uint8_t *copy = malloc(size == 0 ? 1 : size), pixels[20 * 20 * 3];
  if (size > 0) memcpy(copy, data, size);
  const struct assay_image_target target = {20, 20, 3, {.fit = ASSAY_FIT_LETTERBOX}, pixels};
  const int result = assay_image_decode_into(copy, size, &(struct assay_image_request){.target_count = 1, .targets = &target}, NULL, status);
  free(copy);
  return result;
}

START_TEST(truncation_is_noticed_at_every_byte) {
  struct bytes bytes = specimen(_i);
  struct assay_status status = {0};
  ck_assert_msg(decode_copy(bytes.data, bytes.size, &status) == 0, "specimen %d: %s", _i, status.message);
  size_t accepted = 0;
  for (size_t size = 0; size < bytes.size; size++) {
    status = (struct assay_status){0};
    const int result = decode_copy(bytes.data, size, &status);
    ck_assert_msg(result == 0 || (result == ASSAY_E_DATA && status.message[0] != '\0'), "specimen %d cut to %zu: %d", _i, size, result);
    accepted += result == 0;
  }
  /* Only trailing bytes that carry nothing may be missed: a line's end in text, a BMP's last padding, a TIFF's tail, a closing mark. */
  const size_t spare = _i == 13 ? 2 : _i == 10 ? 2 : 0;
  ck_assert_msg(accepted <= spare, "specimen %d: %zu truncated files were taken for whole", _i, accepted);
  bytes_release(&bytes);
}
END_TEST

START_TEST(mutations_never_crash) {
  struct bytes bytes = specimen(_i);
  struct assay_random random = assay_random_seed(2026, (uint64_t)_i);
  for (int round = 0; round < 600; round++) {
    uint8_t *copy = malloc(bytes.size);
    memcpy(copy, bytes.data, bytes.size);
    const uint32_t changes = 1 + assay_random_below(&random, 4);
    for (uint32_t k = 0; k < changes; k++) {
      /* Half of the changes hit the header. */
      const uint32_t range = assay_random_below(&random, 2) == 0 && bytes.size > 64 ? 64 : (uint32_t)bytes.size;
      copy[assay_random_below(&random, range)] = (uint8_t)assay_random_u32(&random);
    }
    struct assay_status status = {0};
    const int result = decode_copy(copy, bytes.size, &status);
    ck_assert(result == 0 || result == ASSAY_E_MEMORY || (result == ASSAY_E_DATA && status.message[0] != '\0'));
    free(copy);
  }
  bytes_release(&bytes);
}
END_TEST

static void put32(uint8_t *at, uint32_t value, bool big) {
  for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> 8 * (big ? 3 - i : i));
}

START_TEST(headers_that_lie) {
  expect_failure(text("P5 60000 60000 255\n", "x", 1), "limit");
  expect_failure(text("P5 65536 1 255\n", "x", 1), "limit");
  expect_failure(text("P5 16384 16384 255\n", "x", 1), "too early"); /* 2^28 pixels are allowed */
  expect_failure(text("P5 0 5 255\n", "x", 1), "no picture");
  expect_failure(text("P5 1 1 0\n", "x", 1), "largest value");
  expect_failure(text("P5 1 1 70000\n", "x", 1), "largest value");
  static const uint8_t rows[4] = {0};
  expect_failure(make_bmp(65000, 65000, 24, 0, NULL, 0, rows, 4), "limit");
  expect_failure(make_bmp(0, 1, 24, 0, NULL, 0, rows, 4), "no picture");
  expect_failure(make_bmp(1, INT32_MIN, 24, 0, NULL, 0, rows, 4), "limit");
  expect_failure(make_bmp(-1, 1, 24, 0, NULL, 0, rows, 4), "width");
  expect_failure(make_bmp(10000, 10000, 24, 0, NULL, 0, rows, 4), "too early");
  struct bytes bytes = specimen(3);
  uint8_t *frame = memmem(bytes.data, bytes.size, "\xFF\xC0", 2);
  ck_assert_ptr_nonnull(frame);
  memcpy(frame + 5, "\xFF\xFF\xFF\xFF", 4);
  expect_failure(bytes, "65500"); /* libjpeg's own, lower limit */
  bytes = specimen(3);
  frame = memmem(bytes.data, bytes.size, "\xFF\xC0", 2);
  memcpy(frame + 5, "\x20\x00\x20\x00", 4); /* 8192 × 8192 */
  expect_failure(bytes, "JPEG data");
  bytes = specimen(6);
  /* TIFF: ImageWidth (256) and ImageLength (257) in the first directory. */
  const uint32_t directory = bytes.data[4] | (uint32_t)bytes.data[5] << 8 | (uint32_t)bytes.data[6] << 16;
  const uint32_t entries = bytes.data[directory] | (uint32_t)bytes.data[directory + 1] << 8;
  for (uint32_t e = 0; e < entries; e++) {
    uint8_t *entry = bytes.data + directory + 2 + 12 * e;
    if (entry[1] == 1 && entry[0] <= 1) {
      entry[2] = 4;
      put32(entry + 8, 100000, false);
    }
  }
  expect_failure(bytes, "limit");
}
END_TEST

START_TEST(png_that_promises_more_than_it_holds) {
  uint16_t samples[4] = {1, 2, 3, 4};
  struct bytes bytes = make_png(&(struct picture){2, 2, 1, 8, samples, 0}, false);
  put32(bytes.data + 16, 16384, true);
  put32(bytes.data + 20, 16384, true);
  uint32_t check = 0xFFFFFFFF;
  for (int i = 12; i < 29; i++) {
    check ^= bytes.data[i];
    for (int b = 0; b < 8; b++) check = check & 1 ? check >> 1 ^ 0xEDB88320 : check >> 1;
  }
  put32(bytes.data + 29, ~check, true);
  expect_failure(bytes, "more than its");
}
END_TEST

START_TEST(other_kinds_get_advice) {
  static const struct {
    const char *bytes;
    size_t size;
    const char *words;
  } cases[] = {{"", 0, "empty"},
               {"hello, world", 12, "known here"},
               {"\0\0\0\x18"
                "ftypheic\0\0\0\0",
                16, "heif-convert"},
               {"\0\0\0\x18"
                "ftypavif\0\0\0\0",
                16, "AVIF"},
               {"RIFF\x10\0\0\0WEBPVP8 ", 16, "dwebp"},
               {"GIF89a\1\0\1\0", 10, "GIF"},
               {"%PDF-1.4\n", 9, "pdftoppm"},
               {"<svg xmlns=", 11, "rsvg-convert"},
               {"II*\0\x10\0\0\0CR\2\0", 12, "raw file"},
               {"\0\0\0\x18"
                "ftypcrx \0\0\0\0",
                16, "raw file"},
               {"\0\0\0\x0CjP  \r\n\x87\n", 12, "JPEG 2000"},
               {"8BPS\0\1", 6, "Photoshop"},
               {"PF\n1 1\n-1.0\n", 12, "floating-point"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct bytes bytes = {0};
    bytes_add(&bytes, cases[i].bytes, cases[i].size);
    expect_failure(bytes, cases[i].words);
  }
}
END_TEST

START_TEST(names_and_kinds) {
  ck_assert(assay_image_name("a/b.JPG"));
  ck_assert(assay_image_name("x.tiff"));
  ck_assert(assay_image_name("x.heic"));
  ck_assert(!assay_image_name("x.txt"));
  ck_assert(!assay_image_name("jpg"));
  ck_assert(!assay_image_name("a.jpg/b"));
  ck_assert_str_eq(assay_image_kind((const uint8_t *)"\xFF\xD8\xFF\xE0", 4), "jpeg");
  ck_assert_str_eq(assay_image_kind((const uint8_t *)"GIF89a", 6), "");
  ck_assert_ptr_null(assay_image_kind((const uint8_t *)"BN", 2));
  ck_assert_ptr_null(assay_image_kind((const uint8_t *)"", 0));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("image");
  TCase *formats = tcase_create("formats");
  tcase_add_loop_test(formats, encoded_pictures_decode_to_the_same, 0, 2);
  tcase_add_test(formats, png_keeps_samples);
  tcase_add_test(formats, png_stretches_low_depths);
  tcase_add_test(formats, png_composites_on_black);
  tcase_add_test(formats, grey_is_bt601_luma);
  tcase_add_test(formats, jpeg_is_near_the_original);
  tcase_add_test(formats, jpeg_in_grey_is_its_luma);
  tcase_add_test(formats, jpeg_in_four_inks);
  tcase_add_test(formats, large_jpeg_comes_scaled);
  tcase_add_test(formats, bmp_of_every_depth);
  tcase_add_test(formats, bmp_runs);
  tcase_add_test(formats, pnm_of_every_kind);
  tcase_add_test(formats, tiff_keeps_samples);
  tcase_add_test(formats, tiff_of_other_kinds);
  tcase_add_test(formats, every_orientation_is_upright);
  tcase_add_test(formats, orientation_in_little_endian_exif);
  suite_add_tcase(suite, formats);
  TCase *damage = tcase_create("damage");
  tcase_set_timeout(damage, 60);
  tcase_add_loop_test(damage, truncation_is_noticed_at_every_byte, 0, SPECIMENS);
  tcase_add_loop_test(damage, mutations_never_crash, 0, SPECIMENS);
  tcase_add_test(damage, headers_that_lie);
  tcase_add_test(damage, png_that_promises_more_than_it_holds);
  tcase_add_test(damage, other_kinds_get_advice);
  tcase_add_test(damage, names_and_kinds);
  suite_add_tcase(suite, damage);
  return assay_run_suite(suite);
}
