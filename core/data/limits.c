/* SPDX-License-Identifier: MIT */
#include "data/limits.h"

#include <string.h>

enum { SIDE = ASSAY_LIMITS_SIDE, BRIGHT = 245, DARK = 8 /* of 255: a little inside of the limits, as compression smears them */ };

#define FIND_LIMITS(name, type, shift)                                                                                                                         \
  static uint8_t name(const type *samples, size_t count) {                                                                                                     \
    type most = 0, least = (type)~0;                                                                                                                           \
    for (size_t i = 0; i < count; i++) {                                                                                                                       \
      most = samples[i] > most ? samples[i] : most;                                                                                                            \
      least = samples[i] < least ? samples[i] : least;                                                                                                         \
    }                                                                                                                                                          \
    return (uint8_t)((most >> (shift) >= BRIGHT ? ASSAY_LIMIT_BRIGHT : 0) | (least >> (shift) <= DARK ? ASSAY_LIMIT_DARK : 0));                                \
  }
FIND_LIMITS(find_limits_8, uint8_t, 0)
FIND_LIMITS(find_limits_16, uint16_t, 8)

/* A cell of the stored picture in the upright one; see the orientations in fitter.c. */
static uint32_t upright(uint32_t orientation, uint32_t across, uint32_t down) {
  if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8) across = SIDE - 1 - across;
  if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7) down = SIDE - 1 - down;
  return orientation >= 5 ? across * SIDE + down : down * SIDE + across;
}

void assay_limits_note(const struct assay_stored *stored, uint32_t y, const void *row, uint8_t *limits) {
  uint8_t cells[SIDE];
  for (uint32_t across = 0; across < SIDE; across++) {
    const size_t start = (size_t)stored->width * across / SIDE, end = (size_t)stored->width * (across + 1) / SIDE;
    const size_t first = start * stored->channels, count = (end > start ? end - start : 1) * stored->channels; /* a cell has a pixel at least */
    cells[across] = stored->depth == 8 ? find_limits_8((const uint8_t *)row + first, count) : find_limits_16((const uint16_t *)row + first, count);
  }
  const uint32_t start = (uint32_t)((uint64_t)y * SIDE / stored->height), end = (uint32_t)(((uint64_t)y + 1) * SIDE / stored->height);
  for (uint32_t down = start; down < end || down == start; down++)
    for (uint32_t across = 0; across < SIDE; across++) limits[upright(stored->orientation, across, down)] |= cells[across];
}
