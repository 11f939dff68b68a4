/* SPDX-License-Identifier: MIT
 *
 * What is wrong with a data set, what the gate does about it, and the data set in numbers.
 */
#include "base/arena.h"
#include "base/status.h"
#include "data/data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Audit ---- */

/* members[start[g]] …: the samples of group g, ascending; groups are named by their smallest sample. */
struct groups {
  uint32_t *start, *members; /* start has count + 1 elements */
};

static bool collect_groups(const struct assay_dataset *dataset, struct groups *groups) {
  groups->start = calloc((size_t)dataset->count + 2, sizeof *groups->start);
  groups->members = malloc(((size_t)dataset->count + 1) * sizeof *groups->members);
  if (groups->start == NULL || groups->members == NULL) return false;
  /* Counting sort; a broken sample is in no group. start is one place ahead while members are placed. */
  for (uint32_t i = 0; i < dataset->count; i++)
    if (dataset->samples[i].problem == NULL) groups->start[dataset->samples[i].first_copy + 2]++;
  for (uint32_t g = 2; g < dataset->count + 2; g++) groups->start[g] += groups->start[g - 1];
  for (uint32_t i = 0; i < dataset->count; i++)
    if (dataset->samples[i].problem == NULL) groups->members[groups->start[dataset->samples[i].first_copy + 1]++] = i;
  return true;
}

static int fill_audit(const struct assay_dataset *dataset, const struct groups *groups, struct assay_audit *audit) {
  uint32_t broken_count = 0, duplicate_count = 0;
  for (uint32_t i = 0; i < dataset->count; i++) {
    broken_count += dataset->samples[i].format == NULL;
    duplicate_count += groups->start[i + 1] - groups->start[i] > 1;
  }
  uint32_t *broken = ASSAY_NEW_ARRAY(audit->arena, uint32_t, broken_count);
  struct assay_duplicate *duplicates = ASSAY_NEW_ARRAY(audit->arena, struct assay_duplicate, duplicate_count);
  if (broken == NULL || duplicates == NULL) return ASSAY_E_MEMORY;
  for (uint32_t i = 0; i < dataset->count; i++) {
    if (dataset->samples[i].format == NULL) broken[audit->broken_count++] = i;
    const uint32_t *members = groups->members + groups->start[i], count = groups->start[i + 1] - groups->start[i];
    if (count < 2) continue;
    struct assay_duplicate *duplicate = &duplicates[audit->duplicate_count++];
    uint32_t *samples = ASSAY_NEW_ARRAY(audit->arena, uint32_t, count);
    if (samples == NULL) return ASSAY_E_MEMORY;
    memcpy(samples, members, count * sizeof *samples);
    *duplicate = (struct assay_duplicate){.count = count, .samples = samples};
    for (uint32_t k = 1; k < count; k++) {
      duplicate->across_parts |= dataset->samples[samples[k]].part != dataset->samples[samples[0]].part;
      duplicate->across_labels |= dataset->samples[samples[k]].label != dataset->samples[samples[0]].label;
    }
  }
  struct assay_near_duplicate *near = ASSAY_NEW_ARRAY(audit->arena, struct assay_near_duplicate, dataset->near_count);
  if (near == NULL) return ASSAY_E_MEMORY;
  for (uint32_t i = 0; i < dataset->near_count; i++) {
    const struct assay_sample *first = &dataset->samples[dataset->near[i].first], *second = &dataset->samples[dataset->near[i].second];
    near[i] = (struct assay_near_duplicate){dataset->near[i].first, dataset->near[i].second, first->part != second->part, first->label != second->label};
  }
  audit->near = near;
  audit->near_count = dataset->near_count;
  audit->broken = broken;
  audit->duplicates = duplicates;
  return 0;
}

int assay_dataset_audit(const struct assay_dataset *dataset, struct assay_audit **result_audit, struct assay_status *status) {
  struct assay_arena *arena = assay_arena_create();
  struct assay_audit *audit = arena == NULL ? NULL : ASSAY_NEW(arena, struct assay_audit);
  struct groups groups = {0};
  int result = audit == NULL || !collect_groups(dataset, &groups) ? ASSAY_E_MEMORY : 0;
  if (result == 0) {
    audit->arena = arena;
    result = fill_audit(dataset, &groups, audit);
  }
  free(groups.start);
  free(groups.members);
  if (result != 0) {
    assay_arena_release(arena);
    return assay_status_memory(status);
  }
  *result_audit = audit;
  return 0;
}

void assay_audit_release(struct assay_audit *audit) {
  if (audit != NULL) assay_arena_release(audit->arena);
}

/* ---- Gate ---- */

static int fail_labels(const struct assay_dataset *dataset, const struct assay_duplicate *duplicate, uint32_t count, struct assay_status *status) {
  const struct assay_sample *one = &dataset->samples[duplicate->samples[0]], *other = one;
  for (uint32_t k = 1; k < duplicate->count; k++)
    if (dataset->samples[duplicate->samples[k]].label != one->label) other = &dataset->samples[duplicate->samples[k]];
  char more[64] = "";
  if (count > 1) snprintf(more, sizeof more, " (and %u more such image%s)", count - 1, count == 2 ? "" : "s");
  return assay_status_set(status, ASSAY_E_DATA, "%s (%s) and %s (%s) are the same image under two labels%s; keep it under the right one", one->path,
                          dataset->classes[one->label], other->path, dataset->classes[other->label], more);
}

/* Of each unit, the sample in the part that counts most: test, then validation. */
static void find_kept(const struct assay_dataset *dataset, uint32_t *kept) {
  for (uint32_t i = 0; i < dataset->count; i++) kept[i] = UINT32_MAX;
  for (uint32_t i = 0; i < dataset->count; i++) {
    const struct assay_sample *sample = &dataset->samples[i];
    uint32_t *best = &kept[sample->unit];
    if (sample->part != ASSAY_PART_NONE && (*best == UINT32_MAX || sample->part > dataset->samples[*best].part)) *best = i;
  }
}

static int take_out(struct assay_dataset *dataset, uint32_t number, uint32_t kept_number, struct assay_status *status) {
  static const char *const names[] = {"training", "validation", "test"};
  struct assay_sample *sample = &dataset->samples[number];
  const struct assay_sample *kept = &dataset->samples[kept_number];
  if (kept->first_copy != sample->first_copy && (sample->group == NULL || kept->group == NULL || strcmp(sample->group, kept->group) != 0))
    sample->problem = assay_arena_print(dataset->arena, "is almost the same image as %s of the %s part (or tied to it by others), so it was taken out of the %s part",
                                        kept->path, names[kept->part], names[sample->part]);
  else if (kept->first_copy != sample->first_copy)
    sample->problem = assay_arena_print(dataset->arena, "belongs to group %s, of which %s is in the %s part, so it was taken out of the %s part", sample->group,
                                        kept->path, names[kept->part], names[sample->part]);
  else
    sample->problem = assay_arena_print(dataset->arena, "is the same image as %s of the %s part, so it was taken out of the %s part", kept->path, names[kept->part],
                                        names[sample->part]);
  sample->part = ASSAY_PART_NONE;
  return sample->problem == NULL ? assay_status_memory(status) : 0;
}

int assay_dataset_gate(struct assay_dataset *dataset, const struct assay_audit *audit, struct assay_status *status) {
  const struct assay_duplicate *first = NULL;
  uint32_t count = 0;
  for (uint32_t d = 0; d < audit->duplicate_count; d++) {
    if (!audit->duplicates[d].across_labels) continue;
    if (first == NULL) first = &audit->duplicates[d];
    count++;
  }
  if (first != NULL) return fail_labels(dataset, first, count, status);
  uint32_t *kept = malloc(((size_t)dataset->count + 1) * sizeof *kept);
  if (kept == NULL) return assay_status_memory(status);
  find_kept(dataset, kept);
  int result = 0;
  for (uint32_t i = 0; i < dataset->count && result == 0; i++) {
    const uint32_t best = kept[dataset->samples[i].unit];
    if (best != UINT32_MAX && dataset->samples[i].part < dataset->samples[best].part) result = take_out(dataset, i, best, status);
  }
  free(kept);
  return result;
}

/* ---- Summary ---- */

static int by_size_count(const void *a, const void *b) {
  const struct assay_size_count *left = a, *right = b;
  if (left->count != right->count) return left->count < right->count ? 1 : -1;
  if (left->width != right->width) return left->width < right->width ? -1 : 1;
  return (left->height > right->height) - (left->height < right->height);
}

static int by_size(const void *a, const void *b) {
  const struct assay_size_count *left = a, *right = b;
  if (left->width != right->width) return left->width < right->width ? -1 : 1;
  return (left->height > right->height) - (left->height < right->height);
}

static int by_kind_count(const void *a, const void *b) {
  const struct assay_kind_count *left = a, *right = b;
  if (left->count != right->count) return left->count < right->count ? 1 : -1;
  const int order = strcmp(left->format, right->format);
  if (order != 0) return order;
  if (left->channels != right->channels) return left->channels < right->channels ? -1 : 1;
  return (left->bits > right->bits) - (left->bits < right->bits);
}

/* `sizes` holds one entry a picture; equal ones are put together. */
static uint32_t merge_sizes(struct assay_size_count *sizes, uint32_t count) {
  uint32_t used = 0;
  if (count > 0) qsort(sizes, count, sizeof *sizes, by_size);
  for (uint32_t i = 0; i < count; i++) {
    if (used > 0 && by_size(&sizes[used - 1], &sizes[i]) == 0) sizes[used - 1].count++;
    else sizes[used++] = sizes[i];
  }
  if (used > 0) qsort(sizes, used, sizeof *sizes, by_size_count);
  return used;
}

/* There are few kinds; false when the list is full. */
static bool add_kind(struct assay_kind_count *kinds, uint32_t *count, uint32_t capacity, const struct assay_sample *sample) {
  for (uint32_t k = 0; k < *count; k++)
    if (strcmp(kinds[k].format, sample->format) == 0 && kinds[k].channels == sample->channels && kinds[k].bits == sample->bits) {
      kinds[k].count++;
      return true;
    }
  if (*count == capacity) return false;
  kinds[(*count)++] = (struct assay_kind_count){sample->format, sample->channels, sample->bits, 1};
  return true;
}

int assay_dataset_summarise(const struct assay_dataset *dataset, struct assay_dataset_summary **result_summary, struct assay_status *status) {
  enum { MOST_KINDS = 256 }; /* formats × channels × bits; more are not told apart */
  struct assay_arena *arena = assay_arena_create();
  struct assay_dataset_summary *summary = arena == NULL ? NULL : ASSAY_NEW(arena, struct assay_dataset_summary);
  uint32_t(*class_parts)[3] = summary == NULL ? NULL : assay_arena_take(arena, dataset->class_count, sizeof *class_parts);
  struct assay_size_count *sizes = summary == NULL ? NULL : ASSAY_NEW_ARRAY(arena, struct assay_size_count, dataset->count);
  struct assay_kind_count *kinds = summary == NULL ? NULL : ASSAY_NEW_ARRAY(arena, struct assay_kind_count, MOST_KINDS);
  if (class_parts == NULL || sizes == NULL || kinds == NULL) {
    assay_arena_release(arena);
    return assay_status_memory(status);
  }
  summary->arena = arena;
  summary->ignored_count = dataset->ignored_count;
  for (uint32_t i = 0; i < dataset->count; i++) {
    const struct assay_sample *sample = &dataset->samples[i];
    if (sample->problem != NULL) {
      summary->broken_count++;
    } else if (sample->part == ASSAY_PART_NONE) {
      summary->left_out_count++;
    } else {
      class_parts[sample->label][sample->part]++;
      sizes[summary->count++] = (struct assay_size_count){sample->width, sample->height, 1};
      (void)add_kind(kinds, &summary->kind_count, MOST_KINDS, sample);
    }
  }
  summary->size_count = merge_sizes(sizes, summary->count);
  if (summary->kind_count > 0) qsort(kinds, summary->kind_count, sizeof *kinds, by_kind_count);
  summary->class_parts = (const uint32_t(*)[3])class_parts;
  summary->sizes = sizes;
  summary->kinds = kinds;
  *result_summary = summary;
  return 0;
}

void assay_dataset_summary_release(struct assay_dataset_summary *summary) {
  if (summary != NULL) assay_arena_release(summary->arena);
}
