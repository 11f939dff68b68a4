/* SPDX-License-Identifier: MIT
 *
 * Random search: every axis uniform over its values, logarithmic ones over their logarithm. A point depends on (seed, number) alone.
 */
#include "search.h"

#include <math.h>

static int ask(const struct assay_option_value *const *options, const struct assay_space *space, const struct assay_history *history, uint32_t number,
               const double *fixed, struct assay_random *random, double *point, struct assay_status *status) {
  (void)options, (void)history, (void)number, (void)status;
  for (uint32_t i = 0; i < space->dimension_count; i++) {
    const double value = assay_search_value_at(space->dimensions[i], assay_random_uniform(random)); /* drawn for inactive axes too: the others stay the same */
    point[i] = !assay_search_active(space->dimensions[i], point) ? NAN : !isnan(fixed[i]) ? fixed[i] : value;
  }
  return 0;
}

static const struct assay_search table = {sizeof table, 0, ask, NULL};

const struct assay_plugin assay_search_random = {ASSAY_PLUGIN_MAGIC,
                                                 sizeof(struct assay_plugin),
                                                 ASSAY_SEARCH,
                                                 ASSAY_SEARCH_ABI_MAJOR,
                                                 ASSAY_SEARCH_ABI_MINOR,
                                                 "random",
                                                 "points drawn evenly over the space",
                                                 "1.0",
                                                 NULL,
                                                 &table,
                                                 sizeof table,
                                                 0};
