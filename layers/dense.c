/* SPDX-License-Identifier: MIT
 *
 * Flat layers: flatten, dense, and the classifier that ends a network.
 */
#include "layers.h"

static assay_value flatten(struct assay_builder *b, const struct assay_option_value *const *values, const assay_value *inputs, uint32_t input_count) {
  (void)values, (void)input_count;
  return assay_flat(b, inputs[0]);
}

LAYER(flatten, "all numbers of a sample in one row", 0, 1, 1, NULL, flatten);

enum { UNITS, DENSE_BIAS, DENSE_INITIALISER };
static const struct assay_option *const dense_options[] = {
    OPTION(.name = "units", .type = ASSAY_OPTION_INT, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "64", .minimum = 1, .maximum = 1048576,
           .help = "Numbers a sample that go out."),
    BIAS_OPTION,
    INITIALISER_OPTION,
    NULL,
};

static assay_value dense(struct assay_builder *b, const struct assay_option_value *const *values, const assay_value *inputs, uint32_t input_count) {
  (void)input_count;
  return assay_affine(b, assay_flat(b, inputs[0]), values[UNITS]->integer, (int)values[DENSE_BIAS]->integer, values[DENSE_INITIALISER]->integer);
}

LAYER(dense, "fully connected layer; images are made flat first", 0, 1, 1, dense_options, dense);

enum { CLASSIFIER_BIAS, CLASSIFIER_INITIALISER };
static const struct assay_option *const classifier_options[] = {BIAS_OPTION, INITIALISER_OPTION, NULL};

static assay_value classifier(struct assay_builder *b, const struct assay_option_value *const *values, const assay_value *inputs, uint32_t input_count) {
  (void)input_count;
  const int64_t classes = b->context->classes;
  return assay_affine(b, assay_flat(b, inputs[0]), classes == 2 ? 1 : classes, (int)values[CLASSIFIER_BIAS]->integer, values[CLASSIFIER_INITIALISER]->integer);
}

LAYER(classifier, "flatten and dense to the classes: one logit for two classes, else one a class", 0, 1, 1, classifier_options, classifier);
