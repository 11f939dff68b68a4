/* SPDX-License-Identifier: MIT */
#include "parzen.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the normal distribution ---- */

/* log Φ(x). Far below zero Φ underflows, so there its asymptotic series is used. */
static double log_normal_below(double x) {
  if (x > -20) return log(0.5 * erfc(-x * M_SQRT1_2));
  const double square = 1 / (x * x);
  return -0.5 * x * x - log(-x) - 0.5 * log(2 * M_PI) + log1p(-square * (1 - 3 * square * (1 - 5 * square * (1 - 7 * square))));
}

double assay_log_normal_mass(double a, double b) {
  if (a > 0) { /* to the side where both are small */
    const double mirrored = -a;
    a = -b;
    b = mirrored;
  }
  if (b > 0) return log1p(-0.5 * erfc(-a * M_SQRT1_2) - 0.5 * erfc(b * M_SQRT1_2));
  const double upper = log_normal_below(b);
  return upper + log1p(-exp(log_normal_below(a) - upper));
}

/* Box and Muller's transform. */
static double sample_normal(struct assay_random *random) {
  const double radius = sqrt(-2 * log1p(-assay_random_uniform(random)));
  return radius * cos(2 * M_PI * assay_random_uniform(random));
}

/* ---- building ---- */

/* Zeroed room for all arrays in one allocation. */
struct room {
  char *next;
};

static void *take(struct room *room, size_t count, size_t size) {
  void *block = room->next;
  room->next += (count * size + 15) / 16 * 16;
  return block;
}

static double inside(const struct assay_parzen_axis *axis, double number) { return axis->logarithmic ? log(number) : number; }

static void describe(struct assay_parzen_axis *axis, const struct assay_dimension *dimension) {
  axis->kind = dimension->kind;
  axis->logarithmic = dimension->logarithmic != 0;
  axis->choice_count = dimension->choice_count;
  axis->low = dimension->low;
  axis->high = dimension->high;
  axis->step = dimension->kind == ASSAY_DOMAIN_INT && dimension->step < 1 ? 1 : dimension->step;
  if (axis->kind == ASSAY_DOMAIN_CHOICE) return;
  if (axis->step > 0) axis->high = axis->low + floor((axis->high - axis->low) / axis->step + 1e-9) * axis->step;
  axis->from = inside(axis, axis->low - axis->step / 2);
  axis->to = inside(axis, axis->high + axis->step / 2);
}

static void build_choices(struct assay_parzen_axis *axis, const double *observations, uint32_t stride, uint32_t count,
                          const struct assay_parzen_settings *settings) {
  for (uint32_t i = 0; i < count; i++) axis->observed[i] = (uint32_t)observations[(size_t)i * stride];
  const double share = settings->prior_weight / (count + 1), sum = 1 + share * axis->choice_count;
  axis->log_hit = log((1 + share) / sum);
  axis->log_miss = log(share / sum);
  axis->log_prior = -log((double)axis->choice_count);
}

struct ranked {
  double number;
  uint32_t index;
};

static int compare_ranked(const void *a, const void *b) {
  const struct ranked *x = a, *y = b;
  if (x->number != y->number) return x->number < y->number ? -1 : 1;
  return x->index < y->index ? -1 : x->index > y->index;
}

static void build_numeric(struct assay_parzen_axis *axis, const double *observations, uint32_t stride, uint32_t count,
                          const struct assay_parzen_settings *settings, struct ranked *ranked) {
  const double range = axis->to - axis->from;
  const double clip = settings->clip ? range / fmin(100, count + 2.0) : 1e-12, least = fmin(range, fmax(clip, settings->floor * range));
  for (uint32_t i = 0; i < count; i++) ranked[i] = (struct ranked){inside(axis, observations[(size_t)i * stride]), i};
  qsort(ranked, count, sizeof *ranked, compare_ranked);
  for (uint32_t i = 0; i < count; i++) {
    const double below = ranked[i].number - (i > 0 ? ranked[i - 1].number : axis->from),
                 above = (i + 1 < count ? ranked[i + 1].number : axis->to) - ranked[i].number;
    double width = fmax(below, above);
    if (!settings->ends && count >= 2 && i == 0) width = above;
    if (!settings->ends && count >= 2 && i == count - 1) width = below;
    axis->centres[ranked[i].index] = ranked[i].number;
    axis->widths[ranked[i].index] = fmin(range, fmax(least, width));
  }
  axis->centres[count] = 0.5 * (axis->from + axis->to);
  axis->widths[count] = range;
  for (uint32_t i = 0; i <= count; i++) {
    const double centre = axis->centres[i], width = axis->widths[i];
    axis->normalisers[i] = assay_log_normal_mass((axis->from - centre) / width, (axis->to - centre) / width);
    if (axis->step == 0) axis->normalisers[i] += log(width * sqrt(2 * M_PI));
  }
}

struct assay_parzen *assay_parzen_create(const struct assay_dimension *const *dimensions, uint32_t axis_count, const double *observations,
                                         const double *weights, uint32_t count, const struct assay_parzen_settings *settings) {
  const size_t kernels = (size_t)count + 1;
  const size_t bytes = sizeof(struct assay_parzen) + axis_count * sizeof(struct assay_parzen_axis) + kernels * (3 + 3 * (size_t)axis_count) * sizeof(double) +
                       kernels * sizeof(struct ranked) + (8 + 4 * (size_t)axis_count) * 16;
  char *memory = calloc(1, bytes);
  if (memory == NULL) return NULL;
  struct room room = {memory};
  struct assay_parzen *parzen = take(&room, 1, sizeof *parzen);
  parzen->axis_count = axis_count;
  parzen->kernel_count = (uint32_t)kernels;
  parzen->axes = take(&room, axis_count, sizeof *parzen->axes);
  parzen->weights = take(&room, kernels, sizeof(double));
  parzen->log_weights = take(&room, kernels, sizeof(double));
  parzen->terms = take(&room, kernels, sizeof(double));
  struct ranked *ranked = take(&room, kernels, sizeof *ranked);
  double sum = 0;
  for (uint32_t i = 0; i < kernels; i++) sum += parzen->weights[i] = i < count ? (weights == NULL ? 1 : weights[i]) : count == 0 ? 1 : settings->prior_weight;
  for (uint32_t i = 0; i < kernels; i++) parzen->log_weights[i] = log(parzen->weights[i] /= sum);
  for (uint32_t i = 0; i < axis_count; i++) {
    struct assay_parzen_axis *axis = &parzen->axes[i];
    describe(axis, dimensions[i]);
    if (axis->kind == ASSAY_DOMAIN_CHOICE) {
      axis->observed = take(&room, kernels, sizeof *axis->observed);
      build_choices(axis, observations + i, axis_count, count, settings);
    } else {
      axis->centres = take(&room, kernels, sizeof(double));
      axis->widths = take(&room, kernels, sizeof(double));
      axis->normalisers = take(&room, kernels, sizeof(double));
      build_numeric(axis, observations + i, axis_count, count, settings, ranked);
    }
  }
  return parzen;
}

void assay_parzen_release(struct assay_parzen *parzen) { free(parzen); }

/* ---- sampling ---- */

static double sample_choice(const struct assay_parzen_axis *axis, uint32_t kernel, bool prior, struct assay_random *random) {
  if (prior) return assay_random_below(random, axis->choice_count);
  /* With probability count * miss a uniform choice, else the observed one: the hit's surplus over a miss is what remains. */
  const double anywhere = axis->choice_count * exp(axis->log_miss);
  return assay_random_uniform(random) < anywhere ? assay_random_below(random, axis->choice_count) : axis->observed[kernel];
}

/* The centre lies inside the domain and the width is at most its range, so at least a third of all draws fall inside. */
static double sample_number(const struct assay_parzen_axis *axis, uint32_t kernel, struct assay_random *random) {
  double number;
  do number = axis->centres[kernel] + axis->widths[kernel] * sample_normal(random);
  while (number < axis->from || number > axis->to);
  if (axis->logarithmic) number = exp(number);
  if (axis->step > 0) number = axis->low + nearbyint((number - axis->low) / axis->step) * axis->step;
  return fmin(axis->high, fmax(axis->low, number));
}

void assay_parzen_sample(const struct assay_parzen *parzen, struct assay_random *random, double *point) {
  double left = assay_random_uniform(random);
  uint32_t kernel = 0;
  while (kernel + 1 < parzen->kernel_count && left >= parzen->weights[kernel]) left -= parzen->weights[kernel++];
  for (uint32_t i = 0; i < parzen->axis_count; i++) {
    const struct assay_parzen_axis *axis = &parzen->axes[i];
    point[i] =
        axis->kind == ASSAY_DOMAIN_CHOICE ? sample_choice(axis, kernel, kernel + 1 == parzen->kernel_count, random) : sample_number(axis, kernel, random);
  }
}

/* ---- density ---- */

static void add_choice(const struct assay_parzen_axis *axis, uint32_t kernels, double number, double *terms) {
  const uint32_t choice = (uint32_t)number;
  for (uint32_t i = 0; i + 1 < kernels; i++) terms[i] += axis->observed[i] == choice ? axis->log_hit : axis->log_miss;
  terms[kernels - 1] += axis->log_prior;
}

static void add_cell(const struct assay_parzen_axis *axis, uint32_t kernels, double number, double *terms) {
  const double from = inside(axis, number - axis->step / 2), to = inside(axis, number + axis->step / 2);
  for (uint32_t i = 0; i < kernels; i++)
    terms[i] += assay_log_normal_mass((from - axis->centres[i]) / axis->widths[i], (to - axis->centres[i]) / axis->widths[i]) - axis->normalisers[i];
}

static void add_number(const struct assay_parzen_axis *axis, uint32_t kernels, double number, double *terms) {
  const double place = inside(axis, number);
  for (uint32_t i = 0; i < kernels; i++) {
    const double distance = (place - axis->centres[i]) / axis->widths[i];
    terms[i] -= 0.5 * distance * distance + axis->normalisers[i];
  }
}

double assay_parzen_log_density(const struct assay_parzen *parzen, const double *point) {
  const uint32_t kernels = parzen->kernel_count;
  double *terms = parzen->terms, most = -INFINITY, sum = 0;
  memcpy(terms, parzen->log_weights, kernels * sizeof *terms);
  for (uint32_t i = 0; i < parzen->axis_count; i++) {
    const struct assay_parzen_axis *axis = &parzen->axes[i];
    (axis->kind == ASSAY_DOMAIN_CHOICE ? add_choice : axis->step > 0 ? add_cell : add_number)(axis, kernels, point[i], terms);
  }
  for (uint32_t i = 0; i < kernels; i++) most = fmax(most, terms[i]);
  for (uint32_t i = 0; i < kernels; i++)
    if (terms[i] > most - 40) sum += exp(terms[i] - most); /* what is smaller is lost in rounding */
  return most + log(sum);
}
