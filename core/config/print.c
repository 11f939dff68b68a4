/* SPDX-License-Identifier: MIT
 *
 * The plan as INI text, and what differs between two plans. Both walk the same list of keys.
 */
#include "config/plan_model.h"

#include "base/options.h"
#include "base/text.h"
#include "config/sections.h"

#include <stdio.h>
#include <string.h>

/* One key as it is printed. */
struct line {
  const char *section, *key;
  const char *text; /* NULL: memory was short */
  const struct assay_plan_value *value;
};

struct lines {
  const struct assay_plan *plan;
  const double *point;
  struct assay_arena *arena;
  struct line *list;
  uint32_t count, capacity;
  bool failed;
};

static void add_line(struct lines *lines, const char *section, const char *key, const char *text, const struct assay_plan_value *value) {
  for (uint32_t i = 0; i < lines->count; i++)
    if (lines->list[i].value == value) return; /* shared by several variants, and there already */
  if (lines->count == lines->capacity) {
    const uint32_t capacity = lines->capacity == 0 ? 64 : lines->capacity * 2;
    struct line *list = ASSAY_NEW_ARRAY(lines->arena, struct line, capacity);
    if (list == NULL) {
      lines->failed = true;
      return;
    }
    if (lines->count > 0) memcpy(list, lines->list, lines->count * sizeof *list);
    lines->list = list;
    lines->capacity = capacity;
  }
  lines->list[lines->count++] = (struct line){section, key, text, value};
}

static void add_value(struct lines *lines, const struct assay_plan_value *value) {
  if (!assay_plan_counts(lines->plan, value, lines->point, lines->point == NULL)) return;
  add_line(lines, value->section, value->key, assay_plan_text_at(lines->plan, value, lines->point, lines->arena), value);
}

static void add_variant(struct lines *lines, const struct assay_plan_variant *variant) {
  for (uint32_t i = 0; variant->plugin->options != NULL && variant->plugin->options[i] != NULL; i++) add_value(lines, variant->values[i]);
}

static void add_group(struct lines *lines, const struct assay_plan_group *group) {
  if (group->prints_type) add_value(lines, group->type);
  if (group->input != NULL) add_value(lines, group->input);
  for (uint32_t i = 0; i < group->core_count; i++) add_value(lines, group->core[i]);
  /* Several devices may need several backends, whatever the point. */
  const bool all = lines->point == NULL || group == &lines->plan->backend;
  for (uint32_t v = 0; v < group->variant_count && all; v++) add_variant(lines, &group->variants[v]);
  if (!all && group->variant_count > 0) add_variant(lines, assay_plan_variant_at(lines->plan, group, lines->point));
}

static struct lines collect(const struct assay_plan *plan, const double *point, struct assay_arena *arena) {
  struct lines lines = {.plan = plan, .point = point, .arena = arena};
  for (uint32_t g = 0; g < plan->group_count; g++) add_group(&lines, plan->groups[g]);
  return lines;
}

/* ---- Printing ---- */

static const char *origin_text(const struct lines *lines, const struct line *line) {
  if (lines->point != NULL && line->value->dimension >= 0) return "searched";
  switch (line->value->origin) {
  case ASSAY_ORIGIN_FILE: return assay_arena_print(lines->arena, "%s:%u", lines->plan->file, line->value->line);
  case ASSAY_ORIGIN_OVERRIDE: return "-s";
  case ASSAY_ORIGIN_WEIGHTS: return "the weights";
  case ASSAY_ORIGIN_NETWORK: return "default for this network";
  default: return "default";
  }
}

static void print_line(const struct lines *lines, const struct line *line, bool origins, struct assay_text *text) {
  const size_t start = text->length;
  /* A value with a domain came without quotes, and goes so. */
  const bool searched = lines->point == NULL && line->value->domain != NULL;
  const char *quoted = searched || line->text == NULL ? line->text : assay_ini_quote(line->text, lines->arena);
  if (quoted == NULL) {
    text->failed = true;
    return;
  }
  assay_text_print(text, "%s =%s%s", line->key, quoted[0] != '\0' ? " " : "", quoted);
  if (searched) assay_text_print(text, " ~ %s", line->value->domain_text);
  if (origins) {
    const char *origin = origin_text(lines, line);
    const size_t length = text->length - start;
    /* The file's name may hold what cannot stand in a line. */
    if (origin != NULL && assay_is_printable(origin) && origin[strlen(origin) - 1] != '\\' && length + strlen(origin) + 48 < ASSAY_INI_MOST_LINE)
      assay_text_print(text, "%*s ; %s", length < 40 ? (int)(40 - length) : 0, "", origin);
  }
  assay_text_add(text, "\n");
}

/* Sections in the order of their first key; each once, with all its keys. */
static void print_sections(const struct lines *lines, bool origins, struct assay_text *text) {
  for (uint32_t i = 0; i < lines->count; i++) {
    bool first = true;
    for (uint32_t before = 0; before < i && first; before++) first = strcmp(lines->list[before].section, lines->list[i].section) != 0;
    if (!first) continue;
    assay_text_print(text, "%s[%s]\n", i > 0 ? "\n" : "", lines->list[i].section);
    for (uint32_t k = i; k < lines->count; k++)
      if (strcmp(lines->list[k].section, lines->list[i].section) == 0) print_line(lines, &lines->list[k], origins, text);
  }
}

void assay_plan_print(const struct assay_plan *plan, const double *point, bool origins, struct assay_text *text) {
  struct assay_arena *arena = assay_arena_create();
  if (arena == NULL) {
    text->failed = true;
    return;
  }
  const struct lines lines = collect(plan, point, arena);
  if (lines.failed) text->failed = true;
  else print_sections(&lines, origins, text);
  assay_arena_release(arena);
}

/* ---- Difference ---- */

/* What a continued run may change. */
static bool is_free(const struct lines *lines, const struct line *line) {
  const char *objective = lines->plan->metric_names[lines->plan->objective];
  if (strncmp(line->section, "metric.", 7) == 0) return strcmp(line->section + 7, objective) != 0; /* only reported */
  if (strcmp(line->section, "judge") == 0) return true;
  if (strcmp(line->section, "search") == 0)
    return strcmp(line->key, "trials") == 0 || strcmp(line->key, "time") == 0 || strcmp(line->key, "workers") == 0;
  if (strncmp(line->section, "backend", 7) == 0)
    return strcmp(line->key, "devices") == 0 || strcmp(line->key, "threads") == 0 || strcmp(line->key, "memory") == 0 || strcmp(line->key, "timeout") == 0;
  return strcmp(line->section, "data") == 0 && strcmp(line->key, "threads") == 0;
}

static const struct line *find_line(const struct lines *lines, const char *section, const char *key) {
  for (uint32_t i = 0; i < lines->count; i++)
    if (strcmp(lines->list[i].section, section) == 0 && strcmp(lines->list[i].key, key) == 0) return &lines->list[i];
  return NULL;
}

/* Value and domain in a form that is the same for what means the same: 0.10 and 0.1. */
static const char *canonical(const struct line *line, struct assay_arena *arena) {
  struct assay_option_value value;
  struct assay_text text = {0};
  const struct assay_option *option = line->value->option;
  if (line->text == NULL || assay_option_parse(option, line->text, arena, &value, NULL) != 0) return "";
  char number[32];
  assay_print_real(option->type == ASSAY_OPTION_REAL ? value.real : (double)value.integer, number);
  if (option->type == ASSAY_OPTION_REAL || option->type == ASSAY_OPTION_INT || option->type == ASSAY_OPTION_BOOL) assay_text_add(&text, number);
  else if (option->type == ASSAY_OPTION_INTS || option->type == ASSAY_OPTION_REALS)
    for (uint32_t i = 0; i < value.count; i++) {
      assay_print_real(value.reals[i], number);
      assay_text_print(&text, "%s,", number);
    }
  else assay_text_add(&text, line->text);
  if (line->value->domain != NULL) {
    assay_text_add(&text, " ~ ");
    assay_domain_print(line->value->domain, &text);
  }
  const char *copy = text.failed || text.data == NULL ? "" : assay_arena_copy(arena, text.data);
  assay_text_release(&text);
  return copy != NULL ? copy : "";
}

static void add_difference(struct assay_text *list, const struct line *line) {
  assay_text_print(list, "%s%s.%s", list->length > 0 ? ", " : "", line->section, line->key);
}

const char *assay_plan_difference(const struct assay_plan *before, const struct assay_plan *now, struct assay_arena *arena) {
  const struct lines old = collect(before, NULL, arena), new = collect(now, NULL, arena);
  struct assay_text list = {0};
  for (uint32_t i = 0; i < old.count; i++) {
    const struct line *line = &old.list[i], *other = find_line(&new, line->section, line->key);
    if (is_free(&old, line)) continue;
    /* Another device may bring another backend with other options. */
    if (other == NULL ? strncmp(line->section, "backend", 7) != 0 : strcmp(canonical(line, arena), canonical(other, arena)) != 0) add_difference(&list, line);
  }
  for (uint32_t i = 0; i < new.count; i++) {
    const struct line *line = &new.list[i];
    if (!is_free(&new, line) && strncmp(line->section, "backend", 7) != 0 && find_line(&old, line->section, line->key) == NULL) add_difference(&list, line);
  }
  const char *copy = list.length > 0 ? assay_arena_copy(arena, list.data) : NULL;
  assay_text_release(&list);
  return copy;
}
