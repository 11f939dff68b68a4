/* SPDX-License-Identifier: MIT
 *
 * The steps of gradients that stay on the pooled plane; see behind_pool.c for how a graph comes to have them.
 */
#include "cpu.h"

#include <string.h>

static const struct assay_cpu_layout *last_of(struct assay_cpu_build *build, int32_t value) {
  return assay_cpu_layout_channels_last(build->executable, assay_cpu_type(build, value));
}
static struct assay_cpu_buffer *last_form(struct assay_cpu_build *build, int32_t value) { return assay_cpu_form_get(build, value, last_of(build, value)); }

/* Weights or their gradient as O, KH, KW, C. */
static const struct assay_cpu_layout *taps_last(struct assay_cpu_build *build, int32_t value) {
  static const int32_t order[ASSAY_MAX_RANK] = {0, 2, 3, 1};
  return assay_cpu_layout_order(build->executable, assay_cpu_type(build, value), order);
}

/* ---- Values at the places of the maxima ---- */

struct gather_step {
  struct assay_cpu_step step; /* uses: values, where, result */
  struct assay_cpu_pool pool;
  size_t element;
};

struct gather_context {
  const struct gather_step *step;
  const unsigned char *from;
  const int32_t *where;
  unsigned char *to;
};

static void gather_part(const void *context, int64_t begin, int64_t end) {
  const struct gather_context *c = context;
  const struct assay_cpu_pool *p = &c->step->pool;
  for (int64_t row = begin; row < end; row++)
    for (int64_t ow = 0; ow < p->out_width; ow++) {
      const int64_t n = row / p->out_height, oh = row % p->out_height, out = (row * p->out_width + ow) * p->channels;
      const int64_t corner = (n * p->height + oh * p->stride[0]) * p->width + ow * p->stride[1];
      for (int64_t k = 0; k < p->channels; k++) {
        const int64_t tap = c->where[out + k], pixel = corner + tap / p->kernel[1] * p->width + tap % p->kernel[1];
        if (c->step->element == 4) memcpy(c->to + (size_t)(out + k) * 4, c->from + (size_t)(pixel * p->channels + k) * 4, 4);
        else c->to[out + k] = c->from[pixel * p->channels + k];
      }
    }
}

static int run_gather(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  const struct gather_step *step = (const struct gather_step *)base;
  const struct gather_context context = {step, assay_cpu_at(frame, base->uses[0].buffer), assay_cpu_at(frame, base->uses[1].buffer),
                                         assay_cpu_at(frame, base->uses[2].buffer)};
  const int64_t rows = step->pool.batch * step->pool.out_height;
  assay_cpu_share(frame, rows, 4 * rows * step->pool.out_width * step->pool.channels, gather_part, &context);
  return 0;
}

int assay_cpu_emit_gather_maxima(struct assay_cpu_build *build, const struct assay_node *node) {
  struct assay_cpu_buffer *from = last_form(build, node->inputs[0]), *where = from ? last_form(build, node->inputs[1]) : NULL;
  struct assay_cpu_buffer *to = where ? assay_cpu_form_new(build, node->first_output, last_of(build, node->first_output)) : NULL;
  struct gather_step *step = to ? assay_cpu_emit(build, sizeof *step, "gather maxima", run_gather) : NULL;
  if (!step || !assay_cpu_read(build, step, from) || !assay_cpu_read(build, step, where) || !assay_cpu_write(build, step, to))
    return assay_cpu_no_memory(build->status);
  step->pool = assay_cpu_describe_pool(node->attributes, assay_cpu_type(build, node->inputs[0]), assay_cpu_type(build, node->first_output));
  step->element = assay_dtype_size(assay_cpu_type(build, node->first_output)->dtype);
  return 0;
}

/* ---- Convolution gradients ---- */

struct sparse_step {
  struct assay_cpu_step step;
  const struct assay_cpu_sparse_attributes *attributes;
  struct assay_cpu_sparse_sizes sizes;
};

struct sparse_context {
  const struct sparse_step *step;
  const struct assay_cpu_sparse *shape;
  const struct assay_cpu_kernels *kernels;
  struct assay_cpu_pairs pairs;
  const float *source; /* x, weights, or the pooled gradient */
  const int32_t *where;
  float *first, *second; /* scratch */
  float *out;
  int64_t parts;
};

static int64_t lists_of(const struct assay_cpu_sparse *shape) { return shape->batch * shape->out_channels; }

int64_t assay_cpu_pairs_size(const struct assay_cpu_sparse *shape) {
  struct assay_cpu_sparse_sizes sizes;
  assay_cpu_kernels_base.sparse_sizes(shape, &sizes);
  return lists_of(shape) * (2 * sizes.list + 1);
}

/* Places of all lists, then their gradients, then the counts. */
static struct assay_cpu_pairs pairs_in(void *memory, const struct sparse_step *step) {
  const int64_t lists = lists_of(&step->attributes->shape);
  int32_t *places = memory;
  float *gradients = (float *)(void *)(places + lists * step->sizes.list);
  return (struct assay_cpu_pairs){places, gradients, (int32_t *)(void *)(gradients + lists * step->sizes.list), step->sizes.list};
}

static struct sparse_context context_of(const struct sparse_step *step, const struct assay_cpu_frame *frame) {
  return (struct sparse_context){.step = step, .shape = &step->attributes->shape, .kernels = frame->kernels, .parts = frame->threads};
}

static int64_t work_of(const struct assay_cpu_sparse *s) {
  return lists_of(s) * s->pooled * s->kernel[0] * s->kernel[1] * (s->channels < 8 ? 1 : s->channels / 8);
}

static struct sparse_step *emit(struct assay_cpu_build *build, const struct assay_node *node, const char *kind,
                                int (*run)(const struct assay_cpu_step *, const struct assay_cpu_frame *)) {
  struct sparse_step *step = assay_cpu_emit(build, sizeof *step, kind, run);
  if (!step) return NULL;
  step->attributes = node->attributes;
  build->executable->device->kernels->sparse_sizes(&step->attributes->shape, &step->sizes);
  return step;
}

static void pairs_part(const void *context, int64_t begin, int64_t end) {
  const struct sparse_context *c = context;
  c->kernels->sparse_pairs(c->shape, &c->step->attributes->pool, c->source, c->where, &c->pairs, begin, end);
}

/* Uses: pooled gradient, where; pairs. */
static int run_pairs(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  struct sparse_context context = context_of((const struct sparse_step *)base, frame);
  context.source = assay_cpu_at(frame, base->uses[0].buffer);
  context.where = assay_cpu_at(frame, base->uses[1].buffer);
  context.pairs = pairs_in(assay_cpu_at(frame, base->uses[2].buffer), context.step);
  assay_cpu_share(frame, context.shape->batch, 2 * lists_of(context.shape) * context.shape->pooled, pairs_part, &context);
  return 0;
}

int assay_cpu_emit_sparse_pairs(struct assay_cpu_build *build, const struct assay_node *node) {
  struct assay_cpu_buffer *gradients = last_form(build, node->inputs[0]), *where = gradients ? last_form(build, node->inputs[1]) : NULL;
  struct assay_cpu_buffer *out = where ? assay_cpu_form_new(build, node->first_output, last_of(build, node->first_output)) : NULL;
  struct sparse_step *step = out ? emit(build, node, "sparse pairs", run_pairs) : NULL;
  if (!step || !assay_cpu_read(build, step, gradients) || !assay_cpu_read(build, step, where) || !assay_cpu_write(build, step, out))
    return assay_cpu_no_memory(build->status);
  return 0;
}

static void pad_part(const void *context, int64_t begin, int64_t end) {
  const struct sparse_context *c = context;
  c->kernels->sparse_pad(c->shape, c->source, c->first, begin, end);
}
static void weight_part(const void *context, int64_t begin, int64_t end) {
  const struct sparse_context *c = context;
  c->kernels->sparse_weight_gradient(c->shape, c->first, &c->pairs, c->second, c->out, begin, end);
}

/* Uses: x, pairs; result; padded images, sums. */
static int run_weight_gradient(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  struct sparse_context context = context_of((const struct sparse_step *)base, frame);
  const struct assay_cpu_sparse *shape = context.shape;
  context.source = assay_cpu_at(frame, base->uses[0].buffer);
  context.pairs = pairs_in(assay_cpu_at(frame, base->uses[1].buffer), context.step);
  context.out = assay_cpu_at(frame, base->uses[2].buffer);
  context.first = assay_cpu_at(frame, base->uses[3].buffer);
  context.second = assay_cpu_at(frame, base->uses[4].buffer);
  assay_cpu_share(frame, shape->batch, shape->batch * shape->height * shape->width * shape->channels, pad_part, &context);
  assay_cpu_share(frame, shape->out_channels, work_of(shape), weight_part, &context);
  return 0;
}

int assay_cpu_emit_sparse_weight_gradient(struct assay_cpu_build *build, const struct assay_node *node) {
  struct assay_cpu_buffer *x = last_form(build, node->inputs[0]), *pairs = x ? last_form(build, node->inputs[1]) : NULL;
  struct assay_cpu_buffer *out = pairs ? assay_cpu_form_new(build, node->first_output, taps_last(build, node->first_output)) : NULL;
  struct sparse_step *step = out ? emit(build, node, "sparse weight gradient", run_weight_gradient) : NULL;
  if (!step || !assay_cpu_read(build, step, x) || !assay_cpu_read(build, step, pairs) || !assay_cpu_write(build, step, out) ||
      !assay_cpu_scratch(build, step, (uint64_t)step->sizes.planes * sizeof(float)) ||
      !assay_cpu_scratch(build, step, (uint64_t)step->sizes.sums * sizeof(float)))
    return assay_cpu_no_memory(build->status);
  return 0;
}

/* Images in as many parts as there are threads, each with a plane of its own. */
static void input_part(const void *context, int64_t begin, int64_t end) {
  const struct sparse_context *c = context;
  for (int64_t part = begin; part < end; part++)
    c->kernels->sparse_input_gradient(c->shape, c->second, &c->pairs, c->first + part * c->step->sizes.plane, c->out, c->shape->batch * part / c->parts,
                                      c->shape->batch * (part + 1) / c->parts);
}

/* Uses: pairs, weights; result; planes, weights in blocks. */
static int run_input_gradient(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  struct sparse_context context = context_of((const struct sparse_step *)base, frame);
  context.pairs = pairs_in(assay_cpu_at(frame, base->uses[0].buffer), context.step);
  context.out = assay_cpu_at(frame, base->uses[2].buffer);
  context.first = assay_cpu_at(frame, base->uses[3].buffer);
  context.second = assay_cpu_at(frame, base->uses[4].buffer);
  frame->kernels->sparse_weights(context.shape, assay_cpu_at(frame, base->uses[1].buffer), context.second);
  assay_cpu_share(frame, context.parts, work_of(context.shape), input_part, &context);
  return 0;
}

int assay_cpu_emit_sparse_input_gradient(struct assay_cpu_build *build, const struct assay_node *node) {
  struct assay_cpu_buffer *pairs = last_form(build, node->inputs[0]);
  struct assay_cpu_buffer *weights = pairs ? assay_cpu_form_get(build, node->inputs[1], taps_last(build, node->inputs[1])) : NULL;
  struct assay_cpu_buffer *out = weights ? assay_cpu_form_new(build, node->first_output, last_of(build, node->first_output)) : NULL;
  struct sparse_step *step = out ? emit(build, node, "sparse input gradient", run_input_gradient) : NULL;
  const uint64_t threads = (uint64_t)build->executable->device->threads;
  if (!step || !assay_cpu_read(build, step, pairs) || !assay_cpu_read(build, step, weights) || !assay_cpu_write(build, step, out) ||
      !assay_cpu_scratch(build, step, threads * (uint64_t)step->sizes.plane * sizeof(float)) ||
      !assay_cpu_scratch(build, step, (uint64_t)step->sizes.weights * sizeof(float)))
    return assay_cpu_no_memory(build->status);
  return 0;
}
