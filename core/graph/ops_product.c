/* SPDX-License-Identifier: MIT
 *
 * Matrix product and convolution. Both are bilinear, so every gradient is again a product of the same family, to any order.
 */
#include "graph/op_rules.h"

/* ---- Matrix product ---- */

ASSAY_NORMALISER(matmul) {
  (void)op, (void)inputs;
  struct assay_matmul_attributes *matmul = attributes;
  matmul->transpose_a = matmul->transpose_a != 0;
  matmul->transpose_b = matmul->transpose_b != 0;
}

ASSAY_SHAPE_RULE(matmul) {
  ASSAY_UNUSED_SHAPE;
  const struct assay_matmul_attributes *matmul = attributes;
  const struct assay_tensor_type *a = inputs[0], *b = inputs[1];
  char left[ASSAY_TYPE_TEXT], right[ASSAY_TYPE_TEXT];
  if (a->dtype != b->dtype || !assay_dtype_is_float(a->dtype))
    return ASSAY_REFUSE("the inputs must be floats of one dtype, not %s and %s", assay_type_text(a, left), assay_type_text(b, right));
  if (a->rank != b->rank || !assay_within(a->rank, 2, 3) || (a->rank == 3 && a->extents[0] != b->extents[0]))
    return ASSAY_REFUSE("takes two matrices, or two batches of as many, not %s and %s", assay_type_text(a, left), assay_type_text(b, right));
  const int32_t row = a->rank - 2, column = a->rank - 1;
  const int64_t inner_a = a->extents[matmul->transpose_a ? row : column], inner_b = b->extents[matmul->transpose_b ? column : row];
  if (inner_a != inner_b)
    return ASSAY_REFUSE("%s%s and %s%s do not go together: %lld columns on %lld rows", assay_type_text(a, left), matmul->transpose_a ? " (transposed)" : "",
                        assay_type_text(b, right), matmul->transpose_b ? " (transposed)" : "", (long long)inner_a, (long long)inner_b);
  outputs[0] = *a;
  outputs[0].extents[row] = a->extents[matmul->transpose_a ? column : row];
  outputs[0].extents[column] = b->extents[matmul->transpose_b ? row : column];
  return 0;
}

/* With A and B as they enter the product and G the gradient of AB: dA = G Bᵀ, dB = Aᵀ G; transposed where the input was. */
ASSAY_GRADIENT_RULE(matmul) {
  ASSAY_UNUSED_GRADIENT;
  const struct assay_matmul_attributes *matmul = node->attributes;
  const int ta = (int)matmul->transpose_a, tb = (int)matmul->transpose_b;
  const assay_value g = output_gradients[0];
  if (wanted[0]) gradients[0] = ta ? assay_matmul(b, inputs[1], g, tb, 1) : assay_matmul(b, g, inputs[1], 0, !tb);
  if (wanted[1]) gradients[1] = tb ? assay_matmul(b, g, inputs[0], 1, ta) : assay_matmul(b, inputs[0], g, !ta, 0);
}

/* ---- Convolution ---- */

ASSAY_NORMALISER(conv2d) {
  (void)inputs;
  struct assay_conv2d_attributes *conv = attributes;
  if (op != ASSAY_OP_CONV2D_INPUT_GRADIENT) conv->input_extents[0] = conv->input_extents[1] = 0;
  if (op != ASSAY_OP_CONV2D_WEIGHT_GRADIENT) conv->kernel_extents[0] = conv->kernel_extents[1] = 0;
}

static int check_images(const struct assay_tensor_type *type, const char *what, struct assay_status *status) {
  char text[ASSAY_TYPE_TEXT];
  if (type->rank != 4 || !assay_dtype_is_float(type->dtype)) return ASSAY_REFUSE("%s must be floats with 4 axes, not %s", what, assay_type_text(type, text));
  return 0;
}

static int check_window(const struct assay_conv2d_attributes *conv, struct assay_status *status) {
  for (int i = 0; i < 2; i++) {
    if (!assay_within(conv->stride[i], 1, ASSAY_LARGEST_EXTENT)) return ASSAY_REFUSE("stride must be at least 1, not %lld", (long long)conv->stride[i]);
    if (!assay_within(conv->dilation[i], 1, ASSAY_LARGEST_EXTENT)) return ASSAY_REFUSE("dilation must be at least 1, not %lld", (long long)conv->dilation[i]);
    if (!assay_within(conv->pad_low[i], 0, ASSAY_LARGEST_EXTENT) || !assay_within(conv->pad_high[i], 0, ASSAY_LARGEST_EXTENT))
      return ASSAY_REFUSE("padding must not be negative, as in %lld + %lld", (long long)conv->pad_low[i], (long long)conv->pad_high[i]);
  }
  if (!assay_within(conv->groups, 1, ASSAY_LARGEST_EXTENT)) return ASSAY_REFUSE("groups must be at least 1, not %lld", (long long)conv->groups);
  return 0;
}

/* H, W of the result of a kernel going over H, W of the input. */
static int slide(const struct assay_conv2d_attributes *conv, const int64_t input[2], const int64_t kernel[2], int64_t output[2], struct assay_status *status) {
  for (int i = 0; i < 2; i++) {
    if (!assay_within(kernel[i], 1, ASSAY_LARGEST_EXTENT)) return ASSAY_REFUSE("the kernel's extents must be at least 1, not %lld", (long long)kernel[i]);
    if (!assay_within(input[i], 1, ASSAY_LARGEST_EXTENT)) return ASSAY_REFUSE("the input's extents must be at least 1, not %lld", (long long)input[i]);
    const __int128 room = (__int128)input[i] + conv->pad_low[i] + conv->pad_high[i] - ((__int128)(kernel[i] - 1) * conv->dilation[i] + 1);
    if (room < 0)
      return ASSAY_REFUSE(
          "a kernel of %lld x %lld%s does not fit into %lld x %lld (height x width) with %lld + %lld rows and %lld + %lld columns of padding: use a "
          "smaller kernel, less pooling before it, or larger images",
          (long long)kernel[0], (long long)kernel[1], conv->dilation[0] > 1 || conv->dilation[1] > 1 ? " (dilated)" : "", (long long)input[0],
          (long long)input[1], (long long)conv->pad_low[0], (long long)conv->pad_high[0], (long long)conv->pad_low[1], (long long)conv->pad_high[1]);
    output[i] = (int64_t)(room / conv->stride[i]) + 1;
  }
  return 0;
}

/* Channels of input (`channels`), weights [O, C / groups, …] and result agree. */
static int check_channels(const struct assay_conv2d_attributes *conv, int64_t channels, int64_t outputs, int64_t inputs_a_group, struct assay_status *status) {
  if (channels % conv->groups != 0 || outputs % conv->groups != 0)
    return ASSAY_REFUSE("%lld channels in and %lld out cannot be split into %lld groups", (long long)channels, (long long)outputs, (long long)conv->groups);
  if (inputs_a_group != channels / conv->groups)
    return ASSAY_REFUSE("weights for %lld channels a group do not fit an input with %lld channels in %lld groups", (long long)inputs_a_group,
                        (long long)channels, (long long)conv->groups);
  return 0;
}

static int check_slid(const struct assay_conv2d_attributes *conv, const int64_t input[2], const int64_t kernel[2], const int64_t output[2],
                      struct assay_status *status) {
  int64_t expected[2];
  const int error = slide(conv, input, kernel, expected, status);
  if (error != 0) return error;
  if (expected[0] != output[0] || expected[1] != output[1])
    return ASSAY_REFUSE("the gradient of the result is %lld x %lld, but the convolution gives %lld x %lld", (long long)output[0], (long long)output[1],
                        (long long)expected[0], (long long)expected[1]);
  return 0;
}

static int check_pair(const struct assay_tensor_type *const *inputs, const char *first, const char *second, const struct assay_conv2d_attributes *conv,
                      struct assay_status *status) {
  int error = check_images(inputs[0], first, status);
  if (error == 0) error = check_images(inputs[1], second, status);
  if (error == 0 && inputs[0]->dtype != inputs[1]->dtype)
    error = ASSAY_REFUSE("%s and %s must have one dtype, not %s and %s", first, second, assay_dtype_name(inputs[0]->dtype), assay_dtype_name(inputs[1]->dtype));
  return error != 0 ? error : check_window(conv, status);
}

ASSAY_SHAPE_RULE(conv2d) {
  ASSAY_UNUSED_SHAPE;
  const struct assay_conv2d_attributes *conv = attributes;
  const int64_t *x = inputs[0]->extents, *w = inputs[1]->extents;
  int64_t area[2];
  int error = check_pair(inputs, "images", "weights", conv, status);
  if (error == 0) error = check_channels(conv, x[1], w[0], w[1], status);
  if (error == 0) error = slide(conv, x + 2, w + 2, area, status);
  if (error == 0) outputs[0] = assay_make_type(inputs[0]->dtype, 4, (const int64_t[]){x[0], w[0], area[0], area[1]});
  return error;
}

ASSAY_SHAPE_RULE(conv2d_input_gradient) {
  ASSAY_UNUSED_SHAPE;
  const struct assay_conv2d_attributes *conv = attributes;
  const int64_t *dy = inputs[0]->extents, *w = inputs[1]->extents;
  int error = check_pair(inputs, "the gradient", "weights", conv, status);
  if (error != 0) return error;
  int64_t channels;
  if (__builtin_mul_overflow(w[1], conv->groups, &channels)) return ASSAY_REFUSE("too many channels");
  error = check_channels(conv, channels, w[0], w[1], status);
  if (error == 0 && dy[1] != w[0])
    error = ASSAY_REFUSE("a gradient with %lld channels does not fit weights that make %lld", (long long)dy[1], (long long)w[0]);
  if (error == 0) error = check_slid(conv, conv->input_extents, w + 2, dy + 2, status);
  if (error == 0) outputs[0] = assay_make_type(inputs[0]->dtype, 4, (const int64_t[]){dy[0], channels, conv->input_extents[0], conv->input_extents[1]});
  return error;
}

ASSAY_SHAPE_RULE(conv2d_weight_gradient) {
  ASSAY_UNUSED_SHAPE;
  const struct assay_conv2d_attributes *conv = attributes;
  const int64_t *x = inputs[0]->extents, *dy = inputs[1]->extents;
  int error = check_pair(inputs, "images", "the gradient", conv, status);
  if (error == 0) error = check_channels(conv, x[1], dy[1], x[1] / conv->groups, status);
  if (error == 0 && x[0] != dy[0]) error = ASSAY_REFUSE("%lld images but a gradient for %lld", (long long)x[0], (long long)dy[0]);
  if (error == 0) error = check_slid(conv, x + 2, conv->kernel_extents, dy + 2, status);
  if (error == 0)
    outputs[0] = assay_make_type(inputs[0]->dtype, 4, (const int64_t[]){dy[1], x[1] / conv->groups, conv->kernel_extents[0], conv->kernel_extents[1]});
  return error;
}

static assay_value input_gradient(struct assay_builder *b, const struct assay_node *node, assay_value dy, assay_value w, assay_value x) {
  struct assay_conv2d_attributes conv = *(const struct assay_conv2d_attributes *)node->attributes;
  conv.input_extents[0] = assay_extent(b, x, 2);
  conv.input_extents[1] = assay_extent(b, x, 3);
  return assay_emit2(b, ASSAY_OP_CONV2D_INPUT_GRADIENT, dy, w, &conv, sizeof conv);
}

static assay_value weight_gradient(struct assay_builder *b, const struct assay_node *node, assay_value x, assay_value dy, assay_value w) {
  struct assay_conv2d_attributes conv = *(const struct assay_conv2d_attributes *)node->attributes;
  conv.kernel_extents[0] = assay_extent(b, w, 2);
  conv.kernel_extents[1] = assay_extent(b, w, 3);
  return assay_emit2(b, ASSAY_OP_CONV2D_WEIGHT_GRADIENT, x, dy, &conv, sizeof conv);
}

ASSAY_GRADIENT_RULE(conv2d) {
  ASSAY_UNUSED_GRADIENT;
  const assay_value x = inputs[0], w = inputs[1], dy = output_gradients[0];
  if (wanted[0]) gradients[0] = input_gradient(b, node, dy, w, x);
  if (wanted[1]) gradients[1] = weight_gradient(b, node, x, dy, w);
}

/* g has the extents of the convolution's input. */
ASSAY_GRADIENT_RULE(conv2d_input_gradient) {
  ASSAY_UNUSED_GRADIENT;
  const assay_value dy = inputs[0], w = inputs[1], g = output_gradients[0];
  if (wanted[0]) gradients[0] = assay_conv2d(b, g, w, node->attributes);
  if (wanted[1]) gradients[1] = weight_gradient(b, node, g, dy, w);
}

/* g has the extents of the weights. */
ASSAY_GRADIENT_RULE(conv2d_weight_gradient) {
  ASSAY_UNUSED_GRADIENT;
  const assay_value x = inputs[0], dy = inputs[1], g = output_gradients[0];
  if (wanted[0]) gradients[0] = input_gradient(b, node, dy, g, x);
  if (wanted[1]) gradients[1] = assay_conv2d(b, x, g, node->attributes);
}
