/* SPDX-License-Identifier: MIT
 *
 * Batch normalisation (Ioffe and Szegedy, 2015): over the batch while training, by running statistics otherwise and where they are held. The running variance is
 * the unbiased one and the momentum is the weight of the new batch, as in PyTorch.
 */
#include "layers.h"

#include <stdio.h>

/* running + momentum * (measured - running) */
static void follow(struct assay_builder *b, assay_value running, assay_value measured, assay_value momentum) {
  assay_assign(b, running, assay_add(b, running, assay_mul(b, momentum, assay_sub(b, measured, running))));
}

static const char *named(char buffer[ASSAY_LAYER_NAME], const char *prefix, const char *name) {
  snprintf(buffer, ASSAY_LAYER_NAME, "%s%s", prefix, name);
  return buffer;
}

assay_value assay_batch_norm(struct assay_builder *b, assay_value x, const struct assay_batch_norm_choice *choice, const char *prefix) {
  const struct assay_tensor_type *type = assay_type(b, x);
  if (type->rank < 2) return assay_fail(b, "needs N, C, H, W or N, F");
  const int64_t channels = type->extents[1];
  const struct assay_tensor_type statistic = {ASSAY_F32, 1, {channels}};
  const struct assay_epsilon_attributes attributes = {choice->epsilon};
  char name[ASSAY_LAYER_NAME];
  const int own = *prefix == '\0';
  const assay_value scale = assay_parameter(b, named(name, prefix, own ? "scale" : "weight"), 1, &channels, ASSAY_INIT_CONSTANT, 1, ASSAY_ROLE_NORM_SCALE);
  const assay_value bias = assay_parameter(b, named(name, prefix, "bias"), 1, &channels, ASSAY_INIT_CONSTANT, 0, ASSAY_ROLE_NORM_BIAS);
  const assay_value mean = assay_state(b, named(name, prefix, own ? "mean" : "running_mean"), &statistic, 0, ASSAY_ROLE_STATISTIC);
  const assay_value variance = assay_state(b, named(name, prefix, own ? "variance" : "running_var"), &statistic, 1, ASSAY_ROLE_STATISTIC);
  if (!b->context->training || assay_is_held(b, mean)) {
    const assay_value all[5] = {x, scale, bias, mean, variance};
    return b->host->emit(b, ASSAY_OP_BATCH_NORM_INFERENCE, all, 5, &attributes, sizeof attributes);
  }
  const assay_value all[3] = {x, scale, bias};
  const assay_value y = b->host->emit(b, ASSAY_OP_BATCH_NORM_TRAINING, all, 3, &attributes, sizeof attributes);
  /* A lone value has no unbiased variance: its biased one, 0, is taken as it is. */
  const double count = (double)(assay_element_count(type) / (channels > 0 ? channels : 1));
  const assay_value measured = assay_output(y, 2);
  const assay_value unbiased = assay_mul(b, measured, assay_number(b, measured, count > 1 ? count / (count - 1) : 1));
  follow(b, mean, assay_output(y, 1), choice->momentum);
  follow(b, variance, unbiased, choice->momentum);
  return y;
}

enum { MOMENTUM, EPSILON };
static const struct assay_option *const options[] = {NORM_OPTIONS, NULL};

static assay_value build(struct assay_builder *b, const struct assay_option_value *const *values, const assay_value *inputs, uint32_t input_count) {
  (void)input_count;
  const struct assay_batch_norm_choice choice = {values[EPSILON]->real, values[MOMENTUM]->runtime};
  return assay_batch_norm(b, inputs[0], &choice, "");
}

LAYER(batch_norm, "batch normalisation", 0, 1, 1, options, build);
