/* SPDX-License-Identifier: MIT
 *
 * The module metric.so: its list of metrics.
 */
#include "metrics.h"

extern const struct assay_plugin assay_metric_accuracy, assay_metric_balanced_accuracy, assay_metric_f1, assay_metric_false_negative_rate, assay_metric_log_loss,
    assay_metric_loss, assay_metric_mcc, assay_metric_precision, assay_metric_recall, assay_metric_roc_auc;

const struct assay_plugin *assay_plugin_query(unsigned index) {
  static const struct assay_plugin *const metrics[] = {
      &assay_metric_accuracy, &assay_metric_balanced_accuracy, &assay_metric_f1,        &assay_metric_false_negative_rate, &assay_metric_log_loss,
      &assay_metric_loss,     &assay_metric_mcc,               &assay_metric_precision, &assay_metric_recall,              &assay_metric_roc_auc,
  };
  return index < sizeof metrics / sizeof *metrics ? metrics[index] : NULL;
}
