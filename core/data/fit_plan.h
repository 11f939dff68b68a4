/* SPDX-License-Identifier: MIT
 *
 * Private to core/data: which part of a picture goes where when it is fitted to a size.
 */
#ifndef ASSAY_DATA_FIT_PLAN_H
#define ASSAY_DATA_FIT_PLAN_H

#include "config/plan.h"

/* Part of a picture, in its pixels. */
struct assay_window {
  uint32_t x, y, width, height;
};

/* The region in a picture of width × height that has full_width × full_height as stored (a JPEG may come smaller); the whole without a region. False when it reaches beyond
 * the picture. */
bool assay_region_window(const struct assay_region *region, uint32_t full_width, uint32_t full_height, uint32_t width, uint32_t height, struct assay_window *window);

/* The window of a source, the size that it is scaled to, where in that the target's window begins, and the target's window. */
struct assay_fit_plan {
  uint32_t source_x, source_y, source_width, source_height;
  uint32_t scaled_x, scaled_y, scaled_width, scaled_height;
  uint32_t target_x, target_y, target_width, target_height;
};
struct assay_fit_plan assay_fit_plan(const struct assay_fitting *fitting, const struct assay_window *window, uint32_t width, uint32_t height);

#endif
