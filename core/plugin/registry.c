/* SPDX-License-Identifier: MIT
 *
 * The search path and what was found on it. A module is opened at most once, and what is wrong with it is remembered.
 */
#include "plugin/registry.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "plugin/module.h"
#include "plugin/probe.h"
#include "base/trust.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_NAMES = 1000 }; /* of a kind that are looked at for a suggestion */

struct module_entry {
  struct module_entry *next;
  const char *file;
  const char *problem; /* NULL: loaded */
  struct assay_module module;
};

struct folder {
  const char *path; /* absolute and without symbolic links where the folder exists */
  bool installed;   /* $(pkglibdir): its modules came with Assay */
};

/* A name that was found. */
struct finding {
  struct finding *next;
  const struct assay_plugin *plugin;
};

struct assay_registry {
  struct assay_arena *arena;
  uint32_t folder_count;
  struct folder *folders;
  struct module_entry *modules;
  struct finding *findings;
};

/* ---- The search path ---- */

static int add_folder(struct assay_registry *registry, const char *path, bool installed, struct assay_status *status) {
  char *canonical = realpath(path, NULL);
  const char *copy = assay_arena_copy(registry->arena, canonical != NULL ? canonical : path);
  free(canonical);
  struct folder *folders = ASSAY_NEW_ARRAY(registry->arena, struct folder, registry->folder_count + 1);
  if (copy == NULL || folders == NULL) return assay_status_memory(status);
  for (uint32_t i = 0; i < registry->folder_count; i++)
    if (strcmp(registry->folders[i].path, copy) == 0) return 0;
  if (registry->folder_count > 0) memcpy(folders, registry->folders, registry->folder_count * sizeof *folders);
  folders[registry->folder_count] = (struct folder){copy, installed};
  registry->folders = folders;
  registry->folder_count++;
  return 0;
}

/* Colon-separated. An empty element would be the current folder: never. `asked`: from --plugin-path, where a relative folder is what the user sees
 * before them and a missing one a mistake; in the environment neither can be told from an accident. */
static int add_path(struct assay_registry *registry, const char *path, bool asked, struct assay_status *status) {
  char *copy = assay_arena_copy(registry->arena, path);
  if (copy == NULL) return assay_status_memory(status);
  for (char *rest = copy, *element; (element = strsep(&rest, ":")) != NULL;) {
    if (element[0] == '\0' || (!asked && element[0] != '/')) continue;
    if (asked && !assay_folder_exists(element))
      return assay_status_set(status, ASSAY_E_PLUGIN, "--plugin-path: %s is no folder; name folders that hold modules, with colons between them", element);
    const int code = add_folder(registry, element, false, status);
    if (code != 0) return code;
  }
  return 0;
}

int assay_registry_create(const char *path, struct assay_registry **registry, struct assay_status *status) {
  *registry = NULL;
  struct assay_arena *arena = assay_arena_create();
  struct assay_registry *made = arena == NULL ? NULL : ASSAY_NEW(arena, struct assay_registry);
  if (made == NULL) {
    assay_arena_release(arena);
    return assay_status_memory(status);
  }
  made->arena = arena;
  const char *environment = secure_getenv("ASSAY_PLUGIN_PATH");
  int code = 0;
  if (path != NULL) code = add_path(made, path, true, status);
  if (code == 0 && environment != NULL) code = add_path(made, environment, false, status);
  if (code == 0) code = add_folder(made, ASSAY_PLUGIN_FOLDER, true, status);
  if (code != 0) {
    assay_arena_release(arena);
    return code;
  }
  *registry = made;
  return 0;
}

void assay_registry_release(struct assay_registry *registry) {
  if (registry != NULL) assay_arena_release(registry->arena);
}

/* ---- Modules ---- */

/* From a name on the path to a loaded module: what it is, whose it is, whether it does harm. What came with Assay is not tried out first. */
static int open_file(const char *file, bool installed, struct assay_arena *arena, struct assay_module *module, struct assay_status *status) {
  char *target = realpath(file, NULL); /* a link's folder and its target's folder are both ways to change what is loaded */
  if (target == NULL) return assay_status_set(status, ASSAY_E_PLUGIN, "cannot be followed: %s; remove it", strerror(errno));
  const char *folder = assay_path_folder(arena, file);
  int code = folder == NULL ? assay_status_memory(status) : assay_probe_header(target, status);
  if (code == 0) code = assay_trust_check(folder, installed, status);
  if (code == 0) code = assay_trust_check(target, installed, status);
  if (code == 0 && !installed) code = assay_probe(target, status);
  if (code == 0) code = assay_module_load(target, arena, module, status);
  free(target);
  return code;
}

/* The module in that file, loaded now or before; NULL when memory is short. */
static const struct module_entry *get_module(struct assay_registry *registry, const char *file, bool installed) {
  for (const struct module_entry *entry = registry->modules; entry != NULL; entry = entry->next)
    if (strcmp(entry->file, file) == 0) return entry;
  struct module_entry *entry = ASSAY_NEW(registry->arena, struct module_entry);
  if (entry == NULL || (entry->file = assay_arena_copy(registry->arena, file)) == NULL) return NULL;
  struct assay_status status;
  if (open_file(file, installed, registry->arena, &entry->module, &status) != 0) {
    entry->problem = assay_arena_copy(registry->arena, status.message);
    if (entry->problem == NULL) return NULL;
  }
  entry->next = registry->modules;
  registry->modules = entry;
  return entry;
}

static const struct assay_plugin *module_plugin(const struct assay_module *module, uint32_t kind, const char *name) {
  for (uint32_t i = 0; i < module->plugin_count; i++)
    if (module->plugins[i]->kind == kind && strcmp(module->plugins[i]->name, name) == 0) return module->plugins[i];
  return NULL;
}

/* ---- Finding ---- */

/* State of one search along the path. */
struct hunt {
  uint32_t kind;
  const char *name;
  const struct assay_plugin *found;
  struct assay_text places;        /* every place tried and what was there */
  const struct module_entry *unfit; /* the first family module that could not be used */
};

static int try_file(struct assay_registry *registry, struct hunt *hunt, const struct folder *folder, bool own_file, struct assay_status *status) {
  const char *kind = assay_kind_name(hunt->kind);
  const char *file = own_file ? assay_arena_print(registry->arena, "%s/%s-%s.so", folder->path, kind, hunt->name)
                              : assay_arena_print(registry->arena, "%s/%s.so", folder->path, kind);
  if (file == NULL) return assay_status_memory(status);
  struct stat facts;
  if (lstat(file, &facts) != 0) {
    assay_text_print(&hunt->places, "%s%s (%s)", hunt->places.length > 0 ? ", " : "", file, errno == ENOENT ? "not there" : strerror(errno));
    return 0;
  }
  const struct module_entry *entry = get_module(registry, file, folder->installed);
  if (entry == NULL) return assay_status_memory(status);
  if (entry->problem != NULL) {
    /* A file of exactly this name is what was asked for: nothing further down the path may stand in for it in silence. */
    if (own_file) return assay_status_set(status, ASSAY_E_PLUGIN, "%s \"%s\": %s: %s", kind, hunt->name, file, entry->problem);
    if (hunt->unfit == NULL) hunt->unfit = entry;
    else assay_text_print(&hunt->places, "%s%s (%s)", hunt->places.length > 0 ? ", " : "", file, entry->problem);
    return 0;
  }
  hunt->found = module_plugin(&entry->module, hunt->kind, hunt->name);
  if (hunt->found == NULL) assay_text_print(&hunt->places, "%s%s (has no such %s)", hunt->places.length > 0 ? ", " : "", file, kind);
  return 0;
}

static bool has_name(const char *const *names, uint32_t count, const char *name) {
  for (uint32_t i = 0; i < count; i++)
    if (strcmp(names[i], name) == 0) return true;
  return false;
}

static int compare_strings(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

int assay_registry_names(const struct assay_registry *registry, uint32_t kind, struct assay_arena *arena, const char *const **names, uint32_t *count) {
  const char **list = ASSAY_NEW_ARRAY(arena, const char *, MOST_NAMES + 1);
  const char *prefix = assay_kind_name(kind);
  const size_t prefix_length = strlen(prefix);
  *count = 0;
  *names = list;
  for (uint32_t f = 0; f < registry->folder_count && list != NULL; f++) {
    DIR *folder = opendir(registry->folders[f].path);
    if (folder == NULL) continue;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL && *count < MOST_NAMES;) {
      const size_t length = strlen(entry->d_name);
      if (length < prefix_length + 5 || strncmp(entry->d_name, prefix, prefix_length) != 0 || entry->d_name[prefix_length] != '-' ||
          strcmp(entry->d_name + length - 3, ".so") != 0)
        continue;
      const char *name = assay_arena_copy_bytes(arena, entry->d_name + prefix_length + 1, length - prefix_length - 4);
      if (name != NULL && assay_is_name(name) && !has_name(list, *count, name)) list[(*count)++] = name;
    }
    closedir(folder);
  }
  if (list == NULL) return ASSAY_E_MEMORY;
  qsort(list, *count, sizeof *list, compare_strings);
  return 0;
}

/* A name of that kind near to `name`, among loaded modules and the names of files on the path; nothing is loaded for it. From the arena; NULL. */
static const char *nearest_name(struct assay_registry *registry, uint32_t kind, const char *name) {
  const char *const *names;
  uint32_t count;
  if (assay_registry_names(registry, kind, registry->arena, &names, &count) != 0) return NULL;
  const char **list = (const char **)names;
  for (const struct module_entry *entry = registry->modules; entry != NULL; entry = entry->next)
    for (uint32_t i = 0; i < entry->module.plugin_count && count < MOST_NAMES; i++)
      if (entry->module.plugins[i]->kind == kind) list[count++] = entry->module.plugins[i]->name;
  list[count] = NULL;
  return assay_nearest(name, list);
}

static int not_found(struct assay_registry *registry, const struct hunt *hunt, struct assay_status *status) {
  const char *places = hunt->places.data != NULL ? hunt->places.data : "nothing";
  if (hunt->unfit != NULL)
    return assay_status_set(status, ASSAY_E_PLUGIN, "%s \"%.60s\" may be in %s, but: %s; tried besides: %s", assay_kind_name(hunt->kind), hunt->name,
                            hunt->unfit->file, hunt->unfit->problem, places);
  const char *nearest = nearest_name(registry, hunt->kind, hunt->name);
  return assay_status_set(status, ASSAY_E_PLUGIN, "there is no %s \"%.60s\"%s%s%s; tried: %s", assay_kind_name(hunt->kind), hunt->name,
                          nearest != NULL ? "; did you mean \"" : "", nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "",
                          places);
}

static const struct assay_plugin *find_known(const struct assay_registry *registry, uint32_t kind, const char *name) {
  for (const struct finding *known = registry->findings; known != NULL; known = known->next)
    if (known->plugin->kind == kind && strcmp(known->plugin->name, name) == 0) return known->plugin;
  return NULL;
}

int assay_registry_find(struct assay_registry *registry, uint32_t kind, const char *name, const struct assay_plugin **plugin, struct assay_status *status) {
  *plugin = NULL;
  if (assay_kind_name(kind) == NULL) return assay_status_set(status, ASSAY_E_PLUGIN, "%u is no kind of plugin", kind);
  if (!assay_is_name(name) || strlen(name) > 60)
    return assay_status_set(status, ASSAY_E_PLUGIN, "\"%.60s\" cannot be the name of a %s: names are a-z, 0-9 and _, a letter first", name,
                            assay_kind_name(kind));
  *plugin = find_known(registry, kind, name);
  if (*plugin != NULL) return 0;
  struct hunt hunt = {.kind = kind, .name = name};
  struct finding *finding = ASSAY_NEW(registry->arena, struct finding);
  int code = finding == NULL ? assay_status_memory(status) : 0;
  for (uint32_t f = 0; f < registry->folder_count && hunt.found == NULL && code == 0; f++) {
    code = try_file(registry, &hunt, &registry->folders[f], true, status);
    if (code == 0 && hunt.found == NULL) code = try_file(registry, &hunt, &registry->folders[f], false, status);
  }
  if (code == 0 && hunt.found == NULL) code = not_found(registry, &hunt, status);
  if (code == 0 && hunt.unfit != NULL)
    assay_log_message(ASSAY_LOG_WARNING, "%s was passed over for %s \"%s\": %s", hunt.unfit->file, assay_kind_name(kind), name, hunt.unfit->problem);
  assay_text_release(&hunt.places);
  if (code != 0) return code;
  *finding = (struct finding){registry->findings, hunt.found};
  registry->findings = finding;
  *plugin = hunt.found;
  return 0;
}

/* ---- Listing ---- */

struct listing {
  const struct assay_registry_entry **entries;
  uint32_t count, capacity;
};

static struct assay_registry_entry *add_entry(struct assay_registry *registry, struct listing *listing) {
  if (listing->count == listing->capacity) {
    const uint32_t capacity = listing->capacity == 0 ? 64 : listing->capacity * 2;
    const struct assay_registry_entry **entries = ASSAY_NEW_ARRAY(registry->arena, const struct assay_registry_entry *, capacity);
    if (entries == NULL) return NULL;
    if (listing->count > 0) memcpy(entries, listing->entries, listing->count * sizeof *entries);
    listing->entries = entries;
    listing->capacity = capacity;
  }
  struct assay_registry_entry *entry = ASSAY_NEW(registry->arena, struct assay_registry_entry);
  if (entry != NULL) listing->entries[listing->count++] = entry;
  return entry;
}

/* Would a search for this plugin open this file? */
static bool is_sought_in(const char *file, uint32_t kind, const char *name) {
  const char *base = assay_path_name(file), *kind_name = assay_kind_name(kind);
  const size_t length = strlen(kind_name);
  if (strncmp(base, kind_name, length) != 0) return false;
  base += length;
  if (*base == '-' && strncmp(base + 1, name, strlen(name)) == 0) base += 1 + strlen(name);
  return strcmp(base, ".so") == 0;
}

static int list_module(struct assay_registry *registry, const struct module_entry *module, struct listing *listing, struct assay_status *status) {
  if (module->problem != NULL) {
    struct assay_registry_entry *entry = add_entry(registry, listing);
    if (entry == NULL) return assay_status_memory(status);
    entry->file = module->file;
    entry->problem = module->problem;
    return 0;
  }
  const uint32_t before = listing->count;
  for (uint32_t i = 0; i < module->module.plugin_count; i++) {
    const struct assay_plugin *plugin = module->module.plugins[i];
    struct assay_registry_entry *entry = add_entry(registry, listing);
    if (entry == NULL) return assay_status_memory(status);
    *entry = (struct assay_registry_entry){plugin->kind, plugin->name, module->file, NULL, NULL, NULL};
    if (!is_sought_in(module->file, plugin->kind, plugin->name)) {
      entry->problem = assay_arena_print(registry->arena, "is never found here: the file must be named %s-%s.so or %s.so", assay_kind_name(plugin->kind),
                                         plugin->name, assay_kind_name(plugin->kind));
      if (entry->problem == NULL) return assay_status_memory(status);
      continue;
    }
    for (uint32_t other = 0; other < before && entry->shadowed_by == NULL; other++) {
      const struct assay_registry_entry *earlier = listing->entries[other];
      if (earlier->plugin != NULL && earlier->kind == plugin->kind && strcmp(earlier->name, plugin->name) == 0) entry->shadowed_by = earlier->file;
    }
    if (entry->shadowed_by == NULL) entry->plugin = plugin;
  }
  return 0;
}

static int is_module_name(const struct dirent *entry) {
  const size_t length = strlen(entry->d_name);
  return length > 3 && strcmp(entry->d_name + length - 3, ".so") == 0;
}

/* By bytes, so that KIND-NAME.so comes before KIND.so as in a search, whatever the locale. */
static int compare_names(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

/* Is it KIND.so or KIND-….so? */
static bool is_file_of_kind(const char *file, uint32_t kind) {
  const char *name = assay_kind_name(kind);
  const size_t length = strlen(name);
  return strncmp(file, name, length) == 0 && (file[length] == '-' || file[length] == '.');
}

/* `kind` 0: all. */
static int list_folder(struct assay_registry *registry, const struct folder *folder, uint32_t kind, struct listing *listing, struct assay_status *status) {
  struct dirent **names;
  const int count = scandir(folder->path, &names, is_module_name, compare_names);
  if (count < 0) return errno == ENOMEM ? assay_status_memory(status) : 0; /* a folder of the path that is not there holds nothing */
  int code = 0;
  for (int i = 0; i < count; i++) {
    if (code == 0 && (kind == 0 || is_file_of_kind(names[i]->d_name, kind))) {
      const char *file = assay_arena_print(registry->arena, "%s/%s", folder->path, names[i]->d_name);
      const struct module_entry *module = file == NULL ? NULL : get_module(registry, file, folder->installed);
      code = module == NULL ? assay_status_memory(status) : list_module(registry, module, listing, status);
    }
    free(names[i]);
  }
  free(names);
  return code;
}

int assay_registry_list_kind(struct assay_registry *registry, uint32_t kind, const struct assay_registry_entry *const **entries, uint32_t *count,
                             struct assay_status *status) {
  struct listing listing = {0};
  int code = 0;
  for (uint32_t f = 0; f < registry->folder_count && code == 0; f++) code = list_folder(registry, &registry->folders[f], kind, &listing, status);
  *entries = listing.entries;
  *count = listing.count;
  return code;
}

int assay_registry_list(struct assay_registry *registry, const struct assay_registry_entry *const **entries, uint32_t *count, struct assay_status *status) {
  return assay_registry_list_kind(registry, 0, entries, count, status);
}
