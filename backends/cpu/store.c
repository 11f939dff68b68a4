/* SPDX-License-Identifier: MIT
 *
 * Variables. A convolution's weights lie as its forward primitive likes them, and whatever is updated together with them (the state of the
 * gradient optimizer) lies the same way, so that no step has to convert them; at the border they are converted.
 */
#include "cpu.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

static int32_t variable_of(const struct assay_graph *graph, int32_t value) {
  const struct assay_node *node = graph->nodes[graph->producers[value]];
  return node->op == ASSAY_OP_VARIABLE ? (int32_t)((const struct assay_source_attributes *)node->attributes)->index : -1;
}

static bool same_extents(const struct assay_tensor_type *a, const struct assay_tensor_type *b) {
  if (a->rank != b->rank) return false;
  for (int32_t axis = 0; axis < a->rank; axis++)
    if (a->extents[axis] != b->extents[axis]) return false;
  return true;
}

/* Convolutions name the layout of their weights. */
static int ask_convolutions(struct assay_executable *executable, struct assay_status *status) {
  for (uint32_t f = 0; f < executable->program->function_count; f++) {
    const struct assay_graph *graph = executable->graphs[f];
    for (uint32_t n = 0; n < graph->node_count; n++) {
      if (graph->nodes[n]->op != ASSAY_OP_CONV2D) continue;
      const int32_t variable = variable_of(graph, graph->nodes[n]->inputs[1]);
      if (variable < 0 || executable->slots[variable].layout) continue;
      executable->slots[variable].layout = assay_cpu_convolution_weights(executable, graph, n);
      if (!executable->slots[variable].layout) return assay_cpu_no_memory(status);
    }
  }
  return 0;
}

/* Variables of equal extents that meet in one chain of elementwise ops share a layout. `chain` is by value: the layout that reaches it. */
static int spread(struct assay_executable *executable, const struct assay_graph *graph, bool *changed) {
  const struct assay_cpu_layout **chain = calloc(graph->value_count, sizeof *chain);
  if (!chain) return ASSAY_E_MEMORY;
  for (int pass = 0; pass < 2; pass++)
    for (uint32_t i = 0; i < graph->node_count; i++) {
      const struct assay_node *node = graph->nodes[pass ? graph->node_count - 1 - i : i]; /* forwards, then backwards */
      if (node->op == ASSAY_OP_VARIABLE) {
        struct assay_cpu_slot *slot = &executable->slots[((const struct assay_source_attributes *)node->attributes)->index];
        if (slot->layout && !chain[node->first_output]) chain[node->first_output] = slot->layout;
        if (chain[node->first_output] && !slot->layout) slot->layout = chain[node->first_output], *changed = true;
        continue;
      }
      if (!assay_cpu_is_elementwise(node->op) && node->op != ASSAY_OP_ASSIGN) continue;
      const bool has_output = node->output_count > 0;
      const struct assay_cpu_layout *layout = has_output ? chain[node->first_output] : NULL;
      for (uint32_t k = 0; k < node->input_count && !layout; k++) layout = chain[node->inputs[k]];
      if (!layout) continue;
      for (uint32_t k = 0; k < node->input_count; k++)
        if (graph->types[node->inputs[k]]->dtype == ASSAY_F32 && same_extents(graph->types[node->inputs[k]], &layout->type)) chain[node->inputs[k]] = layout;
      if (has_output && graph->types[node->first_output]->dtype == ASSAY_F32 && same_extents(graph->types[node->first_output], &layout->type))
        chain[node->first_output] = layout;
    }
  free(chain);
  return 0;
}

int assay_cpu_choose_slots(struct assay_executable *executable, struct assay_status *status) {
  const struct assay_program *program = executable->program;
  executable->slots = assay_cpu_take(executable, program->variable_count, sizeof *executable->slots);
  if (!executable->slots) return assay_cpu_no_memory(status);
  int error = ask_convolutions(executable, status);
  for (bool changed = true; changed && !error;) {
    changed = false;
    for (uint32_t f = 0; f < program->function_count && !error; f++) error = spread(executable, executable->graphs[f], &changed);
  }
  if (error) return assay_cpu_no_memory(status);
  for (uint32_t v = 0; v < program->variable_count; v++) {
    struct assay_cpu_slot *slot = &executable->slots[v];
    const struct assay_tensor_type *type = &program->variables[v]->type;
    if (!slot->layout) slot->layout = assay_cpu_layout_plain(executable, type);
    if (!slot->layout) return assay_cpu_no_memory(status);
    slot->size = (uint64_t)assay_element_count(type) * assay_dtype_size(type->dtype);
    slot->offset = executable->store_size;
    executable->store_size += (slot->size + ASSAY_CPU_ALIGNMENT - 1) / ASSAY_CPU_ALIGNMENT * ASSAY_CPU_ALIGNMENT;
    if (slot->size == 0) executable->store_size += ASSAY_CPU_ALIGNMENT; /* every variable has a place of its own */
  }
  return 0;
}

int assay_cpu_store_create(struct assay_executable *executable, struct assay_store **store, struct assay_status *status) {
  struct assay_device *device = executable->device;
  if (device->workspace_size < executable->workspace_size) {
    unsigned char *workspace = assay_cpu_aligned(executable->workspace_size);
    if (!workspace) return assay_cpu_no_memory(status);
    free(device->workspace);
    device->workspace = workspace;
    device->workspace_size = executable->workspace_size;
  }
  struct assay_store *made = calloc(1, sizeof *made);
  if (made) made->bytes = assay_cpu_aligned(executable->store_size);
  if (!made || !made->bytes) {
    free(made);
    return assay_cpu_no_memory(status);
  }
  made->executable = executable;
  *store = made;
  return 0;
}

/* Element by element through the layout's dimensions; `into` the store or out of it. Rare and small next to training. */
static void convert(const struct assay_cpu_layout *layout, unsigned char *stored, unsigned char *outside, bool into) {
  const size_t size = assay_dtype_size(layout->type.dtype);
  int64_t stride[ASSAY_MAX_RANK], index[ASSAY_CPU_LAYOUT_DIMS] = {0}, run = 1;
  for (int32_t axis = layout->type.rank - 1; axis >= 0; axis--) {
    stride[axis] = run;
    run *= layout->type.extents[axis];
  }
  const int64_t count = assay_element_count(&layout->type);
  for (int64_t i = 0; i < count; i++) {
    int64_t place = 0;
    for (int32_t d = 0; d < layout->count; d++) place += index[d] * layout->dims[d].step * stride[layout->dims[d].axis];
    if (into) memcpy(stored + (size_t)i * size, outside + (size_t)place * size, size);
    else memcpy(outside + (size_t)place * size, stored + (size_t)i * size, size);
    for (int32_t d = layout->count - 1; d >= 0 && ++index[d] == layout->dims[d].extent; d--) index[d] = 0;
  }
}

static int transfer(const struct assay_store *store, uint32_t variable, void *data, bool into, struct assay_status *status) {
  struct assay_executable *executable = store->executable;
  if (variable >= executable->program->variable_count)
    return assay_cpu_fail(status, ASSAY_E_FAILED, "there is no variable %u; the program has %u", variable, executable->program->variable_count);
  const struct assay_cpu_slot *slot = &executable->slots[variable];
  unsigned char *stored = store->bytes + slot->offset;
  if (slot->layout != assay_cpu_layout_plain(executable, &slot->layout->type)) convert(slot->layout, stored, data, into);
  else if (into) memcpy(stored, data, slot->size);
  else memcpy(data, stored, slot->size);
  return 0;
}

int assay_cpu_store_write(struct assay_store *store, uint32_t variable, const void *data, struct assay_status *status) {
  return transfer(store, variable, (void *)(uintptr_t)data, true, status);
}

int assay_cpu_store_read(struct assay_store *store, uint32_t variable, void *data, struct assay_status *status) {
  return transfer(store, variable, data, false, status);
}

int assay_cpu_store_copy(struct assay_store *to, const struct assay_store *from, struct assay_status *status) {
  if (to->executable != from->executable) return assay_cpu_fail(status, ASSAY_E_FAILED, "stores of different programs cannot be copied");
  memcpy(to->bytes, from->bytes, to->executable->store_size);
  return 0;
}

void assay_cpu_store_release(struct assay_store *store) {
  if (!store) return;
  free(store->bytes);
  free(store);
}
