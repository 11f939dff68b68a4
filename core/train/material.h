/* SPDX-License-Identifier: MIT
 *
 * A data set at one size of image as trials need it: its pixels on the device, and which samples a fold trains on and is validated with.
 */
#ifndef ASSAY_TRAIN_MATERIAL_H
#define ASSAY_TRAIN_MATERIAL_H

#include "train/features.h"

/* Samples and pixel statistics of a fold of a repeat; the entry behind the last one is the refit's. */
struct assay_fold_part {
  uint32_t *training, *validation; /* sample numbers, ascending */
  uint32_t training_count, validation_count;
  double mean[4], deviation[4];
};

/* Bytes of one kind (pixels, or what frozen layers make of them) that are kept on the device. */
#define ASSAY_MOST_RESIDENT ((uint64_t)1 << 30)

struct assay_material {
  struct assay_arena *arena;
  struct assay_session *session;
  const struct assay_samples *samples;
  struct assay_residency residency;
  uint64_t taken; /* of the session's memory, by the residency */
  struct assay_features features;
  uint32_t part_count;           /* folds of all repeats */
  struct assay_fold_part *parts; /* [part_count + 1]: fold f of repeat r is number r * fold_count + f */
};

/* Session and samples outlive the material, whose arrays come from `arena`. Pixels stay on the device when they take at most ASSAY_MOST_RESIDENT
 * bytes and it has room for them. To be released also after a failure. */
int assay_material_open(struct assay_session *session, const struct assay_samples *samples, struct assay_arena *arena, struct assay_material *material,
                        struct assay_status *status);
void assay_material_release(struct assay_material *material);
/* Takes the pixels off the device, so that they are sent batch by batch. */
void assay_material_withdraw(struct assay_material *material);

#endif
