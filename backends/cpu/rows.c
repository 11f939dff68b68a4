/* SPDX-License-Identifier: MIT
 *
 * What works on rows: softmax and cross-entropy (rows of classes), random numbers (a row a sample).
 */
#include "cpu.h"

#include <math.h>
#include <string.h>

static const struct assay_cpu_layout *plain_of(struct assay_cpu_build *build, int32_t value) {
  return assay_cpu_layout_plain(build->executable, assay_cpu_type(build, value));
}

struct rows_step {
  struct assay_cpu_step step;
  struct assay_cpu_rows shape;
  uint32_t op, stream;
};

struct rows_context {
  const struct rows_step *step;
  const struct assay_cpu_kernels *kernels;
  void *at[8];
};

static struct rows_context context_of(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  struct rows_context context = {.step = (const struct rows_step *)base, .kernels = frame->kernels};
  for (uint32_t u = 0; u < base->use_count && u < 8; u++) context.at[u] = assay_cpu_at(frame, base->uses[u].buffer);
  return context;
}

/* A step with its buffers. */
static int emit(struct assay_cpu_build *build, const struct assay_node *node, const char *kind,
                int (*run)(const struct assay_cpu_step *, const struct assay_cpu_frame *), struct rows_step **made) {
  struct assay_cpu_buffer *uses[8];
  uint32_t count = 0;
  for (uint32_t i = 0; i < node->input_count; i++)
    if (!(uses[count++] = assay_cpu_form_get(build, node->inputs[i], plain_of(build, node->inputs[i])))) return ASSAY_E_MEMORY;
  for (int32_t i = 0; i < (int32_t)node->output_count; i++)
    if (!(uses[count++] = assay_cpu_form_new(build, node->first_output + i, plain_of(build, node->first_output + i)))) return ASSAY_E_MEMORY;
  struct rows_step *step = assay_cpu_emit(build, sizeof *step, kind, run);
  if (!step) return assay_cpu_no_memory(build->status);
  for (uint32_t u = 0; u < count; u++)
    if (!(u < node->input_count ? assay_cpu_read : assay_cpu_write)(build, step, uses[u])) return assay_cpu_no_memory(build->status);
  step->op = node->op;
  *made = step;
  return 0;
}

/* ---- Softmax ---- */

static void softmax_part(const void *context, int64_t begin, int64_t end) {
  const struct rows_context *c = context;
  c->kernels->softmax(c->at[0], c->at[1], c->step->shape.channels, c->step->op == ASSAY_OP_LOG_SOFTMAX, begin, end);
}
static void cross_entropy_part(const void *context, int64_t begin, int64_t end) {
  const struct rows_context *c = context;
  c->kernels->softmax_cross_entropy(c->at[0], c->at[1], c->at[2], c->step->shape.channels, begin, end);
}

static int run_softmax(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  const struct rows_context context = context_of(base, frame);
  const struct assay_cpu_rows *shape = &context.step->shape;
  assay_cpu_share(frame, shape->rows, 8 * shape->rows * shape->channels, context.step->op == ASSAY_OP_SOFTMAX_CROSS_ENTROPY ? cross_entropy_part : softmax_part,
                  &context);
  return 0;
}

static int emit_classes(struct assay_cpu_build *build, const struct assay_node *node, const char *kind) {
  struct rows_step *step;
  const int error = emit(build, node, kind, run_softmax, &step);
  if (error) return error;
  const struct assay_tensor_type *type = assay_cpu_type(build, node->inputs[0]);
  step->shape.channels = type->rank ? type->extents[type->rank - 1] : 1;
  step->shape.rows = step->shape.channels ? assay_element_count(type) / step->shape.channels : 0;
  return 0;
}

int assay_cpu_emit_softmax(struct assay_cpu_build *build, const struct assay_node *node) { return emit_classes(build, node, "softmax"); }
int assay_cpu_emit_cross_entropy(struct assay_cpu_build *build, const struct assay_node *node) { return emit_classes(build, node, "cross-entropy"); }

/* ---- Random numbers ---- */

static void random_part(const void *context, int64_t begin, int64_t end) {
  const struct rows_context *c = context;
  c->kernels->random_uniform(c->at[0], c->step->stream, c->at[1], c->step->shape.channels, begin, end);
}

static int run_random(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  const struct rows_context context = context_of(base, frame);
  const struct assay_cpu_rows *shape = &context.step->shape;
  assay_cpu_share(frame, shape->rows, 4 * shape->rows * shape->channels, random_part, &context);
  return 0;
}

int assay_cpu_emit_random(struct assay_cpu_build *build, const struct assay_node *node) {
  struct rows_step *step;
  const int error = emit(build, node, "random", run_random, &step);
  if (error) return error;
  const struct assay_tensor_type *type = assay_cpu_type(build, node->first_output);
  step->stream = ((const struct assay_random_attributes *)node->attributes)->stream;
  step->shape.rows = type->extents[0];
  step->shape.channels = assay_element_count(type) / (type->extents[0] ? type->extents[0] : 1);
  return 0;
}
