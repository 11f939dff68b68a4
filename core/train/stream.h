/* SPDX-License-Identifier: MIT
 *
 * Batches of samples whose pixels do not stay on the device: a thread gathers the next ones while the device works on those before.
 */
#ifndef ASSAY_TRAIN_STREAM_H
#define ASSAY_TRAIN_STREAM_H

#include "train/samples.h"

struct assay_stream;

/* `capacity`: samples of the largest batch. The samples outlive the stream. ASSAY_E_MEMORY. */
int assay_stream_create(const struct assay_samples *samples, uint32_t capacity, struct assay_stream **stream, struct assay_status *status);
void assay_stream_release(struct assay_stream *stream); /* NULL is fine */

/* A batch of zeros, good until the first begins. */
void assay_stream_zeros(const struct assay_stream *stream, const uint8_t **pixels, const int32_t **labels);
/* Begins with the first of `numbers`, which stay as they are until the end: batches of `batch`, each in pieces of `piece`; the last of either may be smaller. */
int assay_stream_begin(struct assay_stream *stream, const uint32_t *numbers, uint32_t count, uint32_t batch, uint32_t piece, struct assay_status *status);
/* The next piece, good until the next call or the end: pixels [capacity, H, W, C] and labels [capacity], of which only the piece's are to be looked at. */
void assay_stream_next(struct assay_stream *stream, const uint8_t **pixels, const int32_t **labels);
/* Ends, whether or not everything was taken, and gives the seconds that the calls to assay_stream_next have waited. 0 when it had not begun. */
double assay_stream_end(struct assay_stream *stream);

#endif
