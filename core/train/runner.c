/* SPDX-License-Identifier: MIT
 *
 * Batches to the device and results back.
 */
#include "train/runner.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/status.h"

#include <assay/random.h>
#include <stdlib.h>
#include <string.h>

static bool is_sent(const struct assay_source *source) { return source->samples != NULL && source->residency == NULL; }

static int make_host(struct assay_runner *runner, struct assay_status *status) {
  const struct assay_network *network = runner->network;
  const size_t capacity = runner->capacity, evaluation = network->facts.evaluation_batch;
  runner->host_indices = calloc(capacity, sizeof(int32_t));
  runner->host_options = calloc(network->option_count, sizeof(float));
  runner->host_weights = calloc(capacity, sizeof(float));
  runner->host_keys = calloc(capacity, 2 * sizeof(uint32_t));
  runner->uses = calloc(runner->samples->count, sizeof *runner->uses);
  runner->host_logits = calloc(evaluation * network->logit_count, sizeof(float));
  runner->host_losses = calloc(evaluation, sizeof(float));
  if (runner->host_indices == NULL || runner->host_options == NULL || runner->host_weights == NULL ||
      runner->host_keys == NULL || runner->uses == NULL || runner->host_logits == NULL || runner->host_losses == NULL)
    return assay_status_memory(status);
  int code = 0;
  if (is_sent(&runner->images)) code = assay_stream_create(runner->images.samples, runner->capacity, &runner->images.stream, status);
  if (code == 0 && is_sent(&runner->kept)) code = assay_stream_create(runner->kept.samples, runner->capacity, &runner->kept.stream, status);
  return code;
}

/* The buffers of a runner, and their sizes in bytes; 0: not needed. */
enum { BUFFERS = 12 };
struct wanted {
  struct assay_buffer **buffer;
  uint64_t size;
};

/* Bytes of a batch that is sent; 0: it is not. */
static uint64_t sent_bytes(const struct assay_source *source, uint64_t capacity) {
  return is_sent(source) ? capacity * assay_samples_bytes(source->samples) : 0;
}

static void list_buffers(struct assay_runner *runner, struct wanted wanted[BUFFERS]) {
  const struct assay_network *network = runner->network;
  const uint64_t capacity = runner->capacity, evaluation = network->facts.evaluation_batch;
  const struct wanted all[BUFFERS] = {
      {&runner->images.pixels, sent_bytes(&runner->images, capacity)},
      {&runner->images.labels, is_sent(&runner->images) ? capacity * sizeof(int32_t) : 0},
      {&runner->kept.pixels, sent_bytes(&runner->kept, capacity)},
      {&runner->kept.labels, is_sent(&runner->kept) ? capacity * sizeof(int32_t) : 0},
      {&runner->indices, capacity * sizeof(int32_t)},
      {&runner->options, network->option_count * sizeof(float)},
      {&runner->weights, capacity * sizeof(float)},
      {&runner->keys, capacity * 2 * sizeof(uint32_t)},
      {&runner->logits[0], evaluation * network->logit_count * sizeof(float)},
      {&runner->logits[1], evaluation * network->logit_count * sizeof(float)},
      {&runner->losses[0], evaluation * sizeof(float)},
      {&runner->losses[1], evaluation * sizeof(float)},
  };
  memcpy(wanted, all, sizeof all);
}

/* Is there room, by what the program says that it needs? */
static int take_memory(struct assay_runner *runner, struct assay_status *status) {
  struct wanted wanted[BUFFERS];
  uint64_t beside = 0;
  list_buffers(runner, wanted);
  for (int i = 0; i < BUFFERS; i++) beside += wanted[i].size;
  return assay_session_take_program(runner->session, runner->executable, 2, beside, &runner->taken, status);
}

static int make_buffers(struct assay_runner *runner, struct assay_status *status) {
  struct wanted wanted[BUFFERS];
  struct assay_device *device = assay_session_device(runner->session);
  list_buffers(runner, wanted);
  for (int i = 0; i < BUFFERS; i++) {
    const int code = wanted[i].size == 0 ? 0 : runner->backend->buffer_create(device, wanted[i].size, wanted[i].buffer, status);
    if (code != 0) return code;
  }
  return 0;
}

static int write_zeros(struct assay_runner *runner, const struct assay_source *source, struct assay_status *status) {
  const uint8_t *pixels;
  const int32_t *labels;
  if (!is_sent(source)) return 0;
  assay_stream_zeros(source->stream, &pixels, &labels);
  const int code = runner->backend->buffer_write(source->pixels, 0, pixels, sent_bytes(source, runner->capacity), status);
  return code != 0 ? code : runner->backend->buffer_write(source->labels, 0, labels, runner->capacity * sizeof(int32_t), status);
}

/* Writes each buffer that steps are fed once, as a whole, so that the backend takes what memory it needs for that now and none within a step. */
static int write_first(struct assay_runner *runner, struct assay_status *status) {
  const struct assay_backend *backend = runner->backend;
  const uint64_t capacity = runner->capacity;
  int code = backend->buffer_write(runner->indices, 0, runner->host_indices, capacity * sizeof(int32_t), status);
  if (code == 0) code = backend->buffer_write(runner->options, 0, runner->host_options, runner->network->option_count * sizeof(float), status);
  if (code == 0) code = backend->buffer_write(runner->weights, 0, runner->host_weights, capacity * sizeof(float), status);
  if (code == 0) code = backend->buffer_write(runner->keys, 0, runner->host_keys, capacity * 2 * sizeof(uint32_t), status);
  if (code == 0) code = write_zeros(runner, &runner->images, status);
  return code == 0 ? write_zeros(runner, &runner->kept, status) : code;
}

int assay_runner_create(struct assay_session *session, const struct assay_samples *samples, const struct assay_residency *residency,
                        struct assay_features *features, const struct assay_network *network, struct assay_runner *runner, struct assay_status *status) {
  *runner = (struct assay_runner){.session = session,
                                  .backend = assay_session_backend(session),
                                  .samples = samples,
                                  .network = network,
                                  .features = features,
                                  .images = {.samples = samples, .residency = residency->count > 0 ? residency : NULL}};
  if (network->kept.width > 0)
    runner->kept = (struct assay_source){.samples = &features->samples, .residency = network->kept.resident ? &features->residency : NULL};
  const uint32_t largest = network->facts.piece > 0 ? network->facts.piece : network->batch;
  runner->capacity = largest > network->facts.evaluation_batch ? largest : network->facts.evaluation_batch;
  int code = make_host(runner, status);
  if (code == 0) code = assay_session_compile(session, network->program, &runner->executable, status);
  if (code == 0) code = take_memory(runner, status);
  if (code == 0) code = runner->backend->store_create(runner->executable, &runner->store, status);
  if (code == 0) code = runner->backend->store_create(runner->executable, &runner->best, status);
  if (code == 0) code = make_buffers(runner, status);
  if (code == 0) code = write_first(runner, status);
  if (code != 0) assay_runner_release(runner);
  return code;
}

void assay_runner_release(struct assay_runner *runner) {
  const struct assay_backend *backend = runner->backend;
  if (backend == NULL) return;
  struct wanted wanted[BUFFERS];
  list_buffers(runner, wanted);
  for (int i = 0; i < BUFFERS; i++)
    if (*wanted[i].buffer != NULL) backend->buffer_release(*wanted[i].buffer);
  if (runner->best != NULL) backend->store_release(runner->best);
  if (runner->store != NULL) backend->store_release(runner->store);
  assay_stream_release(runner->images.stream);
  assay_stream_release(runner->kept.stream);
  assay_session_give_back(runner->session, runner->taken);
  free(runner->host_indices);
  free(runner->host_options);
  free(runner->host_weights);
  free(runner->host_keys);
  free(runner->uses);
  free(runner->host_logits);
  free(runner->host_losses);
  *runner = (struct assay_runner){.store = NULL};
}

static uint64_t variable_size(const struct assay_variable *variable) {
  return (uint64_t)assay_element_count(&variable->type) * assay_dtype_size(variable->type.dtype);
}

static int write_normalisation(struct assay_runner *runner, const double *mean, const double *deviation, struct assay_status *status) {
  float means[4] = {0}, scales[4] = {0};
  for (uint32_t channel = 0; channel < runner->samples->channels; channel++) {
    means[channel] = (float)mean[channel];
    scales[channel] = (float)(1 / deviation[channel]);
  }
  const int code = runner->backend->store_write(runner->store, runner->network->mean, means, status);
  return code != 0 ? code : runner->backend->store_write(runner->store, runner->network->scale, scales, status);
}

int assay_runner_initialise(struct assay_runner *runner, uint64_t seed, const double *mean, const double *deviation, struct assay_status *status) {
  const struct assay_program *program = runner->network->program;
  int code = 0;
  for (uint32_t i = 0; code == 0 && i < program->variable_count; i++) {
    void *data = malloc(variable_size(program->variables[i]));
    if (data == NULL) code = assay_status_memory(status);
    else if (assay_pretrained_has(runner->pretrained, i)) assay_pretrained_fill(runner->pretrained, i, data);
    else code = assay_variable_initialise(assay_program_variable(runner->network->builder, i), seed, data, status);
    if (code == 0) code = runner->backend->store_write(runner->store, i, data, status);
    free(data);
  }
  runner->updates = 0;
  return code != 0 ? code : write_normalisation(runner, mean, deviation, status);
}

/* Part of the model: a parameter or a statistic. */
static bool is_kept(const struct assay_variable *variable) { return variable->role != ASSAY_ROLE_OPTIMIZER && variable->role != ASSAY_ROLE_METRIC; }

int assay_runner_load(struct assay_runner *runner, const struct assay_weights *weights, struct assay_status *status) {
  const struct assay_program *program = runner->network->program;
  int code = 0;
  for (uint32_t i = 0, k = 0; code == 0 && i < program->variable_count; i++) {
    const struct assay_variable *variable = program->variables[i];
    if (!is_kept(variable)) continue;
    if (k >= weights->count || weights->sizes[k] != variable_size(variable))
      return assay_status_set(status, ASSAY_E_CONFIG, "%s has another size at %ux%u than in the stage before; a network for [stages] must not depend on the size of images: put "
                              "global_avg_pool before the classifier", variable->name, runner->samples->width, runner->samples->height);
    if (i != runner->network->mean && i != runner->network->scale) code = runner->backend->store_write(runner->store, i, weights->data[k], status);
    k++;
  }
  return code;
}

int assay_runner_begin(struct assay_runner *runner, struct assay_status *status) {
  const struct assay_program *program = runner->network->program;
  int code = 0;
  for (uint32_t i = 0; code == 0 && i < program->variable_count; i++) {
    const int32_t average = runner->network->averages[i];
    void *data = average < 0 ? NULL : malloc(variable_size(program->variables[i]));
    if (average < 0) continue;
    code = data == NULL ? assay_status_memory(status) : runner->backend->store_read(runner->store, i, data, status);
    if (code == 0) code = runner->backend->store_write(runner->store, (uint32_t)average, data, status);
    free(data);
  }
  runner->phase = 0;
  return code;
}

int assay_runner_enter_phase(struct assay_runner *runner, uint32_t phase, struct assay_status *status) {
  const struct assay_program *program = runner->network->program;
  int code = 0;
  for (uint32_t i = 0; code == 0 && i < program->variable_count; i++) {
    bool average = false;
    for (uint32_t k = 0; k < program->variable_count; k++) average = average || runner->network->averages[k] == (int32_t)i;
    if (program->variables[i]->role != ASSAY_ROLE_OPTIMIZER || average) continue;
    void *zeros = calloc(1, variable_size(program->variables[i]));
    code = zeros == NULL ? assay_status_memory(status) : runner->backend->store_write(runner->store, i, zeros, status);
    free(zeros);
  }
  runner->phase = phase;
  runner->updates = 0;
  return code;
}

/* What a function is fed. */
static const struct assay_source *source_of(const struct assay_runner *runner, uint32_t function) {
  return assay_network_reads_kept(runner->network, function) ? &runner->kept : &runner->images;
}
static struct assay_buffer *pixels_of(const struct assay_source *source) { return source->residency != NULL ? source->residency->pixels : source->pixels; }
static struct assay_buffer *labels_of(const struct assay_source *source) { return source->residency != NULL ? source->residency->labels : source->labels; }

/* Batches of the numbers in pieces come next, for feed_batch. */
static int begin_batches(const struct assay_source *source, const uint32_t *numbers, uint32_t count, uint32_t batch, uint32_t piece,
                         struct assay_status *status) {
  return is_sent(source) ? assay_stream_begin(source->stream, numbers, count, batch, piece, status) : 0;
}

/* Pixels and labels of the next batch: rows of the residency, or the bytes themselves. Samples past `count` are repeats or zeros that nobody reads. */
static int feed_batch(struct assay_runner *runner, const struct assay_source *source, const uint32_t *numbers, uint32_t count, uint32_t batch,
                      struct assay_status *status) {
  const struct assay_backend *backend = runner->backend;
  if (!is_sent(source)) {
    for (uint32_t i = 0; i < batch; i++) runner->host_indices[i] = (int32_t)source->residency->rows[numbers[i < count ? i : 0]];
    return backend->buffer_write(runner->indices, 0, runner->host_indices, batch * sizeof(int32_t), status);
  }
  const uint8_t *pixels;
  const int32_t *labels;
  assay_stream_next(source->stream, &pixels, &labels);
  const int code = backend->buffer_write(source->pixels, 0, pixels, batch * assay_samples_bytes(source->samples), status);
  return code != 0 ? code : backend->buffer_write(source->labels, 0, labels, batch * sizeof(int32_t), status);
}

/* Gradients (and, without pieces, the update) of `count` samples of the epoch, beginning with number `first` of them. The options were written. */
static int submit_samples(struct assay_runner *runner, const struct assay_epoch_task *task, uint32_t first, uint32_t count, struct assay_status *status) {
  const uint32_t *numbers = task->numbers + first;
  const struct assay_backend *backend = runner->backend;
  const int32_t function = assay_network_step_function(runner->network, runner->phase, count);
  if (function < 0) return assay_status_set(status, ASSAY_E_FAILED, "no step was compiled for a batch of %u", count);
  for (uint32_t i = 0; i < count; i++) {
    runner->host_weights[i] = (float)task->class_weights[runner->samples->labels[numbers[i]]];
    assay_sample_key(task->seed, task->epoch, numbers[i], runner->uses[numbers[i]]++, runner->host_keys + 2 * (size_t)i);
  }
  const struct assay_source *source = source_of(runner, (uint32_t)function);
  int code = feed_batch(runner, source, numbers, count, count, status);
  if (code == 0) code = backend->buffer_write(runner->weights, 0, runner->host_weights, count * sizeof(float), status);
  if (code == 0) code = backend->buffer_write(runner->keys, 0, runner->host_keys, count * 2 * sizeof(uint32_t), status);
  struct assay_buffer *const feeds[] = {[ASSAY_FEED_PIXELS] = pixels_of(source),  [ASSAY_FEED_LABELS] = labels_of(source),
                                        [ASSAY_FEED_INDICES] = runner->indices,   [ASSAY_FEED_OPTIONS] = runner->options,
                                        [ASSAY_FEED_WEIGHTS] = runner->weights,   [ASSAY_FEED_KEYS] = runner->keys};
  return code != 0 ? code : backend->run(runner->executable, (uint32_t)function, runner->store, feeds, NULL, status);
}

/* One step on `batch` samples of the epoch, beginning with number `first` of them, in pieces where the network was built for that. */
static int submit_step(struct assay_runner *runner, const struct assay_epoch_task *task, uint32_t first, uint32_t batch, const struct assay_pace *pace,
                       struct assay_status *status) {
  const struct assay_network *network = runner->network;
  const uint32_t piece = network->facts.piece > 0 ? network->facts.piece : batch;
  runner->host_options[0] = (float)++runner->updates;
  if (pace != NULL && network->rate_option >= 0) runner->host_options[network->rate_option] = pace->rate;
  if (pace != NULL && network->momentum_option >= 0) runner->host_options[network->momentum_option] = pace->momentum;
  int code = runner->backend->buffer_write(runner->options, 0, runner->host_options, network->option_count * sizeof(float), status);
  for (uint32_t done = 0, now; code == 0 && done < batch; done += now) {
    now = batch - done < piece ? batch - done : piece;
    code = submit_samples(runner, task, first + done, now, status);
  }
  struct assay_buffer *const feeds[] = {runner->options};
  if (code == 0 && network->facts.piece > 0) code = runner->backend->run(runner->executable, network->phases[runner->phase].update, runner->store, feeds, NULL, status);
  if (code == 0 && runner->updates == 1) assay_log_message(ASSAY_LOG_DEBUG, "the first step of a training is on its way");
  return code;
}

static int reset_sums(struct assay_runner *runner, struct assay_status *status) {
  const float zero = 0;
  int code = 0;
  for (int sum = 0; code == 0 && sum < ASSAY_SUM_COUNT; sum++) code = runner->backend->store_write(runner->store, runner->network->sums[sum], &zero, status);
  return code;
}

static int read_sums(struct assay_runner *runner, uint64_t updates_before, struct assay_epoch_sums *sums, struct assay_status *status) {
  float values[ASSAY_SUM_COUNT];
  int code = 0;
  for (int sum = 0; code == 0 && sum < ASSAY_SUM_COUNT; sum++) code = runner->backend->store_read(runner->store, runner->network->sums[sum], &values[sum], status);
  if (code != 0) return code;
  const double bad = values[ASSAY_SUM_NONFINITE];
  *sums = (struct assay_epoch_sums){values[ASSAY_SUM_LOSS], values[ASSAY_SUM_WEIGHT], values[ASSAY_SUM_CORRECT],
                                    bad > (double)updates_before ? (uint32_t)(bad - (double)updates_before) : 0, 0};
  return 0;
}

static int submit_epoch(struct assay_runner *runner, const struct assay_epoch_task *task, struct assay_status *status) {
  const struct assay_hooks *hooks = task->hooks;
  int code = 0;
  for (uint32_t first = 0, batch; code == 0 && first < task->count; first += batch) {
    if (hooks != NULL && hooks->interrupted != NULL && hooks->interrupted(hooks->context)) return assay_status_set(status, ASSAY_E_INTERRUPTED, "stopped on request");
    batch = task->count - first < runner->network->batch ? task->count - first : runner->network->batch;
    code = submit_step(runner, task, first, batch, task->paces == NULL ? NULL : &task->paces[first / runner->network->batch], status);
  }
  return code;
}

int assay_runner_train(struct assay_runner *runner, const struct assay_epoch_task *task, struct assay_epoch_sums *sums, struct assay_status *status) {
  const uint64_t updates_before = runner->updates;
  const uint32_t batch = runner->network->batch, piece = runner->network->facts.piece > 0 ? runner->network->facts.piece : batch;
  memcpy(runner->host_options, task->options, runner->network->option_count * sizeof(float));
  memset(runner->uses, 0, runner->samples->count * sizeof *runner->uses);
  const struct assay_source *source = source_of(runner, runner->network->phases[runner->phase].first_step); /* all steps of a phase have the same */
  int code = reset_sums(runner, status);
  if (code == 0) code = begin_batches(source, task->numbers, task->count, batch, piece, status);
  if (code == 0) code = submit_epoch(runner, task, status);
  const double waited = assay_stream_end(source->stream);
  if (code == 0) code = read_sums(runner, updates_before, sums, status);
  if (code == 0) sums->waited = waited;
  return code;
}

/* Submits one evaluation into slot 0 or 1. */
static int submit_evaluation(struct assay_runner *runner, const uint32_t *numbers, uint32_t count, int slot, struct assay_status *status) {
  const uint32_t function = runner->network->phases[runner->phase].evaluate;
  const struct assay_source *source = source_of(runner, function);
  const int code = feed_batch(runner, source, numbers, count, runner->network->facts.evaluation_batch, status);
  struct assay_buffer *const feeds[] = {[ASSAY_FEED_PIXELS] = pixels_of(source),
                                        [ASSAY_FEED_LABELS] = labels_of(source),
                                        [ASSAY_FEED_INDICES] = runner->indices,
                                        [ASSAY_FEED_OPTIONS] = runner->options};
  struct assay_buffer *const fetches[] = {[ASSAY_FETCH_LOGITS] = runner->logits[slot], [ASSAY_FETCH_LOSSES] = runner->losses[slot]};
  return code != 0 ? code : runner->backend->run(runner->executable, function, runner->store, feeds, fetches, status);
}

static int collect_evaluation(struct assay_runner *runner, uint32_t count, int slot, double *scores, double *losses, struct assay_status *status) {
  const struct assay_network *network = runner->network;
  const uint32_t classes = network->facts.class_count, logits = network->logit_count;
  int code = runner->backend->buffer_read(runner->logits[slot], 0, runner->host_logits, (uint64_t)count * logits * sizeof(float), status);
  if (code == 0) code = runner->backend->buffer_read(runner->losses[slot], 0, runner->host_losses, count * sizeof(float), status);
  for (uint32_t i = 0; code == 0 && i < count; i++) {
    assay_scores_from_logits(runner->host_logits + (size_t)i * logits, logits, classes, scores + (size_t)i * classes);
    losses[i] = runner->host_losses[i];
  }
  return code;
}

int assay_runner_features(struct assay_runner *runner, const uint32_t *numbers, uint32_t count, const float *options, float *features, struct assay_status *status) {
  const struct assay_backend *backend = runner->backend;
  const struct assay_network *network = runner->network;
  const uint32_t batch = network->facts.evaluation_batch;
  const uint64_t size = network->kept.width;
  struct assay_buffer *made = NULL;
  int code = backend->buffer_create(assay_session_device(runner->session), size * batch * sizeof(float), &made, status);
  if (code == 0) code = backend->buffer_write(runner->options, 0, options, network->option_count * sizeof(float), status);
  if (code == 0) code = begin_batches(&runner->images, numbers, count, batch, batch, status);
  for (uint32_t first = 0, now; code == 0 && first < count; first += now) {
    now = count - first < batch ? count - first : batch;
    code = feed_batch(runner, &runner->images, numbers + first, now, batch, status);
    struct assay_buffer *const feeds[] = {[ASSAY_FEED_PIXELS] = pixels_of(&runner->images),
                                          [ASSAY_FEED_LABELS] = labels_of(&runner->images),
                                          [ASSAY_FEED_INDICES] = runner->indices,
                                          [ASSAY_FEED_OPTIONS] = runner->options};
    if (code == 0) code = backend->run(runner->executable, network->kept.function, runner->store, feeds, &made, status);
    if (code == 0) code = backend->buffer_read(made, 0, features + first * size, now * size * sizeof(float), status);
  }
  assay_stream_end(runner->images.stream);
  backend->buffer_release(made);
  return code;
}

int assay_runner_evaluate(struct assay_runner *runner, const uint32_t *numbers, uint32_t count, const float *options, double *scores, double *losses,
                          struct assay_status *status) {
  const uint32_t batch = runner->network->facts.evaluation_batch, classes = runner->network->facts.class_count;
  int code = runner->backend->buffer_write(runner->options, 0, options, runner->network->option_count * sizeof(float), status);
  uint32_t waiting = 0, waiting_first = 0;
  int slot = 0;
  const struct assay_source *source = source_of(runner, runner->network->phases[runner->phase].evaluate);
  if (code == 0) code = begin_batches(source, numbers, count, batch, batch, status);
  for (uint32_t first = 0; code == 0 && first < count; first += batch, slot ^= 1) {
    const uint32_t now = count - first < batch ? count - first : batch;
    code = submit_evaluation(runner, numbers + first, now, slot, status);
    if (code == 0 && waiting > 0)
      code = collect_evaluation(runner, waiting, slot ^ 1, scores + (size_t)waiting_first * classes, losses + waiting_first, status);
    waiting = now;
    waiting_first = first;
  }
  if (code == 0 && waiting > 0) code = collect_evaluation(runner, waiting, slot ^ 1, scores + (size_t)waiting_first * classes, losses + waiting_first, status);
  assay_stream_end(source->stream);
  return code;
}

int assay_runner_keep(struct assay_runner *runner, struct assay_status *status) { return runner->backend->store_copy(runner->best, runner->store, status); }

int assay_runner_weights(struct assay_runner *runner, bool kept, struct assay_arena *arena, const struct assay_weights **weights, struct assay_status *status) {
  const struct assay_program *program = runner->network->program;
  struct assay_weights *made = ASSAY_NEW(arena, struct assay_weights);
  const uint8_t **data = ASSAY_NEW_ARRAY(arena, const uint8_t *, program->variable_count);
  uint64_t *sizes = ASSAY_NEW_ARRAY(arena, uint64_t, program->variable_count);
  if (made == NULL || data == NULL || sizes == NULL) return assay_status_memory(status);
  *made = (struct assay_weights){0, sizes, data};
  for (uint32_t i = 0; i < program->variable_count; i++) {
    const struct assay_variable *variable = program->variables[i];
    if (!is_kept(variable)) continue;
    sizes[made->count] = variable_size(variable);
    uint8_t *copy = ASSAY_NEW_ARRAY(arena, uint8_t, sizes[made->count]);
    if (copy == NULL) return assay_status_memory(status);
    const int32_t average = runner->network->averages[i];
    const int code = runner->backend->store_read(kept ? runner->best : runner->store, average >= 0 ? (uint32_t)average : i, copy, status);
    if (code != 0) return code;
    data[made->count++] = copy;
  }
  *weights = made;
  return 0;
}
