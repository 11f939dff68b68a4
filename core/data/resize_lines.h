/* SPDX-License-Identifier: MIT
 *
 * Private to core/data: the inner loops of the resize, in plain C and for processors with AVX2. Both give the same bits.
 */
#ifndef ASSAY_DATA_RESIZE_LINES_H
#define ASSAY_DATA_RESIZE_LINES_H

#include "data/axis.h"

/* What `middle` is: 8 bits with 8 behind the point, or 16 bits. A shift that makes it of a sum over one axis, and what is a step of one in a sum of it over the other. */
#define ASSAY_RESIZE_SHIFT_8  6
#define ASSAY_RESIZE_SHIFT_16 14
#define ASSAY_RESIZE_UNIT_BITS_8 22
#define ASSAY_RESIZE_UNIT_8   (1u << ASSAY_RESIZE_UNIT_BITS_8)
#define ASSAY_RESIZE_UNIT_16  (257u << 14)

struct assay_resize_lines {
  /* sums[i] += weight * row[i] */
  void (*add_8)(uint32_t *sums, const uint8_t *row, size_t length, uint16_t weight);
  void (*add_16)(uint32_t *sums, const uint16_t *row, size_t length, uint16_t weight);
  /* Sums that are complete, to `middle`, rounded; then they are zeros. */
  void (*round_8)(uint32_t *sums, uint16_t *middle, size_t length);
  void (*round_16)(uint32_t *sums, uint16_t *middle, size_t length);
  /* The axis' outputs, pixels of one or three channels, from a line of `middle`. The axis is padded, and the line has assay_resize_spare samples more, of any value. */
  void (*row_8)(const uint16_t *middle, uint32_t channels, const struct assay_axis *axis, uint8_t *out);
  void (*row_16)(const uint16_t *middle, uint32_t channels, const struct assay_axis *axis, uint8_t *out);
};

/* What the axis of a row is padded to. */
static inline uint32_t assay_resize_multiple(uint32_t channels) { return channels == 1 ? 8 : 2; }
static inline size_t assay_resize_spare(const struct assay_axis *axis, uint32_t channels) { return (size_t)axis->width * channels + 8; }

extern const struct assay_resize_lines assay_resize_lines_plain;
/* The fastest for this processor. */
const struct assay_resize_lines *assay_resize_lines_best(void);

#endif
