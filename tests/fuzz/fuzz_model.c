/* SPDX-License-Identifier: MIT
 *
 * Model files: whatever is taken as a model has a graph that went through shape inference, and classes that can be decided for.
 */
#include "train/model.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct assay_model *model;
  struct assay_status status = {0, {0}};
  const int code = assay_model_parse("fuzz", data, size, &model, &status);
  if (code != 0) {
    if (model != NULL || status.message[0] == '\0' || (code != ASSAY_E_DATA && code != ASSAY_E_MEMORY)) abort();
    return 0;
  }
  if (model->program->function_count != 1 || model->class_count < 2 || model->positive >= (int32_t)model->class_count) abort();
  double *scores = calloc(model->class_count, sizeof *scores);
  if (scores != NULL) {
    const int32_t class = assay_model_decide(model, scores);
    if (class < 0 || class >= (int32_t)model->class_count) abort();
  }
  free(scores);
  assay_model_release(model);
  return 0;
}
