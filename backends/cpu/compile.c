/* SPDX-License-Identifier: MIT
 *
 * From graphs to lists of steps. Nodes are taken in order; a group of elementwise nodes stands where its last node stands; values are
 * brought into the layouts that steps ask for as they ask. What is written into variables comes last, unless the step that computes it can
 * write it there at once.
 */
#include "cpu.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* ---- What an executable owns ---- */

struct assay_cpu_block {
  struct assay_cpu_block *next;
  _Alignas(16) unsigned char bytes[];
};
struct assay_cpu_handle {
  struct assay_cpu_handle *next;
  void *handle;
  dnnl_status_t (*destroy)(void *);
};

void *assay_cpu_take(struct assay_executable *executable, size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes) || __builtin_add_overflow(bytes, sizeof(struct assay_cpu_block), &bytes)) return NULL;
  struct assay_cpu_block *block = calloc(1, bytes);
  if (!block) return NULL;
  block->next = executable->blocks;
  executable->blocks = block;
  return block->bytes;
}

int assay_cpu_keep(struct assay_executable *executable, void *handle, dnnl_status_t (*destroy)(void *)) {
  struct assay_cpu_handle *kept = assay_cpu_take(executable, 1, sizeof *kept);
  if (!kept) {
    destroy(handle);
    return ASSAY_E_MEMORY;
  }
  *kept = (struct assay_cpu_handle){executable->handles, handle, destroy};
  executable->handles = kept;
  return 0;
}

static dnnl_status_t destroy_primitive(void *handle) { return dnnl_primitive_destroy(handle); }
static dnnl_status_t destroy_descriptor(void *handle) { return dnnl_primitive_desc_destroy(handle); }
static dnnl_status_t destroy_memory(void *handle) { return dnnl_memory_destroy(handle); }
int assay_cpu_keep_primitive(struct assay_executable *executable, dnnl_primitive_t primitive) {
  return assay_cpu_keep(executable, primitive, destroy_primitive);
}
int assay_cpu_keep_descriptor(struct assay_executable *executable, dnnl_primitive_desc_t descriptor) {
  return assay_cpu_keep(executable, descriptor, destroy_descriptor);
}
int assay_cpu_keep_memory(struct assay_executable *executable, dnnl_memory_t memory) { return assay_cpu_keep(executable, memory, destroy_memory); }

void assay_cpu_release(struct assay_executable *executable) {
  if (!executable) return;
  if (executable->device->profile) assay_cpu_tell_profile(executable);
  for (struct assay_cpu_handle *handle = executable->handles; handle; handle = handle->next) handle->destroy(handle->handle);
  for (struct assay_cpu_block *block = executable->blocks, *next; block; block = next) {
    next = block->next;
    free(block);
  }
  free(executable->constants);
  free(executable);
}

void assay_cpu_memory(const struct assay_executable *executable, struct assay_memory_need *need) {
  need->store = executable->store_size;
  need->workspace = executable->workspace_size + executable->constants_size;
}

/* ---- Steps and buffers ---- */

void *assay_cpu_emit(struct assay_cpu_build *build, size_t size, const char *kind, int (*run)(const struct assay_cpu_step *, const struct assay_cpu_frame *)) {
  if (build->step_count == build->step_capacity) {
    const uint32_t capacity = build->step_capacity ? 2 * build->step_capacity : 64;
    struct assay_cpu_step **steps = assay_cpu_take(build->executable, capacity, sizeof(struct assay_cpu_step *));
    if (!steps) return NULL;
    if (build->step_count) memcpy(steps, build->steps, build->step_count * sizeof(struct assay_cpu_step *));
    build->steps = steps;
    build->step_capacity = capacity;
  }
  struct assay_cpu_step *step = assay_cpu_take(build->executable, 1, size);
  if (!step) return NULL;
  step->run = run;
  step->kind = kind;
  step->origin = build->node < build->graph->node_count ? build->graph->nodes[build->node]->origin : "";
  build->steps[build->step_count++] = step;
  return step;
}

static struct assay_cpu_buffer *use(struct assay_cpu_build *build, void *of, struct assay_cpu_buffer *buffer, bool write) {
  struct assay_cpu_step *step = of;
  if (!buffer) return NULL;
  if (step->use_count == step->use_capacity) {
    const uint32_t capacity = step->use_capacity ? 2 * step->use_capacity : 4;
    struct assay_cpu_use *uses = assay_cpu_take(build->executable, capacity, sizeof *uses);
    if (!uses) return NULL;
    if (step->use_count) memcpy(uses, step->uses, step->use_count * sizeof *uses);
    step->uses = uses;
    step->use_capacity = capacity;
  }
  step->uses[step->use_count++] = (struct assay_cpu_use){.buffer = buffer, .write = write};
  return buffer;
}

struct assay_cpu_buffer *assay_cpu_read(struct assay_cpu_build *build, void *step, struct assay_cpu_buffer *buffer) {
  return use(build, step, buffer, false);
}
struct assay_cpu_buffer *assay_cpu_write(struct assay_cpu_build *build, void *step, struct assay_cpu_buffer *buffer) {
  return use(build, step, buffer, true);
}

struct assay_cpu_buffer *assay_cpu_buffer_new(struct assay_cpu_build *build, uint64_t size) {
  struct assay_cpu_buffer *buffer = assay_cpu_take(build->executable, 1, sizeof *buffer);
  if (!buffer) {
    assay_cpu_no_memory(build->status);
    return NULL;
  }
  buffer->base = ASSAY_CPU_WORKSPACE;
  buffer->size = size;
  buffer->next = build->buffers;
  build->buffers = buffer;
  return buffer;
}

struct assay_cpu_buffer *assay_cpu_scratch(struct assay_cpu_build *build, void *step, uint64_t size) {
  return assay_cpu_write(build, step, assay_cpu_buffer_new(build, size));
}

static struct assay_cpu_buffer *fixed_buffer(struct assay_cpu_build *build, uint32_t base, uint64_t offset, uint64_t size) {
  struct assay_cpu_buffer *buffer = assay_cpu_buffer_new(build, size);
  if (!buffer) return NULL;
  buffer->base = base;
  buffer->offset = offset;
  return buffer;
}

/* ---- Looking around in the graph ---- */

const struct assay_node *assay_cpu_producer(const struct assay_cpu_build *build, int32_t value) { return build->graph->nodes[build->graph->producers[value]]; }

uint32_t assay_cpu_only_consumer(const struct assay_cpu_build *build, int32_t value) {
  return build->values[value].consumers == 1 && build->first_consumer[value + 1] == build->first_consumer[value] + 1
           ? build->consumers[build->first_consumer[value]]
           : UINT32_MAX;
}

bool assay_cpu_constant(const struct assay_cpu_build *build, int32_t value, double *number) {
  const struct assay_node *node = assay_cpu_producer(build, value);
  while (node->op == ASSAY_OP_BROADCAST || node->op == ASSAY_OP_RESHAPE || node->op == ASSAY_OP_STOP_GRADIENT)
    node = assay_cpu_producer(build, node->inputs[0]);
  if (node->op != ASSAY_OP_CONSTANT) return false;
  *number = ((const struct assay_constant_attributes *)node->attributes)->value;
  return true;
}

static int index_consumers(struct assay_cpu_build *build) {
  const struct assay_graph *graph = build->graph;
  uint32_t total = 0;
  for (uint32_t n = 0; n < graph->node_count; n++)
    for (uint32_t i = 0; i < graph->nodes[n]->input_count; i++) build->values[graph->nodes[n]->inputs[i]].consumers++, total++;
  build->first_consumer = assay_cpu_take(build->executable, (size_t)graph->value_count + 1, sizeof(uint32_t));
  build->consumers = assay_cpu_take(build->executable, total, sizeof(uint32_t));
  uint32_t *fill = assay_cpu_take(build->executable, graph->value_count, sizeof(uint32_t));
  if (!build->first_consumer || !build->consumers || !fill) return assay_cpu_no_memory(build->status);
  for (uint32_t v = 0; v < graph->value_count; v++) {
    fill[v] = build->first_consumer[v];
    build->first_consumer[v + 1] = build->first_consumer[v] + build->values[v].consumers;
  }
  for (uint32_t n = 0; n < graph->node_count; n++)
    for (uint32_t i = 0; i < graph->nodes[n]->input_count; i++) build->consumers[fill[graph->nodes[n]->inputs[i]]++] = n;
  for (uint32_t f = 0; f < build->function->fetch_count; f++) build->values[build->function->fetches[f]].consumers++; /* no node: never "the only" one */
  return 0;
}

/* ---- Emission ---- */

static int emit_source(struct assay_cpu_build *build, const struct assay_node *node) {
  const struct assay_source_attributes *attributes = node->attributes;
  const struct assay_tensor_type *type = assay_cpu_type(build, node->first_output);
  const uint64_t size = (uint64_t)assay_element_count(type) * assay_dtype_size(type->dtype);
  if (node->op == ASSAY_OP_INPUT)
    return assay_cpu_form_put(build, node->first_output, assay_cpu_layout_plain(build->executable, type),
                              fixed_buffer(build, ASSAY_CPU_FEEDS + attributes->index, 0, size));
  /* All reads of a variable share one buffer. */
  const struct assay_cpu_slot *slot = &build->executable->slots[attributes->index];
  for (struct assay_cpu_buffer *buffer = build->buffers; buffer; buffer = buffer->next)
    if (buffer->base == ASSAY_CPU_STORE && buffer->offset == slot->offset) return assay_cpu_form_put(build, node->first_output, slot->layout, buffer);
  return assay_cpu_form_put(build, node->first_output, slot->layout, fixed_buffer(build, ASSAY_CPU_STORE, slot->offset, slot->size));
}

/* The group that ends at this node. */
static int emit_group(struct assay_cpu_build *build, uint32_t last) {
  const int32_t group = build->groups[last];
  uint32_t *nodes = calloc((size_t)last + 1, sizeof *nodes), count = 0;
  if (!nodes) return assay_cpu_no_memory(build->status);
  for (uint32_t n = 0; n <= last; n++)
    if (!build->done[n] && (n == last || (group >= 0 && build->groups[n] == group))) nodes[count++] = n;
  const int error = assay_cpu_emit_elementwise(build, nodes, count);
  for (uint32_t i = 0; i < count; i++) build->done[nodes[i]] = 1;
  free(nodes);
  return error;
}

static bool group_goes_on(const struct assay_cpu_build *build, uint32_t node) {
  if (build->groups[node] < 0) return false;
  for (uint32_t n = node + 1; n < build->graph->node_count; n++)
    if (build->groups[n] == build->groups[node] && !build->done[n]) return true;
  return false;
}

static int emit_nodes(struct assay_cpu_build *build) {
  const struct assay_graph *graph = build->graph;
  assay_cpu_absorb_masks(build);
  for (uint32_t n = 0; n < graph->node_count; n++) { /* sources first: whatever is fused may need them early */
    if (graph->nodes[n]->op != ASSAY_OP_INPUT && graph->nodes[n]->op != ASSAY_OP_VARIABLE) continue;
    build->node = n;
    build->done[n] = 1;
    const int error = emit_source(build, graph->nodes[n]);
    if (error) return error;
  }
  for (uint32_t n = 0; n < graph->node_count; n++) {
    const struct assay_node *node = graph->nodes[n];
    build->node = n;
    if (build->done[n]) continue;
    int error = 0;
    if (node->op == ASSAY_OP_CONSTANT || node->op == ASSAY_OP_BROADCAST) continue; /* on demand */
    else if (node->op == ASSAY_OP_ASSIGN)
      build->assigns[build->assign_count++] =
        (struct assay_cpu_assign){((const struct assay_source_attributes *)assay_cpu_producer(build, node->inputs[0])->attributes)->index, node->inputs[1]};
    else if (assay_cpu_is_elementwise(node->op)) error = group_goes_on(build, n) ? 0 : emit_group(build, n);
    else error = assay_cpu_emit_node(build, n);
    if (error) return error;
    if (!assay_cpu_is_elementwise(node->op) && node->op != ASSAY_OP_ASSIGN) build->done[n] = 1; /* assigns still want their values at the end */
  }
  build->node = graph->node_count;
  return 0;
}

static int emit_copy_bytes(struct assay_cpu_build *build, struct assay_cpu_buffer *from, struct assay_cpu_buffer *to) {
  const int64_t count = (int64_t)to->size, one = 1;
  return assay_cpu_emit_copy(build, 1, 1, &count, from, 0, &one, to, 0, &one);
}

/* What lies in the workspace in the order asked for is computed in the fetch's own memory. */
static int emit_fetches(struct assay_cpu_build *build) {
  const struct assay_function *function = build->function;
  for (uint32_t f = 0; f < function->fetch_count; f++) {
    const int32_t value = function->fetches[f];
    struct assay_cpu_buffer *from = assay_cpu_form_get(build, value, assay_cpu_layout_plain(build->executable, assay_cpu_type(build, value)));
    const struct assay_tensor_type *type = assay_cpu_type(build, value);
    const uint64_t size = (uint64_t)assay_element_count(type) * assay_dtype_size(type->dtype);
    if (from && from->base == ASSAY_CPU_WORKSPACE && from->size == size) {
      from->base = ASSAY_CPU_FEEDS + function->feed_count + f;
      continue;
    }
    struct assay_cpu_buffer *to = from ? fixed_buffer(build, ASSAY_CPU_FEEDS + function->feed_count + f, 0, size) : NULL;
    const int error = to ? emit_copy_bytes(build, from, to) : assay_cpu_no_memory(build->status);
    if (error) return error;
  }
  return 0;
}

/* May `made` be computed in the variable's own place? Only when nothing reads the old value later, and the step that makes it either does
 * not read it or reads each element before it writes it. Another value must not live there already. */
static bool can_write_in_place(const struct assay_cpu_build *build, const struct assay_cpu_buffer *made, const struct assay_cpu_buffer *variable) {
  uint32_t first_write = UINT32_MAX, last_read = 0;
  bool read = false, aligned = false, partner = false;
  if (made->base != ASSAY_CPU_WORKSPACE || made->size != variable->size) return false;
  for (uint32_t s = 0; s < build->step_count; s++)
    for (uint32_t u = 0; u < build->steps[s]->use_count; u++) {
      const struct assay_cpu_use *seen = &build->steps[s]->uses[u];
      if (seen->buffer == made && seen->write && first_write == UINT32_MAX) first_write = s, aligned = seen->aligned;
      if (seen->buffer == variable && seen->write) return false;
      if (seen->buffer == variable && !seen->write) read = true, last_read = s, partner = seen->aligned;
    }
  if (first_write == UINT32_MAX) return false;
  if (!read || last_read < first_write) return true;
  if (last_read > first_write || !aligned || !partner) return false;
  for (uint32_t u = 0; u < build->steps[last_read]->use_count; u++) /* every read of it there must be element by element */
    if (build->steps[last_read]->uses[u].buffer == variable && !build->steps[last_read]->uses[u].aligned) return false;
  return true;
}

static struct assay_cpu_buffer *variable_buffer(struct assay_cpu_build *build, uint32_t index) {
  const struct assay_cpu_slot *slot = &build->executable->slots[index];
  for (struct assay_cpu_buffer *buffer = build->buffers; buffer; buffer = buffer->next)
    if (buffer->base == ASSAY_CPU_STORE && buffer->offset == slot->offset) return buffer;
  return fixed_buffer(build, ASSAY_CPU_STORE, slot->offset, slot->size);
}

/* Writes land at the end. What lies in a variable, a feed or a constant is copied aside first, since another assignment may overwrite it. */
static int emit_assigns(struct assay_cpu_build *build) {
  struct assay_cpu_buffer **sources = assay_cpu_take(build->executable, build->assign_count, sizeof(struct assay_cpu_buffer *));
  if (!sources) return assay_cpu_no_memory(build->status);
  for (uint32_t a = 0; a < build->assign_count; a++) {
    sources[a] = assay_cpu_form_get(build, build->assigns[a].value, build->executable->slots[build->assigns[a].variable].layout);
    if (!sources[a]) return ASSAY_E_MEMORY;
  }
  for (uint32_t a = 0; a < build->assign_count; a++) {
    if (sources[a]->base == ASSAY_CPU_WORKSPACE) continue;
    struct assay_cpu_buffer *aside = assay_cpu_buffer_new(build, build->executable->slots[build->assigns[a].variable].size);
    const int error = aside ? emit_copy_bytes(build, sources[a], aside) : ASSAY_E_MEMORY;
    if (error) return error;
    sources[a] = aside;
  }
  for (uint32_t a = 0; a < build->assign_count; a++) {
    struct assay_cpu_buffer *variable = variable_buffer(build, build->assigns[a].variable);
    if (!variable) return ASSAY_E_MEMORY;
    if (can_write_in_place(build, sources[a], variable)) {
      sources[a]->base = ASSAY_CPU_STORE;
      sources[a]->offset = variable->offset;
    } else {
      const int error = emit_copy_bytes(build, sources[a], variable);
      if (error) return error;
    }
  }
  return 0;
}

static int compile_function(struct assay_executable *executable, uint32_t index, struct assay_status *status) {
  const struct assay_function *function = executable->program->functions[index];
  const struct assay_graph *graph = executable->graphs[index];
  struct assay_cpu_build build = {.executable = executable, .function = function, .graph = graph, .function_index = index, .status = status};
  build.values = assay_cpu_take(executable, graph->value_count, sizeof *build.values);
  build.groups = assay_cpu_take(executable, graph->node_count, sizeof *build.groups);
  build.done = assay_cpu_take(executable, graph->node_count, sizeof *build.done);
  build.assigns = assay_cpu_take(executable, graph->node_count, sizeof *build.assigns);
  if (!build.values || !build.groups || !build.done || !build.assigns) return assay_cpu_no_memory(status);
  int error = index_consumers(&build);
  if (error) return error;
  for (uint32_t n = 0; n < graph->node_count; n++) build.groups[n] = -1;
  const struct assay_backend_host *host = executable->device->host;
  if (host->fuse_elementwise && (error = host->fuse_elementwise(graph, NULL, build.groups)) != 0) return assay_cpu_no_memory(status);
  if ((error = emit_nodes(&build)) != 0 || (error = emit_fetches(&build)) != 0 || (error = emit_assigns(&build)) != 0 || (error = assay_cpu_plan(&build)) != 0)
    return error;
  struct assay_cpu_function *compiled = &executable->functions[index];
  compiled->steps = build.steps;
  compiled->step_count = build.step_count;
  compiled->feed_count = function->feed_count;
  compiled->fetch_count = function->fetch_count;
  compiled->base_count = ASSAY_CPU_FEEDS + function->feed_count + function->fetch_count;
  compiled->bases = assay_cpu_take(executable, compiled->base_count, sizeof(unsigned char *));
  return compiled->bases ? 0 : assay_cpu_no_memory(status);
}

static int prepare_graphs(struct assay_executable *executable) {
  for (uint32_t f = 0; f < executable->program->function_count; f++) {
    executable->graphs[f] = executable->program->functions[f]->graph;
    if (assay_cpu_shrink_gradients(executable, executable->program->functions[f], &executable->graphs[f]) != 0) return ASSAY_E_MEMORY;
  }
  return 0;
}

int assay_cpu_compile(struct assay_device *device, const struct assay_program *program, struct assay_executable **executable, uint32_t refused[2],
                      struct assay_status *status) {
  for (uint32_t f = 0; f < program->function_count; f++)
    for (uint32_t n = 0; n < program->functions[f]->graph->node_count; n++)
      if (!assay_cpu_supports(device, program->functions[f]->graph, n)) {
        refused[0] = f;
        refused[1] = n;
        return ASSAY_E_UNSUPPORTED;
      }
  struct assay_executable *made = calloc(1, sizeof *made);
  if (!made) return assay_cpu_no_memory(status);
  omp_set_num_threads(device->threads);
  made->device = device;
  made->program = program;
  made->functions = assay_cpu_take(made, program->function_count, sizeof *made->functions);
  made->graphs = assay_cpu_take(made, program->function_count, sizeof *made->graphs);
  int error = made->functions && made->graphs ? prepare_graphs(made) : ASSAY_E_MEMORY;
  if (error) assay_cpu_no_memory(status);
  else assay_cpu_choose_image_layout(made);
  if (!error) error = assay_cpu_choose_slots(made, status);
  for (uint32_t f = 0; f < program->function_count && !error; f++) error = compile_function(made, f, status);
  if (error) {
    assay_cpu_release(made);
    return error;
  }
  *executable = made;
  return 0;
}

int assay_cpu_run(struct assay_executable *executable, uint32_t index, struct assay_store *store, struct assay_buffer *const *feeds,
                  struct assay_buffer *const *fetches, struct assay_status *status) {
  struct assay_cpu_function *function = &executable->functions[index];
  const struct assay_device *device = executable->device;
  function->bases[ASSAY_CPU_WORKSPACE] = device->workspace;
  function->bases[ASSAY_CPU_STORE] = store->bytes;
  function->bases[ASSAY_CPU_CONSTANTS] = executable->constants;
  for (uint32_t f = 0; f < function->feed_count; f++) function->bases[ASSAY_CPU_FEEDS + f] = feeds[f]->bytes;
  for (uint32_t f = 0; f < function->fetch_count; f++) function->bases[ASSAY_CPU_FEEDS + function->feed_count + f] = fetches[f]->bytes;
  if (omp_get_max_threads() != device->threads) omp_set_num_threads(device->threads);
  const struct assay_cpu_frame frame = {function->bases, device->kernels, device->stream, device->threads};
  function->runs++;
  for (uint32_t s = 0; s < function->step_count; s++) {
    struct assay_cpu_step *step = function->steps[s];
    const double start = device->profile ? assay_cpu_thread_time() : 0;
    const int error = step->run(step, &frame);
    if (device->profile) step->time += assay_cpu_thread_time() - start;
    if (error) return assay_cpu_fail(status, error, "the cpu backend failed in a step (%s) of \"%s\"", step->kind, step->origin);
  }
  return 0;
}
