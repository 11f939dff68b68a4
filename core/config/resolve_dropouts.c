/* SPDX-License-Identifier: MIT
 *
 * [train] dropouts: one line for the rates of all places that drop, in the order of the layers. Each becomes the value of its own layer's key, domain and
 * all, so that it is checked, searched and printed there.
 */
#include "config/resolver.h"

#include "base/options.h"
#include "config/sections.h"

#include <string.h>

/* The key that says how much a layer drops; NULL: it drops nothing. A type that is searched or not known is not looked at. */
static const char *dropping_key(const struct assay_resolver *resolver, const char *name) {
  const char *section = assay_arena_print(resolver->arena, "layer.%s", name);
  const struct assay_ini_entry *type = section == NULL ? NULL : assay_ini_find(resolver->ini, section, "type");
  const struct assay_plugin *plugin;
  struct assay_status ignored;
  if (assay_registry_find(resolver->plan->registry, ASSAY_LAYER, type != NULL ? type->value : name, &plugin, &ignored) != 0) return NULL;
  if (strcmp(plugin->name, "dropout") == 0) return "rate";
  return assay_plugin_option_index(plugin, "dropout") >= 0 ? "dropout" : NULL;
}

/* Takes the text up to the next comma outside of parentheses. */
static char *next_rate(char **rest) {
  char *start = *rest, *c = start;
  for (int depth = 0; *c != '\0' && (*c != ',' || depth > 0); c++) depth += (*c == '(') - (*c == ')');
  *rest = *c == '\0' ? NULL : c + 1;
  *c = '\0';
  return start + strspn(start, " \t");
}

int assay_resolve_dropouts(struct assay_resolver *resolver, const char *const *layers, uint32_t layer_count) {
  const struct assay_ini_entry *found = assay_ini_find(resolver->ini, "train", "dropouts");
  if (found == NULL || found->value[0] == '\0') return 0;
  const struct assay_ini_entry given = *found;
  char *rest = assay_arena_copy(resolver->arena, given.text);
  if (rest == NULL) return OUT_OF_MEMORY(resolver);
  const bool single = strcmp(next_rate(&rest), given.text) == 0;
  rest = assay_arena_copy(resolver->arena, given.text);
  uint32_t places = 0;
  for (uint32_t i = 0; i < layer_count; i++) {
    const char *key = dropping_key(resolver, layers[i]);
    if (key == NULL) continue;
    places++;
    if (rest == NULL)
      return assay_ini_refuse(resolver->ini, &given, resolver->status, "has no rate for layer %s; give one to each layer that drops, or one to all", layers[i]);
    const char *rate = single ? rest : next_rate(&rest), *section = assay_arena_print(resolver->arena, "layer.%s", layers[i]);
    const char *line = assay_arena_print(resolver->arena, "layer.%s.%s=%s", layers[i], key, rate);
    if (section == NULL || line == NULL) return OUT_OF_MEMORY(resolver);
    if (assay_ini_find(resolver->ini, section, key) != NULL)
      return assay_ini_refuse(resolver->ini, &given, resolver->status, "gives layer %s a rate, which has a %s of its own; remove one of the two", layers[i], key);
    if (assay_ini_override(resolver->ini, line, resolver->arena, resolver->status) != 0) return assay_ini_blame(resolver->ini, &given, resolver->status);
    struct assay_ini_entry *own = assay_ini_find(resolver->ini, section, key);
    own->origin = given.origin;
    own->line = given.line;
  }
  if (places == 0 || (!single && rest != NULL))
    return assay_ini_refuse(resolver->ini, &given, resolver->status, "has more rates than there are layers that drop (%u); remove some, or add dropout layers", places);
  struct assay_ini_entry *spent = assay_ini_find(resolver->ini, "train", "dropouts");
  spent->text = spent->value = "";
  spent->domain = NULL;
  return 0;
}
