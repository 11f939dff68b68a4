/* SPDX-License-Identifier: MIT
 *
 * Times training steps, or inference, of a network on one device. The graph is composed here, with the ops that layers and optimizers use.
 *   student   blocks of convolution, activation and max pooling with channels doubling, one logit, binary cross-entropy, Adam
 *   resnet18  the shape of ResNet-18 (He et al., 2016): batch norm after each convolution, 1000 classes, softmax cross-entropy, Adam
 *   gemm      a product of two square matrices of `size`
 *
 *   bench/step [--backend cpu] [--threads 1] [--channels 16] [--blocks 2] [--kernel 3] [--pool 2] [--activation relu] [--batch 16]
 *              [--height 30] [--width 60] [--steps 200] [--clock wall|thread]
 *              [--network student] [--training 1] [--size 1024] [--device ID]
 *              [--profile 0|1] [--gflops PEAK] [--gbytes PEAK]
 *
 * The thread's own clock makes sense with one thread on a busy machine. Prints one JSON object: milliseconds a step (median, minimum), the
 * loss of the first and the last step, the GFLOP of a step's products (multiply-adds count two), and from a backend that only submits its work:
 * the launches of a step and the median of the processor time that this thread itself takes to submit one, driver included.
 *
 * --profile 1, on OpenCL: behind it a line a launch, the slowest first: its best time by the device's clock, its share of all of them, the bytes that it moves at least (each of its
 * tensors once) and the multiply-adds of its product, per second and as a share of the device's peaks, which bench/peak measures; the larger share counts.
 */
#include "base/arena.h"
#include "base/options.h"
#include "base/log.h"
#include "graph/graph.h"
#include "graph/session.h"
#include "plugin/registry.h"
#include "variables.h"

#include <assay/random.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_PARAMETERS = 128 };

struct settings {
  const char *backend, *activation, *threads, *clock, *network, *device;
  const char *gflops, *gbytes; /* peaks; 0: not known */
  int64_t profile;
  int64_t channels, blocks, kernel, pool, batch, height, width, steps, training, size;
};

/* ---- The network ---- */

struct network {
  struct assay_builder *b;
  assay_value parameters[MOST_PARAMETERS];
  uint32_t count;
  char place[32];    /* the block at hand */
  double operations; /* of the products of a step */
};

static bool is_network(const struct settings *s, const char *name) { return strcmp(s->network, name) == 0; }

/* Where the ops that follow come from, for profiles. */
static void enter(struct network *network, const char *kind, int first, int second) {
  if (second < 0) snprintf(network->place, sizeof network->place, "%s%d", kind, first);
  else snprintf(network->place, sizeof network->place, "%s%d.%d", kind, first, second);
  assay_builder_scope(network->b, network->place, NULL);
}

static assay_value parameter(struct network *network, const char *kind, int rank, const int64_t *extents, uint32_t initialiser, double argument) {
  char name[32];
  snprintf(name, sizeof name, "%s%u", kind, network->count);
  assay_builder_scope(network->b, NULL, NULL); /* names decide first values, and are the same wherever a parameter is */
  const assay_value value =
    assay_parameter(network->b, name, rank, extents, initialiser, argument, strcmp(kind, "bias") == 0 ? ASSAY_ROLE_BIAS : ASSAY_ROLE_WEIGHT);
  network->parameters[network->count++] = value;
  assay_builder_scope(network->b, network->place, NULL);
  return value;
}

static assay_value activate(struct assay_builder *b, const char *activation, assay_value x) {
  if (strcmp(activation, "none") == 0) return x;
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

/* ---- The shape of ResNet-18 ---- */

static assay_value convolve(struct network *network, assay_value x, int64_t channels, int64_t kernel, int64_t stride) {
  struct assay_builder *b = network->b;
  const int64_t padding = kernel / 2, weights[4] = {channels, assay_extent(b, x, 1), kernel, kernel};
  const struct assay_conv2d_attributes attributes = {
    .stride = {stride, stride}, .dilation = {1, 1}, .pad_low = {padding, padding}, .pad_high = {padding, padding}, .groups = 1};
  const assay_value y = assay_conv2d(b, x, parameter(network, "weight", 4, weights, ASSAY_INIT_HE_NORMAL, 0), &attributes);
  network->operations += 2 * (double)assay_element_count(assay_type(b, y)) * (double)(weights[1] * kernel * kernel);
  return y;
}

/* By the batch's own mean and variance, in inference by running ones. */
static assay_value normalise(struct network *network, bool training, assay_value x) {
  struct assay_builder *b = network->b;
  const int64_t channels = assay_extent(b, x, 1);
  const struct assay_epsilon_attributes attributes = {1e-5};
  assay_value inputs[5] = {x, parameter(network, "scale", 1, &channels, ASSAY_INIT_CONSTANT, 1), parameter(network, "bias", 1, &channels, ASSAY_INIT_CONSTANT, 0)};
  if (training) return b->host->emit(b, ASSAY_OP_BATCH_NORM_TRAINING, inputs, 3, &attributes, sizeof attributes);
  inputs[3] = parameter(network, "bias", 1, &channels, ASSAY_INIT_CONSTANT, 0);
  inputs[4] = parameter(network, "scale", 1, &channels, ASSAY_INIT_CONSTANT, 1);
  return b->host->emit(b, ASSAY_OP_BATCH_NORM_INFERENCE, inputs, 5, &attributes, sizeof attributes);
}

static assay_value residual_block(struct network *network, bool training, assay_value x, int64_t channels, int64_t stride) {
  struct assay_builder *b = network->b;
  const assay_value first = assay_relu(b, normalise(network, training, convolve(network, x, channels, 3, stride)));
  const assay_value second = normalise(network, training, convolve(network, first, channels, 3, 1));
  const bool same = stride == 1 && assay_extent(b, x, 1) == channels;
  return assay_relu(b, assay_add(b, second, same ? x : normalise(network, training, convolve(network, x, channels, 1, stride))));
}

/* To logits [N, 1000]. */
static assay_value resnet(struct network *network, bool training, assay_value x) {
  struct assay_builder *b = network->b;
  const struct assay_pool2d_attributes pooling = {.kernel = {3, 3}, .stride = {2, 2}, .pad_low = {1, 1}, .pad_high = {1, 1}};
  enter(network, "stem", 0, -1);
  x = assay_max_pool2d(b, assay_relu(b, normalise(network, training, convolve(network, x, 64, 7, 2))), &pooling);
  for (int stage = 0; stage < 4; stage++)
    for (int i = 0; i < 2; i++) {
      enter(network, "stage", stage, i);
      x = residual_block(network, training, x, INT64_C(64) << stage, stage > 0 && i == 0 ? 2 : 1);
    }
  enter(network, "classifier", 0, -1);
  const int64_t weights[2] = {1000, 512};
  x = assay_mean(b, x, 1u << 2 | 1u << 3, 0);
  network->operations += 2 * (double)assay_extent(b, x, 0) * 512 * 1000;
  return assay_add(b, assay_matmul(b, x, parameter(network, "weight", 2, weights, ASSAY_INIT_HE_UNIFORM, sqrt(5)), 0, 1),
                   parameter(network, "bias", 1, weights, ASSAY_INIT_CONSTANT, 0));
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

static assay_value student(struct network *network, const struct settings *s, assay_value x) {
  for (int64_t i = 0; i < s->blocks; i++) {
    network->operations += 2 * (double)(s->batch * (s->channels << i) * assay_extent(network->b, x, 1) * s->kernel * s->kernel) *
                           (double)(assay_extent(network->b, x, 2) * assay_extent(network->b, x, 3));
    enter(network, "block", (int)i, -1);
    x = block(network, s, x, s->channels << i);
  }
  enter(network, "classifier", 0, -1);
  return classify(network, x);
}

/* The product alone; its fetch is a number, as every network's. */
static int build_product(const struct settings *s, struct assay_program_builder *program, struct assay_status *status) {
  struct assay_builder *b = assay_function_begin(program, "step");
  struct network network = {.b = b};
  const int64_t square[2] = {s->size, s->size}, five = 5;
  const assay_value left = parameter(&network, "weight", 2, square, ASSAY_INIT_UNIFORM, 1), right = parameter(&network, "weight", 2, square, ASSAY_INIT_UNIFORM, 1);
  const assay_value to = assay_state(b, "result", assay_type(b, left), 0, ASSAY_ROLE_METRIC);
  const assay_value vector = assay_function_feed(b, ASSAY_F32, 1, &five);
  assay_assign(b, to, assay_matmul(b, left, right, 0, 0));
  assay_function_fetch(b, assay_reshape(b, assay_slice(b, vector, 0, 1, 2), 0, NULL));
  return assay_function_end(b, status);
}

static bool is_product(const struct settings *s) { return is_network(s, "gemm"); }

/* Feeds: images f32 [N, H, W, 3], targets f32 [N, 1] or [N, 1000], options f32 [5]. Fetch: the mean loss. `operations`: of a step. */
static int build(const struct settings *s, struct assay_program_builder *program, double *operations, struct assay_status *status) {
  *operations = 2.0 * (double)s->size * (double)s->size * (double)s->size;
  if (is_product(s)) return build_product(s, program, status);
  struct assay_builder *b = assay_function_begin(program, "step");
  struct network network = {.b = b};
  const int64_t images[4] = {s->batch, s->height, s->width, 3}, targets[2] = {s->batch, is_network(s, "resnet18") ? 1000 : 1}, five = 5;
  const int32_t channels_first[4] = {0, 3, 1, 2};
  assay_value x = assay_transpose(b, assay_function_feed(b, ASSAY_F32, 4, images), channels_first);
  const assay_value target = assay_function_feed(b, ASSAY_F32, 2, targets), vector = assay_function_feed(b, ASSAY_F32, 1, &five);
  const bool deep = is_network(s, "resnet18");
  const assay_value logits = deep ? resnet(&network, s->training, x) : student(&network, s, x);
  assay_builder_scope(b, NULL, NULL);
  const assay_value losses = deep ? assay_softmax_cross_entropy(b, logits, target) : assay_sigmoid_cross_entropy(b, logits, target);
  const assay_value loss = assay_mean(b, losses, (1u << assay_type(b, losses)->rank) - 1, 0);
  assay_value gradients[MOST_PARAMETERS], options[5];
  *operations = network.operations * (s->training ? 3 : 1);
  if (s->training) {
    assay_builder_gradient(b, loss, network.parameters, network.count, gradients);
    for (int i = 0; i < 5; i++) options[i] = assay_reshape(b, assay_slice(b, vector, 0, i, i + 1), 0, NULL);
    for (uint32_t i = 0; i < network.count; i++) adam(b, network.parameters[i], gradients[i], options, i);
  }
  assay_function_fetch(b, loss);
  return assay_function_end(b, status);
}

/* ---- Running ---- */

static int launches; /* of a step, as the backend says when it compiles; 0: it says nothing */

/* What a launch costs, as the backend tells with its option `profile`. */
struct cost {
  char kernel[64], layer[104];
  double microseconds, bytes, operations;
};
enum { MOST_COSTS = 1024 };
static struct cost costs[MOST_COSTS];
static int cost_count;

static void listen(void *context, int level, const char *message) {
  (void)context;
  if (level == ASSAY_LOG_WARNING) fprintf(stderr, "%s\n", message);
  int count;
  struct cost cost;
  if (sscanf(message, "opencl: function step: %d launches", &count) == 1) launches = count;
  if (cost_count < MOST_COSTS &&
      sscanf(message, "opencl: cost %*s %*d %63s %103s %lf %lf %lf", cost.kernel, cost.layer, &cost.microseconds, &cost.bytes, &cost.operations) == 5)
    costs[cost_count++] = cost;
}

static int slowest_first(const void *a, const void *b) {
  const double x = ((const struct cost *)a)->microseconds, y = ((const struct cost *)b)->microseconds;
  return (x < y) - (x > y);
}

static double share(double amount, double microseconds, double peak) { return peak > 0 ? 100 * amount * 1e-3 / microseconds / peak : 0; }

static void print_costs(const struct settings *s) {
  double all = 0;
  for (int i = 0; i < cost_count; i++) all += costs[i].microseconds;
  qsort(costs, (size_t)cost_count, sizeof *costs, slowest_first);
  printf("%10s %6s %10s %8s %9s %8s %7s  %-22s %s\n", "us", "%", "KiB", "GB/s", "MFLOP", "GFLOP/s", "% peak", "kernel", "layer");
  for (int i = 0; i < cost_count; i++) {
    const struct cost *c = &costs[i];
    const double moved = share(c->bytes, c->microseconds, atof(s->gbytes)), computed = share(c->operations, c->microseconds, atof(s->gflops));
    printf("%10.1f %6.1f %10.1f %8.2f %9.3f %8.2f %7.1f  %-22s %s\n", c->microseconds, 100 * c->microseconds / all, c->bytes / 1024, c->bytes * 1e-3 / c->microseconds,
           c->operations * 1e-6, c->operations * 1e-3 / c->microseconds, moved > computed ? moved : computed, c->kernel, c->layer);
  }
}

struct bench {
  const struct assay_backend *backend;
  struct assay_executable *executable;
  struct assay_store *store;
  struct assay_buffer *feeds[3], *fetch;
};

static int prepare(struct bench *bench, const struct settings *s, struct assay_session *session, struct assay_status *status) {
  struct assay_device *device = assay_session_device(session);
  const int64_t pixels = s->batch * s->height * s->width * 3;
  const int64_t targets = s->batch * (is_network(s, "resnet18") ? 1000 : 1);
  const uint64_t sizes[3] = {(uint64_t)pixels * sizeof(float), (uint64_t)targets * sizeof(float), 5 * sizeof(float)};
  if (is_product(s)) {
    const int error = bench->backend->buffer_create(device, sizeof(float), &bench->fetch, status);
    return error ? error : bench->backend->buffer_create(device, sizes[2], &bench->feeds[0], status);
  }
  float *data = malloc(sizes[0] + sizes[1]);
  if (data == NULL) return ASSAY_E_MEMORY;
  struct assay_random random = assay_random_seed(1, 0);
  for (int64_t i = 0; i < pixels; i++) data[i] = (float)(2 * assay_random_uniform(&random) - 1);
  for (int64_t i = 0; i < targets; i++) /* one class of the 1000 a sample, or zeros and ones */
    data[pixels + i] = is_network(s, "resnet18") ? (float)(i % 1000 == i / 1000 % 1000) : assay_random_uniform(&random) < 0.5 ? 0.f : 1.f;
  int error = bench->backend->buffer_create(device, sizeof(float), &bench->fetch, status);
  for (int f = 0; f < 3 && !error; f++) error = bench->backend->buffer_create(device, sizes[f], &bench->feeds[f], status);
  if (!error) error = bench->backend->buffer_write(bench->feeds[0], 0, data, sizes[0], status);
  if (!error) error = bench->backend->buffer_write(bench->feeds[1], 0, data + pixels, sizes[1], status);
  free(data);
  return error;
}

static double milliseconds(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

static double thread_time(void) { return milliseconds(CLOCK_THREAD_CPUTIME_ID); }
static double now(const struct settings *s) { return strcmp(s->clock, "thread") == 0 ? thread_time() : milliseconds(CLOCK_MONOTONIC); }

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static int measure(const struct bench *bench, const struct settings *s, double operations, struct assay_session *session, struct assay_status *status) {
  double *times = calloc((size_t)s->steps, 2 * sizeof *times), *host_times = times + s->steps;
  if (times == NULL) return ASSAY_E_MEMORY;
  float first = 0, last = 0;
  int error = 0;
  for (int64_t i = 0; i < s->steps && !error; i++) {
    const float options[5] = {(float)(i + 1), 1e-3f, 0.9f, 0.999f, 1e-8f};
    const double start = now(s), host_start = thread_time();
    error = bench->backend->buffer_write(bench->feeds[is_product(s) ? 0 : 2], 0, options, sizeof options, status);
    if (!error) error = bench->backend->run(bench->executable, 0, bench->store, bench->feeds, &bench->fetch, status);
    host_times[i] = thread_time() - host_start;
    if (!error) error = bench->backend->sync(assay_session_device(session), status);
    times[i] = now(s) - start;
    if (!error && (i == 0 || i + 1 == s->steps)) error = bench->backend->buffer_read(bench->fetch, 0, i == 0 ? &first : &last, sizeof first, status);
  }
  if (!error) {
    if (s->steps == 1) last = first;
    const int64_t warm = s->steps / 5;
    qsort(times + warm, (size_t)(s->steps - warm), sizeof *times, ascending);
    qsort(host_times + warm, (size_t)(s->steps - warm), sizeof *times, ascending);
    printf("{\"median_ms\": %.4f, \"minimum_ms\": %.4f, \"first_loss\": %.7g, \"last_loss\": %.7g, \"gflop\": %.6g", times[warm + (s->steps - warm) / 2], times[warm], first, last,
           operations * 1e-9);
    if (launches > 0) printf(", \"host_ms\": %.4f, \"launches\": %d", host_times[warm + (s->steps - warm) / 2], launches);
    printf("}\n");
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
  struct assay_arena *arena = assay_arena_create();
  if (arena == NULL) return ASSAY_E_MEMORY;
  struct assay_option_value values[8];
  const struct assay_option_value *pointers[9] = {NULL};
  for (uint32_t i = 0; plugin->options && plugin->options[i] && i < 8; i++) {
    const char *text = strcmp(plugin->options[i]->name, "threads") == 0 ? s->threads
                       : strcmp(plugin->options[i]->name, "profile") == 0 ? (s->profile ? "1" : "0")
                                                                          : plugin->options[i]->default_text;
    if (!error) error = assay_option_parse(plugin->options[i], text, arena, &values[i], status);
    pointers[i] = &values[i];
  }
  struct assay_session *session = NULL;
  struct assay_program_builder *builder = assay_program_begin();
  const struct assay_program *program = NULL;
  struct bench bench = {0};
  double operations = 0;
  if (!error) error = builder == NULL ? ASSAY_E_MEMORY : build(s, builder, &operations, status);
  if (!error) error = assay_program_finish(builder, &program, status);
  if (!error) error = assay_session_open(plugin, pointers, s->device[0] ? s->device : NULL, &session, status);
  if (!error) bench.backend = assay_session_backend(session);
  if (!error) error = assay_session_compile(session, program, &bench.executable, status);
  if (!error) error = bench.backend->store_create(bench.executable, &bench.store, status);
  if (!error) error = bench_fill_variables(bench.backend, bench.store, builder, status);
  if (!error) error = prepare(&bench, s, session, status);
  if (!error) error = measure(&bench, s, operations, session, status);
  if (session) {
    bench.backend->buffer_release(bench.fetch);
    for (int f = 0; f < 3; f++) bench.backend->buffer_release(bench.feeds[f]);
    bench.backend->store_release(bench.store);
    assay_session_close(session);
  }
  if (builder) assay_program_release(builder);
  assay_registry_release(registry);
  assay_arena_release(arena);
  return error;
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "probe-plugin") == 0) return assay_plugin_probe_main(argv[2]); /* modules outside of $(pkglibdir) are tried out first */
  struct settings s = {.backend = "cpu",
                       .activation = "relu",
                       .threads = "1",
                       .clock = "wall",
                       .network = "student",
                       .device = "",
                       .gflops = "0",
                       .gbytes = "0",
                       .training = 1,
                       .size = 1024,
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
               {"--width", &s.width, NULL},       {"--steps", &s.steps, NULL},     {"--clock", NULL, &s.clock},
               {"--network", NULL, &s.network},   {"--device", NULL, &s.device},   {"--training", &s.training, NULL}, {"--size", &s.size, NULL},         {"--profile", &s.profile, NULL},
               {"--gflops", NULL, &s.gflops},
               {"--gbytes", NULL, &s.gbytes}};
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
  if (!is_product(&s) && !is_network(&s, "student") && !is_network(&s, "resnet18")) {
    fprintf(stderr, "--network is student, resnet18 or gemm\n");
    return 2;
  }
  if (s.blocks < 1 || s.blocks > 8 || s.channels < 1 || s.kernel < 1 || s.pool < 1 || s.batch < 1 || s.size < 1 || s.height < 1 || s.width < 1 || s.steps < 1) {
    fprintf(stderr, "numbers must be positive, and blocks at most 8\n");
    return 2;
  }
  struct assay_status status = {0, {0}};
  assay_log_set(listen, NULL);
  const int error = run(&s, &status);
  if (cost_count > 0) print_costs(&s);
  if (error) fprintf(stderr, "%s\n", status.message[0] ? status.message : "out of memory");
  return error ? 1 : 0;
}
