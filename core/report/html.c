/* SPDX-License-Identifier: MIT */
#include "report/html.h"

#include <math.h>
#include <string.h>

static const char replacement[] = "\xEF\xBF\xBD";

/* Bytes of the well-formed UTF-8 character at the start of `bytes` (Unicode, table 3-7); 0: there is none. */
static size_t character(const unsigned char *bytes) {
  const unsigned char first = bytes[0];
  if (first < 0x80) return 1;
  const size_t length = first >= 0xC2 && first <= 0xDF ? 2 : (first & 0xF0) == 0xE0 ? 3 : first >= 0xF0 && first <= 0xF4 ? 4 : 0;
  for (size_t i = 1; i < length; i++)
    if ((bytes[i] & 0xC0) != 0x80) return 0;
  if ((first == 0xE0 && bytes[1] < 0xA0) || (first == 0xED && bytes[1] > 0x9F) || (first == 0xF0 && bytes[1] < 0x90) || (first == 0xF4 && bytes[1] > 0x8F))
    return 0;
  return length;
}

void html_text(struct assay_text *out, const char *string) {
  static const struct {
    char byte;
    const char *entity;
  } entities[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
  for (const unsigned char *at = (const unsigned char *)string; at != NULL && *at != '\0';) {
    const size_t length = character(at);
    const char *entity = NULL;
    for (size_t i = 0; i < sizeof entities / sizeof *entities; i++)
      if (*at == (unsigned char)entities[i].byte) entity = entities[i].entity;
    const bool control = (*at < 0x20 && *at != '\n' && *at != '\t') || *at == 0x7F || (length == 2 && at[0] == 0xC2 && at[1] < 0xA0);
    if (entity != NULL) assay_text_add(out, entity);
    else if (length == 0 || control) assay_text_add(out, replacement);
    else assay_text_add_bytes(out, (const char *)at, length);
    at += length > 0 ? length : 1;
  }
}

void html_element(struct assay_text *out, const char *tag, const char *name, const char *string) {
  if (name != NULL) assay_text_print(out, "<%s class=\"%s\">", tag, name);
  else assay_text_print(out, "<%s>", tag);
  html_text(out, string);
  assay_text_print(out, "</%s>", tag);
}

void html_number(struct assay_text *out, double number, int digits) {
  if (!isfinite(number)) {
    assay_text_add(out, "–");
    return;
  }
  char text[64];
  snprintf(text, sizeof text, "%.*f", digits, number == 0 ? 0.0 : number);
  if (text[0] == '-') assay_text_print(out, "\xE2\x88\x92%s", text + 1); /* a minus as wide as a digit */
  else assay_text_add(out, text);
}

void html_json_number(struct assay_text *out, const json_t *number, int digits) {
  const double value = json_is_number(number) ? json_number_value(number) : NAN;
  html_number(out, value, json_is_integer(number) ? 0 : digits);
}

void html_jpeg(struct assay_text *out, const char *base64, const char *description) {
  const size_t length = base64 != NULL ? strlen(base64) : 0;
  if (length < 8 || strspn(base64, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") != length) return;
  assay_text_add(out, "<img alt=\"");
  html_text(out, description);
  assay_text_add(out, "\" src=\"data:image/jpeg;base64,");
  assay_text_add_bytes(out, base64, length);
  assay_text_add(out, "\">");
}

void html_section(struct assay_text *out, const char *anchor, const char *heading) {
  assay_text_print(out, "\n<section id=\"%s\"><h2>%s</h2>\n", anchor, heading);
}

void html_section_end(struct assay_text *out) { assay_text_add(out, "</section>\n"); }
