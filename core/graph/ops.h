/* SPDX-License-Identifier: MIT
 *
 * The op table: what the core knows of each op, in one place. Everything else (builder, autodiff, decomposition, model files, the conformance
 * suite) asks the table.
 */
#ifndef ASSAY_GRAPH_OPS_H
#define ASSAY_GRAPH_OPS_H

#include "graph/graph.h"

/* Types of all outputs from attributes and input types; 0, or a sentence in `status`. May complete the attributes (an extent of -1 stays as it
 * is written: a graph must be able to be built again for another batch). */
typedef int (*assay_shape_rule)(const void *attributes, const struct assay_tensor_type *const *inputs, uint32_t input_count, struct assay_tensor_type *outputs,
                                struct assay_status *status);
/* Adds to gradients[i] the gradient for each input that wants one (`wanted[i]`), given those of the outputs (invalid: zero). */
typedef void (*assay_gradient_rule)(struct assay_builder *builder, const struct assay_node *node, const assay_value *inputs, const assay_value *outputs,
                                    const assay_value *output_gradients, const bool *wanted, assay_value *gradients);
/* Builds the composite's outputs from primitives. */
typedef void (*assay_decomposition)(struct assay_builder *builder, const struct assay_node *node, const assay_value *inputs, assay_value *outputs);

enum assay_op_flags {
  ASSAY_OP_ELEMENTWISE = 1 << 0,
  ASSAY_OP_COMPOSITE = 1 << 1,
  ASSAY_OP_SOURCE = 1 << 2,
  ASSAY_OP_EFFECT = 1 << 3 /* kept alive by itself: assign */
};

struct assay_op_info {
  uint32_t op;
  uint32_t flags;
  const char *name; /* lower case, as in model files */
  int32_t input_count; /* -1: one or more */
  uint32_t output_count;
  uint32_t attributes_size;
  assay_shape_rule shape;
  assay_gradient_rule gradient;     /* NULL: no gradient flows through */
  assay_decomposition decompose;    /* composites only */
};

const struct assay_op_info *assay_op_info(uint32_t op);            /* NULL when unknown */
const struct assay_op_info *assay_op_by_name(const char *name);    /* NULL when unknown */
const struct assay_op_info *assay_op_at(uint32_t index);           /* for walking the table; NULL past the end */

#endif
