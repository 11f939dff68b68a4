/* SPDX-License-Identifier: MIT
 *
 * No pruning: every trial runs to its end.
 */
#include <assay/search.h>

static int prune(const struct assay_option_value *const *options, const struct assay_history *history, const struct assay_trial *trial) {
  (void)options, (void)history, (void)trial;
  return 0;
}

static const struct assay_pruner table = {sizeof table, 0, prune};

const struct assay_plugin assay_pruner_none = {ASSAY_PLUGIN_MAGIC,
                                               sizeof(struct assay_plugin),
                                               ASSAY_PRUNER,
                                               ASSAY_PRUNER_ABI_MAJOR,
                                               ASSAY_PRUNER_ABI_MINOR,
                                               "none",
                                               "every trial runs to its end",
                                               "1.0",
                                               NULL,
                                               &table,
                                               sizeof table,
                                               0};
