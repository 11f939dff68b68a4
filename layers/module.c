/* SPDX-License-Identifier: MIT
 *
 * The module layer.so: its list of layers.
 */
#include "layers.h"

extern const struct assay_plugin assay_layer_adaptive_avg_pool, assay_layer_add, assay_layer_avg_pool, assay_layer_batch_norm,
    assay_layer_binary_cross_entropy, assay_layer_classifier, assay_layer_concat, assay_layer_conv2d, assay_layer_conv_blocks, assay_layer_cross_entropy,
    assay_layer_dense, assay_layer_dropout, assay_layer_flatten, assay_layer_focal, assay_layer_gelu, assay_layer_global_avg_pool, assay_layer_leaky_relu,
    assay_layer_max_pool, assay_layer_mobilenet_v2, assay_layer_relu, assay_layer_resnet110, assay_layer_resnet18, assay_layer_resnet20,
    assay_layer_resnet32, assay_layer_resnet34, assay_layer_resnet44, assay_layer_resnet50, assay_layer_resnet56, assay_layer_resnext50_32x4d,
    assay_layer_sigmoid, assay_layer_silu, assay_layer_tanh, assay_layer_vgg11, assay_layer_vgg11_bn, assay_layer_vgg13, assay_layer_vgg13_bn,
    assay_layer_vgg16, assay_layer_vgg16_bn, assay_layer_vgg19, assay_layer_vgg19_bn;

const struct assay_plugin *assay_plugin_query(unsigned index) {
  static const struct assay_plugin *const layers[] = {
      &assay_layer_adaptive_avg_pool, &assay_layer_add, &assay_layer_avg_pool, &assay_layer_batch_norm, &assay_layer_binary_cross_entropy,
      &assay_layer_classifier, &assay_layer_concat, &assay_layer_conv2d, &assay_layer_conv_blocks, &assay_layer_cross_entropy, &assay_layer_dense,
      &assay_layer_dropout, &assay_layer_flatten, &assay_layer_focal, &assay_layer_gelu, &assay_layer_global_avg_pool, &assay_layer_leaky_relu, &assay_layer_max_pool,
      &assay_layer_mobilenet_v2, &assay_layer_relu, &assay_layer_resnet110, &assay_layer_resnet18, &assay_layer_resnet20, &assay_layer_resnet32,
      &assay_layer_resnet34, &assay_layer_resnet44, &assay_layer_resnet50, &assay_layer_resnet56, &assay_layer_resnext50_32x4d, &assay_layer_sigmoid,
      &assay_layer_silu, &assay_layer_tanh, &assay_layer_vgg11, &assay_layer_vgg11_bn, &assay_layer_vgg13, &assay_layer_vgg13_bn, &assay_layer_vgg16,
      &assay_layer_vgg16_bn, &assay_layer_vgg19, &assay_layer_vgg19_bn,
  };
  return index < sizeof layers / sizeof *layers ? layers[index] : NULL;
}
