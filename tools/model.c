/* SPDX-License-Identifier: MIT */
#include "model.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/text.h"
#include "config/ini.h"
#include "data/ahead.h"
#include "run/fastest.h"
#include "run/loader.h"
#include "session.h"

#include <assay/random.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 32, BLOCK = BATCH, SLOTS = 3 };

/* The plan of the command line, in which the model's positive class is named, so that metrics of it can be asked for; with how its run judged. */
static int plan_for(struct cli *cli, const char *path, const struct assay_model *model, bool judges, struct assay_plan **plan) {
  const char *positive = model->positive >= 0 ? assay_ini_quote(model->classes[model->positive], cli->arena) : "";
  const char *named = positive != NULL ? assay_arena_print(cli->arena, "data.positive=%s", positive) : NULL;
  const char *name = assay_arena_print(cli->arena, "%s (how its run judged)", path);
  struct assay_text judged = {0};
  if (judges) assay_model_judge_print(&model->judge, cli->arena, &judged);
  const int result = named != NULL && name != NULL && !judged.failed ? cli_bare_plan(cli, named, name, judged.data, plan) : assay_status_memory(cli->status);
  assay_text_release(&judged);
  return result;
}

static bool is_ini(const char *path) {
  const size_t length = strlen(path);
  return length > 4 && strcmp(path + length - 4, ".ini") == 0;
}

/* Settings and model: of the file, or of the pretrained weights that an INI names. */
static int read_model(struct cli *cli, const char *path, bool judges, struct model_in_use *use) {
  use->from_ini = is_ini(path);
  int result = use->from_ini ? cli_plan(cli, path, &use->plan) : assay_model_read(path, &use->model, cli->status);
  if (result == 0 && !use->from_ini) result = plan_for(cli, path, use->model, judges, &use->plan);
  if (result == 0) result = cli_settings(cli, use->plan, &use->settings);
  return result == 0 && use->from_ini ? assay_model_from_weights(use->settings, &use->model, cli->status) : result;
}

/* ---- The fastest device for a model ---- */

/* `path` is asked for the time of a batch. Beside a model file only [backend] matters to that, and what judges it has no place there. */
static int model_fastest(struct cli *cli, const char *path, const struct model_in_use *use, struct assay_fastest *fastest) {
  const struct assay_model *model = use->model;
  const struct assay_hash program = assay_hash_bytes(model->program->key, sizeof model->program->key);
  char digits[33];
  const char **question = ASSAY_NEW_ARRAY(cli->arena, const char *, 3 + 2 * (size_t)cli->override_count);
  uint32_t n = 0;
  if (question == NULL) return assay_status_memory(cli->status);
  question[n++] = "time-batch";
  for (uint32_t i = 0; i < cli->override_count; i++) {
    if (!use->from_ini && strncmp(cli->overrides[i] + strspn(cli->overrides[i], " \t"), "backend.", 8) != 0) continue;
    question[n++] = "-s";
    question[n++] = cli->overrides[i];
  }
  question[n++] = path;
  assay_hash_print(&program, digits);
  *fastest = (struct assay_fastest){.program = assay_arena_print(cli->arena, "%s %u", digits, model->member_count), .question = question, .unit = "batch",
                                    .plugin_path = cli->plugin_path, .arena = cli->arena};
  return 0;
}

/* Seconds of a batch of noise: the fastest of some, behind one that also pays for what is done once. */
static int time_batches(struct cli *cli, const struct model_in_use *use, double *seconds) {
  enum { ROUNDS = 4 };
  struct assay_random random = assay_random_seed(1, 1);
  size_t bytes;
  uint8_t *pixels = assay_multiply(use->image_size, BATCH, &bytes) ? malloc(bytes) : NULL;
  double *scores = calloc((size_t)BATCH * use->model->class_count, sizeof *scores);
  const uint8_t *images[BATCH];
  int result = pixels != NULL && scores != NULL ? 0 : assay_status_memory(cli->status);
  for (size_t i = 0; result == 0 && i < bytes; i++) pixels[i] = (uint8_t)assay_random_u32(&random);
  for (uint32_t i = 0; result == 0 && i < BATCH; i++) images[i] = pixels + i * use->image_size;
  *seconds = INFINITY;
  for (int round = 0; result == 0 && round < ROUNDS; round++) {
    const double began = assay_clock_seconds();
    result = assay_predictor_run(use->predictor, images, NULL, BATCH, scores, NULL, cli->status);
    if (round > 0) *seconds = fmin(*seconds, assay_clock_seconds() - began);
  }
  free(pixels);
  free(scores);
  return result;
}

/* The image size and the predictor, once there is a session. */
static int finish_opening(struct cli *cli, struct model_in_use *use) {
  const int result = assay_predictor_create(use->session, use->model, BATCH, &use->predictor, cli->status);
  if (result != 0) return result;
  use->images = assay_model_data_settings(use->model);
  use->image_size = (size_t)use->model->height * use->model->width * use->model->channels;
  return 0;
}

int command_time_batch(struct cli *cli) {
  struct model_in_use use = {0};
  struct assay_registry *registry;
  double seconds = 0;
  cli->json = true;
  int result = cli_registry(cli, &registry);
  if (result == 0) result = read_model(cli, cli->arguments[0], false, &use);
  if (result == 0) result = assay_device_open(cli->arguments[1], use.settings, 1, registry, cli->arena, &use.session, cli->status);
  if (result == 0) result = finish_opening(cli, &use);
  if (result == 0) result = time_batches(cli, &use, &seconds);
  if (result == 0) cli_print_json(cli, json_pack("{s:f}", "seconds", seconds));
  model_close(&use);
  return result;
}

int model_open(struct cli *cli, const char *path, bool judges, struct model_in_use *use) {
  *use = (struct model_in_use){0};
  struct assay_fastest fastest;
  const struct assay_device_picker picker = {assay_fastest_pick, &fastest};
  int result = read_model(cli, path, judges, use);
  if (result == 0) result = model_fastest(cli, path, use, &fastest);
  if (result == 0) result = session_open(cli, use->settings, &picker, &use->session);
  return result == 0 ? finish_opening(cli, use) : result;
}

void model_close(struct model_in_use *use) {
  assay_predictor_release(use->predictor);
  assay_session_close(use->session);
  assay_model_release(use->model);
  assay_plan_release(use->plan);
}

/* Blocks of images are loaded while the model looks at those before. */
struct job {
  struct model_in_use *use;
  const struct assay_image_list *list;
  struct block {
    uint8_t *pixels;
    struct assay_status *statuses;
  } blocks[SLOTS];
  const uint8_t **images; /* the readable ones of a block */
  double *scores;
};

static int prepare(struct job *job, struct assay_status *status) {
  size_t bytes;
  bool whole = assay_multiply(job->use->image_size, BLOCK, &bytes);
  for (int slot = 0; whole && slot < SLOTS; slot++) {
    job->blocks[slot] = (struct block){malloc(bytes), calloc(BLOCK, sizeof *job->blocks[slot].statuses)};
    whole = job->blocks[slot].pixels != NULL && job->blocks[slot].statuses != NULL;
  }
  job->images = calloc(BLOCK, sizeof *job->images);
  job->scores = calloc((size_t)BLOCK * job->use->model->class_count, sizeof *job->scores);
  return whole && job->images != NULL && job->scores != NULL ? 0 : assay_status_memory(status);
}

static void release(struct job *job) {
  for (int slot = 0; slot < SLOTS; slot++) {
    free(job->blocks[slot].pixels);
    free(job->blocks[slot].statuses);
  }
  free(job->images);
  free(job->scores);
}

static uint32_t size_of_block(const struct job *job, uint32_t block) {
  const uint32_t rest = assay_image_list_count(job->list) - block * BLOCK;
  return rest < BLOCK ? rest : BLOCK;
}

static void load_block(void *context, uint32_t block, uint32_t slot) {
  struct job *job = context;
  assay_images_load(job->list, block * BLOCK, size_of_block(job, block), &job->use->images, job->use->image_size, job->blocks[slot].pixels, job->blocks[slot].statuses);
}

static int classify_block(struct job *job, uint32_t number, const struct block *block, model_row row, void *context, struct assay_status *status) {
  const uint32_t count = size_of_block(job, number), classes = job->use->model->class_count;
  uint32_t readable = 0;
  for (uint32_t i = 0; i < count; i++)
    if (block->statuses[i].code == 0) job->images[readable++] = block->pixels + i * job->use->image_size;
  int result = readable > 0 ? assay_predictor_run(job->use->predictor, job->images, NULL, readable, job->scores, NULL, status) : 0;
  for (uint32_t i = 0, done = 0; result == 0 && i < count; i++) {
    const bool bad = block->statuses[i].code != 0;
    result = row(context, number * BLOCK + i, bad ? NULL : job->scores + (size_t)done * classes, bad ? block->statuses[i].message : NULL);
    done += !bad;
  }
  return result;
}

int model_run(struct cli *cli, struct model_in_use *use, const struct assay_image_list *list, model_row row, void *context) {
  struct job job = {.use = use, .list = list};
  const uint32_t blocks = (assay_image_list_count(list) + BLOCK - 1) / BLOCK;
  struct assay_ahead *ahead = NULL;
  int result = prepare(&job, cli->status);
  if (result == 0 && (ahead = assay_ahead_start(blocks, SLOTS, load_block, &job)) == NULL) result = assay_status_memory(cli->status);
  for (uint32_t block = 0; result == 0 && block < blocks; block++)
    result = classify_block(&job, block, &job.blocks[assay_ahead_next(ahead)], row, context, cli->status);
  assay_ahead_stop(ahead);
  release(&job);
  return result;
}
