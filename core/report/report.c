/* SPDX-License-Identifier: MIT */
#include "report/report.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/status.h"
#include "report/page.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_PICTURES ((size_t)64 << 20)

/* ---- What is read ---- */

static json_t *read_json(const struct page *page, const char *name) {
  const char *path = assay_path_join(page->arena, page->sources->folder, name);
  char *text;
  size_t size;
  if (path == NULL || !assay_file_exists(path) || assay_file_read(path, MOST_PICTURES, ASSAY_E_DATA, &text, &size, NULL) != 0) return NULL;
  json_t *object = json_loadb(text, size, 0, NULL);
  free(text);
  return object;
}

const char *page_value(const struct page *page, uint32_t dimension, double value) {
  if (isnan(value)) return "";
  const struct assay_dimension *axis = page->space->dimensions[dimension];
  const char *text = axis->kind == ASSAY_DOMAIN_REAL ? assay_arena_print(page->arena, "%.4g", value)
                                                     : assay_study_value_text(page->sources->study, dimension, value, page->arena);
  return text != NULL ? text : "";
}

/* ---- The page ---- */

static void add_head(struct page *page) {
  assay_text_add(
      page->out,
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n<title>");
  html_text(page->out, assay_path_name(page->sources->folder));
  assay_text_add(page->out, " – Assay</title>\n<style>\n");
  assay_text_add(page->out, page_style);
  assay_text_add(page->out, "</style>\n</head>\n<body>\n<main>\n");
}

static void add_foot(struct page *page) {
  if (page->sources->configuration != NULL) {
    html_section(page->out, "configuration", "Configuration of the model");
    assay_text_add(page->out, "<details><summary>Every value, as an INI file that trains it again</summary><pre>");
    html_text(page->out, page->sources->configuration);
    assay_text_add(page->out, "</pre></details>\n");
    html_section_end(page->out);
  }
  assay_text_add(page->out, "<footer>Every number can be computed again from predictions.csv, thresholds.csv and study.db in the run folder. Written by Assay");
  const char *version = json_string_value(json_object_get(page->environment, "assay"));
  if (version != NULL) assay_text_add(page->out, " ");
  html_text(page->out, version);
  assay_text_add(page->out, ".</footer>\n</main>\n</body>\n</html>\n");
}

static int add_sections(struct page *page) {
  static int (*const sections[])(struct page *) = {page_headline, page_metrics, page_training, page_verdict,  page_thresholds,
                                                   page_errors,   page_samples, page_search,   page_solutions};
  int code = 0;
  add_head(page);
  for (size_t i = 0; code == 0 && i < sizeof sections / sizeof *sections; i++) code = sections[i](page);
  if (code == 0) add_foot(page);
  return code;
}

/* A part's rows; NULL when there are none. */
static int select_part(struct page *page, int part, struct assay_prediction_set **rows) {
  *rows = NULL;
  if (page->sources->predictions == NULL) return 0;
  *rows = assay_predictions_select(page->sources->predictions, part, -2);
  if (*rows == NULL) return assay_status_memory(page->status);
  if ((*rows)->count > 0) return 0;
  assay_predictions_release(*rows);
  *rows = NULL;
  return 0;
}

static int fill_page(struct page *page) {
  struct assay_study *study = page->sources->study;
  page->space = assay_study_space(study);
  page->maximise = assay_study_maximises(study);
  page->objective = page->sources->settings->search.objective.name;
  page->pictures = read_json(page, "pictures.json");
  page->environment = read_json(page, "environment.json");
  int code = assay_study_list(study, page->arena, &page->records, &page->record_count, page->status);
  return code == 0 ? assay_study_best(study, page->arena, &page->best, page->status) : code;
}

int assay_report_write(const struct assay_report_sources *sources, const char *path, struct assay_status *status) {
  struct assay_text text = {0};
  struct page page = {.out = &text, .arena = assay_arena_create(), .sources = sources, .summary = sources->summary, .status = status};
  struct assay_prediction_set *test = NULL, *validation = NULL;
  int code = page.arena == NULL ? assay_status_memory(status) : fill_page(&page);
  if (code == 0) code = select_part(&page, ASSAY_PART_TEST, &test);
  if (code == 0) code = select_part(&page, ASSAY_PART_VALIDATION, &validation);
  page.test = test;
  page.validation = validation;
  if (code == 0) code = add_sections(&page);
  if (code == 0) code = text.failed ? assay_status_memory(status) : assay_file_write(path, text.data, text.length, status);
  assay_predictions_release(test);
  assay_predictions_release(validation);
  json_decref(page.pictures);
  json_decref(page.environment);
  assay_text_release(&text);
  assay_arena_release(page.arena);
  return code;
}
