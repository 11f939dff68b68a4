/* SPDX-License-Identifier: MIT
 *
 * Do the files' names say that images are tiles of photographs? Then a [data] group is proposed, by the very patterns that recognise them.
 */
#include "base/arena.h"
#include "base/file.h"
#include "base/status.h"
#include "data/data.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

/* Fewer photographs cannot be shared out among training, folds and test. */
enum { LEAST_PHOTOGRAPHS = 3 };

/* Names as img007-r2-c5.png or scan_x0_y512.tif, as photo12_tile3.jpg, and as photo12_3_4.jpg, where the photograph needs a number. */
static const char *const patterns[] = {
    "^(.+)[-_]([rRxXyY]|row)[-_]?[0-9]+[-_]?([cCxXyY]|col)[-_]?[0-9]+\\.",
    "^(.+)[-_]([Tt]ile|[Pp]atch|[Cc]rop)[-_]?[0-9]+([-_][0-9]+)?\\.",
    "^(.*[0-9].*)[-_][0-9]{1,5}[-_][0-9]{1,5}\\.",
};
/* What then stands before the last two numbers where those belong to a day or to a time of day: IMG_2024-01-15, 20240115_10-30. */
static const char date[] = "(^|[^0-9])(19|20)[0-9]{2}([-_.]?[01][0-9]([-_.]?[0-3][0-9].*)?)?$";

/* A file whose name fits the pattern. */
struct tile {
  const char *photograph, *name;
  uint32_t sample;
};

static int by_photograph(const void *a, const void *b) {
  const struct tile *left = a, *right = b;
  int order = strcmp(left->photograph, right->photograph);
  if (order == 0) order = strcmp(left->name, right->name);
  return order != 0 ? order : (left->sample > right->sample) - (left->sample < right->sample);
}

/* The files that fit, by photograph. */
static int collect(const struct assay_dataset *dataset, const regex_t *pattern, const regex_t *dated, struct assay_arena *arena, struct tile *tiles,
                   uint32_t *count, struct assay_status *status) {
  *count = 0;
  for (uint32_t i = 0; i < dataset->count; i++) {
    const char *name = assay_path_name(dataset->samples[i].path);
    regmatch_t matches[2];
    if (regexec(pattern, name, 2, matches, 0) != 0) continue;
    const char *photograph = assay_arena_copy_bytes(arena, name, (size_t)matches[1].rm_eo);
    if (photograph == NULL) return assay_status_memory(status);
    if (regexec(dated, photograph, 0, NULL, 0) != 0) tiles[(*count)++] = (struct tile){photograph, name, i};
  }
  if (*count > 0) qsort(tiles, *count, sizeof *tiles, by_photograph);
  return 0;
}

/* Photographs of several tiles, the same name in two folders being one tile. The first is the example. */
static void count_photographs(const struct tile *tiles, uint32_t count, struct assay_group_proposal *proposal) {
  for (uint32_t begin = 0, end; begin < count; begin = end) {
    bool several = false;
    for (end = begin + 1; end < count && strcmp(tiles[end].photograph, tiles[begin].photograph) == 0; end++)
      several = several || strcmp(tiles[end].name, tiles[begin].name) != 0;
    if (!several) continue;
    if (proposal->photograph_count++ == 0) {
      proposal->first = tiles[begin].sample;
      proposal->second = tiles[end - 1].sample;
    }
    proposal->image_count += end - begin;
  }
}

static int try_pattern(const struct assay_dataset *dataset, const char *text, struct tile *tiles, struct assay_arena *arena,
                       struct assay_group_proposal *proposal, struct assay_status *status) {
  regex_t pattern, dated;
  uint32_t count;
  *proposal = (struct assay_group_proposal){.pattern = NULL};
  if (regcomp(&pattern, text, REG_EXTENDED) != 0) return assay_status_memory(status);
  int code = regcomp(&dated, date, REG_EXTENDED | REG_NOSUB) != 0 ? assay_status_memory(status) : 0;
  if (code == 0) {
    code = collect(dataset, &pattern, &dated, arena, tiles, &count, status);
    regfree(&dated);
  }
  regfree(&pattern);
  if (code != 0) return code;
  count_photographs(tiles, count, proposal);
  if (proposal->photograph_count >= LEAST_PHOTOGRAPHS && proposal->image_count >= dataset->count - proposal->image_count) proposal->pattern = text;
  return 0;
}

int assay_dataset_propose_group(const struct assay_dataset *dataset, struct assay_group_proposal *proposal, struct assay_status *status) {
  *proposal = (struct assay_group_proposal){.pattern = NULL};
  for (uint32_t i = 0; i < dataset->count; i++)
    if (dataset->samples[i].group != NULL) return 0;
  struct assay_arena *arena = assay_arena_create();
  struct tile *tiles = arena == NULL ? NULL : ASSAY_NEW_ARRAY(arena, struct tile, dataset->count + 1);
  int code = tiles == NULL ? assay_status_memory(status) : 0;
  for (uint32_t i = 0; code == 0 && proposal->pattern == NULL && i < sizeof patterns / sizeof *patterns; i++)
    code = try_pattern(dataset, patterns[i], tiles, arena, proposal, status);
  assay_arena_release(arena);
  return code;
}
