/* SPDX-License-Identifier: MIT
 *
 * y[b] = a[b] x b[b] for matrices of any strides: y is rows x columns, dense; the inner extent is `depth`.
 *   matmul_tiles: a work-group a tile of y (tile.cl). Where there are few tiles and much depth, the depth is cut into `splits` stretches of `chunk` (a multiple of
 *                 TILE_DEPTH); stretch s gives y[s], and the host has them summed.
 *   matmul_dots:  a work-group an element of y; for few elements with a long inner extent, as in the last layer of a network.
 */
#include "tile.cl"

/* How an operand lies, so that items that work side by side read side by side: 1: its inner extent has stride 1 (and what else is below is a multiple of 4: four
 * numbers are read at once); 0: its other extent has. */
#ifndef A_ALONG_DEPTH
#define A_ALONG_DEPTH 0
#endif
#ifndef B_ALONG_DEPTH
#define B_ALONG_DEPTH 0
#endif
/* Work-items of a group of matmul_dots: a power of two. */
#ifndef DOT_ITEMS
#define DOT_ITEMS 64
#endif

#define MATRIX_PARAMETERS                                                                                                                                      \
  __global const float *a, __global const float *b, const int rows, const int columns, const int depth, const int a_offset,                  \
      const int a_batch, const int a_row, const int a_column, const int b_offset, const int b_batch, const int b_row, const int b_column

/* One slice of an operand with `extent` rows (of a) or columns (of b) from `first` on, depth from `start` to `end`: element (e, k) lies at e * stride + k * depth_stride. */
INLINE void fetch_slice(__local float *tile, const int pitch, const int tile_extent, __global const float *x, const int first, const int extent, const int stride,
                 const int start, const int end, const int depth_stride, const int along_depth, const int item) {
  if (along_depth) {
    EACH_PLACE(place, tile_extent * (TILE_DEPTH / 4)) {
      const int e = place / (TILE_DEPTH / 4), k = place % (TILE_DEPTH / 4) * 4;
      const bool inside = first + e < extent && start + k < end;
      const float4 numbers = vload4(0, x + (inside ? (size_t)(first + e) * stride + start + k : 0));
      scatter4(tile + k * pitch + e, pitch, inside ? numbers : (float4)(0.0f));
    }
    return;
  }
  EACH_PLACE(place, tile_extent * TILE_DEPTH) {
    const int e = place % tile_extent, k = place / tile_extent;
    const bool inside = first + e < extent && start + k < end;
    const float number = x[inside ? (size_t)(first + e) * stride + (size_t)(start + k) * depth_stride : 0];
    tile[k * pitch + e] = inside ? number : 0.0f;
  }
}

TILE_KERNEL matmul_tiles(MATRIX_PARAMETERS, const int splits, const int chunk TAIL_PARAMETERS) {
  LOCAL_TILES;
  const int item = get_local_id(0), batch = get_group_id(2) / splits, split = get_group_id(2) % splits;
  const int first_row = get_group_id(1) * TILE_ROWS, first_column = get_group_id(0) * TILE_COLUMNS;
  const int begin = split * chunk, end = min(begin + chunk, depth);
  __global const float *matrix_a = a + a_offset + (size_t)batch * a_batch, *matrix_b = b + b_offset + (size_t)batch * b_batch;
  FLOATS sums[ITEM_ROWS][VECTORS];
  clear_sums(sums);
  for (int start = begin; start < end; start += TILE_DEPTH) {
    fetch_slice(rows_tile, ROWS_PITCH, TILE_ROWS, matrix_a, first_row, rows, a_row, start, end, a_column, A_ALONG_DEPTH, item);
    fetch_slice(columns_tile, COLUMNS_PITCH, TILE_COLUMNS, matrix_b, first_column, columns, b_column, start, end, b_row, B_ALONG_DEPTH, item);
    barrier(CLK_LOCAL_MEM_FENCE);
    multiply_tiles(rows_tile, columns_tile, sums, item);
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  UNROLLED
  for (int i = 0; i < ITEM_ROWS; i++)
    UNROLLED
    for (int v = 0; v < VECTORS; v++) {
      float results[VECTOR];
      STORE(sums[i][v], 0, results);
      const int row = first_row + ITEM_FIRST_ROW(item) + i;
      UNROLLED
      for (int j = 0; j < VECTOR; j++) {
        const int column = first_column + ITEM_RUN(item, v) + j;
        if (row < rows && column < columns) TAIL(results[j], (uint)(((split + batch * splits) * rows + row) * columns + column), (uint)batch, (uint)row, (uint)column);
      }
    }
}

__kernel __attribute__((reqd_work_group_size(DOT_ITEMS, 1, 1))) void matmul_dots(MATRIX_PARAMETERS TAIL_PARAMETERS) {
  __local float partial[DOT_ITEMS];
  const int item = get_local_id(0), column = get_group_id(0), row = get_group_id(1), batch = get_group_id(2);
  float sum = 0.0f;
  for (int k = item; k < depth; k += DOT_ITEMS)
    sum += a[a_offset + (size_t)batch * a_batch + (size_t)row * a_row + (size_t)k * a_column] *
           b[b_offset + (size_t)batch * b_batch + (size_t)k * b_row + (size_t)column * b_column];
  partial[item] = sum;
  for (int half_size = DOT_ITEMS / 2; half_size > 0; half_size /= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item < half_size) partial[item] += partial[item + half_size];
  }
  if (item == 0) TAIL(partial[0], (uint)((batch * rows + row) * columns + column), (uint)batch, (uint)row, (uint)column);
}
