/* SPDX-License-Identifier: MIT
 *
 * Building programs from settings: the forward pass, which all functions share, the training step and the evaluation.
 */
#include "train/network.h"

#include "base/arena.h"
#include "base/options.h"
#include "base/status.h"
#include "base/text.h"

#include <assay/layer.h>
#include <assay/optimizer.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The batch at which inference graphs are written: not 1, which would let a graph pass as free of its batch size because things broadcast. */
#define INFERENCE_BATCH 2

/* A slash keeps the core's variables apart from layers', whose names have none. */
static const char *const sum_names[ASSAY_SUM_COUNT] = {"epoch/loss", "epoch/weight", "epoch/correct", "epoch/nonfinite"};

/* A function being built. */
struct build {
  struct assay_builder *b;
  const struct assay_settings *settings;
  const struct assay_network_facts *facts;
  struct assay_arena *arena;     /* for option values */
  assay_value options;           /* the feed; invalid: runtime options become constants */
  uint32_t option_count;         /* so far; 0 is the count of updates */
  int32_t rate_option, momentum_option;
  uint32_t batch;
  bool training;
  assay_value logits, labels;    /* labels of the batch */
  assay_value losses;            /* [batch] */
};

static bool is_trained(uint32_t role) {
  return role == ASSAY_ROLE_WEIGHT || role == ASSAY_ROLE_BIAS || role == ASSAY_ROLE_NORM_SCALE || role == ASSAY_ROLE_NORM_BIAS;
}

static assay_value scalar(struct assay_builder *b, assay_value x) { return assay_reshape(b, x, 0, NULL); }

static assay_value constant(struct assay_builder *b, double value) {
  const struct assay_constant_attributes attributes = {value, ASSAY_F32, 0};
  return b->host->emit(b, ASSAY_OP_CONSTANT, NULL, 0, &attributes, sizeof attributes);
}

/* The graph value of the next runtime option. */
static assay_value runtime_option(struct build *build, double value) {
  const uint32_t index = build->option_count++;
  if (!assay_is_valid(build->options)) return constant(build->b, value);
  return scalar(build->b, assay_slice(build->b, build->options, 0, index, (int64_t)index + 1));
}

/* "kernel = 7, stride = 2": what errors show of the options in force. */
static void tell_options(struct build *build, const struct assay_component *component) {
  struct assay_text text = {0};
  for (uint32_t i = 0; i < assay_option_count(component->plugin->options); i++)
    assay_text_print(&text, "%s%s = %s", i > 0 ? ", " : "", component->plugin->options[i]->name, component->values[i]->text != NULL ? component->values[i]->text : "");
  assay_builder_options(build->b, text.failed || text.data == NULL ? "" : text.data);
  assay_text_release(&text);
}

/* Starts the scope of a component; its option values with runtime ones bound to the graph. NULL when memory is short. */
static const struct assay_option_value *const *enter(struct build *build, const struct assay_component *component) {
  assay_builder_scope(build->b, component->name, component->where);
  tell_options(build, component);
  const uint32_t count = assay_option_count(component->plugin->options);
  const struct assay_option_value **bound = ASSAY_NEW_ARRAY(build->arena, const struct assay_option_value *, count + 1);
  if (bound == NULL) return NULL;
  for (uint32_t i = 0; i < count; i++) {
    bound[i] = component->values[i];
    if (!(component->plugin->options[i]->flags & ASSAY_OPTION_RUNTIME)) continue;
    struct assay_option_value *value = ASSAY_NEW(build->arena, struct assay_option_value);
    if (value == NULL) return NULL;
    *value = *component->values[i];
    const char *name = component->plugin->options[i]->name;
    const bool of_optimizer = component->plugin->kind == ASSAY_OPTIMIZER;
    if (of_optimizer && strcmp(name, "learning_rate") == 0) build->rate_option = (int32_t)build->option_count;
    if (of_optimizer && (strcmp(name, "momentum") == 0 || strcmp(name, "beta1") == 0)) build->momentum_option = (int32_t)build->option_count;
    value->runtime = runtime_option(build, value->real);
    bound[i] = value;
  }
  return bound;
}

static void fail(struct build *build, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fail(struct build *build, const char *format, ...) {
  char message[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  build->b->host->fail(build->b, message);
}

/* u8 [B, H, W, C] to normalised f32 [B, C, H, W]. */
static assay_value normalised(struct build *build, assay_value pixels) {
  struct assay_builder *b = build->b;
  const int64_t channels = build->facts->channels, beside[3] = {channels, 1, 1};
  const struct assay_tensor_type statistic = {ASSAY_F32, 1, {channels}};
  assay_builder_scope(b, NULL, NULL);
  const assay_value mean = assay_state(b, "pixels/mean", &statistic, 0, ASSAY_ROLE_STATISTIC);
  const assay_value scale = assay_state(b, "pixels/scale", &statistic, 1, ASSAY_ROLE_STATISTIC);
  const assay_value planes = assay_transpose(b, assay_cast(b, pixels, ASSAY_F32), (const int32_t[]){0, 3, 1, 2});
  return assay_mul(b, assay_sub(b, planes, assay_reshape(b, mean, 3, beside)), assay_reshape(b, scale, 3, beside));
}

static assay_value layer(struct build *build, uint32_t number, assay_value images, const assay_value *outputs) {
  const struct assay_layer_setting *setting = &build->settings->layers[number];
  const struct assay_layer *vtable = setting->component.plugin->vtable;
  const struct assay_option_value *const *values = enter(build, &setting->component);
  assay_value *inputs = ASSAY_NEW_ARRAY(build->arena, assay_value, setting->input_count);
  if (values == NULL || inputs == NULL) return assay_fail(build->b, "out of memory");
  if (setting->input_count < vtable->input_count_min || setting->input_count > vtable->input_count_max) {
    fail(build, "%s takes %s%u input%s, not %u", setting->component.plugin->name, vtable->input_count_max > vtable->input_count_min ? "at least " : "",
         vtable->input_count_min, vtable->input_count_min == 1 ? "" : "s", setting->input_count);
    return assay_invalid();
  }
  for (uint32_t i = 0; i < setting->input_count; i++) {
    if (setting->inputs[i] >= (int32_t)number) return assay_fail(build->b, "an input must be a layer that comes before");
    inputs[i] = setting->inputs[i] < 0 ? images : outputs[setting->inputs[i]];
  }
  return vtable->build(build->b, values, inputs, setting->input_count);
}

/* Without a plugin: binary cross-entropy for one logit, else cross-entropy. */
static assay_value plain_loss(struct assay_builder *b, assay_value logits, assay_value labels) {
  const int64_t columns = assay_extent(b, logits, 1);
  assay_builder_scope(b, "loss", NULL);
  if (columns == 1) return assay_sigmoid_cross_entropy(b, assay_reshape(b, logits, 1, (const int64_t[]){-1}), assay_cast(b, labels, ASSAY_F32));
  return assay_softmax_cross_entropy(b, logits, assay_one_hot(b, labels, columns));
}

static void loss(struct build *build) {
  struct assay_builder *b = build->b;
  const struct assay_component *component = &build->settings->train.loss;
  if (component->plugin == NULL) {
    build->losses = plain_loss(b, build->logits, build->labels);
    return;
  }
  const struct assay_layer *vtable = component->plugin->vtable;
  const struct assay_option_value *const *values = enter(build, component);
  if (values == NULL) {
    fail(build, "out of memory");
  } else if (!(vtable->flags & ASSAY_LAYER_LOSS)) {
    fail(build, "%s is a layer, not a loss", component->plugin->name);
  } else {
    build->losses = vtable->build(b, values, (const assay_value[]){build->logits, build->labels}, 2);
    const struct assay_tensor_type *type = assay_type(b, build->losses);
    if (assay_is_valid(build->losses) && (type->rank != 1 || type->extents[0] != build->batch)) fail(build, "a loss must give one number a sample");
  }
}

/* Pixels and labels of the batch to logits and losses. */
static void forward(struct build *build, assay_value pixels, assay_value labels) {
  const uint32_t count = build->settings->layer_count, classes = build->facts->class_count;
  assay_value *outputs = ASSAY_NEW_ARRAY(build->arena, assay_value, count);
  build->labels = labels;
  build->logits = build->losses = assay_invalid();
  const assay_value images = normalised(build, pixels);
  if (outputs == NULL || count == 0) {
    fail(build, outputs == NULL ? "out of memory" : "the network has no layers; name them in [network] layers");
    return;
  }
  for (uint32_t i = 0; i < count; i++) outputs[i] = layer(build, i, images, outputs);
  build->logits = outputs[count - 1];
  const struct assay_tensor_type *type = assay_type(build->b, build->logits);
  if (assay_is_valid(build->logits) && (type->rank != 2 || (type->extents[1] != classes && (classes != 2 || type->extents[1] != 1))))
    fail(build, "the last layer must give %s numbers (N, F) for %u classes; end the network in `classifier`", classes == 2 ? "1 or 2" : "as many", classes);
  loss(build);
}

/* What every function with a batch begins with: feeds up to OPTIONS; gives the batch's pixels and labels, and the rows that they are of. */
static void begin(struct build *build, assay_value *pixels, assay_value *labels, assay_value *indices) {
  const struct assay_network_facts *facts = build->facts;
  const int64_t rows = facts->resident > 0 ? facts->resident : build->batch, batch = build->batch;
  const int64_t extents[4] = {rows, facts->height, facts->width, facts->channels};
  *pixels = assay_function_feed(build->b, ASSAY_U8, 4, extents);
  *labels = assay_function_feed(build->b, ASSAY_I32, 1, &rows);
  *indices = assay_function_feed(build->b, ASSAY_I32, 1, &batch);
  if (facts->resident == 0) return;
  *pixels = assay_gather(build->b, *pixels, *indices);
  *labels = assay_gather(build->b, *labels, *indices);
}

static uint32_t runtime_options(const struct assay_component *component) {
  uint32_t count = 0;
  for (uint32_t k = 0; component->plugin != NULL && k < assay_option_count(component->plugin->options); k++)
    count += (component->plugin->options[k]->flags & ASSAY_OPTION_RUNTIME) != 0;
  return count;
}

/* Where the optimizer's options begin: behind the count of updates, the layers and the loss. */
static uint32_t options_before_optimizer(const struct assay_settings *settings) {
  uint32_t count = 1 + runtime_options(&settings->train.loss);
  for (uint32_t i = 0; i < settings->layer_count; i++) count += runtime_options(&settings->layers[i].component);
  return count;
}

static assay_value sum_variable(struct build *build, enum assay_network_sum sum) {
  const struct assay_tensor_type type = {ASSAY_F32, 0, {0}};
  return assay_state(build->b, sum_names[sum], &type, 0, ASSAY_ROLE_METRIC);
}

static void add_to(struct build *build, enum assay_network_sum sum, assay_value amount) {
  const assay_value variable = sum_variable(build, sum);
  assay_assign(build->b, variable, assay_add(build->b, variable, amount));
}

/* bool [B]: decided right at threshold 0.5. */
static assay_value correct(struct build *build) {
  struct assay_builder *b = build->b;
  if (assay_extent(b, build->logits, 1) > 1) return assay_equal(b, assay_argmax(b, build->logits, 1), build->labels);
  const assay_value logits = assay_reshape(b, build->logits, 1, (const int64_t[]){-1});
  return assay_equal(b, assay_cast(b, assay_less_equal(b, assay_number(b, logits, 0), logits), ASSAY_I32), build->labels);
}

/* The sums of weights and of weighted losses of a batch. */
struct account {
  assay_value total, weight, mean;
};

/* Adds the step's sums. */
static struct account account(struct build *build, assay_value weights, assay_value step) {
  struct assay_builder *b = build->b;
  assay_builder_scope(b, NULL, NULL);
  const assay_value total = assay_reduce_sum(b, assay_mul(b, weights, build->losses), 1, 0), weight = assay_reduce_sum(b, weights, 1, 0);
  const assay_value mean = assay_div(b, total, assay_max(b, weight, assay_number(b, weight, 1e-20)));
  add_to(build, ASSAY_SUM_LOSS, total);
  add_to(build, ASSAY_SUM_WEIGHT, weight);
  add_to(build, ASSAY_SUM_CORRECT, assay_reduce_sum(b, assay_cast(b, correct(build), ASSAY_F32), 1, 0));
  const assay_value flag = sum_variable(build, ASSAY_SUM_NONFINITE);
  const assay_value first = assay_and(b, assay_equal(b, flag, assay_number(b, flag, 0)), assay_not(b, assay_is_finite(b, mean)));
  assay_assign(b, flag, assay_select(b, first, step, flag));
  return (struct account){total, weight, mean};
}

/* Trained parameters and their gradients, in the order of the program's variables. */
struct gradients {
  assay_value *parameters, *gradients;
  uint32_t count;
};

/* All trained variables, their gradients still to be found; count 0 when memory is short. */
static struct gradients list_parameters(struct build *build, struct assay_program_builder *program) {
  const uint32_t variables = assay_program_variable_count(program);
  struct gradients made = {ASSAY_NEW_ARRAY(build->arena, assay_value, variables), ASSAY_NEW_ARRAY(build->arena, assay_value, variables), 0};
  if (made.parameters == NULL || made.gradients == NULL) {
    fail(build, "out of memory");
    return made;
  }
  for (uint32_t i = 0; i < variables; i++)
    if (is_trained(assay_program_variable(program, i)->base.role)) made.parameters[made.count++] = assay_builder_variable(build->b, i);
  return made;
}

/* Gradients of `loss` for all trained variables. */
static struct gradients differentiate(struct build *build, struct assay_program_builder *program, assay_value loss) {
  struct gradients made = list_parameters(build, program);
  assay_builder_gradient(build->b, loss, made.parameters, made.count, made.gradients);
  return made;
}

/* Where the gradients of pieces are added up: a variable a parameter, and one for the weights of their samples. The slash is as in sum_names. */
static assay_value gathered(struct build *build, struct assay_program_builder *program, assay_value parameter) {
  const int32_t index = assay_builder_variable_index(build->b, parameter);
  if (index < 0) return assay_invalid(); /* the build has failed already */
  const struct assay_variable *variable = &assay_program_variable(program, (uint32_t)index)->base;
  const char *name = assay_arena_print(build->arena, "gathered/%s", variable->name);
  if (name == NULL) return assay_fail(build->b, "out of memory");
  assay_builder_scope(build->b, NULL, NULL);
  return assay_state(build->b, name, &variable->type, 0, ASSAY_ROLE_OPTIMIZER);
}

static assay_value gathered_weight(struct build *build) {
  const struct assay_tensor_type type = {ASSAY_F32, 0, {0}};
  assay_builder_scope(build->b, NULL, NULL);
  return assay_state(build->b, "gathered/weight", &type, 0, ASSAY_ROLE_OPTIMIZER);
}

/* Adds a piece's gradients of its summed loss. */
static void gather(struct build *build, struct assay_program_builder *program, const struct account *account) {
  struct assay_builder *b = build->b;
  const struct gradients piece = differentiate(build, program, account->total);
  for (uint32_t i = 0; i < piece.count; i++) {
    const assay_value sum = gathered(build, program, piece.parameters[i]);
    assay_assign(b, sum, assay_add(b, sum, piece.gradients[i]));
  }
  const assay_value weight = gathered_weight(build);
  assay_assign(b, weight, assay_add(b, weight, account->weight));
}

/* The gradients of a whole batch's mean loss from those of its pieces, which start at zero again. */
static struct gradients take_gathered(struct build *build, struct assay_program_builder *program) {
  struct assay_builder *b = build->b;
  struct gradients whole = list_parameters(build, program);
  const assay_value weight = gathered_weight(build), divisor = assay_max(b, weight, assay_number(b, weight, 1e-20));
  for (uint32_t i = 0; i < whole.count; i++) {
    const assay_value sum = gathered(build, program, whole.parameters[i]);
    const struct assay_tensor_type *type = assay_type(b, sum);
    whole.gradients[i] = assay_div(b, sum, divisor);
    assay_assign(b, sum, assay_broadcast(b, assay_number(b, sum, 0), type->rank, type->extents));
  }
  assay_assign(b, weight, assay_number(b, weight, 0));
  return whole;
}

/* What the optimizer makes of the gradients. */
static void update(struct build *build, struct assay_program_builder *program, struct gradients *given) {
  struct assay_builder *b = build->b;
  const struct assay_component *component = &build->settings->optimizer;
  const struct assay_optimizer *vtable = component->plugin->vtable;
  const struct assay_option_value *const *values = enter(build, component);
  if (values == NULL) {
    fail(build, "out of memory");
    return;
  }
  if (vtable->prepare != NULL) vtable->prepare(b, values, given->gradients, given->count);
  for (uint32_t i = 0; i < given->count; i++) {
    const int32_t index = assay_builder_variable_index(b, given->parameters[i]);
    if (index < 0) return; /* the build has failed already */
    const struct assay_variable_definition *parameter = assay_program_variable(program, (uint32_t)index);
    assay_builder_scope(b, parameter->base.name, component->where);
    assay_assign(b, given->parameters[i], vtable->update(b, values, given->parameters[i], given->gradients[i], parameter->base.role));
  }
}

/* A function that has the optimizer's options, and so says where they stand. */
static int end_update(struct assay_network *network, const struct build *build, struct assay_status *status) {
  network->rate_option = build->rate_option;
  network->momentum_option = build->momentum_option;
  return assay_function_end(build->b, status);
}

/* Keeps the name of what ties samples together. In the batch's own functions: whoever has no images of their own to mix does no harm. */
static int note_coupling(struct assay_network *network, struct assay_builder *b, const assay_value *samples, uint32_t count, struct assay_status *status) {
  const char *coupling = network->coupling == NULL ? assay_builder_coupling(b, samples, count) : NULL;
  if (coupling != NULL && (network->coupling = assay_arena_copy(network->arena, coupling)) == NULL) return assay_status_memory(status);
  return 0;
}

/* A step on a whole batch, or, with pieces, the gradients of one piece. */
static int build_step(struct assay_network *network, const struct assay_settings *settings, uint32_t batch, struct assay_status *status) {
  const bool pieces = network->facts.piece > 0;
  char name[32];
  snprintf(name, sizeof name, "%s%u", pieces ? "piece" : "step", batch);
  struct assay_builder *b = assay_function_begin(network->builder, name);
  if (b == NULL) return assay_status_memory(status);
  struct build build = {.b = b, .settings = settings, .facts = &network->facts, .arena = network->arena, .option_count = 1, .rate_option = -1, .momentum_option = -1, .batch = batch,
                        .training = true};
  assay_value pixels, labels, indices;
  begin(&build, &pixels, &labels, &indices);
  build.options = assay_function_feed(b, ASSAY_F32, 1, (const int64_t[]){network->option_count});
  const assay_value weights = assay_function_feed(b, ASSAY_F32, 1, (const int64_t[]){batch});
  const assay_value keys = assay_function_feed(b, ASSAY_U32, 2, (const int64_t[]){batch, 2});
  const assay_value step = scalar(b, assay_slice(b, build.options, 0, 0, 1));
  const struct assay_build_context context = {sizeof context, 1, network->facts.class_count, keys, step};
  assay_function_context(b, &context);
  forward(&build, pixels, labels);
  const bool resident = network->facts.resident > 0;
  const int code = note_coupling(network, b, (const assay_value[]){indices, weights, keys, pixels, labels}, resident ? 3 : 5, status);
  if (code != 0) return code;
  const struct account sums = account(&build, weights, step);
  network->logit_count = (uint32_t)assay_extent(b, build.logits, 1);
  if (pieces) {
    gather(&build, network->builder, &sums);
    return assay_function_end(b, status);
  }
  struct gradients gradients = differentiate(&build, network->builder, sums.mean);
  update(&build, network->builder, &gradients);
  return end_update(network, &build, status);
}

/* With pieces: what the optimizer makes of their gradients. */
static int build_update(struct assay_network *network, const struct assay_settings *settings, struct assay_status *status) {
  struct assay_builder *b = assay_function_begin(network->builder, "update");
  if (b == NULL) return assay_status_memory(status);
  struct build build = {.b = b, .settings = settings, .facts = &network->facts, .arena = network->arena, .option_count = options_before_optimizer(settings), .rate_option = -1,
                        .momentum_option = -1, .training = true};
  build.options = assay_function_feed(b, ASSAY_F32, 1, (const int64_t[]){network->option_count});
  const assay_value step = scalar(b, assay_slice(b, build.options, 0, 0, 1));
  const struct assay_build_context context = {sizeof context, 1, network->facts.class_count, assay_invalid(), step};
  assay_function_context(b, &context);
  struct gradients gradients = take_gathered(&build, network->builder);
  update(&build, network->builder, &gradients);
  return end_update(network, &build, status);
}

static int build_evaluate(struct assay_network *network, const struct assay_settings *settings, struct assay_status *status) {
  struct assay_builder *b = assay_function_begin(network->builder, "evaluate");
  if (b == NULL) return assay_status_memory(status);
  struct build build = {.b = b, .settings = settings, .facts = &network->facts, .arena = network->arena, .option_count = 1,
                        .batch = network->facts.evaluation_batch};
  assay_value pixels, labels, indices;
  begin(&build, &pixels, &labels, &indices);
  build.options = assay_function_feed(b, ASSAY_F32, 1, (const int64_t[]){network->option_count});
  const struct assay_build_context context = {sizeof context, 0, network->facts.class_count, assay_invalid(), assay_invalid()};
  assay_function_context(b, &context);
  forward(&build, pixels, labels);
  assay_function_fetch(b, build.logits);
  assay_function_fetch(b, build.losses);
  return assay_function_end(b, status);
}

static void add_size(struct assay_network *network, struct assay_network_step *steps, uint32_t size) {
  for (uint32_t k = 0; k < network->step_count; k++)
    if (steps[k].batch == size) return;
  if (size > 0) steps[network->step_count++].batch = size;
}

/* A batch of `size`, or what it is cut into. */
static void add_batch(struct assay_network *network, struct assay_network_step *steps, uint32_t size) {
  const uint32_t piece = network->facts.piece;
  if (piece > 0 && size >= piece) add_size(network, steps, piece);
  add_size(network, steps, piece > 0 ? size % piece : size);
}

/* Distinct sizes of batches or pieces, the full one first where it occurs. */
static int list_steps(struct assay_network *network, struct assay_status *status) {
  const struct assay_network_facts *facts = &network->facts;
  struct assay_network_step *steps = ASSAY_NEW_ARRAY(network->arena, struct assay_network_step, facts->training_count_count + 3);
  if (steps == NULL) return assay_status_memory(status);
  for (uint32_t i = 0; i < facts->training_count_count && network->step_count == 0; i++)
    if (facts->training_counts[i] >= network->batch) add_batch(network, steps, network->batch);
  for (uint32_t i = 0; i < facts->training_count_count; i++) add_batch(network, steps, facts->training_counts[i] % network->batch);
  for (uint32_t i = 0; i < network->step_count; i++) steps[i].function = i;
  network->steps = steps;
  network->update = network->step_count;
  network->evaluate = network->step_count + (facts->piece > 0);
  return 0;
}

static int find_variables(struct assay_network *network, struct assay_status *status) {
  int32_t found = 0;
  for (int sum = 0; sum < ASSAY_SUM_COUNT; sum++) {
    const int32_t index = assay_program_find_variable(network->builder, sum_names[sum]);
    network->sums[sum] = (uint32_t)index;
    found |= index;
  }
  network->mean = (uint32_t)assay_program_find_variable(network->builder, "pixels/mean");
  network->scale = (uint32_t)assay_program_find_variable(network->builder, "pixels/scale");
  if ((found | (int32_t)network->mean | (int32_t)network->scale) < 0) return assay_status_set(status, ASSAY_E_FAILED, "the program lost one of its variables");
  for (uint32_t i = 0; i < network->program->variable_count; i++) {
    const struct assay_variable *variable = network->program->variables[i];
    if (is_trained(variable->role)) network->parameter_count += (uint64_t)assay_element_count(&variable->type);
  }
  return 0;
}

static int build_program(struct assay_network *network, const struct assay_settings *settings, struct assay_status *status) {
  int code = list_steps(network, status);
  for (uint32_t i = 0; code == 0 && i < network->step_count; i++) code = build_step(network, settings, network->steps[i].batch, status);
  if (code == 0 && network->facts.piece > 0) code = build_update(network, settings, status);
  if (code == 0) code = build_evaluate(network, settings, status);
  if (code == 0) code = assay_program_finish(network->builder, &network->program, status);
  return code == 0 ? find_variables(network, status) : code;
}

int assay_network_create(const struct assay_settings *settings, const struct assay_network_facts *facts, struct assay_network **network,
                         struct assay_status *status) {
  *network = NULL;
  struct assay_arena *arena = assay_arena_create();
  struct assay_network *made = arena == NULL ? NULL : ASSAY_NEW(arena, struct assay_network);
  if (made == NULL) {
    assay_arena_release(arena);
    return assay_status_memory(status);
  }
  made->arena = arena;
  made->facts = *facts;
  made->facts.training_counts = (const uint32_t *)assay_arena_copy_bytes(arena, facts->training_counts, facts->training_count_count * sizeof(uint32_t));
  made->batch = settings->train.batch;
  if (facts->piece >= made->batch) made->facts.piece = 0;
  made->option_count = options_before_optimizer(settings) + runtime_options(&settings->optimizer);
  made->builder = assay_program_begin();
  const int code = made->facts.training_counts == NULL || made->builder == NULL ? assay_status_memory(status) : build_program(made, settings, status);
  if (code != 0) assay_network_release(made);
  else *network = made;
  return code;
}

void assay_network_release(struct assay_network *network) {
  if (network == NULL) return;
  assay_program_release(network->builder);
  assay_arena_release(network->arena);
}

int32_t assay_network_step_function(const struct assay_network *network, uint32_t batch) {
  for (uint32_t i = 0; i < network->step_count; i++)
    if (network->steps[i].batch == batch) return (int32_t)network->steps[i].function;
  return -1;
}

static float *put_options(const struct assay_component *component, float *at) {
  if (component->plugin == NULL) return at;
  for (uint32_t i = 0; i < assay_option_count(component->plugin->options); i++)
    if (component->plugin->options[i]->flags & ASSAY_OPTION_RUNTIME) *at++ = (float)component->values[i]->real;
  return at;
}

void assay_network_options(const struct assay_settings *settings, float *options) {
  float *at = options + 1;
  for (uint32_t i = 0; i < settings->layer_count; i++) at = put_options(&settings->layers[i].component, at);
  put_options(&settings->optimizer, put_options(&settings->train.loss, at));
}

int assay_network_inference(const struct assay_settings *settings, const struct assay_network_facts *facts, struct assay_program_builder **builder,
                            const struct assay_program **program, struct assay_status *status) {
  struct assay_arena *arena = assay_arena_create();
  struct assay_program_builder *made = assay_program_begin();
  struct assay_builder *b = arena == NULL || made == NULL ? NULL : assay_function_begin(made, "infer");
  int code;
  if (b == NULL) {
    code = assay_status_memory(status);
  } else {
    struct build build = {.b = b, .settings = settings, .facts = facts, .arena = arena, .options = assay_invalid(), .option_count = 1, .batch = INFERENCE_BATCH};
    const int64_t extents[4] = {INFERENCE_BATCH, facts->height, facts->width, facts->channels};
    const assay_value pixels = assay_function_feed(b, ASSAY_U8, 4, extents), labels = assay_function_feed(b, ASSAY_I32, 1, extents);
    const struct assay_build_context context = {sizeof context, 0, facts->class_count, assay_invalid(), assay_invalid()};
    assay_function_context(b, &context);
    forward(&build, pixels, labels);
    assay_function_fetch(b, build.logits);
    assay_function_fetch(b, build.losses);
    code = assay_function_end(b, status);
    if (code == 0) code = assay_program_finish(made, program, status);
  }
  assay_arena_release(arena);
  if (code != 0) assay_program_release(made);
  else *builder = made;
  return code;
}

void assay_scores_from_logits(const float *logits, uint32_t logit_count, uint32_t class_count, double *scores) {
  if (logit_count == 1) {
    const double z = logits[0], e = exp(-fabs(z)), less = e / (1 + e), more = 1 / (1 + e);
    scores[0] = z >= 0 ? less : more;
    scores[1] = z >= 0 ? more : less;
    return;
  }
  double largest = logits[0], sum = 0;
  for (uint32_t i = 1; i < class_count; i++) largest = fmax(largest, logits[i]);
  for (uint32_t i = 0; i < class_count; i++) sum += scores[i] = exp(logits[i] - largest);
  for (uint32_t i = 0; i < class_count; i++) scores[i] /= sum;
}
