/* SPDX-License-Identifier: MIT
 *
 * Layers in double on the reference backend: their values against PyTorch's (layer_vectors.py), their gradients against central differences.
 */
#include "components.h"
#include "graph/running.h"
#include "layer_vectors.h"

#include <assay/layer.h>
#include <math.h>

#define VALUES(name) name##_values, sizeof name##_values / sizeof *name##_values

struct layer_case {
  const char *name, *layer, *options;
  const double *values; /* the output, then statistics after training */
  size_t value_count;
  uint32_t input_count;
  struct assay_tensor_type inputs[3]; /* dtype F32 stands for f64 here; I32: labels */
  uint32_t training;
  int64_t classes;
  double mean[2], variance[2]; /* of batch_norm in inference */
};

#define IMAGE {ASSAY_F32, 4, {2, 2, 5, 4}}
#define ROWS(n, f) {ASSAY_F32, 2, {n, f}}
#define LABELS(n) {ASSAY_I32, 1, {n}}

static const struct layer_case layer_cases[] = {
    {"conv2d same", "conv2d", "channels=3;kernel=3", VALUES(conv2d_same), 1, {IMAGE}, 1, 2, {0}, {0}},
    {"conv2d strided", "conv2d", "channels=3;kernel=3, 2;stride=2, 3", VALUES(conv2d_strided), 1, {IMAGE}, 1, 2, {0}, {0}},
    {"conv2d grouped", "conv2d", "channels=4;padding=2;dilation=2;groups=2;bias=no", VALUES(conv2d_grouped), 1, {IMAGE}, 1, 2, {0}, {0}},
    {"dense", "dense", "units=3", VALUES(dense), 1, {ROWS(3, 5)}, 1, 2, {0}, {0}},
    {"dense of images", "dense", "units=3", VALUES(classifier_three), 1, {IMAGE}, 1, 2, {0}, {0}},
    {"classifier, three classes", "classifier", "", VALUES(classifier_three), 1, {IMAGE}, 1, 3, {0}, {0}},
    {"classifier, two classes", "classifier", "", VALUES(classifier_two), 1, {IMAGE}, 1, 2, {0}, {0}},
    {"flatten", "flatten", "", VALUES(flatten), 1, {IMAGE}, 1, 2, {0}, {0}},
    {"max_pool", "max_pool", "kernel=3, 2;stride=2, 1;padding=1, 0", VALUES(max_pool), 1, {IMAGE}, 1, 2, {0}, {0}},
    {"avg_pool", "avg_pool", "kernel=3, 2;stride=2, 1;padding=1, 0", VALUES(avg_pool), 1, {IMAGE}, 1, 2, {0}, {0}},
    {"avg_pool of real pixels", "avg_pool", "kernel=3, 2;stride=2, 1;padding=1, 0;count_padding=no", VALUES(avg_pool_real), 1, {IMAGE}, 1, 2, {0}, {0}},
    {"adaptive_avg_pool", "adaptive_avg_pool", "cells=3, 7", VALUES(adaptive), 1, {IMAGE}, 1, 2, {0}, {0}},
    {"adaptive_avg_pool, even cells", "adaptive_avg_pool", "cells=5, 2", VALUES(adaptive_even), 1, {IMAGE}, 1, 2, {0}, {0}},
    {"global_avg_pool", "global_avg_pool", "", VALUES(global_avg_pool), 1, {IMAGE}, 1, 2, {0}, {0}},
    {"batch_norm training", "batch_norm", "momentum=0.3;epsilon=0.001", VALUES(batch_norm_training), 1, {IMAGE}, 1, 2, {0, 0}, {1, 1}},
    {"batch_norm inference", "batch_norm", "epsilon=0.001", VALUES(batch_norm_inference), 1, {IMAGE}, 0, 2, {0.25, -0.5}, {0.75, 1.5}},
    {"batch_norm of rows", "batch_norm", "", VALUES(batch_norm_flat), 1, {ROWS(3, 5)}, 1, 2, {0}, {0}},
    {"relu", "relu", "", VALUES(relu), 1, {IMAGE}, 1, 2, {0}, {0}},
    {"leaky_relu", "leaky_relu", "slope=0.2", VALUES(leaky_relu), 1, {IMAGE}, 1, 2, {0}, {0}},
    {"tanh", "tanh", "", VALUES(tanh), 1, {IMAGE}, 1, 2, {0}, {0}},
    {"sigmoid", "sigmoid", "", VALUES(sigmoid), 1, {IMAGE}, 1, 2, {0}, {0}},
    {"silu", "silu", "", VALUES(silu), 1, {IMAGE}, 1, 2, {0}, {0}},
    {"gelu", "gelu", "", VALUES(gelu), 1, {IMAGE}, 1, 2, {0}, {0}},
    {"gelu by tanh", "gelu", "approximation=tanh", VALUES(gelu_tanh), 1, {IMAGE}, 1, 2, {0}, {0}},
    {"add", "add", "", VALUES(add), 3, {{ASSAY_F32, 4, {2, 3, 2, 2}}, {ASSAY_F32, 4, {2, 3, 2, 2}}, {ASSAY_F32, 4, {2, 3, 2, 2}}}, 1, 2, {0}, {0}},
    {"concat", "concat", "", VALUES(concat), 2, {{ASSAY_F32, 4, {2, 3, 2, 2}}, {ASSAY_F32, 4, {2, 1, 2, 2}}}, 1, 2, {0}, {0}},
    {"conv_blocks", "conv_blocks", "blocks=2;channels=2;pool=3;activation=tanh", VALUES(conv_blocks), 1, {{ASSAY_F32, 4, {1, 2, 9, 8}}}, 1, 2, {0}, {0}},
    {"cross_entropy", "cross_entropy", "", VALUES(cross_entropy), 2, {ROWS(4, 3), LABELS(4)}, 1, 3, {0}, {0}},
    {"cross_entropy, smoothed", "cross_entropy", "label_smoothing=0.1", VALUES(cross_entropy_smooth), 2, {ROWS(4, 3), LABELS(4)}, 1, 3, {0}, {0}},
    {"cross_entropy of one logit", "cross_entropy", "", VALUES(binary_cross_entropy), 2, {ROWS(4, 1), LABELS(4)}, 1, 2, {0}, {0}},
    {"binary_cross_entropy", "binary_cross_entropy", "", VALUES(binary_cross_entropy), 2, {ROWS(4, 1), LABELS(4)}, 1, 2, {0}, {0}},
    {"focal", "focal", "", VALUES(focal), 2, {ROWS(4, 3), LABELS(4)}, 1, 3, {0}, {0}},
    {"focal of one logit", "focal", "gamma=1.5", VALUES(focal_binary), 2, {ROWS(4, 1), LABELS(4)}, 1, 2, {0}, {0}},
    {"binary_cross_entropy, smoothed", "binary_cross_entropy", "label_smoothing=0.1", VALUES(binary_cross_entropy_smooth), 2, {ROWS(4, 1), LABELS(4)}, 1, 2, {0}, {0}},
    {"dropout", "dropout", "rate=0.3", NULL, 0, 1, {IMAGE}, 1, 2, {0}, {0}},
};

static bool is_trained(uint32_t role) { return role <= ASSAY_ROLE_NORM_BIAS; }

/* Option values with runtime ones as constants of the graph. */
static const struct assay_option_value *const *bound(struct assay_builder *b, const struct assay_component *layer) {
  const uint32_t count = assay_option_count(layer->plugin->options);
  const struct assay_option_value **values = ASSAY_NEW_ARRAY(test_arena, const struct assay_option_value *, count + 1);
  for (uint32_t i = 0; i < count; i++) {
    struct assay_option_value *value = ASSAY_NEW(test_arena, struct assay_option_value);
    *value = *layer->values[i];
    const struct assay_constant_attributes constant = {value->real, ASSAY_F32, 0};
    if (layer->plugin->options[i]->flags & ASSAY_OPTION_RUNTIME) value->runtime = b->host->emit(b, ASSAY_OP_CONSTANT, NULL, 0, &constant, sizeof constant);
    values[i] = value;
  }
  return values;
}

/* The layer in function `name`, whose feeds are its inputs, then keys. */
static assay_value build(struct assay_program_builder *program, const struct layer_case *given, const char *name, struct assay_builder **builder, assay_value *inputs) {
  const struct assay_component layer = component(ASSAY_LAYER, given->layer, given->options);
  struct assay_builder *b = *builder = assay_function_begin(program, name);
  for (uint32_t i = 0; i < given->input_count; i++) inputs[i] = assay_function_feed(b, given->inputs[i].dtype, given->inputs[i].rank, given->inputs[i].extents);
  const assay_value keys = assay_function_feed(b, ASSAY_U32, 2, (const int64_t[]){given->inputs[0].extents[0], 2});
  const struct assay_build_context context = {sizeof context, given->training, given->classes, keys, {-1}};
  assay_function_context(b, &context);
  assay_builder_scope(b, given->layer, "test");
  return ((const struct assay_layer *)layer.plugin->vtable)->build(b, bound(b, &layer), inputs, given->input_count);
}

/* The sum of the output's elements, each with a weight of its own, so that no two can stand in for each other. */
static assay_value scalar(struct assay_builder *b, assay_value y) {
  const int64_t count = assay_element_count(assay_type(b, y));
  const assay_value flat = assay_reshape(b, y, 1, &count);
  assay_value sum = assay_number(b, y, 0);
  for (int64_t i = 0; i < count; i++)
    sum = assay_add(b, sum, assay_mul(b, assay_reshape(b, assay_slice(b, flat, 0, i, i + 1), 0, NULL), assay_number(b, y, cos(1.3 * (double)i) + 0.2)));
  return sum;
}

struct trial {
  struct running running;
  struct assay_program_builder *program;
  void *feeds[4];
  double *variables[16];
  uint32_t trained[16], trained_count;
};

static double *reals(int64_t count) { return ASSAY_NEW_ARRAY(test_arena, double, (size_t)count); }

static void fill_feeds(struct trial *trial, const struct layer_case *given) {
  for (uint32_t j = 0; j < given->input_count; j++) {
    const int64_t count = assay_element_count(&given->inputs[j]);
    double *input = reals(count);
    int32_t *labels = (int32_t *)input;
    for (int64_t i = 0; i < count; i++) {
      if (given->inputs[j].dtype == ASSAY_I32) labels[i] = (int32_t)(i % given->classes);
      else input[i] = sin(0.7 * (double)i + j + 0.1);
    }
    trial->feeds[j] = input;
  }
  uint32_t *keys = ASSAY_NEW_ARRAY(test_arena, uint32_t, 64);
  for (uint32_t i = 0; i < 64; i++) keys[i] = i * 7919u;
  trial->feeds[given->input_count] = keys;
}

static void fill_variables(struct trial *trial, const struct layer_case *given) {
  struct assay_status status;
  trial->trained_count = 0;
  for (uint32_t v = 0; v < trial->running.program->variable_count; v++) {
    const struct assay_variable *variable = trial->running.program->variables[v];
    const int64_t count = assay_element_count(&variable->type);
    double *values = trial->variables[v] = reals(count);
    ck_assert_int_eq(variable->type.dtype, ASSAY_F64);
    for (int64_t i = 0; i < count; i++) {
      if (is_trained(variable->role)) values[i] = cos(0.9 * (double)i + 2.0 * trial->trained_count) / 2;
      else if (strstr(variable->name, "variance") != NULL) values[i] = given->training ? 1 : given->variance[i];
      else values[i] = given->training ? 0 : given->mean[i];
    }
    if (is_trained(variable->role)) trial->trained[trial->trained_count++] = v;
    CHECK_STATUS(trial->running.backend->store_write(trial->running.store, v, values, &status));
  }
}

static struct trial start(struct assay_program_builder *program, const struct layer_case *given) {
  struct trial trial = {.program = program, .running = run_builder(program)};
  fill_feeds(&trial, given);
  fill_variables(&trial, given);
  return trial;
}

static void stop(struct trial *trial) {
  stop_running(&trial->running);
  assay_program_release(trial->program);
}

static struct assay_program_builder *in_double(void) {
  struct assay_status status;
  struct assay_program_builder *program = assay_program_begin();
  CHECK_STATUS(assay_program_precision(program, ASSAY_F64, &status));
  return program;
}

START_TEST(values_equal_pytorch) {
  const struct layer_case *given = &layer_cases[_i];
  if (given->values == NULL) return;
  struct assay_status status;
  struct assay_builder *b;
  assay_value inputs[3];
  struct assay_program_builder *program = in_double();
  const assay_value y = build(program, given, "value", &b, inputs);
  const size_t count = (size_t)assay_element_count(assay_type(b, y));
  assay_function_fetch(b, y);
  CHECK_STATUS(assay_function_end(b, &status));
  struct trial trial = start(program, given);
  double *result = reals((int64_t)count + 64);
  call_function(&trial.running, 0, (const void *const *)trial.feeds, (void *const[]){result});
  size_t total = count;
  for (uint32_t v = 0; v < trial.running.program->variable_count && given->training; v++) { /* statistics, as training has left them */
    const struct assay_variable *variable = trial.running.program->variables[v];
    if (variable->role != ASSAY_ROLE_STATISTIC) continue;
    CHECK_STATUS(trial.running.backend->store_read(trial.running.store, v, result + total, &status));
    total += (size_t)assay_element_count(&variable->type);
  }
  ck_assert_uint_eq(total, given->value_count);
  for (size_t i = 0; i < total; i++) ck_assert_msg(fabs(result[i] - given->values[i]) <= 1e-11, "%s: %zu is %.17g, not %.17g", given->name, i, result[i], given->values[i]);
  stop(&trial);
}
END_TEST

/* Central differences of one tensor; `place` is where the functions read it (a feed), or NULL for variable `v`. */
static void check_gradient(struct trial *trial, const struct layer_case *given, const char *what, double *numbers, int64_t count, int32_t v, const double *gradient) {
  const double step = 1e-5;
  struct assay_status status;
  for (int64_t i = 0; i < count; i++) {
    const double kept = numbers[i];
    double around[2];
    for (int side = 0; side < 2; side++) {
      numbers[i] = kept + (side == 0 ? -step : step);
      for (uint32_t k = 0; k < trial->running.program->variable_count; k++) /* all: training writes statistics */
        if (v >= 0 || !is_trained(trial->running.program->variables[k]->role))
          CHECK_STATUS(trial->running.backend->store_write(trial->running.store, k, trial->variables[k], &status));
      call_function(&trial->running, 0, (const void *const *)trial->feeds, (void *const[]){&around[side]});
    }
    numbers[i] = kept;
    const double slope = (around[1] - around[0]) / (2 * step);
    ck_assert_msg(fabs(slope - gradient[i]) <= 1e-6 * (1 + fabs(slope)), "%s: %s, element %lld: %.10g by differences, %.10g by autodiff", given->name, what, (long long)i,
                  slope, gradient[i]);
  }
  if (v >= 0) CHECK_STATUS(trial->running.backend->store_write(trial->running.store, (uint32_t)v, numbers, &status));
}

START_TEST(gradients_equal_differences) {
  const struct layer_case *given = &layer_cases[_i];
  struct assay_status status;
  struct assay_builder *b;
  assay_value inputs[3], wrt[16], gradients[16];
  void *fetches[16];
  uint32_t wrt_count = 0, input_wrt = 0;
  struct assay_program_builder *program = in_double();
  const assay_value value = build(program, given, "value", &b, inputs);
  assay_function_fetch(b, scalar(b, value));
  CHECK_STATUS(assay_function_end(b, &status));
  const assay_value output = build(program, given, "gradient", &b, inputs), sum = scalar(b, output);
  for (uint32_t j = 0; j < given->input_count; j++)
    if (given->inputs[j].dtype != ASSAY_I32) wrt[wrt_count++] = inputs[j];
  input_wrt = wrt_count;
  for (uint32_t v = 0; v < assay_program_variable_count(program); v++)
    if (is_trained(assay_program_variable(program, v)->base.role)) wrt[wrt_count++] = assay_builder_variable(b, v);
  assay_builder_gradient(b, sum, wrt, wrt_count, gradients);
  for (uint32_t i = 0; i < wrt_count; i++) {
    assay_function_fetch(b, gradients[i]);
    fetches[i] = reals(assay_element_count(assay_type(b, wrt[i])));
  }
  CHECK_STATUS(assay_function_end(b, &status));
  struct trial trial = start(program, given);
  call_function(&trial.running, 1, (const void *const *)trial.feeds, fetches);
  for (uint32_t j = 0; j < input_wrt; j++) check_gradient(&trial, given, "input", trial.feeds[j], assay_element_count(&given->inputs[j]), -1, fetches[j]);
  for (uint32_t k = 0; k < trial.trained_count; k++) {
    const struct assay_variable *variable = trial.running.program->variables[trial.trained[k]];
    check_gradient(&trial, given, variable->name, trial.variables[trial.trained[k]], assay_element_count(&variable->type), (int32_t)trial.trained[k], fetches[input_wrt + k]);
  }
  stop(&trial);
}
END_TEST

/* Element e of sample n is kept when word e % 4 of the sample's Philox block e / 4 is large enough, and then scaled by 1 / (1 - rate). */
START_TEST(dropout_drops_by_the_samples_key) {
  const struct layer_case *given = &layer_cases[sizeof layer_cases / sizeof *layer_cases - 1];
  struct assay_status status;
  struct assay_builder *b;
  assay_value inputs[3];
  struct assay_program_builder *program = in_double();
  const assay_value value = build(program, given, "value", &b, inputs);
  assay_function_fetch(b, value);
  CHECK_STATUS(assay_function_end(b, &status));
  struct trial trial = start(program, given);
  double result[80];
  call_function(&trial.running, 0, (const void *const *)trial.feeds, (void *const[]){result});
  int kept = 0;
  for (uint32_t n = 0; n < 2; n++)
    for (uint32_t e = 0; e < 40; e++) {
      uint32_t block[4];
      assay_philox((const uint32_t[]){e / 4, 0, 0, 0}, (const uint32_t *)trial.feeds[1] + 2 * n, block);
      const bool keep = (block[e % 4] >> 8) * 0x1p-24 >= (double)0.3f;
      const double x = ((const double *)trial.feeds[0])[40 * n + e];
      ck_assert_double_eq_tol(result[40 * n + e], keep ? x / 0.7 : 0, 1e-7);
      kept += keep;
    }
  ck_assert(kept > 40 && kept < 70);
  stop(&trial);
}
END_TEST

START_TEST(dropout_and_statistics_rest_in_inference) {
  const struct layer_case given = {"dropout", "dropout", "", NULL, 0, 1, {IMAGE}, 0, 2, {0}, {0}};
  struct assay_builder *b;
  assay_value inputs[3];
  struct assay_program_builder *program = in_double();
  const assay_value y = build(program, &given, "value", &b, inputs);
  ck_assert_int_eq(y.id, inputs[0].id);
  assay_program_release(program);
}
END_TEST

/* Means and spreads of the first weights, by each paper's formula. fan_in = 400, fan_out = 300. */
START_TEST(weights_start_as_the_papers_say) {
  static const struct {
    const char *choice;
    double deviation;
    bool normal;
  } expected[] = {{"fan_in_uniform", 1 / (20.0 * 1.7320508075688772), false},
                  {"he_uniform", 0.070710678118654752, false}, /* sqrt(2 / 400) */
                  {"he_normal", 0.070710678118654752, true},
                  {"glorot_uniform", 0.053452248382484878, false}, /* sqrt(2 / 700) */
                  {"glorot_normal", 0.053452248382484878, true},
                  {"lecun_uniform", 0.05, false}, /* sqrt(1 / 400) */
                  {"lecun_normal", 0.05, true}};
  for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
    struct assay_status status;
    struct assay_builder *b;
    assay_value inputs[3];
    struct layer_case given = {"dense", "dense", assay_arena_print(test_arena, "units=300;initialiser=%s", expected[i].choice), NULL, 0, 1, {ROWS(2, 400)}, 1, 2, {0}, {0}};
    struct assay_program_builder *program = assay_program_begin();
    build(program, &given, "value", &b, inputs);
    CHECK_STATUS(assay_function_end(b, &status));
    const struct assay_variable_definition *weight = assay_program_variable(program, 0), *bias = assay_program_variable(program, 1);
    ck_assert_str_eq(weight->base.name, "dense.weight");
    float *numbers = ASSAY_NEW_ARRAY(test_arena, float, 300 * 400);
    CHECK_STATUS(assay_variable_initialise(weight, 5, numbers, &status));
    double sum = 0, squares = 0, largest = 0;
    for (int k = 0; k < 300 * 400; k++) {
      sum += numbers[k];
      squares += (double)numbers[k] * numbers[k];
      largest = fmax(largest, fabs(numbers[k]));
    }
    const double deviation = sqrt(squares / (300 * 400));
    ck_assert_msg(fabs(deviation / expected[i].deviation - 1) < 0.01, "%s: %g", expected[i].choice, deviation);
    ck_assert(fabs(sum / (300 * 400)) < 0.01 * deviation + 1e-3);
    if (!expected[i].normal) ck_assert(largest <= expected[i].deviation * 1.7320508 * 1.000001 && largest > expected[i].deviation * 1.72);
    else ck_assert(largest > expected[i].deviation * 3);
    CHECK_STATUS(assay_variable_initialise(bias, 5, numbers, &status));
    ck_assert(i == 0 ? fabs(numbers[0]) <= 0.05 && numbers[0] != 0 : numbers[0] == 0);
    assay_program_release(program);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("layers");
  TCase *cases = tcase_create("all");
  tcase_add_checked_fixture(cases, components_setup, components_teardown);
  tcase_add_loop_test(cases, values_equal_pytorch, 0, sizeof layer_cases / sizeof *layer_cases);
  tcase_add_loop_test(cases, gradients_equal_differences, 0, sizeof layer_cases / sizeof *layer_cases);
  tcase_add_test(cases, dropout_drops_by_the_samples_key);
  tcase_add_test(cases, dropout_and_statistics_rest_in_inference);
  tcase_add_test(cases, weights_start_as_the_papers_say);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
