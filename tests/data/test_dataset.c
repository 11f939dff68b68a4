/* SPDX-License-Identifier: MIT
 *
 * Folders as people have them, in good order and in bad: scan, audit, gate, split.
 */
#include "harness.h"

#include "folders.h"

#include "base/arena.h"
#include "data/data.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct assay_data_settings settings_of(const char *path) {
  return (struct assay_data_settings){.path = path, .width = 4, .height = 4, .folds = 2, .seed = 7, .threads = 2};
}

static struct assay_dataset *scan(const struct assay_data_settings *settings) {
  struct assay_dataset *dataset;
  struct assay_status status = {0};
  const int result = assay_dataset_scan(settings, &dataset, &status);
  ck_assert_msg(result == 0, "%s", status.message);
  return dataset;
}

static void expect_scan_failure(const struct assay_data_settings *settings, const char *words) {
  struct assay_dataset *dataset;
  struct assay_status status = {0};
  ck_assert_int_eq(assay_dataset_scan(settings, &dataset, &status), ASSAY_E_DATA);
  ck_assert_msg(strstr(status.message, words) != NULL, "\"%s\" does not say \"%s\"", status.message, words);
}

static struct assay_audit *audit(struct assay_dataset *dataset) {
  struct assay_audit *found;
  struct assay_status status = {0};
  ck_assert_int_eq(assay_dataset_audit(dataset, &found, &status), 0);
  return found;
}

static void gate(struct assay_dataset *dataset) {
  struct assay_audit *found = audit(dataset);
  struct assay_status status = {0};
  ck_assert_msg(assay_dataset_gate(dataset, found, &status) == 0, "%s", status.message);
  assay_audit_release(found);
}

static void split(struct assay_dataset *dataset, const struct assay_data_settings *settings) {
  struct assay_status status = {0};
  ck_assert_msg(assay_dataset_split(dataset, settings, &status) == 0, "%s", status.message);
}

static void expect_split_failure(struct assay_dataset *dataset, const struct assay_data_settings *settings, const char *words) {
  struct assay_status status = {0};
  ck_assert_int_eq(assay_dataset_split(dataset, settings, &status), ASSAY_E_DATA);
  ck_assert_msg(strstr(status.message, words) != NULL, "\"%s\" does not say \"%s\"", status.message, words);
}

static const struct assay_sample *find(const struct assay_dataset *dataset, const char *path) {
  for (uint32_t i = 0; i < dataset->count; i++)
    if (strcmp(dataset->samples[i].path, path) == 0) return &dataset->samples[i];
  ck_abort_msg("%s is missing", path);
  return NULL;
}

/* ---- Layouts ---- */

START_TEST(a_folder_a_class) {
  folder_image("d/good/2.pgm", 1);
  folder_image("d/good/10.pgm", 2);
  folder_image("d/good/deep/er/x.ppm", 3);
  folder_image("d/bad/1.pgm", 4);
  folder_image("d/bad/no_ending", 5); /* an image by its content */
  folder_text("d/bad/Thumbs.db", "no image");
  folder_text("d/notes.txt", "no image");
  folder_text("d/good/.hidden.jpg", "no image");
  folder_image("d/.git/x.pgm", 6);
  const struct assay_data_settings settings = settings_of("d");
  struct assay_dataset *dataset = scan(&settings);
  ck_assert_uint_eq(dataset->class_count, 2);
  ck_assert_str_eq(dataset->classes[0], "bad");
  ck_assert_str_eq(dataset->classes[1], "good");
  static const char *const paths[] = {"bad/1.pgm", "bad/no_ending", "good/10.pgm", "good/2.pgm", "good/deep/er/x.ppm"};
  ck_assert_uint_eq(dataset->count, 5);
  for (uint32_t i = 0; i < 5; i++) {
    ck_assert_str_eq(dataset->samples[i].path, paths[i]);
    ck_assert_int_eq(dataset->samples[i].label, i < 2 ? 0 : 1);
    ck_assert_uint_eq(dataset->samples[i].part, ASSAY_PART_TRAIN);
    ck_assert_uint_eq(dataset->samples[i].width, 5);
    ck_assert_str_eq(dataset->samples[i].format, "pnm");
    ck_assert_ptr_null(dataset->samples[i].problem);
  }
  ck_assert_uint_eq(dataset->ignored_count, 2);
  ck_assert(!dataset->has_validation && !dataset->has_test);
  assay_dataset_release(dataset);
}
END_TEST

START_TEST(parts_that_are_there) {
  static const char *const names[] = {"val", "valid", "validation", "Val"};
  for (int i = 0; i < 4; i++) {
    char path[64];
    snprintf(path, sizeof path, "%d/train/a/1.pgm", i);
    folder_image(path, 1);
    snprintf(path, sizeof path, "%d/train/b/1.pgm", i);
    folder_image(path, 2);
    snprintf(path, sizeof path, "%d/%s/b/1.pgm", i, names[i]);
    folder_image(path, 3);
    snprintf(path, sizeof path, "%d/test/a/1.pgm", i);
    folder_image(path, 4);
    snprintf(path, sizeof path, "%d/masks/a/1.pgm", i);
    folder_image(path, 5);
    snprintf(path, sizeof path, "%d", i);
    struct assay_data_settings settings = settings_of(path);
    settings.folds = 5; /* of no account: there is a validation part */
    settings.test_own = true;
    struct assay_dataset *dataset = scan(&settings);
    ck_assert_uint_eq(dataset->count, 4);
    ck_assert(dataset->has_validation && dataset->has_test);
    split(dataset, &settings);
    ck_assert_uint_eq(dataset->fold_count, 1);
    ck_assert_uint_eq(find(dataset, "test/a/1.pgm")->part, ASSAY_PART_TEST);
    ck_assert_uint_eq(find(dataset, "train/a/1.pgm")->part, ASSAY_PART_TRAIN);
    ck_assert_int_eq(dataset->folds[0][find(dataset, "train/a/1.pgm") - dataset->samples], -1);
    snprintf(path, sizeof path, "%s/b/1.pgm", names[i]);
    ck_assert_uint_eq(find(dataset, path)->part, ASSAY_PART_VALIDATION);
    assay_dataset_release(dataset);
  }
}
END_TEST

START_TEST(a_test_folder_elsewhere) {
  folder_image("d/train/a/1.pgm", 1);
  folder_image("d/train/b/1.pgm", 2);
  folder_image("d/test/a/old.pgm", 3);
  folder_image("more/b/new.pgm", 4);
  struct assay_data_settings settings = settings_of("d");
  settings.test_path = "more";
  struct assay_dataset *dataset = scan(&settings);
  ck_assert_uint_eq(dataset->count, 3);
  ck_assert(dataset->samples[0].path[0] == '/');
  ck_assert_uint_eq(dataset->samples[0].part, ASSAY_PART_TEST);
  ck_assert_int_eq(dataset->samples[0].label, 1);
  assay_dataset_release(dataset);
}
END_TEST

START_TEST(folders_that_cannot_be_used) {
  struct assay_data_settings settings = settings_of("nowhere");
  expect_scan_failure(&settings, "no such folder");
  folder_text("file.tar", "x");
  settings.path = "file.tar";
  expect_scan_failure(&settings, "cannot be read as a tar or zip archive");
  folder_make("empty");
  settings.path = "empty";
  expect_scan_failure(&settings, "no class folders");
  folder_image("flat/1.pgm", 1);
  settings.path = "flat";
  expect_scan_failure(&settings, "no class folders");
  folder_image("one/only/1.pgm", 1);
  settings.path = "one";
  expect_scan_failure(&settings, "one class, only");
  folder_image("hollow/a/1.pgm", 1);
  folder_text("hollow/b/readme.txt", "to come");
  settings.path = "hollow";
  expect_scan_failure(&settings, "hollow/b: this class folder has no images");
  folder_image("odd/train/a/1.pgm", 1);
  folder_image("odd/train/b/1.pgm", 2);
  folder_image("odd/test/c/1.pgm", 3);
  settings.path = "odd";
  expect_scan_failure(&settings, "test/c");
  folder_image("two/train/a/1.pgm", 1);
  folder_image("two/val/a/1.pgm", 1);
  folder_image("two/valid/a/1.pgm", 1);
  settings.path = "two";
  expect_scan_failure(&settings, "same part");
}
END_TEST

START_TEST(links_and_names) {
  folder_image("d/a/1.pgm", 1);
  folder_image("d/a/in/2.pgm", 2);
  folder_image("d/b/1.pgm", 3);
  folder_image("d/b/caf\xE9.pgm", 4); /* Latin-1 */
  folder_image("d/b/tab\there.pgm", 5);
  folder_image("d/b/\xC3\xA9t\xC3\xA9.pgm", 6);
  ck_assert_int_eq(symlink("..", "d/a/in/back"), 0);
  ck_assert_int_eq(symlink("../../d", "d/a/in/up"), 0);
  ck_assert_int_eq(symlink("self", "d/a/self"), 0);
  ck_assert_int_eq(symlink("gone", "d/a/gone.jpg"), 0);
  ck_assert_int_eq(mkfifo("d/a/pipe.jpg", 0600), 0);
  const struct assay_data_settings settings = settings_of("d");
  struct assay_dataset *dataset = scan(&settings);
  ck_assert_ptr_null(find(dataset, "a/1.pgm")->problem);
  ck_assert_ptr_null(find(dataset, "b/\xC3\xA9t\xC3\xA9.pgm")->problem);
  ck_assert_ptr_nonnull(strstr(find(dataset, "b/caf\\xE9.pgm")->problem, "rename"));
  ck_assert_ptr_nonnull(strstr(find(dataset, "b/tab\\x09here.pgm")->problem, "rename"));
  ck_assert_ptr_nonnull(strstr(find(dataset, "a/gone.jpg")->problem, "No such file"));
  for (uint32_t i = 0; i < dataset->count; i++) ck_assert_ptr_null(strstr(dataset->samples[i].path, "/back/"));
  assay_dataset_release(dataset);
}
END_TEST

START_TEST(what_may_not_be_read) {
  folder_image("d/a/1.pgm", 1);
  folder_image("d/a/2.pgm", 2);
  folder_image("d/b/1.pgm", 3);
  folder_image("d/b/closed/1.pgm", 4);
  chmod("d/a/2.pgm", 0);
  chmod(".", 0755);
  if (geteuid() == 0) ck_assert_int_eq(seteuid(65534), 0);
  const struct assay_data_settings settings = settings_of("d");
  struct assay_dataset *dataset = scan(&settings);
  ck_assert_ptr_nonnull(strstr(find(dataset, "a/2.pgm")->problem, "Permission denied"));
  ck_assert_uint_eq(find(dataset, "a/2.pgm")->part, ASSAY_PART_NONE);
  assay_dataset_release(dataset);
  if (getuid() == 0) ck_assert_int_eq(seteuid(0), 0);
  chmod("d/b/closed", 0);
  if (getuid() == 0) ck_assert_int_eq(seteuid(65534), 0);
  expect_scan_failure(&settings, "d/b/closed: the folder cannot be read: Permission denied");
  if (getuid() == 0) ck_assert_int_eq(seteuid(0), 0);
  chmod("d/b/closed", 0700);
}
END_TEST

START_TEST(against_a_models_classes) {
  folder_image("d/cat/1.pgm", 1);
  folder_image("d/cat/2.pgm", 2);
  static const char *const classes[] = {"ant", "bee", "cat"}, *const fewer[] = {"ant", "bee"};
  const struct assay_data_settings settings = settings_of("d");
  struct assay_dataset *dataset;
  struct assay_status status = {0};
  ck_assert_int_eq(assay_dataset_scan_labelled(&settings, classes, 3, &dataset, &status), 0);
  ck_assert_uint_eq(dataset->class_count, 3);
  ck_assert_int_eq(dataset->samples[1].label, 2);
  ck_assert_uint_eq(dataset->samples[1].part, ASSAY_PART_TEST);
  assay_dataset_release(dataset);
  ck_assert_int_eq(assay_dataset_scan_labelled(&settings, fewer, 2, &dataset, &status), ASSAY_E_DATA);
  ck_assert_ptr_nonnull(strstr(status.message, "d/cat: cat is not a class of the model"));
}
END_TEST

/* ---- Audit and gate ---- */

START_TEST(broken_files_are_named) {
  folder_image("d/a/1.pgm", 1);
  folder_image("d/b/1.pgm", 2);
  folder_text("d/b/empty.jpg", "");
  folder_text("d/b/words.png", "these are words");
  folder_text("d/b/short.pgm", "P5 9 9 255\nxxx");
  folder_text("d/a/same.pgm", "P5 9 9 255\nxxx"); /* equal, but broken files are no leak */
  folder_text("d/b/phone.heic", "\0\0\0\x18");
  const struct assay_data_settings settings = settings_of("d");
  struct assay_dataset *dataset = scan(&settings);
  struct assay_audit *found = audit(dataset);
  ck_assert_uint_eq(found->broken_count, 5);
  ck_assert_uint_eq(found->duplicate_count, 0);
  ck_assert_ptr_nonnull(strstr(find(dataset, "b/empty.jpg")->problem, "empty"));
  ck_assert_ptr_nonnull(strstr(find(dataset, "b/words.png")->problem, "known here"));
  ck_assert_ptr_nonnull(strstr(find(dataset, "b/short.pgm")->problem, "truncated"));
  ck_assert_uint_eq(find(dataset, "b/short.pgm")->part, ASSAY_PART_NONE);
  assay_audit_release(found);
  struct assay_dataset_summary *summary;
  struct assay_status status;
  ck_assert_int_eq(assay_dataset_summarise(dataset, &summary, &status), 0);
  ck_assert_uint_eq(summary->count, 2);
  ck_assert_uint_eq(summary->broken_count, 5);
  ck_assert_uint_eq(summary->class_parts[1][ASSAY_PART_TRAIN], 1);
  ck_assert_uint_eq(summary->size_count, 1);
  ck_assert_uint_eq(summary->sizes[0].width, 5);
  ck_assert_uint_eq(summary->sizes[0].count, 2);
  ck_assert_uint_eq(summary->kind_count, 1);
  ck_assert_str_eq(summary->kinds[0].format, "pnm");
  assay_dataset_summary_release(summary);
  assay_dataset_release(dataset);
}
END_TEST

START_TEST(copies_across_parts_leave_training) {
  folder_image("d/train/a/1.pgm", 1);
  folder_image("d/train/a/2.pgm", 2);
  folder_image("d/train/b/1.pgm", 3);
  folder_image("d/val/b/1.pgm", 3);
  folder_image("d/val/a/1.pgm", 1);
  folder_image("d/test/a/1.pgm", 1);
  folder_image("d/train/b/2.pgm", 4);
  folder_image("d/train/b/3.pgm", 4);
  const struct assay_data_settings settings = settings_of("d");
  struct assay_dataset *dataset = scan(&settings);
  struct assay_audit *found = audit(dataset);
  ck_assert_uint_eq(found->duplicate_count, 3);
  uint32_t across = 0;
  for (uint32_t i = 0; i < 3; i++) {
    ck_assert(!found->duplicates[i].across_labels);
    across += found->duplicates[i].across_parts;
  }
  ck_assert_uint_eq(across, 2);
  assay_audit_release(found);
  gate(dataset);
  ck_assert_ptr_nonnull(strstr(find(dataset, "train/a/1.pgm")->problem, "test/a/1.pgm"));
  ck_assert_uint_eq(find(dataset, "train/a/1.pgm")->part, ASSAY_PART_NONE);
  ck_assert_uint_eq(find(dataset, "val/a/1.pgm")->part, ASSAY_PART_NONE);
  ck_assert_uint_eq(find(dataset, "test/a/1.pgm")->part, ASSAY_PART_TEST);
  ck_assert_ptr_nonnull(strstr(find(dataset, "train/b/1.pgm")->problem, "validation part"));
  ck_assert_uint_eq(find(dataset, "val/b/1.pgm")->part, ASSAY_PART_VALIDATION);
  ck_assert_uint_eq(find(dataset, "train/b/3.pgm")->part, ASSAY_PART_TRAIN);
  assay_dataset_release(dataset);
}
END_TEST

START_TEST(one_image_under_two_labels) {
  folder_image("d/a/1.pgm", 1);
  folder_image("d/b/1.pgm", 1);
  folder_image("d/b/2.pgm", 2);
  const struct assay_data_settings settings = settings_of("d");
  struct assay_dataset *dataset = scan(&settings);
  struct assay_audit *found = audit(dataset);
  ck_assert_uint_eq(found->duplicate_count, 1);
  ck_assert(found->duplicates[0].across_labels);
  struct assay_status status = {0};
  ck_assert_int_eq(assay_dataset_gate(dataset, found, &status), ASSAY_E_DATA);
  ck_assert_ptr_nonnull(strstr(status.message, "a/1.pgm"));
  ck_assert_ptr_nonnull(strstr(status.message, "b/1.pgm"));
  assay_audit_release(found);
  assay_dataset_release(dataset);
}
END_TEST

/* ---- Split ---- */

static void many(const char *class, int count, int first) {
  for (int i = 0; i < count; i++) {
    char path[64];
    snprintf(path, sizeof path, "d/%s/%03d.pgm", class, i);
    folder_image(path, first + i);
  }
}

/* `fold`: of the first repeat; -2: any. */
static uint32_t count_of(const struct assay_dataset *dataset, int32_t label, uint32_t part, int32_t fold) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < dataset->count; i++) {
    const struct assay_sample *sample = &dataset->samples[i];
    count += sample->label == label && sample->part == part && (fold < -1 || dataset->folds[0][i] == fold);
  }
  return count;
}

START_TEST(split_is_stratified) {
  many("a", 100, 0);
  many("b", 23, 1000);
  struct assay_data_settings settings = settings_of("d");
  settings.folds = 5;
  settings.test = 0.2;
  struct assay_dataset *dataset = scan(&settings);
  split(dataset, &settings);
  ck_assert_uint_eq(dataset->fold_count, 5);
  ck_assert_uint_eq(count_of(dataset, 0, ASSAY_PART_TEST, -2), 20);
  ck_assert_uint_eq(count_of(dataset, 1, ASSAY_PART_TEST, -2), 5); /* 4.6; 24.6 in all */
  for (int32_t fold = 0; fold < 5; fold++) {
    ck_assert_uint_eq(count_of(dataset, 0, ASSAY_PART_TRAIN, fold), 16);
    const uint32_t b = count_of(dataset, 1, ASSAY_PART_TRAIN, fold);
    ck_assert(b == 3 || b == 4);
  }
  assay_dataset_release(dataset);
}
END_TEST

START_TEST(split_follows_the_seed_alone) {
  many("a", 40, 0);
  many("b", 40, 1000);
  struct assay_data_settings settings = settings_of("d");
  settings.folds = 4;
  settings.test = 0.25;
  struct assay_dataset *one = scan(&settings), *two, *three;
  settings.threads = 1;
  two = scan(&settings);
  three = scan(&settings);
  split(one, &settings);
  split(two, &settings);
  settings.seed = 8;
  split(three, &settings);
  uint32_t differences = 0;
  for (uint32_t i = 0; i < 80; i++) {
    ck_assert_uint_eq(one->samples[i].part, two->samples[i].part);
    ck_assert_int_eq(one->folds[0][i], two->folds[0][i]);
    differences += one->samples[i].part != three->samples[i].part || one->folds[0][i] != three->folds[0][i];
  }
  ck_assert_mem_eq(&one->content, &two->content, sizeof one->content);
  ck_assert_uint_gt(differences, 20);
  assay_dataset_release(one);
  assay_dataset_release(two);
  assay_dataset_release(three);
}
END_TEST

START_TEST(equal_files_stay_together) {
  many("b", 30, 1000);
  for (int i = 0; i < 30; i++) {
    char path[64];
    snprintf(path, sizeof path, "d/a/%03d.pgm", i);
    folder_image(path, i / 3); /* ten triples */
  }
  for (uint64_t seed = 0; seed < 20; seed++) {
    struct assay_data_settings settings = settings_of("d");
    settings.folds = 4;
    settings.test = 0.2;
    settings.seed = seed;
    struct assay_dataset *dataset = scan(&settings);
    gate(dataset);
    split(dataset, &settings);
    ck_assert_uint_eq(count_of(dataset, 0, ASSAY_PART_TEST, -2), 6);
    for (uint32_t i = 0; i < 30; i++) {
      ck_assert_uint_eq(dataset->samples[i].first_copy, i / 3 * 3);
      ck_assert_uint_eq(dataset->samples[i].part, dataset->samples[i / 3 * 3].part);
      ck_assert_int_eq(dataset->folds[0][i], dataset->folds[0][i / 3 * 3]);
    }
    for (int32_t fold = 0; fold < 4; fold++) ck_assert_uint_eq(count_of(dataset, 0, ASSAY_PART_TRAIN, fold), 6);
    assay_dataset_release(dataset);
  }
}
END_TEST

START_TEST(one_hold_out) {
  many("a", 30, 0);
  many("b", 10, 1000);
  struct assay_data_settings settings = settings_of("d");
  settings.folds = 1;
  settings.validation = 0.3;
  struct assay_dataset *dataset = scan(&settings);
  split(dataset, &settings);
  ck_assert_uint_eq(dataset->fold_count, 1);
  ck_assert_uint_eq(count_of(dataset, 0, ASSAY_PART_TRAIN, 0), 9);
  ck_assert_uint_eq(count_of(dataset, 1, ASSAY_PART_TRAIN, 0), 3);
  ck_assert_uint_eq(count_of(dataset, 0, ASSAY_PART_TRAIN, -1), 21);
  assay_dataset_release(dataset);
}
END_TEST

/* Seven positives: each repeat judges every one of them, one or two a fold, and deals them otherwise than the others do; the first is the split without repeats. */
START_TEST(each_repeat_has_folds_of_its_own) {
  many("a", 60, 0);
  many("b", 9, 1000);
  struct assay_data_settings settings = settings_of("d");
  settings.folds = 5;
  settings.test = 0.2;
  struct assay_dataset *once = scan(&settings), *often;
  split(once, &settings);
  settings.repeats = 8;
  often = scan(&settings);
  split(often, &settings);
  ck_assert_uint_eq(once->repeat_count, 1);
  ck_assert_uint_eq(often->repeat_count, 8);
  ck_assert_uint_eq(often->fold_count, 5);
  ck_assert_mem_eq(often->folds[0], once->folds[0], often->count * sizeof(int32_t));
  for (uint32_t r = 0; r < 8; r++) {
    uint32_t counts[5][2] = {{0}};
    for (uint32_t i = 0; i < often->count; i++) {
      const struct assay_sample *sample = &often->samples[i];
      ck_assert_uint_eq(sample->part, once->samples[i].part); /* the test is drawn once */
      ck_assert_int_eq(often->folds[r][i] == -1, sample->part == ASSAY_PART_TEST);
      if (sample->part == ASSAY_PART_TRAIN) counts[often->folds[r][i]][sample->label]++;
    }
    for (int fold = 0; fold < 5; fold++) {
      ck_assert_uint_ge(counts[fold][0], 9); /* 48 of them */
      ck_assert_uint_le(counts[fold][0], 10);
      ck_assert_uint_ge(counts[fold][1], 1); /* 7 of them */
      ck_assert_uint_le(counts[fold][1], 2);
    }
    for (uint32_t before = 0; before < r; before++) ck_assert_mem_ne(often->folds[r], often->folds[before], often->count * sizeof(int32_t));
  }
  assay_dataset_release(once);
  assay_dataset_release(often);
}
END_TEST

/* A share is held out anew in each repeat, a val/ folder is what it is. */
START_TEST(repeats_of_a_hold_out) {
  many("a", 30, 0);
  many("b", 10, 1000);
  struct assay_data_settings settings = settings_of("d");
  settings.folds = 1;
  settings.validation = 0.3;
  settings.repeats = 3;
  struct assay_dataset *dataset = scan(&settings);
  split(dataset, &settings);
  ck_assert_uint_eq(dataset->fold_count, 1);
  for (uint32_t r = 0; r < 3; r++) {
    uint32_t held_out = 0;
    for (uint32_t i = 0; i < dataset->count; i++) held_out += dataset->folds[r][i] == 0;
    ck_assert_uint_eq(held_out, 12);
    if (r > 0) ck_assert_mem_ne(dataset->folds[r], dataset->folds[r - 1], dataset->count * sizeof(int32_t));
  }
  assay_dataset_release(dataset);
}
END_TEST

START_TEST(limit_is_stratified) {
  many("a", 60, 0);
  many("b", 20, 1000);
  struct assay_data_settings settings = settings_of("d");
  settings.test = 0.5;
  settings.limit = 8;
  struct assay_dataset *dataset = scan(&settings);
  split(dataset, &settings);
  ck_assert_uint_eq(count_of(dataset, 0, ASSAY_PART_TRAIN, -2), 6);
  ck_assert_uint_eq(count_of(dataset, 1, ASSAY_PART_TRAIN, -2), 2);
  ck_assert_uint_eq(count_of(dataset, 0, ASSAY_PART_TEST, -2), 30); /* the test stays whole */
  ck_assert_uint_eq(count_of(dataset, 1, ASSAY_PART_TEST, -2), 10);
  for (uint32_t i = 0; i < dataset->count; i++) ck_assert_ptr_null(dataset->samples[i].problem);
  assay_dataset_release(dataset);
}
END_TEST

START_TEST(test_part_as_asked_for) {
  struct assay_status status = {0};
  folder_image("with/train/a/1.pgm", 1);
  folder_image("with/train/b/1.pgm", 2);
  folder_image("with/test/b/1.pgm", 3);
  struct assay_data_settings settings = settings_of("with");
  settings.test = 0.2;
  struct assay_dataset *dataset = scan(&settings);
  ck_assert_int_eq(assay_dataset_split(dataset, &settings, &status), ASSAY_E_CONFIG);
  assay_dataset_release(dataset);
  folder_image("without/a/1.pgm", 1);
  folder_image("without/b/1.pgm", 2);
  settings = settings_of("without");
  settings.test_own = true;
  dataset = scan(&settings);
  ck_assert_int_eq(assay_dataset_split(dataset, &settings, &status), ASSAY_E_CONFIG);
  assay_dataset_release(dataset);
}
END_TEST

START_TEST(too_few_images) {
  many("a", 12, 0);
  many("b", 4, 1000);
  struct assay_data_settings settings = settings_of("d");
  settings.folds = 5;
  struct assay_dataset *dataset = scan(&settings);
  expect_split_failure(dataset, &settings, "class b has 4 different images to train on, fewer than the 5 folds");
  assay_dataset_release(dataset);
  for (int i = 0; i < 8; i++) { /* copies do not count */
    char path[64];
    snprintf(path, sizeof path, "d/b/copy%d.pgm", i);
    folder_image(path, 1000);
  }
  dataset = scan(&settings);
  expect_split_failure(dataset, &settings, "class b has 4 different images");
  assay_dataset_release(dataset);
}
END_TEST

START_TEST(nothing_usable) {
  folder_text("d/a/1.jpg", "x");
  folder_text("d/b/1.jpg", "y");
  struct assay_data_settings settings = settings_of("d");
  struct assay_dataset *dataset = scan(&settings);
  expect_split_failure(dataset, &settings, "none of the 2 images can be used; the first is a/1.jpg");
  assay_dataset_release(dataset);
  folder_image("d/a/2.pgm", 1);
  folder_image("d/a/3.pgm", 2);
  dataset = scan(&settings);
  expect_split_failure(dataset, &settings, "class b has no image that can be trained on (b/1.jpg");
  assay_dataset_release(dataset);
}
END_TEST

/* ---- Lists for `predict` ---- */

START_TEST(lists_of_images) {
  folder_image("d/b.pgm", 1);
  folder_image("d/a/c.pgm", 2);
  folder_text("d/notes.txt", "no image");
  folder_text("d/broken.jpg", "x");
  struct assay_image_list *list;
  struct assay_status status = {0};
  ck_assert_int_eq(assay_image_list_open((const char *[]){"d", "d/notes.txt"}, 2, &list, &status), 0);
  ck_assert_uint_eq(assay_image_list_count(list), 4);
  static const char *const paths[] = {"d/a/c.pgm", "d/b.pgm", "d/broken.jpg", "d/notes.txt"};
  for (uint32_t i = 0; i < 4; i++) ck_assert_str_eq(assay_image_list_path(list, i), paths[i]);
  assay_image_list_release(list);
  ck_assert_int_eq(assay_image_list_open((const char *[]){"d/none"}, 1, &list, &status), ASSAY_E_DATA);
  uint8_t pixels[4 * 4 * 3];
  const struct assay_data_settings settings = settings_of("d");
  ck_assert_int_eq(assay_image_load("d/b.pgm", &settings, pixels, &status), 0);
  ck_assert_int_eq(assay_image_load("d/broken.jpg", &settings, pixels, &status), ASSAY_E_DATA);
  ck_assert_ptr_nonnull(strstr(status.message, "d/broken.jpg: "));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("dataset");
  TCase *cases = tcase_create("folders");
  tcase_add_checked_fixture(cases, folder_enter, folder_leave);
  tcase_set_timeout(cases, 60);
  tcase_add_test(cases, a_folder_a_class);
  tcase_add_test(cases, parts_that_are_there);
  tcase_add_test(cases, a_test_folder_elsewhere);
  tcase_add_test(cases, folders_that_cannot_be_used);
  tcase_add_test(cases, links_and_names);
  tcase_add_test(cases, what_may_not_be_read);
  tcase_add_test(cases, against_a_models_classes);
  tcase_add_test(cases, broken_files_are_named);
  tcase_add_test(cases, copies_across_parts_leave_training);
  tcase_add_test(cases, one_image_under_two_labels);
  tcase_add_test(cases, split_is_stratified);
  tcase_add_test(cases, split_follows_the_seed_alone);
  tcase_add_test(cases, equal_files_stay_together);
  tcase_add_test(cases, one_hold_out);
  tcase_add_test(cases, each_repeat_has_folds_of_its_own);
  tcase_add_test(cases, repeats_of_a_hold_out);
  tcase_add_test(cases, limit_is_stratified);
  tcase_add_test(cases, test_part_as_asked_for);
  tcase_add_test(cases, too_few_images);
  tcase_add_test(cases, nothing_usable);
  tcase_add_test(cases, lists_of_images);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
