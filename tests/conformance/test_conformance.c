/* SPDX-License-Identifier: MIT
 *
 * The conformance suite on every backend of this build. ASSAY_SEED sets the seed of all inputs, which is printed; ASSAY_CONFORMANCE=thorough adds the
 * larger shapes, any other text names the one op or program to try; ASSAY_CONFORMANCE_LIST=yes prints every comparison.
 */
#include "backends.h"
#include "suite.h"

#include <string.h>
#include <time.h>

static uint64_t choose_seed(void) {
  const char *text = getenv("ASSAY_SEED");
  return text ? strtoull(text, NULL, 10) : (uint64_t)time(NULL);
}

static void print_result(const struct assay_conformance_result *result) {
  static const char *const verdicts[] = {"passed", "FAILED", "refused"};
  fprintf(stderr, "%-7s %-26s %-4s %-12s %9.2g of %8.2g  %s%s%s\n", verdicts[result->verdict], result->subject, result->dtype, result->part, result->worst,
          result->bound, result->detail, result->message[0] ? ": " : "", result->message);
}

/* The subject of that name, or with NULL all of them. */
static int run_subjects(struct assay_session *oracle, struct assay_session *tested, const char *only, const struct assay_conformance_options *options,
                        struct assay_conformance_list *list, struct assay_status *status) {
  const char *subject;
  int error = 0;
  for (uint32_t i = 0; (subject = assay_conformance_subject(i)) != NULL && !error; i++)
    if (!only || strcmp(only, subject) == 0) error = assay_conformance_run(oracle, tested, i, options, list, status);
  return error;
}

/* `option`: "key=value" of the backend; NULL. `only`: NULL: all. */
static void run_backend(const char *name, const char *option, const char *only) {
  struct assay_registry *registry = open_registry();
  struct assay_arena *arena = assay_arena_create();
  struct assay_session *oracle, *tested;
  struct assay_status status = {0};
  ck_assert_msg(open_backend(registry, "reference", NULL, arena, &oracle, &status) == 0, "%s", status.message);
  if (open_backend(registry, name, option, arena, &tested, &status)) {
    assay_session_close(oracle);
    assay_registry_release(registry);
    assay_arena_release(arena);
    ASSAY_SKIP("backend %s: %s", name, status.message);
  }

  const char *what = getenv("ASSAY_CONFORMANCE");
  const bool thorough = what && strcmp(what, "thorough") == 0, every = getenv("ASSAY_CONFORMANCE_LIST") != NULL;
  const struct assay_conformance_options options = {.seed = choose_seed(), .thorough = thorough, .values = true, .gradients = true};
  struct assay_conformance_list list = {0};
  const int error = run_subjects(oracle, tested, only ? only : thorough ? NULL : what, &options, &list, &status);
  for (size_t i = 0; i < list.count; i++)
    if (every || list.results[i].verdict == ASSAY_CONFORMANCE_FAILED) print_result(&list.results[i]);
  fprintf(stderr, "%s: %zu passed, %zu failed, %zu refused; ASSAY_SEED=%llu\n", name, list.passed, list.failed, list.refused, (unsigned long long)options.seed);
  const size_t failed = list.failed, passed = list.passed;
  assay_conformance_release(&list);
  assay_session_close(tested);
  assay_session_close(oracle);
  assay_registry_release(registry);
  assay_arena_release(arena);
  ck_assert_msg(error == 0, "%s", status.message);
  ck_assert_uint_eq(failed, 0);
  ck_assert_uint_gt(passed, 0);
}

START_TEST(reference_conforms) { run_backend("reference", NULL, NULL); }
END_TEST

START_TEST(cpu_conforms) { run_backend("cpu", NULL, NULL); }
END_TEST

START_TEST(opencl_conforms) { run_backend("opencl", NULL, NULL); }
END_TEST

/* Every product through CLBlast, which by default has only the large ones. On a driver without a cache of its own it compiles for minutes. */
START_TEST(opencl_products_conform_through_clblast) {
  if (!getenv("ASSAY_CLBLAST")) ASSAY_SKIP("make check-clblast runs the products through CLBlast");
  run_backend("opencl", "clblast_from=1", "matmul");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("conformance");
  TCase *tests = tcase_create("backends");
  tcase_set_timeout(tests, 1200); /* an OpenCL driver that sees its kernels for the first time compiles for minutes */
  tcase_add_test(tests, reference_conforms);
  tcase_add_test(tests, cpu_conforms);
  tcase_add_test(tests, opencl_conforms);
  TCase *clblast = tcase_create("clblast");
  tcase_set_timeout(clblast, 1200);
  tcase_add_test(clblast, opencl_products_conform_through_clblast);
  suite_add_tcase(suite, clblast);
  suite_add_tcase(suite, tests);
  return assay_run_suite(suite);
}
