/* SPDX-License-Identifier: MIT
 *
 * The model file: safetensors, whose metadata holds the inference graph with its preprocessing. It needs a backend to run, but no layer plugin, and it
 * cannot contain anything that executes.
 */
#ifndef ASSAY_TRAIN_MODEL_H
#define ASSAY_TRAIN_MODEL_H

#include "graph/graph.h"
#include "graph/session.h"
#include "train/model_judge.h"
#include "train/predictions.h"
#include "train/samples.h"
#include "train/trainer.h"

struct assay_model {
  struct assay_arena *arena;
  uint32_t class_count;
  int32_t positive;           /* -1: none named */
  const char *const *classes;
  double threshold;           /* see struct assay_prediction_set */
  double temperature;         /* what logits are divided by before they become scores; 1: not calibrated */
  struct assay_model_judge judge; /* how its run judged */
  uint32_t height, width, channels, colour; /* how an image must be prepared: enum assay_colour */
  struct assay_fitting fitting;
  uint32_t logit_count;
  uint8_t data_hash[16];      /* of the data it was trained on */
  const char *version;        /* of the Assay that wrote it */
  struct assay_program_builder *builder;
  const struct assay_program *program;  /* one function, see assay_network_inference */
  uint32_t member_count;                /* more than one: an ensemble, whose scores and losses are averaged */
  const struct assay_weights *members;  /* by member: the program's variables in order, outside layout */
};

/* Makes a model of trained weights, which are copied. */
int assay_model_create(const struct assay_settings *settings, const struct assay_samples *samples, const struct assay_weights *const *members,
                       uint32_t member_count, struct assay_model **model, struct assay_status *status);
/* Makes a model of the pretrained weights that the settings name, classes and all, without training. ASSAY_E_CONFIG when the INI leaves the size or the
 * normalisation to the data, or the weights lack a variable. */
int assay_model_from_weights(const struct assay_settings *settings, struct assay_model **model, struct assay_status *status);
void assay_model_release(struct assay_model *model);
void assay_model_set_threshold(struct assay_model *model, double threshold);
void assay_model_set_temperature(struct assay_model *model, double temperature);

/* ASSAY_E_STORAGE. */
int assay_model_write(const struct assay_model *model, const char *path, struct assay_status *status);
/* ASSAY_E_DATA with what is wrong: nothing of a file is believed before it was checked, and the graph goes through shape inference again. */
int assay_model_read(const char *path, struct assay_model **model, struct assay_status *status);
/* The same from memory; `name` for messages. */
int assay_model_parse(const char *name, const void *data, size_t size, struct assay_model **model, struct assay_status *status);
/* The settings with which assay_image_load prepares an image for this model. */
struct assay_data_settings assay_model_data_settings(const struct assay_model *model);

/* ---- The stored graph brought to life; model_program.c ---- */

/* Builds the model's function again inside `b`: feeds pixels u8 [batch, H, W, C] and labels i32 [batch]; `fetches` gets logits, losses and the stored graph's values
 * `also`. ASSAY_E_DATA when the graph holds for one batch size alone, which assay_model_fixed_batch gives. */
int assay_model_replay(const struct assay_model *model, struct assay_builder *b, uint32_t batch, const int32_t *also, uint32_t also_count, assay_value *fetches,
                       struct assay_status *status);
uint32_t assay_model_fixed_batch(const struct assay_model *model);
/* A store a member, with its weights, for an executable whose variables are the model's. What was made stays in *stores also on failure. */
int assay_model_stores_create(const struct assay_model *model, const struct assay_backend *backend, struct assay_executable *executable, struct assay_store ***stores,
                              struct assay_status *status);
void assay_model_stores_release(const struct assay_model *model, const struct assay_backend *backend, struct assay_store **stores);

/* A model on a device. */
struct assay_predictor;
/* `batch`: most images a call, halved while memory does not suffice; a graph that was written for one batch size only keeps that size inside. Model and
 * session outlive the predictor. */
int assay_predictor_create(struct assay_session *session, const struct assay_model *model, uint32_t batch, struct assay_predictor **predictor,
                           struct assay_status *status);
void assay_predictor_release(struct assay_predictor *predictor);
/* Scores f64 [count, class_count] of `count` images (any number), each height * width * channels bytes. With `labels` (may be NULL) also fills `losses` [count]
 * (may be NULL). ASSAY_E_NONFINITE when the model gives something that is no number. */
int assay_predictor_run(struct assay_predictor *predictor, const uint8_t *const *images, const int32_t *labels, uint32_t count, double *scores, double *losses,
                        struct assay_status *status);
/* The class decided for, by the model's threshold. */
int32_t assay_model_decide(const struct assay_model *model, const double *scores);
/* Adds every usable sample of one part to a set, with fold -1. */
int assay_predictor_part(struct assay_predictor *predictor, const struct assay_samples *samples, uint32_t part, struct assay_prediction_set *set,
                         struct assay_status *status);

#endif
