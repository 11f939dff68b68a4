/* SPDX-License-Identifier: MIT */
#include "data/resize_lines.h"

#include <string.h>

/* ---- Plain ---- */

/* In blocks of a fixed size, so that compilers use vector instructions. */
enum { BLOCK = 16 };

#define ADD(name, type)                                                                                                                                        \
  static void name(uint32_t *restrict sums, const type *restrict row, size_t length, uint16_t weight) {                                                        \
    size_t i = 0;                                                                                                                                              \
    for (; i + BLOCK <= length; i += BLOCK)                                                                                                                    \
      for (int k = 0; k < BLOCK; k++) sums[i + k] += (uint32_t)weight * (uint16_t)row[i + k];                                                                  \
    for (; i < length; i++) sums[i] += (uint32_t)weight * row[i];                                                                                              \
  }
ADD(add_8, uint8_t)
ADD(add_16, uint16_t)

#define ROUND(name, shift)                                                                                                                                     \
  static void name(uint32_t *restrict sums, uint16_t *restrict middle, size_t length) {                                                                        \
    size_t i = 0;                                                                                                                                              \
    for (; i + BLOCK <= length; i += BLOCK)                                                                                                                    \
      for (int k = 0; k < BLOCK; k++) middle[i + k] = (uint16_t)((sums[i + k] + (1u << ((shift)-1))) >> (shift));                                              \
    for (; i < length; i++) middle[i] = (uint16_t)((sums[i] + (1u << ((shift)-1))) >> (shift));                                                                \
    memset(sums, 0, length * sizeof *sums);                                                                                                                    \
  }
ROUND(round_8, ASSAY_RESIZE_SHIFT_8)
ROUND(round_16, ASSAY_RESIZE_SHIFT_16)

#define ROW(name, unit)                                                                                                                                        \
  static void name(const uint16_t *middle, uint32_t channels, const struct assay_axis *axis, uint8_t *out) {                                                   \
    for (uint32_t x = 0; x < axis->count; x++) {                                                                                                               \
      const struct assay_tap *tap = &axis->taps[x];                                                                                                            \
      const uint16_t *weights = axis->weights + tap->weights;                                                                                                  \
      for (uint32_t channel = 0; channel < channels; channel++) {                                                                                              \
        const uint16_t *from = middle + (size_t)tap->start * channels + channel;                                                                               \
        uint32_t sum = (unit) / 2;                                                                                                                             \
        for (uint32_t k = 0; k < tap->count; k++) sum += (uint32_t)weights[k] * from[(size_t)k * channels];                                                    \
        *out++ = (uint8_t)(sum / (unit));                                                                                                                      \
      }                                                                                                                                                        \
    }                                                                                                                                                          \
  }
ROW(row_8, ASSAY_RESIZE_UNIT_8)
ROW(row_16, ASSAY_RESIZE_UNIT_16)

const struct assay_resize_lines assay_resize_lines_plain = {add_8, add_16, round_8, round_16, row_8, row_16};

/* ---- AVX2 ---- */

#ifdef __x86_64__
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))

AVX2 static inline __m256i load(const uint32_t *sums) { return _mm256_loadu_si256((const __m256i *)(const void *)sums); }
AVX2 static inline void store(uint32_t *sums, __m256i value) { _mm256_storeu_si256((__m256i *)(void *)sums, value); }

/* The upper half of each lane is 0 in the samples, so the product of pairs is that of the lower halves. */
AVX2 static void add_8_avx2(uint32_t *restrict sums, const uint8_t *restrict row, size_t length, uint16_t weight) {
  const __m256i factor = _mm256_set1_epi32(weight);
  size_t i = 0;
  for (; i + 16 <= length; i += 16) {
    const __m128i samples = _mm_loadu_si128((const __m128i *)(const void *)(row + i));
    store(sums + i, _mm256_add_epi32(load(sums + i), _mm256_madd_epi16(_mm256_cvtepu8_epi32(samples), factor)));
    store(sums + i + 8, _mm256_add_epi32(load(sums + i + 8), _mm256_madd_epi16(_mm256_cvtepu8_epi32(_mm_srli_si128(samples, 8)), factor)));
  }
  add_8(sums + i, row + i, length - i, weight);
}

AVX2 static void add_16_avx2(uint32_t *restrict sums, const uint16_t *restrict row, size_t length, uint16_t weight) {
  const __m256i factor = _mm256_set1_epi32(weight);
  size_t i = 0;
  for (; i + 8 <= length; i += 8) {
    const __m256i samples = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)(row + i)));
    store(sums + i, _mm256_add_epi32(load(sums + i), _mm256_mullo_epi32(samples, factor)));
  }
  add_16(sums + i, row + i, length - i, weight);
}

#define ROUND_AVX2(name, plain, shift)                                                                                                                         \
  AVX2 static void name(uint32_t *restrict sums, uint16_t *restrict middle, size_t length) {                                                                   \
    const __m256i half = _mm256_set1_epi32(1 << ((shift)-1)), zero = _mm256_setzero_si256();                                                                   \
    size_t i = 0;                                                                                                                                              \
    for (; i + 16 <= length; i += 16) {                                                                                                                        \
      const __m256i low = _mm256_srli_epi32(_mm256_add_epi32(load(sums + i), half), shift);                                                                    \
      const __m256i high = _mm256_srli_epi32(_mm256_add_epi32(load(sums + i + 8), half), shift);                                                               \
      const __m256i both = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xD8); /* packed, the quarters stand in the order 0 2 1 3 */               \
      _mm256_storeu_si256((__m256i *)(void *)(middle + i), both);                                                                                              \
      store(sums + i, zero);                                                                                                                                   \
      store(sums + i + 8, zero);                                                                                                                               \
    }                                                                                                                                                          \
    plain(sums + i, middle + i, length - i);                                                                                                                   \
  }
ROUND_AVX2(round_8_avx2, round_8, ASSAY_RESIZE_SHIFT_8)
ROUND_AVX2(round_16_avx2, round_16, ASSAY_RESIZE_SHIFT_16)

/* Products are of signed numbers, so samples are taken less 2^15, which the weights' sum of 2^14 makes 2^29 of the whole. */
enum { BIAS = 1 << 29 };
AVX2 static inline __m128i samples_of(const uint16_t *from) {
  return _mm_xor_si128(_mm_loadu_si128((const __m128i *)(const void *)from), _mm_set1_epi16(INT16_MIN));
}

/* Eight taps at once. */
AVX2 static inline uint32_t grey_sum(const uint16_t *from, const uint16_t *weights, uint32_t width) {
  __m128i sum = _mm_setzero_si128();
  for (uint32_t k = 0; k < width; k += 8) sum = _mm_add_epi32(sum, _mm_madd_epi16(samples_of(from + k), _mm_loadu_si128((const __m128i *)(const void *)(weights + k))));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4E));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xB1));
  return (uint32_t)_mm_cvtsi128_si32(sum) + BIAS;
}

/* The sums of a pixel's three channels in the first three lanes. Two taps at once: their channels side by side, and two weights as one lane. */
AVX2 static inline __m128i colour_sums(const uint16_t *from, const uint16_t *weights, uint32_t width) {
  const __m128i sides = _mm_setr_epi8(0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11, -1, -1, -1, -1);
  __m128i sum = _mm_set1_epi32(BIAS);
  for (uint32_t k = 0; k < width; k += 2) {
    int32_t both;
    memcpy(&both, weights + k, sizeof both);
    sum = _mm_add_epi32(sum, _mm_madd_epi16(_mm_shuffle_epi8(samples_of(from + 3 * (size_t)k), sides), _mm_set1_epi32(both)));
  }
  return sum;
}

/* Three bytes of sums; a step of one is a power of two in those of 8-bit pictures, so all three go at once, as four bytes where the next pixel follows. */
AVX2 static inline void put_colour_8(__m128i sums, uint8_t *out, bool last) {
  const __m128i lowest = _mm_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  const __m128i steps = _mm_srli_epi32(_mm_add_epi32(sums, _mm_set1_epi32(ASSAY_RESIZE_UNIT_8 / 2)), ASSAY_RESIZE_UNIT_BITS_8);
  const int32_t bytes = _mm_cvtsi128_si32(_mm_shuffle_epi8(steps, lowest));
  if (last) memcpy(out, &bytes, 3);
  else memcpy(out, &bytes, 4);
}

AVX2 static inline void put_colour_16(__m128i sums, uint8_t *out, bool last) {
  uint32_t lanes[4];
  (void)last;
  _mm_storeu_si128((__m128i *)(void *)lanes, sums);
  for (int channel = 0; channel < 3; channel++) out[channel] = (uint8_t)((lanes[channel] + ASSAY_RESIZE_UNIT_16 / 2) / ASSAY_RESIZE_UNIT_16);
}

#define ROW_AVX2(name, unit, put_colour)                                                                                                                       \
  AVX2 static void name(const uint16_t *middle, uint32_t channels, const struct assay_axis *axis, uint8_t *out) {                                              \
    const uint32_t width = axis->width;                                                                                                                        \
    const uint16_t *weights = axis->padded;                                                                                                                    \
    for (uint32_t x = 0; channels == 1 && x < axis->count; x++, weights += width)                                                                              \
      *out++ = (uint8_t)((grey_sum(middle + axis->taps[x].start, weights, width) + (unit) / 2) / (unit));                                                      \
    for (uint32_t x = 0; channels == 3 && x < axis->count; x++, weights += width, out += 3)                                                                    \
      put_colour(colour_sums(middle + 3 * (size_t)axis->taps[x].start, weights, width), out, x + 1 == axis->count);                                            \
  }
ROW_AVX2(row_8_avx2, ASSAY_RESIZE_UNIT_8, put_colour_8)
ROW_AVX2(row_16_avx2, ASSAY_RESIZE_UNIT_16, put_colour_16)

static const struct assay_resize_lines lines_avx2 = {add_8_avx2, add_16_avx2, round_8_avx2, round_16_avx2, row_8_avx2, row_16_avx2};

const struct assay_resize_lines *assay_resize_lines_best(void) { return __builtin_cpu_supports("avx2") ? &lines_avx2 : &assay_resize_lines_plain; }
#else
const struct assay_resize_lines *assay_resize_lines_best(void) { return &assay_resize_lines_plain; }
#endif
