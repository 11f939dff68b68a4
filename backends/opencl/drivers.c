/* SPDX-License-Identifier: MIT
 *
 * Drivers as the ICD loader finds them: each file *.icd of a folder names one library. The loader opens them all at the first call, so one that crashes while it is
 * loaded takes the process down; here they are named without being opened, and the loader can be kept to some of them.
 *
 * ocl-icd, Debian's loader, takes a folder or a single file in OCL_ICD_VENDORS; Khronos' takes a folder there, and libraries in OCL_ICD_FILENAMES.
 */
#include "backends/opencl/device.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_FOLDER "/etc/OpenCL/vendors"

enum { MOST_DRIVERS = 64, LONGEST_PATH = 4096 };

static bool ends_with(const char *text, const char *end) {
  const size_t length = strlen(text), tail = strlen(end);
  return length > tail && strcmp(text + length - tail, end) == 0;
}

/* The library that an ICD file names, its first line; empty when it names none, or cannot be read. */
static void read_library(const char *file, char *library, size_t size) {
  library[0] = 0;
  FILE *stream = fopen(file, "re");
  if (!stream) return;
  if (!fgets(library, (int)size, stream)) library[0] = 0;
  library[strcspn(library, "\r\n")] = 0;
  fclose(stream);
}

static void add_stamp(const char *file, char *stamp, size_t size) {
  struct stat facts;
  const size_t length = strlen(stamp);
  if (stat(file, &facts) != 0) snprintf(stamp + length, size - length, "%s missing;", file);
  else
    snprintf(stamp + length, size - length, "%s %llu %lld %lld.%09ld;", file, (unsigned long long)facts.st_ino, (long long)facts.st_size, (long long)facts.st_mtim.tv_sec,
             facts.st_mtim.tv_nsec);
}

/* The file, its library, and where the linker looks for that. */
static void tell(const char *file, assay_found_driver found, void *context) {
  char library[LONGEST_PATH], stamp[4 * LONGEST_PATH] = "";
  const char *path = getenv("LD_LIBRARY_PATH");
  add_stamp(file, stamp, sizeof stamp);
  if (ends_with(file, ".icd")) read_library(file, library, sizeof library);
  else snprintf(library, sizeof library, "%s", file);
  if (library[0] == '/') add_stamp(library, stamp, sizeof stamp);
  else add_stamp("/etc/ld.so.cache", stamp, sizeof stamp);
  const size_t length = strlen(stamp);
  snprintf(stamp + length, sizeof stamp - length, "%s;%s", library, path ? path : "");
  const struct assay_driver_info info = {.struct_size = sizeof info, .name = file, .stamp = stamp};
  found(context, &info);
}

static int compare_names(const void *left, const void *right) { return strcmp(*(char *const *)left, *(char *const *)right); }

/* The folder's ICD files, by name. */
static int tell_folder(const char *folder, assay_found_driver found, void *context, struct assay_status *status) {
  char *names[MOST_DRIVERS], path[LONGEST_PATH];
  uint32_t count = 0;
  bool failed = false;
  DIR *entries = opendir(folder);
  if (!entries) return ASSAY_OK; /* no folder, no drivers */
  for (struct dirent *entry; !failed && count < MOST_DRIVERS && (entry = readdir(entries));)
    if (ends_with(entry->d_name, ".icd")) failed = !(names[count++] = strdup(entry->d_name));
  closedir(entries);
  if (failed) count--;
  qsort(names, count, sizeof *names, compare_names);
  for (uint32_t i = 0; i < count; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, names[i]);
    if (!failed) tell(path, found, context);
    free(names[i]);
  }
  return failed ? assay_cl_no_memory(status) : ASSAY_OK;
}

int assay_cl_drivers(const struct assay_option_value *const *options, assay_found_driver found, void *context, struct assay_status *status) {
  (void)options;
  const char *place = getenv("OCL_ICD_VENDORS");
  struct stat facts;
  if (!place || !*place) place = getenv("OPENCL_VENDOR_PATH");
  if (!place || !*place) place = DEFAULT_FOLDER;
  if (stat(place, &facts) == 0 && S_ISDIR(facts.st_mode)) return tell_folder(place, found, context, status);
  if (strcmp(place, DEFAULT_FOLDER) != 0) tell(place, found, context); /* a single file, or a library */
  return ASSAY_OK;
}

/* Opens the library before the loader does: the loader leaves out in silence what it cannot open. */
static int examine(const char *driver, struct assay_status *status) {
  char library[LONGEST_PATH];
  struct stat facts;
  if (!ends_with(driver, ".icd")) snprintf(library, sizeof library, "%s", driver);
  else if (stat(driver, &facts) != 0) return assay_cl_status(status, ASSAY_E_DEVICE, "%s cannot be read: %s", driver, strerror(errno));
  else read_library(driver, library, sizeof library);
  if (!library[0]) return assay_cl_status(status, ASSAY_E_DEVICE, "%s is empty: it should name the driver's library; reinstall the driver, or remove the file", driver);
  void *module = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (!module) {
    const char *words = dlerror();
    return assay_cl_status(status, ASSAY_E_DEVICE, "%s names a library that cannot be loaded: %s; reinstall the driver, or remove the file", driver, words ? words : library);
  }
  if (!dlsym(module, "clGetExtensionFunctionAddress") && !dlsym(module, "clIcdGetPlatformIDsKHR"))
    return assay_cl_status(status, ASSAY_E_DEVICE, "%s names %s, which is no OpenCL driver; reinstall the driver, or remove the file", driver, library);
  return ASSAY_OK;
}

static void remove_links(const char *folder, uint32_t count) {
  char path[LONGEST_PATH];
  for (uint32_t i = 0; i < count; i++) {
    snprintf(path, sizeof path, "%s/%02u.icd", folder, i);
    unlink(path);
  }
  rmdir(folder);
}

/* A folder with links to the drivers' files, for as long as the loader needs to read it. */
static int load_several(const char *const *drivers, uint32_t count, struct assay_status *status) {
  char folder[] = "/tmp/assay-drivers-XXXXXX", path[LONGEST_PATH];
  bool failed = !mkdtemp(folder);
  for (uint32_t i = 0; i < count && !failed; i++) {
    snprintf(path, sizeof path, "%s/%02u.icd", folder, i);
    failed = symlink(drivers[i], path) != 0;
  }
  if (failed) {
    const int reason = errno;
    remove_links(folder, count);
    return assay_cl_status(status, ASSAY_E_STORAGE, "no folder for the OpenCL drivers could be made in /tmp: %s", strerror(reason));
  }
  cl_uint ignored;
  setenv("OCL_ICD_VENDORS", folder, 1);
  (void)clGetPlatformIDs(0, NULL, &ignored); /* the loader reads the folder at the first call */
  remove_links(folder, count);
  return ASSAY_OK;
}

static int load_one(const char *driver, struct assay_status *status) {
  char library[LONGEST_PATH];
  cl_uint ignored;
  const int code = examine(driver, status);
  if (code) return code;
  read_library(driver, library, sizeof library);
  setenv("OCL_ICD_VENDORS", driver, 1);
  void *loader = dlopen("libOpenCL.so.1", RTLD_LAZY | RTLD_NOLOAD);
  if (library[0] && !(loader && dlsym(loader, "clGetICDLoaderInfoOCLICD"))) setenv("OCL_ICD_FILENAMES", library, 1);
  (void)clGetPlatformIDs(0, NULL, &ignored);
  return ASSAY_OK;
}

/* Puts a variable back as it was; children of this process are to find their drivers by themselves. */
static void put_back(const char *name, char *before) {
  if (before) setenv(name, before, 1);
  else unsetenv(name);
  free(before);
}

static char *copy_of(const char *text) { return text ? strdup(text) : NULL; }

int assay_cl_restrict(const char *const *drivers, struct assay_status *status) {
  uint32_t count = 0;
  if (!drivers) return ASSAY_OK;
  while (drivers[count]) count++;
  char *vendors = copy_of(getenv("OCL_ICD_VENDORS")), *libraries = copy_of(getenv("OCL_ICD_FILENAMES"));
  const int code = count == 1 ? load_one(drivers[0], status) : load_several(drivers, count, status);
  put_back("OCL_ICD_VENDORS", vendors);
  put_back("OCL_ICD_FILENAMES", libraries);
  return code;
}
