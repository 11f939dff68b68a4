/* SPDX-License-Identifier: MIT
 *
 * What passes do to programs: simplification keeps every bit, keys follow structure, composites mean their decompositions, functions come to life
 * again on other batches, and double precision is the same network.
 */
#include "running.h"

#include "base/arena.h"
#include "base/text.h"
#include "graph/builder.h"

#include <math.h>

static struct assay_program_builder *builder;
static struct assay_builder *b;

static void begin(void) {
  builder = assay_program_begin();
  b = assay_function_begin(builder, "f");
}

static const struct assay_program *finish(void) {
  static struct assay_status status;
  const struct assay_program *program = NULL;
  CHECK_STATUS(assay_program_finish(builder, &program, &status));
  return program;
}

static assay_value feed(int64_t extent) { return assay_function_feed(b, ASSAY_F32, 1, &extent); }

static assay_value constant(double number, int32_t dtype) {
  const struct assay_constant_attributes attributes = {number, dtype, 0};
  return b->host->emit(b, ASSAY_OP_CONSTANT, NULL, 0, &attributes, sizeof attributes);
}

/* ---- Simplification ---- */

/* Fetches `expression` of feed x, and compares the ops that are left, in order. */
#define LEAVES(ops, expression)                                                                                                                                \
  do {                                                                                                                                                         \
    begin();                                                                                                                                                   \
    const assay_value x = feed(4), y = feed(4);                                                                                                                \
    (void)y;                                                                                                                                                   \
    assay_function_fetch(b, (expression));                                                                                                                     \
    (void)x;                                                                                                                                                   \
    check_ops(ops);                                                                                                                                            \
  } while (0)

static void check_ops(const char *expected) {
  const struct assay_graph *graph = finish()->functions[0]->graph;
  struct assay_text text = {0};
  assay_text_add(&text, "");
  for (uint32_t i = 0; i < graph->node_count; i++)
    if (graph->nodes[i]->op != ASSAY_OP_INPUT) assay_text_print(&text, "%s%s", text.length == 0 ? "" : " ", assay_op_info(graph->nodes[i]->op)->name);
  ck_assert_str_eq(text.data, expected);
  assay_text_release(&text);
  assay_program_release(builder);
}

static assay_value reshape_of(assay_value x, int64_t rows, int64_t columns) { return assay_reshape(b, x, 2, (const int64_t[]){rows, columns}); }
static assay_value square_of(assay_value x) { return reshape_of(x, 2, 2); }
static assay_value turned(assay_value x) { return assay_transpose(b, x, (const int32_t[]){1, 0}); }

START_TEST(identities_go) {
  LEAVES("", assay_negate(b, assay_negate(b, x)));
  LEAVES("", assay_mul(b, x, assay_number(b, x, 1)));
  LEAVES("", assay_mul(b, assay_number(b, x, 1), x));
  LEAVES("", assay_div(b, x, assay_number(b, x, 1)));
  LEAVES("", assay_sub(b, x, assay_number(b, x, 0)));
  LEAVES("", assay_add(b, assay_number(b, x, -0.0), x));
  LEAVES("", assay_cast(b, x, ASSAY_F32));
  LEAVES("", assay_cast(b, assay_cast(b, x, ASSAY_F64), ASSAY_F32));
  LEAVES("", assay_stop_gradient(b, x));
  LEAVES("", assay_reshape(b, square_of(x), 1, (const int64_t[]){-1}));
  LEAVES("reshape", turned(turned(square_of(x))));
  LEAVES("", assay_slice(b, x, 0, 0, 4));
  LEAVES("", assay_concat(b, &x, 1, 0));
  LEAVES("", assay_reduce_sum(b, x, 0, 0));
  LEAVES("", assay_select(b, assay_less(b, assay_number(b, x, 1), assay_number(b, x, 2)), x, y));
  LEAVES("subtract", assay_add(b, x, assay_negate(b, y)));
  LEAVES("add", assay_sub(b, x, assay_negate(b, y)));
  LEAVES("relu", assay_relu(b, assay_relu(b, x)));
}
END_TEST

START_TEST(what_would_change_a_bit_stays) {
  LEAVES("constant multiply", assay_mul(b, x, assay_number(b, x, 0)));  /* NaN, infinities and signs */
  LEAVES("constant add", assay_add(b, x, assay_number(b, x, 0)));      /* -0 + 0 = +0 */
  LEAVES("constant subtract", assay_sub(b, x, assay_number(b, x, -0.0)));
  LEAVES("constant subtract", assay_sub(b, assay_number(b, x, 0), x)); /* 0 - 0 = +0, negate(0) = -0 */
  LEAVES("constant divide", assay_div(b, x, assay_number(b, x, 3)));   /* times 1/3 rounds twice */
  LEAVES("cast cast", assay_cast(b, assay_cast(b, x, ASSAY_F16), ASSAY_F32));
  LEAVES("constant exp broadcast", assay_broadcast(b, assay_exp(b, assay_number(b, x, 1)), 1, (const int64_t[]){4})); /* the library's affair */
  LEAVES("subtract", assay_sub(b, x, x));                              /* infinities */
  LEAVES("negate relu", assay_relu(b, assay_negate(b, x)));
}
END_TEST

START_TEST(constants_fold_as_their_dtype_rounds) {
  begin();
  const assay_value tenth = constant(0.1, ASSAY_F32), fifth = constant(0.2, ASSAY_F32);
  assay_function_fetch(b, assay_add(b, tenth, fifth));
  const assay_value half = constant(2049, ASSAY_F16); /* 2048, the even neighbour */
  assay_function_fetch(b, half);
  assay_function_fetch(b, assay_add(b, constant(2000000000, ASSAY_I32), constant(2000000000, ASSAY_I32))); /* wraps: the backend's affair */
  assay_function_fetch(b, assay_cast(b, constant(-3.9, ASSAY_F64), ASSAY_I32));
  const struct assay_function *f = finish()->functions[0];
  const struct assay_constant_attributes *sum = f->graph->nodes[f->graph->producers[f->fetches[0]]]->attributes;
  ck_assert(sum->value == (double)(0.1f + 0.2f));
  const struct assay_constant_attributes *rounded = f->graph->nodes[f->graph->producers[f->fetches[1]]]->attributes;
  ck_assert(rounded->value == 2048);
  ck_assert_uint_eq(f->graph->nodes[f->graph->producers[f->fetches[2]]]->op, ASSAY_OP_ADD);
  const struct assay_constant_attributes *cut = f->graph->nodes[f->graph->producers[f->fetches[3]]]->attributes;
  ck_assert(cut->value == -3);
  assay_program_release(builder);
}
END_TEST

static assay_value noise(assay_value keys, uint32_t stream) {
  const struct assay_random_attributes random = {stream, 2, {0, 3}};
  return assay_emit1(b, ASSAY_OP_RANDOM_UNIFORM, keys, &random, sizeof random);
}

START_TEST(equal_nodes_are_shared) {
  LEAVES("exp add", assay_add(b, assay_exp(b, x), assay_exp(b, x)));
  LEAVES("multiply add", assay_add(b, assay_mul(b, x, y), assay_mul(b, y, x)));
  LEAVES("subtract subtract add", assay_add(b, assay_sub(b, x, y), assay_sub(b, y, x)));
  LEAVES("reshape reshape matmul", assay_matmul(b, square_of(x), reshape_of(x, 2, -1), 0, 0)); /* they will differ on another batch */
  begin();
  const assay_value keys = assay_function_feed(b, ASSAY_U32, 2, (const int64_t[]){4, 2});
  assay_function_fetch(b, assay_add(b, assay_sub(b, noise(keys, 1), noise(keys, 2)), noise(keys, 1)));
  check_ops("random_uniform random_uniform subtract add");
}
END_TEST

START_TEST(broadcasts_are_left_to_elementwise_ops) {
  const int64_t four[] = {4};
  LEAVES("constant add", assay_add(b, x, assay_broadcast(b, assay_number(b, x, 2), 1, four)));
  LEAVES("", assay_mul(b, x, assay_broadcast(b, assay_number(b, x, 1), 1, four)));
  LEAVES("constant broadcast", assay_mul(b, assay_broadcast(b, assay_number(b, x, 3), 1, four), assay_number(b, x, 2)));
  LEAVES("constant broadcast", square_of(assay_broadcast(b, assay_number(b, x, 3), 1, four)));
  LEAVES("exp cos broadcast", assay_cos(b, assay_broadcast(b, assay_exp(b, x), 2, (const int64_t[]){3, 4})));
}
END_TEST

START_TEST(dead_nodes_go_and_assigns_stand_last) {
  begin();
  const assay_value x = feed(4), unused = feed(4);
  (void)assay_exp(b, x);
  const assay_value w = assay_parameter(b, "w", 1, (const int64_t[]){4}, ASSAY_INIT_CONSTANT, 0, ASSAY_ROLE_WEIGHT);
  const assay_value v = assay_parameter(b, "v", 1, (const int64_t[]){4}, ASSAY_INIT_CONSTANT, 0, ASSAY_ROLE_WEIGHT);
  assay_assign(b, w, assay_add(b, w, x));
  assay_function_fetch(b, assay_mul(b, w, v));
  const struct assay_function *f = finish()->functions[0];
  ck_assert_uint_eq(f->feed_count, 2); /* a feed keeps its number though nobody reads it */
  ck_assert_uint_eq(f->graph->nodes[f->graph->producers[f->feeds[1]]]->op, ASSAY_OP_INPUT);
  (void)unused;
  check_ops("variable variable add multiply assign");
}
END_TEST

/* A random node over earlier values, of the kinds that the simplifier rewrites. */
static assay_value random_node(struct assay_random *random, const assay_value *values, uint32_t count) {
  static const double numbers[] = {0, -0.0, 1, -1, 2, 0.5, 1e30};
  const assay_value x = values[assay_random_below(random, count)], y = values[assay_random_below(random, count)];
  const int64_t extents[] = {3, 4};
  switch (assay_random_below(random, 17)) {
  case 0: return assay_add(b, x, y);
  case 1: return assay_sub(b, x, y);
  case 2: return assay_mul(b, x, y);
  case 3: return assay_div(b, x, y);
  case 4:
  case 5: return assay_negate(b, x);
  case 6: return assay_abs(b, x);
  case 7: return assay_relu(b, x);
  case 8: return assay_select(b, assay_less(b, x, y), x, y);
  case 9: return assay_cast(b, assay_cast(b, x, ASSAY_F64), ASSAY_F32);
  case 10: return assay_cast(b, assay_cast(b, x, ASSAY_F16), ASSAY_F32);
  case 11:
  case 12: return assay_number(b, x, numbers[assay_random_below(random, 7)]);
  case 13: return assay_broadcast(b, x, 2, extents);
  case 14: return assay_stop_gradient(b, x);
  case 15: return assay_floor(b, x);
  default: return assay_type(b, x)->rank == 2 ? assay_slice(b, turned(turned(x)), 0, 0, INT64_MAX) : assay_sqrt(b, assay_abs(b, x));
  }
}

/* Runs the function as it was written, past the session and its passes. */
static void run_as_written(const void *const *feeds, float *result, size_t count) {
  struct assay_status status = {0, {0}};
  const struct assay_function *function = assay_builder_function(assay_inside(b));
  const struct assay_program *program = assay_program_assemble(builder, &function, 1);
  struct running running = {.program = program};
  uint32_t refused[2];
  CHECK_STATUS(assay_session_open(reference_plugin(), NULL, NULL, &running.session, &status));
  running.backend = assay_session_backend(running.session);
  CHECK_STATUS(running.backend->compile(assay_session_device(running.session), program, &running.executable, refused, &status));
  CHECK_STATUS(running.backend->store_create(running.executable, &running.store, &status));
  float whole[12];
  call_function(&running, 0, feeds, (void *const[]){whole});
  memcpy(result, whole, count * sizeof *result);
  running.backend->store_release(running.store);
  running.backend->release(running.executable);
  assay_session_close(running.session);
}

/* Random graphs on the numbers that betray a careless identity. */
START_TEST(simplifying_keeps_every_bit) {
  const float special[12] = {0, -0.0f, 1, -1, INFINITY, -INFINITY, NAN, 1e-40f, 3e38f, -3e38f, 0.1f, 65519};
  const float other[4] = {-0.0f, 3, INFINITY, 0};
  struct assay_random random = assay_random_seed(2026, 0);
  uint32_t removed = 0;
  for (int graph = 0; graph < 300; graph++) {
    assay_value values[30];
    begin();
    values[0] = assay_function_feed(b, ASSAY_F32, 2, (const int64_t[]){3, 4});
    values[1] = assay_function_feed(b, ASSAY_F32, 1, (const int64_t[]){4});
    for (uint32_t i = 2; i < 30; i++) values[i] = random_node(&random, values, i);
    const size_t count = (size_t)assay_element_count(assay_type(b, values[29]));
    assay_function_fetch(b, values[29]);
    float written[12], simplified[12];
    run_as_written((const void *const[]){special, other}, written, count);
    struct running running = run_builder(builder);
    removed += assay_inside(b)->node_count - running.program->functions[0]->graph->node_count;
    call_function(&running, 0, (const void *const[]){special, other}, (void *const[]){simplified});
    for (size_t i = 0; i < count; i++)
      ck_assert_msg((isnan(written[i]) && isnan(simplified[i])) || memcmp(&written[i], &simplified[i], sizeof(float)) == 0,
                    "graph %d, element %zu: %a, simplified %a", graph, i, (double)written[i], (double)simplified[i]);
    stop_running(&running);
    assay_program_release(builder);
  }
  ck_assert_uint_gt(removed, 3000);
}
END_TEST

/* ---- A network to try things on ---- */

static const struct assay_conv2d_attributes same_conv = {{1, 1}, {1, 1}, {1, 1}, {1, 1}, 1, {0, 0}, {0, 0}};
static const struct assay_pool2d_attributes half_pool = {{2, 2}, {2, 2}, {0, 0}, {0, 0}, 0, {0, 0}};

/* conv, batch norm, relu, pool, dropout when training, dense, softmax: logits of x [N, 2, 6, 6]. */
static assay_value network(assay_value x, bool training, const char *name) {
  const struct assay_epsilon_attributes epsilon = {1e-3};
  assay_builder_scope(b, name, NULL);
  const assay_value w = assay_parameter(b, "weight", 4, (const int64_t[]){3, 2, 3, 3}, ASSAY_INIT_HE_NORMAL, 0, ASSAY_ROLE_WEIGHT);
  const assay_value scale = assay_parameter(b, "scale", 1, (const int64_t[]){3}, ASSAY_INIT_CONSTANT, 1, ASSAY_ROLE_NORM_SCALE);
  const assay_value bias = assay_parameter(b, "bias", 1, (const int64_t[]){3}, ASSAY_INIT_CONSTANT, 0, ASSAY_ROLE_NORM_BIAS);
  const assay_value mean = assay_state(b, "mean", assay_type(b, bias), 0, ASSAY_ROLE_STATISTIC);
  const assay_value variance = assay_state(b, "variance", assay_type(b, bias), 1, ASSAY_ROLE_STATISTIC);
  assay_value y = assay_conv2d(b, x, w, &same_conv);
  if (training) {
    y = b->host->emit(b, ASSAY_OP_BATCH_NORM_TRAINING, (const assay_value[]){y, scale, bias}, 3, &epsilon, sizeof epsilon);
    assay_assign(b, mean, assay_output(y, 1));
    assay_assign(b, variance, assay_output(y, 2));
  } else {
    y = b->host->emit(b, ASSAY_OP_BATCH_NORM_INFERENCE, (const assay_value[]){y, scale, bias, mean, variance}, 5, &epsilon, sizeof epsilon);
  }
  y = assay_max_pool2d(b, assay_relu(b, y), &half_pool);
  if (training)
    y = assay_select(b, assay_less(b, assay_random_like(b, y), assay_number(b, y, 0.8)), assay_mul(b, y, assay_number(b, y, 1.25)), assay_number(b, y, 0));
  y = assay_reshape(b, y, 2, (const int64_t[]){-1, 27});
  const assay_value dense = assay_parameter(b, "dense", 2, (const int64_t[]){4, 27}, ASSAY_INIT_GLOROT_UNIFORM, 0, ASSAY_ROLE_WEIGHT);
  return assay_matmul(b, y, dense, 0, 1);
}

struct variation {
  const char *function, *name;
  int64_t batch;
  double epsilon_rate;
  uint32_t role;
  bool other_stream, swap_fetches;
};

/* One training step. */
static void build_step(const struct variation *v) {
  builder = assay_program_begin();
  b = assay_function_begin(builder, v->function);
  const assay_value x = assay_function_feed(b, ASSAY_F32, 4, (const int64_t[]){v->batch, 2, 6, 6});
  const assay_value labels = assay_function_feed(b, ASSAY_I32, 1, &v->batch);
  const struct assay_build_context context = {sizeof context, 1, 4, assay_function_feed(b, ASSAY_U32, 2, (const int64_t[]){v->batch, 2}), {-1}};
  assay_function_context(b, &context);
  if (v->other_stream) (void)b->host->stream(b);
  const assay_value logits = network(x, true, v->name);
  const assay_value losses = assay_softmax_cross_entropy(b, logits, assay_one_hot(b, labels, 4)), loss = assay_mean(b, losses, 1, 0);
  const uint32_t trained[] = {0, 1, 2, 5};
  assay_value wrt[4], gradients[4];
  for (int i = 0; i < 4; i++) wrt[i] = assay_builder_variable(b, trained[i]);
  assay_builder_gradient(b, loss, wrt, 4, gradients);
  const assay_value momentum = assay_state(b, "momentum", assay_type(b, wrt[0]), 0, v->role);
  assay_assign(b, momentum, gradients[0]);
  for (int i = 0; i < 4; i++) assay_assign(b, wrt[i], assay_sub(b, wrt[i], assay_mul(b, gradients[i], assay_number(b, loss, v->epsilon_rate))));
  assay_function_fetch(b, v->swap_fetches ? losses : loss);
  assay_function_fetch(b, v->swap_fetches ? loss : losses);
  struct assay_status status = {0, {0}};
  CHECK_STATUS(assay_function_end(b, &status));
}

static const struct variation usual = {"step", "block1", 5, 0.1, ASSAY_ROLE_OPTIMIZER, false, false};

/* ---- Keys ---- */

static void key_of(struct variation v, uint8_t key[16]) {
  build_step(&v);
  memcpy(key, finish()->key, 16);
  assay_program_release(builder);
}

START_TEST(keys_ignore_names_and_see_everything_else) {
  uint8_t first[16], other[16];
  struct variation v = usual;
  key_of(v, first);
  key_of(v, other);
  ck_assert_mem_eq(first, other, 16);
  v.name = "features";
  v.function = "train";
  key_of(v, other);
  ck_assert_mem_eq(first, other, 16);
  v = usual, v.batch = 6, key_of(v, other);
  ck_assert_mem_ne(first, other, 16);
  v = usual, v.epsilon_rate = 0.2, key_of(v, other);
  ck_assert_mem_ne(first, other, 16);
  v = usual, v.role = ASSAY_ROLE_METRIC, key_of(v, other);
  ck_assert_mem_ne(first, other, 16);
  v = usual, v.other_stream = true, key_of(v, other);
  ck_assert_mem_ne(first, other, 16);
  v = usual, v.swap_fetches = true, key_of(v, other);
  ck_assert_mem_ne(first, other, 16);
}
END_TEST

static void key_of_pool(int64_t kernel, int64_t pad, int64_t junk, uint8_t key[16]) {
  begin();
  const struct assay_pool2d_attributes pool = {{kernel, 2}, {2, 2}, {0, pad}, {0, 0}, junk, {junk, junk}};
  assay_function_fetch(b, assay_max_pool2d(b, assay_function_feed(b, ASSAY_F32, 4, (const int64_t[]){1, 1, 8, 8}), &pool));
  memcpy(key, finish()->key, 16);
  assay_program_release(builder);
}

START_TEST(keys_see_attributes_but_not_those_without_meaning) {
  uint8_t first[16], other[16];
  key_of_pool(2, 0, 0, first);
  key_of_pool(2, 0, 77, other); /* count_padding and input_extents mean nothing here */
  ck_assert_mem_eq(first, other, 16);
  key_of_pool(3, 0, 0, other);
  ck_assert_mem_ne(first, other, 16);
  key_of_pool(2, 1, 0, other);
  ck_assert_mem_ne(first, other, 16);
}
END_TEST

/* ---- Decomposition ---- */

static bool takes_primitives(void *context, const struct assay_graph *graph, uint32_t node) {
  (void)context;
  return !(assay_op_info(graph->nodes[node]->op)->flags & ASSAY_OP_COMPOSITE);
}
static bool takes_all(void *context, const struct assay_graph *graph, uint32_t node) { return (void)context, (void)graph, (void)node, true; }
static bool takes_no_pooling(void *context, const struct assay_graph *graph, uint32_t node) {
  return takes_primitives(context, graph, node) && graph->nodes[node]->op != ASSAY_OP_MAX_POOL2D;
}

START_TEST(decomposition_leaves_what_is_taken) {
  struct assay_status status = {0, {0}};
  build_step(&usual);
  const struct assay_program *program = finish(), *whole, *parts;
  struct assay_arena *arena = assay_arena_create();
  CHECK_STATUS(assay_program_decompose(program, takes_all, NULL, arena, &whole, &status));
  ck_assert_mem_eq(whole->key, program->key, 16); /* finishing left nothing to do */
  CHECK_STATUS(assay_program_decompose(program, takes_primitives, NULL, arena, &parts, &status));
  ck_assert_int_eq(assay_program_decompose(program, takes_no_pooling, NULL, arena, &whole, &status), ASSAY_E_UNSUPPORTED);
  ck_assert_str_eq(status.message, "block1: the backend does not support max_pool2d of f32 [5, 3, 3, 3]; use another backend");
  assay_program_release(builder); /* the copy lives by itself */
  for (uint32_t i = 0; i < parts->functions[0]->graph->node_count; i++) ck_assert(takes_primitives(NULL, parts->functions[0]->graph, i));
  ck_assert_str_eq(parts->variables[0]->name, "block1.weight");
  ck_assert_str_eq(parts->functions[0]->name, "step");
  uint8_t key[16];
  assay_program_hash(parts, key);
  ck_assert_mem_eq(parts->key, key, 16);
  ck_assert_str_eq(parts->functions[0]->graph->nodes[parts->functions[0]->graph->node_count - 1]->origin, "block1");
  assay_arena_release(arena);
}
END_TEST

/* Each composite against its formula, written here in plain C. */
static void run_one(const void *const *feeds, void *const *fetches) {
  struct running running = run_builder(builder);
  call_function(&running, 0, feeds, fetches);
  stop_running(&running);
  assay_program_release(builder);
}

START_TEST(composites_mean_their_formulas) {
  const double x[6] = {0.5, -1, 2, 3, 3, -800}, t[6] = {0.2, 0.3, 0.5, 0, 1, 0};
  double soft[6], log_soft[6], ce[2], sce[6];
  begin();
  const int64_t shape[] = {2, 3};
  const assay_value vx = assay_function_feed(b, ASSAY_F64, 2, shape), vt = assay_function_feed(b, ASSAY_F64, 2, shape);
  assay_function_fetch(b, assay_softmax(b, vx));
  assay_function_fetch(b, assay_log_softmax(b, vx));
  assay_function_fetch(b, assay_softmax_cross_entropy(b, vx, vt));
  assay_function_fetch(b, assay_sigmoid_cross_entropy(b, vx, vt));
  run_one((const void *const[]){x, t}, (void *const[]){soft, log_soft, ce, sce});
  for (int row = 0; row < 2; row++) {
    double sum = 0, loss = 0;
    for (int i = 0; i < 3; i++) sum += exp(x[3 * row + i]);
    for (int i = 3 * row; i < 3 * row + 3; i++) {
      ck_assert_double_eq_tol(soft[i], exp(x[i]) / sum, 1e-15);
      ck_assert_double_eq_tol(log_soft[i], x[i] - log(sum), 1e-12);
      loss -= t[i] * (x[i] - log(sum));
      const double one = x[i] < -700 ? 0 : -t[i] * log(1 / (1 + exp(-x[i]))) - (1 - t[i]) * log(1 - 1 / (1 + exp(-x[i])));
      ck_assert_double_eq_tol(sce[i], one, 1e-12);
    }
    ck_assert_double_eq_tol(ce[row], loss, 1e-12);
  }
}
END_TEST

START_TEST(batch_norm_means_its_paper) {
  double x[12], y[12], mean[2], variance[2], again[12];
  struct assay_random random = assay_random_seed(3, 0);
  for (int i = 0; i < 12; i++) x[i] = 100 + assay_random_uniform(&random);
  const double scale[2] = {2, -1}, bias[2] = {0.5, 3};
  const int64_t shape[] = {3, 2, 2}, two[] = {2};
  const struct assay_epsilon_attributes epsilon = {0.01};
  begin();
  const assay_value vx = assay_function_feed(b, ASSAY_F64, 3, shape), vs = assay_function_feed(b, ASSAY_F64, 1, two),
                    vb = assay_function_feed(b, ASSAY_F64, 1, two);
  const assay_value n = b->host->emit(b, ASSAY_OP_BATCH_NORM_TRAINING, (const assay_value[]){vx, vs, vb}, 3, &epsilon, sizeof epsilon);
  for (int32_t i = 0; i < 3; i++) assay_function_fetch(b, assay_output(n, i));
  const assay_value arguments[] = {vx, vs, vb, assay_output(n, 1), assay_output(n, 2)};
  assay_function_fetch(b, b->host->emit(b, ASSAY_OP_BATCH_NORM_INFERENCE, arguments, 5, &epsilon, sizeof epsilon));
  run_one((const void *const[]){x, scale, bias}, (void *const[]){y, mean, variance, again});
  for (int c = 0; c < 2; c++) {
    double m = 0, v = 0;
    for (int i = 0; i < 6; i++) m += x[(i / 2) * 4 + c * 2 + i % 2] / 6;
    for (int i = 0; i < 6; i++) v += (x[(i / 2) * 4 + c * 2 + i % 2] - m) * (x[(i / 2) * 4 + c * 2 + i % 2] - m) / 6;
    ck_assert_double_eq_tol(mean[c], m, 1e-12);
    ck_assert_double_eq_tol(variance[c], v, 1e-12);
    for (int i = 0; i < 6; i++) {
      const int at = (i / 2) * 4 + c * 2 + i % 2;
      ck_assert_double_eq_tol(y[at], (x[at] - m) / sqrt(v + 0.01) * scale[c] + bias[c], 1e-11);
      ck_assert_double_eq_tol(again[at], y[at], 1e-11);
    }
  }
}
END_TEST

/* Two builds of one program run to the same bits, three steps long. */
START_TEST(steps_are_the_same_bits_again) {
  float x[5 * 72], losses[2][5], loss[2], weights[2][54];
  int32_t labels[5] = {0, 1, 2, 3, 1};
  uint32_t keys[10];
  struct assay_random random = assay_random_seed(11, 0);
  for (int i = 0; i < 360; i++) x[i] = (float)assay_random_uniform(&random);
  for (int i = 0; i < 10; i++) keys[i] = assay_random_u32(&random);
  for (int run = 0; run < 2; run++) {
    build_step(&usual);
    struct running running = run_builder(builder);
    struct assay_status status = {0, {0}};
    for (uint32_t v = 0; v < running.program->variable_count; v++) {
      float data[256];
      CHECK_STATUS(assay_variable_initialise(assay_program_variable(builder, v), 42, data, &status));
      CHECK_STATUS(running.backend->store_write(running.store, v, data, &status));
    }
    for (int step = 0; step < 3; step++) call_function(&running, 0, (const void *const[]){x, labels, keys}, (void *const[]){&loss[run], losses[run]});
    CHECK_STATUS(running.backend->store_read(running.store, 0, weights[run], &status));
    stop_running(&running);
    assay_program_release(builder);
  }
  ck_assert_mem_eq(weights[0], weights[1], sizeof weights[0]);
  ck_assert_mem_eq(losses[0], losses[1], sizeof losses[0]);
  ck_assert(isfinite(loss[0]));
}
END_TEST

/* ---- Replay ---- */

START_TEST(a_finished_function_comes_to_life_on_another_batch) {
  struct assay_status status = {0, {0}};
  begin();
  assay_value x = assay_function_feed(b, ASSAY_F32, 4, (const int64_t[]){4, 2, 6, 6});
  assay_function_fetch(b, assay_softmax(b, assay_slice(b, network(x, false, "block1"), 1, 1, INT64_MAX)));
  const struct assay_program *trained = finish();
  struct assay_program_builder *original = builder;

  begin();
  x = assay_function_feed(b, ASSAY_F32, 4, (const int64_t[]){1, 2, 6, 6});
  assay_value variables[8], y;
  for (uint32_t i = 0; i < trained->variable_count; i++) {
    const struct assay_variable_definition *definition = assay_program_variable(original, i);
    variables[i] = b->host->variable(b, trained->variables[i]->name, &trained->variables[i]->type, definition->initialiser, definition->argument,
                                     trained->variables[i]->role);
  }
  assay_builder_replay(b, trained->functions[0], &x, variables, &y);
  assay_function_fetch(b, y);
  ck_assert_int_eq(assay_extent(b, y, 0), 1);
  CHECK_STATUS(assay_function_end(b, &status));

  float images[4 * 72], four[12], one[3], data[256];
  struct assay_random random = assay_random_seed(5, 0);
  for (int i = 0; i < 288; i++) images[i] = (float)assay_random_uniform(&random);
  struct running batch = run_program(trained), single = run_builder(builder);
  for (uint32_t v = 0; v < trained->variable_count; v++) {
    CHECK_STATUS(assay_variable_initialise(assay_program_variable(original, v), 1, data, &status));
    CHECK_STATUS(batch.backend->store_write(batch.store, v, data, &status));
    CHECK_STATUS(single.backend->store_write(single.store, v, data, &status));
  }
  call_function(&batch, 0, (const void *const[]){images}, (void *const[]){four});
  for (int i = 0; i < 4; i++) {
    call_function(&single, 0, (const void *const[]){images + i * 72}, (void *const[]){one});
    ck_assert_mem_eq(one, four + i * 3, sizeof one);
  }
  stop_running(&batch);
  stop_running(&single);
  assay_program_release(builder);
  assay_program_release(original);
}
END_TEST

START_TEST(replay_refuses_what_does_not_fit) {
  static struct assay_status status;
  begin();
  assay_value x = assay_function_feed(b, ASSAY_F32, 2, (const int64_t[]){4, 6});
  assay_function_fetch(b, assay_reshape(b, x, 2, (const int64_t[]){8, 3})); /* fixed to this batch */
  const struct assay_program *fixed = finish();
  struct assay_program_builder *original = builder;
  begin();
  x = assay_function_feed(b, ASSAY_F32, 2, (const int64_t[]){1, 6});
  assay_value y;
  assay_builder_replay(b, fixed->functions[0], &x, NULL, &y);
  ck_assert(!assay_is_valid(y));
  ck_assert_int_eq(assay_function_end(b, &status), ASSAY_E_CONFIG);
  ck_assert_str_eq(status.message, "reshape: f32 [1, 6] has 6 elements and cannot become f32 [8, 3]");
  assay_program_release(builder);
  assay_program_release(original);
}
END_TEST

START_TEST(replay_survives_a_damaged_graph) {
  begin();
  assay_value x = feed(4), y;
  assay_function_fetch(b, assay_exp(b, x));
  const struct assay_function *sound = finish()->functions[0];
  struct assay_program_builder *original = builder;
  for (int damage = 0; damage < 6; damage++) {
    const int32_t far_inputs[] = {damage == 0 ? 99 : -7};
    struct assay_node node = *sound->graph->nodes[1];
    if (damage < 2) node.inputs = far_inputs;
    if (damage == 2) node.op = 12345;
    if (damage == 3) node.output_count = 3;
    if (damage == 4) node.first_output = 17;
    if (damage == 5) node.input_count = 0;
    const struct assay_node *const nodes[] = {sound->graph->nodes[0], &node};
    struct assay_graph graph = *sound->graph;
    graph.nodes = nodes;
    struct assay_function function = *sound;
    function.graph = &graph;
    begin();
    x = feed(4);
    assay_builder_replay(b, &function, &x, NULL, &y);
    ck_assert(!assay_is_valid(y));
    ck_assert_int_eq(assay_function_end(b, NULL), ASSAY_E_CONFIG);
    assay_program_release(builder);
  }
  assay_program_release(original);
}
END_TEST

/* ---- Double precision ---- */

START_TEST(a_network_can_be_checked_in_double) {
  struct assay_status status = {0, {0}};
  builder = assay_program_begin();
  CHECK_STATUS(assay_program_precision(builder, ASSAY_F64, &status));
  for (int with_gradient = 0; with_gradient < 2; with_gradient++) {
    b = assay_function_begin(builder, "f");
    const assay_value x = assay_function_feed(b, ASSAY_F32, 4, (const int64_t[]){3, 2, 6, 6});
    const assay_value labels = assay_function_feed(b, ASSAY_I32, 1, (const int64_t[]){3});
    const struct assay_build_context context = {sizeof context, 1, 4, assay_function_feed(b, ASSAY_U32, 2, (const int64_t[]){3, 2}), {-1}};
    assay_function_context(b, &context);
    const assay_value logits = network(x, true, "block1");
    const assay_value loss = assay_mean(b, assay_softmax_cross_entropy(b, logits, assay_one_hot(b, labels, 4)), 1, 0);
    const assay_value w = assay_builder_variable(b, 0);
    assay_value gradient;
    if (with_gradient) assay_builder_gradient(b, loss, &w, 1, &gradient);
    assay_function_fetch(b, with_gradient ? gradient : loss);
    CHECK_STATUS(assay_function_end(b, &status));
  }
  double x[216], gradient[54], weights[54], above, below;
  const int32_t labels[3] = {0, 3, 1};
  const uint32_t keys[6] = {1, 2, 3, 4, 5, 6};
  struct assay_random random = assay_random_seed(9, 0);
  for (int i = 0; i < 216; i++) x[i] = assay_random_uniform(&random);
  struct running running = run_builder(builder);
  for (uint32_t v = 0; v < running.program->variable_count; v++) {
    double data[256];
    CHECK_STATUS(assay_variable_initialise(assay_program_variable(builder, v), 42, data, &status));
    CHECK_STATUS(running.backend->store_write(running.store, v, data, &status));
    if (v == 0) memcpy(weights, data, sizeof weights);
  }
  const void *const feeds[] = {x, labels, keys};
  call_function(&running, 1, feeds, (void *const[]){gradient});
  for (int i = 0; i < 54; i += 5) {
    const double here = weights[i], step = 1e-6;
    weights[i] = here + step;
    CHECK_STATUS(running.backend->store_write(running.store, 0, weights, &status));
    call_function(&running, 0, feeds, (void *const[]){&above});
    weights[i] = here - step;
    CHECK_STATUS(running.backend->store_write(running.store, 0, weights, &status));
    call_function(&running, 0, feeds, (void *const[]){&below});
    weights[i] = here;
    ck_assert_double_eq_tol(gradient[i], (above - below) / (2 * step), 1e-7);
  }
  stop_running(&running);
  assay_program_release(builder);
}
END_TEST

/* ---- Printing ---- */

START_TEST(graphs_print_as_lines) {
  begin();
  assay_builder_scope(b, "pool", NULL);
  const assay_value x = assay_function_feed(b, ASSAY_F32, 4, (const int64_t[]){8, 16, 28, 28});
  assay_function_fetch(b, assay_max_pool2d(b, x, &half_pool));
  assay_function_fetch(b, assay_cast(b, assay_number(b, x, 0.5), ASSAY_F16));
  const struct assay_program *program = finish();
  struct assay_text text = {0};
  assay_graph_print(program->functions[0]->graph, &text);
  ck_assert_str_eq(text.data, "%0 = input() index=0 : f32 [8, 16, 28, 28]  ; pool\n"
                              "%1 %2 = max_pool2d(%0) kernel=[2, 2] stride=[2, 2] count_padding=0 : f32 [8, 16, 14, 14], i32 [8, 16, 14, 14]  ; pool\n"
                              "%3 = constant() value=0.5 dtype=f16 : f16 []  ; pool\n");
  assay_text_release(&text);
  assay_program_release(builder);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("passes");
  TCase *simplify = tcase_create("simplify");
  tcase_add_test(simplify, identities_go);
  tcase_add_test(simplify, what_would_change_a_bit_stays);
  tcase_add_test(simplify, constants_fold_as_their_dtype_rounds);
  tcase_add_test(simplify, equal_nodes_are_shared);
  tcase_add_test(simplify, broadcasts_are_left_to_elementwise_ops);
  tcase_add_test(simplify, dead_nodes_go_and_assigns_stand_last);
  tcase_add_test(simplify, simplifying_keeps_every_bit);
  suite_add_tcase(suite, simplify);
  TCase *programs = tcase_create("programs");
  tcase_add_test(programs, keys_ignore_names_and_see_everything_else);
  tcase_add_test(programs, keys_see_attributes_but_not_those_without_meaning);
  tcase_add_test(programs, decomposition_leaves_what_is_taken);
  tcase_add_test(programs, composites_mean_their_formulas);
  tcase_add_test(programs, batch_norm_means_its_paper);
  tcase_add_test(programs, steps_are_the_same_bits_again);
  tcase_add_test(programs, a_finished_function_comes_to_life_on_another_batch);
  tcase_add_test(programs, replay_refuses_what_does_not_fit);
  tcase_add_test(programs, replay_survives_a_damaged_graph);
  tcase_add_test(programs, a_network_can_be_checked_in_double);
  tcase_add_test(programs, graphs_print_as_lines);
  suite_add_tcase(suite, programs);
  return assay_run_suite(suite);
}
