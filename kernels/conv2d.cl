/* SPDX-License-Identifier: MIT
 *
 * Convolution (cross-correlation) and its two gradients as implicit GEMM: each is a product of two matrices (tile.cl) of which one is never written down,
 * but gathered from images while its tile goes into local memory. x: samples, groups * input_channels, input_height, input_width.
 * w: groups * output_channels, input_channels, kernel_height, kernel_width. Channels are those of one group. All tensors are dense.
 *
 *   DIRECTION         row of the result    column of the result      inner extent             gathered
 *   FORWARD           output channel       sample, output pixel      input channel, tap       x
 *   INPUT_GRADIENT    input channel        sample, input pixel       output channel, tap      dy
 *   WEIGHT_GRADIENT   output channel       input channel, tap        sample, output pixel     x
 *
 * An element of the gathered matrix lies at the sum of two places, one of its column and one of its depth: address, y and x add up, and an element outside of the
 * plane is zero. So all three directions gather by the same few additions. Columns' places are worked out once an item; those of a slice once a group, in
 * local memory, where all divisions are done.
 *
 * A processor gathers GATHER columns at once: the additions as vectors, and the reading too where the columns follow one another in memory, which pixels do at stride 1.
 *
 * With strides, an input pixel is met by some taps only: those with tap * dilation = y + pad modulo the stride. So input pixels with equal remainders (a phase, one
 * on each axis) are computed together, with these taps alone: no multiplication by a zero that the stride has put there.
 */
#include "tile.cl"

#define FORWARD 0
#define INPUT_GRADIENT 1
#define WEIGHT_GRADIENT 2
#ifndef DIRECTION
#define DIRECTION FORWARD
#endif
/* 1: the matrix that is not gathered lies with its inner extent in multiples of 4, so that four numbers are read at once. */
#ifndef QUADS
#define QUADS 0
#endif
/* 1: kernel 1 x 1, stride 1, no padding: what is gathered is a matrix as it lies, and read like one. With QUADS planes must be multiples of 4. */
#ifndef POINTWISE
#define POINTWISE 0
#endif

#define SHAPE_PARAMETERS                                                                                                                                       \
  const int samples, const int groups, const int input_channels, const int output_channels, const int input_height, const int input_width,                      \
      const int output_height, const int output_width, const int kernel_height, const int kernel_width, const int stride_y, const int stride_x,                 \
      const int dilation_y, const int dilation_x, const int pad_y, const int pad_x

/* Columns that an item gathers at once: 1 on a GPU, whose items do together what a vector does; on a processor 4, 8 or 16. Divides TILE_COLUMNS. */
#ifndef GATHER
#define GATHER 1
#endif

/* Address of an element, row and column in its plane. A column or depth that does not exist is in a row far outside of every plane, also when two such rows add up. */
struct place {
  int address, y, x;
};
#define FAR_OUTSIDE (-0x40000000)
#define NOWHERE ((struct place){0, FAR_OUTSIDE, 0})

#if DIRECTION == INPUT_GRADIENT
#define GATHERED_HEIGHT output_height
#define GATHERED_WIDTH output_width
#define GATHERED_CHANNELS output_channels
#else
#define GATHERED_HEIGHT input_height
#define GATHERED_WIDTH input_width
#define GATHERED_CHANNELS input_channels
#endif

/* Runs of GATHER columns that an item gathers, and how far apart in depth its elements are. */
#define GATHER_RUNS (TILE_COLUMNS / GATHER)
#define RUNS_AN_ITEM (GATHER_RUNS > TILE_ITEMS ? GATHER_RUNS / TILE_ITEMS : 1)
#define DEPTH_STEP (GATHER_RUNS > TILE_ITEMS ? 1 : TILE_ITEMS / GATHER_RUNS)
#if GATHER_RUNS % TILE_ITEMS && TILE_ITEMS % GATHER_RUNS
#error "TILE_ITEMS must be a multiple or a divisor of the tile's runs of columns"
#endif
#if TILE_DEPTH % DEPTH_STEP
#error "the items of a group must gather whole slices"
#endif

#if GATHER > 1
#define GATHER_INTS JOIN(int, GATHER)
#define GATHER_UINTS JOIN(uint, GATHER)
#define GATHER_FLOATS JOIN(float, GATHER)

/* The places of a run. `together`: its elements follow one another in memory. */
struct places {
  GATHER_INTS address, y, x;
  bool together;
};

INLINE struct places collect(const struct place *each) {
  struct places places;
  int address[GATHER], y[GATHER], x[GATHER];
  places.together = true;
  for (int i = 0; i < GATHER; i++) {
    address[i] = each[i].address;
    y[i] = each[i].y;
    x[i] = each[i].x;
    places.together = places.together && each[i].y != FAR_OUTSIDE && address[i] == address[0] + i;
  }
  places.address = JOIN(vload, GATHER)(0, address);
  places.y = JOIN(vload, GATHER)(0, y);
  places.x = JOIN(vload, GATHER)(0, x);
  return places;
}

/* `total`: numbers in all of `gathered`, beyond which nothing may be read. */
INLINE GATHER_FLOATS gather(__global const float *gathered, const int total, const struct places places, const struct place depth, const int height, const int width) {
  const GATHER_UINTS y = JOIN(as_uint, GATHER)(places.y + depth.y), x = JOIN(as_uint, GATHER)(places.x + depth.x);
  const GATHER_INTS inside = y < (GATHER_UINTS)((uint)height) & x < (GATHER_UINTS)((uint)width);
  const int first = places.address.s0 + depth.address;
  if (places.together && first >= 0 && first <= total - GATHER) return select((GATHER_FLOATS)(0.0f), JOIN(vload, GATHER)(0, gathered + first), inside);
  int address[GATHER];
  float numbers[GATHER];
  JOIN(vstore, GATHER)(select((GATHER_INTS)(0), places.address + depth.address, inside), 0, address);
  for (int i = 0; i < GATHER; i++) numbers[i] = gathered[address[i]];
  return select((GATHER_FLOATS)(0.0f), JOIN(vload, GATHER)(0, numbers), inside);
}
#endif

#if DIRECTION == INPUT_GRADIENT
/* The taps along one axis that meet the pixels of a phase: first_tap, first_tap + step, …; the distance of their outputs, and where the phase's pixels begin. */
struct phase {
  int first_tap, tap_step, taps, output_step, first_pixel, pixels, shift;
};

/* `step` is stride / g and `inverse` the one of dilation / g modulo step, g being the greatest common divisor of stride and dilation. */
INLINE struct phase phase_of(const int remainder, const int kernel_extent, const int stride, const int dilation, const int pad, const int input_extent,
                             const int step, const int inverse) {
  const int common = stride / step, first_tap = remainder / common * inverse % step, first_pixel = ((remainder - pad) % stride + stride) % stride;
  const bool met = remainder % common == 0 && first_tap < kernel_extent;
  struct phase phase;
  phase.first_tap = first_tap;
  phase.tap_step = step;
  phase.taps = met ? (kernel_extent - first_tap + step - 1) / step : 0;
  phase.output_step = dilation / common;
  phase.first_pixel = first_pixel;
  phase.pixels = max((input_extent - first_pixel + stride - 1) / stride, 0);
  phase.shift = met ? (first_pixel + pad - first_tap * dilation) / stride : 0; /* pixel p of the phase meets its first tap at output p + shift; nothing is left over */
  return phase;
}
#endif

/* Only the weight gradient has an inner extent so long, and a result so small, that it is worth cutting: into `splits` stretches of `chunk` (a multiple of
 * TILE_DEPTH); stretch s gives y[s], and the host has them summed. */
#if DIRECTION == WEIGHT_GRADIENT
#define MORE_PARAMETERS , const int splits, const int chunk
#elif DIRECTION == INPUT_GRADIENT
#define MORE_PARAMETERS , const int tap_step_y, const int tap_step_x, const int tap_inverse_y, const int tap_inverse_x
#else
#define MORE_PARAMETERS
#endif

TILE_KERNEL conv2d(__global const float *gathered, __global const float *matrix, SHAPE_PARAMETERS MORE_PARAMETERS TAIL_PARAMETERS) {
  LOCAL_TILES;
  __local struct place depths[TILE_DEPTH];
  __local int matrix_depths[TILE_DEPTH]; /* places in the other matrix: its row r and depth k lie at matrix_first + r * matrix_row + matrix_depths[k] */
  const int item = get_local_id(0);
  const int first_row = get_group_id(1) * TILE_ROWS, first_column = get_group_id(0) * TILE_COLUMNS;
  const int input_plane = input_height * input_width, output_plane = output_height * output_width, kernel_plane = kernel_height * kernel_width;
#if DIRECTION == FORWARD
  const int group = get_group_id(2), begin = 0;
  const int rows = output_channels, width = output_width, plane = output_plane, columns = samples * plane, depth = input_channels * kernel_plane;
  const int matrix_first = group * output_channels * depth, matrix_row = depth;
#elif DIRECTION == INPUT_GRADIENT
  const int phases = stride_y * stride_x, group = get_group_id(2) / phases, begin = 0;
  const struct phase down = phase_of(get_group_id(2) % phases / stride_x, kernel_height, stride_y, dilation_y, pad_y, input_height, tap_step_y, tap_inverse_y);
  const struct phase across = phase_of(get_group_id(2) % phases % stride_x, kernel_width, stride_x, dilation_x, pad_x, input_width, tap_step_x, tap_inverse_x);
  const int taps = down.taps * across.taps;
  const int rows = input_channels, width = across.pixels, plane = down.pixels * width, columns = samples * plane, depth = output_channels * taps;
  const int matrix_first = 0, matrix_row = kernel_plane;
#else
  const int group = get_group_id(2) / splits, split = get_group_id(2) % splits;
  const int rows = output_channels, width = kernel_width, plane = kernel_plane, columns = input_channels * plane, depth = samples * output_plane;
  const int matrix_first = 0, matrix_row = output_plane;
#endif
#if DIRECTION == WEIGHT_GRADIENT
  const int begin = split * chunk, end = min(begin + chunk, depth);
#else
  const int end = depth;
#endif
#if GATHER > 1
  struct places runs[RUNS_AN_ITEM];
  const int total = samples * groups * GATHERED_CHANNELS * GATHERED_HEIGHT * GATHERED_WIDTH;
#endif
  struct place places[RUNS_AN_ITEM * GATHER];
  for (int c = 0; c < RUNS_AN_ITEM * GATHER; c++) {
    const int column = first_column + (item % GATHER_RUNS + c / GATHER * TILE_ITEMS) * GATHER + c % GATHER;
    places[c] = NOWHERE;
    if (column >= columns) continue;
    const int outer = column / plane, inner_y = column % plane / width, inner_x = column % plane % width;
#if DIRECTION == FORWARD
    const int image = (outer * groups + group) * input_channels * input_plane, y = inner_y * stride_y - pad_y, x = inner_x * stride_x - pad_x;
#elif DIRECTION == INPUT_GRADIENT
    const int image = (outer * groups + group) * output_channels * output_plane, y = inner_y + down.shift, x = inner_x + across.shift;
#else
    const int image = outer * input_plane, y = inner_y * dilation_y - pad_y, x = inner_x * dilation_x - pad_x;
#endif
    places[c] = (struct place){image + y * GATHERED_WIDTH + x, y, x};
  }
#if GATHER > 1
  for (int r = 0; r < RUNS_AN_ITEM; r++) runs[r] = collect(places + r * GATHER);
#endif
  FLOATS sums[ITEM_ROWS][VECTORS];
  clear_sums(sums);
  for (int start = begin; start < end; start += TILE_DEPTH) {
    for (int k = item; k < TILE_DEPTH; k += TILE_ITEMS) {
      const int at = start + k;
#if DIRECTION == FORWARD
      const int channel = at / kernel_plane, tap = at % kernel_plane;
      const int image = channel * input_plane, y = tap / kernel_width * dilation_y, x = tap % kernel_width * dilation_x;
      matrix_depths[k] = at;
#elif DIRECTION == INPUT_GRADIENT
      const int channel = at / taps, tap_y = at % taps / across.taps, tap_x = at % taps % across.taps;
      const int image = channel * output_plane, y = -tap_y * down.output_step, x = -tap_x * across.output_step;
      matrix_depths[k] = (group * output_channels + channel) * input_channels * kernel_plane + (down.first_tap + tap_y * down.tap_step) * kernel_width +
                         across.first_tap + tap_x * across.tap_step;
#else
      const int sample = at / output_plane * groups + group, pixel = at % output_plane;
      const int image = sample * input_channels * input_plane, y = pixel / output_width * stride_y, x = pixel % output_width * stride_x;
      matrix_depths[k] = sample * output_channels * output_plane + pixel;
#endif
      depths[k] = at < end ? (struct place){image + y * GATHERED_WIDTH + x, y, x} : NOWHERE;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
#if QUADS && DIRECTION != INPUT_GRADIENT
    EACH_PLACE(place, TILE_ROWS * (TILE_DEPTH / 4)) {
      const int r = place / (TILE_DEPTH / 4), k = place % (TILE_DEPTH / 4) * 4, row = first_row + r;
      const bool inside = row < rows && start + k < end;
      const float4 numbers = vload4(0, matrix + (inside ? matrix_first + row * matrix_row + matrix_depths[k] : 0));
      scatter4(rows_tile + k * ROWS_PITCH + r, ROWS_PITCH, inside ? numbers : (float4)(0.0f));
    }
#else
    EACH_PLACE(place, TILE_ROWS * TILE_DEPTH) {
#if POINTWISE && DIRECTION == INPUT_GRADIENT
      const int r = place % TILE_ROWS, k = place / TILE_ROWS, row = first_row + r; /* neighbours in memory are neighbouring rows */
#else
      const int r = place / TILE_DEPTH, k = place % TILE_DEPTH, row = first_row + r;
#endif
      const bool inside = row < rows && start + k < end;
      const float number = matrix[inside ? matrix_first + row * matrix_row + matrix_depths[k] : 0];
      rows_tile[k * ROWS_PITCH + r] = inside ? number : 0.0f;
    }
#endif
#if POINTWISE && QUADS && DIRECTION != WEIGHT_GRADIENT
    EACH_PLACE(place, TILE_DEPTH * (TILE_COLUMNS / 4)) {
      const int k = place / (TILE_COLUMNS / 4), c = place % (TILE_COLUMNS / 4) * 4, column = first_column + c;
      const bool inside = column < columns && depths[k].y >= 0;
      const float4 numbers = vload4(0, gathered + (inside ? (column / plane * groups + group) * (depth * plane) + column % plane + depths[k].address : 0));
      vstore4(inside ? numbers : (float4)(0.0f), 0, columns_tile + k * COLUMNS_PITCH + c);
    }
#else
    UNROLLED
    for (int step = 0; step < TILE_DEPTH / DEPTH_STEP; step++)
      UNROLLED
      for (int c = 0; c < RUNS_AN_ITEM; c++) {
        const int k = item / GATHER_RUNS + step * DEPTH_STEP;
        __local float *to = columns_tile + k * COLUMNS_PITCH + (item % GATHER_RUNS + c * TILE_ITEMS) * GATHER;
#if GATHER > 1
        JOIN(vstore, GATHER)(gather(gathered, total, runs[c], depths[k], GATHERED_HEIGHT, GATHERED_WIDTH), 0, to);
#else
        const int at_y = places[c].y + depths[k].y, at_x = places[c].x + depths[k].x;
        const bool inside = (uint)at_y < (uint)GATHERED_HEIGHT && (uint)at_x < (uint)GATHERED_WIDTH;
        const float number = gathered[inside ? places[c].address + depths[k].address : 0];
        *to = inside ? number : 0.0f;
#endif
      }
#endif
    barrier(CLK_LOCAL_MEM_FENCE);
    multiply_tiles(rows_tile, columns_tile, sums, item);
  }
  UNROLLED
  for (int v = 0; v < VECTORS; v++) {
    float results[ITEM_ROWS][VECTOR];
    UNROLLED
    for (int i = 0; i < ITEM_ROWS; i++) STORE(sums[i][v], 0, results[i]);
    UNROLLED
    for (int j = 0; j < VECTOR; j++) {
      const int column = first_column + ITEM_RUN(item, v) + j;
      if (column >= columns) continue;
#if DIRECTION == WEIGHT_GRADIENT
      const int sample = split, pixel = column, pitch = columns;
#elif DIRECTION == FORWARD
      const int sample = column / plane, pixel = column % plane, pitch = plane;
#else
      const int sample = column / plane, pitch = input_plane;
      const int pixel = (down.first_pixel + column % plane / width * stride_y) * input_width + across.first_pixel + column % plane % width * stride_x;
#endif
      UNROLLED
      for (int i = 0; i < ITEM_ROWS; i++) {
        const int row = first_row + ITEM_FIRST_ROW(item) + i, channel = group * rows + row;
        if (row < rows) TAIL(results[i][j], (uint)((sample * groups * rows + channel) * pitch + pixel), (uint)sample, (uint)channel, (uint)pixel);
      }
    }
  }
}
