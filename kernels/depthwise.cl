/* SPDX-License-Identifier: MIT
 *
 * Convolution with one input channel a group, and its two gradients. x: samples, groups, input_height, input_width. w: groups * multiplier, 1, kernel_height, kernel_width.
 * y: samples, groups * multiplier, output_height, output_width. All tensors are dense.
 *
 * There is no matrix to be multiplied here: each weight meets one plane, and a result has as many multiply-adds as the kernel has taps. What bounds it is reading: once from memory, then
 * from the cache for the other taps. So work-items take runs of results (runs.cl), and sum over the taps.
 *
 *   depthwise                  a work-item a run of outputs
 *   depthwise_input_gradient   a work-item a run of input pixels that are `stride_x` apart: the same taps meet all of them, and the outputs that these lead to lie side by side. So no
 *                              multiplication by a zero that the stride has put there, and no pixel is added to by two
 *   depthwise_weight_gradient  a work-group a weight; its items take turns at the runs of all outputs of its channel
 */
#include "runs.cl"

/* Work-items of a group; of the weight gradient's a power of two. */
#ifndef GROUP_SIZE
#define GROUP_SIZE 64
#endif

#define SHAPE_PARAMETERS                                                                                                                                       \
  const int samples, const int groups, const int multiplier, const int input_height, const int input_width, const int output_height, const int output_width,    \
      const int kernel_height, const int kernel_width, const int stride_y, const int stride_x, const int dilation_y, const int dilation_x, const int pad_y,     \
      const int pad_x

#define DEPTHWISE_KERNEL __kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void

DEPTHWISE_KERNEL depthwise(__global const float *x, __global const float *w, SHAPE_PARAMETERS TAIL_PARAMETERS) {
  const int channels = groups * multiplier, runs = (output_width + RUN - 1) / RUN, index = get_global_id(0);
  if (index >= samples * channels * output_height * runs) return;
  const int first_x = index % runs * RUN, output_y = index / runs % output_height, plane = index / runs / output_height;
  const int channel = plane % channels, sample = plane / channels;
  const int image = (sample * groups + channel / multiplier) * input_height * input_width, total = samples * groups * input_height * input_width;
  RUN_FLOATS sums = (RUN_FLOATS)(0.0f);
  for (int tap_y = 0; tap_y < kernel_height; tap_y++) {
    const int input_y = output_y * stride_y + tap_y * dilation_y - pad_y;
    if ((uint)input_y >= (uint)input_height) continue;
    for (int tap_x = 0; tap_x < kernel_width; tap_x++) {
      const int input_x = first_x * stride_x + tap_x * dilation_x - pad_x;
      const RUN_FLOATS numbers = read_run(x, total, image + input_y * input_width + input_x, input_x, stride_x, input_width);
      sums = mad((RUN_FLOATS)(w[(channel * kernel_height + tap_y) * kernel_width + tap_x]), numbers, sums);
    }
  }
  float results[RUN];
  STORE_RUN(sums, 0, results);
  for (int i = 0; i < RUN; i++) {
    const int pixel = output_y * output_width + first_x + i;
    if (first_x + i < output_width) TAIL(results[i], (uint)(plane * output_height * output_width + pixel), (uint)sample, (uint)channel, (uint)pixel);
  }
}

/* `runs`: of the pixels in a row that are stride_x apart. */
DEPTHWISE_KERNEL depthwise_input_gradient(__global const float *dy, __global const float *w, SHAPE_PARAMETERS, const int runs TAIL_PARAMETERS) {
  const int channels = groups * multiplier, index = get_global_id(0);
  if (index >= samples * groups * input_height * stride_x * runs) return;
  const int run = index % runs, phase = index / runs % stride_x, input_y = index / runs / stride_x % input_height, plane = index / runs / stride_x / input_height;
  const int group = plane % groups, sample = plane / groups, output_plane = output_height * output_width, total = samples * channels * output_plane;
  RUN_FLOATS sums = (RUN_FLOATS)(0.0f);
  for (int tap_y = 0; tap_y < kernel_height; tap_y++) {
    const int down = input_y + pad_y - tap_y * dilation_y, output_y = down / stride_y;
    if (down < 0 || down % stride_y != 0 || output_y >= output_height) continue;
    for (int tap_x = 0; tap_x < kernel_width; tap_x++) {
      const int across = phase + pad_x - tap_x * dilation_x, output_x = across / stride_x + run * RUN;
      if (across % stride_x != 0) continue;
      for (int channel = group * multiplier; channel < (group + 1) * multiplier; channel++) {
        const int first = (sample * channels + channel) * output_plane + output_y * output_width + output_x;
        sums = mad((RUN_FLOATS)(w[(channel * kernel_height + tap_y) * kernel_width + tap_x]), read_run(dy, total, first, output_x, 1, output_width), sums);
      }
    }
  }
  float results[RUN];
  STORE_RUN(sums, 0, results);
  for (int i = 0; i < RUN; i++) {
    const int input_x = phase + (run * RUN + i) * stride_x, pixel = input_y * input_width + input_x;
    if (input_x < input_width) TAIL(results[i], (uint)(plane * input_height * input_width + pixel), (uint)sample, (uint)group, (uint)pixel);
  }
}

DEPTHWISE_KERNEL depthwise_weight_gradient(__global const float *x, __global const float *dy, SHAPE_PARAMETERS TAIL_PARAMETERS) {
  __local float partial[GROUP_SIZE];
  const int channels = groups * multiplier, taps = kernel_height * kernel_width, item = get_local_id(0);
  const int channel = get_group_id(0) / taps, tap = get_group_id(0) % taps, shift_y = tap / kernel_width * dilation_y - pad_y, shift_x = tap % kernel_width * dilation_x - pad_x;
  const int runs = (output_width + RUN - 1) / RUN, input_plane = input_height * input_width, output_plane = output_height * output_width;
  RUN_FLOATS sums = (RUN_FLOATS)(0.0f);
  for (int index = item; index < samples * output_height * runs; index += GROUP_SIZE) {
    const int first_x = index % runs * RUN, output_y = index / runs % output_height, sample = index / runs / output_height;
    const int input_y = output_y * stride_y + shift_y, input_x = first_x * stride_x + shift_x;
    if ((uint)input_y >= (uint)input_height) continue;
    const int image = (sample * groups + channel / multiplier) * input_plane, gradient = (sample * channels + channel) * output_plane;
    sums = mad(read_run(dy, samples * channels * output_plane, gradient + output_y * output_width + first_x, first_x, 1, output_width),
               read_run(x, samples * groups * input_plane, image + input_y * input_width + input_x, input_x, stride_x, input_width), sums);
  }
  float results[RUN], sum = 0.0f;
  STORE_RUN(sums, 0, results);
  for (int i = 0; i < RUN; i++) sum += results[i];
  partial[item] = sum;
  for (int half_size = GROUP_SIZE / 2; half_size > 0; half_size /= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item < half_size) partial[item] += partial[item + half_size];
  }
  if (item == 0) TAIL(partial[0], (uint)get_group_id(0), 0u, (uint)channel, (uint)tap);
}
