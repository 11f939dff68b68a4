/* SPDX-License-Identifier: MIT
 *
 * Search plugins: the estimator against Optuna's, every grid point once, points inside of conditional spaces, and that TPE learns.
 */
#include "harness.h"

#include "../../optimizers/search/parzen.h"
#include "../../optimizers/search/search.h"
#include "base/arena.h"
#include "base/options.h"

#include <math.h>
#include <string.h>

extern const struct assay_plugin assay_search_random, assay_search_grid, assay_search_tpe;

/* ---- the estimator ---- */

struct parzen_case {
  const char *title;
  uint32_t axis_count, count;
  struct assay_dimension axes[5];
  struct assay_parzen_settings settings;
  double observations[75], given[31], weights[32];
  double centres[5][32], widths[5][32]; /* of numeric axes */
  double points[25], densities[5];
};
#include "parzen_cases.h"

#define assert_near(a, b) ck_assert_msg(fabs((a) - (b)) <= 1e-9 * (1 + fabs(b)), "%s: %.17g is not %.17g", test->title, (double)(a), (double)(b))

START_TEST(estimator_equals_optuna) {
  const struct parzen_case *test = &parzen_cases[_i];
  const struct assay_dimension *axes[5];
  for (uint32_t i = 0; i < test->axis_count; i++) axes[i] = &test->axes[i];
  struct assay_parzen *parzen = assay_parzen_create(axes, test->axis_count, test->observations, test->given, test->count, &test->settings);
  ck_assert_ptr_nonnull(parzen);
  ck_assert_uint_eq(parzen->kernel_count, test->count + 1);
  for (uint32_t kernel = 0; kernel <= test->count; kernel++) {
    assert_near(parzen->weights[kernel], test->weights[kernel]);
    for (uint32_t i = 0; i < test->axis_count; i++) {
      if (axes[i]->kind == ASSAY_DOMAIN_CHOICE) continue;
      assert_near(parzen->axes[i].centres[kernel], test->centres[i][kernel]);
      assert_near(parzen->axes[i].widths[kernel], test->widths[i][kernel]);
    }
  }
  for (int i = 0; i < 5; i++) assert_near(assay_parzen_log_density(parzen, test->points + (size_t)i * test->axis_count), test->densities[i]);
  assay_parzen_release(parzen);
}
END_TEST

START_TEST(log_normal_mass_reaches_into_the_tails) {
  ck_assert_double_eq_tol(assay_log_normal_mass(-1, 1), log(0.682689492137085897), 1e-14);
  ck_assert_double_eq_tol(assay_log_normal_mass(-INFINITY, -5), log(2.866515718791939117e-7), 1e-13);
  ck_assert_double_eq_tol(assay_log_normal_mass(-INFINITY, -40), -804.608442013754, 1e-9); /* Abramowitz and Stegun 26.2.12, summed in exact arithmetic */
  ck_assert_double_eq_tol(assay_log_normal_mass(40, INFINITY), -804.608442013754, 1e-9);
  /* Continuous where the two ways meet. */
  ck_assert_double_eq_tol(assay_log_normal_mass(-21, -20 + 1e-9), assay_log_normal_mass(-21, -20 - 1e-9), 1e-6);
}
END_TEST

/* What is drawn has the density that is claimed: masses of the cells of a stepped axis, for one axis after the other. */
START_TEST(samples_follow_the_density) {
  enum { DRAWS = 40000 };
  const struct assay_dimension integers = {.kind = ASSAY_DOMAIN_INT, .low = 1, .high = 12, .step = 1, .logarithmic = 1, .parent = -1};
  const struct assay_dimension choice = {.kind = ASSAY_DOMAIN_CHOICE, .choice_count = 5, .parent = -1};
  const struct assay_dimension *axes[2] = {&integers, &choice};
  const double observations[8] = {3, 0, 3, 1, 4, 1, 9, 4};
  const struct assay_parzen_settings settings = {1, 0.04, false, false};
  for (int i = 0; i < 2; i++) {
    const double column[4] = {observations[i], observations[2 + i], observations[4 + i], observations[6 + i]};
    struct assay_parzen *parzen = assay_parzen_create(&axes[i], 1, column, NULL, 4, &settings);
    uint32_t counts[13] = {0};
    struct assay_random random = assay_random_seed(3, (uint64_t)i);
    for (int draw = 0; draw < DRAWS; draw++) {
      double value;
      assay_parzen_sample(parzen, &random, &value);
      counts[(int)value]++;
    }
    double sum = 0;
    for (int value = 1 - i; value <= (i == 0 ? 12 : 4); value++) {
      const double number = value, mass = exp(assay_parzen_log_density(parzen, &number));
      sum += mass;
      ck_assert_double_eq_tol(counts[value] / (double)DRAWS, mass, 5 * sqrt(mass / DRAWS));
    }
    ck_assert_double_eq_tol(sum, 1, 1e-9);
    assay_parzen_release(parzen);
  }
}
END_TEST

START_TEST(density_integrates_to_one) {
  const struct assay_dimension axis = {.kind = ASSAY_DOMAIN_REAL, .low = 1e-4, .high = 1, .logarithmic = 1, .parent = -1};
  const struct assay_dimension *axes = &axis;
  const double observations[3] = {1e-4, 0.01, 0.02};
  const struct assay_parzen_settings settings = {1, 0.02, true, false};
  struct assay_parzen *parzen = assay_parzen_create(&axes, 1, observations, NULL, 3, &settings);
  double sum = 0;
  const int cells = 20000;
  for (int i = 0; i < cells; i++) {
    const double place = exp(log(1e-4) * (1 - (i + 0.5) / cells));
    sum += exp(assay_parzen_log_density(parzen, &place)) * -log(1e-4) / cells;
  }
  ck_assert_double_eq_tol(sum, 1, 1e-6);
  assay_parzen_release(parzen);
}
END_TEST

/* ---- permutations ---- */

START_TEST(permutations_are_one_to_one) {
  uint32_t moved = 0;
  for (uint64_t count = 1; count <= 300; count++) {
    const uint32_t key[2] = {(uint32_t)count * 7, 5};
    bool seen[300] = {false};
    for (uint64_t i = 0; i < count; i++) {
      const uint64_t place = assay_permute(i, count, key);
      ck_assert_uint_lt(place, count);
      ck_assert(!seen[place]);
      seen[place] = true;
      ck_assert_uint_eq(assay_permute_back(place, count, key), i);
      moved += place != i;
    }
  }
  ck_assert_uint_gt(moved, 44000); /* of 45,150, all but about one each */
  const uint64_t large = ((uint64_t)1 << 62) - 57;
  const uint32_t key[2] = {1, 2};
  ck_assert_uint_eq(assay_permute_back(assay_permute(large - 1, large, key), large, key), large - 1);
}
END_TEST

/* ---- a conditional space: 2 * 3 * (1 * levels + 3 * 2 + 1) points, in all kinds ---- */

static const struct assay_dimension conditional_axes[] = {
    {.struct_size = sizeof(struct assay_dimension), .kind = ASSAY_DOMAIN_CHOICE, .name = "activation", .choice_count = 2, .default_value = 1, .parent = -1},
    {.struct_size = sizeof(struct assay_dimension), .kind = ASSAY_DOMAIN_CHOICE, .name = "optimizer", .choice_count = 3, .default_value = 0, .parent = -1},
    {.struct_size = sizeof(struct assay_dimension),
     .kind = ASSAY_DOMAIN_REAL,
     .name = "momentum",
     .low = 1e-3,
     .high = 1e-1,
     .logarithmic = 1,
     .default_value = 0.01,
     .parent = 1,
     .parent_choice = 0},
    {.struct_size = sizeof(struct assay_dimension),
     .kind = ASSAY_DOMAIN_INT,
     .name = "depth",
     .low = 2,
     .high = 7,
     .step = 2,
     .default_value = 4,
     .parent = 1,
     .parent_choice = 1},
    {.struct_size = sizeof(struct assay_dimension),
     .kind = ASSAY_DOMAIN_CHOICE,
     .name = "nesterov",
     .choice_count = 2,
     .default_value = 1,
     .parent = 1,
     .parent_choice = 1},
    {.struct_size = sizeof(struct assay_dimension),
     .kind = ASSAY_DOMAIN_REAL,
     .name = "dropout",
     .low = 0,
     .high = 0.5,
     .step = 0.25,
     .default_value = 0.25,
     .parent = -1},
};
enum { AXES = 6 };
static const struct assay_dimension *const conditional_pointers[AXES] = {&conditional_axes[0], &conditional_axes[1], &conditional_axes[2],
                                                                         &conditional_axes[3], &conditional_axes[4], &conditional_axes[5]};
static const struct assay_space conditional = {sizeof conditional, AXES, conditional_pointers};
static const double free_axes[10] = {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};

/* A search with its options: "name=value" texts over the defaults. */
static struct assay_arena *arena;

static void begin(void) { arena = assay_arena_create(); }
static void end(void) { assay_arena_release(arena); }

static const struct assay_option_value *const *options_of(const struct assay_plugin *plugin, const char *name, const char *text) {
  static const struct assay_option *const none[] = {NULL};
  const struct assay_option_value *const *values;
  struct assay_status status;
  ck_assert_int_eq(assay_option_defaults(plugin->options == NULL ? none : plugin->options, arena, &values, &status), 0);
  for (uint32_t i = 0; name != NULL && plugin->options[i] != NULL; i++)
    if (strcmp(plugin->options[i]->name, name) == 0)
      ck_assert_int_eq(assay_option_parse(plugin->options[i], text, arena, (struct assay_option_value *)values[i], &status), 0);
  return values;
}

static void assert_inside(const struct assay_space *space, const double *point) {
  for (uint32_t i = 0; i < space->dimension_count; i++) {
    const struct assay_dimension *axis = space->dimensions[i];
    if (axis->parent >= 0 && point[axis->parent] != axis->parent_choice) {
      ck_assert_double_nan(point[i]);
      continue;
    }
    if (axis->kind == ASSAY_DOMAIN_CHOICE) ck_assert(point[i] == floor(point[i]) && point[i] >= 0 && point[i] < axis->choice_count);
    else ck_assert_msg(point[i] >= axis->low && point[i] <= axis->high, "%s = %g", axis->name, point[i]);
    if (axis->step > 0) ck_assert_double_eq_tol(fmod((point[i] - axis->low) / axis->step + 0.5, 1), 0.5, 1e-9);
  }
}

static bool same(const double *a, const double *b, uint32_t count) {
  for (uint32_t i = 0; i < count; i++)
    if (!(a[i] == b[i] || (isnan(a[i]) && isnan(b[i])))) return false;
  return true;
}

/* A history that grows; values are given by the caller. */
struct record {
  uint32_t count;
  struct assay_trial trials[200];
  const struct assay_trial *pointers[200];
  double points[200][10];
};

static struct assay_history history_of(const struct record *record) {
  return (struct assay_history){sizeof(struct assay_history), record->count, record->pointers};
}

static double *add(struct record *record, uint32_t state, const double *point, double value) {
  const uint32_t i = record->count++;
  struct assay_trial *trial = &record->trials[i];
  memcpy(record->points[i], point, sizeof record->points[i]);
  *trial = (struct assay_trial){.struct_size = sizeof *trial, .state = state, .number = i, .point = record->points[i], .value = value};
  record->pointers[i] = trial;
  return record->points[i];
}

static int ask(const struct assay_plugin *plugin, const struct assay_option_value *const *options, const struct assay_space *space, const struct record *record,
               uint64_t seed, uint32_t number, const double *fixed, double *point) {
  struct assay_status status = {0};
  struct assay_random random = assay_random_seed(seed, number);
  const struct assay_history history = history_of(record);
  return ((const struct assay_search *)plugin->vtable)->ask(options, space, &history, number, fixed, &random, point, &status);
}

START_TEST(grid_gives_every_point_once) {
  static const struct record none;
  static double points[2][100][10];
  for (uint64_t seed = 0; seed < 2; seed++) {
    const struct assay_option_value *const *options = options_of(&assay_search_grid, "levels", "3"); /* 0.001, 0.01, 0.1 */
    uint64_t count;
    struct assay_status status;
    ck_assert_int_eq(((const struct assay_search *)assay_search_grid.vtable)->count(options, &conditional, &count, &status), 0);
    ck_assert_uint_eq(count, 2 * 3 * (3 + 3 * 2 + 1));
    for (uint32_t i = 0; i < count; i++) {
      ck_assert_int_eq(ask(&assay_search_grid, options, &conditional, &none, seed, i, free_axes, points[seed][i]), 0);
      assert_inside(&conditional, points[seed][i]);
      for (uint32_t j = 0; j < i; j++) ck_assert(!same(points[seed][i], points[seed][j], AXES));
    }
    const double defaults[AXES] = {1, 0, 0.01, NAN, NAN, 0.25};
    ck_assert(same(points[seed][0], defaults, AXES));
    double beyond[10];
    ck_assert_int_eq(ask(&assay_search_grid, options, &conditional, &none, seed, (uint32_t)count, free_axes, beyond), ASSAY_E_FINDINGS);
  }
  uint32_t equal = 0;
  for (int i = 1; i < 60; i++) equal += same(points[0][i], points[1][i], AXES);
  ck_assert_uint_lt(equal, 10); /* another seed, another order */
}
END_TEST

START_TEST(grid_counts_defaults_that_are_off_it) {
  static const struct record none;
  const struct assay_option_value *const *options = options_of(&assay_search_grid, "levels", "2"); /* 0.001, 0.1: the default 0.01 lies between */
  uint64_t count;
  struct assay_status status;
  ck_assert_int_eq(((const struct assay_search *)assay_search_grid.vtable)->count(options, &conditional, &count, &status), 0);
  ck_assert_uint_eq(count, 2 * 3 * (2 + 3 * 2 + 1) + 1);
  double points[60][10], beyond[10];
  for (uint32_t i = 1; i < count; i++) {
    ck_assert_int_eq(ask(&assay_search_grid, options, &conditional, &none, 1, i, free_axes, points[i]), 0);
    for (uint32_t j = 1; j < i; j++) ck_assert(!same(points[i], points[j], AXES));
  }
  ck_assert_int_eq(ask(&assay_search_grid, options, &conditional, &none, 1, (uint32_t)count, free_axes, beyond), ASSAY_E_FINDINGS);
}
END_TEST

START_TEST(grid_of_the_students_network) {
  static const uint32_t choices[6] = {2, 4, 3, 2, 3, 3};
  struct assay_dimension axes[7];
  const struct assay_dimension *pointers[7];
  for (int i = 0; i < 7; i++) {
    axes[i] =
        (struct assay_dimension){.struct_size = sizeof axes[i], .kind = ASSAY_DOMAIN_CHOICE, .name = "x", .choice_count = i < 6 ? choices[i] : 0, .parent = -1};
    if (i == 6) axes[i].kind = ASSAY_DOMAIN_REAL, axes[i].low = 1e-4, axes[i].high = 1e-2, axes[i].logarithmic = 1, axes[i].default_value = 1e-3;
    pointers[i] = &axes[i];
  }
  const struct assay_space space = {sizeof space, 7, pointers};
  uint64_t count;
  struct assay_status status;
  ck_assert_int_eq(((const struct assay_search *)assay_search_grid.vtable)->count(options_of(&assay_search_grid, NULL, NULL), &space, &count, &status), 0);
  ck_assert_uint_eq(count, 2160);
}
END_TEST

START_TEST(random_is_even_over_the_space) {
  static const struct record none;
  const struct assay_option_value *const *options = options_of(&assay_search_random, NULL, NULL);
  uint32_t optimizers[3] = {0}, low = 0, middle = 0, dropouts[3] = {0};
  const uint32_t draws = 6000;
  for (uint32_t i = 0; i < draws; i++) {
    double point[10];
    ck_assert_int_eq(ask(&assay_search_random, options, &conditional, &none, 9, i, free_axes, point), 0);
    assert_inside(&conditional, point);
    optimizers[(int)point[1]]++;
    low += point[2] < 0.01;
    middle += point[3] == 4;
    dropouts[(int)(point[5] * 4 + 0.5)]++;
  }
  for (int i = 0; i < 3; i++) {
    ck_assert_int_lt(abs((int)optimizers[i] - 2000), 180);
    ck_assert_int_lt(abs((int)dropouts[i] - 2000), 180);
  }
  ck_assert_int_lt(abs((int)low - 1000), 140);   /* 0.01 is the middle of a logarithmic axis */
  ck_assert_int_lt(abs((int)middle - 667), 120); /* one of 2, 4, 6 */
}
END_TEST

/* ---- TPE ---- */

static double conditional_value(const double *point) {
  double value = point[0] + fabs(point[5] - 0.5);
  if (point[1] == 0) value += 1 + fabs(log10(point[2]) + 2);
  if (point[1] == 1) value += fabs(point[3] - 6) / 4 + (point[4] == 0 ? 0 : 0.5);
  if (point[1] == 2) value += 1.5;
  return value;
}

START_TEST(tpe_searches_conditional_spaces) {
  static const char *const multivariate[] = {"yes", "no"};
  const struct assay_option_value *const *options = options_of(&assay_search_tpe, "multivariate", multivariate[_i]);
  uint32_t found = 0, luck = 0;
  for (uint64_t seed = 0; seed < 20; seed++) {
    static struct record record;
    record.count = 0;
    double best = INFINITY, best_random = INFINITY;
    for (uint32_t i = 0; i < 40; i++) {
      double point[10], again[10], lucky[10];
      ck_assert_int_eq(ask(&assay_search_tpe, options, &conditional, &record, seed, i, free_axes, point), 0);
      ck_assert_int_eq(ask(&assay_search_tpe, options, &conditional, &record, seed, i, free_axes, again), 0);
      ck_assert(same(point, again, AXES)); /* a pure function */
      assert_inside(&conditional, point);
      add(&record, ASSAY_TRIAL_COMPLETE, point, conditional_value(point));
      best = fmin(best, conditional_value(point));
      ask(&assay_search_random, NULL, &conditional, &record, seed, i, free_axes, lucky);
      best_random = fmin(best_random, conditional_value(lucky));
    }
    found += best < 1e-9;
    luck += best_random < 1e-9;
  }
  /* One point of 54 (up to the continuous axis, inactive there) is best; random search meets it in fewer than half of the cases. */
  ck_assert_msg(found >= 13 && found > luck + 3, "found %u times, by luck %u", found, luck);
}
END_TEST

START_TEST(tpe_tries_no_point_twice) {
  const struct assay_dimension choice = {.struct_size = sizeof choice, .kind = ASSAY_DOMAIN_CHOICE, .name = "a", .choice_count = 3, .parent = -1};
  const struct assay_dimension integer = {.struct_size = sizeof integer, .kind = ASSAY_DOMAIN_INT, .name = "b", .low = 1, .high = 8, .step = 1, .parent = -1};
  const struct assay_dimension *const pointers[] = {&choice, &integer};
  const struct assay_space space = {sizeof space, 2, pointers};
  const struct assay_option_value *const *options = options_of(&assay_search_tpe, NULL, NULL);
  static struct record record;
  for (uint32_t i = 0; i < 24; i++) {
    double point[10] = {0};
    ck_assert_int_eq(ask(&assay_search_tpe, options, &space, &record, 4, i + 1, free_axes, point), 0);
    for (uint32_t j = 0; i >= 10 && j < i; j++) ck_assert_msg(!same(point, record.points[j], 2), "trial %u repeats %u", i, j);
    add(&record, ASSAY_TRIAL_COMPLETE, point, fabs(point[1] - 3) + point[0]);
  }
}
END_TEST

static const struct assay_dimension line = {.struct_size = sizeof line, .kind = ASSAY_DOMAIN_REAL, .name = "x", .low = 0, .high = 1, .parent = -1};
static const struct assay_dimension *const line_pointers[] = {&line};
static const struct assay_space line_space = {sizeof line_space, 1, line_pointers};

/* How many of 200 asks fall between the two ends. */
static uint32_t asks_between(const struct record *record, double from, double to) {
  const struct assay_option_value *const *options = options_of(&assay_search_tpe, NULL, NULL);
  uint32_t count = 0;
  for (uint64_t seed = 0; seed < 200; seed++) {
    double point[10];
    ck_assert_int_eq(ask(&assay_search_tpe, options, &line_space, record, seed, 1000, free_axes, point), 0);
    count += point[0] >= from && point[0] <= to;
  }
  return count;
}

START_TEST(tpe_keeps_away_from_running_trials) {
  static struct record record;
  for (int i = 0; i < 20; i++) {
    const double point[10] = {(i + 0.5) / 20};
    add(&record, ASSAY_TRIAL_COMPLETE, point, fabs(point[0] - 0.31));
  }
  const uint32_t before = asks_between(&record, 0.25, 0.37);
  for (int i = 0; i < 8; i++) {
    const double point[10] = {0.27 + 0.01 * i};
    add(&record, ASSAY_TRIAL_RUNNING, point, NAN);
  }
  const uint32_t after = asks_between(&record, 0.25, 0.37);
  ck_assert_msg(before > 100 && after < before / 2, "%u near the best, %u while eight others run there", before, after);
}
END_TEST

START_TEST(tpe_ranks_pruned_trials_by_how_far_they_came) {
  static struct record record;
  static const uint32_t steps[] = {0, 1, 2, 3, 4, 5};
  static double results[20][6];
  for (int i = 0; i < 20; i++) {
    const double point[10] = {(i + 0.5) / 20};
    add(&record, ASSAY_TRIAL_PRUNED, point, NAN);
    const bool far = i == 14 || i == 15;
    for (int j = 0; j < 6; j++) results[i][j] = far ? 5 + i : 1; /* worse where they came farther: the step counts more */
    record.trials[i].steps = steps;
    record.trials[i].intermediates = results[i];
    record.trials[i].intermediate_count = far ? 6 : 2;
  }
  const uint32_t pruned = asks_between(&record, 0.65, 0.85);
  ck_assert_msg(pruned > 100, "%u", pruned);
  const double point[10] = {0.1}, other[10] = {0.12};
  add(&record, ASSAY_TRIAL_COMPLETE, point, 1e9); /* complete ones come first, however bad */
  add(&record, ASSAY_TRIAL_COMPLETE, other, 1e9);
  add(&record, ASSAY_TRIAL_COMPLETE, other, NAN); /* and a value that is no number is the worst of them */
  ck_assert_uint_gt(asks_between(&record, 0.0, 0.25), 100);
  add(&record, ASSAY_TRIAL_FAILED, point, NAN); /* says nothing */
  ck_assert_uint_gt(asks_between(&record, 0.0, 0.25), 100);
}
END_TEST

START_TEST(fixed_values_are_kept) {
  const struct assay_plugin *const plugins[] = {&assay_search_random, &assay_search_grid, &assay_search_tpe};
  const struct assay_option_value *const *options = options_of(plugins[_i], NULL, NULL);
  static struct record record;
  record.count = 0;
  const double fixed[10] = {NAN, 1, NAN, 6, NAN, NAN, NAN, NAN, NAN, NAN};
  for (uint32_t i = 0; i < 30; i++) {
    double point[10];
    ck_assert_int_eq(ask(plugins[_i], options, &conditional, &record, 5, i, fixed, point), 0);
    assert_inside(&conditional, point);
    ck_assert_double_eq(point[1], 1);
    ck_assert_double_eq(point[3], 6);
    add(&record, ASSAY_TRIAL_COMPLETE, point, conditional_value(point));
  }
}
END_TEST

/* Styblinski and Tang's function in ten dimensions: TPE must beat random search nearly always (bench/search.c measures how well it does). */
START_TEST(tpe_learns) {
  struct assay_dimension axes[10];
  const struct assay_dimension *pointers[10];
  for (int i = 0; i < 10; i++) {
    axes[i] = (struct assay_dimension){.struct_size = sizeof axes[i], .kind = ASSAY_DOMAIN_REAL, .name = "x", .low = -5, .high = 5, .parent = -1};
    pointers[i] = &axes[i];
  }
  const struct assay_space space = {sizeof space, 10, pointers};
  const struct assay_option_value *const *options = options_of(&assay_search_tpe, NULL, NULL);
  uint32_t wins = 0;
  for (uint64_t seed = 500; seed < 512; seed++) {
    static struct record record;
    double best[2] = {INFINITY, INFINITY};
    record.count = 0;
    for (uint32_t i = 1; i <= 100; i++) {
      double points[2][10];
      ck_assert_int_eq(ask(&assay_search_tpe, options, &space, &record, seed, i, free_axes, points[0]), 0);
      ck_assert_int_eq(ask(&assay_search_random, NULL, &space, &record, seed, i, free_axes, points[1]), 0);
      double values[2] = {0, 0};
      for (int k = 0; k < 2; k++) {
        for (int j = 0; j < 10; j++) values[k] += 0.5 * (pow(points[k][j], 4) - 16 * points[k][j] * points[k][j] + 5 * points[k][j]);
        best[k] = fmin(best[k], values[k]);
      }
      add(&record, ASSAY_TRIAL_COMPLETE, points[0], values[0]);
    }
    wins += best[0] < best[1];
  }
  ck_assert_uint_ge(wins, 10);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("search");
  TCase *tests = tcase_create("search");
  tcase_add_checked_fixture(tests, begin, end);
  tcase_add_loop_test(tests, estimator_equals_optuna, 0, sizeof parzen_cases / sizeof *parzen_cases);
  tcase_add_test(tests, log_normal_mass_reaches_into_the_tails);
  tcase_add_test(tests, samples_follow_the_density);
  tcase_add_test(tests, density_integrates_to_one);
  tcase_add_test(tests, permutations_are_one_to_one);
  tcase_add_test(tests, grid_gives_every_point_once);
  tcase_add_test(tests, grid_counts_defaults_that_are_off_it);
  tcase_add_test(tests, grid_of_the_students_network);
  tcase_add_test(tests, random_is_even_over_the_space);
  tcase_add_loop_test(tests, tpe_searches_conditional_spaces, 0, 2);
  tcase_add_test(tests, tpe_tries_no_point_twice);
  tcase_add_test(tests, tpe_keeps_away_from_running_trials);
  tcase_add_test(tests, tpe_ranks_pruned_trials_by_how_far_they_came);
  tcase_add_loop_test(tests, fixed_values_are_kept, 0, 3);
  tcase_add_test(tests, tpe_learns);
  suite_add_tcase(suite, tests);
  return assay_run_suite(suite);
}
