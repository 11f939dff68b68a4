/* SPDX-License-Identifier: MIT
 *
 * Finding plugins: search path, trust rule, probe in a child, descriptor check, loading. See docs/plugins.md for what users are told.
 */
#ifndef ASSAY_PLUGIN_REGISTRY_H
#define ASSAY_PLUGIN_REGISTRY_H

#include <assay/plugin.h>
#include <stdbool.h>

struct assay_arena;
struct assay_registry;

/* `path`: folders of --plugin-path, colon-separated, or NULL; then ASSAY_PLUGIN_PATH (through secure_getenv), then $(pkglibdir). */
int assay_registry_create(const char *path, struct assay_registry **registry, struct assay_status *status);
void assay_registry_release(struct assay_registry *registry); /* modules stay loaded for the life of the process */

/* The plugin of that kind and name. On failure ASSAY_E_PLUGIN, a "did you mean" among what is installed, and every place tried with the loader's
 * own words. A name that was found once is found again without touching the disk. */
int assay_registry_find(struct assay_registry *registry, uint32_t kind, const char *name, const struct assay_plugin **plugin, struct assay_status *status);

/* Names of that kind as far as files tell them (KIND-NAME.so), without loading any; sorted, from `arena`. 0 or ASSAY_E_MEMORY. */
int assay_registry_names(const struct assay_registry *registry, uint32_t kind, struct assay_arena *arena, const char *const **names, uint32_t *count);

/* Everything on the path, for `assay plugins`. Entries live as long as the registry. */
struct assay_registry_entry {
  uint32_t kind;              /* 0 when the module could not be loaded */
  const char *name;           /* NULL when the module could not be loaded */
  const char *file;           /* path of the module */
  const struct assay_plugin *plugin; /* NULL when shadowed or unfit */
  const char *shadowed_by;    /* file that comes first on the path; NULL */
  const char *problem;        /* why it is unfit; NULL */
};
/* Opens every module on the path. With a kind, only those whose file's name begins with it, and so no library of another kind's. */
int assay_registry_list_kind(struct assay_registry *registry, uint32_t kind, const struct assay_registry_entry *const **entries, uint32_t *count,
                             struct assay_status *status);
int assay_registry_list(struct assay_registry *registry, const struct assay_registry_entry *const **entries, uint32_t *count, struct assay_status *status);

/* What the hidden subcommand `probe-plugin FILE` does, in a child of its own: opens the module, checks it, and writes the verdict to standard output. The
 * exit code for main. */
int assay_plugin_probe_main(const char *file);

const char *assay_kind_name(uint32_t kind); /* "backend", …; NULL */
uint32_t assay_kind_by_name(const char *name); /* 0 */
/* Index of an option in the plugin's table; -1. */
int assay_plugin_option_index(const struct assay_plugin *plugin, const char *name);
/* A layer's `adaptive_rate`; 1 where it has none. */
double assay_layer_adaptive_rate(const struct assay_plugin *plugin);

/* The checks that a descriptor must pass before anything is called. The message names the field. */
int assay_descriptor_check(const struct assay_plugin *plugin, struct assay_status *status);

#endif
