/* SPDX-License-Identifier: MIT
 *
 * The typed values of one trial: the plan read at a point.
 */
#include "config/plan_model.h"

#include "base/options.h"
#include "base/status.h"
#include "base/text.h"
#include "config/sections.h"

#include <string.h>

struct reader {
  const struct assay_plan *plan;
  const double *point;
  struct assay_arena *arena;
  struct assay_status *status;
};

/* Values of a list of keys at the point, parallel to it. `options` are those of the plugin that will read them. */
static int read_values(const struct reader *reader, struct assay_plan_value *const *keys, const struct assay_option *const *options, uint32_t count,
                       const struct assay_option_value *const **values) {
  const struct assay_option_value **pointers = ASSAY_NEW_ARRAY(reader->arena, const struct assay_option_value *, count + 1);
  struct assay_option_value *storage = ASSAY_NEW_ARRAY(reader->arena, struct assay_option_value, count + 1);
  if (pointers == NULL || storage == NULL) return assay_status_memory(reader->status);
  for (uint32_t i = 0; i < count; i++) {
    pointers[i] = &storage[i];
    const char *text = assay_plan_text_at(reader->plan, keys[i], reader->point, reader->arena);
    if (text == NULL) return assay_status_memory(reader->status);
    const int code = assay_option_parse(options[i], text, reader->arena, &storage[i], reader->status);
    if (code != 0) return reader->status == NULL ? code : assay_status_prefix(reader->status, "%s, [%s]", reader->plan->file, keys[i]->section);
  }
  *values = pointers;
  return 0;
}

static int read_core(const struct reader *reader, const struct assay_plan_group *group, const struct assay_option_value *const **values) {
  return read_values(reader, group->core, assay_section_options(group->section), group->core_count, values);
}

/* A group without plugin leaves `plugin` NULL. Nothing in it points into the plan. */
static int read_component(const struct reader *reader, const struct assay_plan_group *group, const char *name, struct assay_component *component) {
  const struct assay_plan_variant *variant = assay_plan_variant_at(reader->plan, group, reader->point);
  component->name = assay_arena_copy(reader->arena, name);
  component->where = assay_arena_copy(reader->arena, group->where != NULL ? group->where : "");
  if (component->name == NULL || component->where == NULL) return assay_status_memory(reader->status);
  if (variant == NULL) return 0;
  component->plugin = variant->plugin;
  return read_values(reader, variant->values, variant->plugin->options, assay_option_count(variant->plugin->options), &component->values);
}

static int read_data(const struct reader *reader, struct assay_data_settings *data) {
  const struct assay_option_value *const *values;
  int code = read_core(reader, &reader->plan->data, &values);
  if (code != 0) return code;
  bool is_folder;
  code = assay_parse_size(values[DATA_SIZE]->text, &data->width, &data->height, reader->status);
  if (code == 0) code = assay_parse_test(values[DATA_TEST]->text, &data->test, &data->test_own, &is_folder, reader->status);
  if (code != 0) return code;
  data->path = values[DATA_PATH]->text;
  data->fitting = (struct assay_fitting){(uint32_t)values[DATA_FIT]->integer, (uint32_t)values[DATA_RESIZE]->integer, (uint32_t)values[DATA_FILTER]->integer, {0}};
  code = assay_parse_region(values[DATA_REGION]->text, &data->fitting.region, reader->status);
  if (code != 0) return code;
  data->colour = (uint32_t)values[DATA_COLOUR]->integer;
  data->normalise = (uint32_t)values[DATA_NORMALISE]->integer;
  data->mean_count = values[DATA_MEAN]->count;
  data->mean = values[DATA_MEAN]->reals;
  data->deviation_count = values[DATA_DEVIATION]->count;
  data->deviation = values[DATA_DEVIATION]->reals;
  data->folds = (uint32_t)values[DATA_FOLDS]->integer;
  data->repeats = (uint32_t)values[DATA_REPEATS]->integer;
  data->validation = values[DATA_VALIDATION]->real;
  data->test_path = is_folder ? values[DATA_TEST]->text : NULL;
  data->positive = values[DATA_POSITIVE]->text[0] != '\0' ? values[DATA_POSITIVE]->text : NULL;
  code = assay_parse_size(values[DATA_PATCHES]->text, &data->patch_columns, &data->patch_rows, reader->status);
  if (code != 0) return code;
  data->patch_score = (uint32_t)values[DATA_PATCH_SCORE]->integer;
  data->min_defect = (uint32_t)values[DATA_MIN_DEFECT]->integer;
  data->near_duplicates = (uint32_t)values[DATA_NEAR_DUPLICATES]->integer;
  data->group = values[DATA_GROUP]->text[0] != '\0' ? values[DATA_GROUP]->text : NULL;
  data->seed = (uint64_t)values[DATA_SEED]->integer;
  data->threads = (uint32_t)values[DATA_THREADS]->integer;
  data->limit = (uint64_t)values[DATA_LIMIT]->integer;
  return 0;
}

/* The largest number that a key has at any point. */
static double most_of(const struct assay_plan_value *value) {
  double most = 0, number;
  const struct assay_domain *domain = value->domain;
  if (assay_parse_real(value->text, &number) && number > most) most = number;
  if (domain == NULL) return most;
  if (domain->kind != ASSAY_DOMAIN_CHOICE) return domain->high > most ? domain->high : most;
  for (uint32_t i = 0; i < domain->choice_count; i++)
    if (assay_parse_real(domain->choices[i], &number) && number > most) most = number;
  return most;
}

static int read_augment(const struct reader *reader, struct assay_augment_settings *augment) {
  const struct assay_option_value *const *values;
  const struct assay_plan_group *group = &reader->plan->augment;
  const int code = read_core(reader, group, &values);
  if (code != 0) return code;
  for (uint32_t i = 0; i < ASSAY_AUGMENT_COUNT; i++) {
    augment->strength[i] = values[i]->real;
    augment->most[i] = most_of(group->core[i]);
  }
  augment->border = (uint32_t)values[AUGMENT_BORDER]->integer;
  return 0;
}

static int read_layers(const struct reader *reader, struct assay_settings *settings) {
  const struct assay_plan *plan = reader->plan;
  const struct assay_option_value *const *values;
  const int result = read_core(reader, &plan->network, &values);
  if (result != 0) return result;
  if (values[NETWORK_WEIGHTS]->text[0] != '\0') settings->weights = values[NETWORK_WEIGHTS]->text;
  if (values[NETWORK_CLASSES]->text[0] != '\0') settings->weights_classes = values[NETWORK_CLASSES]->text;
  struct assay_layer_setting *layers = ASSAY_NEW_ARRAY(reader->arena, struct assay_layer_setting, plan->layer_count);
  if (layers == NULL) return assay_status_memory(reader->status);
  for (uint32_t i = 0; i < plan->layer_count; i++) {
    const struct assay_plan_layer *layer = &plan->layers[i];
    layers[i].input_count = layer->input_count;
    layers[i].inputs = (const int32_t *)(const void *)assay_arena_copy_bytes(reader->arena, layer->inputs, layer->input_count * sizeof *layer->inputs);
    if (layers[i].inputs == NULL) return assay_status_memory(reader->status);
    const int code = read_component(reader, layer->group, layer->name, &layers[i].component);
    if (code != 0) return code;
  }
  settings->layers = layers;
  settings->layer_count = plan->layer_count;
  return 0;
}

/* What is trained, and how fast. */
static int read_tuning(const struct reader *reader, const struct assay_option_value *const *values, struct assay_train_settings *train) {
  const char *const *names = NULL, *groups = values[TRAIN_RATE_GROUPS]->text;
  uint32_t count = 0;
  train->freeze = strcmp(values[TRAIN_FREEZE]->text, "none") == 0 ? NULL : values[TRAIN_FREEZE]->text;
  train->unfreeze_after = (uint32_t)values[TRAIN_UNFREEZE_AFTER]->integer;
  train->keep_statistics = (uint32_t)values[TRAIN_KEEP_STATISTICS]->integer;
  train->ema = values[TRAIN_EMA]->real;
  int code = assay_parse_rates(values[TRAIN_RATES]->text, reader->arena, &train->rates, &train->rate_count, reader->status);
  if (code == 0 && groups[0] != '\0') code = assay_parse_names(groups, reader->arena, &names, &count, reader->status);
  if (code != 0) return code;
  train->rate_groups = names;
  if (train->freeze == NULL && train->unfreeze_after > 0 && reader->plan->train.core[TRAIN_FREEZE]->domain == NULL)
    return assay_status_set(reader->status, ASSAY_E_CONFIG, "%s, [train]: unfreeze_after only counts beside freeze = NAME; remove it, or name what is frozen",
                            reader->plan->file);
  if (train->rate_count == count + 1) return 0;
  return assay_status_set(reader->status, ASSAY_E_CONFIG, "%s, [train]: rates has %u factor%s, but rate_groups makes %u group%s; give each its factor", reader->plan->file,
                          train->rate_count, train->rate_count == 1 ? "" : "s", count + 1, count == 0 ? "" : "s");
}

static int read_train(const struct reader *reader, struct assay_train_settings *train) {
  const struct assay_option_value *const *values;
  int code = read_core(reader, &reader->plan->train, &values);
  if (code == 0)
    code = assay_parse_class_weights(values[TRAIN_CLASS_WEIGHTS]->text, reader->arena, &train->class_weights, &train->class_weight_list,
                                     &train->class_weight_count, reader->status);
  if (code != 0) return code;
  train->epochs = (uint32_t)values[TRAIN_EPOCHS]->integer;
  train->batch = (uint32_t)values[TRAIN_BATCH]->integer;
  train->patience = (uint32_t)values[TRAIN_PATIENCE]->integer;
  train->seed = (uint64_t)values[TRAIN_SEED]->integer;
  train->schedule = (uint32_t)values[TRAIN_SCHEDULE]->integer;
  train->warmup_epochs = values[TRAIN_WARMUP_EPOCHS]->real;
  train->warmup_start = values[TRAIN_WARMUP_START]->real;
  train->step_epochs = (uint32_t)values[TRAIN_STEP_EPOCHS]->integer;
  train->step_factor = values[TRAIN_STEP_FACTOR]->real;
  train->cosine_end = values[TRAIN_COSINE_END]->real;
  train->linear_end = values[TRAIN_LINEAR_END]->real;
  train->cycle_epochs = (uint32_t)values[TRAIN_CYCLE_EPOCHS]->integer;
  train->cycle_factor = values[TRAIN_CYCLE_FACTOR]->real;
  train->cycle_end = values[TRAIN_CYCLE_END]->real;
  train->one_cycle_rise = values[TRAIN_ONE_CYCLE_RISE]->real;
  train->one_cycle_start = values[TRAIN_ONE_CYCLE_START]->real;
  train->one_cycle_end = values[TRAIN_ONE_CYCLE_END]->real;
  train->one_cycle_momentum = values[TRAIN_ONE_CYCLE_MOMENTUM]->real;
  code = read_tuning(reader, values, train);
  if (code != 0) return code;
  train->oversample = values[TRAIN_OVERSAMPLE]->real;
  train->final = (uint32_t)values[TRAIN_FINAL]->integer;
  return read_component(reader, &reader->plan->loss, "loss", &train->loss);
}

static bool is_fixed(const struct reader *reader, uint32_t key) { return reader->plan->train.core[key]->domain == NULL; }

/* What is written for a time that the training does not have would be ignored in silence. What is searched may be too long at some points. */
static int check_times(const struct reader *reader, const struct assay_train_settings *train) {
  uint32_t longest = train->stage_count == 0 ? train->epochs : 0;
  for (uint32_t i = 0; i < train->stage_count; i++) longest = train->stages[i].epochs > longest ? train->stages[i].epochs : longest;
  const struct assay_plan_value *start = reader->plan->train.core[TRAIN_WARMUP_START];
  const bool fixed = is_fixed(reader, TRAIN_WARMUP_EPOCHS), starts = start->domain != NULL || strcmp(start->text, start->option->default_text) != 0;
  if (is_fixed(reader, TRAIN_UNFREEZE_AFTER) && train->unfreeze_after >= longest)
    return assay_status_set(reader->status, ASSAY_E_CONFIG, "%s, [train]: unfreeze_after = %u is never reached in %u epochs; make it smaller, or leave it out",
                            reader->plan->file, train->unfreeze_after, longest);
  if (fixed && train->warmup_epochs >= longest)
    return assay_status_set(reader->status, ASSAY_E_CONFIG,
                            "%s, [train]: with warmup_epochs = %g of %u epochs the learning rate never reaches its value; make it smaller",
                            reader->plan->file, train->warmup_epochs, longest);
  if (fixed && train->warmup_epochs == 0 && starts)
    return assay_status_set(reader->status, ASSAY_E_CONFIG,
                            "%s, [train]: warmup_start only counts beside warmup_epochs above 0; remove it, or write warmup_epochs = 1", reader->plan->file);
  return 0;
}

/* A batch of one image has no other to mix it with. */
static int check_mixup(const struct reader *reader, const struct assay_settings *settings) {
  const struct assay_train_settings *train = &settings->train;
  uint32_t smallest = train->stage_count == 0 ? train->batch : UINT32_MAX;
  for (uint32_t i = 0; i < train->stage_count; i++) smallest = train->stages[i].batch < smallest ? train->stages[i].batch : smallest;
  if (smallest > 1 || !is_fixed(reader, TRAIN_BATCH) || settings->augment.most[ASSAY_AUGMENT_MIXUP] <= 0) return 0;
  return assay_status_set(reader->status, ASSAY_E_CONFIG,
                          "%s, [augment]: mixup mixes the images of a batch, and with batch = 1 there is one alone; use a larger batch, or remove mixup",
                          reader->plan->file);
}

static int refuse_stages(const struct reader *reader, const char *sentence) {
  return assay_status_set(reader->status, ASSAY_E_CONFIG, "%s, [stages]: %s", reader->plan->file, sentence);
}

/* The lists of [stages], each as long as the longest or one for all. The last size is what the model sees. */
static int read_stages(const struct reader *reader, struct assay_settings *settings) {
  const struct assay_option_value *const *values;
  const char *const *sizes = NULL;
  struct assay_train_settings *train = &settings->train;
  struct assay_data_settings *data = &settings->data;
  uint32_t size_count = 0, count = 0;
  int code = read_core(reader, &reader->plan->stages, &values);
  if (code == 0 && values[STAGES_SIZE]->text[0] != '\0') code = assay_parse_names(values[STAGES_SIZE]->text, reader->arena, &sizes, &size_count, reader->status);
  if (code != 0) return code;
  const struct assay_option_value *batches = values[STAGES_BATCH], *epochs = values[STAGES_EPOCHS];
  const uint32_t counts[] = {size_count, batches->count, epochs->count};
  for (int i = 0; i < 3; i++) count = counts[i] > count ? counts[i] : count;
  for (int i = 0; i < 3; i++)
    if (counts[i] > 1 && counts[i] != count) return refuse_stages(reader, "size, batch and epochs are lists of different lengths; give each stage its element, or one for all");
  if (count == 0) return 0;
  struct assay_stage_settings *stages = ASSAY_NEW_ARRAY(reader->arena, struct assay_stage_settings, count);
  if (stages == NULL) return assay_status_memory(reader->status);
  uint64_t sum = 0;
  for (uint32_t i = 0; code == 0 && i < count; i++) {
    stages[i] = (struct assay_stage_settings){data->width, data->height, train->batch, train->epochs};
    if (size_count > 0) code = assay_parse_size(sizes[size_count > 1 ? i : 0], &stages[i].width, &stages[i].height, reader->status);
    if (batches->count > 0) stages[i].batch = (uint32_t)batches->integers[batches->count > 1 ? i : 0];
    if (epochs->count > 0) stages[i].epochs = (uint32_t)epochs->integers[epochs->count > 1 ? i : 0];
    sum += stages[i].epochs;
  }
  if (code != 0) return code;
  const struct assay_stage_settings *last = &stages[count - 1];
  if (data->width > 0 && (data->width != last->width || data->height != last->height))
    return refuse_stages(reader, "the last size is what the model sees, and [data] size is another one; leave one of them out");
  if (sum > UINT32_MAX) return refuse_stages(reader, "epochs are too many");
  data->width = last->width;
  data->height = last->height;
  train->stages = stages;
  train->stage_count = count;
  train->epochs = (uint32_t)sum;
  return 0;
}

static int read_metrics(const struct reader *reader, struct assay_settings *settings) {
  const struct assay_plan *plan = reader->plan;
  struct assay_component *metrics = ASSAY_NEW_ARRAY(reader->arena, struct assay_component, plan->metric_count);
  if (metrics == NULL) return assay_status_memory(reader->status);
  for (uint32_t i = 0; i < plan->metric_count; i++) {
    const int code = read_component(reader, plan->metrics[i], plan->metric_names[i], &metrics[i]);
    if (code != 0) return code;
  }
  settings->metrics = metrics;
  settings->metric_count = plan->metric_count;
  settings->search.objective = metrics[plan->objective];
  return 0;
}

/* The metric that a rule names; plugin NULL: none. */
static struct assay_component rule_metric(const struct assay_settings *settings, const struct assay_judge_rule *rule) {
  for (uint32_t i = 0; rule->metric != NULL && i < settings->metric_count; i++)
    if (strcmp(settings->metrics[i].name, rule->metric) == 0) return settings->metrics[i];
  return (struct assay_component){.plugin = NULL};
}

static int read_judge(const struct reader *reader, struct assay_settings *settings) {
  struct assay_judge_settings *judge = &settings->judge;
  const struct assay_option_value *const *values;
  int code = read_core(reader, &reader->plan->judge, &values);
  if (code != 0) return code;
  judge->threshold_text = values[JUDGE_THRESHOLD]->text;
  judge->target_text = values[JUDGE_TARGET]->text;
  judge->calibration = (uint32_t)values[JUDGE_CALIBRATION]->integer;
  code = assay_parse_rule(judge->threshold_text, reader->arena, &judge->threshold, reader->status);
  if (code == 0) code = assay_parse_rule(judge->target_text, reader->arena, &judge->target, reader->status);
  judge->target_metric = rule_metric(settings, &judge->target);
  judge->threshold_metric = judge->threshold.kind == ASSAY_RULE_NONE ? settings->search.objective : rule_metric(settings, &judge->threshold);
  return code;
}

/* The words of `devices`, and every backend that they may mean. */
static int read_backends(const struct reader *reader, struct assay_settings *settings) {
  const struct assay_plan_group *group = &reader->plan->backend;
  int code = assay_parse_names(group->core[BACKEND_DEVICES]->text, reader->arena, &settings->devices, &settings->device_count, reader->status);
  if (code != 0) return code;
  struct assay_component *backends = ASSAY_NEW_ARRAY(reader->arena, struct assay_component, group->variant_count + 1);
  const char *where = assay_arena_copy(reader->arena, group->where);
  if (backends == NULL || where == NULL) return assay_status_memory(reader->status);
  for (uint32_t v = 0; v < group->variant_count && code == 0; v++) {
    const struct assay_plan_variant *variant = &group->variants[v];
    backends[v] = (struct assay_component){.name = variant->plugin->name, .where = where, .plugin = variant->plugin};
    code = read_values(reader, variant->values, variant->plugin->options, assay_option_count(variant->plugin->options), &backends[v].values);
  }
  settings->backends = backends;
  settings->backend_count = group->variant_count;
  const struct assay_option_value *const *values;
  if (code == 0) code = read_core(reader, group, &values);
  if (code == 0) settings->timeout = values[BACKEND_TIMEOUT]->real;
  if (code == 0) settings->memory = (uint64_t)(values[BACKEND_MEMORY]->real * (1 << 20));
  return code;
}

static int read_search(const struct reader *reader, struct assay_search_settings *search) {
  const struct assay_option_value *const *values;
  int code = read_core(reader, &reader->plan->search, &values);
  if (code == 0) code = assay_parse_time(values[SEARCH_TIME]->text, &search->time, reader->status);
  if (code != 0) return code;
  search->trials = (uint32_t)values[SEARCH_TRIALS]->integer;
  search->workers = (uint32_t)values[SEARCH_WORKERS]->integer;
  search->seed = (uint64_t)values[SEARCH_SEED]->integer;
  code = read_component(reader, &reader->plan->search, "search", &search->search);
  return code == 0 ? read_component(reader, &reader->plan->pruner, "pruner", &search->pruner) : code;
}

int assay_plan_settings(const struct assay_plan *plan, const double *point, struct assay_arena *arena, const struct assay_settings **settings,
                        struct assay_status *status) {
  const struct reader reader = {plan, point, arena, status};
  struct assay_settings *made = ASSAY_NEW(arena, struct assay_settings);
  if (made == NULL) return assay_status_memory(status);
  int code = read_data(&reader, &made->data);
  if (code == 0) code = read_augment(&reader, &made->augment);
  if (code == 0) code = read_layers(&reader, made);
  if (code == 0) code = read_component(&reader, &plan->optimizer, "optimizer", &made->optimizer);
  if (code == 0) code = read_train(&reader, &made->train);
  if (code == 0) code = read_stages(&reader, made);
  if (code == 0) code = check_times(&reader, &made->train);
  if (code == 0) code = check_mixup(&reader, made);
  if (code == 0) code = read_backends(&reader, made);
  if (code == 0) code = read_search(&reader, &made->search);
  if (code == 0) code = read_metrics(&reader, made);
  if (code == 0) code = read_judge(&reader, made);
  if (code == 0) *settings = made;
  return code;
}
