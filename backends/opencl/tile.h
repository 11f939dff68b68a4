/* SPDX-License-Identifier: MIT
 *
 * Which tile a product is computed in: the parameters of kernels/tile.cl.
 */
#ifndef ASSAY_OPENCL_TILE_H
#define ASSAY_OPENCL_TILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct assay_device;

/* What a tile is chosen for. Names in enum order: assay_cl_family_name. */
enum assay_cl_family {
  ASSAY_CL_MATMUL,
  ASSAY_CL_CONV2D,
  ASSAY_CL_CONV2D_INPUT_GRADIENT,
  ASSAY_CL_CONV2D_WEIGHT_GRADIENT,
  ASSAY_CL_FAMILIES
};

/* Results with up to 4, 8, 16, 32, 64 and with more rows. Of the two lowest are those of the few channels of a picture, or of a very small network. */
enum { ASSAY_CL_ROW_CLASSES = 6 };

/* All in numbers of elements; see kernels/tile.cl. */
struct assay_cl_tile {
  int rows, columns, depth, item_rows, item_columns, vector;
};

/* By family and class of rows: what the device was opened with. */
struct assay_cl_tiles {
  struct assay_cl_tile of[ASSAY_CL_FAMILIES][ASSAY_CL_ROW_CLASSES];
};

const char *assay_cl_family_name(enum assay_cl_family family);
int assay_cl_row_class(int64_t rows);
int64_t assay_cl_class_rows(int row_class); /* 4, 8, … 128 */

/* The tested values for the device's kind. */
void assay_cl_tiles_default(const struct assay_device *device, struct assay_cl_tiles *tiles);
/* Can kernels/tile.cl be compiled so, and does the device run groups of that size with that much local memory? */
bool assay_cl_tile_fits(const struct assay_device *device, const struct assay_cl_tile *tile);
int assay_cl_tile_gather(const struct assay_device *device, const struct assay_cl_tile *tile); /* columns that an item gathers at once in kernels/conv2d.cl */
size_t assay_cl_tile_items(const struct assay_cl_tile *tile); /* work-items of a group */
/* "128x128x16/8x8/4": rows, columns, depth / rows and columns of an item / vector. */
enum { ASSAY_CL_TILE_TEXT = 64 };
void assay_cl_tile_print(const struct assay_cl_tile *tile, char text[ASSAY_CL_TILE_TEXT]);
bool assay_cl_tile_parse(const char *text, struct assay_cl_tile *tile);

/* The tile for a result of rows x columns, `count` of them: of the class of its rows, or of a lower one (but not below 16 rows) where that one would
 * leave compute units without work. */
struct assay_cl_tile assay_cl_tile_choose(const struct assay_device *device, enum assay_cl_family family, int64_t rows, int64_t columns, int64_t count);

#endif
