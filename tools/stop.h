/* SPDX-License-Identifier: MIT
 *
 * Ctrl-C and SIGTERM, caught: the first asks to stop, the second stops at once.
 */
#ifndef ASSAY_TOOLS_STOP_H
#define ASSAY_TOOLS_STOP_H

#include <stdbool.h>

/* `text` is written to standard error at the first signal. */
void stop_catch_signals(const char *text);
bool stop_requested(void);
/* The number of the signal; 0: none. */
int stop_signal(void);

#endif
