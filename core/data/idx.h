/* SPDX-License-Identifier: MIT
 *
 * Private: IDX files, as MNIST and its successors use them. Images: magic 00 00 08 03, count, rows, columns (big-endian), bytes. Labels: 00 00 08 01, count,
 * bytes.
 */
#ifndef ASSAY_DATA_IDX_H
#define ASSAY_DATA_IDX_H

#include <assay/types.h>

struct assay_arena;

struct assay_idx {
  uint32_t count, width, height;
  uint8_t *pixels; /* count × height × width */
  uint8_t *labels; /* count */
};

/* Paths of `prefix`-images-idx3-ubyte[.gz] and `prefix`-labels-idx1-ubyte[.gz] in a folder; NULL where there is none. ("images.idx3" is also known.) */
void assay_idx_find(const char *folder, const char *prefix, struct assay_arena *arena, const char **images, const char **labels);
/* Both files whole, plain or gzipped. ASSAY_E_DATA when they lie, differ in count or end early. */
int assay_idx_load(const char *images, const char *labels, struct assay_idx **idx, struct assay_status *status);
void assay_idx_release(struct assay_idx *idx);

#endif
