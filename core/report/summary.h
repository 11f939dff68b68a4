/* SPDX-License-Identifier: MIT
 *
 * The summary of a run: the headline is the held-out test; the winner's validation value is marked as optimistic. Everything comes from the study
 * and from predictions.csv, so it can be made again at any time.
 */
#ifndef ASSAY_REPORT_SUMMARY_H
#define ASSAY_REPORT_SUMMARY_H

#include "report/judgement.h"
#include "study/study.h"

struct assay_summary_sources {
  const char *run;         /* folder */
  const char *model;       /* path of the model file; NULL: none yet */
  struct assay_study *study;
  const struct assay_settings *settings;
  const struct assay_settings *winner; /* at the best trial's point; the defaults before there is one */
  const struct assay_prediction_set *predictions; /* of the model; NULL: none yet */
};

/* {run, model, trials, counts, objective, best: {trial, value, params}, baseline, comparison, threshold, decision: {rule, threshold, value, met, temperature,
 * calibrated}, target, validation, test, verdict, repeats, failures}. */
int assay_summary_build(const struct assay_summary_sources *sources, json_t **summary, struct assay_status *status);
void assay_summary_print(const json_t *summary, struct assay_text *text);

#endif
