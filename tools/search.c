/* SPDX-License-Identifier: MIT
 *
 * assay train, search and finish: a run from its INI to the final model.
 */
#include "cli.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "progress.h"
#include "run/device.h"
#include "run/fastest.h"
#include "run/folder.h"
#include "run/supervisor.h"
#include "stop.h"
#include "summary.h"

#include <assay/metric.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

/* runs/NAME, where NAME is the INI's (or the folder's) without its ending. */
static const char *run_folder(struct cli *cli, const char *file) {
  if (cli->output != NULL) return cli->output;
  char *copy = assay_arena_copy(cli->arena, file);
  for (size_t length = copy != NULL ? strlen(copy) : 0; length > 1 && copy[length - 1] == '/'; length--) copy[length - 1] = '\0';
  if (copy == NULL) return NULL;
  const char *name = assay_path_name(copy);
  char *dot = strrchr(copy, '.');
  if (dot != NULL && dot > name && !assay_folder_exists(file)) *dot = '\0';
  return assay_arena_print(cli->arena, "runs/%s", strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ? "here" : name);
}

/* One entry a worker: one a device, or as many as [search] workers says, dealt out in turn. */
static int choose_devices(struct cli *cli, struct assay_registry *registry, const struct assay_run *run, const char *const **devices, uint32_t *count) {
  const struct assay_settings *settings = run->settings;
  struct assay_fastest fastest;
  const struct assay_device_picker picker = {assay_fastest_pick, &fastest};
  const char *const *chosen;
  uint32_t chosen_count;
  int result = assay_fastest_for_run(run, cli->plugin_path, cli->arena, &fastest, cli->status);
  if (result == 0) result = assay_devices_choose_by(&picker, settings, registry, cli->plugin_path, cli->arena, &chosen, &chosen_count, cli->status);
  if (result != 0) return result;
  *count = settings->search.workers > 0 ? settings->search.workers : chosen_count;
  const char **list = ASSAY_NEW_ARRAY(cli->arena, const char *, *count);
  if (list == NULL) return assay_status_memory(cli->status);
  for (uint32_t i = 0; i < *count; i++) list[i] = chosen[i % chosen_count];
  *devices = list;
  return 0;
}

struct job {
  struct cli *cli;
  struct assay_registry *registry;
  struct assay_run *run;
  const char *const *devices;
  uint32_t device_count;
  uint32_t *faults; /* see struct assay_supervisor */
  struct progress progress;
};

static int supervise(struct job *job, enum assay_worker_mode mode, bool *interrupted) {
  const struct assay_supervisor supervisor = {.run = job->run,
                                              .program = assay_process_tool(),
                                              .plugin_path = job->cli->plugin_path,
                                              .quiet = job->cli->quiet,
                                              .devices = job->devices,
                                              .device_count = job->device_count,
                                              .faults = job->faults,
                                              .stopped = stop_requested,
                                              .context = &job->progress,
                                              .message = progress_message};
  const int result = assay_supervisor_run(&supervisor, mode, interrupted, job->cli->status);
  progress_end(&job->progress);
  return result;
}

static int begin_progress(struct job *job) {
  const struct assay_search_settings *search = &job->run->settings->search;
  const struct assay_metric *objective = search->objective.plugin->vtable;
  struct assay_study_counts counts;
  const struct assay_trial_record *best;
  int result = assay_study_count(job->run->study, &counts, job->cli->status);
  if (result == 0) result = assay_study_best(job->run->study, job->cli->arena, &best, job->cli->status);
  if (result != 0) return result;
  const uint32_t finished = counts.complete + counts.pruned + counts.failed;
  job->progress = (struct progress){.cli = job->cli,
                                    .objective = search->objective.plugin->name,
                                    .maximise = (objective->flags & ASSAY_METRIC_MAXIMISE) != 0,
                                    .trials = search->trials,
                                    .finished = finished,
                                    .finished_before = finished,
                                    .best = best != NULL ? best->value : NAN,
                                    .began = assay_clock_seconds()};
  return 0;
}

/* How many points there are, for a search that knows ("50 of 2,160 points"); fewer points than trials are all there is. */
static void tell_space(struct job *job) {
  const struct assay_search_settings *settings = &job->run->settings->search;
  const struct assay_search *search = settings->search.plugin->vtable;
  const struct assay_space *space = assay_study_space(job->run->study);
  uint64_t points = 0;
  struct assay_status ignored;
  if (search->count != NULL && search->count(settings->search.values, space, &points, &ignored) == 0 && points > 0) {
    if (points < job->progress.trials) job->progress.trials = (uint32_t)points;
    cli_say(job->cli, "%s: %u of %llu points", settings->search.plugin->name, job->progress.trials, (unsigned long long)points);
  } else {
    cli_say(job->cli, "%s: %u trials over %u searched value%s", settings->search.plugin->name, job->progress.trials, space->dimension_count, space->dimension_count == 1 ? "" : "s");
  }
  if (job->progress.finished > 0) cli_say(job->cli, "continuing %s: %u trials are finished", job->run->folder, job->progress.finished);
}

static int tell_interruption(struct job *job, const char *command, const char *file) {
  struct assay_study_counts counts = {0};
  (void)assay_study_count(job->run->study, &counts, NULL);
  return assay_status_set(job->cli->status, ASSAY_E_INTERRUPTED, "stopped; %u finished trials are safe in %s. Go on with 'assay %s %s', or make a model of the best so far with 'assay finish %s'",
                          counts.complete + counts.pruned + counts.failed, job->run->folder, command, file, job->run->folder);
}

/* When nothing was finished, the first trial's failure is the run's. */
static int first_failure(struct job *job) {
  const struct assay_trial_record *const *records;
  uint32_t count;
  int result = assay_study_list(job->run->study, job->cli->arena, &records, &count, job->cli->status);
  if (result != 0) return result;
  for (uint32_t i = 0; i < count; i++) {
    if (records[i]->state != ASSAY_TRIAL_FAILED) continue;
    int code = ASSAY_E_FAILED;
    for (uint32_t a = 0; a < records[i]->attribute_count; a++) {
      int64_t integer;
      if (strcmp(records[i]->attributes[a].key, "assay:code") == 0 && assay_parse_integer(records[i]->attributes[a].json, &integer)) code = (int)integer;
    }
    return assay_status_set(job->cli->status, code, "no trial was finished; trial %u failed: %s", records[i]->number, records[i]->reason != NULL ? records[i]->reason : "");
  }
  return assay_status_set(job->cli->status, ASSAY_E_FAILED, "no trial was finished within the time; give it more with [search] time");
}

/* Trials, then the final model and its summary. */
static int work(struct job *job, const char *command, const char *file) {
  bool interrupted = false;
  const struct assay_trial_record *best;
  int result = supervise(job, ASSAY_WORKER_SEARCH, &interrupted);
  if (result == 0 && interrupted) result = tell_interruption(job, command, file);
  if (result == 0) result = assay_study_best(job->run->study, job->cli->arena, &best, job->cli->status);
  if (result == 0 && best == NULL) result = first_failure(job);
  if (result != 0) return result;
  job->progress.final = true;
  result = supervise(job, ASSAY_WORKER_FINAL, &interrupted);
  if (result == 0 && interrupted) result = tell_interruption(job, command, file);
  return result != 0 ? result : summary_write(job->cli, job->run, true);
}

/* What both a new run and `finish` begin with. */
static int prepare(struct job *job) {
  struct assay_run *run = job->run;
  int result = assay_run_open_data(run, true, job->cli->status);
  if (result == 0) result = assay_run_open_study(run, job->cli->status);
  if (result == 0) result = choose_devices(job->cli, job->registry, run, &job->devices, &job->device_count);
  if (result == 0 && (job->faults = ASSAY_NEW_ARRAY(job->cli->arena, uint32_t, job->device_count)) == NULL) result = assay_status_memory(job->cli->status);
  if (result == 0) result = assay_run_write_split(run, job->cli->status);
  if (result == 0) result = assay_run_write_environment(run, job->devices[0], job->cli->status);
  return result == 0 ? begin_progress(job) : result;
}

static int run_command(struct cli *cli, const char *command, bool only_defaults) {
  const char *file = cli->arguments[0], *folder = run_folder(cli, file);
  struct job job = {.cli = cli};
  struct assay_plan *plan;
  if (folder == NULL) return assay_status_memory(cli->status);
  int result = cli_registry(cli, &job.registry);
  /* `train` is a search of one trial, the defaults. */
  const char *one = "search.trials=1";
  if (only_defaults) cli->overrides[cli->override_count++] = one;
  if (result == 0) result = cli_plan(cli, file, &plan);
  if (result == 0) result = assay_run_start(folder, plan, job.registry, &job.run, cli->status);
  if (result != 0) return result;
  stop_catch_signals("\nstopping; what is finished is safe (once more: at once)\n");
  result = prepare(&job);
  if (result == 0) result = assay_run_keep_weights(job.run, cli->status);
  if (result == 0 && !only_defaults) tell_space(&job);
  if (result == 0) result = work(&job, command, file);
  assay_run_close(job.run);
  return result;
}

int command_train(struct cli *cli) { return run_command(cli, "train", true); }
int command_search(struct cli *cli) { return run_command(cli, "search", false); }

int command_finish(struct cli *cli) {
  struct job job = {.cli = cli};
  bool interrupted = false;
  int result = cli_registry(cli, &job.registry);
  if (result == 0) result = assay_run_load(cli->arguments[0], job.registry, &job.run, cli->status);
  if (result != 0) return result;
  stop_catch_signals("\nstopping\n");
  result = assay_run_lock(job.run, cli->status);
  if (result == 0) result = prepare(&job);
  if (result == 0) {
    job.progress.final = true;
    result = supervise(&job, ASSAY_WORKER_FINAL, &interrupted);
  }
  if (result == 0 && interrupted) result = assay_status_set(cli->status, ASSAY_E_INTERRUPTED, "stopped; 'assay finish %s' starts the final training again", job.run->folder);
  if (result == 0) result = summary_write(cli, job.run, true);
  assay_run_close(job.run);
  return result;
}
