/* SPDX-License-Identifier: MIT
 *
 * A backend in use. Before a program is compiled, what the backend refuses is taken apart; what it refuses only while compiling is remembered by what it is
 * (op, types, attributes), since numbers of nodes change from one copy of a program to the next.
 */
#include "graph/session.h"

#include "base/arena.h"
#include "base/status.h"
#include "graph/op_rules.h"

#include <stdlib.h>
#include <string.h>

/* A node that compile refused. */
struct refusal {
  struct refusal *next;
  const struct assay_graph *graph;
  const struct assay_node *node;
};

struct compiled {
  struct compiled *next;
  struct assay_arena *arena; /* holds the program that the executable keeps using */
  struct assay_executable *executable;
  uint8_t key[16];
};

struct assay_session {
  struct assay_backend table;
  const struct assay_backend *backend; /* &table */
  struct assay_device *device;
  const char *name; /* of the plugin */
  uint64_t limit;   /* bytes; 0: none */
  uint64_t taken;
  struct compiled *compiled; /* the one used last comes first */
};

/* ---- Opening and closing ---- */

/* A backend of an earlier minor version has a shorter table: what it lacks is NULL, and optional. */
static bool take_table(const struct assay_plugin *plugin, struct assay_backend *table) {
  if (plugin->kind != ASSAY_BACKEND || plugin->vtable == NULL || plugin->vtable_size < ASSAY_BACKEND_LEAST_SIZE) return false;
  memcpy(table, plugin->vtable, plugin->vtable_size < sizeof *table ? plugin->vtable_size : sizeof *table);
  return true;
}

static bool is_complete(const struct assay_backend *backend) {
  return backend->list && backend->open && backend->close && backend->supports && backend->compile && backend->memory && backend->release &&
         backend->buffer_create && backend->buffer_write && backend->buffer_read && backend->buffer_release && backend->store_create && backend->store_write &&
         backend->store_read && backend->store_copy && backend->store_release && backend->run && backend->sync;
}

int assay_backend_table(const struct assay_plugin *plugin, struct assay_backend *table, struct assay_status *status) {
  memset(table, 0, sizeof *table);
  if (!take_table(plugin, table)) return assay_status_set(status, ASSAY_E_PLUGIN, "plugin %s is no backend of this version of Assay", plugin->name);
  if (!is_complete(table)) return assay_status_set(status, ASSAY_E_PLUGIN, "backend %s leaves a function out that every backend must have", plugin->name);
  return 0;
}

int assay_session_open(const struct assay_plugin *plugin, const struct assay_option_value *const *values, const char *id, struct assay_session **session,
                       struct assay_status *status) {
  return assay_session_open_with(plugin, values, NULL, id, session, status);
}

int assay_session_open_with(const struct assay_plugin *plugin, const struct assay_option_value *const *values, const char *const *drivers, const char *id,
                            struct assay_session **session, struct assay_status *status) {
  *session = NULL;
  struct assay_session *opened = calloc(1, sizeof *opened);
  if (opened == NULL) return assay_status_memory(status);
  opened->name = plugin->name;
  int error = assay_backend_table(plugin, &opened->table, status);
  opened->backend = &opened->table;
  if (error == 0) error = opened->backend->open(assay_backend_host_table(), values, drivers, id, &opened->device, status);
  if (error == 0) *session = opened;
  else free(opened);
  return error;
}

static void release_compiled(const struct assay_session *session, struct compiled *compiled) {
  session->backend->release(compiled->executable);
  assay_arena_release(compiled->arena);
  free(compiled);
}

void assay_session_close(struct assay_session *session) {
  if (session == NULL) return;
  for (struct compiled *compiled = session->compiled; compiled != NULL;) {
    struct compiled *next = compiled->next;
    release_compiled(session, compiled);
    compiled = next;
  }
  session->backend->close(session->device);
  free(session);
}

const struct assay_backend *assay_session_backend(const struct assay_session *session) { return session->backend; }
struct assay_device *assay_session_device(const struct assay_session *session) { return session->device; }

/* ---- Memory ---- */

void assay_session_limit(struct assay_session *session, uint64_t bytes) { session->limit = bytes; }

uint64_t assay_session_room(const struct assay_session *session) {
  if (session->limit == 0) return UINT64_MAX;
  return session->limit > session->taken ? session->limit - session->taken : 0;
}

int assay_session_take(struct assay_session *session, uint64_t bytes, struct assay_status *status) {
  const double mebibyte = 1 << 20;
  if (bytes > assay_session_room(session))
    return assay_status_set(status, ASSAY_E_MEMORY, "%.4g MiB are needed, and of what [backend] memory allows %.4g MiB are left", (double)bytes / mebibyte,
                            (double)assay_session_room(session) / mebibyte);
  session->taken += bytes;
  return 0;
}

int assay_session_take_program(struct assay_session *session, const struct assay_executable *executable, uint32_t stores, uint64_t beside, uint64_t *taken,
                               struct assay_status *status) {
  struct assay_memory_need need = {.struct_size = sizeof need};
  session->backend->memory(executable, &need);
  const double mebibyte = 1 << 20, variables = (double)need.store * stores, kept = (double)(beside + session->taken);
  const double all = variables + (double)need.workspace + kept;
  if (session->limit > 0 && all > (double)session->limit)
    return assay_status_set(status, ASSAY_E_MEMORY,
                            "%.4g MiB are needed (%.4g for the values on the way, %.4g for variables, %.4g for images and results), and [backend] memory allows %.4g",
                            all / mebibyte, (double)need.workspace / mebibyte, variables / mebibyte, kept / mebibyte, (double)session->limit / mebibyte);
  *taken = need.store * stores + need.workspace + beside;
  session->taken += *taken;
  return 0;
}

void assay_session_give_back(struct assay_session *session, uint64_t bytes) { session->taken -= bytes < session->taken ? bytes : session->taken; }

/* ---- Compiling ---- */

struct taking {
  const struct assay_session *session;
  struct refusal *refusals;
};

static bool same_node(const struct assay_graph *graph_a, const struct assay_node *a, const struct assay_graph *graph_b, const struct assay_node *b) {
  if (a->op != b->op || a->input_count != b->input_count || a->output_count != b->output_count || a->attributes_size != b->attributes_size) return false;
  if (a->attributes_size > 0 && memcmp(a->attributes, b->attributes, a->attributes_size) != 0) return false;
  for (uint32_t i = 0; i < a->input_count; i++)
    if (!assay_same_type(graph_a->types[a->inputs[i]], graph_b->types[b->inputs[i]])) return false;
  for (uint32_t i = 0; i < a->output_count; i++)
    if (!assay_same_type(graph_a->types[a->first_output + (int32_t)i], graph_b->types[b->first_output + (int32_t)i])) return false;
  return true;
}

static bool was_refused(const struct taking *taking, const struct assay_graph *graph, const struct assay_node *node) {
  for (const struct refusal *refusal = taking->refusals; refusal != NULL; refusal = refusal->next)
    if (same_node(refusal->graph, refusal->node, graph, node)) return true;
  return false;
}

static bool takes(void *context, const struct assay_graph *graph, uint32_t index) {
  const struct taking *taking = context;
  if (was_refused(taking, graph, graph->nodes[index])) return false;
  return taking->session->backend->supports(taking->session->device, graph, index) == 1;
}

/* Notes what compile refused; an error when it names no node, or one that it has refused before. */
static int note_refusal(struct taking *taking, const struct assay_program *program, const uint32_t refused[2], struct assay_arena *arena,
                        struct assay_status *status) {
  if (refused[0] >= program->function_count || refused[1] >= program->functions[refused[0]]->graph->node_count)
    return assay_status_set(status, ASSAY_E_PLUGIN, "backend %s refuses a node that does not exist; the plugin is broken", taking->session->name);
  struct refusal *refusal = ASSAY_NEW(arena, struct refusal);
  if (refusal == NULL) return assay_status_memory(status);
  const struct assay_graph *graph = program->functions[refused[0]]->graph;
  *refusal = (struct refusal){taking->refusals, graph, graph->nodes[refused[1]]};
  if (was_refused(taking, graph, refusal->node))
    return assay_status_set(status, ASSAY_E_PLUGIN, "backend %s refuses the same node twice; the plugin is broken", taking->session->name);
  taking->refusals = refusal;
  return 0;
}

static int compile_in(const struct assay_session *session, struct assay_arena *arena, const struct assay_program *program, struct assay_executable **executable,
                      struct assay_status *status) {
  struct taking taking = {session, NULL};
  for (;;) {
    const struct assay_program *fitting;
    int error = assay_program_decompose(program, takes, &taking, arena, &fitting, status);
    if (error == ASSAY_E_UNSUPPORTED) assay_status_prefix(status, "backend %s", session->name);
    if (error != 0) return error;
    uint32_t refused[2] = {UINT32_MAX, UINT32_MAX};
    error = session->backend->compile(session->device, fitting, executable, refused, status);
    if (error != ASSAY_E_UNSUPPORTED) return error;
    error = note_refusal(&taking, fitting, refused, arena, status);
    if (error != 0) return error;
  }
}

/* A key of zeros means that there was no memory to make one: equal to nothing. */
static bool is_key(const uint8_t key[16]) {
  static const uint8_t none[16];
  return memcmp(key, none, 16) != 0;
}

/* The executable of that key, moved to the front; NULL. */
static struct compiled *find_compiled(struct assay_session *session, const uint8_t key[16]) {
  for (struct compiled **link = &session->compiled; is_key(key) && *link != NULL; link = &(*link)->next) {
    struct compiled *found = *link;
    if (memcmp(found->key, key, 16) != 0) continue;
    *link = found->next;
    found->next = session->compiled;
    session->compiled = found;
    return found;
  }
  return NULL;
}

int assay_session_compile(struct assay_session *session, const struct assay_program *program, struct assay_executable **executable,
                          struct assay_status *status) {
  *executable = NULL;
  struct compiled *compiled = find_compiled(session, program->key);
  if (compiled != NULL) {
    *executable = compiled->executable;
    return 0;
  }
  compiled = calloc(1, sizeof *compiled);
  if (compiled == NULL || (compiled->arena = assay_arena_create()) == NULL) {
    free(compiled);
    return assay_status_memory(status);
  }
  const int error = compile_in(session, compiled->arena, program, &compiled->executable, status);
  if (error != 0) {
    assay_arena_release(compiled->arena);
    free(compiled);
    return error;
  }
  memcpy(compiled->key, program->key, 16);
  compiled->next = session->compiled;
  session->compiled = compiled;
  *executable = compiled->executable;
  return 0;
}

int assay_session_tune(struct assay_session *session, const struct assay_tuner *tuner, struct assay_status *status) {
  if (session->backend->tune == NULL) return assay_status_set(status, ASSAY_E_UNSUPPORTED, "backend %s has no parameters to tune; 'assay devices' lists what else there is", session->name);
  return session->backend->tune(session->device, tuner, status);
}

void assay_session_trim(struct assay_session *session, uint32_t keep) {
  struct compiled **link = &session->compiled;
  for (; keep > 0 && *link != NULL; keep--) link = &(*link)->next;
  while (*link != NULL) {
    struct compiled *old = *link;
    *link = old->next;
    release_compiled(session, old);
  }
}
