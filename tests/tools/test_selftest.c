/* SPDX-License-Identifier: MIT
 *
 * assay selftest: sound backends pass, and whatever is wrong with one is found and named: a wrong number, a crash, a hang, a write past the end.
 */
#include "tool.h"

#include <string.h>
#include <unistd.h>

static json_t *failure_of(const json_t *device, const char *op) {
  const json_t *failures = json_object_get(device, "failures");
  for (size_t i = 0; i < json_array_size(failures); i++) {
    json_t *failure = json_array_get(failures, i);
    if (strcmp(json_string_value(json_object_get(failure, "subject")), op) == 0) return failure;
  }
  return NULL;
}

static void expect_failure(const json_t *device, const char *op, const char *words) {
  const json_t *failure = failure_of(device, op);
  ck_assert_msg(failure != NULL, "%s did not fail", op);
  const char *message = json_string_value(json_object_get(failure, "message"));
  ck_assert_msg(strstr(message, words) != NULL, "%s: '%s' does not hold '%s'", op, message, words);
}

START_TEST(a_sound_backend_passes) {
  tool_enter_folder();
  json_t *result = tool_json("selftest reference --json --quiet --op matmul,relu,program_edges --seed 3");
  const json_t *device = json_array_get(json_object_get(result, "devices"), 0);
  ck_assert_str_eq(json_string_value(json_object_get(device, "device")), "reference");
  ck_assert_int_eq(json_integer_value(json_object_get(device, "failed")), 0);
  ck_assert_int_gt(json_integer_value(json_object_get(device, "passed")), 50);
  ck_assert_int_eq((int)json_array_size(json_object_get(device, "ops")), 3);
  ck_assert_int_eq(json_integer_value(json_object_get(result, "seed")), 3);
  json_decref(result);
}
END_TEST

START_TEST(modes_compare_different_things) {
  tool_enter_folder();
  int passed[3];
  static const char *const modes[] = {"--mode test", "--mode gradient", ""};
  for (int i = 0; i < 3; i++) {
    json_t *result = tool_json("selftest reference --json --quiet --op tanh,equal %s", modes[i]);
    passed[i] = (int)json_integer_value(json_object_get(json_array_get(json_object_get(result, "devices"), 0), "passed"));
    json_decref(result);
  }
  ck_assert_int_gt(passed[0], passed[1]); /* equal has no gradient */
  ck_assert_int_gt(passed[1], 0);
  ck_assert_int_eq(passed[0] + passed[1], passed[2]);
}
END_TEST

START_TEST(times_are_beside_another_device) {
  tool_enter_folder();
  json_t *result = tool_json("selftest reference --json --quiet --mode time --against reference --op relu,one_hot,max_pool2d_gradient --worst 2");
  const json_t *times = json_object_get(json_array_get(json_object_get(result, "devices"), 0), "times");
  ck_assert_int_eq((int)json_array_size(times), 2);
  for (size_t i = 0; i < 2; i++) {
    const json_t *time = json_array_get(times, i);
    const double tested = json_number_value(json_object_get(time, "tested")), other = json_number_value(json_object_get(time, "other"));
    ck_assert_double_gt(tested, 0);
    ck_assert_double_eq_tol(json_number_value(json_object_get(time, "ratio")), tested / other, 1e-9);
  }
  json_decref(result);
}
END_TEST

START_TEST(faults_are_found_and_named) {
  tool_enter_folder();
  setenv("ASSAY_REFERENCE_FOLDER", getenv("ASSAY_PLUGIN_PATH"), 1);
  struct outcome outcome = tool_run("selftest broken --plugin-path '%s' --json --quiet --mode test --limit 4 --op negate,abs,sqrt,tanh,relu,exp", MODULES);
  ck_assert_msg(outcome.code == 7, "exit code %d, %s", outcome.code, outcome.talk);
  json_t *result = json_loads(outcome.results, 0, NULL);
  const json_t *device = json_array_get(json_object_get(result, "devices"), 0);
  expect_failure(device, "relu", "is 42 instead of");
  expect_failure(device, "sqrt", "was ended by signal 6");
  expect_failure(device, "tanh", "it hangs");
  expect_failure(device, "abs", "byte 0 behind the end of result 0");
  expect_failure(device, "negate", "feed 0 was changed");
  ck_assert_ptr_null(failure_of(device, "exp"));
  ck_assert_ptr_nonnull(strstr(json_string_value(json_object_get(failure_of(device, "sqrt"), "detail")), "[7,37]")); /* the case that was running */
  json_decref(result);
  outcome_release(&outcome);
}
END_TEST

/* A slow "GPU" beside cpu: both are timed once, cpu wins, and the second run remembers. */
START_TEST(auto_takes_the_fastest_device) {
  tool_enter_folder();
  setenv("ASSAY_REFERENCE_FOLDER", getenv("ASSAY_PLUGIN_PATH"), 1);
  setenv("OCL_ICD_VENDORS", "/nowhere", 1); /* no others */
  char folder[4096];
  ck_assert_ptr_nonnull(getcwd(folder, sizeof folder - 8));
  strcat(folder, "/cache");
  setenv("XDG_CACHE_HOME", folder, 1); /* nothing is remembered yet */
  ck_assert_int_eq(system("mkdir cache"), 0);
  tool_write_images("photos", 10);
  tool_write("a.ini", "[data]\npath = photos\nfolds = 1\nvalidation = 0.3\ntest = none\nsize = 32x32\n[network]\nlayers = features, classifier\n[layer.features]\ntype = conv_blocks\n"
                      "[optimizer]\ntype = adam\n[train]\nepochs = 1\nbatch = 8\n[backend]\ndevices = auto\n");
  for (int i = 0; i < 2; i++) {
    struct outcome outcome = tool_run("train a.ini -o run%d --plugin-path '%s'", i, MODULES);
    ck_assert_msg(outcome.code == 0, "exit code %d, %s", outcome.code, outcome.talk);
    ck_assert_msg(strstr(outcome.talk, "auto: cpu (") != NULL && strstr(outcome.talk, "broken ") != NULL, "%s", outcome.talk);
    ck_assert_msg((strstr(outcome.talk, "on this network before") != NULL) == (i == 1), "%s", outcome.talk);
    outcome_release(&outcome);
  }
  /* The same for a model, where a batch is timed; eval and predict share the answer. */
  static const char *const commands[] = {"predict", "eval", "predict"};
  for (int i = 0; i < 3; i++) {
    struct outcome outcome = tool_run("%s run0/model.safetensors photos --plugin-path '%s'", commands[i], MODULES);
    ck_assert_msg(outcome.code == 0, "exit code %d, %s", outcome.code, outcome.talk);
    ck_assert_msg(strstr(outcome.talk, "auto: cpu (") != NULL && strstr(outcome.talk, "ms a batch, broken ") != NULL, "%s", outcome.talk);
    ck_assert_msg((strstr(outcome.talk, "on this network before") != NULL) == (i > 0), "%s", outcome.talk);
    outcome_release(&outcome);
  }
  /* What trains for a moment only takes the first in a fixed order, and says so. */
  struct outcome outcome = tool_run("check a.ini --overfit 2 --plugin-path '%s'", MODULES);
  ck_assert_msg(strstr(outcome.talk, "the first in the order GPU, cpu") != NULL, "%s", outcome.talk);
  outcome_release(&outcome);
}
END_TEST

START_TEST(wrong_use_is_refused) {
  tool_enter_folder();
  tool_expect(2, "did you mean 'conv2d'", "selftest reference --op conv3d");
  tool_expect(2, "test, gradient or time", "selftest reference --mode fast");
  tool_expect(2, "belong to --mode time", "selftest reference --worst 3");
  tool_expect(2, "it has threads", "selftest cpu -s backend.cpu.nope=1");
  tool_expect(4, "is no device here", "selftest nothing_of_that_name");
  tool_expect(4, "no device \"7\"", "selftest reference:7");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("selftest");
  TCase *tests = tcase_create("selftest");
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, a_sound_backend_passes);
  tcase_add_test(tests, modes_compare_different_things);
  tcase_add_test(tests, times_are_beside_another_device);
  tcase_add_test(tests, faults_are_found_and_named);
  tcase_add_test(tests, auto_takes_the_fastest_device);
  tcase_add_test(tests, wrong_use_is_refused);
  suite_add_tcase(suite, tests);
  return assay_run_suite(suite);
}
