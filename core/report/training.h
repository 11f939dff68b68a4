/* SPDX-License-Identifier: MIT
 *
 * The part of a summary that is about how the winner was trained: the verdict from its curves, and what other seeds made of it.
 */
#ifndef ASSAY_REPORT_TRAINING_H
#define ASSAY_REPORT_TRAINING_H

#include "report/summary.h"

/* Adds `verdict` (see report/verdict.h) and `repeats`: {count, metrics: {NAME: {mean, deviation, values}}} with the sample's standard deviation, null for a single training. */
int assay_training_add(json_t *summary, const struct assay_summary_sources *sources, struct assay_arena *arena, struct assay_status *status);
void assay_training_print(const json_t *summary, struct assay_text *text);

#endif
