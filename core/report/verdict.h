/* SPDX-License-Identifier: MIT
 *
 * What the curves of a training say: it fits, underfits, overfits or diverges, and which values of the INI to change first.
 *
 * Losses are seen beside that of knowing only how common the classes are: 1 knows nothing more, 0 knows all.
 */
#ifndef ASSAY_REPORT_VERDICT_H
#define ASSAY_REPORT_VERDICT_H

#include "config/plan.h"

#include <jansson.h>

struct assay_arena;
struct assay_text;

/* One fold's curve. Losses that were not finite are NaN. */
struct assay_curve {
  uint32_t repeat, fold;
  uint32_t epoch_count, best_epoch;
  const double *training_loss, *training_accuracy, *validation_loss; /* [epoch_count] */
};

/* Reads a trial's curves.csv; memory from `arena`. ASSAY_E_STORAGE when it cannot be read, ASSAY_E_DATA when it is none. */
int assay_curves_read(const char *path, struct assay_arena *arena, const struct assay_curve **curves, uint32_t *count, struct assay_status *status);

struct assay_verdict_sources {
  const struct assay_curve *curves; /* of the winner's folds */
  uint32_t curve_count;
  const struct assay_settings *settings; /* of the winner */
  double chance_loss;                    /* of always predicting the classes' shares; not above 0: unknown */
  uint32_t image_count;                  /* that were trained on and validated with; 0: not known */
  bool nonfinite;                        /* there are no curves, since losses stopped being finite numbers */
};

/* {verdict: fits, underfits, overfits or diverges, why, training_loss, validation_loss, chance_loss, images, remedies: [{set, value, why}]}; null without
 * curves. The remedies are in the order in which they are worth trying here; `set` is a key as "[train] epochs", null where something else is to be done. */
json_t *assay_verdict_build(const struct assay_verdict_sources *sources);
void assay_verdict_print(const json_t *verdict, struct assay_text *text);

#endif
