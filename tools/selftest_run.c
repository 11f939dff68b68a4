/* SPDX-License-Identifier: MIT */
#include "selftest.h"

#include "base/process.h"
#include "conformance/suite.h"

#include <inttypes.h>
#include <string.h>

bool selftest_has_op(const char *ops, const char *name) {
  const size_t length = strlen(name);
  if (ops == NULL) return true;
  for (const char *at = ops; (at = strstr(at, name)) != NULL; at += length)
    if ((at == ops || at[-1] == ',') && (at[length] == ',' || at[length] == '\0')) return true;
  return false;
}

int selftest_check_ops(struct cli *cli, const char *ops) {
  const char *names[512], *subject;
  uint32_t count = 0;
  while (count < 511 && (subject = assay_conformance_subject(count)) != NULL) names[count++] = subject;
  names[count] = NULL;
  char *rest = assay_arena_copy(cli->arena, ops);
  if (rest == NULL) return assay_status_memory(cli->status);
  for (char *name; (name = strsep(&rest, ",")) != NULL;) {
    if (assay_conformance_find(name) >= 0) continue;
    const char *nearest = assay_nearest(name, names);
    return assay_status_set(cli->status, ASSAY_E_CONFIG, "--op: the suite has no op or program '%s'%s%s%s", name, nearest != NULL ? "; did you mean '" : "",
                            nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
  }
  return 0;
}

/* What a child has told so far. */
struct hearing {
  const struct selftest_listener *listener;
  const struct selftest_request *request;
  uint32_t subject_count;
  bool opened, ended;
  uint32_t number; /* of the subject that it works on */
  char subject[64], what[400];
  int code; /* of an error that the suite itself met */
  char message[1020];
};

static const char *text_of(const json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return text != NULL ? text : "";
}

static void hear_begin(struct hearing *hearing, const json_t *begin) {
  const struct selftest_listener *listener = hearing->listener;
  hearing->opened = true;
  hearing->number = (uint32_t)json_integer_value(json_object_get(begin, "number"));
  snprintf(hearing->subject, sizeof hearing->subject, "%s", text_of(begin, "subject"));
  snprintf(hearing->what, sizeof hearing->what, "%s", text_of(begin, "what"));
  if (hearing->subject[0] != '\0' && listener->progress != NULL)
    listener->progress(listener->context, hearing->number, hearing->subject_count, hearing->subject, hearing->what);
}

static void hear(void *context, char *line) {
  struct hearing *hearing = context;
  json_t *object = json_loads(line, 0, NULL);
  const json_t *error = json_object_get(object, "error"), *part;
  if ((part = json_object_get(object, "begin")) != NULL) hear_begin(hearing, part);
  else if ((part = json_object_get(object, "result")) != NULL && hearing->listener->result != NULL) hearing->listener->result(hearing->listener->context, part);
  else if ((part = json_object_get(object, "time")) != NULL && hearing->listener->time != NULL) hearing->listener->time(hearing->listener->context, part);
  else if (json_object_get(object, "end") != NULL) hearing->ended = true;
  else if (error != NULL) {
    hearing->code = (int)json_integer_value(json_object_get(error, "code"));
    snprintf(hearing->message, sizeof hearing->message, "%s", text_of(error, "message"));
  }
  json_decref(object);
}

/* The case that was running when the child was lost. */
static void tell_loss(const struct hearing *hearing, const struct assay_process_end *end) {
  char how[96], message[512];
  const struct selftest_listener *listener = hearing->listener;
  if (end->timed_out) snprintf(message, sizeof message, "nothing was heard for %g s: it hangs", hearing->request->silence);
  else if (hearing->code != 0) snprintf(message, sizeof message, "%.400s", hearing->message);
  else snprintf(message, sizeof message, "the process %s", assay_process_describe(end, how));
  const bool timing = strcmp(hearing->request->mode, "time") == 0;
  json_t *object = timing ? json_pack("{s:s,s:s,s:n,s:n,s:f,s:s}", "subject", hearing->subject, "detail", hearing->what, "tested", "other", "operations", 0.0, "message", message)
                          : json_pack("{s:s,s:s,s:s,s:s,s:s,s:n,s:n,s:s}", "subject", hearing->subject, "dtype", "", "detail", hearing->what, "part", "process", "verdict", "failed",
                                      "worst", "bound", "message", message);
  if (timing && listener->time != NULL) listener->time(listener->context, object);
  if (!timing && listener->result != NULL) listener->result(listener->context, object);
  json_decref(object);
}

/* The command line of a child that begins at a subject. */
static const char **list_arguments(struct cli *cli, const struct selftest_request *request, uint32_t from) {
  const char **arguments = ASSAY_NEW_ARRAY(cli->arena, const char *, 24 + 2 * (size_t)cli->override_count);
  int n = 0;
  if (arguments == NULL) return NULL;
  arguments[n++] = assay_process_tool();
  arguments[n++] = "run-selftest";
  arguments[n++] = "--quiet";
  arguments[n++] = "--from";
  arguments[n++] = assay_arena_print(cli->arena, "%u", from);
  arguments[n++] = "--seed";
  arguments[n++] = assay_arena_print(cli->arena, "%" PRIu64, request->seed);
  if (request->thorough) arguments[n++] = "--thorough";
  if (request->ops != NULL) {
    arguments[n++] = "--op";
    arguments[n++] = request->ops;
  }
  if (request->against != NULL) {
    arguments[n++] = "--against";
    arguments[n++] = request->against;
  }
  if (cli->plugin_path != NULL) {
    arguments[n++] = "--plugin-path";
    arguments[n++] = cli->plugin_path;
  }
  for (uint32_t i = 0; i < cli->override_count; i++) {
    arguments[n++] = "-s";
    arguments[n++] = cli->overrides[i];
  }
  /* The device decides which backends' options may be set, as in an INI. */
  arguments[n++] = "-s";
  arguments[n++] = assay_arena_print(cli->arena, "backend.devices=%s", request->device);
  arguments[n++] = "--";
  arguments[n++] = request->device;
  arguments[n++] = request->mode;
  return arguments;
}

int selftest_run(struct cli *cli, const struct selftest_request *request, const struct selftest_listener *listener) {
  struct hearing hearing = {.listener = listener, .request = request};
  while (assay_conformance_subject(hearing.subject_count) != NULL) hearing.subject_count++;
  for (uint32_t from = 0; from < hearing.subject_count; from = hearing.number + 1) {
    struct assay_process_end end;
    const char **arguments = list_arguments(cli, request, from);
    if (arguments == NULL) return assay_status_memory(cli->status);
    hearing.opened = hearing.ended = false;
    hearing.number = from;
    hearing.code = 0;
    hearing.subject[0] = '\0';
    const int result = assay_process_follow(arguments, request->silence, hear, &hearing, &end, cli->status);
    if (result != 0) return result;
    if (hearing.ended) return 0;
    if (!hearing.opened) {
      char how[96];
      return hearing.code != 0 ? assay_status_set(cli->status, hearing.code, "%s", hearing.message)
                               : assay_status_set(cli->status, ASSAY_E_DEVICE, "device %s cannot be opened: the process that tried %s", request->device, assay_process_describe(&end, how));
    }
    tell_loss(&hearing, &end);
  }
  return 0;
}
