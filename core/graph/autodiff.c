/* SPDX-License-Identifier: MIT
 *
 * Reverse-mode differentiation. Walks back from the seeds through nodes that depend on something wanted, and emits nothing else. Gradients are nodes like any
 * other, so they can be differentiated again. Composites without a rule are differentiated through their decomposition, emitted for that purpose.
 */
#include "graph/builder.h"

#include "graph/op_rules.h"

#include <stdio.h>
#include <stdlib.h>

struct sweep {
  struct assay_function_builder *builder;
  struct assay_builder *b;
  uint32_t first, last;  /* nodes */
  uint32_t value_count;  /* when the sweep began */
  bool *needs;           /* by value: something wanted is upstream */
  assay_value *gradient; /* by value; invalid: nothing has flown */
};

/* ---- What depends on what ---- */

static bool passes(const struct assay_op_info *info) {
  return info->gradient != NULL || info->flags & (ASSAY_OP_COMPOSITE | ASSAY_OP_NO_DERIVATIVE);
}

static void mark_needs(struct sweep *sweep, const assay_value *wrt, uint32_t wrt_count) {
  for (uint32_t i = 0; i < wrt_count; i++) sweep->needs[wrt[i].id] = true;
  for (uint32_t n = sweep->first; n < sweep->last; n++) {
    const struct assay_node *node = sweep->builder->nodes[n];
    if (!passes(assay_op_info(node->op))) continue;
    bool any = false;
    for (uint32_t i = 0; i < node->input_count; i++) any |= sweep->needs[node->inputs[i]];
    for (uint32_t i = 0; any && i < node->output_count; i++) {
      const int32_t output = node->first_output + (int32_t)i;
      sweep->needs[output] |= assay_dtype_is_float(sweep->builder->types[output]->dtype);
    }
  }
}

/* ---- One node ---- */

static void accumulate(struct sweep *sweep, int32_t value, assay_value share) {
  assay_value *sum = &sweep->gradient[value];
  *sum = assay_is_valid(*sum) ? assay_add(sweep->b, *sum, share) : share;
}

static void refuse(struct sweep *sweep, const struct assay_op_info *info) {
  struct assay_status cause;
  assay_status_set(&cause, ASSAY_E_UNSUPPORTED, "has no rule for its derivative");
  assay_builder_refuse(sweep->builder, info->name, &cause);
}

/* Emits the decomposition and goes back through it. */
static void through_decomposition(struct sweep *sweep, const struct assay_op_info *info, const struct assay_node *node, const assay_value *inputs,
                                  const assay_value *output_gradients, const bool *wanted, assay_value *gradients) {
  assay_value outputs[4] = {{-1}, {-1}, {-1}, {-1}}, seeds[4], seed_gradients[4], wrt[8];
  uint32_t seed_count = 0, wrt_count = 0;
  const uint32_t first = sweep->builder->node_count;
  info->decompose(sweep->b, node, inputs, outputs);
  for (uint32_t i = 0; i < node->output_count; i++) {
    if (!assay_is_valid(output_gradients[i])) continue;
    seeds[seed_count] = outputs[i];
    seed_gradients[seed_count++] = output_gradients[i];
  }
  for (uint32_t i = 0; i < node->input_count; i++)
    if (wanted[i]) wrt[wrt_count++] = inputs[i];
  assay_value found[8];
  assay_builder_reverse(sweep->builder, first, sweep->builder->node_count, seeds, seed_gradients, seed_count, wrt, wrt_count, found);
  /* An input given twice has its whole gradient under one of its places. */
  for (uint32_t i = 0, k = 0; i < node->input_count; i++) {
    if (!wanted[i]) continue;
    bool again = false;
    for (uint32_t j = 0; j < i; j++) again |= wanted[j] && inputs[j].id == inputs[i].id;
    gradients[i] = again ? assay_invalid() : found[k];
    k++;
  }
}

/* Lists a node brings along; on the heap for wide concats. */
struct lists {
  assay_value *inputs, *gradients;
  bool *wanted;
};

static void apply_rule(struct sweep *sweep, const struct assay_node *node, const struct lists *lists) {
  const struct assay_op_info *info = assay_op_info(node->op);
  assay_value outputs[4], output_gradients[4];
  for (uint32_t i = 0; i < node->output_count; i++) {
    outputs[i] = (assay_value){node->first_output + (int32_t)i};
    output_gradients[i] = sweep->gradient[outputs[i].id];
  }
  for (uint32_t i = 0; i < node->input_count; i++) {
    lists->inputs[i] = (assay_value){node->inputs[i]};
    lists->wanted[i] = sweep->needs[node->inputs[i]];
    lists->gradients[i] = assay_invalid();
  }
  if (info->gradient != NULL) info->gradient(sweep->b, node, lists->inputs, outputs, output_gradients, lists->wanted, lists->gradients);
  else if (info->decompose != NULL) through_decomposition(sweep, info, node, lists->inputs, output_gradients, lists->wanted, lists->gradients);
  else refuse(sweep, info);
  for (uint32_t i = 0; i < node->input_count; i++) {
    if (!lists->wanted[i] || !assay_is_valid(lists->gradients[i])) continue;
    assay_value share = lists->gradients[i];
    if (info->flags & ASSAY_OP_ELEMENTWISE) share = assay_unbroadcast(sweep->b, share, sweep->builder->types[node->inputs[i]]);
    accumulate(sweep, node->inputs[i], share);
  }
}

/* Has a gradient arrived, and does someone upstream want it? */
static bool is_active(const struct sweep *sweep, const struct assay_node *node) {
  if (!passes(assay_op_info(node->op))) return false;
  bool arrived = false, wanted = false;
  for (uint32_t i = 0; i < node->output_count; i++) {
    const int32_t output = node->first_output + (int32_t)i;
    arrived |= assay_is_valid(sweep->gradient[output]);
  }
  for (uint32_t i = 0; i < node->input_count; i++) wanted |= sweep->needs[node->inputs[i]];
  return arrived && wanted;
}

static bool go_back(struct sweep *sweep) {
  const char *origin = sweep->builder->origin;
  bool enough_memory = true;
  for (uint32_t n = sweep->last; n-- > sweep->first && enough_memory && sweep->builder->status.code == 0;) {
    const struct assay_node *node = sweep->builder->nodes[n];
    if (!is_active(sweep, node)) continue;
    struct lists lists = {calloc(node->input_count, sizeof *lists.inputs), calloc(node->input_count, sizeof *lists.gradients),
                          calloc(node->input_count, sizeof *lists.wanted)};
    enough_memory = lists.inputs != NULL && lists.gradients != NULL && lists.wanted != NULL;
    sweep->builder->origin = node->origin;
    if (enough_memory) apply_rule(sweep, node, &lists);
    free(lists.inputs);
    free(lists.gradients);
    free(lists.wanted);
  }
  sweep->builder->origin = origin;
  return enough_memory;
}

void assay_builder_reverse(struct assay_function_builder *builder, uint32_t first, uint32_t last, const assay_value *seeds, const assay_value *seed_gradients,
                           uint32_t seed_count, const assay_value *wrt, uint32_t wrt_count, assay_value *gradients) {
  for (uint32_t i = 0; i < wrt_count; i++) gradients[i] = assay_invalid();
  if (builder->status.code != 0) return;
  struct sweep sweep = {builder, &builder->base, first, last, builder->value_count, NULL, NULL};
  sweep.needs = calloc((size_t)sweep.value_count + 1, sizeof *sweep.needs);
  sweep.gradient = malloc(((size_t)sweep.value_count + 1) * sizeof *sweep.gradient);
  bool enough_memory = sweep.needs != NULL && sweep.gradient != NULL;
  if (enough_memory) {
    for (uint32_t i = 0; i < sweep.value_count; i++) sweep.gradient[i] = assay_invalid();
    mark_needs(&sweep, wrt, wrt_count);
    for (uint32_t i = 0; i < seed_count; i++) accumulate(&sweep, seeds[i].id, seed_gradients[i]);
    enough_memory = go_back(&sweep);
    for (uint32_t i = 0; i < wrt_count; i++) gradients[i] = sweep.gradient[wrt[i].id];
  }
  if (!enough_memory) assay_builder_out_of_memory(builder);
  free(sweep.needs);
  free(sweep.gradient);
}

/* ---- The door ---- */

static bool check_arguments(struct assay_function_builder *builder, assay_value loss, const assay_value *wrt, uint32_t count) {
  struct assay_status cause = {0, {0}};
  for (uint32_t i = 0; i <= count; i++) {
    const assay_value value = i == 0 ? loss : wrt[i - 1];
    if (value.id < 0 || (uint32_t)value.id >= builder->value_count)
      assay_status_set(&cause, ASSAY_E_CONFIG, "%s is not a value of this function", i == 0 ? "the loss" : "what it is taken by");
    else if (!assay_dtype_is_float(builder->types[value.id]->dtype))
      assay_status_set(&cause, ASSAY_E_CONFIG, "%s is %s, not a float", i == 0 ? "the loss" : "what it is taken by",
                       assay_dtype_name(builder->types[value.id]->dtype));
  }
  if (cause.code != 0) assay_builder_refuse(builder, "gradient", &cause);
  return cause.code == 0;
}

void assay_builder_gradient(struct assay_builder *b, assay_value loss, const assay_value *wrt, uint32_t count, assay_value *gradients) {
  struct assay_function_builder *builder = assay_inside(b);
  for (uint32_t i = 0; i < count; i++) gradients[i] = assay_invalid();
  if (builder->status.code != 0 || !check_arguments(builder, loss, wrt, count)) return;
  const uint32_t last = builder->node_count;
  const assay_value seed = assay_filled(b, builder->types[loss.id], 1);
  assay_builder_reverse(builder, 0, last, &loss, &seed, 1, wrt, count, gradients);
  for (uint32_t i = 0; i < count; i++) {
    if (builder->status.code != 0) gradients[i] = assay_invalid();
    else if (!assay_is_valid(gradients[i])) gradients[i] = assay_filled(b, builder->types[wrt[i].id], 0);
  }
}
