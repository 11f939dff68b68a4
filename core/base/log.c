/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

static assay_log_sink current_sink;
static void *current_context;

void assay_log_set(assay_log_sink sink, void *context) {
  current_sink = sink;
  current_context = context;
}

void assay_log_message(int level, const char *format, ...) {
  if (current_sink == NULL) return;
  char message[2048];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  current_sink(current_context, level, message);
}
