/* SPDX-License-Identifier: MIT
 *
 * What a worker tells its parent: one JSON object a line, on a descriptor of its own, so that drivers cannot write into it.
 */
#ifndef ASSAY_RUN_MESSAGE_H
#define ASSAY_RUN_MESSAGE_H

#include <assay/types.h>
#include <stdbool.h>

struct assay_arena;

enum { ASSAY_MESSAGE_DESCRIPTOR = 3 };

enum assay_message_kind {
  ASSAY_MESSAGE_DEVICE = 1, /* `text`: the device in words; the worker is about to start */
  ASSAY_MESSAGE_TRIAL,      /* trial `number` begins */
  ASSAY_MESSAGE_EPOCH,      /* an epoch of it has ended */
  ASSAY_MESSAGE_TOLD,       /* it is finished: `value`, or `text` says why there is none */
  ASSAY_MESSAGE_NOTE,       /* `text` for the log; `number` is the level of base/log.h */
  ASSAY_MESSAGE_DONE,       /* nothing is left to do */
  ASSAY_MESSAGE_FAILED      /* the worker gives up: `code` and `text` */
};

struct assay_message {
  uint32_t kind;
  int32_t code;               /* FAILED: enum assay_error */
  uint32_t number;            /* of the trial */
  uint32_t fold, folds;       /* EPOCH: this one, and how many there are; fold == folds: the final training */
  uint32_t epoch, epochs;     /* EPOCH: this one, from 0, and the most there will be */
  double training, value;     /* EPOCH: losses in training and validation; TOLD: the objective. NaN: none */
  const char *text;
};

/* Writes one line whole; a parent that has gone is not an error here (the pipe's other end tells). */
void assay_message_send(int descriptor, const struct assay_message *message);
/* Reads one line (without its end); `text` from the arena. False when it is not a message. */
bool assay_message_parse(const char *line, struct assay_arena *arena, struct assay_message *message);

#endif
