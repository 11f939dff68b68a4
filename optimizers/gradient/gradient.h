/* SPDX-License-Identifier: MIT
 *
 * What the gradient optimizers of this module share: tables in short form, state beside a parameter, weight decay, clipping.
 */
#ifndef ASSAY_OPTIMIZERS_GRADIENT_H
#define ASSAY_OPTIMIZERS_GRADIENT_H

#include <assay/optimizer.h>

#define OPTION(...) (&(const struct assay_option){.struct_size = sizeof(struct assay_option), __VA_ARGS__})

/* A number that may change from step to step. */
#define RUNTIME_OPTION(option_name, default_value, low, high, text)                                                                                            \
  OPTION(.name = option_name, .type = ASSAY_OPTION_REAL, .flags = ASSAY_OPTION_RUNTIME | ASSAY_OPTION_SEARCHABLE, .default_text = default_value,               \
         .minimum = low, .maximum = high, .help = text)
#define LEARNING_RATE_OPTION RUNTIME_OPTION("learning_rate", "0.001", 0, 1000, "Length of a step; what the schedule starts from.")
#define WEIGHT_DECAY_OPTION(default_value, text) RUNTIME_OPTION("weight_decay", default_value, 0, 1000, text " Weights only, not biases or norms.")

enum { CLIP_NONE, CLIP_NORM, CLIP_VALUE };
static const char *const clips[] = {"none", "norm", "value", NULL};
#define CLIP_OPTIONS                                                                                                                                           \
  OPTION(.name = "clip", .type = ASSAY_OPTION_CHOICE, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "none", .choices = clips,                              \
         .help = "Limits gradients: norm scales all of them so that the norm of their whole is at most clip_limit, value cuts each number to within it."),     \
      RUNTIME_OPTION("clip_limit", "1", 0, 1000000000, "What clip limits gradients to.")

/* A descriptor `assay_optimizer_NAME`; `clip` is the place of CLIP_OPTIONS in the table. */
#define OPTIMIZER(identifier, line, optimizer_flags, option_table, update_function, clip)                                                                      \
  static void prepare_##identifier(struct assay_builder *b, const struct assay_option_value *const *values, assay_value *gradients, uint32_t count) {          \
    assay_clip(b, values[clip]->integer, values[(clip) + 1]->runtime, gradients, count);                                                                       \
  }                                                                                                                                                            \
  const struct assay_plugin assay_optimizer_##identifier = {                                                                                                   \
      .magic = ASSAY_PLUGIN_MAGIC,                                                                                                                             \
      .struct_size = sizeof(struct assay_plugin),                                                                                                              \
      .kind = ASSAY_OPTIMIZER,                                                                                                                                 \
      .abi_major = ASSAY_OPTIMIZER_ABI_MAJOR,                                                                                                                  \
      .abi_minor = ASSAY_OPTIMIZER_ABI_MINOR,                                                                                                                  \
      .name = #identifier,                                                                                                                                     \
      .summary = line,                                                                                                                                         \
      .version = "1",                                                                                                                                          \
      .options = option_table,                                                                                                                                 \
      .vtable = &(const struct assay_optimizer){sizeof(struct assay_optimizer), optimizer_flags, update_function, prepare_##identifier},                         \
      .vtable_size = sizeof(struct assay_optimizer),                                                                                                           \
  }

/* Zeros of the parameter's type. */
static inline assay_value assay_zeros_beside(struct assay_builder *b, assay_value parameter, const char *name) {
  return assay_state(b, name, assay_type(b, parameter), 0, ASSAY_ROLE_OPTIMIZER);
}

/* gradient + decay * parameter: weight decay as a penalty on the squared norm. */
static inline assay_value assay_penalised(struct assay_builder *b, assay_value parameter, assay_value gradient, assay_value decay, uint32_t role) {
  return role == ASSAY_ROLE_WEIGHT ? assay_add(b, gradient, assay_mul(b, parameter, decay)) : gradient;
}

/* All gradients together at most `limit` long (Pascanu, Mikolov and Bengio, 2013), or each number within ± limit. */
static inline void assay_clip(struct assay_builder *b, int64_t clip, assay_value limit, assay_value *gradients, uint32_t count) {
  if (clip == CLIP_NONE || count == 0) return;
  if (clip == CLIP_VALUE) {
    for (uint32_t i = 0; i < count; i++) gradients[i] = assay_max(b, assay_min(b, gradients[i], limit), assay_negate(b, limit));
    return;
  }
  assay_value sum = assay_invalid();
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t all = (1u << assay_type(b, gradients[i])->rank) - 1;
    const assay_value own = assay_reduce_sum(b, assay_mul(b, gradients[i], gradients[i]), all, 0);
    sum = i == 0 ? own : assay_add(b, sum, own);
  }
  const assay_value norm = assay_add(b, assay_sqrt(b, sum), assay_number(b, sum, 1e-6));
  const assay_value factor = assay_min(b, assay_div(b, limit, norm), assay_number(b, sum, 1));
  for (uint32_t i = 0; i < count; i++) gradients[i] = assay_mul(b, gradients[i], factor);
}

/* a + share * (b - a) */
static inline assay_value assay_towards(struct assay_builder *b, assay_value from, assay_value to, assay_value share) {
  return assay_add(b, from, assay_mul(b, share, assay_sub(b, to, from)));
}

#endif
