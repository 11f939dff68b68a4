/* SPDX-License-Identifier: MIT
 *
 * One picture: from the bytes of a file to pixels, and from there to the size, fit and colour that a network sees.
 *
 * What every format has in common, so that the same scene gives the same pixels wherever it comes from:
 * - The kind of file is told by its first bytes, never by its name.
 * - EXIF orientation (JPEG APP1, PNG eXIf, the TIFF tag itself) is applied while decoding: pixels are always upright.
 * - Transparent pictures (alpha, palette or key colour) are composited on black.
 * - Depths below 8 bits are stretched to 0 … 255; more than 8 bits are kept as 16, their largest value at 65535, until after the resize.
 * - Grey from colour is the luma of ITU-R BT.601 in 16-bit integers: (19595 R + 38470 G + 7471 B + 32768) >> 16. A JPEG that is wanted in grey gives its
 *   Y channel, which is that luma.
 * - Colour profiles and gamma chunks are not applied.
 * - A JPEG much larger than what it is wanted for is decoded at 1/2, 1/4 or 1/8 through its block transform, whose low-pass is not quite the average of the area:
 *   on photographs the result differs by about 1 of 255 on average. Which of them is chosen follows from the sizes alone.
 * - Damage is an error: a truncated or corrupt file is never half a picture. Bytes behind the end are ignored.
 * - A picture is fitted to its targets while its rows are decoded. Pixels are the same as if the whole picture had been decoded, turned upright and resized.
 */
#ifndef ASSAY_DATA_IMAGE_H
#define ASSAY_DATA_IMAGE_H

#include "config/plan.h"
#include <assay/types.h>
#include <stdbool.h>

/* Larger pictures are refused before memory is taken. */
#define ASSAY_IMAGE_MAX_SIDE   65535u
#define ASSAY_IMAGE_MAX_PIXELS ((uint64_t)1 << 28)
/* Larger files are not read. */
#define ASSAY_IMAGE_MAX_FILE ((size_t)1 << 30)

/* What is known of a file from its header. */
struct assay_image_facts {
  const char *format;      /* "jpeg", "png", "bmp", "pnm", "tiff"; a constant */
  uint32_t width, height;  /* upright */
  uint32_t channels, bits; /* as stored: 1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha, or CMYK; a palette counts as colour; bits a channel */
  uint32_t orientation;    /* EXIF: 1 … 8; 1 when the file says nothing, or nonsense */
};

/* A decoded picture: upright, rows from the top, no padding, channels interleaved. */
struct assay_image {
  uint32_t width, height;
  uint32_t channels; /* 1 grey or 3 RGB */
  uint32_t depth;    /* bits of a sample in memory: 8 (uint8_t) or 16 (uint16_t) */
  void *pixels;      /* malloc'ed; owned by whoever has the structure */
};

/* What is made of a picture: all of it or a region, resized. Along an axis that shrinks each output pixel is the average of the area it covers; along one that
 * grows it is linear between pixel centres. With the bilinear filter an axis that shrinks is weighted by a triangle over two output pixels' width, as Pillow and
 * torchvision do; with the linear filter it is linear all the same, as OpenCV does. STRETCH takes each axis by itself; CROP keeps the proportions and cuts both ends of the longer axis; with `resize` (at least what covers the
 * target) the short side is scaled to that first, as torchvision's Resize and CenterCrop; LETTERBOX keeps them and leaves black bars. Integer arithmetic: the
 * same bits on every machine. */
struct assay_image_target {
  uint32_t width, height, channels; /* 1 or 3 */
  struct assay_fitting fitting;
  uint8_t *pixels; /* height * width * channels bytes */
};

enum { ASSAY_IMAGE_MOST_TARGETS = 2, ASSAY_LIMITS_SIDE = 32 };

/* How a picture will be used. All zeros: as RGB or grey as stored. */
struct assay_image_request {
  uint32_t target_count; /* at most ASSAY_IMAGE_MOST_TARGETS */
  const struct assay_image_target *targets; /* the first one says how large a JPEG has to be, which may come at 1/2, 1/4 or 1/8 */
  uint8_t *limits;       /* with `verify`: ASSAY_LIMITS_SIDE² cells of the upright picture, see limits.h; NULL: not wanted */
  bool grey;             /* one channel is enough */
  bool verify;           /* all of the file is decoded, whatever the targets need, so that damage is found wherever it is */
  uint64_t pixel_limit;  /* smaller bound than ASSAY_IMAGE_MAX_PIXELS; 0: that one */
};

/* The kind of picture that the bytes begin, as in assay_image_facts; "" for kinds that are known but not read (HEIC, WebP, …); NULL for anything else.
 * 32 bytes are enough. */
const char *assay_image_kind(const uint8_t *bytes, size_t size);

/* Is this how the name of a picture ends ("jpg", "tiff", also "heic" and other kinds that are not read)? */
bool assay_image_name(const char *path);

/* Decodes a file from memory into the request's targets as its rows come: with a few of its rows in memory instead of the picture, but for kinds that cannot be
 * read in order (interlaced PNG, BMP in runs, the coefficients of a progressive JPEG). What lies behind the last row that the targets need is not looked at, unless the
 * request says to verify. `facts` may be NULL. ASSAY_E_DATA with one clause that says what is wrong with the file (its name is the caller's to add), or that a
 * region reaches beyond the picture, or ASSAY_E_MEMORY; the targets then hold anything. Nothing is printed, whatever the bytes. Safe in several threads. */
int assay_image_decode_into(const uint8_t *bytes, size_t size, const struct assay_image_request *request, struct assay_image_facts *facts,
                            struct assay_status *status);
/* The whole picture, in the size that is right for the first target; nothing is put into targets. */
int assay_image_decode(const uint8_t *bytes, size_t size, const struct assay_image_request *request, struct assay_image *image, struct assay_image_facts *facts,
                       struct assay_status *status);
void assay_image_release(struct assay_image *image); /* frees the pixels */

/* A picture to a target of its own. */
int assay_image_fit(const struct assay_image *image, uint32_t width, uint32_t height, uint32_t channels, struct assay_fitting fitting, uint8_t *pixels,
                    struct assay_status *status);

/* Does the region lie inside of an upright picture of that size? */
bool assay_image_region_fits(const struct assay_region *region, uint32_t width, uint32_t height);
/* Says that it does not; gives ASSAY_E_DATA. */
int assay_image_region_refused(const struct assay_region *region, uint32_t width, uint32_t height, struct assay_status *status);

/* A line that names the decoders at work; part of every cache's key. */
const char *assay_image_decoder(void);

#endif
