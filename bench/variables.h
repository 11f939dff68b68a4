/* SPDX-License-Identifier: MIT
 *
 * Variables as a training begins with them, for benchmarks that run a program without a trainer.
 */
#ifndef ASSAY_BENCH_VARIABLES_H
#define ASSAY_BENCH_VARIABLES_H

#include "graph/graph.h"

#include <assay/backend.h>

/* Writes the initial value of each of the program's variables, from seed 1, into the store. */
int bench_fill_variables(const struct assay_backend *backend, struct assay_store *store, const struct assay_program_builder *program, struct assay_status *status);

#endif
