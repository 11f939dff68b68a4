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

/* Lin et al., "Focal loss for dense object detection", 2017: (1 - p)^gamma * cross-entropy, p being the probability of the label. Their alpha is the core's class
 * weights. */
static const struct assay_option *const focal_options[] = {
    OPTION(.name = "gamma", .type = ASSAY_OPTION_REAL, .flags = ASSAY_OPTION_RUNTIME | ASSAY_OPTION_SEARCHABLE, .default_text = "2", .minimum = 0, .maximum = 10,
           .help = "How much less samples count that are right already; 0: as much as any, which is cross-entropy."),
    NULL,
};

static assay_value focal(struct assay_builder *b, const struct assay_option_value *const *values, const assay_value *inputs, uint32_t input_count) {
  (void)input_count;
  const int64_t classes = assay_extent(b, inputs[0], 1);
  const assay_value gamma = values[0]->runtime;
  if (classes == 1) { /* 1 - p is the probability of the other class, whose cross-entropy is exact however small it gets */
    const assay_value logits = assay_reshape(b, inputs[0], 1, (const int64_t[]){-1}), target = assay_cast(b, inputs[1], assay_type(b, logits)->dtype);
    const assay_value other = assay_sigmoid_cross_entropy(b, logits, assay_sub(b, assay_number(b, target, 1), target));
    return assay_mul(b, assay_exp(b, assay_negate(b, assay_mul(b, gamma, other))), assay_sigmoid_cross_entropy(b, logits, target));
  }
  const assay_value losses = assay_softmax_cross_entropy(b, inputs[0], assay_one_hot(b, inputs[1], classes));
  const assay_value rest = assay_sub(b, assay_number(b, losses, 1), assay_exp(b, assay_negate(b, losses)));
  return assay_mul(b, assay_exp(b, assay_mul(b, gamma, assay_log(b, assay_max(b, rest, assay_number(b, losses, 1e-7))))), losses);
}

LAYER(cross_entropy, "softmax and cross-entropy; sigmoid and binary cross-entropy for one logit", ASSAY_LAYER_LOSS, 2, 2, options, cross_entropy);
LAYER(binary_cross_entropy, "sigmoid and binary cross-entropy, for one logit", ASSAY_LAYER_LOSS, 2, 2, options, binary_cross_entropy);
LAYER(focal, "focal loss: cross-entropy in which samples that are right already count less", ASSAY_LAYER_LOSS, 2, 2, focal_options, focal);
