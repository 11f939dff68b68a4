/* SPDX-License-Identifier: MIT
 *
 * y[b] = a[b] x b[b] for matrices of any strides: y is rows x columns, dense; the inner extent is `depth`. For products too small for
 * CLBlast, whose first use costs seconds of compiling.
 *   matmul_tiles: a work-group a tile of y, through local memory; every work-item keeps ITEM_ROWS x ITEM_COLUMNS sums in registers.
 *   matmul_dots:  a work-group an element of y; for few elements with a long inner extent, as in the last layer of a network.
 */

/* Extents of the tile of y, and of the slices of the inner extent that pass through local memory: TILE_DEPTH * (TILE_ROWS + TILE_COLUMNS)
 * numbers of it. */
#ifndef TILE_ROWS
#define TILE_ROWS 16
#endif
#ifndef TILE_COLUMNS
#define TILE_COLUMNS 64
#endif
#ifndef TILE_DEPTH
#define TILE_DEPTH 16
#endif
/* Results of a work-item. They set the work-items of a group: TILE_ROWS / ITEM_ROWS * TILE_COLUMNS / ITEM_COLUMNS. */
#ifndef ITEM_ROWS
#define ITEM_ROWS 4
#endif
#ifndef ITEM_COLUMNS
#define ITEM_COLUMNS 4
#endif
#define ITEMS_ACROSS (TILE_COLUMNS / ITEM_COLUMNS)
#define GROUP_SIZE (TILE_ROWS / ITEM_ROWS * ITEMS_ACROSS)

#define MATRIX_PARAMETERS                                                                                                                                      \
  __global const float *a, __global const float *b, __global float *y, const uint rows, const uint columns, const uint depth, const uint a_offset,              \
      const uint a_batch, const uint a_row, const uint a_column, const uint b_offset, const uint b_batch, const uint b_row, const uint b_column

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void matmul_tiles(MATRIX_PARAMETERS) {
  __local float tile_a[TILE_DEPTH * TILE_ROWS], tile_b[TILE_DEPTH * TILE_COLUMNS];
  const uint item = get_local_id(0), batch = get_group_id(2);
  const uint first_row = get_group_id(1) * TILE_ROWS, first_column = get_group_id(0) * TILE_COLUMNS;
  const uint item_row = item / ITEMS_ACROSS * ITEM_ROWS, item_column = item % ITEMS_ACROSS;
  float sums[ITEM_ROWS][ITEM_COLUMNS];
  for (int i = 0; i < ITEM_ROWS; i++)
    for (int j = 0; j < ITEM_COLUMNS; j++) sums[i][j] = 0.0f;
  for (uint start = 0; start < depth; start += TILE_DEPTH) {
    for (uint place = item; place < TILE_DEPTH * TILE_ROWS; place += GROUP_SIZE) {
      const uint row = first_row + place / TILE_DEPTH, k = start + place % TILE_DEPTH;
      tile_a[place % TILE_DEPTH * TILE_ROWS + place / TILE_DEPTH] = row < rows && k < depth ? a[a_offset + batch * a_batch + row * a_row + k * a_column] : 0.0f;
    }
    for (uint place = item; place < TILE_DEPTH * TILE_COLUMNS; place += GROUP_SIZE) {
      const uint column = first_column + place % TILE_COLUMNS, k = start + place / TILE_COLUMNS;
      tile_b[place] = column < columns && k < depth ? b[b_offset + batch * b_batch + k * b_row + column * b_column] : 0.0f;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int k = 0; k < TILE_DEPTH; k++)
      for (int i = 0; i < ITEM_ROWS; i++)
        for (int j = 0; j < ITEM_COLUMNS; j++)
          sums[i][j] += tile_a[k * TILE_ROWS + item_row + i] * tile_b[k * TILE_COLUMNS + item_column + j * ITEMS_ACROSS];
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  for (int i = 0; i < ITEM_ROWS; i++)
    for (int j = 0; j < ITEM_COLUMNS; j++) {
      const uint row = first_row + item_row + i, column = first_column + item_column + j * ITEMS_ACROSS;
      if (row < rows && column < columns) y[(batch * rows + row) * columns + column] = sums[i][j];
    }
}

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void matmul_dots(MATRIX_PARAMETERS) {
  __local float partial[GROUP_SIZE];
  const uint item = get_local_id(0), column = get_group_id(0), row = get_group_id(1), batch = get_group_id(2);
  float sum = 0.0f;
  for (uint k = item; k < depth; k += GROUP_SIZE)
    sum += a[a_offset + batch * a_batch + row * a_row + k * a_column] * b[b_offset + batch * b_batch + k * b_row + column * b_column];
  partial[item] = sum;
  for (uint half_size = GROUP_SIZE / 2; half_size > 0; half_size /= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item < half_size) partial[item] += partial[item + half_size];
  }
  if (item == 0) y[(batch * rows + row) * columns + column] = partial[0];
}
