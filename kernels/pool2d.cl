/* SPDX-License-Identifier: MIT
 *
 * Pooling over the last two axes of planes [planes, height, width], and its gradients. A work-item a result: an output of the forward
 * kernels, an input pixel of the gradients, which collect from all windows that cover it, so nothing is added to memory by two.
 * The maximum's residual is the winner's place in its plane, y * input_width + x.
 */

/* Work-items of a work-group. */
#ifndef GROUP_SIZE
#define GROUP_SIZE 64
#endif

#define SHAPE_PARAMETERS                                                                                                                                       \
  const int planes, const int input_height, const int input_width, const int output_height, const int output_width, const int kernel_height,                    \
      const int kernel_width, const int stride_y, const int stride_x, const int pad_y, const int pad_x

#define POOL2D_KERNEL __kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void

/* First and last window along one axis that cover `place` (counted with the padding in front). */
int first_window(const int place, const int kernel_extent, const int stride) { return place < kernel_extent ? 0 : (place - kernel_extent) / stride + 1; }
int last_window(const int place, const int stride, const int windows) { return min(place / stride, windows - 1); }

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

POOL2D_KERNEL max_pool2d_gradient(__global const float *dy, __global const int *residual, __global float *dx, SHAPE_PARAMETERS) {
  const int index = get_global_id(0);
  if (index >= planes * input_height * input_width) return;
  const int input_x = index % input_width, input_y = index / input_width % input_height, plane = index / input_width / input_height;
  const int place = input_y * input_width + input_x;
  float sum = 0.0f;
  for (int output_y = first_window(input_y + pad_y, kernel_height, stride_y); output_y <= last_window(input_y + pad_y, stride_y, output_height); output_y++)
    for (int output_x = first_window(input_x + pad_x, kernel_width, stride_x); output_x <= last_window(input_x + pad_x, stride_x, output_width); output_x++) {
      const int window = (plane * output_height + output_y) * output_width + output_x;
      if (residual[window] == place) sum += dy[window];
    }
  dx[index] = sum;
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

POOL2D_KERNEL avg_pool2d_gradient(__global const float *dy, __global float *dx, const int count_padding, SHAPE_PARAMETERS) {
  const int index = get_global_id(0);
  if (index >= planes * input_height * input_width) return;
  const int input_x = index % input_width, input_y = index / input_width % input_height, plane = index / input_width / input_height;
  float sum = 0.0f;
  for (int output_y = first_window(input_y + pad_y, kernel_height, stride_y); output_y <= last_window(input_y + pad_y, stride_y, output_height); output_y++)
    for (int output_x = first_window(input_x + pad_x, kernel_width, stride_x); output_x <= last_window(input_x + pad_x, stride_x, output_width); output_x++)
      sum += dy[(plane * output_height + output_y) * output_width + output_x] /
             window_size(output_y * stride_y - pad_y, output_x * stride_x - pad_x, input_height, input_width, kernel_height, kernel_width, count_padding);
  dx[index] = sum;
}
