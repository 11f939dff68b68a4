/* SPDX-License-Identifier: MIT */
#include "base/process.h"

#include "base/clock.h"
#include "base/status.h"
#include "base/text.h"

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

enum { MOST_OUTPUT = 1 << 20, LONGEST_LINE = 1 << 16 };

static const char *tool;

const char *assay_process_tool(void) {
  const char *named = secure_getenv("ASSAY_TOOL");
  return tool != NULL ? tool : named != NULL && named[0] == '/' ? named : "/proc/self/exe";
}
void assay_process_set_tool(const char *path) { tool = path; }

static int start(const char *const *arguments, int output, bool mute, pid_t *process) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t defaults;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  if (mute) posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  /* A group of its own, so that what it starts can be ended with it; and no signals that this process ignores. */
  posix_spawnattr_init(&attributes);
  sigfillset(&defaults);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
  const int error = posix_spawn(process, arguments[0], &actions, &attributes, (char *const *)arguments, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

/* What is done with the child's output; gives the new deadline. */
struct sink {
  double (*take)(struct sink *sink, const char *bytes, size_t size, double deadline);
  struct assay_text *whole; /* all of it */
  assay_process_line line;  /* or line by line */
  void *context;
  double silence;
  char *partial;
  size_t length;
};

/* Reads until the child closes its output; false when the time is over first. */
static bool drain(int descriptor, double *deadline, struct sink *sink) {
  for (;;) {
    const double left = *deadline - assay_clock_seconds();
    struct pollfd wait = {.fd = descriptor, .events = POLLIN};
    if (left <= 0) return false;
    const int ready = poll(&wait, 1, left > 60 ? 60000 : (int)(left * 1000) + 1);
    if (ready < 0 && errno != EINTR) return false;
    if (ready <= 0) continue;
    char bytes[4096];
    const ssize_t n = read(descriptor, bytes, sizeof bytes);
    if (n == 0 || (n < 0 && errno != EINTR)) return true;
    if (n > 0) *deadline = sink->take(sink, bytes, (size_t)n, *deadline);
  }
}

static double take_whole(struct sink *sink, const char *bytes, size_t size, double deadline) {
  if (sink->whole != NULL && sink->whole->length + size <= MOST_OUTPUT) assay_text_add_bytes(sink->whole, bytes, size);
  return deadline;
}

static double take_lines(struct sink *sink, const char *bytes, size_t size, double deadline) {
  (void)deadline;
  for (size_t i = 0; i < size; i++) {
    if (bytes[i] != '\n') {
      if (sink->length < LONGEST_LINE) sink->partial[sink->length] = bytes[i];
      sink->length += sink->length <= LONGEST_LINE;
      continue;
    }
    if (sink->length <= LONGEST_LINE - 1) {
      sink->partial[sink->length] = '\0';
      sink->line(sink->context, sink->partial);
    }
    sink->length = 0;
  }
  return assay_clock_seconds() + sink->silence;
}

/* Waits for the end; a child that has closed its output may still hang. */
static bool collect(pid_t process, double deadline, int *state) {
  for (;;) {
    const pid_t ended = waitpid(process, state, WNOHANG);
    if (ended == process || (ended < 0 && errno != EINTR)) return true;
    if (assay_clock_seconds() >= deadline) return false;
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
  }
}

static int run(const char *const *arguments, bool mute, double seconds, struct sink *sink, struct assay_process_end *end, struct assay_status *status) {
  int pipes[2];
  pid_t process;
  double deadline = assay_clock_seconds() + seconds;
  *end = (struct assay_process_end){0};
  if (pipe2(pipes, O_CLOEXEC) != 0) return assay_status_set(status, ASSAY_E_FAILED, "no pipe for a child process: %s", strerror(errno));
  const int error = start(arguments, pipes[1], mute, &process);
  close(pipes[1]);
  if (error != 0) {
    close(pipes[0]);
    return assay_status_set(status, ASSAY_E_FAILED, "%s: cannot be started: %s", arguments[0], strerror(error));
  }
  int state = 0;
  end->timed_out = !drain(pipes[0], &deadline, sink) || !collect(process, deadline, &state);
  close(pipes[0]);
  if (end->timed_out) {
    kill(-process, SIGKILL);
    while (waitpid(process, &state, 0) < 0 && errno == EINTR) {}
  } else if (WIFSIGNALED(state)) {
    end->signal = WTERMSIG(state);
  } else {
    end->code = WEXITSTATUS(state);
  }
  return 0;
}

int assay_process_run(const char *const *arguments, double seconds, struct assay_text *output, struct assay_process_end *end, struct assay_status *status) {
  struct sink sink = {.take = take_whole, .whole = output};
  return run(arguments, true, seconds, &sink, end, status);
}

int assay_process_follow(const char *const *arguments, double silence, assay_process_line line, void *context, struct assay_process_end *end,
                         struct assay_status *status) {
  struct sink sink = {.take = take_lines, .line = line, .context = context, .silence = silence, .partial = malloc(LONGEST_LINE)};
  if (sink.partial == NULL) return assay_status_memory(status);
  const int result = run(arguments, false, silence, &sink, end, status);
  free(sink.partial);
  return result;
}

const char *assay_process_describe(const struct assay_process_end *end, char *text) {
  if (end->timed_out) snprintf(text, 96, "did not end within its time");
  else if (end->signal != 0) snprintf(text, 96, "was ended by signal %d (%s)", end->signal, strsignal(end->signal));
  else snprintf(text, 96, "ended with code %d", end->code);
  return text;
}
