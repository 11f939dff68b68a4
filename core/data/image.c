/* SPDX-License-Identifier: MIT
 *
 * What all formats share: telling them apart, limits, turning pictures upright, grey.
 */
#include "data/image.h"

#include "base/status.h"
#include "data/decode.h"

#include <png.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <tiffvers.h>

#include <jpeglib.h>

/* ---- Kinds of files ---- */

struct kind {
  const char *format; /* as in assay_image_facts; "" when it is not read */
  uint32_t offset;    /* of the magic bytes */
  uint32_t length;
  const char *magic;
  int (*read)(struct assay_decode *decode);
  const char *advice; /* of a kind that is not read */
};

static const char convert_heic[] = "is a HEIC or AVIF picture, which is not read here; convert it to JPEG or PNG (for instance with heif-convert)";
static const char convert_raw[] = "is a camera's raw file, which is not read here; develop it to 16-bit TIFF or PNG first (for instance with darktable-cli)";

/* The first that matches counts. */
static const struct kind kinds[] = {
    {"jpeg", 0, 3, "\xFF\xD8\xFF", assay_decode_jpeg, NULL},
    {"png", 0, 8, "\x89PNG\r\n\x1A\n", assay_decode_png, NULL},
    {"", 8, 2, "CR", NULL, convert_raw}, /* Canon's CR2 is a TIFF with this in its header */
    {"tiff", 0, 4, "II*\0", assay_decode_tiff, NULL},
    {"tiff", 0, 4, "MM\0*", assay_decode_tiff, NULL},
    {"tiff", 0, 4, "II+\0", assay_decode_tiff, NULL}, /* BigTIFF */
    {"tiff", 0, 4, "MM\0+", assay_decode_tiff, NULL},
    {"bmp", 0, 2, "BM", assay_decode_bmp, NULL},
    {"", 0, 6, "GIF87a", NULL, "is a GIF, which is not read here; convert it to PNG (for instance with ImageMagick's convert)"},
    {"", 0, 6, "GIF89a", NULL, "is a GIF, which is not read here; convert it to PNG (for instance with ImageMagick's convert)"},
    {"", 8, 4, "WEBP", NULL, "is a WebP picture, which is not read here; convert it to PNG (for instance with dwebp)"},
    {"", 4, 8, "ftypcrx ", NULL, convert_raw},
    {"", 4, 6, "ftyphe", NULL, convert_heic},
    {"", 4, 6, "ftypmi", NULL, convert_heic},
    {"", 4, 6, "ftypms", NULL, convert_heic},
    {"", 4, 6, "ftypav", NULL, convert_heic},
    {"", 0, 12, "\0\0\0\x0CjP  \r\n\x87\n", NULL, "is a JPEG 2000 picture, which is not read here; convert it to PNG (for instance with opj_decompress)"},
    {"", 0, 4, "\xFF\x4F\xFF\x51", NULL, "is a JPEG 2000 picture, which is not read here; convert it to PNG (for instance with opj_decompress)"},
    {"", 0, 12, "\0\0\0\x0CJXL \r\n\x87\n", NULL, "is a JPEG XL picture, which is not read here; convert it to PNG (for instance with djxl)"},
    {"", 0, 5, "%PDF-", NULL, "is a PDF document, not a picture; extract its pages as PNG first (for instance with pdftoppm -png)"},
    {"", 0, 4, "<svg", NULL, "is an SVG drawing, which is not read here; render it to PNG (for instance with rsvg-convert)"},
    {"", 0, 4, "8BPS", NULL, "is a Photoshop file, which is not read here; export it as PNG or TIFF"},
    {"", 0, 15, "FUJIFILMCCD-RAW", NULL, convert_raw},
    {"", 0, 4, "IIRO", NULL, convert_raw},
    {"", 0, 4, "IIU\0", NULL, convert_raw},
};

/* Portable anymaps have a letter, a digit and a blank or comment. */
static const struct kind pnm_kind = {"pnm", 0, 0, "", assay_decode_pnm, NULL};
static const struct kind pfm_kind = {"", 0, 0, "", NULL, "is a floating-point PFM picture, which is not read here; convert it to 16-bit PNG or TIFF"};

static const struct kind *find_kind(const uint8_t *bytes, size_t size) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (size >= (size_t)kinds[i].offset + kinds[i].length && memcmp(bytes + kinds[i].offset, kinds[i].magic, kinds[i].length) == 0) return &kinds[i];
  if (size >= 3 && bytes[0] == 'P' && strchr(" \t\r\n#", bytes[2]) != NULL && bytes[2] != 0) {
    if (bytes[1] >= '1' && bytes[1] <= '7') return &pnm_kind;
    if (bytes[1] == 'f' || bytes[1] == 'F') return &pfm_kind;
  }
  return NULL;
}

const char *assay_image_kind(const uint8_t *bytes, size_t size) {
  const struct kind *kind = find_kind(bytes, size);
  return kind == NULL ? NULL : kind->format;
}

bool assay_image_name(const char *path) {
  static const char *const endings[] = {"jpg", "jpeg", "jpe",  "jfif", "png",  "bmp",  "dib", "pnm", "pbm", "pgm", "ppm", "pam",
                                        "tif", "tiff", "heic", "heif", "avif", "webp", "gif", "svg", "jp2", "j2k", "jxl", "psd",
                                        "pfm", "cr2",  "cr3",  "nef",  "arw",  "dng",  "orf", "rw2", "raf", NULL};
  const char *dot = strrchr(path, '.');
  if (dot == NULL || strchr(dot, '/') != NULL) return false;
  for (int i = 0; endings[i] != NULL; i++)
    if (strcasecmp(dot + 1, endings[i]) == 0) return true;
  return false;
}

/* ---- For the readers ---- */

int assay_decode_fail(struct assay_decode *decode, const char *format, ...) {
  char message[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  return assay_status_set(decode->status, ASSAY_E_DATA, "%s", message);
}

void assay_decode_quote(const char *words, char *text, size_t size) {
  size_t length = 0;
  for (; *words != '\0' && length + 1 < size; words++) text[length++] = *words >= ' ' && *words <= '~' ? *words : '?';
  while (length > 0 && (text[length - 1] == '.' || text[length - 1] == ' ' || text[length - 1] == '?')) length--;
  text[length] = '\0';
}

int assay_decode_extents(struct assay_decode *decode, uint64_t width, uint64_t height, uint32_t channels, uint32_t bits) {
  if (width == 0 || height == 0)
    return assay_decode_fail(decode, "its header says %llu × %llu pixels: there is no picture in it", (unsigned long long)width, (unsigned long long)height);
  const uint64_t own = decode->request->pixel_limit;
  const uint64_t limit = own != 0 && own < ASSAY_IMAGE_MAX_PIXELS ? own : ASSAY_IMAGE_MAX_PIXELS;
  if (width > ASSAY_IMAGE_MAX_SIDE || height > ASSAY_IMAGE_MAX_SIDE || width * height > limit)
    return assay_decode_fail(decode, "its header says %llu × %llu pixels, beyond the limit of %u a side and %llu in all; if that is true, cut it into tiles",
                             (unsigned long long)width, (unsigned long long)height, ASSAY_IMAGE_MAX_SIDE, (unsigned long long)limit);
  decode->facts->width = (uint32_t)width;
  decode->facts->height = (uint32_t)height;
  decode->facts->channels = channels;
  decode->facts->bits = bits;
  return 0;
}

int assay_decode_allocate(struct assay_decode *decode, uint32_t width, uint32_t height, uint32_t channels, uint32_t depth) {
  struct assay_image *image = decode->image;
  *image = (struct assay_image){.width = width, .height = height, .channels = channels, .depth = depth};
  image->pixels = malloc((size_t)width * height * channels * (depth / 8)); /* below 2^31 by the limits */
  return image->pixels == NULL ? assay_status_memory(decode->status) : 0;
}

#define COMPOSITE(type, most)                                                                                                                                  \
  for (size_t i = 0; i < count; i++) {                                                                                                                         \
    const type *pixel = (const type *)from + i * (colours + 1);                                                                                                \
    const uint32_t alpha = pixel[colours];                                                                                                                     \
    for (uint32_t c = 0; c < colours; c++) ((type *)to)[i * colours + c] = (type)((pixel[c] * alpha + (most) / 2) / (most));                                   \
  }

void assay_decode_composite(const void *from, void *to, size_t count, uint32_t colours, uint32_t depth) {
  if (depth == 8) {
    COMPOSITE(uint8_t, 255u)
  } else {
    COMPOSITE(uint16_t, 65535u)
  }
}

/* ---- EXIF ---- */

static uint32_t number(const uint8_t *at, int length, bool big) {
  uint32_t value = 0;
  for (int i = 0; i < length; i++) value |= (uint32_t)at[i] << 8 * (big ? length - 1 - i : i);
  return value;
}

uint32_t assay_exif_orientation(const uint8_t *bytes, size_t size) {
  if (size < 14 || (memcmp(bytes, "II*\0", 4) != 0 && memcmp(bytes, "MM\0*", 4) != 0)) return 1;
  const bool big = bytes[0] == 'M';
  const size_t directory = number(bytes + 4, 4, big);
  if (directory > size - 2) return 1;
  const uint32_t entries = number(bytes + directory, 2, big);
  for (uint32_t i = 0; i < entries; i++) {
    const size_t entry = directory + 2 + (size_t)12 * i; /* tag 2, type 2, count 4, value 4 */
    if (entry + 12 > size) return 1;
    if (number(bytes + entry, 2, big) != 0x0112) continue;
    const uint32_t type = number(bytes + entry + 2, 2, big), value = number(bytes + entry + 8, type == 4 ? 4 : 2, big);
    return (type == 3 || type == 4) && value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

/* ---- Upright, and grey ---- */

/* to[y][x] = from[start + x * across + y * down], in pixels; small squares keep both sides in the processor's cache. */
#define TURN(bytes_a_pixel)                                                                                                                                    \
  for (uint32_t top = 0; top < height; top += 32)                                                                                                              \
    for (uint32_t left = 0; left < width; left += 32)                                                                                                          \
      for (uint32_t y = top; y < height && y < top + 32; y++)                                                                                                  \
        for (uint32_t x = left; x < width && x < left + 32; x++)                                                                                               \
          memcpy(to + ((size_t)y * width + x) * (bytes_a_pixel), from + (size_t)(start + x * across + y * down) * (bytes_a_pixel), (bytes_a_pixel));

/* EXIF's eight: 2 mirrored, 3 upside down, 4 both, 5 transposed, 6 needs a quarter turn clockwise, 7 transposed over the other diagonal, 8 needs a quarter turn
 * back. */
static int turn_upright(struct assay_decode *decode) {
  const uint32_t orientation = decode->facts->orientation;
  if (orientation == 1) return 0;
  struct assay_image *image = decode->image;
  const int64_t w = image->width, h = image->height;
  const int64_t starts[9] = {0, 0, w - 1, w * h - 1, w * (h - 1), 0, w * (h - 1), w * h - 1, w - 1};
  const int64_t acrosses[9] = {0, 1, -1, -1, 1, w, -w, -w, w};
  const int64_t downs[9] = {0, w, w, -w, -w, 1, 1, -1, -1};
  const int64_t start = starts[orientation], across = acrosses[orientation], down = downs[orientation];
  const bool swapped = orientation >= 5;
  const uint32_t width = swapped ? image->height : image->width, height = swapped ? image->width : image->height;
  const size_t pixel = image->channels * (image->depth / 8);
  uint8_t *to = malloc((size_t)width * height * pixel);
  if (to == NULL) return assay_status_memory(decode->status);
  const uint8_t *from = image->pixels;
  switch (pixel) {
  case 1: TURN(1) break;
  case 2: TURN(2) break;
  case 3: TURN(3) break;
  default: TURN(6) break;
  }
  free(image->pixels);
  image->pixels = to;
  image->width = width;
  image->height = height;
  if (swapped) {
    const uint32_t stored = decode->facts->width;
    decode->facts->width = decode->facts->height;
    decode->facts->height = stored;
  }
  return 0;
}

#define LUMA(type)                                                                                                                                             \
  for (size_t i = 0; i < count; i++) {                                                                                                                         \
    const type *rgb = (const type *)image->pixels + 3 * i;                                                                                                     \
    ((type *)image->pixels)[i] = (type)((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 32768u) >> 16);                                                  \
  }

static void make_grey(struct assay_image *image) {
  if (image->channels != 3) return;
  const size_t count = (size_t)image->width * image->height;
  if (image->depth == 8) {
    LUMA(uint8_t)
  } else {
    LUMA(uint16_t)
  }
  image->channels = 1;
}

/* ---- Decoding ---- */

int assay_image_decode(const uint8_t *bytes, size_t size, const struct assay_image_request *request, struct assay_image *image, struct assay_image_facts *facts,
                       struct assay_status *status) {
  struct assay_image_facts own_facts;
  if (facts == NULL) facts = &own_facts;
  *facts = (struct assay_image_facts){.orientation = 1};
  *image = (struct assay_image){0};
  struct assay_decode decode = {bytes, size, request, image, facts, status};
  if (size == 0) return assay_decode_fail(&decode, "the file is empty; copy it again");
  const struct kind *kind = find_kind(bytes, size);
  if (kind == NULL) {
    return assay_decode_fail(
        &decode,
        "is not a picture of a kind that is known here (JPEG, PNG, BMP, PNM, TIFF) by its first bytes; it may be damaged: copy it again, or remove it");
  }
  if (kind->read == NULL) return assay_decode_fail(&decode, "%s", kind->advice);
  facts->format = kind->format;
  int result = kind->read(&decode);
  if (result == 0 && request->grey) make_grey(image);
  if (result == 0) result = turn_upright(&decode);
  if (result != 0) assay_image_release(image);
  return result;
}

void assay_image_release(struct assay_image *image) {
  free(image->pixels);
  *image = (struct assay_image){0};
}

int assay_image_decode_fitted(const uint8_t *bytes, size_t size, uint32_t width, uint32_t height, uint32_t channels, struct assay_fitting fitting, uint8_t *pixels,
                              struct assay_image_facts *facts, struct assay_status *status) {
  const struct assay_image_request request = {.width = width, .height = height, .fitting = fitting, .grey = channels == 1};
  struct assay_image image;
  int result = assay_image_decode(bytes, size, &request, &image, facts, status);
  if (result == 0) result = assay_image_fit(&image, width, height, channels, fitting, pixels, status);
  assay_image_release(&image);
  return result;
}

/* ---- Identity ---- */

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)

/* The number grows whenever a reader or the resize comes to give other pixels or verdicts. */
const char *assay_image_decoder(void) {
  return "assay 2, libjpeg-turbo " TEXT(LIBJPEG_TURBO_VERSION) ", libpng " PNG_LIBPNG_VER_STRING ", libtiff " TEXT(TIFFLIB_VERSION);
}
