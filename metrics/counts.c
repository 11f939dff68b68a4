/* SPDX-License-Identifier: MIT
 *
 * Counts by class, from which most metrics follow.
 */
#include "metrics.h"

#include <stdlib.h>

struct assay_class_counts *assay_count_classes(const struct assay_predictions *predictions) {
  struct assay_class_counts *counts = calloc(predictions->class_count > 0 ? predictions->class_count : 1, sizeof *counts);
  if (counts == NULL) return NULL;
  for (uint32_t i = 0; i < predictions->count; i++) {
    counts[predictions->labels[i]].labelled++;
    counts[predictions->guesses[i]].guessed++;
    if (predictions->labels[i] == predictions->guesses[i]) counts[predictions->labels[i]].both++;
  }
  return counts;
}

struct assay_class_counts assay_count_class(const struct assay_predictions *predictions, int32_t class) {
  struct assay_class_counts counts = {0, 0, 0};
  for (uint32_t i = 0; i < predictions->count; i++) {
    const int labelled = predictions->labels[i] == class, guessed = predictions->guesses[i] == class;
    counts.labelled += labelled;
    counts.guessed += guessed;
    counts.both += labelled && guessed;
  }
  return counts;
}
