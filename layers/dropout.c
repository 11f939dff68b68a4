/* SPDX-License-Identifier: MIT
 *
 * Dropout (Srivastava et al., 2014), inverted: what is kept is scaled up while training, so that nothing is to be done later. The mask
 * depends on the sample's key alone, not on the batch that the sample is in.
 */
#include "layers.h"

static const struct assay_option *const options[] = {
    OPTION(.name = "rate", .type = ASSAY_OPTION_REAL, .flags = ASSAY_OPTION_RUNTIME | ASSAY_OPTION_SEARCHABLE, .default_text = "0.5", .minimum = 0, .maximum = 0.99,
           .help = "Share of the numbers that are set to zero while training."),
    NULL,
};

assay_value assay_drop(struct assay_builder *b, assay_value x, assay_value rate) {
  if (!b->context->training) return x;
  const assay_value kept = assay_less_equal(b, rate, assay_random_like(b, x));
  const assay_value gain = assay_div(b, assay_number(b, rate, 1), assay_sub(b, assay_number(b, rate, 1), rate));
  return assay_select(b, kept, assay_mul(b, x, gain), assay_number(b, x, 0));
}

static assay_value build(struct assay_builder *b, const struct assay_option_value *const *values, const assay_value *inputs, uint32_t input_count) {
  (void)input_count;
  return assay_drop(b, inputs[0], values[0]->runtime);
}

LAYER(dropout, "sets a share of the numbers to zero while training", 0, 1, 1, options, build);
