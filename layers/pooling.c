/* SPDX-License-Identifier: MIT
 *
 * Pooling: the largest or the mean of a window, means of a fixed number of cells, and the mean of a whole channel.
 */
#include "layers.h"

#include <stdio.h>

#define WINDOW_OPTIONS                                                                                                                                         \
  OPTION(.name = "kernel", .type = ASSAY_OPTION_INTS, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "2", .minimum = 1, .maximum = 1024,                    \
         .help = "Extent of the window in pixels: one number, or height, width."),                                                                             \
      OPTION(.name = "stride", .type = ASSAY_OPTION_INTS, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "2", .minimum = 1, .maximum = 1024,                \
             .help = "Pixels from one window to the next: one number, or height, width."),                                                                     \
      OPTION(.name = "padding", .type = ASSAY_OPTION_INTS, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "0", .minimum = 0, .maximum = 1024,               \
             .help = "Pixels added on every side: one number, or height, width; at most half of the kernel.")

enum { KERNEL, STRIDE, PADDING, COUNT_PADDING };
static const struct assay_option *const max_options[] = {WINDOW_OPTIONS, NULL};
static const struct assay_option *const avg_options[] = {
    WINDOW_OPTIONS,
    OPTION(.name = "count_padding", .type = ASSAY_OPTION_BOOL, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "yes",
           .help = "Added pixels count as zeros; otherwise the mean is over real pixels only."),
    NULL,
};

/* The window as the options say; 0 when the build has failed. */
static int window(struct assay_builder *b, const struct assay_option_value *const *values, assay_value x, struct assay_pool2d_attributes *attributes) {
  if (!assay_is_image(b, x)) return 0;
  assay_height_width(b, values[KERNEL], "kernel", attributes->kernel);
  assay_height_width(b, values[STRIDE], "stride", attributes->stride);
  assay_height_width(b, values[PADDING], "padding", attributes->pad_low);
  for (int axis = 0; axis < 2; axis++) {
    attributes->pad_high[axis] = attributes->pad_low[axis];
    if (2 * attributes->pad_low[axis] <= attributes->kernel[axis]) continue;
    b->host->fail(b, "padding may be at most half of the kernel, or some windows would hold nothing");
    return 0;
  }
  return 1;
}

static assay_value max_pool(struct assay_builder *b, const struct assay_option_value *const *values, const assay_value *inputs, uint32_t input_count) {
  (void)input_count;
  struct assay_pool2d_attributes attributes = {.count_padding = 0};
  return window(b, values, inputs[0], &attributes) ? assay_max_pool2d(b, inputs[0], &attributes) : assay_invalid();
}

static assay_value avg_pool(struct assay_builder *b, const struct assay_option_value *const *values, const assay_value *inputs, uint32_t input_count) {
  (void)input_count;
  struct assay_pool2d_attributes attributes = {.count_padding = values[COUNT_PADDING]->integer};
  return window(b, values, inputs[0], &attributes) ? assay_avg_pool2d(b, inputs[0], &attributes) : assay_invalid();
}

/* Means of `count` cells of one axis, one after another. */
static assay_value cells(struct assay_builder *b, assay_value x, int32_t axis, int64_t count) {
  enum { MOST_CELLS = 64 };
  const int64_t extent = assay_extent(b, x, axis);
  assay_value means[MOST_CELLS];
  if (extent == count) return x;
  if (count > MOST_CELLS) return assay_fail(b, "adaptive pooling makes at most 64 cells an axis");
  for (int64_t i = 0; i < count; i++)
    means[i] = assay_mean(b, assay_slice(b, x, axis, i * extent / count, ((i + 1) * extent + count - 1) / count), 1u << axis, 1);
  return assay_concat(b, means, (uint32_t)count, axis);
}

assay_value assay_adaptive_mean(struct assay_builder *b, assay_value x, int64_t height, int64_t width) {
  const int64_t h = assay_extent(b, x, 2), w = assay_extent(b, x, 3);
  if (!assay_is_valid(x) || (h == height && w == width)) return x;
  if (h % height != 0 || w % width != 0) return cells(b, cells(b, x, 2, height), 3, width);
  const struct assay_pool2d_attributes attributes = {.kernel = {h / height, w / width}, .stride = {h / height, w / width}};
  return assay_avg_pool2d(b, x, &attributes);
}

static const struct assay_option *const adaptive_options[] = {
    OPTION(.name = "cells", .type = ASSAY_OPTION_INTS, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "7", .minimum = 1, .maximum = 64,
           .help = "Cells that go out: one number, or height, width."),
    NULL,
};

static assay_value adaptive_avg_pool(struct assay_builder *b, const struct assay_option_value *const *values, const assay_value *inputs, uint32_t input_count) {
  (void)input_count;
  int64_t extents[2];
  if (!assay_is_image(b, inputs[0])) return assay_invalid();
  assay_height_width(b, values[0], "cells", extents);
  return assay_adaptive_mean(b, inputs[0], extents[0], extents[1]);
}

static assay_value global_avg_pool(struct assay_builder *b, const struct assay_option_value *const *values, const assay_value *inputs, uint32_t input_count) {
  (void)values, (void)input_count;
  return assay_is_image(b, inputs[0]) ? assay_mean(b, inputs[0], 1u << 2 | 1u << 3, 0) : assay_invalid();
}

LAYER(max_pool, "largest value of each window", 0, 1, 1, max_options, max_pool);
LAYER(avg_pool, "mean of each window", 0, 1, 1, avg_options, avg_pool);
LAYER(adaptive_avg_pool, "mean of cells that cover the image evenly, whatever its size", 0, 1, 1, adaptive_options, adaptive_avg_pool);
LAYER(global_avg_pool, "mean of each channel, flat (N, C)", 0, 1, 1, NULL, global_avg_pool);
