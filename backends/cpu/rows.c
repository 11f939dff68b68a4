/* SPDX-License-Identifier: MIT
 *
 * What works on rows: batch normalisation (rows of channels), softmax and cross-entropy (rows of classes), random numbers (a row a sample).
 */
#include "cpu.h"

#include <math.h>
#include <string.h>

static const struct assay_cpu_layout *plain_of(struct assay_cpu_build *build, int32_t value) {
  return assay_cpu_layout_plain(build->executable, assay_cpu_type(build, value));
}
static const struct assay_cpu_layout *last_of(struct assay_cpu_build *build, int32_t value) {
  return assay_cpu_layout_channels_last(build->executable, assay_cpu_type(build, value));
}

struct rows_step {
  struct assay_cpu_step step;
  struct assay_cpu_rows shape;
  uint32_t op, stream;
  double epsilon;
};

struct rows_context {
  const struct rows_step *step;
  const struct assay_cpu_kernels *kernels;
  void *at[8];
  float *a, *b, *c, *sums;
};

static struct rows_context context_of(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  struct rows_context context = {.step = (const struct rows_step *)base, .kernels = frame->kernels};
  for (uint32_t u = 0; u < base->use_count && u < 8; u++) context.at[u] = assay_cpu_at(frame, base->uses[u].buffer);
  return context;
}

/* A step with its buffers: inputs and outputs in the layouts given, then `scratch` bytes. */
static int emit(struct assay_cpu_build *build, const struct assay_node *node, const char *kind,
                int (*run)(const struct assay_cpu_step *, const struct assay_cpu_frame *),
                const struct assay_cpu_layout *(*layout)(struct assay_cpu_build *, int32_t), uint64_t scratch, struct rows_step **made) {
  struct assay_cpu_buffer *uses[8];
  uint32_t count = 0;
  for (uint32_t i = 0; i < node->input_count; i++)
    if (!(uses[count++] = assay_cpu_form_get(build, node->inputs[i], layout(build, node->inputs[i])))) return ASSAY_E_MEMORY;
  for (int32_t i = 0; i < (int32_t)node->output_count; i++)
    if (!(uses[count++] = assay_cpu_form_new(build, node->first_output + i, layout(build, node->first_output + i)))) return ASSAY_E_MEMORY;
  struct rows_step *step = assay_cpu_emit(build, sizeof *step, kind, run);
  if (!step) return assay_cpu_no_memory(build->status);
  for (uint32_t u = 0; u < count; u++)
    if (!(u < node->input_count ? assay_cpu_read : assay_cpu_write)(build, step, uses[u])) return assay_cpu_no_memory(build->status);
  if (scratch && !assay_cpu_scratch(build, step, scratch)) return ASSAY_E_MEMORY;
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
  const int error = emit(build, node, kind, run_softmax, plain_of, 0, &step);
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
  const int error = emit(build, node, "random", run_random, plain_of, 0, &step);
  if (error) return error;
  const struct assay_tensor_type *type = assay_cpu_type(build, node->first_output);
  step->stream = ((const struct assay_random_attributes *)node->attributes)->stream;
  step->shape.rows = type->extents[0];
  step->shape.channels = assay_element_count(type) / (type->extents[0] ? type->extents[0] : 1);
  return 0;
}

/* ---- Batch normalisation ---- */

/* Rows are summed in chunks of fixed size, and the chunks in order: the result does not depend on the number of threads. */
enum { CHUNK = 2048 };

static int64_t chunks_of(const struct assay_cpu_rows *shape) { return (shape->rows + CHUNK - 1) / CHUNK; }

static void training_sums(const void *context, int64_t begin, int64_t end) {
  const struct rows_context *c = context;
  const int64_t rows = c->step->shape.rows, channels = c->step->shape.channels;
  for (int64_t k = begin; k < end; k++) {
    const int64_t stop = (k + 1) * CHUNK < rows ? (k + 1) * CHUNK : rows;
    c->kernels->norm_sums(c->at[0], c->at[0], c->sums + 2 * k * channels, channels, k * CHUNK, stop); /* shifted by the first row */
  }
}
static void gradient_sums(const void *context, int64_t begin, int64_t end) {
  const struct rows_context *c = context;
  const int64_t rows = c->step->shape.rows, channels = c->step->shape.channels;
  for (int64_t k = begin; k < end; k++) {
    const int64_t stop = (k + 1) * CHUNK < rows ? (k + 1) * CHUNK : rows;
    c->kernels->norm_gradient_sums(c->at[0], c->at[1], c->at[3], c->sums + 2 * k * channels, channels, k * CHUNK, stop);
  }
}
static void apply_part(const void *context, int64_t begin, int64_t end) {
  const struct rows_context *c = context;
  c->kernels->norm_apply(c->at[0], c->a, c->b, c->step->op == ASSAY_OP_BATCH_NORM_TRAINING ? c->at[3] : c->at[5], c->step->shape.channels, begin, end);
}
static void gradient_apply_part(const void *context, int64_t begin, int64_t end) {
  const struct rows_context *c = context;
  c->kernels->norm_gradient_apply(c->at[0], c->at[1], c->a, c->b, c->c, c->at[5], c->step->shape.channels, begin, end);
}

static double chunk_total(const struct rows_context *c, int64_t column) {
  double total = 0;
  for (int64_t k = 0; k < chunks_of(&c->step->shape); k++) total += c->sums[2 * k * c->step->shape.channels + column];
  return total;
}

static void divide_scratch(struct rows_context *c, void *scratch) {
  c->a = scratch;
  c->b = c->a + c->step->shape.channels;
  c->c = c->b + c->step->shape.channels;
  c->sums = c->c + c->step->shape.channels;
}

/* Uses: x, scale, bias; y, mean, variance; scratch. */
static int run_training(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  struct rows_context context = context_of(base, frame);
  const struct rows_step *step = context.step;
  const float *scale = context.at[1], *bias = context.at[2], *first = context.at[0];
  float *mean = context.at[4], *variance = context.at[5];
  divide_scratch(&context, context.at[6]);
  const int64_t channels = step->shape.channels, work = step->shape.rows * channels;
  assay_cpu_share(frame, chunks_of(&step->shape), work, training_sums, &context);
  for (int64_t c = 0; c < channels; c++) {
    const double count = (double)step->shape.rows, average = chunk_total(&context, c) / count, off = average - first[c];
    const double spread = chunk_total(&context, channels + c) / count - off * off;
    mean[c] = (float)average;
    variance[c] = (float)(spread > 0 || spread != spread ? spread : 0);
    const double a = scale[c] / sqrt(variance[c] + step->epsilon);
    context.a[c] = (float)a;
    context.b[c] = (float)(bias[c] - average * a);
  }
  assay_cpu_share(frame, step->shape.rows, work, apply_part, &context);
  return 0;
}

/* Uses: dy, x, scale, mean, variance; dx, dscale, dbias; scratch. */
static int run_training_gradient(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  struct rows_context context = context_of(base, frame);
  const struct rows_step *step = context.step;
  const float *scale = context.at[2], *mean = context.at[3], *variance = context.at[4];
  float *dscale = context.at[6], *dbias = context.at[7];
  divide_scratch(&context, assay_cpu_at(frame, base->uses[8].buffer));
  const int64_t channels = step->shape.channels, work = step->shape.rows * channels;
  assay_cpu_share(frame, chunks_of(&step->shape), work, gradient_sums, &context);
  for (int64_t c = 0; c < channels; c++) {
    const double count = (double)step->shape.rows, inverse = 1 / sqrt(variance[c] + step->epsilon), a = scale[c] * inverse;
    const double sum = chunk_total(&context, c), product = chunk_total(&context, channels + c), b = -a * inverse * inverse * product / count;
    dscale[c] = (float)(product * inverse);
    dbias[c] = (float)sum;
    context.a[c] = (float)a;
    context.b[c] = (float)b;
    context.c[c] = (float)(-a * sum / count - b * mean[c]);
  }
  assay_cpu_share(frame, step->shape.rows, work, gradient_apply_part, &context);
  return 0;
}

/* Uses: x, scale, bias, mean, variance; y; scratch. */
static int run_inference(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  struct rows_context context = context_of(base, frame);
  const struct rows_step *step = context.step;
  const float *scale = context.at[1], *bias = context.at[2], *mean = context.at[3], *variance = context.at[4];
  divide_scratch(&context, context.at[6]);
  for (int64_t c = 0; c < step->shape.channels; c++) {
    const double a = scale[c] / sqrt(variance[c] + step->epsilon);
    context.a[c] = (float)a;
    context.b[c] = (float)(bias[c] - mean[c] * a);
  }
  assay_cpu_share(frame, step->shape.rows, step->shape.rows * step->shape.channels, apply_part, &context);
  return 0;
}

int assay_cpu_emit_batch_norm(struct assay_cpu_build *build, const struct assay_node *node) {
  const bool training = node->op == ASSAY_OP_BATCH_NORM_TRAINING, inference = node->op == ASSAY_OP_BATCH_NORM_INFERENCE;
  const struct assay_tensor_type *type = assay_cpu_type(build, node->inputs[training || inference ? 0 : 1]);
  struct assay_cpu_rows shape = {1, type->extents[1]};
  for (int32_t axis = 0; axis < type->rank; axis++)
    if (axis != 1) shape.rows *= type->extents[axis];
  const uint64_t scratch = (uint64_t)(3 * shape.channels + 2 * shape.channels * chunks_of(&shape)) * sizeof(float);
  struct rows_step *step;
  const int error = emit(build, node, "batch norm", training ? run_training : inference ? run_inference : run_training_gradient, last_of, scratch, &step);
  if (error) return error;
  step->shape = shape;
  step->epsilon = ((const struct assay_epsilon_attributes *)node->attributes)->epsilon;
  return 0;
}
