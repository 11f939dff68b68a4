/* SPDX-License-Identifier: MIT
 *
 * predictions.csv, written and read (RFC 4180).
 */
#include "train/predictions.h"

#include "base/arena.h"
#include "base/csv.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_LIMIT ((size_t)1 << 32)
enum { PATH, PART, REPEAT, FOLD, LABEL, GUESS, FIXED_COLUMNS };
static const char *const fixed[FIXED_COLUMNS] = {"path", "part", "repeat", "fold", "label", "guess"};

static const char *const part_names[] = {"train", "validation", "test", "none", NULL};

static void add_real(struct assay_text *text, double number) {
  char digits[64];
  assay_text_add(text, ",");
  if (isnan(number)) return;
  assay_print_real(number, digits);
  assay_text_add(text, digits);
}

static void add_header(struct assay_text *text, const struct assay_prediction_set *set) {
  for (int i = 0; i < FIXED_COLUMNS; i++) assay_text_print(text, "%s%s", i > 0 ? "," : "", fixed[i]);
  for (uint32_t class = 0; class < set->class_count; class++) {
    struct assay_text name = {0};
    assay_text_print(&name, "score_%s", set->classes[class]);
    assay_text_add(text, ",");
    assay_text_add_field(text, name.failed ? "" : name.data);
    text->failed |= name.failed;
    assay_text_release(&name);
  }
  assay_text_add(text, ",loss\n");
}

int assay_predictions_write(const struct assay_prediction_set *set, const char *path, struct assay_status *status) {
  struct assay_text text = {0};
  add_header(&text, set);
  for (uint32_t row = 0; row < set->count; row++) {
    assay_text_add_field(&text, set->paths[row]);
    assay_text_print(&text, ",%s,%d,%d,", part_names[set->parts[row] <= ASSAY_PART_NONE ? set->parts[row] : ASSAY_PART_NONE], (int)set->repeats[row], (int)set->folds[row]);
    assay_text_add_field(&text, set->classes[set->labels[row]]);
    assay_text_add(&text, ",");
    assay_text_add_field(&text, set->classes[set->guesses[row]]);
    for (uint32_t class = 0; class < set->class_count; class++) add_real(&text, set->scores[(size_t)row * set->class_count + class]);
    add_real(&text, set->losses[row]);
    assay_text_add(&text, "\n");
  }
  const int code = text.failed ? assay_status_memory(status) : assay_file_write(path, text.data, text.length, status);
  assay_text_release(&text);
  return code;
}

static int find_name(const char *const *names, uint32_t count, const char *name) {
  for (uint32_t i = 0; i < count; i++)
    if (strcmp(names[i], name) == 0) return (int)i;
  return -1;
}

static bool read_number(const char *field, double *number) {
  if (*field == '\0') {
    *number = NAN;
    return true;
  }
  return assay_parse_real(field, number);
}

/* The number of a repeat or a fold, of which there are at most `most`; -1: the final model's. */
static bool read_place(const char *field, int32_t most, int32_t *place) {
  int64_t number;
  if (!assay_parse_integer(field, &number) || number < -1 || number >= most) return false;
  *place = (int32_t)number;
  return true;
}

static int read_header(struct assay_csv *csv, const char *path, int32_t positive, struct assay_prediction_set **set, struct assay_status *status) {
  bool right = assay_csv_next(csv) && csv->count > FIXED_COLUMNS + 1 && strcmp(csv->fields[csv->count - 1], "loss") == 0;
  for (size_t i = 0; right && i < csv->count - 1; i++)
    right = i < FIXED_COLUMNS ? strcmp(csv->fields[i], fixed[i]) == 0 : strncmp(csv->fields[i], "score_", 6) == 0;
  if (!right) return assay_status_set(status, ASSAY_E_DATA, "%s:1: the columns must be path, part, repeat, fold, label, guess, score_… (one a class), loss", path);
  for (size_t i = FIXED_COLUMNS; i < csv->count - 1; i++) csv->fields[i] += strlen("score_");
  const uint32_t class_count = (uint32_t)(csv->count - FIXED_COLUMNS - 1);
  if (positive >= (int32_t)class_count) return assay_status_set(status, ASSAY_E_DATA, "%s: there is no class number %d", path, (int)positive);
  *set = assay_predictions_create(class_count, (const char *const *)csv->fields + FIXED_COLUMNS, positive);
  return *set == NULL ? assay_status_memory(status) : 0;
}

static int read_row(const struct assay_csv *csv, const char *path, struct assay_prediction_set *set, double *scores, struct assay_status *status) {
  if (csv->count != set->class_count + FIXED_COLUMNS + 1)
    return assay_status_set(status, ASSAY_E_DATA, "%s:%lu: %zu fields where the header has %u, or a quote is missing", path, csv->line, csv->count,
                            set->class_count + FIXED_COLUMNS + 1);
  char *const *fields = csv->fields;
  int32_t repeat, fold;
  double loss;
  const int part = find_name(part_names, 4, fields[PART]), label = find_name(set->classes, set->class_count, fields[LABEL]),
            guess = find_name(set->classes, set->class_count, fields[GUESS]);
  bool right = part >= 0 && read_place(fields[REPEAT], ASSAY_MOST_REPEATS, &repeat) && read_place(fields[FOLD], ASSAY_MOST_FOLDS, &fold) && label >= 0 && guess >= 0;
  for (uint32_t class = 0; right && class < set->class_count; class++) right = assay_parse_real(fields[FIXED_COLUMNS + class], &scores[class]);
  if (!right || !read_number(fields[csv->count - 1], &loss))
    return assay_status_set(status, ASSAY_E_DATA, "%s:%lu: a part, repeat, fold, class name or number cannot be read", path, csv->line);
  const int code = assay_predictions_add(set, fields[PATH], (uint32_t)part, repeat, fold, label, scores, loss, status);
  if (code == 0) set->guesses[set->count - 1] = guess;
  return code;
}

int assay_predictions_read(const char *path, int32_t positive, struct assay_prediction_set **set, struct assay_status *status) {
  char *data;
  size_t size;
  *set = NULL;
  int code = assay_file_read(path, SIZE_LIMIT, ASSAY_E_DATA, &data, &size, status);
  if (code != 0) return code;
  struct assay_csv csv;
  assay_csv_begin(&csv, data, size);
  code = read_header(&csv, path, positive, set, status);
  double *scores = code == 0 ? calloc((*set)->class_count, sizeof *scores) : NULL;
  if (code == 0 && scores == NULL) code = assay_status_memory(status);
  while (code == 0 && assay_csv_next(&csv)) code = read_row(&csv, path, *set, scores, status);
  if (code == 0 && csv.memory_short) code = assay_status_memory(status);
  if (code == 0 && csv.damaged) code = assay_status_set(status, ASSAY_E_DATA, "%s:%lu: a byte of zero", path, csv.line);
  if (code != 0) {
    assay_predictions_release(*set);
    *set = NULL;
  }
  free(scores);
  assay_csv_end(&csv);
  free(data);
  return code;
}
