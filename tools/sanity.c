/* SPDX-License-Identifier: MIT
 *
 * assay check --lr-range and --overfit: short trainings before a long one.
 */
#include "sanity.h"

#include "session.h"
#include "stop.h"
#include "train/sanity.h"

#include <math.h>
#include <string.h>

/* ---- Images and device ---- */

struct work {
  struct cli *cli;
  const struct assay_settings *settings;
  struct assay_dataset *dataset;
  struct assay_cache *cache;
  const struct assay_samples *samples;
  struct assay_session *session;
};

static int begin(struct work *work) {
  struct cli *cli = work->cli;
  struct assay_audit *audit;
  const struct assay_data_settings *data = &work->settings->data;
  int result = assay_dataset_scan(data, &work->dataset, cli->status);
  if (result == 0) result = assay_dataset_audit(work->dataset, &audit, cli->status);
  if (result == 0) {
    result = assay_dataset_gate(work->dataset, audit, cli->status);
    assay_audit_release(audit);
  }
  if (result == 0) result = assay_dataset_split(work->dataset, data, cli->status);
  if (result == 0) result = assay_cache_open(work->dataset, data, &work->cache, cli->status);
  if (result == 0) result = assay_samples_collect(work->dataset, work->cache, data, cli->arena, &work->samples, cli->status);
  return result == 0 ? session_open(cli, work->settings, NULL, &work->session) : result;
}

static void end(struct work *work) {
  assay_session_close(work->session);
  assay_cache_close(work->cache);
  assay_dataset_release(work->dataset);
}

static bool interrupted(void *context) {
  (void)context;
  return stop_requested();
}
static const struct assay_hooks hooks = {.interrupted = interrupted};

/* ---- The range test ---- */

enum { PLOT_WIDTH = 64, PLOT_HEIGHT = 14 };

/* The smoothed loss over the logarithm of the rate. */
static void plot(FILE *stream, const struct assay_range *range) {
  double low = INFINITY, high = -INFINITY;
  char rows[PLOT_HEIGHT][PLOT_WIDTH + 1];
  for (uint32_t i = 0; i < range->count; i++) low = fmin(low, range->points[i].smoothed);
  for (uint32_t i = 0; i < range->count; i++) high = fmax(high, fmin(range->points[i].smoothed, low + 2 * (range->points[0].smoothed - low) + 1e-9));
  for (int y = 0; y < PLOT_HEIGHT; y++) {
    memset(rows[y], ' ', PLOT_WIDTH);
    rows[y][PLOT_WIDTH] = '\0';
  }
  for (uint32_t i = 0; i < range->count; i++) {
    const int x = range->count > 1 ? (int)((uint64_t)i * (PLOT_WIDTH - 1) / (range->count - 1)) : 0;
    const double share = (fmin(range->points[i].smoothed, high) - low) / fmax(high - low, 1e-12);
    rows[PLOT_HEIGHT - 1 - (int)lround(share * (PLOT_HEIGHT - 1))][x] = '*';
  }
  for (int y = 0; y < PLOT_HEIGHT; y++) {
    if (y == 0 || y == PLOT_HEIGHT - 1) fprintf(stream, "%9.4g |%s\n", y == 0 ? high : low, rows[y]);
    else fprintf(stream, "%9s |%s\n", "", rows[y]);
  }
  fprintf(stream, "%9s +%.*s\n%9s  %-*.3g%*.3g\n", "", PLOT_WIDTH, "----------------------------------------------------------------", "", PLOT_WIDTH / 2, range->points[0].rate,
          PLOT_WIDTH / 2, range->points[range->count - 1].rate);
}

static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static void show_range(struct cli *cli, const struct assay_range *range) {
  if (cli->json) {
    json_t *points = json_array();
    for (uint32_t i = 0; i < range->count; i++)
      json_array_append_new(points, json_pack("{s:f,s:f,s:f}", "rate", range->points[i].rate, "loss", range->points[i].loss, "smoothed", range->points[i].smoothed));
    cli_print_json(cli, json_pack("{s:{s:o,s:o,s:o,s:o}}", "lr_range", "points", points, "steepest", number(range->steepest), "lowest", number(range->lowest), "suggested",
                                  number(range->suggested)));
    return;
  }
  fprintf(cli->results, "learning_rate,loss,smoothed\n");
  for (uint32_t i = 0; i < range->count; i++) fprintf(cli->results, "%.6g,%.6g,%.6g\n", range->points[i].rate, range->points[i].loss, range->points[i].smoothed);
  fputc('\n', cli->results);
  if (range->count > 0) plot(cli->results, range);
  if (isnan(range->suggested)) fprintf(cli->results, "\nThe loss never fell, so no rate can be suggested.\n");
  else
    fprintf(cli->results, "\nThe loss falls fastest at %.2g and is lowest at %.2g.\nSuggested: [optimizer] learning_rate = %.2g\n", range->steepest, range->lowest, range->suggested);
}

int sanity_range(struct cli *cli, const struct assay_settings *settings) {
  enum { STEPS = 100 };
  struct work work = {.cli = cli, .settings = settings};
  struct assay_range range;
  stop_catch_signals("\nstopping\n");
  int result = begin(&work);
  if (result == 0) result = assay_range_test(work.session, work.samples, settings, 1e-6, 10, STEPS, &hooks, cli->arena, &range, cli->status);
  end(&work);
  if (result != 0) return result;
  show_range(cli, &range);
  if (!isnan(range.suggested)) return 0;
  return assay_status_set(cli->status, ASSAY_E_FINDINGS, "the loss fell at no learning rate; 'assay check --overfit' looks for the reason");
}

/* ---- Overfitting ---- */

static const char *const outcomes[] = {"learned", "blank_images", "equal_images", "rate_too_high", "rate_too_low", "labels", "network"};

static void diagnose(const struct assay_settings *settings, const struct assay_overfit *o, char text[600]) {
  const uint32_t width = settings->data.width, height = settings->data.height;
  switch (o->outcome) {
  case ASSAY_OVERFIT_BLANK:
    snprintf(text, 600, "size or crop: %s is blank as the network sees it (%ux%u); look at the file, and at [data] size and fit, which may cut off what there is to see", o->first, width,
             height);
    break;
  case ASSAY_OVERFIT_EQUAL:
    snprintf(text, 600, "size or crop: %s and %s have different labels, but are equal as the network sees them (%ux%u); use a larger [data] size, or another fit", o->first, o->second, width,
             height);
    break;
  case ASSAY_OVERFIT_RATE_HIGH:
    snprintf(text, 600, "learning rate: %.3g is too high; with %.3g the images are learned. Write [optimizer] learning_rate = %.3g", o->rate, o->better_rate, o->better_rate);
    break;
  case ASSAY_OVERFIT_RATE_LOW:
    snprintf(text, 600, "learning rate: %.3g is too low to learn %u images in %u steps; with %.3g they are learned. Write [optimizer] learning_rate = %.3g", o->rate, o->images, o->steps,
             o->better_rate, o->better_rate);
    break;
  case ASSAY_OVERFIT_LABELS:
    snprintf(text, 600, "labels: %u images can be learned by heart, but of %u others only %u are right after training on %u, no more than by guessing. Labels may "
             "not belong to their images, or what tells the classes apart is lost at %ux%u ([data] size, fit)", o->images, o->carried_images, o->carried_right,
             o->learned_images, width, height);
    break;
  case ASSAY_OVERFIT_NETWORK:
    snprintf(text, 600, "network: no learning rate between %.3g and %.3g learns the images in 300 steps (losses %.3g and %.3g, %u of %u right); use a larger network, or one with batch_norm",
             o->rate * 1e-4, o->rate * 100, o->training_loss, o->evaluation_loss, o->right, o->images);
    break;
  default:
    snprintf(text, 600, "%u images are learned by heart in %u steps: losses %.3g in training and %.3g in evaluation, all predictions right", o->images, o->steps, o->training_loss,
             o->evaluation_loss);
  }
}

int sanity_overfit(struct cli *cli, const struct assay_settings *settings, uint32_t images) {
  struct work work = {.cli = cli, .settings = settings};
  struct assay_overfit overfit;
  char text[600] = "";
  stop_catch_signals("\nstopping\n");
  int result = begin(&work);
  struct assay_settings seen = *settings;
  if (result == 0) {
    seen.data.width = work.samples->width;
    seen.data.height = work.samples->height;
    result = assay_overfit_test(work.session, work.samples, settings, images, &hooks, cli->arena, &overfit, cli->status);
  }
  if (result == 0) {
    diagnose(&seen, &overfit, text);
    if (cli->json)
      cli_print_json(cli, json_pack("{s:{s:s,s:s,s:i,s:i,s:i,s:o,s:o,s:o,s:o,s:i,s:i}}", "overfit", "outcome", outcomes[overfit.outcome], "text", text, "images", (int)overfit.images, "right",
                                    (int)overfit.right, "steps", (int)overfit.steps, "training_loss", number(overfit.training_loss), "evaluation_loss", number(overfit.evaluation_loss), "rate",
                                    number(overfit.rate), "better_rate", number(overfit.better_rate), "other_images", (int)overfit.carried_images, "other_right", (int)overfit.carried_right));
    else if (overfit.outcome == ASSAY_OVERFIT_DONE) fprintf(cli->results, "%s\n", text);
    if (overfit.outcome != ASSAY_OVERFIT_DONE) result = assay_status_set(cli->status, ASSAY_E_FINDINGS, "%s", text);
  }
  end(&work);
  return result;
}
