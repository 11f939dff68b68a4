/* SPDX-License-Identifier: MIT */
#include "data/align.h"

#include "data/limits.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { UNKNOWNS = 6, BLOCKS = 8 };
#define SIDE ASSAY_PRINT_SIDE
static const double most_warp = 0.25;  /* of each of its numbers */
static const float clipped = 250;      /* hardly anything can be seen here */
static const float least_change = 20;   /* of light, in steps of 255, that excuses anything: strangers of one camera differ by less */
static const double least_evidence = 0.1; /* share of what makes a picture special that must be left to judge by */
static const double hopeless[3] = {0, 0.3, 0.4}; /* unexplained at a level: no need to go on */

void assay_pyramid_fill(const uint8_t *print, struct assay_pyramid *pyramid) {
  for (int i = 0; i < ASSAY_PRINT_AREA; i++) {
    pyramid->levels[0][i] = print[i];
    pyramid->limits[0][i] = print[ASSAY_PRINT_AREA + i / SIDE / 2 * (SIDE / 2) + i % SIDE / 2];
  }
  for (int level = 1; level < 3; level++) {
    const int side = SIDE >> level;
    const float *above = pyramid->levels[level - 1];
    for (int y = 0; y < side; y++)
      for (int x = 0; x < side; x++) {
        const float *four = above + 2 * y * 2 * side + 2 * x;
        const uint8_t *cells = pyramid->limits[level - 1] + 2 * y * 2 * side + 2 * x;
        pyramid->levels[level][y * side + x] = (four[0] + four[1] + four[2 * side] + four[2 * side + 1]) / 4;
        pyramid->limits[level][y * side + x] = cells[0] | cells[1] | cells[2 * side] | cells[2 * side + 1];
      }
  }
}

/* Samples of one axis: left neighbour, share of the right one, and whether the place is inside. */
struct axis {
  int left[SIDE];
  float share[SIDE], centre[SIDE];
  bool inside[SIDE];
};

static void place_axis(struct axis *axis, int side, double scale, double shift) {
  for (int i = 0; i < side; i++) {
    const double centre = (i + 0.5) / side * 2 - 1;
    double place = (centre * (1 + scale) + shift + 1) / 2 * side - 0.5;
    axis->centre[i] = (float)centre;
    axis->inside[i] = place >= -0.5 && place <= side - 0.5;
    place = place < 0 ? 0 : place > side - 1 ? side - 1 : place;
    axis->left[i] = (int)place < side - 2 ? (int)place : side - 2;
    axis->share[i] = (float)(place - axis->left[i]);
  }
}

/* The source at the target's pixels, and its slopes there, along the source's axes in units of the warp. NULL slopes are not wanted. */
static void sample(const float *from, int side, const struct axis *across, const struct axis *down, float *to, float *slope_x, float *slope_y) {
  for (int y = 0; y < side; y++) {
    const float *above = from + down->left[y] * side, *below = above + side;
    const float fy = down->share[y];
    for (int x = 0; x < side; x++) {
      const int left = across->left[x];
      const float fx = across->share[x], a = above[left], b = above[left + 1], c = below[left], d = below[left + 1];
      const int i = y * side + x;
      to[i] = (a + (b - a) * fx) * (1 - fy) + (c + (d - c) * fx) * fy;
      if (slope_x == NULL) continue;
      slope_x[i] = ((b - a) * (1 - fy) + (d - c) * fy) * (float)side / 2;
      slope_y[i] = ((c - a) * (1 - fx) + (d - b) * fx) * (float)side / 2;
    }
  }
}

void assay_warp_weights(double scale, double shift, const float *weights, float *warped) {
  struct axis axis;
  place_axis(&axis, SIDE, scale, shift);
  memset(warped, 0, SIDE * sizeof *warped);
  for (int i = 0; i < SIDE; i++) {
    warped[axis.left[i]] += weights[i] * (1 - axis.share[i]);
    warped[axis.left[i] + 1] += weights[i] * axis.share[i];
  }
}

/* The limits of the source at the target's pixels: of the four around each. */
static void sample_limits(const uint8_t *from, int side, const struct axis *across, const struct axis *down, uint8_t *to) {
  for (int y = 0; y < side; y++) {
    const uint8_t *above = from + down->left[y] * side, *below = above + side;
    for (int x = 0; x < side; x++) {
      const int left = across->left[x];
      to[y * side + x] = above[left] | above[left + 1] | below[left] | below[left + 1];
    }
  }
}

/* Solves the symmetric system by Cholesky; false when it is singular. */
static bool solve(double matrix[UNKNOWNS][UNKNOWNS], double *right) {
  for (int i = 0; i < UNKNOWNS; i++)
    for (int j = 0; j <= i; j++) {
      double sum = matrix[i][j];
      for (int k = 0; k < j; k++) sum -= matrix[i][k] * matrix[j][k];
      if (i == j && sum <= 0) return false;
      matrix[i][j] = i == j ? sqrt(sum) : sum / matrix[j][j];
    }
  for (int i = 0; i < UNKNOWNS; i++) {
    for (int k = 0; k < i; k++) right[i] -= matrix[i][k] * right[k];
    right[i] /= matrix[i][i];
  }
  for (int i = UNKNOWNS - 1; i >= 0; i--) {
    for (int k = i + 1; k < UNKNOWNS; k++) right[i] -= matrix[k][i] * right[k];
    right[i] /= matrix[i][i];
  }
  return true;
}

/* What is looked for: the target is gain * source(warp) + offset. */
struct fit {
  struct assay_warp warp;
  double gain, offset;
};

/* By how much light that was cut off may account for the target's being darker (below) or brighter (above) than gain * source + offset: where the target is at its bright
 * limit, by as much as the brightest source would be beyond that limit, and so on. Without a change of light nothing is excused. */
struct excuse {
  float below, above;
};

static struct excuse excuse_of(const struct fit *fit, uint8_t source_limits, uint8_t target_limits) {
  const float beyond_white = (float)(fit->gain * 255 + fit->offset - 255), beyond_black = (float)-fit->offset;
  struct excuse excuse = {0, 0};
  if (fabsf(beyond_white) < least_change && fabsf(beyond_black) < least_change) return excuse;
  if (target_limits & ASSAY_LIMIT_BRIGHT && beyond_white > 0) excuse.below += beyond_white;
  if (source_limits & ASSAY_LIMIT_DARK && beyond_black < 0) excuse.below -= beyond_black;
  if (target_limits & ASSAY_LIMIT_DARK && beyond_black > 0) excuse.above += beyond_black;
  if (source_limits & ASSAY_LIMIT_BRIGHT && beyond_white < 0) excuse.above -= beyond_white;
  return excuse;
}

/* What is left of a difference. */
static float unexcused(float difference, const struct excuse *excuse) {
  if (difference < 0) return difference + excuse->below < 0 ? difference + excuse->below : 0;
  return difference - excuse->above > 0 ? difference - excuse->above : 0;
}

static double within(double value) { return value < -most_warp ? -most_warp : value > most_warp ? most_warp : value; }

/* In lanes, so that compilers use vector instructions; `size` is a multiple of 16. */
static float dot(const float *a, const float *b, int size) {
  float lanes[16] = {0}, sum = 0;
  for (int i = 0; i < size; i += 16)
    for (int k = 0; k < 16; k++) lanes[k] += a[i + k] * b[i + k];
  for (int k = 0; k < 16; k++) sum += lanes[k];
  return sum;
}

/* One step of Gauss and Newton at a level; false when it cannot be made. */
static bool step(const struct assay_pyramid *from, const struct assay_pyramid *to, int level, bool within_limits, struct fit *fit) {
  const float *source = from->levels[level], *target = to->levels[level];
  const int side = SIDE >> level;
  static _Thread_local uint8_t limits[ASSAY_PRINT_AREA];
  static _Thread_local float seen[ASSAY_PRINT_AREA], slope_x[ASSAY_PRINT_AREA], slope_y[ASSAY_PRINT_AREA];
  struct axis across, down;
  place_axis(&across, side, fit->warp.scale_x, fit->warp.shift_x);
  place_axis(&down, side, fit->warp.scale_y, fit->warp.shift_y);
  sample(source, side, &across, &down, seen, slope_x, slope_y);
  sample_limits(from->limits[level], side, &across, &down, limits);
  double matrix[UNKNOWNS][UNKNOWNS] = {{0}}, right[UNKNOWNS] = {0};
  uint32_t count = 0, rows = 0;
  for (int y = 0; y < side; y += side == SIDE ? 2 : 1) { /* half of the rows say enough at the finest level */
    if (!down.inside[y]) continue;
    float change[UNKNOWNS + 1][SIDE]; /* by unknown; what is left unexplained in the last */
    for (int x = 0; x < side; x++) {
      const int i = y * side + x;
      const float difference = target[i] - (float)fit->gain * seen[i] - (float)fit->offset;
      const bool at_limits = within_limits ? (limits[i] | to->limits[level][i]) != 0 : target[i] >= clipped || seen[i] >= clipped;
      const float counts = across.inside[x] && !at_limits ? 1 : 0, gx = counts * (float)fit->gain * slope_x[i], gy = counts * (float)fit->gain * slope_y[i];
      change[0][x] = gx * across.centre[x];
      change[1][x] = gx;
      change[2][x] = gy * down.centre[y];
      change[3][x] = gy;
      change[4][x] = counts * seen[i];
      change[5][x] = counts;
      change[UNKNOWNS][x] = counts * difference;
      count += counts != 0;
    }
    for (int r = 0; r < UNKNOWNS; r++) {
      right[r] += dot(change[r], change[UNKNOWNS], side);
      for (int c = 0; c <= r; c++) matrix[r][c] += dot(change[r], change[c], side);
    }
    rows++;
  }
  for (int r = 0; r < UNKNOWNS; r++) matrix[r][r] += 1e-3 * count + 1e-6; /* flat pictures do not fly away */
  if (count < rows * (uint32_t)side / 8 || rows < (uint32_t)side / 4 || !solve(matrix, right)) return false;
  fit->warp = (struct assay_warp){within(fit->warp.scale_x + right[0]), within(fit->warp.shift_x + right[1]), within(fit->warp.scale_y + right[2]),
                                  within(fit->warp.shift_y + right[3])};
  fit->gain += right[4];
  fit->offset += right[5];
  return true;
}

/* Smooths along both axes with 1 2 1 (the pictures' own sampling is not alike to the last detail). */
static void smooth(float *picture, int side) {
  static _Thread_local float across[ASSAY_PRINT_AREA];
  for (int y = 0; y < side; y++)
    for (int x = 0; x < side; x++) {
      const float *row = picture + y * side;
      across[y * side + x] = (row[x > 0 ? x - 1 : x] + 2 * row[x] + row[x + 1 < side ? x + 1 : x]) / 4;
    }
  for (int y = 0; y < side; y++)
    for (int x = 0; x < side; x++)
      picture[y * side + x] = (across[(y > 0 ? y - 1 : y) * side + x] + 2 * across[y * side + x] + across[(y + 1 < side ? y + 1 : y) * side + x]) / 4;
}

/* Takes out of `picture` what `common` explains of it: the least squares of a + b common, over the pixels inside. */
static void take_out(float *picture, const float *common, const bool *inside, int size) {
  double n = 0, sum_p = 0, sum_c = 0, sum_cc = 0, sum_pc = 0;
  for (int i = 0; i < size; i++) {
    if (!inside[i]) continue;
    n++;
    sum_p += picture[i];
    sum_c += common[i];
    sum_cc += (double)common[i] * common[i];
    sum_pc += (double)picture[i] * common[i];
  }
  const double spread = n * sum_cc - sum_c * sum_c;
  const double slope = spread > 1e-3 ? (n * sum_pc - sum_p * sum_c) / spread : 0, start = n > 0 ? (sum_p - slope * sum_c) / n : 0;
  for (int i = 0; i < size; i++) picture[i] -= (float)(start + slope * common[i]);
}

static struct assay_likeness compare(const struct assay_pyramid *source, const struct assay_pyramid *target, const struct assay_pyramid *common, int level,
                                     const struct fit *fit) {
  static _Thread_local float seen[ASSAY_PRINT_AREA], own[ASSAY_PRINT_AREA], shared[ASSAY_PRINT_AREA];
  static _Thread_local bool inside[ASSAY_PRINT_AREA];
  static _Thread_local struct excuse excuses[ASSAY_PRINT_AREA];
  static _Thread_local uint8_t limits[ASSAY_PRINT_AREA];
  const int side = SIDE >> level, size = side * side, block = side / BLOCKS;
  struct axis across, down;
  place_axis(&across, side, fit->warp.scale_x, fit->warp.shift_x);
  place_axis(&down, side, fit->warp.scale_y, fit->warp.shift_y);
  sample(source->levels[level], side, &across, &down, seen, NULL, NULL);
  sample_limits(source->limits[level], side, &across, &down, limits);
  sample(common->levels[level], side, &across, &down, shared, NULL, NULL);
  memcpy(own, target->levels[level], (size_t)size * sizeof *own);
  for (int i = 0; i < size; i++) {
    const bool white = own[i] >= clipped || seen[i] >= clipped;
    seen[i] = own[i] - (float)(fit->gain * seen[i] + fit->offset); /* unexplained */
    inside[i] = across.inside[i % side] && down.inside[i / side] && !white;
    excuses[i] = excuse_of(fit, limits[i], target->limits[level][i]);
    seen[i] = unexcused(seen[i], &excuses[i]);
  }
  for (int i = 0; i < 2; i++) {
    smooth(seen, side);
    smooth(own, side);
    smooth(shared, side);
  }
  take_out(own, shared, inside, size);
  double all = 0, special = 0, full = 0, worst = 0;
  uint32_t count = 0;
  for (int b = 0; b < BLOCKS * BLOCKS; b++) {
    double sum = 0;
    int here = 0;
    for (int k = 0; k < block * block; k++) {
      const int i = (b / BLOCKS * block + k / block) * side + b % BLOCKS * block + k % block;
      if (!inside[i]) continue;
      const double evidence = unexcused(own[i], &excuses[i]); /* as much as is excused of a difference is none of what makes the picture special */
      sum += (double)seen[i] * seen[i];
      special += evidence * evidence;
      full += (double)own[i] * own[i];
      here++;
    }
    all += sum;
    count += (uint32_t)here;
    if (here * 2 >= block * block && sum / here > worst) worst = sum / here;
  }
  if (count < (uint32_t)size / 8 || special < least_evidence * full) return (struct assay_likeness){INFINITY, INFINITY};
  const double scale = special / count + 1; /* a flat picture is like any other flat one, but for noise of one step */
  return (struct assay_likeness){sqrt(all / count / scale), sqrt(worst / scale)};
}

struct assay_likeness assay_align(const struct assay_pyramid *source, const struct assay_pyramid *target, const struct assay_pyramid *common,
                                  struct assay_warp start, bool within_limits) {
  static const int steps[3] = {2, 4, 6};
  struct fit fit = {start, 1, 0};
  for (int level = 2; level >= 0; level--) {
    for (int i = 0; i < steps[level]; i++)
      if (!step(source, target, level, within_limits, &fit)) return (struct assay_likeness){INFINITY, INFINITY};
    if (fit.gain < 0.3 || fit.gain > 3) return (struct assay_likeness){INFINITY, INFINITY};
    const struct assay_likeness likeness = compare(source, target, common, level, &fit);
    if (level == 0 || !(likeness.whole < hopeless[level])) return likeness;
  }
  return (struct assay_likeness){INFINITY, INFINITY};
}
