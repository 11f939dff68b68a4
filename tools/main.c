/* SPDX-License-Identifier: MIT
 *
 * The `assay` tool: the table of subcommands, the command line, and how a command's end is told to people, scripts and the shell.
 */
#include "config.h"

#include "cli.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct cli_option check_options[] = {{"preview", "DIR", "write contact sheets there: each class as the network sees it, and augmented images; with warnings"},
                                                    {"lr-range", NULL, "instead: short training at ever higher learning rates; a table, a plot and a suggestion"},
                                                  {"overfit", "[IMAGES]", "instead: learns 5 (or so many) images by heart, or says why that fails"},
                                                  {NULL, NULL, NULL}};
static const struct cli_option explain_options[] = {{"class", "NAME", "what speaks for this class; otherwise for the one decided for"},
                                                      {"method", "NAME", "grad-cam (the default), or hires-cam, which weighs each place by itself"},
                                                      {NULL, NULL, NULL}};
static const struct cli_option devices_options[] = {{"no-selftest", NULL, "only list"}, {NULL, NULL, NULL}};
static const struct cli_option selftest_options[] = {{"mode", "MODE", "test (values), gradient, time; without it test and gradient"},
                                                     {"op", "NAMES", "only these ops and programs, with commas between"},
                                                     {"seed", "NUMBER", "of all inputs; without it a new one every time"},
                                                     {"thorough", NULL, "larger shapes too"},
                                                     {"worst", "NUMBER", "time: only so many ops, those slowest beside the other device"},
                                                     {"against", "DEVICE", "time: the other device; cpu unless given"},
                                                     {"limit", "SECONDS", "a case that is silent for so long hangs; 180 unless given"},
                                                     {NULL, NULL, NULL}};
static const struct cli_option run_selftest_options[] = {{"op", "NAMES", ""},   {"seed", "NUMBER", ""},    {"thorough", NULL, ""},
                                                         {"from", "NUMBER", ""}, {"against", "DEVICE", ""}, {NULL, NULL, NULL}};

static const struct cli_option tune_options[] = {
    {"again", NULL, "measure also what is known"},
    {"only", "NAMES", "only these parameters, with commas between; conv2d stands for all whose names begin with it and a dot"},
    {"limit", "SECONDS", "a candidate that takes longer, with its compilation, is left out; 300 unless given"},
    {"seed", "NUMBER", "of the numbers that candidates are tried on; 1 unless given"},
    {NULL, NULL, NULL}};

static const struct cli_option run_tune_options[] = {{"again", NULL, ""}, {"only", "NAMES", ""}, {"seed", "NUMBER", ""}, {"from", "NUMBER", ""}, {NULL, NULL, NULL}};

static const struct cli_command commands[] = {
    {"init", "DIR", "write a commented INI for a folder, archive or list of images, and name the next command",
     "DIR may also be a .tar or .zip of class folders, or a .csv list (path, label, split, group). Writes DIR.ini beside it (or -o FILE; - is standard output) and never overwrites a file.", CLI_OUTPUT, 1, 1, command_init, NULL},
    {"check", "FILE.ini|DIR", "audit the data: counts, sizes, broken files, duplicates, leaks between parts",
     "Exit code 7 when something was found that should be looked at, 3 when the data cannot be used.", CLI_OVERRIDES, 1, 1, command_check, check_options},
    {"train", "FILE.ini|DIR", "one training with the default values, then the final model", "The run folder is runs/NAME unless -o says otherwise. Starting the same run again continues it.",
     CLI_OUTPUT | CLI_OVERRIDES, 1, 1, command_train, NULL},
    {"search", "FILE.ini|DIR", "explore the domains of the INI, then make the final model of the best trial",
     "The run folder is runs/NAME unless -o says otherwise. Starting the same run again continues it; only trials, time, workers and devices may have changed.",
     CLI_OUTPUT | CLI_OVERRIDES, 1, 1, command_search, NULL},
    {"finish", "RUN", "make the final model of the best trial so far", NULL, 0, 1, 1, command_finish, NULL},
    {"eval", "MODEL|FILE.ini [DIR]", "metrics of a model on a labelled folder",
     "DIR may also be a .tar or .zip of class folders, or a .csv list with path and label. With -o DIR also writes predictions.csv, thresholds.csv (the ROC and precision-recall curves) and errors.csv there. A model judges as its run did: by its "
     "metrics, their costs, and its target, which when missed is exit code 7; -s 'judge.target=f1 >= 0.95' sets another, -s judge.target=none none. An INI stands for the model that its pretrained weights are without training, and its [data] path for a DIR that is left out.",
     CLI_OUTPUT | CLI_OVERRIDES, 1, 2, command_eval, NULL},
    {"predict", "MODEL|FILE.ini PATH...", "classify images: CSV with path, label, score of each class, error",
     "Folders and archives (.tar, .zip) are searched to the bottom; a .csv list is read for its paths. Unreadable images get an error in their row, the others go on, and the exit code is 3.", CLI_OVERRIDES, 2, UINT32_MAX, command_predict, NULL},
    {"explain", "MODEL PATH...", "pictures of where the model looks: Grad-CAM overlays as PNG, and a CSV row for each",
     "Writes one PNG an image into the folder that -o names (explained/ otherwise). Unreadable images get an error in their row, the others go on, and the exit code is 3.",
     CLI_OUTPUT | CLI_OVERRIDES, 2, UINT32_MAX, command_explain, explain_options},
    {"weights", "list | get NAME | show FILE", "pretrained weights: what can be had, fetching them, what a file holds, what of it would be loaded",
     "'get' fetches with curl or wget into the cache folder (or to -o FILE) and checks the SHA-256; where there is no network it says from where to fetch and where to put the file, and the\n"
     "exit code is 1. 'show' of an INI lists every variable of its network with the tensor that it would begin with, or why there is none; of a .safetensors file what it holds.",
     CLI_OUTPUT | CLI_OVERRIDES, 1, 2, command_weights, NULL},
    {"report", "RUN", "rebuild summary and report of a run", "Writes summary.txt, report.html, thresholds.csv and errors.csv from what the run folder holds; no device and no images are needed.", 0, 1, 1, command_report, NULL},
    {"devices", "", "what can be used here, and what is wrong with what cannot",
     "Each device is tried with a short self-test; exit code 7 when one fails it. Every driver is entered by a child of its own first, which has 20 seconds, or as many as\n"
     "ASSAY_DRIVER_SECONDS says.",
     0, 0, 0, command_devices, devices_options},
    {"selftest", "[DEVICE]", "the conformance suite: does a backend compute what it should, and how fast?",
     "DEVICE is a device's name, a part of one, auto or all (without it), also one of a backend plugin that --plugin-path leads to. Options of a backend\n"
     "are set as in an INI: -s backend.opencl.KEY=VALUE. Exit code 7 when a comparison failed, 4 when the device cannot be used.",
     CLI_OVERRIDES, 0, 1, command_selftest, selftest_options},
    {"tune", "[DEVICE]", "measure the parameters of a backend's kernels on a device, and keep the best",
     "DEVICE is a device's name or a part of one; without it the one that auto takes. What was measured before is kept; an interrupted tuning goes on where it stopped.", CLI_OVERRIDES,
     0, 1, command_tune, tune_options},
    {"plugins", "[NAME]", "what is installed; one plugin's options", NULL, 0, 0, 1, command_plugins, NULL},
    {"config", "FILE.ini|DIR", "the resolved configuration, and where each value came from", NULL, CLI_OVERRIDES, 1, 1, command_config, NULL},
    {"worker", "RUN MODE DEVICE WORKERS", "", NULL, CLI_HIDDEN, 4, 4, command_worker, NULL},
    {"run-selftest", "DEVICE MODE", "", NULL, CLI_HIDDEN | CLI_OVERRIDES, 2, 2, command_run_selftest, run_selftest_options},
    {"time-step", "RUN CLASSES HEIGHT WIDTH CHANNELS DEVICE", "", NULL, CLI_HIDDEN, 6, 6, command_time_step, NULL},
    {"time-batch", "MODEL DEVICE", "", NULL, CLI_HIDDEN | CLI_OVERRIDES, 2, 2, command_time_batch, NULL},
    {"run-tune", "DEVICE", "", NULL, CLI_HIDDEN | CLI_OVERRIDES, 1, 1, command_run_tune, run_tune_options},
    {"list-devices", "BACKEND [DRIVER...]", "", NULL, CLI_HIDDEN, 1, UINT32_MAX, command_list_devices, NULL},
};
enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static const char common_help[] = "Common options:\n"
                                  "  -s SECTION.KEY=VALUE  override a value of the INI, and drop its domain\n"
                                  "  -o PATH               where the results go\n"
                                  "      --json            one JSON object on standard output\n"
                                  "      --quiet           no talk on standard error\n"
                                  "      --plugin-path DIRS  folders to look for plugins first, separated by colons\n"
                                  "      --help            this text, or that of one command\n"
                                  "      --version         the version\n"
                                  "\n"
                                  "Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 data, 4 device or memory, 5 storage, 6 plugin,\n"
                                  "7 target missed or findings, 128+n ended by signal n.\n";

static void print_help(FILE *stream) {
  fprintf(stream, "Usage: assay COMMAND [OPTION]... [ARGUMENT]...\n"
                  "AutoML for visual inspection: from a folder of images and an INI file to a tuned classifier.\n\nCommands:\n");
  for (int i = 0; i < COMMAND_COUNT; i++)
    if (!(commands[i].options & CLI_HIDDEN)) fprintf(stream, "  %-8s %-15s %s\n", commands[i].name, commands[i].arguments, commands[i].summary);
  fprintf(stream, "\n%s", common_help);
}

static void print_command_help(FILE *stream, const struct cli_command *command) {
  fprintf(stream, "Usage: assay %s%s%s [OPTION]... %s\nassay %s: %s.\n", command->name, command->options & CLI_OVERRIDES ? " [-s SECTION.KEY=VALUE]..." : "",
          command->options & CLI_OUTPUT ? " [-o PATH]" : "", command->arguments, command->name, command->summary);
  if (command->help != NULL) fprintf(stream, "%s\n", command->help);
  if (command->own != NULL) fprintf(stream, "\nIts own options:\n");
  for (const struct cli_option *option = command->own; option != NULL && option->name != NULL; option++) {
    char spelling[40];
    snprintf(spelling, sizeof spelling, "--%s%s%s", option->name, option->argument != NULL ? " " : "", option->argument != NULL ? option->argument : "");
    fprintf(stream, "      %-18s %s\n", spelling, option->help);
  }
  fprintf(stream, "\n%s", common_help);
}

/* ---- What commands share ---- */

const char *cli_option(const struct cli *cli, const char *name) {
  for (uint32_t i = 0; cli->command->own != NULL && cli->command->own[i].name != NULL; i++)
    if (strcmp(cli->command->own[i].name, name) == 0) return cli->own[i];
  return NULL;
}

int cli_option_integer(struct cli *cli, const char *name, int64_t minimum, int64_t maximum, int64_t otherwise, int64_t *number) {
  const char *text = cli_option(cli, name);
  *number = otherwise;
  if (text == NULL || (assay_parse_integer(text, number) && *number >= minimum && *number <= maximum)) return 0;
  return assay_status_set(cli->status, ASSAY_E_CONFIG, "--%s %s: a whole number from %lld to %lld is needed", name, text, (long long)minimum, (long long)maximum);
}

void cli_say(const struct cli *cli, const char *format, ...) {
  if (cli->quiet) return;
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
}

void cli_print_json(struct cli *cli, json_t *object) {
  json_t *whole = json_pack("{s:i}", "schema", 1);
  if (whole != NULL && object != NULL) json_object_update(whole, object);
  json_decref(object);
  json_dumpf(whole, cli->results, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
  fputc('\n', cli->results);
  json_decref(whole);
}

static struct assay_registry *shared_registry;

int cli_registry(struct cli *cli, struct assay_registry **registry) {
  int result = 0;
  if (shared_registry == NULL) result = assay_registry_create(cli->plugin_path, &shared_registry, cli->status);
  *registry = shared_registry;
  return result;
}

int cli_bare_plan(struct cli *cli, const char *first, const char *name, const char *more, struct assay_plan **plan) {
  static const char least[] = "[data]\npath = .\ntest = none\n[network]\nlayers = classifier\n"; /* that an INI must say */
  struct assay_registry *registry;
  const char **overrides = ASSAY_NEW_ARRAY(cli->arena, const char *, cli->override_count + 1);
  uint32_t count = 0;
  const char *text = assay_arena_print(cli->arena, "%s%s", least, more != NULL ? more : "");
  if (overrides == NULL || text == NULL) return assay_status_memory(cli->status);
  if (first != NULL) overrides[count++] = first;
  for (uint32_t i = 0; i < cli->override_count; i++) overrides[count++] = cli->overrides[i];
  const int result = cli_registry(cli, &registry);
  return result == 0 ? assay_plan_parse(more != NULL ? name : "command line", text, strlen(text), overrides, count, registry, plan, cli->status) : result;
}

int cli_settings(struct cli *cli, const struct assay_plan *plan, const struct assay_settings **settings) {
  return assay_plan_settings(plan, NULL, cli->arena, settings, cli->status);
}

static void cli_finish(struct cli *cli) {
  assay_registry_release(shared_registry);
  assay_arena_release(cli->arena);
  free(cli->overrides);
}

/* Warnings always reach a person; information unless --quiet; debugging only on request, and then each line says how many seconds after the start it came. */
static void log_to_terminal(void *context, int level, const char *message) {
  const struct cli *cli = context;
  const bool debugging = getenv("ASSAY_DEBUG") != NULL;
  if (level == ASSAY_LOG_DEBUG ? !debugging : level == ASSAY_LOG_INFO && cli->quiet) return;
  char stamp[32] = "";
  if (debugging) snprintf(stamp, sizeof stamp, " %.3f s:", assay_clock_seconds() - cli->began);
  fprintf(stderr, "assay:%s %s%s\n", stamp, level == ASSAY_LOG_WARNING ? "warning: " : "", message);
}

/* ---- The command line ---- */

static int usage_error(struct cli *cli, const struct cli_command *command) {
  return assay_status_set(cli->status, ASSAY_E_CONFIG, "usage: assay %s [OPTION]... %s; 'assay %s --help' says more", command->name, command->arguments, command->name);
}

enum { LONG_JSON = 256, LONG_QUIET, LONG_PLUGIN_PATH, LONG_HELP, LONG_OWN };

static const struct option common_options[] = {
    {"json", no_argument, NULL, LONG_JSON}, {"quiet", no_argument, NULL, LONG_QUIET}, {"plugin-path", required_argument, NULL, LONG_PLUGIN_PATH}, {"help", no_argument, NULL, LONG_HELP}};
enum { COMMON_OPTIONS = sizeof common_options / sizeof *common_options };

/* "[N]" can be left out; it may stand behind = or, where it is a number, behind a blank. */
static int argument_kind(const struct cli_option *option) {
  return option->argument == NULL ? no_argument : option->argument[0] == '[' ? optional_argument : required_argument;
}

static bool is_number(const char *text) { return text != NULL && *text != '\0' && text[strspn(text, "0123456789")] == '\0'; }

/* The common options and the command's own, as getopt wants them. */
static void list_options(const struct cli_command *command, struct option options[COMMON_OPTIONS + CLI_OWN_OPTIONS + 1]) {
  int count = COMMON_OPTIONS;
  memcpy(options, common_options, sizeof common_options);
  for (int i = 0; command->own != NULL && command->own[i].name != NULL && i < CLI_OWN_OPTIONS; i++)
    options[count++] = (struct option){command->own[i].name, argument_kind(&command->own[i]), NULL, LONG_OWN + i};
  options[count] = (struct option){NULL, 0, NULL, 0};
}

/* Options of one command; `help` is set when only the help is wanted. */
static int parse_options(struct cli *cli, const struct cli_command *command, int argc, char **argv, bool *help) {
  struct option options[COMMON_OPTIONS + CLI_OWN_OPTIONS + 1];
  list_options(command, options);
  cli->command = command;
  opterr = 0;
  for (int option; (option = getopt_long(argc, argv, ":o:s:h", options, NULL)) != -1;) {
    switch (option) {
    case LONG_JSON: cli->json = true; break;
    case LONG_QUIET: cli->quiet = true; break;
    case LONG_PLUGIN_PATH: cli->plugin_path = optarg; break;
    case 'h':
    case LONG_HELP: *help = true; return 0;
    case 'o':
      if (!(command->options & CLI_OUTPUT)) return assay_status_set(cli->status, ASSAY_E_CONFIG, "'assay %s' takes no -o", command->name);
      cli->output = optarg;
      break;
    case 's':
      if (!(command->options & CLI_OVERRIDES)) return assay_status_set(cli->status, ASSAY_E_CONFIG, "'assay %s' takes no -s", command->name);
      cli->overrides[cli->override_count++] = optarg;
      break;
    case ':': return assay_status_set(cli->status, ASSAY_E_CONFIG, "option '%s' needs a value", argv[optind - 1]);
    default:
      if (option < LONG_OWN) return assay_status_set(cli->status, ASSAY_E_CONFIG, "unknown option '%s'; 'assay %s --help' lists them", argv[optind - 1], command->name);
      if (optarg == NULL && command->own[option - LONG_OWN].argument != NULL && optind < argc && is_number(argv[optind])) optarg = argv[optind++];
      cli->own[option - LONG_OWN] = optarg != NULL ? optarg : "";
    }
  }
  cli->arguments = argv + optind;
  cli->argument_count = (uint32_t)(argc - optind);
  if (cli->argument_count < command->minimum || cli->argument_count > command->maximum) return usage_error(cli, command);
  return 0;
}

static const struct cli_command *find_command(const char *name) {
  for (int i = 0; i < COMMAND_COUNT; i++)
    if (strcmp(name, commands[i].name) == 0) return &commands[i];
  return NULL;
}

static void tell_failure(struct cli *cli, int code) {
  if (cli->json && code != ASSAY_E_FINDINGS) {
    cli_print_json(cli, json_pack("{s:{s:i,s:s}}", "error", "code", assay_exit_code(code), "message", cli->status->message));
  }
  if (code != ASSAY_E_FINDINGS || !cli->quiet) fprintf(stderr, "assay: %s\n", cli->status->message);
}

void cli_end(struct cli *cli, int code, const char *message) {
  struct assay_status status = {0};
  struct cli ending = *cli; /* the command may be writing into its own */
  ending.status = &status;
  tell_failure(&ending, assay_status_set(&status, code, "%s", message));
  fflush(ending.results);
  _exit(assay_exit_code(code));
}

/* Drivers and plugins cannot write into our results: the real standard output moves to a descriptor of its own. */
static FILE *take_standard_output(void) {
  const int copy = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) return stdout; /* closed: writing will fail and be told */
  fflush(stdout);
  dup2(STDERR_FILENO, STDOUT_FILENO);
  return fdopen(copy, "w");
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "probe-plugin") == 0) return assay_plugin_probe_main(argv[2]); /* hidden: see core/plugin/probe.h */
  if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
    print_help(argc < 2 ? stderr : stdout);
    return argc < 2 ? 2 : 0;
  }
  if (strcmp(argv[1], "--version") == 0) {
    printf("assay %s\n", PACKAGE_VERSION);
    return 0;
  }
  /* Threads of the cpu backend that wait for work spin for a moment and then sleep, so that workers do not take the processors from one another. */
  if (getenv("OMP_WAIT_POLICY") == NULL) setenv("GOMP_SPINCOUNT", "10000", 0);
  struct assay_status status = {0};
  struct cli cli = {.results = take_standard_output(), .terminal = isatty(STDERR_FILENO) == 1, .arena = assay_arena_create(), .status = &status, .began = assay_clock_seconds()};
  cli.overrides = calloc((size_t)argc, sizeof *cli.overrides);
  if (cli.results == NULL || cli.arena == NULL || cli.overrides == NULL) {
    fprintf(stderr, "assay: out of memory\n");
    return 1;
  }
  assay_log_set(log_to_terminal, &cli);

  const struct cli_command *command = find_command(argv[1]);
  bool help = false;
  int code;
  if (command == NULL) {
    const char *names[COMMAND_COUNT + 1] = {NULL};
    for (int i = 0, n = 0; i < COMMAND_COUNT; i++)
      if (!(commands[i].options & CLI_HIDDEN)) names[n++] = commands[i].name;
    const char *nearest = assay_nearest(argv[1], names);
    code = assay_status_set(&status, ASSAY_E_CONFIG, "there is no command '%s'%s%s%s; 'assay --help' lists them", argv[1], nearest ? "; did you mean '" : "",
                            nearest ? nearest : "", nearest ? "'?" : "");
  } else {
    code = parse_options(&cli, command, argc - 1, argv + 1, &help);
    if (help) print_command_help(cli.results, command);
    else if (code == 0) code = command->run(&cli);
  }
  if (code != 0 && !cli.told) tell_failure(&cli, code);
  int exit_code = code == ASSAY_E_INTERRUPTED ? 130 : assay_exit_code(code);
  if (fflush(cli.results) != 0 || ferror(cli.results)) {
    fprintf(stderr, "assay: the results could not be written: %s\n", strerror(errno));
    if (exit_code == 0) exit_code = assay_exit_code(ASSAY_E_STORAGE);
  }
  cli_finish(&cli);
  return exit_code;
}
