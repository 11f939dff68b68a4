/* SPDX-License-Identifier: MIT
 *
 * Talk: what a person may want to know while the tool runs. Libraries hand messages on; only the tool decides where they go.
 */
#ifndef ASSAY_BASE_LOG_H
#define ASSAY_BASE_LOG_H

enum assay_log_level { ASSAY_LOG_DEBUG = 0, ASSAY_LOG_INFO = 1, ASSAY_LOG_WARNING = 2 };

typedef void (*assay_log_sink)(void *context, int level, const char *message);

/* The process' one sink; NULL drops everything, which is the start. Set before threads start. */
void assay_log_set(assay_log_sink sink, void *context);
void assay_log_message(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
