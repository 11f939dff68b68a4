/* SPDX-License-Identifier: MIT
 *
 * Gradients and what the optimizer makes of them: those of a whole batch, or those of its pieces, added up in variables until the batch is complete.
 */
#include "train/build.h"

#include "base/arena.h"

#include <assay/optimizer.h>

/* Trained parameters and their gradients, in the order of the program's variables. */
struct gradients {
  assay_value *parameters, *gradients;
  uint32_t count;
};

/* All trained variables, their gradients still to be found; count 0 when memory is short. */
static struct gradients list_parameters(struct build *build) {
  const uint32_t variables = assay_program_variable_count(build->program);
  struct gradients made = {ASSAY_NEW_ARRAY(build->arena, assay_value, variables), ASSAY_NEW_ARRAY(build->arena, assay_value, variables), 0};
  if (made.parameters == NULL || made.gradients == NULL) {
    assay_build_fail(build, "out of memory");
    return made;
  }
  for (uint32_t i = 0; i < variables; i++)
    if (assay_build_trains(build, assay_program_variable(build->program, i)->base.role, i)) made.parameters[made.count++] = assay_builder_variable(build->b, i);
  return made;
}

/* Gradients of `loss` for all trained variables. */
static struct gradients differentiate(struct build *build, assay_value loss) {
  struct gradients made = list_parameters(build);
  assay_builder_gradient(build->b, loss, made.parameters, made.count, made.gradients);
  return made;
}

/* Where the gradients of pieces are added up: a variable a parameter, and one for the weights of their samples. The slash keeps them apart from layers'. */
static assay_value gathered(struct build *build, assay_value parameter) {
  const int32_t index = assay_builder_variable_index(build->b, parameter);
  if (index < 0) return assay_invalid(); /* the build has failed already */
  const struct assay_variable *variable = &assay_program_variable(build->program, (uint32_t)index)->base;
  const char *name = assay_arena_print(build->arena, "gathered/%s", variable->name);
  if (name == NULL) return assay_fail(build->b, "out of memory");
  assay_builder_scope(build->b, NULL, NULL);
  return assay_state(build->b, name, &variable->type, 0, ASSAY_ROLE_OPTIMIZER);
}

static assay_value gathered_weight(struct build *build) {
  const struct assay_tensor_type type = {ASSAY_F32, 0, {0}};
  assay_builder_scope(build->b, NULL, NULL);
  return assay_state(build->b, "gathered/weight", &type, 0, ASSAY_ROLE_OPTIMIZER);
}

void assay_build_gather(struct build *build, assay_value total, assay_value piece_weight) {
  struct assay_builder *b = build->b;
  const struct gradients piece = differentiate(build, total);
  for (uint32_t i = 0; i < piece.count; i++) {
    const assay_value sum = gathered(build, piece.parameters[i]);
    assay_assign(b, sum, assay_add(b, sum, piece.gradients[i]));
  }
  const assay_value weight = gathered_weight(build);
  assay_assign(b, weight, assay_add(b, weight, piece_weight));
}

/* The gradients of a whole batch's mean loss from those of its pieces, which start at zero again. */
static struct gradients take_gathered(struct build *build) {
  struct assay_builder *b = build->b;
  struct gradients whole = list_parameters(build);
  const assay_value weight = gathered_weight(build), divisor = assay_max(b, weight, assay_number(b, weight, 1e-20));
  for (uint32_t i = 0; i < whole.count; i++) {
    const assay_value sum = gathered(build, whole.parameters[i]);
    const struct assay_tensor_type *type = assay_type(b, sum);
    whole.gradients[i] = assay_div(b, sum, divisor);
    assay_assign(b, sum, assay_broadcast(b, assay_number(b, sum, 0), type->rank, type->extents));
  }
  assay_assign(b, weight, assay_number(b, weight, 0));
  return whole;
}

/* What the optimizer makes of the gradients. */
static void update(struct build *build, const struct gradients *given) {
  struct assay_builder *b = build->b;
  const struct assay_component *component = &build->settings->optimizer;
  const struct assay_optimizer *vtable = component->plugin->vtable;
  const struct assay_option_value *const *values = assay_build_enter(build, component);
  const struct assay_option_value *const *const *groups = values == NULL ? NULL : assay_build_groups(build, values);
  const double ema = build->settings->train.ema;
  const assay_value share = ema > 0 ? assay_build_option(build, ema) : assay_invalid();
  if (groups == NULL) {
    assay_build_fail(build, "out of memory");
    return;
  }
  if (vtable->prepare != NULL) vtable->prepare(b, values, given->gradients, given->count);
  for (uint32_t i = 0; i < given->count; i++) {
    const int32_t index = assay_builder_variable_index(b, given->parameters[i]);
    if (index < 0) return; /* the build has failed already */
    const struct assay_variable_definition *parameter = assay_program_variable(build->program, (uint32_t)index);
    assay_builder_scope(b, parameter->base.name, component->where);
    const uint32_t group = build->tuning != NULL && (uint32_t)index < build->tuning->variable_count ? build->tuning->groups[index] : 0;
    const assay_value value = vtable->update(b, groups[group], given->parameters[i], given->gradients[i], parameter->base.role);
    assay_assign(b, given->parameters[i], value);
    if (ema > 0) assay_build_follow(b, value, share);
  }
}

void assay_build_update(struct build *build, assay_value loss) {
  const struct gradients gradients = differentiate(build, loss);
  update(build, &gradients);
}

void assay_build_update_gathered(struct build *build) {
  const struct gradients gradients = take_gathered(build);
  update(build, &gradients);
}
