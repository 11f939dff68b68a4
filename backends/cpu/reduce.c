/* SPDX-License-Identifier: MIT
 *
 * Reductions, in whatever order the axes lie: physical dimensions of one kind (kept, reduced) that follow one another are one; the
 * innermost three at most are the kernel's, the rest are loops around it.
 */
#include "cpu.h"

#include <math.h>
#include <string.h>

struct reduce_step {
  struct assay_cpu_step step;
  int32_t dtype, outer_count;
  bool sum;
  int64_t outer[ASSAY_MAX_RANK], source_stride[ASSAY_MAX_RANK], target_stride[ASSAY_MAX_RANK]; /* target_stride 0: reduced */
  int64_t kept, reduced, inner;
};

/* Integers: sums wrap around. */
static void reduce_integers(const struct reduce_step *step, void *out, const void *x, bool fresh) {
  for (int64_t k = 0; k < step->kept; k++)
    for (int64_t i = 0; i < step->inner; i++) {
      const int64_t place = k * step->inner + i;
      const bool byte = step->dtype == ASSAY_U8, is_signed = step->dtype == ASSAY_I32;
      int64_t best = byte ? ((uint8_t *)out)[place] : is_signed ? ((int32_t *)out)[place] : (int64_t)((uint32_t *)out)[place];
      for (int64_t r = 0; r < step->reduced; r++) {
        const int64_t at = (k * step->reduced + r) * step->inner + i;
        const int64_t number = byte ? ((const uint8_t *)x)[at] : is_signed ? ((const int32_t *)x)[at] : (int64_t)((const uint32_t *)x)[at];
        if (fresh && r == 0) best = number;
        else if (step->sum) best += number;
        else if (number > best) best = number;
      }
      if (byte) ((uint8_t *)out)[place] = (uint8_t)best;
      else ((uint32_t *)out)[place] = (uint32_t)best;
    }
}

struct reduce_context {
  const struct reduce_step *step;
  const struct assay_cpu_kernels *kernels;
  float *out;
  const float *x;
  bool fresh;
};

static void reduce_part(const void *context, int64_t begin, int64_t end) {
  const struct reduce_context *c = context;
  (c->step->sum ? c->kernels->reduce_sum : c->kernels->reduce_max)(c->out, c->x, c->step->reduced, c->step->inner, begin, end, c->fresh);
}

static int run_reduce(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  const struct reduce_step *step = (const struct reduce_step *)base;
  const size_t element = assay_dtype_size(step->dtype);
  const unsigned char *from = assay_cpu_at(frame, base->uses[0].buffer);
  unsigned char *to = assay_cpu_at(frame, base->uses[1].buffer);
  int64_t index[ASSAY_MAX_RANK] = {0}, source = 0, target = 0;
  for (;;) {
    bool fresh = true;
    for (int32_t d = 0; d < step->outer_count; d++) fresh &= step->target_stride[d] != 0 || index[d] == 0;
    if (step->dtype == ASSAY_F32) {
      const struct reduce_context context = {step, frame->kernels, (float *)(void *)to + target, (const float *)(const void *)from + source, fresh};
      assay_cpu_share(frame, step->kept, step->kept * step->reduced * step->inner, reduce_part, &context);
    } else {
      reduce_integers(step, to + (size_t)target * element, from + (size_t)source * element, fresh);
    }
    int32_t d = step->outer_count - 1;
    for (; d >= 0; d--) {
      source += step->source_stride[d];
      target += step->target_stride[d];
      if (++index[d] < step->outer[d]) break;
      source -= index[d] * step->source_stride[d];
      target -= index[d] * step->target_stride[d];
      index[d] = 0;
    }
    if (d < 0) return 0;
  }
}

/* The result lies in the order in which the kept axes lie. */
static const struct assay_cpu_layout *result_layout(struct assay_cpu_build *build, const struct assay_cpu_layout *layout, uint32_t axes, bool keep,
                                                    int32_t value) {
  int32_t order[ASSAY_MAX_RANK], kept[ASSAY_MAX_RANK], count = 0;
  assay_cpu_layout_axes(layout, order);
  for (int32_t i = 0; i < layout->type.rank; i++) {
    if (keep) kept[count++] = order[i];
    else if (!(axes >> order[i] & 1)) kept[count++] = order[i] - __builtin_popcount(axes & ((1u << order[i]) - 1));
  }
  return assay_cpu_layout_order(build->executable, assay_cpu_type(build, value), kept);
}

/* Fills the loops from the layout's dimensions. */
static void divide_work(struct reduce_step *step, const struct assay_cpu_layout *layout, uint32_t axes) {
  int64_t extent[ASSAY_CPU_LAYOUT_DIMS], source[ASSAY_CPU_LAYOUT_DIMS], target[ASSAY_CPU_LAYOUT_DIMS], stride = 1, kept = 1;
  bool reduced[ASSAY_CPU_LAYOUT_DIMS];
  int32_t count = 0; /* innermost first */
  for (int32_t d = layout->count - 1; d >= 0; d--) {
    const bool is_reduced = axes >> layout->dims[d].axis & 1;
    if (count > 0 && reduced[count - 1] == is_reduced) {
      extent[count - 1] *= layout->dims[d].extent;
    } else {
      reduced[count] = is_reduced;
      source[count] = stride;
      target[count] = is_reduced ? 0 : kept;
      extent[count++] = layout->dims[d].extent;
    }
    stride *= layout->dims[d].extent;
    if (!is_reduced) kept *= layout->dims[d].extent;
  }
  int32_t taken = 0;
  step->kept = step->reduced = step->inner = 1;
  if (taken < count && !reduced[taken]) step->inner = extent[taken++];
  if (taken < count) step->reduced = extent[taken++];
  if (taken < count) step->kept = extent[taken++];
  for (int32_t d = count - 1; d >= taken; d--) {
    step->outer[step->outer_count] = extent[d];
    step->source_stride[step->outer_count] = source[d];
    step->target_stride[step->outer_count++] = target[d];
  }
}

int assay_cpu_emit_reduce(struct assay_cpu_build *build, const struct assay_node *node) {
  const struct assay_reduce_attributes *attributes = node->attributes;
  const struct assay_cpu_layout *layout;
  struct assay_cpu_buffer *from = assay_cpu_form_any(build, node->inputs[0], &layout);
  if (!from) return ASSAY_E_MEMORY;
  struct assay_cpu_buffer *to =
    assay_cpu_form_new(build, node->first_output, result_layout(build, layout, attributes->axes, attributes->keep_axes != 0, node->first_output));
  struct reduce_step *step = to ? assay_cpu_emit(build, sizeof *step, "reduce", run_reduce) : NULL;
  if (!step || !assay_cpu_read(build, step, from) || !assay_cpu_write(build, step, to)) return assay_cpu_no_memory(build->status);
  step->dtype = layout->type.dtype;
  step->sum = node->op == ASSAY_OP_REDUCE_SUM;
  divide_work(step, layout, attributes->axes);
  return 0;
}

struct argmax_step {
  struct assay_cpu_step step;
  int32_t dtype;
  int64_t outer, count, inner;
};

static double number_at(const void *numbers, int32_t dtype, int64_t i) {
  switch (dtype) {
  case ASSAY_F32: return ((const float *)numbers)[i];
  case ASSAY_I32: return ((const int32_t *)numbers)[i];
  case ASSAY_U32: return ((const uint32_t *)numbers)[i];
  default: return ((const uint8_t *)numbers)[i];
  }
}

static int run_argmax(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  const struct argmax_step *step = (const struct argmax_step *)base;
  const void *from = assay_cpu_at(frame, base->uses[0].buffer);
  int32_t *to = assay_cpu_at(frame, base->uses[1].buffer);
  for (int64_t o = 0; o < step->outer; o++)
    for (int64_t i = 0; i < step->inner; i++) {
      int64_t best = 0;
      double greatest = number_at(from, step->dtype, o * step->count * step->inner + i);
      for (int64_t k = 1; k < step->count; k++) {
        const double x = number_at(from, step->dtype, (o * step->count + k) * step->inner + i);
        if (x > greatest || (isnan(x) && !isnan(greatest))) greatest = x, best = k;
      }
      to[o * step->inner + i] = (int32_t)best;
    }
  return 0;
}

int assay_cpu_emit_argmax(struct assay_cpu_build *build, const struct assay_node *node) {
  const struct assay_reduce_attributes *attributes = node->attributes;
  const struct assay_tensor_type *type = assay_cpu_type(build, node->inputs[0]);
  const int32_t axis = __builtin_ctz(attributes->axes);
  struct assay_cpu_buffer *from = assay_cpu_form_get(build, node->inputs[0], assay_cpu_layout_plain(build->executable, type));
  struct assay_cpu_buffer *to =
    from ? assay_cpu_form_new(build, node->first_output, assay_cpu_layout_plain(build->executable, assay_cpu_type(build, node->first_output))) : NULL;
  struct argmax_step *step = to ? assay_cpu_emit(build, sizeof *step, "argmax", run_argmax) : NULL;
  if (!step || !assay_cpu_read(build, step, from) || !assay_cpu_write(build, step, to)) return assay_cpu_no_memory(build->status);
  step->dtype = type->dtype;
  step->outer = step->inner = 1;
  step->count = type->extents[axis];
  for (int32_t a = 0; a < axis; a++) step->outer *= type->extents[a];
  for (int32_t a = axis + 1; a < type->rank; a++) step->inner *= type->extents[a];
  return 0;
}
