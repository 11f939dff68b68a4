/* SPDX-License-Identifier: MIT
 *
 * Timing a convolution primitive on made-up numbers, with the conversions from and to channels last that it would bring along, and
 * checking it against another one's results.
 */
#include "cpu.h"

#include <math.h>
#include <string.h>
#include <time.h>

enum { MOST_MEMORIES = 12, MOST_PRIMITIVES = 3, ROUNDS = 5 };

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

static double milliseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

static void release(struct chain *chain) {
  for (int i = 0; i < chain->link_count; i++) dnnl_primitive_destroy(chain->links[i].primitive);
  for (int i = 0; i < chain->memory_count; i++) dnnl_memory_destroy(chain->memories[i]);
}

/* Weights are filled row-major, so that every candidate computes the same thing; they are converted before the clock starts. */
static dnnl_memory_t make_weights(struct chain *chain, const dnnl_memory_desc_t *plain, const dnnl_memory_desc_t *wanted) {
  struct chain once = {.device = chain->device};
  dnnl_memory_t from = add_memory(&once, plain), to = add_memory(chain, wanted);
  if (from) fill(from, plain, 2);
  const bool good = add_reorder(&once, from, plain, to, wanted) && execute(&once);
  release(&once);
  return good ? to : NULL;
}

/* x (channels last) to y (channels last) through the primitive. */
static dnnl_memory_t build(struct chain *chain, dnnl_primitive_desc_t descriptor, const dnnl_memory_desc_t *image, const dnnl_memory_desc_t *weights,
                           const dnnl_memory_desc_t *result) {
  const dnnl_memory_desc_t *source_at = dnnl_primitive_desc_query_md(descriptor, dnnl_query_src_md, 0);
  const dnnl_memory_desc_t *weights_at = dnnl_primitive_desc_query_md(descriptor, dnnl_query_weights_md, 0);
  const dnnl_memory_desc_t *result_at = dnnl_primitive_desc_query_md(descriptor, dnnl_query_dst_md, 0);
  const dnnl_memory_desc_t *scratchpad = dnnl_primitive_desc_query_md(descriptor, dnnl_query_scratchpad_md, 0);
  dnnl_memory_t x = add_memory(chain, image), source = x, w = make_weights(chain, weights, weights_at);
  if (x) fill(x, image, 1);
  if (!dnnl_memory_desc_equal(image, source_at)) {
    source = add_memory(chain, source_at);
    if (!add_reorder(chain, x, image, source, source_at)) return NULL;
  }
  const bool converts = !dnnl_memory_desc_equal(result, result_at);
  dnnl_memory_t y = add_memory(chain, result), target = converts ? add_memory(chain, result_at) : y, scratch = add_memory(chain, scratchpad);
  if (!x || !source || !w || !y || !target || !scratch) return NULL;
  if (dnnl_primitive_create(&chain->links[chain->link_count].primitive, descriptor) != dnnl_success) return NULL;
  dnnl_exec_arg_t *arguments = chain->links[chain->link_count].arguments;
  arguments[0] = (dnnl_exec_arg_t){DNNL_ARG_SRC, source};
  arguments[1] = (dnnl_exec_arg_t){DNNL_ARG_WEIGHTS, w};
  arguments[2] = (dnnl_exec_arg_t){DNNL_ARG_DST, target};
  arguments[3] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, scratch};
  chain->links[chain->link_count++].count = 4;
  return !converts || add_reorder(chain, target, result_at, y, result) ? y : NULL;
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

double assay_cpu_time_convolution(struct assay_device *device, dnnl_primitive_desc_t descriptor, const dnnl_memory_desc_t *image,
                                  const dnnl_memory_desc_t *weights, const dnnl_memory_desc_t *result, float *expected, bool first) {
  struct chain chain = {.device = device};
  const dnnl_memory_t y = build(&chain, descriptor, image, weights, result);
  double best = -1;
  float *numbers = NULL;
  if (y && execute(&chain) && dnnl_memory_get_data_handle(y, (void **)&numbers) == dnnl_success) {
    const size_t count = dnnl_memory_desc_get_size(result) / sizeof(float);
    if (first) memcpy(expected, numbers, count * sizeof *expected);
    const bool exact = first || difference(numbers, expected, count) < ASSAY_CPU_MOST_DIFFERENCE;
    double total = 0;
    for (int round = 0; round < ROUNDS && exact && total < patience; round++) {
      const double start = milliseconds();
      if (!execute(&chain)) break;
      const double time = milliseconds() - start;
      total += time;
      if (best < 0 || time < best) best = time;
    }
  }
  release(&chain);
  return best;
}
