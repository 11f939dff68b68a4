/* SPDX-License-Identifier: MIT
 *
 * kill -9 at random moments, of a worker or of the whole search: no finished trial is lost or doubled, and the search that goes on ends where an
 * undisturbed one ends. ASSAY_KILLS says how many kills (`make check-full`: 50).
 */
#include "tool.h"

#include <assay/random.h>
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_TRIALS = 64 };

/* The values of finished trials by number; NaN: not finished. */
static void read_finished(const char *path, double values[MOST_TRIALS]) {
  for (int i = 0; i < MOST_TRIALS; i++) values[i] = NAN;
  sqlite3 *database;
  sqlite3_stmt *statement;
  if (sqlite3_open_v2(path, &database, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK) {
    sqlite3_busy_timeout(database, 5000);
    if (sqlite3_prepare_v2(database, "SELECT number, value FROM trials JOIN trial_values USING (trial_id) WHERE state = 'COMPLETE'", -1, &statement, NULL) == SQLITE_OK) {
      while (sqlite3_step(statement) == SQLITE_ROW) {
        const int number = sqlite3_column_int(statement, 0);
        ck_assert_int_lt(number, MOST_TRIALS);
        ck_assert_msg(isnan(values[number]), "trial %d is there twice", number);
        values[number] = sqlite3_column_double(statement, 1);
      }
      sqlite3_finalize(statement);
    }
  }
  sqlite3_close(database);
}

static void check_nothing_lost(const double before[MOST_TRIALS], const double now[MOST_TRIALS]) {
  for (int i = 0; i < MOST_TRIALS; i++)
    if (!isnan(before[i])) ck_assert_msg(now[i] == before[i], "trial %d was %.17g and is now %.17g", i, before[i], now[i]);
}

static pid_t start_search(void) {
  const pid_t process = fork();
  ck_assert_int_ge(process, 0);
  if (process != 0) return process;
  setpgid(0, 0);
  const int nowhere = open("/dev/null", O_RDWR);
  dup2(nowhere, 0);
  dup2(nowhere, 1);
  dup2(nowhere, 2);
  execl(getenv("ASSAY_TOOL"), "assay", "search", "a.ini", "-o", "killed", "--quiet", (char *)NULL);
  _exit(127);
}

static bool has_ended(pid_t process, int *state) { return waitpid(process, state, WNOHANG) == process; }

/* The parent's children, by /proc. */
static void kill_workers_of(pid_t parent) {
  DIR *processes = opendir("/proc");
  ck_assert_ptr_nonnull(processes);
  for (struct dirent *entry; (entry = readdir(processes)) != NULL;) {
    char path[300], line[512];
    snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
    FILE *file = atoi(entry->d_name) > 0 ? fopen(path, "r") : NULL;
    if (file == NULL) continue;
    int of = 0;
    const char *behind_name = fgets(line, sizeof line, file) != NULL ? strrchr(line, ')') : NULL;
    if (behind_name != NULL && sscanf(behind_name, ") %*c %d", &of) == 1 && of == (int)parent) kill((pid_t)atoi(entry->d_name), SIGKILL);
    fclose(file);
  }
  closedir(processes);
}

START_TEST(killed_searches_end_like_undisturbed_ones) {
  const char *wanted = getenv("ASSAY_KILLS");
  const int kills = wanted != NULL ? atoi(wanted) : 8;
  tool_enter_folder();
  tool_write_images("photos", 16);
  const int trials = 12;
  tool_write("a.ini",
             "[data]\npath = photos\nsize = 8x8\ncolour = grey\nfolds = 2\ntest = 0.25\n[network]\nlayers = features, classifier\n"
             "[layer.features]\ntype = conv_blocks\nblocks = 1\nchannels = 4 ~ choice(2, 4, 8)\n[optimizer]\ntype = adam\nlearning_rate = 0.02 ~ log(0.005, 0.05)\n"
             "[train]\nepochs = 6\nbatch = 4\n[search]\ntype = tpe\ntrials = %d\n[backend]\ndevices = reference\n",
             trials);
  struct timespec begin, end;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  json_t *undisturbed = tool_json("search a.ini -o whole --json --quiet");
  clock_gettime(CLOCK_MONOTONIC, &end);
  const double seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) * 1e-9;

  struct assay_random random = assay_random_seed(20, 7);
  double before[MOST_TRIALS], now[MOST_TRIALS];
  read_finished("killed/study.db", before);
  for (int i = 0; i < kills; i++) {
    const pid_t process = start_search();
    /* Somewhere within a third of what a whole search takes. */
    const double wait = assay_random_uniform(&random) * seconds / 3;
    nanosleep(&(struct timespec){.tv_sec = (time_t)wait, .tv_nsec = (long)(fmod(wait, 1) * 1e9)}, NULL);
    int state = 0;
    const bool only_worker = assay_random_below(&random, 2) == 0;
    if (!has_ended(process, &state)) {
      if (only_worker) {
        kill_workers_of(process);
        nanosleep(&(struct timespec){.tv_nsec = (long)(assay_random_uniform(&random) * 3e8)}, NULL);
      }
      kill(-process, SIGKILL);
      waitpid(process, &state, 0);
    }
    read_finished("killed/study.db", now);
    check_nothing_lost(before, now);
    memcpy(before, now, sizeof before);
  }
  json_t *resumed = tool_json("search a.ini -o killed --json --quiet");
  read_finished("killed/study.db", now);
  check_nothing_lost(before, now);
  int finished = 0;
  for (int i = 0; i < MOST_TRIALS; i++) finished += !isnan(now[i]);
  ck_assert_int_eq(finished, trials);
  ck_assert(json_equal(json_object_get(undisturbed, "best"), json_object_get(resumed, "best")));
  ck_assert(json_equal(json_object_get(undisturbed, "test"), json_object_get(resumed, "test")));
  json_decref(undisturbed);
  json_decref(resumed);
}
END_TEST

START_TEST(the_first_interrupt_saves) {
  ck_assert_ptr_nonnull(getenv("ASSAY_TOOL"));
  tool_enter_folder();
  tool_write_images("photos", 16);
  tool_write_ini("a.ini", "photos", "");
  const pid_t process = fork();
  if (process == 0) {
    const int talk = open("talk", O_WRONLY | O_CREAT, 0666);
    dup2(talk, 2);
    execl(getenv("ASSAY_TOOL"), "assay", "search", "a.ini", "-o", "run", "--quiet", "-s", "search.trials=100000", (char *)NULL);
    _exit(127);
  }
  double values[MOST_TRIALS];
  read_finished("run/study.db", values);
  for (int i = 0; i < 1000 && isnan(values[1]); i++) {
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    read_finished("run/study.db", values);
  }
  kill(process, SIGINT);
  int state;
  waitpid(process, &state, 0);
  ck_assert(WIFEXITED(state));
  ck_assert_int_eq(WEXITSTATUS(state), 130);
  ck_assert(tool_file_holds("talk", "assay finish run"));
  json_t *finished = tool_json("finish run --json --quiet");
  ck_assert(json_is_object(json_object_get(finished, "test")));
  json_decref(finished);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("kill");
  TCase *tests = tcase_create("kill");
  tcase_set_timeout(tests, 900);
  tcase_add_test(tests, killed_searches_end_like_undisturbed_ones);
  tcase_add_test(tests, the_first_interrupt_saves);
  suite_add_tcase(suite, tests);
  return assay_run_suite(suite);
}
