/* SPDX-License-Identifier: MIT
 *
 * Metrics of a set of predictions and their 95 % intervals.
 */
#include "train/predictions.h"

#include "base/status.h"

#include <assay/random.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RESAMPLES = 1000, LEAST_RESAMPLES = 200, RESAMPLED_ROWS = 1000000 };

static const struct assay_metric *vtable(const struct assay_component *metric) { return metric->plugin->vtable; }

bool assay_metric_maximises(const struct assay_component *metric) { return (vtable(metric)->flags & ASSAY_METRIC_MAXIMISE) != 0; }

double assay_predictions_metric(const struct assay_prediction_set *set, const struct assay_component *metric) {
  if (set->count == 0) return NAN;
  const struct assay_predictions view = assay_predictions_view(set);
  return vtable(metric)->compute(metric->values, &view);
}

/* Wilson, "Probable inference, the law of succession, and statistical inference", 1927. */
static void wilson(double successes, double trials, double *low, double *high) {
  const double z = 1.95996398454005423552, share = successes / trials, spread = z * z / trials;
  const double centre = (share + spread / 2) / (1 + spread);
  const double half = z * sqrt(share * (1 - share) / trials + spread / (4 * trials)) / (1 + spread);
  *low = fmax(centre - half, 0);
  *high = fmin(centre + half, 1);
}

static int ascending(const void *left, const void *right) {
  const double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

/* Linear between neighbours, of sorted numbers. */
static double quantile(const double *sorted, uint32_t count, double share) {
  const double place = share * (count - 1);
  const uint32_t below = (uint32_t)place;
  return below + 1 < count ? sorted[below] + (place - below) * (sorted[below + 1] - sorted[below]) : sorted[below];
}

/* Room for one resample of a set. */
struct resample {
  int32_t *labels, *guesses;
  double *scores, *losses;
};

static void copy_row(const struct assay_prediction_set *set, uint32_t from, struct resample *resample, uint32_t to) {
  resample->labels[to] = set->labels[from];
  resample->guesses[to] = set->guesses[from];
  resample->losses[to] = set->losses[from];
  memcpy(resample->scores + (size_t)to * set->class_count, set->scores + (size_t)from * set->class_count, set->class_count * sizeof(double));
}

/* As many images as there are, each with all its rows; gives the number of rows. */
static uint32_t draw(struct assay_random *random, const struct assay_prediction_set *set, const struct assay_prediction_images *images, struct resample *resample) {
  uint32_t row = 0;
  for (uint32_t i = 0; i < images->count; i++) {
    const uint32_t image = assay_random_below(random, images->count);
    for (uint32_t k = images->starts[image]; k < images->starts[image + 1]; k++) copy_row(set, images->rows[k], resample, row++);
  }
  return row;
}

/* Large sets have narrow intervals, whose ends need not be known as well as those of small ones. */
static uint32_t resample_count(uint32_t rows) {
  const uint32_t affordable = RESAMPLED_ROWS / rows;
  return affordable > RESAMPLES ? RESAMPLES : affordable < LEAST_RESAMPLES ? LEAST_RESAMPLES : affordable;
}

/* One metric's values over the resamples. */
struct bootstrap {
  const struct assay_component *metric;
  struct assay_measure *measure;
  double *values;
  uint32_t defined;
};

static void take_percentiles(struct bootstrap *bootstrap, uint32_t resamples) {
  if (bootstrap->defined * 2 <= resamples) return;
  qsort(bootstrap->values, bootstrap->defined, sizeof *bootstrap->values, ascending);
  bootstrap->measure->low = quantile(bootstrap->values, bootstrap->defined, 0.025);
  bootstrap->measure->high = quantile(bootstrap->values, bootstrap->defined, 0.975);
}

/* Percentile bootstrap (Efron, 1979): every metric on the same resamples. */
static void run_bootstraps(const struct assay_prediction_set *set, const struct assay_prediction_images *images, struct resample *resample, struct bootstrap *bootstraps,
                           uint32_t count, uint64_t seed) {
  const uint32_t resamples = resample_count(set->count);
  struct assay_predictions view = assay_predictions_view(set);
  view.labels = resample->labels;
  view.guesses = resample->guesses;
  view.scores = resample->scores;
  view.losses = resample->losses;
  for (uint32_t i = 0; i < resamples; i++) {
    struct assay_random random = assay_random_seed(seed, i);
    view.count = draw(&random, set, images, resample);
    for (uint32_t m = 0; m < count; m++) {
      const double value = vtable(bootstraps[m].metric)->compute(bootstraps[m].metric->values, &view);
      if (!isnan(value)) bootstraps[m].values[bootstraps[m].defined++] = value;
    }
  }
  for (uint32_t m = 0; m < count; m++) take_percentiles(&bootstraps[m], resamples);
}

static int bootstrap(const struct assay_prediction_set *set, const struct assay_prediction_images *images, struct bootstrap *bootstraps, uint32_t count, uint64_t seed,
                     struct assay_status *status) {
  const size_t rows = (size_t)images->count * images->most;
  struct resample resample = {.labels = malloc(rows * sizeof(int32_t)),
                              .guesses = malloc(rows * sizeof(int32_t)),
                              .scores = malloc(rows * set->class_count * sizeof(double)),
                              .losses = malloc(rows * sizeof(double))};
  double *values = malloc((size_t)count * RESAMPLES * sizeof *values);
  const bool ready = resample.labels != NULL && resample.guesses != NULL && resample.scores != NULL && resample.losses != NULL && values != NULL;
  for (uint32_t m = 0; ready && m < count; m++) bootstraps[m].values = values + (size_t)m * RESAMPLES;
  if (ready) run_bootstraps(set, images, &resample, bootstraps, count, seed);
  free(resample.labels);
  free(resample.guesses);
  free(resample.scores);
  free(resample.losses);
  free(values);
  return ready ? 0 : assay_status_memory(status);
}

/* Value and, for a proportion, its interval; false: the interval has to come from resamples. */
static bool measure_directly(const struct assay_prediction_set *set, const struct assay_prediction_images *images, const struct assay_component *metric,
                             struct assay_measure *measure) {
  *measure = (struct assay_measure){.value = assay_predictions_metric(set, metric), .low = NAN, .high = NAN};
  if (isnan(measure->value)) return true;
  double successes = NAN, trials = NAN;
  const struct assay_predictions view = assay_predictions_view(set);
  if (vtable(metric)->flags & ASSAY_METRIC_PROPORTION) vtable(metric)->proportion(metric->values, &view, &successes, &trials);
  if (!(trials > 0)) return false;
  const double share = (double)images->count / set->count; /* of the rows that bring an image of their own */
  measure->wilson = true;
  wilson(successes * share, trials * share, &measure->low, &measure->high);
  return true;
}

int assay_predictions_measure(const struct assay_prediction_set *set, const struct assay_component *metrics, uint32_t count, uint64_t seed,
                              struct assay_measure *measures, struct assay_status *status) {
  struct assay_prediction_images images = {0};
  struct bootstrap *bootstraps = calloc((size_t)count + 1, sizeof *bootstraps);
  int code = bootstraps == NULL ? assay_status_memory(status) : assay_predictions_images(set, &images, status);
  uint32_t left = 0;
  for (uint32_t m = 0; code == 0 && m < count; m++)
    if (!measure_directly(set, &images, &metrics[m], &measures[m])) bootstraps[left++] = (struct bootstrap){.metric = &metrics[m], .measure = &measures[m]};
  if (code == 0 && left > 0) code = bootstrap(set, &images, bootstraps, left, seed, status);
  assay_predictions_images_free(&images);
  free(bootstraps);
  return code;
}
