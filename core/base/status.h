/* SPDX-License-Identifier: MIT
 *
 * Filling the caller's status: one sentence that says what went wrong, where, and what to do.
 */
#ifndef ASSAY_BASE_STATUS_H
#define ASSAY_BASE_STATUS_H

#include <assay/types.h>
#include <stdarg.h>

/* Sets code and message (cut at the end when too long) and gives `code` back, so that a function can end with it. `status` may be NULL. */
int assay_status_set(struct assay_status *status, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Puts "prefix: " before the message that is there; gives the status' code. */
int assay_status_prefix(struct assay_status *status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The usual sentence for exhausted memory; gives ASSAY_E_MEMORY. */
int assay_status_memory(struct assay_status *status);
/* The exit code of the tool for an error code: 0 to 7. */
int assay_exit_code(int code);

#endif
