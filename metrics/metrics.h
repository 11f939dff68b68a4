/* SPDX-License-Identifier: MIT
 *
 * What the metrics of this module share: descriptors in short form and counts by class.
 *
 * Where a quotient is 0 / 0, classes without predictions count as 0, as in scikit-learn (zero_division = 0), so that a model which never finds a class
 * is punished. But a metric of the positive class alone is NaN where there is no positive sample: then there was nothing to find.
 */
#ifndef ASSAY_METRICS_METRICS_H
#define ASSAY_METRICS_METRICS_H

#include <assay/metric.h>

#define OPTION(...) (&(const struct assay_option){.struct_size = sizeof(struct assay_option), __VA_ARGS__})

/* A descriptor `assay_metric_NAME`. */
#define METRIC(identifier, line, metric_flags, option_table, compute_function, proportion_function)                                                            \
  const struct assay_plugin assay_metric_##identifier = {                                                                                                      \
      .magic = ASSAY_PLUGIN_MAGIC,                                                                                                                             \
      .struct_size = sizeof(struct assay_plugin),                                                                                                              \
      .kind = ASSAY_METRIC,                                                                                                                                    \
      .abi_major = ASSAY_METRIC_ABI_MAJOR,                                                                                                                     \
      .abi_minor = ASSAY_METRIC_ABI_MINOR,                                                                                                                     \
      .name = #identifier,                                                                                                                                     \
      .summary = line,                                                                                                                                         \
      .version = "1",                                                                                                                                          \
      .options = option_table,                                                                                                                                 \
      .vtable = &(const struct assay_metric){sizeof(struct assay_metric), metric_flags, compute_function, proportion_function},                                \
      .vtable_size = sizeof(struct assay_metric),                                                                                                              \
  }

/* Of one class. */
struct assay_class_counts {
  double labelled, guessed, both; /* samples with this label, with this guess, with both */
};

/* [class_count], malloc'ed; NULL when memory is short. */
struct assay_class_counts *assay_count_classes(const struct assay_predictions *predictions);
struct assay_class_counts assay_count_class(const struct assay_predictions *predictions, int32_t class);

#endif
