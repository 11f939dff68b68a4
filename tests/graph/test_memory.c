/* SPDX-License-Identifier: MIT
 *
 * Short memory: every allocation of a build fails once. Each time the build must end in ASSAY_E_MEMORY, leak nothing (seen under AddressSanitizer), and the one
 * in which none fails must be right. The linker puts these functions before the library's calls of malloc and its kin.
 */
#include "base/arena.h"
#include "graph/ops.h"
#include "harness.h"

#include <stdint.h>
#include <string.h>

static long countdown = -1; /* allocations until one fails; negative: none does */
static bool failed;

static bool fails_now(void) {
  if (countdown < 0 || countdown-- > 0) return false;
  failed = true;
  return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size) { return fails_now() ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t count, size_t size) { return fails_now() ? NULL : __real_calloc(count, size); }
void *__wrap_realloc(void *block, size_t size) { return fails_now() ? NULL : __real_realloc(block, size); }

static bool takes_primitives(void *context, const struct assay_graph *graph, uint32_t node) {
  (void)context;
  return !(assay_op_info(graph->nodes[node]->op)->flags & ASSAY_OP_COMPOSITE);
}

static int build_step(struct assay_program_builder *program, struct assay_status *status) {
  struct assay_builder *b = assay_function_begin(program, "step");
  if (b == NULL) return ASSAY_E_MEMORY;
  const struct assay_epsilon_attributes epsilon = {1e-5};
  const assay_value x = assay_function_feed(b, ASSAY_F32, 2, (const int64_t[]){8, 5}), labels = assay_function_feed(b, ASSAY_I32, 1, (const int64_t[]){8});
  assay_builder_scope(b, "dense", "a.ini:3");
  assay_builder_options(b, "width = 9");
  const assay_value w = assay_parameter(b, "weight", 2, (const int64_t[]){9, 5}, ASSAY_INIT_HE_NORMAL, 0, ASSAY_ROLE_WEIGHT);
  const assay_value scale = assay_parameter(b, "scale", 1, (const int64_t[]){9}, ASSAY_INIT_CONSTANT, 1, ASSAY_ROLE_NORM_SCALE);
  assay_value y = assay_matmul(b, x, w, 0, 1);
  for (int i = 0; i < 12; i++) {
    const assay_value inputs[3] = {assay_tanh(b, y), scale, scale};
    y = b->host->emit(b, ASSAY_OP_BATCH_NORM_TRAINING, inputs, 3, &epsilon, sizeof epsilon);
  }
  assay_value wide[10];
  for (int i = 0; i < 10; i++) wide[i] = assay_slice(b, y, 1, i % 9, i % 9 + 1);
  const assay_value logits = assay_concat(b, wide, 10, 1);
  const assay_value loss = assay_mean(b, assay_softmax_cross_entropy(b, logits, assay_one_hot(b, labels, 10)), 1, 0);
  const assay_value wrt[2] = {w, scale};
  assay_value gradients[2];
  assay_builder_gradient(b, loss, wrt, 2, gradients);
  for (int i = 0; i < 2; i++) assay_assign(b, wrt[i], assay_sub(b, wrt[i], gradients[i]));
  assay_function_fetch(b, loss);
  return assay_function_end(b, status);
}

/* Builds, finishes, decomposes, plans and fuses; the first error. No assertions in here: Check allocates for them. */
static int whole_way(uint8_t key[16], struct assay_status *status) {
  struct assay_program_builder *builder = assay_program_begin();
  struct assay_arena *arena = assay_arena_create();
  const struct assay_program *program = NULL, *parts = NULL;
  int error = builder == NULL || arena == NULL ? ASSAY_E_MEMORY : build_step(builder, status);
  if (error == 0) error = assay_program_finish(builder, &program, status);
  if (error == 0) error = assay_program_decompose(program, takes_primitives, NULL, arena, &parts, status);
  if (error == 0) {
    const struct assay_graph *graph = parts->functions[0]->graph;
    int32_t groups[2048];
    uint64_t offsets[2], total;
    error = graph->node_count > 2048 ? ASSAY_E_FAILED : assay_fuse_elementwise(graph, NULL, groups);
    if (error == 0) error = assay_plan_memory((const struct assay_interval[]){{8, 0, 1}, {8, 1, 2}}, 2, 8, offsets, &total);
    memcpy(key, parts->key, 16);
  }
  assay_program_release(builder);
  assay_arena_release(arena);
  return error;
}

START_TEST(every_allocation_may_fail) {
  struct assay_status status = {0, {0}};
  uint8_t right[16], key[16];
  static const uint8_t none[16];
  ck_assert_msg(whole_way(right, &status) == 0, "%s", status.message);
  int failures = 0;
  for (long n = 0;; n++) {
    countdown = n;
    failed = false;
    const int error = whole_way(key, &status);
    countdown = -1;
    if (!failed) {
      ck_assert_int_eq(error, 0);
      ck_assert_mem_eq(key, right, 16);
      break;
    }
    failures++;
    /* Only a key may be missing without harm: it is zeros then, and equal to no other. */
    ck_assert_msg(error == ASSAY_E_MEMORY || (error == 0 && (memcmp(key, none, 16) == 0 || memcmp(key, right, 16) == 0)), "allocation %ld: %d", n, error);
  }
  ck_assert_int_gt(failures, 100);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("memory");
  TCase *all = tcase_create("all");
  tcase_set_timeout(all, 60);
  tcase_add_test(all, every_allocation_may_fail);
  suite_add_tcase(suite, all);
  return assay_run_suite(suite);
}
