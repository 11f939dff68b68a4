/* SPDX-License-Identifier: MIT
 *
 * assay config: the resolved configuration, each value with its origin.
 */
#include "cli.h"

static int print_plan(struct cli *cli, const struct assay_plan *plan) {
  struct assay_text text = {0};
  assay_plan_print(plan, NULL, !cli->json, &text);
  if (text.failed || text.data == NULL) {
    assay_text_release(&text);
    return assay_status_memory(cli->status);
  }
  if (cli->json) {
    const struct assay_space *space = assay_plan_space(plan);
    json_t *dimensions = json_array();
    for (uint32_t i = 0; i < space->dimension_count; i++) json_array_append_new(dimensions, json_string(space->dimensions[i]->name));
    cli_print_json(cli, json_pack("{s:s,s:o}", "config", text.data, "searched", dimensions));
  } else {
    fputs(text.data, cli->results);
  }
  assay_text_release(&text);
  return 0;
}

int command_config(struct cli *cli) {
  struct assay_plan *plan;
  int result = cli_plan(cli, cli->arguments[0], &plan);
  if (result != 0) return result;
  result = print_plan(cli, plan);
  assay_plan_release(plan);
  return result;
}
