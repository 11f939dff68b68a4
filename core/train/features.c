/* SPDX-License-Identifier: MIT */
#include "train/features.h"

#include "base/status.h"
#include "base/text.h"
#include "train/runner.h"

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

int assay_features_prepare(struct assay_features *features, struct assay_session *session, const struct assay_samples *samples,
                           const struct assay_network *network, struct assay_status *status) {
  const uint32_t bytes = (uint32_t)(network->kept.width * sizeof(float));
  const uint64_t taken = network->kept.resident ? network->kept.bytes : 0;
  if (bytes == 0) return 0;
  if (features->rows != NULL && features->samples.channels == bytes && features->taken == taken) return 0;
  assay_features_release(features, session);
  const int code = assay_session_take(session, taken, status);
  if (code != 0) return code;
  features->taken = taken;
  features->rows = calloc((size_t)samples->count + 1, sizeof *features->rows);
  features->samples = *samples;
  features->samples.pixels = features->rows;
  features->samples.height = features->samples.width = 1;
  features->samples.channels = bytes;
  return features->rows == NULL ? assay_status_memory(status) : 0;
}

/* Forgets the rows, but not what they would need. */
static void drop(struct assay_features *features, const struct assay_backend *backend) {
  assay_residency_release(&features->residency, backend);
  free(features->host);
  features->host = NULL;
  features->there = false;
}

void assay_features_release(struct assay_features *features, struct assay_session *session) {
  drop(features, assay_session_backend(session));
  assay_session_give_back(session, features->taken);
  free(features->rows);
  *features = (struct assay_features){.there = false};
}

/* ---- What they are made by ---- */

/* Adds the values of a variable, or of options, that the function reads. */
static int add_node(struct assay_hasher *hasher, const struct assay_runner *runner, const struct assay_function *function, const struct assay_node *node,
                    const float *options, struct assay_status *status) {
  if (node->op == ASSAY_OP_SLICE && node->inputs[0] == function->feeds[ASSAY_FEED_OPTIONS]) {
    const struct assay_slice_attributes *slice = node->attributes;
    assay_hasher_add(hasher, options + slice->start[0], (size_t)(slice->stop[0] - slice->start[0]) * sizeof *options);
  }
  if (node->op != ASSAY_OP_VARIABLE) return 0;
  const uint32_t index = ((const struct assay_source_attributes *)node->attributes)->index;
  const struct assay_tensor_type *type = &runner->network->program->variables[index]->type;
  const size_t size = (size_t)assay_element_count(type) * assay_dtype_size(type->dtype);
  void *data = malloc(size);
  const int code = data == NULL ? assay_status_memory(status) : runner->backend->store_read(runner->store, index, data, status);
  if (code == 0) assay_hasher_add(hasher, data, size);
  free(data);
  return code;
}

/* Layers, as the graph that they make, their options and their weights. */
static int make_key(const struct assay_runner *runner, const float *options, struct assay_hash *key, struct assay_status *status) {
  const struct assay_function *function = runner->network->program->functions[runner->network->kept.function];
  struct assay_hasher *hasher = assay_hasher_create();
  struct assay_text text = {0};
  if (hasher == NULL) return assay_status_memory(status);
  assay_graph_print(function->graph, &text);
  int code = text.failed ? assay_status_memory(status) : 0;
  if (code == 0) assay_hasher_add(hasher, text.data, text.length);
  for (uint32_t i = 0; code == 0 && i < function->graph->node_count; i++) code = add_node(hasher, runner, function, function->graph->nodes[i], options, status);
  assay_text_release(&text);
  *key = assay_hasher_finish(hasher);
  return code;
}

/* ---- Making them ---- */

/* Computes all rows into the host's memory. */
static int compute(struct assay_runner *runner, const float *options, struct assay_status *status) {
  struct assay_features *features = runner->features;
  const uint32_t count = assay_features_count(runner->samples);
  const uint64_t width = runner->network->kept.width;
  uint32_t *numbers = malloc(((size_t)count + 1) * sizeof *numbers), row = 0;
  features->host = malloc(width * count * sizeof(float));
  int code = numbers == NULL || features->host == NULL ? assay_status_memory(status) : 0;
  for (uint32_t i = 0; code == 0 && i < runner->samples->count; i++) {
    if (!is_wanted(runner->samples, i)) continue;
    features->rows[i] = (const uint8_t *)(features->host + row * width);
    numbers[row++] = i;
  }
  if (code == 0) code = assay_runner_features(runner, numbers, count, options, features->host, status);
  free(numbers);
  return code;
}

int assay_features_settle(struct assay_runner *runner, const float *options, struct assay_status *status) {
  struct assay_features *features = runner->features;
  if (runner->network->kept.width == 0) return 0;
  struct assay_hash key;
  int code = make_key(runner, options, &key, status);
  if (code != 0 || (features->there && memcmp(&key, &features->key, sizeof key) == 0)) return code;
  drop(features, runner->backend);
  code = compute(runner, options, status);
  if (code == 0 && runner->network->kept.resident) {
    code = assay_residency_create(runner->session, &features->samples, &features->residency, status);
    free(features->host);
    features->host = NULL;
  }
  features->there = code == 0;
  features->key = key;
  return code;
}
