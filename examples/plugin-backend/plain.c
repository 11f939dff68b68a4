/* SPDX-License-Identifier: MIT
 *
 * The door of the backend, and its life: one device, buffers, compiled programs, stores, runs. The device is the process itself, so all is done when a
 * call returns; on another device the same places submit work. docs/plugins.md walks through this file.
 */
#include "plain.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What stands behind the interface's names is the backend's own. */
struct assay_device {
  const struct assay_backend_host *host;
};

struct assay_buffer {
  uint64_t size;
  unsigned char *bytes;
};

struct function {
  uint64_t *offsets;      /* of each value in the workspace */
  struct tensor *tensors; /* by value; `bytes` are set when it runs */
  uint64_t size;          /* of the workspace */
  uint32_t widest;        /* inputs of the node with the most of them */
};

struct assay_executable {
  const struct assay_program *program; /* lives until release */
  struct function *functions;
  uint64_t *variables; /* offset of each in a store */
  uint64_t store_size, workspace_size;
  unsigned char *workspace; /* one for all functions, as one call runs at a time; taken with the first store */
  struct tensor *operands;  /* of the node at work */
};

struct assay_store {
  struct assay_executable *executable;
  unsigned char *bytes;
};

enum { ALIGNMENT = 64 };

static uint64_t size_of(const struct assay_tensor_type *type) { return (uint64_t)assay_element_count(type) * assay_dtype_size(type->dtype); }

/* One sentence: what, where, what to do. */
static int fail(struct assay_status *status, int code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  if (status) {
    status->code = code;
    vsnprintf(status->message, sizeof status->message, format, arguments);
  }
  va_end(arguments);
  return code;
}

static int no_memory(struct assay_status *status) { return fail(status, ASSAY_E_MEMORY, "backend plain is out of memory; try a smaller batch"); }

/* ---- The device ---- */

static int list(const struct assay_backend_host *host, const struct assay_option_value *const *options, const char *const *drivers, assay_found_device found,
                void *context, struct assay_status *status) {
  (void)host, (void)options, (void)drivers, (void)status;
  const struct assay_device_info info = {.struct_size = sizeof info,
                                         .usable = 1,
                                         .kind = ASSAY_DEVICE_CPU,
                                         .precisions = 1u << ASSAY_F32,
                                         .id = "0",
                                         .name = "a plain processor",
                                         .vendor = "",
                                         .driver = "plain 1.0",
                                         .extensions = "",
                                         .note = "an example; slow"};
  found(context, &info);
  return ASSAY_OK;
}

static int open_device(const struct assay_backend_host *host, const struct assay_option_value *const *options, const char *const *drivers, const char *id,
                       struct assay_device **device, struct assay_status *status) {
  (void)options, (void)drivers;
  if (id && strcmp(id, "0") != 0) return fail(status, ASSAY_E_DEVICE, "backend plain has no device \"%s\"; its only one is \"0\"", id);
  *device = calloc(1, sizeof **device);
  if (!*device) return no_memory(status);
  (*device)->host = host;
  return ASSAY_OK;
}

static void close_device(struct assay_device *device) { free(device); }

static int synchronise(struct assay_device *device, struct assay_status *status) {
  (void)device, (void)status;
  return ASSAY_OK; /* nothing is ever under way */
}

/* ---- Buffers: feeds and results ---- */

static void buffer_release(struct assay_buffer *buffer) {
  if (buffer) free(buffer->bytes);
  free(buffer);
}

static int buffer_create(struct assay_device *device, uint64_t size, struct assay_buffer **buffer, struct assay_status *status) {
  (void)device;
  struct assay_buffer *made = calloc(1, sizeof *made);
  if (made) *made = (struct assay_buffer){size, calloc(size ? size : 1, 1)};
  if (!made || !made->bytes) {
    buffer_release(made);
    return no_memory(status);
  }
  *buffer = made;
  return ASSAY_OK;
}

static int is_outside(const struct assay_buffer *buffer, uint64_t offset, uint64_t size) { return offset > buffer->size || size > buffer->size - offset; }

static int buffer_write(struct assay_buffer *buffer, uint64_t offset, const void *data, uint64_t size, struct assay_status *status) {
  if (is_outside(buffer, offset, size)) return fail(status, ASSAY_E_FAILED, "backend plain: a write behind the end of a buffer");
  if (size) memcpy(buffer->bytes + offset, data, size);
  return ASSAY_OK;
}

static int buffer_read(struct assay_buffer *buffer, uint64_t offset, void *data, uint64_t size, struct assay_status *status) {
  if (is_outside(buffer, offset, size)) return fail(status, ASSAY_E_FAILED, "backend plain: a read behind the end of a buffer");
  if (size) memcpy(data, buffer->bytes + offset, size);
  return ASSAY_OK;
}

/* ---- Which nodes are taken ---- */

/* INPUT, VARIABLE and ASSIGN need no kernel; composites have none here, so Assay takes them apart. */
static kernel find_kernel(uint32_t op) {
  const kernel found = elementwise_kernel(op);
  return found ? found : tensor_kernel(op);
}

static int is_known(const struct assay_tensor_type *type) {
  return type->dtype == ASSAY_F32 || type->dtype == ASSAY_I32 || type->dtype == ASSAY_U32 || type->dtype == ASSAY_U8 || type->dtype == ASSAY_BOOL;
}

static int supports(struct assay_device *device, const struct assay_graph *graph, uint32_t number) {
  const struct assay_node *node = graph->nodes[number];
  (void)device;
  for (uint32_t i = 0; i < node->input_count; i++)
    if (!is_known(graph->types[node->inputs[i]])) return 0;
  for (uint32_t i = 0; i < node->output_count; i++)
    if (!is_known(graph->types[node->first_output + (int32_t)i])) return 0;
  return node->op == ASSAY_OP_INPUT || node->op == ASSAY_OP_VARIABLE || node->op == ASSAY_OP_ASSIGN || find_kernel(node->op) != NULL;
}

/* ---- Compiling: where every value lies ---- */

/* A value lives from the node that makes it to the last that reads it; results, and what is assigned, to the end. What lives at one time does not overlap. */
static int place_values(const struct assay_backend_host *host, const struct assay_function *function, struct function *made) {
  const struct assay_graph *graph = function->graph;
  struct assay_interval *lives = calloc((size_t)graph->value_count + 1, sizeof *lives);
  made->offsets = calloc((size_t)graph->value_count + 1, sizeof *made->offsets);
  made->tensors = calloc((size_t)graph->value_count + 1, sizeof *made->tensors);
  int error = lives && made->offsets && made->tensors ? ASSAY_OK : ASSAY_E_MEMORY;
  for (uint32_t n = 0; n < graph->node_count && !error; n++) {
    const struct assay_node *node = graph->nodes[n];
    for (uint32_t i = 0; i < node->output_count; i++) {
      const int32_t value = node->first_output + (int32_t)i;
      made->tensors[value].type = graph->types[value];
      lives[value] = (struct assay_interval){size_of(graph->types[value]), n, n};
    }
    for (uint32_t i = 0; i < node->input_count; i++) {
      uint32_t *last = &lives[node->inputs[i]].last;
      if (node->op == ASSAY_OP_ASSIGN) *last = graph->node_count;
      else if (n > *last) *last = n;
    }
    if (node->input_count > made->widest) made->widest = node->input_count;
  }
  for (uint32_t i = 0; i < function->fetch_count && !error; i++) lives[function->fetches[i]].last = graph->node_count;
  if (!error) error = host->plan_memory(lives, graph->value_count, ALIGNMENT, made->offsets, &made->size);
  free(lives);
  return error;
}

static void release(struct assay_executable *executable) {
  if (!executable) return;
  for (uint32_t f = 0; executable->functions && f < executable->program->function_count; f++) {
    free(executable->functions[f].offsets);
    free(executable->functions[f].tensors);
  }
  free(executable->functions);
  free(executable->variables);
  free(executable->workspace);
  free(executable->operands);
  free(executable);
}

static int compile(struct assay_device *device, const struct assay_program *program, struct assay_executable **executable, uint32_t refused[2],
                   struct assay_status *status) {
  (void)refused; /* what `supports` takes is never refused here */
  struct assay_executable *made = calloc(1, sizeof *made);
  if (!made) return no_memory(status);
  uint32_t widest = 0;
  made->program = program;
  made->functions = calloc((size_t)program->function_count + 1, sizeof *made->functions);
  made->variables = calloc((size_t)program->variable_count + 1, sizeof *made->variables);
  int error = made->functions && made->variables ? ASSAY_OK : ASSAY_E_MEMORY;
  for (uint32_t v = 0; v < program->variable_count && !error; v++) {
    made->variables[v] = made->store_size;
    made->store_size += (size_of(&program->variables[v]->type) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }
  for (uint32_t f = 0; f < program->function_count && !error; f++) {
    error = place_values(device->host, program->functions[f], &made->functions[f]);
    if (made->functions[f].size > made->workspace_size) made->workspace_size = made->functions[f].size;
    if (made->functions[f].widest > widest) widest = made->functions[f].widest;
  }
  if (!error && !(made->operands = calloc((size_t)widest + 1, sizeof *made->operands))) error = ASSAY_E_MEMORY;
  if (error) {
    release(made);
    return no_memory(status);
  }
  *executable = made;
  return ASSAY_OK;
}

static void memory(const struct assay_executable *executable, struct assay_memory_need *need) {
  need->store = executable->store_size;
  need->workspace = executable->workspace_size;
}

/* ---- Stores: the values of all variables ---- */

static void store_release(struct assay_store *store) {
  if (store) free(store->bytes);
  free(store);
}

static int store_create(struct assay_executable *executable, struct assay_store **store, struct assay_status *status) {
  struct assay_store *made = calloc(1, sizeof *made);
  if (made) *made = (struct assay_store){executable, calloc(executable->store_size + 1, 1)};
  if (!executable->workspace) executable->workspace = aligned_alloc(ALIGNMENT, (executable->workspace_size / ALIGNMENT + 1) * ALIGNMENT);
  if (!made || !made->bytes || !executable->workspace) {
    store_release(made);
    return no_memory(status);
  }
  *store = made;
  return ASSAY_OK;
}

static unsigned char *variable_of(const struct assay_store *store, uint32_t variable) { return store->bytes + store->executable->variables[variable]; }
static uint64_t variable_size(const struct assay_store *store, uint32_t variable) { return size_of(&store->executable->program->variables[variable]->type); }

static int store_write(struct assay_store *store, uint32_t variable, const void *data, struct assay_status *status) {
  (void)status;
  memcpy(variable_of(store, variable), data, variable_size(store, variable));
  return ASSAY_OK;
}

static int store_read(struct assay_store *store, uint32_t variable, void *data, struct assay_status *status) {
  (void)status;
  memcpy(data, variable_of(store, variable), variable_size(store, variable));
  return ASSAY_OK;
}

static int store_copy(struct assay_store *to, const struct assay_store *from, struct assay_status *status) {
  (void)status;
  memmove(to->bytes, from->bytes, to->executable->store_size);
  return ASSAY_OK;
}

/* ---- Running ---- */

static uint32_t variable_read_by(const struct assay_node *node) { return ((const struct assay_source_attributes *)node->attributes)->index; }

static void run_node(const struct assay_executable *executable, const struct assay_node *node, struct tensor *tensors, const struct assay_store *store) {
  const kernel compute = find_kernel(node->op);
  for (uint32_t i = 0; i < node->input_count; i++) executable->operands[i] = tensors[node->inputs[i]];
  if (compute) compute(node, executable->operands, &tensors[node->first_output]);
  if (node->op != ASSAY_OP_VARIABLE) return;
  const uint32_t variable = variable_read_by(node);
  memcpy(tensors[node->first_output].bytes, variable_of(store, variable), variable_size(store, variable));
}

/* Feeds are read where they are. Variables are copied when they are read and written when all nodes have run: every read sees the value from before. */
static int run(struct assay_executable *executable, uint32_t number, struct assay_store *store, struct assay_buffer *const *feeds,
               struct assay_buffer *const *fetches, struct assay_status *status) {
  const struct assay_function *function = executable->program->functions[number];
  const struct assay_graph *graph = function->graph;
  struct tensor *tensors = executable->functions[number].tensors;
  (void)status;
  for (uint32_t v = 0; v < graph->value_count; v++) tensors[v].bytes = executable->workspace + executable->functions[number].offsets[v];
  for (uint32_t i = 0; i < function->feed_count; i++) tensors[function->feeds[i]].bytes = feeds[i]->bytes;
  for (uint32_t n = 0; n < graph->node_count; n++) run_node(executable, graph->nodes[n], tensors, store);
  for (uint32_t n = 0; n < graph->node_count; n++) {
    const struct assay_node *node = graph->nodes[n];
    if (node->op != ASSAY_OP_ASSIGN) continue;
    const uint32_t variable = variable_read_by(graph->nodes[graph->producers[node->inputs[0]]]);
    memcpy(variable_of(store, variable), tensors[node->inputs[1]].bytes, variable_size(store, variable));
  }
  for (uint32_t i = 0; i < function->fetch_count; i++)
    memmove(fetches[i]->bytes, tensors[function->fetches[i]].bytes, size_of(tensors[function->fetches[i]].type));
  return ASSAY_OK;
}

/* ---- The door ---- */

static const struct assay_backend backend = {.struct_size = sizeof backend,
                                             .list = list,
                                             .open = open_device,
                                             .close = close_device,
                                             .supports = supports,
                                             .compile = compile,
                                             .memory = memory,
                                             .release = release,
                                             .buffer_create = buffer_create,
                                             .buffer_write = buffer_write,
                                             .buffer_read = buffer_read,
                                             .buffer_release = buffer_release,
                                             .store_create = store_create,
                                             .store_write = store_write,
                                             .store_read = store_read,
                                             .store_copy = store_copy,
                                             .store_release = store_release,
                                             .run = run,
                                             .sync = synchronise};

static const struct assay_plugin plugin = {.magic = ASSAY_PLUGIN_MAGIC,
                                           .struct_size = sizeof plugin,
                                           .kind = ASSAY_BACKEND,
                                           .abi_major = ASSAY_BACKEND_ABI_MAJOR,
                                           .abi_minor = ASSAY_BACKEND_ABI_MINOR,
                                           .name = "plain",
                                           .summary = "An example: every primitive in plain C",
                                           .version = "1.0",
                                           .vtable = &backend,
                                           .vtable_size = sizeof backend};

ASSAY_EXPORT const struct assay_plugin *assay_plugin_query(unsigned index) { return index == 0 ? &plugin : NULL; }
