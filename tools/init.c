/* SPDX-License-Identifier: MIT
 *
 * assay init: a commented INI for a folder of images. Also the plan of an INI file, or of a folder as `init` would describe it.
 */
#include "cli.h"

#include "base/file.h"
#include "data/data.h"
#include "run/starter.h"
#include "train/network.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The starter INI of a folder; `data_path` is what [data] path is to say. */
static int starter_text(struct cli *cli, const char *folder, const char *data_path, struct assay_text *text) {
  struct assay_data_settings settings = {.path = folder, .folds = 1, .validation = 0.2};
  struct assay_dataset *dataset;
  int result = assay_dataset_scan(&settings, &dataset, cli->status);
  if (result != 0) return result;
  assay_starter_write(dataset, data_path, text);
  assay_dataset_release(dataset);
  return text->failed ? assay_status_memory(cli->status) : 0;
}

/* Without slashes at its end, so that "photos/" gives photos.ini. */
static char *trimmed(struct cli *cli, const char *path) {
  char *copy = assay_arena_copy(cli->arena, path);
  for (size_t length = copy != NULL ? strlen(copy) : 0; length > 1 && copy[length - 1] == '/'; length--) copy[length - 1] = '\0';
  return copy;
}

/* Never overwrites: the file must be new. */
static int write_new(const char *path, const struct assay_text *text, struct assay_status *status) {
  const int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file < 0 && errno == EEXIST) return assay_status_set(status, ASSAY_E_CONFIG, "%s is there already and is not overwritten; remove it, or name another file with -o", path);
  if (file < 0) return assay_status_set(status, ASSAY_E_STORAGE, "%s: cannot be created: %s", path, strerror(errno));
  close(file);
  const int result = assay_file_write(path, text->data, text->length, status);
  if (result != 0) unlink(path);
  return result;
}

/* The folder as the INI file at `output` will see it: by its name when they stand side by side. */
static const char *path_from(struct cli *cli, const char *folder, const char *output) {
  char data[PATH_MAX], ini[PATH_MAX];
  if (realpath(folder, data) == NULL) return folder;
  const char *absolute = assay_arena_copy(cli->arena, data), *ini_folder = assay_path_folder(cli->arena, output), *data_folder = assay_path_folder(cli->arena, data);
  if (absolute == NULL || ini_folder == NULL || data_folder == NULL || realpath(ini_folder, ini) == NULL) return folder;
  return strcmp(ini, data_folder) == 0 ? assay_path_name(absolute) : absolute;
}

/* DIR.ini, also for "." and ".."; for an archive or a list, its name without the ending. */
static const char *default_output(struct cli *cli, const char *folder) {
  char real[PATH_MAX];
  const char *name = assay_path_name(folder);
  if ((strcmp(name, ".") == 0 || strcmp(name, "..") == 0) && realpath(folder, real) != NULL) folder = real;
  if (assay_data_kind(folder) != ASSAY_DATA_FOLDER) {
    const char *tar = strstr(name, ".tar"), *dot = tar != NULL ? tar : strrchr(name, '.');
    if (dot != NULL && dot != name) return assay_arena_print(cli->arena, "%.*s.ini", (int)(dot - folder), folder);
  }
  return assay_arena_print(cli->arena, "%s.ini", folder);
}

int command_init(struct cli *cli) {
  const char *folder = trimmed(cli, cli->arguments[0]);
  if (folder == NULL) return assay_status_memory(cli->status);
  const bool to_results = cli->output != NULL && strcmp(cli->output, "-") == 0;
  const char *output = cli->output != NULL ? cli->output : default_output(cli, folder);
  if (output == NULL) return assay_status_memory(cli->status);
  struct assay_text text = {0};
  int result = starter_text(cli, folder, to_results ? folder : path_from(cli, folder, output), &text);
  if (result == 0 && to_results && !cli->json) fputs(text.data, cli->results);
  else if (result == 0 && !to_results) result = write_new(output, &text, cli->status);
  if (result == 0 && cli->json) cli_print_json(cli, json_pack("{s:s?,s:s}", "file", to_results ? NULL : output, "text", text.data));
  else if (result == 0 && !to_results) {
    fprintf(cli->results, "%s\n", output);
    cli_say(cli, "Look through %s, then: assay search %s", output, output);
  }
  assay_text_release(&text);
  return result;
}

/* Names of parameters at a point. */
static int check_names_at(struct cli *cli, const struct assay_plan *plan, const double *point) {
  const struct assay_settings *settings;
  const int result = assay_plan_settings(plan, point, cli->arena, &settings, cli->status);
  return result != 0 ? result : assay_network_check_names(settings, cli->status);
}

/* What only the network can tell, which a plan knows nothing of: names of parameters, each that the search may come to as well, or a trial would tell in the
 * middle of the night. */
static int check_names(struct cli *cli, const struct assay_plan *plan) {
  const struct assay_space *space = assay_plan_space(plan);
  double *point = ASSAY_NEW_ARRAY(cli->arena, double, space->dimension_count + 1);
  if (point == NULL) return assay_status_memory(cli->status);
  for (uint32_t d = 0; d < space->dimension_count; d++) point[d] = NAN;
  int result = check_names_at(cli, plan, NULL);
  for (uint32_t d = 0; result == 0 && d < space->dimension_count; d++) {
    const struct assay_dimension *dimension = space->dimensions[d];
    if (strcmp(dimension->name, "train.freeze") != 0 && strcmp(dimension->name, "train.rate_groups") != 0) continue;
    for (uint32_t choice = 0; result == 0 && choice < dimension->choice_count; choice++) {
      point[d] = choice;
      result = check_names_at(cli, plan, point);
    }
    point[d] = NAN;
  }
  return result;
}

static int read_plan(struct cli *cli, const char *path, struct assay_plan **plan) {
  struct assay_registry *registry;
  int result = cli_registry(cli, &registry);
  if (result != 0) return result;
  if (assay_data_kind(path) == ASSAY_DATA_NONE) return assay_plan_load(path, cli->overrides, cli->override_count, registry, plan, cli->status);
  struct assay_text text = {0};
  const char *folder = trimmed(cli, path);
  char real[PATH_MAX];
  if (folder == NULL || realpath(folder, real) == NULL) return assay_status_set(cli->status, ASSAY_E_DATA, "%s: %s", path, strerror(errno));
  result = starter_text(cli, folder, real, &text);
  if (result == 0) result = assay_plan_parse(path, text.data, text.length, cli->overrides, cli->override_count, registry, plan, cli->status);
  assay_text_release(&text);
  return result;
}

int cli_plan(struct cli *cli, const char *path, struct assay_plan **plan) {
  int result = read_plan(cli, path, plan);
  if (result != 0) return result;
  result = check_names(cli, *plan);
  if (result != 0) assay_plan_release(*plan);
  return result;
}
