/* SPDX-License-Identifier: MIT
 *
 * Folders and the images in them, in the file system or in an archive.
 */
#include "data/walk.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "data/archive.h"
#include "data/image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEEPEST = 64 };

/* Folders that we are inside of, to notice links that lead back. */
struct ancestor {
  const struct ancestor *parent;
  dev_t device;
  ino_t inode;
  int depth;
};

static int64_t nanoseconds(struct timespec time) { return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec; }

struct assay_file_identity assay_file_identity_of(const struct stat *facts) {
  return (struct assay_file_identity){facts->st_dev, facts->st_ino, (uint64_t)facts->st_size, nanoseconds(facts->st_mtim), nanoseconds(facts->st_ctim)};
}

int assay_walk_add(struct assay_walk *walk, const struct assay_found *one, struct assay_status *status) {
  void *found = walk->found;
  if (walk->count >= UINT32_MAX || !assay_grow(&found, &walk->capacity, walk->count + 1, sizeof *walk->found)) return assay_status_memory(status);
  walk->found = found;
  walk->found[walk->count++] = *one;
  return 0;
}

static int add_found(struct assay_walk *walk, const char *path, const struct stat *facts, struct assay_status *status) {
  const struct assay_found found = {.path = path, .identity = assay_file_identity_of(facts)};
  return assay_walk_add(walk, &found, status);
}

/* Does the content begin as a picture's? */
static bool looks_like_image(const char *path) {
  const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return false;
  uint8_t bytes[32];
  const ssize_t length = read(file, bytes, sizeof bytes);
  close(file);
  return length > 0 && assay_image_kind(bytes, (size_t)length) != NULL;
}

static int fail_folder(struct assay_walk *walk, const char *folder, struct assay_status *status) {
  const int reason = errno;
  const char *shown = assay_printable_path(walk->arena, folder);
  return assay_status_set(status, ASSAY_E_DATA, "%s: the folder cannot be read: %s; make it readable or move it away", shown == NULL ? "?" : shown,
                          strerror(reason));
}

static int walk_images(struct assay_walk *walk, const char *folder, const struct ancestor *parent, struct assay_status *status);

static int visit(struct assay_walk *walk, const char *path, const struct ancestor *ancestor, struct assay_status *status) {
  struct stat facts;
  if (stat(path, &facts) != 0) {
    facts = (struct stat){0}; /* a link to nothing, or gone by now: reported when it is opened */
    if (assay_image_name(path)) return add_found(walk, path, &facts, status);
    walk->ignored++;
    return 0;
  }
  if (S_ISDIR(facts.st_mode)) {
    for (const struct ancestor *a = ancestor; a != NULL; a = a->parent)
      if (a->device == facts.st_dev && a->inode == facts.st_ino) {
        assay_log_message(ASSAY_LOG_WARNING, "%s: is a link back to a folder that it is in; skipped", path);
        return 0;
      }
    return walk_images(walk, path, ancestor, status);
  }
  if (S_ISREG(facts.st_mode) && (assay_image_name(path) || looks_like_image(path))) return add_found(walk, path, &facts, status);
  walk->ignored++;
  return 0;
}

static int walk_images(struct assay_walk *walk, const char *folder, const struct ancestor *parent, struct assay_status *status) {
  if (parent != NULL && parent->depth >= DEEPEST)
    return assay_status_set(status, ASSAY_E_DATA, "%s: folders are nested too deeply; put the images higher up", folder);
  DIR *entries = opendir(folder);
  if (entries == NULL) return fail_folder(walk, folder, status);
  struct stat facts;
  int result = fstat(dirfd(entries), &facts) == 0 ? 0 : fail_folder(walk, folder, status);
  const struct ancestor self = {parent, facts.st_dev, facts.st_ino, parent == NULL ? 1 : parent->depth + 1};
  while (result == 0) {
    errno = 0;
    const struct dirent *entry = readdir(entries);
    if (entry == NULL) {
      if (errno != 0) result = fail_folder(walk, folder, status);
      break;
    }
    if (entry->d_name[0] == '.') continue;
    const char *path = assay_path_join(walk->arena, folder, entry->d_name);
    result = path == NULL ? assay_status_memory(status) : visit(walk, path, &self, status);
  }
  closedir(entries);
  return result;
}

/* ---- In an archive ---- */

/* Where paths that begin with `prefix` start (or would stand), among sorted entries. */
static uint32_t lower_bound(const struct assay_archive_entry *entries, uint32_t count, const char *prefix) {
  uint32_t low = 0, high = count;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (strcmp(entries[middle].path, prefix) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/* The entries below `folder`: the first, their count, and in *inside the length of what their paths begin with ("folder/"); NULL when memory is short. */
static const struct assay_archive_entry *entries_below(struct assay_walk *walk, const char *folder, uint32_t *count, size_t *inside) {
  const char *name = folder + strlen(assay_archive_path(walk->archive));
  if (*name == '/') name++;
  const char *prefix = *name == '\0' ? "" : assay_arena_print(walk->arena, "%s/", name);
  if (prefix == NULL) return NULL;
  uint32_t all;
  const struct assay_archive_entry *entries = assay_archive_entries(walk->archive, &all);
  const uint32_t first = lower_bound(entries, all, prefix);
  *inside = strlen(prefix);
  *count = 0;
  while (first + *count < all && strncmp(entries[first + *count].path, prefix, *inside) == 0) ++*count;
  return entries + first;
}

static int walk_entries(struct assay_walk *walk, const char *folder, struct assay_status *status) {
  uint32_t count;
  size_t inside;
  const struct assay_archive_entry *entries = entries_below(walk, folder, &count, &inside);
  if (entries == NULL) return assay_status_memory(status);
  for (uint32_t i = 0; i < count; i++) {
    if (!entries[i].image) {
      walk->ignored++;
      continue;
    }
    const struct assay_found found = {.path = assay_path_join(walk->arena, assay_archive_path(walk->archive), entries[i].path),
                                      .identity = *assay_archive_identity(walk->archive),
                                      .archive = walk->archive,
                                      .place = entries[i].place};
    const int result = found.path == NULL ? assay_status_memory(status) : assay_walk_add(walk, &found, status);
    if (result != 0) return result;
  }
  return 0;
}

/* Folders are what stands before a slash. */
static int walk_entry_folders(struct assay_walk *walk, const char *folder, struct assay_status *status) {
  uint32_t count;
  size_t inside;
  const struct assay_archive_entry *entries = entries_below(walk, folder, &count, &inside);
  if (entries == NULL) return assay_status_memory(status);
  const char *last = NULL;
  for (uint32_t i = 0; i < count; i++) {
    const char *name = entries[i].path + inside;
    const size_t length = strcspn(name, "/");
    if (name[length] == '\0') {
      walk->ignored++;
      continue;
    }
    if (last != NULL && strlen(last) == length && strncmp(last, name, length) == 0) continue;
    const struct assay_found found = {.path = last = assay_arena_copy_bytes(walk->arena, name, length), .archive = walk->archive};
    const int result = last == NULL ? assay_status_memory(status) : assay_walk_add(walk, &found, status);
    if (result != 0) return result;
  }
  return 0;
}

int assay_found_read(const struct assay_found *found, char **data, size_t *size, struct assay_status *status) {
  if (found->archive == NULL) return assay_file_read(found->path, ASSAY_IMAGE_MAX_FILE, ASSAY_E_DATA, data, size, status);
  const int result = assay_archive_read(found->archive, found->place, data, size, status);
  return result == 0 ? 0 : status == NULL ? result : assay_status_prefix(status, "%s", found->path);
}

/* ---- Either ---- */

int assay_walk_images(struct assay_walk *walk, const char *folder, struct assay_status *status) {
  return walk->archive != NULL ? walk_entries(walk, folder, status) : walk_images(walk, folder, NULL, status);
}

static int by_path(const void *a, const void *b) { return strcmp(((const struct assay_found *)a)->path, ((const struct assay_found *)b)->path); }

static int walk_folders(struct assay_walk *walk, const char *folder, struct assay_status *status) {
  DIR *entries = opendir(folder);
  if (entries == NULL) return fail_folder(walk, folder, status);
  int result = 0;
  for (const struct dirent *entry; result == 0 && (entry = readdir(entries)) != NULL;) {
    struct stat facts;
    if (entry->d_name[0] == '.') continue;
    if (fstatat(dirfd(entries), entry->d_name, &facts, 0) != 0 || !S_ISDIR(facts.st_mode)) {
      walk->ignored++;
      continue;
    }
    const char *name = assay_arena_copy(walk->arena, entry->d_name);
    result = name == NULL ? assay_status_memory(status) : add_found(walk, name, &facts, status);
  }
  closedir(entries);
  return result;
}

int assay_walk_folders(struct assay_walk *walk, const char *folder, struct assay_status *status) {
  const int result = walk->archive != NULL ? walk_entry_folders(walk, folder, status) : walk_folders(walk, folder, status);
  if (walk->count > 0) qsort(walk->found, walk->count, sizeof *walk->found, by_path);
  return result;
}

void assay_walk_release(struct assay_walk *walk) {
  free(walk->found);
  walk->found = NULL;
  walk->count = walk->capacity = 0;
}

/* Length of the printable UTF-8 character at `at`; 0 when there is none. */
static int printable_length(const char *at) {
  char character[5] = {0};
  for (int length = 1; length <= 4 && at[length - 1] != '\0'; length++) {
    character[length - 1] = at[length - 1];
    if (assay_is_printable(character)) return length;
  }
  return 0;
}

const char *assay_printable_path(struct assay_arena *arena, const char *path) {
  if (assay_is_printable(path)) return path;
  struct assay_text text = {0};
  while (*path != '\0') {
    const int length = printable_length(path);
    if (length == 0) assay_text_print(&text, "\\x%02X", (unsigned char)*path);
    else assay_text_add_bytes(&text, path, (size_t)length);
    path += length == 0 ? 1 : length;
  }
  const char *copy = text.failed || text.data == NULL ? NULL : assay_arena_copy(arena, text.data);
  assay_text_release(&text);
  return copy;
}
