/* SPDX-License-Identifier: MIT
 *
 * assay predict: a row an image, as CSV or JSON.
 */
#include "model.h"

#include "data/data.h"

#include <string.h>

struct output {
  struct cli *cli;
  const struct assay_model *model;
  const struct assay_image_list *list;
  json_t *rows; /* NULL: CSV */
  uint32_t unreadable;
};

static void print_header(const struct output *output) {
  struct assay_text line = {0};
  assay_text_add(&line, "path,label");
  for (uint32_t c = 0; c < output->model->class_count; c++) {
    assay_text_add(&line, ",");
    assay_text_add_field(&line, output->model->classes[c]);
  }
  assay_text_add(&line, ",error\n");
  if (line.data != NULL) fputs(line.data, output->cli->results);
  assay_text_release(&line);
}

static int print_row(void *context, uint32_t image, const double *scores, const char *problem) {
  struct output *output = context;
  const struct assay_model *model = output->model;
  const char *label = scores != NULL ? model->classes[assay_model_decide(model, scores)] : NULL;
  output->unreadable += problem != NULL;
  if (problem != NULL) cli_say(output->cli, "assay: %s", problem);
  if (output->rows != NULL) {
    json_t *by_class = scores != NULL ? json_object() : json_null();
    for (uint32_t c = 0; scores != NULL && c < model->class_count; c++) json_object_set_new(by_class, model->classes[c], json_real(scores[c]));
    json_array_append_new(output->rows, json_pack("{s:s,s:s?,s:o,s:s?}", "path", assay_image_list_path(output->list, image), "label", label, "scores", by_class, "error", problem));
    return 0;
  }
  struct assay_text line = {0};
  assay_text_add_field(&line, assay_image_list_path(output->list, image));
  assay_text_add(&line, ",");
  assay_text_add_field(&line, label != NULL ? label : "");
  for (uint32_t c = 0; c < model->class_count; c++) {
    char number[32] = "";
    if (scores != NULL) assay_print_real(scores[c], number);
    assay_text_print(&line, ",%s", number);
  }
  assay_text_add(&line, ",");
  assay_text_add_field(&line, problem != NULL ? problem : "");
  assay_text_add(&line, "\n");
  const bool failed = line.failed;
  if (!failed) fputs(line.data, output->cli->results);
  assay_text_release(&line);
  return failed ? assay_status_memory(output->cli->status) : 0;
}

static int list_images(struct cli *cli, struct assay_image_list **list) {
  const int result = assay_image_list_open((const char *const *)cli->arguments + 1, cli->argument_count - 1, list, cli->status);
  if (result != 0 || assay_image_list_count(*list) > 0) return result;
  return assay_status_set(cli->status, ASSAY_E_DATA, "%s: there are no images here", cli->arguments[1]);
}

int command_predict(struct cli *cli) {
  struct model_in_use use;
  struct output output = {.cli = cli, .rows = cli->json ? json_array() : NULL};
  struct assay_image_list *list = NULL;
  int result = list_images(cli, &list);
  output.list = list;
  if (result != 0) {
    assay_image_list_release(list);
    json_decref(output.rows);
    return result;
  }
  result = model_open(cli, cli->arguments[0], false, &use);
  output.model = use.model;
  if (result == 0 && output.rows == NULL) print_header(&output);
  if (result == 0) result = model_run(cli, &use, list, print_row, &output);
  model_close(&use);
  if (result == 0 && output.rows != NULL) cli_print_json(cli, json_pack("{s:O}", "predictions", output.rows));
  json_decref(output.rows);
  const uint32_t count = assay_image_list_count(list);
  assay_image_list_release(list);
  if (result == 0 && output.unreadable > 0) {
    cli->json = false; /* the object is out, with every error in its row */
    result = assay_status_set(cli->status, ASSAY_E_DATA, "%u of %u images could not be read", output.unreadable, count);
  }
  return result;
}
