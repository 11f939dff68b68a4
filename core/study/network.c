/* SPDX-License-Identifier: MIT
 *
 * Is this a network file system? SQLite's locks, and the shared memory of its write-ahead log, work only between processes of one machine.
 */
#include "study/database.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

enum { FUSE = 0x65735546 };

const char *assay_network_file_system_name(uint32_t magic, const char *mount_type) {
  /* Numbers as in statfs(2) and linux/magic.h. */
  static const struct {
    uint32_t magic;
    const char *name;
  } kinds[] = {{0x6969, "NFS"},       {0x517B, "SMB"},      {0xFE534D42, "SMB"},    {0xFF534D42, "CIFS"}, {0x5346414F, "AFS"},  {0x6B414653, "AFS"},
               {0x73757245, "Coda"},  {0x00C36400, "Ceph"}, {0x01021997, "9P"},     {0x564C, "NCP"},      {0x47504653, "GPFS"}, {0x0BD00BD0, "Lustre"},
               {0x7461636F, "OCFS2"}, {0x01161970, "GFS2"}, {0x19830326, "BeeGFS"}, {0xAAD7AAEA, "PanFS"}};
  static const char *const fuse_kinds[] = {"sshfs", "glusterfs", "s3fs",   "rclone",  "ceph",    "davfs",   "nfs",
                                           "smb",   "gcsfuse",   "lustre", "juicefs", "moosefs", "virtiofs"};
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
    if (kinds[i].magic == magic) return kinds[i].name;
  if (magic != FUSE || mount_type == NULL) return NULL;
  for (size_t i = 0; i < sizeof fuse_kinds / sizeof fuse_kinds[0]; i++)
    if (strstr(mount_type, fuse_kinds[i]) != NULL) return fuse_kinds[i];
  return NULL;
}

/* The file system type of a device in /proc/self/mountinfo. */
static const char *mount_type_of(dev_t device, char type[64]) {
  FILE *file = fopen("/proc/self/mountinfo", "re");
  if (file == NULL) return NULL;
  char line[4096];
  const char *found = NULL;
  while (found == NULL && fgets(line, sizeof line, file) != NULL) {
    unsigned major_number, minor_number;
    const char *rest = strstr(line, " - ");
    if (sscanf(line, "%*d %*d %u:%u", &major_number, &minor_number) != 2 || rest == NULL) continue;
    if (major_number == major(device) && minor_number == minor(device) && sscanf(rest + 3, "%63s", type) == 1) found = type;
  }
  fclose(file);
  return found;
}

const char *assay_network_file_system(const char *path) {
  char folder[4096], type[64];
  const char *slash = strrchr(path, '/');
  const size_t length = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
  if (length >= sizeof folder) return NULL;
  memcpy(folder, path, length);
  folder[length] = '\0';
  struct statfs system;
  struct stat facts;
  const char *place = length == 0 ? "." : folder;
  if (statfs(place, &system) != 0 || stat(place, &facts) != 0) return NULL; /* opening the file will say why */
  const uint32_t magic = (uint32_t)system.f_type;
  return assay_network_file_system_name(magic, magic == FUSE ? mount_type_of(facts.st_dev, type) : NULL);
}
