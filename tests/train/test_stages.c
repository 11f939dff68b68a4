/* SPDX-License-Identifier: MIT
 *
 * Progressive sizes and repeats on the toy: a stage starts from the best weights of the one before, and repeats are trainings of their own.
 */
#include "toy.h"

#include <math.h>

/* The toy's pictures at half the size: the mean of four pixels. */
struct small {
  struct assay_samples samples;
  const uint8_t *pixels[TOY_MOST];
  uint8_t bytes[TOY_MOST][TOY_SIDE / 2 * TOY_SIDE / 2 * TOY_CHANNELS];
};

static struct small *halve(const struct toy *toy) {
  struct small *small = ASSAY_NEW(test_arena, struct small);
  small->samples = toy->samples;
  for (uint32_t i = 0; i < toy->samples.count; i++) {
    small->pixels[i] = small->bytes[i];
    for (int y = 0; y < TOY_SIDE / 2; y++)
      for (int x = 0; x < TOY_SIDE / 2; x++)
        for (int c = 0; c < TOY_CHANNELS; c++) {
          int sum = 0;
          for (int k = 0; k < 4; k++) sum += toy->bytes[i][((2 * y + k / 2) * TOY_SIDE + 2 * x + k % 2) * TOY_CHANNELS + c];
          small->bytes[i][(y * TOY_SIDE / 2 + x) * TOY_CHANNELS + c] = (uint8_t)(sum / 4);
        }
  }
  small->samples.pixels = small->pixels;
  small->samples.width = small->samples.height = TOY_SIDE / 2;
  return small;
}

static const struct assay_stage_settings stages[] = {{TOY_SIDE / 2, TOY_SIDE / 2, 8, 5}, {TOY_SIDE, TOY_SIDE, 5, 4}};

static struct toy *staged_toy(bool pooled) {
  struct toy *toy = toy_create(24, 2, 3, 60);
  toy_layer(toy, "conv_blocks", "blocks=1;channels=4");
  toy_layer(toy, pooled ? "global_avg_pool" : "flatten", "");
  toy_layer(toy, "classifier", "");
  toy->settings.train.stages = stages;
  toy->settings.train.stage_count = 2;
  toy->settings.train.epochs = 9;
  toy->settings.train.schedule = ASSAY_SCHEDULE_COSINE;
  return toy;
}

static int count_epochs(void *context, const struct assay_progress *progress, struct assay_status *status) {
  (void)status;
  uint32_t *next = context;
  ck_assert_uint_eq(progress->epoch_limit, progress->refit ? progress->epoch_limit : 9);
  ck_assert_uint_eq(progress->epoch, *next);
  *next = progress->epoch + 1 == progress->epoch_limit ? 0 : *next + 1;
  return ASSAY_HOOK_CONTINUE;
}

START_TEST(a_stage_goes_on_from_the_best_of_the_last) {
  struct toy *toy = staged_toy(true);
  struct small *small = halve(toy);
  struct assay_status status;
  struct assay_trainer *trainer;
  struct assay_trial_result *result;
  struct assay_model *model;
  const struct assay_fold_result *refitted;
  uint32_t next = 0;
  const struct assay_hooks hooks = {&next, count_epochs, NULL};
  ck_assert_int_eq(assay_trainer_open(toy->session, (const struct assay_samples *const[]){&small->samples, &toy->samples}, 2, &trainer, &status), 0);
  ck_assert_msg(assay_trainer_trial(trainer, &toy->settings, 3, true, &hooks, &result, &status) == 0, "%s", status.message);
  ck_assert_uint_eq(result->predictions->count, 24);
  for (uint32_t fold = 0; fold < 3; fold++) {
    const struct assay_fold_result *run = &result->folds[fold];
    ck_assert_uint_eq(run->epoch_count, 9);
    ck_assert_uint_eq(run->stage_count, 2);
    ck_assert_uint_eq(run->stages[1].first_epoch, 5);
    ck_assert_uint_eq(run->stages[1].epoch_count, 4);
    ck_assert(run->best_epoch >= 5 && run->best_epoch == run->stages[1].best_epoch);
    for (uint32_t epoch = 5; epoch < 9; epoch++) ck_assert_double_ge(run->epochs[epoch].validation_loss, run->epochs[run->best_epoch].validation_loss);
    /* Each stage has its own half cosine, and the second one knows already what the first one learned. */
    ck_assert_double_eq_tol(run->epochs[0].learning_rate, 0.02, 1e-9);
    ck_assert_double_eq_tol(run->epochs[5].learning_rate, 0.02, 1e-9);
    ck_assert_double_lt(run->epochs[5].training_loss, run->epochs[0].training_loss);
  }
  ck_assert_msg(assay_trainer_final(trainer, &toy->settings, result, 3, NULL, &model, &refitted, &status) == 0, "%s", status.message);
  ck_assert_uint_eq(model->width, TOY_SIDE);
  double first = 0, second = 0;
  for (uint32_t fold = 0; fold < 3; fold++) {
    first += (result->folds[fold].stages[0].best_epoch + 1) / 3.0;
    second += (result->folds[fold].stages[1].best_epoch - 4) / 3.0;
  }
  ck_assert_uint_eq(refitted->stages[0].epoch_count, (uint32_t)lround(first));
  ck_assert_uint_eq(refitted->stages[1].epoch_count, (uint32_t)lround(second));
  assay_model_release(model);
  assay_trial_result_release(result);
  assay_trainer_close(trainer);
  toy_release(toy);
}
END_TEST

START_TEST(weights_that_depend_on_the_size_are_refused) {
  struct toy *toy = staged_toy(false);
  struct small *small = halve(toy);
  struct assay_status status;
  struct assay_trainer *trainer;
  struct assay_trial_result *result;
  ck_assert_int_eq(assay_trainer_open(toy->session, (const struct assay_samples *const[]){&small->samples, &toy->samples}, 2, &trainer, &status), 0);
  ck_assert_int_eq(assay_trainer_trial(trainer, &toy->settings, 3, false, NULL, &result, &status), ASSAY_E_CONFIG);
  ck_assert_msg(strstr(status.message, "classifier2.weight has another size at 8x8") != NULL && strstr(status.message, "global_avg_pool") != NULL, "%s", status.message);
  assay_trainer_close(trainer);
  toy_release(toy);
}
END_TEST

/* Each repeat trains as a trial of its own would on that draw of the folds with that seed. */
START_TEST(repeats_are_trainings_of_their_own) {
  struct toy *toy = toy_create(24, 2, 3, 40);
  int32_t other[TOY_MOST], *draws[2] = {toy->folds, other}, *one[1] = {other};
  for (uint32_t i = 0; i < 24; i++) other[i] = (int32_t)(i / 8);
  toy_layer(toy, "conv_blocks", "blocks=1;channels=2");
  toy_layer(toy, "classifier", "");
  toy->settings.train.epochs = 3;
  struct assay_trial_result *once = toy_trial(toy, 5, false);
  toy->samples.folds = one;
  struct assay_trial_result *next = toy_trial(toy, 6, false);
  toy->samples.folds = draws;
  toy->samples.repeat_count = 2;
  struct assay_trial_result *twice = toy_trial(toy, 5, false);
  ck_assert_uint_eq(twice->fold_count, 6);
  for (uint32_t fold = 0; fold < 6; fold++) {
    const struct assay_trial_result *alone = fold < 3 ? once : next;
    ck_assert_uint_eq(twice->folds[fold].repeat, fold / 3);
    ck_assert_uint_eq(twice->folds[fold].fold, fold % 3);
    ck_assert_double_eq(twice->folds[fold].objective, alone->folds[fold % 3].objective);
  }
  ck_assert_double_eq_tol(twice->objective, (once->objective + next->objective) / 2, 1e-12);
  ck_assert_uint_eq(twice->predictions->count, 48);
  for (uint32_t row = 0; row < 48; row++) {
    ck_assert_int_eq(twice->predictions->repeats[row], row / 24);
    ck_assert_int_eq(twice->predictions->folds[row], row % 24 / 8);
    ck_assert_str_eq(twice->predictions->paths[row], (row < 24 ? once : next)->predictions->paths[row % 24]);
  }
  ck_assert_mem_eq(twice->predictions->scores, once->predictions->scores, 24 * 2 * sizeof(double));
  ck_assert_mem_eq(twice->predictions->scores + 48, next->predictions->scores, 24 * 2 * sizeof(double));
  assay_trial_result_release(once);
  assay_trial_result_release(next);
  assay_trial_result_release(twice);
  toy_release(toy);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("stages");
  TCase *cases = tcase_create("all");
  tcase_set_timeout(cases, 60);
  tcase_add_checked_fixture(cases, components_setup, components_teardown);
  tcase_add_test(cases, a_stage_goes_on_from_the_best_of_the_last);
  tcase_add_test(cases, weights_that_depend_on_the_size_are_refused);
  tcase_add_test(cases, repeats_are_trainings_of_their_own);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
