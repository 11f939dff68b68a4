/* SPDX-License-Identifier: MIT
 *
 * Near-duplicates: changed copies are found wherever they are, and pictures that are merely alike are not taken for copies.
 */
#include "harness.h"

#include "folders.h"

#include "base/file.h"
#include "data/data.h"

#include <assay/random.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WIDTH = 160, HEIGHT = 120 };

struct spot {
  double x, y, radius, height;
};

/* A scene of soft spots: what is common to all scenes of a kind (`alike` of them from the seed `kind`), then its own. */
static void make_scene(struct spot spots[40], int kind, int number, int alike) {
  struct assay_random common = assay_random_seed(1000 + (uint64_t)kind, 0), own = assay_random_seed(2000 + (uint64_t)number, 0);
  for (int i = 0; i < 40; i++) {
    struct assay_random *random = i < alike ? &common : &own;
    spots[i].x = assay_random_below(random, 1000) / 1000.0;
    spots[i].y = assay_random_below(random, 1000) / 1000.0;
    spots[i].radius = 0.03 + assay_random_below(random, 1000) / 8000.0;
    spots[i].height = (double)assay_random_below(random, 160) - 80;
  }
}

/* What is done to a copy. */
struct change {
  double left, top, scale; /* the window of the scene: from 0 to 1 */
  double gain, offset;
  int width, height;
};
static const struct change unchanged = {0, 0, 1, 1, 0, WIDTH, HEIGHT};

static void write_scene(const char *path, const struct spot spots[40], const struct change *change) {
  uint8_t *bytes = malloc(64 + (size_t)change->width * (size_t)change->height);
  const int length = snprintf((char *)bytes, 64, "P5 %d %d 255\n", change->width, change->height);
  for (int y = 0; y < change->height; y++)
    for (int x = 0; x < change->width; x++) {
      const double u = change->left + (x + 0.5) / change->width * change->scale, v = change->top + (y + 0.5) / change->height * change->scale;
      double light = 120;
      for (int i = 0; i < 40; i++) {
        const double dx = u - spots[i].x, dy = v - spots[i].y;
        light += spots[i].height * exp(-(dx * dx + dy * dy) / (spots[i].radius * spots[i].radius));
      }
      light = light * change->gain + change->offset;
      bytes[length + y * change->width + x] = (uint8_t)(light < 0 ? 0 : light > 255 ? 255 : light);
    }
  folder_write(path, bytes, (size_t)length + (size_t)change->width * (size_t)change->height);
  free(bytes);
}

static struct assay_data_settings settings_of(const char *path) {
  return (struct assay_data_settings){.path = path, .width = 16, .height = 16, .folds = 4, .seed = 7, .threads = 2};
}

static struct assay_dataset *scan(const struct assay_data_settings *settings) {
  struct assay_dataset *dataset;
  struct assay_status status = {0};
  ck_assert_msg(assay_dataset_scan(settings, &dataset, &status) == 0, "%s", status.message);
  return dataset;
}

static void write_set(const char *root, int count, int alike) {
  for (int i = 0; i < count; i++) {
    struct spot spots[40];
    char path[64];
    make_scene(spots, 1, i, alike);
    snprintf(path, sizeof path, "%s/%s/%02d.pgm", root, i % 2 ? "b" : "a", i);
    write_scene(path, spots, &unchanged);
  }
}

static const struct change changes[] = {
    {0, 0, 1, 0.85, 0, WIDTH, HEIGHT},          /* darker */
    {0, 0, 1, 0.8, 30, WIDTH, HEIGHT},          /* less contrast */
    {0, 0, 1, 1, 0, 96, 90},                    /* scaled, another shape */
    {0, 0, 1, 1, 0, 400, 300},                  /* enlarged */
    {0.02, 0.01, 0.97, 1, 0, 155, 116},         /* cropped by 3 % */
    {0.0, 0.06, 0.94, 1, 0, 150, 113},          /* by 6 %, from one corner */
    {0.05, 0.05, 0.9, 0.9, 5, 144, 108},        /* by 10 %, and darker */
    {0, 0, 1, 1.6, 0, WIDTH, HEIGHT},           /* brightened, and cut off at white */
};
enum { CHANGES = sizeof changes / sizeof changes[0] };

/* Scenes of their own kinds (0), and of one camera, alike by more than half of what is in them (24 of 40 spots). */
START_TEST(changed_copies_are_found) {
  static const int alike[] = {0, 24};
  write_set("d", 40, alike[_i]);
  struct assay_data_settings settings = settings_of("d");
  struct assay_dataset *dataset = scan(&settings);
  ck_assert_uint_eq(dataset->near_count, 0);
  for (uint32_t i = 0; i < dataset->count; i++) ck_assert_uint_eq(dataset->samples[i].unit, i);
  assay_dataset_release(dataset);
  for (int c = 0; c < CHANGES; c++) {
    struct spot spots[40];
    char path[64];
    make_scene(spots, 1, 2 * c, alike[_i]);
    snprintf(path, sizeof path, "d/a/%02d-copy.pgm", 2 * c);
    write_scene(path, spots, &changes[c]);
  }
  dataset = scan(&settings);
  ck_assert_uint_eq(dataset->near_count, CHANGES);
  for (uint32_t i = 0; i < CHANGES; i++) {
    const char *first = dataset->samples[dataset->near[i].first].path, *second = dataset->samples[dataset->near[i].second].path;
    ck_assert_msg(strncmp(first, second, 4) == 0, "%s and %s", first, second);
  }
  ck_assert_int_eq(assay_dataset_split(dataset, &settings, NULL), 0);
  for (uint32_t i = 0; i < CHANGES; i++)
    ck_assert_int_eq(dataset->folds[0][dataset->near[i].first], dataset->folds[0][dataset->near[i].second]);
  assay_dataset_release(dataset);
  settings.near_duplicates = ASSAY_NEAR_IGNORE;
  dataset = scan(&settings);
  ck_assert_uint_eq(dataset->near_count, 0);
  assay_dataset_release(dataset);
}
END_TEST

START_TEST(copies_across_parts_leave_training) {
  write_set("d/train", 24, 0);
  for (int c = 0; c < CHANGES; c++) {
    struct spot spots[40];
    char path[64];
    make_scene(spots, 1, 3 * c, 0);
    snprintf(path, sizeof path, "d/test/%s/%02d.pgm", 3 * c % 2 ? "b" : "a", c);
    write_scene(path, spots, &changes[c]);
  }
  const struct assay_data_settings settings = settings_of("d");
  struct assay_dataset *dataset = scan(&settings);
  struct assay_audit *audit;
  ck_assert_int_eq(assay_dataset_audit(dataset, &audit, NULL), 0);
  ck_assert_uint_eq(audit->near_count, CHANGES);
  for (uint32_t i = 0; i < CHANGES; i++) ck_assert(audit->near[i].across_parts && !audit->near[i].across_labels);
  ck_assert_int_eq(assay_dataset_gate(dataset, audit, NULL), 0);
  uint32_t out = 0;
  for (uint32_t i = 0; i < dataset->count; i++) {
    const struct assay_sample *sample = &dataset->samples[i];
    if (sample->part != ASSAY_PART_NONE) continue;
    out++;
    ck_assert_int_eq(strncmp(sample->path, "train/", 6), 0);
    ck_assert_ptr_nonnull(strstr(sample->problem, "is almost the same image as test/"));
  }
  ck_assert_uint_eq(out, CHANGES);
  assay_audit_release(audit);
  assay_dataset_release(dataset);
}
END_TEST

/* Remembered verdicts bring the prints back. */
START_TEST(a_second_scan_finds_the_same) {
  write_set("d", 24, 0);
  struct spot spots[40];
  make_scene(spots, 1, 3, 0);
  write_scene("d/b/copy.pgm", spots, &changes[4]);
  const struct assay_data_settings settings = settings_of("d");
  for (int round = 0; round < 3; round++) {
    struct assay_dataset *dataset = scan(&settings);
    ck_assert_uint_eq(dataset->near_count, 1);
    ck_assert_str_eq(dataset->samples[dataset->near[0].first].path, "b/03.pgm");
    assay_dataset_release(dataset);
    if (round == 0) sleep(3); /* what has changed just now is not remembered */
  }
}
END_TEST

/* What was looked at, pair by pair: two photographs of one figure; no two of one cookie that are alike enough. */
START_TEST(no_false_alarm_on_photographs) {
  static const struct {
    const char *folder;
    uint32_t pairs;
  } sets[] = {{"aliens", 1}, {"cookies", 0}};
  const char *shared = getenv("ASSAY_SHARED");
  char path[512];
  snprintf(path, sizeof path, "%s/data/%s", shared != NULL ? shared : "", sets[_i].folder);
  if (shared == NULL || !assay_folder_exists(path)) return;
  const struct assay_data_settings settings = settings_of(path);
  struct assay_dataset *dataset = scan(&settings);
  ck_assert_uint_eq(dataset->near_count, sets[_i].pairs);
  if (sets[_i].pairs > 0) ck_assert_str_eq(dataset->samples[dataset->near[0].first].path, "anomaly/26.png");
  assay_dataset_release(dataset);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("near");
  TCase *cases = tcase_create("near");
  tcase_add_checked_fixture(cases, folder_enter, folder_leave);
  tcase_set_timeout(cases, 120);
  tcase_add_loop_test(cases, changed_copies_are_found, 0, 2);
  tcase_add_test(cases, copies_across_parts_leave_training);
  tcase_add_test(cases, a_second_scan_finds_the_same);
  tcase_add_loop_test(cases, no_false_alarm_on_photographs, 0, 2);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
