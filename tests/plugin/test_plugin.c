/* SPDX-License-Identifier: MIT
 *
 * The plugin door: search path, shadowing, trust, the probe in a child, and a module for each thing that can be wrong with one.
 */
#include "harness.h"

#include "base/arena.h"
#include "base/file.h"
#include "plugin/probe.h"
#include "plugin/registry.h"
#include "base/trust.h"

#include <assay/layer.h>
#include <assay/metric.h>
#include <elf.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Each test has an empty folder in which modules are put, and a cache of its own. */
static char folder[64];

static void set_up(void) {
  strcpy(folder, "/tmp/assay-plugin-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  char cache[128];
  snprintf(cache, sizeof cache, "%s/cache", folder);
  setenv("XDG_CACHE_HOME", cache, 1);
  unsetenv("ASSAY_PLUGIN_PATH");
}

static void tear_down(void) {
  char command[256];
  snprintf(command, sizeof command, "chmod -R u+rwX %s; rm -rf %s", folder, folder);
  ck_assert_int_eq(system(command), 0);
}

static const char *in_folder(const char *name) {
  static char paths[4][256];
  static int next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  return path;
}

static void put(const char *name, const void *data, size_t size) { ck_assert_int_eq(assay_file_write(in_folder(name), data, size, NULL), 0); }

/* Copies a module of the build, changing one byte when `offset` is not negative. */
static void put_module(const char *module, const char *name, int offset, char byte) {
  char source[4096], *data;
  size_t size;
  struct assay_status status;
  snprintf(source, sizeof source, MODULES "/%s.so", module);
  ck_assert_msg(assay_file_read(source, 1 << 24, ASSAY_E_FAILED, &data, &size, &status) == 0, "%s", status.message);
  if (offset >= 0) data[offset] = byte;
  put(name, data, size);
  free(data);
}

/* Looks for a metric in the folder; the code, and the message in `status`. */
static int find(const char *name, struct assay_status *status) {
  struct assay_registry *registry;
  const struct assay_plugin *plugin;
  *status = (struct assay_status){0};
  ck_assert_int_eq(assay_registry_create(folder, &registry, status), 0);
  const int code = assay_registry_find(registry, ASSAY_METRIC, name, &plugin, status);
  ck_assert_int_eq(code == 0, plugin != NULL);
  if (code == 0) ck_assert_str_eq(plugin->name, name);
  assay_registry_release(registry);
  return code;
}

#define ASSERT_SAYS(status, words) ck_assert_msg(strstr((status).message, words) != NULL, "\"%s\" is not in: %s", words, (status).message)

/* ---- Descriptors ---- */

static const struct {
  const char *behaviour, *words;
} unfit[] = {
    {"magic", "field magic"},
    {"small", "field struct_size is 8"},
    {"kind", "field kind is 77"},
    {"major", "field abi_major"},
    {"minor", "field abi_minor"},
    {"table_size", "field vtable_size is 4"},
    {"table_differs", "vtable's field struct_size"},
    {"no_table", "field vtable is NULL"},
    {"no_function", "field compute is NULL"},
    {"no_proportion", "field proportion is NULL"},
    {"no_summary", "field summary"},
    {"bad_name", "field name"},
    {"none", "assay_plugin_query(0) gives NULL"},
    {"twice", "twice"},
    {"endless", "no end"},
    {"option_size", "field struct_size"},
    {"option_name", "field name"},
    {"option_reserved", "belongs to the INI language"},
    {"option_twice", "stands twice"},
    {"option_type", "field type is 99"},
    {"option_flags", "field flags"},
    {"option_runtime", "RUNTIME"},
    {"option_range", "field minimum"},
    {"option_default", "\"9\""},
    {"option_required", "REQUIRED"},
    {"option_no_default", "default_text"},
    {"option_choices", "field choices"},
    {"option_help", "field help"},
};

START_TEST(descriptor_that_does_not_fit_is_named) {
  char name[80];
  struct assay_status status;
  snprintf(name, sizeof name, "metric-%s.so", unfit[_i].behaviour);
  put_module("chameleon", name, -1, 0);
  ck_assert_int_eq(find(unfit[_i].behaviour, &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, unfit[_i].words);
  ASSERT_SAYS(status, name);
}
END_TEST

START_TEST(good_module_is_found) {
  struct assay_status status;
  put_module("chameleon", "metric-good.so", -1, 0);
  ck_assert_msg(find("good", &status) == 0, "%s", status.message);
  put_module("chameleon", "metric-chatter.so", -1, 0); /* in the child, what it writes cannot pass for a verdict */
  ck_assert_msg(find("chatter", &status) == 0, "%s", status.message);
}
END_TEST

/* A layer's table checked here without any module. */
START_TEST(descriptor_check_reads_nothing_behind_a_small_table) {
  static const struct {
    uint32_t size;
  } tiny = {sizeof tiny};
  struct assay_plugin plugin = {ASSAY_PLUGIN_MAGIC, sizeof plugin, ASSAY_LAYER, ASSAY_LAYER_ABI_MAJOR, ASSAY_LAYER_ABI_MINOR, "tiny", "too small", "1", NULL,
                                &tiny, sizeof tiny, 0};
  struct assay_status status;
  ck_assert_int_eq(assay_descriptor_check(&plugin, &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, "vtable_size");
  struct assay_layer layer = {sizeof layer, 0, 3, 2, (assay_value(*)(struct assay_builder *, const struct assay_option_value *const *, const assay_value *,
                                                                     uint32_t))(void (*)(void))tear_down, 0};
  plugin.vtable = &layer;
  plugin.vtable_size = sizeof layer;
  ck_assert_int_eq(assay_descriptor_check(&plugin, &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, "input_count_min");
  layer.input_count_max = 3;
  ck_assert_int_eq(assay_descriptor_check(&plugin, &status), 0);
}
END_TEST

/* ---- Files that are no modules ---- */

START_TEST(files_that_are_no_modules_are_named) {
  struct assay_status status;
  put("metric-empty.so", "", 0);
  ck_assert_int_eq(find("empty", &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, "is an empty file");
  put("metric-prose.so", "GROUP ( libm.so.6 )", 19);
  ck_assert_int_eq(find("prose", &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, "not a shared object");
  put("metric-short.so", "\177ELF", 4);
  ck_assert_int_eq(find("short", &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, "cut off");
  ck_assert_int_eq(mkdir(in_folder("metric-house.so"), 0755), 0);
  ck_assert_int_eq(find("house", &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, "is a folder");
  ck_assert_int_eq(symlink("nowhere.so", in_folder("metric-dangling.so")), 0);
  ck_assert_int_eq(find("dangling", &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, "cannot be followed");
  ck_assert_int_eq(mkfifo(in_folder("metric-pipe.so"), 0644), 0);
  ck_assert_int_eq(find("pipe", &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, "not a regular file");
}
END_TEST

START_TEST(other_machines_and_other_elf_files_are_named) {
  struct assay_status status;
  put_module("chameleon", "metric-foreign.so", offsetof(Elf64_Ehdr, e_machine), (char)EM_S390);
  ck_assert_int_eq(find("foreign", &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, "S/390");
  put_module("chameleon", "metric-narrow.so", EI_CLASS, ELFCLASS32);
  ck_assert_int_eq(find("narrow", &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, "another kind of machine");
  put_module("chameleon", "metric-program.so", offsetof(Elf64_Ehdr, e_type), ET_EXEC);
  ck_assert_int_eq(find("program", &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, "no shared object");
}
END_TEST

START_TEST(what_the_loader_says_is_passed_on) {
  struct assay_status status;
  put_module("silent", "metric-silent.so", -1, 0);
  ck_assert_int_eq(find("silent", &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, "assay_plugin_query");
  put_module("unresolved", "metric-unresolved.so", -1, 0);
  ck_assert_int_eq(find("unresolved", &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, "assay_test_missing");
}
END_TEST

/* ---- The child ---- */

static const struct {
  const char *behaviour, *words;
} harmful[] = {{"crash", "crashes while it is being loaded (signal 6"},
               {"hang", "hangs while it is being loaded"},
               {"leave", "ends the process while it is being loaded (exit code 7)"},
               {"crash_late", "crashes when the process ends"}};

START_TEST(harmful_module_is_tried_out_once) {
  char name[80];
  struct assay_status status;
  assay_probe_set_limit(1);
  snprintf(name, sizeof name, "metric-%s.so", harmful[_i].behaviour);
  put_module("chameleon", name, -1, 0);
  ck_assert_int_eq(find(harmful[_i].behaviour, &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, harmful[_i].words);
  ASSERT_SAYS(status, name);
  /* No child could be run now: the answer comes from memory. */
  assay_process_set_tool("");
  ck_assert_int_eq(find(harmful[_i].behaviour, &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, harmful[_i].words);
  /* A changed file is another file. */
  const struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
  ck_assert_int_eq(utimensat(AT_FDCWD, in_folder(name), times, 0), 0);
  ck_assert_int_eq(find(harmful[_i].behaviour, &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, "cannot be tried out");
}
END_TEST

START_TEST(good_verdict_is_remembered_and_a_missing_library_is_not) {
  struct assay_status status;
  put_module("chameleon", "metric-good.so", -1, 0);
  put_module("unresolved", "metric-unresolved.so", -1, 0);
  ck_assert_int_eq(find("good", &status), 0);
  ck_assert_int_eq(find("unresolved", &status), ASSAY_E_PLUGIN);
  assay_process_set_tool("");
  ck_assert_msg(find("good", &status) == 0, "%s", status.message);
  ck_assert_int_eq(find("unresolved", &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, "cannot be tried out");
}
END_TEST

START_TEST(damaged_memory_is_no_memory) {
  struct assay_status status;
  char command[256];
  put_module("chameleon", "metric-leave.so", -1, 0);
  ck_assert_int_eq(find("leave", &status), ASSAY_E_PLUGIN);
  snprintf(command, sizeof command, "for f in %s/cache/assay/plugins/*; do printf fi > $f; done", folder);
  ck_assert_int_eq(system(command), 0);
  ck_assert_int_eq(find("leave", &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, "exit code 7");
}
END_TEST

START_TEST(program_that_is_not_the_tool_is_noticed) {
  struct assay_status status;
  put_module("chameleon", "metric-good.so", -1, 0);
  assay_process_set_tool("/bin/false");
  ck_assert_int_eq(find("good", &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, "/bin/false does not answer");
  assay_process_set_tool("/nowhere/assay");
  ck_assert_int_eq(find("good", &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, "cannot be tried out");
  assay_process_set_tool(getenv("ASSAY_TOOL"));
  ck_assert_msg(find("good", &status) == 0, "%s", status.message); /* nothing wrong was remembered */
  /* A child of a probe does not probe: no program can be started without end. */
  put_module("chameleon", "metric-other.so", -1, 0);
  setenv("ASSAY_PROBING", "1", 1);
  ck_assert_int_eq(find("other", &status), ASSAY_E_PLUGIN);
  unsetenv("ASSAY_PROBING");
}
END_TEST

/* ---- Trust ---- */

START_TEST(writable_files_and_folders_are_refused) {
  struct assay_status status;
  put_module("chameleon", "metric-good.so", -1, 0);
  ck_assert_int_eq(chmod(in_folder("metric-good.so"), 0666), 0);
  ck_assert_int_eq(find("good", &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, "everybody can write to");
  ASSERT_SAYS(status, "chmod o-w");
  ck_assert_int_eq(chmod(in_folder("metric-good.so"), 0644), 0);
  ck_assert_int_eq(chmod(folder, 0777), 0);
  ck_assert_int_eq(find("good", &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, folder);
  ck_assert_int_eq(chmod(folder, 01777), 0); /* as /tmp, where this folder lies */
  ck_assert_msg(find("good", &status) == 0, "%s", status.message);
}
END_TEST

START_TEST(link_into_a_writable_folder_is_refused) {
  struct assay_status status;
  ck_assert_int_eq(mkdir(in_folder("open"), 0755), 0);
  put_module("chameleon", "open/metric-good.so", -1, 0);
  ck_assert_int_eq(symlink("open/metric-good.so", in_folder("metric-good.so")), 0);
  ck_assert_msg(find("good", &status) == 0, "%s", status.message);
  ck_assert_int_eq(chmod(in_folder("open"), 0777), 0);
  ck_assert_int_eq(find("good", &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, "/open");
}
END_TEST

START_TEST(foreign_owner_is_refused) {
  if (geteuid() != 0) ASSAY_SKIP("only root can give files away");
  struct assay_status status;
  put_module("chameleon", "metric-good.so", -1, 0);
  ck_assert_int_eq(chown(in_folder("metric-good.so"), 54321, 54321), 0);
  ck_assert_int_eq(find("good", &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, "belongs to user 54321");
  setenv("ASSAY_PLUGIN_OWNER", "54321", 1);
  ck_assert_msg(find("good", &status) == 0, "%s", status.message);
  setenv("ASSAY_PLUGIN_OWNER", "root", 1);
  ck_assert_int_eq(find("good", &status), ASSAY_E_PLUGIN);
}
END_TEST

/* The code of a check made by another user. */
static int check_as(uid_t user, const char *path) {
  const pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (child == 0) {
    unsetenv("ASSAY_PLUGIN_OWNER");
    _exit(setresgid(user, user, user) != 0 || setresuid(user, user, user) != 0 ? 99 : -assay_trust_check(path, false, NULL));
  }
  int state;
  ck_assert_int_eq(waitpid(child, &state, 0), child);
  ck_assert(WIFEXITED(state));
  return WEXITSTATUS(state);
}

START_TEST(group_of_an_installed_folder_is_the_administrators_choice) {
  if (geteuid() != 0) ASSAY_SKIP("only root can give files away");
  put("mine.so", "x", 1);
  ck_assert_int_eq(chown(folder, 0, 54321), 0);
  ck_assert_int_eq(chmod(folder, 0775), 0);
  ck_assert_int_eq(assay_trust_check(in_folder("mine.so"), true, NULL), 0);
  ck_assert_int_eq(assay_trust_check(in_folder("mine.so"), false, NULL), ASSAY_E_PLUGIN);
  ck_assert_int_eq(chmod(folder, 0777), 0);
  ck_assert_int_eq(assay_trust_check(in_folder("mine.so"), true, NULL), ASSAY_E_PLUGIN);
}
END_TEST

START_TEST(another_user_trusts_root_and_themselves) {
  if (geteuid() != 0) ASSAY_SKIP("only root can become another user");
  put("mine.so", "x", 1);
  ck_assert_int_eq(chmod(folder, 0755), 0);
  ck_assert_int_eq(chmod(in_folder("mine.so"), 0644), 0);
  ck_assert_int_eq(check_as(54321, in_folder("mine.so")), 0);
  ck_assert_int_eq(chown(in_folder("mine.so"), 54321, 54321), 0);
  ck_assert_int_eq(check_as(54321, in_folder("mine.so")), 0);
  ck_assert_int_eq(check_as(54322, in_folder("mine.so")), -ASSAY_E_PLUGIN);
  ck_assert_int_eq(chmod(in_folder("mine.so"), 0664), 0); /* a group that is nobody's private one */
  ck_assert_int_eq(check_as(54321, in_folder("mine.so")), -ASSAY_E_PLUGIN);
  ck_assert_int_eq(chown(in_folder("mine.so"), 54321, 0), 0); /* root's group */
  ck_assert_int_eq(check_as(54321, in_folder("mine.so")), 0);
}
END_TEST

/* ---- The search path ---- */

static const struct assay_registry_entry *find_entry(const struct assay_registry_entry *const *entries, uint32_t count, const char *file, const char *name) {
  for (uint32_t i = 0; i < count; i++)
    if (strcmp(entries[i]->file, file) == 0 && (name == NULL || (entries[i]->name != NULL && strcmp(entries[i]->name, name) == 0))) return entries[i];
  return NULL;
}

START_TEST(first_on_the_path_wins_and_the_list_says_so) {
  struct assay_status status = {0};
  struct assay_registry *registry;
  const struct assay_plugin *plugin;
  ck_assert_int_eq(mkdir(in_folder("a"), 0755), 0);
  ck_assert_int_eq(mkdir(in_folder("b"), 0755), 0);
  put_module("chameleon", "a/metric-good.so", -1, 0);
  put_module("chameleon", "b/metric-good.so", -1, 0);
  put_module("chameleon", "b/metric-magic.so", -1, 0);
  put_module("chameleon", "b/thing-good.so", -1, 0);
  put("b/notes.txt", "no module", 9);
  char path[600];
  snprintf(path, sizeof path, "%s:%s", in_folder("a"), in_folder("b"));
  ck_assert_int_eq(assay_registry_create(path, &registry, &status), 0);
  ck_assert_int_eq(assay_registry_find(registry, ASSAY_METRIC, "good", &plugin, &status), 0);
  const struct assay_plugin *again;
  put("a/metric-good.so", "", 0); /* found once, found again without touching the disk */
  ck_assert_int_eq(assay_registry_find(registry, ASSAY_METRIC, "good", &again, &status), 0);
  ck_assert_ptr_eq(plugin, again);

  const struct assay_registry_entry *const *entries;
  uint32_t count;
  ck_assert_int_eq(assay_registry_list(registry, &entries, &count, &status), 0);
  const struct assay_registry_entry *first = find_entry(entries, count, in_folder("a/metric-good.so"), "good");
  ck_assert_ptr_nonnull(first);
  ck_assert_ptr_eq(first->plugin, plugin);
  const struct assay_registry_entry *shadowed = find_entry(entries, count, in_folder("b/metric-good.so"), "good");
  ck_assert_ptr_nonnull(shadowed);
  ck_assert_ptr_null(shadowed->plugin);
  ck_assert_str_eq(shadowed->shadowed_by, in_folder("a/metric-good.so"));
  const struct assay_registry_entry *broken = find_entry(entries, count, in_folder("b/metric-magic.so"), NULL);
  ck_assert_ptr_nonnull(broken);
  ck_assert_uint_eq(broken->kind, 0);
  ck_assert_ptr_nonnull(strstr(broken->problem, "magic"));
  const struct assay_registry_entry *misnamed = find_entry(entries, count, in_folder("b/thing-good.so"), "good");
  ck_assert_ptr_nonnull(misnamed);
  ck_assert_ptr_null(misnamed->plugin);
  ck_assert_ptr_nonnull(strstr(misnamed->problem, "metric-good.so"));
  ck_assert_ptr_null(find_entry(entries, count, in_folder("b/notes.txt"), NULL));
  assay_registry_release(registry);
}
END_TEST

START_TEST(an_unfit_file_of_that_name_is_not_passed_over) {
  struct assay_status status;
  struct assay_registry *registry;
  const struct assay_plugin *plugin;
  ck_assert_int_eq(mkdir(in_folder("a"), 0755), 0);
  ck_assert_int_eq(mkdir(in_folder("b"), 0755), 0);
  put("a/metric-good.so", "", 0);
  put_module("chameleon", "b/metric-good.so", -1, 0);
  char path[600];
  snprintf(path, sizeof path, "%s:%s", in_folder("a"), in_folder("b"));
  ck_assert_int_eq(assay_registry_create(path, &registry, &status), 0);
  ck_assert_int_eq(assay_registry_find(registry, ASSAY_METRIC, "good", &plugin, &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, "is an empty file");
  assay_registry_release(registry);
  /* A family module that is unfit may not have held it at all. */
  ck_assert_int_eq(unlink(in_folder("a/metric-good.so")), 0);
  put("a/metric.so", "", 0);
  ck_assert_int_eq(assay_registry_create(path, &registry, &status), 0);
  ck_assert_int_eq(assay_registry_find(registry, ASSAY_METRIC, "good", &plugin, &status), 0);
  ck_assert_int_eq(assay_registry_find(registry, ASSAY_METRIC, "absent", &plugin, &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, "a/metric.so, but: is an empty file");
  assay_registry_release(registry);
}
END_TEST

START_TEST(what_is_not_there_is_told_with_every_place) {
  struct assay_status status;
  put_module("chameleon", "metric-accuracy.so", -1, 0);
  ck_assert_int_eq(find("acuracy", &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, "did you mean \"accuracy\"?");
  ASSERT_SAYS(status, in_folder("metric-acuracy.so"));
  ASSERT_SAYS(status, in_folder("metric.so"));
  ASSERT_SAYS(status, ASSAY_PLUGIN_FOLDER);
  ck_assert_int_eq(find("../etc/passwd", &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, "cannot be the name");
}
END_TEST

START_TEST(path_takes_folders_and_never_the_current_one) {
  struct assay_status status;
  struct assay_registry *registry;
  const struct assay_plugin *plugin;
  put_module("chameleon", "metric-good.so", -1, 0);
  ck_assert_int_eq(assay_registry_create("/nowhere/at/all", &registry, &status), ASSAY_E_PLUGIN);
  ASSERT_SAYS(status, "--plugin-path");
  ck_assert_int_eq(chdir(folder), 0);
  setenv("ASSAY_PLUGIN_PATH", "::.:../x:", 1);
  ck_assert_int_eq(assay_registry_create(":", &registry, &status), 0);
  ck_assert_int_eq(assay_registry_find(registry, ASSAY_METRIC, "good", &plugin, &status), ASSAY_E_PLUGIN);
  assay_registry_release(registry);
  setenv("ASSAY_PLUGIN_PATH", folder, 1);
  ck_assert_int_eq(assay_registry_create(NULL, &registry, &status), 0);
  ck_assert_msg(assay_registry_find(registry, ASSAY_METRIC, "good", &plugin, &status) == 0, "%s", status.message);
  struct assay_arena *arena = assay_arena_create();
  const char *const *names;
  uint32_t count;
  ck_assert_int_eq(assay_registry_names(registry, ASSAY_METRIC, arena, &names, &count), 0);
  bool seen = false;
  for (uint32_t i = 0; i < count; i++) seen = seen || strcmp(names[i], "good") == 0;
  ck_assert(seen);
  assay_arena_release(arena);
  assay_registry_release(registry);
  ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(kinds_have_names) {
  for (uint32_t kind = ASSAY_BACKEND; kind <= ASSAY_METRIC; kind++) ck_assert_uint_eq(assay_kind_by_name(assay_kind_name(kind)), kind);
  ck_assert_ptr_null(assay_kind_name(0));
  ck_assert_ptr_null(assay_kind_name(7));
  ck_assert_uint_eq(assay_kind_by_name("kernel"), 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("plugin");
  TCase *tests = tcase_create("plugin");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_loop_test(tests, descriptor_that_does_not_fit_is_named, 0, sizeof unfit / sizeof unfit[0]);
  tcase_add_test(tests, good_module_is_found);
  tcase_add_test(tests, descriptor_check_reads_nothing_behind_a_small_table);
  tcase_add_test(tests, files_that_are_no_modules_are_named);
  tcase_add_test(tests, other_machines_and_other_elf_files_are_named);
  tcase_add_test(tests, what_the_loader_says_is_passed_on);
  tcase_add_loop_test(tests, harmful_module_is_tried_out_once, 0, sizeof harmful / sizeof harmful[0]);
  tcase_add_test(tests, good_verdict_is_remembered_and_a_missing_library_is_not);
  tcase_add_test(tests, damaged_memory_is_no_memory);
  tcase_add_test(tests, program_that_is_not_the_tool_is_noticed);
  tcase_add_test(tests, writable_files_and_folders_are_refused);
  tcase_add_test(tests, link_into_a_writable_folder_is_refused);
  tcase_add_test(tests, foreign_owner_is_refused);
  tcase_add_test(tests, group_of_an_installed_folder_is_the_administrators_choice);
  tcase_add_test(tests, another_user_trusts_root_and_themselves);
  tcase_add_test(tests, first_on_the_path_wins_and_the_list_says_so);
  tcase_add_test(tests, an_unfit_file_of_that_name_is_not_passed_over);
  tcase_add_test(tests, what_is_not_there_is_told_with_every_place);
  tcase_add_test(tests, path_takes_folders_and_never_the_current_one);
  tcase_add_test(tests, kinds_have_names);
  suite_add_tcase(suite, tests);
  return assay_run_suite(suite);
}
