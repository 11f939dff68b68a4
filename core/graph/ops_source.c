/* SPDX-License-Identifier: MIT
 *
 * Where values come from and where they go: feeds, variables, constants, random numbers, assign.
 */
#include "graph/number.h"
#include "graph/op_rules.h"

ASSAY_NORMALISER(constant) {
  (void)op, (void)inputs;
  struct assay_constant_attributes *constant = attributes;
  constant->value = assay_round_to_dtype(constant->value, constant->dtype);
  constant->reserved = 0;
}

ASSAY_NORMALISER(random) {
  (void)op, (void)inputs;
  struct assay_random_attributes *random = attributes;
  random->extents[0] = 0;
  for (int32_t axis = random->rank < 0 ? 0 : random->rank; axis < ASSAY_MAX_RANK; axis++) random->extents[axis] = 0;
}

/* The builder knows the types of feeds and variables; it never asks. */
ASSAY_SHAPE_RULE(source) {
  ASSAY_UNUSED_SHAPE;
  return ASSAY_REFUSE("feeds and variables are made by the core, not by a layer or an optimizer");
}

ASSAY_SHAPE_RULE(constant) {
  ASSAY_UNUSED_SHAPE;
  const struct assay_constant_attributes *constant = attributes;
  if (assay_dtype_size(constant->dtype) == 0) return ASSAY_REFUSE("%d is no dtype", constant->dtype);
  outputs[0] = assay_make_type(constant->dtype, 0, NULL);
  return 0;
}

ASSAY_SHAPE_RULE(random) {
  ASSAY_UNUSED_SHAPE;
  const struct assay_random_attributes *random = attributes;
  char text[ASSAY_TYPE_TEXT];
  if (inputs[0]->dtype != ASSAY_U32 || inputs[0]->rank != 2 || inputs[0]->extents[1] != 2)
    return ASSAY_REFUSE("the keys must be u32 [N, 2], two words a sample, not %s", assay_type_text(inputs[0], text));
  if (!assay_within(random->rank, 1, ASSAY_MAX_RANK)) return ASSAY_REFUSE("the result must have 1 to %d axes, not %d", ASSAY_MAX_RANK, random->rank);
  outputs[0] = assay_make_type(ASSAY_F32, random->rank, random->extents);
  outputs[0].extents[0] = inputs[0]->extents[0];
  return 0;
}

ASSAY_SHAPE_RULE(assign) {
  ASSAY_UNUSED_SHAPE;
  char left[ASSAY_TYPE_TEXT], right[ASSAY_TYPE_TEXT];
  if (!assay_same_type(inputs[0], inputs[1]))
    return ASSAY_REFUSE("a variable of type %s cannot take a value of type %s", assay_type_text(inputs[0], left), assay_type_text(inputs[1], right));
  return 0;
}
