/* SPDX-License-Identifier: MIT
 *
 * Times training steps of a small convolutional network on one backend: blocks of convolution, activation and max pooling with
 * channels doubling, one logit, binary cross-entropy, Adam. The graph is composed here, with the ops that layers and optimizers use.
 *
 *   bench/step [--backend cpu] [--threads 1] [--channels 16] [--blocks 2] [--kernel 3] [--pool 2] [--activation relu] [--batch 16]
 *              [--height 30] [--width 60] [--steps 200] [--clock wall|thread]
 *
 * The thread's own clock makes sense with one thread on a busy machine. Prints one JSON object: milliseconds a step (median, minimum), and
 * the loss of the first and the last step.
 */
#include "base/arena.h"
#include "graph/graph.h"
#include "graph/session.h"
#include "plugin/registry.h"

#include <assay/random.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_PARAMETERS = 32 };

struct settings {
  const char *backend, *activation, *threads, *clock;
  int64_t channels, blocks, kernel, pool, batch, height, width, steps;
};

/* ---- The network ---- */

struct network {
  struct assay_builder *b;
  assay_value parameters[MOST_PARAMETERS];
  uint32_t count;
};

static assay_value parameter(struct network *network, const char *kind, int rank, const int64_t *extents, uint32_t initialiser, double argument) {
  char name[32];
  snprintf(name, sizeof name, "%s%u", kind, network->count);
  const assay_value value =
    assay_parameter(network->b, name, rank, extents, initialiser, argument, strcmp(kind, "bias") == 0 ? ASSAY_ROLE_BIAS : ASSAY_ROLE_WEIGHT);
  network->parameters[network->count++] = value;
  return value;
}

static assay_value activate(struct assay_builder *b, const char *activation, assay_value x) {
  if (strcmp(activation, "tanh") == 0) return assay_tanh(b, x);
  if (strcmp(activation, "leaky_relu") == 0) return assay_select(b, assay_less(b, x, assay_number(b, x, 0)), assay_mul(b, x, assay_number(b, x, 0.01)), x);
  return assay_relu(b, x);
}

static assay_value block(struct network *network, const struct settings *s, assay_value x, int64_t channels) {
  struct assay_builder *b = network->b;
  const int64_t padding = (s->kernel - 1) / 2, weights[4] = {channels, assay_extent(b, x, 1), s->kernel, s->kernel}, beside[4] = {1, channels, 1, 1};
  const struct assay_conv2d_attributes convolution = {
    .stride = {1, 1}, .dilation = {1, 1}, .pad_low = {padding, padding}, .pad_high = {padding, padding}, .groups = 1};
  const struct assay_pool2d_attributes pooling = {.kernel = {s->pool, s->pool}, .stride = {2, 2}};
  const assay_value w = parameter(network, "weight", 4, weights, ASSAY_INIT_HE_UNIFORM, sqrt(5));
  const assay_value bias = parameter(network, "bias", 1, &channels, ASSAY_INIT_CONSTANT, 0);
  x = assay_add(b, assay_conv2d(b, x, w, &convolution), assay_reshape(b, bias, 4, beside));
  return assay_max_pool2d(b, activate(b, s->activation, x), &pooling);
}

static assay_value classify(struct network *network, assay_value x) {
  struct assay_builder *b = network->b;
  const int64_t flat[2] = {assay_extent(b, x, 0), assay_extent(b, x, 1) * assay_extent(b, x, 2) * assay_extent(b, x, 3)}, one = 1;
  const int64_t weights[2] = {1, flat[1]};
  const assay_value w = parameter(network, "weight", 2, weights, ASSAY_INIT_HE_UNIFORM, sqrt(5));
  const assay_value bias = parameter(network, "bias", 1, &one, ASSAY_INIT_CONSTANT, 0);
  return assay_add(b, assay_matmul(b, assay_reshape(b, x, 2, flat), w, 0, 1), bias);
}

static assay_value towards(struct assay_builder *b, assay_value from, assay_value to, assay_value share) {
  return assay_add(b, from, assay_mul(b, assay_sub(b, to, from), share));
}

/* Kingma and Ba, 2015. Options: step, rate, beta1, beta2, epsilon. */
static void adam(struct assay_builder *b, assay_value parameter_value, assay_value gradient, const assay_value *options, uint32_t index) {
  char name[32];
  const assay_value one = assay_number(b, options[0], 1);
  snprintf(name, sizeof name, "mean%u", index);
  const assay_value last_mean = assay_state(b, name, assay_type(b, parameter_value), 0, ASSAY_ROLE_OPTIMIZER);
  snprintf(name, sizeof name, "square%u", index);
  const assay_value last_square = assay_state(b, name, assay_type(b, parameter_value), 0, ASSAY_ROLE_OPTIMIZER);
  const assay_value mean = towards(b, last_mean, gradient, assay_sub(b, one, options[2]));
  const assay_value square = towards(b, last_square, assay_mul(b, gradient, gradient), assay_sub(b, one, options[3]));
  assay_assign(b, last_mean, mean);
  assay_assign(b, last_square, square);
  const assay_value correction1 = assay_sub(b, one, assay_pow(b, options[2], options[0])),
                    correction2 = assay_sub(b, one, assay_pow(b, options[3], options[0]));
  const assay_value denominator = assay_add(b, assay_mul(b, assay_sqrt(b, square), assay_div(b, one, assay_sqrt(b, correction2))), options[4]);
  assay_assign(b, parameter_value, assay_sub(b, parameter_value, assay_mul(b, assay_div(b, mean, denominator), assay_div(b, options[1], correction1))));
}

/* Feeds: images f32 [N, H, W, 3], targets f32 [N, 1], options f32 [5]. Fetch: the mean loss. */
static int build(const struct settings *s, struct assay_program_builder *program, struct assay_status *status) {
  struct assay_builder *b = assay_function_begin(program, "step");
  struct network network = {.b = b};
  const int64_t images[4] = {s->batch, s->height, s->width, 3}, targets[2] = {s->batch, 1}, five = 5;
  const int32_t channels_first[4] = {0, 3, 1, 2};
  assay_value x = assay_transpose(b, assay_function_feed(b, ASSAY_F32, 4, images), channels_first);
  const assay_value target = assay_function_feed(b, ASSAY_F32, 2, targets), vector = assay_function_feed(b, ASSAY_F32, 1, &five);
  for (int64_t i = 0; i < s->blocks; i++) x = block(&network, s, x, s->channels << i);
  const assay_value loss = assay_mean(b, assay_sigmoid_cross_entropy(b, classify(&network, x), target), 3, 0);
  assay_value gradients[MOST_PARAMETERS], options[5];
  assay_builder_gradient(b, loss, network.parameters, network.count, gradients);
  for (int i = 0; i < 5; i++) options[i] = assay_reshape(b, assay_slice(b, vector, 0, i, i + 1), 0, NULL);
  for (uint32_t i = 0; i < network.count; i++) adam(b, network.parameters[i], gradients[i], options, i);
  assay_function_fetch(b, loss);
  return assay_function_end(b, status);
}

/* ---- Running ---- */

struct bench {
  const struct assay_backend *backend;
  struct assay_executable *executable;
  struct assay_store *store;
  struct assay_buffer *feeds[3], *fetch;
};

static int fill_variables(const struct bench *bench, const struct assay_program_builder *program, struct assay_status *status) {
  int error = 0;
  for (uint32_t v = 0; v < assay_program_variable_count(program) && !error; v++) {
    const struct assay_variable_definition *definition = assay_program_variable(program, v);
    void *data = calloc((size_t)assay_element_count(&definition->base.type), sizeof(float));
    if (data == NULL) return ASSAY_E_MEMORY;
    error = assay_variable_initialise(definition, 1, data, status);
    if (!error) error = bench->backend->store_write(bench->store, v, data, status);
    free(data);
  }
  return error;
}

static int prepare(struct bench *bench, const struct settings *s, struct assay_session *session, struct assay_status *status) {
  struct assay_device *device = assay_session_device(session);
  const int64_t pixels = s->batch * s->height * s->width * 3;
  const uint64_t sizes[3] = {(uint64_t)pixels * sizeof(float), (uint64_t)s->batch * sizeof(float), 5 * sizeof(float)};
  float *data = malloc(sizes[0] + sizes[1]);
  if (data == NULL) return ASSAY_E_MEMORY;
  struct assay_random random = assay_random_seed(1, 0);
  for (int64_t i = 0; i < pixels; i++) data[i] = (float)(2 * assay_random_uniform(&random) - 1);
  for (int64_t i = 0; i < s->batch; i++) data[pixels + i] = assay_random_uniform(&random) < 0.5 ? 0.f : 1.f;
  int error = bench->backend->buffer_create(device, sizeof(float), &bench->fetch, status);
  for (int f = 0; f < 3 && !error; f++) error = bench->backend->buffer_create(device, sizes[f], &bench->feeds[f], status);
  if (!error) error = bench->backend->buffer_write(bench->feeds[0], 0, data, sizes[0], status);
  if (!error) error = bench->backend->buffer_write(bench->feeds[1], 0, data + pixels, sizes[1], status);
  free(data);
  return error;
}

static double now(const struct settings *s) {
  struct timespec time;
  clock_gettime(strcmp(s->clock, "thread") == 0 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static int measure(const struct bench *bench, const struct settings *s, struct assay_session *session, struct assay_status *status) {
  double *times = calloc((size_t)s->steps, sizeof *times);
  if (times == NULL) return ASSAY_E_MEMORY;
  float first = 0, last = 0;
  int error = 0;
  for (int64_t i = 0; i < s->steps && !error; i++) {
    const float options[5] = {(float)(i + 1), 1e-3f, 0.9f, 0.999f, 1e-8f};
    const double start = now(s);
    error = bench->backend->buffer_write(bench->feeds[2], 0, options, sizeof options, status);
    if (!error) error = bench->backend->run(bench->executable, 0, bench->store, bench->feeds, &bench->fetch, status);
    if (!error) error = bench->backend->sync(assay_session_device(session), status);
    times[i] = now(s) - start;
    if (!error && (i == 0 || i + 1 == s->steps)) error = bench->backend->buffer_read(bench->fetch, 0, i == 0 ? &first : &last, sizeof first, status);
  }
  if (!error) {
    if (s->steps == 1) last = first;
    const int64_t warm = s->steps / 5;
    qsort(times + warm, (size_t)(s->steps - warm), sizeof *times, ascending);
    printf("{\"median_ms\": %.4f, \"minimum_ms\": %.4f, \"first_loss\": %.7g, \"last_loss\": %.7g}\n", times[warm + (s->steps - warm) / 2], times[warm], first,
           last);
  }
  free(times);
  return error;
}

static int run(const struct settings *s, struct assay_status *status) {
  struct assay_registry *registry = NULL;
  const struct assay_plugin *plugin = NULL;
  int error = assay_registry_create(NULL, &registry, status);
  if (!error) error = assay_registry_find(registry, ASSAY_BACKEND, s->backend, &plugin, status);
  if (error) return error;
  struct assay_option_value values[8];
  const struct assay_option_value *pointers[8] = {NULL};
  for (uint32_t i = 0; plugin->options && plugin->options[i] && i < 8; i++) {
    const char *text = strcmp(plugin->options[i]->name, "threads") == 0 ? s->threads : plugin->options[i]->default_text;
    values[i] = (struct assay_option_value){.struct_size = sizeof values[i], .integer = atoll(text), .real = atof(text), .text = text};
    pointers[i] = &values[i];
  }
  struct assay_session *session = NULL;
  struct assay_program_builder *builder = assay_program_begin();
  const struct assay_program *program = NULL;
  struct bench bench = {0};
  error = builder == NULL ? ASSAY_E_MEMORY : build(s, builder, status);
  if (!error) error = assay_program_finish(builder, &program, status);
  if (!error) error = assay_session_open(plugin, pointers, NULL, &session, status);
  if (!error) bench.backend = assay_session_backend(session);
  if (!error) error = assay_session_compile(session, program, &bench.executable, status);
  if (!error) error = bench.backend->store_create(bench.executable, &bench.store, status);
  if (!error) error = fill_variables(&bench, builder, status);
  if (!error) error = prepare(&bench, s, session, status);
  if (!error) error = measure(&bench, s, session, status);
  if (session) {
    bench.backend->buffer_release(bench.fetch);
    for (int f = 0; f < 3; f++) bench.backend->buffer_release(bench.feeds[f]);
    bench.backend->store_release(bench.store);
    assay_session_close(session);
  }
  if (builder) assay_program_release(builder);
  assay_registry_release(registry);
  return error;
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "probe-plugin") == 0) return assay_plugin_probe_main(argv[2]); /* modules outside of $(pkglibdir) are tried out first */
  struct settings s = {.backend = "cpu",
                       .activation = "relu",
                       .threads = "1",
                       .clock = "wall",
                       .channels = 16,
                       .blocks = 2,
                       .kernel = 3,
                       .pool = 2,
                       .batch = 16,
                       .height = 30,
                       .width = 60,
                       .steps = 200};
  const struct {
    const char *name;
    int64_t *number;
    const char **text;
  } flags[] = {{"--backend", NULL, &s.backend},   {"--threads", NULL, &s.threads}, {"--activation", NULL, &s.activation},
               {"--channels", &s.channels, NULL}, {"--blocks", &s.blocks, NULL},   {"--kernel", &s.kernel, NULL},
               {"--pool", &s.pool, NULL},         {"--batch", &s.batch, NULL},     {"--height", &s.height, NULL},
               {"--width", &s.width, NULL},       {"--steps", &s.steps, NULL},     {"--clock", NULL, &s.clock}};
  for (int i = 1; i < argc; i += 2) {
    size_t f = 0;
    while (f < sizeof flags / sizeof *flags && strcmp(argv[i], flags[f].name) != 0) f++;
    if (f == sizeof flags / sizeof *flags || i + 1 == argc) {
      fprintf(stderr, "%s: unknown or without a value; see the top of bench/step.c\n", argv[i]);
      return 2;
    }
    if (flags[f].text) *flags[f].text = argv[i + 1];
    else *flags[f].number = atoll(argv[i + 1]);
  }
  if (s.blocks < 1 || s.blocks > 8 || s.channels < 1 || s.kernel < 1 || s.pool < 1 || s.batch < 1 || s.height < 1 || s.width < 1 || s.steps < 1) {
    fprintf(stderr, "numbers must be positive, and blocks at most 8\n");
    return 2;
  }
  struct assay_status status = {0, {0}};
  const int error = run(&s, &status);
  if (error) fprintf(stderr, "%s\n", status.message[0] ? status.message : "out of memory");
  return error ? 1 : 0;
}
