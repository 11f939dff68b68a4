/* SPDX-License-Identifier: MIT
 *
 * Composites: their meaning in primitives, and gradients of their own where those are cheaper or more exact than what autodiff would
 * find. A composite without one is differentiated through its decomposition.
 */
#include "graph/op_rules.h"

/* ---- Softmax and cross-entropy ---- */

/* Of an invalid value, which looks like a scalar: none. */
static uint32_t last_axis(struct assay_builder *b, assay_value x) { return (1u << assay_type(b, x)->rank) >> 1; }
static assay_value sum_last(struct assay_builder *b, assay_value x, int keep) { return assay_reduce_sum(b, x, last_axis(b, x), keep); }
/* x less its largest: exponentials cannot overflow, and the largest is 1. */
static assay_value shifted(struct assay_builder *b, assay_value x) { return assay_sub(b, x, assay_reduce_max(b, x, last_axis(b, x), 1)); }
/* A value a row, [N], beside rows [N, C]. */
static assay_value beside_rows(struct assay_builder *b, assay_value x) { return assay_reshape(b, x, 2, (const int64_t[]){-1, 1}); }

ASSAY_SHAPE_RULE(softmax) {
  ASSAY_UNUSED_SHAPE;
  char text[ASSAY_TYPE_TEXT];
  if (inputs[0]->rank < 1 || !assay_dtype_is_float(inputs[0]->dtype))
    return ASSAY_REFUSE("goes over the last axis of floats and cannot take %s", assay_type_text(inputs[0], text));
  outputs[0] = *inputs[0];
  return 0;
}

ASSAY_SHAPE_RULE(softmax_cross_entropy) {
  ASSAY_UNUSED_SHAPE;
  char left[ASSAY_TYPE_TEXT], right[ASSAY_TYPE_TEXT];
  if (inputs[0]->rank != 2 || !assay_dtype_is_float(inputs[0]->dtype) || !assay_same_type(inputs[0], inputs[1]))
    return ASSAY_REFUSE("logits and target probabilities must be floats of one type [N, C], not %s and %s", assay_type_text(inputs[0], left),
                        assay_type_text(inputs[1], right));
  outputs[0] = assay_make_type(inputs[0]->dtype, 1, inputs[0]->extents);
  return 0;
}

ASSAY_SHAPE_RULE(softmax_cross_entropy_gradient) {
  ASSAY_UNUSED_SHAPE;
  char left[ASSAY_TYPE_TEXT], right[ASSAY_TYPE_TEXT];
  const int error = assay_shape_softmax_cross_entropy(attributes, inputs + 1, input_count - 1, outputs, status);
  if (error != 0) return error;
  if (!assay_same_type(inputs[0], &outputs[0]))
    return ASSAY_REFUSE("the gradient must have the type of the loss, %s, not %s", assay_type_text(&outputs[0], left), assay_type_text(inputs[0], right));
  outputs[0] = *inputs[1];
  return 0;
}

ASSAY_SHAPE_RULE(sigmoid_cross_entropy) {
  ASSAY_UNUSED_SHAPE;
  char left[ASSAY_TYPE_TEXT], right[ASSAY_TYPE_TEXT];
  if (!assay_dtype_is_float(inputs[0]->dtype) || !assay_same_type(inputs[0], inputs[1]))
    return ASSAY_REFUSE("logits and targets must be floats of one type, not %s and %s", assay_type_text(inputs[0], left), assay_type_text(inputs[1], right));
  outputs[0] = *inputs[0];
  return 0;
}

ASSAY_DECOMPOSITION(softmax) {
  (void)node;
  const assay_value e = assay_exp(b, shifted(b, inputs[0]));
  outputs[0] = assay_div(b, e, sum_last(b, e, 1));
}

ASSAY_DECOMPOSITION(log_softmax) {
  (void)node;
  const assay_value x = shifted(b, inputs[0]);
  outputs[0] = assay_sub(b, x, assay_log(b, sum_last(b, assay_exp(b, x), 1)));
}

ASSAY_DECOMPOSITION(softmax_cross_entropy) {
  (void)node;
  outputs[0] = assay_negate(b, sum_last(b, assay_mul(b, inputs[1], assay_log_softmax(b, inputs[0])), 0));
}

/* Right for targets of any sum, as class weights may make them. */
ASSAY_DECOMPOSITION(softmax_cross_entropy_gradient) {
  (void)node;
  const assay_value g = beside_rows(b, inputs[0]), x = inputs[1], t = inputs[2];
  outputs[0] = assay_mul(b, g, assay_sub(b, assay_mul(b, assay_softmax(b, x), sum_last(b, t, 1)), t));
}

/* max(x, 0) - x t + log(1 + exp(-|x|)): neither overflows nor cancels. */
ASSAY_DECOMPOSITION(sigmoid_cross_entropy) {
  (void)node;
  const assay_value x = inputs[0], t = inputs[1];
  const assay_value tail = assay_log1p(b, assay_exp(b, assay_negate(b, assay_abs(b, x))));
  outputs[0] = assay_add(b, assay_sub(b, assay_relu(b, x), assay_mul(b, x, t)), tail);
}

ASSAY_GRADIENT_RULE(softmax) {
  ASSAY_UNUSED_GRADIENT;
  const assay_value y = outputs[0], g = output_gradients[0];
  gradients[0] = assay_mul(b, y, assay_sub(b, g, sum_last(b, assay_mul(b, g, y), 1)));
}

ASSAY_GRADIENT_RULE(log_softmax) {
  ASSAY_UNUSED_GRADIENT;
  const assay_value y = outputs[0], g = output_gradients[0];
  gradients[0] = assay_sub(b, g, assay_mul(b, assay_exp(b, y), sum_last(b, g, 1)));
}

ASSAY_GRADIENT_RULE(softmax_cross_entropy) {
  ASSAY_UNUSED_GRADIENT;
  const assay_value x = inputs[0], t = inputs[1], g = output_gradients[0];
  if (wanted[0]) gradients[0] = b->host->emit(b, ASSAY_OP_SOFTMAX_CROSS_ENTROPY_GRADIENT, (const assay_value[]){g, x, t}, 3, NULL, 0);
  if (wanted[1]) gradients[1] = assay_negate(b, assay_mul(b, beside_rows(b, g), assay_log_softmax(b, x)));
}

ASSAY_GRADIENT_RULE(sigmoid_cross_entropy) {
  ASSAY_UNUSED_GRADIENT;
  const assay_value x = inputs[0], t = inputs[1], g = output_gradients[0];
  if (wanted[0]) gradients[0] = assay_mul(b, g, assay_sub(b, assay_sigmoid(b, x), t));
  if (wanted[1]) gradients[1] = assay_negate(b, assay_mul(b, g, x));
}

/* ---- Batch normalisation: Ioffe and Szegedy, 2015 ---- */

/* Is `type` [C] for x [N, C, …]? */
static int check_channel(const struct assay_tensor_type *x, const struct assay_tensor_type *type, const char *what, struct assay_status *status) {
  char text[ASSAY_TYPE_TEXT];
  if (type->rank == 1 && type->extents[0] == x->extents[1] && type->dtype == x->dtype) return 0;
  return ASSAY_REFUSE("%s must be %s [%lld], one number a channel, not %s", what, assay_dtype_name(x->dtype), (long long)x->extents[1],
                      assay_type_text(type, text));
}

static int check_batch(const struct assay_tensor_type *x, struct assay_status *status) {
  char text[ASSAY_TYPE_TEXT];
  if (x->rank < 2 || !assay_dtype_is_float(x->dtype)) return ASSAY_REFUSE("goes over floats [N, C, ...] and cannot take %s", assay_type_text(x, text));
  return 0;
}

static int check_epsilon(const void *attributes, struct assay_status *status) {
  const double epsilon = ((const struct assay_epsilon_attributes *)attributes)->epsilon;
  if (!(epsilon >= 0 && epsilon <= 1)) return ASSAY_REFUSE("epsilon must be 0 to 1, not %g", epsilon);
  return 0;
}

ASSAY_SHAPE_RULE(batch_norm_training) {
  ASSAY_UNUSED_SHAPE;
  int error = check_epsilon(attributes, status);
  if (error == 0) error = check_batch(inputs[0], status);
  if (error == 0) error = check_channel(inputs[0], inputs[1], "the scale", status);
  if (error == 0) error = check_channel(inputs[0], inputs[2], "the bias", status);
  if (error != 0) return error;
  outputs[0] = *inputs[0];
  outputs[1] = outputs[2] = *inputs[1];
  return 0;
}

ASSAY_SHAPE_RULE(batch_norm_training_gradient) {
  ASSAY_UNUSED_SHAPE;
  char left[ASSAY_TYPE_TEXT], right[ASSAY_TYPE_TEXT];
  int error = check_epsilon(attributes, status);
  if (error == 0) error = check_batch(inputs[1], status);
  if (error == 0 && !assay_same_type(inputs[0], inputs[1]))
    error = ASSAY_REFUSE("the gradient must have the type of x, %s, not %s", assay_type_text(inputs[1], left), assay_type_text(inputs[0], right));
  if (error == 0) error = check_channel(inputs[1], inputs[2], "the scale", status);
  if (error == 0) error = check_channel(inputs[1], inputs[3], "the mean", status);
  if (error == 0) error = check_channel(inputs[1], inputs[4], "the variance", status);
  if (error != 0) return error;
  outputs[0] = *inputs[1];
  outputs[1] = outputs[2] = *inputs[2];
  return 0;
}

ASSAY_SHAPE_RULE(batch_norm_inference) {
  ASSAY_UNUSED_SHAPE;
  static const char *const names[] = {"", "the scale", "the bias", "the mean", "the variance"};
  int error = check_epsilon(attributes, status);
  if (error == 0) error = check_batch(inputs[0], status);
  for (uint32_t i = 1; i < 5 && error == 0; i++) error = check_channel(inputs[0], inputs[i], names[i], status);
  if (error == 0) outputs[0] = *inputs[0];
  return error;
}

/* All axes of x but the channels'. */
static uint32_t batch_axes(struct assay_builder *b, assay_value x) { return ((1u << assay_type(b, x)->rank) - 1) & ~2u; }
/* Elements a channel. */
static double batch_size(struct assay_builder *b, assay_value x) {
  return (double)(assay_element_count(assay_type(b, x)) / assay_extent(b, x, 1));
}
/* A value a channel, [C], beside x [N, C, …]: [C, 1, …] stretches over the batch. */
static assay_value beside_batch(struct assay_builder *b, assay_value value, assay_value x) {
  const int64_t extents[ASSAY_MAX_RANK] = {assay_extent(b, value, 0), 1, 1, 1, 1, 1};
  const int32_t rank = assay_type(b, x)->rank - 1;
  return rank == 1 ? value : assay_reshape(b, value, rank, extents);
}
static double epsilon_of(const struct assay_node *node) { return ((const struct assay_epsilon_attributes *)node->attributes)->epsilon; }
static assay_value deviation(struct assay_builder *b, assay_value variance, const struct assay_node *node) {
  return assay_sqrt(b, assay_add(b, variance, assay_number(b, variance, epsilon_of(node))));
}

/* (x - mean) * (scale / deviation) + bias */
static assay_value normalise(struct assay_builder *b, const struct assay_node *node, assay_value x, assay_value centred, assay_value scale, assay_value bias,
                             assay_value variance) {
  const assay_value factor = beside_batch(b, assay_div(b, scale, deviation(b, variance, node)), x);
  return assay_add(b, assay_mul(b, centred, factor), beside_batch(b, bias, x));
}

/* The variance is measured around the mean, in a second pass: a difference of squares would cancel. */
ASSAY_DECOMPOSITION(batch_norm_training) {
  const assay_value x = inputs[0];
  const assay_value mean = assay_mean(b, x, batch_axes(b, x), 0);
  const assay_value centred = assay_sub(b, x, beside_batch(b, mean, x));
  const assay_value variance = assay_mean(b, assay_mul(b, centred, centred), batch_axes(b, x), 0);
  outputs[0] = normalise(b, node, x, centred, inputs[1], inputs[2], variance);
  outputs[1] = mean;
  outputs[2] = variance;
}

ASSAY_DECOMPOSITION(batch_norm_inference) {
  const assay_value x = inputs[0];
  outputs[0] = normalise(b, node, x, assay_sub(b, x, beside_batch(b, inputs[3], x)), inputs[1], inputs[2], inputs[4]);
}

/* With n elements a channel and h = (x - mean) / deviation: dbias = sum dy, dscale = sum dy h, dx = scale / deviation (dy - dbias / n - h dscale / n). */
ASSAY_DECOMPOSITION(batch_norm_training_gradient) {
  const assay_value dy = inputs[0], x = inputs[1], scale = inputs[2], mean = inputs[3], variance = inputs[4];
  const uint32_t axes = batch_axes(b, x);
  const assay_value each = assay_number(b, x, 1 / batch_size(b, x)), spread = deviation(b, variance, node);
  const assay_value normal = assay_div(b, assay_sub(b, x, beside_batch(b, mean, x)), beside_batch(b, spread, x));
  const assay_value product = assay_mul(b, dy, normal); /* before the sums: a backend can then take both in one pass */
  const assay_value dbias = assay_reduce_sum(b, dy, axes, 0), dscale = assay_reduce_sum(b, product, axes, 0);
  const assay_value centred = assay_sub(b, dy, beside_batch(b, assay_mul(b, dbias, each), x));
  const assay_value straightened = assay_sub(b, centred, assay_mul(b, normal, beside_batch(b, assay_mul(b, dscale, each), x)));
  outputs[0] = assay_mul(b, straightened, beside_batch(b, assay_div(b, scale, spread), x));
  outputs[1] = dscale;
  outputs[2] = dbias;
}

static assay_value sum_of(struct assay_builder *b, assay_value x, assay_value y) {
  return !assay_is_valid(x) ? y : !assay_is_valid(y) ? x : assay_add(b, x, y);
}

/* The gradient composite for y; what flows through the measured mean and variance is added. */
ASSAY_GRADIENT_RULE(batch_norm_training) {
  ASSAY_UNUSED_GRADIENT;
  const assay_value x = inputs[0], mean = outputs[1], variance = outputs[2], dy = output_gradients[0], dmean = output_gradients[1],
                    dvariance = output_gradients[2];
  if (assay_is_valid(dy)) {
    const assay_value arguments[5] = {dy, x, inputs[1], mean, variance};
    const assay_value first = b->host->emit(b, ASSAY_OP_BATCH_NORM_TRAINING_GRADIENT, arguments, 5, node->attributes, sizeof(struct assay_epsilon_attributes));
    for (int32_t i = 0; i < 3; i++) gradients[i] = assay_output(first, i);
  }
  if (!wanted[0]) return;
  const assay_value each = assay_number(b, x, 1 / batch_size(b, x));
  if (assay_is_valid(dmean)) {
    const assay_value share = beside_batch(b, assay_mul(b, dmean, each), x);
    gradients[0] = sum_of(b, gradients[0], assay_broadcast_like(b, share, assay_type(b, x)));
  }
  if (assay_is_valid(dvariance)) {
    const assay_value share = beside_batch(b, assay_mul(b, dvariance, assay_mul(b, each, assay_number(b, each, 2))), x);
    gradients[0] = sum_of(b, gradients[0], assay_mul(b, assay_sub(b, x, beside_batch(b, mean, x)), share));
  }
}
