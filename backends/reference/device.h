/* SPDX-License-Identifier: MIT
 *
 * The structures behind the backend interface's opaque names, and its functions. The device is the process itself: every call is done when it returns.
 */
#ifndef ASSAY_REFERENCE_DEVICE_H
#define ASSAY_REFERENCE_DEVICE_H

#include "reference.h"

struct assay_device {
  const struct assay_backend_host *host;
};

struct assay_buffer {
  uint64_t size;
  unsigned char *bytes;
};

/* Where the values of one function lie in the workspace. */
struct assay_reference_plan {
  uint64_t *offsets; /* by value; unused for fed values, which stay in the caller's buffers */
  int32_t *feeds;    /* by value: number of the feed, or -1 */
  uint64_t size;     /* of all values */
};

struct assay_executable {
  const struct assay_program *program;
  struct assay_reference_plan *plans; /* by function */
  uint64_t *variables;                /* offset in a store by variable */
  uint64_t store_size, values_size, numbers_size;
  uint32_t widest;                    /* inputs and outputs of the node with the most of them */
  /* Taken with the first store: values, then doubles for the op that runs, and descriptions of its inputs and outputs. */
  unsigned char *workspace;
  struct assay_reference_tensor *tensors;
};

struct assay_store {
  struct assay_executable *executable;
  unsigned char *bytes;
};

/* Sets code and message, and gives the code. */
int assay_reference_error(struct assay_status *status, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

int assay_reference_supports(struct assay_device *device, const struct assay_graph *graph, uint32_t node);
int assay_reference_compile(struct assay_device *device, const struct assay_program *program, struct assay_executable **executable, uint32_t refused[2],
                            struct assay_status *status);
void assay_reference_memory(const struct assay_executable *executable, struct assay_memory_need *need);
void assay_reference_release(struct assay_executable *executable);

int assay_reference_store_create(struct assay_executable *executable, struct assay_store **store, struct assay_status *status);
int assay_reference_store_write(struct assay_store *store, uint32_t variable, const void *data, struct assay_status *status);
int assay_reference_store_read(struct assay_store *store, uint32_t variable, void *data, struct assay_status *status);
int assay_reference_store_copy(struct assay_store *to, const struct assay_store *from, struct assay_status *status);
void assay_reference_store_release(struct assay_store *store);

int assay_reference_run(struct assay_executable *executable, uint32_t function, struct assay_store *store, struct assay_buffer *const *feeds,
                        struct assay_buffer *const *fetches, struct assay_status *status);

#endif
