/* SPDX-License-Identifier: MIT
 *
 * Ops that move elements, and those that combine many: sums, products, convolutions, pooling. Sums are made in double.
 */
#include "plain.h"

#include <assay/random.h>
#include <math.h>
#include <string.h>

static void clear(const struct tensor *out) { memset(out->bytes, 0, (size_t)count_of(out) * assay_dtype_size(out->type->dtype)); }

/* ---- Moving ---- */

static void copy_element(const struct tensor *out, int64_t to, const struct tensor *in, int64_t from) {
  const size_t size = assay_dtype_size(out->type->dtype);
  memcpy(out->bytes + (size_t)to * size, in->bytes + (size_t)from * size, size);
}

static void reshape(const struct assay_node *node, const struct tensor *in, const struct tensor *out) {
  (void)node;
  memcpy(out->bytes, in->bytes, (size_t)count_of(out) * assay_dtype_size(out->type->dtype));
}

/* Element by element of the result, from wherever it comes. */
static void collect(const struct assay_node *node, const struct tensor *in, const struct tensor *out) {
  const struct assay_transpose_attributes *transpose = node->attributes;
  const struct assay_slice_attributes *slice = node->attributes;
  int64_t index[ASSAY_MAX_RANK] = {0}, i = 0;
  do {
    int64_t from = 0;
    if (node->op == ASSAY_OP_BROADCAST) from = broadcast_place(in->type, out->type, index);
    for (int32_t axis = 0; axis < out->type->rank; axis++) {
      if (node->op == ASSAY_OP_TRANSPOSE) from += index[axis] * stride_of(in->type, transpose->axes[axis]);
      if (node->op == ASSAY_OP_SLICE) from += (slice->start[axis] + index[axis] * slice->step[axis]) * stride_of(in->type, axis);
    }
    copy_element(out, i++, in, from);
  } while (next_index(out->type, index));
}

static void pad(const struct assay_node *node, const struct tensor *in, const struct tensor *out) {
  const struct assay_pad_attributes *attributes = node->attributes;
  int64_t index[ASSAY_MAX_RANK] = {0}, i = 0;
  for (int64_t k = 0; k < count_of(out); k++) store(out, k, attributes->value);
  do {
    int64_t to = 0;
    for (int32_t axis = 0; axis < in->type->rank; axis++)
      to += (attributes->low[axis] + index[axis] * (attributes->interior[axis] + 1)) * stride_of(out->type, axis);
    copy_element(out, to, in, i++);
  } while (next_index(in->type, index));
}

static void concat(const struct assay_node *node, const struct tensor *in, const struct tensor *out) {
  const struct assay_axis_attributes *attributes = node->attributes;
  int64_t start = 0; /* of the input at hand, along the axis */
  for (uint32_t k = 0; k < node->input_count; start += in[k++].type->extents[attributes->axis]) {
    int64_t index[ASSAY_MAX_RANK] = {0}, i = 0;
    do {
      int64_t to = start * stride_of(out->type, attributes->axis);
      for (int32_t axis = 0; axis < out->type->rank; axis++) to += index[axis] * stride_of(out->type, axis);
      copy_element(out, to, &in[k], i++);
    } while (next_index(in[k].type, index));
  }
}

/* Rows of the first input by number; numbers out of range mean the nearest row. SCATTER_ADD goes the other way and adds. */
static void rows(const struct assay_node *node, const struct tensor *in, const struct tensor *out) {
  const int gather = node->op == ASSAY_OP_GATHER;
  const int64_t count = gather ? in[0].type->extents[0] : out->type->extents[0], length = stride_of(in[0].type, 0);
  if (!gather) clear(out);
  for (int64_t i = 0; i < count_of(&in[1]); i++) {
    int64_t row = (int64_t)load(&in[1], i);
    row = row < 0 ? 0 : row >= count ? count - 1 : row;
    for (int64_t k = 0; k < length; k++)
      if (gather) copy_element(out, i * length + k, in, row * length + k);
      else store(out, row * length + k, load(out, row * length + k) + load(in, i * length + k));
  }
}

static void one_hot(const struct assay_node *node, const struct tensor *in, const struct tensor *out) {
  const struct assay_count_attributes *attributes = node->attributes;
  for (int64_t i = 0; i < count_of(out); i++) store(out, i, load(in, i / attributes->count) == (double)(i % attributes->count));
}

static void random_uniform(const struct assay_node *node, const struct tensor *in, const struct tensor *out) {
  const struct assay_random_attributes *attributes = node->attributes;
  const int64_t length = stride_of(out->type, 0);
  for (int64_t i = 0; i < count_of(out); i++) {
    const int64_t element = i % length;
    const uint32_t counter[4] = {(uint32_t)(element / 4), attributes->stream, 0, 0};
    uint32_t words[4];
    assay_philox(counter, (const uint32_t *)in->bytes + 2 * (i / length), words);
    store(out, i, (words[element % 4] >> 8) * 0x1p-24);
  }
}

/* ---- Combining ---- */

static double reduced(uint32_t op, double so_far, double x, int first) {
  if (op == ASSAY_OP_REDUCE_SUM) return so_far + x;
  return first || x > so_far ? x : so_far;
}

/* Sum, maximum, or the place of the first maximum. `outer` walks over the results, `inner` over what is combined into one. */
static void reduce(const struct assay_node *node, const struct tensor *in, const struct tensor *out) {
  const struct assay_reduce_attributes *attributes = node->attributes;
  struct assay_tensor_type outer = *in->type, inner = *in->type;
  for (int32_t axis = 0; axis < in->type->rank; axis++) (attributes->axes >> axis & 1 ? &outer : &inner)->extents[axis] = 1;
  int64_t at[ASSAY_MAX_RANK] = {0}, i = 0;
  do {
    int64_t index[ASSAY_MAX_RANK] = {0}, k = 0, best = 0;
    double result = 0;
    do {
      int64_t from = 0;
      for (int32_t axis = 0; axis < in->type->rank; axis++) from += (at[axis] + index[axis]) * stride_of(in->type, axis);
      const double x = load(in, from);
      if (k == 0 || x > result) best = k;
      result = reduced(node->op, result, x, k++ == 0);
    } while (next_index(&inner, index));
    store(out, i++, node->op == ASSAY_OP_ARGMAX ? (double)best : result);
  } while (next_index(&outer, at));
}

static void matmul(const struct assay_node *node, const struct tensor *in, const struct tensor *out) {
  const struct assay_matmul_attributes *a = node->attributes;
  const int32_t rank = out->type->rank;
  const int64_t M = out->type->extents[rank - 2], N = out->type->extents[rank - 1], K = in[0].type->extents[a->transpose_a ? rank - 2 : rank - 1];
  for (int64_t i = 0; i < count_of(out); i++) {
    const int64_t batch = i / (M * N), m = i / N % M, n = i % N;
    double sum = 0;
    for (int64_t k = 0; k < K; k++)
      sum += load(&in[0], batch * M * K + (a->transpose_a ? k * M + m : m * K + k)) * load(&in[1], batch * K * N + (a->transpose_b ? n * K + k : k * N + n));
    store(out, i, sum);
  }
}

/* All three are one sum over the same pairs: y[n,o,p,q] += x[n,c,h,w] * k[o,c,r,s]. What is looked for is added to, the other two are read. */
static void convolution(const struct assay_node *node, const struct tensor *in, const struct tensor *out) {
  const struct assay_conv2d_attributes *a = node->attributes;
  const struct tensor *x = node->op == ASSAY_OP_CONV2D_INPUT_GRADIENT ? out : &in[0];
  const struct tensor *k = node->op == ASSAY_OP_CONV2D_WEIGHT_GRADIENT ? out : &in[1];
  const struct tensor *y = node->op == ASSAY_OP_CONV2D ? out : node->op == ASSAY_OP_CONV2D_INPUT_GRADIENT ? &in[0] : &in[1];
  const int64_t *X = x->type->extents, *W = k->type->extents, *Y = y->type->extents;
  clear(out);
  for (int64_t i = 0; i < count_of(y); i++) {
    const int64_t n = i / (Y[1] * Y[2] * Y[3]), o = i / (Y[2] * Y[3]) % Y[1], p = i / Y[3] % Y[2], q = i % Y[3];
    const int64_t channel = o / (Y[1] / a->groups) * W[1]; /* the first one of the group */
    double sum = 0;
    for (int64_t j = 0; j < W[1] * W[2] * W[3]; j++) {
      const int64_t c = j / (W[2] * W[3]), h = p * a->stride[0] - a->pad_low[0] + j / W[3] % W[2] * a->dilation[0];
      const int64_t w = q * a->stride[1] - a->pad_low[1] + j % W[3] * a->dilation[1];
      if (h < 0 || h >= X[2] || w < 0 || w >= X[3]) continue;
      const int64_t at_x = ((n * X[1] + channel + c) * X[2] + h) * X[3] + w, at_k = o * W[1] * W[2] * W[3] + j;
      if (out == y) sum += load(x, at_x) * load(k, at_k);
      else if (out == x) store(x, at_x, load(x, at_x) + load(y, i) * load(k, at_k));
      else store(k, at_k, load(k, at_k) + load(y, i) * load(x, at_x));
    }
    if (out == y) store(y, i, sum);
  }
}

/* The large tensor is x and the small one y; gradients go from y to x. The residual of a maximum is its place in its plane; -1: only padding. */
static void pool(const struct assay_node *node, const struct tensor *in, const struct tensor *out) {
  const struct assay_pool2d_attributes *a = node->attributes;
  const int back = node->op == ASSAY_OP_AVG_POOL2D_GRADIENT, maximum = node->op == ASSAY_OP_MAX_POOL2D;
  const struct tensor *x = back ? &out[0] : &in[0], *y = back ? &in[0] : &out[0];
  const int64_t *X = x->type->extents, *Y = y->type->extents;
  if (back) clear(x);
  for (int64_t i = 0; i < count_of(y); i++) {
    const int64_t plane = i / (Y[2] * Y[3]) * X[2] * X[3];
    const int64_t top = i / Y[3] % Y[2] * a->stride[0] - a->pad_low[0], left = i % Y[3] * a->stride[1] - a->pad_low[1];
    const int64_t h0 = top < 0 ? 0 : top, h1 = top + a->kernel[0] > X[2] ? X[2] : top + a->kernel[0];
    const int64_t w0 = left < 0 ? 0 : left, w1 = left + a->kernel[1] > X[3] ? X[3] : left + a->kernel[1];
    const double inside = h1 > h0 && w1 > w0 ? (double)((h1 - h0) * (w1 - w0)) : 1;
    const double divisor = a->count_padding ? (double)(a->kernel[0] * a->kernel[1]) : inside;
    double result = maximum ? -INFINITY : 0;
    int64_t where = -1;
    for (int64_t h = h0; h < h1; h++)
      for (int64_t w = w0; w < w1; w++) {
        const int64_t at = h * X[3] + w;
        const double number = load(x, plane + at);
        if (back) store(x, plane + at, number + load(y, i) / divisor);
        else if (!maximum) result += number / divisor;
        else if (where < 0 || number > result) result = number, where = at;
      }
    if (!back) store(y, i, result);
    if (maximum) store(&out[1], i, (double)where);
  }
}

static void max_pool_gradient(const struct assay_node *node, const struct tensor *in, const struct tensor *out) {
  const int64_t small = in[0].type->extents[2] * in[0].type->extents[3], large = out->type->extents[2] * out->type->extents[3];
  (void)node;
  clear(out);
  for (int64_t i = 0; i < count_of(&in[0]); i++) {
    const int64_t where = (int64_t)load(&in[1], i), at = i / small * large + where;
    if (where >= 0) store(out, at, load(out, at) + load(&in[0], i));
  }
}

kernel tensor_kernel(uint32_t op) {
  switch (op) {
  case ASSAY_OP_RESHAPE: return reshape;
  case ASSAY_OP_BROADCAST:
  case ASSAY_OP_TRANSPOSE:
  case ASSAY_OP_SLICE: return collect;
  case ASSAY_OP_PAD: return pad;
  case ASSAY_OP_CONCAT: return concat;
  case ASSAY_OP_GATHER:
  case ASSAY_OP_SCATTER_ADD: return rows;
  case ASSAY_OP_ONE_HOT: return one_hot;
  case ASSAY_OP_RANDOM_UNIFORM: return random_uniform;
  case ASSAY_OP_REDUCE_SUM:
  case ASSAY_OP_REDUCE_MAX:
  case ASSAY_OP_ARGMAX: return reduce;
  case ASSAY_OP_MATMUL: return matmul;
  case ASSAY_OP_CONV2D:
  case ASSAY_OP_CONV2D_INPUT_GRADIENT:
  case ASSAY_OP_CONV2D_WEIGHT_GRADIENT: return convolution;
  case ASSAY_OP_MAX_POOL2D:
  case ASSAY_OP_AVG_POOL2D:
  case ASSAY_OP_AVG_POOL2D_GRADIENT: return pool;
  case ASSAY_OP_MAX_POOL2D_GRADIENT: return max_pool_gradient;
  default: return NULL;
  }
}
