/* SPDX-License-Identifier: MIT
 *
 * What one tensor is called in files of pretrained weights: torchvision's names, which are ours inside of a layer, and timm's.
 */
#ifndef ASSAY_TRAIN_WEIGHT_NAMES_H
#define ASSAY_TRAIN_WEIGHT_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ASSAY_WEIGHT_NAME 160 /* room for one name */

/* The name number `index` (from 0) under which a file may hold the variable `path` of a layer, `last`: of the last layer, the classifier. False past the last one. */
bool assay_weight_name(const char *path, bool last, uint32_t index, char name[ASSAY_WEIGHT_NAME]);
/* What stands before every name in some files, as DataParallel's "module."; NULL past the last one. The first one is "". */
const char *assay_weight_prefix(uint32_t index);

#endif
