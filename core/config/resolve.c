/* SPDX-License-Identifier: MIT
 *
 * From INI entries to a plan: every key finds the option it belongs to, every option its value, every domain its axis. What nobody knows is an error.
 */
#include "config/resolver.h"

#include "base/file.h"
#include "base/log.h"
#include "base/options.h"
#include "base/text.h"
#include "config/sections.h"

#include <assay/layer.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- [data] ---- */

int assay_resolve_absolute(struct assay_resolver *resolver, struct assay_plan_value *value) {
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
  if (strlen(path) > ASSAY_INI_MOST_VALUE)
    return REFUSE_FILE(resolver, "%s: %s is longer than %d bytes; use a shorter path or a symbolic link", assay_resolve_place(resolver, value->section), value->key,
                       ASSAY_INI_MOST_VALUE);
  value->text = path;
  return 0;
}

static int resolve_data(struct assay_resolver *resolver) {
  struct assay_plan_group *group = &resolver->plan->data;
  int code = assay_resolve_group(resolver, group, "data");
  if (code == 0) code = assay_resolve_absolute(resolver, group->core[DATA_PATH]);
  double share;
  bool is_own, is_folder;
  if (code != 0 || assay_parse_test(group->core[DATA_TEST]->text, &share, &is_own, &is_folder, NULL) != 0 || !is_folder) return code;
  const struct assay_ini_entry *entry = assay_ini_find(resolver->ini, "data", "test");
  code = assay_resolve_absolute(resolver, group->core[DATA_TEST]);
  if (code != 0 || strchr(entry->value, '/') != NULL || assay_folder_exists(group->core[DATA_TEST]->text) ||
      assay_file_exists(group->core[DATA_TEST]->text))
    return code;
  return assay_ini_refuse(resolver->ini, entry, resolver->status, "test cannot be \"%.60s\": it is own, a share as 0.2, none, or a labelled folder, archive or list that exists",
                          entry->value);
}
/* ---- The loss ---- */

static int resolve_loss(struct assay_resolver *resolver) {
  struct assay_plan *plan = resolver->plan;
  const struct assay_plan_value *name = plan->train.core[TRAIN_LOSS];
  if (strcmp(name->text, "auto") != 0) {
    const int code = assay_resolve_named(resolver, &plan->loss, "loss", ASSAY_LAYER, name);
    if (code != 0) return code;
    const struct assay_plugin *plugin = plan->loss.variants[0].plugin;
    if ((((const struct assay_layer *)plugin->vtable)->flags & ASSAY_LAYER_LOSS) != 0) return 0;
    return assay_ini_refuse(resolver->ini, assay_ini_find(resolver->ini, "train", "loss"), resolver->status,
                            "%s is a layer, not a loss; use cross_entropy or binary_cross_entropy", plugin->name);
  }
  for (uint32_t i = 0; i < resolver->ini->section_count; i++) {
    const char *section = resolver->ini->sections[i].name;
    if (strcmp(section, "loss") == 0 || strncmp(section, "loss.", 5) == 0)
      return REFUSE_FILE(resolver, "%s: options of a loss need its name: write loss = cross_entropy (say) in [train]", assay_resolve_place(resolver, section));
  }
  return 0;
}

/* ---- [backend] ---- */

/* [backend] threads reaches each backend that has such an option and no value of its own. */
static int pass_threads(struct assay_resolver *resolver) {
  struct assay_plan_group *group = &resolver->plan->backend;
  struct assay_plan_value *threads = group->core[BACKEND_THREADS];
  if (threads->origin == ASSAY_ORIGIN_DEFAULT) return 0;
  for (uint32_t v = 0; v < group->variant_count; v++) {
    struct assay_plan_variant *variant = &group->variants[v];
    const int index = assay_plugin_option_index(variant->plugin, "threads");
    if (index < 0 || variant->values[index]->origin != ASSAY_ORIGIN_DEFAULT) continue;
    double number;
    const int code = assay_resolve_check(resolver, assay_ini_find(resolver->ini, "backend", "threads"), variant->plugin->options[index], NULL, &number);
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
static int list_backends(struct assay_resolver *resolver, const char *const *devices, uint32_t device_count, const char ***types, uint32_t *count) {
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

static int resolve_backend(struct assay_resolver *resolver) {
  struct assay_plan_group *group = &resolver->plan->backend;
  int code = assay_resolve_group(resolver, group, "backend");
  if (code != 0) return code;
  const struct assay_ini_entry *entry = assay_ini_find(resolver->ini, "backend", "devices");
  const char *const *devices;
  const char **types = NULL;
  uint32_t device_count, type_count = 0;
  if (assay_parse_names(group->core[BACKEND_DEVICES]->text, resolver->arena, &devices, &device_count, resolver->status) != 0)
    return assay_ini_blame(resolver->ini, entry, resolver->status);
  code = list_backends(resolver, devices, device_count, &types, &type_count);
  if (code == 0 && type_count == 0) code = assay_status_set(resolver->status, ASSAY_E_PLUGIN, "no backend is installed; see `assay plugins`");
  if (code == 0) code = assay_resolve_type(resolver, group, "", false);
  if (code == 0) code = assay_resolve_plugins(resolver, group, ASSAY_BACKEND, types, type_count, entry);
  return code == 0 ? pass_threads(resolver) : code;
}

/* ---- All of it ---- */

/* Sections whose first name nobody knows: first of all, as a slip there would be reported as something missing. */
static int check_sections(struct assay_resolver *resolver) {
  static const char *const heads[] = {"data", "augment", "network", "layer", "optimizer", "train", "stages", "loss", "search", "pruner", "judge", "metric", "backend", NULL};
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
    return REFUSE_FILE(resolver,
                       "%s: there is no such section%s%s%s%s; there are data, augment, network, layer.NAME, optimizer, train, stages, loss, search, pruner, judge, "
                       "metric.NAME and backend",
                       section->line > 0 ? assay_resolve_place(resolver, section->name) : assay_arena_print(resolver->arena, "-s %s", section->name),
                       nearest != NULL ? "; did you mean [" : "", nearest != NULL ? nearest : "", nearest != NULL ? section->name + length : "",
                       nearest != NULL ? "]?" : "");
  }
  return 0;
}

/* An override of a list may leave sections of the file behind that then do not count. */
static bool is_left_behind(const struct assay_resolver *resolver, const char *section) {
  const struct assay_plan *plan = resolver->plan;
  if (strncmp(section, "layer.", 6) == 0) return plan->network.core[NETWORK_LAYERS]->origin == ASSAY_ORIGIN_OVERRIDE;
  return strncmp(section, "metric.", 7) == 0 && (plan->train.core[TRAIN_METRICS]->origin == ASSAY_ORIGIN_OVERRIDE ||
                                                 plan->search.core[SEARCH_OBJECTIVE]->origin == ASSAY_ORIGIN_OVERRIDE);
}

/* Sections and keys that no group has read. */
static int check_leftovers(struct assay_resolver *resolver) {
  for (uint32_t i = 0; i < resolver->ini->section_count; i++) {
    const struct assay_ini_section *section = &resolver->ini->sections[i];
    if (section->used || is_left_behind(resolver, section->name)) continue;
    const char *place = assay_resolve_place(resolver, section->name);
    const bool layer = strncmp(section->name, "layer.", 6) == 0, metric = strncmp(section->name, "metric.", 7) == 0;
    struct assay_names names = {.count = 0};
    for (uint32_t k = 0; layer && k < resolver->plan->layer_count; k++) assay_names_add(&names, resolver->plan->layers[k].group->section + 6);
    for (uint32_t k = 0; metric && k < resolver->plan->metric_count; k++) assay_names_add(&names, resolver->plan->metric_names[k]);
    const char *nearest = layer || metric ? assay_nearest(section->name + (layer ? 6 : 7), names.list) : NULL;
    if (nearest != NULL)
      return REFUSE_FILE(resolver, "%s: there is no such section; did you mean [%s.%s]?", place, layer ? "layer" : "metric", nearest);
    if (layer) return REFUSE_FILE(resolver, "%s: [network] layers does not name this layer; add it there, or remove the section", place);
    if (metric) return REFUSE_FILE(resolver, "%s: neither [train] metrics nor [search] objective names this metric; add it there, or remove the section", place);
    return REFUSE_FILE(resolver, "%s: there is no such section; remove it", place);
  }
  for (uint32_t i = 0; i < resolver->ini->entry_count; i++) {
    const struct assay_ini_entry *entry = &resolver->ini->entries[i];
    if (entry->used || !assay_ini_find_section(resolver->ini, entry->section)->used) continue;
    struct assay_names names = {.count = 0};
    names.list[0] = NULL;
    for (uint32_t g = 0; g < resolver->plan->group_count; g++)
      if (strcmp(resolver->plan->groups[g]->section, entry->section) == 0) assay_names_add_group(&names, resolver->plan->groups[g]);
    return assay_resolve_unknown(resolver, entry, &names);
  }
  return 0;
}

/* Keys of the sections that have no plugin, checked before anything else is missed for a slip. */
static int check_plain_keys(struct assay_resolver *resolver) {
  static const char *const plain[] = {"data", "augment", "network", "train", "stages", "judge"};
  for (uint32_t e = 0; e < resolver->ini->entry_count; e++) {
    const struct assay_ini_entry *entry = &resolver->ini->entries[e];
    for (uint32_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
      const struct assay_option *const *options = assay_section_options(plain[i]);
      if (strcmp(entry->section, plain[i]) != 0 || assay_option_index(options, entry->key) >= 0) continue;
      struct assay_names names = {.count = 0};
      assay_names_add_options(&names, options);
      return assay_resolve_unknown(resolver, entry, &names);
    }
  }
  return 0;
}

int assay_plan_resolve(struct assay_plan *plan, struct assay_ini *ini, struct assay_status *status) {
  struct assay_status unasked; /* messages are read while they are made */
  struct assay_resolver resolver = {.plan = plan, .ini = ini, .arena = plan->arena, .status = status != NULL ? status : &unasked};
  plan->space.struct_size = sizeof plan->space;
  int code = check_sections(&resolver);
  if (code == 0) code = check_plain_keys(&resolver);
  if (code == 0) code = resolve_data(&resolver);
  if (code == 0) code = assay_resolve_group(&resolver, &plan->augment, "augment");
  if (code == 0) code = assay_resolve_network(&resolver);
  if (code == 0) code = assay_resolve_weights(&resolver);
  if (code == 0) code = assay_resolve_group(&resolver, &plan->optimizer, "optimizer");
  if (code == 0) code = assay_resolve_typed(&resolver, &plan->optimizer, ASSAY_OPTIMIZER, "adam");
  if (code == 0) code = assay_resolve_rate(&resolver);
  if (code == 0) code = assay_resolve_group(&resolver, &plan->train, "train");
  if (code == 0) code = assay_resolve_group(&resolver, &plan->stages, "stages");
  if (code == 0) code = resolve_loss(&resolver);
  if (code == 0) code = assay_resolve_group(&resolver, &plan->search, "search");
  if (code == 0) code = assay_resolve_typed(&resolver, &plan->search, ASSAY_SEARCH, "tpe");
  if (code == 0) code = assay_resolve_named(&resolver, &plan->pruner, "pruner", ASSAY_PRUNER, plan->search.core[SEARCH_PRUNER]);
  if (code == 0) code = assay_resolve_group(&resolver, &plan->judge, "judge");
  if (code == 0) code = assay_resolve_metrics(&resolver);
  if (code == 0) code = resolve_backend(&resolver);
  return code == 0 ? check_leftovers(&resolver) : code;
}
