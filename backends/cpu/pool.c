/* SPDX-License-Identifier: MIT
 *
 * Pooling and its gradients, on images as they lie: those in blocks of channels are more images of fewer channels, channels last. The residual of max pooling is the place of the maximum in its window.
 */
#include "cpu.h"

struct pool_step {
  struct assay_cpu_step step;
  struct assay_cpu_pool pool;
};

struct pool_context {
  const struct assay_cpu_pool *pool;
  const struct assay_cpu_kernels *kernels;
  void *at[3];
};

static struct pool_context context_of(const struct pool_step *step, const struct assay_cpu_frame *frame) {
  struct pool_context context = {&step->pool, frame->kernels, {0}};
  for (uint32_t u = 0; u < step->step.use_count && u < 3; u++) context.at[u] = assay_cpu_at(frame, step->step.uses[u].buffer);
  return context;
}

static void max_part(const void *context, int64_t begin, int64_t end) {
  const struct pool_context *c = context;
  c->kernels->max_pool(c->pool, c->at[0], c->at[1], c->at[2], begin, end);
}
static void max_gradient_part(const void *context, int64_t begin, int64_t end) {
  const struct pool_context *c = context;
  c->kernels->max_pool_gradient(c->pool, c->at[0], c->at[1], c->at[2], begin, end);
}
static void avg_part(const void *context, int64_t begin, int64_t end) {
  const struct pool_context *c = context;
  c->kernels->avg_pool(c->pool, c->at[0], c->at[1], begin, end);
}
static void avg_gradient_part(const void *context, int64_t begin, int64_t end) {
  const struct pool_context *c = context;
  c->kernels->avg_pool_gradient(c->pool, c->at[0], c->at[1], begin, end);
}

static int64_t work_of(const struct assay_cpu_pool *pool) { return pool->batch * pool->height * pool->width * pool->channels; }

static int run_rows(const struct pool_step *step, const struct assay_cpu_frame *frame, assay_cpu_part part) {
  const struct pool_context context = context_of(step, frame);
  assay_cpu_share(frame, step->pool.batch * step->pool.out_height, work_of(&step->pool), part, &context);
  return 0;
}
static int run_images(const struct pool_step *step, const struct assay_cpu_frame *frame, assay_cpu_part part) {
  const struct pool_context context = context_of(step, frame);
  assay_cpu_share(frame, step->pool.batch, work_of(&step->pool), part, &context);
  return 0;
}

static int run_max(const struct assay_cpu_step *step, const struct assay_cpu_frame *frame) { return run_rows((const struct pool_step *)step, frame, max_part); }
static int run_avg(const struct assay_cpu_step *step, const struct assay_cpu_frame *frame) { return run_rows((const struct pool_step *)step, frame, avg_part); }
static int run_max_gradient(const struct assay_cpu_step *step, const struct assay_cpu_frame *frame) {
  return run_images((const struct pool_step *)step, frame, max_gradient_part);
}
static int run_avg_gradient(const struct assay_cpu_step *step, const struct assay_cpu_frame *frame) {
  return run_images((const struct pool_step *)step, frame, avg_gradient_part);
}

struct assay_cpu_pool assay_cpu_describe_pool(const struct assay_pool2d_attributes *a, const struct assay_tensor_type *large,
                                              const struct assay_tensor_type *small) {
  return (struct assay_cpu_pool){
    .batch = large->extents[0],
    .channels = large->extents[1],
    .height = large->extents[2],
    .width = large->extents[3],
    .out_height = small->extents[2],
    .out_width = small->extents[3],
    .kernel = {a->kernel[0], a->kernel[1]},
    .stride = {a->stride[0], a->stride[1]},
    .pad = {a->pad_low[0], a->pad_low[1]},
    .count_padding = a->count_padding != 0,
  };
}

int assay_cpu_emit_pool(struct assay_cpu_build *build, const struct assay_node *node) {
  const bool maximum = node->op == ASSAY_OP_MAX_POOL2D || node->op == ASSAY_OP_MAX_POOL2D_GRADIENT;
  const bool gradient = node->op == ASSAY_OP_MAX_POOL2D_GRADIENT || node->op == ASSAY_OP_AVG_POOL2D_GRADIENT;
  const struct assay_tensor_type *input = assay_cpu_type(build, node->inputs[0]), *output = assay_cpu_type(build, node->first_output);
  struct assay_cpu_buffer *uses[3] = {NULL, NULL, NULL};
  uint32_t reads = 0, count = 0;
  for (; reads < node->input_count; reads++) {
    uses[count] = assay_cpu_form_get(build, node->inputs[reads], assay_cpu_layout_image(build->executable, assay_cpu_type(build, node->inputs[reads])));
    if (!uses[count++]) return ASSAY_E_MEMORY;
  }
  for (uint32_t i = 0; i < node->output_count; i++) {
    const int32_t value = node->first_output + (int32_t)i;
    uses[count] = assay_cpu_form_new(build, value, assay_cpu_layout_image(build->executable, assay_cpu_type(build, value)));
    if (!uses[count++]) return ASSAY_E_MEMORY;
  }
  struct pool_step *step = assay_cpu_emit(build, sizeof *step, gradient ? "pool gradient" : "pool",
                                          maximum ? (gradient ? run_max_gradient : run_max) : (gradient ? run_avg_gradient : run_avg));
  if (!step) return assay_cpu_no_memory(build->status);
  for (uint32_t u = 0; u < count; u++)
    if (!(u < reads ? assay_cpu_read : assay_cpu_write)(build, step, uses[u])) return assay_cpu_no_memory(build->status);
  step->pool = gradient ? assay_cpu_describe_pool(node->attributes, output, input) : assay_cpu_describe_pool(node->attributes, input, output);
  if (!assay_cpu_layout_image(build->executable, output)->permuted) {
    step->pool.batch *= step->pool.channels / ASSAY_CPU_BLOCK;
    step->pool.channels = ASSAY_CPU_BLOCK;
  }
  return 0;
}
