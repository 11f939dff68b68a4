/* SPDX-License-Identifier: MIT
 *
 * What the sections of the report share. Each section is a file with one function that adds it to the page, or nothing where there is nothing to show.
 */
#ifndef ASSAY_REPORT_PAGE_H
#define ASSAY_REPORT_PAGE_H

#include "report/html.h"
#include "report/report.h"

struct page {
  struct assay_text *out;
  struct assay_arena *arena;
  const struct assay_report_sources *sources;
  const json_t *summary;
  json_t *pictures, *environment; /* NULL: not there */
  const struct assay_space *space;
  const struct assay_trial_record *const *records;
  uint32_t record_count;
  const struct assay_trial_record *best; /* NULL: none */
  bool maximise;
  const char *objective;
  const struct assay_prediction_set *test, *validation; /* NULL or with rows */
  struct assay_status *status;
};

extern const char page_style[];

/* A value of an axis as it stands in the INI; never NULL. */
const char *page_value(const struct page *page, uint32_t dimension, double value);

int page_headline(struct page *page);    /* what was trained on what, and how good it is */
int page_metrics(struct page *page);     /* every metric with its interval, and the confusion matrices */
int page_thresholds(struct page *page);  /* ROC, precision-recall, threshold sweep, reliability */
int page_curves_of(struct page *page, const struct assay_trial_record *record); /* the folds of one trial, without a heading */
int page_training(struct page *page);    /* curves of the best trial */
int page_verdict(struct page *page);     /* what the curves say, and what to change */
int page_errors(struct page *page);
int page_samples(struct page *page);
int page_search(struct page *page);      /* history, parallel coordinates, importance, agreement */
int page_solutions(struct page *page);   /* the list of trials with a view of each */

#endif
