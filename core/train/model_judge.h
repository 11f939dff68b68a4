/* SPDX-License-Identifier: MIT
 *
 * What a model file keeps of how its run judged: [judge] target, and the metrics with their options (what a mistake costs). They are the INI's own texts,
 * and come back as INI text, so that there is one reader of both.
 */
#ifndef ASSAY_TRAIN_MODEL_JUDGE_H
#define ASSAY_TRAIN_MODEL_JUDGE_H

#include "config/plan.h"

#include <jansson.h>

struct assay_model_option {
  const char *key, *text;
};
struct assay_model_metric {
  const char *name, *type; /* the plugin is the type */
  uint32_t option_count;
  const struct assay_model_option *options;
};
struct assay_model_judge {
  const char *target;    /* "none": there is none */
  uint32_t metric_count; /* 0: the model is older than this, and keeps nothing */
  const struct assay_model_metric *metrics;
};

/* Copies of what the settings say. */
int assay_model_judge_of(const struct assay_settings *settings, struct assay_arena *arena, struct assay_model_judge *judge, struct assay_status *status);
/* {target, metrics: [{name, type, options: {KEY: TEXT}}]}. */
json_t *assay_model_judge_to_json(const struct assay_model_judge *judge);
/* `json` NULL: nothing was kept. ASSAY_E_DATA, with `name` of the file, when a part is missing or could not stand in an INI. */
int assay_model_judge_from_json(const char *name, const json_t *json, struct assay_arena *arena, struct assay_model_judge *judge, struct assay_status *status);
/* The sections of an INI that say the same; "" where nothing was kept. */
void assay_model_judge_print(const struct assay_model_judge *judge, struct assay_arena *arena, struct assay_text *text);

#endif
