/* SPDX-License-Identifier: MIT
 *
 * Fitting a picture to a size: area averages (or triangles) along axes that shrink, linear interpolation along axes that grow; first down the columns, then along the rows.
 *
 * Weights are multiples of 2^-14 that add up to exactly 1. After the columns a sample is kept in 16 bits (8-bit pictures: 8 bits and 8 behind the point), so
 * that it is rounded only once for the eye. Everything is unsigned integers below 2^32: no machine or compiler can give other bits.
 */
#include "base/arena.h"
#include "base/status.h"
#include "data/decode.h"

#include <stdlib.h>
#include <string.h>

enum { ONE = 1 << 14, BLOCK = 16 };

/* What one output sample is made of: `count` inputs from `start`. */
struct tap {
  uint32_t start, count;
  size_t weights; /* place of the first in axis.weights */
};

struct axis {
  struct tap *taps;
  uint16_t *weights;
};

static uint32_t rounded_share(uint64_t part, uint64_t whole) { return (uint32_t)((part * ONE + whole / 2) / whole); }

/* Output i covers inputs [i n/m, (i+1) n/m). In units of 1/m of an input all borders are whole; sharing out by rounded partial sums keeps the total. */
static void area_taps(struct axis *axis, uint32_t n, uint32_t m, uint32_t from, uint32_t count) {
  size_t used = 0;
  for (uint32_t i = from; i < from + count; i++) {
    const uint64_t begin = (uint64_t)i * n, end = begin + n;
    struct tap *tap = &axis->taps[i - from];
    *tap = (struct tap){(uint32_t)(begin / m), (uint32_t)((end + m - 1) / m - begin / m), used};
    uint32_t before = 0;
    for (uint32_t k = 1; k <= tap->count; k++) {
      const uint64_t border = (uint64_t)(tap->start + k) * m;
      const uint32_t sum = rounded_share((border < end ? border : end) - begin, n);
      axis->weights[used++] = (uint16_t)(sum - before);
      before = sum;
    }
  }
}

/* The centre of output i lies at (i + 1/2) n/m - 1/2; beyond the outer centres the edge goes on. */
static void linear_taps(struct axis *axis, uint32_t n, uint32_t m, uint32_t from, uint32_t count) {
  for (uint32_t i = from; i < from + count; i++) {
    const int64_t place = (int64_t)(2 * (uint64_t)i + 1) * n - m; /* in units of 1/(2 m) */
    const uint32_t left = place <= 0 ? 0 : (uint32_t)(place / (2 * (int64_t)m));
    const uint32_t second = place <= 0 || left + 1 >= n ? 0 : rounded_share((uint64_t)(place % (2 * (int64_t)m)), 2 * (uint64_t)m);
    const size_t used = 2 * (size_t)(i - from);
    axis->taps[i - from] = (struct tap){left, second == 0 ? 1 : 2, used};
    axis->weights[used] = (uint16_t)(ONE - second);
    axis->weights[used + 1] = (uint16_t)second;
  }
}

/* A triangle around the centre of output i, n/m wide to each side. In units of 1/(2 m) of an input, input k has its centre at (2 k + 1) m. */
static void triangle_taps(struct axis *axis, uint32_t n, uint32_t m, uint32_t from, uint32_t count) {
  size_t used = 0;
  for (uint32_t i = from; i < from + count; i++) {
    const int64_t centre = (2 * (int64_t)i + 1) * n, reach = 2 * (int64_t)n, unit = m;
    int64_t first = (centre - reach - unit) / (2 * unit), last = (centre + reach) / (2 * unit);
    while (first < 0 || llabs((2 * first + 1) * unit - centre) >= reach) first++;
    while (last >= n || llabs((2 * last + 1) * unit - centre) >= reach) last--;
    struct tap *tap = &axis->taps[i - from];
    *tap = (struct tap){(uint32_t)first, (uint32_t)(last - first + 1), used};
    uint64_t total = 0, sum = 0;
    uint32_t before = 0;
    for (int64_t k = first; k <= last; k++) total += (uint64_t)(reach - llabs((2 * k + 1) * unit - centre));
    for (int64_t k = first; k <= last; k++) {
      sum += (uint64_t)(reach - llabs((2 * k + 1) * unit - centre));
      const uint32_t share = rounded_share(sum, total);
      axis->weights[used++] = (uint16_t)(share - before);
      before = share;
    }
  }
}

/* Outputs `from` … `from + count - 1` of `n` inputs that become `m` outputs. */
static bool make_axis(struct axis *axis, uint32_t n, uint32_t m, uint32_t from, uint32_t count, uint32_t filter) {
  axis->taps = malloc((size_t)count * sizeof *axis->taps);
  axis->weights = malloc((2 * (size_t)n + 4 * (size_t)count) * sizeof *axis->weights); /* an output reaches over at most 2 n/m + 2 inputs */
  if (axis->taps == NULL || axis->weights == NULL) return false;
  if (n <= m) linear_taps(axis, n, m, from, count);
  else if (filter == ASSAY_FILTER_BILINEAR) triangle_taps(axis, n, m, from, count);
  else area_taps(axis, n, m, from, count);
  return true;
}

static void release_axis(struct axis *axis) {
  free(axis->taps);
  free(axis->weights);
}

/* sums[i] += weight * row[i]; blocks of a fixed size so that compilers use vector instructions. */
#define ADD_ROW(name, type)                                                                                                                                    \
  static void name(uint32_t *restrict sums, const type *restrict row, size_t length, uint16_t weight) {                                                        \
    size_t i = 0;                                                                                                                                              \
    for (; i + BLOCK <= length; i += BLOCK)                                                                                                                    \
      for (int k = 0; k < BLOCK; k++) sums[i + k] += (uint32_t)weight * (uint16_t)row[i + k];                                                                  \
    for (; i < length; i++) sums[i] += (uint32_t)weight * row[i];                                                                                              \
  }
ADD_ROW(add_row_8, uint8_t)
ADD_ROW(add_row_16, uint16_t)

/* sums → 16 bits, and the sums back to zero. */
static void round_sums(uint32_t *restrict sums, uint16_t *restrict middle, size_t length, int shift) {
  const uint32_t half = 1u << (shift - 1);
  size_t i = 0;
  for (; i + BLOCK <= length; i += BLOCK)
    for (int k = 0; k < BLOCK; k++) {
      middle[i + k] = (uint16_t)((sums[i + k] + half) >> shift);
      sums[i + k] = 0;
    }
  for (; i < length; i++) {
    middle[i] = (uint16_t)((sums[i] + half) >> shift);
    sums[i] = 0;
  }
}

struct job {
  const struct assay_image *image;
  struct assay_fit_plan plan;
  uint32_t filter;
  struct axis columns, rows; /* along x; along y */
  uint32_t *sums;            /* a line of the source window */
  uint16_t *middle;
};

static void fit_columns(const struct job *job, uint32_t y) {
  const struct assay_image *image = job->image;
  const struct tap *tap = &job->rows.taps[y];
  const size_t length = (size_t)job->plan.source_width * image->channels;
  for (uint32_t k = 0; k < tap->count; k++) {
    const uint16_t weight = job->rows.weights[tap->weights + k];
    const size_t offset = ((size_t)(job->plan.source_y + tap->start + k) * image->width + job->plan.source_x) * image->channels;
    if (weight == 0) continue;
    if (image->depth == 8) add_row_8(job->sums, (const uint8_t *)image->pixels + offset, length, weight);
    else add_row_16(job->sums, (const uint16_t *)image->pixels + offset, length, weight);
  }
  round_sums(job->sums, job->middle, length, image->depth == 8 ? 6 : 14);
}

/* `unit`: what a sum of `middle` times weights is for a step of one in the result. */
static void fit_row(const struct job *job, uint8_t *out, uint32_t unit) {
  const uint32_t channels = job->image->channels;
  for (uint32_t x = 0; x < job->plan.target_width; x++) {
    const struct tap *tap = &job->columns.taps[x];
    const uint16_t *middle = job->middle + (size_t)tap->start * channels, *weights = job->columns.weights + tap->weights;
    if (channels == 1) {
      uint32_t sum = unit / 2;
      for (uint32_t k = 0; k < tap->count; k++) sum += (uint32_t)weights[k] * middle[k];
      *out++ = (uint8_t)(sum / unit);
    } else {
      uint32_t red = unit / 2, green = unit / 2, blue = unit / 2;
      for (uint32_t k = 0; k < tap->count; k++) {
        red += (uint32_t)weights[k] * middle[3 * k];
        green += (uint32_t)weights[k] * middle[3 * k + 1];
        blue += (uint32_t)weights[k] * middle[3 * k + 2];
      }
      *out++ = (uint8_t)(red / unit);
      *out++ = (uint8_t)(green / unit);
      *out++ = (uint8_t)(blue / unit);
    }
  }
}

static int run_job(struct job *job, uint32_t width, uint8_t *pixels, struct assay_status *status) {
  const struct assay_fit_plan *plan = &job->plan;
  const size_t length = (size_t)plan->source_width * job->image->channels;
  job->sums = calloc(length, sizeof *job->sums);
  job->middle = malloc(length * sizeof *job->middle);
  const bool ready = make_axis(&job->columns, plan->source_width, plan->scaled_width, plan->scaled_x, plan->target_width, job->filter) &&
                     make_axis(&job->rows, plan->source_height, plan->scaled_height, plan->scaled_y, plan->target_height, job->filter) &&
                     job->sums != NULL && job->middle != NULL;
  if (ready)
    for (uint32_t y = 0; y < plan->target_height; y++) {
      fit_columns(job, y);
      uint8_t *out = pixels + ((size_t)(plan->target_y + y) * width + plan->target_x) * job->image->channels;
      if (job->image->depth == 8) fit_row(job, out, 1u << 22);
      else fit_row(job, out, 257u << 14);
    }
  release_axis(&job->columns);
  release_axis(&job->rows);
  free(job->sums);
  free(job->middle);
  return ready ? 0 : assay_status_memory(status);
}

static uint32_t within(uint64_t value, uint32_t most) { return value < 1 ? 1 : value > most ? most : (uint32_t)value; }

/* Scales to a short side, at least as far as the target needs, and cuts out the middle; the half pixel of an odd rest goes as torchvision rounds it. */
static void scale_and_cut(struct assay_fit_plan *plan, uint32_t resize) {
  const uint32_t w = plan->source_width, h = plan->source_height, low = w < h ? w : h;
  uint64_t side = resize;
  const uint64_t for_width = ((uint64_t)plan->target_width * low + w - 1) / w, for_height = ((uint64_t)plan->target_height * low + h - 1) / h;
  if (side < for_width) side = for_width;
  if (side < for_height) side = for_height;
  plan->scaled_width = (uint32_t)(side * w / low);
  plan->scaled_height = (uint32_t)(side * h / low);
  const uint32_t across = plan->scaled_width - plan->target_width, down = plan->scaled_height - plan->target_height;
  plan->scaled_x = across / 2 + (across % 4 == 3);
  plan->scaled_y = down / 2 + (down % 4 == 3);
}

struct assay_fit_plan assay_fit_plan(struct assay_fitting fitting, uint32_t source_width, uint32_t source_height, uint32_t width, uint32_t height) {
  struct assay_fit_plan plan = {
      .source_width = source_width, .source_height = source_height, .scaled_width = width, .scaled_height = height, .target_width = width, .target_height = height};
  const uint64_t across = (uint64_t)source_width * height, down = (uint64_t)source_height * width; /* across > down: the source is the wider one */
  if (fitting.fit == ASSAY_FIT_CROP && fitting.resize > 0) {
    scale_and_cut(&plan, fitting.resize);
  } else if (fitting.fit == ASSAY_FIT_CROP) {
    if (across > down) plan.source_width = within((down + height / 2) / height, source_width);
    else plan.source_height = within((across + width / 2) / width, source_height);
    plan.source_x = (source_width - plan.source_width) / 2;
    plan.source_y = (source_height - plan.source_height) / 2;
  } else if (fitting.fit == ASSAY_FIT_LETTERBOX) {
    if (across > down) plan.target_height = within((down + source_width / 2) / source_width, height);
    else plan.target_width = within((across + source_height / 2) / source_height, width);
    plan.target_x = (width - plan.target_width) / 2;
    plan.target_y = (height - plan.target_height) / 2;
    plan.scaled_width = plan.target_width;
    plan.scaled_height = plan.target_height;
  }
  return plan;
}

/* Grey to RGB in place, from the back. */
static void widen(uint8_t *pixels, size_t count) {
  for (size_t i = count; i-- > 0;) pixels[3 * i] = pixels[3 * i + 1] = pixels[3 * i + 2] = pixels[i];
}

static void narrow(uint8_t *pixels, size_t count) {
  for (size_t i = 0; i < count; i++) pixels[i] = (uint8_t)((19595u * pixels[3 * i] + 38470u * pixels[3 * i + 1] + 7471u * pixels[3 * i + 2] + 32768u) >> 16);
}

int assay_image_fit(const struct assay_image *image, uint32_t width, uint32_t height, uint32_t channels, struct assay_fitting fitting, uint8_t *pixels,
                    struct assay_status *status) {
  const size_t count = (size_t)width * height;
  const bool narrowing = channels == 1 && image->channels == 3; /* a picture that was not decoded for grey: rare */
  uint8_t *target = narrowing ? malloc(3 * count) : pixels;
  if (target == NULL) return assay_status_memory(status);
  int result = 0;
  const struct assay_fit_plan plan = assay_fit_plan(fitting, image->width, image->height, width, height);
  if (image->width == width && image->height == height && plan.scaled_width == width && plan.scaled_height == height && image->depth == 8) {
    memcpy(target, image->pixels, count * image->channels);
  } else {
    struct job job = {.image = image, .plan = plan, .filter = fitting.filter};
    if (job.plan.target_width != width || job.plan.target_height != height) memset(target, 0, count * image->channels);
    result = run_job(&job, width, target, status);
  }
  if (result == 0 && channels == 3 && image->channels == 1) widen(target, count);
  if (narrowing) {
    if (result == 0) {
      narrow(target, count);
      memcpy(pixels, target, count);
    }
    free(target);
  }
  return result;
}
