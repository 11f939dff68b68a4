/* SPDX-License-Identifier: MIT
 *
 * The life of a plan, and reading it at a point of its space.
 */
#include "config/plan_model.h"

#include "base/file.h"
#include "base/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int assay_plan_parse(const char *name, const char *text, size_t size, const char *const *overrides, uint32_t override_count, struct assay_registry *registry,
                     struct assay_plan **plan, struct assay_status *status) {
  *plan = NULL;
  struct assay_arena *arena = assay_arena_create();
  struct assay_plan *made = arena == NULL ? NULL : ASSAY_NEW(arena, struct assay_plan);
  if (made == NULL) {
    assay_arena_release(arena);
    return assay_status_memory(status);
  }
  made->arena = arena;
  made->registry = registry;
  struct assay_ini ini;
  int code = assay_ini_parse(name, text, size, arena, &ini, status);
  for (uint32_t i = 0; i < override_count && code == 0; i++) code = assay_ini_override(&ini, overrides[i], arena, status);
  made->file = ini.name;
  if (code == 0) code = assay_plan_resolve(made, &ini, status);
  if (code == 0) *plan = made;
  else assay_arena_release(arena);
  return code;
}

int assay_plan_load(const char *file, const char *const *overrides, uint32_t override_count, struct assay_registry *registry, struct assay_plan **plan,
                    struct assay_status *status) {
  char *text;
  size_t size;
  *plan = NULL;
  int code = assay_file_read(file, ASSAY_INI_MOST_BYTES, ASSAY_E_CONFIG, &text, &size, status);
  if (code != 0) return code;
  code = assay_plan_parse(file, text, size, overrides, override_count, registry, plan, status);
  free(text);
  return code;
}

void assay_plan_release(struct assay_plan *plan) {
  if (plan != NULL) assay_arena_release(plan->arena);
}

const struct assay_space *assay_plan_space(const struct assay_plan *plan) { return &plan->space; }

const char *assay_plan_value_text(const struct assay_plan *plan, uint32_t dimension, double number, struct assay_arena *arena) {
  return assay_domain_text(plan->dimension_values[dimension]->domain, number, arena);
}

const char *assay_plan_text_at(const struct assay_plan *plan, const struct assay_plan_value *value, const double *point, struct assay_arena *arena) {
  if (point == NULL || value->dimension < 0 || isnan(point[value->dimension])) return value->text;
  return assay_plan_value_text(plan, (uint32_t)value->dimension, point[value->dimension], arena);
}

const struct assay_plan_variant *assay_plan_variant_at(const struct assay_plan *plan, const struct assay_plan_group *group, const double *point) {
  if (group->variant_count == 0) return NULL;
  /* A choice needs no memory to be told. */
  const char *type = assay_plan_text_at(plan, group->type, point, NULL);
  for (uint32_t v = 0; v < group->variant_count; v++)
    if (strcmp(group->variants[v].plugin->name, type) == 0) return &group->variants[v];
  return &group->variants[0];
}

bool assay_plan_counts(const struct assay_plan *plan, const struct assay_plan_value *value, const double *point, bool anywhere) {
  const struct assay_plan_value *on = value->condition;
  if (on == NULL) return true;
  if (anywhere && on->domain != NULL) {
    for (uint32_t i = 0; i < on->domain->choice_count; i++)
      if (strcmp(on->domain->choices[i], value->condition_choice) == 0) return true;
    return false;
  }
  return strcmp(assay_plan_text_at(plan, on, point, plan->arena), value->condition_choice) == 0;
}
