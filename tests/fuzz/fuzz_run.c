/* SPDX-License-Identifier: MIT
 *
 * Any bytes as the tables of a run that are read again: curves.csv and predictions.csv.
 */
#include "base/arena.h"
#include "report/verdict.h"
#include "train/predictions.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile double looked_at;
static char path[] = "/tmp/assay-fuzz-XXXXXX";

static void remove_file(void) { unlink(path); }

static void write_file(const uint8_t *data, size_t size) {
  static bool made;
  if (!made) {
    const int descriptor = mkstemp(path);
    if (descriptor < 0 || close(descriptor) != 0) abort();
    atexit(remove_file);
    made = true;
  }
  FILE *file = fopen(path, "w");
  if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0) abort();
}

/* What has been read is what later parts count on: the best epoch is one of the curve's, and every number can be looked at. */
static void read_curves(void) {
  struct assay_status status;
  struct assay_arena *arena = assay_arena_create();
  const struct assay_curve *curves;
  uint32_t count;
  if (arena == NULL) abort();
  if (assay_curves_read(path, arena, &curves, &count, &status) == 0) {
    for (uint32_t i = 0; i < count; i++) {
      if (curves[i].epoch_count == 0 || curves[i].best_epoch >= curves[i].epoch_count) abort();
      for (uint32_t e = 0; e < curves[i].epoch_count; e++) looked_at = curves[i].training_loss[e] + curves[i].training_accuracy[e] + curves[i].validation_loss[e];
    }
  }
  assay_arena_release(arena);
}

/* Labels and guesses are classes, and rows of one image can be found. */
static void read_predictions(void) {
  struct assay_status status;
  struct assay_prediction_set *set;
  if (assay_predictions_read(path, -1, &set, &status) != 0) return;
  for (uint32_t i = 0; i < set->count; i++)
    if (set->labels[i] < 0 || (uint32_t)set->labels[i] >= set->class_count || set->guesses[i] < 0 || (uint32_t)set->guesses[i] >= set->class_count) abort();
  struct assay_prediction_images images;
  if (assay_predictions_images(set, &images, &status) == 0) {
    if (images.count > set->count) abort();
    assay_predictions_images_free(&images);
  }
  assay_predictions_release(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  write_file(data, size);
  read_curves();
  read_predictions();
  return 0;
}
