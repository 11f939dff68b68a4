/* SPDX-License-Identifier: MIT
 *
 * Whole programs. Each is a program and a script; the script runs against the oracle and against the tested backend with the same numbers, and notes what
 * it sees. The notes are compared.
 */
#include "programs.h"

#include "tensors.h"

#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NOTES = 64, MOST_BUFFERS = 32, MOST_STORES = 2 };

struct note {
  char label[48];
  double bound; /* 0: exact */
  struct assay_host_tensor tensor;
};

/* One side of a comparison. Errors are sticky: after the first, nothing more is done. */
struct side {
  struct assay_session *session;
  const struct assay_backend *backend;
  const struct assay_program *program;
  struct assay_executable *executable;
  struct assay_store *stores[MOST_STORES];
  struct assay_buffer *buffers[MOST_BUFFERS];
  uint32_t buffer_count;
  struct note notes[MOST_NOTES];
  uint32_t note_count;
  struct assay_random random;
  int error;
  struct assay_status status;
};

struct program_test {
  const char *name;
  void (*build)(struct assay_program_builder *program);
  void (*script)(struct side *side);
};

/* ---- What scripts do ---- */

static struct assay_tensor_type vector(int32_t dtype, int64_t length) { return (struct assay_tensor_type){dtype, 1, {length}}; }

static struct assay_buffer *new_buffer(struct side *side, const struct assay_tensor_type *type) {
  if (side->error || side->buffer_count == MOST_BUFFERS) return NULL;
  struct assay_buffer *buffer = NULL;
  side->error = side->backend->buffer_create(assay_session_device(side->session), assay_host_tensor_size(type), &buffer, &side->status);
  if (!side->error) side->buffers[side->buffer_count++] = buffer;
  return buffer;
}

static void write_random(struct side *side, struct assay_buffer *buffer, struct assay_tensor_type type, enum assay_case_fill fill, int64_t bound) {
  const struct assay_case_operand operand = {type, fill, bound};
  struct assay_host_tensor tensor = {.bytes = NULL};
  if (side->error) return;
  if (!assay_host_tensor_fill(&tensor, &operand, &side->random)) side->error = assay_status_memory(&side->status);
  else side->error = side->backend->buffer_write(buffer, 0, tensor.bytes, assay_host_tensor_size(&type), &side->status);
  free(tensor.bytes); /* at once: the backend must have taken what it needs */
}

static struct assay_buffer *random_buffer(struct side *side, struct assay_tensor_type type, enum assay_case_fill fill, int64_t bound) {
  struct assay_buffer *buffer = new_buffer(side, &type);
  write_random(side, buffer, type, fill, bound);
  return buffer;
}

static void run(struct side *side, uint32_t function, int store, struct assay_buffer *const *feeds, struct assay_buffer *const *fetches) {
  if (!side->error) side->error = side->backend->run(side->executable, function, side->stores[store], feeds, fetches, &side->status);
}

static struct note *new_note(struct side *side, const struct assay_tensor_type *type, double bound, const char *label, int number) {
  if (side->error || side->note_count == MOST_NOTES) return NULL;
  struct note *note = &side->notes[side->note_count];
  snprintf(note->label, sizeof note->label, "%s %d", label, number);
  note->bound = bound;
  note->tensor.type = *type;
  note->tensor.bytes = malloc(assay_host_tensor_size(type));
  if (!note->tensor.bytes) {
    side->error = assay_status_memory(&side->status);
    return NULL;
  }
  memset(note->tensor.bytes, 0xff, assay_host_tensor_size(type));
  side->note_count++;
  return note;
}

static void note_buffer(struct side *side, struct assay_buffer *buffer, struct assay_tensor_type type, double bound, const char *label, int number) {
  struct note *note = new_note(side, &type, bound, label, number);
  if (note) side->error = side->backend->buffer_read(buffer, 0, note->tensor.bytes, assay_host_tensor_size(&type), &side->status);
}

static void note_variables(struct side *side, int store, double bound, const char *label) {
  for (uint32_t v = 0; v < side->program->variable_count; v++) {
    struct note *note = new_note(side, &side->program->variables[v]->type, bound, label, (int)v);
    if (note) side->error = side->backend->store_read(side->stores[store], v, note->tensor.bytes, &side->status);
  }
}

static void write_variables(struct side *side, int store, enum assay_case_fill fill) {
  for (uint32_t v = 0; v < side->program->variable_count && !side->error; v++) {
    const struct assay_tensor_type *type = &side->program->variables[v]->type;
    const struct assay_case_operand operand = {*type, type->dtype == ASSAY_BOOL ? ASSAY_FILL_BOOL : fill, 0};
    struct assay_host_tensor tensor = {.bytes = NULL};
    if (!assay_host_tensor_fill(&tensor, &operand, &side->random)) side->error = assay_status_memory(&side->status);
    else side->error = side->backend->store_write(side->stores[store], v, tensor.bytes, &side->status);
    free(tensor.bytes);
  }
}

/* ---- Edges: what functions may look like ---- */

enum { EDGE_LENGTH = 7 };

static assay_value new_variable(struct assay_builder *b, const char *name, struct assay_tensor_type type) {
  return b->host->variable(b, name, &type, ASSAY_INIT_CONSTANT, 0, ASSAY_ROLE_OPTIMIZER);
}

static void build_edges(struct assay_program_builder *program) {
  struct assay_status status;
  const int64_t extents[1] = {EDGE_LENGTH};
  /* 0: two variables change places, an integer counts, a byte and a truth are replaced; reads see what was before. */
  struct assay_builder *b = assay_function_begin(program, "swap");
  if (!b) return;
  const assay_value first = new_variable(b, "first", vector(ASSAY_F32, EDGE_LENGTH)), second = new_variable(b, "second", vector(ASSAY_F32, EDGE_LENGTH));
  const assay_value count = new_variable(b, "count", (struct assay_tensor_type){ASSAY_I32, 0, {0}});
  const assay_value truth = new_variable(b, "truth", vector(ASSAY_BOOL, EDGE_LENGTH)), bytes = new_variable(b, "bytes", vector(ASSAY_U8, EDGE_LENGTH));
  const assay_value x = assay_function_feed(b, ASSAY_U8, 1, extents);
  assay_assign(b, first, second);
  assay_assign(b, second, first);
  assay_assign(b, count, assay_add(b, count, assay_number(b, count, 1)));
  assay_assign(b, truth, assay_not(b, truth));
  assay_assign(b, bytes, x);
  assay_function_fetch(b, first);
  assay_function_fetch(b, count);
  (void)assay_function_end(b, &status);

  /* 1: nothing to compute: a feed handed back, twice, a variable, and a feed that nobody reads. */
  b = assay_function_begin(program, "hand_back");
  if (!b) return;
  const assay_value unread = assay_function_feed(b, ASSAY_F32, 1, extents), fed = assay_function_feed(b, ASSAY_F32, 1, extents);
  (void)unread;
  assay_function_fetch(b, fed);
  assay_function_fetch(b, fed);
  assay_function_fetch(b, assay_builder_variable(b, 1));
  (void)assay_function_end(b, &status);

  /* 2: constants of every dtype that backends must know; one is broadcast. */
  b = assay_function_begin(program, "constants");
  if (!b) return;
  static const struct assay_constant_attributes constants[] = {
      {0.1, ASSAY_F32, 0}, {-7, ASSAY_I32, 0}, {4e9, ASSAY_U32, 0}, {200, ASSAY_U8, 0}, {1, ASSAY_BOOL, 0}};
  for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
    assay_function_fetch(b, b->host->emit(b, ASSAY_OP_CONSTANT, NULL, 0, &constants[i], sizeof constants[i]));
  assay_function_fetch(b, assay_broadcast(b, b->host->emit(b, ASSAY_OP_CONSTANT, NULL, 0, &constants[0], sizeof constants[0]), 1, extents));
  (void)assay_function_end(b, &status);

  /* 3: no feeds and no results, only an assignment. */
  b = assay_function_begin(program, "count");
  if (!b) return;
  const assay_value again = assay_builder_variable(b, 2);
  assay_assign(b, again, assay_add(b, again, assay_number(b, again, 10)));
  (void)assay_function_end(b, &status);
}

static void script_edges(struct side *side) {
  const struct assay_tensor_type f32 = vector(ASSAY_F32, EDGE_LENGTH), u8 = vector(ASSAY_U8, EDGE_LENGTH);
  const struct assay_tensor_type i32 = {ASSAY_I32, 0, {0}}, scalar = {ASSAY_F32, 0, {0}};
  note_variables(side, 0, 0, "at first, variable");
  write_variables(side, 0, ASSAY_FILL_FEW);
  note_variables(side, 0, 0, "written, variable");
  struct assay_buffer *old = new_buffer(side, &f32), *count = new_buffer(side, &i32);
  for (int i = 0; i < 3; i++) {
    run(side, 0, 0, (struct assay_buffer *[]){random_buffer(side, u8, ASSAY_FILL_BITS, 0)}, (struct assay_buffer *[]){old, count});
    if (i == 1) run(side, 3, 0, NULL, NULL);
  }
  note_buffer(side, old, f32, 0, "swapped", 0);
  note_buffer(side, count, i32, 0, "count", 0);
  note_variables(side, 0, 0, "swapped, variable");

  struct assay_buffer *handed[3] = {new_buffer(side, &f32), new_buffer(side, &f32), new_buffer(side, &f32)};
  run(side, 1, 0, (struct assay_buffer *[]){random_buffer(side, f32, ASSAY_FILL_NORMAL, 0), random_buffer(side, f32, ASSAY_FILL_NORMAL, 0)}, handed);
  for (int i = 0; i < 3; i++) note_buffer(side, handed[i], f32, 0, "handed back", i);

  const struct assay_tensor_type types[6] = {scalar, i32, {ASSAY_U32, 0, {0}}, {ASSAY_U8, 0, {0}}, {ASSAY_BOOL, 0, {0}}, f32};
  struct assay_buffer *constants[6];
  for (int i = 0; i < 6; i++) constants[i] = new_buffer(side, &types[i]);
  run(side, 2, 0, NULL, constants);
  for (int i = 0; i < 6; i++) note_buffer(side, constants[i], types[i], 0, "constant", i);
}

/* ---- Stores and runs in flight ---- */

enum { SUM_LENGTH = 33, FLIGHTS = 6 };

/* 0: sum += x; gives the sum before, and twice x. */
static void build_sums(struct assay_program_builder *program) {
  struct assay_status status;
  const int64_t extents[1] = {SUM_LENGTH};
  struct assay_builder *b = assay_function_begin(program, "add");
  if (!b) return;
  const assay_value sum = new_variable(b, "sum", vector(ASSAY_F32, SUM_LENGTH)), x = assay_function_feed(b, ASSAY_F32, 1, extents);
  assay_assign(b, sum, assay_add(b, sum, x));
  assay_function_fetch(b, sum);
  assay_function_fetch(b, assay_add(b, x, x));
  (void)assay_function_end(b, &status);
}

/* Two stores of one executable know nothing of each other, until one is copied onto the other. Whole numbers keep it exact. */
static void script_stores(struct side *side) {
  const struct assay_tensor_type type = vector(ASSAY_F32, SUM_LENGTH);
  struct assay_buffer *before = new_buffer(side, &type), *twice = new_buffer(side, &type);
  write_variables(side, 1, ASSAY_FILL_FEW);
  for (int i = 0; i < 4; i++)
    run(side, 0, i % 2, (struct assay_buffer *[]){random_buffer(side, type, ASSAY_FILL_FEW, 0)}, (struct assay_buffer *[]){before, twice});
  note_variables(side, 0, 0, "store 0, variable");
  note_variables(side, 1, 0, "store 1, variable");
  if (!side->error) side->error = side->backend->store_copy(side->stores[0], side->stores[1], &side->status);
  run(side, 0, 0, (struct assay_buffer *[]){twice}, (struct assay_buffer *[]){before, random_buffer(side, type, ASSAY_FILL_FEW, 0)});
  note_buffer(side, before, type, 0, "copied, sum before", 0);
  note_variables(side, 0, 0, "copied, store 0, variable");
  note_variables(side, 1, 0, "copied, store 1, variable");
}

/* Many runs are submitted before anything is read: the fed buffer is written anew between them, results feed the next run, one result buffer is used again. */
static void script_flights(struct side *side) {
  const struct assay_tensor_type type = vector(ASSAY_F32, SUM_LENGTH);
  struct assay_buffer *feed = random_buffer(side, type, ASSAY_FILL_FEW, 0), *before[FLIGHTS], *twice[FLIGHTS];
  for (int i = 0; i < FLIGHTS; i++) {
    before[i] = new_buffer(side, &type);
    twice[i] = new_buffer(side, &type);
    if (i) write_random(side, feed, type, ASSAY_FILL_FEW, 0);
    run(side, 0, 0, (struct assay_buffer *[]){feed}, (struct assay_buffer *[]){before[i], twice[i]});
  }
  run(side, 0, 0, (struct assay_buffer *[]){twice[0]}, (struct assay_buffer *[]){before[0], twice[1]});
  run(side, 0, 0, (struct assay_buffer *[]){twice[1]}, (struct assay_buffer *[]){before[1], twice[2]});
  if (!side->error) side->error = side->backend->sync(assay_session_device(side->session), &side->status);
  for (int i = 0; i < FLIGHTS; i++) note_buffer(side, before[i], type, 0, "sum before run", i);
  for (int i = 0; i < FLIGHTS; i++) note_buffer(side, twice[i], type, 0, "twice, run", i);
  note_variables(side, 0, 0, "variable");
}

/* ---- A small network in training ---- */

enum { IMAGES = 6, TAIL = 1, CHANNELS = 3, SIDE_LENGTH = 8, FILTERS = 5, CLASSES = 4, STEPS = 5 };
static const double training_bound = 2e-4; /* what differences in the last places may grow to within a few steps */

struct network { /* variables by number */
  assay_value kernel, scale, bias, mean, variance, weights, offset, momentum;
};

static assay_value variable_at(struct assay_builder *b, bool first, uint32_t index, const char *name, struct assay_tensor_type type) {
  return first ? new_variable(b, name, type) : assay_builder_variable(b, index);
}

static struct network network_variables(struct assay_builder *b, bool first) {
  const struct assay_tensor_type kernel = {ASSAY_F32, 4, {FILTERS, CHANNELS, 3, 3}}, weights = {ASSAY_F32, 2, {CLASSES, FILTERS * 16}};
  struct network n;
  n.kernel = variable_at(b, first, 0, "kernel", kernel);
  n.scale = variable_at(b, first, 1, "scale", vector(ASSAY_F32, FILTERS));
  n.bias = variable_at(b, first, 2, "bias", vector(ASSAY_F32, FILTERS));
  n.mean = variable_at(b, first, 3, "mean", vector(ASSAY_F32, FILTERS));
  n.variance = variable_at(b, first, 4, "variance", vector(ASSAY_F32, FILTERS));
  n.weights = variable_at(b, first, 5, "weights", weights);
  n.offset = variable_at(b, first, 6, "offset", vector(ASSAY_F32, CLASSES));
  n.momentum = variable_at(b, first, 7, "momentum", kernel);
  return n;
}

static assay_value convolve(struct assay_builder *b, assay_value x, assay_value kernel) {
  const struct assay_conv2d_attributes same = {.stride = {1, 1}, .dilation = {1, 1}, .pad_low = {1, 1}, .pad_high = {1, 1}, .groups = 1};
  return assay_conv2d(b, x, kernel, &same);
}

static assay_value head(struct assay_builder *b, const struct network *n, assay_value y) {
  const struct assay_pool2d_attributes half = {.kernel = {2, 2}, .stride = {2, 2}};
  const assay_value pooled = assay_max_pool2d(b, assay_relu(b, y), &half);
  const assay_value flat = assay_reshape(b, pooled, 2, (const int64_t[]){-1, FILTERS * 16});
  return assay_add(b, assay_matmul(b, flat, n->weights, 0, 1), n->offset);
}

static void fold_statistic(struct assay_builder *b, assay_value running, assay_value measured) {
  assay_assign(b, running, assay_add(b, assay_mul(b, running, assay_number(b, running, 0.9)), assay_mul(b, measured, assay_number(b, running, 0.1))));
}

/* Half of the numbers are dropped, those of a sample by its key. */
static assay_value drop_half(struct assay_builder *b, assay_value y, assay_value keys) {
  struct assay_random_attributes attributes = {3, 4, {0}};
  memcpy(attributes.extents, assay_type(b, y)->extents, sizeof attributes.extents);
  const assay_value kept = assay_less(b, assay_emit1(b, ASSAY_OP_RANDOM_UNIFORM, keys, &attributes, sizeof attributes), assay_number(b, y, 0.5));
  return assay_mul(b, y, assay_mul(b, assay_cast(b, kept, ASSAY_F32), assay_number(b, y, 2)));
}

static void build_step(struct assay_program_builder *program, const char *name, int64_t images, bool first) {
  struct assay_status status;
  struct assay_builder *b = assay_function_begin(program, name);
  if (!b) return;
  const assay_value x = assay_function_feed(b, ASSAY_F32, 4, (const int64_t[]){images, CHANNELS, SIDE_LENGTH, SIDE_LENGTH});
  const assay_value labels = assay_function_feed(b, ASSAY_I32, 1, &images), rate = assay_function_feed(b, ASSAY_F32, 0, NULL);
  const assay_value keys = assay_function_feed(b, ASSAY_U32, 2, (const int64_t[]){images, 2});
  const struct network n = network_variables(b, first);
  const struct assay_epsilon_attributes epsilon = {1e-5};
  const assay_value normalised =
      b->host->emit(b, ASSAY_OP_BATCH_NORM_TRAINING, (const assay_value[]){convolve(b, x, n.kernel), n.scale, n.bias}, 3, &epsilon, sizeof epsilon);
  fold_statistic(b, n.mean, assay_output(normalised, 1));
  fold_statistic(b, n.variance, assay_output(normalised, 2));
  const assay_value logits = head(b, &n, drop_half(b, normalised, keys));
  const assay_value loss = assay_mean(b, assay_softmax_cross_entropy(b, logits, assay_one_hot(b, labels, CLASSES)), 1, 0);
  const assay_value wrt[5] = {n.kernel, n.scale, n.bias, n.weights, n.offset};
  assay_value gradients[5];
  assay_builder_gradient(b, loss, wrt, 5, gradients);
  const assay_value momentum = assay_add(b, assay_mul(b, n.momentum, assay_number(b, rate, 0.9)), gradients[0]);
  assay_assign(b, n.momentum, momentum);
  assay_assign(b, n.kernel, assay_sub(b, n.kernel, assay_mul(b, momentum, rate)));
  for (int i = 1; i < 5; i++) assay_assign(b, wrt[i], assay_sub(b, wrt[i], assay_mul(b, gradients[i], rate)));
  assay_function_fetch(b, loss);
  (void)assay_function_end(b, &status);
}

static void build_training(struct assay_program_builder *program) {
  struct assay_status status;
  build_step(program, "step", IMAGES, true);
  build_step(program, "step_tail", TAIL + 2, false); /* the last batch of an epoch is smaller */
  struct assay_builder *b = assay_function_begin(program, "evaluate");
  if (!b) return;
  const assay_value x = assay_function_feed(b, ASSAY_F32, 4, (const int64_t[]){IMAGES, CHANNELS, SIDE_LENGTH, SIDE_LENGTH});
  const struct network n = network_variables(b, false);
  const struct assay_epsilon_attributes epsilon = {1e-5};
  const assay_value inputs[5] = {convolve(b, x, n.kernel), n.scale, n.bias, n.mean, assay_abs(b, n.variance)};
  const assay_value logits = head(b, &n, b->host->emit(b, ASSAY_OP_BATCH_NORM_INFERENCE, inputs, 5, &epsilon, sizeof epsilon));
  assay_function_fetch(b, assay_softmax(b, logits));
  (void)assay_function_end(b, &status);
}

static void step(struct side *side, uint32_t function, int64_t images, int store, int number) {
  const struct assay_tensor_type x = {ASSAY_F32, 4, {images, CHANNELS, SIDE_LENGTH, SIDE_LENGTH}}, keys = {ASSAY_U32, 2, {images, 2}};
  const struct assay_tensor_type scalar = {ASSAY_F32, 0, {0}};
  const float rate = 0.05f;
  struct assay_buffer *feeds[4] = {random_buffer(side, x, ASSAY_FILL_NORMAL, 0), random_buffer(side, vector(ASSAY_I32, images), ASSAY_FILL_INDEX, CLASSES),
                                   new_buffer(side, &scalar), random_buffer(side, keys, ASSAY_FILL_BITS, 0)};
  struct assay_buffer *loss = new_buffer(side, &scalar);
  if (!side->error) side->error = side->backend->buffer_write(feeds[2], 0, &rate, sizeof rate, &side->status);
  run(side, function, store, feeds, &loss);
  note_buffer(side, loss, scalar, training_bound, "loss of step", number);
}

static void script_training(struct side *side) {
  const struct assay_tensor_type x = {ASSAY_F32, 4, {IMAGES, CHANNELS, SIDE_LENGTH, SIDE_LENGTH}}, y = {ASSAY_F32, 2, {IMAGES, CLASSES}};
  struct assay_buffer *probabilities = new_buffer(side, &y);
  write_variables(side, 0, ASSAY_FILL_UNIT); /* positive all: no unit that is dead or on the brink */
  for (int i = 0; i < STEPS; i++) step(side, i == 2 ? 1 : 0, i == 2 ? TAIL + 2 : IMAGES, 0, i);
  note_variables(side, 0, training_bound, "trained, variable");
  run(side, 2, 0, (struct assay_buffer *[]){random_buffer(side, x, ASSAY_FILL_NORMAL, 0)}, &probabilities);
  note_buffer(side, probabilities, y, training_bound, "probabilities", 0);
}

/* ---- Running them ---- */

static const struct program_test tests[] = {
    {"program_edges", build_edges, script_edges},
    {"program_stores", build_sums, script_stores},
    {"program_in_flight", build_sums, script_flights},
    {"program_training", build_training, script_training},
};

static void run_side(struct side *side, const struct program_test *test, struct assay_session *session, uint64_t seed) {
  side->session = session;
  side->backend = assay_session_backend(session);
  side->random = assay_random_seed(seed, UINT64_MAX);
  struct assay_program_builder *builder = assay_program_begin();
  side->error = builder ? ASSAY_OK : assay_status_memory(&side->status);
  if (builder) test->build(builder);
  if (!side->error) side->error = assay_program_finish(builder, &side->program, &side->status);
  if (!side->error) side->error = assay_session_compile(session, side->program, &side->executable, &side->status);
  for (int i = 0; i < MOST_STORES && !side->error; i++) side->error = side->backend->store_create(side->executable, &side->stores[i], &side->status);
  if (!side->error) test->script(side);
  for (uint32_t i = 0; i < side->buffer_count; i++) side->backend->buffer_release(side->buffers[i]);
  for (int i = 0; i < MOST_STORES; i++) side->backend->store_release(side->stores[i]);
  assay_program_release(builder);
}

static int compare_notes(const struct program_test *test, const struct side *tested, const struct side *oracle, const struct assay_conformance_options *options,
                         struct assay_conformance_list *list, struct assay_status *status) {
  int error = ASSAY_OK;
  for (uint32_t i = 0; i < oracle->note_count && !error; i++) {
    const struct assay_measure measure = {oracle->notes[i].bound, 1e-3, true};
    struct assay_conformance_result result = {.subject = test->name, .dtype = assay_conformance_dtype(oracle->notes[i].tensor.type.dtype)};
    snprintf(result.part, sizeof result.part, "%s", oracle->notes[i].label);
    assay_host_compare(&tested->notes[i].tensor, &oracle->notes[i].tensor, &measure, &result);
    error = assay_conformance_add(list, options, &result, status);
  }
  return error;
}

static int run_test(const struct program_test *test, struct assay_session *oracle, struct assay_session *tested, const struct assay_conformance_options *options,
                    struct assay_conformance_list *list, struct assay_status *status) {
  struct side *sides = calloc(2, sizeof *sides); /* oracle, tested */
  if (!sides) return assay_status_memory(status);
  if (options->watch != NULL && options->watch->begin != NULL) options->watch->begin(options->watch->context, test->name, "");
  int error = ASSAY_OK;
  bool failed = false;
  for (int i = 0; i < 2 && !error && !failed; i++) {
    run_side(&sides[i], test, i == 0 ? oracle : tested, options->seed);
    failed = sides[i].error != ASSAY_OK;
    if (!failed) continue;
    struct assay_conformance_result result = {.subject = test->name, .dtype = "f32", .verdict = ASSAY_CONFORMANCE_FAILED};
    snprintf(result.part, sizeof result.part, i == 0 ? "oracle" : "run");
    snprintf(result.message, sizeof result.message, "%.*s", (int)sizeof result.message - 1, sides[i].status.message);
    error = assay_conformance_add(list, options, &result, status);
  }
  if (!error && !failed) error = compare_notes(test, &sides[1], &sides[0], options, list, status);
  for (int i = 0; i < 2; i++)
    for (uint32_t k = 0; k < sides[i].note_count; k++) free(sides[i].notes[k].tensor.bytes);
  free(sides);
  return error;
}

const char *assay_conformance_program(uint32_t number) { return number < sizeof tests / sizeof *tests ? tests[number].name : NULL; }

int assay_conformance_run_program(struct assay_session *oracle, struct assay_session *tested, uint32_t number, const struct assay_conformance_options *options,
                                  struct assay_conformance_list *list, struct assay_status *status) {
  return run_test(&tests[number], oracle, tested, options, list, status);
}
