/* SPDX-License-Identifier: MIT
 *
 * Who holds a trial, and whether that process still lives. Linux: /proc names every process with the moment it was started, so that a number used
 * again is not mistaken for its earlier bearer.
 */
#ifndef ASSAY_STUDY_LEASE_H
#define ASSAY_STUDY_LEASE_H

#include <stdbool.h>
#include <stdint.h>

enum { ASSAY_LEASE_SECONDS = 300 }; /* silence after which a process that cannot be looked at counts as dead */

/* A process, among all of this machine since it was built. */
struct assay_owner {
  char boot[40];                        /* boot id of the kernel */
  int64_t space;                        /* inode of the process-number name space (containers have their own) */
  int64_t process, start;               /* start: clock ticks after boot */
  int64_t supervisor, supervisor_start; /* 0: none */
};

struct assay_owner assay_owner_self(void);
/* Clock ticks from boot to the start of a living process; -1: there is none, or it is a zombie. */
int64_t assay_process_start(int64_t process);
/* Seconds that do not pass while the machine sleeps; the same clock for all processes. */
double assay_lease_clock(void);

/* Does the owner of a lease live? `beat`: its last sign of life. A process of another name space is judged by its silence; one of another boot is dead. */
bool assay_owner_lives(const struct assay_owner *owner, const struct assay_owner *self, double beat);
/* Of a dead owner: did it die alone, so that its trial is to blame? Not when the machine went down, or the supervisor died too. */
bool assay_owner_died_alone(const struct assay_owner *owner, const struct assay_owner *self);

#endif
