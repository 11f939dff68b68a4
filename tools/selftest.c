/* SPDX-License-Identifier: MIT
 *
 * assay selftest [DEVICE]: the conformance suite on devices, a table of ops, and what failed.
 */
#include "selftest.h"

#include "base/clock.h"
#include "base/json.h"
#include "conformance/suite.h"
#include "run/device.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_SUBJECTS = 512 };

/* One op of one device. */
struct subject {
  const char *name;
  uint32_t passed, failed, refused;
  double closest; /* the largest error as a share of its bound */
};

struct report {
  struct cli *cli;
  const struct selftest_request *request;
  struct subject subjects[MOST_SUBJECTS];
  uint32_t subject_count;
  json_t *failures, *times;
  double drawn; /* when the progress line was */
  bool line;
};

/* ---- Listening ---- */

static void clear_line(struct report *report) {
  if (report->line) fputs("\r\033[K", stderr);
  report->line = false;
}

static void draw_progress(void *context, uint32_t number, uint32_t count, const char *subject, const char *what) {
  struct report *report = context;
  const double now = assay_clock_seconds();
  if (!report->cli->terminal || report->cli->quiet || now - report->drawn < 0.1) return;
  report->drawn = now;
  report->line = true;
  const bool colour = getenv("NO_COLOR") == NULL;
  fprintf(stderr, "\r\033[K%s%s%s %u/%u · %s %.60s", colour ? "\033[36m" : "", report->request->device, colour ? "\033[0m" : "", number + 1, count, subject, what);
  fflush(stderr);
}

static struct subject *find_subject(struct report *report, const char *name) {
  for (uint32_t i = 0; i < report->subject_count; i++)
    if (strcmp(report->subjects[i].name, name) == 0) return &report->subjects[i];
  if (report->subject_count == MOST_SUBJECTS) return NULL;
  struct subject *subject = &report->subjects[report->subject_count++];
  *subject = (struct subject){.name = assay_arena_copy(report->cli->arena, name)};
  return subject;
}

static void take_result(void *context, const json_t *result) {
  struct report *report = context;
  const char *name, *verdict;
  if (json_unpack((json_t *)result, "{s:s,s:s}", "subject", &name, "verdict", &verdict) != 0) return;
  struct subject *subject = find_subject(report, name);
  if (subject == NULL || subject->name == NULL) return;
  const double worst = json_number_value(json_object_get(result, "worst")), bound = json_number_value(json_object_get(result, "bound"));
  subject->passed += strcmp(verdict, "passed") == 0;
  subject->refused += strcmp(verdict, "refused") == 0;
  if (bound > 0 && worst / bound > subject->closest) subject->closest = worst / bound;
  if (strcmp(verdict, "failed") != 0) return;
  subject->failed++;
  json_array_append(report->failures, (json_t *)result);
}

/* Slower than the other device by so much; not-a-number where a time is missing. */
static double ratio_of(const json_t *time) {
  const json_t *tested = json_object_get(time, "tested"), *other = json_object_get(time, "other");
  return json_is_number(tested) && json_is_number(other) ? json_number_value(tested) / json_number_value(other) : NAN;
}

static void take_time(void *context, const json_t *time) {
  struct report *report = context;
  json_t *copy = json_copy((json_t *)time);
  json_object_set_new(copy, "ratio", assay_json_number(ratio_of(time)));
  json_array_append_new(report->times, copy);
}

/* ---- Telling ---- */

static const char *text_of(const json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return text != NULL ? text : "";
}

static void print_failure(FILE *stream, const json_t *failure) {
  const json_t *worst = json_object_get(failure, "worst"), *bound = json_object_get(failure, "bound");
  fprintf(stream, "FAILED %s %s%s%s %s: %s", text_of(failure, "subject"), text_of(failure, "dtype"), text_of(failure, "dtype")[0] != '\0' ? " " : "", text_of(failure, "detail"),
          text_of(failure, "part"), text_of(failure, "message"));
  if (json_number_value(bound) > 0 && json_is_number(worst)) fprintf(stream, " (error %.2g, at most %.2g is allowed)", json_number_value(worst), json_number_value(bound));
  fputc('\n', stream);
}

static json_t *summarise_tests(struct report *report) {
  struct cli *cli = report->cli;
  uint32_t passed = 0, failed = 0, refused = 0;
  json_t *ops = json_array();
  if (!cli->json) fprintf(cli->results, "%-30s %7s %7s %7s  %s\n", report->request->device, "passed", "failed", "refused", "largest error, in % of its bound");
  for (uint32_t i = 0; i < report->subject_count; i++) {
    const struct subject *subject = &report->subjects[i];
    passed += subject->passed;
    failed += subject->failed;
    refused += subject->refused;
    json_array_append_new(ops, json_pack("{s:s,s:i,s:i,s:i,s:o}", "op", subject->name, "passed", (int)subject->passed, "failed", (int)subject->failed, "refused",
                                         (int)subject->refused, "error_of_bound", assay_json_number(subject->closest)));
    if (!cli->json) fprintf(cli->results, "%-30s %7u %7u %7u  %.0f\n", subject->name, subject->passed, subject->failed, subject->refused, 100 * subject->closest);
  }
  for (size_t i = 0; i < json_array_size(report->failures) && !cli->json; i++) print_failure(cli->results, json_array_get(report->failures, i));
  if (!cli->json)
    fprintf(cli->results, "%s %s: %u comparisons passed, %u failed, %u were refused (types that a backend need not take); seed %llu\n", report->request->device,
            failed == 0 ? "conforms" : "DOES NOT CONFORM", passed, failed, refused, (unsigned long long)report->request->seed);
  return json_pack("{s:i,s:i,s:i,s:o,s:O}", "passed", (int)passed, "failed", (int)failed, "refused", (int)refused, "ops", ops, "failures", report->failures);
}

static int compare_ratios(const void *left, const void *right) {
  const double a = ratio_of(*(json_t *const *)left), b = ratio_of(*(json_t *const *)right);
  return isnan(a) || isnan(b) ? isnan(a) - isnan(b) : a < b ? 1 : a > b ? -1 : 0;
}

/* The ops' worst cases, the worst first: an op counts once. */
static json_t *worst_times(const json_t *times, size_t count) {
  const size_t all = json_array_size(times);
  json_t **sorted = calloc(all + 1, sizeof *sorted), *worst = json_array();
  for (size_t i = 0; sorted != NULL && i < all; i++) sorted[i] = json_array_get(times, i);
  if (sorted != NULL) qsort(sorted, all, sizeof *sorted, compare_ratios);
  for (size_t i = 0; sorted != NULL && i < all && json_array_size(worst) < count && !isnan(ratio_of(sorted[i])); i++) {
    bool known = false;
    for (size_t k = 0; k < json_array_size(worst); k++) known = known || strcmp(text_of(json_array_get(worst, k), "subject"), text_of(sorted[i], "subject")) == 0;
    if (!known) json_array_append(worst, sorted[i]);
  }
  free(sorted);
  return worst;
}

static void print_seconds(FILE *stream, const json_t *seconds) {
  if (json_is_number(seconds)) fprintf(stream, " %11.1f", 1e6 * json_number_value(seconds));
  else fprintf(stream, " %11s", "-");
}

static json_t *summarise_times(struct report *report, int64_t worst) {
  FILE *stream = report->cli->results;
  json_t *times = worst > 0 ? worst_times(report->times, (size_t)worst) : json_incref(report->times);
  if (!report->cli->json)
    fprintf(stream, "%-28s %11s %11s %8s %8s  case; microseconds a call\n", "op", report->request->device, report->request->against != NULL ? report->request->against : "", "ratio",
            "GFLOP/s");
  for (size_t i = 0; i < json_array_size(times) && !report->cli->json; i++) {
    const json_t *time = json_array_get(times, i), *tested = json_object_get(time, "tested");
    const double ratio = ratio_of(time), operations = json_number_value(json_object_get(time, "operations"));
    fprintf(stream, "%-28s", text_of(time, "subject"));
    print_seconds(stream, tested);
    print_seconds(stream, json_object_get(time, "other"));
    if (isnan(ratio)) fprintf(stream, " %8s", "-");
    else fprintf(stream, " %8.2f", ratio);
    if (operations > 0 && json_is_number(tested)) fprintf(stream, " %8.1f", operations / json_number_value(tested) * 1e-9);
    else fprintf(stream, " %8s", "");
    fprintf(stream, "  %s%s%s\n", text_of(time, "detail"), text_of(time, "message")[0] != '\0' ? ": " : "", text_of(time, "message"));
  }
  return json_pack("{s:s?,s:o}", "against", report->request->against, "times", times);
}

/* ---- The command ---- */

static int read_request(struct cli *cli, struct selftest_request *request, int64_t *worst) {
  static const char *const modes[] = {"test", "gradient", "time", NULL};
  const char *mode = cli_option(cli, "mode"), *ops = cli_option(cli, "op");
  int64_t seed = 0, limit = 0;
  int result = cli_option_integer(cli, "seed", 0, INT64_MAX, (int64_t)time(NULL), &seed);
  if (result == 0) result = cli_option_integer(cli, "worst", 1, 1000, 0, worst);
  if (result == 0) result = cli_option_integer(cli, "limit", 1, 1000000, 180, &limit);
  if (result == 0 && ops != NULL) result = selftest_check_ops(cli, ops);
  bool known = mode == NULL;
  for (int i = 0; modes[i] != NULL; i++) known = known || strcmp(mode, modes[i]) == 0;
  if (result == 0 && !known) result = assay_status_set(cli->status, ASSAY_E_CONFIG, "--mode %s: test, gradient or time is meant", mode);
  const bool timing = mode != NULL && strcmp(mode, "time") == 0;
  const char *against = cli_option(cli, "against");
  if (result == 0 && !timing && (*worst > 0 || against != NULL)) result = assay_status_set(cli->status, ASSAY_E_CONFIG, "--worst and --against belong to --mode time");
  *request = (struct selftest_request){.mode = mode != NULL ? mode : "all",
                                       .ops = ops,
                                       .against = timing ? against != NULL ? against : "cpu" : NULL,
                                       .seed = (uint64_t)seed,
                                       .thorough = cli_option(cli, "thorough") != NULL,
                                       .silence = (double)limit};
  return result;
}

static int choose_devices(struct cli *cli, struct assay_plan **plan, const char *const **devices, uint32_t *count) {
  struct assay_registry *registry;
  const struct assay_settings *settings;
  const char *word = assay_arena_print(cli->arena, "backend.devices=%s", cli->argument_count > 0 ? cli->arguments[0] : "all");
  if (word == NULL) return assay_status_memory(cli->status);
  cli->overrides[cli->override_count++] = word;
  int result = cli_registry(cli, &registry);
  if (result == 0) result = cli_bare_plan(cli, NULL, NULL, NULL, plan);
  if (result == 0) result = cli_settings(cli, *plan, &settings);
  if (result == 0) result = assay_devices_choose(settings, registry, cli->plugin_path, cli->arena, devices, count, cli->status);
  return result;
}

static int test_device(struct cli *cli, const struct selftest_request *request, int64_t worst, json_t *devices, size_t *failed) {
  struct report *report = calloc(1, sizeof *report);
  if (report == NULL) return assay_status_memory(cli->status);
  *report = (struct report){.cli = cli, .request = request, .failures = json_array(), .times = json_array()};
  const struct selftest_listener listener = {report, draw_progress, take_result, take_time};
  const int result = selftest_run(cli, request, &listener);
  clear_line(report);
  if (result == 0) {
    json_t *summary = request->against != NULL ? summarise_times(report, worst) : summarise_tests(report);
    json_object_set_new(summary, "device", json_string(request->device));
    json_array_append_new(devices, summary);
    *failed += json_array_size(report->failures);
    for (size_t i = 0; i < json_array_size(report->times); i++) *failed += !json_is_number(json_object_get(json_array_get(report->times, i), "tested"));
  }
  json_decref(report->failures);
  json_decref(report->times);
  free(report);
  return result;
}

int command_selftest(struct cli *cli) {
  struct selftest_request request;
  struct assay_plan *plan = NULL;
  const char *const *devices;
  uint32_t count = 0;
  int64_t worst = 0;
  size_t failed = 0;
  json_t *list = json_array();
  int result = read_request(cli, &request, &worst);
  if (result == 0) result = choose_devices(cli, &plan, &devices, &count);
  for (uint32_t i = 0; i < count && result == 0; i++) {
    request.device = devices[i];
    result = test_device(cli, &request, worst, list, &failed);
  }
  if (result == 0 && cli->json) cli_print_json(cli, json_pack("{s:s,s:I,s:O}", "mode", request.mode, "seed", (json_int_t)request.seed, "devices", list));
  if (result == 0 && failed > 0)
    result = assay_status_set(cli->status, ASSAY_E_FINDINGS, "%zu failed; --seed %llu repeats the same inputs, --op NAME one op", failed, (unsigned long long)request.seed);
  json_decref(list);
  assay_plan_release(plan);
  return result;
}
