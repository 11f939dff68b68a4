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
/* Sets gradients[i], which is invalid before, for each input that wants one (`wanted[i]`), given those of the outputs (invalid: zero; of a node
 * with one output never). What it leaves invalid is zero. The gradient of an elementwise op may still have the extents of the output: the caller sums it
 * over what was stretched. */
typedef void (*assay_gradient_rule)(struct assay_builder *builder, const struct assay_node *node, const assay_value *inputs, const assay_value *outputs,
                                    const assay_value *output_gradients, const bool *wanted, assay_value *gradients);
/* Sets what has no meaning to its neutral value (axes past the rank, say) and rounds a constant to its dtype, so that equal nodes are equal bytes. */
typedef void (*assay_normaliser)(void *attributes, uint32_t op, const struct assay_tensor_type *const *inputs);
/* Builds the composite's outputs from primitives. */
typedef void (*assay_decomposition)(struct assay_builder *builder, const struct assay_node *node, const assay_value *inputs, assay_value *outputs);

enum assay_op_flags {
  ASSAY_OP_ELEMENTWISE = 1 << 0,
  ASSAY_OP_COMPOSITE = 1 << 1,
  ASSAY_OP_SOURCE = 1 << 2,
  ASSAY_OP_EFFECT = 1 << 3,       /* kept alive by itself: assign */
  ASSAY_OP_COMMUTATIVE = 1 << 4,  /* the same bits when its two inputs change places */
  ASSAY_OP_NO_DERIVATIVE = 1 << 5 /* there is a gradient that is not zero, but no rule for it: asking is an error that names the op */
};

/* One field of an attribute structure; for printing graphs and for model files. */
enum assay_field_kind { ASSAY_FIELD_I32 = 1, ASSAY_FIELD_U32 = 2, ASSAY_FIELD_I64 = 3, ASSAY_FIELD_F64 = 4 };
struct assay_attribute_field {
  const char *name; /* NULL: end of the list */
  uint32_t offset;
  uint32_t kind;  /* enum assay_field_kind */
  uint32_t count; /* elements in a row */
};

struct assay_op_info {
  uint32_t op;
  uint32_t flags;
  const char *name; /* lower case, as in model files */
  int32_t input_count; /* -1: one or more */
  uint32_t output_count;
  uint32_t attributes_size;
  const struct assay_attribute_field *fields; /* NULL: no attributes */
  assay_normaliser normalise;                 /* NULL: nothing to do */
  assay_shape_rule shape;
  assay_gradient_rule gradient;  /* NULL: the gradient is zero, or (NO_DERIVATIVE) unknown; a composite's is that of its decomposition */
  assay_decomposition decompose; /* composites only */
};

const struct assay_op_info *assay_op_info(uint32_t op);            /* NULL when unknown */
const struct assay_op_info *assay_op_by_name(const char *name);    /* NULL when unknown */
const struct assay_op_info *assay_op_at(uint32_t index);           /* for walking the table, ids ascending; NULL past the end */

const char *assay_dtype_name(int32_t dtype);         /* "f32", …; NULL when unknown */
int32_t assay_dtype_by_name(const char *name);       /* 0 when unknown */
/* "f32 [8, 3, 32, 32]"; gives `text` back. */
#define ASSAY_TYPE_TEXT 160
const char *assay_type_text(const struct assay_tensor_type *type, char text[ASSAY_TYPE_TEXT]);
/* Known dtype, rank 0 to ASSAY_MAX_RANK, extents of at least 1 whose product is at most 2^48. Else a sentence in `status` and ASSAY_E_CONFIG. */
int assay_type_check(const struct assay_tensor_type *type, struct assay_status *status);

#endif
