/* SPDX-License-Identifier: MIT
 *
 * Training on a toy: it learns, repeats itself bit for bit, stops in time, and says what went wrong.
 */
#include "toy.h"

#include "train/fold.h"

#include <math.h>
#include <unistd.h>

static struct assay_prediction_set *rows_of_fold(const struct assay_prediction_set *set, int32_t fold) {
  struct assay_prediction_set *rows = assay_predictions_create(set->class_count, set->classes, set->positive);
  for (uint32_t i = 0; i < set->count; i++)
    if (set->folds[i] == fold)
      ck_assert_int_eq(assay_predictions_add(rows, set->paths[i], set->parts[i], set->repeats[i], set->folds[i], set->labels[i], set->scores + (size_t)i * set->class_count,
                                             set->losses[i], NULL), 0);
  return rows;
}

static void small_network(struct toy *toy) {
  toy_layer(toy, "conv_blocks", "blocks=1;channels=4");
  toy_layer(toy, "classifier", "");
}

START_TEST(two_classes_are_learned) {
  struct toy *toy = toy_create(24, 2, 3, 100);
  small_network(toy);
  struct assay_trial_result *result = toy_trial(toy, 7, false);
  ck_assert_uint_eq(result->fold_count, 3);
  ck_assert_uint_eq(result->predictions->count, 24);
  for (uint32_t fold = 0; fold < 3; fold++) {
    const struct assay_fold_result *run = &result->folds[fold];
    const struct assay_epoch *last = &run->epochs[run->epoch_count - 1];
    ck_assert_uint_eq(run->training_count, 16);
    ck_assert_uint_eq(run->validation_count, 8);
    ck_assert_double_eq(last->training_accuracy, 1);
    ck_assert_double_eq(last->metrics[1], 1);
    ck_assert(last->validation_loss < 0.2 && last->training_loss < run->epochs[0].training_loss);
    ck_assert_double_eq(last->metrics[0], last->validation_loss);
    ck_assert_double_eq(run->objective, run->epochs[run->best_epoch].validation_loss);
  }
  ck_assert_double_eq_tol(result->objective, (result->folds[0].objective + result->folds[1].objective + result->folds[2].objective) / 3, 1e-15);
  /* conv 2·3·3·4 + 4, dense 4·4·4 + 1 */
  ck_assert_uint_eq(result->parameter_count, 72 + 4 + 64 + 1);
  assay_trial_result_release(result);
  toy_release(toy);
}
END_TEST

START_TEST(four_classes_are_learned_with_every_kind_of_layer) {
  struct toy *toy = toy_create(32, 4, 2, 120);
  toy_layer(toy, "conv2d", "channels=6");
  toy_layer(toy, "batch_norm", "");
  toy_layer(toy, "silu", "");
  toy_layer(toy, "avg_pool", "");
  toy_layer(toy, "dropout", "rate=0.2");
  toy_layer(toy, "classifier", "");
  toy->settings.train.loss = component(ASSAY_LAYER, "cross_entropy", "label_smoothing=0.05");
  toy->settings.train.schedule = ASSAY_SCHEDULE_COSINE;
  toy->settings.train.class_weights = ASSAY_CLASS_WEIGHTS_BALANCED;
  toy->settings.optimizer = component(ASSAY_OPTIMIZER, "adamw", "learning_rate=0.02");
  struct assay_trial_result *result = toy_trial(toy, 7, false);
  for (uint32_t fold = 0; fold < 2; fold++) ck_assert_double_ge(result->folds[fold].epochs[11].metrics[1], 0.9);
  ck_assert_double_eq_tol(result->folds[0].epochs[0].learning_rate, 0.02, 1e-9);
  ck_assert_double_eq_tol(result->folds[0].epochs[6].learning_rate, 0.01, 1e-9);
  assay_trial_result_release(result);
  toy_release(toy);
}
END_TEST

static void ck_assert_same_run(const struct assay_trial_result *a, const struct assay_trial_result *b) {
  ck_assert_uint_eq(a->fold_count, b->fold_count);
  for (uint32_t fold = 0; fold < a->fold_count; fold++) {
    ck_assert_uint_eq(a->folds[fold].epoch_count, b->folds[fold].epoch_count);
    for (uint32_t epoch = 0; epoch < a->folds[fold].epoch_count; epoch++) {
      ck_assert_double_eq(a->folds[fold].epochs[epoch].training_loss, b->folds[fold].epochs[epoch].training_loss);
      ck_assert_double_eq(a->folds[fold].epochs[epoch].validation_loss, b->folds[fold].epochs[epoch].validation_loss);
    }
  }
  ck_assert_mem_eq(a->predictions->scores, b->predictions->scores, (size_t)a->predictions->count * a->predictions->class_count * sizeof(double));
}

START_TEST(the_same_seed_gives_the_same_run) {
  struct toy *toy = toy_create(22, 2, 2, 40);
  toy_layer(toy, "conv2d", "channels=3");
  toy_layer(toy, "dropout", "rate=0.4");
  toy_layer(toy, "classifier", "");
  toy->settings.train.epochs = 3;
  struct assay_trial_result *first = toy_trial(toy, 3, false), *second = toy_trial(toy, 3, false), *other = toy_trial(toy, 4, false);
  ck_assert_same_run(first, second);
  ck_assert_double_ne(first->folds[0].epochs[0].training_loss, other->folds[0].epochs[0].training_loss);
  ck_assert_double_ne(first->folds[0].epochs[0].training_loss, first->folds[1].epochs[0].training_loss);
  assay_trial_result_release(first);
  assay_trial_result_release(second);
  assay_trial_result_release(other);
  toy_release(toy);
}
END_TEST

/* A trial's first fold again, with every batch sent instead of gathered on the device. */
START_TEST(sent_batches_train_as_resident_ones) {
  struct toy *toy = toy_create(22, 2, 2, 40);
  toy_layer(toy, "conv2d", "channels=3");
  toy_layer(toy, "dropout", "rate=0.4");
  toy_layer(toy, "classifier", "");
  toy->settings.train.epochs = 2;
  toy->samples.fold_count = 1; /* fold 1 is then trained on throughout */
  struct assay_trial_result *resident = toy_trial(toy, 3, false);

  struct assay_status status;
  uint32_t training[TOY_MOST], validation[TOY_MOST], training_count = 0, validation_count = 0;
  for (uint32_t i = 0; i < toy->samples.count; i++) {
    if (toy->folds[i] == 0) validation[validation_count++] = i;
    else training[training_count++] = i;
  }
  double mean[4], deviation[4];
  assay_samples_statistics(&toy->samples, training, training_count, mean, deviation);
  const struct assay_network_facts facts = {.class_count = 2, .height = TOY_SIDE, .width = TOY_SIDE, .channels = TOY_CHANNELS, .training_count_count = 1,
                                            .training_counts = &training_count, .evaluation_batch = 5};
  const struct assay_residency none = {0};
  struct assay_network *network;
  struct assay_runner runner;
  ck_assert_msg(assay_network_create(&toy->settings, &facts, &network, &status) == 0, "%s", status.message);
  ck_assert_msg(assay_runner_create(toy->session, &toy->samples, &none, NULL, network, &runner, &status) == 0, "%s", status.message);
  /* The fold's seed as the trainer draws it. */
  uint32_t block[4];
  assay_philox((const uint32_t[]){0, 0x666f6c64u, 0, 0}, (const uint32_t[]){3, 0}, block);
  const struct assay_fold_task task = {.settings = &toy->settings,
                                       .training = training,
                                       .validation = validation,
                                       .training_count = training_count,
                                       .validation_count = validation_count,
                                       .mean = mean,
                                       .deviation = deviation,
                                       .seed = (uint64_t)block[0] << 32 | block[1],
                                       .fold_count = 1,
                                       .epoch_limit = 2};
  struct assay_fold_result sent;
  bool pruned;
  ck_assert_msg(assay_fold_run(&runner, &task, test_arena, &sent, NULL, &pruned, &status) == 0, "%s", status.message);
  for (int epoch = 0; epoch < 2; epoch++) {
    ck_assert_double_eq(sent.epochs[epoch].training_loss, resident->folds[0].epochs[epoch].training_loss);
    ck_assert_double_eq(sent.epochs[epoch].validation_loss, resident->folds[0].epochs[epoch].validation_loss);
  }
  assay_runner_release(&runner);
  assay_network_release(network);
  assay_trial_result_release(resident);
  toy_release(toy);
}
END_TEST

START_TEST(patience_ends_a_fold_and_the_best_epoch_counts) {
  struct toy *toy = toy_create(16, 2, 2, 0); /* nothing but noise: validation gets worse soon */
  small_network(toy);
  toy->settings.train.epochs = 60;
  toy->settings.train.patience = 3;
  toy->settings.optimizer = component(ASSAY_OPTIMIZER, "adam", "learning_rate=0.05");
  struct assay_trial_result *result = toy_trial(toy, 5, false);
  for (uint32_t fold = 0; fold < 2; fold++) {
    const struct assay_fold_result *run = &result->folds[fold];
    ck_assert(run->stopped_early);
    ck_assert_uint_eq(run->epoch_count, run->best_epoch + 1 + 3);
    for (uint32_t epoch = 0; epoch < run->epoch_count; epoch++)
      ck_assert(epoch == run->best_epoch || run->epochs[epoch].validation_loss > run->epochs[run->best_epoch].validation_loss);
  }
  /* Out-of-fold predictions are those of the best epoch. */
  struct assay_prediction_set *fold = rows_of_fold(result->predictions, 1);
  ck_assert_double_eq(assay_predictions_metric(fold, &toy->metrics[0]), result->folds[1].epochs[result->folds[1].best_epoch].validation_loss);
  assay_predictions_release(fold);
  assay_trial_result_release(result);
  toy_release(toy);
}
END_TEST

START_TEST(not_a_number_is_told_with_its_place) {
  struct toy *toy = toy_create(16, 2, 2, 100);
  small_network(toy);
  toy->settings.optimizer = component(ASSAY_OPTIMIZER, "sgd", "learning_rate=1000;momentum=0.9999");
  struct assay_status status;
  struct assay_trainer *trainer;
  struct assay_trial_result *result;
  toy->settings.train.epochs = 400;
  ck_assert_int_eq(assay_trainer_open(toy->session, (const struct assay_samples *const[]){&toy->samples}, 1, &trainer, &status), 0);
  ck_assert_int_eq(assay_trainer_trial(trainer, &toy->settings, 1, false, NULL, &result, &status), ASSAY_E_NONFINITE);
  ck_assert_msg(strstr(status.message, "fold 1, epoch ") != NULL && strstr(status.message, "learning_rate") != NULL, "%s", status.message);
  ck_assert_ptr_null(result);
  assay_trainer_close(trainer);
  toy_release(toy);
}
END_TEST

static int prune_second_fold(void *context, const struct assay_progress *progress, struct assay_status *status) {
  (void)status;
  *(uint32_t *)context += 1;
  ck_assert_double_eq(progress->objective, progress->latest->validation_loss);
  return progress->fold == 1 && progress->epoch == 1 ? ASSAY_HOOK_PRUNE : ASSAY_HOOK_CONTINUE;
}
static bool after_a_while(void *context) { return ++*(uint32_t *)context > 4; }
static int refuse(void *context, const struct assay_progress *progress, struct assay_status *status) {
  (void)context, (void)progress;
  status->code = ASSAY_E_STORAGE;
  return ASSAY_E_STORAGE;
}

START_TEST(hooks_prune_interrupt_and_fail) {
  struct toy *toy = toy_create(16, 2, 2, 100);
  small_network(toy);
  toy->settings.train.epochs = 4;
  struct assay_status status;
  struct assay_trainer *trainer;
  struct assay_trial_result *result;
  uint32_t calls = 0;
  ck_assert_int_eq(assay_trainer_open(toy->session, (const struct assay_samples *const[]){&toy->samples}, 1, &trainer, &status), 0);
  struct assay_hooks hooks = {&calls, prune_second_fold, NULL};
  ck_assert_int_eq(assay_trainer_trial(trainer, &toy->settings, 1, false, &hooks, &result, &status), 0);
  ck_assert_uint_eq(calls, 4 + 2);
  ck_assert(result->pruned && isnan(result->objective));
  assay_trial_result_release(result);
  calls = 0;
  hooks = (struct assay_hooks){&calls, NULL, after_a_while};
  ck_assert_int_eq(assay_trainer_trial(trainer, &toy->settings, 1, false, &hooks, &result, &status), ASSAY_E_INTERRUPTED);
  hooks = (struct assay_hooks){NULL, refuse, NULL};
  ck_assert_int_eq(assay_trainer_trial(trainer, &toy->settings, 1, false, &hooks, &result, &status), ASSAY_E_STORAGE);
  assay_trainer_close(trainer);
  toy_release(toy);
}
END_TEST

START_TEST(class_weights_follow_their_formulas) {
  struct assay_train_settings train = {.epochs = 10};
  /* sklearn.utils.class_weight.compute_class_weight("balanced", …) of [0, 0, 0, 1]: 2/3, 2. */
  static const int32_t labels[] = {0, 0, 0, 1};
  static const uint32_t numbers[] = {0, 1, 2, 3};
  static const double list[] = {3, 4, 5};
  const struct assay_samples samples = {.count = 4, .class_count = 2, .labels = labels};
  struct assay_status status;
  double weights[2];
  train.class_weights = ASSAY_CLASS_WEIGHTS_BALANCED;
  ck_assert_int_eq(assay_class_weights_fill(&train, &samples, numbers, 4, weights, &status), 0);
  ck_assert_double_eq_tol(weights[0], 2.0 / 3, 1e-15);
  ck_assert_double_eq(weights[1], 2);
  train.class_weights = ASSAY_CLASS_WEIGHTS_LIST;
  train.class_weight_list = list;
  train.class_weight_count = 2;
  ck_assert_int_eq(assay_class_weights_fill(&train, &samples, numbers, 4, weights, &status), 0);
  ck_assert_double_eq(weights[1], 4);
  train.class_weight_count = 3;
  ck_assert_int_eq(assay_class_weights_fill(&train, &samples, numbers, 4, weights, &status), ASSAY_E_CONFIG);
}
END_TEST

START_TEST(wrong_networks_are_told_with_their_layer) {
  struct assay_status status;
  struct assay_trainer *trainer;
  struct assay_trial_result *result;
  static const struct {
    const char *layer, *options, *told;
  } wrong[] = {{"conv2d", "kernel=9;padding=valid", "conv2d0"},
               {"conv_blocks", "blocks=4", "block 4"},
               {"conv2d", "groups=3", "groups = 3"},
               {"conv2d", "padding=some", "padding must be"},
               {"max_pool", "padding=2", "half"},
               {"flatten", "", "end the network in `classifier`"},
               {"add", "", "at least 2 inputs"}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    struct toy *toy = toy_create(16, 2, 2, 100);
    toy_layer(toy, wrong[i].layer, wrong[i].options);
    if (i + 2 < sizeof wrong / sizeof *wrong) toy_layer(toy, "classifier", "");
    ck_assert_int_eq(assay_trainer_open(toy->session, (const struct assay_samples *const[]){&toy->samples}, 1, &trainer, &status), 0);
    ck_assert_int_eq(assay_trainer_trial(trainer, &toy->settings, 1, false, NULL, &result, &status), ASSAY_E_CONFIG);
    ck_assert_msg(strstr(status.message, wrong[i].told) != NULL, "%s", status.message);
    assay_trainer_close(trainer);
    toy_release(toy);
  }
}
END_TEST

START_TEST(wrong_names_of_parameters_are_told) {
  static const char *const second[] = {"classifier1"}, *const first[] = {"conv_blocks0"}, *const turned[] = {"classifier1", "conv_blocks0.2"};
  static const double rates[] = {0.1, 0.5, 1};
  static const struct {
    struct assay_train_settings train;
    const char *told;
  } wrong[] = {{{.freeze = "conv_block0"}, "did you mean \"conv_blocks0\"?"},
               {{.freeze = "conv_blocks0.3"}, "no parameter begins with \"conv_blocks0.3\"; did you mean \"conv_blocks0.1\"?"},
               {{.freeze = "classifier1"}, "leaves nothing to train"},
               {{.freeze = "dropout2"}, "has no parameters"},
               {{.rate_count = 2, .rate_groups = first, .rates = rates}, "no parameter is left before conv_blocks0"},
               {{.rate_count = 3, .rate_groups = turned, .rates = rates}, "in the order of the layers"},
               {{.rate_count = 2, .rate_groups = second, .rates = rates}, NULL}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    struct toy *toy = toy_create(16, 2, 2, 100);
    toy_layer(toy, "conv_blocks", "channels=2");
    toy_layer(toy, "classifier", "");
    toy_layer(toy, "dropout", "");
    struct assay_train_settings train = wrong[i].train;
    train.epochs = 1;
    train.batch = 8;
    toy->settings.train = train;
    struct assay_status status = {0};
    struct assay_trainer *trainer;
    struct assay_trial_result *result = NULL;
    ck_assert_int_eq(assay_trainer_open(toy->session, (const struct assay_samples *const[]){&toy->samples}, 1, &trainer, &status), 0);
    const int code = assay_trainer_trial(trainer, &toy->settings, 1, false, NULL, &result, &status);
    ck_assert_msg(code == (wrong[i].told == NULL ? 0 : ASSAY_E_CONFIG), "case %zu: %s", i, status.message);
    ck_assert_msg(wrong[i].told == NULL || strstr(status.message, wrong[i].told) != NULL, "case %zu: %s", i, status.message);
    assay_trial_result_release(result);
    assay_trainer_close(trainer);
    toy_release(toy);
  }
}
END_TEST

/* Frozen layers keep their weights, and kept features serve folds, trials and the final model. */
START_TEST(frozen_layers_stay_and_the_rest_learns) {
  struct toy *toy = toy_create(24, 2, 3, 100);
  small_network(toy);
  toy->settings.train.freeze = "conv_blocks0";
  struct assay_status status;
  struct assay_trainer *trainer;
  struct assay_trial_result *frozen, *again, *free_one;
  struct assay_model *model;
  ck_assert_int_eq(assay_trainer_open(toy->session, (const struct assay_samples *const[]){&toy->samples}, 1, &trainer, &status), 0);
  ck_assert_msg(assay_trainer_trial(trainer, &toy->settings, 7, true, NULL, &frozen, &status) == 0, "%s", status.message);
  ck_assert_msg(assay_trainer_trial(trainer, &toy->settings, 7, true, NULL, &again, &status) == 0, "%s", status.message);
  toy->settings.train.unfreeze_after = 6;
  ck_assert_msg(assay_trainer_trial(trainer, &toy->settings, 7, true, NULL, &free_one, &status) == 0, "%s", status.message);
  for (uint32_t fold = 0; fold < 3; fold++) {
    const struct assay_fold_result *run = &frozen->folds[fold], *second = &again->folds[fold], *third = &free_one->folds[fold];
    ck_assert_double_lt(run->epochs[11].training_loss, run->epochs[0].training_loss);
    for (uint32_t epoch = 0; epoch < 12; epoch++) {
      ck_assert_double_eq(run->epochs[epoch].training_loss, second->epochs[epoch].training_loss);
      ck_assert_int_eq(run->epochs[epoch].training_loss == third->epochs[epoch].training_loss, epoch < 6);
    }
    /* 0, 1: of the pixels; 2, 3: weight and bias of the convolution; 4, 5: of the classifier. */
    ck_assert_uint_eq(run->weights->count, 6);
    for (uint32_t variable = 2; variable < 6; variable++) {
      ck_assert_mem_eq(run->weights->data[variable], second->weights->data[variable], run->weights->sizes[variable]);
      ck_assert_int_ne(memcmp(run->weights->data[variable], third->weights->data[variable], run->weights->sizes[variable]), 0);
    }
  }
  ck_assert_msg(assay_trainer_final(trainer, &toy->settings, free_one, 7, NULL, &model, NULL, &status) == 0, "%s", status.message);
  assay_model_release(model);
  assay_trial_result_release(frozen);
  assay_trial_result_release(again);
  assay_trial_result_release(free_one);
  assay_trainer_close(trainer);
  toy_release(toy);
}
END_TEST

START_TEST(curves_are_written) {
  struct toy *toy = toy_create(16, 2, 2, 100);
  small_network(toy);
  toy->settings.train.epochs = 2;
  struct assay_trial_result *result = toy_trial(toy, 1, false);
  struct assay_status status;
  const char *path = assay_arena_print(test_arena, "%s/curves.csv", getenv("HOME"));
  ck_assert_msg(assay_trial_result_write_curves(result, &toy->settings, path, &status) == 0, "%s", status.message);
  FILE *file = fopen(path, "re");
  char line[512];
  ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
  ck_assert_str_eq(line, "repeat,fold,epoch,stage,training_loss,training_accuracy,validation_loss,learning_rate,seconds,loss,accuracy,best\n");
  int lines = 0, best = 0;
  for (; fgets(line, sizeof line, file) != NULL; lines++) best += line[strlen(line) - 2] == '1';
  ck_assert_int_eq(lines, 4);
  ck_assert_int_eq(best, 2);
  fclose(file);
  unlink(path);
  assay_trial_result_release(result);
  toy_release(toy);
}
END_TEST

/* Ten samples in batches of four, each in pieces of three: 3, 1, 3, 1, 2; twice, since a stream is used once an epoch. */
START_TEST(a_stream_gives_batches_in_pieces) {
  static const uint32_t sizes[] = {3, 1, 3, 1, 2}, order[10] = {7, 3, 9, 0, 5, 1, 8, 2, 6, 4};
  struct toy *toy = toy_create(10, 2, 2, 100);
  struct assay_stream *stream;
  struct assay_status status;
  const size_t size = (size_t)TOY_SIDE * TOY_SIDE * TOY_CHANNELS;
  ck_assert_int_eq(assay_stream_create(&toy->samples, 4, &stream, &status), 0);
  for (int epoch = 0; epoch < 2; epoch++) {
    ck_assert_int_eq(assay_stream_begin(stream, order, 10, 4, 3, &status), 0);
    for (uint32_t piece = 0, first = 0; piece < 5; first += sizes[piece++]) {
      const uint8_t *pixels;
      const int32_t *labels;
      assay_stream_next(stream, &pixels, &labels);
      for (uint32_t i = 0; i < sizes[piece]; i++) {
        ck_assert_mem_eq(pixels + i * size, toy->pixels[order[first + i]], size);
        ck_assert_int_eq(labels[i], toy->labels[order[first + i]]);
      }
    }
    if (epoch == 0) ck_assert_double_ge(assay_stream_end(stream), 0);
  }
  assay_stream_release(stream);
  toy_release(toy);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("train");
  TCase *cases = tcase_create("all");
  tcase_set_timeout(cases, 60);
  tcase_add_checked_fixture(cases, components_setup, components_teardown);
  tcase_add_test(cases, a_stream_gives_batches_in_pieces);
  tcase_add_test(cases, two_classes_are_learned);
  tcase_add_test(cases, four_classes_are_learned_with_every_kind_of_layer);
  tcase_add_test(cases, the_same_seed_gives_the_same_run);
  tcase_add_test(cases, sent_batches_train_as_resident_ones);
  tcase_add_test(cases, patience_ends_a_fold_and_the_best_epoch_counts);
  tcase_add_test(cases, not_a_number_is_told_with_its_place);
  tcase_add_test(cases, hooks_prune_interrupt_and_fail);
  tcase_add_test(cases, class_weights_follow_their_formulas);
  tcase_add_test(cases, wrong_networks_are_told_with_their_layer);
  tcase_add_test(cases, wrong_names_of_parameters_are_told);
  tcase_add_test(cases, frozen_layers_stay_and_the_rest_learns);
  tcase_add_test(cases, curves_are_written);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
