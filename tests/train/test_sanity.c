/* SPDX-License-Identifier: MIT
 *
 * Questions that are asked before a long training, and the verdict after one, on planted cases.
 */
#include "toy.h"

#include "base/text.h"
#include "report/verdict.h"
#include "train/sanity.h"

#include <math.h>
#include <unistd.h>

static void small_network(struct toy *toy) {
  toy_layer(toy, "conv_blocks", "blocks=1;channels=8");
  toy_layer(toy, "dropout", "");
  toy_layer(toy, "classifier", "");
}

static struct assay_overfit overfit(struct toy *toy) {
  struct assay_status status;
  struct assay_overfit made;
  ck_assert_msg(assay_overfit_test(toy->session, &toy->samples, &toy->settings, 5, NULL, test_arena, &made, &status) == 0, "%s", status.message);
  return made;
}

START_TEST(a_few_images_are_learned_by_heart) {
  struct toy *toy = toy_create(64, 2, 2, 100);
  small_network(toy);
  const struct assay_overfit made = overfit(toy);
  ck_assert_uint_eq(made.outcome, ASSAY_OVERFIT_DONE);
  ck_assert_uint_eq(made.images, 5);
  ck_assert_uint_eq(made.right, 5);
  ck_assert(made.training_loss < 0.05 && made.evaluation_loss < 0.05);
  ck_assert_uint_eq(made.carried_images, 32);
  ck_assert_uint_ge(made.carried_right, 25); /* 24.7 is what 32 fair coins stay below in 99.9 % */
  toy_release(toy);
}
END_TEST

/* Half of the images end in another batch than all of them. */
START_TEST(any_number_of_images_will_do) {
  for (uint32_t count = 40; count <= 58; count += 9) {
    struct toy *toy = toy_create(count, 2, 2, 100);
    small_network(toy);
    const struct assay_overfit made = overfit(toy);
    ck_assert_uint_eq(made.outcome, ASSAY_OVERFIT_DONE);
    ck_assert_uint_eq(made.carried_images, count / 2);
    toy_release(toy);
  }
}
END_TEST

START_TEST(planted_faults_are_found) {
  struct toy *toy = toy_create(64, 2, 2, 100);
  small_network(toy);
  toy->settings.optimizer = component(ASSAY_OPTIMIZER, "adam", "learning_rate=20");
  struct assay_overfit made = overfit(toy);
  ck_assert_uint_eq(made.outcome, ASSAY_OVERFIT_RATE_HIGH);
  ck_assert_double_le(made.better_rate, 2);
  /* A few images bear a rate that more of them do not. */
  toy->settings.optimizer = component(ASSAY_OPTIMIZER, "adam", "learning_rate=0.5");
  made = overfit(toy);
  ck_assert_msg(made.outcome == ASSAY_OVERFIT_RATE_HIGH && made.better_rate < 0.5, "%u: %u of %u", made.outcome, made.carried_right, made.carried_images);
  toy->settings.optimizer = component(ASSAY_OPTIMIZER, "adam", "learning_rate=0.0001");
  ck_assert_uint_eq(overfit(toy).outcome, ASSAY_OVERFIT_RATE_LOW);
  toy->settings.optimizer = component(ASSAY_OPTIMIZER, "adam", "learning_rate=0.02");

  /* Labels that have nothing to do with the images. */
  int32_t labels[TOY_MOST];
  memcpy(labels, toy->labels, sizeof labels);
  struct assay_random random = assay_random_seed(3, 1);
  for (uint32_t i = 63; i > 0; i--) {
    const uint32_t other = assay_random_below(&random, i + 1);
    const int32_t label = toy->labels[i];
    toy->labels[i] = toy->labels[other];
    toy->labels[other] = label;
  }
  made = overfit(toy);
  ck_assert_msg(made.outcome == ASSAY_OVERFIT_LABELS, "%u: %u of %u", made.outcome, made.carried_right, made.carried_images);
  /* The same with a network that learns a few images by heart, but not so many. */
  toy->layers[0].component = component(ASSAY_LAYER, "conv_blocks", "blocks=2;channels=4;pool=3");
  made = overfit(toy);
  ck_assert_msg(made.outcome == ASSAY_OVERFIT_LABELS, "%u: %u of %u", made.outcome, made.carried_right, made.carried_images);
  toy->layers[0].component = component(ASSAY_LAYER, "conv_blocks", "blocks=1;channels=8");
  memcpy(toy->labels, labels, sizeof labels);
  ck_assert_uint_eq(overfit(toy).outcome, ASSAY_OVERFIT_DONE);

  /* A size at which two images are the same. */
  memcpy(toy->bytes[1], toy->bytes[0], sizeof toy->bytes[1]);
  for (int i = 2; i < 64; i++) memcpy(toy->bytes[i], toy->bytes[i % 2], sizeof toy->bytes[i]);
  made = overfit(toy);
  ck_assert_uint_eq(made.outcome, ASSAY_OVERFIT_EQUAL);
  ck_assert_ptr_nonnull(made.second);
  memset(toy->bytes, 7, sizeof toy->bytes);
  made = overfit(toy);
  ck_assert_uint_eq(made.outcome, ASSAY_OVERFIT_BLANK);
  ck_assert_ptr_nonnull(made.first);
  toy_release(toy);
}
END_TEST

START_TEST(a_range_test_suggests_a_rate_that_learns) {
  struct toy *toy = toy_create(32, 2, 2, 100);
  struct assay_status status;
  struct assay_range range;
  toy_layer(toy, "conv_blocks", "blocks=1;channels=4");
  toy_layer(toy, "classifier", "");
  ck_assert_msg(assay_range_test(toy->session, &toy->samples, &toy->settings, 1e-6, 10, 80, NULL, test_arena, &range, &status) == 0, "%s", status.message);
  ck_assert_uint_gt(range.count, 40);
  for (uint32_t i = 1; i < range.count; i++) {
    ck_assert_double_eq_tol(range.points[i].rate / range.points[i - 1].rate, pow(1e7, 1 / 79.0), 1e-9);
    ck_assert_double_ge(range.points[i].rate, range.points[i - 1].rate);
  }
  ck_assert_msg(range.suggested > 1e-4 && range.suggested < 1 && range.suggested <= range.lowest, "%g, steepest %g, lowest %g, %u points", range.suggested, range.steepest, range.lowest,
                range.count);
  char options[64];
  snprintf(options, sizeof options, "learning_rate=%.6f", range.suggested);
  toy->settings.optimizer = component(ASSAY_OPTIMIZER, "adam", options);
  struct assay_trial_result *result = toy_trial(toy, 1, false);
  ck_assert_double_lt(result->objective, 0.4);
  assay_trial_result_release(result);
  toy_release(toy);
}
END_TEST

/* The verdict on a trial, through its file of curves. */
static const char *verdict_on(struct toy *toy, json_t **verdict) {
  struct assay_status status;
  struct assay_trainer *trainer;
  struct assay_trial_result *result;
  const char *path = assay_arena_print(test_arena, "%s/verdict.csv", getenv("HOME"));
  struct assay_verdict_sources sources = {.settings = &toy->settings, .chance_loss = log(2), .image_count = toy->samples.count};
  ck_assert_int_eq(assay_trainer_open(toy->session, (const struct assay_samples *const[]){&toy->samples}, 1, &trainer, &status), 0);
  const int code = assay_trainer_trial(trainer, &toy->settings, 1, false, NULL, &result, &status);
  sources.nonfinite = code == ASSAY_E_NONFINITE;
  ck_assert_msg(code == 0 || sources.nonfinite, "%s", status.message);
  if (code == 0) {
    ck_assert_int_eq(assay_trial_result_write_curves(result, &toy->settings, path, &status), 0);
    ck_assert_msg(assay_curves_read(path, test_arena, &sources.curves, &sources.curve_count, &status) == 0, "%s", status.message);
    ck_assert_uint_eq(sources.curve_count, result->fold_count);
    for (uint32_t fold = 0; fold < result->fold_count; fold++) {
      ck_assert_uint_eq(sources.curves[fold].epoch_count, result->folds[fold].epoch_count);
      ck_assert_uint_eq(sources.curves[fold].best_epoch, result->folds[fold].best_epoch);
      ck_assert_double_eq(sources.curves[fold].validation_loss[0], result->folds[fold].epochs[0].validation_loss);
    }
    unlink(path);
  }
  *verdict = assay_verdict_build(&sources);
  assay_trial_result_release(result);
  assay_trainer_close(trainer);
  return json_string_value(json_object_get(*verdict, "verdict"));
}

static bool advises(const json_t *verdict, const char *set, size_t most) {
  const json_t *list = json_object_get(verdict, "remedies");
  for (size_t i = 0; i < json_array_size(list) && i < most; i++) {
    const char *key = json_string_value(json_object_get(json_array_get(list, i), "set"));
    if (key != NULL && strcmp(key, set) == 0) return true;
  }
  return false;
}

START_TEST(planted_runs_get_their_verdict) {
  json_t *verdict;
  struct toy *toy = toy_create(48, 2, 2, 100);
  toy_layer(toy, "conv_blocks", "blocks=1;channels=8");
  toy_layer(toy, "classifier", "");
  toy->settings.train.epochs = 20;
  ck_assert_str_eq(verdict_on(toy, &verdict), "fits");
  ck_assert_uint_eq(json_array_size(json_object_get(verdict, "remedies")), 0);
  json_decref(verdict);

  toy->settings.optimizer = component(ASSAY_OPTIMIZER, "adam", "learning_rate=0.00001");
  ck_assert_str_eq(verdict_on(toy, &verdict), "underfits");
  ck_assert(advises(verdict, "[optimizer] learning_rate", 1));
  ck_assert(advises(verdict, "[layer.conv_blocks0] channels", 9));
  json_decref(verdict);

  toy->settings.optimizer = component(ASSAY_OPTIMIZER, "sgd", "learning_rate=300;momentum=0.99");
  ck_assert_str_eq(verdict_on(toy, &verdict), "diverges");
  ck_assert(advises(verdict, "[optimizer] learning_rate", 1));
  json_decref(verdict);

  /* Adam at a rate of 3 on photographs: it brings the loss back to where nothing is known, and more epochs would be of no use. */
  static const double training[] = {116271, 68.7, 18.9, 10.2, 1.64, 0.818}, accuracy[] = {0.45, 0.5, 0.58, 0.46, 0.49, 0.51};
  static const double validation[] = {58.7, 39.6, 5.92, 0.695, 0.828, 0.697};
  const struct assay_curve curve = {0, 0, 6, 3, training, accuracy, validation};
  struct assay_verdict_sources sources = {.curves = &curve, .curve_count = 1, .settings = &toy->settings, .chance_loss = log(2), .image_count = 200};
  verdict = assay_verdict_build(&sources);
  ck_assert_str_eq(json_string_value(json_object_get(verdict, "verdict")), "diverges");
  ck_assert(advises(verdict, "[optimizer] learning_rate", 1));
  json_decref(verdict);

  /* Pretrained weights fit one size of network: another one needs others. */
  static const double slow[] = {0.7, 0.69, 0.68, 0.67};
  const struct assay_curve slowly = {0, 0, 4, 3, slow, accuracy, slow};
  struct assay_settings pretrained = toy->settings;
  struct assay_text remedies = {0};
  pretrained.weights = "w.safetensors";
  sources = (struct assay_verdict_sources){.curves = &slowly, .curve_count = 1, .settings = &pretrained, .chance_loss = log(2)};
  verdict = assay_verdict_build(&sources);
  assay_verdict_print(verdict, &remedies);
  ck_assert_msg(strstr(remedies.data, "underfits") != NULL && strstr(remedies.data, "with weights made for it") != NULL, "%s", remedies.data);
  assay_text_release(&remedies);
  json_decref(verdict);
  toy_release(toy);

  toy = toy_create(32, 2, 2, 0); /* noise */
  toy_layer(toy, "conv_blocks", "blocks=1;channels=16");
  toy_layer(toy, "classifier", "");
  toy->settings.train.epochs = 40;
  ck_assert_str_eq(verdict_on(toy, &verdict), "overfits");
  ck_assert(advises(verdict, "[augment] flip_horizontal", 2));
  ck_assert(advises(verdict, "[layer.conv_blocks0] channels", 9));
  struct assay_text text = {0};
  assay_verdict_print(verdict, &text);
  ck_assert_ptr_null(strstr(text.data, "with weights made for it"));
  ck_assert_msg(strstr(text.data, "Verdict: the training overfits") != NULL && strstr(text.data, "1. more images help most; there are 32") != NULL, "%s", text.data);
  assay_text_release(&text);
  json_decref(verdict);
  toy_release(toy);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("sanity");
  TCase *cases = tcase_create("all");
  tcase_set_timeout(cases, 120);
  tcase_add_checked_fixture(cases, components_setup, components_teardown);
  tcase_add_test(cases, a_few_images_are_learned_by_heart);
  tcase_add_test(cases, any_number_of_images_will_do);
  tcase_add_test(cases, planted_faults_are_found);
  tcase_add_test(cases, a_range_test_suggests_a_rate_that_learns);
  tcase_add_test(cases, planted_runs_get_their_verdict);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
