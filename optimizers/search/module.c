/* SPDX-License-Identifier: MIT
 *
 * The module search.so: its list of search algorithms.
 */
#include <assay/search.h>

extern const struct assay_plugin assay_search_random, assay_search_grid, assay_search_tpe;

const struct assay_plugin *assay_plugin_query(unsigned index) {
  static const struct assay_plugin *const searches[] = {&assay_search_random, &assay_search_grid, &assay_search_tpe};
  return index < sizeof searches / sizeof *searches ? searches[index] : NULL;
}
