/* SPDX-License-Identifier: MIT
 *
 * What frozen layers make of the samples, computed once and kept: for all epochs, and for the next folds and trials as long as what makes it stays the same.
 * It lies on the device, or on the host, from where batches of it are sent, as the network was built.
 */
#ifndef ASSAY_TRAIN_FEATURES_H
#define ASSAY_TRAIN_FEATURES_H

#include "base/hash.h"
#include "train/residency.h"

struct assay_network;
struct assay_runner;

struct assay_features {
  struct assay_samples samples;     /* those that are not for the test, with a row of numbers (f32) in place of pixels */
  const uint8_t **rows;             /* their pixels; NULL: nothing was prepared */
  float *host;                      /* what they point into; NULL: it lies on the device, or was not computed yet */
  struct assay_residency residency;
  uint64_t taken;                   /* of the session's memory */
  struct assay_hash key;            /* of layers, options and weights that the rows were made by */
  bool there;                       /* they were */
};

/* Samples that are trained on or validated with. */
uint32_t assay_features_count(const struct assay_samples *samples);
/* To be called before a runner of such a network is made. ASSAY_E_MEMORY when the session has no room for what is to lie on the device. */
int assay_features_prepare(struct assay_features *features, struct assay_session *session, const struct assay_samples *samples,
                           const struct assay_network *network, struct assay_status *status);
/* Computes what the runner's network keeps, for the weights at hand, unless it is there already. */
int assay_features_settle(struct assay_runner *runner, const float *options, struct assay_status *status);
void assay_features_release(struct assay_features *features, struct assay_session *session);

#endif
