/* SPDX-License-Identifier: MIT
 *
 * Archives: the same images inside as outside, and what hostile or broken ones do. They are written by libarchive itself.
 */
#include "harness.h"

#include "folders.h"
#include "pictures.h"

#include "base/file.h"
#include "data/archive.h"
#include "data/data.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

struct entry {
  const char *name; /* NULL ends the list */
  int number;       /* of the image, as folder_image makes it */
  const char *link; /* not NULL: a symbolic link to this */
};

struct kind {
  int format, filter;
  const char *options;
};
static const struct kind tar = {ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE, NULL};
static const struct kind tar_gz = {ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_GZIP, NULL};
static const struct kind zip = {ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, NULL};

static void add(struct archive *archive, const struct entry *entry, const void *data, size_t size) {
  struct archive_entry *header = archive_entry_new();
  archive_entry_set_pathname(header, entry->name);
  archive_entry_set_filetype(header, entry->link != NULL ? AE_IFLNK : AE_IFREG);
  if (entry->link != NULL) archive_entry_set_symlink(header, entry->link);
  archive_entry_set_perm(header, 0644);
  archive_entry_set_size(header, entry->link != NULL ? 0 : (la_int64_t)size);
  ck_assert_int_ge(archive_write_header(archive, header), ARCHIVE_WARN);
  if (entry->link == NULL) ck_assert_int_eq(archive_write_data(archive, data, size), (la_ssize_t)size);
  archive_entry_free(header);
}

static struct archive *begin(const char *path, const struct kind *kind) {
  struct archive *archive = archive_write_new();
  ck_assert_int_eq(archive_write_set_format(archive, kind->format), ARCHIVE_OK);
  ck_assert_int_ge(archive_write_add_filter(archive, kind->filter), ARCHIVE_WARN);
  if (kind->options != NULL) ck_assert_int_eq(archive_write_set_options(archive, kind->options), ARCHIVE_OK);
  ck_assert_int_eq(archive_write_open_filename(archive, path), ARCHIVE_OK);
  return archive;
}

static void make(const char *path, const struct kind *kind, const struct entry *entries) {
  struct archive *archive = begin(path, kind);
  for (const struct entry *entry = entries; entry->name != NULL; entry++) {
    folder_image("scratch.pgm", entry->number);
    char *data;
    size_t size;
    ck_assert_int_eq(assay_file_read("scratch.pgm", 1 << 20, ASSAY_E_DATA, &data, &size, NULL), 0);
    add(archive, entry, data, size);
    free(data);
  }
  ck_assert_int_eq(archive_write_close(archive), ARCHIVE_OK);
  archive_write_free(archive);
}

static struct assay_data_settings settings_of(const char *path) {
  return (struct assay_data_settings){.path = path, .width = 4, .height = 4, .folds = 2, .seed = 7, .threads = 2};
}

static struct assay_dataset *scan(const char *path) {
  const struct assay_data_settings settings = settings_of(path);
  struct assay_dataset *dataset;
  struct assay_status status = {0};
  ck_assert_msg(assay_dataset_scan(&settings, &dataset, &status) == 0, "%s", status.message);
  return dataset;
}

static void expect_failure(const char *path, int code, const char *words) {
  const struct assay_data_settings settings = settings_of(path);
  struct assay_dataset *dataset;
  struct assay_status status = {0};
  ck_assert_int_eq(assay_dataset_scan(&settings, &dataset, &status), code);
  ck_assert_msg(strstr(status.message, words) != NULL, "\"%s\" does not say \"%s\"", status.message, words);
}

/* ---- The same inside as outside ---- */

static const struct entry plain[] = {{"good/b.pgm", 1, NULL}, {"bad/a.pgm", 2, NULL}, {"good/deep/x.pgm", 3, NULL}, {"bad/no_ending", 4, NULL}, {"good/a.pgm", 5, NULL}, {NULL, 0, NULL}};

START_TEST(every_kind) {
  static const struct kind kinds[] = {{ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE, NULL},
                                      {ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE, ARCHIVE_FILTER_NONE, NULL},
                                      {ARCHIVE_FORMAT_TAR_GNUTAR, ARCHIVE_FILTER_NONE, NULL},
                                      {ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, "zip:compression=store"},
                                      {ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, "zip:compression=deflate"},
                                      {ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_GZIP, NULL},
                                      {ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_BZIP2, NULL},
                                      {ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_XZ, NULL},
                                      {ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_ZSTD, NULL},
                                      {ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_LZ4, NULL}};
  for (const struct entry *entry = plain; entry->name != NULL; entry++) {
    char path[64];
    snprintf(path, sizeof path, "d/%s", entry->name);
    folder_image(path, entry->number);
  }
  struct assay_dataset *folder = scan("d");
  const struct assay_data_settings of_folder = settings_of("d");
  struct assay_cache *outside;
  ck_assert_int_eq(assay_cache_open(folder, &of_folder, &outside, NULL), 0);
  for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
    char path[16];
    snprintf(path, sizeof path, "%zu.tar", k); /* what it is counts, not what its name says */
    make(path, &kinds[k], plain);
    for (int again = 0; again < 2; again++) { /* the second time verdicts may be remembered */
      struct assay_dataset *dataset = scan(path);
      struct assay_data_settings settings = settings_of(path);
      settings.width = 5 - (uint32_t)again;
      struct assay_cache *inside;
      ck_assert_uint_eq(dataset->count, folder->count);
      ck_assert_uint_eq(dataset->class_count, 2);
      ck_assert_int_eq(assay_cache_open(dataset, &settings, &inside, NULL), 0);
      for (uint32_t i = 0; i < dataset->count; i++) {
        ck_assert_str_eq(dataset->samples[i].path, folder->samples[i].path);
        ck_assert_int_eq(dataset->samples[i].label, folder->samples[i].label);
        ck_assert_mem_eq(&dataset->samples[i].hash, &folder->samples[i].hash, sizeof dataset->samples[i].hash);
        if (again == 1) ck_assert_mem_eq(assay_cache_pixels(inside, i), assay_cache_pixels(outside, i), 4 * 4 * 3);
      }
      assay_cache_close(inside);
      assay_dataset_release(dataset);
    }
  }
  assay_cache_close(outside);
  assay_dataset_release(folder);
}
END_TEST

START_TEST(parts_inside_of_one_folder) {
  static const struct entry entries[] = {{"set/v1/Train/a/1.pgm", 1, NULL}, {"set/v1/Train/b/1.pgm", 2, NULL}, {"set/v1/test/b/9.pgm", 3, NULL},
                                         {"set/v1/val/a/5.pgm", 4, NULL},   {"set/v1/readme.txt", 5, NULL},     {NULL, 0, NULL}};
  make("x.zip", &zip, entries);
  struct assay_dataset *dataset = scan("x.zip");
  ck_assert_uint_eq(dataset->count, 4);
  ck_assert(dataset->has_test && dataset->has_validation);
  ck_assert_str_eq(dataset->samples[0].path, "set/v1/Train/a/1.pgm");
  ck_assert_uint_eq(dataset->samples[2].part, ASSAY_PART_TEST);
  assay_dataset_release(dataset);
  /* As a test of its own, and for evaluation. */
  make("test.tgz", &tar_gz, plain);
  static const char *const classes[] = {"bad", "good"};
  const struct assay_data_settings settings = settings_of("test.tgz");
  struct assay_status status = {0};
  ck_assert_msg(assay_dataset_scan_labelled(&settings, classes, 2, &dataset, &status) == 0, "%s", status.message);
  ck_assert_uint_eq(dataset->count, 5);
  ck_assert_uint_eq(dataset->samples[0].part, ASSAY_PART_TEST);
  assay_dataset_release(dataset);
  for (const struct entry *entry = plain; entry->name != NULL; entry++) {
    char path[64];
    snprintf(path, sizeof path, "d/%s", entry->name);
    folder_image(path, entry->number + 20);
  }
  struct assay_data_settings with_test = settings_of("d");
  with_test.test_path = "test.tgz";
  ck_assert_msg(assay_dataset_scan(&with_test, &dataset, &status) == 0, "%s", status.message);
  ck_assert_uint_eq(dataset->count, 10);
  ck_assert(dataset->has_test);
  assay_dataset_release(dataset);
}
END_TEST

START_TEST(lists_for_predict) {
  make("x.zip", &zip, plain);
  make("y.tar.gz", &tar_gz, plain);
  struct assay_image_list *list;
  struct assay_status status = {0};
  ck_assert_msg(assay_image_list_open((const char *[]){"x.zip", "y.tar.gz", "x.zip"}, 3, &list, &status) == 0, "%s", status.message);
  ck_assert_uint_eq(assay_image_list_count(list), 15);
  ck_assert_str_eq(assay_image_list_path(list, 0), "x.zip/good/b.pgm"); /* as in the archive */
  ck_assert_str_eq(assay_image_list_path(list, 6), "y.tar.gz/bad/a.pgm");
  uint8_t forwards[15][4 * 4 * 3], backwards[4 * 4 * 3];
  const struct assay_data_settings settings = settings_of("x.zip");
  for (uint32_t i = 0; i < 15; i++) ck_assert_int_eq(assay_image_list_load(list, i, &settings, forwards[i], &status), 0);
  for (uint32_t i = 15; i-- > 0;) {
    ck_assert_int_eq(assay_image_list_load(list, i, &settings, backwards, &status), 0);
    ck_assert_mem_eq(forwards[i], backwards, sizeof backwards);
    ck_assert_mem_eq(forwards[i % 5], backwards, sizeof backwards);
  }
  assay_image_list_release(list);
}
END_TEST

START_TEST(names_beyond_ascii) {
  static const struct entry entries[] = {{"gr\xC3\xBCn/\xE2\x88\x9A.pgm", 1, NULL}, {"blau/1.pgm", 2, NULL}, {NULL, 0, NULL}};
  static const struct kind kinds[] = {{ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE, NULL}, {ARCHIVE_FORMAT_TAR_GNUTAR, ARCHIVE_FILTER_NONE, NULL}, {ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, NULL}};
  for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
    char path[16];
    snprintf(path, sizeof path, "%zu.tar", k);
    make(path, &kinds[k], entries);
    struct assay_dataset *dataset = scan(path);
    ck_assert_str_eq(dataset->samples[1].path, entries[0].name);
    ck_assert_str_eq(dataset->classes[1], "gr\xC3\xBCn");
    assay_dataset_release(dataset);
  }
}
END_TEST

/* ---- Hostile ---- */

START_TEST(names_that_climb_out) {
  static const struct entry entries[] = {{"a/1.pgm", 1, NULL},          {"b/1.pgm", 2, NULL},       {"../../evil/x.pgm", 3, NULL}, {"/abs/olute.pgm", 4, NULL}, {"a/../../x.pgm", 5, NULL},
                                         {"a/link.pgm", 6, "/etc/shadow"}, {"./a//2.pgm", 7, NULL}, {"__MACOSX/a/1.pgm", 8, NULL}, {"a/._1.pgm", 9, NULL},      {NULL, 0, NULL}};
  static const struct kind *const kinds[] = {&tar, &tar_gz, &zip};
  for (int k = 0; k < 3; k++) {
    char path[16];
    snprintf(path, sizeof path, "%d.tar", k);
    make(path, kinds[k], entries);
    struct assay_dataset *dataset = scan(path);
    ck_assert_uint_eq(dataset->class_count, 3);
    ck_assert_str_eq(dataset->classes[1], "abs");
    ck_assert_uint_eq(dataset->count, 4);
    ck_assert_str_eq(dataset->samples[1].path, "a/2.pgm");
    for (uint32_t i = 0; i < dataset->count; i++) ck_assert_ptr_null(dataset->samples[i].problem);
    assay_dataset_release(dataset);
    ck_assert(!assay_folder_exists("evil") && !assay_folder_exists("../evil") && !assay_folder_exists("../../evil") && !assay_folder_exists("a"));
  }
}
END_TEST

START_TEST(one_name_twice) {
  static const struct entry entries[] = {{"a/1.pgm", 1, NULL}, {"b/1.pgm", 2, NULL}, {"a/1.pgm", 3, NULL}, {"a/1.pgm", 4, NULL}, {NULL, 0, NULL}};
  static const struct entry last[] = {{"a/1.pgm", 4, NULL}, {"b/1.pgm", 2, NULL}, {NULL, 0, NULL}};
  make("x.tar", &tar, entries);
  make("y.tar", &tar, last);
  struct assay_dataset *repeated = scan("x.tar"), *once = scan("y.tar");
  ck_assert_uint_eq(repeated->count, 2);
  ck_assert_mem_eq(&repeated->samples[0].hash, &once->samples[0].hash, sizeof once->samples[0].hash);
  assay_dataset_release(repeated);
  assay_dataset_release(once);
}
END_TEST

START_TEST(truncated) {
  static const struct kind *const kinds[] = {&tar, &tar_gz, &zip};
  for (int k = 0; k < 3; k++) {
    char path[16];
    snprintf(path, sizeof path, "%d.tar", k);
    struct archive *archive = begin(path, kinds[k]);
    uint8_t *noise = malloc(40000);
    for (uint32_t i = 0; i < 40000; i++) noise[i] = (uint8_t)(i * i * 31 + i * 7 + i / 251);
    add(archive, &(struct entry){.name = "a/1.pgm"}, noise, 40000);
    add(archive, &(struct entry){.name = "b/2.pgm"}, noise, 40000);
    archive_write_close(archive);
    archive_write_free(archive);
    free(noise);
    char *data;
    size_t size;
    ck_assert_int_eq(assay_file_read(path, 1 << 20, ASSAY_E_DATA, &data, &size, NULL), 0);
    ck_assert_int_eq(truncate(path, (off_t)(k == 0 ? 60000 : size * 3 / 5)), 0);
    free(data);
    char name[32];
    snprintf(name, sizeof name, "/%d.tar: ", k);
    expect_failure(path, ASSAY_E_DATA, name);
    expect_failure(path, ASSAY_E_DATA, "copy it again");
  }
}
END_TEST

START_TEST(no_archives) {
  folder_text("x.tar", "this is no archive");
  expect_failure("x.tar", ASSAY_E_DATA, "cannot be read as a tar or zip archive");
  folder_text("empty.zip", "");
  expect_failure("empty.zip", ASSAY_E_DATA, "empty.zip");
  static const struct entry nothing[] = {{NULL, 0, NULL}};
  make("none.tar", &tar, nothing);
  expect_failure("none.tar", ASSAY_E_DATA, "has no class folders");
  static const struct entry flat[] = {{"1.pgm", 1, NULL}, {"2.pgm", 2, NULL}, {NULL, 0, NULL}};
  make("flat.tar", &tar, flat);
  expect_failure("flat.tar", ASSAY_E_DATA, "has no class folders");
}
END_TEST

/* 64 MiB of zeros in some 64 KB: not more is looked at than it takes to see that they are no picture. */
START_TEST(a_bomb) {
  struct archive *archive = begin("bomb.zip", &zip);
  const size_t size = (size_t)64 << 20;
  char *zeros = calloc(size, 1);
  static const char *const names[] = {"a/1.png", "b/2.png", "b/3.jpg"};
  for (int i = 0; i < 3; i++) add(archive, &(struct entry){.name = names[i]}, zeros, size);
  free(zeros);
  archive_write_close(archive);
  archive_write_free(archive);
  struct assay_dataset *dataset = scan("bomb.zip");
  for (uint32_t i = 0; i < dataset->count; i++) ck_assert_ptr_nonnull(strstr(dataset->samples[i].problem, "no picture") != NULL ? "" : strstr(dataset->samples[i].problem, "not a picture"));
  assay_dataset_release(dataset);
  struct assay_archive *opened;
  ck_assert_int_eq(assay_archive_open("bomb.zip", &opened, NULL), 0);
  char *data;
  size_t read;
  ck_assert_int_eq(assay_archive_read(opened, 1, &data, &read, NULL), 0);
  ck_assert_uint_lt(read, 1 << 17);
  free(data);
  assay_archive_release(opened);
}
END_TEST

/* Just over a GiB of zeros in some 5 MB: unpacking stops where no archive of pictures would have come to, and says so. */
START_TEST(a_compressed_bomb) {
  static const char zeros[1 << 20];
  gzFile file = gzopen("bomb.tar.gz", "wb1");
  ck_assert_ptr_nonnull(file);
  for (int i = 0; i < 1026; i++) ck_assert_int_eq(gzwrite(file, zeros, sizeof zeros), (int)sizeof zeros);
  ck_assert_int_eq(gzclose(file), Z_OK);
  struct assay_archive *opened;
  struct assay_status status;
  ck_assert_int_eq(assay_archive_open("bomb.tar.gz", &opened, &status), ASSAY_E_DATA);
  ck_assert_ptr_nonnull(strstr(status.message, "bomb.tar.gz: expands to more than 200 times its size"));
}
END_TEST

START_TEST(without_a_cache_folder) {
  make("y.tar.gz", &tar_gz, plain);
  setenv("XDG_CACHE_HOME", "/dev/null/none", 1);
  struct assay_dataset *dataset = scan("y.tar.gz");
  ck_assert_uint_eq(dataset->count, 5);
  assay_dataset_release(dataset);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("archive");
  TCase *cases = tcase_create("archive");
  tcase_add_checked_fixture(cases, folder_enter, folder_leave);
  tcase_set_timeout(cases, 60);
  tcase_add_test(cases, every_kind);
  tcase_add_test(cases, parts_inside_of_one_folder);
  tcase_add_test(cases, lists_for_predict);
  tcase_add_test(cases, names_beyond_ascii);
  tcase_add_test(cases, names_that_climb_out);
  tcase_add_test(cases, one_name_twice);
  tcase_add_test(cases, truncated);
  tcase_add_test(cases, no_archives);
  tcase_add_test(cases, a_bomb);
  tcase_add_test(cases, a_compressed_bomb);
  tcase_add_test(cases, without_a_cache_folder);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
