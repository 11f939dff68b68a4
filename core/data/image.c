/* SPDX-License-Identifier: MIT
 *
 * Telling the formats apart, and decoding.
 */
#include "data/image.h"

#include "base/status.h"
#include "data/decode.h"

#include <png.h>
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

/* ---- Decoding ---- */

static int decode(struct assay_decode *decode) {
  *decode->facts = (struct assay_image_facts){.orientation = 1};
  if (decode->size == 0) return assay_decode_fail(decode, "the file is empty; copy it again");
  const struct kind *kind = find_kind(decode->bytes, decode->size);
  if (kind == NULL) {
    return assay_decode_fail(
        decode,
        "is not a picture of a kind that is known here (JPEG, PNG, BMP, PNM, TIFF) by its first bytes; it may be damaged: copy it again, or remove it");
  }
  if (kind->read == NULL) return assay_decode_fail(decode, "%s", kind->advice);
  decode->facts->format = kind->format;
  return assay_decode_finish(decode, kind->read(decode));
}

int assay_image_decode(const uint8_t *bytes, size_t size, const struct assay_image_request *request, struct assay_image *image, struct assay_image_facts *facts,
                       struct assay_status *status) {
  struct assay_image_facts own_facts;
  *image = (struct assay_image){0};
  return decode(&(struct assay_decode){.bytes = bytes, .size = size, .request = request, .image = image, .facts = facts != NULL ? facts : &own_facts, .status = status});
}

int assay_image_decode_into(const uint8_t *bytes, size_t size, const struct assay_image_request *request, struct assay_image_facts *facts, struct assay_status *status) {
  struct assay_image_facts own_facts;
  return decode(&(struct assay_decode){.bytes = bytes, .size = size, .request = request, .facts = facts != NULL ? facts : &own_facts, .status = status});
}

void assay_image_release(struct assay_image *image) {
  free(image->pixels);
  *image = (struct assay_image){0};
}

/* ---- Regions ---- */

bool assay_image_region_fits(const struct assay_region *region, uint32_t width, uint32_t height) {
  struct assay_window window;
  return assay_region_window(region, width, height, width, height, &window);
}

int assay_image_region_refused(const struct assay_region *region, uint32_t width, uint32_t height, struct assay_status *status) {
  return assay_status_set(status, ASSAY_E_DATA, "has %u × %u pixels, beyond which the region (%ux%u+%u+%u) reaches; change [data] region, or take the image out", width, height,
                          region->width, region->height, region->x, region->y);
}

/* ---- Identity ---- */

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)

/* The number grows whenever a reader or the resize comes to give other pixels or verdicts. */
const char *assay_image_decoder(void) {
  return "assay 4, libjpeg-turbo " TEXT(LIBJPEG_TURBO_VERSION) ", libpng " PNG_LIBPNG_VER_STRING ", libtiff " TEXT(TIFFLIB_VERSION);
}
