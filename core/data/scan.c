/* SPDX-License-Identifier: MIT
 *
 * From what a layout lists to numbered, labelled, hashed and once decoded samples.
 */
#include "data/scan.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "data/fit_plan.h"
#include "data/parallel.h"
#include "data/rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static int out_of_memory(struct assay_scan *scan) { return assay_status_memory(scan->status); }

/* ---- Where it is ---- */

enum assay_data_kind assay_data_kind(const char *path) {
  struct stat facts;
  const size_t length = strlen(path);
  if (stat(path, &facts) != 0) return ASSAY_DATA_NONE;
  if (S_ISDIR(facts.st_mode)) return ASSAY_DATA_FOLDER;
  if (length > 4 && strcasecmp(path + length - 4, ".csv") == 0) return ASSAY_DATA_MANIFEST;
  return assay_archive_name(path) ? ASSAY_DATA_ARCHIVE : ASSAY_DATA_NONE;
}

/* `number`: 0 the root, 1 the test. */
static int resolve(struct assay_scan *scan, const char *path, int number, struct assay_root *root) {
  char *real = realpath(path, NULL);
  struct stat facts;
  const int reason = errno;
  const char *shown = assay_printable_path(scan->arena, path);
  if (shown == NULL) shown = "?";
  if (real == NULL) return assay_status_set(scan->status, ASSAY_E_DATA, "%s: there is no such folder, archive or list (%s); check [data] path", shown, strerror(reason));
  root->path = root->folder = assay_arena_copy(scan->arena, real);
  free(real);
  if (root->path == NULL) return out_of_memory(scan);
  if (stat(root->path, &facts) == 0 && S_ISDIR(facts.st_mode)) return 0;
  root->manifest = assay_data_kind(root->path) == ASSAY_DATA_MANIFEST;
  if (root->manifest) return (root->folder = assay_path_folder(scan->arena, root->path)) != NULL ? 0 : out_of_memory(scan);
  struct assay_archive **archive = &scan->dataset->source->archives[number];
  const int result = assay_archive_open(root->path, archive, scan->status);
  root->archive = *archive;
  return result;
}

/* ---- Numbering ---- */

struct order {
  const char *path; /* as the sample will show it before its bytes are made printable */
  size_t found;
};

static int by_shown_path(const void *a, const void *b) { return strcmp(((const struct order *)a)->path, ((const struct order *)b)->path); }

/* Sorted samples from what was found. */
static int number_samples(struct assay_scan *scan) {
  struct assay_dataset *dataset = scan->dataset;
  const size_t count = scan->walk.count, prefix = strlen(scan->root.folder);
  struct order *order = malloc((count + 1) * sizeof *order);
  dataset->samples = ASSAY_NEW_ARRAY(scan->arena, struct assay_sample, count);
  dataset->source->files = ASSAY_NEW_ARRAY(scan->arena, struct assay_found, count);
  if (order == NULL || dataset->samples == NULL || dataset->source->files == NULL) {
    free(order);
    return out_of_memory(scan);
  }
  for (size_t i = 0; i < count; i++) {
    const char *path = scan->walk.found[i].path;
    const bool inside = strncmp(path, scan->root.folder, prefix) == 0 && path[prefix] == '/';
    order[i] = (struct order){inside ? path + prefix + 1 : path, i};
  }
  if (count > 0) qsort(order, count, sizeof *order, by_shown_path);
  int result = 0;
  for (size_t i = 0; i < count && result == 0; i++) {
    struct assay_sample *sample = &dataset->samples[i];
    const struct assay_place *place = &scan->places[order[i].found];
    dataset->source->files[i] = scan->walk.found[order[i].found];
    *sample = (struct assay_sample){.path = assay_printable_path(scan->arena, order[i].path), .label = place->label, .part = place->part, .group = place->group};
    if (sample->path == NULL) result = out_of_memory(scan);
    else if (sample->path != order[i].path) sample->problem = "its name is not printable UTF-8; rename it";
  }
  dataset->count = (uint32_t)count;
  dataset->ignored_count = scan->walk.ignored;
  free(order);
  return result;
}

struct reading {
  uint64_t place;
  uint32_t sample;
};

static int by_place(const void *a, const void *b) {
  const struct reading *left = a, *right = b;
  if (left->place != right->place) return left->place < right->place ? -1 : 1;
  return (left->sample > right->sample) - (left->sample < right->sample);
}

/* Files are read in the order of their paths, what is in an archive in the order of the archive. */
static int order_reading(struct assay_scan *scan) {
  struct assay_source *source = scan->dataset->source;
  const uint32_t count = scan->dataset->count;
  struct reading *order = malloc(((size_t)count + 1) * sizeof *order);
  source->order = ASSAY_NEW_ARRAY(scan->arena, uint32_t, count);
  const bool ready = order != NULL && source->order != NULL;
  for (uint32_t i = 0; ready && i < count; i++) {
    const struct assay_found *file = &source->files[i];
    const uint64_t archive = file->archive == NULL ? 0 : file->archive == source->archives[0] ? 1 : 2;
    order[i] = (struct reading){archive << 32 | (file->archive == NULL ? i : file->place), i};
  }
  if (ready && count > 0) qsort(order, count, sizeof *order, by_place);
  for (uint32_t i = 0; ready && i < count; i++) source->order[i] = order[i].sample;
  free(order);
  return ready ? 0 : out_of_memory(scan);
}

/* ---- Reading, in threads ---- */

static void note_failure(struct assay_scan *scan, const struct assay_status *status) {
  pthread_mutex_lock(&scan->mutex);
  if (scan->failure.code == 0) scan->failure = *status;
  pthread_mutex_unlock(&scan->mutex);
}

/* Keeps the clause, without the path that a message of the file functions begins with. */
static void set_problem(struct assay_scan *scan, uint32_t i, const struct assay_status *status) {
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

/* Decodes into `row` (NULL: only to know whether it can be decoded) and into a print. All of the file is looked at: this is where damage is found. */
static int decode_to(struct assay_scan *scan, uint32_t i, const uint8_t *bytes, size_t size, uint8_t *row, struct assay_image_facts *facts, struct assay_status *status) {
  const struct assay_data_settings *settings = scan->settings;
  struct assay_source *source = scan->dataset->source;
  const bool grey = row != NULL && settings->colour == ASSAY_COLOUR_GREY;
  uint8_t small[3];
  struct assay_image_target targets[2] = {{.width = 1, .height = 1, .channels = 3, .pixels = small}}; /* as small as it gets */
  if (row != NULL) targets[0] = (struct assay_image_target){settings->width, settings->height, grey ? 1 : 3, settings->fitting, row};
  uint8_t *print = source->prints == NULL ? NULL : source->prints + (size_t)i * ASSAY_PRINT_SIZE;
  if (print != NULL) targets[1] = (struct assay_image_target){.width = ASSAY_PRINT_SIDE, .height = ASSAY_PRINT_SIDE, .channels = 1, .pixels = print};
  const struct assay_image_request request = {.target_count = print == NULL ? 1 : 2,
                                              .targets = targets,
                                              .limits = print == NULL ? NULL : print + ASSAY_PRINT_AREA,
                                              .grey = grey,
                                              .verify = true};
  const int result = assay_image_decode_into(bytes, size, &request, facts, status);
  if (result == 0 && print != NULL) source->printed[i] = assay_print_wanted(facts->width, facts->height);
  return result;
}

/* To the network's size when the cache is filled on the way. */
static int decode_one(struct assay_scan *scan, uint32_t i, const uint8_t *bytes, size_t size, struct assay_image_facts *facts, struct assay_status *status) {
  const struct assay_data_settings *settings = scan->settings;
  if (scan->rows == NULL) return decode_to(scan, i, bytes, size, NULL, facts, status);
  uint8_t *row = malloc((size_t)settings->width * settings->height * (settings->colour == ASSAY_COLOUR_GREY ? 1 : 3));
  if (row == NULL) return assay_status_memory(status);
  int result = decode_to(scan, i, bytes, size, row, facts, status);
  if (result == 0) assay_rows_put(scan->rows, i, row);
  else if (settings->fitting.region.width != 0) result = decode_to(scan, i, bytes, size, NULL, facts, status); /* that the region does not fit is no fault of the file's */
  free(row);
  return result;
}

static void scan_one(void *context, uint32_t round) {
  struct assay_scan *scan = context;
  const uint32_t i = scan->dataset->source->order[round];
  struct assay_sample *sample = &scan->dataset->samples[i];
  struct assay_status status = {0};
  if (scan->known[i]) return;
  scan->unsure[i] = true;
  if (sample->problem != NULL) return;
  char *bytes;
  size_t size;
  int result = assay_found_read(&scan->dataset->source->files[i], &bytes, &size, &status);
  if (result == 0) {
    struct assay_image_facts facts;
    sample->hash = assay_hash_bytes(bytes, size);
    result = decode_one(scan, i, (const uint8_t *)bytes, size, &facts, &status);
    const struct assay_found *found = &scan->dataset->source->files[i];
    scan->unsure[i] = found->archive == NULL && size != found->identity.size;
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
static const char *verdicts_name(struct assay_scan *scan) {
  const char *both = assay_arena_print(scan->arena, "%s\n%s", scan->root.path, scan->test.path == NULL ? "" : scan->test.path);
  if (both == NULL) return NULL;
  const struct assay_hash hash = assay_hash_bytes(both, strlen(both));
  char digits[33];
  assay_hash_print(&hash, digits);
  return assay_arena_copy(scan->arena, digits);
}

static int read_samples(struct assay_scan *scan) {
  struct assay_dataset *dataset = scan->dataset;
  const struct assay_data_settings *settings = scan->settings;
  struct assay_source *source = dataset->source;
  const char *name = verdicts_name(scan);
  if (scan->given == NULL && settings->near_duplicates == ASSAY_NEAR_TOGETHER) {
    source->prints = malloc(((size_t)dataset->count + 1) * ASSAY_PRINT_SIZE);
    source->printed = ASSAY_NEW_ARRAY(scan->arena, bool, dataset->count);
    if (source->prints == NULL || source->printed == NULL) return out_of_memory(scan);
  }
  scan->known = ASSAY_NEW_ARRAY(scan->arena, bool, dataset->count);
  scan->unsure = ASSAY_NEW_ARRAY(scan->arena, bool, dataset->count);
  scan->verdicts = name == NULL ? NULL : assay_verdicts_load(name);
  if (scan->known == NULL || scan->unsure == NULL || scan->verdicts == NULL) return out_of_memory(scan);
  uint32_t hits = 0;
  for (uint32_t i = 0; i < dataset->count; i++) {
    struct assay_sample *sample = &dataset->samples[i];
    uint8_t *print = source->prints == NULL ? NULL : source->prints + (size_t)i * ASSAY_PRINT_SIZE;
    scan->known[i] = sample->problem == NULL && assay_verdicts_find(scan->verdicts, &source->files[i], sample, print, scan->arena);
    if (print != NULL && scan->known[i] && sample->format != NULL) source->printed[i] = assay_print_wanted(sample->width, sample->height);
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

/* ---- Region and small defects ---- */

/* An image that the region does not lie in cannot be used, with this region. */
static int check_region(struct assay_scan *scan) {
  const struct assay_region *region = &scan->settings->fitting.region;
  for (uint32_t i = 0; region->width != 0 && i < scan->dataset->count; i++) {
    struct assay_sample *sample = &scan->dataset->samples[i];
    struct assay_status status = {0};
    if (sample->format == NULL || assay_image_region_fits(region, sample->width, sample->height)) continue;
    (void)assay_image_region_refused(region, sample->width, sample->height, &status);
    sample->problem = assay_arena_copy(scan->arena, status.message);
    sample->format = NULL;
    if (sample->problem == NULL) return out_of_memory(scan);
  }
  return 0;
}


enum { LEAST_DEFECT = 5 /* pixels a side that a network needs to see one */ };

/* How far the image is shrunk along its worse axis: pixels of the image for one of the network. */
static double shrinkage(const struct assay_data_settings *settings, const struct assay_sample *sample) {
  struct assay_window window;
  (void)assay_region_window(&settings->fitting.region, sample->width, sample->height, sample->width, sample->height, &window);
  const struct assay_fit_plan plan = assay_fit_plan(&settings->fitting, &window, settings->width, settings->height);
  const double across = (double)plan.source_width / plan.scaled_width, down = (double)plan.source_height / plan.scaled_height;
  return across > down ? across : down;
}

static void warn_of_small_defects(struct assay_scan *scan) {
  const struct assay_data_settings *settings = scan->settings;
  uint32_t count = 0;
  double worst = 0;
  const struct assay_sample *example = NULL;
  if (settings->min_defect == 0 || settings->width == 0 || scan->given != NULL) return;
  for (uint32_t i = 0; i < scan->dataset->count; i++) {
    const struct assay_sample *sample = &scan->dataset->samples[i];
    if (sample->problem != NULL) continue;
    const double factor = shrinkage(settings, sample);
    if (settings->min_defect >= LEAST_DEFECT * factor) continue;
    count++;
    if (factor > worst) example = sample, worst = factor;
  }
  if (count > 0)
    assay_log_message(ASSAY_LOG_WARNING, "a defect of [data] min_defect = %u pixels is %.1f wide after %s is brought to %ux%u, less than %d (%u images): enlarge size %.1f times, or look at a part of the image with region",
                      settings->min_defect, settings->min_defect / worst, example->path, settings->width, settings->height, LEAST_DEFECT, count,
                      LEAST_DEFECT * worst / settings->min_defect);
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

static int find_copies(struct assay_scan *scan) {
  struct assay_dataset *dataset = scan->dataset;
  struct hashed *list = malloc(((size_t)dataset->count + 1) * sizeof *list);
  if (list == NULL) return out_of_memory(scan);
  uint32_t count = 0;
  for (uint32_t i = 0; i < dataset->count; i++) {
    dataset->samples[i].first_copy = i;
    if (dataset->samples[i].problem == NULL) list[count++] = (struct hashed){dataset->samples[i].hash, i};
  }
  if (count > 0) qsort(list, count, sizeof *list, by_hash);
  for (uint32_t i = 1; i < count; i++)
    if (memcmp(&list[i].hash, &list[i - 1].hash, sizeof list[i].hash) == 0) dataset->samples[list[i].sample].first_copy = dataset->samples[list[i - 1].sample].first_copy;
  free(list);
  return 0;
}

static int hash_content(struct assay_scan *scan) {
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
    if (sample->group != NULL) assay_hasher_add(hasher, sample->group, strlen(sample->group) + 1);
  }
  dataset->content = assay_hasher_finish(hasher);
  return 0;
}

static void leave_out_broken(struct assay_dataset *dataset) {
  for (uint32_t i = 0; i < dataset->count; i++)
    if (dataset->samples[i].problem != NULL) dataset->samples[i].part = ASSAY_PART_NONE;
}

static int take_given(struct assay_scan *scan) {
  const char **classes = ASSAY_NEW_ARRAY(scan->arena, const char *, scan->given_count);
  if (classes == NULL) return out_of_memory(scan);
  for (uint32_t c = 0; c < scan->given_count; c++)
    if ((classes[c] = assay_arena_copy(scan->arena, scan->given[c])) == NULL) return out_of_memory(scan);
  scan->dataset->classes = classes;
  scan->dataset->class_count = scan->given_count;
  return 0;
}

static int run_scan(struct assay_scan *scan) {
  int result = resolve(scan, scan->settings->path, 0, &scan->root);
  if (result == 0 && scan->given == NULL && scan->settings->test_path != NULL) result = resolve(scan, scan->settings->test_path, 1, &scan->test);
  if (result == 0 && scan->given != NULL) result = take_given(scan);
  if (result == 0) result = assay_scan_find_idx(scan);
  if (result != 0) return result;
  if (scan->dataset->source->pair_count > 0) {
    result = assay_scan_idx(scan);
  } else {
    result = assay_scan_folders(scan);
    if (result == 0) result = number_samples(scan);
    if (result == 0) result = order_reading(scan);
    if (result == 0) result = read_samples(scan);
  }
  if (result == 0) result = check_region(scan);
  if (result == 0) warn_of_small_defects(scan);
  if (result == 0) result = find_copies(scan);
  if (result == 0) result = hash_content(scan);
  if (result == 0 && scan->rows != NULL) {
    const struct assay_hash key = assay_cache_key(scan->dataset, scan->settings, scan->settings->width, scan->settings->height);
    (void)assay_rows_finish(scan->rows, &key); /* else the cache is made, or complains, when it is opened */
    scan->rows = NULL;
  }
  if (result == 0) result = assay_dataset_tie(scan->dataset, scan->settings, scan->status);
  free(scan->dataset->source->prints);
  scan->dataset->source->prints = NULL;
  if (result == 0) leave_out_broken(scan->dataset);
  return result;
}

static int scan_folder(const struct assay_data_settings *settings, const char *const *given, uint32_t given_count, struct assay_dataset **result_dataset,
                       struct assay_status *status) {
  struct assay_arena *arena = assay_arena_create();
  struct assay_dataset *dataset = arena == NULL ? NULL : ASSAY_NEW(arena, struct assay_dataset);
  if (dataset != NULL) {
    *dataset = (struct assay_dataset){
        .arena = arena, .root = assay_arena_copy(arena, settings->path), .source = ASSAY_NEW(arena, struct assay_source)};
  }
  if (dataset == NULL || dataset->root == NULL || dataset->source == NULL) {
    assay_arena_release(arena);
    return assay_status_memory(status);
  }
  struct assay_scan scan = {.settings = settings,
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
  free(dataset->source->prints);
  for (int i = 0; i < 2; i++) assay_archive_release(dataset->source->archives[i]);
  assay_arena_release(dataset->arena);
}
