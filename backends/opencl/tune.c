/* SPDX-License-Identifier: MIT
 *
 * Measuring parameters: for each family of products and class of rows the tiles that could serve, on a shape of a network; then for each class of matrix products
 * CLBlast beside the own kernel with its best tile. A candidate that the driver refuses, or whose results differ from the default's by more than rounding can
 * explain, is dropped; one that is clearly slower at first sight is not looked at twice.
 */
#include "backends/opencl/bench.h"
#include "backends/opencl/tuned.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_SAMPLES = 64, COLUMNS_A_SAMPLE = 16, DEPTH = 512 };
static const double long_enough = 0.005; /* seconds that a product shall take for its tiles to be compared; samples are added until it does */
static const double clearly_slower = 1.5; /* times the best so far */
/* CLBlast has to win by that much: its products take no elementwise operations behind them, which then need a pass of their own. */
static const double worth_a_pass = 1.1;

/* What tuned sets of CLBlast and dlprimitives look like, and what fills the vector registers of processors. The last one is for drivers that are unlike their kind. */
static const struct assay_cl_tile gpu_tiles[] = {{4, 128, 16, 4, 4, 4},  {4, 256, 16, 4, 4, 4},  {8, 128, 16, 4, 4, 4},  {8, 256, 16, 8, 4, 4},
                                                 {16, 64, 16, 4, 4, 4},  {16, 128, 16, 4, 4, 4}, {16, 128, 8, 4, 8, 4},  {32, 64, 16, 4, 4, 4},  {32, 128, 16, 4, 8, 4},
                                                 {32, 128, 16, 8, 4, 4}, {64, 64, 16, 4, 4, 4},  {64, 64, 16, 8, 4, 4},  {64, 128, 8, 8, 8, 4},  {64, 128, 16, 8, 8, 4},
                                                 {128, 64, 16, 8, 8, 4}, {128, 128, 8, 8, 8, 4}, {128, 128, 16, 8, 8, 4}, {32, 64, 16, 8, 8, 8}};
static const struct assay_cl_tile cpu_tiles[] = {{4, 64, 16, 4, 16, 16},  {4, 128, 16, 4, 16, 16},  {4, 256, 32, 4, 16, 16}, {8, 64, 16, 8, 16, 16}, {8, 128, 32, 8, 16, 16},
                                                 {16, 64, 16, 4, 16, 16}, {16, 64, 16, 8, 16, 16},  {16, 64, 16, 8, 8, 8},   {32, 64, 16, 8, 16, 16}, {32, 64, 32, 8, 16, 16},
                                                 {32, 64, 16, 8, 16, 8},  {64, 64, 16, 8, 16, 16}, {32, 128, 16, 16, 16, 16}, {64, 64, 16, 8, 4, 4}};

struct tuning {
  struct assay_device *device;
  const struct assay_tuner *tuner;
  struct assay_cl_bench bench;
  uint32_t dropped;
};

/* Tells that a value is tried; true: it may be. */
static bool may_try(const struct tuning *tuning, uint32_t number, uint32_t count, const char *value) {
  const struct assay_tuner *tuner = tuning->tuner;
  return tuner->struct_size < offsetof(struct assay_tuner, candidate) + sizeof tuner->candidate || !tuner->candidate(tuner->context, number, count, value);
}

/* The time of what is set now; infinite, and counted, when it has to be dropped. */
static double try_candidate(struct tuning *tuning, double best) {
  struct assay_status ignored;
  double took;
  if (!assay_cl_bench_measure(&tuning->bench, clearly_slower * best, &took, &ignored) && assay_cl_bench_agrees(&tuning->bench)) return took;
  tuning->dropped++;
  return INFINITY;
}

/* Buffers for the trial, and the time of what is set now, whose results are the right ones. The bench is to be released also after an error. */
static int open_bench(struct tuning *tuning, const struct assay_cl_trial *trial, double *first, struct assay_status *status) {
  const int code = assay_cl_bench_create(&tuning->bench, tuning->device, trial, tuning->tuner->seed, status);
  return code ? code : assay_cl_bench_measure(&tuning->bench, INFINITY, first, status);
}

/* ---- Tiles ---- */

static void make_trial(struct assay_cl_trial *trial, enum assay_cl_family family, int64_t rows, int64_t samples) {
  if (family == ASSAY_CL_MATMUL) assay_cl_trial_matmul(trial, rows, COLUMNS_A_SAMPLE * samples, DEPTH);
  else assay_cl_trial_conv2d(trial, family, samples, rows);
}

/* Leaves a bench on a shape that keeps the device busy long enough to be timed. */
static int open_long_bench(struct tuning *tuning, struct assay_cl_trial *trial, enum assay_cl_family family, int64_t rows, double *first, struct assay_status *status) {
  for (int64_t samples = 2;; samples *= 2) {
    make_trial(trial, family, rows, samples);
    const int code = open_bench(tuning, trial, first, status);
    if (code || *first >= long_enough || samples >= MOST_SAMPLES) return code;
    assay_cl_bench_release(&tuning->bench);
  }
}

/* Times the candidates beside the default; leaves the best one set. */
static int tune_tile(struct tuning *tuning, uint32_t number, enum assay_cl_family family, int row_class, const char *key, struct assay_status *status) {
  struct assay_device *device = tuning->device;
  const int64_t rows = assay_cl_class_rows(row_class);
  const struct assay_cl_tile *candidates = device->kind == ASSAY_DEVICE_CPU ? cpu_tiles : gpu_tiles;
  const uint32_t count = device->kind == ASSAY_DEVICE_CPU ? sizeof cpu_tiles / sizeof *cpu_tiles : sizeof gpu_tiles / sizeof *gpu_tiles;
  struct assay_cl_tiles defaults;
  struct assay_cl_tile *slot = &device->tiles.of[family][row_class], best_tile;
  struct assay_cl_trial trial;
  char value[ASSAY_CL_TILE_TEXT], note[128];
  assay_cl_tiles_default(device, &defaults);
  *slot = best_tile = defaults.of[family][row_class];
  assay_cl_parameter_print(device, number, value);
  if (!may_try(tuning, 0, count + 1, value)) return ASSAY_OK; /* nothing to compare with */
  double first = 0;
  int code = open_long_bench(tuning, &trial, family, rows, &first, status);
  double best = first;
  tuning->dropped = 0;
  for (uint32_t i = 0; i < count && !code; i++) {
    if (candidates[i].rows > 2 * rows || 4 * candidates[i].rows < rows || !memcmp(&candidates[i], &defaults.of[family][row_class], sizeof *candidates) || !assay_cl_tile_fits(device, &candidates[i])) continue;
    assay_cl_tile_print(&candidates[i], value);
    if (!may_try(tuning, i + 1, count + 1, value)) {
      tuning->dropped++;
      continue;
    }
    *slot = candidates[i];
    const double took = try_candidate(tuning, best);
    if (took >= best) continue;
    best = took;
    best_tile = candidates[i];
  }
  *slot = best_tile;
  assay_cl_bench_release(&tuning->bench);
  if (code) return code;
  assay_cl_parameter_print(device, number, value);
  snprintf(note, sizeof note, "%.1f GFLOP/s, default %.1f, %u dropped", trial.operations / best * 1e-9, trial.operations / first * 1e-9, tuning->dropped);
  tuning->tuner->result(tuning->tuner->context, key, value, note);
  return ASSAY_OK;
}

/* ---- CLBlast ---- */

static int tune_gemm(struct tuning *tuning, uint32_t number, const char *key, struct assay_status *status) {
  enum assay_cl_gemm_choice *slot = &tuning->device->gemms.of[assay_cl_parameter_gemm_class(number)];
  struct assay_cl_trial trial;
  int64_t extents[3];
  double own = 0, other = INFINITY;
  char note[128];
  assay_cl_gemm_extents(assay_cl_parameter_gemm_class(number), extents);
  assay_cl_trial_matmul(&trial, extents[0], extents[1], extents[2]);
  if (!may_try(tuning, 0, 2, "own")) return ASSAY_OK;
  *slot = ASSAY_CL_GEMM_OWN;
  tuning->dropped = 0;
  const int code = open_bench(tuning, &trial, &own, status);
  if (!code && may_try(tuning, 1, 2, "clblast")) {
    *slot = ASSAY_CL_GEMM_CLBLAST;
    other = try_candidate(tuning, own);
  }
  assay_cl_bench_release(&tuning->bench);
  *slot = other * worth_a_pass < own ? ASSAY_CL_GEMM_CLBLAST : ASSAY_CL_GEMM_OWN;
  if (code) return code;
  if (isinf(other)) snprintf(note, sizeof note, "own %.1f GFLOP/s, CLBlast dropped", trial.operations / own * 1e-9);
  else snprintf(note, sizeof note, "own %.1f GFLOP/s, CLBlast %.1f", trial.operations / own * 1e-9, trial.operations / other * 1e-9);
  char value[ASSAY_CL_TILE_TEXT];
  assay_cl_parameter_print(tuning->device, number, value);
  tuning->tuner->result(tuning->tuner->context, key, value, note);
  return ASSAY_OK;
}

int assay_cl_tune(struct assay_device *device, const struct assay_tuner *tuner, struct assay_status *status) {
  struct tuning tuning = {.device = device, .tuner = tuner};
  int code = ASSAY_OK;
  for (uint32_t number = 0; number < ASSAY_CL_PARAMETERS && !code; number++) {
    enum assay_cl_family family;
    int row_class;
    char key[ASSAY_CL_TUNED_TEXT];
    assay_cl_tuned_key(device, number, key);
    const int answer = tuner->begin(tuner->context, number, ASSAY_CL_PARAMETERS, key);
    if (answer == 2 || (answer == 1 && device->tuned[number])) continue;
    code = assay_cl_parameter_is_tile(number, &family, &row_class) ? tune_tile(&tuning, number, family, row_class, key, status) : tune_gemm(&tuning, number, key, status);
  }
  return code;
}
