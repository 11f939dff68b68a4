/* SPDX-License-Identifier: MIT
 *
 * The conformance suite: runs a backend against an oracle, op by op and on whole programs. Test programs and tools link it; it prints nothing and checks
 * nothing away, every comparison comes back as an entry of a list.
 *
 * Floats are compared with what the oracle computes in f64 from the same inputs, so the oracle's own f32 is judged by the same measure. What only moves
 * numbers, and whole numbers, must agree bit for bit.
 */
#ifndef ASSAY_CONFORMANCE_SUITE_H
#define ASSAY_CONFORMANCE_SUITE_H

#include "graph/session.h"

enum assay_conformance_verdict {
  ASSAY_CONFORMANCE_PASSED,
  ASSAY_CONFORMANCE_FAILED,
  ASSAY_CONFORMANCE_REFUSED /* the backend does not take it and need not */
};

struct assay_conformance_result {
  const char *subject; /* name of the op, or of the program */
  const char *dtype;   /* of the first operand */
  char detail[200];    /* extents and attributes */
  char part[64];       /* "output 0", "gradient 1", … */
  double worst, bound; /* largest error, and what is allowed; 0 and 0 where bits must agree */
  enum assay_conformance_verdict verdict;
  char message[400];   /* where the worst error is, or why there is none; empty when passed */
};

struct assay_conformance_list {
  struct assay_conformance_result *results;
  size_t count, capacity;
  size_t passed, failed, refused;
};

/* Who wants to know while it runs; every function may be NULL. */
struct assay_conformance_watch {
  void *context;
  /* What is about to be done: should the device take the process down, this was it. */
  void (*begin)(void *context, const char *subject, const char *what);
  void (*result)(void *context, const struct assay_conformance_result *result);
};

struct assay_conformance_options {
  uint64_t seed;          /* of all inputs */
  bool thorough;          /* larger shapes too */
  bool values, gradients; /* what is compared; programs belong to the values */
  const struct assay_conformance_watch *watch; /* NULL: nobody */
};

/* What can be tested: every op, then the programs. NULL past the last. */
const char *assay_conformance_subject(uint32_t number);
/* The subject of that name; -1. */
int32_t assay_conformance_find(const char *name);

/* Runs one subject. The oracle is a session of the backend `reference`; it may be the same backend as the tested one, in a session of its own. 0, or an
 * error when the suite itself could not go on; differences are in the list, which grows. */
int assay_conformance_run(struct assay_session *oracle, struct assay_session *tested, uint32_t subject, const struct assay_conformance_options *options,
                          struct assay_conformance_list *list, struct assay_status *status);
void assay_conformance_release(struct assay_conformance_list *list);

/* How long a subject takes on two devices. */
struct assay_conformance_time {
  const char *subject;
  char detail[200];
  double tested, other; /* seconds a call, host included; NaN: see message */
  double operations;    /* floating-point ones of a product or a convolution; 0: not counted */
  char message[400];    /* why there is no time; empty */
};

/* Times a subject's cases on the tested device and on another (NULL: alone), which is most often `cpu`. `times` gets at most `capacity` entries. Programs have none. */
int assay_conformance_measure(struct assay_session *tested, struct assay_session *other, uint32_t subject, const struct assay_conformance_options *options,
                              struct assay_conformance_time *times, uint32_t capacity, uint32_t *count, struct assay_status *status);

const char *assay_conformance_dtype(int32_t dtype); /* "f32"; "?" */

#endif
