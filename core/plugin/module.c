/* SPDX-License-Identifier: MIT */
#include "plugin/module.h"

#include "base/arena.h"
#include "base/status.h"
#include "plugin/registry.h"

#include <dlfcn.h>
#include <string.h>

enum { MOST_PLUGINS = 1024 };

typedef const struct assay_plugin *(*query_function)(unsigned index);

static int open_module(const char *file, query_function *query, struct assay_status *status) {
  void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == NULL) {
    const char *words = dlerror();
    const size_t length = strlen(file);
    /* The loader begins with the file, which our caller names already. */
    if (words != NULL && strncmp(words, file, length) == 0 && strncmp(words + length, ": ", 2) == 0) words += length + 2;
    return assay_status_set(status, ASSAY_E_PLUGIN, "the loader says: %s", words != NULL ? words : "(nothing)");
  }
  void *symbol = dlsym(handle, "assay_plugin_query");
  if (symbol == NULL)
    return assay_status_set(status, ASSAY_E_PLUGIN,
                            "does not export assay_plugin_query, so it is no plugin of Assay's; declare that function with ASSAY_EXPORT (C linkage in C++)");
  memcpy(query, &symbol, sizeof *query);
  return 0;
}

int assay_module_load(const char *file, struct assay_arena *arena, struct assay_module *module, struct assay_status *status) {
  query_function query = NULL;
  int code = open_module(file, &query, status);
  if (code != 0) return code;
  uint32_t count = 0;
  while (count <= MOST_PLUGINS && query(count) != NULL) count++;
  if (count == 0) return assay_status_set(status, ASSAY_E_PLUGIN, "assay_plugin_query(0) gives NULL, so there is no plugin in it");
  if (count > MOST_PLUGINS)
    return assay_status_set(status, ASSAY_E_PLUGIN, "assay_plugin_query has no end within %d; it must give NULL past the last", MOST_PLUGINS);
  const struct assay_plugin **plugins = ASSAY_NEW_ARRAY(arena, const struct assay_plugin *, count);
  if (plugins == NULL) return assay_status_memory(status);
  for (uint32_t i = 0; i < count; i++) {
    plugins[i] = query(i);
    if (plugins[i] == NULL) return assay_status_set(status, ASSAY_E_PLUGIN, "assay_plugin_query(%u) gives NULL the second time", i);
    code = assay_descriptor_check(plugins[i], status);
    if (code != 0) return code;
    for (uint32_t other = 0; other < i; other++)
      if (plugins[other]->kind == plugins[i]->kind && strcmp(plugins[other]->name, plugins[i]->name) == 0)
        return assay_status_set(status, ASSAY_E_PLUGIN, "holds the %s \"%s\" twice", assay_kind_name(plugins[i]->kind), plugins[i]->name);
  }
  *module = (struct assay_module){count, plugins};
  return 0;
}
