/* SPDX-License-Identifier: MIT
 *
 * What an OpenCL device can do at most, measured without any of our own kernels: multiply-adds in registers (each counts as two operations), and bytes that are copied from
 * one buffer to another (each counts when it is read and when it is written). The best of some rounds.
 *
 *   bench/peak [NAME]     a device by its name; the first one that there is unless given
 *
 * Prints one JSON object: {"gflops": …, "gbytes": …}, both in 1e9 a second.
 */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 64, ITEMS_A_UNIT = 4096, GROUP = 64, CHAINS = 4, LANES = 8, ROUNDS = 7 };
static const double long_enough = 0.02; /* seconds of one launch, so that starting it does not count */

/* Four chains of eight numbers: enough that none waits for the one before, and few enough for the registers. */
static const char source[] = "#ifdef FP_FAST_FMAF\n#define STEP(a) a = fma(a, factor, addend)\n#else\n#define STEP(a) a = mad(a, factor, addend)\n#endif\n"
                             "kernel void arithmetic(global float8 *result, float8 factor, float8 addend, int steps) {\n"
                             "  float8 a = (float)get_global_id(0), b = a + 1, c = a + 2, d = a + 3;\n"
                             "  for (int i = 0; i < steps; i++) { STEP(a); STEP(b); STEP(c); STEP(d); }\n"
                             "  result[get_global_id(0)] = a + b + c + d;\n"
                             "}\n"
                             "kernel void copy(global const float4 *from, global float4 *to) { to[get_global_id(0)] = from[get_global_id(0)]; }\n";

struct device {
  cl_device_id id;
  cl_context context;
  cl_command_queue queue;
  cl_program program;
};

static int refuse(const char *call, cl_int error) {
  fprintf(stderr, "%s: error %d\n", call, (int)error);
  return 1;
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The device of that name, or the first. */
static cl_device_id find(const char *name) {
  cl_platform_id platforms[MOST];
  cl_uint platform_count = 0;
  if (clGetPlatformIDs(MOST, platforms, &platform_count) != CL_SUCCESS) return NULL;
  for (cl_uint p = 0; p < platform_count && p < MOST; p++) {
    cl_device_id devices[MOST];
    cl_uint count = 0;
    if (clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, MOST, devices, &count) != CL_SUCCESS) continue;
    for (cl_uint d = 0; d < count && d < MOST; d++) {
      char text[256] = "";
      if (clGetDeviceInfo(devices[d], CL_DEVICE_NAME, sizeof text, text, NULL) == CL_SUCCESS && (name == NULL || strcmp(text, name) == 0)) return devices[d];
    }
  }
  return NULL;
}

static int open_device(struct device *device, const char *name) {
  cl_int error;
  const char *text = source;
  if ((device->id = find(name)) == NULL) {
    fprintf(stderr, "there is no OpenCL device%s%s\n", name != NULL ? " named " : "", name != NULL ? name : "");
    return 1;
  }
  device->context = clCreateContext(NULL, 1, &device->id, NULL, NULL, &error);
  if (error != CL_SUCCESS) return refuse("clCreateContext", error);
  device->queue = clCreateCommandQueue(device->context, device->id, 0, &error);
  if (error != CL_SUCCESS) return refuse("clCreateCommandQueue", error);
  device->program = clCreateProgramWithSource(device->context, 1, &text, NULL, &error);
  if (error == CL_SUCCESS) error = clBuildProgram(device->program, 1, &device->id, "-cl-std=CL1.2", NULL, NULL);
  return error == CL_SUCCESS ? 0 : refuse("clBuildProgram", error);
}

/* Seconds of one launch; below zero when it fails. */
static double launch(struct device *device, cl_kernel kernel, size_t items) {
  const size_t group = GROUP;
  const double began = seconds();
  if (clEnqueueNDRangeKernel(device->queue, kernel, 1, NULL, &items, &group, 0, NULL, NULL) != CL_SUCCESS || clFinish(device->queue) != CL_SUCCESS) return -1;
  return seconds() - began;
}

static double best_of(struct device *device, cl_kernel kernel, size_t items) {
  double best = -1;
  for (int i = 0; i < ROUNDS; i++) {
    const double time = launch(device, kernel, items);
    if (time <= 0) return -1;
    if (best < 0 || time < best) best = time;
  }
  return best;
}

/* Operations a second in 1e9; 0 when it fails. */
static double measure_arithmetic(struct device *device) {
  cl_uint units = 1;
  cl_int error, steps = 64;
  cl_float factor[LANES], addend[LANES];
  for (int i = 0; i < LANES; i++) factor[i] = 0.999f, addend[i] = 0.5f;
  clGetDeviceInfo(device->id, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL);
  const size_t items = (size_t)units * ITEMS_A_UNIT;
  cl_kernel kernel = clCreateKernel(device->program, "arithmetic", &error);
  if (error != CL_SUCCESS) return 0;
  cl_mem result = clCreateBuffer(device->context, CL_MEM_WRITE_ONLY, items * sizeof factor, NULL, &error);
  if (error != CL_SUCCESS) return 0;
  clSetKernelArg(kernel, 0, sizeof result, &result);
  clSetKernelArg(kernel, 1, sizeof factor, factor);
  clSetKernelArg(kernel, 2, sizeof addend, addend);
  double time;
  do {
    steps *= 2;
    clSetKernelArg(kernel, 3, sizeof steps, &steps);
    time = launch(device, kernel, items);
  } while (time >= 0 && time < long_enough && steps < 1 << 20);
  time = best_of(device, kernel, items);
  clReleaseMemObject(result);
  clReleaseKernel(kernel);
  return time > 0 ? 2.0 * CHAINS * LANES * (double)steps * (double)items / time * 1e-9 : 0;
}

/* Bytes a second in 1e9, through blocks of a sixteenth of the memory and at most 512 MiB; 0 when it fails. */
static double measure_memory(struct device *device) {
  cl_ulong memory = 0, largest = 0;
  cl_int error;
  clGetDeviceInfo(device->id, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof memory, &memory, NULL);
  clGetDeviceInfo(device->id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof largest, &largest, NULL);
  size_t size = (size_t)512 << 20;
  while (size > 1 << 20 && (size > memory / 16 || size > largest)) size /= 2;
  cl_kernel kernel = clCreateKernel(device->program, "copy", &error);
  if (error != CL_SUCCESS) return 0;
  cl_mem from = clCreateBuffer(device->context, CL_MEM_READ_WRITE, size, NULL, &error), to = error == CL_SUCCESS ? clCreateBuffer(device->context, CL_MEM_READ_WRITE, size, NULL, &error) : NULL;
  const cl_float one = 1;
  if (error == CL_SUCCESS) error = clEnqueueFillBuffer(device->queue, from, &one, sizeof one, 0, size, 0, NULL, NULL);
  if (error != CL_SUCCESS) return 0;
  clSetKernelArg(kernel, 0, sizeof from, &from);
  clSetKernelArg(kernel, 1, sizeof to, &to);
  const double time = best_of(device, kernel, size / (4 * sizeof(cl_float)));
  clReleaseMemObject(from);
  clReleaseMemObject(to);
  clReleaseKernel(kernel);
  return time > 0 ? 2.0 * (double)size / time * 1e-9 : 0;
}

int main(int argc, char **argv) {
  struct device device = {0};
  if (open_device(&device, argc > 1 ? argv[1] : NULL) != 0) return 1;
  const double arithmetic = measure_arithmetic(&device), memory = measure_memory(&device);
  printf("{\"gflops\": %.6g, \"gbytes\": %.6g}\n", arithmetic, memory);
  return arithmetic > 0 && memory > 0 ? 0 : 1;
}
