/* SPDX-License-Identifier: MIT
 *
 * Files of weights: tensors that are taken lie inside of the file, one behind the other, and what the metadata say makes sense.
 */
#include "base/arena.h"
#include "config/weights_file.h"
#include "graph/safetensors.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const struct assay_safetensors *file, const uint8_t *data, size_t size, struct assay_arena *arena) {
  uint64_t expected = 0, sum = 0;
  for (uint32_t i = 0; i < file->tensor_count; i++) {
    const struct assay_tensor *tensor = &file->tensors[i];
    const uint8_t *begin = tensor->data;
    if (tensor->offset != expected || begin < data || tensor->size > size || begin + tensor->size > data + size) abort();
    if (assay_safetensors_tensor(file, tensor->name) != tensor || tensor->dtype == NULL) abort();
    expected += tensor->size;
    sum += begin[0] + begin[tensor->size - 1];
  }
  struct assay_weights_facts facts;
  struct assay_status status;
  if (assay_weights_facts("fuzz", file, arena, &facts, &status) != 0 || sum == UINT64_MAX) return;
  if (facts.has_epsilon && !(facts.epsilon > 0 && isfinite(facts.epsilon))) abort();
  for (int c = 0; c < 3 && facts.has_input; c++)
    if (!isfinite(facts.mean[c]) || !(facts.deviation[c] > 0)) abort();
  for (uint32_t i = 0; i < facts.class_count; i++)
    if (facts.classes[i][0] == '\0') abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct assay_arena *arena = assay_arena_create();
  if (arena == NULL) return 0;
  struct assay_safetensors file;
  struct assay_status status = {0, {0}};
  const int code = assay_safetensors_parse("fuzz", data, size, arena, &file, &status);
  if (code == 0) look(&file, data, size, arena);
  else if (status.message[0] == '\0' || (code != ASSAY_E_DATA && code != ASSAY_E_MEMORY)) abort();
  assay_arena_release(arena);
  return 0;
}
