/* SPDX-License-Identifier: MIT
 *
 * How far the out-of-fold result moves from one repeat of the folds to the next.
 */
#ifndef ASSAY_REPORT_REPEATS_H
#define ASSAY_REPORT_REPEATS_H

#include "train/predictions.h"

#include <jansson.h>

struct assay_text;

/* Of out-of-fold predictions: {count, metrics: {NAME: {mean, deviation, values}}}, each repeat judged by itself as the predictions were decided; the deviation is that of
 * the sample, numbers that are not defined are null. JSON null without repeats. `deviation` says how much split and seed matter; how much the choice of images does, the
 * intervals of the judgement say. ASSAY_E_MEMORY. */
int assay_repeats_build(const struct assay_prediction_set *set, const struct assay_component *metrics, uint32_t metric_count, json_t **repeats, struct assay_status *status);
void assay_repeats_print(const json_t *repeats, struct assay_text *text);

/* How the objective moved over a trial's repeats, from its folds on record (`assay:folds`): mean and deviation of the repeats' means. False with fewer than two. */
bool assay_repeats_of_folds(const json_t *folds, uint32_t *count, double *mean, double *deviation);

#endif
