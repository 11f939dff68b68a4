/* SPDX-License-Identifier: MIT */
#include "search.h"

#include <assay/random.h>
#include <math.h>
#include <stdio.h>

bool assay_search_single(const struct assay_dimension *axis) { return axis->kind == ASSAY_DOMAIN_CHOICE ? axis->choice_count <= 1 : axis->high <= axis->low; }

double assay_search_value_at(const struct assay_dimension *axis, double share) {
  if (axis->kind == ASSAY_DOMAIN_CHOICE) return fmin(axis->choice_count - 1.0, floor(share * axis->choice_count));
  if (axis->high <= axis->low) return axis->low;
  const double step = axis->kind == ASSAY_DOMAIN_INT && axis->step < 1 ? 1 : axis->step;
  const double high = step > 0 ? axis->low + floor((axis->high - axis->low) / step + 1e-9) * step : axis->high;
  double from = axis->low - step / 2, to = high + step / 2;
  double value = axis->logarithmic ? exp(log(from) + share * (log(to) - log(from))) : from + share * (to - from);
  if (step > 0) value = axis->low + nearbyint((value - axis->low) / step) * step;
  return fmin(high, fmax(axis->low, value));
}

/* A Feistel network over the smallest even number of bits that holds `count`, walked until the result falls inside: a bijection, as every round is.
 * The walk takes fewer than four turns on average. */
enum { ROUNDS = 6 };

static uint32_t scramble(uint32_t half, uint32_t round, uint64_t count, const uint32_t key[2]) {
  const uint32_t counter[4] = {half, round, (uint32_t)count, 0x5045524Du /* "PERM": apart from the streams of random.h */};
  uint32_t out[4];
  assay_philox(counter, key, out);
  return out[0];
}

static unsigned half_bits(uint64_t count) {
  unsigned bits = 1;
  while (bits < 32 && (count - 1) >> (2 * bits) != 0) bits++;
  return bits;
}

uint64_t assay_permute(uint64_t index, uint64_t count, const uint32_t key[2]) {
  if (count <= 1) return 0;
  const unsigned bits = half_bits(count);
  const uint32_t mask = bits == 32 ? UINT32_MAX : (1u << bits) - 1;
  do {
    uint32_t left = (uint32_t)(index >> bits) & mask, right = (uint32_t)index & mask;
    for (uint32_t round = 0; round < ROUNDS; round++) {
      const uint32_t next = left ^ (scramble(right, round, count, key) & mask);
      left = right;
      right = next;
    }
    index = (uint64_t)left << bits | right;
  } while (index >= count);
  return index;
}

uint64_t assay_permute_back(uint64_t index, uint64_t count, const uint32_t key[2]) {
  if (count <= 1) return 0;
  const unsigned bits = half_bits(count);
  const uint32_t mask = bits == 32 ? UINT32_MAX : (1u << bits) - 1;
  do {
    uint32_t left = (uint32_t)(index >> bits) & mask, right = (uint32_t)index & mask;
    for (uint32_t round = ROUNDS; round-- > 0;) {
      const uint32_t before = right ^ (scramble(left, round, count, key) & mask);
      right = left;
      left = before;
    }
    index = (uint64_t)left << bits | right;
  } while (index >= count);
  return index;
}

int assay_search_fail(struct assay_status *status, int code, const char *message) {
  status->code = code;
  snprintf(status->message, sizeof status->message, "%s", message);
  return code;
}
