/* SPDX-License-Identifier: MIT
 *
 * Tensors in host memory for the conformance suite: made at random, widened, compared.
 */
#ifndef ASSAY_CONFORMANCE_TENSORS_H
#define ASSAY_CONFORMANCE_TENSORS_H

#include "cases.h"
#include "suite.h"

#include <assay/random.h>

struct assay_host_tensor {
  struct assay_tensor_type type;
  unsigned char *bytes; /* malloc'ed */
};

size_t assay_host_tensor_size(const struct assay_tensor_type *type); /* bytes */
double assay_host_number(const struct assay_host_tensor *tensor, int64_t element);

/* Fills a tensor of the operand's type; false when memory is short. */
bool assay_host_tensor_fill(struct assay_host_tensor *tensor, const struct assay_case_operand *operand, struct assay_random *random);
/* The same numbers as f64 when they are floats, otherwise a copy. */
bool assay_host_tensor_widen(struct assay_host_tensor *wide, const struct assay_host_tensor *tensor);

/* How errors are measured: |got - expected| / max(|expected|, floor). `floor_is_scale`: the floor is the root mean square of what is expected, or the
 * number given, if that is larger. Without a bound every bit must agree (but all not-a-numbers are one). Fills worst, bound, verdict and message. */
struct assay_measure {
  double bound, floor;
  bool floor_is_scale;
};
void assay_host_compare(const struct assay_host_tensor *got, const struct assay_host_tensor *expected, const struct assay_measure *measure,
                        struct assay_conformance_result *result);

/* Runs one function on buffers made for the occasion. Results go to malloc'ed bytes of `fetches`, whose types this sets; buffers for results hold rubbish
 * (not-a-number, as floats) before. On an error nothing is left behind. */
int assay_host_call(struct assay_session *session, struct assay_executable *executable, struct assay_store *store, const struct assay_program *program,
                    uint32_t function, const struct assay_host_tensor *feeds, struct assay_host_tensor *fetches, struct assay_status *status);
void assay_host_tensors_release(struct assay_host_tensor *tensors, uint32_t count); /* the bytes; NULLs are fine */

#endif
