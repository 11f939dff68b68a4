/* SPDX-License-Identifier: MIT
 *
 * A compiled network at work on a device: one store of variables that is trained, one that keeps the best weights, and the buffers that batches
 * travel in. Knows batches and epochs, but nothing of folds and when to stop.
 */
#ifndef ASSAY_TRAIN_RUNNER_H
#define ASSAY_TRAIN_RUNNER_H

#include "graph/session.h"
#include "train/network.h"
#include "train/pretrained.h"
#include "train/features.h"
#include "train/trainer.h"

struct assay_runner {
  struct assay_session *session;
  const struct assay_backend *backend;
  const struct assay_samples *samples;
  const struct assay_network *network;
  const struct assay_pretrained *pretrained; /* set by the caller; NULL: all weights start from the seed */
  struct assay_features *features;         /* what is kept; NULL where the network keeps nothing */
  uint32_t phase;                          /* of the network */
  struct assay_executable *executable;     /* the session's */
  struct assay_store *store, *best;
  struct assay_source images, kept;
  struct assay_buffer *indices, *options, *weights, *keys;
  struct assay_buffer *logits[2], *losses[2]; /* two evaluations are in flight */
  /* The same on the host. */
  int32_t *host_indices;
  float *host_options, *host_weights, *host_logits, *host_losses;
  uint32_t *host_keys;
  uint32_t *uses;    /* by sample number: how often it was trained on in this epoch, so that each time gets random numbers of its own */
  uint32_t capacity; /* samples of the largest batch */
  uint64_t updates;  /* since the weights were initialised */
  uint64_t taken;    /* of the session's memory */
};

/* Compiles and allocates; network, residency and features (NULL where the network keeps nothing), which were prepared for it, outlive the runner. */
int assay_runner_create(struct assay_session *session, const struct assay_samples *samples, const struct assay_residency *residency,
                        struct assay_features *features, const struct assay_network *network, struct assay_runner *runner, struct assay_status *status);
void assay_runner_release(struct assay_runner *runner);

/* First weights from the seed, or pretrained ones where there are some, zeros for optimizers, and how pixels are normalised: (pixel - mean) / deviation. */
int assay_runner_initialise(struct assay_runner *runner, uint64_t seed, const double *mean, const double *deviation, struct assay_status *status);

/* Parameters and statistics as assay_runner_weights gave them, of the same network at another size; the normalisation of pixels stays. ASSAY_E_CONFIG when a variable has
 * another size here. */
int assay_runner_load(struct assay_runner *runner, const struct assay_weights *weights, struct assay_status *status);
/* To be called when the first weights are there: their running means start from them, and training in the first phase. */
int assay_runner_begin(struct assay_runner *runner, struct assay_status *status);
/* Goes on in another phase, with a fresh optimizer. */
int assay_runner_enter_phase(struct assay_runner *runner, uint32_t phase, struct assay_status *status);

/* What an epoch of training did. */
struct assay_epoch_sums {
  double loss, weight, correct;
  uint32_t nonfinite_step; /* in this epoch, from 1; 0: none */
  double waited;           /* seconds for images to be sent; 0 where they are on the device */
};
/* What changes from step to step. Not looked at where the optimizer has no such option. */
struct assay_pace {
  float rate, momentum;
};
struct assay_epoch_task {
  const uint32_t *numbers;         /* samples, in the order in which they are trained on */
  uint32_t count;
  const float *options;            /* as assay_network_options made it */
  const struct assay_pace *paces;  /* one a step; NULL: as the options have it */
  const double *class_weights;     /* [class_count] */
  uint64_t seed;
  uint32_t epoch;                  /* with the seed and a sample's number it makes the sample's random key */
  const struct assay_hooks *hooks; /* may be NULL */
};
/* One epoch. */
int assay_runner_train(struct assay_runner *runner, const struct assay_epoch_task *task, struct assay_epoch_sums *sums, struct assay_status *status);

/* Scores [count, class_count] and losses [count] of the samples. */
int assay_runner_evaluate(struct assay_runner *runner, const uint32_t *numbers, uint32_t count, const float *options, double *scores, double *losses,
                          struct assay_status *status);

/* What frozen layers make of the samples: [count, network->kept.width]. */
int assay_runner_features(struct assay_runner *runner, const uint32_t *numbers, uint32_t count, const float *options, float *features, struct assay_status *status);

/* Keeps the weights as they are now; later takes them from there. */
int assay_runner_keep(struct assay_runner *runner, struct assay_status *status);
/* Parameters (where there are running means of them, those) and statistics, of the kept weights or of those at hand; memory from `arena`. */
int assay_runner_weights(struct assay_runner *runner, bool kept, struct assay_arena *arena, const struct assay_weights **weights, struct assay_status *status);

#endif
