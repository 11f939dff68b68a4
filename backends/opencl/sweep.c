/* SPDX-License-Identifier: MIT
 *
 * Sweeps: generated elementwise steps that write nothing but variables (an optimizer's step on each parameter, running statistics, sums of gradients) become one launch
 * over all of those variables, since a network has dozens of them and most are small.
 *
 * A sweep's kernel has a function for each kind of step that was joined. It gets the two blocks that everything lies in, the workspace and the variables, and a table in place
 * of arguments. The table begins with a pair of words a work-group: the place of a row in the table, and the first of STRETCH elements. Then come the rows, one a step: the number of
 * its function and its arguments. Places in a block are told in units of the alignment that all parts of a block have. So steps may differ in their numbers and scalars (a decay that
 * spares biases, rates of layers), and variables need not lie side by side. Feeds lie in no block, and are parameters of the kernel.
 */
#include "backends/opencl/kernel.h"

#include <stdlib.h>
#include <string.h>

enum { ITEMS = 64, LONGEST_STRETCH = 1024, GROUPS_A_UNIT = 8 /* work-groups wanted for a compute unit */, MOST_FUNCTIONS = 8 };

static const struct assay_cl_storage *storage_of(const struct assay_cl_function *function, const struct assay_cl_argument *argument) {
  return &function->storages[argument->storage];
}

static bool is_feed(const struct assay_cl_function *function, const struct assay_cl_argument *argument) {
  return argument->access && storage_of(function, argument)->kind == ASSAY_CL_FEED;
}

/* ---- Which steps ---- */

/* What a candidate reads may live longer when it is done later; updates, which come last, read what lives until then anyway. */
static bool is_candidate(const struct assay_cl_function *function, const struct assay_cl_step *step) {
  if (!step->element) return false;
  for (uint32_t a = 0; a < step->argument_count; a++) {
    const struct assay_cl_argument *argument = &step->arguments[a];
    if (!argument->access) continue;
    const enum assay_cl_storage_kind kind = storage_of(function, argument)->kind;
    if (kind == ASSAY_CL_FETCH || (kind != ASSAY_CL_VARIABLE && argument->access & ASSAY_CL_WRITE)) return false;
  }
  return true;
}

/* Does one of them write what the other touches? */
static bool conflicts(const struct assay_cl_step *some, const struct assay_cl_step *other) {
  for (uint32_t a = 0; a < some->argument_count; a++)
    for (uint32_t b = 0; b < other->argument_count; b++) {
      const struct assay_cl_argument *one = &some->arguments[a], *two = &other->arguments[b];
      if (one->access && two->access && one->storage == two->storage && (one->access | two->access) & ASSAY_CL_WRITE) return true;
    }
  return false;
}

static bool conflicts_with_any(const struct assay_cl_function *function, const uint32_t *members, uint32_t count, const struct assay_cl_step *step) {
  for (uint32_t i = 0; i < count; i++)
    if (conflicts(function->steps[members[i]], step)) return true;
  return false;
}

/* Can one function do for both? Then feeds, blocks and all that the text says are the same. */
static bool is_alike(const struct assay_cl_function *function, const struct assay_cl_step *some, const struct assay_cl_step *other) {
  if (some->argument_count != other->argument_count || strcmp(some->element, other->element) != 0) return false;
  for (uint32_t a = 0; a < some->argument_count; a++) {
    if (!some->arguments[a].access) continue;
    const struct assay_cl_storage *one = storage_of(function, &some->arguments[a]), *two = storage_of(function, &other->arguments[a]);
    if (one->kind != two->kind || (one->kind == ASSAY_CL_FEED && one->number != two->number)) return false;
  }
  return true;
}

/* The steps that a sweep is made of. */
struct gathering {
  uint32_t *steps; /* numbers, ascending */
  uint32_t count;
  uint32_t examples[MOST_FUNCTIONS]; /* a step for each function */
  uint32_t function_count;
  uint32_t feeds[ASSAY_CL_SWEEP_FEEDS];
  uint32_t feed_count;
};

static uint32_t feed_place(const struct gathering *gathering, uint32_t feed) {
  uint32_t place = 0;
  while (place < gathering->feed_count && gathering->feeds[place] != feed) place++;
  return place;
}

static uint32_t function_of(const struct assay_cl_function *function, const struct gathering *gathering, const struct assay_cl_step *step) {
  uint32_t number = 0;
  while (number < gathering->function_count && !is_alike(function, function->steps[gathering->examples[number]], step)) number++;
  return number;
}

/* Takes a step in; false when it needs more functions or feeds than there may be. */
static bool take(const struct assay_cl_function *function, struct gathering *gathering, uint32_t number) {
  const struct assay_cl_step *step = function->steps[number];
  const uint32_t feeds_before = gathering->feed_count;
  bool fits = true;
  for (uint32_t a = 0; a < step->argument_count && fits; a++) {
    if (!is_feed(function, &step->arguments[a])) continue;
    const uint32_t feed = storage_of(function, &step->arguments[a])->number, place = feed_place(gathering, feed);
    fits = place < ASSAY_CL_SWEEP_FEEDS;
    if (fits && place == gathering->feed_count) gathering->feeds[gathering->feed_count++] = feed;
  }
  const uint32_t of = function_of(function, gathering, step);
  if (!fits || of == MOST_FUNCTIONS) {
    gathering->feed_count = feeds_before;
    return false;
  }
  if (of == gathering->function_count) gathering->examples[gathering->function_count++] = number;
  gathering->steps[gathering->count++] = number;
  return true;
}

/* Steps from `first` on that can all be done at the place of the last of them. */
static void gather(const struct assay_cl_function *function, uint32_t first, struct gathering *gathering) {
  gathering->count = gathering->function_count = gathering->feed_count = 0;
  for (uint32_t n = first; n < function->step_count; n++) {
    const struct assay_cl_step *step = function->steps[n];
    if (conflicts_with_any(function, gathering->steps, gathering->count, step)) return;
    if (is_candidate(function, step)) take(function, gathering, n);
  }
}

/* ---- The kernel ---- */

/* Word `word` of the row as an argument of the function. */
static void print_argument(struct assay_cl_text *text, const struct assay_cl_function *function, const struct gathering *gathering, const struct assay_cl_argument *argument,
                           uint32_t word) {
  if (is_feed(function, argument)) assay_cl_print(text, "feed%u", feed_place(gathering, storage_of(function, argument)->number));
  else if (argument->access)
    assay_cl_print(text, "(__global void *)(%s + (size_t)row[%u] * unit)", storage_of(function, argument)->kind == ASSAY_CL_VARIABLE ? "variables" : "workspace", word);
  else if (argument->dtype == ASSAY_F32) assay_cl_print(text, "as_float(row[%u])", word);
  else assay_cl_print(text, "(%s)row[%u]", assay_cl_type_name(argument->dtype), word);
}

static void print_call(struct assay_cl_text *text, const struct assay_cl_function *function, const struct gathering *gathering, uint32_t number) {
  const struct assay_cl_step *example = function->steps[gathering->examples[number]];
  assay_cl_print(text, "    if (row[0] == %u) element%u(index", number, number);
  for (uint32_t a = 1; a < example->argument_count; a++) {
    assay_cl_print(text, ",\n      ");
    print_argument(text, function, gathering, &example->arguments[a], a + 1);
  }
  assay_cl_print(text, ");\n");
}

static const char *print_sweep(struct assay_cl_lowering *lowering, const struct gathering *gathering) {
  const struct assay_cl_function *function = lowering->function;
  const struct assay_cl_kernel none = {.head = -1};
  struct assay_cl_text text = {0};
  assay_cl_print(&text, "%s\n", assay_cl_helpers(lowering));
  for (uint32_t i = 0; i < gathering->function_count; i++) assay_cl_print(&text, "void element%u%s\n", i, function->steps[gathering->examples[i]]->element);
  assay_cl_print(&text, "__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void sweep(__global const uint *table, __global uchar *workspace, __global uchar *variables, "
                        "const uint unit");
  for (uint32_t f = 0; f < gathering->feed_count; f++) assay_cl_print(&text, ", __global void *feed%u", f);
  assay_cl_print(&text, ") {\n"
                        "  (void)workspace;\n"
                        "  __global const uint *row = table + table[2 * get_group_id(0)];\n"
                        "  const uint first = table[2 * get_group_id(0) + 1] + get_local_id(0), count = row[1];\n"
                        "  for (uint more = 0; more < STRETCH; more += GROUP_SIZE) {\n"
                        "    const uint index = first + more;\n"
                        "    if (index >= count) return;\n");
  for (uint32_t i = 0; i < gathering->function_count; i++) print_call(&text, function, gathering, i);
  assay_cl_print(&text, "  }\n}\n");
  return assay_cl_kernel_keep(lowering, &none, &text);
}

/* ---- The step ---- */

static uint64_t element_count(const struct assay_cl_step *step, const struct assay_cl_member *member) { return step->arguments[member->first_argument].value.natural; }

static size_t group_count(const struct assay_cl_step *step) {
  size_t groups = 0;
  for (uint32_t m = 0; m < step->sweep->member_count; m++)
    groups += (size_t)((element_count(step, &step->sweep->members[m]) + step->sweep->stretch - 1) / step->sweep->stretch);
  return groups;
}

/* Elements that a work-group takes: more than one a work-item only where there are groups enough for the whole device. */
static uint32_t stretch_for(const struct assay_device *device, const struct assay_cl_step *step, const struct assay_cl_sweep *sweep) {
  const uint64_t wanted = (uint64_t)GROUPS_A_UNIT * device->compute_units;
  uint64_t elements = 0;
  for (uint32_t m = 0; m < sweep->member_count; m++) elements += element_count(step, &sweep->members[m]);
  uint32_t stretch = ITEMS;
  while (stretch < LONGEST_STRETCH && elements / (2 * stretch) >= wanted) stretch *= 2;
  return stretch;
}

static struct assay_cl_step *make_sweep(struct assay_cl_lowering *lowering, const struct gathering *gathering) {
  const struct assay_cl_function *function = lowering->function;
  uint32_t argument_count = 0;
  for (uint32_t m = 0; m < gathering->count; m++) argument_count += function->steps[gathering->steps[m]]->argument_count;
  struct assay_cl_step *step = ASSAY_CL_NEW(lowering->pool, struct assay_cl_step, 1);
  struct assay_cl_sweep *sweep = ASSAY_CL_NEW(lowering->pool, struct assay_cl_sweep, 1);
  struct assay_cl_argument *arguments = ASSAY_CL_NEW(lowering->pool, struct assay_cl_argument, argument_count);
  struct assay_cl_member *members = ASSAY_CL_NEW(lowering->pool, struct assay_cl_member, gathering->count);
  if (!step || !sweep || !arguments || !members) {
    assay_cl_lowering_memory(lowering);
    return NULL;
  }
  *sweep = (struct assay_cl_sweep){.members = members, .member_count = gathering->count};
  *step = (struct assay_cl_step){.kernel_name = "sweep", .origin = "update", .arguments = arguments, .argument_capacity = argument_count, .sweep = sweep};
  for (uint32_t m = 0; m < gathering->count; m++) {
    const struct assay_cl_step *from = function->steps[gathering->steps[m]];
    members[m] = (struct assay_cl_member){step->argument_count, from->argument_count, function_of(function, gathering, from)};
    memcpy(arguments + step->argument_count, from->arguments, from->argument_count * sizeof *arguments);
    step->argument_count += from->argument_count;
  }
  sweep->stretch = stretch_for(lowering->device, step, sweep);
  step->source = print_sweep(lowering, gathering);
  step->options = assay_cl_options(lowering, "-D GROUP_SIZE=%d -D STRETCH=%u", ITEMS, sweep->stretch);
  assay_cl_groups(step, ITEMS, (int64_t)group_count(step), 1, 1);
  return step;
}

/* Puts the sweep where its last member is, and takes the members out. */
static void replace(struct assay_cl_function *function, const struct gathering *gathering, struct assay_cl_step *sweep) {
  function->steps[gathering->steps[gathering->count - 1]] = sweep;
  uint32_t kept = 0, member = 0;
  for (uint32_t n = 0; n < function->step_count; n++) {
    if (member + 1 < gathering->count && gathering->steps[member] == n) member++;
    else function->steps[kept++] = function->steps[n];
  }
  function->step_count = kept;
}

void assay_cl_join_sweeps(struct assay_cl_lowering *lowering) {
  struct assay_cl_function *function = lowering->function;
  struct gathering gathering = {.steps = ASSAY_CL_NEW(&lowering->scratch, uint32_t, (size_t)function->step_count + 1)};
  if (!gathering.steps) assay_cl_lowering_memory(lowering);
  for (uint32_t n = 0; n < function->step_count && !lowering->code; n++) {
    if (!is_candidate(function, function->steps[n])) continue;
    gather(function, n, &gathering);
    struct assay_cl_step *sweep = gathering.count > 1 ? make_sweep(lowering, &gathering) : NULL;
    if (!sweep) continue;
    replace(function, &gathering, sweep);
    n--; /* another step stands there now */
  }
}

/* ---- The table ---- */

uint32_t assay_cl_sweep_feeds(const struct assay_cl_function *function, const struct assay_cl_step *step, uint32_t feeds[ASSAY_CL_SWEEP_FEEDS]) {
  struct gathering gathering = {0};
  for (uint32_t a = 0; a < step->argument_count; a++) { /* in the order in which they were taken in */
    if (!is_feed(function, &step->arguments[a])) continue;
    const uint32_t feed = storage_of(function, &step->arguments[a])->number;
    if (feed_place(&gathering, feed) == gathering.feed_count) gathering.feeds[gathering.feed_count++] = feed;
  }
  memcpy(feeds, gathering.feeds, sizeof gathering.feeds);
  return gathering.feed_count;
}

static cl_uint word_of(const struct assay_device *device, const struct assay_cl_function *function, const struct assay_cl_argument *argument, const uint64_t *variables) {
  if (!argument->access) return argument->size == 1 ? argument->value.byte : argument->value.natural;
  const struct assay_cl_storage *storage = storage_of(function, argument);
  if (storage->kind == ASSAY_CL_FEED) return 0;
  return (cl_uint)((storage->kind == ASSAY_CL_VARIABLE ? variables[storage->number] : storage->offset) / device->alignment);
}

uint64_t assay_cl_sweep_table_size(const struct assay_cl_step *step) {
  return step->sweep ? (2 * group_count(step) + step->sweep->member_count + step->argument_count) * sizeof(cl_uint) : 0;
}

cl_uint *assay_cl_sweep_table(const struct assay_device *device, const struct assay_cl_function *function, const struct assay_cl_step *step, const uint64_t *variables) {
  const struct assay_cl_sweep *sweep = step->sweep;
  const size_t rows = 2 * group_count(step);
  cl_uint *table = malloc(assay_cl_sweep_table_size(step)), *pair = table;
  if (!table) return NULL;
  for (uint32_t m = 0; m < sweep->member_count; m++) {
    const struct assay_cl_member *member = &sweep->members[m];
    const size_t row = rows + member->first_argument + m;
    for (uint64_t first = 0; first < element_count(step, member); first += sweep->stretch) {
      *pair++ = (cl_uint)row;
      *pair++ = (cl_uint)first;
    }
    table[row] = member->function;
    for (uint32_t a = 0; a < member->argument_count; a++) table[row + 1 + a] = word_of(device, function, &step->arguments[member->first_argument + a], variables);
  }
  return table;
}
