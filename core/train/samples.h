/* SPDX-License-Identifier: MIT
 *
 * What training needs to know of a data set: pixels, labels and folds by sample number. Plain, borrowed memory, so that anything that has
 * images can be trained on.
 */
#ifndef ASSAY_TRAIN_SAMPLES_H
#define ASSAY_TRAIN_SAMPLES_H

#include "data/data.h"

struct assay_samples {
  uint32_t count, class_count;
  uint32_t height, width, channels;
  int32_t positive;               /* number of the positive class; -1: none named */
  const char *const *classes;     /* [class_count] */
  const char *const *paths;       /* [count], for predictions.csv */
  const uint8_t *const *pixels;   /* [count]: height * width * channels bytes each, H, W, C; NULL: the sample cannot be used */
  const int32_t *labels;          /* [count] */
  const uint32_t *parts;          /* [count]: enum assay_part; VALIDATION: validated on in every fold, never trained on */
  uint32_t repeat_count, fold_count; /* how often folds were drawn, and how many each time; 0: not at all, all is trained on */
  int32_t *const *folds;          /* [repeat_count][count]: of TRAIN, the fold of the repeat that validates on it; -1: trained on in every fold */
  struct assay_hash content;      /* identity of the data, for the model file */
};

/* From a split data set and its cache; `samples` and its arrays come from `arena`, pixels and names stay theirs. ASSAY_E_CONFIG when
 * `settings->positive` is no class. */
int assay_samples_collect(const struct assay_dataset *dataset, const struct assay_cache *cache, const struct assay_data_settings *settings,
                          struct assay_arena *arena, const struct assay_samples **samples, struct assay_status *status);

/* The random key of a sample in an epoch, whatever batch it is in. `seed`: of the fold; `use`: how often it was used in this epoch before. */
void assay_sample_key(uint64_t seed, uint32_t epoch, uint32_t sample, uint32_t use, uint32_t key[2]);

/* These samples will be read soon: where their pixels are a mapped file that is not in memory, they are fetched meanwhile. */
void assay_samples_ahead(const struct assay_samples *samples, const uint32_t *numbers, uint32_t count);

/* Mean and standard deviation a channel over the listed samples, in units of 0 … 255; a channel without spread has deviation 1. */
void assay_samples_statistics(const struct assay_samples *samples, const uint32_t *numbers, uint32_t count, double mean[4], double deviation[4]);

/* How pixels of 0 … 255 are normalised, (pixel - mean) / deviation a channel, as [data] normalise says: `measured` are the statistics of the training part. */
void assay_normalisation(const struct assay_data_settings *settings, uint32_t channels, const double measured_mean[4], const double measured_deviation[4],
                         double mean[4], double deviation[4]);

#endif
