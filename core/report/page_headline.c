/* SPDX-License-Identifier: MIT
 *
 * The head of the report: what was trained on what, and the one number that counts.
 */
#include "report/page.h"

#include "base/file.h"

#include <assay/metric.h>
#include <math.h>
#include <string.h>

static const char *string_of(const json_t *object, const char *key) { return json_string_value(json_object_get(object, key)); }
static long long integer_of(const json_t *object, const char *key) { return (long long)json_integer_value(json_object_get(object, key)); }

/* The judgement that is shown first: of the test, or where none was held out of validation. */
static const json_t *headline_of(const struct page *page) {
  const json_t *test = json_object_get(page->summary, "test"), *validation = json_object_get(page->summary, "validation");
  return json_is_object(test) ? test : json_is_object(validation) ? validation : NULL;
}

static void add_card(struct page *page, const json_t *judgement, const char *metric, bool first) {
  const json_t *value = json_object_get(judgement, metric), *interval = json_object_get(json_object_get(judgement, "intervals"), metric);
  if (!json_is_number(value)) return;
  char words[64];
  size_t length = 0;
  for (; metric[length] != '\0' && length + 1 < sizeof words; length++) words[length] = metric[length] == '_' ? ' ' : metric[length];
  words[length] = '\0';
  assay_text_print(page->out, "<div class=\"card%s\"><span>", first ? " first" : "");
  html_text(page->out, strcmp(words, "f1") == 0 ? "F1" : strcmp(words, "mcc") == 0 ? "Matthews correlation" : words);
  assay_text_add(page->out, "</span><b>");
  html_json_number(page->out, value, 3);
  assay_text_add(page->out, "</b><span>");
  if (json_is_number(json_array_get(interval, 0))) {
    html_json_number(page->out, json_array_get(interval, 0), 3);
    assay_text_add(page->out, " … ");
    html_json_number(page->out, json_array_get(interval, 1), 3);
  }
  assay_text_add(page->out, "</span></div>");
}

/* First the metric that was asked for: the target's, else the objective when it is more than a loss. */
static void add_cards(struct page *page, const json_t *judgement) {
  static const char *const binary[] = {"f1", "accuracy", "recall", "precision", "mcc", "false_negative_rate", NULL},
                           *const several[] = {"accuracy", "balanced_accuracy", "f1", "mcc", NULL};
  const char *const *names = string_of(judgement, "positive") != NULL ? binary : several;
  const struct assay_judge_settings *judge = &page->sources->settings->judge;
  const bool maximised = assay_metric_maximises(&page->sources->settings->search.objective);
  const char *first = judge->target_metric.plugin != NULL ? judge->target_metric.name : maximised ? page->objective : names[0];
  assay_text_add(page->out, "<div class=\"cards\">");
  add_card(page, judgement, first, true);
  for (; *names != NULL; names++)
    if (strcmp(*names, first) != 0) add_card(page, judgement, *names, false);
  assay_text_add(page->out, "</div>\n");
}

static void add_target(struct page *page) {
  const json_t *target = json_object_get(page->summary, "target");
  if (!json_is_object(target)) return;
  const bool met = json_is_true(json_object_get(target, "met"));
  assay_text_add(page->out, "<p>Target ");
  html_element(page->out, "b", NULL, string_of(target, "rule"));
  assay_text_print(page->out, " <span class=\"badge %s\">%s</span></p>\n", met ? "met" : "missed", met ? "met" : "missed");
}

static void add_decision(struct page *page, const json_t *judgement) {
  const json_t *threshold = json_object_get(page->summary, "threshold"), *decision = json_object_get(page->summary, "decision"),
               *classes = json_object_get(judgement, "classes");
  if (!json_is_number(threshold) || json_array_size(classes) != 2) return;
  const char *positive = string_of(judgement, "positive");
  assay_text_add(page->out, "<p>The model says <b>");
  html_text(page->out, positive != NULL ? positive : json_string_value(json_array_get(classes, 1)));
  assay_text_add(page->out, "</b> from a score of ");
  html_json_number(page->out, threshold, 4);
  assay_text_add(page->out, " on; rule: <b>");
  html_text(page->out, string_of(decision, "rule"));
  assay_text_add(page->out, "</b>, found on out-of-fold predictions");
  if (json_is_false(json_object_get(decision, "met"))) assay_text_add(page->out, ", where no threshold keeps it");
  assay_text_add(page->out, ".");
  if (json_is_true(json_object_get(decision, "calibrated"))) {
    assay_text_add(page->out, " Scores are scaled by a temperature of ");
    html_json_number(page->out, json_object_get(decision, "temperature"), 2);
    assay_text_add(page->out, ".");
  }
  assay_text_add(page->out, "</p>\n");
}

static void begin_fact(struct page *page, const char *name) { assay_text_print(page->out, "<tr><td>%s</td><td>", name); }
static void end_fact(struct page *page) { assay_text_add(page->out, "</td></tr>\n"); }

static void add_fact(struct page *page, const char *name, const char *value) {
  if (value == NULL || *value == '\0') return;
  begin_fact(page, name);
  html_text(page->out, value);
  end_fact(page);
}

/* Of one repeat where there are several. */
static void count_labels(struct page *page, const struct assay_prediction_set *set, const char *name) {
  if (set == NULL) return;
  begin_fact(page, name);
  uint32_t images = 0;
  for (uint32_t row = 0; row < set->count; row++) images += set->repeats[row] <= 0;
  assay_text_print(page->out, "%u: ", images);
  for (uint32_t class = 0; class < set->class_count && class < 30; class++) {
    uint32_t members = 0;
    for (uint32_t row = 0; row < set->count; row++) members += set->repeats[row] <= 0 && set->labels[row] == (int32_t)class;
    assay_text_print(page->out, "%s%u ", class > 0 ? ", " : "", members);
    html_text(page->out, set->classes[class]);
  }
  if (set->class_count > 30) assay_text_add(page->out, ", …");
  end_fact(page);
}

static const char *attribute_of(const struct assay_trial_record *record, const char *key) {
  for (uint32_t i = 0; record != NULL && i < record->attribute_count; i++)
    if (strcmp(record->attributes[i].key, key) == 0) return record->attributes[i].json;
  return NULL;
}

static void add_network(struct page *page, const struct assay_settings *settings) {
  begin_fact(page, "Network");
  for (uint32_t i = 0; i < settings->layer_count; i++) {
    if (i > 0) assay_text_add(page->out, " → ");
    html_text(page->out, settings->layers[i].component.plugin->name);
  }
  const char *parameters = attribute_of(page->best, "assay:parameters");
  if (parameters != NULL) {
    assay_text_add(page->out, "; ");
    html_text(page->out, parameters);
    assay_text_add(page->out, " trained numbers");
  }
  end_fact(page);
}

static void add_facts(struct page *page) {
  const struct assay_settings *settings = page->sources->best_settings != NULL ? page->sources->best_settings : page->sources->settings;
  static const char *const finals[] = {"trained again on all training images", "the best fold's", "the folds' average"};
  assay_text_add(page->out, "<h3>What was trained on what</h3><div class=\"scroll\"><table class=\"facts\">\n");
  add_fact(page, "Images", settings->data.path);
  count_labels(page, page->validation, settings->data.folds > 1 ? "Training, in folds" : "Validation");
  if (page->validation != NULL && json_is_object(json_object_get(page->summary, "repeats"))) {
    begin_fact(page, "Repeats");
    assay_text_print(page->out, "%lld, each with a split and a seed of its own", integer_of(json_object_get(page->summary, "repeats"), "count"));
    end_fact(page);
  }
  count_labels(page, page->test, "Test, held out");
  if (settings->data.width > 0) {
    begin_fact(page, "The network sees");
    assay_text_print(page->out, "%u × %u pixels, %s", settings->data.width, settings->data.height,
                     settings->data.colour == ASSAY_COLOUR_GREY ? "grey" : "in colour");
    end_fact(page);
  }
  add_network(page, settings);
  add_fact(page, "Optimizer", settings->optimizer.plugin->name);
  add_fact(page, "Model", finals[settings->train.final <= ASSAY_FINAL_ENSEMBLE ? settings->train.final : 0]);
  begin_fact(page, "Search");
  html_text(page->out, settings->search.search.plugin->name);
  assay_text_print(page->out, ", %lld trials (%lld complete, %lld pruned, %lld failed) on ", integer_of(page->summary, "trials"),
                   integer_of(json_object_get(page->summary, "counts"), "complete"), integer_of(json_object_get(page->summary, "counts"), "pruned"),
                   integer_of(json_object_get(page->summary, "counts"), "failed"));
  html_text(page->out, page->objective);
  assay_text_print(page->out, "; %.0f s of training", json_number_value(json_object_get(page->summary, "trial_seconds")));
  end_fact(page);
  add_fact(page, "Device", string_of(page->environment, "device"));
  assay_text_add(page->out, "</table></div>\n");
}

static void add_navigation(struct page *page) {
  assay_text_add(page->out, "<nav><a href=\"#metrics\">Metrics</a>");
  if (page->best != NULL) assay_text_add(page->out, "<a href=\"#training\">Training</a>");
  if (page->validation != NULL) assay_text_add(page->out, "<a href=\"#thresholds\">Thresholds</a><a href=\"#errors\">Errors</a>");
  if (page->pictures != NULL) assay_text_add(page->out, "<a href=\"#samples\">Samples</a>");
  if (page->record_count > 1) assay_text_add(page->out, "<a href=\"#search\">Search</a>");
  assay_text_add(page->out, "<a href=\"#solutions\">Solutions</a></nav>\n");
}

int page_headline(struct page *page) {
  const json_t *judgement = headline_of(page), *commonest = json_object_get(judgement, "commonest");
  const bool tested = json_is_object(json_object_get(page->summary, "test"));
  assay_text_add(page->out, "<header><h1>");
  html_text(page->out, assay_path_name(page->sources->folder));
  assay_text_add(page->out, "</h1><p>");
  html_text(page->out, page->sources->settings->data.path);
  assay_text_add(page->out, "</p>\n");
  add_navigation(page);
  assay_text_add(page->out, "</header>\n");
  html_section(page->out, "result", tested ? "Result on the held-out test" : judgement != NULL ? "Result on validation" : "No model yet");
  if (judgement != NULL) {
    add_cards(page, judgement);
    add_target(page);
    assay_text_print(page->out,
                     tested ? "<p>On %lld images that neither training nor search has seen, with 95 %% intervals. Always saying <b>"
                            : "<p>On %lld images, each judged by a model that was not trained on it; optimistic, since the best of all trials is shown and no "
                              "test was held out. "
                              "Always saying <b>",
                     integer_of(judgement, "n"));
    html_text(page->out, string_of(commonest, "class"));
    assay_text_add(page->out, "</b> would be right ");
    html_number(page->out, 100 * json_number_value(json_object_get(commonest, "accuracy")), 1);
    assay_text_add(page->out, " % of the time.</p>\n");
    add_decision(page, judgement);
  }
  add_facts(page);
  html_section_end(page->out);
  return 0;
}
