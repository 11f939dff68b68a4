/* SPDX-License-Identifier: MIT
 *
 * Getting programs compiled once. A binary on disk is found by everything that it depends on: source, options, device, driver and
 * platform version. One that the driver will not take is compiled again and replaced, without a word.
 */
#include "backends/opencl/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Changes when the layout of the key or of the entry does. */
#define CACHE_NAME "assay opencl program 1"
#define BUILD_OPTIONS "-cl-std=CL1.2"

struct assay_cl_program {
  struct assay_cl_program *next;
  char *source, *options;
  cl_program program;
};

/* Parts of the key end with their NUL, so no two sets of parts give one key. */
static bool make_key(const struct assay_device *device, const char *source, const char *options, struct assay_cl_text *key) {
  const char *const parts[] = {CACHE_NAME, device->name, device->driver, device->platform_version, BUILD_OPTIONS, options, source};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    assay_cl_print(key, "%s", parts[i]);
    assay_cl_print(key, "%c", 0);
  }
  return !key->failed;
}

static cl_int build(const struct assay_device *device, cl_program program, const char *options) {
  char all[512];
  snprintf(all, sizeof all, BUILD_OPTIONS " %s", options);
  return clBuildProgram(program, 1, &device->id, all, NULL, NULL);
}

/* NULL when there is no entry, or the driver does not want it. */
static cl_program load(const struct assay_device *device, const struct assay_cl_text *key, const char *options) {
  void *data = NULL;
  size_t size = 0;
  cl_int error, binary_status = CL_INVALID_BINARY;
  if (device->host->cache_load(key->data, key->length, &data, &size)) return NULL;
  const unsigned char *binary = data;
  cl_program program = size ? clCreateProgramWithBinary(device->context, 1, &device->id, &size, &binary, &binary_status, &error) : NULL;
  free(data);
  if (!program) return NULL;
  if (error == CL_SUCCESS && binary_status == CL_SUCCESS && build(device, program, options) == CL_SUCCESS) return program;
  clReleaseProgram(program);
  return NULL;
}

/* Failing to save costs time at the next start, nothing else. */
static void save(const struct assay_device *device, const struct assay_cl_text *key, cl_program program) {
  size_t size = 0;
  if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, NULL) != CL_SUCCESS || !size) return;
  unsigned char *binary = malloc(size);
  if (binary && clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL) == CL_SUCCESS)
    (void)device->host->cache_save(key->data, key->length, binary, size);
  free(binary);
}

/* The compiler's own words, as far as the message has room. */
static int build_failure(const struct assay_device *device, cl_program program, cl_int error, struct assay_status *status) {
  char *log = NULL;
  size_t size = 0;
  if (error != CL_BUILD_PROGRAM_FAILURE) return assay_cl_fail(device, "clBuildProgram", error, status);
  if (clGetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size) == CL_SUCCESS && (log = calloc(1, size + 1)))
    (void)clGetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG, size, log, NULL);
  assay_cl_status(status, ASSAY_E_DEVICE, "%s: the driver's compiler refuses a kernel (%s, %d): %.700s", device->name, assay_cl_error_name(error), (int)error,
                  log ? log : "");
  free(log);
  return ASSAY_E_DEVICE;
}

static int compile(struct assay_device *device, const char *source, const char *options, cl_program *program, struct assay_status *status) {
  cl_int error;
  *program = clCreateProgramWithSource(device->context, 1, &source, NULL, &error);
  if (error != CL_SUCCESS) return assay_cl_fail(device, "clCreateProgramWithSource", error, status);
  error = build(device, *program, options);
  if (error == CL_SUCCESS) return ASSAY_OK;
  const int code = build_failure(device, *program, error, status);
  clReleaseProgram(*program);
  *program = NULL;
  return code;
}

static void program_release(struct assay_cl_program *program) {
  if (program->program) clReleaseProgram(program->program);
  free(program->source);
  free(program->options);
  free(program);
}

int assay_cl_program(struct assay_device *device, const char *name, const char *source, const char *options, cl_program *program, struct assay_status *status) {
  for (const struct assay_cl_program *known = device->programs; known; known = known->next)
    if (!strcmp(known->source, source) && !strcmp(known->options, options)) {
      *program = known->program;
      return ASSAY_OK;
    }
  struct assay_cl_text key = {0};
  struct assay_cl_program *made = calloc(1, sizeof *made);
  if (!made || !(made->source = strdup(source)) || !(made->options = strdup(options)) || !make_key(device, source, options, &key)) {
    if (made) program_release(made);
    free(key.data);
    return assay_cl_no_memory(status);
  }
  int code = ASSAY_OK;
  assay_cl_waiting(device, "clBuildProgram");
  if (!(made->program = load(device, &key, options))) {
    char message[256];
    snprintf(message, sizeof message, "opencl: compiling %s %s for %s", name, options, device->name);
    device->host->log(0, message);
    code = compile(device, source, options, &made->program, status);
    if (!code) save(device, &key, made->program);
    device->compiled++;
  }
  assay_cl_waited(device);
  free(key.data);
  if (code) {
    program_release(made);
    return code;
  }
  made->next = device->programs;
  device->programs = made;
  *program = made->program;
  return ASSAY_OK;
}

void assay_cl_programs_release(struct assay_device *device) {
  while (device->programs) {
    struct assay_cl_program *next = device->programs->next;
    program_release(device->programs);
    device->programs = next;
  }
}
