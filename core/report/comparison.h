/* SPDX-License-Identifier: MIT
 *
 * The winner beside the default values, fold by fold.
 */
#ifndef ASSAY_REPORT_COMPARISON_H
#define ASSAY_REPORT_COMPARISON_H

#include "study/study.h"

#include <jansson.h>

struct assay_text;

/* {trial, folds: [{best, baseline, difference}], mean, low, high, better}: differences of the objective, in its own direction, winner minus default; `better`
 * is in how many folds the winner is better. The 95 % interval is that of a paired t-test whose variance is corrected for folds that train on the same images
 * (Nadeau and Bengio, 2003), in repeats of the folds too (Bouckaert and Frank, 2004); null with fewer than two folds. It does not know that the winner was chosen by these very numbers. JSON null when the winner is
 * the default, or one of them has no folds on record. */
json_t *assay_comparison_build(const struct assay_trial_record *best, const struct assay_trial_record *baseline, bool maximise);
void assay_comparison_print(const json_t *comparison, const char *objective, struct assay_text *text);

#endif
