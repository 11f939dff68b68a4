/* SPDX-License-Identifier: MIT */
#include "data/walk.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "data/data.h"
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

static int add_found(struct assay_walk *walk, const char *path, const struct stat *facts, struct assay_status *status) {
  void *found = walk->found;
  if (walk->count >= UINT32_MAX || !assay_grow(&found, &walk->capacity, walk->count + 1, sizeof *walk->found)) return assay_status_memory(status);
  walk->found = found;
  walk->found[walk->count++] =
      (struct assay_found){path, {facts->st_dev, facts->st_ino, (uint64_t)facts->st_size, nanoseconds(facts->st_mtim), nanoseconds(facts->st_ctim)}};
  return 0;
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

int assay_walk_images(struct assay_walk *walk, const char *folder, struct assay_status *status) { return walk_images(walk, folder, NULL, status); }

static int by_path(const void *a, const void *b) { return strcmp(((const struct assay_found *)a)->path, ((const struct assay_found *)b)->path); }

int assay_walk_folders(struct assay_walk *walk, const char *folder, struct assay_status *status) {
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

int assay_image_list(const char *path, struct assay_arena *arena, const char *const **paths, uint32_t *count, struct assay_status *status) {
  struct assay_walk walk = {.arena = arena};
  struct stat facts;
  int result;
  if (stat(path, &facts) != 0) {
    const int reason = errno;
    const char *shown = assay_printable_path(arena, path);
    return assay_status_set(status, ASSAY_E_DATA, "%s: %s", shown == NULL ? "?" : shown, strerror(reason));
  }
  if (S_ISDIR(facts.st_mode)) {
    result = assay_walk_images(&walk, path, status);
  } else {
    const char *copy = assay_arena_copy(arena, path);
    result = copy == NULL ? assay_status_memory(status) : add_found(&walk, copy, &facts, status);
  }
  const char **list = NULL;
  if (result == 0) {
    if (walk.count > 0) qsort(walk.found, walk.count, sizeof *walk.found, by_path);
    list = ASSAY_NEW_ARRAY(arena, const char *, walk.count + 1);
    if (list == NULL) result = assay_status_memory(status);
  }
  if (result == 0) {
    for (size_t i = 0; i < walk.count; i++) list[i] = walk.found[i].path;
    *paths = list;
    *count = (uint32_t)walk.count;
  }
  assay_walk_release(&walk);
  return result;
}
