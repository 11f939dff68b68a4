/* SPDX-License-Identifier: MIT
 *
 * Fine-tuning in the graph: parameters that are not trained, groups with learning rates of their own, and the running mean of the weights.
 */
#include "train/build.h"

#include "base/options.h"

#include <stdio.h>
#include <string.h>

/* A slash keeps it apart from the state of optimizers, whose names have none. */
#define AVERAGE "ema/value"

bool assay_build_trains(const struct build *build, uint32_t role, uint32_t index) {
  if (!assay_role_is_trained(role)) return false;
  return build->tuning == NULL || index >= build->tuning->variable_count || build->tuning->held[build->phase][index] == 0;
}

uint32_t assay_build_update_options(const struct assay_train_settings *settings, float *options) {
  const uint32_t groups = settings->rate_count > 1 ? settings->rate_count : 0;
  for (uint32_t g = 0; options != NULL && g < groups; g++) options[g] = (float)settings->rates[g];
  if (options != NULL && settings->ema > 0) options[groups] = (float)settings->ema;
  return groups + (settings->ema > 0);
}

/* The options with the rate times a factor. */
static const struct assay_option_value *const *with_factor(struct build *build, const struct assay_option_value *const *values, uint32_t count, uint32_t rate,
                                                           double factor) {
  const struct assay_option_value **own = ASSAY_NEW_ARRAY(build->arena, const struct assay_option_value *, count + 1);
  struct assay_option_value *value = ASSAY_NEW(build->arena, struct assay_option_value);
  if (own == NULL || value == NULL) return NULL;
  memcpy(own, values, count * sizeof *own);
  *value = *values[rate];
  value->runtime = assay_mul(build->b, values[rate]->runtime, assay_build_option(build, factor));
  own[rate] = value;
  return own;
}

const struct assay_option_value *const *const *assay_build_groups(struct build *build, const struct assay_option_value *const *values) {
  const struct assay_train_settings *train = &build->settings->train;
  const struct assay_option *const *table = build->settings->optimizer.plugin->options;
  const uint32_t groups = train->rate_count > 1 ? train->rate_count : 1;
  const int rate = assay_option_index(table, "learning_rate");
  const struct assay_option_value *const **all = ASSAY_NEW_ARRAY(build->arena, const struct assay_option_value *const *, groups);
  if (all == NULL) return NULL;
  for (uint32_t g = 0; g < groups; g++) {
    all[g] = values;
    if (groups > 1 && rate < 0) assay_build_fail(build, "has no learning_rate that [train] rates could be factors of; use another optimizer");
    else if (groups > 1 && (all[g] = with_factor(build, values, assay_option_count(table), (uint32_t)rate, train->rates[g])) == NULL) return NULL;
  }
  return all;
}

/* average + (1 - share) * (value - average). The share grows to its own value as min(share, (1 + t) / (10 + t)), so that the first weights are soon forgotten. */
void assay_build_follow(struct assay_builder *b, assay_value value, assay_value share) {
  const assay_value average = assay_state(b, AVERAGE, assay_type(b, value), 0, ASSAY_ROLE_OPTIMIZER), one = assay_number(b, share, 1);
  const assay_value early = assay_div(b, assay_add(b, b->context->step, one), assay_add(b, b->context->step, assay_number(b, share, 10)));
  const assay_value weight = assay_sub(b, one, assay_min(b, share, early));
  assay_assign(b, average, assay_add(b, average, assay_mul(b, weight, assay_sub(b, value, average))));
}

int32_t assay_build_average(const struct assay_program_builder *program, uint32_t index) {
  char name[512];
  snprintf(name, sizeof name, "%s." AVERAGE, assay_program_variable(program, index)->base.name);
  return assay_program_find_variable(program, name);
}

void assay_build_read_averages(struct build *build) {
  const uint32_t count = assay_program_variable_count(build->program);
  for (uint32_t i = 0; i < count; i++) {
    const bool stays = build->tuning != NULL && i < build->tuning->variable_count && build->tuning->held[build->phase][i];
    const int32_t average = stays ? -1 : assay_build_average(build->program, i); /* what is not trained is its own mean */
    if (average >= 0) assay_builder_read_as(build->b, i, assay_builder_variable(build->b, (uint32_t)average));
  }
}
