/* SPDX-License-Identifier: MIT
 *
 * Pictures: the worst errors with where the model looked, and samples of each class. They come from pictures.json, which the final training has left.
 */
#include "report/page.h"

#include <math.h>
#include <string.h>

enum { MOST_LISTED = 60 };

static const char *string_of(const json_t *object, const char *key) { return json_string_value(json_object_get(object, key)); }

static void add_error_picture(struct page *page, const json_t *error) {
  assay_text_add(page->out, "<figure><div class=\"pair\">");
  html_jpeg(page->out, string_of(error, "image"), string_of(error, "path"));
  html_jpeg(page->out, string_of(error, "heat"), "where the model looked");
  assay_text_add(page->out, "</div><figcaption>is <b>");
  html_text(page->out, string_of(error, "label"));
  assay_text_add(page->out, "</b>, taken for <b>");
  html_text(page->out, string_of(error, "guess"));
  assay_text_add(page->out, "</b> (");
  html_json_number(page->out, json_object_get(error, "score"), 3);
  assay_text_add(page->out, ")");
  if (string_of(error, "method") != NULL) {
    assay_text_add(page->out, ", ");
    html_text(page->out, string_of(error, "method"));
  }
  assay_text_add(page->out, "<br>");
  html_text(page->out, string_of(error, "path"));
  assay_text_add(page->out, "</figcaption></figure>\n");
}

static void list_errors(struct page *page, const json_t *judgement, const char *part) {
  const json_t *wrong = json_object_get(judgement, "wrong");
  const size_t count = json_array_size(wrong);
  if (count == 0) return;
  assay_text_print(
      page->out,
      "<details><summary>All %lld wrong of the %s, surest first</summary><div class=\"scroll\"><table class=\"words\"><tr><th>image</th><th>is</th><th>taken "
      "for</th><th>score</th></tr>\n",
      (long long)json_integer_value(json_object_get(judgement, "wrong_count")), part);
  for (size_t i = 0; i < count && i < MOST_LISTED; i++) {
    const json_t *row = json_array_get(wrong, i);
    assay_text_add(page->out, "<tr>");
    html_element(page->out, "td", NULL, string_of(row, "path"));
    html_element(page->out, "td", NULL, string_of(row, "label"));
    html_element(page->out, "td", NULL, string_of(row, "guess"));
    assay_text_add(page->out, "<td>");
    html_json_number(page->out, json_object_get(row, "score"), 3);
    assay_text_add(page->out, "</td></tr>\n");
  }
  assay_text_add(page->out, "</table></div>");
  if (count > MOST_LISTED) assay_text_print(page->out, "<p class=\"note\">The first %d; errors.csv has all.</p>", MOST_LISTED);
  assay_text_add(page->out, "</details>\n");
}

int page_errors(struct page *page) {
  const json_t *test = json_object_get(page->summary, "test"), *validation = json_object_get(page->summary, "validation"),
               *errors = json_object_get(page->pictures, "errors");
  if (page->validation == NULL) return 0;
  html_section(page->out, "errors", "Worst errors");
  const size_t count = json_array_size(errors);
  const bool tested = json_is_object(test);
  if (count > 0) {
    assay_text_add(
        page->out,
        tested ? "<p>Test images that the model got wrong, those it was surest of first; beside each what spoke for its guess, the brighter the more.</p>\n"
               : "<p>Images that were wrong out of fold, surest first.</p>\n");
    assay_text_add(page->out, "<div class=\"pictures\">\n");
    for (size_t i = 0; i < count; i++) add_error_picture(page, json_array_get(errors, i));
    assay_text_add(page->out, "</div>\n");
  } else if (json_integer_value(json_object_get(tested ? test : validation, "wrong_count")) == 0) {
    assay_text_print(page->out, "<p>None: every %s image was right.</p>\n", tested ? "test" : "validation");
  }
  list_errors(page, test, "test");
  list_errors(page, validation, "validation");
  html_section_end(page->out);
  return 0;
}

int page_samples(struct page *page) {
  const json_t *samples = json_object_get(page->pictures, "samples");
  const char *class = NULL;
  if (json_array_size(samples) == 0) return 0;
  html_section(page->out, "samples", "Samples of each class");
  assay_text_add(page->out, "<p class=\"note\">Training images as the network sees them.</p>\n");
  for (size_t i = 0; i < json_array_size(samples); i++) {
    const json_t *sample = json_array_get(samples, i);
    const char *label = string_of(sample, "label");
    if (label == NULL) continue;
    if (class == NULL || strcmp(class, label) != 0) {
      if (class != NULL) assay_text_add(page->out, "</div>\n");
      html_element(page->out, "h3", NULL, label);
      assay_text_add(page->out, "<div class=\"samples\">");
      class = label;
    }
    assay_text_add(page->out, "<figure>");
    html_jpeg(page->out, string_of(sample, "image"), string_of(sample, "path"));
    assay_text_add(page->out, "</figure>");
  }
  if (class != NULL) assay_text_add(page->out, "</div>\n");
  html_section_end(page->out);
  return 0;
}
