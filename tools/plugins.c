/* SPDX-License-Identifier: MIT
 *
 * assay plugins: what is installed, what is shadowed or unfit, and the options of one plugin.
 */
#include "cli.h"

#include <math.h>
#include <string.h>

static const char *option_type_name(uint32_t type) {
  switch (type) {
  case ASSAY_OPTION_INT: return "integer";
  case ASSAY_OPTION_REAL: return "real";
  case ASSAY_OPTION_BOOL: return "yes or no";
  case ASSAY_OPTION_TEXT: return "text";
  case ASSAY_OPTION_CHOICE: return "choice";
  case ASSAY_OPTION_INTS: return "integers";
  case ASSAY_OPTION_REALS: return "reals";
  default: return "?";
  }
}

/* "1 … 64", "at least 1", or the choices. */
static char *range_text(const struct assay_option *option, struct assay_arena *arena) {
  if (option->type == ASSAY_OPTION_CHOICE) {
    struct assay_text text = {0};
    for (const char *const *choice = option->choices; *choice != NULL; choice++) assay_text_print(&text, "%s%s", choice == option->choices ? "" : ", ", *choice);
    char *copy = assay_arena_copy(arena, text.data != NULL ? text.data : "");
    assay_text_release(&text);
    return copy;
  }
  if (option->type == ASSAY_OPTION_BOOL || option->type == ASSAY_OPTION_TEXT) return assay_arena_copy(arena, "");
  char low[32], high[32];
  assay_print_real(option->minimum, low);
  assay_print_real(option->maximum, high);
  const bool from = isfinite(option->minimum) && option->minimum > -1e18, to = isfinite(option->maximum) && option->maximum < 1e18;
  if (from && to) return assay_arena_print(arena, "%s to %s", low, high);
  if (from) return assay_arena_print(arena, "at least %s", low);
  if (to) return assay_arena_print(arena, "at most %s", high);
  return assay_arena_copy(arena, "");
}

static json_t *option_json(const struct assay_option *option, struct assay_arena *arena) {
  return json_pack("{s:s,s:s,s:s?,s:s,s:b,s:b,s:s}", "name", option->name, "type", option_type_name(option->type), "default", option->default_text, "range",
                   range_text(option, arena), "runtime", (option->flags & ASSAY_OPTION_RUNTIME) != 0, "searchable", (option->flags & ASSAY_OPTION_SEARCHABLE) != 0,
                   "help", option->help);
}

static json_t *entry_json(const struct assay_registry_entry *entry, struct assay_arena *arena, bool with_options) {
  json_t *object = json_pack("{s:s?,s:s?,s:s,s:s?,s:s?}", "kind", entry->kind != 0 ? assay_kind_name(entry->kind) : NULL, "name", entry->name, "file", entry->file,
                             "shadowed_by", entry->shadowed_by, "problem", entry->problem);
  if (entry->plugin == NULL) return object;
  json_object_set_new(object, "summary", json_string(entry->plugin->summary));
  json_object_set_new(object, "version", json_string(entry->plugin->version));
  if (with_options) {
    json_t *options = json_array();
    for (const struct assay_option *const *option = entry->plugin->options; option != NULL && *option != NULL; option++)
      json_array_append_new(options, option_json(*option, arena));
    json_object_set_new(object, "options", options);
  }
  return object;
}

static void print_options(struct cli *cli, const struct assay_registry_entry *entry) {
  const struct assay_plugin *plugin = entry->plugin;
  fprintf(cli->results, "%s %s (version %s): %s\n  from %s\n", assay_kind_name(plugin->kind), plugin->name, plugin->version, plugin->summary, entry->file);
  if (plugin->options == NULL || *plugin->options == NULL) {
    fprintf(cli->results, "  no options\n");
    return;
  }
  for (const struct assay_option *const *each = plugin->options; *each != NULL; each++) {
    const struct assay_option *option = *each;
    const char *range = range_text(option, cli->arena);
    fprintf(cli->results, "\n  %s = %s\n      %s\n      %s%s%s%s%s\n", option->name, option->default_text != NULL ? option->default_text : "(required)", option->help,
            option_type_name(option->type), *range != '\0' ? ": " : "", range, option->flags & ASSAY_OPTION_SEARCHABLE ? "; searchable" : "",
            option->flags & ASSAY_OPTION_RUNTIME ? "; changes at run time, without a new program" : "");
  }
}

static void print_list(struct cli *cli, const struct assay_registry_entry *const *entries, uint32_t count) {
  uint32_t kind = 0;
  for (uint32_t i = 0; i < count; i++) {
    const struct assay_registry_entry *entry = entries[i];
    if (entry->name != NULL && entry->kind != kind) {
      kind = entry->kind;
      fprintf(cli->results, "%s%s\n", i == 0 ? "" : "\n", assay_kind_name(kind));
    }
    if (entry->name == NULL) fprintf(cli->results, "\nunusable: %s\n  %s\n", entry->file, entry->problem);
    else if (entry->shadowed_by != NULL) fprintf(cli->results, "  %-22s %s is shadowed by %s\n", entry->name, entry->file, entry->shadowed_by);
    else if (entry->problem != NULL) fprintf(cli->results, "  %-22s unusable: %s\n", entry->name, entry->problem);
    else fprintf(cli->results, "  %-22s %s\n", entry->name, entry->plugin->summary);
  }
}

static int show_one(struct cli *cli, const struct assay_registry_entry *const *entries, uint32_t count, const char *name) {
  json_t *found = json_array();
  const char **names = ASSAY_NEW_ARRAY(cli->arena, const char *, count + 1);
  if (names == NULL) return assay_status_memory(cli->status);
  uint32_t known = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (entries[i]->name == NULL) continue;
    names[known++] = entries[i]->name;
    if (strcmp(entries[i]->name, name) != 0 || entries[i]->plugin == NULL) continue;
    if (!cli->json) print_options(cli, entries[i]);
    json_array_append_new(found, entry_json(entries[i], cli->arena, true));
  }
  if (json_array_size(found) == 0) {
    json_decref(found);
    const char *nearest = assay_nearest(name, names);
    return assay_status_set(cli->status, ASSAY_E_PLUGIN, "no plugin is called '%s'%s%s%s; 'assay plugins' lists all", name, nearest ? "; did you mean '" : "",
                            nearest ? nearest : "", nearest ? "'?" : "");
  }
  if (cli->json) cli_print_json(cli, json_pack("{s:o}", "plugins", found));
  else json_decref(found);
  return 0;
}

int command_plugins(struct cli *cli) {
  struct assay_registry *registry;
  const struct assay_registry_entry *const *entries;
  uint32_t count;
  int result = cli_registry(cli, &registry);
  if (result == 0) result = assay_registry_list(registry, &entries, &count, cli->status);
  if (result != 0) return result;
  if (cli->argument_count == 1) return show_one(cli, entries, count, cli->arguments[0]);
  if (!cli->json) {
    print_list(cli, entries, count);
    return 0;
  }
  json_t *list = json_array();
  for (uint32_t i = 0; i < count; i++) json_array_append_new(list, entry_json(entries[i], cli->arena, false));
  cli_print_json(cli, json_pack("{s:o}", "plugins", list));
  return 0;
}
