/* SPDX-License-Identifier: MIT
 *
 * The product of two tiles that lie in local memory: the inner part of matmul.cl and conv2d.cl, which differ in how the tiles get there and where the
 * result goes. A work-group makes TILE_ROWS x TILE_COLUMNS results and walks the inner extent in slices of TILE_DEPTH; a work-item keeps
 * ITEM_ROWS x ITEM_COLUMNS of the results in registers. The first tile lies with its rows next to each other, so a slice is a row of both.
 *
 * What bounds it: for every element of a slice an item reads ITEM_ROWS + ITEM_COLUMNS numbers from local memory and does their product of multiply-adds,
 * and the group fetches (TILE_ROWS + TILE_COLUMNS) numbers from global memory for TILE_ROWS * TILE_COLUMNS of them.
 */
#include "tail.cl"

/* Extents of the tile of results. More is less traffic; less fills more compute units, and wastes less where the matrix is small. */
#ifndef TILE_ROWS
#define TILE_ROWS 64
#endif
#ifndef TILE_COLUMNS
#define TILE_COLUMNS 64
#endif
/* Length of a slice. Local memory taken: 4 * TILE_DEPTH * (TILE_ROWS + TILE_COLUMNS + 2 * TILE_PADDING) bytes. */
#ifndef TILE_DEPTH
#define TILE_DEPTH 16
#endif
/* Results of a work-item, both multiples of 4. They set the registers (about ITEM_ROWS * ITEM_COLUMNS + ITEM_ROWS + ITEM_COLUMNS + 20) and the work-items of a
 * group (TILE_ROWS / ITEM_ROWS * TILE_COLUMNS / ITEM_COLUMNS). */
#ifndef ITEM_ROWS
#define ITEM_ROWS 4
#endif
#ifndef ITEM_COLUMNS
#define ITEM_COLUMNS 4
#endif
/* Numbers that are read from local memory and multiplied at once: 4 on a GPU; as wide as a vector register on a CPU (4, 8 or 16). Divides ITEM_COLUMNS. */
#ifndef VECTOR
#define VECTOR 4
#endif
/* 1: loops that wait for memory are unrolled, so that all of an item's loads are under way together. A CPU has caches instead, and its compiler more to do. */
#ifndef UNROLL
#define UNROLL 1
#endif
#if UNROLL
#define UNROLLED _Pragma("unroll")
#else
#define UNROLLED
#endif
/* Numbers that keep one row of a tile and the next out of the same memory banks. A multiple of 4. */
#ifndef TILE_PADDING
#define TILE_PADDING 4
#endif

#define ITEMS_ACROSS (TILE_COLUMNS / ITEM_COLUMNS)
#define TILE_ITEMS (TILE_ROWS / ITEM_ROWS * ITEMS_ACROSS)
#define VECTORS (ITEM_COLUMNS / VECTOR)
#define ROWS_PITCH (TILE_ROWS + TILE_PADDING)
#define COLUMNS_PITCH (TILE_COLUMNS + TILE_PADDING)
#if TILE_ROWS % ITEM_ROWS || TILE_COLUMNS % ITEM_COLUMNS || ITEM_COLUMNS % VECTOR || ITEM_ROWS % 4 || TILE_DEPTH % 4
#error "the extents of items must divide those of tiles, VECTOR those of items, and 4 ITEM_ROWS and TILE_DEPTH"
#endif

#define FLOATS JOIN(float, VECTOR)
#define LOAD JOIN(vload, VECTOR)
#define STORE JOIN(vstore, VECTOR)

#define TILE_KERNEL __kernel __attribute__((reqd_work_group_size(TILE_ITEMS, 1, 1))) void
#define LOCAL_TILES __local float rows_tile[TILE_DEPTH * ROWS_PITCH] __attribute__((aligned(64))), columns_tile[TILE_DEPTH * COLUMNS_PITCH] __attribute__((aligned(64)))

/* Which results are an item's: rows first_item_row .. + ITEM_ROWS, and VECTORS runs of VECTOR columns. Neighbouring items have neighbouring runs, so what they
 * read from local memory at once lies side by side. */
#define ITEM_FIRST_ROW(item) ((item) / ITEMS_ACROSS * ITEM_ROWS)
#define ITEM_RUN(item, vector) (((vector) * ITEMS_ACROSS + (item) % ITEMS_ACROSS) * VECTOR)

/* sums += rows_tile^T x columns_tile */
INLINE void multiply_tiles(__local const float *rows_tile, __local const float *columns_tile, FLOATS sums[ITEM_ROWS][VECTORS], const int item) {
  for (int k = 0; k < TILE_DEPTH; k++) {
    float row[ITEM_ROWS];
    FLOATS columns[VECTORS];
#pragma unroll
    for (int i = 0; i < ITEM_ROWS; i += 4) vstore4(vload4(0, rows_tile + k * ROWS_PITCH + ITEM_FIRST_ROW(item) + i), 0, row + i);
#pragma unroll
    for (int v = 0; v < VECTORS; v++) columns[v] = LOAD(0, columns_tile + k * COLUMNS_PITCH + ITEM_RUN(item, v));
#pragma unroll
    for (int i = 0; i < ITEM_ROWS; i++)
#pragma unroll
      for (int v = 0; v < VECTORS; v++) sums[i][v] = mad((FLOATS)(row[i]), columns[v], sums[i][v]);
  }
}

/* The places below `count` that fall to this item, all at once: what a body loads then waits for memory together. A body that has nothing to load reads
 * place 0 of the array and throws it away, since a branch would make each load wait for the one before. */
#define EACH_PLACE(place, count)                                                                                                                               \
  UNROLLED for (int turn = 0, place = item; turn < ((count) + TILE_ITEMS - 1) / TILE_ITEMS; turn++, place = item + turn * TILE_ITEMS)                  \
    if ((count) % TILE_ITEMS == 0 || place < (count))

INLINE void clear_sums(FLOATS sums[ITEM_ROWS][VECTORS]) {
#pragma unroll
  for (int i = 0; i < ITEM_ROWS; i++)
#pragma unroll
    for (int v = 0; v < VECTORS; v++) sums[i][v] = (FLOATS)(0.0f);
}

/* Four numbers that follow one another along the inner extent, into a tile that has them in four of its rows. */
INLINE void scatter4(__local float *tile, const int pitch, const float4 numbers) {
  tile[0] = numbers.s0;
  tile[pitch] = numbers.s1;
  tile[2 * pitch] = numbers.s2;
  tile[3 * pitch] = numbers.s3;
}
