/* SPDX-License-Identifier: MIT
 *
 * Pictures, channels last: sampling along a projective map, mixing of channels, Gaussian blur.
 */
#include "level.h"

/* Pixels whose neighbours are worked out at once; numbers of a line that is blurred at once. */
enum { TILE = 64, LINE = 1024, MOST_RADIUS = 64, MOST_CHANNELS = 4 };

/* Where each pixel of a tile is taken from: four neighbours, as numbers of pixels, and their weights. */
struct neighbours {
  int32_t places[4][TILE];
  float weights[4][TILE];
};

/* From 0 at the centre of the first pixel; not-a-number becomes the lowest. */
static inline float brought_in(float at, float extent, bool zero, bool reflect) {
  if (reflect) {
    const float from_edge = at + 0.5f, period = 2.f * extent;
    const float once = from_edge - period * floorf(from_edge / period);
    at = extent - fabsf(once - extent) - 0.5f;
  }
  const float low = zero ? -1.f : 0.f, high = zero ? extent : extent - 1.f;
  at = at > low ? at : low;
  return at < high ? at : high;
}

__attribute__((always_inline)) static inline void find_neighbours(const struct assay_cpu_picture *picture, const float *map, int64_t y, int64_t first, int64_t count, bool zero, bool reflect,
                                   struct neighbours *found) {
  const int32_t width = (int32_t)picture->width, height = (int32_t)picture->height;
  const float half_width = (float)(width - 1) / 2.f, half_height = (float)(height - 1) / 2.f, v = (float)y - half_height;
  ASSAY_CPU_SIMD for (int64_t i = 0; i < count; i++) {
    const float u = (float)(int32_t)(first + i) - half_width;
    const float z = map[6] * u + map[7] * v + map[8];
    const float column = brought_in((map[0] * u + map[1] * v + map[2]) / z + half_width, (float)width, zero, reflect);
    const float line = brought_in((map[3] * u + map[4] * v + map[5]) / z + half_height, (float)height, zero, reflect);
    const float left = floorf(column), top = floorf(line), right_share = column - left, bottom_share = line - top;
    const int32_t x0 = (int32_t)left, y0 = (int32_t)top, x1 = x0 + 1, y1 = y0 + 1;
    const int32_t inner_x0 = x0 < 0 ? 0 : x0 < width ? x0 : width - 1, inner_x1 = x1 < width ? x1 : width - 1;
    const int32_t inner_y0 = y0 < 0 ? 0 : y0 < height ? y0 : height - 1, inner_y1 = y1 < height ? y1 : height - 1;
    const float wx0 = inner_x0 == x0 ? 1.f - right_share : 0.f, wx1 = inner_x1 == x1 ? right_share : 0.f;
    const float wy0 = inner_y0 == y0 ? 1.f - bottom_share : 0.f, wy1 = inner_y1 == y1 ? bottom_share : 0.f;
    found->places[0][i] = inner_y0 * width + inner_x0, found->weights[0][i] = wy0 * wx0;
    found->places[1][i] = inner_y0 * width + inner_x1, found->weights[1][i] = wy0 * wx1;
    found->places[2][i] = inner_y1 * width + inner_x0, found->weights[2][i] = wy1 * wx0;
    found->places[3][i] = inner_y1 * width + inner_x1, found->weights[3][i] = wy1 * wx1;
  }
}

__attribute__((always_inline)) static inline void take(const float *image, const struct neighbours *found, float *out, int64_t count, int64_t channels) {
  for (int64_t i = 0; i < count; i++) {
    const float *a = image + found->places[0][i] * channels, *b = image + found->places[1][i] * channels;
    const float *c = image + found->places[2][i] * channels, *d = image + found->places[3][i] * channels;
    const float wa = found->weights[0][i], wb = found->weights[1][i], wc = found->weights[2][i], wd = found->weights[3][i];
    for (int64_t k = 0; k < channels; k++) out[i * channels + k] = wa * a[k] + wb * b[k] + wc * c[k] + wd * d[k];
  }
}

/* Colours as vectors of four: the fourth is the next pixel's red, and its place in `out` is written over in a moment. So the image's last pixel may not be among
 * the neighbours. */
typedef float four __attribute__((vector_size(16)));
static inline four four_at(const float *x) {
  four all;
  memcpy(&all, x, sizeof all);
  return all;
}
static inline four weighed(const float *image, const struct neighbours *found, int64_t i) {
  return found->weights[0][i] * four_at(image + 3 * (int64_t)found->places[0][i]) + found->weights[1][i] * four_at(image + 3 * (int64_t)found->places[1][i]) +
         found->weights[2][i] * four_at(image + 3 * (int64_t)found->places[2][i]) + found->weights[3][i] * four_at(image + 3 * (int64_t)found->places[3][i]);
}
static void take_colours(const float *image, const struct neighbours *found, float *out, int64_t count) {
  for (int64_t i = 0; i + 1 < count; i++) {
    const four all = weighed(image, found, i);
    memcpy(out + 3 * i, &all, sizeof all);
  }
  const four all = weighed(image, found, count - 1);
  memcpy(out + 3 * (count - 1), &all, 3 * sizeof *out);
}

/* The furthest of them. */
static int32_t last_place(const struct neighbours *found, int64_t count) {
  int32_t last = 0;
#pragma omp simd reduction(max : last)
  for (int64_t i = 0; i < count; i++) last = found->places[3][i] > last ? found->places[3][i] : last;
  return last;
}

/* Parts are of lines (n, y). */
void ASSAY_CPU_KERNEL(warp)(const struct assay_cpu_picture *picture, const float *x, const float *maps, float *y, int64_t begin, int64_t end);
void ASSAY_CPU_KERNEL(warp)(const struct assay_cpu_picture *picture, const float *x, const float *maps, float *y, int64_t begin, int64_t end) {
  const int64_t channels = picture->channels, line_size = picture->width * channels;
  struct neighbours found;
  for (int64_t line = begin; line < end; line++) {
    const int64_t sample = line / picture->height;
    const float *image = x + sample * picture->height * line_size, *map = maps + 9 * sample;
    for (int64_t first = 0; first < picture->width; first += TILE) {
      const int64_t count = picture->width - first < TILE ? picture->width - first : TILE, row = line % picture->height;
      float *out = y + line * line_size + first * channels;
      if (picture->border == 2) find_neighbours(picture, map, row, first, count, false, true, &found);
      else if (picture->border == 1) find_neighbours(picture, map, row, first, count, false, false, &found);
      else find_neighbours(picture, map, row, first, count, true, false, &found);
      if (channels == 3 && last_place(&found, count) + 1 < picture->width * picture->height) take_colours(image, &found, out, count);
      else if (channels == 3) take(image, &found, out, count, 3);
      else if (channels == 1) take(image, &found, out, count, 1);
      else take(image, &found, out, count, channels);
    }
  }
}

static void mix_colours(const float *x, const float *m, float *y, int64_t count) {
  ASSAY_CPU_SIMD for (int64_t i = 0; i < count; i++) {
    const float red = x[3 * i], green = x[3 * i + 1], blue = x[3 * i + 2];
    y[3 * i] = m[0] * red + m[1] * green + m[2] * blue + m[3];
    y[3 * i + 1] = m[4] * red + m[5] * green + m[6] * blue + m[7];
    y[3 * i + 2] = m[8] * red + m[9] * green + m[10] * blue + m[11];
  }
}

static void mix(const float *x, const float *map, float *y, int64_t count, int64_t channels) {
  for (int64_t i = 0; i < count; i++)
    for (int64_t k = 0; k < channels; k++) {
      float sum = map[k * (channels + 1) + channels];
      for (int64_t c = 0; c < channels; c++) sum += map[k * (channels + 1) + c] * x[i * channels + c];
      y[i * channels + k] = sum;
    }
}

/* Parts are of lines (n, y). */
void ASSAY_CPU_KERNEL(mix_channels)(const struct assay_cpu_picture *picture, const float *x, const float *maps, float *y, int64_t begin, int64_t end);
void ASSAY_CPU_KERNEL(mix_channels)(const struct assay_cpu_picture *picture, const float *x, const float *maps, float *y, int64_t begin, int64_t end) {
  const int64_t channels = picture->channels, line_size = picture->width * channels;
  for (int64_t line = begin; line < end; line++) {
    const float *map = maps + line / picture->height * channels * (channels + 1);
    if (channels == 3) mix_colours(x + line * line_size, map, y + line * line_size, picture->width);
    else mix(x + line * line_size, map, y + line * line_size, picture->width, channels);
  }
}

static void add_times(float *sums, const float *x, float weight, int64_t count) {
  ASSAY_CPU_SIMD for (int64_t i = 0; i < count; i++) sums[i] += weight * x[i];
}

static int64_t within(int64_t at, int64_t extent) { return at < 0 ? 0 : at < extent ? at : extent - 1; }

/* weights[k] for the neighbours k pixels away; all of them together make 1. */
static void blur_weights(float deviation, int64_t radius, float *weights) {
  const float squared = deviation * deviation, spread = squared > 1e-4f ? squared : 1e-4f;
  float total = 0;
  for (int64_t k = 0; k <= radius; k++) {
    weights[k] = expf(-0.5f * (float)(k * k) / spread);
    total += (k == 0 ? 1.f : 2.f) * weights[k];
  }
  for (int64_t k = 0; k <= radius; k++) weights[k] /= total;
}

/* Parts are of lines (n, y). A stretch of a line is blurred downwards, with what lies beside it, and then along. */
void ASSAY_CPU_KERNEL(gaussian_blur)(const struct assay_cpu_picture *picture, const float *x, const float *deviations, float *y, int64_t begin, int64_t end);
void ASSAY_CPU_KERNEL(gaussian_blur)(const struct assay_cpu_picture *picture, const float *x, const float *deviations, float *y, int64_t begin, int64_t end) {
  const int64_t channels = picture->channels, width = picture->width, height = picture->height, radius = picture->radius, line_size = width * channels;
  const int64_t stretch = LINE / channels > 1 ? LINE / channels : 1; /* pixels */
  float weights[MOST_RADIUS + 1], down[LINE + 2 * MOST_RADIUS * MOST_CHANNELS];
  for (int64_t line = begin; line < end; line++) {
    const int64_t sample = line / height, row = line % height;
    const float *image = x + sample * height * line_size;
    blur_weights(deviations[sample], radius, weights);
    for (int64_t first = 0; first < width; first += stretch) {
      const int64_t stop = first + stretch < width ? first + stretch : width;
      const int64_t left = within(first - radius, width), right = within(stop - 1 + radius, width) + 1; /* what of the line is needed */
      float *middle = down + (left - first + radius) * channels, *out = y + line * line_size + first * channels;
      memset(middle, 0, (size_t)((right - left) * channels) * sizeof *middle);
      for (int64_t k = -radius; k <= radius; k++)
        add_times(middle, image + within(row + k, height) * line_size + left * channels, weights[k < 0 ? -k : k], (right - left) * channels);
      for (int64_t beyond = first - radius; beyond < left; beyond++) memcpy(down + (beyond - first + radius) * channels, middle, (size_t)channels * sizeof *down);
      for (int64_t beyond = right; beyond < stop + radius; beyond++)
        memcpy(down + (beyond - first + radius) * channels, middle + (right - 1 - left) * channels, (size_t)channels * sizeof *down);
      memset(out, 0, (size_t)((stop - first) * channels) * sizeof *out);
      for (int64_t k = -radius; k <= radius; k++) add_times(out, down + (radius + k) * channels, weights[k < 0 ? -k : k], (stop - first) * channels);
    }
  }
}
