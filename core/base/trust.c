/* SPDX-License-Identifier: MIT */
#include "base/trust.h"

#include "base/status.h"
#include "base/text.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_trusted_owner(uid_t owner) {
  if (owner == 0 || owner == geteuid()) return true;
  const char *also = secure_getenv("ASSAY_PLUGIN_OWNER");
  int64_t number;
  return also != NULL && assay_parse_integer(also, &number) && number >= 0 && (uid_t)number == owner;
}

/* Is it the group of one user alone: that user's name, and no other member? */
static bool is_private_group(gid_t group, uid_t owner) {
  char group_buffer[4096], user_buffer[4096];
  struct group group_entry, *found_group = NULL;
  struct passwd user_entry, *found_user = NULL;
  if (group == 0) return true;
  if (getgrgid_r(group, &group_entry, group_buffer, sizeof group_buffer, &found_group) != 0 || found_group == NULL) return false;
  if (getpwuid_r(owner, &user_entry, user_buffer, sizeof user_buffer, &found_user) != 0 || found_user == NULL) return false;
  if (strcmp(found_group->gr_name, found_user->pw_name) != 0 || found_user->pw_gid != group) return false;
  for (char **member = found_group->gr_mem; *member != NULL; member++)
    if (strcmp(*member, found_user->pw_name) != 0) return false;
  return true;
}

static int check_one(const char *path, bool installed, struct assay_status *status) {
  struct stat facts;
  if (lstat(path, &facts) != 0) return assay_status_set(status, ASSAY_E_PLUGIN, "%s: %s", path, strerror(errno));
  if (!is_trusted_owner(facts.st_uid))
    return assay_status_set(status, ASSAY_E_PLUGIN, "is not trusted, as %s belongs to user %u, neither root nor you; copy the module to a place of your own",
                            path, (unsigned)facts.st_uid);
  if (S_ISDIR(facts.st_mode) && (facts.st_mode & S_ISVTX) != 0) return 0;
  if ((facts.st_mode & S_IWOTH) != 0)
    return assay_status_set(status, ASSAY_E_PLUGIN, "is not trusted, as everybody can write to %s; run: chmod o-w %s", path, path);
  const bool by_root = installed && facts.st_uid == 0;
  if ((facts.st_mode & S_IWGRP) != 0 && !by_root && !is_private_group(facts.st_gid, facts.st_uid))
    return assay_status_set(status, ASSAY_E_PLUGIN, "is not trusted, as the group %u can write to %s; run: chmod g-w %s", (unsigned)facts.st_gid, path, path);
  return 0;
}

int assay_trust_check(const char *path, bool installed, struct assay_status *status) {
  char part[PATH_MAX];
  const size_t length = strlen(path);
  if (path[0] != '/' || length >= sizeof part) return assay_status_set(status, ASSAY_E_PLUGIN, "%.300s: is no absolute path", path);
  int code = check_one("/", installed, status);
  for (size_t end = 1; code == 0 && end <= length; end++) {
    if ((path[end] != '/' && path[end] != '\0') || path[end - 1] == '/') continue;
    memcpy(part, path, end);
    part[end] = '\0';
    code = check_one(part, installed, status);
  }
  return code;
}
