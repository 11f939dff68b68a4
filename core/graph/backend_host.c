/* SPDX-License-Identifier: MIT
 *
 * The table of services that backends get, and behind it the cache of compiled things: one file a key, never changed once written, checked in full when read, and not taken
 * where somebody else can have written it, since it will run with the user's rights; and what the user may put beside what is built in: kernel sources of their own, and tuned
 * parameters.
 */
#include "graph/session.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/status.h"
#include "base/trust.h"

#include <stdlib.h>
#include <string.h>

/* A file is this header, the key, the data. Little-endian, as the machine that wrote it for itself. */
struct entry_header {
  char magic[8];
  uint64_t key_size, data_size;
  struct assay_hash data_hash;
};

static const char entry_magic[8] = "ASSAYc1";

enum { LARGEST_ENTRY = 1 << 30, LARGEST_SOURCE = 1 << 20 };

static void log_message(int level, const char *message) { assay_log_message(level, "%s", message); }

/* The file of a key: a folder of two digits, then the rest. NULL when there is no cache folder. */
static char *entry_path(struct assay_arena *arena, const void *key, size_t key_size) {
  const char *folder = assay_cache_folder(arena);
  if (folder == NULL) return NULL;
  const struct assay_hash hash = assay_hash_bytes(key, key_size);
  char digits[33];
  assay_hash_print(&hash, digits);
  return assay_arena_print(arena, "%s/compiled/%.2s/%s", folder, digits, digits + 2);
}

static bool entry_is_sound(const char *bytes, size_t size, const void *key, size_t key_size, struct entry_header *header) {
  if (size < sizeof *header) return false;
  memcpy(header, bytes, sizeof *header);
  if (memcmp(header->magic, entry_magic, sizeof entry_magic) != 0 || header->key_size != key_size) return false;
  if (size - sizeof *header < key_size || header->data_size != size - sizeof *header - key_size) return false;
  if (memcmp(bytes + sizeof *header, key, key_size) != 0) return false;
  const struct assay_hash hash = assay_hash_bytes(bytes + sizeof *header + key_size, header->data_size);
  return memcmp(&hash, &header->data_hash, sizeof hash) == 0;
}

static int cache_load(const void *key, size_t key_size, void **data, size_t *size) {
  *data = NULL;
  *size = 0;
  struct assay_arena *arena = assay_arena_create();
  const char *path = arena == NULL ? NULL : entry_path(arena, key, key_size);
  char *bytes = NULL;
  size_t length = 0;
  struct entry_header header;
  int error = path == NULL ? ASSAY_E_STORAGE : assay_file_read_own(path, LARGEST_ENTRY, ASSAY_E_STORAGE, &bytes, &length, NULL);
  if (error == 0 && !entry_is_sound(bytes, length, key, key_size, &header)) error = ASSAY_E_STORAGE;
  if (error == 0) {
    memmove(bytes, bytes + sizeof header + key_size, header.data_size);
    *data = bytes;
    *size = header.data_size;
  } else {
    free(bytes);
  }
  assay_arena_release(arena);
  return error == 0 ? 0 : ASSAY_E_STORAGE;
}

static int write_entry(struct assay_arena *arena, const char *path, const void *key, size_t key_size, const void *data, size_t size) {
  const char *folder = assay_path_folder(arena, path);
  size_t length;
  if (folder == NULL || __builtin_add_overflow(sizeof(struct entry_header) + key_size, size, &length) || length > LARGEST_ENTRY) return ASSAY_E_STORAGE;
  char *bytes = malloc(length);
  if (bytes == NULL) return ASSAY_E_MEMORY;
  struct entry_header header = {.key_size = key_size, .data_size = size, .data_hash = assay_hash_bytes(data, size)};
  memcpy(header.magic, entry_magic, sizeof entry_magic);
  memcpy(bytes, &header, sizeof header);
  memcpy(bytes + sizeof header, key, key_size);
  if (size > 0) memcpy(bytes + sizeof header + key_size, data, size);
  int error = assay_folder_create(folder, NULL);
  if (error == 0) error = assay_file_write(path, bytes, length, NULL);
  free(bytes);
  return error;
}

static int cache_save(const void *key, size_t key_size, const void *data, size_t size) {
  struct assay_arena *arena = assay_arena_create();
  const char *path = arena == NULL || key_size > LARGEST_ENTRY ? NULL : entry_path(arena, key, key_size);
  const int error = path == NULL ? ASSAY_E_STORAGE : write_entry(arena, path, key, key_size, data, size);
  assay_arena_release(arena);
  return error;
}

/* ---- What the user may put beside what is built in ---- */

/* Absolute, without symbolic links; NULL when there is no such file. */
static char *resolve(struct assay_arena *arena, const char *folder, const char *name) {
  char *path = assay_path_join(arena, folder, name), *resolved = path == NULL ? NULL : realpath(path, NULL);
  if (resolved == NULL) return NULL;
  char *kept = assay_arena_print(arena, "%s", resolved);
  free(resolved);
  return kept;
}

static int source_load(const char *name, char **path, char **text, struct assay_status *status) {
  const char *folder = secure_getenv("ASSAY_KERNEL_PATH");
  size_t size;
  *path = *text = NULL;
  if (folder == NULL || *folder == '\0' || strchr(name, '/') != NULL) return 0;
  struct assay_arena *arena = assay_arena_create();
  if (arena == NULL) return assay_status_memory(status);
  const char *file = resolve(arena, folder, name);
  int error = 0;
  if (file != NULL) {
    error = assay_trust_check(file, false, status);
    if (error) assay_status_prefix(status, "ASSAY_KERNEL_PATH: %s", file);
    if (!error) error = assay_file_read(file, LARGEST_SOURCE, ASSAY_E_DEVICE, text, &size, status);
    if (!error && (*path = strdup(file)) == NULL) error = assay_status_memory(status);
    if (!error && strlen(*text) != size) error = assay_status_set(status, ASSAY_E_DEVICE, "%s: holds a NUL byte, so it is no text", file);
  }
  assay_arena_release(arena);
  if (!error) return 0;
  free(*text);
  free(*path);
  *path = *text = NULL;
  return error;
}

char *assay_tuned_path(struct assay_arena *arena, const char *backend) {
  const char *folder = assay_cache_folder(arena);
  return folder == NULL ? NULL : assay_arena_print(arena, "%s/tuned-%s.txt", folder, backend);
}

static int tuned_load(const char *backend, char **text) {
  struct assay_arena *arena = assay_arena_create();
  const char *path = arena == NULL ? NULL : assay_tuned_path(arena, backend);
  size_t size;
  *text = NULL;
  const int error = path == NULL || assay_file_exists(path) == false ? 0 : assay_file_read(path, LARGEST_SOURCE, ASSAY_E_STORAGE, text, &size, NULL);
  assay_arena_release(arena);
  return error;
}

static const struct assay_backend_host table = {sizeof table, 0,          log_message, assay_plan_memory, assay_fuse_elementwise,
                                                cache_load,   cache_save, source_load, tuned_load, assay_backend_wait};

const struct assay_backend_host *assay_backend_host_table(void) { return &table; }
