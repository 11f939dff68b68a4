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
  void *scratch;          /* a line or a tile as stored */
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

/* Sample `sample` of the pixel at `place` of the picture. Alpha comes after the colours, in every file. */
static void put_sample(const struct reader *reader, size_t place, uint32_t sample, uint32_t value) {
  const struct assay_image *image = reader->decode->image;
  const uint32_t most = (1u << reader->bits) - 1, range = image->depth == 8 ? 255 : 65535;
  uint8_t *bytes = (uint8_t *)image->pixels + place * reader->colours * (image->depth / 8);
  uint16_t *words = (uint16_t *)(void *)bytes; /* one of the two, by depth */
  if ((int)sample == reader->alpha) {
    for (uint32_t c = 0; c < reader->colours; c++) {
      if (image->depth == 8) bytes[c] = (uint8_t)((bytes[c] * value + most / 2) / most);
      else words[c] = (uint16_t)(((uint64_t)words[c] * value + most / 2) / most);
    }
  } else if (reader->photometric == PHOTOMETRIC_PALETTE) {
    if (sample == 0)
      for (int c = 0; c < 3; c++) bytes[c] = (uint8_t)((reader->palette[c][value] * 255u + reader->palette_range / 2) / reader->palette_range);
  } else if (sample < reader->colours) {
    if (reader->photometric == PHOTOMETRIC_MINISWHITE) value = most - value;
    if (most != range) value = (uint32_t)(((uint64_t)value * range + most / 2) / most);
    if (image->depth == 8) bytes[sample] = (uint8_t)value;
    else words[sample] = (uint16_t)value;
  }
}

/* `count` pixels of a line as stored, to the picture at (x, y). `plane`: the one sample that the line holds, with planes apart. */
static void put_line(const struct reader *reader, const uint8_t *line, uint32_t x, uint32_t y, uint32_t count, uint32_t plane) {
  const bool apart = reader->planar == PLANARCONFIG_SEPARATE;
  const uint32_t samples = apart ? 1 : reader->samples;
  const size_t place = (size_t)y * reader->width + x;
  const bool same =
      reader->photometric != PHOTOMETRIC_PALETTE && reader->photometric != PHOTOMETRIC_MINISWHITE && samples == reader->colours && !(apart && plane > 0);
  if (same && (reader->bits == 8 || reader->bits == 16)) {
    const size_t pixel = samples * (reader->bits / 8u);
    memcpy((uint8_t *)reader->decode->image->pixels + place * pixel, line, count * pixel);
    return;
  }
  for (uint32_t i = 0; i < count; i++)
    for (uint32_t s = 0; s < samples; s++) put_sample(reader, place + i, apart ? plane : s, stored_sample(line, (size_t)i * samples + s, reader->bits));
}

static int read_tiles(struct reader *reader, uint32_t planes) {
  TIFF *tiff = reader->tiff;
  uint32_t tile_width = 0, tile_height = 0;
  TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &tile_width);
  TIFFGetField(tiff, TIFFTAG_TILELENGTH, &tile_height);
  const tmsize_t size = TIFFTileSize(tiff), line = TIFFTileRowSize(tiff);
  if (tile_width == 0 || tile_height == 0 || size <= 0 || line <= 0 || size > (tmsize_t)1 << 31 || line > size / (tmsize_t)tile_height)
    return fail_reading(reader);
  reader->scratch = malloc((size_t)size);
  if (reader->scratch == NULL) return assay_status_memory(reader->decode->status);
  for (uint32_t plane = 0; plane < planes; plane++)
    for (uint32_t top = 0; top < reader->height; top += tile_height)
      for (uint32_t left = 0; left < reader->width; left += tile_width) {
        if (TIFFReadTile(tiff, reader->scratch, left, top, 0, (uint16_t)plane) < 0) return fail_reading(reader);
        const uint32_t columns = tile_width < reader->width - left ? tile_width : reader->width - left;
        for (uint32_t y = 0; y < tile_height && y < reader->height - top; y++)
          put_line(reader, (const uint8_t *)reader->scratch + (size_t)y * (size_t)line, left, top + y, columns, plane);
      }
  return 0;
}

static int read_lines(struct reader *reader, uint32_t planes) {
  const tmsize_t size = TIFFScanlineSize(reader->tiff);
  const uint64_t needed = ((uint64_t)reader->width * (reader->planar == PLANARCONFIG_SEPARATE ? 1 : reader->samples) * reader->bits + 7) / 8;
  if (size <= 0 || (uint64_t)size < needed) return fail_reading(reader);
  reader->scratch = malloc((size_t)size);
  if (reader->scratch == NULL) return assay_status_memory(reader->decode->status);
  for (uint32_t plane = 0; plane < planes; plane++)
    for (uint32_t y = 0; y < reader->height; y++) {
      if (TIFFReadScanline(reader->tiff, reader->scratch, y, (uint16_t)plane) < 0) return fail_reading(reader);
      put_line(reader, reader->scratch, 0, y, reader->width, plane);
    }
  return 0;
}

static int read_plain(struct reader *reader) {
  const uint32_t depth = reader->photometric == PHOTOMETRIC_PALETTE || reader->bits <= 8 ? 8 : 16;
  const uint32_t planes = reader->planar == PLANARCONFIG_SEPARATE ? reader->samples : 1;
  const int result = assay_decode_allocate(reader->decode, reader->width, reader->height, reader->colours, depth);
  if (result != 0) return result;
  return TIFFIsTiled(reader->tiff) ? read_tiles(reader, planes) : read_lines(reader, planes);
}

/* ---- Through libtiff's RGBA ---- */

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
  int result = assay_decode_allocate(reader->decode, reader->width, reader->height, 3, 8);
  const size_t count = (size_t)reader->width * reader->height;
  uint32_t *raster = result == 0 ? calloc(count, sizeof *raster) : NULL;
  if (result == 0 && raster == NULL) result = assay_status_memory(reader->decode->status);
  if (result == 0 && !TIFFRGBAImageGet(&converter, raster, reader->width, reader->height)) result = fail_reading(reader);
  if (result == 0) {
    uint8_t *rgb = reader->decode->image->pixels;
    for (size_t i = 0; i < count; i++) { /* alpha is multiplied in already, which is compositing on black */
      rgb[3 * i] = (uint8_t)TIFFGetR(raster[i]);
      rgb[3 * i + 1] = (uint8_t)TIFFGetG(raster[i]);
      rgb[3 * i + 2] = (uint8_t)TIFFGetB(raster[i]);
    }
  }
  free(raster);
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
  return result;
}
