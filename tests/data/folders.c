/* SPDX-License-Identifier: MIT */
#include "folders.h"

#include "base/file.h"

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char place[64];

void folder_enter(void) {
  strcpy(place, "/tmp/assay-test-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(place));
  ck_assert_int_eq(chdir(place), 0);
  char cache[96];
  snprintf(cache, sizeof cache, "%s/cache", place);
  setenv("XDG_CACHE_HOME", cache, 1);
}

static int remove_one(const char *path, const struct stat *facts, int kind, struct FTW *walk) {
  (void)facts;
  (void)kind;
  (void)walk;
  return remove(path);
}

void folder_leave(void) {
  ck_assert_int_eq(chdir("/"), 0);
  (void)nftw(place, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void folder_make(const char *path) { ck_assert_int_eq(assay_folder_create(path, NULL), 0); }

void folder_write(const char *path, const void *data, size_t size) {
  char folder[256];
  snprintf(folder, sizeof folder, "%s", path);
  char *slash = strrchr(folder, '/');
  if (slash != NULL) {
    *slash = '\0';
    folder_make(folder);
  }
  FILE *file = fopen(path, "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(data, 1, size, file), size);
  fclose(file);
}

void folder_text(const char *path, const char *text) { folder_write(path, text, strlen(text)); }

void folder_image(const char *path, int number) {
  char bytes[64];
  const int length = snprintf(bytes, sizeof bytes, "P5\n5 3\n255\n");
  for (int i = 0; i < 15; i++) bytes[length + i] = (char)(i < 4 ? number >> 8 * i : 10 * i + number);
  folder_write(path, bytes, (size_t)length + 15);
}
