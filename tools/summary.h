/* SPDX-License-Identifier: MIT
 *
 * A run's summary: written to summary.txt and shown.
 */
#ifndef ASSAY_TOOLS_SUMMARY_H
#define ASSAY_TOOLS_SUMMARY_H

#include "cli.h"

#include "run/folder.h"

/* Needs the run's study. Writes summary.txt, thresholds.csv, errors.csv and report.html, and prints the summary, or its JSON. With `heed_target`, ASSAY_E_FINDINGS when the
 * run missed [judge] target. */
int summary_write(struct cli *cli, struct assay_run *run, bool heed_target);

#endif
