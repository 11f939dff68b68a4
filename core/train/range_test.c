/* SPDX-License-Identifier: MIT
 *
 * The learning-rate range test.
 */
#include "train/desk.h"

#include "base/arena.h"
#include "base/status.h"
#include "data/batch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SMOOTHING 0.9
#define BREAKDOWN 4 /* times the lowest loss */

/* Where the smoothed loss falls fastest with the logarithm of the rate, over a few points at a time, before it is lowest. */
static void suggest(struct assay_range *range) {
  enum { SPAN = 4 };
  uint32_t lowest = 0;
  double fastest = 0;
  range->steepest = range->suggested = range->lowest = NAN;
  for (uint32_t i = 1; i < range->count; i++)
    if (range->points[i].smoothed < range->points[lowest].smoothed) lowest = i;
  for (uint32_t i = 0; i + SPAN <= lowest; i++) {
    const struct assay_range_point *from = &range->points[i], *to = &range->points[i + SPAN];
    const double slope = (to->smoothed - from->smoothed) / log(to->rate / from->rate);
    if (slope >= fastest) continue;
    fastest = slope;
    range->steepest = sqrt(from->rate * to->rate);
  }
  if (isnan(range->steepest)) return;
  range->lowest = range->points[lowest].rate;
  range->suggested = fmin(range->lowest / 10, range->steepest);
}

/* The next batch in the order of an epoch; a new order when less than a batch is left. */
static void next_batch(struct assay_desk *desk, uint32_t *order, uint32_t batch, uint32_t *at, uint32_t *epoch) {
  if (*at + batch > desk->count || *epoch == 0) {
    memcpy(order, desk->material.parts[0].training, desk->count * sizeof *order);
    assay_batch_shuffle(order, desk->count, desk->seed, (*epoch)++);
    *at = 0;
  }
  memcpy(desk->numbers, order + *at, batch * sizeof *order);
  *at += batch;
}

static int walk(struct assay_desk *desk, double low, double high, uint32_t steps, const struct assay_hooks *hooks, uint32_t *order, struct assay_range_point *points,
                struct assay_range *range, struct assay_status *status) {
  const uint32_t batch = desk->bench.network->batch < desk->count ? desk->bench.network->batch : desk->count;
  double mean = 0, lowest = INFINITY, accuracy;
  uint32_t at = 0, epoch = 0;
  for (uint32_t i = 0; i < steps; i++) {
    struct assay_range_point *point = &points[i];
    point->rate = low * pow(high / low, steps > 1 ? (double)i / (steps - 1) : 0);
    next_batch(desk, order, batch, &at, &epoch);
    const int code = assay_desk_train(desk, batch, point->rate, hooks, &point->loss, &accuracy, status);
    if (code != 0) return code;
    if (!isfinite(point->loss)) return 0;
    mean = SMOOTHING * mean + (1 - SMOOTHING) * point->loss;
    point->smoothed = mean / (1 - pow(SMOOTHING, i + 1.0));
    range->count = i + 1;
    lowest = fmin(lowest, point->smoothed);
    if (point->smoothed > BREAKDOWN * lowest) return 0;
  }
  return 0;
}

int assay_range_test(struct assay_session *session, const struct assay_samples *samples, const struct assay_settings *settings, double low, double high, uint32_t steps,
                     const struct assay_hooks *hooks, struct assay_arena *arena, struct assay_range *range, struct assay_status *status) {
  bool *chosen = ASSAY_NEW_ARRAY(arena, bool, samples->count);
  uint32_t *order = ASSAY_NEW_ARRAY(arena, uint32_t, samples->count);
  struct assay_range_point *points = ASSAY_NEW_ARRAY(arena, struct assay_range_point, steps);
  if (chosen == NULL || order == NULL || points == NULL) return assay_status_memory(status);
  *range = (struct assay_range){.points = points};
  uint32_t count = 0;
  for (uint32_t i = 0; i < samples->count; i++) count += chosen[i] = samples->pixels[i] != NULL && samples->parts[i] == ASSAY_PART_TRAIN;
  struct assay_desk desk;
  int code = assay_desk_open(session, samples, chosen, count, settings, &desk, status);
  if (code == 0 && desk.bench.network->rate_option < 0)
    code = assay_status_set(status, ASSAY_E_CONFIG, "the optimizer %s has no learning_rate that could be tested", settings->optimizer.plugin->name);
  if (code == 0) code = walk(&desk, low, high, steps, hooks, order, points, range, status);
  assay_desk_close(&desk);
  if (code == 0) suggest(range);
  return code;
}
