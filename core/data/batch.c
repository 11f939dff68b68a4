/* SPDX-License-Identifier: MIT */
#include "data/batch.h"

#include "base/status.h"

#include <assay/random.h>
#include <string.h>

void assay_batch_shuffle(uint32_t *samples, uint32_t count, uint64_t seed, uint64_t epoch) {
  struct assay_random random = assay_random_seed(seed, epoch);
  for (uint32_t i = count; i > 1; i--) {
    const uint32_t j = assay_random_below(&random, i), swap = samples[i - 1];
    samples[i - 1] = samples[j];
    samples[j] = swap;
  }
}

int assay_batch_gather(const struct assay_cache *cache, const uint32_t *samples, uint32_t count, uint32_t capacity, uint8_t *buffer,
                       struct assay_status *status) {
  uint32_t width, height, channels;
  assay_cache_extents(cache, &width, &height, &channels);
  const size_t row = (size_t)width * height * channels;
  for (uint32_t i = 0; i < count; i++) {
    const uint8_t *pixels = assay_cache_pixels(cache, samples[i]);
    if (pixels == NULL) return assay_status_set(status, ASSAY_E_FAILED, "sample %u has no pixels in the cache", samples[i]);
    memcpy(buffer + i * row, pixels, row);
  }
  if (capacity > count) memset(buffer + count * row, 0, (capacity - count) * row);
  return 0;
}
