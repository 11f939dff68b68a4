/* SPDX-License-Identifier: MIT
 *
 * Pooling and its gradients. The residual of max pooling is, for every output, where in its plane of H x W the maximum was.
 */
#include "reference.h"

#include <math.h>
#include <string.h>

/* One window: rows and columns of the plane that it covers, cut at the plane's border. */
struct window {
  int64_t top, bottom, left, right; /* bottom and right excluded */
};

static struct window window(const struct assay_pool2d_attributes *a, const int64_t *plane, int64_t oh, int64_t ow) {
  const int64_t top = oh * a->stride[0] - a->pad_low[0], bottom = top + a->kernel[0];
  const int64_t left = ow * a->stride[1] - a->pad_low[1], right = left + a->kernel[1];
  return (struct window){top < 0 ? 0 : top, bottom > plane[0] ? plane[0] : bottom, left < 0 ? 0 : left, right > plane[1] ? plane[1] : right};
}

static double divisor(const struct assay_pool2d_attributes *a, const struct window *w) {
  if (a->count_padding) return (double)(a->kernel[0] * a->kernel[1]);
  const bool empty = w->bottom <= w->top || w->right <= w->left; /* nothing but padding: 0 over anything */
  return empty ? 1 : (double)((w->bottom - w->top) * (w->right - w->left));
}

static int64_t planes(const struct assay_tensor_type *type) { return type->extents[0] * type->extents[1]; }

void assay_reference_max_pool2d(const struct assay_node *node, const struct assay_reference_tensor *inputs, const struct assay_reference_tensor *outputs) {
  const int64_t *in = inputs[0].type->extents + 2, *out = outputs[0].type->extents + 2;
  int64_t i = 0;
  for (int64_t p = 0; p < planes(inputs[0].type); p++)
    for (int64_t oh = 0; oh < out[0]; oh++)
      for (int64_t ow = 0; ow < out[1]; ow++, i++) {
        const double *plane = inputs[0].numbers + p * in[0] * in[1];
        const struct window w = window(node->attributes, in, oh, ow);
        double best = -INFINITY;
        int64_t where = -1; /* nowhere: the window holds nothing but padding */
        for (int64_t h = w.top; h < w.bottom; h++)
          for (int64_t v = w.left; v < w.right; v++) {
            const double x = plane[h * in[1] + v];
            if (where < 0 || x > best || (isnan(x) && !isnan(best))) best = x, where = h * in[1] + v;
          }
        outputs[0].numbers[i] = best;
        outputs[1].numbers[i] = (double)where;
      }
}

void assay_reference_max_pool2d_gradient(const struct assay_node *node, const struct assay_reference_tensor *inputs,
                                         const struct assay_reference_tensor *outputs) {
  const struct assay_tensor_type *dx = outputs[0].type, *dy = inputs[0].type;
  const int64_t in = dx->extents[2] * dx->extents[3], out = dy->extents[2] * dy->extents[3];
  (void)node;
  memset(outputs[0].numbers, 0, (size_t)outputs[0].count * sizeof(double));
  for (int64_t p = 0; p < planes(dy); p++)
    for (int64_t i = 0; i < out; i++) {
      const int64_t where = (int64_t)inputs[1].numbers[p * out + i];
      if (where >= 0) outputs[0].numbers[p * in + where] += inputs[0].numbers[p * out + i];
    }
}

void assay_reference_avg_pool2d(const struct assay_node *node, const struct assay_reference_tensor *inputs, const struct assay_reference_tensor *outputs) {
  const int64_t *in = inputs[0].type->extents + 2, *out = outputs[0].type->extents + 2;
  int64_t i = 0;
  for (int64_t p = 0; p < planes(inputs[0].type); p++)
    for (int64_t oh = 0; oh < out[0]; oh++)
      for (int64_t ow = 0; ow < out[1]; ow++) {
        const struct window w = window(node->attributes, in, oh, ow);
        double sum = 0;
        for (int64_t h = w.top; h < w.bottom; h++)
          for (int64_t v = w.left; v < w.right; v++) sum += inputs[0].numbers[(p * in[0] + h) * in[1] + v];
        outputs[0].numbers[i++] = sum / divisor(node->attributes, &w);
      }
}

void assay_reference_avg_pool2d_gradient(const struct assay_node *node, const struct assay_reference_tensor *inputs,
                                         const struct assay_reference_tensor *outputs) {
  const int64_t *in = outputs[0].type->extents + 2, *out = inputs[0].type->extents + 2;
  int64_t i = 0;
  memset(outputs[0].numbers, 0, (size_t)outputs[0].count * sizeof(double));
  for (int64_t p = 0; p < planes(outputs[0].type); p++)
    for (int64_t oh = 0; oh < out[0]; oh++)
      for (int64_t ow = 0; ow < out[1]; ow++) {
        const struct window w = window(node->attributes, in, oh, ow);
        const double share = inputs[0].numbers[i++] / divisor(node->attributes, &w);
        for (int64_t h = w.top; h < w.bottom; h++)
          for (int64_t v = w.left; v < w.right; v++) outputs[0].numbers[(p * in[0] + h) * in[1] + v] += share;
      }
}
