/* SPDX-License-Identifier: MIT
 *
 * Programs: which nodes are taken, where values lie, stores of variables, and running a function node by node.
 */
#include "device.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

static bool has_effect(const struct assay_node *node) { return node->op == ASSAY_OP_ASSIGN; }

static uint64_t value_size(const struct assay_tensor_type *type) { return (uint64_t)assay_element_count(type) * assay_dtype_size(type->dtype); }

int assay_reference_supports(struct assay_device *device, const struct assay_graph *graph, uint32_t index) {
  (void)device;
  const struct assay_node *node = graph->nodes[index];
  const struct assay_reference_op *op = assay_reference_op(node->op);
  if (!op) return 0;
  const int32_t deciding = node->input_count ? node->inputs[0] : node->first_output;
  const int32_t dtype = graph->types[deciding]->dtype;
  return dtype >= ASSAY_F64 && dtype <= ASSAY_BOOL && (op->dtypes >> dtype & 1);
}

/* ---- Compilation ---- */

/* Every value lives from the node that makes it to the last that reads it; results and what is assigned live to the end. */
static void find_lives(const struct assay_function *function, struct assay_interval *lives) {
  const struct assay_graph *graph = function->graph;
  for (uint32_t n = 0; n < graph->node_count; n++) {
    const struct assay_node *node = graph->nodes[n];
    for (uint32_t i = 0; i < node->output_count; i++) {
      const int32_t value = node->first_output + (int32_t)i;
      lives[value] = (struct assay_interval){node->op == ASSAY_OP_INPUT ? 0 : value_size(graph->types[value]), n, n};
    }
    for (uint32_t i = 0; i < node->input_count; i++) lives[node->inputs[i]].last = n;
  }
  for (uint32_t n = 0; n < graph->node_count; n++)
    if (has_effect(graph->nodes[n])) lives[graph->nodes[n]->inputs[1]].last = graph->node_count;
  for (uint32_t i = 0; i < function->fetch_count; i++) lives[function->fetches[i]].last = graph->node_count;
}

static int plan_function(const struct assay_backend_host *host, const struct assay_function *function, struct assay_reference_plan *plan) {
  const struct assay_graph *graph = function->graph;
  const uint32_t count = graph->value_count;
  struct assay_interval *lives = calloc((size_t)count + 1, sizeof *lives);
  plan->offsets = calloc((size_t)count + 1, sizeof *plan->offsets);
  plan->feeds = malloc(((size_t)count + 1) * sizeof *plan->feeds);
  int error = lives && plan->offsets && plan->feeds ? ASSAY_OK : ASSAY_E_MEMORY;
  if (!error) {
    for (uint32_t v = 0; v < count; v++) plan->feeds[v] = -1;
    for (uint32_t f = 0; f < function->feed_count; f++) plan->feeds[function->feeds[f]] = (int32_t)f;
    find_lives(function, lives);
    error = host->plan_memory(lives, count, ALIGNMENT, plan->offsets, &plan->size);
  }
  free(lives);
  return error;
}

/* Doubles that the hungriest node needs, and how many tensors the widest one has. */
static int measure_nodes(struct assay_executable *executable, const struct assay_graph *graph) {
  for (uint32_t n = 0; n < graph->node_count; n++) {
    const struct assay_node *node = graph->nodes[n];
    uint64_t numbers = 0;
    for (uint32_t i = 0; i < node->input_count + node->output_count; i++) {
      const int32_t value = i < node->input_count ? node->inputs[i] : node->first_output + (int32_t)(i - node->input_count);
      if (__builtin_add_overflow(numbers, (uint64_t)assay_element_count(graph->types[value]), &numbers)) return ASSAY_E_MEMORY;
    }
    if (__builtin_mul_overflow(numbers, sizeof(double), &numbers)) return ASSAY_E_MEMORY;
    if (!assay_reference_op(node->op)->moves_bytes && numbers > executable->numbers_size) executable->numbers_size = numbers;
    if (node->input_count + node->output_count > executable->widest) executable->widest = node->input_count + node->output_count;
  }
  return ASSAY_OK;
}

static int place_variables(struct assay_executable *executable) {
  const struct assay_program *program = executable->program;
  executable->variables = calloc((size_t)program->variable_count + 1, sizeof *executable->variables);
  if (!executable->variables) return ASSAY_E_MEMORY;
  for (uint32_t v = 0; v < program->variable_count; v++) {
    executable->variables[v] = executable->store_size;
    executable->store_size += (value_size(&program->variables[v]->type) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }
  return ASSAY_OK;
}

static bool takes_all(struct assay_device *device, const struct assay_program *program, uint32_t refused[2]) {
  for (uint32_t f = 0; f < program->function_count; f++)
    for (uint32_t n = 0; n < program->functions[f]->graph->node_count; n++)
      if (!assay_reference_supports(device, program->functions[f]->graph, n)) {
        refused[0] = f;
        refused[1] = n;
        return false;
      }
  return true;
}

static int plan_program(struct assay_device *device, struct assay_executable *executable) {
  const struct assay_program *program = executable->program;
  executable->plans = calloc((size_t)program->function_count + 1, sizeof *executable->plans);
  int error = executable->plans ? place_variables(executable) : ASSAY_E_MEMORY;
  for (uint32_t f = 0; f < program->function_count && !error; f++) {
    error = plan_function(device->host, program->functions[f], &executable->plans[f]);
    if (!error) error = measure_nodes(executable, program->functions[f]->graph);
    if (executable->plans[f].size > executable->values_size) executable->values_size = executable->plans[f].size;
  }
  executable->values_size = (executable->values_size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  return error;
}

int assay_reference_compile(struct assay_device *device, const struct assay_program *program, struct assay_executable **executable, uint32_t refused[2],
                            struct assay_status *status) {
  if (!takes_all(device, program, refused)) {
    const struct assay_node *node = program->functions[refused[0]]->graph->nodes[refused[1]];
    return assay_reference_error(status, ASSAY_E_UNSUPPORTED, "backend reference does not take op %" PRIu32 " of %s", node->op, node->origin);
  }
  struct assay_executable *made = calloc(1, sizeof *made);
  int error = made ? ASSAY_OK : ASSAY_E_MEMORY;
  if (made) {
    made->program = program;
    error = plan_program(device, made);
  }
  if (error) {
    assay_reference_release(made);
    return assay_reference_error(status, error, "backend reference: no memory to plan a program of %" PRIu32 " functions", program->function_count);
  }
  *executable = made;
  return ASSAY_OK;
}

void assay_reference_memory(const struct assay_executable *executable, struct assay_memory_need *need) {
  need->store = executable->store_size;
  need->workspace = executable->values_size + executable->numbers_size;
}

void assay_reference_release(struct assay_executable *executable) {
  if (!executable) return;
  for (uint32_t f = 0; executable->plans && f < executable->program->function_count; f++) {
    free(executable->plans[f].offsets);
    free(executable->plans[f].feeds);
  }
  free(executable->plans);
  free(executable->variables);
  free(executable->workspace);
  free(executable->tensors);
  free(executable);
}

/* ---- Stores ---- */

static int take_workspace(struct assay_executable *executable) {
  if (executable->workspace) return ASSAY_OK;
  executable->tensors = calloc((size_t)executable->widest + 1, sizeof *executable->tensors);
  if (!executable->tensors) return ASSAY_E_MEMORY;
  executable->workspace = aligned_alloc(ALIGNMENT, executable->values_size + (executable->numbers_size + 2 * ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
  if (executable->workspace) return ASSAY_OK;
  free(executable->tensors);
  executable->tensors = NULL;
  return ASSAY_E_MEMORY;
}

int assay_reference_store_create(struct assay_executable *executable, struct assay_store **store, struct assay_status *status) {
  struct assay_store *made = malloc(sizeof *made);
  unsigned char *bytes = calloc(executable->store_size ? executable->store_size : 1, 1);
  if (!made || !bytes || take_workspace(executable)) {
    free(made);
    free(bytes);
    return assay_reference_error(status, ASSAY_E_MEMORY, "backend reference: no memory for a store of %" PRIu64 " and a workspace of %" PRIu64 " bytes",
                                 executable->store_size, executable->values_size + executable->numbers_size);
  }
  made->executable = executable;
  made->bytes = bytes;
  *store = made;
  return ASSAY_OK;
}

static int check_variable(const struct assay_store *store, uint32_t variable, struct assay_status *status) {
  const uint32_t count = store->executable->program->variable_count;
  if (variable < count) return ASSAY_OK;
  return assay_reference_error(status, ASSAY_E_FAILED, "backend reference: variable %" PRIu32 " of a program with %" PRIu32, variable, count);
}

static uint64_t variable_size(const struct assay_store *store, uint32_t variable) { return value_size(&store->executable->program->variables[variable]->type); }

int assay_reference_store_write(struct assay_store *store, uint32_t variable, const void *data, struct assay_status *status) {
  const int error = check_variable(store, variable, status);
  if (!error) memcpy(store->bytes + store->executable->variables[variable], data, variable_size(store, variable));
  return error;
}

int assay_reference_store_read(struct assay_store *store, uint32_t variable, void *data, struct assay_status *status) {
  const int error = check_variable(store, variable, status);
  if (!error) memcpy(data, store->bytes + store->executable->variables[variable], variable_size(store, variable));
  return error;
}

int assay_reference_store_copy(struct assay_store *to, const struct assay_store *from, struct assay_status *status) {
  if (to->executable != from->executable)
    return assay_reference_error(status, ASSAY_E_FAILED, "backend reference: a store can only be copied from another of the same executable");
  memmove(to->bytes, from->bytes, to->executable->store_size);
  return ASSAY_OK;
}

void assay_reference_store_release(struct assay_store *store) {
  if (!store) return;
  free(store->bytes);
  free(store);
}

/* ---- Running ---- */

/* What a call works on. */
struct call {
  const struct assay_executable *executable;
  const struct assay_function *function;
  const struct assay_reference_plan *plan;
  struct assay_store *store;
  struct assay_buffer *const *feeds;
};

static unsigned char *value_bytes(const struct call *call, int32_t value) {
  const int32_t feed = call->plan->feeds[value];
  return feed >= 0 ? call->feeds[feed]->bytes : call->executable->workspace + call->plan->offsets[value];
}

static unsigned char *variable_bytes(const struct call *call, int32_t value_read) {
  const struct assay_graph *graph = call->function->graph;
  const struct assay_source_attributes *attributes = graph->nodes[graph->producers[value_read]]->attributes;
  return call->store->bytes + call->executable->variables[attributes->index];
}

static void run_kernel(const struct call *call, const struct assay_node *node, const struct assay_reference_op *op) {
  const struct assay_graph *graph = call->function->graph;
  struct assay_reference_tensor *tensors = call->executable->tensors;
  double *numbers = (double *)(call->executable->workspace + call->executable->values_size);
  const uint32_t count = node->input_count + node->output_count;
  for (uint32_t i = 0; i < count; i++) {
    const int32_t value = i < node->input_count ? node->inputs[i] : node->first_output + (int32_t)(i - node->input_count);
    const struct assay_tensor_type *type = graph->types[value];
    tensors[i] = (struct assay_reference_tensor){type, assay_element_count(type), value_bytes(call, value), NULL};
    if (op->moves_bytes) continue;
    tensors[i].numbers = numbers;
    numbers += tensors[i].count;
    if (i < node->input_count) assay_reference_unpack(type->dtype, tensors[i].bytes, tensors[i].numbers, tensors[i].count);
  }
  op->run(node, tensors, tensors + node->input_count);
  for (uint32_t i = node->input_count; i < count && !op->moves_bytes; i++)
    assay_reference_pack(tensors[i].type->dtype, tensors[i].numbers, tensors[i].bytes, tensors[i].count);
}

/* Variables are read into the workspace and written when all nodes have run, so every read sees the value from before the call. */
static void run_nodes(const struct call *call) {
  const struct assay_graph *graph = call->function->graph;
  for (uint32_t n = 0; n < graph->node_count; n++) {
    const struct assay_node *node = graph->nodes[n];
    const struct assay_reference_op *op = assay_reference_op(node->op);
    if (op->run) run_kernel(call, node, op);
    else if (node->op == ASSAY_OP_VARIABLE)
      memcpy(value_bytes(call, node->first_output), variable_bytes(call, node->first_output), value_size(graph->types[node->first_output]));
  }
  for (uint32_t n = 0; n < graph->node_count; n++) {
    const struct assay_node *node = graph->nodes[n];
    if (has_effect(node)) memcpy(variable_bytes(call, node->inputs[0]), value_bytes(call, node->inputs[1]), value_size(graph->types[node->inputs[1]]));
  }
}

static int check_buffers(const struct assay_function *function, const int32_t *values, uint32_t count, struct assay_buffer *const *buffers, const char *what,
                         struct assay_status *status) {
  for (uint32_t i = 0; i < count; i++) {
    const uint64_t size = value_size(function->graph->types[values[i]]);
    if (buffers[i]->size < size)
      return assay_reference_error(status, ASSAY_E_FAILED, "backend reference: %s %" PRIu32 " of %s needs %" PRIu64 " bytes; its buffer has %" PRIu64, what, i,
                                   function->name, size, buffers[i]->size);
  }
  return ASSAY_OK;
}

int assay_reference_run(struct assay_executable *executable, uint32_t function_index, struct assay_store *store, struct assay_buffer *const *feeds,
                        struct assay_buffer *const *fetches, struct assay_status *status) {
  const struct assay_program *program = executable->program;
  if (function_index >= program->function_count || store->executable != executable)
    return assay_reference_error(status, ASSAY_E_FAILED, "backend reference: function %" PRIu32 " of %" PRIu32 ", or a store of another executable",
                                 function_index, program->function_count);
  const struct assay_function *function = program->functions[function_index];
  int error = check_buffers(function, function->feeds, function->feed_count, feeds, "feed", status);
  if (!error) error = check_buffers(function, function->fetches, function->fetch_count, fetches, "fetch", status);
  if (error) return error;
  const struct call call = {executable, function, &executable->plans[function_index], store, feeds};
  run_nodes(&call);
  for (uint32_t i = 0; i < function->fetch_count; i++) {
    const int32_t value = function->fetches[i];
    memmove(fetches[i]->bytes, value_bytes(&call, value), value_size(function->graph->types[value]));
  }
  return ASSAY_OK;
}
