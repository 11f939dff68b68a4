/* SPDX-License-Identifier: MIT
 *
 * Every gradient rule against central differences, in double on the reference backend. A case builds some outputs from its inputs; what is differentiated is
 * their sum with random weights, so that no two elements can stand in for each other.
 */
#include "running.h"

#include <math.h>

enum { MOST_INPUTS = 5, MOST_OUTPUTS = 3 };

/* What the numbers of an input look like. */
enum domain { ANY, POSITIVE, PROBABILITY, INDEX };

struct input {
  int32_t rank;
  int64_t extents[4];
  enum domain domain; /* INDEX: i32, not differentiated */
  double gap;         /* elements differ by at least this, where ties or kinks would spoil the differences */
};

struct gradient_case {
  const char *name;
  uint32_t input_count;
  struct input inputs[MOST_INPUTS];
  uint32_t (*build)(struct assay_builder *b, const assay_value *x, assay_value *outputs); /* gives the number of outputs */
};

#define CASE_BUILD(name) static uint32_t name(struct assay_builder *b, const assay_value *x, assay_value *out)
#define ONE(name, expression)                                                                                                                                  \
  CASE_BUILD(name) {                                                                                                                                           \
    (void)b;                                                                                                                                                   \
    out[0] = (expression);                                                                                                                                     \
    return 1;                                                                                                                                                  \
  }

ONE(build_negate, assay_negate(b, x[0]))
ONE(build_abs, assay_abs(b, x[0]))
ONE(build_exp, assay_exp(b, x[0]))
ONE(build_log, assay_log(b, x[0]))
ONE(build_log1p, assay_log1p(b, x[0]))
ONE(build_sqrt, assay_sqrt(b, x[0]))
ONE(build_tanh, assay_tanh(b, x[0]))
ONE(build_sigmoid, assay_sigmoid(b, x[0]))
ONE(build_erf, assay_erf(b, x[0]))
ONE(build_relu, assay_relu(b, x[0]))
ONE(build_sin, assay_sin(b, x[0]))
ONE(build_cos, assay_cos(b, x[0]))
ONE(build_add, assay_add(b, x[0], x[1]))
ONE(build_subtract, assay_sub(b, x[0], x[1]))
ONE(build_multiply, assay_mul(b, x[0], x[1]))
ONE(build_square, assay_mul(b, x[0], x[0]))
ONE(build_divide, assay_div(b, x[0], x[1]))
ONE(build_maximum, assay_max(b, x[0], x[1]))
ONE(build_minimum, assay_min(b, x[0], x[1]))
ONE(build_power, assay_pow(b, x[0], x[1]))
ONE(build_select, assay_select(b, assay_less(b, x[0], x[1]), assay_mul(b, x[0], x[1]), assay_exp(b, x[1])))
ONE(build_sum, assay_reduce_sum(b, assay_mul(b, x[0], x[0]), 5, 0))
ONE(build_sum_keep, assay_mul(b, assay_reduce_sum(b, x[0], 2, 1), x[0]))
ONE(build_max_reduce, assay_reduce_max(b, x[0], 6, 0))
ONE(build_max_keep, assay_sub(b, x[0], assay_reduce_max(b, x[0], 1, 1)))
/* The transpose keeps the simplifier from leaving it to the elementwise product. */
ONE(build_broadcast, assay_transpose(b, assay_broadcast(b, x[0], 3, (const int64_t[]){2, 3, 4}), (const int32_t[]){2, 0, 1}))
ONE(build_reshape, assay_mul(b, assay_reshape(b, x[0], 2, (const int64_t[]){-1, 4}), x[1]))
ONE(build_transpose, assay_transpose(b, x[0], (const int32_t[]){2, 0, 1}))
ONE(build_concat, assay_concat(b, (const assay_value[]){x[0], x[1], x[0]}, 3, 1))
ONE(build_gather, assay_gather(b, x[0], x[1]))
ONE(build_matmul, assay_matmul(b, x[0], x[1], 0, 0))
ONE(build_matmul_t, assay_matmul(b, x[0], x[1], 1, 0))
ONE(build_matmul_nt, assay_matmul(b, x[0], x[1], 0, 1))
ONE(build_matmul_tt, assay_matmul(b, x[0], x[1], 1, 1))
ONE(build_softmax, assay_softmax(b, x[0]))
ONE(build_log_softmax, assay_log_softmax(b, x[0]))
ONE(build_mix_channels, assay_mix_channels(b, x[0], x[1]))
ONE(build_gaussian_blur, assay_gaussian_blur(b, x[0], x[1], 2))
/* Around a map that turns and shrinks, so that no pixel is taken from just between others and no denominator comes near 0. */
CASE_BUILD(build_warp) {
  static const double around[9] = {0.83, 0.13, 0.21, -0.17, 0.71, 0.11, 0.011, 0.023, 1};
  assay_value map[9];
  for (int i = 0; i < 9; i++) map[i] = assay_reshape(b, assay_number(b, x[1], around[i]), 2, (const int64_t[]){1, 1});
  out[0] = assay_warp(b, x[0], assay_add(b, assay_concat(b, map, 9, 1), assay_mul(b, x[1], assay_number(b, x[1], 0.01))), ASSAY_BORDER_EDGE);
  return 1;
}
ONE(build_softmax_ce, assay_softmax_cross_entropy(b, x[0], x[1]))
ONE(build_sigmoid_ce, assay_sigmoid_cross_entropy(b, x[0], x[1]))
/* Through narrower floats a difference would drown in rounding; f64 to f64 keeps the rule in play. */
ONE(build_cast, assay_cast(b, assay_mul(b, x[0], x[0]), ASSAY_F64))
ONE(build_flat, assay_add(b, assay_add(b, assay_sign(b, x[0]), assay_floor(b, x[0])), assay_mul(b, x[0], assay_cast(b, assay_is_finite(b, x[0]), ASSAY_F64))))

CASE_BUILD(build_slice) {
  struct assay_slice_attributes slice = {{1, 0, 2}, {6, INT64_MAX, 3}, {2, 1, 1}};
  out[0] = assay_emit1(b, ASSAY_OP_SLICE, x[0], &slice, sizeof slice);
  return 1;
}
CASE_BUILD(build_pad) {
  const struct assay_pad_attributes pad = {{1, 0}, {0, 2}, {2, 1}, 0.5};
  out[0] = assay_pad(b, x[0], &pad);
  return 1;
}
CASE_BUILD(build_scatter) {
  const struct assay_count_attributes rows = {4};
  out[0] = assay_emit2(b, ASSAY_OP_SCATTER_ADD, x[0], x[1], &rows, sizeof rows);
  return 1;
}

static const struct assay_conv2d_attributes plain = {{1, 1}, {1, 1}, {0, 0}, {0, 0}, 1, {0, 0}, {0, 0}};
static const struct assay_conv2d_attributes crooked = {{2, 3}, {1, 2}, {1, 0}, {0, 3}, 1, {0, 0}, {0, 0}};
static const struct assay_conv2d_attributes grouped = {{2, 1}, {1, 1}, {1, 1}, {1, 1}, 2, {0, 0}, {0, 0}};
ONE(build_conv, assay_conv2d(b, x[0], x[1], &plain))
ONE(build_conv_crooked, assay_conv2d(b, x[0], x[1], &crooked))
ONE(build_conv_grouped, assay_conv2d(b, x[0], x[1], &grouped))

static const struct assay_pool2d_attributes pool = {{3, 2}, {2, 1}, {1, 0}, {1, 1}, 0, {0, 0}};
static const struct assay_pool2d_attributes pool_counting = {{3, 2}, {2, 1}, {1, 0}, {1, 1}, 1, {0, 0}};
ONE(build_max_pool, assay_max_pool2d(b, x[0], &pool))
ONE(build_avg_pool, assay_avg_pool2d(b, x[0], &pool))
ONE(build_avg_pool_counting, assay_avg_pool2d(b, x[0], &pool_counting))

CASE_BUILD(build_batch_norm) {
  const struct assay_epsilon_attributes epsilon = {1e-3};
  const assay_value y = b->host->emit(b, ASSAY_OP_BATCH_NORM_TRAINING, x, 3, &epsilon, sizeof epsilon);
  for (int32_t i = 0; i < 3; i++) out[i] = assay_output(y, i);
  return 3;
}
CASE_BUILD(build_batch_norm_y) {
  const struct assay_epsilon_attributes epsilon = {1e-3};
  out[0] = b->host->emit(b, ASSAY_OP_BATCH_NORM_TRAINING, x, 3, &epsilon, sizeof epsilon);
  return 1;
}
CASE_BUILD(build_batch_norm_variance) {
  const struct assay_epsilon_attributes epsilon = {1e-3};
  out[0] = assay_output(b->host->emit(b, ASSAY_OP_BATCH_NORM_TRAINING, x, 3, &epsilon, sizeof epsilon), 2);
  return 1;
}
CASE_BUILD(build_batch_norm_gradient) {
  const struct assay_epsilon_attributes epsilon = {1e-3};
  const assay_value y = b->host->emit(b, ASSAY_OP_BATCH_NORM_TRAINING_GRADIENT, x, 5, &epsilon, sizeof epsilon);
  for (int32_t i = 0; i < 3; i++) out[i] = assay_output(y, i);
  return 3;
}
CASE_BUILD(build_batch_norm_inference) {
  const struct assay_epsilon_attributes epsilon = {1e-3};
  out[0] = b->host->emit(b, ASSAY_OP_BATCH_NORM_INFERENCE, x, 5, &epsilon, sizeof epsilon);
  return 1;
}

/* Gradients of gradients: the gradients of a curved function of the op are the outputs. */
static uint32_t gradients_of(struct assay_builder *b, assay_value y, const assay_value *x, uint32_t count, assay_value *out) {
  assay_builder_gradient(b, assay_mul(b, y, assay_exp(b, y)), x, count, out);
  return count;
}
CASE_BUILD(build_conv_twice) { return gradients_of(b, assay_conv2d(b, x[0], x[1], &crooked), x, 2, out); }
CASE_BUILD(build_conv_grouped_twice) { return gradients_of(b, assay_conv2d(b, x[0], x[1], &grouped), x, 2, out); }
CASE_BUILD(build_matmul_twice) { return gradients_of(b, assay_matmul(b, x[0], x[1], 1, 0), x, 2, out); }
CASE_BUILD(build_avg_pool_twice) { return gradients_of(b, assay_avg_pool2d(b, x[0], &pool), x, 1, out); }
CASE_BUILD(build_softmax_ce_twice) { return gradients_of(b, assay_softmax_cross_entropy(b, x[0], x[1]), x, 2, out); }
CASE_BUILD(build_batch_norm_twice) {
  build_batch_norm_y(b, x, out);
  return gradients_of(b, out[0], x, 2, out);
}

static const struct gradient_case cases[] = {
    {"negate", 1, {{2, {2, 3}, ANY, 0}}, build_negate},
    {"abs", 1, {{2, {2, 3}, ANY, 0.01}}, build_abs},
    {"exp", 1, {{2, {2, 3}, ANY, 0}}, build_exp},
    {"log", 1, {{2, {2, 3}, POSITIVE, 0}}, build_log},
    {"log1p", 1, {{2, {2, 3}, POSITIVE, 0}}, build_log1p},
    {"sqrt", 1, {{2, {2, 3}, POSITIVE, 0}}, build_sqrt},
    {"tanh", 1, {{2, {2, 3}, ANY, 0}}, build_tanh},
    {"sigmoid", 1, {{2, {2, 3}, ANY, 0}}, build_sigmoid},
    {"erf", 1, {{2, {2, 3}, ANY, 0}}, build_erf},
    {"relu", 1, {{2, {2, 3}, ANY, 0.01}}, build_relu},
    {"sin", 1, {{2, {2, 3}, ANY, 0}}, build_sin},
    {"cos", 1, {{2, {2, 3}, ANY, 0}}, build_cos},
    {"add", 2, {{3, {2, 3, 2}, ANY, 0}, {2, {3, 1}, ANY, 0}}, build_add},
    {"subtract", 2, {{0, {0}, ANY, 0}, {2, {3, 2}, ANY, 0}}, build_subtract},
    {"multiply", 2, {{2, {1, 3}, ANY, 0}, {2, {2, 1}, ANY, 0}}, build_multiply},
    {"square", 1, {{1, {4}, ANY, 0}}, build_square},
    {"divide", 2, {{2, {2, 3}, ANY, 0}, {1, {3}, POSITIVE, 0}}, build_divide},
    {"maximum", 2, {{2, {2, 3}, ANY, 0.01}, {1, {3}, ANY, 0.01}}, build_maximum},
    {"minimum", 2, {{2, {2, 3}, ANY, 0.01}, {1, {3}, ANY, 0.01}}, build_minimum},
    {"power", 2, {{2, {2, 3}, POSITIVE, 0}, {1, {3}, ANY, 0}}, build_power},
    {"select", 2, {{2, {2, 3}, ANY, 0.01}, {1, {3}, ANY, 0.01}}, build_select},
    {"cast", 1, {{1, {3}, ANY, 0}}, build_cast},
    {"flat", 1, {{1, {5}, ANY, 0.01}}, build_flat},
    {"reduce_sum", 1, {{3, {2, 3, 2}, ANY, 0}}, build_sum},
    {"reduce_sum_keep", 1, {{2, {2, 3}, ANY, 0}}, build_sum_keep},
    {"reduce_max", 1, {{3, {2, 3, 2}, ANY, 0.01}}, build_max_reduce},
    {"reduce_max_keep", 1, {{2, {3, 2}, ANY, 0.01}}, build_max_keep},
    {"broadcast", 1, {{2, {3, 1}, ANY, 0}}, build_broadcast},
    {"reshape", 2, {{3, {2, 3, 2}, ANY, 0}, {2, {3, 4}, ANY, 0}}, build_reshape},
    {"transpose", 1, {{3, {2, 3, 4}, ANY, 0}}, build_transpose},
    {"slice", 1, {{3, {7, 2, 4}, ANY, 0}}, build_slice},
    {"pad", 1, {{2, {2, 3}, ANY, 0}}, build_pad},
    {"concat", 2, {{2, {2, 3}, ANY, 0}, {2, {2, 1}, ANY, 0}}, build_concat},
    {"gather", 2, {{2, {4, 3}, ANY, 0}, {1, {6}, INDEX, 0}}, build_gather},
    {"scatter_add", 2, {{2, {6, 2}, ANY, 0}, {1, {6}, INDEX, 0}}, build_scatter},
    {"matmul", 2, {{2, {2, 3}, ANY, 0}, {2, {3, 4}, ANY, 0}}, build_matmul},
    {"matmul_t", 2, {{2, {3, 2}, ANY, 0}, {2, {3, 4}, ANY, 0}}, build_matmul_t},
    {"matmul_nt", 2, {{3, {2, 2, 3}, ANY, 0}, {3, {2, 4, 3}, ANY, 0}}, build_matmul_nt},
    {"matmul_tt", 2, {{3, {2, 3, 2}, ANY, 0}, {3, {2, 4, 3}, ANY, 0}}, build_matmul_tt},
    {"conv2d", 2, {{4, {2, 3, 5, 4}, ANY, 0}, {4, {2, 3, 3, 2}, ANY, 0}}, build_conv},
    {"conv2d_crooked", 2, {{4, {2, 2, 6, 5}, ANY, 0}, {4, {3, 2, 3, 2}, ANY, 0}}, build_conv_crooked},
    {"conv2d_grouped", 2, {{4, {2, 4, 5, 4}, ANY, 0}, {4, {6, 2, 3, 3}, ANY, 0}}, build_conv_grouped},
    {"conv2d_twice", 2, {{4, {1, 2, 5, 4}, ANY, 0}, {4, {2, 2, 3, 2}, ANY, 0}}, build_conv_twice},
    {"conv2d_grouped_twice", 2, {{4, {1, 2, 4, 4}, ANY, 0}, {4, {2, 1, 3, 3}, ANY, 0}}, build_conv_grouped_twice},
    {"matmul_twice", 2, {{2, {3, 2}, ANY, 0}, {2, {3, 2}, ANY, 0}}, build_matmul_twice},
    {"max_pool2d", 1, {{4, {2, 2, 6, 4}, ANY, 0.002}}, build_max_pool},
    {"avg_pool2d", 1, {{4, {2, 2, 6, 4}, ANY, 0}}, build_avg_pool},
    {"avg_pool2d_counting", 1, {{4, {2, 2, 6, 4}, ANY, 0}}, build_avg_pool_counting},
    {"avg_pool2d_twice", 1, {{4, {1, 2, 5, 3}, ANY, 0}}, build_avg_pool_twice},
    {"softmax", 1, {{3, {2, 2, 3}, ANY, 0}}, build_softmax},
    {"log_softmax", 1, {{2, {2, 4}, ANY, 0}}, build_log_softmax},
    {"warp", 2, {{4, {2, 2, 4, 5}, ANY, 0}, {2, {2, 9}, ANY, 0}}, build_warp},
    {"mix_channels", 2, {{4, {2, 2, 2, 3}, ANY, 0}, {3, {2, 2, 3}, ANY, 0}}, build_mix_channels},
    {"gaussian_blur", 2, {{4, {2, 2, 4, 3}, ANY, 0}, {1, {2}, POSITIVE, 0}}, build_gaussian_blur},
    {"softmax_cross_entropy", 2, {{2, {3, 4}, ANY, 0}, {2, {3, 4}, PROBABILITY, 0}}, build_softmax_ce},
    {"softmax_cross_entropy_twice", 2, {{2, {2, 3}, ANY, 0}, {2, {2, 3}, PROBABILITY, 0}}, build_softmax_ce_twice},
    {"sigmoid_cross_entropy", 2, {{2, {3, 2}, ANY, 0.01}, {2, {3, 2}, PROBABILITY, 0}}, build_sigmoid_ce},
    {"batch_norm_training", 3, {{4, {3, 2, 2, 2}, ANY, 0}, {1, {2}, ANY, 0}, {1, {2}, ANY, 0}}, build_batch_norm},
    {"batch_norm_training_y", 3, {{2, {5, 3}, ANY, 0}, {1, {3}, ANY, 0}, {1, {3}, ANY, 0}}, build_batch_norm_y},
    {"batch_norm_training_variance", 3, {{3, {3, 2, 2}, ANY, 0}, {1, {2}, ANY, 0}, {1, {2}, ANY, 0}}, build_batch_norm_variance},
    {"batch_norm_training_gradient",
     5,
     {{3, {2, 2, 3}, ANY, 0}, {3, {2, 2, 3}, ANY, 0}, {1, {2}, ANY, 0}, {1, {2}, ANY, 0}, {1, {2}, POSITIVE, 0}},
     build_batch_norm_gradient},
    {"batch_norm_inference",
     5,
     {{4, {2, 2, 2, 2}, ANY, 0}, {1, {2}, ANY, 0}, {1, {2}, ANY, 0}, {1, {2}, ANY, 0}, {1, {2}, POSITIVE, 0}},
     build_batch_norm_inference},
    {"batch_norm_training_twice", 3, {{2, {4, 2}, ANY, 0}, {1, {2}, ANY, 0}, {1, {2}, ANY, 0}}, build_batch_norm_twice},
};
enum { CASE_COUNT = sizeof cases / sizeof cases[0] };

static int64_t element_count(const struct input *input) {
  int64_t count = 1;
  for (int32_t axis = 0; axis < input->rank; axis++) count *= input->extents[axis];
  return count;
}

/* Functions: 0 the weighted sum of the outputs, 1 its gradients. Feeds: the inputs, then a weight for each output. */
static struct assay_program_builder *build_case(const struct gradient_case *c, uint32_t *output_count, struct assay_tensor_type *output_types) {
  struct assay_program_builder *program = assay_program_begin();
  for (int with_gradient = 0; with_gradient < 2; with_gradient++) {
    struct assay_builder *b = assay_function_begin(program, with_gradient ? "gradient" : "value");
    assay_value x[MOST_INPUTS], outputs[MOST_OUTPUTS], wrt[MOST_INPUTS], gradients[MOST_INPUTS], sum = assay_invalid();
    uint32_t wrt_count = 0;
    for (uint32_t i = 0; i < c->input_count; i++) {
      const bool is_index = c->inputs[i].domain == INDEX;
      x[i] = assay_function_feed(b, is_index ? ASSAY_I32 : ASSAY_F64, c->inputs[i].rank, c->inputs[i].extents);
      if (!is_index) wrt[wrt_count++] = x[i];
    }
    *output_count = c->build(b, x, outputs);
    for (uint32_t i = 0; i < *output_count; i++) {
      output_types[i] = *assay_type(b, outputs[i]);
      const assay_value weight = assay_function_feed(b, ASSAY_F64, output_types[i].rank, output_types[i].extents);
      const assay_value part = assay_reduce_sum(b, assay_mul(b, outputs[i], weight), (1u << output_types[i].rank) - 1, 0);
      sum = i == 0 ? part : assay_add(b, sum, part);
    }
    if (with_gradient) assay_builder_gradient(b, sum, wrt, wrt_count, gradients);
    else assay_function_fetch(b, sum);
    for (uint32_t i = 0; with_gradient && i < wrt_count; i++) {
      ck_assert_mem_eq(assay_type(b, gradients[i]), assay_type(b, wrt[i]), sizeof(struct assay_tensor_type));
      assay_function_fetch(b, gradients[i]);
    }
    struct assay_status status = {0, {0}};
    CHECK_STATUS(assay_function_end(b, &status));
  }
  return program;
}

/* Numbers around 0 at odd places of a grid that is `gap` wide, all different; or simply random. */
static void fill(double *numbers, const struct input *input, struct assay_random *random) {
  const int64_t count = element_count(input);
  for (int64_t i = 0; i < count; i++) {
    double number = 3 * assay_random_uniform(random) - 1.5;
    if (input->domain != ANY) number = 0.2 + assay_random_uniform(random);
    if (input->gap > 0) {
      const double step = 2 * input->gap;
      bool taken = true;
      while (taken) {
        number = (2 * floor((3 * assay_random_uniform(random) - 1.5) / (2 * step)) + 1) * step + input->gap * (input->rank - 1.5) / 2;
        taken = false;
        for (int64_t k = 0; k < i; k++) taken |= fabs(numbers[k] - number) < input->gap;
      }
    }
    numbers[i] = number;
  }
}

START_TEST(gradient_matches_central_differences) {
  const struct gradient_case *c = &cases[_i];
  struct assay_tensor_type output_types[MOST_OUTPUTS];
  uint32_t output_count;
  struct assay_program_builder *builder = build_case(c, &output_count, output_types);
  struct running running = run_builder(builder);
  struct assay_random random = assay_random_seed(7, (uint64_t)_i);
  double *inputs[MOST_INPUTS], *weights[MOST_OUTPUTS], *gradients[MOST_INPUTS];
  const void *feeds[MOST_INPUTS + MOST_OUTPUTS] = {NULL};
  void *fetches[MOST_INPUTS] = {NULL};
  int32_t indices[16];
  uint32_t wrt_count = 0;
  for (uint32_t i = 0; i < c->input_count; i++) {
    inputs[i] = calloc((size_t)element_count(&c->inputs[i]), sizeof(double));
    fill(inputs[i], &c->inputs[i], &random);
    feeds[i] = inputs[i];
    if (c->inputs[i].domain == INDEX) {
      for (int64_t k = 0; k < element_count(&c->inputs[i]); k++) indices[k] = (int32_t)assay_random_below(&random, 6) - 1; /* some out of range: clamped */
      feeds[i] = indices;
    } else {
      gradients[wrt_count] = calloc((size_t)element_count(&c->inputs[i]), sizeof(double));
      fetches[wrt_count] = gradients[wrt_count];
      wrt_count++;
    }
  }
  for (uint32_t i = 0; i < output_count; i++) {
    const int64_t count = assay_element_count(&output_types[i]);
    weights[i] = calloc((size_t)count, sizeof(double));
    for (int64_t k = 0; k < count; k++) weights[i][k] = 2 * assay_random_uniform(&random) - 1;
    feeds[c->input_count + i] = weights[i];
  }
  call_function(&running, 1, feeds, fetches);
  uint32_t w = 0;
  for (uint32_t i = 0; i < c->input_count; i++) {
    if (c->inputs[i].domain == INDEX) continue;
    for (int64_t k = 0; k < element_count(&c->inputs[i]); k++) {
      const double step = 1e-5, here = inputs[i][k];
      double above, below;
      inputs[i][k] = here + step;
      call_function(&running, 0, feeds, (void *const[]){&above});
      inputs[i][k] = here - step;
      call_function(&running, 0, feeds, (void *const[]){&below});
      inputs[i][k] = here;
      const double slope = (above - below) / (2 * step), error = fabs(slope - gradients[w][k]);
      ck_assert_msg(error <= 2e-7 * (1 + fabs(slope)), "%s: input %u, element %lld: %.10g, but central differences give %.10g", c->name, i, (long long)k,
                    gradients[w][k], slope);
    }
    w++;
  }
  stop_running(&running);
  assay_program_release(builder);
  for (uint32_t i = 0; i < c->input_count; i++) free(inputs[i]);
  for (uint32_t i = 0; i < wrt_count; i++) free(gradients[i]);
  for (uint32_t i = 0; i < output_count; i++) free(weights[i]);
}
END_TEST

/* So that a new op cannot come without a case. */
START_TEST(every_rule_has_a_case) {
  bool seen[2048] = {false};
  for (uint32_t i = 0; i < CASE_COUNT; i++) {
    struct assay_tensor_type types[MOST_OUTPUTS];
    uint32_t count;
    struct assay_program_builder *builder = build_case(&cases[i], &count, types);
    const struct assay_program *program;
    struct assay_status status = {0, {0}};
    CHECK_STATUS(assay_program_finish(builder, &program, &status));
    const struct assay_graph *graph = program->functions[0]->graph;
    for (uint32_t n = 0; n < graph->node_count; n++) seen[graph->nodes[n]->op] = true;
    assay_program_release(builder);
  }
  seen[ASSAY_OP_CAST] = true; /* f64 to f64 is simplified away after its rule has done its work */
  for (uint32_t i = 0; assay_op_at(i) != NULL; i++) {
    const struct assay_op_info *info = assay_op_at(i);
    if (info->gradient != NULL || info->flags & ASSAY_OP_COMPOSITE) ck_assert_msg(seen[info->op], "%s has no case", info->name);
  }
}
END_TEST

/* ---- What central differences cannot see ---- */

static struct assay_program_builder *builder_of_one;
static struct assay_builder *begin(void) {
  builder_of_one = assay_program_begin();
  return assay_function_begin(builder_of_one, "f");
}

/* Runs a function of one feed of n doubles, with one fetch as long. */
static void evaluate(const double *x, double *y) {
  struct running running = run_builder(builder_of_one);
  call_function(&running, 0, (const void *const[]){x}, (void *const[]){y});
  stop_running(&running);
  assay_program_release(builder_of_one);
}

START_TEST(kinks_and_ties_go_where_the_header_says) {
  const int64_t four[] = {4};
  const double x[4] = {-1, 0, 2, 2};
  double y[4];
  struct assay_builder *b = begin();
  assay_value v = assay_function_feed(b, ASSAY_F64, 1, four), g;
  assay_builder_gradient(b, assay_relu(b, v), &v, 1, &g);
  assay_function_fetch(b, g);
  evaluate(x, y);
  ck_assert_mem_eq(y, ((double[]){0, 0, 1, 1}), sizeof y);

  b = begin(); /* two equals share the gradient of their maximum */
  v = assay_function_feed(b, ASSAY_F64, 1, four);
  assay_builder_gradient(b, assay_reduce_max(b, v, 1, 0), &v, 1, &g);
  assay_function_fetch(b, g);
  evaluate(x, y);
  ck_assert_mem_eq(y, ((double[]){0, 0, 0.5, 0.5}), sizeof y);

  b = begin(); /* the first where equal: max(x, 2) has slope 1 at 2, max(2, x) has 0 */
  v = assay_function_feed(b, ASSAY_F64, 1, four);
  assay_value two = assay_number(b, v, 2);
  assay_value both = assay_add(b, assay_max(b, v, two), assay_mul(b, assay_max(b, two, v), assay_number(b, v, 10)));
  assay_builder_gradient(b, both, &v, 1, &g);
  assay_function_fetch(b, g);
  evaluate(x, y);
  ck_assert_mem_eq(y, ((double[]){0, 0, 1, 1}), sizeof y);

  b = begin();
  v = assay_function_feed(b, ASSAY_F64, 1, four);
  two = assay_number(b, v, 2);
  both = assay_add(b, assay_min(b, v, two), assay_mul(b, assay_min(b, two, v), assay_number(b, v, 10)));
  assay_builder_gradient(b, both, &v, 1, &g);
  assay_function_fetch(b, g);
  evaluate(x, y);
  ck_assert_mem_eq(y, ((double[]){11, 11, 1, 1}), sizeof y);
}
END_TEST

START_TEST(powers_of_zero_have_finite_slopes) {
  const double x[4] = {0, 0, 0, 3};
  double y[4];
  struct assay_builder *b = begin();
  assay_value v = assay_function_feed(b, ASSAY_F64, 1, (const int64_t[]){4}), g;
  const assay_value two = assay_number(b, v, 2);
  assay_builder_gradient(b, assay_pow(b, v, two), &v, 1, &g); /* 2 x */
  assay_function_fetch(b, g);
  evaluate(x, y);
  ck_assert_mem_eq(y, ((double[]){0, 0, 0, 6}), sizeof y);
  b = begin();
  v = assay_function_feed(b, ASSAY_F64, 1, (const int64_t[]){4});
  assay_builder_gradient(b, assay_pow(b, v, assay_number(b, v, 0)), &v, 1, &g); /* 0, not 0 times infinity */
  assay_function_fetch(b, g);
  evaluate(x, y);
  ck_assert_mem_eq(y, ((double[]){0, 0, 0, 0}), sizeof y);
}
END_TEST

START_TEST(cross_entropies_do_not_overflow) {
  const double x[4] = {1000, -1000, 0, 40};
  double y[4];
  struct assay_builder *b = begin();
  assay_value v = assay_function_feed(b, ASSAY_F64, 1, (const int64_t[]){4}), g;
  const assay_value one = assay_broadcast(b, assay_number(b, v, 1), 1, (const int64_t[]){4});
  const assay_value loss = assay_sigmoid_cross_entropy(b, v, one);
  assay_builder_gradient(b, loss, &v, 1, &g);
  assay_function_fetch(b, assay_add(b, g, assay_mul(b, loss, assay_number(b, v, 1000))));
  evaluate(x, y);
  ck_assert_double_eq(y[0], 0);
  ck_assert_double_eq(y[1], 1e6 - 1);
  ck_assert_double_eq_tol(y[2], log(2) * 1000 - 0.5, 1e-12);
  b = begin();
  v = assay_function_feed(b, ASSAY_F64, 2, (const int64_t[]){2, 2});
  const assay_value first = assay_cast(b, assay_equal(b, v, assay_reduce_max(b, v, 2, 1)), ASSAY_F64);
  assay_builder_gradient(b, assay_softmax_cross_entropy(b, v, assay_stop_gradient(b, first)), &v, 1, &g);
  assay_function_fetch(b, g);
  evaluate(x, y);
  ck_assert_double_eq(y[0], 0);
  ck_assert_double_eq(y[1], 0);
  ck_assert_double_lt(fabs(y[2]), 1e-15);
}
END_TEST

START_TEST(stop_gradient_stops_and_nothing_is_zeros) {
  const double x[3] = {1, 2, 3};
  double y[3];
  struct assay_builder *b = begin();
  assay_value v = assay_function_feed(b, ASSAY_F64, 1, (const int64_t[]){3}), g;
  assay_builder_gradient(b, assay_mul(b, v, assay_stop_gradient(b, assay_mul(b, v, v))), &v, 1, &g);
  assay_function_fetch(b, g);
  evaluate(x, y);
  ck_assert_mem_eq(y, ((double[]){1, 4, 9}), sizeof y);
  b = begin();
  v = assay_function_feed(b, ASSAY_F64, 1, (const int64_t[]){3});
  assay_builder_gradient(b, assay_stop_gradient(b, v), &v, 1, &g);
  ck_assert_mem_eq(assay_type(b, g), assay_type(b, v), sizeof(struct assay_tensor_type));
  assay_function_fetch(b, assay_add(b, g, assay_mul(b, v, assay_number(b, v, 0))));
  evaluate(x, y);
  ck_assert_mem_eq(y, ((double[]){0, 0, 0}), sizeof y);
}
END_TEST

/* With respect to a value in the middle, which others depend on. */
START_TEST(gradient_by_an_intermediate_value) {
  const double x[2] = {0.5, 2};
  double y[2];
  struct assay_builder *b = begin();
  const assay_value v = assay_function_feed(b, ASSAY_F64, 1, (const int64_t[]){2});
  assay_value middle = assay_mul(b, v, v), g;
  assay_builder_gradient(b, assay_mul(b, middle, assay_mul(b, middle, v)), &middle, 1, &g); /* 2 m v = 2 v^3 */
  assay_function_fetch(b, g);
  evaluate(x, y);
  ck_assert_double_eq(y[0], 0.25);
  ck_assert_double_eq(y[1], 16);
}
END_TEST

static const char *gradient_error(struct assay_builder *b, assay_value loss, assay_value by) {
  static struct assay_status status;
  assay_value g;
  assay_builder_gradient(b, loss, &by, 1, &g);
  ck_assert(!assay_is_valid(g));
  ck_assert_int_ne(assay_function_end(b, &status), 0);
  return status.message;
}

START_TEST(what_cannot_be_differentiated_says_so) {
  struct assay_builder *b = begin();
  assay_value x = assay_function_feed(b, ASSAY_F32, 4, (const int64_t[]){1, 1, 4, 4}), g;
  assay_builder_scope(b, "pool1", NULL);
  const assay_value loss = assay_max_pool2d(b, assay_mul(b, x, x), &pool);
  assay_builder_gradient(b, assay_mul(b, loss, loss), &x, 1, &g);
  ck_assert_str_eq(gradient_error(b, g, x), "pool1: max_pool2d_gradient: has no rule for its derivative");
  assay_program_release(builder_of_one);
  b = begin();
  x = assay_function_feed(b, ASSAY_I32, 0, NULL);
  ck_assert_str_eq(gradient_error(b, assay_cast(b, x, ASSAY_F32), x), "gradient: what it is taken by is i32, not a float");
  assay_program_release(builder_of_one);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("autodiff");
  TCase *rules = tcase_create("rules");
  tcase_set_timeout(rules, 30);
  tcase_add_loop_test(rules, gradient_matches_central_differences, 0, CASE_COUNT);
  tcase_add_test(rules, every_rule_has_a_case);
  tcase_add_test(rules, kinks_and_ties_go_where_the_header_says);
  tcase_add_test(rules, powers_of_zero_have_finite_slopes);
  tcase_add_test(rules, cross_entropies_do_not_overflow);
  tcase_add_test(rules, stop_gradient_stops_and_nothing_is_zeros);
  tcase_add_test(rules, gradient_by_an_intermediate_value);
  tcase_add_test(rules, what_cannot_be_differentiated_says_so);
  suite_add_tcase(suite, rules);
  return assay_run_suite(suite);
}
