/* SPDX-License-Identifier: MIT
 *
 * What `assay tune` has found, applied to a device that is opened. A line is DEVICE and driver, tab, parameter, tab, value, tab, note. Lines of other devices are
 * left alone, and so is what was noted about candidates ("… without"); one of this device that cannot be understood is left out with a warning.
 */
#include "backends/opencl/tuned.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const choices[] = {"", "own", "clblast"};

bool assay_cl_parameter_is_tile(uint32_t number, enum assay_cl_family *family, int *row_class) {
  *family = number / ASSAY_CL_ROW_CLASSES;
  *row_class = (int)(number % ASSAY_CL_ROW_CLASSES);
  return number < ASSAY_CL_TILE_PARAMETERS;
}

int assay_cl_parameter_gemm_class(uint32_t number) { return (int)number - ASSAY_CL_TILE_PARAMETERS; }

void assay_cl_parameter_name(uint32_t number, char text[ASSAY_CL_PARAMETER_TEXT]) {
  enum assay_cl_family family;
  int row_class;
  int64_t extents[3];
  if (assay_cl_parameter_is_tile(number, &family, &row_class)) {
    snprintf(text, ASSAY_CL_PARAMETER_TEXT, "%s.%" PRId64, assay_cl_family_name(family), assay_cl_class_rows(row_class));
    return;
  }
  assay_cl_gemm_extents(assay_cl_parameter_gemm_class(number), extents);
  snprintf(text, ASSAY_CL_PARAMETER_TEXT, "gemm.%" PRId64 "x%" PRId64 "x%" PRId64, extents[0], extents[1], extents[2]);
}

void assay_cl_parameter_print(const struct assay_device *device, uint32_t number, char text[ASSAY_CL_TILE_TEXT]) {
  enum assay_cl_family family;
  int row_class;
  if (assay_cl_parameter_is_tile(number, &family, &row_class)) assay_cl_tile_print(&device->tiles.of[family][row_class], text);
  else snprintf(text, ASSAY_CL_TILE_TEXT, "%s", choices[device->gemms.of[assay_cl_parameter_gemm_class(number)]]);
}

bool assay_cl_parameter_set(struct assay_device *device, uint32_t number, const char *value) {
  enum assay_cl_family family;
  int row_class;
  if (assay_cl_parameter_is_tile(number, &family, &row_class)) {
    struct assay_cl_tile tile;
    if (!assay_cl_tile_parse(value, &tile) || !assay_cl_tile_fits(device, &tile)) return false;
    device->tiles.of[family][row_class] = tile;
    return true;
  }
  for (int choice = ASSAY_CL_GEMM_OWN; choice <= ASSAY_CL_GEMM_CLBLAST; choice++)
    if (!strcmp(value, choices[choice])) {
      device->gemms.of[assay_cl_parameter_gemm_class(number)] = choice;
      return true;
    }
  return false;
}

static void print_device(const struct assay_device *device, char text[ASSAY_CL_TUNED_TEXT]) {
  snprintf(text, ASSAY_CL_TUNED_TEXT, "%s, %s %s", device->name, device->platform_name, device->driver);
  for (char *c = text; *c; c++)
    if (*c == '\t' || *c == '\n' || *c == '\r') *c = ' ';
}

void assay_cl_tuned_key(const struct assay_device *device, uint32_t number, char text[ASSAY_CL_TUNED_TEXT]) {
  char name[ASSAY_CL_TUNED_TEXT], parameter[ASSAY_CL_PARAMETER_TEXT];
  print_device(device, name);
  assay_cl_parameter_name(number, parameter);
  snprintf(text, ASSAY_CL_TUNED_TEXT, "%.400s\t%s", name, parameter);
}

static bool is_about_candidates(const char *parameter) {
  static const char mark[] = ASSAY_TUNER_WITHOUT;
  const size_t length = strlen(parameter), mark_length = sizeof mark - 1;
  return length > mark_length && !strcmp(parameter + length - mark_length, mark);
}

static bool apply(struct assay_device *device, const char *parameter, const char *value) {
  for (uint32_t number = 0; number < ASSAY_CL_PARAMETERS; number++) {
    char name[ASSAY_CL_PARAMETER_TEXT];
    assay_cl_parameter_name(number, name);
    if (strcmp(name, parameter)) continue;
    device->tuned[number] = assay_cl_parameter_set(device, number, value);
    return device->tuned[number];
  }
  return is_about_candidates(parameter);
}

void assay_cl_tuned_apply(struct assay_device *device, char *text) {
  char device_text[ASSAY_CL_TUNED_TEXT];
  print_device(device, device_text);
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
