/* SPDX-License-Identifier: MIT
 *
 * The module metric.so: its list of metrics.
 */
#include "metrics.h"

extern const struct assay_plugin assay_metric_accuracy, assay_metric_average_precision, assay_metric_balanced_accuracy, assay_metric_brier,
    assay_metric_calibration_error, assay_metric_cost, assay_metric_f1, assay_metric_false_negative_rate, assay_metric_false_negatives,
    assay_metric_false_positive_rate, assay_metric_false_positives, assay_metric_log_loss, assay_metric_loss, assay_metric_mcc, assay_metric_precision,
    assay_metric_recall, assay_metric_roc_auc, assay_metric_specificity, assay_metric_true_negatives, assay_metric_true_positives;

const struct assay_plugin *assay_plugin_query(unsigned index) {
  static const struct assay_plugin *const metrics[] = {
      &assay_metric_accuracy, &assay_metric_average_precision, &assay_metric_balanced_accuracy, &assay_metric_brier, &assay_metric_calibration_error,
    &assay_metric_cost, &assay_metric_f1, &assay_metric_false_negative_rate, &assay_metric_false_negatives, &assay_metric_false_positive_rate,
    &assay_metric_false_positives, &assay_metric_log_loss, &assay_metric_loss, &assay_metric_mcc, &assay_metric_precision, &assay_metric_recall,
    &assay_metric_roc_auc, &assay_metric_specificity, &assay_metric_true_negatives, &assay_metric_true_positives,
  };
  return index < sizeof metrics / sizeof *metrics ? metrics[index] : NULL;
}
