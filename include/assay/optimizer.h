/* SPDX-License-Identifier: MIT
 *
 * Gradient optimizers: they write the update of a parameter from its gradient and its own state, as a graph.
 */
#ifndef ASSAY_OPTIMIZER_H
#define ASSAY_OPTIMIZER_H

#include <assay/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

enum assay_optimizer_flags {
  ASSAY_OPTIMIZER_ADAPTIVE = 1 << 0 /* (since 1.1) the length of a step follows the learning rate, however long the gradient is */
};

struct assay_optimizer {
  uint32_t struct_size;
  uint32_t flags;
  /* Gives the parameter's new value. `role` is the parameter's enum assay_role. State comes from assay_state(…, ASSAY_ROLE_OPTIMIZER) and is
   * written with assay_assign; the count of updates is builder->context->step. The option `learning_rate` (REAL, RUNTIME), where the
   * plugin has it, is driven by the schedule of `[train]`. */
  assay_value (*update)(struct assay_builder *builder, const struct assay_option_value *const *options, assay_value parameter, assay_value gradient,
                        uint32_t role);
  /* Optional: rewrites all gradients at once before the updates, as clipping by the global norm does. */
  void (*prepare)(struct assay_builder *builder, const struct assay_option_value *const *options, assay_value *gradients, uint32_t gradient_count);
};

#ifdef __cplusplus
}
#endif
#endif
