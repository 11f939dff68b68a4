/* SPDX-License-Identifier: MIT
 *
 * Lowering of reductions: short or many results take a work-item each, long ones a work-group each, and few very long ones a work-group a
 * stretch and a second pass.
 */
#include "backends/opencl/lower.h"

enum {
  ITEMS = 64,
  LONGEST_FOR_ITEMS = 64,  /* elements that one work-item sums by itself */
  STRETCH = 4096,          /* elements that one work-group takes before it is worth to share */
  GROUPS_A_UNIT = 4        /* work-groups wanted for a compute unit */
};

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

static const char *build_options(int32_t dtype, bool maximum) {
  switch (dtype) {
  case ASSAY_F32: return maximum ? "-D TYPE=float -D MAXIMUM=1 -D NEUTRAL=-INFINITY" : "-D TYPE=float";
  case ASSAY_I32: return maximum ? "-D TYPE=int -D MAXIMUM=1 -D NEUTRAL=INT_MIN" : "-D TYPE=int";
  case ASSAY_U32: return maximum ? "-D TYPE=uint -D MAXIMUM=1" : "-D TYPE=uint";
  default: return maximum ? "-D TYPE=uchar -D MAXIMUM=1" : "-D TYPE=uchar";
  }
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

void assay_cl_reduce(struct assay_cl_lowering *lowering, const struct assay_cl_view *view, uint32_t reduced_axes, bool maximum, const struct assay_cl_view *to) {
  struct axes kept, reduced;
  const struct assay_cl_view from = prepare(lowering, view, reduced_axes, &kept, &reduced);
  const char *options = build_options(view->dtype, maximum);
  const int64_t outputs = axes_count(&kept), length = axes_count(&reduced);
  if (length <= LONGEST_FOR_ITEMS) {
    struct assay_cl_step *step = assay_cl_step(lowering, "reduce", "reduce_items", options, 15);
    assay_cl_memory(lowering, step, from.storage, ASSAY_CL_READ);
    assay_cl_memory(lowering, step, to->storage, ASSAY_CL_WRITE);
    assay_cl_natural(lowering, step, outputs);
    view_arguments(lowering, step, from.offset, &kept, &reduced);
    assay_cl_items(step, outputs);
    return;
  }
  const int64_t wanted = (GROUPS_A_UNIT * (int64_t)lowering->device->compute_units + outputs - 1) / outputs;
  int64_t stretches = (length + STRETCH - 1) / STRETCH;
  if (stretches > wanted) stretches = wanted;
  const int64_t chunk = (length + stretches - 1) / stretches;
  stretches = (length + chunk - 1) / chunk;
  const struct assay_tensor_type partial_type = {view->dtype, 2, {outputs, stretches}};
  const struct assay_cl_view partial = stretches > 1 ? assay_cl_temporary(lowering, &partial_type) : *to;
  struct assay_cl_step *step = assay_cl_step(lowering, "reduce", "reduce_groups", options, 15);
  assay_cl_memory(lowering, step, from.storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, partial.storage, ASSAY_CL_WRITE);
  assay_cl_natural(lowering, step, chunk);
  view_arguments(lowering, step, from.offset, &kept, &reduced);
  assay_cl_groups(step, ITEMS, outputs, stretches, 1);
  if (stretches > 1) assay_cl_reduce(lowering, &partial, 2, maximum, to);
}

static void lower_argmax(struct assay_cl_lowering *lowering, const struct assay_node *node, uint32_t reduced_axes) {
  struct axes kept, reduced;
  const struct assay_cl_view from = prepare(lowering, assay_cl_view_of(lowering, node->inputs[0]), reduced_axes, &kept, &reduced);
  const struct assay_cl_view to = assay_cl_result(lowering, node->first_output);
  struct assay_cl_step *step = assay_cl_step(lowering, "reduce", "argmax_items", build_options(from.dtype, true), 15);
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
