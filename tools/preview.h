/* SPDX-License-Identifier: MIT */
#ifndef ASSAY_TOOLS_PREVIEW_H
#define ASSAY_TOOLS_PREVIEW_H

#include "cli.h"
#include "data/data.h"

/* Writes contact sheets of a split data set into `folder`: one a class, and one of augmented images; `result` gets {folder, files, warnings}. */
int preview_write(struct cli *cli, struct assay_dataset *dataset, const struct assay_settings *settings, const char *folder, json_t **result);
/* The same for people. */
void preview_print(struct cli *cli, const json_t *preview);

#endif
