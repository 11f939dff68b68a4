/* SPDX-License-Identifier: MIT
 *
 * Metrics of a set of predictions, their 95 % intervals, and the threshold that suits a metric.
 */
#include "train/predictions.h"

#include "base/status.h"

#include <assay/random.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RESAMPLES = 1000, LEAST_RESAMPLES = 200, RESAMPLED_ROWS = 1000000 };
#define CANDIDATES 1000

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

/* Percentile bootstrap (Efron, 1979). */
static int bootstrap(const struct assay_prediction_set *set, const struct assay_component *metric, uint64_t seed, struct assay_measure *measure,
                     struct assay_status *status) {
  struct resample resample = {.labels = malloc(set->count * sizeof(int32_t)),
                              .guesses = malloc(set->count * sizeof(int32_t)),
                              .scores = malloc((size_t)set->count * set->class_count * sizeof(double)),
                              .losses = malloc(set->count * sizeof(double))};
  double *values = malloc(RESAMPLES * sizeof *values);
  const uint32_t count = resample_count(set->count);
  const bool ready = resample.labels != NULL && resample.guesses != NULL && resample.scores != NULL && resample.losses != NULL && values != NULL;
  if (ready) {
    struct assay_predictions view = assay_predictions_view(set);
    view.labels = resample.labels;
    view.guesses = resample.guesses;
    view.scores = resample.scores;
    view.losses = resample.losses;
    uint32_t defined = 0;
    for (uint32_t i = 0; i < count; i++) {
      struct assay_random random = assay_random_seed(seed, i);
      draw(&random, set, &resample);
      const double value = vtable(metric)->compute(metric->values, &view);
      if (!isnan(value)) values[defined++] = value;
    }
    if (defined * 2 > count) {
      qsort(values, defined, sizeof *values, ascending);
      measure->low = quantile(values, defined, 0.025);
      measure->high = quantile(values, defined, 0.975);
    }
  }
  free(resample.labels);
  free(resample.guesses);
  free(resample.scores);
  free(resample.losses);
  free(values);
  return ready ? 0 : assay_status_memory(status);
}

int assay_predictions_measure(const struct assay_prediction_set *set, const struct assay_component *metric, uint64_t seed, struct assay_measure *measure,
                              struct assay_status *status) {
  *measure = (struct assay_measure){.value = assay_predictions_metric(set, metric), .low = NAN, .high = NAN};
  if (isnan(measure->value)) return 0;
  double successes = NAN, trials = NAN;
  const struct assay_predictions view = assay_predictions_view(set);
  if (vtable(metric)->flags & ASSAY_METRIC_PROPORTION) vtable(metric)->proportion(metric->values, &view, &successes, &trials);
  if (!(trials > 0)) return bootstrap(set, metric, seed, measure, status);
  measure->wilson = true;
  wilson(successes, trials, &measure->low, &measure->high);
  return 0;
}

/* The metric when class `sought` is decided for from `threshold` on. */
static double metric_at(const struct assay_prediction_set *set, const struct assay_component *metric, int32_t sought, double threshold, int32_t *guesses) {
  for (uint32_t row = 0; row < set->count; row++) guesses[row] = set->scores[(size_t)row * 2 + (size_t)sought] >= threshold ? sought : 1 - sought;
  struct assay_predictions view = assay_predictions_view(set);
  view.guesses = guesses;
  const double value = vtable(metric)->compute(metric->values, &view);
  return assay_metric_maximises(metric) ? value : -value;
}

/* All thresholds in (edges[i], edges[i + 1]] decide alike. Among neighbouring stretches that are equally good, the widest. */
static double search_threshold(const struct assay_prediction_set *set, const struct assay_component *metric, int32_t sought, const double *edges, uint32_t count,
                               int32_t *guesses) {
  double best = -INFINITY, start = 0, best_start = 0, best_end = 1, last = NAN;
  for (uint32_t i = 0; i + 1 < count; i++) {
    const double value = metric_at(set, metric, sought, edges[i + 1], guesses);
    if (!(value == last)) start = edges[i];
    last = value;
    if (!(value > best || (value == best && edges[i + 1] - start > best_end - best_start))) continue;
    best = value;
    best_start = start;
    best_end = edges[i + 1];
  }
  return best_start + (best_end - best_start) / 2;
}

int assay_predictions_best_threshold(const struct assay_prediction_set *set, const struct assay_component *metric, double *threshold,
                                     struct assay_status *status) {
  *threshold = 0.5;
  uint32_t second = 0;
  for (uint32_t row = 0; row < set->count; row++) second += set->labels[row] == 1;
  if (set->class_count != 2 || second == 0 || second == set->count) return 0;
  const int32_t sought = set->positive >= 0 ? set->positive : 1;
  double *scores = malloc(set->count * sizeof *scores), *edges = malloc((CANDIDATES + 3) * sizeof *edges);
  int32_t *guesses = malloc(set->count * sizeof *guesses);
  const bool ready = scores != NULL && edges != NULL && guesses != NULL;
  if (ready) {
    for (uint32_t row = 0; row < set->count; row++) scores[row] = set->scores[(size_t)row * 2 + (size_t)sought];
    qsort(scores, set->count, sizeof *scores, ascending);
    const uint32_t stride = (set->count + CANDIDATES - 1) / CANDIDATES;
    uint32_t edge_count = 0;
    edges[edge_count++] = 0;
    for (uint32_t row = 0; row < set->count; row += stride)
      if (scores[row] > edges[edge_count - 1]) edges[edge_count++] = scores[row];
    if (edges[edge_count - 1] < 1) edges[edge_count++] = 1;
    *threshold = search_threshold(set, metric, sought, edges, edge_count, guesses);
  }
  free(scores);
  free(edges);
  free(guesses);
  return ready ? 0 : assay_status_memory(status);
}
