/* SPDX-License-Identifier: MIT
 *
 * What the curves say, and which values of the INI are worth changing first.
 */
#include "report/page.h"

#include <string.h>

static const char *string_of(const json_t *object, const char *key) { return json_string_value(json_object_get(object, key)); }

static void add_remedy(struct page *page, const json_t *remedy) {
  const char *set = string_of(remedy, "set"), *value = string_of(remedy, "value");
  assay_text_add(page->out, "<li>");
  if (set != NULL) {
    assay_text_add(page->out, "<code>");
    html_text(page->out, set);
    if (value != NULL) assay_text_add(page->out, " = ");
    html_text(page->out, value);
    assay_text_add(page->out, "</code>: ");
  }
  html_text(page->out, string_of(remedy, "why"));
  assay_text_add(page->out, "</li>\n");
}

int page_verdict(struct page *page) {
  const json_t *verdict = json_object_get(page->summary, "verdict"), *remedies = json_object_get(verdict, "remedies");
  const char *name = string_of(verdict, "verdict");
  if (name == NULL) return 0;
  html_section(page->out, "verdict", "Verdict of the curves");
  assay_text_print(page->out, "<p><span class=\"badge %s\">", strcmp(name, "fits") == 0 ? "met" : "missed");
  html_text(page->out, name);
  assay_text_add(page->out, "</span> ");
  html_text(page->out, string_of(verdict, "why"));
  assay_text_add(page->out, "</p>\n");
  if (json_array_size(remedies) > 0) {
    assay_text_add(page->out, "<p>Worth trying, in this order:</p><ol>\n");
    for (size_t i = 0; i < json_array_size(remedies); i++) add_remedy(page, json_array_get(remedies, i));
    assay_text_add(page->out, "</ol>\n");
  }
  html_section_end(page->out);
  return 0;
}
