/* SPDX-License-Identifier: MIT
 *
 * Pooling over the last two axes of planes [planes, height, width], and its gradients. The forward kernels have a work-item an output. The gradients have one a run (runs.cl) of input pixels
 * that are `stride_x` apart: the same taps of a window meet all of them, and the windows that these lead to lie side by side. Pixels collect from all windows that cover them, so
 * nothing is added to memory by two. The maximum's residual is the winner's place in its plane, y * input_width + x.
 */
#include "runs.cl"

/* Work-items of a work-group. */
#ifndef GROUP_SIZE
#define GROUP_SIZE 64
#endif

#define SHAPE_PARAMETERS                                                                                                                                       \
  const int planes, const int input_height, const int input_width, const int output_height, const int output_width, const int kernel_height,                    \
      const int kernel_width, const int stride_y, const int stride_x, const int pad_y, const int pad_x

#define POOL2D_KERNEL __kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void

POOL2D_KERNEL max_pool2d(__global const float *x, __global float *y, __global int *residual, SHAPE_PARAMETERS) {
  const int index = get_global_id(0);
  if (index >= planes * output_height * output_width) return;
  const int output_x = index % output_width, output_y = index / output_width % output_height, plane = index / output_width / output_height;
  const int top = output_y * stride_y - pad_y, left = output_x * stride_x - pad_x;
  __global const float *image = x + (size_t)plane * input_height * input_width;
  float best = -INFINITY;
  int winner = -1;
  for (int input_y = max(top, 0); input_y < min(top + kernel_height, input_height); input_y++)
    for (int input_x = max(left, 0); input_x < min(left + kernel_width, input_width); input_x++) {
      const float value = image[input_y * input_width + input_x];
      if (winner < 0 || value > best || (isnan(value) && !isnan(best))) {
        best = value;
        winner = input_y * input_width + input_x;
      }
    }
  y[index] = best;
  residual[index] = winner;
}

/* How many numbers the mean of a window is taken over: all places of the kernel, or those within the image. */
float window_size(const int top, const int left, const int input_height, const int input_width, const int kernel_height, const int kernel_width,
                  const int count_padding) {
  if (count_padding) return (float)(kernel_height * kernel_width);
  const int rows = min(top + kernel_height, input_height) - max(top, 0), columns = min(left + kernel_width, input_width) - max(left, 0);
  return (float)(max(rows, 1) * max(columns, 1));
}

POOL2D_KERNEL avg_pool2d(__global const float *x, __global float *y, const int count_padding, SHAPE_PARAMETERS) {
  const int index = get_global_id(0);
  if (index >= planes * output_height * output_width) return;
  const int output_x = index % output_width, output_y = index / output_width % output_height, plane = index / output_width / output_height;
  const int top = output_y * stride_y - pad_y, left = output_x * stride_x - pad_x;
  __global const float *image = x + (size_t)plane * input_height * input_width;
  float sum = 0.0f;
  for (int input_y = max(top, 0); input_y < min(top + kernel_height, input_height); input_y++)
    for (int input_x = max(left, 0); input_x < min(left + kernel_width, input_width); input_x++) sum += image[input_y * input_width + input_x];
  y[index] = sum / window_size(top, left, input_height, input_width, kernel_height, kernel_width, count_padding);
}

/* The run of input pixels of this item: pixels first_x, first_x + stride_x, … of a row; `runs` a row and phase. */
struct pixels {
  int plane, y, first_x, phase, run;
};
INLINE struct pixels pixels_of(const int index, const int runs, const int stride_x, const int input_height) {
  struct pixels pixels;
  pixels.run = index % runs * RUN;
  pixels.phase = index / runs % stride_x;
  pixels.first_x = pixels.phase + pixels.run * stride_x;
  pixels.y = index / runs / stride_x % input_height;
  pixels.plane = index / runs / stride_x / input_height;
  return pixels;
}

INLINE void store_pixels(__global float *dx, const struct pixels pixels, const RUN_FLOATS sums, const int stride_x, const int input_height, const int input_width) {
  float results[RUN];
  STORE_RUN(sums, 0, results);
  for (int i = 0; i < RUN; i++)
    if (pixels.first_x + i * stride_x < input_width) dx[(pixels.plane * input_height + pixels.y) * input_width + pixels.first_x + i * stride_x] = results[i];
}

/* The taps of windows that meet the pixels: `body` for each, with the row of windows and the first window in it. */
#define EACH_TAP(pixels, body)                                                                                                                                 \
  for (int tap_y = 0; tap_y < kernel_height; tap_y++) {                                                                                                        \
    const int down = pixels.y + pad_y - tap_y, output_y = down / stride_y;                                                                                     \
    if (down < 0 || down % stride_y != 0 || output_y >= output_height) continue;                                                                               \
    for (int tap_x = 0; tap_x < kernel_width; tap_x++) {                                                                                                       \
      const int across = pixels.phase + pad_x - tap_x, output_x = across / stride_x + pixels.run;                                                              \
      if (across % stride_x == 0) body                                                                                                                         \
    }                                                                                                                                                          \
  }

POOL2D_KERNEL max_pool2d_gradient(__global const float *dy, __global const int *residual, __global float *dx, SHAPE_PARAMETERS, const int runs) {
  const int index = get_global_id(0), total = planes * output_height * output_width;
  if (index >= planes * input_height * stride_x * runs) return;
  const struct pixels pixels = pixels_of(index, runs, stride_x, input_height);
  const RUN_INTS places = pixels.y * input_width + pixels.first_x + as_run_ints(RUN_PLACES) * stride_x;
  RUN_FLOATS sums = (RUN_FLOATS)(0.0f);
  EACH_TAP(pixels, {
    const int first = (pixels.plane * output_height + output_y) * output_width + output_x;
    const RUN_INTS winners = read_run_int(residual, total, first, output_x, 1, output_width);
    sums += select((RUN_FLOATS)(0.0f), read_run(dy, total, first, output_x, 1, output_width), winners == places);
  })
  store_pixels(dx, pixels, sums, stride_x, input_height, input_width);
}

POOL2D_KERNEL avg_pool2d_gradient(__global const float *dy, __global float *dx, const int count_padding, SHAPE_PARAMETERS, const int runs) {
  const int index = get_global_id(0), total = planes * output_height * output_width;
  if (index >= planes * input_height * stride_x * runs) return;
  const struct pixels pixels = pixels_of(index, runs, stride_x, input_height);
  RUN_FLOATS sums = (RUN_FLOATS)(0.0f);
  EACH_TAP(pixels, {
    const int top = output_y * stride_y - pad_y;
    const RUN_INTS left = (output_x + as_run_ints(RUN_PLACES)) * stride_x - pad_x;
    const int rows = count_padding ? kernel_height : max(min(top + kernel_height, input_height) - max(top, 0), 1);
    /* Vectors on both sides: Oclgrind 21.10 takes a number beside a vector for one of a single element. */
    const RUN_INTS columns = count_padding ? (RUN_INTS)(kernel_width) : max(min(left + kernel_width, (RUN_INTS)(input_width)) - max(left, (RUN_INTS)(0)), (RUN_INTS)(1));
    sums += read_run(dy, total, (pixels.plane * output_height + output_y) * output_width + output_x, output_x, 1, output_width) / to_run_floats(rows * columns);
  })
  store_pixels(dx, pixels, sums, stride_x, input_height, input_width);
}
