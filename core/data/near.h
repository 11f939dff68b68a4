/* SPDX-License-Identifier: MIT
 *
 * Private to core/data: pictures that are almost the same: saved again, brightened, scaled, slightly cropped.
 *
 * Each picture has a print: its brightness at 64 × 64 pixels. What all of the set have in common is taken out of it, since the pictures of one camera are all
 * alike; what is left is hashed by the lowest frequencies of its cosine transform, as it is and for crops by 3, 6 and 10 %. Pairs whose hashes correlate are aligned and
 * compared pixel by pixel (align.h).
 */
#ifndef ASSAY_DATA_NEAR_H
#define ASSAY_DATA_NEAR_H

#include "data/align.h"

#include <stdbool.h>
#include <stdint.h>

/* Smaller pictures have too little detail to tell a copy from one that is merely alike. */
enum { ASSAY_PRINT_LEAST_SIDE = 64 };
static inline bool assay_print_wanted(uint32_t width, uint32_t height) { return width >= ASSAY_PRINT_LEAST_SIDE && height >= ASSAY_PRINT_LEAST_SIDE; }

struct assay_near_pair {
  uint32_t first, second; /* places in the list of prints; first < second */
  float whole, worst;     /* see align.h */
};

/* The pairs, sorted, malloc'ed. False when memory is short. */
bool assay_near_find(const uint8_t *const *prints, uint32_t count, uint32_t threads, struct assay_near_pair **pairs, uint32_t *pair_count);

#endif
