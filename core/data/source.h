/* SPDX-License-Identifier: MIT
 *
 * Private to core/data: where a data set's pixels come from, and the verdicts that are remembered of its files.
 */
#ifndef ASSAY_DATA_SOURCE_H
#define ASSAY_DATA_SOURCE_H

#include "data/archive.h"
#include "data/data.h"
#include "data/idx.h"
#include "data/image.h"
#include "data/near.h"
#include "data/walk.h"

struct assay_source {
  struct assay_found *files; /* one a sample: as opened; NULL for IDX */
  uint8_t *prints;           /* ASSAY_PRINT_SIZE a sample, malloc'ed; NULL: not wanted */
  bool *printed;             /* one a sample: it has a print */
  uint32_t *order;           /* samples in the order in which they are read best; NULL for IDX */
  struct assay_archive *archives[2]; /* of the path and of the test; NULL where there is none */
  struct {
    const char *images, *labels;
    uint32_t first;        /* its first sample's number */
    struct assay_idx *idx; /* kept until the cache is made; loaded again when needed */
  } pairs[2];
  uint32_t pair_count;
};

/* Names groups by the settings' pattern, and fills every sample's unit; see tie.c. ASSAY_E_CONFIG for a pattern that is none or matches nothing. */
int assay_dataset_tie(struct assay_dataset *dataset, const struct assay_data_settings *settings, struct assay_status *status);

/* ---- Verdicts ---- */

struct assay_verdicts; /* what is known of the files below some folders */

/* Reads what an earlier scan has left under `name`; never fails, may be empty. NULL when memory is short. */
struct assay_verdicts *assay_verdicts_load(const char *name);
void assay_verdicts_release(struct assay_verdicts *verdicts);
/* Fills what is known of the sample: extents, format, problem, hash, and its print into ASSAY_PRINT_SIZE bytes unless NULL. False when the file is new or has
 * changed, or when a print is wanted that is not there. Strings live as long as `arena`. */
bool assay_verdicts_find(const struct assay_verdicts *verdicts, const struct assay_found *file, struct assay_sample *sample, uint8_t *print,
                         struct assay_arena *arena);
/* Leaves the samples' verdicts for later scans; `unsure[i]` are left out. A failure is only a loss of time. */
void assay_verdicts_save(const char *name, const struct assay_dataset *dataset, const bool *unsure);

/* ---- Cache ---- */

/* What names a cache file: everything that made its pixels. */
struct assay_hash assay_cache_key(const struct assay_dataset *dataset, const struct assay_data_settings *settings, uint32_t width, uint32_t height);
/* Will this sample be in the cache? */
bool assay_cache_has(const struct assay_dataset *dataset, const struct assay_data_settings *settings, uint32_t sample);

#endif
