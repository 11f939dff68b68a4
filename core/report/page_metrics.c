/* SPDX-License-Identifier: MIT
 *
 * Every metric with its interval, on test and validation side by side, and the confusion matrices.
 */
#include "report/page.h"

#include "base/arena.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FEW_CLASSES = 5, MOST_BESIDE = 11, MOST_IN_MATRIX = 24, MOST_CONFUSIONS = 30 };

static void add_measure(struct page *page, const json_t *judgement, const char *metric) {
  const json_t *value = json_object_get(judgement, metric), *interval = json_object_get(json_object_get(judgement, "intervals"), metric);
  const json_t *low = json_array_get(interval, 0), *high = json_array_get(interval, 1);
  const bool whole = assay_judgement_is_count(value, interval);
  assay_text_add(page->out, "<td>");
  html_json_number(page->out, value, whole ? 0 : 4);
  assay_text_add(page->out, "</td><td class=\"note\">");
  if (json_is_number(low)) {
    html_json_number(page->out, low, whole ? 0 : 4);
    assay_text_add(page->out, " … ");
    html_json_number(page->out, high, whole ? 0 : 4);
  }
  assay_text_add(page->out, "</td>");
}

static void add_words(struct page *page, const char *metric) {
  for (const char *c = metric; *c != '\0'; c++) assay_text_add_bytes(page->out, *c == '_' ? " " : c, 1);
}

static void add_table(struct page *page, const json_t *test, const json_t *validation) {
  const bool tested = json_is_object(test);
  const char *name;
  json_t *interval;
  assay_text_print(page->out, "<div class=\"scroll\"><table><tr><th></th>%s<th>validation</th><th>95 %% interval</th></tr>\n",
                   tested ? "<th>test</th><th>95 % interval</th>" : "");
  json_object_foreach(json_object_get(tested ? test : validation, "intervals"), name, interval) {
    assay_text_add(page->out, "<tr><td>");
    add_words(page, name);
    assay_text_add(page->out, "</td>");
    if (tested) add_measure(page, test, name);
    add_measure(page, validation, name);
    assay_text_add(page->out, "</tr>\n");
  }
  assay_text_add(page->out, "</table></div>\n");
}

static double cell(const json_t *matrix, size_t label, size_t guess) { return json_number_value(json_array_get(json_array_get(matrix, label), guess)); }

/* Blue where it is right and red where it is wrong, the deeper the more of the label's images. `digits`: of the share; 0: the count is shown. */
static void add_cell(struct page *page, double count, double row, bool right, int digits) {
  const double share = row > 0 ? count / row : 0;
  assay_text_print(page->out, "<td style=\"background:rgba(%s,%.2f)%s\">", right ? "0,114,178" : "213,94,0", share == 0 ? 0.03 : 0.12 + 0.75 * share,
                   share > 0.62 ? ";color:#fff" : "");
  if (digits > 0) html_number(page->out, row > 0 ? share : NAN, digits);
  else html_number(page->out, count, 0);
  assay_text_add(page->out, "</td>");
}

static void add_matrix(struct page *page, const json_t *judgement, bool normalised) {
  const json_t *matrix = json_object_get(judgement, "confusion"), *classes = json_object_get(judgement, "classes");
  const size_t count = json_array_size(matrix);
  const int digits = !normalised ? 0 : count > FEW_CLASSES ? 2 : 3;
  assay_text_print(page->out, "<div class=\"scroll\"><table class=\"confusion%s\"><tr><th class=\"row\">is \\ guessed</th>",
                   count > FEW_CLASSES ? " many" : "");
  for (size_t guess = 0; guess < count; guess++) html_element(page->out, "th", NULL, json_string_value(json_array_get(classes, guess)));
  assay_text_add(page->out, "</tr>\n");
  for (size_t label = 0; label < count; label++) {
    double row = 0;
    for (size_t guess = 0; guess < count; guess++) row += cell(matrix, label, guess);
    assay_text_add(page->out, "<tr>");
    html_element(page->out, "th", "row", json_string_value(json_array_get(classes, label)));
    for (size_t guess = 0; guess < count; guess++) add_cell(page, cell(matrix, label, guess), row, label == guess, digits);
    assay_text_add(page->out, "</tr>\n");
  }
  assay_text_add(page->out, "</table></div>\n");
}

struct confusion {
  size_t label, guess;
  double count;
};

static int compare_confusions(const void *a, const void *b) {
  const struct confusion *x = a, *y = b;
  if (x->count != y->count) return x->count < y->count ? 1 : -1;
  return x->label != y->label ? (x->label < y->label ? -1 : 1) : x->guess < y->guess ? -1 : 1;
}

/* Of many classes only what is confused most. */
static void add_confusions(struct page *page, const json_t *judgement) {
  const json_t *matrix = json_object_get(judgement, "confusion"), *classes = json_object_get(judgement, "classes");
  const size_t classes_count = json_array_size(matrix);
  size_t count = 0, most = 0;
  for (size_t label = 0; label < classes_count; label++)
    for (size_t guess = 0; guess < classes_count; guess++) most += label != guess && cell(matrix, label, guess) > 0;
  struct confusion *list = ASSAY_NEW_ARRAY(page->arena, struct confusion, most + 1);
  if (list == NULL) return;
  for (size_t label = 0; label < classes_count; label++)
    for (size_t guess = 0; guess < classes_count; guess++)
      if (label != guess && cell(matrix, label, guess) > 0) list[count++] = (struct confusion){label, guess, cell(matrix, label, guess)};
  qsort(list, count, sizeof *list, compare_confusions);
  assay_text_add(page->out, "<div class=\"scroll\"><table class=\"words\"><tr><th>is</th><th>taken for</th><th>times</th></tr>\n");
  for (size_t i = 0; i < count && i < MOST_CONFUSIONS; i++) {
    assay_text_add(page->out, "<tr>");
    html_element(page->out, "td", NULL, json_string_value(json_array_get(classes, list[i].label)));
    html_element(page->out, "td", NULL, json_string_value(json_array_get(classes, list[i].guess)));
    assay_text_print(page->out, "<td>%.0f</td></tr>\n", list[i].count);
  }
  assay_text_add(page->out, "</table></div>\n");
}

static void add_confusion(struct page *page, const json_t *judgement, const char *part) {
  if (!json_is_object(judgement)) return;
  if (json_array_size(json_object_get(judgement, "confusion")) > MOST_IN_MATRIX) {
    assay_text_print(page->out, "<h3>Confused most, %s</h3>", part);
    add_confusions(page, judgement);
    return;
  }
  const bool beside = json_array_size(json_object_get(judgement, "confusion")) <= MOST_BESIDE;
  assay_text_print(page->out, "<div class=\"%s\"><div><h3>Confusion, %s: images</h3>", beside ? "grid2" : "stack", part);
  add_matrix(page, judgement, false);
  assay_text_print(page->out, "</div><div><h3>Confusion, %s: share of each label</h3>", part);
  add_matrix(page, judgement, true);
  assay_text_add(page->out, "</div></div>\n");
}

/* What is counted above is of all repeats; beside it how far each moved from the others. */
static void add_repeats(struct page *page) {
  const json_t *repeats = json_object_get(page->summary, "repeats"), *validation = json_object_get(page->summary, "validation");
  const char *name;
  json_t *metric;
  if (!json_is_object(repeats)) return;
  assay_text_print(page->out,
                   "<p class=\"note\">Validation stands for %lld judgements of %lld images in %lld repeats, each with another split and seed; its intervals are of the images.</p>\n"
                   "<h3>Repeats</h3><div class=\"scroll\"><table><tr><th></th><th>mean</th><th>deviation</th><th>lowest</th><th>highest</th></tr>\n",
                   (long long)json_integer_value(json_object_get(validation, "judged")), (long long)json_integer_value(json_object_get(validation, "n")),
                   (long long)json_integer_value(json_object_get(repeats, "count")));
  json_object_foreach(json_object_get(repeats, "metrics"), name, metric) {
    const json_t *values = json_object_get(metric, "values");
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < json_array_size(values); i++) {
      if (!json_is_number(json_array_get(values, i))) continue;
      low = fmin(low, json_number_value(json_array_get(values, i)));
      high = fmax(high, json_number_value(json_array_get(values, i)));
    }
    if (low > high) continue;
    assay_text_add(page->out, "<tr><td>");
    add_words(page, name);
    assay_text_add(page->out, "</td><td>");
    html_json_number(page->out, json_object_get(metric, "mean"), 4);
    assay_text_add(page->out, "</td><td>");
    html_json_number(page->out, json_object_get(metric, "deviation"), 4);
    assay_text_add(page->out, "</td><td>");
    html_number(page->out, low, 4);
    assay_text_add(page->out, "</td><td>");
    html_number(page->out, high, 4);
    assay_text_add(page->out, "</td></tr>\n");
  }
  assay_text_add(page->out, "</table></div>\n");
}

int page_metrics(struct page *page) {
  const json_t *test = json_object_get(page->summary, "test"), *validation = json_object_get(page->summary, "validation");
  if (!json_is_object(validation)) return 0;
  html_section(page->out, "metrics", "Metrics");
  add_confusion(page, test, "test");
  add_confusion(page, validation, "validation");
  assay_text_add(page->out, "<h3>All metrics</h3>");
  add_table(page, test, validation);
  add_repeats(page);
  assay_text_add(page->out, "<p class=\"note\">Proportions have Wilson's interval, the others the bootstrap's. Validation is optimistic: the best of all "
                            "trials was chosen by it.</p>\n");
  html_section_end(page->out);
  return 0;
}
