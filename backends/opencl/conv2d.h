/* SPDX-License-Identifier: MIT
 *
 * The shape of a convolution, as the files that lower convolutions share it.
 */
#ifndef ASSAY_OPENCL_CONV2D_H
#define ASSAY_OPENCL_CONV2D_H

#include "backends/opencl/lower.h"

/* Channels are those of one group. */
struct assay_cl_conv2d_shape {
  int64_t samples, groups, input_channels, output_channels, input[2], output[2], kernel[2];
};

/* depthwise.c: with one input channel a group. */
void assay_cl_lower_depthwise(struct assay_cl_lowering *lowering, const struct assay_node *node, const struct assay_cl_conv2d_shape *shape, const struct assay_cl_tail *tail);

#endif
