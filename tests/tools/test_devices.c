/* SPDX-License-Identifier: MIT
 *
 * Devices at work: one search over several of them, side by side in one study; a worker that is killed in the middle; a device that fails, is lost or hangs; too
 * little memory; and the curves of a training on OpenCL beside those on the reference.
 * The OpenCL device's faults are made by the layer tests/opencl/fault_layer.c; without an OpenCL device these tests are skipped.
 */
#include "tool.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TRIALS = 12 };

static const char *const ini = "[data]\npath = photos\nsize = 8x8\ncolour = grey\nfolds = 2\ntest = 0.25\npositive = right\n"
                               "[network]\nlayers = features, classifier\n[layer.features]\ntype = conv_blocks\nblocks = 1\nchannels = 2 ~ choice(2, 3)\n"
                               "[optimizer]\ntype = adam\nlearning_rate = 0.02 ~ log(0.005, 0.05)\n[train]\nepochs = 4\nbatch = 8\n"
                               "[search]\ntype = random\ntrials = %d\n[backend]\ndevices = %s\n";

/* A folder of images, a driver's cache that stays, and a layer that can make calls fail. False, with a message, where OpenCL cannot be used. */
static bool enter(const char *devices) {
  char path[1024];
  const char *cache = getenv("XDG_CACHE_HOME"), *build = getenv("ASSAY_BUILD");
  snprintf(path, sizeof path, "%s/pocl/kcache", cache != NULL ? cache : "/tmp");
  setenv("POCL_CACHE_DIR", path, 0);
  snprintf(path, sizeof path, "%s/tests/opencl/.libs/fault_layer.so", build != NULL ? build : ".");
  setenv("OPENCL_LAYERS", path, 1);
  tool_enter_folder();
  ck_assert_ptr_nonnull(getcwd(path, sizeof path - 16));
  strcat(path, "/table");
  setenv("ASSAY_FAULT_TABLE", path, 1);
  tool_write_images("photos", 16);
  tool_write("a.ini", ini, TRIALS, devices);
  struct outcome tried = tool_run("train a.ini -o tried -s backend.devices=opencl --quiet");
  const bool usable = tried.code == 0;
  if (!usable) fprintf(stderr, "skipped: %s\n", tried.talk);
  outcome_release(&tried);
  ck_assert_int_eq(unlink("table"), 0);
  return usable;
}

static void fail(const char *call, const char *from, const char *count, const char *error) {
  setenv("ASSAY_FAULT_CALL", call, 1);
  setenv("ASSAY_FAULT_FROM", from, 1);
  setenv("ASSAY_FAULT_COUNT", count, 1);
  setenv("ASSAY_FAULT_ERROR", error, 1);
}

static long long of_device(const json_t *run, const char *device, const char *key) {
  const json_t *value = json_object_get(json_object_get(json_object_get(run, "devices"), device), key);
  return json_is_boolean(value) ? json_is_true(value) : (long long)json_integer_value(value);
}

/* Every trial once, each complete and with the value that it has anywhere (the devices agree but for rounding). */
static void check_study(const char *path, int trials) {
  sqlite3 *database;
  sqlite3_stmt *statement;
  ck_assert_int_eq(sqlite3_open_v2(path, &database, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
  ck_assert_int_eq(sqlite3_prepare_v2(database,
                                      "SELECT COUNT(*), COUNT(DISTINCT number), MAX(number), SUM(state = 'COMPLETE'), (SELECT COUNT(*) FROM trial_values) FROM trials", -1,
                                      &statement, NULL),
                   SQLITE_OK);
  ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
  for (int column = 0; column < 5; column++) ck_assert_int_eq(sqlite3_column_int(statement, column), column == 2 ? trials - 1 : trials);
  sqlite3_finalize(statement);
  sqlite3_close(database);
}

/* Value and point of every trial are those of another study: a random search's points depend on the trials' numbers only, and devices agree but for rounding. */
static void check_same_trials(const char *path, const char *other) {
  sqlite3 *database;
  sqlite3_stmt *statement;
  ck_assert_int_eq(sqlite3_open_v2(path, &database, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
  ck_assert_int_eq(sqlite3_prepare_v2(database, "ATTACH ?1 AS other", -1, &statement, NULL), SQLITE_OK);
  sqlite3_bind_text(statement, 1, other, -1, SQLITE_STATIC);
  ck_assert_int_eq(sqlite3_step(statement), SQLITE_DONE);
  sqlite3_finalize(statement);
  ck_assert_int_eq(sqlite3_prepare_v2(database,
                                      "SELECT a.number, x.value, y.value, (SELECT COUNT(*) FROM main.trial_params p JOIN other.trial_params q USING (param_name, param_value) "
                                      "WHERE p.trial_id = a.trial_id AND q.trial_id = b.trial_id) FROM main.trials a JOIN other.trials b USING (number) "
                                      "JOIN main.trial_values x ON x.trial_id = a.trial_id JOIN other.trial_values y ON y.trial_id = b.trial_id", -1, &statement, NULL),
                   SQLITE_OK);
  int count = 0;
  for (; sqlite3_step(statement) == SQLITE_ROW; count++) {
    const double ours = sqlite3_column_double(statement, 1), theirs = sqlite3_column_double(statement, 2);
    ck_assert_msg(fabs(ours - theirs) <= 1e-2 * theirs + 1e-4, "trial %d: %g, elsewhere %g", sqlite3_column_int(statement, 0), ours, theirs);
    ck_assert_int_eq(sqlite3_column_int(statement, 3), 2); /* channels and rate */
  }
  ck_assert_int_eq(count, TRIALS);
  sqlite3_finalize(statement);
  sqlite3_close(database);
}

static json_t *search(const char *folder, const char *more) {
  json_t *run = tool_json("search a.ini -o %s --json --quiet %s", folder, more);
  char path[256];
  snprintf(path, sizeof path, "%s/study.db", folder);
  check_study(path, TRIALS);
  return run;
}

START_TEST(two_devices_share_one_search) {
  if (!enter("cpu, opencl")) return;
  json_t *run = search("both", ""), *alone = search("alone", "-s backend.devices=cpu");
  ck_assert_int_ge(of_device(run, "cpu", "trials"), 1);
  ck_assert_int_ge(of_device(run, "opencl", "trials"), 1);
  ck_assert_int_eq(of_device(run, "cpu", "trials") + of_device(run, "opencl", "trials"), TRIALS);
  ck_assert_int_eq(of_device(run, "opencl", "faults"), 0);
  /* The points of a random search depend on their numbers only, so both searches have the same best one. */
  const json_t *ours = json_object_get(run, "best"), *theirs = json_object_get(alone, "best");
  ck_assert_int_eq(json_integer_value(json_object_get(ours, "trial")), json_integer_value(json_object_get(theirs, "trial")));
  ck_assert_double_eq_tol(json_number_value(json_object_get(ours, "value")), json_number_value(json_object_get(theirs, "value")), 1e-3);
  json_decref(run);
  json_decref(alone);
  struct outcome report = tool_run("report both");
  ck_assert_msg(strstr(report.results, " on cpu, ") != NULL && strstr(report.results, " on opencl, ") != NULL, "%s", report.results);
  outcome_release(&report);
}
END_TEST

/* The process whose command line ends in `tail`, words parted by blanks; 0: there is none. */
static pid_t process_of(const char *tail) {
  pid_t found = 0;
  DIR *processes = opendir("/proc");
  ck_assert_ptr_nonnull(processes);
  for (struct dirent *entry; (entry = readdir(processes)) != NULL;) {
    char path[300], line[2048];
    snprintf(path, sizeof path, "/proc/%s/cmdline", entry->d_name);
    FILE *file = atoi(entry->d_name) > 0 ? fopen(path, "r") : NULL;
    if (file == NULL) continue;
    const size_t length = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[length] = '\0';
    for (size_t i = 0; i + 1 < length; i++)
      if (line[i] == '\0') line[i] = ' ';
    if (length > strlen(tail) && strcmp(line + strlen(line) - strlen(tail), tail) == 0) found = (pid_t)atoi(entry->d_name);
  }
  closedir(processes);
  return found;
}

/* Does a worker on OpenCL hold a trial? */
static bool has_begun(const char *study) {
  sqlite3 *database;
  sqlite3_stmt *statement;
  bool begun = false;
  if (sqlite3_open_v2(study, &database, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
      sqlite3_prepare_v2(database, "SELECT COUNT(*) FROM assay_leases", -1, &statement, NULL) == SQLITE_OK) {
    begun = sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_int(statement, 0) == 2;
    sqlite3_finalize(statement);
  }
  sqlite3_close(database);
  return begun;
}

START_TEST(a_killed_worker_loses_nothing) {
  if (!enter("cpu, opencl")) return;
  char folder[64], study[96], tail[128]; /* a name that no other test has at this moment */
  snprintf(folder, sizeof folder, "killed-%d", (int)getpid());
  snprintf(study, sizeof study, "%s/study.db", folder);
  snprintf(tail, sizeof tail, "worker %s search opencl 2 --quiet", folder);
  const pid_t parent = fork();
  if (parent == 0) {
    const int results = open("results", O_WRONLY | O_CREAT, 0666), talk = open("talk", O_WRONLY | O_CREAT, 0666);
    dup2(results, 1);
    dup2(talk, 2);
    execl(getenv("ASSAY_TOOL"), "assay", "search", "a.ini", "-o", folder, "--json", "--quiet", "-s", "train.epochs=60", "-s", "train.patience=0", (char *)NULL);
    _exit(127);
  }
  const struct timespec pause = {.tv_nsec = 50000000};
  for (int i = 0; i < 1200 && !has_begun(study); i++) nanosleep(&pause, NULL);
  const pid_t worker = process_of(tail);
  ck_assert_int_gt(worker, 0);
  kill(worker, SIGKILL);
  int state;
  waitpid(parent, &state, 0);
  ck_assert_msg(WIFEXITED(state) && WEXITSTATUS(state) == 0, "the search ended with %d", state);
  check_study(study, TRIALS);
  json_t *run = json_load_file("results", 0, NULL);
  ck_assert_int_eq(of_device(run, "opencl", "faults"), 1);
  ck_assert_int_eq(of_device(run, "cpu", "trials") + of_device(run, "opencl", "trials"), TRIALS);
  ck_assert(tool_file_holds("talk", "opencl: its worker was ended by signal 9"));
  json_decref(run);
  /* Each trial has what a search without a fault gives it, and left its files. */
  json_decref(search("undisturbed", "-s backend.devices=cpu -s train.epochs=60 -s train.patience=0"));
  check_same_trials(study, "undisturbed/study.db");
  for (int trial = 0; trial < TRIALS; trial++) {
    char path[128];
    snprintf(path, sizeof path, "%s/trials/%d/predictions.csv", folder, trial);
    ck_assert_msg(access(path, R_OK) == 0, "%s is missing", path);
  }
}
END_TEST

START_TEST(a_device_that_fails_once_goes_on) {
  if (!enter("opencl")) return;
  json_t *sound = search("sound", "");
  unlink("table");
  fail("clEnqueueNDRangeKernel", "700", "1", "-5");
  json_t *run = search("once", "");
  ck_assert_int_eq(of_device(run, "opencl", "faults"), 1);
  ck_assert_int_eq(of_device(run, "opencl", "left_alone"), 0);
  ck_assert(json_equal(json_object_get(sound, "best"), json_object_get(run, "best")));
  ck_assert(json_equal(json_object_get(sound, "test"), json_object_get(run, "test")));
  ck_assert(tool_file_holds(".talk", "clEnqueueNDRangeKernel"));
  json_decref(sound);
  json_decref(run);
}
END_TEST

/* Faults in a study, and how often a device was left alone then. */
static void count_faults(const char *path, int *faults, int *left_alone) {
  sqlite3 *database;
  sqlite3_stmt *statement;
  ck_assert_int_eq(sqlite3_open_v2(path, &database, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
  ck_assert_int_eq(sqlite3_prepare_v2(database, "SELECT COUNT(*), TOTAL(left_alone) FROM assay_faults WHERE device = 'opencl'", -1, &statement, NULL), SQLITE_OK);
  ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
  *faults = sqlite3_column_int(statement, 0);
  *left_alone = sqlite3_column_int(statement, 1);
  sqlite3_finalize(statement);
  sqlite3_close(database);
}

/* How often it fails before the other device has done everything depends on their speeds. */
START_TEST(a_lost_device_is_left_alone) {
  int faults, left_alone;
  if (!enter("reference, opencl")) return;
  fail("clEnqueueNDRangeKernel", "200", "1000000000", "-36");
  json_t *run = search("lost", "-s train.epochs=20");
  count_faults("lost/study.db", &faults, &left_alone);
  ck_assert(faults >= 1 && faults <= 3);
  ck_assert_int_eq(left_alone, faults == 3);
  ck_assert_int_eq(of_device(run, "opencl", "faults"), faults);
  ck_assert_int_eq(of_device(run, "opencl", "left_alone"), left_alone);
  ck_assert_int_eq(of_device(run, "reference", "trials") + of_device(run, "opencl", "trials"), TRIALS);
  json_decref(run);
  struct outcome report = tool_run("report lost");
  ck_assert_msg(strstr(report.results, "  opencl failed ") != NULL && strstr(report.results, "CL_INVALID_COMMAND_QUEUE") != NULL, "%s", report.results);
  outcome_release(&report);
  /* Alone it fails three times, which ends the run, and nothing is lost. */
  unlink("table");
  struct outcome outcome = tool_run("search a.ini -o alone -s backend.devices=opencl --quiet");
  ck_assert_int_eq(outcome.code, 4);
  ck_assert_msg(strstr(outcome.talk, "clEnqueueNDRangeKernel") != NULL && strstr(outcome.talk, "no device is left") != NULL, "%s", outcome.talk);
  ck_assert(strstr(outcome.talk, "the device is left alone from now on") != NULL);
  outcome_release(&outcome);
  count_faults("alone/study.db", &faults, &left_alone);
  ck_assert_int_eq(faults, 3);
  ck_assert_int_eq(left_alone, 1);
}
END_TEST

START_TEST(a_device_that_hangs_is_ended) {
  if (!enter("opencl")) return;
  fail("clWaitForEvents", "200", "1", "0");
  json_t *run = search("hung", "-s backend.timeout=2");
  ck_assert_int_eq(of_device(run, "opencl", "faults"), 1);
  ck_assert(tool_file_holds(".talk", "clWaitForEvents has not come back"));
  json_decref(run);
}
END_TEST

/* The first run of a model says how far it is with compiling, unless that is quick; the second compiles nothing. */
START_TEST(a_first_run_says_how_far_it_is) {
  enum { QUICK = 8 }; /* seconds, within which it may be silent */
  char path[1024];
  if (!enter("opencl")) return;
  ck_assert_ptr_nonnull(getcwd(path, sizeof path - 16));
  strcat(path, "/empty");
  setenv("XDG_CACHE_HOME", path, 1);
  setenv("POCL_CACHE_DIR", path, 1);
  setenv("ASSAY_DEBUG", "1", 1);
  ck_assert_int_eq(mkdir(path, 0777), 0);
  const time_t began = time(NULL);
  static const char command[] = "predict tried/model.safetensors photos -s backend.devices=opencl"; /* a training takes the driver half a minute */
  struct outcome cold = tool_run("%s", command), warm = tool_run("%s", command);
  const double seconds = difftime(time(NULL), began);
  ck_assert_msg(cold.code == 0 && warm.code == 0, "%s%s", cold.talk, warm.talk);
  const char *told = strstr(cold.talk, "sees this network for the first time: ");
  unsigned compiled = 0, most = 0;
  ck_assert_msg(told != NULL || seconds < QUICK, "%s", cold.talk);
  if (told != NULL) ck_assert_int_eq(sscanf(told, "sees this network for the first time: %u kernels compiled, of %u at most", &compiled, &most), 2);
  ck_assert_uint_le(compiled, most);
  ck_assert_ptr_nonnull(strstr(cold.talk, "opencl: compiling "));
  ck_assert_ptr_null(strstr(warm.talk, "sees this network for the first time"));
  ck_assert_ptr_null(strstr(warm.talk, "opencl: compiling "));
  outcome_release(&cold);
  outcome_release(&warm);
}
END_TEST

/* Wherever a driver hangs, in a worker or in the command's own process, there is an end within the time, and the call has a name. */
START_TEST(a_hang_has_an_end_everywhere) {
  static const struct {
    const char *call, *words;
  } hangs[] = {{"clCreateContext", "OpenCL: opening a device"}, {"clBuildProgram", "clBuildProgram"},          {"clCreateKernel", "clCreateKernel"},
               {"clCreateBuffer", "clCreateBuffer"},            {"clEnqueueNDRangeKernel", "clEnqueueNDRangeKernel"}, {"clEnqueueReadBuffer", "clEnqueueReadBuffer"}};
  char words[128];
  if (!enter("opencl")) return;
  tool_expect(0, NULL, "predict tried/model.safetensors photos -s backend.devices=opencl --quiet"); /* all kernels are in the cache */
  for (size_t i = 0; i < sizeof hangs / sizeof *hangs; i++) {
    unlink("table");
    fail(hangs[i].call, "1", "1", "0");
    snprintf(words, sizeof words, "%s has not come back for", hangs[i].words);
    tool_expect(4, words, "predict tried/model.safetensors photos -s backend.devices=opencl -s backend.timeout=1 --quiet");
  }
  static const char *const others[] = {"eval tried/model.safetensors photos", "explain tried/model.safetensors photos/left/000.pgm -o heat", "check a.ini --overfit"};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    unlink("table");
    fail("clBuildProgram", "1", "1", "0");
    tool_expect(4, "clBuildProgram has not come back for", "%s -s backend.devices=opencl -s backend.timeout=1", others[i]);
  }
  unlink("table");
  fail("clBuildProgram", "1", "1", "0");
  struct outcome outcome = tool_run("eval tried/model.safetensors photos --json -s backend.devices=opencl -s backend.timeout=1");
  json_t *object = json_loads(outcome.results, 0, NULL);
  ck_assert_int_eq(outcome.code, 4);
  ck_assert_msg(json_integer_value(json_object_get(json_object_get(object, "error"), "code")) == 4, "%s", outcome.results);
  json_decref(object);
  outcome_release(&outcome);
  /* A worker that hangs while it compiles is replaced. */
  unlink("table");
  tool_expect(0, "clBuildProgram has not come back for", "train a.ini -o again -s backend.timeout=1");
}
END_TEST

/* A trial for which there is no memory fails by itself, and the search goes on; predictions take what there is. */
START_TEST(a_trial_without_memory_is_only_a_trial) {
  tool_enter_folder();
  tool_write_images("photos", 16);
  tool_write("a.ini", ini, TRIALS, "reference");
  json_t *run = tool_json("search a.ini -o short --json --quiet -s 'layer.features.channels=2 ~ choice(2, 2000)' -s backend.memory=1");
  const json_t *counts = json_object_get(run, "counts");
  ck_assert_int_gt(json_integer_value(json_object_get(counts, "failed")), 0);
  ck_assert_int_gt(json_integer_value(json_object_get(counts, "complete")), 0);
  ck_assert_int_eq(json_integer_value(json_object_get(run, "trials")), TRIALS);
  const char *reason = json_string_value(json_object_get(json_array_get(json_object_get(run, "failures"), 0), "reason"));
  ck_assert_msg(reason != NULL && strstr(reason, "even one image at a time is too much") != NULL, "%s", reason);
  json_decref(run);
  /* Predictions take fewer images at a time. */
  struct outcome all = tool_run("predict short/model.safetensors photos -s backend.devices=reference --quiet");
  struct outcome few = tool_run("predict short/model.safetensors photos -s backend.devices=reference -s backend.memory=0.05 --quiet");
  ck_assert_msg(all.code == 0 && few.code == 0, "%s%s", all.talk, few.talk);
  ck_assert_str_eq(all.results, few.results);
  outcome_release(&all);
  outcome_release(&few);
  tool_expect(4, "MiB are needed", "predict short/model.safetensors photos -s backend.devices=reference -s backend.memory=0.0001 --quiet");
}
END_TEST

/* Columns of a curve: repeat,fold,epoch,stage,training_loss,training_accuracy,validation_loss,… */
enum { EPOCHS = 4 };
static void read_losses(const char *path, double losses[EPOCHS][2]) {
  FILE *file = fopen(path, "r");
  char line[1024];
  ck_assert_msg(file != NULL && fgets(line, sizeof line, file) != NULL, "%s cannot be read", path);
  ck_assert_msg(strncmp(line, "repeat,fold,epoch,stage,training_loss,training_accuracy,validation_loss,", 72) == 0, "%s", line);
  for (int epoch = 0; epoch < EPOCHS; epoch++) {
    ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
    ck_assert_int_eq(sscanf(line, "%*[^,],%*[^,],%*[^,],%*[^,],%lf,%*[^,],%lf", &losses[epoch][0], &losses[epoch][1]), 2);
  }
  fclose(file);
}

/* The student's network at its defaults, without dropout: two blocks of 16 and 32 channels, Adam. Rounding grows with every step, so the bound does too. */
START_TEST(opencl_has_the_curves_of_the_reference) {
  if (!enter("opencl")) return;
  tool_write("b.ini", "[data]\npath = photos\nsize = 20x12\nfolds = 1\ntest = none\n[network]\nlayers = features, classifier\n[layer.features]\ntype = conv_blocks\n"
                      "[optimizer]\ntype = adam\n[train]\nepochs = %d\npatience = 0\nbatch = 8\n", EPOCHS);
  tool_expect(0, NULL, "train b.ini -o oracle -s backend.devices=reference --quiet");
  tool_expect(0, NULL, "train b.ini -o tested -s backend.devices=opencl --quiet");
  double right[EPOCHS][2], ours[EPOCHS][2];
  read_losses("oracle/trials/0/curves.csv", right);
  read_losses("tested/trials/0/curves.csv", ours);
  for (int epoch = 0; epoch < EPOCHS; epoch++)
    for (int part = 0; part < 2; part++)
      ck_assert_msg(fabs(ours[epoch][part] - right[epoch][part]) <= 2e-5 * (epoch + 1) * right[epoch][part], "epoch %d: %s loss %.9g is not %.9g", epoch + 1,
                    part == 0 ? "training" : "validation", ours[epoch][part], right[epoch][part]);
  ck_assert_double_lt(right[EPOCHS - 1][0], right[0][0]); /* there is something to compare: it learns */
}
END_TEST

int main(void) {
  Suite *suite = suite_create("devices");
  TCase *tests = tcase_create("devices");
  tcase_set_timeout(tests, 120);
  tcase_add_test(tests, two_devices_share_one_search);
  tcase_add_test(tests, a_killed_worker_loses_nothing);
  tcase_add_test(tests, a_device_that_fails_once_goes_on);
  tcase_add_test(tests, a_lost_device_is_left_alone);
  tcase_add_test(tests, a_device_that_hangs_is_ended);
  tcase_add_test(tests, a_first_run_says_how_far_it_is);
  tcase_add_test(tests, a_hang_has_an_end_everywhere);
  tcase_add_test(tests, a_trial_without_memory_is_only_a_trial);
  tcase_add_test(tests, opencl_has_the_curves_of_the_reference);
  suite_add_tcase(suite, tests);
  return assay_run_suite(suite);
}
