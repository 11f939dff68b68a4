/* SPDX-License-Identifier: MIT
 *
 * The tree-structured Parzen estimator (Bergstra et al., NIPS 2011; joint over axes as in BOHB, Falkner, Klein, Hutter, ICML 2018; settings weighed after
 * Watanabe, arXiv 2304.11127). Past trials are split into good and bad ones; the next point is, of some drawn from the density of the good,
 * the one where that density most exceeds the density of the bad.
 *
 * Axes that are always active together are one group with one joint density (`multivariate = no`: every axis is its own), and a group looks only at
 * the trials where it was active; so a conditional space is searched branch by branch. Running trials count as bad, so that workers keep apart. Pruned
 * trials rank behind complete ones, by how far they came. A point that was tried before is not tried again while there are others.
 * The start is a Latin hypercube, whose cells the study's seed picks.
 */
#include "parzen.h"
#include "search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MULTIVARIATE, STARTUP, CANDIDATES, GAMMA, GOOD, PRIOR_WEIGHT, FLOOR, CLIP, ENDS, RECENT, KERNELS };
enum { CLIP_AUTO, CLIP_YES, CLIP_NO };

struct settings {
  bool multivariate;
  uint32_t startup, candidates, most_good, recent, kernels;
  double gamma;
  struct assay_parzen_settings parzen;
};

static struct settings read_settings(const struct assay_option_value *const *options) {
  const bool multivariate = options[MULTIVARIATE]->integer != 0;
  const int64_t clip = options[CLIP]->integer;
  return (struct settings){
      .multivariate = multivariate,
      .startup = (uint32_t)options[STARTUP]->integer,
      .candidates = (uint32_t)options[CANDIDATES]->integer,
      .most_good = (uint32_t)options[GOOD]->integer,
      .recent = (uint32_t)options[RECENT]->integer,
      .kernels = (uint32_t)options[KERNELS]->integer,
      .gamma = options[GAMMA]->real,
      .parzen = {options[PRIOR_WEIGHT]->real, options[FLOOR]->real, clip == CLIP_YES || (clip == CLIP_AUTO && !multivariate), options[ENDS]->integer != 0},
  };
}

/* ---- good and bad ---- */

struct split {
  const struct assay_trial **good, **bad; /* by number */
  uint32_t good_count, bad_count, finished;
};

/* Is the first the better trial? Complete before pruned; complete ones by value; pruned ones by the last step they reached, then by the value there. */
static bool is_better(const struct assay_trial *x, const struct assay_trial *y) {
  if (x->state != y->state) return x->state == ASSAY_TRIAL_COMPLETE;
  double left = x->value, right = y->value;
  if (x->state == ASSAY_TRIAL_PRUNED) {
    const uint32_t count = x->intermediate_count, other_count = y->intermediate_count;
    const int64_t reached = count > 0 ? (int64_t)x->steps[count - 1] : -1, other = other_count > 0 ? (int64_t)y->steps[other_count - 1] : -1;
    if (reached != other) return reached > other;
    left = count > 0 ? x->intermediates[count - 1] : 0;
    right = other_count > 0 ? y->intermediates[other_count - 1] : 0;
  }
  if (isnan(left)) left = INFINITY;
  if (isnan(right)) right = INFINITY;
  return left != right ? left < right : x->number < y->number;
}

static int compare_number(const void *a, const void *b) {
  const struct assay_trial *x = *(const struct assay_trial *const *)a, *y = *(const struct assay_trial *const *)b;
  return x->number < y->number ? -1 : x->number > y->number;
}

static bool has_finished(const struct assay_trial *trial) { return trial->state == ASSAY_TRIAL_COMPLETE || trial->state == ASSAY_TRIAL_PRUNED; }

/* `room`: a pointer a trial. Running trials are bad ones; failed ones say nothing. */
static struct split split_history(const struct assay_history *history, const struct settings *settings, const struct assay_trial **room) {
  struct split split = {.good = room};
  for (uint32_t i = 0; i < history->trial_count; i++) split.finished += has_finished(history->trials[i]);
  const uint32_t most = (uint32_t)fmin(settings->most_good, ceil(settings->gamma * split.finished));
  for (uint32_t i = 0; i < history->trial_count; i++) { /* the few best, kept in order */
    const struct assay_trial *trial = history->trials[i];
    if (!has_finished(trial) || (split.good_count == most && !is_better(trial, room[most - 1]))) continue;
    uint32_t place = split.good_count < most ? split.good_count++ : most - 1;
    for (; place > 0 && is_better(trial, room[place - 1]); place--) room[place] = room[place - 1];
    room[place] = trial;
  }
  qsort(split.good, split.good_count, sizeof *room, compare_number);
  split.bad = room + split.good_count;
  for (uint32_t i = 0, next = 0; i < history->trial_count; i++) {
    const struct assay_trial *trial = history->trials[i];
    if (next < split.good_count && trial == split.good[next]) next++;
    else if (has_finished(trial) || trial->state == ASSAY_TRIAL_RUNNING) split.bad[split.bad_count++] = trial;
  }
  return split;
}

/* ---- groups ---- */

/* Axes with one joint density. */
struct group {
  const struct assay_dimension **axes;
  uint32_t *numbers; /* of the axes in the space */
  uint32_t count;
};

/* The axes still open that go with `first`: under the same choice of the same parent. Marks them as done. */
static void gather(const struct assay_space *space, uint32_t first, bool multivariate, bool *done, struct group *group) {
  const struct assay_dimension *leader = space->dimensions[first];
  group->count = 0;
  for (uint32_t i = first; i < space->dimension_count && (multivariate || i == first); i++) {
    const struct assay_dimension *axis = space->dimensions[i];
    if (done[i] || axis->parent != leader->parent || (axis->parent >= 0 && axis->parent_choice != leader->parent_choice)) continue;
    done[i] = true;
    if (assay_search_single(axis)) continue;
    group->axes[group->count] = axis;
    group->numbers[group->count++] = i;
  }
}

/* Weights by age: the `recent` newest count fully, older ones less and less down to 1 / count. */
static double weight_of(uint32_t index, uint32_t count, uint32_t recent) {
  if (count <= recent || index >= count - recent) return 1;
  const uint32_t old = count - recent;
  const double least = 1.0 / count;
  return old == 1 ? least : least + (1 - least) * index / (old - 1);
}

/* The density of those of the trials where the group was active, thinned out evenly when there are more than `kernels`. */
static struct assay_parzen *estimate(const struct group *group, const struct assay_trial *const *trials, uint32_t count, const struct settings *settings,
                                     double *rows, double *weights) {
  uint32_t active = 0, used = 0;
  for (uint32_t i = 0; i < count; i++) active += !isnan(trials[i]->point[group->numbers[0]]);
  const uint32_t kept = active < settings->kernels ? active : settings->kernels;
  for (uint32_t i = 0, seen = 0; i < count && used < kept; i++) {
    if (isnan(trials[i]->point[group->numbers[0]])) continue;
    if (seen++ != (uint32_t)(((uint64_t)used + 1) * active / kept - 1)) continue;
    for (uint32_t j = 0; j < group->count; j++) rows[(size_t)used * group->count + j] = trials[i]->point[group->numbers[j]];
    weights[used++] = weight_of(seen - 1, active, settings->recent);
  }
  return assay_parzen_create(group->axes, group->count, rows, weights, used, &settings->parzen);
}

static bool was_tried(const struct assay_history *history, const struct assay_space *space, const double *point) {
  for (uint32_t i = 0; i < history->trial_count; i++) {
    const double *other = history->trials[i]->point;
    uint32_t j = 0;
    while (j < space->dimension_count && (point[j] == other[j] || (isnan(point[j]) && isnan(other[j])))) j++;
    if (j == space->dimension_count) return true;
  }
  return false;
}

/* ---- asking ---- */

struct work {
  const struct assay_space *space;
  const struct assay_history *history;
  const double *fixed;
  struct assay_random *random;
  const struct settings *settings;
  struct split split;
  const struct assay_trial **trials;
  struct group group;
  bool *done;
  double *rows, *weights, *candidate;
};

static void release_work(struct work *work) {
  free(work->trials);
  free(work->group.axes);
  free(work->group.numbers);
  free(work->done);
  free(work->rows);
  free(work->weights);
  free(work->candidate);
}

static bool begin_work(struct work *work) {
  const size_t axes = work->space->dimension_count + 1, trials = work->history->trial_count + 1,
               kernels = work->settings->kernels < trials ? work->settings->kernels + 1 : trials;
  work->trials = calloc(trials, sizeof *work->trials);
  work->group.axes = calloc(axes, sizeof *work->group.axes);
  work->group.numbers = calloc(axes, sizeof *work->group.numbers);
  work->done = calloc(axes, sizeof *work->done);
  work->rows = calloc(axes * kernels, sizeof *work->rows);
  work->weights = calloc(kernels, sizeof *work->weights);
  work->candidate = calloc(axes, sizeof *work->candidate);
  if (work->trials == NULL || work->group.axes == NULL || work->group.numbers == NULL || work->done == NULL || work->rows == NULL || work->weights == NULL ||
      work->candidate == NULL)
    return false;
  work->split = split_history(work->history, work->settings, work->trials);
  return true;
}

/* Is the whole point known once this group is? Only then can it be compared with those tried. */
static bool is_whole(const struct work *work, const double *point) {
  for (uint32_t i = 0; i < work->space->dimension_count; i++)
    if (!work->done[i] && assay_search_active(work->space->dimensions[i], point)) return false;
  return true;
}

/* Fills the group's axes of `point` with the best of the candidates. */
static int choose(struct work *work, double *point, struct assay_status *status) {
  const struct group *group = &work->group;
  const struct settings *settings = work->settings;
  struct assay_parzen *good = estimate(group, work->split.good, work->split.good_count, settings, work->rows, work->weights);
  struct assay_parzen *bad = estimate(group, work->split.bad, work->split.bad_count, settings, work->rows, work->weights);
  double best = -INFINITY, *chosen = work->rows; /* no longer needed for the estimates */
  bool best_tried = true;
  for (uint32_t i = 0; good != NULL && bad != NULL && i < settings->candidates; i++) {
    assay_parzen_sample(good, work->random, work->candidate);
    for (uint32_t j = 0; j < group->count; j++) {
      if (!isnan(work->fixed[group->numbers[j]])) work->candidate[j] = work->fixed[group->numbers[j]];
      point[group->numbers[j]] = work->candidate[j];
    }
    const double score = assay_parzen_log_density(good, work->candidate) - assay_parzen_log_density(bad, work->candidate);
    if (i > 0 && !(score > best) && !best_tried) continue;
    const bool tried = is_whole(work, point) && was_tried(work->history, work->space, point);
    if (i > 0 && (tried > best_tried || (tried == best_tried && !(score > best)))) continue;
    best = score;
    best_tried = tried;
    memcpy(chosen, work->candidate, group->count * sizeof *chosen);
  }
  for (uint32_t j = 0; good != NULL && bad != NULL && j < group->count; j++) point[group->numbers[j]] = chosen[j];
  const int result = good == NULL || bad == NULL ? assay_search_fail(status, ASSAY_E_MEMORY, "out of memory while estimating the densities of tpe") : 0;
  assay_parzen_release(good);
  assay_parzen_release(bad);
  return result;
}

/* Cell of a Latin hypercube: trial 0 is the defaults, so trials 1 … startup - 1 have one of as many cells an axis each; further ones begin another. */
static double start_share(uint32_t number, uint32_t startup, uint32_t axis, struct assay_random *random) {
  const uint32_t cells = startup > 2 ? startup - 1 : 1, index = number == 0 ? 0 : number - 1;
  const uint32_t key[2] = {random->key[0] ^ (axis + 1) * 0x9E3779B9u, random->key[1] + index / cells * 0x85EBCA6Bu};
  return ((double)assay_permute(index % cells, cells, key) + assay_random_uniform(random)) / cells;
}

static void start_point(struct work *work, uint32_t number, double *point) {
  for (uint32_t i = 0; i < work->space->dimension_count; i++) {
    const struct assay_dimension *axis = work->space->dimensions[i];
    const double value = assay_search_value_at(axis, start_share(number, work->settings->startup, i, work->random));
    point[i] = !assay_search_active(axis, point) ? NAN : !isnan(work->fixed[i]) ? work->fixed[i] : value;
  }
}

static int ask(const struct assay_option_value *const *options, const struct assay_space *space, const struct assay_history *history, uint32_t number,
               const double *fixed, struct assay_random *random, double *point, struct assay_status *status) {
  const struct settings settings = read_settings(options);
  struct work work = {.space = space, .history = history, .fixed = fixed, .random = random, .settings = &settings};
  int result = begin_work(&work) ? 0 : assay_search_fail(status, ASSAY_E_MEMORY, "out of memory for the history of tpe");
  if (result == 0 && work.split.finished < settings.startup) {
    start_point(&work, number, point);
    release_work(&work);
    return 0;
  }
  for (uint32_t i = 0; i < space->dimension_count; i++) point[i] = NAN;
  for (uint32_t i = 0; result == 0 && i < space->dimension_count; i++) {
    const struct assay_dimension *axis = space->dimensions[i];
    if (!assay_search_active(axis, point)) continue;
    if (assay_search_single(axis)) point[i] = assay_search_value_at(axis, 0);
    if (work.done[i]) continue;
    gather(space, i, settings.multivariate, work.done, &work.group);
    if (work.group.count > 0) result = choose(&work, point, status);
  }
  release_work(&work);
  return result;
}

/* ---- the plugin ---- */

static const char *const clip_choices[] = {"auto", "yes", "no", NULL};
static const struct assay_option multivariate_option = {.struct_size = sizeof multivariate_option,
                                                        .type = ASSAY_OPTION_BOOL,
                                                        .name = "multivariate",
                                                        .default_text = "yes",
                                                        .help = "one density over all axes that are active together, instead of one an axis"},
                                 startup = {.struct_size = sizeof startup,
                                            .type = ASSAY_OPTION_INT,
                                            .name = "startup",
                                            .default_text = "10",
                                            .minimum = 1,
                                            .maximum = 1000000,
                                            .help = "trials that must have finished before the past is used; until then points are spread evenly"},
                                 candidates = {.struct_size = sizeof candidates,
                                               .type = ASSAY_OPTION_INT,
                                               .name = "candidates",
                                               .default_text = "24",
                                               .minimum = 1,
                                               .maximum = 100000,
                                               .help = "points drawn for each trial, of which the most promising is taken"},
                                 gamma_option = {.struct_size = sizeof gamma_option,
                                                 .type = ASSAY_OPTION_REAL,
                                                 .name = "gamma",
                                                 .default_text = "0.07",
                                                 .minimum = 0.001,
                                                 .maximum = 0.9,
                                                 .help = "share of the trials that count as good"},
                                 good = {.struct_size = sizeof good,
                                         .type = ASSAY_OPTION_INT,
                                         .name = "good",
                                         .default_text = "25",
                                         .minimum = 1,
                                         .maximum = 1000000,
                                         .help = "at most so many trials count as good"},
                                 prior_weight = {.struct_size = sizeof prior_weight,
                                                 .type = ASSAY_OPTION_REAL,
                                                 .name = "prior_weight",
                                                 .default_text = "1",
                                                 .minimum = 0.001,
                                                 .maximum = 1000,
                                                 .help = "weight of the even density over the whole space, where a trial has 1"},
                                 floor_option = {.struct_size = sizeof floor_option,
                                                 .type = ASSAY_OPTION_REAL,
                                                 .name = "floor",
                                                 .default_text = "0.035",
                                                 .minimum = 0,
                                                 .maximum = 1,
                                                 .help = "least width of a kernel, as a share of the axis"},
                                 clip = {.struct_size = sizeof clip,
                                         .type = ASSAY_OPTION_CHOICE,
                                         .name = "clip",
                                         .default_text = "auto",
                                         .choices = clip_choices,
                                         .help = "kernels are wider while there are few trials; auto: when every axis has a density of its own"},
                                 ends = {.struct_size = sizeof ends,
                                         .type = ASSAY_OPTION_BOOL,
                                         .name = "ends",
                                         .default_text = "no",
                                         .help = "kernels next to an end of an axis are as wide as the gap to that end"},
                                 recent = {.struct_size = sizeof recent,
                                           .type = ASSAY_OPTION_INT,
                                           .name = "recent",
                                           .default_text = "25",
                                           .minimum = 1,
                                           .maximum = 1000000,
                                           .help = "so many of the newest trials have full weight; older ones have less"},
                                 kernels = {.struct_size = sizeof kernels,
                                            .type = ASSAY_OPTION_INT,
                                            .name = "kernels",
                                            .default_text = "500",
                                            .minimum = 10,
                                            .maximum = 1000000,
                                            .help = "at most so many trials make up a density; of more, an even selection does"};
static const struct assay_option *const options_table[] = {&multivariate_option, &startup, &candidates, &gamma_option, &good,    &prior_weight,
                                                           &floor_option,        &clip,    &ends,       &recent,       &kernels, NULL};
static const struct assay_search table = {sizeof table, 0, ask, NULL};

const struct assay_plugin assay_search_tpe = {ASSAY_PLUGIN_MAGIC,
                                              sizeof(struct assay_plugin),
                                              ASSAY_SEARCH,
                                              ASSAY_SEARCH_ABI_MAJOR,
                                              ASSAY_SEARCH_ABI_MINOR,
                                              "tpe",
                                              "learns from past trials where good values are likely",
                                              "1.0",
                                              options_table,
                                              &table,
                                              sizeof table,
                                              0};
