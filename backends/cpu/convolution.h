/* SPDX-License-Identifier: MIT
 *
 * What is fused into a forward convolution. Private to convolution.c and convolution_tail.c.
 */
#ifndef ASSAY_BACKENDS_CPU_CONVOLUTION_H
#define ASSAY_BACKENDS_CPU_CONVOLUTION_H

#include "cpu.h"

/* What is done to each result on its way to memory: times a factor and plus a shift a channel, plus another tensor, ReLU, cut at `most`. */
struct after {
  bool affine, residual, relu;
  float most;                            /* 0: not cut */
  dnnl_memory_desc_t channel, residual_at; /* of factor and shift; of the other tensor */
};

/* What is fused behind a convolution. */
enum { ADD, NORM, JOIN, RELU, CUT, TAIL_NODES };
struct tail {
  int32_t bias, residual, result; /* values; bias and residual -1: none */
  uint32_t nodes[TAIL_NODES];     /* UINT32_MAX: none */
  float most;                     /* of CUT */
};

/* Walks from the convolution along the only readers. `everything`: also what not every primitive can do, batch normalisation and the sum with another branch. */
struct tail assay_cpu_find_tail(const struct assay_cpu_build *build, const struct assay_node *node, bool everything);
struct after assay_cpu_after(const struct assay_cpu_build *build, const struct tail *tail);
/* A step that makes factor and shift of a BATCH_NORM_INFERENCE node. */
int assay_cpu_emit_affine(struct assay_cpu_build *build, const struct assay_node *norm, struct assay_cpu_buffer **factor, struct assay_cpu_buffer **shift);

#endif
