/* SPDX-License-Identifier: MIT
 *
 * Images that are to be classified, wherever they are.
 */
#include "data/source.h"

#include "base/arena.h"
#include "base/status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct assay_image_list {
  struct assay_arena *arena;
  struct assay_walk walk;
  struct assay_archive **archives;
  uint32_t archive_count;
};

static int by_path(const void *a, const void *b) { return strcmp(((const struct assay_found *)a)->path, ((const struct assay_found *)b)->path); }

static int by_place(const void *a, const void *b) {
  const struct assay_found *left = a, *right = b;
  return (left->place > right->place) - (left->place < right->place);
}

static int add_archive(struct assay_image_list *list, const char *path, struct assay_status *status) {
  struct assay_archive *archive;
  int result = assay_archive_open(path, &archive, status);
  if (result != 0) return result;
  list->archives[list->archive_count++] = archive;
  list->walk.archive = archive;
  result = assay_walk_images(&list->walk, assay_archive_path(archive), status);
  list->walk.archive = NULL;
  return result;
}

static int add_file(struct assay_image_list *list, const char *path, struct assay_status *status) {
  struct stat facts;
  if (stat(path, &facts) != 0) {
    const int reason = errno;
    const char *shown = assay_printable_path(list->arena, path);
    return assay_status_set(status, ASSAY_E_DATA, "%s: %s", shown == NULL ? "?" : shown, strerror(reason));
  }
  const struct assay_found found = {.path = assay_arena_copy(list->arena, path), .identity = assay_file_identity_of(&facts)};
  return found.path == NULL ? assay_status_memory(status) : assay_walk_add(&list->walk, &found, status);
}

static int add_path(struct assay_image_list *list, const char *path, struct assay_status *status) {
  const size_t before = list->walk.count;
  const enum assay_data_kind kind = assay_data_kind(path);
  int result;
  switch (kind) {
  case ASSAY_DATA_FOLDER: result = assay_walk_images(&list->walk, path, status); break;
  case ASSAY_DATA_ARCHIVE: result = add_archive(list, path, status); break;
  case ASSAY_DATA_MANIFEST: result = assay_manifest_images(path, &list->walk, status); break;
  default: result = add_file(list, path, status);
  }
  const size_t added = list->walk.count - before;
  if (result == 0 && added > 0) qsort(list->walk.found + before, added, sizeof *list->walk.found, kind == ASSAY_DATA_ARCHIVE ? by_place : by_path);
  return result;
}

int assay_image_list_open(const char *const *paths, uint32_t path_count, struct assay_image_list **result_list, struct assay_status *status) {
  struct assay_arena *arena = assay_arena_create();
  struct assay_image_list *list = arena == NULL ? NULL : ASSAY_NEW(arena, struct assay_image_list);
  struct assay_archive **archives = list == NULL ? NULL : ASSAY_NEW_ARRAY(arena, struct assay_archive *, path_count);
  if (archives == NULL) {
    assay_arena_release(arena);
    return assay_status_memory(status);
  }
  *list = (struct assay_image_list){.arena = arena, .walk = {.arena = arena}, .archives = archives};
  int result = 0;
  for (uint32_t i = 0; i < path_count && result == 0; i++) result = add_path(list, paths[i], status);
  if (result != 0) assay_image_list_release(list);
  else *result_list = list;
  return result;
}

void assay_image_list_release(struct assay_image_list *list) {
  if (list == NULL) return;
  for (uint32_t i = 0; i < list->archive_count; i++) assay_archive_release(list->archives[i]);
  assay_walk_release(&list->walk);
  assay_arena_release(list->arena);
}

uint32_t assay_image_list_count(const struct assay_image_list *list) { return (uint32_t)list->walk.count; }

const char *assay_image_list_path(const struct assay_image_list *list, uint32_t image) { return list->walk.found[image].path; }

static int load(const struct assay_found *found, const struct assay_data_settings *settings, uint8_t *pixels, struct assay_status *status) {
  char *bytes;
  size_t size;
  int result = assay_found_read(found, &bytes, &size, status);
  if (result != 0) return result;
  const struct assay_image_target target = {settings->width, settings->height, settings->colour == ASSAY_COLOUR_GREY ? 1 : 3, settings->fitting, pixels};
  const struct assay_image_request request = {.target_count = 1, .targets = &target, .grey = target.channels == 1};
  result = assay_image_decode_into((const uint8_t *)bytes, size, &request, NULL, status);
  if (result != 0) assay_status_prefix(status, "%s", found->path);
  free(bytes);
  return result;
}

int assay_image_list_load(const struct assay_image_list *list, uint32_t image, const struct assay_data_settings *settings, uint8_t *pixels,
                          struct assay_status *status) {
  return load(&list->walk.found[image], settings, pixels, status);
}

int assay_image_load(const char *path, const struct assay_data_settings *settings, uint8_t *pixels, struct assay_status *status) {
  const struct assay_found found = {.path = path};
  return load(&found, settings, pixels, status);
}
