/* SPDX-License-Identifier: MIT
 *
 * assay explain: for each image a picture of where the model looked (Grad-CAM).
 */
#include "model.h"

#include "base/file.h"
#include "data/data.h"
#include "data/encode.h"
#include "train/explainer.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_SIDE = 256 }; /* pictures of small networks are enlarged to about this */

struct job {
  struct cli *cli;
  struct model_in_use use;
  struct assay_explainer *explainer;
  struct assay_image_list *list;
  const char *folder;
  int32_t wanted; /* --class; -1: the class decided for */
  struct assay_data_settings shown; /* the same view of an image in colour, and larger */
  uint8_t *pixels, *picture;
  float *heat;
  double *scores;
  json_t *rows;
  enum assay_explain_method method;
  uint32_t unreadable, blank; /* blank: nothing speaks for the class */
};

static int choose_class(struct job *job) {
  const struct assay_model *model = job->use.model;
  const char *name = cli_option(job->cli, "class");
  job->wanted = -1;
  if (name == NULL) return 0;
  for (uint32_t class = 0; class < model->class_count; class++)
    if (strcmp(model->classes[class], name) == 0) job->wanted = (int32_t)class;
  if (job->wanted >= 0) return 0;
  const char **names = ASSAY_NEW_ARRAY(job->cli->arena, const char *, (size_t)model->class_count + 1);
  if (names == NULL) return assay_status_memory(job->cli->status);
  memcpy(names, model->classes, model->class_count * sizeof *names);
  const char *nearest = assay_nearest(name, names);
  return assay_status_set(job->cli->status, ASSAY_E_CONFIG, "the model knows no class \"%s\"%s%s%s", name, nearest != NULL ? "; did you mean \"" : "",
                          nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
}

static int choose_method(struct job *job) {
  static const char *const names[] = {"grad-cam", "hires-cam"};
  const char *name = cli_option(job->cli, "method");
  for (int method = 0; method < 2; method++) {
    if (strcmp(name != NULL ? name : names[0], names[method]) != 0) continue;
    job->method = (enum assay_explain_method)method;
    return 0;
  }
  return assay_status_set(job->cli->status, ASSAY_E_CONFIG, "--method cannot be \"%s\": it is grad-cam or hires-cam", name);
}

static int prepare(struct job *job) {
  struct cli *cli = job->cli;
  job->folder = cli->output != NULL ? cli->output : "explained";
  int result = choose_method(job);
  if (result == 0) result = assay_image_list_open((const char *const *)cli->arguments + 1, cli->argument_count - 1, &job->list, cli->status);
  if (result == 0 && assay_image_list_count(job->list) == 0)
    result = assay_status_set(cli->status, ASSAY_E_DATA, "%s: there are no images here", cli->arguments[1]);
  if (result == 0) result = model_open(cli, cli->arguments[0], false, &job->use);
  if (result == 0) result = choose_class(job);
  if (result == 0) result = assay_explainer_create(job->use.session, job->use.model, job->method, &job->explainer, cli->status);
  if (result == 0) result = assay_folder_create(job->folder, cli->status);
  if (result != 0) return result;
  const struct assay_model *model = job->use.model;
  const uint32_t larger = model->width > model->height ? model->width : model->height, factor = larger < SHOWN_SIDE ? SHOWN_SIDE / larger : 1;
  job->shown = job->use.images;
  job->shown.width *= factor;
  job->shown.height *= factor;
  job->shown.colour = ASSAY_COLOUR_RGB;
  const size_t places = (size_t)job->shown.width * job->shown.height;
  job->pixels = ASSAY_NEW_ARRAY(cli->arena, uint8_t, job->use.image_size);
  job->picture = ASSAY_NEW_ARRAY(cli->arena, uint8_t, places * 3);
  job->heat = ASSAY_NEW_ARRAY(cli->arena, float, places);
  job->scores = ASSAY_NEW_ARRAY(cli->arena, double, model->class_count);
  return job->pixels == NULL || job->picture == NULL || job->heat == NULL || job->scores == NULL ? assay_status_memory(cli->status) : 0;
}

/* "0003-left.png": numbered, so that equal names in several folders stay apart, and of letters that any file system takes. */
static char *file_name(const struct job *job, uint32_t image) {
  char *name = assay_arena_copy(job->cli->arena, assay_path_name(assay_image_list_path(job->list, image)));
  if (name == NULL) return NULL;
  char *dot = strrchr(name, '.');
  if (dot != NULL && dot > name) *dot = '\0';
  for (char *c = name; *c != '\0'; c++)
    if (!isalnum((unsigned char)*c) && strchr("._-", *c) == NULL) *c = '_';
  return assay_arena_print(job->cli->arena, "%s/%04u-%.100s.png", job->folder, image, name);
}

static int write_overlay(struct job *job, uint32_t image, int32_t class, const char *path) {
  struct assay_status *status = job->cli->status;
  uint8_t *bytes;
  size_t size;
  int result = assay_image_list_load(job->list, image, &job->shown, job->picture, status);
  if (result == 0) result = assay_explainer_run(job->explainer, job->pixels, class, job->shown.width, job->shown.height, job->heat, status);
  if (result != 0) return result;
  job->blank += !assay_explainer_found(job->explainer);
  assay_heat_overlay(job->picture, job->shown.width, job->shown.height, job->heat);
  result = assay_encode_png(job->picture, job->shown.width, job->shown.height, 3, &bytes, &size, status);
  if (result != 0) return result;
  result = assay_file_write(path, bytes, size, status);
  free(bytes);
  return result;
}

static void tell(struct job *job, uint32_t image, const char *label, const char *class, double score, const char *file, const char *problem) {
  const char *path = assay_image_list_path(job->list, image);
  if (job->rows != NULL) {
    json_array_append_new(job->rows, json_pack("{s:s,s:s?,s:s?,s:o,s:s?,s:s?}", "path", path, "label", label, "class", class, "score",
                                               problem == NULL ? json_real(score) : json_null(), "file", file, "error", problem));
    return;
  }
  struct assay_text line = {0};
  char number[32] = "";
  if (problem == NULL) assay_print_real(score, number);
  const char *fields[] = {path, label, class, number, file, problem};
  for (int i = 0; i < 6; i++) {
    if (i > 0) assay_text_add(&line, ",");
    assay_text_add_field(&line, fields[i] != NULL ? fields[i] : "");
  }
  if (!line.failed) fprintf(job->cli->results, "%s\n", line.data);
  assay_text_release(&line);
}

static int explain(struct job *job, uint32_t image) {
  const struct assay_model *model = job->use.model;
  struct assay_status problem;
  if (assay_image_list_load(job->list, image, &job->use.images, job->pixels, &problem) != 0) {
    job->unreadable++;
    cli_say(job->cli, "assay: %s", problem.message);
    tell(job, image, NULL, NULL, 0, NULL, problem.message);
    return 0;
  }
  const uint8_t *images[] = {job->pixels};
  const char *path = file_name(job, image);
  int result =
      path == NULL ? assay_status_memory(job->cli->status) : assay_predictor_run(job->use.predictor, images, NULL, 1, job->scores, NULL, job->cli->status);
  if (result != 0) return result;
  const int32_t decided = assay_model_decide(model, job->scores), class = job->wanted >= 0 ? job->wanted : decided;
  result = write_overlay(job, image, class, path);
  if (result == 0) tell(job, image, model->classes[decided], model->classes[class], job->scores[class], path, NULL);
  return result;
}

int command_explain(struct cli *cli) {
  struct job job = {.cli = cli, .rows = cli->json ? json_array() : NULL};
  int result = prepare(&job);
  const uint32_t count = result == 0 ? assay_image_list_count(job.list) : 0;
  if (result == 0 && job.rows == NULL) fputs("path,label,class,score,file,error\n", cli->results);
  for (uint32_t image = 0; result == 0 && image < count; image++) result = explain(&job, image);
  if (result == 0 && job.rows != NULL) cli_print_json(cli, json_pack("{s:O}", "explanations", job.rows));
  if (result == 0 && job.blank > 0)
    cli_say(cli, "%u of %u pictures are blank: nothing speaks for the class%s", job.blank, count,
            job.method == ASSAY_EXPLAIN_GRAD_CAM ? " by Grad-CAM, which takes a channel as a whole; --method hires-cam looks at each place" : "");
  if (result == 0 && job.unreadable > 0) {
    cli->json = false; /* the object is out, with every error in its row */
    result = assay_status_set(cli->status, ASSAY_E_DATA, "%u of %u images could not be read", job.unreadable, count);
  }
  json_decref(job.rows);
  assay_explainer_release(job.explainer);
  model_close(&job.use);
  assay_image_list_release(job.list);
  return result;
}
