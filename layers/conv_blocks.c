/* SPDX-License-Identifier: MIT
 *
 * A stack of blocks: convolution with stride 1 and padding (K - 1) / 2, activation, max pooling with stride 2. Channels double from block to
 * block. A small network for small sets of images.
 */
#include "layers.h"

#include <stdio.h>

enum { BLOCKS, CHANNELS, KERNEL, POOL, ACTIVATION, INITIALISER };
enum { RELU, TANH, LEAKY_RELU };
static const char *const activations[] = {"relu", "tanh", "leaky_relu", NULL};
static const struct assay_option *const options[] = {
    OPTION(.name = "blocks", .type = ASSAY_OPTION_INT, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "2", .minimum = 1, .maximum = 8, .help = "Number of blocks."),
    OPTION(.name = "channels", .type = ASSAY_OPTION_INT, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "16", .minimum = 1, .maximum = 4096,
           .help = "Channels of the first block; each further block has twice as many."),
    OPTION(.name = "kernel", .type = ASSAY_OPTION_INT, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "3", .minimum = 1, .maximum = 31,
           .help = "Height and width of the filters in pixels."),
    OPTION(.name = "pool", .type = ASSAY_OPTION_INT, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "2", .minimum = 1, .maximum = 31,
           .help = "Height and width of the pooling window in pixels; its stride is 2."),
    OPTION(.name = "activation", .type = ASSAY_OPTION_CHOICE, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "relu", .choices = activations,
           .help = "Applied between convolution and pooling; leaky_relu has a slope of 0.01."),
    INITIALISER_OPTION,
    NULL,
};

static assay_value activate(struct assay_builder *b, assay_value x, int64_t activation) {
  switch (activation) {
  case TANH: return assay_tanh(b, x);
  case LEAKY_RELU: return assay_leaky_relu(b, x, 0.01);
  default: return assay_relu(b, x);
  }
}

static assay_value build(struct assay_builder *b, const struct assay_option_value *const *values, const assay_value *inputs, uint32_t input_count) {
  (void)input_count;
  if (!assay_is_image(b, inputs[0])) return assay_invalid();
  const int64_t kernel = values[KERNEL]->integer, pool = values[POOL]->integer, padding = (kernel - 1) / 2;
  const struct assay_pool2d_attributes pooling = {.kernel = {pool, pool}, .stride = {2, 2}};
  assay_value x = inputs[0];
  for (int64_t block = 0; block < values[BLOCKS]->integer; block++) {
    const struct assay_convolution convolution = {
        .channels = values[CHANNELS]->integer << block,
        .kernel = {kernel, kernel},
        .attributes = {.stride = {1, 1}, .dilation = {1, 1}, .pad_low = {padding, padding}, .pad_high = {padding, padding}, .groups = 1},
        .bias = 1,
        .initialiser = values[INITIALISER]->integer,
    };
    char prefix[16];
    snprintf(prefix, sizeof prefix, "%d.", (int)block + 1);
    x = activate(b, assay_convolve(b, x, &convolution, prefix), values[ACTIVATION]->integer);
    if (assay_is_valid(x) && (assay_extent(b, x, 2) < pool || assay_extent(b, x, 3) < pool)) {
      char message[200];
      snprintf(message, sizeof message, "block %d has only %lldx%lld pixels left, too few for pool = %lld; use fewer blocks or larger images", (int)block + 1,
               (long long)assay_extent(b, x, 3), (long long)assay_extent(b, x, 2), (long long)pool);
      return assay_fail(b, message);
    }
    x = assay_max_pool2d(b, x, &pooling);
  }
  return x;
}

LAYER(conv_blocks, "blocks of convolution, activation and max pooling, channels doubling", 0, 1, 1, options, build);
