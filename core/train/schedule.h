/* SPDX-License-Identifier: MIT
 *
 * Schedules of the learning rate: a factor a step. Time runs in epochs and moves with every step, so that a cycle may be as short as one epoch. Where a
 * peer's scheduler is stepped once an epoch, both agree at the epochs' beginnings.
 */
#ifndef ASSAY_TRAIN_SCHEDULE_H
#define ASSAY_TRAIN_SCHEDULE_H

#include "config/plan.h"

/* What the learning rate is multiplied by at step `step` (from 0) of a training of `epochs` epochs with `steps` steps each. First warm-up as a straight line (Goyal et
 * al., 2017), then, over what is left, one of: constant; a factor every few epochs; half a cosine; a straight line; half cosines with warm restarts (Loshchilov
 * and Hutter, "SGDR", 2017); one cycle of two half cosines (Smith and Topin, "Super-convergence", 2018). */
double assay_schedule_factor(const struct assay_train_settings *settings, uint32_t epochs, uint64_t step, uint32_t steps);

/* A refit of `count` epochs, of the `epochs` that were planned, in whole cycles: with warm restarts it goes on to the end of the cycle that it is in (as far as that is
 * planned), since weights are poor while the rate is high. With any other schedule: `count`. */
uint32_t assay_schedule_whole_cycles(const struct assay_train_settings *settings, uint32_t epochs, uint32_t count);

/* How far a momentum of `own` has gone to settings->one_cycle_momentum at that step: down as the learning rate rises, back as it falls. With any other schedule: `own`. */
double assay_schedule_momentum(const struct assay_train_settings *settings, uint32_t epochs, uint64_t step, uint32_t steps, double own);

#endif
