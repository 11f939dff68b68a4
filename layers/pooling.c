/* SPDX-License-Identifier: MIT
 *
 * Pooling: the largest or the mean of a window, and the mean of a whole channel.
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

static assay_value global_avg_pool(struct assay_builder *b, const struct assay_option_value *const *values, const assay_value *inputs, uint32_t input_count) {
  (void)values, (void)input_count;
  return assay_is_image(b, inputs[0]) ? assay_mean(b, inputs[0], 1u << 2 | 1u << 3, 0) : assay_invalid();
}

LAYER(max_pool, "largest value of each window", 0, 1, 1, max_options, max_pool);
LAYER(avg_pool, "mean of each window", 0, 1, 1, avg_options, avg_pool);
LAYER(global_avg_pool, "mean of each channel, flat (N, C)", 0, 1, 1, NULL, global_avg_pool);
