/* SPDX-License-Identifier: MIT
 *
 * Pooling, channels last: the innermost loop runs over channels.
 */
#include "level.h"

struct window {
  int64_t top, bottom, left, right; /* in the larger side; bottom and right excluded */
};

static struct window window_of(const struct assay_cpu_pool *p, int64_t oh, int64_t ow) {
  const int64_t top = oh * p->stride[0] - p->pad[0], left = ow * p->stride[1] - p->pad[1];
  const int64_t bottom = top + p->kernel[0], right = left + p->kernel[1];
  return (struct window){top < 0 ? 0 : top, bottom > p->height ? p->height : bottom, left < 0 ? 0 : left, right > p->width ? p->width : right};
}

/* The maximum of a window and its place, for as many channels as a vector of L lanes has; not-a-number wins. `place` is that of the
 * window's first pixel, `wide` the kernel's width. */
#define GREATEST(L)                                                                                                                                            \
  typedef float floats_##L __attribute__((vector_size(4 * L), aligned(4), may_alias));                                                                         \
  typedef int32_t words_##L __attribute__((vector_size(4 * L), aligned(4), may_alias));                                                                        \
  static inline void greatest_##L(const float *x, int64_t line, int64_t pixel, int64_t rows, int64_t columns, int32_t place, int32_t wide, float *y,           \
                                  int32_t *where) {                                                                                                            \
    words_##L best = *(const words_##L *)x, at = (words_##L){0} + place;                                                                                       \
    for (int64_t r = 0; r < rows; r++)                                                                                                                         \
      for (int64_t k = 0; k < columns; k++) {                                                                                                                  \
        const floats_##L value = *(const floats_##L *)(x + r * line + k * pixel), greatest = (floats_##L)best;                                                 \
        const words_##L wins = (value > greatest) | ((value != value) & (greatest == greatest));                                                               \
        best = ((words_##L)value & wins) | (best & ~wins);                                                                                                     \
        at = (((words_##L){0} + (place + (int32_t)(r * wide + k))) & wins) | (at & ~wins);                                                                     \
      }                                                                                                                                                        \
    *(words_##L *)y = best;                                                                                                                                    \
    *(words_##L *)where = at;                                                                                                                                  \
  }
GREATEST(16)
GREATEST(8)
GREATEST(4)
GREATEST(1)

/* Four places of a window without border at once: the usual 2 x 2. */
static inline void greatest_of_four(const float *restrict a, const float *restrict b, const float *restrict c, const float *restrict d, float *restrict y,
                                    int32_t *restrict where, int64_t channels) {
  ASSAY_CPU_SIMD for (int64_t i = 0; i < channels; i++) {
    float best = a[i];
    int32_t place = 0;
    const float x1 = b[i], x2 = c[i], x3 = d[i];
    const int w1 = x1 > best || (x1 != x1 && best == best);
    best = w1 ? x1 : best;
    place = w1 ? 1 : place;
    const int w2 = x2 > best || (x2 != x2 && best == best);
    best = w2 ? x2 : best;
    place = w2 ? 2 : place;
    const int w3 = x3 > best || (x3 != x3 && best == best);
    y[i] = w3 ? x3 : best;
    where[i] = w3 ? 3 : place;
  }
}

void ASSAY_CPU_KERNEL(max_pool)(const struct assay_cpu_pool *p, const float *x, float *y, int32_t *where, int64_t begin, int64_t end);
void ASSAY_CPU_KERNEL(max_pool)(const struct assay_cpu_pool *p, const float *x, float *y, int32_t *where, int64_t begin, int64_t end) {
  const int64_t channels = p->channels, line = p->width * channels;
  for (int64_t row = begin; row < end; row++) {
    const int64_t n = row / p->out_height, oh = row % p->out_height;
    const float *image = x + n * p->height * line;
    for (int64_t ow = 0; ow < p->out_width; ow++) {
      float *to = y + (row * p->out_width + ow) * channels;
      int32_t *place = where + (row * p->out_width + ow) * channels;
      const struct window w = window_of(p, oh, ow);
      if (p->kernel[0] == 2 && p->kernel[1] == 2 && w.bottom - w.top == 2 && w.right - w.left == 2) {
        const float *corner = image + w.top * line + w.left * channels;
        greatest_of_four(corner, corner + channels, corner + line, corner + line + channels, to, place, channels);
        continue;
      }
      const int64_t rows = w.bottom - w.top, columns = w.right - w.left;
      if (rows <= 0 || columns <= 0) { /* nothing but padding */
        for (int64_t c = 0; c < channels; c++) to[c] = -INFINITY, place[c] = -1;
        continue;
      }
      const int32_t wide = (int32_t)p->kernel[1];
      const int32_t first = (int32_t)((w.top - (oh * p->stride[0] - p->pad[0])) * wide + w.left - (ow * p->stride[1] - p->pad[1]));
      const float *corner = image + w.top * line + w.left * channels;
      int64_t c = 0;
      for (; c + 16 <= channels; c += 16) greatest_16(corner + c, line, channels, rows, columns, first, wide, to + c, place + c);
      for (; c + 8 <= channels; c += 8) greatest_8(corner + c, line, channels, rows, columns, first, wide, to + c, place + c);
      for (; c + 4 <= channels; c += 4) greatest_4(corner + c, line, channels, rows, columns, first, wide, to + c, place + c);
      for (; c < channels; c++) greatest_1(corner + c, line, channels, rows, columns, first, wide, to + c, place + c);
    }
  }
}

static inline void add_where(const float *restrict dy, const int32_t *restrict where, int32_t place, float *restrict dx, int64_t channels) {
  ASSAY_CPU_SIMD for (int64_t c = 0; c < channels; c++) dx[c] += where[c] == place ? dy[c] : 0.f;
}
static inline void put_where(const float *restrict dy, const int32_t *restrict where, int32_t place, float *restrict dx, int64_t channels) {
  ASSAY_CPU_SIMD for (int64_t c = 0; c < channels; c++) dx[c] = where[c] == place ? dy[c] : 0.f;
}

void ASSAY_CPU_KERNEL(max_pool_gradient)(const struct assay_cpu_pool *p, const float *dy, const int32_t *where, float *dx, int64_t begin, int64_t end);
void ASSAY_CPU_KERNEL(max_pool_gradient)(const struct assay_cpu_pool *p, const float *dy, const int32_t *where, float *dx, int64_t begin, int64_t end) {
  const int64_t channels = p->channels, line = p->width * channels;
  const bool apart = p->stride[0] >= p->kernel[0] && p->stride[1] >= p->kernel[1]; /* windows do not overlap */
  const bool covers = apart && p->stride[0] == p->kernel[0] && p->stride[1] == p->kernel[1] && p->pad[0] == 0 && p->pad[1] == 0 &&
                      p->out_height * p->kernel[0] == p->height && p->out_width * p->kernel[1] == p->width;
  for (int64_t n = begin; n < end; n++) {
    float *image = dx + n * p->height * line;
    if (!covers) memset(image, 0, (size_t)(p->height * line) * sizeof *image);
    for (int64_t oh = 0; oh < p->out_height; oh++)
      for (int64_t ow = 0; ow < p->out_width; ow++) {
        const int64_t at = ((n * p->out_height + oh) * p->out_width + ow) * channels;
        const struct window w = window_of(p, oh, ow);
        for (int64_t h = w.top; h < w.bottom; h++)
          for (int64_t v = w.left; v < w.right; v++) {
            const int64_t kh = h - (oh * p->stride[0] - p->pad[0]), kw = v - (ow * p->stride[1] - p->pad[1]);
            (apart ? put_where : add_where)(dy + at, where + at, (int32_t)(kh * p->kernel[1] + kw), image + h * line + v * channels, channels);
          }
      }
  }
}

/* What a window's sum is divided by; nothing but padding is 0 over anything. */
static float divisor_of(const struct assay_cpu_pool *p, const struct window *w) {
  if (p->count_padding) return (float)(p->kernel[0] * p->kernel[1]);
  return w->bottom <= w->top || w->right <= w->left ? 1.f : (float)((w->bottom - w->top) * (w->right - w->left));
}

void ASSAY_CPU_KERNEL(avg_pool)(const struct assay_cpu_pool *p, const float *x, float *y, int64_t begin, int64_t end);
void ASSAY_CPU_KERNEL(avg_pool)(const struct assay_cpu_pool *p, const float *x, float *y, int64_t begin, int64_t end) {
  const int64_t channels = p->channels, line = p->width * channels;
  for (int64_t row = begin; row < end; row++) {
    const int64_t n = row / p->out_height, oh = row % p->out_height;
    const float *image = x + n * p->height * line;
    for (int64_t ow = 0; ow < p->out_width; ow++) {
      float *to = y + (row * p->out_width + ow) * channels;
      const struct window w = window_of(p, oh, ow);
      memset(to, 0, (size_t)channels * sizeof *to);
      for (int64_t h = w.top; h < w.bottom; h++)
        for (int64_t v = w.left; v < w.right; v++) {
          const float *from = image + h * line + v * channels;
          ASSAY_CPU_SIMD for (int64_t c = 0; c < channels; c++) to[c] += from[c];
        }
      const float divisor = divisor_of(p, &w);
      ASSAY_CPU_SIMD for (int64_t c = 0; c < channels; c++) to[c] /= divisor;
    }
  }
}

void ASSAY_CPU_KERNEL(avg_pool_gradient)(const struct assay_cpu_pool *p, const float *dy, float *dx, int64_t begin, int64_t end);
void ASSAY_CPU_KERNEL(avg_pool_gradient)(const struct assay_cpu_pool *p, const float *dy, float *dx, int64_t begin, int64_t end) {
  const int64_t channels = p->channels, line = p->width * channels;
  for (int64_t n = begin; n < end; n++) {
    float *image = dx + n * p->height * line;
    memset(image, 0, (size_t)(p->height * line) * sizeof *image);
    for (int64_t oh = 0; oh < p->out_height; oh++)
      for (int64_t ow = 0; ow < p->out_width; ow++) {
        const float *from = dy + ((n * p->out_height + oh) * p->out_width + ow) * channels;
        const struct window w = window_of(p, oh, ow);
        const float share = 1.f / divisor_of(p, &w);
        for (int64_t h = w.top; h < w.bottom; h++)
          for (int64_t v = w.left; v < w.right; v++) {
            float *to = image + h * line + v * channels;
            ASSAY_CPU_SIMD for (int64_t c = 0; c < channels; c++) to[c] += from[c] * share;
          }
      }
  }
}
