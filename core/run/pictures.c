/* SPDX-License-Identifier: MIT */
#include "run/pictures.h"

#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "data/encode.h"
#include "data/image.h"
#include "report/judgement.h"
#include "train/explainer.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ERRORS = 24, MOST_CLASSES = 24, SAMPLES_A_CLASS = 6, SIDE = 160, SAMPLE_SIDE = 96, QUALITY = 82 };

struct pictures {
  const struct assay_model *model;
  const struct assay_samples *samples;
  struct assay_session *session;
  struct assay_explainer *explainers[2]; /* by method; made when first needed */
  bool inexplicable;                     /* said once */
  float *heat;
  struct assay_status *status;
};

/* The size at which the longer side is `side`. */
static void scaled(const struct assay_samples *samples, uint32_t side, uint32_t *width, uint32_t *height) {
  const uint32_t longer = samples->width > samples->height ? samples->width : samples->height;
  *width = (samples->width * side + longer / 2) / longer;
  *height = (samples->height * side + longer / 2) / longer;
  if (*width == 0) *width = 1;
  if (*height == 0) *height = 1;
}

/* Pixels of a sample in three channels at another size; malloc'ed. NULL when memory is short. */
static uint8_t *enlarge(const struct assay_samples *samples, const uint8_t *pixels, uint32_t width, uint32_t height) {
  const size_t count = (size_t)samples->width * samples->height;
  uint8_t *colour = malloc(count * 3), *result = malloc((size_t)width * height * 3);
  if (colour != NULL && result != NULL) {
    for (size_t i = 0; i < count; i++)
      for (uint32_t c = 0; c < 3; c++) colour[3 * i + c] = pixels[i * samples->channels + (samples->channels >= 3 ? c : 0)];
    const struct assay_image image = {.width = samples->width, .height = samples->height, .channels = 3, .depth = 8, .pixels = colour};
    if (assay_image_fit(&image, width, height, 3, (struct assay_fitting){.fit = ASSAY_FIT_STRETCH}, result, NULL) != 0) {
      free(result);
      result = NULL;
    }
  }
  free(colour);
  return result;
}

/* A JPEG in base64 as a JSON string; NULL when memory is short. */
static json_t *picture_json(const uint8_t *pixels, uint32_t width, uint32_t height) {
  uint8_t *bytes;
  size_t size;
  if (assay_encode_jpeg(pixels, width, height, 3, QUALITY, &bytes, &size, NULL) != 0) return NULL;
  struct assay_text text = {0};
  assay_text_add_base64(&text, bytes, size);
  free(bytes);
  json_t *string = text.failed ? NULL : json_string(text.data);
  assay_text_release(&text);
  return string;
}

static int add_sample(struct pictures *pictures, json_t *list, uint32_t sample) {
  const struct assay_samples *samples = pictures->samples;
  uint32_t width, height;
  scaled(samples, SAMPLE_SIDE, &width, &height);
  uint8_t *pixels = enlarge(samples, samples->pixels[sample], width, height);
  json_t *image = pixels != NULL ? picture_json(pixels, width, height) : NULL;
  free(pixels);
  if (image == NULL) return assay_status_memory(pictures->status);
  json_array_append_new(list, json_pack("{s:s,s:s,s:o}", "path", samples->paths[sample], "label", samples->classes[samples->labels[sample]], "image", image));
  return 0;
}

/* Evenly spread over the training images of each class. */
static int add_samples(struct pictures *pictures, json_t *list) {
  const struct assay_samples *samples = pictures->samples;
  int code = 0;
  for (uint32_t class = 0; code == 0 && class < samples->class_count && class < MOST_CLASSES; class++) {
    uint32_t members = 0, seen = 0, taken = 0;
    for (uint32_t i = 0; i < samples->count; i++)
      members += samples->pixels[i] != NULL && samples->parts[i] == ASSAY_PART_TRAIN && samples->labels[i] == (int32_t) class;
    const uint32_t wanted = members < SAMPLES_A_CLASS ? members : SAMPLES_A_CLASS;
    for (uint32_t i = 0; code == 0 && i < samples->count && taken < wanted; i++) {
      if (samples->pixels[i] == NULL || samples->parts[i] != ASSAY_PART_TRAIN || samples->labels[i] != (int32_t)class) continue;
      if (seen++ < (uint64_t)taken * members / wanted) continue;
      taken++;
      code = add_sample(pictures, list, i);
    }
  }
  return code;
}

/* Lays the heat over a picture; the method that found some, or NULL when there is none. */
static const char *lay_heat(struct pictures *pictures, const uint8_t *image, int32_t class, uint8_t *pixels, uint32_t width, uint32_t height) {
  static const char *const names[] = {"Grad-CAM", "HiResCAM"};
  for (int method = 0; method < 2 && !pictures->inexplicable; method++) {
    struct assay_explainer **explainer = &pictures->explainers[method];
    struct assay_status problem = {0};
    int code = *explainer != NULL ? 0 : assay_explainer_create(pictures->session, pictures->model, (enum assay_explain_method)method, explainer, &problem);
    if (code == 0) code = assay_explainer_run(*explainer, image, class, width, height, pictures->heat, &problem);
    if (code != 0) {
      assay_log_message(ASSAY_LOG_WARNING, "the report shows errors without where the model looked: %s", problem.message);
      pictures->inexplicable = true;
    } else if (assay_explainer_found(*explainer)) {
      assay_heat_overlay(pixels, width, height, pictures->heat);
      return names[method];
    }
  }
  return NULL;
}

static int add_error(struct pictures *pictures, json_t *list, const struct assay_prediction_set *set, uint32_t row, uint32_t sample) {
  const struct assay_samples *samples = pictures->samples;
  const bool tested = set->parts[row] == ASSAY_PART_TEST;
  uint32_t width, height;
  scaled(samples, SIDE, &width, &height);
  uint8_t *pixels = enlarge(samples, samples->pixels[sample], width, height);
  json_t *image = pixels != NULL ? picture_json(pixels, width, height) : NULL, *heat = NULL;
  const char *method = image != NULL && tested ? lay_heat(pictures, samples->pixels[sample], set->guesses[row], pixels, width, height) : NULL;
  if (method != NULL) heat = picture_json(pixels, width, height);
  free(pixels);
  if (image == NULL || (method != NULL && heat == NULL)) {
    json_decref(image);
    return assay_status_memory(pictures->status);
  }
  json_array_append_new(list,
                        json_pack("{s:s,s:s,s:s,s:s,s:f,s:o,s:o?,s:s?}", "path", set->paths[row], "part", tested ? "test" : "validation", "label",
                                  set->classes[set->labels[row]], "guess", set->classes[set->guesses[row]], "score",
                                  set->scores[(size_t)row * set->class_count + (size_t)set->guesses[row]], "image", image, "heat", heat, "method", method));
  return 0;
}

static int64_t find_sample(const struct assay_samples *samples, const char *path) {
  for (uint32_t i = 0; i < samples->count; i++)
    if (samples->pixels[i] != NULL && strcmp(samples->paths[i], path) == 0) return i;
  return -1;
}

static int add_errors(struct pictures *pictures, json_t *list, const struct assay_prediction_set *set) {
  uint32_t count, *rows = assay_judgement_wrong(set, &count);
  if (rows == NULL) return assay_status_memory(pictures->status);
  bool tested = false;
  for (uint32_t row = 0; row < set->count; row++) tested |= set->parts[row] == ASSAY_PART_TEST;
  int code = 0;
  for (uint32_t i = 0; code == 0 && i < count && json_array_size(list) < MOST_ERRORS; i++) {
    const int64_t sample = tested == (set->parts[rows[i]] == ASSAY_PART_TEST) ? find_sample(pictures->samples, set->paths[rows[i]]) : -1;
    if (sample >= 0) code = add_error(pictures, list, set, rows[i], (uint32_t)sample);
  }
  free(rows);
  return code;
}

int assay_pictures_write(const struct assay_run *run, struct assay_session *session, const struct assay_model *model, const struct assay_samples *samples,
                         const struct assay_prediction_set *predictions, struct assay_status *status) {
  struct pictures pictures = {.model = model, .samples = samples, .session = session, .heat = malloc((size_t)SIDE * SIDE * sizeof(float)), .status = status};
  json_t *shown = json_array(), *errors = json_array();
  int code = pictures.heat == NULL ? assay_status_memory(status) : add_samples(&pictures, shown);
  if (code == 0) code = add_errors(&pictures, errors, predictions);
  json_t *object = json_pack("{s:i,s:o,s:o}", "schema", 1, "samples", shown, "errors", errors);
  char *text = code == 0 && object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
  const char *path = assay_run_path(run, "pictures.json");
  if (code == 0) code = text == NULL || path == NULL ? assay_status_memory(status) : assay_file_write(path, text, strlen(text), status);
  for (int method = 0; method < 2; method++) assay_explainer_release(pictures.explainers[method]);
  free(pictures.heat);
  free(text);
  json_decref(object);
  return code;
}
