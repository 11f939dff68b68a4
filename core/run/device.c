/* SPDX-License-Identifier: MIT */
#include "run/device.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/options.h"
#include "base/process.h"
#include "base/status.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { MOST_DEVICES = 64 };
static const double list_seconds = 20; /* a cold driver takes some */

/* ---- Listing ---- */

static void take_device(void *context, const struct assay_device_info *info) {
  json_array_append_new(context, json_pack("{s:s,s:b,s:i,s:i,s:I,s:s,s:s,s:s,s:s,s:s}", "id", info->id, "usable", info->usable != 0, "kind", (int)info->kind, "precisions",
                                           (int)info->precisions, "memory", (json_int_t)info->memory, "name", info->name, "driver", info->driver, "vendor", info->vendor,
                                           "extensions", info->extensions, "note", info->note));
}

int assay_devices_list_here(struct assay_registry *registry, const char *backend, const char *const *drivers, json_t **list, struct assay_status *status) {
  const struct assay_plugin *plugin;
  const struct assay_option_value *const *values;
  struct assay_backend table;
  struct assay_arena *arena = assay_arena_create();
  *list = NULL;
  int result = arena == NULL ? assay_status_memory(status) : assay_registry_find(registry, ASSAY_BACKEND, backend, &plugin, status);
  if (result == 0) result = assay_option_defaults(plugin->options, arena, &values, status);
  if (result == 0) result = assay_backend_table(plugin, &table, status);
  json_t *devices = json_array();
  if (result == 0) result = table.list(assay_backend_host_table(), values, drivers, take_device, devices, status);
  if (result == 0) *list = devices;
  else json_decref(devices);
  assay_arena_release(arena);
  return result;
}

struct listing {
  struct assay_arena *arena;
  struct assay_listed_device *devices;
  uint32_t count, capacity;
};

static struct assay_listed_device *add_device(struct listing *listing) {
  if (listing->count == listing->capacity) {
    const uint32_t capacity = listing->capacity * 2 + 8;
    struct assay_listed_device *larger = ASSAY_NEW_ARRAY(listing->arena, struct assay_listed_device, capacity);
    if (larger == NULL) return NULL;
    if (listing->count > 0) memcpy(larger, listing->devices, listing->count * sizeof *larger);
    listing->devices = larger;
    listing->capacity = capacity;
  }
  return &listing->devices[listing->count++];
}

static const char *text_of(struct assay_arena *arena, const json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return text != NULL && text[0] != '\0' ? assay_arena_copy(arena, text) : "";
}

static int take_list(struct listing *listing, const char *backend, const json_t *list) {
  struct assay_arena *arena = listing->arena;
  for (size_t i = 0; i < json_array_size(list); i++) {
    const json_t *object = json_array_get(list, i);
    struct assay_listed_device *device = add_device(listing);
    if (device == NULL) return ASSAY_E_MEMORY;
    struct assay_device_info *info = &device->info;
    *info = (struct assay_device_info){.struct_size = sizeof *info,
                                       .usable = json_is_true(json_object_get(object, "usable")),
                                       .kind = (uint32_t)json_integer_value(json_object_get(object, "kind")),
                                       .precisions = (uint32_t)json_integer_value(json_object_get(object, "precisions")),
                                       .memory = (uint64_t)json_integer_value(json_object_get(object, "memory")),
                                       .id = text_of(arena, object, "id"),
                                       .name = text_of(arena, object, "name"),
                                       .vendor = text_of(arena, object, "vendor"),
                                       .driver = text_of(arena, object, "driver"),
                                       .extensions = text_of(arena, object, "extensions"),
                                       .note = text_of(arena, object, "note")};
    device->problem = NULL;
    if (!info->id || !info->name || !info->vendor || !info->driver || !info->extensions || !info->note) return ASSAY_E_MEMORY;
    device->name = json_array_size(list) == 1 ? backend : assay_arena_print(arena, "%s:%s", backend, info->id);
    if (device->name == NULL) return ASSAY_E_MEMORY;
  }
  return 0;
}

/* What goes wrong is told in the list: one broken driver must not hide the others. */
static int add_problem(struct listing *listing, const char *backend, const char *problem) {
  struct assay_listed_device *device = problem != NULL ? add_device(listing) : NULL;
  if (device == NULL) return ASSAY_E_MEMORY;
  *device = (struct assay_listed_device){.name = backend, .problem = problem, .info = {.id = "", .name = "", .vendor = "", .driver = "", .extensions = "", .note = ""}};
  return 0;
}

/* The devices that the backend finds with these drivers, by a child. */
static int ask_backend(struct listing *listing, const char *backend, const char *const *drivers, const char *plugin_path, bool has_problem, struct assay_status *status) {
  enum { MOST_ARGUMENTS = 80 };
  const char *arguments[MOST_ARGUMENTS] = {assay_process_tool(), "list-devices", "--quiet"};
  int n = 3;
  if (plugin_path != NULL) {
    arguments[n++] = "--plugin-path";
    arguments[n++] = plugin_path;
  }
  arguments[n++] = "--";
  arguments[n++] = backend;
  for (uint32_t i = 0; drivers != NULL && drivers[i] != NULL && n < MOST_ARGUMENTS - 1; i++) arguments[n++] = drivers[i];
  struct assay_text output = {0};
  struct assay_process_end end;
  int result = assay_process_run(arguments, list_seconds, &output, &end, status);
  if (result != 0) return result;
  json_t *answer = output.data != NULL ? json_loads(output.data, 0, NULL) : NULL;
  const json_t *list = json_object_get(answer, "devices");
  const char *message = json_string_value(json_object_get(json_object_get(answer, "error"), "message"));
  char how[96];
  if (end.code == 0 && end.signal == 0 && !end.timed_out && json_is_array(list)) result = take_list(listing, backend, list);
  else if (message == NULL)
    result = add_problem(listing, backend, assay_arena_print(listing->arena, "the process that asked for its devices %s; a driver is broken: remove it, or repair it",
                                                             assay_process_describe(&end, how)));
  else if (!has_problem) /* otherwise what is wrong has been said of the driver */
    result = add_problem(listing, backend, assay_arena_copy(listing->arena, message));
  json_decref(answer);
  assay_text_release(&output);
  return result == ASSAY_E_MEMORY ? assay_status_memory(status) : result;
}

/* One backend: its drivers one by one, then all that do no harm together, since only so they are numbered and those registered twice are known. */
static int list_backend(struct listing *listing, const struct assay_plugin *plugin, const char *plugin_path, enum assay_drivers_effort effort, struct assay_status *status) {
  const struct assay_option_value *const *values;
  const struct assay_driver_state *states;
  const char *const *drivers = NULL;
  uint32_t count = 0, problems = 0;
  bool none = false;
  int result = assay_option_defaults(plugin->options, listing->arena, &values, status);
  if (result == 0) result = assay_drivers_survey(plugin, values, plugin_path, effort, listing->arena, &states, &count, status);
  if (result == 0) result = assay_drivers_allowed(states, count, listing->arena, &drivers, &none, status);
  if (result == 0 && !none) {
    for (uint32_t i = 0; i < count; i++) problems += states[i].problem != NULL;
    result = ask_backend(listing, plugin->name, drivers, plugin_path, problems > 0, status);
  }
  for (uint32_t i = 0; i < count && result == 0; i++) {
    if (states[i].problem == NULL) continue;
    /* Most say themselves which file it is. */
    const char *problem = strstr(states[i].problem, states[i].name) != NULL ? states[i].problem : assay_arena_print(listing->arena, "driver %s: %s", states[i].name, states[i].problem);
    if (add_problem(listing, plugin->name, problem) != 0) result = assay_status_memory(status);
  }
  return result;
}

int assay_devices_list(struct assay_registry *registry, const char *plugin_path, enum assay_drivers_effort effort, struct assay_arena *arena, const struct assay_listed_device **devices, uint32_t *count,
                       struct assay_status *status) {
  const struct assay_registry_entry *const *entries;
  struct listing listing = {.arena = arena};
  uint32_t entry_count;
  int result = assay_registry_list(registry, &entries, &entry_count, status);
  for (uint32_t i = 0; i < entry_count && result == 0; i++)
    if (entries[i]->kind == ASSAY_BACKEND && entries[i]->plugin != NULL) result = list_backend(&listing, entries[i]->plugin, plugin_path, effort, status);
  *devices = listing.devices;
  *count = listing.count;
  return result;
}

/* ---- Choosing ---- */

static const struct assay_component *find_backend(const struct assay_settings *settings, const char *name, size_t length) {
  for (uint32_t i = 0; i < settings->backend_count; i++) {
    const char *candidate = settings->backends[i].plugin->name;
    if (strlen(candidate) == length && strncmp(candidate, name, length) == 0) return &settings->backends[i];
  }
  return NULL;
}

static bool has_backend(const struct assay_listed_device *device, const char *backend) {
  const size_t length = strlen(backend);
  return strncmp(device->name, backend, length) == 0 && (device->name[length] == '\0' || device->name[length] == ':');
}

static bool is_usable(const struct assay_listed_device *device) { return device->problem == NULL && device->info.usable; }


struct choice {
  const struct assay_settings *settings;
  struct assay_registry *registry;
  const char *plugin_path;
  const struct assay_device_picker *picker;
  struct assay_arena *arena;
  const struct assay_listed_device *devices; /* listed when a word first asks for it */
  uint32_t device_count;
  const char *names[MOST_DEVICES];
  uint32_t count;
};

static int list_once(struct choice *choice, struct assay_status *status) {
  return choice->devices != NULL ? 0 : assay_devices_list(choice->registry, choice->plugin_path, ASSAY_DRIVERS_UNKNOWN, choice->arena, &choice->devices, &choice->device_count, status);
}

static int choose(struct choice *choice, const char *name, struct assay_status *status) {
  for (uint32_t i = 0; i < choice->count; i++)
    if (strcmp(choice->names[i], name) == 0) return 0;
  if (choice->count == MOST_DEVICES) return assay_status_set(status, ASSAY_E_CONFIG, "[backend] devices: more than %d devices", MOST_DEVICES);
  choice->names[choice->count++] = name;
  return 0;
}

static int no_such_device(const struct choice *choice, const char *word, uint32_t matches, struct assay_status *status) {
  struct assay_text known = {0};
  for (uint32_t i = 0; i < choice->device_count; i++)
    if (is_usable(&choice->devices[i])) assay_text_print(&known, "%s%s (%s)", known.length > 0 ? ", " : "", choice->devices[i].name, choice->devices[i].info.name);
  const int result = assay_status_set(status, ASSAY_E_DEVICE, "[backend] devices: '%s' %s; usable are: %s. 'assay devices' says what is wrong with the others", word,
                                      matches == 0 ? "is no device here" : "fits several devices", known.data != NULL ? known.data : "none");
  assay_text_release(&known);
  return result;
}

static int choose_by_name(struct choice *choice, const char *word, struct assay_status *status) {
  const char *found = NULL;
  uint32_t matches = 0;
  for (uint32_t i = 0; i < choice->device_count; i++) {
    if (!is_usable(&choice->devices[i]) || strcasestr(choice->devices[i].info.name, word) == NULL) continue;
    found = choice->devices[i].name;
    matches++;
  }
  return matches == 1 ? choose(choice, found, status) : no_such_device(choice, word, matches, status);
}

/* How well a device suits "auto", from the best: 0, 1, …; -1: not at all. The same processor through another backend than cpu is no second device. */
static int rank_of(const struct assay_listed_device *device) {
  if (!is_usable(device)) return -1;
  if (has_backend(device, "reference")) return 3;
  if (has_backend(device, "cpu")) return 1;
  return device->info.kind == ASSAY_DEVICE_CPU ? 2 : 0;
}

static int choose_automatically(struct choice *choice, struct assay_status *status) {
  const struct assay_listed_device *candidates[MOST_DEVICES];
  const char *name = NULL;
  uint32_t count = 0;
  for (int rank = 0; rank <= 3 && (rank < 2 || count == 0); rank++)
    for (uint32_t i = 0; i < choice->device_count && count < MOST_DEVICES; i++)
      if (rank_of(&choice->devices[i]) == rank) candidates[count++] = &choice->devices[i];
  if (count == 0) return no_such_device(choice, "auto", 0, status);
  if (count > 1 && choice->picker == NULL) assay_log_message(ASSAY_LOG_INFO, "auto: %s (%s), the first in the order GPU, cpu", candidates[0]->name, candidates[0]->info.name);
  const int result = count > 1 && choice->picker != NULL ? choice->picker->pick(choice->picker->context, candidates, count, &name, status) : 0;
  return result == 0 ? choose(choice, name != NULL ? name : candidates[0]->name, status) : result;
}

/* A device that is named need not be listed, but what it stands on is to be known before a worker enters it. */
static int choose_named(struct choice *choice, const struct assay_component *backend, const char *word, struct assay_status *status) {
  const struct assay_driver_state *states;
  uint32_t count;
  const int result = assay_drivers_survey(backend->plugin, backend->values, choice->plugin_path, ASSAY_DRIVERS_UNKNOWN, choice->arena, &states, &count, status);
  for (uint32_t i = 0; i < count && result == 0; i++)
    if (states[i].harmful) assay_log_message(ASSAY_LOG_WARNING, "driver %s is left alone: %s", states[i].name, states[i].problem);
  return result == 0 ? choose(choice, word, status) : result;
}

static int choose_word(struct choice *choice, const char *word, struct assay_status *status) {
  const struct assay_component *backend = find_backend(choice->settings, word, strcspn(word, ":"));
  if (backend != NULL) return choose_named(choice, backend, word, status);
  int result = list_once(choice, status);
  if (result != 0) return result;
  if (strcmp(word, "auto") == 0) return choose_automatically(choice, status);
  if (strcmp(word, "all") != 0) return choose_by_name(choice, word, status);
  for (uint32_t i = 0; i < choice->device_count && result == 0; i++)
    if (is_usable(&choice->devices[i]) && !has_backend(&choice->devices[i], "reference")) result = choose(choice, choice->devices[i].name, status);
  return result == 0 && choice->count == 0 ? no_such_device(choice, word, 0, status) : result;
}

int assay_devices_choose(const struct assay_settings *settings, struct assay_registry *registry, const char *plugin_path, struct assay_arena *arena, const char *const **names,
                         uint32_t *count, struct assay_status *status) {
  return assay_devices_choose_by(NULL, settings, registry, plugin_path, arena, names, count, status);
}

int assay_devices_choose_by(const struct assay_device_picker *picker, const struct assay_settings *settings, struct assay_registry *registry, const char *plugin_path,
                            struct assay_arena *arena, const char *const **names, uint32_t *count, struct assay_status *status) {
  struct choice *choice = ASSAY_NEW(arena, struct choice);
  if (choice == NULL) return assay_status_memory(status);
  *choice = (struct choice){.settings = settings, .registry = registry, .plugin_path = plugin_path, .picker = picker, .arena = arena};
  int result = 0;
  for (uint32_t i = 0; i < settings->device_count && result == 0; i++) result = choose_word(choice, settings->devices[i], status);
  *names = choice->names;
  *count = choice->count;
  return result;
}

/* ---- Opening ---- */

/* The backend's values, with the option `threads` at an even share of the processors where it was left at 0 and several workers run. */
static const struct assay_option_value *const *share_processors(const struct assay_component *backend, uint32_t workers, struct assay_arena *arena) {
  const int32_t index = assay_plugin_option_index(backend->plugin, "threads");
  if (index < 0 || workers < 2 || backend->values[index]->integer != 0) return backend->values;
  const long share = sysconf(_SC_NPROCESSORS_ONLN) / (long)workers;
  uint32_t count = 0;
  while (backend->plugin->options[count] != NULL) count++;
  const struct assay_option_value **values = ASSAY_NEW_ARRAY(arena, const struct assay_option_value *, count + 1);
  struct assay_option_value *threads = ASSAY_NEW(arena, struct assay_option_value);
  if (values == NULL || threads == NULL) return NULL;
  memcpy(values, backend->values, count * sizeof *values);
  *threads = *backend->values[index];
  threads->integer = share > 0 ? share : 1;
  threads->real = (double)threads->integer;
  values[index] = threads;
  return values;
}

int assay_device_open(const char *name, const struct assay_settings *settings, uint32_t workers, struct assay_registry *registry, struct assay_arena *arena,
                      struct assay_session **session, struct assay_status *status) {
  const size_t length = strcspn(name, ":");
  struct assay_component defaults = {0};
  const struct assay_component *backend = find_backend(settings, name, length);
  *session = NULL;
  if (backend == NULL) {
    const char *plugin_name = assay_arena_print(arena, "%.*s", (int)length, name);
    if (plugin_name == NULL) return assay_status_memory(status);
    int result = assay_registry_find(registry, ASSAY_BACKEND, plugin_name, &defaults.plugin, status);
    if (result == 0) result = assay_option_defaults(defaults.plugin->options, arena, &defaults.values, status);
    if (result != 0) return result;
    backend = &defaults;
  }
  const struct assay_option_value *const *values = share_processors(backend, workers, arena);
  if (values == NULL) return assay_status_memory(status);
  const struct assay_driver_state *states;
  const char *const *drivers = NULL;
  uint32_t count = 0;
  bool none;
  int result = assay_drivers_survey(backend->plugin, values, NULL, ASSAY_DRIVERS_KNOWN, arena, &states, &count, status);
  if (result == 0) result = assay_drivers_allowed(states, count, arena, &drivers, &none, status);
  if (result == 0 && none) return assay_status_set(status, ASSAY_E_DEVICE, "%s: %s", states[0].name, states[0].problem);
  if (result == 0) result = assay_session_open_with(backend->plugin, values, drivers, name[length] == ':' ? name + length + 1 : NULL, session, status);
  if (result == 0) assay_session_limit(*session, settings->memory);
  return result;
}
