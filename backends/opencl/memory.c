/* SPDX-License-Identifier: MIT
 *
 * Device memory and traffic with the host. The queue is in order, so an upload that was submitted after a run cannot be seen by it.
 */
#include "backends/opencl/memory.h"

#include <stdlib.h>
#include <string.h>

/* Larger uploads wait for the queue instead of being copied aside. */
#define LARGEST_COPY ((uint64_t)32 << 20)

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

/* Waits until the slot's last upload is over, and makes room. */
static int slot_prepare(struct assay_device *device, struct assay_cl_upload *slot, uint64_t size, struct assay_status *status) {
  if (slot->event) {
    assay_cl_waiting(device, "clWaitForEvents");
    const cl_int error = clWaitForEvents(1, &slot->event);
    assay_cl_waited(device);
    clReleaseEvent(slot->event);
    slot->event = NULL;
    if (error != CL_SUCCESS) return assay_cl_fail(device, "clWaitForEvents", error, status);
  }
  if (size <= slot->capacity) return ASSAY_OK;
  free(slot->bytes);
  slot->capacity = 0;
  if (!(slot->bytes = malloc(size))) return assay_cl_no_memory(status);
  slot->capacity = size;
  return ASSAY_OK;
}

int assay_cl_upload(struct assay_device *device, cl_mem memory, uint64_t offset, const void *data, uint64_t size, struct assay_status *status) {
  if (!size) return ASSAY_OK;
  cl_int error;
  if (size > LARGEST_COPY) {
    assay_cl_waiting(device, "clEnqueueWriteBuffer");
    error = clEnqueueWriteBuffer(device->queue, memory, CL_TRUE, offset, size, data, 0, NULL, NULL);
    assay_cl_waited(device);
  } else {
    struct assay_cl_upload *slot = &device->uploads[device->next_upload];
    const int code = slot_prepare(device, slot, size, status);
    if (code) return code;
    memcpy(slot->bytes, data, size);
    error = clEnqueueWriteBuffer(device->queue, memory, CL_FALSE, offset, size, slot->bytes, 0, NULL, &slot->event);
    if (error != CL_SUCCESS) slot->event = NULL;
    device->next_upload = (device->next_upload + 1) % ASSAY_CL_UPLOADS;
  }
  return error == CL_SUCCESS ? ASSAY_OK : assay_cl_fail(device, "clEnqueueWriteBuffer", error, status);
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
  return code ? code : assay_cl_upload(buffer->device, buffer->memory, offset, data, size, status);
}

int assay_cl_buffer_read(struct assay_buffer *buffer, uint64_t offset, void *data, uint64_t size, struct assay_status *status) {
  const int code = check_range(buffer, offset, size, status);
  return code ? code : assay_cl_download(buffer->device, buffer->memory, offset, data, size, status);
}

void assay_cl_buffer_release(struct assay_buffer *buffer) {
  if (!buffer) return;
  clReleaseMemObject(buffer->memory);
  free(buffer);
}
