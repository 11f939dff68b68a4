/* SPDX-License-Identifier: MIT
 *
 * One shared object: opened for good, asked for its descriptors, each of them checked.
 */
#ifndef ASSAY_PLUGIN_MODULE_H
#define ASSAY_PLUGIN_MODULE_H

#include <assay/plugin.h>

struct assay_arena;

struct assay_module {
  uint32_t plugin_count;
  const struct assay_plugin *const *plugins; /* all checked */
};

/* Loads the file and checks every descriptor; one that does not fit refuses the whole module. No trust and no probe: the caller has seen to both.
 * The message (ASSAY_E_PLUGIN) does not name the file. A module that was opened stays mapped. Memory from `arena`. */
int assay_module_load(const char *file, struct assay_arena *arena, struct assay_module *module, struct assay_status *status);

#endif
