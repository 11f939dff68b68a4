/* SPDX-License-Identifier: MIT */
#include "train/tuning.h"

#include "base/status.h"
#include "base/text.h"
#include "graph/graph.h"

#include <string.h>

bool assay_role_is_trained(uint32_t role) {
  return role == ASSAY_ROLE_WEIGHT || role == ASSAY_ROLE_BIAS || role == ASSAY_ROLE_NORM_SCALE || role == ASSAY_ROLE_NORM_BIAS;
}

bool assay_tuning_wanted(const struct assay_train_settings *settings) {
  return settings->freeze != NULL || settings->rate_count > 1 || settings->keep_statistics == ASSAY_KEEP_ALL;
}

struct resolution {
  const struct assay_settings *settings;
  const struct assay_forward_facts *facts;
  struct assay_arena *arena;
  struct assay_status *status;
};

static const struct assay_variable *variable(const struct resolution *resolution, uint32_t number) { return &resolution->facts->variables[number]->base; }

/* "features.layer3" fits "features.layer3.0.conv1.weight", but not "features.layer33.weight". */
static bool fits(const char *name, const char *parameter) {
  const size_t length = strlen(name);
  return strncmp(parameter, name, length) == 0 && (parameter[length] == '\0' || parameter[length] == '.');
}

/* Every name that would fit something: layers, and the parts of parameters' names. For suggestions. */
static const char *nearest_name(const struct resolution *resolution, const char *name) {
  const char **names = ASSAY_NEW_ARRAY(resolution->arena, const char *, (size_t)resolution->facts->variable_count * 8 + 1);
  uint32_t count = 0;
  for (uint32_t i = 0; names != NULL && i < resolution->facts->variable_count; i++) {
    const char *full = variable(resolution, i)->name;
    if (!assay_role_is_trained(variable(resolution, i)->role)) continue;
    for (const char *dot = strchr(full, '.'); dot != NULL && count < resolution->facts->variable_count * 8; dot = strchr(dot + 1, '.')) {
      char *part = assay_arena_copy(resolution->arena, full);
      if (part == NULL) return NULL;
      part[dot - full] = '\0';
      if (count == 0 || strcmp(names[count - 1], part) != 0) names[count++] = part;
    }
  }
  return names != NULL && count > 0 ? assay_nearest(name, names) : NULL;
}

/* First and last variable that NAME means: a whole layer's, or those whose names begin with it. */
static int find(const struct resolution *resolution, const char *key, const char *name, uint32_t *first, uint32_t *last) {
  const struct assay_settings *settings = resolution->settings;
  bool found = false;
  for (uint32_t i = 0; i < settings->layer_count && !found; i++) {
    if (strcmp(settings->layers[i].component.name, name) != 0) continue;
    *first = i == 0 ? 0 : resolution->facts->layers[i - 1].end;
    while (*first < resolution->facts->layers[i].end && !fits(name, variable(resolution, *first)->name)) ++*first; /* the pixels' own statistics */
    *last = resolution->facts->layers[i].end - 1;
    found = *first < resolution->facts->layers[i].end;
    if (!found)
      return assay_status_set(resolution->status, ASSAY_E_CONFIG, "[train] %s = %s: this layer has no parameters; name one that has", key, name);
  }
  for (uint32_t i = 0; i < resolution->facts->variable_count && !found; i++) {
    if (!fits(name, variable(resolution, i)->name)) continue;
    *first = i;
    found = true;
    for (; i < resolution->facts->variable_count; i++)
      if (fits(name, variable(resolution, i)->name)) *last = i;
  }
  if (found) return 0;
  const char *nearest = nearest_name(resolution, name);
  return assay_status_set(resolution->status, ASSAY_E_CONFIG, "[train] %s: no parameter begins with \"%.80s\"%s%s%s; a layer's name does, or a part of it such as %s", key, name,
                          nearest != NULL ? "; did you mean \"" : "", nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "",
                          resolution->facts->variable_count > 0 ? variable(resolution, resolution->facts->variable_count - 1)->name : "dense.weight");
}

static int resolve_groups(const struct resolution *resolution, uint32_t *groups) {
  const struct assay_train_settings *train = &resolution->settings->train;
  uint32_t before = 0;
  for (uint32_t g = 1; g < train->rate_count; g++) {
    uint32_t first, last;
    const int code = find(resolution, "rate_groups", train->rate_groups[g - 1], &first, &last);
    if (code != 0) return code;
    uint32_t members = 0;
    for (uint32_t i = before; i < first; i++) members += assay_role_is_trained(variable(resolution, i)->role);
    if (first <= before || members == 0)
      return assay_status_set(resolution->status, ASSAY_E_CONFIG, "[train] rate_groups: no parameter is left before %s; name the groups in the order of the layers, and not the first one",
                              train->rate_groups[g - 1]);
    for (uint32_t i = first; i < resolution->facts->variable_count; i++) groups[i] = g;
    before = first;
  }
  return 0;
}

static int resolve_frozen(const struct resolution *resolution, uint8_t *frozen) {
  const struct assay_train_settings *train = &resolution->settings->train;
  uint32_t first, last, left = 0;
  if (train->freeze == NULL) return 0;
  const int code = find(resolution, "freeze", train->freeze, &first, &last);
  if (code != 0) return code;
  /* Behind a scale and a bias stand their statistics. */
  while (last + 1 < resolution->facts->variable_count && variable(resolution, last + 1)->role == ASSAY_ROLE_STATISTIC) last++;
  for (uint32_t i = 0; i < resolution->facts->variable_count; i++) {
    frozen[i] = i <= last;
    left += i > last && assay_role_is_trained(variable(resolution, i)->role);
  }
  if (left == 0) return assay_status_set(resolution->status, ASSAY_E_CONFIG, "[train] freeze = %s leaves nothing to train; name an earlier layer", train->freeze);
  return 0;
}

/* Whole frozen layers, and what follows them without parameters or chance. */
static uint32_t passed_layers(const struct resolution *resolution, const uint8_t *frozen) {
  const struct assay_settings *settings = resolution->settings;
  uint32_t count = 0, first = 0;
  bool any = false;
  for (uint32_t i = 0; i < settings->layer_count; i++) {
    const struct assay_layer_facts *layer = &resolution->facts->layers[i];
    bool whole = true;
    for (uint32_t v = first; v < layer->end; v++) whole = whole && frozen[v] != 0;
    if (!whole || (layer->random && layer->end == first && any)) break;
    any = any || layer->end > first;
    first = layer->end;
    count = i + 1;
  }
  return any ? count : 0;
}

int assay_tuning_resolve(const struct assay_settings *settings, const struct assay_forward_facts *facts, struct assay_arena *arena, struct assay_tuning *tuning,
                         struct assay_status *status) {
  const struct resolution resolution = {settings, facts, arena, status};
  const uint32_t keep = settings->train.keep_statistics;
  const size_t count = facts->variable_count;
  uint8_t *frozen = ASSAY_NEW_ARRAY(arena, uint8_t, count + 1), *first_held = ASSAY_NEW_ARRAY(arena, uint8_t, count + 1),
          *then_held = ASSAY_NEW_ARRAY(arena, uint8_t, count + 1);
  uint32_t *groups = ASSAY_NEW_ARRAY(arena, uint32_t, count + 1);
  if (frozen == NULL || first_held == NULL || then_held == NULL || groups == NULL) return assay_status_memory(status);
  int code = resolve_frozen(&resolution, frozen);
  if (code == 0) code = resolve_groups(&resolution, groups);
  if (code != 0) return code;
  for (uint32_t i = 0; i < count; i++) {
    const bool trained = assay_role_is_trained(facts->variables[i]->base.role);
    first_held[i] = trained ? frozen[i] : keep == ASSAY_KEEP_ALL || (keep == ASSAY_KEEP_FROZEN && frozen[i]);
    then_held[i] = !trained && keep == ASSAY_KEEP_ALL;
  }
  const uint32_t epochs = settings->train.unfreeze_after;
  *tuning = (struct assay_tuning){.variable_count = facts->variable_count,
                                  .frozen = frozen,
                                  .held = {first_held, then_held},
                                  .groups = groups,
                                  .phase_count = settings->train.freeze != NULL && epochs > 0 && epochs < settings->train.epochs ? 2 : 1,
                                  .passed_layers = keep == ASSAY_KEEP_NONE ? 0 : passed_layers(&resolution, frozen)};
  return 0;
}
