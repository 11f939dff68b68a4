/* SPDX-License-Identifier: MIT
 *
 * Search algorithms and pruners. Both are pure functions of what they are shown, so every point of a study can be recomputed.
 */
#ifndef ASSAY_SEARCH_H
#define ASSAY_SEARCH_H

#include <assay/plugin.h>
#include <assay/random.h>

#ifdef __cplusplus
extern "C" {
#endif

enum assay_domain_kind {
  ASSAY_DOMAIN_CHOICE = 1, /* a point holds the index of the choice, 0 … choice_count - 1 */
  ASSAY_DOMAIN_INT = 2,    /* low, low + step, … ≤ high */
  ASSAY_DOMAIN_REAL = 3    /* step 0: continuous */
};

/* One axis of the space. */
struct assay_dimension {
  uint32_t struct_size;
  uint32_t kind;         /* enum assay_domain_kind */
  const char *name;      /* section.key */
  double low, high;      /* closed; of INT and REAL */
  double step;           /* INT: at least 1; REAL: 0 or the distance between values */
  uint32_t logarithmic;  /* 1: low > 0, and equal ratios are equally likely */
  uint32_t choice_count; /* CHOICE */
  double default_value;  /* the value of the baseline trial, in a point's terms */
  int32_t parent;        /* the axis that this one depends on, always of kind CHOICE and a smaller number; -1: none */
  uint32_t parent_choice; /* active only while the parent is active and has this choice */
};

enum assay_trial_state {
  ASSAY_TRIAL_RUNNING = 1,
  ASSAY_TRIAL_COMPLETE = 2,
  ASSAY_TRIAL_PRUNED = 3,
  ASSAY_TRIAL_FAILED = 4
};

/* A trial as the history shows it. */
struct assay_trial {
  uint32_t struct_size;
  uint32_t state;                /* enum assay_trial_state */
  uint32_t number;               /* from 0 */
  uint32_t intermediate_count;
  const double *point;           /* one number a dimension; NaN where inactive */
  double value;                  /* objective, always to be minimised (the core turns maximised metrics around); COMPLETE only, else NaN */
  const uint32_t *steps;         /* intermediate results: step = fold number times the most epochs, plus the epoch (from 0), ascending */
  const double *intermediates;   /* objective there, to be minimised */
};

struct assay_space {
  uint32_t struct_size;
  uint32_t dimension_count;
  const struct assay_dimension *const *dimensions;
};

struct assay_history {
  uint32_t struct_size;
  uint32_t trial_count;
  const struct assay_trial *const *trials; /* by number, ascending */
};

struct assay_search {
  uint32_t struct_size;
  uint32_t reserved;
  /* Fills `point` (one number a dimension, NaN where inactive) for trial `number`. `fixed` holds a number for every dimension that is
   * not free and NaN for the others. `random` is seeded by (study seed, number). The core has already made trial 0 the defaults.
   * Gives 0, or ASSAY_E_FINDINGS when the space is used up, or another error with a status. */
  int (*ask)(const struct assay_option_value *const *options, const struct assay_space *space, const struct assay_history *history, uint32_t number,
             const double *fixed, struct assay_random *random, double *point, struct assay_status *status);
  /* Optional: how many points there are in all (grid); 0: no end. */
  int (*count)(const struct assay_option_value *const *options, const struct assay_space *space, uint64_t *count, struct assay_status *status);
};

struct assay_pruner {
  uint32_t struct_size;
  uint32_t reserved;
  /* 1 when `trial` (RUNNING, with its intermediate results so far) should stop now, else 0. */
  int (*prune)(const struct assay_option_value *const *options, const struct assay_history *history, const struct assay_trial *trial);
};

#ifdef __cplusplus
}
#endif
#endif
