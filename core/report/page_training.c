/* SPDX-License-Identifier: MIT
 *
 * Curves: losses of each fold over the epochs, with the epoch marked whose weights count.
 */
#include "report/page.h"

#include "base/arena.h"
#include "report/chart.h"
#include "report/comparison.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_FOLDS = 12 };

/* Rows of one fold, copied so that they can be drawn. */
struct fold {
  uint32_t count;
  double *epoch, *training, *validation;
  int64_t best;
};

static struct fold take_fold(const struct page *page, const struct page_curves *curves, uint32_t number) {
  struct fold fold = {.epoch = ASSAY_NEW_ARRAY(page->arena, double, curves->count),
                      .training = ASSAY_NEW_ARRAY(page->arena, double, curves->count),
                      .validation = ASSAY_NEW_ARRAY(page->arena, double, curves->count),
                      .best = -1};
  for (uint32_t row = 0; fold.epoch != NULL && fold.training != NULL && fold.validation != NULL && row < curves->count; row++) {
    if (curves->folds[row] != number) continue;
    if (curves->best[row]) fold.best = fold.count;
    fold.epoch[fold.count] = curves->epochs[row] + 1.0;
    fold.training[fold.count] = curves->training[row];
    fold.validation[fold.count++] = curves->validation[row];
  }
  return fold;
}

/* All folds share their axes. A start far above the rest is cut, so that what follows can be seen. */
static void find_range(const struct page_curves *curves, struct chart *chart) {
  double most = 0, last_epoch = 1, early = 0;
  for (uint32_t row = 0; row < curves->count; row++) {
    const double larger = fmax(curves->training[row], isfinite(curves->validation[row]) ? curves->validation[row] : 0);
    if (curves->epochs[row] > 0) most = fmax(most, larger);
    else early = fmax(early, larger);
    last_epoch = fmax(last_epoch, curves->epochs[row] + 1.0);
  }
  if (most == 0) most = early;
  chart->x_low = 1;
  chart->x_high = last_epoch > 1 ? last_epoch : 2;
  chart->y_low = 0;
  chart->y_high = 1.05 * fmin(fmax(most, early), 2 * most);
}

static void draw_fold(struct page *page, const struct page_curves *curves, uint32_t number) {
  struct fold fold = take_fold(page, curves, number);
  struct chart chart = {.out = page->out, .width = 330, .height = 205, .x_whole = true, .x_label = "epoch", .y_label = "loss"};
  char title[96];
  if (fold.count == 0) return;
  find_range(curves, &chart);
  for (uint32_t i = 0; i < fold.count; i++) {
    fold.training[i] = fmin(fold.training[i], chart.y_high);
    if (isfinite(fold.validation[i])) fold.validation[i] = fmin(fold.validation[i], chart.y_high);
  }
  assay_text_print(page->out, "<div><h3>Fold %u", number + 1);
  if (fold.best >= 0) assay_text_print(page->out, ": best after epoch %.0f", fold.epoch[fold.best]);
  assay_text_add(page->out, "</h3>");
  snprintf(title, sizeof title, "Losses of fold %u over %u epochs", number + 1, fold.count);
  chart_begin(&chart, title);
  if (fold.best >= 0) chart_vertical(&chart, fold.epoch[fold.best], "s0 thin dashed");
  chart_line(&chart, fold.epoch, fold.training, fold.count, "s1");
  chart_line(&chart, fold.epoch, fold.validation, fold.count, "s2");
  if (fold.best >= 0) chart_dot(&chart, fold.epoch[fold.best], fold.validation[fold.best], 4, "s2 ring", "the epoch whose weights count");
  chart_end(&chart);
  assay_text_add(page->out, "</div>\n");
}

int page_curves_of(struct page *page, const struct assay_trial_record *record) {
  const struct page_curves *curves = page_read_curves(page, record->number);
  static const char *const legend[] = {"s1", "training loss", "s2", "validation loss", "s0 thin dashed", "epoch whose weights count", NULL};
  if (curves == NULL) return 0;
  uint32_t folds = 0;
  for (uint32_t row = 0; row < curves->count; row++)
    if (curves->folds[row] + 1 > folds) folds = curves->folds[row] + 1;
  chart_legend(page->out, legend);
  assay_text_add(page->out, "<div class=\"grid3\">");
  for (uint32_t fold = 0; fold < folds && fold < MOST_FOLDS; fold++) draw_fold(page, curves, fold);
  assay_text_add(page->out, "</div>\n");
  if (folds > MOST_FOLDS)
    assay_text_print(page->out, "<p class=\"note\">The other %u folds stand in trials/%u/curves.csv.</p>\n", folds - MOST_FOLDS, record->number);
  return 0;
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
