/* SPDX-License-Identifier: MIT
 *
 * The forward pass of a function: pixels through the layers to logits and a loss a sample; and how options reach plugins.
 */
#include "train/build.h"

#include "base/arena.h"
#include "base/options.h"
#include "base/text.h"
#include "train/augment.h"
#include "train/patches.h"

#include <assay/layer.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

assay_value assay_build_scalar(struct assay_builder *b, assay_value x) { return assay_reshape(b, x, 0, NULL); }

static assay_value constant(struct assay_builder *b, double value) {
  const struct assay_constant_attributes attributes = {value, ASSAY_F32, 0};
  return b->host->emit(b, ASSAY_OP_CONSTANT, NULL, 0, &attributes, sizeof attributes);
}

assay_value assay_build_option(struct build *build, double value) {
  const uint32_t index = build->option_count++;
  if (!assay_is_valid(build->options)) return constant(build->b, value);
  return assay_build_scalar(build->b, assay_slice(build->b, build->options, 0, index, (int64_t)index + 1));
}

/* "kernel = 7, stride = 2": what errors show of the options in force. */
static void tell_options(struct build *build, const struct assay_component *component) {
  struct assay_text text = {0};
  for (uint32_t i = 0; i < assay_option_count(component->plugin->options); i++)
    assay_text_print(&text, "%s%s = %s", i > 0 ? ", " : "", component->plugin->options[i]->name, component->values[i]->text != NULL ? component->values[i]->text : "");
  assay_builder_options(build->b, text.failed || text.data == NULL ? "" : text.data);
  assay_text_release(&text);
}

const struct assay_option_value *const *assay_build_enter(struct build *build, const struct assay_component *component) {
  assay_builder_scope(build->b, component->name, component->where);
  tell_options(build, component);
  const uint32_t count = assay_option_count(component->plugin->options);
  const struct assay_option_value **bound = ASSAY_NEW_ARRAY(build->arena, const struct assay_option_value *, count + 1);
  if (bound == NULL) return NULL;
  for (uint32_t i = 0; i < count; i++) {
    bound[i] = component->values[i];
    if (!(component->plugin->options[i]->flags & ASSAY_OPTION_RUNTIME)) continue;
    struct assay_option_value *value = ASSAY_NEW(build->arena, struct assay_option_value);
    if (value == NULL) return NULL;
    *value = *component->values[i];
    const char *name = component->plugin->options[i]->name;
    const bool of_optimizer = component->plugin->kind == ASSAY_OPTIMIZER;
    if (of_optimizer && strcmp(name, "learning_rate") == 0) build->rate_option = (int32_t)build->option_count;
    if (of_optimizer && (strcmp(name, "momentum") == 0 || strcmp(name, "beta1") == 0)) build->momentum_option = (int32_t)build->option_count;
    value->runtime = assay_build_option(build, value->real);
    bound[i] = value;
  }
  return bound;
}

void assay_build_fail(struct build *build, const char *format, ...) {
  char message[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  build->b->host->fail(build->b, message);
}

/* u8 [B, H, W, C] to normalised f32 [B, C, H, W]. */
static assay_value normalised(struct build *build, assay_value pixels) {
  struct assay_builder *b = build->b;
  const int64_t channels = build->facts->channels, beside[3] = {channels, 1, 1};
  const struct assay_tensor_type statistic = {ASSAY_F32, 1, {channels}};
  assay_builder_scope(b, NULL, NULL);
  const assay_value mean = assay_state(b, "pixels/mean", &statistic, 0, ASSAY_ROLE_STATISTIC);
  const assay_value scale = assay_state(b, "pixels/scale", &statistic, 1, ASSAY_ROLE_STATISTIC);
  assay_value planes = assay_transpose(b, assay_cast(b, pixels, ASSAY_F32), (const int32_t[]){0, 3, 1, 2});
  if (build->context.training) {
    planes = assay_augment_planes(b, &build->settings->augment, build->options, planes, mean, &build->shares);
    assay_builder_scope(b, NULL, NULL);
  }
  return assay_mul(b, assay_sub(b, planes, assay_reshape(b, mean, 3, beside)), assay_reshape(b, scale, 3, beside));
}

/* Layers that are frozen whole are passed through as in evaluation. */
static void set_context(struct build *build, uint32_t number) {
  struct assay_build_context context = build->context;
  if (context.training) context.keys = build->patch_keys;
  if (build->tuning != NULL && build->phase == 0 && number < build->tuning->passed_layers) context.training = 0;
  assay_function_context(build->b, &context);
}

static assay_value layer(struct build *build, uint32_t number, assay_value images, const assay_value *outputs) {
  const struct assay_layer_setting *setting = &build->settings->layers[number];
  const struct assay_layer *vtable = setting->component.plugin->vtable;
  const struct assay_option_value *const *values = assay_build_enter(build, &setting->component);
  assay_value *inputs = ASSAY_NEW_ARRAY(build->arena, assay_value, setting->input_count);
  if (values == NULL || inputs == NULL) return assay_fail(build->b, "out of memory");
  if (setting->input_count < vtable->input_count_min || setting->input_count > vtable->input_count_max) {
    assay_build_fail(build, "%s takes %s%u input%s, not %u", setting->component.plugin->name, vtable->input_count_max > vtable->input_count_min ? "at least " : "",
         vtable->input_count_min, vtable->input_count_min == 1 ? "" : "s", setting->input_count);
    return assay_invalid();
  }
  set_context(build, number);
  for (uint32_t i = 0; i < setting->input_count; i++) {
    if (setting->inputs[i] >= (int32_t)number) return assay_fail(build->b, "an input must be a layer that comes before");
    inputs[i] = setting->inputs[i] < 0 ? images : outputs[setting->inputs[i]];
  }
  return vtable->build(build->b, values, inputs, setting->input_count);
}

/* Without a plugin: binary cross-entropy for one logit, else cross-entropy. */
static assay_value plain_loss(struct assay_builder *b, assay_value logits, assay_value labels) {
  const int64_t columns = assay_extent(b, logits, 1);
  assay_builder_scope(b, "loss", NULL);
  if (columns == 1) return assay_sigmoid_cross_entropy(b, assay_reshape(b, logits, 1, (const int64_t[]){-1}), assay_cast(b, labels, ASSAY_F32));
  return assay_softmax_cross_entropy(b, logits, assay_one_hot(b, labels, columns));
}

/* A loss a sample, [batch]; `values` NULL: without a plugin. */
static assay_value losses_for(struct build *build, const struct assay_option_value *const *values, assay_value labels) {
  struct assay_builder *b = build->b;
  if (values == NULL) return plain_loss(b, build->logits, labels);
  const struct assay_layer *vtable = build->settings->train.loss.plugin->vtable;
  const assay_value losses = vtable->build(b, values, (const assay_value[]){build->logits, labels}, 2);
  const struct assay_tensor_type *type = assay_type(b, losses);
  if (assay_is_valid(losses) && (type->rank != 1 || type->extents[0] != build->batch)) assay_build_fail(build, "a loss must give one number a sample");
  return losses;
}

static void loss(struct build *build) {
  const struct assay_component *component = &build->settings->train.loss;
  const struct assay_option_value *const *values = NULL;
  if (component->plugin != NULL) {
    values = assay_build_enter(build, component);
    if (values == NULL) {
      assay_build_fail(build, "out of memory");
      return;
    }
    if (!(((const struct assay_layer *)component->plugin->vtable)->flags & ASSAY_LAYER_LOSS)) {
      assay_build_fail(build, "%s is a layer, not a loss", component->plugin->name);
      return;
    }
  }
  build->losses = losses_for(build, values, build->labels);
  if (assay_is_valid(build->shares)) build->partner_losses = losses_for(build, values, assay_augment_partners(build->b, build->labels));
}

uint32_t assay_build_runtime_options(const struct assay_component *component) {
  uint32_t count = 0;
  for (uint32_t k = 0; component->plugin != NULL && k < assay_option_count(component->plugin->options); k++)
    count += (component->plugin->options[k]->flags & ASSAY_OPTION_RUNTIME) != 0;
  return count;
}

/* Notes what was found in a layer. */
static void note(struct build *build, uint32_t number, uint32_t streams) {
  if (build->walked == NULL) return;
  build->walked[number] = (struct assay_layer_facts){.end = assay_program_variable_count(build->program), .random = assay_builder_streams(build->b) > streams};
}

assay_value assay_build_layers(struct build *build, assay_value pixels) {
  const uint32_t count = build->settings->layer_count;
  assay_value *outputs = ASSAY_NEW_ARRAY(build->arena, assay_value, count);
  if (outputs == NULL || count == 0) {
    assay_build_fail(build, outputs == NULL ? "out of memory" : "the network has no layers; name them in [network] layers");
    return assay_invalid();
  }
  const assay_value images = assay_patches_cut(build->b, &build->settings->data, normalised(build, pixels));
  if (build->context.training) build->patch_keys = assay_patches_keys(build->b, &build->settings->data, build->context.keys);
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t streams = assay_builder_streams(build->b);
    outputs[i] = layer(build, i, images, outputs);
    note(build, i, streams);
  }
  assay_function_context(build->b, &build->context);
  return outputs[count - 1];
}

void assay_build_forward(struct build *build, assay_value pixels, assay_value labels) {
  const uint32_t classes = build->facts->class_count;
  build->labels = labels;
  build->losses = build->shares = assay_invalid();
  build->logits = assay_patches_join(build->b, &build->settings->data, assay_build_layers(build, pixels), build->facts->first_is_positive);
  const struct assay_tensor_type *type = assay_type(build->b, build->logits);
  if (assay_is_valid(build->logits) && (type->rank != 2 || (type->extents[1] != classes && (classes != 2 || type->extents[1] != 1))))
    assay_build_fail(build, "the last layer must give %s numbers (N, F) for %u classes; end the network in `classifier`", classes == 2 ? "1 or 2" : "as many", classes);
  loss(build);
}
