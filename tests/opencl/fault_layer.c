/* SPDX-License-Identifier: MIT
 *
 * A layer between the OpenCL loader and the drivers (OPENCL_LAYERS; the interface is Khronos' cl_layer.h) that counts calls and makes chosen ones fail
 * before they reach the driver. What it does is told by the environment: see fault_layer.h.
 *
 * Every entry point of OpenCL 1.2 that takes part in computing is wrapped; any other one ends the process with a message, so that nothing that the backend
 * or CLBlast begins to use can go untested.
 */
#include "fault_layer.h"

#define CL_TARGET_OPENCL_VERSION 120
#define CL_USE_DEPRECATED_OPENCL_1_1_APIS
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl_layer.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* STATUS(name, parameters, arguments): gives a status. OBJECT(type, name, parameters, arguments): makes an object, with `error` as its last parameter. */
#define ENTRY_POINTS                                                                                                                                           \
  STATUS(clGetPlatformIDs, (cl_uint a, cl_platform_id * b, cl_uint * c), (a, b, c))                                                                            \
  STATUS(clGetPlatformInfo, (cl_platform_id a, cl_platform_info b, size_t c, void *d, size_t *e), (a, b, c, d, e))                                             \
  STATUS(clGetDeviceIDs, (cl_platform_id a, cl_device_type b, cl_uint c, cl_device_id * d, cl_uint * e), (a, b, c, d, e))                                      \
  STATUS(clGetDeviceInfo, (cl_device_id a, cl_device_info b, size_t c, void *d, size_t *e), (a, b, c, d, e))                                                   \
  OBJECT(cl_context, clCreateContext,                                                                                                                          \
         (const cl_context_properties *a, cl_uint b, const cl_device_id *c, void(CL_CALLBACK * d)(const char *, const void *, size_t, void *), void *e,        \
          cl_int *error),                                                                                                                                      \
         (a, b, c, d, e, error))                                                                                                                               \
  STATUS(clRetainContext, (cl_context a), (a))                                                                                                                 \
  STATUS(clReleaseContext, (cl_context a), (a))                                                                                                                \
  STATUS(clGetContextInfo, (cl_context a, cl_context_info b, size_t c, void *d, size_t *e), (a, b, c, d, e))                                                   \
  OBJECT(cl_command_queue, clCreateCommandQueue, (cl_context a, cl_device_id b, cl_command_queue_properties c, cl_int * error), (a, b, c, error))              \
  STATUS(clRetainCommandQueue, (cl_command_queue a), (a))                                                                                                      \
  STATUS(clReleaseCommandQueue, (cl_command_queue a), (a))                                                                                                     \
  STATUS(clGetCommandQueueInfo, (cl_command_queue a, cl_command_queue_info b, size_t c, void *d, size_t *e), (a, b, c, d, e))                                  \
  OBJECT(cl_mem, clCreateBuffer, (cl_context a, cl_mem_flags b, size_t c, void *d, cl_int *error), (a, b, c, d, error))                                        \
  OBJECT(cl_mem, clCreateSubBuffer, (cl_mem a, cl_mem_flags b, cl_buffer_create_type c, const void *d, cl_int *error), (a, b, c, d, error))                    \
  STATUS(clRetainMemObject, (cl_mem a), (a))                                                                                                                   \
  STATUS(clReleaseMemObject, (cl_mem a), (a))                                                                                                                  \
  STATUS(clGetMemObjectInfo, (cl_mem a, cl_mem_info b, size_t c, void *d, size_t *e), (a, b, c, d, e))                                                         \
  OBJECT(cl_program, clCreateProgramWithSource, (cl_context a, cl_uint b, const char **c, const size_t *d, cl_int *error), (a, b, c, d, error))                \
  OBJECT(cl_program, clCreateProgramWithBinary,                                                                                                                \
         (cl_context a, cl_uint b, const cl_device_id *c, const size_t *d, const unsigned char **e, cl_int *f, cl_int *error), (a, b, c, d, e, f, error))      \
  STATUS(clRetainProgram, (cl_program a), (a))                                                                                                                 \
  STATUS(clReleaseProgram, (cl_program a), (a))                                                                                                                \
  STATUS(clBuildProgram, (cl_program a, cl_uint b, const cl_device_id *c, const char *d, void(CL_CALLBACK *e)(cl_program, void *), void *f),                   \
         (a, b, c, d, e, f))                                                                                                                                   \
  STATUS(clGetProgramInfo, (cl_program a, cl_program_info b, size_t c, void *d, size_t *e), (a, b, c, d, e))                                                   \
  STATUS(clGetProgramBuildInfo, (cl_program a, cl_device_id b, cl_program_build_info c, size_t d, void *e, size_t *f), (a, b, c, d, e, f))                     \
  OBJECT(cl_kernel, clCreateKernel, (cl_program a, const char *b, cl_int *error), (a, b, error))                                                               \
  STATUS(clRetainKernel, (cl_kernel a), (a))                                                                                                                   \
  STATUS(clReleaseKernel, (cl_kernel a), (a))                                                                                                                  \
  STATUS(clSetKernelArg, (cl_kernel a, cl_uint b, size_t c, const void *d), (a, b, c, d))                                                                      \
  STATUS(clGetKernelInfo, (cl_kernel a, cl_kernel_info b, size_t c, void *d, size_t *e), (a, b, c, d, e))                                                      \
  STATUS(clGetKernelWorkGroupInfo, (cl_kernel a, cl_device_id b, cl_kernel_work_group_info c, size_t d, void *e, size_t *f), (a, b, c, d, e, f))               \
  STATUS(clWaitForEvents, (cl_uint a, const cl_event *b), (a, b))                                                                                              \
  STATUS(clGetEventInfo, (cl_event a, cl_event_info b, size_t c, void *d, size_t *e), (a, b, c, d, e))                                                         \
  STATUS(clRetainEvent, (cl_event a), (a))                                                                                                                     \
  STATUS(clReleaseEvent, (cl_event a), (a))                                                                                                                    \
  STATUS(clGetEventProfilingInfo, (cl_event a, cl_profiling_info b, size_t c, void *d, size_t *e), (a, b, c, d, e))                                            \
  STATUS(clFlush, (cl_command_queue a), (a))                                                                                                                   \
  STATUS(clFinish, (cl_command_queue a), (a))                                                                                                                  \
  STATUS(clEnqueueReadBuffer, (cl_command_queue a, cl_mem b, cl_bool c, size_t d, size_t e, void *f, cl_uint g, const cl_event *h, cl_event *i),               \
         (a, b, c, d, e, f, g, h, i))                                                                                                                          \
  STATUS(clEnqueueWriteBuffer, (cl_command_queue a, cl_mem b, cl_bool c, size_t d, size_t e, const void *f, cl_uint g, const cl_event *h, cl_event *i),        \
         (a, b, c, d, e, f, g, h, i))                                                                                                                          \
  OBJECT(void *, clEnqueueMapBuffer,                                                                                                                           \
         (cl_command_queue a, cl_mem b, cl_bool c, cl_map_flags d, size_t e, size_t f, cl_uint g, const cl_event *h, cl_event *i, cl_int *error),              \
         (a, b, c, d, e, f, g, h, i, error))                                                                                                                   \
  STATUS(clEnqueueUnmapMemObject, (cl_command_queue a, cl_mem b, void *c, cl_uint d, const cl_event *e, cl_event *f), (a, b, c, d, e, f))                      \
  STATUS(clEnqueueCopyBuffer, (cl_command_queue a, cl_mem b, cl_mem c, size_t d, size_t e, size_t f, cl_uint g, const cl_event *h, cl_event *i),               \
         (a, b, c, d, e, f, g, h, i))                                                                                                                          \
  STATUS(clEnqueueFillBuffer, (cl_command_queue a, cl_mem b, const void *c, size_t d, size_t e, size_t f, cl_uint g, const cl_event *h, cl_event *i),          \
         (a, b, c, d, e, f, g, h, i))                                                                                                                          \
  STATUS(clEnqueueNDRangeKernel,                                                                                                                               \
         (cl_command_queue a, cl_kernel b, cl_uint c, const size_t *d, const size_t *e, const size_t *f, cl_uint g, const cl_event *h, cl_event *i),           \
         (a, b, c, d, e, f, g, h, i))                                                                                                                          \
  STATUS(clEnqueueMarkerWithWaitList, (cl_command_queue a, cl_uint b, const cl_event *c, cl_event *d), (a, b, c, d))

#define STATUS(name, parameters, arguments) ENTRY_##name,
#define OBJECT(type, name, parameters, arguments) ENTRY_##name,
enum { ENTRY_POINTS ENTRY_COUNT };
#undef STATUS
#undef OBJECT
_Static_assert((int)ENTRY_COUNT <= (int)FAULT_ENTRIES, "the table is too short");

static const cl_icd_dispatch *target;
static struct fault_entry *table; /* shared with the other processes; NULL: nobody counts */
static const char *failing;
static uint32_t first_failing, failing_count;
static cl_int failing_error;

/* What this call has to give back; CL_SUCCESS: it goes on to the driver. */
static cl_int fault(int entry, const char *name) {
  if (table == NULL) return CL_SUCCESS;
  const uint32_t number = __atomic_add_fetch(&table[entry].calls, 1, __ATOMIC_RELAXED);
  if (failing == NULL || strcmp(name, failing) != 0 || number < first_failing || number - first_failing >= failing_count) return CL_SUCCESS;
  while (failing_error == CL_SUCCESS) pause();
  return failing_error;
}

#define STATUS(name, parameters, arguments)                                                                                                                    \
  static cl_int CL_API_CALL fault_##name parameters {                                                                                                          \
    const cl_int failure = fault(ENTRY_##name, #name);                                                                                                         \
    return failure != CL_SUCCESS ? failure : target->name arguments;                                                                                           \
  }
#define OBJECT(type, name, parameters, arguments)                                                                                                              \
  static type CL_API_CALL fault_##name parameters {                                                                                                            \
    const cl_int failure = fault(ENTRY_##name, #name);                                                                                                         \
    if (failure == CL_SUCCESS) return target->name arguments;                                                                                                  \
    if (error != NULL) *error = failure;                                                                                                                       \
    return NULL;                                                                                                                                               \
  }
ENTRY_POINTS
#undef STATUS
#undef OBJECT

/* Stands in place of what is not wrapped. */
static void unknown_entry_point(void) {
  static const char message[] = "fault layer: an entry point was called that it does not know; add it to ENTRY_POINTS\n";
  if (write(STDERR_FILENO, message, sizeof message - 1) < 0) _exit(99);
  abort();
}

static void open_table(void) {
  const char *path = getenv("ASSAY_FAULT_TABLE");
  const size_t size = FAULT_ENTRIES * sizeof *table;
  const int file = path != NULL ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666) : -1;
  if (file < 0) return;
  void *memory = ftruncate(file, (off_t)size) == 0 ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) : MAP_FAILED;
  close(file);
  if (memory == MAP_FAILED) return;
  table = memory;
#define STATUS(point, parameters, arguments) strcpy(table[ENTRY_##point].name, #point);
#define OBJECT(type, point, parameters, arguments) strcpy(table[ENTRY_##point].name, #point);
  ENTRY_POINTS
#undef STATUS
#undef OBJECT
}

static uint32_t number_from(const char *variable, uint32_t absent) {
  const char *text = getenv(variable);
  return text != NULL ? (uint32_t)strtoul(text, NULL, 10) : absent;
}

CL_API_ENTRY cl_int CL_API_CALL clGetLayerInfo(cl_layer_info what, size_t size, void *value, size_t *needed) {
  static const cl_layer_api_version version = CL_LAYER_API_VERSION_100;
  static const char name[] = "assay faults";
  const void *answer = what == CL_LAYER_API_VERSION ? (const void *)&version : what == CL_LAYER_NAME ? (const void *)name : NULL;
  const size_t length = what == CL_LAYER_API_VERSION ? sizeof version : sizeof name;
  if (answer == NULL || (value != NULL && size < length)) return CL_INVALID_VALUE;
  if (value != NULL) memcpy(value, answer, length);
  if (needed != NULL) *needed = length;
  return CL_SUCCESS;
}

CL_API_ENTRY cl_int CL_API_CALL clInitLayer(cl_uint count, const cl_icd_dispatch *below, cl_uint *own_count, const cl_icd_dispatch **own) {
  static cl_icd_dispatch dispatch;
  if (below == NULL || own_count == NULL || own == NULL || count < sizeof dispatch / sizeof(void *)) return CL_INVALID_VALUE;
  void (*const unknown)(void) = unknown_entry_point;
  for (size_t i = 0; i < sizeof dispatch / sizeof(void *); i++) memcpy((char *)&dispatch + i * sizeof(void *), &unknown, sizeof unknown);
  /* The loader itself asks for these two. */
  dispatch.clGetExtensionFunctionAddress = below->clGetExtensionFunctionAddress;
  dispatch.clGetExtensionFunctionAddressForPlatform = below->clGetExtensionFunctionAddressForPlatform;
#define STATUS(name, parameters, arguments) dispatch.name = fault_##name;
#define OBJECT(type, name, parameters, arguments) dispatch.name = fault_##name;
  ENTRY_POINTS
#undef STATUS
#undef OBJECT
  target = below;
  open_table();
  failing = getenv("ASSAY_FAULT_CALL");
  first_failing = number_from("ASSAY_FAULT_FROM", 1);
  failing_count = number_from("ASSAY_FAULT_COUNT", 1);
  const char *error = getenv("ASSAY_FAULT_ERROR");
  failing_error = error != NULL ? (cl_int)strtol(error, NULL, 10) : CL_OUT_OF_RESOURCES;
  *own = &dispatch;
  *own_count = sizeof dispatch / sizeof(void *);
  return CL_SUCCESS;
}
