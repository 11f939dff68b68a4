/* SPDX-License-Identifier: MIT
 *
 * Drivers that fail: a training with a prediction behind it, in which one call of one entry point gives an error (by the layer fault_layer.c). The end is
 * always the same model as without the fault, or exit code 4 with a message that names the call; never a crash, a hang or another result.
 *
 * `make check` takes a sample; ASSAY_FAULTS=all (make check-full): each entry point at its first, a middle and its last call with each error.
 */
#include "tool.h"

#include "fault_layer.h"

#include <assay/random.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

enum { SAMPLED = 12, SECONDS = 300 }; /* a busy machine may have to compile kernels after a fault */

/* Out of memory on the device, out of resources, out of memory on the host, build failure, invalid queue. */
static const int errors[] = {-4, -5, -6, -11, -36};
enum { ERRORS = sizeof errors / sizeof *errors };
static const char *const ini = "[data]\npath = photos\nsize = 8x8\ncolour = grey\nfolds = 1\ntest = none\npositive = right\n"
                               "[network]\nlayers = features, classifier\n[layer.features]\ntype = conv_blocks\nblocks = 1\nchannels = 2\n"
                               "[optimizer]\ntype = adam\nlearning_rate = 0.02\n[train]\nepochs = 2\nbatch = 8\n"
                               "[backend]\ndevices = opencl\n";

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

/* A folder with images, and a layer that counts. The driver's own cache of compiled kernels stays; ours is the folder's. */
static void enter(void) {
  char path[1024];
  const char *cache = getenv("XDG_CACHE_HOME"), *build = getenv("ASSAY_BUILD");
  snprintf(path, sizeof path, "%s/pocl/kcache", cache != NULL ? cache : "/tmp");
  setenv("POCL_CACHE_DIR", path, 0);
  tool_enter_folder();
  tool_write_images("photos", 16);
  tool_write("a.ini", "%s", ini);
  ck_assert_ptr_nonnull(getcwd(path, sizeof path - 16));
  strcat(path, "/cache");
  setenv("XDG_CACHE_HOME", path, 1);
  strcpy(strrchr(path, '/'), "/table");
  setenv("ASSAY_FAULT_TABLE", path, 1);
  snprintf(path, sizeof path, "%s/tests/opencl/.libs/fault_layer.so", build != NULL ? build : ".");
  setenv("OPENCL_LAYERS", path, 1);
  unsetenv("ASSAY_FAULT_CALL");
}

/* What a training and a prediction did. */
struct session {
  int code;
  char *talk, *predictions; /* `predictions` NULL with a code */
};

/* `cold`: nothing of ours is compiled yet. */
static struct session train_and_predict(bool cold) {
  if (cold) ck_assert_int_eq(system("rm -rf cache"), 0);
  ck_assert_int_eq(system("rm -rf run table"), 0);
  struct outcome trained = tool_run("train a.ini -o run --quiet");
  struct session session = {trained.code, trained.talk, NULL};
  free(trained.results);
  if (trained.code != 0) return session;
  struct outcome predicted = tool_run("predict run/model.safetensors photos -s backend.devices=opencl --quiet");
  free(session.talk);
  session = (struct session){predicted.code, predicted.talk, predicted.code == 0 ? predicted.results : NULL};
  if (predicted.code != 0) free(predicted.results);
  return session;
}

static void session_release(struct session *session) {
  free(session->talk);
  free(session->predictions);
}

/* A fault to try. */
struct experiment {
  const char *call;
  uint32_t number;
  int error;
  bool cold;
};

/* The same rows, with scores that differ by rounding at most: after a fault a batch may have been cut into pieces. */
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

static void try(const struct experiment *experiment, const char *right) {
  setenv("ASSAY_FAULT_CALL", experiment->call, 1);
  set("ASSAY_FAULT_FROM", experiment->number);
  set("ASSAY_FAULT_ERROR", experiment->error);
  struct session session = train_and_predict(experiment->cold);
  unsetenv("ASSAY_FAULT_CALL");
  const char *call = experiment->call;
  if (session.code == 0) {
    ck_assert_msg(alike(session.predictions, right), "%s (call %u, error %d) changes the result", call, experiment->number, experiment->error);
  } else {
    ck_assert_msg(session.code == 4, "%s (call %u, error %d) ends with %d: %s", call, experiment->number, experiment->error, session.code, session.talk);
    ck_assert_msg(strstr(session.talk, call) != NULL, "%s (call %u, error %d) is not named: %s", call, experiment->number, experiment->error, session.talk);
  }
  session_release(&session);
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
static uint32_t list(struct experiment *experiments, const struct fault_entry *warm) {
  uint32_t count = 0;
  for (int i = 0; i < FAULT_ENTRIES && table[i].name[0] != '\0'; i++) {
    uint32_t numbers[3];
    if (table[i].calls == 0 || (warm != NULL && warm[i].calls > 0)) continue;
    for (uint32_t n = places(table[i].calls, numbers); n-- > 0;)
      for (int e = 0; e < ERRORS; e++) experiments[count++] = (struct experiment){table[i].name, numbers[n], errors[e], warm != NULL};
  }
  return count;
}

static void try_all(bool every) {
  static struct experiment experiments[FAULT_ENTRIES * 3 * ERRORS];
  static struct fault_entry warm[FAULT_ENTRIES], cold[FAULT_ENTRIES];
  struct session whole = train_and_predict(true);
  if (whole.code == 4) ASSAY_SKIP("%s", whole.talk);
  ck_assert_msg(whole.code == 0, "%s", whole.talk);
  read_table();
  memcpy(cold, table, sizeof cold);
  if (table[0].calls == 0) ASSAY_SKIP("this OpenCL loader has no layers");
  session_release(&whole);
  whole = train_and_predict(false);
  read_table();
  memcpy(warm, table, sizeof warm);
  uint32_t count = list(experiments, NULL);
  memcpy(table, cold, sizeof table);
  count += list(experiments + count, warm);
  ck_assert_uint_gt(count, 200);
  struct assay_random random = assay_random_seed(11, 3);
  fprintf(stderr, "%u experiments%s\n", count, every ? "" : ", of which a sample is made");
  for (uint32_t i = 0; i < (every ? count : SAMPLED); i++) {
    /* A sample takes one of each stretch of the list, so of as many entry points as it can. */
    const uint32_t first = i * count / SAMPLED, end = (i + 1) * count / SAMPLED;
    try(&experiments[every ? i : first + assay_random_below(&random, end - first)], whole.predictions);
  }
  session_release(&whole);
}

START_TEST(a_call_that_fails_does_no_harm) {
  const char *wanted = getenv("ASSAY_FAULTS");
  enter();
  tool_seconds = SECONDS;
  try_all(wanted != NULL && strcmp(wanted, "all") == 0);
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
