/* SPDX-License-Identifier: MIT
 *
 * Does a network look at each sample alone? Then a batch may be cut into pieces and the pieces' gradients added. Every value is followed from the
 * samples on: it either does not depend on them, or its axis 0 falls into one block a sample (of one element, or of several patches), of which block n
 * depends on sample n alone, or it mixes samples. What is not known to keep samples apart counts as mixing them.
 */
#include "graph/builder.h"

#include <stdlib.h>

static enum assay_dependence state_of(const struct assay_following *following, const struct assay_node *node, uint32_t input) {
  return (enum assay_dependence)following->states[node->inputs[input]];
}

static bool free_from(const struct assay_following *following, const struct assay_node *node, uint32_t first) {
  for (uint32_t i = first; i < node->input_count; i++)
    if (state_of(following, node, i) != ASSAY_DEPENDS_NONE) return false;
  return true;
}

/* Axes are aligned at the end, so the sample stays on axis 0 only at equal rank. */
static bool aligned(const struct assay_following *following, const struct assay_node *node) {
  const struct assay_tensor_type *result = following->graph->types[node->first_output];
  for (uint32_t i = 0; i < node->input_count; i++) {
    const struct assay_tensor_type *type = following->graph->types[node->inputs[i]];
    if (state_of(following, node, i) == ASSAY_DEPENDS_OWN && (type->rank != result->rank || type->extents[0] != result->extents[0])) return false;
  }
  return true;
}

static bool keeps_first_axis_whole(const struct assay_slice_attributes *slice, int64_t samples) {
  return slice->start[0] == 0 && slice->stop[0] >= samples && slice->step[0] == 1;
}

/* With at least one input that depends on the samples, and none that mixes them: does the result keep them apart? */
static bool keeps_apart(const struct assay_following *following, const struct assay_node *node) {
  const struct assay_tensor_type *input = following->graph->types[node->inputs[0]], *result = following->graph->types[node->first_output];
  const void *attributes = node->attributes;
  const struct assay_op_info *info = assay_op_info(node->op);
  switch (node->op) {
  case ASSAY_OP_REDUCE_SUM:
  case ASSAY_OP_REDUCE_MAX:
  case ASSAY_OP_ARGMAX: return !(((const struct assay_reduce_attributes *)attributes)->axes & 1);
  case ASSAY_OP_BROADCAST: return aligned(following, node);
  case ASSAY_OP_RESHAPE: return result->rank > 0 && result->extents[0] % following->samples == 0; /* rows stay in order, so blocks stay whole */
  case ASSAY_OP_TRANSPOSE: return ((const struct assay_transpose_attributes *)attributes)->axes[0] == 0;
  case ASSAY_OP_SLICE: return keeps_first_axis_whole(attributes, input->extents[0]);
  case ASSAY_OP_PAD: {
    const struct assay_pad_attributes *pad = attributes;
    return pad->low[0] == 0 && pad->high[0] == 0 && pad->interior[0] == 0;
  }
  case ASSAY_OP_CONCAT: return ((const struct assay_axis_attributes *)attributes)->axis > 0;
  case ASSAY_OP_GATHER: return state_of(following, node, 0) == ASSAY_DEPENDS_NONE;
  case ASSAY_OP_MATMUL:
    if (input->rank == 3) return true;
    return state_of(following, node, 0) == ASSAY_DEPENDS_OWN && !((const struct assay_matmul_attributes *)attributes)->transpose_a && free_from(following, node, 1);
  case ASSAY_OP_CONV2D:
  case ASSAY_OP_CONV2D_INPUT_GRADIENT:
  case ASSAY_OP_BATCH_NORM_INFERENCE: return state_of(following, node, 0) == ASSAY_DEPENDS_OWN && free_from(following, node, 1);
  case ASSAY_OP_SOFTMAX:
  case ASSAY_OP_LOG_SOFTMAX:
  case ASSAY_OP_SOFTMAX_CROSS_ENTROPY:
  case ASSAY_OP_SOFTMAX_CROSS_ENTROPY_GRADIENT: return input->rank >= 2;
  case ASSAY_OP_MAX_POOL2D:
  case ASSAY_OP_MAX_POOL2D_GRADIENT:
  case ASSAY_OP_AVG_POOL2D:
  case ASSAY_OP_AVG_POOL2D_GRADIENT:
  case ASSAY_OP_ONE_HOT:
  case ASSAY_OP_RANDOM_UNIFORM:
  case ASSAY_OP_WARP:
  case ASSAY_OP_MIX_CHANNELS:
  case ASSAY_OP_GAUSSIAN_BLUR: return true;
  case ASSAY_OP_SIGMOID_CROSS_ENTROPY: return aligned(following, node);
  default: return info != NULL && info->flags & ASSAY_OP_ELEMENTWISE && aligned(following, node);
  }
}

enum assay_dependence assay_follow(const struct assay_following *following, const struct assay_node *node) {
  bool depends = false;
  for (uint32_t i = 0; i < node->input_count; i++) {
    if (state_of(following, node, i) == ASSAY_DEPENDS_MIXED) return ASSAY_DEPENDS_MIXED;
    depends |= state_of(following, node, i) == ASSAY_DEPENDS_OWN;
  }
  return !depends ? ASSAY_DEPENDS_NONE : keeps_apart(following, node) ? ASSAY_DEPENDS_OWN : ASSAY_DEPENDS_MIXED;
}

static bool is_among(int32_t value, const assay_value *samples, uint32_t count) {
  for (uint32_t i = 0; i < count; i++)
    if (samples[i].id == value) return true;
  return false;
}

const char *assay_builder_coupling(struct assay_builder *builder, const assay_value *samples, uint32_t count) {
  const struct assay_graph *graph = assay_builder_graph(assay_inside(builder));
  const int64_t batch = count > 0 ? assay_extent(builder, samples[0], 0) : 0;
  struct assay_following following = {graph, batch, graph == NULL ? NULL : calloc((size_t)graph->value_count + 1, 1)};
  const char *coupling = NULL;
  if (following.states == NULL || batch < 1) { /* not known: as if it mixed */
    free(following.states);
    return "";
  }
  for (uint32_t n = 0; n < graph->node_count && coupling == NULL; n++) {
    const struct assay_node *node = graph->nodes[n];
    const enum assay_dependence state = assay_follow(&following, node);
    /* What is written into a variable is left behind for other samples. */
    if (state == ASSAY_DEPENDS_MIXED || (node->op == ASSAY_OP_ASSIGN && state != ASSAY_DEPENDS_NONE)) coupling = node->origin;
    for (int32_t i = 0, value = node->first_output; i < (int32_t)node->output_count; i++, value++)
      following.states[value] = is_among(value, samples, count) ? ASSAY_DEPENDS_OWN : (uint8_t)state;
  }
  free(following.states);
  return coupling;
}
