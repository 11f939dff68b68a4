/* SPDX-License-Identifier: MIT
 *
 * The live line of a search: how far it is, the best so far, and how long it will take. Only on a terminal; elsewhere a line a finished trial.
 */
#ifndef ASSAY_TOOLS_PROGRESS_H
#define ASSAY_TOOLS_PROGRESS_H

#include "cli.h"

#include "run/message.h"

struct progress {
  const struct cli *cli;
  const char *objective;
  bool maximise;
  uint32_t trials, finished;  /* how many there will be, and are */
  uint32_t finished_before;   /* when this start began */
  double best;                /* NaN: none */
  uint32_t best_trial;
  double began;               /* assay_clock_seconds */
  double drawn;               /* when the line was last drawn */
  bool line;                  /* there is a line on the terminal to be cleared */
  bool final;                 /* the final training is on */
};

/* For assay_supervisor's `message`; `context` is a struct progress. */
void progress_message(void *context, uint32_t worker, const struct assay_message *message);
/* Clears the line. */
void progress_end(struct progress *progress);
/* "1 h 02 m", "3 m 20 s", "12 s". At least 32 bytes. */
void progress_duration(double seconds, char *text);

#endif
