/* SPDX-License-Identifier: MIT
 *
 * What frozen layers make of the samples, computed once: wherever the cut falls, whatever lies behind it and wherever it is kept, training is the same as
 * without.
 */
#include "toy.h"

#include "base/log.h"
#include "train/fold.h"
#include "train/material.h"

#include <string.h>

enum { IMAGES = 20, EPOCHS = 2 };

/* A network for the toy, what is frozen of it, and how many numbers a sample are then kept: read off the drawing of the network. */
struct cut {
  const char *what;
  const char *layers[6][2];
  const char *freeze;
  uint32_t width; /* 0: nothing can be kept */
  uint32_t keep_statistics;
  bool augment, patches;
  double ema;
  uint32_t piece;
  bool steps_read; /* else only the evaluation does */
};
static const struct cut cuts[] = {
    {.what = "between layers",
     .layers = {{"conv2d", "channels=3"}, {"relu", ""}, {"classifier", ""}},
     .freeze = "conv2d0",
     .width = 3 * 8 * 8,
     .steps_read = true},
    {.what = "at the end of a stage of a layer",
     .layers = {{"resnet20", ""}, {"classifier", ""}},
     .freeze = "resnet200.layer2",
     .width = 32 * 4 * 4,
     .steps_read = true},
    {.what = "within a block, past which its shortcut goes",
     .layers = {{"resnet20", ""}, {"classifier", ""}},
     .freeze = "resnet200.layer2.1.bn1",
     .width = 2 * 32 * 4 * 4,
     .steps_read = true},
    {.what = "in pieces",
     .layers = {{"conv2d", "channels=3"}, {"relu", ""}, {"conv2d", "channels=2"}, {"classifier", ""}},
     .freeze = "conv2d2",
     .width = 2 * 8 * 8,
     .piece = 3,
     .steps_read = true},
    {.what = "with running means",
     .layers = {{"conv2d", "channels=3"}, {"relu", ""}, {"classifier", ""}},
     .freeze = "conv2d0",
     .width = 3 * 8 * 8,
     .ema = 0.6,
     .steps_read = true},
    {.what = "before statistics that are not held",
     .layers = {{"conv2d", "channels=3"}, {"batch_norm", ""}, {"relu", ""}, {"classifier", ""}},
     .freeze = "batch_norm1",
     .keep_statistics = ASSAY_KEEP_NONE,
     .width = 3 * 8 * 8,
     .steps_read = true},
    {.what = "before something random, which only evaluation goes past",
     .layers = {{"conv2d", "channels=3"}, {"dropout", "rate=0.4"}, {"conv2d", "channels=5"}, {"classifier", ""}},
     .freeze = "conv2d2",
     .width = 3 * 8 * 8 + 5 * 8 * 8,
     .steps_read = true},
    {.what = "with images that differ each time",
     .layers = {{"conv2d", "channels=3"}, {"relu", ""}, {"classifier", ""}},
     .freeze = "conv2d0",
     .width = 3 * 8 * 8,
     .augment = true},
    {.what = "of patches",
     .layers = {{"conv2d", "channels=3"}, {"relu", ""}, {"max_pool", ""}, {"classifier", ""}},
     .freeze = "conv2d0",
     .width = 4 * 3 * 2 * 2, /* of four patches, behind the pooling */
     .patches = true,
     .steps_read = true},
    {.what = "behind nothing",
     .layers = {{"batch_norm", ""}, {"conv2d", "channels=3"}, {"classifier", ""}},
     .freeze = "batch_norm0",
     .keep_statistics = ASSAY_KEEP_NONE},
};
enum { CUTS = sizeof cuts / sizeof *cuts };

static struct toy *create(const struct cut *cut) {
  struct toy *toy = toy_create(IMAGES, 2, 2, 80);
  for (int i = 0; i < 6 && cut->layers[i][0] != NULL; i++) toy_layer(toy, cut->layers[i][0], cut->layers[i][1]);
  toy->settings.train.epochs = EPOCHS;
  toy->settings.train.batch = 4;
  toy->settings.train.freeze = cut->freeze;
  toy->settings.train.keep_statistics = cut->keep_statistics;
  toy->settings.train.ema = cut->ema;
  if (cut->augment) toy->settings.augment.strength[ASSAY_AUGMENT_FLIP_HORIZONTAL] = toy->settings.augment.most[ASSAY_AUGMENT_FLIP_HORIZONTAL] = 0.5;
  if (cut->patches) toy->settings.data.patch_columns = toy->settings.data.patch_rows = 2;
  return toy;
}

enum place { NOWHERE, ON_DEVICE, ON_HOST, PLACES };

/* The second fold's epochs, with what is frozen kept in a place. Images are sent where it is on the device, and the other way round. */
static void train(struct toy *toy, const struct cut *cut, enum place place, struct assay_fold_result *result) {
  struct assay_status status;
  uint32_t training[IMAGES], validation[IMAGES], training_count = 0, validation_count = 0;
  for (uint32_t i = 0; i < IMAGES; i++) {
    if (toy->folds[i] == 1) validation[validation_count++] = i;
    else training[training_count++] = i;
  }
  double mean[4], deviation[4];
  assay_samples_statistics(&toy->samples, training, training_count, mean, deviation);
  struct assay_residency images = {0};
  if (place == ON_HOST) ck_assert_int_eq(assay_residency_create(toy->session, &toy->samples, &images, &status), 0);
  const struct assay_network_facts facts = {.class_count = 2,
                                            .height = TOY_SIDE,
                                            .width = TOY_SIDE,
                                            .channels = TOY_CHANNELS,
                                            .training_count_count = 1,
                                            .training_counts = &training_count,
                                            .evaluation_batch = 5,
                                            .resident = images.count,
                                            .piece = cut->piece,
                                            .kept_rows = place == NOWHERE ? 0 : IMAGES,
                                            .most_resident = place == ON_DEVICE ? 1 << 24 : 0,
                                            .most_sent = 1 << 24};
  struct assay_features kept = {0};
  struct assay_network *network;
  struct assay_runner runner;
  bool pruned;
  ck_assert_msg(assay_network_create(&toy->settings, &facts, &network, &status) == 0, "%s: %s", cut->what, status.message);
  ck_assert_msg(network->kept.width == (place == NOWHERE ? 0 : cut->width), "%s: %u numbers are kept a sample", cut->what, (unsigned)network->kept.width);
  if (network->kept.width > 0) {
    ck_assert_int_eq(network->kept.resident, place == ON_DEVICE);
    ck_assert_int_eq(assay_network_reads_kept(network, network->phases[0].first_step), cut->steps_read);
    ck_assert(assay_network_reads_kept(network, network->phases[0].evaluate));
  }
  ck_assert_int_eq(assay_features_prepare(&kept, toy->session, &toy->samples, network, &status), 0);
  ck_assert_msg(assay_runner_create(toy->session, &toy->samples, &images, &kept, network, &runner, &status) == 0, "%s: %s", cut->what, status.message);
  const struct assay_fold_task task = {.settings = &toy->settings,
                                       .training = training,
                                       .validation = validation,
                                       .training_count = training_count,
                                       .validation_count = validation_count,
                                       .mean = mean,
                                       .deviation = deviation,
                                       .seed = 3,
                                       .fold_count = 1,
                                       .epoch_limit = EPOCHS};
  ck_assert_msg(assay_fold_run(&runner, &task, test_arena, result, NULL, &pruned, &status) == 0, "%s: %s", cut->what, status.message);
  assay_runner_release(&runner);
  assay_features_release(&kept, toy->session);
  assay_residency_release(&images, assay_session_backend(toy->session));
  assay_network_release(network);
}

START_TEST(a_cut_anywhere_trains_as_none) {
  const struct cut *cut = &cuts[_i];
  struct toy *toy = create(cut);
  struct assay_fold_result results[PLACES];
  for (enum place place = NOWHERE; place < PLACES; place++) train(toy, cut, place, &results[place]);
  for (int place = ON_DEVICE; place < PLACES; place++)
    for (uint32_t epoch = 0; epoch < EPOCHS; epoch++) {
      ck_assert_double_eq(results[place].epochs[epoch].training_loss, results[NOWHERE].epochs[epoch].training_loss);
      ck_assert_double_eq(results[place].epochs[epoch].validation_loss, results[NOWHERE].epochs[epoch].validation_loss);
    }
  ck_assert_double_ne(results[NOWHERE].epochs[0].training_loss, results[NOWHERE].epochs[1].training_loss);
  toy_release(toy);
}
END_TEST

/* ---- Too little memory for what is kept ---- */

static bool sent_images, sent_both;
static void listen(void *context, int level, const char *message) {
  (void)context, (void)level;
  sent_images |= strstr(message, "images are sent batch by batch") != NULL;
  sent_both |= strstr(message, "images and what frozen layers make of them are sent batch by batch, since they do not fit on the device") != NULL;
}

static struct assay_trial_result *try_with(struct toy *toy, uint64_t limit, struct assay_status *status) {
  struct assay_trainer *trainer;
  struct assay_trial_result *result = NULL;
  assay_session_limit(toy->session, limit);
  ck_assert_msg(assay_trainer_open(toy->session, (const struct assay_samples *const[]){&toy->samples}, 1, &trainer, status) == 0, "%s", status->message);
  ck_assert_int_eq(assay_trainer_trial(trainer, &toy->settings, 5, false, NULL, &result, status) == 0, result != NULL);
  assay_trainer_close(trainer);
  ck_assert(assay_session_room(toy->session) == (limit == 0 ? UINT64_MAX : limit)); /* all was given back */
  return result;
}

/* With ever less memory: all on the device, then sent, then refused; the same losses as long as it trains. Batch norm forbids pieces. */
START_TEST(what_does_not_fit_is_sent) {
  static const struct cut cut = {.layers = {{"conv2d", "channels=16"}, {"batch_norm", ""}, {"relu", ""}, {"global_avg_pool", ""}, {"classifier", ""}},
                                 .freeze = "conv2d0"};
  struct toy *toy = create(&cut);
  struct assay_status status;
  struct assay_trial_result *whole = try_with(toy, 0, &status), *again;
  ck_assert_msg(whole != NULL, "%s", status.message);
  sent_images = sent_both = false;
  assay_log_set(listen, NULL);
  uint32_t fitted = 0, sent = 0;
  for (uint64_t limit = 4 << 20; (again = try_with(toy, limit, &status)) != NULL; limit -= limit / 16) {
    for (uint32_t epoch = 0; epoch < EPOCHS; epoch++) {
      ck_assert_double_eq(again->folds[1].epochs[epoch].training_loss, whole->folds[1].epochs[epoch].training_loss);
      ck_assert_double_eq(again->folds[1].epochs[epoch].validation_loss, whole->folds[1].epochs[epoch].validation_loss);
    }
    assay_trial_result_release(again);
    fitted += !sent_both && !sent_images;
    sent += sent_both || sent_images;
  }
  assay_log_set(NULL, NULL);
  ck_assert_int_eq(status.code, ASSAY_E_MEMORY);
  ck_assert_uint_gt(fitted, 0);
  ck_assert_uint_gt(sent, 0);
  ck_assert(sent_both);
  assay_trial_result_release(whole);
  toy_release(toy);
}
END_TEST

/* Images alone, which are more than may be taken from the start. */
START_TEST(images_that_do_not_fit_are_sent_from_the_start) {
  static const struct cut cut = {.layers = {{"global_avg_pool", ""}, {"classifier", ""}}};
  struct toy *toy = create(&cut);
  struct assay_material material;
  struct assay_status status;
  const uint64_t bytes = IMAGES * TOY_SIDE * TOY_SIDE * TOY_CHANNELS;
  sent_images = false;
  assay_log_set(listen, NULL);
  assay_session_limit(toy->session, bytes);
  ck_assert_int_eq(assay_material_open(toy->session, &toy->samples, test_arena, &material, &status), 0);
  ck_assert(material.residency.count == IMAGES && !sent_images && assay_session_room(toy->session) == 0);
  assay_material_release(&material);
  assay_session_limit(toy->session, bytes - 1);
  ck_assert_int_eq(assay_material_open(toy->session, &toy->samples, test_arena, &material, &status), 0);
  ck_assert(material.residency.count == 0 && sent_images);
  assay_material_release(&material);
  assay_log_set(NULL, NULL);
  toy_release(toy);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("kept");
  TCase *cases = tcase_create("all");
  tcase_set_timeout(cases, 120);
  tcase_add_checked_fixture(cases, components_setup, components_teardown);
  tcase_add_loop_test(cases, a_cut_anywhere_trains_as_none, 0, CUTS);
  tcase_add_test(cases, what_does_not_fit_is_sent);
  tcase_add_test(cases, images_that_do_not_fit_are_sent_from_the_start);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
