/* SPDX-License-Identifier: MIT
 *
 * assay devices: what can be used here, what it computes in a short self-test, and what is wrong with what cannot be used. The hidden `list-devices BACKEND [DRIVER...]` is the
 * child that enters the drivers.
 */
#include "selftest.h"

#include "base/clock.h"
#include "base/file.h"
#include "run/device.h"

#include <stdlib.h>
#include <string.h>

enum { LARGEST_TUNED_FILE = 1 << 20 };

int command_list_devices(struct cli *cli) {
  struct assay_registry *registry;
  json_t *list;
  /* The arguments end with the process' own NULL. */
  const char *const *drivers = cli->argument_count > 1 ? (const char *const *)cli->arguments + 1 : NULL;
  cli->json = true;
  int result = cli_registry(cli, &registry);
  if (result == 0) result = assay_devices_list_here(registry, cli->arguments[0], drivers, &list, cli->status);
  if (result == 0) cli_print_json(cli, json_pack("{s:o}", "devices", list));
  return result;
}

/* ---- The self-test: a product, a convolution, a reduction and random numbers, beside the reference ---- */

static const char short_ops[] = "matmul,conv2d,reduce_sum,random_uniform";
static const double longest_silence = 120; /* seconds; a driver that sees its kernels for the first time compiles them */

struct verdict {
  struct cli *cli;
  int passed, failed;
  double seconds;
  const char *message; /* the first failure; NULL */
};

static void take_result(void *context, const json_t *result) {
  struct verdict *verdict = context;
  const char *outcome, *subject, *detail, *message;
  if (json_unpack((json_t *)result, "{s:s,s:s,s:s,s:s}", "verdict", &outcome, "subject", &subject, "detail", &detail, "message", &message) != 0) return;
  verdict->passed += strcmp(outcome, "passed") == 0;
  if (strcmp(outcome, "failed") != 0) return;
  if (verdict->failed++ == 0) verdict->message = assay_arena_print(verdict->cli->arena, "%s %s: %s", subject, detail, message);
}

static struct verdict test_device(struct cli *cli, const char *device) {
  struct verdict verdict = {.cli = cli};
  const struct selftest_request request = {.device = device, .mode = "test", .ops = short_ops, .seed = 1, .silence = longest_silence};
  const struct selftest_listener listener = {.context = &verdict, .result = take_result};
  const double began = assay_clock_seconds();
  cli_say(cli, "%s: self-test; kernels that its driver sees for the first time are compiled, which may take a minute", device);
  if (selftest_run(cli, &request, &listener) != 0) {
    verdict.failed++;
    verdict.message = assay_arena_copy(cli->arena, cli->status->message);
  }
  verdict.seconds = assay_clock_seconds() - began;
  return verdict;
}

/* ---- Telling ---- */

static const char *const kinds[] = {"other", "cpu", "gpu"};
static const char *const dtypes[] = {"", "f64", "f32", "f16", "bf16", "i32", "u32", "u8", "bool"};

static json_t *list_precisions(uint32_t bits) {
  json_t *list = json_array();
  for (int dtype = ASSAY_F64; dtype <= ASSAY_BF16; dtype++)
    if (bits >> dtype & 1) json_array_append_new(list, json_string(dtypes[dtype]));
  return list;
}

static json_t *list_words(struct cli *cli, const char *text) {
  json_t *list = json_array();
  char *rest = assay_arena_copy(cli->arena, text);
  for (char *word; rest != NULL && (word = strsep(&rest, " ")) != NULL;)
    if (word[0] != '\0') json_array_append_new(list, json_string(word));
  return list;
}

/* What is wrong with a device; NULL. */
static const char *problem_of(const struct assay_listed_device *device) {
  return device->problem != NULL ? device->problem : device->info.usable ? NULL : device->info.note;
}

/* What `assay tune` has found for the device: an object of parameters and values, as the lines of its file have them. */
static json_t *list_tuned(struct cli *cli, const struct assay_listed_device *device) {
  json_t *found = json_object();
  const char *backend = assay_arena_print(cli->arena, "%.*s", (int)strcspn(device->name, ":"), device->name);
  const char *key = assay_arena_print(cli->arena, "%s, %s", device->info.name, device->info.driver), *path = assay_tuned_path(cli->arena, backend);
  char *text = NULL, *rest;
  size_t size;
  if (key == NULL || path == NULL || !assay_file_exists(path) || assay_file_read(path, LARGEST_TUNED_FILE, ASSAY_E_STORAGE, &text, &size, NULL) != 0) return found;
  rest = text;
  for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
    const char *name = strsep(&line, "\t"), *parameter = strsep(&line, "\t"), *value = strsep(&line, "\t");
    if (value != NULL && strcmp(name, key) == 0 && strstr(parameter, ASSAY_TUNER_WITHOUT) == NULL) json_object_set_new(found, parameter, json_string(value));
  }
  free(text);
  return found;
}

static json_t *describe(struct cli *cli, const struct assay_listed_device *device, const struct verdict *verdict) {
  const struct assay_device_info *info = &device->info;
  const char *problem = problem_of(device);
  json_t *object = json_pack("{s:s,s:b,s:s,s:s,s:s,s:s,s:I,s:o,s:o,s:s?}", "device", device->name, "usable", problem == NULL, "name", info->name, "kind", kinds[info->kind < 3 ? info->kind : 0],
                             "vendor", info->vendor, "driver", info->driver, "memory", (json_int_t)info->memory, "precisions", list_precisions(info->precisions), "extensions",
                             list_words(cli, info->extensions), "problem", problem);
  json_object_set_new(object, "tuned", list_tuned(cli, device));
  json_object_set_new(object, "selftest", verdict == NULL ? json_null() : json_pack("{s:i,s:i,s:f,s:s?}", "passed", verdict->passed, "failed", verdict->failed, "seconds", verdict->seconds, "message", verdict->message));
  return object;
}

static void print_line(FILE *stream, const char *what, const char *text) {
  if (text[0] != '\0') fprintf(stream, "%-12s %s%s\n", "", what, text);
}

static void print_device(struct cli *cli, const struct assay_listed_device *device) {
  FILE *stream = cli->results;
  const struct assay_device_info *info = &device->info;
  if (device->problem != NULL) {
    fprintf(stream, "%-12s cannot be used: %s\n", device->name, device->problem);
    return;
  }
  fprintf(stream, "%-12s %s\n", device->name, info->name);
  print_line(stream, "vendor: ", info->vendor);
  print_line(stream, "driver: ", info->driver);
  if (info->memory > 0) fprintf(stream, "%-12s memory: %.1f GiB\n", "", (double)info->memory / (1 << 30));
  if (info->precisions != 0) fprintf(stream, "%-12s precisions:", "");
  for (int dtype = ASSAY_F64; dtype <= ASSAY_BF16; dtype++)
    if (info->precisions >> dtype & 1) fprintf(stream, " %s", dtypes[dtype]);
  if (info->precisions != 0) fputc('\n', stream);
  print_line(stream, "extensions: ", info->extensions);
  json_t *tuned = list_tuned(cli, device);
  if (json_object_size(tuned) > 0) fprintf(stream, "%-12s tuned: %zu parameters by 'assay tune'\n", "", json_object_size(tuned));
  json_decref(tuned);
  print_line(stream, info->usable ? "" : "cannot be used: ", info->note);
  fflush(stream);
}

static void print_verdict(FILE *stream, const struct verdict *verdict) {
  if (verdict->failed == 0) fprintf(stream, "%-12s self-test: passed, %d comparisons in %.1f s\n", "", verdict->passed, verdict->seconds);
  else fprintf(stream, "%-12s self-test: FAILED, do not trust this device; %s. 'assay selftest' says more\n", "", verdict->message != NULL ? verdict->message : "");
}

int command_devices(struct cli *cli) {
  struct assay_registry *registry;
  const struct assay_listed_device *devices;
  uint32_t count, untrusted = 0;
  int result = cli_registry(cli, &registry);
  if (result == 0) result = assay_devices_list(registry, cli->plugin_path, ASSAY_DRIVERS_ALL, cli->arena, &devices, &count, cli->status);
  if (result != 0) return result;
  json_t *list = json_array();
  for (uint32_t i = 0; i < count; i++) {
    const bool tested = problem_of(&devices[i]) == NULL && cli_option(cli, "no-selftest") == NULL;
    struct verdict verdict;
    if (!cli->json) print_device(cli, &devices[i]);
    if (tested) verdict = test_device(cli, devices[i].name);
    if (tested && !cli->json) print_verdict(cli->results, &verdict);
    if (tested) untrusted += verdict.failed > 0;
    json_array_append_new(list, describe(cli, &devices[i], tested ? &verdict : NULL));
  }
  if (cli->json) cli_print_json(cli, json_pack("{s:o}", "devices", list));
  else json_decref(list);
  if (count == 0) return assay_status_set(cli->status, ASSAY_E_DEVICE, "no backend is installed; 'assay plugins' shows where was looked");
  return untrusted == 0 ? 0 : assay_status_set(cli->status, ASSAY_E_FINDINGS, "%u device%s failed the self-test", untrusted, untrusted == 1 ? "" : "s");
}
