/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include "base/arena.h"
#include "base/status.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* `own`: only what this user or root has, and not everybody may write. */
static int read_file(const char *path, size_t limit, bool own, int code, char **data, size_t *size, struct assay_status *status) {
  *data = NULL;
  *size = 0;
  const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return assay_status_set(status, code, "%s: cannot be opened: %s", path, strerror(errno));
  struct stat facts;
  int result = 0;
  char *bytes = NULL;
  if (fstat(file, &facts) != 0) {
    result = assay_status_set(status, code, "%s: %s", path, strerror(errno));
  } else if (!S_ISREG(facts.st_mode)) {
    result = assay_status_set(status, code, "%s: is %s, not a file", path, S_ISDIR(facts.st_mode) ? "a folder" : "something special");
  } else if (own && ((facts.st_uid != geteuid() && facts.st_uid != 0) || (facts.st_mode & S_IWOTH) != 0)) {
    result = assay_status_set(status, code, "%s: somebody else can have written it", path);
  } else if ((uint64_t)facts.st_size > limit) {
    result = assay_status_set(status, code, "%s: has %lld bytes, more than the %zu that are allowed here", path, (long long)facts.st_size, limit);
  } else if ((bytes = malloc((size_t)facts.st_size + 1)) == NULL) {
    result = assay_status_memory(status);
  } else {
    size_t done = 0;
    while (done < (size_t)facts.st_size) {
      const ssize_t n = read(file, bytes + done, (size_t)facts.st_size - done);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) result = assay_status_set(status, code, "%s: cannot be read: %s", path, strerror(errno));
      if (n <= 0) break; /* shorter than a moment ago: what is there counts */
      done += (size_t)n;
    }
    bytes[done] = '\0';
    *size = done;
  }
  close(file);
  if (result != 0) {
    free(bytes);
    *size = 0;
    return result;
  }
  *data = bytes;
  return 0;
}

int assay_file_read(const char *path, size_t limit, int code, char **data, size_t *size, struct assay_status *status) {
  return read_file(path, limit, false, code, data, size, status);
}

int assay_file_read_own(const char *path, size_t limit, int code, char **data, size_t *size, struct assay_status *status) {
  return read_file(path, limit, true, code, data, size, status);
}

static int storage_error(struct assay_status *status, const char *path, const char *what) {
  return assay_status_set(status, ASSAY_E_STORAGE, "%s: cannot be %s: %s", path, what, strerror(errno));
}

static void sync_folder_of(const char *path) {
  char folder[4096];
  const char *slash = strrchr(path, '/');
  const size_t length = slash == NULL ? 0 : (size_t)(slash - path);
  if (length >= sizeof folder) return;
  memcpy(folder, path, length);
  folder[length] = '\0';
  const int file = open(slash == NULL ? "." : length == 0 ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return;
  (void)fsync(file);
  close(file);
}

int assay_file_write(const char *path, const void *data, size_t size, struct assay_status *status) {
  const size_t length = strlen(path);
  char *temporary = malloc(length + 8);
  if (temporary == NULL) return assay_status_memory(status);
  memcpy(temporary, path, length);
  memcpy(temporary + length, ".XXXXXX", 8);
  const int file = mkostemp(temporary, O_CLOEXEC);
  if (file < 0) {
    free(temporary);
    return storage_error(status, path, "written");
  }
  int failed = 0;
  for (size_t done = 0; done < size && !failed;) {
    const ssize_t n = write(file, (const char *)data + done, size - done);
    if (n >= 0) done += (size_t)n;
    else if (errno != EINTR) failed = 1;
  }
  const mode_t mask = umask(0);
  umask(mask);
  failed = failed || fchmod(file, 0664 & ~mask) != 0 || fsync(file) != 0;
  int reason = errno;
  if (close(file) != 0 && !failed) {
    failed = 1;
    reason = errno;
  }
  if (!failed && rename(temporary, path) != 0) {
    failed = 1;
    reason = errno;
  }
  if (failed) {
    unlink(temporary);
    errno = reason;
    free(temporary);
    return storage_error(status, path, "written");
  }
  free(temporary);
  sync_folder_of(path);
  return 0;
}

int assay_folder_create(const char *path, struct assay_status *status) {
  char *copy = strdup(path);
  if (copy == NULL) return assay_status_memory(status);
  int result = 0;
  for (char *p = copy + 1; result == 0; p++) {
    if (*p != '/' && *p != '\0') continue;
    const char separator = *p;
    *p = '\0';
    if (mkdir(copy, 0777) != 0 && errno != EEXIST) result = storage_error(status, copy, "created");
    *p = separator;
    if (separator == '\0') break;
  }
  if (result == 0 && !assay_folder_exists(path)) {
    errno = ENOTDIR;
    result = storage_error(status, path, "created");
  }
  free(copy);
  return result;
}

bool assay_file_exists(const char *path) {
  struct stat facts;
  return stat(path, &facts) == 0 && S_ISREG(facts.st_mode);
}

bool assay_folder_exists(const char *path) {
  struct stat facts;
  return stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
}

char *assay_path_join(struct assay_arena *arena, const char *folder, const char *name) {
  if (name[0] == '/' || folder[0] == '\0') return assay_arena_copy(arena, name);
  const size_t length = strlen(folder);
  return assay_arena_print(arena, "%s%s%s", folder, folder[length - 1] == '/' ? "" : "/", name);
}

char *assay_path_folder(struct assay_arena *arena, const char *path) {
  const char *slash = strrchr(path, '/');
  if (slash == NULL) return assay_arena_copy(arena, ".");
  return assay_arena_print(arena, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

const char *assay_path_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash == NULL ? path : slash + 1;
}

char *assay_cache_folder(struct assay_arena *arena) {
  const char *base = secure_getenv("XDG_CACHE_HOME");
  const char *home = secure_getenv("HOME");
  char *folder = NULL;
  if (base != NULL && base[0] == '/') folder = assay_path_join(arena, base, "assay");
  else if (home != NULL && home[0] == '/') folder = assay_path_join(arena, home, ".cache/assay");
  if (folder == NULL || assay_folder_create(folder, NULL) != 0) return NULL;
  (void)chmod(folder, 0700);
  return folder;
}
