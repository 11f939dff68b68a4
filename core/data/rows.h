/* SPDX-License-Identifier: MIT
 *
 * Private to core/data: the file of decoded pixels, one row a sample, while it is made and when it is read.
 */
#ifndef ASSAY_DATA_ROWS_H
#define ASSAY_DATA_ROWS_H

#include "base/hash.h"

#include <stdbool.h>

struct assay_arena;
struct assay_rows;

/* NULL when the cache folder is not usable or memory is short. */
struct assay_rows *assay_rows_begin(uint32_t count, uint32_t width, uint32_t height, uint32_t channels);
/* From any thread, at most once a sample. */
void assay_rows_put(struct assay_rows *rows, uint32_t sample, const uint8_t *pixels);
/* The errno of the first write that failed, such as ENOSPC; 0. */
int assay_rows_failure(const struct assay_rows *rows);
bool assay_rows_has(const struct assay_rows *rows, uint32_t sample);
/* Gives the file its name, on the disk for good; false when anything has failed. Releases either way. */
bool assay_rows_finish(struct assay_rows *rows, const struct assay_hash *key);
void assay_rows_abandon(struct assay_rows *rows); /* NULL is fine */

/* A finished file, mapped; munmap(base, size) when done. */
struct assay_rows_map {
  void *base;
  size_t size;
  const uint8_t *pixels, *present;
};
/* False when there is none, or it is damaged. Every row's checksum is compared, in threads. */
bool assay_rows_open(const struct assay_hash *key, uint32_t count, uint32_t width, uint32_t height, uint32_t channels, uint32_t threads,
                     struct assay_rows_map *map);

/* Waits until no other process makes this file. Gives a lock for assay_rows_unlock; -1 when there can be none. */
int assay_rows_lock(const struct assay_hash *key);
void assay_rows_unlock(int lock);

/* A folder inside assay's cache folder, created; NULL when it cannot be. */
char *assay_cache_subfolder(struct assay_arena *arena, const char *name);
/* Removes from such a folder what crashes left behind a day ago or more ("making.…"), and beyond the budget the files unused for longest; never `keep`. */
void assay_cache_tidy(const char *folder, const char *keep);

#endif
