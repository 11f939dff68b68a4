/* SPDX-License-Identifier: MIT
 *
 * Class folders and parts, in the file system or in an archive.
 */
#include "data/scan.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

#include <string.h>
#include <strings.h>

/* ---- For every layout ---- */

static const char *printable(struct assay_scan *scan, const char *name) {
  const char *shown = assay_printable_path(scan->arena, name);
  return shown == NULL ? "?" : shown;
}

int assay_scan_class(struct assay_scan *scan, const char *where, const char *name, bool may_add, int32_t *label) {
  struct assay_dataset *dataset = scan->dataset;
  for (uint32_t c = 0; c < dataset->class_count; c++)
    if (strcmp(dataset->classes[c], name) == 0) {
      *label = (int32_t)c;
      return 0;
    }
  if (!assay_is_printable(name))
    return assay_status_set(scan->status, ASSAY_E_DATA, "%s: the name of a class, here %s, must be printable UTF-8; rename it", where, printable(scan, name));
  if (!may_add && scan->given != NULL)
    return assay_status_set(scan->status, ASSAY_E_DATA, "%s: %s is not a class of the model; rename it to one of its classes, or take it out", where, name);
  if (!may_add)
    return assay_status_set(scan->status, ASSAY_E_DATA, "%s: this class, %s, is not in the training part; rename it, or add training images", where, name);
  const char **classes = ASSAY_NEW_ARRAY(scan->arena, const char *, dataset->class_count + 1);
  if (classes == NULL) return assay_status_memory(scan->status);
  if (dataset->class_count > 0) memcpy(classes, dataset->classes, dataset->class_count * sizeof *classes);
  classes[dataset->class_count] = name;
  dataset->classes = classes;
  *label = (int32_t)dataset->class_count++;
  return 0;
}

int assay_scan_place(struct assay_scan *scan, size_t before, int32_t label, uint32_t part, const char *group) {
  void *places = scan->places;
  if (!assay_grow(&places, &scan->place_capacity, scan->walk.count, sizeof *scan->places)) return assay_status_memory(scan->status);
  scan->places = places;
  for (size_t i = before; i < scan->walk.count; i++) scan->places[i] = (struct assay_place){label, part, group};
  return 0;
}

int assay_scan_part(const char *name) {
  static const struct {
    const char *name;
    int part;
  } names[] = {{"train", ASSAY_PART_TRAIN},           {"training", ASSAY_PART_TRAIN},          {"val", ASSAY_PART_VALIDATION},
               {"valid", ASSAY_PART_VALIDATION},      {"validation", ASSAY_PART_VALIDATION},   {"test", ASSAY_PART_TEST},
               {"testing", ASSAY_PART_TEST}};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (strcasecmp(name, names[i].name) == 0) return names[i].part;
  return -1;
}

/* ---- Folders ---- */

/* A folder, in the file system or inside an archive. */
struct folder {
  const char *path;
  struct assay_archive *archive;
};

static int out_of_memory(struct assay_scan *scan) { return assay_status_memory(scan->status); }

static int list_class(struct assay_scan *scan, const struct folder *folder, const char *name, uint32_t part, bool may_add) {
  int32_t label = -1;
  const char *path = assay_path_join(scan->arena, folder->path, name);
  if (path == NULL) return out_of_memory(scan);
  int result = assay_scan_class(scan, printable(scan, path), name, may_add, &label);
  if (result != 0) return result;
  const size_t before = scan->walk.count;
  scan->walk.archive = folder->archive;
  result = assay_walk_images(&scan->walk, path, scan->status);
  if (result != 0) return result;
  if (scan->walk.count == before && part == ASSAY_PART_TRAIN)
    return assay_status_set(scan->status, ASSAY_E_DATA, "%s: this class folder has no images; fill it or remove it", path);
  return assay_scan_place(scan, before, label, part, NULL);
}

/* Every folder in `folder` is a class. */
static int list_part(struct assay_scan *scan, const struct folder *folder, uint32_t part, bool may_add) {
  struct assay_walk folders = {.arena = scan->arena, .archive = folder->archive};
  int result = assay_walk_folders(&folders, folder->path, scan->status);
  scan->walk.ignored += folders.ignored;
  if (result == 0 && folders.count == 0)
    result = assay_status_set(scan->status, ASSAY_E_DATA,
                              "%s: has no class folders; put the images of each class into a folder of its own, named after the class", folder->path);
  for (size_t i = 0; i < folders.count && result == 0; i++) result = list_class(scan, folder, folders.found[i].path, part, may_add);
  assay_walk_release(&folders);
  return result;
}

/* train/, val/ and test/ of a folder, however their case; NULL where there is none. By enum assay_part. */
struct parts {
  const char *paths[3];
};

static int find_parts(struct assay_scan *scan, const struct folder *folder, struct parts *parts) {
  *parts = (struct parts){{NULL}};
  struct assay_walk folders = {.arena = scan->arena, .archive = folder->archive};
  int result = assay_walk_folders(&folders, folder->path, scan->status);
  for (size_t i = 0; i < folders.count && result == 0; i++) {
    const char *name = folders.found[i].path;
    const int part = assay_scan_part(name);
    if (part < 0) continue;
    const char **slot = &parts->paths[part];
    if (*slot != NULL)
      result = assay_status_set(scan->status, ASSAY_E_DATA, "%s: %s and %s mean the same part; keep one of them", folder->path, assay_path_name(*slot), name);
    else if ((*slot = assay_path_join(scan->arena, folder->path, name)) == NULL) result = out_of_memory(scan);
  }
  for (size_t i = 0; i < folders.count && result == 0 && parts->paths[ASSAY_PART_TRAIN] != NULL; i++)
    if (assay_scan_part(folders.found[i].path) < 0)
      assay_log_message(ASSAY_LOG_INFO, "%s/%s: lies beside the training folder and is not used", folder->path, folders.found[i].path);
  assay_walk_release(&folders);
  return result;
}

/* Archives often hold everything in one folder: the way down to the first that has a choice, or a part. */
static int enter(struct assay_scan *scan, const struct assay_root *root, struct folder *folder) {
  *folder = (struct folder){root->path, root->archive};
  int result = 0;
  for (bool deeper = root->archive != NULL; deeper && result == 0;) {
    struct assay_walk here = {.arena = scan->arena, .archive = folder->archive}, below = here;
    result = assay_walk_folders(&here, folder->path, scan->status);
    deeper = result == 0 && here.count == 1 && assay_scan_part(here.found[0].path) < 0;
    const char *path = deeper ? assay_path_join(scan->arena, folder->path, here.found[0].path) : NULL;
    if (deeper && path == NULL) result = out_of_memory(scan);
    if (path != NULL) result = assay_walk_folders(&below, path, scan->status);
    deeper = deeper && below.count > 0;
    if (deeper) folder->path = path;
    assay_walk_release(&here);
    assay_walk_release(&below);
  }
  return result;
}

static int list_test(struct assay_scan *scan) {
  if (scan->test.manifest) return assay_scan_manifest(scan, &scan->test, true);
  struct folder folder;
  const int result = enter(scan, &scan->test, &folder);
  return result != 0 ? result : list_part(scan, &folder, ASSAY_PART_TEST, false);
}

/* The parts of the folder, or the folder itself as the training part. */
static int list_root(struct assay_scan *scan) {
  struct folder folder;
  struct parts parts;
  int result = enter(scan, &scan->root, &folder);
  if (result == 0) result = find_parts(scan, &folder, &parts);
  if (result != 0) return result;
  const char *train = parts.paths[ASSAY_PART_TRAIN];
  if (train == NULL) return list_part(scan, &folder, ASSAY_PART_TRAIN, true);
  for (uint32_t part = ASSAY_PART_TRAIN; part <= ASSAY_PART_TEST && result == 0; part++) {
    const struct folder inside = {parts.paths[part], folder.archive};
    if (inside.path == NULL || (part == ASSAY_PART_TEST && scan->test.path != NULL)) continue;
    result = list_part(scan, &inside, part, part == ASSAY_PART_TRAIN);
  }
  scan->dataset->has_validation = parts.paths[ASSAY_PART_VALIDATION] != NULL;
  scan->dataset->has_test = parts.paths[ASSAY_PART_TEST] != NULL;
  return result;
}

static int list_training(struct assay_scan *scan) {
  int result = scan->root.manifest ? assay_scan_manifest(scan, &scan->root, false) : list_root(scan);
  if (result == 0 && scan->dataset->class_count < 2)
    result = assay_status_set(scan->status, ASSAY_E_DATA, "%s: has one class, %s; a classifier needs at least two%s", scan->root.path, scan->dataset->classes[0],
                              scan->root.manifest ? "" : " class folders");
  if (result != 0 || scan->test.path == NULL) return result;
  scan->dataset->has_test = true;
  return list_test(scan);
}

/* For evaluation: test/ alone where there is one that is not itself a class. */
static int list_labelled(struct assay_scan *scan) {
  struct folder folder;
  struct parts parts;
  int result = enter(scan, &scan->root, &folder);
  if (result == 0) result = find_parts(scan, &folder, &parts);
  if (result != 0) return result;
  const char *test = parts.paths[ASSAY_PART_TEST];
  for (uint32_t c = 0; c < scan->given_count && test != NULL; c++)
    if (strcmp(scan->given[c], assay_path_name(test)) == 0) test = NULL;
  if (test != NULL) folder.path = test;
  return list_part(scan, &folder, ASSAY_PART_TEST, false);
}

int assay_scan_folders(struct assay_scan *scan) {
  if (scan->given == NULL) return list_training(scan);
  scan->dataset->has_test = true;
  const int result = scan->root.manifest ? assay_scan_manifest(scan, &scan->root, true) : list_labelled(scan);
  if (result == 0 && scan->walk.count == 0) return assay_status_set(scan->status, ASSAY_E_DATA, "%s: has no images", scan->root.path);
  return result;
}
