/* SPDX-License-Identifier: MIT
 *
 * Programs of one product, and their times.
 */
#include "backends/opencl/bench.h"

#include "backends/opencl/executable.h"
#include "backends/opencl/memory.h"

#include <assay/random.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PLANE = 28, KERNEL = 3, ROUNDS = 4, MOST_RUNS = 200 };
static const double round_seconds = 0.01; /* so long a round should be; short products are run several times in it */
static const double error_bound = 1e-5;   /* of a sum, relative to the root of its terms times the largest term */

/* ---- A program of one node ---- */

static void make_program(struct assay_cl_trial *trial) {
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

void assay_cl_trial_matmul(struct assay_cl_trial *trial, int64_t rows, int64_t columns, int64_t depth) {
  memset(trial, 0, sizeof *trial);
  trial->op = ASSAY_OP_MATMUL;
  trial->attributes.matmul = (struct assay_matmul_attributes){0, 1};
  trial->inputs[0] = (struct assay_tensor_type){ASSAY_F32, 2, {rows, depth}};
  trial->inputs[1] = (struct assay_tensor_type){ASSAY_F32, 2, {columns, depth}};
  trial->output = (struct assay_tensor_type){ASSAY_F32, 2, {rows, columns}};
  trial->terms = (double)depth;
  trial->operations = 2.0 * (double)(rows * columns * depth);
  make_program(trial);
}

void assay_cl_trial_conv2d(struct assay_cl_trial *trial, enum assay_cl_family family, int64_t samples, int64_t channels) {
  const struct assay_tensor_type kernel = {ASSAY_F32, 4, {channels, channels, KERNEL, KERNEL}}, images = {ASSAY_F32, 4, {samples, channels, PLANE, PLANE}};
  memset(trial, 0, sizeof *trial);
  trial->attributes.conv2d = (struct assay_conv2d_attributes){
      .stride = {1, 1}, .dilation = {1, 1}, .pad_low = {1, 1}, .pad_high = {1, 1}, .groups = 1, .input_extents = {PLANE, PLANE}, .kernel_extents = {KERNEL, KERNEL}};
  trial->terms = (double)(channels * KERNEL * KERNEL);
  trial->operations = 2.0 * (double)(samples * PLANE * PLANE * channels) * trial->terms;
  trial->inputs[0] = trial->output = images;
  trial->inputs[1] = kernel;
  trial->op = family == ASSAY_CL_CONV2D ? ASSAY_OP_CONV2D : ASSAY_OP_CONV2D_INPUT_GRADIENT;
  if (family == ASSAY_CL_CONV2D_WEIGHT_GRADIENT) {
    trial->op = ASSAY_OP_CONV2D_WEIGHT_GRADIENT;
    trial->inputs[1] = images;
    trial->output = kernel;
    trial->terms = (double)(samples * PLANE * PLANE);
  }
  make_program(trial);
}

/* ---- Running it ---- */

/* On a processor the time that this process has had of it: what else the machine does then does not count. */
static double seconds(const struct assay_device *device) {
  struct timespec now;
  clock_gettime(device->kind == ASSAY_DEVICE_CPU ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static uint64_t bytes_of(const struct assay_tensor_type *type) { return 4 * (uint64_t)assay_element_count(type); }

void assay_cl_bench_release(struct assay_cl_bench *bench) {
  for (int i = 0; i < 2; i++) assay_cl_buffer_release(bench->feeds[i]);
  assay_cl_buffer_release(bench->fetch);
  free(bench->expected);
  free(bench->results);
}

int assay_cl_bench_create(struct assay_cl_bench *bench, struct assay_device *device, const struct assay_cl_trial *trial, uint64_t seed, struct assay_status *status) {
  *bench = (struct assay_cl_bench){.device = device, .trial = trial, .expected = malloc(bytes_of(&trial->output)), .results = malloc(bytes_of(&trial->output))};
  int code = bench->expected && bench->results ? assay_cl_buffer_create(device, bytes_of(&trial->output), &bench->fetch, status) : assay_cl_no_memory(status);
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

/* Seconds of a run among `count`. */
static int run(const struct assay_cl_bench *bench, struct assay_executable *executable, int count, double *took, struct assay_status *status) {
  const double start = seconds(bench->device);
  int code = ASSAY_OK;
  for (int i = 0; i < count && !code; i++) code = assay_cl_run(executable, 0, NULL, bench->feeds, &bench->fetch, status);
  if (!code) code = assay_cl_sync(bench->device, status);
  *took = (seconds(bench->device) - start) / count;
  return code;
}

int assay_cl_bench_measure(struct assay_cl_bench *bench, double enough, double *best, struct assay_status *status) {
  struct assay_executable *executable = NULL;
  uint32_t refused[2];
  double took = 0;
  int code = assay_cl_compile(bench->device, &bench->trial->program, &executable, refused, status);
  if (!code) code = run(bench, executable, 1, &took, status); /* binds and loads */
  if (!code) code = run(bench, executable, 1, best, status);
  const int count = *best * MOST_RUNS < round_seconds ? MOST_RUNS : *best > round_seconds ? 1 : (int)(round_seconds / *best);
  for (int round = 0; round < ROUNDS && !code && (!round || *best <= enough); round++) {
    code = run(bench, executable, count, &took, status);
    if (took < *best) *best = took;
  }
  if (!code) code = assay_cl_buffer_read(bench->fetch, 0, bench->has_expected ? bench->results : bench->expected, bytes_of(&bench->trial->output), status);
  bench->has_expected = bench->has_expected || !code;
  assay_cl_release(executable);
  return code;
}

bool assay_cl_bench_agrees(const struct assay_cl_bench *bench) {
  const double bound = error_bound * sqrt(bench->trial->terms) * 4;
  for (int64_t i = 0; i < assay_element_count(&bench->trial->output); i++)
    if (!(fabs((double)bench->results[i] - (double)bench->expected[i]) <= bound)) return false;
  return true;
}
