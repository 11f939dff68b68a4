/* SPDX-License-Identifier: MIT
 *
 * Building functions: the op table, variables, errors, and what passes leave of a graph.
 */
#include "base/text.h"
#include "graph/ops.h"
#include "harness.h"

#include <string.h>

START_TEST(op_table_is_sorted_and_named_once) {
  for (uint32_t i = 0; assay_op_at(i) != NULL; i++) {
    const struct assay_op_info *info = assay_op_at(i), *next = assay_op_at(i + 1);
    ck_assert_ptr_eq(assay_op_info(info->op), info);
    ck_assert_ptr_eq(assay_op_by_name(info->name), info);
    if (next != NULL) ck_assert_uint_lt(info->op, next->op);
    ck_assert_msg(!(info->flags & ASSAY_OP_COMPOSITE) == (info->decompose == NULL), "%s", info->name);
    ck_assert_uint_le(info->output_count, 4);
  }
  ck_assert_ptr_null(assay_op_info(4));
  ck_assert_ptr_null(assay_op_info(99999));
  ck_assert_ptr_null(assay_op_by_name("fourier"));
}
END_TEST

START_TEST(training_step_is_built_and_cleaned) {
  struct assay_program_builder *program = assay_program_begin();
  struct assay_builder *b = assay_function_begin(program, "step");
  const assay_value x = assay_function_feed(b, ASSAY_F32, 4, (const int64_t[]){8, 3, 16, 16});
  const assay_value labels = assay_function_feed(b, ASSAY_I32, 1, (const int64_t[]){8});
  assay_builder_scope(b, "conv1", "a.ini:3, [layer.conv1]");
  const assay_value w = assay_parameter(b, "weight", 4, (const int64_t[]){4, 3, 3, 3}, ASSAY_INIT_HE_NORMAL, 0, ASSAY_ROLE_WEIGHT);
  const struct assay_conv2d_attributes conv = {{1, 1}, {1, 1}, {1, 1}, {1, 1}, 1, {0, 0}, {0, 0}};
  const struct assay_pool2d_attributes pool = {{2, 2}, {2, 2}, {0, 0}, {0, 0}, 0, {0, 0}};
  assay_value y = assay_max_pool2d(b, assay_relu(b, assay_conv2d(b, x, w, &conv)), &pool);
  assay_builder_scope(b, "classifier", NULL);
  const assay_value v = assay_parameter(b, "weight", 2, (const int64_t[]){10, 256}, ASSAY_INIT_HE_NORMAL, 0, ASSAY_ROLE_WEIGHT);
  y = assay_matmul(b, assay_reshape(b, y, 2, (const int64_t[]){-1, 256}), v, 0, 1);
  const assay_value loss = assay_mean(b, assay_softmax_cross_entropy(b, y, assay_one_hot(b, labels, 10)), 1, 0);
  const assay_value wrt[2] = {w, v};
  assay_value gradients[2];
  assay_builder_gradient(b, loss, wrt, 2, gradients);
  for (int i = 0; i < 2; i++) assay_assign(b, wrt[i], assay_sub(b, wrt[i], assay_mul(b, gradients[i], assay_number(b, loss, 0.1))));
  assay_function_fetch(b, loss);
  struct assay_status status = {0, {0}};
  ck_assert_msg(assay_function_end(b, &status) == 0, "%s", status.message);
  const struct assay_program *finished;
  ck_assert_msg(assay_program_finish(program, &finished, &status) == 0, "%s", status.message);
  struct assay_text text = {0};
  assay_graph_print(finished->functions[0]->graph, &text);
  if (getenv("ASSAY_PRINT") != NULL) fprintf(stderr, "%s", text.data);
  ck_assert_ptr_nonnull(strstr(text.data, "conv2d_weight_gradient"));
  ck_assert_ptr_null(strstr(text.data, "conv2d_input_gradient")); /* nobody wants the gradient of the images */
  assay_text_release(&text);
  assay_program_release(program);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("graph");
  TCase *building = tcase_create("building");
  tcase_add_test(building, op_table_is_sorted_and_named_once);
  tcase_add_test(building, training_step_is_built_and_cleaned);
  suite_add_tcase(suite, building);
  return assay_run_suite(suite);
}
