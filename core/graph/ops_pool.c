/* SPDX-License-Identifier: MIT
 *
 * Pooling. Padding is smaller than the kernel on every side, so that no window lies in padding alone.
 */
#include "graph/op_rules.h"

ASSAY_NORMALISER(pool2d) {
  (void)inputs;
  struct assay_pool2d_attributes *pool = attributes;
  const bool gradient = op == ASSAY_OP_MAX_POOL2D_GRADIENT || op == ASSAY_OP_AVG_POOL2D_GRADIENT;
  const bool average = op == ASSAY_OP_AVG_POOL2D || op == ASSAY_OP_AVG_POOL2D_GRADIENT;
  pool->count_padding = average && pool->count_padding != 0;
  if (!gradient) pool->input_extents[0] = pool->input_extents[1] = 0;
}

/* The result of pooling images of H, W = `area`; N, C from `images`. */
static int pooled_type(const struct assay_pool2d_attributes *pool, const struct assay_tensor_type *images, const int64_t area[2],
                       struct assay_tensor_type *output, struct assay_status *status) {
  char text[ASSAY_TYPE_TEXT];
  if (images->rank != 4 || !assay_dtype_is_float(images->dtype))
    return ASSAY_REFUSE("images must be floats with 4 axes, not %s", assay_type_text(images, text));
  *output = *images;
  for (int i = 0; i < 2; i++) {
    const int64_t kernel = pool->kernel[i], stride = pool->stride[i], low = pool->pad_low[i], high = pool->pad_high[i];
    if (!assay_within(kernel, 1, ASSAY_LARGEST_EXTENT)) return ASSAY_REFUSE("the kernel's extents must be at least 1, not %lld", (long long)kernel);
    if (!assay_within(stride, 1, ASSAY_LARGEST_EXTENT)) return ASSAY_REFUSE("stride must be at least 1, not %lld", (long long)stride);
    if (!assay_within(low, 0, kernel - 1) || !assay_within(high, 0, kernel - 1))
      return ASSAY_REFUSE("padding must be less than the kernel's %lld, not %lld + %lld", (long long)kernel, (long long)low, (long long)high);
    if (!assay_within(area[i], 1, ASSAY_LARGEST_EXTENT)) return ASSAY_REFUSE("the input's extents must be at least 1, not %lld", (long long)area[i]);
    if (area[i] + low + high < kernel)
      return ASSAY_REFUSE("a window of %lld x %lld does not fit into %lld x %lld (height x width): use a smaller window, fewer blocks, or larger images",
                          (long long)pool->kernel[0], (long long)pool->kernel[1], (long long)area[0], (long long)area[1]);
    output->extents[2 + i] = (area[i] + low + high - kernel) / stride + 1;
  }
  return 0;
}

/* The type of the images from the gradient of the result. */
static int unpooled_type(const struct assay_pool2d_attributes *pool, const struct assay_tensor_type *dy, struct assay_tensor_type *output,
                         struct assay_status *status) {
  struct assay_tensor_type pooled;
  char given[ASSAY_TYPE_TEXT], expected[ASSAY_TYPE_TEXT];
  const int error = pooled_type(pool, dy, pool->input_extents, &pooled, status);
  if (error != 0) return error;
  if (!assay_same_type(&pooled, dy))
    return ASSAY_REFUSE("the gradient is %s, but pooling gives %s", assay_type_text(dy, given), assay_type_text(&pooled, expected));
  *output = *dy;
  output->extents[2] = pool->input_extents[0];
  output->extents[3] = pool->input_extents[1];
  return 0;
}

ASSAY_SHAPE_RULE(max_pool2d) {
  ASSAY_UNUSED_SHAPE;
  char text[ASSAY_TYPE_TEXT];
  if (inputs[0]->rank != 4) return ASSAY_REFUSE("images must be floats with 4 axes, not %s", assay_type_text(inputs[0], text));
  const int error = pooled_type(attributes, inputs[0], inputs[0]->extents + 2, &outputs[0], status);
  outputs[1] = outputs[0];
  outputs[1].dtype = ASSAY_I32;
  return error;
}

ASSAY_SHAPE_RULE(max_pool2d_gradient) {
  ASSAY_UNUSED_SHAPE;
  char text[ASSAY_TYPE_TEXT];
  if (inputs[1]->dtype != ASSAY_I32 || !assay_same_extents(inputs[0], inputs[1]))
    return ASSAY_REFUSE("the residual must be i32 with the gradient's extents, not %s", assay_type_text(inputs[1], text));
  return unpooled_type(attributes, inputs[0], outputs, status);
}

ASSAY_SHAPE_RULE(avg_pool2d) {
  ASSAY_UNUSED_SHAPE;
  char text[ASSAY_TYPE_TEXT];
  if (inputs[0]->rank != 4) return ASSAY_REFUSE("images must be floats with 4 axes, not %s", assay_type_text(inputs[0], text));
  return pooled_type(attributes, inputs[0], inputs[0]->extents + 2, outputs, status);
}

ASSAY_SHAPE_RULE(avg_pool2d_gradient) {
  ASSAY_UNUSED_SHAPE;
  return unpooled_type(attributes, inputs[0], outputs, status);
}

static struct assay_pool2d_attributes with_extents_of(struct assay_builder *b, const struct assay_node *node, assay_value x) {
  struct assay_pool2d_attributes pool = *(const struct assay_pool2d_attributes *)node->attributes;
  pool.input_extents[0] = assay_extent(b, x, 2);
  pool.input_extents[1] = assay_extent(b, x, 3);
  return pool;
}

ASSAY_GRADIENT_RULE(max_pool2d) {
  ASSAY_UNUSED_GRADIENT;
  const struct assay_pool2d_attributes pool = with_extents_of(b, node, inputs[0]);
  if (assay_is_valid(output_gradients[0])) gradients[0] = assay_emit2(b, ASSAY_OP_MAX_POOL2D_GRADIENT, output_gradients[0], outputs[1], &pool, sizeof pool);
}

ASSAY_GRADIENT_RULE(avg_pool2d) {
  ASSAY_UNUSED_GRADIENT;
  const struct assay_pool2d_attributes pool = with_extents_of(b, node, inputs[0]);
  gradients[0] = assay_emit1(b, ASSAY_OP_AVG_POOL2D_GRADIENT, output_gradients[0], &pool, sizeof pool);
}

/* Linear, and its own adjoint's adjoint. */
ASSAY_GRADIENT_RULE(avg_pool2d_gradient) {
  ASSAY_UNUSED_GRADIENT;
  gradients[0] = assay_avg_pool2d(b, output_gradients[0], node->attributes);
}
