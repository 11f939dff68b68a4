/* SPDX-License-Identifier: MIT */
#include "report/importance.h"

#include "base/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TARGET_SHARE 0.1
enum { PLACES = 50, LEAST_IN_REGIME = 2, LEAST_TRIALS_TO_AGREE = 8, LEAST_GOOD = 4 };

static bool is_complete(const struct assay_trial_record *record) { return record->state == ASSAY_TRIAL_COMPLETE && isfinite(record->value); }

static int ascending(const void *left, const void *right) {
  const double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

/* The value that `share` of the complete trials reach, in minimised terms; +infinity when there are none. */
static double cutoff(const struct assay_trial_record *const *records, uint32_t count, bool maximise, double share, uint32_t least, double *room) {
  uint32_t complete = 0;
  for (uint32_t i = 0; i < count; i++)
    if (is_complete(records[i])) room[complete++] = maximise ? -records[i]->value : records[i]->value;
  if (complete == 0) return INFINITY;
  qsort(room, complete, sizeof *room, ascending);
  uint32_t place = (uint32_t)ceil(share * complete);
  if (place < least) place = least < complete ? least : complete;
  return room[place - 1];
}

/* ---- A density on places ---- */

struct grid {
  bool choice;
  uint32_t count;
  double low, step; /* of a place, in the logarithm on a logarithmic axis */
  bool logarithmic;
};

static struct grid make_grid(const struct assay_dimension *axis) {
  if (axis->kind == ASSAY_DOMAIN_CHOICE) return (struct grid){.choice = true, .count = axis->choice_count};
  double places = PLACES;
  if (axis->kind == ASSAY_DOMAIN_INT && axis->logarithmic) places = fmin(places, ceil(log2(axis->high - axis->low + 1)) + 1);
  else if (axis->step > 0) places = fmin(places, round((axis->high - axis->low) / axis->step) + 1);
  const double low = axis->logarithmic ? log(axis->low) : axis->low, high = axis->logarithmic ? log(axis->high) : axis->high;
  return (struct grid){.count = (uint32_t)places, .low = low, .step = places > 1 ? (high - low) / (places - 1) : 0, .logarithmic = axis->logarithmic != 0};
}

static uint32_t place_of(const struct grid *grid, double value) {
  if (grid->choice) return value < grid->count ? (uint32_t)value : grid->count - 1;
  const double place = ceil(((grid->logarithmic ? log(value) : value) - grid->low) / grid->step - 0.5); /* a tie goes down */
  return place < 0 ? 0 : place >= grid->count ? grid->count - 1 : (uint32_t)place;
}

static double normal_below(double z) { return 0.5 * erfc(-z / sqrt(2)); }

/* Mass of a normal distribution between two points, exact in both tails. */
static double normal_between(double low, double high) { return low > 0 ? normal_below(-low) - normal_below(-high) : normal_below(high) - normal_below(low); }

/* Scott's bandwidth (1992) with the smaller of deviation and interquartile range, at least so wide that nine tenths stay in a place. */
static double bandwidth(const uint32_t *counts, uint32_t places) {
  double weight = 0, sum = 0, squares = 0;
  for (uint32_t k = 0; k < places; k++) {
    weight += counts[k];
    sum += (double)counts[k] * k;
  }
  const double mean = sum / weight;
  for (uint32_t k = 0; k < places; k++) squares += counts[k] * (k - mean) * (k - mean);
  const double deviation = sqrt(squares / fmax(1, weight - 1));
  const double quarter = floor(weight / 4), three_quarters = floor(weight * 3 / 4);
  double first = -1, third = -1, last = 0, before = 0;
  for (uint32_t k = 0; k < places; k++) {
    if (counts[k] == 0) continue;
    before += counts[k];
    if (first < 0 && before >= quarter) first = k;
    if (third < 0 && before > three_quarters) third = k;
    last = k;
  }
  const double range = (third < 0 ? last : third) - first;
  return fmax(1.059 * fmin(range / 1.34, deviation) * pow(weight, -0.2), 0.5 / 1.64);
}

static void estimate_numbers(const uint32_t *counts, uint32_t places, double *density) {
  const double width = bandwidth(counts, places);
  double weight = 1;
  for (uint32_t k = 0; k < places; k++) weight += counts[k];
  for (uint32_t x = 0; x < places; x++)
    density[x] = normal_between((x - 0.5 - (places - 1) / 2.0) / places, (x + 0.5 - (places - 1) / 2.0) / places) / normal_between(-0.5, 0.5) / weight;
  for (uint32_t k = 0; k < places; k++) {
    if (counts[k] == 0) continue;
    const double whole = normal_between((-0.5 - k) / width, (places - 0.5 - k) / width);
    for (uint32_t x = 0; x < places; x++)
      density[x] += counts[k] / weight * normal_between((x - 0.5 - k) / width, (x + 0.5 - k) / width) / whole;
  }
}

static void estimate_choices(const uint32_t *counts, uint32_t places, double *density) {
  double weight = 1, kernels = 1;
  for (uint32_t k = 0; k < places; k++) {
    weight += counts[k];
    kernels += counts[k] > 0;
  }
  const double base = 1 / kernels, whole = 1 + places * base;
  for (uint32_t x = 0; x < places; x++) {
    density[x] = 1.0 / places / weight;
    for (uint32_t k = 0; k < places; k++) density[x] += counts[k] / weight * (base + (x == k)) / whole;
  }
}

static double divergence(const struct grid *grid, const uint32_t *best, const uint32_t *all, double *room) {
  double *top = room, *local = room + grid->count, sum = 0;
  (grid->choice ? estimate_choices : estimate_numbers)(best, grid->count, top);
  (grid->choice ? estimate_choices : estimate_numbers)(all, grid->count, local);
  for (uint32_t x = 0; x < grid->count; x++) {
    const double ratio = (top[x] + 1e-12) / (local[x] + 1e-12) - 1;
    sum += (local[x] + 1e-12) * ratio * ratio;
  }
  return sum;
}

/* ---- PED-ANOVA ---- */

struct analysis {
  const struct assay_trial_record *const *records;
  uint32_t count;
  bool maximise;
  double limit; /* of the best, in minimised terms */
  uint32_t best, all;
};

static bool is_best(const struct analysis *analysis, const struct assay_trial_record *record) {
  return is_complete(record) && (analysis->maximise ? -record->value : record->value) <= analysis->limit;
}

static double importance_of(const struct analysis *analysis, const struct assay_dimension *axis, uint32_t dimension, uint32_t *counts, double *room) {
  const struct grid grid = make_grid(axis);
  if (grid.count < 2) return 0;
  memset(counts, 0, 2 * grid.count * sizeof *counts);
  uint32_t best = 0, all = 0;
  for (uint32_t i = 0; i < analysis->count; i++) {
    const struct assay_trial_record *record = analysis->records[i];
    if (!is_complete(record) || isnan(record->point[dimension])) continue;
    const uint32_t place = place_of(&grid, record->point[dimension]);
    counts[grid.count + place]++;
    all++;
    if (!is_best(analysis, record)) continue;
    counts[place]++;
    best++;
  }
  if (all < LEAST_IN_REGIME || best == 0) return 0;
  const double share_of_best = (double)best / analysis->best, share_of_all = (double)all / analysis->all, quantile = (double)analysis->best / analysis->all;
  return quantile * quantile * share_of_best * share_of_best / share_of_all * divergence(&grid, counts, counts + grid.count, room);
}

int assay_importance_compute(const struct assay_space *space, const struct assay_trial_record *const *records, uint32_t count, bool maximise,
                             double *importances, struct assay_status *status) {
  uint32_t most = PLACES;
  for (uint32_t d = 0; d < space->dimension_count; d++) {
    importances[d] = 0;
    if (space->dimensions[d]->choice_count > most) most = space->dimensions[d]->choice_count;
  }
  double *room = malloc(((size_t)count + 2 * (size_t)most) * sizeof *room);
  uint32_t *counts = malloc(2 * (size_t)most * sizeof *counts);
  const bool ready = room != NULL && counts != NULL;
  if (ready) {
    struct analysis analysis = {.records = records, .count = count, .maximise = maximise, .limit = cutoff(records, count, maximise, TARGET_SHARE, 1, room)};
    for (uint32_t i = 0; i < count; i++) {
      analysis.all += is_complete(records[i]);
      analysis.best += is_best(&analysis, records[i]);
    }
    for (uint32_t d = 0; analysis.all > 1 && d < space->dimension_count; d++) importances[d] = importance_of(&analysis, space->dimensions[d], d, counts, room);
  }
  free(room);
  free(counts);
  return ready ? 0 : assay_status_memory(status);
}

/* ---- What the good ones have in common ---- */

static void find_choice(const struct analysis *analysis, const struct assay_dimension *axis, uint32_t dimension, struct assay_agreement *agreement) {
  uint32_t most = 0;
  for (uint32_t choice = 0; choice < axis->choice_count; choice++) {
    uint32_t good = 0, all = 0;
    for (uint32_t i = 0; i < analysis->count; i++) {
      if (!is_complete(analysis->records[i]) || analysis->records[i]->point[dimension] != choice) continue;
      all++;
      good += is_best(analysis, analysis->records[i]);
    }
    if (good <= most) continue;
    most = good;
    agreement->value = choice;
    agreement->share = (double)good / agreement->good;
    agreement->share_of_all = (double)all / agreement->all;
  }
}

static void find_range(const struct analysis *analysis, uint32_t dimension, double *room, struct assay_agreement *agreement) {
  uint32_t good = 0;
  for (uint32_t i = 0; i < analysis->count; i++)
    if (is_best(analysis, analysis->records[i]) && !isnan(analysis->records[i]->point[dimension])) room[good++] = analysis->records[i]->point[dimension];
  qsort(room, good, sizeof *room, ascending);
  agreement->low = room[0];
  agreement->high = room[good - 1];
  agreement->value = room[good / 2];
}

bool assay_agreement_find(const struct assay_space *space, const struct assay_trial_record *const *records, uint32_t count, bool maximise, uint32_t dimension,
                          struct assay_agreement *agreement) {
  *agreement = (struct assay_agreement){.value = NAN, .share = NAN, .share_of_all = NAN, .low = NAN, .high = NAN};
  double *room = malloc(((size_t)count + 1) * sizeof *room);
  if (room == NULL) return false;
  struct analysis analysis = {.records = records, .count = count, .maximise = maximise, .limit = cutoff(records, count, maximise, 0.25, LEAST_GOOD, room)};
  for (uint32_t i = 0; i < count; i++) {
    if (!is_complete(records[i])) continue;
    analysis.all++;
    if (isnan(records[i]->point[dimension])) continue;
    agreement->all++;
    agreement->good += is_best(&analysis, records[i]);
  }
  const bool enough = analysis.all >= LEAST_TRIALS_TO_AGREE && agreement->good >= LEAST_GOOD;
  if (enough && space->dimensions[dimension]->kind == ASSAY_DOMAIN_CHOICE) find_choice(&analysis, space->dimensions[dimension], dimension, agreement);
  else if (enough) find_range(&analysis, dimension, room, agreement);
  free(room);
  return enough;
}
