/* SPDX-License-Identifier: MIT
 *
 * Augmentation: random changes of training images, as part of the graph of a training step.
 *
 * All geometry of an image (flips, turns, zoom, …) becomes one projective map, by which it is sampled once, bilinearly. Then come blur, colours (one affine map
 * of the channels), noise, a limit to 0 … 255, cutout and mixup. Strengths are runtime options: only which kinds there are is part of the program. Random
 * numbers belong to the sample and the epoch, and each kind has its own, so that one kind does not change what another draws.
 */
#ifndef ASSAY_TRAIN_AUGMENT_H
#define ASSAY_TRAIN_AUGMENT_H

#include "config/plan.h"

#include <assay/graph.h>
#include <stdbool.h>

/* Is this kind used at any point of the space? */
static inline bool assay_augment_uses(const struct assay_augment_settings *settings, uint32_t kind) { return settings->most[kind] > 0; }
/* How many are; and their strengths in the order of kinds, for the vector of options. */
uint32_t assay_augment_count(const struct assay_augment_settings *settings);
float *assay_augment_options(const struct assay_augment_settings *settings, float *options);

/* `planes`: f32 [N, C, H, W] in 0 … 255; gives their augmented form. `strengths`: f32 scalars of the kinds in use, in order. `mean`: f32 [C], what cutout fills
 * with. `shares` gets f32 [N], how much of a mixed image (and label) is its own, at least a half; the rest is its partner's. Invalid without mixup. */
assay_value assay_augment_build(struct assay_builder *builder, const struct assay_augment_settings *settings, const assay_value *strengths, assay_value planes,
                                assay_value mean, assay_value *shares);
/* The same with the strengths from the end of a vector of options. */
assay_value assay_augment_planes(struct assay_builder *builder, const struct assay_augment_settings *settings, assay_value options, assay_value planes,
                                 assay_value mean, assay_value *shares);
/* Each sample's partner: the next one of the batch, and the first for the last. Axis 0 is the sample. */
assay_value assay_augment_partners(struct assay_builder *builder, assay_value x);

#endif
