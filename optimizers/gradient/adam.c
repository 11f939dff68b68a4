/* SPDX-License-Identifier: MIT
 *
 * Adam (Kingma and Ba, 2015) and AdamW, which decays weights apart from the gradient (Loshchilov and Hutter, 2019).
 */
#include "gradient.h"

enum { LEARNING_RATE, BETA1, BETA2, EPSILON, WEIGHT_DECAY, CLIP };
#define MOMENT_OPTIONS                                                                                                                                         \
  LEARNING_RATE_OPTION, RUNTIME_OPTION("beta1", "0.9", 0, 0.9999, "Share of the running mean of gradients that is kept at each step."),                        \
      RUNTIME_OPTION("beta2", "0.999", 0, 0.99999, "Share of the running mean of squared gradients that is kept at each step."),                               \
      RUNTIME_OPTION("epsilon", "0.00000001", 0, 1, "Added to the root, against division by zero.")
static const struct assay_option *const adam_options[] = {MOMENT_OPTIONS, WEIGHT_DECAY_OPTION("0", "This times the weight is added to the gradient."), CLIP_OPTIONS, NULL};
static const struct assay_option *const adamw_options[] = {
    MOMENT_OPTIONS, WEIGHT_DECAY_OPTION("0.01", "This times the learning rate is the share of each weight that is taken off at each step."),
    CLIP_OPTIONS, NULL};

/* 1 - beta^step. As 1 - exp(-u) = 2 tanh(u/2) / (1 + tanh(u/2)), since the plain difference has few digits in f32 while beta^step is near 1. */
static assay_value one_minus_power(struct assay_builder *b, assay_value beta) {
  const assay_value half = assay_mul(b, assay_mul(b, b->context->step, assay_log(b, beta)), assay_number(b, beta, -0.5));
  const assay_value t = assay_tanh(b, half);
  return assay_div(b, assay_mul(b, t, assay_number(b, t, 2)), assay_add(b, t, assay_number(b, t, 1)));
}

/* The parameter after a step of `rate` along the corrected moments of `slope`. */
static assay_value step(struct assay_builder *b, const struct assay_option_value *const *values, assay_value parameter, assay_value slope) {
  const assay_value beta1 = values[BETA1]->runtime, beta2 = values[BETA2]->runtime, one = assay_number(b, beta1, 1);
  const assay_value last_mean = assay_zeros_beside(b, parameter, "mean"), last_square = assay_zeros_beside(b, parameter, "square");
  const assay_value mean = assay_towards(b, last_mean, slope, assay_sub(b, one, beta1));
  const assay_value square = assay_towards(b, last_square, assay_mul(b, slope, slope), assay_sub(b, one, beta2));
  assay_assign(b, last_mean, mean);
  assay_assign(b, last_square, square);
  const assay_value root_correction = assay_div(b, one, assay_sqrt(b, one_minus_power(b, beta2)));
  const assay_value length = assay_div(b, values[LEARNING_RATE]->runtime, one_minus_power(b, beta1));
  const assay_value denominator = assay_add(b, assay_mul(b, assay_sqrt(b, square), root_correction), values[EPSILON]->runtime);
  return assay_sub(b, parameter, assay_mul(b, assay_div(b, mean, denominator), length));
}

static assay_value adam(struct assay_builder *b, const struct assay_option_value *const *values, assay_value parameter, assay_value gradient, uint32_t role) {
  return step(b, values, parameter, assay_penalised(b, parameter, gradient, values[WEIGHT_DECAY]->runtime, role));
}

static assay_value adamw(struct assay_builder *b, const struct assay_option_value *const *values, assay_value parameter, assay_value gradient, uint32_t role) {
  if (role != ASSAY_ROLE_WEIGHT) return step(b, values, parameter, gradient);
  const assay_value share = assay_mul(b, values[LEARNING_RATE]->runtime, values[WEIGHT_DECAY]->runtime);
  return step(b, values, assay_mul(b, parameter, assay_sub(b, assay_number(b, share, 1), share)), gradient);
}

OPTIMIZER(adam, "adaptive moments", ASSAY_OPTIMIZER_ADAPTIVE, adam_options, adam, CLIP);
OPTIMIZER(adamw, "adaptive moments with decoupled weight decay", ASSAY_OPTIMIZER_ADAPTIVE, adamw_options, adamw, CLIP);
