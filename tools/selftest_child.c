/* SPDX-License-Identifier: MIT
 *
 * assay run-selftest DEVICE MODE: not for people; started by `selftest` and `devices`. Runs the conformance suite on one device and tells what it does, a JSON object a
 * line: {"begin"}, {"result"} or {"time"}, and {"end"} or {"error"}.
 */
#include "selftest.h"

#include "base/json.h"
#include "conformance/suite.h"
#include "run/device.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

struct child {
  struct cli *cli;
  uint32_t number; /* of the subject at hand */
};

static void say(const struct child *child, json_t *object) {
  json_dumpf(object, child->cli->results, JSON_COMPACT);
  fputc('\n', child->cli->results);
  fflush(child->cli->results);
  json_decref(object);
}

static void say_begin(void *context, const char *subject, const char *what) {
  const struct child *child = context;
  say(child, json_pack("{s:{s:i,s:s,s:s}}", "begin", "number", (int)child->number, "subject", subject, "what", what));
}

static void say_result(void *context, const struct assay_conformance_result *result) {
  static const char *const verdicts[] = {"passed", "failed", "refused"};
  say(context, json_pack("{s:{s:s,s:s,s:s,s:s,s:s,s:o,s:o,s:s}}", "result", "subject", result->subject, "dtype", result->dtype, "detail", result->detail, "part", result->part, "verdict",
                         verdicts[result->verdict], "worst", assay_json_number(result->worst), "bound", assay_json_number(result->bound), "message", result->message));
}

static void say_time(const struct child *child, const struct assay_conformance_time *time) {
  say(child, json_pack("{s:{s:s,s:s,s:o,s:o,s:f,s:s}}", "time", "subject", time->subject, "detail", time->detail, "tested", assay_json_number(time->tested), "other",
                       assay_json_number(time->other), "operations", time->operations, "message", time->message));
}

static int measure(struct child *child, struct assay_session *tested, struct assay_session *other, const struct assay_conformance_options *options) {
  enum { MOST_TIMES = 16 };
  struct assay_conformance_time times[MOST_TIMES];
  uint32_t count;
  const int result = assay_conformance_measure(tested, other, child->number, options, times, MOST_TIMES, &count, child->cli->status);
  for (uint32_t i = 0; i < count; i++) say_time(child, &times[i]);
  return result;
}

/* `other`: the oracle, or the device to be timed against (may be NULL). */
static int run_subjects(struct child *child, struct assay_session *tested, struct assay_session *other, const char *mode, uint32_t from, uint64_t seed) {
  struct cli *cli = child->cli;
  const struct assay_conformance_watch watch = {child, say_begin, say_result};
  const struct assay_conformance_options options = {.seed = seed,
                                                    .thorough = cli_option(cli, "thorough") != NULL,
                                                    .values = strcmp(mode, "gradient") != 0,
                                                    .gradients = strcmp(mode, "test") != 0,
                                                    .watch = &watch};
  const char *ops = cli_option(cli, "op"), *subject;
  struct assay_conformance_list list = {0};
  int result = 0;
  for (child->number = from; result == 0 && (subject = assay_conformance_subject(child->number)) != NULL; child->number++) {
    if (!selftest_has_op(ops, subject)) continue;
    if (strcmp(mode, "time") == 0) result = measure(child, tested, other, &options);
    else result = assay_conformance_run(other, tested, child->number, &options, &list, cli->status);
    assay_session_trim(tested, 0);
    if (other != NULL) assay_session_trim(other, 0);
  }
  assay_conformance_release(&list);
  return result;
}

int command_run_selftest(struct cli *cli) {
  /* Nobody waits for a child whose parent is gone, and a crash that is being looked for need not leave a core behind. */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
  const char *device = cli->arguments[0], *mode = cli->arguments[1], *against = cli_option(cli, "against");
  const char *other_name = strcmp(mode, "time") == 0 ? against : "reference";
  struct child child = {.cli = cli};
  struct assay_registry *registry;
  struct assay_plan *plan = NULL;
  const struct assay_settings *settings;
  struct assay_session *tested = NULL, *other = NULL;
  int64_t from = 0, seed = 0;
  int result = cli_registry(cli, &registry);
  if (result == 0) result = cli_option_integer(cli, "from", 0, INT32_MAX, 0, &from);
  if (result == 0) result = cli_option_integer(cli, "seed", 0, INT64_MAX, 0, &seed);
  if (result == 0) result = cli_bare_plan(cli, NULL, NULL, NULL, &plan);
  if (result == 0) result = cli_settings(cli, plan, &settings);
  if (result == 0 && other_name != NULL) result = assay_device_open(other_name, settings, 1, registry, cli->arena, &other, cli->status);
  if (result == 0) result = assay_device_open(device, settings, 1, registry, cli->arena, &tested, cli->status);
  if (result == 0) {
    say_begin(&child, "", "opened");
    result = run_subjects(&child, tested, other, mode, (uint32_t)from, (uint64_t)seed);
  }
  assay_session_close(tested);
  assay_session_close(other);
  assay_plan_release(plan);
  if (result == 0) say(&child, json_pack("{s:b}", "end", 1));
  else say(&child, json_pack("{s:{s:i,s:s}}", "error", "code", result, "message", cli->status->message));
  cli->quiet = true; /* the parent tells it */
  return result == 0 ? 0 : ASSAY_E_FINDINGS;
}
