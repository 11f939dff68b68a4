/* SPDX-License-Identifier: MIT
 *
 * The part of a summary that is about how the winner was trained: the verdict from its curves.
 */
#ifndef ASSAY_REPORT_TRAINING_H
#define ASSAY_REPORT_TRAINING_H

#include "report/summary.h"

/* Adds `verdict`; see report/verdict.h. */
int assay_training_add(json_t *summary, const struct assay_summary_sources *sources, struct assay_arena *arena, struct assay_status *status);

#endif
