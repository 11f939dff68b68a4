/* SPDX-License-Identifier: MIT */
#include "report/repeats.h"

#include "base/json.h"
#include "base/status.h"
#include "base/text.h"

#include <math.h>

/* Mean and deviation of the numbers that are defined, in two passes. */
static void spread_of(const double *values, uint32_t count, double *mean, double *deviation) {
  double sum = 0, squares = 0;
  uint32_t defined = 0;
  for (uint32_t i = 0; i < count; i++)
    if (isfinite(values[i])) sum += values[i], defined++;
  *mean = defined > 0 ? sum / defined : NAN;
  for (uint32_t i = 0; i < count; i++)
    if (isfinite(values[i])) squares += (values[i] - *mean) * (values[i] - *mean);
  *deviation = defined > 1 ? sqrt(squares / (defined - 1)) : NAN;
}

static json_t *spread_json(const double *values, uint32_t count) {
  json_t *list = json_array();
  double mean, deviation;
  for (uint32_t i = 0; i < count; i++) json_array_append_new(list, assay_json_number(values[i]));
  spread_of(values, count, &mean, &deviation);
  return json_pack("{s:o,s:o,s:o}", "mean", assay_json_number(mean), "deviation", assay_json_number(deviation), "values", list);
}

static uint32_t repeat_count(const struct assay_prediction_set *set) {
  int32_t last = 0;
  for (uint32_t row = 0; row < set->count; row++)
    if (set->repeats[row] > last) last = set->repeats[row];
  return (uint32_t)last + 1;
}

int assay_repeats_build(const struct assay_prediction_set *set, const struct assay_component *metrics, uint32_t metric_count, json_t **repeats, struct assay_status *status) {
  double values[ASSAY_MOST_REPEATS];
  struct assay_prediction_set *sets[ASSAY_MOST_REPEATS] = {NULL};
  const uint32_t count = repeat_count(set);
  bool ready = true;
  *repeats = json_null();
  if (count < 2) return 0;
  for (uint32_t r = 0; ready && r < count; r++) ready = (sets[r] = assay_predictions_select(set, -1, (int32_t)r)) != NULL;
  json_t *judged = json_object();
  for (uint32_t m = 0; ready && m < metric_count; m++) {
    const struct assay_metric *metric = metrics[m].plugin->vtable;
    if (metric->flags & ASSAY_METRIC_BINARY && set->positive < 0) continue;
    for (uint32_t r = 0; r < count; r++) values[r] = assay_predictions_metric(sets[r], &metrics[m]);
    json_object_set_new(judged, metrics[m].name, spread_json(values, count));
  }
  for (uint32_t r = 0; r < count; r++) assay_predictions_release(sets[r]);
  *repeats = json_pack("{s:i,s:o}", "count", (int)count, "metrics", judged);
  return ready && *repeats != NULL ? 0 : assay_status_memory(status);
}

void assay_repeats_print(const json_t *repeats, struct assay_text *text) {
  const char *name;
  json_t *metric;
  if (!json_is_object(repeats)) return;
  assay_text_print(text, "\nOn validation, %lld repeats with other splits and seeds: mean and standard deviation\n", (long long)json_integer_value(json_object_get(repeats, "count")));
  json_object_foreach(json_object_get(repeats, "metrics"), name, metric) {
    const json_t *mean = json_object_get(metric, "mean"), *deviation = json_object_get(metric, "deviation");
    if (json_is_number(mean) && json_is_number(deviation))
      assay_text_print(text, "  %-20s %8.4f ± %.4f\n", name, json_number_value(mean), json_number_value(deviation));
  }
}

bool assay_repeats_of_folds(const json_t *folds, uint32_t *count, double *mean, double *deviation) {
  double sums[ASSAY_MOST_REPEATS] = {0};
  uint32_t members[ASSAY_MOST_REPEATS] = {0};
  *count = 0;
  for (size_t i = 0; i < json_array_size(folds); i++) {
    const json_t *fold = json_array_get(folds, i), *objective = json_object_get(fold, "objective");
    const json_int_t repeat = json_integer_value(json_object_get(fold, "repeat"));
    if (!json_is_number(objective) || repeat < 0 || repeat >= ASSAY_MOST_REPEATS) continue;
    sums[repeat] += json_number_value(objective);
    members[repeat]++;
    if (repeat >= *count) *count = (uint32_t)repeat + 1;
  }
  for (uint32_t r = 0; r < *count; r++) sums[r] = members[r] > 0 ? sums[r] / members[r] : NAN;
  spread_of(sums, *count, mean, deviation);
  return *count > 1;
}
