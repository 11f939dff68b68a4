/* SPDX-License-Identifier: MIT
 *
 * Compiling a program, and running it. Every launch has a kernel object of its own: what does not change is bound once, and a run binds only
 * feeds, fetches and variables, and only those that differ from the run before.
 */
#include "backends/opencl/executable.h"

#include "backends/opencl/lower.h"
#include "backends/opencl/memory.h"
#include "backends/opencl/profile.h"
#include "backends/opencl/program.h"
#include <clblast_c.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SECONDS_OF_SILENCE = 3 };
#define LARGEST_PIECE ((uint64_t)4 << 20) /* of zeros that a new store is filled with, bytes */

/* The parameters of a sweep's kernel. */
enum { SWEEP_TABLE, SWEEP_WORKSPACE, SWEEP_VARIABLES, SWEEP_UNIT, SWEEP_FEEDS };
#define WHOLE_STORE UINT32_MAX /* in place of a variable's number */

/* An argument that is known only when the function runs. */
struct binding {
  cl_kernel kernel;
  cl_uint index;
  enum assay_cl_storage_kind kind;
  uint32_t number;
  uint64_t bound; /* serial number of the buffer or store bound now; 0: none */
};

struct function {
  struct assay_cl_function plan;
  cl_mem *parts;  /* by storage: sub-buffers of the workspace; NULL for other storages */
  cl_mem *tables; /* by step: what sweeps read; NULL for other steps */
  struct binding *bindings;
  uint32_t binding_count;
  struct assay_cl_cost *costs; /* by step; NULL: launches are not timed */
};

struct assay_executable {
  struct assay_device *device;
  const struct assay_program *program;
  struct assay_cl_pool *pool;
  struct function *functions;
  uint64_t *offsets; /* by variable, in a store's block */
  uint64_t store_size, workspace_size, tables_size;
  cl_mem workspace; /* NULL until the first store is made */
};

struct assay_store {
  struct assay_executable *executable;
  cl_mem block;
  cl_mem *parts; /* by variable */
  uint64_t serial;
};

static uint64_t variable_size(const struct assay_program *program, uint32_t variable) {
  const struct assay_tensor_type *type = &program->variables[variable]->type;
  return (uint64_t)assay_element_count(type) * assay_dtype_size(type->dtype);
}

/* ---- Compiling ---- */

static int set_argument(const struct assay_device *device, const char *kernel_name, cl_kernel kernel, cl_uint index, size_t size, const void *value,
                        struct assay_status *status) {
  const cl_int error = clSetKernelArg(kernel, index, size, value);
  if (error == CL_SUCCESS) return ASSAY_OK;
  char call[128];
  snprintf(call, sizeof call, "clSetKernelArg(%s, %u)", kernel_name, index);
  return assay_cl_fail(device, call, error, status);
}

/* The kernel object of a launch with its numbers bound. */
static int make_kernel(struct assay_device *device, struct assay_cl_step *step, struct assay_status *status) {
  cl_program program;
  cl_int error;
  int code = assay_cl_program(device, step->kernel_name, step->source, step->options, &program, status);
  if (code) return code;
  assay_cl_waiting(device, "clCreateKernel");
  step->kernel = clCreateKernel(program, step->kernel_name, &error);
  assay_cl_waited(device);
  if (error != CL_SUCCESS) {
    step->kernel = NULL;
    return assay_cl_fail(device, "clCreateKernel", error, status);
  }
  const cl_uint unit = (cl_uint)device->alignment;
  if (step->sweep) return set_argument(device, step->kernel_name, step->kernel, SWEEP_UNIT, sizeof unit, &unit, status);
  for (uint32_t a = 0; a < step->argument_count && !code; a++)
    if (!step->arguments[a].access) code = set_argument(device, step->kernel_name, step->kernel, a, step->arguments[a].size, &step->arguments[a].value, status);
  return code;
}

/* Are the arguments of the step those of its kernel? */
static bool binds_arguments(const struct assay_cl_step *step) { return step->kernel && !step->sweep; }

static void add_binding(struct function *function, cl_kernel kernel, cl_uint index, enum assay_cl_storage_kind kind, uint32_t number) {
  function->bindings[function->binding_count++] = (struct binding){kernel, index, kind, number, 0};
}

static void collect_from_sweep(struct function *function, const struct assay_cl_step *step) {
  uint32_t feeds[ASSAY_CL_SWEEP_FEEDS];
  const uint32_t count = assay_cl_sweep_feeds(&function->plan, step, feeds);
  add_binding(function, step->kernel, SWEEP_VARIABLES, ASSAY_CL_VARIABLE, WHOLE_STORE);
  for (uint32_t f = 0; f < count; f++) add_binding(function, step->kernel, SWEEP_FEEDS + f, ASSAY_CL_FEED, feeds[f]);
}

static int collect_bindings(struct assay_executable *executable, struct function *function, struct assay_status *status) {
  const struct assay_cl_function *plan = &function->plan;
  uint32_t count = 0;
  for (uint32_t n = 0; n < plan->step_count; n++) count += plan->steps[n]->argument_count;
  function->bindings = ASSAY_CL_NEW(&executable->pool, struct binding, (size_t)count + 1);
  if (!function->bindings) return assay_cl_no_memory(status);
  for (uint32_t n = 0; n < plan->step_count; n++) {
    const struct assay_cl_step *step = plan->steps[n];
    if (step->sweep) collect_from_sweep(function, step);
    for (uint32_t a = 0; binds_arguments(step) && a < step->argument_count; a++) {
      const struct assay_cl_argument *argument = &step->arguments[a];
      if (!argument->access || plan->storages[argument->storage].kind == ASSAY_CL_WORKSPACE) continue;
      const struct assay_cl_storage *storage = &plan->storages[argument->storage];
      add_binding(function, step->kernel, a, storage->kind, storage->number);
    }
  }
  return ASSAY_OK;
}

static int lower_function(struct assay_executable *executable, uint32_t number, uint32_t refused[2], struct assay_status *status) {
  struct assay_device *device = executable->device;
  struct function *function = &executable->functions[number];
  refused[0] = number;
  int code = assay_cl_lower(device, executable->program, number, &executable->pool, &function->plan, &refused[1], status);
  if (code) return code;
  if (function->plan.workspace > executable->workspace_size) executable->workspace_size = function->plan.workspace;
  for (uint32_t n = 0; n < function->plan.step_count; n++) executable->tables_size += assay_cl_sweep_table_size(function->plan.steps[n]);
  char message[256];
  snprintf(message, sizeof message, "opencl: function %s: %u launches, %" PRIu64 " bytes of workspace", executable->program->functions[number]->name,
           function->plan.step_count, function->plan.workspace);
  device->host->log(0, message);
  if (device->profiles && !(function->costs = ASSAY_CL_NEW(&executable->pool, struct assay_cl_cost, (size_t)function->plan.step_count + 1))) return assay_cl_no_memory(status);
  return ASSAY_OK;
}

/* How many of the steps need a program of their own: pairs of source and options that no earlier one has. */
static uint32_t count_programs(const struct assay_executable *executable) {
  uint32_t count = 0;
  for (uint32_t f = 0; f < executable->program->function_count; f++)
    for (uint32_t n = 0; n < executable->functions[f].plan.step_count; n++) {
      const struct assay_cl_step *step = executable->functions[f].plan.steps[n];
      bool seen = step->gemm != NULL;
      for (uint32_t g = 0; g <= f && !seen; g++)
        for (uint32_t m = 0; m < (g < f ? executable->functions[g].plan.step_count : n) && !seen; m++) {
          const struct assay_cl_step *other = executable->functions[g].plan.steps[m];
          seen = !other->gemm && (other->source == step->source || !strcmp(other->source, step->source)) && !strcmp(other->options, step->options);
        }
      count += !seen;
    }
  return count;
}

/* Says how far a first run is; `compiled` as the device counts. At most every few seconds. */
static void tell_progress(struct assay_executable *executable, uint32_t total, uint64_t compiled_before, time_t *told) {
  struct assay_device *device = executable->device;
  const uint32_t compiled = (uint32_t)(device->compiled - compiled_before);
  const time_t now = time(NULL);
  if (!compiled || now - *told < SECONDS_OF_SILENCE) return;
  char message[256];
  snprintf(message, sizeof message, "%.120s sees this network for the first time: %u kernels compiled, of %u at most; later starts find them in the cache", device->name, compiled, total);
  device->host->log(1, message);
  *told = now;
}

static int make_kernels(struct assay_executable *executable, struct assay_status *status) {
  const uint32_t total = count_programs(executable);
  const uint64_t before = executable->device->compiled;
  time_t told = time(NULL);
  int code = ASSAY_OK;
  for (uint32_t f = 0; f < executable->program->function_count && !code; f++) {
    struct function *function = &executable->functions[f];
    for (uint32_t n = 0; n < function->plan.step_count && !code; n++) {
      if (!function->plan.steps[n]->gemm) code = make_kernel(executable->device, function->plan.steps[n], status);
      tell_progress(executable, total, before, &told);
    }
    if (!code) code = collect_bindings(executable, function, status);
  }
  return code;
}

/* Where each variable lies in the block of a store. */
static bool place_variables(struct assay_executable *executable) {
  const struct assay_program *program = executable->program;
  const uint64_t alignment = executable->device->alignment;
  for (uint32_t v = 0; v < program->variable_count; v++) {
    uint64_t end;
    executable->offsets[v] = executable->store_size;
    if (__builtin_add_overflow(executable->store_size, variable_size(program, v), &end) || __builtin_add_overflow(end, alignment - 1, &end)) return false;
    executable->store_size = end / alignment * alignment;
  }
  if (!executable->store_size) executable->store_size = alignment;
  return true;
}

int assay_cl_compile(struct assay_device *device, const struct assay_program *program, struct assay_executable **executable, uint32_t refused[2],
                     struct assay_status *status) {
  struct assay_executable *made = calloc(1, sizeof *made);
  *executable = NULL;
  if (!made) return assay_cl_no_memory(status);
  made->device = device;
  made->program = program;
  made->functions = ASSAY_CL_NEW(&made->pool, struct function, (size_t)program->function_count + 1);
  made->offsets = ASSAY_CL_NEW(&made->pool, uint64_t, (size_t)program->variable_count + 1);
  int code = made->functions && made->offsets && place_variables(made) ? ASSAY_OK : assay_cl_no_memory(status);
  for (uint32_t f = 0; f < program->function_count && !code; f++) code = lower_function(made, f, refused, status);
  if (!code) code = make_kernels(made, status);
  if (code) {
    assay_cl_release(made);
    return code;
  }
  *executable = made;
  return ASSAY_OK;
}

void assay_cl_memory_need(const struct assay_executable *executable, struct assay_memory_need *need) {
  need->store = executable->store_size;
  need->workspace = executable->workspace_size + executable->tables_size;
}

/* Gives the workspace and its parts back. */
static void workspace_release(struct assay_executable *executable) {
  for (uint32_t f = 0; executable->functions && f < executable->program->function_count; f++) {
    struct function *function = &executable->functions[f];
    for (uint32_t s = 0; function->parts && s < function->plan.storage_count; s++)
      if (function->parts[s]) clReleaseMemObject(function->parts[s]);
    for (uint32_t n = 0; function->tables && n < function->plan.step_count; n++)
      if (function->tables[n]) clReleaseMemObject(function->tables[n]);
    function->parts = function->tables = NULL;
  }
  if (executable->workspace) clReleaseMemObject(executable->workspace);
  executable->workspace = NULL;
}

static void tell_costs(struct assay_executable *executable, uint32_t number) {
  struct function *function = &executable->functions[number];
  if (!function->costs) return;
  assay_cl_costs_collect(executable->device, function->costs, function->plan.step_count, NULL);
  assay_cl_costs_tell(executable->device, executable->program->functions[number]->name, &function->plan, function->costs);
}

void assay_cl_release(struct assay_executable *executable) {
  if (!executable) return;
  for (uint32_t f = 0; executable->functions && f < executable->program->function_count; f++) tell_costs(executable, f);
  workspace_release(executable);
  for (uint32_t f = 0; executable->functions && f < executable->program->function_count; f++) assay_cl_function_release(&executable->functions[f].plan);
  assay_cl_pool_release(&executable->pool);
  free(executable);
}

/* ---- Workspace ---- */

/* The table of a sweep, and what else its kernel gets before it runs. */
static int bind_sweep(struct assay_executable *executable, struct function *function, uint32_t number, struct assay_status *status) {
  struct assay_device *device = executable->device;
  const struct assay_cl_step *step = function->plan.steps[number];
  const uint64_t size = assay_cl_sweep_table_size(step);
  cl_uint *table = assay_cl_sweep_table(device, &function->plan, step, executable->offsets);
  int code = table ? assay_cl_block(device, size, "the table of a network's variables", &function->tables[number], status) : assay_cl_no_memory(status);
  if (!code) code = assay_cl_upload(device, &device->staging, function->tables[number], 0, table, size, status);
  if (!code) code = set_argument(device, step->kernel_name, step->kernel, SWEEP_TABLE, sizeof(cl_mem), &function->tables[number], status);
  if (!code) code = set_argument(device, step->kernel_name, step->kernel, SWEEP_WORKSPACE, sizeof(cl_mem), &executable->workspace, status);
  free(table);
  return code;
}

static int bind_workspace(struct assay_executable *executable, struct function *function, struct assay_status *status) {
  const struct assay_cl_function *plan = &function->plan;
  function->parts = ASSAY_CL_NEW(&executable->pool, cl_mem, (size_t)plan->storage_count + 1);
  function->tables = ASSAY_CL_NEW(&executable->pool, cl_mem, (size_t)plan->step_count + 1);
  if (!function->parts || !function->tables) return assay_cl_no_memory(status);
  int code = ASSAY_OK;
  for (uint32_t s = 0; s < plan->storage_count && !code; s++)
    if (plan->storages[s].kind == ASSAY_CL_WORKSPACE && plan->storages[s].first_step >= 0)
      code = assay_cl_part(executable->device, executable->workspace, plan->storages[s].offset, plan->storages[s].size, &function->parts[s], status);
  for (uint32_t n = 0; n < plan->step_count && !code; n++) {
    const struct assay_cl_step *step = plan->steps[n];
    if (step->sweep) code = bind_sweep(executable, function, n, status);
    for (uint32_t a = 0; binds_arguments(step) && a < step->argument_count && !code; a++) {
      const struct assay_cl_argument *argument = &step->arguments[a];
      if (argument->access && function->parts[argument->storage])
        code = set_argument(executable->device, step->kernel_name, step->kernel, a, sizeof(cl_mem), &function->parts[argument->storage], status);
    }
  }
  return code;
}

/* Takes the workspace, once. */
static int need_workspace(struct assay_executable *executable, struct assay_status *status) {
  if (executable->workspace) return ASSAY_OK;
  int code = assay_cl_block(executable->device, executable->workspace_size, "the workspace of a network", &executable->workspace, status);
  for (uint32_t f = 0; f < executable->program->function_count && !code; f++) code = bind_workspace(executable, &executable->functions[f], status);
  if (code) workspace_release(executable);
  return code;
}

/* ---- Stores ---- */

/* Zeros through ordinary uploads: of all ways to fill memory the one that every driver and every checking tool gets right. */
static int clear_block(struct assay_device *device, cl_mem block, uint64_t size, struct assay_status *status) {
  const uint64_t piece = size < LARGEST_PIECE ? size : LARGEST_PIECE;
  void *zeros = calloc(1, piece);
  int code = zeros ? ASSAY_OK : assay_cl_no_memory(status);
  for (uint64_t offset = 0; offset < size && !code; offset += piece)
    code = assay_cl_upload(device, &device->staging, block, offset, zeros, size - offset < piece ? size - offset : piece, status);
  free(zeros);
  return code;
}

static int fill_store(struct assay_store *store, struct assay_status *status) {
  struct assay_executable *executable = store->executable;
  struct assay_device *device = executable->device;
  int code = assay_cl_block(device, executable->store_size, "the variables of a network", &store->block, status);
  if (!code) code = clear_block(device, store->block, executable->store_size, status);
  for (uint32_t v = 0; v < executable->program->variable_count && !code; v++)
    code = assay_cl_part(device, store->block, executable->offsets[v], variable_size(executable->program, v), &store->parts[v], status);
  return code;
}

int assay_cl_store_create(struct assay_executable *executable, struct assay_store **store, struct assay_status *status) {
  *store = NULL;
  struct assay_store *made = calloc(1, sizeof *made);
  if (!made || !(made->parts = calloc((size_t)executable->program->variable_count + 1, sizeof(cl_mem)))) {
    free(made);
    return assay_cl_no_memory(status);
  }
  made->executable = executable;
  made->serial = ++executable->device->serial;
  int code = need_workspace(executable, status);
  if (!code) code = fill_store(made, status);
  if (code) {
    assay_cl_store_release(made);
    return code;
  }
  *store = made;
  return ASSAY_OK;
}

void assay_cl_store_release(struct assay_store *store) {
  if (!store) return;
  for (uint32_t v = 0; v < store->executable->program->variable_count; v++)
    if (store->parts[v]) clReleaseMemObject(store->parts[v]);
  if (store->block) clReleaseMemObject(store->block);
  free(store->parts);
  free(store);
}

static int check_variable(const struct assay_store *store, uint32_t variable, struct assay_status *status) {
  if (variable < store->executable->program->variable_count) return ASSAY_OK;
  return assay_cl_status(status, ASSAY_E_FAILED, "variable %u was asked for, but the program has %u", variable, store->executable->program->variable_count);
}

int assay_cl_store_write(struct assay_store *store, uint32_t variable, const void *data, struct assay_status *status) {
  const struct assay_executable *executable = store->executable;
  const int code = check_variable(store, variable, status);
  return code ? code : assay_cl_upload(executable->device, &executable->device->staging, store->block, executable->offsets[variable], data, variable_size(executable->program, variable), status);
}

int assay_cl_store_read(struct assay_store *store, uint32_t variable, void *data, struct assay_status *status) {
  const struct assay_executable *executable = store->executable;
  const int code = check_variable(store, variable, status);
  return code ? code : assay_cl_download(executable->device, store->block, executable->offsets[variable], data, variable_size(executable->program, variable), status);
}

int assay_cl_store_copy(struct assay_store *to, const struct assay_store *from, struct assay_status *status) {
  struct assay_device *device = to->executable->device;
  if (to == from) return ASSAY_OK;
  const cl_int error = clEnqueueCopyBuffer(device->queue, from->block, to->block, 0, 0, to->executable->store_size, 0, NULL, NULL);
  return error == CL_SUCCESS ? ASSAY_OK : assay_cl_fail(device, "clEnqueueCopyBuffer", error, status);
}

/* ---- Running ---- */

/* What a run works on. */
struct call {
  struct assay_executable *executable;
  struct function *function;
  struct assay_store *store;
  struct assay_buffer *const *feeds, *const *fetches;
};

static cl_mem call_memory(const struct call *call, enum assay_cl_storage_kind kind, uint32_t number, uint64_t *serial) {
  if (kind == ASSAY_CL_VARIABLE) {
    *serial = call->store->serial;
    return number == WHOLE_STORE ? call->store->block : call->store->parts[number];
  }
  const struct assay_buffer *buffer = kind == ASSAY_CL_FEED ? call->feeds[number] : call->fetches[number];
  *serial = buffer->serial;
  return buffer->memory;
}

static int bind(const struct call *call, struct assay_status *status) {
  for (uint32_t i = 0; i < call->function->binding_count; i++) {
    struct binding *binding = &call->function->bindings[i];
    uint64_t serial;
    const cl_mem memory = call_memory(call, binding->kind, binding->number, &serial);
    if (binding->bound == serial) continue;
    binding->bound = 0;
    const int code = set_argument(call->executable->device, "of a function", binding->kernel, binding->index, sizeof memory, &memory, status);
    if (code) return code;
    binding->bound = serial;
  }
  return ASSAY_OK;
}

static int run_gemm(const struct call *call, const struct assay_cl_step *step, cl_event *event, struct assay_status *status) {
  struct assay_device *device = call->executable->device;
  const struct assay_cl_gemm *gemm = step->gemm;
  cl_mem memory[4] = {NULL};
  for (uint32_t a = 0; a < step->argument_count; a++) {
    const uint32_t number = step->arguments[a].storage;
    const struct assay_cl_storage *storage = &call->function->plan.storages[number];
    uint64_t serial;
    memory[a] = storage->kind == ASSAY_CL_WORKSPACE ? call->function->parts[number] : call_memory(call, storage->kind, storage->number, &serial);
  }
  assay_cl_waiting(device, "CLBlastSgemm"); /* which compiles when it sees a device for the first time */
  const CLBlastStatusCode error = CLBlastSgemmWithTempBuffer(
      CLBlastLayoutRowMajor, gemm->transpose_a ? CLBlastTransposeYes : CLBlastTransposeNo, gemm->transpose_b ? CLBlastTransposeYes : CLBlastTransposeNo, gemm->rows,
      gemm->columns, gemm->depth, 1.0f, memory[0], gemm->a_offset, gemm->a_leading, memory[1], gemm->b_offset, gemm->b_leading, 0.0f, memory[2], 0, gemm->columns,
      &device->queue, event, memory[3]);
  assay_cl_waiting(device, "clEnqueueNDRangeKernel");
  return error == CLBlastSuccess ? ASSAY_OK : assay_cl_fail(device, "CLBlastSgemm", (cl_int)error, status); /* its codes are OpenCL's and some of its own */
}

static int launch(const struct call *call, const struct assay_cl_step *step, cl_event *event, struct assay_status *status) {
  struct assay_device *device = call->executable->device;
  const cl_int error = clEnqueueNDRangeKernel(device->queue, step->kernel, step->dimensions, NULL, step->global, step->local, 0, NULL, event);
  if (error == CL_SUCCESS) return ASSAY_OK;
  char where[192];
  snprintf(where, sizeof where, "clEnqueueNDRangeKernel(%.80s%s%.80s)", step->kernel_name, step->origin[0] ? " of " : "", step->origin);
  return assay_cl_fail(device, where, error, status);
}

static int check_buffers(const struct assay_function *function, const int32_t *values, uint32_t count, struct assay_buffer *const *buffers, const char *what,
                         struct assay_status *status) {
  for (uint32_t i = 0; i < count; i++) {
    const struct assay_tensor_type *type = function->graph->types[values[i]];
    const uint64_t size = (uint64_t)assay_element_count(type) * assay_dtype_size(type->dtype);
    if (!buffers || !buffers[i] || buffers[i]->size < size)
      return assay_cl_status(status, ASSAY_E_FAILED, "function %s: the buffer of %s %u must have %" PRIu64 " bytes", function->name, what, i, size);
  }
  return ASSAY_OK;
}

int assay_cl_run(struct assay_executable *executable, uint32_t function, struct assay_store *store, struct assay_buffer *const *feeds,
                 struct assay_buffer *const *fetches, struct assay_status *status) {
  if (function >= executable->program->function_count || (!store && executable->program->variable_count))
    return assay_cl_status(status, ASSAY_E_FAILED, "function %u was asked for, of a program of %u%s", function, executable->program->function_count,
                           store ? "" : ", without a store");
  const struct assay_function *source = executable->program->functions[function];
  struct call call = {executable, &executable->functions[function], store, feeds, fetches};
  int code = check_buffers(source, source->feeds, source->feed_count, feeds, "feed", status);
  if (!code) code = check_buffers(source, source->fetches, source->fetch_count, fetches, "fetch", status);
  if (!code) code = need_workspace(executable, status); /* there already, unless the program has no variables and so needs no store */
  assay_cl_waiting(executable->device, "clEnqueueNDRangeKernel"); /* a driver whose queue is full may make us wait */
  if (!code && call.function->costs) code = assay_cl_costs_collect(executable->device, call.function->costs, call.function->plan.step_count, status);
  if (!code) code = bind(&call, status);
  for (uint32_t n = 0; n < call.function->plan.step_count && !code; n++) {
    const struct assay_cl_step *step = call.function->plan.steps[n];
    cl_event *event = call.function->costs ? &call.function->costs[n].event : NULL;
    code = step->gemm ? run_gemm(&call, step, event, status) : launch(&call, step, event, status);
  }
  const cl_int error = code ? CL_SUCCESS : clFlush(executable->device->queue);
  assay_cl_waited(executable->device);
  if (code) return code;
  return error == CL_SUCCESS ? ASSAY_OK : assay_cl_fail(executable->device, "clFlush", error, status);
}
