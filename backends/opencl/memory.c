/* SPDX-License-Identifier: MIT
 *
 * Device memory and traffic with the host. The queue is in order, so an upload that was submitted after a run cannot be seen by it. Each buffer has a staging of its own:
 * its third upload waits for the first, so the host is at most two steps ahead of the device, and the device never waits for the host to copy.
 */
#include "backends/opencl/memory.h"

#include <stdlib.h>
#include <string.h>

/* Larger uploads are made in parts, so that they do not take as much of the host's memory again. */
#define LARGEST_PART ((uint64_t)64 << 20)

int assay_cl_block(struct assay_device *device, uint64_t size, const char *what, cl_mem *memory, struct assay_status *status) {
  cl_int error;
  *memory = NULL;
  if (size > device->largest_allocation)
    return assay_cl_status(status, ASSAY_E_MEMORY, "%s: %s needs %llu MiB in one piece, but the driver gives at most %llu MiB; use a smaller batch or network", device->name,
                           what, (unsigned long long)(size >> 20), (unsigned long long)(device->largest_allocation >> 20));
  assay_cl_waiting(device, "clCreateBuffer");
  *memory = clCreateBuffer(device->context, CL_MEM_READ_WRITE, size ? size : 1, NULL, &error);
  assay_cl_waited(device);
  if (error == CL_SUCCESS) return ASSAY_OK;
  *memory = NULL;
  return assay_cl_fail(device, "clCreateBuffer", error, status);
}

int assay_cl_part(struct assay_device *device, cl_mem block, uint64_t offset, uint64_t size, cl_mem *part, struct assay_status *status) {
  cl_int error;
  const cl_buffer_region region = {offset, size ? size : 1};
  *part = clCreateSubBuffer(block, CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION, &region, &error);
  if (error == CL_SUCCESS) return ASSAY_OK;
  *part = NULL;
  return assay_cl_fail(device, "clCreateSubBuffer", error, status);
}

/* Waits until the last upload from a part is over. */
static int part_wait(struct assay_device *device, struct assay_cl_staging *staging, uint32_t part, struct assay_status *status) {
  cl_event *event = &staging->parts[part].event;
  if (!*event) return ASSAY_OK;
  assay_cl_waiting(device, "clWaitForEvents");
  const cl_int error = clWaitForEvents(1, event);
  assay_cl_waited(device);
  clReleaseEvent(*event);
  *event = NULL;
  return error == CL_SUCCESS ? ASSAY_OK : assay_cl_fail(device, "clWaitForEvents", error, status);
}

/* Statuses of releases say nothing that could be acted on. */
void assay_cl_staging_release(struct assay_device *device, struct assay_cl_staging *staging) {
  for (uint32_t part = 0; part < 2; part++) {
    part_wait(device, staging, part, NULL);
    if (staging->parts[part].bytes) clEnqueueUnmapMemObject(device->queue, staging->parts[part].memory, staging->parts[part].bytes, 0, NULL, NULL);
    if (staging->parts[part].memory) clReleaseMemObject(staging->parts[part].memory);
  }
  *staging = (struct assay_cl_staging){.capacity = 0};
}

/* Memory that the driver has pinned can be fetched by the device itself; OpenCL's way to it is a buffer at the host that stays mapped. */
static int part_create(struct assay_device *device, struct assay_cl_staging *staging, uint32_t part, uint64_t capacity, struct assay_status *status) {
  cl_int error;
  const cl_mem memory = clCreateBuffer(device->context, CL_MEM_READ_ONLY | CL_MEM_ALLOC_HOST_PTR, capacity, NULL, &error);
  if (error != CL_SUCCESS) return assay_cl_fail(device, "clCreateBuffer", error, status);
  staging->parts[part].memory = memory;
  assay_cl_waiting(device, "clEnqueueMapBuffer");
  void *bytes = clEnqueueMapBuffer(device->queue, memory, CL_TRUE, CL_MAP_WRITE, 0, capacity, 0, NULL, NULL, &error);
  assay_cl_waited(device);
  if (error != CL_SUCCESS) return assay_cl_fail(device, "clEnqueueMapBuffer", error, status);
  staging->parts[part].bytes = bytes;
  return ASSAY_OK;
}

static int staging_grow(struct assay_device *device, struct assay_cl_staging *staging, uint64_t capacity, struct assay_status *status) {
  if (capacity <= staging->capacity) return ASSAY_OK;
  assay_cl_staging_release(device, staging);
  int code = part_create(device, staging, 0, capacity, status);
  if (!code) code = part_create(device, staging, 1, capacity, status);
  if (code) assay_cl_staging_release(device, staging);
  else staging->capacity = capacity;
  return code;
}

int assay_cl_upload(struct assay_device *device, struct assay_cl_staging *staging, cl_mem memory, uint64_t offset, const void *data, uint64_t size,
                    struct assay_status *status) {
  int code = staging_grow(device, staging, size < LARGEST_PART ? size : LARGEST_PART, status);
  for (uint64_t done = 0, now; done < size && !code; done += now) {
    now = size - done < LARGEST_PART ? size - done : LARGEST_PART;
    const uint32_t part = staging->next;
    code = part_wait(device, staging, part, status);
    if (code) return code;
    memcpy(staging->parts[part].bytes, (const char *)data + done, now);
    const cl_int error = clEnqueueWriteBuffer(device->queue, memory, CL_FALSE, offset + done, now, staging->parts[part].bytes, 0, NULL, &staging->parts[part].event);
    if (error != CL_SUCCESS) {
      staging->parts[part].event = NULL;
      return assay_cl_fail(device, "clEnqueueWriteBuffer", error, status);
    }
    staging->next ^= 1;
  }
  return code;
}

int assay_cl_download(struct assay_device *device, cl_mem memory, uint64_t offset, void *data, uint64_t size, struct assay_status *status) {
  if (!size) return ASSAY_OK;
  assay_cl_waiting(device, "clEnqueueReadBuffer");
  const cl_int error = clEnqueueReadBuffer(device->queue, memory, CL_TRUE, offset, size, data, 0, NULL, NULL);
  assay_cl_waited(device);
  return error == CL_SUCCESS ? ASSAY_OK : assay_cl_fail(device, "clEnqueueReadBuffer", error, status);
}

int assay_cl_buffer_create(struct assay_device *device, uint64_t size, struct assay_buffer **buffer, struct assay_status *status) {
  struct assay_buffer *made = calloc(1, sizeof *made);
  *buffer = NULL;
  if (!made) return assay_cl_no_memory(status);
  const int code = assay_cl_block(device, size, "a buffer", &made->memory, status);
  if (code) {
    free(made);
    return code;
  }
  made->device = device;
  made->size = size;
  made->serial = ++device->serial;
  *buffer = made;
  return ASSAY_OK;
}

static int check_range(const struct assay_buffer *buffer, uint64_t offset, uint64_t size, struct assay_status *status) {
  if (offset <= buffer->size && size <= buffer->size - offset) return ASSAY_OK;
  return assay_cl_status(status, ASSAY_E_FAILED, "%s: bytes %llu to %llu of a buffer of %llu were asked for", buffer->device->name, (unsigned long long)offset,
                         (unsigned long long)(offset + size), (unsigned long long)buffer->size);
}

int assay_cl_buffer_write(struct assay_buffer *buffer, uint64_t offset, const void *data, uint64_t size, struct assay_status *status) {
  const int code = check_range(buffer, offset, size, status);
  return code ? code : assay_cl_upload(buffer->device, &buffer->staging, buffer->memory, offset, data, size, status);
}

int assay_cl_buffer_read(struct assay_buffer *buffer, uint64_t offset, void *data, uint64_t size, struct assay_status *status) {
  const int code = check_range(buffer, offset, size, status);
  return code ? code : assay_cl_download(buffer->device, buffer->memory, offset, data, size, status);
}

void assay_cl_buffer_release(struct assay_buffer *buffer) {
  if (!buffer) return;
  assay_cl_staging_release(buffer->device, &buffer->staging);
  clReleaseMemObject(buffer->memory);
  free(buffer);
}
