/* SPDX-License-Identifier: MIT
 *
 * What the files that build a network's functions share: the function at hand. Private to core/train.
 */
#ifndef ASSAY_TRAIN_BUILD_H
#define ASSAY_TRAIN_BUILD_H

#include "train/network.h"
#include "train/tuning.h"

/* A function being built. */
struct build {
  struct assay_builder *b;
  struct assay_program_builder *program;
  const struct assay_settings *settings;
  const struct assay_network_facts *facts;
  const struct assay_tuning *tuning; /* NULL: everything is trained alike */
  struct assay_arena *arena;     /* for option values */
  struct assay_build_context context;
  assay_value options;           /* the feed; invalid: runtime options become constants */
  uint32_t option_count;         /* so far; 0 is the count of updates */
  int32_t rate_option, momentum_option;
  uint32_t batch;
  uint32_t phase;                /* of the tuning */
  struct assay_layer_facts *walked;  /* [layer_count], filled on the way; NULL: nobody asks */
  assay_value patch_keys;        /* while training: the context's keys, one a patch */
  assay_value logits, labels;    /* labels of the batch */
  assay_value losses;            /* [batch] */
  assay_value shares;            /* [batch]: of its own label in a sample's loss; invalid: all of it */
  assay_value partner_losses;    /* [batch]: with the partner's label, which has the rest */
};

/* ---- The forward pass; forward.c ---- */

/* The graph value of the next runtime option; a constant where there is no feed of options. */
assay_value assay_build_option(struct build *build, double value);
/* Starts the scope of a component; its option values with runtime ones bound to the graph. NULL when memory is short. */
const struct assay_option_value *const *assay_build_enter(struct build *build, const struct assay_component *component);
void assay_build_fail(struct build *build, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One element, of whatever rank, as a scalar. */
assay_value assay_build_scalar(struct assay_builder *b, assay_value x);
/* How many options of a component are runtime ones; 0 without a plugin. */
uint32_t assay_build_runtime_options(const struct assay_component *component);
/* Pixels of the batch through all layers. Gives the last one's output. */
assay_value assay_build_layers(struct build *build, assay_value pixels);
/* Pixels and labels of the batch to logits and losses. */
void assay_build_forward(struct build *build, assay_value pixels, assay_value labels);

/* ---- Gradients and updates; update.c ---- */

/* The gradients of a batch's mean loss, and what the optimizer makes of them. */
void assay_build_update(struct build *build, assay_value loss);
/* Adds a piece's gradients of its summed loss, and its weight, to those of the batch. */
void assay_build_gather(struct build *build, assay_value total, assay_value piece_weight);
/* The gradients of a whole batch's mean loss from those of its pieces, which start at zero again, and what the optimizer makes of them. */
void assay_build_update_gathered(struct build *build);

/* ---- Fine-tuning; finetune.c ---- */

/* Is variable `index` of that role trained in the phase? */
bool assay_build_trains(const struct build *build, uint32_t role, uint32_t index);
/* The optimizer's options for each group of parameters: the same but for the learning rate. NULL when memory is short. */
const struct assay_option_value *const *const *assay_build_groups(struct build *build, const struct assay_option_value *const *values);
/* In the scope of a parameter: its running mean follows its new value. */
void assay_build_follow(struct assay_builder *b, assay_value value, assay_value share);
/* From here on, reads of parameters give their running means. */
void assay_build_read_averages(struct build *build);
/* The number of the variable that holds the running mean of variable `index`; -1: there is none. */
int32_t assay_build_average(const struct assay_program_builder *program, uint32_t index);
/* Runtime options of the update that no component has: factors of the groups' rates, the share that a running mean keeps. Writes them to `options` unless that is
 * NULL, and gives their count. */
uint32_t assay_build_update_options(const struct assay_train_settings *settings, float *options);

#endif
