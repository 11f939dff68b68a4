/* SPDX-License-Identifier: MIT
 *
 * Sums of products: matrix multiplication, convolution and its two gradients. All accumulate in double.
 */
#include "reference.h"

#include <string.h>

void assay_reference_matmul(const struct assay_node *node, const struct assay_reference_tensor *inputs, const struct assay_reference_tensor *outputs) {
  const struct assay_matmul_attributes *attributes = node->attributes;
  const struct assay_tensor_type *type = outputs[0].type;
  const int64_t *a_extents = inputs[0].type->extents + inputs[0].type->rank - 2;
  const int64_t M = type->extents[type->rank - 2], N = type->extents[type->rank - 1], K = a_extents[attributes->transpose_a ? 0 : 1];
  const int64_t batch = type->rank == 3 ? type->extents[0] : 1;
  for (int64_t b = 0; b < batch; b++) {
    const double *x = inputs[0].numbers + b * M * K, *y = inputs[1].numbers + b * K * N;
    for (int64_t m = 0; m < M; m++)
      for (int64_t n = 0; n < N; n++) {
        double sum = 0;
        for (int64_t k = 0; k < K; k++) sum += x[attributes->transpose_a ? k * M + m : m * K + k] * y[attributes->transpose_b ? n * K + k : k * N + n];
        outputs[0].numbers[(b * M + m) * N + n] = sum;
      }
  }
}

/* The extents that the three convolution ops share. x: N, C, H, W. w: O, C / groups, KH, KW. y: N, O, OH, OW. */
struct convolution {
  const struct assay_conv2d_attributes *attributes;
  int64_t N, C, H, W, O, KH, KW, OH, OW;
};

static struct convolution convolution(const struct assay_node *node, const struct assay_tensor_type *x, const struct assay_tensor_type *w,
                                      const struct assay_tensor_type *y) {
  return (struct convolution){node->attributes,  x->extents[0], x->extents[1], x->extents[2], x->extents[3], w->extents[0],
                              w->extents[2], w->extents[3], y->extents[2], y->extents[3]};
}

/* A convolution is a list of products y += x * w. Its gradients are the same list with the parts exchanged: dx += dy * w, dw += x * dy. */
enum result { RESULT_Y, RESULT_X, RESULT_W };

static void add_products(const struct convolution *c, enum result result, double *x, double *w, double *y) {
  const struct assay_conv2d_attributes *a = c->attributes;
  const int64_t group_inputs = c->C / a->groups, group_outputs = c->O / a->groups;
  for (int64_t n = 0; n < c->N; n++)
    for (int64_t o = 0; o < c->O; o++)
      for (int64_t oh = 0; oh < c->OH; oh++)
        for (int64_t ow = 0; ow < c->OW; ow++)
          for (int64_t k = 0; k < group_inputs; k++)
            for (int64_t kh = 0; kh < c->KH; kh++)
              for (int64_t kw = 0; kw < c->KW; kw++) {
                const int64_t channel = o / group_outputs * group_inputs + k;
                const int64_t h = oh * a->stride[0] + kh * a->dilation[0] - a->pad_low[0];
                const int64_t v = ow * a->stride[1] + kw * a->dilation[1] - a->pad_low[1];
                if (h < 0 || h >= c->H || v < 0 || v >= c->W) continue; /* padding */
                double *xi = &x[((n * c->C + channel) * c->H + h) * c->W + v];
                double *wi = &w[((o * group_inputs + k) * c->KH + kh) * c->KW + kw];
                double *yi = &y[((n * c->O + o) * c->OH + oh) * c->OW + ow];
                switch (result) {
                case RESULT_Y: *yi += *xi * *wi; break;
                case RESULT_X: *xi += *yi * *wi; break;
                case RESULT_W: *wi += *xi * *yi; break;
                }
              }
}

static void clear(const struct assay_reference_tensor *tensor) { memset(tensor->numbers, 0, (size_t)tensor->count * sizeof(double)); }

void assay_reference_conv2d(const struct assay_node *node, const struct assay_reference_tensor *inputs, const struct assay_reference_tensor *outputs) {
  const struct assay_reference_tensor *x = &inputs[0], *w = &inputs[1], *y = &outputs[0];
  const struct convolution c = convolution(node, x->type, w->type, y->type);
  clear(y);
  add_products(&c, RESULT_Y, x->numbers, w->numbers, y->numbers);
}

void assay_reference_conv2d_input_gradient(const struct assay_node *node, const struct assay_reference_tensor *inputs,
                                           const struct assay_reference_tensor *outputs) {
  const struct assay_reference_tensor *dy = &inputs[0], *w = &inputs[1], *dx = &outputs[0];
  const struct convolution c = convolution(node, dx->type, w->type, dy->type);
  clear(dx);
  add_products(&c, RESULT_X, dx->numbers, w->numbers, dy->numbers);
}

void assay_reference_conv2d_weight_gradient(const struct assay_node *node, const struct assay_reference_tensor *inputs,
                                            const struct assay_reference_tensor *outputs) {
  const struct assay_reference_tensor *x = &inputs[0], *dy = &inputs[1], *dw = &outputs[0];
  const struct convolution c = convolution(node, x->type, dw->type, dy->type);
  clear(dw);
  add_products(&c, RESULT_W, x->numbers, dw->numbers, dy->numbers);
}
