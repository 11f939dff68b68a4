/* SPDX-License-Identifier: MIT
 *
 * Activations.
 */
#include "layers.h"

#define ACTIVATION(name)                                                                                                                                       \
  static assay_value name(struct assay_builder *b, const struct assay_option_value *const *values, const assay_value *inputs, uint32_t input_count)

/* Exact at x < 0 and x > 0 for slopes up to 1; equal inputs send the gradient to the first, so that it is the slope at 0, as in PyTorch. */
assay_value assay_leaky_relu(struct assay_builder *b, assay_value x, double slope) {
  return assay_max(b, assay_mul(b, x, assay_number(b, x, slope)), x);
}

ACTIVATION(relu) {
  (void)values, (void)input_count;
  return assay_relu(b, inputs[0]);
}

static const struct assay_option *const leaky_relu_options[] = {
    OPTION(.name = "slope", .type = ASSAY_OPTION_REAL, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "0.01", .minimum = 0, .maximum = 1,
           .help = "Slope for negative numbers."),
    NULL,
};
ACTIVATION(leaky_relu) {
  (void)input_count;
  return assay_leaky_relu(b, inputs[0], values[0]->real);
}

ACTIVATION(tanh_activation) {
  (void)values, (void)input_count;
  return assay_tanh(b, inputs[0]);
}

ACTIVATION(sigmoid) {
  (void)values, (void)input_count;
  return assay_sigmoid(b, inputs[0]);
}

/* Elfwing, Uchibe and Doya, 2018; Ramachandran et al., 2017 (swish). */
ACTIVATION(silu) {
  (void)values, (void)input_count;
  return assay_mul(b, inputs[0], assay_sigmoid(b, inputs[0]));
}

/* Hendrycks and Gimpel, 2016: x times the normal distribution function at x. */
static const char *const gelu_choices[] = {"none", "tanh", NULL};
static const struct assay_option *const gelu_options[] = {
    OPTION(.name = "approximation", .type = ASSAY_OPTION_CHOICE, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "none", .choices = gelu_choices,
           .help = "none: by the error function; tanh: the paper's approximation."),
    NULL,
};
ACTIVATION(gelu) {
  (void)input_count;
  const assay_value x = inputs[0];
  assay_value inner;
  if (values[0]->integer == 0) {
    inner = assay_erf(b, assay_mul(b, x, assay_number(b, x, 0.70710678118654752440)));
  } else {
    const assay_value cube = assay_mul(b, assay_mul(b, assay_mul(b, x, x), x), assay_number(b, x, 0.044715));
    inner = assay_tanh(b, assay_mul(b, assay_add(b, x, cube), assay_number(b, x, 0.79788456080286535588)));
  }
  return assay_mul(b, assay_mul(b, x, assay_number(b, x, 0.5)), assay_add(b, inner, assay_number(b, x, 1)));
}

LAYER(relu, "max(x, 0)", 0, 1, 1, NULL, relu);
LAYER(leaky_relu, "max(x, slope x)", 0, 1, 1, leaky_relu_options, leaky_relu);
LAYER(tanh, "hyperbolic tangent", 0, 1, 1, NULL, tanh_activation);
LAYER(sigmoid, "1 / (1 + exp(-x))", 0, 1, 1, NULL, sigmoid);
LAYER(silu, "x sigmoid(x), also called swish", 0, 1, 1, NULL, silu);
LAYER(gelu, "x times the normal distribution function at x", 0, 1, 1, gelu_options, gelu);
