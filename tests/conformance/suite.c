/* SPDX-License-Identifier: MIT
 *
 * Runs the table of cases: all cases of an op and a dtype are functions of one program, so that a backend compiles once for them. A case is built twice,
 * for the tested backend as it stands and for the oracle with floats widened to f64, and both are given the same numbers, twice.
 */
#include "suite.h"

#include "build.h"
#include "cases.h"
#include "programs.h"
#include "tensors.h"

#include "base/arena.h"
#include "base/status.h"
#include "graph/ops.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FETCHES = 4 + ASSAY_CASE_INPUTS, ROUNDS = 2 };

/* ---- The list ---- */

int assay_conformance_add(struct assay_conformance_list *list, const struct assay_conformance_options *options, const struct assay_conformance_result *result,
                          struct assay_status *status) {
  void *results = list->results;
  if (!assay_grow(&results, &list->capacity, list->count + 1, sizeof *list->results)) return assay_status_memory(status);
  list->results = results;
  list->results[list->count++] = *result;
  switch (result->verdict) {
  case ASSAY_CONFORMANCE_PASSED: list->passed++; break;
  case ASSAY_CONFORMANCE_FAILED: list->failed++; break;
  case ASSAY_CONFORMANCE_REFUSED: list->refused++; break;
  }
  if (options->watch != NULL && options->watch->result != NULL) options->watch->result(options->watch->context, result);
  return ASSAY_OK;
}

void assay_conformance_release(struct assay_conformance_list *list) {
  free(list->results);
  memset(list, 0, sizeof *list);
}

/* ---- Error bounds ---- */

static double spacing(int32_t dtype) {
  switch (dtype) {
  case ASSAY_F64: return DBL_EPSILON;
  case ASSAY_F32: return FLT_EPSILON;
  case ASSAY_F16: return 0x1p-10;
  case ASSAY_BF16: return 0x1p-7;
  default: return 0;
  }
}

/* A result of one rounding is within half a spacing; polynomials for functions and another order of summing cost more. The error of a sum grows with the
 * square root of its length (Higham and Mary, 2019). */
static struct assay_measure measure_of(const struct assay_case *c, const struct assay_tensor_type *type, bool gradient) {
  const bool exact = (c->flags & ASSAY_CASE_EXACT) && !(gradient && (c->flags & ASSAY_CASE_SUMMED));
  if (exact || !assay_dtype_is_float(type->dtype)) return (struct assay_measure){0, 0, false};
  const int32_t dtype = c->op == ASSAY_OP_CAST && !gradient ? c->attributes.cast.dtype : c->inputs[0].type.dtype;
  const int32_t coarser = spacing(dtype) > spacing(type->dtype) ? dtype : type->dtype;
  const bool half = spacing(coarser) > FLT_EPSILON, composite = (assay_op_info(c->op)->flags & ASSAY_OP_COMPOSITE) != 0;
  double roundings = half ? 2 : 32;
  if (composite) roundings *= 4;
  if (gradient) roundings *= 4;
  if (!half || composite || gradient) roundings += 4 * sqrt(c->terms);
  const bool elementwise = (c->flags & ASSAY_CASE_ELEMENTWISE) && !gradient;
  /* Gradients have factors such as 1 - y * y, in which the rounding of numbers near 1 is left over; so do composites on the way. */
  const double floor = half && (gradient || composite) ? 1 : gradient ? 0.1 : 0.01;
  return (struct assay_measure){roundings * spacing(coarser), floor, !elementwise};
}

/* ---- Running cases ---- */

struct group { /* cases compiled on both sides */
  const struct assay_case *cases;
  size_t count;
  struct assay_session *sessions[2]; /* oracle, tested */
  struct assay_program_builder *builders[2];
  const struct assay_program *programs[2];
  struct assay_executable *executables[2];
  struct assay_store *stores[2];
};

struct suite {
  struct assay_session *oracle, *tested;
  const struct assay_conformance_options *options;
  struct assay_conformance_list *list;
  uint64_t stream; /* of random numbers: one a case and round */
};

static void begin_result(const struct assay_case *c, struct assay_conformance_result *result) {
  memset(result, 0, sizeof *result);
  result->subject = assay_op_info(c->op)->name;
  result->dtype = assay_conformance_dtype(c->inputs[0].type.dtype);
  assay_case_describe(c, result->detail, sizeof result->detail);
}

/* A case that could not be compared at all. */
static int add_failure(struct suite *suite, const struct assay_case *c, enum assay_conformance_verdict verdict, const char *part, const char *message,
                       struct assay_status *status) {
  struct assay_conformance_result result;
  begin_result(c, &result);
  result.verdict = verdict;
  snprintf(result.part, sizeof result.part, "%s", part);
  snprintf(result.message, sizeof result.message, "%.*s", (int)sizeof result.message - 1, message);
  return assay_conformance_add(suite->list, suite->options, &result, status);
}

static bool fill_feeds(struct suite *suite, const struct assay_case *c, const struct assay_function *function, struct assay_host_tensor *feeds,
                       struct assay_host_tensor *wide) {
  struct assay_random random = assay_random_seed(suite->options->seed, suite->stream++);
  for (uint32_t i = 0; i < function->feed_count; i++) {
    struct assay_case_operand weight = {*function->graph->types[function->feeds[i]], ASSAY_FILL_NORMAL, 0};
    if (!assay_host_tensor_fill(&feeds[i], i < c->input_count ? &c->inputs[i] : &weight, &random)) return false;
    wide[i] = feeds[i];
    if (!assay_case_is_widened(c)) {
      wide[i].bytes = malloc(assay_host_tensor_size(&feeds[i].type));
      if (!wide[i].bytes) return false;
      memcpy(wide[i].bytes, feeds[i].bytes, assay_host_tensor_size(&feeds[i].type));
    } else if (!assay_host_tensor_widen(&wide[i], &feeds[i])) {
      return false;
    }
  }
  return true;
}

/* Compares all results of one call; keeps the worst of each over the rounds. */
static void compare_results(const struct assay_case *c, uint32_t fetch_count, const struct assay_host_tensor *got, const struct assay_host_tensor *expected,
                            bool first_round, struct assay_conformance_result *results) {
  const uint32_t outputs = assay_case_output_count(c);
  uint32_t input = 0;
  for (uint32_t i = 0; i < fetch_count; i++) {
    struct assay_conformance_result result;
    begin_result(c, &result);
    const bool gradient = i >= outputs;
    while (gradient && !assay_case_wants_gradient(c, input)) input++;
    snprintf(result.part, sizeof result.part, gradient ? "gradient %u" : "output %u", gradient ? input++ : i);
    const struct assay_measure measure = measure_of(c, &got[i].type, gradient);
    assay_host_compare(&got[i], &expected[i], &measure, &result);
    if (first_round || result.worst > results[i].worst) results[i] = result;
  }
}

static int run_round(struct suite *suite, const struct group *group, size_t index, bool first_round, struct assay_conformance_result *results,
                     struct assay_status *status) {
  const struct assay_case *c = &group->cases[index];
  const struct assay_function *function = group->programs[1]->functions[index];
  struct assay_host_tensor feeds[2][ASSAY_CASE_INPUTS + 1] = {0}, fetches[2][MOST_FETCHES] = {0};
  int error = fill_feeds(suite, c, function, feeds[1], feeds[0]) ? ASSAY_OK : assay_status_memory(status);
  for (int side = 0; side < 2 && !error; side++)
    error = assay_host_call(group->sessions[side], group->executables[side], group->stores[side], group->programs[side], (uint32_t)index, feeds[side],
                            fetches[side], status);
  if (!error) compare_results(c, function->fetch_count, fetches[1], fetches[0], first_round, results);
  for (int side = 0; side < 2; side++) {
    assay_host_tensors_release(feeds[side], ASSAY_CASE_INPUTS + 1);
    assay_host_tensors_release(fetches[side], MOST_FETCHES);
  }
  return error;
}

static void begin(const struct suite *suite, const struct assay_case *c, const char *what) {
  const struct assay_conformance_watch *watch = suite->options->watch;
  if (watch == NULL || watch->begin == NULL) return;
  char text[320], detail[200];
  assay_case_describe(c, detail, sizeof detail);
  snprintf(text, sizeof text, "%s%s %s", what, assay_conformance_dtype(c->inputs[0].type.dtype), detail);
  watch->begin(watch->context, assay_op_info(c->op)->name, text);
}

static int run_case(struct suite *suite, const struct group *group, size_t index, struct assay_status *status) {
  const struct assay_case *c = &group->cases[index];
  begin(suite, c, "");
  struct assay_conformance_result results[MOST_FETCHES];
  struct assay_status trouble = {0};
  for (int round = 0; round < ROUNDS; round++)
    if (run_round(suite, group, index, round == 0, results, &trouble)) return add_failure(suite, c, ASSAY_CONFORMANCE_FAILED, "run", trouble.message, status);
  const uint32_t count = group->programs[1]->functions[index]->fetch_count;
  int error = ASSAY_OK;
  for (uint32_t i = suite->options->values ? 0 : assay_case_output_count(c); i < count && !error; i++)
    error = assay_conformance_add(suite->list, suite->options, &results[i], status);
  return error;
}

static void release_group(struct group *group) {
  for (int side = 0; side < 2; side++) {
    assay_session_backend(group->sessions[side])->store_release(group->stores[side]);
    assay_program_release(group->builders[side]);
  }
}

static int run_group(struct suite *suite, const struct assay_case *cases, size_t count, struct assay_status *status);

/* Does `supports` say yes to everything in the group's functions? Then compile has no business refusing. */
static bool is_promised(const struct group *group) {
  const struct assay_session *session = group->sessions[1];
  if (group->programs[1] == NULL) return false;
  for (uint32_t f = 0; f < group->programs[1]->function_count; f++) {
    const struct assay_graph *graph = group->programs[1]->functions[f]->graph;
    for (uint32_t n = 0; n < graph->node_count; n++)
      if (assay_session_backend(session)->supports(assay_session_device(session), graph, n) != 1) return false;
  }
  return true;
}

/* What to do when a group did not compile: try its cases one by one; what a single case meets is a result. */
static int divide_group(struct suite *suite, const struct group *group, int side, const struct assay_status *trouble, struct assay_status *status) {
  const struct assay_case *cases = group->cases;
  const size_t count = group->count;
  if (count == 1) {
    const bool refused = side == 1 && trouble->code == ASSAY_E_UNSUPPORTED && (cases->flags & ASSAY_CASE_OPTIONAL) && !is_promised(group);
    const enum assay_conformance_verdict verdict = refused ? ASSAY_CONFORMANCE_REFUSED : ASSAY_CONFORMANCE_FAILED;
    return add_failure(suite, cases, verdict, side == 0 ? "oracle" : "compile", trouble->message, status);
  }
  int error = ASSAY_OK;
  for (size_t i = 0; i < count && !error; i++) error = run_group(suite, &cases[i], 1, status);
  return error;
}

static int run_group(struct suite *suite, const struct assay_case *cases, size_t count, struct assay_status *status) {
  struct group group = {.cases = cases, .count = count, .sessions = {suite->oracle, suite->tested}};
  struct assay_status trouble = {0};
  int error = ASSAY_OK, side = 0;
  begin(suite, cases, "compiling ");
  for (side = 0; side < 2 && !error; side++) {
    error = assay_conformance_compile(group.sessions[side], cases, count, side == 0, &group.builders[side], &group.programs[side], &group.executables[side], &trouble);
    if (!error) error = assay_session_backend(group.sessions[side])->store_create(group.executables[side], &group.stores[side], &trouble);
  }
  if (error) error = divide_group(suite, &group, side - 1, &trouble, status);
  else
    for (size_t i = 0; i < count && !error; i++) error = run_case(suite, &group, i, status);
  release_group(&group);
  return error;
}

/* ---- All ops ---- */

/* Ops that a table of cases cannot show; programs do. */
static bool is_for_programs(uint32_t op) {
  return op == ASSAY_OP_INPUT || op == ASSAY_OP_VARIABLE || op == ASSAY_OP_CONSTANT || op == ASSAY_OP_ASSIGN || op == ASSAY_OP_MAX_POOL2D_GRADIENT;
}

/* Leaves in the list what the options ask for. */
static void select_cases(struct assay_case_list *list, const struct assay_conformance_options *options) {
  size_t kept = 0;
  for (size_t i = 0; i < list->count; i++) {
    struct assay_case *c = &list->cases[i];
    if (!options->gradients) c->flags &= ~(uint32_t)ASSAY_CASE_GRADIENT;
    if (options->values || assay_case_has_gradient(c)) list->cases[kept++] = *c;
  }
  list->count = kept;
}

static int run_op(struct suite *suite, const struct assay_op_info *info, struct assay_status *status) {
  size_t total = 0;
  int error = ASSAY_OK;
  for (int32_t dtype = ASSAY_F32; dtype <= ASSAY_BOOL && !error; dtype++) { /* f64 is the oracle's own */
    struct assay_case_list cases = {0};
    assay_conformance_cases(&cases, info->op, dtype, suite->options->thorough);
    total += cases.count;
    select_cases(&cases, suite->options);
    if (cases.failed) error = assay_status_memory(status);
    else if (cases.count) error = run_group(suite, cases.cases, cases.count, status);
    free(cases.cases);
  }
  if (!error && total == 0 && !is_for_programs(info->op)) {
    const struct assay_case none = {.op = info->op};
    error = add_failure(suite, &none, ASSAY_CONFORMANCE_FAILED, "table", "no case of the suite covers this op", status);
  }
  return error;
}

/* ---- Subjects ---- */

static uint32_t op_count(void) {
  uint32_t count = 0;
  while (assay_op_at(count) != NULL) count++;
  return count;
}

const char *assay_conformance_subject(uint32_t number) {
  const struct assay_op_info *info = assay_op_at(number);
  return info != NULL ? info->name : assay_conformance_program(number - op_count());
}

int32_t assay_conformance_find(const char *name) {
  const char *subject;
  for (uint32_t i = 0; (subject = assay_conformance_subject(i)) != NULL; i++)
    if (strcmp(subject, name) == 0) return (int32_t)i;
  return -1;
}

int assay_conformance_run(struct assay_session *oracle, struct assay_session *tested, uint32_t subject, const struct assay_conformance_options *options,
                          struct assay_conformance_list *list, struct assay_status *status) {
  struct suite suite = {oracle, tested, options, list, (uint64_t)subject << 32};
  const struct assay_op_info *info = assay_op_at(subject);
  if (info != NULL) return run_op(&suite, info, status);
  return options->values ? assay_conformance_run_program(oracle, tested, subject - op_count(), options, list, status) : ASSAY_OK;
}
