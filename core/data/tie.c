/* SPDX-License-Identifier: MIT
 *
 * Which samples belong together, so that no part or fold may divide them: equal files, almost equal ones, those of a group, and what hangs together through them.
 */
#include "data/source.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/status.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

/* ---- Groups from names ---- */

/* The text that the pattern looks at: the file's name, or the whole path when the pattern speaks of folders. */
static const char *subject(const char *path, const char *pattern) {
  const char *slash = strrchr(path, '/');
  return slash == NULL || strchr(pattern, '/') != NULL ? path : slash + 1;
}

static int name_groups(struct assay_dataset *dataset, const char *pattern, struct assay_status *status) {
  regex_t expression;
  const int error = regcomp(&expression, pattern, REG_EXTENDED);
  if (error != 0) {
    char reason[128];
    regerror(error, &expression, reason, sizeof reason);
    return assay_status_set(status, ASSAY_E_CONFIG, "[data] group = %.100s is no POSIX extended regular expression: %s", pattern, reason);
  }
  uint32_t unmatched = 0, example = 0;
  int result = 0;
  for (uint32_t i = 0; i < dataset->count && result == 0; i++) {
    struct assay_sample *sample = &dataset->samples[i];
    regmatch_t matches[2];
    if (sample->group != NULL) continue; /* a manifest's own */
    const char *text = subject(sample->path, pattern);
    if (regexec(&expression, text, 2, matches, 0) != 0) {
      example = unmatched++ == 0 ? i : example;
      continue;
    }
    const regmatch_t *match = matches[1].rm_so >= 0 ? &matches[1] : &matches[0];
    sample->group = assay_arena_copy_bytes(dataset->arena, text + match->rm_so, (size_t)(match->rm_eo - match->rm_so));
    if (sample->group == NULL) result = assay_status_memory(status);
  }
  regfree(&expression);
  if (result == 0 && unmatched == dataset->count)
    return assay_status_set(status, ASSAY_E_CONFIG, "[data] group = %.100s matches no name, such as that of %s; mend the pattern or remove it", pattern,
                            dataset->samples[example].path);
  if (unmatched > 0)
    assay_log_message(ASSAY_LOG_WARNING, "[data] group matches not the names of %u images, such as %s; each of them stands alone", unmatched, dataset->samples[example].path);
  return result;
}

/* ---- Units ---- */

/* The smallest number of the unit; paths are halved on the way (Tarjan and van Leeuwen, 1984). */
static uint32_t find(struct assay_sample *samples, uint32_t i) {
  while (samples[i].unit != i) i = samples[i].unit = samples[samples[i].unit].unit;
  return i;
}

static void join(struct assay_sample *samples, uint32_t a, uint32_t b) {
  a = find(samples, a);
  b = find(samples, b);
  if (a < b) samples[b].unit = a;
  else samples[a].unit = b;
}

struct named {
  const char *group;
  uint32_t sample;
};

static int by_group(const void *a, const void *b) {
  const struct named *left = a, *right = b;
  const int order = strcmp(left->group, right->group);
  return order != 0 ? order : (left->sample > right->sample) - (left->sample < right->sample);
}

static int join_groups(struct assay_dataset *dataset, struct assay_status *status) {
  struct named *list = malloc(((size_t)dataset->count + 1) * sizeof *list);
  if (list == NULL) return assay_status_memory(status);
  uint32_t count = 0;
  for (uint32_t i = 0; i < dataset->count; i++)
    if (dataset->samples[i].group != NULL) list[count++] = (struct named){dataset->samples[i].group, i};
  if (count > 0) qsort(list, count, sizeof *list, by_group);
  for (uint32_t i = 1; i < count; i++)
    if (strcmp(list[i].group, list[i - 1].group) == 0) join(dataset->samples, list[i].sample, list[i - 1].sample);
  free(list);
  return 0;
}

/* Pairs that are almost the same, but for those that are the same. */
static int join_near(struct assay_dataset *dataset, const struct assay_data_settings *settings, struct assay_status *status) {
  const struct assay_source *source = dataset->source;
  if (source->prints == NULL) return 0;
  const uint8_t **prints = malloc(((size_t)dataset->count + 1) * sizeof *prints);
  uint32_t *samples = malloc(((size_t)dataset->count + 1) * sizeof *samples), count = 0, pair_count = 0;
  struct assay_near_pair *pairs = NULL;
  bool ready = prints != NULL && samples != NULL;
  for (uint32_t i = 0; ready && i < dataset->count; i++) {
    if (!source->printed[i] || dataset->samples[i].problem != NULL || dataset->samples[i].first_copy != i) continue;
    prints[count] = source->prints + (size_t)i * ASSAY_PRINT_SIZE;
    samples[count++] = i;
  }
  ready = ready && assay_near_find(prints, count, settings->threads, &pairs, &pair_count);
  struct assay_near *near = ready ? ASSAY_NEW_ARRAY(dataset->arena, struct assay_near, pair_count) : NULL;
  for (uint32_t i = 0; near != NULL && i < pair_count; i++) {
    near[i] = (struct assay_near){samples[pairs[i].first], samples[pairs[i].second]};
    join(dataset->samples, near[i].first, near[i].second);
  }
  dataset->near = near;
  dataset->near_count = near != NULL ? pair_count : 0;
  free(prints);
  free(samples);
  free(pairs);
  return near != NULL ? 0 : assay_status_memory(status);
}

int assay_dataset_tie(struct assay_dataset *dataset, const struct assay_data_settings *settings, struct assay_status *status) {
  int result = settings->group == NULL ? 0 : name_groups(dataset, settings->group, status);
  if (result != 0) return result;
  for (uint32_t i = 0; i < dataset->count; i++) dataset->samples[i].unit = i;
  for (uint32_t i = 0; i < dataset->count; i++) join(dataset->samples, i, dataset->samples[i].first_copy);
  result = join_groups(dataset, status);
  if (result == 0) result = join_near(dataset, settings, status);
  for (uint32_t i = 0; i < dataset->count; i++) dataset->samples[i].unit = find(dataset->samples, i);
  return result;
}
