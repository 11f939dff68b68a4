/* SPDX-License-Identifier: MIT */
#include "report/chart.h"

#include "report/html.h"

#include <math.h>

#define LEFT 46.0
#define RIGHT 10.0
#define TOP 8.0
#define BOTTOM 34.0
#define WIDE 600.0

static double share(const struct chart *chart, double x) {
  if (chart->x_logarithmic) return (log(x) - log(chart->x_low)) / (log(chart->x_high) - log(chart->x_low));
  return (x - chart->x_low) / (chart->x_high - chart->x_low);
}

double chart_x(const struct chart *chart, double x) { return LEFT + share(chart, x) * (chart->width - LEFT - RIGHT); }

double chart_y(const struct chart *chart, double y) {
  return chart->height - BOTTOM - (y - chart->y_low) / (chart->y_high - chart->y_low) * (chart->height - TOP - BOTTOM);
}

/* Steps of 1, 2 or 5 times a power of ten, about `wanted` of them. */
static double tick_step(double range, int wanted) {
  const double raw = range / wanted, power = pow(10, floor(log10(raw))), ratio = raw / power;
  return power * (ratio <= 1 ? 1 : ratio <= 2 ? 2 : ratio <= 5 ? 5 : 10);
}

/* As many digits as it takes to tell neighbours apart. */
static void print_tick(struct assay_text *out, double value, double step) {
  const int digits = step >= 1 ? 0 : (int)ceil(-log10(step) - 1e-9);
  if (fabs(value) >= 1e6 || digits > 5) assay_text_print(out, "%.2g", value);
  else html_number(out, fabs(value) < step / 1e6 ? 0 : value, digits);
}

static void x_tick(struct chart *chart, double x, double step) {
  const double place = chart_x(chart, x);
  assay_text_print(chart->out, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/><text x=\"%.1f\" y=\"%.1f\" class=\"tick middle\">",
                   place, place, TOP, chart->height - BOTTOM, place, chart->height - BOTTOM + 13);
  if (chart->x_logarithmic) assay_text_print(chart->out, "%g", x);
  else print_tick(chart->out, x, step);
  assay_text_add(chart->out, "</text>");
}

static void draw_axes(struct chart *chart) {
  struct assay_text *out = chart->out;
  const double y_step = tick_step(chart->y_high - chart->y_low, 5), x_raw = tick_step(chart->x_high - chart->x_low, 6),
               x_step = chart->x_whole ? fmax(1, x_raw) : x_raw;
  for (double y = ceil(chart->y_low / y_step - 1e-9) * y_step; y <= chart->y_high + y_step * 1e-9; y += y_step) {
    const double place = chart_y(chart, y);
    assay_text_print(out, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/><text x=\"%.1f\" y=\"%.1f\" class=\"tick end\">", LEFT,
                     chart->width - RIGHT, place, place, LEFT - 5, place + 3.5);
    print_tick(out, y, y_step);
    assay_text_add(out, "</text>");
  }
  if (chart->x_logarithmic)
    for (double x = pow(10, ceil(log10(chart->x_low) - 1e-9)); x <= chart->x_high * (1 + 1e-9); x *= 10) x_tick(chart, x, 0);
  else
    for (double x = ceil(chart->x_low / x_step - 1e-9) * x_step; x <= chart->x_high + x_step * 1e-9; x += x_step) x_tick(chart, x, x_step);
  if (chart->x_label != NULL)
    assay_text_print(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"label middle\">%s</text>", (LEFT + chart->width - RIGHT) / 2, chart->height - 4, chart->x_label);
  if (chart->y_label != NULL)
    assay_text_print(out, "<text transform=\"translate(11 %.1f) rotate(-90)\" class=\"label middle\">%s</text>", (TOP + chart->height - BOTTOM) / 2,
                     chart->y_label);
}

static void widen(double *low, double *high) {
  if (!isfinite(*low) || !isfinite(*high)) {
    *low = 0;
    *high = 1;
  }
  if (*high > *low) return;
  const double room = *low == 0 ? 1 : fabs(*low) * 0.1;
  *low -= room;
  *high += room;
}

void chart_begin(struct chart *chart, const char *description) {
  widen(&chart->y_low, &chart->y_high);
  if (!chart->x_logarithmic || !(chart->x_low > 0) || !(chart->x_high > chart->x_low)) {
    chart->x_logarithmic = false;
    widen(&chart->x_low, &chart->x_high);
  }
  /* A wide chart can be scrolled where the page is narrow, so that its words can still be read. */
  if (chart->width > WIDE) assay_text_print(chart->out, "<div class=\"scroll\"><div style=\"min-width:%.0fpx\">", 0.75 * chart->width);
  assay_text_print(chart->out, "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"", chart->width, chart->height);
  html_text(chart->out, description);
  assay_text_add(chart->out, "\">");
  draw_axes(chart);
}

void chart_end(struct chart *chart) { assay_text_add(chart->out, chart->width > WIDE ? "</svg></div></div>" : "</svg>"); }

void chart_line(struct chart *chart, const double *x, const double *y, uint32_t count, const char *style) {
  bool open = false;
  for (uint32_t i = 0; i < count; i++) {
    const bool drawn = isfinite(x[i]) && isfinite(y[i]);
    if (drawn && !open) assay_text_print(chart->out, "<polyline class=\"line %s\" points=\"", style);
    if (!drawn && open) assay_text_add(chart->out, "\"/>");
    open = drawn;
    if (drawn) assay_text_print(chart->out, "%.1f,%.1f ", chart_x(chart, x[i]), chart_y(chart, y[i]));
  }
  if (open) assay_text_add(chart->out, "\"/>");
}

static void add_title(struct assay_text *out, const char *title) {
  if (title != NULL) html_element(out, "title", NULL, title);
}

void chart_dot(struct chart *chart, double x, double y, double radius, const char *style, const char *title) {
  if (!isfinite(x) || !isfinite(y)) return;
  assay_text_print(chart->out, "<circle class=\"dot %s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\">", style, chart_x(chart, x), chart_y(chart, y), radius);
  add_title(chart->out, title);
  assay_text_add(chart->out, "</circle>");
}

void chart_bar(struct chart *chart, double x0, double y0, double x1, double y1, const char *style, const char *title) {
  const double left = chart_x(chart, fmin(x0, x1)), right = chart_x(chart, fmax(x0, x1)), top = chart_y(chart, fmax(y0, y1)),
               bottom = chart_y(chart, fmin(y0, y1));
  assay_text_print(chart->out, "<rect class=\"bar %s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">", style, left, top, right - left, bottom - top);
  add_title(chart->out, title);
  assay_text_add(chart->out, "</rect>");
}

void chart_vertical(struct chart *chart, double x, const char *style) {
  assay_text_print(chart->out, "<line class=\"line %s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", style, chart_x(chart, x), chart_x(chart, x), TOP,
                   chart->height - BOTTOM);
}

void chart_horizontal(struct chart *chart, double y, const char *style) {
  assay_text_print(chart->out, "<line class=\"line %s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", style, LEFT, chart->width - RIGHT,
                   chart_y(chart, y), chart_y(chart, y));
}

void chart_legend(struct assay_text *out, const char *const *pairs) {
  assay_text_add(out, "<p class=\"legend\">");
  for (; pairs[0] != NULL; pairs += 2) {
    assay_text_print(out, "<span><svg viewBox=\"0 0 22 8\" aria-hidden=\"true\"><line class=\"line %s\" x1=\"1\" x2=\"21\" y1=\"4\" y2=\"4\"/></svg> ",
                     pairs[0]);
    html_text(out, pairs[1]);
    assay_text_add(out, "</span> ");
  }
  assay_text_add(out, "</p>\n");
}
