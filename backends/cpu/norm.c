/* SPDX-License-Identifier: MIT
 *
 * Batch normalisation in two passes over the images, one for sums and one that writes, forward and backward. ReLU behind it, and the sum with another branch between them, are
 * done by the pass that writes; backwards, the gradient of that ReLU is taken on the way through both passes: whether a result was positive is seen again from x.
 *
 * Images are `groups` groups of `rows` rows of `width` channels: one group where channels are last, one an image and block of channels where they lie in blocks.
 */
#include "cpu.h"

#include <math.h>
#include <string.h>

/* Rows are summed in chunks of fixed size, and the chunks in order: the result does not depend on the number of threads. */
enum { CHUNK = 2048, MOST_USES = 10 };

struct norm_step {
  struct assay_cpu_step step;
  int64_t channels, groups, rows, width;
  bool relu, residual; /* backward: relu */
  double epsilon;
};

struct norm_context {
  const struct norm_step *step;
  const struct assay_cpu_kernels *kernels;
  float *at[MOST_USES];
  struct assay_cpu_norm norm;
  float *sums;
};

static int64_t chunks_of(const struct norm_step *step) { return (step->rows + CHUNK - 1) / CHUNK; }
static int64_t blocks_of(const struct norm_step *step) { return step->channels / step->width; }
static int64_t work_of(const struct norm_step *step) { return step->groups * step->rows * step->width; }

static struct norm_context context_of(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame, uint32_t scratch_use) {
  struct norm_context context = {.step = (const struct norm_step *)base, .kernels = frame->kernels};
  for (uint32_t u = 0; u < base->use_count && u < MOST_USES; u++) context.at[u] = assay_cpu_at(frame, base->uses[u].buffer);
  float *scratch = context.at[scratch_use];
  const int64_t channels = context.step->channels;
  context.norm = (struct assay_cpu_norm){.a = scratch, .b = scratch + channels, .c = scratch + 2 * channels, .relu = context.step->relu};
  context.norm.factor = scratch + 3 * channels;
  context.norm.shift = scratch + 4 * channels;
  context.sums = scratch + 5 * channels;
  return context;
}

/* A chunk of a group: where it lies, its rows, the numbers of its channels, its sums. */
struct chunk {
  int64_t start, rows;
  struct assay_cpu_norm norm;
  int64_t channel;
  float *sums;
};

static struct chunk chunk_of(const struct norm_context *c, int64_t number) {
  const struct norm_step *step = c->step;
  const int64_t chunks = chunks_of(step), group = number / chunks, first = number % chunks * CHUNK, channel = group % blocks_of(step) * step->width;
  struct chunk chunk = {.start = (group * step->rows + first) * step->width,
                        .rows = first + CHUNK < step->rows ? CHUNK : step->rows - first,
                        .norm = c->norm,
                        .channel = channel,
                        .sums = c->sums + 2 * number * step->width};
  chunk.norm.a += channel, chunk.norm.b += channel, chunk.norm.c += channel, chunk.norm.factor += channel, chunk.norm.shift += channel;
  return chunk;
}

/* Of all chunks of a channel; `second`: of the other of the two sums. */
static double total(const struct norm_context *c, int64_t channel, bool second) {
  const struct norm_step *step = c->step;
  const int64_t chunks = chunks_of(step), blocks = blocks_of(step);
  double sum = 0;
  for (int64_t group = channel / step->width; group < step->groups; group += blocks)
    for (int64_t k = 0; k < chunks; k++) sum += c->sums[(2 * (group * chunks + k) + second) * step->width + channel % step->width];
  return sum;
}

/* A channel's first number, by which sums of squares are shifted. */
static const float *first_of(const struct norm_step *step, const float *x, int64_t channel) {
  return x + channel / step->width * step->rows * step->width + channel % step->width;
}

/* ---- Forward ---- */

static void sums_part(const void *context, int64_t begin, int64_t end) {
  const struct norm_context *c = context;
  for (int64_t k = begin; k < end; k++) {
    const struct chunk chunk = chunk_of(c, k);
    c->kernels->norm_sums(c->at[0] + chunk.start, first_of(c->step, c->at[0], chunk.channel), chunk.sums, c->step->width, chunk.rows);
  }
}

/* at[0]: x; at[5]: y; at[6]: what is added. */
static void apply_part(const void *context, int64_t begin, int64_t end) {
  const struct norm_context *c = context;
  for (int64_t k = begin; k < end; k++) {
    const struct chunk chunk = chunk_of(c, k);
    c->kernels->norm_apply(&chunk.norm, c->at[0] + chunk.start, c->step->residual ? c->at[6] + chunk.start : NULL, c->at[5] + chunk.start, c->step->width, chunk.rows);
  }
}

static void share_chunks(const struct norm_context *context, const struct assay_cpu_frame *frame, assay_cpu_part part) {
  assay_cpu_share(frame, context->step->groups * chunks_of(context->step), work_of(context->step), part, context);
}

/* Uses: x, scale, bias; mean, variance, y; what is added; scratch. */
static int run_training(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  struct norm_context context = context_of(base, frame, base->use_count - 1);
  const struct norm_step *step = context.step;
  const float *scale = context.at[1], *bias = context.at[2];
  float *mean = context.at[3], *variance = context.at[4];
  share_chunks(&context, frame, sums_part);
  const double count = (double)(step->groups / blocks_of(step) * step->rows);
  for (int64_t c = 0; c < step->channels; c++) {
    const double average = total(&context, c, false) / count, off = average - *first_of(step, context.at[0], c);
    const double spread = total(&context, c, true) / count - off * off;
    mean[c] = (float)average;
    variance[c] = (float)(spread > 0 || spread != spread ? spread : 0);
    const double a = scale[c] / sqrt(variance[c] + step->epsilon);
    context.norm.a[c] = (float)a;
    context.norm.b[c] = (float)(bias[c] - mean[c] * a);
  }
  share_chunks(&context, frame, apply_part);
  return 0;
}

/* Uses: x, scale, bias, mean, variance, y; what is added; scratch. */
static int run_inference(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  struct norm_context context = context_of(base, frame, base->use_count - 1);
  const float *scale = context.at[1], *bias = context.at[2], *mean = context.at[3], *variance = context.at[4];
  for (int64_t c = 0; c < context.step->channels; c++) {
    const double a = scale[c] / sqrt(variance[c] + context.step->epsilon);
    context.norm.a[c] = (float)a;
    context.norm.b[c] = (float)(bias[c] - mean[c] * a);
  }
  share_chunks(&context, frame, apply_part);
  return 0;
}

/* ---- Backward ---- */

static void gradient_sums_part(const void *context, int64_t begin, int64_t end) {
  const struct norm_context *c = context;
  for (int64_t k = begin; k < end; k++) {
    const struct chunk chunk = chunk_of(c, k);
    c->kernels->norm_gradient_sums(&chunk.norm, c->at[0] + chunk.start, c->at[1] + chunk.start, c->at[3] + chunk.channel, chunk.sums, c->step->width, chunk.rows);
  }
}
static void gradient_apply_part(const void *context, int64_t begin, int64_t end) {
  const struct norm_context *c = context;
  for (int64_t k = begin; k < end; k++) {
    const struct chunk chunk = chunk_of(c, k);
    c->kernels->norm_gradient_apply(&chunk.norm, c->at[0] + chunk.start, c->at[1] + chunk.start, c->at[5] + chunk.start, c->step->width, chunk.rows);
  }
}

/* Uses: dy, x, scale, mean, variance; dx, dscale, dbias; bias, with ReLU; scratch. */
static int run_gradient(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  struct norm_context context = context_of(base, frame, base->use_count - 1);
  const struct norm_step *step = context.step;
  struct assay_cpu_norm *norm = &context.norm;
  const float *scale = context.at[2], *mean = context.at[3], *variance = context.at[4];
  float *dscale = context.at[6], *dbias = context.at[7];
  for (int64_t c = 0; c < step->channels && step->relu; c++) { /* as forward, to the bit */
    const double a = scale[c] / sqrt(variance[c] + step->epsilon);
    norm->factor[c] = (float)a;
    norm->shift[c] = (float)(context.at[8][c] - mean[c] * a);
  }
  share_chunks(&context, frame, gradient_sums_part);
  const double count = (double)(step->groups / blocks_of(step) * step->rows);
  for (int64_t c = 0; c < step->channels; c++) {
    const double inverse = 1 / sqrt(variance[c] + step->epsilon), a = scale[c] * inverse;
    const double sum = total(&context, c, false), product = total(&context, c, true), b = -a * inverse * inverse * product / count;
    dscale[c] = (float)(product * inverse);
    dbias[c] = (float)sum;
    norm->a[c] = (float)a;
    norm->b[c] = (float)b;
    norm->c[c] = (float)(-a * sum / count - b * mean[c]);
  }
  share_chunks(&context, frame, gradient_apply_part);
  return 0;
}

/* ---- What is fused ---- */

static bool same_extents(const struct assay_tensor_type *a, const struct assay_tensor_type *b) {
  return a->rank == b->rank && memcmp(a->extents, b->extents, (size_t)a->rank * sizeof *a->extents) == 0;
}

struct behind {
  int32_t result, residual; /* values; residual -1: none */
  uint32_t nodes[2];        /* the sum and ReLU; UINT32_MAX: none */
};

/* ReLU behind the normalisation, or a sum with what is there already and ReLU. */
static struct behind find_behind(const struct assay_cpu_build *build, int32_t y) {
  const struct behind none = {y, -1, {UINT32_MAX, UINT32_MAX}};
  struct behind behind = none;
  uint32_t next = assay_cpu_only_consumer(build, y);
  if (next == UINT32_MAX || build->done[next]) return none;
  const struct assay_node *node = build->graph->nodes[next];
  if (node->op == ASSAY_OP_ADD && node->inputs[0] != node->inputs[1]) {
    behind.residual = node->inputs[node->inputs[0] == y ? 1 : 0];
    if (!build->values[behind.residual].forms || !same_extents(assay_cpu_type(build, behind.residual), assay_cpu_type(build, y))) return none;
    behind.nodes[0] = next;
    next = assay_cpu_only_consumer(build, node->first_output);
    if (next == UINT32_MAX || build->done[next]) return none;
    node = build->graph->nodes[next];
  }
  if (node->op != ASSAY_OP_RELU) return none;
  behind.nodes[1] = next;
  behind.result = node->first_output;
  return behind;
}

/* dy = select(0 < relu(norm(x)), g, 0), read by nothing else, where the normalisation is the one whose gradient this is. */
struct masked {
  int32_t gradient, bias; /* values: g; the normalisation's bias. -1: it is not so */
  uint32_t nodes[2];      /* the comparison and the selection */
};

static struct masked find_mask(const struct assay_cpu_build *build, uint32_t index) {
  const struct masked none = {-1, -1, {UINT32_MAX, UINT32_MAX}};
  const struct assay_graph *graph = build->graph;
  const struct assay_node *norm_gradient = graph->nodes[index], *selection = assay_cpu_producer(build, norm_gradient->inputs[0]);
  double zero;
  if (selection->op != ASSAY_OP_SELECT || assay_cpu_only_consumer(build, selection->first_output) != index || !assay_cpu_constant(build, selection->inputs[2], &zero) || zero != 0 ||
      !same_extents(assay_cpu_type(build, selection->inputs[1]), assay_cpu_type(build, selection->first_output)))
    return none;
  const struct assay_node *comparison = assay_cpu_producer(build, selection->inputs[0]);
  const uint32_t selection_at = (uint32_t)graph->producers[selection->first_output];
  if (comparison->op != ASSAY_OP_LESS || assay_cpu_only_consumer(build, comparison->first_output) != selection_at || !assay_cpu_constant(build, comparison->inputs[0], &zero) ||
      zero != 0)
    return none;
  const struct assay_node *relu = assay_cpu_producer(build, comparison->inputs[1]);
  const struct assay_node *norm = relu->op == ASSAY_OP_RELU ? assay_cpu_producer(build, relu->inputs[0]) : relu;
  if (norm->op != ASSAY_OP_BATCH_NORM_TRAINING || relu->inputs[0] != norm->first_output || norm->inputs[0] != norm_gradient->inputs[1] ||
      norm->inputs[1] != norm_gradient->inputs[2] || norm->first_output + 1 != norm_gradient->inputs[3] || norm->first_output + 2 != norm_gradient->inputs[4])
    return none;
  return (struct masked){selection->inputs[1], norm->inputs[2], {(uint32_t)graph->producers[comparison->first_output], selection_at}};
}

void assay_cpu_absorb_masks(struct assay_cpu_build *build) {
  for (uint32_t n = 0; n < build->graph->node_count; n++) {
    if (build->graph->nodes[n]->op != ASSAY_OP_BATCH_NORM_TRAINING_GRADIENT) continue;
    const struct masked masked = find_mask(build, n);
    if (masked.gradient < 0) continue;
    for (int i = 0; i < 2; i++) build->done[masked.nodes[i]] = ASSAY_CPU_ABSORBED;
  }
}

/* ---- Compiling ---- */

static const struct assay_cpu_layout *layout_of(struct assay_cpu_build *build, int32_t value) { return assay_cpu_layout_image(build->executable, assay_cpu_type(build, value)); }

static struct norm_step *begin(struct assay_cpu_build *build, const struct assay_node *node, int32_t images, int (*run)(const struct assay_cpu_step *, const struct assay_cpu_frame *)) {
  struct norm_step *step = assay_cpu_emit(build, sizeof *step, "batch norm", run);
  const struct assay_tensor_type *type = assay_cpu_type(build, images);
  if (!step) return NULL;
  step->channels = step->width = type->extents[1];
  step->groups = step->rows = 1;
  for (int32_t axis = 0; axis < type->rank; axis++)
    if (axis != 1) step->rows *= type->extents[axis];
  if (!layout_of(build, images)->permuted) {
    step->width = ASSAY_CPU_BLOCK;
    step->groups = type->extents[0] * (step->channels / ASSAY_CPU_BLOCK);
    step->rows = type->extents[2] * type->extents[3];
  }
  step->epsilon = ((const struct assay_epsilon_attributes *)node->attributes)->epsilon;
  return step;
}

/* `aligned`: its element i is touched together with element i of the images that are written. */
static int add_use(struct assay_cpu_build *build, struct norm_step *step, struct assay_cpu_buffer *buffer, bool write, bool aligned) {
  if (!(write ? assay_cpu_write : assay_cpu_read)(build, step, buffer)) return assay_cpu_no_memory(build->status);
  step->step.uses[step->step.use_count - 1].aligned = aligned;
  return 0;
}

static int add_scratch(struct assay_cpu_build *build, struct norm_step *step) {
  const int64_t numbers = 5 * step->channels + 2 * step->groups * chunks_of(step) * step->width;
  return assay_cpu_scratch(build, step, (uint64_t)numbers * sizeof(float)) ? 0 : ASSAY_E_MEMORY;
}

static int emit_forward(struct assay_cpu_build *build, const struct assay_node *node) {
  const bool training = node->op == ASSAY_OP_BATCH_NORM_TRAINING;
  const struct behind behind = find_behind(build, node->first_output);
  struct assay_cpu_buffer *uses[7] = {NULL};
  for (uint32_t i = 0; i < node->input_count; i++)
    if (!(uses[i] = assay_cpu_form_get(build, node->inputs[i], layout_of(build, node->inputs[i])))) return ASSAY_E_MEMORY;
  for (int32_t i = 1; i < (int32_t)node->output_count; i++)
    if (!(uses[2 + i] = assay_cpu_form_new(build, node->first_output + i, layout_of(build, node->first_output + i)))) return ASSAY_E_MEMORY;
  if (behind.residual >= 0 && !(uses[6] = assay_cpu_form_get(build, behind.residual, layout_of(build, behind.residual)))) return ASSAY_E_MEMORY;
  if (!(uses[5] = assay_cpu_form_new(build, behind.result, layout_of(build, behind.result)))) return ASSAY_E_MEMORY;
  struct norm_step *step = begin(build, node, node->inputs[0], training ? run_training : run_inference);
  if (!step) return assay_cpu_no_memory(build->status);
  step->relu = behind.nodes[1] != UINT32_MAX;
  step->residual = behind.residual >= 0;
  int error = 0;
  for (uint32_t u = 0; u < 7 && !error; u++)
    if (uses[u]) error = add_use(build, step, uses[u], u == 5 || (training && u > 2 && u < 5), u == 0 || u > 4);
  for (int i = 0; i < 2; i++)
    if (behind.nodes[i] != UINT32_MAX) build->done[behind.nodes[i]] = 1;
  return error ? error : add_scratch(build, step);
}

static int emit_gradient(struct assay_cpu_build *build, const struct assay_node *node, uint32_t index) {
  const struct masked masked = find_mask(build, index);
  const bool relu = masked.gradient >= 0 && build->done[masked.nodes[0]] == ASSAY_CPU_ABSORBED;
  struct assay_cpu_buffer *uses[9] = {NULL};
  for (uint32_t i = 0; i < 5; i++) {
    const int32_t value = i == 0 && relu ? masked.gradient : node->inputs[i];
    if (!(uses[i] = assay_cpu_form_get(build, value, layout_of(build, value)))) return ASSAY_E_MEMORY;
  }
  for (int32_t i = 0; i < 3; i++)
    if (!(uses[5 + i] = assay_cpu_form_new(build, node->first_output + i, layout_of(build, node->first_output + i)))) return ASSAY_E_MEMORY;
  if (relu && !(uses[8] = assay_cpu_form_get(build, masked.bias, layout_of(build, masked.bias)))) return ASSAY_E_MEMORY;
  struct norm_step *step = begin(build, node, node->inputs[1], run_gradient);
  if (!step) return assay_cpu_no_memory(build->status);
  step->relu = relu;
  int error = 0;
  for (uint32_t u = 0; u < 9 && !error; u++)
    if (uses[u]) error = add_use(build, step, uses[u], u > 4 && u < 8, u < 2 || u == 5);
  return error ? error : add_scratch(build, step);
}

int assay_cpu_emit_batch_norm(struct assay_cpu_build *build, uint32_t index) {
  const struct assay_node *node = build->graph->nodes[index];
  return node->op == ASSAY_OP_BATCH_NORM_TRAINING_GRADIENT ? emit_gradient(build, node, index) : emit_forward(build, node);
}
