/* SPDX-License-Identifier: MIT
 *
 * A conformance case: how it is put together, and how it is described.
 */
#include "case.h"

#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct assay_tensor_type case_shape(int32_t dtype, int32_t rank, ...) {
  struct assay_tensor_type type = {dtype, rank, {0}};
  va_list extents;
  va_start(extents, rank);
  for (int32_t axis = 0; axis < rank; axis++) type.extents[axis] = va_arg(extents, int);
  va_end(extents);
  return type;
}

struct assay_case case_new(uint32_t op, uint32_t flags) {
  struct assay_case c;
  memset(&c, 0, sizeof c); /* padding too: attributes are hashed as bytes */
  c.op = op;
  c.flags = flags;
  c.terms = 1;
  return c;
}

void case_operand(struct assay_case *c, struct assay_tensor_type type, enum assay_case_fill fill) {
  c->inputs[c->input_count++] = (struct assay_case_operand){type, fill, 0};
}

void case_add(struct assay_case_list *list, const struct assay_case *c) {
  void *cases = list->cases;
  if (!assay_grow(&cases, &list->capacity, list->count + 1, sizeof *list->cases)) {
    list->failed = true;
    return;
  }
  list->cases = cases;
  list->cases[list->count++] = *c;
}

static void append(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void append(char *text, size_t size, const char *format, ...) {
  const size_t length = strlen(text);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text + length, size - length, format, arguments);
  va_end(arguments);
}

void assay_case_describe(const struct assay_case *c, char *text, size_t size) {
  text[0] = '\0';
  for (uint32_t i = 0; i < c->input_count; i++) {
    const struct assay_tensor_type *type = &c->inputs[i].type;
    append(text, size, "%s[", i ? " " : "");
    for (int32_t axis = 0; axis < type->rank; axis++) append(text, size, "%s%lld", axis ? "," : "", (long long)type->extents[axis]);
    append(text, size, "]");
  }
  if (c->op >= ASSAY_OP_CONV2D && c->op <= ASSAY_OP_CONV2D_WEIGHT_GRADIENT) {
    const struct assay_conv2d_attributes *a = &c->attributes.conv2d;
    append(text, size, " stride %d,%d dilation %d,%d pad %d,%d,%d,%d groups %d", (int)a->stride[0], (int)a->stride[1], (int)a->dilation[0], (int)a->dilation[1],
           (int)a->pad_low[0], (int)a->pad_low[1], (int)a->pad_high[0], (int)a->pad_high[1], (int)a->groups);
  }
  if (c->op >= ASSAY_OP_MAX_POOL2D && c->op <= ASSAY_OP_AVG_POOL2D_GRADIENT) {
    const struct assay_pool2d_attributes *a = &c->attributes.pool2d;
    append(text, size, " kernel %d,%d stride %d,%d pad %d,%d,%d,%d%s", (int)a->kernel[0], (int)a->kernel[1], (int)a->stride[0], (int)a->stride[1],
           (int)a->pad_low[0], (int)a->pad_low[1], (int)a->pad_high[0], (int)a->pad_high[1], a->count_padding ? " counted" : "");
  }
  if (c->op == ASSAY_OP_MATMUL) append(text, size, "%s%s", c->attributes.matmul.transpose_a ? " ta" : "", c->attributes.matmul.transpose_b ? " tb" : "");
  if (c->op == ASSAY_OP_WARP) append(text, size, " border %u", c->attributes.warp.border);
  if (c->op == ASSAY_OP_GAUSSIAN_BLUR) append(text, size, " radius %d", (int)c->attributes.blur.radius);
  if (c->op == ASSAY_OP_CAST) append(text, size, " to dtype %d", (int)c->attributes.cast.dtype);
  if (c->op >= ASSAY_OP_REDUCE_SUM && c->op <= ASSAY_OP_ARGMAX) append(text, size, " axes 0x%x", c->attributes.reduce.axes);
}
