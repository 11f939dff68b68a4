/* SPDX-License-Identifier: MIT
 *
 * From an INI entry to a value: the option it belongs to, its domain, its axis; and the sentence for a key that belongs to none.
 */
#include "config/resolver.h"

#include "base/options.h"
#include "base/text.h"
#include "config/sections.h"

#include <stdio.h>
#include <string.h>

enum { MOST_DIMENSIONS = 1000 };

/* "student.ini:12, [optimizer]"; without the line where the section is not written. */
const char *assay_resolve_place(const struct assay_resolver *resolver, const char *section) {
  const struct assay_ini_section *found = assay_ini_find_section(resolver->ini, section);
  if (found != NULL && found->line > 0) return assay_arena_print(resolver->arena, "%s:%u, [%s]", resolver->ini->name, found->line, section);
  return assay_arena_print(resolver->arena, "%s, [%s]", resolver->ini->name, section);
}

void assay_resolve_mark(const struct assay_resolver *resolver, const char *section) {
  struct assay_ini_section *found = assay_ini_find_section(resolver->ini, section);
  if (found != NULL) found->used = true;
}
/* ---- Values ---- */

static int add_dimension(struct assay_resolver *resolver, struct assay_plan_value *value, double number, struct assay_parent parent) {
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
int assay_resolve_check(const struct assay_resolver *resolver, const struct assay_ini_entry *entry, const struct assay_option *option,
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
int assay_resolve_value(struct assay_resolver *resolver, const char *section, const struct assay_option *option, struct assay_ini_entry *entry,
                        struct assay_parent parent, struct assay_plan_value **made) {
  struct assay_plan_value *value = ASSAY_NEW(resolver->arena, struct assay_plan_value);
  if (value == NULL) return OUT_OF_MEMORY(resolver);
  *value = (struct assay_plan_value){.section = section, .key = option->name, .option = option, .text = option->default_text, .dimension = -1};
  *made = value;
  if (entry == NULL) {
    if (value->text != NULL) return 0;
    return REFUSE_FILE(resolver, "%s: %s is missing: %s", assay_resolve_place(resolver, section), option->name, option->help);
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
  const int code = assay_resolve_check(resolver, entry, option, domain, &number);
  if (code != 0 || domain == NULL) return code;
  value->domain = domain;
  value->domain_text = entry->domain;
  return add_dimension(resolver, value, number, parent);
}

/* ---- The core's own keys ---- */

/* A key that only counts beside a value of another: finds that one, and the axis it hangs from where that is searched. */
static int resolve_condition(struct assay_resolver *resolver, const struct assay_plan_group *group, uint32_t index, const struct assay_ini_entry *entry,
                             const struct assay_plan_value **on, const char **choice, struct assay_parent *parent) {
  const struct assay_option *const *options = assay_section_options(group->section);
  *parent = ASSAY_NO_PARENT;
  const char *key = assay_section_condition(group->section, options[index]->name, choice);
  *on = key == NULL ? NULL : group->core[assay_option_index(options, key)];
  if (*on == NULL) return 0;
  for (uint32_t i = 0; (*on)->domain != NULL && i < (*on)->domain->choice_count; i++)
    if (strcmp((*on)->domain->choices[i], *choice) == 0) *parent = (struct assay_parent){(*on)->dimension, i};
  /* An override may leave keys of the file behind that then do not count. */
  if (entry == NULL || parent->dimension >= 0 || strcmp((*on)->text, *choice) == 0 || (*on)->origin == ASSAY_ORIGIN_OVERRIDE) return 0;
  return assay_ini_refuse(resolver->ini, entry, resolver->status, "only counts beside %s = %s, and %s is %s; remove it, or change %s", key, *choice, key,
                          (*on)->text, key);
}

static int check_core_texts(struct assay_resolver *resolver, const struct assay_plan_value *value, const struct assay_ini_entry *entry) {
  int code = assay_section_check(value->section, value->key, value->text, resolver->status);
  for (uint32_t i = 0; code == 0 && value->domain != NULL && i < value->domain->choice_count; i++)
    code = assay_section_check(value->section, value->key, value->domain->choices[i], resolver->status);
  return code == 0 || entry == NULL ? code : assay_ini_blame(resolver->ini, entry, resolver->status);
}

int assay_resolve_core(struct assay_resolver *resolver, struct assay_plan_group *group) {
  const struct assay_option *const *options = assay_section_options(group->section);
  group->core_count = assay_option_count(options);
  group->core = ASSAY_NEW_ARRAY(resolver->arena, struct assay_plan_value *, group->core_count + 1);
  if (group->core == NULL) return OUT_OF_MEMORY(resolver);
  for (uint32_t i = 0; i < group->core_count; i++) {
    struct assay_ini_entry *entry = assay_ini_find(resolver->ini, group->section, options[i]->name);
    const struct assay_plan_value *on;
    const char *choice = NULL;
    struct assay_parent parent;
    int code = resolve_condition(resolver, group, i, entry, &on, &choice, &parent);
    if (code == 0) code = assay_resolve_value(resolver, group->section, options[i], entry, parent, &group->core[i]);
    if (code == 0) code = check_core_texts(resolver, group->core[i], entry);
    if (code != 0) return code;
    group->core[i]->condition = on;
    group->core[i]->condition_choice = choice;
  }
  return 0;
}
/* ---- Unknown keys ---- */

void assay_names_add(struct assay_names *names, const char *name) {
  if (names->count < sizeof names->list / sizeof names->list[0] - 1) names->list[names->count++] = name;
  names->list[names->count] = NULL;
}

void assay_names_add_options(struct assay_names *names, const struct assay_option *const *options) {
  for (uint32_t i = 0; options != NULL && options[i] != NULL; i++) assay_names_add(names, options[i]->name);
}

void assay_names_add_group(struct assay_names *names, const struct assay_plan_group *group) {
  assay_names_add_options(names, assay_section_options(group->section));
  if (group->prints_type) assay_names_add(names, "type");
  if (strncmp(group->section, "layer.", 6) == 0) assay_names_add(names, "input");
  for (uint32_t v = 0; v < group->variant_count; v++) assay_names_add_options(names, group->variants[v].plugin->options);
}

int assay_resolve_unknown(const struct assay_resolver *resolver, const struct assay_ini_entry *entry, const struct assay_names *names) {
  const char *nearest = assay_nearest(entry->key, names->list);
  if (nearest != NULL) return assay_ini_refuse(resolver->ini, entry, resolver->status, "is not a key of this section; did you mean \"%s\"?", nearest);
  char known[500] = "";
  for (uint32_t i = 0; i < names->count && strlen(known) + strlen(names->list[i]) + 3 < sizeof known; i++) {
    strcat(known, i > 0 ? ", " : "");
    strcat(known, names->list[i]);
  }
  return assay_ini_refuse(resolver->ini, entry, resolver->status, "is not a key of this section; it has %s", known[0] != '\0' ? known : "none");
}

