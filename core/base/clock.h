/* SPDX-License-Identifier: MIT
 *
 * Time that only goes forward.
 */
#ifndef ASSAY_BASE_CLOCK_H
#define ASSAY_BASE_CLOCK_H

#include <time.h>

/* Seconds since some moment in the past; not the time of day. */
static inline double assay_clock_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

#endif
