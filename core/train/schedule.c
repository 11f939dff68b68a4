/* SPDX-License-Identifier: MIT */
#include "train/schedule.h"

#include <math.h>

/* From `from` to `to` along half a cosine, as `share` goes from 0 to 1. */
static double half_cosine(double from, double to, double share) { return to + (from - to) * 0.5 * (1 + cos(3.14159265358979323846 * share)); }

static double at_most_one(double share) { return share < 1 ? share : 1; }

/* Place within the cycle that an epoch lies in: 0 at its start, 1 at its end. Cycles are 1, f, f², … times `length` long. */
static double place_in_cycle(double epoch, double length, double factor) {
  if (factor == 1) return fmod(epoch, length) / length;
  for (; epoch >= length; length *= factor) epoch -= length;
  return epoch / length;
}

/* Of the single cycle: -1 at its start, 0 at the top, 1 at its end. Both ends are steps, as is the top. */
static double place_in_one_cycle(double rise, double step, double count) {
  const double top = rise * count - 1, end = count - 1;
  if (step < top) return step / top - 1;
  return end > top ? at_most_one(fmax(step - top, 0) / (end - top)) : 1;
}

double assay_schedule_factor(const struct assay_train_settings *settings, uint32_t epochs, uint64_t step, uint32_t steps) {
  const double now = (double)step / steps, length = fmax(epochs - settings->warmup_epochs, 0);
  if (now < settings->warmup_epochs) return settings->warmup_start + (1 - settings->warmup_start) * now / settings->warmup_epochs;
  const double epoch = now - settings->warmup_epochs;
  double place;
  switch (settings->schedule) {
  case ASSAY_SCHEDULE_STEP: return pow(settings->step_factor, settings->step_epochs > 0 ? floor(epoch / settings->step_epochs) : 0);
  case ASSAY_SCHEDULE_COSINE: return half_cosine(1, settings->cosine_end, length > 0 ? at_most_one(epoch / length) : 1);
  case ASSAY_SCHEDULE_LINEAR: return 1 + (settings->linear_end - 1) * (length > 0 ? at_most_one(epoch / length) : 1);
  case ASSAY_SCHEDULE_RESTARTS: return half_cosine(1, settings->cycle_end, place_in_cycle(epoch, settings->cycle_epochs, settings->cycle_factor));
  case ASSAY_SCHEDULE_ONE_CYCLE:
    place = place_in_one_cycle(settings->one_cycle_rise, epoch * steps, length * steps);
    return place < 0 ? half_cosine(settings->one_cycle_start, 1, place + 1) : half_cosine(1, settings->one_cycle_end, place);
  default: return 1;
  }
}

uint32_t assay_schedule_whole_cycles(const struct assay_train_settings *settings, uint32_t epochs, uint32_t count) {
  if (settings->schedule != ASSAY_SCHEDULE_RESTARTS) return count;
  double end = settings->warmup_epochs, length = settings->cycle_epochs;
  for (; end < count; length *= settings->cycle_factor) end += length;
  return end < epochs ? (uint32_t)ceil(end) : epochs;
}

double assay_schedule_momentum(const struct assay_train_settings *settings, uint32_t epochs, uint64_t step, uint32_t steps, double own) {
  const double epoch = (double)step / steps - settings->warmup_epochs, length = fmax(epochs - settings->warmup_epochs, 0);
  if (settings->schedule != ASSAY_SCHEDULE_ONE_CYCLE || epoch < 0 || own <= settings->one_cycle_momentum) return own;
  const double place = place_in_one_cycle(settings->one_cycle_rise, epoch * steps, length * steps);
  return place < 0 ? half_cosine(own, settings->one_cycle_momentum, place + 1) : half_cosine(settings->one_cycle_momentum, own, place);
}
