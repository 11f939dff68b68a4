/* SPDX-License-Identifier: MIT
 *
 * A network on chosen samples alone, for tests that take steps of their own instead of epochs. Private to core/train.
 */
#ifndef ASSAY_TRAIN_DESK_H
#define ASSAY_TRAIN_DESK_H

#include "train/bench.h"
#include "train/sanity.h"

struct assay_desk {
  struct assay_arena *arena;
  struct assay_samples samples;          /* the chosen ones, all of them trained on */
  struct assay_material material;
  struct assay_bench bench;
  float *options;
  double *class_weights;                 /* all 1 */
  uint32_t *numbers;                     /* [count] */
  uint32_t count;
  uint64_t seed;
  uint32_t epoch;                        /* of random keys; a new one each step */
};

/* `chosen`: by sample number; `trained`: how many of them assay_desk_train will be given. Weights start from the seed, or are pretrained. To be closed also after a failure. */
int assay_desk_open(struct assay_session *session, const struct assay_samples *samples, const bool *chosen, uint32_t trained, const struct assay_settings *settings,
                    struct assay_desk *desk, struct assay_status *status);
void assay_desk_close(struct assay_desk *desk);
/* First weights again. */
int assay_desk_restart(struct assay_desk *desk, const struct assay_settings *settings, struct assay_status *status);
/* One step of each batch of the first `count` of desk->numbers at this rate; the mean loss (NaN when it was not finite) and the share that was right before the steps. */
int assay_desk_train(struct assay_desk *desk, uint32_t count, double rate, const struct assay_hooks *hooks, double *loss, double *accuracy, struct assay_status *status);

#endif
