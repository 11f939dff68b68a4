/* SPDX-License-Identifier: MIT */
#include "report/comparison.h"

#include "base/json.h"
#include "base/text.h"

#include <math.h>
#include <string.h>

static json_t *folds_of(const struct assay_trial_record *record) {
  for (uint32_t i = 0; record != NULL && i < record->attribute_count; i++)
    if (strcmp(record->attributes[i].key, "assay:folds") == 0) return json_loads(record->attributes[i].json, 0, NULL);
  return NULL;
}

/* The 97.5 % quantile of Student's t: a table, and beyond it Cornish and Fisher's expansion (Abramowitz and Stegun, 26.7.5). */
static double student(size_t degrees) {
  static const double table[] = {NAN,   12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281,
                                 2.2010, 2.1788,  2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860};
  if (degrees < sizeof table / sizeof *table) return table[degrees];
  const double z = 1.959964, n = (double)degrees;
  return z + (z * z * z + z) / (4 * n) + (5 * pow(z, 5) + 16 * pow(z, 3) + 3 * z) / (96 * n * n);
}

struct differences {
  double sum, squares;
  double ratio; /* sum of validation images for each training image */
  size_t count;
  int better;
};

static json_t *compare_folds(const json_t *best, const json_t *baseline, bool maximise, struct differences *differences) {
  json_t *list = json_array();
  for (size_t i = 0; i < json_array_size(best); i++) {
    const json_t *mine = json_object_get(json_array_get(best, i), "objective"), *theirs = json_object_get(json_array_get(baseline, i), "objective");
    const bool both = json_is_number(mine) && json_is_number(theirs);
    const double difference = both ? json_number_value(mine) - json_number_value(theirs) : NAN;
    json_array_append_new(list, json_pack("{s:O?,s:O?,s:o}", "best", mine, "baseline", theirs, "difference", assay_json_number(difference)));
    if (!both) continue;
    differences->sum += difference;
    differences->ratio += json_number_value(json_object_get(json_array_get(best, i), "validation")) / json_number_value(json_object_get(json_array_get(best, i), "training"));
    differences->squares += difference * difference;
    differences->count++;
    differences->better += maximise ? difference > 0 : difference < 0;
  }
  return list;
}

json_t *assay_comparison_build(const struct assay_trial_record *best, const struct assay_trial_record *baseline, bool maximise) {
  json_t *mine = folds_of(best), *theirs = folds_of(baseline), *made = NULL;
  const bool comparable =
      best != NULL && baseline != NULL && best->number != baseline->number && json_array_size(mine) > 0 && json_array_size(mine) == json_array_size(theirs);
  if (comparable) {
    struct differences differences = {0};
    json_t *folds = compare_folds(mine, theirs, maximise, &differences);
    const double n = (double)differences.count, mean = differences.sum / n;
    double half = NAN;
    if (differences.count > 1) {
      const double variance = fmax(differences.squares - n * mean * mean, 0) / (n - 1);
      half = student(differences.count - 1) * sqrt(variance * (1 / n + differences.ratio / n));
    }
    made = json_pack("{s:i,s:o,s:o,s:o,s:o,s:i}", "trial", (int)best->number, "folds", folds, "mean", assay_json_number(mean), "low",
                     assay_json_number(mean - half), "high", assay_json_number(mean + half), "better", differences.better);
  }
  json_decref(mine);
  json_decref(theirs);
  return made != NULL ? made : json_null();
}

void assay_comparison_print(const json_t *comparison, const char *objective, struct assay_text *text) {
  if (!json_is_object(comparison)) return;
  const json_t *folds = json_object_get(comparison, "folds"), *low = json_object_get(comparison, "low");
  assay_text_print(text, "Best minus default, %s by fold:", objective);
  for (size_t i = 0; i < json_array_size(folds); i++) {
    const json_t *difference = json_object_get(json_array_get(folds, i), "difference");
    if (json_is_number(difference)) assay_text_print(text, " %+.4g", json_number_value(difference));
    else assay_text_add(text, " –");
  }
  assay_text_print(text, "; mean %+.4g", json_number_value(json_object_get(comparison, "mean")));
  if (json_is_number(low)) assay_text_print(text, " (%+.4g … %+.4g)", json_number_value(low), json_number_value(json_object_get(comparison, "high")));
  assay_text_print(text, ", better in %lld of %zu\n", (long long)json_integer_value(json_object_get(comparison, "better")), json_array_size(folds));
}
