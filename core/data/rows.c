/* SPDX-License-Identifier: MIT
 *
 * The cache file: made once under a temporary name, then only read.
 *
 *   header · a checksum a sample · a byte a sample: 1 when it has pixels · zeros to a multiple of 4096 · rows of height × width × channels bytes
 *
 * Rows of samples without pixels are holes. Numbers are in this machine's byte order; a file from another one does not match.
 */
#include "data/rows.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "data/parallel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct header {
  char magic[8];
  struct assay_hash key;
  uint64_t count, width, height, channels, data, size; /* data: offset of the first row; size: of the file */
  struct assay_hash table, self;                       /* of checksums and flags; of this header with zeros here */
};

static const char magic[8] = "ASSAYPX1";
/* When all files of a kind together exceed this, the ones unused for longest go. */
static const uint64_t most_bytes = (uint64_t)20 << 30;

struct assay_rows {
  struct assay_arena *arena;
  const char *folder, *temporary;
  int file;
  struct header header;
  size_t row;
  uint64_t *sums;
  uint8_t *present;
  _Atomic int failed; /* errno of the first failure */
};

static uint64_t checksum(const void *data, size_t size) {
  const struct assay_hash hash = assay_hash_bytes(data, size);
  uint64_t sum;
  memcpy(&sum, hash.bytes, sizeof sum);
  return sum;
}

char *assay_cache_subfolder(struct assay_arena *arena, const char *name) {
  const char *base = assay_cache_folder(arena);
  char *folder = base == NULL ? NULL : assay_path_join(arena, base, name);
  return folder != NULL && assay_folder_create(folder, NULL) == 0 ? folder : NULL;
}

/* ---- Making one ---- */

static bool lay_out(struct header *header, uint32_t count, uint32_t width, uint32_t height, uint32_t channels, size_t *row) {
  memcpy(header->magic, magic, sizeof magic);
  header->count = count;
  header->width = width;
  header->height = height;
  header->channels = channels;
  header->data = (sizeof *header + (uint64_t)count * 9 + 4095) / 4096 * 4096;
  size_t pixels, bytes;
  if (!assay_multiply(width, height, &pixels) || !assay_multiply(pixels, channels, row) || !assay_multiply(*row, count, &bytes)) return false;
  return !__builtin_add_overflow(header->data, bytes, &header->size) && header->size <= INT64_MAX;
}

struct assay_rows *assay_rows_begin(uint32_t count, uint32_t width, uint32_t height, uint32_t channels) {
  struct assay_arena *arena = assay_arena_create();
  struct assay_rows *rows = arena == NULL ? NULL : ASSAY_NEW(arena, struct assay_rows);
  if (rows == NULL) {
    assay_arena_release(arena);
    return NULL;
  }
  *rows = (struct assay_rows){.arena = arena, .file = -1};
  char *temporary = NULL;
  if (lay_out(&rows->header, count, width, height, channels, &rows->row)) {
    rows->sums = ASSAY_NEW_ARRAY(arena, uint64_t, count);
    rows->present = ASSAY_NEW_ARRAY(arena, uint8_t, count);
    rows->folder = assay_cache_subfolder(arena, "pixels");
    temporary = rows->folder == NULL ? NULL : assay_path_join(arena, rows->folder, "making.XXXXXX");
  }
  if (rows->sums != NULL && rows->present != NULL && temporary != NULL) rows->file = mkostemp(temporary, O_CLOEXEC);
  if (rows->file < 0 || ftruncate(rows->file, (off_t)rows->header.size) != 0) {
    rows->temporary = rows->file < 0 ? NULL : temporary;
    assay_rows_abandon(rows);
    return NULL;
  }
  rows->temporary = temporary;
  return rows;
}

static void put_bytes(struct assay_rows *rows, const void *data, size_t size, uint64_t offset) {
  for (size_t done = 0; done < size && atomic_load(&rows->failed) == 0;) {
    const ssize_t n = pwrite(rows->file, (const char *)data + done, size - done, (off_t)(offset + done));
    if (n > 0) done += (size_t)n;
    else if (n == 0 || errno != EINTR) atomic_store(&rows->failed, n == 0 ? ENOSPC : errno);
  }
}

void assay_rows_put(struct assay_rows *rows, uint32_t sample, const uint8_t *pixels) {
  put_bytes(rows, pixels, rows->row, rows->header.data + (uint64_t)sample * rows->row);
  rows->sums[sample] = checksum(pixels, rows->row);
  rows->present[sample] = 1;
}

int assay_rows_failure(const struct assay_rows *rows) { return atomic_load(&rows->failed); }

bool assay_rows_has(const struct assay_rows *rows, uint32_t sample) { return rows->present[sample] != 0; }

void assay_rows_abandon(struct assay_rows *rows) {
  if (rows == NULL) return;
  if (rows->temporary != NULL) unlink(rows->temporary);
  if (rows->file >= 0) close(rows->file);
  assay_arena_release(rows->arena);
}

static struct assay_hash table_hash(const uint64_t *sums, const uint8_t *present, uint64_t count) {
  struct assay_hash parts[2] = {assay_hash_bytes(sums, count * sizeof *sums), assay_hash_bytes(present, count)};
  return assay_hash_bytes(parts, sizeof parts);
}

static struct assay_hash header_hash(const struct header *header) {
  struct header copy = *header;
  memset(&copy.self, 0, sizeof copy.self);
  return assay_hash_bytes(&copy, sizeof copy);
}

static char *name_of(struct assay_arena *arena, const char *folder, const struct assay_hash *key) {
  char digits[33];
  assay_hash_print(key, digits);
  return assay_arena_print(arena, "%s/%s.u8", folder, digits);
}

struct old_file {
  char *path;
  int64_t used;
  uint64_t size;
};

static int by_age(const void *a, const void *b) {
  const int64_t left = ((const struct old_file *)a)->used, right = ((const struct old_file *)b)->used;
  return (left > right) - (left < right);
}

void assay_cache_tidy(const char *folder, const char *keep) {
  struct assay_arena *arena = assay_arena_create();
  DIR *entries = arena == NULL ? NULL : opendir(folder);
  if (entries == NULL) {
    assay_arena_release(arena);
    return;
  }
  struct old_file *files = NULL;
  size_t count = 0, capacity = 0;
  uint64_t total = 0;
  const time_t now = time(NULL);
  for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) {
    struct stat facts;
    char *path = assay_path_join(arena, folder, entry->d_name);
    if (path == NULL || lstat(path, &facts) != 0 || !S_ISREG(facts.st_mode)) continue;
    const bool unfinished = strncmp(entry->d_name, "making.", 7) == 0;
    if (unfinished && facts.st_mtime < now - 86400) unlink(path);
    if (unfinished || strcmp(entry->d_name, "lock") == 0) continue;
    const uint64_t size = (uint64_t)facts.st_blocks * 512;
    total += size;
    void *list = files;
    if (strcmp(path, keep) == 0 || !assay_grow(&list, &capacity, count + 1, sizeof *files)) continue;
    files = list;
    files[count++] = (struct old_file){path, (int64_t)facts.st_mtim.tv_sec * 1000000000 + facts.st_mtim.tv_nsec, size};
  }
  closedir(entries);
  if (count > 0) qsort(files, count, sizeof *files, by_age);
  for (size_t i = 0; i < count && total > most_bytes; i++) {
    if (unlink(files[i].path) == 0) total -= files[i].size;
  }
  free(files);
  assay_arena_release(arena);
}

bool assay_rows_finish(struct assay_rows *rows, const struct assay_hash *key) {
  struct header *header = &rows->header;
  const uint64_t count = header->count;
  header->key = *key;
  header->table = table_hash(rows->sums, rows->present, count);
  header->self = header_hash(header);
  put_bytes(rows, rows->sums, count * sizeof *rows->sums, sizeof *header);
  put_bytes(rows, rows->present, count, sizeof *header + count * sizeof *rows->sums);
  put_bytes(rows, header, sizeof *header, 0);
  const char *name = name_of(rows->arena, rows->folder, key);
  bool done = atomic_load(&rows->failed) == 0 && name != NULL && fsync(rows->file) == 0 && rename(rows->temporary, name) == 0;
  if (done) {
    rows->temporary = NULL;
    const int folder = open(rows->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0) {
      (void)fsync(folder);
      close(folder);
    }
    assay_cache_tidy(rows->folder, name);
  }
  assay_rows_abandon(rows);
  return done;
}

/* ---- Reading one ---- */

struct check {
  const uint8_t *data;
  const uint64_t *sums;
  const uint8_t *present;
  size_t row;
  _Atomic bool wrong;
};

enum { ROWS_A_ROUND = 64 };

static void check_some(void *context, uint32_t round) {
  struct check *check = context;
  for (uint32_t i = 0; i < ROWS_A_ROUND && !atomic_load(&check->wrong); i++) {
    const size_t sample = (size_t)round * ROWS_A_ROUND + i;
    if (check->present[sample] != 0 && checksum(check->data + sample * check->row, check->row) != check->sums[sample]) atomic_store(&check->wrong, true);
  }
}

static bool is_whole(const uint8_t *bytes, size_t size, const struct assay_hash *key, const struct header *expected, size_t row, uint32_t threads) {
  struct header header;
  memcpy(&header, bytes, sizeof header);
  const struct assay_hash self = header_hash(&header);
  if (memcmp(&self, &header.self, sizeof self) != 0 || memcmp(&header.key, key, sizeof *key) != 0 || header.size != size || header.data != expected->data ||
      header.count != expected->count)
    return false;
  const uint64_t *sums = (const uint64_t *)(const void *)(bytes + sizeof header);
  struct check check = {bytes + header.data, sums, (const uint8_t *)(sums + header.count), row, false};
  const struct assay_hash table = table_hash(sums, check.present, header.count);
  if (memcmp(&table, &header.table, sizeof table) != 0) return false;
  assay_parallel_for((uint32_t)(header.count / ROWS_A_ROUND), threads, check_some, &check);
  for (size_t i = header.count / ROWS_A_ROUND * ROWS_A_ROUND; i < header.count; i++)
    if (check.present[i] != 0 && checksum(check.data + i * row, row) != sums[i]) return false;
  return !atomic_load(&check.wrong);
}

bool assay_rows_open(const struct assay_hash *key, uint32_t count, uint32_t width, uint32_t height, uint32_t channels, uint32_t threads,
                     struct assay_rows_map *map) {
  struct header expected;
  size_t row;
  struct assay_arena *arena = assay_arena_create();
  const char *folder = arena == NULL ? NULL : assay_cache_subfolder(arena, "pixels");
  const char *name = folder == NULL ? NULL : name_of(arena, folder, key);
  const int file = name == NULL ? -1 : open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  struct stat facts;
  bool good = false;
  if (file >= 0 && lay_out(&expected, count, width, height, channels, &row) && fstat(file, &facts) == 0 && (uint64_t)facts.st_size == expected.size) {
    map->size = (size_t)expected.size;
    map->base = mmap(NULL, map->size, PROT_READ, MAP_SHARED, file, 0);
    if (map->base != MAP_FAILED) {
      good = is_whole(map->base, map->size, key, &expected, row, threads);
      if (good) {
        map->pixels = (const uint8_t *)map->base + expected.data;
        map->present = (const uint8_t *)map->base + sizeof expected + (size_t)count * sizeof(uint64_t);
        (void)futimens(file, (const struct timespec[2]){{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}}); /* used: goes last when room is made */
      } else {
        munmap(map->base, map->size);
      }
    }
  }
  if (file >= 0) {
    if (!good) assay_log_message(ASSAY_LOG_WARNING, "%s: the cache file is damaged; it is made again", name);
    close(file);
  }
  assay_arena_release(arena);
  return good;
}

int assay_rows_lock(const struct assay_hash *key) {
  struct assay_arena *arena = assay_arena_create();
  const char *folder = arena == NULL ? NULL : assay_cache_subfolder(arena, "pixels");
  const char *name = folder == NULL ? NULL : assay_path_join(arena, folder, "lock");
  const int file = name == NULL ? -1 : open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  assay_arena_release(arena);
  if (file < 0) return -1;
  uint64_t place;
  memcpy(&place, key->bytes, sizeof place);
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)(place >> 2), .l_len = 1};
  while (fcntl(file, F_OFD_SETLKW, &lock) != 0)
    if (errno != EINTR) break; /* no locks on this file system: processes may do the same work twice, and nothing worse */
  return file;
}

void assay_rows_unlock(int lock) {
  if (lock >= 0) close(lock);
}
