/* SPDX-License-Identifier: MIT */
#include "report/training.h"

#include "base/arena.h"
#include "base/csv.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "report/verdict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *attribute_of(const struct assay_trial_record *record, const char *key) {
  for (uint32_t i = 0; record != NULL && i < record->attribute_count; i++)
    if (strcmp(record->attributes[i].key, key) == 0) return record->attributes[i].json;
  return NULL;
}

/* Entropy of the validation images' labels, of one repeat: the loss of whoever knows only how common each class is. */
static double chance_loss(const struct assay_prediction_set *set) {
  double loss = 0;
  for (uint32_t class = 0; set != NULL && class < set->class_count; class++) {
    uint32_t members = 0, all = 0;
    for (uint32_t row = 0; row < set->count; row++) {
      if (set->parts[row] != ASSAY_PART_VALIDATION || set->repeats[row] > 0) continue;
      members += set->labels[row] == (int32_t)class;
      all++;
    }
    if (members > 0) loss -= (double)members / all * log((double)members / all);
  }
  return loss;
}

/* How many images the run's split.csv has for training and validation; 0 when it cannot be read. */
static uint32_t count_images(const char *run, struct assay_arena *arena) {
  enum { PART = 2, LARGEST = 1 << 30 };
  struct assay_status ignored;
  const char *path = assay_path_join(arena, run, "split.csv");
  char *data;
  size_t size;
  if (path == NULL || !assay_file_exists(path) || assay_file_read(path, LARGEST, ASSAY_E_STORAGE, &data, &size, &ignored) != 0) return 0;
  struct assay_csv csv;
  uint32_t count = 0;
  assay_csv_begin(&csv, data, size);
  while (assay_csv_next(&csv)) count += csv.count > PART && (strcmp(csv.fields[PART], "train") == 0 || strcmp(csv.fields[PART], "validation") == 0);
  assay_csv_end(&csv);
  free(data);
  return count;
}

/* Class weights make rare classes as dear as others: then knowing nothing costs as if all were alike. */
static double weighted_chance(const struct assay_summary_sources *sources, double loss) {
  return sources->predictions != NULL && sources->winner->train.class_weights != ASSAY_CLASS_WEIGHTS_NONE ? log(sources->predictions->class_count) : loss;
}

static bool is_nonfinite(const struct assay_trial_record *const *records, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    const char *code = attribute_of(records[i], "assay:code");
    int64_t number;
    if (records[i]->state == ASSAY_TRIAL_FAILED && code != NULL && assay_parse_integer(code, &number) && number == ASSAY_E_NONFINITE) return true;
  }
  return false;
}

static int add_verdict(json_t *summary, const struct assay_summary_sources *sources, const struct assay_trial_record *best, struct assay_arena *arena, struct assay_status *status) {
  struct assay_verdict_sources verdict = {.settings = sources->winner};
  const struct assay_trial_record *const *records;
  uint32_t count;
  int code = 0;
  if (best == NULL) {
    code = assay_study_list(sources->study, arena, &records, &count, status);
    verdict.nonfinite = code == 0 && is_nonfinite(records, count);
  } else {
    const char *path = assay_arena_print(arena, "%s/trials/%u/curves.csv", sources->run, best->number);
    if (path == NULL) return assay_status_memory(status);
    if (assay_file_exists(path)) code = assay_curves_read(path, arena, &verdict.curves, &verdict.curve_count, status);
    if (code == ASSAY_E_DATA) code = 0; /* a damaged file costs the report its curves and verdict, and nothing else */
  }
  if (code != 0) return code;
  verdict.image_count = count_images(sources->run, arena);
  verdict.chance_loss = weighted_chance(sources, chance_loss(sources->predictions));
  json_object_set_new(summary, "verdict", assay_verdict_build(&verdict));
  return 0;
}

int assay_training_add(json_t *summary, const struct assay_summary_sources *sources, struct assay_arena *arena, struct assay_status *status) {
  const struct assay_trial_record *best = NULL;
  const int code = assay_study_best(sources->study, arena, &best, status);
  return code == 0 ? add_verdict(summary, sources, best, arena, status) : code;
}
