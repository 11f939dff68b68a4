/* SPDX-License-Identifier: MIT */
#include "watch.h"

#include "base/status.h"
#include "graph/session.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

static struct {
  double seconds;
  void (*hung)(void *context, const char *message);
  void *context;
  bool kept; /* the thread runs */
} watch;

static void *keep_watch(void *ignored) {
  (void)ignored;
  for (;;) {
    char call[320], message[512];
    nanosleep(&(struct timespec){.tv_nsec = 250000000}, NULL);
    const double seconds = assay_backend_waiting(call, sizeof call);
    if (seconds < watch.seconds) continue;
    snprintf(message, sizeof message, "%s has not come back for %.0f s, so the device counts as hung; where a call may take longer, set [backend] timeout", call, seconds);
    watch.hung(watch.context, message);
  }
  return NULL;
}

int watch_device(double seconds, void (*hung)(void *context, const char *message), void *context, struct assay_status *status) {
  pthread_t thread;
  watch.seconds = seconds;
  watch.hung = hung;
  watch.context = context;
  if (seconds <= 0 || watch.kept) return 0;
  watch.kept = pthread_create(&thread, NULL, keep_watch, NULL) == 0;
  return watch.kept ? 0 : assay_status_set(status, ASSAY_E_FAILED, "no thread to watch over the device");
}
