/* SPDX-License-Identifier: MIT
 *
 * A convolution or one of its gradients as dnnl sees it, the choice of a primitive for it, and what is fused into a forward one. Private to convolution.c,
 * convolution_choice.c, convolution_tail.c and images.c.
 */
#ifndef ASSAY_BACKENDS_CPU_CONVOLUTION_H
#define ASSAY_BACKENDS_CPU_CONVOLUTION_H

#include "cpu.h"

/* What is done to each result on its way to memory: times a factor and plus a shift a channel, plus another tensor, ReLU, cut at `most`. */
struct after {
  bool affine, residual, relu;
  float most;                              /* 0: not cut */
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

/* ---- convolution_choice.c ---- */

/* One of the three directions: CONV2D, CONV2D_INPUT_GRADIENT, CONV2D_WEIGHT_GRADIENT. x, w and y are those of the forward convolution. */
struct problem {
  uint32_t op;
  dnnl_dims_t x, w, y, stride, dilation, pad_low, pad_high; /* w has five axes when there are groups */
  int weight_rank;
  bool blocked;                                     /* images lie in blocks of channels */
  dnnl_memory_desc_t source, weights, result, bias; /* where images lie between convolutions; weights: whatever suits */
};
int assay_cpu_describe_convolution(struct problem *problem, const struct assay_graph *graph, const struct assay_node *node, bool blocked);
/* Row-major weights; the same with and without an axis of groups. */
bool assay_cpu_weights_row_major(const struct problem *problem, dnnl_memory_desc_t *descriptor);
/* Is it one of dnnl's generated kernels rather than one of its fallbacks? */
bool assay_cpu_is_generated(dnnl_primitive_desc_t descriptor);

/* The primitive that is fastest bare, with what is to be fused into it where it can do that; else another that can, and `fits` (may be NULL) is false. `weights`, where not
 * NULL, is how they lie already: taken where the fastest can use it so. NULL: none. */
dnnl_primitive_desc_t assay_cpu_make_convolution(struct assay_executable *executable, const struct problem *problem, bool bias, const struct after *after,
                                                 const dnnl_memory_desc_t *weights, bool *fits);
/* Milliseconds of the fastest, conversions counted; 0 where nothing may be measured. */
double assay_cpu_convolution_time(struct assay_executable *executable, const struct problem *problem);

#endif
