/* SPDX-License-Identifier: MIT
 *
 * TIFF through libtiff: strips and tiles, grey, RGB and palette of 1 to 16 bits by ourselves so that depth is kept; other colour spaces (YCbCr, CMYK, CIE
 * L*a*b*) through libtiff's own conversion to 8-bit RGBA. The first page counts.
 */
#include "base/arena.h"
#include "base/status.h"
#include "data/decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tiffio.h>

struct reader {
  struct assay_decode *decode;
  toff_t position;
  char words[200]; /* libtiff's first error */
  TIFF *tiff;
  /* From the directory. */
  uint32_t width, height;
  uint16_t bits, samples, planar, photometric, sample_format, compression;
  int alpha; /* number of the sample that is straight alpha; -1 */
  uint32_t colours;
  uint16_t *palette[3];
  uint32_t palette_range; /* 65535, or 255 in files of old writers */
  void *scratch;          /* a line, strip or tile as stored */
  /* Rows as they are given, from `band_top` on. */
  uint32_t depth, band_top, band_rows;
  uint8_t *band;
};

/* ---- A file in memory ---- */

static tmsize_t read_bytes(thandle_t handle, void *data, tmsize_t length) {
  struct reader *reader = handle;
  const size_t size = reader->decode->size;
  if (length < 0 || reader->position >= size) return 0;
  if ((toff_t)length > size - reader->position) length = (tmsize_t)(size - reader->position);
  memcpy(data, reader->decode->bytes + reader->position, (size_t)length);
  reader->position += (toff_t)length;
  return length;
}

static tmsize_t refuse_write(thandle_t handle, void *data, tmsize_t length) {
  (void)handle;
  (void)data;
  (void)length;
  return 0;
}

static toff_t seek(thandle_t handle, toff_t offset, int whence) {
  struct reader *reader = handle;
  const toff_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? reader->position : reader->decode->size;
  if (__builtin_add_overflow(base, offset, &reader->position)) return (toff_t)-1;
  return reader->position;
}

static int close_nothing(thandle_t handle) {
  (void)handle;
  return 0;
}

static toff_t tell_size(thandle_t handle) { return ((struct reader *)handle)->decode->size; }

static int map_bytes(thandle_t handle, void **base, toff_t *size) {
  const struct reader *reader = handle;
  *base = (void *)(uintptr_t)reader->decode->bytes; /* libtiff reads only */
  *size = reader->decode->size;
  return 1;
}

static void unmap_bytes(thandle_t handle, void *base, toff_t size) {
  (void)handle;
  (void)base;
  (void)size;
}

static int note_error(TIFF *tiff, void *context, const char *module, const char *format, va_list arguments) {
  (void)tiff;
  (void)module;
  struct reader *reader = context;
  char words[sizeof reader->words];
  if (reader->words[0] == '\0') {
    vsnprintf(words, sizeof words, format, arguments);
    assay_decode_quote(words, reader->words, sizeof reader->words);
  }
  return 1; /* handled: nothing is printed */
}

static int drop_warning(TIFF *tiff, void *context, const char *module, const char *format, va_list arguments) {
  (void)tiff;
  (void)context;
  (void)module;
  (void)format;
  (void)arguments;
  return 1;
}

static TIFF *open_bytes(struct reader *reader) {
  TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
  if (options == NULL) return NULL;
  TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)1 << 31);
  TIFFOpenOptionsSetErrorHandlerExtR(options, note_error, reader);
  TIFFOpenOptionsSetWarningHandlerExtR(options, drop_warning, reader);
  TIFF *tiff = TIFFClientOpenExt("picture", "r", reader, read_bytes, refuse_write, seek, close_nothing, tell_size, map_bytes, unmap_bytes, options);
  TIFFOpenOptionsFree(options);
  return tiff;
}

static int fail_reading(struct reader *reader) {
  if (strcasestr(reader->words, "out of memory") != NULL) return assay_status_memory(reader->decode->status);
  return assay_decode_fail(reader->decode, "TIFF data is damaged, truncated or of a kind that is not read (%s); copy or save it again",
                           reader->words[0] == '\0' ? "no picture in it" : reader->words);
}

/* ---- What is in the file ---- */

static int read_directory(struct reader *reader) {
  TIFF *tiff = reader->tiff;
  uint32_t subfile = 0;
  uint8_t *dng;
  (void)TIFFGetField(tiff, TIFFTAG_SUBFILETYPE, &subfile);
  if ((subfile & FILETYPE_REDUCEDIMAGE) != 0 || TIFFGetField(tiff, TIFFTAG_DNGVERSION, &dng))
    return assay_decode_fail(reader->decode,
                             "is a camera's raw file or begins with a preview; develop it to 16-bit TIFF or PNG first (for instance with darktable-cli)");
  if (!TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &reader->width) || !TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &reader->height)) return fail_reading(reader);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &reader->bits);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &reader->samples);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &reader->planar);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &reader->sample_format);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &reader->compression);
  uint16_t orientation = 1;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_ORIENTATION, &orientation);
  reader->decode->facts->orientation = orientation >= 1 && orientation <= 8 ? orientation : 1;
  if (!TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &reader->photometric)) reader->photometric = reader->samples >= 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK;
  const uint32_t channels = reader->photometric == PHOTOMETRIC_PALETTE ? 3 : reader->samples;
  return assay_decode_extents(reader->decode, reader->width, reader->height, channels, reader->bits);
}

static void find_alpha(struct reader *reader) {
  uint16_t count = 0, *kinds = NULL;
  reader->alpha = -1;
  if (!TIFFGetField(reader->tiff, TIFFTAG_EXTRASAMPLES, &count, &kinds)) return;
  const uint32_t stored_colours = reader->photometric == PHOTOMETRIC_PALETTE ? 1 : reader->colours;
  for (uint16_t i = 0; i < count && reader->alpha < 0; i++)
    if (kinds[i] == EXTRASAMPLE_UNASSALPHA && stored_colours + i < reader->samples) reader->alpha = (int)(stored_colours + i);
}

static void find_palette(struct reader *reader) {
  if (!TIFFGetField(reader->tiff, TIFFTAG_COLORMAP, &reader->palette[0], &reader->palette[1], &reader->palette[2])) return;
  reader->palette_range = 255;
  for (uint32_t i = 0; i < 1u << reader->bits; i++)
    if ((reader->palette[0][i] | reader->palette[1][i] | reader->palette[2][i]) > 255) reader->palette_range = 65535;
}

/* Can we read this sample by sample? Fills colours, alpha, palette. */
static bool is_plain(struct reader *reader) {
  if (reader->sample_format != SAMPLEFORMAT_UINT && reader->sample_format != SAMPLEFORMAT_VOID) return false;
  if (reader->bits < 1 || reader->bits > 16 || reader->samples < 1 || reader->samples > 16) return false;
  switch (reader->photometric) {
  case PHOTOMETRIC_MINISWHITE:
  case PHOTOMETRIC_MINISBLACK: reader->colours = 1; break;
  case PHOTOMETRIC_RGB: reader->colours = 3; break;
  case PHOTOMETRIC_PALETTE:
    if (reader->bits > 8) return false;
    reader->colours = 3;
    find_palette(reader);
    if (reader->palette[0] == NULL) return false;
    break;
  default: return false;
  }
  if (reader->photometric == PHOTOMETRIC_RGB && reader->samples < 3) return false;
  find_alpha(reader);
  return true;
}

/* ---- Sample by sample ---- */

static uint32_t stored_sample(const uint8_t *line, size_t number, uint32_t bits) {
  if (bits == 8) return line[number];
  if (bits == 16) return ((const uint16_t *)(const void *)line)[number];
  uint32_t value = 0;
  for (size_t bit = number * bits; bit < (number + 1) * bits; bit++) value = value << 1 | (line[bit / 8] >> (7 - bit % 8) & 1u);
  return value;
}

/* Sample `sample` of the pixel at `place` of the band. Alpha comes after the colours, in every file. */
static void put_sample(const struct reader *reader, size_t place, uint32_t sample, uint32_t value) {
  const uint32_t most = (1u << reader->bits) - 1, range = reader->depth == 8 ? 255 : 65535;
  uint8_t *bytes = reader->band + place * reader->colours * (reader->depth / 8);
  uint16_t *words = (uint16_t *)(void *)bytes; /* one of the two, by depth */
  if ((int)sample == reader->alpha) {
    for (uint32_t c = 0; c < reader->colours; c++) {
      if (reader->depth == 8) bytes[c] = (uint8_t)((bytes[c] * value + most / 2) / most);
      else words[c] = (uint16_t)(((uint64_t)words[c] * value + most / 2) / most);
    }
  } else if (reader->photometric == PHOTOMETRIC_PALETTE) {
    if (sample == 0)
      for (int c = 0; c < 3; c++) bytes[c] = (uint8_t)((reader->palette[c][value] * 255u + reader->palette_range / 2) / reader->palette_range);
  } else if (sample < reader->colours) {
    if (reader->photometric == PHOTOMETRIC_MINISWHITE) value = most - value;
    if (most != range) value = (uint32_t)(((uint64_t)value * range + most / 2) / most);
    if (reader->depth == 8) bytes[sample] = (uint8_t)value;
    else words[sample] = (uint16_t)value;
  }
}

/* `count` pixels of a line as stored, to (x, y) of the band. `plane`: the one sample that the line holds, with planes apart. */
static void put_line(const struct reader *reader, const uint8_t *line, uint32_t x, uint32_t y, uint32_t count, uint32_t plane) {
  const bool apart = reader->planar == PLANARCONFIG_SEPARATE;
  const uint32_t samples = apart ? 1 : reader->samples;
  const size_t place = (size_t)y * reader->width + x;
  const bool same =
      reader->photometric != PHOTOMETRIC_PALETTE && reader->photometric != PHOTOMETRIC_MINISWHITE && samples == reader->colours && !(apart && plane > 0);
  if (same && (reader->bits == 8 || reader->bits == 16)) {
    const size_t pixel = samples * (reader->bits / 8u);
    memcpy(reader->band + place * pixel, line, count * pixel);
    return;
  }
  for (uint32_t i = 0; i < count; i++)
    for (uint32_t s = 0; s < samples; s++) put_sample(reader, place + i, apart ? plane : s, stored_sample(line, (size_t)i * samples + s, reader->bits));
}

/* The band has been filled as far as row `end` of the picture. */
static void give_band(const struct reader *reader, uint32_t end) {
  const size_t stride = (size_t)reader->width * reader->colours * (reader->depth / 8);
  for (uint32_t y = reader->band_top; y < end; y++) assay_decode_row(reader->decode, y, reader->band + (y - reader->band_top) * stride);
}

static int take_band(struct reader *reader, uint32_t rows) {
  reader->band_rows = rows < reader->height ? rows : reader->height;
  reader->band = calloc((size_t)reader->width * reader->band_rows, reader->colours * (reader->depth / 8u));
  return reader->band == NULL ? assay_status_memory(reader->decode->status) : 0;
}

/* Of a band of tiles those that somebody looks at. */
static int read_tile_row(struct reader *reader, uint32_t tile_width, uint32_t rows, tmsize_t line, uint32_t plane) {
  const struct assay_needs *needs = &reader->decode->needs;
  for (uint32_t left = needs->first_column / tile_width * tile_width; left < needs->column_end; left += tile_width) {
    if (TIFFReadTile(reader->tiff, reader->scratch, left, reader->band_top, 0, (uint16_t)plane) < 0) return fail_reading(reader);
    const uint32_t columns = tile_width < reader->width - left ? tile_width : reader->width - left;
    for (uint32_t y = 0; y < rows; y++) put_line(reader, (const uint8_t *)reader->scratch + (size_t)y * (size_t)line, left, y, columns, plane);
  }
  return 0;
}

static int read_tiles(struct reader *reader, uint32_t planes) {
  TIFF *tiff = reader->tiff;
  uint32_t tile_width = 0, tile_height = 0;
  TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &tile_width);
  TIFFGetField(tiff, TIFFTAG_TILELENGTH, &tile_height);
  const tmsize_t size = TIFFTileSize(tiff), line = TIFFTileRowSize(tiff);
  if (tile_width == 0 || tile_height == 0 || size <= 0 || line <= 0 || size > (tmsize_t)1 << 31 || line > size / (tmsize_t)tile_height)
    return fail_reading(reader);
  const int result = take_band(reader, tile_height);
  if (result != 0) return result;
  reader->scratch = malloc((size_t)size);
  if (reader->scratch == NULL) return assay_status_memory(reader->decode->status);
  for (uint64_t top = reader->decode->needs.first_row / tile_height * tile_height; top < reader->decode->needs.row_end; top += tile_height) {
    const uint32_t rows = tile_height < reader->height - top ? tile_height : (uint32_t)(reader->height - top);
    reader->band_top = (uint32_t)top;
    for (uint32_t plane = 0; plane < planes; plane++) {
      const int code = read_tile_row(reader, tile_width, rows, line, plane);
      if (code != 0) return code;
    }
    give_band(reader, reader->band_top + rows);
  }
  return 0;
}

/* A strip of each plane at a time. */
static int read_planes(struct reader *reader, uint32_t planes, uint32_t strip_rows) {
  TIFF *tiff = reader->tiff;
  const tmsize_t size = TIFFStripSize(tiff), line = TIFFScanlineSize(tiff);
  if (size <= 0 || line <= 0 || size > (tmsize_t)1 << 31 || (uint64_t)line < ((uint64_t)reader->width * reader->bits + 7) / 8 || line > size) return fail_reading(reader);
  const int result = take_band(reader, strip_rows);
  if (result != 0) return result;
  reader->scratch = malloc((size_t)size);
  if (reader->scratch == NULL) return assay_status_memory(reader->decode->status);
  for (uint64_t top = reader->decode->needs.first_row / strip_rows * strip_rows; top < reader->decode->needs.row_end; top += strip_rows) {
    const uint32_t rows = strip_rows < reader->height - top ? strip_rows : (uint32_t)(reader->height - top);
    reader->band_top = (uint32_t)top;
    for (uint32_t plane = 0; plane < planes; plane++) {
      const uint32_t strip = TIFFComputeStrip(tiff, reader->band_top, (uint16_t)plane);
      if (TIFFReadEncodedStrip(tiff, strip, reader->scratch, (tmsize_t)rows * line) < (tmsize_t)rows * line) return fail_reading(reader);
      for (uint32_t y = 0; y < rows; y++) put_line(reader, (const uint8_t *)reader->scratch + (size_t)y * (size_t)line, 0, y, reader->width, plane);
    }
    give_band(reader, reader->band_top + rows);
  }
  return 0;
}

/* Line by line; a strip can only be read from its first line on. */
static int read_lines(struct reader *reader, uint32_t strip_rows) {
  const tmsize_t size = TIFFScanlineSize(reader->tiff);
  const uint64_t needed = ((uint64_t)reader->width * reader->samples * reader->bits + 7) / 8;
  if (size <= 0 || (uint64_t)size < needed) return fail_reading(reader);
  const int result = take_band(reader, 1);
  if (result != 0) return result;
  reader->scratch = malloc((size_t)size);
  if (reader->scratch == NULL) return assay_status_memory(reader->decode->status);
  for (uint32_t y = reader->decode->needs.first_row / strip_rows * strip_rows; y < reader->decode->needs.row_end; y++) {
    if (TIFFReadScanline(reader->tiff, reader->scratch, y, 0) < 0) return fail_reading(reader);
    put_line(reader, reader->scratch, 0, 0, reader->width, 0);
    reader->band_top = y;
    give_band(reader, y + 1);
  }
  return 0;
}

/* Rows of a strip; all of them where the file does not say, or makes no sense. */
static uint32_t strip_rows_of(const struct reader *reader) {
  uint32_t rows = 0;
  TIFFGetFieldDefaulted(reader->tiff, TIFFTAG_ROWSPERSTRIP, &rows);
  return rows == 0 || rows > reader->height ? reader->height : rows;
}

static int read_plain(struct reader *reader) {
  const uint32_t planes = reader->planar == PLANARCONFIG_SEPARATE ? reader->samples : 1;
  reader->depth = reader->photometric == PHOTOMETRIC_PALETTE || reader->bits <= 8 ? 8 : 16;
  const int result = assay_decode_begin(reader->decode, reader->width, reader->height, reader->colours, reader->depth);
  if (result != 0) return result;
  if (TIFFIsTiled(reader->tiff)) return read_tiles(reader, planes);
  return planes > 1 ? read_planes(reader, planes, strip_rows_of(reader)) : read_lines(reader, strip_rows_of(reader));
}

/* ---- Through libtiff's RGBA ---- */

/* As many rows at a time as the file keeps together: libtiff begins such a strip or row of tiles anew for each call. Alpha is multiplied in, which is compositing
 * on black. */
static int read_bands(struct reader *reader, TIFFRGBAImage *converter) {
  uint32_t rows = strip_rows_of(reader);
  if (TIFFIsTiled(reader->tiff)) TIFFGetField(reader->tiff, TIFFTAG_TILELENGTH, &rows);
  reader->colours = 3;
  reader->depth = 8;
  if (rows == 0) return fail_reading(reader);
  int result = assay_decode_begin(reader->decode, reader->width, reader->height, 3, 8);
  if (result == 0) result = take_band(reader, rows);
  if (result != 0) return result;
  uint32_t *raster = reader->scratch = malloc((size_t)reader->width * reader->band_rows * sizeof *raster);
  if (raster == NULL) return assay_status_memory(reader->decode->status);
  for (uint64_t top = reader->decode->needs.first_row / rows * rows; top < reader->decode->needs.row_end; top += rows) {
    const uint32_t count = rows < reader->height - top ? rows : (uint32_t)(reader->height - top);
    reader->band_top = (uint32_t)top;
    converter->row_offset = (int)top;
    memset(raster, 0, (size_t)reader->width * count * sizeof *raster);
    if (!TIFFRGBAImageGet(converter, raster, reader->width, count)) return fail_reading(reader);
    for (size_t i = 0; i < (size_t)reader->width * count; i++) {
      reader->band[3 * i] = (uint8_t)TIFFGetR(raster[i]);
      reader->band[3 * i + 1] = (uint8_t)TIFFGetG(raster[i]);
      reader->band[3 * i + 2] = (uint8_t)TIFFGetB(raster[i]);
    }
    give_band(reader, reader->band_top + count);
  }
  return 0;
}

static int read_converted(struct reader *reader) {
  if (reader->sample_format != SAMPLEFORMAT_UINT && reader->sample_format != SAMPLEFORMAT_VOID)
    return assay_decode_fail(reader->decode, "TIFF samples are %s numbers, which have no fixed range; scale them to 8 or 16 unsigned bits first",
                             reader->sample_format == SAMPLEFORMAT_IEEEFP ? "floating-point" : "signed or complex");
  char words[1024] = "";
  TIFFRGBAImage converter;
  if (!TIFFRGBAImageBegin(&converter, reader->tiff, 1, words)) {
    assay_decode_quote(words, reader->words, sizeof reader->words);
    return fail_reading(reader);
  }
  converter.orientation = converter.req_orientation = ORIENTATION_TOPLEFT; /* as stored: turning is done later, for all formats alike */
  const int result = read_bands(reader, &converter);
  TIFFRGBAImageEnd(&converter);
  return result;
}

int assay_decode_tiff(struct assay_decode *decode) {
  struct reader reader = {.decode = decode};
  reader.tiff = open_bytes(&reader);
  if (reader.tiff == NULL) return fail_reading(&reader);
  int result = read_directory(&reader);
  if (result == 0) result = is_plain(&reader) ? read_plain(&reader) : read_converted(&reader);
  TIFFClose(reader.tiff);
  free(reader.scratch);
  free(reader.band);
  return result;
}
