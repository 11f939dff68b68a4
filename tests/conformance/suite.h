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

struct assay_conformance_options {
  uint64_t seed;     /* of all inputs */
  bool thorough;     /* larger shapes too */
  const char *only;  /* name of an op or a program; NULL: all */
};

/* Runs everything: ops, composites, gradients, programs. The oracle is a session of the backend `reference`; it may be the same backend as the tested
 * one, in a session of its own. 0, or an error when the suite itself could not go on; differences are in the list. */
int assay_conformance_run(struct assay_session *oracle, struct assay_session *tested, const struct assay_conformance_options *options,
                          struct assay_conformance_list *list, struct assay_status *status);
void assay_conformance_release(struct assay_conformance_list *list);

const char *assay_conformance_dtype(int32_t dtype); /* "f32"; "?" */

#endif
