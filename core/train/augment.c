/* SPDX-License-Identifier: MIT
 *
 * The graph of augmentation. u and v are places from the image's centre, in pixels; what is drawn is uniform unless said otherwise.
 */
#include "train/augment.h"

#include "graph/graph.h"

#include <math.h>

/* The uniform numbers of a sample, one a purpose. Fixed for good: a kind keeps its numbers whatever else is used. */
enum draw {
  DRAW_FLIP_HORIZONTAL,
  DRAW_FLIP_VERTICAL,
  DRAW_IS_TURNED,
  DRAW_TURNS,
  DRAW_ROTATION,
  DRAW_ZOOM,
  DRAW_SHIFT_ACROSS,
  DRAW_SHIFT_DOWN,
  DRAW_SHEAR_ALONG,
  DRAW_SHEAR_ACROSS,
  DRAW_TILT_ACROSS,
  DRAW_TILT_DOWN,
  DRAW_CROP,
  DRAW_CROP_ACROSS,
  DRAW_CROP_DOWN,
  DRAW_BLUR,
  DRAW_BRIGHTNESS,
  DRAW_CONTRAST,
  DRAW_SATURATION,
  DRAW_HUE,
  DRAW_NOISE,
  DRAW_CUTOUT,
  DRAW_CUTOUT_ACROSS,
  DRAW_CUTOUT_DOWN,
  DRAW_COUNT
};

#define PI 3.14159265358979323846
#define CHANNELS_OF_COLOUR 3
/* Of Beta's numbers, pairs that are tried; half of them fit at worst. */
#define BETA_TRIES 16
/* Deviations within which a Gaussian is taken to end. */
#define BLUR_REACH 3

struct augmentation {
  struct assay_builder *b;
  const struct assay_augment_settings *settings;
  assay_value strengths[ASSAY_AUGMENT_COUNT]; /* scalars; invalid for kinds that are not used */
  assay_value draws;                          /* [N, DRAW_COUNT] */
  int64_t count, channels, height, width;
};

/* ---- Numbers of samples: scalars or [N] ---- */

static assay_value number(const struct augmentation *a, double value) { return assay_number(a->b, a->draws, value); }
static bool uses(const struct augmentation *a, uint32_t kind) { return assay_augment_uses(a->settings, kind); }

/* In [0, 1). */
static assay_value drawn(const struct augmentation *a, enum draw draw) {
  return assay_reshape(a->b, assay_slice(a->b, a->draws, 1, draw, draw + 1), 1, (const int64_t[]){a->count});
}

/* Between 0 and the strength. */
static assay_value up_to(const struct augmentation *a, uint32_t kind, enum draw draw) { return assay_mul(a->b, a->strengths[kind], drawn(a, draw)); }

/* Between - strength and + strength, times a factor; 0 when not used. */
static assay_value either_way(const struct augmentation *a, uint32_t kind, enum draw draw, double factor) {
  if (!uses(a, kind)) return number(a, 0);
  const assay_value signed_draw = assay_sub(a->b, assay_mul(a->b, number(a, 2 * factor), drawn(a, draw)), number(a, factor));
  return assay_mul(a->b, a->strengths[kind], signed_draw);
}

/* true with the strength as probability. */
static assay_value happens(const struct augmentation *a, uint32_t kind, enum draw draw) { return assay_less(a->b, drawn(a, draw), a->strengths[kind]); }

static assay_value per_sample(const struct augmentation *a, assay_value x) { return assay_broadcast(a->b, x, 1, (const int64_t[]){a->count}); }
static assay_value beside_images(const struct augmentation *a, assay_value x) {
  return assay_reshape(a->b, per_sample(a, x), 4, (const int64_t[]){a->count, 1, 1, 1});
}

/* [N, count] from numbers of samples. */
static assay_value table(const struct augmentation *a, const assay_value *columns, uint32_t count) {
  assay_value beside[16];
  for (uint32_t i = 0; i < count; i++) beside[i] = assay_reshape(a->b, per_sample(a, columns[i]), 2, (const int64_t[]){a->count, 1});
  return assay_concat(a->b, beside, count, 1);
}

/* ---- Geometry ---- */

static assay_value flipped(const struct augmentation *a, uint32_t kind, enum draw draw, assay_value x) {
  return uses(a, kind) ? assay_select(a->b, happens(a, kind, draw), assay_negate(a->b, x), x) : x;
}

/* Radians: quarter turns and rotation. */
static assay_value angle(const struct augmentation *a) {
  const assay_value rotation = either_way(a, ASSAY_AUGMENT_ROTATION, DRAW_ROTATION, PI / 180);
  if (!uses(a, ASSAY_AUGMENT_QUARTER_TURNS)) return rotation;
  const assay_value turns = assay_add(a->b, number(a, 1), assay_floor(a->b, assay_mul(a->b, number(a, 3), drawn(a, DRAW_TURNS))));
  const assay_value turned = happens(a, ASSAY_AUGMENT_QUARTER_TURNS, DRAW_IS_TURNED);
  return assay_add(a->b, rotation, assay_select(a->b, turned, assay_mul(a->b, number(a, PI / 2), turns), number(a, 0)));
}

/* Pixels of the source for one of the result. */
static assay_value scale(const struct augmentation *a) {
  assay_value factor = number(a, 1);
  if (uses(a, ASSAY_AUGMENT_ZOOM)) { /* (1 + zoom)^u, u in ± 1: as often so much larger as so much smaller */
    const assay_value u = assay_sub(a->b, assay_mul(a->b, number(a, 2), drawn(a, DRAW_ZOOM)), number(a, 1));
    factor = assay_exp(a->b, assay_mul(a->b, u, assay_log1p(a->b, a->strengths[ASSAY_AUGMENT_ZOOM])));
  }
  return uses(a, ASSAY_AUGMENT_CROP) ? assay_mul(a->b, factor, assay_sub(a->b, number(a, 1), up_to(a, ASSAY_AUGMENT_CROP, DRAW_CROP))) : factor;
}

/* How far the centre moves, in pixels: the shift, and the place of the crop within what it leaves. */
static assay_value offset(const struct augmentation *a, enum draw shift, enum draw crop, int64_t extent) {
  const assay_value moved = either_way(a, ASSAY_AUGMENT_SHIFT, shift, (double)extent);
  if (!uses(a, ASSAY_AUGMENT_CROP)) return moved;
  const assay_value room = assay_mul(a->b, up_to(a, ASSAY_AUGMENT_CROP, DRAW_CROP), number(a, (double)extent));
  return assay_add(a->b, moved, assay_mul(a->b, room, assay_sub(a->b, drawn(a, crop), number(a, 0.5))));
}

static assay_value tangent(const struct augmentation *a, assay_value x) { return assay_div(a->b, assay_sin(a->b, x), assay_cos(a->b, x)); }

/* From a place of the result to one of the source: tilt, then scale, shear, rotation, flips, shift. */
static assay_value maps(const struct augmentation *a) {
  struct assay_builder *b = a->b;
  const assay_value theta = angle(a), sine = assay_sin(b, theta), cosine = assay_cos(b, theta), size = scale(a);
  const assay_value along = tangent(a, either_way(a, ASSAY_AUGMENT_SHEAR, DRAW_SHEAR_ALONG, PI / 180));
  const assay_value across = tangent(a, either_way(a, ASSAY_AUGMENT_SHEAR, DRAW_SHEAR_ACROSS, PI / 180));
  const assay_value linear[2][2] = {{assay_sub(b, cosine, assay_mul(b, across, sine)), assay_sub(b, assay_mul(b, along, cosine), sine)},
                                    {assay_add(b, sine, assay_mul(b, across, cosine)), assay_add(b, assay_mul(b, along, sine), cosine)}};
  const assay_value moved[2] = {offset(a, DRAW_SHIFT_ACROSS, DRAW_CROP_ACROSS, a->width), offset(a, DRAW_SHIFT_DOWN, DRAW_CROP_DOWN, a->height)};
  const assay_value tilt[2] = {either_way(a, ASSAY_AUGMENT_PERSPECTIVE, DRAW_TILT_ACROSS, 2 / (double)a->width),
                               either_way(a, ASSAY_AUGMENT_PERSPECTIVE, DRAW_TILT_DOWN, 2 / (double)a->height)};
  assay_value map[9];
  for (int row = 0; row < 2; row++) {
    for (int column = 0; column < 2; column++) {
      assay_value entry = assay_mul(b, size, linear[row][column]);
      entry = row == 0 ? flipped(a, ASSAY_AUGMENT_FLIP_HORIZONTAL, DRAW_FLIP_HORIZONTAL, entry)
                       : flipped(a, ASSAY_AUGMENT_FLIP_VERTICAL, DRAW_FLIP_VERTICAL, entry);
      map[3 * row + column] = assay_add(b, entry, assay_mul(b, moved[row], tilt[column]));
    }
    map[3 * row + 2] = moved[row];
    map[6 + row] = tilt[row];
  }
  map[8] = number(a, 1);
  return table(a, map, 9);
}

/* ---- Colours ---- */

/* Luma of ITU-R BT.601; the mean where there are not three channels. */
static double luma(const struct augmentation *a, int64_t channel) {
  static const double weights[CHANNELS_OF_COLOUR] = {0.299, 0.587, 0.114};
  return a->channels == CHANNELS_OF_COLOUR ? weights[channel] : 1 / (double)a->channels;
}

/* A quarter turn of hue: a colour difference (red - luma, blue - luma) of [in] as one of [out], luma kept. With U = 0.492 (blue - luma) and
 * V = 0.877 (red - luma), U becomes -V and V becomes U. */
static void quarter_hue(double turn[CHANNELS_OF_COLOUR][CHANNELS_OF_COLOUR], const double weights[CHANNELS_OF_COLOUR]) {
  const double u = 0.492, v = 0.877;
  for (int in = 0; in < CHANNELS_OF_COLOUR; in++) {
    const double red = (in == 0) - weights[in], blue = (in == 2) - weights[in];
    turn[0][in] = u / v * blue;
    turn[2][in] = -v / u * red;
    turn[1][in] = -(weights[0] * turn[0][in] + weights[2] * turn[2][in]) / weights[1];
  }
}

static assay_value around_one(const struct augmentation *a, uint32_t kind, enum draw draw) {
  return assay_add(a->b, number(a, 1), either_way(a, kind, draw, 1));
}

/* Mean luma of each image. */
static assay_value mean_grey(const struct augmentation *a, assay_value x) {
  const assay_value means = assay_mean(a->b, x, 1u << 2 | 1u << 3, 0);
  assay_value sum = number(a, 0);
  for (int64_t c = 0; c < a->channels; c++) {
    const assay_value channel = assay_reshape(a->b, assay_slice(a->b, means, 1, c, c + 1), 1, (const int64_t[]){a->count});
    sum = assay_add(a->b, sum, assay_mul(a->b, number(a, luma(a, c)), channel));
  }
  return sum;
}

/* Saturation by s and hue by an angle take a colour x of luma y to y + s (cos (x - y) + sin Q (x - y)), Q the quarter turn; `gain` and `lift` go with it. */
static assay_value tinted(const struct augmentation *a, assay_value x, assay_value gain, assay_value lift) {
  struct assay_builder *b = a->b;
  const assay_value hue = either_way(a, ASSAY_AUGMENT_HUE, DRAW_HUE, PI / 180);
  const assay_value saturation = assay_mul(b, gain, around_one(a, ASSAY_AUGMENT_SATURATION, DRAW_SATURATION));
  const assay_value cosine = assay_mul(b, saturation, assay_cos(b, hue)), sine = assay_mul(b, saturation, assay_sin(b, hue));
  const double weights[CHANNELS_OF_COLOUR] = {luma(a, 0), luma(a, 1), luma(a, 2)};
  double turn[CHANNELS_OF_COLOUR][CHANNELS_OF_COLOUR];
  quarter_hue(turn, weights);
  assay_value map[CHANNELS_OF_COLOUR * (CHANNELS_OF_COLOUR + 1)];
  for (int out = 0; out < CHANNELS_OF_COLOUR; out++) {
    for (int in = 0; in < CHANNELS_OF_COLOUR; in++) {
      const assay_value plain = assay_add(b, assay_mul(b, gain, number(a, weights[in])), assay_mul(b, cosine, number(a, (out == in) - weights[in])));
      map[out * (CHANNELS_OF_COLOUR + 1) + in] = assay_add(b, plain, assay_mul(b, sine, number(a, turn[out][in])));
    }
    map[out * (CHANNELS_OF_COLOUR + 1) + CHANNELS_OF_COLOUR] = lift;
  }
  const int64_t extents[3] = {a->count, CHANNELS_OF_COLOUR, CHANNELS_OF_COLOUR + 1};
  return assay_mix_channels(b, x, assay_reshape(b, table(a, map, sizeof map / sizeof *map), 3, extents));
}

static assay_value coloured(const struct augmentation *a, assay_value x) {
  struct assay_builder *b = a->b;
  const bool tints = a->channels == CHANNELS_OF_COLOUR && (uses(a, ASSAY_AUGMENT_SATURATION) || uses(a, ASSAY_AUGMENT_HUE));
  const bool contrasts = uses(a, ASSAY_AUGMENT_CONTRAST);
  if (!tints && !contrasts && !uses(a, ASSAY_AUGMENT_BRIGHTNESS)) return x;
  const assay_value brightness = around_one(a, ASSAY_AUGMENT_BRIGHTNESS, DRAW_BRIGHTNESS), contrast = around_one(a, ASSAY_AUGMENT_CONTRAST, DRAW_CONTRAST);
  const assay_value gain = assay_mul(b, brightness, contrast);
  const assay_value lift = contrasts ? assay_mul(b, assay_mul(b, brightness, mean_grey(a, x)), assay_sub(b, number(a, 1), contrast)) : number(a, 0);
  if (tints) return tinted(a, x, gain, lift);
  const assay_value scaled = assay_mul(b, x, beside_images(a, gain));
  return contrasts ? assay_add(b, scaled, beside_images(a, lift)) : scaled;
}

/* ---- Noise ---- */

static assay_value random_numbers(const struct augmentation *a, int64_t count) {
  const struct assay_random_attributes attributes = {a->b->host->stream(a->b), 2, {0, count}};
  return assay_emit1(a->b, ASSAY_OP_RANDOM_UNIFORM, a->b->context->keys, &attributes, sizeof attributes);
}

/* Standard normal numbers like the images, two from a pair of uniform ones (Box and Muller, 1958). */
static assay_value normal_numbers(const struct augmentation *a) {
  struct assay_builder *b = a->b;
  const int64_t size = a->channels * a->height * a->width, half = (size + 1) / 2;
  const assay_value u = assay_sub(b, number(a, 1), random_numbers(a, half)), turn = assay_mul(b, number(a, 2 * PI), random_numbers(a, half));
  const assay_value radius = assay_sqrt(b, assay_mul(b, number(a, -2), assay_log(b, u)));
  const assay_value both[2] = {assay_mul(b, radius, assay_cos(b, turn)), assay_mul(b, radius, assay_sin(b, turn))};
  const assay_value list = assay_slice(b, assay_concat(b, both, 2, 1), 1, 0, size);
  return assay_transpose(b, assay_reshape(b, list, 4, (const int64_t[]){a->count, a->height, a->width, a->channels}), (const int32_t[]){0, 3, 1, 2});
}

/* ---- Cutout ---- */

/* bool: is the middle of pixel 0 … extent - 1 within half a rectangle of the centre drawn? One axis of [N, 1, H, W], `length` of them set. */
static assay_value within_cutout(const struct augmentation *a, enum draw centre, int64_t extent, const int64_t length[2]) {
  struct assay_builder *b = a->b;
  const assay_value pixels = assay_reshape(b, assay_numbers_up_to(b, extent, ASSAY_F32), 4, (const int64_t[]){1, 1, length[0], length[1]});
  const assay_value middle = assay_sub(b, assay_mul(b, drawn(a, centre), number(a, (double)extent)), number(a, 0.5));
  const assay_value reach = assay_mul(b, up_to(a, ASSAY_AUGMENT_CUTOUT, DRAW_CUTOUT), number(a, (double)extent / 2));
  return assay_less(b, assay_abs(b, assay_sub(b, pixels, beside_images(a, middle))), beside_images(a, reach));
}

/* DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017. */
static assay_value cut_out(const struct augmentation *a, assay_value x, assay_value mean) {
  const assay_value across = within_cutout(a, DRAW_CUTOUT_ACROSS, a->width, (const int64_t[]){1, a->width});
  const assay_value down = within_cutout(a, DRAW_CUTOUT_DOWN, a->height, (const int64_t[]){a->height, 1});
  return assay_select(a->b, assay_and(a->b, across, down), assay_reshape(a->b, mean, 3, (const int64_t[]){a->channels, 1, 1}), x);
}

/* ---- Mixup ---- */

assay_value assay_augment_partners(struct assay_builder *b, assay_value x) {
  const int64_t count = assay_extent(b, x, 0);
  if (count < 2) return x;
  return assay_concat(b, (const assay_value[]){assay_slice(b, x, 0, 1, count), assay_slice(b, x, 0, 0, 1)}, 2, 0);
}

/* Numbers of Beta(alpha, alpha), alpha at most 1, by Jöhnk's method (1964): p / (p + q) for p = u^(1/alpha), q = v^(1/alpha) whose sum is at most 1. In
 * logarithms, as the powers may be too small for floats. */
static assay_value beta_numbers(const struct augmentation *a, assay_value alpha) {
  struct assay_builder *b = a->b;
  const assay_value p = assay_div(b, assay_log(b, assay_sub(b, number(a, 1), random_numbers(a, BETA_TRIES))), alpha);
  const assay_value q = assay_div(b, assay_log(b, assay_sub(b, number(a, 1), random_numbers(a, BETA_TRIES))), alpha), apart = assay_sub(b, p, q);
  const assay_value sum = assay_add(b, assay_max(b, p, q), assay_log1p(b, assay_exp(b, assay_negate(b, assay_abs(b, apart)))));
  const assay_value fits = assay_cast(b, assay_less_equal(b, sum, number(a, 0)), ASSAY_F32);
  const assay_value first = assay_one_hot(b, assay_argmax(b, fits, 1), BETA_TRIES);
  return assay_reduce_sum(b, assay_mul(b, first, assay_sigmoid(b, apart)), 1u << 1, 0);
}

/* Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", 2018. A pair is mixed in either order alike, so an image takes the larger
 * share of its own. */
static assay_value mixed(const struct augmentation *a, assay_value x, assay_value *shares) {
  struct assay_builder *b = a->b;
  const assay_value alpha = a->strengths[ASSAY_AUGMENT_MIXUP], one = number(a, 1);
  const assay_value beta = beta_numbers(a, assay_max(b, alpha, number(a, 1e-3)));
  const assay_value larger = assay_max(b, beta, assay_sub(b, one, beta));
  *shares = assay_select(b, assay_less(b, number(a, 0), alpha), larger, one);
  const assay_value own = beside_images(a, *shares);
  return assay_add(b, assay_mul(b, own, x), assay_mul(b, assay_sub(b, one, own), assay_augment_partners(b, x)));
}

/* ---- All of it ---- */

static bool uses_any(const struct augmentation *a, uint32_t first, uint32_t last) {
  for (uint32_t kind = first; kind <= last; kind++)
    if (uses(a, kind)) return true;
  return false;
}

static struct augmentation begin(struct assay_builder *b, const struct assay_augment_settings *settings, const assay_value *strengths, assay_value planes) {
  struct augmentation a = {.b = b, .settings = settings, .count = assay_extent(b, planes, 0), .channels = assay_extent(b, planes, 1),
                           .height = assay_extent(b, planes, 2), .width = assay_extent(b, planes, 3)};
  for (uint32_t kind = 0; kind < ASSAY_AUGMENT_COUNT; kind++) a.strengths[kind] = uses(&a, kind) ? *strengths++ : assay_invalid();
  a.draws = random_numbers(&a, DRAW_COUNT);
  return a;
}

assay_value assay_augment_build(struct assay_builder *b, const struct assay_augment_settings *settings, const assay_value *strengths, assay_value planes,
                                assay_value mean, assay_value *shares) {
  *shares = assay_invalid();
  if (assay_augment_count(settings) == 0) return planes;
  const struct augmentation a = begin(b, settings, strengths, planes);
  assay_value x = planes;
  if (uses_any(&a, ASSAY_AUGMENT_FLIP_HORIZONTAL, ASSAY_AUGMENT_CROP)) x = assay_warp(b, x, maps(&a), settings->border);
  if (uses(&a, ASSAY_AUGMENT_BLUR))
    x = assay_gaussian_blur(b, x, up_to(&a, ASSAY_AUGMENT_BLUR, DRAW_BLUR), (int64_t)ceil(BLUR_REACH * settings->most[ASSAY_AUGMENT_BLUR]));
  x = coloured(&a, x);
  if (uses(&a, ASSAY_AUGMENT_NOISE)) x = assay_add(b, x, assay_mul(b, beside_images(&a, up_to(&a, ASSAY_AUGMENT_NOISE, DRAW_NOISE)), normal_numbers(&a)));
  if (uses_any(&a, ASSAY_AUGMENT_BRIGHTNESS, ASSAY_AUGMENT_NOISE)) x = assay_min(b, assay_max(b, x, number(&a, 0)), number(&a, 255));
  if (uses(&a, ASSAY_AUGMENT_CUTOUT)) x = cut_out(&a, x, mean);
  if (uses(&a, ASSAY_AUGMENT_MIXUP) && a.count > 1) x = mixed(&a, x, shares);
  return x;
}

assay_value assay_augment_planes(struct assay_builder *b, const struct assay_augment_settings *settings, assay_value options, assay_value planes,
                                 assay_value mean, assay_value *shares) {
  const int64_t count = assay_augment_count(settings), first = assay_extent(b, options, 0) - count;
  assay_value strengths[ASSAY_AUGMENT_COUNT];
  *shares = assay_invalid();
  if (count == 0) return planes;
  assay_builder_scope(b, "augment", NULL);
  for (int64_t i = 0; i < count; i++) strengths[i] = assay_reshape(b, assay_slice(b, options, 0, first + i, first + i + 1), 0, NULL);
  return assay_augment_build(b, settings, strengths, planes, mean, shares);
}

uint32_t assay_augment_count(const struct assay_augment_settings *settings) {
  uint32_t count = 0;
  for (uint32_t kind = 0; kind < ASSAY_AUGMENT_COUNT; kind++) count += assay_augment_uses(settings, kind);
  return count;
}

float *assay_augment_options(const struct assay_augment_settings *settings, float *options) {
  for (uint32_t kind = 0; kind < ASSAY_AUGMENT_COUNT; kind++)
    if (assay_augment_uses(settings, kind)) *options++ = (float)settings->strength[kind];
  return options;
}
