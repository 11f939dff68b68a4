/* SPDX-License-Identifier: MIT
 *
 * What a search found out about its parameters: how much each decides about being among the best (PED-ANOVA), and on which values the good trials agree.
 */
#ifndef ASSAY_REPORT_IMPORTANCE_H
#define ASSAY_REPORT_IMPORTANCE_H

#include "study/study.h"

/* Watanabe, Bansal and Hutter, "PED-ANOVA", 2023: for each axis the Pearson divergence between the densities of the best tenth of the complete trials and of
 * all of them, times the squared share of the best. Densities are Parzen estimates on at most 50 places with Scott's bandwidth and one kernel for the whole
 * axis as prior; an axis that is not always active counts as far as it is (with fewer than two such trials not at all). Fills importances[dimension_count];
 * they are not normalised. All 0 with fewer than two complete trials. ASSAY_E_MEMORY. */
int assay_importance_compute(const struct assay_space *space, const struct assay_trial_record *const *records, uint32_t count, bool maximise,
                             double *importances, struct assay_status *status);

/* What the best quarter of the complete trials (at least four) has in common on one axis. */
struct assay_agreement {
  uint32_t good, all;  /* trials in which the axis is active */
  double value;        /* CHOICE: the choice most of them have; else their median */
  double share;        /* CHOICE: how many of them have it, of `good` */
  double share_of_all; /* the same of all trials */
  double low, high;    /* else: the smallest and the largest among them */
};
/* False when there are fewer than eight complete trials, or the axis is active in fewer than four of the best. */
bool assay_agreement_find(const struct assay_space *space, const struct assay_trial_record *const *records, uint32_t count, bool maximise, uint32_t dimension,
                          struct assay_agreement *agreement);

#endif
