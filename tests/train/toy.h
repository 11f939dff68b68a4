/* SPDX-License-Identifier: MIT
 *
 * A toy to train on: small noisy pictures whose classes differ in which side is bright, and settings for a small network, on the reference backend.
 */
#ifndef ASSAY_TESTS_TRAIN_TOY_H
#define ASSAY_TESTS_TRAIN_TOY_H

#include "components.h"

#include "train/model.h"
#include "train/trainer.h"

#include <assay/random.h>

enum { TOY_SIDE = 8, TOY_CHANNELS = 2, TOY_MOST = 64, TOY_MOST_CLASSES = 4 };

struct toy {
  struct assay_samples samples;
  struct assay_settings settings;
  struct assay_layer_setting layers[8];
  struct assay_component metrics[2];
  struct assay_session *session;
  const char *classes[TOY_MOST_CLASSES], *paths[TOY_MOST];
  const uint8_t *pixels[TOY_MOST];
  int32_t labels[TOY_MOST], folds[TOY_MOST], *repeats[1]; /* one draw of folds */
  uint32_t parts[TOY_MOST];
  uint8_t bytes[TOY_MOST][TOY_SIDE * TOY_SIDE * TOY_CHANNELS];
};

/* Class k brightens quarter k; `signal` grey values over noise of 0 … 99. */
static inline void toy_draw(struct toy *toy, uint32_t number, uint32_t signal) {
  struct assay_random random = assay_random_seed(11, number);
  for (int y = 0; y < TOY_SIDE; y++)
    for (int x = 0; x < TOY_SIDE; x++)
      for (int c = 0; c < TOY_CHANNELS; c++) {
        const int quarter = (y >= TOY_SIDE / 2) * 2 + (x >= TOY_SIDE / 2);
        toy->bytes[number][(y * TOY_SIDE + x) * TOY_CHANNELS + c] =
            (uint8_t)(assay_random_below(&random, 100) + (quarter == toy->labels[number] ? signal : 0) + (c == 1 ? 20 : 0));
      }
}

static inline void toy_layer(struct toy *toy, const char *name, const char *options) {
  static const int32_t before[8] = {-1, 0, 1, 2, 3, 4, 5, 6};
  const uint32_t number = toy->settings.layer_count++;
  toy->layers[number] = (struct assay_layer_setting){component(ASSAY_LAYER, name, options), 1, &before[number]};
  toy->layers[number].component.name = assay_arena_print(test_arena, "%s%u", name, number);
}

static inline struct toy *toy_create(uint32_t count, uint32_t class_count, uint32_t fold_count, uint32_t signal) {
  static const char *const names[TOY_MOST_CLASSES] = {"north_west", "north_east", "south_west", "south_east"};
  struct toy *toy = ASSAY_NEW(test_arena, struct toy);
  struct assay_status status;
  for (uint32_t i = 0; i < class_count; i++) toy->classes[i] = names[i];
  for (uint32_t i = 0; i < count; i++) {
    toy->labels[i] = (int32_t)(i % class_count);
    toy->folds[i] = (int32_t)(i / class_count % fold_count);
    toy->parts[i] = ASSAY_PART_TRAIN;
    toy->paths[i] = assay_arena_print(test_arena, "%02u.png", i);
    toy->pixels[i] = toy->bytes[i];
    toy_draw(toy, i, signal);
  }
  toy->repeats[0] = toy->folds;
  toy->samples = (struct assay_samples){.count = count,
                                        .class_count = class_count,
                                        .height = TOY_SIDE,
                                        .width = TOY_SIDE,
                                        .channels = TOY_CHANNELS,
                                        .positive = class_count == 2 ? 1 : -1,
                                        .classes = toy->classes,
                                        .paths = toy->paths,
                                        .pixels = toy->pixels,
                                        .labels = toy->labels,
                                        .parts = toy->parts,
                                        .repeat_count = 1,
                                        .folds = toy->repeats,
                                        .fold_count = fold_count,
                                        .content = {{1, 2, 3}}};
  toy->metrics[0] = component(ASSAY_METRIC, "loss", "");
  toy->metrics[1] = component(ASSAY_METRIC, "accuracy", "");
  toy->settings = (struct assay_settings){.data = {.width = TOY_SIDE, .height = TOY_SIDE, .fitting = {.fit = ASSAY_FIT_CROP}, .colour = ASSAY_COLOUR_RGB},
                                          .layers = toy->layers,
                                          .optimizer = component(ASSAY_OPTIMIZER, "adam", "learning_rate=0.02"),
                                          .train = {.epochs = 12, .batch = 5, .patience = 0, .seed = 1},
                                          .search = {.objective = toy->metrics[0]},
                                          .metric_count = 2,
                                          .metrics = toy->metrics};
  const struct assay_component backend = component(ASSAY_BACKEND, "reference", "");
  ck_assert_msg(assay_session_open(backend.plugin, backend.values, NULL, &toy->session, &status) == 0, "%s", status.message);
  return toy;
}

static inline void toy_release(struct toy *toy) { assay_session_close(toy->session); }

/* A trial on a trainer of its own. */
static inline struct assay_trial_result *toy_trial(struct toy *toy, uint64_t seed, bool keep_weights) {
  struct assay_status status;
  struct assay_trainer *trainer;
  struct assay_trial_result *result;
  ck_assert_msg(assay_trainer_open(toy->session, (const struct assay_samples *const[]){&toy->samples}, 1, &trainer, &status) == 0, "%s", status.message);
  ck_assert_msg(assay_trainer_trial(trainer, &toy->settings, seed, keep_weights, NULL, &result, &status) == 0, "%s", status.message);
  assay_trainer_close(trainer);
  return result;
}

#endif
