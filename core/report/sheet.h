/* SPDX-License-Identifier: MIT
 *
 * Contact sheets: pictures side by side with a caption below each, as one PNG.
 */
#ifndef ASSAY_REPORT_SHEET_H
#define ASSAY_REPORT_SHEET_H

#include <assay/types.h>
#include <stdbool.h>

struct assay_sheet;

/* Cells of `width` x `height` pixels plus a line of text, in rows of `columns`; `title` stands above. NULL when memory is short. */
struct assay_sheet *assay_sheet_create(uint32_t columns, uint32_t count, uint32_t width, uint32_t height, const char *title);
void assay_sheet_release(struct assay_sheet *sheet);
/* Puts a picture (rows from the top, channels 1 or 3) into cell `number`: enlarged by a whole factor or shrunk by area averages until it fits. */
int assay_sheet_put(struct assay_sheet *sheet, uint32_t number, const uint8_t *pixels, uint32_t width, uint32_t height, uint32_t channels, const char *caption,
                    struct assay_status *status);
int assay_sheet_write(const struct assay_sheet *sheet, const char *path, struct assay_status *status);

/* Is this pixel of a character (5 wide, 7 high) set? What is no printable ASCII is a box. */
bool assay_glyph_pixel(unsigned char character, uint32_t x, uint32_t y);

#endif
