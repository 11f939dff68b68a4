/* SPDX-License-Identifier: MIT
 *
 * Opening backends by name, for the tests of this folder.
 */
#ifndef ASSAY_CONFORMANCE_BACKENDS_H
#define ASSAY_CONFORMANCE_BACKENDS_H

#include "harness.h"

#include "base/arena.h"
#include "base/options.h"
#include "graph/session.h"
#include "plugin/registry.h"

#include <string.h>

/* A registry on the modules of this build; never NULL (the test fails). */
static inline struct assay_registry *open_registry(void) {
  struct assay_registry *registry;
  struct assay_status status;
  ck_assert_msg(assay_registry_create(NULL, &registry, &status) == 0, "%s", status.message);
  return registry;
}

/* The backend's first device with default options but for `option` ("key=value"; NULL: all default); on failure the code, and why in `status`. */
static inline int open_backend(struct assay_registry *registry, const char *name, const char *option, struct assay_arena *arena, struct assay_session **session,
                               struct assay_status *status) {
  const struct assay_plugin *plugin;
  const struct assay_option_value *const *values;
  int error = assay_registry_find(registry, ASSAY_BACKEND, name, &plugin, status);
  if (!error) error = assay_option_defaults(plugin->options, arena, &values, status);
  if (!error && option != NULL) {
    const char *key = assay_arena_print(arena, "%.*s", (int)strcspn(option, "="), option);
    const int index = assay_option_index(plugin->options, key);
    ck_assert_msg(index >= 0, "%s has no option %s", name, key);
    error = assay_option_parse(plugin->options[index], option + strlen(key) + 1, arena, (struct assay_option_value *)values[index], status);
  }
  if (!error) error = assay_session_open(plugin, values, NULL, session, status);
  return error;
}

#endif
