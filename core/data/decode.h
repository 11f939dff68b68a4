/* SPDX-License-Identifier: MIT
 *
 * Private to the readers: one decoding under way, and what every format shares.
 *
 * A reader notes the orientation, then begins, then gives rows as stored from the top; or, where they do not come in that order, takes memory for the whole
 * plane and fills it. What becomes of the rows (targets or a whole picture, grey, upright) is decode.c's business.
 */
#ifndef ASSAY_DATA_DECODE_H
#define ASSAY_DATA_DECODE_H

#include "data/fitter.h"

struct assay_decode {
  const uint8_t *bytes;
  size_t size;
  const struct assay_image_request *request;
  struct assay_image *image; /* the whole picture, upright at the end; NULL: into targets */
  struct assay_image_facts *facts; /* width and height as stored until the end */
  struct assay_status *status;
  /* Since the beginning. */
  struct assay_stored rows;
  struct assay_needs needs; /* rows and columns that somebody looks at; others need not be right, rows beyond need not be given */
  struct assay_fitter *fitters[ASSAY_IMAGE_MOST_TARGETS];
  void *grey_row;
  struct assay_image plane; /* of readers that fill it; pixels NULL: none has asked for it */
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
/* Says what the rows will be like and fills `needs`. The extents are those in the facts, or those of a JPEG that comes smaller. */
int assay_decode_begin(struct assay_decode *decode, uint32_t width, uint32_t height, uint32_t channels, uint32_t depth);
/* The next row, whole; `y` rises from needs.first_row or below to needs.row_end or beyond. */
void assay_decode_row(struct assay_decode *decode, uint32_t y, const void *row);
/* Instead of both: memory for the whole plane, not initialised, whose rows are given when the reader has returned. */
int assay_decode_plane(struct assay_decode *decode, uint32_t width, uint32_t height, uint32_t channels, uint32_t depth);
/* After the reader: gives the plane's rows if there is one, finishes the targets, turns the whole picture upright, and drops everything after a failure. */
int assay_decode_finish(struct assay_decode *decode, int result);
/* In what size the first target needs the picture: the full one divided by 1, 2, 4 or 8. */
uint32_t assay_decode_divisor(const struct assay_decode *decode);
/* Composites samples with straight alpha on black and drops the alpha: `count` pixels of 1 or 3 colours in `depth` bits. In place is fine. */
void assay_decode_composite(const void *from, void *to, size_t count, uint32_t colours, uint32_t depth);

/* Orientation from a TIFF structure ("II*\0" or "MM\0*" at its start) as EXIF embeds it; 1 when there is none. */
uint32_t assay_exif_orientation(const uint8_t *bytes, size_t size);

#endif
