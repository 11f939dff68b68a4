/* SPDX-License-Identifier: MIT
 *
 * What the subcommands of `assay` share: the command table's rows, the parsed command line, and where output goes.
 */
#ifndef ASSAY_TOOLS_CLI_H
#define ASSAY_TOOLS_CLI_H

#include "base/arena.h"
#include "base/status.h"
#include "base/text.h"
#include "config/plan.h"

#include <jansson.h>
#include <stdio.h>

/* An option of one command alone. */
struct cli_option {
  const char *name;     /* "mode" for --mode; NULL ends a table */
  const char *argument; /* its name in the help; NULL: a switch without an argument; in brackets: it can be left out */
  const char *help;     /* one line */
};

enum { CLI_OWN_OPTIONS = 16 };

struct cli {
  FILE *results;           /* the real standard output; descriptor 1 leads to standard error, whatever a driver prints */
  bool json, quiet, terminal;
  bool told; /* what failed has been told already */
  const char *output;      /* -o */
  const char *plugin_path; /* --plugin-path */
  const char **overrides;  /* -s */
  uint32_t override_count;
  const struct cli_command *command;
  const char *own[CLI_OWN_OPTIONS]; /* parallel to the command's own options; see cli_option */
  char **arguments; /* positional */
  uint32_t argument_count;
  struct assay_arena *arena; /* for the life of the command */
  struct assay_status *status;
  double began; /* assay_clock_seconds */
};

enum cli_options { CLI_OUTPUT = 1 << 0, CLI_OVERRIDES = 1 << 1, CLI_HIDDEN = 1 << 2 };

struct cli_command {
  const char *name;
  const char *arguments; /* for the usage line */
  const char *summary;   /* one line */
  const char *help;      /* more, for `assay NAME --help`; may be NULL */
  uint32_t options;      /* enum cli_options that it takes */
  uint32_t minimum, maximum; /* positional arguments */
  int (*run)(struct cli *cli);
  const struct cli_option *own; /* options that no other command has; NULL: none */
};

int command_init(struct cli *cli);
int command_check(struct cli *cli);
int command_train(struct cli *cli);
int command_search(struct cli *cli);
int command_finish(struct cli *cli);
int command_eval(struct cli *cli);
int command_predict(struct cli *cli);
int command_explain(struct cli *cli);
int command_report(struct cli *cli);
int command_devices(struct cli *cli);
int command_plugins(struct cli *cli);
int command_config(struct cli *cli);
int command_weights(struct cli *cli);
int command_worker(struct cli *cli);
int command_list_devices(struct cli *cli);
int command_selftest(struct cli *cli);
int command_run_selftest(struct cli *cli);
int command_time_step(struct cli *cli);
int command_time_batch(struct cli *cli);
int command_tune(struct cli *cli);
int command_run_tune(struct cli *cli);

/* The registry of this command line; made on first use, released at the end. */
int cli_registry(struct cli *cli, struct assay_registry **registry);
/* The plan of FILE.ini, or of DIR as `init` would write it; the caller releases it. Names of layers and parameters in it fit the network. */
int cli_plan(struct cli *cli, const char *path, struct assay_plan **plan);
/* A plan without a file, for commands that train nothing: -s adds [backend] and the like. `first`: one more "section.key=value", which -s may override; NULL.
 * `more`: INI text that counts where neither says otherwise, and in `name` what messages call it; NULL: none. */
int cli_bare_plan(struct cli *cli, const char *first, const char *name, const char *more, struct assay_plan **plan);
/* Default settings of a plan. */
int cli_settings(struct cli *cli, const struct assay_plan *plan, const struct assay_settings **settings);
/* Prints and releases `object` as the one JSON object of this run, with schema: 1 put in front. */
void cli_print_json(struct cli *cli, json_t *object);
/* What was given for one of the command's own options: its argument, "" for a switch; NULL when it was not given. */
const char *cli_option(const struct cli *cli, const char *name);
/* The same as a whole number within a range, `otherwise` when it was not given. */
int cli_option_integer(struct cli *cli, const char *name, int64_t minimum, int64_t maximum, int64_t otherwise, int64_t *number);
/* Ends the process from whatever thread, as if the command had failed with this: told, and with the code's exit code. What was printed so far comes out. */
void cli_end(struct cli *cli, int code, const char *message) __attribute__((noreturn));
/* Talk on standard error, unless --quiet. */
void cli_say(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
