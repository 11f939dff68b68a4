/* SPDX-License-Identifier: MIT
 *
 * Generated kernel text: what a group of elementwise nodes reads, computes and stores for one element of a loop. elementwise.c puts a kernel of its own
 * around it, tail.c a function that a product calls, reduce.c the loop of a reduction.
 */
#ifndef ASSAY_OPENCL_KERNEL_H
#define ASSAY_OPENCL_KERNEL_H

#include "backends/opencl/lower.h"

enum assay_cl_walk {
  ASSAY_CL_WALK_CONSTANT, /* an argument */
  ASSAY_CL_WALK_LINEAR,   /* element i at place i */
  ASSAY_CL_WALK_STRIDED   /* by the positions on the axes of the loop */
};

struct assay_cl_operand {
  struct assay_cl_view view; /* broadcast to the loop's extents, then with the loop's axes */
  enum assay_cl_walk walk;
};

/* Starts as zeros, but for `head`. */
struct assay_cl_kernel {
  int32_t rank; /* of the loop; at least 1 */
  int64_t extents[ASSAY_MAX_RANK];
  int64_t count;
  struct assay_cl_operand *operands; /* inputs, then outputs */
  uint32_t input_count, output_count;
  int32_t head; /* value that is there already, under the name `result`; -1 */
  struct assay_cl_text declarations, names, loads, body, stores; /* parameters and their names begin with ", " */
};

/* Takes in the nodes (in graph order, all of `shape`): operands and body. The list becomes one that also has the nodes of other groups that are made again here. Values
 * that are stored: locals[0 .. output_count - 1], numbers of nodes in the list. Nothing is allocated on the device until assay_cl_kernel_outputs. */
bool assay_cl_kernel_begin(struct assay_cl_lowering *lowering, struct assay_cl_kernel *kernel, const uint32_t **nodes, uint32_t *count,
                           const struct assay_cl_view *shape, uint32_t **locals);
/* Views of the outputs. */
void assay_cl_kernel_outputs(struct assay_cl_lowering *lowering, struct assay_cl_kernel *kernel, const uint32_t *nodes, const uint32_t *locals);
/* With the loop's axes settled: how operands are walked, and the texts of parameters, loads and stores. */
void assay_cl_kernel_operands(struct assay_cl_kernel *kernel, const uint32_t *locals);
/* The arguments of the parameters in `declarations`. */
void assay_cl_kernel_arguments(struct assay_cl_lowering *lowering, struct assay_cl_step *step, const struct assay_cl_kernel *kernel);
uint32_t assay_cl_kernel_argument_count(const struct assay_cl_kernel *kernel);
/* Bytes that the arguments would take at worst. */
size_t assay_cl_kernel_argument_bytes(const struct assay_cl_kernel *kernel, int32_t rank);
/* A text of the pool made of all parts; NULL, and the lowering fails, when memory is short. */
char *assay_cl_kernel_keep(struct assay_cl_lowering *lowering, const struct assay_cl_kernel *kernel, struct assay_cl_text *text);
void assay_cl_kernel_release(struct assay_cl_kernel *kernel); /* the texts */

#endif
