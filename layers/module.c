/* SPDX-License-Identifier: MIT
 *
 * The module layer.so: its list of layers.
 */
#include "layers.h"

extern const struct assay_plugin assay_layer_add, assay_layer_avg_pool, assay_layer_batch_norm, assay_layer_binary_cross_entropy, assay_layer_classifier,
    assay_layer_concat, assay_layer_conv2d, assay_layer_conv_blocks, assay_layer_cross_entropy, assay_layer_dense, assay_layer_dropout, assay_layer_flatten,
    assay_layer_gelu, assay_layer_global_avg_pool, assay_layer_leaky_relu, assay_layer_max_pool, assay_layer_relu, assay_layer_sigmoid, assay_layer_silu,
    assay_layer_tanh;

const struct assay_plugin *assay_plugin_query(unsigned index) {
  static const struct assay_plugin *const layers[] = {
      &assay_layer_add,        &assay_layer_avg_pool,  &assay_layer_batch_norm,    &assay_layer_binary_cross_entropy, &assay_layer_classifier,
      &assay_layer_concat,     &assay_layer_conv2d,    &assay_layer_conv_blocks,   &assay_layer_cross_entropy,        &assay_layer_dense,
      &assay_layer_dropout,    &assay_layer_flatten,   &assay_layer_gelu,          &assay_layer_global_avg_pool,      &assay_layer_leaky_relu,
      &assay_layer_max_pool,   &assay_layer_relu,      &assay_layer_sigmoid,       &assay_layer_silu,                 &assay_layer_tanh,
  };
  return index < sizeof layers / sizeof *layers ? layers[index] : NULL;
}
