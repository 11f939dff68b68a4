/* SPDX-License-Identifier: MIT
 *
 * Warnings about what a network is going to see: what the size and [augment] may do to these images. Rules of thumb, each one sentence that names the key.
 */
#ifndef ASSAY_REPORT_ADVICE_H
#define ASSAY_REPORT_ADVICE_H

#include "train/samples.h"

struct assay_advice {
  uint32_t count;
  const char *sentences[24];
};

/* `width`, `height`: the commonest size of the files as stored. `originals`, `augmented`: the same `pictures` images before and after, height * width *
 * channels bytes each. Sentences come from `arena`. */
int assay_advise(const struct assay_settings *settings, const struct assay_samples *samples, uint32_t width, uint32_t height, const uint8_t *originals,
                 const uint8_t *augmented, uint32_t pictures, struct assay_arena *arena, struct assay_advice *advice, struct assay_status *status);

#endif
