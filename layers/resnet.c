/* SPDX-License-Identifier: MIT
 *
 * Residual networks: resnet18, 34 and 50 (He et al., "Deep residual learning", 2016), resnext50_32x4d (Xie et al., 2017), and the small ones for CIFAR of He et
 * al.'s section 4.2: resnet20, 32, 44, 56, 110, whose shortcuts have no parameters.
 */
#include "networks.h"

#include <stdio.h>

enum { MOMENTUM, EPSILON, POOL, POOL_PADDING, VARIANT };
static const char *const pool_paddings[] = {"even", "same", NULL};
#define POOL_PADDING_OPTION                                                                                                                                    \
  OPTION(.name = "pool_padding", .type = ASSAY_OPTION_CHOICE, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "even", .choices = pool_paddings,              \
         .help = "Around the 3x3 max pooling of the stem: even (as much on all sides, torchvision) or same (only where a window reaches over the edge, as "    \
                 "He et al. published it in Caffe).")
static const struct assay_option *const cifar_options[] = {NORM_OPTIONS, POOL_OPTION, NULL};
static const struct assay_option *const basic_options[] = {NORM_OPTIONS, POOL_OPTION, POOL_PADDING_OPTION, NULL};
static const char *const variants[] = {"v1_5", "v1", NULL};
static const struct assay_option *const bottleneck_options[] = {
    NORM_OPTIONS,
    POOL_OPTION,
    POOL_PADDING_OPTION,
    OPTION(.name = "variant", .type = ASSAY_OPTION_CHOICE, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "v1_5", .choices = variants,
           .help = "Where the stride of a stage stands: on the 3x3 convolution (v1_5, as torchvision) or on the first 1x1 (v1, as He et al.)."),
    NULL,
};

/* A network, and where in it the build is. */
struct network {
  struct assay_builder *b;
  struct assay_batch_norm_choice norm;
  int bottleneck, first_strided; /* first_strided: v1 */
  int pool, pool_same;
  int64_t groups, group_width;
  int padded_shortcut;
  char block[32]; /* "layer1.0" */
};

static struct network begin(struct assay_builder *b, const struct assay_option_value *const *values) {
  return (struct network){.b = b, .norm = {values[EPSILON]->real, values[MOMENTUM]->runtime}, .pool = values[POOL]->integer != 0, .groups = 1, .group_width = 64};
}

/* convN, bnN of the block at hand. */
static assay_value part(struct network *network, assay_value x, int number, struct assay_plain_convolution convolution) {
  char path[64];
  snprintf(path, sizeof path, "%s.conv%d", network->block, number);
  x = assay_plain_convolve(network->b, x, &convolution, path);
  snprintf(path, sizeof path, "%s.bn%d", network->block, number);
  return assay_path_norm(network->b, x, &network->norm, path);
}

/* Every second pixel, and zeros for the new channels, half of them on each side. */
static assay_value padded(struct assay_builder *b, assay_value x, int64_t channels) {
  struct assay_slice_attributes slice = {{0}, {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX}, {1, 1, 2, 2}};
  const int64_t more = channels - assay_extent(b, x, 1);
  const struct assay_pad_attributes pad = {.low = {0, more / 2}, .high = {0, more - more / 2}};
  return assay_pad(b, assay_emit1(b, ASSAY_OP_SLICE, x, &slice, sizeof slice), &pad);
}

static assay_value shortcut(struct network *network, assay_value x, int64_t channels, int64_t stride) {
  if (stride == 1 && assay_extent(network->b, x, 1) == channels) return x;
  if (network->padded_shortcut) return padded(network->b, x, channels);
  char path[64];
  const struct assay_plain_convolution convolution = assay_square(channels, 1, stride);
  snprintf(path, sizeof path, "%s.downsample.0", network->block);
  x = assay_plain_convolve(network->b, x, &convolution, path);
  snprintf(path, sizeof path, "%s.downsample.1", network->block);
  return assay_path_norm(network->b, x, &network->norm, path);
}

static assay_value block(struct network *network, assay_value x, int64_t planes, int64_t stride) {
  struct assay_builder *b = network->b;
  const int64_t channels = network->bottleneck ? 4 * planes : planes;
  assay_value y;
  if (network->bottleneck) {
    const int64_t width = planes * network->group_width / 64 * network->groups;
    struct assay_plain_convolution middle = assay_square(width, 3, network->first_strided ? 1 : stride);
    middle.groups = network->groups;
    y = assay_relu(b, part(network, x, 1, assay_square(width, 1, network->first_strided ? stride : 1)));
    y = part(network, assay_relu(b, part(network, y, 2, middle)), 3, assay_square(channels, 1, 1));
  } else {
    y = assay_relu(b, part(network, x, 1, assay_square(planes, 3, stride)));
    y = part(network, y, 2, assay_square(planes, 3, 1));
  }
  return assay_relu(b, assay_add(b, y, shortcut(network, x, channels, stride)));
}

static assay_value stages(struct network *network, assay_value x, int count, const int64_t *blocks, int64_t planes) {
  for (int stage = 0; stage < count; stage++)
    for (int64_t i = 0; i < blocks[stage]; i++) {
      snprintf(network->block, sizeof network->block, "layer%d.%d", stage + 1, (int)i);
      x = block(network, x, planes << stage, i == 0 && stage > 0 ? 2 : 1);
    }
  return x;
}

/* conv1, bn1, relu. */
static assay_value stem(struct network *network, assay_value x, struct assay_plain_convolution convolution) {
  return assay_relu(network->b, assay_path_norm(network->b, assay_plain_convolve(network->b, x, &convolution, "conv1"), &network->norm, "bn1"));
}

static assay_value large(struct network *network, assay_value x, const int64_t blocks[4]) {
  struct assay_pool2d_attributes pooling = {.kernel = {3, 3}, .stride = {2, 2}, .pad_low = {1, 1}, .pad_high = {1, 1}};
  x = stem(network, x, assay_square(64, 7, 2));
  if (network->pool_same) assay_pad_same(network->b, x, 3, pooling.pad_low, pooling.pad_high);
  x = assay_max_pool2d(network->b, x, &pooling);
  return assay_pooled(network->b, stages(network, x, 4, blocks, 64), network->pool);
}

static assay_value basic(struct assay_builder *b, const struct assay_option_value *const *values, assay_value x, int64_t deep) {
  struct network network = begin(b, values);
  const int64_t shallow_blocks[] = {2, 2, 2, 2}, deep_blocks[] = {3, 4, 6, 3};
  network.pool_same = values[POOL_PADDING]->integer == 1;
  return large(&network, x, deep ? deep_blocks : shallow_blocks);
}

static assay_value bottleneck(struct assay_builder *b, const struct assay_option_value *const *values, assay_value x, int64_t groups, int64_t group_width) {
  struct network network = begin(b, values);
  network.bottleneck = 1;
  network.first_strided = values[VARIANT]->integer == 1;
  network.pool_same = values[POOL_PADDING]->integer == 1;
  network.groups = groups;
  network.group_width = group_width;
  return large(&network, x, (const int64_t[]){3, 4, 6, 3});
}

/* 6 n + 2 layers: three stages of n blocks. */
static assay_value cifar(struct assay_builder *b, const struct assay_option_value *const *values, assay_value x, int64_t n) {
  struct network network = begin(b, values);
  network.padded_shortcut = 1;
  x = stem(&network, x, assay_square(16, 3, 1));
  return assay_pooled(b, stages(&network, x, 3, (const int64_t[]){n, n, n}, 16), network.pool);
}

ONE_NETWORK(resnet18, "residual network of 18 layers", 1, basic_options, basic, 0);
ONE_NETWORK(resnet34, "residual network of 34 layers", 1, basic_options, basic, 1);
ONE_NETWORK(resnet50, "residual network of 50 layers", 1, bottleneck_options, bottleneck, 1, 64);
ONE_NETWORK(resnext50_32x4d, "residual network of 50 layers, 3x3 convolutions in 32 groups", 1, bottleneck_options, bottleneck, 32, 4);
ONE_NETWORK(resnet20, "residual network of 20 layers for small images", 1, cifar_options, cifar, 3);
ONE_NETWORK(resnet32, "residual network of 32 layers for small images", 1, cifar_options, cifar, 5);
ONE_NETWORK(resnet44, "residual network of 44 layers for small images", 1, cifar_options, cifar, 7);
ONE_NETWORK(resnet56, "residual network of 56 layers for small images", 1, cifar_options, cifar, 9);
ONE_NETWORK(resnet110, "residual network of 110 layers for small images", 1, cifar_options, cifar, 18);
