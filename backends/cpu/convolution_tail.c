/* SPDX-License-Identifier: MIT
 *
 * What a convolution does on its way to memory: finding it in the graph behind the convolution, and batch normalisation by running statistics as a factor and a shift a
 * channel.
 */
#include "convolution.h"

#include <math.h>
#include <string.h>

/* A value that is one number a channel of N, C, H, W, already in memory: that value behind reshapes; else -1. */
static int32_t channel_value(const struct assay_cpu_build *build, int32_t value, int64_t channels) {
  const struct assay_tensor_type *type = assay_cpu_type(build, value);
  const int32_t axis = type->rank - 3;
  if (axis < 0 || type->rank > 4 || type->extents[axis] != channels || assay_element_count(type) != channels || type->dtype != ASSAY_F32) return -1;
  while (!build->values[value].forms && assay_cpu_producer(build, value)->op == ASSAY_OP_RESHAPE) value = assay_cpu_producer(build, value)->inputs[0];
  return build->values[value].forms && assay_element_count(assay_cpu_type(build, value)) == channels ? value : -1;
}

/* Takes the only reader of the result so far into the tail. */
static void take(const struct assay_cpu_build *build, struct tail *tail, int place, uint32_t node) {
  tail->nodes[place] = node;
  tail->result = build->graph->nodes[node]->first_output;
}

static const struct assay_node *reader(const struct assay_cpu_build *build, const struct tail *tail, uint32_t *node) {
  *node = assay_cpu_only_consumer(build, tail->result);
  return *node != UINT32_MAX ? build->graph->nodes[*node] : NULL;
}

static int32_t other_input(const struct assay_node *node, int32_t value) { return node->inputs[node->inputs[0] == value ? 1 : 0]; }

static bool same_extents(const struct assay_tensor_type *a, const struct assay_tensor_type *b) {
  return a->rank == b->rank && memcmp(a->extents, b->extents, (size_t)a->rank * sizeof *a->extents) == 0;
}

/* A bias by channel, or batch normalisation whose statistics are in memory. */
static void find_channels(const struct assay_cpu_build *build, struct tail *tail) {
  uint32_t next;
  const struct assay_node *node = reader(build, tail, &next);
  const struct assay_tensor_type *type = assay_cpu_type(build, tail->result);
  if (!node) return;
  if (node->op == ASSAY_OP_ADD && node->inputs[0] != node->inputs[1] && same_extents(assay_cpu_type(build, node->first_output), type)) {
    const int32_t bias = channel_value(build, other_input(node, tail->result), type->extents[1]);
    if (bias < 0) return;
    tail->bias = bias;
    take(build, tail, ADD, next);
    find_channels(build, tail);
  } else if (node->op == ASSAY_OP_BATCH_NORM_INFERENCE && tail->nodes[NORM] == UINT32_MAX && node->inputs[0] == tail->result) {
    for (int i = 1; i < 5; i++)
      if (!build->values[node->inputs[i]].forms) return;
    take(build, tail, NORM, next);
  }
}

/* The sum with another branch that is there already. */
static void find_join(const struct assay_cpu_build *build, struct tail *tail) {
  uint32_t next;
  const struct assay_node *node = reader(build, tail, &next);
  if (!node || node->op != ASSAY_OP_ADD || node->inputs[0] == node->inputs[1]) return;
  const int32_t other = other_input(node, tail->result);
  if (!build->values[other].forms || !same_extents(assay_cpu_type(build, other), assay_cpu_type(build, tail->result))) return;
  tail->residual = other;
  take(build, tail, JOIN, next);
}

/* ReLU, and the smaller of that and a constant. */
static void find_activation(const struct assay_cpu_build *build, struct tail *tail) {
  uint32_t next;
  double most;
  const struct assay_node *node = reader(build, tail, &next);
  if (!node || node->op != ASSAY_OP_RELU) return;
  take(build, tail, RELU, next);
  node = reader(build, tail, &next);
  if (!node || node->op != ASSAY_OP_MINIMUM || node->inputs[0] == node->inputs[1]) return;
  if (!assay_cpu_constant(build, other_input(node, tail->result), &most) || !(most > 0)) return;
  tail->most = (float)most;
  take(build, tail, CUT, next);
}

struct tail assay_cpu_find_tail(const struct assay_cpu_build *build, const struct assay_node *node, bool everything) {
  struct tail tail = {-1, -1, node->first_output, {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}, 0};
  find_channels(build, &tail);
  if (!everything && tail.nodes[NORM] != UINT32_MAX) { /* only what every primitive can do */
    tail.result = build->graph->nodes[tail.nodes[NORM]]->inputs[0];
    tail.nodes[NORM] = UINT32_MAX;
    return tail;
  }
  if (everything) find_join(build, &tail);
  find_activation(build, &tail);
  return tail;
}

struct after assay_cpu_after(const struct assay_cpu_build *build, const struct tail *tail) {
  struct after after = {.affine = tail->nodes[NORM] != UINT32_MAX, .residual = tail->residual >= 0, .relu = tail->nodes[RELU] != UINT32_MAX, .most = tail->most};
  const int64_t *extents = assay_cpu_type(build, tail->result)->extents;
  const dnnl_dims_t channel = {1, extents[1], 1, 1}, whole = {extents[0], extents[1], extents[2], extents[3]};
  const dnnl_format_tag_t tag = build->executable->blocked && extents[1] % ASSAY_CPU_BLOCK == 0 ? dnnl_nChw16c : dnnl_nhwc;
  (void)dnnl_memory_desc_init_by_tag(&after.channel, 4, channel, dnnl_f32, tag);
  (void)dnnl_memory_desc_init_by_tag(&after.residual_at, 4, whole, dnnl_f32, tag);
  return after;
}

/* ---- Batch normalisation as factor and shift ---- */

struct affine_step {
  struct assay_cpu_step step; /* reads scale, bias, mean, variance; writes factor, shift */
  int64_t channels;
  double epsilon;
};

static int run_affine(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  const struct affine_step *step = (const struct affine_step *)base;
  float *at[6];
  for (int i = 0; i < 6; i++) at[i] = assay_cpu_at(frame, base->uses[i].buffer);
  for (int64_t c = 0; c < step->channels; c++) {
    const double factor = at[0][c] / sqrt(at[3][c] + step->epsilon);
    at[4][c] = (float)factor;
    at[5][c] = (float)(at[1][c] - at[2][c] * factor);
  }
  return 0;
}

int assay_cpu_emit_affine(struct assay_cpu_build *build, const struct assay_node *norm, struct assay_cpu_buffer **factor, struct assay_cpu_buffer **shift) {
  struct assay_cpu_buffer *inputs[4];
  const int64_t channels = assay_cpu_type(build, norm->inputs[1])->extents[0];
  for (int i = 0; i < 4; i++) {
    inputs[i] = assay_cpu_form_get(build, norm->inputs[1 + i], assay_cpu_layout_plain(build->executable, assay_cpu_type(build, norm->inputs[1 + i])));
    if (!inputs[i]) return ASSAY_E_MEMORY;
  }
  *factor = assay_cpu_buffer_new(build, (uint64_t)channels * sizeof(float));
  *shift = assay_cpu_buffer_new(build, (uint64_t)channels * sizeof(float));
  struct affine_step *step = *factor && *shift ? assay_cpu_emit(build, sizeof *step, "batch norm factors", run_affine) : NULL;
  if (!step) return assay_cpu_no_memory(build->status);
  step->channels = channels;
  step->epsilon = ((const struct assay_epsilon_attributes *)norm->attributes)->epsilon;
  for (int i = 0; i < 4; i++)
    if (!assay_cpu_read(build, step, inputs[i])) return assay_cpu_no_memory(build->status);
  return assay_cpu_write(build, step, *factor) && assay_cpu_write(build, step, *shift) ? 0 : assay_cpu_no_memory(build->status);
}
