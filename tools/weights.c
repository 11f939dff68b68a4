/* SPDX-License-Identifier: MIT
 *
 * assay weights: pretrained weights that can be had, fetching them, and what of a file would be loaded.
 */
#include "cli.h"

#include "base/file.h"
#include "base/process.h"
#include "base/sha256.h"
#include "base/text.h"
#include "config/known_weights.h"
#include "data/data.h"
#include "graph/safetensors.h"
#include "train/pretrained.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- list ---- */

static void print_weights(FILE *stream, const struct assay_known_weights *weights, const char *file) {
  fprintf(stream, "%s: %s, licence %s\n  from    %s", weights->name, weights->trained, weights->licence, weights->address);
  if (weights->size > 0) fprintf(stream, " (%.0f MB)", (double)weights->size / 1e6);
  fprintf(stream, "\n  SHA-256 %s\n  input   %s\n", weights->sha256, weights->input);
  if (file != NULL) fprintf(stream, "  here    %s\n", file);
}

static int list(struct cli *cli) {
  const struct assay_known_weights *weights;
  json_t *all = json_array();
  for (uint32_t i = 0; (weights = assay_known_weights(i)) != NULL; i++) {
    const char *path = assay_known_weights_path(weights, cli->arena);
    const bool here = path != NULL && assay_file_exists(path);
    if (cli->json)
      json_array_append_new(all, json_pack("{s:s,s:s,s:o,s:s,s:s,s:s,s:s,s:s?}", "name", weights->name, "address", weights->address, "size",
                                           weights->size > 0 ? json_integer((json_int_t)weights->size) : json_null(), "sha256", weights->sha256, "licence",
                                           weights->licence, "input", weights->input, "trained", weights->trained, "file", here ? path : NULL));
    else print_weights(cli->results, weights, here ? path : NULL);
  }
  if (cli->json) cli_print_json(cli, json_pack("{s:o}", "weights", all));
  else json_decref(all);
  if (!cli->json) cli_say(cli, "\n'assay weights get NAME' fetches one and checks its SHA-256");
  return 0;
}

/* ---- get ---- */

static const struct assay_known_weights *find(const char *name) {
  const struct assay_known_weights *weights;
  for (uint32_t i = 0; (weights = assay_known_weights(i)) != NULL; i++)
    if (strcmp(weights->name, name) == 0) return weights;
  return NULL;
}

static int no_such_weights(struct cli *cli, const char *name) {
  const char *names[32] = {NULL};
  for (uint32_t i = 0; i < 31 && assay_known_weights(i) != NULL; i++) names[i] = assay_known_weights(i)->name;
  const char *nearest = assay_nearest(name, names);
  return assay_status_set(cli->status, ASSAY_E_CONFIG, "there are no weights '%s'%s%s%s; 'assay weights list' names them", name, nearest != NULL ? "; did you mean '" : "",
                          nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
}

/* Is it the file that was meant? ASSAY_E_DATA when not. */
static int verify(struct cli *cli, const struct assay_known_weights *weights, const char *path) {
  char digits[65];
  const int result = assay_sha256_file(path, digits, cli->status);
  if (result != 0 || strcmp(digits, weights->sha256) == 0) return result;
  return assay_status_set(cli->status, ASSAY_E_DATA, "%s is not what it should be: its SHA-256 is %s, not %s; remove it and fetch it again from %s", path, digits, weights->sha256,
                          weights->address);
}

/* With curl, else wget; true when one of them says that it has done it. */
static bool download(const char *address, const char *path) {
  const double seconds = 3600;
  const char *const ways[][10] = {{"/usr/bin/env", "curl", "--fail", "--location", "--silent", "--proto", "=https", "--output", path, address},
                                  {"/usr/bin/env", "wget", "--quiet", "--https-only", "-O", path, address}};
  for (size_t way = 0; way < 2; way++) {
    const char *arguments[11] = {NULL};
    struct assay_process_end end;
    struct assay_status ignored;
    for (size_t i = 0; i < 10; i++) arguments[i] = ways[way][i];
    if (assay_process_run(arguments, seconds, NULL, &end, &ignored) == 0 && !end.timed_out && end.signal == 0 && end.code == 0) return true;
  }
  return false;
}

static int fetch(struct cli *cli, const struct assay_known_weights *weights, const char *path) {
  const char *part = assay_arena_print(cli->arena, "%s.part.%d", path, (int)getpid());
  if (part == NULL) return assay_status_memory(cli->status);
  cli_say(cli, "fetching %s", weights->address);
  if (!download(weights->address, part)) {
    unlink(part);
    return assay_status_set(cli->status, ASSAY_E_FAILED, "%s cannot be fetched from here (neither curl nor wget could). Fetch it elsewhere and put it to %s; then 'assay weights get %s' checks it",
                            weights->address, path, weights->name);
  }
  int result = verify(cli, weights, part);
  if (result == 0 && rename(part, path) != 0) result = assay_status_set(cli->status, ASSAY_E_STORAGE, "%s cannot be written", path);
  if (result != 0) unlink(part);
  return result;
}

static int get(struct cli *cli, const char *name) {
  const struct assay_known_weights *weights = find(name);
  if (weights == NULL) return no_such_weights(cli, name);
  const char *path = cli->output != NULL ? cli->output : assay_known_weights_path(weights, cli->arena);
  if (path == NULL) return assay_status_set(cli->status, ASSAY_E_STORAGE, "there is no cache folder to put it in; name a file with -o");
  const int result = assay_file_exists(path) ? verify(cli, weights, path) : fetch(cli, weights, path);
  if (result != 0) return result;
  if (cli->json) cli_print_json(cli, json_pack("{s:s,s:s,s:s,s:s}", "name", weights->name, "file", path, "sha256", weights->sha256, "licence", weights->licence));
  else fprintf(cli->results, "%s\n", path);
  cli_say(cli, "Licence: %s. In the INI:\n\n[network]\nlayers  = %s, classifier\nweights = %s", weights->licence, weights->name, path);
  return 0;
}

/* ---- show ---- */

static void print_rows(struct cli *cli, const struct assay_pretrained *pretrained) {
  uint32_t count;
  const struct assay_weight_row *rows = assay_pretrained_rows(pretrained, &count);
  json_t *list_of_rows = cli->json ? json_array() : NULL;
  for (uint32_t i = 0; i < count; i++) {
    if (cli->json)
      json_array_append_new(list_of_rows, json_pack("{s:s?,s:s?,s:s}", "variable", rows[i].variable, "tensor", rows[i].tensor, "note", rows[i].note));
    else
      fprintf(cli->results, "%-48s %-40s %s\n", rows[i].variable != NULL ? rows[i].variable : "-", rows[i].tensor != NULL ? rows[i].tensor : "-", rows[i].note);
  }
  if (cli->json) cli_print_json(cli, json_pack("{s:o}", "rows", list_of_rows));
  else assay_pretrained_tell(pretrained);
}

/* What would be loaded for the data at hand. */
static int show_for(struct cli *cli, const struct assay_settings *settings, const struct assay_dataset *dataset) {
  struct assay_pretrained *pretrained = NULL;
  const int result = assay_pretrained_plan(settings, dataset->classes, dataset->class_count, &pretrained, cli->status);
  if (result == 0) print_rows(cli, pretrained);
  assay_pretrained_release(pretrained);
  return result;
}

/* Files of weights, also those that are not read: the reader says how to convert them. */
static bool names_weights(const char *file) {
  static const char *const endings[] = {".safetensors", ".pth", ".pt", ".bin", ".h5"};
  const size_t length = strlen(file);
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
    const size_t tail = strlen(endings[i]);
    if (length > tail && strcmp(file + length - tail, endings[i]) == 0) return true;
  }
  return false;
}

/* "64x3x7x7"; "" for a single number. */
static const char *shape_of(struct cli *cli, const struct assay_tensor *tensor) {
  const char *text = "";
  for (int32_t axis = 0; axis < tensor->type.rank && text != NULL; axis++)
    text = assay_arena_print(cli->arena, "%s%s%lld", text, axis > 0 ? "x" : "", (long long)tensor->type.extents[axis]);
  return text;
}

/* What a file holds, whatever network it is for. */
static int show_file(struct cli *cli, const char *path) {
  enum { LONGEST_SHOWN = 500 };
  struct assay_safetensors file;
  const int result = assay_safetensors_read_header(path, ASSAY_E_DATA, cli->arena, &file, cli->status);
  if (result != 0) return result;
  json_t *metadata = json_object(), *tensors = json_array();
  for (uint32_t i = 0; i < file.pair_count; i++) {
    const struct assay_string_pair *pair = &file.pairs[i];
    json_object_set_new(metadata, pair->key, json_string(pair->value));
    if (cli->json) continue;
    const bool plain = strlen(pair->value) <= LONGEST_SHOWN && assay_is_printable(pair->value);
    fprintf(cli->results, "%s: ", assay_is_printable(pair->key) ? pair->key : "?");
    if (plain) fprintf(cli->results, "%s\n", pair->value);
    else fprintf(cli->results, "(%zu bytes)\n", strlen(pair->value));
  }
  for (uint32_t i = 0; i < file.tensor_count; i++) {
    const struct assay_tensor *tensor = &file.tensors[i];
    const char *shape = shape_of(cli, tensor);
    json_array_append_new(tensors, json_pack("{s:s,s:s,s:s?}", "name", tensor->name, "dtype", tensor->dtype, "shape", shape));
    if (!cli->json) fprintf(cli->results, "%-48s %-8s %s\n", tensor->name, tensor->dtype, shape != NULL ? shape : "?");
  }
  if (cli->json) cli_print_json(cli, json_pack("{s:O,s:O}", "metadata", metadata, "tensors", tensors));
  json_decref(metadata);
  json_decref(tensors);
  return 0;
}

static int show(struct cli *cli, const char *file) {
  if (names_weights(file)) return show_file(cli, file);
  struct assay_plan *plan = NULL;
  const struct assay_settings *settings = NULL;
  struct assay_dataset *dataset = NULL;
  int result = cli_plan(cli, file, &plan);
  if (result == 0) result = cli_settings(cli, plan, &settings);
  if (result == 0 && settings->weights == NULL) result = assay_status_set(cli->status, ASSAY_E_CONFIG, "%s: [network] weights names no file", file);
  if (result == 0) result = assay_dataset_scan(&settings->data, &dataset, cli->status);
  if (result == 0) result = show_for(cli, settings, dataset);
  assay_dataset_release(dataset);
  assay_plan_release(plan);
  return result;
}

int command_weights(struct cli *cli) {
  const char *verb = cli->arguments[0], *argument = cli->argument_count > 1 ? cli->arguments[1] : NULL;
  if (strcmp(verb, "list") == 0 && argument == NULL) return list(cli);
  if (strcmp(verb, "get") == 0 && argument != NULL) return get(cli, argument);
  if (strcmp(verb, "show") == 0 && argument != NULL) return show(cli, argument);
  return assay_status_set(cli->status, ASSAY_E_CONFIG, "usage: assay weights list, assay weights get NAME, or assay weights show FILE");
}
