/* SPDX-License-Identifier: MIT
 *
 * From INI entries to a plan: every key finds the option it belongs to, every option its value, every domain its axis. What nobody knows is an error.
 */
#include "config/plan_model.h"

#include "base/file.h"
#include "base/log.h"
#include "base/options.h"
#include "base/status.h"
#include "base/text.h"
#include "config/sections.h"

#include <assay/layer.h>
#include <assay/metric.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_DIMENSIONS = 1000, MOST_LAYERS = 1000 };

struct resolver {
  struct assay_plan *plan;
  struct assay_ini *ini;
  struct assay_arena *arena;
  struct assay_status *status;
  uint32_t dimension_capacity, group_capacity;
};

/* The axis and the choice on it under which a value counts. */
struct parent {
  int32_t dimension;
  uint32_t choice;
};
static const struct parent no_parent = {-1, 0};

#define REFUSE_FILE(resolver, ...) assay_status_set((resolver)->status, ASSAY_E_CONFIG, __VA_ARGS__)
#define OUT_OF_MEMORY(resolver) assay_status_memory((resolver)->status)

/* "student.ini:12, [optimizer]"; without the line where the section is not written. */
static const char *section_place(const struct resolver *resolver, const char *section) {
  const struct assay_ini_section *found = assay_ini_find_section(resolver->ini, section);
  if (found != NULL && found->line > 0) return assay_arena_print(resolver->arena, "%s:%u, [%s]", resolver->ini->name, found->line, section);
  return assay_arena_print(resolver->arena, "%s, [%s]", resolver->ini->name, section);
}

static void mark_section(const struct resolver *resolver, const char *section) {
  struct assay_ini_section *found = assay_ini_find_section(resolver->ini, section);
  if (found != NULL) found->used = true;
}

/* ---- Values ---- */

static int add_dimension(struct resolver *resolver, struct assay_plan_value *value, double number, struct parent parent) {
  struct assay_plan *plan = resolver->plan;
  const uint32_t count = plan->space.dimension_count;
  if (count == MOST_DIMENSIONS) return REFUSE_FILE(resolver, "%s: more than %d domains; fix some of the values", plan->file, MOST_DIMENSIONS);
  struct assay_dimension *dimension = ASSAY_NEW(resolver->arena, struct assay_dimension);
  const char *name = assay_arena_print(resolver->arena, "%s.%s", value->section, value->key);
  if (dimension == NULL || name == NULL) return OUT_OF_MEMORY(resolver);
  const struct assay_domain *domain = value->domain;
  *dimension = (struct assay_dimension){.struct_size = sizeof *dimension,
                                        .kind = domain->kind,
                                        .name = name,
                                        .low = domain->low,
                                        .high = domain->high,
                                        .step = domain->step,
                                        .logarithmic = domain->logarithmic,
                                        .choice_count = domain->choice_count,
                                        .default_value = number,
                                        .parent = parent.dimension,
                                        .parent_choice = parent.choice};
  if (count == resolver->dimension_capacity) {
    const uint32_t capacity = count == 0 ? 16 : count * 2;
    const struct assay_dimension **dimensions = ASSAY_NEW_ARRAY(resolver->arena, const struct assay_dimension *, capacity);
    const struct assay_plan_value **values = ASSAY_NEW_ARRAY(resolver->arena, const struct assay_plan_value *, capacity);
    if (dimensions == NULL || values == NULL) return OUT_OF_MEMORY(resolver);
    if (count > 0) memcpy(dimensions, plan->space.dimensions, count * sizeof *dimensions);
    if (count > 0) memcpy(values, plan->dimension_values, count * sizeof *values);
    plan->space.dimensions = dimensions;
    plan->dimension_values = values;
    resolver->dimension_capacity = capacity;
  }
  ((const struct assay_dimension **)plan->space.dimensions)[count] = dimension;
  plan->dimension_values[count] = value;
  plan->space.dimension_count = count + 1;
  value->dimension = (int32_t)count;
  return 0;
}

/* Is the text of this entry, domain included, right for the option? Gives the default as a point's number. */
static int check_entry(const struct resolver *resolver, const struct assay_ini_entry *entry, const struct assay_option *option,
                       const struct assay_domain *domain, double *number) {
  struct assay_option_value parsed;
  int code = assay_option_parse(option, entry->value, resolver->arena, &parsed, resolver->status);
  if (code == 0 && domain != NULL) code = assay_domain_fit(domain, option, entry->value, number, resolver->status);
  if (code == 0) return 0;
  code = assay_ini_blame(resolver->ini, entry, resolver->status);
  if (domain == NULL && strchr(entry->value, '~') != NULL && strchr(entry->value, '(') != NULL && resolver->status != NULL)
    code = assay_status_set(resolver->status, code, "%s (a domain needs a blank before and behind the ~)", resolver->status->message);
  return code;
}

/* The value of `option` from its entry, or from the table where `entry` is NULL. */
static int make_value(struct resolver *resolver, const char *section, const struct assay_option *option, struct assay_ini_entry *entry, struct parent parent,
                      struct assay_plan_value **made) {
  struct assay_plan_value *value = ASSAY_NEW(resolver->arena, struct assay_plan_value);
  if (value == NULL) return OUT_OF_MEMORY(resolver);
  *value = (struct assay_plan_value){.section = section, .key = option->name, .option = option, .text = option->default_text, .dimension = -1};
  *made = value;
  if (entry == NULL) {
    if (value->text != NULL) return 0;
    return REFUSE_FILE(resolver, "%s: %s is missing: %s", section_place(resolver, section), option->name, option->help);
  }
  entry->used = true;
  value->section = entry->section;
  value->text = entry->value;
  value->origin = entry->origin;
  value->line = entry->line;
  struct assay_domain *domain = NULL;
  if (entry->domain != NULL && assay_domain_parse(entry->domain, resolver->arena, &domain, resolver->status) != 0)
    return assay_ini_blame(resolver->ini, entry, resolver->status);
  double number = 0;
  const int code = check_entry(resolver, entry, option, domain, &number);
  if (code != 0 || domain == NULL) return code;
  value->domain = domain;
  return add_dimension(resolver, value, number, parent);
}

/* ---- The core's own keys ---- */

/* A key that only counts beside a value of another: finds that one, and the axis it hangs from where that is searched. */
static int resolve_condition(struct resolver *resolver, const struct assay_plan_group *group, uint32_t index, const struct assay_ini_entry *entry,
                             const struct assay_plan_value **on, const char **choice, struct parent *parent) {
  const struct assay_option *const *options = assay_section_options(group->section);
  *parent = no_parent;
  const char *key = assay_section_condition(group->section, options[index]->name, choice);
  *on = key == NULL ? NULL : group->core[assay_option_index(options, key)];
  if (*on == NULL) return 0;
  for (uint32_t i = 0; (*on)->domain != NULL && i < (*on)->domain->choice_count; i++)
    if (strcmp((*on)->domain->choices[i], *choice) == 0) *parent = (struct parent){(*on)->dimension, i};
  /* An override may leave keys of the file behind that then do not count. */
  if (entry == NULL || parent->dimension >= 0 || strcmp((*on)->text, *choice) == 0 || (*on)->origin == ASSAY_ORIGIN_OVERRIDE) return 0;
  return assay_ini_refuse(resolver->ini, entry, resolver->status, "only counts beside %s = %s, and %s is %s; remove it, or change %s", key, *choice, key,
                          (*on)->text, key);
}

static int check_core_texts(struct resolver *resolver, const struct assay_plan_value *value, const struct assay_ini_entry *entry) {
  int code = assay_section_check(value->section, value->key, value->text, resolver->status);
  for (uint32_t i = 0; code == 0 && value->domain != NULL && i < value->domain->choice_count; i++)
    code = assay_section_check(value->section, value->key, value->domain->choices[i], resolver->status);
  return code == 0 || entry == NULL ? code : assay_ini_blame(resolver->ini, entry, resolver->status);
}

static int resolve_core(struct resolver *resolver, struct assay_plan_group *group) {
  const struct assay_option *const *options = assay_section_options(group->section);
  group->core_count = assay_option_count(options);
  group->core = ASSAY_NEW_ARRAY(resolver->arena, struct assay_plan_value *, group->core_count + 1);
  if (group->core == NULL) return OUT_OF_MEMORY(resolver);
  for (uint32_t i = 0; i < group->core_count; i++) {
    struct assay_ini_entry *entry = assay_ini_find(resolver->ini, group->section, options[i]->name);
    const struct assay_plan_value *on;
    const char *choice = NULL;
    struct parent parent;
    int code = resolve_condition(resolver, group, i, entry, &on, &choice, &parent);
    if (code == 0) code = make_value(resolver, group->section, options[i], entry, parent, &group->core[i]);
    if (code == 0) code = check_core_texts(resolver, group->core[i], entry);
    if (code != 0) return code;
    group->core[i]->condition = on;
    group->core[i]->condition_choice = choice;
  }
  return 0;
}

/* ---- Unknown keys ---- */

/* Collects names for a suggestion. */
struct names {
  const char *list[600];
  uint32_t count;
};

static void add_name(struct names *names, const char *name) {
  if (names->count < sizeof names->list / sizeof names->list[0] - 1) names->list[names->count++] = name;
  names->list[names->count] = NULL;
}

static void add_option_names(struct names *names, const struct assay_option *const *options) {
  for (uint32_t i = 0; options != NULL && options[i] != NULL; i++) add_name(names, options[i]->name);
}

static void add_group_names(struct names *names, const struct assay_plan_group *group) {
  add_option_names(names, assay_section_options(group->section));
  if (group->prints_type) add_name(names, "type");
  if (strncmp(group->section, "layer.", 6) == 0) add_name(names, "input");
  for (uint32_t v = 0; v < group->variant_count; v++) add_option_names(names, group->variants[v].plugin->options);
}

static int refuse_unknown_key(const struct resolver *resolver, const struct assay_ini_entry *entry, const struct names *names) {
  const char *nearest = assay_nearest(entry->key, names->list);
  if (nearest != NULL) return assay_ini_refuse(resolver->ini, entry, resolver->status, "is not a key of this section; did you mean \"%s\"?", nearest);
  char known[500] = "";
  for (uint32_t i = 0; i < names->count && strlen(known) + strlen(names->list[i]) + 3 < sizeof known; i++) {
    strcat(known, i > 0 ? ", " : "");
    strcat(known, names->list[i]);
  }
  return assay_ini_refuse(resolver->ini, entry, resolver->status, "is not a key of this section; it has %s", known[0] != '\0' ? known : "none");
}

/* Another plugin of the kind, already loaded or installed, that has the option; for "belongs to". Backends are not opened for a message. */
static const struct assay_plugin *find_owner(const struct resolver *resolver, uint32_t kind, const char *key) {
  const struct assay_registry_entry *const *entries;
  uint32_t count;
  if (kind == ASSAY_BACKEND || assay_registry_list(resolver->plan->registry, &entries, &count, NULL) != 0) return NULL;
  for (uint32_t i = 0; i < count; i++)
    if (entries[i]->kind == kind && entries[i]->plugin != NULL && assay_plugin_option_index(entries[i]->plugin, key) >= 0) return entries[i]->plugin;
  return NULL;
}

/* ---- Plugins and their options ---- */

static bool may_be_searched(uint32_t kind) { return kind == ASSAY_LAYER || kind == ASSAY_OPTIMIZER; }

static int check_domain_kind(const struct resolver *resolver, const struct assay_ini_entry *entry, uint32_t kind) {
  if (entry == NULL || entry->domain == NULL || may_be_searched(kind)) return 0;
  return assay_ini_refuse(resolver->ini, entry, resolver->status, "values of a %s cannot be searched; remove the ~ and what follows", assay_kind_name(kind));
}

/* Every key that still stands unread in [S] must be an option of every variant. */
static int check_shared_keys(struct resolver *resolver, const struct assay_plan_group *group, uint32_t kind) {
  for (uint32_t e = 0; e < resolver->ini->entry_count; e++) {
    const struct assay_ini_entry *entry = &resolver->ini->entries[e];
    if (entry->used || strcmp(entry->section, group->section) != 0) continue;
    const struct assay_plugin *owner = NULL, *stranger = NULL;
    for (uint32_t v = 0; v < group->variant_count; v++) {
      const struct assay_plugin *plugin = group->variants[v].plugin;
      if (assay_plugin_option_index(plugin, entry->key) >= 0) owner = plugin;
      else stranger = plugin;
    }
    if (owner != NULL && stranger == NULL) continue;
    if (owner == NULL) {
      struct names names = {.count = 0};
      add_group_names(&names, group);
      if (assay_nearest(entry->key, names.list) == NULL) owner = find_owner(resolver, kind, entry->key);
      if (owner == NULL) return refuse_unknown_key(resolver, entry, &names);
      stranger = group->variant_count > 0 ? group->variants[0].plugin : NULL;
    }
    return assay_ini_refuse(resolver->ini, entry, resolver->status, "is an option of %s, not of %s; put it into [%s.%s], or choose that type", owner->name,
                            stranger != NULL ? stranger->name : "what is chosen here", group->section, owner->name);
  }
  return 0;
}

/* The values that all variants share, one for each option of the first that stands in [S]; others stay NULL. */
static int make_shared(struct resolver *resolver, const struct assay_plan_group *group, uint32_t kind, struct assay_plan_value ***shared) {
  const struct assay_plan_variant *first = &group->variants[0];
  const uint32_t count = assay_option_count(first->plugin->options);
  *shared = ASSAY_NEW_ARRAY(resolver->arena, struct assay_plan_value *, count + 1);
  if (*shared == NULL) return OUT_OF_MEMORY(resolver);
  for (uint32_t i = 0; i < count; i++) {
    const struct assay_option *option = first->plugin->options[i];
    struct assay_ini_entry *entry = assay_ini_find(resolver->ini, group->section, option->name);
    if (entry == NULL || entry->used) continue; /* used: a key of the core */
    int code = check_domain_kind(resolver, entry, kind);
    if (code == 0) code = make_value(resolver, group->section, option, entry, no_parent, &(*shared)[i]);
    for (uint32_t v = 1; v < group->variant_count && code == 0; v++) {
      const struct assay_plugin *plugin = group->variants[v].plugin;
      double number;
      code = check_entry(resolver, entry, plugin->options[assay_plugin_option_index(plugin, option->name)], (*shared)[i]->domain, &number);
    }
    if (code != 0) return code;
  }
  return 0;
}

static struct assay_plan_value *shared_value(const struct assay_plan_group *group, struct assay_plan_value *const *shared, const char *key) {
  const int index = assay_plugin_option_index(group->variants[0].plugin, key);
  return index < 0 ? NULL : shared[index];
}

/* Keys of [S.TYPE] that the plugin does not have. */
static int check_variant_keys(struct resolver *resolver, const char *section, const struct assay_plugin *plugin) {
  mark_section(resolver, section);
  for (uint32_t e = 0; e < resolver->ini->entry_count; e++) {
    const struct assay_ini_entry *entry = &resolver->ini->entries[e];
    if (strcmp(entry->section, section) != 0 || assay_plugin_option_index(plugin, entry->key) >= 0) continue;
    struct names names = {.count = 0};
    add_option_names(&names, plugin->options);
    return refuse_unknown_key(resolver, entry, &names);
  }
  return 0;
}

static int make_variant(struct resolver *resolver, const struct assay_plan_group *group, uint32_t kind, uint32_t number,
                        struct assay_plan_value *const *shared) {
  struct assay_plan_variant *variant = &group->variants[number];
  const struct assay_option *const *options = variant->plugin->options;
  const uint32_t count = assay_option_count(options);
  const char *own = assay_arena_print(resolver->arena, "%s.%s", group->section, variant->plugin->name);
  variant->values = ASSAY_NEW_ARRAY(resolver->arena, struct assay_plan_value *, count + 1);
  if (own == NULL || variant->values == NULL) return OUT_OF_MEMORY(resolver);
  int code = check_variant_keys(resolver, own, variant->plugin);
  const struct parent parent = {group->type->dimension, number};
  for (uint32_t i = 0; i < count && code == 0; i++) {
    struct assay_ini_entry *entry = assay_ini_find(resolver->ini, own, options[i]->name);
    struct assay_plan_value *together = shared_value(group, shared, options[i]->name);
    code = check_domain_kind(resolver, entry, kind);
    if (entry == NULL && together != NULL) variant->values[i] = together;
    else if (code == 0)
      code = make_value(resolver, group->variant_count > 1 || kind == ASSAY_BACKEND ? own : group->section, options[i], entry, group->type->dimension < 0 ? no_parent : parent,
                        &variant->values[i]);
  }
  return code;
}

/* Is the section [S.TYPE] of one of the variants? */
static bool is_variant_section(const struct assay_plan_group *group, const char *name) {
  for (uint32_t v = 0; v < group->variant_count; v++)
    if (strcmp(group->variants[v].plugin->name, name) == 0) return true;
  return false;
}

/* [S.TYPE] for types that are not chosen now: they may stay in the file, but must be right. */
static int check_idle_sections(struct resolver *resolver, const struct assay_plan_group *group, uint32_t kind) {
  const size_t length = strlen(group->section);
  for (uint32_t s = 0; s < resolver->ini->section_count; s++) {
    struct assay_ini_section *section = &resolver->ini->sections[s];
    const char *type = section->name + length + 1;
    if (section->used || strncmp(section->name, group->section, length) != 0 || section->name[length] != '.' || strchr(type, '.') != NULL) continue;
    if (is_variant_section(group, type)) continue;
    section->used = true;
    if (kind == ASSAY_BACKEND) { /* a backend is opened only where it runs, since its libraries may be missing elsewhere */
      for (uint32_t e = 0; e < resolver->ini->entry_count; e++)
        if (strcmp(resolver->ini->entries[e].section, section->name) == 0) resolver->ini->entries[e].used = true;
      continue;
    }
    const struct assay_plugin *plugin;
    int code = assay_registry_find(resolver->plan->registry, kind, type, &plugin, resolver->status);
    if (code != 0)
      return assay_status_set(resolver->status, ASSAY_E_CONFIG, "%s: %s", section_place(resolver, section->name),
                              resolver->status != NULL ? resolver->status->message : "");
    code = check_variant_keys(resolver, section->name, plugin);
    for (uint32_t e = 0; e < resolver->ini->entry_count && code == 0; e++) {
      struct assay_ini_entry *entry = &resolver->ini->entries[e];
      if (strcmp(entry->section, section->name) != 0) continue;
      struct assay_domain *domain = NULL;
      double number;
      entry->used = true;
      code = check_domain_kind(resolver, entry, kind);
      if (code == 0 && entry->domain != NULL && (code = assay_domain_parse(entry->domain, resolver->arena, &domain, resolver->status)) != 0)
        code = assay_ini_blame(resolver->ini, entry, resolver->status);
      if (code == 0) code = check_entry(resolver, entry, plugin->options[assay_plugin_option_index(plugin, entry->key)], domain, &number);
    }
    if (code != 0) return code;
  }
  return 0;
}

/* The value behind `type`, or behind another key that names a plugin. */
static int make_type(struct resolver *resolver, struct assay_plan_group *group, const char *default_type, bool searchable) {
  struct assay_option *option = ASSAY_NEW(resolver->arena, struct assay_option);
  if (option == NULL) return OUT_OF_MEMORY(resolver);
  *option = (struct assay_option){.struct_size = sizeof *option,
                                  .type = ASSAY_OPTION_TEXT,
                                  .flags = searchable ? ASSAY_OPTION_SEARCHABLE : 0,
                                  .name = "type",
                                  .default_text = default_type,
                                  .help = "which plugin"};
  struct assay_ini_entry *entry = group->prints_type ? assay_ini_find(resolver->ini, group->section, "type") : NULL;
  return make_value(resolver, group->section, option, entry, no_parent, &group->type);
}

/* Fills the group's variants: one a type. `blame`: the entry that named them, for messages; NULL: `where` of the group. */
static int resolve_plugins(struct resolver *resolver, struct assay_plan_group *group, uint32_t kind, const char *const *types, uint32_t count,
                           const struct assay_ini_entry *blame) {
  group->typed = true;
  group->variants = ASSAY_NEW_ARRAY(resolver->arena, struct assay_plan_variant, count);
  if (group->variants == NULL) return OUT_OF_MEMORY(resolver);
  for (uint32_t v = 0; v < count; v++) {
    const int code = assay_registry_find(resolver->plan->registry, kind, types[v], &group->variants[v].plugin, resolver->status);
    if (code != 0) return blame != NULL ? assay_ini_blame(resolver->ini, blame, resolver->status) : assay_status_prefix(resolver->status, "%s", group->where);
  }
  group->variant_count = count;
  struct assay_plan_value **shared;
  int code = check_shared_keys(resolver, group, kind);
  if (code == 0) code = make_shared(resolver, group, kind, &shared);
  for (uint32_t v = 0; v < count && code == 0; v++) code = make_variant(resolver, group, kind, v, shared);
  return code == 0 ? check_idle_sections(resolver, group, kind) : code;
}

/* Plugins as `type` of the section says. */
static int resolve_typed(struct resolver *resolver, struct assay_plan_group *group, uint32_t kind, const char *default_type) {
  group->prints_type = true;
  const int code = make_type(resolver, group, default_type, may_be_searched(kind));
  if (code != 0) return code;
  const struct assay_domain *domain = group->type->domain;
  const struct assay_ini_entry *entry = assay_ini_find(resolver->ini, group->section, "type");
  return resolve_plugins(resolver, group, kind, domain != NULL ? domain->choices : &group->type->text, domain != NULL ? domain->choice_count : 1, entry);
}

static int begin_group(struct resolver *resolver, struct assay_plan_group *group, const char *section) {
  struct assay_plan *plan = resolver->plan;
  if (plan->group_count == resolver->group_capacity) {
    const uint32_t capacity = plan->group_count == 0 ? 32 : plan->group_count * 2;
    struct assay_plan_group **groups = ASSAY_NEW_ARRAY(resolver->arena, struct assay_plan_group *, capacity);
    if (groups == NULL) return OUT_OF_MEMORY(resolver);
    if (plan->group_count > 0) memcpy(groups, plan->groups, plan->group_count * sizeof(struct assay_plan_group *));
    plan->groups = groups;
    resolver->group_capacity = capacity;
  }
  plan->groups[plan->group_count++] = group;
  group->section = section;
  group->where = section_place(resolver, section);
  mark_section(resolver, section);
  if (group->where == NULL) return OUT_OF_MEMORY(resolver);
  return assay_section_options(section) != NULL ? resolve_core(resolver, group) : 0;
}

/* ---- [data] ---- */

/* Absolute, so that the plan means the same wherever it is printed: from the file's folder, in an override from the process' folder. */
static int make_absolute(struct resolver *resolver, struct assay_plan_value *value) {
  const char *path = value->text;
  if (value->origin == ASSAY_ORIGIN_FILE) path = assay_path_join(resolver->arena, assay_path_folder(resolver->arena, resolver->plan->file), path);
  while (path != NULL && strncmp(path, "./", 2) == 0) path += 2 + strspn(path + 2, "/");
  if (path != NULL && path[0] != '/') {
    char *folder = getcwd(NULL, 0);
    if (folder == NULL) return REFUSE_FILE(resolver, "%s: the current folder cannot be found; start again from one that exists", resolver->plan->file);
    path = strcmp(path, ".") == 0 ? assay_arena_copy(resolver->arena, folder) : assay_path_join(resolver->arena, folder, path);
    free(folder);
  }
  if (path == NULL) return OUT_OF_MEMORY(resolver);
  if (strlen(path) > ASSAY_INI_MOST_LINE - 50)
    return REFUSE_FILE(resolver, "%s: %s is longer than %d bytes; use a shorter path or a symbolic link", section_place(resolver, value->section), value->key,
                       ASSAY_INI_MOST_LINE - 50);
  value->text = path;
  return 0;
}

static int resolve_data(struct resolver *resolver) {
  struct assay_plan_group *group = &resolver->plan->data;
  int code = begin_group(resolver, group, "data");
  if (code == 0) code = make_absolute(resolver, group->core[DATA_PATH]);
  double share;
  bool is_own, is_folder;
  if (code != 0 || assay_parse_test(group->core[DATA_TEST]->text, &share, &is_own, &is_folder, NULL) != 0 || !is_folder) return code;
  const struct assay_ini_entry *entry = assay_ini_find(resolver->ini, "data", "test");
  code = make_absolute(resolver, group->core[DATA_TEST]);
  if (code != 0 || strchr(entry->value, '/') != NULL || assay_folder_exists(group->core[DATA_TEST]->text)) return code;
  return assay_ini_refuse(resolver->ini, entry, resolver->status, "test cannot be \"%.60s\": it is own, a share as 0.2, none, or a labelled folder that exists",
                          entry->value);
}

/* ---- [network] and layers ---- */

static struct assay_plan_group *group_of_layer(const struct assay_plan *plan, uint32_t before, const char *name) {
  for (uint32_t i = 0; i < before; i++)
    if (strcmp(plan->layers[i].group->section + strlen("layer."), name) == 0) return (struct assay_plan_group *)plan->layers[i].group;
  return NULL;
}

/* Number of the last layer before `before` whose section has that name; -1: the images; -2: none. */
static int32_t find_input(const struct assay_plan *plan, uint32_t before, const char *name) {
  if (strcmp(name, "images") == 0) return -1;
  for (uint32_t i = before; i > 0; i--)
    if (strcmp(plan->layers[i - 1].group->section + strlen("layer."), name) == 0) return (int32_t)i - 1;
  return -2;
}

static int resolve_inputs(struct resolver *resolver, uint32_t number) {
  struct assay_plan_layer *layer = &resolver->plan->layers[number];
  const char *const *names = NULL;
  uint32_t count = 1;
  const struct assay_ini_entry *entry = assay_ini_find(resolver->ini, layer->group->section, "input");
  if (entry != NULL && assay_parse_names(entry->value, resolver->arena, &names, &count, resolver->status) != 0)
    return assay_ini_blame(resolver->ini, entry, resolver->status);
  int32_t *inputs = ASSAY_NEW_ARRAY(resolver->arena, int32_t, count);
  if (inputs == NULL) return OUT_OF_MEMORY(resolver);
  inputs[0] = (int32_t)number - 1;
  for (uint32_t i = 0; names != NULL && i < count; i++) {
    inputs[i] = find_input(resolver->plan, number, names[i]);
    if (inputs[i] != -2) continue;
    struct names known = {.count = 0};
    add_name(&known, "images");
    for (uint32_t other = 0; other < number; other++) add_name(&known, resolver->plan->layers[other].group->section + strlen("layer."));
    const char *nearest = assay_nearest(names[i], known.list);
    return assay_ini_refuse(resolver->ini, entry, resolver->status, "\"%.60s\" is no layer before this one%s%s%s; name earlier layers, or images", names[i],
                            nearest != NULL ? "; did you mean \"" : "", nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
  }
  layer->inputs = inputs;
  layer->input_count = count;
  for (uint32_t v = 0; v < layer->group->variant_count; v++) {
    const struct assay_plugin *plugin = layer->group->variants[v].plugin;
    const struct assay_layer *vtable = plugin->vtable;
    if ((vtable->flags & ASSAY_LAYER_LOSS) != 0)
      return REFUSE_FILE(resolver, "%s: %s is a loss, not a layer; name it in [train] loss", layer->group->where, plugin->name);
    if (count >= vtable->input_count_min && count <= vtable->input_count_max) continue;
    return REFUSE_FILE(resolver, "%s: %s takes %s%u input%s, and has %u; list them as input = a, b", layer->group->where, plugin->name,
                       count < vtable->input_count_min ? "at least " : "at most ",
                       count < vtable->input_count_min ? vtable->input_count_min : vtable->input_count_max,
                       (count < vtable->input_count_min ? vtable->input_count_min : vtable->input_count_max) == 1 ? "" : "s", count);
  }
  return 0;
}

static int resolve_layer_group(struct resolver *resolver, const char *name, const struct assay_ini_entry *layers, struct assay_plan_group **made) {
  struct assay_plan_group *group = ASSAY_NEW(resolver->arena, struct assay_plan_group);
  const char *section = assay_arena_print(resolver->arena, "layer.%s", name);
  if (group == NULL || section == NULL) return OUT_OF_MEMORY(resolver);
  *made = group;
  int code = begin_group(resolver, group, section);
  if (code != 0) return code;
  const bool has_section = assay_ini_find_section(resolver->ini, section) != NULL;
  if (!has_section && layers->origin == ASSAY_ORIGIN_FILE) group->where = assay_arena_print(resolver->arena, "%s:%u, [network] layers, %s", resolver->ini->name, layers->line, name);
  if (group->where == NULL) return OUT_OF_MEMORY(resolver);
  static const struct assay_option input = {
      .struct_size = sizeof input, .type = ASSAY_OPTION_TEXT, .name = "input", .default_text = "", .help = "layers that this one reads; empty: the one before"};
  struct assay_ini_entry *entry = assay_ini_find(resolver->ini, section, "input");
  if (entry != NULL) code = make_value(resolver, section, &input, entry, no_parent, &group->input);
  if (code == 0) code = resolve_typed(resolver, group, ASSAY_LAYER, name);
  if (code == ASSAY_E_PLUGIN && !has_section && resolver->status != NULL)
    code = assay_status_set(resolver->status, code, "%s:%u, [network] layers: \"%s\" has no section [layer.%s], so it must be a type: %s", resolver->ini->name,
                            layers->line, name, name, strstr(resolver->status->message, "there is no") != NULL ? strstr(resolver->status->message, "there is no")
                                                                                                                : resolver->status->message);
  return code;
}

/* A layer that nobody reads would be computed for nothing. */
static int check_readers(struct resolver *resolver) {
  const struct assay_plan *plan = resolver->plan;
  for (uint32_t i = 0; i + 1 < plan->layer_count; i++) {
    bool read = false;
    for (uint32_t reader = i + 1; reader < plan->layer_count && !read; reader++)
      for (uint32_t k = 0; k < plan->layers[reader].input_count; k++) read = read || plan->layers[reader].inputs[k] == (int32_t)i;
    if (!read)
      return REFUSE_FILE(resolver, "%s: no later layer reads %s; name it in the input of one, or remove it", plan->layers[i].group->where, plan->layers[i].name);
  }
  return 0;
}

static int resolve_network(struct resolver *resolver) {
  struct assay_plan *plan = resolver->plan;
  int code = begin_group(resolver, &plan->network, "network");
  if (code != 0) return code;
  const struct assay_ini_entry *entry = assay_ini_find(resolver->ini, "network", "layers");
  const char *const *names;
  uint32_t count;
  if (assay_parse_names(entry->value, resolver->arena, &names, &count, resolver->status) != 0) return assay_ini_blame(resolver->ini, entry, resolver->status);
  if (count > MOST_LAYERS) return assay_ini_refuse(resolver->ini, entry, resolver->status, "more than %d layers; use fewer", MOST_LAYERS);
  plan->layers = ASSAY_NEW_ARRAY(resolver->arena, struct assay_plan_layer, count);
  if (plan->layers == NULL) return OUT_OF_MEMORY(resolver);
  for (uint32_t i = 0; i < count; i++) {
    if (!assay_is_name(names[i]) || strlen(names[i]) > ASSAY_INI_MOST_NAME || strcmp(names[i], "images") == 0)
      return assay_ini_refuse(resolver->ini, entry, resolver->status,
                              "\"%.60s\" cannot be the name of a layer: names are a-z, 0-9 and _, a letter first, and images are what goes in", names[i]);
    uint32_t earlier = 0;
    for (uint32_t other = 0; other < i; other++) earlier += strcmp(names[other], names[i]) == 0;
    struct assay_plan_group *group = group_of_layer(plan, i, names[i]);
    if (group == NULL && (code = resolve_layer_group(resolver, names[i], entry, &group)) != 0) return code;
    plan->layers[i].group = group;
    plan->layers[i].name = earlier == 0 ? names[i] : assay_arena_print(resolver->arena, "%s.%u", names[i], earlier + 1);
    if (plan->layers[i].name == NULL) return OUT_OF_MEMORY(resolver);
    plan->layer_count = i + 1;
    if ((code = resolve_inputs(resolver, i)) != 0) return code;
  }
  return check_readers(resolver);
}

/* ---- The loss, the pruner: plugins that a key of another section names ---- */

static int resolve_named(struct resolver *resolver, struct assay_plan_group *group, const char *section, uint32_t kind, const struct assay_plan_value *name) {
  int code = begin_group(resolver, group, section);
  if (code == 0) code = make_type(resolver, group, name->text, false);
  if (code != 0) return code;
  return resolve_plugins(resolver, group, kind, &group->type->text, 1, assay_ini_find(resolver->ini, name->section, name->key));
}

static int resolve_loss(struct resolver *resolver) {
  struct assay_plan *plan = resolver->plan;
  const struct assay_plan_value *name = plan->train.core[TRAIN_LOSS];
  if (strcmp(name->text, "auto") != 0) {
    const int code = resolve_named(resolver, &plan->loss, "loss", ASSAY_LAYER, name);
    if (code != 0) return code;
    const struct assay_plugin *plugin = plan->loss.variants[0].plugin;
    if ((((const struct assay_layer *)plugin->vtable)->flags & ASSAY_LAYER_LOSS) != 0) return 0;
    return assay_ini_refuse(resolver->ini, assay_ini_find(resolver->ini, "train", "loss"), resolver->status,
                            "%s is a layer, not a loss; use cross_entropy or binary_cross_entropy", plugin->name);
  }
  for (uint32_t i = 0; i < resolver->ini->section_count; i++) {
    const char *section = resolver->ini->sections[i].name;
    if (strcmp(section, "loss") == 0 || strncmp(section, "loss.", 5) == 0)
      return REFUSE_FILE(resolver, "%s: options of a loss need its name: write loss = cross_entropy (say) in [train]", section_place(resolver, section));
  }
  return 0;
}

/* ---- Metrics ---- */

static bool needs_positive(const struct assay_plan_group *group) {
  return (((const struct assay_metric *)group->variants[0].plugin->vtable)->flags & ASSAY_METRIC_BINARY) != 0;
}

/* The list of `metrics`, with the objective at its end when it is not in it. */
static int list_metrics(struct resolver *resolver, const struct assay_ini_entry *list_entry, const char ***names, uint32_t *count) {
  struct assay_plan *plan = resolver->plan;
  const char *objective = plan->search.core[SEARCH_OBJECTIVE]->text;
  const char *const *listed;
  if (assay_parse_names(plan->train.core[TRAIN_METRICS]->text, resolver->arena, &listed, count, resolver->status) != 0)
    return assay_ini_blame(resolver->ini, list_entry, resolver->status);
  *names = ASSAY_NEW_ARRAY(resolver->arena, const char *, *count + 1);
  if (*names == NULL) return OUT_OF_MEMORY(resolver);
  memcpy(*names, listed, *count * sizeof **names);
  for (uint32_t i = 0; i < *count; i++)
    for (uint32_t other = 0; other < i; other++)
      if (strcmp(listed[other], listed[i]) == 0) return assay_ini_refuse(resolver->ini, list_entry, resolver->status, "%.60s stands twice; remove one", listed[i]);
  for (uint32_t i = 0; i < *count; i++)
    if (strcmp(listed[i], objective) == 0) return 0;
  (*names)[(*count)++] = objective;
  return 0;
}

/* `blame`: the entry that names the metric; NULL for one that is reported by default. */
static int resolve_metric(struct resolver *resolver, const char *name, const struct assay_ini_entry *blame, struct assay_plan_group **made) {
  if (!assay_is_name(name) || strlen(name) > ASSAY_INI_MOST_NAME)
    return assay_ini_refuse(resolver->ini, blame, resolver->status, "\"%.60s\" cannot be a metric: names are a-z, 0-9 and _, a letter first", name);
  struct assay_plan_group *group = *made = ASSAY_NEW(resolver->arena, struct assay_plan_group);
  const char *section = assay_arena_print(resolver->arena, "metric.%s", name);
  if (group == NULL || section == NULL) return OUT_OF_MEMORY(resolver);
  int code = begin_group(resolver, group, section);
  if (code == 0) code = resolve_typed(resolver, group, ASSAY_METRIC, name);
  if (code == ASSAY_E_PLUGIN && blame != NULL && assay_ini_find(resolver->ini, section, "type") == NULL)
    return assay_ini_blame(resolver->ini, blame, resolver->status);
  if (code != 0 || blame == NULL || !needs_positive(group) || resolver->plan->data.core[DATA_POSITIVE]->text[0] != '\0') return code;
  return assay_ini_refuse(resolver->ini, blame, resolver->status, "%s needs to know which class is the positive one; write positive = NAME in [data]", name);
}

static int resolve_metrics(struct resolver *resolver) {
  struct assay_plan *plan = resolver->plan;
  const char *objective = plan->search.core[SEARCH_OBJECTIVE]->text;
  const struct assay_ini_entry *list_entry = assay_ini_find(resolver->ini, "train", "metrics");
  const struct assay_ini_entry *objective_entry = assay_ini_find(resolver->ini, "search", "objective");
  const char **names = NULL;
  uint32_t count = 0;
  int code = list_metrics(resolver, list_entry, &names, &count);
  if (code == 0 && (plan->metrics = ASSAY_NEW_ARRAY(resolver->arena, struct assay_plan_group *, count)) == NULL) code = OUT_OF_MEMORY(resolver);
  plan->metric_names = names;
  for (uint32_t i = 0; i < count && code == 0; i++) {
    const bool is_objective = strcmp(names[i], objective) == 0;
    const struct assay_ini_entry *blame = is_objective && objective_entry != NULL ? objective_entry : list_entry;
    struct assay_plan_group *group = NULL;
    code = resolve_metric(resolver, names[i], blame, &group);
    if (code != 0) break;
    /* Of the metrics that are reported by default, those of a positive class stay out where none is named. */
    if (blame == NULL && needs_positive(group) && plan->data.core[DATA_POSITIVE]->text[0] == '\0') {
      plan->group_count--;
      continue;
    }
    if (is_objective) plan->objective = plan->metric_count;
    names[plan->metric_count] = names[i];
    plan->metrics[plan->metric_count++] = group;
  }
  if (code != 0 || list_entry != NULL) return code;
  const char *text = names[0]; /* what is reported after all, so that the printed plan reads back the same */
  for (uint32_t i = 1; i < plan->metric_count && text != NULL; i++) text = assay_arena_print(resolver->arena, "%s, %s", text, names[i]);
  plan->train.core[TRAIN_METRICS]->text = text;
  return text != NULL ? 0 : OUT_OF_MEMORY(resolver);
}

/* ---- [backend] ---- */

/* [backend] threads reaches each backend that has such an option and no value of its own. */
static int pass_threads(struct resolver *resolver) {
  struct assay_plan_group *group = &resolver->plan->backend;
  struct assay_plan_value *threads = group->core[BACKEND_THREADS];
  if (threads->origin == ASSAY_ORIGIN_DEFAULT) return 0;
  for (uint32_t v = 0; v < group->variant_count; v++) {
    struct assay_plan_variant *variant = &group->variants[v];
    const int index = assay_plugin_option_index(variant->plugin, "threads");
    if (index < 0 || variant->values[index]->origin != ASSAY_ORIGIN_DEFAULT) continue;
    double number;
    const int code = check_entry(resolver, assay_ini_find(resolver->ini, "backend", "threads"), variant->plugin->options[index], NULL, &number);
    if (code != 0) return code;
    variant->values[index] = threads;
  }
  return 0;
}

static void add_backend(const char **types, uint32_t *count, const char *name) {
  for (uint32_t i = 0; i < *count; i++)
    if (strcmp(types[i], name) == 0) return;
  types[(*count)++] = name;
}

/* The backends that the words of `devices` name; a word that names none (auto, all, a part of a device's name) may mean any that is installed and
 * can be loaded here. */
static int list_backends(struct resolver *resolver, const char *const *devices, uint32_t device_count, const char ***types, uint32_t *count) {
  const struct assay_registry *registry = resolver->plan->registry;
  const char *const *installed;
  uint32_t installed_count;
  if (assay_registry_names(registry, ASSAY_BACKEND, resolver->arena, &installed, &installed_count) != 0) return OUT_OF_MEMORY(resolver);
  *types = ASSAY_NEW_ARRAY(resolver->arena, const char *, device_count + installed_count);
  *count = 0;
  if (*types == NULL) return OUT_OF_MEMORY(resolver);
  bool any = false;
  for (uint32_t i = 0; i < device_count; i++) {
    const size_t length = strcspn(devices[i], ":");
    const char *name = assay_arena_copy_bytes(resolver->arena, devices[i], length);
    if (name == NULL) return OUT_OF_MEMORY(resolver);
    bool named = devices[i][length] == ':'; /* whether it is installed or not, the registry will say */
    for (uint32_t k = 0; k < installed_count; k++) named = named || strcmp(installed[k], name) == 0;
    if (named) add_backend(*types, count, name);
    any = any || !named;
  }
  for (uint32_t k = 0; any && k < installed_count; k++) {
    const struct assay_plugin *plugin;
    struct assay_status reason;
    if (assay_registry_find(resolver->plan->registry, ASSAY_BACKEND, installed[k], &plugin, &reason) == 0) add_backend(*types, count, installed[k]);
    else assay_log_message(ASSAY_LOG_WARNING, "%s", reason.message);
  }
  return 0;
}

static int resolve_backend(struct resolver *resolver) {
  struct assay_plan_group *group = &resolver->plan->backend;
  int code = begin_group(resolver, group, "backend");
  if (code != 0) return code;
  const struct assay_ini_entry *entry = assay_ini_find(resolver->ini, "backend", "devices");
  const char *const *devices;
  const char **types = NULL;
  uint32_t device_count, type_count = 0;
  if (assay_parse_names(group->core[BACKEND_DEVICES]->text, resolver->arena, &devices, &device_count, resolver->status) != 0)
    return assay_ini_blame(resolver->ini, entry, resolver->status);
  code = list_backends(resolver, devices, device_count, &types, &type_count);
  if (code == 0 && type_count == 0) code = assay_status_set(resolver->status, ASSAY_E_PLUGIN, "no backend is installed; see `assay plugins`");
  if (code == 0) code = make_type(resolver, group, "", false);
  if (code == 0) code = resolve_plugins(resolver, group, ASSAY_BACKEND, types, type_count, entry);
  return code == 0 ? pass_threads(resolver) : code;
}

/* ---- All of it ---- */

/* Sections whose first name nobody knows: first of all, as a slip there would be reported as something missing. */
static int check_sections(struct resolver *resolver) {
  static const char *const heads[] = {"data", "network", "layer", "optimizer", "train", "loss", "search", "pruner", "metric", "backend", NULL};
  for (uint32_t i = 0; i < resolver->ini->section_count; i++) {
    const struct assay_ini_section *section = &resolver->ini->sections[i];
    char head[ASSAY_INI_MOST_NAME + 1];
    const size_t length = strcspn(section->name, ".");
    memcpy(head, section->name, length);
    head[length] = '\0';
    bool known = false;
    for (uint32_t h = 0; heads[h] != NULL; h++) known = known || strcmp(heads[h], head) == 0;
    if (known) continue;
    const char *nearest = assay_nearest(head, heads);
    return REFUSE_FILE(resolver, "%s: there is no such section%s%s%s%s; there are data, network, layer.NAME, optimizer, train, loss, search, pruner, metric.NAME and backend",
                       section->line > 0 ? section_place(resolver, section->name) : assay_arena_print(resolver->arena, "-s %s", section->name),
                       nearest != NULL ? "; did you mean [" : "", nearest != NULL ? nearest : "", nearest != NULL ? section->name + length : "",
                       nearest != NULL ? "]?" : "");
  }
  return 0;
}

/* Sections and keys that no group has read. */
static int check_leftovers(struct resolver *resolver) {
  for (uint32_t i = 0; i < resolver->ini->section_count; i++) {
    const struct assay_ini_section *section = &resolver->ini->sections[i];
    if (section->used) continue;
    const char *place = section_place(resolver, section->name);
    const bool layer = strncmp(section->name, "layer.", 6) == 0, metric = strncmp(section->name, "metric.", 7) == 0;
    struct names names = {.count = 0};
    for (uint32_t k = 0; layer && k < resolver->plan->layer_count; k++) add_name(&names, resolver->plan->layers[k].group->section);
    for (uint32_t k = 0; metric && k < resolver->plan->metric_count; k++) add_name(&names, resolver->plan->metrics[k]->section);
    names.list[names.count] = NULL;
    const char *nearest = assay_nearest(section->name, names.list);
    if (nearest != NULL && (layer || metric)) return REFUSE_FILE(resolver, "%s: there is no such section; did you mean [%s]?", place, nearest);
    if (layer) return REFUSE_FILE(resolver, "%s: [network] layers does not name this layer; add it there, or remove the section", place);
    if (metric) return REFUSE_FILE(resolver, "%s: neither [train] metrics nor [search] objective names this metric; add it there, or remove the section", place);
    return REFUSE_FILE(resolver, "%s: there is no such section; remove it", place);
  }
  for (uint32_t i = 0; i < resolver->ini->entry_count; i++) {
    const struct assay_ini_entry *entry = &resolver->ini->entries[i];
    if (entry->used) continue;
    struct names names = {.count = 0};
    names.list[0] = NULL;
    for (uint32_t g = 0; g < resolver->plan->group_count; g++)
      if (strcmp(resolver->plan->groups[g]->section, entry->section) == 0) add_group_names(&names, resolver->plan->groups[g]);
    return refuse_unknown_key(resolver, entry, &names);
  }
  return 0;
}

/* Keys of the sections that have no plugin, checked before anything else is missed for a slip. */
static int check_plain_keys(struct resolver *resolver) {
  static const char *const plain[] = {"data", "network", "train"};
  for (uint32_t e = 0; e < resolver->ini->entry_count; e++) {
    const struct assay_ini_entry *entry = &resolver->ini->entries[e];
    for (uint32_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
      const struct assay_option *const *options = assay_section_options(plain[i]);
      if (strcmp(entry->section, plain[i]) != 0 || assay_option_index(options, entry->key) >= 0) continue;
      struct names names = {.count = 0};
      add_option_names(&names, options);
      return refuse_unknown_key(resolver, entry, &names);
    }
  }
  return 0;
}

int assay_plan_resolve(struct assay_plan *plan, struct assay_ini *ini, struct assay_status *status) {
  struct assay_status unasked; /* messages are read while they are made */
  struct resolver resolver = {.plan = plan, .ini = ini, .arena = plan->arena, .status = status != NULL ? status : &unasked};
  plan->space.struct_size = sizeof plan->space;
  int code = check_sections(&resolver);
  if (code == 0) code = check_plain_keys(&resolver);
  if (code == 0) code = resolve_data(&resolver);
  if (code == 0) code = resolve_network(&resolver);
  if (code == 0) code = begin_group(&resolver, &plan->optimizer, "optimizer");
  if (code == 0) code = resolve_typed(&resolver, &plan->optimizer, ASSAY_OPTIMIZER, "adam");
  if (code == 0) code = begin_group(&resolver, &plan->train, "train");
  if (code == 0) code = resolve_loss(&resolver);
  if (code == 0) code = begin_group(&resolver, &plan->search, "search");
  if (code == 0) code = resolve_typed(&resolver, &plan->search, ASSAY_SEARCH, "tpe");
  if (code == 0) code = resolve_named(&resolver, &plan->pruner, "pruner", ASSAY_PRUNER, plan->search.core[SEARCH_PRUNER]);
  if (code == 0) code = resolve_metrics(&resolver);
  if (code == 0) code = resolve_backend(&resolver);
  return code == 0 ? check_leftovers(&resolver) : code;
}
