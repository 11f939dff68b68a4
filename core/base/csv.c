/* SPDX-License-Identifier: MIT */
#include "base/csv.h"

#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

void assay_csv_begin(struct assay_csv *csv, char *data, size_t size) {
  *csv = (struct assay_csv){.at = data, .end = data + size, .next_line = 1};
  if (size >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0) csv->at += 3;
}

void assay_csv_end(struct assay_csv *csv) {
  free(csv->fields);
  csv->fields = NULL;
}

/* Undoes the quotes of the field at the cursor in place; false when a quote is missing. The cursor stops at the separator. */
static bool cut_quoted(struct assay_csv *csv, char **end) {
  char *to = csv->at;
  for (char *from = csv->at + 1;; from++) {
    if (*from == '\0') return false;
    if (*from == '\n') csv->next_line++;
    if (*from == '"' && *++from != '"') {
      *end = to;
      csv->at = from;
      return *from == ',' || *from == '\n' || *from == '\r' || *from == '\0';
    }
    *to++ = *from;
  }
}

bool assay_csv_next(struct assay_csv *csv) {
  csv->count = 0;
  csv->line = csv->next_line;
  if (*csv->at == '\0') {
    csv->damaged |= csv->at != csv->end;
    return false;
  }
  for (;;) {
    void *fields = csv->fields;
    if (!assay_grow(&fields, &csv->capacity, csv->count + 1, sizeof *csv->fields)) {
      csv->memory_short = true;
      csv->count = 0;
      return false;
    }
    csv->fields = fields;
    csv->fields[csv->count++] = csv->at;
    char *end;
    if (*csv->at == '"') {
      if (!cut_quoted(csv, &end)) {
        csv->count = 0;
        csv->damaged = true;
        csv->at = csv->end;
        return true;
      }
    } else {
      csv->at += strcspn(csv->at, ",\r\n");
      end = csv->at;
    }
    const char separator = *csv->at;
    if (separator == '\r' && csv->at[1] == '\n') csv->at++;
    if (*csv->at != '\0') csv->at++;
    *end = '\0';
    if (separator == ',') continue;
    csv->next_line++;
    return true;
  }
}
