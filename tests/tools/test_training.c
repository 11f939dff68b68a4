/* SPDX-License-Identifier: MIT
 *
 * Training as the command line shows it: stages, repeats, the verdict, and the short trainings of `assay check`.
 */
#include "tool.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char staged[] = "[stages]\nsize = 4x4, 8x8\nbatch = 8\nepochs = 3, 4\n";

static void write_staged(const char *path, const char *more) {
  tool_write(path,
             "[data]\npath = images\ncolour = grey\nfolds = 2\ntest = 0.25\npositive = right\n"
             "[network]\nlayers = features, global_avg_pool, classifier\n[layer.features]\ntype = conv_blocks\nblocks = 1\nchannels = 4\n"
             "[optimizer]\nlearning_rate = 0.02\n[backend]\ndevices = reference\n%s",
             more);
}

START_TEST(stages_and_repeats_are_reported) {
  tool_enter_folder();
  tool_write_images("images", 16);
  write_staged("toy.ini", "[stages]\nsize = 4x4, 8x8\nbatch = 8\nepochs = 3, 4\n");
  json_t *summary = tool_json("train toy.ini --json -s data.repeats=2"), *repeats = json_object_get(summary, "repeats");
  ck_assert_int_eq(json_integer_value(json_object_get(repeats, "count")), 2);
  const json_t *accuracy = json_object_get(json_object_get(repeats, "metrics"), "accuracy"), *values = json_object_get(accuracy, "values");
  const double first = json_number_value(json_array_get(values, 0)), second = json_number_value(json_array_get(values, 1));
  ck_assert_double_eq_tol(json_number_value(json_object_get(accuracy, "mean")), (first + second) / 2, 1e-12);
  ck_assert_double_eq_tol(json_number_value(json_object_get(accuracy, "deviation")), (first > second ? first - second : second - first) / 1.4142135623730951, 1e-12);
  ck_assert_ptr_nonnull(json_string_value(json_object_get(json_object_get(summary, "verdict"), "verdict")));
  json_decref(summary);
  /* Two repeats of two folds of seven epochs (patience may end a stage early), and both stages in each. */
  ck_assert(tool_file_holds("runs/toy/trials/0/curves.csv", "\n1,1,0,0,") && tool_file_holds("runs/toy/trials/0/curves.csv", "\n0,0,3,1,"));
  ck_assert(tool_file_holds("runs/toy/split.csv", "path,label,part,fold,fold_1,group,") && tool_file_holds("runs/toy/predictions.csv", ",validation,1,1,"));
  ck_assert(tool_file_holds("runs/toy/report.html", "Repeat 2, fold 1"));
  ck_assert(tool_file_holds("runs/toy/summary.txt", "in 2 repeats with other splits") && tool_file_holds("runs/toy/summary.txt", "Verdict: the training "));
  ck_assert(tool_file_holds("runs/toy/config.ini", "[stages]"));
  tool_expect(0, NULL, "eval runs/toy/model.safetensors images");
  /* The verdict counts all images that were learned from, not those of the validation part alone: 24 of 32, of which a fifth is 5 (4.8). */
  summary = tool_json("train toy.ini -o one --json -s data.folds=1 -s data.repeats=1");
  ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(summary, "verdict"), "images")), 24);
  json_decref(summary);
}
END_TEST

START_TEST(wrong_stages_are_told) {
  tool_enter_folder();
  tool_write_images("images", 8);
  write_staged("toy.ini", staged);
  tool_expect(2, "lists of different lengths", "train toy.ini -s stages.epochs=1,2,3");
  tool_expect(2, "the last size is what the model sees", "train toy.ini -s data.size=6x6");
  tool_expect(2, "size cannot be \"4\"", "train toy.ini -s stages.size=4,8");
  tool_expect(2, "another size at 8x8", "train toy.ini -s network.layers=features,classifier");
  tool_expect(2, "rates has 2 factors", "train toy.ini -s 'train.rates=lr/10, lr'");
  for (int i = 0; i < 3; i++) {
    static const char *const commands[] = {"train toy.ini -o other", "config toy.ini", "check toy.ini"};
    tool_expect(2, "no parameter begins with \"feature\"; did you mean \"features\"?", "%s -s train.freeze=feature", commands[i]);
  }
  tool_expect(2, "no parameter begins with \"feature\"", "config toy.ini -s 'train.freeze=none ~ choice(none, features, feature)'");
  tool_expect(0, NULL, "config toy.ini -s 'train.freeze=none ~ choice(none, features)'");
  tool_expect(2, "unfreeze_after = 4 is never reached in 4 epochs", "config toy.ini -s train.freeze=features -s train.unfreeze_after=4");
  tool_expect(0, NULL, "config toy.ini -s train.freeze=features -s train.unfreeze_after=3");
  tool_expect(2, "mixup mixes the images of a batch", "config toy.ini -s augment.mixup=0.4 -s stages.batch=1");
  tool_expect(0, NULL, "config toy.ini -s augment.mixup=0.4");
  tool_expect(2, "warmup_epochs = 4 of 4 epochs", "config toy.ini -s train.warmup_epochs=4");
  tool_expect(2, "warmup_start only counts beside warmup_epochs", "config toy.ini -s train.warmup_start=0.5");
  tool_expect(0, NULL, "config toy.ini -s train.warmup_start=0.5 -s train.warmup_epochs=2");
  ck_assert_int_ne(access("other", F_OK), 0);
  tool_expect(2, "no parameter begins with \"clasifier\"; did you mean \"classifier\"?", "config toy.ini -s train.rate_groups=clasifier -s 'train.rates=lr/10, lr'");
}
END_TEST

START_TEST(check_trains_for_a_moment) {
  tool_enter_folder();
  tool_write_images("images", 20);
  tool_write_ini("toy.ini", "images", "");
  json_t *range = tool_json("check --lr-range toy.ini --json");
  const json_t *result = json_object_get(range, "lr_range");
  ck_assert_uint_gt(json_array_size(json_object_get(result, "points")), 20);
  ck_assert_double_gt(json_number_value(json_object_get(result, "suggested")), 0);
  json_decref(range);
  json_t *overfit = tool_json("check --overfit 4 toy.ini --json");
  ck_assert_str_eq(json_string_value(json_object_get(json_object_get(overfit, "overfit"), "outcome")), "learned");
  ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(overfit, "overfit"), "images")), 4);
  json_decref(overfit);
  tool_expect(7, "learning rate: 20 is too high", "check --overfit toy.ini -s optimizer.learning_rate=20");
  tool_expect(2, "a whole number from 1 to 1000", "check --overfit=0 toy.ini");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("training");
  TCase *cases = tcase_create("all");
  tcase_set_timeout(cases, 300);
  tcase_add_test(cases, stages_and_repeats_are_reported);
  tcase_add_test(cases, wrong_stages_are_told);
  tcase_add_test(cases, check_trains_for_a_moment);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
