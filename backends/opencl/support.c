/* SPDX-License-Identifier: MIT
 *
 * Status, pooled memory and text of the OpenCL backend.
 */
#include "backends/opencl/support.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int assay_cl_status(struct assay_status *status, int code, const char *format, ...) {
  if (!status) return code;
  va_list arguments;
  va_start(arguments, format);
  status->code = code;
  vsnprintf(status->message, sizeof status->message, format, arguments);
  va_end(arguments);
  return code;
}

#define HEADER_SIZE ((sizeof(struct assay_cl_pool) + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t))

void *assay_cl_take(struct assay_cl_pool **pool, size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes) || __builtin_add_overflow(bytes, HEADER_SIZE, &bytes)) return NULL;
  struct assay_cl_pool *block = calloc(1, bytes);
  if (!block) return NULL;
  block->next = *pool;
  *pool = block;
  return (char *)block + HEADER_SIZE;
}

void assay_cl_pool_release(struct assay_cl_pool **pool) {
  while (*pool) {
    struct assay_cl_pool *next = (*pool)->next;
    free(*pool);
    *pool = next;
  }
}

void assay_cl_print(struct assay_cl_text *text, const char *format, ...) {
  if (text->failed) return;
  va_list arguments;
  va_start(arguments, format);
  const int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  if (length < 0) {
    text->failed = true;
    return;
  }
  if (text->length + (size_t)length + 1 > text->capacity) {
    const size_t capacity = 2 * (text->length + (size_t)length) + 256;
    char *data = realloc(text->data, capacity);
    if (!data) {
      text->failed = true;
      return;
    }
    text->data = data;
    text->capacity = capacity;
  }
  va_start(arguments, format);
  vsnprintf(text->data + text->length, text->capacity - text->length, format, arguments);
  va_end(arguments);
  text->length += (size_t)length;
}
