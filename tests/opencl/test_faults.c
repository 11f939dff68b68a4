/* SPDX-License-Identifier: MIT
 *
 * Drivers that fail: a training, a prediction and an evaluation in which one call of one entry point gives an error (by the layer fault_layer.c). The end is
 * always the same result as without the fault, or exit code 4 with a message that names the call; never a crash, a hang or another result. The product of the classifier
 * goes through CLBlast, whose calls pass the same layer.
 *
 * `make check` takes a sample; ASSAY_FAULTS=all (make check-faults): for each command each entry point at its first, a middle and its last call with each error,
 * on all processors side by side.
 */
#include "tool.h"

#include "fault_layer.h"

#include <assay/random.h>
#include <math.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SAMPLED = 12, SECONDS = 300 /* a busy machine may have to compile kernels after a fault */, MOST_JOBS = 8 };

/* Out of memory on the device, out of resources, out of memory on the host, build failure, invalid queue. */
static const int errors[] = {-4, -5, -6, -11, -36};
enum { ERRORS = sizeof errors / sizeof *errors };
static const char *const ini = "[data]\npath = photos\nsize = 8x8\ncolour = grey\nfolds = 1\ntest = none\npositive = right\n"
                               "[network]\nlayers = features, classifier\n[layer.features]\ntype = conv_blocks\nblocks = 1\nchannels = 2\n"
                               "[optimizer]\ntype = adam\nlearning_rate = 0.02\n[train]\nepochs = 2\nbatch = 8\n"
                               "[backend]\ndevices = opencl\n[backend.opencl]\nclblast_from = 1\n";

#define ON_DEVICE "-s backend.devices=opencl -s backend.opencl.clblast_from=1 --quiet"
/* The last two use the model of a training without a fault. What a command makes is in a file, or what it prints. */
enum { TRAIN, PREDICT, EVAL, COMMANDS };
static const struct {
  const char *line, *file;
} commands[COMMANDS] = {{"train a.ini -o run --quiet", "run/predictions.csv"}, {"predict model.safetensors photos " ON_DEVICE, NULL}, {"eval model.safetensors photos --json " ON_DEVICE, NULL}};

static struct fault_entry table[FAULT_ENTRIES];

static void set(const char *name, long value) {
  char text[32];
  snprintf(text, sizeof text, "%ld", value);
  setenv(name, text, 1);
}

/* How often each entry point was called since the table was removed. */
static void read_table(void) {
  memset(table, 0, sizeof table);
  FILE *file = fopen("table", "rb");
  if (file == NULL) return;
  ck_assert_uint_eq(fread(table, sizeof *table, FAULT_ENTRIES, file), FAULT_ENTRIES);
  fclose(file);
}

/* Our cache and the table of calls are the current folder's. */
static void use_folder(void) {
  char path[1024];
  ck_assert_ptr_nonnull(getcwd(path, sizeof path - 16));
  strcat(path, "/cache");
  setenv("XDG_CACHE_HOME", path, 1);
  strcpy(strrchr(path, '/'), "/table");
  setenv("ASSAY_FAULT_TABLE", path, 1);
}

/* A folder with images, and a layer that counts. The driver's own cache of compiled kernels stays. */
static void enter(void) {
  char path[1024];
  const char *cache = getenv("XDG_CACHE_HOME"), *build = getenv("ASSAY_BUILD");
  snprintf(path, sizeof path, "%s/pocl/kcache", cache != NULL ? cache : "/tmp");
  setenv("POCL_CACHE_DIR", path, 0);
  tool_enter_folder();
  tool_write_images("photos", 16);
  tool_write("a.ini", "%s", ini);
  use_folder();
  snprintf(path, sizeof path, "%s/tests/opencl/.libs/fault_layer.so", build != NULL ? build : ".");
  setenv("OPENCL_LAYERS", path, 1);
  unsetenv("ASSAY_FAULT_CALL");
}

/* What a command did. */
struct session {
  int code;
  char *talk, *result; /* `result` NULL with a code */
};

/* `cold`: nothing of ours is compiled yet. */
static struct session run_command(int command, bool cold) {
  if (cold) ck_assert_int_eq(system("rm -rf cache"), 0);
  ck_assert_int_eq(system("rm -rf run table"), 0);
  struct outcome outcome = tool_run("%s", commands[command].line);
  struct session session = {outcome.code, outcome.talk, NULL};
  if (session.code == 0 && commands[command].file == NULL) session.result = outcome.results;
  else free(outcome.results);
  if (session.code == 0 && commands[command].file != NULL) session.result = tool_read(commands[command].file);
  return session;
}

static void session_release(struct session *session) {
  free(session->talk);
  free(session->result);
}

/* A fault to try. */
struct experiment {
  int command;
  const char *call;
  uint32_t number;
  int error;
  bool cold;
};

/* The same text, with numbers that differ by rounding at most: after a fault a batch may have been cut into pieces. */
static bool alike(const char *some, const char *others) {
  for (;; some++, others++) {
    char *end, *other_end;
    const double number = strtod(some, &end), other = strtod(others, &other_end);
    if (end != some && other_end != others) {
      if (fabs(number - other) > 1e-4) return false;
      some = end;
      others = other_end;
    }
    if (*some != *others) return false;
    if (*some == '\0') return true;
  }
}

/* CLBlast says which error it met, but not in which call. */
static bool names(const char *talk, const char *call) { return strstr(talk, call) != NULL || strstr(talk, "CLBlastSgemm") != NULL; }

/* False, and said, when the end was a bad one. */
static bool try(const struct experiment *experiment, const char *right) {
  setenv("ASSAY_FAULT_CALL", experiment->call, 1);
  set("ASSAY_FAULT_FROM", experiment->number);
  set("ASSAY_FAULT_ERROR", experiment->error);
  struct session session = run_command(experiment->command, experiment->cold);
  unsetenv("ASSAY_FAULT_CALL");
  if (experiment->cold) ck_assert_int_eq(system("rm -rf cache; cp -r warm cache"), 0);
  const char *wrong = NULL;
  if (session.code == 0 && !alike(session.result, right)) wrong = "changes the result";
  else if (session.code != 0 && session.code != 4) wrong = "ends with another code than 4";
  else if (session.code == 4 && !names(session.talk, experiment->call)) wrong = "is not named";
  if (wrong != NULL)
    fprintf(stderr, "%s%s: %s (call %u, error %d) %s: code %d, %s\n", commands[experiment->command].line, experiment->cold ? " (cold)" : "", experiment->call, experiment->number,
            experiment->error, wrong, session.code, session.code == 0 ? session.result : session.talk);
  else if (getenv("ASSAY_FAULTS") != NULL)
    fprintf(stderr, "%d %s %u %d: %d\n", experiment->command, experiment->call, experiment->number, experiment->error, session.code);
  session_release(&session);
  return wrong == NULL;
}

/* The places first, middle, last of an entry point that was called `calls` times; gives how many are different. */
static uint32_t places(uint32_t calls, uint32_t numbers[3]) {
  uint32_t count = 0;
  numbers[count++] = 1;
  if (calls / 2 + 1 > 1 && calls / 2 + 1 < calls) numbers[count++] = calls / 2 + 1;
  if (calls > 1) numbers[count++] = calls;
  return count;
}

/* Everything that was called in the last session, as experiments. With a table from a cold start only what a warm one does not call. */
static uint32_t list(int command, struct experiment *experiments, const struct fault_entry *warm) {
  uint32_t count = 0;
  for (int i = 0; i < FAULT_ENTRIES && table[i].name[0] != '\0'; i++) {
    uint32_t numbers[3];
    if (table[i].calls == 0 || (warm != NULL && warm[i].calls > 0)) continue;
    for (uint32_t n = places(table[i].calls, numbers); n-- > 0;)
      for (int e = 0; e < ERRORS; e++) experiments[count++] = (struct experiment){command, table[i].name, numbers[n], errors[e], warm != NULL};
  }
  return count;
}

static struct experiment experiments[COMMANDS * FAULT_ENTRIES * 3 * ERRORS];
static char *right[COMMANDS]; /* what comes out without a fault */

/* Runs each command cold and warm without a fault, and lists what can fail in it. 0, with a message, where there is nothing to try. */
static uint32_t prepare(void) {
  static struct fault_entry warm[FAULT_ENTRIES], cold[FAULT_ENTRIES];
  uint32_t count = 0;
  for (int command = 0; command < COMMANDS; command++) {
    struct session session = run_command(command, true);
    if (command == TRAIN && session.code == 4) fprintf(stderr, "skipped: %s\n", session.talk);
    if (command == TRAIN && session.code == 4) return 0;
    ck_assert_msg(session.code == 0, "%s", session.talk);
    session_release(&session);
    read_table();
    if (table[0].calls == 0) fprintf(stderr, "skipped: this OpenCL loader has no layers\n");
    if (table[0].calls == 0) return 0;
    memcpy(cold, table, sizeof cold);
    session = run_command(command, false);
    ck_assert_msg(session.code == 0, "%s", session.talk);
    right[command] = session.result;
    free(session.talk);
    read_table();
    memcpy(warm, table, sizeof warm);
    count += list(command, experiments + count, NULL);
    memcpy(table, cold, sizeof table);
    count += list(command, experiments + count, warm);
    if (command == TRAIN) ck_assert_int_eq(system("cp run/model.safetensors ."), 0);
  }
  ck_assert_int_eq(system("cp -r cache warm"), 0);
  return count;
}

/* One of `jobs` processes: every so manyth experiment, in a folder of its own. How many ended badly. */
static int work(uint32_t count, uint32_t job, uint32_t jobs) {
  char command[96];
  int bad = 0;
  snprintf(command, sizeof command, "mkdir job%u && cp -r photos a.ini model.safetensors warm job%u && cp -r warm job%u/cache", job, job, job);
  ck_assert_int_eq(system(command), 0);
  snprintf(command, sizeof command, "job%u", job);
  ck_assert_int_eq(chdir(command), 0);
  use_folder();
  for (uint32_t i = job; i < count; i += jobs) bad += !try(&experiments[i], right[experiments[i].command]);
  return bad;
}

static void try_every(uint32_t count) {
  const long processors = sysconf(_SC_NPROCESSORS_ONLN);
  const uint32_t jobs = processors < 1 ? 1 : processors > MOST_JOBS ? MOST_JOBS : (uint32_t)processors;
  pid_t processes[MOST_JOBS];
  fprintf(stderr, "%u experiments by %u processes\n", count, jobs);
  for (uint32_t job = 0; job < jobs; job++)
    if ((processes[job] = fork()) == 0) _exit(work(count, job, jobs) == 0 ? 0 : 1);
  int bad = 0;
  for (uint32_t job = 0; job < jobs; job++) {
    int state;
    ck_assert_int_eq(waitpid(processes[job], &state, 0), processes[job]);
    bad += !WIFEXITED(state) || WEXITSTATUS(state) != 0;
  }
  ck_assert_msg(bad == 0, "some experiments ended badly, as was said above");
}

/* One of each stretch of the list, so of as many entry points as it can be. */
static void try_some(uint32_t count) {
  struct assay_random random = assay_random_seed(11, 3);
  fprintf(stderr, "%d of %u experiments\n", SAMPLED, count);
  for (uint32_t i = 0; i < SAMPLED; i++) {
    const uint32_t first = i * count / SAMPLED, end = (i + 1) * count / SAMPLED, chosen = first + assay_random_below(&random, end - first);
    ck_assert_msg(try(&experiments[chosen], right[experiments[chosen].command]), "an experiment ended badly, as was said above");
  }
}

START_TEST(a_call_that_fails_does_no_harm) {
  const char *wanted = getenv("ASSAY_FAULTS");
  enter();
  tool_seconds = SECONDS;
  const uint32_t count = prepare();
  if (count == 0) return;
  ck_assert_uint_gt(count, 400);
  if (wanted != NULL && strcmp(wanted, "all") == 0) try_every(count);
  else try_some(count);
  for (int command = 0; command < COMMANDS; command++) free(right[command]);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("faults");
  TCase *tests = tcase_create("faults");
  tcase_set_timeout(tests, 7200);
  tcase_add_test(tests, a_call_that_fails_does_no_harm);
  suite_add_tcase(suite, tests);
  return assay_run_suite(suite);
}
