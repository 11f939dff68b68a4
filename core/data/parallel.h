/* SPDX-License-Identifier: MIT
 *
 * A loop whose rounds run in threads.
 */
#ifndef ASSAY_DATA_PARALLEL_H
#define ASSAY_DATA_PARALLEL_H

#include <stdint.h>

/* Processors that this process may use; at least 1. */
uint32_t assay_processor_count(void);

/* Calls task(context, i) once for each i < count, in `threads` threads (0: one a processor), and returns when all are done. Rounds are handed out one by one in
 * ascending order. When threads cannot be started, fewer do the work; the caller's own always takes part. */
void assay_parallel_for(uint32_t count, uint32_t threads, void (*task)(void *context, uint32_t i), void *context);

#endif
