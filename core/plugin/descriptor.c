/* SPDX-License-Identifier: MIT
 *
 * What a descriptor must look like before anything in it is called. The fields that say how to read the others are checked first.
 */
#include "graph/session.h"
#include "plugin/registry.h"

#include "base/arena.h"
#include "base/options.h"
#include "base/status.h"
#include "base/text.h"

#include <assay/backend.h>
#include <assay/layer.h>
#include <assay/metric.h>
#include <assay/optimizer.h>
#include <assay/search.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_OPTIONS = 256, MOST_CHOICES = 256 };

struct kind_facts {
  const char *name;
  uint16_t abi_major, abi_minor;
  uint32_t vtable_size; /* at least; what is optional at the end may be missing */
};

static const struct kind_facts kinds[] = {
    [ASSAY_BACKEND] = {"backend", ASSAY_BACKEND_ABI_MAJOR, ASSAY_BACKEND_ABI_MINOR, ASSAY_BACKEND_LEAST_SIZE},
    [ASSAY_LAYER] = {"layer", ASSAY_LAYER_ABI_MAJOR, ASSAY_LAYER_ABI_MINOR, ASSAY_LAYER_LEAST_SIZE},
    [ASSAY_OPTIMIZER] = {"optimizer", ASSAY_OPTIMIZER_ABI_MAJOR, ASSAY_OPTIMIZER_ABI_MINOR, sizeof(struct assay_optimizer)},
    [ASSAY_SEARCH] = {"search", ASSAY_SEARCH_ABI_MAJOR, ASSAY_SEARCH_ABI_MINOR, sizeof(struct assay_search)},
    [ASSAY_PRUNER] = {"pruner", ASSAY_PRUNER_ABI_MAJOR, ASSAY_PRUNER_ABI_MINOR, sizeof(struct assay_pruner)},
    [ASSAY_METRIC] = {"metric", ASSAY_METRIC_ABI_MAJOR, ASSAY_METRIC_ABI_MINOR, sizeof(struct assay_metric)},
};
enum { KIND_END = sizeof kinds / sizeof kinds[0] };

const char *assay_kind_name(uint32_t kind) { return kind > 0 && kind < KIND_END ? kinds[kind].name : NULL; }

uint32_t assay_kind_by_name(const char *name) {
  for (uint32_t kind = 1; kind < KIND_END; kind++)
    if (strcmp(kinds[kind].name, name) == 0) return kind;
  return 0;
}

double assay_layer_adaptive_rate(const struct assay_plugin *plugin) {
  const struct assay_layer *layer = plugin->vtable;
  return plugin->vtable_size >= sizeof *layer && layer->adaptive_rate > 0 ? layer->adaptive_rate : 1;
}

int assay_plugin_option_index(const struct assay_plugin *plugin, const char *name) { return assay_option_index(plugin->options, name); }

#define UNFIT(...) assay_status_set(status, ASSAY_E_PLUGIN, __VA_ARGS__)

/* The fields that must be right before any other can be believed. */
static int check_frame(const struct assay_plugin *plugin, struct assay_status *status) {
  if (plugin->magic != ASSAY_PLUGIN_MAGIC)
    return UNFIT("the descriptor's field magic is 0x%08x, not 0x%08x; set it to ASSAY_PLUGIN_MAGIC", plugin->magic, ASSAY_PLUGIN_MAGIC);
  if (plugin->struct_size < sizeof *plugin)
    return UNFIT("the descriptor's field struct_size is %u, smaller than the %zu of this Assay; set it to sizeof(struct assay_plugin)", plugin->struct_size,
                 sizeof *plugin);
  if (assay_kind_name(plugin->kind) == NULL)
    return UNFIT("the descriptor's field kind is %u, which this Assay does not know; build the plugin against its headers", plugin->kind);
  const struct kind_facts *facts = &kinds[plugin->kind];
  if (plugin->abi_major != facts->abi_major)
    return UNFIT("the descriptor's field abi_major is %u, and this Assay has version %u.%u of the %s interface; build the plugin against its headers",
                 plugin->abi_major, facts->abi_major, facts->abi_minor, facts->name);
  if (plugin->abi_minor > facts->abi_minor)
    return UNFIT("the descriptor's field abi_minor is %u, newer than version %u.%u of the %s interface that this Assay has; install a newer Assay, or "
                 "build the plugin against its headers",
                 plugin->abi_minor, facts->abi_major, facts->abi_minor, facts->name);
  return 0;
}

/* Is it a string that can stand in an INI's line? */
static bool is_line(const char *string) { return string != NULL && strlen(string) <= 500 && assay_is_printable(string); }

static int check_choices(const struct assay_option *option, struct assay_status *status) {
  uint32_t count = 0;
  for (; option->choices != NULL && option->choices[count] != NULL; count++) {
    const char *choice = option->choices[count];
    if (count == MOST_CHOICES) return UNFIT("option %s: the field choices has no end within %d entries; end it with NULL", option->name, MOST_CHOICES);
    if (!is_line(choice) || choice[0] == '\0' || strpbrk(choice, ",()~;#\"' \t") != NULL)
      return UNFIT("option %s: choices[%u] must be a word without blanks, commas, quotes, brackets, ~, ; and #", option->name, count);
    for (uint32_t other = 0; other < count; other++)
      if (strcmp(option->choices[other], choice) == 0) return UNFIT("option %s: \"%.60s\" stands twice among its choices", option->name, choice);
  }
  return count > 0 ? 0 : UNFIT("option %s: the field choices is empty", option->name);
}

static int check_option(const struct assay_plugin *plugin, uint32_t index, struct assay_arena *arena, struct assay_status *status) {
  const struct assay_option *option = plugin->options[index];
  if (option->struct_size < sizeof *option)
    return UNFIT("option number %u: the field struct_size is %u, smaller than the %zu of this Assay; set it to sizeof(struct assay_option)", index,
                 option->struct_size, sizeof *option);
  if (option->name == NULL || strlen(option->name) > 60 || !assay_is_name(option->name))
    return UNFIT("option number %u: the field name must be at most 60 of a-z, 0-9 and _, a letter first", index);
  if (strcmp(option->name, "type") == 0 || strcmp(option->name, "input") == 0)
    return UNFIT("option %s: this name belongs to the INI language; choose another", option->name);
  for (uint32_t other = 0; other < index; other++)
    if (strcmp(plugin->options[other]->name, option->name) == 0) return UNFIT("option %s: stands twice in the table", option->name);
  if (option->type < ASSAY_OPTION_INT || option->type > ASSAY_OPTION_REALS)
    return UNFIT("option %s: the field type is %u, which this Assay does not know", option->name, option->type);
  if ((option->flags & ~(uint32_t)(ASSAY_OPTION_RUNTIME | ASSAY_OPTION_SEARCHABLE | ASSAY_OPTION_REQUIRED)) != 0)
    return UNFIT("option %s: the field flags is 0x%x, of which this Assay does not know all", option->name, option->flags);
  if ((option->flags & ASSAY_OPTION_RUNTIME) != 0 &&
      (option->type != ASSAY_OPTION_REAL || (plugin->kind != ASSAY_LAYER && plugin->kind != ASSAY_OPTIMIZER)))
    return UNFIT("option %s: only a REAL of a layer or an optimizer can be RUNTIME", option->name);
  if (!is_line(option->help)) return UNFIT("option %s: the field help must be a line of text", option->name);
  if (!(option->minimum <= option->maximum)) return UNFIT("option %s: the field minimum is not below the field maximum", option->name);
  if (option->type == ASSAY_OPTION_CHOICE) {
    const int code = check_choices(option, status);
    if (code != 0) return code;
  }
  if ((option->flags & ASSAY_OPTION_REQUIRED) != 0)
    return option->default_text == NULL ? 0 : UNFIT("option %s: is REQUIRED, so the field default_text must be NULL", option->name);
  if (!is_line(option->default_text)) return UNFIT("option %s: the field default_text must be a line of text, or the option REQUIRED", option->name);
  struct assay_option_value value;
  struct assay_status reason;
  if (assay_option_parse(option, option->default_text, arena, &value, &reason) != 0)
    return UNFIT("option %s: the field default_text does not fit: %s", option->name, reason.message);
  return 0;
}

static int check_options(const struct assay_plugin *plugin, struct assay_status *status) {
  struct assay_arena *arena = assay_arena_create();
  if (arena == NULL) return assay_status_memory(status);
  int code = 0;
  for (uint32_t i = 0; code == 0 && plugin->options != NULL && plugin->options[i] != NULL; i++)
    code = i < MOST_OPTIONS ? check_option(plugin, i, arena, status)
                            : UNFIT("the field options has no end within %d entries; end it with NULL", MOST_OPTIONS);
  assay_arena_release(arena);
  return code;
}

/* The name of the first function that the vtable lacks; NULL when it is complete. */
static const char *missing_function(const struct assay_plugin *plugin) {
#define NEEDS(function)                                                                                                                                        \
  if (table->function == NULL) return #function
  switch (plugin->kind) {
  case ASSAY_BACKEND: {
    const struct assay_backend *table = plugin->vtable;
    NEEDS(list);
    NEEDS(open);
    NEEDS(close);
    NEEDS(supports);
    NEEDS(compile);
    NEEDS(memory);
    NEEDS(release);
    NEEDS(buffer_create);
    NEEDS(buffer_write);
    NEEDS(buffer_read);
    NEEDS(buffer_release);
    NEEDS(store_create);
    NEEDS(store_write);
    NEEDS(store_read);
    NEEDS(store_copy);
    NEEDS(store_release);
    NEEDS(run);
    NEEDS(sync);
    return NULL;
  }
  case ASSAY_LAYER: {
    const struct assay_layer *table = plugin->vtable;
    NEEDS(build);
    return NULL;
  }
  case ASSAY_OPTIMIZER: {
    const struct assay_optimizer *table = plugin->vtable;
    NEEDS(update);
    return NULL;
  }
  case ASSAY_SEARCH: {
    const struct assay_search *table = plugin->vtable;
    NEEDS(ask);
    return NULL;
  }
  case ASSAY_PRUNER: {
    const struct assay_pruner *table = plugin->vtable;
    NEEDS(prune);
    return NULL;
  }
  default: {
    const struct assay_metric *table = plugin->vtable;
    NEEDS(compute);
    if ((table->flags & ASSAY_METRIC_PROPORTION) != 0) NEEDS(proportion);
    return NULL;
  }
  }
#undef NEEDS
}

static int check_vtable(const struct assay_plugin *plugin, struct assay_status *status) {
  const struct kind_facts *facts = &kinds[plugin->kind];
  if (plugin->vtable == NULL) return UNFIT("the descriptor's field vtable is NULL; point it at a struct assay_%s", facts->name);
  if (plugin->vtable_size < facts->vtable_size)
    return UNFIT("the descriptor's field vtable_size is %u, smaller than the %u of this Assay; set it to sizeof(struct assay_%s)", plugin->vtable_size,
                 facts->vtable_size, facts->name);
  uint32_t struct_size;
  memcpy(&struct_size, plugin->vtable, sizeof struct_size);
  if (struct_size != plugin->vtable_size)
    return UNFIT("the vtable's field struct_size is %u, but the descriptor's vtable_size is %u; set both to sizeof(struct assay_%s)", struct_size,
                 plugin->vtable_size, facts->name);
  const char *missing = missing_function(plugin);
  if (missing != NULL) return UNFIT("the vtable's field %s is NULL; a %s needs it", missing, facts->name);
  if (plugin->kind == ASSAY_LAYER) {
    const struct assay_layer *layer = plugin->vtable;
    if (layer->input_count_max == 0 || layer->input_count_min > layer->input_count_max)
      return UNFIT("the vtable's fields input_count_min and input_count_max are %u and %u, which no number of inputs satisfies", layer->input_count_min,
                   layer->input_count_max);
  }
  return 0;
}

int assay_descriptor_check(const struct assay_plugin *plugin, struct assay_status *status) {
  int code = check_frame(plugin, status);
  if (code != 0) return code;
  if (plugin->name == NULL || strlen(plugin->name) > 60 || !assay_is_name(plugin->name))
    return UNFIT("the descriptor's field name must be at most 60 of a-z, 0-9 and _, a letter first");
  if (!is_line(plugin->summary)) code = UNFIT("the descriptor's field summary must be a line of text");
  else if (!is_line(plugin->version)) code = UNFIT("the descriptor's field version must be a line of text");
  else code = check_vtable(plugin, status);
  if (code == 0) code = check_options(plugin, status);
  return code == 0 ? 0 : assay_status_prefix(status, "%s \"%s\"", kinds[plugin->kind].name, plugin->name);
}
