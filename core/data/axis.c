/* SPDX-License-Identifier: MIT
 *
 * Weights along one axis: averages of areas (or triangles) where it shrinks, linear interpolation where it grows (or everywhere). They are multiples of 2^-14 that add up to
 * exactly 1, made from whole numbers alone.
 */
#include "data/axis.h"

#include "config/plan.h"

#include <stdlib.h>
#include <string.h>

static uint32_t rounded_share(uint64_t part, uint64_t whole) { return (uint32_t)((part * ASSAY_TAP_ONE + whole / 2) / whole); }

/* Output i covers inputs [i n/m, (i+1) n/m). In units of 1/m of an input all borders are whole; sharing out by rounded partial sums keeps the total. */
static void area_taps(struct assay_axis *axis, uint32_t n, uint32_t m, uint32_t from, uint32_t count) {
  size_t used = 0;
  for (uint32_t i = from; i < from + count; i++) {
    const uint64_t begin = (uint64_t)i * n, end = begin + n;
    struct assay_tap *tap = &axis->taps[i - from];
    *tap = (struct assay_tap){(uint32_t)(begin / m), (uint32_t)((end + m - 1) / m - begin / m), used};
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
static void linear_taps(struct assay_axis *axis, uint32_t n, uint32_t m, uint32_t from, uint32_t count) {
  for (uint32_t i = from; i < from + count; i++) {
    const int64_t place = (int64_t)(2 * (uint64_t)i + 1) * n - m; /* in units of 1/(2 m) */
    const uint32_t left = place <= 0 ? 0 : (uint32_t)(place / (2 * (int64_t)m));
    const uint32_t second = place <= 0 || left + 1 >= n ? 0 : rounded_share((uint64_t)(place % (2 * (int64_t)m)), 2 * (uint64_t)m);
    const size_t used = 2 * (size_t)(i - from);
    axis->taps[i - from] = (struct assay_tap){left, second == 0 ? 1 : 2, used};
    axis->weights[used] = (uint16_t)(ASSAY_TAP_ONE - second);
    axis->weights[used + 1] = (uint16_t)second;
  }
}

/* A triangle around the centre of output i, n/m wide to each side. In units of 1/(2 m) of an input, input k has its centre at (2 k + 1) m. */
static void triangle_taps(struct assay_axis *axis, uint32_t n, uint32_t m, uint32_t from, uint32_t count) {
  size_t used = 0;
  for (uint32_t i = from; i < from + count; i++) {
    const int64_t centre = (2 * (int64_t)i + 1) * n, reach = 2 * (int64_t)n, unit = m;
    int64_t first = (centre - reach - unit) / (2 * unit), last = (centre + reach) / (2 * unit);
    while (first < 0 || llabs((2 * first + 1) * unit - centre) >= reach) first++;
    while (last >= n || llabs((2 * last + 1) * unit - centre) >= reach) last--;
    struct assay_tap *tap = &axis->taps[i - from];
    *tap = (struct assay_tap){(uint32_t)first, (uint32_t)(last - first + 1), used};
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

bool assay_axis_make(struct assay_axis *axis, uint32_t n, uint32_t m, uint32_t from, uint32_t count, uint32_t filter) {
  *axis = (struct assay_axis){.inputs = n, .count = count, .linear = n <= m || filter == ASSAY_FILTER_LINEAR};
  axis->taps = malloc((size_t)count * sizeof *axis->taps);
  axis->weights = malloc((2 * (size_t)n + 4 * (size_t)count) * sizeof *axis->weights); /* an output reaches over at most 2 n/m + 2 inputs */
  if (axis->taps == NULL || axis->weights == NULL) return false;
  if (axis->linear) linear_taps(axis, n, m, from, count);
  else if (filter == ASSAY_FILTER_BILINEAR) triangle_taps(axis, n, m, from, count);
  else area_taps(axis, n, m, from, count);
  return true;
}

bool assay_axis_pad(struct assay_axis *axis, uint32_t multiple) {
  uint32_t most = 1;
  for (uint32_t i = 0; i < axis->count; i++) most = axis->taps[i].count > most ? axis->taps[i].count : most;
  axis->width = (most + multiple - 1) / multiple * multiple;
  axis->padded = calloc((size_t)axis->count * axis->width, sizeof *axis->padded);
  for (uint32_t i = 0; axis->padded != NULL && i < axis->count; i++)
    memcpy(axis->padded + (size_t)i * axis->width, axis->weights + axis->taps[i].weights, axis->taps[i].count * sizeof *axis->padded);
  return axis->padded != NULL;
}

void assay_axis_mirror(struct assay_axis *axis) {
  for (uint32_t i = 0; i < axis->count; i++) {
    struct assay_tap *tap = &axis->taps[i];
    uint16_t *weights = axis->weights + tap->weights;
    tap->start = axis->inputs - tap->start - tap->count;
    for (uint32_t k = 0; k < tap->count / 2; k++) {
      const uint16_t weight = weights[k];
      weights[k] = weights[tap->count - 1 - k];
      weights[tap->count - 1 - k] = weight;
    }
  }
}

void assay_axis_release(struct assay_axis *axis) {
  free(axis->padded);
  free(axis->taps);
  free(axis->weights);
}
