/* SPDX-License-Identifier: MIT
 *
 * Which of dnnl's primitives computes a convolution or a gradient of it. The candidates are its direct kernels on images as they lie between convolutions, the same on
 * images as they like them, and Winograd's (Lavin and Gray, 2016: tiles of 4 x 4 results), which have a layout of their own. The fastest by the clock is taken, the conversions
 * that it brings along counted, as long as its results differ from the first one's by no more than ASSAY_CPU_MOST_DIFFERENCE.
 */
#include "convolution.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static dnnl_format_tag_t image_tag(bool blocked, int64_t channels) { return blocked && channels % ASSAY_CPU_BLOCK == 0 ? dnnl_nChw16c : dnnl_nhwc; }

int assay_cpu_describe_convolution(struct problem *p, const struct assay_graph *graph, const struct assay_node *node, bool blocked) {
  const struct assay_conv2d_attributes *a = node->attributes;
  const struct assay_tensor_type *first = graph->types[node->inputs[0]], *second = graph->types[node->inputs[1]], *out = graph->types[node->first_output];
  const bool forward = node->op == ASSAY_OP_CONV2D, by_input = node->op == ASSAY_OP_CONV2D_INPUT_GRADIENT; /* (x, w), (dy, w), (x, dy) */
  const struct assay_tensor_type *x = by_input ? out : first, *w = forward || by_input ? second : out, *y = forward ? out : by_input ? first : second;
  memset(p, 0, sizeof *p);
  p->op = node->op;
  p->blocked = blocked;
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
  return dnnl_memory_desc_init_by_tag(&p->source, 4, p->x, dnnl_f32, image_tag(blocked, p->x[1])) != dnnl_success ||
             dnnl_memory_desc_init_by_tag(&p->result, 4, p->y, dnnl_f32, image_tag(blocked, p->y[1])) != dnnl_success ||
             dnnl_memory_desc_init_by_tag(&p->weights, p->weight_rank, p->w, dnnl_f32, dnnl_format_tag_any) != dnnl_success ||
             dnnl_memory_desc_init_by_tag(&p->bias, 1, channels, dnnl_f32, dnnl_x) != dnnl_success
           ? ASSAY_E_FAILED
           : 0;
}

bool assay_cpu_weights_row_major(const struct problem *p, dnnl_memory_desc_t *descriptor) {
  dnnl_dims_t strides;
  int64_t stride = 1;
  for (int i = p->weight_rank - 1; i >= 0; i--) strides[i] = stride, stride *= p->w[i];
  return dnnl_memory_desc_init_by_strides(descriptor, p->weight_rank, p->w, dnnl_f32, strides) == dnnl_success;
}

/* ---- Candidates ---- */

static const char *name_of(dnnl_primitive_desc_t descriptor) {
  const char *name = "";
  return dnnl_primitive_desc_query(descriptor, dnnl_query_impl_info_str, 0, &name) == dnnl_success ? name : "";
}

bool assay_cpu_is_generated(dnnl_primitive_desc_t descriptor) { return !strstr(name_of(descriptor), "ref") && !strstr(name_of(descriptor), "gemm"); }

/* Factor, shift, the other tensor: add_operands in convolution.c names their places. */
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

enum { MOST_CANDIDATES = 6, MOST_NAME = 64 };
struct candidates {
  uint32_t count;
  struct candidate {
    dnnl_primitive_desc_t descriptor;
    char name[MOST_NAME]; /* the kernel's and how its images lie */
  } list[MOST_CANDIDATES];
};

static const char *lies(const dnnl_memory_desc_t *image) {
  if (image->format_kind != dnnl_blocked) return "other";
  return image->format_desc.blocking.inner_nblks > 0 ? "blocks" : image->format_desc.blocking.strides[1] == 1 ? "last" : "first";
}

static const dnnl_memory_desc_t *image_of(const struct problem *p, dnnl_primitive_desc_t descriptor, bool source) {
  const bool gradient = source ? p->op == ASSAY_OP_CONV2D_INPUT_GRADIENT : p->op != ASSAY_OP_CONV2D;
  return dnnl_primitive_desc_query_md(descriptor, source ? (gradient ? dnnl_query_diff_src_md : dnnl_query_src_md) : gradient ? dnnl_query_diff_dst_md : dnnl_query_dst_md, 0);
}

/* Takes the descriptor over. */
static int add_candidate(struct assay_executable *executable, const struct problem *p, dnnl_primitive_desc_t descriptor, bool any_kind, struct candidates *candidates) {
  char name[MOST_NAME];
  bool known = candidates->count == MOST_CANDIDATES || !(any_kind || assay_cpu_is_generated(descriptor));
  snprintf(name, sizeof name, "%s,%s,%s", name_of(descriptor), lies(image_of(p, descriptor, true)), lies(image_of(p, descriptor, false)));
  for (uint32_t k = 0; k < candidates->count; k++) known |= strcmp(candidates->list[k].name, name) == 0;
  if (known) {
    dnnl_primitive_desc_destroy(descriptor);
    return 0;
  }
  if (assay_cpu_keep_descriptor(executable, descriptor) != 0) return ASSAY_E_MEMORY;
  candidates->list[candidates->count].descriptor = descriptor;
  memcpy(candidates->list[candidates->count++].name, name, sizeof name);
  return 0;
}

/* What is asked of dnnl. */
struct request {
  dnnl_alg_kind_t algorithm;
  dnnl_memory_desc_t source, weights, result;
  const dnnl_memory_desc_t *bias; /* NULL: none */
};

static bool describe_forward(dnnl_convolution_desc_t *forward, const struct problem *p, const struct request *r) {
  return dnnl_dilated_convolution_forward_desc_init(forward, dnnl_forward_training, r->algorithm, &r->source, &r->weights, r->bias, &r->result, p->stride, p->dilation,
                                                    p->pad_low, p->pad_high) == dnnl_success;
}

/* Of one of the gradients, and of the forward convolution that dnnl wants to see with it. */
static bool describe_gradient(dnnl_convolution_desc_t *gradient, dnnl_primitive_desc_t *forward, dnnl_engine_t engine, const struct problem *p, const struct request *r) {
  dnnl_convolution_desc_t hint;
  struct request loose = *r;
  if (dnnl_memory_desc_init_by_tag(&loose.weights, p->weight_rank, p->w, dnnl_f32, dnnl_format_tag_any) != dnnl_success || !describe_forward(&hint, p, &loose) ||
      dnnl_primitive_desc_create(forward, &hint, NULL, engine, NULL) != dnnl_success)
    return false;
  return (p->op == ASSAY_OP_CONV2D_INPUT_GRADIENT
            ? dnnl_dilated_convolution_backward_data_desc_init(gradient, r->algorithm, &r->source, &r->weights, &r->result, p->stride, p->dilation, p->pad_low, p->pad_high)
            : dnnl_dilated_convolution_backward_weights_desc_init(gradient, r->algorithm, &r->source, &r->weights, r->bias, &r->result, p->stride, p->dilation, p->pad_low,
                                                                  p->pad_high)) == dnnl_success;
}

static int list_for(struct assay_executable *executable, const struct problem *p, const struct request *request, const struct after *after, bool any_kind,
                    struct candidates *candidates) {
  const dnnl_engine_t engine = executable->device->engine;
  const dnnl_primitive_attr_t attributes = make_attributes(after);
  dnnl_convolution_desc_t wanted;
  dnnl_primitive_desc_t hint = NULL;
  dnnl_primitive_desc_iterator_t iterator = NULL;
  if (!attributes) return ASSAY_E_MEMORY;
  int error = 0;
  if ((p->op == ASSAY_OP_CONV2D ? describe_forward(&wanted, p, request) : describe_gradient(&wanted, &hint, engine, p, request)) &&
      dnnl_primitive_desc_iterator_create(&iterator, &wanted, attributes, engine, hint) == dnnl_success) {
    do {
      const dnnl_primitive_desc_t descriptor = dnnl_primitive_desc_iterator_fetch(iterator);
      if (!descriptor) break;
      error = add_candidate(executable, p, descriptor, any_kind, candidates);
    } while (!error && !(any_kind && candidates->count > 0) && dnnl_primitive_desc_iterator_next(iterator) == dnnl_success);
    dnnl_primitive_desc_iterator_destroy(iterator);
  }
  if (hint) dnnl_primitive_desc_destroy(hint);
  dnnl_primitive_attr_destroy(attributes);
  return error;
}

/* Can dnnl be asked what it likes without getting padded blocks? The images that a network begins with have few channels, and kernels of their own. */
static bool fills_blocks(const struct problem *p) { return p->y[1] % ASSAY_CPU_BLOCK == 0 && (p->x[1] % ASSAY_CPU_BLOCK == 0 || p->x[1] < 4); }

static int list_candidates(struct assay_executable *executable, const struct problem *p, bool bias, const struct after *after, const dnnl_memory_desc_t *weights,
                           struct candidates *candidates) {
  struct request given = {dnnl_convolution_direct, p->source, weights ? *weights : p->weights, p->result, bias ? &p->bias : NULL}, free = given, last = given;
  candidates->count = 0;
  if (dnnl_memory_desc_init_by_tag(&free.source, 4, p->x, dnnl_f32, dnnl_format_tag_any) != dnnl_success ||
      dnnl_memory_desc_init_by_tag(&free.result, 4, p->y, dnnl_f32, dnnl_format_tag_any) != dnnl_success ||
      dnnl_memory_desc_init_by_tag(&last.source, 4, p->x, dnnl_f32, dnnl_nhwc) != dnnl_success ||
      dnnl_memory_desc_init_by_tag(&last.result, 4, p->y, dnnl_f32, dnnl_nhwc) != dnnl_success)
    return ASSAY_E_FAILED;
  int error = list_for(executable, p, &given, after, false, candidates);
  if (!error) error = list_for(executable, p, fills_blocks(p) ? &free : &last, after, false, candidates);
  free.algorithm = dnnl_convolution_winograd;
  if (!error && candidates->count > 0 && executable->device->winograd) error = list_for(executable, p, &free, after, false, candidates);
  return error || candidates->count > 0 ? error : list_for(executable, p, &given, after, true, candidates);
}

/* ---- The choice ---- */

struct race {
  struct assay_executable *executable;
  const struct problem *problem;
  const struct candidates *candidates;
  struct assay_cpu_trial trial;
};

static double time_candidate(void *context, uint32_t candidate) {
  struct race *race = context;
  race->trial.first = candidate == 0;
  const double time = assay_cpu_time_convolution(race->executable->device, race->candidates->list[candidate].descriptor, &race->trial);
  if (time >= 0 && (race->trial.limit == 0 || time < race->trial.limit)) race->trial.limit = time;
  return time;
}

/* What the choice depends on. */
static int write_key(const struct assay_executable *executable, const struct problem *p, const struct candidates *candidates, char *key, size_t size) {
  size_t length = (size_t)snprintf(key, size, "cpu convolution 4; %s; %u %d;", executable->device->identity, p->op, p->blocked);
  for (int i = 0; i < 4 && length < size; i++) length += (size_t)snprintf(key + length, size - length, " %lld %lld", (long long)p->x[i], (long long)p->y[i]);
  for (int i = 0; i < p->weight_rank && length < size; i++) length += (size_t)snprintf(key + length, size - length, " %lld", (long long)p->w[i]);
  for (int i = 0; i < 2 && length < size; i++)
    length += (size_t)snprintf(key + length, size - length, " %lld %lld %lld %lld", (long long)p->stride[i], (long long)p->dilation[i],
                               (long long)p->pad_low[i], (long long)p->pad_high[i]);
  for (uint32_t k = 0; k < candidates->count && length < size; k++) length += (size_t)snprintf(key + length, size - length, " %s", candidates->list[k].name);
  return length < size ? 0 : ASSAY_E_FAILED;
}

/* The operands as they lie outside, by direction: conversions of images count, those of weights, which are kept, do not. */
static bool fill_trial(const struct problem *p, struct assay_cpu_trial *trial) {
  dnnl_memory_desc_t weights;
  if (!assay_cpu_weights_row_major(p, &weights)) return false;
  const struct assay_cpu_operand source = {DNNL_ARG_SRC, dnnl_query_src_md, p->source, true}, result = {DNNL_ARG_DST, dnnl_query_dst_md, p->result, true},
                                 source_gradient = {DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md, p->source, true},
                                 result_gradient = {DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, p->result, true},
                                 parameters = {DNNL_ARG_WEIGHTS, dnnl_query_weights_md, weights, false},
                                 weight_gradient = {DNNL_ARG_DIFF_WEIGHTS, dnnl_query_diff_weights_md, weights, false};
  const bool forward = p->op == ASSAY_OP_CONV2D, by_input = p->op == ASSAY_OP_CONV2D_INPUT_GRADIENT;
  trial->inputs[0] = by_input ? result_gradient : source;
  trial->inputs[1] = forward || by_input ? parameters : result_gradient;
  trial->output = forward ? result : by_input ? source_gradient : weight_gradient;
  return (trial->expected = malloc(dnnl_memory_desc_get_size(&trial->output.outside))) != NULL;
}

/* A few images stand for many, and one for all that are large: one measurement serves many batch sizes, and is over soon. */
static int64_t measured_batch(const struct problem *p) {
  const int64_t x = p->x[1] * p->x[2] * p->x[3], y = p->y[1] * p->y[2] * p->y[3], largest = x > y ? x : y;
  int64_t batch = 16;
  while (batch > 1 && (batch > p->x[0] || batch * largest > 1 << 18)) batch /= 2;
  return batch;
}

/* The name of the best candidate for the bare convolution, and its time for the whole batch. */
static double choose(struct assay_executable *executable, const struct problem *problem, char best[MOST_NAME]) {
  struct problem p = *problem;
  struct candidates candidates;
  char key[1024];
  const double fallback = 1e3; /* milliseconds that dnnl's plain loops are taken to last */
  double time = 0;
  best[0] = '\0';
  p.x[0] = p.y[0] = measured_batch(problem);
  if (dnnl_memory_desc_init_by_tag(&p.source, 4, p.x, dnnl_f32, image_tag(p.blocked, p.x[1])) != dnnl_success ||
      dnnl_memory_desc_init_by_tag(&p.result, 4, p.y, dnnl_f32, image_tag(p.blocked, p.y[1])) != dnnl_success ||
      list_candidates(executable, &p, false, &nothing, NULL, &candidates) != 0 || candidates.count == 0)
    return 0;
  struct race race = {.executable = executable, .problem = &p, .candidates = &candidates};
  uint32_t chosen = 0;
  const bool generated = assay_cpu_is_generated(candidates.list[0].descriptor);
  if (generated && write_key(executable, &p, &candidates, key, sizeof key) == 0 && fill_trial(&p, &race.trial))
    chosen = assay_cpu_choose(executable->device, key, candidates.count, time_candidate, &race, &time);
  free(race.trial.expected);
  memcpy(best, candidates.list[chosen].name, MOST_NAME);
  return generated ? time * (double)problem->x[0] / (double)p.x[0] : fallback;
}

double assay_cpu_convolution_time(struct assay_executable *executable, const struct problem *problem) {
  char best[MOST_NAME];
  return choose(executable, problem, best);
}

static dnnl_primitive_desc_t find(const struct candidates *candidates, const char *name) {
  for (uint32_t k = 0; k < candidates->count; k++)
    if (strcmp(candidates->list[k].name, name) == 0) return candidates->list[k].descriptor;
  return NULL;
}

dnnl_primitive_desc_t assay_cpu_make_convolution(struct assay_executable *executable, const struct problem *p, bool bias, const struct after *after,
                                                 const dnnl_memory_desc_t *weights, bool *fits) {
  struct candidates candidates;
  char best[MOST_NAME];
  dnnl_primitive_desc_t made = NULL;
  (void)choose(executable, p, best);
  if (!after) after = &nothing;
  if (fits) *fits = true;
  if (weights && list_candidates(executable, p, bias, after, weights, &candidates) == 0) made = find(&candidates, best);
  if (!made && list_candidates(executable, p, bias, after, NULL, &candidates) == 0) made = find(&candidates, best);
  if (made) return made;
  if (fits) *fits = false;
  return candidates.count > 0 ? candidates.list[0].descriptor : NULL;
}
