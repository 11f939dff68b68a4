/* SPDX-License-Identifier: MIT
 *
 * Writing HTML: whatever comes from outside (names of classes, paths, values) goes through html_text, the one place that escapes. Markup of our own is added
 * with assay_text_add and assay_text_print.
 */
#ifndef ASSAY_REPORT_HTML_H
#define ASSAY_REPORT_HTML_H

#include "base/text.h"

#include <jansson.h>

/* As text or as the value of an attribute in quotes. Control characters and bytes that are no UTF-8 become U+FFFD. NULL adds nothing. */
void html_text(struct assay_text *out, const char *string);
/* <tag class="name">text</tag>; `name` NULL: no class. */
void html_element(struct assay_text *out, const char *tag, const char *name, const char *string);
/* A number to be read: at most `digits` behind the point, "–" when it is not finite. */
void html_number(struct assay_text *out, double number, int digits);
/* The same of a JSON value; anything but a number is "–". Whole numbers are written without a point. */
void html_json_number(struct assay_text *out, const json_t *number, int digits);
/* A picture that is JPEG in base64, as it stands in pictures.json; any other text is refused and leaves nothing. */
void html_jpeg(struct assay_text *out, const char *base64, const char *description);
/* Section with an anchor and a heading. */
void html_section(struct assay_text *out, const char *anchor, const char *heading);
void html_section_end(struct assay_text *out);

#endif
