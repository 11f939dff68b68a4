/* SPDX-License-Identifier: MIT
 *
 * Batches for backends whose data set does not stay on the device: the order of an epoch, and rows of the cache gathered into one buffer.
 */
#ifndef ASSAY_DATA_BATCH_H
#define ASSAY_DATA_BATCH_H

#include "data/data.h"

/* Puts `samples` into the order of epoch `epoch`: a permutation that depends on the list as given, the seed and the epoch alone (Fisher and Yates, Philox). */
void assay_batch_shuffle(uint32_t *samples, uint32_t count, uint64_t seed, uint64_t epoch);

/* Copies the pixels of `count` samples to `buffer`: capacity × H × W × C bytes, the rows past `count` zero. ASSAY_E_FAILED when a sample has no pixels. */
int assay_batch_gather(const struct assay_cache *cache, const uint32_t *samples, uint32_t count, uint32_t capacity, uint8_t *buffer,
                       struct assay_status *status);

#endif
