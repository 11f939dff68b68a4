/* SPDX-License-Identifier: MIT
 *
 * From settings to a program: pixels to logits through the layers, the loss, its gradient and the update. One program serves all folds of a
 * trial, and every trial of the same structure: what may change without a new program travels in one vector of options.
 */
#ifndef ASSAY_TRAIN_NETWORK_H
#define ASSAY_TRAIN_NETWORK_H

#include "config/plan.h"
#include "graph/graph.h"

/* What a network is built for. */
struct assay_network_facts {
  uint32_t class_count, height, width, channels;
  bool first_is_positive;           /* the positive class is class 0: of one logit the lowest is the surest */
  uint32_t resident;                /* samples whose pixels stay on the device; 0: every call is fed the pixels of its batch */
  uint32_t training_count_count;
  const uint32_t *training_counts;  /* how many samples will be trained on, one a fold: they give the sizes of last batches */
  uint32_t evaluation_batch;
  uint32_t kept_rows;               /* samples of which may be kept what frozen layers make of them; 0: it is not kept */
  uint64_t most_resident, most_sent; /* bytes that this may take on the device, or else on the host */
  uint32_t piece;                   /* batches are cut into pieces of so many samples, whose gradients are added before an update; 0: they are not */
};

/* Feeds of `step` functions, by number; `evaluate` has those up to OPTIONS. B: samples of the batch. */
enum assay_network_feed {
  ASSAY_FEED_PIXELS = 0,  /* u8 [resident or B, H, W, C] */
  ASSAY_FEED_LABELS = 1,  /* i32 [resident or B] */
  ASSAY_FEED_INDICES = 2, /* i32 [B]: rows of the resident samples; not looked at without them */
  ASSAY_FEED_OPTIONS = 3, /* f32 [option_count]: the count of updates (1 for the first), then runtime options */
  ASSAY_FEED_WEIGHTS = 4, /* f32 [B]: the loss is sum(weight * loss) / sum(weight) */
  ASSAY_FEED_KEYS = 5     /* u32 [B, 2]: one random key a sample */
};
/* Fetches of `evaluate`. */
enum assay_network_fetch {
  ASSAY_FETCH_LOGITS = 0, /* f32 [B, logit_count] */
  ASSAY_FETCH_LOSSES = 1  /* f32 [B] */
};

/* Sums that `step` functions add to, one f32 each; set to zero before an epoch. */
enum assay_network_sum {
  ASSAY_SUM_LOSS = 0,      /* of weight * loss */
  ASSAY_SUM_WEIGHT = 1,
  ASSAY_SUM_CORRECT = 2,   /* of samples decided right at threshold 0.5 */
  ASSAY_SUM_NONFINITE = 3, /* the count of updates at the first step whose loss was not finite; 0: none */
  ASSAY_SUM_COUNT = 4
};

/* A function that trains on so many samples. Without pieces a batch, whose step updates as well; with them a piece, whose gradient is added up. */
struct assay_network_step {
  uint32_t batch;
};

/* A network whose first layers are frozen for some epochs is trained in two phases, each with functions of its own. */
struct assay_network_phase {
  uint32_t first_step;  /* number of the function for steps[0]; the others follow */
  uint32_t update;      /* with pieces: number of the function, whose one feed is the options */
  uint32_t evaluate;    /* number of the function */
};

/* What frozen layers make of each sample, computed once: a row of numbers that functions are fed in place of its pixels. */
struct assay_network_kept {
  uint64_t width;    /* numbers a sample; 0: nothing is kept */
  uint64_t bytes;    /* of all samples; also where that is more than may be kept */
  bool resident;     /* readers are fed the rows of all samples that are kept, f32 [kept_rows, width], and their labels; else those of the batch */
  uint32_t function; /* number of the one that computes it: the feeds of `evaluate` up to OPTIONS, one fetch, f32 [evaluation_batch, width] */
  const bool *reads; /* by function: it is fed these rows */
};

struct assay_network {
  struct assay_arena *arena;
  struct assay_program_builder *builder; /* for the definitions of variables */
  const struct assay_program *program;
  struct assay_network_facts facts;
  uint32_t logit_count;                   /* 1 or class_count */
  uint32_t batch;
  uint32_t step_count;
  const struct assay_network_step *steps; /* by batch size, the full one first */
  const struct assay_tuning *tuning;      /* NULL: everything is trained alike */
  uint32_t phase_count;
  struct assay_network_phase phases[2];
  struct assay_network_kept kept;
  const int32_t *averages;                /* by variable: number of the one that holds its running mean; -1: none */
  const char *coupling;                   /* origin of what ties the samples of a batch together, so that it cannot be cut into pieces; NULL: nothing does */
  uint32_t option_count;
  int32_t rate_option, momentum_option;   /* places of the learning rate and of the momentum (or beta1) in the options; -1: the optimizer has none */
  uint32_t sums[ASSAY_SUM_COUNT];         /* numbers of variables */
  uint32_t mean, scale;                   /* numbers of variables: (pixel - mean) * scale, f32 [C] */
  uint64_t parameter_count;               /* trained numbers */
};

/* Is the function fed rows of what is kept, in place of pixels? */
bool assay_network_reads_kept(const struct assay_network *network, uint32_t function);
/* Builds the program. Errors name the layer and where it stands in the file: ASSAY_E_CONFIG, ASSAY_E_PLUGIN, ASSAY_E_MEMORY. */
int assay_network_create(const struct assay_settings *settings, const struct assay_network_facts *facts, struct assay_network **network,
                         struct assay_status *status);
/* Do the names of [train] freeze and rate_groups fit parameters of this network? ASSAY_E_CONFIG with the nearest ones when not. Needs no images. */
int assay_network_check_names(const struct assay_settings *settings, struct assay_status *status);
void assay_network_release(struct assay_network *network);
/* The function for a batch, or piece, of that size; -1. */
int32_t assay_network_step_function(const struct assay_network *network, uint32_t phase, uint32_t batch);
/* The vector of options: runtime options as they stand in `settings`; the first element, the count of updates, is left to the caller. */
void assay_network_options(const struct assay_settings *settings, float *options);

/* The network alone for a model file: one function with feeds pixels u8 [2, H, W, C] and labels i32 [2], fetches logits and losses, runtime options as
 * constants. Variables are those of the network that inference needs, under the same names. Release with assay_program_release. */
int assay_network_inference(const struct assay_settings *settings, const struct assay_network_facts *facts, struct assay_program_builder **builder,
                            const struct assay_program **program, struct assay_status *status);

/* Scores of one sample from its logits: the sigmoid (of the second class) for one logit, else softmax; in double, each row sums to 1. */
void assay_scores_from_logits(const float *logits, uint32_t logit_count, uint32_t class_count, double *scores);

#endif
