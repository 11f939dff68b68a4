/* SPDX-License-Identifier: MIT
 *
 * Which nodes share a kernel. The core puts elementwise nodes into groups; here a group gets the product before it (its results then go through the group while
 * they are in registers) and the reductions behind it (which then read nothing from memory), and values that cost less to make again than to store are made again.
 * A group is lowered at the place of its last node, with its product and its reductions: nobody else has read the one, and nobody has read the others yet.
 */
#include "backends/opencl/lower.h"

#include <string.h>

enum { MOST_BESIDE = 6, MOST_MADE_AGAIN = 6 };

/* ---- Products before groups ---- */

static bool same_extents(const struct assay_tensor_type *a, const struct assay_tensor_type *b) {
  return a->rank == b->rank && !memcmp(a->extents, b->extents, (size_t)a->rank * sizeof *a->extents);
}

/* The group that alone reads the results of a product; -1. */
static int32_t only_reader(const struct assay_cl_lowering *lowering, uint32_t product) {
  const struct assay_graph *graph = lowering->graph;
  const int32_t value = graph->nodes[product]->first_output;
  int32_t group = -1;
  if (lowering->fetch_of[value] >= 0) return -1;
  for (uint32_t n = product + 1; n < graph->node_count; n++)
    for (uint32_t i = 0; i < graph->nodes[n]->input_count; i++) {
      if (graph->nodes[n]->inputs[i] != value) continue;
      if (lowering->groups[n] < 0 || (group >= 0 && group != lowering->groups[n])) return -1;
      if (!same_extents(graph->types[value], graph->types[graph->nodes[n]->first_output])) return -1;
      group = lowering->groups[n];
    }
  return group;
}

/* Pairs products with the groups that follow them: each group takes the last product that only it reads, and is lowered with it at its own place. */
static void find_heads(struct assay_cl_lowering *lowering) {
  const struct assay_graph *graph = lowering->graph;
  for (uint32_t n = 0; n < graph->node_count; n++) lowering->heads[n] = -1;
  for (uint32_t product = graph->node_count; product-- > 0;) {
    const uint32_t op = graph->nodes[product]->op;
    if (op != ASSAY_OP_MATMUL && op != ASSAY_OP_CONV2D && op != ASSAY_OP_CONV2D_INPUT_GRADIENT) continue;
    const int32_t group = only_reader(lowering, product);
    if (group < 0) continue;
    uint32_t last = 0;
    for (uint32_t n = product; n < graph->node_count; n++)
      if (lowering->groups[n] == group) last = n;
    if (lowering->heads[last] >= 0) continue;
    lowering->heads[last] = (int32_t)product;
    lowering->heads[product] = (int32_t)last;
  }
}

/* ---- Reductions behind groups ---- */

static bool is_floats(const struct assay_cl_lowering *lowering, int32_t value) { return assay_cl_type(lowering, value)->dtype == ASSAY_F32; }

/* Marks reductions of what a group makes; those of one group must have the axes of its first. */
static void find_reductions(struct assay_cl_lowering *lowering) {
  const struct assay_graph *graph = lowering->graph;
  for (uint32_t n = 0; n < graph->node_count; n++) {
    const struct assay_node *node = graph->nodes[n];
    if ((node->op != ASSAY_OP_REDUCE_SUM && node->op != ASSAY_OP_REDUCE_MAX) || !is_floats(lowering, node->inputs[0])) continue;
    const int32_t group = lowering->groups[graph->producers[node->inputs[0]]];
    if (group < 0 || assay_element_count(assay_cl_type(lowering, node->inputs[0])) == 1) continue;
    const struct assay_reduce_attributes *attributes = node->attributes;
    uint32_t beside = 0;
    bool fits = true;
    for (uint32_t other = 0; other < n; other++)
      if (lowering->reduced[other] && lowering->groups[graph->producers[graph->nodes[other]->inputs[0]]] == group) {
        const struct assay_reduce_attributes *others = graph->nodes[other]->attributes;
        fits = fits && others->axes == attributes->axes;
        beside++;
      }
    lowering->reduced[n] = fits && beside < MOST_BESIDE;
  }
}

/* ---- Values that are made again ---- */

/* Walks what `value` is computed from within its group. Counts nodes, and inputs from outside that are as large as the value; false when one of them will not be in
 * memory. */
static bool walk_tree(const struct assay_cl_lowering *lowering, int32_t value, int32_t group, uint32_t *nodes, int32_t *large) {
  const struct assay_graph *graph = lowering->graph;
  const struct assay_node *node = graph->nodes[graph->producers[value]];
  if (++*nodes > MOST_MADE_AGAIN) return false;
  for (uint32_t i = 0; i < node->input_count; i++) {
    const int32_t input = node->inputs[i], producer = graph->producers[input];
    if (lowering->groups[producer] == group) {
      if (!walk_tree(lowering, input, group, nodes, large)) return false;
      continue;
    }
    if (lowering->groups[producer] >= 0 && assay_element_count(graph->types[input]) > 1) return false; /* made again itself, perhaps */
    if (lowering->heads[producer] >= 0) return false; /* a product that is not stored */
    if (!same_extents(graph->types[input], graph->types[value]) || graph->nodes[producer]->op == ASSAY_OP_CONSTANT) continue;
    if (*large >= 0 && *large != input) return false;
    *large = input;
  }
  return true;
}

/* A value that only other groups of its extents read, and that few operations make from one tensor in memory, is computed by its readers: they would read one tensor in
 * either case, and it need not be written. */
static bool is_remade(const struct assay_cl_lowering *lowering, uint32_t number) {
  const struct assay_graph *graph = lowering->graph;
  const int32_t value = graph->nodes[number]->first_output, group = lowering->groups[number];
  bool outside = false;
  if (lowering->fetch_of[value] >= 0 || assay_element_count(graph->types[value]) == 1) return false;
  for (uint32_t n = number + 1; n < graph->node_count; n++)
    for (uint32_t i = 0; i < graph->nodes[n]->input_count; i++) {
      if (graph->nodes[n]->inputs[i] != value || lowering->groups[n] == group) continue;
      if (lowering->reduced[n]) continue;
      if (lowering->groups[n] < 0 || !same_extents(graph->types[value], graph->types[graph->nodes[n]->first_output])) return false;
      outside = true;
    }
  uint32_t nodes = 0;
  int32_t large = -1;
  return outside && walk_tree(lowering, value, group, &nodes, &large) && large >= 0;
}

void assay_cl_pair_groups(struct assay_cl_lowering *lowering) {
  find_heads(lowering);
  find_reductions(lowering);
  for (uint32_t n = 0; n < lowering->graph->node_count; n++)
    if (lowering->groups[n] >= 0) lowering->remade[lowering->graph->nodes[n]->first_output] = is_remade(lowering, n);
}

/* ---- Single elements ---- */

/* Computes the scalars that wait, in one kernel. */
void assay_cl_lower_scalars(struct assay_cl_lowering *lowering) {
  const uint32_t count = lowering->scalar_count;
  lowering->scalar_count = 0;
  if (count && !lowering->code) assay_cl_lower_elementwise(lowering, lowering->scalars, count);
}

/* Scalars must be there before anybody else reads one of them. */
void assay_cl_need_inputs(struct assay_cl_lowering *lowering, const struct assay_node *node) {
  for (uint32_t i = 0; i < node->input_count; i++)
    for (uint32_t k = 0; k < lowering->scalar_count; k++)
      if (lowering->scalars[k] == (uint32_t)lowering->graph->producers[node->inputs[i]]) {
        assay_cl_lower_scalars(lowering);
        return;
      }
}

/* Groups of scalars (corrections of Adam's moments, sums of an epoch) are worth no kernel of their own: they wait for one another. */
static bool wait_as_scalars(struct assay_cl_lowering *lowering, const uint32_t *nodes, uint32_t count) {
  const struct assay_graph *graph = lowering->graph;
  if (assay_cl_type(lowering, graph->nodes[nodes[0]]->first_output)->rank != 0) return false;
  if (!lowering->scalar_count) lowering->scalar_group = lowering->next_group++;
  for (uint32_t n = 0; n < count; n++) {
    lowering->groups[nodes[n]] = lowering->scalar_group;
    lowering->scalars[lowering->scalar_count++] = nodes[n];
  }
  return true;
}

/* Multiply-adds count two. */
static double operations_of(const struct assay_cl_lowering *lowering, const struct assay_node *node) {
  const struct assay_tensor_type *x = assay_cl_type(lowering, node->inputs[0]), *y = assay_cl_type(lowering, node->inputs[1]), *made = assay_cl_type(lowering, node->first_output);
  if (node->op == ASSAY_OP_MATMUL) {
    const struct assay_matmul_attributes *attributes = node->attributes;
    return 2 * (double)assay_element_count(made) * (double)x->extents[x->rank - (attributes->transpose_a ? 2 : 1)];
  }
  /* Every element of the forward result takes the weights of one filter. */
  const struct assay_tensor_type *weights = node->op == ASSAY_OP_CONV2D_WEIGHT_GRADIENT ? made : y;
  const struct assay_tensor_type *result = node->op == ASSAY_OP_CONV2D ? made : node->op == ASSAY_OP_CONV2D_INPUT_GRADIENT ? x : y;
  return 2 * (double)assay_element_count(result) * (double)(weights->extents[1] * weights->extents[2] * weights->extents[3]);
}

static void lower_product(struct assay_cl_lowering *lowering, uint32_t number, const struct assay_cl_tail *tail) {
  const struct assay_node *node = lowering->graph->nodes[number];
  assay_cl_need_inputs(lowering, node);
  lowering->origin = node->origin;
  const uint32_t first = lowering->function->step_count;
  if (node->op == ASSAY_OP_MATMUL) assay_cl_lower_matmul(lowering, node, tail);
  else assay_cl_lower_conv2d(lowering, node, tail);
  for (uint32_t n = first; n < lowering->function->step_count; n++)
    if (!lowering->function->steps[n]->element) { /* behind copies of its operands, if any */
      lowering->function->steps[n]->operations = operations_of(lowering, node);
      return;
    }
}

/* A product, and the group of elementwise nodes that alone reads it while it is in registers. False when the group is still to be lowered. */
bool assay_cl_lower_product(struct assay_cl_lowering *lowering, uint32_t number, const uint32_t *nodes, uint32_t count) {
  struct assay_cl_tail tail;
  const bool fused = assay_cl_takes_tail(lowering, lowering->graph->nodes[number]) && assay_cl_tail(lowering, lowering->graph->nodes[number]->first_output, nodes, count, &tail);
  if (!fused) assay_cl_tail(lowering, lowering->graph->nodes[number]->first_output, NULL, 0, &tail);
  lower_product(lowering, number, &tail);
  return fused && count;
}

/* The reductions that are to be done with a group; `count` is set. They share their axes. */
static uint32_t *reductions_of(struct assay_cl_lowering *lowering, int32_t group, uint32_t *count) {
  const struct assay_graph *graph = lowering->graph;
  uint32_t *reductions = ASSAY_CL_NEW(&lowering->scratch, uint32_t, graph->node_count + 1);
  *count = 0;
  for (uint32_t n = 0; reductions && n < graph->node_count; n++)
    if (lowering->reduced[n] && lowering->groups[graph->producers[graph->nodes[n]->inputs[0]]] == group) reductions[(*count)++] = n;
  if (!reductions) assay_cl_lowering_memory(lowering);
  return reductions;
}

/* A reduction that is to be lowered at its own place after all: what it reads has to be stored. */
static void leave_reduction(struct assay_cl_lowering *lowering, uint32_t reduction) {
  lowering->reduced[reduction] = 0;
  lowering->remade[lowering->graph->nodes[reduction]->inputs[0]] = 0;
}

/* A group with reductions behind it, and no product before. */
static void lower_reduced_group(struct assay_cl_lowering *lowering, const uint32_t *nodes, uint32_t count, const uint32_t *reductions, uint32_t reduction_count) {
  if (reduction_count && assay_cl_lower_reductions(lowering, nodes, count, reductions, reduction_count)) return;
  for (uint32_t i = 0; i < reduction_count; i++) leave_reduction(lowering, reductions[i]);
  assay_cl_lower_elementwise(lowering, nodes, count);
}

/* With a product before and reductions behind, the group is cut: what only leads to the reductions gets a number of its own, and is read from what the rest stores. */
static uint32_t cut_group(struct assay_cl_lowering *lowering, const uint32_t *nodes, uint32_t count, uint32_t *front, uint32_t *back) {
  const struct assay_graph *graph = lowering->graph;
  const int32_t behind = lowering->next_group++, group = lowering->groups[nodes[0]];
  uint32_t front_count = 0, back_count = 0;
  for (uint32_t i = count; i-- > 0;) {
    const struct assay_node *node = graph->nodes[nodes[i]];
    bool leads_on = lowering->fetch_of[node->first_output] >= 0, read = false;
    for (uint32_t n = nodes[i] + 1; n < graph->node_count; n++)
      for (uint32_t k = 0; k < graph->nodes[n]->input_count; k++)
        if (graph->nodes[n]->inputs[k] == node->first_output) {
          read = true;
          leads_on = leads_on || (lowering->groups[n] != behind && !lowering->reduced[n]);
        }
    if (read && !leads_on) lowering->groups[nodes[i]] = behind;
  }
  for (uint32_t i = 0; i < count; i++)
    if (lowering->groups[nodes[i]] == group) front[front_count++] = nodes[i];
    else back[back_count++] = nodes[i];
  return front_count;
}

/* Do other nodes than those of the group read this value? */
static bool read_elsewhere(const struct assay_cl_lowering *lowering, int32_t value, int32_t group) {
  const struct assay_graph *graph = lowering->graph;
  for (uint32_t n = (uint32_t)graph->producers[value] + 1; n < graph->node_count; n++)
    for (uint32_t i = 0; i < graph->nodes[n]->input_count; i++)
      if (graph->nodes[n]->inputs[i] == value && lowering->groups[n] != group) return true;
  return false;
}

/* A product, the group behind it, and reductions of what that makes. */
static void lower_headed_group(struct assay_cl_lowering *lowering, uint32_t product, const uint32_t *nodes, uint32_t count, uint32_t *reductions,
                               uint32_t reduction_count) {
  const struct assay_graph *graph = lowering->graph;
  uint32_t *front = ASSAY_CL_NEW(&lowering->scratch, uint32_t, count), *back = ASSAY_CL_NEW(&lowering->scratch, uint32_t, count);
  if (!front || !back) {
    assay_cl_lowering_memory(lowering);
    return;
  }
  const uint32_t front_count = cut_group(lowering, nodes, count, front, back);
  const int32_t front_group = front_count ? lowering->groups[front[0]] : -1;
  uint32_t of_back = 0;
  for (uint32_t i = 0; i < reduction_count; i++)
    if (lowering->groups[graph->producers[graph->nodes[reductions[i]]->inputs[0]]] == front_group) leave_reduction(lowering, reductions[i]);
    else reductions[of_back++] = reductions[i];
  const bool apart = !front_count || read_elsewhere(lowering, graph->nodes[product]->first_output, front_group);
  if (!assay_cl_lower_product(lowering, product, front, apart ? 0 : front_count) && front_count) assay_cl_lower_elementwise(lowering, front, front_count);
  if (count > front_count) lower_reduced_group(lowering, back, count - front_count, reductions, of_back);
}

/* Lowers the whole group of `node` when it is the group's last. */
void assay_cl_lower_group(struct assay_cl_lowering *lowering, uint32_t node) {
  const struct assay_graph *graph = lowering->graph;
  const int32_t group = lowering->groups[node];
  uint32_t count = 0, reduction_count;
  for (uint32_t n = node + 1; n < graph->node_count; n++)
    if (lowering->groups[n] == group) return;
  for (uint32_t n = 0; n <= node; n++) count += lowering->groups[n] == group;
  uint32_t *nodes = ASSAY_CL_NEW(&lowering->scratch, uint32_t, count);
  uint32_t *reductions = nodes ? reductions_of(lowering, group, &reduction_count) : NULL;
  if (!reductions) {
    assay_cl_lowering_memory(lowering);
    return;
  }
  count = 0;
  for (uint32_t n = 0; n <= node; n++)
    if (lowering->groups[n] == group) nodes[count++] = n;
  if (lowering->heads[node] < 0 && wait_as_scalars(lowering, nodes, count)) return;
  for (uint32_t n = 0; n < count; n++) assay_cl_need_inputs(lowering, graph->nodes[nodes[n]]);
  if (lowering->heads[node] >= 0) lower_headed_group(lowering, (uint32_t)lowering->heads[node], nodes, count, reductions, reduction_count);
  else lower_reduced_group(lowering, nodes, count, reductions, reduction_count);
}
