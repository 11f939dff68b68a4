/* SPDX-License-Identifier: MIT
 *
 * Charts as SVG: a frame with axes and whatever is drawn into it, in coordinates of the data. Colours are classes of the page's style (s1 … s6, told apart by
 * eyes that see fewer colours: Okabe and Ito, 2008), so that a chart looks like the page around it.
 */
#ifndef ASSAY_REPORT_CHART_H
#define ASSAY_REPORT_CHART_H

#include "base/text.h"

struct chart {
  struct assay_text *out;
  double width, height; /* in units of the drawing */
  double x_low, x_high, y_low, y_high;
  bool x_logarithmic, x_whole; /* whole: there is nothing between two whole numbers */
  const char *x_label, *y_label; /* our own words */
};

/* Opens the drawing with frame, grid and ticks; `description` (any text) is what a screen reader says. A range without extent is widened. */
void chart_begin(struct chart *chart, const char *description);
void chart_end(struct chart *chart);

double chart_x(const struct chart *chart, double x); /* in units of the drawing */
double chart_y(const struct chart *chart, double y);

/* Points that are not finite interrupt the line. `style`: classes, as "s1" or "s2 dashed". */
void chart_line(struct chart *chart, const double *x, const double *y, uint32_t count, const char *style);
/* A disc, with a text that shows when it is pointed at (NULL: none). */
void chart_dot(struct chart *chart, double x, double y, double radius, const char *style, const char *title);
void chart_bar(struct chart *chart, double x0, double y0, double x1, double y1, const char *style, const char *title);
/* Vertical or horizontal line through the frame. */
void chart_vertical(struct chart *chart, double x, const char *style);
void chart_horizontal(struct chart *chart, double y, const char *style);

/* A legend as HTML under a chart: pairs of style and text, ended by NULL. */
void chart_legend(struct assay_text *out, const char *const *pairs);

#endif
