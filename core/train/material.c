/* SPDX-License-Identifier: MIT */
#include "train/material.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/status.h"

#include <stdlib.h>

static int list_part(struct assay_material *material, uint32_t number, struct assay_status *status) {
  const struct assay_samples *samples = material->samples;
  const bool refit = number == material->part_count;
  const int32_t *folds = refit ? NULL : samples->folds[number / samples->fold_count], fold = refit ? -1 : (int32_t)(number % samples->fold_count);
  struct assay_fold_part *part = &material->parts[number];
  part->training = ASSAY_NEW_ARRAY(material->arena, uint32_t, samples->count);
  part->validation = ASSAY_NEW_ARRAY(material->arena, uint32_t, samples->count);
  if (part->training == NULL || part->validation == NULL) return assay_status_memory(status);
  for (uint32_t i = 0; i < samples->count; i++) {
    if (samples->pixels[i] == NULL) continue;
    const bool own = !refit && folds[i] == fold;
    if (samples->parts[i] == ASSAY_PART_TRAIN && !own) part->training[part->training_count++] = i;
    if ((samples->parts[i] == ASSAY_PART_TRAIN && own) || (samples->parts[i] == ASSAY_PART_VALIDATION && !refit)) part->validation[part->validation_count++] = i;
  }
  if (part->training_count == 0 || (!refit && part->validation_count == 0))
    return assay_status_set(status, ASSAY_E_DATA, "fold %u has no images %s; use fewer folds, or [data] validation with folds = 1", number + 1,
                            part->training_count == 0 ? "to train on" : "to validate on");
  assay_samples_statistics(samples, part->training, part->training_count, part->mean, part->deviation);
  return 0;
}

/* Pixels stay on the device when there is room; else the residency stays empty. */
static void settle(struct assay_material *material) {
  const uint64_t bytes = assay_samples_bytes(material->samples) * assay_samples_usable(material->samples);
  struct assay_status full;
  if (bytes > ASSAY_MOST_RESIDENT) return;
  int code = assay_session_take(material->session, bytes, &full);
  if (code == 0) {
    material->taken = bytes;
    code = assay_residency_create(material->session, material->samples, &material->residency, &full);
  }
  if (code == 0) return;
  assay_material_withdraw(material);
  assay_log_message(ASSAY_LOG_INFO, "images are sent batch by batch: %s", full.message);
}

int assay_material_open(struct assay_session *session, const struct assay_samples *samples, struct assay_arena *arena, struct assay_material *material,
                        struct assay_status *status) {
  *material = (struct assay_material){.arena = arena, .session = session, .samples = samples, .part_count = samples->repeat_count * samples->fold_count};
  material->parts = ASSAY_NEW_ARRAY(arena, struct assay_fold_part, (size_t)material->part_count + 1);
  int code = material->parts == NULL ? assay_status_memory(status) : 0;
  if (code == 0 && (samples->channels == 0 || samples->channels > 4))
    code = assay_status_set(status, ASSAY_E_DATA, "images have %u channels; 1 to 4 can be trained on", samples->channels);
  for (uint32_t number = 0; code == 0 && number <= material->part_count; number++) code = list_part(material, number, status);
  if (code == 0) settle(material);
  return code;
}

void assay_material_release(struct assay_material *material) {
  if (material->session == NULL) return;
  assay_features_release(&material->features, material->session);
  assay_material_withdraw(material);
}

void assay_material_withdraw(struct assay_material *material) {
  assay_residency_release(&material->residency, assay_session_backend(material->session));
  assay_session_give_back(material->session, material->taken);
  material->taken = 0;
}
