/* SPDX-License-Identifier: MIT
 *
 * Images as training sees them: the same graph of augmentation, on the same backend, with the keys of an epoch.
 */
#ifndef ASSAY_TRAIN_PREVIEW_H
#define ASSAY_TRAIN_PREVIEW_H

#include "graph/session.h"
#include "train/samples.h"

/* Augments samples `numbers` as in epoch `epoch` with settings->augment. `out`: count * height * width * channels bytes; [count, H, W, C]. What cutout fills in is the mean
 * colour of all samples (or black, as `normalise` says). */
int assay_preview_augment(struct assay_session *session, const struct assay_settings *settings, const struct assay_samples *samples, const uint32_t *numbers,
                          uint32_t count, uint32_t epoch, uint8_t *out, struct assay_status *status);

#endif
