/* SPDX-License-Identifier: MIT
 *
 * What the gradient optimizers of this module share: tables in short form, state beside a parameter, weight decay.
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

/* A descriptor `assay_optimizer_NAME`. */
#define OPTIMIZER(identifier, line, option_table, update_function)                                                                                             \
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
      .vtable = &(const struct assay_optimizer){.struct_size = sizeof(struct assay_optimizer), .update = update_function},                                     \
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

/* a + share * (b - a) */
static inline assay_value assay_towards(struct assay_builder *b, assay_value from, assay_value to, assay_value share) {
  return assay_add(b, from, assay_mul(b, share, assay_sub(b, to, from)));
}

#endif
