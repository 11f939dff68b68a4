/* SPDX-License-Identifier: MIT
 *
 * Matrix products, row-major: dnnl's GEMM, or plain dot products where there is hardly a matrix.
 */
#include "cpu.h"

struct matmul_step {
  struct assay_cpu_step step;
  int64_t batch, m, n, k;
  bool transpose_a, transpose_b;
};

struct dot_context {
  const struct matmul_step *step;
  const struct assay_cpu_kernels *kernels;
  const float *a, *b;
  float *out;
};

static void dot_part(const void *context, int64_t begin, int64_t end) {
  const struct dot_context *c = context;
  c->kernels->dot_rows(c->a, c->b, c->out, c->step->n, c->step->k, begin, end);
}

static int run_matmul(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  const struct matmul_step *step = (const struct matmul_step *)base;
  const float *a = assay_cpu_at(frame, base->uses[0].buffer), *b = assay_cpu_at(frame, base->uses[1].buffer);
  float *out = assay_cpu_at(frame, base->uses[2].buffer);
  /* Rows of a against rows of b; a single column lies like a row. */
  const bool dots = !step->transpose_a && (step->transpose_b || step->n == 1) && step->m * step->n <= 256;
  for (int64_t i = 0; i < step->batch; i++, a += step->m * step->k, b += step->k * step->n, out += step->m * step->n) {
    if (dots) {
      const struct dot_context context = {step, frame->kernels, a, b, out};
      assay_cpu_share(frame, step->m, step->m * step->n * step->k, dot_part, &context);
    } else if (dnnl_sgemm(step->transpose_a ? 'T' : 'N', step->transpose_b ? 'T' : 'N', step->m, step->n, step->k, 1.f, a,
                          step->transpose_a ? step->m : step->k, b, step->transpose_b ? step->k : step->n, 0.f, out, step->n) != dnnl_success) {
      return ASSAY_E_FAILED;
    }
  }
  return 0;
}

int assay_cpu_emit_matmul(struct assay_cpu_build *build, const struct assay_node *node) {
  const struct assay_matmul_attributes *attributes = node->attributes;
  const struct assay_tensor_type *a = assay_cpu_type(build, node->inputs[0]), *out = assay_cpu_type(build, node->first_output);
  struct assay_cpu_buffer *uses[3];
  for (int i = 0; i < 2; i++) {
    uses[i] = assay_cpu_form_get(build, node->inputs[i], assay_cpu_layout_plain(build->executable, assay_cpu_type(build, node->inputs[i])));
    if (!uses[i]) return ASSAY_E_MEMORY;
  }
  uses[2] = assay_cpu_form_new(build, node->first_output, assay_cpu_layout_plain(build->executable, out));
  struct matmul_step *step = uses[2] ? assay_cpu_emit(build, sizeof *step, "matmul", run_matmul) : NULL;
  if (!step || !assay_cpu_read(build, step, uses[0]) || !assay_cpu_read(build, step, uses[1]) || !assay_cpu_write(build, step, uses[2]))
    return assay_cpu_no_memory(build->status);
  const int32_t rank = out->rank;
  step->transpose_a = attributes->transpose_a != 0;
  step->transpose_b = attributes->transpose_b != 0;
  step->batch = rank == 3 ? out->extents[0] : 1;
  step->m = out->extents[rank - 2];
  step->n = out->extents[rank - 1];
  step->k = a->extents[step->transpose_a ? rank - 2 : rank - 1];
  return 0;
}
