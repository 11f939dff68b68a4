/* SPDX-License-Identifier: MIT
 *
 * Stochastic gradient descent with momentum, in the form of Sutskever et al., 2013, as PyTorch has it: the velocity sums gradients, the
 * rate multiplies the velocity.
 */
#include "gradient.h"

enum { LEARNING_RATE, MOMENTUM, NESTEROV, WEIGHT_DECAY, CLIP };
static const struct assay_option *const options[] = {
    LEARNING_RATE_OPTION,
    RUNTIME_OPTION("momentum", "0.9", 0, 0.9999, "Share of the last step that is taken again; 0: plain gradient descent."),
    OPTION(.name = "nesterov", .type = ASSAY_OPTION_BOOL, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "no", .help = "Look ahead by one momentum step (Nesterov, 1983)."),
    WEIGHT_DECAY_OPTION("0", "This times the weight is added to the gradient."),
    CLIP_OPTIONS,
    NULL,
};

static assay_value update(struct assay_builder *b, const struct assay_option_value *const *values, assay_value parameter, assay_value gradient, uint32_t role) {
  const assay_value momentum = values[MOMENTUM]->runtime;
  const assay_value slope = assay_penalised(b, parameter, gradient, values[WEIGHT_DECAY]->runtime, role);
  const assay_value last = assay_zeros_beside(b, parameter, "velocity");
  const assay_value velocity = assay_add(b, assay_mul(b, last, momentum), slope);
  assay_assign(b, last, velocity);
  const assay_value direction = values[NESTEROV]->integer ? assay_add(b, slope, assay_mul(b, velocity, momentum)) : velocity;
  return assay_sub(b, parameter, assay_mul(b, direction, values[LEARNING_RATE]->runtime));
}

OPTIMIZER(sgd, "stochastic gradient descent with momentum", 0, options, update, CLIP);
