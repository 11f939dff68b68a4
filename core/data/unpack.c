/* SPDX-License-Identifier: MIT
 *
 * A compressed tar, unpacked once into the cache folder: archives/HASH.tar, named by the file that it came from. Without a cache folder it is a file without a
 * name, for as long as the archive is open.
 */
#include "data/archive.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/status.h"
#include "data/decode.h"
#include "data/rows.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Pictures hardly shrink, so what grows beyond both of these is made to fill the disk. */
static const uint64_t free_growth = (uint64_t)1 << 30, most_growth = 200;

struct unpacking {
  const char *name;
  const struct assay_file_identity *identity;
  struct archive *reader;
  struct assay_archive_stream stream;
  int target;
  struct assay_status *status;
};

static int write_all(struct unpacking *unpacking, const char *data, size_t size) {
  while (size > 0) {
    const ssize_t written = write(unpacking->target, data, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0)
      return assay_status_set(unpacking->status, ASSAY_E_STORAGE, "%s: cannot be unpacked into the cache folder: %s; make room, set XDG_CACHE_HOME, or unpack it and use the folder",
                              unpacking->name, strerror(written == 0 ? ENOSPC : errno));
    data += written;
    size -= (size_t)written;
  }
  return 0;
}

/* Everything behind the filters, whatever it is. */
static int copy(struct unpacking *unpacking) {
  struct archive_entry *entry;
  const void *block;
  size_t size;
  la_int64_t offset;
  uint64_t total = 0;
  int code = 0, result = archive_read_next_header(unpacking->reader, &entry);
  while (code == 0 && result >= ARCHIVE_WARN && result != ARCHIVE_EOF) {
    result = archive_read_data_block(unpacking->reader, &block, &size, &offset);
    if (result < ARCHIVE_WARN || result == ARCHIVE_EOF) break;
    total += size;
    if (total > free_growth && total / most_growth > unpacking->identity->size)
      return assay_status_set(unpacking->status, ASSAY_E_DATA, "%s: expands to more than %llu times its size, which no archive of pictures does; unpack it by hand if you trust it",
                              unpacking->name, (unsigned long long)most_growth);
    code = write_all(unpacking, block, size);
  }
  if (code != 0 || result == ARCHIVE_EOF) return code;
  char text[128];
  const char *words = archive_error_string(unpacking->reader);
  assay_decode_quote(words == NULL ? "no reason given" : words, text, sizeof text);
  return assay_status_set(unpacking->status, ASSAY_E_DATA, "%s: the archive is damaged or ends too early (%s); copy it again", unpacking->name, text);
}

static int run(struct unpacking *unpacking) {
  unpacking->reader = archive_read_new();
  if (unpacking->reader == NULL) return assay_status_memory(unpacking->status);
  archive_read_support_format_raw(unpacking->reader);
  (void)assay_archive_attach(unpacking->reader, &unpacking->stream, true);
  const int code = copy(unpacking);
  archive_read_free(unpacking->reader);
  return code;
}

/* A file without a name, in memory's place for temporary files. */
static int open_nameless(void) {
  const char *folder = getenv("TMPDIR");
  return open(folder != NULL && folder[0] == '/' ? folder : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

int assay_archive_unpack(const char *name, int file, const struct assay_file_identity *identity, int *unpacked, struct assay_status *status) {
  struct assay_arena *arena = assay_arena_create();
  const char *folder = arena == NULL ? NULL : assay_cache_subfolder(arena, "archives");
  const struct assay_hash hash = assay_hash_bytes(identity, sizeof *identity);
  char digits[33];
  assay_hash_print(&hash, digits);
  const char *final = folder == NULL ? NULL : assay_arena_print(arena, "%s/%s.tar", folder, digits);
  char *temporary = folder == NULL ? NULL : assay_path_join(arena, folder, "making.XXXXXX");
  *unpacked = final == NULL ? -1 : open(final, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (*unpacked >= 0) {
    (void)futimens(*unpacked, NULL); /* used: goes last when room is made */
    assay_arena_release(arena);
    return 0;
  }
  struct unpacking *unpacking = calloc(1, sizeof *unpacking);
  int code = unpacking == NULL ? assay_status_memory(status) : 0;
  if (code == 0) {
    *unpacking = (struct unpacking){.name = name, .identity = identity, .stream = {.file = file, .size = identity->size}, .status = status};
    unpacking->target = temporary == NULL ? -1 : mkostemp(temporary, O_CLOEXEC);
    if (unpacking->target < 0) {
      temporary = NULL;
      unpacking->target = open_nameless();
    }
    if (unpacking->target < 0)
      code = assay_status_set(status, ASSAY_E_STORAGE, "%s: there is no folder to unpack it into: %s; set XDG_CACHE_HOME, or unpack it and use the folder", name, strerror(errno));
    if (code == 0) code = run(unpacking);
    if (code == 0 && temporary != NULL && (fsync(unpacking->target) != 0 || rename(temporary, final) != 0))
      code = assay_status_set(status, ASSAY_E_STORAGE, "%s: cannot be unpacked into the cache folder: %s", name, strerror(errno));
    if (code == 0) *unpacked = unpacking->target;
    else if (unpacking->target >= 0) close(unpacking->target);
    if (code != 0 && temporary != NULL) unlink(temporary);
  }
  if (code == 0 && temporary != NULL) assay_cache_tidy(folder, final);
  free(unpacking);
  assay_arena_release(arena);
  return code;
}
