/* SPDX-License-Identifier: MIT
 *
 * From a folder (or IDX files) to numbered, labelled samples, parts and folds, and a cache of decoded pixels.
 */
#ifndef ASSAY_DATA_DATA_H
#define ASSAY_DATA_DATA_H

#include "base/hash.h"
#include "config/plan.h"

enum assay_part {
  ASSAY_PART_TRAIN = 0,     /* trained on, or validated on in its fold */
  ASSAY_PART_VALIDATION = 1, /* only from a val/ folder */
  ASSAY_PART_TEST = 2,
  ASSAY_PART_NONE = 3       /* left out: broken, a copy, over the limit */
};

struct assay_sample {
  const char *path;        /* relative to the data folder; "train-images-idx3-ubyte.gz#17" for IDX */
  int32_t label;           /* class number */
  uint32_t part;           /* enum assay_part */
  int32_t fold;            /* 0 … folds - 1 for TRAIN; -1 */
  uint32_t width, height, channels, bits; /* as stored, after EXIF orientation; 0 when broken */
  const char *format;      /* "jpeg", "png", …; NULL when broken */
  const char *problem;     /* one clause on why it cannot be used; NULL */
  struct assay_hash hash;  /* of the file's bytes (of the pixels for IDX) */
};

struct assay_dataset {
  struct assay_arena *arena;
  const char *root;
  uint32_t count, class_count;
  struct assay_sample *samples; /* sorted by path, so that numbers do not depend on the file system */
  const char *const *classes;   /* sorted by name */
  bool has_validation, has_test; /* val/ and test/ folders (or an IDX test pair) were found */
  struct assay_hash content;    /* of all names, labels and hashes */
};

/* Lists and opens every image (in threads); broken ones are kept with their problem. ASSAY_E_DATA when there is nothing to work with: no such folder, no
 * images, one class. */
int assay_dataset_scan(const struct assay_data_settings *settings, struct assay_dataset **dataset, struct assay_status *status);
void assay_dataset_release(struct assay_dataset *dataset);

/* What the audit found. Lists hold sample numbers. */
struct assay_audit {
  struct assay_arena *arena;
  uint32_t broken_count;
  const uint32_t *broken;
  uint32_t duplicate_count;        /* groups of equal files */
  const struct assay_duplicate {
    uint32_t count;
    const uint32_t *samples;
    bool across_parts, across_labels;
  } *duplicates;
};
int assay_dataset_audit(const struct assay_dataset *dataset, struct assay_audit **audit, struct assay_status *status);
void assay_audit_release(struct assay_audit *audit);
/* The gate: a copy across parts leaves the training part (part NONE, problem says so); one image under two labels is ASSAY_E_DATA. Several equal files within the
 * training part are kept in one fold by the split. */
int assay_dataset_gate(struct assay_dataset *dataset, const struct assay_audit *audit, struct assay_status *status);

/* Stratified parts and folds from settings->seed. ASSAY_E_DATA with the class and the numbers when a class has fewer images than folds. */
int assay_dataset_split(struct assay_dataset *dataset, const struct assay_data_settings *settings, struct assay_status *status);

/* Decoded pixels of every usable sample at the size, fit and colour of the settings: u8, N, H, W, C, mapped read-only, shared by processes. */
struct assay_cache;
int assay_cache_open(struct assay_dataset *dataset, const struct assay_data_settings *settings, struct assay_cache **cache, struct assay_status *status);
void assay_cache_close(struct assay_cache *cache);
const uint8_t *assay_cache_pixels(const struct assay_cache *cache, uint32_t sample); /* NULL for a sample that could not be decoded */
void assay_cache_extents(const struct assay_cache *cache, uint32_t *width, uint32_t *height, uint32_t *channels);
/* Mean and standard deviation a channel over the given samples, in units of 0 … 255. */
void assay_cache_statistics(const struct assay_cache *cache, const uint32_t *samples, uint32_t count, double mean[4], double deviation[4]);

/* One image file, decoded and fitted as the cache does it; for `assay predict`. `pixels` has height * width * channels bytes. Width and height must be set. */
int assay_image_load(const char *path, const struct assay_data_settings *settings, uint8_t *pixels, struct assay_status *status);
/* Images below a path (a file, or a folder searched to the bottom), sorted; from `arena`. */
int assay_image_list(const char *path, struct assay_arena *arena, const char *const **paths, uint32_t *count, struct assay_status *status);

/* What the folder looks like, for `assay init`: the commonest size, counts by class and so on come from a scan with default settings. */

#endif
