/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "run/folder.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "base/text.h"

#include <assay/metric.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/utsname.h>
#include <unistd.h>

char *assay_run_path(const struct assay_run *run, const char *format, ...) {
  char name[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(name, sizeof name, format, arguments);
  va_end(arguments);
  return assay_path_join(run->arena, run->folder, name);
}

static int create(const char *folder, struct assay_plan *plan, struct assay_run **result, struct assay_status *status) {
  struct assay_arena *arena = assay_arena_create();
  struct assay_run *run = arena != NULL ? ASSAY_NEW(arena, struct assay_run) : NULL;
  char *copy = run != NULL ? assay_arena_copy(arena, folder) : NULL;
  if (copy == NULL) {
    assay_arena_release(arena);
    assay_plan_release(plan);
    return assay_status_memory(status);
  }
  for (size_t length = strlen(copy); length > 1 && copy[length - 1] == '/'; length--) copy[length - 1] = '\0';
  *run = (struct assay_run){.arena = arena, .folder = copy, .name = assay_path_name(copy), .plan = plan, .lock = -1};
  *result = run;
  return assay_plan_settings(plan, NULL, arena, &run->settings, status);
}

void assay_run_close(struct assay_run *run) {
  if (run == NULL) return;
  assay_study_close(run->study);
  assay_dataset_release(run->dataset);
  assay_plan_release(run->plan);
  if (run->lock >= 0) close(run->lock);
  assay_arena_release(run->arena);
}

int assay_run_lock(struct assay_run *run, struct assay_status *status) {
  const char *path = assay_run_path(run, "lock");
  if (path == NULL) return assay_status_memory(status);
  run->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (run->lock < 0) return assay_status_set(status, ASSAY_E_STORAGE, "%s: cannot be created: %s; choose a folder that can be written with -o", path, strerror(errno));
  if (flock(run->lock, LOCK_EX | LOCK_NB) != 0)
    return assay_status_set(status, ASSAY_E_STORAGE, "%s: another assay works on this run; wait for it, or choose another folder with -o", run->folder);
  return 0;
}

static int write_config(const struct assay_run *run, struct assay_status *status) {
  struct assay_text text = {0};
  assay_plan_print(run->plan, NULL, false, &text);
  const char *path = assay_run_path(run, "config.ini");
  const int result = text.failed || path == NULL ? assay_status_memory(status) : assay_file_write(path, text.data, text.length, status);
  assay_text_release(&text);
  return result;
}

/* The plan of an earlier start in this folder must agree with the one of now, once there are trials that were made with it. */
static int compare_with_earlier(struct assay_run *run, struct assay_registry *registry, struct assay_status *status) {
  const char *path = assay_run_path(run, "config.ini"), *study = assay_run_path(run, "study.db");
  if (path == NULL || study == NULL) return assay_status_memory(status);
  if (!assay_file_exists(path) || !assay_file_exists(study)) return 0;
  struct assay_plan *before;
  int result = assay_plan_load(path, NULL, 0, registry, &before, status);
  if (result != 0) return result;
  const char *different = assay_plan_difference(before, run->plan, run->arena);
  if (different != NULL)
    result = assay_status_set(status, ASSAY_E_CONFIG, "%s was made with other values of: %s; only trials, time, workers, devices, threads, memory and timeout may change. Choose a new folder with -o, or remove it",
                              run->folder, different);
  assay_plan_release(before);
  return result;
}

int assay_run_start(const char *folder, struct assay_plan *plan, struct assay_registry *registry, struct assay_run **result, struct assay_status *status) {
  struct assay_run *run = NULL;
  int code = create(folder, plan, &run, status);
  if (code == 0) code = assay_folder_create(run->folder, status);
  if (code == 0) code = assay_run_lock(run, status);
  if (code == 0) code = compare_with_earlier(run, registry, status);
  if (code == 0) code = write_config(run, status);
  if (code != 0) {
    assay_run_close(run);
    run = NULL;
  }
  *result = run;
  return code;
}

int assay_run_load(const char *folder, struct assay_registry *registry, struct assay_run **result, struct assay_status *status) {
  *result = NULL;
  if (!assay_folder_exists(folder)) return assay_status_set(status, ASSAY_E_CONFIG, "%s: there is no such run folder", folder);
  struct assay_arena *arena = assay_arena_create();
  const char *path = arena != NULL ? assay_path_join(arena, folder, "config.ini") : NULL;
  const char *kept = path != NULL ? assay_path_join(arena, folder, ASSAY_RUN_WEIGHTS) : NULL;
  const char *override = kept != NULL ? assay_arena_print(arena, "network.weights=%s", kept) : NULL;
  struct assay_plan *plan = NULL;
  int code = override == NULL ? assay_status_memory(status) : 0;
  if (code == 0 && !assay_file_exists(path)) code = assay_status_set(status, ASSAY_E_CONFIG, "%s is no run folder: it has no config.ini", folder);
  if (code == 0) code = assay_plan_load(path, &override, assay_file_exists(kept) ? 1 : 0, registry, &plan, status);
  assay_arena_release(arena);
  if (code != 0) return code;
  struct assay_run *run = NULL;
  code = create(folder, plan, &run, status);
  if (code != 0) {
    assay_run_close(run);
    run = NULL;
  }
  *result = run;
  return code;
}

/* ---- Data and study ---- */

enum { TOLD_AT_MOST = 20 };

static void tell_findings(const struct assay_dataset *dataset, const struct assay_audit *audit) {
  for (uint32_t i = 0; i < audit->broken_count && i < TOLD_AT_MOST; i++) {
    const struct assay_sample *sample = &dataset->samples[audit->broken[i]];
    assay_log_message(ASSAY_LOG_WARNING, "%s/%s is left out: %s", dataset->root, sample->path, sample->problem);
  }
  if (audit->broken_count > TOLD_AT_MOST)
    assay_log_message(ASSAY_LOG_WARNING, "%u more images are left out; 'assay check' and split.csv name them all", audit->broken_count - TOLD_AT_MOST);
  uint32_t told = 0;
  for (uint32_t i = 0; i < dataset->count; i++) {
    const struct assay_sample *sample = &dataset->samples[i];
    if (sample->format == NULL || sample->problem == NULL) continue; /* whole, but tied to an image of another part */
    if (told++ < TOLD_AT_MOST) assay_log_message(ASSAY_LOG_WARNING, "%s/%s is left out: %s", dataset->root, sample->path, sample->problem);
  }
  if (told > TOLD_AT_MOST) assay_log_message(ASSAY_LOG_WARNING, "%u more images are left out for such reasons; split.csv names them all", told - TOLD_AT_MOST);
  if (dataset->near_count > 0)
    assay_log_message(ASSAY_LOG_INFO, "%u pairs of images are almost the same and stay in one part and fold; 'assay check' lists them", dataset->near_count);
}

int assay_run_open_data(struct assay_run *run, bool tell, struct assay_status *status) {
  const struct assay_data_settings *settings = &run->settings->data;
  struct assay_audit *audit;
  int result = assay_dataset_scan(settings, &run->dataset, status);
  if (result != 0) return result;
  result = assay_dataset_audit(run->dataset, &audit, status);
  if (result != 0) return result;
  result = assay_dataset_gate(run->dataset, audit, status);
  if (tell) tell_findings(run->dataset, audit);
  assay_audit_release(audit);
  return result != 0 ? result : assay_dataset_split(run->dataset, settings, status);
}

static const char *choice_text(void *context, uint32_t dimension, uint32_t choice) {
  const struct assay_run *run = context;
  return assay_plan_value_text(run->plan, dimension, choice, run->arena);
}

static int check_data(struct assay_run *run, struct assay_status *status) {
  char hash[33], json[36];
  const char *before;
  assay_hash_print(&run->dataset->content, hash);
  snprintf(json, sizeof json, "\"%s\"", hash);
  int result = assay_study_attribute(run->study, "assay:data", run->arena, &before, status);
  if (result != 0) return result;
  if (before == NULL) return assay_study_set_attribute(run->study, "assay:data", json, status);
  if (strcmp(before, json) != 0)
    return assay_status_set(status, ASSAY_E_DATA, "%s: the images are no longer those that this run was started with; choose a new folder with -o, or restore them", run->dataset->root);
  return 0;
}

/* A study keeps its name when the folder is renamed or copied. */
static const char *study_name(const struct assay_run *run, const char *path) {
  struct assay_study *before = NULL;
  if (!assay_file_exists(path) || assay_study_read(path, NULL, &before, NULL) != 0) return run->name;
  const char *name = assay_arena_copy(run->arena, assay_study_name(before));
  assay_study_close(before);
  return name != NULL ? name : run->name;
}

int assay_run_open_study(struct assay_run *run, struct assay_status *status) {
  const char *path = assay_run_path(run, "study.db");
  if (path == NULL) return assay_status_memory(status);
  const struct assay_metric *objective = run->settings->search.objective.plugin->vtable;
  const struct assay_study_facts facts = {.name = study_name(run, path),
                                          .maximise = (objective->flags & ASSAY_METRIC_MAXIMISE) != 0,
                                          .seed = run->settings->search.seed,
                                          .space = assay_plan_space(run->plan),
                                          .choice_text = choice_text,
                                          .context = run};
  const int result = assay_study_open(path, &facts, &run->study, status);
  return result != 0 ? result : check_data(run, status);
}

int assay_run_read_study(struct assay_run *run, struct assay_status *status) {
  const char *path = assay_run_path(run, "study.db");
  if (path == NULL) return assay_status_memory(status);
  if (!assay_file_exists(path)) return assay_status_set(status, ASSAY_E_STORAGE, "%s: no trial was started yet, so there is no study.db", run->folder);
  return assay_study_read(path, NULL, &run->study, status);
}

/* ---- What is written down ---- */

static const char *part_name(uint32_t part) {
  static const char *const names[] = {"train", "validation", "test", "none"};
  return names[part <= ASSAY_PART_NONE ? part : ASSAY_PART_NONE];
}

int assay_run_write_split(const struct assay_run *run, struct assay_status *status) {
  struct assay_text text = {0};
  const struct assay_sample *samples = run->dataset->samples;
  bool *shared = ASSAY_NEW_ARRAY(run->arena, bool, run->dataset->count); /* is the sample's unit larger than itself? */
  if (shared == NULL) return assay_status_memory(status);
  assay_text_add(&text, "path,label,part,fold");
  for (uint32_t r = 1; r < run->dataset->repeat_count; r++) assay_text_print(&text, ",fold_%u", r);
  assay_text_add(&text, ",group,hash,problem\n");
  for (uint32_t i = 0; i < run->dataset->count; i++)
    if (samples[i].unit != i) shared[i] = shared[samples[i].unit] = true;
  for (uint32_t i = 0; i < run->dataset->count; i++) {
    const struct assay_sample *sample = &samples[i];
    char hash[33];
    assay_hash_print(&sample->hash, hash);
    assay_text_add_field(&text, sample->path);
    assay_text_add(&text, ",");
    assay_text_add_field(&text, run->dataset->classes[sample->label]);
    assay_text_print(&text, ",%s", part_name(sample->part));
    for (uint32_t r = 0; r < run->dataset->repeat_count; r++) {
      const int32_t fold = run->dataset->folds[r][i];
      assay_text_print(&text, fold >= 0 ? ",%d" : ",", fold);
    }
    assay_text_add(&text, ",");
    assay_text_add_field(&text, sample->group != NULL ? sample->group : shared[i] ? samples[sample->unit].path : "");
    assay_text_print(&text, ",%s,", hash);
    assay_text_add_field(&text, sample->problem != NULL ? sample->problem : "");
    assay_text_add(&text, "\n");
  }
  const char *path = assay_run_path(run, "split.csv");
  const int result = text.failed || path == NULL ? assay_status_memory(status) : assay_file_write(path, text.data, text.length, status);
  assay_text_release(&text);
  return result;
}

int assay_run_write_environment(const struct assay_run *run, const char *device, struct assay_status *status) {
  struct utsname machine;
  memset(&machine, 0, sizeof machine);
  uname(&machine);
  json_t *object = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:i,s:I,s:I,s:I}", "assay", PACKAGE_VERSION, "compiler", __VERSION__, "system", machine.sysname, "release",
                             machine.release, "machine", machine.machine, "device", device, "processors", (int)sysconf(_SC_NPROCESSORS_ONLN), "data_seed",
                             (json_int_t)run->settings->data.seed, "train_seed", (json_int_t)run->settings->train.seed, "search_seed", (json_int_t)run->settings->search.seed);
  char *text = object != NULL ? json_dumps(object, JSON_INDENT(2)) : NULL;
  const char *path = assay_run_path(run, "environment.json");
  const int result = text == NULL || path == NULL ? assay_status_memory(status) : assay_file_write(path, text, strlen(text), status);
  free(text);
  json_decref(object);
  return result;
}
