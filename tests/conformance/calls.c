/* SPDX-License-Identifier: MIT
 *
 * One call of a compiled function, from host memory to host memory.
 */
#include "tensors.h"

#include "base/status.h"

#include <stdlib.h>
#include <string.h>

enum { RUBBISH = 0xff, GUARD = 256, MOST = 64 };

void assay_host_tensors_release(struct assay_host_tensor *tensors, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    free(tensors[i].bytes);
    tensors[i].bytes = NULL;
  }
}

/* A buffer that holds `bytes`, or rubbish when there are none; and more rubbish behind, which nobody may touch. */
static int make_buffer(struct assay_session *session, const struct assay_tensor_type *type, const void *bytes, struct assay_buffer **buffer,
                       struct assay_status *status) {
  const struct assay_backend *backend = assay_session_backend(session);
  const size_t size = assay_host_tensor_size(type);
  unsigned char *whole = malloc(size + GUARD);
  if (!whole) return assay_status_memory(status);
  memset(whole, RUBBISH, size + GUARD);
  if (bytes) memcpy(whole, bytes, size);
  int error = backend->buffer_create(assay_session_device(session), size + GUARD, buffer, status);
  if (!error) error = backend->buffer_write(*buffer, 0, whole, size + GUARD, status);
  free(whole);
  return error;
}

/* Reads a buffer back and looks at what lies behind its tensor. `bytes` must have room for the guard too. */
static int read_buffer(const struct assay_backend *backend, struct assay_buffer *buffer, size_t size, unsigned char *bytes, const char *what, uint32_t number,
                       struct assay_status *status) {
  const int error = backend->buffer_read(buffer, 0, bytes, size + GUARD, status);
  for (size_t i = size; i < size + GUARD && !error; i++)
    if (bytes[i] != RUBBISH) return assay_status_set(status, ASSAY_E_FAILED, "byte %zu behind the end of %s %u was written to", i - size, what, number);
  return error;
}

static int read_fetches(const struct assay_backend *backend, const struct assay_function *function, struct assay_buffer *const *buffers,
                        struct assay_host_tensor *fetches, struct assay_status *status) {
  int error = ASSAY_OK;
  for (uint32_t i = 0; i < function->fetch_count && !error; i++) {
    fetches[i].type = *function->graph->types[function->fetches[i]];
    const size_t size = assay_host_tensor_size(&fetches[i].type);
    fetches[i].bytes = malloc(size + GUARD);
    error = fetches[i].bytes ? read_buffer(backend, buffers[i], size, fetches[i].bytes, "result", i, status) : assay_status_memory(status);
  }
  if (error) assay_host_tensors_release(fetches, function->fetch_count);
  return error;
}

/* What was fed must be as it was. */
static int check_feeds(const struct assay_backend *backend, const struct assay_function *function, struct assay_buffer *const *buffers,
                       const struct assay_host_tensor *feeds, struct assay_status *status) {
  int error = ASSAY_OK;
  for (uint32_t i = 0; i < function->feed_count && !error; i++) {
    const size_t size = assay_host_tensor_size(&feeds[i].type);
    unsigned char *bytes = malloc(size + GUARD);
    error = bytes ? read_buffer(backend, buffers[i], size, bytes, "feed", i, status) : assay_status_memory(status);
    if (!error && memcmp(bytes, feeds[i].bytes, size) != 0) error = assay_status_set(status, ASSAY_E_FAILED, "feed %u was changed by the run", i);
    free(bytes);
  }
  return error;
}

int assay_host_call(struct assay_session *session, struct assay_executable *executable, struct assay_store *store, const struct assay_program *program,
                    uint32_t function_index, const struct assay_host_tensor *feeds, struct assay_host_tensor *fetches, struct assay_status *status) {
  const struct assay_backend *backend = assay_session_backend(session);
  const struct assay_function *function = program->functions[function_index];
  struct assay_buffer *buffers[MOST] = {NULL}, **results = buffers + function->feed_count;
  if (function->feed_count + function->fetch_count > MOST) return assay_status_set(status, ASSAY_E_FAILED, "%s has too many feeds and results", function->name);
  for (uint32_t i = 0; i < function->fetch_count; i++) fetches[i].bytes = NULL;

  int error = ASSAY_OK;
  for (uint32_t i = 0; i < function->feed_count && !error; i++) error = make_buffer(session, &feeds[i].type, feeds[i].bytes, &buffers[i], status);
  for (uint32_t i = 0; i < function->fetch_count && !error; i++)
    error = make_buffer(session, function->graph->types[function->fetches[i]], NULL, &results[i], status);
  if (!error) error = backend->run(executable, function_index, store, buffers, results, status);
  if (!error) error = read_fetches(backend, function, results, fetches, status);
  if (!error) {
    error = check_feeds(backend, function, buffers, feeds, status);
    if (error) assay_host_tensors_release(fetches, function->fetch_count);
  }
  for (uint32_t i = 0; i < MOST; i++) backend->buffer_release(buffers[i]);
  return error;
}
