/* SPDX-License-Identifier: MIT
 *
 * Option tables at work: text of an INI checked and turned into typed values. Plugins' tables and the core's own sections go the same way.
 */
#ifndef ASSAY_CONFIG_OPTIONS_H
#define ASSAY_CONFIG_OPTIONS_H

#include <assay/plugin.h>

struct assay_arena;

/* One value from its text; on failure a sentence that names the option, the text, and what is allowed (no place: the caller knows it). */
int assay_option_parse(const struct assay_option *option, const char *text, struct assay_arena *arena, struct assay_option_value *value,
                       struct assay_status *status);
/* Values of a whole table with their defaults. Required ones stay zero. */
int assay_option_defaults(const struct assay_option *const *options, struct assay_arena *arena, const struct assay_option_value *const **values,
                          struct assay_status *status);

#endif
