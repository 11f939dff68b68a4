/* SPDX-License-Identifier: MIT
 *
 * What `assay tune` has found, applied to a device that is opened. A line is DEVICE and driver, tab, parameter, tab, value, tab, note. Lines of other devices are
 * left alone; one of this device that cannot be understood is left out with a warning.
 */
#include "backends/opencl/tuned.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void assay_cl_tuned_device(const struct assay_device *device, char text[ASSAY_CL_TUNED_TEXT]) {
  snprintf(text, ASSAY_CL_TUNED_TEXT, "%s, %s", device->name, device->driver);
  for (char *c = text; *c; c++)
    if (*c == '\t' || *c == '\n' || *c == '\r') *c = ' ';
}

void assay_cl_tuned_key(const struct assay_device *device, const char *parameter, char text[ASSAY_CL_TUNED_TEXT]) {
  char name[ASSAY_CL_TUNED_TEXT];
  assay_cl_tuned_device(device, name);
  snprintf(text, ASSAY_CL_TUNED_TEXT, "%.300s\t%s", name, parameter);
}

void assay_cl_tile_parameter(enum assay_cl_family family, int row_class, char *text, size_t size) {
  snprintf(text, size, "%s.%" PRId64, assay_cl_family_name(family), assay_cl_class_rows(row_class));
}

static bool apply_tile(struct assay_device *device, const char *parameter, const char *value) {
  for (int family = 0; family < ASSAY_CL_FAMILIES; family++)
    for (int row_class = 0; row_class < ASSAY_CL_ROW_CLASSES; row_class++) {
      char name[64];
      struct assay_cl_tile tile;
      assay_cl_tile_parameter(family, row_class, name, sizeof name);
      if (strcmp(name, parameter)) continue;
      if (!assay_cl_tile_parse(value, &tile) || !assay_cl_tile_fits(device, &tile)) return false;
      device->tiles.of[family][row_class] = tile;
      return true;
    }
  return false;
}

static bool apply(struct assay_device *device, const char *parameter, const char *value) {
  if (strcmp(parameter, ASSAY_CL_CLBLAST_PARAMETER)) return apply_tile(device, parameter, value);
  char *end;
  const unsigned long long number = strtoull(value, &end, 10);
  if (*value < '0' || *value > '9' || *end || !number) return false;
  device->clblast_from = number;
  return true;
}

void assay_cl_tuned_apply(struct assay_device *device, char *text) {
  char device_text[ASSAY_CL_TUNED_TEXT];
  assay_cl_tuned_device(device, device_text);
  int number = 0;
  for (char *line; (line = strsep(&text, "\n"));) {
    number++;
    const char *name = strsep(&line, "\t"), *parameter = strsep(&line, "\t"), *value = strsep(&line, "\t");
    if (strcmp(name, device_text) || (parameter && value && apply(device, parameter, value))) continue;
    char message[256];
    snprintf(message, sizeof message, "opencl: line %d of the tuned parameters is not understood and left out; 'assay tune' measures again what is missing", number);
    device->host->log(2, message);
  }
}

void assay_cl_tuned_load(struct assay_device *device) {
  char *text = NULL;
  if (device->host->struct_size <= offsetof(struct assay_backend_host, tuned_load)) return;
  if (device->host->tuned_load("opencl", &text)) device->host->log(2, "opencl: the tuned parameters cannot be read; the defaults are used");
  else if (text) assay_cl_tuned_apply(device, text);
  free(text);
}
