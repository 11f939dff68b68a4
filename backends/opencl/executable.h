/* SPDX-License-Identifier: MIT
 *
 * Executables and stores: a compiled program, the memory that its functions work in, and sets of its variables.
 *
 * Every value that needs memory is a sub-buffer (at offsets that the device allows) of one of two blocks: the workspace, one an executable
 * and shared by its functions, which run one after another, or the block of a store, which holds all variables. So kernels take plain
 * pointers and know nothing of offsets.
 */
#ifndef ASSAY_OPENCL_EXECUTABLE_H
#define ASSAY_OPENCL_EXECUTABLE_H

#include "backends/opencl/device.h"

int assay_cl_compile(struct assay_device *device, const struct assay_program *program, struct assay_executable **executable, uint32_t refused[2],
                     struct assay_status *status);
void assay_cl_memory_need(const struct assay_executable *executable, struct assay_memory_need *need);
void assay_cl_release(struct assay_executable *executable);
int assay_cl_store_create(struct assay_executable *executable, struct assay_store **store, struct assay_status *status);
int assay_cl_store_write(struct assay_store *store, uint32_t variable, const void *data, struct assay_status *status);
int assay_cl_store_read(struct assay_store *store, uint32_t variable, void *data, struct assay_status *status);
int assay_cl_store_copy(struct assay_store *to, const struct assay_store *from, struct assay_status *status);
void assay_cl_store_release(struct assay_store *store);
int assay_cl_run(struct assay_executable *executable, uint32_t function, struct assay_store *store, struct assay_buffer *const *feeds,
                 struct assay_buffer *const *fetches, struct assay_status *status);

#endif
