/* SPDX-License-Identifier: MIT
 *
 * Groups: named by a pattern or a manifest, never divided by parts and folds, and classes shared out evenly all the same.
 */
#include "harness.h"

#include "folders.h"

#include "data/data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct assay_data_settings settings_of(const char *path) {
  return (struct assay_data_settings){.path = path, .width = 4, .height = 4, .folds = 4, .seed = 7, .threads = 2};
}

static struct assay_dataset *prepare(const struct assay_data_settings *settings) {
  struct assay_dataset *dataset;
  struct assay_audit *audit;
  struct assay_status status = {0};
  ck_assert_msg(assay_dataset_scan(settings, &dataset, &status) == 0, "%s", status.message);
  ck_assert_int_eq(assay_dataset_audit(dataset, &audit, &status), 0);
  ck_assert_msg(assay_dataset_gate(dataset, audit, &status) == 0, "%s", status.message);
  assay_audit_release(audit);
  ck_assert_msg(assay_dataset_split(dataset, settings, &status) == 0, "%s", status.message);
  return dataset;
}

static void expect_undivided(const struct assay_dataset *dataset) {
  for (uint32_t a = 0; a < dataset->count; a++)
    for (uint32_t b = 0; b < a; b++) {
      const struct assay_sample *one = &dataset->samples[a], *other = &dataset->samples[b];
      if (one->group == NULL || other->group == NULL || strcmp(one->group, other->group) != 0) continue;
      ck_assert_uint_eq(one->unit, other->unit);
      if (one->part == ASSAY_PART_NONE || other->part == ASSAY_PART_NONE) continue;
      ck_assert_msg(one->part == other->part && dataset->folds[0][a] == dataset->folds[0][b], "%s and %s are apart", one->path, other->path);
    }
}

/* `photos` photographs of `tiles` tiles; each third tile of each second photograph is cracked. */
static void make_tiles(const char *root, int photos, int tiles) {
  for (int p = 0; p < photos; p++)
    for (int t = 0; t < tiles; t++) {
      char path[96];
      snprintf(path, sizeof path, "%s/%s/IMG_%03d-%02d.pgm", root, p % 2 == 0 && t % 3 == 0 ? "crack" : "fine", p, t);
      folder_image(path, p * tiles + t);
    }
}

/* What is proposed for a data set of these names, shared out between two classes. */
static struct assay_group_proposal propose(const char *root, const char *const *names, int count, const char *group) {
  struct assay_dataset *dataset;
  struct assay_group_proposal proposal;
  struct assay_status status = {0};
  for (int i = 0; i < count; i++) {
    char path[96];
    snprintf(path, sizeof path, "%s/%s/%s.pgm", root, i % 2 == 0 ? "crack" : "fine", names[i]);
    folder_image(path, i);
  }
  struct assay_data_settings settings = settings_of(root);
  settings.group = group;
  ck_assert_msg(assay_dataset_scan(&settings, &dataset, &status) == 0, "%s", status.message);
  ck_assert_int_eq(assay_dataset_propose_group(dataset, &proposal, &status), 0);
  assay_dataset_release(dataset);
  return proposal;
}

enum { NAMES = 6 };

/* Three photographs of two tiles: they are recognised, and the pattern that is proposed makes groups of exactly them. */
START_TEST(names_of_tiles_get_a_proposal) {
  static const char *const sets[][NAMES] = {
      {"photo12_3_4", "photo12_3_5", "photo13_0_0", "photo13_1_0", "photo2_0_1", "photo2_11_10"},
      {"img007-r2-c5", "img007-r3-c5", "img008-r2-c5", "img008-r2-c6", "img009-r0-c0", "img009-r0-c1"},
      {"wall_r2c5", "wall_r3c5", "yard_r2c5", "yard_r2c6", "roof_r0c0", "roof_r0c1"},
      {"a_x0_y512", "a_x512_y0", "b_x0_y0", "b_x0_y512", "c_x0_y0", "c_x512_y512"},
      {"wall_row1_col2", "wall_row1_col3", "b_row1_col1", "b_row1_col2", "c_row1_col1", "c_row2_col1"},
      {"scan3_tile1", "scan3_tile12", "scan4_tile1", "scan4_tile2", "scan5_tile1", "scan5_tile7"},
      {"wall-patch-1-1", "wall-patch-1-2", "yard-patch-1-1", "yard-patch-2-1", "roof-patch-0-0", "roof-patch-0-1"},
      {"DSC_0012_1_1", "DSC_0012_1_2", "DSC_0013_1_1", "DSC_0013_1_2", "DSC_0014_1_1", "DSC_0014_2_2"},
  };
  for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
    char root[16];
    snprintf(root, sizeof root, "set%zu", i);
    const struct assay_group_proposal proposal = propose(root, sets[i], NAMES, NULL);
    ck_assert_msg(proposal.pattern != NULL, "%s", sets[i][0]);
    ck_assert_uint_eq(proposal.photograph_count, 3);
    ck_assert_uint_eq(proposal.image_count, NAMES);
    struct assay_data_settings settings = settings_of(root);
    settings.group = proposal.pattern;
    struct assay_dataset *dataset;
    struct assay_status status = {0};
    ck_assert_msg(assay_dataset_scan(&settings, &dataset, &status) == 0, "%s", status.message);
    for (uint32_t a = 0; a < dataset->count; a++)
      for (uint32_t b = 0; b < a; b++) { /* names of one photograph stand side by side in the table */
        int place[2] = {-1, -1};
        for (int n = 0; n < NAMES; n++) {
          if (strstr(dataset->samples[a].path, sets[i][n]) != NULL && strstr(dataset->samples[a].path, sets[i][n])[strlen(sets[i][n])] == '.') place[0] = n;
          if (strstr(dataset->samples[b].path, sets[i][n]) != NULL && strstr(dataset->samples[b].path, sets[i][n])[strlen(sets[i][n])] == '.') place[1] = n;
        }
        const bool grouped = strcmp(dataset->samples[a].group, dataset->samples[b].group) == 0;
        ck_assert_msg(grouped == (place[0] / 2 == place[1] / 2), "%s and %s", dataset->samples[a].path, dataset->samples[b].path);
      }
    assay_dataset_release(dataset);
    ck_assert_ptr_null(propose(root, sets[i], NAMES, proposal.pattern).pattern); /* nothing more to say */
  }
}
END_TEST

START_TEST(names_of_photographs_get_none) {
  static const char *const sets[][NAMES] = {
      {"IMG_0001", "IMG_0002", "IMG_0003", "IMG_0004", "IMG_0005", "IMG_0006"},
      {"0001", "0002", "0003", "0004", "0005", "0006"},
      {"1", "2", "3", "10", "11", "12"},
      {"test-anomaly-1", "test-anomaly-2", "test-anomaly-3", "train-normal-1", "train-normal-2", "train-normal-3"},
      {"cat_1_1", "cat_1_2", "cat_2_1", "cat_2_2", "cat_3_1", "cat_3_2"}, /* one stem, without a number */
      {"IMG_20240115_103059", "IMG_20240115_103102", "IMG_20240116_103059", "IMG_20240116_103102", "IMG_20240117_103059", "IMG_20240117_103102"},
      {"IMG_2021-01-15", "IMG_2021-01-16", "IMG_2022-01-15", "IMG_2022-01-16", "IMG_2023-01-15", "IMG_2023-01-16"},
      {"2024-01-15_10-30", "2024-01-15_10-31", "2024-01-16_10-30", "2024-01-16_10-31", "2024-01-17_10-30", "2024-01-17_10-31"},
      {"2024-01-15 10-30-01", "2024-01-15 10-30-02", "2024-01-16 10-30-01", "2024-01-16 10-30-02", "2024-01-17 10-30-01", "2024-01-17 10-30-02"},
      {"a1_1_1", "a2_1_1", "a3_1_1", "a4_1_1", "a5_1_1", "a6_1_1"}, /* a tile a photograph */
      {"a1_1_1", "a1_1_2", "a1_2_1", "a2_1_1", "a2_1_2", "a2_2_1"}, /* too few photographs to be shared out */
      {"a1_1_1", "a1_1_2", "one", "two", "three", "four"},          /* most are none */
  };
  for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
    char root[16];
    snprintf(root, sizeof root, "set%zu", i);
    const struct assay_group_proposal proposal = propose(root, sets[i], NAMES, NULL);
    ck_assert_msg(proposal.pattern == NULL, "%s: %s", sets[i][0], proposal.pattern);
  }
}
END_TEST

START_TEST(tiles_of_a_photograph) {
  make_tiles("d", 40, 6);
  struct assay_data_settings settings = settings_of("d");
  settings.group = "^(IMG_[0-9]+)-";
  settings.test = 0.2;
  for (settings.seed = 1; settings.seed <= 5; settings.seed++) {
    struct assay_dataset *dataset = prepare(&settings);
    expect_undivided(dataset);
    uint32_t counts[5][2] = {{0}}; /* test, then folds; by class */
    for (uint32_t i = 0; i < dataset->count; i++) counts[dataset->folds[0][i] + 1][dataset->samples[i].label]++;
    /* 40 of 240 tiles are cracked, two in a photograph: 8 and 40 in the test, 8 and 40 in each fold. */
    for (int part = 0; part < 5; part++) {
      ck_assert_uint_ge(counts[part][0], 6);
      ck_assert_uint_le(counts[part][0], 10);
      ck_assert_uint_ge(counts[part][1], 30);
      ck_assert_uint_le(counts[part][1], 50);
    }
    assay_dataset_release(dataset);
  }
}
END_TEST

START_TEST(patterns) {
  folder_image("d/a/x_1.pgm", 1);
  folder_image("d/a/x_2.pgm", 2);
  folder_image("d/b/x_3.pgm", 3);
  folder_image("d/b/y.pgm", 4);
  static const struct {
    const char *pattern;
    const char *groups[4];
  } cases[] = {
      {"^(x)_", {"x", "x", "x", NULL}},
      {"[0-9]", {"1", "2", "3", NULL}},      /* without parentheses the whole match */
      {"^([a-z]/[a-z])", {"a/x", "a/x", "b/x", "b/y"}}, /* with a slash the whole path */
      {"_(.)|y", {"1", "2", "3", "y"}},      /* parentheses without a part in the match: the whole match */
  };
  for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
    struct assay_data_settings settings = settings_of("d");
    settings.group = cases[c].pattern;
    struct assay_dataset *dataset;
    ck_assert_int_eq(assay_dataset_scan(&settings, &dataset, NULL), 0);
    for (uint32_t i = 0; i < 4; i++) ck_assert_pstr_eq(dataset->samples[i].group, cases[c].groups[i]);
    assay_dataset_release(dataset);
  }
  struct assay_data_settings settings = settings_of("d");
  struct assay_dataset *dataset;
  struct assay_status status = {0};
  settings.group = "^nothing";
  ck_assert_int_eq(assay_dataset_scan(&settings, &dataset, &status), ASSAY_E_CONFIG);
  ck_assert_ptr_nonnull(strstr(status.message, "matches no name"));
  settings.group = "(";
  ck_assert_int_eq(assay_dataset_scan(&settings, &dataset, &status), ASSAY_E_CONFIG);
  ck_assert_ptr_nonnull(strstr(status.message, "no POSIX extended regular expression"));
}
END_TEST

START_TEST(groups_across_given_parts) {
  make_tiles("d/train", 12, 6);
  folder_image("d/test/crack/IMG_003-90.pgm", 900);
  folder_image("d/test/fine/IMG_900-01.pgm", 901);
  struct assay_data_settings settings = settings_of("d");
  settings.group = "^(IMG_[0-9]+)-";
  settings.test_own = true;
  settings.folds = 2;
  struct assay_dataset *dataset = prepare(&settings);
  expect_undivided(dataset);
  uint32_t out = 0;
  for (uint32_t i = 0; i < dataset->count; i++) {
    const struct assay_sample *sample = &dataset->samples[i];
    if (sample->part != ASSAY_PART_NONE) continue;
    out++;
    ck_assert_str_eq(sample->group, "IMG_003");
    ck_assert_ptr_nonnull(strstr(sample->problem, "belongs to group IMG_003, of which test/crack/IMG_003-90.pgm is in the test part"));
  }
  ck_assert_uint_eq(out, 6);
  assay_dataset_release(dataset);
}
END_TEST

START_TEST(of_a_manifest_and_through_copies) {
  struct bytes_of_csv {
    char text[2048];
    size_t length;
  } csv = {"path,label,group\n", 17};
  for (int i = 0; i < 24; i++) {
    char path[32];
    snprintf(path, sizeof path, "%02d.pgm", i);
    folder_image(path, i == 23 ? 0 : i); /* the last is a copy of the first: both groups stay together */
    csv.length += (size_t)snprintf(csv.text + csv.length, sizeof csv.text - csv.length, "%s,%s,%d\n", path, i == 23 || i < 12 ? "a" : "b", i / 3);
  }
  folder_text("list.csv", csv.text);
  struct assay_data_settings settings = settings_of("list.csv");
  settings.folds = 2;
  struct assay_dataset *dataset = prepare(&settings);
  expect_undivided(dataset);
  ck_assert_uint_eq(dataset->samples[22].unit, 0);
  ck_assert_int_eq(dataset->folds[0][22], dataset->folds[0][1]);
  assay_dataset_release(dataset);
}
END_TEST

START_TEST(too_few_groups) {
  make_tiles("d", 4, 6);
  struct assay_data_settings settings = settings_of("d");
  settings.group = "^(IMG_[0-9]+)-";
  struct assay_dataset *dataset;
  struct assay_status status = {0};
  ck_assert_int_eq(assay_dataset_scan(&settings, &dataset, NULL), 0);
  ck_assert_int_eq(assay_dataset_split(dataset, &settings, &status), ASSAY_E_DATA);
  ck_assert_msg(strstr(status.message, "class crack has 2 groups of images to train on, fewer than the 4 folds") != NULL, "%s", status.message);
  assay_dataset_release(dataset);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("group");
  TCase *cases = tcase_create("group");
  tcase_add_checked_fixture(cases, folder_enter, folder_leave);
  tcase_add_test(cases, tiles_of_a_photograph);
  tcase_add_test(cases, names_of_tiles_get_a_proposal);
  tcase_add_test(cases, names_of_photographs_get_none);
  tcase_add_test(cases, patterns);
  tcase_add_test(cases, groups_across_given_parts);
  tcase_add_test(cases, of_a_manifest_and_through_copies);
  tcase_add_test(cases, too_few_groups);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
