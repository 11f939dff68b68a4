/* SPDX-License-Identifier: MIT
 *
 * What every part of the backend needs: a status filled with a sentence, memory freed as one, and a growing string.
 */
#ifndef ASSAY_OPENCL_SUPPORT_H
#define ASSAY_OPENCL_SUPPORT_H

#include <assay/types.h>
#include <stdbool.h>

/* Sets code and message, and gives the code back. `status` may be NULL. */
int assay_cl_status(struct assay_status *status, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Memory that lives as long as a compilation or an executable. Starts as NULL. */
struct assay_cl_pool {
  struct assay_cl_pool *next;
};
/* Zeroed; NULL when memory is short or the product overflows. */
void *assay_cl_take(struct assay_cl_pool **pool, size_t count, size_t size);
void assay_cl_pool_release(struct assay_cl_pool **pool);
#define ASSAY_CL_NEW(pool, type, count) ((type *)assay_cl_take((pool), (count), sizeof(type)))

/* Starts as zeros; release `data` with free. `failed`: memory was short. */
struct assay_cl_text {
  char *data;
  size_t length, capacity;
  bool failed;
};
void assay_cl_print(struct assay_cl_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
