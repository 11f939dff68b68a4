/* SPDX-License-Identifier: MIT
 *
 * Things that a thread makes one after another while the caller is busy with those before, such as the batches of an epoch.
 */
#ifndef ASSAY_DATA_AHEAD_H
#define ASSAY_DATA_AHEAD_H

#include <stdint.h>

struct assay_ahead;

/* Things 0 … count - 1 are made by make(context, thing, slot), begun in ascending order. `slots` (at least 2) things are there at most: the one that the caller has, and those
 * that are being made or wait. A thing that the thread has not begun when it is asked for is made by the caller, so two may be made at the same time; then, and where no thread
 * can be started, nothing is lost but the time. NULL when memory is short. */
struct assay_ahead *assay_ahead_start(uint32_t count, uint32_t slots, void (*make)(void *context, uint32_t thing, uint32_t slot), void *context);
/* Waits for the next thing and gives its slot, which is the caller's until the next call. At most `count` times. */
uint32_t assay_ahead_next(struct assay_ahead *ahead);
/* Seconds that the calls to assay_ahead_next have taken so far. */
double assay_ahead_waited(const struct assay_ahead *ahead);
/* Waits for the thing that is being made; no others are made. NULL is fine. */
void assay_ahead_stop(struct assay_ahead *ahead);

#endif
