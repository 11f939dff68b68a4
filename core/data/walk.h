/* SPDX-License-Identifier: MIT
 *
 * Private: files below a folder, and what tells one state of a file from another.
 */
#ifndef ASSAY_DATA_WALK_H
#define ASSAY_DATA_WALK_H

#include <assay/types.h>
#include <stdbool.h>

struct assay_arena;

/* As long as this stays, so does the content; but for changes within the resolution of the file system's clock. */
struct assay_file_identity {
  uint64_t device, inode, size;
  int64_t modified, changed; /* nanoseconds since 1970 */
};

struct assay_found {
  const char *path; /* as opened; any bytes */
  struct assay_file_identity identity;
};

struct assay_walk {
  struct assay_arena *arena;
  struct assay_found *found; /* malloc'ed */
  size_t count, capacity;
  uint32_t ignored; /* files that are no images by content nor by name */
};

/* Adds the images at any depth below `folder`, in no order. Hidden names are skipped; links are followed, but not in circles. ASSAY_E_DATA for a folder that
 * cannot be read. */
int assay_walk_images(struct assay_walk *walk, const char *folder, struct assay_status *status);
/* Adds the folders right inside, sorted, as names (in `path`); files there are counted as ignored. */
int assay_walk_folders(struct assay_walk *walk, const char *folder, struct assay_status *status);
void assay_walk_release(struct assay_walk *walk);

/* The path, with bytes that are not printable UTF-8 as \xNN. From the arena; NULL when memory is short. */
const char *assay_printable_path(struct assay_arena *arena, const char *path);

#endif
