/* SPDX-License-Identifier: MIT
 *
 * The rules that the op table points to, a file a family, and what they share.
 */
#ifndef ASSAY_GRAPH_OP_RULES_H
#define ASSAY_GRAPH_OP_RULES_H

#include "base/status.h"
#include "graph/ops.h"

#define ASSAY_SHAPE_RULE(name)                                                                                                                                 \
  int assay_shape_##name(const void *attributes, const struct assay_tensor_type *const *inputs, uint32_t input_count, struct assay_tensor_type *outputs,       \
                         struct assay_status *status)
#define ASSAY_GRADIENT_RULE(name)                                                                                                                              \
  void assay_gradient_##name(struct assay_builder *b, const struct assay_node *node, const assay_value *inputs, const assay_value *outputs,                    \
                             const assay_value *output_gradients, const bool *wanted, assay_value *gradients)
#define ASSAY_NORMALISER(name) void assay_normalise_##name(void *attributes, uint32_t op, const struct assay_tensor_type *const *inputs)
#define ASSAY_DECOMPOSITION(name)                                                                                                                              \
  void assay_decompose_##name(struct assay_builder *b, const struct assay_node *node, const assay_value *inputs, assay_value *outputs)

/* Most rules use only some of what they are given. */
#define ASSAY_UNUSED_SHAPE (void)attributes, (void)inputs, (void)input_count, (void)outputs, (void)status
#define ASSAY_UNUSED_GRADIENT (void)b, (void)node, (void)inputs, (void)outputs, (void)wanted

#define ASSAY_REFUSE(...) assay_status_set(status, ASSAY_E_CONFIG, __VA_ARGS__)

/* Largest number accepted as an extent, stride or padding in attributes; sums and products of two of them cannot overflow. */
#define ASSAY_LARGEST_EXTENT ((int64_t)1 << 31)

static inline struct assay_tensor_type assay_make_type(int32_t dtype, int32_t rank, const int64_t *extents) {
  struct assay_tensor_type type = {dtype, rank, {0}};
  for (int32_t axis = 0; axis < rank; axis++) type.extents[axis] = extents[axis];
  return type;
}
static inline bool assay_same_extents(const struct assay_tensor_type *a, const struct assay_tensor_type *b) {
  if (a->rank != b->rank) return false;
  for (int32_t axis = 0; axis < a->rank; axis++)
    if (a->extents[axis] != b->extents[axis]) return false;
  return true;
}
static inline bool assay_same_type(const struct assay_tensor_type *a, const struct assay_tensor_type *b) {
  return a->dtype == b->dtype && assay_same_extents(a, b);
}
static inline bool assay_within(int64_t value, int64_t low, int64_t high) { return value >= low && value <= high; }

/* x with the extents of `type`, which has as many elements. */
assay_value assay_reshape_like(struct assay_builder *b, assay_value x, const struct assay_tensor_type *type);
/* Scalar or stretchable x with the extents of `type`. */
assay_value assay_broadcast_like(struct assay_builder *b, assay_value x, const struct assay_tensor_type *type);
/* Sums x, whose extents `type` was stretched to, back to `type`. */
assay_value assay_unbroadcast(struct assay_builder *b, assay_value x, const struct assay_tensor_type *type);
/* A tensor full of one number. */
assay_value assay_filled(struct assay_builder *b, const struct assay_tensor_type *type, double number);
/* Extents to which all inputs stretch, NumPy's rule. */
int assay_broadcast_extents(const struct assay_tensor_type *const *inputs, uint32_t input_count, struct assay_tensor_type *output, struct assay_status *status);

/* ops_source.c */
ASSAY_NORMALISER(constant);
ASSAY_NORMALISER(random);
ASSAY_SHAPE_RULE(source);
ASSAY_SHAPE_RULE(constant);
ASSAY_SHAPE_RULE(random);
ASSAY_SHAPE_RULE(assign);

/* ops_elementwise.c */
ASSAY_SHAPE_RULE(float);
ASSAY_SHAPE_RULE(number);
ASSAY_SHAPE_RULE(any);
ASSAY_SHAPE_RULE(is_finite);
ASSAY_SHAPE_RULE(logic);
ASSAY_SHAPE_RULE(cast);
ASSAY_SHAPE_RULE(compare);
ASSAY_SHAPE_RULE(select);
ASSAY_GRADIENT_RULE(negate);
ASSAY_GRADIENT_RULE(abs);
ASSAY_GRADIENT_RULE(exp);
ASSAY_GRADIENT_RULE(log);
ASSAY_GRADIENT_RULE(log1p);
ASSAY_GRADIENT_RULE(sqrt);
ASSAY_GRADIENT_RULE(tanh);
ASSAY_GRADIENT_RULE(sigmoid);
ASSAY_GRADIENT_RULE(erf);
ASSAY_GRADIENT_RULE(relu);
ASSAY_GRADIENT_RULE(cast);
ASSAY_GRADIENT_RULE(sin);
ASSAY_GRADIENT_RULE(cos);
ASSAY_GRADIENT_RULE(add);
ASSAY_GRADIENT_RULE(subtract);
ASSAY_GRADIENT_RULE(multiply);
ASSAY_GRADIENT_RULE(divide);
ASSAY_GRADIENT_RULE(maximum);
ASSAY_GRADIENT_RULE(minimum);
ASSAY_GRADIENT_RULE(power);
ASSAY_GRADIENT_RULE(select);

/* ops_reduce.c */
ASSAY_NORMALISER(reduce);
ASSAY_SHAPE_RULE(reduce_sum);
ASSAY_SHAPE_RULE(reduce_max);
ASSAY_SHAPE_RULE(argmax);
ASSAY_GRADIENT_RULE(reduce_sum);
ASSAY_GRADIENT_RULE(reduce_max);

/* ops_shape.c */
ASSAY_NORMALISER(shape);
ASSAY_NORMALISER(transpose);
ASSAY_NORMALISER(slice);
ASSAY_NORMALISER(pad);
ASSAY_SHAPE_RULE(broadcast);
ASSAY_SHAPE_RULE(reshape);
ASSAY_SHAPE_RULE(transpose);
ASSAY_SHAPE_RULE(slice);
ASSAY_SHAPE_RULE(pad);
ASSAY_SHAPE_RULE(concat);
ASSAY_SHAPE_RULE(gather);
ASSAY_SHAPE_RULE(scatter_add);
ASSAY_SHAPE_RULE(one_hot);
ASSAY_GRADIENT_RULE(broadcast);
ASSAY_GRADIENT_RULE(reshape);
ASSAY_GRADIENT_RULE(transpose);
ASSAY_GRADIENT_RULE(slice);
ASSAY_GRADIENT_RULE(pad);
ASSAY_GRADIENT_RULE(concat);
ASSAY_GRADIENT_RULE(gather);
ASSAY_GRADIENT_RULE(scatter_add);

/* ops_product.c */
ASSAY_NORMALISER(matmul);
ASSAY_NORMALISER(conv2d);
ASSAY_SHAPE_RULE(matmul);
ASSAY_SHAPE_RULE(conv2d);
ASSAY_SHAPE_RULE(conv2d_input_gradient);
ASSAY_SHAPE_RULE(conv2d_weight_gradient);
ASSAY_GRADIENT_RULE(matmul);
ASSAY_GRADIENT_RULE(conv2d);
ASSAY_GRADIENT_RULE(conv2d_input_gradient);
ASSAY_GRADIENT_RULE(conv2d_weight_gradient);

/* ops_pool.c */
ASSAY_NORMALISER(pool2d);
ASSAY_SHAPE_RULE(max_pool2d);
ASSAY_SHAPE_RULE(max_pool2d_gradient);
ASSAY_SHAPE_RULE(avg_pool2d);
ASSAY_SHAPE_RULE(avg_pool2d_gradient);
ASSAY_GRADIENT_RULE(max_pool2d);
ASSAY_GRADIENT_RULE(avg_pool2d);
ASSAY_GRADIENT_RULE(avg_pool2d_gradient);

/* composites.c */
ASSAY_SHAPE_RULE(softmax);
ASSAY_SHAPE_RULE(softmax_cross_entropy);
ASSAY_SHAPE_RULE(softmax_cross_entropy_gradient);
ASSAY_SHAPE_RULE(sigmoid_cross_entropy);
ASSAY_SHAPE_RULE(batch_norm_training);
ASSAY_SHAPE_RULE(batch_norm_training_gradient);
ASSAY_SHAPE_RULE(batch_norm_inference);
ASSAY_GRADIENT_RULE(softmax);
ASSAY_GRADIENT_RULE(log_softmax);
ASSAY_GRADIENT_RULE(softmax_cross_entropy);
ASSAY_GRADIENT_RULE(sigmoid_cross_entropy);
ASSAY_GRADIENT_RULE(batch_norm_training);
ASSAY_DECOMPOSITION(softmax);
ASSAY_DECOMPOSITION(log_softmax);
ASSAY_DECOMPOSITION(softmax_cross_entropy);
ASSAY_DECOMPOSITION(softmax_cross_entropy_gradient);
ASSAY_DECOMPOSITION(sigmoid_cross_entropy);
ASSAY_DECOMPOSITION(batch_norm_training);
ASSAY_DECOMPOSITION(batch_norm_training_gradient);
ASSAY_DECOMPOSITION(batch_norm_inference);


/* composites_image.c */
ASSAY_NORMALISER(warp);
ASSAY_SHAPE_RULE(warp);
ASSAY_SHAPE_RULE(mix_channels);
ASSAY_SHAPE_RULE(gaussian_blur);
ASSAY_DECOMPOSITION(warp);
ASSAY_DECOMPOSITION(mix_channels);
ASSAY_DECOMPOSITION(gaussian_blur);

#endif
