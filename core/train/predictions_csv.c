/* SPDX-License-Identifier: MIT
 *
 * predictions.csv, written and read (RFC 4180).
 */
#include "train/predictions.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_LIMIT ((size_t)1 << 32)
#define FIXED_COLUMNS 5 /* path,part,fold,label,guess */

static const char *const part_names[] = {"train", "validation", "test", "none", NULL};

static void add_real(struct assay_text *text, double number) {
  char digits[64];
  assay_text_add(text, ",");
  if (isnan(number)) return;
  assay_print_real(number, digits);
  assay_text_add(text, digits);
}

static void add_header(struct assay_text *text, const struct assay_prediction_set *set) {
  assay_text_add(text, "path,part,fold,label,guess");
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
    assay_text_print(&text, ",%s,%d,", part_names[set->parts[row] <= ASSAY_PART_NONE ? set->parts[row] : ASSAY_PART_NONE], (int)set->folds[row]);
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

/* Reading: a cursor over the file, and the fields of the record at hand, cut out of the file's memory. */
struct reader {
  const char *path;
  char *at;           /* ends in NUL */
  unsigned long line; /* of the record at hand */
  unsigned long next_line;
  char **fields;
  size_t count, capacity;
  bool memory_short;
};

/* Undoes the quotes of the field at the cursor in place; false when a quote is missing. The cursor stops at the separator. */
static bool cut_quoted(struct reader *reader, char **end) {
  char *to = reader->at;
  for (char *from = reader->at + 1;; from++) {
    if (*from == '\0') return false;
    if (*from == '\n') reader->next_line++;
    if (*from == '"' && *++from != '"') {
      *end = to;
      reader->at = from;
      return *from == ',' || *from == '\n' || *from == '\r' || *from == '\0';
    }
    *to++ = *from;
  }
}

/* The next record; false at the end of the file, or when it is damaged (`count` is then 0). */
static bool read_record(struct reader *reader) {
  reader->count = 0;
  reader->line = reader->next_line;
  if (*reader->at == '\0') return false;
  for (;;) {
    void *fields = reader->fields;
    if (!assay_grow(&fields, &reader->capacity, reader->count + 1, sizeof *reader->fields)) {
      reader->memory_short = true;
      reader->count = 0;
      return false;
    }
    reader->fields = fields;
    reader->fields[reader->count++] = reader->at;
    char *end;
    if (*reader->at == '"') {
      if (!cut_quoted(reader, &end)) {
        reader->count = 0;
        return true;
      }
    } else {
      reader->at += strcspn(reader->at, ",\r\n");
      end = reader->at;
    }
    const char separator = *reader->at;
    if (separator == '\r' && reader->at[1] == '\n') reader->at++;
    if (*reader->at != '\0') reader->at++;
    *end = '\0';
    if (separator == ',') continue;
    reader->next_line++;
    return true;
  }
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

static int read_header(struct reader *reader, int32_t positive, struct assay_prediction_set **set, struct assay_status *status) {
  static const char *const fixed[] = {"path", "part", "fold", "label", "guess"};
  bool right = read_record(reader) && reader->count > FIXED_COLUMNS + 1 && strcmp(reader->fields[reader->count - 1], "loss") == 0;
  for (size_t i = 0; right && i < reader->count - 1; i++)
    right = i < FIXED_COLUMNS ? strcmp(reader->fields[i], fixed[i]) == 0 : strncmp(reader->fields[i], "score_", 6) == 0;
  if (!right) return assay_status_set(status, ASSAY_E_DATA, "%s:1: the columns must be path, part, fold, label, guess, score_… (one a class), loss", reader->path);
  for (size_t i = FIXED_COLUMNS; i < reader->count - 1; i++) reader->fields[i] += strlen("score_");
  const uint32_t class_count = (uint32_t)(reader->count - FIXED_COLUMNS - 1);
  if (positive >= (int32_t)class_count) return assay_status_set(status, ASSAY_E_DATA, "%s: there is no class number %d", reader->path, (int)positive);
  *set = assay_predictions_create(class_count, (const char *const *)reader->fields + FIXED_COLUMNS, positive);
  return *set == NULL ? assay_status_memory(status) : 0;
}

static int read_row(const struct reader *reader, struct assay_prediction_set *set, double *scores, struct assay_status *status) {
  if (reader->count != set->class_count + FIXED_COLUMNS + 1)
    return assay_status_set(status, ASSAY_E_DATA, "%s:%lu: %zu fields where the header has %u, or a quote is missing", reader->path, reader->line, reader->count,
                            set->class_count + FIXED_COLUMNS + 1);
  char *const *fields = reader->fields;
  int64_t fold;
  double loss;
  const int part = find_name(part_names, 4, fields[1]), label = find_name(set->classes, set->class_count, fields[3]),
            guess = find_name(set->classes, set->class_count, fields[4]);
  bool right = part >= 0 && assay_parse_integer(fields[2], &fold) && fold >= -1 && fold <= INT32_MAX && label >= 0 && guess >= 0;
  for (uint32_t class = 0; right && class < set->class_count; class++) right = assay_parse_real(fields[FIXED_COLUMNS + class], &scores[class]);
  if (!right || !read_number(fields[reader->count - 1], &loss))
    return assay_status_set(status, ASSAY_E_DATA, "%s:%lu: a part, fold, class name or number cannot be read", reader->path, reader->line);
  const int code = assay_predictions_add(set, fields[0], (uint32_t)part, (int32_t)fold, label, scores, loss, status);
  if (code == 0) set->guesses[set->count - 1] = guess;
  return code;
}

int assay_predictions_read(const char *path, int32_t positive, struct assay_prediction_set **set, struct assay_status *status) {
  struct reader reader = {.path = path, .next_line = 1};
  char *data;
  size_t size;
  *set = NULL;
  int code = assay_file_read(path, SIZE_LIMIT, ASSAY_E_DATA, &data, &size, status);
  if (code != 0) return code;
  reader.at = data;
  code = read_header(&reader, positive, set, status);
  double *scores = code == 0 ? calloc((*set)->class_count, sizeof *scores) : NULL;
  if (code == 0 && scores == NULL) code = assay_status_memory(status);
  while (code == 0 && read_record(&reader)) code = read_row(&reader, *set, scores, status);
  if (code == 0 && reader.memory_short) code = assay_status_memory(status);
  if (code == 0 && reader.at != data + size) code = assay_status_set(status, ASSAY_E_DATA, "%s:%lu: a byte of zero", path, reader.line);
  if (code != 0) {
    assay_predictions_release(*set);
    *set = NULL;
  }
  free(scores);
  free(reader.fields);
  free(data);
  return code;
}
