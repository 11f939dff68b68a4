/* SPDX-License-Identifier: MIT
 *
 * What every threshold would give: the corners of the ROC, and the same as a file.
 */
#include "report/threshold.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_IN_FILE = 2000 };

struct ranked {
  double score;
  bool member;
};

static int descending(const void *left, const void *right) {
  const double a = ((const struct ranked *)left)->score, b = ((const struct ranked *)right)->score;
  return (a < b) - (a > b);
}

/* Does the curve turn at `b`, coming from `a` and going to `c`? */
static bool turns(const struct assay_operating_point *a, const struct assay_operating_point *b, const struct assay_operating_point *c) {
  const bool up = b->false_positives == a->false_positives && c->false_positives == b->false_positives;
  const bool aside = b->true_positives == a->true_positives && c->true_positives == b->true_positives;
  return !up && !aside;
}

/* Points after each distinct score, the straight ones dropped as they turn out to be. */
static uint32_t walk(const struct ranked *ranked, uint32_t count, uint32_t members, struct assay_operating_point *points) {
  uint32_t made = 1;
  points[0] = (struct assay_operating_point){INFINITY, 0, 0, members, count - members};
  struct assay_operating_point now = points[0];
  for (uint32_t first = 0, end; first < count; first = end) {
    for (end = first; end < count && ranked[end].score == ranked[first].score; end++) {
      now.true_positives += ranked[end].member;
      now.false_positives += !ranked[end].member;
    }
    now.threshold = ranked[first].score;
    now.false_negatives = members - now.true_positives;
    now.true_negatives = count - members - now.false_positives;
    if (made >= 2 && !turns(&points[made - 2], &points[made - 1], &now)) made--;
    points[made++] = now;
  }
  return made;
}

int assay_threshold_sweep(const struct assay_prediction_set *set, int32_t class, uint32_t most, struct assay_arena *arena,
                          const struct assay_operating_point **points, uint32_t *count, struct assay_status *status) {
  struct ranked *ranked = malloc(((size_t)set->count + 1) * sizeof *ranked);
  struct assay_operating_point *all = ASSAY_NEW_ARRAY(arena, struct assay_operating_point, (size_t)set->count + 1);
  uint32_t members = 0;
  if (ranked == NULL || all == NULL) {
    free(ranked);
    return assay_status_memory(status);
  }
  for (uint32_t row = 0; row < set->count; row++) {
    ranked[row] = (struct ranked){set->scores[(size_t)row * set->class_count + (size_t)class], set->labels[row] == class};
    members += ranked[row].member;
  }
  qsort(ranked, set->count, sizeof *ranked, descending);
  const uint32_t made = walk(ranked, set->count, members, all), stride = made / (most > 2 ? most - 1 : 1) + 1;
  *count = 0;
  for (uint32_t i = 0; i < made; i += stride) all[(*count)++] = all[i];
  if (made > 1 && (made - 1) % stride != 0) all[(*count)++] = all[made - 1];
  *points = all;
  free(ranked);
  return 0;
}

static void add_share(struct assay_text *text, double part, double whole) {
  char number[32] = "";
  if (whole > 0) assay_print_real(part / whole, number);
  assay_text_print(text, ",%s", number);
}

static void add_point(struct assay_text *text, const char *part, const char *class, const struct assay_operating_point *point) {
  char threshold[32] = "inf";
  if (isfinite(point->threshold)) assay_print_real(point->threshold, threshold);
  const double found = point->true_positives, alarms = point->false_positives, missed = point->false_negatives;
  assay_text_print(text, "%s,", part);
  assay_text_add_field(text, class);
  assay_text_print(text, ",%s,%u,%u,%u,%u", threshold, point->true_positives, point->false_positives, point->false_negatives, point->true_negatives);
  add_share(text, found, found + missed);
  add_share(text, alarms, alarms + point->true_negatives);
  add_share(text, found, found + alarms);
  add_share(text, 2 * found, 2 * found + missed + alarms);
  assay_text_add(text, "\n");
}

static int add_part(struct assay_text *text, const struct assay_prediction_set *set, const char *part, struct assay_arena *arena, struct assay_status *status) {
  const bool binary = set->class_count == 2;
  const uint32_t first = binary ? (uint32_t)(set->positive >= 0 ? set->positive : 1) : 0, end = binary ? first + 1 : set->class_count;
  for (uint32_t class = first; class < end; class++) {
    const struct assay_operating_point *points;
    uint32_t count;
    const int code = assay_threshold_sweep(set, (int32_t)class, MOST_IN_FILE, arena, &points, &count, status);
    if (code != 0) return code;
    for (uint32_t i = 0; i < count; i++) add_point(text, part, set->classes[class], &points[i]);
  }
  return 0;
}

int assay_thresholds_write(const struct assay_prediction_set *set, const char *path, struct assay_status *status) {
  static const struct {
    int part;
    const char *name;
  } parts[] = {{ASSAY_PART_VALIDATION, "validation"}, {ASSAY_PART_TEST, "test"}};
  struct assay_text text = {0};
  assay_text_add(&text, "part,class,threshold,true_positives,false_positives,false_negatives,true_negatives,recall,false_positive_rate,precision,f1\n");
  int code = 0;
  for (int p = 0; code == 0 && p < 2; p++) {
    struct assay_arena *arena = assay_arena_create();
    struct assay_prediction_set *rows = assay_predictions_select(set, parts[p].part, -2);
    if (arena == NULL || rows == NULL) code = assay_status_memory(status);
    else if (rows->count > 0) code = add_part(&text, rows, parts[p].name, arena, status);
    assay_predictions_release(rows);
    assay_arena_release(arena);
  }
  if (code == 0) code = text.failed ? assay_status_memory(status) : assay_file_write(path, text.data, text.length, status);
  assay_text_release(&text);
  return code;
}
