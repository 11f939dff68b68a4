/* SPDX-License-Identifier: MIT */
#include "pictures.h"

#include <check.h>
#include <png.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tiffio.h>
#include <unistd.h>

#include <jpeglib.h>

void bytes_add(struct bytes *bytes, const void *data, size_t size) {
  bytes->data = realloc(bytes->data, bytes->size + size + 1);
  ck_assert_ptr_nonnull(bytes->data);
  if (size > 0) memcpy(bytes->data + bytes->size, data, size);
  bytes->size += size;
}

void bytes_print(struct bytes *bytes, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  const int length = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  bytes_add(bytes, text, (size_t)length);
}

void bytes_release(struct bytes *bytes) {
  free(bytes->data);
  *bytes = (struct bytes){0};
}

/* Rows with samples of 1 to 16 bits packed from the high end, 16-bit ones in either byte order. */
static uint8_t *pack_row(const uint16_t *samples, size_t count, uint32_t bits, bool big_endian) {
  uint8_t *row = calloc(count * 2 + 1, 1);
  for (size_t i = 0; i < count; i++) {
    if (bits == 16) {
      row[2 * i] = (uint8_t)(big_endian ? samples[i] >> 8 : samples[i]);
      row[2 * i + 1] = (uint8_t)(big_endian ? samples[i] : samples[i] >> 8);
      continue;
    }
    for (uint32_t b = 0; b < bits; b++)
      if (samples[i] >> (bits - 1 - b) & 1) row[(i * bits + b) / 8] |= (uint8_t)(0x80 >> (i * bits + b) % 8);
  }
  return row;
}

/* A TIFF structure with the orientation as its only entry, big-endian. */
static const uint8_t *exif(uint32_t orientation) {
  static uint8_t block[32] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0};
  block[19] = (uint8_t)orientation;
  return block;
}

/* ---- PNG ---- */

static void write_png(png_structp png, png_bytep data, size_t length) { bytes_add(png_get_io_ptr(png), data, length); }
static void flush_png(png_structp png) { (void)png; }

static struct bytes encode_png(const struct picture *picture, int type, int interlace, png_colorp palette, int count, png_bytep alphas) {
  struct bytes bytes = {0};
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(png, &bytes, write_png, flush_png);
  png_set_IHDR(png, info, picture->width, picture->height, (int)picture->bits, type, interlace, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (palette != NULL) {
    png_set_PLTE(png, info, palette, count);
    png_set_tRNS(png, info, alphas, count, NULL);
  }
  if (picture->orientation != 0) png_set_eXIf_1(png, info, 26, (png_bytep)exif(picture->orientation));
  const size_t stride = (size_t)picture->width * picture->channels;
  png_bytep *rows = malloc(picture->height * sizeof *rows);
  for (uint32_t y = 0; y < picture->height; y++) rows[y] = pack_row(picture->samples + y * stride, stride, picture->bits, true);
  png_set_rows(png, info, rows);
  png_write_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
  for (uint32_t y = 0; y < picture->height; y++) free(rows[y]);
  free(rows);
  png_destroy_write_struct(&png, &info);
  return bytes;
}

struct bytes make_png(const struct picture *picture, bool interlaced) {
  static const int types[] = {0, PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA};
  return encode_png(picture, types[picture->channels], interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, NULL, 0, NULL);
}

struct bytes make_palette_png(const struct picture *picture, const uint8_t (*colours)[4], int count) {
  png_color palette[256];
  png_byte alphas[256];
  for (int i = 0; i < count; i++) {
    palette[i] = (png_color){colours[i][0], colours[i][1], colours[i][2]};
    alphas[i] = colours[i][3];
  }
  return encode_png(picture, PNG_COLOR_TYPE_PALETTE, PNG_INTERLACE_NONE, palette, count, alphas);
}

/* ---- JPEG ---- */

struct bytes make_jpeg(const struct picture *picture, enum jpeg_kind kind) {
  struct jpeg_compress_struct jpeg;
  struct jpeg_error_mgr errors;
  unsigned char *data = NULL;
  unsigned long size = 0;
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  jpeg_mem_dest(&jpeg, &data, &size);
  jpeg.image_width = picture->width;
  jpeg.image_height = picture->height;
  jpeg.input_components = (int)picture->channels;
  jpeg.in_color_space = picture->channels == 1 ? JCS_GRAYSCALE : picture->channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, 100, TRUE);
  if (kind == JPEG_PROGRESSIVE) jpeg_simple_progression(&jpeg);
  for (int c = 0; kind != JPEG_SUBSAMPLED && c < jpeg.num_components; c++) jpeg.comp_info[c].h_samp_factor = jpeg.comp_info[c].v_samp_factor = 1;
  jpeg_start_compress(&jpeg, TRUE);
  if (picture->orientation != 0) {
    uint8_t marker[32] = "Exif\0";
    memcpy(marker + 6, exif(picture->orientation), 26);
    jpeg_write_marker(&jpeg, JPEG_APP0 + 1, marker, 32);
  }
  const size_t stride = (size_t)picture->width * picture->channels;
  for (uint32_t y = 0; y < picture->height; y++) {
    JSAMPROW row = pack_row(picture->samples + y * stride, stride, 8, true);
    jpeg_write_scanlines(&jpeg, &row, 1);
    free(row);
  }
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  struct bytes bytes = {0};
  bytes_add(&bytes, data, size);
  free(data);
  return bytes;
}

/* ---- TIFF ---- */

static void write_lines(TIFF *tiff, const struct picture *picture, bool apart) {
  const uint32_t planes = apart ? picture->channels : 1, samples = apart ? 1 : picture->channels;
  uint16_t *line = malloc((size_t)picture->width * samples * sizeof *line);
  for (uint32_t p = 0; p < planes; p++)
    for (uint32_t y = 0; y < picture->height; y++) {
      for (uint32_t x = 0; x < picture->width; x++)
        for (uint32_t s = 0; s < samples; s++) line[x * samples + s] = picture->samples[((size_t)y * picture->width + x) * picture->channels + p + s];
      uint8_t *row = pack_row(line, (size_t)picture->width * samples, picture->bits, false);
      ck_assert_int_eq(TIFFWriteScanline(tiff, row, y, (uint16_t)p), 1);
      free(row);
    }
  free(line);
}

static void write_tiles(TIFF *tiff, const struct picture *picture) {
  uint16_t *line = calloc((size_t)16 * picture->channels, sizeof *line);
  uint8_t *tile = calloc(1, (size_t)TIFFTileSize(tiff));
  const size_t stride = (size_t)TIFFTileRowSize(tiff);
  for (uint32_t top = 0; top < picture->height; top += 16)
    for (uint32_t left = 0; left < picture->width; left += 16) {
      for (uint32_t y = 0; y < 16; y++) {
        for (uint32_t x = 0; x < 16; x++)
          for (uint32_t s = 0; s < picture->channels; s++) {
            const bool inside = top + y < picture->height && left + x < picture->width;
            line[x * picture->channels + s] = inside ? picture->samples[((size_t)(top + y) * picture->width + left + x) * picture->channels + s] : 77;
          }
        uint8_t *row = pack_row(line, (size_t)16 * picture->channels, picture->bits, false);
        memcpy(tile + y * stride, row, stride);
        free(row);
      }
      ck_assert_int_gt(TIFFWriteTile(tiff, tile, left, top, 0, 0), 0);
    }
  free(line);
  free(tile);
}

struct bytes make_tiff(const struct picture *picture, struct tiff_options options) {
  char path[] = "/tmp/assay-test-XXXXXX";
  const int file = mkstemp(path);
  ck_assert_int_ge(file, 0);
  TIFF *tiff = TIFFFdOpen(dup(file), path, "wl"); /* little-endian */
  TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, picture->width);
  TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, picture->height);
  TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, picture->bits);
  TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, picture->channels);
  const uint16_t photometric = options.white_is_zero ? PHOTOMETRIC_MINISWHITE : picture->channels >= 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK;
  TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, options.photometric != 0 ? options.photometric : photometric);
  TIFFSetField(tiff, TIFFTAG_COMPRESSION, options.compression != 0 ? options.compression : COMPRESSION_NONE);
  TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, options.planar != 0 ? options.planar : PLANARCONFIG_CONTIG);
  if (options.sample_format != 0) TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, options.sample_format);
  if (picture->orientation != 0) TIFFSetField(tiff, TIFFTAG_ORIENTATION, picture->orientation);
  if (options.extra != 0) TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, 1, &options.extra);
  if (options.palette != NULL)
    TIFFSetField(tiff, TIFFTAG_COLORMAP, options.palette, options.palette + (1 << picture->bits), options.palette + (2 << picture->bits));
  if (options.tiled) {
    TIFFSetField(tiff, TIFFTAG_TILEWIDTH, 16);
    TIFFSetField(tiff, TIFFTAG_TILELENGTH, 16);
    write_tiles(tiff, picture);
  } else {
    TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, 3);
    write_lines(tiff, picture, options.planar == PLANARCONFIG_SEPARATE);
  }
  TIFFClose(tiff);
  struct bytes bytes = {0};
  uint8_t chunk[4096];
  lseek(file, 0, SEEK_SET);
  for (ssize_t n; (n = read(file, chunk, sizeof chunk)) > 0;) bytes_add(&bytes, chunk, (size_t)n);
  close(file);
  unlink(path);
  return bytes;
}

/* ---- PNM and BMP ---- */

struct bytes make_pnm(const struct picture *picture) {
  struct bytes bytes = {0};
  bytes_print(&bytes, "P%d\n%u %u\n%u\n", picture->channels == 3 ? 6 : 5, picture->width, picture->height, (1u << picture->bits) - 1);
  const size_t count = (size_t)picture->width * picture->height * picture->channels;
  uint8_t *row = pack_row(picture->samples, count, picture->bits, true);
  bytes_add(&bytes, row, count * (picture->bits / 8));
  free(row);
  return bytes;
}

static void add_number(struct bytes *bytes, uint32_t number, int length) {
  for (int i = 0; i < length; i++) bytes_add(bytes, &(uint8_t){(uint8_t)(number >> 8 * i)}, 1);
}

struct bytes make_bmp(int32_t width, int32_t height, uint32_t bits, uint32_t compression, const void *extra, size_t extra_size, const void *rows, size_t size) {
  struct bytes bytes = {0};
  const uint32_t data = 54 + (uint32_t)extra_size;
  bytes_add(&bytes, "BM", 2);
  add_number(&bytes, data + (uint32_t)size, 4);
  add_number(&bytes, 0, 4);
  add_number(&bytes, data, 4);
  add_number(&bytes, 40, 4);
  add_number(&bytes, (uint32_t)width, 4);
  add_number(&bytes, (uint32_t)height, 4);
  add_number(&bytes, 1, 2);
  add_number(&bytes, bits, 2);
  add_number(&bytes, compression, 4);
  for (int i = 0; i < 5; i++) add_number(&bytes, 0, 4);
  bytes_add(&bytes, extra, extra_size);
  bytes_add(&bytes, rows, size);
  return bytes;
}
