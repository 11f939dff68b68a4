/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a manifest: as a list of paths, and as a data set, whose images are not there.
 */
#include "base/arena.h"
#include "data/data.h"
#include "data/walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/assay-fuzz-XXXXXX", path[64];

static void remove_file(void) {
  unlink(path);
  rmdir(folder);
}

static void prepare(void) {
  if (path[0] != '\0') return;
  setenv("XDG_CACHE_HOME", "/dev/null/none", 1);
  if (mkdtemp(folder) == NULL) abort();
  snprintf(path, sizeof path, "%s/list.csv", folder);
  atexit(remove_file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  prepare();
  FILE *file = fopen(path, "w");
  if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0) abort();
  struct assay_status status;
  struct assay_walk walk = {.arena = assay_arena_create()};
  if (walk.arena == NULL) abort();
  (void)assay_manifest_images(path, &walk, &status);
  assay_walk_release(&walk);
  assay_arena_release(walk.arena);
  const struct assay_data_settings settings = {.path = path, .folds = 2, .seed = 1, .threads = 1};
  struct assay_dataset *dataset;
  if (assay_dataset_scan(&settings, &dataset, &status) == 0) {
    for (uint32_t i = 0; i < dataset->count; i++)
      if (dataset->samples[i].label < 0 || (uint32_t)dataset->samples[i].label >= dataset->class_count || strlen(dataset->samples[i].path) == 0) abort();
    assay_dataset_release(dataset);
  }
  return 0;
}
