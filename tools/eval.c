/* SPDX-License-Identifier: MIT
 *
 * assay eval: a model judged on a labelled folder.
 */
#include "model.h"

#include "base/file.h"
#include "base/log.h"
#include "data/data.h"
#include "report/judgement.h"
#include "report/threshold.h"

enum { WRONG_LISTED = 10000 };

/* What can be read, as the predictor takes it. */
struct readable {
  uint32_t count;
  const uint8_t **images;
  const char **paths;
  int32_t *labels;
  double *scores, *losses;
};

static int list_readable(struct cli *cli, const struct model_in_use *use, const struct assay_dataset *dataset, const struct assay_cache *cache,
                         struct readable *readable) {
  const uint32_t count = dataset->count;
  *readable = (struct readable){.images = ASSAY_NEW_ARRAY(cli->arena, const uint8_t *, count),
                                .paths = ASSAY_NEW_ARRAY(cli->arena, const char *, count),
                                .labels = ASSAY_NEW_ARRAY(cli->arena, int32_t, count),
                                .scores = ASSAY_NEW_ARRAY(cli->arena, double, (size_t)count * use->model->class_count),
                                .losses = ASSAY_NEW_ARRAY(cli->arena, double, count)};
  if (readable->images == NULL || readable->paths == NULL || readable->labels == NULL || readable->scores == NULL || readable->losses == NULL)
    return assay_status_memory(cli->status);
  for (uint32_t i = 0; i < count; i++) {
    const struct assay_sample *sample = &dataset->samples[i];
    const uint8_t *pixels = assay_cache_pixels(cache, i);
    if (sample->problem != NULL || pixels == NULL) {
      assay_log_message(ASSAY_LOG_WARNING, "%s/%s is left out: %s", dataset->root, sample->path, sample->problem != NULL ? sample->problem : "it cannot be decoded");
      continue;
    }
    readable->images[readable->count] = pixels;
    readable->paths[readable->count] = sample->path;
    readable->labels[readable->count++] = sample->label;
  }
  return readable->count > 0 ? 0 : assay_status_set(cli->status, ASSAY_E_DATA, "%s: no image can be read", dataset->root);
}

/* Judges everything that can be read. */
static int judge(struct cli *cli, struct model_in_use *use, struct assay_dataset *dataset, struct assay_prediction_set *set) {
  struct assay_cache *cache;
  struct readable readable;
  int result = assay_cache_open(dataset, &use->images, &cache, cli->status);
  if (result != 0) return result;
  result = list_readable(cli, use, dataset, cache, &readable);
  if (result == 0)
    result = assay_predictor_run(use->predictor, readable.images, readable.labels, readable.count, readable.scores, readable.losses, cli->status);
  for (uint32_t i = 0; result == 0 && i < readable.count; i++)
    result = assay_predictions_add(set, readable.paths[i], ASSAY_PART_TEST, -1, -1, readable.labels[i], readable.scores + (size_t)i * use->model->class_count,
                                   readable.losses[i], cli->status);
  assay_cache_close(cache);
  return result;
}

/* The files that -o asks for. */
static int write_files(struct cli *cli, const struct assay_prediction_set *set) {
  const char *predictions = assay_path_join(cli->arena, cli->output, "predictions.csv"), *thresholds = assay_path_join(cli->arena, cli->output, "thresholds.csv");
  const char *errors = assay_path_join(cli->arena, cli->output, "errors.csv");
  if (predictions == NULL || thresholds == NULL || errors == NULL) return assay_status_memory(cli->status);
  int result = assay_folder_create(cli->output, cli->status);
  if (result == 0) result = assay_predictions_write(set, predictions, cli->status);
  if (result == 0) result = assay_thresholds_write(set, thresholds, cli->status);
  return result == 0 ? assay_errors_write(set, errors, cli->status) : result;
}

static int tell(struct cli *cli, const struct model_in_use *use, const char *judged, const struct assay_prediction_set *set) {
  json_t *judgement;
  int result = assay_judgement_build(set, use->settings->metrics, use->settings->metric_count, WRONG_LISTED, &judgement, cli->status);
  if (result != 0) return result;
  json_t *target = assay_judgement_target(judgement, "test", &use->settings->judge);
  json_object_set_new(judgement, "target", target);
  result = assay_judgement_heed_target(target, cli->status);
  if (cli->json) {
    cli_print_json(cli, judgement);
    return result;
  }
  struct assay_text text = {0};
  assay_text_print(&text, "%s on %s: %u images\n\n", cli->arguments[0], judged, set->count);
  assay_judgement_print(judgement, &text);
  if (json_is_object(target)) assay_text_add(&text, "\n");
  assay_judgement_print_target(target, &text);
  if (text.failed) result = assay_status_memory(cli->status);
  else fputs(text.data, cli->results);
  assay_text_release(&text);
  json_decref(judgement);
  return result;
}

int command_eval(struct cli *cli) {
  struct model_in_use use;
  struct assay_dataset *dataset = NULL;
  struct assay_prediction_set *set = NULL;
  int result = model_open(cli, cli->arguments[0], true, &use);
  const char *judged = result != 0 ? NULL : cli->argument_count > 1 ? cli->arguments[1] : use.settings->data.path;
  if (result == 0 && cli->argument_count == 1 && !use.from_ini) result = assay_status_set(cli->status, ASSAY_E_CONFIG, "name the labelled folder behind the model");
  if (result == 0) {
    use.images.path = judged;
    result = assay_dataset_scan_labelled(&use.images, use.model->classes, use.model->class_count, &dataset, cli->status);
  }
  if (result == 0) {
    set = assay_predictions_create(use.model->class_count, use.model->classes, use.model->positive);
    if (set == NULL) result = assay_status_memory(cli->status);
  }
  if (result == 0) {
    assay_predictions_decide(set, use.model->threshold);
    result = judge(cli, &use, dataset, set);
  }
  if (result == 0 && cli->output != NULL) result = write_files(cli, set);
  if (result == 0) result = tell(cli, &use, judged, set);
  assay_predictions_release(set);
  assay_dataset_release(dataset);
  model_close(&use);
  return result;
}
