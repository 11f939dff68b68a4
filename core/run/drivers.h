/* SPDX-License-Identifier: MIT
 *
 * Drivers that a backend stands on, each tried by itself in a child with a time limit. One that crashes, hangs or ends the process while it is entered is
 * left alone from then on: the verdict is remembered until the driver changes or the machine was started again.
 */
#ifndef ASSAY_RUN_DRIVERS_H
#define ASSAY_RUN_DRIVERS_H

#include "graph/session.h"

#include <stdbool.h>

struct assay_arena;

struct assay_driver_state {
  const char *name;
  const char *problem; /* what is wrong, and the remedy; NULL: nothing */
  bool harmful;        /* it must not be entered */
};

enum assay_drivers_effort {
  ASSAY_DRIVERS_KNOWN = 0,    /* no child: what is not remembered is taken to be sound */
  ASSAY_DRIVERS_UNKNOWN = 1,  /* those are tried that nothing is remembered of */
  ASSAY_DRIVERS_ALL = 2       /* all are tried again */
};

/* The drivers of a backend, memory from `arena`; none when it has none that could be told apart. */
int assay_drivers_survey(const struct assay_plugin *backend, const struct assay_option_value *const *values, const char *plugin_path, enum assay_drivers_effort effort,
                         struct assay_arena *arena, const struct assay_driver_state **states, uint32_t *count, struct assay_status *status);

/* What to hand to `list` and `open`: NULL when none is harmful, otherwise the names of the others and NULL behind them, from `arena`. `none` is set when all are harmful. */
int assay_drivers_allowed(const struct assay_driver_state *states, uint32_t count, struct assay_arena *arena, const char *const **drivers, bool *none,
                          struct assay_status *status);

#endif
