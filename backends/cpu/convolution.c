/* SPDX-License-Identifier: MIT
 *
 * Convolutions through dnnl. Images lie between them as images.c has decided, so that little has to be converted; weights lie as the forward primitive likes them, and
 * their gradient with them. A bias by channel, batch normalisation by running statistics, the sum with another branch, a ReLU or one that is cut at a
 * constant, and the sum that is the bias' gradient are done by the convolution itself where the graph and the chosen primitive allow it.
 */
#include "convolution.h"

#include <string.h>

const struct assay_cpu_layout *assay_cpu_convolution_weights(struct assay_executable *executable, const struct assay_graph *graph, uint32_t index) {
  const struct assay_node *node = graph->nodes[index];
  const struct assay_tensor_type *weights = graph->types[node->inputs[1]];
  struct problem problem;
  if (((const struct assay_conv2d_attributes *)node->attributes)->groups == 1 && assay_cpu_describe_convolution(&problem, graph, node, executable->blocked) == 0) {
    const dnnl_primitive_desc_t made = assay_cpu_make_convolution(executable, &problem, false, NULL, NULL, NULL);
    const dnnl_memory_desc_t *liked = made && assay_cpu_is_generated(made) ? dnnl_primitive_desc_query_md(made, dnnl_query_weights_md, 0) : NULL;
    const struct assay_cpu_layout *layout = liked ? assay_cpu_layout_blocked(executable, weights, liked) : NULL;
    if (layout) return layout;
  }
  return assay_cpu_layout_plain(executable, weights);
}

/* ---- Running ---- */

enum { MOST_ARGUMENTS = 8 };
enum { FACTOR_AT = 0, SHIFT_AT = 1 }; /* places among the post-ops; the other tensor's comes behind them */

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
  return assay_cpu_form_get(build, value, assay_cpu_layout_image(build->executable, assay_cpu_type(build, value)));
}

/* A result where a primitive leaves it. One that is padded, or whose groups are an axis of their own, is brought out of that by finish_result. */
struct result {
  const dnnl_memory_desc_t *at;
  struct assay_cpu_buffer *buffer;
  bool dense;
};

static struct result begin_result(struct assay_cpu_build *build, int32_t value, const dnnl_memory_desc_t *at) {
  const struct assay_cpu_layout *layout = assay_cpu_layout_blocked(build->executable, assay_cpu_type(build, value), at);
  return (struct result){at, layout ? assay_cpu_form_new(build, value, layout) : assay_cpu_buffer_new(build, dnnl_memory_desc_get_size(at)), layout != NULL};
}

static int finish_result(struct assay_cpu_build *build, int32_t value, const struct result *result, const struct assay_cpu_layout *layout, const dnnl_memory_desc_t *outside) {
  if (result->dense) return 0;
  struct assay_cpu_buffer *dense = assay_cpu_form_new(build, value, layout);
  return dense ? assay_cpu_emit_reorder(build, result->at, result->buffer, outside, dense) : ASSAY_E_MEMORY;
}

static int finish_image(struct assay_cpu_build *build, int32_t value, const struct result *result, const dnnl_memory_desc_t *outside) {
  return finish_result(build, value, result, assay_cpu_layout_image(build->executable, assay_cpu_type(build, value)), outside);
}

/* How a variable's value lies already; NULL where nothing can be said to dnnl. */
static const dnnl_memory_desc_t *lying_weights(const struct problem *problem, const struct assay_cpu_layout *layout) {
  return layout && problem->weight_rank == 4 ? &layout->descriptor : NULL;
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
  struct assay_executable *executable = build->executable;
  struct problem problem;
  if (assay_cpu_describe_convolution(&problem, build->graph, node, executable->blocked) != 0) return refuse(build, node);
  struct tail tail = assay_cpu_find_tail(build, node, true);
  struct after after = assay_cpu_after(build, &tail);
  const struct assay_cpu_form *form = build->values[node->inputs[1]].forms;
  const dnnl_memory_desc_t *lying = form ? lying_weights(&problem, form->layout) : NULL;
  bool fits;
  dnnl_primitive_desc_t made = assay_cpu_make_convolution(executable, &problem, tail.bias >= 0, &after, lying, &fits);
  if (!fits && (after.affine || after.residual)) { /* only what the fastest primitive can do */
    tail = assay_cpu_find_tail(build, node, false);
    after = assay_cpu_after(build, &tail);
    made = assay_cpu_make_convolution(executable, &problem, tail.bias >= 0, &after, lying, NULL);
  }
  if (!made) return refuse(build, node);
  const dnnl_memory_desc_t *weights_at = dnnl_primitive_desc_query_md(made, dnnl_query_weights_md, 0);
  const dnnl_memory_desc_t *source_at = dnnl_primitive_desc_query_md(made, dnnl_query_src_md, 0);
  struct assay_cpu_buffer *source = assay_cpu_form_described(build, node->inputs[0], source_at);
  struct assay_cpu_buffer *weights = source ? assay_cpu_form_described(build, node->inputs[1], weights_at) : NULL;
  struct assay_cpu_buffer *bias =
    weights && tail.bias >= 0 ? assay_cpu_form_get(build, tail.bias, assay_cpu_layout_plain(executable, assay_cpu_type(build, tail.bias))) : NULL;
  if (!weights || (tail.bias >= 0 && !bias)) return refuse(build, node);
  struct assay_cpu_buffer *factor = NULL, *shift = NULL, *residual = NULL;
  if (after.affine && assay_cpu_emit_affine(build, build->graph->nodes[tail.nodes[NORM]], &factor, &shift) != 0) return refuse(build, node);
  if (after.residual && !(residual = image_form(build, tail.residual))) return refuse(build, node);
  const struct result result = begin_result(build, tail.result, dnnl_primitive_desc_query_md(made, dnnl_query_dst_md, 0));
  struct convolution_step *step = result.buffer ? begin(build, made, "convolution") : NULL;
  if (!step) return refuse(build, node);
  int error = add_argument(build, step, DNNL_ARG_SRC, source_at, source, false);
  if (!error) error = add_argument(build, step, DNNL_ARG_WEIGHTS, weights_at, weights, false);
  if (!error && bias) error = add_argument(build, step, DNNL_ARG_BIAS, &problem.bias, bias, false);
  if (!error) error = add_operands(build, step, &after, factor, shift, residual);
  if (!error) error = add_argument(build, step, DNNL_ARG_DST, result.at, result.buffer, true);
  if (!error) error = add_scratchpad(build, step, made);
  if (!error) error = finish_image(build, tail.result, &result, &problem.result);
  for (int i = 0; i < TAIL_NODES; i++)
    if (tail.nodes[i] != UINT32_MAX) build->done[tail.nodes[i]] = 1;
  return error;
}

/* ---- Gradients ---- */

static int emit_input_gradient(struct assay_cpu_build *build, const struct assay_node *node) {
  struct problem problem;
  if (assay_cpu_describe_convolution(&problem, build->graph, node, build->executable->blocked) != 0) return refuse(build, node);
  const dnnl_primitive_desc_t made = assay_cpu_make_convolution(build->executable, &problem, false, NULL, NULL, NULL);
  if (!made) return refuse(build, node);
  const dnnl_memory_desc_t *weights_at = dnnl_primitive_desc_query_md(made, dnnl_query_weights_md, 0);
  const dnnl_memory_desc_t *gradient_at = dnnl_primitive_desc_query_md(made, dnnl_query_diff_dst_md, 0);
  struct assay_cpu_buffer *gradient = assay_cpu_form_described(build, node->inputs[0], gradient_at);
  struct assay_cpu_buffer *weights = gradient ? assay_cpu_form_described(build, node->inputs[1], weights_at) : NULL;
  if (!weights) return refuse(build, node);
  const struct result result = begin_result(build, node->first_output, dnnl_primitive_desc_query_md(made, dnnl_query_diff_src_md, 0));
  struct convolution_step *step = result.buffer ? begin(build, made, "convolution input gradient") : NULL;
  if (!step) return refuse(build, node);
  int error = add_argument(build, step, DNNL_ARG_DIFF_DST, gradient_at, gradient, false);
  if (!error) error = add_argument(build, step, DNNL_ARG_WEIGHTS, weights_at, weights, false);
  if (!error) error = add_argument(build, step, DNNL_ARG_DIFF_SRC, result.at, result.buffer, true);
  if (!error) error = add_scratchpad(build, step, made);
  return error ? error : finish_image(build, node->first_output, &result, &problem.source);
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
  struct assay_executable *executable = build->executable;
  struct problem problem;
  if (assay_cpu_describe_convolution(&problem, build->graph, node, executable->blocked) != 0) return refuse(build, node);
  uint32_t bias_node = UINT32_MAX;
  const struct assay_node *bias = find_bias_gradient(build, node->inputs[1], &bias_node);
  const dnnl_primitive_desc_t made = assay_cpu_make_convolution(executable, &problem, bias != NULL, NULL, lying_weights(&problem, layout_of_weights(build, node)), NULL);
  if (!made) return refuse(build, node);
  const dnnl_memory_desc_t *source_at = dnnl_primitive_desc_query_md(made, dnnl_query_src_md, 0);
  const dnnl_memory_desc_t *gradient_at = dnnl_primitive_desc_query_md(made, dnnl_query_diff_dst_md, 0);
  struct assay_cpu_buffer *source = assay_cpu_form_described(build, node->inputs[0], source_at);
  struct assay_cpu_buffer *gradient = source ? assay_cpu_form_described(build, node->inputs[1], gradient_at) : NULL;
  if (!gradient) return refuse(build, node);
  const struct result result = begin_result(build, node->first_output, dnnl_primitive_desc_query_md(made, dnnl_query_diff_weights_md, 0));
  struct assay_cpu_buffer *bias_result =
    bias ? assay_cpu_form_new(build, bias->first_output, assay_cpu_layout_plain(executable, assay_cpu_type(build, bias->first_output))) : NULL;
  struct convolution_step *step = result.buffer && (bias_result || !bias) ? begin(build, made, "convolution weight gradient") : NULL;
  if (!step) return refuse(build, node);
  int error = add_argument(build, step, DNNL_ARG_SRC, source_at, source, false);
  if (!error) error = add_argument(build, step, DNNL_ARG_DIFF_DST, gradient_at, gradient, false);
  if (!error) error = add_argument(build, step, DNNL_ARG_DIFF_WEIGHTS, result.at, result.buffer, true);
  if (!error && bias) error = add_argument(build, step, DNNL_ARG_DIFF_BIAS, &problem.bias, bias_result, true);
  if (!error) error = add_scratchpad(build, step, made);
  if (bias) build->done[bias_node] = 1;
  dnnl_memory_desc_t plain;
  if (error || !assay_cpu_weights_row_major(&problem, &plain)) return error ? error : refuse(build, node);
  return finish_result(build, node->first_output, &result, assay_cpu_layout_plain(executable, assay_cpu_type(build, node->first_output)), &plain);
}

int assay_cpu_emit_convolution(struct assay_cpu_build *build, uint32_t index) {
  const struct assay_node *node = build->graph->nodes[index];
  switch (node->op) {
  case ASSAY_OP_CONV2D: return emit_forward(build, node);
  case ASSAY_OP_CONV2D_INPUT_GRADIENT: return emit_input_gradient(build, node);
  default: return emit_weight_gradient(build, node);
  }
}
