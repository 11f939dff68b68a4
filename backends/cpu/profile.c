/* SPDX-License-Identifier: MIT
 *
 * Where the time of a function goes: with ASSAY_CPU_PROFILE in the environment an executable tells the log, when it is released, the processor time of the calling thread
 * in each kind of step. With one thread that is all of it.
 */
#include "cpu.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

double assay_cpu_thread_time(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

static void tell_kind(const struct assay_executable *executable, uint32_t f, uint32_t first) {
  const struct assay_cpu_function *function = &executable->functions[f];
  const char *kind = function->steps[first]->kind;
  char line[160];
  double time = 0;
  uint32_t count = 0;
  for (uint32_t s = 0; s < function->step_count; s++) {
    if (strcmp(function->steps[s]->kind, kind) != 0) continue;
    if (s < first) return; /* told before */
    time += function->steps[s]->time;
    count++;
  }
  snprintf(line, sizeof line, "profile: function %u, %9.3f ms a run in %4u steps: %s", f, time / (double)function->runs, count, kind);
  executable->device->host->log(1, line);
}

void assay_cpu_tell_profile(const struct assay_executable *executable) {
  if (!executable->device->host->log || !executable->functions) return;
  for (uint32_t f = 0; f < executable->program->function_count; f++)
    for (uint32_t s = 0; s < executable->functions[f].step_count && executable->functions[f].runs > 0; s++) tell_kind(executable, f, s);
}
