/* SPDX-License-Identifier: MIT
 *
 * From a folder (or IDX files) to numbered, labelled samples, parts and folds, and a cache of decoded pixels.
 *
 * The way a file goes: listed → read, hashed and decoded once, in threads (scan) → audited → gated → split → its pixels in the cache.
 * - A scan that knows the network's size writes the fitted pixels while it has the picture in hand, so the cache rarely decodes anything again.
 * - Its verdicts (hash, size, format, problem) are remembered in the cache folder by path, length, inode and times to the nanosecond; a second scan of an
 *   unchanged folder opens no image. Files changed within the last two seconds are not remembered: their times could hide another change.
 * - A cache file is named by a hash of everything that made it and never changes: temporary name, fsync, rename. A damaged one is made again.
 *
 * Sources: a folder; a .tar or .zip archive, also compressed, with the same folders in it (or all of them in one folder at its top); a manifest (.csv) that lists
 * paths, labels, parts and groups.
 * Layouts: a folder a class; or train/ (and val/, valid/ or validation/, and test/; in any case) with a folder a class each; or IDX files
 * train-images-idx3-ubyte[.gz] with train-labels-idx1-ubyte[.gz], and t10k-… as the test. Below a class folder images are found at any depth. Hidden files and
 * folders are skipped; files that are no image by content nor by name are ignored and counted; a file that is an image by name alone is broken.
 */
#ifndef ASSAY_DATA_DATA_H
#define ASSAY_DATA_DATA_H

#include "base/hash.h"
#include "config/plan.h"

enum assay_part {
  ASSAY_PART_TRAIN = 0,      /* trained on, or validated on in its fold */
  ASSAY_PART_VALIDATION = 1, /* only from a val/ folder */
  ASSAY_PART_TEST = 2,
  ASSAY_PART_NONE = 3 /* left out: broken or a copy (with a problem), over the limit (without) */
};

struct assay_sample {
  const char *path; /* relative to the data folder, absolute below settings->test_path; "train-images-idx3-ubyte.gz#17" for IDX. Bytes that are not printable
                       UTF-8 are shown as \xNN (such a file cannot be used: its problem says to rename it) */
  int32_t label;    /* class number */
  uint32_t part;    /* enum assay_part */
  uint32_t width, height, channels, bits; /* as stored, after EXIF orientation; 0 when broken */
  const char *format;                     /* "jpeg", "png", …, "idx"; NULL when broken */
  const char *problem;                    /* one clause on why it cannot be used; NULL */
  struct assay_hash hash;                 /* of the file's bytes (of the pixels for IDX) */
  uint32_t first_copy;                    /* the smallest number of a sample with the same bytes; often its own */
  const char *group;                      /* from a manifest, or by the pattern of the settings: such as the photograph of a tile; NULL: none */
  uint32_t unit;                          /* the smallest number of a sample that must stay in one part and fold with it: equal, almost equal, or of its group; often its own */
};

struct assay_dataset {
  struct assay_arena *arena;
  const char *root;
  uint32_t count, class_count;
  struct assay_sample *samples;  /* sorted by path (IDX: by file and number), so that numbers do not depend on the file system */
  const char *const *classes;    /* sorted by name */
  bool has_validation, has_test; /* val/ and test/ folders (or an IDX test pair, or a test_path) were found */
  struct assay_hash content;     /* of all names, labels, parts and hashes */
  uint32_t repeat_count;         /* set by the split: how often the folds, or the part that is held out for validation, were drawn */
  uint32_t fold_count;           /* set by the split: rounds of training and validation of a repeat; 1 with a val/ folder or a single hold-out */
  int32_t **folds;               /* set by the split: [repeat_count][count], of the training part: validated on in that fold of the repeat, trained on in the others;
                                    -1: trained on in all */
  uint32_t ignored_count;        /* files that are no images */
  uint32_t near_count;           /* pairs that are almost but not quite the same image, unless the settings ignore them; see near.h. Small images are not compared */
  const struct assay_near {
    uint32_t first, second; /* samples, ascending */
  } * near;
  struct assay_source *source;   /* private: where the pixels come from */
};

/* What a path can be as a source, by what it is and how its name ends. */
enum assay_data_kind { ASSAY_DATA_NONE = 0, ASSAY_DATA_FOLDER = 1, ASSAY_DATA_ARCHIVE = 2, ASSAY_DATA_MANIFEST = 3 };
enum assay_data_kind assay_data_kind(const char *path);

/* Lists, reads and decodes every image (in threads); broken ones are kept with their problem. ASSAY_E_DATA when there is nothing to work with: no such
 * folder, a folder that cannot be read, no images, one class, a class without images, a class of val/ or test/ that train/ lacks. */
int assay_dataset_scan(const struct assay_data_settings *settings, struct assay_dataset **dataset, struct assay_status *status);
/* A labelled folder for evaluation: every sample is of the TEST part, labels are places in `classes`, and any of them may be missing from the folder.
 * With train/ and test/ inside, test/ alone is taken. ASSAY_E_DATA also when a folder is none of the classes. */
int assay_dataset_scan_labelled(const struct assay_data_settings *settings, const char *const *classes, uint32_t class_count, struct assay_dataset **dataset,
                                struct assay_status *status);
void assay_dataset_release(struct assay_dataset *dataset);

/* What the audit found. Lists hold sample numbers. */
struct assay_audit {
  struct assay_arena *arena;
  uint32_t broken_count;
  const uint32_t *broken;
  uint32_t duplicate_count; /* groups of equal files, broken ones not among them */
  const struct assay_duplicate {
    uint32_t count;
    const uint32_t *samples;
    bool across_parts, across_labels;
  } * duplicates;
  uint32_t near_count; /* pairs that are almost the same image */
  const struct assay_near_duplicate {
    uint32_t first, second;
    bool across_parts, across_labels;
  } * near;
};
int assay_dataset_audit(const struct assay_dataset *dataset, struct assay_audit **audit, struct assay_status *status);
void assay_audit_release(struct assay_audit *audit);
/* Where no image has a group, but names look like tiles of photographs (most images, of three photographs at least): the [data] group that would keep the tiles
 * of a photograph together. */
struct assay_group_proposal {
  const char *pattern; /* NULL: nothing to propose. Static */
  uint32_t photograph_count, image_count;
  uint32_t first, second; /* two samples of one photograph */
};
int assay_dataset_propose_group(const struct assay_dataset *dataset, struct assay_group_proposal *proposal, struct assay_status *status);
/* How often folds should be drawn where few images of a class are there to train on: as often as it takes until the rarest class is judged some fifty times, so that a
 * threshold's rule can tell 98 % from all of them; at most ten times. */
struct assay_repeat_proposal {
  uint32_t repeats;     /* 0: nothing to propose: there are images enough, or one alone, or a validation part of its own */
  uint32_t label, count; /* the rarest class, and its images */
};
struct assay_repeat_proposal assay_dataset_propose_repeats(const struct assay_dataset *dataset);
/* The gate: of a unit across parts (copies, near copies, a group) the samples in the training part leave it, and those in the validation part for the test's sake (part NONE,
 * problem says so); one image under two labels is ASSAY_E_DATA and both are named. What is within the training part is kept in one fold by the split. */
int assay_dataset_gate(struct assay_dataset *dataset, const struct assay_audit *audit, struct assay_status *status);

/* The data set in numbers, of usable samples unless said otherwise; for `assay check` and `assay init`. */
struct assay_dataset_summary {
  struct assay_arena *arena;
  uint32_t count, broken_count, left_out_count, ignored_count; /* usable; with a problem from the scan or the gate; over the limit; no images */
  const uint32_t (*class_parts)[3];                            /* [class][TRAIN, VALIDATION, TEST] */
  uint32_t size_count;
  const struct assay_size_count { uint32_t width, height, count; } * sizes; /* distinct sizes, the commonest first */
  uint32_t kind_count;
  const struct assay_kind_count {
    const char *format;
    uint32_t channels, bits, count;
  } * kinds; /* likewise */
};
int assay_dataset_summarise(const struct assay_dataset *dataset, struct assay_dataset_summary **summary, struct assay_status *status);
void assay_dataset_summary_release(struct assay_dataset_summary *summary);

/* Stratified parts and folds from settings->seed, folds (or the held-out validation part) as often as settings->repeats says, each time by another draw. Units stay
 * together. val/ and test/ folders are used as they are: with val/ there is one fold, the same in each repeat. `limit` is applied to training and validation, after the
 * test has been drawn. ASSAY_E_CONFIG when the settings ask for the data's own test part and there is none, or
 * for a share beside it. ASSAY_E_DATA with the class and the numbers when a class has fewer (different) images than folds, or when all images are broken. */
int assay_dataset_split(struct assay_dataset *dataset, const struct assay_data_settings *settings, struct assay_status *status);

/* Decoded pixels of every sample that has a part, at the size, fit and colour of the settings: u8, N, H, W, C, mapped read-only, shared by processes. Without a
 * usable cache folder, or on a full disk, the pixels stay in this process' memory and a warning is logged. ASSAY_E_DATA when width and height are 0 and the
 * images differ in size, or when a file is no longer what the scan has read. */
struct assay_cache;
int assay_cache_open(struct assay_dataset *dataset, const struct assay_data_settings *settings, struct assay_cache **cache, struct assay_status *status);
void assay_cache_close(struct assay_cache *cache);
const uint8_t *assay_cache_pixels(const struct assay_cache *cache, uint32_t sample); /* NULL for a sample without pixels */
void assay_cache_extents(const struct assay_cache *cache, uint32_t *width, uint32_t *height, uint32_t *channels);
/* Mean and standard deviation (of the population) a channel over the given samples, in units of 0 … 255; exact sums, so the order does not count. A
 * deviation may be 0. Channels that there are not are 0. */
void assay_cache_statistics(const struct assay_cache *cache, const uint32_t *samples, uint32_t count, double mean[4], double deviation[4]);

/* One image file, decoded and fitted as the cache does it; for `assay predict`. `pixels` has height * width * channels bytes. Width and height must be set. */
int assay_image_load(const char *path, const struct assay_data_settings *settings, uint8_t *pixels, struct assay_status *status);

/* Images to be classified: files, folders (searched to the bottom), archives (likewise) and manifests (.csv), of which only the paths count. A file that is named
 * is listed whatever it is. In the order of the paths given; folders and manifests sorted, archives in their own order, which is the quick one. */
struct assay_image_list;
int assay_image_list_open(const char *const *paths, uint32_t path_count, struct assay_image_list **list, struct assay_status *status);
void assay_image_list_release(struct assay_image_list *list); /* NULL is fine */
uint32_t assay_image_list_count(const struct assay_image_list *list);
const char *assay_image_list_path(const struct assay_image_list *list, uint32_t image);
/* As assay_image_load. Any thread. */
int assay_image_list_load(const struct assay_image_list *list, uint32_t image, const struct assay_data_settings *settings, uint8_t *pixels,
                          struct assay_status *status);

#endif
