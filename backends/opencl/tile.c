/* SPDX-License-Identifier: MIT
 *
 * Tiles: the defaults, how they are written down, and the choice for a shape.
 *
 * The defaults for GPUs come from counting: 8 x 8 results an item do 64 multiply-adds for 16 numbers read from local memory (as dlprimitives and the tuned
 * sets of CLBlast have it), in about 100 registers, so that two waves a SIMD or four warps a scheduler hide each other's waiting. A CPU has its vector registers to
 * fill, no use for many items, and a cache for local memory.
 */
#include "backends/opencl/tile.h"

#include "backends/opencl/device.h"
#include <stdio.h>
#include <string.h>

enum { LOWEST_TO_SPLIT = 2 }; /* 16 rows: narrower tiles are wide, and leave still fewer groups */

static const struct assay_cl_tile gpu_tiles[ASSAY_CL_ROW_CLASSES] = {{4, 256, 16, 4, 4, 4}, {8, 256, 16, 8, 4, 4}, {16, 128, 16, 4, 4, 4}, {32, 128, 16, 4, 8, 4}, {64, 128, 16, 8, 8, 4}, {128, 128, 16, 8, 8, 4}};
static const struct assay_cl_tile cpu_tiles[ASSAY_CL_ROW_CLASSES] = {{4, 128, 16, 4, 16, 16}, {8, 128, 16, 8, 16, 16}, {16, 64, 16, 4, 16, 16}, {32, 64, 16, 8, 16, 16}, {32, 64, 16, 8, 16, 16}, {32, 64, 16, 8, 16, 16}};

static const char *const family_names[ASSAY_CL_FAMILIES] = {"matmul", "conv2d", "conv2d_input_gradient", "conv2d_weight_gradient"};

const char *assay_cl_family_name(enum assay_cl_family family) { return family_names[family]; }
int64_t assay_cl_class_rows(int row_class) { return (int64_t)4 << row_class; }
int assay_cl_row_class(int64_t rows) {
  int row_class = 0;
  while (row_class < ASSAY_CL_ROW_CLASSES - 1 && assay_cl_class_rows(row_class) < rows) row_class++;
  return row_class;
}

size_t assay_cl_tile_items(const struct assay_cl_tile *tile) {
  return (size_t)(tile->rows / tile->item_rows) * (size_t)(tile->columns / tile->item_columns);
}

int assay_cl_tile_gather(const struct assay_device *device, const struct assay_cl_tile *tile) { return device->kind == ASSAY_DEVICE_CPU ? tile->vector : 1; }

bool assay_cl_tile_fits(const struct assay_device *device, const struct assay_cl_tile *tile) {
  const int numbers[] = {tile->rows, tile->columns, tile->depth, tile->item_rows, tile->item_columns, tile->vector};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    if (numbers[i] < 1 || numbers[i] > 1024) return false;
  if (tile->vector != 4 && tile->vector != 8 && tile->vector != 16) return false;
  if (tile->rows % tile->item_rows || tile->columns % tile->item_columns || tile->item_columns % tile->vector || tile->item_rows % 4 || tile->depth % 4) return false;
  const size_t items = assay_cl_tile_items(tile), runs = (size_t)(tile->columns / assay_cl_tile_gather(device, tile));
  if (runs % items && items % runs) return false;
  if (items > runs && (size_t)tile->depth % (items / runs)) return false;
  /* 16 bytes a row of the slice besides the tiles: where its elements lie. */
  return items <= device->group_size && 4 * (size_t)tile->depth * (size_t)(tile->rows + tile->columns + 12) <= device->local_memory;
}

/* Smaller and smaller until one fits; the last fits every device that can be opened (64 items, 6 KiB). */
static struct assay_cl_tile first_that_fits(const struct assay_device *device, const struct assay_cl_tile *tiles, int row_class) {
  for (; row_class >= 0; row_class--)
    if (assay_cl_tile_fits(device, &tiles[row_class])) return tiles[row_class];
  return (struct assay_cl_tile){16, 64, 16, 4, 4, 4};
}

void assay_cl_tiles_default(const struct assay_device *device, struct assay_cl_tiles *tiles) {
  const struct assay_cl_tile *by_class = device->kind == ASSAY_DEVICE_CPU ? cpu_tiles : gpu_tiles;
  for (int family = 0; family < ASSAY_CL_FAMILIES; family++)
    for (int row_class = 0; row_class < ASSAY_CL_ROW_CLASSES; row_class++) tiles->of[family][row_class] = first_that_fits(device, by_class, row_class);
}

void assay_cl_tile_print(const struct assay_cl_tile *tile, char text[ASSAY_CL_TILE_TEXT]) {
  snprintf(text, ASSAY_CL_TILE_TEXT, "%dx%dx%d/%dx%d/%d", tile->rows, tile->columns, tile->depth, tile->item_rows, tile->item_columns, tile->vector);
}

bool assay_cl_tile_parse(const char *text, struct assay_cl_tile *tile) {
  int end = -1;
  if (strlen(text) >= ASSAY_CL_TILE_TEXT) return false;
  const int count =
      sscanf(text, "%4dx%4dx%4d/%4dx%4d/%4d%n", &tile->rows, &tile->columns, &tile->depth, &tile->item_rows, &tile->item_columns, &tile->vector, &end);
  return count == 6 && end >= 0 && !text[end];
}

struct assay_cl_tile assay_cl_tile_choose(const struct assay_device *device, enum assay_cl_family family, int64_t rows, int64_t columns, int64_t count) {
  const struct assay_cl_tile *tiles = device->tiles.of[family];
  int row_class = assay_cl_row_class(rows);
  for (; row_class > LOWEST_TO_SPLIT; row_class--) {
    const int64_t down = (rows + tiles[row_class].rows - 1) / tiles[row_class].rows, across = (columns + tiles[row_class].columns - 1) / tiles[row_class].columns;
    if (down * across * count >= device->compute_units) break;
  }
  return tiles[row_class];
}
