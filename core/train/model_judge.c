/* SPDX-License-Identifier: MIT */
#include "train/model_judge.h"

#include "base/arena.h"
#include "base/options.h"
#include "base/status.h"
#include "base/text.h"
#include "config/ini.h"
#include "config/sections.h"

#include <string.h>

#define MOST_METRICS 1000
#define NONE "none"

/* ---- From settings ---- */

static int copy_metric(const struct assay_component *metric, struct assay_arena *arena, struct assay_model_metric *copy) {
  const struct assay_option *const *options = metric->plugin->options;
  const uint32_t count = assay_option_count(options);
  struct assay_model_option *list = ASSAY_NEW_ARRAY(arena, struct assay_model_option, count + 1);
  *copy = (struct assay_model_metric){assay_arena_copy(arena, metric->name), assay_arena_copy(arena, metric->plugin->name), count, list};
  if (copy->name == NULL || copy->type == NULL || list == NULL) return ASSAY_E_MEMORY;
  for (uint32_t i = 0; i < count; i++) {
    list[i] = (struct assay_model_option){assay_arena_copy(arena, options[i]->name), assay_arena_copy(arena, metric->values[i]->text)};
    if (list[i].key == NULL || list[i].text == NULL) return ASSAY_E_MEMORY;
  }
  return 0;
}

int assay_model_judge_of(const struct assay_settings *settings, struct assay_arena *arena, struct assay_model_judge *judge, struct assay_status *status) {
  struct assay_model_metric *metrics = ASSAY_NEW_ARRAY(arena, struct assay_model_metric, settings->metric_count + 1);
  const char *target = settings->judge.target_text;
  *judge = (struct assay_model_judge){assay_arena_copy(arena, target != NULL ? target : NONE), settings->metric_count, metrics};
  if (judge->target == NULL || metrics == NULL) return assay_status_memory(status);
  for (uint32_t i = 0; i < settings->metric_count; i++)
    if (copy_metric(&settings->metrics[i], arena, &metrics[i]) != 0) return assay_status_memory(status);
  return 0;
}

/* ---- JSON ---- */

json_t *assay_model_judge_to_json(const struct assay_model_judge *judge) {
  json_t *metrics = json_array();
  for (uint32_t i = 0; i < judge->metric_count; i++) {
    const struct assay_model_metric *metric = &judge->metrics[i];
    json_t *options = json_object();
    for (uint32_t k = 0; k < metric->option_count; k++) json_object_set_new(options, metric->options[k].key, json_string(metric->options[k].text));
    json_array_append_new(metrics, json_pack("{s:s, s:s, s:o}", "name", metric->name, "type", metric->type, "options", options));
  }
  return json_pack("{s:s, s:o}", "target", judge->target, "metrics", metrics);
}

#define REFUSE(...) assay_status_set(status, ASSAY_E_DATA, __VA_ARGS__)

/* A name that may stand before = or behind [metric. */
static const char *read_name(const char *text, struct assay_arena *arena) {
  return text != NULL && assay_is_name(text) && strlen(text) <= ASSAY_INI_MOST_NAME ? assay_arena_copy(arena, text) : NULL;
}

static int read_metric(const char *name, const json_t *json, struct assay_arena *arena, struct assay_model_metric *metric, struct assay_status *status) {
  const json_t *options = json_object_get(json, "options");
  struct assay_model_option *list = ASSAY_NEW_ARRAY(arena, struct assay_model_option, json_object_size(options) + 1);
  *metric = (struct assay_model_metric){.name = read_name(json_string_value(json_object_get(json, "name")), arena),
                                        .type = read_name(json_string_value(json_object_get(json, "type")), arena),
                                        .options = list};
  if (list == NULL) return assay_status_memory(status);
  if (metric->name == NULL || metric->type == NULL || !json_is_object(options)) return REFUSE("%s: a metric of judge lacks its name, type or options", name);
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)options, key, value) {
    const char *text = json_string_value(value);
    struct assay_model_option *option = &list[metric->option_count++];
    *option = (struct assay_model_option){read_name(key, arena), text != NULL ? assay_arena_copy(arena, text) : NULL};
    if (option->key == NULL || option->text == NULL || assay_ini_quote(text, arena) == NULL)
      return REFUSE("%s: an option of the metric %s that judge names is no name with a text", name, metric->name);
  }
  return 0;
}

int assay_model_judge_from_json(const char *name, const json_t *json, struct assay_arena *arena, struct assay_model_judge *judge, struct assay_status *status) {
  const json_t *list = json_object_get(json, "metrics");
  const char *target = json_string_value(json_object_get(json, "target"));
  const size_t count = json_array_size(list);
  *judge = (struct assay_model_judge){.target = NONE};
  if (json == NULL) return 0;
  struct assay_status cause;
  if (target == NULL || assay_ini_quote(target, arena) == NULL) return REFUSE("%s: judge has no target; that would be a rule or \"" NONE "\"", name);
  if (assay_section_check("judge", "target", target, &cause) != 0) return REFUSE("%s: the target of judge: %s", name, cause.message);
  if (count < 1 || count > MOST_METRICS) return REFUSE("%s: judge has 1 to %d metrics, not %zu", name, MOST_METRICS, count);
  struct assay_model_metric *metrics = ASSAY_NEW_ARRAY(arena, struct assay_model_metric, count);
  *judge = (struct assay_model_judge){assay_arena_copy(arena, target), (uint32_t)count, metrics};
  if (judge->target == NULL || metrics == NULL) return assay_status_memory(status);
  int code = 0;
  for (size_t i = 0; code == 0 && i < count; i++) code = read_metric(name, json_array_get(list, i), arena, &metrics[i], status);
  return code;
}

/* ---- INI ---- */

/* Whatever is kept can be quoted, so what cannot is for want of memory. */
static void print_key(struct assay_text *text, const char *key, const char *value, struct assay_arena *arena) {
  const char *quoted = assay_ini_quote(value, arena);
  if (quoted == NULL) text->failed = true;
  else assay_text_print(text, "%s = %s\n", key, quoted);
}

void assay_model_judge_print(const struct assay_model_judge *judge, struct assay_arena *arena, struct assay_text *text) {
  if (judge->metric_count == 0) return;
  assay_text_add(text, "[judge]\n");
  print_key(text, "target", judge->target, arena);
  /* The objective is always reported; nothing else is done with it here. */
  assay_text_print(text, "[search]\nobjective = %s\n[train]\nmetrics = ", judge->metrics[0].name);
  for (uint32_t i = 0; i < judge->metric_count; i++) assay_text_print(text, "%s%s", i > 0 ? ", " : "", judge->metrics[i].name);
  assay_text_add(text, "\n");
  for (uint32_t i = 0; i < judge->metric_count; i++) {
    const struct assay_model_metric *metric = &judge->metrics[i];
    const bool typed = strcmp(metric->name, metric->type) != 0;
    if (!typed && metric->option_count == 0) continue;
    assay_text_print(text, "[metric.%s]\n", metric->name);
    if (typed) assay_text_print(text, "type = %s\n", metric->type);
    for (uint32_t k = 0; k < metric->option_count; k++) print_key(text, metric->options[k].key, metric->options[k].text, arena);
  }
}
