/* SPDX-License-Identifier: MIT
 *
 * The processor as a device: its name and level, threads, and buffers, which are plain memory. Everything runs at once in the calling
 * thread (and OpenMP's), so there is nothing to wait for.
 */
#include "cpu.h"

#include <omp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int assay_cpu_fail(struct assay_status *status, int code, const char *format, ...) {
  if (!status) return code;
  va_list arguments;
  va_start(arguments, format);
  status->code = code;
  vsnprintf(status->message, sizeof status->message, format, arguments);
  va_end(arguments);
  return code;
}

int assay_cpu_no_memory(struct assay_status *status) {
  return assay_cpu_fail(status, ASSAY_E_MEMORY, "the cpu backend ran out of memory; use a smaller batch or image size");
}

void *assay_cpu_aligned(uint64_t size) {
  const uint64_t rounded = (size + ASSAY_CPU_ALIGNMENT - 1) / ASSAY_CPU_ALIGNMENT * ASSAY_CPU_ALIGNMENT;
  void *bytes = rounded < size ? NULL : aligned_alloc(ASSAY_CPU_ALIGNMENT, rounded ? rounded : ASSAY_CPU_ALIGNMENT);
  if (bytes) memset(bytes, 0, rounded ? rounded : ASSAY_CPU_ALIGNMENT);
  return bytes;
}

/* "model name" of /proc/cpuinfo; empty when there is none. */
static void processor_name(char *name, size_t size) {
  char line[256];
  name[0] = '\0';
  FILE *file = fopen("/proc/cpuinfo", "re");
  if (!file) return;
  while (fgets(line, sizeof line, file)) {
    const char *colon = strchr(line, ':');
    if (strncmp(line, "model name", 10) != 0 || !colon) continue;
    line[strcspn(line, "\n")] = '\0';
    snprintf(name, size, "%.*s", (int)size - 1, colon[1] ? colon + 2 : "");
    break;
  }
  fclose(file);
}

static void library_name(char *name, size_t size) {
  const dnnl_version_t *version = dnnl_version();
  snprintf(name, size, "oneDNN %d.%d.%d", version->major, version->minor, version->patch);
}

static const struct assay_cpu_kernels *best_kernels(void) {
#if defined(__x86_64__) && defined(ASSAY_CPU_LEVELS)
  __builtin_cpu_init();
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  if (v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd"))
    return &assay_cpu_kernels_v4;
  if (v3) return &assay_cpu_kernels_v3;
#endif
  return &assay_cpu_kernels_base;
}

/* What the processor computes in: bf16 products count only where it has instructions for them. */
static uint32_t precisions(void) {
  uint32_t bits = 1u << ASSAY_F64 | 1u << ASSAY_F32;
#if defined(__x86_64__) && defined(ASSAY_CPU_LEVELS)
  if ((dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core_bf16) == dnnl_cpu_isa_avx512_core_bf16) bits |= 1u << ASSAY_BF16;
#endif
  return bits;
}

int assay_cpu_list(const struct assay_backend_host *host, const struct assay_option_value *const *options, const char *const *drivers, assay_found_device found,
                   void *context, struct assay_status *status) {
  (void)host, (void)options, (void)drivers, (void)status;
  char name[128], library[64], note[64], level[32] = "";
#if defined(__x86_64__) && defined(ASSAY_CPU_LEVELS)
  snprintf(level, sizeof level, "x86-64%s%s", best_kernels() == &assay_cpu_kernels_base ? "" : "-", best_kernels() == &assay_cpu_kernels_base ? "" : best_kernels()->level);
#endif
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  processor_name(name, sizeof name);
  library_name(library, sizeof library);
  snprintf(note, sizeof note, "%d processors", omp_get_num_procs());
  const struct assay_device_info info = {.struct_size = sizeof info,
                                         .usable = 1,
                                         .kind = ASSAY_DEVICE_CPU,
                                         .precisions = precisions(),
                                         .memory = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0,
                                         .id = "0",
                                         .name = name[0] ? name : "processor",
                                         .vendor = strstr(name, "AMD") ? "AMD" : strstr(name, "Intel") ? "Intel" : "",
                                         .driver = library,
                                         .extensions = level,
                                         .note = note};
  found(context, &info);
  return 0;
}

int assay_cpu_open(const struct assay_backend_host *host, const struct assay_option_value *const *options, const char *const *drivers, const char *id,
                   struct assay_device **device, struct assay_status *status) {
  (void)drivers;
  if (id && strcmp(id, "0") != 0) return assay_cpu_fail(status, ASSAY_E_DEVICE, "the cpu backend has one device, \"0\"; there is no \"%s\"", id);
  struct assay_device *opened = calloc(1, sizeof *opened);
  if (!opened) return assay_cpu_no_memory(status);
  opened->host = host;
  opened->kernels = best_kernels();
  opened->threads = options && options[0] && options[0]->integer > 0 ? (int)options[0]->integer : omp_get_num_procs();
  opened->images = options && options[0] && options[1] ? (uint32_t)options[1]->integer : ASSAY_CPU_IMAGES_AUTO;
  opened->winograd = !(options && options[0] && options[1] && options[2]) || options[2]->integer != 0;
  char processor[128], library[64];
  processor_name(processor, sizeof processor);
  library_name(library, sizeof library);
  snprintf(opened->identity, sizeof opened->identity, "%s; %s; %s; isa %d; %d threads", processor, library, opened->kernels->level,
           (int)dnnl_get_effective_cpu_isa(), opened->threads);
  opened->profile = secure_getenv("ASSAY_CPU_PROFILE") != NULL;
  omp_set_num_threads(opened->threads);
  if (dnnl_engine_create(&opened->engine, dnnl_cpu, 0) != dnnl_success ||
      dnnl_stream_create(&opened->stream, opened->engine, dnnl_stream_default_flags) != dnnl_success) {
    assay_cpu_close(opened);
    return assay_cpu_fail(status, ASSAY_E_DEVICE, "oneDNN cannot open the processor; is its library complete?");
  }
  *device = opened;
  return 0;
}

void assay_cpu_close(struct assay_device *device) {
  if (!device) return;
  assay_cpu_forget_choices(device);
  if (device->stream) dnnl_stream_destroy(device->stream);
  if (device->engine) dnnl_engine_destroy(device->engine);
  free(device->workspace);
  free(device);
}

int assay_cpu_sync(struct assay_device *device, struct assay_status *status) {
  (void)device, (void)status;
  return 0;
}

int assay_cpu_buffer_create(struct assay_device *device, uint64_t size, struct assay_buffer **buffer, struct assay_status *status) {
  (void)device;
  struct assay_buffer *made = calloc(1, sizeof *made);
  if (made) made->bytes = assay_cpu_aligned(size);
  if (!made || !made->bytes) {
    free(made);
    return assay_cpu_no_memory(status);
  }
  made->size = size;
  *buffer = made;
  return 0;
}

static int check_range(const struct assay_buffer *buffer, uint64_t offset, uint64_t size, struct assay_status *status) {
  if (offset <= buffer->size && size <= buffer->size - offset) return 0;
  return assay_cpu_fail(status, ASSAY_E_FAILED, "%llu bytes at %llu lie outside of a buffer of %llu bytes", (unsigned long long)size,
                        (unsigned long long)offset, (unsigned long long)buffer->size);
}

int assay_cpu_buffer_write(struct assay_buffer *buffer, uint64_t offset, const void *data, uint64_t size, struct assay_status *status) {
  const int error = check_range(buffer, offset, size, status);
  if (!error && size) memcpy(buffer->bytes + offset, data, size);
  return error;
}

int assay_cpu_buffer_read(struct assay_buffer *buffer, uint64_t offset, void *data, uint64_t size, struct assay_status *status) {
  const int error = check_range(buffer, offset, size, status);
  if (!error && size) memcpy(data, buffer->bytes + offset, size);
  return error;
}

void assay_cpu_buffer_release(struct assay_buffer *buffer) {
  if (!buffer) return;
  free(buffer->bytes);
  free(buffer);
}
