/* SPDX-License-Identifier: MIT
 *
 * Private to the readers: one decoding under way, and what every format shares.
 *
 * A reader gets a zeroed picture, fills it in the orientation as stored, and leaves the rest (orientation, grey, freeing after a failure) to image.c.
 */
#ifndef ASSAY_DATA_DECODE_H
#define ASSAY_DATA_DECODE_H

#include "data/image.h"

struct assay_decode {
  const uint8_t *bytes;
  size_t size;
  const struct assay_image_request *request;
  struct assay_image *image;
  struct assay_image_facts *facts; /* width and height as stored until image.c turns them */
  struct assay_status *status;
};

int assay_decode_jpeg(struct assay_decode *decode);
int assay_decode_png(struct assay_decode *decode);
int assay_decode_tiff(struct assay_decode *decode);
int assay_decode_bmp(struct assay_decode *decode);
int assay_decode_pnm(struct assay_decode *decode);

/* Fills the status; gives ASSAY_E_DATA. */
int assay_decode_fail(struct assay_decode *decode, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A library's own words, fit to be shown: at most `size` bytes, printable ASCII, without a full stop at the end. */
void assay_decode_quote(const char *words, char *text, size_t size);
/* Notes the stored extents in the facts. Fails outside of the limits. */
int assay_decode_extents(struct assay_decode *decode, uint64_t width, uint64_t height, uint32_t channels, uint32_t bits);
/* Takes memory for the picture; its pixels are not initialised. */
int assay_decode_allocate(struct assay_decode *decode, uint32_t width, uint32_t height, uint32_t channels, uint32_t depth);
/* Composites samples with straight alpha on black and drops the alpha: `count` pixels of 1 or 3 colours in `depth` bits. In place is fine. */
void assay_decode_composite(const void *from, void *to, size_t count, uint32_t colours, uint32_t depth);

/* Orientation from a TIFF structure ("II*\0" or "MM\0*" at its start) as EXIF embeds it; 1 when there is none. */
uint32_t assay_exif_orientation(const uint8_t *bytes, size_t size);

/* The window of a source, the size that it is scaled to, where in that the target's window begins, and the target's window. */
struct assay_fit_plan {
  uint32_t source_x, source_y, source_width, source_height;
  uint32_t scaled_x, scaled_y, scaled_width, scaled_height;
  uint32_t target_x, target_y, target_width, target_height;
};
struct assay_fit_plan assay_fit_plan(struct assay_fitting fitting, uint32_t source_width, uint32_t source_height, uint32_t width, uint32_t height);

#endif
