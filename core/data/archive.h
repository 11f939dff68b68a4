/* SPDX-License-Identifier: MIT
 *
 * Private to core/data: the images in an archive (tar or zip), read where they lie through libarchive. Nothing is ever extracted under a name that an archive
 * chooses: names only tell classes.
 *
 * A compressed tar cannot be read here and there. It is unpacked once, as the plain tar inside, to a file of the cache folder that is named by what the archive
 * is, and read there from then on.
 */
#ifndef ASSAY_DATA_ARCHIVE_H
#define ASSAY_DATA_ARCHIVE_H

#include "data/walk.h"

struct assay_archive;

/* One file inside. Hidden names (with a part that begins with a point, so also "..") and __MACOSX are left out; of several files of one name the last counts,
 * as for tar. */
struct assay_archive_entry {
  const char *path; /* relative: no slash at its start, no "." or empty parts; any bytes */
  uint32_t place;   /* headers before it in the archive */
  bool image;       /* by its name, or by its first bytes */
};

/* The common endings: .tar, .zip, .tar.gz, .tgz, …, in any case. */
bool assay_archive_name(const char *path);

/* Lists it. ASSAY_E_DATA when it cannot be read, is none, is damaged or ends early, or expands beyond reason; ASSAY_E_STORAGE when there is no room to unpack. */
int assay_archive_open(const char *path, struct assay_archive **archive, struct assay_status *status);
void assay_archive_release(struct assay_archive *archive); /* NULL is fine */

/* As the path was given. */
const char *assay_archive_path(const struct assay_archive *archive);
/* Sorted by path. */
const struct assay_archive_entry *assay_archive_entries(const struct assay_archive *archive, uint32_t *count);
/* Of the archive's file: what is inside changes only with it. */
const struct assay_file_identity *assay_archive_identity(const struct assay_archive *archive);

/* One file, malloc'ed, with a NUL byte behind it that `size` does not count; of a file that begins as no picture does only the first bytes. Any thread; quick
 * when places ascend, as each call goes on where an earlier one has stopped. ASSAY_E_DATA (a clause without path) when it is damaged, encrypted or too large. */
int assay_archive_read(struct assay_archive *archive, uint32_t place, char **data, size_t *size, struct assay_status *status);

/* ---- Between archive.c and unpack.c ---- */

struct archive; /* libarchive's */

/* A file as libarchive reads it: from `offset` on, one a reader, over a descriptor that all may share. */
struct assay_archive_stream {
  int file;
  uint64_t offset, size;
  char buffer[1 << 16];
};
/* Opens `reader`, which knows its formats by now; libarchive's result. With `filters` it undoes compression of the whole file, by those filters inside the library
 * that start no program. */
int assay_archive_attach(struct archive *reader, struct assay_archive_stream *stream, bool filters);
/* The compressed file behind `file` as a plain one: *unpacked is a new descriptor, to be closed. `name`: for messages. */
int assay_archive_unpack(const char *name, int file, const struct assay_file_identity *identity, int *unpacked, struct assay_status *status);

#endif
