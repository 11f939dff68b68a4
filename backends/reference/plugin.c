/* SPDX-License-Identifier: MIT
 *
 * The door of the reference backend: its descriptor, its one device, and buffers.
 */
#include "device.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int assay_reference_error(struct assay_status *status, int code, const char *format, ...) {
  if (status) {
    va_list arguments;
    va_start(arguments, format);
    status->code = code;
    vsnprintf(status->message, sizeof status->message, format, arguments);
    va_end(arguments);
  }
  return code;
}

static int list(const struct assay_backend_host *host, const struct assay_option_value *const *options, const char *const *drivers, assay_found_device found,
                void *context, struct assay_status *status) {
  (void)host, (void)options, (void)drivers, (void)status;
  const struct assay_device_info info = {.struct_size = sizeof info,
                                         .usable = 1,
                                         .kind = ASSAY_DEVICE_CPU,
                                         .precisions = ASSAY_REFERENCE_FLOATS,
                                         .id = "0",
                                         .name = "plain C, one thread",
                                         .vendor = "",
                                         .driver = "assay " PACKAGE_VERSION,
                                         .extensions = "",
                                         .note = "the oracle for tests: exact and slow"};
  found(context, &info);
  return ASSAY_OK;
}

static int open_device(const struct assay_backend_host *host, const struct assay_option_value *const *options, const char *const *drivers, const char *id,
                       struct assay_device **device, struct assay_status *status) {
  (void)options, (void)drivers;
  if (id && strcmp(id, "0") != 0)
    return assay_reference_error(status, ASSAY_E_DEVICE, "backend reference has no device \"%s\"; its only one is \"0\"", id);
  *device = malloc(sizeof **device);
  if (!*device) return assay_reference_error(status, ASSAY_E_MEMORY, "backend reference: out of memory");
  (*device)->host = host;
  return ASSAY_OK;
}

static void close_device(struct assay_device *device) { free(device); }

static int buffer_create(struct assay_device *device, uint64_t size, struct assay_buffer **buffer, struct assay_status *status) {
  (void)device;
  struct assay_buffer *made = malloc(sizeof *made);
  unsigned char *bytes = calloc(size ? size : 1, 1);
  if (!made || !bytes) {
    free(made);
    free(bytes);
    return assay_reference_error(status, ASSAY_E_MEMORY, "backend reference: no memory for a buffer of %llu bytes", (unsigned long long)size);
  }
  made->size = size;
  made->bytes = bytes;
  *buffer = made;
  return ASSAY_OK;
}

static int check_range(const struct assay_buffer *buffer, uint64_t offset, uint64_t size, struct assay_status *status) {
  if (offset <= buffer->size && size <= buffer->size - offset) return ASSAY_OK;
  return assay_reference_error(status, ASSAY_E_FAILED, "backend reference: bytes %llu to %llu lie outside a buffer of %llu bytes", (unsigned long long)offset,
                               (unsigned long long)(offset + size), (unsigned long long)buffer->size);
}

static int buffer_write(struct assay_buffer *buffer, uint64_t offset, const void *data, uint64_t size, struct assay_status *status) {
  const int error = check_range(buffer, offset, size, status);
  if (!error && size) memcpy(buffer->bytes + offset, data, size);
  return error;
}

static int buffer_read(struct assay_buffer *buffer, uint64_t offset, void *data, uint64_t size, struct assay_status *status) {
  const int error = check_range(buffer, offset, size, status);
  if (!error && size) memcpy(data, buffer->bytes + offset, size);
  return error;
}

static void buffer_release(struct assay_buffer *buffer) {
  if (!buffer) return;
  free(buffer->bytes);
  free(buffer);
}

static int sync_device(struct assay_device *device, struct assay_status *status) {
  (void)device, (void)status;
  return ASSAY_OK;
}

static const struct assay_backend backend = {
    .struct_size = sizeof backend,
    .list = list,
    .open = open_device,
    .close = close_device,
    .supports = assay_reference_supports,
    .compile = assay_reference_compile,
    .memory = assay_reference_memory,
    .release = assay_reference_release,
    .buffer_create = buffer_create,
    .buffer_write = buffer_write,
    .buffer_read = buffer_read,
    .buffer_release = buffer_release,
    .store_create = assay_reference_store_create,
    .store_write = assay_reference_store_write,
    .store_read = assay_reference_store_read,
    .store_copy = assay_reference_store_copy,
    .store_release = assay_reference_store_release,
    .run = assay_reference_run,
    .sync = sync_device,
};

static const struct assay_plugin plugin = {
    .magic = ASSAY_PLUGIN_MAGIC,
    .struct_size = sizeof plugin,
    .kind = ASSAY_BACKEND,
    .abi_major = ASSAY_BACKEND_ABI_MAJOR,
    .abi_minor = ASSAY_BACKEND_ABI_MINOR,
    .name = "reference",
    .summary = "Every op in plain C and in every dtype: the oracle for tests, slow",
    .version = PACKAGE_VERSION,
    .vtable = &backend,
    .vtable_size = sizeof backend,
};

const struct assay_plugin *assay_plugin_query(unsigned index) { return index == 0 ? &plugin : NULL; }
