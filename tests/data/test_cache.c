/* SPDX-License-Identifier: MIT
 *
 * Decoded pixels kept between runs: what is in the cache, what happens when it is damaged, shared, unwritable; verdicts; IDX files; batches.
 */
#include "harness.h"

#include "folders.h"
#include "pictures.h"

#include "base/arena.h"
#include "base/log.h"
#include "data/batch.h"
#include "data/data.h"
#include "data/rows.h"
#include "data/source.h"

#include <assay/random.h>
#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

static struct assay_data_settings settings_of(const char *path) {
  return (struct assay_data_settings){.path = path, .width = 5, .height = 3, .colour = ASSAY_COLOUR_GREY, .folds = 2, .seed = 7, .threads = 2};
}

static struct assay_dataset *scan(const struct assay_data_settings *settings) {
  struct assay_dataset *dataset;
  struct assay_status status = {0};
  const int result = assay_dataset_scan(settings, &dataset, &status);
  ck_assert_msg(result == 0, "%s", status.message);
  return dataset;
}

static struct assay_cache *open_cache(struct assay_dataset *dataset, const struct assay_data_settings *settings) {
  struct assay_cache *cache;
  struct assay_status status = {0};
  const int result = assay_cache_open(dataset, settings, &cache, &status);
  ck_assert_msg(result == 0, "%s", status.message);
  return cache;
}

static void make_dataset(void) {
  for (int i = 0; i < 10; i++) {
    char path[64];
    snprintf(path, sizeof path, "d/%s/%d.pgm", i < 5 ? "a" : "b", i);
    folder_image(path, 3 * i);
  }
}

/* What folder_image has written. */
static void expect_pixels(const struct assay_cache *cache) {
  for (uint32_t n = 0; n < 10; n++) {
    const uint8_t *pixels = assay_cache_pixels(cache, n);
    ck_assert_ptr_nonnull(pixels);
    ck_assert_uint_eq(pixels[0], 3 * n);
    for (uint32_t i = 4; i < 15; i++) ck_assert_uint_eq(pixels[i], 10 * i + 3 * n);
  }
  ck_assert_ptr_null(assay_cache_pixels(cache, 10));
}

/* The one cache file there is; the number of them. */
static int find_cache_files(char path[512]) {
  int count = 0;
  char folder[256];
  snprintf(folder, sizeof folder, "%s/assay/pixels", getenv("XDG_CACHE_HOME"));
  DIR *entries = opendir(folder);
  for (const struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;) {
    const size_t length = strlen(entry->d_name);
    if (length < 3 || strcmp(entry->d_name + length - 3, ".u8") != 0) {
      ck_assert_msg(entry->d_name[0] == '.' || strcmp(entry->d_name, "lock") == 0, "%s was left behind", entry->d_name);
      continue;
    }
    snprintf(path, 512, "%s/%s", folder, entry->d_name);
    count++;
  }
  if (entries != NULL) closedir(entries);
  return count;
}

static int warnings;

static void count_warnings(void *context, int level, const char *message) {
  (void)context;
  (void)message;
  warnings += level == ASSAY_LOG_WARNING;
}

START_TEST(the_scan_fills_the_cache) {
  char path[512];
  struct stat before, after;
  make_dataset();
  const struct assay_data_settings settings = settings_of("d");
  struct assay_dataset *dataset = scan(&settings);
  ck_assert_int_eq(find_cache_files(path), 1);
  ck_assert_int_eq(stat(path, &before), 0);
  struct assay_cache *cache = open_cache(dataset, &settings);
  uint32_t width, height, channels;
  assay_cache_extents(cache, &width, &height, &channels);
  ck_assert(width == 5 && height == 3 && channels == 1);
  expect_pixels(cache);
  assay_cache_close(cache);
  cache = open_cache(dataset, &settings);
  expect_pixels(cache);
  assay_cache_close(cache);
  ck_assert_int_eq(stat(path, &after), 0);
  ck_assert_uint_eq(before.st_ino, after.st_ino);
  assay_dataset_release(dataset);
}
END_TEST

START_TEST(each_way_of_making_has_its_file) {
  char path[512];
  make_dataset();
  struct assay_data_settings settings = settings_of("d");
  struct assay_dataset *dataset = scan(&settings);
  settings.width = 4;
  assay_cache_close(open_cache(dataset, &settings));
  ck_assert_int_eq(find_cache_files(path), 2);
  settings.fitting.fit = ASSAY_FIT_LETTERBOX;
  assay_cache_close(open_cache(dataset, &settings));
  ck_assert_int_eq(find_cache_files(path), 3);
  settings.colour = ASSAY_COLOUR_RGB;
  struct assay_cache *cache = open_cache(dataset, &settings);
  ck_assert_int_eq(find_cache_files(path), 4);
  uint8_t pixels[4 * 3 * 3];
  struct assay_status status;
  ck_assert_int_eq(assay_image_load("d/a/2.pgm", &settings, pixels, &status), 0);
  ck_assert_mem_eq(assay_cache_pixels(cache, 2), pixels, sizeof pixels); /* `predict` sees what the network saw */
  assay_cache_close(cache);
  assay_dataset_release(dataset);
  folder_image("d/b/7.pgm", 200);
  dataset = scan(&settings);
  cache = open_cache(dataset, &settings);
  ck_assert_int_eq(find_cache_files(path), 5);
  ck_assert_int_eq(assay_image_load("d/b/7.pgm", &settings, pixels, &status), 0);
  ck_assert_mem_eq(assay_cache_pixels(cache, 7), pixels, sizeof pixels);
  assay_cache_close(cache);
  assay_dataset_release(dataset);
}
END_TEST

/* Row 1 and 2, columns 1 to 3 of 5 × 3: pixel 5 y + x is worth 10 more than the one before. */
START_TEST(a_region_alone) {
  make_dataset();
  folder_write("d/a/small.pgm", "P5 4 2 255\n12345678", 19);
  struct assay_data_settings settings = settings_of("d");
  settings.width = 3;
  settings.height = 2;
  settings.fitting.region = (struct assay_region){1, 1, 3, 2, 0};
  for (int seen = 0; seen < 2; seen++) { /* filled by the scan; then from what is remembered */
    struct assay_dataset *dataset = scan(&settings);
    struct assay_cache *cache = open_cache(dataset, &settings);
    for (uint32_t n = 0; n < 11; n++) {
      const uint8_t *pixels = assay_cache_pixels(cache, n);
      const struct assay_sample *sample = &dataset->samples[n];
      if (strcmp(sample->path, "a/small.pgm") == 0) {
        ck_assert_ptr_null(pixels);
        ck_assert_int_eq(sample->part, ASSAY_PART_NONE);
        ck_assert_ptr_nonnull(strstr(sample->problem, "has 4 × 2 pixels, beyond which the region (3x2+1+1) reaches"));
        continue;
      }
      const uint32_t number = n < 5 ? n : n - 1;
      ck_assert_ptr_nonnull(pixels);
      for (uint32_t i = 0; i < 6; i++) ck_assert_uint_eq(pixels[i], 10 * (5 * (1 + i / 3) + 1 + i % 3) + 3 * number);
    }
    uint8_t pixels[6];
    struct assay_status status;
    ck_assert_int_eq(assay_image_load("d/b/7.pgm", &settings, pixels, &status), 0);
    ck_assert_mem_eq(assay_cache_pixels(cache, 8), pixels, 6);
    assay_cache_close(cache);
    settings.width = settings.height = 0; /* the region's own size */
    cache = open_cache(dataset, &settings);
    uint32_t width, height, channels;
    assay_cache_extents(cache, &width, &height, &channels);
    ck_assert(width == 3 && height == 2);
    assay_cache_close(cache);
    settings.width = 3;
    settings.height = 2;
    assay_dataset_release(dataset);
  }
  settings.fitting.region = (struct assay_region){0}; /* no fault of the file's */
  struct assay_dataset *dataset = scan(&settings);
  for (uint32_t n = 0; n < 11; n++) ck_assert_ptr_null(dataset->samples[n].problem);
  assay_dataset_release(dataset);
}
END_TEST

START_TEST(the_images_own_size) {
  make_dataset();
  struct assay_data_settings settings = settings_of("d");
  settings.width = settings.height = 0;
  struct assay_dataset *dataset = scan(&settings);
  struct assay_cache *cache = open_cache(dataset, &settings);
  expect_pixels(cache);
  assay_cache_close(cache);
  assay_dataset_release(dataset);
  folder_text("d/b/odd.pgm", "P5 2 2 255\nabcd");
  dataset = scan(&settings);
  struct assay_status status = {0};
  ck_assert_int_eq(assay_cache_open(dataset, &settings, &cache, &status), ASSAY_E_DATA);
  ck_assert_ptr_nonnull(strstr(status.message, "b/odd.pgm has 2 × 2"));
  assay_dataset_release(dataset);
}
END_TEST

START_TEST(damage_is_repaired) {
  char path[512];
  make_dataset();
  const struct assay_data_settings settings = settings_of("d");
  struct assay_dataset *dataset = scan(&settings);
  ck_assert_int_eq(find_cache_files(path), 1);
  struct stat facts;
  ck_assert_int_eq(stat(path, &facts), 0);
  assay_log_set(count_warnings, NULL);
  /* A byte changed in every region, then shorter, longer, empty. */
  const long places[] = {0, 9, 30, 60, 100, 150, 190, 4096 + 5, (long)facts.st_size - 1};
  for (int i = 0; i < 12; i++) {
    warnings = 0;
    FILE *file = fopen(path, "r+b");
    ck_assert_ptr_nonnull(file);
    if (i < 9) {
      fseek(file, places[i], SEEK_SET);
      const int byte = fgetc(file);
      fseek(file, places[i], SEEK_SET);
      fputc(byte ^ 0x40, file);
    } else {
      ck_assert_int_eq(ftruncate(fileno(file), i == 9 ? facts.st_size - 1 : i == 10 ? facts.st_size + 4096 : 0), 0);
    }
    fclose(file);
    struct assay_cache *cache = open_cache(dataset, &settings);
    expect_pixels(cache);
    assay_cache_close(cache);
    ck_assert_msg(warnings >= 1, "damage %d went unnoticed", i);
    warnings = 0;
    cache = open_cache(dataset, &settings);
    assay_cache_close(cache);
    ck_assert_int_eq(warnings, 0);
  }
  assay_log_set(NULL, NULL);
  assay_dataset_release(dataset);
}
END_TEST

START_TEST(processes_share_it) {
  char path[512];
  for (int i = 0; i < 200; i++) {
    snprintf(path, sizeof path, "d/%s/%03d.pgm", i % 2 ? "a" : "b", i);
    folder_image(path, i);
  }
  const struct assay_data_settings settings = settings_of("d");
  pid_t children[6];
  for (int c = 0; c < 6; c++)
    if ((children[c] = fork()) == 0) {
      struct assay_dataset *dataset;
      struct assay_cache *cache;
      struct assay_status status;
      int result = assay_dataset_scan(&settings, &dataset, &status);
      if (result == 0) result = assay_cache_open(dataset, &settings, &cache, &status);
      for (uint32_t i = 0; result == 0 && i < 200; i++) result = assay_cache_pixels(cache, i) == NULL;
      _exit(result == 0 ? 0 : 1);
    }
  for (int c = 0; c < 6; c++) {
    int outcome;
    ck_assert_int_eq(waitpid(children[c], &outcome, 0), children[c]);
    ck_assert(WIFEXITED(outcome) && WEXITSTATUS(outcome) == 0);
  }
  ck_assert_int_eq(find_cache_files(path), 1);
}
END_TEST

START_TEST(without_a_cache_folder) {
  make_dataset();
  folder_text("plug", "a file where a folder would have to be");
  char where[256];
  ck_assert_ptr_nonnull(getcwd(where, sizeof where - 8));
  strcat(where, "/plug");
  setenv("XDG_CACHE_HOME", where, 1);
  assay_log_set(count_warnings, NULL);
  warnings = 0;
  const struct assay_data_settings settings = settings_of("d");
  struct assay_dataset *dataset = scan(&settings);
  struct assay_cache *cache = open_cache(dataset, &settings);
  expect_pixels(cache);
  ck_assert_int_eq(warnings, 1);
  assay_cache_close(cache);
  assay_dataset_release(dataset);
  assay_log_set(NULL, NULL);
}
END_TEST

START_TEST(on_a_full_disk) {
  char path[512];
  make_dataset();
  const struct rlimit none = {100, RLIM_INFINITY}, before = {RLIM_INFINITY, RLIM_INFINITY};
  signal(SIGXFSZ, SIG_IGN);
  struct assay_data_settings settings = settings_of("d");
  settings.width = settings.height = 64;
  assay_log_set(count_warnings, NULL);
  warnings = 0;
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
  struct assay_dataset *dataset = scan(&settings);
  struct assay_cache *cache = open_cache(dataset, &settings);
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
  for (uint32_t i = 0; i < 10; i++) ck_assert_ptr_nonnull(assay_cache_pixels(cache, i));
  ck_assert_int_ge(warnings, 1);
  ck_assert_int_eq(find_cache_files(path), 0);
  assay_cache_close(cache);
  assay_dataset_release(dataset);
  assay_log_set(NULL, NULL);
}
END_TEST

START_TEST(a_file_that_changes_behind_the_scan) {
  make_dataset();
  struct assay_data_settings settings = settings_of("d");
  struct assay_dataset *dataset = scan(&settings);
  folder_image("d/a/3.pgm", 77);
  settings.width = 9;
  struct assay_cache *cache;
  struct assay_status status = {0};
  ck_assert_int_eq(assay_cache_open(dataset, &settings, &cache, &status), ASSAY_E_DATA);
  ck_assert_ptr_nonnull(strstr(status.message, "a/3.pgm: has changed"));
  assay_dataset_release(dataset);
}
END_TEST

START_TEST(verdicts_are_remembered) {
  make_dataset();
  folder_text("d/b/zz.jpg", "not an image");
  const struct timespec pause = {2, 100000000}; /* files this young are not trusted */
  nanosleep(&pause, NULL);
  struct assay_data_settings settings = settings_of("d");
  settings.width = settings.height = 0;
  struct assay_dataset *first = scan(&settings), *second;
  second = scan(&settings);
  ck_assert_uint_eq(first->count, second->count);
  ck_assert_mem_eq(&first->content, &second->content, sizeof first->content);
  for (uint32_t i = 0; i < first->count; i++) {
    const struct assay_sample *a = &first->samples[i], *b = &second->samples[i];
    ck_assert_uint_eq(a->width, b->width);
    ck_assert_str_eq(a->format == NULL ? "" : a->format, b->format == NULL ? "" : b->format);
    ck_assert_str_eq(a->problem == NULL ? "" : a->problem, b->problem == NULL ? "" : b->problem);
  }
  /* The verdict holds for the file as it was, and not when it has changed in any way. */
  char name[33] = "";
  DIR *entries = opendir("cache/assay/verdicts");
  ck_assert_ptr_nonnull(entries);
  for (const struct dirent *entry; (entry = readdir(entries)) != NULL;)
    if (entry->d_name[0] != '.') snprintf(name, sizeof name, "%.32s", entry->d_name);
  closedir(entries);
  struct assay_verdicts *verdicts = assay_verdicts_load(name);
  struct assay_found file = first->source->files[0];
  struct assay_sample sample = {0};
  ck_assert(assay_verdicts_find(verdicts, &file, &sample, NULL, first->arena));
  ck_assert_uint_eq(sample.width, 5);
  file.identity.changed++;
  ck_assert(!assay_verdicts_find(verdicts, &file, &sample, NULL, first->arena));
  assay_verdicts_release(verdicts);
  assay_dataset_release(first);
  assay_dataset_release(second);
  /* A damaged store is as none. */
  char path[80];
  snprintf(path, sizeof path, "cache/assay/verdicts/%s", name);
  FILE *store = fopen(path, "r+b");
  fseek(store, 200, SEEK_SET);
  fputc(0xEE, store);
  fclose(store);
  verdicts = assay_verdicts_load(name);
  struct assay_arena *arena = assay_arena_create();
  file.identity.changed--;
  ck_assert(!assay_verdicts_find(verdicts, &file, &sample, NULL, arena));
  assay_arena_release(arena);
  assay_verdicts_release(verdicts);
}
END_TEST

START_TEST(statistics_of_known_pixels) {
  folder_text("d/a/1.ppm", "P6 2 1 255\n\x01\x02\x03\x05\x02\x04");
  folder_text("d/b/1.ppm", "P6 2 1 255\n\x03\x02\x09\x07\x02\x08");
  struct assay_data_settings settings = settings_of("d");
  settings.width = settings.height = 0;
  settings.colour = ASSAY_COLOUR_RGB;
  struct assay_dataset *dataset = scan(&settings);
  struct assay_cache *cache = open_cache(dataset, &settings);
  double mean[4], deviation[4];
  assay_cache_statistics(cache, (uint32_t[]){0, 1}, 2, mean, deviation);
  ck_assert_double_eq(mean[0], 4); /* 1 5 3 7 */
  ck_assert_double_eq_tol(deviation[0], sqrt(5), 1e-15);
  ck_assert_double_eq(mean[1], 2);
  ck_assert_double_eq(deviation[1], 0);
  ck_assert_double_eq(mean[2], 6); /* 3 4 9 8 */
  ck_assert_double_eq_tol(deviation[2], sqrt(6.5), 1e-15);
  assay_cache_statistics(cache, (uint32_t[]){1}, 1, mean, deviation);
  ck_assert_double_eq(mean[0], 5);
  assay_cache_close(cache);
  assay_dataset_release(dataset);
}
END_TEST

START_TEST(statistics_of_many_pixels) {
  uint16_t *samples = malloc(61 * 53 * 3 * sizeof *samples); /* not a multiple of anything */
  struct assay_random random = assay_random_seed(1, 1);
  double sums[3] = {0}, squares[3] = {0};
  for (int i = 0; i < 61 * 53 * 3; i++) {
    samples[i] = (uint16_t)assay_random_below(&random, 256);
    sums[i % 3] += samples[i];
    squares[i % 3] += samples[i] * samples[i];
  }
  struct bytes bytes = make_pnm(&(struct picture){61, 53, 3, 8, samples, 0});
  folder_write("d/a/1.ppm", bytes.data, bytes.size);
  folder_image("d/b/1.pgm", 1);
  struct assay_data_settings settings = settings_of("d");
  settings.width = 61;
  settings.height = 53;
  settings.colour = ASSAY_COLOUR_RGB;
  struct assay_dataset *dataset = scan(&settings);
  struct assay_cache *cache = open_cache(dataset, &settings);
  double mean[4], deviation[4];
  assay_cache_statistics(cache, (uint32_t[]){0}, 1, mean, deviation);
  for (int c = 0; c < 3; c++) {
    const double average = sums[c] / (61 * 53);
    ck_assert_double_eq_tol(mean[c], average, 1e-12);
    ck_assert_double_eq_tol(deviation[c], sqrt(squares[c] / (61 * 53) - average * average), 1e-9);
  }
  assay_cache_close(cache);
  assay_dataset_release(dataset);
  bytes_release(&bytes);
  free(samples);
}
END_TEST

START_TEST(batches) {
  uint32_t one[50], other[50], seen[50] = {0};
  for (uint32_t i = 0; i < 50; i++) one[i] = other[i] = i;
  assay_batch_shuffle(one, 50, 3, 0);
  assay_batch_shuffle(other, 50, 3, 0);
  ck_assert_mem_eq(one, other, sizeof one);
  for (uint32_t i = 0; i < 50; i++) seen[one[i]]++;
  for (uint32_t i = 0; i < 50; i++) ck_assert_uint_eq(seen[i], 1);
  for (uint32_t i = 0; i < 50; i++) other[i] = i;
  assay_batch_shuffle(other, 50, 3, 1);
  ck_assert_mem_ne(one, other, sizeof one);
  make_dataset();
  const struct assay_data_settings settings = settings_of("d");
  struct assay_dataset *dataset = scan(&settings);
  struct assay_cache *cache = open_cache(dataset, &settings);
  uint8_t buffer[4 * 15];
  struct assay_status status = {0};
  memset(buffer, 99, sizeof buffer);
  ck_assert_int_eq(assay_batch_gather(cache, (uint32_t[]){7, 2, 7}, 3, 4, buffer, &status), 0);
  ck_assert_mem_eq(buffer, assay_cache_pixels(cache, 7), 15);
  ck_assert_mem_eq(buffer + 15, assay_cache_pixels(cache, 2), 15);
  ck_assert_mem_eq(buffer + 30, assay_cache_pixels(cache, 7), 15);
  for (int i = 45; i < 60; i++) ck_assert_uint_eq(buffer[i], 0);
  ck_assert_int_eq(assay_batch_gather(cache, (uint32_t[]){70}, 1, 1, buffer, &status), ASSAY_E_FAILED);
  assay_cache_close(cache);
  assay_dataset_release(dataset);
}
END_TEST

/* A shuffle puts each of 4 elements first equally often: chi-square of 3 degrees of freedom. */
START_TEST(shuffles_are_fair) {
  uint32_t counts[4][4] = {{0}};
  for (uint64_t epoch = 0; epoch < 4000; epoch++) {
    uint32_t list[4] = {0, 1, 2, 3};
    assay_batch_shuffle(list, 4, 11, epoch);
    for (int i = 0; i < 4; i++) counts[i][list[i]]++;
  }
  for (int i = 0; i < 4; i++) {
    double square = 0;
    for (int v = 0; v < 4; v++) square += (counts[i][v] - 1000.0) * (counts[i][v] - 1000.0) / 1000;
    ck_assert_double_lt(square, 16.3); /* 0.1 % */
  }
}
END_TEST

/* ---- IDX ---- */

static void write_idx(const char *path, int dimensions, uint32_t count, uint32_t stored, bool zipped, int label_step) {
  uint8_t bytes[16 + 64 * 6];
  const uint32_t extents[3] = {count, 2, 3};
  size_t size = 4;
  memcpy(bytes, (uint8_t[]){0, 0, 8, (uint8_t)dimensions}, 4);
  for (int d = 0; d < dimensions; d++)
    for (int b = 3; b >= 0; b--) bytes[size++] = (uint8_t)(extents[d] >> 8 * b);
  for (uint32_t i = 0; i < stored * (dimensions == 3 ? 6 : 1); i++) bytes[size++] = (uint8_t)(dimensions == 3 ? i : i % 3 * (uint32_t)label_step);
  if (zipped) {
    gzFile file = gzopen(path, "wb");
    gzwrite(file, bytes, (unsigned)size);
    gzclose(file);
  } else {
    folder_write(path, bytes, size);
  }
}

START_TEST(idx_pairs) {
  folder_make("d");
  write_idx("d/train-images-idx3-ubyte", 3, 30, 30, false, 0);
  write_idx("d/train-labels-idx1-ubyte.gz", 1, 30, 30, true, 5);
  write_idx("d/t10k-images-idx3-ubyte.gz", 3, 6, 6, true, 0);
  write_idx("d/t10k-labels-idx1-ubyte", 1, 6, 6, false, 5);
  struct assay_data_settings settings = settings_of("d");
  settings.width = settings.height = 0;
  struct assay_dataset *dataset = scan(&settings);
  ck_assert_uint_eq(dataset->count, 36);
  ck_assert_uint_eq(dataset->class_count, 3);
  ck_assert_str_eq(dataset->classes[1], "05"); /* sorts as the number does */
  ck_assert_str_eq(dataset->samples[4].path, "train-images-idx3-ubyte#4");
  ck_assert_int_eq(dataset->samples[4].label, 1);
  ck_assert_uint_eq(dataset->samples[30].part, ASSAY_PART_TEST);
  ck_assert(dataset->has_test);
  struct assay_cache *cache = open_cache(dataset, &settings);
  ck_assert_mem_eq(assay_cache_pixels(cache, 4), ((uint8_t[]){24, 25, 26, 27, 28, 29}), 6);
  ck_assert_mem_eq(assay_cache_pixels(cache, 31), ((uint8_t[]){6, 7, 8, 9, 10, 11}), 6);
  assay_cache_close(cache);
  cache = open_cache(dataset, &settings);
  ck_assert_mem_eq(assay_cache_pixels(cache, 4), ((uint8_t[]){24, 25, 26, 27, 28, 29}), 6);
  assay_cache_close(cache);
  settings.width = settings.height = 1; /* another size: the files are read again */
  cache = open_cache(dataset, &settings);
  ck_assert_uint_eq(assay_cache_pixels(cache, 0)[0], 3); /* mean of 0 … 5 is 2.5 */
  assay_cache_close(cache);
  assay_dataset_release(dataset);
}
END_TEST

static void expect_idx_failure(const char *words) {
  const struct assay_data_settings settings = settings_of("d");
  struct assay_dataset *dataset;
  struct assay_status status = {0};
  ck_assert_int_eq(assay_dataset_scan(&settings, &dataset, &status), ASSAY_E_DATA);
  ck_assert_msg(strstr(status.message, words) != NULL, "\"%s\" does not say \"%s\"", status.message, words);
}

START_TEST(idx_lies) {
  folder_make("d");
  write_idx("d/train-images-idx3-ubyte", 3, 30, 30, false, 0);
  expect_idx_failure("labels (");
  write_idx("d/train-labels-idx1-ubyte", 1, 29, 29, false, 1);
  expect_idx_failure("has 30 images, but");
  write_idx("d/train-labels-idx1-ubyte", 1, 30, 29, false, 1);
  expect_idx_failure("ends after 29 bytes of the 30");
  write_idx("d/train-labels-idx1-ubyte", 1, 30, 30, false, 0);
  expect_idx_failure("fewer than two classes");
  write_idx("d/train-labels-idx1-ubyte", 1, 30, 30, false, 1);
  write_idx("d/train-images-idx3-ubyte", 3, 0xFFFFFFFF, 30, false, 0);
  expect_idx_failure("more than it can hold");
  folder_write("d/train-images-idx3-ubyte", "\0\0\x08\x03\0\0\0\x1e\0\0\0\0\0\0\0\x03", 16);
  expect_idx_failure("0 pixels");
  folder_write("d/train-images-idx3-ubyte", "\x89PNG\r\n\x1a\n", 8);
  expect_idx_failure("no IDX file");
  write_idx("d/train-images-idx3-ubyte", 3, 30, 30, true, 0); /* gzip under a plain name is fine; cut it */
  ck_assert_int_eq(truncate("d/train-images-idx3-ubyte", 60), 0);
  expect_idx_failure("copy it again");
  ck_assert_int_eq(truncate("d/train-images-idx3-ubyte", 0), 0);
  expect_idx_failure("ends after 0 bytes");
}
END_TEST

START_TEST(fashion_mnist) {
  struct assay_data_settings settings = settings_of("/usr/share/datasets/fashion-mnist");
  settings.width = settings.height = 28;
  struct assay_dataset *dataset;
  struct assay_status status = {0};
  if (access("/usr/share/datasets/fashion-mnist", R_OK) != 0) ASSAY_SKIP("Debian's dataset-fashion-mnist is not installed");
  ck_assert_int_eq(assay_dataset_scan(&settings, &dataset, &status), 0);
  ck_assert_uint_eq(dataset->count, 70000);
  ck_assert_uint_eq(dataset->class_count, 10);
  struct assay_dataset_summary *summary;
  ck_assert_int_eq(assay_dataset_summarise(dataset, &summary, &status), 0);
  for (int c = 0; c < 10; c++) {
    ck_assert_uint_eq(summary->class_parts[c][ASSAY_PART_TRAIN], 6000);
    ck_assert_uint_eq(summary->class_parts[c][ASSAY_PART_TEST], 1000);
  }
  assay_dataset_summary_release(summary);
  struct assay_cache *cache = open_cache(dataset, &settings);
  uint32_t *train = malloc(60000 * sizeof *train);
  for (uint32_t i = 0; i < 60000; i++) train[i] = i;
  double mean[4], deviation[4];
  assay_cache_statistics(cache, train, 60000, mean, deviation);
  ck_assert_double_eq_tol(mean[0] / 255, 0.2860, 0.00005); /* as published with the set */
  ck_assert_double_eq_tol(deviation[0] / 255, 0.3530, 0.00005);
  free(train);
  assay_cache_close(cache);
  assay_dataset_release(dataset);
}
END_TEST

/* ---- Many damaged files ---- */

START_TEST(a_folder_of_mutated_images) {
  uint16_t samples[16 * 12 * 3];
  for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) samples[i] = (uint16_t)(i * 7919 % 251);
  const struct picture picture = {16, 12, 3, 8, samples, 0};
  static const char *const endings[] = {"png", "jpg", "tif", "ppm"};
  struct bytes originals[4] = {make_png(&picture, false), make_jpeg(&picture, JPEG_PLAIN), make_tiff(&picture, (struct tiff_options){0}), make_pnm(&picture)};
  struct assay_random random = assay_random_seed(1, 2);
  char path[64];
  enum { COUNT = 800 };
  for (int i = 0; i < COUNT; i++) {
    const struct bytes *original = &originals[i % 4];
    uint8_t copy[4096];
    ck_assert_uint_le(original->size, sizeof copy);
    memcpy(copy, original->data, original->size);
    size_t size = original->size;
    if (i % 3 == 0) size = assay_random_below(&random, (uint32_t)size); /* cut: always broken */
    else
      for (int k = 0; k < 3; k++) copy[assay_random_below(&random, (uint32_t)size)] ^= (uint8_t)(1 + assay_random_below(&random, 255));
    snprintf(path, sizeof path, "d/%s/%04d%s.%s", i % 2 ? "a" : "b", i, i % 3 == 0 ? "cut" : "", endings[i % 4]);
    folder_write(path, copy, size);
  }
  for (int i = 0; i < 20; i++) {
    snprintf(path, sizeof path, "d/%s/clean%d.pgm", i % 2 ? "a" : "b", i);
    folder_image(path, i);
  }
  struct assay_data_settings settings = settings_of("d");
  struct assay_dataset *dataset = scan(&settings);
  struct assay_cache *cache = open_cache(dataset, &settings);
  uint32_t broken = 0;
  ck_assert_uint_eq(dataset->count, COUNT + 20);
  for (uint32_t i = 0; i < dataset->count; i++) {
    const struct assay_sample *sample = &dataset->samples[i];
    broken += sample->problem != NULL;
    ck_assert_int_eq(sample->problem == NULL, assay_cache_pixels(cache, i) != NULL);
    if (strstr(sample->path, "cut") != NULL) ck_assert_msg(sample->problem != NULL, "%s was taken for whole", sample->path);
    if (strstr(sample->path, "clean") != NULL) ck_assert_ptr_null(sample->problem);
  }
  ck_assert_uint_gt(broken, COUNT / 3);
  assay_cache_close(cache);
  assay_dataset_release(dataset);
  for (int i = 0; i < 4; i++) bytes_release(&originals[i]);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache");
  TCase *cases = tcase_create("cache");
  tcase_add_checked_fixture(cases, folder_enter, folder_leave);
  tcase_set_timeout(cases, 60);
  tcase_add_test(cases, a_region_alone);
  tcase_add_test(cases, the_scan_fills_the_cache);
  tcase_add_test(cases, each_way_of_making_has_its_file);
  tcase_add_test(cases, the_images_own_size);
  tcase_add_test(cases, damage_is_repaired);
  tcase_add_test(cases, processes_share_it);
  tcase_add_test(cases, without_a_cache_folder);
  tcase_add_test(cases, on_a_full_disk);
  tcase_add_test(cases, a_file_that_changes_behind_the_scan);
  tcase_add_test(cases, verdicts_are_remembered);
  tcase_add_test(cases, statistics_of_known_pixels);
  tcase_add_test(cases, statistics_of_many_pixels);
  tcase_add_test(cases, batches);
  tcase_add_test(cases, shuffles_are_fair);
  tcase_add_test(cases, idx_pairs);
  tcase_add_test(cases, idx_lies);
  tcase_add_test(cases, fashion_mnist);
  tcase_add_test(cases, a_folder_of_mutated_images);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
