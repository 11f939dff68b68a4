/* SPDX-License-Identifier: MIT
 *
 * Shape inference: what each op makes of its inputs' types, and every sentence with which it refuses them.
 */
#include "graph/ops.h"
#include "harness.h"

#include <string.h>

static struct assay_program_builder *program;
static struct assay_builder *b;

static void begin(void) {
  program = assay_program_begin();
  b = assay_function_begin(program, "f");
}

#define EXTENTS(...) (const int64_t[]){__VA_ARGS__}
#define RANK(...) ((int32_t)(sizeof(EXTENTS(__VA_ARGS__)) / sizeof(int64_t)))
#define FEED(dtype, ...) assay_function_feed(b, dtype, RANK(__VA_ARGS__), EXTENTS(__VA_ARGS__))
#define F32(...) FEED(ASSAY_F32, __VA_ARGS__)
#define F64(...) FEED(ASSAY_F64, __VA_ARGS__)
#define I32(...) FEED(ASSAY_I32, __VA_ARGS__)
#define BOOL(...) FEED(ASSAY_BOOL, __VA_ARGS__)
#define SCALAR assay_function_feed(b, ASSAY_F32, 0, NULL)

/* The type that `expression` has, as text. */
#define GIVES(text, expression)                                                                                                                                \
  do {                                                                                                                                                         \
    begin();                                                                                                                                                   \
    const assay_value value_ = (expression);                                                                                                                   \
    struct assay_status status_ = {0, {0}};                                                                                                                    \
    char type_[ASSAY_TYPE_TEXT];                                                                                                                               \
    ck_assert_msg(assay_function_end(b, &status_) == 0, "%s", status_.message);                                                                                \
    ck_assert_str_eq(assay_type_text(assay_type(b, value_), type_), text);                                                                                     \
    assay_program_release(program);                                                                                                                            \
  } while (0)

/* The sentence with which `expression` is refused. */
#define REFUSED(text, expression)                                                                                                                              \
  do {                                                                                                                                                         \
    begin();                                                                                                                                                   \
    ck_assert(!assay_is_valid(expression));                                                                                                                    \
    struct assay_status status_ = {0, {0}};                                                                                                                    \
    ck_assert_int_eq(assay_function_end(b, &status_), ASSAY_E_CONFIG);                                                                                         \
    ck_assert_str_eq(status_.message, text);                                                                                                                   \
    assay_program_release(program);                                                                                                                            \
  } while (0)

static assay_value emit(uint32_t op, uint32_t count, const assay_value *inputs, const void *attributes, size_t size) {
  return b->host->emit(b, op, inputs, count, attributes, (uint32_t)size);
}
#define EMIT(op, attributes, ...)                                                                                                                              \
  emit(op, sizeof((const assay_value[]){__VA_ARGS__}) / sizeof(assay_value), (const assay_value[]){__VA_ARGS__}, &(attributes), sizeof(attributes))
#define EMIT0(op, ...) emit(op, sizeof((const assay_value[]){__VA_ARGS__}) / sizeof(assay_value), (const assay_value[]){__VA_ARGS__}, NULL, 0)

START_TEST(elementwise) {
  GIVES("f32 [4, 2, 3]", assay_add(b, F32(2, 1), F32(4, 1, 3)));
  GIVES("f32 [5]", assay_mul(b, SCALAR, F32(5)));
  GIVES("i32 [5]", assay_max(b, I32(5), I32(1)));
  GIVES("bool [2, 3]", assay_less(b, F32(2, 1), F32(3)));
  GIVES("bool [3]", assay_equal(b, BOOL(3), BOOL(3)));
  GIVES("bool [3]", assay_and(b, BOOL(3), assay_not(b, BOOL(1))));
  GIVES("bool [3]", assay_is_finite(b, F32(3)));
  GIVES("f16 [3]", assay_cast(b, I32(3), ASSAY_F16));
  GIVES("f32 [2, 3]", assay_select(b, BOOL(2, 1), F32(3), SCALAR));
  GIVES("i32 [2]", assay_negate(b, I32(2)));
  GIVES("u8 [2]", assay_stop_gradient(b, FEED(ASSAY_U8, 2)));
  REFUSED("add: the shapes f32 [2, 3] and f32 [2] do not go together: aligned at the last axis, extents must be equal or 1", assay_add(b, F32(2, 3), F32(2)));
  REFUSED("add: the inputs must have one dtype, not f32 and f64; use cast", assay_add(b, F32(2), F64(2)));
  REFUSED("multiply: works on numbers, not on bool; use select or cast", assay_mul(b, BOOL(2), BOOL(2)));
  REFUSED("exp: works on floats, not on i32; use cast", assay_exp(b, I32(2)));
  REFUSED("is_finite: works on floats, not on i32", assay_is_finite(b, I32(2)));
  REFUSED("not: works on bool, not on f32; use a comparison", assay_not(b, F32(2)));
  REFUSED("cast: 77 is no dtype", assay_cast(b, F32(2), 77));
  REFUSED("select: the condition must be bool, not f32; use a comparison", assay_select(b, F32(2), F32(2), F32(2)));
  REFUSED("select: the inputs must have one dtype, not f32 and i32; use cast", assay_select(b, BOOL(2), F32(2), I32(2)));
  REFUSED("add: f32 [67108864, 67108864] has more than 2^48 elements", assay_add(b, F32(1 << 26, 1), F32(1, 1 << 26)));
}
END_TEST

START_TEST(reductions) {
  GIVES("f32 [3]", assay_reduce_sum(b, F32(2, 3, 4), 5, 0));
  GIVES("f32 [1, 3, 1]", assay_reduce_sum(b, F32(2, 3, 4), 5, 1));
  GIVES("f32 []", assay_reduce_max(b, F32(2, 3), 3, 0));
  GIVES("i32 [2]", assay_argmax(b, F32(2, 3), 1));
  GIVES("f32 [2, 1]", assay_mean(b, F32(2, 3), 2, 1));
  REFUSED("reduce_sum: axis 2 does not exist in f32 [2, 3]", assay_reduce_sum(b, F32(2, 3), 5, 0));
  REFUSED("reduce_max: works on numbers, not on bool; use cast", assay_reduce_max(b, BOOL(2), 1, 0));
  const struct assay_reduce_attributes two = {3, 0};
  REFUSED("argmax: goes over exactly one axis, not 2", EMIT(ASSAY_OP_ARGMAX, two, F32(2, 3)));
}
END_TEST

START_TEST(movements) {
  GIVES("f32 [4, 2, 3]", assay_broadcast(b, F32(2, 1), 3, EXTENTS(4, 2, 3)));
  GIVES("f32 [3, 8]", assay_reshape(b, F32(2, 3, 4), 2, EXTENTS(3, -1)));
  GIVES("f32 []", assay_reshape(b, F32(1, 1), 0, NULL));
  GIVES("f32 [4, 2, 3]", assay_transpose(b, F32(2, 3, 4), (const int32_t[]){2, 0, 1}));
  GIVES("f32 [2, 2]", assay_slice(b, F32(2, 5), 1, 3, INT64_MAX));
  GIVES("f32 [2, 9]", assay_concat(b, (const assay_value[]){F32(2, 5), F32(2, 4)}, 2, 1));
  GIVES("f32 [7, 3, 4]", assay_gather(b, F32(5, 3, 4), I32(7)));
  GIVES("f32 [7, 10]", assay_one_hot(b, I32(7), 10));
  const struct assay_slice_attributes stepped = {{1, 0}, {INT64_MAX, INT64_MAX}, {3, 1}}, none = {{2, 0}, {2, 5}, {1, 1}}, still = {{0, 0}, {2, 5}, {0, 1}};
  const struct assay_pad_attributes pad = {{1, 0}, {2, 0}, {3, 0}, 0}, negative = {{-1, 0}, {0, 0}, {0, 0}, 0};
  const struct assay_pad_attributes large = {{0, 0}, {0, 0}, {(int64_t)1 << 31, 0}, 0};
  const struct assay_count_attributes ten = {10}, minus = {-1};
  GIVES("f32 [3, 5]", EMIT(ASSAY_OP_SLICE, stepped, F32(8, 5)));
  GIVES("f32 [16, 5]", EMIT(ASSAY_OP_PAD, pad, F32(4, 5)));
  GIVES("f32 [10, 3]", EMIT(ASSAY_OP_SCATTER_ADD, ten, F32(4, 3), I32(4)));
  REFUSED("broadcast: f32 [2, 3] does not stretch to f32 [2, 4]: aligned at the last axis, extents must be equal or 1",
          assay_broadcast(b, F32(2, 3), 2, EXTENTS(2, 4)));
  REFUSED("broadcast: f32 [2, 3] does not stretch to f32 [3]: aligned at the last axis, extents must be equal or 1",
          assay_broadcast(b, F32(2, 3), 1, EXTENTS(3)));
  REFUSED("broadcast: the result must have 0 to 6 axes, not 7", assay_broadcast(b, F32(3), 7, EXTENTS(1, 1, 1, 1, 1, 1, 3)));
  REFUSED("broadcast: f32 [0, 3] is no shape: extents must be at least 1", assay_broadcast(b, F32(3), 2, EXTENTS(0, 3)));
  REFUSED("reshape: f32 [2, 3] has 6 elements and cannot become f32 [4, -1]", assay_reshape(b, F32(2, 3), 2, EXTENTS(4, -1)));
  REFUSED("reshape: f32 [2, 3] has 6 elements and cannot become f32 [7]", assay_reshape(b, F32(2, 3), 1, EXTENTS(7)));
  REFUSED("reshape: only one extent may be -1, not both axis 0 and axis 2", assay_reshape(b, F32(6), 3, EXTENTS(-1, 3, -1)));
  REFUSED("reshape: the extent -2 of axis 1 is out of range", assay_reshape(b, F32(6), 2, EXTENTS(3, -2)));
  REFUSED("transpose: each of the axes 0 to 1 must be named once; axis 1 is given as 0", assay_transpose(b, F32(2, 3), (const int32_t[]){0, 0}));
  REFUSED("slice: elements 2 to 2 (exclusive) are no part of axis 0, which has 2", EMIT(ASSAY_OP_SLICE, none, F32(2, 5)));
  REFUSED("slice: elements 1 to 6 (exclusive) are no part of axis 1, which has 5", assay_slice(b, F32(2, 5), 1, 1, 6));
  REFUSED("slice: the step of axis 0 must be at least 1, not 0", EMIT(ASSAY_OP_SLICE, still, F32(2, 5)));
  REFUSED("pad: padding must be 0 to 2^31; axis 0 has -1, 0 and 0", EMIT(ASSAY_OP_PAD, negative, F32(2, 5)));
  REFUSED("pad: f32 [2147483650, 1048576] has more than 2^48 elements", EMIT(ASSAY_OP_PAD, large, F32(2, 1 << 20)));
  REFUSED("concat: axis 2 does not exist in f32 [2, 3]", assay_concat(b, (const assay_value[]){F32(2, 3)}, 1, 2));
  REFUSED("concat: f32 [2, 3] and f32 [4, 3] may differ in the extent of axis 1 only", assay_concat(b, (const assay_value[]){F32(2, 3), F32(4, 3)}, 2, 1));
  REFUSED("gather: the indices must be i32 [N], not f32 [2]", assay_gather(b, F32(5), F32(2)));
  REFUSED("gather: a scalar has no rows", assay_gather(b, SCALAR, I32(2)));
  REFUSED("scatter_add: f32 [4, 3] needs one row for each of 5 indices", EMIT(ASSAY_OP_SCATTER_ADD, ten, F32(4, 3), I32(5)));
  REFUSED("scatter_add: works on floats, not on i32", EMIT(ASSAY_OP_SCATTER_ADD, ten, I32(4, 3), I32(4)));
  REFUSED("scatter_add: the count must be 1 to 2^31, not -1", EMIT(ASSAY_OP_SCATTER_ADD, minus, F32(4, 3), I32(4)));
  REFUSED("one_hot: the count must be 1 to 2^31, not 0", assay_one_hot(b, I32(4), 0));
}
END_TEST

START_TEST(products) {
  GIVES("f32 [2, 4]", assay_matmul(b, F32(2, 3), F32(3, 4), 0, 0));
  GIVES("f32 [5, 2, 4]", assay_matmul(b, F32(5, 3, 2), F32(5, 4, 3), 1, 1));
  REFUSED("matmul: f32 [2, 3] and f32 [4, 3] do not go together: 3 columns on 4 rows", assay_matmul(b, F32(2, 3), F32(4, 3), 0, 0));
  REFUSED("matmul: f32 [2, 3] (transposed) and f32 [3, 4] do not go together: 2 columns on 3 rows", assay_matmul(b, F32(2, 3), F32(3, 4), 1, 0));
  REFUSED("matmul: takes two matrices, or two batches of as many, not f32 [2, 3] and f32 [3]", assay_matmul(b, F32(2, 3), F32(3), 0, 0));
  REFUSED("matmul: the inputs must be floats of one dtype, not i32 [2, 3] and i32 [3, 4]", assay_matmul(b, I32(2, 3), I32(3, 4), 0, 0));

  struct assay_conv2d_attributes conv = {{2, 1}, {1, 2}, {1, 0}, {0, 3}, 1, {0, 0}, {0, 0}};
  GIVES("f32 [8, 16, 4, 7]", assay_conv2d(b, F32(8, 3, 9, 8), F32(16, 3, 3, 3), &conv)); /* (9 + 1 - 3) / 2 + 1; 8 + 3 - 5 + 1 */
  REFUSED("conv2d: images must be floats with 4 axes, not f32 [8, 3, 9]", assay_conv2d(b, F32(8, 3, 9), F32(16, 3, 3, 3), &conv));
  REFUSED("conv2d: weights must be floats with 4 axes, not f32 [16, 3]", assay_conv2d(b, F32(8, 3, 9, 8), F32(16, 3), &conv));
  REFUSED("conv2d: images and weights must have one dtype, not f32 and f64", assay_conv2d(b, F32(8, 3, 9, 8), F64(16, 3, 3, 3), &conv));
  REFUSED("conv2d: weights for 4 channels a group do not fit an input with 3 channels in 1 groups", assay_conv2d(b, F32(8, 3, 9, 8), F32(16, 4, 3, 3), &conv));
  REFUSED(
      "conv2d: a kernel of 11 x 3 (dilated) does not fit into 9 x 8 (height x width) with 1 + 0 rows and 0 + 3 columns of padding: use a smaller kernel, less "
      "pooling before it, or larger images",
      assay_conv2d(b, F32(8, 3, 9, 8), F32(16, 3, 11, 3), &conv));
  conv.groups = 2;
  GIVES("f32 [8, 16, 4, 7]", assay_conv2d(b, F32(8, 4, 9, 8), F32(16, 2, 3, 3), &conv));
  REFUSED("conv2d: 3 channels in and 16 out cannot be split into 2 groups", assay_conv2d(b, F32(8, 3, 9, 8), F32(16, 3, 3, 3), &conv));
  conv = (struct assay_conv2d_attributes){{0, 1}, {1, 1}, {0, 0}, {0, 0}, 1, {0, 0}, {0, 0}};
  REFUSED("conv2d: stride must be at least 1, not 0", assay_conv2d(b, F32(8, 3, 9, 8), F32(16, 3, 3, 3), &conv));
  conv = (struct assay_conv2d_attributes){{1, 1}, {1, -1}, {0, 0}, {0, 0}, 1, {0, 0}, {0, 0}};
  REFUSED("conv2d: dilation must be at least 1, not -1", assay_conv2d(b, F32(8, 3, 9, 8), F32(16, 3, 3, 3), &conv));
  conv = (struct assay_conv2d_attributes){{1, 1}, {1, 1}, {0, 0}, {0, -2}, 1, {0, 0}, {0, 0}};
  REFUSED("conv2d: padding must not be negative, as in 0 + -2", assay_conv2d(b, F32(8, 3, 9, 8), F32(16, 3, 3, 3), &conv));
  conv = (struct assay_conv2d_attributes){{1, 1}, {1, 1}, {0, 0}, {0, 0}, 0, {0, 0}, {0, 0}};
  REFUSED("conv2d: groups must be at least 1, not 0", assay_conv2d(b, F32(8, 3, 9, 8), F32(16, 3, 3, 3), &conv));

  conv = (struct assay_conv2d_attributes){{2, 2}, {1, 1}, {1, 1}, {1, 1}, 2, {9, 8}, {0, 0}};
  GIVES("f32 [8, 4, 9, 8]", EMIT(ASSAY_OP_CONV2D_INPUT_GRADIENT, conv, F32(8, 6, 5, 4), F32(6, 2, 3, 3)));
  REFUSED("conv2d_input_gradient: a gradient with 8 channels does not fit weights that make 6",
          EMIT(ASSAY_OP_CONV2D_INPUT_GRADIENT, conv, F32(8, 8, 5, 4), F32(6, 2, 3, 3)));
  REFUSED("conv2d_input_gradient: the gradient of the result is 4 x 4, but the convolution gives 5 x 4",
          EMIT(ASSAY_OP_CONV2D_INPUT_GRADIENT, conv, F32(8, 6, 4, 4), F32(6, 2, 3, 3)));
  conv.input_extents[0] = 0;
  REFUSED("conv2d_input_gradient: the input's extents must be at least 1, not 0", EMIT(ASSAY_OP_CONV2D_INPUT_GRADIENT, conv, F32(8, 6, 5, 4), F32(6, 2, 3, 3)));
  conv.kernel_extents[0] = conv.kernel_extents[1] = 3;
  GIVES("f32 [6, 2, 3, 3]", EMIT(ASSAY_OP_CONV2D_WEIGHT_GRADIENT, conv, F32(8, 4, 9, 8), F32(8, 6, 5, 4)));
  REFUSED("conv2d_weight_gradient: 8 images but a gradient for 7", EMIT(ASSAY_OP_CONV2D_WEIGHT_GRADIENT, conv, F32(8, 4, 9, 8), F32(7, 6, 5, 4)));
  conv.kernel_extents[1] = 0;
  REFUSED("conv2d_weight_gradient: the kernel's extents must be at least 1, not 0",
          EMIT(ASSAY_OP_CONV2D_WEIGHT_GRADIENT, conv, F32(8, 4, 9, 8), F32(8, 6, 5, 4)));
}
END_TEST

START_TEST(pooling) {
  struct assay_pool2d_attributes pool = {{3, 2}, {2, 2}, {1, 0}, {0, 1}, 0, {0, 0}};
  GIVES("f32 [8, 3, 4, 5]", assay_max_pool2d(b, F32(8, 3, 8, 9), &pool)); /* (8 + 1 - 3) / 2 + 1; (9 + 1 - 2) / 2 + 1 */
  GIVES("i32 [8, 3, 4, 5]", assay_output(assay_max_pool2d(b, F32(8, 3, 8, 9), &pool), 1));
  GIVES("f32 [8, 3, 4, 5]", assay_avg_pool2d(b, F32(8, 3, 8, 9), &pool));
  REFUSED("max_pool2d: images must be floats with 4 axes, not f32 [8, 9]", assay_max_pool2d(b, F32(8, 9), &pool));
  REFUSED("avg_pool2d: images must be floats with 4 axes, not i32 [8, 3, 8, 9]", assay_avg_pool2d(b, I32(8, 3, 8, 9), &pool));
  REFUSED("avg_pool2d: images must be floats with 4 axes, not f32 []", assay_avg_pool2d(b, SCALAR, &pool));
  REFUSED("max_pool2d: a window of 3 x 2 does not fit into 1 x 9 (height x width): use a smaller window, fewer blocks, or larger images",
          assay_max_pool2d(b, F32(8, 3, 1, 9), &pool));
  pool.input_extents[0] = 8, pool.input_extents[1] = 9;
  GIVES("f32 [8, 3, 8, 9]", EMIT(ASSAY_OP_MAX_POOL2D_GRADIENT, pool, F32(8, 3, 4, 5), I32(8, 3, 4, 5)));
  GIVES("f32 [8, 3, 8, 9]", EMIT(ASSAY_OP_AVG_POOL2D_GRADIENT, pool, F32(8, 3, 4, 5)));
  REFUSED("max_pool2d_gradient: the residual must be i32 with the gradient's extents, not i32 [8, 3, 4, 4]",
          EMIT(ASSAY_OP_MAX_POOL2D_GRADIENT, pool, F32(8, 3, 4, 5), I32(8, 3, 4, 4)));
  REFUSED("avg_pool2d_gradient: the gradient is f32 [8, 3, 4, 4], but pooling gives f32 [8, 3, 4, 5]",
          EMIT(ASSAY_OP_AVG_POOL2D_GRADIENT, pool, F32(8, 3, 4, 4)));
  pool.input_extents[0] = 0;
  REFUSED("avg_pool2d_gradient: the input's extents must be at least 1, not 0", EMIT(ASSAY_OP_AVG_POOL2D_GRADIENT, pool, F32(8, 3, 4, 4)));
  pool.pad_low[0] = 3;
  REFUSED("max_pool2d: padding must be less than the kernel's 3, not 3 + 0", assay_max_pool2d(b, F32(8, 3, 8, 9), &pool));
  pool = (struct assay_pool2d_attributes){{0, 2}, {2, 2}, {1, 0}, {0, 1}, 0, {0, 0}};
  REFUSED("max_pool2d: the kernel's extents must be at least 1, not 0", assay_max_pool2d(b, F32(8, 3, 8, 9), &pool));
  pool = (struct assay_pool2d_attributes){{2, 2}, {2, 0}, {1, 0}, {0, 1}, 0, {0, 0}};
  REFUSED("max_pool2d: stride must be at least 1, not 0", assay_max_pool2d(b, F32(8, 3, 8, 9), &pool));
}
END_TEST

START_TEST(sources_and_effects) {
  struct assay_random_attributes random = {7, 3, {0, 4, 5}};
  const struct assay_source_attributes source = {0};
  const struct assay_constant_attributes constant = {0.1, ASSAY_F16, 0}, untyped = {0.1, 0, 0};
  GIVES("f32 [9, 4, 5]", EMIT(ASSAY_OP_RANDOM_UNIFORM, random, FEED(ASSAY_U32, 9, 2)));
  GIVES("f16 []", emit(ASSAY_OP_CONSTANT, 0, NULL, &constant, sizeof constant));
  REFUSED("constant: 0 is no dtype", emit(ASSAY_OP_CONSTANT, 0, NULL, &untyped, sizeof untyped));
  REFUSED("random_uniform: the keys must be u32 [N, 2], two words a sample, not u32 [9]", EMIT(ASSAY_OP_RANDOM_UNIFORM, random, FEED(ASSAY_U32, 9)));
  random.rank = 0;
  REFUSED("random_uniform: the result must have 1 to 6 axes, not 0", EMIT(ASSAY_OP_RANDOM_UNIFORM, random, FEED(ASSAY_U32, 9, 2)));
  REFUSED("input: feeds and variables are made by the core, not by a layer or an optimizer", emit(ASSAY_OP_INPUT, 0, NULL, &source, sizeof source));
  REFUSED("variable: feeds and variables are made by the core, not by a layer or an optimizer", emit(ASSAY_OP_VARIABLE, 0, NULL, &source, sizeof source));
  REFUSED("assign: the first input must be a variable", EMIT0(ASSAY_OP_ASSIGN, F32(3), F32(3)));
  REFUSED("op 9999 is unknown to this version of Assay", EMIT0(9999, F32(3)));
  REFUSED("add: takes 2 inputs, not 1", EMIT0(ASSAY_OP_ADD, F32(3)));
  REFUSED("exp: takes 1 input, not 2", EMIT0(ASSAY_OP_EXP, F32(3), F32(3)));
  const struct assay_axis_attributes axis = {0};
  REFUSED("concat: takes 1 input or more, not 0", emit(ASSAY_OP_CONCAT, 0, NULL, &axis, sizeof axis));
  REFUSED("add: input 2 is not a value of this function", assay_add(b, F32(3), (assay_value){88}));
  REFUSED("add: input 1 is not a value of this function", assay_add(b, assay_invalid(), F32(3)));
  REFUSED("cast: needs 4 bytes of attributes, not 0; the plugin was built against other headers", EMIT0(ASSAY_OP_CAST, F32(3)));
  const int32_t longer[2] = {ASSAY_F64, 1}, padded[2] = {ASSAY_F64, 0};
  REFUSED("cast: has attributes that this version of Assay does not know; the plugin is newer", EMIT(ASSAY_OP_CAST, longer, F32(3)));
  GIVES("f64 [3]", EMIT(ASSAY_OP_CAST, padded, F32(3)));
  REFUSED("feed: f32 [3, 0] is no shape: extents must be at least 1", F32(3, 0));
  REFUSED("feed: a tensor has 0 to 6 axes, not 9", assay_function_feed(b, ASSAY_F32, 9, EXTENTS(1, 1, 1, 1, 1, 1, 1, 1, 1)));
  REFUSED("feed: 0 is no dtype", FEED(0, 1));
}
END_TEST

START_TEST(composites) {
  const struct assay_epsilon_attributes epsilon = {1e-5}, negative = {-1};
  GIVES("f32 [2, 3]", assay_softmax(b, F32(2, 3)));
  GIVES("f32 [2]", assay_softmax_cross_entropy(b, F32(2, 3), F32(2, 3)));
  GIVES("f32 [2, 3]", assay_sigmoid_cross_entropy(b, F32(2, 3), F32(2, 3)));
  GIVES("f32 [4, 3, 2]", EMIT(ASSAY_OP_BATCH_NORM_TRAINING, epsilon, F32(4, 3, 2), F32(3), F32(3)));
  GIVES("f32 [3]", assay_output(EMIT(ASSAY_OP_BATCH_NORM_TRAINING, epsilon, F32(4, 3, 2), F32(3), F32(3)), 2));
  GIVES("f32 [4, 3]", EMIT(ASSAY_OP_BATCH_NORM_INFERENCE, epsilon, F32(4, 3), F32(3), F32(3), F32(3), F32(3)));
  GIVES("f32 [4, 3]", EMIT(ASSAY_OP_BATCH_NORM_TRAINING_GRADIENT, epsilon, F32(4, 3), F32(4, 3), F32(3), F32(3), F32(3)));
  REFUSED("softmax: goes over the last axis of floats and cannot take f32 []", assay_softmax(b, SCALAR));
  REFUSED("log_softmax: goes over the last axis of floats and cannot take i32 [3]", assay_log_softmax(b, I32(3)));
  REFUSED("softmax_cross_entropy: logits and target probabilities must be floats of one type [N, C], not f32 [2, 3] and f32 [2]",
          assay_softmax_cross_entropy(b, F32(2, 3), F32(2)));
  REFUSED("sigmoid_cross_entropy: logits and targets must be floats of one type, not f32 [2, 3] and f32 [2, 1]",
          assay_sigmoid_cross_entropy(b, F32(2, 3), F32(2, 1)));
  REFUSED("batch_norm_training: goes over floats [N, C, ...] and cannot take f32 [4]", EMIT(ASSAY_OP_BATCH_NORM_TRAINING, epsilon, F32(4), F32(4), F32(4)));
  REFUSED("batch_norm_training: the bias must be f32 [3], one number a channel, not f32 [4]",
          EMIT(ASSAY_OP_BATCH_NORM_TRAINING, epsilon, F32(4, 3), F32(3), F32(4)));
  REFUSED("batch_norm_training: the scale must be f32 [3], one number a channel, not f64 [3]",
          EMIT(ASSAY_OP_BATCH_NORM_TRAINING, epsilon, F32(4, 3), F64(3), F32(3)));
  REFUSED("batch_norm_training: epsilon must be 0 to 1, not -1", EMIT(ASSAY_OP_BATCH_NORM_TRAINING, negative, F32(4, 3), F32(3), F32(3)));
  REFUSED("batch_norm_inference: the variance must be f32 [3], one number a channel, not f32 [1]",
          EMIT(ASSAY_OP_BATCH_NORM_INFERENCE, epsilon, F32(4, 3), F32(3), F32(3), F32(3), F32(1)));
  REFUSED("batch_norm_training_gradient: the gradient must have the type of x, f32 [4, 3], not f32 [4, 2]",
          EMIT(ASSAY_OP_BATCH_NORM_TRAINING_GRADIENT, epsilon, F32(4, 2), F32(4, 3), F32(3), F32(3), F32(3)));
  REFUSED("batch_norm_training_gradient: the mean must be f32 [3], one number a channel, not f32 [2]",
          EMIT(ASSAY_OP_BATCH_NORM_TRAINING_GRADIENT, epsilon, F32(4, 3), F32(4, 3), F32(3), F32(2), F32(3)));
}
END_TEST

START_TEST(pictures) {
  const struct assay_warp_attributes beyond = {3, 0};
  GIVES("f32 [2, 3, 5, 7]", assay_warp(b, F32(2, 3, 5, 7), F32(2, 9), ASSAY_BORDER_REFLECT));
  GIVES("f32 [2, 3, 5, 7]", assay_mix_channels(b, F32(2, 3, 5, 7), F32(2, 3, 4)));
  GIVES("f32 [2, 3, 5, 7]", assay_gaussian_blur(b, F32(2, 3, 5, 7), F32(2), 64));
  REFUSED("warp: needs pictures [N, C, H, W] and maps [N, 9] of one float dtype, not f32 [2, 3, 5] and f32 [2, 9]", assay_warp(b, F32(2, 3, 5), F32(2, 9), 0));
  REFUSED("warp: needs pictures [N, C, H, W] and maps [N, 9] of one float dtype, not f32 [2, 3, 5, 7] and f32 [1, 9]",
          assay_warp(b, F32(2, 3, 5, 7), F32(1, 9), 0));
  REFUSED("warp: 3 is no border", EMIT(ASSAY_OP_WARP, beyond, F32(2, 3, 5, 7), F32(2, 9)));
  REFUSED("warp: f32 [3, 1, 40000, 40000] has more than 2^31 pixels", assay_warp(b, F32(3, 1, 40000, 40000), F32(3, 9), 0));
  REFUSED("mix_channels: needs pictures [N, C, H, W] and maps [N, C, C + 1] of one float dtype, not f32 [2, 3, 5, 7] and f32 [2, 3, 3]",
          assay_mix_channels(b, F32(2, 3, 5, 7), F32(2, 3, 3)));
  REFUSED("gaussian_blur: the radius must be 0 to 64, not 65", assay_gaussian_blur(b, F32(2, 3, 5, 7), F32(2), 65));
  REFUSED("gaussian_blur: needs pictures [N, C, H, W] and deviations [N] of one float dtype, not f32 [2, 3, 5, 7] and f64 [2]",
          assay_gaussian_blur(b, F32(2, 3, 5, 7), F64(2), 3));
}
END_TEST

/* ---- Where an error comes from ---- */

static const char *first_error(void) {
  static struct assay_status status;
  ck_assert_int_ne(assay_function_end(b, &status), 0);
  assay_program_release(program);
  return status.message;
}

START_TEST(errors_name_their_place_and_stick) {
  begin();
  const assay_value x = F32(2, 3);
  assay_builder_scope(b, "conv1", "student.ini:12, [layer.conv1]");
  assay_builder_options(b, "kernel = 7");
  const assay_value bad = assay_add(b, x, F32(4));
  assay_builder_scope(b, "other", "student.ini:20");
  ck_assert(!assay_is_valid(assay_exp(b, assay_mul(b, bad, x))));
  ck_assert(!assay_is_valid(assay_exp(b, x)));
  assay_fail(b, "a later error");
  ck_assert_str_eq(first_error(), "student.ini:12, [layer.conv1]: add: the shapes f32 [2, 3] and f32 [4] do not go together: aligned at the last axis, extents "
                                  "must be equal or 1 (kernel = 7)");
  begin();
  assay_builder_scope(b, "conv1.weight", "student.ini:30, [optimizer]"); /* the place does not name it */
  ck_assert(!assay_is_valid(assay_fail(b, "no")));
  ck_assert_str_eq(first_error(), "student.ini:30, [optimizer]: conv1.weight: no");
  begin();
  assay_builder_scope(b, "drop", NULL);
  ck_assert(!assay_is_valid(assay_fail(b, "rate must be below 1")));
  ck_assert_str_eq(first_error(), "drop: rate must be below 1");
  begin();
  ck_assert_int_eq(assay_type(b, assay_invalid())->rank, 0);
  ck_assert_int_eq(assay_type(b, assay_invalid())->dtype, ASSAY_F32);
  assay_function_fetch(b, assay_invalid());
  ck_assert_str_eq(first_error(), "fetch: result 1 is not a value of this function");
}
END_TEST

/* A second function asks for what the first one made. */
static const char *asked_again(int32_t rank, uint32_t initialiser, double argument, uint32_t role) {
  begin();
  assay_builder_scope(b, "dense", NULL);
  (void)assay_parameter(b, "weight", 2, EXTENTS(2, 3), ASSAY_INIT_HE_NORMAL, 0, ASSAY_ROLE_WEIGHT);
  b = assay_function_begin(program, "g");
  assay_builder_scope(b, "dense", NULL);
  (void)assay_parameter(b, "weight", rank, EXTENTS(2, 3, 4), initialiser, argument, role);
  return first_error();
}

START_TEST(variables_are_shared_by_name_and_asked_for_alike) {
  begin();
  assay_builder_scope(b, "dense", NULL);
  const assay_value w = assay_parameter(b, "weight", 2, EXTENTS(2, 3), ASSAY_INIT_HE_NORMAL, 0, ASSAY_ROLE_WEIGHT);
  ck_assert_int_eq(assay_parameter(b, "weight", 2, EXTENTS(2, 3), ASSAY_INIT_HE_NORMAL, 0, ASSAY_ROLE_WEIGHT).id, w.id);
  ck_assert_int_eq(assay_builder_variable(b, 0).id, w.id);
  ck_assert_int_eq(assay_builder_variable_index(b, w), 0);
  ck_assert_int_eq(assay_builder_variable_index(b, assay_exp(b, w)), -1);
  struct assay_builder *first = b;
  b = assay_function_begin(program, "g");
  assay_builder_scope(b, "dense", NULL);
  (void)F32(1);
  const assay_value again = assay_parameter(b, "weight", 2, EXTENTS(2, 3), ASSAY_INIT_HE_NORMAL, 0, ASSAY_ROLE_WEIGHT);
  (void)assay_parameter(b, "bias", 1, EXTENTS(2), ASSAY_INIT_CONSTANT, 0, ASSAY_ROLE_BIAS);
  ck_assert_int_eq(assay_builder_variable_index(b, again), 0);
  ck_assert_uint_eq(assay_program_variable_count(program), 2);
  ck_assert_int_eq(assay_program_find_variable(program, "dense.bias"), 1);
  ck_assert_int_eq(assay_program_find_variable(program, "bias"), -1);
  ck_assert_uint_eq(assay_program_variable(program, 1)->base.role, ASSAY_ROLE_BIAS);
  ck_assert_ptr_null(assay_program_variable(program, 2));
  ck_assert_int_eq(assay_function_end(first, NULL), 0);
  ck_assert_int_eq(assay_function_end(b, NULL), 0);
  assay_program_release(program);
  ck_assert_str_eq(asked_again(3, ASSAY_INIT_HE_NORMAL, 0, ASSAY_ROLE_WEIGHT), "dense: variable dense.weight is f32 [2, 3] elsewhere, and f32 [2, 3, 4] here");
  ck_assert_str_eq(asked_again(2, ASSAY_INIT_HE_NORMAL, 0, ASSAY_ROLE_BIAS), "dense: variable dense.weight has role 1 elsewhere, and 2 here");
  ck_assert_str_eq(asked_again(2, ASSAY_INIT_HE_NORMAL, 1, ASSAY_ROLE_WEIGHT), "dense: variable dense.weight has another initialiser elsewhere");
  ck_assert_str_eq(asked_again(2, 99, 1, ASSAY_ROLE_WEIGHT), "dense: dense.weight: 99 is no initialiser");
  ck_assert_str_eq(asked_again(2, ASSAY_INIT_NORMAL, 1, 99), "dense: dense.weight: 99 is no role of a variable");
}
END_TEST

START_TEST(a_variable_is_written_once_and_with_its_type) {
  begin();
  assay_value w = assay_parameter(b, "w", 1, EXTENTS(3), ASSAY_INIT_CONSTANT, 0, ASSAY_ROLE_WEIGHT);
  assay_assign(b, w, assay_exp(b, w));
  assay_assign(b, w, w);
  ck_assert_str_eq(first_error(), "assign: a variable can be written once a function");
  begin();
  w = assay_parameter(b, "w", 1, EXTENTS(3), ASSAY_INIT_CONSTANT, 0, ASSAY_ROLE_WEIGHT);
  assay_assign(b, w, F32(4));
  ck_assert_str_eq(first_error(), "assign: a variable of type f32 [3] cannot take a value of type f32 [4]");
}
END_TEST

START_TEST(streams_differ_and_context_is_copied) {
  begin();
  struct assay_build_context context = {sizeof context, 1, 10, FEED(ASSAY_U32, 4, 2), {-1}};
  assay_function_context(b, &context);
  context.classes = 3;
  ck_assert_int_eq(b->context->classes, 10);
  const assay_value x = F32(4, 5);
  const assay_value first = assay_random_like(b, x), second = assay_random_like(b, x);
  ck_assert_mem_eq(assay_type(b, first), assay_type(b, x), sizeof(struct assay_tensor_type));
  ck_assert_int_ne(first.id, second.id);
  ck_assert_uint_ne(b->host->stream(b), b->host->stream(b));
  ck_assert_int_eq(assay_function_end(b, NULL), 0);
  assay_program_release(program);
}
END_TEST

START_TEST(double_precision_reaches_everything) {
  struct assay_status status;
  program = assay_program_begin();
  ck_assert_int_eq(assay_program_precision(program, ASSAY_I32, &status), ASSAY_E_CONFIG);
  ck_assert_int_eq(assay_program_precision(program, ASSAY_F64, &status), 0);
  b = assay_function_begin(program, "f");
  const struct assay_build_context context = {sizeof context, 1, 10, FEED(ASSAY_U32, 4, 2), {-1}};
  assay_function_context(b, &context);
  const assay_value x = F32(4, 3), w = assay_parameter(b, "w", 1, EXTENTS(3), ASSAY_INIT_CONSTANT, 0, ASSAY_ROLE_WEIGHT);
  const assay_value hot = assay_one_hot(b, I32(4), 3), cast = assay_cast(b, I32(4, 3), ASSAY_F32), noise = assay_random_like(b, x);
  const assay_value all = assay_add(b, assay_mul(b, x, w), assay_add(b, assay_add(b, hot, cast), assay_add(b, noise, assay_number(b, x, 0.5))));
  const int32_t *dtypes[] = {&assay_type(b, x)->dtype, &assay_type(b, w)->dtype, &assay_type(b, hot)->dtype, &assay_type(b, cast)->dtype,
                             &assay_type(b, all)->dtype};
  for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) ck_assert_int_eq(*dtypes[i], ASSAY_F64);
  assay_function_fetch(b, all);
  ck_assert_msg(assay_function_end(b, &status) == 0, "%s", status.message);
  const struct assay_program *finished;
  ck_assert_int_eq(assay_program_finish(program, &finished, &status), 0);
  ck_assert_int_eq(finished->variables[0]->type.dtype, ASSAY_F64);
  ck_assert_int_eq(assay_program_precision(program, ASSAY_F32, &status), ASSAY_E_CONFIG);
  assay_program_release(program);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("shapes");
  TCase *rules = tcase_create("rules");
  tcase_add_test(rules, elementwise);
  tcase_add_test(rules, reductions);
  tcase_add_test(rules, movements);
  tcase_add_test(rules, products);
  tcase_add_test(rules, pooling);
  tcase_add_test(rules, sources_and_effects);
  tcase_add_test(rules, composites);
  tcase_add_test(rules, pictures);
  suite_add_tcase(suite, rules);
  TCase *building = tcase_create("building");
  tcase_add_test(building, errors_name_their_place_and_stick);
  tcase_add_test(building, variables_are_shared_by_name_and_asked_for_alike);
  tcase_add_test(building, a_variable_is_written_once_and_with_its_type);
  tcase_add_test(building, streams_differ_and_context_is_copied);
  tcase_add_test(building, double_precision_reaches_everything);
  suite_add_tcase(suite, building);
  return assay_run_suite(suite);
}
