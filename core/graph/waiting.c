/* SPDX-License-Identifier: MIT
 *
 * The watch over calls that wait for a device: a backend says when one begins and ends, and whoever runs it can see for how long it has been waiting.
 */
#include "graph/session.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdio.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static double wait_since; /* assay_clock_seconds; 0: nobody waits */
static char wait_for[256];

void assay_backend_wait(const char *device, const char *call) {
  const double now = call != NULL ? assay_clock_seconds() : 0;
  pthread_mutex_lock(&mutex);
  wait_since = now;
  if (call != NULL) snprintf(wait_for, sizeof wait_for, "%.150s: %.90s", device, call);
  pthread_mutex_unlock(&mutex);
}

double assay_backend_waiting(char *text, size_t size) {
  pthread_mutex_lock(&mutex);
  const double began = wait_since;
  if (began > 0) snprintf(text, size, "%s", wait_for);
  pthread_mutex_unlock(&mutex);
  return began > 0 ? assay_clock_seconds() - began : 0;
}
