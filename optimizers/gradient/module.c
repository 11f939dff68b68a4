/* SPDX-License-Identifier: MIT
 *
 * The module optimizer.so: its list of gradient optimizers.
 */
#include "gradient.h"

extern const struct assay_plugin assay_optimizer_adam, assay_optimizer_adamw, assay_optimizer_rmsprop, assay_optimizer_sgd;

const struct assay_plugin *assay_plugin_query(unsigned index) {
  static const struct assay_plugin *const optimizers[] = {&assay_optimizer_adam, &assay_optimizer_adamw, &assay_optimizer_rmsprop, &assay_optimizer_sgd};
  return index < sizeof optimizers / sizeof *optimizers ? optimizers[index] : NULL;
}
