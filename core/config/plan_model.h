/* SPDX-License-Identifier: MIT
 *
 * What a plan is made of; private to core/config. A *group* is what one section configures: keys of the core, and a plugin with its options. Where the
 * type of the plugin is searched, the group has a *variant* for each choice, and options that stand in [S] are shared by all of them.
 */
#ifndef ASSAY_CONFIG_PLAN_MODEL_H
#define ASSAY_CONFIG_PLAN_MODEL_H

#include "base/arena.h"
#include "config/domain.h"
#include "config/ini.h"
#include "config/plan.h"

/* One key with its value. */
struct assay_plan_value {
  const char *section; /* where it stands, or would stand, in the file */
  const char *key;
  const struct assay_option *option;
  const char *text;                  /* the default value; NULL: required and missing, which only a `type` never is */
  const struct assay_domain *domain; /* NULL: fixed */
  const char *domain_text;           /* as written; NULL with it */
  int32_t dimension;                 /* -1: none */
  uint32_t origin, line;             /* enum assay_origin */
  const struct assay_plan_value *condition; /* the key beside which this one counts; NULL: always */
  const char *condition_choice;
};

struct assay_plan_variant {
  const struct assay_plugin *plugin;
  struct assay_plan_value **values; /* parallel to the plugin's options; shared ones are the same in several variants */
};

struct assay_plan_group {
  const char *section;
  const char *where;              /* "file:line, [section]" */
  uint32_t core_count;
  struct assay_plan_value **core; /* parallel to assay_section_options */
  bool typed;
  bool prints_type;               /* `type = …` stands in the section; else another key names the plugin */
  struct assay_plan_value *type;  /* NULL when not typed */
  struct assay_plan_value *input; /* of a layer; NULL: what stands before it */
  uint32_t variant_count;
  struct assay_plan_variant *variants;
};

struct assay_plan_layer {
  const char *name;
  const struct assay_plan_group *group; /* one name that stands twice in `layers` has one group */
  uint32_t input_count;
  const int32_t *inputs;
};

struct assay_plan {
  struct assay_arena *arena;
  const char *file;
  struct assay_registry *registry;

  struct assay_plan_group stages, data, augment, network, optimizer, train, loss, search, pruner, judge, backend;
  uint32_t layer_count;
  struct assay_plan_layer *layers;
  uint32_t metric_count;             /* the objective among them */
  const char *const *metric_names;
  struct assay_plan_group **metrics; /* parallel */
  uint32_t objective;                /* number of that metric */
  uint32_t group_count;
  struct assay_plan_group **groups;  /* all of them, in the order in which they are printed and searched */

  struct assay_space space;
  const struct assay_plan_value **dimension_values; /* by dimension */
};

/* The value's text at a point (NULL, or NaN there: the default); from `arena` or the plan. NULL when memory is short. */
const char *assay_plan_text_at(const struct assay_plan *plan, const struct assay_plan_value *value, const double *point, struct assay_arena *arena);
/* The variant that counts at a point; NULL for a group without plugin. */
const struct assay_plan_variant *assay_plan_variant_at(const struct assay_plan *plan, const struct assay_plan_group *group, const double *point);
/* Does the key count at the point, as far as its condition goes? With NULL: can it count at all? */
bool assay_plan_counts(const struct assay_plan *plan, const struct assay_plan_value *value, const double *point, bool anywhere);

/* Fills the plan from the text; see resolve.c. */
int assay_plan_resolve(struct assay_plan *plan, struct assay_ini *ini, struct assay_status *status);

#endif
