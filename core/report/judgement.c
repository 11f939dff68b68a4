/* SPDX-License-Identifier: MIT */
#include "report/judgement.h"

#include "base/json.h"
#include "base/status.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t interval_seed = 1;

static int add_metrics(json_t *object, const struct assay_prediction_set *set, const struct assay_component *metrics, uint32_t count, struct assay_status *status) {
  json_t *intervals = json_object();
  for (uint32_t i = 0; i < count; i++) {
    const struct assay_metric *metric = metrics[i].plugin->vtable;
    if (metric->flags & ASSAY_METRIC_BINARY && set->positive < 0) continue;
    struct assay_measure measure;
    const int result = assay_predictions_measure(set, &metrics[i], interval_seed, &measure, status);
    if (result != 0) {
      json_decref(intervals);
      return result;
    }
    json_object_set_new(object, metrics[i].plugin->name, assay_json_number(measure.value));
    json_object_set_new(intervals, metrics[i].plugin->name, json_pack("[o,o]", assay_json_number(measure.low), assay_json_number(measure.high)));
  }
  json_object_set_new(object, "intervals", intervals);
  return 0;
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
  json_object_set_new(object, "commonest", json_pack("{s:s,s:o}", "class", set->classes[commonest], "accuracy", assay_json_number(all > 0 ? (double)most / (double)all : NAN)));
  json_object_set_new(object, "confusion", matrix);
  json_object_set_new(object, "classes", names);
  if (set->positive >= 0) json_object_set_new(object, "positive", json_string(set->classes[set->positive]));
  return 0;
}

/* How sure the model was of its guess; the array that a sort of wrong rows looks into. */
static int compare_surest(const void *a, const void *b, void *context) {
  const struct assay_prediction_set *set = context;
  const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  const double p = set->scores[(size_t)x * set->class_count + (size_t)set->guesses[x]], q = set->scores[(size_t)y * set->class_count + (size_t)set->guesses[y]];
  if (p != q) return p < q ? 1 : -1;
  return x < y ? -1 : x > y;
}

static int add_wrong(json_t *object, const struct assay_prediction_set *set, uint32_t limit, struct assay_status *status) {
  uint32_t *rows = calloc((size_t)set->count + 1, sizeof *rows), count = 0;
  if (rows == NULL) return assay_status_memory(status);
  for (uint32_t i = 0; i < set->count; i++)
    if (set->labels[i] != set->guesses[i]) rows[count++] = i;
  qsort_r(rows, count, sizeof *rows, compare_surest, (void *)set);
  json_t *list = json_array();
  for (uint32_t i = 0; i < count && i < limit; i++) {
    const uint32_t row = rows[i];
    json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:f}", "path", set->paths[row], "label", set->classes[set->labels[row]], "guess", set->classes[set->guesses[row]], "score",
                                          set->scores[(size_t)row * set->class_count + (size_t)set->guesses[row]]));
  }
  json_object_set_new(object, "wrong_count", json_integer(count));
  json_object_set_new(object, "wrong", list);
  free(rows);
  return 0;
}

int assay_judgement_build(const struct assay_prediction_set *set, const struct assay_component *metrics, uint32_t metric_count, uint32_t wrong_limit, json_t **judgement,
                          struct assay_status *status) {
  json_t *object = json_pack("{s:i}", "n", (int)set->count);
  *judgement = NULL;
  if (object == NULL) return assay_status_memory(status);
  int result = add_metrics(object, set, metrics, metric_count, status);
  if (result == 0) result = add_confusion(object, set, status);
  if (result == 0) result = add_wrong(object, set, wrong_limit, status);
  if (result != 0) json_decref(object);
  else *judgement = object;
  return result;
}

/* ---- For a person ---- */

static void print_number(struct assay_text *text, const json_t *number) {
  if (json_is_number(number)) assay_text_print(text, "%8.4f", json_number_value(number));
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
    assay_text_print(text, "  %-20s ", name);
    print_number(text, json_object_get(judgement, name));
    assay_text_add(text, "  ");
    print_number(text, json_array_get(interval, 0));
    assay_text_add(text, " …");
    print_number(text, json_array_get(interval, 1));
    assay_text_add(text, "\n");
  }
  const json_t *commonest = json_object_get(judgement, "commonest");
  const char *commonest_class = json_string_value(json_object_get(commonest, "class"));
  assay_text_print(text, "  accuracy of always saying \"%s\":", commonest_class);
  print_number(text, json_object_get(commonest, "accuracy"));
  const char *positive = json_string_value(json_object_get(judgement, "positive"));
  if (positive != NULL) assay_text_print(text, "\n  positive class: %s", positive);
  assay_text_add(text, "\n\n");
  print_confusion(judgement, text);
}
