/* SPDX-License-Identifier: MIT
 *
 * What the parts of plan resolution share: the state of one resolution, and the steps from an entry to a value and from a section to a group. All of
 * them fill the resolver's status with place and remedy. Private to core/config.
 */
#ifndef ASSAY_CONFIG_RESOLVER_H
#define ASSAY_CONFIG_RESOLVER_H

#include "config/plan_model.h"

#include "base/status.h"

struct assay_resolver {
  struct assay_plan *plan;
  struct assay_ini *ini;
  struct assay_arena *arena;
  struct assay_status *status; /* never NULL */
  uint32_t dimension_capacity, group_capacity;
};

/* The axis and the choice on it under which a value counts. */
struct assay_parent {
  int32_t dimension; /* -1: always */
  uint32_t choice;
};
#define ASSAY_NO_PARENT ((struct assay_parent){-1, 0})

#define REFUSE_FILE(resolver, ...) assay_status_set((resolver)->status, ASSAY_E_CONFIG, __VA_ARGS__)
#define OUT_OF_MEMORY(resolver) assay_status_memory((resolver)->status)

/* ---- Values; resolve_values.c ---- */

/* "student.ini:12, [optimizer]"; without the line where the section is not written. */
const char *assay_resolve_place(const struct assay_resolver *resolver, const char *section);
/* Somebody knows this section. */
void assay_resolve_mark(const struct assay_resolver *resolver, const char *section);
/* Is the text of this entry, domain included, right for the option? `domain` NULL: it has none. Gives the default as a point's number. */
int assay_resolve_check(const struct assay_resolver *resolver, const struct assay_ini_entry *entry, const struct assay_option *option,
                        const struct assay_domain *domain, double *number);
/* The value of `option` from its entry, or from the table where `entry` is NULL; with its axis, when it has a domain. */
int assay_resolve_value(struct assay_resolver *resolver, const char *section, const struct assay_option *option, struct assay_ini_entry *entry,
                        struct assay_parent parent, struct assay_plan_value **made);
/* The keys that the core itself has in the group's section. */
int assay_resolve_core(struct assay_resolver *resolver, struct assay_plan_group *group);

/* Names for a suggestion. */
struct assay_names {
  const char *list[600]; /* NULL-terminated */
  uint32_t count;
};
void assay_names_add(struct assay_names *names, const char *name);
void assay_names_add_options(struct assay_names *names, const struct assay_option *const *options);
void assay_names_add_group(struct assay_names *names, const struct assay_plan_group *group);
/* The error for a key that is none of `names`. */
int assay_resolve_unknown(const struct assay_resolver *resolver, const struct assay_ini_entry *entry, const struct assay_names *names);

/* ---- Groups; resolve_groups.c ---- */

/* Begins the group of a section: its place, and the core's keys where it has some. `section` outlives the plan. */
int assay_resolve_group(struct assay_resolver *resolver, struct assay_plan_group *group, const char *section);
/* Its plugins as the key `type` says; all variants of them where that is searched. */
int assay_resolve_typed(struct assay_resolver *resolver, struct assay_plan_group *group, uint32_t kind, const char *default_type);
/* Its plugin as the value of another section's key says. */
int assay_resolve_named(struct assay_resolver *resolver, struct assay_plan_group *group, const char *section, uint32_t kind,
                        const struct assay_plan_value *name);
/* A variant for each of `types`. `blame`: the entry that named them, for messages; NULL: `where` of the group. */
int assay_resolve_plugins(struct assay_resolver *resolver, struct assay_plan_group *group, uint32_t kind, const char *const *types, uint32_t count,
                          const struct assay_ini_entry *blame);
/* The value behind `type`, which need not stand in the section. */
int assay_resolve_type(struct assay_resolver *resolver, struct assay_plan_group *group, const char *default_type, bool searchable);

/* ---- Layers; resolve_network.c ---- */

int assay_resolve_network(struct assay_resolver *resolver);
/* The default learning rate of adaptive optimizers, where the INI leaves it out, goes by the layers. After [network] and [optimizer]. */
int assay_resolve_rate(struct assay_resolver *resolver);
/* Before any of the layers is resolved: resolve_dropouts.c */
int assay_resolve_dropouts(struct assay_resolver *resolver, const char *const *layers, uint32_t layer_count);

/* ---- Metrics; resolve_metrics.c ---- */

int assay_resolve_metrics(struct assay_resolver *resolver);

/* ---- Pretrained weights; resolve_weights.c ---- */

/* What the file of [network] weights says of itself becomes the default of keys that the INI leaves out. After [data] and [network]. */
int assay_resolve_weights(struct assay_resolver *resolver);
/* Makes a path absolute, so that the plan means the same wherever it is printed: from the file's folder, in an override from the process' folder. resolve.c */
int assay_resolve_absolute(struct assay_resolver *resolver, struct assay_plan_value *value);

#endif
