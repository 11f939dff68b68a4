/* SPDX-License-Identifier: MIT
 *
 * Pictures cut into patches inside the graph, so that everything outside speaks of pictures: the patches go through the network as a larger batch, and their logits
 * become the picture's. A picture has its label, its patches have none: the loss sees what they say together (multiple-instance learning, Dietterich, Lathrop and
 * Lozano-Pérez, 1997).
 */
#ifndef ASSAY_TRAIN_PATCHES_H
#define ASSAY_TRAIN_PATCHES_H

#include "config/plan.h"
#include "graph/graph.h"

#include <assay/graph.h>

/* How many there are of a picture; 1: it is not cut. */
uint32_t assay_patch_count(const struct assay_data_settings *settings);
/* [B, C, H, W] to [P B, C, H / rows, W / columns]: patch p of sample n at n P + p, row by row, so that a sample's stand together. Fails the builder when a
 * side cannot be divided. */
assay_value assay_patches_cut(struct assay_builder *builder, const struct assay_data_settings *settings, assay_value planes);
/* One key a patch, [P B, 2]: those of one picture share theirs. */
assay_value assay_patches_keys(struct assay_builder *builder, const struct assay_data_settings *settings, assay_value keys);
/* Logits [P B, F] to [B, F], by the highest of each or by the mean. `first_is_positive`: a single logit's surest patch is the lowest. */
assay_value assay_patches_join(struct assay_builder *builder, const struct assay_data_settings *settings, assay_value logits, bool first_is_positive);

#endif
