/* SPDX-License-Identifier: MIT */
#include "train/desk.h"

#include "base/arena.h"
#include "base/status.h"

#include <math.h>

static int choose(struct assay_desk *desk, const struct assay_samples *samples, const bool *chosen, struct assay_status *status) {
  const uint8_t **pixels = ASSAY_NEW_ARRAY(desk->arena, const uint8_t *, samples->count);
  uint32_t *parts = ASSAY_NEW_ARRAY(desk->arena, uint32_t, samples->count);
  desk->numbers = ASSAY_NEW_ARRAY(desk->arena, uint32_t, samples->count);
  if (pixels == NULL || parts == NULL || desk->numbers == NULL) return assay_status_memory(status);
  for (uint32_t i = 0; i < samples->count; i++) {
    parts[i] = chosen[i] ? ASSAY_PART_TRAIN : ASSAY_PART_NONE;
    if (!chosen[i]) continue;
    pixels[i] = samples->pixels[i];
    desk->numbers[desk->count++] = i;
  }
  desk->samples = *samples;
  desk->samples.pixels = pixels;
  desk->samples.parts = parts;
  desk->samples.repeat_count = desk->samples.fold_count = 0; /* nothing but the part that trains on all */
  return 0;
}

int assay_desk_open(struct assay_session *session, const struct assay_samples *samples, const bool *chosen, uint32_t trained, const struct assay_settings *settings,
                    struct assay_desk *desk, struct assay_status *status) {
  *desk = (struct assay_desk){.arena = assay_arena_create(), .seed = settings->train.seed};
  if (desk->arena == NULL) return assay_status_memory(status);
  int code = choose(desk, samples, chosen, status);
  if (code == 0) code = assay_material_open(session, &desk->samples, desk->arena, &desk->material, status);
  struct assay_settings own = *settings;
  own.train.oversample = 0;
  struct assay_cut cut = assay_cut_whole(&own, 0, 1);
  cut.told = true;
  if (code == 0) {
    desk->material.parts[0].training_count = trained; /* it gives the sizes of batches that steps are made for */
    code = assay_bench_set_up(&desk->material, &own, &cut, &desk->bench, status);
    if (code != 0) desk->bench.network = NULL;
  }
  if (code != 0) return code;
  desk->options = ASSAY_NEW_ARRAY(desk->arena, float, desk->bench.network->option_count);
  desk->class_weights = ASSAY_NEW_ARRAY(desk->arena, double, samples->class_count);
  if (desk->options == NULL || desk->class_weights == NULL) return assay_status_memory(status);
  for (uint32_t i = 0; i < samples->class_count; i++) desk->class_weights[i] = 1;
  return assay_desk_restart(desk, settings, status);
}

void assay_desk_close(struct assay_desk *desk) {
  if (desk->bench.network != NULL) assay_bench_take_down(&desk->bench);
  assay_material_release(&desk->material);
  assay_arena_release(desk->arena);
}

int assay_desk_restart(struct assay_desk *desk, const struct assay_settings *settings, struct assay_status *status) {
  const struct assay_fold_part *part = &desk->material.parts[0];
  struct assay_runner *runner = &desk->bench.runner;
  double mean[4], deviation[4];
  assay_normalisation(&settings->data, desk->samples.channels, part->mean, part->deviation, mean, deviation);
  assay_network_options(settings, desk->options);
  desk->epoch = 0;
  int code = assay_runner_initialise(runner, desk->seed, mean, deviation, status);
  if (code == 0) code = assay_runner_begin(runner, status);
  return code == 0 ? assay_features_settle(runner, desk->options, status) : code;
}

int assay_desk_train(struct assay_desk *desk, uint32_t count, double rate, const struct assay_hooks *hooks, double *loss, double *accuracy, struct assay_status *status) {
  const struct assay_network *network = desk->bench.network;
  if (network->rate_option >= 0) desk->options[network->rate_option] = (float)rate;
  const struct assay_epoch_task task = {
      .numbers = desk->numbers, .count = count, .options = desk->options, .class_weights = desk->class_weights, .seed = desk->seed, .epoch = desk->epoch++, .hooks = hooks};
  struct assay_epoch_sums sums;
  const int code = assay_runner_train(&desk->bench.runner, &task, &sums, status);
  if (code != 0) return code;
  *loss = sums.nonfinite_step > 0 || sums.weight <= 0 ? NAN : sums.loss / sums.weight;
  *accuracy = sums.correct / count;
  return 0;
}
