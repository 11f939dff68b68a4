/* SPDX-License-Identifier: MIT
 *
 * What frozen layers make of the samples, computed once and kept on the device: for all epochs, and for the next folds and trials as long as those layers and
 * their weights are the same.
 */
#ifndef ASSAY_TRAIN_FEATURES_H
#define ASSAY_TRAIN_FEATURES_H

#include "base/hash.h"
#include "train/runner.h"

struct assay_features {
  struct assay_residency residency; /* `pixels` are f32 [count, …]; rows of the samples that are not for the test */
  struct assay_hash key;            /* of layers and weights; what they were made by */
  uint64_t bytes;                   /* a sample; 0: nothing was computed yet */
};

/* Samples that are trained on or validated with. */
uint32_t assay_features_count(const struct assay_samples *samples);
/* Fills runner->features for the weights at hand, when the network trains on features and they are not there yet. */
int assay_features_settle(struct assay_runner *runner, const float *options, struct assay_status *status);
void assay_features_release(struct assay_features *features, const struct assay_backend *backend);

#endif
