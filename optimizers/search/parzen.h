/* SPDX-License-Identifier: MIT
 *
 * The adaptive Parzen estimator of TPE (Bergstra, Bardenet, Bengio, Kégl, "Algorithms for Hyper-Parameter Optimization", NIPS 2011), over one axis or
 * several at once: a mixture of products, one kernel an observation and one for the prior.
 *
 * Numeric axes have normal kernels cut off at the ends of the domain, in log space where the axis is logarithmic; an axis with steps takes the mass of
 * each step's cell. A kernel is as wide as the larger gap to its neighbours, within limits. Choices have kernels that give the observed choice the
 * most. With `floor` 0 this is the estimator of Optuna's sampler, against which it is tested.
 */
#ifndef ASSAY_OPTIMIZERS_SEARCH_PARZEN_H
#define ASSAY_OPTIMIZERS_SEARCH_PARZEN_H

#include <assay/search.h>
#include <stdbool.h>

/* Numbers without a unit. */
struct assay_parzen_settings {
  double prior_weight; /* of the prior's kernel, where an observation has 1 */
  double floor;        /* the least width of a kernel, as a share of the domain */
  bool clip;           /* widths are at least the domain / min(100, observations + 2): few observations say little */
  bool ends;           /* the gap to the end of the domain counts for the outermost observations */
};

struct assay_parzen_axis {
  uint32_t kind; /* enum assay_domain_kind */
  bool logarithmic;
  uint32_t choice_count;
  double low, high, step;                 /* as in the dimension; step 0: continuous */
  double from, to;                        /* the domain inside: with half a step on both sides, in log space */
  double *centres, *widths, *normalisers; /* numeric, one a kernel: log of the mass inside the domain, and for continuous ones of width * sqrt(2 pi) too */
  uint32_t *observed;                     /* CHOICE, one a kernel but for the prior's */
  double log_hit, log_miss, log_prior;    /* CHOICE: log probabilities */
};

struct assay_parzen {
  uint32_t axis_count, kernel_count; /* the prior's kernel is the last */
  struct assay_parzen_axis *axes;
  double *weights, *log_weights; /* sum 1 */
  double *terms;                 /* room for one number a kernel: one thread at a time */
};

/* `observations`: `count` rows, one number an axis, as in points. `weights`: one a row, or NULL for 1 each. NULL when memory is short. */
struct assay_parzen *assay_parzen_create(const struct assay_dimension *const *dimensions, uint32_t axis_count, const double *observations,
                                         const double *weights, uint32_t count, const struct assay_parzen_settings *settings);
void assay_parzen_release(struct assay_parzen *parzen);
/* One point from the mixture. */
void assay_parzen_sample(const struct assay_parzen *parzen, struct assay_random *random, double *point);
/* Log density at a point; on logarithmic axes that of the logarithm, on axes with steps the log mass of the cell. */
double assay_parzen_log_density(const struct assay_parzen *parzen, const double *point);

/* log(Φ(b) - Φ(a)) for a < b, exact far into the tails. */
double assay_log_normal_mass(double a, double b);

#endif
