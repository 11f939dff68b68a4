/* SPDX-License-Identifier: MIT
 *
 * Decoded pixels of a whole data set: from the cache file when there is one, else made now, in memory when the disk does not take them.
 */
#include "base/arena.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "data/fit_plan.h"
#include "data/parallel.h"
#include "data/rows.h"
#include "data/source.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct assay_cache {
  uint32_t count, width, height, channels;
  size_t row;
  struct assay_rows_map map; /* base NULL: in memory */
  uint8_t *memory, *memory_present;
};

bool assay_cache_has(const struct assay_dataset *dataset, const struct assay_data_settings *settings, uint32_t sample) {
  /* Without a limit every picture that can be decoded is there, whatever the gate and the split decide, so one file serves all of them. */
  return dataset->samples[sample].format != NULL && (settings->limit == 0 || dataset->samples[sample].part != ASSAY_PART_NONE);
}

struct assay_hash assay_cache_key(const struct assay_dataset *dataset, const struct assay_data_settings *settings, uint32_t width, uint32_t height) {
  const struct assay_fitting *fitting = &settings->fitting;
  const struct assay_region *region = &fitting->region;
  const uint32_t numbers[12] = {dataset->count, width, height, fitting->fit, settings->colour, fitting->resize, fitting->filter,
                                region->x, region->y, region->width, region->height, region->shares};
  struct assay_hasher *hasher = assay_hasher_create();
  if (hasher == NULL) return dataset->content; /* memory is short: what follows fails, cleanly */
  assay_hasher_add(hasher, assay_image_decoder(), strlen(assay_image_decoder()));
  assay_hasher_add(hasher, &dataset->content, sizeof dataset->content);
  assay_hasher_add(hasher, numbers, sizeof numbers);
  for (uint32_t i = 0; settings->limit != 0 && i < dataset->count; i++)
    if (assay_cache_has(dataset, settings, i)) assay_hasher_add(hasher, &i, sizeof i);
  return assay_hasher_finish(hasher);
}

/* ---- Making it ---- */

struct making {
  struct assay_dataset *dataset;
  const struct assay_data_settings *settings;
  struct assay_cache *cache;
  struct assay_rows *rows; /* NULL: into the cache's memory */
  pthread_mutex_t mutex;
  struct assay_status failure; /* of the first round that failed, whichever thread came to it first; code 0: none */
  uint32_t failed_round;
};

static void note_failure(struct making *making, uint32_t round, const struct assay_status *status) {
  pthread_mutex_lock(&making->mutex);
  if (making->failure.code == 0 || round < making->failed_round) {
    making->failure = *status;
    making->failed_round = round;
  }
  pthread_mutex_unlock(&making->mutex);
}

static int decode_file(const struct making *making, uint32_t sample, uint8_t *pixels, struct assay_status *status) {
  const struct assay_cache *cache = making->cache;
  const struct assay_found *file = &making->dataset->source->files[sample];
  const char *path = file->path;
  char *bytes;
  size_t size;
  int result = assay_found_read(file, &bytes, &size, status);
  if (result != 0) return result;
  const struct assay_hash hash = assay_hash_bytes(bytes, size);
  if (memcmp(&hash, &making->dataset->samples[sample].hash, sizeof hash) != 0) {
    result = assay_status_set(status, ASSAY_E_DATA, "%s: has changed since it was read a moment ago; start again when the folder is at rest", path);
  } else {
    const struct assay_image_target target = {cache->width, cache->height, cache->channels, making->settings->fitting, pixels};
    const struct assay_image_request request = {.target_count = 1, .targets = &target, .grey = cache->channels == 1};
    result = assay_image_decode_into((const uint8_t *)bytes, size, &request, NULL, status);
    if (result != 0) assay_status_prefix(status, "%s", path);
  }
  free(bytes);
  return result;
}

static int fit_idx(const struct making *making, uint32_t sample, uint8_t *pixels, struct assay_status *status) {
  const struct assay_cache *cache = making->cache;
  const struct assay_source *source = making->dataset->source;
  const uint32_t pair = source->pair_count > 1 && sample >= source->pairs[1].first ? 1 : 0;
  const struct assay_idx *idx = source->pairs[pair].idx;
  const size_t size = (size_t)idx->width * idx->height;
  const struct assay_image image = {idx->width, idx->height, 1, 8, idx->pixels + (sample - source->pairs[pair].first) * size};
  return assay_image_fit(&image, cache->width, cache->height, cache->channels, making->settings->fitting, pixels, status);
}

static void make_one(void *context, uint32_t round) {
  struct making *making = context;
  const uint32_t *order = making->dataset->source->order, sample = order == NULL ? round : order[round];
  struct assay_cache *cache = making->cache;
  if (!assay_cache_has(making->dataset, making->settings, sample)) return;
  if (making->rows != NULL && assay_rows_failure(making->rows) != 0) return;
  uint8_t *pixels = making->rows == NULL ? cache->memory + sample * cache->row : malloc(cache->row);
  struct assay_status status = {0};
  int result = pixels == NULL ? assay_status_memory(&status) : 0;
  if (result == 0) result = making->dataset->source->files == NULL ? fit_idx(making, sample, pixels, &status) : decode_file(making, sample, pixels, &status);
  if (result != 0) note_failure(making, round, &status);
  else if (making->rows == NULL) cache->memory_present[sample] = 1;
  else assay_rows_put(making->rows, sample, pixels);
  if (making->rows != NULL) free(pixels);
}

static int load_idx(struct assay_source *source, struct assay_status *status) {
  int result = 0;
  for (uint32_t i = 0; i < source->pair_count && result == 0; i++)
    if (source->pairs[i].idx == NULL) result = assay_idx_load(source->pairs[i].images, source->pairs[i].labels, &source->pairs[i].idx, status);
  return result;
}

static void drop_idx(struct assay_source *source) {
  for (uint32_t i = 0; i < source->pair_count; i++) {
    assay_idx_release(source->pairs[i].idx);
    source->pairs[i].idx = NULL;
  }
}

static int make_in_memory(struct making *making, struct assay_status *status) {
  struct assay_cache *cache = making->cache;
  cache->memory = calloc(cache->count, cache->row);
  cache->memory_present = calloc(cache->count, 1);
  if (cache->memory == NULL || cache->memory_present == NULL) return assay_status_memory(status);
  assay_parallel_for(cache->count, making->settings->threads, make_one, making);
  if (making->failure.code == 0) return 0;
  *status = making->failure;
  return making->failure.code;
}

/* 0 with the cache mapped, 1 when the disk does not take it, or an error of the data. */
static int make_on_disk(struct making *making, const struct assay_hash *key, struct assay_status *status) {
  struct assay_cache *cache = making->cache;
  making->rows = assay_rows_begin(cache->count, cache->width, cache->height, cache->channels);
  if (making->rows == NULL) {
    assay_log_message(ASSAY_LOG_WARNING, "decoded images are kept in memory: there is no cache folder that can be written (set XDG_CACHE_HOME)");
    return 1;
  }
  assay_parallel_for(cache->count, making->settings->threads, make_one, making);
  const int reason = assay_rows_failure(making->rows);
  if (making->failure.code != 0) {
    assay_rows_abandon(making->rows);
    making->rows = NULL;
    *status = making->failure;
    return making->failure.code;
  }
  const bool finished = assay_rows_finish(making->rows, key);
  making->rows = NULL;
  if (finished && assay_rows_open(key, cache->count, cache->width, cache->height, cache->channels, making->settings->threads, &cache->map)) return 0;
  cache->map.base = NULL;
  assay_log_message(ASSAY_LOG_WARNING, "decoded images are kept in memory: the cache file cannot be written%s%s; make room, or set XDG_CACHE_HOME",
                    reason != 0 ? ": " : "", reason != 0 ? strerror(reason) : "");
  return 1;
}

static int make(struct making *making, const struct assay_hash *key, struct assay_status *status) {
  int result = load_idx(making->dataset->source, status);
  if (result == 0) result = make_on_disk(making, key, status);
  if (result > 0) result = make_in_memory(making, status);
  drop_idx(making->dataset->source);
  return result;
}

/* The size of what is looked at in a picture of so many pixels. */
static void own_size(const struct assay_region *region, const struct assay_sample *sample, uint32_t *width, uint32_t *height) {
  struct assay_window window;
  (void)assay_region_window(region, sample->width, sample->height, sample->width, sample->height, &window); /* the scan has taken out where it does not fit */
  *width = window.width;
  *height = window.height;
}

/* The images' own size (or that of the region in them), which must be one. */
static int common_size(const struct assay_dataset *dataset, const struct assay_region *region, uint32_t *width, uint32_t *height, struct assay_status *status) {
  const struct assay_sample *first = NULL;
  for (uint32_t i = 0; i < dataset->count; i++) {
    const struct assay_sample *sample = &dataset->samples[i];
    uint32_t other_width, other_height;
    if (sample->format == NULL || sample->part == ASSAY_PART_NONE) continue;
    own_size(region, sample, &other_width, &other_height);
    if (first == NULL) first = sample, *width = other_width, *height = other_height;
    if (other_width != *width || other_height != *height)
      return assay_status_set(status, ASSAY_E_DATA,
                              "%s has %u × %u pixels%s, but %s has %u × %u; write the size that the network is to see, such as size = 224x224", first->path,
                              *width, *height, region->width == 0 ? "" : " in the region", sample->path, other_width, other_height);
  }
  if (first == NULL) return assay_status_set(status, ASSAY_E_DATA, "%s: there is no image that can be used", dataset->root);
  return 0;
}

int assay_cache_open(struct assay_dataset *dataset, const struct assay_data_settings *settings, struct assay_cache **result_cache,
                     struct assay_status *status) {
  uint32_t width = settings->width, height = settings->height;
  if (width == 0 || height == 0) {
    const int result = common_size(dataset, &settings->fitting.region, &width, &height, status);
    if (result != 0) return result;
  }
  struct assay_cache *cache = calloc(1, sizeof *cache);
  if (cache == NULL) return assay_status_memory(status);
  *cache = (struct assay_cache){.count = dataset->count, .width = width, .height = height, .channels = settings->colour == ASSAY_COLOUR_GREY ? 1 : 3};
  size_t area, all;
  if (!assay_multiply(width, height, &area) || !assay_multiply(area, cache->channels, &cache->row) || !assay_multiply(cache->row, cache->count, &all)) {
    free(cache);
    return assay_status_set(status, ASSAY_E_CONFIG, "%u images of %u × %u pixels are more than can be addressed; choose a smaller size", dataset->count, width,
                            height);
  }
  const struct assay_hash key = assay_cache_key(dataset, settings, width, height);
  int result = 0;
  if (!assay_rows_open(&key, cache->count, width, height, cache->channels, settings->threads, &cache->map)) {
    const int lock = assay_rows_lock(&key);
    if (lock < 0 || !assay_rows_open(&key, cache->count, width, height, cache->channels, settings->threads, &cache->map)) {
      cache->map.base = NULL;
      struct assay_status unused;
      struct making making = {.dataset = dataset, .settings = settings, .cache = cache, .mutex = PTHREAD_MUTEX_INITIALIZER};
      result = make(&making, &key, status == NULL ? &unused : status);
    }
    assay_rows_unlock(lock);
  }
  if (result != 0) {
    assay_cache_close(cache);
    return result;
  }
  *result_cache = cache;
  return 0;
}

void assay_cache_close(struct assay_cache *cache) {
  if (cache == NULL) return;
  if (cache->map.base != NULL) munmap(cache->map.base, cache->map.size);
  free(cache->memory);
  free(cache->memory_present);
  free(cache);
}

/* ---- Using it ---- */

const uint8_t *assay_cache_pixels(const struct assay_cache *cache, uint32_t sample) {
  const bool mapped = cache->map.base != NULL;
  if (sample >= cache->count || (mapped ? cache->map.present : cache->memory_present)[sample] == 0) return NULL;
  return (mapped ? cache->map.pixels : cache->memory) + sample * cache->row;
}

void assay_cache_extents(const struct assay_cache *cache, uint32_t *width, uint32_t *height, uint32_t *channels) {
  *width = cache->width;
  *height = cache->height;
  *channels = cache->channels;
}

enum { LANES = 48 /* a multiple of 1 and 3 channels and of vector widths */ };

/* Adds sums and sums of squares a channel; lanes hold at most 2^16 squares of 255 at a time. */
static void add_row(const uint8_t *row, size_t size, uint32_t channels, uint64_t sums[4], uint64_t squares[4]) {
  size_t i = 0;
  while (i + LANES <= size) {
    uint32_t lane_sums[LANES] = {0}, lane_squares[LANES] = {0};
    for (uint32_t round = 0; round < 65536 && i + LANES <= size; round++, i += LANES)
      for (int k = 0; k < LANES; k++) {
        lane_sums[k] += row[i + k];
        lane_squares[k] += (uint32_t)row[i + k] * row[i + k];
      }
    for (uint32_t k = 0; k < LANES; k++) {
      sums[k % channels] += lane_sums[k];
      squares[k % channels] += lane_squares[k];
    }
  }
  for (; i < size; i++) {
    sums[i % channels] += row[i];
    squares[i % channels] += (uint32_t)row[i] * row[i];
  }
}

void assay_cache_statistics(const struct assay_cache *cache, const uint32_t *samples, uint32_t count, double mean[4], double deviation[4]) {
  uint64_t sums[4] = {0}, squares[4] = {0}, pixels = 0;
  for (uint32_t i = 0; i < count; i++) {
    const uint8_t *row = assay_cache_pixels(cache, samples[i]);
    if (row == NULL) continue;
    pixels += cache->row / cache->channels;
    add_row(row, cache->row, cache->channels, sums, squares);
  }
  for (int c = 0; c < 4; c++) {
    mean[c] = pixels == 0 ? 0 : (double)sums[c] / (double)pixels;
    /* n Σx² - (Σx)², exactly, so that a constant channel gives 0. */
    const __uint128_t spread = (__uint128_t)squares[c] * pixels - (__uint128_t)sums[c] * sums[c];
    deviation[c] = pixels == 0 ? 0 : sqrt((double)spread) / (double)pixels;
  }
}
