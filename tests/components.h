/* SPDX-License-Identifier: MIT
 *
 * For tests that need plugins: one registry and arena a test, and components from option texts, as settings hold them.
 */
#ifndef ASSAY_TESTS_COMPONENTS_H
#define ASSAY_TESTS_COMPONENTS_H

#include "harness.h"

#include "base/arena.h"
#include "base/options.h"
#include "config/plan.h"
#include "plugin/registry.h"

#include <string.h>

static struct assay_registry *test_registry;
static struct assay_arena *test_arena;

static inline void components_setup(void) {
  struct assay_status status;
  test_arena = assay_arena_create();
  ck_assert_msg(assay_registry_create(NULL, &test_registry, &status) == 0, "%s", status.message);
}

static inline void components_teardown(void) {
  assay_registry_release(test_registry);
  assay_arena_release(test_arena);
}

/* `options`: "key=value" separated by semicolons, or "". The rest are defaults. */
static inline struct assay_component component(uint32_t kind, const char *name, const char *options) {
  struct assay_status status;
  struct assay_component made = {.name = name, .where = "test"};
  ck_assert_msg(assay_registry_find(test_registry, kind, name, &made.plugin, &status) == 0, "%s", status.message);
  const struct assay_option_value *const *defaults;
  ck_assert_msg(assay_option_defaults(made.plugin->options, test_arena, &defaults, &status) == 0, "%s", status.message);
  const uint32_t count = assay_option_count(made.plugin->options);
  const struct assay_option_value **values = ASSAY_NEW_ARRAY(test_arena, const struct assay_option_value *, count + 1);
  for (uint32_t i = 0; i < count; i++) values[i] = defaults[i];
  char *rest = assay_arena_copy(test_arena, options);
  for (char *pair; (pair = strsep(&rest, ";")) != NULL && *pair != '\0';) {
    const char *key = strsep(&pair, "=");
    const int option = assay_option_index(made.plugin->options, key);
    ck_assert_msg(option >= 0 && pair != NULL, "%s has no option %s", name, key);
    struct assay_option_value *value = ASSAY_NEW(test_arena, struct assay_option_value);
    ck_assert_msg(assay_option_parse(made.plugin->options[option], pair, test_arena, value, &status) == 0, "%s", status.message);
    values[option] = value;
  }
  made.values = values;
  return made;
}

#endif
