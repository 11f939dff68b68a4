/* SPDX-License-Identifier: MIT
 *
 * The part of the conformance suite that is about whole programs: variables, assignments, stores, several functions, runs in flight.
 */
#ifndef ASSAY_CONFORMANCE_PROGRAMS_H
#define ASSAY_CONFORMANCE_PROGRAMS_H

#include "suite.h"

int assay_conformance_programs(struct assay_session *oracle, struct assay_session *tested, const struct assay_conformance_options *options,
                               struct assay_conformance_list *list, struct assay_status *status);

/* Appends a copy, and counts it. */
int assay_conformance_add(struct assay_conformance_list *list, const struct assay_conformance_result *result, struct assay_status *status);

#endif
