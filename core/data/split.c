/* SPDX-License-Identifier: MIT
 *
 * Parts and folds: stratified by class, drawn from the seed, and equal files never apart.
 *
 * Every draw (test, limit, validation, folds) has a stream of random numbers of its own for each class.
 */
#include "base/arena.h"
#include "base/status.h"
#include "data/data.h"

#include <assay/random.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum draw { DRAW_TEST = 1, DRAW_VALIDATION = 2, DRAW_FOLDS = 3, DRAW_LIMIT = 4 /* + part */ };

struct member {
  uint32_t group, sample;
};

/* Equal files: they go the same way. */
struct unit {
  uint32_t start, count; /* place in split.members */
};

struct split {
  struct assay_dataset *dataset;
  const struct assay_data_settings *settings;
  struct assay_status *status;
  /* The class and part that is being drawn from; room for all samples. */
  struct member *members;
  struct unit *units;
  uint32_t member_count, unit_count;
  uint32_t *wanted; /* one a class */
};

/* ---- What can be drawn ---- */

static int by_group(const void *a, const void *b) {
  const struct member *left = a, *right = b;
  if (left->group != right->group) return left->group < right->group ? -1 : 1;
  return (left->sample > right->sample) - (left->sample < right->sample);
}

/* Units of a class and part, shuffled. */
static void collect(struct split *split, uint32_t label, uint32_t part, uint64_t draw) {
  const struct assay_dataset *dataset = split->dataset;
  split->member_count = split->unit_count = 0;
  for (uint32_t i = 0; i < dataset->count; i++)
    if (dataset->samples[i].label == (int32_t)label && dataset->samples[i].part == part)
      split->members[split->member_count++] = (struct member){dataset->samples[i].first_copy, i};
  if (split->member_count > 0) qsort(split->members, split->member_count, sizeof *split->members, by_group);
  for (uint32_t m = 0; m < split->member_count; m++) {
    if (m == 0 || split->members[m].group != split->members[m - 1].group) split->units[split->unit_count++] = (struct unit){m, 0};
    split->units[split->unit_count - 1].count++;
  }
  struct assay_random random = assay_random_seed(split->settings->seed, draw << 32 | label);
  for (uint32_t i = split->unit_count; i > 1; i--) {
    const uint32_t j = assay_random_below(&random, i);
    const struct unit swap = split->units[i - 1];
    split->units[i - 1] = split->units[j];
    split->units[j] = swap;
  }
}

static void count_classes(const struct split *split, uint32_t part, uint32_t *counts) {
  const struct assay_dataset *dataset = split->dataset;
  memset(counts, 0, dataset->class_count * sizeof *counts);
  for (uint32_t i = 0; i < dataset->count; i++)
    if (dataset->samples[i].part == part) counts[dataset->samples[i].label]++;
}

/* Shares `total` out in proportion to the classes' counts by largest remainders (Hamilton); each class that has any gets at least one. The counts become the
 * shares. */
static int share_out(struct split *split, uint64_t total, uint32_t *counts) {
  const uint32_t classes = split->dataset->class_count;
  uint64_t all = 0, given = 0;
  for (uint32_t c = 0; c < classes; c++) all += counts[c];
  if (all == 0 || total >= all) return 0;
  uint64_t *rests = calloc(classes, sizeof *rests);
  if (rests == NULL) return assay_status_memory(split->status);
  for (uint32_t c = 0; c < classes; c++) {
    const uint64_t exact = (uint64_t)counts[c] * total; /* below 2^64: both are below 2^32 */
    rests[c] = counts[c] == 0 ? 0 : exact % all + 1;
    if (counts[c] > 0 && exact < all) rests[c] = 0; /* rounded up to one already */
    counts[c] = counts[c] == 0 ? 0 : exact < all ? 1 : (uint32_t)(exact / all);
    given += counts[c];
  }
  for (; given < total; given++) {
    uint32_t best = 0;
    for (uint32_t c = 1; c < classes; c++)
      if (rests[c] > rests[best]) best = c;
    if (rests[best] == 0) break;
    rests[best] = 0;
    counts[best]++;
  }
  free(rests);
  return 0;
}

static void set_part(struct split *split, const struct unit *unit, uint32_t part, int32_t fold) {
  for (uint32_t m = unit->start; m < unit->start + unit->count; m++) {
    struct assay_sample *sample = &split->dataset->samples[split->members[m].sample];
    sample->part = part;
    sample->fold = fold;
  }
}

/* Moves units with together at most `wanted` samples to the front (but one unit at least when any is wanted) and gives their number. */
static uint32_t take(struct split *split, uint32_t wanted) {
  uint32_t taken = 0, samples = 0, smallest = 0;
  for (uint32_t u = 0; u < split->unit_count; u++) {
    if (split->units[u].count < split->units[smallest].count) smallest = u;
    if (samples + split->units[u].count > wanted) continue;
    samples += split->units[u].count;
    const struct unit swap = split->units[taken];
    split->units[taken++] = split->units[u];
    split->units[u] = swap;
  }
  if (taken == 0 && wanted > 0 && split->unit_count > 0) {
    const struct unit swap = split->units[0];
    split->units[0] = split->units[smallest];
    split->units[smallest] = swap;
    taken = 1;
  }
  return taken;
}

/* ---- Draws ---- */

static const char *plural(uint32_t count) { return count == 1 ? "" : "s"; }

/* A share of the training part, to another part or a fold. */
static int hold_out(struct split *split, double share, enum draw draw, uint32_t part, int32_t fold, const char *what) {
  const struct assay_dataset *dataset = split->dataset;
  uint64_t all = 0;
  count_classes(split, ASSAY_PART_TRAIN, split->wanted);
  for (uint32_t c = 0; c < dataset->class_count; c++) all += split->wanted[c];
  const int result = share_out(split, (uint64_t)llround(share * (double)all), split->wanted);
  if (result != 0) return result;
  for (uint32_t c = 0; c < dataset->class_count; c++) {
    collect(split, c, ASSAY_PART_TRAIN, draw);
    if (split->unit_count < 2)
      return assay_status_set(split->status, ASSAY_E_DATA, "%s: class %s has %u different image%s, too few to hold some out for %s; add images", dataset->root,
                              dataset->classes[c], split->unit_count, plural(split->unit_count), what);
    uint32_t taken = take(split, split->wanted[c]);
    if (taken == split->unit_count) taken--; /* something must be left to learn from */
    for (uint32_t u = 0; u < taken; u++) set_part(split, &split->units[u], part, fold);
  }
  return 0;
}

static int apply_limit(struct split *split, uint32_t part) {
  const struct assay_dataset *dataset = split->dataset;
  if (split->settings->limit == 0) return 0;
  count_classes(split, part, split->wanted);
  const int result = share_out(split, split->settings->limit, split->wanted);
  if (result != 0) return result;
  for (uint32_t c = 0; c < dataset->class_count; c++) {
    collect(split, c, part, DRAW_LIMIT + part);
    for (uint32_t u = take(split, split->wanted[c]); u < split->unit_count; u++) set_part(split, &split->units[u], ASSAY_PART_NONE, -1);
  }
  return 0;
}

/* Deals each class to the folds: the next unit goes where the class has least, then where the fold is smallest. Large units first, while there is room to even
 * out; within a size the order is random already. */
static int deal_folds(struct split *split, uint32_t folds) {
  const struct assay_dataset *dataset = split->dataset;
  uint32_t *sizes = calloc(folds, 2 * sizeof *sizes), *here = sizes + folds; /* of the folds; of the class in them */
  if (sizes == NULL) return assay_status_memory(split->status);
  int result = 0;
  for (uint32_t c = 0; c < dataset->class_count && result == 0; c++) {
    collect(split, c, ASSAY_PART_TRAIN, DRAW_FOLDS);
    if (split->unit_count < folds) {
      result = assay_status_set(split->status, ASSAY_E_DATA,
                                "%s: class %s has %u different image%s to train on, fewer than the %u folds; add images or lower [data] folds", dataset->root,
                                dataset->classes[c], split->unit_count, plural(split->unit_count), folds);
      break;
    }
    memset(here, 0, folds * sizeof *here);
    for (uint32_t most = split->member_count; most > 0;) { /* from the largest units to the smallest, keeping the random order within a size */
      uint32_t next = 0;
      for (uint32_t u = 0; u < split->unit_count; u++) {
        const struct unit *unit = &split->units[u];
        if (unit->count < most && unit->count > next) next = unit->count;
        if (unit->count != most) continue;
        uint32_t best = 0;
        for (uint32_t f = 1; f < folds; f++)
          if (here[f] < here[best] || (here[f] == here[best] && sizes[f] < sizes[best])) best = f;
        set_part(split, unit, ASSAY_PART_TRAIN, (int32_t)best);
        here[best] += unit->count;
        sizes[best] += unit->count;
      }
      most = next;
    }
  }
  free(sizes);
  return result;
}

/* ---- The whole ---- */

static int check_classes(const struct split *split) {
  const struct assay_dataset *dataset = split->dataset;
  const struct assay_sample *broken = NULL;
  uint32_t usable = 0;
  for (uint32_t i = 0; i < dataset->count; i++) {
    if (dataset->samples[i].problem == NULL) usable++;
    else if (broken == NULL) broken = &dataset->samples[i];
  }
  if (usable == 0)
    return assay_status_set(split->status, ASSAY_E_DATA, "%s: none of the %u images can be used; the first is %s: %s", dataset->root, dataset->count,
                            broken == NULL ? "?" : broken->path, broken == NULL ? "?" : broken->problem);
  for (uint32_t c = 0; c < dataset->class_count; c++) {
    uint32_t left = 0;
    broken = NULL;
    for (uint32_t i = 0; i < dataset->count; i++) {
      const struct assay_sample *sample = &dataset->samples[i];
      if (sample->label != (int32_t)c) continue;
      left += sample->part == ASSAY_PART_TRAIN;
      if (sample->problem != NULL && broken == NULL) broken = sample;
    }
    if (left == 0)
      return assay_status_set(split->status, ASSAY_E_DATA, "%s: class %s has no image that can be trained on%s%s%s%s; add images", dataset->root,
                              dataset->classes[c], broken == NULL ? "" : " (", broken == NULL ? "" : broken->path, broken == NULL ? "" : ": ",
                              broken == NULL ? "" : broken->problem);
  }
  return 0;
}

static int run_split(struct split *split) {
  struct assay_dataset *dataset = split->dataset;
  const struct assay_data_settings *settings = split->settings;
  int result = check_classes(split);
  if (result == 0 && settings->test_own && !dataset->has_test)
    result =
        assay_status_set(split->status, ASSAY_E_CONFIG,
                         "%s has no test part of its own (a test/ folder, or an IDX test pair); write [data] test = 0.2 to hold out a share of the images, "
                         "or test = none",
                         dataset->root);
  if (result == 0 && settings->test > 0 && dataset->has_test)
    result =
        assay_status_set(split->status, ASSAY_E_CONFIG,
                         "%s has a test part of its own, so no share of the rest is held out; write [data] test = own, or remove its test part", dataset->root);
  if (result == 0 && settings->test > 0) result = hold_out(split, settings->test, DRAW_TEST, ASSAY_PART_TEST, -1, "the test");
  for (uint32_t part = ASSAY_PART_TRAIN; part <= ASSAY_PART_VALIDATION && result == 0; part++) result = apply_limit(split, part);
  dataset->fold_count = 1;
  if (result != 0 || dataset->has_validation) return result;
  if (settings->folds > 1) {
    dataset->fold_count = settings->folds;
    return deal_folds(split, settings->folds);
  }
  return settings->validation > 0 ? hold_out(split, settings->validation, DRAW_VALIDATION, ASSAY_PART_TRAIN, 0, "validation") : 0;
}

int assay_dataset_split(struct assay_dataset *dataset, const struct assay_data_settings *settings, struct assay_status *status) {
  struct split split = {.dataset = dataset, .settings = settings, .status = status};
  const size_t count = (size_t)dataset->count + 1;
  split.members = malloc(count * sizeof *split.members);
  split.units = malloc(count * sizeof *split.units);
  split.wanted = calloc((size_t)dataset->class_count + 1, sizeof *split.wanted);
  const bool ready = split.members != NULL && split.units != NULL && split.wanted != NULL;
  const int result = ready ? run_split(&split) : assay_status_memory(status);
  free(split.members);
  free(split.units);
  free(split.wanted);
  return result;
}
