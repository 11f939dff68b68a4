/* SPDX-License-Identifier: MIT
 *
 * What an epoch trains on: every training sample, and those of rare classes again. Validation and test keep the classes as they are.
 */
#ifndef ASSAY_TRAIN_OVERSAMPLE_H
#define ASSAY_TRAIN_OVERSAMPLE_H

#include "train/samples.h"

/* How many samples an epoch over `numbers` has when each class is repeated until it has `share` (0 … 1) of the largest class's count. */
uint32_t assay_epoch_size(const struct assay_samples *samples, const uint32_t *numbers, uint32_t count, double share);
/* Fills them in: each sample as often as the others of its class, or once more, as drawn from seed and epoch; in no useful order. `order` has room for
 * assay_epoch_size. ASSAY_E_MEMORY. */
int assay_epoch_fill(const struct assay_samples *samples, const uint32_t *numbers, uint32_t count, double share, uint64_t seed, uint32_t epoch, uint32_t *order,
                     struct assay_status *status);

#endif
