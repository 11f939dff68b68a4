/* SPDX-License-Identifier: MIT
 *
 * Pictures for the tests: written through the libraries' encoders, or byte by byte. Samples are given as numbers of 0 … 2^bits - 1.
 */
#ifndef ASSAY_TESTS_DATA_PICTURES_H
#define ASSAY_TESTS_DATA_PICTURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
  uint8_t *data; /* malloc'ed */
  size_t size;
};

struct picture {
  uint32_t width, height, channels, bits; /* channels: 1 to 4, as PNG counts them; for JPEG 4 is CMYK */
  const uint16_t *samples;                /* height × width × channels */
  uint32_t orientation;                   /* 0: nothing is written */
};

void bytes_add(struct bytes *bytes, const void *data, size_t size);
void bytes_print(struct bytes *bytes, const char *format, ...) __attribute__((format(printf, 2, 3)));
void bytes_release(struct bytes *bytes);

struct bytes make_png(const struct picture *picture, bool interlaced);
/* Indices into `colours` (RGBA, 8 bits). */
struct bytes make_palette_png(const struct picture *picture, const uint8_t (*colours)[4], int count);
enum jpeg_kind { JPEG_PLAIN, JPEG_PROGRESSIVE, JPEG_SUBSAMPLED };
/* Quality 100. */
struct bytes make_jpeg(const struct picture *picture, enum jpeg_kind kind);
struct tiff_options {
  uint16_t photometric, compression, planar, sample_format, extra; /* 0: MINISBLACK or RGB, none, contiguous, unsigned, none */
  bool tiled;                                                      /* of 16 × 16 */
  bool white_is_zero;
  const uint16_t *palette; /* 3 × 2^bits */
};
struct bytes make_tiff(const struct picture *picture, struct tiff_options options);
/* Binary P5 or P6; small and exact: what most data sets of the tests are made of. */
struct bytes make_pnm(const struct picture *picture);
/* `bits` a pixel, rows as stored (padding included), behind a 40-byte header with `extra` bytes (palette, masks) after it. Height below 0: from the top. */
struct bytes make_bmp(int32_t width, int32_t height, uint32_t bits, uint32_t compression, const void *extra, size_t extra_size, const void *rows, size_t size);

#endif
