/* SPDX-License-Identifier: MIT
 *
 * The cases that ops are timed with: the extents of one batch of 16 images in a small network, from 64 x 64 pixels down, so that a slow op shows as it would
 * in a training, not only in a benchmark of its own.
 */
#include "cases.h"

#include <string.h>

enum { N = 16, C = 32, H = 28, W = 28, CLASSES = 100, ROWS = 4096 };

static struct assay_tensor_type plane(int32_t dtype) { return case_shape(dtype, 4, N, C, H, W); }

static void elementwise(struct assay_case_list *list, uint32_t op, int32_t dtype, int inputs, enum assay_case_fill fill) {
  struct assay_case c = case_new(op, ASSAY_CASE_ELEMENTWISE);
  for (int i = 0; i < inputs; i++) case_operand(&c, plane(dtype), fill);
  case_add(list, &c);
}

static void cast_case(struct assay_case_list *list, int32_t from, int32_t to) {
  struct assay_case c = case_new(ASSAY_OP_CAST, ASSAY_CASE_ELEMENTWISE);
  case_operand(&c, plane(from), from == ASSAY_U8 ? ASSAY_FILL_BITS : ASSAY_FILL_NORMAL);
  c.attributes.cast.dtype = to;
  c.attributes_size = sizeof c.attributes.cast;
  case_add(list, &c);
}

static void select_case(struct assay_case_list *list) {
  struct assay_case c = case_new(ASSAY_OP_SELECT, 0);
  case_operand(&c, plane(ASSAY_BOOL), ASSAY_FILL_BOOL);
  case_operand(&c, plane(ASSAY_F32), ASSAY_FILL_NORMAL);
  case_operand(&c, plane(ASSAY_F32), ASSAY_FILL_NORMAL);
  case_add(list, &c);
}

/* As the gradient of a bias does, and as a softmax does. */
static void reduce_cases(struct assay_case_list *list, uint32_t op) {
  for (int i = op == ASSAY_OP_ARGMAX ? 1 : 0; i < 2; i++) {
    struct assay_case c = case_new(op, 0);
    case_operand(&c, i == 0 ? plane(ASSAY_F32) : case_shape(ASSAY_F32, 2, ROWS, CLASSES), ASSAY_FILL_NORMAL);
    c.attributes.reduce.axes = i == 0 ? 1u << 0 | 1u << 2 | 1u << 3 : 1u << 1;
    c.attributes_size = sizeof c.attributes.reduce;
    case_add(list, &c);
  }
}

static void shape_case(struct assay_case_list *list, uint32_t op, struct assay_tensor_type from, struct assay_tensor_type to) {
  struct assay_case c = case_new(op, 0);
  case_operand(&c, from, ASSAY_FILL_NORMAL);
  c.attributes.shape.rank = to.rank;
  memcpy(c.attributes.shape.extents, to.extents, sizeof to.extents);
  c.attributes_size = sizeof c.attributes.shape;
  case_add(list, &c);
}

static void place_case(struct assay_case_list *list, uint32_t op) {
  struct assay_case c = case_new(op, 0);
  case_operand(&c, plane(ASSAY_F32), ASSAY_FILL_NORMAL);
  if (op == ASSAY_OP_TRANSPOSE) {
    memcpy(c.attributes.transpose.axes, (const int32_t[]){0, 2, 3, 1}, 4 * sizeof(int32_t));
    c.attributes_size = sizeof c.attributes.transpose;
  } else if (op == ASSAY_OP_SLICE) {
    for (int axis = 0; axis < ASSAY_MAX_RANK; axis++) {
      c.attributes.slice.start[axis] = axis == 2 || axis == 3 ? 1 : 0;
      c.attributes.slice.stop[axis] = INT64_MAX;
      c.attributes.slice.step[axis] = 1;
    }
    c.attributes_size = sizeof c.attributes.slice;
  } else if (op == ASSAY_OP_PAD) {
    for (int axis = 2; axis < 4; axis++) c.attributes.pad.low[axis] = c.attributes.pad.high[axis] = 1;
    c.attributes_size = sizeof c.attributes.pad;
  } else {
    case_operand(&c, plane(ASSAY_F32), ASSAY_FILL_NORMAL);
    c.attributes.axis.axis = 1;
    c.attributes_size = sizeof c.attributes.axis;
  }
  case_add(list, &c);
}

/* Images of a resident data set; rows of a table of words. */
static void row_case(struct assay_case_list *list, uint32_t op) {
  struct assay_case c = case_new(op, 0);
  const int width = op == ASSAY_OP_GATHER ? 64 * 64 * 3 : 64;
  if (op != ASSAY_OP_ONE_HOT) case_operand(&c, case_shape(op == ASSAY_OP_GATHER ? ASSAY_U8 : ASSAY_F32, 2, 256, width), ASSAY_FILL_FEW);
  case_operand(&c, case_shape(ASSAY_I32, 1, op == ASSAY_OP_ONE_HOT ? ROWS : op == ASSAY_OP_GATHER ? N : 256), ASSAY_FILL_INDEX);
  c.inputs[c.input_count - 1].bound = CLASSES;
  if (op != ASSAY_OP_GATHER) {
    c.attributes.count.count = CLASSES;
    c.attributes_size = sizeof c.attributes.count;
  }
  case_add(list, &c);
}

static void matmul_case(struct assay_case_list *list, int m, int n, int k, uint32_t transpose_b) {
  struct assay_case c = case_new(ASSAY_OP_MATMUL, 0);
  case_operand(&c, case_shape(ASSAY_F32, 2, m, k), ASSAY_FILL_NORMAL);
  case_operand(&c, transpose_b ? case_shape(ASSAY_F32, 2, n, k) : case_shape(ASSAY_F32, 2, k, n), ASSAY_FILL_NORMAL);
  c.attributes.matmul.transpose_b = transpose_b;
  c.attributes_size = sizeof c.attributes.matmul;
  case_add(list, &c);
}

static void convolution_case(struct assay_case_list *list, uint32_t op, int inputs, int outputs, int side, int kernel, int stride, int groups) {
  const int after = (side + 2 * (kernel / 2) - kernel) / stride + 1;
  const struct assay_tensor_type x = case_shape(ASSAY_F32, 4, N, inputs, side, side), w = case_shape(ASSAY_F32, 4, outputs, inputs / groups, kernel, kernel);
  const struct assay_tensor_type y = case_shape(ASSAY_F32, 4, N, outputs, after, after);
  struct assay_case c = case_new(op, 0);
  struct assay_conv2d_attributes *a = &c.attributes.conv2d;
  case_operand(&c, op == ASSAY_OP_CONV2D_INPUT_GRADIENT ? y : x, ASSAY_FILL_NORMAL);
  case_operand(&c, op == ASSAY_OP_CONV2D_WEIGHT_GRADIENT ? y : w, ASSAY_FILL_NORMAL);
  for (int k = 0; k < 2; k++) {
    a->stride[k] = stride;
    a->dilation[k] = 1;
    a->pad_low[k] = a->pad_high[k] = kernel / 2;
    if (op == ASSAY_OP_CONV2D_INPUT_GRADIENT) a->input_extents[k] = side;
    if (op == ASSAY_OP_CONV2D_WEIGHT_GRADIENT) a->kernel_extents[k] = kernel;
  }
  a->groups = groups;
  c.attributes_size = sizeof *a;
  c.terms = (double)w.extents[1] * kernel * kernel;
  case_add(list, &c);
}

static void convolution_cases(struct assay_case_list *list, uint32_t op) {
  convolution_case(list, op, 3, C, 64, 3, 1, 1);
  convolution_case(list, op, C, 2 * C, 28, 3, 1, 1);
  convolution_case(list, op, 4 * C, 4 * C, 14, 1, 1, 1);
  convolution_case(list, op, 4 * C, 4 * C, 14, 3, 1, 4 * C); /* depthwise */
}

static void pool_case(struct assay_case_list *list, uint32_t op) {
  struct assay_case c = case_new(op, ASSAY_CASE_FIRST_OUTPUT | (op == ASSAY_OP_MAX_POOL2D_GRADIENT ? ASSAY_CASE_GRADIENT : 0u));
  struct assay_pool2d_attributes *a = &c.attributes.pool2d;
  if (op == ASSAY_OP_MAX_POOL2D_GRADIENT) c.op = ASSAY_OP_MAX_POOL2D; /* only its own backend understands its residual */
  case_operand(&c, op == ASSAY_OP_AVG_POOL2D_GRADIENT ? case_shape(ASSAY_F32, 4, N, C, H / 2, W / 2) : plane(ASSAY_F32), ASSAY_FILL_NORMAL);
  for (int k = 0; k < 2; k++) {
    a->kernel[k] = a->stride[k] = 2;
    if (op == ASSAY_OP_AVG_POOL2D_GRADIENT) a->input_extents[k] = k == 0 ? H : W;
  }
  c.attributes_size = sizeof *a;
  case_add(list, &c);
}

static void random_case(struct assay_case_list *list) {
  const struct assay_tensor_type type = plane(ASSAY_F32);
  struct assay_case c = case_new(ASSAY_OP_RANDOM_UNIFORM, 0);
  case_operand(&c, case_shape(ASSAY_U32, 2, N, 2), ASSAY_FILL_BITS);
  c.attributes.random.rank = type.rank;
  memcpy(c.attributes.random.extents, type.extents, sizeof type.extents);
  c.attributes_size = sizeof c.attributes.random;
  case_add(list, &c);
}

/* Alone and with their gradients. */
static void softmax_cases(struct assay_case_list *list, uint32_t op) {
  for (uint32_t gradient = 0; gradient < 2; gradient++) {
    struct assay_case c = case_new(op, gradient ? ASSAY_CASE_GRADIENT : 0);
    case_operand(&c, case_shape(ASSAY_F32, 2, ROWS, CLASSES), ASSAY_FILL_NORMAL);
    if (op == ASSAY_OP_SOFTMAX_CROSS_ENTROPY || op == ASSAY_OP_SIGMOID_CROSS_ENTROPY)
      case_operand(&c, c.inputs[0].type, op == ASSAY_OP_SIGMOID_CROSS_ENTROPY ? ASSAY_FILL_UNIT : ASSAY_FILL_PROBABILITY);
    case_add(list, &c);
  }
}

static void batch_norm_cases(struct assay_case_list *list, uint32_t op) {
  const struct assay_tensor_type channels = case_shape(ASSAY_F32, 1, C);
  struct assay_case c = case_new(op, ASSAY_CASE_FIRST_OUTPUT);
  if (op == ASSAY_OP_BATCH_NORM_TRAINING_GRADIENT) case_operand(&c, plane(ASSAY_F32), ASSAY_FILL_NORMAL);
  case_operand(&c, plane(ASSAY_F32), ASSAY_FILL_NORMAL);
  case_operand(&c, channels, ASSAY_FILL_POSITIVE);
  case_operand(&c, channels, ASSAY_FILL_POSITIVE);
  if (op != ASSAY_OP_BATCH_NORM_TRAINING) case_operand(&c, channels, ASSAY_FILL_POSITIVE);
  if (op == ASSAY_OP_BATCH_NORM_INFERENCE) case_operand(&c, channels, ASSAY_FILL_POSITIVE);
  c.attributes.epsilon.epsilon = 1e-5;
  c.attributes_size = sizeof c.attributes.epsilon;
  case_add(list, &c);
}

static void picture_case(struct assay_case_list *list, uint32_t op) {
  struct assay_case c = case_new(op, 0);
  case_operand(&c, case_shape(ASSAY_F32, 4, N, 3, 64, 64), ASSAY_FILL_NORMAL);
  if (op == ASSAY_OP_WARP) case_operand(&c, case_shape(ASSAY_F32, 2, N, 9), ASSAY_FILL_MAP);
  if (op == ASSAY_OP_MIX_CHANNELS) case_operand(&c, case_shape(ASSAY_F32, 3, N, 3, 4), ASSAY_FILL_NORMAL);
  if (op == ASSAY_OP_GAUSSIAN_BLUR) case_operand(&c, case_shape(ASSAY_F32, 1, N), ASSAY_FILL_POSITIVE);
  if (op == ASSAY_OP_WARP) c.attributes_size = sizeof c.attributes.warp;
  if (op == ASSAY_OP_GAUSSIAN_BLUR) {
    c.attributes.blur.radius = 3;
    c.attributes_size = sizeof c.attributes.blur;
  }
  case_add(list, &c);
}

void assay_conformance_timed_cases(struct assay_case_list *list, uint32_t op) {
  switch (op) {
  case ASSAY_OP_CAST:
    cast_case(list, ASSAY_U8, ASSAY_F32);
    cast_case(list, ASSAY_F32, ASSAY_I32);
    break;
  case ASSAY_OP_NOT: elementwise(list, op, ASSAY_BOOL, 1, ASSAY_FILL_BOOL); break;
  case ASSAY_OP_AND:
  case ASSAY_OP_OR: elementwise(list, op, ASSAY_BOOL, 2, ASSAY_FILL_BOOL); break;
  case ASSAY_OP_SELECT: select_case(list); break;
  case ASSAY_OP_REDUCE_SUM:
  case ASSAY_OP_REDUCE_MAX:
  case ASSAY_OP_ARGMAX: reduce_cases(list, op); break;
  case ASSAY_OP_BROADCAST: shape_case(list, op, case_shape(ASSAY_F32, 3, C, 1, 1), plane(ASSAY_F32)); break;
  case ASSAY_OP_RESHAPE: shape_case(list, op, plane(ASSAY_F32), case_shape(ASSAY_F32, 2, N, C * H * W)); break;
  case ASSAY_OP_TRANSPOSE:
  case ASSAY_OP_SLICE:
  case ASSAY_OP_PAD:
  case ASSAY_OP_CONCAT: place_case(list, op); break;
  case ASSAY_OP_GATHER:
  case ASSAY_OP_SCATTER_ADD:
  case ASSAY_OP_ONE_HOT: row_case(list, op); break;
  case ASSAY_OP_MATMUL:
    matmul_case(list, N, CLASSES, 1024, 1);
    matmul_case(list, 256, 256, 256, 0);
    matmul_case(list, 512, 512, 512, 0);
    break;
  case ASSAY_OP_CONV2D:
  case ASSAY_OP_CONV2D_INPUT_GRADIENT:
  case ASSAY_OP_CONV2D_WEIGHT_GRADIENT: convolution_cases(list, op); break;
  case ASSAY_OP_MAX_POOL2D:
  case ASSAY_OP_MAX_POOL2D_GRADIENT:
  case ASSAY_OP_AVG_POOL2D:
  case ASSAY_OP_AVG_POOL2D_GRADIENT: pool_case(list, op); break;
  case ASSAY_OP_RANDOM_UNIFORM: random_case(list); break;
  case ASSAY_OP_SOFTMAX:
  case ASSAY_OP_LOG_SOFTMAX:
  case ASSAY_OP_SOFTMAX_CROSS_ENTROPY:
  case ASSAY_OP_SIGMOID_CROSS_ENTROPY: softmax_cases(list, op); break;
  case ASSAY_OP_WARP:
  case ASSAY_OP_MIX_CHANNELS:
  case ASSAY_OP_GAUSSIAN_BLUR: picture_case(list, op); break;
  case ASSAY_OP_BATCH_NORM_TRAINING:
  case ASSAY_OP_BATCH_NORM_TRAINING_GRADIENT:
  case ASSAY_OP_BATCH_NORM_INFERENCE: batch_norm_cases(list, op); break;
  default:
    if (op >= ASSAY_OP_NEGATE && op <= ASSAY_OP_COS) elementwise(list, op, ASSAY_F32, 1, ASSAY_FILL_POSITIVE);
    else if (op >= ASSAY_OP_ADD && op <= ASSAY_OP_LESS_EQUAL) elementwise(list, op, ASSAY_F32, 2, ASSAY_FILL_POSITIVE);
  }
}
