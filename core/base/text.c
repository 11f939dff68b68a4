/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include "base/arena.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void assay_text_add_bytes(struct assay_text *text, const char *bytes, size_t length) {
  if (text->failed) return;
  void *data = text->data;
  if (length > SIZE_MAX / 2 || !assay_grow(&data, &text->capacity, text->length + length + 1, 1)) {
    text->failed = true;
    return;
  }
  text->data = data;
  if (length > 0) memcpy(text->data + text->length, bytes, length);
  text->length += length;
  text->data[text->length] = '\0';
}

void assay_text_add(struct assay_text *text, const char *string) { assay_text_add_bytes(text, string, strlen(string)); }

void assay_text_print(struct assay_text *text, const char *format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  char small[256];
  const int length = vsnprintf(small, sizeof small, format, arguments);
  va_end(arguments);
  if (length >= 0 && (size_t)length < sizeof small) {
    assay_text_add_bytes(text, small, (size_t)length);
  } else {
    char *large = length < 0 ? NULL : malloc((size_t)length + 1);
    if (large == NULL) {
      text->failed = true;
    } else {
      vsnprintf(large, (size_t)length + 1, format, again);
      assay_text_add_bytes(text, large, (size_t)length);
      free(large);
    }
  }
  va_end(again);
}

void assay_text_release(struct assay_text *text) {
  free(text->data);
  *text = (struct assay_text){0};
}

void assay_text_add_field(struct assay_text *text, const char *field) {
  if (strpbrk(field, ",\"\r\n") == NULL) {
    assay_text_add(text, field);
    return;
  }
  assay_text_add(text, "\"");
  for (; *field != '\0'; field++) assay_text_add_bytes(text, *field == '"' ? "\"\"" : field, *field == '"' ? 2 : 1);
  assay_text_add(text, "\"");
}

/* Digits of a plain decimal: sign, no leading zero before another digit. */
static bool starts_like_decimal(const char *string) {
  if (*string == '-' || *string == '+') string++;
  if (!isdigit((unsigned char)*string) && *string != '.') return false;
  return !(string[0] == '0' && isdigit((unsigned char)string[1]));
}

bool assay_parse_integer(const char *string, int64_t *integer) {
  if (!starts_like_decimal(string)) return false;
  char *end;
  errno = 0;
  const long long value = strtoll(string, &end, 10);
  if (errno != 0 || end == string || *end != '\0') return false;
  *integer = value;
  return true;
}

static locale_t c_locale(void) {
  static locale_t locale; /* made once; a race would only make it twice */
  if (locale == (locale_t)0) locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  return locale;
}

bool assay_parse_real(const char *string, double *real) {
  if (!starts_like_decimal(string) || strpbrk(string, "xXpP") != NULL) return false;
  char *end;
  const locale_t before = uselocale(c_locale());
  const double value = strtod(string, &end);
  uselocale(before);
  if (end == string || *end != '\0' || !isfinite(value)) return false;
  *real = value;
  return true;
}

void assay_print_real(double real, char *buffer) {
  const locale_t before = uselocale(c_locale());
  if (isfinite(real) && fabs(real) < 1e15 && trunc(real) == real) {
    snprintf(buffer, 32, "%.0f", real); /* 1000, not 1e+03 */
  } else if (isfinite(real)) {
    for (int digits = 1; digits <= 17; digits++) {
      snprintf(buffer, 32, "%.*g", digits, real);
      if (strtod(buffer, NULL) == real) break;
    }
  } else {
    snprintf(buffer, 32, "%s", isnan(real) ? "nan" : real > 0 ? "inf" : "-inf");
  }
  uselocale(before);
}

enum { LONGEST_WORD = 64 };

/* Optimal string alignment distance; words longer than LONGEST_WORD are never near. */
static size_t edit_distance(const char *a, const char *b) {
  const size_t m = strlen(a), n = strlen(b);
  if (m > LONGEST_WORD || n > LONGEST_WORD) return SIZE_MAX;
  size_t rows[3][LONGEST_WORD + 1];
  for (size_t j = 0; j <= n; j++) rows[0][j] = j;
  for (size_t i = 1; i <= m; i++) {
    size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
    row[0] = i;
    for (size_t j = 1; j <= n; j++) {
      size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
      if (above[j] + 1 < best) best = above[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && two_above[j - 2] + 1 < best) best = two_above[j - 2] + 1;
      row[j] = best;
    }
  }
  return rows[m % 3][n];
}

const char *assay_nearest(const char *word, const char *const *candidates) {
  const char *nearest = NULL;
  size_t best = strlen(word) / 3 + 2; /* farther than that is no slip */
  for (; *candidates != NULL; candidates++) {
    const size_t distance = edit_distance(word, *candidates);
    if (distance < best) {
      best = distance;
      nearest = *candidates;
    }
  }
  return nearest;
}

bool assay_is_name(const char *string) {
  if (*string < 'a' || *string > 'z') return false;
  for (; *string != '\0'; string++)
    if (!((*string >= 'a' && *string <= 'z') || (*string >= '0' && *string <= '9') || *string == '_')) return false;
  return true;
}

bool assay_is_printable(const char *string) {
  const unsigned char *s = (const unsigned char *)string;
  while (*s != '\0') {
    uint32_t point = *s;
    int more = 0;
    if (point >= 0x80) {
      more = point >= 0xF0 ? 3 : point >= 0xE0 ? 2 : 1;
      if (point < 0xC2 || point > 0xF4) return false;
      point &= 0x3Fu >> more;
    }
    s++;
    for (int i = 0; i < more; i++, s++) {
      if ((*s & 0xC0) != 0x80) return false;
      point = point << 6 | (*s & 0x3F);
    }
    if ((more == 2 && point < 0x800) || (more == 3 && (point < 0x10000 || point > 0x10FFFF)) || (point >= 0xD800 && point < 0xE000)) return false;
    if (point < 0x20 || (point >= 0x7F && point < 0xA0)) return false;
  }
  return true;
}

void assay_text_add_base64(struct assay_text *text, const void *data, size_t size) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const uint8_t *bytes = data;
  for (size_t i = 0; i < size; i += 3) {
    const uint32_t left = size - i < 3 ? (uint32_t)(size - i) : 3;
    const uint32_t word = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) | (left > 2 ? bytes[i + 2] : 0);
    const char four[4] = {digits[word >> 18], digits[word >> 12 & 63], left > 1 ? digits[word >> 6 & 63] : '=', left > 2 ? digits[word & 63] : '='};
    assay_text_add_bytes(text, four, sizeof four);
  }
}
