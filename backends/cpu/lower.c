/* SPDX-License-Identifier: MIT
 *
 * Which ops this backend takes, and who makes steps of them. Floats are f32; other dtypes are for indices, masks and images.
 */
#include "cpu.h"

#include <omp.h>

static bool known(int32_t dtype) { return dtype == ASSAY_F32 || dtype == ASSAY_I32 || dtype == ASSAY_U32 || dtype == ASSAY_U8 || dtype == ASSAY_BOOL; }

int assay_cpu_supports(struct assay_device *device, const struct assay_graph *graph, uint32_t index) {
  (void)device;
  const struct assay_node *node = graph->nodes[index];
  for (uint32_t i = 0; i < node->input_count; i++)
    if (!known(graph->types[node->inputs[i]]->dtype)) return 0;
  for (uint32_t i = 0; i < node->output_count; i++)
    if (!known(graph->types[node->first_output + (int32_t)i]->dtype)) return 0;
  const int32_t dtype = node->input_count ? graph->types[node->inputs[0]]->dtype : ASSAY_F32;
  if (assay_cpu_is_elementwise(node->op)) return assay_cpu_elementwise_supported(graph, node);
  switch (node->op) {
  case ASSAY_OP_INPUT:
  case ASSAY_OP_VARIABLE:
  case ASSAY_OP_CONSTANT:
  case ASSAY_OP_BROADCAST:
  case ASSAY_OP_RESHAPE:
  case ASSAY_OP_TRANSPOSE:
  case ASSAY_OP_SLICE:
  case ASSAY_OP_PAD:
  case ASSAY_OP_CONCAT:
  case ASSAY_OP_GATHER:
  case ASSAY_OP_RANDOM_UNIFORM:
  case ASSAY_OP_ONE_HOT:
  case ASSAY_OP_ASSIGN: return 1;
  case ASSAY_OP_REDUCE_SUM:
  case ASSAY_OP_REDUCE_MAX:
  case ASSAY_OP_ARGMAX:
  case ASSAY_OP_SCATTER_ADD: return dtype != ASSAY_BOOL;
  case ASSAY_OP_MATMUL:
  case ASSAY_OP_CONV2D:
  case ASSAY_OP_CONV2D_INPUT_GRADIENT:
  case ASSAY_OP_CONV2D_WEIGHT_GRADIENT:
  case ASSAY_OP_MAX_POOL2D:
  case ASSAY_OP_MAX_POOL2D_GRADIENT:
  case ASSAY_OP_AVG_POOL2D:
  case ASSAY_OP_AVG_POOL2D_GRADIENT:
  case ASSAY_OP_SOFTMAX:
  case ASSAY_OP_LOG_SOFTMAX:
  case ASSAY_OP_SOFTMAX_CROSS_ENTROPY:
  case ASSAY_OP_BATCH_NORM_TRAINING:
  case ASSAY_OP_BATCH_NORM_TRAINING_GRADIENT:
  case ASSAY_OP_BATCH_NORM_INFERENCE: return dtype == ASSAY_F32;
  case ASSAY_OP_WARP:
  case ASSAY_OP_MIX_CHANNELS:
  case ASSAY_OP_GAUSSIAN_BLUR: return assay_cpu_picture_supported(graph, node);
  default: return 0; /* SIGMOID_CROSS_ENTROPY's decomposition is one chain of elementwise ops */
  }
}

int assay_cpu_emit_node(struct assay_cpu_build *build, uint32_t index) {
  const struct assay_node *node = build->graph->nodes[index];
  switch (node->op) {
  case ASSAY_OP_RESHAPE: return assay_cpu_emit_reshape(build, node);
  case ASSAY_OP_TRANSPOSE: return assay_cpu_emit_transpose(build, node);
  case ASSAY_OP_SLICE: return assay_cpu_emit_slice(build, node);
  case ASSAY_OP_PAD: return assay_cpu_emit_pad(build, node);
  case ASSAY_OP_CONCAT: return assay_cpu_emit_concat(build, node);
  case ASSAY_OP_GATHER: return assay_cpu_emit_gather(build, node);
  case ASSAY_OP_SCATTER_ADD: return assay_cpu_emit_scatter_add(build, node);
  case ASSAY_OP_ONE_HOT: return assay_cpu_emit_one_hot(build, node);
  case ASSAY_OP_REDUCE_SUM:
  case ASSAY_OP_REDUCE_MAX: return assay_cpu_emit_reduce(build, node);
  case ASSAY_OP_ARGMAX: return assay_cpu_emit_argmax(build, node);
  case ASSAY_OP_MATMUL: return assay_cpu_emit_matmul(build, node);
  case ASSAY_OP_CONV2D:
  case ASSAY_OP_CONV2D_INPUT_GRADIENT:
  case ASSAY_OP_CONV2D_WEIGHT_GRADIENT: return assay_cpu_emit_convolution(build, index);
  case ASSAY_OP_MAX_POOL2D:
  case ASSAY_OP_MAX_POOL2D_GRADIENT:
  case ASSAY_OP_AVG_POOL2D:
  case ASSAY_OP_AVG_POOL2D_GRADIENT: return assay_cpu_emit_pool(build, node);
  case ASSAY_OP_RANDOM_UNIFORM: return assay_cpu_emit_random(build, node);
  case ASSAY_OP_SOFTMAX:
  case ASSAY_OP_LOG_SOFTMAX: return assay_cpu_emit_softmax(build, node);
  case ASSAY_OP_SOFTMAX_CROSS_ENTROPY: return assay_cpu_emit_cross_entropy(build, node);
  case ASSAY_OP_BATCH_NORM_TRAINING:
  case ASSAY_OP_BATCH_NORM_TRAINING_GRADIENT:
  case ASSAY_OP_BATCH_NORM_INFERENCE: return assay_cpu_emit_batch_norm(build, index);
  case ASSAY_OP_WARP:
  case ASSAY_OP_MIX_CHANNELS:
  case ASSAY_OP_GAUSSIAN_BLUR: return assay_cpu_emit_picture(build, node);
  case ASSAY_CPU_OP_GATHER_MAXIMA: return assay_cpu_emit_gather_maxima(build, node);
  case ASSAY_CPU_OP_SPARSE_PAIRS: return assay_cpu_emit_sparse_pairs(build, node);
  case ASSAY_CPU_OP_SPARSE_WEIGHT_GRADIENT: return assay_cpu_emit_sparse_weight_gradient(build, node);
  case ASSAY_CPU_OP_SPARSE_INPUT_GRADIENT: return assay_cpu_emit_sparse_input_gradient(build, node);
  default: return assay_cpu_fail(build->status, ASSAY_E_FAILED, "the cpu backend was given op %u, which it did not accept", node->op);
  }
}

enum { WORTH_SHARING = 32768 };

void assay_cpu_share(const struct assay_cpu_frame *frame, int64_t count, int64_t work, assay_cpu_part part, const void *context) {
  int64_t parts = work < WORTH_SHARING ? 1 : frame->threads;
  if (parts > count) parts = count;
  if (parts <= 1) {
    part(context, 0, count);
    return;
  }
#pragma omp parallel for num_threads((int)parts) schedule(static)
  for (int64_t p = 0; p < parts; p++) part(context, count * p / parts, count * (p + 1) / parts);
}
