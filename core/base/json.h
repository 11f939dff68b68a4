/* SPDX-License-Identifier: MIT
 *
 * JSON has no infinities and no not-a-number: they are written as null.
 */
#ifndef ASSAY_BASE_JSON_H
#define ASSAY_BASE_JSON_H

#include <jansson.h>
#include <math.h>

static inline json_t *assay_json_number(double number) { return isfinite(number) ? json_real(number) : json_null(); }

#endif
