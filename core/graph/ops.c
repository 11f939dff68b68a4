/* SPDX-License-Identifier: MIT
 *
 * The op table, ids ascending.
 */
#include "graph/op_rules.h"

#include <stdio.h>
#include <string.h>

/* ---- Fields of the attribute structures ---- */

#define FIELD(structure, field, kind, count) {#field, offsetof(struct assay_##structure##_attributes, field), ASSAY_FIELD_##kind, count}
#define END {NULL, 0, 0, 0}
typedef struct assay_attribute_field field_list[];

static const field_list source_fields = {FIELD(source, index, U32, 1), END};
static const field_list constant_fields = {FIELD(constant, value, F64, 1), FIELD(constant, dtype, I32, 1), END};
static const field_list cast_fields = {FIELD(cast, dtype, I32, 1), END};
static const field_list reduce_fields = {FIELD(reduce, axes, U32, 1), FIELD(reduce, keep_axes, U32, 1), END};
static const field_list shape_fields = {FIELD(shape, rank, I32, 1), FIELD(shape, extents, I64, ASSAY_MAX_RANK), END};
static const field_list transpose_fields = {FIELD(transpose, axes, I32, ASSAY_MAX_RANK), END};
static const field_list slice_fields = {FIELD(slice, start, I64, ASSAY_MAX_RANK), FIELD(slice, stop, I64, ASSAY_MAX_RANK),
                                        FIELD(slice, step, I64, ASSAY_MAX_RANK), END};
static const field_list pad_fields = {FIELD(pad, low, I64, ASSAY_MAX_RANK), FIELD(pad, high, I64, ASSAY_MAX_RANK), FIELD(pad, interior, I64, ASSAY_MAX_RANK),
                                      FIELD(pad, value, F64, 1), END};
static const field_list axis_fields = {FIELD(axis, axis, I32, 1), END};
static const field_list count_fields = {FIELD(count, count, I64, 1), END};
static const field_list matmul_fields = {FIELD(matmul, transpose_a, U32, 1), FIELD(matmul, transpose_b, U32, 1), END};
static const field_list conv2d_fields = {FIELD(conv2d, stride, I64, 2),   FIELD(conv2d, dilation, I64, 2), FIELD(conv2d, pad_low, I64, 2),
                                         FIELD(conv2d, pad_high, I64, 2), FIELD(conv2d, groups, I64, 1),   FIELD(conv2d, input_extents, I64, 2),
                                         FIELD(conv2d, kernel_extents, I64, 2), END};
static const field_list pool2d_fields = {FIELD(pool2d, kernel, I64, 2),   FIELD(pool2d, stride, I64, 2),        FIELD(pool2d, pad_low, I64, 2),
                                         FIELD(pool2d, pad_high, I64, 2), FIELD(pool2d, count_padding, I64, 1), FIELD(pool2d, input_extents, I64, 2), END};
static const field_list random_fields = {FIELD(random, stream, U32, 1), FIELD(random, rank, I32, 1), FIELD(random, extents, I64, ASSAY_MAX_RANK), END};
static const field_list epsilon_fields = {FIELD(epsilon, epsilon, F64, 1), END};
static const field_list warp_fields = {FIELD(warp, border, U32, 1), END};
static const field_list blur_fields = {FIELD(blur, radius, I64, 1), END};

/* ---- The table ---- */

#define SIZE(structure) sizeof(struct assay_##structure##_attributes)
#define NONE 0, NULL, NULL
#define WITH(structure) SIZE(structure), structure##_fields, NULL
#define NORMAL(structure) SIZE(structure), structure##_fields, assay_normalise_##structure
#define ELEMENTWISE ASSAY_OP_ELEMENTWISE
#define COMMUTATIVE (ASSAY_OP_ELEMENTWISE | ASSAY_OP_COMMUTATIVE)
#define SHAPE(name) assay_shape_##name
#define GRADIENT(name) assay_gradient_##name
#define DECOMPOSE(name) assay_decompose_##name

static const struct assay_op_info table[] = {
    {ASSAY_OP_INPUT, ASSAY_OP_SOURCE, "input", 0, 1, WITH(source), SHAPE(source), NULL, NULL},
    {ASSAY_OP_VARIABLE, ASSAY_OP_SOURCE, "variable", 0, 1, WITH(source), SHAPE(source), NULL, NULL},
    {ASSAY_OP_CONSTANT, ASSAY_OP_SOURCE, "constant", 0, 1, NORMAL(constant), SHAPE(constant), NULL, NULL},

    {ASSAY_OP_NEGATE, ELEMENTWISE, "negate", 1, 1, NONE, SHAPE(number), GRADIENT(negate), NULL},
    {ASSAY_OP_ABS, ELEMENTWISE, "abs", 1, 1, NONE, SHAPE(number), GRADIENT(abs), NULL},
    {ASSAY_OP_SIGN, ELEMENTWISE, "sign", 1, 1, NONE, SHAPE(float), NULL, NULL},
    {ASSAY_OP_EXP, ELEMENTWISE, "exp", 1, 1, NONE, SHAPE(float), GRADIENT(exp), NULL},
    {ASSAY_OP_LOG, ELEMENTWISE, "log", 1, 1, NONE, SHAPE(float), GRADIENT(log), NULL},
    {ASSAY_OP_LOG1P, ELEMENTWISE, "log1p", 1, 1, NONE, SHAPE(float), GRADIENT(log1p), NULL},
    {ASSAY_OP_SQRT, ELEMENTWISE, "sqrt", 1, 1, NONE, SHAPE(float), GRADIENT(sqrt), NULL},
    {ASSAY_OP_TANH, ELEMENTWISE, "tanh", 1, 1, NONE, SHAPE(float), GRADIENT(tanh), NULL},
    {ASSAY_OP_SIGMOID, ELEMENTWISE, "sigmoid", 1, 1, NONE, SHAPE(float), GRADIENT(sigmoid), NULL},
    {ASSAY_OP_ERF, ELEMENTWISE, "erf", 1, 1, NONE, SHAPE(float), GRADIENT(erf), NULL},
    {ASSAY_OP_FLOOR, ELEMENTWISE, "floor", 1, 1, NONE, SHAPE(float), NULL, NULL},
    {ASSAY_OP_RELU, ELEMENTWISE, "relu", 1, 1, NONE, SHAPE(float), GRADIENT(relu), NULL},
    {ASSAY_OP_IS_FINITE, ELEMENTWISE, "is_finite", 1, 1, NONE, SHAPE(is_finite), NULL, NULL},
    {ASSAY_OP_NOT, ELEMENTWISE, "not", 1, 1, NONE, SHAPE(logic), NULL, NULL},
    {ASSAY_OP_CAST, ELEMENTWISE, "cast", 1, 1, WITH(cast), SHAPE(cast), GRADIENT(cast), NULL},
    {ASSAY_OP_STOP_GRADIENT, ELEMENTWISE, "stop_gradient", 1, 1, NONE, SHAPE(any), NULL, NULL},
    {ASSAY_OP_SIN, ELEMENTWISE, "sin", 1, 1, NONE, SHAPE(float), GRADIENT(sin), NULL},
    {ASSAY_OP_COS, ELEMENTWISE, "cos", 1, 1, NONE, SHAPE(float), GRADIENT(cos), NULL},

    {ASSAY_OP_ADD, COMMUTATIVE, "add", 2, 1, NONE, SHAPE(number), GRADIENT(add), NULL},
    {ASSAY_OP_SUBTRACT, ELEMENTWISE, "subtract", 2, 1, NONE, SHAPE(number), GRADIENT(subtract), NULL},
    {ASSAY_OP_MULTIPLY, COMMUTATIVE, "multiply", 2, 1, NONE, SHAPE(number), GRADIENT(multiply), NULL},
    {ASSAY_OP_DIVIDE, ELEMENTWISE, "divide", 2, 1, NONE, SHAPE(number), GRADIENT(divide), NULL},
    {ASSAY_OP_MAXIMUM, ELEMENTWISE, "maximum", 2, 1, NONE, SHAPE(number), GRADIENT(maximum), NULL},
    {ASSAY_OP_MINIMUM, ELEMENTWISE, "minimum", 2, 1, NONE, SHAPE(number), GRADIENT(minimum), NULL},
    {ASSAY_OP_POWER, ELEMENTWISE, "power", 2, 1, NONE, SHAPE(float), GRADIENT(power), NULL},
    {ASSAY_OP_EQUAL, COMMUTATIVE, "equal", 2, 1, NONE, SHAPE(compare), NULL, NULL},
    {ASSAY_OP_LESS, ELEMENTWISE, "less", 2, 1, NONE, SHAPE(compare), NULL, NULL},
    {ASSAY_OP_LESS_EQUAL, ELEMENTWISE, "less_equal", 2, 1, NONE, SHAPE(compare), NULL, NULL},
    {ASSAY_OP_AND, COMMUTATIVE, "and", 2, 1, NONE, SHAPE(logic), NULL, NULL},
    {ASSAY_OP_OR, COMMUTATIVE, "or", 2, 1, NONE, SHAPE(logic), NULL, NULL},
    {ASSAY_OP_SELECT, ELEMENTWISE, "select", 3, 1, NONE, SHAPE(select), GRADIENT(select), NULL},

    {ASSAY_OP_REDUCE_SUM, 0, "reduce_sum", 1, 1, NORMAL(reduce), SHAPE(reduce_sum), GRADIENT(reduce_sum), NULL},
    {ASSAY_OP_REDUCE_MAX, 0, "reduce_max", 1, 1, NORMAL(reduce), SHAPE(reduce_max), GRADIENT(reduce_max), NULL},
    {ASSAY_OP_ARGMAX, 0, "argmax", 1, 1, NORMAL(reduce), SHAPE(argmax), NULL, NULL},

    {ASSAY_OP_BROADCAST, 0, "broadcast", 1, 1, NORMAL(shape), SHAPE(broadcast), GRADIENT(broadcast), NULL},
    {ASSAY_OP_RESHAPE, 0, "reshape", 1, 1, NORMAL(shape), SHAPE(reshape), GRADIENT(reshape), NULL},
    {ASSAY_OP_TRANSPOSE, 0, "transpose", 1, 1, NORMAL(transpose), SHAPE(transpose), GRADIENT(transpose), NULL},
    {ASSAY_OP_SLICE, 0, "slice", 1, 1, NORMAL(slice), SHAPE(slice), GRADIENT(slice), NULL},
    {ASSAY_OP_PAD, 0, "pad", 1, 1, NORMAL(pad), SHAPE(pad), GRADIENT(pad), NULL},
    {ASSAY_OP_CONCAT, 0, "concat", -1, 1, WITH(axis), SHAPE(concat), GRADIENT(concat), NULL},
    {ASSAY_OP_GATHER, 0, "gather", 2, 1, NONE, SHAPE(gather), GRADIENT(gather), NULL},
    {ASSAY_OP_SCATTER_ADD, 0, "scatter_add", 2, 1, WITH(count), SHAPE(scatter_add), GRADIENT(scatter_add), NULL},
    {ASSAY_OP_ONE_HOT, 0, "one_hot", 1, 1, WITH(count), SHAPE(one_hot), NULL, NULL},

    {ASSAY_OP_MATMUL, 0, "matmul", 2, 1, NORMAL(matmul), SHAPE(matmul), GRADIENT(matmul), NULL},
    {ASSAY_OP_CONV2D, 0, "conv2d", 2, 1, NORMAL(conv2d), SHAPE(conv2d), GRADIENT(conv2d), NULL},
    {ASSAY_OP_CONV2D_INPUT_GRADIENT, 0, "conv2d_input_gradient", 2, 1, NORMAL(conv2d), SHAPE(conv2d_input_gradient), GRADIENT(conv2d_input_gradient), NULL},
    {ASSAY_OP_CONV2D_WEIGHT_GRADIENT, 0, "conv2d_weight_gradient", 2, 1, NORMAL(conv2d), SHAPE(conv2d_weight_gradient), GRADIENT(conv2d_weight_gradient), NULL},

    {ASSAY_OP_MAX_POOL2D, 0, "max_pool2d", 1, 2, NORMAL(pool2d), SHAPE(max_pool2d), GRADIENT(max_pool2d), NULL},
    {ASSAY_OP_MAX_POOL2D_GRADIENT, ASSAY_OP_NO_DERIVATIVE, "max_pool2d_gradient", 2, 1, NORMAL(pool2d), SHAPE(max_pool2d_gradient), NULL, NULL},
    {ASSAY_OP_AVG_POOL2D, 0, "avg_pool2d", 1, 1, NORMAL(pool2d), SHAPE(avg_pool2d), GRADIENT(avg_pool2d), NULL},
    {ASSAY_OP_AVG_POOL2D_GRADIENT, 0, "avg_pool2d_gradient", 1, 1, NORMAL(pool2d), SHAPE(avg_pool2d_gradient), GRADIENT(avg_pool2d_gradient), NULL},

    {ASSAY_OP_RANDOM_UNIFORM, 0, "random_uniform", 1, 1, NORMAL(random), SHAPE(random), NULL, NULL},
    {ASSAY_OP_ASSIGN, ASSAY_OP_EFFECT, "assign", 2, 0, NONE, SHAPE(assign), NULL, NULL},

    {ASSAY_OP_SOFTMAX, ASSAY_OP_COMPOSITE, "softmax", 1, 1, NONE, SHAPE(softmax), GRADIENT(softmax), DECOMPOSE(softmax)},
    {ASSAY_OP_LOG_SOFTMAX, ASSAY_OP_COMPOSITE, "log_softmax", 1, 1, NONE, SHAPE(softmax), GRADIENT(log_softmax), DECOMPOSE(log_softmax)},
    {ASSAY_OP_SOFTMAX_CROSS_ENTROPY, ASSAY_OP_COMPOSITE, "softmax_cross_entropy", 2, 1, NONE, SHAPE(softmax_cross_entropy), GRADIENT(softmax_cross_entropy),
     DECOMPOSE(softmax_cross_entropy)},
    {ASSAY_OP_SIGMOID_CROSS_ENTROPY, ASSAY_OP_COMPOSITE, "sigmoid_cross_entropy", 2, 1, NONE, SHAPE(sigmoid_cross_entropy), GRADIENT(sigmoid_cross_entropy),
     DECOMPOSE(sigmoid_cross_entropy)},
    {ASSAY_OP_BATCH_NORM_TRAINING, ASSAY_OP_COMPOSITE, "batch_norm_training", 3, 3, WITH(epsilon), SHAPE(batch_norm_training), GRADIENT(batch_norm_training),
     DECOMPOSE(batch_norm_training)},
    {ASSAY_OP_BATCH_NORM_TRAINING_GRADIENT, ASSAY_OP_COMPOSITE, "batch_norm_training_gradient", 5, 3, WITH(epsilon), SHAPE(batch_norm_training_gradient), NULL,
     DECOMPOSE(batch_norm_training_gradient)},
    {ASSAY_OP_BATCH_NORM_INFERENCE, ASSAY_OP_COMPOSITE, "batch_norm_inference", 5, 1, WITH(epsilon), SHAPE(batch_norm_inference), NULL,
     DECOMPOSE(batch_norm_inference)},
    {ASSAY_OP_WARP, ASSAY_OP_COMPOSITE, "warp", 2, 1, NORMAL(warp), SHAPE(warp), NULL, DECOMPOSE(warp)},
    {ASSAY_OP_MIX_CHANNELS, ASSAY_OP_COMPOSITE, "mix_channels", 2, 1, NONE, SHAPE(mix_channels), NULL, DECOMPOSE(mix_channels)},
    {ASSAY_OP_GAUSSIAN_BLUR, ASSAY_OP_COMPOSITE, "gaussian_blur", 2, 1, WITH(blur), SHAPE(gaussian_blur), NULL, DECOMPOSE(gaussian_blur)},
    {ASSAY_OP_SOFTMAX_CROSS_ENTROPY_GRADIENT, ASSAY_OP_COMPOSITE, "softmax_cross_entropy_gradient", 3, 1, NONE, SHAPE(softmax_cross_entropy_gradient), NULL,
     DECOMPOSE(softmax_cross_entropy_gradient)},
};

enum { OP_COUNT = sizeof table / sizeof table[0] };

const struct assay_op_info *assay_op_at(uint32_t index) { return index < OP_COUNT ? &table[index] : NULL; }

const struct assay_op_info *assay_op_info(uint32_t op) {
  uint32_t low = 0, high = OP_COUNT;
  while (low < high) {
    const uint32_t middle = (low + high) / 2;
    if (table[middle].op < op) low = middle + 1;
    else high = middle;
  }
  return low < OP_COUNT && table[low].op == op ? &table[low] : NULL;
}

const struct assay_op_info *assay_op_by_name(const char *name) {
  for (uint32_t i = 0; i < OP_COUNT; i++)
    if (strcmp(table[i].name, name) == 0) return &table[i];
  return NULL;
}

/* ---- Types ---- */

static const char *const dtype_names[] = {NULL, "f64", "f32", "f16", "bf16", "i32", "u32", "u8", "bool"};

const char *assay_dtype_name(int32_t dtype) { return dtype >= ASSAY_F64 && dtype <= ASSAY_BOOL ? dtype_names[dtype] : NULL; }

int32_t assay_dtype_by_name(const char *name) {
  for (int32_t dtype = ASSAY_F64; dtype <= ASSAY_BOOL; dtype++)
    if (strcmp(dtype_names[dtype], name) == 0) return dtype;
  return 0;
}

const char *assay_type_text(const struct assay_tensor_type *type, char text[ASSAY_TYPE_TEXT]) {
  const char *dtype = assay_dtype_name(type->dtype);
  int length = snprintf(text, ASSAY_TYPE_TEXT, "%s [", dtype == NULL ? "?" : dtype);
  for (int32_t axis = 0; axis < type->rank && axis < ASSAY_MAX_RANK; axis++)
    length += snprintf(text + length, ASSAY_TYPE_TEXT - (size_t)length, "%s%lld", axis == 0 ? "" : ", ", (long long)type->extents[axis]);
  snprintf(text + length, ASSAY_TYPE_TEXT - (size_t)length, "]");
  return text;
}

int assay_type_check(const struct assay_tensor_type *type, struct assay_status *status) {
  const int64_t most = (int64_t)1 << 48;
  char text[ASSAY_TYPE_TEXT];
  if (assay_dtype_size(type->dtype) == 0) return ASSAY_REFUSE("%d is no dtype", type->dtype);
  if (!assay_within(type->rank, 0, ASSAY_MAX_RANK)) return ASSAY_REFUSE("a tensor has 0 to %d axes, not %d", ASSAY_MAX_RANK, type->rank);
  int64_t elements = 1;
  for (int32_t axis = 0; axis < type->rank; axis++) {
    if (type->extents[axis] < 1) return ASSAY_REFUSE("%s is no shape: extents must be at least 1", assay_type_text(type, text));
    if (__builtin_mul_overflow(elements, type->extents[axis], &elements) || elements > most)
      return ASSAY_REFUSE("%s has more than 2^48 elements", assay_type_text(type, text));
  }
  return 0;
}
