/* SPDX-License-Identifier: MIT
 *
 * The part of the conformance suite that is about whole programs: variables, assignments, stores, several functions, runs in flight.
 */
#ifndef ASSAY_CONFORMANCE_PROGRAMS_H
#define ASSAY_CONFORMANCE_PROGRAMS_H

#include "suite.h"

/* Names, by number; NULL past the last. */
const char *assay_conformance_program(uint32_t number);
int assay_conformance_run_program(struct assay_session *oracle, struct assay_session *tested, uint32_t number, const struct assay_conformance_options *options,
                                  struct assay_conformance_list *list, struct assay_status *status);

/* Appends a copy, counts it, and tells whoever watches. */
int assay_conformance_add(struct assay_conformance_list *list, const struct assay_conformance_options *options, const struct assay_conformance_result *result,
                          struct assay_status *status);

#endif
