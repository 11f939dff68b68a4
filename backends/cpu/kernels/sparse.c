/* SPDX-License-Identifier: MIT
 *
 * Gradients of a convolution whose result went through max pooling. Each pooled number sends its gradient to one place of the
 * convolution's result; so instead of a plane that is mostly zeros there is, for every image and output channel, a list of pairs
 * (place, gradient). The input is cut into blocks of as many channels as a vector has lanes, each a padded plane of its own that fits
 * the nearest caches; in it the taps of one kernel row lie one after another. Few channels (colours) are not filled up to a vector where
 * they are only read: a kernel row is then a run of KW * C numbers.
 *
 * Both kernels keep a block of rows x vectors in registers while they go over one list of pairs.
 */
#include "level.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
enum { LANES = 16, MOST_REGISTERS = 28 };
#elif defined(__AVX2__)
enum { LANES = 8, MOST_REGISTERS = 12 };
#else
enum { LANES = 4, MOST_REGISTERS = 12 };
#endif
enum { MOST_ROWS = 7, MOST_VECTORS = 7 };

typedef float vector __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

/* One list, and the plane it points into. */
struct work {
  const int32_t *places;
  const float *gradients;
  int64_t count;
  int64_t line, pixel; /* of the plane, numbers */
};

#define UNROLLED _Pragma("GCC unroll 8")

/* Pairs far from each other in the list are taken together: `chains` sums run side by side, so that none waits for the one before. */
#define CHAINS(rows, vectors) ((rows) * (vectors) <= 3 ? 4 : (rows) * (vectors) * 2 <= MOST_REGISTERS ? 2 : 1)

/* sums[r][v] += gradient * plane[place + r * line + v] */
static inline __attribute__((always_inline)) void collect(float *sums, int64_t sums_line, const float *plane, const struct work *work, const int rows,
                                                          const int vectors, const int chains) {
  vector sum[4][MOST_ROWS][MOST_VECTORS];
  const int64_t line = work->line, pixel = work->pixel, step = work->count / chains;
  UNROLLED for (int k = 0; k < chains; k++) UNROLLED for (int r = 0; r < rows; r++) UNROLLED for (int v = 0; v < vectors; v++) sum[k][r][v] = (vector){0};
  for (int64_t i = 0; i < step; i++)
    UNROLLED for (int k = 0; k < chains; k++) {
      const float g = work->gradients[k * step + i];
      const float *at = plane + work->places[k * step + i] * pixel;
      UNROLLED for (int r = 0; r < rows; r++, at += line) UNROLLED for (int v = 0; v < vectors; v++) sum[k][r][v] += g * *(const vector *)(at + v * LANES);
    }
  for (int64_t i = chains * step; i < work->count; i++) {
    const float g = work->gradients[i];
    const float *at = plane + work->places[i] * pixel;
    UNROLLED for (int r = 0; r < rows; r++, at += line) UNROLLED for (int v = 0; v < vectors; v++) sum[0][r][v] += g * *(const vector *)(at + v * LANES);
  }
  UNROLLED for (int r = 0; r < rows; r++) UNROLLED for (int v = 0; v < vectors; v++) {
    vector total = sum[0][r][v];
    UNROLLED for (int k = 1; k < chains; k++) total += sum[k][r][v];
    *(vector *)(sums + r * sums_line + v * LANES) += total;
  }
}

enum { STREAMS = 4 }; /* pairs next to each other in the list touch the same numbers; those a quarter of the list apart do not */

/* plane[place + r * line + v] += gradient * weights[r][v] */
static inline __attribute__((always_inline)) void spread(const float *weights, int64_t weights_line, float *plane, const struct work *work, const int rows,
                                                         const int vectors) {
  vector weight[MOST_ROWS][MOST_VECTORS];
  const int64_t line = work->line, pixel = work->pixel, step = work->count / STREAMS;
  UNROLLED for (int r = 0; r < rows; r++) UNROLLED for (int v = 0; v < vectors; v++) weight[r][v] = *(const vector *)(weights + r * weights_line + v * LANES);
  for (int64_t i = 0; i < step; i++)
    for (int k = 0; k < STREAMS; k++) {
      const float g = work->gradients[k * step + i];
      float *at = plane + work->places[k * step + i] * pixel;
      UNROLLED for (int r = 0; r < rows; r++, at += line) UNROLLED for (int v = 0; v < vectors; v++) *(vector *)(at + v * LANES) += g * weight[r][v];
    }
  for (int64_t i = STREAMS * step; i < work->count; i++) {
    const float g = work->gradients[i];
    float *at = plane + work->places[i] * pixel;
    UNROLLED for (int r = 0; r < rows; r++, at += line) UNROLLED for (int v = 0; v < vectors; v++) *(vector *)(at + v * LANES) += g * weight[r][v];
  }
}

typedef void (*collector)(float *, int64_t, const float *, const struct work *);
typedef void (*spreader)(const float *, int64_t, float *, const struct work *);

#define BLOCK(rows, vectors)                                                                                                                                   \
  static void collect_##rows##_##vectors(float *sums, int64_t sums_line, const float *plane, const struct work *work) {                                        \
    collect(sums, sums_line, plane, work, rows, vectors, CHAINS(rows, vectors));                                                                               \
  }                                                                                                                                                            \
  static void spread_##rows##_##vectors(const float *weights, int64_t weights_line, float *plane, const struct work *work) {                                   \
    spread(weights, weights_line, plane, work, rows, vectors);                                                                                                 \
  }
#define BLOCKS_12(X)                                                                                                                                           \
  X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(5, 1) X(6, 1) X(7, 1) X(1, 2) X(2, 2) X(3, 2) X(4, 2) X(5, 2) X(6, 2)                                                      \
  X(1, 3) X(2, 3) X(3, 3) X(4, 3) X(1, 4) X(2, 4) X(3, 4) X(1, 5) X(2, 5) X(1, 6) X(2, 6) X(1, 7)
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

/* ---- Sizes ---- */

static int64_t pixel_of(const struct assay_cpu_sparse *s, bool filled) { return s->channels >= LANES || filled ? LANES : s->channels; }
static int64_t blocks_of(const struct assay_cpu_sparse *s) { return (s->channels + LANES - 1) / LANES; }
static int64_t row_of(const struct assay_cpu_sparse *s, bool filled) { return (s->kernel[1] * pixel_of(s, filled) + LANES - 1) / LANES * LANES; }

void ASSAY_CPU_KERNEL(sparse_sizes)(const struct assay_cpu_sparse *s, struct assay_cpu_sparse_sizes *sizes);
void ASSAY_CPU_KERNEL(sparse_sizes)(const struct assay_cpu_sparse *s, struct assay_cpu_sparse_sizes *sizes) {
  const int64_t pixels = s->plane_height * s->plane_width;
  sizes->list = (s->pooled + 15) / 16 * 16 + 16; /* the last vector of a list may be written whole */
  sizes->planes = s->batch * blocks_of(s) * pixels * pixel_of(s, false) + LANES;
  sizes->plane = pixels * LANES + LANES;
  sizes->sums = s->out_channels * blocks_of(s) * s->kernel[0] * row_of(s, false);
  sizes->weights = s->out_channels * blocks_of(s) * s->kernel[0] * row_of(s, true);
}

/* ---- Preparation ---- */

/* Where a pooled pixel's window begins. */
static int32_t corner_of(const struct assay_cpu_sparse *s, const struct assay_cpu_pool *pool, int64_t i) {
  return (int32_t)(i / pool->out_width * pool->stride[0] * s->plane_width + i % pool->out_width * pool->stride[1]);
}

#if defined(__AVX512F__)
/* Rows become columns: 32-bit numbers in pairs, fours, then 128-bit lanes. */
static inline __attribute__((always_inline)) void transpose(__m512i r[16]) {
  __m512i t[16];
  UNROLLED for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  UNROLLED for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  UNROLLED for (int i = 0; i < 4; i++) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
  UNROLLED for (int i = 0; i < 4; i++) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

/* Sixteen channels of one image: tiles of 16 pixels x 16 channels are turned, and of each channel's 16 the zeros are squeezed out. */
static void make_lists(const struct assay_cpu_sparse *s, const struct assay_cpu_pool *pool, const float *gradients, const int32_t *where, int32_t *places,
                       float *values, int64_t stride, int32_t *counts, int64_t channels) {
  const __mmask16 lanes = (__mmask16)((1u << channels) - 1);
  int64_t filled[16] = {0};
  for (int64_t i = 0; i < s->pooled; i += 16) {
    const int64_t rows = s->pooled - i < 16 ? s->pooled - i : 16;
    __m512i place[16], value[16];
    for (int64_t r = 0; r < 16; r++) {
      const __mmask16 mask = r < rows ? lanes : 0;
      const int64_t at = (r < rows ? i + r : i) * s->out_channels;
      __m512i tap = _mm512_maskz_loadu_epi32(mask, where + at), row;
      if (pool->kernel[1] == 2) {
        row = _mm512_srai_epi32(tap, 1);
        tap = _mm512_and_si512(tap, _mm512_set1_epi32(1));
      } else { /* exact: the quotient of small integers, a half added, is never near the next one */
        row = _mm512_cvttps_epi32(_mm512_mul_ps(_mm512_add_ps(_mm512_cvtepi32_ps(tap), _mm512_set1_ps(0.5f)), _mm512_set1_ps(1.f / (float)pool->kernel[1])));
        tap = _mm512_sub_epi32(tap, _mm512_mullo_epi32(row, _mm512_set1_epi32((int)pool->kernel[1])));
      }
      place[r] = _mm512_add_epi32(_mm512_add_epi32(tap, _mm512_set1_epi32(corner_of(s, pool, r < rows ? i + r : i))),
                                  _mm512_mullo_epi32(row, _mm512_set1_epi32((int)s->plane_width)));
      value[r] = _mm512_maskz_loadu_epi32(mask, gradients + at);
    }
    transpose(place);
    transpose(value);
    for (int64_t c = 0; c < channels; c++) {
      const __mmask16 some = _mm512_cmp_ps_mask(_mm512_castsi512_ps(value[c]), _mm512_setzero_ps(), _CMP_NEQ_UQ);
      _mm512_storeu_si512(places + c * stride + filled[c], _mm512_maskz_compress_epi32(some, place[c]));
      _mm512_storeu_si512(values + c * stride + filled[c], _mm512_maskz_compress_epi32(some, value[c]));
      filled[c] += __builtin_popcount(some);
    }
  }
  for (int64_t c = 0; c < channels; c++) counts[c] = (int32_t)filled[c];
}
#else
static void make_lists(const struct assay_cpu_sparse *s, const struct assay_cpu_pool *pool, const float *gradients, const int32_t *where, int32_t *places,
                       float *values, int64_t stride, int32_t *counts, int64_t channels) {
  const int32_t kernel_width = (int32_t)pool->kernel[1], width = (int32_t)s->plane_width;
  for (int64_t c = 0; c < channels; c++) counts[c] = 0;
  for (int64_t i = 0; i < s->pooled; i++) {
    const int32_t corner = corner_of(s, pool, i);
    for (int64_t c = 0; c < channels; c++) { /* a zero is overwritten by what comes next */
      const float g = gradients[i * s->out_channels + c];
      const int32_t tap = where[i * s->out_channels + c];
      places[c * stride + counts[c]] = corner + tap / kernel_width * width + tap % kernel_width;
      values[c * stride + counts[c]] = g;
      counts[c] += g != 0.f;
    }
  }
}
#endif

void ASSAY_CPU_KERNEL(sparse_pairs)(const struct assay_cpu_sparse *s, const struct assay_cpu_pool *pool, const float *gradients, const int32_t *where,
                                    const struct assay_cpu_pairs *pairs, int64_t begin, int64_t end);
void ASSAY_CPU_KERNEL(sparse_pairs)(const struct assay_cpu_sparse *s, const struct assay_cpu_pool *pool, const float *gradients, const int32_t *where,
                                    const struct assay_cpu_pairs *pairs, int64_t begin, int64_t end) {
  for (int64_t n = begin; n < end; n++)
    for (int64_t c = 0; c < s->out_channels; c += 16) {
      const int64_t list = n * s->out_channels + c, from = n * s->pooled * s->out_channels + c;
      make_lists(s, pool, gradients + from, where + from, pairs->places + list * pairs->stride, pairs->gradients + list * pairs->stride, pairs->stride,
                 pairs->counts + list, s->out_channels - c < 16 ? s->out_channels - c : 16);
    }
}

void ASSAY_CPU_KERNEL(sparse_pad)(const struct assay_cpu_sparse *s, const float *x, float *planes, int64_t begin, int64_t end);
void ASSAY_CPU_KERNEL(sparse_pad)(const struct assay_cpu_sparse *s, const float *x, float *planes, int64_t begin, int64_t end) {
  const int64_t pixel = pixel_of(s, false), blocks = blocks_of(s), size = s->plane_height * s->plane_width * pixel;
  for (int64_t n = begin; n < end; n++)
    for (int64_t b = 0; b < blocks; b++) {
      float *plane = planes + (n * blocks + b) * size;
      const int64_t used = s->channels - b * pixel < pixel ? s->channels - b * pixel : pixel;
      memset(plane, 0, (size_t)size * sizeof *plane);
      for (int64_t h = 0; h < s->height; h++) {
        float *to = plane + ((s->pad[0] + h) * s->plane_width + s->pad[1]) * pixel;
        const float *from = x + (n * s->height + h) * s->width * s->channels + b * pixel;
        if (blocks == 1 && used == pixel) {
          memcpy(to, from, (size_t)(s->width * pixel) * sizeof *to);
        } else if (used == LANES) {
          for (int64_t w = 0; w < s->width; w++) *(vector *)(to + w * LANES) = *(const vector *)(from + w * s->channels);
        } else {
          for (int64_t w = 0; w < s->width; w++) memcpy(to + w * pixel, from + w * s->channels, (size_t)used * sizeof *to);
        }
      }
    }
}

void ASSAY_CPU_KERNEL(sparse_weights)(const struct assay_cpu_sparse *s, const float *weights, float *out);
void ASSAY_CPU_KERNEL(sparse_weights)(const struct assay_cpu_sparse *s, const float *weights, float *out) {
  const int64_t taps = s->kernel[0] * s->kernel[1], blocks = blocks_of(s);
  memset(out, 0, (size_t)(s->out_channels * blocks * taps * LANES) * sizeof *out);
  for (int64_t o = 0; o < s->out_channels; o++)
    for (int64_t b = 0; b < blocks; b++) {
      const int64_t used = s->channels - b * LANES < LANES ? s->channels - b * LANES : LANES;
      for (int64_t t = 0; t < taps; t++)
        memcpy(out + ((o * blocks + b) * taps + t) * LANES, weights + (o * taps + t) * s->channels + b * LANES, (size_t)used * sizeof *out);
    }
}

/* ---- The gradients ---- */

static struct work list_of(const struct assay_cpu_sparse *s, const struct assay_cpu_pairs *pairs, int64_t n, int64_t o, int64_t pixel) {
  const int64_t list = n * s->out_channels + o;
  return (struct work){pairs->places + list * pairs->stride, pairs->gradients + list * pairs->stride, pairs->counts[list], s->plane_width * pixel, pixel};
}

/* Out of the blocks: O, KH, KW, C. */
static void write_sums(const struct assay_cpu_sparse *s, const float *sums, float *out, int64_t o) {
  const int64_t pixel = pixel_of(s, false), row = row_of(s, false), blocks = blocks_of(s);
  for (int64_t b = 0; b < blocks; b++) {
    const int64_t used = s->channels - b * pixel < pixel ? s->channels - b * pixel : pixel;
    for (int64_t r = 0; r < s->kernel[0]; r++)
      for (int64_t t = 0; t < s->kernel[1]; t++)
        memcpy(out + ((o * s->kernel[0] + r) * s->kernel[1] + t) * s->channels + b * pixel, sums + ((o * blocks + b) * s->kernel[0] + r) * row + t * pixel,
               (size_t)used * sizeof *out);
  }
}

void ASSAY_CPU_KERNEL(sparse_weight_gradient)(const struct assay_cpu_sparse *s, const float *planes, const struct assay_cpu_pairs *pairs,
                                              float *sums, float *out, int64_t begin, int64_t end);
void ASSAY_CPU_KERNEL(sparse_weight_gradient)(const struct assay_cpu_sparse *s, const float *planes, const struct assay_cpu_pairs *pairs,
                                              float *sums, float *out, int64_t begin, int64_t end) {
  const int64_t pixel = pixel_of(s, false), row = row_of(s, false), width = row / LANES, blocks = blocks_of(s), size = s->kernel[0] * row;
  const struct cut cut = cut_of(s->kernel[0], width);
  memset(sums + begin * blocks * size, 0, (size_t)((end - begin) * blocks * size) * sizeof *sums);
  for (int64_t n = 0; n < s->batch; n++)
    for (int64_t b = 0; b < blocks; b++) {
      const float *plane = planes + (n * blocks + b) * s->plane_height * s->plane_width * pixel;
      for (int64_t o = begin; o < end; o++) {
        const struct work work = list_of(s, pairs, n, o, pixel);
        for (int64_t r = 0; r < s->kernel[0]; r += cut.rows)
          for (int64_t v = 0; v < width; v += cut.vectors) {
            const int64_t rows = s->kernel[0] - r < cut.rows ? s->kernel[0] - r : cut.rows, vectors = width - v < cut.vectors ? width - v : cut.vectors;
            collectors[rows][vectors](sums + (o * blocks + b) * size + r * row + v * LANES, row, plane + r * work.line + v * LANES, &work);
          }
      }
    }
  for (int64_t o = begin; o < end; o++) write_sums(s, sums, out, o);
}

static void read_plane(const struct assay_cpu_sparse *s, const float *plane, float *out, int64_t n, int64_t b) {
  const int64_t used = s->channels - b * LANES < LANES ? s->channels - b * LANES : LANES;
  for (int64_t h = 0; h < s->height; h++) {
    const float *from = plane + ((s->pad[0] + h) * s->plane_width + s->pad[1]) * LANES;
    float *to = out + (n * s->height + h) * s->width * s->channels + b * LANES;
    if (used == LANES)
      for (int64_t w = 0; w < s->width; w++) *(vector *)(to + w * s->channels) = *(const vector *)(from + w * LANES);
    else
      for (int64_t w = 0; w < s->width; w++) memcpy(to + w * s->channels, from + w * LANES, (size_t)used * sizeof *to);
  }
}

void ASSAY_CPU_KERNEL(sparse_input_gradient)(const struct assay_cpu_sparse *s, const float *weights, const struct assay_cpu_pairs *pairs,
                                             float *plane, float *out, int64_t begin, int64_t end);
void ASSAY_CPU_KERNEL(sparse_input_gradient)(const struct assay_cpu_sparse *s, const float *weights, const struct assay_cpu_pairs *pairs,
                                             float *plane, float *out, int64_t begin, int64_t end) {
  const int64_t row = s->kernel[1] * LANES, blocks = blocks_of(s), size = s->kernel[0] * row;
  const struct cut cut = cut_of(s->kernel[0], s->kernel[1]);
  for (int64_t n = begin; n < end; n++)
    for (int64_t b = 0; b < blocks; b++) {
      memset(plane, 0, (size_t)(s->plane_height * s->plane_width * LANES) * sizeof *plane);
      for (int64_t o = 0; o < s->out_channels; o++) {
        const struct work work = list_of(s, pairs, n, o, LANES);
        for (int64_t r = 0; r < s->kernel[0]; r += cut.rows)
          for (int64_t v = 0; v < s->kernel[1]; v += cut.vectors) {
            const int64_t rows = s->kernel[0] - r < cut.rows ? s->kernel[0] - r : cut.rows;
            const int64_t vectors = s->kernel[1] - v < cut.vectors ? s->kernel[1] - v : cut.vectors;
            spreaders[rows][vectors](weights + (o * blocks + b) * size + r * row + v * LANES, row, plane + r * work.line + v * LANES, &work);
          }
      }
      read_plane(s, plane, out, n, b);
    }
}
