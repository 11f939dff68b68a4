/* SPDX-License-Identifier: MIT
 *
 * The parts of the named networks: convolution, normalisation and linear layer under a path.
 */
#include "networks.h"

#include <math.h>
#include <stdio.h>

struct assay_plain_convolution assay_square(int64_t channels, int64_t kernel, int64_t stride) {
  const int64_t pad = (kernel - 1) / 2;
  return (struct assay_plain_convolution){channels, kernel, stride, 1, {pad, pad}, {pad, pad}};
}

assay_value assay_plain_convolve(struct assay_builder *b, assay_value x, const struct assay_plain_convolution *c, const char *path) {
  const struct assay_conv2d_attributes attributes = {.stride = {c->stride, c->stride},
                                                     .dilation = {1, 1},
                                                     .pad_low = {c->pad_low[0], c->pad_low[1]},
                                                     .pad_high = {c->pad_high[0], c->pad_high[1]},
                                                     .groups = c->groups};
  const int64_t extents[4] = {c->channels, assay_extent(b, x, 1) / c->groups, c->kernel, c->kernel};
  const double deviation = sqrt(2 / (double)(c->channels * c->kernel * c->kernel));
  char name[ASSAY_LAYER_NAME];
  snprintf(name, sizeof name, "%s.weight", path);
  return assay_conv2d(b, x, assay_parameter(b, name, 4, extents, ASSAY_INIT_NORMAL, deviation, ASSAY_ROLE_WEIGHT), &attributes);
}

void assay_pad_same(struct assay_builder *b, assay_value x, int64_t kernel, int64_t low[2], int64_t high[2]) {
  for (int axis = 0; axis < 2; axis++) {
    const int64_t extent = assay_extent(b, x, 2 + axis), total = ((extent + 1) / 2 - 1) * 2 + kernel - extent;
    low[axis] = total / 2;
    high[axis] = total - total / 2;
  }
}

assay_value assay_path_norm(struct assay_builder *b, assay_value x, const struct assay_batch_norm_choice *choice, const char *path) {
  char prefix[ASSAY_LAYER_NAME];
  snprintf(prefix, sizeof prefix, "%s.", path);
  return assay_batch_norm(b, x, choice, prefix);
}

assay_value assay_path_linear(struct assay_builder *b, assay_value x, int64_t outputs, const char *path) {
  char name[ASSAY_LAYER_NAME];
  snprintf(name, sizeof name, "%s.weight", path);
  const assay_value weight = assay_parameter(b, name, 2, (const int64_t[]){outputs, assay_extent(b, x, 1)}, ASSAY_INIT_NORMAL, 0.01, ASSAY_ROLE_WEIGHT);
  snprintf(name, sizeof name, "%s.bias", path);
  return assay_add(b, assay_matmul(b, x, weight, 0, 1), assay_parameter(b, name, 1, &outputs, ASSAY_INIT_CONSTANT, 0, ASSAY_ROLE_BIAS));
}

assay_value assay_pooled(struct assay_builder *b, assay_value x, int64_t pool) { return pool ? assay_mean(b, x, 1u << 2 | 1u << 3, 0) : x; }
