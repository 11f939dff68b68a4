/* SPDX-License-Identifier: MIT
 *
 * Kernel files. `#include "NAME.cl"` at the start of a line is replaced with that file's text here, since OpenCL 1.2 has no way to hand a compiler files that are
 * in memory which all drivers get right. #line keeps the compiler's messages true: they name the file that the user can open.
 */
#include "backends/opencl/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST_INCLUDE = 4 };

struct assay_cl_source {
  struct assay_cl_source *next;
  const char *name; /* of the table of embedded files */
  char *text;
};

static const struct assay_cl_kernel_file *find_file(const char *name, size_t length) {
  for (const struct assay_cl_kernel_file *file = assay_cl_kernel_files; file->name; file++)
    if (strlen(file->name) == length && !strncmp(file->name, name, length)) return file;
  return NULL;
}

static int append_file(struct assay_device *device, const struct assay_cl_kernel_file *file, int depth, struct assay_cl_text *text, struct assay_status *status);

/* Is this line an include? Then what is named, without the suffix. */
static bool is_include(const char *line, const char **name, size_t *length) {
  static const char start[] = "#include \"", end[] = ".cl\"";
  if (strncmp(line, start, sizeof start - 1)) return false;
  *name = line + sizeof start - 1;
  const char *stop = strstr(*name, end), *line_end = strchr(line, '\n');
  if (!stop || (line_end && stop > line_end)) return false;
  *length = (size_t)(stop - *name);
  return true;
}

static int append_lines(struct assay_device *device, const char *lines, const char *shown, int depth, struct assay_cl_text *text, struct assay_status *status) {
  int number = 1;
  assay_cl_print(text, "#line 1 \"%s\"\n", shown);
  for (const char *line = lines; *line; number++) {
    const char *end = strchr(line, '\n'), *name;
    const size_t size = end ? (size_t)(end - line) : strlen(line);
    size_t length;
    if (is_include(line, &name, &length)) {
      const struct assay_cl_kernel_file *file = find_file(name, length);
      if (!file || depth == DEEPEST_INCLUDE)
        return assay_cl_status(status, ASSAY_E_DEVICE, "%s, line %d: \"%.*s.cl\" %s", shown, number, (int)length, name,
                               file ? "is included by itself" : "is no kernel file of the backend opencl");
      const int code = append_file(device, file, depth + 1, text, status);
      if (code) return code;
      assay_cl_print(text, "\n#line %d \"%s\"\n", number + 1, shown);
    } else {
      assay_cl_print(text, "%.*s\n", (int)size, line);
    }
    line += size + (end != NULL);
  }
  return ASSAY_OK;
}

static int append_file(struct assay_device *device, const struct assay_cl_kernel_file *file, int depth, struct assay_cl_text *text, struct assay_status *status) {
  char name[64], *own = NULL, *path = NULL;
  snprintf(name, sizeof name, "%s.cl", file->name);
  int code = device->host->struct_size > offsetof(struct assay_backend_host, source_load) ? device->host->source_load(name, &path, &own, status) : ASSAY_OK;
  if (!code && own && !depth) {
    char message[512];
    snprintf(message, sizeof message, "opencl: kernels from %.400s", path);
    device->host->log(1, message);
  }
  if (!code) code = append_lines(device, own ? own : file->text, own ? path : name, depth, text, status);
  free(own);
  free(path);
  return code;
}

int assay_cl_source(struct assay_device *device, const char *name, const char **text, struct assay_status *status) {
  for (const struct assay_cl_source *known = device->sources; known; known = known->next)
    if (!strcmp(known->name, name)) {
      *text = known->text;
      return ASSAY_OK;
    }
  const struct assay_cl_kernel_file *file = find_file(name, strlen(name));
  if (!file) return assay_cl_status(status, ASSAY_E_FAILED, "there is no kernel file %s.cl", name);
  struct assay_cl_text whole = {0};
  struct assay_cl_source *made = calloc(1, sizeof *made);
  int code = made ? append_file(device, file, 0, &whole, status) : assay_cl_no_memory(status);
  if (!code && whole.failed) code = assay_cl_no_memory(status);
  if (code) {
    free(made);
    free(whole.data);
    return code;
  }
  *made = (struct assay_cl_source){device->sources, file->name, whole.data};
  device->sources = made;
  *text = made->text;
  return ASSAY_OK;
}

void assay_cl_sources_release(struct assay_device *device) {
  while (device->sources) {
    struct assay_cl_source *next = device->sources->next;
    free(device->sources->text);
    free(device->sources);
    device->sources = next;
  }
}
