/* SPDX-License-Identifier: MIT
 *
 * Option tables at work: text of an INI checked and turned into typed values. Plugins' tables and the core's own sections go the same way.
 */
#ifndef ASSAY_BASE_OPTIONS_H
#define ASSAY_BASE_OPTIONS_H

#include <assay/plugin.h>

struct assay_arena;
struct assay_text;

/* One value from its text; on failure (ASSAY_E_CONFIG) a sentence that names the option, the text, and what is allowed (no place: the caller
 * knows it). What `value` points to lives in the arena. */
int assay_option_parse(const struct assay_option *option, const char *text, struct assay_arena *arena, struct assay_option_value *value,
                       struct assay_status *status);
/* Values of a whole table with their defaults, parallel to it. Required ones stay zero. */
int assay_option_defaults(const struct assay_option *const *options, struct assay_arena *arena, const struct assay_option_value *const **values,
                          struct assay_status *status);
/* Adds what an option takes: "a whole number from 1 to 64", "one of relu, tanh". */
void assay_option_print_allowed(const struct assay_option *option, struct assay_text *text);
/* Length of a NULL-terminated table; 0 for NULL. */
uint32_t assay_option_count(const struct assay_option *const *options);
/* Index of the option of that name; -1. */
int assay_option_index(const struct assay_option *const *options, const char *name);
/* The name nearest to `word` in the table, when near enough to be a slip; else NULL. */
const char *assay_option_nearest(const struct assay_option *const *options, const char *word);

#endif
