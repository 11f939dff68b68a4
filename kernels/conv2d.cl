/* SPDX-License-Identifier: MIT
 *
 * Convolution (cross-correlation) and its two gradients as implicit GEMM: each is a product of two matrices of which one is never written
 * down, but gathered from the image while its tile goes into local memory. x: samples, groups * input_channels, input_height, input_width.
 * w: groups * output_channels, input_channels, kernel_height, kernel_width. Channels are those of one group. All tensors are dense.
 *
 *                            row                 column                    inner extent
 *   conv2d_forward           output channel      sample, output pixel      input channel, kernel place
 *   conv2d_input_gradient    input channel       sample, input pixel       output channel, kernel place
 *   conv2d_weight_gradient   output channel      input channel, place      sample, output pixel
 *
 * A work-item gathers one column of the tile, so what the column stands for is worked out once, and the place along the inner extent moves on
 * by counting instead of dividing. Zero padding and strides are tests there.
 */

/* Extents of the tile of the result, and of the slices of the inner extent. A group has TILE_COLUMNS work-items. */
#ifndef TILE_ROWS
#define TILE_ROWS 16
#endif
#ifndef TILE_COLUMNS
#define TILE_COLUMNS 64
#endif
#ifndef TILE_DEPTH
#define TILE_DEPTH 16
#endif
/* Results of a work-item: ITEM_ROWS vectors of four columns; their product must be TILE_ROWS, so that there are as many items as columns. */
#ifndef ITEM_ROWS
#define ITEM_ROWS 4
#endif
#define ITEM_COLUMNS 4
#if ITEM_ROWS * ITEM_COLUMNS != TILE_ROWS
#error "ITEM_ROWS * ITEM_COLUMNS must be TILE_ROWS"
#endif
#define ITEMS_ACROSS (TILE_COLUMNS / ITEM_COLUMNS)

#define SHAPE_PARAMETERS                                                                                                                                       \
  const int samples, const int groups, const int input_channels, const int output_channels, const int input_height, const int input_width,                      \
      const int output_height, const int output_width, const int kernel_height, const int kernel_width, const int stride_y, const int stride_x,                 \
      const int dilation_y, const int dilation_x, const int pad_y, const int pad_x

#define CONV2D_KERNEL __kernel __attribute__((reqd_work_group_size(TILE_COLUMNS, 1, 1))) void

/* Element j: what a vector cannot be asked for by number in OpenCL C. */
float column_of(const float4 vector, const int j) { return j == 0 ? vector.s0 : j == 1 ? vector.s1 : j == 2 ? vector.s2 : vector.s3; }

/* sums += tile_a^T x tile_b for the rows and columns of this item: columns that follow one another, so that they are a vector also where a
 * compiler does not turn work-items into one. */
void multiply_tiles(__local const float *tile_a, __local const float *tile_b, float4 sums[ITEM_ROWS], const int item) {
  const int row = item / ITEMS_ACROSS * ITEM_ROWS, column = item % ITEMS_ACROSS * ITEM_COLUMNS;
  for (int k = 0; k < TILE_DEPTH; k++) {
    const float4 b = vload4(0, tile_b + k * TILE_COLUMNS + column);
    for (int i = 0; i < ITEM_ROWS; i++) sums[i] = mad((float4)(tile_a[k * TILE_ROWS + row + i]), b, sums[i]);
  }
}

void clear_sums(float4 sums[ITEM_ROWS]) {
  for (int i = 0; i < ITEM_ROWS; i++) sums[i] = (float4)(0.0f);
}

CONV2D_KERNEL conv2d_forward(__global const float *x, __global const float *w, __global float *y, SHAPE_PARAMETERS) {
  __local float tile_a[TILE_DEPTH * TILE_ROWS], tile_b[TILE_DEPTH * TILE_COLUMNS];
  const int item = get_local_id(0), group = get_group_id(2);
  const int first_row = get_group_id(1) * TILE_ROWS, first_column = get_group_id(0) * TILE_COLUMNS;
  const int pixels = output_height * output_width, columns = samples * pixels, depth = input_channels * kernel_height * kernel_width;
  const int column = first_column + item, sample = column / pixels, pixel = column % pixels;
  const int top = pixel / output_width * stride_y - pad_y, left = pixel % output_width * stride_x - pad_x;
  const int image = (sample * groups + group) * input_channels;
  float4 sums[ITEM_ROWS];
  clear_sums(sums);
  int channel = 0, kernel_y = 0, kernel_x = 0;
  for (int start = 0; start < depth; start += TILE_DEPTH) {
    for (int k = 0; k < TILE_DEPTH; k++) {
      const int input_y = top + kernel_y * dilation_y, input_x = left + kernel_x * dilation_x;
      const bool inside = column < columns && channel < input_channels && input_y >= 0 && input_y < input_height && input_x >= 0 && input_x < input_width;
      tile_b[k * TILE_COLUMNS + item] = inside ? x[((image + channel) * input_height + input_y) * input_width + input_x] : 0.0f;
      if (++kernel_x == kernel_width) {
        kernel_x = 0;
        if (++kernel_y == kernel_height) {
          kernel_y = 0;
          channel++;
        }
      }
    }
    for (int place = item; place < TILE_DEPTH * TILE_ROWS; place += TILE_COLUMNS) {
      const int row = first_row + place / TILE_DEPTH, k = start + place % TILE_DEPTH;
      tile_a[place % TILE_DEPTH * TILE_ROWS + place / TILE_DEPTH] = row < output_channels && k < depth ? w[(group * output_channels + row) * depth + k] : 0.0f;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    multiply_tiles(tile_a, tile_b, sums, item);
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  for (int j = 0; j < ITEM_COLUMNS; j++) {
    const int result_column = first_column + item % ITEMS_ACROSS * ITEM_COLUMNS + j;
    const int result_sample = result_column / pixels, result_pixel = result_column % pixels;
    for (int i = 0; i < ITEM_ROWS; i++) {
      const int row = first_row + item / ITEMS_ACROSS * ITEM_ROWS + i;
      if (row < output_channels && result_column < columns)
        y[((result_sample * groups + group) * output_channels + row) * pixels + result_pixel] = column_of(sums[i], j);
    }
  }
}

CONV2D_KERNEL conv2d_input_gradient(__global const float *dy, __global const float *w, __global float *dx, SHAPE_PARAMETERS) {
  __local float tile_a[TILE_DEPTH * TILE_ROWS], tile_b[TILE_DEPTH * TILE_COLUMNS];
  const int item = get_local_id(0), group = get_group_id(2);
  const int first_row = get_group_id(1) * TILE_ROWS, first_column = get_group_id(0) * TILE_COLUMNS;
  const int pixels = input_height * input_width, columns = samples * pixels, places = kernel_height * kernel_width, depth = output_channels * places;
  const int column = first_column + item, sample = column / pixels, pixel = column % pixels;
  const int bottom = pixel / input_width + pad_y, right = pixel % input_width + pad_x;
  const int image = (sample * groups + group) * output_channels;
  float4 sums[ITEM_ROWS];
  clear_sums(sums);
  int channel = 0, kernel_y = 0, kernel_x = 0;
  for (int start = 0; start < depth; start += TILE_DEPTH) {
    for (int k = 0; k < TILE_DEPTH; k++) {
      /* Only outputs whose window, moved by whole strides, meets this pixel at this place of the kernel. */
      const int from_y = bottom - kernel_y * dilation_y, from_x = right - kernel_x * dilation_x;
      const int output_y = from_y / stride_y, output_x = from_x / stride_x;
      const bool inside = column < columns && channel < output_channels && from_y >= 0 && from_x >= 0 && output_y * stride_y == from_y &&
                          output_x * stride_x == from_x && output_y < output_height && output_x < output_width;
      tile_b[k * TILE_COLUMNS + item] = inside ? dy[((image + channel) * output_height + output_y) * output_width + output_x] : 0.0f;
      if (++kernel_x == kernel_width) {
        kernel_x = 0;
        if (++kernel_y == kernel_height) {
          kernel_y = 0;
          channel++;
        }
      }
    }
    for (int place = item; place < TILE_DEPTH * TILE_ROWS; place += TILE_COLUMNS) {
      const int k = start + place / TILE_ROWS, row = first_row + place % TILE_ROWS;
      tile_a[place] = row < input_channels && k < depth ? w[((group * output_channels + k / places) * input_channels + row) * places + k % places] : 0.0f;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    multiply_tiles(tile_a, tile_b, sums, item);
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  for (int j = 0; j < ITEM_COLUMNS; j++) {
    const int result_column = first_column + item % ITEMS_ACROSS * ITEM_COLUMNS + j;
    const int result_sample = result_column / pixels, result_pixel = result_column % pixels;
    for (int i = 0; i < ITEM_ROWS; i++) {
      const int row = first_row + item / ITEMS_ACROSS * ITEM_ROWS + i;
      if (row < input_channels && result_column < columns)
        dx[((result_sample * groups + group) * input_channels + row) * pixels + result_pixel] = column_of(sums[i], j);
    }
  }
}

/* The inner extent is long and the result small, so it is cut into `splits` stretches of `chunk` (a multiple of TILE_DEPTH); stretch s gives
 * dw[s], and the host has them summed. */
CONV2D_KERNEL conv2d_weight_gradient(__global const float *x, __global const float *dy, __global float *dw, const int splits, const int chunk, SHAPE_PARAMETERS) {
  __local float tile_a[TILE_DEPTH * TILE_ROWS], tile_b[TILE_DEPTH * TILE_COLUMNS];
  const int item = get_local_id(0), group = get_group_id(2) / splits, split = get_group_id(2) % splits;
  const int first_row = get_group_id(1) * TILE_ROWS, first_column = get_group_id(0) * TILE_COLUMNS;
  const int pixels = output_height * output_width, places = kernel_height * kernel_width, columns = input_channels * places, depth = samples * pixels;
  const int column = first_column + item, channel = column / places;
  const int shift_y = column % places / kernel_width * dilation_y - pad_y, shift_x = column % places % kernel_width * dilation_x - pad_x;
  const int begin = split * chunk, end = min(begin + chunk, depth);
  float4 sums[ITEM_ROWS];
  clear_sums(sums);
  int sample = begin / pixels, output_y = begin % pixels / output_width, output_x = begin % pixels % output_width;
  for (int start = begin; start < end; start += TILE_DEPTH) {
    for (int k = 0; k < TILE_DEPTH; k++) {
      const int input_y = output_y * stride_y + shift_y, input_x = output_x * stride_x + shift_x;
      const bool inside = column < columns && start + k < end && input_y >= 0 && input_y < input_height && input_x >= 0 && input_x < input_width;
      tile_b[k * TILE_COLUMNS + item] =
          inside ? x[(((sample * groups + group) * input_channels + channel) * input_height + input_y) * input_width + input_x] : 0.0f;
      if (++output_x == output_width) {
        output_x = 0;
        if (++output_y == output_height) {
          output_y = 0;
          sample++;
        }
      }
    }
    for (int place = item; place < TILE_DEPTH * TILE_ROWS; place += TILE_COLUMNS) {
      const int row = first_row + place / TILE_DEPTH, k = start + place % TILE_DEPTH;
      tile_a[place % TILE_DEPTH * TILE_ROWS + place / TILE_DEPTH] =
          row < output_channels && k < end ? dy[((k / pixels * groups + group) * output_channels + row) * pixels + k % pixels] : 0.0f;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    multiply_tiles(tile_a, tile_b, sums, item);
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  for (int j = 0; j < ITEM_COLUMNS; j++) {
    const int result_column = first_column + item % ITEMS_ACROSS * ITEM_COLUMNS + j;
    for (int i = 0; i < ITEM_ROWS; i++) {
      const int row = first_row + item / ITEMS_ACROSS * ITEM_ROWS + i;
      if (row < output_channels && result_column < columns)
        dw[((split * groups + group) * output_channels + row) * columns + result_column] = column_of(sums[i], j);
    }
  }
}
