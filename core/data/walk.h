/* SPDX-License-Identifier: MIT
 *
 * Private: files below a folder, and what tells one state of a file from another.
 */
#ifndef ASSAY_DATA_WALK_H
#define ASSAY_DATA_WALK_H

#include <assay/types.h>
#include <stdbool.h>

struct assay_arena;
struct assay_archive;
struct stat;

/* As long as this stays, so does the content; but for changes within the resolution of the file system's clock. */
struct assay_file_identity {
  uint64_t device, inode, size;
  int64_t modified, changed; /* nanoseconds since 1970 */
};
struct assay_file_identity assay_file_identity_of(const struct stat *facts);

/* An image that was found. */
struct assay_found {
  const char *path; /* as opened, or the archive's path, a slash, and the path inside; any bytes */
  struct assay_file_identity identity; /* of the file, or of the archive */
  struct assay_archive *archive;       /* NULL: a file of its own */
  uint32_t place;                      /* in the archive */
};
/* The bytes of the image, as assay_file_read gives them. Any thread. ASSAY_E_DATA. */
int assay_found_read(const struct assay_found *found, char **data, size_t *size, struct assay_status *status);

struct assay_walk {
  struct assay_arena *arena;
  struct assay_archive *archive; /* what the folders are inside of, by paths that begin with the archive's; NULL: the file system */
  struct assay_found *found; /* malloc'ed */
  size_t count, capacity;
  uint32_t ignored; /* files that are no images by content nor by name */
};

/* Adds the images at any depth below `folder`, in no order. Hidden names are skipped; links are followed, but not in circles. ASSAY_E_DATA for a folder that
 * cannot be read. */
int assay_walk_images(struct assay_walk *walk, const char *folder, struct assay_status *status);
/* Adds the folders right inside, sorted, as names (in `path`); files there are counted as ignored. */
int assay_walk_folders(struct assay_walk *walk, const char *folder, struct assay_status *status);
/* Adds one. */
int assay_walk_add(struct assay_walk *walk, const struct assay_found *found, struct assay_status *status);
void assay_walk_release(struct assay_walk *walk);

/* Adds the images that a manifest lists, whatever else it says of them; see scan_manifest.c. ASSAY_E_DATA with the line. */
int assay_manifest_images(const char *file, struct assay_walk *walk, struct assay_status *status);

/* The path, with bytes that are not printable UTF-8 as \xNN. From the arena; NULL when memory is short. */
const char *assay_printable_path(struct assay_arena *arena, const char *path);

#endif
