/* SPDX-License-Identifier: MIT
 *
 * Text: a growing string, strict conversion of numbers in the C locale, and spelling distance for "did you mean".
 */
#ifndef ASSAY_BASE_TEXT_H
#define ASSAY_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Starts as zeros. `data` is always a string once something was added; release with assay_text_release. */
struct assay_text {
  char *data;
  size_t length, capacity;
  bool failed; /* memory was short: what was added since is lost; check once at the end */
};

void assay_text_add(struct assay_text *text, const char *string);
void assay_text_add_bytes(struct assay_text *text, const char *bytes, size_t length);
void assay_text_print(struct assay_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void assay_text_release(struct assay_text *text);
/* A field of a CSV row, quoted where RFC 4180 asks for it. */
void assay_text_add_field(struct assay_text *text, const char *field);

/* RFC 4648, with padding. */
void assay_text_add_base64(struct assay_text *text, const void *data, size_t size);

/* The whole string must be the number: decimal, no leading zeros with meaning, no blanks around; false otherwise, or out of range,
 * or (real) not finite. Whatever the locale. */
bool assay_parse_integer(const char *string, int64_t *integer);
bool assay_parse_real(const char *string, double *real);
/* Shortest text that reads back as the same double ("0.1", not "0.10000000000000001"); at least 32 bytes. Always with a point as decimal mark. */
void assay_print_real(double real, char *buffer);

/* The candidate (NULL-terminated list) nearest to `word` by Damerau–Levenshtein distance, when near enough to be a slip; else NULL. */
const char *assay_nearest(const char *word, const char *const *candidates);

/* Is this one of the language's names: [a-z][a-z0-9_]*? */
bool assay_is_name(const char *string);
/* Is it valid UTF-8 without control characters? */
bool assay_is_printable(const char *string);

#endif
