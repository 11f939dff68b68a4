/* SPDX-License-Identifier: MIT
 *
 * A manifest: a CSV file (RFC 4180) that lists images. Its first row names the columns: path and label, and if wanted split (train, val, test; empty: train) and
 * group, in any order; others are passed over. Paths are relative to the file's folder.
 */
#include "data/scan.h"

#include "base/arena.h"
#include "base/csv.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_BYTES = 1 << 30, COLUMN_COUNT = 4 };
enum column { COLUMN_PATH, COLUMN_LABEL, COLUMN_SPLIT, COLUMN_GROUP };
static const char *const column_names[COLUMN_COUNT] = {"path", "label", "split", "group"};

struct row {
  const char *path; /* joined */
  const char *label, *group;
  uint32_t part;
  unsigned long line;
};

struct manifest {
  struct assay_scan *scan;
  struct assay_arena *arena;
  const char *file, *folder;
  struct assay_status *status;
  struct assay_csv csv;
  int columns[COLUMN_COUNT]; /* -1: there is none */
  size_t column_count;
  struct row *rows; /* malloc'ed */
  size_t count, capacity;
};

__attribute__((format(printf, 3, 4))) static int refuse(const struct manifest *manifest, unsigned long line, const char *format, ...) {
  char text[400];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return assay_status_set(manifest->status, ASSAY_E_DATA, "%s:%lu: %s", manifest->file, line, text);
}

static int read_header(struct manifest *manifest, bool labelled) {
  struct assay_csv *csv = &manifest->csv;
  for (int c = 0; c < COLUMN_COUNT; c++) manifest->columns[c] = -1;
  const bool read = assay_csv_next(csv) && csv->count > 0;
  for (size_t i = 0; read && i < csv->count; i++) {
    bool known = false;
    for (int c = 0; c < COLUMN_COUNT; c++) {
      if (strcmp(csv->fields[i], column_names[c]) != 0) continue;
      if (manifest->columns[c] >= 0) return refuse(manifest, 1, "the column %s stands twice; keep one", column_names[c]);
      manifest->columns[c] = (int)i;
      known = true;
    }
    if (!known) assay_log_message(ASSAY_LOG_INFO, "%s: the column %s is not looked at", manifest->file, csv->fields[i]);
  }
  manifest->column_count = csv->count;
  if (manifest->columns[COLUMN_PATH] < 0 || (labelled && manifest->columns[COLUMN_LABEL] < 0))
    return refuse(manifest, 1, "the first row must name the columns, %s among them (and split and group if wanted)", labelled ? "path and label" : "path");
  return 0;
}

static const char *field(const struct manifest *manifest, enum column column) {
  return manifest->columns[column] < 0 ? "" : manifest->csv.fields[manifest->columns[column]];
}

static int read_row(struct manifest *manifest, bool labelled) {
  const struct assay_csv *csv = &manifest->csv;
  if (csv->count == 1 && csv->fields[0][0] == '\0' && manifest->column_count > 1) return 0; /* a blank line */
  if (csv->damaged) return refuse(manifest, csv->line, "a quote is missing, or one stands inside of a field; write \"…\" around the field and \"\" for a quote in it");
  if (csv->count != manifest->column_count) return refuse(manifest, csv->line, "has %zu fields where the first row has %zu", csv->count, manifest->column_count);
  const char *path = field(manifest, COLUMN_PATH), *label = field(manifest, COLUMN_LABEL), *split = field(manifest, COLUMN_SPLIT), *group = field(manifest, COLUMN_GROUP);
  while (strncmp(path, "./", 2) == 0) path += 2;
  if (path[0] == '\0') return refuse(manifest, csv->line, "the path is empty");
  if (labelled && label[0] == '\0') return refuse(manifest, csv->line, "the label is empty; write the image's class");
  if (!assay_is_printable(label) || !assay_is_printable(group)) return refuse(manifest, csv->line, "label and group must be printable UTF-8");
  const int part = split[0] == '\0' ? (int)ASSAY_PART_TRAIN : assay_scan_part(split);
  if (part < 0)
    return refuse(manifest, csv->line, "split cannot be %s; write train, val or test, or leave it empty", assay_is_printable(split) ? split : "what it is");
  void *rows = manifest->rows;
  if (!assay_grow(&rows, &manifest->capacity, manifest->count + 1, sizeof *manifest->rows)) return assay_status_memory(manifest->status);
  manifest->rows = rows;
  struct row *row = &manifest->rows[manifest->count++];
  *row = (struct row){.path = assay_path_join(manifest->arena, manifest->folder, path),
                      .label = assay_arena_copy(manifest->arena, label),
                      .group = group[0] == '\0' ? NULL : assay_arena_copy(manifest->arena, group),
                      .part = (uint32_t)part,
                      .line = csv->line};
  return row->path == NULL || row->label == NULL || (group[0] != '\0' && row->group == NULL) ? assay_status_memory(manifest->status) : 0;
}

static int by_path(const void *a, const void *b) {
  const struct row *left = a, *right = b;
  const int order = strcmp(left->path, right->path);
  return order != 0 ? order : (left->line > right->line) - (left->line < right->line);
}

static int read_rows(struct manifest *manifest, bool labelled) {
  int result = read_header(manifest, labelled);
  while (result == 0 && assay_csv_next(&manifest->csv)) result = read_row(manifest, labelled);
  if (result != 0) return result;
  if (manifest->csv.memory_short) return assay_status_memory(manifest->status);
  if (manifest->csv.damaged) return refuse(manifest, manifest->csv.line, "has a byte of zero; save the file as plain text (UTF-8)");
  if (manifest->count == 0) return refuse(manifest, 1, "lists no images");
  qsort(manifest->rows, manifest->count, sizeof *manifest->rows, by_path);
  for (size_t i = 1; i < manifest->count; i++)
    if (strcmp(manifest->rows[i].path, manifest->rows[i - 1].path) == 0)
      return refuse(manifest, manifest->rows[i].line, "this image stands in line %lu already; remove one of them", manifest->rows[i - 1].line);
  return 0;
}

/* Reads the file into rows sorted by path; their memory is the arena's but for the list itself. */
static int load(struct manifest *manifest, bool labelled) {
  char *data;
  size_t size;
  int result = assay_file_read(manifest->file, MOST_BYTES, ASSAY_E_DATA, &data, &size, manifest->status);
  if (result != 0) return result;
  assay_csv_begin(&manifest->csv, data, size);
  result = read_rows(manifest, labelled);
  assay_csv_end(&manifest->csv);
  free(data);
  return result;
}

static int add_image(struct assay_walk *walk, const char *path, struct assay_status *status) {
  struct stat facts;
  if (stat(path, &facts) != 0) facts = (struct stat){0}; /* reported when it is opened */
  const struct assay_found found = {.path = path, .identity = assay_file_identity_of(&facts)};
  return assay_walk_add(walk, &found, status);
}

int assay_manifest_images(const char *file, struct assay_walk *walk, struct assay_status *status) {
  struct manifest manifest = {.arena = walk->arena, .file = file, .folder = assay_path_folder(walk->arena, file), .status = status};
  int result = manifest.folder == NULL ? assay_status_memory(status) : load(&manifest, false);
  for (size_t i = 0; result == 0 && i < manifest.count; i++) result = add_image(walk, manifest.rows[i].path, status);
  free(manifest.rows);
  return result;
}

/* ---- For the scan ---- */

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* The classes of the training part, sorted by name, as those of folders are. */
static int add_classes(const struct manifest *manifest) {
  const char **labels = malloc(manifest->count * sizeof *labels);
  if (labels == NULL) return assay_status_memory(manifest->status);
  size_t count = 0;
  for (size_t i = 0; i < manifest->count; i++)
    if (manifest->rows[i].part == ASSAY_PART_TRAIN) labels[count++] = manifest->rows[i].label;
  int result = count == 0 ? refuse(manifest, 1, "no row is of the training part; leave split empty, or write train") : 0;
  if (count > 0) qsort(labels, count, sizeof *labels, by_text);
  int32_t label;
  for (size_t i = 0; i < count && result == 0; i++)
    if (i == 0 || strcmp(labels[i], labels[i - 1]) != 0) result = assay_scan_class(manifest->scan, manifest->file, labels[i], true, &label);
  free(labels);
  return result;
}

/* `test`: the rows are of the test, whatever they say. */
static int place_row(const struct manifest *manifest, const struct row *row, bool test) {
  struct assay_scan *scan = manifest->scan;
  int32_t label;
  const size_t before = scan->walk.count;
  const char *where = assay_arena_print(scan->arena, "%s:%lu", manifest->file, row->line);
  int result = where == NULL ? assay_status_memory(scan->status) : assay_scan_class(scan, where, row->label, false, &label);
  if (result == 0) result = add_image(&scan->walk, row->path, scan->status);
  if (result == 0) result = assay_scan_place(scan, before, label, test ? (uint32_t)ASSAY_PART_TEST : row->part, row->group);
  return result;
}

static int place_rows(struct manifest *manifest, bool test) {
  bool seen[3] = {false};
  struct assay_scan *scan = manifest->scan;
  for (size_t i = 0; i < manifest->count; i++) seen[manifest->rows[i].part] = true;
  int result = test ? 0 : add_classes(manifest);
  for (size_t i = 0; i < manifest->count && result == 0; i++) {
    const bool of_test = manifest->rows[i].part == ASSAY_PART_TEST;
    const bool wanted = test ? of_test || !seen[ASSAY_PART_TEST] : !of_test || scan->test.path == NULL;
    if (wanted) result = place_row(manifest, &manifest->rows[i], test);
  }
  if (test) return result;
  scan->dataset->has_validation = seen[ASSAY_PART_VALIDATION];
  scan->dataset->has_test = seen[ASSAY_PART_TEST];
  return result;
}

int assay_scan_manifest(struct assay_scan *scan, const struct assay_root *root, bool test) {
  struct manifest manifest = {.scan = scan, .arena = scan->arena, .file = root->path, .folder = root->folder, .status = scan->status};
  int result = load(&manifest, true);
  if (result == 0) result = place_rows(&manifest, test);
  free(manifest.rows);
  return result;
}
