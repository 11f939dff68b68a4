/* SPDX-License-Identifier: MIT
 *
 * The loops that do the work. They are compiled several times, once a level of the processor (any, AVX2, AVX-512), and reached
 * through one table a level. Tensors are dense; "channels last" means that axis 1 is innermost. All work on a part [begin, end) of
 * what they do, so that callers can share it between threads.
 */
#ifndef ASSAY_BACKENDS_CPU_KERNELS_H
#define ASSAY_BACKENDS_CPU_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* out[i] = f(in[0][i], …) for i < count. An input may be the output itself. */
typedef void (*assay_cpu_tile)(void *out, const void *const *in, int64_t count);

/* A pooling over N, H, W, C. */
struct assay_cpu_pool {
  int64_t batch, channels, height, width; /* of the larger side */
  int64_t out_height, out_width;          /* of the smaller */
  int64_t kernel[2], stride[2], pad[2];   /* pad: top, left */
  bool count_padding;
};

/* Pictures N, H, W, C that each sample treats in its own way. */
struct assay_cpu_picture {
  int64_t channels, height, width;
  int64_t radius;  /* of a blur */
  uint32_t border; /* of a warp: enum assay_border */
};

/* Numbers a channel for the passes of batch normalisation. */
struct assay_cpu_norm {
  float *a, *b, *c;
  float *factor, *shift; /* of the forward pass, for the gradient with ReLU */
  bool relu;
};

/* A tensor seen as rows of channels. */
struct assay_cpu_rows {
  int64_t rows, channels;
};

/* A convolution (stride and dilation 1, no groups) whose result was max-pooled without padding. */
struct assay_cpu_sparse {
  int64_t batch, channels, height, width; /* of the convolution's input */
  int64_t out_channels, pooled;           /* pooled: pixels of the pooled plane */
  int64_t kernel[2], pad[2];              /* pad: top, left */
  int64_t plane_height, plane_width;      /* of the padded input */
};

/* How many numbers the scratch memories take: one list, padded input, one plane, sums of the weights' gradient, weights in blocks. */
struct assay_cpu_sparse_sizes {
  int64_t list, planes, plane, sums, weights;
};
/* Lists of places and gradients, one an image and output channel, `stride` numbers apart. */
struct assay_cpu_pairs {
  int32_t *places; /* pixel of the padded plane at the first tap */
  float *gradients;
  int32_t *counts;
  int64_t stride;
};

struct assay_cpu_kernels {
  const char *level;
  /* NULL when there is none. `from` is the dtype of the inputs (of the values, for SELECT), `to` that of the output. */
  assay_cpu_tile (*tile)(uint32_t op, int32_t from, int32_t to);

  /* out[k] (+)= sum or maximum over r of x[k][r][i]: `kept` x `reduced` x `inner`; the part is of `kept`. `fresh`: out holds nothing yet. */
  void (*reduce_sum)(float *out, const float *x, int64_t reduced, int64_t inner, int64_t begin, int64_t end, bool fresh);
  void (*reduce_max)(float *out, const float *x, int64_t reduced, int64_t inner, int64_t begin, int64_t end, bool fresh);

  /* Parts are of output rows (n, oh); `where` is the place of the maximum in its window (kh * KW + kw), -1: nowhere. */
  void (*max_pool)(const struct assay_cpu_pool *pool, const float *x, float *y, int32_t *where, int64_t begin, int64_t end);
  /* Parts are of images. */
  void (*max_pool_gradient)(const struct assay_cpu_pool *pool, const float *dy, const int32_t *where, float *dx, int64_t begin, int64_t end);
  void (*avg_pool)(const struct assay_cpu_pool *pool, const float *x, float *y, int64_t begin, int64_t end);
  void (*avg_pool_gradient)(const struct assay_cpu_pool *pool, const float *dy, float *dx, int64_t begin, int64_t end);

  /* Batch normalisation over `rows` rows of `channels`. sums[0..C) = Σ x, sums[C..2C) = Σ (x - shift)². */
  void (*norm_sums)(const float *x, const float *shift, float *sums, int64_t channels, int64_t rows);
  /* y = x * a + b (+ residual, unless that is NULL: only with ReLU), then ReLU where `norm` says so. y may be x or the residual. */
  void (*norm_apply)(const struct assay_cpu_norm *norm, const float *x, const float *residual, float *y, int64_t channels, int64_t rows);
  /* With g = dy, and where there is ReLU zero unless x * factor + shift > 0: sums[0..C) = Σ g, sums[C..2C) = Σ g (x - mean). */
  void (*norm_gradient_sums)(const struct assay_cpu_norm *norm, const float *dy, const float *x, const float *mean, float *sums, int64_t channels, int64_t rows);
  /* dx = g * a + x * b + c. dx may be dy or x. */
  void (*norm_gradient_apply)(const struct assay_cpu_norm *norm, const float *dy, const float *x, float *dx, int64_t channels, int64_t rows);

  void (*softmax)(const float *x, float *y, int64_t classes, bool logarithm, int64_t begin, int64_t end);
  void (*softmax_cross_entropy)(const float *logits, const float *targets, float *loss, int64_t classes, int64_t begin, int64_t end);
  void (*random_uniform)(const uint32_t *keys, uint32_t stream, float *out, int64_t sample_size, int64_t begin, int64_t end);
  /* At most four channels; parts are of lines (n, y). maps: [N, 9] and [N, C, C + 1]; deviations [N]. */
  void (*warp)(const struct assay_cpu_picture *picture, const float *x, const float *maps, float *y, int64_t begin, int64_t end);
  void (*mix_channels)(const struct assay_cpu_picture *picture, const float *x, const float *maps, float *y, int64_t begin, int64_t end);
  void (*gaussian_blur)(const struct assay_cpu_picture *picture, const float *x, const float *deviations, float *y, int64_t begin, int64_t end);
  /* Gradients behind max pooling; see sparse.c. Gradients of zero are left out of the lists. Parts are of images. */
  void (*sparse_sizes)(const struct assay_cpu_sparse *sparse, struct assay_cpu_sparse_sizes *sizes);
  void (*sparse_pairs)(const struct assay_cpu_sparse *sparse, const struct assay_cpu_pool *pool, const float *gradients, const int32_t *where,
                       const struct assay_cpu_pairs *pairs, int64_t begin, int64_t end);
  void (*sparse_pad)(const struct assay_cpu_sparse *sparse, const float *x, float *planes, int64_t begin, int64_t end); /* parts are of images */
  void (*sparse_weights)(const struct assay_cpu_sparse *sparse, const float *weights, float *out); /* from O, KH, KW, C to blocks of channels */
  /* out: O, KH, KW, C. Parts are of output channels. */
  void (*sparse_weight_gradient)(const struct assay_cpu_sparse *sparse, const float *planes, const struct assay_cpu_pairs *pairs, float *sums, float *out,
                                 int64_t begin, int64_t end);
  /* `weights` from sparse_weights; `plane` is scratch. Parts are of images. */
  void (*sparse_input_gradient)(const struct assay_cpu_sparse *sparse, const float *weights, const struct assay_cpu_pairs *pairs, float *plane, float *out,
                                int64_t begin, int64_t end);
  /* out[m][n] = Σ a[m][k] b[n][k]: small products that are not worth a GEMM. Parts are of m. */
  void (*dot_rows)(const float *a, const float *b, float *out, int64_t columns, int64_t depth, int64_t begin, int64_t end);
};

extern const struct assay_cpu_kernels assay_cpu_kernels_base, assay_cpu_kernels_v3, assay_cpu_kernels_v4;

#endif
