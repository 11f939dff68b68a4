/* SPDX-License-Identifier: MIT
 *
 * Losses: logits and labels to a loss a sample. Class weights are no business of theirs: the core weights samples.
 *
 * Label smoothing (Szegedy et al., 2016): the target is (1 - s) for the label plus s / classes for every class.
 */
#include "layers.h"

static const struct assay_option *const options[] = {
    OPTION(.name = "label_smoothing", .type = ASSAY_OPTION_REAL, .flags = ASSAY_OPTION_RUNTIME | ASSAY_OPTION_SEARCHABLE, .default_text = "0", .minimum = 0, .maximum = 1,
           .help = "Share of each target that is spread evenly over all classes."),
    NULL,
};

/* target * (1 - s) + s / classes */
static assay_value smooth(struct assay_builder *b, assay_value target, assay_value smoothing, int64_t classes) {
  const assay_value kept = assay_sub(b, assay_number(b, smoothing, 1), smoothing);
  return assay_add(b, assay_mul(b, target, kept), assay_mul(b, smoothing, assay_number(b, smoothing, 1.0 / (double)classes)));
}

/* One logit: the log-odds of class 1. */
static assay_value two_classes(struct assay_builder *b, assay_value logits, assay_value labels, assay_value smoothing) {
  const assay_value target = assay_cast(b, labels, assay_type(b, logits)->dtype);
  return assay_sigmoid_cross_entropy(b, assay_reshape(b, logits, 1, (const int64_t[]){-1}), smooth(b, target, smoothing, 2));
}

static assay_value cross_entropy(struct assay_builder *b, const struct assay_option_value *const *values, const assay_value *inputs, uint32_t input_count) {
  (void)input_count;
  const int64_t classes = assay_extent(b, inputs[0], 1);
  if (classes == 1) return two_classes(b, inputs[0], inputs[1], values[0]->runtime);
  return assay_softmax_cross_entropy(b, inputs[0], smooth(b, assay_one_hot(b, inputs[1], classes), values[0]->runtime, classes));
}

static assay_value binary_cross_entropy(struct assay_builder *b, const struct assay_option_value *const *values, const assay_value *inputs, uint32_t input_count) {
  (void)input_count;
  if (assay_is_valid(inputs[0]) && assay_extent(b, inputs[0], 1) != 1)
    return assay_fail(b, "needs one logit a sample, that is, two classes and a network that ends in `classifier` or in `dense` with one unit; use cross_entropy");
  return two_classes(b, inputs[0], inputs[1], values[0]->runtime);
}

LAYER(cross_entropy, "softmax and cross-entropy; sigmoid and binary cross-entropy for one logit", ASSAY_LAYER_LOSS, 2, 2, options, cross_entropy);
LAYER(binary_cross_entropy, "sigmoid and binary cross-entropy, for one logit", ASSAY_LAYER_LOSS, 2, 2, options, binary_cross_entropy);
