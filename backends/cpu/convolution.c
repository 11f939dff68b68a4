/* SPDX-License-Identifier: MIT
 *
 * Convolutions through dnnl. Images lie channels last, so that nothing between convolutions has to be converted, unless a forward primitive
 * that wants something else (Winograd's) is faster with the conversions counted; weights lie as the forward primitive likes them, and
 * their gradient with them. A bias by channel, batch normalisation by running statistics, the sum with another branch, a ReLU or one that is cut at a
 * constant, and the sum that is the bias' gradient are done by the convolution itself where the graph and the chosen primitive allow it.
 */
#include "convolution.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What dnnl needs to know of one convolution. */
struct problem {
  dnnl_dims_t x, w, y, stride, dilation, pad_low, pad_high; /* w has five axes when there are groups */
  int weight_rank;
  dnnl_memory_desc_t source, weights, result, bias; /* channels last; weights: whatever suits */
};

static int describe(struct problem *p, const struct assay_conv2d_attributes *a, const struct assay_tensor_type *x, const struct assay_tensor_type *w,
                    const struct assay_tensor_type *y) {
  memset(p, 0, sizeof *p);
  for (int i = 0; i < 4; i++) p->x[i] = x->extents[i], p->y[i] = y->extents[i];
  for (int i = 0; i < 2; i++) {
    p->stride[i] = a->stride[i];
    p->dilation[i] = a->dilation[i] - 1;
    p->pad_low[i] = a->pad_low[i];
    p->pad_high[i] = a->pad_high[i];
  }
  p->weight_rank = a->groups > 1 ? 5 : 4;
  int axis = 0;
  if (a->groups > 1) p->w[axis++] = a->groups;
  p->w[axis++] = w->extents[0] / a->groups;
  for (int i = 1; i < 4; i++) p->w[axis++] = w->extents[i];
  const dnnl_dims_t channels = {y->extents[1]};
  return dnnl_memory_desc_init_by_tag(&p->source, 4, p->x, dnnl_f32, dnnl_nhwc) != dnnl_success ||
             dnnl_memory_desc_init_by_tag(&p->result, 4, p->y, dnnl_f32, dnnl_nhwc) != dnnl_success ||
             dnnl_memory_desc_init_by_tag(&p->weights, p->weight_rank, p->w, dnnl_f32, dnnl_format_tag_any) != dnnl_success ||
             dnnl_memory_desc_init_by_tag(&p->bias, 1, channels, dnnl_f32, dnnl_x) != dnnl_success
           ? ASSAY_E_FAILED
           : 0;
}

/* ---- Primitive descriptors ---- */

/* One of dnnl's generated kernels rather than its fallbacks? */
static bool is_fast(const char *name) { return !strstr(name, "ref") && !strstr(name, "gemm"); }

static const char *name_of(dnnl_primitive_desc_t descriptor) {
  const char *name = "";
  return dnnl_primitive_desc_query(descriptor, dnnl_query_impl_info_str, 0, &name) == dnnl_success ? name : "";
}

enum { FACTOR_AT = 0, SHIFT_AT = 1 }; /* places among the post-ops; the other tensor's comes behind them */

static bool append(dnnl_post_ops_t ops, const struct after *after) {
  bool good = true;
  if (after->affine)
    good = dnnl_post_ops_append_binary(ops, dnnl_binary_mul, &after->channel) == dnnl_success && dnnl_post_ops_append_binary(ops, dnnl_binary_add, &after->channel) == dnnl_success;
  if (after->residual) good = good && dnnl_post_ops_append_binary(ops, dnnl_binary_add, &after->residual_at) == dnnl_success;
  if (after->relu && after->most > 0) return good && dnnl_post_ops_append_eltwise(ops, 1.f, dnnl_eltwise_clip, 0.f, after->most) == dnnl_success;
  return good && (!after->relu || dnnl_post_ops_append_eltwise(ops, 1.f, dnnl_eltwise_relu, 0.f, 0.f) == dnnl_success);
}

static const struct after nothing = {.affine = false};

static dnnl_primitive_attr_t make_attributes(const struct after *after) {
  dnnl_primitive_attr_t attributes = NULL;
  dnnl_post_ops_t ops = NULL;
  if (dnnl_primitive_attr_create(&attributes) != dnnl_success) return NULL;
  const bool good = dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user) == dnnl_success && dnnl_post_ops_create(&ops) == dnnl_success &&
                    append(ops, after) && dnnl_primitive_attr_set_post_ops(attributes, ops) == dnnl_success;
  if (ops) dnnl_post_ops_destroy(ops);
  if (good) return attributes;
  dnnl_primitive_attr_destroy(attributes);
  return NULL;
}

/* Candidates for the forward convolution: dnnl's direct kernels on channels last, best guess first, then Winograd's in its own layout. */
enum { MOST_CANDIDATES = 4 };
struct candidates {
  uint32_t count;
  dnnl_primitive_desc_t descriptors[MOST_CANDIDATES];
};

static int list_forward(struct assay_executable *executable, const struct problem *p, dnnl_alg_kind_t algorithm, bool bias, const struct after *after,
                        struct candidates *candidates) {
  dnnl_convolution_desc_t forward;
  dnnl_primitive_desc_iterator_t iterator = NULL;
  dnnl_memory_desc_t source = p->source, result = p->result;
  if (algorithm == dnnl_convolution_winograd && (dnnl_memory_desc_init_by_tag(&source, 4, p->x, dnnl_f32, dnnl_format_tag_any) != dnnl_success ||
                                                 dnnl_memory_desc_init_by_tag(&result, 4, p->y, dnnl_f32, dnnl_format_tag_any) != dnnl_success))
    return 0;
  if (dnnl_dilated_convolution_forward_desc_init(&forward, dnnl_forward_training, algorithm, &source, &p->weights, bias ? &p->bias : NULL, &result, p->stride,
                                                 p->dilation, p->pad_low, p->pad_high) != dnnl_success)
    return 0;
  const dnnl_primitive_attr_t attributes = make_attributes(after);
  if (!attributes) return ASSAY_E_MEMORY;
  int error = 0;
  if (dnnl_primitive_desc_iterator_create(&iterator, &forward, attributes, executable->device->engine, NULL) == dnnl_success) {
    do {
      const dnnl_primitive_desc_t descriptor = dnnl_primitive_desc_iterator_fetch(iterator);
      if (!descriptor) break;
      if (is_fast(name_of(descriptor)) || (candidates->count == 0 && algorithm == dnnl_convolution_direct)) {
        error = assay_cpu_keep_descriptor(executable, descriptor);
        if (!error) candidates->descriptors[candidates->count++] = descriptor;
      } else {
        dnnl_primitive_desc_destroy(descriptor);
      }
    } while (!error && candidates->count + (algorithm == dnnl_convolution_direct) < MOST_CANDIDATES &&
             dnnl_primitive_desc_iterator_next(iterator) == dnnl_success);
    dnnl_primitive_desc_iterator_destroy(iterator);
  }
  dnnl_primitive_attr_destroy(attributes);
  return error;
}

static int list_candidates(struct assay_executable *executable, const struct problem *p, bool bias, const struct after *after, struct candidates *candidates) {
  candidates->count = 0;
  const int error = list_forward(executable, p, dnnl_convolution_direct, bias, after, candidates);
  if (error || candidates->count == 0 || !is_fast(name_of(candidates->descriptors[0]))) return error;
  return list_forward(executable, p, dnnl_convolution_winograd, bias, after, candidates);
}

struct race {
  struct assay_executable *executable;
  const struct problem *problem;
  const struct candidates *candidates;
  dnnl_memory_desc_t weights; /* row-major */
  float *expected;
};

static double time_candidate(void *context, uint32_t candidate) {
  const struct race *race = context;
  return assay_cpu_time_convolution(race->executable->device, race->candidates->descriptors[candidate], &race->problem->source, &race->weights,
                                    &race->problem->result, race->expected, candidate == 0);
}

/* Row-major; the same with and without an axis of groups. */
static bool row_major(const struct problem *p, dnnl_memory_desc_t *descriptor) {
  dnnl_dims_t strides;
  int64_t stride = 1;
  for (int i = p->weight_rank - 1; i >= 0; i--) strides[i] = stride, stride *= p->w[i];
  return dnnl_memory_desc_init_by_strides(descriptor, p->weight_rank, p->w, dnnl_f32, strides) == dnnl_success;
}

/* What the choice depends on, beside the candidates' names. */
static int write_key(const struct assay_executable *executable, const struct problem *p, const struct candidates *candidates, char *key, size_t size) {
  size_t length = (size_t)snprintf(key, size, "cpu convolution 2; %s;", executable->device->identity);
  for (int i = 0; i < 4 && length < size; i++) length += (size_t)snprintf(key + length, size - length, " %lld %lld", (long long)p->x[i], (long long)p->y[i]);
  for (int i = 0; i < p->weight_rank && length < size; i++) length += (size_t)snprintf(key + length, size - length, " %lld", (long long)p->w[i]);
  for (int i = 0; i < 2 && length < size; i++)
    length += (size_t)snprintf(key + length, size - length, " %lld %lld %lld %lld", (long long)p->stride[i], (long long)p->dilation[i],
                               (long long)p->pad_low[i], (long long)p->pad_high[i]);
  for (uint32_t k = 0; k < candidates->count && length < size; k++)
    length += (size_t)snprintf(key + length, size - length, " %s", name_of(candidates->descriptors[k]));
  return length < size ? 0 : ASSAY_E_FAILED;
}

/* The name of the best candidate for the bare convolution of a few images: one measurement serves functions of every batch size. */
static const char *choose(struct assay_executable *executable, const struct problem *problem) {
  enum { FEW = 8 };
  struct problem p = *problem;
  struct candidates candidates;
  char key[1024];
  p.x[0] = p.y[0] = FEW;
  struct race race = {executable, &p, &candidates, {0}, NULL};
  if (dnnl_memory_desc_init_by_tag(&p.source, 4, p.x, dnnl_f32, dnnl_nhwc) != dnnl_success ||
      dnnl_memory_desc_init_by_tag(&p.result, 4, p.y, dnnl_f32, dnnl_nhwc) != dnnl_success || list_candidates(executable, &p, false, &nothing, &candidates) != 0 ||
      candidates.count == 0)
    return "";
  uint32_t chosen = 0;
  if (candidates.count > 1 && row_major(&p, &race.weights) && write_key(executable, &p, &candidates, key, sizeof key) == 0 &&
      (race.expected = malloc(dnnl_memory_desc_get_size(&p.result))) != NULL)
    chosen = assay_cpu_choose(executable->device, key, candidates.count, time_candidate, &race);
  free(race.expected);
  return name_of(candidates.descriptors[chosen]);
}

/* The forward primitive, with what is fused into it; `fits` (may be NULL): is it the one that is fastest bare, so that fusing costs nothing? */
static dnnl_primitive_desc_t make_forward(struct assay_executable *executable, const struct problem *p, bool bias, const struct after *after, bool *fits) {
  struct candidates candidates;
  const char *best = choose(executable, p);
  if (fits) *fits = false;
  if (list_candidates(executable, p, bias, after, &candidates) != 0 || candidates.count == 0) return NULL;
  for (uint32_t k = 0; k < candidates.count; k++) {
    if (strcmp(name_of(candidates.descriptors[k]), best) != 0) continue;
    if (fits) *fits = true;
    return candidates.descriptors[k];
  }
  return candidates.descriptors[0];
}

/* One of the two gradients. */
static dnnl_primitive_desc_t make_gradient(struct assay_executable *executable, const struct problem *p, uint32_t op, bool bias) {
  const dnnl_engine_t engine = executable->device->engine;
  dnnl_convolution_desc_t forward, gradient;
  dnnl_primitive_desc_t hint = NULL, made = NULL;
  dnnl_memory_desc_t any;
  const dnnl_primitive_attr_t attributes = make_attributes(&nothing);
  if (!attributes) return NULL;
  bool good = dnnl_memory_desc_init_by_tag(&any, p->weight_rank, p->w, dnnl_f32, dnnl_format_tag_any) == dnnl_success &&
              dnnl_dilated_convolution_forward_desc_init(&forward, dnnl_forward_training, dnnl_convolution_direct, &p->source, &any, bias ? &p->bias : NULL,
                                                         &p->result, p->stride, p->dilation, p->pad_low, p->pad_high) == dnnl_success &&
              dnnl_primitive_desc_create(&hint, &forward, NULL, engine, NULL) == dnnl_success;
  if (good && op == ASSAY_OP_CONV2D_INPUT_GRADIENT)
    good = dnnl_dilated_convolution_backward_data_desc_init(&gradient, dnnl_convolution_direct, &p->source, &p->weights, &p->result, p->stride, p->dilation,
                                                            p->pad_low, p->pad_high) == dnnl_success;
  else if (good)
    good = dnnl_dilated_convolution_backward_weights_desc_init(&gradient, dnnl_convolution_direct, &p->source, &p->weights, bias ? &p->bias : NULL, &p->result,
                                                               p->stride, p->dilation, p->pad_low, p->pad_high) == dnnl_success;
  good = good && dnnl_primitive_desc_create(&made, &gradient, attributes, engine, hint) == dnnl_success;
  if (hint) dnnl_primitive_desc_destroy(hint);
  dnnl_primitive_attr_destroy(attributes);
  return good && assay_cpu_keep_descriptor(executable, made) == 0 ? made : NULL;
}

/* With weights lying as `wanted` where a fast primitive takes that, else as it likes. */
static dnnl_primitive_desc_t make_forward_with(struct assay_executable *executable, struct problem *p, bool bias, const struct after *after,
                                               const struct assay_cpu_layout *wanted) {
  const dnnl_primitive_desc_t liked = make_forward(executable, p, bias, after, NULL);
  if (!liked || !wanted || p->weight_rank != 4 || dnnl_memory_desc_equal(&wanted->descriptor, dnnl_primitive_desc_query_md(liked, dnnl_query_weights_md, 0)))
    return liked;
  const dnnl_memory_desc_t any = p->weights;
  struct candidates candidates = {0};
  p->weights = wanted->descriptor;
  const int error = list_candidates(executable, p, bias, after, &candidates);
  p->weights = any;
  return !error && candidates.count > 0 && is_fast(name_of(candidates.descriptors[0])) ? candidates.descriptors[0] : liked;
}

static dnnl_primitive_desc_t make_weight_gradient_with(struct assay_executable *executable, struct problem *p, bool bias,
                                                       const struct assay_cpu_layout *wanted) {
  if (wanted && p->weight_rank == 4) {
    const dnnl_memory_desc_t any = p->weights;
    p->weights = wanted->descriptor;
    const dnnl_primitive_desc_t made = make_gradient(executable, p, ASSAY_OP_CONV2D_WEIGHT_GRADIENT, bias);
    p->weights = any;
    if (made && is_fast(name_of(made))) return made;
  }
  return make_gradient(executable, p, ASSAY_OP_CONV2D_WEIGHT_GRADIENT, bias);
}

const struct assay_cpu_layout *assay_cpu_convolution_weights(struct assay_executable *executable, const struct assay_graph *graph, uint32_t index) {
  const struct assay_node *node = graph->nodes[index];
  const struct assay_tensor_type *weights = graph->types[node->inputs[1]];
  struct problem problem;
  if (((const struct assay_conv2d_attributes *)node->attributes)->groups == 1 &&
      describe(&problem, node->attributes, graph->types[node->inputs[0]], weights, graph->types[node->first_output]) == 0) {
    const dnnl_primitive_desc_t made = make_forward(executable, &problem, false, &nothing, NULL);
    const dnnl_memory_desc_t *liked = made && is_fast(name_of(made)) ? dnnl_primitive_desc_query_md(made, dnnl_query_weights_md, 0) : NULL;
    const struct assay_cpu_layout *layout = liked ? assay_cpu_layout_blocked(executable, weights, liked) : NULL;
    if (layout) return layout;
  }
  return assay_cpu_layout_plain(executable, weights);
}

/* ---- Running ---- */

enum { MOST_ARGUMENTS = 8 };

struct convolution_step {
  struct assay_cpu_step step; /* use u belongs to argument u */
  dnnl_primitive_t primitive;
  int count;
  int names[MOST_ARGUMENTS];
  dnnl_memory_t memories[MOST_ARGUMENTS];
};

static int run_convolution(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  const struct convolution_step *step = (const struct convolution_step *)base;
  dnnl_exec_arg_t arguments[MOST_ARGUMENTS];
  for (int i = 0; i < step->count; i++) {
    if (!assay_cpu_bind(step->memories[i], assay_cpu_at(frame, base->uses[i].buffer))) return ASSAY_E_FAILED;
    arguments[i] = (dnnl_exec_arg_t){step->names[i], step->memories[i]};
  }
  return dnnl_primitive_execute(step->primitive, frame->stream, step->count, arguments) == dnnl_success ? 0 : ASSAY_E_FAILED;
}

static int add_argument(struct assay_cpu_build *build, struct convolution_step *step, int name, const dnnl_memory_desc_t *descriptor,
                        struct assay_cpu_buffer *buffer, bool write) {
  if (!buffer || !(write ? assay_cpu_write : assay_cpu_read)(build, step, buffer)) return assay_cpu_no_memory(build->status);
  if (dnnl_memory_create(&step->memories[step->count], descriptor, build->executable->device->engine, DNNL_MEMORY_NONE) != dnnl_success ||
      assay_cpu_keep_memory(build->executable, step->memories[step->count]) != 0)
    return assay_cpu_no_memory(build->status);
  step->names[step->count++] = name;
  return 0;
}

/* The step, without arguments but the scratchpad's, which comes last. */
static struct convolution_step *begin(struct assay_cpu_build *build, dnnl_primitive_desc_t descriptor, const char *kind) {
  struct convolution_step *step = assay_cpu_emit(build, sizeof *step, kind, run_convolution);
  if (!step || dnnl_primitive_create(&step->primitive, descriptor) != dnnl_success || assay_cpu_keep_primitive(build->executable, step->primitive) != 0)
    return NULL;
  return step;
}

static int add_scratchpad(struct assay_cpu_build *build, struct convolution_step *step, dnnl_primitive_desc_t descriptor) {
  const dnnl_memory_desc_t *scratchpad = dnnl_primitive_desc_query_md(descriptor, dnnl_query_scratchpad_md, 0);
  const size_t size = scratchpad ? dnnl_memory_desc_get_size(scratchpad) : 0;
  return size ? add_argument(build, step, DNNL_ARG_SCRATCHPAD, scratchpad, assay_cpu_buffer_new(build, size), true) : 0;
}

static int refuse(struct assay_cpu_build *build, const struct assay_node *node) {
  return build->status->code ? build->status->code
                             : assay_cpu_fail(build->status, ASSAY_E_FAILED, "oneDNN cannot compute the convolution of \"%s\"", node->origin);
}

static struct assay_cpu_buffer *image_form(struct assay_cpu_build *build, int32_t value) {
  return assay_cpu_form_get(build, value, assay_cpu_layout_channels_last(build->executable, assay_cpu_type(build, value)));
}
static struct assay_cpu_buffer *image_new(struct assay_cpu_build *build, int32_t value) {
  return assay_cpu_form_new(build, value, assay_cpu_layout_channels_last(build->executable, assay_cpu_type(build, value)));
}

/* ---- Forward ---- */

/* The operands of the post-ops, in their order. */
static int add_operands(struct assay_cpu_build *build, struct convolution_step *step, const struct after *after, struct assay_cpu_buffer *factor,
                        struct assay_cpu_buffer *shift, struct assay_cpu_buffer *residual) {
  int error = 0;
  if (after->affine) error = add_argument(build, step, DNNL_ARG_ATTR_MULTIPLE_POST_OP(FACTOR_AT) | DNNL_ARG_SRC_1, &after->channel, factor, false);
  if (!error && after->affine) error = add_argument(build, step, DNNL_ARG_ATTR_MULTIPLE_POST_OP(SHIFT_AT) | DNNL_ARG_SRC_1, &after->channel, shift, false);
  const int place = after->affine ? SHIFT_AT + 1 : 0;
  if (!error && after->residual) error = add_argument(build, step, DNNL_ARG_ATTR_MULTIPLE_POST_OP(place) | DNNL_ARG_SRC_1, &after->residual_at, residual, false);
  return error;
}

static int emit_forward(struct assay_cpu_build *build, const struct assay_node *node) {
  struct problem problem;
  if (describe(&problem, node->attributes, assay_cpu_type(build, node->inputs[0]), assay_cpu_type(build, node->inputs[1]),
               assay_cpu_type(build, node->first_output)) != 0)
    return refuse(build, node);
  struct tail tail = assay_cpu_find_tail(build, node, true);
  struct after after = assay_cpu_after(build, &tail);
  if (after.affine || after.residual) { /* where the fastest primitive can do it */
    bool fits;
    (void)make_forward(build->executable, &problem, tail.bias >= 0, &after, &fits);
    if (!fits) tail = assay_cpu_find_tail(build, node, false), after = assay_cpu_after(build, &tail);
  }
  const struct assay_cpu_form *lies = build->values[node->inputs[1]].forms;
  const dnnl_primitive_desc_t made = make_forward_with(build->executable, &problem, tail.bias >= 0, &after, lies ? lies->layout : NULL);
  if (!made) return refuse(build, node);
  const dnnl_memory_desc_t *weights_at = dnnl_primitive_desc_query_md(made, dnnl_query_weights_md, 0);
  const dnnl_memory_desc_t *source_at = dnnl_primitive_desc_query_md(made, dnnl_query_src_md, 0);
  const dnnl_memory_desc_t *result_at = dnnl_primitive_desc_query_md(made, dnnl_query_dst_md, 0);
  struct assay_cpu_buffer *source = assay_cpu_form_described(build, node->inputs[0], source_at);
  struct assay_cpu_buffer *weights = source ? assay_cpu_form_described(build, node->inputs[1], weights_at) : NULL;
  struct assay_cpu_buffer *bias =
    weights && tail.bias >= 0 ? assay_cpu_form_get(build, tail.bias, assay_cpu_layout_plain(build->executable, assay_cpu_type(build, tail.bias))) : NULL;
  if (!weights || (tail.bias >= 0 && !bias)) return refuse(build, node);
  struct assay_cpu_buffer *factor = NULL, *shift = NULL, *residual = NULL;
  if (after.affine && assay_cpu_emit_affine(build, build->graph->nodes[tail.nodes[NORM]], &factor, &shift) != 0) return refuse(build, node);
  if (after.residual && !(residual = image_form(build, tail.residual))) return refuse(build, node);
  /* A padded layout is left at once. */
  const struct assay_cpu_layout *layout = assay_cpu_layout_blocked(build->executable, assay_cpu_type(build, tail.result), result_at);
  struct assay_cpu_buffer *result = layout ? assay_cpu_form_new(build, tail.result, layout) : assay_cpu_buffer_new(build, dnnl_memory_desc_get_size(result_at));
  struct convolution_step *step = result ? begin(build, made, "convolution") : NULL;
  if (!step) return refuse(build, node);
  int error = add_argument(build, step, DNNL_ARG_SRC, source_at, source, false);
  if (!error) error = add_argument(build, step, DNNL_ARG_WEIGHTS, weights_at, weights, false);
  if (!error && bias) error = add_argument(build, step, DNNL_ARG_BIAS, &problem.bias, bias, false);
  if (!error) error = add_operands(build, step, &after, factor, shift, residual);
  if (!error) error = add_argument(build, step, DNNL_ARG_DST, result_at, result, true);
  if (!error) error = add_scratchpad(build, step, made);
  if (!error && !layout) {
    struct assay_cpu_buffer *dense = image_new(build, tail.result);
    error = dense ? assay_cpu_emit_reorder(build, result_at, result, &problem.result, dense) : ASSAY_E_MEMORY;
  }
  for (int i = 0; i < TAIL_NODES; i++)
    if (tail.nodes[i] != UINT32_MAX) build->done[tail.nodes[i]] = 1;
  return error;
}

/* ---- Gradients ---- */

static int emit_input_gradient(struct assay_cpu_build *build, const struct assay_node *node) {
  struct problem problem;
  if (describe(&problem, node->attributes, assay_cpu_type(build, node->first_output), assay_cpu_type(build, node->inputs[1]),
               assay_cpu_type(build, node->inputs[0])) != 0)
    return refuse(build, node);
  const dnnl_primitive_desc_t made = make_gradient(build->executable, &problem, node->op, false);
  if (!made) return refuse(build, node);
  const dnnl_memory_desc_t *weights_at = dnnl_primitive_desc_query_md(made, dnnl_query_weights_md, 0);
  struct assay_cpu_buffer *gradient = image_form(build, node->inputs[0]);
  struct assay_cpu_buffer *weights = gradient ? assay_cpu_form_described(build, node->inputs[1], weights_at) : NULL;
  struct assay_cpu_buffer *result = weights ? image_new(build, node->first_output) : NULL;
  struct convolution_step *step = result ? begin(build, made, "convolution input gradient") : NULL;
  if (!step) return refuse(build, node);
  int error = add_argument(build, step, DNNL_ARG_DIFF_DST, &problem.result, gradient, false);
  if (!error) error = add_argument(build, step, DNNL_ARG_WEIGHTS, weights_at, weights, false);
  if (!error) error = add_argument(build, step, DNNL_ARG_DIFF_SRC, &problem.source, result, true);
  if (!error) error = add_scratchpad(build, step, made);
  return error;
}

/* The layout of the weights whose gradient this is: those of a convolution of the same input. */
static const struct assay_cpu_layout *layout_of_weights(const struct assay_cpu_build *build, const struct assay_node *gradient) {
  const struct assay_tensor_type *type = assay_cpu_type(build, gradient->first_output);
  for (uint32_t n = 0; n < build->graph->node_count; n++) {
    const struct assay_node *node = build->graph->nodes[n];
    if (node->op != ASSAY_OP_CONV2D || node->inputs[0] != gradient->inputs[0]) continue;
    const struct assay_cpu_form *form = build->values[node->inputs[1]].forms;
    if (form && form->layout && memcmp(form->layout->type.extents, type->extents, 4 * sizeof(int64_t)) == 0) return form->layout;
  }
  return NULL;
}

/* A sum of the same gradient over all axes but the channels', not yet emitted: it is the bias' gradient, which the primitive also gives. */
static const struct assay_node *find_bias_gradient(const struct assay_cpu_build *build, int32_t gradient, uint32_t *at) {
  for (uint32_t c = build->first_consumer[gradient]; c < build->first_consumer[gradient + 1]; c++) {
    const struct assay_node *node = build->graph->nodes[build->consumers[c]];
    if (node->op != ASSAY_OP_REDUCE_SUM || build->done[build->consumers[c]]) continue;
    if (((const struct assay_reduce_attributes *)node->attributes)->axes != 0xD) continue; /* axes 0, 2, 3 */
    *at = build->consumers[c];
    return node;
  }
  return NULL;
}

static int emit_weight_gradient(struct assay_cpu_build *build, const struct assay_node *node) {
  struct problem problem;
  if (describe(&problem, node->attributes, assay_cpu_type(build, node->inputs[0]), assay_cpu_type(build, node->first_output),
               assay_cpu_type(build, node->inputs[1])) != 0)
    return refuse(build, node);
  uint32_t bias_node = UINT32_MAX;
  const struct assay_node *bias = find_bias_gradient(build, node->inputs[1], &bias_node);
  const dnnl_primitive_desc_t made = make_weight_gradient_with(build->executable, &problem, bias != NULL, layout_of_weights(build, node));
  if (!made) return refuse(build, node);
  const dnnl_memory_desc_t *weights_at = dnnl_primitive_desc_query_md(made, dnnl_query_diff_weights_md, 0);
  struct assay_executable *executable = build->executable;
  struct assay_cpu_buffer *source = image_form(build, node->inputs[0]), *gradient = source ? image_form(build, node->inputs[1]) : NULL;
  if (!gradient) return ASSAY_E_MEMORY;
  const struct assay_cpu_layout *layout = assay_cpu_layout_blocked(executable, assay_cpu_type(build, node->first_output), weights_at);
  struct assay_cpu_buffer *result =
    layout ? assay_cpu_form_new(build, node->first_output, layout) : assay_cpu_buffer_new(build, dnnl_memory_desc_get_size(weights_at));
  struct assay_cpu_buffer *bias_result =
    bias ? assay_cpu_form_new(build, bias->first_output, assay_cpu_layout_plain(executable, assay_cpu_type(build, bias->first_output))) : NULL;
  struct convolution_step *step = result && (bias_result || !bias) ? begin(build, made, "convolution weight gradient") : NULL;
  if (!step) return refuse(build, node);
  int error = add_argument(build, step, DNNL_ARG_SRC, &problem.source, source, false);
  if (!error) error = add_argument(build, step, DNNL_ARG_DIFF_DST, &problem.result, gradient, false);
  if (!error) error = add_argument(build, step, DNNL_ARG_DIFF_WEIGHTS, weights_at, result, true);
  if (!error && bias) error = add_argument(build, step, DNNL_ARG_DIFF_BIAS, &problem.bias, bias_result, true);
  if (!error) error = add_scratchpad(build, step, made);
  if (bias) build->done[bias_node] = 1;
  if (error || layout) return error;
  /* Padded or grouped: out of it at once. */
  struct assay_cpu_buffer *dense = assay_cpu_form_new(build, node->first_output, assay_cpu_layout_plain(executable, assay_cpu_type(build, node->first_output)));
  dnnl_memory_desc_t plain;
  if (!dense || !row_major(&problem, &plain)) return refuse(build, node);
  return assay_cpu_emit_reorder(build, weights_at, result, &plain, dense);
}

int assay_cpu_emit_convolution(struct assay_cpu_build *build, uint32_t index) {
  const struct assay_node *node = build->graph->nodes[index];
  switch (node->op) {
  case ASSAY_OP_CONV2D: return emit_forward(build, node);
  case ASSAY_OP_CONV2D_INPUT_GRADIENT: return emit_input_gradient(build, node);
  default: return emit_weight_gradient(build, node);
  }
}
