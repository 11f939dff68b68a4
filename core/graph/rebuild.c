/* SPDX-License-Identifier: MIT
 *
 * Functions built again from functions: the common ground of simplification, dead-code removal, decomposition and replay.
 */
#include "graph/builder.h"

#include "graph/op_rules.h"

#include <stdlib.h>
#include <string.h>

/* ---- Dead code ---- */

/* Sets live[node] for whatever a fetch or an effect needs; gives how many. */
static uint32_t mark_live(const struct assay_function *function, bool *live) {
  const struct assay_graph *graph = function->graph;
  uint32_t count = 0;
  for (uint32_t i = 0; i < function->fetch_count; i++) live[graph->producers[function->fetches[i]]] = true;
  for (uint32_t i = graph->node_count; i-- > 0;) {
    const struct assay_node *node = graph->nodes[i];
    if (assay_op_info(node->op)->flags & ASSAY_OP_EFFECT || node->op == ASSAY_OP_INPUT) live[i] = true;
    if (!live[i]) continue;
    count++;
    for (uint32_t k = 0; k < node->input_count; k++) live[graph->producers[node->inputs[k]]] = true;
  }
  return count;
}

/* ---- Rebuilding ---- */

struct rebuild {
  struct assay_function_builder *builder;
  struct assay_builder *b;
  const struct assay_function *function;
  const bool *live;
  const bool *decompose; /* NULL: none */
  assay_value *map;      /* by old value */
  const char *last_origin, *last_copy;
};

static void take_origin(struct rebuild *r, const char *origin) {
  if (origin != r->last_origin) {
    const char *copy = assay_arena_copy(r->builder->program->arena, origin);
    if (copy == NULL) assay_builder_out_of_memory(r->builder);
    r->last_origin = origin;
    r->last_copy = copy == NULL ? "" : copy;
  }
  r->builder->origin = r->last_copy;
}

static void take_apart(struct rebuild *r, const struct assay_node *node, const assay_value *inputs) {
  const struct assay_op_info *info = assay_op_info(node->op);
  assay_value outputs[4] = {{-1}, {-1}, {-1}, {-1}};
  info->decompose(r->b, node, inputs, outputs);
  for (uint32_t i = 0; i < node->output_count; i++) {
    const int32_t old = node->first_output + (int32_t)i;
    if (!assay_same_type(assay_type(r->b, outputs[i]), r->function->graph->types[old])) assay_fail(r->b, "a decomposition changes the type of its result");
    r->map[old] = outputs[i];
  }
}

void assay_builder_repeat(struct assay_function_builder *builder, const struct assay_node *node, const assay_value *inputs, assay_value *map) {
  struct assay_builder *b = &builder->base;
  if (node->op == ASSAY_OP_VARIABLE) {
    map[node->first_output] = assay_builder_variable(b, ((const struct assay_source_attributes *)node->attributes)->index);
    return;
  }
  const assay_value first = b->host->emit(b, node->op, inputs, node->input_count, node->attributes, node->attributes_size);
  for (uint32_t i = 0; i < node->output_count; i++) map[node->first_output + (int32_t)i] = assay_output(first, (int32_t)i);
}

static void rebuild_node(struct rebuild *r, uint32_t index, assay_value *inputs) {
  const struct assay_node *node = r->function->graph->nodes[index];
  if (node->op == ASSAY_OP_INPUT) return;
  take_origin(r, node->origin);
  for (uint32_t i = 0; i < node->input_count; i++) inputs[i] = r->map[node->inputs[i]];
  if (r->decompose != NULL && r->decompose[index]) take_apart(r, node, inputs);
  else assay_builder_repeat(r->builder, node, inputs, r->map);
}

static uint32_t most_inputs(const struct assay_graph *graph) {
  uint32_t most = 1;
  for (uint32_t i = 0; i < graph->node_count; i++)
    if (graph->nodes[i]->input_count > most) most = graph->nodes[i]->input_count;
  return most;
}

static void rebuild_feeds(struct rebuild *r) {
  const struct assay_function *function = r->function;
  for (uint32_t i = 0; i < function->feed_count; i++) {
    const struct assay_tensor_type *type = function->graph->types[function->feeds[i]];
    take_origin(r, function->graph->nodes[function->graph->producers[function->feeds[i]]]->origin);
    r->map[function->feeds[i]] = assay_function_feed(r->b, type->dtype, type->rank, type->extents);
  }
}

/* Assigns come last: whatever reads the old value stands before them, and nothing between stops backends from fusing. */
static void rebuild_nodes(struct rebuild *r, assay_value *inputs) {
  const struct assay_graph *graph = r->function->graph;
  for (int effects = 0; effects < 2; effects++)
    for (uint32_t i = 0; i < graph->node_count; i++)
      if (r->live[i] && !!(assay_op_info(graph->nodes[i]->op)->flags & ASSAY_OP_EFFECT) == effects) rebuild_node(r, i, inputs);
  for (uint32_t i = 0; i < r->function->fetch_count; i++) assay_function_fetch(r->b, r->map[r->function->fetches[i]]);
}

static int rebuild_live(struct assay_program_builder *program, const struct assay_function *function, const bool *live, const bool *decompose,
                        const struct assay_function **rebuilt, struct assay_status *status) {
  const struct assay_graph *graph = function->graph;
  assay_value *map = malloc((graph->value_count + 1) * sizeof *map), *inputs = malloc(most_inputs(graph) * sizeof *inputs);
  struct assay_builder *b = assay_function_begin(program, function->name);
  int error = ASSAY_E_MEMORY;
  if (b != NULL && map != NULL && inputs != NULL) assay_inside(b)->known = assay_known_nodes_create();
  if (b != NULL && assay_inside(b)->known != NULL) {
    for (uint32_t i = 0; i < graph->value_count; i++) map[i] = assay_invalid();
    struct rebuild r = {assay_inside(b), b, function, live, decompose, map, NULL, ""};
    rebuild_feeds(&r);
    rebuild_nodes(&r, inputs);
    error = assay_function_end(b, status);
    if (error == 0 && (*rebuilt = assay_builder_function(assay_inside(b))) == NULL) error = assay_status_memory(status);
  } else {
    assay_status_memory(status);
  }
  free(map);
  free(inputs);
  return error;
}

int assay_function_rebuild(struct assay_program_builder *program, const struct assay_function *function, const bool *decompose,
                           const struct assay_function **rebuilt, struct assay_status *status) {
  const struct assay_function *latest = function;
  for (bool first = true;; first = false) {
    const uint32_t node_count = latest->graph->node_count;
    bool *live = calloc((size_t)node_count + 1, sizeof *live);
    if (live == NULL) return assay_status_memory(status);
    const bool settled = mark_live(latest, live) == node_count && !first;
    const int error = settled ? 0 : rebuild_live(program, latest, live, first ? decompose : NULL, &latest, status);
    free(live);
    *rebuilt = latest;
    if (settled || error != 0) return error;
  }
}
