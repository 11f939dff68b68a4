/* SPDX-License-Identifier: MIT
 *
 * Models in memory: made of trained weights, or by the file's reader.
 */
#include "train/model.h"

#include "base/arena.h"
#include "base/status.h"
#include "config.h"

#include <stdlib.h>
#include <string.h>

void assay_model_release(struct assay_model *model) {
  if (model == NULL) return;
  assay_program_release(model->builder);
  assay_arena_release(model->arena);
}

void assay_model_set_threshold(struct assay_model *model, double threshold) { model->threshold = threshold; }

void assay_model_set_temperature(struct assay_model *model, double temperature) { model->temperature = temperature; }

/* Copies one member's weights; they must be those of the program's variables. */
static int copy_member(struct assay_model *model, const struct assay_weights *weights, struct assay_weights *member, struct assay_status *status) {
  const struct assay_program *program = model->program;
  if (weights->count != program->variable_count) return assay_status_set(status, ASSAY_E_PLUGIN, "a layer asks for other variables in evaluation than in training");
  uint64_t *sizes = ASSAY_NEW_ARRAY(model->arena, uint64_t, weights->count);
  const uint8_t **data = ASSAY_NEW_ARRAY(model->arena, const uint8_t *, weights->count);
  if (sizes == NULL || data == NULL) return assay_status_memory(status);
  for (uint32_t i = 0; i < weights->count; i++) {
    const struct assay_variable *variable = program->variables[i];
    sizes[i] = (uint64_t)assay_element_count(&variable->type) * assay_dtype_size(variable->type.dtype);
    if (sizes[i] != weights->sizes[i])
      return assay_status_set(status, ASSAY_E_PLUGIN, "variable %s has another size in evaluation than in training", variable->name);
    data[i] = (const uint8_t *)assay_arena_copy_bytes(model->arena, weights->data[i], sizes[i]);
    if (data[i] == NULL) return assay_status_memory(status);
  }
  *member = (struct assay_weights){weights->count, sizes, data};
  return 0;
}

static int fill(struct assay_model *model, const struct assay_settings *settings, const struct assay_samples *samples, const struct assay_weights *const *members,
                uint32_t member_count, struct assay_status *status) {
  const struct assay_network_facts facts = {
      .class_count = samples->class_count, .height = samples->height, .width = samples->width, .channels = samples->channels};
  *model = (struct assay_model){.arena = model->arena,
                                .class_count = samples->class_count,
                                .positive = samples->positive,
                                .threshold = 0.5,
                                .temperature = 1,
                                .height = samples->height,
                                .width = samples->width,
                                .channels = samples->channels,
                                .fit = settings->data.fit,
                                .colour = settings->data.colour,
                                .version = PACKAGE_VERSION,
                                .member_count = member_count};
  memcpy(model->data_hash, samples->content.bytes, sizeof model->data_hash);
  const char **classes = ASSAY_NEW_ARRAY(model->arena, const char *, samples->class_count);
  struct assay_weights *copies = ASSAY_NEW_ARRAY(model->arena, struct assay_weights, member_count);
  if (classes == NULL || copies == NULL) return assay_status_memory(status);
  model->classes = classes;
  model->members = copies;
  for (uint32_t i = 0; i < samples->class_count; i++)
    if ((classes[i] = assay_arena_copy(model->arena, samples->classes[i])) == NULL) return assay_status_memory(status);
  int code = assay_network_inference(settings, &facts, &model->builder, &model->program, status);
  for (uint32_t i = 0; code == 0 && i < member_count; i++) code = copy_member(model, members[i], &copies[i], status);
  if (code != 0) return code;
  const struct assay_function *function = model->program->functions[0];
  model->logit_count = (uint32_t)function->graph->types[function->fetches[ASSAY_FETCH_LOGITS]]->extents[1];
  return 0;
}

int assay_model_create(const struct assay_settings *settings, const struct assay_samples *samples, const struct assay_weights *const *members,
                       uint32_t member_count, struct assay_model **model, struct assay_status *status) {
  *model = NULL;
  struct assay_arena *arena = assay_arena_create();
  struct assay_model *made = arena == NULL ? NULL : ASSAY_NEW(arena, struct assay_model);
  if (made == NULL) {
    assay_arena_release(arena);
    return assay_status_memory(status);
  }
  made->arena = arena;
  const int code = fill(made, settings, samples, members, member_count, status);
  if (code != 0) assay_model_release(made);
  else *model = made;
  return code;
}

struct assay_data_settings assay_model_data_settings(const struct assay_model *model) {
  return (struct assay_data_settings){.width = model->width, .height = model->height, .fit = model->fit, .colour = model->colour};
}

int32_t assay_model_decide(const struct assay_model *model, const double *scores) {
  if (model->class_count == 2) {
    const int32_t sought = model->positive >= 0 ? model->positive : 1;
    return scores[sought] >= model->threshold ? sought : 1 - sought;
  }
  int32_t best = 0;
  for (uint32_t class = 1; class < model->class_count; class++)
    if (scores[class] > scores[best]) best = (int32_t)class;
  return best;
}
