/* SPDX-License-Identifier: MIT
 *
 * Times a named network (resnet18, resnet50, mobilenet_v2, …) as `assay train` builds it: from bytes through the layer plugins to 1000 classes, with Adam where it
 * is trained; without training its `evaluate` function alone.
 *
 *   bench/networks [--network resnet18] [--training 1] [--batch 16] [--size 128] [--threads 1] [--steps 10] [--clock wall|thread] [--backend cpu]
 *                  [--winograd yes|no]
 *
 * The thread's own clock makes sense with one thread on a busy machine. Prints one JSON object: milliseconds a step (median of those after the first fifth, minimum).
 */
#include "base/arena.h"
#include "base/log.h"
#include "base/text.h"
#include "config/plan.h"
#include "graph/session.h"
#include "plugin/registry.h"
#include "train/network.h"
#include "variables.h"

#include <assay/random.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CLASSES = 1000, CHANNELS = 3, FEEDS = 6 };

struct choice {
  const char *network, *threads, *clock, *backend, *winograd;
  int64_t training, batch, size, steps;
};

struct bench {
  const struct choice *choice;
  struct assay_arena *arena;
  struct assay_registry *registry;
  struct assay_plan *plan;
  const struct assay_settings *settings;
  struct assay_network *network;
  struct assay_program program;
  struct assay_session *session;
  const struct assay_backend *backend;
  struct assay_executable *executable;
  struct assay_store *store;
  struct assay_buffer *feeds[FEEDS], *fetches[2];
};

static int read_settings(struct bench *bench, struct assay_status *status) {
  const struct choice *choice = bench->choice;
  struct assay_text text = {0};
  assay_text_print(&text, "[data]\npath = .\nsize = %lldx%lld\n[network]\nlayers = net, classifier\n[layer.net]\ntype = %s\n[train]\nbatch = %lld\n", (long long)choice->size,
                   (long long)choice->size, choice->network, (long long)choice->batch);
  assay_text_print(&text, "[optimizer]\ntype = adam\n[backend]\ndevices = %s\n", choice->backend);
  if (strcmp(choice->backend, "cpu") == 0) assay_text_print(&text, "[backend.cpu]\nthreads = %s\nwinograd = %s\n", choice->threads, choice->winograd);
  int error = text.failed ? ASSAY_E_MEMORY : assay_plan_parse("bench", text.data, text.length, NULL, 0, bench->registry, &bench->plan, status);
  if (!error) error = assay_plan_settings(bench->plan, NULL, bench->arena, &bench->settings, status);
  assay_text_release(&text);
  return error;
}

/* The program of the one function that is timed, as `assay predict` has one without training. */
static int build(struct bench *bench, struct assay_status *status) {
  const uint32_t batch = (uint32_t)bench->choice->batch, size = (uint32_t)bench->choice->size;
  const struct assay_network_facts facts = {.class_count = CLASSES,
                                            .height = size,
                                            .width = size,
                                            .channels = CHANNELS,
                                            .training_count_count = 1,
                                            .training_counts = &batch,
                                            .evaluation_batch = batch};
  const int error = assay_network_create(bench->settings, &facts, &bench->network, status);
  if (error) return error;
  const struct assay_network_phase *phase = &bench->network->phases[0];
  bench->program = *bench->network->program;
  bench->program.function_count = 1;
  bench->program.functions += bench->choice->training ? phase->first_step : phase->evaluate;
  bench->program.key[0] ^= 1;
  return 0;
}

static int make_buffers(struct bench *bench, struct assay_status *status) {
  const uint64_t batch = (uint64_t)bench->choice->batch, pixels = batch * (uint64_t)(bench->choice->size * bench->choice->size) * CHANNELS;
  const uint64_t sizes[FEEDS] = {pixels, batch * 4, batch * 4, bench->network->option_count * sizeof(float), batch * 4, batch * 8};
  int error = 0;
  for (int f = 0; f < FEEDS && !error; f++) {
    unsigned char *data = calloc(sizes[f], 1);
    if (data == NULL) return ASSAY_E_MEMORY;
    struct assay_random random = assay_random_seed(1, (uint32_t)f);
    if (f == ASSAY_FEED_PIXELS)
      for (uint64_t i = 0; i < pixels; i++) data[i] = (uint8_t)assay_random_u32(&random);
    if (f == ASSAY_FEED_LABELS || f == ASSAY_FEED_INDICES)
      for (uint64_t i = 0; i < batch; i++) ((int32_t *)(void *)data)[i] = (int32_t)i % CLASSES;
    if (f == ASSAY_FEED_WEIGHTS)
      for (uint64_t i = 0; i < batch; i++) ((float *)(void *)data)[i] = 1;
    error = bench->backend->buffer_create(assay_session_device(bench->session), sizes[f], &bench->feeds[f], status);
    if (!error) error = bench->backend->buffer_write(bench->feeds[f], 0, data, sizes[f], status);
    free(data);
  }
  if (!error) error = bench->backend->buffer_create(assay_session_device(bench->session), batch * CLASSES * sizeof(float), &bench->fetches[ASSAY_FETCH_LOGITS], status);
  return error ? error : bench->backend->buffer_create(assay_session_device(bench->session), batch * sizeof(float), &bench->fetches[ASSAY_FETCH_LOSSES], status);
}

/* What backends have to say: ASSAY_CPU_PROFILE=1 makes the cpu backend tell where time went. */
static void tell(void *context, int level, const char *message) {
  (void)context, (void)level;
  fprintf(stderr, "%s\n", message);
}

static double now(const struct choice *choice) {
  struct timespec time;
  clock_gettime(strcmp(choice->clock, "thread") == 0 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static int measure(const struct bench *bench, struct assay_status *status) {
  const struct choice *choice = bench->choice;
  float *options = calloc(bench->network->option_count, sizeof *options);
  double *times = calloc((size_t)choice->steps, sizeof *times);
  int error = options == NULL || times == NULL ? ASSAY_E_MEMORY : 0;
  if (!error) assay_network_options(bench->settings, options);
  for (int64_t i = 0; i < choice->steps && !error; i++) {
    options[0] = (float)(i + 1);
    const double start = now(choice);
    error = bench->backend->buffer_write(bench->feeds[ASSAY_FEED_OPTIONS], 0, options, bench->network->option_count * sizeof *options, status);
    if (!error) error = bench->backend->run(bench->executable, 0, bench->store, bench->feeds, bench->fetches, status);
    if (!error) error = bench->backend->sync(assay_session_device(bench->session), status);
    times[i] = now(choice) - start;
  }
  if (!error) {
    const int64_t warm = (choice->steps + 4) / 5 < choice->steps ? (choice->steps + 4) / 5 : 0, count = choice->steps - warm;
    qsort(times + warm, (size_t)count, sizeof *times, ascending);
    printf("{\"median_ms\": %.4f, \"minimum_ms\": %.4f, \"steps\": %lld}\n", times[warm + count / 2], times[warm], (long long)choice->steps);
  }
  free(options);
  free(times);
  return error;
}

static int run(struct bench *bench, struct assay_status *status) {
  int error = assay_registry_create(NULL, &bench->registry, status);
  if (!error) error = read_settings(bench, status);
  if (!error) error = build(bench, status);
  if (!error) error = assay_session_open(bench->settings->backends[0].plugin, bench->settings->backends[0].values, NULL, &bench->session, status);
  if (!error) bench->backend = assay_session_backend(bench->session);
  if (!error) error = assay_session_compile(bench->session, &bench->program, &bench->executable, status);
  if (!error) error = bench->backend->store_create(bench->executable, &bench->store, status);
  if (!error) error = bench_fill_variables(bench->backend, bench->store, bench->network->builder, status);
  if (!error) error = make_buffers(bench, status);
  return error ? error : measure(bench, status);
}

static void release(struct bench *bench) {
  if (bench->backend) {
    for (int f = 0; f < FEEDS; f++) bench->backend->buffer_release(bench->feeds[f]);
    for (int f = 0; f < 2; f++) bench->backend->buffer_release(bench->fetches[f]);
    bench->backend->store_release(bench->store);
  }
  if (bench->session) assay_session_close(bench->session);
  if (bench->network) assay_network_release(bench->network);
  if (bench->plan) assay_plan_release(bench->plan);
  assay_registry_release(bench->registry);
  assay_arena_release(bench->arena);
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "probe-plugin") == 0) return assay_plugin_probe_main(argv[2]); /* modules outside of $(pkglibdir) are tried out first */
  struct choice choice = {.network = "resnet18", .threads = "1", .clock = "wall", .backend = "cpu", .winograd = "yes", .training = 1, .batch = 16, .size = 128, .steps = 10};
  const struct {
    const char *name;
    int64_t *number;
    const char **text;
  } flags[] = {{"--network", NULL, &choice.network}, {"--threads", NULL, &choice.threads}, {"--clock", NULL, &choice.clock}, {"--backend", NULL, &choice.backend}, {"--winograd", NULL, &choice.winograd},
               {"--training", &choice.training, NULL}, {"--batch", &choice.batch, NULL},   {"--size", &choice.size, NULL},   {"--steps", &choice.steps, NULL}};
  for (int i = 1; i < argc; i += 2) {
    size_t f = 0;
    while (f < sizeof flags / sizeof *flags && strcmp(argv[i], flags[f].name) != 0) f++;
    if (f == sizeof flags / sizeof *flags || i + 1 == argc) {
      fprintf(stderr, "%s: unknown or without a value; see the top of bench/networks.c\n", argv[i]);
      return 2;
    }
    if (flags[f].text) *flags[f].text = argv[i + 1];
    else *flags[f].number = atoll(argv[i + 1]);
  }
  if (choice.batch < 1 || choice.size < 1 || choice.steps < 1) {
    fprintf(stderr, "numbers must be positive\n");
    return 2;
  }
  assay_log_set(tell, NULL);
  struct assay_status status = {0, {0}};
  struct bench bench = {.choice = &choice, .arena = assay_arena_create()};
  const int error = bench.arena == NULL ? ASSAY_E_MEMORY : run(&bench, &status);
  if (error) fprintf(stderr, "%s\n", status.message[0] ? status.message : "out of memory");
  release(&bench);
  return error ? 1 : 0;
}
