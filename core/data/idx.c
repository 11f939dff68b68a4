/* SPDX-License-Identifier: MIT */
#include "data/idx.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/status.h"
#include "data/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static const char *find_one(const char *folder, const char *prefix, const char *what, struct assay_arena *arena) {
  static const char separators[] = "-.";
  for (int i = 0; i < 4; i++) {
    const char *path =
        assay_arena_print(arena, "%s/%s-%s%c%s-ubyte%s", folder, prefix, what, separators[i / 2], what[0] == 'i' ? "idx3" : "idx1", i % 2 ? ".gz" : "");
    if (path != NULL && assay_file_exists(path)) return path;
  }
  return NULL;
}

void assay_idx_find(const char *folder, const char *prefix, struct assay_arena *arena, const char **images, const char **labels) {
  *images = find_one(folder, prefix, "images", arena);
  *labels = find_one(folder, prefix, "labels", arena);
}

static uint32_t get32(const uint8_t *at) { return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]; }

/* Fills `data`, or says that the file is too short. */
static int read_exactly(gzFile file, const char *path, void *data, size_t size, struct assay_status *status) {
  for (size_t done = 0; done < size;) {
    const unsigned wanted = size - done > 1 << 24 ? 1 << 24 : (unsigned)(size - done);
    const int n = gzread(file, (char *)data + done, wanted);
    if (n > 0) {
      done += (size_t)n;
      continue;
    }
    int reason = Z_OK;
    const char *words = gzerror(file, &reason);
    if (n < 0 && reason != Z_BUF_ERROR) return assay_status_set(status, ASSAY_E_DATA, "%s: is damaged or cannot be read (%s); copy it again", path, words);
    return assay_status_set(status, ASSAY_E_DATA, "%s: ends after %zu bytes of the %zu that its header promises; copy it again", path, done, size);
  }
  return 0;
}

/* Header and content. `dimensions`: 3 of images, 1 of labels. Sizes go to `extents`. */
static int read_file(gzFile file, const char *path, uint64_t stored, int dimensions, uint32_t extents[3], uint8_t **data, struct assay_status *status) {
  uint8_t header[16];
  int result = read_exactly(file, path, header, 4, status);
  if (result != 0) return result;
  if (header[0] != 0 || header[1] != 0 || header[2] != 8 || header[3] != dimensions)
    return assay_status_set(status, ASSAY_E_DATA, "%s: is no IDX file of bytes in %d dimension%s (it begins %02x %02x %02x %02x); copy it again", path,
                            dimensions, dimensions == 1 ? "" : "s", header[0], header[1], header[2], header[3]);
  result = read_exactly(file, path, header + 4, 4 * (size_t)dimensions, status);
  if (result != 0) return result;
  uint64_t size = 1;
  for (int i = 0; i < dimensions; i++) {
    extents[i] = get32(header + 4 + 4 * i);
    if (i > 0 && (extents[i] == 0 || extents[i] > ASSAY_IMAGE_MAX_SIDE))
      return assay_status_set(status, ASSAY_E_DATA, "%s: its header says %u × %u pixels an image; copy it again", path, get32(header + 12), get32(header + 8));
    if (__builtin_mul_overflow(size, extents[i], &size)) return assay_status_set(status, ASSAY_E_DATA, "%s: its header is damaged; copy it again", path);
  }
  if (size / 1032 > stored) /* deflate cannot shrink more */
    return assay_status_set(status, ASSAY_E_DATA, "%s: promises %llu bytes, more than it can hold; copy it again", path, (unsigned long long)size);
  *data = malloc(size == 0 ? 1 : (size_t)size);
  return *data == NULL ? assay_status_memory(status) : read_exactly(file, path, *data, (size_t)size, status);
}

static int load_file(const char *path, int dimensions, uint32_t extents[3], uint8_t **data, struct assay_status *status) {
  struct stat facts;
  const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  gzFile file = descriptor < 0 || fstat(descriptor, &facts) != 0 ? NULL : gzdopen(descriptor, "rb");
  if (file == NULL) {
    const int reason = errno;
    if (descriptor >= 0) close(descriptor);
    return assay_status_set(status, ASSAY_E_DATA, "%s: cannot be opened: %s", path, strerror(reason));
  }
  gzbuffer(file, 1 << 17);
  const int result = read_file(file, path, (uint64_t)facts.st_size, dimensions, extents, data, status);
  gzclose(file);
  return result;
}

int assay_idx_load(const char *images, const char *labels, struct assay_idx **result_idx, struct assay_status *status) {
  struct assay_idx *idx = calloc(1, sizeof *idx);
  if (idx == NULL) return assay_status_memory(status);
  uint32_t extents[3], label_count[3];
  int result = load_file(images, 3, extents, &idx->pixels, status);
  if (result == 0) result = load_file(labels, 1, label_count, &idx->labels, status);
  if (result == 0 && extents[0] != label_count[0])
    result = assay_status_set(status, ASSAY_E_DATA, "%s: has %u images, but %s has %u labels", images, extents[0], assay_path_name(labels), label_count[0]);
  if (result != 0) {
    assay_idx_release(idx);
    return result;
  }
  idx->count = extents[0];
  idx->height = extents[1];
  idx->width = extents[2];
  *result_idx = idx;
  return 0;
}

void assay_idx_release(struct assay_idx *idx) {
  if (idx == NULL) return;
  free(idx->pixels);
  free(idx->labels);
  free(idx);
}
