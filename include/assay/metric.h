/* SPDX-License-Identifier: MIT
 *
 * Metrics: numbers computed from predictions alone, so that anyone can recompute them from predictions.csv.
 */
#ifndef ASSAY_METRIC_H
#define ASSAY_METRIC_H

#include <assay/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

struct assay_predictions {
  uint32_t struct_size;
  uint32_t count;          /* samples */
  uint32_t class_count;
  int32_t positive;        /* index of the positive class; -1: none named */
  const int32_t *labels;   /* [count] */
  const int32_t *guesses;  /* [count]: the class decided for, threshold applied */
  const double *scores;    /* [count * class_count]: each row sums to 1 */
  const double *losses;    /* [count]: the training loss of each sample, unweighted */
};

enum assay_metric_flags {
  ASSAY_METRIC_MAXIMISE = 1 << 0,  /* larger is better */
  ASSAY_METRIC_BINARY = 1 << 1,    /* needs `positive` */
  ASSAY_METRIC_PROPORTION = 1 << 2 /* `proportion` is set: the 95 % interval is Wilson's (1927); otherwise the bootstrap's */
};

struct assay_metric {
  uint32_t struct_size;
  uint32_t flags;
  /* The metric; NaN where it is not defined (no positives, say). Must accept any resampling of the predictions. */
  double (*compute)(const struct assay_option_value *const *options, const struct assay_predictions *predictions);
  /* Successes among trials, for metrics that are a proportion; `trials` NaN: not one with these options. */
  void (*proportion)(const struct assay_option_value *const *options, const struct assay_predictions *predictions, double *successes, double *trials);
};

#ifdef __cplusplus
}
#endif
#endif
