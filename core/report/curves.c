/* SPDX-License-Identifier: MIT
 *
 * A trial's curves.csv, read again.
 */
#include "report/verdict.h"

#include "base/arena.h"
#include "base/csv.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { REPEAT, FOLD, EPOCH, TRAINING_LOSS, TRAINING_ACCURACY, VALIDATION_LOSS, BEST, COLUMNS };
static const char *const names[COLUMNS] = {"repeat", "fold", "epoch", "training_loss", "training_accuracy", "validation_loss", "best"};
static const size_t MOST_BYTES = (size_t)256 << 20;

struct row {
  double values[COLUMNS];
};

/* Places of the columns; false when one is missing. */
static bool find_columns(const struct assay_csv *csv, size_t places[COLUMNS]) {
  for (int c = 0; c < COLUMNS; c++) {
    places[c] = csv->count;
    for (size_t i = 0; i < csv->count; i++)
      if (strcmp(csv->fields[i], names[c]) == 0) places[c] = i;
    if (places[c] == csv->count) return false;
  }
  return true;
}

/* The number of a repeat or a fold, of which there are at most `most`. */
static bool is_place(double number, int most) { return number >= 0 && number < most && number == floor(number); }

static bool read_row(const struct assay_csv *csv, const size_t places[COLUMNS], struct row *row) {
  for (int c = 0; c < COLUMNS; c++) {
    row->values[c] = NAN;
    if (places[c] >= csv->count) return false;
    const char *field = csv->fields[places[c]];
    if (field[0] != '\0' && !assay_parse_real(field, &row->values[c])) return false;
  }
  return is_place(row->values[REPEAT], ASSAY_MOST_REPEATS) && is_place(row->values[FOLD], ASSAY_MOST_FOLDS);
}

static bool same_fold(const struct row *a, const struct row *b) { return a->values[REPEAT] == b->values[REPEAT] && a->values[FOLD] == b->values[FOLD]; }

/* Rows of one fold stand together. */
static int make_curves(const struct row *rows, size_t count, struct assay_arena *arena, const struct assay_curve **curves, uint32_t *curve_count, struct assay_status *status) {
  uint32_t folds = 0;
  for (size_t i = 0; i < count; i++) folds += i == 0 || !same_fold(&rows[i], &rows[i - 1]);
  struct assay_curve *made = ASSAY_NEW_ARRAY(arena, struct assay_curve, folds);
  double *numbers = ASSAY_NEW_ARRAY(arena, double, 3 * count);
  if (made == NULL || numbers == NULL) return assay_status_memory(status);
  uint32_t fold = 0;
  for (size_t i = 0; i < count; i++) {
    if (i > 0 && !same_fold(&rows[i], &rows[i - 1])) fold++;
    struct assay_curve *curve = &made[fold];
    if (curve->epoch_count == 0) {
      curve->repeat = (uint32_t)rows[i].values[REPEAT];
      curve->fold = (uint32_t)rows[i].values[FOLD];
      curve->training_loss = numbers + i;
      curve->training_accuracy = numbers + count + i;
      curve->validation_loss = numbers + 2 * count + i;
    }
    numbers[i] = rows[i].values[TRAINING_LOSS];
    numbers[count + i] = rows[i].values[TRAINING_ACCURACY];
    numbers[2 * count + i] = rows[i].values[VALIDATION_LOSS];
    if (rows[i].values[BEST] == 1) curve->best_epoch = curve->epoch_count;
    curve->epoch_count++;
  }
  *curves = made;
  *curve_count = folds;
  return 0;
}

int assay_curves_read(const char *path, struct assay_arena *arena, const struct assay_curve **curves, uint32_t *count, struct assay_status *status) {
  char *data;
  size_t size, row_count = 0, capacity = 0, places[COLUMNS];
  int code = assay_file_read(path, MOST_BYTES, ASSAY_E_STORAGE, &data, &size, status);
  if (code != 0) return code;
  struct assay_csv csv;
  void *rows = NULL;
  assay_csv_begin(&csv, data, size);
  bool sound = assay_csv_next(&csv) && find_columns(&csv, places);
  while (sound && assay_csv_next(&csv)) {
    sound = assay_grow(&rows, &capacity, row_count + 1, sizeof(struct row)) && read_row(&csv, places, &((struct row *)rows)[row_count]);
    row_count++;
  }
  if (!sound || csv.damaged || csv.memory_short) code = assay_status_set(status, ASSAY_E_DATA, "%s: is not a file of curves", path);
  if (code == 0) code = make_curves(rows, row_count, arena, curves, count, status);
  assay_csv_end(&csv);
  free(rows);
  free(data);
  return code;
}
