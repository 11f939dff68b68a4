/* SPDX-License-Identifier: MIT */
#include "train/residency.h"

#include "base/status.h"

#include <stdlib.h>

uint32_t assay_samples_usable(const struct assay_samples *samples) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < samples->count; i++) count += samples->pixels[i] != NULL;
  return count;
}

uint64_t assay_samples_bytes(const struct assay_samples *samples) { return (uint64_t)samples->height * samples->width * samples->channels; }

static int send(struct assay_session *session, const struct assay_samples *samples, struct assay_residency *residency, int32_t *labels,
                struct assay_status *status) {
  const struct assay_backend *backend = assay_session_backend(session);
  const uint64_t bytes = assay_samples_bytes(samples);
  uint32_t row = 0;
  int code = 0;
  for (uint32_t i = 0; code == 0 && i < samples->count; i++) {
    if (samples->pixels[i] == NULL) continue;
    residency->rows[i] = row;
    labels[row] = samples->labels[i];
    code = backend->buffer_write(residency->pixels, row++ * bytes, samples->pixels[i], bytes, status);
  }
  return code == 0 ? backend->buffer_write(residency->labels, 0, labels, row * sizeof *labels, status) : code;
}

int assay_residency_create(struct assay_session *session, const struct assay_samples *samples, struct assay_residency *residency, struct assay_status *status) {
  const struct assay_backend *backend = assay_session_backend(session);
  struct assay_device *device = assay_session_device(session);
  const uint32_t count = assay_samples_usable(samples);
  int32_t *labels = malloc(((size_t)count + 1) * sizeof *labels);
  *residency = (struct assay_residency){.count = count, .rows = calloc((size_t)samples->count + 1, sizeof(uint32_t))};
  int code = labels == NULL || residency->rows == NULL ? assay_status_memory(status) : 0;
  if (code == 0) code = backend->buffer_create(device, assay_samples_bytes(samples) * count, &residency->pixels, status);
  if (code == 0) code = backend->buffer_create(device, count * sizeof(int32_t), &residency->labels, status);
  if (code == 0) code = send(session, samples, residency, labels, status);
  if (code != 0) assay_residency_release(residency, backend);
  free(labels);
  return code;
}

void assay_residency_release(struct assay_residency *residency, const struct assay_backend *backend) {
  backend->buffer_release(residency->pixels);
  backend->buffer_release(residency->labels);
  free(residency->rows);
  *residency = (struct assay_residency){.count = 0};
}
