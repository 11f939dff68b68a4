/* SPDX-License-Identifier: MIT
 *
 * Area under the receiver operating characteristic: the chance that a sample of a class scores higher than one of the others, ties counting half
 * (Hanley and McNeil, 1982). More than two classes: each against the rest, mean over the classes for which both sides have samples.
 */
#include "metrics.h"

#include <math.h>
#include <stdlib.h>

struct scored {
  double score;
  int inside; /* belongs to the class */
};

static int by_score(const void *left, const void *right) {
  const double a = ((const struct scored *)left)->score, b = ((const struct scored *)right)->score;
  return (a > b) - (a < b);
}

/* From the sum of ranks (Mann and Whitney, 1947). NaN when one side is empty or a score is no number. */
static double area(const struct assay_predictions *predictions, uint32_t class, struct scored *sorted) {
  double inside = 0;
  for (uint32_t i = 0; i < predictions->count; i++) {
    sorted[i].score = predictions->scores[(size_t)i * predictions->class_count + class];
    sorted[i].inside = predictions->labels[i] == (int32_t)class;
    if (isnan(sorted[i].score)) return NAN;
    inside += sorted[i].inside;
  }
  const double outside = predictions->count - inside;
  if (inside == 0 || outside == 0) return NAN;
  qsort(sorted, predictions->count, sizeof *sorted, by_score);
  double ranks = 0;
  for (uint32_t first = 0, end; first < predictions->count; first = end) {
    double members = 0;
    for (end = first; end < predictions->count && sorted[end].score == sorted[first].score; end++) members += sorted[end].inside;
    ranks += members * (first + 1.0 + end) / 2;
  }
  return (ranks - inside * (inside + 1) / 2) / (inside * outside);
}

static double roc_auc(const struct assay_option_value *const *values, const struct assay_predictions *predictions) {
  (void)values;
  struct scored *sorted = calloc(predictions->count > 0 ? predictions->count : 1, sizeof *sorted);
  if (sorted == NULL) return NAN;
  double sum = 0, defined = 0;
  /* With two classes both areas are equal but for rounding in the scores. */
  const uint32_t first = predictions->class_count == 2 ? (predictions->positive == 0 ? 0 : 1) : 0;
  const uint32_t end = predictions->class_count == 2 ? first + 1 : predictions->class_count;
  for (uint32_t class = first; class < end; class++) {
    const double value = area(predictions, class, sorted);
    if (isnan(value)) continue;
    sum += value;
    defined++;
  }
  free(sorted);
  return sum / defined;
}

METRIC(roc_auc, "area under the receiver operating characteristic", ASSAY_METRIC_MAXIMISE, NULL, roc_auc, NULL);
