/* SPDX-License-Identifier: MIT
 *
 * Timing a convolution's primitive on made-up numbers, with the conversions that it would bring along, and checking it against another one's results.
 */
#include "cpu.h"

#include <math.h>
#include <string.h>
#include <time.h>

enum { MOST_MEMORIES = 12, MOST_PRIMITIVES = 4, ROUNDS = 5 };

/* No more rounds after this many milliseconds. */
static const double patience = 6;

/* A few primitives in a row, with what they need. Everything is destroyed together. */
struct chain {
  struct assay_device *device;
  dnnl_memory_t memories[MOST_MEMORIES];
  int memory_count;
  struct {
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t arguments[4];
    int count;
  } links[MOST_PRIMITIVES];
  int link_count;
};

static dnnl_memory_t add_memory(struct chain *chain, const dnnl_memory_desc_t *descriptor) {
  dnnl_memory_t *memory = &chain->memories[chain->memory_count];
  if (dnnl_memory_create(memory, descriptor, chain->device->engine, DNNL_MEMORY_ALLOCATE) != dnnl_success) return NULL;
  chain->memory_count++;
  return *memory;
}

static bool add_reorder(struct chain *chain, dnnl_memory_t from, const dnnl_memory_desc_t *source, dnnl_memory_t to, const dnnl_memory_desc_t *target) {
  dnnl_primitive_desc_t descriptor;
  const dnnl_engine_t engine = chain->device->engine;
  if (!from || !to || dnnl_reorder_primitive_desc_create(&descriptor, source, engine, target, engine, NULL) != dnnl_success) return false;
  const bool made = dnnl_primitive_create(&chain->links[chain->link_count].primitive, descriptor) == dnnl_success;
  dnnl_primitive_desc_destroy(descriptor);
  if (!made) return false;
  chain->links[chain->link_count].arguments[0] = (dnnl_exec_arg_t){DNNL_ARG_FROM, from};
  chain->links[chain->link_count].arguments[1] = (dnnl_exec_arg_t){DNNL_ARG_TO, to};
  chain->links[chain->link_count++].count = 2;
  return true;
}

/* Small numbers without a pattern, the same every time. */
static void fill(dnnl_memory_t memory, const dnnl_memory_desc_t *descriptor, uint32_t seed) {
  float *numbers;
  if (dnnl_memory_get_data_handle(memory, (void **)&numbers) != dnnl_success) return;
  for (size_t i = 0; i < dnnl_memory_desc_get_size(descriptor) / sizeof(float); i++) {
    seed = seed * 1664525u + 1013904223u;
    numbers[i] = (float)(int32_t)seed * 0x1p-31f;
  }
}

static bool execute(const struct chain *chain) {
  for (int i = 0; i < chain->link_count; i++)
    if (dnnl_primitive_execute(chain->links[i].primitive, chain->device->stream, chain->links[i].count, chain->links[i].arguments) != dnnl_success)
      return false;
  return dnnl_stream_wait(chain->device->stream) == dnnl_success;
}

/* One thread has a clock of its own, which stands while others have the processor. */
static double milliseconds(const struct assay_device *device) {
  struct timespec time;
  clock_gettime(device->threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

static void release(struct chain *chain) {
  for (int i = 0; i < chain->link_count; i++) dnnl_primitive_destroy(chain->links[i].primitive);
  for (int i = 0; i < chain->memory_count; i++) dnnl_memory_destroy(chain->memories[i]);
}

/* An operand in the primitive's own layout, from numbers as they lie outside, so that every candidate computes the same thing. Conversions that do not count are done at once. */
static dnnl_memory_t make_input(struct chain *chain, const struct assay_cpu_operand *operand, const dnnl_memory_desc_t *inside, uint32_t seed) {
  struct chain once = {.device = chain->device};
  struct chain *with = operand->timed ? chain : &once;
  dnnl_memory_t from = add_memory(with, &operand->outside), to = from;
  if (from) fill(from, &operand->outside, seed);
  bool good = from != NULL;
  if (!operand->timed || !dnnl_memory_desc_equal(&operand->outside, inside))
    good = good && (to = add_memory(chain, inside)) != NULL && add_reorder(with, from, &operand->outside, to, inside) && (operand->timed || execute(&once));
  release(&once);
  return good ? to : NULL;
}

static const dnnl_memory_desc_t *inside_of(dnnl_primitive_desc_t descriptor, const struct assay_cpu_operand *operand) {
  return dnnl_primitive_desc_query_md(descriptor, operand->query, 0);
}

/* The primitive between its operands; gives the result, in `own` as the primitive left it. */
static dnnl_memory_t build(struct chain *chain, dnnl_primitive_desc_t descriptor, const struct assay_cpu_trial *trial, dnnl_memory_t *own) {
  const struct assay_cpu_operand *output = &trial->output;
  const dnnl_memory_desc_t *output_at = inside_of(descriptor, output), *scratchpad = dnnl_primitive_desc_query_md(descriptor, dnnl_query_scratchpad_md, 0);
  dnnl_memory_t inputs[2], scratch = add_memory(chain, scratchpad);
  for (uint32_t i = 0; i < 2; i++)
    if (!(inputs[i] = make_input(chain, &trial->inputs[i], inside_of(descriptor, &trial->inputs[i]), i + 1))) return NULL;
  const bool converts = output->timed && !dnnl_memory_desc_equal(&output->outside, output_at);
  *own = add_memory(chain, output_at);
  dnnl_memory_t outside = converts ? add_memory(chain, &output->outside) : *own;
  if (!*own || !outside || !scratch || dnnl_primitive_create(&chain->links[chain->link_count].primitive, descriptor) != dnnl_success) return NULL;
  dnnl_exec_arg_t *arguments = chain->links[chain->link_count].arguments;
  for (int i = 0; i < 2; i++) arguments[i] = (dnnl_exec_arg_t){trial->inputs[i].argument, inputs[i]};
  arguments[2] = (dnnl_exec_arg_t){output->argument, *own};
  arguments[3] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, scratch};
  chain->links[chain->link_count++].count = 4;
  return !converts || add_reorder(chain, *own, output_at, outside, &output->outside) ? outside : NULL;
}

/* Largest difference over the largest number. */
static double difference(const float *a, const float *b, size_t count) {
  double most = 0, largest = 0;
  for (size_t i = 0; i < count; i++) {
    const double d = fabs((double)a[i] - b[i]);
    if (!(d <= most)) most = d;
    if (fabs((double)b[i]) > largest) largest = fabs((double)b[i]);
  }
  return largest > 0 ? most / largest : most;
}

/* The first candidate's results are kept; do another's agree with them? */
static bool agrees(const struct chain *chain, dnnl_primitive_desc_t descriptor, const struct assay_cpu_trial *trial, dnnl_memory_t result, dnnl_memory_t own) {
  struct chain once = {.device = chain->device};
  const dnnl_memory_desc_t *outside = &trial->output.outside;
  const size_t count = dnnl_memory_desc_get_size(outside) / sizeof(float);
  float *numbers = NULL;
  bool good = true;
  if (!trial->output.timed)
    good = (result = add_memory(&once, outside)) != NULL && add_reorder(&once, own, inside_of(descriptor, &trial->output), result, outside) && execute(&once);
  good = good && dnnl_memory_get_data_handle(result, (void **)&numbers) == dnnl_success;
  if (good && trial->first) memcpy(trial->expected, numbers, count * sizeof *numbers);
  good = good && (trial->first || difference(numbers, trial->expected, count) < ASSAY_CPU_MOST_DIFFERENCE);
  release(&once);
  return good;
}

double assay_cpu_time_convolution(struct assay_device *device, dnnl_primitive_desc_t descriptor, const struct assay_cpu_trial *trial) {
  struct chain chain = {.device = device};
  dnnl_memory_t own = NULL, result = build(&chain, descriptor, trial, &own);
  double best = -1;
  if (result && execute(&chain) && agrees(&chain, descriptor, trial, result, own)) {
    double total = 0;
    for (int round = 0; round < ROUNDS && total < patience; round++) {
      const double start = milliseconds(device);
      if (!execute(&chain)) break;
      const double time = milliseconds(device) - start;
      total += time;
      if (best < 0 || time < best) best = time;
      if (trial->limit > 0 && best > 1.5 * trial->limit) break;
    }
  }
  release(&chain);
  return best;
}
