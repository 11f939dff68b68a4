/* SPDX-License-Identifier: MIT
 *
 * mobilenet_v2 (Sandler et al., 2018): inverted residuals, that is, narrow ends and a wide depthwise convolution between them.
 */
#include "networks.h"

#include <stdio.h>

enum { MOMENTUM, EPSILON, POOL, WIDTH, PADDING, DROPOUT };
static const char *const paddings[] = {"even", "same", NULL};
static const struct assay_option *const options[] = {
    NORM_OPTIONS,
    POOL_OPTION,
    OPTION(.name = "width", .type = ASSAY_OPTION_REAL, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "1", .minimum = 0.05, .maximum = 10,
           .help = "Factor on the number of channels, which are then rounded to multiples of 8."),
    OPTION(.name = "padding", .type = ASSAY_OPTION_CHOICE, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "even", .choices = paddings,
           .help = "Around convolutions with stride 2: even (as much on all sides, torchvision) or same (what is odd goes below and right, TensorFlow)."),
    OPTION(.name = "dropout", .type = ASSAY_OPTION_REAL, .flags = ASSAY_OPTION_RUNTIME | ASSAY_OPTION_SEARCHABLE, .default_text = "0.2", .minimum = 0, .maximum = 0.99,
           .help = "Share of the features that are set to zero while training; only with pool = yes."),
    NULL,
};

struct network {
  struct assay_builder *b;
  struct assay_batch_norm_choice norm;
  int same;
};

static assay_value relu6(struct assay_builder *b, assay_value x) { return assay_min(b, assay_relu(b, x), assay_number(b, x, 6)); }

/* Convolution and normalisation; their paths are `prefix`FIRST and `prefix`SECOND. */
static assay_value part(const struct network *network, assay_value x, struct assay_plain_convolution convolution, const char *prefix, const char *first,
                        const char *second) {
  char path[64];
  if (network->same && convolution.stride == 2) assay_pad_same(network->b, x, convolution.kernel, convolution.pad_low, convolution.pad_high);
  snprintf(path, sizeof path, "%s%s", prefix, first);
  x = assay_plain_convolve(network->b, x, &convolution, path);
  snprintf(path, sizeof path, "%s%s", prefix, second);
  return assay_path_norm(network->b, x, &network->norm, path);
}

static assay_value inverted_residual(const struct network *network, assay_value x, int number, int64_t channels, int64_t stride, int64_t expansion) {
  struct assay_builder *b = network->b;
  const int64_t inputs = assay_extent(b, x, 1), wide = inputs * expansion;
  struct assay_plain_convolution depthwise = assay_square(wide, 3, stride);
  depthwise.groups = wide;
  char prefix[32];
  snprintf(prefix, sizeof prefix, "features.%d.conv.", number);
  assay_value y = expansion == 1 ? x : relu6(b, part(network, x, assay_square(wide, 1, 1), prefix, "0.0", "0.1"));
  y = relu6(b, part(network, y, depthwise, prefix, expansion == 1 ? "0.0" : "1.0", expansion == 1 ? "0.1" : "1.1"));
  y = part(network, y, assay_square(channels, 1, 1), prefix, expansion == 1 ? "1" : "2", expansion == 1 ? "2" : "3");
  return stride == 1 && inputs == channels ? assay_add(b, x, y) : y;
}

/* Rounded to a multiple of 8, but not below nine tenths. */
static int64_t rounded(double channels) {
  int64_t whole = (int64_t)(channels + 4) / 8 * 8;
  if (whole < 8) whole = 8;
  return (double)whole < 0.9 * channels ? whole + 8 : whole;
}

static assay_value mobilenet_v2(struct assay_builder *b, const struct assay_option_value *const *values, assay_value x, int number) {
  static const struct {
    int64_t expansion, channels, blocks, stride;
  } stages[] = {{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
  const double width = values[WIDTH]->real;
  const struct network network = {b, {values[EPSILON]->real, values[MOMENTUM]->runtime}, values[PADDING]->integer == 1};
  char prefix[32];
  x = relu6(b, part(&network, x, assay_square(rounded(32 * width), 3, 2), "features.0.", "0", "1"));
  for (size_t stage = 0; stage < sizeof stages / sizeof *stages; stage++)
    for (int64_t i = 0; i < stages[stage].blocks; i++)
      x = inverted_residual(&network, x, number++, rounded(stages[stage].channels * width), i == 0 ? stages[stage].stride : 1, stages[stage].expansion);
  snprintf(prefix, sizeof prefix, "features.%d.", number);
  x = relu6(b, part(&network, x, assay_square(rounded(1280 * (width > 1 ? width : 1)), 1, 1), prefix, "0", "1"));
  return values[POOL]->integer ? assay_drop(b, assay_pooled(b, x, 1), values[DROPOUT]->runtime) : x;
}

ONE_NETWORK(mobilenet_v2, "inverted residuals, for little computation", 1, options, mobilenet_v2, 1);
