/* SPDX-License-Identifier: MIT
 *
 * What the cpu backend does beyond single ops, against the reference backend: fused convolutions, gradients that stay behind max pooling,
 * layouts of variables, work in place; and that a run can be repeated bit for bit.
 */
#include "conformance/backends.h"

#include "graph/graph.h"

#include <assay/random.h>
#include <math.h>
#include <string.h>

enum { MOST_VALUES = 20 };

/* A block as the student's network has it, then a weighted sum: every gradient is fetched. */
struct shape {
  int64_t batch, channels, height, width, out, kernel, pad, pool, stride;
  const char *activation;
};

static const struct shape shapes[] = {
  {3, 3, 12, 14, 16, 3, 1, 2, 2, "relu"}, {2, 16, 9, 11, 32, 3, 1, 2, 2, "relu"}, {2, 32, 8, 9, 20, 5, 2, 3, 2, "tanh"}, {2, 20, 10, 7, 5, 7, 3, 2, 2, "leaky"},
  {3, 4, 9, 9, 8, 3, 0, 3, 3, "sigmoid"}, {2, 17, 8, 8, 33, 1, 0, 2, 2, "none"},  {2, 1, 13, 12, 4, 3, 1, 4, 2, "silu"}, {1, 64, 7, 15, 48, 7, 3, 2, 2, "relu"},
  {2, 8, 6, 6, 16, 3, 1, 2, 1, "relu"},   {2, 5, 10, 10, 6, 9, 4, 2, 2, "leaky"},
};

static assay_value activate(struct assay_builder *b, const char *name, assay_value x) {
  if (strcmp(name, "relu") == 0) return assay_relu(b, x);
  if (strcmp(name, "tanh") == 0) return assay_tanh(b, x);
  if (strcmp(name, "sigmoid") == 0) return assay_sigmoid(b, x);
  if (strcmp(name, "silu") == 0) return assay_mul(b, x, assay_sigmoid(b, x));
  if (strcmp(name, "leaky") == 0) return assay_select(b, assay_less(b, x, assay_number(b, x, 0)), assay_mul(b, x, assay_number(b, x, 0.01)), x);
  return x;
}

static const struct assay_program *build_block(struct assay_program_builder *program, const struct shape *s) {
  struct assay_builder *b = assay_function_begin(program, "block");
  const int64_t images[4] = {s->batch, s->channels, s->height, s->width}, weights[4] = {s->out, s->channels, s->kernel, s->kernel},
                beside[4] = {1, s->out, 1, 1};
  const struct assay_conv2d_attributes convolution = {
    .stride = {1, 1}, .dilation = {1, 1}, .pad_low = {s->pad, s->pad}, .pad_high = {s->pad, s->pad}, .groups = 1};
  const struct assay_pool2d_attributes pooling = {.kernel = {s->pool, s->pool}, .stride = {s->stride, s->stride}};
  const assay_value x = assay_function_feed(b, ASSAY_F32, 4, images);
  const assay_value w = assay_parameter(b, "w", 4, weights, ASSAY_INIT_HE_UNIFORM, 1, ASSAY_ROLE_WEIGHT);
  const assay_value bias = assay_parameter(b, "bias", 1, &s->out, ASSAY_INIT_UNIFORM, 0.5, ASSAY_ROLE_BIAS);
  const assay_value z = assay_add(b, assay_conv2d(b, x, w, &convolution), assay_reshape(b, bias, 4, beside));
  const assay_value y = assay_max_pool2d(b, activate(b, s->activation, z), &pooling);
  const struct assay_tensor_type *type = assay_type(b, y);
  const assay_value scale = assay_parameter(b, "scale", 4, type->extents, ASSAY_INIT_UNIFORM, 1, ASSAY_ROLE_WEIGHT);
  const assay_value loss = assay_reduce_sum(b, assay_mul(b, y, scale), 15, 0), wrt[4] = {x, w, bias, scale};
  assay_value gradients[4];
  assay_builder_gradient(b, loss, wrt, 4, gradients);
  assay_function_fetch(b, loss);
  for (int i = 0; i < 4; i++) assay_function_fetch(b, gradients[i]);
  assay_assign(b, w, assay_sub(b, w, assay_mul(b, gradients[1], assay_number(b, w, 0.01)))); /* in place, in the convolution's layout */
  struct assay_status status = {0, {0}};
  const struct assay_program *finished = NULL;
  ck_assert_msg(assay_function_end(b, &status) == 0, "%s", status.message);
  ck_assert_msg(assay_program_finish(program, &finished, &status) == 0, "%s", status.message);
  return finished;
}

/* ---- Running a program of one function on random feeds ---- */

struct results {
  float *fetches[MOST_VALUES], *variables[MOST_VALUES];
  int64_t fetch_counts[MOST_VALUES], variable_counts[MOST_VALUES];
  uint32_t fetch_count, variable_count;
};

static void release(struct results *results) {
  for (uint32_t i = 0; i < results->fetch_count; i++) free(results->fetches[i]);
  for (uint32_t i = 0; i < results->variable_count; i++) free(results->variables[i]);
}

#define TRY(call) ck_assert_msg((call) == 0, "%s", status.message)

/* `images`: 0 as is faster, 1 channels last, 2 in blocks. */
static struct results run_with(struct assay_registry *registry, const char *name, const char *threads, int images, const struct assay_program_builder *builder,
                               const struct assay_program *program, int runs) {
  struct assay_status status = {0, {0}};
  const struct assay_plugin *plugin;
  const struct assay_option_value value = {.struct_size = sizeof value, .integer = atoi(threads), .real = atof(threads), .text = threads};
  const struct assay_option_value lie = {.struct_size = sizeof lie, .integer = images, .text = (const char *[]){"auto", "last", "blocks"}[images]};
  const struct assay_option_value *const values[] = {&value, &lie, NULL};
  struct assay_session *session;
  struct assay_executable *executable;
  struct assay_store *store;
  TRY(assay_registry_find(registry, ASSAY_BACKEND, name, &plugin, &status));
  TRY(assay_session_open(plugin, strcmp(name, "cpu") == 0 ? values : NULL, NULL, &session, &status));
  const struct assay_backend *backend = assay_session_backend(session);
  const struct assay_function *function = program->functions[0];
  TRY(assay_session_compile(session, program, &executable, &status));
  TRY(backend->store_create(executable, &store, &status));
  struct results results = {.fetch_count = function->fetch_count, .variable_count = program->variable_count};
  for (uint32_t v = 0; v < program->variable_count; v++) {
    results.variable_counts[v] = assay_element_count(&program->variables[v]->type);
    results.variables[v] = calloc((size_t)results.variable_counts[v], sizeof(float));
    TRY(assay_variable_initialise(assay_program_variable(builder, v), 7, results.variables[v], &status));
    TRY(backend->store_write(store, v, results.variables[v], &status));
  }
  struct assay_buffer *feeds[MOST_VALUES] = {NULL}, *fetches[MOST_VALUES] = {NULL};
  struct assay_random random = assay_random_seed(5, 0);
  for (uint32_t f = 0; f < function->feed_count; f++) {
    const int64_t count = assay_element_count(function->graph->types[function->feeds[f]]);
    float *data = calloc((size_t)count, sizeof *data);
    for (int64_t i = 0; i < count; i++) data[i] = (float)(2 * assay_random_uniform(&random) - 1);
    TRY(backend->buffer_create(assay_session_device(session), (uint64_t)count * sizeof *data, &feeds[f], &status));
    TRY(backend->buffer_write(feeds[f], 0, data, (uint64_t)count * sizeof *data, &status));
    free(data);
  }
  for (uint32_t f = 0; f < function->fetch_count; f++) {
    results.fetch_counts[f] = assay_element_count(function->graph->types[function->fetches[f]]);
    results.fetches[f] = calloc((size_t)results.fetch_counts[f], sizeof(float));
    TRY(backend->buffer_create(assay_session_device(session), (uint64_t)results.fetch_counts[f] * sizeof(float), &fetches[f], &status));
  }
  for (int i = 0; i < runs; i++) TRY(backend->run(executable, 0, store, feeds, fetches, &status));
  for (uint32_t f = 0; f < function->fetch_count; f++) {
    TRY(backend->buffer_read(fetches[f], 0, results.fetches[f], (uint64_t)results.fetch_counts[f] * sizeof(float), &status));
    backend->buffer_release(fetches[f]);
  }
  for (uint32_t v = 0; v < program->variable_count; v++) TRY(backend->store_read(store, v, results.variables[v], &status));
  for (uint32_t f = 0; f < function->feed_count; f++) backend->buffer_release(feeds[f]);
  backend->store_release(store);
  assay_session_close(session);
  return results;
}

static struct results run_program(struct assay_registry *registry, const char *name, const char *threads, const struct assay_program_builder *builder,
                                  const struct assay_program *program, int runs) {
  return run_with(registry, name, threads, 0, builder, program, runs);
}

static void check_close(const char *what, const float *a, const float *b, int64_t count) {
  double largest = 1e-3;
  for (int64_t i = 0; i < count; i++) largest = fmax(largest, fabs((double)b[i]));
  for (int64_t i = 0; i < count; i++)
    ck_assert_msg(fabs((double)a[i] - b[i]) <= 2e-5 * largest, "%s, element %lld of %lld: %.8g, reference %.8g", what, (long long)i, (long long)count, a[i],
                  b[i]);
}

START_TEST(blocks_agree_with_reference) {
  const struct shape *s = &shapes[_i];
  struct assay_registry *registry = open_registry();
  struct assay_program_builder *builder = assay_program_begin();
  const struct assay_program *program = build_block(builder, s);
  struct results expected = run_program(registry, "reference", "", builder, program, 2);
  for (int threads = 1; threads <= 3; threads++) {
    struct results results = run_program(registry, "cpu", (const char *[]){"1", "2", "3"}[threads - 1], builder, program, 2);
    for (uint32_t f = 0; f < results.fetch_count; f++) {
      char what[64];
      snprintf(what, sizeof what, "shape %d, %d threads, fetch %u", _i, threads, f);
      check_close(what, results.fetches[f], expected.fetches[f], results.fetch_counts[f]);
    }
    for (uint32_t v = 0; v < results.variable_count; v++) check_close("variable", results.variables[v], expected.variables[v], results.variable_counts[v]);
    release(&results);
  }
  release(&expected);
  assay_program_release(builder);
  assay_registry_release(registry);
}
END_TEST

/* As mobilenet_v2 and resnet have it in inference: convolution, batch normalisation, ReLU cut at 6; depthwise; 1 x 1 and the sum with what came in. With
 * `watched`, values in between are fetched, so that they may not vanish. */
static const struct assay_program *build_residual(struct assay_program_builder *program, int64_t channels, int watched) {
  struct assay_builder *b = assay_function_begin(program, "residual");
  const struct assay_epsilon_attributes epsilon = {1e-3};
  assay_value x = assay_function_feed(b, ASSAY_F32, 4, (const int64_t[]){2, channels, 9, 7}), input = x;
  for (int part = 0; part < 3; part++) {
    const int64_t groups = part == 1 ? channels : 1, kernel = part == 2 ? 1 : 3, pad = kernel / 2;
    const struct assay_conv2d_attributes convolution = {.stride = {1, 1}, .dilation = {1, 1}, .pad_low = {pad, pad}, .pad_high = {pad, pad}, .groups = groups};
    char name[5][16];
    for (int i = 0; i < 5; i++) snprintf(name[i], sizeof name[i], "%d.%d", part, i);
    const assay_value w = assay_parameter(b, name[0], 4, (const int64_t[]){channels, channels / groups, kernel, kernel}, ASSAY_INIT_HE_UNIFORM, 0, ASSAY_ROLE_WEIGHT);
    const assay_value y = assay_conv2d(b, x, w, &convolution);
    const assay_value all[5] = {y, assay_parameter(b, name[1], 1, &channels, ASSAY_INIT_UNIFORM, 2, ASSAY_ROLE_NORM_SCALE),
                                assay_parameter(b, name[2], 1, &channels, ASSAY_INIT_UNIFORM, 3, ASSAY_ROLE_NORM_BIAS),
                                assay_parameter(b, name[3], 1, &channels, ASSAY_INIT_UNIFORM, 1, ASSAY_ROLE_WEIGHT),
                                assay_parameter(b, name[4], 1, &channels, ASSAY_INIT_CONSTANT, 0.7, ASSAY_ROLE_WEIGHT)};
    x = b->host->emit(b, ASSAY_OP_BATCH_NORM_INFERENCE, all, 5, &epsilon, sizeof epsilon);
    if (watched) assay_function_fetch(b, part == 1 ? y : x);
    if (part == 2) x = assay_add(b, x, input);
    x = assay_relu(b, x);
    if (part == 0) x = assay_min(b, x, assay_number(b, x, 6));
  }
  assay_function_fetch(b, x);
  struct assay_status status = {0, {0}};
  const struct assay_program *finished = NULL;
  TRY(assay_function_end(b, &status));
  TRY(assay_program_finish(program, &finished, &status));
  return finished;
}

START_TEST(what_follows_convolutions_agrees_with_reference) {
  const int64_t channels = (const int64_t[]){16, 32, 20, 3}[_i / 2];
  struct assay_registry *registry = open_registry();
  struct assay_program_builder *builder = assay_program_begin();
  const struct assay_program *program = build_residual(builder, channels, _i % 2);
  struct results expected = run_program(registry, "reference", "", builder, program, 1), results = run_program(registry, "cpu", "2", builder, program, 2);
  for (uint32_t f = 0; f < results.fetch_count; f++) check_close("residual", results.fetches[f], expected.fetches[f], results.fetch_counts[f]);
  release(&results);
  release(&expected);
  assay_program_release(builder);
  assay_registry_release(registry);
}
END_TEST

/* A training step of a small residual network: a stem with a pooling that overlaps, a block with a shortcut of its own, one without, and a depthwise one, each with batch
 * normalisation; the mean of each channel, a weighted sum. Fetches the gradients of images and parameters, and updates a weight. */
struct residual {
  int64_t channels, height, width, batch, out;
};
static const struct residual residuals[] = {{16, 21, 17, 2, 32}, {32, 16, 16, 3, 64}, {24, 13, 12, 2, 48}, {16, 8, 9, 5, 40}, {48, 24, 24, 1, 16}};

struct stack {
  struct assay_builder *b;
  assay_value parameters[MOST_VALUES];
  int count;
};

static assay_value stacked(struct stack *stack, int rank, const int64_t *extents, uint32_t initialiser, double argument) {
  char name[16];
  snprintf(name, sizeof name, "p%02d", stack->count);
  return stack->parameters[stack->count++] = assay_parameter(stack->b, name, rank, extents, initialiser, argument, ASSAY_ROLE_WEIGHT);
}

static assay_value normal_convolution(struct stack *stack, assay_value x, int64_t out, int64_t kernel, int64_t stride, int64_t groups) {
  struct assay_builder *b = stack->b;
  const int64_t pad = kernel / 2, extents[4] = {out, assay_extent(b, x, 1) / groups, kernel, kernel};
  const struct assay_conv2d_attributes convolution = {
    .stride = {stride, stride}, .dilation = {1, 1}, .pad_low = {pad, pad}, .pad_high = {pad, pad}, .groups = groups};
  const struct assay_epsilon_attributes epsilon = {1e-3};
  const assay_value y = assay_conv2d(b, x, stacked(stack, 4, extents, ASSAY_INIT_HE_NORMAL, 0), &convolution);
  const assay_value all[3] = {y, stacked(stack, 1, &out, ASSAY_INIT_UNIFORM, 2), stacked(stack, 1, &out, ASSAY_INIT_UNIFORM, 1)};
  return b->host->emit(b, ASSAY_OP_BATCH_NORM_TRAINING, all, 3, &epsilon, sizeof epsilon);
}

static const struct assay_program *build_stack(struct assay_program_builder *program, const struct residual *r) {
  struct stack stack = {.b = assay_function_begin(program, "stack")};
  struct assay_builder *b = stack.b;
  const struct assay_pool2d_attributes pooling = {.kernel = {3, 3}, .stride = {2, 2}, .pad_low = {1, 1}, .pad_high = {1, 1}};
  const assay_value images = assay_function_feed(b, ASSAY_F32, 4, (const int64_t[]){r->batch, 3, r->height, r->width});
  assay_value x = assay_max_pool2d(b, assay_relu(b, normal_convolution(&stack, images, r->channels, 3, 1, 1)), &pooling);
  x = assay_relu(b, assay_add(b, normal_convolution(&stack, x, r->out, 3, 2, 1), normal_convolution(&stack, x, r->out, 1, 2, 1)));
  x = assay_relu(b, assay_add(b, x, normal_convolution(&stack, x, r->out, 3, 1, 1)));
  x = assay_relu(b, normal_convolution(&stack, x, r->out, 3, 1, r->out));
  x = assay_mean(b, x, 12, 0);
  const assay_value scale = assay_function_feed(b, ASSAY_F32, 2, assay_type(b, x)->extents), loss = assay_reduce_sum(b, assay_mul(b, x, scale), 3, 0);
  assay_value gradients[MOST_VALUES];
  stack.parameters[stack.count] = images;
  assay_builder_gradient(b, loss, stack.parameters, (uint32_t)stack.count + 1, gradients);
  assay_function_fetch(b, loss);
  for (int i = 0; i < stack.count; i += 3) assay_function_fetch(b, gradients[i]), assay_function_fetch(b, gradients[i + 1]), assay_function_fetch(b, gradients[i + 2]);
  assay_assign(b, stack.parameters[3], assay_sub(b, stack.parameters[3], assay_mul(b, gradients[3], assay_number(b, gradients[3], 1e-3))));
  struct assay_status status = {0, {0}};
  const struct assay_program *finished = NULL;
  TRY(assay_function_end(b, &status));
  TRY(assay_program_finish(program, &finished, &status));
  return finished;
}

START_TEST(blocked_images_agree_with_reference) {
  struct assay_registry *registry = open_registry();
  struct assay_program_builder *builder = assay_program_begin();
  const struct assay_program *program = build_stack(builder, &residuals[_i]);
  struct results expected = run_program(registry, "reference", "", builder, program, 2);
  for (int images = 0; images < 3; images++) {
    struct results results = run_with(registry, "cpu", images == 2 ? "2" : "1", images, builder, program, 2);
    for (uint32_t f = 0; f < results.fetch_count; f++) {
      char what[64];
      snprintf(what, sizeof what, "network %d, images %d, fetch %u", _i, images, f);
      check_close(what, results.fetches[f], expected.fetches[f], results.fetch_counts[f]);
    }
    release(&results);
  }
  release(&expected);
  assay_program_release(builder);
  assay_registry_release(registry);
}
END_TEST

/* Coloured pictures, sampled to their last pixel; sums of the channels, which lie last; and a result that is read on, fetched twice, as it is and as a view. */
START_TEST(pictures_agree_with_reference) {
  struct assay_registry *registry = open_registry();
  for (uint32_t border = ASSAY_BORDER_ZERO; border <= ASSAY_BORDER_REFLECT; border++)
    for (int64_t channels = 1; channels <= 4; channels++) {
      struct assay_program_builder *builder = assay_program_begin();
      struct assay_builder *b = assay_function_begin(builder, "pictures");
      const int64_t images[4] = {2, channels, 29, 70}, maps[2] = {2, 9}, list = 2 * channels * 29 * 70;
      const assay_value around_zero = assay_function_feed(b, ASSAY_F32, 4, images), noise = assay_function_feed(b, ASSAY_F32, 2, maps);
      const assay_value x = assay_add(b, around_zero, assay_number(b, around_zero, 3)); /* contrast that rounded places do not turn into much */
      const assay_value place = assay_numbers_up_to(b, 9, ASSAY_F32), fourth = assay_mul(b, place, assay_number(b, place, 0.25));
      const assay_value same = assay_cast(b, assay_equal(b, fourth, assay_floor(b, fourth)), ASSAY_F32); /* 1 0 0, 0 1 0, 0 0 1 */
      const assay_value seen = assay_warp(b, x, assay_add(b, same, assay_mul(b, noise, assay_number(b, noise, 0.004))), border);
      assay_function_fetch(b, seen);
      assay_function_fetch(b, assay_reduce_sum(b, seen, 1u << 2 | 1u << 3, 0));
      assay_function_fetch(b, assay_mul(b, seen, x));
      assay_function_fetch(b, seen);
      assay_function_fetch(b, assay_reshape(b, seen, 1, &list));
      struct assay_status status = {0, {0}};
      const struct assay_program *program;
      TRY(assay_function_end(b, &status));
      TRY(assay_program_finish(builder, &program, &status));
      struct results expected = run_program(registry, "reference", "1", builder, program, 1), got = run_program(registry, "cpu", "2", builder, program, 2);
      for (uint32_t f = 0; f < expected.fetch_count; f++) check_close("picture", got.fetches[f], expected.fetches[f], expected.fetch_counts[f]);
      release(&expected);
      release(&got);
      assay_program_release(builder);
    }
  assay_registry_release(registry);
}
END_TEST

START_TEST(runs_repeat_bit_for_bit) {
  struct assay_registry *registry = open_registry();
  struct assay_program_builder *builder = assay_program_begin();
  const struct assay_program *program = build_block(builder, &shapes[1]);
  for (int threads = 1; threads <= 2; threads++) {
    struct results first = run_program(registry, "cpu", threads == 1 ? "1" : "2", builder, program, 3);
    struct results second = run_program(registry, "cpu", threads == 1 ? "1" : "2", builder, program, 3);
    for (uint32_t f = 0; f < first.fetch_count; f++) ck_assert(memcmp(first.fetches[f], second.fetches[f], (size_t)first.fetch_counts[f] * sizeof(float)) == 0);
    for (uint32_t v = 0; v < first.variable_count; v++)
      ck_assert(memcmp(first.variables[v], second.variables[v], (size_t)first.variable_counts[v] * sizeof(float)) == 0);
    release(&first);
    release(&second);
  }
  assay_program_release(builder);
  assay_registry_release(registry);
}
END_TEST

/* a, b, c = b, a, a + b: every read sees the value from before the call, although all could be written in place. */
START_TEST(assignments_read_old_values) {
  struct assay_registry *registry = open_registry();
  struct assay_program_builder *builder = assay_program_begin();
  struct assay_builder *b = assay_function_begin(builder, "swap");
  const int64_t count = 1000;
  assay_value variables[3];
  for (int i = 0; i < 3; i++) variables[i] = assay_parameter(b, (const char *[]){"a", "b", "c"}[i], 1, &count, ASSAY_INIT_UNIFORM, 1, ASSAY_ROLE_WEIGHT);
  assay_assign(b, variables[0], variables[1]);
  assay_assign(b, variables[1], variables[0]);
  assay_assign(b, variables[2], assay_add(b, variables[0], variables[1]));
  assay_function_fetch(b, variables[0]);
  struct assay_status status = {0, {0}};
  const struct assay_program *program;
  TRY(assay_function_end(b, &status));
  TRY(assay_program_finish(builder, &program, &status));
  float first[3][1000];
  for (uint32_t v = 0; v < 3; v++) TRY(assay_variable_initialise(assay_program_variable(builder, v), 7, first[v], &status));
  struct results results = run_program(registry, "cpu", "1", builder, program, 1);
  ck_assert(memcmp(results.variables[0], first[1], sizeof first[1]) == 0);
  ck_assert(memcmp(results.variables[1], first[0], sizeof first[0]) == 0);
  ck_assert(memcmp(results.fetches[0], first[0], sizeof first[0]) == 0);
  for (int i = 0; i < count; i++) ck_assert_float_eq(results.variables[2][i], first[0][i] + first[1][i]);
  release(&results);
  assay_program_release(builder);
  assay_registry_release(registry);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cpu");
  TCase *cases = tcase_create("cpu");
  tcase_set_timeout(cases, 60);
  tcase_add_loop_test(cases, blocks_agree_with_reference, 0, sizeof shapes / sizeof *shapes);
  tcase_add_loop_test(cases, what_follows_convolutions_agrees_with_reference, 0, 8);
  tcase_add_loop_test(cases, blocked_images_agree_with_reference, 0, sizeof residuals / sizeof *residuals);
  tcase_add_test(cases, pictures_agree_with_reference);
  tcase_add_test(cases, runs_repeat_bit_for_bit);
  tcase_add_test(cases, assignments_read_old_values);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
