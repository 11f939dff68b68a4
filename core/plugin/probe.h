/* SPDX-License-Identifier: MIT
 *
 * Trying a module out where it can do no harm. Opening a module runs its constructors, so a stranger is first opened by a child with a time limit;
 * what became of the child is remembered by the module's device, inode, size and time.
 */
#ifndef ASSAY_PLUGIN_PROBE_H
#define ASSAY_PLUGIN_PROBE_H

#include <assay/types.h>

/* Is it a regular file, and a shared object for this kind of machine? Only the header is read. ASSAY_E_PLUGIN with a sentence that does not name the
 * file. */
int assay_probe_header(const char *file, struct assay_status *status);

/* Would loading this file be safe? Runs `TOOL probe-plugin FILE` (see base/process.h) unless the answer is known. ASSAY_E_PLUGIN with a sentence that
 * does not name the file. */
int assay_probe(const char *file, struct assay_status *status);

/* Seconds that the child has; 10 at the start. For tests. */
void assay_probe_set_limit(double seconds);

#endif
