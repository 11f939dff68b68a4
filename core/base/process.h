/* SPDX-License-Identifier: MIT
 *
 * A child process with a time limit: for code that may crash or hang, such as a driver's or a stranger's plugin.
 */
#ifndef ASSAY_BASE_PROCESS_H
#define ASSAY_BASE_PROCESS_H

#include <assay/types.h>
#include <stdbool.h>

struct assay_text;

struct assay_process_end {
  bool timed_out; /* it was killed */
  int signal;     /* that ended it; 0: it ended by itself */
  int code;       /* its exit code */
};

/* Runs arguments[0] (a path; NULL-terminated list) without standard input, standard error thrown away, and waits for it, at most `seconds`. What it writes to its standard output is
 * appended to `output` (NULL: thrown away), at most a mebibyte. 0 when it was run, however it ended; ASSAY_E_FAILED when it could not be started. */
int assay_process_run(const char *const *arguments, double seconds, struct assay_text *output, struct assay_process_end *end, struct assay_status *status);

/* As above for a child that tells as it goes: `line` is called with each line of its standard output, without its end, and may write into it. It is killed when it says
 * nothing for `silence` seconds. Its standard error is ours. A line longer than 64 KiB is dropped. */
typedef void (*assay_process_line)(void *context, char *line);
int assay_process_follow(const char *const *arguments, double silence, assay_process_line line, void *context, struct assay_process_end *end,
                         struct assay_status *status);

/* "was ended by signal 11 (Segmentation fault)", "ended with code 3", "did not end within its time"; `text` of at least 96 bytes. */
const char *assay_process_describe(const struct assay_process_end *end, char *text);

/* The path of the `assay` tool, which can run hidden subcommands in a child: what was set (by tests), $ASSAY_TOOL (where a loader was started by name, as in a bundle),
 * else /proc/self/exe. */
const char *assay_process_tool(void);
void assay_process_set_tool(const char *path); /* not copied */

#endif
