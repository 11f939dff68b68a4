/* SPDX-License-Identifier: MIT
 *
 * What is installed stands on its own: headers that compile alone as C11 and C++, plugins built against them outside of the tree, found by name. It is installed once.
 */
#include "tool.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void shell(const char *command) {
  const int state = system(command);
  ck_assert_msg(WIFEXITED(state) && WEXITSTATUS(state) == 0, "failed: %s", command);
}

static void install(void) {
  tool_enter_folder();
  /* A shell of its own: make must not take this for one of its jobs. */
  shell("unset MAKEFLAGS MFLAGS MAKELEVEL; make -s -C \"$ASSAY_BUILD\" install DESTDIR=\"$PWD/root\" >install.log 2>&1 || { cat install.log >&2; exit 1; }");
  shell("test -n \"$(find root -name assay.pc)\" && test -n \"$(find root -name backend-reference.so)\" && test -z \"$(find root -name '*.la')\"");
}

START_TEST(headers_compile_alone) {
  shell("for header in $(find root -path '*include/assay/*.h'); do"
        "  include=$(dirname $(dirname $header));"
        "  ${CC:-cc} -std=c11 -Wall -Wextra -Werror -pedantic -I$include -fsyntax-only -x c $header || exit 1;"
        "  if command -v g++ >/dev/null; then g++ -std=c++17 -Wall -Wextra -Werror -Wno-missing-field-initializers -I$include -fsyntax-only -x c++ $header || exit 1; fi;"
        "done");
}
END_TEST

/* Builds an example into a folder of its own, `mine-NAME`; false without pkg-config. */
static bool build_example(const char *name) {
  char command[1024];
  if (system("command -v pkg-config >/dev/null") != 0) return false;
  snprintf(command, sizeof command,
           "cp -r \"$ASSAY_SOURCE/examples/%s\" mine-%s && chmod -R u+w mine-%s && rm -f mine-%s/*.so &&"
           " export PKG_CONFIG_SYSROOT_DIR=$PWD/root PKG_CONFIG_PATH=$(dirname $(find $PWD/root -name assay.pc)) &&"
           " unset MAKEFLAGS MFLAGS MAKELEVEL && make -s -C mine-%s CC=\"${CC:-cc}\" && test -n \"$(pkg-config --variable=plugindir assay)\"",
           name, name, name, name, name);
  shell(command);
  return true;
}

/* A stranger's backend computes what it should, and trains. */
START_TEST(a_backend_passes_the_suite) {
  if (!build_example("plugin-backend")) ASSAY_SKIP("no pkg-config");
  json_t *result = tool_json("selftest plain --json --quiet --plugin-path $PWD/mine-plugin-backend");
  const json_t *device = json_array_get(json_object_get(result, "devices"), 0);
  ck_assert_str_eq(json_string_value(json_object_get(device, "device")), "plain");
  ck_assert_int_eq(json_integer_value(json_object_get(device, "failed")), 0);
  ck_assert_int_gt(json_integer_value(json_object_get(device, "passed")), 500);
  json_decref(result);
  tool_write_images("pictures", 12);
  tool_write_ini("b.ini", "pictures", "");
  json_t *plain = tool_json("train b.ini --json --quiet -o plain --plugin-path $PWD/mine-plugin-backend -s backend.devices=plain");
  json_t *reference = tool_json("train b.ini --json --quiet -o reference -s backend.devices=reference");
  const double loss = json_number_value(json_object_get(json_object_get(reference, "test"), "loss"));
  ck_assert_double_eq_tol(json_number_value(json_object_get(json_object_get(plain, "test"), "loss")), loss, 1e-3 * loss + 1e-6);
  json_decref(plain);
  json_decref(reference);
}
END_TEST

START_TEST(a_plugin_builds_against_the_installed_package) {
  if (!build_example("plugin-metric")) ASSAY_SKIP("no pkg-config");
  tool_write_images("photos", 12);
  tool_write_ini("a.ini", "photos", "");
  json_t *result = tool_json("train a.ini --json --quiet --plugin-path $PWD/mine-plugin-metric -s search.objective=youden");
  const json_t *test = json_object_get(result, "test");
  ck_assert_str_eq(json_string_value(json_object_get(result, "objective")), "youden");
  /* Youden's J from the confusion matrix. */
  double counts[2][2];
  for (int label = 0; label < 2; label++)
    for (int guess = 0; guess < 2; guess++)
      counts[label][guess] = json_number_value(json_array_get(json_array_get(json_object_get(test, "confusion"), (size_t)label), (size_t)guess));
  const double expected = counts[1][1] / (counts[1][0] + counts[1][1]) + counts[0][0] / (counts[0][0] + counts[0][1]) - 1;
  ck_assert_double_eq_tol(json_number_value(json_object_get(test, "youden")), expected, 1e-12);
  json_decref(result);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("installed");
  TCase *tests = tcase_create("installed");
  tcase_set_timeout(tests, 300);
  tcase_add_unchecked_fixture(tests, install, NULL); /* once, for all tests */
  tcase_add_test(tests, headers_compile_alone);
  tcase_add_test(tests, a_backend_passes_the_suite);
  tcase_add_test(tests, a_plugin_builds_against_the_installed_package);
  suite_add_tcase(suite, tests);
  return assay_run_suite(suite);
}
