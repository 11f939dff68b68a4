/* SPDX-License-Identifier: MIT
 *
 * Which elementwise nodes can run as one loop. A group runs at the place of its last node, so the one rule is: nobody outside it may read one of its results
 * before that place. Nodes are visited in order; each joins, and thereby unites, as many of its inputs' groups as the rule allows. Then executing groups
 * and single nodes in the order of their places respects every dependency, also around diamonds: a node between two members that is not itself a member reads
 * the first one early and so keeps the second one out.
 *
 * Inputs may broadcast and several results may leave a group.
 */
#include "graph/builder.h"

#include "graph/op_rules.h"

struct fusion {
  const struct assay_graph *graph;
  const uint8_t *stop;
  int32_t *groups;          /* by node */
  int32_t *next;            /* by node: another member of its group, or -1 */
  int32_t *first, *tail;    /* by group: members */
  bool *closed;             /* by group: a result was read by a node that can never belong to it */
  uint32_t *consumer_start; /* by node, and one more: its part of `consumers` */
  uint32_t *consumers;      /* ascending for each node */
  int32_t group_count;
};

static bool is_fusible(const struct fusion *fusion, uint32_t node) {
  const struct assay_op_info *info = assay_op_info(fusion->graph->nodes[node]->op);
  return info != NULL && info->flags & ASSAY_OP_ELEMENTWISE && !(fusion->stop != NULL && fusion->stop[node]);
}

static bool same_extents(const struct fusion *fusion, uint32_t a, uint32_t b) {
  const struct assay_graph *graph = fusion->graph;
  return assay_same_extents(graph->types[graph->nodes[a]->first_output], graph->types[graph->nodes[b]->first_output]);
}

static void list_consumers(struct fusion *fusion) {
  const struct assay_graph *graph = fusion->graph;
  uint32_t *start = fusion->consumer_start; /* at first the ends of the parts, which move down to their starts as they are filled from the back */
  for (uint32_t n = 0; n < graph->node_count; n++)
    for (uint32_t i = 0; i < graph->nodes[n]->input_count; i++) start[graph->producers[graph->nodes[n]->inputs[i]]]++;
  for (uint32_t n = 1; n <= graph->node_count; n++) start[n] += start[n - 1];
  for (uint32_t n = graph->node_count; n-- > 0;)
    for (uint32_t i = 0; i < graph->nodes[n]->input_count; i++) fusion->consumers[--start[graph->producers[graph->nodes[n]->inputs[i]]]] = n;
}

/* Are all readers of the group's results that stand before `node` in groups marked as candidates? */
static bool only_read_by(const struct fusion *fusion, int32_t group, uint32_t node, const int32_t *candidates, uint32_t candidate_count) {
  for (int32_t member = fusion->first[group]; member >= 0; member = fusion->next[member]) {
    for (uint32_t k = fusion->consumer_start[member]; k < fusion->consumer_start[member + 1] && fusion->consumers[k] < node; k++) {
      bool inside = false;
      for (uint32_t i = 0; i < candidate_count; i++) inside |= fusion->groups[fusion->consumers[k]] == candidates[i];
      if (!inside) return false;
    }
  }
  return true;
}

enum { MOST_CANDIDATES = 4 }; /* elementwise ops have up to three inputs */

/* The groups of the node's inputs that it may unite with. */
static uint32_t find_candidates(const struct fusion *fusion, uint32_t index, int32_t *candidates) {
  const struct assay_graph *graph = fusion->graph;
  const struct assay_node *node = graph->nodes[index];
  uint32_t count = 0;
  for (uint32_t i = 0; i < node->input_count && count < MOST_CANDIDATES; i++) {
    const int32_t from = graph->producers[node->inputs[i]], group = fusion->groups[from];
    bool seen = false;
    for (uint32_t k = 0; k < count; k++) seen |= candidates[k] == group;
    if (group >= 0 && !seen && !fusion->closed[group] && same_extents(fusion, (uint32_t)from, index)) candidates[count++] = group;
  }
  /* One that is read elsewhere falls out, and may take others with it. */
  for (uint32_t k = 0; k < count;) {
    if (only_read_by(fusion, candidates[k], index, candidates, count)) {
      k++;
    } else {
      candidates[k] = candidates[--count];
      k = 0;
    }
  }
  return count;
}

static void join(struct fusion *fusion, int32_t group, int32_t other) {
  for (int32_t member = fusion->first[other]; member >= 0; member = fusion->next[member]) fusion->groups[member] = group;
  fusion->next[fusion->tail[group]] = fusion->first[other];
  fusion->tail[group] = fusion->tail[other];
  fusion->first[other] = -1;
}

static void place(struct fusion *fusion, uint32_t index) {
  int32_t candidates[MOST_CANDIDATES];
  const uint32_t count = find_candidates(fusion, index, candidates);
  const int32_t group = fusion->group_count++;
  fusion->groups[index] = group;
  fusion->first[group] = fusion->tail[group] = (int32_t)index;
  for (uint32_t k = 0; k < count; k++) join(fusion, group, candidates[k]);
}

/* After this node, groups that it reads and that can never take it in are closed to all later ones. */
static void close_groups(struct fusion *fusion, uint32_t index) {
  const struct assay_graph *graph = fusion->graph;
  const struct assay_node *node = graph->nodes[index];
  const bool fusible = fusion->groups[index] >= 0;
  for (uint32_t i = 0; i < node->input_count; i++) {
    const int32_t from = graph->producers[node->inputs[i]], group = fusion->groups[from];
    if (group >= 0 && !(fusible && same_extents(fusion, (uint32_t)from, index))) fusion->closed[group] = true;
  }
}

/* Groups that were united are gone: numbers without holes, in the order of the groups' first nodes. */
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
  size_t edges = 0;
  for (size_t n = 0; n < nodes; n++) edges += graph->nodes[n]->input_count;
  struct fusion fusion = {.graph = graph,
                          .stop = stop,
                          .groups = groups,
                          .next = ASSAY_NEW_ARRAY(arena, int32_t, nodes),
                          .first = ASSAY_NEW_ARRAY(arena, int32_t, nodes),
                          .tail = ASSAY_NEW_ARRAY(arena, int32_t, nodes),
                          .closed = ASSAY_NEW_ARRAY(arena, bool, nodes),
                          .consumer_start = ASSAY_NEW_ARRAY(arena, uint32_t, nodes + 1),
                          .consumers = ASSAY_NEW_ARRAY(arena, uint32_t, edges)};
  const bool enough = fusion.next != NULL && fusion.first != NULL && fusion.tail != NULL && fusion.closed != NULL && fusion.consumer_start != NULL &&
                      fusion.consumers != NULL;
  if (enough) {
    list_consumers(&fusion);
    for (uint32_t n = 0; n < nodes; n++) {
      groups[n] = -1;
      fusion.next[n] = -1;
      if (is_fusible(&fusion, n)) place(&fusion, n);
      close_groups(&fusion, n);
    }
    renumber(&fusion);
  }
  assay_arena_release(arena);
  return enough ? 0 : ASSAY_E_MEMORY;
}
