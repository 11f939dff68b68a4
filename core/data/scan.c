/* SPDX-License-Identifier: MIT
 *
 * From a folder to numbered, labelled, hashed and once decoded samples.
 */
#include "base/arena.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "data/parallel.h"
#include "data/rows.h"
#include "data/source.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* A scan under way. */
struct scan {
  const struct assay_data_settings *settings;
  const char *const *given; /* classes of scan_labelled; NULL */
  uint32_t given_count;
  struct assay_dataset *dataset;
  struct assay_arena *arena; /* the data set's */
  const char *root, *test;   /* resolved; test: NULL */
  /* Files as they are found. */
  struct assay_walk walk;
  struct place {
    int32_t label;
    uint32_t part;
  } * places; /* parallel to walk.found */
  size_t place_capacity;
  /* Reading. */
  struct assay_verdicts *verdicts;
  struct assay_rows *rows;
  bool *known, *unsure;  /* one a sample: judged before; not to be remembered */
  pthread_mutex_t mutex; /* of the arena, while threads run */
  struct assay_status failure;
  struct assay_status *status;
};

static int out_of_memory(struct scan *scan) { return assay_status_memory(scan->status); }

/* ---- Listing ---- */

static int resolve(struct scan *scan, const char *path, const char **resolved) {
  char *real = realpath(path, NULL);
  struct stat facts;
  const int reason = errno;
  const char *shown = assay_printable_path(scan->arena, path);
  if (shown == NULL) shown = "?";
  if (real == NULL) return assay_status_set(scan->status, ASSAY_E_DATA, "%s: there is no such folder (%s); check [data] path", shown, strerror(reason));
  *resolved = assay_arena_copy(scan->arena, real);
  free(real);
  if (*resolved == NULL) return out_of_memory(scan);
  if (stat(*resolved, &facts) == 0 && !S_ISDIR(facts.st_mode))
    return assay_status_set(scan->status, ASSAY_E_DATA,
                            "%s: is a file, but a folder with a folder of images for each class is needed; unpack it if it is an archive", shown);
  return 0;
}

/* The class of a folder; new ones are added while the training part is listed. */
static int find_class(struct scan *scan, const char *folder, const char *name, bool may_add, int32_t *label) {
  struct assay_dataset *dataset = scan->dataset;
  for (uint32_t c = 0; c < dataset->class_count; c++)
    if (strcmp(dataset->classes[c], name) == 0) {
      *label = (int32_t)c;
      return 0;
    }
  if (!assay_is_printable(name)) {
    const char *shown = assay_printable_path(scan->arena, name);
    return assay_status_set(scan->status, ASSAY_E_DATA, "%s/%s: the name of a class folder must be printable UTF-8; rename it", folder,
                            shown == NULL ? "?" : shown);
  }
  if (!may_add) {
    if (scan->given != NULL)
      return assay_status_set(scan->status, ASSAY_E_DATA, "%s/%s: is not a class of the model; rename it to one of its classes, or move it away", folder, name);
    return assay_status_set(scan->status, ASSAY_E_DATA, "%s/%s: this class is not in the training folder; rename it, or add training images", folder, name);
  }
  const char **classes = ASSAY_NEW_ARRAY(scan->arena, const char *, dataset->class_count + 1);
  if (classes == NULL) return out_of_memory(scan);
  if (dataset->class_count > 0) memcpy(classes, dataset->classes, dataset->class_count * sizeof *classes);
  classes[dataset->class_count] = name;
  dataset->classes = classes;
  *label = (int32_t)dataset->class_count++;
  return 0;
}

static int list_class(struct scan *scan, const char *folder, const char *name, uint32_t part, bool may_add) {
  int32_t label = -1;
  int result = find_class(scan, folder, name, may_add, &label);
  if (result != 0) return result;
  const char *path = assay_path_join(scan->arena, folder, name);
  if (path == NULL) return out_of_memory(scan);
  const size_t before = scan->walk.count;
  result = assay_walk_images(&scan->walk, path, scan->status);
  if (result != 0) return result;
  if (scan->walk.count == before && part == ASSAY_PART_TRAIN)
    return assay_status_set(scan->status, ASSAY_E_DATA, "%s: this class folder has no images; fill it or remove it", path);
  void *places = scan->places;
  if (!assay_grow(&places, &scan->place_capacity, scan->walk.count, sizeof *scan->places)) return out_of_memory(scan);
  scan->places = places;
  for (size_t i = before; i < scan->walk.count; i++) scan->places[i] = (struct place){label, part};
  return 0;
}

/* Every folder in `folder` is a class. */
static int list_part(struct scan *scan, const char *folder, uint32_t part, bool may_add) {
  struct assay_walk folders = {.arena = scan->arena};
  int result = assay_walk_folders(&folders, folder, scan->status);
  scan->walk.ignored += folders.ignored;
  if (result == 0 && folders.count == 0)
    result = assay_status_set(scan->status, ASSAY_E_DATA,
                              "%s: has no class folders; put the images of each class into a folder of its own, named after the class", folder);
  for (size_t i = 0; i < folders.count && result == 0; i++) result = list_class(scan, folder, folders.found[i].path, part, may_add);
  assay_walk_release(&folders);
  return result;
}

/* train/, val/ and test/ of a folder, however their case; NULL where there is none. */
struct parts {
  const char *train, *validation, *test;
};

static int find_parts(struct scan *scan, const char *folder, struct parts *parts) {
  static const char *const names[] = {"train", "training", "val", "valid", "validation", "test", "testing"};
  *parts = (struct parts){0};
  struct assay_walk folders = {.arena = scan->arena};
  int result = assay_walk_folders(&folders, folder, scan->status);
  for (size_t i = 0; i < folders.count && result == 0; i++) {
    const char *name = folders.found[i].path;
    for (int n = 0; n < 7; n++) {
      const char **slot = n < 2 ? &parts->train : n < 5 ? &parts->validation : &parts->test;
      if (strcasecmp(name, names[n]) != 0) continue;
      if (*slot != NULL)
        result = assay_status_set(scan->status, ASSAY_E_DATA, "%s: %s and %s mean the same part; keep one of them", folder, assay_path_name(*slot), name);
      else if ((*slot = assay_path_join(scan->arena, folder, name)) == NULL) result = out_of_memory(scan);
    }
  }
  for (size_t i = 0; i < folders.count && result == 0 && parts->train != NULL; i++) {
    bool used = false;
    for (int n = 0; n < 7; n++) used |= strcasecmp(folders.found[i].path, names[n]) == 0;
    if (!used) assay_log_message(ASSAY_LOG_INFO, "%s/%s: lies beside the training folder and is not used", folder, folders.found[i].path);
  }
  assay_walk_release(&folders);
  return result;
}

static int list_training(struct scan *scan) {
  struct parts parts;
  int result = find_parts(scan, scan->root, &parts);
  if (result != 0) return result;
  if (parts.train == NULL) {
    result = list_part(scan, scan->root, ASSAY_PART_TRAIN, true);
  } else {
    result = list_part(scan, parts.train, ASSAY_PART_TRAIN, true);
    if (result == 0 && parts.validation != NULL) result = list_part(scan, parts.validation, ASSAY_PART_VALIDATION, false);
    if (result == 0 && parts.test != NULL && scan->test == NULL) result = list_part(scan, parts.test, ASSAY_PART_TEST, false);
    scan->dataset->has_validation = parts.validation != NULL;
    scan->dataset->has_test = parts.test != NULL;
  }
  if (result == 0 && scan->dataset->class_count < 2)
    result = assay_status_set(scan->status, ASSAY_E_DATA, "%s: has one class, %s; a classifier needs at least two class folders", scan->root,
                              scan->dataset->classes[0]);
  if (result == 0 && scan->test != NULL) {
    result = list_part(scan, scan->test, ASSAY_PART_TEST, false);
    scan->dataset->has_test = true;
  }
  return result;
}

static int list_labelled(struct scan *scan) {
  struct parts parts;
  int result = find_parts(scan, scan->root, &parts);
  if (result != 0) return result;
  scan->dataset->has_test = true;
  bool is_class = false;
  for (uint32_t c = 0; c < scan->given_count && parts.test != NULL; c++) is_class |= strcmp(scan->given[c], assay_path_name(parts.test)) == 0;
  result = list_part(scan, parts.test != NULL && !is_class ? parts.test : scan->root, ASSAY_PART_TEST, false);
  if (result == 0 && scan->walk.count == 0) result = assay_status_set(scan->status, ASSAY_E_DATA, "%s: has no images", scan->root);
  return result;
}

/* ---- Numbering ---- */

struct order {
  const char *path; /* as the sample will show it before its bytes are made printable */
  size_t found;
};

static int by_shown_path(const void *a, const void *b) { return strcmp(((const struct order *)a)->path, ((const struct order *)b)->path); }

/* Sorted samples from what was found. */
static int number_samples(struct scan *scan) {
  struct assay_dataset *dataset = scan->dataset;
  const size_t count = scan->walk.count, prefix = strlen(scan->root);
  struct order *order = malloc((count + 1) * sizeof *order);
  dataset->samples = ASSAY_NEW_ARRAY(scan->arena, struct assay_sample, count);
  dataset->source->files = ASSAY_NEW_ARRAY(scan->arena, struct assay_found, count);
  if (order == NULL || dataset->samples == NULL || dataset->source->files == NULL) {
    free(order);
    return out_of_memory(scan);
  }
  for (size_t i = 0; i < count; i++) {
    const char *path = scan->walk.found[i].path;
    const bool inside = strncmp(path, scan->root, prefix) == 0 && path[prefix] == '/';
    order[i] = (struct order){inside ? path + prefix + 1 : path, i};
  }
  if (count > 0) qsort(order, count, sizeof *order, by_shown_path);
  int result = 0;
  for (size_t i = 0; i < count && result == 0; i++) {
    struct assay_sample *sample = &dataset->samples[i];
    const struct place *place = &scan->places[order[i].found];
    dataset->source->files[i] = scan->walk.found[order[i].found];
    *sample = (struct assay_sample){.path = assay_printable_path(scan->arena, order[i].path), .label = place->label, .part = place->part, .fold = -1};
    if (sample->path == NULL) result = out_of_memory(scan);
    else if (sample->path != order[i].path) sample->problem = "its name is not printable UTF-8; rename it";
  }
  dataset->count = (uint32_t)count;
  dataset->ignored_count = scan->walk.ignored;
  free(order);
  return result;
}

/* ---- Reading, in threads ---- */

static void note_failure(struct scan *scan, const struct assay_status *status) {
  pthread_mutex_lock(&scan->mutex);
  if (scan->failure.code == 0) scan->failure = *status;
  pthread_mutex_unlock(&scan->mutex);
}

/* Keeps the clause, without the path that a message of the file functions begins with. */
static void set_problem(struct scan *scan, uint32_t i, const struct assay_status *status) {
  struct assay_sample *sample = &scan->dataset->samples[i];
  const char *path = scan->dataset->source->files[i].path, *clause = status->message;
  const size_t length = strlen(path);
  if (strncmp(clause, path, length) == 0 && strncmp(clause + length, ": ", 2) == 0) clause += length + 2;
  pthread_mutex_lock(&scan->mutex);
  sample->problem = assay_arena_copy(scan->arena, clause);
  pthread_mutex_unlock(&scan->mutex);
  if (sample->problem == NULL) sample->problem = "cannot be used";
  sample->format = NULL;
}

static int decode_one(struct scan *scan, uint32_t i, const uint8_t *bytes, size_t size, struct assay_image_facts *facts, struct assay_status *status) {
  const struct assay_data_settings *settings = scan->settings;
  if (scan->rows == NULL) { /* only to know whether it can be decoded: as small as it gets */
    const struct assay_image_request request = {.width = 1, .height = 1};
    struct assay_image image;
    const int result = assay_image_decode(bytes, size, &request, &image, facts, status);
    assay_image_release(&image);
    return result;
  }
  const uint32_t channels = settings->colour == ASSAY_COLOUR_GREY ? 1 : 3;
  uint8_t *pixels = malloc((size_t)settings->width * settings->height * channels);
  if (pixels == NULL) return assay_status_memory(status);
  const int result = assay_image_decode_fitted(bytes, size, settings->width, settings->height, channels, settings->fit, pixels, facts, status);
  if (result == 0) assay_rows_put(scan->rows, i, pixels);
  free(pixels);
  return result;
}

static void scan_one(void *context, uint32_t i) {
  struct scan *scan = context;
  struct assay_sample *sample = &scan->dataset->samples[i];
  struct assay_status status = {0};
  if (scan->known[i]) return;
  scan->unsure[i] = true;
  if (sample->problem != NULL) return;
  char *bytes;
  size_t size;
  int result = assay_file_read(scan->dataset->source->files[i].path, ASSAY_IMAGE_MAX_FILE, ASSAY_E_DATA, &bytes, &size, &status);
  if (result == 0) {
    struct assay_image_facts facts;
    sample->hash = assay_hash_bytes(bytes, size);
    result = decode_one(scan, i, (const uint8_t *)bytes, size, &facts, &status);
    scan->unsure[i] = size != scan->dataset->source->files[i].identity.size;
    if (result == 0) {
      sample->format = facts.format;
      sample->width = facts.width;
      sample->height = facts.height;
      sample->channels = facts.channels;
      sample->bits = facts.bits;
    }
    free(bytes);
  }
  if (result == ASSAY_E_MEMORY) note_failure(scan, &status);
  else if (result != 0) set_problem(scan, i, &status);
}

/* The name of the verdicts' file: of the folders, not of what is in them. */
static const char *verdicts_name(struct scan *scan) {
  const char *both = assay_arena_print(scan->arena, "%s\n%s", scan->root, scan->test == NULL ? "" : scan->test);
  if (both == NULL) return NULL;
  const struct assay_hash hash = assay_hash_bytes(both, strlen(both));
  char digits[33];
  assay_hash_print(&hash, digits);
  return assay_arena_copy(scan->arena, digits);
}

static int read_samples(struct scan *scan) {
  struct assay_dataset *dataset = scan->dataset;
  const struct assay_data_settings *settings = scan->settings;
  const char *name = verdicts_name(scan);
  scan->known = ASSAY_NEW_ARRAY(scan->arena, bool, dataset->count);
  scan->unsure = ASSAY_NEW_ARRAY(scan->arena, bool, dataset->count);
  scan->verdicts = name == NULL ? NULL : assay_verdicts_load(name);
  if (scan->known == NULL || scan->unsure == NULL || scan->verdicts == NULL) return out_of_memory(scan);
  uint32_t hits = 0;
  for (uint32_t i = 0; i < dataset->count; i++) {
    struct assay_sample *sample = &dataset->samples[i];
    scan->known[i] = sample->problem == NULL && assay_verdicts_find(scan->verdicts, &dataset->source->files[i], sample, scan->arena);
    hits += scan->known[i];
  }
  /* A folder seen for the first time: fill the cache on the way. */
  if (hits == 0 && settings->width != 0 && settings->height != 0 && settings->limit == 0)
    scan->rows = assay_rows_begin(dataset->count, settings->width, settings->height, settings->colour == ASSAY_COLOUR_GREY ? 1 : 3);
  assay_parallel_for(dataset->count, settings->threads, scan_one, scan);
  if (scan->failure.code != 0) return assay_status_set(scan->status, scan->failure.code, "%s", scan->failure.message);
  if (hits < dataset->count) assay_verdicts_save(name, dataset, scan->unsure);
  return 0;
}

/* ---- IDX ---- */

static int fail_idx(struct scan *scan, const char *images) {
  return assay_status_set(scan->status, ASSAY_E_DATA, "%s: its %s are missing beside it", scan->root,
                          images == NULL ? "images (…-images-idx3-ubyte)" : "labels (…-labels-idx1-ubyte)");
}

/* Finds the pairs; pair_count stays 0 when the folder is none of IDX files. */
static int find_idx(struct scan *scan) {
  static const char *const prefixes[] = {"train", "t10k", "test"};
  struct assay_source *source = scan->dataset->source;
  const char *images[3], *labels[3];
  for (int i = 0; i < 3; i++) {
    assay_idx_find(scan->root, prefixes[i], scan->arena, &images[i], &labels[i]);
    if ((images[i] == NULL) != (labels[i] == NULL)) return fail_idx(scan, images[i]);
  }
  const int test = images[1] != NULL ? 1 : images[2] != NULL ? 2 : -1;
  if (scan->given != NULL) { /* evaluation: the test pair, or the only one */
    const int one = test >= 0 ? test : images[0] != NULL ? 0 : -1;
    if (one >= 0) source->pairs[source->pair_count++].images = images[one], source->pairs[0].labels = labels[one];
    return 0;
  }
  if (images[0] == NULL) return 0;
  source->pairs[source->pair_count].images = images[0];
  source->pairs[source->pair_count++].labels = labels[0];
  if (test < 0) return 0;
  source->pairs[source->pair_count].images = images[test];
  source->pairs[source->pair_count++].labels = labels[test];
  scan->dataset->has_test = true;
  return 0;
}

/* Class number of each label value; -1 where there is none. */
static int class_idx(struct scan *scan, int32_t numbers[256]) {
  struct assay_dataset *dataset = scan->dataset;
  const struct assay_idx *idx = dataset->source->pairs[0].idx;
  bool seen[256] = {false};
  int most = 0;
  for (int v = 0; v < 256; v++) numbers[v] = -1;
  if (scan->given != NULL) {
    for (uint32_t c = 0; c < scan->given_count; c++) {
      char *end;
      const long value = strtol(scan->given[c], &end, 10);
      if (end != scan->given[c] && *end == '\0' && value >= 0 && value < 256) numbers[value] = (int32_t)c;
    }
    return 0;
  }
  for (uint32_t i = 0; i < idx->count; i++) seen[idx->labels[i]] = true;
  for (int v = 0; v < 256; v++) most = seen[v] ? v : most;
  const int digits = most > 99 ? 3 : most > 9 ? 2 : 1; /* so that names sort as numbers do */
  const char **classes = ASSAY_NEW_ARRAY(scan->arena, const char *, 256);
  if (classes == NULL) return out_of_memory(scan);
  for (int v = 0; v < 256; v++) {
    if (!seen[v]) continue;
    numbers[v] = (int32_t)dataset->class_count;
    if ((classes[dataset->class_count++] = assay_arena_print(scan->arena, "%0*d", digits, v)) == NULL) return out_of_memory(scan);
  }
  dataset->classes = classes;
  if (dataset->class_count < 2) return assay_status_set(scan->status, ASSAY_E_DATA, "%s: has fewer than two classes", dataset->source->pairs[0].labels);
  return 0;
}

static int add_pair(struct scan *scan, uint32_t pair, const int32_t numbers[256]) {
  struct assay_dataset *dataset = scan->dataset;
  const struct assay_idx *idx = dataset->source->pairs[pair].idx;
  const char *name = assay_path_name(dataset->source->pairs[pair].images);
  for (uint32_t i = 0; i < idx->count; i++) {
    const int32_t label = numbers[idx->labels[i]];
    if (label < 0)
      return assay_status_set(scan->status, ASSAY_E_DATA, "%s: label %u of image %u is no class of the %s", dataset->source->pairs[pair].labels, idx->labels[i],
                              i, scan->given != NULL ? "model" : "training part");
    struct assay_sample *sample = &dataset->samples[dataset->source->pairs[pair].first + i];
    *sample = (struct assay_sample){.path = assay_arena_print(scan->arena, "%s#%u", name, i),
                                    .label = label,
                                    .fold = -1,
                                    .width = idx->width,
                                    .height = idx->height,
                                    .part = pair == 1 || scan->given != NULL ? ASSAY_PART_TEST : ASSAY_PART_TRAIN,
                                    .channels = 1,
                                    .bits = 8,
                                    .format = "idx"};
    if (sample->path == NULL) return out_of_memory(scan);
    const size_t size = (size_t)idx->width * idx->height;
    sample->hash = assay_hash_bytes(idx->pixels + i * size, size);
  }
  return 0;
}

static int scan_idx(struct scan *scan) {
  struct assay_dataset *dataset = scan->dataset;
  struct assay_source *source = dataset->source;
  if (scan->test != NULL)
    return assay_status_set(scan->status, ASSAY_E_DATA, "%s: a test folder of its own cannot be joined to IDX files; leave it out", scan->test);
  int result = 0;
  uint64_t count = 0;
  for (uint32_t pair = 0; pair < source->pair_count && result == 0; pair++) {
    result = assay_idx_load(source->pairs[pair].images, source->pairs[pair].labels, &source->pairs[pair].idx, scan->status);
    source->pairs[pair].first = (uint32_t)count;
    if (result == 0) count += source->pairs[pair].idx->count;
  }
  if (result == 0 && (count == 0 || count > UINT32_MAX))
    result = assay_status_set(scan->status, ASSAY_E_DATA, "%s: has %llu images", scan->root, (unsigned long long)count);
  if (result != 0) return result;
  int32_t numbers[256];
  dataset->count = (uint32_t)count;
  dataset->samples = ASSAY_NEW_ARRAY(scan->arena, struct assay_sample, dataset->count);
  result = dataset->samples == NULL ? out_of_memory(scan) : class_idx(scan, numbers);
  for (uint32_t pair = 0; pair < source->pair_count && result == 0; pair++) result = add_pair(scan, pair, numbers);
  return result;
}

/* ---- The whole ---- */

struct hashed {
  struct assay_hash hash;
  uint32_t sample;
};

static int by_hash(const void *a, const void *b) {
  const struct hashed *left = a, *right = b;
  const int order = memcmp(&left->hash, &right->hash, sizeof left->hash);
  return order != 0 ? order : (left->sample > right->sample) - (left->sample < right->sample);
}

static int find_groups(struct scan *scan) {
  struct assay_dataset *dataset = scan->dataset;
  struct hashed *list = malloc(((size_t)dataset->count + 1) * sizeof *list);
  if (list == NULL) return out_of_memory(scan);
  uint32_t count = 0;
  for (uint32_t i = 0; i < dataset->count; i++) {
    dataset->samples[i].group = i;
    if (dataset->samples[i].problem == NULL) list[count++] = (struct hashed){dataset->samples[i].hash, i};
  }
  if (count > 0) qsort(list, count, sizeof *list, by_hash);
  for (uint32_t i = 1; i < count; i++)
    if (memcmp(&list[i].hash, &list[i - 1].hash, sizeof list[i].hash) == 0) dataset->samples[list[i].sample].group = dataset->samples[list[i - 1].sample].group;
  free(list);
  return 0;
}

static int hash_content(struct scan *scan) {
  struct assay_dataset *dataset = scan->dataset;
  struct assay_hasher *hasher = assay_hasher_create();
  if (hasher == NULL) return out_of_memory(scan);
  for (uint32_t c = 0; c < dataset->class_count; c++) assay_hasher_add(hasher, dataset->classes[c], strlen(dataset->classes[c]) + 1);
  for (uint32_t i = 0; i < dataset->count; i++) {
    const struct assay_sample *sample = &dataset->samples[i];
    const uint32_t numbers[2] = {(uint32_t)sample->label, sample->part};
    assay_hasher_add(hasher, sample->path, strlen(sample->path) + 1);
    assay_hasher_add(hasher, numbers, sizeof numbers);
    assay_hasher_add(hasher, &sample->hash, sizeof sample->hash);
  }
  dataset->content = assay_hasher_finish(hasher);
  return 0;
}

static void leave_out_broken(struct assay_dataset *dataset) {
  for (uint32_t i = 0; i < dataset->count; i++)
    if (dataset->samples[i].problem != NULL) dataset->samples[i].part = ASSAY_PART_NONE;
}

static int take_given(struct scan *scan) {
  const char **classes = ASSAY_NEW_ARRAY(scan->arena, const char *, scan->given_count);
  if (classes == NULL) return out_of_memory(scan);
  for (uint32_t c = 0; c < scan->given_count; c++)
    if ((classes[c] = assay_arena_copy(scan->arena, scan->given[c])) == NULL) return out_of_memory(scan);
  scan->dataset->classes = classes;
  scan->dataset->class_count = scan->given_count;
  return 0;
}

static int run_scan(struct scan *scan) {
  int result = resolve(scan, scan->settings->path, &scan->root);
  if (result == 0 && scan->given == NULL && scan->settings->test_path != NULL) result = resolve(scan, scan->settings->test_path, &scan->test);
  if (result == 0 && scan->given != NULL) result = take_given(scan);
  if (result == 0) result = find_idx(scan);
  if (result != 0) return result;
  if (scan->dataset->source->pair_count > 0) {
    result = scan_idx(scan);
  } else {
    result = scan->given != NULL ? list_labelled(scan) : list_training(scan);
    if (result == 0) result = number_samples(scan);
    if (result == 0) result = read_samples(scan);
  }
  if (result == 0) result = find_groups(scan);
  if (result == 0) result = hash_content(scan);
  if (result == 0 && scan->rows != NULL) {
    const struct assay_hash key = assay_cache_key(scan->dataset, scan->settings, scan->settings->width, scan->settings->height);
    (void)assay_rows_finish(scan->rows, &key); /* else the cache is made, or complains, when it is opened */
    scan->rows = NULL;
  }
  if (result == 0) leave_out_broken(scan->dataset);
  return result;
}

static int scan_folder(const struct assay_data_settings *settings, const char *const *given, uint32_t given_count, struct assay_dataset **result_dataset,
                       struct assay_status *status) {
  struct assay_arena *arena = assay_arena_create();
  struct assay_dataset *dataset = arena == NULL ? NULL : ASSAY_NEW(arena, struct assay_dataset);
  if (dataset != NULL) {
    *dataset = (struct assay_dataset){
        .arena = arena, .root = assay_arena_copy(arena, settings->path), .source = ASSAY_NEW(arena, struct assay_source), .fold_count = 1};
  }
  if (dataset == NULL || dataset->root == NULL || dataset->source == NULL) {
    assay_arena_release(arena);
    return assay_status_memory(status);
  }
  struct scan scan = {.settings = settings,
                      .given = given,
                      .given_count = given_count,
                      .dataset = dataset,
                      .arena = arena,
                      .walk.arena = arena,
                      .mutex = PTHREAD_MUTEX_INITIALIZER,
                      .status = status};
  const int result = run_scan(&scan);
  assay_rows_abandon(scan.rows);
  assay_verdicts_release(scan.verdicts);
  assay_walk_release(&scan.walk);
  free(scan.places);
  if (result != 0) {
    assay_dataset_release(dataset);
    return result;
  }
  *result_dataset = dataset;
  return 0;
}

int assay_dataset_scan(const struct assay_data_settings *settings, struct assay_dataset **dataset, struct assay_status *status) {
  return scan_folder(settings, NULL, 0, dataset, status);
}

int assay_dataset_scan_labelled(const struct assay_data_settings *settings, const char *const *classes, uint32_t class_count, struct assay_dataset **dataset,
                                struct assay_status *status) {
  return scan_folder(settings, classes, class_count, dataset, status);
}

void assay_dataset_release(struct assay_dataset *dataset) {
  if (dataset == NULL) return;
  for (uint32_t i = 0; i < dataset->source->pair_count; i++) assay_idx_release(dataset->source->pairs[i].idx);
  assay_arena_release(dataset->arena);
}
