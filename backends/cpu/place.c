/* SPDX-License-Identifier: MIT
 *
 * Shape and place. Reshaping and transposing move nothing: the result is another form of the same buffer. The rest is copies.
 */
#include "cpu.h"

#include <string.h>

static const struct assay_cpu_layout *plain_of(struct assay_cpu_build *build, int32_t value) {
  return assay_cpu_layout_plain(build->executable, assay_cpu_type(build, value));
}
static struct assay_cpu_buffer *plain_form(struct assay_cpu_build *build, int32_t value) { return assay_cpu_form_get(build, value, plain_of(build, value)); }
static struct assay_cpu_buffer *plain_new(struct assay_cpu_build *build, int32_t value) { return assay_cpu_form_new(build, value, plain_of(build, value)); }

int assay_cpu_emit_reshape(struct assay_cpu_build *build, const struct assay_node *node) {
  struct assay_cpu_buffer *buffer = plain_form(build, node->inputs[0]);
  return buffer ? assay_cpu_form_put(build, node->first_output, plain_of(build, node->first_output), buffer) : ASSAY_E_MEMORY;
}

int assay_cpu_emit_transpose(struct assay_cpu_build *build, const struct assay_node *node) {
  const struct assay_transpose_attributes *attributes = node->attributes;
  const struct assay_cpu_layout *layout;
  struct assay_cpu_buffer *buffer = assay_cpu_form_any(build, node->inputs[0], &layout);
  if (!buffer) return ASSAY_E_MEMORY;
  return assay_cpu_form_put(build, node->first_output,
                            assay_cpu_layout_transposed(build->executable, layout, assay_cpu_type(build, node->first_output), attributes->axes), buffer);
}

/* Output in the order in which the input lies. */
static const struct assay_cpu_layout *layout_after(struct assay_cpu_build *build, const struct assay_cpu_layout *layout, int32_t value) {
  int32_t order[ASSAY_MAX_RANK];
  assay_cpu_layout_axes(layout, order);
  return assay_cpu_layout_order(build->executable, assay_cpu_type(build, value), order);
}

int assay_cpu_emit_slice(struct assay_cpu_build *build, const struct assay_node *node) {
  const struct assay_slice_attributes *attributes = node->attributes;
  const struct assay_tensor_type *type = assay_cpu_type(build, node->first_output);
  const struct assay_cpu_layout *from, *to;
  struct assay_cpu_buffer *source = assay_cpu_form_any(build, node->inputs[0], &from);
  if (!source || !(to = layout_after(build, from, node->first_output))) return assay_cpu_no_memory(build->status);
  struct assay_cpu_buffer *target = assay_cpu_form_new(build, node->first_output, to);
  if (!target) return ASSAY_E_MEMORY;
  int64_t source_strides[ASSAY_MAX_RANK], target_strides[ASSAY_MAX_RANK], offset = 0;
  assay_cpu_layout_strides(from, source_strides);
  assay_cpu_layout_strides(to, target_strides);
  for (int32_t axis = 0; axis < type->rank; axis++) {
    if (from->type.extents[axis] > 1) offset += attributes->start[axis] * source_strides[axis];
    source_strides[axis] *= attributes->step[axis];
  }
  return assay_cpu_emit_copy(build, assay_dtype_size(type->dtype), type->rank, type->extents, source, offset, source_strides, target, 0, target_strides);
}

struct fill_step {
  struct assay_cpu_step step;
  int64_t count;
  uint32_t element;
  uint32_t bits;
};

static int run_fill(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  const struct fill_step *step = (const struct fill_step *)base;
  unsigned char *to = assay_cpu_at(frame, base->uses[0].buffer);
  if (step->element == 1 || step->bits == 0) memset(to, (int)(step->bits & 0xFF), (size_t)step->count * step->element);
  else
    for (int64_t i = 0; i < step->count; i++) ((uint32_t *)(void *)to)[i] = step->bits;
  return 0;
}

static int emit_fill(struct assay_cpu_build *build, struct assay_cpu_buffer *buffer, const struct assay_tensor_type *type, double value) {
  struct fill_step *step = assay_cpu_emit(build, sizeof *step, "fill", run_fill);
  if (!step || !assay_cpu_write(build, step, buffer)) return assay_cpu_no_memory(build->status);
  step->count = assay_element_count(type);
  step->element = (uint32_t)assay_dtype_size(type->dtype);
  const float number = (float)value;
  const double low = type->dtype == ASSAY_I32 ? INT32_MIN : 0, high = type->dtype == ASSAY_I32 ? INT32_MAX : type->dtype == ASSAY_U32 ? UINT32_MAX : 255;
  if (type->dtype == ASSAY_F32) memcpy(&step->bits, &number, sizeof step->bits);
  else if (type->dtype == ASSAY_BOOL) step->bits = value != 0;
  else step->bits = value != value ? 0 : (uint32_t)(int64_t)(value < low ? low : value > high ? high : value);
  return 0;
}

int assay_cpu_emit_pad(struct assay_cpu_build *build, const struct assay_node *node) {
  const struct assay_pad_attributes *attributes = node->attributes;
  const struct assay_tensor_type *type = assay_cpu_type(build, node->inputs[0]);
  const struct assay_cpu_layout *from, *to;
  struct assay_cpu_buffer *source = assay_cpu_form_any(build, node->inputs[0], &from);
  if (!source || !(to = layout_after(build, from, node->first_output))) return assay_cpu_no_memory(build->status);
  struct assay_cpu_buffer *target = assay_cpu_form_new(build, node->first_output, to);
  if (!target || emit_fill(build, target, assay_cpu_type(build, node->first_output), attributes->value) != 0) return ASSAY_E_MEMORY;
  int64_t source_strides[ASSAY_MAX_RANK], target_strides[ASSAY_MAX_RANK], offset = 0;
  assay_cpu_layout_strides(from, source_strides);
  assay_cpu_layout_strides(to, target_strides);
  for (int32_t axis = 0; axis < type->rank; axis++) {
    offset += attributes->low[axis] * target_strides[axis];
    target_strides[axis] *= attributes->interior[axis] + 1;
  }
  return assay_cpu_emit_copy(build, assay_dtype_size(type->dtype), type->rank, type->extents, source, 0, source_strides, target, offset, target_strides);
}

int assay_cpu_emit_concat(struct assay_cpu_build *build, const struct assay_node *node) {
  const int32_t axis = ((const struct assay_axis_attributes *)node->attributes)->axis;
  const struct assay_cpu_layout *first, *to;
  if (!assay_cpu_form_any(build, node->inputs[0], &first) || !(to = layout_after(build, first, node->first_output))) return assay_cpu_no_memory(build->status);
  struct assay_cpu_buffer *target = assay_cpu_form_new(build, node->first_output, to);
  if (!target) return ASSAY_E_MEMORY;
  int64_t target_strides[ASSAY_MAX_RANK], source_strides[ASSAY_MAX_RANK], start = 0;
  assay_cpu_layout_strides(to, target_strides);
  for (uint32_t k = 0; k < node->input_count; k++) {
    const struct assay_tensor_type *type = assay_cpu_type(build, node->inputs[k]);
    const struct assay_cpu_layout *from;
    struct assay_cpu_buffer *source = assay_cpu_form_any(build, node->inputs[k], &from);
    if (!source) return ASSAY_E_MEMORY;
    assay_cpu_layout_strides(from, source_strides);
    const int error = assay_cpu_emit_copy(build, assay_dtype_size(type->dtype), type->rank, type->extents, source, 0, source_strides, target,
                                          start * target_strides[axis], target_strides);
    if (error) return error;
    start += type->extents[axis];
  }
  return 0;
}

/* ---- Rows by index ---- */

struct rows_step {
  struct assay_cpu_step step;  /* uses: rows, indices, result */
  int64_t count, rows, length; /* indices; rows they point into; elements a row */
  int32_t dtype;
};

static int64_t clamped(int64_t index, int64_t count) { return index < 0 ? 0 : index >= count ? count - 1 : index; }

struct gather_context {
  const unsigned char *from;
  const int32_t *indices;
  unsigned char *to;
  int64_t rows;
  size_t size;
};

static void gather_part(const void *context, int64_t begin, int64_t end) {
  const struct gather_context *c = context;
  for (int64_t i = begin; i < end; i++) memcpy(c->to + (size_t)i * c->size, c->from + (size_t)clamped(c->indices[i], c->rows) * c->size, c->size);
}

static int run_gather(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  const struct rows_step *step = (const struct rows_step *)base;
  const struct gather_context context = {assay_cpu_at(frame, base->uses[0].buffer), assay_cpu_at(frame, base->uses[1].buffer),
                                         assay_cpu_at(frame, base->uses[2].buffer), step->rows, (size_t)step->length * assay_dtype_size(step->dtype)};
  assay_cpu_share(frame, step->count, step->count * step->length, gather_part, &context);
  return 0;
}

static int run_scatter_add(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  const struct rows_step *step = (const struct rows_step *)base;
  const unsigned char *from = assay_cpu_at(frame, base->uses[0].buffer);
  const int32_t *indices = assay_cpu_at(frame, base->uses[1].buffer);
  unsigned char *to = assay_cpu_at(frame, base->uses[2].buffer);
  const size_t size = (size_t)step->length * assay_dtype_size(step->dtype);
  memset(to, 0, (size_t)step->rows * size);
  for (int64_t i = 0; i < step->count; i++) {
    const unsigned char *row = from + (size_t)i * size;
    unsigned char *sum = to + (size_t)clamped(indices[i], step->rows) * size;
    for (int64_t k = 0; k < step->length; k++) {
      if (step->dtype == ASSAY_F32) ((float *)(void *)sum)[k] += ((const float *)(const void *)row)[k];
      else if (step->dtype == ASSAY_U8) sum[k] = (unsigned char)(sum[k] + row[k]);
      else ((uint32_t *)(void *)sum)[k] += ((const uint32_t *)(const void *)row)[k];
    }
  }
  return 0;
}

static int emit_rows(struct assay_cpu_build *build, const struct assay_node *node, const char *kind,
                     int (*run)(const struct assay_cpu_step *, const struct assay_cpu_frame *), int64_t rows, int64_t length) {
  struct assay_cpu_buffer *from = plain_form(build, node->inputs[0]), *indices = from ? plain_form(build, node->inputs[1]) : NULL;
  struct assay_cpu_buffer *to = indices ? plain_new(build, node->first_output) : NULL;
  struct rows_step *step = to ? assay_cpu_emit(build, sizeof *step, kind, run) : NULL;
  if (!step || !assay_cpu_read(build, step, from) || !assay_cpu_read(build, step, indices) || !assay_cpu_write(build, step, to))
    return assay_cpu_no_memory(build->status);
  step->count = assay_element_count(assay_cpu_type(build, node->inputs[1]));
  step->rows = rows;
  step->length = length;
  step->dtype = assay_cpu_type(build, node->first_output)->dtype;
  return 0;
}

int assay_cpu_emit_gather(struct assay_cpu_build *build, const struct assay_node *node) {
  const struct assay_tensor_type *type = assay_cpu_type(build, node->inputs[0]);
  return emit_rows(build, node, "gather", run_gather, type->extents[0], assay_element_count(type) / type->extents[0]);
}

int assay_cpu_emit_scatter_add(struct assay_cpu_build *build, const struct assay_node *node) {
  const struct assay_tensor_type *type = assay_cpu_type(build, node->first_output);
  return emit_rows(build, node, "scatter", run_scatter_add, type->extents[0], assay_element_count(type) / type->extents[0]);
}

static int run_one_hot(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  const struct rows_step *step = (const struct rows_step *)base;
  const int32_t *indices = assay_cpu_at(frame, base->uses[0].buffer);
  float *to = assay_cpu_at(frame, base->uses[1].buffer);
  memset(to, 0, (size_t)(step->count * step->length) * sizeof *to);
  for (int64_t i = 0; i < step->count; i++)
    if (indices[i] >= 0 && indices[i] < step->length) to[i * step->length + indices[i]] = 1.f;
  return 0;
}

int assay_cpu_emit_one_hot(struct assay_cpu_build *build, const struct assay_node *node) {
  struct assay_cpu_buffer *indices = plain_form(build, node->inputs[0]), *to = indices ? plain_new(build, node->first_output) : NULL;
  struct rows_step *step = to ? assay_cpu_emit(build, sizeof *step, "one_hot", run_one_hot) : NULL;
  if (!step || !assay_cpu_read(build, step, indices) || !assay_cpu_write(build, step, to)) return assay_cpu_no_memory(build->status);
  step->count = assay_element_count(assay_cpu_type(build, node->inputs[0]));
  step->length = ((const struct assay_count_attributes *)node->attributes)->count;
  return 0;
}
