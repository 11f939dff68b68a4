/* SPDX-License-Identifier: MIT
 *
 * The keys of the core's own sections, in the same tables that plugins use, and the few rules that a table cannot say: which key only counts beside which
 * value, and texts with a grammar of their own (60x30, 2h, balanced).
 */
#ifndef ASSAY_CONFIG_SECTIONS_H
#define ASSAY_CONFIG_SECTIONS_H

#include "config/plan.h"

struct assay_arena;

/* Indices into the tables below. */
enum {
  DATA_PATH, DATA_SIZE, DATA_FIT, DATA_RESIZE, DATA_FILTER, DATA_COLOUR, DATA_NORMALISE, DATA_MEAN, DATA_DEVIATION,
  DATA_FOLDS, DATA_REPEATS, DATA_VALIDATION, DATA_TEST, DATA_POSITIVE, DATA_SEED, DATA_THREADS, DATA_LIMIT, DATA_GROUP, DATA_NEAR_DUPLICATES, DATA_MIN_DEFECT, DATA_PATCHES, DATA_PATCH_SCORE, DATA_REGION
};
enum { AUGMENT_BORDER = ASSAY_AUGMENT_COUNT }; /* the keys before it are enum assay_augment_kind */
enum { STAGES_SIZE, STAGES_BATCH, STAGES_EPOCHS };
enum { NETWORK_LAYERS, NETWORK_WEIGHTS, NETWORK_CLASSES };
enum {
  TRAIN_EPOCHS,
  TRAIN_BATCH,
  TRAIN_PATIENCE,
  TRAIN_SEED,
  TRAIN_SCHEDULE,
  TRAIN_WARMUP_EPOCHS,
  TRAIN_WARMUP_START,
  TRAIN_STEP_EPOCHS,
  TRAIN_STEP_FACTOR,
  TRAIN_COSINE_END,
  TRAIN_LINEAR_END,
  TRAIN_CYCLE_EPOCHS,
  TRAIN_CYCLE_FACTOR,
  TRAIN_CYCLE_END,
  TRAIN_ONE_CYCLE_RISE,
  TRAIN_ONE_CYCLE_START,
  TRAIN_ONE_CYCLE_END,
  TRAIN_ONE_CYCLE_MOMENTUM,
  TRAIN_FREEZE,
  TRAIN_UNFREEZE_AFTER,
  TRAIN_KEEP_STATISTICS,
  TRAIN_RATE_GROUPS,
  TRAIN_RATES,
  TRAIN_DROPOUTS,
  TRAIN_EMA,
  TRAIN_FINAL,
  TRAIN_CLASS_WEIGHTS,
  TRAIN_OVERSAMPLE,
  TRAIN_LOSS,
  TRAIN_METRICS
};
enum { SEARCH_TRIALS, SEARCH_WORKERS, SEARCH_TIME, SEARCH_SEED, SEARCH_OBJECTIVE, SEARCH_PRUNER };
enum { JUDGE_THRESHOLD, JUDGE_TARGET, JUDGE_CALIBRATION };
enum { BACKEND_DEVICES, BACKEND_THREADS, BACKEND_MEMORY, BACKEND_TIMEOUT };

/* NULL-terminated; for a section without keys of the core, an empty table. Section names are those of the INI ("data"). NULL: no such section. */
const struct assay_option *const *assay_section_options(const char *section);
/* The sections, NULL-terminated, in the order in which they are printed. */
extern const char *const assay_section_names[];

/* The key of `section` that must have the value *choice for `key` to count; NULL: always counts. */
const char *assay_section_condition(const char *section, const char *key, const char **choice);
/* Checks a text beyond its type; sentence without place. */
int assay_section_check(const char *section, const char *key, const char *text, struct assay_status *status);

/* Texts with a grammar. Sentences without place. */
int assay_parse_size(const char *text, uint32_t *width, uint32_t *height, struct assay_status *status); /* "60x30"; "": 0 and 0 */
/* "800x600+100+50" or "50%x50%+25%+0%": width x height + left + top; "": the whole picture. */
int assay_parse_region(const char *text, struct assay_region *region, struct assay_status *status);
int assay_parse_time(const char *text, double *seconds, struct assay_status *status);                   /* "none": 0; "90s", "10m", "2h", "1d" */
/* "none", "balanced" or numbers: an enum assay_class_weights, and for the list its numbers from `arena`. */
int assay_parse_class_weights(const char *text, struct assay_arena *arena, uint32_t *mode, const double **list, uint32_t *count,
                              struct assay_status *status);
/* "0.1, 0.2, 1" or "lr/10, lr/5, lr": factors from `arena`. */
int assay_parse_rates(const char *text, struct assay_arena *arena, const double **rates, uint32_t *count, struct assay_status *status);
/* "own" sets *is_own; a share as 0.2 is put into *share, which is 0 otherwise; "none" is neither; anything else is a folder and sets *is_folder. */
int assay_parse_test(const char *text, double *share, bool *is_own, bool *is_folder, struct assay_status *status);
/* A rule of [judge]; see struct assay_judge_rule. What a key allows of them is up to assay_section_check. */
int assay_parse_rule(const char *text, struct assay_arena *arena, struct assay_judge_rule *rule, struct assay_status *status);
/* Elements with commas between them, blanks taken off; NULL-terminated, from the arena. An empty element is an error. */
int assay_parse_names(const char *text, struct assay_arena *arena, const char *const **names, uint32_t *count, struct assay_status *status);

#endif
