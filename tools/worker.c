/* SPDX-License-Identifier: MIT
 *
 * assay worker RUN MODE DEVICE WORKERS: not for people; started by `train`, `search` and `finish`. Standard input is the parent's voice, descriptor 3 the ear.
 */
#include "cli.h"

#include "base/log.h"
#include "graph/session.h"
#include "run/fastest.h"
#include "run/supervisor.h"
#include "run/worker.h"
#include "watch.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static atomic_bool asked_to_stop;

static bool stopped(void) { return atomic_load(&asked_to_stop); }

/* A byte asks to stop; the end of the pipe means that the parent is gone: then nobody waits for what is half done. */
static void *listen_to_parent(void *context) {
  (void)context;
  for (;;) {
    char byte;
    const ssize_t n = read(STDIN_FILENO, &byte, 1);
    if (n == 1 && byte == ASSAY_WORKER_STOP) atomic_store(&asked_to_stop, true);
    else if (n == 0 || (n < 0 && errno != EINTR)) _exit(1);
  }
  return NULL;
}

/* The parent starts another. */
static void end_hung(void *context, const char *message) {
  (void)context;
  const struct assay_message end = {.kind = ASSAY_MESSAGE_FAILED, .code = ASSAY_E_DEVICE, .text = message};
  assay_message_send(ASSAY_MESSAGE_DESCRIPTOR, &end);
  _exit(1);
}

static void send_note(void *context, int level, const char *message) {
  (void)context;
  const struct assay_message note = {.kind = ASSAY_MESSAGE_NOTE, .number = (uint32_t)level, .text = message};
  assay_message_send(ASSAY_MESSAGE_DESCRIPTOR, &note);
}

int command_worker(struct cli *cli) {
  /* The terminal sends Ctrl-C to the whole group; what it means is the parent's to decide. */
  signal(SIGINT, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  pthread_t thread;
  if (pthread_create(&thread, NULL, listen_to_parent, NULL) != 0) return assay_status_set(cli->status, ASSAY_E_FAILED, "no thread to listen to the parent");
  assay_log_set(send_note, NULL);
  struct assay_registry *registry;
  struct assay_run *run = NULL;
  int result = cli_registry(cli, &registry);
  if (result == 0) result = assay_run_load(cli->arguments[0], registry, &run, cli->status);
  if (result == 0) result = watch_device(run->settings->timeout, end_hung, NULL, cli->status);
  if (result == 0) {
    struct assay_worker worker = {.run = run, .device = cli->arguments[2], .workers = (uint32_t)strtoul(cli->arguments[3], NULL, 10), .registry = registry, .messages = ASSAY_MESSAGE_DESCRIPTOR, .stopped = stopped};
    result = assay_worker_run(&worker, strcmp(cli->arguments[1], "final") == 0 ? ASSAY_WORKER_FINAL : ASSAY_WORKER_SEARCH, cli->status);
  }
  const struct assay_message end = {.kind = result == 0 ? ASSAY_MESSAGE_DONE : ASSAY_MESSAGE_FAILED, .code = result, .text = cli->status->message};
  assay_message_send(ASSAY_MESSAGE_DESCRIPTOR, &end);
  assay_run_close(run);
  cli->told = true; /* by the parent */
  return result == 0 ? 0 : ASSAY_E_FAILED;
}

/* assay time-step RUN CLASSES HEIGHT WIDTH CHANNELS DEVICE: the child that times a device for `devices = auto`. */
int command_time_step(struct cli *cli) {
  int64_t numbers[4];
  double seconds = 0;
  struct assay_registry *registry;
  struct assay_run *run = NULL;
  struct assay_session *session = NULL;
  cli->json = true;
  for (int i = 0; i < 4; i++)
    if (!assay_parse_integer(cli->arguments[1 + i], &numbers[i]) || numbers[i] < 1 || numbers[i] > INT32_MAX)
      return assay_status_set(cli->status, ASSAY_E_CONFIG, "%s is no count", cli->arguments[1 + i]);
  const struct assay_network_shape shape = {(uint32_t)numbers[0], (uint32_t)numbers[1], (uint32_t)numbers[2], (uint32_t)numbers[3]};
  int result = cli_registry(cli, &registry);
  if (result == 0) result = assay_run_load(cli->arguments[0], registry, &run, cli->status);
  if (result == 0) result = assay_device_open(cli->arguments[5], run->settings, 1, registry, cli->arena, &session, cli->status);
  if (result == 0) result = assay_step_time(run, &shape, session, &seconds, cli->status);
  if (result == 0) cli_print_json(cli, json_pack("{s:f}", "seconds", seconds));
  assay_session_close(session);
  assay_run_close(run);
  return result;
}
