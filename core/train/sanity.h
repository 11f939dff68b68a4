/* SPDX-License-Identifier: MIT
 *
 * Short trainings that answer one question each before a long one is begun: which learning rates are of use, and can the network learn these images at all?
 */
#ifndef ASSAY_TRAIN_SANITY_H
#define ASSAY_TRAIN_SANITY_H

#include "graph/session.h"
#include "train/samples.h"
#include "train/trainer.h"

/* ---- Learning-rate range test (Smith, "Cyclical learning rates", 2017) ---- */

struct assay_range_point {
  double rate, loss, smoothed; /* loss of the one step that was taken at this rate; its running mean, corrected for its start */
};
struct assay_range {
  uint32_t count;
  const struct assay_range_point *points;
  double steepest;  /* the rate at which the smoothed loss falls fastest */
  double lowest;    /* at which it is lowest */
  double suggested; /* the smaller of `steepest` and a tenth of `lowest`. NaN: the loss never fell */
};

/* Trains on the training part with a rate that grows evenly in its logarithm from `low` to `high` over `steps` steps, and stops when the smoothed loss is four times its
 * lowest or not finite. `hooks` may be NULL. */
int assay_range_test(struct assay_session *session, const struct assay_samples *samples, const struct assay_settings *settings, double low, double high, uint32_t steps,
                     const struct assay_hooks *hooks, struct assay_arena *arena, struct assay_range *range, struct assay_status *status);

/* ---- Overfitting a few images ---- */

enum assay_overfit_outcome {
  ASSAY_OVERFIT_DONE = 0,     /* both losses near 0, and every prediction right */
  ASSAY_OVERFIT_BLANK,        /* images without content at this size */
  ASSAY_OVERFIT_EQUAL,        /* equal images under different labels at this size */
  ASSAY_OVERFIT_RATE_HIGH,    /* a smaller learning rate does it */
  ASSAY_OVERFIT_RATE_LOW,     /* a larger one does */
  ASSAY_OVERFIT_LABELS,       /* a few images are learned by heart, but nothing carries over from more of them to others */
  ASSAY_OVERFIT_NETWORK       /* none of these: the network, or a layer that works otherwise in evaluation than in training */
};

struct assay_overfit {
  uint32_t outcome;
  uint32_t images, right, steps;             /* steps: until both losses were low, or all that were allowed */
  double training_loss, evaluation_loss;
  double rate, better_rate;                  /* better_rate: that does it; NaN */
  uint32_t learned_images;                   /* of a second, larger training, when that was tried */
  uint32_t carried_images, carried_right;    /* others that it was judged on */
  const char *first, *second;                /* paths of images that are blank or equal; NULL */
};

/* Trains on `images` images of the training part, of all classes in turn, whole at each step, without augmentation, dropout, weight decay and schedule
 * (but with a warm-up where the settings have one). */
int assay_overfit_test(struct assay_session *session, const struct assay_samples *samples, const struct assay_settings *settings, uint32_t images,
                       const struct assay_hooks *hooks, struct assay_arena *arena, struct assay_overfit *overfit, struct assay_status *status);

#endif
