/* SPDX-License-Identifier: MIT
 *
 * A function built again inside another, on other feeds. Shapes follow from the feeds: an extent that was written as -1, or a slice to the end, adapts.
 */
#include "graph/builder.h"

#include "base/status.h"

#include <stdlib.h>

struct replay {
  struct assay_function_builder *builder;
  const struct assay_function *function;
  const assay_value *feeds, *variables;
  assay_value *map, *inputs;
};

static void refuse(struct replay *replay, const char *message) {
  struct assay_status cause;
  assay_status_set(&cause, ASSAY_E_CONFIG, "%s", message);
  assay_builder_refuse(replay->builder, "replay", &cause);
}

/* A stored graph need not be one that a builder made. */
static bool check_node(struct replay *replay, const struct assay_node *node) {
  const struct assay_op_info *info = assay_op_info(node->op);
  const uint32_t value_count = replay->function->graph->value_count;
  bool sound = info != NULL && node->output_count == info->output_count;
  if (sound && node->output_count > 0) sound = node->first_output >= 0 && (uint32_t)node->first_output + node->output_count <= value_count;
  for (uint32_t i = 0; sound && i < node->input_count; i++) sound = node->inputs[i] >= 0 && (uint32_t)node->inputs[i] < value_count;
  if (sound && node->op <= ASSAY_OP_VARIABLE) sound = node->attributes_size == sizeof(struct assay_source_attributes);
  if (!sound) refuse(replay, "the graph is damaged: a node does not fit its op");
  return sound;
}

static void replay_node(struct replay *replay, const struct assay_node *node) {
  if (!check_node(replay, node)) return;
  struct assay_builder *b = &replay->builder->base;
  const uint32_t index = node->op == ASSAY_OP_INPUT || node->op == ASSAY_OP_VARIABLE ? ((const struct assay_source_attributes *)node->attributes)->index : 0;
  if (node->op == ASSAY_OP_INPUT) {
    if (index < replay->function->feed_count) replay->map[node->first_output] = replay->feeds[index];
    else refuse(replay, "a node reads a feed that does not exist");
    return;
  }
  if (node->op == ASSAY_OP_VARIABLE) {
    replay->map[node->first_output] = replay->variables[index];
    return;
  }
  if (node->op == ASSAY_OP_RANDOM_UNIFORM) {
    const uint32_t stream = ((const struct assay_random_attributes *)node->attributes)->stream;
    if (replay->builder->streams <= stream) replay->builder->streams = stream + 1;
  }
  for (uint32_t i = 0; i < node->input_count; i++) replay->inputs[i] = replay->map[node->inputs[i]];
  replay->builder->origin = node->origin;
  const assay_value first = b->host->emit(b, node->op, replay->inputs, node->input_count, node->attributes, node->attributes_size);
  for (uint32_t i = 0; i < node->output_count; i++) replay->map[node->first_output + (int32_t)i] = assay_output(first, (int32_t)i);
}

void assay_builder_replay(struct assay_builder *b, const struct assay_function *function, const assay_value *feeds, const assay_value *variables,
                          assay_value *fetches) {
  struct assay_function_builder *builder = assay_inside(b);
  const struct assay_graph *graph = function->graph;
  const char *origin = builder->origin;
  uint32_t most = 1;
  for (uint32_t i = 0; i < graph->node_count; i++)
    if (graph->nodes[i]->input_count > most) most = graph->nodes[i]->input_count;
  struct replay replay = {
      builder, function, feeds, variables, malloc(((size_t)graph->value_count + 1) * sizeof(assay_value)), malloc(most * sizeof(assay_value))};
  if (replay.map == NULL || replay.inputs == NULL) {
    assay_builder_out_of_memory(builder);
  } else {
    for (uint32_t i = 0; i < graph->value_count; i++) replay.map[i] = assay_invalid();
    for (uint32_t i = 0; i < graph->node_count && builder->status.code == 0; i++) replay_node(&replay, graph->nodes[i]);
  }
  for (uint32_t i = 0; i < function->fetch_count; i++) {
    const int32_t value = function->fetches[i];
    const bool made = builder->status.code == 0 && value >= 0 && (uint32_t)value < graph->value_count;
    fetches[i] = made ? replay.map[value] : assay_invalid();
  }
  builder->origin = origin;
  free(replay.map);
  free(replay.inputs);
}
