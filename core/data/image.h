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

/* How a picture will be used. All zeros: full size, as RGB or grey as stored. */
struct assay_image_request {
  uint32_t width, height; /* the size that it is going to be fitted to: a JPEG at least four times as large may come at 1/2, 1/4 or 1/8; 0: full size */
  struct assay_fitting fitting;
  bool grey;              /* one channel is enough */
  uint64_t pixel_limit;   /* smaller bound than ASSAY_IMAGE_MAX_PIXELS; 0: that one */
};

/* The kind of picture that the bytes begin, as in assay_image_facts; "" for kinds that are known but not read (HEIC, WebP, …); NULL for anything else.
 * 32 bytes are enough. */
const char *assay_image_kind(const uint8_t *bytes, size_t size);

/* Is this how the name of a picture ends ("jpg", "tiff", also "heic" and other kinds that are not read)? */
bool assay_image_name(const char *path);

/* Decodes a whole file from memory. `facts` may be NULL. ASSAY_E_DATA with one clause that says what is wrong with the file (its name is the caller's to add),
 * or ASSAY_E_MEMORY. Nothing is printed, whatever the bytes. Safe in several threads. */
int assay_image_decode(const uint8_t *bytes, size_t size, const struct assay_image_request *request, struct assay_image *image, struct assay_image_facts *facts,
                       struct assay_status *status);
void assay_image_release(struct assay_image *image); /* frees the pixels */

/* Resizes into `pixels`, height * width * channels bytes; channels 1 or 3. Along an axis that shrinks each output pixel is the average of the area it covers;
 * along one that grows it is linear between pixel centres. With the bilinear filter an axis that shrinks is weighted by a triangle over two output
 * pixels' width, as Pillow and torchvision do. STRETCH takes each axis by itself; CROP keeps the proportions and cuts both ends of the longer axis;
 * with `resize` (at least what covers the target) the
 * short side is scaled to that first, as torchvision's Resize and CenterCrop; LETTERBOX keeps them and leaves black bars. Integer arithmetic: the same bits on every machine. */
int assay_image_fit(const struct assay_image *image, uint32_t width, uint32_t height, uint32_t channels, struct assay_fitting fitting, uint8_t *pixels,
                    struct assay_status *status);

/* Both of the above, as the cache and `assay predict` do it. */
int assay_image_decode_fitted(const uint8_t *bytes, size_t size, uint32_t width, uint32_t height, uint32_t channels, struct assay_fitting fitting, uint8_t *pixels,
                              struct assay_image_facts *facts, struct assay_status *status);

/* A line that names the decoders at work; part of every cache's key. */
const char *assay_image_decoder(void);

#endif
