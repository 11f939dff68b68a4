/* SPDX-License-Identifier: MIT
 *
 * From cases to compiled functions. A function's feeds are the operands and, when it is differentiated, the gradient of the first output; its results are the
 * outputs and then the operands' gradients.
 */
#ifndef ASSAY_CONFORMANCE_BUILD_H
#define ASSAY_CONFORMANCE_BUILD_H

#include "case.h"
#include "graph/session.h"

/* A composite without a rule of its own is differentiated through its decomposition. */
bool assay_case_has_gradient(const struct assay_case *c);
bool assay_case_wants_gradient(const struct assay_case *c, uint32_t input);
uint32_t assay_case_output_count(const struct assay_case *c);
/* Does the oracle compute it in f64? Where bits must agree it computes in the case's own dtypes. */
bool assay_case_is_widened(const struct assay_case *c);

/* The cases as functions of one program, compiled. The builder is the caller's to release, also on failure. */
int assay_conformance_compile(struct assay_session *session, const struct assay_case *cases, size_t count, bool oracle, struct assay_program_builder **builder,
                              const struct assay_program **program, struct assay_executable **executable, struct assay_status *status);

#endif
