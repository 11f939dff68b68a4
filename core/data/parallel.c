/* SPDX-License-Identifier: MIT */
#include "data/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

enum { MOST_THREADS = 64 };

struct loop {
  uint32_t count;
  _Atomic uint64_t next;
  void (*task)(void *context, uint32_t i);
  void *context;
};

uint32_t assay_processor_count(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  const int count = CPU_COUNT(&set);
  return count < 1 ? 1 : (uint32_t)count;
}

static void *work(void *argument) {
  struct loop *loop = argument;
  for (uint64_t i; (i = atomic_fetch_add(&loop->next, 1)) < loop->count;) loop->task(loop->context, (uint32_t)i);
  return NULL;
}

void assay_parallel_for(uint32_t count, uint32_t threads, void (*task)(void *context, uint32_t i), void *context) {
  struct loop loop = {.count = count, .task = task, .context = context};
  if (threads == 0) threads = assay_processor_count();
  if (threads > MOST_THREADS) threads = MOST_THREADS;
  if (threads > count) threads = count;
  pthread_t others[MOST_THREADS];
  uint32_t started = 0;
  /* Signals are for the caller's thread. */
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (started + 1 < threads && pthread_create(&others[started], NULL, work, &loop) == 0) started++;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  work(&loop);
  for (uint32_t i = 0; i < started; i++) pthread_join(others[i], NULL);
}
