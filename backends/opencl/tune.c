/* SPDX-License-Identifier: MIT
 *
 * Measuring parameters: for each family of products and class of rows the tiles that could serve, each in a program of one node on a shape of a network, and CLBlast
 * beside the own matrix product. A candidate that the driver refuses, or whose results differ from the default's by more than rounding can explain, is dropped.
 */
#include "backends/opencl/executable.h"
#include "backends/opencl/memory.h"
#include "backends/opencl/tuned.h"

#include <assay/random.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PLANE = 28, KERNEL = 3, MOST_SAMPLES = 64, ROUNDS = 3 };
static const double long_enough = 0.02; /* seconds of a measurement; samples are added until it takes that */
static const double error_bound = 1e-5; /* of a sum, relative to the root of its terms times the largest term */

/* What tuned sets of CLBlast and dlprimitives look like, and what fills vector registers of CPUs. */
static const struct assay_cl_tile candidates[] = {
    {16, 64, 16, 4, 4, 4},   {16, 128, 16, 4, 4, 4},  {16, 128, 8, 4, 8, 4},   {32, 64, 16, 4, 4, 4},    {32, 128, 16, 4, 8, 4},   {32, 128, 16, 8, 4, 4},
    {64, 64, 16, 4, 4, 4},   {64, 64, 16, 8, 4, 4},   {64, 128, 8, 8, 8, 4},   {64, 128, 16, 8, 8, 4},   {128, 64, 16, 8, 8, 4},   {128, 128, 8, 8, 8, 4},
    {128, 128, 16, 8, 8, 4}, {16, 64, 16, 4, 16, 16}, {16, 128, 16, 8, 16, 16}, {32, 64, 16, 8, 16, 16}, {32, 64, 32, 8, 16, 16}, {32, 64, 16, 8, 16, 8},
    {64, 64, 16, 8, 16, 16}, {32, 128, 16, 16, 16, 16}};
enum { CANDIDATES = sizeof candidates / sizeof *candidates };

/* ---- A program of one node ---- */

struct trial {
  struct assay_tensor_type inputs[2], output;
  double operations, terms; /* of a run; of a result's sum */
  uint32_t op;
  union {
    struct assay_conv2d_attributes conv2d;
    struct assay_matmul_attributes matmul;
  } attributes;
  struct assay_source_attributes sources[2];
  int32_t ids[3];
  struct assay_node nodes[3];
  const struct assay_node *node_list[3];
  const struct assay_tensor_type *types[3];
  struct assay_graph graph;
  struct assay_function function;
  const struct assay_function *functions[1];
  struct assay_program program;
};

static void make_program(struct trial *trial) {
  for (int i = 0; i < 3; i++) {
    trial->ids[i] = i;
    trial->node_list[i] = &trial->nodes[i];
  }
  trial->types[0] = &trial->inputs[0];
  trial->types[1] = &trial->inputs[1];
  trial->types[2] = &trial->output;
  trial->sources[1].index = 1;
  for (int i = 0; i < 2; i++)
    trial->nodes[i] = (struct assay_node){.struct_size = sizeof trial->nodes[i], .op = ASSAY_OP_INPUT, .output_count = 1, .first_output = i, .origin = "",
                                          .attributes = &trial->sources[i], .attributes_size = sizeof trial->sources[i]};
  trial->nodes[2] = (struct assay_node){.struct_size = sizeof trial->nodes[2], .op = trial->op, .input_count = 2, .output_count = 1, .inputs = trial->ids, .first_output = 2, .origin = "",
                                        .attributes = &trial->attributes, .attributes_size = sizeof trial->attributes};
  trial->graph = (struct assay_graph){.struct_size = sizeof trial->graph, .node_count = 3, .value_count = 3, .nodes = trial->node_list, .types = trial->types, .producers = trial->ids};
  trial->function = (struct assay_function){.struct_size = sizeof trial->function, .feed_count = 2, .fetch_count = 1, .name = "tune", .graph = &trial->graph, .feeds = trial->ids,
                                            .fetches = &trial->ids[2]};
  trial->functions[0] = &trial->function;
  trial->program = (struct assay_program){.struct_size = sizeof trial->program, .function_count = 1, .functions = trial->functions};
}

static struct assay_tensor_type images(int64_t samples, int64_t channels) { return (struct assay_tensor_type){ASSAY_F32, 4, {samples, channels, PLANE, PLANE}}; }

static void make_trial(struct trial *trial, enum assay_cl_family family, int64_t rows, int64_t samples) {
  memset(trial, 0, sizeof *trial);
  const struct assay_tensor_type kernel = {ASSAY_F32, 4, {rows, rows, KERNEL, KERNEL}}, x = images(samples, rows);
  trial->attributes.conv2d = (struct assay_conv2d_attributes){
      .stride = {1, 1}, .dilation = {1, 1}, .pad_low = {1, 1}, .pad_high = {1, 1}, .groups = 1, .input_extents = {PLANE, PLANE}, .kernel_extents = {KERNEL, KERNEL}};
  trial->terms = (double)(rows * KERNEL * KERNEL);
  trial->operations = 2.0 * (double)(samples * PLANE * PLANE * rows) * trial->terms;
  trial->inputs[0] = trial->output = x;
  trial->inputs[1] = kernel;
  trial->op = family == ASSAY_CL_CONV2D ? ASSAY_OP_CONV2D : ASSAY_OP_CONV2D_INPUT_GRADIENT;
  if (family == ASSAY_CL_CONV2D_WEIGHT_GRADIENT) {
    trial->op = ASSAY_OP_CONV2D_WEIGHT_GRADIENT;
    trial->inputs[1] = x;
    trial->output = kernel;
    trial->terms = (double)(samples * PLANE * PLANE);
  } else if (family == ASSAY_CL_MATMUL) {
    const int64_t columns = 16 * samples, depth = 512;
    trial->op = ASSAY_OP_MATMUL;
    trial->attributes.matmul = (struct assay_matmul_attributes){0, 1};
    trial->inputs[0] = (struct assay_tensor_type){ASSAY_F32, 2, {rows, depth}};
    trial->inputs[1] = (struct assay_tensor_type){ASSAY_F32, 2, {columns, depth}};
    trial->output = (struct assay_tensor_type){ASSAY_F32, 2, {rows, columns}};
    trial->terms = (double)depth;
    trial->operations = 2.0 * (double)(rows * columns * depth);
  }
  make_program(trial);
}

static void make_square(struct trial *trial, int64_t extent) {
  const struct assay_tensor_type square = {ASSAY_F32, 2, {extent, extent}};
  memset(trial, 0, sizeof *trial);
  trial->op = ASSAY_OP_MATMUL;
  trial->inputs[0] = trial->inputs[1] = trial->output = square;
  trial->terms = (double)extent;
  trial->operations = 2.0 * (double)extent * (double)extent * (double)extent;
  make_program(trial);
}

/* ---- Running it ---- */

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static uint64_t bytes_of(const struct assay_tensor_type *type) { return 4 * (uint64_t)assay_element_count(type); }

struct bench {
  struct assay_device *device;
  struct assay_buffer *feeds[2], *fetch;
};

static void bench_release(struct bench *bench) {
  for (int i = 0; i < 2; i++) assay_cl_buffer_release(bench->feeds[i]);
  assay_cl_buffer_release(bench->fetch);
}

/* Buffers for a trial, with numbers between -1 and 1. */
static int bench_create(struct bench *bench, struct assay_device *device, const struct trial *trial, uint64_t seed, struct assay_status *status) {
  *bench = (struct bench){.device = device};
  int code = assay_cl_buffer_create(device, bytes_of(&trial->output), &bench->fetch, status);
  for (int i = 0; i < 2 && !code; i++) {
    const int64_t count = assay_element_count(&trial->inputs[i]);
    float *numbers = malloc((size_t)count * sizeof *numbers);
    struct assay_random random = assay_random_seed(seed, (uint64_t)i);
    for (int64_t n = 0; numbers && n < count; n++) numbers[n] = (float)(2 * assay_random_uniform(&random) - 1);
    code = numbers ? assay_cl_buffer_create(device, bytes_of(&trial->inputs[i]), &bench->feeds[i], status) : assay_cl_no_memory(status);
    if (!code) code = assay_cl_buffer_write(bench->feeds[i], 0, numbers, bytes_of(&trial->inputs[i]), status);
    free(numbers);
  }
  return code;
}

/* Seconds of a run, the best of some; the results into `results` (may be NULL). */
static int measure(const struct bench *bench, const struct trial *trial, double *best, float *results, struct assay_status *status) {
  struct assay_executable *executable = NULL;
  uint32_t refused[2];
  int code = assay_cl_compile(bench->device, &trial->program, &executable, refused, status);
  *best = INFINITY;
  for (int round = 0; round <= ROUNDS && !code; round++) {
    const double start = seconds();
    code = assay_cl_run(executable, 0, NULL, bench->feeds, &bench->fetch, status);
    if (!code) code = assay_cl_sync(bench->device, status);
    const double took = seconds() - start;
    if (round && took < *best) *best = took; /* the first one binds and loads */
  }
  if (!code && results) code = assay_cl_buffer_read(bench->fetch, 0, results, bytes_of(&trial->output), status);
  assay_cl_release(executable);
  return code;
}

static bool agrees(const float *results, const float *expected, const struct trial *trial) {
  const double bound = error_bound * sqrt(trial->terms) * 4;
  for (int64_t i = 0; i < assay_element_count(&trial->output); i++)
    if (!(fabs((double)results[i] - (double)expected[i]) <= bound)) return false;
  return true;
}

/* ---- Tiles ---- */

/* A shape that keeps the device busy long enough to be timed. */
static int choose_samples(struct assay_device *device, enum assay_cl_family family, int64_t rows, uint64_t seed, int64_t *samples, struct assay_status *status) {
  for (*samples = 2;; *samples *= 2) {
    struct trial trial;
    struct bench bench;
    double best = 0;
    make_trial(&trial, family, rows, *samples);
    int code = bench_create(&bench, device, &trial, seed, status);
    if (!code) code = measure(&bench, &trial, &best, NULL, status);
    bench_release(&bench);
    if (code || best >= long_enough || *samples >= MOST_SAMPLES) return code;
  }
}

/* Times the candidates beside what is set now (the default); leaves the best one set. */
static int tune_tile(struct assay_device *device, enum assay_cl_family family, int row_class, const struct assay_tuner *tuner, const char *key, struct assay_status *status) {
  const int64_t rows = assay_cl_class_rows(row_class);
  struct assay_cl_tile *slot = &device->tiles.of[family][row_class], best_tile = *slot;
  struct trial trial;
  struct bench bench;
  struct assay_status ignored;
  int64_t samples;
  int code = choose_samples(device, family, rows, tuner->seed, &samples, status);
  if (code) return code;
  make_trial(&trial, family, rows, samples);
  double first = 0, best, took;
  uint32_t dropped = 0;
  float *expected = malloc(bytes_of(&trial.output)), *results = malloc(bytes_of(&trial.output));
  code = bench_create(&bench, device, &trial, tuner->seed, status);
  if (!code) code = expected && results ? measure(&bench, &trial, &first, expected, status) : assay_cl_no_memory(status);
  best = first;
  for (int i = 0; i < CANDIDATES && !code; i++) {
    const bool wide = candidates[i].vector > 4;
    if (candidates[i].rows > 2 * rows || (wide && device->kind != ASSAY_DEVICE_CPU) || !assay_cl_tile_fits(device, &candidates[i])) continue;
    *slot = candidates[i];
    if (measure(&bench, &trial, &took, results, &ignored) || !agrees(results, expected, &trial)) {
      dropped++;
    } else if (took < best) {
      best = took;
      best_tile = candidates[i];
    }
  }
  *slot = best_tile;
  bench_release(&bench);
  free(expected);
  free(results);
  if (code) return code;
  char value[ASSAY_CL_TILE_TEXT], note[128];
  assay_cl_tile_print(&best_tile, value);
  snprintf(note, sizeof note, "%.1f GFLOP/s, default %.1f, %u dropped", trial.operations / best * 1e-9, trial.operations / first * 1e-9, dropped);
  tuner->result(tuner->context, key, value, note);
  return ASSAY_OK;
}

/* ---- CLBlast ---- */

/* From which square product on CLBlast is faster than the own kernels, also for all larger ones that were tried. */
static int tune_clblast(struct assay_device *device, const struct assay_tuner *tuner, const char *key, struct assay_status *status) {
  static const int64_t extents[] = {128, 256, 512, 1024};
  const uint64_t never = UINT64_C(9007199254740992), before = device->clblast_from;
  uint64_t from = never;
  double ratio = 0;
  int code = ASSAY_OK;
  for (int i = (int)(sizeof extents / sizeof *extents) - 1; i >= 0 && !code; i--) {
    struct trial trial;
    struct bench bench;
    double own = 0, other = 0;
    make_square(&trial, extents[i]);
    float *expected = malloc(bytes_of(&trial.output)), *results = malloc(bytes_of(&trial.output));
    code = bench_create(&bench, device, &trial, tuner->seed, status);
    device->clblast_from = never;
    if (!code) code = expected && results ? measure(&bench, &trial, &own, expected, status) : assay_cl_no_memory(status);
    device->clblast_from = 1;
    struct assay_status ignored;
    const bool wins = !code && !measure(&bench, &trial, &other, results, &ignored) && agrees(results, expected, &trial) && other < own;
    bench_release(&bench);
    free(expected);
    free(results);
    if (!wins) break;
    from = (uint64_t)extents[i] * (uint64_t)extents[i] * (uint64_t)extents[i];
    ratio = own / other;
  }
  device->clblast_from = code ? before : from;
  if (code) return code;
  char value[32], note[128];
  snprintf(value, sizeof value, "%" PRIu64, from);
  if (from == never) snprintf(note, sizeof note, "CLBlast is never faster");
  else snprintf(note, sizeof note, "CLBlast is %.2f times as fast there", ratio);
  tuner->result(tuner->context, key, value, note);
  return ASSAY_OK;
}

int assay_cl_tune(struct assay_device *device, const struct assay_tuner *tuner, struct assay_status *status) {
  const uint32_t count = ASSAY_CL_FAMILIES * ASSAY_CL_ROW_CLASSES + 1;
  char parameter[64], key[ASSAY_CL_TUNED_TEXT];
  for (uint32_t number = 0; number + 1 < count; number++) {
    const enum assay_cl_family family = number / ASSAY_CL_ROW_CLASSES;
    const int row_class = (int)(number % ASSAY_CL_ROW_CLASSES);
    assay_cl_tile_parameter(family, row_class, parameter, sizeof parameter);
    assay_cl_tuned_key(device, parameter, key);
    if (tuner->begin(tuner->context, number, count, key)) continue;
    const int code = tune_tile(device, family, row_class, tuner, key, status);
    if (code) return code;
  }
  assay_cl_tuned_key(device, ASSAY_CL_CLBLAST_PARAMETER, key);
  return tuner->begin(tuner->context, count - 1, count, key) ? ASSAY_OK : tune_clblast(device, tuner, key, status);
}
