/* SPDX-License-Identifier: MIT
 *
 * assay report: summary and report of a run, made again from what its folder holds.
 */
#include "summary.h"

#include "base/file.h"
#include "report/report.h"
#include "report/summary.h"
#include "report/threshold.h"
#include "train/predictions.h"

#include <string.h>

/* The run's predictions, or NULL when there is no model yet. The positive class is found by its name in the file's classes. */
static int read_predictions(struct cli *cli, struct assay_run *run, struct assay_prediction_set **set) {
  const char *path = assay_run_path(run, "predictions.csv"), *positive = run->settings->data.positive;
  *set = NULL;
  if (path == NULL) return assay_status_memory(cli->status);
  if (!assay_file_exists(path)) return 0;
  const int result = assay_predictions_read(path, -1, set, cli->status);
  if (result != 0) return result;
  for (uint32_t c = 0; positive != NULL && c < (*set)->class_count; c++)
    if (strcmp((*set)->classes[c], positive) == 0) (*set)->positive = (int32_t)c;
  return 0;
}

/* thresholds.csv and errors.csv. */
static int write_details(struct cli *cli, const struct assay_run *run, const struct assay_prediction_set *set) {
  const char *thresholds = assay_run_path(run, "thresholds.csv"), *errors = assay_run_path(run, "errors.csv");
  if (thresholds == NULL || errors == NULL) return assay_status_memory(cli->status);
  const int result = assay_thresholds_write(set, thresholds, cli->status);
  return result != 0 ? result : assay_errors_write(set, errors, cli->status);
}

/* The settings of the best trial; the defaults before there is one. */
static int read_winner(struct cli *cli, struct assay_run *run, const struct assay_settings **winner) {
  const struct assay_trial_record *best = NULL;
  *winner = run->settings;
  const int result = assay_study_best(run->study, cli->arena, &best, cli->status);
  return result != 0 || best == NULL ? result : assay_plan_settings(run->plan, best->point, cli->arena, winner, cli->status);
}

/* report.html, with the settings of the best trial. */
static int write_page(struct cli *cli, struct assay_run *run, const json_t *summary, const struct assay_prediction_set *set) {
  const char *path = assay_run_path(run, "report.html");
  const struct assay_trial_record *best;
  const struct assay_settings *settings = NULL;
  struct assay_text configuration = {0};
  int result = path == NULL ? assay_status_memory(cli->status) : assay_study_best(run->study, cli->arena, &best, cli->status);
  if (result == 0 && best != NULL) {
    assay_plan_print(run->plan, best->point, false, &configuration);
    result = configuration.failed ? assay_status_memory(cli->status) : assay_plan_settings(run->plan, best->point, cli->arena, &settings, cli->status);
  }
  const struct assay_report_sources sources = {.folder = run->folder,
                                               .summary = summary,
                                               .study = run->study,
                                               .settings = run->settings,
                                               .best_settings = settings,
                                               .configuration = configuration.data,
                                               .predictions = set};
  if (result == 0) result = assay_report_write(&sources, path, cli->status);
  assay_text_release(&configuration);
  return result;
}

static int write_summary(struct cli *cli, const struct assay_run *run, const struct assay_text *text) {
  const char *path = assay_run_path(run, "summary.txt");
  return text->failed || path == NULL ? assay_status_memory(cli->status) : assay_file_write(path, text->data, text->length, cli->status);
}

static void show(struct cli *cli, const json_t *summary, const struct assay_text *text) {
  if (cli->json) cli_print_json(cli, json_incref((json_t *)(uintptr_t)summary));
  else fputs(text->data, cli->results);
}

int summary_write(struct cli *cli, struct assay_run *run, bool heed_target) {
  const char *model = assay_run_path(run, "model.safetensors");
  struct assay_prediction_set *set = NULL;
  json_t *summary = NULL;
  struct assay_text text = {0};
  const struct assay_settings *winner = run->settings;
  int result = model == NULL ? assay_status_memory(cli->status) : read_predictions(cli, run, &set);
  if (result == 0) result = read_winner(cli, run, &winner);
  const struct assay_summary_sources sources = {
      .run = run->folder, .model = model != NULL && assay_file_exists(model) ? model : NULL, .study = run->study, .settings = run->settings, .winner = winner, .predictions = set};
  if (result == 0) result = assay_summary_build(&sources, &summary, cli->status);
  if (result == 0) {
    assay_summary_print(summary, &text);
    result = write_summary(cli, run, &text);
  }
  if (result == 0 && set != NULL) result = write_details(cli, run, set);
  if (result == 0) result = write_page(cli, run, summary, set);
  if (result == 0 && heed_target) result = assay_judgement_heed_target(json_object_get(summary, "target"), cli->status);
  if (result == 0 || result == ASSAY_E_FINDINGS) show(cli, summary, &text);
  json_decref(summary);
  assay_text_release(&text);
  assay_predictions_release(set);
  return result;
}

int command_report(struct cli *cli) {
  struct assay_registry *registry;
  struct assay_run *run;
  int result = cli_registry(cli, &registry);
  if (result == 0) result = assay_run_load(cli->arguments[0], registry, &run, cli->status);
  if (result != 0) return result;
  result = assay_run_read_study(run, cli->status);
  if (result == 0) result = summary_write(cli, run, false);
  assay_run_close(run);
  return result;
}
