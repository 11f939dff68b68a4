/* SPDX-License-Identifier: MIT
 *
 * Layers, losses among them: they compose ops on values and leave gradients to the core.
 */
#ifndef ASSAY_LAYER_H
#define ASSAY_LAYER_H

#include <assay/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

enum assay_layer_flags {
  ASSAY_LAYER_LOSS = 1 << 0 /* named in `[train] loss`; inputs are the logits f32 [N, C] (or [N, 1] for two classes: the log-odds of class 1) and
                               the labels i32 [N]; the result is a loss a sample, f32 [N]. The core weights and averages it. Mixup builds
                               it twice, for two labels a sample. */
};

struct assay_layer {
  uint32_t struct_size;
  uint32_t flags;
  uint32_t input_count_min, input_count_max; /* UINT32_MAX: any number */
  /* Gives the layer's output for inputs of N, C, H, W or N, F. `options` is parallel to the descriptor's option table. Called once a
   * function (training, evaluation) with the same options, and must then ask for the same variables. */
  assay_value (*build)(struct assay_builder *builder, const struct assay_option_value *const *options, const assay_value *inputs, uint32_t input_count);
  /* Optional (since 1.2): above 0, what the learning rate of an optimizer with ASSAY_OPTIMIZER_ADAPTIVE is multiplied by where the user leaves it to its
   * default. For layers that steps of the usual length throw off, as VGG's first linear one with its 25,088 inputs, each of which moves an output by as much. */
  double adaptive_rate;
};

/* Without what was added since 1.0. */
#define ASSAY_LAYER_LEAST_SIZE ((uint32_t)offsetof(struct assay_layer, adaptive_rate))

#ifdef __cplusplus
}
#endif
#endif
