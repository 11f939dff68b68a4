/* SPDX-License-Identifier: MIT */
#include "run/drivers.h"

#include "config.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/process.h"
#include "base/status.h"
#include "base/text.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DRIVERS = 64 };

/* Seconds that a driver has: 20, since a cold one takes some, unless ASSAY_DRIVER_SECONDS says otherwise. */
static double try_seconds(void) {
  const char *text = getenv("ASSAY_DRIVER_SECONDS");
  const double seconds = text != NULL ? strtod(text, NULL) : 0;
  return seconds >= 1 && seconds <= 3600 ? seconds : 20;
}

/* ---- The memory ---- */

/* The file that holds the verdict; NULL when nothing can be remembered. */
static const char *memory_file(const char *backend, const struct assay_driver_info *driver, struct assay_arena *arena) {
  char *boot = NULL;
  size_t size;
  const char *cache = assay_cache_folder(arena);
  const char *folder = cache != NULL ? assay_path_join(arena, cache, "drivers") : NULL;
  if (folder == NULL || assay_folder_create(folder, NULL) != 0) return NULL;
  if (assay_file_read("/proc/sys/kernel/random/boot_id", 256, ASSAY_E_STORAGE, &boot, &size, NULL) != 0) boot = NULL;
  const char *key = assay_arena_print(arena, "assay-driver-1 " PACKAGE_VERSION " %s\n%s\n%s\n%s", backend, driver->name, driver->stamp, boot != NULL ? boot : "");
  free(boot);
  if (key == NULL) return NULL;
  const struct assay_hash hash = assay_hash_bytes(key, strlen(key));
  char digits[33];
  assay_hash_print(&hash, digits);
  return assay_arena_print(arena, "%s/%s", folder, digits);
}

/* "sound", or "harmful" and why. True when it is known. */
static bool remember(const char *memory, struct assay_arena *arena, struct assay_driver_state *state) {
  char *data;
  size_t size;
  if (memory == NULL || assay_file_read(memory, 4096, ASSAY_E_STORAGE, &data, &size, NULL) != 0) return false;
  bool known = size > 0 && strlen(data) == size && data[size - 1] == '\n';
  if (known && strncmp(data, "harmful ", 8) == 0) {
    state->harmful = true;
    state->problem = assay_arena_print(arena, "%.*s", (int)(size - 9), data + 8);
  } else {
    known = known && strcmp(data, "sound\n") == 0;
  }
  free(data);
  return known;
}

static void learn(const char *memory, struct assay_arena *arena, const struct assay_driver_state *state) {
  const char *line = state->harmful ? assay_arena_print(arena, "harmful %s\n", state->problem) : "sound\n";
  /* A verdict that cannot be kept is found again the next time. */
  if (memory != NULL && line != NULL) (void)assay_file_write(memory, line, strlen(line), NULL);
}

/* ---- Trying ---- */

/* Lists the driver's devices in a child. What the child says itself is no harm to others: loaders leave out what they cannot open. */
static int try_driver(const char *backend, const char *plugin_path, struct assay_arena *arena, struct assay_driver_state *state, struct assay_status *status) {
  const char *arguments[] = {assay_process_tool(), "list-devices", "--quiet", plugin_path != NULL ? "--plugin-path" : "--", plugin_path != NULL ? plugin_path : backend,
                             plugin_path != NULL ? "--" : state->name, plugin_path != NULL ? backend : NULL, plugin_path != NULL ? state->name : NULL, NULL};
  struct assay_text output = {0};
  struct assay_process_end end;
  const int result = assay_process_run(arguments, try_seconds(), &output, &end, status);
  if (result != 0) return result;
  json_t *answer = output.data != NULL ? json_loads(output.data, 0, NULL) : NULL;
  const char *message = json_string_value(json_object_get(json_object_get(answer, "error"), "message"));
  char how[96];
  if (message != NULL) {
    state->problem = assay_arena_copy(arena, message);
  } else if (!json_is_array(json_object_get(answer, "devices"))) {
    state->harmful = true;
    state->problem = assay_arena_print(arena, "the process that asked this driver for its devices %s; remove or repair the driver ('assay devices' tries it again)",
                                       assay_process_describe(&end, how));
  }
  const bool failed = (message != NULL || state->harmful) && state->problem == NULL;
  json_decref(answer);
  assay_text_release(&output);
  return failed ? assay_status_memory(status) : 0;
}

struct survey {
  struct assay_arena *arena;
  struct assay_driver_info found[MOST_DRIVERS];
  uint32_t count;
  bool failed;
};

static void take_driver(void *context, const struct assay_driver_info *driver) {
  struct survey *survey = context;
  if (survey->count == MOST_DRIVERS) return;
  struct assay_driver_info *copy = &survey->found[survey->count++];
  *copy = (struct assay_driver_info){.name = assay_arena_copy(survey->arena, driver->name), .stamp = assay_arena_copy(survey->arena, driver->stamp)};
  if (copy->name == NULL || copy->stamp == NULL) survey->failed = true;
}

int assay_drivers_survey(const struct assay_plugin *backend, const struct assay_option_value *const *values, const char *plugin_path, enum assay_drivers_effort effort,
                         struct assay_arena *arena, const struct assay_driver_state **states, uint32_t *count, struct assay_status *status) {
  struct assay_backend table;
  struct survey *survey = ASSAY_NEW(arena, struct survey);
  *states = NULL;
  *count = 0;
  if (survey == NULL) return assay_status_memory(status);
  survey->arena = arena;
  int result = assay_backend_table(backend, &table, status);
  if (result == 0 && table.drivers != NULL) result = table.drivers(values, take_driver, survey, status);
  struct assay_driver_state *list = result == 0 ? ASSAY_NEW_ARRAY(arena, struct assay_driver_state, survey->count + 1) : NULL;
  if (result == 0 && (list == NULL || survey->failed)) result = assay_status_memory(status);
  for (uint32_t i = 0; i < survey->count && result == 0; i++) {
    const char *memory = memory_file(backend->name, &survey->found[i], arena);
    list[i] = (struct assay_driver_state){.name = survey->found[i].name};
    if (effort != ASSAY_DRIVERS_ALL && remember(memory, arena, &list[i])) continue;
    if (effort == ASSAY_DRIVERS_KNOWN) continue;
    result = try_driver(backend->name, plugin_path, arena, &list[i], status);
    if (result == 0) learn(memory, arena, &list[i]);
  }
  *states = list;
  *count = result == 0 ? survey->count : 0;
  return result;
}

int assay_drivers_allowed(const struct assay_driver_state *states, uint32_t count, struct assay_arena *arena, const char *const **drivers, bool *none,
                          struct assay_status *status) {
  uint32_t harmful = 0, sound = 0;
  *drivers = NULL;
  for (uint32_t i = 0; i < count; i++) harmful += states[i].harmful;
  *none = count > 0 && harmful == count;
  if (harmful == 0) return 0;
  const char **names = ASSAY_NEW_ARRAY(arena, const char *, (size_t)count + 1);
  if (names == NULL) return assay_status_memory(status);
  for (uint32_t i = 0; i < count; i++)
    if (!states[i].harmful) names[sound++] = states[i].name;
  names[sound] = NULL;
  *drivers = names;
  return 0;
}
