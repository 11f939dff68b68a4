/* SPDX-License-Identifier: MIT
 *
 * Composites on pictures: sampling along a projective map, mixing of channels, Gaussian blur. Their meaning in primitives; gradients follow from it.
 */
#include "graph/op_rules.h"

#include <math.h>

enum { MOST_RADIUS = 64 };

static bool is_picture(const struct assay_tensor_type *type) { return type->rank == 4 && assay_dtype_is_float(type->dtype); }

/* Doubled until it is long enough. */
assay_value assay_numbers_up_to(struct assay_builder *b, int64_t count, int32_t dtype) {
  const struct assay_constant_attributes zero = {0, dtype, 0};
  assay_value list = assay_reshape(b, b->host->emit(b, ASSAY_OP_CONSTANT, NULL, 0, &zero, sizeof zero), 1, (const int64_t[]){1});
  for (int64_t length = 1; length < count && assay_is_valid(list); length *= 2)
    list = assay_concat(b, (const assay_value[]){list, assay_add(b, list, assay_number(b, list, (double)length))}, 2, 0);
  return assay_slice(b, list, 0, 0, count);
}

static assay_value reshaped(struct assay_builder *b, assay_value x, int32_t rank, int64_t e0, int64_t e1, int64_t e2, int64_t e3) {
  return assay_reshape(b, x, rank, (const int64_t[]){e0, e1, e2, e3});
}

static assay_value between(struct assay_builder *b, assay_value x, double low, double high) {
  return assay_min(b, assay_max(b, x, assay_number(b, x, low)), assay_number(b, x, high));
}

/* ---- Warp ---- */

ASSAY_NORMALISER(warp) {
  (void)op, (void)inputs;
  ((struct assay_warp_attributes *)attributes)->reserved = 0;
}

ASSAY_SHAPE_RULE(warp) {
  ASSAY_UNUSED_SHAPE;
  char left[ASSAY_TYPE_TEXT], right[ASSAY_TYPE_TEXT];
  const struct assay_tensor_type *x = inputs[0], *maps = inputs[1];
  if (!is_picture(x) || maps->dtype != x->dtype || maps->rank != 2 || maps->extents[0] != x->extents[0] || maps->extents[1] != 9)
    return ASSAY_REFUSE("needs pictures [N, C, H, W] and maps [N, 9] of one float dtype, not %s and %s", assay_type_text(x, left), assay_type_text(maps, right));
  if (x->extents[0] * x->extents[2] > INT32_MAX / x->extents[3]) return ASSAY_REFUSE("%s has more than 2^31 pixels", assay_type_text(x, left));
  const uint32_t border = ((const struct assay_warp_attributes *)attributes)->border;
  if (border > ASSAY_BORDER_REFLECT) return ASSAY_REFUSE("%u is no border", border);
  outputs[0] = *x;
  return 0;
}

/* Coordinate (X or Y) / Z of every pixel [N, H, W], from 0 at the centre of the first pixel, brought to where there are pixels (or, for zeros, at most one beyond). */
static assay_value coordinate(struct assay_builder *b, assay_value ratio, int64_t extent, uint32_t border) {
  const double n = (double)extent;
  assay_value x = assay_add(b, ratio, assay_number(b, ratio, (n - 1) / 2));
  if (border == ASSAY_BORDER_ZERO) return between(b, x, -1, n);
  if (border == ASSAY_BORDER_REFLECT) {
    const assay_value from_edge = assay_add(b, x, assay_number(b, x, 0.5)), period = assay_number(b, x, 2 * n);
    const assay_value once = assay_sub(b, from_edge, assay_mul(b, period, assay_floor(b, assay_div(b, from_edge, period))));
    const assay_value folded = assay_sub(b, assay_number(b, x, n), assay_abs(b, assay_sub(b, once, assay_number(b, x, n))));
    x = assay_sub(b, folded, assay_number(b, x, 0.5));
  }
  return between(b, x, 0, n - 1);
}

/* One axis of one of the four neighbours: its number i32, and its weight with zeros beyond the picture. */
struct neighbour {
  assay_value place, weight;
};

static struct neighbour neighbour(struct assay_builder *b, assay_value at, int64_t extent, int further) {
  const assay_value low = assay_floor(b, at), share = assay_sub(b, at, low), one = assay_number(b, at, 1);
  const assay_value place = further ? assay_add(b, low, one) : low, inside = between(b, place, 0, (double)extent - 1);
  const assay_value weight = further ? share : assay_sub(b, one, share);
  return (struct neighbour){assay_cast(b, inside, ASSAY_I32), assay_select(b, assay_equal(b, place, inside), weight, assay_number(b, at, 0))};
}

ASSAY_DECOMPOSITION(warp) {
  const assay_value x = inputs[0], maps = inputs[1];
  const uint32_t border = ((const struct assay_warp_attributes *)node->attributes)->border;
  const int64_t count = assay_extent(b, x, 0), channels = assay_extent(b, x, 1), height = assay_extent(b, x, 2), width = assay_extent(b, x, 3);
  const int32_t dtype = assay_type(b, x)->dtype;
  const assay_value across = assay_numbers_up_to(b, width, dtype), down = reshaped(b, assay_numbers_up_to(b, height, dtype), 2, height, 1, 0, 0);
  const assay_value u = assay_sub(b, across, assay_number(b, x, (double)(width - 1) / 2)), v = assay_sub(b, down, assay_number(b, x, (double)(height - 1) / 2));
  assay_value row[3];
  for (int i = 0; i < 3; i++) {
    assay_value m[3];
    for (int k = 0; k < 3; k++) m[k] = reshaped(b, assay_slice(b, maps, 1, 3 * i + k, 3 * i + k + 1), 3, count, 1, 1, 0);
    row[i] = assay_add(b, assay_add(b, assay_mul(b, m[0], u), assay_mul(b, m[1], v)), m[2]);
  }
  const assay_value column = coordinate(b, assay_div(b, row[0], row[2]), width, border), line = coordinate(b, assay_div(b, row[1], row[2]), height, border);
  const assay_value pixels = reshaped(b, assay_transpose(b, x, (const int32_t[]){0, 2, 3, 1}), 2, count * height * width, channels, 0, 0);
  const assay_value samples = reshaped(b, assay_numbers_up_to(b, count, ASSAY_I32), 3, count, 1, 1, 0);
  const assay_value first = assay_mul(b, samples, assay_number(b, samples, (double)(height * width)));
  assay_value sum = assay_invalid();
  for (int i = 0; i < 4; i++) {
    const struct neighbour of_line = neighbour(b, line, height, i >> 1), of_column = neighbour(b, column, width, i & 1);
    const assay_value in_line = assay_mul(b, of_line.place, assay_number(b, of_line.place, (double)width));
    const assay_value place = assay_add(b, assay_add(b, first, in_line), of_column.place), weight = assay_mul(b, of_line.weight, of_column.weight);
    const assay_value taken = assay_gather(b, pixels, reshaped(b, place, 1, -1, 0, 0, 0));
    const assay_value part = assay_mul(b, taken, reshaped(b, weight, 2, -1, 1, 0, 0));
    sum = i == 0 ? part : assay_add(b, sum, part);
  }
  outputs[0] = assay_transpose(b, reshaped(b, sum, 4, count, height, width, channels), (const int32_t[]){0, 3, 1, 2});
}

/* ---- Mixing channels ---- */

ASSAY_SHAPE_RULE(mix_channels) {
  ASSAY_UNUSED_SHAPE;
  char left[ASSAY_TYPE_TEXT], right[ASSAY_TYPE_TEXT];
  const struct assay_tensor_type *x = inputs[0], *maps = inputs[1];
  if (!is_picture(x) || maps->dtype != x->dtype || maps->rank != 3 || maps->extents[0] != x->extents[0] || maps->extents[1] != x->extents[1] ||
      maps->extents[2] != x->extents[1] + 1)
    return ASSAY_REFUSE("needs pictures [N, C, H, W] and maps [N, C, C + 1] of one float dtype, not %s and %s", assay_type_text(x, left),
                        assay_type_text(maps, right));
  outputs[0] = *x;
  return 0;
}

ASSAY_DECOMPOSITION(mix_channels) {
  (void)node;
  const assay_value x = inputs[0], maps = inputs[1];
  const int64_t count = assay_extent(b, x, 0), channels = assay_extent(b, x, 1);
  assay_value mixed = assay_reshape(b, assay_slice(b, maps, 2, channels, channels + 1), 4, (const int64_t[]){count, channels, 1, 1});
  for (int64_t c = 0; c < channels; c++) {
    const assay_value factors = assay_reshape(b, assay_slice(b, maps, 2, c, c + 1), 4, (const int64_t[]){count, channels, 1, 1});
    mixed = assay_add(b, mixed, assay_mul(b, factors, assay_slice(b, x, 1, c, c + 1)));
  }
  outputs[0] = mixed;
}

/* ---- Gaussian blur ---- */

ASSAY_SHAPE_RULE(gaussian_blur) {
  ASSAY_UNUSED_SHAPE;
  char left[ASSAY_TYPE_TEXT], right[ASSAY_TYPE_TEXT];
  const struct assay_tensor_type *x = inputs[0], *deviations = inputs[1];
  if (!is_picture(x) || deviations->dtype != x->dtype || deviations->rank != 1 || deviations->extents[0] != x->extents[0])
    return ASSAY_REFUSE("needs pictures [N, C, H, W] and deviations [N] of one float dtype, not %s and %s", assay_type_text(x, left),
                        assay_type_text(deviations, right));
  const int64_t radius = ((const struct assay_blur_attributes *)attributes)->radius;
  if (!assay_within(radius, 0, MOST_RADIUS)) return ASSAY_REFUSE("the radius must be 0 to %d, not %lld", MOST_RADIUS, (long long)radius);
  outputs[0] = *x;
  return 0;
}

/* The first (or last) line along an axis, `radius` times. */
static assay_value edge(struct assay_builder *b, assay_value x, int32_t axis, int64_t at, int64_t radius) {
  struct assay_tensor_type type = *assay_type(b, x);
  if (axis >= type.rank) return assay_invalid();
  type.extents[axis] = radius;
  return assay_broadcast(b, assay_slice(b, x, axis, at, at + 1), type.rank, type.extents);
}

static assay_value blurred(struct assay_builder *b, assay_value x, const assay_value *weights, int32_t axis, int64_t radius) {
  const int64_t extent = assay_extent(b, x, axis);
  const assay_value padded = assay_concat(b, (const assay_value[]){edge(b, x, axis, 0, radius), x, edge(b, x, axis, extent - 1, radius)}, 3, axis);
  assay_value sum = assay_invalid();
  for (int64_t k = 0; k <= 2 * radius; k++) {
    const assay_value part = assay_mul(b, weights[k < radius ? radius - k : k - radius], assay_slice(b, padded, axis, k, k + extent));
    sum = k == 0 ? part : assay_add(b, sum, part);
  }
  return sum;
}

ASSAY_DECOMPOSITION(gaussian_blur) {
  const assay_value x = inputs[0];
  const int64_t radius = ((const struct assay_blur_attributes *)node->attributes)->radius;
  outputs[0] = x;
  if (radius == 0) return;
  const assay_value deviation = assay_reshape(b, inputs[1], 4, (const int64_t[]){-1, 1, 1, 1});
  /* No less than a hundredth of a pixel, where the neighbours' weights are 0 already. */
  const assay_value spread = assay_max(b, assay_mul(b, deviation, deviation), assay_number(b, x, 1e-4));
  assay_value weights[MOST_RADIUS + 1], total = assay_number(b, x, 1);
  for (int64_t k = 0; k <= radius; k++) {
    weights[k] = assay_exp(b, assay_div(b, assay_number(b, x, -0.5 * (double)(k * k)), spread));
    if (k > 0) total = assay_add(b, total, assay_mul(b, assay_number(b, x, 2), weights[k]));
  }
  for (int64_t k = 0; k <= radius; k++) weights[k] = assay_div(b, weights[k], total);
  outputs[0] = blurred(b, blurred(b, x, weights, 2, radius), weights, 3, radius);
}
