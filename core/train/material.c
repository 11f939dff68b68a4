/* SPDX-License-Identifier: MIT */
#include "train/material.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/status.h"

#include <stdlib.h>

#define RESIDENT_LIMIT ((uint64_t)1 << 30)

static int list_part(struct assay_material *material, uint32_t fold, struct assay_status *status) {
  const struct assay_samples *samples = material->samples;
  const bool refit = fold == samples->fold_count;
  struct assay_fold_part *part = &material->parts[fold];
  part->training = ASSAY_NEW_ARRAY(material->arena, uint32_t, samples->count);
  part->validation = ASSAY_NEW_ARRAY(material->arena, uint32_t, samples->count);
  if (part->training == NULL || part->validation == NULL) return assay_status_memory(status);
  for (uint32_t i = 0; i < samples->count; i++) {
    if (samples->pixels[i] == NULL) continue;
    const bool own = !refit && samples->folds[i] == (int32_t)fold;
    if (samples->parts[i] == ASSAY_PART_TRAIN && !own) part->training[part->training_count++] = i;
    if ((samples->parts[i] == ASSAY_PART_TRAIN && own) || (samples->parts[i] == ASSAY_PART_VALIDATION && !refit)) part->validation[part->validation_count++] = i;
  }
  if (part->training_count == 0 || (!refit && part->validation_count == 0))
    return assay_status_set(status, ASSAY_E_DATA, "fold %u has no images %s; use fewer folds, or [data] validation with folds = 1", fold + 1,
                            part->training_count == 0 ? "to train on" : "to validate on");
  assay_samples_statistics(samples, part->training, part->training_count, part->mean, part->deviation);
  return 0;
}

static int send_samples(struct assay_material *material, uint64_t image, struct assay_status *status) {
  const struct assay_samples *samples = material->samples;
  const struct assay_backend *backend = assay_session_backend(material->session);
  struct assay_residency *residency = &material->residency;
  int32_t *labels = malloc((residency->count + 1) * sizeof *labels);
  uint32_t row = 0;
  int code = labels == NULL ? assay_status_memory(status) : 0;
  for (uint32_t i = 0; code == 0 && i < samples->count; i++) {
    if (samples->pixels[i] == NULL) continue;
    residency->rows[i] = row;
    labels[row] = samples->labels[i];
    code = backend->buffer_write(residency->pixels, row++ * image, samples->pixels[i], image, status);
  }
  if (code == 0) code = backend->buffer_write(residency->labels, 0, labels, row * sizeof *labels, status);
  free(labels);
  return code;
}

/* Pixels stay on the device when there is room; else the residency stays empty. */
static int settle(struct assay_material *material, struct assay_status *status) {
  const struct assay_samples *samples = material->samples;
  const struct assay_backend *backend = assay_session_backend(material->session);
  struct assay_device *device = assay_session_device(material->session);
  struct assay_residency *residency = &material->residency;
  const uint64_t image = (uint64_t)samples->height * samples->width * samples->channels;
  uint32_t usable = 0;
  for (uint32_t i = 0; i < samples->count; i++) usable += samples->pixels[i] != NULL;
  residency->rows = ASSAY_NEW_ARRAY(material->arena, uint32_t, samples->count);
  if (residency->rows == NULL) return assay_status_memory(status);
  if (image * usable > RESIDENT_LIMIT) return 0;
  struct assay_status full;
  if (backend->buffer_create(device, image * usable, &residency->pixels, &full) != 0 ||
      backend->buffer_create(device, usable * sizeof(int32_t), &residency->labels, &full) != 0) {
    assay_log_message(ASSAY_LOG_INFO, "images are sent batch by batch: %s", full.message);
    return 0;
  }
  residency->count = usable;
  return send_samples(material, image, status);
}

int assay_material_open(struct assay_session *session, const struct assay_samples *samples, struct assay_arena *arena, struct assay_material *material,
                        struct assay_status *status) {
  *material = (struct assay_material){.arena = arena, .session = session, .samples = samples};
  material->parts = ASSAY_NEW_ARRAY(arena, struct assay_fold_part, samples->fold_count + 1);
  int code = material->parts == NULL ? assay_status_memory(status) : 0;
  if (code == 0 && (samples->channels == 0 || samples->channels > 4))
    code = assay_status_set(status, ASSAY_E_DATA, "images have %u channels; 1 to 4 can be trained on", samples->channels);
  for (uint32_t fold = 0; code == 0 && fold <= samples->fold_count; fold++) code = list_part(material, fold, status);
  return code == 0 ? settle(material, status) : code;
}

void assay_material_release(struct assay_material *material) {
  if (material->session == NULL) return;
  const struct assay_backend *backend = assay_session_backend(material->session);
  assay_features_release(&material->features, backend);
  backend->buffer_release(material->residency.pixels);
  backend->buffer_release(material->residency.labels);
}
