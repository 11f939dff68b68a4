/* SPDX-License-Identifier: MIT
 *
 * A network built for some folds of a data set, compiled, with its buffers and its pretrained weights; and how batches are cut where memory is short.
 */
#ifndef ASSAY_TRAIN_BENCH_H
#define ASSAY_TRAIN_BENCH_H

#include "train/material.h"
#include "train/runner.h"

struct assay_bench {
  struct assay_network *network;
  struct assay_pretrained *pretrained; /* NULL: none */
  struct assay_runner runner;
};

/* How many samples go through the network at once. Starts as everything at once, and is made smaller while memory does not suffice. */
struct assay_cut {
  uint32_t first, end;        /* the parts that it is for */
  bool sent;                  /* nothing of the samples stays on the device, but is sent batch by batch */
  uint32_t piece, evaluation; /* samples of a gradient, and of an evaluation at most */
  bool built;                 /* the network could be built, and so … */
  char coupling[128];         /* … this is what ties samples together, */
  bool coupled;               /* if anything does */
  bool resident;              /* a network was built that keeps on the device what frozen layers make */
  bool told;                  /* what is said once: which pretrained weights were loaded, and what is kept where */
};

struct assay_cut assay_cut_whole(const struct assay_settings *settings, uint32_t first, uint32_t end);
/* After ASSAY_E_MEMORY with this cut of some stages, the last of which has these settings: 0 and a smaller one, or the error when there is none. What is
 * kept on the device makes room first. No bench may be set up. */
int assay_cut_smaller(struct assay_material *stages, uint32_t stage_count, const struct assay_settings *settings, struct assay_cut *cut,
                      struct assay_status *status);

/* On failure there is nothing to take down. */
int assay_bench_set_up(struct assay_material *material, const struct assay_settings *settings, struct assay_cut *cut, struct assay_bench *bench,
                       struct assay_status *status);
void assay_bench_take_down(struct assay_bench *bench);

#endif
