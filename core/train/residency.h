/* SPDX-License-Identifier: MIT
 *
 * A data set on the device, one row a sample; and where batches of it come from, whether it is there or not.
 */
#ifndef ASSAY_TRAIN_RESIDENCY_H
#define ASSAY_TRAIN_RESIDENCY_H

#include "graph/session.h"
#include "train/samples.h"
#include "train/stream.h"

/* Without any (count 0) each batch is sent. */
struct assay_residency {
  uint32_t count;
  uint32_t *rows; /* by sample number: row on the device; not looked at when count is 0 */
  struct assay_buffer *pixels, *labels;
};

/* Samples that have pixels. */
uint32_t assay_samples_usable(const struct assay_samples *samples);
/* Bytes of a sample's pixels. */
uint64_t assay_samples_bytes(const struct assay_samples *samples);

/* Sends all usable samples. ASSAY_E_MEMORY when the device has no room; then there is no residency. */
int assay_residency_create(struct assay_session *session, const struct assay_samples *samples, struct assay_residency *residency, struct assay_status *status);
/* Leaves one without samples behind. */
void assay_residency_release(struct assay_residency *residency, const struct assay_backend *backend);

/* What functions are fed as samples: the whole residency and the rows of their batch, or the batch. */
struct assay_source {
  const struct assay_samples *samples;     /* NULL: there is no such source */
  const struct assay_residency *residency; /* NULL: batches are sent … */
  struct assay_stream *stream;
  struct assay_buffer *pixels, *labels;    /* … through these */
};

#endif
