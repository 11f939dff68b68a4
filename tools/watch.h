/* SPDX-License-Identifier: MIT
 *
 * The watch over a device in this process: a call that a driver does not come back from cannot be ended, only the process can.
 */
#ifndef ASSAY_TOOLS_WATCH_H
#define ASSAY_TOOLS_WATCH_H

#include <assay/types.h>

/* From now on `hung` is called, from a thread of its own, with a sentence when a call takes longer than `seconds`; it must end the process. 0 seconds: nobody watches.
 * The same limit and function for all calls but the first. */
int watch_device(double seconds, void (*hung)(void *context, const char *message), void *context, struct assay_status *status);

#endif
