/* SPDX-License-Identifier: MIT
 *
 * assay tune: measures a backend's own parameters on a device, and keeps the best for every later run. The hidden `run-tune DEVICE` is the child that enters the driver; each
 * result is a line of the file at once, so an interrupted tuning goes on where it stopped. A candidate that ends or hangs the child gets a line of its own, and another child goes on
 * without it.
 */
#include "cli.h"

#include "base/file.h"
#include "base/process.h"
#include "run/device.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

enum { LARGEST_FILE = 1 << 20, MOST_CHILDREN = 20, LONGEST_VALUE = 128 };
static const int64_t longest_silence = 300; /* seconds for one candidate, with its compilation */

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
  const char *known, *failed; /* text of the file: for results, which --again does without, and for candidates that ended a child */
  const char *only;           /* parameters that are wanted, with commas between; NULL: all */
  int64_t from;               /* the first one that is wanted */
  char key[1024];             /* of the parameter at hand */
};

static void say(const struct child *child, json_t *object) {
  json_dumpf(object, child->cli->results, JSON_COMPACT);
  fputc('\n', child->cli->results);
  fflush(child->cli->results);
  json_decref(object);
}

/* Device and parameter of a key, for people: only the parameter. */
static const char *parameter_of(const char *key) { return strchr(key, '\t') != NULL ? strchr(key, '\t') + 1 : key; }

/* Is the parameter one of the names, or does it begin with one and a dot? */
static bool is_wanted(const char *names, const char *parameter) {
  for (const char *name = names; name != NULL; name = strchr(name, ',') != NULL ? strchr(name, ',') + 1 : NULL) {
    const size_t length = strcspn(name, ",");
    if (length > 0 && strncmp(parameter, name, length) == 0 && (parameter[length] == '\0' || parameter[length] == '.')) return true;
  }
  return names == NULL;
}

static int child_begin(void *context, uint32_t number, uint32_t count, const char *key) {
  struct child *child = context;
  if (number < child->from || !is_wanted(child->only, parameter_of(key))) return 2;
  const bool known = find_line(child->known, key) != NULL;
  snprintf(child->key, sizeof child->key, "%s", key);
  say(child, json_pack("{s:{s:i,s:i,s:s,s:b}}", "begin", "number", (int)number, "count", (int)count, "key", key, "known", known));
  return known;
}

static int child_candidate(void *context, uint32_t number, uint32_t count, const char *value) {
  const struct child *child = context;
  char line[sizeof child->key + LONGEST_VALUE];
  snprintf(line, sizeof line, "%s" ASSAY_TUNER_WITHOUT "\t%.*s", child->key, LONGEST_VALUE - 16, value);
  if (find_line(child->failed, line) != NULL) return 1;
  say(child, json_pack("{s:{s:i,s:i,s:s,s:s}}", "candidate", "number", (int)number, "count", (int)count, "key", child->key, "value", value));
  return 0;
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
  int64_t seed = 1, from = 0;
  int result = cli_registry(cli, &registry);
  if (result == 0) result = cli_option_integer(cli, "seed", 0, INT64_MAX, 1, &seed);
  if (result == 0) result = cli_option_integer(cli, "from", 0, INT32_MAX, 0, &from);
  if (result == 0) result = cli_bare_plan(cli, NULL, NULL, NULL, &plan);
  if (result == 0) result = cli_settings(cli, plan, &settings);
  if (result == 0) result = assay_device_open(device, settings, 1, registry, cli->arena, &session, cli->status);
  if (result == 0) {
    const char *path = assay_tuned_path(cli->arena, backend_of(cli->arena, device));
    struct child child = {.cli = cli, .failed = path == NULL ? "" : read_file(cli->arena, path), .only = cli_option(cli, "only"), .from = from};
    child.known = cli_option(cli, "again") != NULL ? "" : child.failed;
    const struct assay_tuner tuning = {.struct_size = sizeof tuning, .seed = (uint64_t)seed, .context = &child, .begin = child_begin, .result = child_result, .candidate = child_candidate};
    result = assay_session_tune(session, &tuning, cli->status);
    if (result == 0) say(&child, json_pack("{s:b}", "end", 1));
  }
  assay_session_close(session);
  assay_plan_release(plan);
  if (result != 0) say(&(struct child){.cli = cli}, json_pack("{s:{s:i,s:s}}", "error", "code", result, "message", cli->status->message));
  cli->quiet = true; /* the parent tells it */
  return result == 0 ? 0 : ASSAY_E_FINDINGS;
}

/* ---- The parent ---- */

struct hearing {
  struct cli *cli;
  const char *path;
  json_t *results; /* of --json */
  uint32_t measured, known;
  int number, count; /* of the parameter at hand */
  bool was_known;    /* there was a line for it, which the backend may not understand */
  json_t *candidate; /* that is tried now; NULL */
  bool ended;
  int code, stored; /* an error of the child's; of writing the file */
  char message[1020];
};

static const char *text_of(const json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return text != NULL ? text : "";
}

/* Puts a line into the file, in place of the one that begins with the same key. */
static int keep(struct hearing *hearing, const char *key, const char *rest_of_line) {
  struct assay_arena *arena = assay_arena_create();
  if (arena == NULL) return assay_status_memory(hearing->cli->status);
  const char *old = read_file(arena, hearing->path), *line = find_line(old, key);
  const char *rest = line == NULL ? "" : strchr(line, '\n') != NULL ? strchr(line, '\n') + 1 : "";
  const int before = line == NULL ? (int)strlen(old) : (int)(line - old);
  const char *end = before > 0 && old[before - 1] != '\n' ? "\n" : "";
  const char *text = assay_arena_print(arena, "%.*s%s%s\t%s\n%s", before, old, end, key, rest_of_line, rest);
  const int code = text == NULL ? assay_status_memory(hearing->cli->status) : assay_file_write(hearing->path, text, strlen(text), hearing->cli->status);
  assay_arena_release(arena);
  return code;
}

static void show_progress(const struct hearing *hearing, const char *key, const char *candidate) {
  if (!hearing->cli->terminal || hearing->cli->quiet) return;
  fprintf(stderr, "\r\033[K%d of %d: %s%s", hearing->number, hearing->count, parameter_of(key), candidate);
  fflush(stderr);
}

static void hear_begin(struct hearing *hearing, const json_t *begin) {
  hearing->number = (int)json_integer_value(json_object_get(begin, "number")) + 1;
  hearing->was_known = json_is_true(json_object_get(begin, "known"));
  hearing->known += hearing->was_known;
  hearing->count = (int)json_integer_value(json_object_get(begin, "count"));
  show_progress(hearing, text_of(begin, "key"), "");
}

static void hear_candidate(struct hearing *hearing, json_t *candidate) {
  char text[LONGEST_VALUE + 64];
  json_decref(hearing->candidate);
  hearing->candidate = json_incref(candidate);
  snprintf(text, sizeof text, ", candidate %d of %d: %.*s", (int)json_integer_value(json_object_get(candidate, "number")) + 1, (int)json_integer_value(json_object_get(candidate, "count")),
           LONGEST_VALUE, text_of(candidate, "value"));
  show_progress(hearing, text_of(candidate, "key"), text);
}

static void hear_result(struct hearing *hearing, const json_t *result) {
  struct cli *cli = hearing->cli;
  const char *value = text_of(result, "value"), *note = text_of(result, "note"), *parameter = parameter_of(text_of(result, "key"));
  char *line = NULL;
  hearing->measured++;
  hearing->known -= hearing->was_known;
  json_decref(hearing->candidate);
  hearing->candidate = NULL;
  if (hearing->stored == 0) hearing->stored = asprintf(&line, "%s\t%s", value, note) < 0 ? assay_status_memory(cli->status) : keep(hearing, text_of(result, "key"), line);
  free(line);
  if (cli->terminal && !cli->quiet) fputs("\r\033[K", stderr);
  if (cli->json) json_array_append_new(hearing->results, json_pack("{s:s,s:s,s:s}", "parameter", parameter, "value", value, "note", note));
  else fprintf(cli->results, "%-28s %-24s %s\n", parameter, value, note);
  fflush(cli->results);
}

static void hear(void *context, char *line) {
  struct hearing *hearing = context;
  json_t *object = json_loads(line, 0, NULL);
  json_t *part;
  if ((part = json_object_get(object, "begin")) != NULL) hear_begin(hearing, part);
  else if ((part = json_object_get(object, "candidate")) != NULL) hear_candidate(hearing, part);
  else if ((part = json_object_get(object, "result")) != NULL) hear_result(hearing, part);
  else if (json_object_get(object, "end") != NULL) hearing->ended = true;
  else if ((part = json_object_get(object, "error")) != NULL) {
    hearing->code = (int)json_integer_value(json_object_get(part, "code"));
    snprintf(hearing->message, sizeof hearing->message, "%s", text_of(part, "message"));
  }
  json_decref(object);
}

static const char **list_arguments(struct cli *cli, const char *device, int from) {
  static const char *const passed[] = {"seed", "only"};
  const char **arguments = ASSAY_NEW_ARRAY(cli->arena, const char *, 16 + 2 * (size_t)cli->override_count);
  int n = 0;
  if (arguments == NULL) return NULL;
  arguments[n++] = assay_process_tool();
  arguments[n++] = "run-tune";
  arguments[n++] = "--quiet";
  if (cli_option(cli, "again") != NULL) arguments[n++] = "--again";
  arguments[n++] = "--from";
  arguments[n++] = assay_arena_print(cli->arena, "%d", from);
  for (int i = 0; i < 2; i++) {
    if (cli_option(cli, passed[i]) == NULL) continue;
    arguments[n++] = assay_arena_print(cli->arena, "--%s", passed[i]);
    arguments[n++] = cli_option(cli, passed[i]);
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

/* A line for the candidate that ended the child, so that the next one leaves it out. */
static int blame_candidate(struct hearing *hearing, const char *how) {
  char *line = NULL, *key = NULL;
  const char *value = text_of(hearing->candidate, "value");
  int code = 0;
  if (asprintf(&key, "%s" ASSAY_TUNER_WITHOUT "\t%s", text_of(hearing->candidate, "key"), value) < 0) key = NULL;
  if (asprintf(&line, "the process that tried it %s", how) < 0) line = NULL;
  code = key == NULL || line == NULL ? assay_status_memory(hearing->cli->status) : keep(hearing, key, line);
  cli_say(hearing->cli, "%s: %s is left out, since the process that tried it %s\n", parameter_of(text_of(hearing->candidate, "key")), value, how);
  free(key);
  free(line);
  return code;
}

/* One child. `*again`: it came to its end in a candidate, and another may go on without that. */
static int follow_child(struct hearing *hearing, const char *device, double silence, int from, bool *again) {
  struct cli *cli = hearing->cli;
  struct assay_process_end end;
  char how[96];
  const char **arguments = list_arguments(cli, device, from);
  *again = false;
  if (arguments == NULL) return assay_status_memory(cli->status);
  hearing->ended = false;
  hearing->code = 0;
  const int result = assay_process_follow(arguments, silence, hear, hearing, &end, cli->status);
  if (cli->terminal && !cli->quiet) fputs("\r\033[K", stderr);
  if (result != 0) return result;
  if (hearing->stored != 0) return hearing->stored;
  if (hearing->ended) return 0;
  if (hearing->code != 0) return assay_status_set(cli->status, hearing->code, "%s", hearing->message);
  assay_process_describe(&end, how);
  *again = hearing->candidate != NULL;
  if (*again) return blame_candidate(hearing, how);
  return assay_status_set(cli->status, ASSAY_E_DEVICE, "%s: the process that was tuning %s; what it had found is kept, 'assay tune %s' goes on after it", device, how, device);
}

static int tune_device(struct cli *cli, const char *device, double silence, struct hearing *hearing) {
  bool again = true;
  int result = 0;
  hearing->path = assay_tuned_path(cli->arena, backend_of(cli->arena, device));
  if (hearing->path == NULL) return assay_status_set(cli->status, ASSAY_E_STORAGE, "there is no folder to keep the results in; set XDG_CACHE_HOME or HOME");
  cli_say(cli, "tuning %s; this takes minutes, may be interrupted, and goes on where it stopped\n", device);
  for (int child = 0; child < MOST_CHILDREN && again && result == 0; child++) {
    result = follow_child(hearing, device, silence, child == 0 ? 0 : hearing->number - 1, &again);
    json_decref(hearing->candidate);
    hearing->candidate = NULL;
  }
  if (result == 0 && again)
    return assay_status_set(cli->status, ASSAY_E_DEVICE, "%s: %d candidates in turn ended the process that tried them; the driver cannot be trusted with them; what was found is kept", device,
                            MOST_CHILDREN);
  return result;
}

int command_tune(struct cli *cli) {
  struct assay_registry *registry;
  struct assay_plan *plan = NULL;
  const struct assay_settings *settings;
  const char *const *names;
  uint32_t count = 0;
  struct hearing hearing = {.cli = cli, .results = json_array()};
  const char *wanted = assay_arena_print(cli->arena, "backend.devices=%s", cli->argument_count > 0 ? cli->arguments[0] : "auto");
  int64_t silence = 0;
  int result = cli_registry(cli, &registry);
  if (result == 0) result = cli_option_integer(cli, "limit", 1, INT32_MAX, longest_silence, &silence);
  if (result == 0) result = cli_bare_plan(cli, wanted, NULL, NULL, &plan);
  if (result == 0) result = cli_settings(cli, plan, &settings);
  if (result == 0) result = assay_devices_choose(settings, registry, cli->plugin_path, cli->arena, &names, &count, cli->status);
  for (uint32_t i = 0; i < count && result == 0; i++) result = tune_device(cli, names[i], (double)silence, &hearing);
  if (result == 0 && cli->json) cli_print_json(cli, json_pack("{s:O,s:i,s:s}", "parameters", hearing.results, "known", (int)hearing.known, "file", hearing.path));
  else if (result == 0) cli_say(cli, "%u measured, %u known from before; %s\n", hearing.measured, hearing.known, hearing.path);
  json_decref(hearing.results);
  assay_plan_release(plan);
  return result;
}
