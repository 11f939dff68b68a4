/* SPDX-License-Identifier: MIT
 *
 * PNG through libpng: every depth and colour type, interlaced ones too. Bad checksums of image data are errors.
 */
#include "base/arena.h"
#include "base/status.h"
#include "data/decode.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

struct reader {
  struct assay_decode *decode;
  size_t position;
  char words[200]; /* libpng's, of a failure */
  bool ended;      /* more was asked for than there is */
  /* Kept here because a jump skips the frames that made them. */
  void *row;
  png_bytep *rows;
};

static void escape(png_structp png, png_const_charp words) {
  struct reader *reader = png_get_error_ptr(png);
  assay_decode_quote(words, reader->words, sizeof reader->words);
  png_longjmp(png, 1);
}

static void drop_warning(png_structp png, png_const_charp words) {
  (void)png;
  (void)words;
}

static void read_bytes(png_structp png, png_bytep data, size_t length) {
  struct reader *reader = png_get_io_ptr(png);
  if (length > reader->decode->size - reader->position) {
    reader->ended = true;
    png_error(png, "too short");
  }
  memcpy(data, reader->decode->bytes + reader->position, length);
  reader->position += length;
}

/* Asks libpng for 8 or 16 bits a sample in our byte order, palettes and key colours resolved. */
static void set_transforms(png_structp png, png_infop info) {
  const int type = png_get_color_type(png, info), bits = png_get_bit_depth(png, info);
  if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (type == PNG_COLOR_TYPE_GRAY && bits < 8) png_set_expand_gray_1_2_4_to_8(png);
  if (png_get_valid(png, info, PNG_INFO_tRNS)) png_set_tRNS_to_alpha(png);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  if (bits == 16) png_set_swap(png);
#endif
  (void)png_set_interlace_handling(png);
  png_read_update_info(png, info);
}

static void find_orientation(struct reader *reader, png_structp png, png_infop info) {
#ifdef PNG_eXIf_SUPPORTED
  png_bytep exif;
  png_uint_32 size;
  if (png_get_eXIf_1(png, info, &size, &exif) != 0) reader->decode->facts->orientation = assay_exif_orientation(exif, size);
#endif
}

/* Does the orientation come behind the pixels? Chunks: length 4, type 4, data, checksum 4. */
static bool turns_late(const struct reader *reader, png_structp png, png_infop info) {
  const struct assay_decode *decode = reader->decode;
  if (png_get_valid(png, info, PNG_INFO_eXIf)) return false;
  for (size_t at = 8; decode->size - at >= 12;) {
    const uint8_t *chunk = decode->bytes + at;
    const size_t length = (size_t)chunk[0] << 24 | (size_t)chunk[1] << 16 | (size_t)chunk[2] << 8 | chunk[3];
    if (memcmp(chunk + 4, "eXIf", 4) == 0) return true;
    if (length > decode->size - at - 12) return false;
    at += length + 12;
  }
  return false;
}

/* ---- Pixels ---- */

static uint32_t colours_of(png_structp png, png_infop info) { return png_get_channels(png, info) >= 3 ? 3 : 1; }

static int read_rows(struct reader *reader, png_structp png, png_infop info) {
  struct assay_decode *decode = reader->decode;
  const uint32_t width = png_get_image_width(png, info), height = png_get_image_height(png, info), depth = png_get_bit_depth(png, info);
  const uint32_t colours = colours_of(png, info), channels = png_get_channels(png, info);
  const int result = assay_decode_begin(decode, width, height, colours, depth);
  if (result != 0) return result;
  reader->row = malloc(png_get_rowbytes(png, info));
  if (reader->row == NULL) return assay_status_memory(decode->status);
  for (uint32_t y = 0; y < decode->needs.row_end; y++) {
    png_read_row(png, reader->row, NULL);
    if (y < decode->needs.first_row) continue;
    if (channels != colours) assay_decode_composite(reader->row, reader->row, width, colours, depth);
    assay_decode_row(decode, y, reader->row);
  }
  if (decode->needs.row_end == height) png_read_end(png, info);
  return 0;
}

/* Interlaced pictures, and those whose orientation comes last. */
static int read_plane(struct reader *reader, png_structp png, png_infop info) {
  struct assay_decode *decode = reader->decode;
  const uint32_t width = png_get_image_width(png, info), height = png_get_image_height(png, info), depth = png_get_bit_depth(png, info);
  const uint32_t colours = colours_of(png, info), channels = png_get_channels(png, info);
  const int result = assay_decode_plane(decode, width, height, channels, depth);
  if (result != 0) return result;
  uint8_t *pixels = decode->plane.pixels;
  reader->rows = malloc(height * sizeof *reader->rows);
  if (reader->rows == NULL) return assay_status_memory(decode->status);
  for (uint32_t y = 0; y < height; y++) reader->rows[y] = pixels + (size_t)y * width * channels * (depth / 8);
  png_read_image(png, reader->rows);
  png_read_end(png, info);
  if (channels != colours) assay_decode_composite(pixels, pixels, (size_t)width * height, colours, depth);
  decode->plane.channels = colours;
  find_orientation(reader, png, info);
  return 0;
}

static int read_png(struct reader *reader, png_structp png, png_infop info) {
  struct assay_decode *decode = reader->decode;
  png_set_read_fn(png, reader, read_bytes);
  png_set_user_limits(png, 0x7FFFFFFF, 0x7FFFFFFF); /* ours speak more clearly */
  png_set_chunk_malloc_max(png, 8 << 20);
  png_set_chunk_cache_max(png, 128);
  png_read_info(png, info);
  const uint32_t width = png_get_image_width(png, info), height = png_get_image_height(png, info);
  const int type = png_get_color_type(png, info);
  const uint32_t stored_channels = type == PNG_COLOR_TYPE_PALETTE ? 3 : png_get_channels(png, info);
  const uint32_t bits_a_pixel = (uint32_t)png_get_bit_depth(png, info) * png_get_channels(png, info);
  int result = assay_decode_extents(decode, width, height, stored_channels, png_get_bit_depth(png, info));
  if (result != 0) return result;
  /* Deflate cannot shrink more than 1,032 times. */
  if ((uint64_t)width * height * bits_a_pixel / 8 > (uint64_t)decode->size * 1032)
    return assay_decode_fail(decode, "its header says %u × %u pixels, more than its %zu bytes can hold: the file is truncated or damaged; copy it again", width,
                             height, decode->size);
  find_orientation(reader, png, info);
  const bool in_order = png_get_interlace_type(png, info) == PNG_INTERLACE_NONE && !turns_late(reader, png, info);
  set_transforms(png, info);
  return in_order ? read_rows(reader, png, info) : read_plane(reader, png, info);
}

static int explain(const struct reader *reader) {
  if (reader->ended) return assay_decode_fail(reader->decode, "PNG data ends too early: the file is truncated; copy it again");
  if (strcasestr(reader->words, "out of memory") != NULL) return assay_status_memory(reader->decode->status);
  return assay_decode_fail(reader->decode, "PNG data is damaged (%s); copy or save it again", reader->words);
}

static int read_guarded(struct reader *reader, png_structp png, png_infop info) {
  return setjmp(png_jmpbuf(png)) == 0 ? read_png(reader, png, info) : explain(reader);
}

int assay_decode_png(struct assay_decode *decode) {
  struct reader reader = {.decode = decode};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, escape, drop_warning);
  png_infop info = png == NULL ? NULL : png_create_info_struct(png);
  if (info == NULL) {
    png_destroy_read_struct(&png, NULL, NULL);
    return assay_status_memory(decode->status);
  }
  const int result = read_guarded(&reader, png, info);
  png_destroy_read_struct(&png, &info, NULL);
  free(reader.row);
  free(reader.rows);
  return result;
}
