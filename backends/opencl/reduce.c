/* SPDX-License-Identifier: MIT
 *
 * Lowering of reductions, alone or with the elementwise group that makes what they reduce: then the group's kernel runs over the elements of a result, and what is
 * reduced never goes to memory. Several reductions over the same axes of one group share its loop.
 */
#include "backends/opencl/kernel.h"

#include <stdlib.h>

enum {
  ITEMS = 64,
  LONGEST_FOR_ITEMS = 64,  /* elements that one work-item takes by itself */
  WIDE = 32,               /* results side by side in memory, from which on neighbouring items take them */
  STRETCH = 4096,          /* elements that one work-group takes before it is worth to share */
  GROUPS_A_UNIT = 8,       /* work-groups wanted for a compute unit */
  CPU_ITEMS = 128,         /* results a compute unit from which on a processor gives each to an item */
  MOST_TOTALS = 6
};

/* ---- Generated loops ---- */

struct total {
  uint32_t local; /* node of the list that makes what is reduced */
  int32_t dtype;
  bool maximum;
  struct assay_cl_view to;
};

struct reduction {
  struct assay_cl_kernel kernel; /* of what is done for an element */
  uint32_t reduced;              /* bit a: axis a of the loop */
  struct total totals[MOST_TOTALS];
  uint32_t total_count;
};

/* Drops axes of extent 1, and merges neighbours of one kind wherever every operand walks them as one. */
static void merge_axes(struct reduction *reduction, const struct assay_cl_view *shape, uint32_t reduced_axes) {
  struct assay_cl_kernel *kernel = &reduction->kernel;
  const uint32_t operand_count = kernel->input_count + kernel->output_count;
  int32_t rank = 0;
  for (int32_t axis = 0; axis < shape->rank; axis++) {
    if (shape->extents[axis] == 1) continue;
    const uint32_t kind = reduced_axes >> axis & 1;
    bool merges = rank > 0 && (reduction->reduced >> (rank - 1) & 1) == kind;
    for (uint32_t i = 0; i < operand_count && merges; i++) {
      const struct assay_cl_view *view = &kernel->operands[i].view;
      merges = view->storage == ASSAY_CL_CONSTANT || view->strides[rank - 1] == shape->extents[axis] * view->strides[axis];
    }
    const int32_t to = merges ? rank - 1 : rank++;
    kernel->extents[to] = merges ? kernel->extents[to] * shape->extents[axis] : shape->extents[axis];
    reduction->reduced |= kind << to;
    for (uint32_t i = 0; i < operand_count; i++) kernel->operands[i].view.strides[to] = kernel->operands[i].view.strides[axis];
  }
  if (!rank) { /* a single element */
    kernel->extents[0] = 1;
    for (uint32_t i = 0; i < operand_count; i++) kernel->operands[i].view.strides[0] = 1;
    rank = 1;
  }
  kernel->rank = rank;
}

static int64_t count_of(const struct reduction *reduction, bool reduced) {
  int64_t count = 1;
  for (int32_t axis = 0; axis < reduction->kernel.rank; axis++)
    if ((reduction->reduced >> axis & 1) == reduced) count *= reduction->kernel.extents[axis];
  return count;
}

/* The axis of that kind next outside of `axis`; -1. */
static int32_t next_outside(const struct reduction *reduction, int32_t axis, bool reduced) {
  do axis--;
  while (axis >= 0 && (reduction->reduced >> axis & 1) != reduced);
  return axis;
}

/* Positions on the axes of one kind from their common number. */
static void print_positions(struct assay_cl_text *text, const struct reduction *reduction, bool reduced, const char *number) {
  int32_t axis = next_outside(reduction, reduction->kernel.rank, reduced);
  if (axis < 0) return;
  assay_cl_print(text, "  uint rest_of_%s = %s;\n", number, number);
  for (int32_t outer; (outer = next_outside(reduction, axis, reduced)) >= 0; axis = outer)
    assay_cl_print(text, "  uint position%d = rest_of_%s %% extent%d;\n  rest_of_%s /= extent%d;\n", axis, number, axis, number, axis);
  assay_cl_print(text, "  uint position%d = rest_of_%s;\n", axis, number);
}

/* Moves the positions of the reduced axes on by `step` elements. Carrying is cheaper than a division for each element. */
static void print_advance(struct assay_cl_text *text, const struct reduction *reduction) {
  int32_t axis = next_outside(reduction, reduction->kernel.rank, true);
  if (axis < 0) return;
  assay_cl_print(text, "  position%d += step;\n", axis);
  for (int32_t outer; (outer = next_outside(reduction, axis, true)) >= 0; axis = outer)
    assay_cl_print(text, "  while (position%d >= extent%d) {\n  position%d -= extent%d;\n  position%d++;\n  }\n", axis, axis, axis, axis, outer);
}

static const char *neutral(const struct total *total) {
  if (!total->maximum) return "0";
  return total->dtype == ASSAY_F32 ? "-INFINITY" : total->dtype == ASSAY_I32 ? "INT_MIN" : "0";
}

static const char *text_of(const struct assay_cl_text *text) { return text->data ? text->data : ""; }

static char *print_reduction(struct assay_cl_lowering *lowering, const struct reduction *reduction, bool by_items) {
  const struct assay_cl_kernel *kernel = &reduction->kernel;
  struct assay_cl_text text = {0};
  assay_cl_print(&text, "%s\n#define GENERATED\n%s\n", assay_cl_helpers(lowering), assay_cl_text_of(lowering, "reduce"));
  assay_cl_print(&text, "__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void reduction(const uint outputs, const uint chunk, const uint length");
  for (int32_t axis = 1; axis < kernel->rank; axis++) assay_cl_print(&text, ", const uint extent%d", axis);
  assay_cl_print(&text, "%s", text_of(&kernel->declarations));
  for (uint32_t i = 0; i < reduction->total_count; i++) assay_cl_print(&text, ", __global %s *total%u", assay_cl_type_name(reduction->totals[i].dtype), i);
  assay_cl_print(&text, ") {\n");
  for (uint32_t i = 0; i < reduction->total_count && !by_items; i++)
    assay_cl_print(&text, "  __local %s partial%u[GROUP_SIZE];\n", assay_cl_type_name(reduction->totals[i].dtype), i);
  assay_cl_print(&text, by_items ? "  const uint output = get_global_id(0), begin = get_group_id(1) * chunk, step = 1;\n  if (output >= outputs) return;\n"
                                 : "  const uint item = get_local_id(0), output = get_group_id(0), begin = get_group_id(1) * chunk, step = GROUP_SIZE;\n");
  assay_cl_print(&text, "  const uint end = min(begin + chunk, length);\n");
  print_positions(&text, reduction, false, "output");
  for (uint32_t i = 0; i < reduction->total_count; i++)
    assay_cl_print(&text, "  %s sum%u = %s;\n", assay_cl_type_name(reduction->totals[i].dtype), i, neutral(&reduction->totals[i]));
  assay_cl_print(&text, "  const uint first = begin%s;\n", by_items ? "" : " + item");
  print_positions(&text, reduction, true, "first");
  assay_cl_print(&text, "  for (uint element = first; element < end; element += step) {\n");
  assay_cl_print(&text, "  const uint index = ");
  for (int32_t axis = 1; axis < kernel->rank; axis++) assay_cl_print(&text, "(");
  assay_cl_print(&text, "position0");
  for (int32_t axis = 1; axis < kernel->rank; axis++) assay_cl_print(&text, ") * extent%d + position%d", axis, axis);
  assay_cl_print(&text, ";\n%s%s%s", text_of(&kernel->loads), text_of(&kernel->body), text_of(&kernel->stores));
  for (uint32_t i = 0; i < reduction->total_count; i++)
    assay_cl_print(&text, "  sum%u = %s(sum%u, v%u);\n", i, reduction->totals[i].maximum ? "MAXIMUM_OF" : "SUM_OF", i, reduction->totals[i].local);
  print_advance(&text, reduction);
  assay_cl_print(&text, "  }\n");
  for (uint32_t i = 0; i < reduction->total_count; i++) {
    if (by_items) assay_cl_print(&text, "  total%u[output * get_num_groups(1) + get_group_id(1)] = sum%u;\n", i, i);
    else
      assay_cl_print(&text, "  GROUP_TOTAL(partial%u, item, sum%u, %s, total%u[output * get_num_groups(1) + get_group_id(1)]);\n", i, i,
                     reduction->totals[i].maximum ? "MAXIMUM_OF" : "SUM_OF", i);
  }
  assay_cl_print(&text, "}\n");
  return assay_cl_kernel_keep(lowering, kernel, &text);
}

/* Are results side by side in memory, and enough of them? Then neighbouring items read side by side when each takes a result. */
static bool lies_across(const struct reduction *reduction) {
  const int32_t last = reduction->kernel.rank - 1;
  return !(reduction->reduced >> last & 1) && reduction->kernel.extents[last] >= WIDE;
}

static void emit_reduction(struct assay_cl_lowering *lowering, struct reduction *reduction, const struct assay_cl_view *shape, uint32_t reduced_axes,
                           const uint32_t *locals) {
  struct assay_cl_kernel *kernel = &reduction->kernel;
  merge_axes(reduction, shape, reduced_axes);
  assay_cl_kernel_operands(kernel, locals);
  const int64_t outputs = count_of(reduction, false), length = count_of(reduction, true), units = lowering->device->compute_units;
  const bool enough = lowering->device->kind == ASSAY_DEVICE_CPU && outputs >= CPU_ITEMS * units; /* a processor walks along a row as fast as across */
  const bool by_items = length <= LONGEST_FOR_ITEMS || lies_across(reduction) || enough;
  const int64_t items = by_items || lowering->device->kind == ASSAY_DEVICE_CPU ? ITEMS : lowering->device->group_size < 256 ? ITEMS : 256;
  const int64_t groups = by_items ? (outputs + items - 1) / items : outputs, least = by_items ? LONGEST_FOR_ITEMS : STRETCH;
  int64_t stretches = (length + least - 1) / least;
  const int64_t wanted = (GROUPS_A_UNIT * units + groups - 1) / groups;
  if (stretches > wanted) stretches = wanted;
  const int64_t chunk = (length + stretches - 1) / stretches;
  stretches = (length + chunk - 1) / chunk;
  const char *source = print_reduction(lowering, reduction, by_items);
  if (!source) return;
  struct assay_cl_step *step = assay_cl_step_source(lowering, source, "reduction", assay_cl_options(lowering, "-D GROUP_SIZE=%d", (int)items),
                                                    3 + (uint32_t)kernel->rank + assay_cl_kernel_argument_count(kernel) + reduction->total_count);
  assay_cl_natural(lowering, step, outputs);
  assay_cl_natural(lowering, step, chunk);
  assay_cl_natural(lowering, step, length);
  for (int32_t axis = 1; axis < kernel->rank; axis++) assay_cl_natural(lowering, step, kernel->extents[axis]);
  assay_cl_kernel_arguments(lowering, step, kernel);
  struct assay_cl_view partials[MOST_TOTALS];
  for (uint32_t i = 0; i < reduction->total_count; i++) {
    const struct assay_tensor_type partial = {reduction->totals[i].dtype, 2, {outputs, stretches}};
    partials[i] = stretches > 1 ? assay_cl_temporary(lowering, &partial) : reduction->totals[i].to;
    assay_cl_memory(lowering, step, partials[i].storage, ASSAY_CL_WRITE);
  }
  assay_cl_groups(step, (size_t)items, groups, stretches, 1);
  for (uint32_t i = 0; i < reduction->total_count && stretches > 1; i++)
    assay_cl_reduce(lowering, &partials[i], 2, reduction->totals[i].maximum, &reduction->totals[i].to);
}

void assay_cl_reduce(struct assay_cl_lowering *lowering, const struct assay_cl_view *view, uint32_t reduced_axes, bool maximum, const struct assay_cl_view *to) {
  struct assay_cl_operand operand = {.view = *view};
  struct reduction reduction = {.kernel = {.operands = &operand, .input_count = 1, .head = -1}, .totals = {{0, view->dtype, maximum, *to}}, .total_count = 1};
  if (lowering->code) return;
  assay_cl_print(&reduction.kernel.body, "  const %s v0 = x0;\n", assay_cl_type_name(view->dtype));
  emit_reduction(lowering, &reduction, view, reduced_axes, NULL);
  assay_cl_kernel_release(&reduction.kernel);
}

bool assay_cl_lower_reductions(struct assay_cl_lowering *lowering, const uint32_t *nodes, uint32_t count, const uint32_t *reductions, uint32_t reduction_count) {
  const struct assay_graph *graph = lowering->graph;
  const struct assay_reduce_attributes *attributes = graph->nodes[reductions[0]]->attributes;
  const struct assay_cl_view shape = assay_cl_view_dense(assay_cl_type(lowering, graph->nodes[nodes[0]]->first_output), 0);
  struct reduction *reduction = ASSAY_CL_NEW(&lowering->scratch, struct reduction, 1);
  uint32_t *locals;
  if (!reduction) {
    assay_cl_lowering_memory(lowering);
    return true;
  }
  reduction->kernel.head = -1;
  bool fits = assay_cl_kernel_begin(lowering, &reduction->kernel, &nodes, &count, &shape, &locals) && reduction_count <= MOST_TOTALS;
  fits = fits && assay_cl_kernel_argument_bytes(&reduction->kernel, shape.rank) + 8 * reduction_count + 12 <= lowering->device->parameter_size;
  if (fits) {
    lowering->origin = graph->nodes[reductions[0]]->origin;
    assay_cl_kernel_outputs(lowering, &reduction->kernel, nodes, locals);
    for (uint32_t i = 0; i < reduction_count; i++) {
      const struct assay_node *node = graph->nodes[reductions[i]];
      struct total *total = &reduction->totals[reduction->total_count++];
      total->dtype = assay_cl_type(lowering, node->first_output)->dtype;
      total->maximum = node->op == ASSAY_OP_REDUCE_MAX;
      total->to = assay_cl_result(lowering, node->first_output);
      while (total->local < count && (int32_t)nodes[total->local] != graph->producers[node->inputs[0]]) total->local++;
    }
    emit_reduction(lowering, reduction, &shape, attributes->axes, locals);
  }
  assay_cl_kernel_release(&reduction->kernel);
  return fits;
}

/* ---- The place of the maximum ---- */

/* Kept and reduced axes, neighbours merged, three of each at most; the kernel's order of arguments. */
struct axes {
  int32_t rank;
  int64_t extents[ASSAY_MAX_RANK], strides[ASSAY_MAX_RANK];
};

static void append_axis(struct axes *axes, int64_t extent, int64_t stride) {
  if (extent == 1) return;
  const int32_t last = axes->rank - 1;
  if (axes->rank && axes->strides[last] == extent * stride) {
    axes->extents[last] *= extent;
    axes->strides[last] = stride;
    return;
  }
  axes->extents[axes->rank] = extent;
  axes->strides[axes->rank++] = stride;
}

static void split_axes(const struct assay_cl_view *view, uint32_t reduced_axes, struct axes *kept, struct axes *reduced) {
  kept->rank = reduced->rank = 0;
  for (int32_t axis = 0; axis < view->rank; axis++) append_axis(reduced_axes >> axis & 1 ? reduced : kept, view->extents[axis], view->strides[axis]);
}

static int64_t axes_count(const struct axes *axes) {
  int64_t count = 1;
  for (int32_t axis = 0; axis < axes->rank; axis++) count *= axes->extents[axis];
  return count;
}

/* Number `place` of three, counted from the outermost; axes that are missing have extent 1. */
static int64_t extent_at(const struct axes *axes, int32_t place) { return place < 3 - axes->rank ? 1 : axes->extents[place - (3 - axes->rank)]; }
static int64_t stride_at(const struct axes *axes, int32_t place) { return place < 3 - axes->rank ? 0 : axes->strides[place - (3 - axes->rank)]; }

static void view_arguments(struct assay_cl_lowering *lowering, struct assay_cl_step *step, int64_t offset, const struct axes *kept, const struct axes *reduced) {
  assay_cl_natural(lowering, step, offset);
  assay_cl_natural(lowering, step, extent_at(kept, 1));
  assay_cl_natural(lowering, step, extent_at(kept, 2));
  for (int32_t place = 0; place < 3; place++) assay_cl_natural(lowering, step, stride_at(kept, place));
  assay_cl_natural(lowering, step, axes_count(reduced));
  assay_cl_natural(lowering, step, extent_at(reduced, 1));
  assay_cl_natural(lowering, step, extent_at(reduced, 2));
  for (int32_t place = 0; place < 3; place++) assay_cl_natural(lowering, step, stride_at(reduced, place));
}

/* A view that has too many separate axes, or no memory, or another dtype in memory, is copied first. */
static struct assay_cl_view prepare(struct assay_cl_lowering *lowering, const struct assay_cl_view *view, uint32_t reduced_axes, struct axes *kept,
                                    struct axes *reduced) {
  split_axes(view, reduced_axes, kept, reduced);
  if (view->storage != ASSAY_CL_CONSTANT && view->stored == view->dtype && kept->rank <= 3 && reduced->rank <= 3) return *view;
  struct assay_tensor_type type = {view->dtype, view->rank, {0}};
  for (int32_t axis = 0; axis < view->rank; axis++) type.extents[axis] = view->extents[axis];
  const struct assay_cl_view dense = assay_cl_temporary(lowering, &type);
  assay_cl_copy(lowering, view, &dense);
  split_axes(&dense, reduced_axes, kept, reduced);
  return dense;
}

static const char *type_option(int32_t dtype) {
  switch (dtype) {
  case ASSAY_F32: return "-D TYPE=float";
  case ASSAY_I32: return "-D TYPE=int";
  case ASSAY_U32: return "-D TYPE=uint";
  default: return "-D TYPE=uchar";
  }
}

static void lower_argmax(struct assay_cl_lowering *lowering, const struct assay_node *node, uint32_t reduced_axes) {
  struct axes kept, reduced;
  const struct assay_cl_view from = prepare(lowering, assay_cl_view_of(lowering, node->inputs[0]), reduced_axes, &kept, &reduced);
  const struct assay_cl_view to = assay_cl_result(lowering, node->first_output);
  struct assay_cl_step *step = assay_cl_step(lowering, "reduce", "argmax_items", type_option(from.dtype), 15);
  assay_cl_memory(lowering, step, from.storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, to.storage, ASSAY_CL_WRITE);
  assay_cl_natural(lowering, step, axes_count(&kept));
  view_arguments(lowering, step, from.offset, &kept, &reduced);
  assay_cl_items(step, axes_count(&kept));
}

void assay_cl_lower_reduce(struct assay_cl_lowering *lowering, const struct assay_node *node) {
  const struct assay_reduce_attributes *attributes = node->attributes;
  if (node->op == ASSAY_OP_ARGMAX) {
    lower_argmax(lowering, node, attributes->axes);
    return;
  }
  const struct assay_cl_view from = *assay_cl_view_of(lowering, node->inputs[0]), to = assay_cl_result(lowering, node->first_output);
  assay_cl_reduce(lowering, &from, attributes->axes, node->op == ASSAY_OP_REDUCE_MAX, &to);
}
