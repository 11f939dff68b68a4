/* SPDX-License-Identifier: MIT
 *
 * Windows and OS/2 bitmaps: 1, 4, 8, 16, 24 and 32 bits a pixel, bit fields, RLE4 and RLE8, either way up. A palette of greys gives a grey picture.
 */
#include "base/status.h"
#include "data/decode.h"

#include <stdlib.h>
#include <string.h>

enum { RGB = 0, RLE8 = 1, RLE4 = 2, BIT_FIELDS = 3, ALPHA_BIT_FIELDS = 6 };

struct bitmap {
  uint32_t width, height, bits, compression, header_size;
  bool top_down;
  size_t data;       /* offset of the pixels */
  uint32_t masks[4]; /* red, green, blue, alpha; 0: none */
  uint8_t palette[256][3];
  uint32_t palette_count;
  bool grey; /* every colour of the palette is one */
};

static uint32_t get16(const uint8_t *at) { return at[0] | (uint32_t)at[1] << 8; }
static uint32_t get32(const uint8_t *at) { return get16(at) | get16(at + 2) << 16; }

static int fail_short(struct assay_decode *decode) { return assay_decode_fail(decode, "BMP data ends too early: the file is truncated; copy it again"); }

/* ---- Header ---- */

static int read_masks(struct assay_decode *decode, struct bitmap *bitmap) {
  const uint32_t count = bitmap->compression == ALPHA_BIT_FIELDS || bitmap->header_size >= 56 ? 4 : 3;
  if (decode->size < 54 + 4 * count) return fail_short(decode); /* they follow the 40 bytes, as part of the header or behind it */
  for (uint32_t i = 0; i < count; i++) bitmap->masks[i] = get32(decode->bytes + 54 + 4 * i);
  return 0;
}

static int read_header(struct assay_decode *decode, struct bitmap *bitmap) {
  const uint8_t *bytes = decode->bytes;
  if (decode->size < 26) return fail_short(decode);
  bitmap->data = get32(bytes + 10);
  bitmap->header_size = get32(bytes + 14);
  int64_t height;
  if (bitmap->header_size == 12) {
    bitmap->width = get16(bytes + 18);
    height = get16(bytes + 20);
    bitmap->bits = get16(bytes + 24);
  } else {
    if (bitmap->header_size < 16 || bitmap->header_size > 4096)
      return assay_decode_fail(decode, "BMP header is damaged (it claims %u bytes); copy it again", bitmap->header_size);
    if (decode->size < 14 + (size_t)bitmap->header_size || decode->size < 30) return fail_short(decode);
    const int32_t signed_width = (int32_t)get32(bytes + 18);
    if (signed_width < 0) return assay_decode_fail(decode, "BMP header is damaged (its width is %d); copy it again", signed_width);
    bitmap->width = (uint32_t)signed_width;
    height = (int32_t)get32(bytes + 22);
    bitmap->bits = get16(bytes + 28);
    if (bitmap->header_size >= 40) bitmap->compression = get32(bytes + 30);
  }
  bitmap->top_down = height < 0;
  const uint64_t rows = (uint64_t)(height < 0 ? -height : height);
  const uint32_t stored = bitmap->bits;
  if (stored != 1 && stored != 4 && stored != 8 && stored != 16 && stored != 24 && stored != 32)
    return assay_decode_fail(decode, "BMP has %u bits a pixel, which no bitmap has: it is damaged, or holds a JPEG or PNG; save it again", stored);
  const int result = assay_decode_extents(decode, bitmap->width, rows, stored == 32 ? 4 : 3, stored == 16 ? 5 : 8);
  bitmap->height = (uint32_t)rows;
  return result;
}

static int check_compression(struct assay_decode *decode, struct bitmap *bitmap) {
  const uint32_t bits = bitmap->bits;
  switch (bitmap->compression) {
  case RGB:
    if (bits == 16) memcpy(bitmap->masks, (const uint32_t[]){0x7C00, 0x3E0, 0x1F, 0}, sizeof bitmap->masks);
    if (bits == 32) memcpy(bitmap->masks, (const uint32_t[]){0xFF0000, 0xFF00, 0xFF, 0}, sizeof bitmap->masks);
    return 0;
  case RLE8:
  case RLE4:
    if (bits == (bitmap->compression == RLE8 ? 8u : 4u) && !bitmap->top_down) return 0;
    break;
  case BIT_FIELDS:
  case ALPHA_BIT_FIELDS:
    if ((bits == 16 || bits == 32) && bitmap->header_size >= 40 && bitmap->header_size != 64) return read_masks(decode, bitmap);
    break;
  default: break;
  }
  return assay_decode_fail(decode, "BMP has compression %u at %u bits, which is not read here; save it uncompressed, or as PNG", bitmap->compression, bits);
}

static int read_palette(struct assay_decode *decode, struct bitmap *bitmap) {
  if (bitmap->bits > 8) return 0;
  const size_t entry = bitmap->header_size == 12 ? 3 : 4, start = 14 + (size_t)bitmap->header_size;
  uint32_t count = bitmap->header_size >= 40 ? get32(decode->bytes + 46) : 0;
  if (count == 0 || count > 1u << bitmap->bits) count = 1u << bitmap->bits;
  if (bitmap->data > start && (bitmap->data - start) / entry < count) count = (uint32_t)((bitmap->data - start) / entry);
  if (decode->size < start + count * entry) return fail_short(decode);
  bitmap->grey = true;
  for (uint32_t i = 0; i < count; i++) {
    const uint8_t *bgr = decode->bytes + start + i * entry;
    for (int c = 0; c < 3; c++) bitmap->palette[i][c] = bgr[2 - c];
    if (bgr[0] != bgr[1] || bgr[1] != bgr[2]) bitmap->grey = false;
  }
  bitmap->palette_count = count;
  if (bitmap->grey) decode->facts->channels = 1;
  return 0;
}

/* ---- Pixels ---- */

/* False when the palette has no such colour. */
static bool put_index(const struct bitmap *bitmap, uint8_t *row, uint32_t x, uint32_t index) {
  if (index >= bitmap->palette_count) return false;
  if (bitmap->grey) row[x] = bitmap->palette[index][0];
  else memcpy(row + 3 * (size_t)x, bitmap->palette[index], 3);
  return true;
}

static uint8_t masked(uint32_t pixel, uint32_t mask) {
  if (mask == 0) return 0;
  const uint32_t most = mask >> __builtin_ctz(mask), value = (pixel & mask) >> __builtin_ctz(mask);
  return (uint8_t)(((uint64_t)value * 255 + most / 2) / most);
}

/* Many writers leave the alpha at zero everywhere: then it means nothing. */
static bool has_alpha(const struct assay_decode *decode, const struct bitmap *bitmap, size_t stride) {
  const uint32_t bytes_a_pixel = bitmap->bits / 8;
  for (uint32_t y = 0; y < bitmap->height && bitmap->masks[3] != 0; y++)
    for (uint32_t x = 0; x < bitmap->width; x++) {
      const uint8_t *at = decode->bytes + bitmap->data + y * stride + (size_t)x * bytes_a_pixel;
      if (((bytes_a_pixel == 2 ? get16(at) : get32(at)) & bitmap->masks[3]) != 0) return true;
    }
  return false;
}

/* 16 and 32 bits by their masks. */
static void fields_row(const struct bitmap *bitmap, const uint8_t *at, bool with_alpha, uint8_t *rgb) {
  const uint32_t bytes_a_pixel = bitmap->bits / 8;
  for (uint32_t x = 0; x < bitmap->width; x++, at += bytes_a_pixel, rgb += 3) {
    const uint32_t pixel = bytes_a_pixel == 2 ? get16(at) : get32(at);
    uint8_t rgba[4];
    for (int c = 0; c < 4; c++) rgba[c] = masked(pixel, bitmap->masks[c]);
    if (with_alpha) assay_decode_composite(rgba, rgb, 1, 3, 8);
    else memcpy(rgb, rgba, 3);
  }
}

static void colours_row(const struct bitmap *bitmap, const uint8_t *at, uint8_t *rgb) {
  for (uint32_t x = 0; x < bitmap->width; x++, at += 3, rgb += 3)
    for (int c = 0; c < 3; c++) rgb[c] = at[2 - c];
}

/* False at a pixel whose colour the palette lacks: *bad is its place. */
static bool palette_row(const struct bitmap *bitmap, const uint8_t *at, uint8_t *row, uint32_t *bad) {
  for (uint32_t x = 0; x < bitmap->width; x++) {
    const size_t bit = (size_t)x * bitmap->bits;
    *bad = x;
    if (!put_index(bitmap, row, x, at[bit / 8] >> (8 - bitmap->bits - bit % 8) & ((1u << bitmap->bits) - 1))) return false;
  }
  return true;
}

static int read_rows(struct assay_decode *decode, const struct bitmap *bitmap, size_t stride, uint8_t *row) {
  const bool fields = bitmap->bits == 16 || bitmap->bits == 32, with_alpha = fields && has_alpha(decode, bitmap, stride);
  for (uint32_t y = decode->needs.first_row; y < decode->needs.row_end; y++) {
    const uint32_t line = bitmap->top_down ? y : bitmap->height - 1 - y;
    const uint8_t *at = decode->bytes + bitmap->data + line * stride;
    uint32_t bad;
    if (fields) fields_row(bitmap, at, with_alpha, row);
    else if (bitmap->bits == 24) colours_row(bitmap, at, row);
    else if (!palette_row(bitmap, at, row, &bad))
      return assay_decode_fail(decode, "BMP pixel (%u, %u) has a colour that its palette lacks; copy or save it again", bad, line);
    assay_decode_row(decode, y, row);
  }
  return 0;
}

static int read_uncompressed(struct assay_decode *decode, const struct bitmap *bitmap) {
  const size_t stride = ((size_t)bitmap->width * bitmap->bits + 31) / 32 * 4;
  if (bitmap->data > decode->size || decode->size - bitmap->data < stride * (bitmap->height - 1) + ((size_t)bitmap->width * bitmap->bits + 7) / 8)
    return fail_short(decode);
  const uint32_t channels = bitmap->grey ? 1 : 3;
  int result = assay_decode_begin(decode, bitmap->width, bitmap->height, channels, 8);
  if (result != 0) return result;
  uint8_t *row = malloc((size_t)bitmap->width * channels);
  if (row == NULL) return assay_status_memory(decode->status);
  result = read_rows(decode, bitmap, stride, row);
  free(row);
  return result;
}

/* Runs: (count, value); (0, 0) end of line; (0, 1) end; (0, 2, dx, dy) skip; (0, n, …) n literal values, padded to 16 bits. Four-bit values come two a byte.
 * From the bottom, and with leaps: so into a plane. */
static int read_runs(struct assay_decode *decode, const struct bitmap *bitmap) {
  const int result = assay_decode_plane(decode, bitmap->width, bitmap->height, bitmap->grey ? 1 : 3, 8);
  if (result != 0) return result;
  const struct assay_image *plane = &decode->plane;
  const size_t stride = (size_t)plane->width * plane->channels;
  memset(plane->pixels, 0, stride * plane->height);
  const bool four = bitmap->compression == RLE4;
  const uint8_t *bytes = decode->bytes;
  size_t at = bitmap->data;
  uint32_t x = 0, y = 0;
  for (;;) {
    if (at > decode->size || decode->size - at < 2) return y >= bitmap->height || (y == bitmap->height - 1 && x >= bitmap->width) ? 0 : fail_short(decode);
    uint32_t count = bytes[at], value = bytes[at + 1];
    at += 2;
    const bool literal = count == 0;
    if (literal && value == 1) return 0;
    if (literal && value == 0) {
      x = 0;
      y++;
      continue;
    }
    if (literal && value == 2) {
      if (decode->size - at < 2) return fail_short(decode);
      x += bytes[at];
      y += bytes[at + 1];
      at += 2;
      continue;
    }
    if (literal) count = value;
    const size_t length = !literal ? 0 : four ? (count + 1) / 2 : count;
    if (decode->size - at < length) return fail_short(decode);
    if (y >= bitmap->height || x > bitmap->width || count > bitmap->width - x + (four ? 1u : 0u))
      return assay_decode_fail(decode, "BMP runs leave the picture at line %u; copy or save it again", y);
    for (uint32_t i = 0; i < count && x < bitmap->width; i++, x++) {
      const uint32_t pair = !literal ? value : bytes[at + (four ? i / 2 : i)];
      if (!put_index(bitmap, (uint8_t *)plane->pixels + (bitmap->height - 1 - y) * stride, x, !four ? pair : i % 2 == 0 ? pair >> 4 : pair & 15))
        return assay_decode_fail(decode, "BMP pixel (%u, %u) has a colour that its palette lacks; copy or save it again", x, y);
    }
    at += (length + 1) / 2 * 2;
  }
}

int assay_decode_bmp(struct assay_decode *decode) {
  struct bitmap bitmap = {0};
  int result = read_header(decode, &bitmap);
  if (result == 0) result = check_compression(decode, &bitmap);
  if (result == 0) result = read_palette(decode, &bitmap);
  if (result != 0) return result;
  return bitmap.compression == RLE8 || bitmap.compression == RLE4 ? read_runs(decode, &bitmap) : read_uncompressed(decode, &bitmap);
}
