/* SPDX-License-Identifier: MIT
 *
 * Comma-separated values as RFC 4180 has them, read record by record out of a file in memory. (assay_text_add_field writes them.)
 */
#ifndef ASSAY_BASE_CSV_H
#define ASSAY_BASE_CSV_H

#include <stdbool.h>
#include <stddef.h>

/* A cursor over the file, and the fields of the record at hand, which are cut out of the file's memory. */
struct assay_csv {
  char **fields;
  size_t count;         /* of fields; 0: the record is damaged (a quote is missing) */
  unsigned long line;   /* where the record begins, from 1 */
  bool damaged;         /* a byte of zero, or a quote that is never closed: no more records come */
  bool memory_short;    /* likewise */
  /* Private. */
  char *at, *end;
  unsigned long next_line;
  size_t capacity;
};

/* `data` has `size` bytes and a NUL byte behind, and is written to; a byte order mark at its start is passed over. */
void assay_csv_begin(struct assay_csv *csv, char *data, size_t size);
/* The next record; false at the end, and when damage or lack of memory ends it early. Lines end in LF or CRLF; a line without anything is a record of one empty
 * field. */
bool assay_csv_next(struct assay_csv *csv);
void assay_csv_end(struct assay_csv *csv); /* frees the list of fields */

#endif
