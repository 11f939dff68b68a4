/* SPDX-License-Identifier: MIT
 *
 * A program of one product, to be timed while parameters are tried: its buffers and its time.
 */
#ifndef ASSAY_OPENCL_BENCH_H
#define ASSAY_OPENCL_BENCH_H

#include "backends/opencl/device.h"

/* Points into itself once it is made: not to be copied. */
struct assay_cl_trial {
  struct assay_tensor_type inputs[2], output;
  double operations, terms; /* of a run; of a result's sum */
  uint32_t op;
  union {
    struct assay_conv2d_attributes conv2d;
    struct assay_matmul_attributes matmul;
  } attributes;
  struct assay_source_attributes sources[2];
  int32_t ids[3];
  struct assay_node nodes[3];
  const struct assay_node *node_list[3];
  const struct assay_tensor_type *types[3];
  struct assay_graph graph;
  struct assay_function function;
  const struct assay_function *functions[1];
  struct assay_program program;
};

/* a x b^T as a dense layer does it. */
void assay_cl_trial_matmul(struct assay_cl_trial *trial, int64_t rows, int64_t columns, int64_t depth);
/* 3 x 3 on 28 x 28 pixels with as many channels in as out. */
void assay_cl_trial_conv2d(struct assay_cl_trial *trial, enum assay_cl_family family, int64_t samples, int64_t channels);

struct assay_cl_bench {
  struct assay_device *device;
  const struct assay_cl_trial *trial;
  struct assay_buffer *feeds[2], *fetch;
  float *expected, *results; /* of the first measurement, and of the last */
  bool has_expected;
};

/* Buffers, and numbers between -1 and 1. Release it also after an error. */
int assay_cl_bench_create(struct assay_cl_bench *bench, struct assay_device *device, const struct assay_cl_trial *trial, uint64_t seed, struct assay_status *status);
void assay_cl_bench_release(struct assay_cl_bench *bench);
/* Compiles the trial with the parameters that are set, and times it: seconds of a run (of processor time on a processor), the best of some rounds. After a first round above `enough` there is no other. */
int assay_cl_bench_measure(struct assay_cl_bench *bench, double enough, double *best, struct assay_status *status);
/* Did the last measurement compute what the first did, but for rounding? */
bool assay_cl_bench_agrees(const struct assay_cl_bench *bench);

#endif
