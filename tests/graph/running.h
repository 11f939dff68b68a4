/* SPDX-License-Identifier: MIT
 *
 * Running programs on the reference backend, for tests.
 */
#ifndef ASSAY_TESTS_GRAPH_RUNNING_H
#define ASSAY_TESTS_GRAPH_RUNNING_H

#include "graph/ops.h"
#include "graph/session.h"
#include "harness.h"

#include <assay/random.h>
#include <dlfcn.h>
#include <string.h>

static const struct assay_plugin *reference_plugin(void) {
  static const struct assay_plugin *plugin;
  if (plugin != NULL) return plugin;
  const char *folder = getenv("ASSAY_PLUGIN_PATH");
  char path[4096];
  snprintf(path, sizeof path, "%s/backend-reference.so", folder == NULL ? "." : folder);
  void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  ck_assert_msg(module != NULL, "%s", dlerror());
  const struct assay_plugin *(*query)(unsigned);
  *(void **)&query = dlsym(module, "assay_plugin_query");
  ck_assert_ptr_nonnull(query);
  plugin = query(0);
  return plugin;
}

/* A compiled program with one store. */
struct running {
  struct assay_session *session;
  const struct assay_backend *backend;
  const struct assay_program *program;
  struct assay_executable *executable;
  struct assay_store *store;
};

#define CHECK_STATUS(call)                                                                                                                                     \
  do {                                                                                                                                                         \
    const int code_ = (call);                                                                                                                                  \
    ck_assert_msg(code_ == 0, "%s: %d, %s", #call, code_, status.message);                                                                                     \
  } while (0)

static inline struct running run_program(const struct assay_program *program) {
  struct assay_status status = {0, {0}};
  struct running running = {.program = program};
  CHECK_STATUS(assay_session_open(reference_plugin(), NULL, NULL, &running.session, &status));
  running.backend = assay_session_backend(running.session);
  CHECK_STATUS(assay_session_compile(running.session, program, &running.executable, &status));
  CHECK_STATUS(running.backend->store_create(running.executable, &running.store, &status));
  return running;
}

/* Finishes the build and runs it. */
static inline struct running run_builder(struct assay_program_builder *builder) {
  struct assay_status status = {0, {0}};
  const struct assay_program *program;
  CHECK_STATUS(assay_program_finish(builder, &program, &status));
  return run_program(program);
}

static inline void stop_running(struct running *running) {
  running->backend->store_release(running->store);
  assay_session_close(running->session);
}

static inline uint64_t value_bytes(const struct assay_function *function, int32_t value) {
  const struct assay_tensor_type *type = function->graph->types[value];
  return (uint64_t)assay_element_count(type) * assay_dtype_size(type->dtype);
}

/* Feeds and fetches as arrays of pointers to data in the outside layout. */
static inline void call_function(struct running *running, uint32_t index, const void *const *feeds, void *const *fetches) {
  const struct assay_function *function = running->program->functions[index];
  struct assay_status status = {0, {0}};
  struct assay_buffer *in[32], *out[32];
  ck_assert(function->feed_count <= 32 && function->fetch_count <= 32);
  for (uint32_t i = 0; i < function->feed_count; i++) {
    const uint64_t size = value_bytes(function, function->feeds[i]);
    CHECK_STATUS(running->backend->buffer_create(assay_session_device(running->session), size, &in[i], &status));
    CHECK_STATUS(running->backend->buffer_write(in[i], 0, feeds[i], size, &status));
  }
  for (uint32_t i = 0; i < function->fetch_count; i++)
    CHECK_STATUS(running->backend->buffer_create(assay_session_device(running->session), value_bytes(function, function->fetches[i]), &out[i], &status));
  CHECK_STATUS(running->backend->run(running->executable, index, running->store, in, out, &status));
  for (uint32_t i = 0; i < function->fetch_count; i++) {
    CHECK_STATUS(running->backend->buffer_read(out[i], 0, fetches[i], value_bytes(function, function->fetches[i]), &status));
    running->backend->buffer_release(out[i]);
  }
  for (uint32_t i = 0; i < function->feed_count; i++) running->backend->buffer_release(in[i]);
}

#endif
