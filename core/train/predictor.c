/* SPDX-License-Identifier: MIT
 *
 * A model on a device: its graph at a useful batch size, a store a member, images in, scores out.
 */
#include "train/model.h"

#include "base/arena.h"
#include "base/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct assay_predictor {
  struct assay_session *session;
  const struct assay_backend *backend;
  const struct assay_model *model;
  struct assay_program_builder *builder; /* NULL: the model's own program is run */
  const struct assay_program *program;
  struct assay_executable *executable;   /* the session's */
  struct assay_store **stores;           /* by member */
  struct assay_buffer *pixels, *labels, *logits, *losses;
  uint8_t *host_pixels;
  int32_t *host_labels;
  float *host_logits, *host_losses;
  double *host_scores; /* of one sample */
  uint64_t taken;      /* of the session's memory */
  uint32_t batch;
};

/* The model's function again at another batch size. A graph that fixes its batch size cannot be built so; then the error says why. */
static int build(const struct assay_model *model, uint32_t batch, struct assay_program_builder **builder, const struct assay_program **program,
                 struct assay_status *status) {
  struct assay_program_builder *made = assay_program_begin();
  struct assay_builder *b = made == NULL ? NULL : assay_function_begin(made, "infer");
  assay_value fetches[2];
  int code = b == NULL ? assay_status_memory(status) : assay_model_replay(model, b, batch, NULL, 0, fetches, status);
  for (int i = 0; code == 0 && i < 2; i++) assay_function_fetch(b, fetches[i]);
  if (code == 0) code = assay_function_end(b, status);
  if (code == 0) code = assay_program_finish(made, program, status);
  if (code != 0) assay_program_release(made);
  else *builder = made;
  return code;
}

static int prepare(struct assay_predictor *predictor, struct assay_status *status) {
  const struct assay_model *model = predictor->model;
  const struct assay_backend *backend = predictor->backend;
  struct assay_device *device = assay_session_device(predictor->session);
  const uint64_t batch = predictor->batch, image = (uint64_t)model->height * model->width * model->channels;
  predictor->host_pixels = calloc(batch, image);
  predictor->host_labels = calloc(batch, sizeof(int32_t));
  predictor->host_logits = calloc(batch * model->logit_count, sizeof(float));
  predictor->host_losses = calloc(batch, sizeof(float));
  predictor->host_scores = calloc(model->class_count, sizeof(double));
  if (predictor->host_pixels == NULL || predictor->host_labels == NULL || predictor->host_logits == NULL ||
      predictor->host_losses == NULL || predictor->host_scores == NULL)
    return assay_status_memory(status);
  int code = assay_session_compile(predictor->session, predictor->program, &predictor->executable, status);
  const uint64_t beside = batch * (image + sizeof(int32_t) + (model->logit_count + 1) * sizeof(float));
  if (code == 0) code = assay_session_take_program(predictor->session, predictor->executable, model->member_count, beside, &predictor->taken, status);
  if (code == 0) code = backend->buffer_create(device, batch * image, &predictor->pixels, status);
  if (code == 0) code = backend->buffer_create(device, batch * sizeof(int32_t), &predictor->labels, status);
  if (code == 0) code = backend->buffer_create(device, batch * model->logit_count * sizeof(float), &predictor->logits, status);
  if (code == 0) code = backend->buffer_create(device, batch * sizeof(float), &predictor->losses, status);
  return code == 0 ? assay_model_stores_create(model, backend, predictor->executable, &predictor->stores, status) : code;
}

static int create_for(struct assay_session *session, const struct assay_model *model, uint32_t batch, struct assay_predictor **predictor,
                      struct assay_status *status) {
  struct assay_predictor *made = calloc(1, sizeof *made);
  if (made == NULL) return assay_status_memory(status);
  made->session = session;
  made->backend = assay_session_backend(session);
  made->model = model;
  made->batch = batch > 0 ? batch : 1;
  struct assay_status fixed;
  int code = build(model, made->batch, &made->builder, &made->program, &fixed);
  if (code == ASSAY_E_MEMORY) {
    assay_status_memory(status);
  } else {
    if (code != 0) { /* the graph holds for one batch size only */
      made->builder = NULL;
      made->program = model->program;
      made->batch = assay_model_fixed_batch(model);
    }
    code = prepare(made, status);
  }
  if (code != 0) assay_predictor_release(made);
  else *predictor = made;
  return code;
}

int assay_predictor_create(struct assay_session *session, const struct assay_model *model, uint32_t batch, struct assay_predictor **predictor,
                           struct assay_status *status) {
  *predictor = NULL;
  int code;
  do code = create_for(session, model, batch, predictor, status);
  while (code == ASSAY_E_MEMORY && (batch /= 2) > 0);
  return code;
}

void assay_predictor_release(struct assay_predictor *predictor) {
  if (predictor == NULL) return;
  const struct assay_backend *backend = predictor->backend;
  assay_model_stores_release(predictor->model, backend, predictor->stores);
  assay_session_give_back(predictor->session, predictor->taken);
  backend->buffer_release(predictor->pixels);
  backend->buffer_release(predictor->labels);
  backend->buffer_release(predictor->logits);
  backend->buffer_release(predictor->losses);
  assay_program_release(predictor->builder);
  free(predictor->host_pixels);
  free(predictor->host_labels);
  free(predictor->host_logits);
  free(predictor->host_losses);
  free(predictor->host_scores);
  free(predictor);
}

/* One member's say on the batch that was sent, added to the sums. */
static int ask_member(struct assay_predictor *predictor, uint32_t member, uint32_t count, double *scores, double *losses, struct assay_status *status) {
  const struct assay_backend *backend = predictor->backend;
  const uint32_t classes = predictor->model->class_count, logits = predictor->model->logit_count;
  struct assay_buffer *const feeds[] = {predictor->pixels, predictor->labels}, *const fetches[] = {predictor->logits, predictor->losses};
  int code = backend->run(predictor->executable, 0, predictor->stores[member], feeds, fetches, status);
  if (code == 0) code = backend->buffer_read(predictor->logits, 0, predictor->host_logits, (uint64_t)count * logits * sizeof(float), status);
  if (code == 0 && losses != NULL) code = backend->buffer_read(predictor->losses, 0, predictor->host_losses, count * sizeof(float), status);
  for (uint32_t i = 0; code == 0 && i < count; i++) {
    for (uint32_t k = 0; k < logits; k++)
      if (!isfinite(predictor->host_logits[(size_t)i * logits + k]))
        return assay_status_set(status, ASSAY_E_NONFINITE, "the model gives something that is not a finite number; its weights may be damaged");
    if (predictor->model->temperature != 1)
      for (uint32_t k = 0; k < logits; k++) predictor->host_logits[(size_t)i * logits + k] /= (float)predictor->model->temperature;
    assay_scores_from_logits(predictor->host_logits + (size_t)i * logits, logits, classes, predictor->host_scores);
    for (uint32_t class = 0; class < classes; class++) scores[(size_t)i * classes + class] += predictor->host_scores[class];
    if (losses != NULL) losses[i] += predictor->host_losses[i];
  }
  return code;
}

static int run_batch(struct assay_predictor *predictor, const uint8_t *const *images, const int32_t *labels, uint32_t count, double *scores, double *losses,
                     struct assay_status *status) {
  const struct assay_model *model = predictor->model;
  const struct assay_backend *backend = predictor->backend;
  const size_t image = (size_t)model->height * model->width * model->channels;
  for (uint32_t i = 0; i < count; i++) {
    memcpy(predictor->host_pixels + i * image, images[i], image);
    predictor->host_labels[i] = labels == NULL ? 0 : labels[i];
    for (uint32_t class = 0; class < model->class_count; class++) scores[(size_t)i * model->class_count + class] = 0;
    if (losses != NULL) losses[i] = 0;
  }
  int code = backend->buffer_write(predictor->pixels, 0, predictor->host_pixels, predictor->batch * image, status);
  if (code == 0) code = backend->buffer_write(predictor->labels, 0, predictor->host_labels, predictor->batch * sizeof(int32_t), status);
  for (uint32_t member = 0; code == 0 && member < model->member_count; member++) code = ask_member(predictor, member, count, scores, losses, status);
  for (size_t i = 0; i < (size_t)count * model->class_count; i++) scores[i] /= model->member_count;
  for (uint32_t i = 0; losses != NULL && i < count; i++) losses[i] /= model->member_count;
  return code;
}

int assay_predictor_run(struct assay_predictor *predictor, const uint8_t *const *images, const int32_t *labels, uint32_t count, double *scores, double *losses,
                        struct assay_status *status) {
  int code = 0;
  if (labels == NULL) losses = NULL;
  for (uint32_t first = 0, now; code == 0 && first < count; first += now) {
    now = count - first < predictor->batch ? count - first : predictor->batch;
    code = run_batch(predictor, images + first, labels == NULL ? NULL : labels + first, now, scores + (size_t)first * predictor->model->class_count,
                     losses == NULL ? NULL : losses + first, status);
  }
  return code;
}

int assay_predictor_part(struct assay_predictor *predictor, const struct assay_samples *samples, uint32_t part, struct assay_prediction_set *set,
                         struct assay_status *status) {
  const uint32_t batch = predictor->batch, classes = predictor->model->class_count;
  const uint8_t **images = calloc(batch, sizeof *images);
  uint32_t *numbers = calloc(batch, sizeof *numbers), waiting = 0;
  int32_t *labels = calloc(batch, sizeof *labels);
  double *scores = calloc((size_t)batch * classes, sizeof *scores), *losses = calloc(batch, sizeof *losses);
  int code = images == NULL || numbers == NULL || labels == NULL || scores == NULL || losses == NULL ? assay_status_memory(status) : 0;
  for (uint32_t i = 0; code == 0 && i <= samples->count; i++) {
    if (i < samples->count && samples->pixels[i] != NULL && samples->parts[i] == part) {
      images[waiting] = samples->pixels[i];
      labels[waiting] = samples->labels[i];
      numbers[waiting++] = i;
    }
    if (waiting < batch && i < samples->count) continue;
    code = assay_predictor_run(predictor, images, labels, waiting, scores, losses, status);
    for (uint32_t k = 0; code == 0 && k < waiting; k++)
      code = assay_predictions_add(set, samples->paths[numbers[k]], part, -1, -1, labels[k], scores + (size_t)k * classes, losses[k], status);
    waiting = 0;
  }
  free(images);
  free(numbers);
  free(labels);
  free(scores);
  free(losses);
  return code;
}
