/* SPDX-License-Identifier: MIT
 *
 * Any bytes as an archive: listed, and every file in it read, forwards and one of them again. Nothing may be written outside of the cache folder, nor crash.
 */
#include "data/archive.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <stdio.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_READ = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  setenv("XDG_CACHE_HOME", "/dev/null/none", 1); /* unpacked to files without a name */
  const int file = memfd_create("archive", MFD_CLOEXEC);
  if (file < 0 || (size > 0 && write(file, data, size) != (ssize_t)size)) abort();
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  struct assay_archive *archive;
  struct assay_status status;
  if (assay_archive_open(path, &archive, &status) == 0) {
    uint32_t count;
    const struct assay_archive_entry *entries = assay_archive_entries(archive, &count);
    for (uint32_t i = 0; i <= count && i < MOST_READ; i++) {
      char *bytes;
      size_t length;
      if (count > 0 && assay_archive_read(archive, entries[i < count ? i : 0].place, &bytes, &length, &status) == 0) free(bytes);
    }
    assay_archive_release(archive);
  }
  close(file);
  return 0;
}
