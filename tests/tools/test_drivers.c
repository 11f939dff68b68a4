/* SPDX-License-Identifier: MIT
 *
 * ICD files of every kind of badness: what works is listed, what does not is named with its fault, and a training on the driver that works, or on cpu where there is none,
 * goes on as if nothing was there. PoCL is the driver that works.
 */
#include "tool.h"

#include <string.h>
#include <unistd.h>

static const char pocl[] = "/etc/OpenCL/vendors/pocl.icd", oclgrind[] = "/usr/lib/oclgrind/liboclgrind-rt-icd.so";

/* A folder of ICD files that OpenCL is shown, with PoCL's in it. False where there is no PoCL. */
static bool enter(bool with_pocl) {
  tool_enter_folder();
  if (access(pocl, R_OK) != 0) return false;
  ck_assert_int_eq(system("mkdir vendors cache"), 0);
  if (with_pocl) ck_assert_int_eq(symlink(pocl, "vendors/pocl.icd"), 0);
  char folder[4096], path[4200];
  const char *cache = getenv("XDG_CACHE_HOME");
  snprintf(path, sizeof path, "%s/pocl/kcache", cache != NULL ? cache : "/tmp");
  setenv("POCL_CACHE_DIR", path, 0); /* what the driver has compiled may stay */
  ck_assert_ptr_nonnull(getcwd(folder, sizeof folder));
  snprintf(path, sizeof path, "%s/vendors", folder);
  setenv("OCL_ICD_VENDORS", path, 1);
  snprintf(path, sizeof path, "%s/cache", folder);
  setenv("XDG_CACHE_HOME", path, 1); /* verdicts are remembered */
  return true;
}

#define ENTER(with_pocl)                                                                                                                                       \
  if (!enter(with_pocl)) ASSAY_SKIP("no PoCL here (Debian: pocl-opencl-icd)")

static json_t *list_devices(void) { return tool_json("devices --json --quiet --no-selftest"); }

/* How many devices of opencl can be used. */
static int count_usable(const json_t *result) {
  const json_t *devices = json_object_get(result, "devices");
  int count = 0;
  for (size_t i = 0; i < json_array_size(devices); i++) {
    const json_t *device = json_array_get(devices, i);
    count += strncmp(json_string_value(json_object_get(device, "device")), "opencl", 6) == 0 && json_is_true(json_object_get(device, "usable"));
  }
  return count;
}

static bool has_problem(const json_t *result, const char *words) {
  const json_t *devices = json_object_get(result, "devices");
  for (size_t i = 0; i < json_array_size(devices); i++) {
    const char *problem = json_string_value(json_object_get(json_array_get(devices, i), "problem"));
    if (problem != NULL && strstr(problem, words) != NULL) return true;
  }
  return false;
}

static void expect(int usable, const char *problem, const char *file) {
  json_t *result = list_devices();
  char *text = json_dumps(result, 0);
  ck_assert_msg(count_usable(result) == usable, "%d expected: %s", usable, text);
  if (problem != NULL) ck_assert_msg(has_problem(result, problem), "no '%s' in %s", problem, text);
  if (file != NULL) ck_assert_msg(has_problem(result, file), "no '%s' in %s", file, text);
  free(text);
  json_decref(result);
}

/* A device by its name, or by a part of what it is called. Its worker has no fault. */
static void train_on(const char *device) {
  tool_write_images("photos", 6);
  tool_write_ini("a.ini", "photos", "");
  json_t *run = tool_json("train a.ini --json --quiet -s 'backend.devices=%s' -s train.epochs=1", device);
  const char *name;
  json_t *did;
  size_t count = 0;
  json_object_foreach(json_object_get(run, "devices"), name, did) {
    ck_assert_int_eq(json_integer_value(json_object_get(did, "trials")), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(did, "faults")), 0);
    count++;
  }
  ck_assert_uint_eq(count, 1);
  json_decref(run);
  tool_expect(0, NULL, "predict runs/a/model.safetensors photos -s 'backend.devices=%s' --quiet", device);
}

START_TEST(no_driver) {
  ENTER(false);
  expect(0, "no OpenCL platform is installed", NULL);
  train_on("cpu");
  tool_expect(4, "no OpenCL platform is installed", "train a.ini -o none --quiet -s backend.devices=opencl");
}
END_TEST

START_TEST(missing_library) {
  ENTER(true);
  tool_write("vendors/missing.icd", "libnothing_of_that_name.so\n");
  expect(1, "cannot open shared object file", "missing.icd");
  train_on("opencl");
}
END_TEST

START_TEST(no_elf_file) {
  ENTER(true);
  tool_write("vendors/text.so", "this is no library, but long enough to be taken for one at first sight\n");
  ck_assert_int_eq(system("echo $PWD/vendors/text.so >vendors/text.icd"), 0);
  expect(1, "invalid ELF header", "text.icd");
  train_on("opencl");
}
END_TEST

START_TEST(empty_file) {
  ENTER(true);
  tool_write("vendors/empty.icd", "%s", "");
  expect(1, "is empty", "empty.icd");
  train_on("opencl");
}
END_TEST

START_TEST(no_driver_at_all) {
  ENTER(true);
  tool_write("vendors/other.icd", "libm.so.6\n");
  expect(1, "no OpenCL driver", "other.icd");
  train_on("opencl");
}
END_TEST

/* The harmful ones: PoCL is still listed and can be used, also by its name, and the second time nothing is tried. */
static void harmful(const char *name, const char *problem) {
  tool_write("vendors/harm.icd", "%s/driver-%s.so\n", MODULES, name);
  expect(1, problem, "harm.icd");
  train_on("opencl");
  tool_expect(0, "is left alone", "selftest opencl:0 --op relu --mode test");
}

START_TEST(crashes_while_loaded) {
  ENTER(true);
  harmful("crashes", "was ended by signal 6");
}
END_TEST

START_TEST(ends_the_process) {
  ENTER(true);
  harmful("exits", "ended with code 0");
}
END_TEST

START_TEST(hangs_while_loaded) {
  ENTER(true);
  setenv("ASSAY_DRIVER_SECONDS", "8", 1);
  harmful("hangs", "did not end within its time");
}
END_TEST

START_TEST(two_harmful_beside_two_that_work) {
  ENTER(true);
  if (access(oclgrind, R_OK) != 0) ASSAY_SKIP("no Oclgrind here (Debian: oclgrind)");
  tool_write("vendors/oclgrind.icd", "%s\n", oclgrind);
  tool_write("vendors/a.icd", "%s/driver-crashes.so\n", MODULES);
  tool_write("vendors/z.icd", "%s/driver-exits.so\n", MODULES);
  expect(2, "was ended by signal 6", "z.icd");
  train_on("pthread"); /* as PoCL calls the processor */
}
END_TEST

START_TEST(registered_twice) {
  ENTER(true);
  ck_assert_int_eq(symlink(pocl, "vendors/again.icd"), 0);
  expect(1, NULL, NULL);
  train_on("opencl");
}
END_TEST

START_TEST(two_vendors) {
  ENTER(true);
  if (access(oclgrind, R_OK) != 0) ASSAY_SKIP("no Oclgrind here (Debian: oclgrind)");
  tool_write("vendors/oclgrind.icd", "%s\n", oclgrind);
  expect(2, NULL, NULL);
  json_t *result = list_devices();
  const json_t *devices = json_object_get(result, "devices");
  for (size_t i = 0; i < json_array_size(devices); i++) {
    const json_t *device = json_array_get(devices, i);
    if (strncmp(json_string_value(json_object_get(device, "device")), "opencl", 6) != 0) continue;
    ck_assert_str_ne(json_string_value(json_object_get(device, "vendor")), "");
    ck_assert_int_gt((int)json_array_size(json_object_get(device, "extensions")), 0);
    ck_assert_int_gt((int)json_array_size(json_object_get(device, "precisions")), 0);
  }
  json_decref(result);
  train_on("pthread");
}
END_TEST

START_TEST(the_self_test_is_told) {
  ENTER(false);
  json_t *result = tool_json("devices --json --quiet");
  const json_t *test = json_object_get(json_array_get(json_object_get(result, "devices"), 0), "selftest");
  ck_assert_int_gt(json_integer_value(json_object_get(test, "passed")), 10);
  ck_assert_int_eq(json_integer_value(json_object_get(test, "failed")), 0);
  json_decref(result);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("drivers");
  TCase *tests = tcase_create("drivers");
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, no_driver);
  tcase_add_test(tests, missing_library);
  tcase_add_test(tests, no_elf_file);
  tcase_add_test(tests, empty_file);
  tcase_add_test(tests, no_driver_at_all);
  tcase_add_test(tests, crashes_while_loaded);
  tcase_add_test(tests, ends_the_process);
  tcase_add_test(tests, hangs_while_loaded);
  tcase_add_test(tests, two_harmful_beside_two_that_work);
  tcase_add_test(tests, registered_twice);
  tcase_add_test(tests, two_vendors);
  tcase_add_test(tests, the_self_test_is_told);
  suite_add_tcase(suite, tests);
  return assay_run_suite(suite);
}
