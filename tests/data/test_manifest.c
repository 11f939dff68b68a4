/* SPDX-License-Identifier: MIT
 *
 * Manifests: rows that are right, and every way to be wrong with its line.
 */
#include "harness.h"

#include "folders.h"

#include "data/data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct assay_data_settings settings_of(const char *path) {
  return (struct assay_data_settings){.path = path, .width = 4, .height = 4, .folds = 2, .seed = 7, .threads = 2};
}

static void make_images(void) {
  folder_image("in/a.pgm", 1);
  folder_image("in/b, c.pgm", 2);
  folder_image("in/say \"d\".pgm", 3);
  folder_image("in/deep/e.pgm", 4);
  folder_image("out.pgm", 5);
}

START_TEST(rows) {
  make_images();
  folder_text("in/list.csv", "\xEF\xBB\xBFgroup,label,path,remark,split\r\nx,good,a.pgm,\"two\r\nlines\",\r\nx,bad,\"b, c.pgm\",,train\r\n\r\n,good,\"say \"\"d\"\".pgm\",,VAL\r\ny,bad,./deep/e.pgm,,test\r\n,good,../out.pgm,,test");
  const struct assay_data_settings settings = settings_of("in/list.csv");
  struct assay_dataset *dataset;
  struct assay_status status = {0};
  ck_assert_msg(assay_dataset_scan(&settings, &dataset, &status) == 0, "%s", status.message);
  ck_assert_uint_eq(dataset->count, 5);
  ck_assert_uint_eq(dataset->class_count, 2);
  ck_assert_str_eq(dataset->classes[0], "bad");
  ck_assert(dataset->has_test && dataset->has_validation);
  static const struct {
    const char *path, *group;
    int32_t label;
    uint32_t part;
  } expected[] = {{"../out.pgm", NULL, 1, ASSAY_PART_TEST}, {"a.pgm", "x", 1, ASSAY_PART_TRAIN}, {"b, c.pgm", "x", 0, ASSAY_PART_TRAIN}, {"deep/e.pgm", "y", 0, ASSAY_PART_TEST}, {"say \"d\".pgm", NULL, 1, ASSAY_PART_VALIDATION}};
  for (uint32_t i = 0; i < 5; i++) {
    const struct assay_sample *sample = &dataset->samples[i];
    ck_assert_ptr_null(sample->problem);
    ck_assert_str_eq(sample->path, expected[i].path);
    ck_assert_int_eq(sample->label, expected[i].label);
    ck_assert_uint_eq(sample->part, expected[i].part);
    ck_assert_pstr_eq(sample->group, expected[i].group);
  }
  assay_dataset_release(dataset);
  /* For evaluation only the test rows count; for prediction all, and labels are not asked for. */
  static const char *const classes[] = {"bad", "good", "ugly"};
  ck_assert_msg(assay_dataset_scan_labelled(&settings, classes, 3, &dataset, &status) == 0, "%s", status.message);
  ck_assert_uint_eq(dataset->count, 2);
  ck_assert_int_eq(dataset->samples[0].label, 1);
  assay_dataset_release(dataset);
  folder_text("in/paths.csv", "path\na.pgm\nmissing.pgm\n");
  struct assay_image_list *list;
  ck_assert_int_eq(assay_image_list_open((const char *[]){"in/list.csv", "in/paths.csv"}, 2, &list, &status), 0);
  ck_assert_uint_eq(assay_image_list_count(list), 7);
  ck_assert_str_eq(assay_image_list_path(list, 5), "in/a.pgm");
  uint8_t pixels[4 * 4 * 3];
  ck_assert_int_eq(assay_image_list_load(list, 5, &settings, pixels, &status), 0);
  ck_assert_int_eq(assay_image_list_load(list, 6, &settings, pixels, &status), ASSAY_E_DATA);
  assay_image_list_release(list);
}
END_TEST

START_TEST(missing_images) {
  make_images();
  folder_text("in/list.csv", "path,label\na.pgm,good\nnone.pgm,good\n\"b, c.pgm\",bad\n");
  const struct assay_data_settings settings = settings_of("in/list.csv");
  struct assay_dataset *dataset;
  ck_assert_int_eq(assay_dataset_scan(&settings, &dataset, NULL), 0);
  ck_assert_str_eq(dataset->samples[2].path, "none.pgm");
  ck_assert_ptr_nonnull(dataset->samples[2].problem);
  assay_dataset_release(dataset);
}
END_TEST

static const struct {
  const char *text, *words;
} wrong[] = {
    {"", ":1: the first row must name the columns"},
    {"a.pgm,good\nb.pgm,bad\n", ":1: the first row must name the columns"},
    {"path\na.pgm\n", ":1: the first row must name the columns, path and label"},
    {"path,label,path\n", ":1: the column path stands twice"},
    {"path,label\n", ":1: lists no images"},
    {"path,label\na.pgm,good\nb.pgm\n", ":3: has 1 fields where the first row has 2"},
    {"path,label\na.pgm,good,x\n", ":2: has 3 fields"},
    {"path,label\n,good\n", ":2: the path is empty"},
    {"path,label\n././,good\n", ":2: the path is empty"},
    {"path,label\na.pgm,\n", ":2: the label is empty"},
    {"path,label\n\"a.pgm,good\n", ":2: a quote is missing"},
    {"path,label\n\"a\"b.pgm,good\n", ":2: a quote is missing"},
    {"path,label,split\na.pgm,good,train\nb.pgm,bad,5\n", ":3: split cannot be 5"},
    {"path,label\na.pgm,good\n\na.pgm,bad\n", ":4: this image stands in line 2 already"},
    {"path,label\n\"a\n.pgm\",good\n./x.pgm,bad\nx.pgm,bad\n", ":5: this image stands in line 4 already"},
    {"path,label,split\na.pgm,good,\nb.pgm,bad,\nc.pgm,ugly,test\n", ":4: this class, ugly, is not in the training part"},
    {"path,label,split\na.pgm,good,test\n", ":1: no row is of the training part"},
    {"path,label\na.pgm,good\nb.pgm,good\n", "has one class, good"},
    {"path,label\na.pgm,go\x01od\n", ":2: label and group must be printable"},
};

START_TEST(wrong_lines) {
  folder_text("list.csv", wrong[_i].text);
  const struct assay_data_settings settings = settings_of("list.csv");
  struct assay_dataset *dataset;
  struct assay_status status = {0};
  ck_assert_int_eq(assay_dataset_scan(&settings, &dataset, &status), ASSAY_E_DATA);
  ck_assert_msg(strstr(status.message, wrong[_i].words) != NULL, "\"%s\" does not say \"%s\"", status.message, wrong[_i].words);
  ck_assert_ptr_nonnull(strstr(status.message, "list.csv"));
}
END_TEST

START_TEST(a_byte_of_zero) {
  static const char list[] = "path,label\na.pgm,good\nb\0.pgm,bad\n";
  folder_write("list.csv", list, sizeof list - 1);
  const struct assay_data_settings settings = settings_of("list.csv");
  struct assay_dataset *dataset;
  struct assay_status status = {0};
  ck_assert_int_eq(assay_dataset_scan(&settings, &dataset, &status), ASSAY_E_DATA);
  ck_assert_ptr_nonnull(strstr(status.message, "list.csv:3: "));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("manifest");
  TCase *cases = tcase_create("manifest");
  tcase_add_checked_fixture(cases, folder_enter, folder_leave);
  tcase_add_test(cases, rows);
  tcase_add_test(cases, missing_images);
  tcase_add_loop_test(cases, wrong_lines, 0, sizeof wrong / sizeof wrong[0]);
  tcase_add_test(cases, a_byte_of_zero);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
