/* SPDX-License-Identifier: MIT
 *
 * Private to the scan: what its files share. scan_folders.c, scan_manifest.c and scan_idx.c find the images of the layouts; scan.c reads them.
 */
#ifndef ASSAY_DATA_SCAN_H
#define ASSAY_DATA_SCAN_H

#include "base/status.h"
#include "data/archive.h"
#include "data/source.h"

#include <pthread.h>

/* What a path of the settings means. */
struct assay_root {
  const char *path;   /* resolved; NULL: not asked for */
  const char *folder; /* what paths in it are relative to: the path itself, or the folder of a manifest */
  struct assay_archive *archive; /* NULL: a folder or a manifest */
  bool manifest;
};

struct assay_rows;

/* A scan under way. */
struct assay_scan {
  const struct assay_data_settings *settings;
  const char *const *given; /* classes of scan_labelled; NULL */
  uint32_t given_count;
  struct assay_dataset *dataset;
  struct assay_arena *arena; /* the data set's */
  struct assay_root root, test;
  /* Images as they are found. */
  struct assay_walk walk;
  struct assay_place {
    int32_t label;
    uint32_t part;
    const char *group; /* NULL: none */
  } * places; /* parallel to walk.found */
  size_t place_capacity;
  /* Reading. */
  struct assay_verdicts *verdicts;
  struct assay_rows *rows;
  bool *known, *unsure;  /* one a sample: judged before; not to be remembered */
  pthread_mutex_t mutex; /* of the arena, while threads run */
  struct assay_status failure;
  struct assay_status *status;
};

/* Images, labels and parts of class folders, in the file system or in an archive, or of a manifest. */
int assay_scan_folders(struct assay_scan *scan);
/* The rows of a manifest. `test`: all of them (or those marked so) are of the test. */
int assay_scan_manifest(struct assay_scan *scan, const struct assay_root *root, bool test);
/* The IDX pairs in the root; pair_count of the source stays 0 when there are none. */
int assay_scan_find_idx(struct assay_scan *scan);
int assay_scan_idx(struct assay_scan *scan);

/* The class of a name; new ones are added when `may_add`. `where`: what has the name, for messages. */
int assay_scan_class(struct assay_scan *scan, const char *where, const char *name, bool may_add, int32_t *label);
/* Label, part and group of the images that were found since `before`. */
int assay_scan_place(struct assay_scan *scan, size_t before, int32_t label, uint32_t part, const char *group);
/* The part that a name stands for (train, val, test and the like, in any case): an enum assay_part, or -1. */
int assay_scan_part(const char *name);

#endif
