/* SPDX-License-Identifier: MIT
 *
 * The tables of conformance cases: for an op, with which operands and attributes it is tried, and with which it is timed.
 */
#ifndef ASSAY_CONFORMANCE_CASES_H
#define ASSAY_CONFORMANCE_CASES_H

#include "case.h"

/* Adds the cases of `op` on operands of `dtype`: none when the op does not take that dtype, and none for an op that is not in the table. `thorough`
 * adds the larger ones. */
void assay_conformance_cases(struct assay_case_list *list, uint32_t op, int32_t dtype, bool thorough);

/* Adds the cases with which `op` is timed: few and of the size that they have in a network. Those flagged GRADIENT are timed with their gradients. */
void assay_conformance_timed_cases(struct assay_case_list *list, uint32_t op);

#endif
