/* SPDX-License-Identifier: MIT */
#include "data/encode.h"

#include "base/status.h"

#include <stdio.h>

#include <jpeglib.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

/* ---- PNG ---- */

struct sink {
  uint8_t *bytes;
  size_t size, capacity;
};

static void escape_png(png_structp png, png_const_charp words) {
  (void)words;
  png_longjmp(png, 1);
}

static void drop_warning(png_structp png, png_const_charp words) { (void)png, (void)words; }
static void flush(png_structp png) { (void)png; }

static void put(png_structp png, png_bytep data, size_t length) {
  struct sink *sink = png_get_io_ptr(png);
  if (sink->size + length > sink->capacity) {
    const size_t capacity = 2 * sink->capacity + length + 4096;
    uint8_t *grown = realloc(sink->bytes, capacity);
    if (grown == NULL) png_error(png, "out of memory");
    sink->bytes = grown;
    sink->capacity = capacity;
  }
  memcpy(sink->bytes + sink->size, data, length);
  sink->size += length;
}

static int write_png(png_structp png, png_infop info, const uint8_t *pixels, uint32_t width, uint32_t height, uint32_t channels, struct sink *sink) {
  if (setjmp(png_jmpbuf(png)) != 0) return ASSAY_E_MEMORY;
  png_set_write_fn(png, sink, put, flush);
  png_set_IHDR(png, info, width, height, 8, channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  for (uint32_t y = 0; y < height; y++) png_write_row(png, pixels + (size_t)y * width * channels);
  png_write_end(png, info);
  return 0;
}

int assay_encode_png(const uint8_t *pixels, uint32_t width, uint32_t height, uint32_t channels, uint8_t **bytes, size_t *size, struct assay_status *status) {
  struct sink sink = {NULL, 0, 0};
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, escape_png, drop_warning);
  png_infop info = png == NULL ? NULL : png_create_info_struct(png);
  const int code = info == NULL ? ASSAY_E_MEMORY : write_png(png, info, pixels, width, height, channels, &sink);
  png_destroy_write_struct(&png, &info);
  if (code != 0) {
    free(sink.bytes);
    return assay_status_memory(status);
  }
  *bytes = sink.bytes;
  *size = sink.size;
  return 0;
}

/* ---- JPEG ---- */

struct writer {
  struct jpeg_compress_struct jpeg;
  struct jpeg_error_mgr errors;
  jmp_buf escape;
  unsigned char *bytes; /* libjpeg's, malloc'ed */
  unsigned long size;
};

static void escape_jpeg(j_common_ptr jpeg) { longjmp(((struct writer *)jpeg->client_data)->escape, 1); }
static void stay_silent(j_common_ptr jpeg) { (void)jpeg; }

static int write_jpeg(struct writer *writer, const uint8_t *pixels, uint32_t width, uint32_t height, uint32_t channels, int quality) {
  if (setjmp(writer->escape) != 0) return ASSAY_E_MEMORY;
  jpeg_create_compress(&writer->jpeg);
  jpeg_mem_dest(&writer->jpeg, &writer->bytes, &writer->size);
  writer->jpeg.image_width = width;
  writer->jpeg.image_height = height;
  writer->jpeg.input_components = (int)channels;
  writer->jpeg.in_color_space = channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
  jpeg_set_defaults(&writer->jpeg);
  jpeg_set_quality(&writer->jpeg, quality, TRUE);
  jpeg_start_compress(&writer->jpeg, TRUE);
  while (writer->jpeg.next_scanline < height) {
    JSAMPROW row = (JSAMPROW)(uintptr_t)(pixels + (size_t)writer->jpeg.next_scanline * width * channels);
    jpeg_write_scanlines(&writer->jpeg, &row, 1);
  }
  jpeg_finish_compress(&writer->jpeg);
  return 0;
}

int assay_encode_jpeg(const uint8_t *pixels, uint32_t width, uint32_t height, uint32_t channels, int quality, uint8_t **bytes, size_t *size,
                      struct assay_status *status) {
  struct writer *writer = calloc(1, sizeof *writer);
  if (writer == NULL) return assay_status_memory(status);
  writer->jpeg.err = jpeg_std_error(&writer->errors);
  writer->errors.error_exit = escape_jpeg;
  writer->errors.output_message = stay_silent;
  writer->jpeg.client_data = writer;
  const int code = write_jpeg(writer, pixels, width, height, channels, quality);
  jpeg_destroy_compress(&writer->jpeg);
  if (code == 0) {
    *bytes = writer->bytes;
    *size = writer->size;
  } else {
    free(writer->bytes);
    assay_status_memory(status);
  }
  free(writer);
  return code;
}
