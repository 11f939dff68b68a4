/* SPDX-License-Identifier: MIT
 *
 * vgg11, 13, 16, 19 (Simonyan and Zisserman, 2015), and the same with batch normalisation: stacks of 3x3 convolutions, two hidden linear layers.
 */
#include "networks.h"

#include <stdio.h>

enum { HIDDEN, DROPOUT, NORMS };
#define HEAD_OPTIONS                                                                                                                                           \
  OPTION(.name = "hidden", .type = ASSAY_OPTION_INT, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "4096", .minimum = 0, .maximum = 65536,                 \
         .help = "Units of each of the two hidden linear layers; 0: none, the mean of each channel goes out."),                                                \
      OPTION(.name = "dropout", .type = ASSAY_OPTION_REAL, .flags = ASSAY_OPTION_RUNTIME | ASSAY_OPTION_SEARCHABLE, .default_text = "0.5", .minimum = 0,       \
             .maximum = 0.99, .help = "Share of the hidden units that are set to zero while training.")
static const struct assay_option *const plain_options[] = {HEAD_OPTIONS, NULL};
static const struct assay_option *const norm_options[] = {HEAD_OPTIONS, NORM_OPTIONS, NULL};

/* features.N: the convolution with its bias. */
static assay_value convolve(struct assay_builder *b, assay_value x, int64_t channels, const char *path) {
  const struct assay_plain_convolution convolution = assay_square(channels, 3, 1);
  char name[ASSAY_LAYER_NAME];
  snprintf(name, sizeof name, "%s.bias", path);
  const assay_value y = assay_plain_convolve(b, x, &convolution, path);
  const assay_value bias = assay_parameter(b, name, 1, &channels, ASSAY_INIT_CONSTANT, 0, ASSAY_ROLE_BIAS);
  return assay_add(b, y, assay_reshape(b, bias, 3, (const int64_t[]){channels, 1, 1}));
}

static assay_value hidden(struct assay_builder *b, assay_value x, const struct assay_option_value *const *values, const char *path) {
  return assay_drop(b, assay_relu(b, assay_path_linear(b, x, values[HIDDEN]->integer, path)), values[DROPOUT]->runtime);
}

/* `counts`: convolutions of each of the five stages. */
static assay_value vgg(struct assay_builder *b, const struct assay_option_value *const *values, assay_value x, int normed, const int64_t counts[5]) {
  static const int64_t channels[5] = {64, 128, 256, 512, 512};
  const struct assay_pool2d_attributes pooling = {.kernel = {2, 2}, .stride = {2, 2}};
  int number = 0; /* of the module in torchvision's `features` */
  for (int stage = 0; stage < 5; stage++) {
    for (int64_t i = 0; i < counts[stage]; i++) {
      char path[32];
      snprintf(path, sizeof path, "features.%d", number++);
      x = convolve(b, x, channels[stage], path);
      if (normed) {
        const struct assay_batch_norm_choice choice = {values[NORMS + 1]->real, values[NORMS]->runtime};
        snprintf(path, sizeof path, "features.%d", number++);
        x = assay_path_norm(b, x, &choice, path);
      }
      x = assay_relu(b, x);
      number++;
    }
    x = assay_max_pool2d(b, x, &pooling);
    number++;
  }
  if (values[HIDDEN]->integer == 0) return assay_pooled(b, x, 1);
  x = hidden(b, assay_flat(b, assay_adaptive_mean(b, x, 7, 7)), values, "classifier.0");
  return hidden(b, x, values, "classifier.3");
}

/* Adam's first steps at its usual rate throw the first linear layer off: each of 25,088 inputs moves an output by that much at once. */
#define RATE 0.1
static const int64_t counts11[5] = {1, 1, 2, 2, 2}, counts13[5] = {2, 2, 2, 2, 2}, counts16[5] = {2, 2, 3, 3, 3}, counts19[5] = {2, 2, 4, 4, 4};

ONE_NETWORK(vgg11, "VGG of 11 layers", RATE, plain_options, vgg, 0, counts11);
ONE_NETWORK(vgg13, "VGG of 13 layers", RATE, plain_options, vgg, 0, counts13);
ONE_NETWORK(vgg16, "VGG of 16 layers", RATE, plain_options, vgg, 0, counts16);
ONE_NETWORK(vgg19, "VGG of 19 layers", RATE, plain_options, vgg, 0, counts19);
ONE_NETWORK(vgg11_bn, "VGG of 11 layers with batch normalisation", RATE, norm_options, vgg, 1, counts11);
ONE_NETWORK(vgg13_bn, "VGG of 13 layers with batch normalisation", RATE, norm_options, vgg, 1, counts13);
ONE_NETWORK(vgg16_bn, "VGG of 16 layers with batch normalisation", RATE, norm_options, vgg, 1, counts16);
ONE_NETWORK(vgg19_bn, "VGG of 19 layers with batch normalisation", RATE, norm_options, vgg, 1, counts19);
