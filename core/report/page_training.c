/* SPDX-License-Identifier: MIT
 *
 * Curves: losses of each fold over the epochs, with the epoch marked whose weights count.
 */
#include "report/page.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/status.h"
#include "report/chart.h"
#include "report/comparison.h"
#include "report/verdict.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_FOLDS = 12 };

/* All folds share their axes. A start far above the rest is cut, so that what follows can be seen. */
static void find_range(const struct assay_curve *curves, uint32_t count, struct chart *chart) {
  double most = 0, last_epoch = 1, early = 0;
  for (uint32_t fold = 0; fold < count; fold++)
    for (uint32_t epoch = 0; epoch < curves[fold].epoch_count; epoch++) {
      const double validation = curves[fold].validation_loss[epoch], larger = fmax(curves[fold].training_loss[epoch], isfinite(validation) ? validation : 0);
      if (epoch > 0) most = fmax(most, larger);
      else early = fmax(early, larger);
      last_epoch = fmax(last_epoch, epoch + 1.0);
    }
  if (most == 0) most = early;
  chart->x_low = 1;
  chart->x_high = last_epoch > 1 ? last_epoch : 2;
  chart->y_low = 0;
  chart->y_high = 1.05 * fmin(fmax(most, early), 2 * most);
}

/* A line of losses, none above the chart. */
static int draw_losses(struct page *page, struct chart *chart, const double *epochs, const double *losses, uint32_t count, const char *style) {
  double *shown = ASSAY_NEW_ARRAY(page->arena, double, count);
  if (shown == NULL) return assay_status_memory(page->status);
  for (uint32_t i = 0; i < count; i++) shown[i] = isfinite(losses[i]) ? fmin(losses[i], chart->y_high) : losses[i];
  chart_line(chart, epochs, shown, count, style);
  return 0;
}

static int draw_fold(struct page *page, const struct assay_curve *curve, bool repeated, struct chart chart) {
  const uint32_t count = curve->epoch_count, best = curve->best_epoch;
  double *epochs = ASSAY_NEW_ARRAY(page->arena, double, count);
  char name[48], title[128];
  if (epochs == NULL) return assay_status_memory(page->status);
  for (uint32_t i = 0; i < count; i++) epochs[i] = i + 1.0;
  if (repeated) snprintf(name, sizeof name, "Repeat %u, fold %u", curve->repeat + 1, curve->fold + 1);
  else snprintf(name, sizeof name, "Fold %u", curve->fold + 1);
  assay_text_print(page->out, "<div><h3>%s: best after epoch %u</h3>", name, best + 1);
  snprintf(title, sizeof title, "%s: losses over %u epochs", name, count);
  chart_begin(&chart, title);
  chart_vertical(&chart, epochs[best], "s0 thin dashed");
  int code = draw_losses(page, &chart, epochs, curve->training_loss, count, "s1");
  if (code == 0) code = draw_losses(page, &chart, epochs, curve->validation_loss, count, "s2");
  const double loss = curve->validation_loss[best];
  chart_dot(&chart, epochs[best], isfinite(loss) ? fmin(loss, chart.y_high) : loss, 4, "s2 ring", "the epoch whose weights count");
  chart_end(&chart);
  assay_text_add(page->out, "</div>\n");
  return code;
}

int page_curves_of(struct page *page, const struct assay_trial_record *record) {
  static const char *const legend[] = {"s1", "training loss", "s2", "validation loss", "s0 thin dashed", "epoch whose weights count", NULL};
  const char *path = assay_arena_print(page->arena, "%s/trials/%u/curves.csv", page->sources->folder, record->number);
  const struct assay_curve *curves;
  uint32_t count;
  /* Without curves that can be read, the page goes on without them. */
  if (path == NULL || !assay_file_exists(path) || assay_curves_read(path, page->arena, &curves, &count, NULL) != 0 || count == 0) return 0;
  struct chart chart = {.out = page->out, .width = 330, .height = 205, .x_whole = true, .x_label = "epoch", .y_label = "loss"};
  int code = 0;
  find_range(curves, count, &chart);
  chart_legend(page->out, legend);
  assay_text_add(page->out, "<div class=\"grid3\">");
  for (uint32_t fold = 0; code == 0 && fold < count && fold < MOST_FOLDS; fold++) code = draw_fold(page, &curves[fold], curves[count - 1].repeat > 0, chart);
  assay_text_add(page->out, "</div>\n");
  if (count > MOST_FOLDS) assay_text_print(page->out, "<p class=\"note\">The other %u folds stand in trials/%u/curves.csv.</p>\n", count - MOST_FOLDS, record->number);
  return code;
}

static void add_comparison(struct page *page) {
  const json_t *comparison = json_object_get(page->summary, "comparison");
  struct assay_text words = {0};
  if (!json_is_object(comparison)) return;
  assay_comparison_print(comparison, page->objective, &words);
  if (!words.failed) html_element(page->out, "p", NULL, words.data);
  assay_text_release(&words);
}

int page_training(struct page *page) {
  if (page->best == NULL) return 0;
  html_section(page->out, "training", "Training");
  assay_text_print(page->out,
                   "<p>Trial %u, the best of the search, is the model's. Each fold trains on the others and stops when its own loss falls no longer.</p>\n",
                   page->best->number);
  const int code = page_curves_of(page, page->best);
  add_comparison(page);
  html_section_end(page->out);
  return code;
}
