/* SPDX-License-Identifier: MIT
 *
 * Parts and folds: stratified by class, drawn from the seed, and samples of one unit never apart.
 *
 * Every draw (test, limit, validation, folds) has a stream of random numbers of its own for each class, and in each repeat another. Classes are dealt with from the rarest to the commonest;
 * a unit with several classes is drawn with its rarest and counts for all of them (after Sechidis, Tsoumakas and Vlahavas, "On the stratification of
 * multi-label data", 2011).
 */
#include "base/arena.h"
#include "base/status.h"
#include "data/data.h"

#include <assay/random.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum draw { DRAW_TEST = 1, DRAW_VALIDATION = 2, DRAW_FOLDS = 3, DRAW_LIMIT = 4 /* + part */, DRAWS = 8 /* a repeat */ };

struct member {
  uint32_t unit, sample;
};

/* Samples of the part that is drawn from that go the same way. */
struct unit {
  uint32_t start, count; /* place in split.members */
  uint32_t own;          /* how many are of the class that is drawn from */
};

struct split {
  struct assay_dataset *dataset;
  const struct assay_data_settings *settings;
  struct assay_status *status;
  uint32_t repeat;        /* whose folds are drawn; 0 for what is drawn once */
  struct member *members; /* of the part that is drawn from, by unit; room for all samples */
  struct unit *units;     /* of the class that is drawn from */
  uint32_t member_count, unit_count;
  uint32_t different; /* units of the class, those settled with a rarer class among them */
  uint8_t *settled;   /* by number of the unit: in this draw its way is decided */
  uint32_t *wanted;   /* one a class */
  uint32_t *order;    /* classes, the rarest first */
};

/* ---- What can be drawn ---- */

static int by_unit(const void *a, const void *b) {
  const struct member *left = a, *right = b;
  if (left->unit != right->unit) return left->unit < right->unit ? -1 : 1;
  return (left->sample > right->sample) - (left->sample < right->sample);
}

/* Drops the last unit again unless it has the class and is not settled. */
static void close_unit(struct split *split) {
  if (split->unit_count == 0) return;
  const struct unit *last = &split->units[split->unit_count - 1];
  split->different += last->own > 0;
  if (last->own == 0 || split->settled[split->members[last->start].unit]) split->unit_count--;
}

/* Units with a class that are not settled, shuffled. */
static void collect(struct split *split, uint32_t label, enum draw draw) {
  const struct assay_dataset *dataset = split->dataset;
  const uint64_t stream = (uint64_t)split->repeat * DRAWS + draw;
  split->unit_count = split->different = 0;
  for (uint32_t m = 0; m < split->member_count; m++) {
    if (m == 0 || split->members[m].unit != split->members[m - 1].unit) {
      close_unit(split);
      split->units[split->unit_count++] = (struct unit){m, 0, 0};
    }
    struct unit *unit = &split->units[split->unit_count - 1];
    unit->count++;
    unit->own += dataset->samples[split->members[m].sample].label == (int32_t)label;
  }
  close_unit(split);
  struct assay_random random = assay_random_seed(split->settings->seed, stream << 32 | label);
  for (uint32_t i = split->unit_count; i > 1; i--) {
    const uint32_t j = assay_random_below(&random, i);
    const struct unit swap = split->units[i - 1];
    split->units[i - 1] = split->units[j];
    split->units[j] = swap;
  }
}

/* Begins a draw from a part: counts its classes into `wanted`, orders them by that, and nothing is settled. */
static void begin_draw(struct split *split, uint32_t part) {
  const struct assay_dataset *dataset = split->dataset;
  memset(split->wanted, 0, dataset->class_count * sizeof *split->wanted);
  memset(split->settled, 0, dataset->count);
  split->member_count = 0;
  for (uint32_t i = 0; i < dataset->count; i++) {
    if (dataset->samples[i].part != part) continue;
    split->wanted[dataset->samples[i].label]++;
    split->members[split->member_count++] = (struct member){dataset->samples[i].unit, i};
  }
  if (split->member_count > 0) qsort(split->members, split->member_count, sizeof *split->members, by_unit);
  for (uint32_t c = 0; c < dataset->class_count; c++) {
    uint32_t place = c;
    for (; place > 0 && split->wanted[split->order[place - 1]] > split->wanted[c]; place--) split->order[place] = split->order[place - 1];
    split->order[place] = c;
  }
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

/* Decides the way of a unit. */
static void set_part(struct split *split, const struct unit *unit, uint32_t part, int32_t fold) {
  split->settled[split->members[unit->start].unit] = 1;
  for (uint32_t m = unit->start; m < unit->start + unit->count; m++) {
    split->dataset->samples[split->members[m].sample].part = part;
    split->dataset->folds[split->repeat][split->members[m].sample] = fold;
  }
}

/* Takes a unit's samples off what is wanted of their classes, unless that is less for one of them. */
static bool subtract(struct split *split, const struct unit *unit) {
  const struct assay_sample *samples = split->dataset->samples;
  for (uint32_t k = 0; k < unit->count; k++) {
    uint32_t *wanted = &split->wanted[samples[split->members[unit->start + k].sample].label];
    if (*wanted > 0) {
      --*wanted;
      continue;
    }
    while (k-- > 0) split->wanted[samples[split->members[unit->start + k].sample].label]++;
    return false;
  }
  return true;
}

static void swap_units(struct unit *a, struct unit *b) {
  const struct unit swap = *a;
  *a = *b;
  *b = swap;
}

/* Moves units with together at most as many samples as are wanted to the front (but one unit at least when any of `label` is wanted) and gives their number. */
static uint32_t take(struct split *split, uint32_t label) {
  const bool any = split->wanted[label] > 0;
  uint32_t taken = 0, smallest = 0;
  for (uint32_t u = 0; u < split->unit_count; u++) {
    if (split->units[u].own < split->units[smallest].own) smallest = u;
    if (subtract(split, &split->units[u])) swap_units(&split->units[taken++], &split->units[u]);
  }
  if (taken > 0 || !any || split->unit_count == 0) return taken;
  swap_units(&split->units[0], &split->units[smallest]);
  return 1;
}

/* ---- Draws ---- */

/* "1 different image", "3 groups of images". */
static const char *units_in_words(const struct split *split, uint32_t count, char text[48]) {
  bool grouped = false;
  for (uint32_t i = 0; i < split->dataset->count; i++) grouped |= split->dataset->samples[i].group != NULL;
  snprintf(text, 48, "%u %s%s%s", count, grouped ? "group" : "different image", count == 1 ? "" : "s", grouped ? " of images" : "");
  return text;
}

/* A share of the training part, to another part or a fold. */
static int hold_out(struct split *split, double share, enum draw draw, uint32_t part, int32_t fold, const char *what) {
  const struct assay_dataset *dataset = split->dataset;
  uint64_t all = 0;
  begin_draw(split, ASSAY_PART_TRAIN);
  for (uint32_t c = 0; c < dataset->class_count; c++) all += split->wanted[c];
  const int result = share_out(split, (uint64_t)llround(share * (double)all), split->wanted);
  if (result != 0) return result;
  for (uint32_t k = 0; k < dataset->class_count; k++) {
    const uint32_t c = split->order[k];
    collect(split, c, draw);
    char text[48];
    if (split->unit_count < 2 && (split->wanted[c] > 0 || split->unit_count == 0))
      return assay_status_set(split->status, ASSAY_E_DATA, "%s: class %s has %s, too few to hold some out for %s; add images", dataset->root, dataset->classes[c],
                              units_in_words(split, split->unit_count, text), what);
    uint32_t taken = take(split, c);
    if (taken == split->unit_count) taken--; /* something must be left to learn from */
    for (uint32_t u = 0; u < taken; u++) set_part(split, &split->units[u], part, fold);
  }
  return 0;
}

static int apply_limit(struct split *split, uint32_t part) {
  const struct assay_dataset *dataset = split->dataset;
  if (split->settings->limit == 0) return 0;
  begin_draw(split, part);
  const int result = share_out(split, split->settings->limit, split->wanted);
  if (result != 0) return result;
  for (uint32_t k = 0; k < dataset->class_count; k++) {
    collect(split, split->order[k], DRAW_LIMIT + part);
    const uint32_t taken = take(split, split->order[k]);
    for (uint32_t u = 0; u < split->unit_count; u++) set_part(split, &split->units[u], u < taken ? part : (uint32_t)ASSAY_PART_NONE, -1);
  }
  return 0;
}

/* How the folds are filled. */
struct folds {
  uint32_t count;
  uint32_t *sizes;   /* of each */
  uint32_t *classes; /* [fold * class_count + class] */
};

/* Where the class has least, then where the fold is smallest. */
static uint32_t emptiest(const struct folds *folds, uint32_t class_count, uint32_t label) {
  uint32_t best = 0;
  for (uint32_t f = 1; f < folds->count; f++) {
    const uint32_t here = folds->classes[f * class_count + label], there = folds->classes[best * class_count + label];
    if (here < there || (here == there && folds->sizes[f] < folds->sizes[best])) best = f;
  }
  return best;
}

static void put_in_fold(struct split *split, struct folds *folds, const struct unit *unit, uint32_t fold) {
  const struct assay_dataset *dataset = split->dataset;
  set_part(split, unit, ASSAY_PART_TRAIN, (int32_t)fold);
  folds->sizes[fold] += unit->count;
  for (uint32_t m = unit->start; m < unit->start + unit->count; m++)
    folds->classes[fold * dataset->class_count + (uint32_t)dataset->samples[split->members[m].sample].label]++;
}

/* Large units first, while there is room to even out; within a size the order is random already. */
static void deal_class(struct split *split, struct folds *folds, uint32_t label) {
  uint32_t most = 0;
  for (uint32_t u = 0; u < split->unit_count; u++) most = split->units[u].count > most ? split->units[u].count : most;
  while (most > 0) {
    uint32_t next = 0;
    for (uint32_t u = 0; u < split->unit_count; u++) {
      const struct unit *unit = &split->units[u];
      if (unit->count < most && unit->count > next) next = unit->count;
      if (unit->count == most) put_in_fold(split, folds, unit, emptiest(folds, split->dataset->class_count, label));
    }
    most = next;
  }
}

static int deal_folds(struct split *split, uint32_t count) {
  const struct assay_dataset *dataset = split->dataset;
  struct folds folds = {count, calloc(count, sizeof *folds.sizes), calloc(count, dataset->class_count * sizeof *folds.classes)};
  int result = folds.sizes == NULL || folds.classes == NULL ? assay_status_memory(split->status) : 0;
  begin_draw(split, ASSAY_PART_TRAIN);
  for (uint32_t k = 0; k < dataset->class_count && result == 0; k++) {
    const uint32_t c = split->order[k];
    char text[48];
    collect(split, c, DRAW_FOLDS);
    if (split->different < count)
      result = assay_status_set(split->status, ASSAY_E_DATA, "%s: class %s has %s to train on, fewer than the %u folds; add images or lower [data] folds",
                                dataset->root, dataset->classes[c], units_in_words(split, split->different, text), count);
    else deal_class(split, &folds, c);
  }
  free(folds.sizes);
  free(folds.classes);
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
  dataset->fold_count = settings->folds > 1 && !dataset->has_validation ? settings->folds : 1;
  for (split->repeat = 0; split->repeat < dataset->repeat_count && result == 0; split->repeat++) {
    if (dataset->fold_count > 1) result = deal_folds(split, dataset->fold_count);
    else if (settings->validation > 0 && !dataset->has_validation) result = hold_out(split, settings->validation, DRAW_VALIDATION, ASSAY_PART_TRAIN, 0, "validation");
  }
  return result;
}

/* Nothing is validated on yet, in any repeat. */
static int make_folds(struct split *split) {
  struct assay_dataset *dataset = split->dataset;
  const uint32_t repeats = split->settings->repeats > 1 ? split->settings->repeats : 1;
  dataset->repeat_count = repeats;
  dataset->folds = ASSAY_NEW_ARRAY(dataset->arena, int32_t *, repeats);
  for (uint32_t r = 0; dataset->folds != NULL && r < repeats; r++) {
    dataset->folds[r] = ASSAY_NEW_ARRAY(dataset->arena, int32_t, dataset->count);
    if (dataset->folds[r] == NULL) return assay_status_memory(split->status);
    for (uint32_t i = 0; i < dataset->count; i++) dataset->folds[r][i] = -1;
  }
  return dataset->folds == NULL ? assay_status_memory(split->status) : 0;
}

int assay_dataset_split(struct assay_dataset *dataset, const struct assay_data_settings *settings, struct assay_status *status) {
  struct split split = {.dataset = dataset, .settings = settings, .status = status};
  const size_t count = (size_t)dataset->count + 1;
  split.members = malloc(count * sizeof *split.members);
  split.units = malloc(count * sizeof *split.units);
  split.settled = malloc(count);
  split.wanted = calloc((size_t)dataset->class_count + 1, sizeof *split.wanted);
  split.order = calloc((size_t)dataset->class_count + 1, sizeof *split.order);
  const bool ready = split.members != NULL && split.units != NULL && split.settled != NULL && split.wanted != NULL && split.order != NULL;
  int result = ready ? make_folds(&split) : assay_status_memory(status);
  if (result == 0) result = run_split(&split);
  free(split.members);
  free(split.units);
  free(split.settled);
  free(split.wanted);
  free(split.order);
  return result;
}
