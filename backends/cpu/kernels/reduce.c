/* SPDX-License-Identifier: MIT
 *
 * Sums and maxima over the middle one of three dimensions.
 */
#include "level.h"

/* Long sums are taken in runs of this many, so that rounding errors do not pile up. */
enum { RUN = 64, COLUMNS = 512, NARROW = 64 };

static float sum_run(const float *x, int64_t count) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; i++) sum += x[i];
  return sum;
}

/* Pairwise above a block: the error grows with the logarithm of the count. */
static float sum_line(const float *x, int64_t count) {
  if (count <= 1024) return sum_run(x, count);
  const int64_t half = (count / 2 + 15) / 16 * 16;
  return sum_line(x, half) + sum_line(x + half, count - half);
}

/* A block of at most COLUMNS columns, `stride` apart from row to row. */
static void sum_columns(float *out, const float *x, int64_t rows, int64_t stride, int64_t columns, bool fresh) {
  float total[COLUMNS], run[COLUMNS];
  for (int64_t i = 0; i < columns; i++) total[i] = fresh ? 0.f : out[i];
  for (int64_t first = 0; first < rows; first += RUN) {
    const int64_t last = rows - first < RUN ? rows : first + RUN;
    memset(run, 0, (size_t)columns * sizeof *run);
    for (int64_t r = first; r < last; r++) {
      const float *row = x + r * stride;
      ASSAY_CPU_SIMD for (int64_t i = 0; i < columns; i++) run[i] += row[i];
    }
    ASSAY_CPU_SIMD for (int64_t i = 0; i < columns; i++) total[i] += run[i];
  }
  memcpy(out, total, (size_t)columns * sizeof *out);
}

/* Few columns, one row behind the other: many rows are taken as one, so that vectors are full. */
static void sum_narrow(float *out, const float *x, int64_t rows, int64_t columns, bool fresh) {
  int64_t beside = 1;
  while (2 * beside * columns <= NARROW) beside *= 2;
  float sums[NARROW];
  const int64_t whole = rows / beside;
  sum_columns(sums, x, whole, beside * columns, beside * columns, true);
  for (int64_t r = whole * beside; r < rows; r++)
    for (int64_t i = 0; i < columns; i++) sums[i] += x[r * columns + i];
  for (int64_t half = beside / 2; half > 0; half /= 2)
    for (int64_t i = 0; i < half * columns; i++) sums[i] += sums[half * columns + i];
  for (int64_t i = 0; i < columns; i++) out[i] = fresh ? sums[i] : out[i] + sums[i];
}

void ASSAY_CPU_KERNEL(reduce_sum)(float *out, const float *x, int64_t reduced, int64_t inner, int64_t begin, int64_t end, bool fresh);
void ASSAY_CPU_KERNEL(reduce_sum)(float *out, const float *x, int64_t reduced, int64_t inner, int64_t begin, int64_t end, bool fresh) {
  for (int64_t k = begin; k < end; k++) {
    const float *from = x + k * reduced * inner;
    if (inner == 1) {
      const float sum = sum_line(from, reduced);
      out[k] = fresh ? sum : out[k] + sum;
      continue;
    }
    if (2 * inner <= NARROW) {
      sum_narrow(out + k * inner, from, reduced, inner, fresh);
      continue;
    }
    for (int64_t i = 0; i < inner; i += COLUMNS)
      sum_columns(out + k * inner + i, from + i, reduced, inner, inner - i < COLUMNS ? inner - i : COLUMNS, fresh);
  }
}

/* Not-a-number wins. */
static inline float greater_of(float best, float x) { return x > best || x != x ? x : best; }

static float max_line(const float *x, int64_t count) {
  float best = -INFINITY;
  for (int64_t i = 0; i < count; i++) best = best != best ? best : greater_of(best, x[i]);
  return best;
}

void ASSAY_CPU_KERNEL(reduce_max)(float *out, const float *x, int64_t reduced, int64_t inner, int64_t begin, int64_t end, bool fresh);
void ASSAY_CPU_KERNEL(reduce_max)(float *out, const float *x, int64_t reduced, int64_t inner, int64_t begin, int64_t end, bool fresh) {
  for (int64_t k = begin; k < end; k++) {
    const float *from = x + k * reduced * inner;
    float *to = out + k * inner;
    if (inner == 1) {
      const float best = max_line(from, reduced);
      to[0] = fresh ? best : to[0] != to[0] ? to[0] : greater_of(to[0], best);
      continue;
    }
    if (fresh)
      for (int64_t i = 0; i < inner; i++) to[i] = -INFINITY;
    for (int64_t r = 0; r < reduced; r++) {
      const float *row = from + r * inner;
      ASSAY_CPU_SIMD for (int64_t i = 0; i < inner; i++) {
        const float best = to[i], next = greater_of(best, row[i]);
        to[i] = best != best ? best : next;
      }
    }
  }
}
