/* SPDX-License-Identifier: MIT
 *
 * Private to core/data: fitting a picture to a target while its rows come, with a few lines in memory instead of the picture.
 */
#ifndef ASSAY_DATA_FITTER_H
#define ASSAY_DATA_FITTER_H

#include "data/fit_plan.h"
#include "data/image.h"

/* Rows as a file stores them. */
struct assay_stored {
  uint32_t width, height, channels, depth;
  uint32_t orientation; /* EXIF: 1 … 8 */
};

/* What of the stored picture is looked at; the ends are one beyond. */
struct assay_needs {
  uint32_t first_row, row_end, first_column, column_end;
};

struct assay_fitter;

/* `window`: of the upright picture. The target's pixels are written until the end. */
int assay_fitter_open(const struct assay_stored *stored, const struct assay_window *window, const struct assay_image_target *target, struct assay_fitter **fitter,
                      struct assay_status *status);
struct assay_needs assay_fitter_needs(const struct assay_fitter *fitter);
/* Row `y` of the stored picture, whole; of those that are needed each one, once, from the top. Others are passed over. */
void assay_fitter_take(struct assay_fitter *fitter, uint32_t y, const void *row);
void assay_fitter_close(struct assay_fitter *fitter); /* finishes the target when every row has come; NULL is fine */

#endif
