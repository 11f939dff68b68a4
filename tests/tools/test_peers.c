/* SPDX-License-Identifier: MIT
 *
 * What a run leaves, read by the programs that people have: scikit-learn computes every metric again from predictions.csv, and Optuna opens the study. ASSAY_PEERS_PYTHON
 * names a Python that has them; python3 otherwise. Skipped where they are missing.
 */
#include "tool.h"

#include <math.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *python(void) {
  const char *named = getenv("ASSAY_PEERS_PYTHON");
  return named != NULL ? named : "python3";
}

static bool has_module(const char *name) {
  char command[512];
  snprintf(command, sizeof command, "'%s' -c 'import %s' >/dev/null 2>&1", python(), name);
  return system(command) == 0;
}

static void write_classes(int classes) {
  static const char *const names[] = {"left", "right", "dim"};
  char path[64];
  for (int c = 0; c < classes; c++) {
    for (int i = 0; i < 24; i++) {
      snprintf(path, sizeof path, "photos/%s/%02d.pgm", names[c], i);
      tool_write_image(path, c, (uint32_t)(i * classes + c));
    }
  }
}

/* One short training, so that there are wrong predictions. */
static void compare(int classes, const char *positive) {
  char command[1024];
  tool_enter_folder();
  write_classes(classes);
  tool_write_ini("a.ini", "photos", "");
  json_t *result = tool_json("train a.ini --json --quiet -s train.epochs=1 -s data.positive=%s", positive);
  for (int part = 0; part < 2; part++) {
    const char *name = part == 0 ? "validation" : "test";
    snprintf(command, sizeof command, "'%s' '%s/tests/tools/recompute.py' runs/a/predictions.csv %s %s > recomputed.json", python(), getenv("ASSAY_SOURCE"), name, positive);
    ck_assert_int_eq(system(command), 0);
    json_t *recomputed = json_load_file("recomputed.json", 0, NULL), *value;
    ck_assert(json_is_object(recomputed));
    const char *metric;
    int compared = 0;
    json_object_foreach(recomputed, metric, value) {
      const json_t *ours = json_object_get(json_object_get(result, name), metric);
      ck_assert_msg(json_is_number(ours), "%s is missing", metric);
      ck_assert_msg(fabs(json_number_value(ours) - json_number_value(value)) <= 1e-9, "%s of %s: %.17g, scikit-learn says %.17g", metric, name, json_number_value(ours), json_number_value(value));
      compared++;
    }
    ck_assert_int_eq(compared, positive[0] != '\0' ? 17 : 10);
    json_decref(recomputed);
  }
  json_decref(result);
}

START_TEST(scikit_learn_agrees_on_two_classes) {
  if (!has_module("sklearn")) ASSAY_SKIP("no scikit-learn for %s", python());
  compare(2, "right");
}
END_TEST

START_TEST(scikit_learn_agrees_on_three_classes) {
  if (!has_module("sklearn")) ASSAY_SKIP("no scikit-learn for %s", python());
  compare(3, "");
}
END_TEST

START_TEST(optuna_opens_the_study) {
  if (!has_module("optuna")) ASSAY_SKIP("no optuna for %s", python());
  tool_enter_folder();
  tool_write_images("photos", 12);
  tool_write_ini("a.ini", "photos", "");
  json_t *result = tool_json("search a.ini --json --quiet");
  tool_write("open.py", "import optuna\n"
                        "study = optuna.load_study(study_name='a', storage='sqlite:///runs/a/study.db')\n"
                        "print(len(study.trials), study.best_trial.number, repr(study.best_value))\n");
  char command[512], line[256] = "";
  snprintf(command, sizeof command, "'%s' open.py 2>open.log", python());
  FILE *output = popen(command, "r");
  ck_assert_ptr_nonnull(fgets(line, sizeof line, output));
  pclose(output);
  int trials = 0, best = -1;
  double value = 0;
  ck_assert_int_eq(sscanf(line, "%d %d %lf", &trials, &best, &value), 3);
  ck_assert_int_eq(trials, (int)json_integer_value(json_object_get(result, "trials")));
  ck_assert_int_eq(best, (int)json_integer_value(json_object_get(json_object_get(result, "best"), "trial")));
  ck_assert_double_eq(value, json_number_value(json_object_get(json_object_get(result, "best"), "value")));
  json_decref(result);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("peers");
  TCase *tests = tcase_create("peers");
  tcase_set_timeout(tests, 120);
  tcase_add_test(tests, scikit_learn_agrees_on_two_classes);
  tcase_add_test(tests, scikit_learn_agrees_on_three_classes);
  tcase_add_test(tests, optuna_opens_the_study);
  suite_add_tcase(suite, tests);
  return assay_run_suite(suite);
}
