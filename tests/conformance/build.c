/* SPDX-License-Identifier: MIT */
#include "build.h"

#include "base/status.h"
#include "graph/ops.h"

bool assay_case_has_gradient(const struct assay_case *c) {
  const struct assay_op_info *info = assay_op_info(c->op);
  return (c->flags & ASSAY_CASE_GRADIENT) && !(info->flags & ASSAY_OP_NO_DERIVATIVE) && (info->gradient || (info->flags & ASSAY_OP_COMPOSITE));
}

bool assay_case_wants_gradient(const struct assay_case *c, uint32_t input) { return assay_case_has_gradient(c) && assay_dtype_is_float(c->inputs[input].type.dtype); }

uint32_t assay_case_output_count(const struct assay_case *c) { return c->flags & ASSAY_CASE_FIRST_OUTPUT ? 1 : assay_op_info(c->op)->output_count; }

bool assay_case_is_widened(const struct assay_case *c) { return !(c->flags & ASSAY_CASE_EXACT); }

static int32_t oracle_dtype(const struct assay_case *c, int32_t dtype) { return assay_case_is_widened(c) && assay_dtype_is_float(dtype) ? ASSAY_F64 : dtype; }

static int build_function(struct assay_program_builder *program, const struct assay_case *c, bool oracle, struct assay_status *status) {
  struct assay_builder *b = assay_function_begin(program, assay_op_info(c->op)->name);
  if (!b) return assay_status_memory(status);
  assay_value inputs[ASSAY_CASE_INPUTS], wrt[ASSAY_CASE_INPUTS], gradients[ASSAY_CASE_INPUTS];
  uint32_t wrt_count = 0;
  for (uint32_t i = 0; i < c->input_count; i++) {
    const struct assay_tensor_type *type = &c->inputs[i].type;
    inputs[i] = assay_function_feed(b, oracle ? oracle_dtype(c, type->dtype) : type->dtype, type->rank, type->extents);
    if (assay_case_wants_gradient(c, i)) wrt[wrt_count++] = inputs[i];
  }
  struct assay_case attributes = *c;
  if (oracle && c->op == ASSAY_OP_CAST) attributes.attributes.cast.dtype = oracle_dtype(c, c->attributes.cast.dtype);
  const assay_value first = b->host->emit(b, c->op, inputs, c->input_count, attributes.attributes_size ? &attributes.attributes : NULL, c->attributes_size);
  for (uint32_t i = 0; i < assay_case_output_count(c); i++) assay_function_fetch(b, assay_output(first, (int32_t)i));
  if (wrt_count) {
    const struct assay_tensor_type type = *assay_type(b, first);
    const assay_value weight = assay_function_feed(b, type.dtype, type.rank, type.extents);
    const assay_value loss = assay_reduce_sum(b, assay_mul(b, first, weight), (1u << type.rank) - 1, 0);
    assay_builder_gradient(b, loss, wrt, wrt_count, gradients);
    for (uint32_t i = 0; i < wrt_count; i++) assay_function_fetch(b, gradients[i]);
  }
  return assay_function_end(b, status);
}

int assay_conformance_compile(struct assay_session *session, const struct assay_case *cases, size_t count, bool oracle, struct assay_program_builder **builder,
                              const struct assay_program **program, struct assay_executable **executable, struct assay_status *status) {
  *builder = assay_program_begin();
  int error = *builder ? ASSAY_OK : assay_status_memory(status);
  for (size_t i = 0; i < count && !error; i++) error = build_function(*builder, &cases[i], oracle, status);
  if (!error) error = assay_program_finish(*builder, program, status);
  if (!error) error = assay_session_compile(session, *program, executable, status);
  return error;
}
