/* SPDX-License-Identifier: MIT
 *
 * Which rows of a set of predictions are of one image.
 */
#include "train/predictions.h"

#include "base/status.h"

#include <stdlib.h>
#include <string.h>

static int by_path(const void *left, const void *right, void *context) {
  const struct assay_prediction_set *set = context;
  const uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
  const int order = strcmp(set->paths[a], set->paths[b]);
  return order != 0 ? order : (a > b) - (a < b);
}

static bool has_repeats(const struct assay_prediction_set *set) {
  for (uint32_t row = 0; row < set->count; row++)
    if (set->repeats[row] > 0) return true;
  return false;
}

/* For each row the first one of its image: `sorted` has equal paths together, ascending. */
static void find_first(const struct assay_prediction_set *set, const uint32_t *sorted, uint32_t *first) {
  for (uint32_t i = 0; i < set->count; i++) {
    const bool same = i > 0 && strcmp(set->paths[sorted[i]], set->paths[sorted[i - 1]]) == 0;
    first[sorted[i]] = same ? first[sorted[i - 1]] : sorted[i];
  }
}

/* Images get numbers in the order of their first rows; then rows are dealt to them (a counting sort). `first` becomes the number of each row's image. */
static void deal(const struct assay_prediction_set *set, uint32_t *first, struct assay_prediction_images *images) {
  for (uint32_t row = 0; row < set->count; row++) {
    first[row] = first[row] == row ? images->count++ : first[first[row]];
    images->starts[first[row] + 1]++;
  }
  for (uint32_t i = 0; i < images->count; i++) {
    if (images->starts[i + 1] > images->most) images->most = images->starts[i + 1];
    images->starts[i + 1] += images->starts[i];
  }
  for (uint32_t row = set->count; row > 0; row--) images->rows[--images->starts[first[row - 1] + 1]] = row - 1;
  memmove(images->starts, images->starts + 1, images->count * sizeof *images->starts);
  images->starts[images->count] = set->count;
}

int assay_predictions_images(const struct assay_prediction_set *set, struct assay_prediction_images *images, struct assay_status *status) {
  const size_t count = (size_t)set->count + 1;
  uint32_t *first = calloc(count, sizeof *first), *sorted = calloc(count, sizeof *sorted);
  *images = (struct assay_prediction_images){.starts = calloc(count + 1, sizeof *images->starts), .rows = calloc(count, sizeof *images->rows)};
  const bool ready = first != NULL && sorted != NULL && images->starts != NULL && images->rows != NULL;
  if (ready) {
    for (uint32_t row = 0; row < set->count; row++) first[row] = sorted[row] = row;
    if (has_repeats(set)) {
      qsort_r(sorted, set->count, sizeof *sorted, by_path, (void *)set);
      find_first(set, sorted, first);
    }
    deal(set, first, images);
  } else {
    assay_predictions_images_free(images);
  }
  free(first);
  free(sorted);
  return ready ? 0 : assay_status_memory(status);
}

void assay_predictions_images_free(struct assay_prediction_images *images) {
  free(images->starts);
  free(images->rows);
  *images = (struct assay_prediction_images){0};
}
