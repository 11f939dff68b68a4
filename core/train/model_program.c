/* SPDX-License-Identifier: MIT
 *
 * A model's stored graph brought to life: built again at a batch size, and its weights put on a device.
 */
#include "train/model.h"

#include "base/status.h"

#include <stdlib.h>

int assay_model_replay(const struct assay_model *model, struct assay_builder *b, uint32_t batch, const int32_t *also, uint32_t also_count, assay_value *fetches,
                       struct assay_status *status) {
  const struct assay_function *stored = model->program->functions[0];
  const int64_t extents[4] = {batch, model->height, model->width, model->channels};
  const assay_value feeds[2] = {assay_function_feed(b, ASSAY_U8, 4, extents), assay_function_feed(b, ASSAY_I32, 1, extents)};
  assay_value *variables = calloc((size_t)model->program->variable_count + 1, sizeof *variables);
  int32_t *wanted = calloc((size_t)also_count + 2, sizeof *wanted);
  int code = variables == NULL || wanted == NULL ? assay_status_memory(status) : 0;
  for (uint32_t i = 0; code == 0 && i < model->program->variable_count; i++) {
    const struct assay_variable *variable = model->program->variables[i];
    variables[i] = b->host->variable(b, variable->name, &variable->type, ASSAY_INIT_CONSTANT, 0, variable->role);
  }
  if (code == 0) {
    for (int i = 0; i < 2; i++) wanted[i] = stored->fetches[i];
    for (uint32_t i = 0; i < also_count; i++) wanted[2 + i] = also[i];
    struct assay_function function = *stored;
    function.fetch_count = 2 + also_count;
    function.fetches = wanted;
    assay_builder_replay(b, &function, feeds, variables, fetches);
    const struct assay_tensor_type *logits = assay_type(b, fetches[ASSAY_FETCH_LOGITS]), *losses = assay_type(b, fetches[ASSAY_FETCH_LOSSES]);
    const bool fits =
        logits->rank == 2 && logits->extents[0] == batch && logits->extents[1] == model->logit_count && losses->rank == 1 && losses->extents[0] == batch;
    if (!fits) code = assay_status_set(status, ASSAY_E_DATA, "the graph fixes its batch size");
  }
  free(variables);
  free(wanted);
  return code;
}

uint32_t assay_model_fixed_batch(const struct assay_model *model) {
  const struct assay_function *stored = model->program->functions[0];
  return (uint32_t)stored->graph->types[stored->feeds[0]]->extents[0];
}

int assay_model_stores_create(const struct assay_model *model, const struct assay_backend *backend, struct assay_executable *executable,
                              struct assay_store ***stores, struct assay_status *status) {
  *stores = calloc(model->member_count, sizeof **stores);
  if (*stores == NULL) return assay_status_memory(status);
  for (uint32_t member = 0; member < model->member_count; member++) {
    int code = backend->store_create(executable, &(*stores)[member], status);
    for (uint32_t i = 0; code == 0 && i < model->program->variable_count; i++)
      code = backend->store_write((*stores)[member], i, model->members[member].data[i], status);
    if (code != 0) return code;
  }
  return 0;
}

void assay_model_stores_release(const struct assay_model *model, const struct assay_backend *backend, struct assay_store **stores) {
  for (uint32_t member = 0; stores != NULL && member < model->member_count; member++) backend->store_release(stores[member]);
  free(stores);
}
