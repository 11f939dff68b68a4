/* SPDX-License-Identifier: MIT
 *
 * Models in memory: made of trained weights, or by the file's reader.
 */
#include "train/model.h"

#include "base/arena.h"
#include "base/status.h"
#include "config.h"
#include "train/pretrained.h"

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

/* Everything but the weights. */
static int begin(struct assay_model *model, const struct assay_settings *settings, const struct assay_samples *samples, struct assay_status *status) {
  const struct assay_network_facts facts = {
      .class_count = samples->class_count, .first_is_positive = samples->positive == 0, .height = samples->height, .width = samples->width, .channels = samples->channels};
  *model = (struct assay_model){.arena = model->arena,
                                .class_count = samples->class_count,
                                .positive = samples->positive,
                                .threshold = 0.5,
                                .temperature = 1,
                                .height = samples->height,
                                .width = samples->width,
                                .channels = samples->channels,
                                .fitting = settings->data.fitting,
                                .colour = settings->data.colour,
                                .version = PACKAGE_VERSION};
  memcpy(model->data_hash, samples->content.bytes, sizeof model->data_hash);
  const char **classes = ASSAY_NEW_ARRAY(model->arena, const char *, samples->class_count);
  if (classes == NULL) return assay_status_memory(status);
  model->classes = classes;
  for (uint32_t i = 0; i < samples->class_count; i++)
    if ((classes[i] = assay_arena_copy(model->arena, samples->classes[i])) == NULL) return assay_status_memory(status);
  int code = assay_model_judge_of(settings, model->arena, &model->judge, status);
  if (code == 0) code = assay_network_inference(settings, &facts, &model->builder, &model->program, status);
  if (code != 0) return code;
  const struct assay_function *function = model->program->functions[0];
  model->logit_count = (uint32_t)function->graph->types[function->fetches[ASSAY_FETCH_LOGITS]]->extents[1];
  return 0;
}

static int add_members(struct assay_model *model, const struct assay_weights *const *members, uint32_t member_count, struct assay_status *status) {
  struct assay_weights *copies = ASSAY_NEW_ARRAY(model->arena, struct assay_weights, member_count);
  int code = copies == NULL ? assay_status_memory(status) : 0;
  for (uint32_t i = 0; code == 0 && i < member_count; i++) code = copy_member(model, members[i], &copies[i], status);
  model->members = copies;
  model->member_count = member_count;
  return code;
}

/* An empty model in an arena of its own; NULL when memory is short. */
static struct assay_model *empty(void) {
  struct assay_arena *arena = assay_arena_create();
  struct assay_model *made = arena == NULL ? NULL : ASSAY_NEW(arena, struct assay_model);
  if (made == NULL) assay_arena_release(arena);
  else made->arena = arena;
  return made;
}

int assay_model_create(const struct assay_settings *settings, const struct assay_samples *samples, const struct assay_weights *const *members,
                       uint32_t member_count, struct assay_model **model, struct assay_status *status) {
  *model = NULL;
  struct assay_model *made = empty();
  if (made == NULL) return assay_status_memory(status);
  int code = begin(made, settings, samples, status);
  if (code == 0) code = add_members(made, members, member_count, status);
  if (code != 0) assay_model_release(made);
  else *model = made;
  return code;
}

/* ---- From pretrained weights ---- */

/* What training would know from images. */
static int imagine_samples(const struct assay_settings *settings, struct assay_arena *arena, struct assay_samples *samples, struct assay_status *status) {
  const struct assay_data_settings *data = &settings->data;
  *samples = (struct assay_samples){.width = data->width, .height = data->height, .channels = data->colour == ASSAY_COLOUR_GREY ? 1 : 3, .positive = -1};
  if (settings->weights == NULL)
    return assay_status_set(status, ASSAY_E_CONFIG, "an INI gives a model without training only with [network] weights; name them, or train and take the model file of the run");
  if (data->width == 0) return assay_status_set(status, ASSAY_E_CONFIG, "a model without training needs [data] size, as 224x224");
  if (data->normalise == ASSAY_NORMALISE_STANDARD)
    return assay_status_set(status, ASSAY_E_CONFIG, "a model without training needs to know what input its weights expect; say so with [data] normalise, such as imagenet");
  const int code = assay_pretrained_classes(settings, arena, &samples->classes, &samples->class_count, status);
  for (uint32_t i = 0; code == 0 && data->positive != NULL && i < samples->class_count; i++)
    if (strcmp(samples->classes[i], data->positive) == 0) samples->positive = (int32_t)i;
  return code;
}

/* The variable's numbers: pretrained, or the pixels' normalisation. */
static int fill_variable(const struct assay_settings *settings, const struct assay_pretrained *pretrained, const struct assay_variable *variable, uint32_t number,
                         uint32_t channels, float *numbers, struct assay_status *status) {
  static const double none[4] = {0};
  double mean[4], deviation[4];
  assay_normalisation(&settings->data, channels, none, none, mean, deviation);
  const bool is_mean = strcmp(variable->name, "pixels/mean") == 0;
  if (assay_pretrained_has(pretrained, number)) {
    assay_pretrained_fill(pretrained, number, numbers);
  } else if (is_mean || strcmp(variable->name, "pixels/scale") == 0) {
    for (uint32_t c = 0; c < channels; c++) numbers[c] = (float)(is_mean ? mean[c] : 1 / deviation[c]);
  } else {
    return assay_status_set(status, ASSAY_E_CONFIG, "%s has nothing for %s, so a model without training cannot be made; train it", settings->weights, variable->name);
  }
  return 0;
}

static int add_pretrained(struct assay_model *model, const struct assay_settings *settings, struct assay_status *status) {
  const struct assay_program *program = model->program;
  struct assay_pretrained *pretrained;
  int code = assay_pretrained_open(settings, program, model->classes, model->class_count, &pretrained, status);
  if (code != 0) return code;
  assay_pretrained_tell(pretrained);
  uint64_t *sizes = ASSAY_NEW_ARRAY(model->arena, uint64_t, program->variable_count);
  const uint8_t **data = ASSAY_NEW_ARRAY(model->arena, const uint8_t *, program->variable_count);
  struct assay_weights *member = ASSAY_NEW(model->arena, struct assay_weights);
  if (sizes == NULL || data == NULL || member == NULL) code = assay_status_memory(status);
  for (uint32_t i = 0; code == 0 && i < program->variable_count; i++) {
    const size_t count = (size_t)assay_element_count(&program->variables[i]->type);
    float *numbers = ASSAY_NEW_ARRAY(model->arena, float, count);
    code = numbers == NULL ? assay_status_memory(status) : fill_variable(settings, pretrained, program->variables[i], i, model->channels, numbers, status);
    sizes[i] = count * sizeof *numbers;
    data[i] = (const uint8_t *)numbers;
  }
  assay_pretrained_release(pretrained);
  if (code != 0) return code;
  *member = (struct assay_weights){program->variable_count, sizes, data};
  model->members = member;
  model->member_count = 1;
  return 0;
}

int assay_model_from_weights(const struct assay_settings *settings, struct assay_model **model, struct assay_status *status) {
  *model = NULL;
  struct assay_model *made = empty();
  struct assay_samples samples;
  if (made == NULL) return assay_status_memory(status);
  int code = imagine_samples(settings, made->arena, &samples, status);
  if (code == 0) code = begin(made, settings, &samples, status);
  if (code == 0) code = add_pretrained(made, settings, status);
  if (code != 0) assay_model_release(made);
  else *model = made;
  return code;
}

struct assay_data_settings assay_model_data_settings(const struct assay_model *model) {
  return (struct assay_data_settings){.width = model->width, .height = model->height, .fitting = model->fitting, .colour = model->colour};
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
