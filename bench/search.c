/* SPDX-License-Identifier: MIT
 *
 * How well searches search: the median of the best value found on five well-known functions and a made-up network, after 50 and 100 trials, over many seeds.
 *
 *   bench-search [-f first seed] [-s seeds] [-t trials] [search [option=value …]]
 *
 * Beside the search (tpe unless named) stand random search with the same seeds, in how many seeds the search beats it, and what Optuna reached: medians that
 * were given for 5.0-dev with 12 seeds, and 5.0.0 measured with 30. The default settings were chosen with seeds from 1000 on, the report begins at 0.
 */
#include "base/arena.h"
#include "base/options.h"
#include "plugin/registry.h"

#include <assay/search.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- functions, as regret: the least value is 0 ---- */

static double branin(const double *x, uint32_t n) {
  (void)n;
  const double a = x[1] - 5.1 / (4 * M_PI * M_PI) * x[0] * x[0] + 5 / M_PI * x[0] - 6;
  return a * a + 10 * (1 - 1 / (8 * M_PI)) * cos(x[0]) + 10 - 0.39788735772973816;
}

static double hartmann(const double *x, uint32_t n) {
  static const double alpha[4] = {1.0, 1.2, 3.0, 3.2};
  static const double a[4][6] = {{10, 3, 17, 3.5, 1.7, 8}, {0.05, 10, 17, 0.1, 8, 14}, {3, 3.5, 1.7, 10, 17, 8}, {17, 8, 0.05, 10, 0.1, 14}};
  static const double p[4][6] = {{0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886},
                                 {0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991},
                                 {0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650},
                                 {0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381}};
  double sum = 0;
  for (int i = 0; i < 4; i++) {
    double distance = 0;
    for (uint32_t j = 0; j < n; j++) distance += a[i][j] * (x[j] - p[i][j]) * (x[j] - p[i][j]);
    sum += alpha[i] * exp(-distance);
  }
  return 3.32236801141551 - sum;
}

static double rosenbrock(const double *x, uint32_t n) {
  double sum = 0;
  for (uint32_t i = 0; i + 1 < n; i++) sum += 100 * (x[i + 1] - x[i] * x[i]) * (x[i + 1] - x[i] * x[i]) + (1 - x[i]) * (1 - x[i]);
  return sum;
}

static double ackley(const double *x, uint32_t n) {
  double squares = 0, cosines = 0;
  for (uint32_t i = 0; i < n; i++) {
    squares += x[i] * x[i];
    cosines += cos(2 * M_PI * x[i]);
  }
  return -20 * exp(-0.2 * sqrt(squares / n)) - exp(cosines / n) + 20 + M_E;
}

static double styblinski_tang(const double *x, uint32_t n) {
  double sum = 0;
  for (uint32_t i = 0; i < n; i++) sum += x[i] * x[i] * x[i] * x[i] - 16 * x[i] * x[i] + 5 * x[i];
  return 0.5 * sum / n + 39.16616570377142;
}

/* Made up after the way a small network answers to its settings: six choices and the logarithm of a rate whose best place depends on one of them. */
static double network(const double *x, uint32_t n) {
  static const double blocks[] = {0.04, 0}, channels[] = {0.25, 0.1, 0, 0.08}, kernel[] = {0.05, 0, 0.06}, pool[] = {0.03, 0}, activation[] = {0.2, 0, 0.05},
                      optimizer[] = {0.1, 0.03, 0}, rate[] = {-2.0, -3.2, -2.8};
  (void)n;
  const double distance = log10(x[6]) - rate[(int)x[5]];
  return blocks[(int)x[0]] + channels[(int)x[1]] + kernel[(int)x[2]] + pool[(int)x[3]] + activation[(int)x[4]] + optimizer[(int)x[5]] +
         0.5 * distance * distance + (x[0] == 1 && x[2] == 2 ? 0.15 : 0);
}

enum { MOST_AXES = 10 };

static const struct function {
  const char *name;
  double (*value)(const double *x, uint32_t n);
  uint32_t axes;
  double low[2], high[2];      /* of the first axis, and of the others */
  double published[2];         /* Optuna 5.0-dev with its defaults: median of 12 seeds after 50 and 100 trials */
  double measured[2];          /* Optuna 5.0.0, 30 seeds, by bench/peers/search_optuna.py */
  uint32_t choices[MOST_AXES]; /* where not 0, the axis is that many choices instead; beside them, real axes are logarithmic */
} functions[] = {
    {"Branin", branin, 2, {-5, 0}, {10, 15}, {0.065, 0.0186}, {0.131, 0.0204}, {0}},
    {"Hartmann 6", hartmann, 6, {0, 0}, {1, 1}, {0.292, 0.117}, {0.344, 0.129}, {0}},
    {"Rosenbrock 5", rosenbrock, 5, {-5, -5}, {5, 5}, {151, 23.6}, {138, 26.9}, {0}},
    {"Ackley 10", ackley, 10, {-32.768, -32.768}, {32.768, 32.768}, {16.57, 13.44}, {17.2, 14.5}, {0}},
    {"Styblinski-Tang 10", styblinski_tang, 10, {-5, -5}, {5, 5}, {14.8, 10.3}, {14.4, 10.3}, {0}},
    {"network of 7", network, 7, {1e-4, 1e-4}, {1e-2, 1e-2}, {NAN, NAN}, {0.0301, 1.98e-05}, {2, 4, 3, 2, 3, 3, 0}},
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

/* ---- one search ---- */

struct tool {
  const struct assay_search *search;
  const struct assay_option_value *const *options;
};

/* The best values after half and all of the trials. */
static void search_once(const struct tool *tool, const struct function *function, uint64_t seed, uint32_t trials, double best[2]) {
  struct assay_dimension axes[MOST_AXES] = {{0}};
  const struct assay_dimension *pointers[MOST_AXES];
  double fixed[MOST_AXES], least = INFINITY;
  for (uint32_t i = 0; i < function->axes; i++) {
    axes[i] = (struct assay_dimension){
        .struct_size = sizeof axes[i], .kind = ASSAY_DOMAIN_REAL, .name = "x", .low = function->low[i > 0], .high = function->high[i > 0], .parent = -1};
    axes[i].logarithmic = function->choices[0] > 0;
    if (function->choices[i] > 0)
      axes[i] =
          (struct assay_dimension){.struct_size = sizeof axes[i], .kind = ASSAY_DOMAIN_CHOICE, .name = "x", .choice_count = function->choices[i], .parent = -1};
    pointers[i] = &axes[i];
    fixed[i] = NAN;
  }
  const struct assay_space space = {sizeof space, function->axes, pointers};
  struct assay_trial *list = calloc(trials, sizeof *list);
  const struct assay_trial **told = calloc(trials, sizeof *told);
  double *points = calloc((size_t)trials * MOST_AXES, sizeof *points);
  if (list == NULL || told == NULL || points == NULL) abort();
  for (uint32_t i = 0; i < trials; i++) {
    struct assay_status status = {0};
    struct assay_random random = assay_random_seed(seed, i + 1); /* number 0 would be the defaults, of which there are none here */
    const struct assay_history history = {sizeof history, i, told};
    double *point = points + (size_t)i * MOST_AXES;
    if (tool->search->ask(tool->options, &space, &history, i + 1, fixed, &random, point, &status) != 0) {
      fprintf(stderr, "%s\n", status.message);
      exit(1);
    }
    list[i] = (struct assay_trial){
        .struct_size = sizeof list[i], .state = ASSAY_TRIAL_COMPLETE, .number = i + 1, .point = point, .value = function->value(point, function->axes)};
    told[i] = &list[i];
    least = fmin(least, list[i].value);
    if (i + 1 == trials / 2) best[0] = least;
  }
  best[1] = least;
  free(list);
  free(told);
  free(points);
}

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static double median(const double *values, uint32_t count) {
  double sorted[1000];
  memcpy(sorted, values, count * sizeof *values);
  qsort(sorted, count, sizeof *sorted, compare);
  return count % 2 == 1 ? sorted[count / 2] : 0.5 * (sorted[count / 2 - 1] + sorted[count / 2]);
}

/* Milliseconds of one ask with 10,000 finished trials of seven parameters, as the student's network has them. */
static double time_ask(const struct tool *tool) {
  enum { TRIALS = 10000, AXES = 7, TURNS = 15 };
  struct assay_dimension axes[AXES];
  const struct assay_dimension *pointers[AXES];
  static const uint32_t choices[AXES] = {2, 4, 3, 2, 3, 3, 0};
  for (uint32_t i = 0; i < AXES; i++) {
    axes[i] = (struct assay_dimension){.struct_size = sizeof axes[i], .kind = ASSAY_DOMAIN_CHOICE, .name = "x", .choice_count = choices[i], .parent = -1};
    if (choices[i] == 0) axes[i].kind = ASSAY_DOMAIN_REAL, axes[i].low = 1e-4, axes[i].high = 1e-2, axes[i].logarithmic = 1;
    pointers[i] = &axes[i];
  }
  static struct assay_trial list[TRIALS];
  static const struct assay_trial *told[TRIALS];
  static double points[TRIALS][AXES];
  struct assay_random random = assay_random_seed(1, 1);
  for (uint32_t i = 0; i < TRIALS; i++) {
    for (uint32_t j = 0; j < AXES; j++)
      points[i][j] = choices[j] > 0 ? assay_random_below(&random, choices[j]) : 1e-4 * pow(100, assay_random_uniform(&random));
    list[i] = (struct assay_trial){
        .struct_size = sizeof list[i], .state = ASSAY_TRIAL_COMPLETE, .number = i, .point = points[i], .value = assay_random_uniform(&random)};
    told[i] = &list[i];
  }
  const struct assay_space space = {sizeof space, AXES, pointers};
  const struct assay_history history = {sizeof history, TRIALS, told};
  double times[TURNS], point[AXES];
  for (int i = 0; i < TURNS; i++) {
    const double fixed[AXES] = {NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    struct assay_status status;
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    if (tool->search->ask(tool->options, &space, &history, TRIALS, fixed, &random, point, &status) != 0) return NAN;
    clock_gettime(CLOCK_MONOTONIC, &to);
    times[i] = 1e3 * (double)(to.tv_sec - from.tv_sec) + 1e-6 * (double)(to.tv_nsec - from.tv_nsec);
  }
  return median(times, TURNS);
}

/* ---- the table ---- */

static _Noreturn void fail(const char *message) {
  fprintf(stderr, "bench-search: %s\n", message);
  exit(2);
}

static struct tool find(struct assay_registry *registry, const char *name, char **settings, int count, struct assay_arena *arena) {
  const struct assay_plugin *plugin;
  struct assay_status status;
  const struct assay_option_value *const *values;
  static const struct assay_option *const none[] = {NULL};
  if (assay_registry_find(registry, ASSAY_SEARCH, name, &plugin, &status) != 0) fail(status.message);
  if (assay_option_defaults(plugin->options == NULL ? none : plugin->options, arena, &values, &status) != 0) fail(status.message);
  for (int i = 0; i < count; i++) {
    char *equal = strchr(settings[i], '=');
    if (equal == NULL) fail("an option is written name=value");
    *equal = '\0';
    const int option = assay_plugin_option_index(plugin, settings[i]);
    if (option < 0) fail("the search has no such option");
    if (assay_option_parse(plugin->options[option], equal + 1, arena, (struct assay_option_value *)values[option], &status) != 0) fail(status.message);
  }
  return (struct tool){plugin->vtable, values};
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "probe-plugin") == 0)
    return assay_plugin_probe_main(argv[2]); /* the registry tries modules out in a child of this program */
  uint32_t first = 0, seeds = 30, trials = 100;
  for (int option; (option = getopt(argc, argv, "f:s:t:")) != -1;) {
    const uint32_t number = (uint32_t)strtoul(option == '?' ? "" : optarg, NULL, 10);
    if (option == 'f') first = number;
    else if (option == 's') seeds = number;
    else if (option == 't') trials = number;
    else return 2;
  }
  if (seeds == 0 || seeds > 1000 || trials < 2) fail("1 to 1000 seeds, at least 2 trials");
  struct assay_registry *registry;
  struct assay_status status;
  struct assay_arena *arena = assay_arena_create();
  if (arena == NULL || assay_registry_create(NULL, &registry, &status) != 0) fail(status.message);
  const char *name = optind < argc ? argv[optind] : "tpe";
  const struct tool random = find(registry, "random", NULL, 0, arena),
                    tool = find(registry, name, argv + optind + 1, argc > optind + 1 ? argc - optind - 1 : 0, arena);
  printf("Median best value over %u seeds from %u, after %u / %u trials\n\n", seeds, first, trials / 2, trials);
  printf("| function | random | Optuna 5.0-dev | Optuna 5.0.0 | %s | seeds better than random |\n|---|---|---|---|---|---|\n", name);
  for (int i = 0; i < FUNCTIONS; i++) {
    double mine[2][1000], chance[2][1000];
    uint32_t wins = 0;
    for (uint32_t s = 0; s < seeds; s++) {
      double best[2], lucky[2];
      search_once(&tool, &functions[i], first + s, trials, best);
      search_once(&random, &functions[i], first + s, trials, lucky);
      for (int half = 0; half < 2; half++) mine[half][s] = best[half], chance[half][s] = lucky[half];
      wins += best[1] < lucky[1];
    }
    char published[32] = "-";
    if (!isnan(functions[i].published[0])) snprintf(published, sizeof published, "%.3g / %.3g", functions[i].published[0], functions[i].published[1]);
    printf("| %s | %.3g / %.3g | %s | %.3g / %.3g | %.3g / %.3g | %u of %u |\n", functions[i].name, median(chance[0], seeds), median(chance[1], seeds),
           published, functions[i].measured[0], functions[i].measured[1], median(mine[0], seeds), median(mine[1], seeds), wins, seeds);
    fflush(stdout);
  }
  printf("\nAn ask with 10,000 finished trials of 7 parameters: %.2f ms (median)\n", time_ask(&tool));
  assay_registry_release(registry);
  assay_arena_release(arena);
  return 0;
}
