/* SPDX-License-Identifier: MIT
 *
 * Any text as what `assay tune` has found for the backend `opencl`: whatever is taken from it can be run on the device, and is printed as it was written.
 */
#include "backends/opencl/tuned.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void forget(int level, const char *message) {
  if (level != 2 || strlen(message) == 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const struct assay_backend_host host = {.struct_size = sizeof host, .log = forget};
  struct assay_device *device = calloc(1, sizeof *device);
  char *text = malloc(size + 1);
  if (device == NULL || text == NULL) abort();
  if (size > 0) memcpy(text, data, size);
  text[size] = '\0';
  device->host = &host;
  device->kind = ASSAY_DEVICE_GPU;
  device->group_size = 256;
  device->local_memory = 32768;
  strcpy(device->name, "device");
  strcpy(device->platform_name, "platform");
  strcpy(device->driver, "1.0");
  assay_cl_tiles_default(device, &device->tiles);
  assay_cl_tuned_apply(device, text);
  for (uint32_t number = 0; number < ASSAY_CL_PARAMETERS; number++) {
    char value[ASSAY_CL_TILE_TEXT], again[ASSAY_CL_TILE_TEXT];
    enum assay_cl_family family;
    int row_class;
    assay_cl_parameter_print(device, number, value);
    if (assay_cl_parameter_is_tile(number, &family, &row_class) && !assay_cl_tile_fits(device, &device->tiles.of[family][row_class])) abort();
    if (device->tuned[number] && !assay_cl_parameter_set(device, number, value)) abort();
    assay_cl_parameter_print(device, number, again);
    if (strcmp(value, again) != 0) abort();
  }
  free(text);
  free(device);
  return 0;
}
