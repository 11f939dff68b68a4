/* SPDX-License-Identifier: MIT
 *
 * The list of solutions: every trial from the best down, and for the first ones, and the default, a view of their own: values, folds, curves, confusion.
 */
#include "report/page.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/status.h"
#include "report/repeats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_VIEWS = 12, MOST_LISTED = 500, MOST_CLASSES = 12 };

static const char *state_name(const struct assay_trial_record *record) {
  switch (record->state) {
  case ASSAY_TRIAL_COMPLETE: return "complete";
  case ASSAY_TRIAL_PRUNED: return "pruned";
  case ASSAY_TRIAL_FAILED: return "failed";
  default: return "unfinished";
  }
}

struct order {
  bool maximise;
};

/* Complete trials first, the best of them first; the others by number. */
static int compare_trials(const void *left, const void *right, void *context) {
  const struct assay_trial_record *a = *(const struct assay_trial_record *const *)left, *b = *(const struct assay_trial_record *const *)right;
  const struct order *order = context;
  const bool a_complete = a->state == ASSAY_TRIAL_COMPLETE, b_complete = b->state == ASSAY_TRIAL_COMPLETE;
  if (a_complete != b_complete) return a_complete ? -1 : 1;
  if (a_complete && a->value != b->value) return (a->value < b->value) != order->maximise ? -1 : 1;
  return a->number < b->number ? -1 : a->number > b->number;
}

static void add_values(struct page *page, const struct assay_trial_record *record) {
  bool first = true;
  for (uint32_t d = 0; d < page->space->dimension_count; d++) {
    if (isnan(record->point[d])) continue;
    const char *name = page->space->dimensions[d]->name, *dot = strrchr(name, '.');
    if (!first) assay_text_add(page->out, ", ");
    first = false;
    html_text(page->out, dot != NULL ? dot + 1 : name);
    assay_text_add(page->out, " ");
    html_text(page->out, page_value(page, d, record->point[d]));
  }
}

static const char *attribute_of(const struct assay_trial_record *record, const char *key) {
  for (uint32_t i = 0; i < record->attribute_count; i++)
    if (strcmp(record->attributes[i].key, key) == 0) return record->attributes[i].json;
  return NULL;
}

static void add_folds(struct page *page, const struct assay_trial_record *record) {
  const char *json = attribute_of(record, "assay:folds");
  json_t *folds = json != NULL ? json_loads(json, 0, NULL) : NULL;
  uint32_t repeats;
  double mean, deviation;
  const bool repeated = assay_repeats_of_folds(folds, &repeats, &mean, &deviation);
  if (json_array_size(folds) > 0) {
    assay_text_print(page->out, "<div class=\"scroll\"><table><tr>%s<th>fold</th><th>", repeated ? "<th>repeat</th>" : "");
    html_text(page->out, page->objective);
    assay_text_add(page->out, "</th><th>validation loss</th><th>best epoch</th><th>epochs</th></tr>\n");
    for (size_t i = 0; i < json_array_size(folds); i++) {
      const json_t *fold = json_array_get(folds, i);
      assay_text_add(page->out, "<tr>");
      if (repeated) assay_text_print(page->out, "<td>%lld</td>", (long long)json_integer_value(json_object_get(fold, "repeat")) + 1);
      assay_text_print(page->out, "<td>%lld</td><td>", (long long)json_integer_value(json_object_get(fold, "fold")) + 1);
      html_json_number(page->out, json_object_get(fold, "objective"), 4);
      assay_text_add(page->out, "</td><td>");
      html_json_number(page->out, json_object_get(fold, "loss"), 4);
      assay_text_print(page->out, "</td><td>%lld</td><td>%lld</td></tr>\n", (long long)json_integer_value(json_object_get(fold, "best_epoch")) + 1,
                       (long long)json_integer_value(json_object_get(fold, "epochs")));
    }
    assay_text_add(page->out, "</table></div>\n");
  }
  if (repeated) {
    assay_text_print(page->out, "<p class=\"note\">Over %u repeats ", repeats);
    html_number(page->out, mean, 4);
    assay_text_add(page->out, " ± ");
    html_number(page->out, deviation, 4);
    assay_text_add(page->out, " (standard deviation).</p>\n");
  }
  json_decref(folds);
}

/* Of its own out-of-fold predictions, decided at 0.5 as trials are compared. */
static int add_confusion(struct page *page, const struct assay_trial_record *record) {
  char name[64];
  snprintf(name, sizeof name, "trials/%u/predictions.csv", record->number);
  const char *path = assay_path_join(page->arena, page->sources->folder, name);
  struct assay_prediction_set *set = NULL;
  struct assay_status ignored;
  if (path == NULL) return assay_status_memory(page->status);
  if (!assay_file_exists(path) || assay_predictions_read(path, -1, &set, &ignored) != 0) return 0;
  const uint32_t classes = set->class_count;
  uint64_t *counts = ASSAY_NEW_ARRAY(page->arena, uint64_t, (size_t)classes * classes);
  if (counts != NULL && classes <= MOST_CLASSES) {
    assay_predictions_confusion(set, counts);
    assay_text_add(page->out, "<div class=\"scroll\"><table><tr><th>is \\ guessed</th>");
    for (uint32_t guess = 0; guess < classes; guess++) html_element(page->out, "th", NULL, set->classes[guess]);
    assay_text_add(page->out, "</tr>\n");
    for (uint32_t label = 0; label < classes; label++) {
      assay_text_add(page->out, "<tr>");
      html_element(page->out, "td", NULL, set->classes[label]);
      for (uint32_t guess = 0; guess < classes; guess++) assay_text_print(page->out, "<td>%llu</td>", (unsigned long long)counts[label * classes + guess]);
      assay_text_add(page->out, "</tr>\n");
    }
    assay_text_add(page->out, "</table></div>\n");
  }
  assay_predictions_release(set);
  return counts != NULL ? 0 : assay_status_memory(page->status);
}

static int add_view(struct page *page, const struct assay_trial_record *record, uint32_t rank) {
  assay_text_print(page->out, "<details><summary>%u. trial %u%s: ", rank, record->number, record->number == 0 ? " (default values)" : "");
  html_number(page->out, record->value, 4);
  assay_text_add(page->out, " <span class=\"note\">");
  add_values(page, record);
  assay_text_add(page->out, "</span></summary>\n<div class=\"grid2\"><div><h3>Folds</h3>");
  add_folds(page, record);
  assay_text_add(page->out, "</div><div><h3>Confusion out of fold, at 0.5</h3>");
  int code = add_confusion(page, record);
  assay_text_add(page->out, "</div></div>\n");
  if (code == 0) code = page_curves_of(page, record);
  const char *parameters = attribute_of(record, "assay:parameters");
  assay_text_add(page->out, "<p class=\"note\">");
  if (isfinite(record->seconds)) assay_text_print(page->out, "%.1f s of training", record->seconds);
  if (parameters != NULL) {
    assay_text_add(page->out, ", ");
    html_text(page->out, parameters);
    assay_text_add(page->out, " trained numbers");
  }
  assay_text_add(page->out, "</p></details>\n");
  return code;
}

static void list_rest(struct page *page, const struct assay_trial_record *const *sorted, uint32_t from) {
  if (from >= page->record_count) return;
  assay_text_print(page->out,
                   "<details><summary>%u more trials</summary><div class=\"scroll\"><table><tr><th>trial</th><th>state</th><th>value</th><th>seconds</th><th "
                   "class=\"word\">values</th></tr>\n",
                   page->record_count - from);
  for (uint32_t i = from; i < page->record_count && i < from + MOST_LISTED; i++) {
    const struct assay_trial_record *record = sorted[i];
    assay_text_print(page->out, "<tr><td>%u</td><td>%s</td><td>", record->number, state_name(record));
    html_number(page->out, record->value, 4);
    assay_text_add(page->out, "</td><td>");
    html_number(page->out, record->seconds, 1);
    assay_text_add(page->out, "</td><td class=\"word\">");
    add_values(page, record);
    if (record->reason != NULL) {
      assay_text_add(page->out, "<br>");
      html_text(page->out, record->reason);
    }
    assay_text_add(page->out, "</td></tr>\n");
  }
  assay_text_add(page->out, "</table></div></details>\n");
}

int page_solutions(struct page *page) {
  const struct assay_trial_record **sorted = ASSAY_NEW_ARRAY(page->arena, const struct assay_trial_record *, (size_t)page->record_count + 1);
  if (sorted == NULL) return assay_status_memory(page->status);
  memcpy(sorted, page->records, page->record_count * sizeof *sorted);
  struct order order = {page->maximise};
  qsort_r(sorted, page->record_count, sizeof *sorted, compare_trials, &order);
  html_section(page->out, "solutions", "Solutions");
  assay_text_add(page->out, "<p class=\"note\">By ");
  html_text(page->out, page->objective);
  assay_text_add(page->out, " on validation, the best first; open one for its folds and curves.</p>\n");
  uint32_t shown = 0;
  int code = 0;
  for (; code == 0 && shown < page->record_count && shown < MOST_VIEWS && sorted[shown]->state == ASSAY_TRIAL_COMPLETE; shown++)
    code = add_view(page, sorted[shown], shown + 1);
  for (uint32_t i = shown; code == 0 && i < page->record_count; i++)
    if (sorted[i]->number == 0 && sorted[i]->state == ASSAY_TRIAL_COMPLETE) code = add_view(page, sorted[i], i + 1);
  if (code == 0) list_rest(page, sorted, shown);
  html_section_end(page->out);
  return code;
}
