/* SPDX-License-Identifier: MIT
 *
 * The passes of batch normalisation over rows of channels, softmax over the last axis, random numbers, and small products.
 */
#include "level.h"

#include <assay/random.h>

/* Sums of long columns are taken in runs of this many rows, so that rounding errors do not pile up. */
enum { RUN = 64, COLUMNS = 256 };

/* The bodies are compiled for 16 channels, which are a register or a few, and for any number. */
#define BY_WIDTH(body, ...)                        \
  do {                                             \
    if (channels == 16) body(__VA_ARGS__, 16);     \
    else body(__VA_ARGS__, channels);              \
  } while (0)
#define BODY static inline __attribute__((always_inline)) void

/* Of `count` columns from `first` on, of which a row has `channels`. */
BODY sum_columns(const float *x, const float *shift, float *sums, int64_t channels, int64_t rows, int64_t first, int64_t count) {
  for (int64_t start = 0; start < rows; start += RUN) {
    const int64_t stop = rows - start < RUN ? rows : start + RUN;
    float run[COLUMNS] = {0}, squares[COLUMNS] = {0};
    for (int64_t r = start; r < stop; r++) {
      const float *row = x + r * channels + first;
      ASSAY_CPU_SIMD for (int64_t c = 0; c < count; c++) {
        const float d = row[c] - shift[first + c];
        run[c] += row[c];
        squares[c] += d * d;
      }
    }
    ASSAY_CPU_SIMD for (int64_t c = 0; c < count; c++) sums[first + c] += run[c], sums[channels + first + c] += squares[c];
  }
}

void ASSAY_CPU_KERNEL(norm_sums)(const float *x, const float *shift, float *sums, int64_t channels, int64_t rows);
void ASSAY_CPU_KERNEL(norm_sums)(const float *x, const float *shift, float *sums, int64_t channels, int64_t rows) {
  memset(sums, 0, 2 * (size_t)channels * sizeof *sums);
  if (channels == 16) {
    float run[4][16] = {{0}}, squares[4][16] = {{0}}; /* four rows at a time, since a sum waits for the last one */
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4)
      for (int k = 0; k < 4; k++)
        ASSAY_CPU_SIMD for (int c = 0; c < 16; c++) {
          const float number = x[(r + k) * 16 + c], d = number - shift[c];
          run[k][c] += number;
          squares[k][c] += d * d;
        }
    for (; r < rows; r++)
      ASSAY_CPU_SIMD for (int c = 0; c < 16; c++) {
        const float number = x[r * 16 + c], d = number - shift[c];
        run[0][c] += number;
        squares[0][c] += d * d;
      }
    ASSAY_CPU_SIMD for (int c = 0; c < 16; c++) {
      sums[c] = (run[0][c] + run[1][c]) + (run[2][c] + run[3][c]);
      sums[16 + c] = (squares[0][c] + squares[1][c]) + (squares[2][c] + squares[3][c]);
    }
    return;
  }
  for (int64_t first = 0; first < channels; first += COLUMNS) sum_columns(x, shift, sums, channels, rows, first, channels - first < COLUMNS ? channels - first : COLUMNS);
}

BODY apply(const struct assay_cpu_norm *norm, const float *x, const float *residual, float *y, int64_t rows, bool relu, int64_t channels) {
  const float *a = norm->a, *b = norm->b;
  for (int64_t r = 0; r < rows; r++) {
    const float *from = x + r * channels;
    float *to = y + r * channels;
    ASSAY_CPU_SIMD for (int64_t c = 0; c < channels; c++) {
      float number = from[c] * a[c] + b[c];
      if (residual) number += residual[r * channels + c];
      to[c] = relu ? (number < 0.f ? 0.f : number) : number; /* not-a-number stays */
    }
  }
}

void ASSAY_CPU_KERNEL(norm_apply)(const struct assay_cpu_norm *norm, const float *x, const float *residual, float *y, int64_t channels, int64_t rows);
void ASSAY_CPU_KERNEL(norm_apply)(const struct assay_cpu_norm *norm, const float *x, const float *residual, float *y, int64_t channels, int64_t rows) {
  if (residual && norm->relu) BY_WIDTH(apply, norm, x, residual, y, rows, true);
  else if (norm->relu) BY_WIDTH(apply, norm, x, NULL, y, rows, true);
  else BY_WIDTH(apply, norm, x, NULL, y, rows, false);
}

/* The gradient in front of the ReLU, where there is one. */
static inline float gradient_at(const struct assay_cpu_norm *norm, bool relu, float dy, float x, int64_t c) {
  return relu && !(x * norm->factor[c] + norm->shift[c] > 0.f) ? 0.f : dy;
}

BODY sum_gradients(const struct assay_cpu_norm *norm, const float *dy, const float *x, const float *mean, float *sums, int64_t rows, int64_t first, int64_t count, bool relu,
                   int64_t channels) {
  for (int64_t start = 0; start < rows; start += RUN) {
    const int64_t stop = rows - start < RUN ? rows : start + RUN;
    float run[COLUMNS], products[COLUMNS];
    for (int64_t c = 0; c < count; c++) run[c] = products[c] = 0;
    for (int64_t r = start; r < stop; r++) {
      const float *row = x + r * channels + first, *gradient = dy + r * channels + first;
      ASSAY_CPU_SIMD for (int64_t c = 0; c < count; c++) {
        const float g = gradient_at(norm, relu, gradient[c], row[c], first + c);
        run[c] += g;
        products[c] += g * (row[c] - mean[first + c]);
      }
    }
    for (int64_t c = 0; c < count; c++) sums[first + c] += run[c], sums[channels + first + c] += products[c];
  }
}

BODY sum_block(const struct assay_cpu_norm *norm, const float *dy, const float *x, const float *mean, float *sums, int64_t rows, bool relu) {
  float run[4][16] = {{0}}, products[4][16] = {{0}};
  for (int64_t r = 0; r < rows; r += 4)
    for (int k = 0; k < 4 && r + k < rows; k++)
      ASSAY_CPU_SIMD for (int c = 0; c < 16; c++) {
        const float number = x[(r + k) * 16 + c], g = gradient_at(norm, relu, dy[(r + k) * 16 + c], number, c);
        run[k][c] += g;
        products[k][c] += g * (number - mean[c]);
      }
  ASSAY_CPU_SIMD for (int c = 0; c < 16; c++) {
    sums[c] = (run[0][c] + run[1][c]) + (run[2][c] + run[3][c]);
    sums[16 + c] = (products[0][c] + products[1][c]) + (products[2][c] + products[3][c]);
  }
}

void ASSAY_CPU_KERNEL(norm_gradient_sums)(const struct assay_cpu_norm *norm, const float *dy, const float *x, const float *mean, float *sums, int64_t channels, int64_t rows);
void ASSAY_CPU_KERNEL(norm_gradient_sums)(const struct assay_cpu_norm *norm, const float *dy, const float *x, const float *mean, float *sums, int64_t channels, int64_t rows) {
  if (channels == 16) {
    if (norm->relu) sum_block(norm, dy, x, mean, sums, rows, true);
    else sum_block(norm, dy, x, mean, sums, rows, false);
    return;
  }
  memset(sums, 0, 2 * (size_t)channels * sizeof *sums);
  for (int64_t first = 0; first < channels; first += COLUMNS) {
    const int64_t count = channels - first < COLUMNS ? channels - first : COLUMNS;
    if (norm->relu) sum_gradients(norm, dy, x, mean, sums, rows, first, count, true, channels);
    else sum_gradients(norm, dy, x, mean, sums, rows, first, count, false, channels);
  }
}

BODY apply_gradient(const struct assay_cpu_norm *norm, const float *dy, const float *x, float *dx, int64_t rows, bool relu, int64_t channels) {
  const float *a = norm->a, *b = norm->b, *c = norm->c;
  for (int64_t r = 0; r < rows; r++) {
    const float *gradient = dy + r * channels, *row = x + r * channels;
    float *to = dx + r * channels;
    ASSAY_CPU_SIMD for (int64_t i = 0; i < channels; i++) {
      const float number = row[i], g = gradient_at(norm, relu, gradient[i], number, i);
      to[i] = g * a[i] + number * b[i] + c[i];
    }
  }
}

void ASSAY_CPU_KERNEL(norm_gradient_apply)(const struct assay_cpu_norm *norm, const float *dy, const float *x, float *dx, int64_t channels, int64_t rows);
void ASSAY_CPU_KERNEL(norm_gradient_apply)(const struct assay_cpu_norm *norm, const float *dy, const float *x, float *dx, int64_t channels, int64_t rows) {
  if (norm->relu) BY_WIDTH(apply_gradient, norm, dy, x, dx, rows, true);
  else BY_WIDTH(apply_gradient, norm, dy, x, dx, rows, false);
}

static float greatest(const float *x, int64_t count) {
  float best = -INFINITY;
  for (int64_t i = 0; i < count; i++) best = x[i] > best || x[i] != x[i] ? x[i] : best;
  return best;
}

static float exp_sum(const float *x, float shift, int64_t count) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; i++) sum += exp_of(x[i] - shift);
  return sum;
}

void ASSAY_CPU_KERNEL(softmax)(const float *x, float *y, int64_t classes, bool logarithm, int64_t begin, int64_t end);
void ASSAY_CPU_KERNEL(softmax)(const float *x, float *y, int64_t classes, bool logarithm, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; r++) {
    const float *from = x + r * classes;
    float *to = y + r * classes;
    const float shift = greatest(from, classes), sum = exp_sum(from, shift, classes);
    if (logarithm) {
      const float log_sum = logf(sum);
      ASSAY_CPU_SIMD for (int64_t c = 0; c < classes; c++) to[c] = from[c] - shift - log_sum;
    } else {
      const float scale = 1.f / sum;
      ASSAY_CPU_SIMD for (int64_t c = 0; c < classes; c++) to[c] = exp_of(from[c] - shift) * scale;
    }
  }
}

void ASSAY_CPU_KERNEL(softmax_cross_entropy)(const float *logits, const float *targets, float *loss, int64_t classes, int64_t begin, int64_t end);
void ASSAY_CPU_KERNEL(softmax_cross_entropy)(const float *logits, const float *targets, float *loss, int64_t classes, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; r++) {
    const float *x = logits + r * classes, *t = targets + r * classes;
    const float shift = greatest(x, classes), log_sum = logf(exp_sum(x, shift, classes));
    float sum = 0;
    for (int64_t c = 0; c < classes; c++) sum += t[c] * (log_sum - (x[c] - shift));
    loss[r] = sum;
  }
}

/* Parts are of samples. */
void ASSAY_CPU_KERNEL(random_uniform)(const uint32_t *keys, uint32_t stream, float *out, int64_t sample_size, int64_t begin, int64_t end);
void ASSAY_CPU_KERNEL(random_uniform)(const uint32_t *keys, uint32_t stream, float *out, int64_t sample_size, int64_t begin, int64_t end) {
  for (int64_t n = begin; n < end; n++) {
    const uint32_t key[2] = {keys[2 * n], keys[2 * n + 1]};
    float *to = out + n * sample_size;
    const int64_t blocks = sample_size / 4;
    ASSAY_CPU_SIMD for (int64_t block = 0; block < blocks; block++) {
      const uint32_t counter[4] = {(uint32_t)block, stream, 0, 0};
      uint32_t words[4];
      assay_philox(counter, key, words);
      for (int w = 0; w < 4; w++) to[4 * block + w] = (float)(int32_t)(words[w] >> 8) * 0x1p-24f;
    }
    if (blocks * 4 < sample_size) {
      const uint32_t counter[4] = {(uint32_t)blocks, stream, 0, 0};
      uint32_t words[4];
      assay_philox(counter, key, words);
      for (int64_t i = blocks * 4; i < sample_size; i++) to[i] = (float)(words[i & 3] >> 8) * 0x1p-24f;
    }
  }
}

void ASSAY_CPU_KERNEL(dot_rows)(const float *a, const float *b, float *out, int64_t columns, int64_t depth, int64_t begin, int64_t end);
void ASSAY_CPU_KERNEL(dot_rows)(const float *a, const float *b, float *out, int64_t columns, int64_t depth, int64_t begin, int64_t end) {
  for (int64_t m = begin; m < end; m++)
    for (int64_t n = 0; n < columns; n++) {
      const float *x = a + m * depth, *y = b + n * depth;
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t k = 0; k < depth; k++) sum += x[k] * y[k];
      out[m * columns + n] = sum;
    }
}
