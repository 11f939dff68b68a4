/* SPDX-License-Identifier: MIT
 *
 * Bad input at the command line: each case ends with its documented exit code and a sentence that says what is wrong. The INI's own traps are tested in tests/config, broken
 * pictures in tests/data, unfit modules in tests/plugin.
 */
#include "tool.h"

#include <assay/random.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(folders_without_a_data_set) {
  tool_enter_folder();
  tool_write_ini("a.ini", "photos", "");
  tool_expect(3, "photos", "train a.ini --quiet"); /* no such folder */
  mkdir("photos", 0777);
  tool_expect(3, "photos", "train a.ini --quiet"); /* empty */
  tool_write_image("photos/left/0.pgm", 0, 1);
  tool_write_image("photos/left/1.pgm", 0, 2);
  tool_expect(3, "class", "train a.ini --quiet"); /* one class */
  tool_write_image("photos/right/0.pgm", 1, 1);
  tool_expect(3, "right", "train a.ini --quiet -s data.folds=5"); /* fewer images of a class than folds */
  tool_write_images("photos", 4);
  tool_expect(2, "test = 0.2", "train a.ini --quiet -s data.test=own");
  tool_expect(2, "crack", "train a.ini --quiet -s data.folds=1 -s data.test=none -s data.positive=crack"); /* no class of that name */
  tool_write("photos.txt", "a file");
  tool_expect(3, "photos.txt", "train a.ini -o other --quiet -s data.path=photos.txt");
}
END_TEST

START_TEST(configuration_names_the_place) {
  tool_enter_folder();
  tool_write_images("photos", 4);
  tool_write_ini("a.ini", "photos", "[trian]\nepochs = 3\n");
  tool_expect(2, "train", "train a.ini");
  tool_write_ini("b.ini", "photos", "");
  tool_expect(2, "did you mean", "train b.ini -s train.epoch=3");
  tool_expect(2, "nesterov", "train b.ini -s optimizer.nesterov=yes"); /* belongs to another choice */
  tool_expect(2, "learning_rate", "train b.ini -s optimizer.learning_rate=fast");
  tool_expect(6, "did you mean", "train b.ini -s optimizer.type=adan");
  tool_expect(2, "no-equals", "train b.ini -s no-equals");
  mkdir("folder.ini", 0777);
  tool_expect(3, "folder.ini", "train folder.ini"); /* a folder is a data set, and this one is empty */
}
END_TEST

START_TEST(run_folders_that_cannot_be_written) {
  tool_enter_folder();
  tool_write_images("photos", 8);
  tool_write_ini("a.ini", "photos", "");
  tool_write("file", "in the way");
  tool_expect(5, "file", "train a.ini --quiet -o file/run");
  tool_expect(5, "proc", "train a.ini --quiet -o /proc/run");
  tool_expect(2, "no such run", "finish nowhere");
  mkdir("empty", 0777);
  tool_expect(2, "config.ini", "report empty");
}
END_TEST

START_TEST(a_full_disk_is_told) {
  tool_enter_folder();
  tool_write_images("photos", 8);
  tool_write_ini("a.ini", "photos", "");
  /* No file may grow beyond 16 KiB, and the signal for it is ignored, so writing fails as on a full disk. */
  char command[1024];
  snprintf(command, sizeof command, "trap '' XFSZ; ulimit -f 16; '%s' train a.ini --quiet -s train.epochs=2 >.results 2>.talk", getenv("ASSAY_TOOL"));
  const int state = system(command);
  ck_assert_int_eq(WEXITSTATUS(state), 5);
  ck_assert(tool_file_holds(".talk", "study.db") || tool_file_holds(".talk", "model.safetensors") || tool_file_holds(".talk", "cannot be written"));
}
END_TEST

START_TEST(a_loss_that_is_no_number_is_recorded) {
  tool_enter_folder();
  tool_write_images("photos", 12);
  tool_write_ini("a.ini", "photos", "");
  tool_expect(1, "not", "train a.ini --quiet -s optimizer.type=sgd -s optimizer.learning_rate=1000 -s train.epochs=40");
  /* A search goes on past such trials. */
  json_t *result = tool_json("search a.ini -o mixed --json --quiet -s search.trials=6 -s 'optimizer.learning_rate=0.02 ~ choice(0.02, 1000)' -s optimizer.type=sgd -s train.epochs=40 -s train.patience=0");
  ck_assert_int_eq(json_integer_value(json_object_get(result, "trials")), 6);
  json_decref(result);
}
END_TEST

START_TEST(models_that_are_none) {
  tool_enter_folder();
  tool_write_images("photos", 4);
  tool_expect(3, "no-model", "predict no-model photos");
  tool_write("short", "abc");
  tool_expect(3, "short", "eval short photos");
  tool_write("empty", "%s", "");
  tool_expect(3, "empty", "eval empty photos");
}
END_TEST

/* Copies of a good picture with some bytes changed, cut or repeated. */
static void write_mutated(const char *path, int class_number, struct assay_random *random) {
  tool_write_image(path, class_number, assay_random_u32(random));
  FILE *file = fopen(path, "r+b");
  ck_assert_ptr_nonnull(file);
  const uint32_t kind = assay_random_below(random, 3);
  if (kind == 0) {
    ck_assert_int_eq(ftruncate(fileno(file), (off_t)assay_random_below(random, 75)), 0);
  } else {
    for (uint32_t i = 0; i < kind * 2; i++) {
      fseek(file, (long)assay_random_below(random, kind == 1 ? 12 : 75), SEEK_SET);
      fputc((int)assay_random_below(random, 256), file);
    }
  }
  fclose(file);
}

START_TEST(mutated_images_leave_the_result_of_the_clean_subset) {
  const char *wanted = getenv("ASSAY_MUTATED");
  const int count = wanted != NULL ? atoi(wanted) : 400;
  struct assay_random random = assay_random_seed(9, 9);
  char path[128];
  tool_enter_folder();
  tool_write_images("photos", 20);
  tool_write_ini("a.ini", "photos", "");
  for (int i = 0; i < count; i++) {
    snprintf(path, sizeof path, "photos/%s/mutated-%05d.pgm", i % 2 == 0 ? "left" : "right", i);
    write_mutated(path, i % 2, &random);
  }
  struct outcome checked = tool_run("check a.ini --json");
  ck_assert_int_eq(checked.code, 7);
  json_t *audit = json_loads(checked.results, 0, NULL);
  const json_t *broken = json_object_get(audit, "broken");
  ck_assert_uint_gt(json_array_size(broken), (size_t)count / 4);
  json_t *with = tool_json("train a.ini -o with --json --quiet -s train.epochs=1");
  for (size_t i = 0; i < json_array_size(broken); i++) {
    const json_t *entry = json_array_get(broken, i);
    ck_assert_uint_gt(strlen(json_string_value(json_object_get(entry, "problem"))), 5);
    snprintf(path, sizeof path, "photos/%s", json_string_value(json_object_get(entry, "path")));
    ck_assert_int_eq(unlink(path), 0);
  }
  json_t *without = tool_json("train a.ini -o without --json --quiet -s train.epochs=1");
  ck_assert(json_equal(json_object_get(with, "test"), json_object_get(without, "test")));
  ck_assert(json_equal(json_object_get(with, "validation"), json_object_get(without, "validation")));
  json_decref(with);
  json_decref(without);
  json_decref(audit);
  outcome_release(&checked);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("bad input");
  TCase *tests = tcase_create("bad input");
  tcase_set_timeout(tests, 900);
  tcase_add_test(tests, folders_without_a_data_set);
  tcase_add_test(tests, configuration_names_the_place);
  tcase_add_test(tests, run_folders_that_cannot_be_written);
  tcase_add_test(tests, a_full_disk_is_told);
  tcase_add_test(tests, a_loss_that_is_no_number_is_recorded);
  tcase_add_test(tests, models_that_are_none);
  tcase_add_test(tests, mutated_images_leave_the_result_of_the_clean_subset);
  suite_add_tcase(suite, tests);
  return assay_run_suite(suite);
}
