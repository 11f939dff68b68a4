/* SPDX-License-Identifier: MIT
 *
 * The module pruner.so: its list of pruners.
 */
#include <assay/search.h>

extern const struct assay_plugin assay_pruner_none, assay_pruner_median;

const struct assay_plugin *assay_plugin_query(unsigned index) {
  static const struct assay_plugin *const pruners[] = {&assay_pruner_none, &assay_pruner_median};
  return index < sizeof pruners / sizeof *pruners ? pruners[index] : NULL;
}
