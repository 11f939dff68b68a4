/* SPDX-License-Identifier: MIT
 *
 * Finding devices and opening one. The numbers that `list` gives out are places in the list of all devices of all platforms, sorted by the
 * platforms' names, so they do not depend on the order in which the loader meets its drivers.
 */
#include "backends/opencl/device.h"

#include "backends/opencl/memory.h"
#include "backends/opencl/program.h"
#include "backends/opencl/source.h"
#include "backends/opencl/tuned.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_CLBLAST_FROM 134217728 /* multiply-adds */

enum { MOST_PLATFORMS = 64, MOST_DEVICES = 256 };

#define NO_PLATFORM "no OpenCL platform is installed; install the driver of your device with its ICD file (for the processor itself: Debian's pocl-opencl-icd)"

struct platform {
  cl_platform_id id;
  char name[128], vendor[128], version[128];
};

struct found {
  const struct platform *platform;
  cl_device_id id;
};

struct inventory {
  struct platform platforms[MOST_PLATFORMS];
  struct found devices[MOST_DEVICES];
  uint32_t platform_count, device_count;
  struct assay_status failure; /* of the first platform that could not be asked; code 0: none */
};

static cl_int platform_text(cl_platform_id platform, cl_platform_info what, char *text, size_t size) {
  const cl_int error = clGetPlatformInfo(platform, what, size, text, NULL);
  if (error != CL_SUCCESS) text[0] = 0;
  text[size - 1] = 0;
  return error;
}

static cl_int ask_platform(cl_platform_id id, struct platform *platform) {
  platform->id = id;
  cl_int error = platform_text(id, CL_PLATFORM_NAME, platform->name, sizeof platform->name);
  if (error == CL_SUCCESS) error = platform_text(id, CL_PLATFORM_VENDOR, platform->vendor, sizeof platform->vendor);
  return error == CL_SUCCESS ? platform_text(id, CL_PLATFORM_VERSION, platform->version, sizeof platform->version) : error;
}

/* Questions to a device; after the first that fails the others are not asked, and give nothing. */
struct questions {
  cl_device_id device;
  cl_int error;
};

static void device_text(struct questions *questions, cl_device_info what, char *text, size_t size) {
  char *whole = NULL;
  size_t needed = 0;
  text[0] = 0;
  if (questions->error != CL_SUCCESS) return;
  questions->error = clGetDeviceInfo(questions->device, what, 0, NULL, &needed);
  if (questions->error != CL_SUCCESS || !needed) return;
  if (!(whole = calloc(1, needed + 1))) questions->error = CL_OUT_OF_HOST_MEMORY;
  else questions->error = clGetDeviceInfo(questions->device, what, needed, whole, NULL);
  if (questions->error == CL_SUCCESS) snprintf(text, size, "%s", whole);
  free(whole);
}

static uint64_t device_number(struct questions *questions, cl_device_info what, size_t size) {
  uint64_t number = 0; /* little-endian: a shorter answer fills the low bytes */
  if (questions->error != CL_SUCCESS) return 0;
  questions->error = clGetDeviceInfo(questions->device, what, size, &number, NULL);
  return questions->error == CL_SUCCESS ? number : 0;
}

static int compare_platforms(const void *left, const void *right) {
  const struct platform *a = left, *b = right;
  const int by_name = strcmp(a->name, b->name);
  return by_name ? by_name : strcmp(a->version, b->version);
}

static void note_failure(struct inventory *inventory, const char *platform, const char *call, cl_int error) {
  if (inventory->failure.code == ASSAY_OK) assay_cl_fail_on(platform, call, error, &inventory->failure);
}

/* A driver that is registered twice shows up as two platforms of one name, maker and version; what comes after one with devices is left out. */
static void take_devices(struct inventory *inventory, const struct platform *platform) {
  const struct platform *last = inventory->device_count ? inventory->devices[inventory->device_count - 1].platform : NULL;
  if (last && !compare_platforms(platform, last) && !strcmp(platform->vendor, last->vendor)) return;
  cl_device_id devices[MOST_DEVICES];
  cl_uint count = 0;
  const cl_int error = clGetDeviceIDs(platform->id, CL_DEVICE_TYPE_ALL, MOST_DEVICES, devices, &count);
  if (error != CL_SUCCESS && error != CL_DEVICE_NOT_FOUND) note_failure(inventory, platform->name, "clGetDeviceIDs", error);
  if (error != CL_SUCCESS) return;
  for (cl_uint d = 0; d < count && d < MOST_DEVICES && inventory->device_count < MOST_DEVICES; d++)
    inventory->devices[inventory->device_count++] = (struct found){platform, devices[d]};
}

/* All platforms and devices that can be asked. An error when there is none. */
static int take_inventory(struct inventory *inventory, struct assay_status *status) {
  cl_platform_id ids[MOST_PLATFORMS];
  cl_uint count = 0;
  memset(inventory, 0, sizeof *inventory);
  const cl_int error = clGetPlatformIDs(MOST_PLATFORMS, ids, &count);
  if (error == -1001 || (error == CL_SUCCESS && !count)) return assay_cl_status(status, ASSAY_E_DEVICE, NO_PLATFORM);
  if (error != CL_SUCCESS) return assay_cl_fail(NULL, "clGetPlatformIDs", error, status);
  if (count > MOST_PLATFORMS) count = MOST_PLATFORMS;
  for (cl_uint i = 0; i < count; i++) {
    struct platform *platform = &inventory->platforms[inventory->platform_count];
    const cl_int refusal = ask_platform(ids[i], platform);
    if (refusal != CL_SUCCESS) note_failure(inventory, platform->name[0] ? platform->name : "an OpenCL platform", "clGetPlatformInfo", refusal);
    else inventory->platform_count++;
  }
  qsort(inventory->platforms, inventory->platform_count, sizeof *inventory->platforms, compare_platforms);
  for (uint32_t i = 0; i < inventory->platform_count; i++) take_devices(inventory, &inventory->platforms[i]);
  if (inventory->device_count) return ASSAY_OK;
  if (inventory->failure.code) return assay_cl_status(status, inventory->failure.code, "%s", inventory->failure.message);
  return assay_cl_status(status, ASSAY_E_DEVICE,
                         "%u OpenCL platform%s installed (%s%s), but none has a device; check that the driver's kernel module is loaded and that you may open its "
                         "device files (groups render and video)",
                         count, count == 1 ? " is" : "s are", inventory->platforms[0].name, count > 1 ? ", …" : "");
}

static uint32_t device_kind(struct questions *questions) {
  const uint64_t type = device_number(questions, CL_DEVICE_TYPE, sizeof(cl_device_type));
  return type & CL_DEVICE_TYPE_GPU ? ASSAY_DEVICE_GPU : type & CL_DEVICE_TYPE_CPU ? ASSAY_DEVICE_CPU : ASSAY_DEVICE_OTHER;
}

/* Why a device cannot be used, with the remedy; false when it can. */
static bool unusable(const struct found *found, char *note, size_t size) {
  struct questions questions = {found->id, CL_SUCCESS};
  char version[128];
  int major = 0, minor = 0;
  note[0] = 0;
  device_text(&questions, CL_DEVICE_VERSION, version, sizeof version);
  const bool available = device_number(&questions, CL_DEVICE_AVAILABLE, sizeof(cl_bool)) != 0;
  const bool compiler = device_number(&questions, CL_DEVICE_COMPILER_AVAILABLE, sizeof(cl_bool)) != 0;
  const bool little = device_number(&questions, CL_DEVICE_ENDIAN_LITTLE, sizeof(cl_bool)) != 0;
  const uint64_t items = device_number(&questions, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof(size_t));
  if (questions.error != CL_SUCCESS)
    snprintf(note, size, "the driver does not answer: clGetDeviceInfo failed with %s (%d); reinstall it, or look at its log", assay_cl_error_name(questions.error),
             (int)questions.error);
  else if (!available)
    snprintf(note, size, "the driver says that the device is not available; another process may hold it, or the driver needs a restart");
  else if (!compiler)
    snprintf(note, size, "the driver has no OpenCL C compiler; install the vendor's full driver");
  else if (sscanf(version, "OpenCL %d.%d", &major, &minor) != 2 || major < 1 || (major == 1 && minor < 2))
    snprintf(note, size, "the driver offers \"%s\", but OpenCL 1.2 is needed; install a newer driver", version);
  else if (!little)
    snprintf(note, size, "the device is big-endian, which is not supported");
  else if (items < 64)
    snprintf(note, size, "the device runs fewer than 64 work-items in a group, and the kernels need 64");
  return note[0] != 0;
}

/* All of a text, however long; NULL when it cannot be had. */
static char *whole_text(cl_device_id device, cl_device_info what) {
  size_t needed = 0;
  if (clGetDeviceInfo(device, what, 0, NULL, &needed) != CL_SUCCESS) return NULL;
  char *text = calloc(1, needed + 1);
  if (text && clGetDeviceInfo(device, what, needed, text, NULL) == CL_SUCCESS) return text;
  free(text);
  return NULL;
}

static uint32_t precisions(const char *extensions) {
  uint32_t bits = 1u << ASSAY_F32;
  if (extensions && strstr(extensions, "cl_khr_fp64")) bits |= 1u << ASSAY_F64;
  if (extensions && strstr(extensions, "cl_khr_fp16")) bits |= 1u << ASSAY_F16;
  return bits;
}

static void describe(const struct found *found, uint32_t number, assay_found_device tell, void *context) {
  struct questions questions = {found->id, CL_SUCCESS};
  char id[16], name[128], vendor[64], version[64], driver[256], note[512];
  char *extensions = whole_text(found->id, CL_DEVICE_EXTENSIONS);
  snprintf(id, sizeof id, "%u", number);
  device_text(&questions, CL_DEVICE_NAME, name, sizeof name);
  device_text(&questions, CL_DEVICE_VENDOR, vendor, sizeof vendor);
  device_text(&questions, CL_DRIVER_VERSION, version, sizeof version);
  snprintf(driver, sizeof driver, "%s %s", found->platform->name, version);
  const struct assay_device_info info = {.struct_size = sizeof info,
                                         .memory = device_number(&questions, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof(cl_ulong)),
                                         .kind = device_kind(&questions),
                                         .usable = !unusable(found, note, sizeof note),
                                         .precisions = precisions(extensions),
                                         .id = id,
                                         .name = name,
                                         .vendor = vendor,
                                         .driver = driver,
                                         .extensions = extensions ? extensions : "",
                                         .note = note};
  tell(context, &info);
  free(extensions);
}

int assay_cl_list(const struct assay_backend_host *host, const struct assay_option_value *const *options, const char *const *drivers, assay_found_device found,
                  void *context, struct assay_status *status) {
  (void)host;
  (void)options;
  int code = assay_cl_restrict(drivers, status);
  if (code) return code;
  struct inventory *inventory = malloc(sizeof *inventory);
  if (!inventory) return assay_cl_no_memory(status);
  code = take_inventory(inventory, status);
  for (uint32_t i = 0; !code && i < inventory->device_count; i++) describe(&inventory->devices[i], i, found, context);
  free(inventory);
  return code;
}

/* The device that `id` names; NULL: the first that can be used. */
static int choose(const struct inventory *inventory, const char *id, const struct found **chosen, struct assay_status *status) {
  char note[512] = "";
  /* With a platform missing the numbers may mean other devices. */
  if (inventory->failure.code) return assay_cl_status(status, inventory->failure.code, "%s", inventory->failure.message);
  if (!id) {
    for (uint32_t i = 0; i < inventory->device_count; i++)
      if (!unusable(&inventory->devices[i], note, sizeof note)) {
        *chosen = &inventory->devices[i];
        return ASSAY_OK;
      }
    return assay_cl_status(status, ASSAY_E_DEVICE, "no OpenCL device can be used; the last one: %s", note);
  }
  char *end;
  const unsigned long number = strtoul(id, &end, 10);
  if (id[0] < '0' || id[0] > '9' || *end || number >= inventory->device_count)
    return assay_cl_status(status, ASSAY_E_DEVICE, "there is no OpenCL device \"%s\"; there %s 0 to %u", id, inventory->device_count == 1 ? "is" : "are",
                           inventory->device_count - 1);
  *chosen = &inventory->devices[number];
  if (unusable(*chosen, note, sizeof note)) return assay_cl_status(status, ASSAY_E_DEVICE, "OpenCL device %s cannot be used: %s", id, note);
  return ASSAY_OK;
}

static int ask_device(struct assay_device *device, struct assay_status *status) {
  struct questions questions = {device->id, CL_SUCCESS};
  device_text(&questions, CL_DEVICE_NAME, device->name, sizeof device->name);
  device_text(&questions, CL_DRIVER_VERSION, device->driver, sizeof device->driver);
  device->memory = device_number(&questions, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof(cl_ulong));
  device->largest_allocation = device_number(&questions, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof(cl_ulong));
  device->alignment = (size_t)device_number(&questions, CL_DEVICE_MEM_BASE_ADDR_ALIGN, sizeof(cl_uint)) / 8;
  if (device->alignment < 64) device->alignment = 64;
  device->parameter_size = (size_t)device_number(&questions, CL_DEVICE_MAX_PARAMETER_SIZE, sizeof(size_t));
  device->compute_units = (uint32_t)device_number(&questions, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof(cl_uint));
  device->group_size = (size_t)device_number(&questions, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof(size_t));
  device->local_memory = (size_t)device_number(&questions, CL_DEVICE_LOCAL_MEM_SIZE, sizeof(cl_ulong));
  device->kind = device_kind(&questions);
  assay_cl_tiles_default(device, &device->tiles);
  if (questions.error == CL_SUCCESS) return ASSAY_OK;
  return assay_cl_fail_on(device->name[0] ? device->name : "the OpenCL device", "clGetDeviceInfo", questions.error, status);
}

static int open_found(struct assay_device *device, const struct found *found, struct assay_status *status) {
  cl_int error;
  device->platform = found->platform->id;
  device->id = found->id;
  snprintf(device->platform_name, sizeof device->platform_name, "%s", found->platform->name);
  snprintf(device->platform_version, sizeof device->platform_version, "%s", found->platform->version);
  const int code = ask_device(device, status);
  if (code) return code;
  const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM, (cl_context_properties)device->platform, 0};
  device->context = clCreateContext(properties, 1, &device->id, NULL, NULL, &error);
  if (error != CL_SUCCESS) return assay_cl_fail(device, "clCreateContext", error, status);
  device->queue = clCreateCommandQueue(device->context, device->id, device->profiles ? CL_QUEUE_PROFILING_ENABLE : 0, &error);
  if (error != CL_SUCCESS) return assay_cl_fail(device, "clCreateCommandQueue", error, status);
  return ASSAY_OK;
}

int assay_cl_open(const struct assay_backend_host *host, const struct assay_option_value *const *options, const char *const *drivers, const char *id,
                  struct assay_device **device, struct assay_status *status) {
  *device = NULL;
  const int refusal = assay_cl_restrict(drivers, status);
  if (refusal) return refusal;
  const struct found *chosen = NULL;
  struct inventory *inventory = malloc(sizeof *inventory);
  struct assay_device *opened = calloc(1, sizeof *opened);
  if (opened) {
    opened->host = host;
    opened->profiles = options[1]->integer != 0;
    snprintf(opened->name, sizeof opened->name, "OpenCL"); /* until it is known */
    assay_cl_waiting(opened, "opening a device");
  }
  int code = inventory && opened ? take_inventory(inventory, status) : assay_cl_no_memory(status);
  if (!code) code = choose(inventory, id, &chosen, status);
  if (!code) {
    opened->gemms.clblast_from = DEFAULT_CLBLAST_FROM;
    code = open_found(opened, chosen, status);
    if (!code) assay_cl_tuned_load(opened);
    if (options[0]->integer > 0) opened->gemms = (struct assay_cl_gemms){.clblast_from = (uint64_t)options[0]->integer};
  }
  free(inventory);
  if (opened) assay_cl_waited(opened);
  if (code) {
    assay_cl_close(opened);
    return code;
  }
  *device = opened;
  return ASSAY_OK;
}

/* Statuses of releases say nothing that could be acted on. */
void assay_cl_close(struct assay_device *device) {
  if (!device) return;
  if (device->queue) {
    assay_cl_waiting(device, "clFinish");
    clFinish(device->queue);
    assay_cl_waited(device);
  }
  assay_cl_staging_release(device, &device->staging);
  assay_cl_programs_release(device);
  assay_cl_sources_release(device);
  if (device->queue) clReleaseCommandQueue(device->queue);
  if (device->context) clReleaseContext(device->context);
  free(device);
}

static bool is_watched(const struct assay_device *device) {
  return device->host->struct_size >= offsetof(struct assay_backend_host, waiting) + sizeof device->host->waiting;
}

void assay_cl_waiting(const struct assay_device *device, const char *call) {
  if (is_watched(device)) device->host->waiting(device->name, call);
}

void assay_cl_waited(const struct assay_device *device) {
  if (is_watched(device)) device->host->waiting(NULL, NULL);
}

int assay_cl_sync(struct assay_device *device, struct assay_status *status) {
  assay_cl_waiting(device, "clFinish");
  const cl_int error = clFinish(device->queue);
  assay_cl_waited(device);
  return error == CL_SUCCESS ? ASSAY_OK : assay_cl_fail(device, "clFinish", error, status);
}
