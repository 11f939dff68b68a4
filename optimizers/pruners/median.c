/* SPDX-License-Identifier: MIT
 *
 * The median rule (as in Vizier, Golovin et al., KDD 2017): a trial stops when its best result so far is worse than the median of what the
 * complete trials had at the same step. Steps count on over the folds, so a trial is compared with others in the same epoch of the same fold.
 */
#include <assay/search.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { STARTUP, WARMUP, INTERVAL, REPORTS };

/* The result of a trial at a step, or NaN. */
static double result_at(const struct assay_trial *trial, uint32_t step) {
  uint32_t low = 0, high = trial->intermediate_count;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (trial->steps[middle] < step) low = middle + 1;
    else high = middle;
  }
  return low < trial->intermediate_count && trial->steps[low] == step ? trial->intermediates[low] : NAN;
}

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

/* Was nothing reported yet since the last step at which a check was due? */
static bool is_due(const struct assay_trial *trial, uint32_t warmup, uint32_t interval) {
  const uint32_t step = trial->steps[trial->intermediate_count - 1];
  if (step < warmup) return false;
  const uint32_t due = warmup + (step - warmup) / interval * interval;
  return trial->intermediate_count < 2 || trial->steps[trial->intermediate_count - 2] < due;
}

static int prune(const struct assay_option_value *const *options, const struct assay_history *history, const struct assay_trial *trial) {
  const uint32_t startup = (uint32_t)options[STARTUP]->integer, reports = (uint32_t)options[REPORTS]->integer;
  if (trial->intermediate_count == 0 || !is_due(trial, (uint32_t)options[WARMUP]->integer, (uint32_t)options[INTERVAL]->integer)) return 0;
  const uint32_t step = trial->steps[trial->intermediate_count - 1];
  double *others = malloc((history->trial_count + 1) * sizeof *others), best = NAN;
  if (others == NULL) return 0;                                                                        /* going on is never wrong */
  for (uint32_t i = 0; i < trial->intermediate_count; i++) best = fmin(best, trial->intermediates[i]); /* fmin passes over NaN */
  uint32_t complete = 0, count = 0;
  for (uint32_t i = 0; i < history->trial_count; i++) {
    if (history->trials[i]->state != ASSAY_TRIAL_COMPLETE) continue;
    complete++;
    const double result = result_at(history->trials[i], step);
    if (!isnan(result)) others[count++] = result;
  }
  qsort(others, count, sizeof *others, compare);
  int stop = 0;
  if (complete >= startup && complete > 0) {
    if (isnan(best)) stop = 1; /* nothing but NaN so far */
    else if (count > 0 && count >= reports)
      stop = best > (count % 2 == 1 ? others[count / 2] : others[count / 2 - 1] + 0.5 * (others[count / 2] - others[count / 2 - 1]));
  }
  free(others);
  return stop;
}

static const struct assay_option startup = {.struct_size = sizeof startup,
                                            .type = ASSAY_OPTION_INT,
                                            .name = "startup",
                                            .default_text = "5",
                                            .minimum = 0,
                                            .maximum = 1000000,
                                            .help = "complete trials before any is stopped"},
                                 warmup = {.struct_size = sizeof warmup,
                                           .type = ASSAY_OPTION_INT,
                                           .name = "warmup",
                                           .default_text = "0",
                                           .minimum = 0,
                                           .maximum = 1000000000,
                                           .help = "steps (epochs, counted on over the folds) that every trial may take"},
                                 interval = {.struct_size = sizeof interval,
                                             .type = ASSAY_OPTION_INT,
                                             .name = "interval",
                                             .default_text = "1",
                                             .minimum = 1,
                                             .maximum = 1000000000,
                                             .help = "steps from one check to the next"},
                                 reports = {.struct_size = sizeof reports,
                                            .type = ASSAY_OPTION_INT,
                                            .name = "reports",
                                            .default_text = "1",
                                            .minimum = 1,
                                            .maximum = 1000000,
                                            .help = "complete trials that must have come as far for a comparison"};
static const struct assay_option *const options_table[] = {&startup, &warmup, &interval, &reports, NULL};
static const struct assay_pruner table = {sizeof table, 0, prune};

const struct assay_plugin assay_pruner_median = {ASSAY_PLUGIN_MAGIC,
                                                 sizeof(struct assay_plugin),
                                                 ASSAY_PRUNER,
                                                 ASSAY_PRUNER_ABI_MAJOR,
                                                 ASSAY_PRUNER_ABI_MINOR,
                                                 "median",
                                                 "stops a trial that is worse than the median of the others",
                                                 "1.0",
                                                 options_table,
                                                 &table,
                                                 sizeof table,
                                                 0};
