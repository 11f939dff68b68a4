/* SPDX-License-Identifier: MIT
 *
 * A run's summary: written to summary.txt and shown.
 */
#ifndef ASSAY_TOOLS_SUMMARY_H
#define ASSAY_TOOLS_SUMMARY_H

#include "cli.h"

#include "run/folder.h"

/* Needs the run's study. Writes summary.txt and prints it, or its JSON. */
int summary_write(struct cli *cli, struct assay_run *run);

#endif
