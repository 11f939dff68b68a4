/* SPDX-License-Identifier: MIT
 *
 * Sets of predictions: rows, decisions, confusion.
 */
#include "train/predictions.h"

#include "base/arena.h"
#include "base/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct assay_prediction_set *assay_predictions_create(uint32_t class_count, const char *const *classes, int32_t positive) {
  struct assay_prediction_set *set = calloc(1, sizeof *set);
  if (set == NULL) return NULL;
  set->class_count = class_count;
  set->positive = positive;
  set->threshold = 0.5;
  set->arena = assay_arena_create();
  const char **copies = set->arena == NULL ? NULL : ASSAY_NEW_ARRAY(set->arena, const char *, class_count);
  set->classes = copies;
  for (uint32_t class = 0; copies != NULL && class < class_count; class++)
    if ((copies[class] = assay_arena_copy(set->arena, classes[class])) == NULL) copies = NULL;
  if (copies == NULL) {
    assay_predictions_release(set);
    return NULL;
  }
  return set;
}

void assay_predictions_release(struct assay_prediction_set *set) {
  if (set == NULL) return;
  free(set->paths);
  free(set->parts);
  free(set->repeats);
  free(set->folds);
  free(set->labels);
  free(set->guesses);
  free(set->scores);
  free(set->losses);
  assay_arena_release(set->arena);
  free(set);
}

/* Columns grow together; a column that grew alone because the next could not is only longer than needed. */
static bool grow_column(void *column, uint32_t capacity, size_t size) {
  void **pointer = column;
  size_t bytes;
  void *grown = assay_multiply(capacity, size, &bytes) ? realloc(*pointer, bytes) : NULL;
  if (grown != NULL) *pointer = grown;
  return grown != NULL;
}

static bool make_room(struct assay_prediction_set *set) {
  if (set->count < set->capacity) return true;
  if (set->capacity > UINT32_MAX / 2) return false;
  const uint32_t capacity = set->capacity == 0 ? 64 : set->capacity * 2;
  if (!grow_column(&set->paths, capacity, sizeof *set->paths) || !grow_column(&set->parts, capacity, sizeof *set->parts) ||
      !grow_column(&set->repeats, capacity, sizeof *set->repeats) || !grow_column(&set->folds, capacity, sizeof *set->folds) ||
      !grow_column(&set->labels, capacity, sizeof *set->labels) || !grow_column(&set->guesses, capacity, sizeof *set->guesses) ||
      !grow_column(&set->scores, capacity, sizeof *set->scores * (set->class_count > 0 ? set->class_count : 1)) ||
      !grow_column(&set->losses, capacity, sizeof *set->losses))
    return false;
  set->capacity = capacity;
  return true;
}

static int32_t decide(const struct assay_prediction_set *set, const double *scores) {
  if (set->class_count == 2) {
    const int32_t sought = set->positive >= 0 ? set->positive : 1;
    return scores[sought] >= set->threshold ? sought : 1 - sought;
  }
  int32_t best = 0;
  for (uint32_t class = 1; class < set->class_count; class++)
    if (scores[class] > scores[best]) best = (int32_t)class;
  return best;
}

int assay_predictions_add(struct assay_prediction_set *set, const char *path, uint32_t part, int32_t repeat, int32_t fold, int32_t label, const double *scores,
                          double loss, struct assay_status *status) {
  const char *copy = assay_arena_copy(set->arena, path);
  if (copy == NULL || !make_room(set)) return assay_status_memory(status);
  const uint32_t row = set->count++;
  set->paths[row] = copy;
  set->parts[row] = part;
  set->repeats[row] = repeat;
  set->folds[row] = fold;
  set->labels[row] = label;
  set->losses[row] = loss;
  memcpy(set->scores + (size_t)row * set->class_count, scores, set->class_count * sizeof *scores);
  set->guesses[row] = decide(set, scores);
  return 0;
}

void assay_predictions_decide(struct assay_prediction_set *set, double threshold) {
  set->threshold = threshold;
  for (uint32_t row = 0; row < set->count; row++) set->guesses[row] = decide(set, set->scores + (size_t)row * set->class_count);
}

struct assay_prediction_set *assay_predictions_select(const struct assay_prediction_set *set, int part, int32_t repeat) {
  struct assay_prediction_set *selected = assay_predictions_create(set->class_count, set->classes, set->positive);
  if (selected == NULL) return NULL;
  selected->threshold = set->threshold;
  for (uint32_t row = 0; row < set->count; row++) {
    if ((part >= 0 && set->parts[row] != (uint32_t)part) || (repeat >= -1 && set->repeats[row] != repeat)) continue;
    if (assay_predictions_add(selected, set->paths[row], set->parts[row], set->repeats[row], set->folds[row], set->labels[row],
                              set->scores + (size_t)row * set->class_count, set->losses[row], NULL) != 0) {
      assay_predictions_release(selected);
      return NULL;
    }
    selected->guesses[selected->count - 1] = set->guesses[row];
  }
  return selected;
}

struct assay_predictions assay_predictions_view(const struct assay_prediction_set *set) {
  return (struct assay_predictions){.struct_size = sizeof(struct assay_predictions),
                                    .count = set->count,
                                    .class_count = set->class_count,
                                    .positive = set->positive,
                                    .labels = set->labels,
                                    .guesses = set->guesses,
                                    .scores = set->scores,
                                    .losses = set->losses};
}

void assay_predictions_scale(struct assay_prediction_set *set, double temperature) {
  if (temperature == 1) return;
  for (uint32_t row = 0; row < set->count; row++) {
    double *scores = set->scores + (size_t)row * set->class_count, largest = 0, sum = 0;
    for (uint32_t class = 0; class < set->class_count; class++) largest = fmax(largest, scores[class]);
    for (uint32_t class = 0; class < set->class_count; class++) sum += scores[class] = pow(scores[class] / largest, 1 / temperature);
    for (uint32_t class = 0; class < set->class_count; class++) scores[class] /= sum;
  }
}

void assay_predictions_confusion(const struct assay_prediction_set *set, uint64_t *counts) {
  memset(counts, 0, (size_t)set->class_count * set->class_count * sizeof *counts);
  for (uint32_t row = 0; row < set->count; row++) counts[(size_t)set->labels[row] * set->class_count + (size_t)set->guesses[row]]++;
}
