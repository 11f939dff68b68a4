/* SPDX-License-Identifier: MIT
 *
 * The search: its history, every trial's way through the parameters, how important each was, and on which values the good trials agree.
 */
#include "report/page.h"

#include "base/arena.h"
#include "base/status.h"
#include "report/chart.h"
#include "report/importance.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LINES = 400, MOST_AXES = 14 };

static bool is_complete(const struct assay_trial_record *record) { return record->state == ASSAY_TRIAL_COMPLETE && isfinite(record->value); }

static int compare_numbers(const void *left, const void *right) {
  const double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

/* ---- History ---- */

/* Values far outside are drawn at the edge: the frame holds all but the worst tenth. */
static bool find_frame(const struct page *page, struct chart *chart) {
  double *values = ASSAY_NEW_ARRAY(page->arena, double, page->record_count);
  uint32_t count = 0;
  for (uint32_t i = 0; values != NULL && i < page->record_count; i++)
    if (is_complete(page->records[i])) values[count++] = page->records[i]->value;
  if (count == 0) return false;
  qsort(values, count, sizeof *values, compare_numbers);
  const uint32_t tenth = count / 10;
  chart->y_low = values[page->maximise ? tenth : 0];
  chart->y_high = values[page->maximise ? count - 1 : count - 1 - tenth];
  const double room = 0.06 * (chart->y_high - chart->y_low);
  chart->y_low -= room;
  chart->y_high += room;
  chart->x_low = 0;
  chart->x_high = page->record_count > 1 ? page->record_count - 1 : 1;
  return true;
}

static int draw_history(struct page *page) {
  struct chart chart = {.out = page->out, .width = 820, .height = 260, .x_whole = true, .x_label = "trial"};
  double *x = ASSAY_NEW_ARRAY(page->arena, double, 2 * (size_t)page->record_count + 1),
         *y = ASSAY_NEW_ARRAY(page->arena, double, 2 * (size_t)page->record_count + 1);
  if (x == NULL || y == NULL) return assay_status_memory(page->status);
  if (!find_frame(page, &chart)) return 0;
  assay_text_add(page->out, "<h3>History: ");
  html_text(page->out, page->objective);
  assay_text_add(page->out, " on validation</h3>");
  chart_begin(&chart, "Value of each trial and the best so far");
  double best = NAN;
  uint32_t count = 0;
  for (uint32_t i = 0; i < page->record_count; i++) {
    const struct assay_trial_record *record = page->records[i];
    if (!is_complete(record)) continue;
    const double value = fmin(fmax(record->value, chart.y_low), chart.y_high);
    char title[96];
    snprintf(title, sizeof title, "trial %u: %.6g", record->number, record->value);
    chart_dot(&chart, record->number, value, 3, record == page->records[0] ? "s4" : "s1 faint", title);
    if (count > 0) {
      x[count] = record->number;
      y[count] = best;
      count++;
    }
    best = isnan(best) ? record->value : page->maximise ? fmax(best, record->value) : fmin(best, record->value);
    x[count] = record->number;
    y[count++] = fmin(fmax(best, chart.y_low), chart.y_high);
  }
  chart_line(&chart, x, y, count, "s2");
  chart_end(&chart);
  static const char *const legend[] = {"s5", "trials", "s2", "best so far", "s4", "the default values", NULL};
  chart_legend(page->out, legend);
  return 0;
}

/* ---- Parallel coordinates ---- */

struct parallel {
  struct page *page;
  double width, height, top, bottom;
  uint32_t axes[MOST_AXES], count;
  double low, high; /* of the objective */
};

static double axis_place(const struct parallel *parallel, uint32_t axis) {
  return 60 + (parallel->count > 0 ? (parallel->width - 120) * axis / parallel->count : 0);
}

/* From 0 (below) to 1 on an axis. */
static double axis_share(const struct assay_dimension *axis, double value) {
  if (axis->kind == ASSAY_DOMAIN_CHOICE) return axis->choice_count > 1 ? value / (axis->choice_count - 1) : 0.5;
  if (axis->high <= axis->low) return 0.5;
  return axis->logarithmic ? (log(value) - log(axis->low)) / (log(axis->high) - log(axis->low)) : (value - axis->low) / (axis->high - axis->low);
}

static double height_of(const struct parallel *parallel, double share) { return parallel->bottom - share * (parallel->bottom - parallel->top); }

/* 0: the worst, 1: the best trial; ends that lie far outside are cut. */
static double goodness(const struct parallel *parallel, double value) {
  const double share = parallel->high > parallel->low ? fmin(fmax((value - parallel->low) / (parallel->high - parallel->low), 0), 1) : 0.5;
  return parallel->page->maximise ? share : 1 - share;
}

/* From pale grey to deep blue; the best is drawn last, in red. */
static void draw_way(struct parallel *parallel, const struct assay_trial_record *record, bool is_best) {
  struct assay_text *out = parallel->page->out;
  const double good = goodness(parallel, record->value);
  bool open = false;
  if (is_best) assay_text_add(out, "<g class=\"line s2\" style=\"stroke-width:2.4\">");
  else
    assay_text_print(out, "<g class=\"line thin\" style=\"stroke:rgb(%.0f,%.0f,%.0f);opacity:%.2f\">", 200 - 200 * good, 208 - 118 * good, 220 - 50 * good,
                     0.3 + 0.55 * good);
  for (uint32_t i = 0; i <= parallel->count; i++) {
    const bool last = i == parallel->count;
    const double value = last ? record->value : record->point[parallel->axes[i]];
    if (isnan(value)) { /* not active: the way is interrupted */
      if (open) assay_text_add(out, "\"/>");
      open = false;
      continue;
    }
    const double share = last ? (parallel->high > parallel->low ? fmin(fmax((value - parallel->low) / (parallel->high - parallel->low), 0), 1) : 0.5)
                              : axis_share(parallel->page->space->dimensions[parallel->axes[i]], value);
    if (!open) assay_text_add(out, "<polyline points=\"");
    open = true;
    assay_text_print(out, "%.1f,%.1f ", axis_place(parallel, i), height_of(parallel, share));
  }
  if (open) assay_text_add(out, "\"/>");
  char title[96];
  snprintf(title, sizeof title, "trial %u: %.6g", record->number, record->value);
  html_element(out, "title", NULL, title);
  assay_text_add(out, "</g>");
}

static void label_axis(struct parallel *parallel, double place, double share, const char *text) {
  struct assay_text *out = parallel->page->out;
  assay_text_print(out, "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\">", place + 4, height_of(parallel, share) + 3.5);
  html_text(out, text);
  assay_text_add(out, "</text>");
}

/* The key alone fits over the axis; pointing at it shows the whole name. */
static void draw_axis(struct parallel *parallel, uint32_t number) {
  struct page *page = parallel->page;
  const double place = axis_place(parallel, number);
  const struct assay_dimension *axis = number < parallel->count ? page->space->dimensions[parallel->axes[number]] : NULL;
  const char *name = axis != NULL ? axis->name : page->objective, *dot = strrchr(name, '.');
  assay_text_print(page->out,
                   "<line class=\"line s0 thin\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/><text class=\"label middle\" x=\"%.1f\" y=\"%.1f\">", place,
                   place, parallel->top, parallel->bottom, place, number % 2 == 0 ? parallel->top - 22 : parallel->top - 9);
  html_element(page->out, "title", NULL, name);
  html_text(page->out, dot != NULL ? dot + 1 : name);
  assay_text_add(page->out, "</text>");
  if (axis == NULL) {
    char low[32], high[32];
    snprintf(low, sizeof low, "%.3g", parallel->low);
    snprintf(high, sizeof high, "%.3g", parallel->high);
    label_axis(parallel, place, 0, low);
    label_axis(parallel, place, 1, high);
  } else if (axis->kind == ASSAY_DOMAIN_CHOICE) {
    for (uint32_t choice = 0; choice < axis->choice_count && choice < 20; choice++)
      label_axis(parallel, place, axis_share(axis, choice), page_value(page, parallel->axes[number], choice));
  } else {
    label_axis(parallel, place, 0, page_value(page, parallel->axes[number], axis->low));
    label_axis(parallel, place, 1, page_value(page, parallel->axes[number], axis->high));
  }
}

static void draw_parallel(struct page *page, const uint32_t *order) {
  struct parallel parallel = {.page = page, .width = 1000, .height = 330, .top = 44, .bottom = 312};
  struct chart frame = {0};
  for (uint32_t d = 0; d < page->space->dimension_count && d < MOST_AXES; d++) parallel.axes[parallel.count++] = order[d];
  if (!find_frame(page, &frame)) return;
  parallel.low = frame.y_low;
  parallel.high = frame.y_high;
  assay_text_add(page->out, "<h3>Parallel coordinates</h3><p class=\"note\">A line a trial, from its values to its result; the darker the better, the best in "
                            "red. The most important parameter stands "
                            "first.</p>\n");
  assay_text_print(
      page->out,
      "<div class=\"scroll\"><svg viewBox=\"0 0 %.0f %.0f\" style=\"min-width:620px\" role=\"img\" aria-label=\"Parallel coordinates of all trials\">",
      parallel.width, parallel.height);
  uint32_t drawn = 0;
  for (uint32_t i = 0; i < page->record_count && drawn < MOST_LINES; i++) {
    if (!is_complete(page->records[i]) || page->records[i]->number == page->best->number) continue;
    draw_way(&parallel, page->records[i], false);
    drawn++;
  }
  draw_way(&parallel, page->best, true);
  for (uint32_t axis = 0; axis <= parallel.count; axis++) draw_axis(&parallel, axis);
  assay_text_add(page->out, "</svg></div>\n");
  if (page->space->dimension_count > MOST_AXES)
    assay_text_print(page->out, "<p class=\"note\">The %d most important of %u parameters.</p>\n", MOST_AXES, page->space->dimension_count);
}

/* ---- Importance and agreement ---- */

static void add_importance(struct page *page, const double *importances, const uint32_t *order) {
  double sum = 0;
  for (uint32_t d = 0; d < page->space->dimension_count; d++) sum += importances[d];
  if (!(sum > 0)) return;
  assay_text_add(page->out, "<div><h3>Importance</h3><p class=\"note\">How much each value decides about being among the best tenth (PED-ANOVA). With few "
                            "trials this says little.</p><table "
                            "class=\"bars\">\n");
  for (uint32_t d = 0; d < page->space->dimension_count; d++) {
    const double share = importances[order[d]] / sum;
    assay_text_add(page->out, "<tr>");
    html_element(page->out, "td", "word", page->space->dimensions[order[d]]->name);
    assay_text_print(page->out, "<td class=\"fill\"><i style=\"width:%.1f%%\"></i></td><td>%.2f</td></tr>\n", fmax(100 * share, 0.5), share);
  }
  assay_text_add(page->out, "</table></div>\n");
}

static void add_agreement(struct page *page, uint32_t dimension) {
  const struct assay_dimension *axis = page->space->dimensions[dimension];
  struct assay_agreement agreement;
  if (!assay_agreement_find(page->space, page->records, page->record_count, page->maximise, dimension, &agreement)) return;
  const bool choice = axis->kind == ASSAY_DOMAIN_CHOICE;
  const double width = choice ? 0 : axis_share(axis, agreement.high) - axis_share(axis, agreement.low);
  const bool agreed = choice ? agreement.share >= 0.8 : width <= 0.35;
  assay_text_add(page->out, "<tr>");
  html_element(page->out, "td", NULL, axis->name);
  assay_text_add(page->out, "<td>");
  if (choice) {
    html_text(page->out, page_value(page, dimension, agreement.value));
    assay_text_print(page->out, " in %.0f of %u (%.0f %% of all)", agreement.share * agreement.good, agreement.good, 100 * agreement.share_of_all);
  } else {
    html_text(page->out, page_value(page, dimension, agreement.low));
    assay_text_add(page->out, " … ");
    html_text(page->out, page_value(page, dimension, agreement.high));
  }
  assay_text_print(page->out, "</td><td>%s</td></tr>\n", agreed ? choice ? "could be fixed" : "could be narrowed" : "");
}

static void add_agreements(struct page *page) {
  struct assay_agreement agreement;
  bool any = false;
  for (uint32_t d = 0; d < page->space->dimension_count; d++)
    any |= assay_agreement_find(page->space, page->records, page->record_count, page->maximise, d, &agreement);
  if (!any) return;
  assay_text_add(page->out, "<div><h3>What the good trials agree on</h3><p class=\"note\">The best quarter of the trials.</p><div class=\"scroll\"><table "
                            "class=\"words\"><tr><th>parameter</th><th>their "
                            "values</th><th></th></tr>\n");
  for (uint32_t d = 0; d < page->space->dimension_count; d++) add_agreement(page, d);
  assay_text_add(page->out, "</table></div></div>\n");
}

static int compare_importance(const void *left, const void *right, void *context) {
  const double *importances = context;
  const uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
  if (importances[a] != importances[b]) return importances[a] < importances[b] ? 1 : -1;
  return a < b ? -1 : a > b;
}

int page_search(struct page *page) {
  const uint32_t axes = page->space->dimension_count;
  if (page->record_count < 2 || page->best == NULL || axes == 0) return 0;
  double *importances = ASSAY_NEW_ARRAY(page->arena, double, axes);
  uint32_t *order = ASSAY_NEW_ARRAY(page->arena, uint32_t, axes);
  if (importances == NULL || order == NULL) return assay_status_memory(page->status);
  int code = assay_importance_compute(page->space, page->records, page->record_count, page->maximise, importances, page->status);
  if (code != 0) return code;
  for (uint32_t d = 0; d < axes; d++) order[d] = d;
  qsort_r(order, axes, sizeof *order, compare_importance, importances);
  html_section(page->out, "search", "Search");
  code = draw_history(page);
  if (code == 0) {
    draw_parallel(page, order);
    assay_text_add(page->out, "<div class=\"grid2\" style=\"margin-top:18px\">");
    add_importance(page, importances, order);
    add_agreements(page);
    assay_text_add(page->out, "</div>\n");
  }
  html_section_end(page->out);
  return code;
}
