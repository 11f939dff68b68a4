/* SPDX-License-Identifier: MIT
 *
 * Sessions: how a backend's refusals are met. A picky backend stands before the reference one and refuses what a test tells it to.
 */
#include "running.h"

static const struct assay_backend *reference;
static uint32_t unsupported_op, refused_op; /* by `supports`, by `compile` */
static int64_t refused_rank;                /* only at this rank of the output; 0: any */
static int compilations, nonsense;

static int picky_supports(struct assay_device *device, const struct assay_graph *graph, uint32_t node) {
  return graph->nodes[node]->op == ASSAY_OP_LOG_SOFTMAX || graph->nodes[node]->op == ASSAY_OP_SOFTMAX
             ? graph->nodes[node]->op != unsupported_op
             : graph->nodes[node]->op != unsupported_op && reference->supports(device, graph, node);
}

static int picky_compile(struct assay_device *device, const struct assay_program *program, struct assay_executable **executable, uint32_t refused[2],
                         struct assay_status *status) {
  compilations++;
  if (nonsense == 1) return ASSAY_E_UNSUPPORTED;
  for (uint32_t f = 0; f < program->function_count; f++) {
    const struct assay_graph *graph = program->functions[f]->graph;
    for (uint32_t n = 0; n < graph->node_count; n++) {
      if (graph->nodes[n]->op != refused_op || (refused_rank != 0 && graph->types[graph->nodes[n]->first_output]->rank != refused_rank)) continue;
      refused[0] = f;
      refused[1] = n;
      return ASSAY_E_UNSUPPORTED;
    }
  }
  return reference->compile(device, program, executable, refused, status);
}

static struct assay_backend picky;
static struct assay_plugin plugin;

static void set_up(void) {
  reference = reference_plugin()->vtable;
  picky = *reference;
  picky.supports = picky_supports;
  picky.compile = picky_compile;
  plugin = *reference_plugin();
  plugin.name = "picky";
  plugin.vtable = &picky;
  unsupported_op = refused_op = 0;
  refused_rank = 0;
  compilations = nonsense = 0;
}

/* log_softmax of x [2, 3], and softmax of it. */
static struct assay_program_builder *build(const char *name) {
  struct assay_program_builder *builder = assay_program_begin();
  struct assay_builder *b = assay_function_begin(builder, name);
  assay_builder_scope(b, "head", NULL);
  const assay_value x = assay_function_feed(b, ASSAY_F64, 2, (const int64_t[]){2, 3});
  assay_function_fetch(b, assay_softmax(b, assay_log_softmax(b, x)));
  return builder;
}

static int compile(struct assay_session *session, struct assay_program_builder *builder, struct assay_executable **executable, struct assay_status *status) {
  const struct assay_program *program;
  const int error = assay_program_finish(builder, &program, status);
  return error != 0 ? error : assay_session_compile(session, program, executable, status);
}

static struct assay_status status;

START_TEST(what_supports_refuses_is_taken_apart) {
  unsupported_op = ASSAY_OP_LOG_SOFTMAX;
  refused_op = ASSAY_OP_SOFTMAX;
  struct assay_session *session;
  struct assay_executable *executable, *again;
  CHECK_STATUS(assay_session_open(&plugin, NULL, "0", &session, &status));
  ck_assert(assay_session_backend(session)->compile == picky.compile);
  ck_assert_ptr_nonnull(assay_session_device(session));
  struct assay_program_builder *builder = build("f"), *equal = build("g");
  CHECK_STATUS(compile(session, builder, &executable, &status));
  ck_assert_int_eq(compilations, 2); /* first with softmax, which compile itself refused */
  assay_program_release(builder);    /* the session has a copy */
  CHECK_STATUS(compile(session, equal, &again, &status));
  ck_assert_ptr_eq(executable, again);
  ck_assert_int_eq(compilations, 2);
  assay_program_release(equal);
  assay_session_close(session);
}
END_TEST

static struct assay_executable *compile_sum(struct assay_session *session, double number) {
  struct assay_program_builder *builder = assay_program_begin();
  struct assay_builder *b = assay_function_begin(builder, "f");
  const assay_value x = assay_function_feed(b, ASSAY_F64, 1, (const int64_t[]){3});
  assay_function_fetch(b, assay_add(b, x, assay_number(b, x, number)));
  struct assay_executable *executable;
  CHECK_STATUS(compile(session, builder, &executable, &status));
  assay_program_release(builder);
  return executable;
}

START_TEST(only_the_last_executables_are_kept) {
  struct assay_session *session;
  CHECK_STATUS(assay_session_open(&plugin, NULL, NULL, &session, &status));
  struct assay_executable *one = compile_sum(session, 1), *two = compile_sum(session, 2);
  compile_sum(session, 3);
  ck_assert_ptr_eq(compile_sum(session, 1), one); /* used last again */
  assay_session_trim(session, 9);
  ck_assert_ptr_eq(compile_sum(session, 2), two);
  ck_assert_int_eq(compilations, 3);
  assay_session_trim(session, 2); /* 3 goes */
  ck_assert_ptr_eq(compile_sum(session, 1), one);
  ck_assert_ptr_eq(compile_sum(session, 2), two);
  ck_assert_int_eq(compilations, 3);
  compile_sum(session, 3);
  ck_assert_int_eq(compilations, 4);
  assay_session_trim(session, 0);
  assay_session_close(session);
}
END_TEST

START_TEST(a_refused_primitive_is_named) {
  struct assay_session *session;
  struct assay_executable *executable;
  CHECK_STATUS(assay_session_open(&plugin, NULL, NULL, &session, &status));
  struct assay_program_builder *builder = build("f");
  unsupported_op = ASSAY_OP_SOFTMAX;
  refused_op = ASSAY_OP_EXP;
  ck_assert_int_eq(compile(session, builder, &executable, &status), ASSAY_E_UNSUPPORTED);
  ck_assert_str_eq(status.message, "backend picky: head: the backend does not support exp of f64 [2, 3]; use another backend");
  ck_assert_ptr_null(executable);
  nonsense = 1;
  ck_assert_int_eq(compile(session, builder, &executable, &status), ASSAY_E_PLUGIN);
  ck_assert_str_eq(status.message, "backend picky refuses a node that does not exist; the plugin is broken");
  assay_program_release(builder);
  assay_session_close(session);
}
END_TEST

START_TEST(an_unfit_backend_is_not_opened) {
  struct assay_session *session;
  plugin.vtable_size = ASSAY_BACKEND_LEAST_SIZE - 8;
  ck_assert_int_eq(assay_session_open(&plugin, NULL, NULL, &session, &status), ASSAY_E_PLUGIN);
  plugin.vtable_size = sizeof picky;
  picky.store_copy = NULL;
  ck_assert_int_eq(assay_session_open(&plugin, NULL, NULL, &session, &status), ASSAY_E_PLUGIN);
  ck_assert_ptr_null(session);
  ck_assert_int_eq(assay_session_open(reference_plugin(), NULL, "7", &session, &status), ASSAY_E_DEVICE);
  assay_session_close(NULL);
}
END_TEST

/* Reads see values from before the call; writes land at its end. */
START_TEST(assigns_land_at_the_end_of_a_call) {
  struct assay_program_builder *builder = assay_program_begin();
  struct assay_builder *b = assay_function_begin(builder, "swap");
  const struct assay_tensor_type scalar = {ASSAY_F64, 0, {0}};
  const assay_value x = assay_state(b, "x", &scalar, 1, ASSAY_ROLE_STATISTIC), y = assay_state(b, "y", &scalar, 2, ASSAY_ROLE_STATISTIC);
  assay_assign(b, x, y);
  assay_assign(b, y, assay_add(b, x, assay_number(b, x, 10)));
  assay_function_fetch(b, x);
  struct running running = run_builder(builder);
  double values[2] = {1, 2}, fetched;
  for (uint32_t v = 0; v < 2; v++) CHECK_STATUS(running.backend->store_write(running.store, v, &values[v], &status));
  call_function(&running, 0, NULL, (void *const[]){&fetched});
  for (uint32_t v = 0; v < 2; v++) CHECK_STATUS(running.backend->store_read(running.store, v, &values[v], &status));
  ck_assert_double_eq(fetched, 1);
  ck_assert_double_eq(values[0], 2);
  ck_assert_double_eq(values[1], 11);
  stop_running(&running);
  assay_program_release(builder);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("session");
  TCase *all = tcase_create("all");
  tcase_add_checked_fixture(all, set_up, NULL);
  tcase_add_test(all, what_supports_refuses_is_taken_apart);
  tcase_add_test(all, only_the_last_executables_are_kept);
  tcase_add_test(all, a_refused_primitive_is_named);
  tcase_add_test(all, an_unfit_backend_is_not_opened);
  tcase_add_test(all, assigns_land_at_the_end_of_a_call);
  suite_add_tcase(suite, all);
  return assay_run_suite(suite);
}
