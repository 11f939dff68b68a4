/* SPDX-License-Identifier: MIT
 *
 * What an epoch trains on when rare classes are repeated.
 */
#include "harness.h"

#include "train/oversample.h"

#include <stdlib.h>
#include <string.h>

enum { COUNT = 40, LARGEST = 30 };

/* 30 of class 0, 7 of class 1, 3 of class 2, none of class 3; every second number is used, so that numbers are no places. */
static int32_t labels[2 * COUNT];
static uint32_t numbers[COUNT];

static struct assay_samples samples(void) {
  for (uint32_t i = 0; i < COUNT; i++) {
    numbers[i] = 2 * i;
    labels[2 * i] = i < LARGEST ? 0 : i < LARGEST + 7 ? 1 : 2;
    labels[2 * i + 1] = 3;
  }
  return (struct assay_samples){.count = 2 * COUNT, .class_count = 4, .labels = labels};
}

START_TEST(classes_reach_their_share) {
  static const struct {
    double share;
    uint32_t classes[4];
  } cases[] = {{0, {30, 7, 3, 0}}, {0.1, {30, 7, 3, 0}}, {0.2, {30, 7, 6, 0}}, {0.5, {30, 15, 15, 0}}, {1, {30, 30, 30, 0}}};
  const struct assay_samples set = samples();
  for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
    const uint32_t size = assay_epoch_size(&set, numbers, COUNT, cases[c].share);
    uint32_t *order = calloc(size, sizeof *order), classes[4] = {0}, uses[2 * COUNT] = {0};
    ck_assert_uint_eq(size, cases[c].classes[0] + cases[c].classes[1] + cases[c].classes[2]);
    ck_assert_int_eq(assay_epoch_fill(&set, numbers, COUNT, cases[c].share, 5, 1, order, NULL), 0);
    for (uint32_t i = 0; i < size; i++) {
      classes[labels[order[i]]]++;
      uses[order[i]]++;
    }
    ck_assert_mem_eq(classes, cases[c].classes, sizeof classes);
    for (uint32_t i = 0; i < COUNT; i++) { /* each as often as the others of its class, or once more */
      const uint32_t members = (uint32_t[]){30, 7, 3}[labels[2 * i]], least = classes[labels[2 * i]] / members;
      ck_assert_uint_ge(uses[2 * i], least);
      ck_assert_uint_le(uses[2 * i], least + (classes[labels[2 * i]] % members != 0));
      ck_assert_uint_eq(uses[2 * i + 1], 0);
    }
    free(order);
  }
}
END_TEST

/* 30 = 4 × 7 + 2: which two come once more follows from seed and epoch alone, and changes with both. */
START_TEST(the_draw_follows_seed_and_epoch) {
  const struct assay_samples set = samples();
  uint32_t first[90], again[90];
  ck_assert_int_eq(assay_epoch_fill(&set, numbers, COUNT, 1, 5, 1, first, NULL), 0);
  ck_assert_int_eq(assay_epoch_fill(&set, numbers, COUNT, 1, 5, 1, again, NULL), 0);
  ck_assert_mem_eq(first, again, sizeof first);
  bool other_epoch = false, other_seed = false;
  for (uint32_t e = 2; e < 8; e++) {
    ck_assert_int_eq(assay_epoch_fill(&set, numbers, COUNT, 1, 5, e, again, NULL), 0);
    other_epoch |= memcmp(first, again, sizeof first) != 0;
    ck_assert_int_eq(assay_epoch_fill(&set, numbers, COUNT, 1, e + 5, 1, again, NULL), 0);
    other_seed |= memcmp(first, again, sizeof first) != 0;
  }
  ck_assert(other_epoch && other_seed);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("oversample");
  TCase *cases = tcase_create("oversample");
  tcase_add_test(cases, classes_reach_their_share);
  tcase_add_test(cases, the_draw_follows_seed_and_epoch);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
