/* SPDX-License-Identifier: MIT
 *
 * RMSProp (Tieleman and Hinton, Coursera lecture 6.5, 2012): gradients divided by the root of their running mean square; as in PyTorch,
 * epsilon outside of the root and momentum on the divided gradient.
 */
#include "gradient.h"

enum { LEARNING_RATE, SMOOTHING, MOMENTUM, EPSILON, WEIGHT_DECAY, CLIP };
static const struct assay_option *const options[] = {
    LEARNING_RATE_OPTION,
    RUNTIME_OPTION("smoothing", "0.99", 0, 0.99999, "Share of the running mean square that is kept at each step."),
    RUNTIME_OPTION("momentum", "0", 0, 0.9999, "Share of the last step that is taken again."),
    RUNTIME_OPTION("epsilon", "0.00000001", 0, 1, "Added to the root, against division by zero."),
    WEIGHT_DECAY_OPTION("0", "This times the weight is added to the gradient."),
    CLIP_OPTIONS,
    NULL,
};

static assay_value update(struct assay_builder *b, const struct assay_option_value *const *values, assay_value parameter, assay_value gradient, uint32_t role) {
  const assay_value slope = assay_penalised(b, parameter, gradient, values[WEIGHT_DECAY]->runtime, role);
  const assay_value share = assay_sub(b, assay_number(b, slope, 1), values[SMOOTHING]->runtime);
  const assay_value last_square = assay_zeros_beside(b, parameter, "square"), last = assay_zeros_beside(b, parameter, "velocity");
  const assay_value square = assay_towards(b, last_square, assay_mul(b, slope, slope), share);
  assay_assign(b, last_square, square);
  const assay_value scaled = assay_div(b, slope, assay_add(b, assay_sqrt(b, square), values[EPSILON]->runtime));
  const assay_value velocity = assay_add(b, assay_mul(b, last, values[MOMENTUM]->runtime), scaled);
  assay_assign(b, last, velocity);
  return assay_sub(b, parameter, assay_mul(b, velocity, values[LEARNING_RATE]->runtime));
}

OPTIMIZER(rmsprop, "gradients divided by the root of their running mean square", ASSAY_OPTIMIZER_ADAPTIVE, options, update, CLIP);
