/* SPDX-License-Identifier: MIT
 *
 * Kernels generated from groups of elementwise nodes: one work-item an element, or four that lie side by side, one kernel a group.
 *
 * The text holds the structure alone: which operations, and for each operand whether it is walked element by element, is one number, or
 * follows strides. Extents, strides and constants are arguments, so groups of equal structure share a compiled kernel whatever their
 * shapes. Axes that all operands walk as one are merged first, so most kernels do without any division.
 */
#include "backends/opencl/kernel.h"

#include "backends/opencl/source.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  ITEMS = 64,
  CPU_ITEMS = 1024 /* on a processor, where a work-group is a loop */
};

const char *assay_cl_type_name(int32_t dtype) {
  switch (dtype) {
  case ASSAY_F32: return "float";
  case ASSAY_I32: return "int";
  case ASSAY_U32: return "uint";
  case ASSAY_U8:
  case ASSAY_BOOL: return "uchar";
  default: return NULL;
  }
}

bool assay_cl_elementwise_op(uint32_t op) { return (op >= ASSAY_OP_NEGATE && op <= ASSAY_OP_COS) || (op >= ASSAY_OP_ADD && op <= ASSAY_OP_SELECT); }

/* ---- Loop and walks ---- */

/* Drops axes of extent 1 and merges neighbours wherever every operand walks them as one. */
static void merge_axes(struct assay_cl_kernel *kernel, const struct assay_cl_view *shape) {
  const uint32_t operand_count = kernel->input_count + kernel->output_count;
  int32_t rank = 0;
  for (int32_t axis = 0; axis < shape->rank; axis++) {
    if (shape->extents[axis] == 1) continue;
    bool merges = rank > 0;
    for (uint32_t i = 0; i < operand_count && merges; i++) {
      const struct assay_cl_view *view = &kernel->operands[i].view;
      merges = view->storage == ASSAY_CL_CONSTANT || view->strides[rank - 1] == shape->extents[axis] * view->strides[axis];
    }
    const int32_t to = merges ? rank - 1 : rank++;
    kernel->extents[to] = merges ? kernel->extents[to] * shape->extents[axis] : shape->extents[axis];
    for (uint32_t i = 0; i < operand_count; i++) kernel->operands[i].view.strides[to] = kernel->operands[i].view.strides[axis];
  }
  if (!rank) { /* a single element */
    kernel->extents[0] = 1;
    for (uint32_t i = 0; i < operand_count; i++) kernel->operands[i].view.strides[0] = 1;
    rank = 1;
  }
  kernel->rank = rank;
}

static enum assay_cl_walk walk_of(const struct assay_cl_kernel *kernel, const struct assay_cl_view *view) {
  if (view->storage == ASSAY_CL_CONSTANT) return ASSAY_CL_WALK_CONSTANT;
  int64_t stride = 1;
  bool linear = !view->offset;
  for (int32_t axis = kernel->rank - 1; axis >= 0; axis--) {
    linear = linear && (kernel->extents[axis] == 1 || view->strides[axis] == stride);
    stride *= kernel->extents[axis];
  }
  return linear ? ASSAY_CL_WALK_LINEAR : ASSAY_CL_WALK_STRIDED;
}

/* ---- Text ---- */

static void print_cast(struct assay_cl_text *text, int32_t from, int32_t to, const char *x) {
  const bool saturates = from == ASSAY_F32 && to != ASSAY_F32 && to != ASSAY_BOOL;
  if (to == ASSAY_BOOL) assay_cl_print(text, "(uchar)(%s != 0)", x);
  else if (saturates) assay_cl_print(text, "convert_%s_sat_rtz(%s)", assay_cl_type_name(to), x);
  else assay_cl_print(text, "(%s)%s", assay_cl_type_name(to), x);
}

/* Parameters of one operand, and the expression of its place. */
static void declare(struct assay_cl_kernel *kernel, uint32_t number, const char *name, bool output, struct assay_cl_text *place) {
  const struct assay_cl_operand *operand = &kernel->operands[number];
  struct assay_cl_text *text = &kernel->declarations;
  const char *type = assay_cl_type_name(operand->view.stored);
  assay_cl_print(&kernel->names, ", %s", name);
  if (operand->walk == ASSAY_CL_WALK_CONSTANT) {
    assay_cl_print(text, ", const %s %s", assay_cl_type_name(operand->view.dtype), name);
    assay_cl_print(place, "%s", name);
    return;
  }
  assay_cl_print(text, ", __global %s%s *%s", output ? "" : "const ", type, name);
  if (operand->walk == ASSAY_CL_WALK_LINEAR) {
    assay_cl_print(place, "%s[index]", name);
    return;
  }
  assay_cl_print(text, ", const uint %s_offset", name);
  assay_cl_print(&kernel->names, ", %s_offset", name);
  assay_cl_print(place, "%s[%s_offset", name, name);
  for (int32_t axis = 0; axis < kernel->rank; axis++) {
    assay_cl_print(text, ", const uint %s_stride%d", name, axis);
    assay_cl_print(&kernel->names, ", %s_stride%d", name, axis);
    assay_cl_print(place, " + position%d * %s_stride%d", axis, name, axis);
  }
  assay_cl_print(place, "]");
}

void assay_cl_kernel_operands(struct assay_cl_kernel *kernel, const uint32_t *locals) {
  for (uint32_t i = 0; i < kernel->input_count + kernel->output_count; i++) kernel->operands[i].walk = walk_of(kernel, &kernel->operands[i].view);
  for (uint32_t i = 0; i < kernel->input_count + kernel->output_count; i++) {
    const bool output = i >= kernel->input_count;
    const uint32_t number = output ? i - kernel->input_count : i;
    char name[24];
    struct assay_cl_text place = {0};
    snprintf(name, sizeof name, "%s%u", output ? "out" : "in", number);
    declare(kernel, i, name, output, &place);
    const struct assay_cl_view *view = &kernel->operands[i].view;
    const char *text = place.data ? place.data : "";
    if (output) {
      assay_cl_print(&kernel->stores, "  %s = v%u;\n", text, locals[number]);
    } else {
      assay_cl_print(&kernel->loads, "  const %s x%u = ", assay_cl_type_name(view->dtype), number);
      if (view->storage == ASSAY_CL_CONSTANT || view->stored == view->dtype) assay_cl_print(&kernel->loads, "%s;\n", text);
      else {
        print_cast(&kernel->loads, view->stored, view->dtype, text);
        assay_cl_print(&kernel->loads, ";\n");
      }
    }
    if (place.failed) kernel->stores.failed = true;
    free(place.data);
  }
}

char *assay_cl_kernel_keep(struct assay_cl_lowering *lowering, const struct assay_cl_kernel *kernel, struct assay_cl_text *text) {
  const bool failed =
      text->failed || kernel->declarations.failed || kernel->names.failed || kernel->loads.failed || kernel->body.failed || kernel->stores.failed || !text->data;
  char *kept = failed ? NULL : assay_cl_take(lowering->pool, text->length + 1, 1);
  if (kept) memcpy(kept, text->data, text->length + 1);
  else assay_cl_lowering_memory(lowering);
  free(text->data);
  *text = (struct assay_cl_text){0};
  return kept;
}

static const char *text_of(const struct assay_cl_text *text) { return text->data ? text->data : ""; }

/* Parameters and body of the function for one element, in which all that the kernel computes is said. */
static char *element_text(struct assay_cl_lowering *lowering, struct assay_cl_kernel *kernel) {
  struct assay_cl_text text = {0};
  bool strided = false;
  for (uint32_t i = 0; i < kernel->input_count + kernel->output_count; i++) strided = strided || kernel->operands[i].walk == ASSAY_CL_WALK_STRIDED;
  assay_cl_print(&text, "(const uint index");
  for (int32_t axis = 1; axis < kernel->rank; axis++) assay_cl_print(&text, ", const uint extent%d", axis);
  assay_cl_print(&text, "%s) {\n", text_of(&kernel->declarations));
  if (strided) {
    assay_cl_print(&text, "  uint rest = index;\n");
    for (int32_t axis = kernel->rank - 1; axis > 0; axis--)
      assay_cl_print(&text, "  const uint position%d = rest %% extent%d;\n  rest /= extent%d;\n", axis, axis, axis);
    assay_cl_print(&text, "  const uint position0 = rest;\n");
  }
  assay_cl_print(&text, "%s%s%s}\n", text_of(&kernel->loads), text_of(&kernel->body), text_of(&kernel->stores));
  return assay_cl_kernel_keep(lowering, kernel, &text);
}

static char *kernel_text(struct assay_cl_lowering *lowering, struct assay_cl_kernel *kernel, const char *element) {
  struct assay_cl_text text = {0};
  assay_cl_print(&text, "%s\nvoid element%s\n__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void elementwise(const uint count", assay_cl_helpers(lowering), element);
  for (int32_t axis = 1; axis < kernel->rank; axis++) assay_cl_print(&text, ", const uint extent%d", axis);
  assay_cl_print(&text, "%s) {\n  const uint index = get_global_id(0);\n  if (index < count) element(index", text_of(&kernel->declarations));
  for (int32_t axis = 1; axis < kernel->rank; axis++) assay_cl_print(&text, ", extent%d", axis);
  assay_cl_print(&text, "%s);\n}\n", text_of(&kernel->names));
  return assay_cl_kernel_keep(lowering, kernel, &text);
}

/* ---- Four elements a work-item ---- */

enum { QUAD = 4 };

/* Is everything contiguous or one number, and can it be cut into fours? Then a GPU moves it in words of four elements. The compilers of processors vectorise along work-items
 * themselves, which this would hinder. */
static bool goes_by_quads(const struct assay_cl_lowering *lowering, const struct assay_cl_kernel *kernel) {
  if (lowering->device->kind == ASSAY_DEVICE_CPU || kernel->rank != 1 || kernel->count % QUAD) return false;
  for (uint32_t i = 0; i < kernel->input_count + kernel->output_count; i++) {
    const struct assay_cl_operand *operand = &kernel->operands[i];
    if (operand->walk == ASSAY_CL_WALK_STRIDED && (i >= kernel->input_count || operand->view.strides[0] != 0)) return false;
  }
  return true;
}

/* What is computed of one element, from values as they lie in memory to results. */
static void print_values(struct assay_cl_text *text, const struct assay_cl_kernel *kernel, const uint32_t *locals) {
  assay_cl_print(text, "void values(");
  for (uint32_t i = 0; i < kernel->input_count; i++) {
    const struct assay_cl_operand *operand = &kernel->operands[i];
    assay_cl_print(text, "const %s raw%u, ", assay_cl_type_name(operand->walk == ASSAY_CL_WALK_CONSTANT ? operand->view.dtype : operand->view.stored), i);
  }
  for (uint32_t i = 0; i < kernel->output_count; i++)
    assay_cl_print(text, "%s%s *y%u", i ? ", " : "", assay_cl_type_name(kernel->operands[kernel->input_count + i].view.stored), i);
  assay_cl_print(text, ") {\n");
  for (uint32_t i = 0; i < kernel->input_count; i++) {
    const struct assay_cl_operand *operand = &kernel->operands[i];
    char raw[16];
    snprintf(raw, sizeof raw, "raw%u", i);
    assay_cl_print(text, "  const %s x%u = ", assay_cl_type_name(operand->view.dtype), i);
    if (operand->walk == ASSAY_CL_WALK_CONSTANT || operand->view.stored == operand->view.dtype) assay_cl_print(text, "%s", raw);
    else print_cast(text, operand->view.stored, operand->view.dtype, raw);
    assay_cl_print(text, ";\n");
  }
  assay_cl_print(text, "%s", text_of(&kernel->body));
  for (uint32_t i = 0; i < kernel->output_count; i++) assay_cl_print(text, "  *y%u = v%u;\n", i, locals[i]);
  assay_cl_print(text, "}\n");
}

static void print_quad_load(struct assay_cl_text *text, const struct assay_cl_operand *operand, uint32_t number) {
  const char *type = assay_cl_type_name(operand->view.stored);
  if (operand->walk == ASSAY_CL_WALK_LINEAR) assay_cl_print(text, "  const %s4 q%u = ((__global const %s4 *)in%u)[quad];\n", type, number, type, number);
  else if (operand->walk == ASSAY_CL_WALK_STRIDED)
    assay_cl_print(text, "  const %s q%u = in%u[in%u_offset + quad * in%u_stride0];\n", type, number, number, number, number);
}

static void print_quad_call(struct assay_cl_text *text, const struct assay_cl_kernel *kernel, int element) {
  assay_cl_print(text, "  values(");
  for (uint32_t i = 0; i < kernel->input_count; i++) {
    const enum assay_cl_walk walk = kernel->operands[i].walk;
    if (walk == ASSAY_CL_WALK_LINEAR) assay_cl_print(text, "q%u.s%d, ", i, element);
    else assay_cl_print(text, walk == ASSAY_CL_WALK_CONSTANT ? "in%u, " : "q%u, ", i);
  }
  for (uint32_t i = 0; i < kernel->output_count; i++) assay_cl_print(text, "%s&r%u[%d]", i ? ", " : "", i, element);
  assay_cl_print(text, ");\n");
}

static char *quad_text(struct assay_cl_lowering *lowering, const struct assay_cl_kernel *kernel, const uint32_t *locals) {
  struct assay_cl_text text = {0};
  assay_cl_print(&text, "%s\n", assay_cl_helpers(lowering));
  print_values(&text, kernel, locals);
  assay_cl_print(&text, "__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void elementwise(const uint count%s) {\n"
                        "  const uint quad = get_global_id(0);\n  if (%d * quad >= count) return;\n", text_of(&kernel->declarations), QUAD);
  for (uint32_t i = 0; i < kernel->input_count; i++) print_quad_load(&text, &kernel->operands[i], i);
  for (uint32_t i = 0; i < kernel->output_count; i++) assay_cl_print(&text, "  %s r%u[%d];\n", assay_cl_type_name(kernel->operands[kernel->input_count + i].view.stored), i, QUAD);
  for (int element = 0; element < QUAD; element++) print_quad_call(&text, kernel, element);
  for (uint32_t i = 0; i < kernel->output_count; i++) {
    const char *type = assay_cl_type_name(kernel->operands[kernel->input_count + i].view.stored);
    assay_cl_print(&text, "  ((__global %s4 *)out%u)[quad] = (%s4)(r%u[0], r%u[1], r%u[2], r%u[3]);\n", type, i, type, i, i, i, i);
  }
  assay_cl_print(&text, "}\n");
  return assay_cl_kernel_keep(lowering, kernel, &text);
}

/* ---- Launch ---- */

void assay_cl_kernel_arguments(struct assay_cl_lowering *lowering, struct assay_cl_step *step, const struct assay_cl_kernel *kernel) {
  for (uint32_t i = 0; i < kernel->input_count + kernel->output_count; i++) {
    const struct assay_cl_operand *operand = &kernel->operands[i];
    const bool output = i >= kernel->input_count, in_place = operand->walk == ASSAY_CL_WALK_LINEAR && operand->view.stored == operand->view.dtype;
    if (operand->walk == ASSAY_CL_WALK_CONSTANT) {
      assay_cl_number(lowering, step, operand->view.dtype, operand->view.constant);
      continue;
    }
    assay_cl_memory(lowering, step, operand->view.storage, output ? ASSAY_CL_WRITE : in_place ? ASSAY_CL_READ | ASSAY_CL_IN_PLACE : ASSAY_CL_READ);
    if (operand->walk == ASSAY_CL_WALK_LINEAR) continue;
    assay_cl_natural(lowering, step, operand->view.offset);
    for (int32_t axis = 0; axis < kernel->rank; axis++) assay_cl_natural(lowering, step, operand->view.strides[axis]);
  }
}

uint32_t assay_cl_kernel_argument_count(const struct assay_cl_kernel *kernel) {
  return (kernel->input_count + kernel->output_count) * (uint32_t)(2 + kernel->rank);
}

size_t assay_cl_kernel_argument_bytes(const struct assay_cl_kernel *kernel, int32_t rank) {
  return 4 + 4 * (size_t)rank + (size_t)(kernel->input_count + kernel->output_count) * (8 + 4 * ((size_t)rank + 1));
}

static void emit_kernel(struct assay_cl_lowering *lowering, struct assay_cl_kernel *kernel, const struct assay_cl_view *shape, const uint32_t *locals) {
  kernel->count = assay_cl_view_count(shape);
  merge_axes(kernel, shape);
  assay_cl_kernel_operands(kernel, locals);
  const bool quads = goes_by_quads(lowering, kernel);
  const char *element = element_text(lowering, kernel), *source = !element ? NULL : quads ? quad_text(lowering, kernel, locals) : kernel_text(lowering, kernel, element);
  if (!source) return;
  const size_t items = lowering->device->kind == ASSAY_DEVICE_CPU && kernel->count >= CPU_ITEMS && lowering->device->group_size >= CPU_ITEMS ? CPU_ITEMS : ITEMS;
  struct assay_cl_step *step = assay_cl_step_source(lowering, source, "elementwise", assay_cl_options(lowering, "-D GROUP_SIZE=%d", (int)items), 1 + (uint32_t)kernel->rank + assay_cl_kernel_argument_count(kernel));
  step->element = element;
  assay_cl_natural(lowering, step, kernel->count);
  for (int32_t axis = 1; axis < kernel->rank; axis++) assay_cl_natural(lowering, step, kernel->extents[axis]);
  assay_cl_kernel_arguments(lowering, step, kernel);
  const size_t count = (size_t)(quads ? kernel->count / QUAD : kernel->count);
  assay_cl_groups(step, items, (int64_t)((count + items - 1) / items), 1, 1);
}

void assay_cl_kernel_release(struct assay_cl_kernel *kernel) {
  free(kernel->declarations.data);
  free(kernel->names.data);
  free(kernel->loads.data);
  free(kernel->body.data);
  free(kernel->stores.data);
}

/* ---- Expressions ---- */

/* "x3", "v0": what stands for input `input` of `node` in the text. */
typedef char operand_name[16];

static void print_unary(struct assay_cl_text *text, uint32_t op, int32_t dtype, const char *x) {
  const bool real = dtype == ASSAY_F32;
  const char *type = assay_cl_type_name(dtype);
  switch (op) {
  case ASSAY_OP_NEGATE: assay_cl_print(text, real ? "-%s" : dtype == ASSAY_I32 ? "(int)(0u - (uint)%s)" : dtype == ASSAY_U32 ? "0u - %s" : "(uchar)(0 - %s)", x); return;
  case ASSAY_OP_ABS: assay_cl_print(text, real ? "fabs(%s)" : dtype == ASSAY_I32 ? "(int)abs(%s)" : "%s", x); return;
  case ASSAY_OP_SIGN: assay_cl_print(text, "(%s)((%s > 0) - (%s < 0))", type, x, x); return;
  case ASSAY_OP_EXP: assay_cl_print(text, "exp(%s)", x); return;
  case ASSAY_OP_LOG: assay_cl_print(text, "log(%s)", x); return;
  case ASSAY_OP_LOG1P: assay_cl_print(text, "log1p(%s)", x); return;
  case ASSAY_OP_SQRT: assay_cl_print(text, "sqrt(%s)", x); return;
  case ASSAY_OP_TANH: assay_cl_print(text, "assay_tanh(%s)", x); return;
  case ASSAY_OP_SIGMOID: assay_cl_print(text, "assay_sigmoid(%s)", x); return;
  case ASSAY_OP_ERF: assay_cl_print(text, "erf(%s)", x); return;
  case ASSAY_OP_FLOOR: assay_cl_print(text, "floor(%s)", x); return;
  case ASSAY_OP_RELU: assay_cl_print(text, "assay_relu(%s)", x); return;
  case ASSAY_OP_IS_FINITE: assay_cl_print(text, "(uchar)(isfinite(%s) != 0)", x); return;
  case ASSAY_OP_NOT: assay_cl_print(text, "(uchar)(%s == 0)", x); return;
  case ASSAY_OP_SIN: assay_cl_print(text, "sin(%s)", x); return;
  case ASSAY_OP_COS: assay_cl_print(text, "cos(%s)", x); return;
  default: assay_cl_print(text, "%s", x); return; /* STOP_GRADIENT */
  }
}

static void print_binary(struct assay_cl_text *text, uint32_t op, int32_t dtype, const char *x, const char *y) {
  const bool real = dtype == ASSAY_F32;
  const char *type = assay_cl_type_name(dtype);
  switch (op) {
  case ASSAY_OP_ADD: assay_cl_print(text, dtype == ASSAY_I32 ? "(%s)((uint)%s + (uint)%s)" : "(%s)(%s + %s)", type, x, y); return;
  case ASSAY_OP_SUBTRACT: assay_cl_print(text, dtype == ASSAY_I32 ? "(%s)((uint)%s - (uint)%s)" : "(%s)(%s - %s)", type, x, y); return;
  case ASSAY_OP_MULTIPLY: assay_cl_print(text, dtype == ASSAY_I32 ? "(%s)((uint)%s * (uint)%s)" : "(%s)(%s * %s)", type, x, y); return;
  case ASSAY_OP_DIVIDE:
    if (real) assay_cl_print(text, "%s / %s", x, y);
    else assay_cl_print(text, "(%s)assay_divide_%s(%s, %s)", type, dtype == ASSAY_I32 ? "int" : "uint", x, y);
    return;
  case ASSAY_OP_MAXIMUM: assay_cl_print(text, real ? "assay_maximum(%s, %s)" : "max(%s, %s)", x, y); return;
  case ASSAY_OP_MINIMUM: assay_cl_print(text, real ? "assay_minimum(%s, %s)" : "min(%s, %s)", x, y); return;
  case ASSAY_OP_POWER: assay_cl_print(text, "pow(%s, %s)", x, y); return;
  case ASSAY_OP_EQUAL: assay_cl_print(text, "(uchar)(%s == %s)", x, y); return;
  case ASSAY_OP_LESS: assay_cl_print(text, "(uchar)(%s < %s)", x, y); return;
  case ASSAY_OP_LESS_EQUAL: assay_cl_print(text, "(uchar)(%s <= %s)", x, y); return;
  case ASSAY_OP_AND: assay_cl_print(text, "(uchar)(%s & %s)", x, y); return;
  default: assay_cl_print(text, "(uchar)(%s | %s)", x, y); return; /* OR */
  }
}

static void print_node(struct assay_cl_lowering *lowering, struct assay_cl_text *text, const struct assay_node *node, uint32_t local, operand_name *names) {
  const int32_t from = assay_cl_type(lowering, node->inputs[0])->dtype, to = assay_cl_type(lowering, node->first_output)->dtype;
  assay_cl_print(text, "  const %s v%u = ", assay_cl_type_name(to), local);
  if (node->op == ASSAY_OP_CAST) print_cast(text, from, to, names[0]);
  else if (node->input_count == 1) print_unary(text, node->op, from, names[0]);
  else if (node->input_count == 2) print_binary(text, node->op, from, names[0], names[1]);
  else assay_cl_print(text, "%s ? %s : %s", names[0], names[1], names[2]);
  assay_cl_print(text, ";\n");
}

/* ---- Groups ---- */

static bool same_source(const struct assay_cl_view *a, const struct assay_cl_view *b) {
  if (a->storage != b->storage || a->dtype != b->dtype || a->stored != b->stored) return false;
  if (a->storage == ASSAY_CL_CONSTANT) return !memcmp(&a->constant, &b->constant, sizeof a->constant);
  return a->offset == b->offset && !memcmp(a->strides, b->strides, (size_t)a->rank * sizeof *a->strides);
}

/* Is `value` wanted by a node outside of the group, or as a result? */
static bool escapes(const struct assay_cl_lowering *lowering, int32_t value, int32_t group) {
  const struct assay_graph *graph = lowering->graph;
  if (lowering->fetch_of[value] >= 0) return true;
  if (lowering->remade[value]) return false;
  for (uint32_t n = (uint32_t)graph->producers[value] + 1; n < graph->node_count; n++) {
    if (lowering->groups[n] == group || lowering->reduced[n]) continue;
    for (uint32_t i = 0; i < graph->nodes[n]->input_count; i++)
      if (graph->nodes[n]->inputs[i] == value) return true;
  }
  return false;
}

/* Number of the group's input that reads this value, as it lies when broadcast to `shape`. */
static uint32_t input_number(struct assay_cl_lowering *lowering, struct assay_cl_kernel *kernel, int32_t value, const struct assay_cl_view *shape) {
  const struct assay_cl_view view = assay_cl_view_broadcast(assay_cl_view_of(lowering, value), shape->rank, shape->extents);
  for (uint32_t i = 0; i < kernel->input_count; i++)
    if (same_source(&kernel->operands[i].view, &view)) return i;
  kernel->operands[kernel->input_count].view = view;
  return kernel->input_count++;
}

static int32_t local_number(const uint32_t *nodes, uint32_t count, uint32_t node) {
  for (uint32_t i = 0; i < count; i++)
    if (nodes[i] == node) return (int32_t)i;
  return -1;
}

/* What does nothing but pass its input on needs no kernel, nor does a lone cast of what is in memory: readers convert. */
static bool lower_alias(struct assay_cl_lowering *lowering, const uint32_t *nodes, uint32_t count) {
  const struct assay_node *node = lowering->graph->nodes[nodes[0]];
  if (count != 1 || (node->op != ASSAY_OP_STOP_GRADIENT && node->op != ASSAY_OP_CAST)) return false;
  if (lowering->remade[node->inputs[0]]) return false; /* not in memory */
  struct assay_cl_view view = *assay_cl_view_of(lowering, node->inputs[0]);
  if (node->op == ASSAY_OP_CAST) {
    if (view.storage == ASSAY_CL_CONSTANT || view.stored != view.dtype) return false;
    view.dtype = assay_cl_type(lowering, node->first_output)->dtype;
  }
  lowering->views[node->first_output] = view;
  return true;
}

static void print_group(struct assay_cl_lowering *lowering, struct assay_cl_kernel *kernel, const uint32_t *nodes, uint32_t count, const struct assay_cl_view *shape) {
  for (uint32_t n = 0; n < count; n++) {
    const struct assay_node *node = lowering->graph->nodes[nodes[n]];
    operand_name names[3];
    for (uint32_t i = 0; i < node->input_count && i < 3; i++) {
      const int32_t local = local_number(nodes, n, (uint32_t)lowering->graph->producers[node->inputs[i]]);
      if (local >= 0) snprintf(names[i], sizeof names[i], "v%d", local);
      else if (node->inputs[i] == kernel->head) snprintf(names[i], sizeof names[i], "result");
      else snprintf(names[i], sizeof names[i], "x%u", input_number(lowering, kernel, node->inputs[i], shape));
    }
    print_node(lowering, &kernel->body, node, n, names);
  }
}

/* Puts the nodes that make `value` again into the list, inputs before readers. */
static void append_remade(const struct assay_cl_lowering *lowering, int32_t value, uint32_t *list, uint32_t *count) {
  const struct assay_graph *graph = lowering->graph;
  const uint32_t producer = (uint32_t)graph->producers[value];
  if (local_number(list, *count, producer) >= 0) return;
  for (uint32_t i = 0; i < graph->nodes[producer]->input_count; i++) {
    const int32_t input = graph->nodes[producer]->inputs[i];
    if (lowering->groups[graph->producers[input]] == lowering->groups[producer]) append_remade(lowering, input, list, count);
  }
  list[(*count)++] = producer;
}

/* The group's nodes with what is made again before them. */
static bool complete_list(struct assay_cl_lowering *lowering, const uint32_t **nodes, uint32_t *count) {
  const struct assay_graph *graph = lowering->graph;
  uint32_t *list = ASSAY_CL_NEW(&lowering->scratch, uint32_t, graph->node_count + 1), length = 0;
  if (!list) return false;
  for (uint32_t n = 0; n < *count; n++) {
    const struct assay_node *node = graph->nodes[(*nodes)[n]];
    for (uint32_t i = 0; i < node->input_count; i++)
      if (lowering->remade[node->inputs[i]] && lowering->groups[graph->producers[node->inputs[i]]] != lowering->groups[(*nodes)[0]])
        append_remade(lowering, node->inputs[i], list, &length);
  }
  for (uint32_t n = 0; n < *count; n++) list[length++] = (*nodes)[n];
  *nodes = list;
  *count = length;
  return true;
}

bool assay_cl_kernel_begin(struct assay_cl_lowering *lowering, struct assay_cl_kernel *kernel, const uint32_t **nodes, uint32_t *count,
                           const struct assay_cl_view *shape, uint32_t **locals) {
  const struct assay_graph *graph = lowering->graph;
  const int32_t group = lowering->groups[(*nodes)[0]];
  if (!complete_list(lowering, nodes, count) || !(kernel->operands = ASSAY_CL_NEW(&lowering->scratch, struct assay_cl_operand, 4 * (size_t)*count)) ||
      !(*locals = ASSAY_CL_NEW(&lowering->scratch, uint32_t, *count))) {
    assay_cl_lowering_memory(lowering);
    return false;
  }
  print_group(lowering, kernel, *nodes, *count, shape);
  for (uint32_t n = 0; n < *count; n++)
    if (lowering->groups[(*nodes)[n]] == group && escapes(lowering, graph->nodes[(*nodes)[n]]->first_output, group)) (*locals)[kernel->output_count++] = n;
  return true;
}

void assay_cl_kernel_outputs(struct assay_cl_lowering *lowering, struct assay_cl_kernel *kernel, const uint32_t *nodes, const uint32_t *locals) {
  for (uint32_t i = 0; i < kernel->output_count; i++)
    kernel->operands[kernel->input_count + i].view = assay_cl_result(lowering, lowering->graph->nodes[nodes[locals[i]]]->first_output);
}

void assay_cl_lower_elementwise(struct assay_cl_lowering *lowering, const uint32_t *nodes, uint32_t count) {
  const struct assay_graph *graph = lowering->graph;
  const struct assay_cl_view shape = assay_cl_view_dense(assay_cl_type(lowering, graph->nodes[nodes[0]]->first_output), 0);
  struct assay_cl_kernel kernel = {.head = -1};
  uint32_t *locals;
  if (lower_alias(lowering, nodes, count)) return;
  lowering->origin = graph->nodes[nodes[count - 1]]->origin;
  const uint32_t *all = nodes;
  uint32_t all_count = count;
  if (!assay_cl_kernel_begin(lowering, &kernel, &all, &all_count, &shape, &locals)) return;
  if (count > 1 && assay_cl_kernel_argument_bytes(&kernel, shape.rank) > lowering->device->parameter_size) { /* more than a kernel may have: halve it */
    const uint32_t half = count / 2;
    const int32_t second = lowering->next_group++;
    for (uint32_t n = half; n < count; n++) lowering->groups[nodes[n]] = second;
    assay_cl_kernel_release(&kernel);
    assay_cl_lower_elementwise(lowering, nodes, half);
    assay_cl_lower_elementwise(lowering, nodes + half, count - half);
    return;
  }
  assay_cl_kernel_outputs(lowering, &kernel, all, locals);
  if (kernel.output_count && !lowering->code) emit_kernel(lowering, &kernel, &shape, locals);
  assay_cl_kernel_release(&kernel);
}

void assay_cl_copy(struct assay_cl_lowering *lowering, const struct assay_cl_view *from, const struct assay_cl_view *to) {
  struct assay_cl_operand operands[2] = {{.view = *from}, {.view = *to}};
  struct assay_cl_kernel kernel = {.operands = operands, .input_count = 1, .output_count = 1, .head = -1};
  const uint32_t local = 0;
  if (lowering->code) return;
  assay_cl_print(&kernel.body, "  const %s v0 = x0;\n", assay_cl_type_name(from->dtype));
  emit_kernel(lowering, &kernel, from, &local);
  assay_cl_kernel_release(&kernel);
}
