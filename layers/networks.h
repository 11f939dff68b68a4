/* SPDX-License-Identifier: MIT
 *
 * What the named networks (resnet, vgg, mobilenet_v2) share. They are torchvision's architectures, with torchvision's names of parameters inside, up to the
 * features that the last linear layer reads; the layer `classifier` is that last one. Parameters start as there, too.
 */
#ifndef ASSAY_LAYERS_NETWORKS_H
#define ASSAY_LAYERS_NETWORKS_H

#include "layers.h"

#define ONE_NETWORK(identifier, line, rate, option_table, function, ...)                                                                                       \
  static assay_value build_##identifier(struct assay_builder *b, const struct assay_option_value *const *values, const assay_value *inputs, uint32_t count) { \
    (void)count;                                                                                                                                               \
    return assay_is_image(b, inputs[0]) ? function(b, values, inputs[0], __VA_ARGS__) : assay_invalid();                                                       \
  }                                                                                                                                                            \
  LAYER_AT_RATE(identifier, line, rate, 0, 1, 1, option_table, build_##identifier)

#define POOL_OPTION                                                                                                                                            \
  OPTION(.name = "pool", .type = ASSAY_OPTION_BOOL, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "yes",                                                   \
         .help = "The mean of each channel goes out, as `classifier` wants it; otherwise the last images, for layers of your own.")

/* A square convolution without bias: He et al.'s normal distribution over the outputs. */
struct assay_plain_convolution {
  int64_t channels, kernel, stride, groups;
  int64_t pad_low[2], pad_high[2]; /* height, width */
};
/* Its weight is `path`.weight. */
assay_value assay_plain_convolve(struct assay_builder *b, assay_value x, const struct assay_plain_convolution *convolution, const char *path);
/* Padding of (kernel - 1) / 2 on all sides. */
struct assay_plain_convolution assay_square(int64_t channels, int64_t kernel, int64_t stride);

/* Padding of a window with stride 2 as TensorFlow's SAME: none but what the last window reaches over, the odd one below and right. */
void assay_pad_same(struct assay_builder *b, assay_value x, int64_t kernel, int64_t low[2], int64_t high[2]);

/* Batch normalisation whose variables are `path`.weight and so on. */
assay_value assay_path_norm(struct assay_builder *b, assay_value x, const struct assay_batch_norm_choice *choice, const char *path);
/* Linear layer `path`.weight, `path`.bias, the weight normal with deviation 0.01 and the bias zero. */
assay_value assay_path_linear(struct assay_builder *b, assay_value x, int64_t outputs, const char *path);
/* The mean of each channel [N, C] where `pool` is set, else x. */
assay_value assay_pooled(struct assay_builder *b, assay_value x, int64_t pool);

#endif
