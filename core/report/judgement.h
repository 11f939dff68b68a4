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

/* {n, judged, METRIC…, intervals: {METRIC: [low, high]}, commonest: {class, accuracy}, confusion: [[…]], classes, reliability: [{from, to, n, score, right}],
 * wrong: [{path, label, guess, score}]}; null where a number is not defined. `n` counts images and `judged` their judgements, more than one each where there were repeats;
 * all of them are in the metrics and in the confusion matrix. Metrics that need a positive class are left out where none is named. Wrong predictions come surest first, at
 * most `wrong_limit`. */
int assay_judgement_build(const struct assay_prediction_set *set, const struct assay_component *metrics, uint32_t metric_count, uint32_t wrong_limit,
                          json_t **judgement, struct assay_status *status);
/* Rows that were guessed wrong, surest first; of an image that was wrong in several repeats the surest. Malloc'ed; NULL when memory is short. */
uint32_t *assay_judgement_wrong(const struct assay_prediction_set *set, uint32_t *count);
/* errors.csv: path,part,repeat,fold,label,guess,score,loss of those rows: the test's first, then the out-of-fold ones. ASSAY_E_STORAGE. */
int assay_errors_write(const struct assay_prediction_set *set, const char *path, struct assay_status *status);

/* Whether the judgement of `part` ("test", "validation") reaches [judge] target: {rule, part, value, interval, met}; JSON null without a target. */
json_t *assay_judgement_target(const json_t *judgement, const char *part, const struct assay_judge_settings *judge);
/* ASSAY_E_FINDINGS with a sentence when it is there and missed. */
int assay_judgement_heed_target(const json_t *target, struct assay_status *status);
void assay_judgement_print_target(const json_t *target, struct assay_text *text);

/* Counts are shown without digits behind the point: value and both ends of the interval are whole. */
bool assay_judgement_is_count(const json_t *value, const json_t *interval);
/* The same for a person. */
void assay_judgement_print(const json_t *judgement, struct assay_text *text);

#endif
