/* SPDX-License-Identifier: MIT
 *
 * The cache of compiled kernels, as the backend `opencl` uses it: a second start compiles nothing; whatever is wrong with an entry (damaged, cut short, another one's, bytes
 * that the driver refuses, somebody else's file) it is compiled again and replaced, and the numbers stay right; two processes that fill it at once do no harm; and without a
 * folder to write to all goes on. How files are checked is tested in tests/graph/test_helpers.c.
 *
 * Each test has a cache folder of its own, so that programs that run at the same moment cannot see each other's; the driver's own cache stays where the other tests have it.
 */
#include "components.h"

#include "base/log.h"
#include "graph/running.h"

#include <ftw.h>
#include <math.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROWS = 3, INNER = 5, COLUMNS = 4, KERNELS = 3, MOST_ENTRIES = 16, HEADER = 40 /* bytes before the key; graph/backend_host.c */ };

static char folder[64]; /* XDG_CACHE_HOME */
static int compiled;

static void count_compiled(void *context, int level, const char *message) {
  (void)context;
  (void)level;
  compiled += strstr(message, "opencl: compiling ") != NULL;
}

/* ---- A program of three kernels: a product, a loop over its elements, a sum ---- */

static const float x[ROWS][INNER] = {{1, 2, 3, 4, 5}, {-1, 0.5f, 2, -3, 0}, {6, -7, 8, -9, 10}};
static const float y[INNER][COLUMNS] = {{1, 0, -1, 2}, {3, 1, 0, 0}, {0, 2, 1, -2}, {1, 1, 1, 1}, {-2, 0, 3, 4}};

static const struct assay_program *finish(struct assay_program_builder *builder) {
  struct assay_status status;
  const struct assay_program *program;
  struct assay_builder *b = assay_function_begin(builder, "f");
  const assay_value left = assay_function_feed(b, ASSAY_F32, 2, (const int64_t[]){ROWS, INNER}), right = assay_function_feed(b, ASSAY_F32, 2, (const int64_t[]){INNER, COLUMNS});
  assay_function_fetch(b, assay_matmul(b, left, right, 0, 0));
  assay_function_fetch(b, assay_relu(b, left));
  assay_function_fetch(b, assay_reduce_sum(b, right, 1u << 0, 0));
  CHECK_STATUS(assay_program_finish(builder, &program, &status));
  return program;
}

static void check_numbers(float product[ROWS][COLUMNS], float positive[ROWS][INNER], const float sums[COLUMNS]) {
  for (int c = 0; c < COLUMNS; c++) {
    float sum = 0;
    for (int k = 0; k < INNER; k++) sum += y[k][c];
    ck_assert_float_eq_tol(sums[c], sum, 1e-5f);
    for (int r = 0; r < ROWS; r++) {
      float right = 0;
      for (int k = 0; k < INNER; k++) right += x[r][k] * y[k][c];
      ck_assert_float_eq_tol(product[r][c], right, 1e-4f);
    }
  }
  for (int r = 0; r < ROWS; r++)
    for (int k = 0; k < INNER; k++) ck_assert_float_eq(positive[r][k], fmaxf(x[r][k], 0));
}

/* Opens the device, compiles, runs, and checks what comes out. How many kernels were compiled; -1, with a message, where there is no device. */
static int start(void) {
  const struct assay_component backend = component(ASSAY_BACKEND, "opencl", "");
  struct assay_status status = {0};
  struct running running = {0};
  compiled = 0;
  if (assay_session_open(backend.plugin, backend.values, NULL, &running.session, &status) != 0) {
    fprintf(stderr, "skipped: %s\n", status.message);
    return -1;
  }
  assay_log_set(count_compiled, NULL);
  struct assay_program_builder *builder = assay_program_begin();
  running.backend = assay_session_backend(running.session);
  running.program = finish(builder);
  CHECK_STATUS(assay_session_compile(running.session, running.program, &running.executable, &status));
  CHECK_STATUS(running.backend->store_create(running.executable, &running.store, &status));
  float product[ROWS][COLUMNS], positive[ROWS][INNER], sums[COLUMNS];
  call_function(&running, 0, (const void *const[]){x, y}, (void *const[]){product, positive, sums});
  check_numbers(product, positive, sums);
  stop_running(&running);
  assay_program_release(builder);
  assay_log_set(NULL, NULL);
  return compiled;
}

/* ---- Entries ---- */

static char entries[MOST_ENTRIES][512];
static int entry_count;

static int note_entry(const char *path, const struct stat *facts, int type) {
  (void)facts;
  if (type != FTW_F) return 0;
  ck_assert_int_lt(entry_count, MOST_ENTRIES);
  snprintf(entries[entry_count++], sizeof entries[0], "%s", path);
  return 0;
}

static void list_entries(void) {
  char path[128];
  snprintf(path, sizeof path, "%s/assay/compiled", folder);
  entry_count = 0;
  ck_assert_int_eq(ftw(path, note_entry, 8), 0);
}

static size_t read_entry(const char *path, char *bytes, size_t size) {
  FILE *file = fopen(path, "rb");
  ck_assert_msg(file != NULL, "%s is gone", path);
  const size_t length = fread(bytes, 1, size, file);
  ck_assert_uint_lt(length, size);
  fclose(file);
  return length;
}

static void write_entry(const char *path, const char *bytes, size_t size) {
  FILE *file = fopen(path, "wb");
  ck_assert_msg(file != NULL && fwrite(bytes, 1, size, file) == size && fclose(file) == 0, "%s cannot be written", path);
}

static void overwrite_the_middle(const char *path) {
  static char bytes[1 << 22];
  const size_t size = read_entry(path, bytes, sizeof bytes);
  memcpy(bytes + size / 2, "damaged", 7);
  write_entry(path, bytes, size);
}

static void cut_short(const char *path) {
  struct stat facts;
  ck_assert_int_eq(stat(path, &facts), 0);
  ck_assert_int_eq(truncate(path, facts.st_size / 2), 0);
}

static void make_empty(const char *path) { ck_assert_int_eq(truncate(path, 0), 0); }

/* What another driver, or another version of the source, would have left: sound, but under another key. */
static void put_another_entry_there(const char *path) {
  static char bytes[1 << 22];
  const char *other = strcmp(path, entries[0]) == 0 ? entries[1] : entries[0];
  const size_t size = read_entry(other, bytes, sizeof bytes);
  write_entry(path, bytes, size);
}

/* An entry in which all is in order but the binary, which no driver takes. */
static void put_foreign_bytes_there(const char *path) {
  static char bytes[1 << 22], garbage[5000];
  uint64_t key_size;
  ck_assert_uint_gt(read_entry(path, bytes, sizeof bytes), HEADER);
  memcpy(&key_size, bytes + 8, sizeof key_size);
  for (size_t i = 0; i < sizeof garbage; i++) garbage[i] = (char)(i * 37 + i / 251);
  ck_assert_int_eq(assay_backend_host_table()->cache_save(bytes + HEADER, key_size, garbage, sizeof garbage), 0);
}

static void give_to_somebody_else(const char *path) { ck_assert_int_eq(chown(path, 65534, 65534), 0); }

static void let_everybody_write(const char *path) { ck_assert_int_eq(chmod(path, 0666), 0); }

static const struct harm {
  const char *name;
  void (*do_it)(const char *path);
  bool as_root; /* others cannot give files away */
} harms[] = {{"damaged", overwrite_the_middle, false},
             {"cut short", cut_short, false},
             {"empty", make_empty, false},
             {"another one's", put_another_entry_there, false},
             {"not the driver's", put_foreign_bytes_there, false},
             {"somebody else's", give_to_somebody_else, true},
             {"writable by all", let_everybody_write, false}};
enum { HARMS = sizeof harms / sizeof *harms };

/* ---- Tests ---- */

static void setup(void) {
  char path[1024];
  const char *cache = getenv("XDG_CACHE_HOME");
  snprintf(path, sizeof path, "%s/pocl/kcache", cache != NULL ? cache : "/tmp");
  setenv("POCL_CACHE_DIR", path, 0);
  strcpy(folder, "/tmp/assay-cache-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  setenv("XDG_CACHE_HOME", folder, 1);
  components_setup();
}

static void teardown(void) {
  char command[128];
  components_teardown();
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  ck_assert_int_eq(system(command), 0);
}

START_TEST(a_bad_entry_is_compiled_again_and_replaced) {
  const struct harm *harm = &harms[_i];
  if (harm->as_root && geteuid() != 0) ASSAY_SKIP("only root can give a file away");
  const int cold = start();
  if (cold < 0) return;
  ck_assert_int_eq(cold, KERNELS);
  ck_assert_int_eq(start(), 0);
  list_entries();
  ck_assert_int_eq(entry_count, KERNELS);
  for (int e = 0; e < KERNELS; e++) {
    harm->do_it(entries[e]);
    const int again = start();
    ck_assert_msg(again == 1, "%s: %d kernels are compiled again, not 1", harm->name, again);
    ck_assert_msg(start() == 0, "%s: the entry was not replaced", harm->name);
  }
}
END_TEST

/* Both begin with nothing at all, not even in the driver's cache; afterwards a third finds everything. */
START_TEST(two_processes_fill_the_cache_at_once) {
  enum { PROCESSES = 2 };
  char path[128];
  int gate[2];
  pid_t processes[PROCESSES];
  snprintf(path, sizeof path, "%s/driver", folder);
  setenv("POCL_CACHE_DIR", path, 1);
  ck_assert_int_eq(pipe(gate), 0);
  for (int p = 0; p < PROCESSES; p++) {
    if ((processes[p] = fork()) != 0) continue;
    char byte;
    close(gate[1]);
    _exit(read(gate[0], &byte, 1) == 0 && start() != 0 ? 0 : 1); /* the end of the pipe opens the gate; a failed check ends the process with another code */
  }
  close(gate[0]);
  close(gate[1]);
  for (int p = 0; p < PROCESSES; p++) {
    int state;
    ck_assert_int_eq(waitpid(processes[p], &state, 0), processes[p]);
    ck_assert_msg(WIFEXITED(state) && WEXITSTATUS(state) == 0, "process %d ended with state %d", p, state);
  }
  const int third = start();
  if (third < 0) return;
  ck_assert_int_eq(third, 0);
  list_entries();
  ck_assert_int_eq(entry_count, KERNELS); /* and no temporary file is left */
}
END_TEST

START_TEST(without_a_folder_all_goes_on) {
  setenv("XDG_CACHE_HOME", "/proc/nowhere", 1);
  const int first = start();
  if (first >= 0) ck_assert_int_eq(first, KERNELS);
  if (first >= 0) ck_assert_int_eq(start(), KERNELS);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("opencl cache");
  TCase *cases = tcase_create("cache");
  tcase_set_timeout(cases, 120);
  tcase_add_checked_fixture(cases, setup, teardown);
  tcase_add_loop_test(cases, a_bad_entry_is_compiled_again_and_replaced, 0, HARMS);
  tcase_add_test(cases, two_processes_fill_the_cache_at_once);
  tcase_add_test(cases, without_a_folder_all_goes_on);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
