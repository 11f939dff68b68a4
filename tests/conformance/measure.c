/* SPDX-License-Identifier: MIT
 *
 * The time mode: an op's cases on two devices in turn. A time is that of one call as a training would make it: submitted without waiting for the one before,
 * the host's part included. The fastest of some rounds counts, since whatever else the machine does only makes it slower.
 */
#include "suite.h"

#include "base/clock.h"
#include "base/status.h"
#include "build.h"
#include "cases.h"
#include "graph/ops.h"
#include "tensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BUFFERS = 2 * ASSAY_CASE_INPUTS + 8, ROUNDS = 4, MOST_CALLS = 10000 };
static const double ROUND_SECONDS = 0.02;

/* One compiled case on one device, with its buffers. */
struct bench {
  struct assay_session *session;
  const struct assay_backend *backend;
  struct assay_program_builder *builder;
  const struct assay_program *program;
  struct assay_executable *executable;
  struct assay_store *store;
  struct assay_buffer *buffers[MOST_BUFFERS]; /* feeds, then results */
};

static int make_buffers(struct bench *bench, const struct assay_case *c, uint64_t seed, struct assay_status *status) {
  const struct assay_function *function = bench->program->functions[0];
  struct assay_random random = assay_random_seed(seed, c->op);
  for (uint32_t i = 0; i < function->feed_count + function->fetch_count; i++) {
    const bool is_feed = i < function->feed_count;
    const int32_t value = is_feed ? function->feeds[i] : function->fetches[i - function->feed_count];
    struct assay_case_operand operand = {*function->graph->types[value], ASSAY_FILL_NORMAL, 0};
    struct assay_host_tensor tensor = {.bytes = NULL};
    if (is_feed && i < c->input_count) operand = c->inputs[i];
    int error = bench->backend->buffer_create(assay_session_device(bench->session), assay_host_tensor_size(&operand.type), &bench->buffers[i], status);
    if (!error && is_feed && !assay_host_tensor_fill(&tensor, &operand, &random)) error = assay_status_memory(status);
    if (!error && is_feed) error = bench->backend->buffer_write(bench->buffers[i], 0, tensor.bytes, assay_host_tensor_size(&operand.type), status);
    free(tensor.bytes);
    if (error) return error;
  }
  return ASSAY_OK;
}

static int calls(struct bench *bench, uint32_t count, double *seconds, struct assay_status *status) {
  const double start = assay_clock_seconds();
  int error = ASSAY_OK;
  for (uint32_t i = 0; i < count && !error; i++)
    error = bench->backend->run(bench->executable, 0, bench->store, bench->buffers, bench->buffers + bench->program->functions[0]->feed_count, status);
  if (!error) error = bench->backend->sync(assay_session_device(bench->session), status);
  *seconds = assay_clock_seconds() - start;
  return error;
}

static int open_bench(struct bench *bench, struct assay_session *session, const struct assay_case *c, uint64_t seed, struct assay_status *status) {
  double ignored;
  *bench = (struct bench){.session = session, .backend = assay_session_backend(session)};
  int error = assay_conformance_compile(session, c, 1, false, &bench->builder, &bench->program, &bench->executable, status);
  if (!error) error = bench->backend->store_create(bench->executable, &bench->store, status);
  if (!error) error = make_buffers(bench, c, seed, status);
  if (!error) error = calls(bench, 2, &ignored, status); /* what is compiled or chosen at first use */
  return error;
}

static void close_bench(struct bench *bench) {
  for (int i = 0; i < MOST_BUFFERS; i++) bench->backend->buffer_release(bench->buffers[i]);
  bench->backend->store_release(bench->store);
  assay_program_release(bench->builder);
}

/* Seconds of one call. */
static int measure(struct bench *bench, double *best, struct assay_status *status) {
  double seconds;
  int error = calls(bench, 1, &seconds, status);
  const double wanted = ROUND_SECONDS / (seconds > 1e-6 ? seconds : 1e-6);
  const uint32_t count = wanted < 1 ? 1 : wanted > MOST_CALLS ? MOST_CALLS : (uint32_t)wanted;
  *best = INFINITY;
  for (int round = 0; round < ROUNDS && !error; round++) {
    error = calls(bench, count, &seconds, status);
    if (!error && seconds / count < *best) *best = seconds / count;
  }
  return error;
}

/* A device's time, or why there is none. */
static double time_on(struct assay_session *session, const struct assay_case *c, uint64_t seed, struct assay_conformance_time *time) {
  struct bench bench;
  struct assay_status trouble = {0};
  double seconds = NAN;
  int error = open_bench(&bench, session, c, seed, &trouble);
  if (!error) error = measure(&bench, &seconds, &trouble);
  if (error) snprintf(time->message, sizeof time->message, "%.*s", (int)sizeof time->message - 1, trouble.message);
  close_bench(&bench);
  return error ? NAN : seconds;
}

/* Two a multiply-add. */
static double count_operations(const struct assay_case *c) {
  const struct assay_tensor_type *x = &c->inputs[0].type, *y = &c->inputs[1].type;
  switch (c->op) {
  case ASSAY_OP_MATMUL: return 2 * (double)assay_element_count(x) * (double)y->extents[c->attributes.matmul.transpose_b ? 0 : 1];
  case ASSAY_OP_CONV2D: /* `terms` are the multiply-adds of one number of the result; strides are 1 or halve, and "same" padding */
    return 2 * c->terms * (double)(x->extents[0] * y->extents[0] * (x->extents[2] / c->attributes.conv2d.stride[0]) * (x->extents[3] / c->attributes.conv2d.stride[1]));
  case ASSAY_OP_CONV2D_INPUT_GRADIENT:
  case ASSAY_OP_CONV2D_WEIGHT_GRADIENT: {
    const struct assay_tensor_type *dy = c->op == ASSAY_OP_CONV2D_INPUT_GRADIENT ? x : y;
    return 2 * c->terms * (double)assay_element_count(dy);
  }
  default: return 0;
  }
}

int assay_conformance_measure(struct assay_session *tested, struct assay_session *other, uint32_t subject, const struct assay_conformance_options *options,
                              struct assay_conformance_time *times, uint32_t capacity, uint32_t *count, struct assay_status *status) {
  const struct assay_op_info *info = assay_op_at(subject);
  struct assay_case_list cases = {0};
  *count = 0;
  if (info != NULL) assay_conformance_timed_cases(&cases, info->op);
  for (size_t i = 0; i < cases.count && *count < capacity; i++) {
    const struct assay_case *c = &cases.cases[i];
    struct assay_conformance_time *time = &times[(*count)++];
    *time = (struct assay_conformance_time){.subject = info->name, .other = NAN, .operations = count_operations(c)};
    assay_case_describe(c, time->detail, sizeof time->detail);
    if (c->flags & ASSAY_CASE_GRADIENT) snprintf(time->detail + strlen(time->detail), sizeof time->detail - strlen(time->detail), " with its gradient");
    if (options->watch != NULL && options->watch->begin != NULL) options->watch->begin(options->watch->context, info->name, time->detail);
    time->tested = time_on(tested, c, options->seed, time);
    if (other != NULL) time->other = time_on(other, c, options->seed, time);
  }
  const bool failed = cases.failed;
  free(cases.cases);
  return failed ? assay_status_memory(status) : ASSAY_OK;
}
