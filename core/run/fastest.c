/* SPDX-License-Identifier: MIT */
#include "run/fastest.h"

#include "config.h"

#include "base/arena.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/process.h"
#include "base/status.h"
#include "base/text.h"
#include "run/folder.h"
#include "train/trainer.h"

#include <assay/random.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 4, EPOCHS = 4 };
static const double longest_measurement = 300; /* seconds: a device that sees its kernels for the first time compiles them, and keeps them */

/* ---- In the child ---- */

/* Images of noise: some steps' worth to train on, and one to validate on. */
static int make_noise(const struct assay_network_shape *shape, uint32_t batch, struct assay_arena *arena, struct assay_samples *samples, struct assay_status *status) {
  const uint32_t count = batch * STEPS + 1;
  size_t size = 0;
  const bool fits = assay_multiply((size_t)shape->height * shape->width, shape->channels, &size);
  const char **classes = ASSAY_NEW_ARRAY(arena, const char *, shape->class_count), **paths = ASSAY_NEW_ARRAY(arena, const char *, count);
  const uint8_t **pixels = ASSAY_NEW_ARRAY(arena, const uint8_t *, count);
  int32_t *labels = ASSAY_NEW_ARRAY(arena, int32_t, count), *fold = ASSAY_NEW_ARRAY(arena, int32_t, count), **folds = ASSAY_NEW_ARRAY(arena, int32_t *, 1);
  uint32_t *parts = ASSAY_NEW_ARRAY(arena, uint32_t, count);
  if (!fits || classes == NULL || paths == NULL || pixels == NULL || labels == NULL || fold == NULL || folds == NULL || parts == NULL) return assay_status_memory(status);
  struct assay_random random = assay_random_seed(1, 1);
  for (uint32_t c = 0; c < shape->class_count; c++)
    if ((classes[c] = assay_arena_print(arena, "%u", c)) == NULL) return assay_status_memory(status);
  for (uint32_t i = 0; i < count; i++) {
    uint8_t *image = assay_arena_take(arena, size, 1);
    if (image == NULL) return assay_status_memory(status);
    for (size_t k = 0; k < size; k++) image[k] = (uint8_t)assay_random_u32(&random);
    pixels[i] = image;
    paths[i] = "noise";
    labels[i] = (int32_t)(i % shape->class_count);
    fold[i] = -1;
    parts[i] = i + 1 < count ? ASSAY_PART_TRAIN : ASSAY_PART_VALIDATION;
  }
  folds[0] = fold;
  *samples = (struct assay_samples){.count = count,
                                    .class_count = shape->class_count,
                                    .height = shape->height,
                                    .width = shape->width,
                                    .channels = shape->channels,
                                    .positive = shape->class_count == 2 ? 1 : -1,
                                    .classes = classes,
                                    .paths = paths,
                                    .pixels = pixels,
                                    .labels = labels,
                                    .parts = parts,
                                    .folds = folds,
                                    .repeat_count = 1,
                                    .fold_count = 1};
  return 0;
}

/* The first epoch also pays for what is done once. */
static int note_time(void *context, const struct assay_progress *progress, struct assay_status *status) {
  double *best = context;
  (void)status;
  if (progress->epoch > 0 && progress->latest->seconds < *best) *best = progress->latest->seconds;
  return progress->epoch + 1 < EPOCHS ? ASSAY_HOOK_CONTINUE : ASSAY_HOOK_PRUNE;
}

int assay_step_time(const struct assay_run *run, const struct assay_network_shape *shape, struct assay_session *session, double *seconds, struct assay_status *status) {
  struct assay_settings settings = *run->settings;
  struct assay_trainer *trainer = NULL;
  struct assay_trial_result *result = NULL;
  struct assay_samples *samples = ASSAY_NEW(run->arena, struct assay_samples);
  double best = INFINITY;
  settings.train.patience = 0;
  settings.train.stage_count = 0; /* the size is the last stage's */
  if (settings.train.epochs < EPOCHS) settings.train.epochs = EPOCHS;
  int code = samples == NULL ? assay_status_memory(status) : make_noise(shape, settings.train.batch, run->arena, samples, status);
  if (code == 0) code = assay_trainer_open(session, (const struct assay_samples *const[]){samples}, 1, &trainer, status);
  const struct assay_hooks hooks = {.context = &best, .epoch = note_time};
  if (code == 0) code = assay_trainer_trial(trainer, &settings, 1, false, &hooks, &result, status);
  assay_trial_result_release(result);
  assay_trainer_close(trainer);
  *seconds = best / STEPS;
  return code == 0 && !isfinite(best) ? assay_status_set(status, ASSAY_E_FAILED, "nothing was measured") : code;
}

/* ---- In the parent ---- */

static struct assay_network_shape shape_of(const struct assay_run *run) {
  const struct assay_data_settings *data = &run->settings->data;
  struct assay_network_shape shape = {run->dataset->class_count, data->height, data->width, data->colour == ASSAY_COLOUR_GREY ? 1 : 3};
  for (uint32_t i = 0; i < run->dataset->count && shape.width == 0; i++) { /* then all are equal */
    const struct assay_sample *sample = &run->dataset->samples[i];
    if (sample->problem == NULL) shape.width = sample->width, shape.height = sample->height;
  }
  return shape;
}

/* The hash of the program that trains the network, in digits. NULL when it cannot be built, which training will say. */
static const char *program_of(const struct assay_run *run, const struct assay_network_shape *shape, struct assay_arena *arena) {
  const uint32_t training_count = run->settings->train.batch * STEPS;
  const struct assay_network_facts facts = {.class_count = shape->class_count,
                                            .height = shape->height,
                                            .width = shape->width,
                                            .channels = shape->channels,
                                            .training_count_count = 1,
                                            .training_counts = &training_count,
                                            .evaluation_batch = 1};
  struct assay_network *network;
  struct assay_status ignored;
  if (assay_network_create(run->settings, &facts, &network, &ignored) != 0) return NULL;
  const struct assay_hash program = assay_hash_bytes(network->program->key, sizeof network->program->key);
  char digits[33];
  assay_hash_print(&program, digits);
  assay_network_release(network);
  return assay_arena_copy(arena, digits);
}

int assay_fastest_for_run(const struct assay_run *run, const char *plugin_path, struct assay_arena *arena, struct assay_fastest *fastest, struct assay_status *status) {
  const struct assay_network_shape shape = shape_of(run);
  const char **question = ASSAY_NEW_ARRAY(arena, const char *, 8);
  if (question == NULL) return assay_status_memory(status);
  question[0] = "time-step";
  question[1] = run->folder;
  question[2] = assay_arena_print(arena, "%u", shape.class_count);
  question[3] = assay_arena_print(arena, "%u", shape.height);
  question[4] = assay_arena_print(arena, "%u", shape.width);
  question[5] = assay_arena_print(arena, "%u", shape.channels);
  *fastest = (struct assay_fastest){.program = program_of(run, &shape, arena), .question = question, .unit = "step", .plugin_path = plugin_path, .arena = arena};
  return question[2] && question[3] && question[4] && question[5] ? 0 : assay_status_memory(status);
}

/* What the answer depends on: the program, the devices with their drivers, this Assay. */
static const char *make_key(const struct assay_fastest *fastest, const struct assay_listed_device *const *candidates, uint32_t count) {
  if (fastest->program == NULL) return NULL;
  const char *key = assay_arena_print(fastest->arena, "assay-fastest-2 " PACKAGE_VERSION " %s %s", fastest->unit, fastest->program);
  for (uint32_t i = 0; i < count && key != NULL; i++)
    key = assay_arena_print(fastest->arena, "%s\n%s;%s;%s", key, candidates[i]->name, candidates[i]->info.name, candidates[i]->info.driver);
  return key;
}

/* The child's command line; NULL when memory is short. */
static const char **list_arguments(const struct assay_fastest *fastest, const char *device) {
  uint32_t count = 0, n = 0;
  while (fastest->question[count] != NULL) count++;
  const char **arguments = ASSAY_NEW_ARRAY(fastest->arena, const char *, (size_t)count + 6);
  if (arguments == NULL) return NULL;
  arguments[n++] = assay_process_tool();
  for (uint32_t i = 0; i < count; i++) arguments[n++] = fastest->question[i];
  arguments[n++] = device;
  arguments[n++] = "--quiet";
  if (fastest->plugin_path != NULL) arguments[n++] = "--plugin-path";
  if (fastest->plugin_path != NULL) arguments[n++] = fastest->plugin_path;
  return arguments;
}

/* Seconds by a child; not-a-number, and why in `reason`. */
static double measure(const struct assay_fastest *fastest, const char *device, const char **reason) {
  struct assay_arena *arena = fastest->arena;
  const char **arguments = list_arguments(fastest, device);
  struct assay_text output = {0};
  struct assay_process_end end = {0};
  struct assay_status status = {0};
  double seconds = NAN;
  char how[96];
  *reason = NULL;
  if (arguments == NULL) return NAN;
  if (assay_process_run(arguments, longest_measurement, &output, &end, &status) != 0) {
    *reason = assay_arena_copy(arena, status.message);
    return NAN;
  }
  json_t *answer = output.data != NULL ? json_loads(output.data, 0, NULL) : NULL;
  const json_t *number = json_object_get(answer, "seconds");
  const char *message = json_string_value(json_object_get(json_object_get(answer, "error"), "message"));
  if (json_is_number(number)) seconds = json_number_value(number);
  else *reason = message != NULL ? assay_arena_copy(arena, message) : assay_arena_print(arena, "the process that timed it %s", assay_process_describe(&end, how));
  json_decref(answer);
  assay_text_release(&output);
  return seconds;
}

/* "name seconds" a line. False when it does not fit the candidates. */
static bool read_times(const char *text, const struct assay_listed_device *const *candidates, uint32_t count, double *times) {
  for (uint32_t i = 0; i < count; i++) {
    const size_t length = strlen(candidates[i]->name);
    if (strncmp(text, candidates[i]->name, length) != 0 || text[length] != ' ') return false;
    char *end;
    times[i] = strtod(text + length + 1, &end);
    if (*end != '\n') return false;
    text = end + 1;
  }
  return *text == '\0';
}

static bool recall(const char *key, const struct assay_listed_device *const *candidates, uint32_t count, struct assay_arena *arena, double *times) {
  void *data;
  size_t size;
  if (key == NULL || assay_backend_host_table()->cache_load(key, strlen(key), &data, &size) != 0) return false;
  const char *text = assay_arena_print(arena, "%.*s", (int)size, (const char *)data);
  free(data);
  return text != NULL && read_times(text, candidates, count, times);
}

static void keep(const char *key, const struct assay_listed_device *const *candidates, uint32_t count, const double *times) {
  struct assay_text text = {0};
  for (uint32_t i = 0; i < count; i++) assay_text_print(&text, "%s %.9g\n", candidates[i]->name, times[i]);
  if (key != NULL && !text.failed) (void)assay_backend_host_table()->cache_save(key, strlen(key), text.data, text.length);
  assay_text_release(&text);
}

static void tell(const struct assay_fastest *fastest, const struct assay_listed_device *const *candidates, uint32_t count, const double *times, uint32_t chosen, bool remembered) {
  struct assay_text others = {0};
  for (uint32_t i = 0; i < count; i++) {
    if (i == chosen) continue;
    if (isnan(times[i])) assay_text_print(&others, ", %s could not be timed", candidates[i]->name);
    else assay_text_print(&others, ", %s %.3g ms", candidates[i]->name, 1e3 * times[i]);
  }
  assay_log_message(ASSAY_LOG_INFO, "auto: %s (%s), %.3g ms a %s%s; measured on this network%s", candidates[chosen]->name, candidates[chosen]->info.name, 1e3 * times[chosen],
                    fastest->unit, others.data != NULL ? others.data : "", remembered ? " before" : "");
  assay_text_release(&others);
}

int assay_fastest_pick(void *context, const struct assay_listed_device *const *candidates, uint32_t count, const char **name, struct assay_status *status) {
  const struct assay_fastest *fastest = context;
  double *times = ASSAY_NEW_ARRAY(fastest->arena, double, count);
  if (times == NULL) return assay_status_memory(status);
  const char *key = make_key(fastest, candidates, count), *reason;
  const bool remembered = recall(key, candidates, count, fastest->arena, times);
  uint32_t chosen = count;
  bool all = true;
  for (uint32_t i = 0; i < count; i++) {
    if (!remembered) {
      times[i] = measure(fastest, candidates[i]->name, &reason);
      if (isnan(times[i])) assay_log_message(ASSAY_LOG_WARNING, "auto: %s is left out: %s", candidates[i]->name, reason != NULL ? reason : "it could not be timed");
    }
    all = all && !isnan(times[i]);
    if (!isnan(times[i]) && (chosen == count || times[i] < times[chosen])) chosen = i;
  }
  if (!remembered && all) keep(key, candidates, count, times); /* what failed once may work the next time */
  if (chosen < count) tell(fastest, candidates, count, times, chosen, remembered);
  else assay_log_message(ASSAY_LOG_WARNING, "auto: no device could be timed on this network; %s is taken, the first in the order GPU, cpu", candidates[0]->name);
  *name = candidates[chosen < count ? chosen : 0]->name;
  return 0;
}
