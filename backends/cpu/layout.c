/* SPDX-License-Identifier: MIT
 *
 * Layouts: the order in which a tensor's elements lie in memory. Most are an order of the axes (row-major, channels last); weights
 * of convolutions may also be blocked as a dnnl primitive likes them, as long as no padding is in them. A value can have several
 * forms; what is missing is made on demand and kept for later steps.
 */
#include "cpu.h"

#include <string.h>

static bool same_type(const struct assay_tensor_type *a, const struct assay_tensor_type *b) {
  if (a->dtype != b->dtype || a->rank != b->rank) return false;
  for (int32_t axis = 0; axis < a->rank; axis++)
    if (a->extents[axis] != b->extents[axis]) return false;
  return true;
}

static bool same_layout(const struct assay_cpu_layout *a, const struct assay_cpu_layout *b) {
  if (!same_type(&a->type, &b->type) || a->count != b->count) return false;
  for (int32_t i = 0; i < a->count; i++)
    if (a->dims[i].axis != b->dims[i].axis || a->dims[i].extent != b->dims[i].extent || a->dims[i].step != b->dims[i].step) return false;
  return true;
}

/* No axis is cut into blocks. */
static bool is_permuted(const struct assay_cpu_layout *layout) {
  uint32_t seen = 0;
  for (int32_t i = 0; i < layout->count; i++) {
    if (seen >> layout->dims[i].axis & 1) return false;
    seen |= 1u << layout->dims[i].axis;
  }
  return true;
}

static const struct assay_cpu_layout *keep(struct assay_executable *executable, const struct assay_cpu_layout *layout) {
  for (const struct assay_cpu_layout *known = executable->layouts; known; known = known->next)
    if (same_layout(known, layout)) return known;
  struct assay_cpu_layout *kept = assay_cpu_take(executable, 1, sizeof *kept);
  if (!kept) return NULL;
  *kept = *layout;
  kept->permuted = is_permuted(layout);
  kept->next = executable->layouts;
  executable->layouts = kept;
  return kept;
}

const struct assay_cpu_layout *assay_cpu_layout_order(struct assay_executable *executable, const struct assay_tensor_type *type, const int32_t *order) {
  struct assay_cpu_layout layout = {.type = *type};
  dnnl_dims_t extents = {1}, strides = {1};
  int64_t stride = 1;
  for (int32_t i = type->rank - 1; i >= 0; i--) {
    extents[order[i]] = type->extents[order[i]];
    strides[order[i]] = stride;
    stride *= type->extents[order[i]];
  }
  for (int32_t i = 0; i < type->rank; i++)
    if (type->extents[order[i]] != 1) layout.dims[layout.count++] = (struct assay_cpu_dim){order[i], type->extents[order[i]], 1};
  if (type->dtype == ASSAY_F32 && dnnl_memory_desc_init_by_strides(&layout.descriptor, type->rank ? type->rank : 1, extents, dnnl_f32, strides) != dnnl_success)
    return NULL;
  return keep(executable, &layout);
}

const struct assay_cpu_layout *assay_cpu_layout_plain(struct assay_executable *executable, const struct assay_tensor_type *type) {
  static const int32_t order[ASSAY_MAX_RANK] = {0, 1, 2, 3, 4, 5};
  return assay_cpu_layout_order(executable, type, order);
}

const struct assay_cpu_layout *assay_cpu_layout_channels_last(struct assay_executable *executable, const struct assay_tensor_type *type) {
  int32_t order[ASSAY_MAX_RANK] = {0, 1, 2, 3, 4, 5};
  for (int32_t i = 1; i + 1 < type->rank; i++) order[i] = i + 1;
  if (type->rank > 1) order[type->rank - 1] = 1;
  return assay_cpu_layout_order(executable, type, order);
}

const struct assay_cpu_layout *assay_cpu_layout_blocked(struct assay_executable *executable, const struct assay_tensor_type *type,
                                                        const dnnl_memory_desc_t *descriptor) {
  if (type->dtype != ASSAY_F32 || descriptor->ndims != type->rank || descriptor->format_kind != dnnl_blocked || descriptor->extra.flags != 0 ||
      dnnl_memory_desc_get_size(descriptor) != (size_t)assay_element_count(type) * sizeof(float))
    return NULL;
  const dnnl_blocking_desc_t *blocking = &descriptor->format_desc.blocking;
  struct assay_cpu_layout layout = {.type = *type, .descriptor = *descriptor};
  int64_t block[ASSAY_MAX_RANK] = {1, 1, 1, 1, 1, 1}; /* product of the blocks of each axis */
  for (int i = 0; i < blocking->inner_nblks; i++) block[blocking->inner_idxs[i]] *= blocking->inner_blks[i];
  int32_t order[ASSAY_MAX_RANK];
  for (int32_t i = 0; i < type->rank; i++) {
    if (type->extents[i] % block[i] != 0) return NULL;
    int32_t at = i; /* insertion sort: largest stride outermost */
    for (; at > 0 && blocking->strides[order[at - 1]] < blocking->strides[i]; at--) order[at] = order[at - 1];
    order[at] = i;
  }
  for (int32_t i = 0; i < type->rank; i++) {
    const int64_t extent = type->extents[order[i]] / block[order[i]];
    if (extent != 1) layout.dims[layout.count++] = (struct assay_cpu_dim){order[i], extent, block[order[i]]};
  }
  for (int i = 0; i < blocking->inner_nblks; i++) {
    const int32_t axis = (int32_t)blocking->inner_idxs[i];
    block[axis] /= blocking->inner_blks[i];
    if (blocking->inner_blks[i] == 1) continue;
    if (layout.count == ASSAY_CPU_LAYOUT_DIMS) return NULL;
    layout.dims[layout.count++] = (struct assay_cpu_dim){axis, blocking->inner_blks[i], block[axis]};
  }
  if (blocking->inner_nblks == 0) return assay_cpu_layout_order(executable, type, order); /* the descriptor then comes from the order, strides of extents of 1 included */
  return keep(executable, &layout);
}

static struct assay_cpu_layout blocks_of(const struct assay_tensor_type *type) {
  const int64_t *e = type->extents;
  const struct assay_cpu_dim dims[5] = {{0, e[0], 1}, {1, e[1] / ASSAY_CPU_BLOCK, ASSAY_CPU_BLOCK}, {2, e[2], 1}, {3, e[3], 1}, {1, ASSAY_CPU_BLOCK, 1}};
  struct assay_cpu_layout layout = {.type = *type};
  for (int i = 0; i < 5; i++)
    if (dims[i].extent != 1) layout.dims[layout.count++] = dims[i];
  return layout;
}

static bool can_be_blocks(const struct assay_tensor_type *type) { return type->rank == 4 && type->extents[1] > 0 && type->extents[1] % ASSAY_CPU_BLOCK == 0; }

static const struct assay_cpu_layout *image_blocks(struct assay_executable *executable, const struct assay_tensor_type *type) {
  struct assay_cpu_layout layout = blocks_of(type);
  const dnnl_dims_t extents = {type->extents[0], type->extents[1], type->extents[2], type->extents[3]};
  if (type->dtype == ASSAY_F32 && dnnl_memory_desc_init_by_tag(&layout.descriptor, 4, extents, dnnl_f32, dnnl_nChw16c) != dnnl_success) return NULL;
  return keep(executable, &layout);
}

const struct assay_cpu_layout *assay_cpu_layout_image(struct assay_executable *executable, const struct assay_tensor_type *type) {
  return executable->blocked && can_be_blocks(type) ? image_blocks(executable, type) : assay_cpu_layout_channels_last(executable, type);
}

const struct assay_cpu_layout *assay_cpu_layout_as(struct assay_executable *executable, const struct assay_cpu_layout *layout, int32_t dtype) {
  if (layout->type.dtype == dtype) return layout;
  struct assay_tensor_type type = layout->type;
  int32_t order[ASSAY_MAX_RANK];
  type.dtype = dtype;
  if (!layout->permuted) {
    const struct assay_cpu_layout blocks = can_be_blocks(&layout->type) ? blocks_of(&layout->type) : (struct assay_cpu_layout){0};
    return same_layout(layout, &blocks) ? image_blocks(executable, &type) : NULL;
  }
  assay_cpu_layout_axes(layout, order);
  return assay_cpu_layout_order(executable, &type, order);
}

void assay_cpu_layout_axes(const struct assay_cpu_layout *layout, int32_t order[ASSAY_MAX_RANK]) {
  bool placed[ASSAY_MAX_RANK] = {false};
  int32_t count = 0;
  for (int32_t i = 0; i < layout->count; i++) {
    order[count++] = layout->dims[i].axis;
    placed[layout->dims[i].axis] = true;
  }
  for (int32_t axis = 0; axis < layout->type.rank; axis++)
    if (!placed[axis]) order[count++] = axis;
}

void assay_cpu_layout_strides(const struct assay_cpu_layout *layout, int64_t strides[ASSAY_MAX_RANK]) {
  int64_t stride = 1;
  for (int32_t axis = 0; axis < ASSAY_MAX_RANK; axis++) strides[axis] = 1;
  for (int32_t i = layout->count - 1; i >= 0; i--) {
    strides[layout->dims[i].axis] = stride;
    stride *= layout->dims[i].extent;
  }
}

const struct assay_cpu_layout *assay_cpu_layout_transposed(struct assay_executable *executable, const struct assay_cpu_layout *layout,
                                                           const struct assay_tensor_type *type, const int32_t *axes) {
  int32_t order[ASSAY_MAX_RANK], transposed[ASSAY_MAX_RANK];
  assay_cpu_layout_axes(layout, order);
  for (int32_t i = 0; i < type->rank; i++)
    for (int32_t axis = 0; axis < type->rank; axis++)
      if (axes[axis] == order[i]) transposed[i] = axis;
  return assay_cpu_layout_order(executable, type, transposed);
}

/* ---- Forms ---- */

static int put(struct assay_cpu_build *build, int32_t value, const struct assay_cpu_form *form) {
  struct assay_cpu_form *kept = assay_cpu_take(build->executable, 1, sizeof *kept);
  if (!kept) return assay_cpu_no_memory(build->status);
  *kept = *form;
  struct assay_cpu_form **end = &build->values[value].forms;
  while (*end) end = &(*end)->next;
  *end = kept;
  return 0;
}

int assay_cpu_form_put(struct assay_cpu_build *build, int32_t value, const struct assay_cpu_layout *layout, struct assay_cpu_buffer *buffer) {
  if (!layout || !buffer) return assay_cpu_no_memory(build->status);
  return put(build, value, &(struct assay_cpu_form){.layout = layout, .buffer = buffer});
}

struct assay_cpu_buffer *assay_cpu_form_new(struct assay_cpu_build *build, int32_t value, const struct assay_cpu_layout *layout) {
  const struct assay_tensor_type *type = assay_cpu_type(build, value);
  struct assay_cpu_buffer *buffer = assay_cpu_buffer_new(build, (uint64_t)assay_element_count(type) * assay_dtype_size(type->dtype));
  return assay_cpu_form_put(build, value, layout, buffer) == 0 ? buffer : NULL;
}

/* A broadcast is made only when somebody needs it in memory; so is a constant. */
static int materialise(struct assay_cpu_build *build, int32_t value) {
  if (build->values[value].forms) return 0;
  const uint32_t node = (uint32_t)build->graph->producers[value];
  return assay_cpu_emit_elementwise(build, &node, 1);
}

static int convert(struct assay_cpu_build *build, const struct assay_cpu_layout *from, struct assay_cpu_buffer *source, const struct assay_cpu_layout *to,
                   struct assay_cpu_buffer *target) {
  if ((!from->permuted || !to->permuted) && from->type.dtype == ASSAY_F32) return assay_cpu_emit_reorder(build, &from->descriptor, source, &to->descriptor, target);
  /* At most one of them is blocked then: its dimensions cut those of the other. */
  const struct assay_cpu_layout *fine = from->permuted ? to : from, *coarse = from->permuted ? from : to;
  int64_t extents[ASSAY_MAX_RANK], strides[ASSAY_MAX_RANK], fine_strides[ASSAY_MAX_RANK], coarse_strides[ASSAY_MAX_RANK], stride = 1;
  if (!coarse->permuted || fine->count > ASSAY_MAX_RANK) return assay_cpu_fail(build->status, ASSAY_E_FAILED, "the cpu backend cannot convert a layout");
  assay_cpu_layout_strides(coarse, strides);
  for (int32_t d = fine->count - 1; d >= 0; d--) {
    extents[d] = fine->dims[d].extent;
    fine_strides[d] = stride;
    coarse_strides[d] = strides[fine->dims[d].axis] * fine->dims[d].step;
    stride *= extents[d];
  }
  return assay_cpu_emit_copy(build, assay_dtype_size(from->type.dtype), fine->count, extents, source, 0, from == fine ? fine_strides : coarse_strides, target, 0,
                             to == fine ? fine_strides : coarse_strides);
}

struct assay_cpu_buffer *assay_cpu_form_get(struct assay_cpu_build *build, int32_t value, const struct assay_cpu_layout *layout) {
  if (!layout) {
    assay_cpu_no_memory(build->status);
    return NULL;
  }
  if (materialise(build, value) != 0) return NULL;
  const struct assay_cpu_form *source = NULL;
  for (const struct assay_cpu_form *form = build->values[value].forms; form; form = form->next) {
    if (form->layout == layout) return form->buffer;
    if (form->layout && !source) source = form;
  }
  struct assay_cpu_buffer *from = source->buffer, *to = assay_cpu_form_new(build, value, layout);
  return to && convert(build, source->layout, from, layout, to) == 0 ? to : NULL;
}

struct assay_cpu_buffer *assay_cpu_form_described(struct assay_cpu_build *build, int32_t value, const dnnl_memory_desc_t *descriptor) {
  const struct assay_cpu_layout *layout = assay_cpu_layout_blocked(build->executable, assay_cpu_type(build, value), descriptor);
  if (layout) return assay_cpu_form_get(build, value, layout);
  if (materialise(build, value) != 0) return NULL;
  const struct assay_cpu_form *source = NULL;
  for (const struct assay_cpu_form *form = build->values[value].forms; form; form = form->next) {
    if (!form->layout && dnnl_memory_desc_equal(&form->descriptor, descriptor)) return form->buffer;
    if (form->layout && !source) source = form;
  }
  struct assay_cpu_buffer *from = source->buffer, *to = assay_cpu_buffer_new(build, dnnl_memory_desc_get_size(descriptor));
  if (!to || put(build, value, &(struct assay_cpu_form){.descriptor = *descriptor, .buffer = to}) != 0) return NULL;
  /* A grouped convolution sees its weights with one axis more; row-major they lie the same. */
  const struct assay_tensor_type *type = assay_cpu_type(build, value);
  dnnl_memory_desc_t plain = source->layout->descriptor;
  if (descriptor->ndims != type->rank) {
    from = assay_cpu_form_get(build, value, assay_cpu_layout_plain(build->executable, type));
    dnnl_dims_t strides;
    int64_t stride = 1;
    for (int i = descriptor->ndims - 1; i >= 0; i--) strides[i] = stride, stride *= descriptor->dims[i];
    if (!from || dnnl_memory_desc_init_by_strides(&plain, descriptor->ndims, descriptor->dims, dnnl_f32, strides) != dnnl_success) return NULL;
  }
  return assay_cpu_emit_reorder(build, &plain, from, descriptor, to) == 0 ? to : NULL;
}

struct assay_cpu_buffer *assay_cpu_form_any(struct assay_cpu_build *build, int32_t value, const struct assay_cpu_layout **layout) {
  if (materialise(build, value) != 0) return NULL;
  const struct assay_cpu_form *best = NULL;
  for (const struct assay_cpu_form *form = build->values[value].forms; form; form = form->next) {
    if (!form->layout || !form->layout->permuted) continue;
    if (!best) best = form;
    if (form->layout == assay_cpu_layout_channels_last(build->executable, assay_cpu_type(build, value))) best = form;
  }
  if (best) {
    *layout = best->layout;
    return best->buffer;
  }
  *layout = assay_cpu_layout_plain(build->executable, assay_cpu_type(build, value));
  return assay_cpu_form_get(build, value, *layout);
}

/* ---- Conversions by dnnl ---- */

bool assay_cpu_bind(dnnl_memory_t memory, void *bytes) {
  void *bound = NULL;
  if (dnnl_memory_get_data_handle(memory, &bound) == dnnl_success && bound == bytes) return true;
  return dnnl_memory_set_data_handle(memory, bytes) == dnnl_success;
}

struct reorder_step {
  struct assay_cpu_step step;
  dnnl_primitive_t primitive;
  dnnl_memory_t source, target;
};

static int run_reorder(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  const struct reorder_step *step = (const struct reorder_step *)base;
  const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, step->source}, {DNNL_ARG_TO, step->target}};
  if (!assay_cpu_bind(step->source, assay_cpu_at(frame, base->uses[0].buffer)) || !assay_cpu_bind(step->target, assay_cpu_at(frame, base->uses[1].buffer)) ||
      dnnl_primitive_execute(step->primitive, frame->stream, 2, arguments) != dnnl_success)
    return ASSAY_E_FAILED;
  return 0;
}

int assay_cpu_emit_reorder(struct assay_cpu_build *build, const dnnl_memory_desc_t *from, struct assay_cpu_buffer *source, const dnnl_memory_desc_t *to,
                           struct assay_cpu_buffer *target) {
  struct assay_executable *executable = build->executable;
  const dnnl_engine_t engine = executable->device->engine;
  struct reorder_step *step = assay_cpu_emit(build, sizeof *step, "reorder", run_reorder);
  if (!step || !assay_cpu_read(build, step, source) || !assay_cpu_write(build, step, target)) return assay_cpu_no_memory(build->status);
  dnnl_primitive_desc_t descriptor = NULL;
  if (dnnl_reorder_primitive_desc_create(&descriptor, from, engine, to, engine, NULL) != dnnl_success ||
      assay_cpu_keep_descriptor(executable, descriptor) != 0 || dnnl_primitive_create(&step->primitive, descriptor) != dnnl_success ||
      assay_cpu_keep_primitive(executable, step->primitive) != 0 || dnnl_memory_create(&step->source, from, engine, DNNL_MEMORY_NONE) != dnnl_success ||
      assay_cpu_keep_memory(executable, step->source) != 0 || dnnl_memory_create(&step->target, to, engine, DNNL_MEMORY_NONE) != dnnl_success ||
      assay_cpu_keep_memory(executable, step->target) != 0)
    return assay_cpu_fail(build->status, ASSAY_E_FAILED, "oneDNN cannot convert a layout for %s", build->graph->nodes[build->node]->origin);
  return 0;
}
