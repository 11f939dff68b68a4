/* SPDX-License-Identifier: MIT
 *
 * The functions of a program, from settings: steps, updates and evaluations of each phase, over one store of variables. Forward passes are built by forward.c,
 * gradients and updates by update.c, fine-tuning by finetune.c.
 */
#include "train/build.h"

#include "base/arena.h"
#include "base/options.h"
#include "base/status.h"
#include "train/augment.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The batch at which inference graphs are written: not 1, which would let a graph pass as free of its batch size because things broadcast. */
#define INFERENCE_BATCH 2

/* A slash keeps the core's variables apart from layers', whose names have none. */
static const char *const sum_names[ASSAY_SUM_COUNT] = {"epoch/loss", "epoch/weight", "epoch/correct", "epoch/nonfinite"};

/* What every function with a batch begins with: feeds up to INDICES; gives the batch's pixels and labels, and the rows that they are of. */
static void begin(struct build *build, assay_value *pixels, assay_value *labels, assay_value *indices) {
  const struct assay_network_facts *facts = build->facts;
  const int64_t rows = facts->resident > 0 ? facts->resident : build->batch, batch = build->batch;
  *pixels = assay_function_feed(build->b, ASSAY_U8, 4, (const int64_t[]){rows, facts->height, facts->width, facts->channels});
  *labels = assay_function_feed(build->b, ASSAY_I32, 1, &rows);
  *indices = assay_function_feed(build->b, ASSAY_I32, 1, &batch);
  if (facts->resident == 0) return;
  *pixels = assay_gather(build->b, *pixels, *indices);
  *labels = assay_gather(build->b, *labels, *indices);
}

/* Where the optimizer's options begin: behind the count of updates, the layers and the loss. */
static uint32_t options_before_optimizer(const struct assay_settings *settings) {
  uint32_t count = 1 + assay_build_runtime_options(&settings->train.loss);
  for (uint32_t i = 0; i < settings->layer_count; i++) count += assay_build_runtime_options(&settings->layers[i].component);
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
  assay_value weighted = assay_mul(b, weights, build->losses);
  if (assay_is_valid(build->shares)) { /* the partner's label counts with the partner's weight */
    const assay_value partners = assay_mul(b, assay_augment_partners(b, weights), assay_sub(b, assay_number(b, weights, 1), build->shares));
    weights = assay_mul(b, weights, build->shares);
    weighted = assay_add(b, assay_mul(b, weights, build->losses), assay_mul(b, partners, build->partner_losses));
    weights = assay_add(b, weights, partners);
  }
  const assay_value total = assay_reduce_sum(b, weighted, 1, 0), weight = assay_reduce_sum(b, weights, 1, 0);
  const assay_value mean = assay_div(b, total, assay_max(b, weight, assay_number(b, weight, 1e-20)));
  add_to(build, ASSAY_SUM_LOSS, total);
  add_to(build, ASSAY_SUM_WEIGHT, weight);
  add_to(build, ASSAY_SUM_CORRECT, assay_reduce_sum(b, assay_cast(b, correct(build), ASSAY_F32), 1, 0));
  const assay_value flag = sum_variable(build, ASSAY_SUM_NONFINITE);
  const assay_value first = assay_and(b, assay_equal(b, flag, assay_number(b, flag, 0)), assay_not(b, assay_is_finite(b, mean)));
  assay_assign(b, flag, assay_select(b, first, step, flag));
  return (struct account){total, weight, mean};
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

/* A function of the network being begun. */
static struct build begin_build(const struct assay_network *network, const struct assay_settings *settings, uint32_t phase, uint32_t batch, struct assay_builder *b) {
  return (struct build){.b = b,
                        .program = network->builder,
                        .settings = settings,
                        .facts = &network->facts,
                        .tuning = network->tuning,
                        .arena = network->arena,
                        .option_count = 1,
                        .rate_option = -1,
                        .momentum_option = -1,
                        .batch = batch,
                        .phase = phase};
}

static void set_options(struct build *build, uint32_t count) { build->options = assay_function_feed(build->b, ASSAY_F32, 1, (const int64_t[]){count}); }

/* Training: keys and the count of updates are there, and what is held is left as it is. */
static void set_training(struct build *build, assay_value keys) {
  const assay_value step = assay_build_scalar(build->b, assay_slice(build->b, build->options, 0, 0, 1));
  build->context = (struct assay_build_context){sizeof build->context, 1, build->facts->class_count, keys, step};
  assay_function_context(build->b, &build->context);
  if (build->tuning != NULL) assay_function_hold(build->b, build->tuning->held[build->phase], build->tuning->variable_count);
}

/* A step on a whole batch, or, with pieces, the gradients of one piece. */
static int build_step(struct assay_network *network, const struct assay_settings *settings, uint32_t phase, uint32_t batch, struct assay_status *status) {
  const bool pieces = network->facts.piece > 0;
  char name[48];
  snprintf(name, sizeof name, "%s%u%s", pieces ? "piece" : "step", batch, phase > 0 ? "all" : "");
  struct assay_builder *b = assay_function_begin(network->builder, name);
  if (b == NULL) return assay_status_memory(status);
  struct build build = begin_build(network, settings, phase, batch, b);
  assay_value input, labels, indices;
  begin(&build, &input, &labels, &indices);
  set_options(&build, network->option_count);
  const assay_value weights = assay_function_feed(b, ASSAY_F32, 1, (const int64_t[]){batch});
  const assay_value keys = assay_function_feed(b, ASSAY_U32, 2, (const int64_t[]){batch, 2});
  set_training(&build, keys);
  assay_build_forward(&build, input, labels);
  const int code = note_coupling(network, b, (const assay_value[]){indices, weights, keys, input, labels}, network->facts.resident > 0 ? 3 : 5, status);
  if (code != 0) return code;
  const struct account sums = account(&build, weights, build.context.step);
  network->logit_count = (uint32_t)assay_extent(b, build.logits, 1);
  if (pieces) {
    assay_build_gather(&build, sums.total, sums.weight);
    return assay_function_end(b, status);
  }
  assay_build_update(&build, sums.mean);
  return end_update(network, &build, status);
}

/* With pieces: what the optimizer makes of their gradients. */
static int build_update(struct assay_network *network, const struct assay_settings *settings, uint32_t phase, struct assay_status *status) {
  struct assay_builder *b = assay_function_begin(network->builder, phase > 0 ? "updateall" : "update");
  if (b == NULL) return assay_status_memory(status);
  struct build build = begin_build(network, settings, phase, 0, b);
  build.option_count = options_before_optimizer(settings);
  set_options(&build, network->option_count);
  set_training(&build, assay_invalid());
  assay_build_update_gathered(&build);
  return end_update(network, &build, status);
}

/* Judged are the running means of weights where there are any. */
static int build_evaluate(struct assay_network *network, const struct assay_settings *settings, uint32_t phase, struct assay_status *status) {
  struct assay_builder *b = assay_function_begin(network->builder, phase > 0 ? "evaluateall" : "evaluate");
  if (b == NULL) return assay_status_memory(status);
  struct build build = begin_build(network, settings, phase, network->facts.evaluation_batch, b);
  assay_value input, labels, indices;
  begin(&build, &input, &labels, &indices);
  set_options(&build, network->option_count);
  build.context = (struct assay_build_context){sizeof build.context, 0, network->facts.class_count, assay_invalid(), assay_invalid()};
  if (settings->train.ema > 0) assay_build_read_averages(&build);
  assay_build_forward(&build, input, labels);
  assay_function_fetch(b, build.logits);
  assay_function_fetch(b, build.losses);
  return assay_function_end(b, status);
}

/* What the layers ask for, found in a program that is thrown away (by the caller, as `facts` borrows from it). */
static int walk(const struct assay_network *network, const struct assay_settings *settings, struct assay_program_builder *program, struct assay_forward_facts *facts,
                struct assay_status *status) {
  struct assay_builder *b = program == NULL ? NULL : assay_function_begin(program, "walk");
  struct assay_layer_facts *layers = ASSAY_NEW_ARRAY(network->arena, struct assay_layer_facts, settings->layer_count);
  if (b == NULL || layers == NULL) return assay_status_memory(status);
  struct build build = begin_build(network, settings, 0, INFERENCE_BATCH, b);
  build.program = program;
  build.walked = layers;
  assay_value input, labels, indices;
  begin(&build, &input, &labels, &indices);
  set_options(&build, network->option_count);
  set_training(&build, assay_function_feed(b, ASSAY_U32, 2, (const int64_t[]){INFERENCE_BATCH, 2}));
  (void)assay_build_layers(&build, input);
  const int code = assay_function_end(b, status);
  if (code != 0) return code;
  const uint32_t count = assay_program_variable_count(program);
  const struct assay_variable_definition **variables = ASSAY_NEW_ARRAY(network->arena, const struct assay_variable_definition *, count);
  if (variables == NULL) return assay_status_memory(status);
  for (uint32_t i = 0; i < count; i++) variables[i] = assay_program_variable(program, i);
  *facts = (struct assay_forward_facts){count, variables, layers};
  return 0;
}

/* Which parameters are trained. */
static int tune(struct assay_network *network, const struct assay_settings *settings, struct assay_status *status) {
  network->phase_count = 1;
  if (!assay_tuning_wanted(&settings->train)) return 0;
  struct assay_program_builder *program = assay_program_begin();
  struct assay_tuning *tuning = ASSAY_NEW(network->arena, struct assay_tuning);
  struct assay_forward_facts facts;
  int code = tuning == NULL ? assay_status_memory(status) : walk(network, settings, program, &facts, status);
  if (code == 0) code = assay_tuning_resolve(settings, &facts, network->arena, tuning, status);
  assay_program_release(program);
  if (code != 0) return code;
  network->tuning = tuning;
  network->phase_count = tuning->phase_count;
  return 0;
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
  network->steps = steps;
  return 0;
}

static int find_averages(struct assay_network *network, struct assay_status *status) {
  const uint32_t count = network->program->variable_count;
  int32_t *averages = ASSAY_NEW_ARRAY(network->arena, int32_t, count);
  if (averages == NULL) return assay_status_memory(status);
  for (uint32_t i = 0; i < count; i++) averages[i] = assay_build_average(network->builder, i);
  network->averages = averages;
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
    if (assay_role_is_trained(variable->role)) network->parameter_count += (uint64_t)assay_element_count(&variable->type);
  }
  return 0;
}

/* The functions of a phase: steps, update, evaluation. */
static int build_phase(struct assay_network *network, const struct assay_settings *settings, uint32_t number, uint32_t *function, struct assay_status *status) {
  struct assay_network_phase *phase = &network->phases[number];
  int code = 0;
  phase->first_step = *function;
  for (uint32_t i = 0; code == 0 && i < network->step_count; i++, ++*function) code = build_step(network, settings, number, network->steps[i].batch, status);
  if (code == 0 && network->facts.piece > 0) {
    phase->update = (*function)++;
    code = build_update(network, settings, number, status);
  }
  return code;
}

/* Functions as assay_program_keep wants to know them: steps of a phase are of one kind, evaluation and update of their own. */
static int list_functions(const struct assay_network *network, struct assay_keep_function **functions, struct assay_status *status) {
  *functions = ASSAY_NEW_ARRAY(network->arena, struct assay_keep_function, network->program->function_count);
  if (*functions == NULL) return assay_status_memory(status);
  for (uint32_t number = 0; number < network->phase_count; number++) {
    const struct assay_network_phase *phase = &network->phases[number];
    for (uint32_t i = 0; i < network->step_count; i++) (*functions)[phase->first_step + i] = (struct assay_keep_function){true, number, 3 * number};
    if (network->facts.piece > 0) (*functions)[phase->update] = (struct assay_keep_function){false, number, 3 * number + 1};
    (*functions)[phase->evaluate] = (struct assay_keep_function){true, number, 3 * number + 2};
  }
  return 0;
}

/* What frozen layers make of the samples is computed once: on the device where it fits there, else on the host, else not. */
static int keep(struct assay_network *network, const struct assay_settings *settings, struct assay_status *status) {
  const struct assay_network_facts *facts = &network->facts;
  struct assay_network_kept *kept = &network->kept;
  struct assay_keep_function *functions;
  if (settings->train.freeze == NULL || facts->kept_rows == 0) return 0;
  int code = list_functions(network, &functions, status);
  for (int resident = 1; code == 0 && resident >= 0; resident--) {
    const struct assay_keep_task task = {.functions = functions,
                                         .like = network->phases[0].evaluate,
                                         .first_lasting = 1,
                                         .end_lasting = options_before_optimizer(settings),
                                         .resident_rows = resident ? facts->kept_rows : 0};
    struct assay_keep_result result;
    code = assay_program_keep(network->builder, network->program, &task, &result, status);
    if (code != 0 || result.width == 0) return code;
    const uint64_t row = result.width * sizeof(float);
    kept->bytes = row > UINT32_MAX ? UINT64_MAX : row * facts->kept_rows;
    if (kept->bytes > (resident ? facts->most_resident : facts->most_sent)) continue;
    *kept = (struct assay_network_kept){result.width, kept->bytes, resident, result.function, result.reads};
    network->program = result.program;
    return 0;
  }
  return code;
}

bool assay_network_reads_kept(const struct assay_network *network, uint32_t function) {
  return network->kept.width > 0 && function != network->kept.function && network->kept.reads[function];
}

static int build_program(struct assay_network *network, const struct assay_settings *settings, struct assay_status *status) {
  uint32_t function = 0;
  int code = list_steps(network, status);
  if (code == 0) code = tune(network, settings, status);
  for (uint32_t phase = 0; code == 0 && phase < network->phase_count; phase++) code = build_phase(network, settings, phase, &function, status);
  /* All running means are known now. */
  for (uint32_t phase = 0; code == 0 && phase < network->phase_count; phase++) {
    network->phases[phase].evaluate = function++;
    code = build_evaluate(network, settings, phase, status);
  }
  if (code == 0) code = assay_program_finish(network->builder, &network->program, status);
  if (code == 0) code = keep(network, settings, status);
  if (code == 0) code = find_averages(network, status);
  return code == 0 ? find_variables(network, status) : code;
}

static uint32_t count_options(const struct assay_settings *settings) {
  return options_before_optimizer(settings) + assay_build_runtime_options(&settings->optimizer) + assay_build_update_options(&settings->train, NULL) +
         assay_augment_count(&settings->augment);
}

int assay_network_check_names(const struct assay_settings *settings, struct assay_status *status) {
  enum { ANY_SIDE = 224, ANY_CLASSES = 2 };
  if (!assay_tuning_wanted(&settings->train)) return 0;
  struct assay_network network = {.arena = assay_arena_create(),
                                  .batch = settings->train.batch,
                                  .option_count = count_options(settings),
                                  .facts = {.class_count = ANY_CLASSES,
                                            .width = settings->data.width > 0 ? settings->data.width : ANY_SIDE,
                                            .height = settings->data.height > 0 ? settings->data.height : ANY_SIDE,
                                            .channels = settings->data.colour == ASSAY_COLOUR_GREY ? 1 : 3}};
  struct assay_program_builder *program = network.arena == NULL ? NULL : assay_program_begin();
  struct assay_status ignored;
  struct assay_forward_facts facts;
  struct assay_tuning tuning;
  int code = program == NULL ? assay_status_memory(status) : 0;
  /* A network that cannot be built is for those to tell who know the images. */
  if (code == 0 && walk(&network, settings, program, &facts, &ignored) == 0) code = assay_tuning_resolve(settings, &facts, network.arena, &tuning, status);
  assay_program_release(program);
  assay_arena_release(network.arena);
  return code;
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
  made->option_count = count_options(settings);
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

int32_t assay_network_step_function(const struct assay_network *network, uint32_t phase, uint32_t batch) {
  for (uint32_t i = 0; i < network->step_count; i++)
    if (network->steps[i].batch == batch) return (int32_t)(network->phases[phase].first_step + i);
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
  at = put_options(&settings->optimizer, put_options(&settings->train.loss, at));
  at += assay_build_update_options(&settings->train, at);
  assay_augment_options(&settings->augment, at);
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
    struct build build = {
        .b = b, .program = made, .settings = settings, .facts = facts, .arena = arena, .options = assay_invalid(), .option_count = 1, .batch = INFERENCE_BATCH};
    const int64_t extents[4] = {INFERENCE_BATCH, facts->height, facts->width, facts->channels};
    const assay_value pixels = assay_function_feed(b, ASSAY_U8, 4, extents), labels = assay_function_feed(b, ASSAY_I32, 1, extents);
    build.context = (struct assay_build_context){sizeof build.context, 0, facts->class_count, assay_invalid(), assay_invalid()};
    assay_build_forward(&build, pixels, labels);
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
