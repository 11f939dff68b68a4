/* SPDX-License-Identifier: MIT
 *
 * Things made ahead: in order, never into a slot that somebody has, and as many as there is room for.
 */
#include "harness.h"

#include "data/ahead.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum { SLOTS = 3, COUNT = 500 };

struct work {
  uint32_t slots[SLOTS];
  _Atomic uint32_t made;
  _Atomic uint32_t held; /* slot of the thing that the test has, + 1 */
  _Atomic bool overwrote;
};

static void make(void *context, uint32_t thing, uint32_t slot) {
  struct work *work = context;
  if (atomic_load(&work->held) == slot + 1) atomic_store(&work->overwrote, true);
  work->slots[slot] = thing;
  atomic_fetch_add(&work->made, 1);
}

static void nap(long milliseconds) { nanosleep(&(struct timespec){.tv_nsec = milliseconds * 1000000}, NULL); }

START_TEST(things_come_in_order_and_stay) {
  struct work work = {.made = 0};
  struct assay_ahead *ahead = assay_ahead_start(COUNT, SLOTS, make, &work);
  ck_assert_ptr_nonnull(ahead);
  for (uint32_t i = 0; i < COUNT; i++) {
    atomic_store(&work.held, 0);
    const uint32_t slot = assay_ahead_next(ahead);
    atomic_store(&work.held, slot + 1);
    ck_assert_uint_lt(slot, SLOTS);
    ck_assert_uint_eq(work.slots[slot], i);
    if (i % 50 == 0) nap(2); /* time for the thread to go too far */
    ck_assert_uint_eq(work.slots[slot], i);
  }
  ck_assert_uint_eq(work.made, COUNT);
  ck_assert(!work.overwrote);
  assay_ahead_stop(ahead);
}
END_TEST

START_TEST(what_is_ready_is_not_waited_for) {
  struct work work = {.made = 0};
  struct assay_ahead *ahead = assay_ahead_start(COUNT, SLOTS, make, &work);
  for (int i = 0; i < 5000 && work.made < SLOTS; i++) nap(1);
  ck_assert_uint_eq(work.made, SLOTS);
  nap(5);
  ck_assert_uint_eq(work.made, SLOTS); /* no room for more */
  assay_ahead_next(ahead);
  nap(5);
  ck_assert_uint_eq(work.made, SLOTS); /* the first is still in use */
  assay_ahead_next(ahead);
  for (int i = 0; i < 5000 && work.made < SLOTS + 1; i++) nap(1);
  ck_assert_uint_eq(work.made, SLOTS + 1);
  ck_assert_double_lt(assay_ahead_waited(ahead), 1);
  assay_ahead_stop(ahead); /* most were never taken */
  ck_assert_uint_lt(work.made, COUNT);
  assay_ahead_stop(NULL);
}
END_TEST

static void make_slowly(void *context, uint32_t thing, uint32_t slot) {
  nap(20);
  make(context, thing, slot);
}

/* Six things of 20 ms, two at a time at most. */
START_TEST(waiting_is_counted) {
  struct work work = {.made = 0};
  struct assay_ahead *ahead = assay_ahead_start(6, SLOTS, make_slowly, &work);
  for (uint32_t i = 0; i < 6; i++) ck_assert_uint_eq(work.slots[assay_ahead_next(ahead)], i);
  ck_assert_double_gt(assay_ahead_waited(ahead), 0.015); /* whatever was made before the first call, the last two were not */
  assay_ahead_stop(ahead);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("ahead");
  TCase *cases = tcase_create("all");
  tcase_add_test(cases, things_come_in_order_and_stay);
  tcase_add_test(cases, what_is_ready_is_not_waited_for);
  tcase_add_test(cases, waiting_is_counted);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
