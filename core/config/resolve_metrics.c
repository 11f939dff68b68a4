/* SPDX-License-Identifier: MIT
 *
 * The metrics of a plan: those of [train] metrics, the objective, and what the rules of [judge] name. Each is a group of its own, [metric.NAME].
 */
#include "config/resolver.h"

#include "base/text.h"
#include "config/sections.h"

#include <assay/metric.h>
#include <string.h>

static bool needs_positive(const struct assay_plan_group *group) {
  return (((const struct assay_metric *)group->variants[0].plugin->vtable)->flags & ASSAY_METRIC_BINARY) != 0;
}

/* Metrics by name, each once, with the entry that named it first; NULL: it is reported by default. */
struct named {
  const char **names;
  const struct assay_ini_entry **entries;
  uint32_t count;
};

static int32_t find(const struct named *named, const char *name) {
  for (uint32_t i = 0; i < named->count; i++)
    if (strcmp(named->names[i], name) == 0) return (int32_t)i;
  return -1;
}

/* A metric that has to be there; one that is reported by default becomes one that was asked for. */
static void require(struct named *named, const char *name, const struct assay_ini_entry *entry) {
  int32_t place = find(named, name);
  if (place < 0) {
    place = (int32_t)named->count++;
    named->names[place] = name;
  }
  if (entry != NULL) named->entries[place] = entry;
}

/* What the rules of [judge] name; `metric` stays NULL where a rule names none. */
static int read_rule(struct assay_resolver *resolver, uint32_t key, struct assay_judge_rule *rule) {
  const struct assay_plan_value *value = resolver->plan->judge.core[key];
  if (assay_parse_rule(value->text, resolver->arena, rule, resolver->status) == 0) return 0;
  return assay_ini_blame(resolver->ini, assay_ini_find(resolver->ini, "judge", value->key), resolver->status);
}

/* `listed`: how many of them stand in [train] metrics, the objective counted in. */
static int list_metrics(struct assay_resolver *resolver, struct named *named, uint32_t *listed) {
  struct assay_plan *plan = resolver->plan;
  const struct assay_ini_entry *list_entry = assay_ini_find(resolver->ini, "train", "metrics");
  const char *const *names;
  uint32_t count;
  if (assay_parse_names(plan->train.core[TRAIN_METRICS]->text, resolver->arena, &names, &count, resolver->status) != 0)
    return assay_ini_blame(resolver->ini, list_entry, resolver->status);
  *named = (struct named){.names = ASSAY_NEW_ARRAY(resolver->arena, const char *, count + 3),
                          .entries = ASSAY_NEW_ARRAY(resolver->arena, const struct assay_ini_entry *, count + 3)};
  if (named->names == NULL || named->entries == NULL) return OUT_OF_MEMORY(resolver);
  for (uint32_t i = 0; i < count; i++) {
    if (find(named, names[i]) >= 0) return assay_ini_refuse(resolver->ini, list_entry, resolver->status, "%.60s stands twice; remove one", names[i]);
    require(named, names[i], list_entry);
  }
  require(named, plan->search.core[SEARCH_OBJECTIVE]->text, assay_ini_find(resolver->ini, "search", "objective"));
  *listed = named->count;
  for (uint32_t key = JUDGE_THRESHOLD; key <= JUDGE_TARGET; key++) {
    struct assay_judge_rule rule;
    const int code = read_rule(resolver, key, &rule);
    if (code != 0) return code;
    if (rule.metric != NULL) require(named, rule.metric, assay_ini_find(resolver->ini, "judge", plan->judge.core[key]->key));
  }
  return 0;
}

/* `blame`: the entry that names the metric; NULL for one that is reported by default. */
static int resolve_metric(struct assay_resolver *resolver, const char *name, const struct assay_ini_entry *blame, struct assay_plan_group **made) {
  if (!assay_is_name(name) || strlen(name) > ASSAY_INI_MOST_NAME)
    return assay_ini_refuse(resolver->ini, blame, resolver->status, "\"%.60s\" cannot be a metric: names are a-z, 0-9 and _, a letter first", name);
  struct assay_plan_group *group = *made = ASSAY_NEW(resolver->arena, struct assay_plan_group);
  const char *section = assay_arena_print(resolver->arena, "metric.%s", name);
  if (group == NULL || section == NULL) return OUT_OF_MEMORY(resolver);
  int code = assay_resolve_group(resolver, group, section);
  if (code == 0) code = assay_resolve_typed(resolver, group, ASSAY_METRIC, name);
  if (code == ASSAY_E_PLUGIN && blame != NULL && assay_ini_find(resolver->ini, section, "type") == NULL)
    return assay_ini_blame(resolver->ini, blame, resolver->status);
  if (code != 0 || blame == NULL || !needs_positive(group) || resolver->plan->data.core[DATA_POSITIVE]->text[0] != '\0') return code;
  return assay_ini_refuse(resolver->ini, blame, resolver->status, "%s needs to know which class is the positive one; write positive = NAME in [data]", name);
}

/* What is reported after all, so that the printed plan reads back the same. What the rules of [judge] add is not part of the list: they name it themselves. */
static int rewrite_list(struct assay_resolver *resolver, const char *const *names, uint32_t count) {
  const char *text = names[0];
  for (uint32_t i = 1; i < count && text != NULL; i++) text = assay_arena_print(resolver->arena, "%s, %s", text, names[i]);
  resolver->plan->train.core[TRAIN_METRICS]->text = text;
  return text != NULL ? 0 : OUT_OF_MEMORY(resolver);
}

int assay_resolve_metrics(struct assay_resolver *resolver) {
  struct assay_plan *plan = resolver->plan;
  const char *objective = plan->search.core[SEARCH_OBJECTIVE]->text;
  struct named named = {NULL, NULL, 0};
  uint32_t listed = 0, kept = 0;
  int code = list_metrics(resolver, &named, &listed);
  if (code == 0 && (plan->metrics = ASSAY_NEW_ARRAY(resolver->arena, struct assay_plan_group *, named.count)) == NULL) code = OUT_OF_MEMORY(resolver);
  plan->metric_names = named.names;
  for (uint32_t i = 0; code == 0 && i < named.count; i++) {
    struct assay_plan_group *group = NULL;
    code = resolve_metric(resolver, named.names[i], named.entries[i], &group);
    if (code != 0) break;
    /* Of the metrics that are reported by default, those of a positive class stay out where none is named. */
    if (named.entries[i] == NULL && needs_positive(group) && plan->data.core[DATA_POSITIVE]->text[0] == '\0') {
      plan->group_count--;
      continue;
    }
    if (strcmp(named.names[i], objective) == 0) plan->objective = plan->metric_count;
    kept += i < listed;
    named.names[plan->metric_count] = named.names[i];
    plan->metrics[plan->metric_count++] = group;
  }
  return code != 0 || assay_ini_find(resolver->ini, "train", "metrics") != NULL ? code : rewrite_list(resolver, named.names, kept);
}
