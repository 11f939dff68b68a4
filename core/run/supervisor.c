/* SPDX-License-Identifier: MIT */
#include "run/supervisor.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { POLL_MILLISECONDS = 200, LONGEST_LINE = 65536 };
static const double SPEND_EVERY = 1.0; /* seconds */

struct slot {
  const char *device;
  pid_t process; /* 0: not running */
  int input, output;
  bool ready;      /* its device is open */
  int64_t trial;   /* that it works on; -1: none */
  int code;        /* of FAILED; 0: nothing was said */
  char message[1024]; /* likewise */
  bool done;       /* nothing is left to do, it said */
  bool ended;      /* is not started again */
  char line[LONGEST_LINE];
  size_t length;
};

struct watch {
  const struct assay_supervisor *supervisor;
  enum assay_worker_mode mode;
  struct slot *slots;
  bool asked_to_stop;
  int code; /* of the last worker that gave up */
  struct assay_status failure;
};

/* ---- Starting and ending processes ---- */

static int close_pipes(int input[2], int output[2], int code) {
  for (int i = 0; i < 2; i++) {
    if (input[i] >= 0) close(input[i]);
    if (output[i] >= 0) close(output[i]);
  }
  return code;
}

static int start(struct watch *watch, struct slot *slot, struct assay_status *status) {
  const struct assay_supervisor *supervisor = watch->supervisor;
  int input[2] = {-1, -1}, output[2] = {-1, -1};
  if (pipe2(input, O_CLOEXEC) != 0 || pipe2(output, O_CLOEXEC) != 0)
    return close_pipes(input, output, assay_status_set(status, ASSAY_E_FAILED, "no pipe for a worker: %s", strerror(errno)));
  char workers[16];
  snprintf(workers, sizeof workers, "%u", watch->mode == ASSAY_WORKER_FINAL ? 1 : supervisor->device_count);
  const char *arguments[] = {"assay", "worker", supervisor->run->folder, watch->mode == ASSAY_WORKER_FINAL ? "final" : "search", slot->device, workers, NULL, NULL, NULL, NULL};
  int n = 6;
  if (supervisor->quiet) arguments[n++] = "--quiet";
  if (supervisor->plugin_path != NULL) {
    arguments[n++] = "--plugin-path";
    arguments[n++] = supervisor->plugin_path;
  }
  /* The child's ends must not already be 0 … 3, or one dup2 would overwrite the other. */
  const int child_input = fcntl(input[0], F_DUPFD_CLOEXEC, 10), child_output = fcntl(output[1], F_DUPFD_CLOEXEC, 10);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, child_input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, child_output, ASSAY_MESSAGE_DESCRIPTOR);
  const int error = child_input < 0 || child_output < 0 ? errno : posix_spawn(&slot->process, supervisor->program, &actions, NULL, (char *const *)arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (child_input >= 0) close(child_input);
  if (child_output >= 0) close(child_output);
  if (error != 0) {
    slot->process = 0;
    return close_pipes(input, output, assay_status_set(status, ASSAY_E_FAILED, "%s: no worker could be started: %s", supervisor->program, strerror(error)));
  }
  close(input[0]);
  close(output[1]);
  slot->input = input[1];
  slot->output = output[0];
  slot->length = 0;
  slot->ready = false;
  slot->trial = -1;
  slot->code = 0;
  return 0;
}

static void ask_to_stop(struct watch *watch) {
  if (watch->asked_to_stop) return;
  watch->asked_to_stop = true;
  const char byte = ASSAY_WORKER_STOP;
  for (uint32_t i = 0; i < watch->supervisor->device_count; i++)
    if (watch->slots[i].process != 0 && write(watch->slots[i].input, &byte, 1) < 0 && errno != EPIPE)
      assay_log_message(ASSAY_LOG_WARNING, "worker %u cannot be asked to stop: %s", i, strerror(errno));
}

/* ---- Listening ---- */

static void hear(struct watch *watch, uint32_t number, const char *line) {
  struct slot *slot = &watch->slots[number];
  struct assay_arena *arena = assay_arena_create();
  struct assay_message message;
  if (arena != NULL && assay_message_parse(line, arena, &message)) {
    if (message.kind == ASSAY_MESSAGE_DEVICE) slot->ready = true;
    if (message.kind == ASSAY_MESSAGE_TRIAL) slot->trial = message.number;
    if (message.kind == ASSAY_MESSAGE_TOLD) slot->trial = -1;
    if (message.kind == ASSAY_MESSAGE_DONE) slot->done = slot->ended = true;
    if (message.kind == ASSAY_MESSAGE_FAILED) {
      slot->code = message.code;
      snprintf(slot->message, sizeof slot->message, "%s", message.text);
    }
    watch->supervisor->message(watch->supervisor->context, number, &message);
  }
  assay_arena_release(arena);
}

/* Takes what is in the pipe; false at its end. */
static bool listen_to(struct watch *watch, uint32_t number) {
  struct slot *slot = &watch->slots[number];
  const ssize_t n = read(slot->output, slot->line + slot->length, sizeof slot->line - 1 - slot->length);
  if (n < 0) return errno == EINTR || errno == EAGAIN;
  if (n == 0) return false;
  slot->length += (size_t)n;
  slot->line[slot->length] = '\0';
  char *begin = slot->line;
  for (char *end; (end = strchr(begin, '\n')) != NULL; begin = end + 1) {
    *end = '\0';
    hear(watch, number, begin);
  }
  slot->length -= (size_t)(begin - slot->line);
  memmove(slot->line, begin, slot->length + 1);
  if (slot->length == sizeof slot->line - 1) slot->length = 0; /* no message is so long */
  return true;
}

static const char *how_it_ended(int state, char *text, size_t size) {
  if (WIFSIGNALED(state)) snprintf(text, size, "was ended by signal %d (%s)", WTERMSIG(state), strsignal(WTERMSIG(state)));
  else snprintf(text, size, "ended by itself with code %d", WEXITSTATUS(state));
  return text;
}

/* ---- Faults ---- */

static uint32_t *faults_of(const struct assay_supervisor *supervisor, const char *device) {
  uint32_t first = 0;
  while (strcmp(supervisor->devices[first], device) != 0) first++;
  return &supervisor->faults[first];
}

static bool left_alone(const struct assay_supervisor *supervisor, const char *device) { return *faults_of(supervisor, device) >= ASSAY_FAULTS_ALLOWED; }

/* Counts the fault, notes it in the study and tells it. */
static void note_fault(struct watch *watch, struct slot *slot, const char *what) {
  const struct assay_supervisor *supervisor = watch->supervisor;
  uint32_t *faults = faults_of(supervisor, slot->device);
  *faults = slot->ready || slot->code == 0 ? *faults + 1 : ASSAY_FAULTS_ALLOWED; /* what cannot be opened now will not be in a moment */
  const bool alone = left_alone(supervisor, slot->device);
  const struct assay_fault fault = {.device = slot->device, .message = what, .trial = slot->trial, .left_alone = alone};
  struct assay_status status = {0};
  if (assay_study_note_fault(supervisor->run->study, &fault, &status) != 0) assay_log_message(ASSAY_LOG_WARNING, "%s", status.message);
  watch->code = assay_status_set(&watch->failure, slot->code != 0 ? slot->code : ASSAY_E_DEVICE, "%s; no device is left. What is finished is safe, and the same command goes on with it; 'assay devices' says what is wrong", what);
  char trial[48] = "";
  if (slot->trial >= 0) snprintf(trial, sizeof trial, "; trial %lld is tried again", (long long)slot->trial);
  assay_log_message(ASSAY_LOG_WARNING, "%s%s%s", what, trial, alone ? "; the device is left alone from now on" : "");
}

/* For the final model: the device with the fewest faults, the first of equals; NULL: all are left alone. */
static const char *soundest(const struct assay_supervisor *supervisor) {
  const char *best = NULL;
  for (uint32_t i = 0; i < supervisor->device_count; i++) {
    const char *device = supervisor->devices[i];
    if (!left_alone(supervisor, device) && (best == NULL || *faults_of(supervisor, device) < *faults_of(supervisor, best))) best = device;
  }
  return best;
}

/* The process is gone: collect it, and start another where that makes sense. */
static int bury(struct watch *watch, uint32_t number, struct assay_status *status) {
  struct slot *slot = &watch->slots[number];
  int state = 0;
  while (waitpid(slot->process, &state, 0) < 0 && errno == EINTR) {}
  close(slot->input);
  close(slot->output);
  slot->process = 0;
  if (slot->ended || (watch->asked_to_stop && slot->code == 0)) return 0;
  if (slot->code != 0 && slot->code != ASSAY_E_DEVICE && slot->code != ASSAY_E_MEMORY) { /* not the device's fault: another worker would fail as well */
    slot->ended = true;
    watch->code = assay_status_set(&watch->failure, slot->code, "%s", slot->message);
    return 0;
  }
  char what[1200], how[96];
  if (slot->code != 0) snprintf(what, sizeof what, "%s: %s", slot->device, slot->message);
  else snprintf(what, sizeof what, "%s: its worker %s", slot->device, how_it_ended(state, how, sizeof how));
  note_fault(watch, slot, what);
  if (watch->mode == ASSAY_WORKER_FINAL) slot->device = soundest(watch->supervisor);
  slot->ended = watch->asked_to_stop || slot->device == NULL || left_alone(watch->supervisor, slot->device);
  return slot->ended ? 0 : start(watch, slot, status);
}

/* ---- Time ---- */

/* Adds the time since `*last` to the study's account; true when the limit is reached. */
static bool out_of_time(const struct watch *watch, double *last) {
  const double now = assay_clock_seconds(), limit = watch->supervisor->run->settings->search.time;
  if (now - *last < SPEND_EVERY) return false;
  double total = 0;
  struct assay_status ignored;
  if (assay_study_spend(watch->supervisor->run->study, now - *last, &total, &ignored) != 0) return false;
  *last = now;
  return limit > 0 && total >= limit;
}

static uint32_t running(const struct watch *watch) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < watch->supervisor->device_count; i++) count += watch->slots[i].process != 0;
  return count;
}

static int watch_over(struct watch *watch, bool *interrupted, struct assay_status *status) {
  const uint32_t count = watch->supervisor->device_count;
  struct pollfd *polls = calloc(count, sizeof *polls);
  if (polls == NULL) return assay_status_memory(status);
  double last = assay_clock_seconds();
  int code = 0;
  while (code == 0 && running(watch) > 0) {
    for (uint32_t i = 0; i < count; i++) polls[i] = (struct pollfd){.fd = watch->slots[i].process != 0 ? watch->slots[i].output : -1, .events = POLLIN};
    if (poll(polls, count, POLL_MILLISECONDS) > 0) {
      for (uint32_t i = 0; i < count && code == 0; i++)
        if (polls[i].fd >= 0 && polls[i].revents != 0 && !listen_to(watch, i)) code = bury(watch, i, status);
    }
    if (watch->supervisor->stopped()) {
      *interrupted = true;
      ask_to_stop(watch);
    } else if (watch->mode == ASSAY_WORKER_SEARCH && out_of_time(watch, &last)) {
      ask_to_stop(watch);
    }
  }
  free(polls);
  return code;
}

/* Has any worker come to the end of its work? */
static bool work_is_done(const struct watch *watch) {
  struct assay_study_counts counts;
  if (watch->asked_to_stop) return true;
  if (watch->mode == ASSAY_WORKER_FINAL) return watch->slots[0].done;
  const struct assay_supervisor *supervisor = watch->supervisor;
  if (assay_study_count(supervisor->run->study, &counts, NULL) != 0) return false;
  return counts.running == 0 && counts.waiting == 0 && counts.complete + counts.pruned + counts.failed >= supervisor->run->settings->search.trials;
}

int assay_supervisor_run(const struct assay_supervisor *supervisor, enum assay_worker_mode mode, bool *interrupted, struct assay_status *status) {
  struct watch watch = {.supervisor = supervisor, .mode = mode, .slots = calloc(supervisor->device_count, sizeof *watch.slots)};
  *interrupted = false;
  if (watch.slots == NULL) return assay_status_memory(status);
  signal(SIGPIPE, SIG_IGN);
  int code = 0;
  const uint32_t first = mode == ASSAY_WORKER_FINAL ? 1 : supervisor->device_count;
  for (uint32_t i = 0; i < first && code == 0; i++) {
    watch.slots[i].device = mode == ASSAY_WORKER_FINAL ? soundest(supervisor) : supervisor->devices[i];
    if (watch.slots[i].device == NULL) code = assay_status_set(status, ASSAY_E_DEVICE, "every device has failed; start again when they are repaired: what is finished is safe");
    else if (!left_alone(supervisor, watch.slots[i].device)) code = start(&watch, &watch.slots[i], status);
  }
  if (code == 0) code = watch_over(&watch, interrupted, status);
  /* An error of our own: let the workers go. */
  for (uint32_t i = 0; i < supervisor->device_count; i++) {
    struct slot *slot = &watch.slots[i];
    if (slot->process == 0) continue;
    close(slot->input);
    close(slot->output);
    waitpid(slot->process, NULL, 0);
  }
  if (code == 0 && watch.code != 0 && watch.code != ASSAY_E_INTERRUPTED && !work_is_done(&watch))
    code = assay_status_set(status, watch.code, "%s", watch.failure.message);
  free(watch.slots);
  return code;
}
