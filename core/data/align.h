/* SPDX-License-Identifier: MIT
 *
 * Private to core/data: is one small grey picture the other one, slightly cropped, scaled, or changed in brightness and contrast?
 */
#ifndef ASSAY_DATA_ALIGN_H
#define ASSAY_DATA_ALIGN_H

#include <stdbool.h>
#include <stdint.h>

/* A print: brightness at 64 × 64 pixels, then the cells of light at its limits (limits.h) at 32 × 32. */
enum {
  ASSAY_PRINT_SIDE = 64,
  ASSAY_PRINT_AREA = ASSAY_PRINT_SIDE * ASSAY_PRINT_SIDE,
  ASSAY_PRINT_SIZE = ASSAY_PRINT_AREA + ASSAY_PRINT_AREA / 4
};

/* Where a point of the target lies in the source, both from -1 to 1 along each axis: x * (1 + scale_x) + shift_x. */
struct assay_warp {
  double scale_x, shift_x, scale_y, shift_y;
};

/* A picture at 64, 32 and 16 pixels a side. */
struct assay_pyramid {
  float levels[3][ASSAY_PRINT_AREA];
  uint8_t limits[3][ASSAY_PRINT_AREA];
};
void assay_pyramid_fill(const uint8_t *print, struct assay_pyramid *pyramid);

/* How much of what makes the target different from the common picture is left unexplained by the source: root mean square over all of it, and over the worst of
 * 8 × 8 blocks; 0 for a perfect copy, about 1 or more for a stranger. */
struct assay_likeness {
  double whole, worst;
};
/* Finds warp, gain and offset that bring `source` onto `target` (Lucas and Kanade, "An iterative image registration technique", 1981, from coarse to fine), from
 * `start`, and compares. `common`: what the pictures of the set have in common, such as their mean. With `within_limits`, places where light is at its limits
 * have no say in warp, gain and offset. Either way a difference that comes of light that was cut off does not count, and neither does as much of what makes the target special. */
struct assay_likeness assay_align(const struct assay_pyramid *source, const struct assay_pyramid *target, const struct assay_pyramid *common,
                                  struct assay_warp start, bool within_limits);
/* Weights of the 64 places along an axis of a picture that is seen through a warp, as weights of the places of the picture itself; outside of it the edge goes on. */
void assay_warp_weights(double scale, double shift, const float *weights, float *warped);

#endif
