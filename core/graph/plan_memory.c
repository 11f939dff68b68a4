/* SPDX-License-Identifier: MIT
 *
 * Offsets for blocks of memory with known lifetimes: greedy by size, each block into the smallest gap that holds it among the blocks that live at the same time
 * (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020).
 */
#include "graph/graph.h"

#include <stdlib.h>

struct block {
  uint64_t size, offset;
  uint32_t first, last, index;
};

static int by_size(const void *left, const void *right) {
  const struct block *a = left, *b = right;
  if (a->size != b->size) return a->size > b->size ? -1 : 1;
  return a->index < b->index ? -1 : 1;
}

static bool round_up(uint64_t number, uint64_t alignment, uint64_t *rounded) {
  if (alignment <= 1 || number % alignment == 0) {
    *rounded = number;
    return true;
  }
  return !__builtin_add_overflow(number, alignment - number % alignment, rounded);
}

/* Where `block` goes among `placed`, which is sorted by offset; false when no offset is left. */
static bool find_gap(const struct block *const *placed, uint32_t placed_count, const struct block *block, uint64_t alignment, uint64_t *offset) {
  uint64_t end = 0, best_gap = UINT64_MAX, best = 0, start;
  for (uint32_t i = 0; i < placed_count; i++) {
    const struct block *other = placed[i];
    if (other->last < block->first || block->last < other->first || other->size == 0) continue;
    if (!round_up(end, alignment, &start)) return false;
    if (start <= other->offset && other->offset - start >= block->size && other->offset - start < best_gap) {
      best_gap = other->offset - start;
      best = start;
    }
    if (other->offset + other->size > end) end = other->offset + other->size;
  }
  if (best_gap != UINT64_MAX) {
    *offset = best;
    return true;
  }
  uint64_t behind;
  return round_up(end, alignment, offset) && !__builtin_add_overflow(*offset, block->size, &behind);
}

static void insert_by_offset(const struct block **placed, uint32_t placed_count, const struct block *block) {
  uint32_t at = placed_count;
  for (; at > 0 && placed[at - 1]->offset > block->offset; at--) placed[at] = placed[at - 1];
  placed[at] = block;
}

int assay_plan_memory(const struct assay_interval *intervals, uint32_t count, uint64_t alignment, uint64_t *offsets, uint64_t *total) {
  *total = 0;
  if (count == 0) return 0;
  struct block *blocks = calloc(count, sizeof *blocks);
  const struct block **placed = calloc(count, sizeof *placed);
  int error = blocks == NULL || placed == NULL ? ASSAY_E_MEMORY : 0;
  for (uint32_t i = 0; error == 0 && i < count; i++) {
    const struct assay_interval *given = &intervals[i];
    const bool ordered = given->first <= given->last;
    blocks[i] = (struct block){given->size, 0, ordered ? given->first : given->last, ordered ? given->last : given->first, i};
  }
  if (error == 0) qsort(blocks, count, sizeof *blocks, by_size);
  for (uint32_t i = 0; error == 0 && i < count; i++) {
    struct block *block = &blocks[i];
    if (!find_gap(placed, i, block, alignment, &block->offset)) error = ASSAY_E_MEMORY;
    insert_by_offset(placed, i, block);
    offsets[block->index] = block->offset;
    if (block->offset + block->size > *total) *total = block->offset + block->size;
  }
  free(blocks);
  free(placed);
  return error;
}
