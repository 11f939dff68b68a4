/* SPDX-License-Identifier: MIT
 *
 * Writing the report: what is escaped, how numbers look, and where a chart puts its points.
 */
#include "harness.h"

#include "report/chart.h"
#include "report/page.h"

#include <math.h>
#include <string.h>

static struct assay_text out;

static void start(void) { out = (struct assay_text){0}; }
static void end(void) { assay_text_release(&out); }

static void expect(const char *expected) {
  ck_assert_str_eq(out.data != NULL ? out.data : "", expected);
  end();
  start();
}

START_TEST(text_never_becomes_markup) {
  html_text(&out, "<a href='x'>&\"</a>");
  expect("&lt;a href=&#39;x&#39;&gt;&amp;&quot;&lt;/a&gt;");
  html_text(&out, "a\x01" "b\x7f" "c\xc2\x85" "d");
  expect("a\xEF\xBF\xBD" "b\xEF\xBF\xBD" "c\xEF\xBF\xBD" "d");
  /* Unicode, table 3-7: overlong, surrogate, too large, cut off; and what is right. */
  html_text(&out, "\xc0\xbc");
  expect("\xEF\xBF\xBD\xEF\xBF\xBD");
  html_text(&out, "\xe0\x80\xbc|\xed\xa0\x80|\xf4\x90\x80\x80|\xe2\x82");
  ck_assert_ptr_null(strstr(out.data, "\xe0"));
  ck_assert_ptr_null(strstr(out.data, "\xed"));
  end();
  start();
  html_text(&out, "Größe 漢 😀");
  expect("Größe 漢 😀");
  html_text(&out, NULL);
  expect("");
  html_element(&out, "td", "row", "<");
  expect("<td class=\"row\">&lt;</td>");
}
END_TEST

START_TEST(only_base64_becomes_a_picture) {
  assay_text_add_base64(&out, "any carnal pleas", 16); /* RFC 4648 alphabet, padding of two */
  expect("YW55IGNhcm5hbCBwbGVhcw==");
  assay_text_add_base64(&out, "foobar", 6);
  expect("Zm9vYmFy");
  html_jpeg(&out, "Zm9vYmFy", "<x>");
  expect("<img alt=\"&lt;x&gt;\" src=\"data:image/jpeg;base64,Zm9vYmFy\">");
  html_jpeg(&out, "Zm9v\"><script>", "x");
  html_jpeg(&out, NULL, "x");
  expect("");
}
END_TEST

START_TEST(numbers_read_well) {
  html_number(&out, -0.12345, 3);
  expect("\xE2\x88\x92" "0.123");
  html_number(&out, NAN, 3);
  expect("–");
  html_number(&out, -0.0, 1);
  expect("0.0");
}
END_TEST

START_TEST(points_lie_where_the_axes_say) {
  struct chart chart = {.out = &out, .width = 400, .height = 300, .x_low = 0.001, .x_high = 10, .y_low = 0, .y_high = 2, .x_logarithmic = true};
  chart_begin(&chart, "a \"test\"");
  const double left = chart_x(&chart, 0.001), right = chart_x(&chart, 10);
  ck_assert_double_eq_tol(chart_x(&chart, 0.1), (left + right) / 2, 1e-9); /* the middle of four decades */
  ck_assert_double_eq_tol(chart_y(&chart, 1), (chart_y(&chart, 0) + chart_y(&chart, 2)) / 2, 1e-9);
  ck_assert(chart_y(&chart, 2) < chart_y(&chart, 0) && right <= 400 && left >= 0);
  const double x[] = {0.001, 0.1, NAN, 1, 10}, y[] = {0, 1, 1, NAN, 2};
  chart_line(&chart, x, y, 5, "s1");
  chart_end(&chart);
  ck_assert_ptr_nonnull(strstr(out.data, "aria-label=\"a &quot;test&quot;\""));
  int lines = 0;
  for (const char *at = out.data; (at = strstr(at, "<polyline")) != NULL; at++) lines++;
  ck_assert_int_eq(lines, 2); /* interrupted where there is no number */
  ck_assert_ptr_null(strstr(out.data, "nan"));
  end();
  start();
  /* No extent, and no sense, still give a chart. */
  struct chart odd = {.out = &out, .width = 400, .height = 300, .x_low = 3, .x_high = 3, .y_low = NAN, .y_high = NAN, .x_logarithmic = true};
  chart_begin(&odd, "");
  ck_assert(isfinite(chart_x(&odd, 3)) && isfinite(chart_y(&odd, 0.5)));
}
END_TEST

START_TEST(the_verdict_names_what_to_change) {
  json_t *summary = json_pack("{s:{s:s,s:s,s:[{s:s,s:s,s:s},{s:n,s:n,s:s}]}}", "verdict", "verdict", "overfits", "why", "a < b", "remedies", "set",
                              "[augment] flip", "value", "both", "why", "more variety", "set", "value", "why", "more images");
  struct page page = {.out = &out, .summary = summary};
  ck_assert_int_eq(page_verdict(&page), 0);
  static const char *const words[] = {">overfits</span> a &lt; b</p>", "<code>[augment] flip = both</code>: more variety</li>", "<li>more images</li>"};
  for (size_t i = 0; i < 3; i++) ck_assert_msg(strstr(out.data, words[i]) != NULL, "%s is not in %s", words[i], out.data);
  end();
  start();
  json_object_clear(summary);
  ck_assert_int_eq(page_verdict(&page), 0);
  expect(""); /* nothing where there is none */
  json_decref(summary);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("html");
  TCase *cases = tcase_create("all");
  tcase_add_checked_fixture(cases, start, end);
  tcase_add_test(cases, text_never_becomes_markup);
  tcase_add_test(cases, only_base64_becomes_a_picture);
  tcase_add_test(cases, numbers_read_well);
  tcase_add_test(cases, the_verdict_names_what_to_change);
  tcase_add_test(cases, points_lie_where_the_axes_say);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
