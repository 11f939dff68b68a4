/* SPDX-License-Identifier: MIT
 *
 * Judging a set of predictions: every metric with its interval, the confusion matrix, the score of always saying the commonest class, and what
 * was missed. The same object serves `test`, `validation` and `assay eval`.
 */
#ifndef ASSAY_REPORT_JUDGEMENT_H
#define ASSAY_REPORT_JUDGEMENT_H

#include "train/predictions.h"

#include <jansson.h>

struct assay_text;

/* {n, METRIC…, intervals: {METRIC: [low, high]}, commonest: {class, accuracy}, confusion: [[…]], classes, wrong: [{path, label, guess, score}]}; null where a
 * number is not defined. Metrics that need a positive class are left out where none is named. Wrong predictions come surest first, at most
 * `wrong_limit`. */
int assay_judgement_build(const struct assay_prediction_set *set, const struct assay_component *metrics, uint32_t metric_count, uint32_t wrong_limit, json_t **judgement,
                          struct assay_status *status);
/* The same for a person. */
void assay_judgement_print(const json_t *judgement, struct assay_text *text);

#endif
