/* SPDX-License-Identifier: MIT
 *
 * Texts of the core's keys that have a grammar of their own.
 */
#include "harness.h"

#include "base/status.h"
#include "config/sections.h"

#include <string.h>

START_TEST(regions) {
  static const struct {
    const char *text;
    struct assay_region region;
  } good[] = {{"", {0, 0, 0, 0, 0}},
              {"800x600+100+50", {100, 50, 800, 600, 0}},
              {"1x1+0+0", {0, 0, 1, 1, 0}},
              {"50%x40%+25%+0%", {250000, 0, 500000, 400000, 1}},
              {"33.3333%x100%+66.6667%+0%", {666667, 0, 333333, 1000000, 1}}};
  static const char *const bad[] = {"800x600", "800x600+1", "800x600+1+2+3", "x600+1+2", "0x5+1+1", "5x0+1+1", "-5x5+1+1", "5x5+-1+1", "70000x5+0+0", "50%x40+25%+0%",
                                    "50x40%+25+0", "%x%+%+%", "101%x1%+0%+0%", "60%x40%+50%+0%", "60%x60%+0%+50%", "1e1x5+0+0", "nan%x1%+0%+0%", "5x5+1+1 ", "5 x 5 + 1 + 1"};
  struct assay_region region;
  struct assay_status status = {0};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    ck_assert_msg(assay_parse_region(good[i].text, &region, &status) == 0, "%s", status.message);
    ck_assert_mem_eq(&region, &good[i].region, sizeof region);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    ck_assert_msg(assay_parse_region(bad[i], &region, &status) == ASSAY_E_CONFIG, "%s was taken", bad[i]);
    ck_assert_ptr_nonnull(strstr(status.message, "region"));
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("sections");
  TCase *cases = tcase_create("texts");
  tcase_add_test(cases, regions);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
