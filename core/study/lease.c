/* SPDX-License-Identifier: MIT */
#include "study/lease.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A small file of /proc as a string. */
static bool read_line(const char *path, char *line, size_t size) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  const ssize_t length = read(file, line, size - 1);
  close(file);
  if (length <= 0) return false;
  line[length] = '\0';
  return true;
}

int64_t assay_process_start(int64_t process) {
  char path[64], line[1024];
  snprintf(path, sizeof path, "/proc/%lld/stat", (long long)process);
  if (!read_line(path, line, sizeof line)) return -1;
  /* "number (name) state …": the name may hold anything. The 22nd field is the start. */
  const char *field = strrchr(line, ')');
  if (field == NULL || field[1] != ' ' || field[2] == 'Z' || field[2] == 'X') return -1;
  field++;
  for (int i = 3; i < 22 && field != NULL; i++) field = strchr(field + 1, ' ');
  return field == NULL ? -1 : strtoll(field, NULL, 10);
}

struct assay_owner assay_owner_self(void) {
  struct assay_owner owner = {.process = getpid()};
  if (!read_line("/proc/sys/kernel/random/boot_id", owner.boot, sizeof owner.boot)) snprintf(owner.boot, sizeof owner.boot, "unknown");
  owner.boot[strcspn(owner.boot, "\n")] = '\0';
  struct stat facts;
  if (stat("/proc/self/ns/pid", &facts) == 0) owner.space = (int64_t)facts.st_ino;
  owner.start = assay_process_start(owner.process);
  return owner;
}

double assay_lease_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

bool assay_owner_lives(const struct assay_owner *owner, const struct assay_owner *self, double beat) {
  if (strcmp(owner->boot, self->boot) != 0) return false;
  if (owner->space != self->space) return assay_lease_clock() - beat < ASSAY_LEASE_SECONDS;
  return assay_process_start(owner->process) == owner->start;
}

bool assay_owner_died_alone(const struct assay_owner *owner, const struct assay_owner *self) {
  if (strcmp(owner->boot, self->boot) != 0) return false;
  if (owner->space != self->space || owner->supervisor == 0) return true;
  return assay_process_start(owner->supervisor) == owner->supervisor_start;
}
