/* SPDX-License-Identifier: MIT
 *
 * How images lie between convolutions, one answer for a whole program: channels last, or in blocks of 16 channels, which is what most of dnnl's kernels for AVX-512 want, Winograd's
 * among them. The program's convolutions are timed both ways, conversions counted, and the smaller sum wins. Where channels do not fill blocks they are last either way. What
 * stands behind max pooling (behind_pool.c) has kernels of its own, which want channels last.
 */
#include "convolution.h"

static bool is_convolution(const struct assay_node *node) {
  return node->op == ASSAY_OP_CONV2D || node->op == ASSAY_OP_CONV2D_INPUT_GRADIENT || node->op == ASSAY_OP_CONV2D_WEIGHT_GRADIENT;
}

static bool fills_blocks(const struct problem *p) { return p->x[1] % ASSAY_CPU_BLOCK == 0 || p->y[1] % ASSAY_CPU_BLOCK == 0; }

/* Do blocks make sense at all? */
static bool may_be_blocked(const struct assay_executable *executable) {
  bool any = false;
  for (uint32_t f = 0; f < executable->program->function_count; f++)
    for (uint32_t n = 0; n < executable->graphs[f]->node_count; n++) {
      const struct assay_node *node = executable->graphs[f]->nodes[n];
      struct problem problem;
      if (node->op == ASSAY_CPU_OP_SPARSE_PAIRS) return false;
      any |= is_convolution(node) && assay_cpu_describe_convolution(&problem, executable->graphs[f], node, true) == 0 && fills_blocks(&problem);
    }
  return any && executable->device->host->cache_save != NULL;
}

static double total_time(struct assay_executable *executable, bool blocked) {
  double total = 0;
  for (uint32_t f = 0; f < executable->program->function_count; f++)
    for (uint32_t n = 0; n < executable->graphs[f]->node_count; n++) {
      const struct assay_node *node = executable->graphs[f]->nodes[n];
      struct problem problem;
      if (is_convolution(node) && assay_cpu_describe_convolution(&problem, executable->graphs[f], node, blocked) == 0)
        total += assay_cpu_convolution_time(executable, &problem);
    }
  return total;
}

void assay_cpu_choose_image_layout(struct assay_executable *executable) {
  executable->blocked = executable->device->images == ASSAY_CPU_IMAGES_BLOCKS;
  if (executable->device->images != ASSAY_CPU_IMAGES_AUTO) return;
  if (may_be_blocked(executable)) executable->blocked = total_time(executable, true) < total_time(executable, false);
}
