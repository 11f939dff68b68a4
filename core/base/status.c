/* SPDX-License-Identifier: MIT */
#include "base/status.h"

#include <stdio.h>
#include <string.h>

int assay_status_set(struct assay_status *status, int code, const char *format, ...) {
  if (status == NULL) return code;
  /* Through a copy: an argument may point into the old message. */
  char message[sizeof status->message];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  memcpy(status->message, message, sizeof message);
  status->code = code;
  return code;
}

int assay_status_prefix(struct assay_status *status, const char *format, ...) {
  if (status == NULL) return ASSAY_E_FAILED;
  char prefix[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(prefix, sizeof prefix, format, arguments);
  va_end(arguments);
  return assay_status_set(status, status->code, "%s: %s", prefix, status->message);
}

int assay_status_memory(struct assay_status *status) {
  return assay_status_set(status, ASSAY_E_MEMORY, "out of memory; close other programs or use smaller images, batches or networks");
}

int assay_exit_code(int code) {
  if (code <= ASSAY_E_FAILED && code >= ASSAY_E_FINDINGS) return -code;
  if (code == ASSAY_E_MEMORY) return -ASSAY_E_DEVICE; /* a device's memory, nearly always */
  return code == ASSAY_OK ? 0 : 1;
}
