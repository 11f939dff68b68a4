/* SPDX-License-Identifier: MIT */
#include "data/ahead.h"

#include "base/clock.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

struct assay_ahead {
  uint32_t count, slots;
  void (*make)(void *context, uint32_t thing, uint32_t slot);
  void *context;
  pthread_t thread;
  bool threaded;
  pthread_mutex_t mutex;
  pthread_cond_t freed, finished; /* for the thread; for the caller */
  uint32_t begun, taken; /* things */
  bool *ready;           /* [slots] */
  bool stopped;
  double waited;
};

/* Things that may be begun now. All that were taken but the last have given back their slots. */
static uint32_t room(const struct assay_ahead *ahead) { return (ahead->taken > 0 ? ahead->taken - 1 : 0) + ahead->slots - ahead->begun; }
/* Once it sleeps, the thread is woken when half of the slots are free: on a busy processor waking costs more than making. */
static bool is_worth_waking(const struct assay_ahead *ahead) { return room(ahead) >= ahead->slots / 2; }

/* Makes the next thing; the mutex is held before and after. */
static void make_next(struct assay_ahead *ahead) {
  const uint32_t thing = ahead->begun++, slot = thing % ahead->slots;
  ahead->ready[slot] = false;
  pthread_mutex_unlock(&ahead->mutex);
  ahead->make(ahead->context, thing, slot);
  pthread_mutex_lock(&ahead->mutex);
  ahead->ready[slot] = true;
}

static void *work(void *argument) {
  struct assay_ahead *ahead = argument;
  pthread_mutex_lock(&ahead->mutex);
  while (!ahead->stopped && ahead->begun < ahead->count) {
    while (!ahead->stopped && room(ahead) == 0) pthread_cond_wait(&ahead->freed, &ahead->mutex);
    if (ahead->stopped) break;
    make_next(ahead);
    pthread_cond_signal(&ahead->finished);
  }
  pthread_mutex_unlock(&ahead->mutex);
  return NULL;
}

struct assay_ahead *assay_ahead_start(uint32_t count, uint32_t slots, void (*make)(void *context, uint32_t thing, uint32_t slot), void *context) {
  struct assay_ahead *ahead = calloc(1, sizeof *ahead);
  bool *ready = calloc(slots, sizeof *ready);
  if (ahead == NULL || ready == NULL) {
    free(ahead);
    free(ready);
    return NULL;
  }
  *ahead = (struct assay_ahead){.count = count, .slots = slots, .ready = ready, .make = make, .context = context};
  pthread_mutex_init(&ahead->mutex, NULL);
  pthread_cond_init(&ahead->freed, NULL);
  pthread_cond_init(&ahead->finished, NULL);
  sigset_t all, before; /* signals are for the caller's thread */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  ahead->threaded = pthread_create(&ahead->thread, NULL, work, ahead) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return ahead;
}

uint32_t assay_ahead_next(struct assay_ahead *ahead) {
  const double start = assay_clock_seconds();
  pthread_mutex_lock(&ahead->mutex);
  const uint32_t thing = ahead->taken++, slot = thing % ahead->slots;
  if (is_worth_waking(ahead)) pthread_cond_signal(&ahead->freed);
  if (ahead->begun == thing) make_next(ahead);
  while (!ahead->ready[slot]) pthread_cond_wait(&ahead->finished, &ahead->mutex);
  pthread_mutex_unlock(&ahead->mutex);
  ahead->waited += assay_clock_seconds() - start;
  return slot;
}

double assay_ahead_waited(const struct assay_ahead *ahead) { return ahead->waited; }

void assay_ahead_stop(struct assay_ahead *ahead) {
  if (ahead == NULL) return;
  pthread_mutex_lock(&ahead->mutex);
  ahead->stopped = true;
  pthread_cond_signal(&ahead->freed);
  pthread_mutex_unlock(&ahead->mutex);
  if (ahead->threaded) pthread_join(ahead->thread, NULL);
  free(ahead->ready);
  pthread_cond_destroy(&ahead->freed);
  pthread_cond_destroy(&ahead->finished);
  pthread_mutex_destroy(&ahead->mutex);
  free(ahead);
}
