/* SPDX-License-Identifier: MIT
 *
 * The short trainings of `assay check`. Exit code 7 when they find something.
 */
#ifndef ASSAY_TOOLS_SANITY_H
#define ASSAY_TOOLS_SANITY_H

#include "cli.h"

/* Prints rate, loss and smoothed loss of each step, a plot and a suggestion. */
int sanity_range(struct cli *cli, const struct assay_settings *settings);
/* Learns so many images by heart, or says why that fails. */
int sanity_overfit(struct cli *cli, const struct assay_settings *settings, uint32_t images);

#endif
