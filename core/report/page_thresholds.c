/* SPDX-License-Identifier: MIT
 *
 * What other thresholds would give (ROC, precision over recall, the sweep), and whether scores can be believed (reliability).
 */
#include "report/page.h"

#include "base/arena.h"
#include "base/status.h"
#include "report/calibration.h"
#include "report/chart.h"
#include "report/threshold.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_POINTS = 400, MOST_CLASSES = 6, SWEPT = 200 };

static const char *const styles[MOST_CLASSES] = {"s1", "s2", "s3", "s4", "s5", "s6"};

/* One curve: a part's points for one class, as shares. */
struct sweep {
  uint32_t count;
  double *recall, *alarms, *precision;
};

static int take_sweep(struct page *page, const struct assay_prediction_set *set, int32_t class, struct sweep *sweep) {
  const struct assay_operating_point *points;
  uint32_t count;
  const int code = assay_threshold_sweep(set, class, MOST_POINTS, page->arena, &points, &count, page->status);
  if (code != 0) return code;
  *sweep = (struct sweep){.count = count,
                          .recall = ASSAY_NEW_ARRAY(page->arena, double, count),
                          .alarms = ASSAY_NEW_ARRAY(page->arena, double, count),
                          .precision = ASSAY_NEW_ARRAY(page->arena, double, count)};
  if (sweep->recall == NULL || sweep->alarms == NULL || sweep->precision == NULL) return assay_status_memory(page->status);
  for (uint32_t i = 0; i < count; i++) {
    const double found = points[i].true_positives, alarms = points[i].false_positives, missed = points[i].false_negatives, left = points[i].true_negatives;
    sweep->recall[i] = found / (found + missed);
    sweep->alarms[i] = alarms / (alarms + left);
    sweep->precision[i] = found + alarms > 0 ? found / (found + alarms) : 1;
  }
  return 0;
}

/* What one threshold gives: recall, false-positive rate, precision. */
struct working_point {
  double recall, alarms, precision, f1;
};

static struct working_point point_at(const struct assay_prediction_set *set, int32_t class, double threshold) {
  double found = 0, alarms = 0, members = 0;
  for (uint32_t row = 0; row < set->count; row++) {
    const bool member = set->labels[row] == class, taken = set->scores[(size_t)row * set->class_count + (size_t)class] >= threshold;
    members += member;
    found += taken && member;
    alarms += taken && !member;
  }
  return (struct working_point){found / members, alarms / (set->count - members), found + alarms > 0 ? found / (found + alarms) : 1,
                                2 * found / (found + members + alarms)};
}

/* `working`: where the model works on each curve; NULL: not to be shown. */
static void draw_curves(struct page *page, const struct sweep *sweeps, uint32_t count, bool roc, const struct working_point *working) {
  struct chart chart = {.out = page->out,
                        .width = 400,
                        .height = 330,
                        .x_high = 1,
                        .y_high = 1,
                        .x_label = roc ? "false-positive rate" : "recall",
                        .y_label = roc ? "recall" : "precision"};
  chart_begin(&chart, roc ? "Receiver operating characteristic" : "Precision over recall");
  if (roc) {
    const double ends[2] = {0, 1};
    chart_line(&chart, ends, ends, 2, "s0 thin dashed");
  }
  for (uint32_t i = 0; i < count; i++) {
    const double *x = roc ? sweeps[i].alarms : sweeps[i].recall, *y = roc ? sweeps[i].recall : sweeps[i].precision;
    char ring[16];
    chart_line(&chart, x, y, sweeps[i].count, styles[i]);
    snprintf(ring, sizeof ring, "%.2s ring", styles[i]);
    if (working != NULL)
      chart_dot(&chart, roc ? working[i].alarms : working[i].recall, roc ? working[i].recall : working[i].precision, 4.5, ring, "at the model's threshold");
  }
  chart_end(&chart);
}

static void draw_sweep(struct page *page, int32_t class, double threshold) {
  static const char *const legend[] = {"s1", "recall", "s2 dashed", "precision", "s3", "F1", "s0 thin dashed", "the model's threshold", NULL};
  struct chart chart = {.out = page->out, .width = 400, .height = 330, .x_high = 1, .y_high = 1, .x_label = "threshold", .y_label = "share"};
  double x[SWEPT + 1], recall[SWEPT + 1], precision[SWEPT + 1], f1[SWEPT + 1];
  for (int i = 0; i <= SWEPT; i++) {
    x[i] = (double)i / SWEPT;
    const struct working_point point = point_at(page->validation, class, x[i]);
    recall[i] = point.recall;
    precision[i] = point.precision;
    f1[i] = point.f1;
  }
  assay_text_add(page->out, "<div><h3>What other thresholds would give (out of fold)</h3>");
  chart_begin(&chart, "Recall, precision and F1 over the threshold");
  if (isfinite(threshold)) chart_vertical(&chart, threshold, "s0 thin dashed");
  chart_line(&chart, x, precision, SWEPT + 1, "s2 dashed");
  chart_line(&chart, x, recall, SWEPT + 1, "s1");
  chart_line(&chart, x, f1, SWEPT + 1, "s3");
  chart_end(&chart);
  chart_legend(page->out, legend);
  assay_text_add(page->out, "</div>\n");
}

static void draw_bins(struct chart *chart, const struct assay_prediction_set *set, const char *style) {
  struct assay_reliability bins[ASSAY_RELIABILITY_BINS];
  double scores[ASSAY_RELIABILITY_BINS], right[ASSAY_RELIABILITY_BINS];
  uint32_t count = 0, most = 1;
  assay_reliability_fill(set, bins);
  for (int i = 0; i < ASSAY_RELIABILITY_BINS; i++)
    if (bins[i].count > most) most = bins[i].count;
  for (int i = 0; i < ASSAY_RELIABILITY_BINS; i++) {
    if (bins[i].count == 0) continue;
    scores[count] = bins[i].score;
    right[count++] = bins[i].right;
  }
  chart_line(chart, scores, right, count, style);
  for (int i = 0; i < ASSAY_RELIABILITY_BINS; i++) {
    char title[96];
    snprintf(title, sizeof title, "%u images: say %.3f, right %.3f", bins[i].count, bins[i].score, bins[i].right);
    if (bins[i].count > 0) chart_dot(chart, bins[i].score, bins[i].right, 2 + 5 * sqrt((double)bins[i].count / most), style, title);
  }
}

static void draw_reliability(struct page *page) {
  static const char *const both[] = {"s1", "out of fold", "s2", "test", "s0 thin dashed", "scores that can be believed", NULL},
                           *const one[] = {"s1", "out of fold", "s0 thin dashed", "scores that can be believed", NULL};
  const double low = page->validation->class_count == 2 ? 0.5 : 0, ends[2] = {low, 1};
  struct chart chart = {
      .out = page->out, .width = 400, .height = 330, .x_low = low, .x_high = 1, .y_high = 1, .x_label = "highest score", .y_label = "share that is right"};
  assay_text_add(page->out, "<div><h3>Reliability</h3>");
  chart_begin(&chart, "How often the model is right over what its scores say");
  chart_line(&chart, ends, ends, 2, "s0 thin dashed");
  draw_bins(&chart, page->validation, "s1");
  if (page->test != NULL) draw_bins(&chart, page->test, "s2");
  chart_end(&chart);
  chart_legend(page->out, page->test != NULL ? both : one);
  assay_text_add(page->out, "</div>\n");
}

/* Two classes: the curves of both parts. */
static int add_binary(struct page *page) {
  static const char *const both[] = {"s1", "out of fold", "s2", "test", NULL}, *const one[] = {"s1", "out of fold", NULL};
  const int32_t class = page->validation->positive >= 0 ? page->validation->positive : 1;
  const json_t *json = json_object_get(page->summary, "threshold");
  const double threshold = json_is_number(json) ? json_number_value(json) : NAN;
  struct sweep sweeps[2];
  int code = take_sweep(page, page->validation, class, &sweeps[0]);
  if (code == 0 && page->test != NULL) code = take_sweep(page, page->test, class, &sweeps[1]);
  if (code != 0) return code;
  const uint32_t count = page->test != NULL ? 2 : 1;
  struct working_point working[2];
  for (uint32_t i = 0; i < count; i++) working[i] = point_at(i == 0 ? page->validation : page->test, class, threshold);
  for (int roc = 1; roc >= 0; roc--) {
    assay_text_print(page->out, "<div><h3>%s</h3>", roc ? "ROC" : "Precision and recall");
    draw_curves(page, sweeps, count, roc == 1, isfinite(threshold) ? working : NULL);
    chart_legend(page->out, count == 2 ? both : one);
    assay_text_add(page->out, "</div>\n");
  }
  draw_sweep(page, class, threshold);
  return 0;
}

/* More classes: each against the rest, on the test where there is one. */
static int add_several(struct page *page) {
  const struct assay_prediction_set *set = page->test != NULL ? page->test : page->validation;
  const uint32_t count = set->class_count < MOST_CLASSES ? set->class_count : MOST_CLASSES;
  const char *legend[2 * MOST_CLASSES + 1] = {NULL};
  struct sweep sweeps[MOST_CLASSES];
  for (uint32_t class = 0; class < count; class++) {
    const int code = take_sweep(page, set, (int32_t)class, &sweeps[class]);
    if (code != 0) return code;
    legend[2 * class] = styles[class];
    legend[2 * class + 1] = set->classes[class];
  }
  for (int roc = 1; roc >= 0; roc--) {
    assay_text_print(page->out, "<div><h3>%s, each class against the rest (%s)</h3>", roc ? "ROC" : "Precision and recall",
                     page->test != NULL ? "test" : "out of fold");
    draw_curves(page, sweeps, count, roc == 1, NULL);
    chart_legend(page->out, legend);
    assay_text_add(page->out, "</div>\n");
  }
  return 0;
}

int page_thresholds(struct page *page) {
  if (page->validation == NULL) return 0;
  html_section(page->out, "thresholds", "Thresholds and scores");
  assay_text_add(page->out, "<div class=\"grid2\">");
  const int code = page->validation->class_count == 2 ? add_binary(page) : add_several(page);
  if (code == 0) draw_reliability(page);
  assay_text_add(page->out, "</div>\n");
  if (page->validation->class_count > MOST_CLASSES)
    assay_text_print(page->out, "<p class=\"note\">The first %d of %u classes; thresholds.csv has all.</p>\n", MOST_CLASSES, page->validation->class_count);
  html_section_end(page->out);
  return code;
}
