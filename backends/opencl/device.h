/* SPDX-License-Identifier: MIT
 *
 * Devices: finding, opening and closing them, and what their failures are called.
 */
#ifndef ASSAY_OPENCL_DEVICE_H
#define ASSAY_OPENCL_DEVICE_H

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include "backends/opencl/gemm.h"
#include "backends/opencl/support.h"
#include "backends/opencl/tile.h"
#include <assay/backend.h>

struct assay_cl_program;
struct assay_cl_source;

/* Pinned memory of the host that uploads are made from, in two parts that take turns: while the device fetches one, the next upload is put into the other. Starts as
 * zeros: memory.h. */
struct assay_cl_staging {
  struct {
    cl_mem memory;
    void *bytes;    /* mapped as long as it lives */
    cl_event event; /* of the last upload; NULL: none is under way */
  } parts[2];
  uint64_t capacity; /* of each part, bytes */
  uint32_t next;
};

/* What `assay tune` measures: see tuned.h. */
enum { ASSAY_CL_TILE_PARAMETERS = ASSAY_CL_FAMILIES * ASSAY_CL_ROW_CLASSES, ASSAY_CL_PARAMETERS = ASSAY_CL_TILE_PARAMETERS + ASSAY_CL_GEMM_CLASSES };

struct assay_device {
  const struct assay_backend_host *host;
  cl_platform_id platform;
  cl_device_id id;
  cl_context context;
  cl_command_queue queue; /* in order */
  bool profiles;          /* the option: launches are timed */
  char name[128], driver[128], platform_name[128], platform_version[128];
  uint64_t memory, largest_allocation;
  size_t alignment; /* of sub-buffers, bytes */
  size_t parameter_size; /* bytes of all arguments of a kernel */
  uint32_t compute_units;
  size_t group_size;   /* most work-items of a group */
  size_t local_memory; /* bytes a group may have */
  uint32_t kind;       /* enum assay_device_kind */
  struct assay_cl_tiles tiles;
  struct assay_cl_gemms gemms;
  uint8_t tuned[ASSAY_CL_PARAMETERS]; /* was measured by `assay tune` */
  uint64_t serial;       /* the last number given to a buffer or a store, so that a new one is never taken for an old one */
  struct assay_cl_program *programs;
  struct assay_cl_source *sources;
  uint64_t compiled; /* programs that were not in the cache */
  struct assay_cl_staging staging; /* of what goes into stores */
};

int assay_cl_list(const struct assay_backend_host *host, const struct assay_option_value *const *options, const char *const *drivers, assay_found_device found,
                  void *context, struct assay_status *status);
int assay_cl_open(const struct assay_backend_host *host, const struct assay_option_value *const *options, const char *const *drivers, const char *id,
                  struct assay_device **device, struct assay_status *status);
/* The ICD files that the loader would read; see drivers.c. */
int assay_cl_drivers(const struct assay_option_value *const *options, assay_found_driver found, void *context, struct assay_status *status);
/* Keeps the loader to these drivers; a single one is looked at first, and what is wrong with it is an error. Nothing of OpenCL may have been called before. NULL: all. */
int assay_cl_restrict(const char *const *drivers, struct assay_status *status);
void assay_cl_close(struct assay_device *device);
int assay_cl_sync(struct assay_device *device, struct assay_status *status);

/* Around calls that may wait for the device: the core watches over them. */
void assay_cl_waiting(const struct assay_device *device, const char *call);
void assay_cl_waited(const struct assay_device *device);

/* "CL_OUT_OF_RESOURCES" for -5, …; "unknown error". */
const char *assay_cl_error_name(cl_int error);
/* Says which call failed on which device, and how; gives ASSAY_E_MEMORY or ASSAY_E_DEVICE. `device` may be NULL. */
int assay_cl_fail(const struct assay_device *device, const char *call, cl_int error, struct assay_status *status);
/* The same where there is only a name yet. */
int assay_cl_fail_on(const char *device, const char *call, cl_int error, struct assay_status *status);
int assay_cl_no_memory(struct assay_status *status);

#endif
