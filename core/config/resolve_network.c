/* SPDX-License-Identifier: MIT
 *
 * [network] and its layers: names to groups, inputs to earlier layers.
 */
#include "config/resolver.h"

#include "base/text.h"
#include "config/sections.h"

#include <assay/layer.h>
#include <assay/optimizer.h>
#include <math.h>
#include <string.h>

enum { MOST_LAYERS = 1000 };

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

static int resolve_inputs(struct assay_resolver *resolver, uint32_t number) {
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
    struct assay_names known = {.count = 0};
    assay_names_add(&known, "images");
    for (uint32_t other = 0; other < number; other++) assay_names_add(&known, resolver->plan->layers[other].group->section + strlen("layer."));
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

/* Where the list of layers stands. */
static const char *layers_place(const struct assay_resolver *resolver, const struct assay_ini_entry *layers) {
  if (layers->origin == ASSAY_ORIGIN_OVERRIDE) return "-s network.layers";
  return assay_arena_print(resolver->arena, "%s:%u, [network] layers", resolver->ini->name, layers->line);
}

/* The layer with a section in the file that NAME may have been meant for; NULL. */
static const char *nearest_section(const struct assay_resolver *resolver, const char *name) {
  struct assay_names names = {.count = 0};
  for (uint32_t i = 0; i < resolver->ini->section_count; i++)
    if (strncmp(resolver->ini->sections[i].name, "layer.", 6) == 0) assay_names_add(&names, resolver->ini->sections[i].name + strlen("layer."));
  return assay_nearest(name, names.list);
}

static int resolve_layer_group(struct assay_resolver *resolver, const char *name, const struct assay_ini_entry *layers, struct assay_plan_group **made) {
  struct assay_plan_group *group = ASSAY_NEW(resolver->arena, struct assay_plan_group);
  const char *section = assay_arena_print(resolver->arena, "layer.%s", name);
  if (group == NULL || section == NULL) return OUT_OF_MEMORY(resolver);
  *made = group;
  int code = assay_resolve_group(resolver, group, section);
  if (code != 0) return code;
  const bool has_section = assay_ini_find_section(resolver->ini, section) != NULL;
  if (!has_section) group->where = assay_arena_print(resolver->arena, "%s, %s", layers_place(resolver, layers), name);
  if (group->where == NULL) return OUT_OF_MEMORY(resolver);
  static const struct assay_option input = {
      .struct_size = sizeof input, .type = ASSAY_OPTION_TEXT, .name = "input", .default_text = "", .help = "layers that this one reads; empty: the one before"};
  struct assay_ini_entry *entry = assay_ini_find(resolver->ini, section, "input");
  if (entry != NULL) code = assay_resolve_value(resolver, section, &input, entry, ASSAY_NO_PARENT, &group->input);
  if (code == 0) code = assay_resolve_typed(resolver, group, ASSAY_LAYER, name);
  if (code != ASSAY_E_PLUGIN || group->type == NULL || group->type->origin != ASSAY_ORIGIN_DEFAULT) return code;
  /* The name was taken for a type: say so. */
  const char *reason = strstr(resolver->status->message, "there is no layer");
  if (reason == NULL) return code;
  const char *written = has_section ? NULL : nearest_section(resolver, name);
  if (written != NULL)
    return assay_status_set(resolver->status, code, "%s: \"%s\" is neither a section nor a type; did you mean \"%s\"?", layers_place(resolver, layers), name,
                            written);
  if (!has_section)
    return assay_status_set(resolver->status, code, "%s: \"%s\" has no section [%s], so it must be a type: %s", layers_place(resolver, layers), name, section,
                            reason);
  return assay_status_set(resolver->status, code, "%s: has no type, so its name must be one: %s", group->where, reason);
}

/* A layer that nobody reads would be computed for nothing. */
static int check_readers(struct assay_resolver *resolver) {
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

int assay_resolve_network(struct assay_resolver *resolver) {
  struct assay_plan *plan = resolver->plan;
  int code = assay_resolve_group(resolver, &plan->network, "network");
  if (code != 0) return code;
  const struct assay_ini_entry *entry = assay_ini_find(resolver->ini, "network", "layers");
  const char *const *names;
  uint32_t count;
  if (assay_parse_names(entry->value, resolver->arena, &names, &count, resolver->status) != 0) return assay_ini_blame(resolver->ini, entry, resolver->status);
  if (count > MOST_LAYERS) return assay_ini_refuse(resolver->ini, entry, resolver->status, "more than %d layers; use fewer", MOST_LAYERS);
  plan->layers = ASSAY_NEW_ARRAY(resolver->arena, struct assay_plan_layer, count);
  if (plan->layers == NULL) return OUT_OF_MEMORY(resolver);
  if ((code = assay_resolve_dropouts(resolver, names, count)) != 0) return code;
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

int assay_resolve_rate(struct assay_resolver *resolver) {
  const struct assay_plan *plan = resolver->plan;
  double factor = 1;
  for (uint32_t i = 0; i < plan->layer_count; i++) {
    const struct assay_plan_group *group = plan->layers[i].group;
    for (uint32_t v = 0; v < group->variant_count; v++) factor = fmin(factor, assay_layer_adaptive_rate(group->variants[v].plugin));
  }
  for (uint32_t v = 0; v < plan->optimizer.variant_count && factor < 1; v++) {
    const struct assay_plan_variant *variant = &plan->optimizer.variants[v];
    const int index = assay_plugin_option_index(variant->plugin, "learning_rate");
    struct assay_plan_value *rate = index < 0 ? NULL : variant->values[index];
    char number[32];
    double usual;
    if ((((const struct assay_optimizer *)variant->plugin->vtable)->flags & ASSAY_OPTIMIZER_ADAPTIVE) == 0 || rate == NULL) continue;
    if (rate->origin != ASSAY_ORIGIN_DEFAULT || rate->domain != NULL || !assay_parse_real(rate->text, &usual)) continue;
    assay_print_real(usual * factor, number);
    rate->text = assay_arena_copy(resolver->arena, number);
    rate->origin = ASSAY_ORIGIN_NETWORK;
    if (rate->text == NULL) return OUT_OF_MEMORY(resolver);
  }
  return 0;
}
