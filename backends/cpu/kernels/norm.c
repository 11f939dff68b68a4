/* SPDX-License-Identifier: MIT
 *
 * The passes of batch normalisation over rows of channels, softmax over the last axis, random numbers, and small products.
 */
#include "level.h"

#include <assay/random.h>

/* Sums of long columns are taken in runs of this many rows, so that rounding errors do not pile up. */
enum { RUN = 64, COLUMNS = 256 };

void ASSAY_CPU_KERNEL(norm_sums)(const float *x, const float *shift, float *sums, int64_t channels, int64_t begin, int64_t end);
void ASSAY_CPU_KERNEL(norm_sums)(const float *x, const float *shift, float *sums, int64_t channels, int64_t begin, int64_t end) {
  memset(sums, 0, 2 * (size_t)channels * sizeof *sums);
  for (int64_t first = 0; first < channels; first += COLUMNS) {
    const int64_t count = channels - first < COLUMNS ? channels - first : COLUMNS;
    for (int64_t start = begin; start < end; start += RUN) {
      const int64_t stop = end - start < RUN ? end : start + RUN;
      float run[COLUMNS] = {0}, squares[COLUMNS] = {0};
      for (int64_t r = start; r < stop; r++) {
        const float *row = x + r * channels + first;
        ASSAY_CPU_SIMD for (int64_t c = 0; c < count; c++) {
          const float d = row[c] - shift[first + c];
          run[c] += row[c];
          squares[c] += d * d;
        }
      }
      for (int64_t c = 0; c < count; c++) sums[first + c] += run[c], sums[channels + first + c] += squares[c];
    }
  }
}

void ASSAY_CPU_KERNEL(norm_apply)(const float *x, const float *a, const float *b, float *y, int64_t channels, int64_t begin, int64_t end);
void ASSAY_CPU_KERNEL(norm_apply)(const float *x, const float *a, const float *b, float *y, int64_t channels, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; r++) {
    const float *from = x + r * channels;
    float *to = y + r * channels;
    ASSAY_CPU_SIMD for (int64_t c = 0; c < channels; c++) to[c] = from[c] * a[c] + b[c];
  }
}

void ASSAY_CPU_KERNEL(norm_gradient_sums)(const float *dy, const float *x, const float *mean, float *sums, int64_t channels, int64_t begin, int64_t end);
void ASSAY_CPU_KERNEL(norm_gradient_sums)(const float *dy, const float *x, const float *mean, float *sums, int64_t channels, int64_t begin, int64_t end) {
  memset(sums, 0, 2 * (size_t)channels * sizeof *sums);
  for (int64_t first = 0; first < channels; first += COLUMNS) {
    const int64_t count = channels - first < COLUMNS ? channels - first : COLUMNS;
    for (int64_t start = begin; start < end; start += RUN) {
      const int64_t stop = end - start < RUN ? end : start + RUN;
      float run[COLUMNS] = {0}, products[COLUMNS] = {0};
      for (int64_t r = start; r < stop; r++) {
        const float *row = x + r * channels + first, *gradient = dy + r * channels + first;
        ASSAY_CPU_SIMD for (int64_t c = 0; c < count; c++) {
          run[c] += gradient[c];
          products[c] += gradient[c] * (row[c] - mean[first + c]);
        }
      }
      for (int64_t c = 0; c < count; c++) sums[first + c] += run[c], sums[channels + first + c] += products[c];
    }
  }
}

void ASSAY_CPU_KERNEL(norm_gradient_apply)(const float *dy, const float *x, const float *a, const float *b, const float *c, float *dx, int64_t channels,
                                           int64_t begin, int64_t end);
void ASSAY_CPU_KERNEL(norm_gradient_apply)(const float *dy, const float *x, const float *a, const float *b, const float *c, float *dx, int64_t channels,
                                           int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; r++) {
    const float *gradient = dy + r * channels, *row = x + r * channels;
    float *to = dx + r * channels;
    ASSAY_CPU_SIMD for (int64_t i = 0; i < channels; i++) to[i] = gradient[i] * a[i] + row[i] * b[i] + c[i];
  }
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
