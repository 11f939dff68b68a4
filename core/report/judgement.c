/* SPDX-License-Identifier: MIT */
#include "report/judgement.h"

#include "base/json.h"
#include "base/status.h"
#include "base/text.h"
#include "report/calibration.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t interval_seed = 1;

static int add_metrics(json_t *object, const struct assay_prediction_set *set, const struct assay_component *metrics, uint32_t count,
                       struct assay_status *status) {
  struct assay_measure *measures = calloc((size_t)count + 1, sizeof *measures);
  const int result = measures == NULL ? assay_status_memory(status) : assay_predictions_measure(set, metrics, count, interval_seed, measures, status);
  json_t *intervals = json_object();
  for (uint32_t i = 0; result == 0 && i < count; i++) {
    const struct assay_metric *metric = metrics[i].plugin->vtable;
    if (metric->flags & ASSAY_METRIC_BINARY && set->positive < 0) continue;
    json_object_set_new(object, metrics[i].name, assay_json_number(measures[i].value));
    json_object_set_new(intervals, metrics[i].name, json_pack("[o,o]", assay_json_number(measures[i].low), assay_json_number(measures[i].high)));
  }
  json_object_set_new(object, "intervals", intervals);
  free(measures);
  return result;
}

/* What the highest scores say and how often they are right, by bin; empty bins are left out. */
static void add_reliability(json_t *object, const struct assay_prediction_set *set) {
  struct assay_reliability bins[ASSAY_RELIABILITY_BINS];
  json_t *list = json_array();
  assay_reliability_fill(set, bins);
  for (int i = 0; i < ASSAY_RELIABILITY_BINS; i++)
    if (bins[i].count > 0)
      json_array_append_new(list, json_pack("{s:f,s:f,s:i,s:f,s:f}", "from", (double)i / ASSAY_RELIABILITY_BINS, "to", (double)(i + 1) / ASSAY_RELIABILITY_BINS,
                                            "n", (int)bins[i].count, "score", bins[i].score, "right", bins[i].right));
  json_object_set_new(object, "reliability", list);
}

static int add_confusion(json_t *object, const struct assay_prediction_set *set, struct assay_status *status) {
  const size_t classes = set->class_count;
  uint64_t *counts = calloc(classes * classes + 1, sizeof *counts);
  if (counts == NULL) return assay_status_memory(status);
  assay_predictions_confusion(set, counts);
  json_t *matrix = json_array(), *names = json_array();
  uint64_t most = 0, all = 0;
  size_t commonest = 0;
  for (size_t label = 0; label < classes; label++) {
    json_t *row = json_array();
    uint64_t of_class = 0;
    for (size_t guess = 0; guess < classes; guess++) {
      json_array_append_new(row, json_integer((json_int_t)counts[label * classes + guess]));
      of_class += counts[label * classes + guess];
    }
    if (of_class > most) {
      most = of_class;
      commonest = label;
    }
    all += of_class;
    json_array_append_new(matrix, row);
    json_array_append_new(names, json_string(set->classes[label]));
  }
  free(counts);
  json_object_set_new(object, "commonest",
                      json_pack("{s:s,s:o}", "class", set->classes[commonest], "accuracy", assay_json_number(all > 0 ? (double)most / (double)all : NAN)));
  json_object_set_new(object, "confusion", matrix);
  json_object_set_new(object, "classes", names);
  if (set->positive >= 0) json_object_set_new(object, "positive", json_string(set->classes[set->positive]));
  return 0;
}

/* Surest of its guess first. */
static int compare_surest(const void *a, const void *b, void *context) {
  const struct assay_prediction_set *set = context;
  const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  const double p = set->scores[(size_t)x * set->class_count + (size_t)set->guesses[x]], q = set->scores[(size_t)y * set->class_count + (size_t)set->guesses[y]];
  if (p != q) return p < q ? 1 : -1;
  return x < y ? -1 : x > y;
}

/* The surest wrong row of an image; -1: it was right throughout. */
static int64_t surest_wrong(const struct assay_prediction_set *set, const uint32_t *rows, uint32_t count) {
  int64_t surest = -1;
  for (uint32_t k = 0; k < count; k++) {
    const uint32_t row = rows[k], before = (uint32_t)surest;
    if (set->labels[row] != set->guesses[row] && (surest < 0 || compare_surest(&row, &before, (void *)set) < 0)) surest = row;
  }
  return surest;
}

uint32_t *assay_judgement_wrong(const struct assay_prediction_set *set, uint32_t *count) {
  struct assay_prediction_images images;
  uint32_t *wrong = calloc((size_t)set->count + 1, sizeof *wrong);
  *count = 0;
  if (wrong == NULL || assay_predictions_images(set, &images, NULL) != 0) {
    free(wrong);
    return NULL;
  }
  for (uint32_t i = 0; i < images.count; i++) {
    const int64_t row = surest_wrong(set, images.rows + images.starts[i], images.starts[i + 1] - images.starts[i]);
    if (row >= 0) wrong[(*count)++] = (uint32_t)row;
  }
  assay_predictions_images_free(&images);
  qsort_r(wrong, *count, sizeof *wrong, compare_surest, (void *)set);
  return wrong;
}

static int add_wrong(json_t *object, const struct assay_prediction_set *set, uint32_t limit, struct assay_status *status) {
  uint32_t count, *rows = assay_judgement_wrong(set, &count);
  if (rows == NULL) return assay_status_memory(status);
  json_t *list = json_array();
  for (uint32_t i = 0; i < count && i < limit; i++) {
    const uint32_t row = rows[i];
    json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:f}", "path", set->paths[row], "label", set->classes[set->labels[row]], "guess",
                                          set->classes[set->guesses[row]], "score", set->scores[(size_t)row * set->class_count + (size_t)set->guesses[row]]));
  }
  json_object_set_new(object, "wrong_count", json_integer(count));
  json_object_set_new(object, "wrong", list);
  free(rows);
  return 0;
}

int assay_judgement_build(const struct assay_prediction_set *set, const struct assay_component *metrics, uint32_t metric_count, uint32_t wrong_limit,
                          json_t **judgement, struct assay_status *status) {
  struct assay_prediction_images images;
  *judgement = NULL;
  int result = assay_predictions_images(set, &images, status);
  if (result != 0) return result;
  json_t *object = json_pack("{s:i,s:i}", "n", (int)images.count, "judged", (int)set->count);
  assay_predictions_images_free(&images);
  if (object == NULL) return assay_status_memory(status);
  result = add_metrics(object, set, metrics, metric_count, status);
  if (result == 0) result = add_confusion(object, set, status);
  if (result == 0) add_reliability(object, set);
  if (result == 0) result = add_wrong(object, set, wrong_limit, status);
  if (result != 0) json_decref(object);
  else *judgement = object;
  return result;
}

/* ---- The target ---- */

json_t *assay_judgement_target(const json_t *judgement, const char *part, const struct assay_judge_settings *judge) {
  if (judge->target_metric.plugin == NULL) return json_null();
  const json_t *value = json_object_get(judgement, judge->target_metric.name);
  const double number = json_number_value(value);
  const bool met = json_is_number(value) && (judge->target.kind == ASSAY_RULE_AT_LEAST ? number >= judge->target.bound : number <= judge->target.bound);
  return json_pack("{s:s,s:s,s:O?,s:O?,s:b}", "rule", judge->target_text, "part", part, "value", value, "interval",
                   json_object_get(json_object_get(judgement, "intervals"), judge->target_metric.name), "met", met);
}

int assay_judgement_heed_target(const json_t *target, struct assay_status *status) {
  if (!json_is_object(target) || json_is_true(json_object_get(target, "met"))) return 0;
  const json_t *value = json_object_get(target, "value");
  const char *rule = json_string_value(json_object_get(target, "rule")), *part = json_string_value(json_object_get(target, "part"));
  if (!json_is_number(value)) return assay_status_set(status, ASSAY_E_FINDINGS, "the target %s is missed: it is not defined on the %s images", rule, part);
  return assay_status_set(status, ASSAY_E_FINDINGS, "the target %s is missed: it is %.4g on the %s images", rule, json_number_value(value), part);
}

void assay_judgement_print_target(const json_t *target, struct assay_text *text) {
  if (!json_is_object(target)) return;
  const json_t *value = json_object_get(target, "value"), *interval = json_object_get(target, "interval");
  assay_text_print(text, "Target %s: %s", json_string_value(json_object_get(target, "rule")), json_is_true(json_object_get(target, "met")) ? "met" : "missed");
  if (json_is_number(value)) assay_text_print(text, ", %.4f", json_number_value(value));
  if (json_is_number(json_array_get(interval, 0)))
    assay_text_print(text, " (%.4f … %.4f)", json_number_value(json_array_get(interval, 0)), json_number_value(json_array_get(interval, 1)));
  assay_text_print(text, " on %s\n", json_string_value(json_object_get(target, "part")));
}

/* ---- For a person ---- */

bool assay_judgement_is_count(const json_t *value, const json_t *interval) {
  const json_t *numbers[3] = {value, json_array_get(interval, 0), json_array_get(interval, 1)};
  for (int i = 0; i < 3; i++)
    if (!json_is_number(numbers[i]) || json_number_value(numbers[i]) != floor(json_number_value(numbers[i]))) return false;
  return true;
}

static void print_number(struct assay_text *text, const json_t *number, bool whole) {
  if (json_is_number(number) && whole) assay_text_print(text, "%8.0f", json_number_value(number));
  else if (json_is_number(number)) assay_text_print(text, "%8.4f", json_number_value(number));
  else assay_text_add(text, "       –");
}

static void print_confusion(const json_t *judgement, struct assay_text *text) {
  const json_t *matrix = json_object_get(judgement, "confusion"), *classes = json_object_get(judgement, "classes");
  const size_t count = json_array_size(matrix);
  if (count > 20) {
    assay_text_print(text, "  (the confusion matrix of %zu classes stands in the JSON)\n", count);
    return;
  }
  assay_text_print(text, "  %-20s guessed as\n  %-20s", "", "truth");
  for (size_t c = 0; c < count; c++) assay_text_print(text, " %10.10s", json_string_value(json_array_get(classes, c)));
  assay_text_add(text, "\n");
  for (size_t label = 0; label < count; label++) {
    assay_text_print(text, "  %-20.20s", json_string_value(json_array_get(classes, label)));
    for (size_t guess = 0; guess < count; guess++)
      assay_text_print(text, " %10lld", (long long)json_integer_value(json_array_get(json_array_get(matrix, label), guess)));
    assay_text_add(text, "\n");
  }
}

void assay_judgement_print(const json_t *judgement, struct assay_text *text) {
  const char *name;
  json_t *interval;
  assay_text_print(text, "  %-20s %8s   95 %% interval\n", "", "");
  json_object_foreach(json_object_get(judgement, "intervals"), name, interval) {
    const json_t *value = json_object_get(judgement, name);
    const bool whole = assay_judgement_is_count(value, interval);
    assay_text_print(text, "  %-20s ", name);
    print_number(text, value, whole);
    assay_text_add(text, "  ");
    print_number(text, json_array_get(interval, 0), whole);
    assay_text_add(text, " …");
    print_number(text, json_array_get(interval, 1), whole);
    assay_text_add(text, "\n");
  }
  const json_t *commonest = json_object_get(judgement, "commonest");
  const char *commonest_class = json_string_value(json_object_get(commonest, "class"));
  assay_text_print(text, "  accuracy of always saying \"%s\":", commonest_class);
  print_number(text, json_object_get(commonest, "accuracy"), false);
  const char *positive = json_string_value(json_object_get(judgement, "positive"));
  if (positive != NULL) assay_text_print(text, "\n  positive class: %s", positive);
  assay_text_add(text, "\n\n");
  print_confusion(judgement, text);
}
