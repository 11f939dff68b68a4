/* SPDX-License-Identifier: MIT
 *
 * Too little memory for a batch: it is cut into pieces, and the training is the same but for rounding; where batch norm forbids that, the failure names a batch
 * that fits, and it does fit. On every backend that can be used here. And what the core takes for tying samples together.
 */
#include "toy.h"

#include <math.h>
#include <string.h>

enum { IMAGES = 50, BATCH = 16 };

static const char *const backends[] = {"reference", "cpu", "opencl"};
enum { BACKENDS = sizeof backends / sizeof *backends };

/* Puts the toy on another backend; false, with a message, where it cannot be used. */
static bool move_to(struct toy *toy, const char *name) {
  struct assay_status status;
  const struct assay_plugin *plugin;
  if (assay_registry_find(test_registry, ASSAY_BACKEND, name, &plugin, &status) == 0) {
    const struct assay_component backend = component(ASSAY_BACKEND, name, "");
    assay_session_close(toy->session);
    toy->session = NULL;
    if (assay_session_open(backend.plugin, backend.values, NULL, &toy->session, &status) == 0) return true;
  }
  fprintf(stderr, "skipped: %s\n", status.message);
  return false;
}

static struct toy *create(void) {
  struct toy *toy = toy_create(IMAGES, 4, 3, 60);
  toy->settings.train.batch = BATCH;
  toy->settings.train.epochs = 3;
  toy->settings.train.class_weights = ASSAY_CLASS_WEIGHTS_BALANCED;
  toy->labels[0] = toy->labels[4] = 1; /* so that the weights differ */
  return toy;
}

/* A trial with at most so many bytes; NULL with a status when it fails. */
static struct assay_trial_result *try_with(struct toy *toy, uint64_t limit, struct assay_status *status) {
  struct assay_trainer *trainer;
  struct assay_trial_result *result = NULL;
  assay_session_limit(toy->session, limit);
  ck_assert_msg(assay_trainer_open(toy->session, (const struct assay_samples *const[]){&toy->samples}, 1, &trainer, status) == 0, "%s", status->message);
  const int code = assay_trainer_trial(trainer, &toy->settings, 5, false, NULL, &result, status);
  ck_assert_int_eq(code == 0, result != NULL);
  assay_trainer_close(trainer);
  return result;
}

static void check_alike(const struct assay_trial_result *whole, const struct assay_trial_result *pieces, const char *backend) {
  ck_assert_uint_eq(whole->fold_count, pieces->fold_count);
  for (uint32_t fold = 0; fold < whole->fold_count; fold++)
    for (uint32_t epoch = 0; epoch < whole->folds[fold].epoch_count; epoch++) {
      const struct assay_epoch *a = &whole->folds[fold].epochs[epoch], *b = &pieces->folds[fold].epochs[epoch];
      ck_assert_msg(fabs(a->training_loss - b->training_loss) < 1e-4 * a->training_loss, "%s: %.9g is not %.9g", backend, b->training_loss, a->training_loss);
      ck_assert_msg(fabs(a->validation_loss - b->validation_loss) < 1e-3 * a->validation_loss, "%s: %.9g is not %.9g", backend, b->validation_loss, a->validation_loss);
    }
}

START_TEST(pieces_train_as_the_whole) {
  const char *backend = backends[_i];
  struct toy *toy = create();
  if (!move_to(toy, backend)) return;
  toy->settings.train.epochs = 1;
  toy_layer(toy, "conv2d", "channels=64"); /* what grows with the batch must outweigh what a convolution takes as its workspace */
  toy_layer(toy, "relu", "");
  toy_layer(toy, "max_pool", "");
  toy_layer(toy, "dropout", "rate=0.3");
  toy_layer(toy, "classifier", "");
  struct assay_status status;
  struct assay_trial_result *whole = try_with(toy, 0, &status), *pieces = NULL;
  ck_assert_msg(whole != NULL, "%s", status.message);
  ck_assert_uint_eq(whole->piece, 0);
  uint32_t smallest = BATCH;
  for (uint64_t limit = 16 << 20; (pieces = try_with(toy, limit, &status)) != NULL; limit -= limit / 12) {
    if (pieces->piece > 0 && pieces->piece < smallest) {
      smallest = pieces->piece;
      check_alike(whole, pieces, backend);
    }
    assay_trial_result_release(pieces);
  }
  ck_assert_uint_le(smallest, BATCH / 2);
  ck_assert_int_eq(status.code, ASSAY_E_MEMORY);
  ck_assert_msg(strstr(status.message, "even one image at a time is too much") != NULL, "%s", status.message);
  assay_trial_result_release(whole);
  toy_release(toy);
}
END_TEST

START_TEST(a_batch_that_holds_together_is_refused_with_one_that_fits) {
  const char *backend = backends[_i];
  struct toy *toy = create();
  if (!move_to(toy, backend)) return;
  toy->settings.train.epochs = 1;
  toy_layer(toy, "conv2d", "channels=64"); /* what grows with the batch must outweigh what a convolution takes as its workspace */
  toy_layer(toy, "batch_norm", "");
  toy_layer(toy, "classifier", "");
  struct assay_status status;
  struct assay_trial_result *result;
  uint64_t limit = 16 << 20;
  for (; (result = try_with(toy, limit, &status)) != NULL; limit -= limit / 16) {
    ck_assert_uint_eq(result->piece, 0);
    assay_trial_result_release(result);
  }
  ck_assert_int_eq(status.code, ASSAY_E_MEMORY);
  ck_assert_msg(strstr(status.message, "layer \"batch_norm1\" ties its samples together") != NULL, "%s", status.message);
  const char *advice = strstr(status.message, "with [train] batch = ");
  ck_assert_msg(advice != NULL, "%s", status.message);
  const int batch = atoi(advice + strlen("with [train] batch = "));
  ck_assert(batch > 0 && batch < BATCH);
  toy->settings.train.batch = (uint32_t)batch;
  result = try_with(toy, limit, &status);
  ck_assert_msg(result != NULL, "%s", status.message);
  assay_trial_result_release(result);
  toy_release(toy);
}
END_TEST

/* ---- What ties samples together ---- */

static bool couples(void (*build)(struct assay_builder *b, assay_value x, assay_value w)) {
  struct assay_program_builder *program = assay_program_begin();
  struct assay_builder *b = assay_function_begin(program, "f");
  const int64_t extents[4] = {6, 3, 4, 5}, square[2] = {5, 5};
  const assay_value x = assay_function_feed(b, ASSAY_F32, 4, extents), w = assay_function_feed(b, ASSAY_F32, 2, square);
  struct assay_status status;
  build(b, x, w);
  const char *coupling = assay_builder_coupling(b, &x, 1);
  ck_assert_msg(assay_function_end(b, &status) == 0, "%s", status.message);
  const bool found = coupling != NULL;
  assay_program_release(program);
  return found;
}

static assay_value rows(struct assay_builder *b, assay_value x) { return assay_reshape(b, x, 2, (const int64_t[]){-1, 5}); }
static assay_value flat(struct assay_builder *b, assay_value x) { return assay_reshape(b, x, 2, (const int64_t[]){6, 60}); }
static void own_sums(struct assay_builder *b, assay_value x, assay_value w) { (void)w, assay_reduce_sum(b, assay_relu(b, x), 1u << 1 | 1u << 3, 0); }
static void sum_of_samples(struct assay_builder *b, assay_value x, assay_value w) { (void)w, assay_reduce_sum(b, x, 1u << 0, 0); }
static void own_softmax(struct assay_builder *b, assay_value x, assay_value w) { (void)w, assay_softmax(b, flat(b, x)); }
static void rows_of_one(struct assay_builder *b, assay_value x, assay_value w) { (void)w, rows(b, x); }
static void rows_of_several(struct assay_builder *b, assay_value x, assay_value w) { (void)w, assay_reshape(b, rows(b, x), 2, (const int64_t[]){4, 90}); }
static void back_to_samples(struct assay_builder *b, assay_value x, assay_value w) { (void)w, flat(b, rows(b, x)); }
static void own_transpose(struct assay_builder *b, assay_value x, assay_value w) { (void)w, assay_transpose(b, x, (const int32_t[]){0, 2, 3, 1}); }
static void channels_first(struct assay_builder *b, assay_value x, assay_value w) { (void)w, assay_transpose(b, x, (const int32_t[]){1, 0, 2, 3}); }
static void own_slice(struct assay_builder *b, assay_value x, assay_value w) { (void)w, assay_slice(b, x, 1, 0, 2); }
static void half_of_the_batch(struct assay_builder *b, assay_value x, assay_value w) { (void)w, assay_slice(b, x, 0, 0, 3); }
static void product_with_weights(struct assay_builder *b, assay_value x, assay_value w) {
  assay_matmul(b, assay_slice(b, flat(b, x), 1, 0, 5), w, 0, 1);
}
static void product_of_samples(struct assay_builder *b, assay_value x, assay_value w) { (void)w, assay_matmul(b, flat(b, x), flat(b, x), 0, 1); }
static void aligned_elsewhere(struct assay_builder *b, assay_value x, assay_value w) {
  (void)w, assay_add(b, x, assay_slice(b, assay_reduce_sum(b, x, 14, 0), 0, 0, 1));
}
static void mean_aligned_at_the_end(struct assay_builder *b, assay_value x, assay_value w) {
  (void)w;
  const assay_value own = assay_reduce_sum(b, x, 1u << 1 | 1u << 2 | 1u << 3, 0); /* [6] */
  assay_mul(b, assay_reshape(b, own, 2, (const int64_t[]){6, 1}), own); /* [6, 1] by [6]: every sample with every other */
}
static void kept_apart_from_weights(struct assay_builder *b, assay_value x, assay_value w) { (void)x, assay_reduce_sum(b, w, 1, 0); }
static void written_down(struct assay_builder *b, assay_value x, assay_value w) {
  (void)w;
  assay_assign(b, assay_state(b, "s", assay_type(b, x), 0, ASSAY_ROLE_STATISTIC), x);
}

START_TEST(what_mixes_samples_is_known) {
  ck_assert(!couples(own_sums));
  ck_assert(couples(sum_of_samples));
  ck_assert(!couples(own_softmax));
  ck_assert(!couples(rows_of_one)); /* twelve rows a sample, that stand together */
  ck_assert(!couples(back_to_samples));
  ck_assert(couples(rows_of_several));
  ck_assert(!couples(own_transpose));
  ck_assert(couples(channels_first));
  ck_assert(!couples(own_slice));
  ck_assert(couples(half_of_the_batch));
  ck_assert(!couples(product_with_weights));
  ck_assert(couples(product_of_samples));
  ck_assert(couples(aligned_elsewhere));
  ck_assert(couples(mean_aligned_at_the_end));
  ck_assert(!couples(kept_apart_from_weights));
  ck_assert(couples(written_down));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("pieces");
  TCase *cases = tcase_create("pieces");
  tcase_set_timeout(cases, 120);
  tcase_add_checked_fixture(cases, components_setup, components_teardown);
  tcase_add_loop_test(cases, pieces_train_as_the_whole, 0, BACKENDS);
  tcase_add_loop_test(cases, a_batch_that_holds_together_is_refused_with_one_that_fits, 0, BACKENDS);
  tcase_add_test(cases, what_mixes_samples_is_known);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
