/* SPDX-License-Identifier: MIT
 *
 * The walk over a function's graph, and what the files of the op families build steps with.
 *
 * Assigns come last. A value that is assigned is computed straight into the variable when nobody reads the old one afterwards, else it is
 * computed in the workspace and copied when all else is done.
 */
#include "backends/opencl/lower.h"

#include "backends/opencl/source.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ITEMS = 64 };

/* ---- Failing ---- */

void assay_cl_lowering_fail(struct assay_cl_lowering *lowering, int code, const char *format, ...) {
  if (lowering->code) return;
  lowering->code = code;
  char message[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  assay_cl_status(lowering->status, code, "%s: function %s: %s", lowering->device->name, lowering->source->name, message);
}

void assay_cl_lowering_memory(struct assay_cl_lowering *lowering) {
  if (!lowering->code) lowering->code = assay_cl_no_memory(lowering->status);
}

/* ---- Storages and views ---- */

int32_t assay_cl_storage_add(struct assay_cl_lowering *lowering, enum assay_cl_storage_kind kind, uint32_t number, uint64_t size) {
  struct assay_cl_function *function = lowering->function;
  if (function->storage_count == function->storage_capacity) {
    const uint32_t capacity = 2 * function->storage_capacity + 64;
    struct assay_cl_storage *storages = realloc(function->storages, capacity * sizeof *storages);
    if (!storages) {
      assay_cl_lowering_memory(lowering);
      return 0;
    }
    function->storages = storages;
    function->storage_capacity = capacity;
  }
  function->storages[function->storage_count] = (struct assay_cl_storage){.kind = kind, .number = number, .size = size, .first_step = -1, .last_step = -1};
  return (int32_t)function->storage_count++;
}

static uint64_t type_size(const struct assay_tensor_type *type) { return (uint64_t)assay_element_count(type) * assay_dtype_size(type->dtype); }

struct assay_cl_view assay_cl_temporary(struct assay_cl_lowering *lowering, const struct assay_tensor_type *type) {
  return assay_cl_view_dense(type, assay_cl_storage_add(lowering, ASSAY_CL_WORKSPACE, 0, type_size(type)));
}

struct assay_cl_view assay_cl_result(struct assay_cl_lowering *lowering, int32_t value) {
  const struct assay_tensor_type *type = assay_cl_type(lowering, value);
  const int32_t fetch = lowering->fetch_of[value];
  lowering->views[value] = fetch >= 0 ? assay_cl_view_dense(type, assay_cl_storage_add(lowering, ASSAY_CL_FETCH, (uint32_t)fetch, type_size(type)))
                                      : assay_cl_temporary(lowering, type);
  return lowering->views[value];
}

static struct assay_cl_view copy_of(struct assay_cl_lowering *lowering, const struct assay_cl_view *view) {
  struct assay_tensor_type type = {view->dtype, view->rank, {0}};
  memcpy(type.extents, view->extents, sizeof type.extents);
  const struct assay_cl_view copy = assay_cl_temporary(lowering, &type);
  assay_cl_copy(lowering, view, &copy);
  return copy;
}

struct assay_cl_view assay_cl_dense(struct assay_cl_lowering *lowering, int32_t value) {
  const struct assay_cl_view *view = assay_cl_view_of(lowering, value);
  if (assay_cl_view_is_dense(view)) return *view;
  if (lowering->dense_copies[value] < 0) lowering->dense_copies[value] = copy_of(lowering, view).storage;
  return assay_cl_view_dense(assay_cl_type(lowering, value), lowering->dense_copies[value]);
}

struct assay_cl_view assay_cl_readable(struct assay_cl_lowering *lowering, int32_t value) {
  const struct assay_cl_view *view = assay_cl_view_of(lowering, value);
  return view->storage == ASSAY_CL_CONSTANT || view->stored != view->dtype ? assay_cl_dense(lowering, value) : *view;
}

/* ---- Steps ---- */

struct assay_cl_step *assay_cl_step_source(struct assay_cl_lowering *lowering, const char *source, const char *kernel_name, const char *options,
                                           uint32_t argument_capacity) {
  struct assay_cl_function *function = lowering->function;
  if (lowering->code) return &lowering->spare;
  if (function->step_count == function->step_capacity) {
    const uint32_t capacity = 2 * function->step_capacity + 64;
    struct assay_cl_step **steps = realloc(function->steps, capacity * sizeof(struct assay_cl_step *));
    if (steps) {
      function->steps = steps;
      function->step_capacity = capacity;
    }
  }
  struct assay_cl_step *step = function->step_count < function->step_capacity ? ASSAY_CL_NEW(lowering->pool, struct assay_cl_step, 1) : NULL;
  if (!step || !(step->arguments = ASSAY_CL_NEW(lowering->pool, struct assay_cl_argument, argument_capacity))) {
    assay_cl_lowering_memory(lowering);
    return &lowering->spare;
  }
  step->source = source;
  step->options = options;
  step->kernel_name = kernel_name;
  step->origin = lowering->origin;
  step->argument_capacity = argument_capacity;
  function->steps[function->step_count++] = step;
  return step;
}

const char *assay_cl_text_of(struct assay_cl_lowering *lowering, const char *file) {
  const char *text = "";
  if (lowering->code) return text;
  lowering->code = assay_cl_source(lowering->device, file, &text, lowering->status);
  return text;
}

struct assay_cl_step *assay_cl_step(struct assay_cl_lowering *lowering, const char *file, const char *kernel_name, const char *options, uint32_t argument_capacity) {
  return assay_cl_step_source(lowering, assay_cl_text_of(lowering, file), kernel_name, options, argument_capacity);
}

const char *assay_cl_options(struct assay_cl_lowering *lowering, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  const int length = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  char *kept = length < 0 || length >= (int)sizeof text ? NULL : assay_cl_take(lowering->pool, (size_t)length + 1, 1);
  if (!kept) {
    assay_cl_lowering_memory(lowering);
    return "";
  }
  memcpy(kept, text, (size_t)length + 1);
  return kept;
}

const char *assay_cl_tile_options(struct assay_cl_lowering *lowering, const struct assay_cl_tile *tile, const char *more) {
  return assay_cl_options(lowering, "-D TILE_ROWS=%d -D TILE_COLUMNS=%d -D TILE_DEPTH=%d -D ITEM_ROWS=%d -D ITEM_COLUMNS=%d -D VECTOR=%d -D UNROLL=%d%s", tile->rows, tile->columns,
                          tile->depth, tile->item_rows, tile->item_columns, tile->vector,
                          lowering->device->kind != ASSAY_DEVICE_CPU, more);
}

static void add_argument(struct assay_cl_lowering *lowering, struct assay_cl_step *step, struct assay_cl_argument argument) {
  if (lowering->code) return;
  if (step->argument_count == step->argument_capacity) assay_cl_lowering_fail(lowering, ASSAY_E_FAILED, "kernel %s has more arguments than announced", step->kernel_name);
  else step->arguments[step->argument_count++] = argument;
}

void assay_cl_memory(struct assay_cl_lowering *lowering, struct assay_cl_step *step, int32_t storage, uint32_t access) {
  if (storage < 0) assay_cl_lowering_fail(lowering, ASSAY_E_FAILED, "kernel %s was given a constant in place of memory", step->kernel_name);
  else add_argument(lowering, step, (struct assay_cl_argument){.access = access, .storage = (uint32_t)storage, .size = sizeof(cl_mem)});
}

void assay_cl_natural(struct assay_cl_lowering *lowering, struct assay_cl_step *step, int64_t value) {
  add_argument(lowering, step, (struct assay_cl_argument){.dtype = ASSAY_U32, .size = sizeof(cl_uint), .value.natural = (cl_uint)value});
}

void assay_cl_integer(struct assay_cl_lowering *lowering, struct assay_cl_step *step, int64_t value) {
  add_argument(lowering, step, (struct assay_cl_argument){.dtype = ASSAY_I32, .size = sizeof(cl_int), .value.integer = (cl_int)value});
}

/* Truncated towards zero and saturated; not-a-number gives 0. */
static int64_t saturate(double value, int64_t low, int64_t high) {
  if (isnan(value)) return 0;
  return value <= (double)low ? low : value >= (double)high ? high : (int64_t)value;
}

void assay_cl_number(struct assay_cl_lowering *lowering, struct assay_cl_step *step, int32_t dtype, double value) {
  struct assay_cl_argument argument = {.dtype = dtype, .size = assay_dtype_size(dtype)};
  switch (dtype) {
  case ASSAY_F32: argument.value.real = (float)value; break;
  case ASSAY_I32: argument.value.integer = (cl_int)saturate(value, INT32_MIN, INT32_MAX); break;
  case ASSAY_U32: argument.value.natural = (cl_uint)saturate(value, 0, UINT32_MAX); break;
  case ASSAY_BOOL: argument.value.byte = value != 0; break;
  default: argument.value.byte = (cl_uchar)saturate(value, 0, UINT8_MAX); break;
  }
  add_argument(lowering, step, argument);
}

void assay_cl_groups(struct assay_cl_step *step, size_t items, int64_t first, int64_t second, int64_t third) {
  step->dimensions = third > 1 ? 3 : second > 1 ? 2 : 1;
  const int64_t groups[3] = {first, second, third};
  for (int i = 0; i < 3; i++) {
    step->local[i] = i ? 1 : items;
    step->global[i] = (size_t)groups[i] * step->local[i];
  }
}

int assay_cl_run_length(const struct assay_device *device, int64_t row) { return device->kind != ASSAY_DEVICE_CPU || row <= 4 ? 4 : row <= 8 ? 8 : 16; }

void assay_cl_items(struct assay_cl_step *step, int64_t count) { assay_cl_groups(step, ITEMS, (count + ITEMS - 1) / ITEMS, 1, 1); }

/* ---- What can be lowered ---- */

static bool supported_types(const struct assay_graph *graph, const struct assay_node *node) {
  for (uint32_t i = 0; i < node->input_count; i++)
    if (!assay_cl_type_name(graph->types[node->inputs[i]]->dtype) || assay_element_count(graph->types[node->inputs[i]]) > INT32_MAX) return false;
  return true;
}

static bool is_dtype(const struct assay_graph *graph, int32_t value, int32_t dtype) { return graph->types[value]->dtype == dtype; }

bool assay_cl_supports(const struct assay_graph *graph, uint32_t number) {
  const struct assay_node *node = graph->nodes[number];
  if (!supported_types(graph, node)) return false;
  if (node->op != ASSAY_OP_ASSIGN && (!assay_cl_type_name(graph->types[node->first_output]->dtype) || assay_element_count(graph->types[node->first_output]) > INT32_MAX))
    return false;
  if (assay_cl_elementwise_op(node->op)) return true;
  switch (node->op) {
  case ASSAY_OP_INPUT:
  case ASSAY_OP_VARIABLE:
  case ASSAY_OP_CONSTANT:
  case ASSAY_OP_ASSIGN:
  case ASSAY_OP_REDUCE_MAX:
  case ASSAY_OP_ARGMAX:
  case ASSAY_OP_BROADCAST:
  case ASSAY_OP_RESHAPE:
  case ASSAY_OP_TRANSPOSE:
  case ASSAY_OP_SLICE:
  case ASSAY_OP_PAD:
  case ASSAY_OP_CONCAT:
  case ASSAY_OP_GATHER:
  case ASSAY_OP_ONE_HOT:
  case ASSAY_OP_RANDOM_UNIFORM: return true;
  case ASSAY_OP_REDUCE_SUM:
  case ASSAY_OP_SCATTER_ADD: return !is_dtype(graph, node->inputs[0], ASSAY_BOOL);
  case ASSAY_OP_MATMUL:
  case ASSAY_OP_CONV2D:
  case ASSAY_OP_CONV2D_INPUT_GRADIENT:
  case ASSAY_OP_CONV2D_WEIGHT_GRADIENT:
  case ASSAY_OP_MAX_POOL2D:
  case ASSAY_OP_MAX_POOL2D_GRADIENT:
  case ASSAY_OP_AVG_POOL2D:
  case ASSAY_OP_AVG_POOL2D_GRADIENT:
  case ASSAY_OP_SOFTMAX:
  case ASSAY_OP_LOG_SOFTMAX:
  case ASSAY_OP_SOFTMAX_CROSS_ENTROPY:
  case ASSAY_OP_SOFTMAX_CROSS_ENTROPY_GRADIENT:
  case ASSAY_OP_WARP: return is_dtype(graph, node->inputs[0], ASSAY_F32);
  default: return false; /* other composites: the core's decompositions are taken */
  }
}

/* ---- The walk ---- */

static void lower_source(struct assay_cl_lowering *lowering, const struct assay_node *node) {
  const int32_t value = node->first_output;
  const struct assay_tensor_type *type = assay_cl_type(lowering, value);
  if (node->op == ASSAY_OP_CONSTANT) {
    const struct assay_constant_attributes *attributes = node->attributes;
    lowering->views[value] = assay_cl_view_dense(type, ASSAY_CL_CONSTANT);
    lowering->views[value].constant = attributes->value;
    return;
  }
  const struct assay_source_attributes *attributes = node->attributes;
  const enum assay_cl_storage_kind kind = node->op == ASSAY_OP_INPUT ? ASSAY_CL_FEED : ASSAY_CL_VARIABLE;
  const struct assay_cl_function *function = lowering->function;
  for (uint32_t i = 0; i < function->storage_count; i++) /* a source read by two nodes is one storage */
    if (function->storages[i].kind == kind && function->storages[i].number == attributes->index) {
      lowering->views[value] = assay_cl_view_dense(type, (int32_t)i);
      return;
    }
  lowering->views[value] = assay_cl_view_dense(type, assay_cl_storage_add(lowering, kind, attributes->index, type_size(type)));
}

static bool is_source(uint32_t op) { return op == ASSAY_OP_INPUT || op == ASSAY_OP_VARIABLE || op == ASSAY_OP_CONSTANT; }

static void lower_node(struct assay_cl_lowering *lowering, uint32_t number) {
  const struct assay_node *node = lowering->graph->nodes[number];
  lowering->origin = node->origin;
  if (lowering->groups[number] >= 0) {
    assay_cl_lower_group(lowering, number);
    return;
  }
  if (lowering->reduced[number]) return; /* with the group that makes what it reduces */
  if (node->op != ASSAY_OP_ASSIGN) assay_cl_need_inputs(lowering, node);
  switch (node->op) {
  case ASSAY_OP_INPUT:
  case ASSAY_OP_VARIABLE:
  case ASSAY_OP_CONSTANT:
  case ASSAY_OP_ASSIGN: return; /* sources are there from the start; assigns come at the end */
  case ASSAY_OP_REDUCE_SUM:
  case ASSAY_OP_REDUCE_MAX:
  case ASSAY_OP_ARGMAX: assay_cl_lower_reduce(lowering, node); return;
  case ASSAY_OP_BROADCAST:
  case ASSAY_OP_RESHAPE:
  case ASSAY_OP_TRANSPOSE:
  case ASSAY_OP_SLICE:
  case ASSAY_OP_PAD:
  case ASSAY_OP_CONCAT: assay_cl_lower_place(lowering, node); return;
  case ASSAY_OP_GATHER:
  case ASSAY_OP_SCATTER_ADD:
  case ASSAY_OP_ONE_HOT:
  case ASSAY_OP_RANDOM_UNIFORM: assay_cl_lower_rows(lowering, node); return;
  case ASSAY_OP_WARP: assay_cl_lower_warp(lowering, node); return;
  case ASSAY_OP_SOFTMAX:
  case ASSAY_OP_LOG_SOFTMAX:
  case ASSAY_OP_SOFTMAX_CROSS_ENTROPY:
  case ASSAY_OP_SOFTMAX_CROSS_ENTROPY_GRADIENT: assay_cl_lower_softmax(lowering, node); return;
  case ASSAY_OP_MATMUL:
  case ASSAY_OP_CONV2D:
  case ASSAY_OP_CONV2D_INPUT_GRADIENT:
  case ASSAY_OP_CONV2D_WEIGHT_GRADIENT:
    if (lowering->heads[number] < 0) assay_cl_lower_product(lowering, number, NULL, 0);
    return; /* else with the group that it is the head of */
  default: assay_cl_lower_pool2d(lowering, node); return;
  }
}

static struct assay_cl_view fetch_view(struct assay_cl_lowering *lowering, uint32_t fetch) {
  const struct assay_tensor_type *type = assay_cl_type(lowering, lowering->source->fetches[fetch]);
  return assay_cl_view_dense(type, assay_cl_storage_add(lowering, ASSAY_CL_FETCH, fetch, type_size(type)));
}

/* Fetches that no kernel wrote in passing. Sources first of all, so that old values of variables are safe before anything is computed. */
static void copy_fetches(struct assay_cl_lowering *lowering, bool sources) {
  for (uint32_t fetch = 0; fetch < lowering->source->fetch_count && !lowering->code; fetch++) {
    const int32_t value = lowering->source->fetches[fetch];
    const struct assay_cl_view *view = assay_cl_view_of(lowering, value);
    if (is_source(lowering->graph->nodes[lowering->graph->producers[value]]->op) != sources) continue;
    if (view->storage >= 0 && assay_cl_view_is_dense(view)) {
      const struct assay_cl_storage *storage = &lowering->function->storages[view->storage];
      if (storage->kind == ASSAY_CL_FETCH && storage->number == fetch) continue;
    }
    const struct assay_cl_view to = fetch_view(lowering, fetch);
    assay_cl_copy(lowering, view, &to);
  }
}

/* ---- Assigns ---- */

static void touch(struct assay_cl_storage *storage, int32_t step) {
  if (storage->first_step < 0) storage->first_step = step;
  storage->last_step = step;
}

/* First and last step that touches each storage. */
static void measure_lives(struct assay_cl_function *function) {
  for (uint32_t s = 0; s < function->storage_count; s++) function->storages[s].first_step = function->storages[s].last_step = -1;
  for (uint32_t n = 0; n < function->step_count; n++)
    for (uint32_t a = 0; a < function->steps[n]->argument_count; a++)
      if (function->steps[n]->arguments[a].access) touch(&function->storages[function->steps[n]->arguments[a].storage], (int32_t)n);
}

/* May what is first written at `step` be written into the variable instead? Only if nobody reads the old value later, and the step itself
 * reads it element by element. */
static bool old_value_done(const struct assay_cl_function *function, int32_t variable, int32_t step) {
  if (function->storages[variable].last_step > step) return false;
  if (function->storages[variable].last_step < step) return true;
  const struct assay_cl_step *at = function->steps[step];
  for (uint32_t a = 0; a < at->argument_count; a++)
    if (at->arguments[a].access && at->arguments[a].storage == (uint32_t)variable && at->arguments[a].access != (ASSAY_CL_READ | ASSAY_CL_IN_PLACE)) return false;
  return true;
}

static void redirect(struct assay_cl_function *function, int32_t from, int32_t to) {
  for (uint32_t n = 0; n < function->step_count; n++)
    for (uint32_t a = 0; a < function->steps[n]->argument_count; a++) {
      struct assay_cl_argument *argument = &function->steps[n]->arguments[a];
      if (argument->access && argument->storage == (uint32_t)from) argument->storage = (uint32_t)to;
    }
}

struct assignment {
  struct assay_cl_view from, to;
  bool done;
};

/* Makes `from` safe: an old value of a variable that is itself assigned is saved before any new one is written. */
static void prepare_assignment(struct assay_cl_lowering *lowering, const struct assay_node *node, struct assignment *assignment) {
  assignment->to = *assay_cl_view_of(lowering, node->inputs[0]);
  assignment->from = *assay_cl_view_of(lowering, node->inputs[1]);
  if (assignment->from.storage == assignment->to.storage && assay_cl_view_is_dense(&assignment->from)) assignment->done = true; /* itself */
  if (assignment->done || assignment->from.storage < 0) return;
  const struct assay_cl_storage *storage = &lowering->function->storages[assignment->from.storage];
  if (storage->kind == ASSAY_CL_VARIABLE && lowering->assigned[storage->number]) assignment->from = copy_of(lowering, &assignment->from);
}

static void write_through(struct assay_cl_lowering *lowering, struct assignment *assignments, uint32_t count) {
  struct assay_cl_function *function = lowering->function;
  for (uint32_t i = 0; i < count; i++) {
    struct assignment *assignment = &assignments[i];
    measure_lives(function);
    if (assignment->done || !assay_cl_view_is_dense(&assignment->from)) continue;
    const struct assay_cl_storage *from = &function->storages[assignment->from.storage], *to = &function->storages[assignment->to.storage];
    if (from->kind != ASSAY_CL_WORKSPACE || from->first_step < 0 || from->size != to->size) continue;
    if (!old_value_done(function, assignment->to.storage, from->first_step)) continue;
    const int32_t old = assignment->from.storage;
    redirect(function, old, assignment->to.storage);
    assignment->done = true;
    for (uint32_t j = 0; j < count; j++)
      if (assignments[j].from.storage == old) assignments[j].from.storage = assignment->to.storage;
  }
}

static void lower_assigns(struct assay_cl_lowering *lowering) {
  const struct assay_graph *graph = lowering->graph;
  uint32_t count = 0;
  struct assignment *assignments = ASSAY_CL_NEW(&lowering->scratch, struct assignment, graph->node_count + 1);
  if (!assignments) {
    assay_cl_lowering_memory(lowering);
    return;
  }
  for (uint32_t n = 0; n < graph->node_count; n++)
    if (graph->nodes[n]->op == ASSAY_OP_ASSIGN) prepare_assignment(lowering, graph->nodes[n], &assignments[count++]);
  if (!lowering->code) write_through(lowering, assignments, count);
  for (uint32_t i = 0; i < count && !lowering->code; i++)
    if (!assignments[i].done) assay_cl_copy(lowering, &assignments[i].from, &assignments[i].to);
}

/* ---- Memory ---- */

static void plan_workspace(struct assay_cl_lowering *lowering) {
  struct assay_cl_function *function = lowering->function;
  const size_t capacity = function->storage_count + 1;
  struct assay_interval *intervals = ASSAY_CL_NEW(&lowering->scratch, struct assay_interval, capacity);
  uint64_t *offsets = ASSAY_CL_NEW(&lowering->scratch, uint64_t, capacity);
  if (!intervals || !offsets) {
    assay_cl_lowering_memory(lowering);
    return;
  }
  uint32_t count = 0;
  measure_lives(function);
  for (uint32_t s = 0; s < function->storage_count; s++) {
    const struct assay_cl_storage *storage = &function->storages[s];
    if (storage->kind == ASSAY_CL_WORKSPACE && storage->first_step >= 0)
      intervals[count++] = (struct assay_interval){storage->size, (uint32_t)storage->first_step, (uint32_t)storage->last_step};
  }
  if (lowering->device->host->plan_memory(intervals, count, lowering->device->alignment, offsets, &function->workspace)) {
    assay_cl_lowering_memory(lowering);
    return;
  }
  count = 0;
  for (uint32_t s = 0; s < function->storage_count; s++) {
    struct assay_cl_storage *storage = &function->storages[s];
    if (storage->kind == ASSAY_CL_WORKSPACE && storage->first_step >= 0) storage->offset = offsets[count++];
  }
}

/* ---- All of it ---- */

static bool take_tables(struct assay_cl_lowering *lowering) {
  const struct assay_graph *graph = lowering->graph;
  lowering->views = ASSAY_CL_NEW(&lowering->scratch, struct assay_cl_view, graph->value_count + 1);
  lowering->dense_copies = ASSAY_CL_NEW(&lowering->scratch, int32_t, graph->value_count + 1);
  lowering->fetch_of = ASSAY_CL_NEW(&lowering->scratch, int32_t, graph->value_count + 1);
  lowering->groups = ASSAY_CL_NEW(&lowering->scratch, int32_t, graph->node_count + 1);
  lowering->heads = ASSAY_CL_NEW(&lowering->scratch, int32_t, graph->node_count + 1);
  lowering->reduced = ASSAY_CL_NEW(&lowering->scratch, uint8_t, graph->node_count + 1);
  lowering->remade = ASSAY_CL_NEW(&lowering->scratch, uint8_t, graph->value_count + 1);
  lowering->assigned = ASSAY_CL_NEW(&lowering->scratch, uint8_t, lowering->program->variable_count + 1);
  lowering->scalars = ASSAY_CL_NEW(&lowering->scratch, uint32_t, graph->node_count + 1);
  return lowering->scalars && lowering->views && lowering->dense_copies && lowering->fetch_of && lowering->groups && lowering->heads && lowering->reduced && lowering->remade && lowering->assigned;
}

static void fill_tables(struct assay_cl_lowering *lowering) {
  const struct assay_graph *graph = lowering->graph;
  for (uint32_t value = 0; value < graph->value_count; value++) lowering->dense_copies[value] = lowering->fetch_of[value] = -1;
  for (uint32_t fetch = lowering->source->fetch_count; fetch-- > 0;) {
    const int32_t value = lowering->source->fetches[fetch];
    if (!is_source(graph->nodes[graph->producers[value]]->op)) lowering->fetch_of[value] = (int32_t)fetch;
  }
  if (lowering->device->host->fuse_elementwise(graph, NULL, lowering->groups)) {
    assay_cl_lowering_memory(lowering);
    return;
  }
  lowering->next_group = (int32_t)graph->node_count; /* above all numbers that the fusion gives */
  for (uint32_t n = 0; n < graph->node_count; n++) {
    const struct assay_node *node = graph->nodes[n];
    if (!assay_cl_elementwise_op(node->op)) lowering->groups[n] = -1;
    else if (lowering->groups[n] < 0) lowering->groups[n] = lowering->next_group++; /* a group of one */
    if (is_source(node->op)) lower_source(lowering, node);
    if (node->op == ASSAY_OP_ASSIGN) {
      const struct assay_source_attributes *attributes = graph->nodes[graph->producers[node->inputs[0]]]->attributes;
      lowering->assigned[attributes->index] = 1;
    }
  }
}

static void lower_all(struct assay_cl_lowering *lowering) {
  const struct assay_graph *graph = lowering->graph;
  if (!take_tables(lowering)) {
    assay_cl_lowering_memory(lowering);
    return;
  }
  for (uint32_t n = 0; n < graph->node_count; n++)
    if (!assay_cl_supports(graph, n)) {
      lowering->refused = (int32_t)n;
      assay_cl_lowering_fail(lowering, ASSAY_E_UNSUPPORTED, "op %u of %s is not supported for these types", graph->nodes[n]->op, graph->nodes[n]->origin);
      return;
    }
  fill_tables(lowering);
  assay_cl_pair_groups(lowering);
  copy_fetches(lowering, true);
  for (uint32_t n = 0; n < graph->node_count && !lowering->code; n++) lower_node(lowering, n);
  assay_cl_lower_scalars(lowering);
  copy_fetches(lowering, false);
  if (!lowering->code) lower_assigns(lowering);
  if (!lowering->code) assay_cl_join_sweeps(lowering);
  if (!lowering->code) plan_workspace(lowering);
}

int assay_cl_lower(struct assay_device *device, const struct assay_program *program, uint32_t number, struct assay_cl_pool **pool,
                   struct assay_cl_function *function, uint32_t *refused, struct assay_status *status) {
  struct assay_cl_lowering lowering = {.device = device,
                                       .program = program,
                                       .source = program->functions[number],
                                       .graph = program->functions[number]->graph,
                                       .function = function,
                                       .pool = pool,
                                       .origin = "",
                                       .status = status,
                                       .refused = -1};
  lower_all(&lowering);
  assay_cl_pool_release(&lowering.scratch);
  if (lowering.refused >= 0) *refused = (uint32_t)lowering.refused;
  return lowering.code;
}

void assay_cl_function_release(struct assay_cl_function *function) {
  for (uint32_t n = 0; n < function->step_count; n++)
    if (function->steps[n]->kernel) clReleaseKernel(function->steps[n]->kernel);
  free(function->steps);
  free(function->storages);
}
