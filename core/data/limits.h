/* SPDX-License-Identifier: MIT
 *
 * Private to core/data: where in a picture light is at its limits, so that a change of light would be cut off there.
 */
#ifndef ASSAY_DATA_LIMITS_H
#define ASSAY_DATA_LIMITS_H

#include "data/fitter.h"

/* The cells of the upright picture, ASSAY_LIMITS_SIDE a side; some sample in one is about as bright or as dark as samples get. */
enum { ASSAY_LIMIT_BRIGHT = 1, ASSAY_LIMIT_DARK = 2 };

/* Notes row `y` of the stored picture in the cells that it passes. */
void assay_limits_note(const struct assay_stored *stored, uint32_t y, const void *row, uint8_t *limits);

#endif
