/* SPDX-License-Identifier: MIT
 *
 * Two-dimensional convolution, cross-correlation as everyone in the field writes it.
 */
#include "layers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

assay_value assay_convolve(struct assay_builder *b, assay_value x, const struct assay_convolution *convolution, const char *prefix) {
  const struct assay_conv2d_attributes *attributes = &convolution->attributes;
  const int64_t inputs = assay_extent(b, x, 1);
  if (inputs % attributes->groups != 0 || convolution->channels % attributes->groups != 0) {
    char message[160];
    snprintf(message, sizeof message, "groups = %lld must divide the %lld channels that come in and the %lld that go out", (long long)attributes->groups,
             (long long)inputs, (long long)convolution->channels);
    return assay_fail(b, message);
  }
  const int64_t extents[4] = {convolution->channels, inputs / attributes->groups, convolution->kernel[0], convolution->kernel[1]};
  char name[64];
  snprintf(name, sizeof name, "%sweight", prefix);
  const assay_value y = assay_conv2d(b, x, assay_weight(b, name, 4, extents, convolution->initialiser), attributes);
  if (!convolution->bias) return y;
  snprintf(name, sizeof name, "%sbias", prefix);
  const assay_value bias = assay_bias(b, name, convolution->channels, extents[1] * extents[2] * extents[3], convolution->initialiser);
  return assay_add(b, y, assay_reshape(b, bias, 3, (const int64_t[]){convolution->channels, 1, 1}));
}

enum { CHANNELS, KERNEL, STRIDE, PADDING, DILATION, GROUPS, BIAS, INITIALISER };
static const struct assay_option *const options[] = {
    OPTION(.name = "channels", .type = ASSAY_OPTION_INT, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "16", .minimum = 1, .maximum = 65536,
           .help = "Channels of the output, that is, the number of filters."),
    OPTION(.name = "kernel", .type = ASSAY_OPTION_INTS, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "3", .minimum = 1, .maximum = 1024,
           .help = "Extent of the filters in pixels: one number, or height, width."),
    OPTION(.name = "stride", .type = ASSAY_OPTION_INTS, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "1", .minimum = 1, .maximum = 1024,
           .help = "Pixels from one output to the next: one number, or height, width."),
    OPTION(.name = "padding", .type = ASSAY_OPTION_TEXT, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "same",
           .help = "Zeros around the input: same (output extent = input extent / stride, rounded up), valid (none), or a number of pixels on every side."),
    OPTION(.name = "dilation", .type = ASSAY_OPTION_INTS, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "1", .minimum = 1, .maximum = 1024,
           .help = "Pixels from one tap of the filter to the next: one number, or height, width."),
    OPTION(.name = "groups", .type = ASSAY_OPTION_INT, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "1", .minimum = 1, .maximum = 65536,
           .help = "Channels are split into so many groups that do not see each other."),
    BIAS_OPTION,
    INITIALISER_OPTION,
    NULL,
};

/* Both sides of one axis, so that the output has ceil(extent / stride) pixels; the odd pixel goes to the far side. */
static void pad_same(int64_t extent, int64_t kernel, int64_t stride, int64_t dilation, int64_t *low, int64_t *high) {
  const int64_t outputs = (extent + stride - 1) / stride;
  const int64_t total = (outputs - 1) * stride + (kernel - 1) * dilation + 1 - extent;
  *low = total > 0 ? total / 2 : 0;
  *high = total > 0 ? total - *low : 0;
}

static void set_padding(struct assay_builder *b, const char *text, assay_value x, struct assay_convolution *convolution) {
  struct assay_conv2d_attributes *attributes = &convolution->attributes;
  if (strcmp(text, "valid") == 0) return;
  if (strcmp(text, "same") == 0) {
    for (int axis = 0; axis < 2; axis++)
      pad_same(assay_extent(b, x, 2 + axis), convolution->kernel[axis], attributes->stride[axis], attributes->dilation[axis], &attributes->pad_low[axis],
               &attributes->pad_high[axis]);
    return;
  }
  char *end;
  errno = 0;
  const long pixels = strtol(text, &end, 10);
  if (end == text || *end != '\0' || errno != 0 || pixels < 0 || pixels > 65536) {
    b->host->fail(b, "padding must be same, valid, or a number of pixels from 0 to 65536");
    return;
  }
  for (int axis = 0; axis < 2; axis++) attributes->pad_low[axis] = attributes->pad_high[axis] = pixels;
}

static assay_value build(struct assay_builder *b, const struct assay_option_value *const *values, const assay_value *inputs, uint32_t input_count) {
  (void)input_count;
  if (!assay_is_image(b, inputs[0])) return assay_invalid();
  struct assay_convolution convolution = {
      .channels = values[CHANNELS]->integer, .bias = (int)values[BIAS]->integer, .initialiser = values[INITIALISER]->integer, .attributes.groups = values[GROUPS]->integer};
  assay_height_width(b, values[KERNEL], "kernel", convolution.kernel);
  assay_height_width(b, values[STRIDE], "stride", convolution.attributes.stride);
  assay_height_width(b, values[DILATION], "dilation", convolution.attributes.dilation);
  set_padding(b, values[PADDING]->text, inputs[0], &convolution);
  return assay_convolve(b, inputs[0], &convolution, "");
}

LAYER(conv2d, "two-dimensional convolution", 0, 1, 1, options, build);
