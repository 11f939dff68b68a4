/* SPDX-License-Identifier: MIT
 *
 * What the tests of plans share: a registry of the plugins of tests/config/modules, an arena and a status a test, and the least files that a case begins with.
 */
#ifndef ASSAY_TESTS_CONFIG_FIXTURE_H
#define ASSAY_TESTS_CONFIG_FIXTURE_H

#include "base/arena.h"
#include "base/status.h"
#include "plugin/registry.h"

#include <stdlib.h>

static struct assay_registry *registry;
static struct assay_arena *arena;
static struct assay_status status;

static void set_up(void) {
  unsetenv("ASSAY_PLUGIN_PATH");
  ck_assert_msg(assay_registry_create(MODULES, &registry, &status) == 0, "%s", status.message);
  arena = assay_arena_create();
}

static void tear_down(void) {
  assay_arena_release(arena);
  assay_registry_release(registry);
}

#define HEAD "[data]\npath = i\ntest = none\n"
#define BASE "[data]\npath = images\ntest = none\n[network]\nlayers = classifier\n"

#endif
