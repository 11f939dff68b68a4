/* SPDX-License-Identifier: MIT
 *
 * Pictures sampled bilinearly along a projective map of their own. A work-item a pixel of the result, all channels of it. For the meaning of maps see
 * assay/graph.h. BORDER: 0 zeros beyond the picture, 1 its edge, 2 its mirror image.
 */

#ifndef BORDER
#define BORDER 2
#endif
/* Work-items of a work-group. */
#ifndef GROUP_SIZE
#define GROUP_SIZE 64
#endif

/* From 0 at the centre of the first pixel; brought to where there are pixels, or at most one beyond when there are zeros. */
float brought_in(float at, const float extent) {
#if BORDER == 2
  const float from_edge = at + 0.5f, period = 2.0f * extent;
  const float once = from_edge - period * floor(from_edge / period);
  at = extent - fabs(once - extent) - 0.5f;
#endif
#if BORDER == 0
  return fmin(fmax(at, -1.0f), extent);
#else
  return fmin(fmax(at, 0.0f), extent - 1.0f);
#endif
}

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void warp(__global const float *x, __global const float *maps, __global float *y,
                                                                         const uint samples, const uint channels, const int height, const int width) {
  const uint index = get_global_id(0), pixels = (uint)(height * width);
  if (index >= samples * pixels) return;
  const uint sample = index / pixels, pixel = index % pixels;
  __global const float *map = maps + 9 * sample;
  const float u = (float)(pixel % (uint)width) - 0.5f * (float)(width - 1), v = (float)(pixel / (uint)width) - 0.5f * (float)(height - 1);
  const float z = map[6] * u + map[7] * v + map[8];
  const float column = brought_in((map[0] * u + map[1] * v + map[2]) / z + 0.5f * (float)(width - 1), (float)width);
  const float line = brought_in((map[3] * u + map[4] * v + map[5]) / z + 0.5f * (float)(height - 1), (float)height);
  const float right = column - floor(column), bottom = line - floor(line);
  const int x0 = (int)floor(column), y0 = (int)floor(line), x1 = x0 + 1, y1 = y0 + 1;
  const int left_column = clamp(x0, 0, width - 1), right_column = clamp(x1, 0, width - 1);
  const int top_line = clamp(y0, 0, height - 1), bottom_line = clamp(y1, 0, height - 1);
  const float left_weight = left_column == x0 ? 1.0f - right : 0.0f, right_weight = right_column == x1 ? right : 0.0f;
  const float top_weight = top_line == y0 ? 1.0f - bottom : 0.0f, bottom_weight = bottom_line == y1 ? bottom : 0.0f;
  for (uint channel = 0; channel < channels; channel++) {
    const uint plane = (sample * channels + channel) * pixels;
    __global const float *from = x + plane;
    y[plane + pixel] = top_weight * (left_weight * from[top_line * width + left_column] + right_weight * from[top_line * width + right_column]) +
                       bottom_weight * (left_weight * from[bottom_line * width + left_column] + right_weight * from[bottom_line * width + right_column]);
  }
}
