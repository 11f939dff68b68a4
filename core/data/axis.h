/* SPDX-License-Identifier: MIT
 *
 * Private to core/data: which inputs make each output along one axis of a resize, and with what weights.
 */
#ifndef ASSAY_DATA_AXIS_H
#define ASSAY_DATA_AXIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ASSAY_TAP_ONE = 1 << 14 /* what the weights of an output add up to, exactly */ };

/* What one output is made of: `count` inputs from `start`. */
struct assay_tap {
  uint32_t start, count;
  size_t weights; /* place of the first in axis.weights */
};

struct assay_axis {
  uint32_t inputs, count; /* of the window; outputs */
  struct assay_tap *taps;
  uint16_t *weights;
  uint16_t *padded;       /* [count][width], see assay_axis_pad; NULL */
  uint32_t width;
  bool linear; /* an output has one or two inputs: the axis grows, or stays, or is not smoothed. Otherwise starts and ends of the outputs rise */
};

/* Outputs `from` … `from + count - 1` of `n` inputs that become `m` outputs; `filter`: enum assay_filter. False when memory is short; release either way. */
bool assay_axis_make(struct assay_axis *axis, uint32_t n, uint32_t m, uint32_t from, uint32_t count, uint32_t filter);
/* Fills `padded`: the weights once more, as many for each output, a multiple of `multiple`; the rest are zeros. False when memory is short. */
bool assay_axis_pad(struct assay_axis *axis, uint32_t multiple);
/* The same outputs of inputs that come in the opposite order. */
void assay_axis_mirror(struct assay_axis *axis);
void assay_axis_release(struct assay_axis *axis);

#endif
