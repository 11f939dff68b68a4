/* SPDX-License-Identifier: MIT
 *
 * A metric that goes wrong in the way that its file's name says: copied to metric-crash.so, it crashes while it is being loaded. The tests make the copies.
 */
#include <assay/metric.h>

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char behaviour[64];

static int is(const char *word) { return strcmp(behaviour, word) == 0; }

static double compute(const struct assay_option_value *const *options, const struct assay_predictions *predictions) {
  (void)options, (void)predictions;
  return 0.5;
}

static struct assay_metric metric = {sizeof metric, 0, compute, NULL};
static struct assay_option size = {sizeof size, ASSAY_OPTION_INT, 0, 0, "size", "3", 1, 8, NULL, "a size"};
static struct assay_option same = {sizeof same, ASSAY_OPTION_BOOL, 0, 0, "same", "no", 0, 0, NULL, "yes or no"};
static const struct assay_option *options[] = {&size, &same, NULL};
static struct assay_plugin plugin = {ASSAY_PLUGIN_MAGIC,       sizeof plugin, ASSAY_METRIC, ASSAY_METRIC_ABI_MAJOR, ASSAY_METRIC_ABI_MINOR, behaviour,
                                     "goes wrong as asked for", "1",           options,      &metric,                sizeof metric,           0};

__attribute__((constructor)) static void take_shape(void) {
  Dl_info info;
  if (dladdr(behaviour, &info) == 0) return;
  const char *name = strrchr(info.dli_fname, '/');
  name = strchr(name != NULL ? name : info.dli_fname, '-');
  if (name == NULL || strlen(name) - 4 >= sizeof behaviour) return;
  memcpy(behaviour, name + 1, strlen(name) - 4);
  if (is("crash")) abort();
  if (is("hang"))
    for (;;) pause();
  if (is("leave")) _exit(7);
  if (is("chatter")) (void)!write(STDOUT_FILENO, "assay-probe-1\nfit\n", 18);
  if (is("magic")) plugin.magic++;
  if (is("small")) plugin.struct_size = 8;
  if (is("kind")) plugin.kind = 77;
  if (is("major")) plugin.abi_major++;
  if (is("minor")) plugin.abi_minor++;
  if (is("table_size")) plugin.vtable_size = 4;
  if (is("table_differs")) metric.struct_size++;
  if (is("no_table")) plugin.vtable = NULL;
  if (is("no_function")) metric.compute = NULL;
  if (is("no_proportion")) metric.flags = ASSAY_METRIC_PROPORTION;
  if (is("no_summary")) plugin.summary = NULL;
  if (is("bad_name")) plugin.name = "Bad-Name";
  if (is("option_size")) size.struct_size = 8;
  if (is("option_name")) size.name = "Size";
  if (is("option_reserved")) size.name = "type";
  if (is("option_twice")) same.name = "size";
  if (is("option_type")) size.type = 99;
  if (is("option_flags")) size.flags = 1u << 20;
  if (is("option_runtime")) size.flags = ASSAY_OPTION_RUNTIME;
  if (is("option_range")) size.maximum = 0;
  if (is("option_default")) size.default_text = "9";
  if (is("option_required")) size.flags = ASSAY_OPTION_REQUIRED;
  if (is("option_no_default")) size.default_text = NULL;
  if (is("option_choices")) size.type = ASSAY_OPTION_CHOICE;
  if (is("option_help")) size.help = "two\nlines";
}

__attribute__((destructor)) static void leave(void) {
  if (is("crash_late")) abort();
}

const struct assay_plugin *assay_plugin_query(unsigned index) {
  if (is("endless")) return &plugin;
  if (is("twice")) return index < 2 ? &plugin : NULL;
  return index == 0 && !is("none") ? &plugin : NULL;
}
