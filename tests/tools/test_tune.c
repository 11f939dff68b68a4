/* SPDX-License-Identifier: MIT
 *
 * assay tune: it comes to its end, what it found is used, an interrupted tuning goes on, what is wrong in its file is measured again, and candidates that fail are left out. Needs an
 * OpenCL device; which candidates there are is known for processors (PoCL).
 */
#include "tool.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char device[512]; /* name and driver, as lines of the file begin */
static char file[1200];

/* A cache folder of its own, but for what the driver compiles. False, with a message, without such a device. */
static bool enter(void) {
  char path[1024];
  const char *cache = getenv("XDG_CACHE_HOME");
  snprintf(path, sizeof path, "%s/pocl/kcache", cache != NULL ? cache : "/tmp");
  setenv("POCL_CACHE_DIR", path, 0);
  tool_enter_folder();
  ck_assert_ptr_nonnull(getcwd(path, sizeof path - 16));
  strcat(path, "/cache");
  setenv("XDG_CACHE_HOME", path, 1);
  snprintf(file, sizeof file, "%s/assay/tuned-opencl.txt", path);
  json_t *listed = tool_json("devices --json --quiet --no-selftest"), *devices = json_object_get(listed, "devices");
  bool found = false;
  for (size_t i = 0; i < json_array_size(devices) && !found; i++) {
    const char *name, *kind, *called, *driver;
    if (json_unpack(json_array_get(devices, i), "{s:s,s:s,s:s,s:s}", "device", &name, "kind", &kind, "name", &called, "driver", &driver) != 0) continue;
    found = strcmp(name, "opencl") == 0 && strcmp(kind, "cpu") == 0;
    if (found) snprintf(device, sizeof device, "%s, %s", called, driver);
  }
  json_decref(listed);
  if (!found) fprintf(stderr, "skipped: there is no OpenCL device that is a processor\n");
  return found;
}

static int count_of(const json_t *result, const char *key) {
  const json_t *value = json_object_get(result, key);
  return json_is_array(value) ? (int)json_array_size(value) : (int)json_integer_value(value);
}

/* What `assay devices` says was found for the device. */
static json_t *tuned_parameters(void) {
  json_t *listed = tool_json("devices --json --quiet --no-selftest"), *devices = json_object_get(listed, "devices"), *tuned = NULL;
  for (size_t i = 0; i < json_array_size(devices) && tuned == NULL; i++) {
    const json_t *one = json_array_get(devices, i);
    if (strcmp(json_string_value(json_object_get(one, "device")), "opencl") == 0 && json_is_true(json_object_get(one, "usable"))) tuned = json_incref(json_object_get(one, "tuned"));
  }
  json_decref(listed);
  ck_assert(json_is_object(tuned));
  return tuned;
}

/* The built-in kernels/NAME with a text in front, where ASSAY_KERNEL_PATH finds it. */
static void plant_kernel(const char *name, const char *before) {
  char command[2048], path[1024];
  const char *source = getenv("ASSAY_SOURCE");
  tool_write("kernels/before", "%s", before);
  snprintf(command, sizeof command, "cat kernels/before '%s/kernels/%s' > kernels/%s", source != NULL ? source : ".", name, name);
  ck_assert_int_eq(system(command), 0);
  ck_assert_ptr_nonnull(getcwd(path, sizeof path - 16));
  strcat(path, "/kernels");
  setenv("ASSAY_KERNEL_PATH", path, 1);
}

START_TEST(a_tuning_ends_and_is_used) {
  if (!enter()) return;
  json_t *first = tool_json("tune opencl --json --quiet --seed 2 --only matmul.16,gemm.64x64x64");
  ck_assert_int_eq(count_of(first, "parameters"), 2);
  ck_assert_int_eq(count_of(first, "known"), 0);
  ck_assert_str_eq(json_string_value(json_object_get(first, "file")), file);
  json_t *tuned = tuned_parameters();
  ck_assert_uint_eq(json_object_size(tuned), 2);
  for (size_t i = 0; i < 2; i++) {
    const char *parameter, *value, *note;
    ck_assert_int_eq(json_unpack(json_array_get(json_object_get(first, "parameters"), i), "{s:s,s:s,s:s}", "parameter", &parameter, "value", &value, "note", &note), 0);
    ck_assert_str_eq(json_string_value(json_object_get(tuned, parameter)), value);
    ck_assert_ptr_nonnull(strstr(note, "GFLOP/s"));
  }
  json_decref(tuned);
  json_decref(first);
  json_t *second = tool_json("tune opencl --json --quiet --only matmul.16,gemm.64x64x64");
  ck_assert_int_eq(count_of(second, "parameters"), 0);
  ck_assert_int_eq(count_of(second, "known"), 2);
  json_decref(second);
  /* A tile that no default has cannot be compiled: a run that takes it from the file fails, one without it does not. */
  plant_kernel("matmul.cl", "#if TILE_DEPTH == 32\n#error \"a tile of the file\"\n#endif\n");
  tool_expect(0, NULL, "selftest opencl --op matmul --mode test --quiet");
  tool_write(file, "%s\tmatmul.8\t32x64x32/8x16/16\tby hand\n", device);
  struct outcome outcome = tool_run("selftest opencl --op matmul --mode test --quiet --json");
  ck_assert_int_eq(outcome.code, 7);
  ck_assert_ptr_nonnull(strstr(outcome.results, "a tile of the file"));
  outcome_release(&outcome);
}
END_TEST

START_TEST(an_interrupted_tuning_goes_on) {
  if (!enter()) return;
  const char *tool = getenv("ASSAY_TOOL");
  const pid_t child = fork();
  if (child == 0) {
    execl(tool, tool, "tune", "opencl", "--quiet", "--only", "gemm", (char *)NULL);
    _exit(99);
  }
  for (int tenths = 0; access(file, R_OK) != 0 && tenths < 1000; tenths++) usleep(100000);
  kill(child, SIGINT);
  int state;
  ck_assert_int_eq(waitpid(child, &state, 0), child);
  json_t *tuned = tuned_parameters();
  const int before = (int)json_object_size(tuned);
  json_decref(tuned);
  ck_assert_int_ge(before, 1);
  ck_assert_int_lt(before, 27);
  json_t *result = tool_json("tune opencl --json --quiet --only gemm.64x64x64,gemm.64x64x256,gemm.256x64x64");
  ck_assert_int_ge(count_of(result, "known"), 1);
  ck_assert_int_eq(count_of(result, "known") + count_of(result, "parameters"), 3);
  json_decref(result);
  /* All over again when that is asked for. */
  result = tool_json("tune opencl --json --quiet --again --only gemm.64x64x64");
  ck_assert_int_eq(count_of(result, "parameters"), 1);
  json_decref(result);
}
END_TEST

START_TEST(what_is_wrong_in_the_file_is_measured_again) {
  if (!enter()) return;
  tool_write(file, "%s\tgemm.64x64x64\tnobody\tdamaged\n\x01\xff no line of ours\nsomebody's GPU, driver 1\tmatmul.16\t16x64x16/4x4/4\tforeign\n", device);
  tool_expect(0, "is not understood", "selftest opencl --op matmul --mode test");
  json_t *result = tool_json("tune opencl --json --quiet --only gemm.64x64x64");
  ck_assert_int_eq(count_of(result, "parameters"), 1);
  ck_assert_int_eq(count_of(result, "known"), 0);
  json_decref(result);
  ck_assert(tool_file_holds(file, "somebody's GPU, driver 1\tmatmul.16\t16x64x16/4x4/4\tforeign\n"));
  ck_assert(!tool_file_holds(file, "nobody"));
  json_t *tuned = tuned_parameters();
  ck_assert_uint_eq(json_object_size(tuned), 1);
  json_decref(tuned);
}
END_TEST

/* Two candidates that the compiler refuses, one that computes something else, and one that takes the process down. */
START_TEST(candidates_that_fail_are_left_out) {
  if (!enter()) return;
  plant_kernel("matmul.cl", "#if TILE_DEPTH == 32\n#error \"no\"\n#endif\n"
                            "#if TILE_COLUMNS == 128 && !defined TAIL\n#define TAIL_PARAMETERS , __global float *y\n#define TAIL(result, index, p0, p1, p2) y[index] = result + 0.01f\n#endif\n"
                            "#if VECTOR == 4 && !defined TAIL\n#define TAIL_PARAMETERS , __global float *y\n"
                            "#define TAIL(result, index, p0, p1, p2) y[index + ((size_t)1 << 44)] = result\n#endif\n");
  struct outcome outcome = tool_run("tune opencl --only matmul.32");
  ck_assert_msg(outcome.code == 0, "%s", outcome.talk);
  ck_assert_msg(strstr(outcome.results, "4 dropped") != NULL, "%s", outcome.results);
  ck_assert_msg(strstr(outcome.talk, "64x64x16/8x4/4 is left out, since the process that tried it ") != NULL, "%s", outcome.talk);
  outcome_release(&outcome);
  ck_assert(tool_file_holds(file, "\tmatmul.32 without\t64x64x16/8x4/4\t"));
  json_t *tuned = tuned_parameters();
  ck_assert_uint_eq(json_object_size(tuned), 1);
  json_decref(tuned);
  /* The line is remembered: nothing is said, and no process ends, the next time. */
  outcome = tool_run("tune opencl --again --only matmul.32");
  ck_assert_int_eq(outcome.code, 0);
  ck_assert_ptr_null(strstr(outcome.talk, "left out"));
  ck_assert_ptr_nonnull(strstr(outcome.results, "4 dropped"));
  outcome_release(&outcome);
}
END_TEST

START_TEST(wrong_use_is_refused) {
  tool_enter_folder();
  tool_expect(1, "has no parameters to tune", "tune reference");
  tool_expect(2, "limit", "tune opencl --limit 0");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("tune");
  TCase *tests = tcase_create("tune");
  tcase_set_timeout(tests, 300);
  tcase_add_test(tests, a_tuning_ends_and_is_used);
  tcase_add_test(tests, an_interrupted_tuning_goes_on);
  tcase_add_test(tests, what_is_wrong_in_the_file_is_measured_again);
  tcase_add_test(tests, candidates_that_fail_are_left_out);
  tcase_add_test(tests, wrong_use_is_refused);
  suite_add_tcase(suite, tests);
  return assay_run_suite(suite);
}
