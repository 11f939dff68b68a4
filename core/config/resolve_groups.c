/* SPDX-License-Identifier: MIT
 *
 * From a section to a group: its plugins, what they share in [S], and what only counts for one of them in [S.TYPE].
 */
#include "config/resolver.h"

#include "base/options.h"
#include "base/text.h"
#include "config/sections.h"

#include <stdio.h>
#include <string.h>

/* Another plugin of the kind that has the option; for "belongs to". Backends are not opened for a message. */
static const struct assay_plugin *find_owner(const struct assay_resolver *resolver, uint32_t kind, const char *key) {
  const struct assay_registry_entry *const *entries;
  uint32_t count;
  if (kind == ASSAY_BACKEND || assay_registry_list_kind(resolver->plan->registry, kind, &entries, &count, NULL) != 0) return NULL;
  for (uint32_t i = 0; i < count; i++)
    if (entries[i]->kind == kind && entries[i]->plugin != NULL && assay_plugin_option_index(entries[i]->plugin, key) >= 0) return entries[i]->plugin;
  return NULL;
}

static bool may_be_searched(uint32_t kind) { return kind == ASSAY_LAYER || kind == ASSAY_OPTIMIZER; }

static int check_domain_kind(const struct assay_resolver *resolver, const struct assay_ini_entry *entry, uint32_t kind) {
  if (entry == NULL || entry->domain == NULL || may_be_searched(kind)) return 0;
  return assay_ini_refuse(resolver->ini, entry, resolver->status, "values of a %s cannot be searched; remove the ~ and what follows", assay_kind_name(kind));
}

/* Every key that still stands unread in [S] must be an option of every variant. */
static int check_shared_keys(struct assay_resolver *resolver, const struct assay_plan_group *group, uint32_t kind) {
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
      struct assay_names names = {.count = 0};
      assay_names_add_group(&names, group);
      if (assay_nearest(entry->key, names.list) == NULL) owner = find_owner(resolver, kind, entry->key);
      if (owner == NULL) return assay_resolve_unknown(resolver, entry, &names);
      stranger = group->variant_count > 0 ? group->variants[0].plugin : NULL;
    }
    return assay_ini_refuse(resolver->ini, entry, resolver->status, "is an option of %s, not of %s; put it into [%s.%s], or choose that type", owner->name,
                            stranger != NULL ? stranger->name : "what is chosen here", group->section, owner->name);
  }
  return 0;
}

/* How many variants read the key from [S], having no own one in [S.TYPE]; the last of them in `reader`. */
static uint32_t count_readers(const struct assay_resolver *resolver, const struct assay_plan_group *group, const char *key, uint32_t *reader) {
  uint32_t count = 0;
  for (uint32_t v = 0; v < group->variant_count; v++) {
    char own[3 * (ASSAY_INI_MOST_NAME + 1)];
    snprintf(own, sizeof own, "%s.%s", group->section, group->variants[v].plugin->name);
    if (assay_ini_find(resolver->ini, own, key) != NULL) continue;
    *reader = v;
    count++;
  }
  return count;
}

/* The values that variants share, one for each option of the first that stands in [S]; others stay NULL. Where all but one variant have their own, the
 * axis hangs from the type, and where all have, there is none. */
static int make_shared(struct assay_resolver *resolver, const struct assay_plan_group *group, uint32_t kind, struct assay_plan_value ***shared) {
  const struct assay_plan_variant *first = &group->variants[0];
  const uint32_t count = assay_option_count(first->plugin->options);
  *shared = ASSAY_NEW_ARRAY(resolver->arena, struct assay_plan_value *, count + 1);
  if (*shared == NULL) return OUT_OF_MEMORY(resolver);
  for (uint32_t i = 0; i < count; i++) {
    const struct assay_option *option = first->plugin->options[i];
    struct assay_ini_entry *entry = assay_ini_find(resolver->ini, group->section, option->name);
    if (entry == NULL || entry->used) continue; /* used: a key of the core */
    uint32_t reader = 0;
    const uint32_t readers = count_readers(resolver, group, option->name, &reader);
    const bool conditional = readers == 1 && group->variant_count > 1 && group->type->dimension >= 0;
    const struct assay_parent parent = conditional ? (struct assay_parent){group->type->dimension, reader} : ASSAY_NO_PARENT;
    struct assay_ini_entry unread = *entry;
    if (readers == 0) { /* checked all the same, but it gets no axis */
      entry->used = true;
      unread.domain = NULL;
    }
    int code = check_domain_kind(resolver, entry, kind);
    if (code == 0) code = assay_resolve_value(resolver, group->section, option, readers == 0 ? &unread : entry, parent, &(*shared)[i]);
    for (uint32_t v = 1; v < group->variant_count && code == 0; v++) {
      const struct assay_plugin *plugin = group->variants[v].plugin;
      double number;
      code = assay_resolve_check(resolver, entry, plugin->options[assay_plugin_option_index(plugin, option->name)], (*shared)[i]->domain, &number);
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
static int check_variant_keys(struct assay_resolver *resolver, const char *section, const struct assay_plugin *plugin) {
  assay_resolve_mark(resolver, section);
  for (uint32_t e = 0; e < resolver->ini->entry_count; e++) {
    const struct assay_ini_entry *entry = &resolver->ini->entries[e];
    if (strcmp(entry->section, section) != 0 || assay_plugin_option_index(plugin, entry->key) >= 0) continue;
    struct assay_names names = {.count = 0};
    assay_names_add_options(&names, plugin->options);
    return assay_resolve_unknown(resolver, entry, &names);
  }
  return 0;
}

static int make_variant(struct assay_resolver *resolver, const struct assay_plan_group *group, uint32_t kind, uint32_t number,
                        struct assay_plan_value *const *shared) {
  struct assay_plan_variant *variant = &group->variants[number];
  const struct assay_option *const *options = variant->plugin->options;
  const uint32_t count = assay_option_count(options);
  const char *own = assay_arena_print(resolver->arena, "%s.%s", group->section, variant->plugin->name);
  variant->values = ASSAY_NEW_ARRAY(resolver->arena, struct assay_plan_value *, count + 1);
  if (own == NULL || variant->values == NULL) return OUT_OF_MEMORY(resolver);
  int code = check_variant_keys(resolver, own, variant->plugin);
  /* What is not written is printed where it cannot be mistaken for an option of another type. */
  const char *section = group->variant_count > 1 || kind == ASSAY_BACKEND ? own : group->section;
  const struct assay_parent parent = group->type->dimension < 0 ? ASSAY_NO_PARENT : (struct assay_parent){group->type->dimension, number};
  for (uint32_t i = 0; i < count && code == 0; i++) {
    struct assay_ini_entry *entry = assay_ini_find(resolver->ini, own, options[i]->name);
    struct assay_plan_value *together = shared_value(group, shared, options[i]->name);
    code = check_domain_kind(resolver, entry, kind);
    if (entry == NULL && together != NULL) variant->values[i] = together;
    else if (code == 0) code = assay_resolve_value(resolver, section, options[i], entry, parent, &variant->values[i]);
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
static int check_idle_sections(struct assay_resolver *resolver, const struct assay_plan_group *group, uint32_t kind) {
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
      return assay_status_set(resolver->status, ASSAY_E_CONFIG, "%s: %s", assay_resolve_place(resolver, section->name),
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
      if (code == 0) code = assay_resolve_check(resolver, entry, plugin->options[assay_plugin_option_index(plugin, entry->key)], domain, &number);
    }
    if (code != 0) return code;
  }
  return 0;
}

/* The value behind `type`, or behind another key that names a plugin. */
int assay_resolve_type(struct assay_resolver *resolver, struct assay_plan_group *group, const char *default_type, bool searchable) {
  struct assay_option *option = ASSAY_NEW(resolver->arena, struct assay_option);
  if (option == NULL) return OUT_OF_MEMORY(resolver);
  *option = (struct assay_option){.struct_size = sizeof *option,
                                  .type = ASSAY_OPTION_TEXT,
                                  .flags = searchable ? ASSAY_OPTION_SEARCHABLE : 0,
                                  .name = "type",
                                  .default_text = default_type,
                                  .help = "which plugin"};
  struct assay_ini_entry *entry = group->prints_type ? assay_ini_find(resolver->ini, group->section, "type") : NULL;
  return assay_resolve_value(resolver, group->section, option, entry, ASSAY_NO_PARENT, &group->type);
}

/* Fills the group's variants: one a type. `blame`: the entry that named them, for messages; NULL: `where` of the group. */
int assay_resolve_plugins(struct assay_resolver *resolver, struct assay_plan_group *group, uint32_t kind, const char *const *types, uint32_t count,
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
int assay_resolve_typed(struct assay_resolver *resolver, struct assay_plan_group *group, uint32_t kind, const char *default_type) {
  group->prints_type = true;
  const int code = assay_resolve_type(resolver, group, default_type, may_be_searched(kind));
  if (code != 0) return code;
  const struct assay_domain *domain = group->type->domain;
  const struct assay_ini_entry *entry = assay_ini_find(resolver->ini, group->section, "type");
  return assay_resolve_plugins(resolver, group, kind, domain != NULL ? domain->choices : &group->type->text, domain != NULL ? domain->choice_count : 1, entry);
}

int assay_resolve_group(struct assay_resolver *resolver, struct assay_plan_group *group, const char *section) {
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
  group->where = assay_resolve_place(resolver, section);
  assay_resolve_mark(resolver, section);
  if (group->where == NULL) return OUT_OF_MEMORY(resolver);
  return assay_section_options(section) != NULL ? assay_resolve_core(resolver, group) : 0;
}

int assay_resolve_named(struct assay_resolver *resolver, struct assay_plan_group *group, const char *section, uint32_t kind, const struct assay_plan_value *name) {
  int code = assay_resolve_group(resolver, group, section);
  if (code == 0) code = assay_resolve_type(resolver, group, name->text, false);
  if (code != 0) return code;
  return assay_resolve_plugins(resolver, group, kind, &group->type->text, 1, assay_ini_find(resolver->ini, name->section, name->key));
}
