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
  struct assay_cpu_sparse shape;
  struct assay_cpu_pool pool;
};

struct sparse_context {
  const struct sparse_step *step;
  const struct assay_cpu_kernels *kernels;
  const float *source; /* x, or padded weights */
  const float *gradients;
  const int32_t *where;
  int32_t *places;
  float *padded, *sums, *out; /* sums: of weights' gradients, or padded weights */
  int64_t parts;
};

static struct assay_cpu_sparse shape_of(const struct assay_cpu_sparse_attributes *a, const struct assay_tensor_type *x, const struct assay_tensor_type *pooled,
                                        const struct assay_tensor_type *w) {
  return (struct assay_cpu_sparse){
    .batch = x->extents[0],
    .channels = x->extents[1],
    .height = x->extents[2],
    .width = x->extents[3],
    .out_channels = pooled->extents[1],
    .pooled = pooled->extents[2] * pooled->extents[3],
    .kernel = {w->extents[2], w->extents[3]},
    .pad = {a->convolution.pad_low[0], a->convolution.pad_low[1]},
    .plane_height = x->extents[2] + a->convolution.pad_low[0] + a->convolution.pad_high[0],
    .plane_width = x->extents[3] + a->convolution.pad_low[1] + a->convolution.pad_high[1],
  };
}

/* The plane that was pooled: the convolution's result. */
static struct assay_cpu_pool pool_of(const struct assay_cpu_sparse_attributes *a, const struct assay_cpu_sparse *shape, const struct assay_tensor_type *pooled) {
  struct assay_tensor_type plane = *pooled;
  plane.extents[2] = shape->plane_height - shape->kernel[0] + 1;
  plane.extents[3] = shape->plane_width - shape->kernel[1] + 1;
  return assay_cpu_describe_pool(&a->pool, &plane, pooled);
}

static void places_part(const void *context, int64_t begin, int64_t end) {
  const struct sparse_context *c = context;
  c->kernels->sparse_places(&c->step->pool, c->where, c->step->shape.plane_width, c->places, begin, end);
}
static void pad_part(const void *context, int64_t begin, int64_t end) {
  const struct sparse_context *c = context;
  c->kernels->sparse_pad(&c->step->shape, c->source, c->padded, begin, end);
}
static void weight_part(const void *context, int64_t begin, int64_t end) {
  const struct sparse_context *c = context;
  c->kernels->sparse_weight_gradient(&c->step->shape, c->padded, c->gradients, c->places, c->sums, c->out, begin, end);
}

static int64_t work_of(const struct assay_cpu_sparse *s) {
  return s->batch * s->pooled * s->out_channels * s->kernel[0] * s->kernel[1] * (s->channels < 8 ? 1 : s->channels / 8);
}

static void find_places(const struct sparse_context *c, const struct assay_cpu_frame *frame) {
  const struct assay_cpu_sparse *shape = &c->step->shape;
  assay_cpu_share(frame, shape->batch * c->step->pool.out_height, shape->batch * shape->pooled * shape->out_channels, places_part, c);
}

/* Uses: x, gradients, where; result; places, padded images, sums. */
static int run_weight_gradient(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  const struct sparse_step *step = (const struct sparse_step *)base;
  void *at[7];
  for (int u = 0; u < 7; u++) at[u] = assay_cpu_at(frame, base->uses[u].buffer);
  const struct sparse_context context = {
    .step = step, .kernels = frame->kernels, .source = at[0], .gradients = at[1], .where = at[2], .out = at[3], .places = at[4], .padded = at[5], .sums = at[6]};
  find_places(&context, frame);
  assay_cpu_share(frame, step->shape.batch, step->shape.batch * step->shape.height * step->shape.width * step->shape.channels, pad_part, &context);
  assay_cpu_share(frame, step->shape.out_channels, work_of(&step->shape), weight_part, &context);
  return 0;
}

int assay_cpu_emit_sparse_weight_gradient(struct assay_cpu_build *build, const struct assay_node *node) {
  const struct assay_cpu_sparse_attributes *attributes = node->attributes;
  const struct assay_tensor_type *pooled = assay_cpu_type(build, node->inputs[1]);
  const struct assay_cpu_kernels *kernels = build->executable->device->kernels;
  struct assay_cpu_buffer *x = last_form(build, node->inputs[0]), *gradients = x ? last_form(build, node->inputs[1]) : NULL;
  struct assay_cpu_buffer *where = gradients ? last_form(build, node->inputs[2]) : NULL;
  struct assay_cpu_buffer *out = where ? assay_cpu_form_new(build, node->first_output, taps_last(build, node->first_output)) : NULL;
  struct sparse_step *step = out ? assay_cpu_emit(build, sizeof *step, "sparse weight gradient", run_weight_gradient) : NULL;
  if (!step || !assay_cpu_read(build, step, x) || !assay_cpu_read(build, step, gradients) || !assay_cpu_read(build, step, where) ||
      !assay_cpu_write(build, step, out))
    return assay_cpu_no_memory(build->status);
  const struct assay_cpu_sparse shape = shape_of(attributes, assay_cpu_type(build, node->inputs[0]), pooled, assay_cpu_type(build, node->first_output));
  step->shape = shape;
  step->pool = pool_of(attributes, &shape, pooled);
  const int64_t slack = kernels->sparse_round(1), padded = shape.batch * shape.plane_height * shape.plane_width * shape.channels + slack;
  const int64_t sums = shape.out_channels * shape.kernel[0] * kernels->sparse_round(shape.kernel[1] * shape.channels);
  if (!assay_cpu_scratch(build, step, (uint64_t)assay_element_count(pooled) * sizeof(int32_t)) || !assay_cpu_scratch(build, step, (uint64_t)padded * sizeof(float)) ||
      !assay_cpu_scratch(build, step, (uint64_t)sums * sizeof(float)))
    return assay_cpu_no_memory(build->status);
  return 0;
}

/* Channels filled up with zeros to whole vectors. */
static void pad_weights(const struct sparse_context *c, float *padded) {
  const struct assay_cpu_sparse *s = &c->step->shape;
  const int64_t taps = s->out_channels * s->kernel[0] * s->kernel[1], pixel = c->kernels->sparse_round(s->channels);
  for (int64_t t = 0; t < taps; t++) {
    memcpy(padded + t * pixel, c->source + t * s->channels, (size_t)s->channels * sizeof *padded);
    memset(padded + t * pixel + s->channels, 0, (size_t)(pixel - s->channels) * sizeof *padded);
  }
}

/* Images in as many parts as there are threads, each with a plane of its own. */
static void input_part(const void *context, int64_t begin, int64_t end) {
  const struct sparse_context *c = context;
  const struct assay_cpu_sparse *s = &c->step->shape;
  const int64_t plane = s->plane_height * s->plane_width * c->kernels->sparse_round(s->channels);
  for (int64_t part = begin; part < end; part++)
    c->kernels->sparse_input_gradient(s, c->sums, c->gradients, c->places, c->padded + part * plane, c->out, s->batch * part / c->parts,
                                      s->batch * (part + 1) / c->parts);
}

/* Uses: gradients, weights, where; result; places, planes, padded weights. */
static int run_input_gradient(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  const struct sparse_step *step = (const struct sparse_step *)base;
  void *at[7];
  for (int u = 0; u < 7; u++) at[u] = assay_cpu_at(frame, base->uses[u].buffer);
  struct sparse_context context = {.step = step, .kernels = frame->kernels, .gradients = at[0], .source = at[1], .where = at[2], .out = at[3], .places = at[4],
                                   .padded = at[5], .sums = at[6], .parts = frame->threads};
  find_places(&context, frame);
  pad_weights(&context, context.sums);
  assay_cpu_share(frame, frame->threads, work_of(&step->shape), input_part, &context);
  return 0;
}

int assay_cpu_emit_sparse_input_gradient(struct assay_cpu_build *build, const struct assay_node *node) {
  const struct assay_cpu_sparse_attributes *attributes = node->attributes;
  const struct assay_tensor_type *pooled = assay_cpu_type(build, node->inputs[0]);
  const struct assay_device *device = build->executable->device;
  struct assay_cpu_buffer *gradients = last_form(build, node->inputs[0]);
  struct assay_cpu_buffer *weights = gradients ? assay_cpu_form_get(build, node->inputs[1], taps_last(build, node->inputs[1])) : NULL;
  struct assay_cpu_buffer *where = weights ? last_form(build, node->inputs[2]) : NULL;
  struct assay_cpu_buffer *out = where ? assay_cpu_form_new(build, node->first_output, last_of(build, node->first_output)) : NULL;
  struct sparse_step *step = out ? assay_cpu_emit(build, sizeof *step, "sparse input gradient", run_input_gradient) : NULL;
  if (!step || !assay_cpu_read(build, step, gradients) || !assay_cpu_read(build, step, weights) || !assay_cpu_read(build, step, where) ||
      !assay_cpu_write(build, step, out))
    return assay_cpu_no_memory(build->status);
  const struct assay_cpu_sparse shape = shape_of(attributes, assay_cpu_type(build, node->first_output), pooled, assay_cpu_type(build, node->inputs[1]));
  step->shape = shape;
  step->pool = pool_of(attributes, &shape, pooled);
  const int64_t pixel = device->kernels->sparse_round(shape.channels), planes = device->threads * shape.plane_height * shape.plane_width * pixel;
  const int64_t taps = shape.out_channels * shape.kernel[0] * shape.kernel[1];
  if (!assay_cpu_scratch(build, step, (uint64_t)assay_element_count(pooled) * sizeof(int32_t)) || !assay_cpu_scratch(build, step, (uint64_t)planes * sizeof(float)) ||
      !assay_cpu_scratch(build, step, (uint64_t)(taps * pixel) * sizeof(float)))
    return assay_cpu_no_memory(build->status);
  return 0;
}
