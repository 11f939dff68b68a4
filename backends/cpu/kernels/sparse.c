/* SPDX-License-Identifier: MIT
 *
 * Gradients of a convolution whose result went through max pooling. Each pooled number sends its gradient to one place of the
 * convolution's result; so instead of a plane that is mostly zeros there are pairs (place, gradient), pooled pixel by pooled pixel and
 * channel by channel. In a padded plane, channels last, the taps of one kernel row lie one after another: a row is a run of
 * KW * C numbers, whatever C is.
 *
 * Both kernels keep a block of rows x vectors in registers while they go over the pairs of one output channel.
 */
#include "level.h"

#if defined(__AVX512F__)
enum { LANES = 16, MOST_REGISTERS = 28 };
#elif defined(__AVX2__)
enum { LANES = 8, MOST_REGISTERS = 12 };
#else
enum { LANES = 4, MOST_REGISTERS = 12 };
#endif
enum { MOST_ROWS = 7, MOST_VECTORS = 7 };

typedef float vector __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

/* The pairs of one channel of one image. */
struct pairs {
  const float *gradients;
  const int32_t *places; /* pixels of the padded plane */
  int64_t count, step;   /* step: channels */
};

#define UNROLLED _Pragma("GCC unroll 8")

/* sums[r][v] += gradient * plane[place + r * line + v] */
static inline __attribute__((always_inline)) void collect(float *sums, int64_t sums_line, const float *plane, int64_t line, int64_t pixel,
                                                          const struct pairs *pairs, const int rows, const int vectors) {
  vector sum[MOST_ROWS][MOST_VECTORS];
  UNROLLED for (int r = 0; r < rows; r++) UNROLLED for (int v = 0; v < vectors; v++) sum[r][v] = *(const vector *)(sums + r * sums_line + v * LANES);
  const float *gradient = pairs->gradients;
  const int32_t *place = pairs->places;
  for (int64_t i = 0; i < pairs->count; i++, gradient += pairs->step, place += pairs->step) {
    const float g = *gradient;
    const float *at = plane + *place * pixel;
    UNROLLED for (int r = 0; r < rows; r++) UNROLLED for (int v = 0; v < vectors; v++) sum[r][v] += g * *(const vector *)(at + r * line + v * LANES);
  }
  UNROLLED for (int r = 0; r < rows; r++) UNROLLED for (int v = 0; v < vectors; v++) *(vector *)(sums + r * sums_line + v * LANES) = sum[r][v];
}

/* plane[place + r * line + v] += gradient * weights[r][v] */
static inline __attribute__((always_inline)) void spread(const float *weights, int64_t weights_line, float *plane, int64_t line, int64_t pixel,
                                                         const struct pairs *pairs, const int rows, const int vectors) {
  vector weight[MOST_ROWS][MOST_VECTORS];
  UNROLLED for (int r = 0; r < rows; r++) UNROLLED for (int v = 0; v < vectors; v++) weight[r][v] = *(const vector *)(weights + r * weights_line + v * LANES);
  const float *gradient = pairs->gradients;
  const int32_t *place = pairs->places;
  for (int64_t i = 0; i < pairs->count; i++, gradient += pairs->step, place += pairs->step) {
    const float g = *gradient;
    float *at = plane + *place * pixel;
    UNROLLED for (int r = 0; r < rows; r++) UNROLLED for (int v = 0; v < vectors; v++) *(vector *)(at + r * line + v * LANES) += g * weight[r][v];
  }
}

typedef void (*collector)(float *, int64_t, const float *, int64_t, int64_t, const struct pairs *);
typedef void (*spreader)(const float *, int64_t, float *, int64_t, int64_t, const struct pairs *);

#define BLOCK(rows, vectors)                                                                                                                                   \
  static void collect_##rows##_##vectors(float *a, int64_t b, const float *c, int64_t d, int64_t e, const struct pairs *f) {                                   \
    collect(a, b, c, d, e, f, rows, vectors);                                                                                                                  \
  }                                                                                                                                                            \
  static void spread_##rows##_##vectors(const float *a, int64_t b, float *c, int64_t d, int64_t e, const struct pairs *f) {                                    \
    spread(a, b, c, d, e, f, rows, vectors);                                                                                                                   \
  }
#define BLOCKS_12(X) X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(5, 1) X(6, 1) X(7, 1) X(1, 2) X(2, 2) X(3, 2) X(4, 2) X(5, 2) X(6, 2) X(1, 3) X(2, 3) X(3, 3) X(4, 3)     \
  X(1, 4) X(2, 4) X(3, 4) X(1, 5) X(2, 5) X(1, 6) X(2, 6) X(1, 7)
#define BLOCKS_28(X) X(7, 2) X(5, 3) X(6, 3) X(7, 3) X(4, 4) X(5, 4) X(6, 4) X(7, 4) X(3, 5) X(4, 5) X(5, 5) X(3, 6) X(4, 6) X(2, 7) X(3, 7) X(4, 7)
BLOCKS_12(BLOCK)
#if defined(__AVX512F__)
BLOCKS_28(BLOCK)
#endif

#define COLLECT_ENTRY(rows, vectors) [rows][vectors] = collect_##rows##_##vectors,
#define SPREAD_ENTRY(rows, vectors) [rows][vectors] = spread_##rows##_##vectors,
static const collector collectors[MOST_ROWS + 1][MOST_VECTORS + 1] = {BLOCKS_12(COLLECT_ENTRY)
#if defined(__AVX512F__)
                                                                        BLOCKS_28(COLLECT_ENTRY)
#endif
};
static const spreader spreaders[MOST_ROWS + 1][MOST_VECTORS + 1] = {BLOCKS_12(SPREAD_ENTRY)
#if defined(__AVX512F__)
                                                                      BLOCKS_28(SPREAD_ENTRY)
#endif
};

/* How kernel rows of `width` vectors are cut: columns of nearly equal width, as many rows at once as there are registers. */
struct cut {
  int rows, vectors;
};
static struct cut cut_of(int64_t kernel_rows, int64_t width) {
  const int64_t columns = (width + MOST_VECTORS - 1) / MOST_VECTORS;
  struct cut cut = {0, (int)((width + columns - 1) / columns)};
  cut.rows = MOST_REGISTERS / cut.vectors;
  if (cut.rows > MOST_ROWS) cut.rows = MOST_ROWS;
  if (cut.rows > kernel_rows) cut.rows = (int)kernel_rows;
  const int parts = (int)((kernel_rows + cut.rows - 1) / cut.rows); /* 5 rows in two parts: 3 and 2, not 4 and 1 */
  cut.rows = (int)((kernel_rows + parts - 1) / parts);
  return cut;
}

int64_t ASSAY_CPU_KERNEL(sparse_round)(int64_t count);
int64_t ASSAY_CPU_KERNEL(sparse_round)(int64_t count) { return (count + LANES - 1) / LANES * LANES; }

void ASSAY_CPU_KERNEL(sparse_places)(const struct assay_cpu_pool *pool, const int32_t *where, int64_t plane_width, int32_t *places, int64_t begin, int64_t end);
void ASSAY_CPU_KERNEL(sparse_places)(const struct assay_cpu_pool *pool, const int32_t *where, int64_t plane_width, int32_t *places, int64_t begin, int64_t end) {
  const int32_t kernel_width = (int32_t)pool->kernel[1], width = (int32_t)plane_width;
  for (int64_t row = begin; row < end; row++) {
    const int64_t oh = row % pool->out_height;
    for (int64_t ow = 0; ow < pool->out_width; ow++) {
      const int32_t corner = (int32_t)(oh * pool->stride[0] * plane_width + ow * pool->stride[1]);
      const int32_t *from = where + (row * pool->out_width + ow) * pool->channels;
      int32_t *to = places + (row * pool->out_width + ow) * pool->channels;
      if (kernel_width == 2) {
        ASSAY_CPU_SIMD for (int64_t c = 0; c < pool->channels; c++) to[c] = corner + (from[c] >> 1) * width + (from[c] & 1);
      } else {
        for (int64_t c = 0; c < pool->channels; c++) to[c] = corner + from[c] / kernel_width * width + from[c] % kernel_width;
      }
    }
  }
}

void ASSAY_CPU_KERNEL(sparse_pad)(const struct assay_cpu_sparse *s, const float *x, float *padded, int64_t begin, int64_t end);
void ASSAY_CPU_KERNEL(sparse_pad)(const struct assay_cpu_sparse *s, const float *x, float *padded, int64_t begin, int64_t end) {
  const int64_t line = s->plane_width * s->channels, used = s->width * s->channels, left = s->pad[1] * s->channels;
  for (int64_t n = begin; n < end; n++) {
    float *plane = padded + n * s->plane_height * line;
    const float *image = x + n * s->height * used;
    memset(plane, 0, (size_t)(s->pad[0] * line) * sizeof *plane);
    for (int64_t h = 0; h < s->height; h++) {
      float *to = plane + (s->pad[0] + h) * line;
      memset(to, 0, (size_t)left * sizeof *to);
      memcpy(to + left, image + h * used, (size_t)used * sizeof *to);
      memset(to + left + used, 0, (size_t)(line - left - used) * sizeof *to);
    }
    memset(plane + (s->pad[0] + s->height) * line, 0, (size_t)((s->plane_height - s->pad[0] - s->height) * line) * sizeof *plane);
  }
}

/* Pairs of channel o of image n. */
static struct pairs pairs_of(const struct assay_cpu_sparse *s, const float *gradients, const int32_t *places, int64_t n, int64_t o) {
  const int64_t first = n * s->pooled * s->out_channels + o;
  return (struct pairs){gradients + first, places + first, s->pooled, s->out_channels};
}

void ASSAY_CPU_KERNEL(sparse_weight_gradient)(const struct assay_cpu_sparse *s, const float *padded, const float *gradients, const int32_t *places, float *sums,
                                              float *out, int64_t begin, int64_t end);
void ASSAY_CPU_KERNEL(sparse_weight_gradient)(const struct assay_cpu_sparse *s, const float *padded, const float *gradients, const int32_t *places, float *sums,
                                              float *out, int64_t begin, int64_t end) {
  const int64_t line = s->plane_width * s->channels, taps = s->kernel[1] * s->channels, width = (taps + LANES - 1) / LANES, sums_line = width * LANES;
  const struct cut cut = cut_of(s->kernel[0], width);
  const int64_t size = s->kernel[0] * sums_line; /* of the sums of one channel */
  memset(sums + begin * size, 0, (size_t)((end - begin) * size) * sizeof *sums);
  for (int64_t n = 0; n < s->batch; n++)
    for (int64_t o = begin; o < end; o++) {
      const struct pairs pairs = pairs_of(s, gradients, places, n, o);
      for (int64_t r = 0; r < s->kernel[0]; r += cut.rows)
        for (int64_t v = 0; v < width; v += cut.vectors) {
          const int64_t rows = s->kernel[0] - r < cut.rows ? s->kernel[0] - r : cut.rows, vectors = width - v < cut.vectors ? width - v : cut.vectors;
          collectors[rows][vectors](sums + o * size + r * sums_line + v * LANES, sums_line, padded + n * s->plane_height * line + r * line + v * LANES, line,
                                    s->channels, &pairs);
        }
    }
  for (int64_t row = begin * s->kernel[0]; row < end * s->kernel[0]; row++) memcpy(out + row * taps, sums + row * sums_line, (size_t)taps * sizeof *out);
}

void ASSAY_CPU_KERNEL(sparse_input_gradient)(const struct assay_cpu_sparse *s, const float *weights, const float *gradients, const int32_t *places, float *plane,
                                             float *out, int64_t begin, int64_t end);
void ASSAY_CPU_KERNEL(sparse_input_gradient)(const struct assay_cpu_sparse *s, const float *weights, const float *gradients, const int32_t *places, float *plane,
                                             float *out, int64_t begin, int64_t end) {
  const int64_t pixel = (s->channels + LANES - 1) / LANES * LANES, line = s->plane_width * pixel, width = s->kernel[1] * pixel / LANES;
  const int64_t weights_line = s->kernel[1] * pixel, size = s->kernel[0] * weights_line;
  const struct cut cut = cut_of(s->kernel[0], width);
  for (int64_t n = begin; n < end; n++) {
    memset(plane, 0, (size_t)(s->plane_height * line) * sizeof *plane);
    for (int64_t o = 0; o < s->out_channels; o++) {
      const struct pairs pairs = pairs_of(s, gradients, places, n, o);
      for (int64_t r = 0; r < s->kernel[0]; r += cut.rows)
        for (int64_t v = 0; v < width; v += cut.vectors) {
          const int64_t rows = s->kernel[0] - r < cut.rows ? s->kernel[0] - r : cut.rows, vectors = width - v < cut.vectors ? width - v : cut.vectors;
          spreaders[rows][vectors](weights + o * size + r * weights_line + v * LANES, weights_line, plane + r * line + v * LANES, line, pixel, &pairs);
        }
    }
    for (int64_t h = 0; h < s->height; h++)
      for (int64_t w = 0; w < s->width; w++)
        memcpy(out + ((n * s->height + h) * s->width + w) * s->channels, plane + (s->pad[0] + h) * line + (s->pad[1] + w) * pixel,
               (size_t)s->channels * sizeof *out);
  }
}
