/* SPDX-License-Identifier: MIT
 *
 * Region, fit and size, to windows of a picture and of its target.
 */
#include "data/fit_plan.h"

/* From `start` over `length` of `full` pixels, or of millionths of them, to pixels of an axis that has `size` of them; at least one. */
static void place(const struct assay_region *region, uint32_t start, uint32_t length, uint32_t full, uint32_t size, uint32_t *first, uint32_t *count) {
  const uint64_t whole = region->shares ? ASSAY_REGION_WHOLE : full;
  uint64_t begin = ((uint64_t)start * size + whole / 2) / whole;
  const uint64_t end = (((uint64_t)start + length) * size + whole / 2) / whole;
  if (begin >= size) begin = size - 1;
  *first = (uint32_t)begin;
  *count = end > begin ? (uint32_t)(end - begin) : 1;
}

bool assay_region_window(const struct assay_region *region, uint32_t full_width, uint32_t full_height, uint32_t width, uint32_t height, struct assay_window *window) {
  *window = (struct assay_window){0, 0, width, height};
  if (region->width == 0) return true;
  const uint32_t most_width = region->shares ? ASSAY_REGION_WHOLE : full_width, most_height = region->shares ? ASSAY_REGION_WHOLE : full_height;
  if ((uint64_t)region->x + region->width > most_width || (uint64_t)region->y + region->height > most_height) return false;
  place(region, region->x, region->width, full_width, width, &window->x, &window->width);
  place(region, region->y, region->height, full_height, height, &window->y, &window->height);
  return true;
}

static uint32_t within(uint64_t value, uint32_t most) { return value < 1 ? 1 : value > most ? most : (uint32_t)value; }

/* Scales to a short side, at least as far as the target needs, and cuts out the middle. The long side goes to the nearest whole pixel, which keeps proportions as
 * well as can be (torchvision drops the fraction); the half pixel of an odd rest goes as torchvision rounds it. */
static void scale_and_cut(struct assay_fit_plan *plan, uint32_t resize) {
  const uint32_t w = plan->source_width, h = plan->source_height, low = w < h ? w : h;
  uint64_t side = resize;
  const uint64_t for_width = ((uint64_t)plan->target_width * low + w - 1) / w, for_height = ((uint64_t)plan->target_height * low + h - 1) / h;
  if (side < for_width) side = for_width;
  if (side < for_height) side = for_height;
  plan->scaled_width = (uint32_t)((side * w + low / 2) / low);
  plan->scaled_height = (uint32_t)((side * h + low / 2) / low);
  const uint32_t across = plan->scaled_width - plan->target_width, down = plan->scaled_height - plan->target_height;
  plan->scaled_x = across / 2 + (across % 4 == 3);
  plan->scaled_y = down / 2 + (down % 4 == 3);
}

struct assay_fit_plan assay_fit_plan(const struct assay_fitting *fitting, const struct assay_window *window, uint32_t width, uint32_t height) {
  const uint32_t source_width = window->width, source_height = window->height;
  struct assay_fit_plan plan = {
      .source_x = window->x, .source_y = window->y, .source_width = source_width, .source_height = source_height, .scaled_width = width, .scaled_height = height, .target_width = width, .target_height = height};
  const uint64_t across = (uint64_t)source_width * height, down = (uint64_t)source_height * width; /* across > down: the source is the wider one */
  if (fitting->fit == ASSAY_FIT_CROP && fitting->resize > 0) {
    scale_and_cut(&plan, fitting->resize);
  } else if (fitting->fit == ASSAY_FIT_CROP) {
    if (across > down) plan.source_width = within((down + height / 2) / height, source_width);
    else plan.source_height = within((across + width / 2) / width, source_height);
    plan.source_x += (source_width - plan.source_width) / 2;
    plan.source_y += (source_height - plan.source_height) / 2;
  } else if (fitting->fit == ASSAY_FIT_LETTERBOX) {
    if (across > down) plan.target_height = within((down + source_width / 2) / source_width, height);
    else plan.target_width = within((across + source_height / 2) / source_height, width);
    plan.target_x = (width - plan.target_width) / 2;
    plan.target_y = (height - plan.target_height) / 2;
    plan.scaled_width = plan.target_width;
    plan.scaled_height = plan.target_height;
  }
  return plan;
}
