/* SPDX-License-Identifier: MIT
 *
 * Where a class has few images, one round of folds says little about it: how many rounds would say more.
 */
#include "data/data.h"

enum { ENOUGH = 25, JUDGEMENTS = 50, MOST = 10 };

static uint32_t count_training(const struct assay_dataset *dataset, uint32_t label) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < dataset->count; i++) {
    const struct assay_sample *sample = &dataset->samples[i];
    count += sample->label == (int32_t)label && sample->problem == NULL && sample->part == ASSAY_PART_TRAIN;
  }
  return count;
}

struct assay_repeat_proposal assay_dataset_propose_repeats(const struct assay_dataset *dataset) {
  struct assay_repeat_proposal proposal = {.count = UINT32_MAX};
  for (uint32_t label = 0; label < dataset->class_count; label++) {
    const uint32_t count = count_training(dataset, label);
    if (count >= proposal.count) continue;
    proposal.label = label;
    proposal.count = count;
  }
  if (dataset->has_validation || proposal.count < 2 || proposal.count >= ENOUGH) return proposal;
  const uint32_t wanted = (JUDGEMENTS + proposal.count - 1) / proposal.count;
  proposal.repeats = wanted < MOST ? wanted : MOST;
  return proposal;
}
