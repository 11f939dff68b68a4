/* SPDX-License-Identifier: MIT
 *
 * Files: read whole within a bound, written so that a crash leaves the old or the new one, and folders.
 */
#ifndef ASSAY_BASE_FILE_H
#define ASSAY_BASE_FILE_H

#include <assay/types.h>
#include <stdbool.h>

struct assay_arena;

/* The whole regular file, malloc'ed, with a NUL byte behind it that `size` does not count. Larger than `limit` is an error. `code` is
 * what a failure is to be called (ASSAY_E_DATA, ASSAY_E_CONFIG, …). */
int assay_file_read(const char *path, size_t limit, int code, char **data, size_t *size, struct assay_status *status);
/* The same of a file that only this user or root can have written (or their group, where it may write): any other is an error. */
int assay_file_read_own(const char *path, size_t limit, int code, char **data, size_t *size, struct assay_status *status);
/* Temporary name in the same folder, written, synced, renamed, folder synced. ASSAY_E_STORAGE on failure, the old file untouched. */
int assay_file_write(const char *path, const void *data, size_t size, struct assay_status *status);
/* As `mkdir -p`. ASSAY_E_STORAGE. */
int assay_folder_create(const char *path, struct assay_status *status);
bool assay_file_exists(const char *path);
bool assay_folder_exists(const char *path);

/* `name` as seen from `folder`: joined unless absolute. From the arena; NULL when memory is short. */
char *assay_path_join(struct assay_arena *arena, const char *folder, const char *name);
/* Folder part ("." when none) and last part. From the arena. */
char *assay_path_folder(struct assay_arena *arena, const char *path);
const char *assay_path_name(const char *path);

/* $XDG_CACHE_HOME/assay or ~/.cache/assay, created, mode 0700. From the arena; NULL when there is neither, or it cannot be made. */
char *assay_cache_folder(struct assay_arena *arena);

#endif
