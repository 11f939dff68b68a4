/* SPDX-License-Identifier: MIT
 *
 * Grid search: every combination once, in an order that the study's seed shuffles. Choices, integers and steps give all their values, continuous axes
 * `levels` of them, evenly spaced (in the logarithm where that is the scale) with both ends. Axes that a choice makes inactive are not multiplied in.
 *
 * The point of a trial depends on the seed and its number alone, so workers never meet and nothing is remembered. Trial 0 is the defaults: if they
 * are on the grid, that combination is left out of the rest; if not, they are one point more. Values fixed from outside replace the grid's.
 */
#include "search.h"

#include <math.h>

enum { LEVELS = 0 };

static uint64_t levels_of(const struct assay_dimension *axis, uint64_t levels) {
  if (axis->kind == ASSAY_DOMAIN_CHOICE) return axis->choice_count;
  if (assay_search_single(axis)) return 1;
  const double step = axis->kind == ASSAY_DOMAIN_INT && axis->step < 1 ? 1 : axis->step;
  return step > 0 ? (uint64_t)floor((axis->high - axis->low) / step + 1e-9) + 1 : levels;
}

static double level_value(const struct assay_dimension *axis, uint64_t level, uint64_t count) {
  if (axis->kind == ASSAY_DOMAIN_CHOICE) return (double)level;
  if (axis->kind == ASSAY_DOMAIN_INT || axis->step > 0) return axis->low + (double)level * (axis->step > 0 ? axis->step : 1);
  if (count == 1) return axis->logarithmic ? sqrt(axis->low * axis->high) : 0.5 * (axis->low + axis->high);
  if (level == 0) return axis->low;
  if (level == count - 1) return axis->high;
  const double share = (double)level / (double)(count - 1);
  return axis->logarithmic ? axis->low * pow(axis->high / axis->low, share) : axis->low + share * (axis->high - axis->low);
}

/* The level that comes next to the default. */
static uint64_t nearest_level(const struct assay_dimension *axis, uint64_t count) {
  if (count == 1 || axis->high <= axis->low) return 0;
  const double last = level_value(axis, count - 1, count);
  const double share = axis->logarithmic && axis->kind == ASSAY_DOMAIN_REAL && !(axis->step > 0) ? log(axis->default_value / axis->low) / log(last / axis->low)
                                                                                                 : (axis->default_value - axis->low) / (last - axis->low);
  return (uint64_t)nearbyint(fmin(1, fmax(0, share)) * (double)(count - 1));
}

/* ---- a mixed-radix number whose places are the axes that hang on a choice; UINT64_MAX: too large ---- */

static uint64_t multiply(uint64_t a, uint64_t b) {
  uint64_t product;
  return a == UINT64_MAX || b == UINT64_MAX || __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static uint64_t add(uint64_t a, uint64_t b) {
  uint64_t sum;
  return a == UINT64_MAX || b == UINT64_MAX || __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static bool hangs_on(const struct assay_dimension *axis, int32_t parent, uint32_t choice) {
  return axis->parent == parent && (parent < 0 || axis->parent_choice == choice);
}

static uint64_t count_axis(const struct assay_space *space, uint32_t axis, uint64_t levels);

/* Combinations of all axes that hang on (parent, choice); those without a parent hang on -1. */
static uint64_t count_under(const struct assay_space *space, int32_t parent, uint32_t choice, uint64_t levels) {
  uint64_t product = 1;
  for (uint32_t i = (uint32_t)(parent + 1); i < space->dimension_count; i++)
    if (hangs_on(space->dimensions[i], parent, choice)) product = multiply(product, count_axis(space, i, levels));
  return product;
}

static uint64_t count_axis(const struct assay_space *space, uint32_t axis, uint64_t levels) {
  const struct assay_dimension *dimension = space->dimensions[axis];
  if (dimension->kind != ASSAY_DOMAIN_CHOICE) return levels_of(dimension, levels);
  uint64_t sum = 0;
  for (uint32_t choice = 0; choice < dimension->choice_count; choice++) sum = add(sum, count_under(space, (int32_t)axis, choice, levels));
  return sum;
}

static void decode_under(const struct assay_space *space, int32_t parent, uint32_t choice, uint64_t levels, uint64_t index, double *point) {
  for (uint32_t i = (uint32_t)(parent + 1); i < space->dimension_count; i++) {
    const struct assay_dimension *axis = space->dimensions[i];
    if (!hangs_on(axis, parent, choice)) continue;
    const uint64_t count = count_axis(space, i, levels);
    uint64_t digit = index % count;
    index /= count;
    if (axis->kind != ASSAY_DOMAIN_CHOICE) {
      point[i] = level_value(axis, digit, count);
      continue;
    }
    uint32_t chosen = 0;
    for (uint64_t under; digit >= (under = count_under(space, (int32_t)i, chosen, levels)); chosen++) digit -= under;
    point[i] = chosen;
    decode_under(space, (int32_t)i, chosen, levels, digit, point);
  }
}

/* The index of the defaults below (parent, choice); UINT64_MAX: not on the grid. */
static uint64_t encode_defaults(const struct assay_space *space, int32_t parent, uint32_t choice, uint64_t levels) {
  uint64_t index = 0, place = 1;
  for (uint32_t i = (uint32_t)(parent + 1); i < space->dimension_count; i++) {
    const struct assay_dimension *axis = space->dimensions[i];
    if (!hangs_on(axis, parent, choice)) continue;
    const uint64_t count = count_axis(space, i, levels);
    uint64_t digit = 0;
    if (axis->kind == ASSAY_DOMAIN_CHOICE) {
      for (uint32_t c = 0; c < (uint32_t)axis->default_value; c++) digit += count_under(space, (int32_t)i, c, levels);
      const uint64_t under = encode_defaults(space, (int32_t)i, (uint32_t)axis->default_value, levels);
      if (under == UINT64_MAX) return UINT64_MAX;
      digit += under;
    } else {
      digit = nearest_level(axis, count);
      if (fabs(level_value(axis, digit, count) - axis->default_value) > 1e-9 * fabs(axis->default_value)) return UINT64_MAX;
    }
    index += place * digit;
    place *= count;
  }
  return index;
}

/* ---- the plugin ---- */

static int size(const struct assay_option_value *const *options, const struct assay_space *space, uint64_t *combinations, uint64_t *defaults,
                struct assay_status *status) {
  const uint64_t levels = (uint64_t)options[LEVELS]->integer;
  *combinations = count_under(space, -1, 0, levels);
  if (*combinations > (uint64_t)1 << 62)
    return assay_search_fail(status, ASSAY_E_CONFIG,
                             "the grid has more points than can be counted; narrow the domains, or choose random or tpe in [search] type");
  *defaults = encode_defaults(space, -1, 0, levels);
  return 0;
}

static int count_points(const struct assay_option_value *const *options, const struct assay_space *space, uint64_t *count, struct assay_status *status) {
  uint64_t combinations = 0, defaults = 0;
  const int result = size(options, space, &combinations, &defaults, status);
  if (result == 0) *count = combinations + (defaults == UINT64_MAX);
  return result;
}

static int ask(const struct assay_option_value *const *options, const struct assay_space *space, const struct assay_history *history, uint32_t number,
               const double *fixed, struct assay_random *random, double *point, struct assay_status *status) {
  (void)history;
  uint64_t combinations = 0, defaults = 0, place = number;
  const int result = size(options, space, &combinations, &defaults, status);
  if (result != 0) return result;
  if (defaults == UINT64_MAX) {
    if (place > 0) place--; /* the defaults come first and are not of the grid */
  } else {
    const uint64_t taken = assay_permute_back(defaults, combinations, random->key);
    if (place == 0) place = taken;
    else if (place <= taken) place--;
  }
  if (place >= combinations) return assay_search_fail(status, ASSAY_E_FINDINGS, "every point of the grid has been tried");
  for (uint32_t i = 0; i < space->dimension_count; i++) point[i] = NAN;
  decode_under(space, -1, 0, (uint64_t)options[LEVELS]->integer, assay_permute(place, combinations, random->key), point);
  for (uint32_t i = 0; i < space->dimension_count; i++) {
    const struct assay_dimension *axis = space->dimensions[i];
    if (!assay_search_active(axis, point)) point[i] = NAN;
    else if (!isnan(fixed[i])) point[i] = fixed[i];
    else if (isnan(point[i])) point[i] = axis->default_value; /* below a choice that was fixed to another than the grid's */
  }
  return 0;
}

static const struct assay_option levels = {.struct_size = sizeof levels,
                                           .type = ASSAY_OPTION_INT,
                                           .name = "levels",
                                           .default_text = "5",
                                           .minimum = 1,
                                           .maximum = 1000000,
                                           .help = "values on each continuous axis, both ends among them; other axes give all their values"};
static const struct assay_option *const options_table[] = {&levels, NULL};
static const struct assay_search table = {sizeof table, 0, ask, count_points};

const struct assay_plugin assay_search_grid = {ASSAY_PLUGIN_MAGIC,
                                               sizeof(struct assay_plugin),
                                               ASSAY_SEARCH,
                                               ASSAY_SEARCH_ABI_MAJOR,
                                               ASSAY_SEARCH_ABI_MINOR,
                                               "grid",
                                               "every combination once, in a shuffled order",
                                               "1.0",
                                               options_table,
                                               &table,
                                               sizeof table,
                                               0};
