/* SPDX-License-Identifier: MIT
 *
 * Functions that generated elementwise kernels call where OpenCL C has no operator or function with the meaning that the graph wants.
 * The text of this file stands in front of every generated kernel. The kernel at the end shows what a generated one looks like: it is the
 * plain copy of a view with two axes.
 */

/* Work-items of a work-group; a multiple of what any device runs at once. */
#ifndef GROUP_SIZE
#define GROUP_SIZE 64
#endif

/* 1 / (1 + exp(-x)) with an exponential that cannot overflow. */
float assay_sigmoid(const float x) {
  const float e = exp(-fabs(x));
  return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

/* By expm1, which loses nothing where tanh is near ±1: OpenCL lets tanh be off by 5 units in the last place, of which 1 - tanh² would show all. */
float assay_tanh(const float x) {
  const float m = expm1(-2.0f * fabs(x));
  return copysign(m / (-2.0f - m), x);
}

/* Maximum and minimum that keep what is not a number, so that a broken loss stays visible. */
float assay_maximum(const float x, const float y) { return x >= y || isnan(x) ? x : y; }
float assay_minimum(const float x, const float y) { return x <= y || isnan(x) ? x : y; }
float assay_relu(const float x) { return x <= 0.0f ? 0.0f : x; }

/* Integer division never traps: by zero it gives 0, and the one quotient that does not fit wraps around. */
int assay_divide_int(const int x, const int y) { return y == 0 ? 0 : y == -1 ? (int)(0u - (uint)x) : x / y; }
uint assay_divide_uint(const uint x, const uint y) { return y == 0u ? 0u : x / y; }

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void elementwise_example(const uint count, const uint extent1, __global const float *in0,
                                                                                          const uint in0_offset, const uint in0_stride0,
                                                                                          const uint in0_stride1, __global float *out0) {
  const uint index = get_global_id(0);
  if (index >= count) return;
  const uint position1 = index % extent1, position0 = index / extent1;
  const float v0 = in0[in0_offset + position0 * in0_stride0 + position1 * in0_stride1];
  out0[index] = v0;
}
