/* SPDX-License-Identifier: MIT
 *
 * Device memory: blocks, parts of them, and buffers that the core feeds and reads.
 */
#ifndef ASSAY_OPENCL_MEMORY_H
#define ASSAY_OPENCL_MEMORY_H

#include "backends/opencl/device.h"

struct assay_buffer {
  struct assay_device *device;
  cl_mem memory;
  uint64_t size;
  uint64_t serial;
  struct assay_cl_staging staging;
};

/* Device memory of at least one byte. `what` names it in the message. */
int assay_cl_block(struct assay_device *device, uint64_t size, const char *what, cl_mem *memory, struct assay_status *status);
/* Sub-buffer; the offset is a multiple of device->alignment. */
int assay_cl_part(struct assay_device *device, cl_mem block, uint64_t offset, uint64_t size, cl_mem *part, struct assay_status *status);
/* Copies the data aside and submits its upload; waits when both parts of the staging are still under way. Takes memory only when the data is larger than all before. */
int assay_cl_upload(struct assay_device *device, struct assay_cl_staging *staging, cl_mem memory, uint64_t offset, const void *data, uint64_t size,
                    struct assay_status *status);
void assay_cl_staging_release(struct assay_device *device, struct assay_cl_staging *staging);
int assay_cl_download(struct assay_device *device, cl_mem memory, uint64_t offset, void *data, uint64_t size, struct assay_status *status);

int assay_cl_buffer_create(struct assay_device *device, uint64_t size, struct assay_buffer **buffer, struct assay_status *status);
int assay_cl_buffer_write(struct assay_buffer *buffer, uint64_t offset, const void *data, uint64_t size, struct assay_status *status);
int assay_cl_buffer_read(struct assay_buffer *buffer, uint64_t offset, void *data, uint64_t size, struct assay_status *status);
void assay_cl_buffer_release(struct assay_buffer *buffer);

#endif
