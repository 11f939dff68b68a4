/* SPDX-License-Identifier: MIT
 *
 * Runs a fuzz target without a fuzzer: every file of its corpus as it is, cut short at every length, and with bytes changed. The changes come from a
 * fixed seed, so a failure comes back; the file and the change are printed first when FUZZ_VERBOSE is set. Files named on the command line are run as
 * they are, which is how a fuzzer's find is looked at.
 */
#include "base/arena.h"
#include "base/file.h"

#include <assay/random.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILE_LIMIT = 1 << 20, CUTS = 512, CHANGES = 512 };

/* Each input lies in a block of exactly its size, so that a sanitizer sees one byte too far. */
static void run_copy(const uint8_t *data, size_t size, size_t change_count, struct assay_random *random) {
  uint8_t *copy = malloc(size ? size : 1);
  if (!copy) exit(EXIT_FAILURE);
  if (size) memcpy(copy, data, size);
  for (size_t i = 0; i < change_count && size; i++) copy[assay_random_below(random, (uint32_t)size)] = (uint8_t)assay_random_u32(random);
  (void)LLVMFuzzerTestOneInput(copy, size);
  free(copy);
}

static int run_file(const char *path, int mutate) {
  char *data;
  size_t size;
  struct assay_status status;
  if (assay_file_read(path, FILE_LIMIT, ASSAY_E_FAILED, &data, &size, &status)) {
    fprintf(stderr, "%s\n", status.message);
    return 1;
  }
  if (getenv("FUZZ_VERBOSE")) fprintf(stderr, "%s\n", path);
  struct assay_random random = assay_random_seed(size, 0);
  run_copy((const uint8_t *)data, size, 0, &random);
  const size_t step = size / CUTS + 1;
  for (size_t length = 0; mutate && length < size; length += step) run_copy((const uint8_t *)data, length, 0, &random);
  for (size_t i = 0; mutate && i < CHANGES; i++) run_copy((const uint8_t *)data, size, 1 + i % 4, &random);
  free(data);
  return 0;
}

static int run_folder(const char *path) {
  DIR *folder = opendir(path);
  if (!folder) {
    perror(path);
    return 1;
  }
  struct assay_arena *arena = assay_arena_create();
  int failed = 0, count = 0;
  for (const struct dirent *entry; (entry = readdir(folder));)
    if (entry->d_name[0] != '.') {
      failed |= run_file(assay_path_join(arena, path, entry->d_name), 1);
      count++;
    }
  assay_arena_release(arena);
  closedir(folder);
  if (count == 0) fprintf(stderr, "%s: no seeds\n", path);
  return failed || count == 0;
}

int main(int argc, char **argv) {
  int failed = 0;
  for (int i = 1; i < argc; i++) failed |= run_file(argv[i], 0);
  if (argc > 1) return failed;
  const char *source = getenv("srcdir"); /* set by make check */
  char path[4096];
  snprintf(path, sizeof path, "%s/tests/fuzz/corpus/%s", source ? source : ".", ASSAY_FUZZ_NAME);
  return run_folder(path);
}
