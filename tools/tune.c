/* SPDX-License-Identifier: MIT
 *
 * assay tune: measures a backend's own parameters on a device, and keeps the best for every later run. The hidden `run-tune DEVICE` is the child that enters the driver; each
 * result is a line of the file at once, so an interrupted tuning goes on where it stopped.
 */
#include "cli.h"

#include "base/file.h"
#include "base/process.h"
#include "run/device.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

enum { LARGEST_FILE = 1 << 20 };
static const double longest_silence = 900; /* seconds; one parameter has some twenty candidates to compile and run */

/* ---- The file ---- */

/* All of it; "" when there is none. From the arena. */
static const char *read_file(struct assay_arena *arena, const char *path) {
  char *text = NULL;
  size_t size;
  if (!assay_file_exists(path) || assay_file_read(path, LARGEST_FILE, ASSAY_E_STORAGE, &text, &size, NULL) != 0) return "";
  const char *kept = assay_arena_print(arena, "%s", text);
  free(text);
  return kept != NULL ? kept : "";
}

/* The line of `key`, up to which its value follows; NULL. */
static const char *find_line(const char *text, const char *key) {
  const size_t length = strlen(key);
  for (const char *line = text; line != NULL && *line != '\0'; line = strchr(line, '\n') != NULL ? strchr(line, '\n') + 1 : NULL)
    if (strncmp(line, key, length) == 0 && line[length] == '\t') return line;
  return NULL;
}

/* ---- The child ---- */

struct child {
  struct cli *cli;
  const char *known; /* text of the file */
};

static void say(const struct child *child, json_t *object) {
  json_dumpf(object, child->cli->results, JSON_COMPACT);
  fputc('\n', child->cli->results);
  fflush(child->cli->results);
  json_decref(object);
}

static int child_begin(void *context, uint32_t number, uint32_t count, const char *key) {
  const struct child *child = context;
  const bool known = find_line(child->known, key) != NULL;
  say(child, json_pack("{s:{s:i,s:i,s:s,s:b}}", "begin", "number", (int)number, "count", (int)count, "key", key, "known", known));
  return known;
}

static void child_result(void *context, const char *key, const char *value, const char *note) {
  say(context, json_pack("{s:{s:s,s:s,s:s}}", "result", "key", key, "value", value, "note", note));
}

/* The part of a device's name that is its backend's. */
static const char *backend_of(struct assay_arena *arena, const char *device) { return assay_arena_print(arena, "%.*s", (int)strcspn(device, ":"), device); }

int command_run_tune(struct cli *cli) {
  prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody waits for a child whose parent is gone */
  const char *device = cli->arguments[0];
  struct assay_registry *registry;
  struct assay_plan *plan = NULL;
  const struct assay_settings *settings;
  struct assay_session *session = NULL;
  int64_t seed = 1;
  int result = cli_registry(cli, &registry);
  if (result == 0) result = cli_option_integer(cli, "seed", 0, INT64_MAX, 1, &seed);
  if (result == 0) result = cli_bare_plan(cli, NULL, &plan);
  if (result == 0) result = cli_settings(cli, plan, &settings);
  if (result == 0) result = assay_device_open(device, settings, 1, registry, cli->arena, &session, cli->status);
  if (result == 0) {
    const char *path = assay_tuned_path(cli->arena, backend_of(cli->arena, device));
    struct child child = {cli, path == NULL || cli_option(cli, "again") != NULL ? "" : read_file(cli->arena, path)};
    const struct assay_tuner tuning = {.struct_size = sizeof tuning, .seed = (uint64_t)seed, .context = &child, .begin = child_begin, .result = child_result};
    result = assay_session_tune(session, &tuning, cli->status);
    if (result == 0) say(&child, json_pack("{s:b}", "end", 1));
  }
  assay_session_close(session);
  assay_plan_release(plan);
  if (result != 0) say(&(struct child){cli, ""}, json_pack("{s:{s:i,s:s}}", "error", "code", result, "message", cli->status->message));
  cli->quiet = true; /* the parent tells it */
  return result == 0 ? 0 : ASSAY_E_FINDINGS;
}

/* ---- The parent ---- */

struct hearing {
  struct cli *cli;
  const char *path;
  json_t *results; /* of --json */
  uint32_t measured, known;
  bool ended;
  int code, stored; /* an error of the child's; of writing the file */
  char message[1020];
};

static const char *text_of(const json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return text != NULL ? text : "";
}

/* Device and parameter of a key, for people: only the parameter. */
static const char *parameter_of(const char *key) { return strchr(key, '\t') != NULL ? strchr(key, '\t') + 1 : key; }

/* Puts a result into the file, in place of an old one. */
static int keep(struct hearing *hearing, const json_t *result) {
  struct assay_arena *arena = assay_arena_create();
  if (arena == NULL) return assay_status_memory(hearing->cli->status);
  const char *key = text_of(result, "key"), *old = read_file(arena, hearing->path), *line = find_line(old, key);
  const char *rest = line == NULL ? "" : strchr(line, '\n') != NULL ? strchr(line, '\n') + 1 : "";
  const int before = line == NULL ? (int)strlen(old) : (int)(line - old);
  const char *end = before > 0 && old[before - 1] != '\n' ? "\n" : "";
  const char *text = assay_arena_print(arena, "%.*s%s%s\t%s\t%s\n%s", before, old, end, key, text_of(result, "value"), text_of(result, "note"), rest);
  const int code = text == NULL ? assay_status_memory(hearing->cli->status) : assay_file_write(hearing->path, text, strlen(text), hearing->cli->status);
  assay_arena_release(arena);
  return code;
}

static void hear_begin(struct hearing *hearing, const json_t *begin) {
  const struct cli *cli = hearing->cli;
  if (json_is_true(json_object_get(begin, "known"))) {
    hearing->known++;
    return;
  }
  if (!cli->terminal || cli->quiet) return;
  fprintf(stderr, "\r\033[K%d of %d: %s", (int)json_integer_value(json_object_get(begin, "number")) + 1, (int)json_integer_value(json_object_get(begin, "count")),
          parameter_of(text_of(begin, "key")));
  fflush(stderr);
}

static void hear_result(struct hearing *hearing, const json_t *result) {
  struct cli *cli = hearing->cli;
  hearing->measured++;
  if (hearing->stored == 0) hearing->stored = keep(hearing, result);
  if (cli->terminal && !cli->quiet) fputs("\r\033[K", stderr);
  if (cli->json) json_array_append_new(hearing->results, json_pack("{s:s,s:s,s:s}", "parameter", parameter_of(text_of(result, "key")), "value", text_of(result, "value"), "note",
                                                                   text_of(result, "note")));
  else fprintf(cli->results, "%-28s %-24s %s\n", parameter_of(text_of(result, "key")), text_of(result, "value"), text_of(result, "note"));
  fflush(cli->results);
}

static void hear(void *context, char *line) {
  struct hearing *hearing = context;
  json_t *object = json_loads(line, 0, NULL);
  const json_t *part;
  if ((part = json_object_get(object, "begin")) != NULL) hear_begin(hearing, part);
  else if ((part = json_object_get(object, "result")) != NULL) hear_result(hearing, part);
  else if (json_object_get(object, "end") != NULL) hearing->ended = true;
  else if ((part = json_object_get(object, "error")) != NULL) {
    hearing->code = (int)json_integer_value(json_object_get(part, "code"));
    snprintf(hearing->message, sizeof hearing->message, "%s", text_of(part, "message"));
  }
  json_decref(object);
}

static const char **list_arguments(struct cli *cli, const char *device) {
  const char **arguments = ASSAY_NEW_ARRAY(cli->arena, const char *, 16 + 2 * (size_t)cli->override_count);
  int n = 0;
  if (arguments == NULL) return NULL;
  arguments[n++] = assay_process_tool();
  arguments[n++] = "run-tune";
  arguments[n++] = "--quiet";
  if (cli_option(cli, "again") != NULL) arguments[n++] = "--again";
  if (cli_option(cli, "seed") != NULL) {
    arguments[n++] = "--seed";
    arguments[n++] = cli_option(cli, "seed");
  }
  if (cli->plugin_path != NULL) {
    arguments[n++] = "--plugin-path";
    arguments[n++] = cli->plugin_path;
  }
  for (uint32_t i = 0; i < cli->override_count; i++) {
    arguments[n++] = "-s";
    arguments[n++] = cli->overrides[i];
  }
  arguments[n++] = "-s"; /* the device decides which backends' options may be set, as in an INI */
  arguments[n++] = assay_arena_print(cli->arena, "backend.devices=%s", device);
  arguments[n++] = "--";
  arguments[n++] = device;
  return arguments;
}

static int tune_device(struct cli *cli, const char *device, struct hearing *hearing) {
  struct assay_process_end end;
  char how[96];
  const char **arguments = list_arguments(cli, device);
  hearing->path = assay_tuned_path(cli->arena, backend_of(cli->arena, device));
  if (arguments == NULL) return assay_status_memory(cli->status);
  if (hearing->path == NULL) return assay_status_set(cli->status, ASSAY_E_STORAGE, "there is no folder to keep the results in; set XDG_CACHE_HOME or HOME");
  hearing->ended = false;
  hearing->code = 0;
  cli_say(cli, "tuning %s; this takes minutes, may be interrupted, and goes on where it stopped\n", device);
  const int result = assay_process_follow(arguments, longest_silence, hear, hearing, &end, cli->status);
  if (cli->terminal && !cli->quiet) fputs("\r\033[K", stderr);
  if (result != 0) return result;
  if (hearing->stored != 0) return hearing->stored;
  if (hearing->ended) return 0;
  if (hearing->code != 0) return assay_status_set(cli->status, hearing->code, "%s", hearing->message);
  return assay_status_set(cli->status, ASSAY_E_DEVICE, "%s: the process that was tuning %s; what it had found is kept, 'assay tune %s' goes on after it", device,
                          assay_process_describe(&end, how), device);
}

int command_tune(struct cli *cli) {
  struct assay_registry *registry;
  struct assay_plan *plan = NULL;
  const struct assay_settings *settings;
  const char *const *names;
  uint32_t count = 0;
  struct hearing hearing = {.cli = cli, .results = json_array()};
  const char *wanted = assay_arena_print(cli->arena, "backend.devices=%s", cli->argument_count > 0 ? cli->arguments[0] : "auto");
  int result = cli_registry(cli, &registry);
  if (result == 0) result = cli_bare_plan(cli, wanted, &plan);
  if (result == 0) result = cli_settings(cli, plan, &settings);
  if (result == 0) result = assay_devices_choose(settings, registry, cli->plugin_path, cli->arena, &names, &count, cli->status);
  for (uint32_t i = 0; i < count && result == 0; i++) result = tune_device(cli, names[i], &hearing);
  if (result == 0 && cli->json) cli_print_json(cli, json_pack("{s:O,s:i,s:s}", "parameters", hearing.results, "known", (int)hearing.known, "file", hearing.path));
  else if (result == 0) cli_say(cli, "%u measured, %u known from before; %s\n", hearing.measured, hearing.known, hearing.path);
  json_decref(hearing.results);
  assay_plan_release(plan);
  return result;
}
