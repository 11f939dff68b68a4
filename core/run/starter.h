/* SPDX-License-Identifier: MIT
 *
 * The INI that `assay init` proposes for a folder of images, from what a scan of the folder shows.
 */
#ifndef ASSAY_RUN_STARTER_H
#define ASSAY_RUN_STARTER_H

#include "data/data.h"

struct assay_text;

/* Appends the commented INI. `path` is what [data] path is to say. The proposals: the commonest image size, shrunk to at most 96 pixels on the longer side;
 * as many folds as the smallest class allows, up to 5, below 2,000 images, and repeats of them where it has few; mcc as the objective where one class has more than three times the images of
 * another; below 1,000 images pretrained features with a new classifier, where `assay weights get` has fetched some; and the positive class where a name tells it. Augmentation is off in the default values, since a kind that makes
 * wrong labels harms in silence; the search may try the two that any camera makes. */
void assay_starter_write(const struct assay_dataset *dataset, const char *path, struct assay_text *text);

/* The class whose name says that it is what one looks for (crack, defect, anomaly, …), when exactly one does; else NULL. */
const char *assay_starter_positive(const char *const *classes, uint32_t count);

#endif
