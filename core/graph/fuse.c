/* SPDX-License-Identifier: MIT
 *
 * Which elementwise nodes can run as one loop. A group runs at the place of its last node, so the one rule is: nobody outside it may read one of its results
 * before that place. Nodes are visited in order, and each unites the groups of all its inputs that have its extents and are still open. A group is closed
 * for good once a node that cannot belong to it has read it: so every reader of an open group is a member. Executing groups and single nodes in the order of
 * their places then respects every dependency, also around diamonds: a node between two would-be members that is not one itself reads the first and closes
 * its group before the second comes.
 *
 * Inputs may broadcast and several results may leave a group.
 */
#include "graph/builder.h"

#include "graph/op_rules.h"

struct fusion {
  const struct assay_graph *graph;
  const uint8_t *stop;
  int32_t *groups; /* by node */
  int32_t *next;   /* by node: another member of its group, or -1 */
  int32_t *first;  /* by group: a member; -1: united with another */
  int32_t *tail;   /* by group: the last in the list of members */
  bool *closed;    /* by group */
  int32_t group_count;
};

static bool is_fusible(const struct fusion *fusion, uint32_t node) {
  const struct assay_op_info *info = assay_op_info(fusion->graph->nodes[node]->op);
  return info != NULL && info->flags & ASSAY_OP_ELEMENTWISE && !(fusion->stop != NULL && fusion->stop[node]);
}

/* The node that makes input i, and whether it has the extents of the node that reads it. */
static int32_t producer_of(const struct fusion *fusion, const struct assay_node *node, uint32_t i) { return fusion->graph->producers[node->inputs[i]]; }
static bool same_extents(const struct fusion *fusion, const struct assay_node *node, uint32_t i) {
  return assay_same_extents(fusion->graph->types[node->inputs[i]], fusion->graph->types[node->first_output]);
}

static void unite(struct fusion *fusion, int32_t group, int32_t other) {
  for (int32_t member = fusion->first[other]; member >= 0; member = fusion->next[member]) fusion->groups[member] = group;
  fusion->next[fusion->tail[group]] = fusion->first[other];
  fusion->tail[group] = fusion->tail[other];
  fusion->first[other] = -1;
}

static void join_inputs(struct fusion *fusion, uint32_t index) {
  const struct assay_node *node = fusion->graph->nodes[index];
  const int32_t group = fusion->group_count++;
  fusion->groups[index] = group;
  fusion->first[group] = fusion->tail[group] = (int32_t)index;
  for (uint32_t i = 0; i < node->input_count; i++) {
    const int32_t other = fusion->groups[producer_of(fusion, node, i)];
    if (other >= 0 && other != group && !fusion->closed[other] && same_extents(fusion, node, i)) unite(fusion, group, other);
  }
}

/* Whoever is read from outside takes in nobody any more. */
static void close_inputs(struct fusion *fusion, uint32_t index) {
  const struct assay_node *node = fusion->graph->nodes[index];
  for (uint32_t i = 0; i < node->input_count; i++) {
    const int32_t group = fusion->groups[producer_of(fusion, node, i)];
    if (group >= 0 && group != fusion->groups[index]) fusion->closed[group] = true;
  }
}

/* Numbers without holes, in the order of the groups' first nodes. */
static void renumber(struct fusion *fusion) {
  int32_t *numbers = fusion->tail, count = 0;
  for (int32_t group = 0; group < fusion->group_count; group++) numbers[group] = -1;
  for (uint32_t n = 0; n < fusion->graph->node_count; n++) {
    if (fusion->groups[n] < 0) continue;
    int32_t *number = &numbers[fusion->groups[n]];
    if (*number < 0) *number = count++;
    fusion->groups[n] = *number;
  }
}

int assay_fuse_elementwise(const struct assay_graph *graph, const uint8_t *stop, int32_t *groups) {
  struct assay_arena *arena = assay_arena_create();
  if (arena == NULL) return ASSAY_E_MEMORY;
  const size_t nodes = graph->node_count;
  struct fusion fusion = {graph, stop, groups, ASSAY_NEW_ARRAY(arena, int32_t, nodes), ASSAY_NEW_ARRAY(arena, int32_t, nodes),
                          ASSAY_NEW_ARRAY(arena, int32_t, nodes), ASSAY_NEW_ARRAY(arena, bool, nodes), 0};
  const bool enough = fusion.next != NULL && fusion.first != NULL && fusion.tail != NULL && fusion.closed != NULL;
  if (enough) {
    for (uint32_t n = 0; n < nodes; n++) {
      groups[n] = fusion.next[n] = -1;
      if (is_fusible(&fusion, n)) join_inputs(&fusion, n);
      close_inputs(&fusion, n);
    }
    renumber(&fusion);
  }
  assay_arena_release(arena);
  return enough ? 0 : ASSAY_E_MEMORY;
}
