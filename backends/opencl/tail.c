/* SPDX-License-Identifier: MIT
 *
 * Tails: the elementwise group behind a product (bias, activation, residual, mask of a gradient) as a function that the product's kernel calls for each of its
 * results, so that they go to memory once and finished.
 *
 * The kernel knows a result's place in the dense tensor and its position on three axes: batch, row, column of a matrix product; sample, channel, pixel of a
 * convolution. Operands that lie like the result are read at its place, others by strides along these three.
 */
#include "backends/opencl/kernel.h"

#include <stdlib.h>

enum { AXES = 3, PRODUCT_ARGUMENT_BYTES = 160 /* at most, of the kernels themselves */ };

/* Brings an operand of a loop over `shape` (rank 2 to 4) to the three axes. False when height and width cannot be walked as one. */
static bool to_three_axes(struct assay_cl_view *view, const struct assay_cl_view *shape) {
  int64_t strides[AXES] = {0, 0, 0};
  if (view->storage == ASSAY_CL_CONSTANT) return true;
  if (shape->rank == 2) {
    strides[1] = view->strides[0];
    strides[2] = view->strides[1];
  } else {
    for (int axis = 0; axis < AXES; axis++) strides[axis] = view->strides[axis];
    if (shape->rank == 4) {
      const bool flat = shape->extents[2] == 1 || view->strides[2] == shape->extents[3] * view->strides[3];
      const bool narrow = shape->extents[3] == 1;
      if (!flat && !narrow) return false;
      strides[2] = narrow ? view->strides[2] : view->strides[3];
    }
  }
  view->rank = AXES;
  for (int axis = 0; axis < AXES; axis++) view->strides[axis] = strides[axis];
  return true;
}

static void set_axes(struct assay_cl_kernel *kernel, const struct assay_cl_view *shape) {
  kernel->rank = AXES;
  kernel->count = assay_cl_view_count(shape);
  for (int axis = 0; axis < AXES; axis++) {
    if (shape->rank == 2) kernel->extents[axis] = axis ? shape->extents[axis - 1] : 1;
    else kernel->extents[axis] = shape->extents[axis];
  }
  if (shape->rank == 4) kernel->extents[2] *= shape->extents[3];
}

static const char *text_of(const struct assay_cl_text *text) { return text->data ? text->data : ""; }

static const char *define(struct assay_cl_lowering *lowering, const struct assay_cl_kernel *kernel) {
  struct assay_cl_text text = {0};
  assay_cl_print(&text, "%s\n#define TAIL_PARAMETERS %s\n", assay_cl_helpers(lowering), text_of(&kernel->declarations));
  assay_cl_print(&text, "void tail(const float result, const uint index, const uint position0, const uint position1, const uint position2%s) {\n%s%s%s}\n",
                 text_of(&kernel->declarations), text_of(&kernel->loads), text_of(&kernel->body), text_of(&kernel->stores));
  assay_cl_print(&text, "#define TAIL(result, index, position0, position1, position2) tail(result, index, position0, position1, position2%s)\n",
                 text_of(&kernel->names));
  return assay_cl_kernel_keep(lowering, kernel, &text);
}

bool assay_cl_tail(struct assay_cl_lowering *lowering, int32_t head, const uint32_t *nodes, uint32_t count, struct assay_cl_tail *tail) {
  *tail = (struct assay_cl_tail){0};
  if (!count) {
    tail->result = assay_cl_result(lowering, head);
    return true;
  }
  const struct assay_cl_view shape = assay_cl_view_dense(assay_cl_type(lowering, head), 0);
  struct assay_cl_kernel *kernel = ASSAY_CL_NEW(&lowering->scratch, struct assay_cl_kernel, 1);
  uint32_t *locals;
  if (!kernel) {
    assay_cl_lowering_memory(lowering);
    return false;
  }
  kernel->head = head;
  bool fits = assay_cl_kernel_begin(lowering, kernel, &nodes, &count, &shape, &locals);
  for (uint32_t i = 0; i < kernel->input_count && fits; i++) fits = to_three_axes(&kernel->operands[i].view, &shape);
  fits = fits && kernel->output_count && assay_cl_kernel_argument_bytes(kernel, AXES) + PRODUCT_ARGUMENT_BYTES <= lowering->device->parameter_size;
  if (fits) {
    set_axes(kernel, &shape);
    assay_cl_kernel_outputs(lowering, kernel, nodes, locals);
    for (uint32_t i = kernel->input_count; i < kernel->input_count + kernel->output_count; i++) to_three_axes(&kernel->operands[i].view, &shape);
    assay_cl_kernel_operands(kernel, locals);
    tail->definition = define(lowering, kernel);
    tail->kernel = kernel;
  }
  assay_cl_kernel_release(kernel);
  return fits;
}

struct assay_cl_step *assay_cl_step_with_tail(struct assay_cl_lowering *lowering, const char *file, const char *kernel_name, const char *options,
                                              uint32_t argument_capacity, const struct assay_cl_tail *tail) {
  const char *source = assay_cl_text_of(lowering, file);
  const uint32_t more = tail->kernel ? assay_cl_kernel_argument_count(tail->kernel) : 1;
  if (tail->definition) {
    struct assay_cl_text text = {0};
    assay_cl_print(&text, "%s%s", tail->definition, source);
    source = assay_cl_kernel_keep(lowering, tail->kernel, &text);
  }
  return assay_cl_step_source(lowering, source, kernel_name, options, argument_capacity + more);
}

void assay_cl_tail_arguments(struct assay_cl_lowering *lowering, struct assay_cl_step *step, const struct assay_cl_tail *tail) {
  if (tail->kernel) assay_cl_kernel_arguments(lowering, step, tail->kernel);
  else assay_cl_memory(lowering, step, tail->result.storage, ASSAY_CL_WRITE);
}
