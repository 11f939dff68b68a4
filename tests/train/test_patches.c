/* SPDX-License-Identifier: MIT
 *
 * Patches in the graph: where each lies, and what they say together.
 */
#include "components.h"

#include "train/patches.h"

enum { BATCH = 2, HEIGHT = 4, WIDTH = 6, COLUMNS = 3, ROWS = 2, PATCHES = COLUMNS * ROWS };

static const struct assay_data_settings settings = {.patch_columns = COLUMNS, .patch_rows = ROWS};

START_TEST(counts) {
  ck_assert_uint_eq(assay_patch_count(&(struct assay_data_settings){.patch_columns = 0}), 1);
  ck_assert_uint_eq(assay_patch_count(&(struct assay_data_settings){.patch_columns = 1, .patch_rows = 1}), 1);
  ck_assert_uint_eq(assay_patch_count(&settings), PATCHES);
}
END_TEST

/* Shapes on the way there and back; a size that cannot be divided fails the build. */
START_TEST(shapes) {
  struct assay_program_builder *program = assay_program_begin();
  struct assay_builder *b = assay_function_begin(program, "patches");
  const assay_value planes = assay_function_feed(b, ASSAY_F32, 4, (const int64_t[]){BATCH, 1, HEIGHT, WIDTH});
  const assay_value keys = assay_function_feed(b, ASSAY_U32, 2, (const int64_t[]){BATCH, 2});
  const assay_value cut = assay_patches_cut(b, &settings, planes), tiled = assay_patches_keys(b, &settings, keys);
  ck_assert_int_eq(assay_extent(b, cut, 0), PATCHES * BATCH);
  ck_assert_int_eq(assay_extent(b, cut, 2), HEIGHT / ROWS);
  ck_assert_int_eq(assay_extent(b, cut, 3), WIDTH / COLUMNS);
  ck_assert_int_eq(assay_extent(b, tiled, 0), PATCHES * BATCH);
  const assay_value logits = assay_function_feed(b, ASSAY_F32, 2, (const int64_t[]){PATCHES * BATCH, 3});
  const assay_value joined = assay_patches_join(b, &settings, logits, false);
  ck_assert_int_eq(assay_extent(b, joined, 0), BATCH);
  ck_assert_int_eq(assay_extent(b, joined, 1), 3);
  ck_assert(!assay_is_valid(assay_patches_cut(b, &(struct assay_data_settings){.patch_columns = 4, .patch_rows = 2}, planes)));
  assay_program_release(program);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("patches");
  TCase *cases = tcase_create("patches");
  tcase_add_test(cases, counts);
  tcase_add_test(cases, shapes);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
