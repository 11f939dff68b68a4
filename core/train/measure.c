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

static void draw(struct assay_random *random, const struct assay_prediction_set *set, struct resample *resample) {
  for (uint32_t row = 0; row < set->count; row++) {
    const uint32_t from = assay_random_below(random, set->count);
    resample->labels[row] = set->labels[from];
    resample->guesses[row] = set->guesses[from];
    resample->losses[row] = set->losses[from];
    memcpy(resample->scores + (size_t)row * set->class_count, set->scores + (size_t)from * set->class_count, set->class_count * sizeof(double));
  }
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
static void run_bootstraps(const struct assay_prediction_set *set, struct resample *resample, struct bootstrap *bootstraps, uint32_t count, uint64_t seed) {
  const uint32_t resamples = resample_count(set->count);
  struct assay_predictions view = assay_predictions_view(set);
  view.labels = resample->labels;
  view.guesses = resample->guesses;
  view.scores = resample->scores;
  view.losses = resample->losses;
  for (uint32_t i = 0; i < resamples; i++) {
    struct assay_random random = assay_random_seed(seed, i);
    draw(&random, set, resample);
    for (uint32_t m = 0; m < count; m++) {
      const double value = vtable(bootstraps[m].metric)->compute(bootstraps[m].metric->values, &view);
      if (!isnan(value)) bootstraps[m].values[bootstraps[m].defined++] = value;
    }
  }
  for (uint32_t m = 0; m < count; m++) take_percentiles(&bootstraps[m], resamples);
}

static int bootstrap(const struct assay_prediction_set *set, struct bootstrap *bootstraps, uint32_t count, uint64_t seed, struct assay_status *status) {
  struct resample resample = {.labels = malloc(set->count * sizeof(int32_t)),
                              .guesses = malloc(set->count * sizeof(int32_t)),
                              .scores = malloc((size_t)set->count * set->class_count * sizeof(double)),
                              .losses = malloc(set->count * sizeof(double))};
  double *values = malloc((size_t)count * RESAMPLES * sizeof *values);
  const bool ready = resample.labels != NULL && resample.guesses != NULL && resample.scores != NULL && resample.losses != NULL && values != NULL;
  for (uint32_t m = 0; ready && m < count; m++) bootstraps[m].values = values + (size_t)m * RESAMPLES;
  if (ready) run_bootstraps(set, &resample, bootstraps, count, seed);
  free(resample.labels);
  free(resample.guesses);
  free(resample.scores);
  free(resample.losses);
  free(values);
  return ready ? 0 : assay_status_memory(status);
}

/* Value and, for a proportion, its interval; false: the interval has to come from resamples. */
static bool measure_directly(const struct assay_prediction_set *set, const struct assay_component *metric, struct assay_measure *measure) {
  *measure = (struct assay_measure){.value = assay_predictions_metric(set, metric), .low = NAN, .high = NAN};
  if (isnan(measure->value)) return true;
  double successes = NAN, trials = NAN;
  const struct assay_predictions view = assay_predictions_view(set);
  if (vtable(metric)->flags & ASSAY_METRIC_PROPORTION) vtable(metric)->proportion(metric->values, &view, &successes, &trials);
  if (!(trials > 0)) return false;
  measure->wilson = true;
  wilson(successes, trials, &measure->low, &measure->high);
  return true;
}

int assay_predictions_measure(const struct assay_prediction_set *set, const struct assay_component *metrics, uint32_t count, uint64_t seed,
                              struct assay_measure *measures, struct assay_status *status) {
  struct bootstrap *bootstraps = calloc((size_t)count + 1, sizeof *bootstraps);
  if (bootstraps == NULL) return assay_status_memory(status);
  uint32_t left = 0;
  for (uint32_t m = 0; m < count; m++)
    if (!measure_directly(set, &metrics[m], &measures[m])) bootstraps[left++] = (struct bootstrap){.metric = &metrics[m], .measure = &measures[m]};
  const int code = left > 0 ? bootstrap(set, bootstraps, left, seed, status) : 0;
  free(bootstraps);
  return code;
}
