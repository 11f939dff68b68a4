/* SPDX-License-Identifier: MIT
 *
 * Initialisers, windows and the affine map: the parts that several layers share.
 */
#include "layers.h"

#include <math.h>
#include <stdio.h>

/* In step with `initialisers` below. */
const char *const assay_initialiser_choices[] = {"fan_in_uniform", "he_uniform", "he_normal", "glorot_uniform", "glorot_normal", "lecun_uniform", "lecun_normal", NULL};

static const struct {
  uint32_t initialiser;
  double argument;
} initialisers[] = {
    {ASSAY_INIT_HE_UNIFORM, 2.23606797749978969641}, /* sqrt(6 / (6 fan_in)) */
    {ASSAY_INIT_HE_UNIFORM, 0},
    {ASSAY_INIT_HE_NORMAL, 0},
    {ASSAY_INIT_GLOROT_UNIFORM, 0},
    {ASSAY_INIT_GLOROT_NORMAL, 0},
    {ASSAY_INIT_LECUN_UNIFORM, 0},
    {ASSAY_INIT_LECUN_NORMAL, 0},
};

assay_value assay_weight(struct assay_builder *b, const char *name, int32_t rank, const int64_t *extents, int64_t initialiser) {
  return assay_parameter(b, name, rank, extents, initialisers[initialiser].initialiser, initialisers[initialiser].argument, ASSAY_ROLE_WEIGHT);
}

assay_value assay_bias(struct assay_builder *b, const char *name, int64_t outputs, int64_t fan_in, int64_t initialiser) {
  if (initialiser == 0) return assay_parameter(b, name, 1, &outputs, ASSAY_INIT_UNIFORM, 1 / sqrt((double)fan_in), ASSAY_ROLE_BIAS);
  return assay_parameter(b, name, 1, &outputs, ASSAY_INIT_CONSTANT, 0, ASSAY_ROLE_BIAS);
}

void assay_height_width(struct assay_builder *b, const struct assay_option_value *option, const char *what, int64_t pair[2]) {
  pair[0] = pair[1] = 1;
  if (option->count == 1 || option->count == 2) {
    pair[0] = option->integers[0];
    pair[1] = option->integers[option->count - 1];
    return;
  }
  char message[128];
  snprintf(message, sizeof message, "%s takes one number, or height and width separated by a comma", what);
  b->host->fail(b, message);
}

assay_value assay_flat(struct assay_builder *b, assay_value x) {
  const struct assay_tensor_type *type = assay_type(b, x);
  if (type->rank == 2) return x;
  int64_t features = 1;
  for (int32_t axis = 1; axis < type->rank; axis++) features *= type->extents[axis];
  return assay_reshape(b, x, 2, (const int64_t[]){-1, features});
}

assay_value assay_affine(struct assay_builder *b, assay_value x, int64_t outputs, int bias, int64_t initialiser) {
  const int64_t features = assay_extent(b, x, 1);
  const assay_value weight = assay_weight(b, "weight", 2, (const int64_t[]){outputs, features}, initialiser);
  const assay_value y = assay_matmul(b, x, weight, 0, 1);
  return bias ? assay_add(b, y, assay_bias(b, "bias", outputs, features, initialiser)) : y;
}

int assay_is_image(struct assay_builder *b, assay_value x) {
  if (!assay_is_valid(x) || assay_type(b, x)->rank == 4) return 1;
  assay_fail(b, "needs images (N, C, H, W), but what comes in is flat already; put it before `flatten`, `dense` and `classifier`");
  return 0;
}
