/* SPDX-License-Identifier: MIT */
#include "train/features.h"

#include "base/status.h"
#include "base/text.h"
#include "data/data.h"

#include <stdlib.h>
#include <string.h>

static bool is_wanted(const struct assay_samples *samples, uint32_t sample) {
  return samples->pixels[sample] != NULL && (samples->parts[sample] == ASSAY_PART_TRAIN || samples->parts[sample] == ASSAY_PART_VALIDATION);
}

uint32_t assay_features_count(const struct assay_samples *samples) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < samples->count; i++) count += is_wanted(samples, i);
  return count;
}

/* Adds the values of every variable that the function reads. */
static int add_variables(struct assay_hasher *hasher, const struct assay_runner *runner, const struct assay_function *function, struct assay_status *status) {
  const struct assay_program *program = runner->network->program;
  int code = 0;
  for (uint32_t i = 0; code == 0 && i < function->graph->node_count; i++) {
    const struct assay_node *node = function->graph->nodes[i];
    if (node->op != ASSAY_OP_VARIABLE) continue;
    const uint32_t index = ((const struct assay_source_attributes *)node->attributes)->index;
    const struct assay_tensor_type *type = &program->variables[index]->type;
    const size_t size = (size_t)assay_element_count(type) * assay_dtype_size(type->dtype);
    void *data = malloc(size);
    code = data == NULL ? assay_status_memory(status) : runner->backend->store_read(runner->store, index, data, status);
    if (code == 0) assay_hasher_add(hasher, data, size);
    free(data);
  }
  return code;
}

/* Layers, as the graph that they make, and their weights. */
static int make_key(const struct assay_runner *runner, struct assay_hash *key, struct assay_status *status) {
  const struct assay_function *function = runner->network->program->functions[runner->network->features];
  struct assay_hasher *hasher = assay_hasher_create();
  struct assay_text text = {0};
  if (hasher == NULL) return assay_status_memory(status);
  assay_graph_print(function->graph, &text);
  int code = text.failed ? assay_status_memory(status) : 0;
  if (code == 0) assay_hasher_add(hasher, text.data, text.length);
  if (code == 0) code = add_variables(hasher, runner, function, status);
  assay_text_release(&text);
  *key = assay_hasher_finish(hasher);
  return code;
}

static int make_room(struct assay_runner *runner, uint64_t bytes, uint32_t count, struct assay_status *status) {
  struct assay_features *features = runner->features;
  const struct assay_backend *backend = runner->backend;
  struct assay_device *device = assay_session_device(runner->session);
  if (features->bytes == bytes) return 0;
  assay_features_release(features, backend);
  int code = backend->buffer_create(device, bytes * count, &features->residency.pixels, status);
  if (code == 0) code = backend->buffer_create(device, count * sizeof(int32_t), &features->residency.labels, status);
  features->residency.rows = malloc(runner->samples->count * sizeof(uint32_t));
  features->residency.count = count;
  return code == 0 && features->residency.rows == NULL ? assay_status_memory(status) : code;
}

/* The samples' numbers and labels, in the order of their rows. */
static void list_rows(const struct assay_samples *samples, uint32_t *rows, uint32_t *numbers, int32_t *labels) {
  uint32_t row = 0;
  for (uint32_t i = 0; i < samples->count; i++) {
    if (!is_wanted(samples, i)) continue;
    rows[i] = row;
    numbers[row] = i;
    labels[row++] = samples->labels[i];
  }
}

static int compute(struct assay_runner *runner, const float *options, uint64_t bytes, struct assay_status *status) {
  const struct assay_backend *backend = runner->backend;
  const struct assay_residency *residency = &runner->features->residency;
  const uint32_t count = residency->count;
  uint32_t *numbers = malloc(count * sizeof *numbers);
  int32_t *labels = malloc(count * sizeof *labels);
  float *made = malloc(bytes * count);
  int code = numbers == NULL || labels == NULL || made == NULL ? assay_status_memory(status) : 0;
  if (code == 0) {
    list_rows(runner->samples, residency->rows, numbers, labels);
    code = assay_runner_features(runner, numbers, count, options, made, status);
  }
  if (code == 0) code = backend->buffer_write(residency->pixels, 0, made, bytes * count, status);
  if (code == 0) code = backend->buffer_write(residency->labels, 0, labels, count * sizeof *labels, status);
  free(numbers);
  free(labels);
  free(made);
  return code;
}

int assay_features_settle(struct assay_runner *runner, const float *options, struct assay_status *status) {
  const struct assay_network *network = runner->network;
  struct assay_features *features = runner->features;
  if (!network->phases[0].on_features) return 0;
  struct assay_hash key;
  int code = make_key(runner, &key, status);
  if (code != 0 || (features->bytes > 0 && memcmp(&key, &features->key, sizeof key) == 0)) return code;
  const uint64_t bytes = (uint64_t)assay_element_count(&network->features_type) / network->facts.evaluation_batch * sizeof(float);
  code = make_room(runner, bytes, network->facts.feature_rows, status);
  features->bytes = 0;
  if (code == 0) code = compute(runner, options, bytes, status);
  if (code != 0) return code;
  features->bytes = bytes;
  features->key = key;
  return 0;
}

void assay_features_release(struct assay_features *features, const struct assay_backend *backend) {
  backend->buffer_release(features->residency.pixels);
  backend->buffer_release(features->residency.labels);
  free(features->residency.rows);
  *features = (struct assay_features){.bytes = 0};
}
