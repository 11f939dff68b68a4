/* SPDX-License-Identifier: MIT
 *
 * Names and sentences for what OpenCL reports.
 */
#include "backends/opencl/device.h"

#define NAME(error)                                                                                                                                            \
  case error: return #error

const char *assay_cl_error_name(cl_int error) {
  switch (error) {
    NAME(CL_DEVICE_NOT_FOUND);
    NAME(CL_DEVICE_NOT_AVAILABLE);
    NAME(CL_COMPILER_NOT_AVAILABLE);
    NAME(CL_MEM_OBJECT_ALLOCATION_FAILURE);
    NAME(CL_OUT_OF_RESOURCES);
    NAME(CL_OUT_OF_HOST_MEMORY);
    NAME(CL_MEM_COPY_OVERLAP);
    NAME(CL_BUILD_PROGRAM_FAILURE);
    NAME(CL_MAP_FAILURE);
    NAME(CL_MISALIGNED_SUB_BUFFER_OFFSET);
    NAME(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    NAME(CL_COMPILE_PROGRAM_FAILURE);
    NAME(CL_LINKER_NOT_AVAILABLE);
    NAME(CL_LINK_PROGRAM_FAILURE);
    NAME(CL_INVALID_VALUE);
    NAME(CL_INVALID_DEVICE);
    NAME(CL_INVALID_PLATFORM);
    NAME(CL_INVALID_CONTEXT);
    NAME(CL_INVALID_COMMAND_QUEUE);
    NAME(CL_INVALID_MEM_OBJECT);
    NAME(CL_INVALID_BINARY);
    NAME(CL_INVALID_BUILD_OPTIONS);
    NAME(CL_INVALID_PROGRAM);
    NAME(CL_INVALID_PROGRAM_EXECUTABLE);
    NAME(CL_INVALID_KERNEL_NAME);
    NAME(CL_INVALID_KERNEL);
    NAME(CL_INVALID_ARG_INDEX);
    NAME(CL_INVALID_ARG_VALUE);
    NAME(CL_INVALID_ARG_SIZE);
    NAME(CL_INVALID_KERNEL_ARGS);
    NAME(CL_INVALID_WORK_DIMENSION);
    NAME(CL_INVALID_WORK_GROUP_SIZE);
    NAME(CL_INVALID_WORK_ITEM_SIZE);
    NAME(CL_INVALID_EVENT_WAIT_LIST);
    NAME(CL_INVALID_OPERATION);
    NAME(CL_INVALID_BUFFER_SIZE);
    NAME(CL_INVALID_GLOBAL_WORK_SIZE);
  case -1001: return "CL_PLATFORM_NOT_FOUND_KHR";
  default: return "unknown error";
  }
}

int assay_cl_fail_on(const char *device, const char *call, cl_int error, struct assay_status *status) {
  const char *name = assay_cl_error_name(error);
  if (error == CL_MEM_OBJECT_ALLOCATION_FAILURE || error == CL_INVALID_BUFFER_SIZE)
    return assay_cl_status(status, ASSAY_E_MEMORY, "%s: %s found no memory on the device (%s, %d); use a smaller batch or network", device, call, name, (int)error);
  if (error == CL_OUT_OF_HOST_MEMORY)
    return assay_cl_status(status, ASSAY_E_MEMORY, "%s: %s found no memory on the host (%s, %d)", device, call, name, (int)error);
  return assay_cl_status(status, ASSAY_E_DEVICE, "%s: %s failed with %s (%d); if it happens again, look at the driver's log or use another device", device, call,
                         name, (int)error);
}

int assay_cl_fail(const struct assay_device *device, const char *call, cl_int error, struct assay_status *status) {
  return assay_cl_fail_on(device ? device->name : "OpenCL", call, error, status);
}

int assay_cl_no_memory(struct assay_status *status) { return assay_cl_status(status, ASSAY_E_MEMORY, "out of memory on the host, in the OpenCL backend"); }
